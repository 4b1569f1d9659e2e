//! Native calls: the credential, what is made again, the meaning of replies, and nothing about SCIM operations.

use std::time::Duration;

use std::cell::{Cell, RefCell};

use serde_json::Value;

use super::pages;
use super::turns::Turns;
use crate::Engine;
use crate::engine::{NativeToken, Tenant};
use crate::exchange::{Moment, Reply, Request, Response, Unreachable, Upstream};
use crate::mapping::codec::text_of;
use crate::mapping::errors::{Recognised, json_body, not_understood, recognised, retry_after, scim_error};
use crate::mapping::generate::Generate;
use crate::mapping::language::{Access, Guard};
use crate::mapping::template::{JsonTemplate, Scope, Slot, Unfit};
use crate::mapping::translate::Attributes;
use crate::mapping::{Item, ListPart, Login, Mapping, Operation, Resource};
use crate::scim::Error;

/// The longest `Retry-After` that is waited for. A client is told of a longer one.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause before the first repetition where the application asks for none; it doubles each time.
const PAUSE: Duration = Duration::from_millis(100);

/// The application, as handlers see it.
pub(super) struct Native<'e> {
    engine: &'e Engine,
    tenant: &'e Tenant,
    upstream: Upstream,
    moment: Moment,
    /// How many texts were made up.
    generated: Cell<u32>,
    /// What the request writes and nobody may read, so that no message of the application repeats it.
    secrets: RefCell<Vec<String>>,
}

impl<'e> Native<'e> {
    pub(super) fn new(engine: &'e Engine, tenant: &'e Tenant, upstream: Upstream, moment: Moment) -> Self {
        let (generated, secrets) = (Cell::new(0), RefCell::default());
        Native { engine, tenant, upstream, moment, generated, secrets }
    }

    pub(super) fn mapping(&self) -> &'e Mapping {
        &self.tenant.mapping
    }

    /// The name of the tenant that the client is; empty where there are no tenants.
    pub(super) fn tenant(&self) -> &'e str {
        &self.tenant.name
    }

    pub(super) fn engine(&self) -> &'e Engine {
        self.engine
    }

    pub(super) fn moment(&self) -> &Moment {
        &self.moment
    }

    /// A secret of its own for each resource.
    pub(super) fn generate(&self, how: &Generate) -> Value {
        let number = self.generated.get();
        self.generated.set(number.wrapping_add(1));
        how.nth(number, &self.moment.entropy).into()
    }

    /// Keeps what `desired` has of passwords and their like out of errors.
    pub(super) fn keep_secret(&self, resource: &Resource, desired: &Attributes) {
        let hidden = resource.rows.iter().filter(|row| row.access == Access::Write);
        let texts = hidden.filter_map(|row| row.place.get(desired)?.as_str());
        // Shorter ones would make any message unreadable, and give themselves away.
        self.secrets.borrow_mut().extend(texts.filter(|text| text.len() >= 6).map(str::to_owned));
    }

    /// The turns that this tenant's requests have.
    pub(super) fn turns(&self) -> &'e Turns {
        &self.tenant.turns
    }

    /// Lets time pass; `false` where the request has not so much left.
    pub(super) async fn pause(&self, duration: Duration) -> bool {
        self.upstream.pause(duration).await
    }

    /// The application's own host, which absolute addresses in its replies must have.
    pub(super) fn authority(&self) -> &'e str {
        self.engine.authority()
    }

    /// Makes one call that writes, whatever its status. `what` says in words what it is for.
    pub(super) async fn send(&self, what: &str, request: Request) -> Result<Response, Error> {
        one(self.send_until(what, vec![request], |_| false).await?)
    }

    /// Makes calls that write, as many at once as the mapping allows. The replies are in the order of the requests; the
    /// outer error is a login that failed, and then no call was made. Once there is a reply at which to `stop`, what has not
    /// been sent yet is not: there are then fewer replies than requests.
    pub(super) async fn send_until(
        &self,
        what: &str,
        requests: Vec<Request>,
        stop: impl Fn(&Result<Response, Error>) -> bool,
    ) -> Result<Vec<Result<Response, Error>>, Error> {
        self.call(what, requests, Effect::Writes, stop).await
    }

    /// As [`Native::send`], for a call that reads, whatever its method.
    pub(super) async fn ask(&self, what: &str, request: Request) -> Result<Response, Error> {
        one(self.ask_all(what, vec![request]).await?)
    }

    /// As [`Native::ask`], for several calls, as many at once as the mapping allows.
    pub(super) async fn ask_all(
        &self,
        what: &str,
        requests: Vec<Request>,
    ) -> Result<Vec<Result<Response, Error>>, Error> {
        self.call(what, requests, Effect::Reads, |_| false).await
    }

    async fn call(
        &self,
        what: &str,
        requests: Vec<Request>,
        effect: Effect,
        stop: impl Fn(&Result<Response, Error>) -> bool,
    ) -> Result<Vec<Result<Response, Error>>, Error> {
        let mut results = Vec::with_capacity(requests.len());
        for batch in requests.chunks(self.mapping().limits.concurrency) {
            let sent = results.len();
            for reply in self.send_with_credential(what, batch, effect).await? {
                results.push(reply.map_err(|reason| self.error(what, &Err(reason))));
            }
            if results.iter().skip(sent).any(&stop) {
                break;
            }
        }
        Ok(results)
    }

    /// Whether a reply says that the application can do nothing at the moment, so that more calls would be in vain.
    pub(super) fn is_in_trouble(&self, what: &str, reply: &Result<Response, Error>) -> bool {
        let failed = |error: &Error| error.status == 429 || error.status >= 500;
        match reply {
            Ok(reply) if reply.status < 400 => false,
            Ok(reply) => self.check(what, reply.clone()).is_err_and(|error| failed(&error)),
            Err(error) => failed(error),
        }
    }

    /// Calls with a token that was refused are made once more with a new one: a 401 says that nothing was done.
    async fn send_with_credential(
        &self,
        what: &str,
        requests: &[Request],
        effect: Effect,
    ) -> Result<Vec<Reply>, Error> {
        let Some(login) = &self.mapping().login else {
            return Ok(self.send_patiently(requests.iter().collect(), effect, None).await);
        };
        let token = self.token(what, login, None).await?;
        let with = |token: &str| (login.header.clone(), header_text(login, token));
        let mut replies = self.send_patiently(requests.iter().collect(), effect, Some(&with(&token))).await;
        let refused =
            |reply: &Reply| reply.as_ref().is_ok_and(|reply| reply.status == 401 || recognised(&login.refused, reply));
        if replies.iter().any(refused) {
            let token = self.token(what, login, Some(&token)).await?;
            let again = requests.iter().zip(&replies).filter(|(_, reply)| refused(reply));
            let again = again.map(|(request, _)| request).collect();
            let second = self.send_patiently(again, effect, Some(&with(&token))).await;
            for (reply, new) in replies.iter_mut().filter(|reply| refused(reply)).zip(second) {
                // However it says so, it is no news about what was asked for.
                *reply = if refused(&new) { Ok(Response { status: 401, ..Response::default() }) } else { new };
            }
        }
        Ok(replies)
    }

    /// Makes calls, and those again that found nobody or a busy application, where doing them twice is doing them
    /// once (RFC 9110 section 9.2.2), while the request has time.
    async fn send_patiently(
        &self,
        requests: Vec<&Request>,
        effect: Effect,
        credential: Option<&(String, String)>,
    ) -> Vec<Reply> {
        let prepare = |request: &Request| self.prepare(request, credential);
        let mut replies = self.upstream.call_all(requests.iter().map(|request| prepare(request))).await;
        for attempt in 0..self.mapping().limits.retries {
            let usual = PAUSE.saturating_mul(1 << attempt);
            let mut pause = Duration::ZERO;
            let mut again: Vec<(&Request, &mut Reply)> = Vec::new();
            for (request, reply) in requests.iter().zip(&mut replies) {
                if let Some(wanted) = pause_before_repeating((request, effect), reply, self.moment.now, usual) {
                    pause = pause.max(wanted);
                    again.push((request, reply));
                }
            }
            if again.is_empty() || !self.upstream.pause(pause).await {
                break;
            }
            let second = self.upstream.call_all(again.iter().map(|(request, _)| prepare(request))).await;
            for ((request, reply), second) in again.into_iter().zip(second) {
                *reply = second.map(|second| if is_done(request, reply, &second) { done() } else { second });
            }
        }
        replies
    }

    fn prepare(&self, request: &Request, credential: Option<&(String, String)>) -> Request {
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

    /// The token for native calls: the one that is kept, or a new one if there is none, it is too old, or it is
    /// the one that was `refused`.
    async fn token(&self, what: &str, login: &Login, refused: Option<&str>) -> Result<String, Error> {
        let kept = self.tenant.token.borrow().clone();
        if let Some(kept) = kept {
            let fresh = kept.until.is_none_or(|until| self.moment.now < until);
            if fresh && refused != Some(kept.value.as_str()) {
                return Ok(kept.value);
            }
        }
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

    /// Whether a reply is a success. One that is recognised by an error rule is none, whatever its status, and neither
    /// is a web page: a login form or a maintenance notice that something before the application answers with.
    pub(super) fn check(&self, what: &str, reply: Response) -> Result<Response, Error> {
        let rules = &self.mapping().errors;
        let ok = (200..300).contains(&reply.status);
        if ok && is_web_page(&reply) {
            return Err(not_understood(what, "it is a web page"));
        }
        let may_be_error = |status: Option<u16>| status.is_none_or(|status| status < 300);
        if ok && !rules.iter().any(|rule| may_be_error(rule.when.status)) {
            return Ok(reply);
        }
        if ok {
            let body = json_body(&reply);
            if !rules.iter().any(|rule| may_be_error(rule.when.status) && rule.when.matches(&reply, &body)) {
                return Ok(reply);
            }
        }
        Err(self.error(what, &Ok(reply)))
    }

    fn error(&self, what: &str, reply: &Reply) -> Error {
        let mut error = scim_error(&self.mapping().errors, what, reply, self.moment.now);
        for secret in self.secrets.borrow().iter() {
            error.detail = error.detail.replace(secret.as_str(), "…");
        }
        error
    }

    /// As [`Native::check`], for a call whose path no resource of the client's is part of, or one that has just been
    /// read: a 404 is then no news about a resource, and an identity provider must not take it for some.
    pub(super) fn check_collection(&self, what: &str, reply: Response) -> Result<Response, Error> {
        let status = reply.status;
        let declared = || {
            let body = json_body(&reply);
            let mut rules = self.mapping().errors.iter();
            rules.any(|rule| rule.when.matches(&reply, &body))
        };
        if is_absent(&reply, &[]) && !declared() {
            return Err(Error::new(
                502,
                format!("the application could not {what}: it has nothing at this path (native status {status})"),
            ));
        }
        self.check(what, reply)
    }

    /// Makes a call that answers with an object: `None` where the application says that it is not there.
    pub(super) async fn object(
        &self,
        what: &str,
        resource: &Resource,
        operation: &Operation,
        scope: &Scope<'_>,
    ) -> Result<Option<Value>, Error> {
        let Ok(request) = operation.request(scope) else {
            return Ok(None);
        };
        let reply = self.ask(what, request).await?;
        self.object_in(what, resource, (operation, scope), reply)
    }

    /// As [`Native::object`], for several scopes, side by side.
    pub(super) async fn objects(
        &self,
        what: &str,
        resource: &Resource,
        operation: &Operation,
        scopes: &[Scope<'_>],
    ) -> Result<Vec<Option<Value>>, Error> {
        // What cannot stand in the call is not there; the call for it is left out.
        let rendered: Vec<Option<Request>> = scopes.iter().map(|scope| operation.request(scope).ok()).collect();
        let there: Vec<bool> = rendered.iter().map(Option::is_some).collect();
        // An application that is down is left alone: the first failure is told, and nothing after it was sent.
        let stop = |reply: &Result<Response, Error>| {
            let absent = matches!(reply, Ok(reply) if is_absent(reply, &operation.absent));
            !absent && self.is_in_trouble(what, reply)
        };
        let requests = rendered.into_iter().flatten().collect();
        let mut replies = self.call(what, requests, Effect::Reads, stop).await?.into_iter();
        let mut found = Vec::with_capacity(there.len());
        for (there, scope) in there.into_iter().zip(scopes) {
            let reply = if there { replies.next() } else { None };
            found.push(match reply {
                Some(reply) => self.object_in(what, resource, (operation, scope), reply?)?,
                None => None,
            });
        }
        Ok(found)
    }

    fn object_in(
        &self,
        what: &str,
        resource: &Resource,
        (operation, scope): (&Operation, &Scope<'_>),
        reply: Response,
    ) -> Result<Option<Value>, Error> {
        if is_absent(&reply, &operation.absent) {
            return Ok(None);
        }
        let reply = self.check(what, reply)?;
        match item(resource, &operation.item, &reply) {
            Some(mut object) => {
                for (at, value) in &operation.set {
                    at.set(&mut object, value.render(scope));
                }
                Ok(Some(object))
            }
            None if operation.item.at.is_past_end(&json_body(&reply)) => Ok(None),
            None => Err(not_understood(what, &operation.item.problem())),
        }
    }

    /// The native objects with these ids, read side by side.
    pub(super) async fn read_all(&self, resource: &Resource, ids: &[Value]) -> Result<Vec<Option<Value>>, Error> {
        if resource.fixed.is_some() {
            return Ok(ids.iter().map(|id| resource.fixed_object(id).cloned()).collect());
        }
        let what = format!("read the {}", noun(resource));
        let scopes: Vec<Scope<'_>> = ids.iter().map(|id| Scope { id: Some(id), ..Scope::default() }).collect();
        let objects = match (&resource.row, &resource.list) {
            (Some(query), Some(list)) => self.rows_with_ids(&what, resource, (&list.parts, query), &scopes).await?,
            _ => self.objects(&what, resource, &resource.read, &scopes).await?,
        };
        objects.iter().flatten().try_for_each(|object| resource.refuse_nameless(&what, object))?;
        Ok(objects)
    }

    /// The rows of the list that have the ids of these scopes. A list that is not asked by the id is read once for all.
    async fn rows_with_ids(
        &self,
        what: &str,
        resource: &Resource,
        (parts, query): (&[ListPart], &[(String, JsonTemplate)]),
        scopes: &[Scope<'_>],
    ) -> Result<Vec<Option<Value>>, Error> {
        let by_id = query.iter().any(|(_, value)| value.any(&|slot| matches!(slot, Slot::Id)));
        let asked = scopes.get(..1).filter(|_| !by_id).unwrap_or(scopes);
        let lists = pages::rows_of_list(self, what, parts, query, asked).await?;
        let find = |(index, scope): (usize, &Scope<'_>)| {
            let wanted = scope.id.and_then(|id| resource.scim_id(id))?;
            let rows = lists.get(if by_id { index } else { 0 })?;
            rows.iter().find(|row| resource.scim_id_of(row).as_ref() == Some(&wanted)).cloned()
        };
        Ok(scopes.iter().enumerate().map(find).collect())
    }

    /// The native object with this id.
    pub(super) async fn read(&self, resource: &Resource, id: &Value) -> Result<Option<Value>, Error> {
        Ok(self.read_all(resource, std::slice::from_ref(id)).await?.pop().flatten())
    }

    /// Whether there is an object with this id, in the sense of the guard.
    pub(super) async fn has(&self, resource: &Resource, id: &Value, guard: Guard) -> Result<bool, Error> {
        if guard != Guard::Unused || resource.row.is_some() {
            return Ok(self.read(resource, id).await?.is_some());
        }
        let read = Operation { absent: Vec::new(), ..resource.read.clone() };
        let what = format!("read the {}", noun(resource));
        let scope = Scope { id: Some(id), ..Scope::default() };
        let found = self.object(&what, resource, &read, &scope).await?;
        Ok(found.is_some())
    }
}

/// What calls are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// They change nothing, even by POST.
    Reads,
    Writes,
}

fn one(mut replies: Vec<Result<Response, Error>>) -> Result<Response, Error> {
    replies.pop().unwrap_or_else(|| Err(Error::new(500, "a call has no reply")))
}

/// How long to wait before a call is made again, if it is to be made again: `usual` unless the application says when.
fn pause_before_repeating(
    (request, effect): (&Request, Effect),
    reply: &Reply,
    now: u64,
    usual: Duration,
) -> Option<Duration> {
    // What has been done makes a condition fail the second time.
    let conditional = ["if-match", "if-none-match"].iter().any(|name| request.header(name).is_some());
    let idempotent = matches!(request.method.as_str(), "GET" | "HEAD" | "PUT" | "DELETE") && !conditional;
    let idempotent = idempotent || effect == Effect::Reads;
    let pause = match reply {
        Err(Unreachable::Connection) => usual,
        Ok(reply) if matches!(reply.status, 502..=504) => retry_after(reply, now).map_or(usual, Duration::from_secs),
        // An application that does not say when is not asked at once.
        Ok(reply) if reply.status == 429 => Duration::from_secs(retry_after(reply, now)?),
        _ => return None,
    };
    (idempotent && pause <= PATIENCE).then_some(pause)
}

/// Whether the second reply to a DELETE says that the first one, whose reply was lost, has been carried out.
fn is_done(request: &Request, first: &Reply, second: &Response) -> bool {
    let lost = matches!(first, Err(_) | Ok(Response { status: 502 | 504, .. }));
    request.method == "DELETE" && lost && is_absent(second, &[])
}

fn done() -> Response {
    Response { status: 204, ..Response::default() }
}

/// The resource type's name in the middle of a sentence.
pub(super) fn noun(resource: &Resource) -> String {
    resource.kind.name.to_lowercase()
}

/// Whether a reply says that the resource is not there.
pub(super) fn is_absent(reply: &Response, absent: &[Recognised]) -> bool {
    matches!(reply.status, 404 | 410) || recognised(absent, reply)
}

/// Some frameworks call everything `text/html`, and an empty body too, so the body decides as well.
fn is_web_page(reply: &Response) -> bool {
    let html = reply.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    html && reply.body.trim_ascii_start().starts_with(b"<")
}

/// The object in a reply.
pub(super) fn item(resource: &Resource, item: &Item, reply: &Response) -> Option<Value> {
    let mut body: Value = serde_json::from_slice(&reply.body).ok()?;
    if let Some(found) = item.at.take(&mut body) {
        return found.is_object().then_some(found);
    }
    let bare = !item.stated && resource.scim_id_of(&body).is_some();
    bare.then_some(body)
}

impl Item {
    /// What a reply lacks that has no object there.
    fn problem(&self) -> String {
        if self.at.is_root() { "it is no object".to_owned() } else { format!("there is no object at `{}`", self.at) }
    }
}

impl Resource {
    /// The fixed resource with this native id.
    fn fixed_object(&self, id: &Value) -> Option<&Value> {
        let at = self.id_row()?.native.as_ref()?;
        let mut fixed = self.fixed.iter().flatten();
        fixed.find(|object| at.get(object).is_some_and(|found| text_of(found) == text_of(id)))
    }

    /// Refuses an object that does not say which one it is: another thing that the path may lead to, or an error that is
    /// called a success.
    pub(super) fn refuse_nameless(&self, what: &str, native: &Value) -> Result<(), Error> {
        let at = self.id_row().and_then(|row| row.native.as_ref());
        match at.filter(|_| self.scim_id_of(native).is_none()) {
            Some(at) => Err(not_understood(what, &format!("there is no id at `{at}`"))),
            None => Ok(()),
        }
    }

    /// The SCIM id of a native object.
    pub(super) fn scim_id_of(&self, native: &Value) -> Option<String> {
        self.scim_id(self.id_row()?.native.as_ref()?.get(native)?)
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

/// The error for a value that cannot be sent where the mapping puts it.
pub(super) fn unfit(reason: &Unfit) -> Error {
    reason.clone().into()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use serde_json::{Value, json};

    use crate::Engine;
    use crate::exchange::{Exchange, Moment, Output, Request, Response};

    const MAPPING: &str = "{mapping: v1, upstream: {base: '/{tenant}/api', headers: {x-key: 'k {env.KEY_{tenant}}'}, \
        auth: {oauth: {token_url: '/{tenant}/token', client_id: edge, client_secret: {env: 'SECRET_{tenant}'}, \
        client: body}}}, paging: {offset: {param: o, size: s, max: 9}, items: d, total: t}, resources: {User: {path: /u, \
        attributes: {id: {native: id, access: read}, userName: {native: n}}, list: {}}}}";

    fn engine() -> Rc<Engine> {
        let settings = [
            (
                "SCIM_EDGE_TOKENS",
                "acme=a,acme=a2==,umbrella=sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
            ),
            ("KEY_acme", "1"),
            ("KEY_umbrella", "2"),
            ("SECRET_acme", "s1"),
            ("SECRET_umbrella", "s2"),
        ];
        let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Rc::new(Engine::new(MAPPING, "mapping.yaml", &environment).unwrap())
    }

    /// The calls that a request becomes, with their credentials, and its response. Token endpoints give out `token` for
    /// `expires_in` seconds, and `refused` is a token that the application does not take.
    fn run(
        engine: &Rc<Engine>,
        (client, target): (&str, &str),
        now: u64,
        (token, expires_in, refused): (&str, Value, &str),
    ) -> (Vec<String>, Response) {
        let request = Request {
            method: "GET".to_owned(),
            target: format!("/scim/v2{target}"),
            headers: vec![("authorization".to_owned(), format!("Bearer {client}"))],
            body: Vec::new(),
        };
        let mut exchange = Exchange::new(Rc::clone(engine), request, Moment { now: now * 1000, entropy: [1; 32] });
        let mut calls = Vec::new();
        loop {
            match exchange.poll_output() {
                Output::Call(id, call, _) => {
                    let path = call.target.split('?').next().unwrap_or_default().to_owned();
                    let credential = call.header("authorization").unwrap_or_default();
                    let reply = if path.ends_with("/token") {
                        calls.push(format!("{path} {}", String::from_utf8_lossy(&call.body)));
                        (200, json!({ "access_token": token, "expires_in": expires_in }))
                    } else {
                        calls.push(format!("{path} {} {credential}", call.header("x-key").unwrap_or_default()));
                        let status = if credential.ends_with(refused) { 401 } else { 200 };
                        (status, json!({ "d": [{ "id": call.target, "n": "a" }], "t": 3, "id": "7", "n": "a" }))
                    };
                    let body = reply.1.to_string().into_bytes();
                    exchange.handle_reply(id, Ok(Response { status: reply.0, headers: Vec::new(), body }), now * 1000);
                }
                Output::Respond(response) => return (calls, response),
                Output::Waiting | Output::Pause(..) => panic!("it waits for nothing"),
            }
        }
    }

    #[test]
    fn a_token_is_kept_until_shortly_before_it_expires_and_renewed_once_when_it_is_refused() {
        let engine = engine();
        let read = ("a", "/Users/7");
        let login =
            |body: &str| format!("/acme/token client_id=edge&client_secret={body}&grant_type=client_credentials");
        let (calls, _) = run(&engine, read, 0, ("t1", json!(300), "-"));
        assert_eq!(calls, [login("s1"), "/acme/api/u/7 k 1 Bearer t1".to_owned()]);
        let (calls, _) = run(&engine, read, 269, ("t2", json!(300), "-"));
        assert_eq!(calls, ["/acme/api/u/7 k 1 Bearer t1"]);
        let (calls, _) = run(&engine, read, 270, ("t2", json!("40"), "-"));
        assert_eq!(calls, [login("s1"), "/acme/api/u/7 k 1 Bearer t2".to_owned()]);
        // Half of a short time.
        let (calls, _) = run(&engine, read, 290, ("t3", json!(null), "-"));
        assert_eq!(calls, [login("s1"), "/acme/api/u/7 k 1 Bearer t3".to_owned()]);
        let (calls, response) = run(&engine, read, 9_000_000, ("t4", json!(300), "t3"));
        let refused = "/acme/api/u/7 k 1 Bearer t3".to_owned();
        assert_eq!(calls, [refused, login("s1"), "/acme/api/u/7 k 1 Bearer t4".to_owned()]);
        assert_eq!(response.status, 200);
        let (calls, response) = run(&engine, read, 9_000_001, ("t5", json!(300), "t4"));
        assert_eq!((calls.len(), response.status), (3, 200));
        let (calls, response) = run(&engine, read, 9_000_002, ("t5", json!(300), "t5"));
        assert_eq!((calls.len(), response.status), (3, 502));
    }

    #[test]
    fn tenants_share_nothing() {
        let engine = engine();
        // `a`, `b` (by its digest) and another token of the first tenant.
        let (calls, _) = run(&engine, ("a", "/Users/7"), 0, ("t1", json!(300), "-"));
        assert!(calls[0].contains("client_secret=s1"), "{calls:?}");
        let (calls, _) = run(&engine, ("b", "/Users/7"), 0, ("t2", json!(300), "-"));
        assert!(calls[0].starts_with("/umbrella/token") && calls[0].contains("client_secret=s2"), "{calls:?}");
        assert_eq!(calls[1], "/umbrella/api/u/7 k 2 Bearer t2");
        let (calls, _) = run(&engine, ("a2==", "/Users/7"), 0, ("-", json!(300), "-"));
        assert_eq!(calls, ["/acme/api/u/7 k 1 Bearer t1"]);

        let (_, response) = run(&engine, ("a", "/Users?cursor=&count=1"), 0, ("-", json!(300), "-"));
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        let next = format!("/Users?count=1&cursor={}", body["nextCursor"].as_str().unwrap());
        assert_eq!(run(&engine, ("a2==", &next), 0, ("-", json!(300), "-")).1.status, 200);
        let (calls, response) = run(&engine, ("b", &next), 0, ("-", json!(300), "-"));
        assert!(calls.is_empty() && response.status == 400, "{calls:?}");
        for unknown in ["acme", "acme=a", "c", ""] {
            assert_eq!(run(&engine, (unknown, "/Users/7"), 0, ("-", json!(300), "-")).1.status, 401);
        }
    }
}
