//! The credential of native calls that a login gives, kept and renewed.

use serde_json::Value;

use super::Native;
use super::repeat::Effect;
use crate::engine::NativeToken;
use crate::exchange::{Reply, Request, Response};
use crate::handler::turns::{self, Key};
use crate::mapping::Login;
use crate::mapping::codec::text_of;
use crate::mapping::errors::{json_body, not_understood, recognised, scim_error};
use crate::mapping::template::Scope;
use crate::scim::Error;

impl Native<'_> {
    /// Calls with a token that was refused are made once more with a new one: a 401 says that nothing was done.
    pub(super) async fn send_with_credential(
        &self,
        what: &str,
        requests: &[Request],
        effect: Effect,
    ) -> Result<Vec<Result<Response, Error>>, Error> {
        let told = |reply: Reply| reply.map_err(|reason| self.error(what, &Err(reason)));
        let Some(login) = &self.mapping().login else {
            let replies = self.send_patiently(requests.iter().collect(), effect, None).await;
            return Ok(replies.into_iter().map(told).collect());
        };
        let with = |token: &str| (login.header.clone(), header_text(login, token));
        let refused =
            |reply: &Reply| reply.as_ref().is_ok_and(|reply| reply.status == 401 || recognised(&login.refused, reply));
        let mut token = self.token(what, login, None).await?;
        let mut replies = self.send_patiently(requests.iter().collect(), effect, Some(&with(&token))).await;
        let mut failed = None;
        for attempt in 0..2 {
            if !replies.iter().any(refused) {
                break;
            }
            token = match attempt {
                // What has been answered stays answered.
                0 => match self.token(what, login, Some(&token)).await {
                    Ok(token) => token,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                },
                // A login of somebody else's may have ended the session that this one began.
                _ => match self.kept_token().filter(|kept| kept.value != token) {
                    Some(kept) => kept.value,
                    None => break,
                },
            };
            let again = requests.iter().zip(&replies).filter(|(_, reply)| refused(reply));
            let again = again.map(|(request, _)| request).collect();
            let second = self.send_patiently(again, effect, Some(&with(&token))).await;
            for (reply, new) in replies.iter_mut().filter(|reply| refused(reply)).zip(second) {
                *reply = new;
            }
        }
        // However it says so, it is no news about what was asked for.
        let answer = |reply: Reply| match reply {
            reply if let Some(error) = failed.as_ref().filter(|_| refused(&reply)) => Err(error.clone()),
            Ok(reply) if reply.status == 401 => Ok(Response { status: 401, ..Response::default() }),
            Ok(reply) if recognised(&login.refused, &reply) => {
                let refused = "the application refused the credential of this gateway, a new one too";
                Err(Error::new(502, format!("{refused} (native status {}, by `refused`)", reply.status)))
            }
            reply => told(reply),
        };
        Ok(replies.into_iter().map(answer).collect())
    }

    /// A request with the header fields of every call.
    pub(super) fn prepare(&self, request: &Request, credential: Option<&(String, String)>) -> Request {
        let mut request = request.clone();
        // A token endpoint elsewhere is not the application: it gets none of its secrets.
        let here = request.target.starts_with('/');
        let fixed = self.mapping().headers.iter().filter(|_| here);
        for (name, value) in fixed.chain(credential) {
            if request.header(name).is_none() {
                request.headers.push((name.clone(), value.clone()));
            }
        }
        if request.header("accept").is_none() {
            // Some refuse a call that they answer without a body if that is all that it accepts.
            request.headers.push(("accept".to_owned(), "application/json, */*;q=0.1".to_owned()));
        }
        request
    }

    fn kept_token(&self) -> Option<NativeToken> {
        self.tenant.token.borrow().clone()
    }

    /// The token for native calls: the one that is kept, or a new one if there is none, it is too old, or it is
    /// the one that was `refused`. Of several requests that need a new one, one logs in: an application may end the
    /// session before with each login.
    async fn token(&self, what: &str, login: &Login, refused: Option<&str>) -> Result<String, Error> {
        let before = self.kept_token();
        let failures = self.tenant.failed_logins.get();
        let is_fresh = |kept: &&NativeToken| kept.until.is_none_or(|until| self.moment.now < until);
        let is_new = |kept: &&NativeToken| refused != Some(kept.value.as_str());
        if let Some(kept) = before.as_ref().filter(is_fresh).filter(is_new) {
            return Ok(kept.value.clone());
        }
        let busy = || {
            Error::new(503, format!("another request's login failed or is not done, which is needed to {what}"))
                .with_header("retry-after", "1")
        };
        let Some(_turn) = turns::wait(self, Key::Login).await else { return Err(busy()) };
        let kept = self.kept_token().filter(|kept| before.as_ref().is_none_or(|before| before.value != kept.value));
        if let Some(kept) = kept.as_ref().filter(is_new) {
            return Ok(kept.value.clone());
        }
        if failures != self.tenant.failed_logins.get() {
            return Err(busy());
        }
        let token = self.log_in(what, login).await;
        if token.is_err() {
            self.tenant.failed_logins.set(failures.wrapping_add(1));
        }
        token
    }

    async fn log_in(&self, what: &str, login: &Login) -> Result<String, Error> {
        let request = login.call.render(&Scope::default())?;
        let reply = self.upstream.call(self.prepare(&request, None)).await;
        let denied = || {
            Error::new(
                502,
                format!("the application did not accept the login of this gateway, which is needed to {what}"),
            )
        };
        let reply = match reply {
            Ok(reply) if (200..300).contains(&reply.status) => reply,
            // No news about what was asked for, whatever the status.
            Ok(Response { status: 300..=428 | 430..=499, .. }) => return Err(denied()),
            other => return Err(scim_error(&[], "log the gateway in", &other, self.moment.now)),
        };
        let token = login.token.text(&reply);
        let Some(value) = token.filter(|token| !token.is_empty() && !token.chars().any(char::is_control)) else {
            return Err(not_understood("log the gateway in", "it has no token where the mapping says"));
        };
        let told = login.expires.as_ref().and_then(|at| text_of(at.get(&json_body(&reply))?).parse().ok());
        let used = told.map(used_for).or(login.lifetime);
        let until = used.map(|used| self.moment.now.saturating_add(used));
        *self.tenant.token.borrow_mut() = Some(NativeToken { value: value.clone(), until });
        Ok(value)
    }
}

/// How many milliseconds a token is used that can be for so many seconds: it must not expire on its way.
fn used_for(seconds: u64) -> u64 {
    seconds.saturating_sub(30.min(seconds / 2)).saturating_mul(1000)
}

fn header_text(login: &Login, token: &str) -> String {
    let token = Value::from(token);
    login.value.plain(&Scope { token: Some(&token), ..Scope::default() })
}
