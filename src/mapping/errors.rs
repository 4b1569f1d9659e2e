//! What native errors mean to an identity provider.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::codec::text_of;
use super::pointer::Pointer;
use super::template::Unfit;
use crate::exchange::{Reply, Response, Unreachable};
use crate::scim::{Error, ScimType};

/// The most characters of a native message that a client is told.
const MESSAGE: usize = 500;

/// The error for a value that cannot be sent where the mapping puts it.
impl From<Unfit> for Error {
    fn from(reason: Unfit) -> Self {
        Error::invalid_value(match reason {
            Unfit::PathSegment(_) => {
                "a value that the application's path needs is missing or cannot stand in a path".to_owned()
            }
            Unfit::HeaderValue => "a value has a line break or another control character".to_owned(),
            Unfit::Emptied(placeholder) => {
                let (name, form) = placeholder.split_once('|').unwrap_or((&placeholder, ""));
                format!("the application needs `{name}` as `{form}`, which leaves nothing of this value")
            }
        })
    }
}

/// What a reply is recognised by. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recognised {
    /// The native status.
    pub status: Option<u16>,
    /// A place in the body.
    pub at: Option<Pointer>,
    /// A header field.
    pub header: Option<String>,
    /// What the text there must be.
    pub is: Option<String>,
    /// What the text there must contain.
    pub contains: Option<String>,
    /// What the text there must not be.
    pub differs: Option<String>,
    /// For a rule that something is not there, which is news only where the call succeeded: the mapping's errors. In a reply
    /// that is one of them, nothing else is there either.
    pub unless: Option<Vec<ErrorRule>>,
}

impl Recognised {
    /// Whether `null` is what it is about. A reply that is no JSON at all says nothing.
    pub fn is_nothing(&self) -> bool {
        self.is.as_deref() == Some("") && self.at.as_ref().is_some_and(|at| !at.is_root())
    }

    /// Whether `reply` is recognised; `body` is its body as JSON, `null` if it is none.
    pub fn matches(&self, reply: &Response, body: &Value) -> bool {
        if self.status.is_some_and(|status| status != reply.status) {
            return false;
        }
        let fits = match (&self.at, &self.header) {
            (Some(at), _) => match at.get(body) {
                // A search that found nothing has no first one.
                None if self.unless.is_some() && at.is_past_end(body) => self.fits_text(""),
                found => self.fits(found),
            },
            (None, Some(header)) => reply.header(header).is_some_and(|text| self.fits_text(text)),
            (None, None) => true,
        };
        fits && !self.unless.as_ref().is_some_and(|errors| is_failure(errors, reply, body))
    }

    /// Whether an object that has been read is recognised, being at `outer` of a reply that is a success.
    pub fn matches_object(&self, outer: &Pointer, object: &Value) -> bool {
        let of_success = self.status.is_none_or(|status| status < 300);
        of_success && self.at.as_ref().is_some_and(|at| self.fits(at.get_within(outer, object)))
    }

    /// Whether what is in the place is what is looked for. Nothing is there only where the reply says so.
    fn fits(&self, found: Option<&Value>) -> bool {
        let said = found.filter(|value| !value.is_null() || self.is_nothing());
        said.is_some_and(|value| self.fits_text(&text_of(value)))
    }

    fn fits_text(&self, text: &str) -> bool {
        self.is.as_ref().is_none_or(|is| is == text)
            && self.contains.as_ref().is_none_or(|part| text.contains(part.as_str()))
            && self.differs.as_ref().is_none_or(|other| other != text)
    }
}

/// Whether a reply is no success, or an error to the mapping that is no other way to say that something is not there.
fn is_failure(errors: &[ErrorRule], reply: &Response, body: &Value) -> bool {
    let error = errors.iter().find(|rule| rule.when.matches(reply, body));
    reply.status >= 300 || error.is_some_and(|rule| rule.status != 404)
}

/// Whether one of `rules` recognises `reply`, whose body is read only where a rule for its status looks into it.
pub fn recognised(rules: &[Recognised], reply: &Response) -> bool {
    let mut body = None;
    rules.iter().filter(|rule| rule.status.is_none_or(|status| status == reply.status)).any(|rule| match rule.at {
        Some(_) => rule.matches(reply, body.get_or_insert_with(|| json_body(reply))),
        None => rule.matches(reply, &Value::Null),
    })
}

/// As [`recognised`], by more than its status.
pub fn recognised_by_more(rules: &[Recognised], reply: &Response) -> bool {
    let mut body = None;
    let mut rules = rules.iter().filter(|rule| rule.at.is_some());
    rules.any(|rule| rule.matches(reply, body.get_or_insert_with(|| json_body(reply))))
}

/// One rule of the mapping's `errors`.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRule {
    /// Which replies.
    pub when: Recognised,
    /// Whether they mean that the resource has changed since it was read.
    pub conflict: bool,
    /// The SCIM status.
    pub status: u16,
    /// The `scimType`.
    pub kind: Option<ScimType>,
    /// A fixed detail.
    pub detail: Option<String>,
    /// Where the detail is in the native body.
    pub message: Option<Pointer>,
}

/// The body of a reply as JSON, `null` if it is none.
pub fn json_body(reply: &Response) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or(Value::Null)
}

/// The SCIM error for a reply that is not a success. `what` is what was tried, in words: `read the user`.
///
/// Native text goes into `detail` only where a rule points at it: it could hold anything. `now` is in milliseconds
/// since the Unix epoch.
pub fn scim_error(rules: &[ErrorRule], what: &str, reply: &Reply, now: u64) -> Error {
    let reply = match reply {
        Ok(reply) => reply,
        Err(reason) => return unreachable(what, *reason),
    };
    let body = json_body(reply);
    if let Some(rule) = rules.iter().find(|rule| rule.when.matches(reply, &body)) {
        let native = rule.message.as_ref().and_then(|at| at.get(&body)).map(|found| shortened(&message(found)));
        let detail = match (&rule.detail, native) {
            (Some(detail), _) => detail.clone(),
            (None, Some(native)) => native,
            (None, None) if rule.conflict => conflict(what).detail,
            (None, None) => format!("the application refused to {what}"),
        };
        let refused = !matches!(reply.status, 429 | 503 | 504);
        let error = Error { scim_type: rule.kind, conflict: rule.conflict, refused, ..Error::new(rule.status, detail) };
        let error = with_retry_after(error, reply, now);
        let soon = rule.conflict && error.headers.is_empty();
        return if soon { error.with_header("retry-after", "1") } else { error };
    }
    let status = reply.status;
    match status {
        409 => Error::new(409, format!("the application could not {what}: it conflicts with something that exists")),
        400 | 422 => Error::invalid_value(format!(
            "the application could not {what}: it does not accept a value (native status {status})"
        )),
        404 | 410 => Error::new(404, format!("the application could not {what}: it is not there")),
        429 | 503 => with_retry_after(
            Error::new(status, format!("the application is busy and could not {what}: try again later")),
            reply,
            now,
        ),
        // The credential that was refused is the module's own: a 401 would tell the identity provider that *its* is.
        401 | 403 | 407 => {
            let other = if status == 403 { ", or the Host that it is called by: see SCIM_EDGE_AUTHORITY" } else { "" };
            let what = "the application refused the credential of this gateway";
            Error::new(502, format!("{what} (native status {status}){other}"))
        }
        // The answer to a condition, and only a mapping's template sends one.
        412 => conflict(what),
        504 => Error::new(504, format!("the application did not {what} in time (native status 504)")),
        _ => Error::new(502, format!("the application failed to {what} (native status {status})")),
    }
}

/// The text of a native message, which may be several.
fn message(found: &Value) -> String {
    match found {
        Value::Array(texts) => texts.iter().map(text_of).collect::<Vec<_>>().join("; "),
        found => text_of(found),
    }
}

/// The first line of a native message: what follows may be a stack or the statement that failed, with its values.
fn shortened(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(MESSAGE).collect()
}

/// The SCIM error for a write that others were faster than.
fn conflict(what: &str) -> Error {
    let detail = format!("the application could not {what}: others keep changing the resource: try again later");
    let error = Error { conflict: true, ..Error::new(503, detail) };
    error.with_header("retry-after", "1")
}

/// The SCIM error for a reply that is a success but cannot be understood.
pub fn not_understood(what: &str, problem: &str) -> Error {
    Error::new(502, format!("the application's answer to the attempt to {what} cannot be used: {problem}"))
}

fn unreachable(what: &str, reason: Unreachable) -> Error {
    match reason {
        Unreachable::Timeout => Error::new(504, format!("the application did not {what} in time")),
        Unreachable::Connection => Error::new(
            502,
            format!("the application could not be reached to {what}: the connection was refused or broke"),
        ),
        Unreachable::Denied => Error::new(
            502,
            format!(
                "the application could not be reached to {what}: check SCIM_EDGE_UPSTREAM and the host's configuration"
            ),
        ),
        Unreachable::TooLarge => not_understood(what, "it is too large"),
    }
}

/// Identity providers read integer seconds only.
fn with_retry_after(error: Error, reply: &Response, now: u64) -> Error {
    match retry_after(reply, now) {
        Some(seconds) => error.with_header("retry-after", seconds.to_string()),
        None => error,
    }
}

/// The seconds of `Retry-After`, which may be a date (RFC 9110 section 10.2.3).
pub fn retry_after(reply: &Response, now: u64) -> Option<u64> {
    let text = reply.header("retry-after")?.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let then = httpdate::parse_http_date(text).ok()?;
    let wait = then.duration_since(UNIX_EPOCH + Duration::from_millis(now)).unwrap_or_default();
    u64::try_from(wait.as_millis().div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds() {
        let now = 1_767_225_600_500;
        for (field, expected) in [
            ("120", Some("120")),
            (" 7 ", Some("7")),
            ("Thu, 01 Jan 2026 00:01:30 GMT", Some("90")),
            ("Thu, 01 Jan 2026 00:00:00 GMT", Some("0")),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let reply =
                Response { status: 429, headers: vec![("retry-after".to_owned(), field.to_owned())], body: Vec::new() };
            let error = scim_error(&[], "read the user", &Ok(reply), now);
            let given = crate::exchange::header(&error.headers, "retry-after");
            assert_eq!((error.status, given), (429, expected), "{field}");
        }
    }
}
