//! Faults on demand: what goes wrong with which of the requests to come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::server::HangUp;

/// What goes wrong, with which requests. As JSON, for `PUT /_test/faults` with a list of them:
/// `{"method": "POST", "path": "/users", "count": 2, "effect": {"too_many_requests": {"seconds": 3}}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Requests with this method, in upper case; any method unless given.
    #[serde(default)]
    pub method: Option<String>,
    /// Requests whose path and query contain this; all of them unless given.
    #[serde(default)]
    pub path: Option<String>,
    /// How many of the matching requests are left alone first.
    #[serde(default)]
    pub skip: u32,
    /// How many of the matching requests it then happens to: 1 unless given, `None` for all of them.
    #[serde(default = "once")]
    pub count: Option<u32>,
    /// Whether the application does the work of the request all the same, and only its answer is lost.
    #[serde(default)]
    pub applied: bool,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The answer comes that much later, before the work is done or, with `applied`, after it.
    Delay {
        /// Milliseconds.
        millis: u64,
    },
    /// 429.
    TooManyRequests(RetryAfter),
    /// An answer that the application did not make: a 500 in HTML, a redirect.
    Reply {
        /// 200 to 599.
        status: u16,
        /// Header fields; what is no valid header is left out.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// The application's answer with the second half of its body missing and a `Content-Length` that
    /// fits: JSON that breaks off. The work is done.
    Truncate,
    /// The connection is closed without an answer.
    HangUp,
    /// The connection is closed in the middle of the head of the answer.
    HangUpWithinHead,
    /// The connection is closed in the middle of the body. The work is done.
    HangUpWithinBody,
    /// The second half of the body comes that much later. The work is done.
    StallWithinBody {
        /// Milliseconds.
        millis: u64,
    },
}

/// When to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Seconds, as a number.
    Seconds(u32),
    /// Seconds, counted from the answer and written as a date (RFC 9110 5.6.7).
    Date(u32),
    /// It is not said.
    Unsaid,
}

// The `default` of serde takes a function, and the field an option.
#[allow(clippy::unnecessary_wraps)]
fn once() -> Option<u32> {
    Some(1)
}

impl Fault {
    /// This effect on the next request, whatever it is.
    pub fn new(effect: Effect) -> Fault {
        Fault { method: None, path: None, skip: 0, count: once(), applied: false, effect }
    }

    /// 429 with `Retry-After` in seconds.
    pub fn too_many_requests(seconds: u32) -> Fault {
        Fault::new(Effect::TooManyRequests(RetryAfter::Seconds(seconds)))
    }

    /// A 500 as a proxy or a framework writes it, in HTML.
    pub fn html_error() -> Fault {
        Fault::reply(500, "text/html", "<!DOCTYPE html><title>500</title><h1>Internal Server Error</h1>")
    }

    /// A 500 in the application's own shape.
    pub fn json_error() -> Fault {
        let body = r#"{"errors":[{"code":"internal","message":"something went wrong"}]}"#;
        Fault::reply(500, "application/json", body)
    }

    /// An answer of this status, content type and body.
    pub fn reply(status: u16, content_type: &str, body: &str) -> Fault {
        Fault::new(Effect::Reply {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.to_owned(),
        })
    }

    /// A redirect to `location`.
    pub fn redirect(status: u16, location: &str) -> Fault {
        Fault::new(Effect::Reply {
            status,
            headers: vec![("location".to_owned(), location.to_owned())],
            body: String::new(),
        })
    }

    /// Every answer comes that many milliseconds later, until the faults are cleared.
    pub fn delay(millis: u64) -> Fault {
        Fault::new(Effect::Delay { millis }).always()
    }

    /// Only for requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Fault {
        self.method = Some(method.to_owned());
        self
    }

    /// Only for requests whose path and query contain this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Fault {
        self.path = Some(part.to_owned());
        self
    }

    /// For that many requests.
    #[must_use]
    pub fn times(mut self, count: u32) -> Fault {
        self.count = Some(count);
        self
    }

    /// For every request, until the faults are cleared.
    #[must_use]
    pub fn always(mut self) -> Fault {
        self.count = None;
        self
    }

    /// Leaves that many matching requests alone first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Fault {
        self.skip = skip;
        self
    }

    /// The application does the work all the same; only its answer is lost.
    #[must_use]
    pub fn applied(mut self) -> Fault {
        self.applied = true;
        self
    }

    fn concerns(&self, method: &str, target: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|part| target.contains(part))
    }

    /// Counts down for a request that it concerns. Whether it happens to that request.
    fn due(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.count {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// The faults that are to come. Clones share one list.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// Adds one. Delays add up; of the other effects, one request gets the first that concerns it.
    pub fn add(&self, fault: Fault) {
        self.list().push(fault);
    }

    /// Replaces all of them.
    pub fn set(&self, faults: Vec<Fault>) {
        *self.list() = faults;
    }

    /// Removes all of them.
    pub fn clear(&self) {
        self.list().clear();
    }

    /// Those that are still to come, with the counts that are left.
    pub fn pending(&self) -> Vec<Fault> {
        self.list().clone()
    }

    /// Takes what happens to this request: delays, and at most one other fault.
    pub(super) fn take(&self, method: &str, target: &str) -> Vec<Fault> {
        let mut list = self.list();
        let mut taken = Vec::new();
        let mut decided = false;
        for fault in list.iter_mut().filter(|fault| fault.concerns(method, target)) {
            let delay = matches!(fault.effect, Effect::Delay { .. });
            if (delay || !decided) && fault.due() {
                decided |= !delay;
                taken.push(fault.clone());
            }
        }
        list.retain(|fault| fault.count != Some(0));
        taken
    }

    fn list(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a request that these faults happen to; `work` is what the application makes of it.
pub(super) async fn answer(faults: Vec<Fault>, work: impl Future<Output = Response>) -> Response {
    let mut delays = [0, 0];
    let mut other = None;
    for fault in faults {
        match fault.effect {
            Effect::Delay { millis } => {
                let [before, after] = &mut delays;
                *(if fault.applied { after } else { before }) += millis;
            }
            effect => other = Some((effect, fault.applied)),
        }
    }
    let [before, after] = delays.map(Duration::from_millis);
    tokio::time::sleep(before).await;
    let response = match other {
        None => work.await,
        Some((effect, applied)) => {
            let needs_body =
                matches!(effect, Effect::Truncate | Effect::HangUpWithinBody | Effect::StallWithinBody { .. });
            let answered = if applied || needs_body { work.await } else { Response::default() };
            spoiled(effect, answered).await
        }
    };
    tokio::time::sleep(after).await;
    response
}

async fn spoiled(effect: Effect, response: Response) -> Response {
    match effect {
        Effect::Delay { .. } => response,
        Effect::TooManyRequests(retry_after) => too_many_requests(retry_after),
        Effect::Reply { status, headers, body } => reply(status, headers, body),
        Effect::HangUp => hang_up(HangUp::BeforeAll),
        Effect::HangUpWithinHead => hang_up(HangUp::WithinHead),
        Effect::Truncate => match halves(response).await {
            Some((mut parts, first, _)) => {
                parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(first.len()));
                Response::from_parts(parts, Body::from(first))
            }
            None => hang_up(HangUp::BeforeAll),
        },
        // The pause lets the half that is there reach the client.
        Effect::HangUpWithinBody => in_halves(response, Duration::from_millis(20), false).await,
        Effect::StallWithinBody { millis } => in_halves(response, Duration::from_millis(millis), true).await,
    }
}

/// The response, in whose body there is a pause; then the rest of it, or nothing more.
async fn in_halves(response: Response, pause: Duration, ends_well: bool) -> Response {
    let Some((mut parts, first, second)) = halves(response).await else { return hang_up(HangUp::BeforeAll) };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(first.len() + second.len()));
    let then = stream::once(async move {
        tokio::time::sleep(pause).await;
        if ends_well { Ok(second) } else { Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)) }
    });
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(first)]).chain(then)))
}

/// The head of a response and the two halves of its body.
async fn halves(response: Response) -> Option<(axum::http::response::Parts, Bytes, Bytes)> {
    let (parts, body) = response.into_parts();
    let mut first = axum::body::to_bytes(body, usize::MAX).await.ok()?;
    let second = first.split_off(first.len() / 2);
    Some((parts, first, second))
}

fn hang_up(when: HangUp) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(when);
    response
}

fn reply(status: u16, headers: Vec<(String, String)>, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn too_many_requests(retry_after: RetryAfter) -> Response {
    let body = r#"{"errors":[{"code":"rate_limited","message":"slow down"}]}"#;
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    match retry_after {
        RetryAfter::Seconds(seconds) => {
            headers.push(("retry-after".to_owned(), seconds.to_string()));
        }
        RetryAfter::Date(seconds) => match http_date(seconds) {
            Ok(date) => headers.push(("retry-after".to_owned(), date)),
            Err(error) => {
                return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
            }
        },
        RetryAfter::Unsaid => {}
    }
    reply(429, headers, body.to_owned())
}

/// So many seconds from now, as HTTP writes it.
fn http_date(seconds: u32) -> Result<String, jiff::Error> {
    #[expect(clippy::disallowed_methods, reason = "the example application is no part of the engine")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = now.as_secs().saturating_add(u64::from(seconds));
    let at = jiff::Timestamp::from_second(i64::try_from(at).unwrap_or(i64::MAX))?;
    Ok(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}
