//! What HTTP and Envoy ask of the proxy-wasm host, as plain functions.

use crate::exchange::{Request, Response, Unreachable};

/// Whether a field belongs to one connection (RFC 9110, 7.6.1), so that it is neither taken over into a
/// native call nor into a SCIM response. `content-length` is among them because the proxy computes it.
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "content-length"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether the proxy writes this field of a response itself, so that ours would make it a second one.
pub(super) fn is_set_by_proxy(name: &str) -> bool {
    matches!(name, "date" | "server") || name.starts_with("x-envoy-")
}

/// Whether a call can be put on the wire as it is: Envoy does not look for line breaks in the fields of a
/// dispatched call, and one would start a field or a request of its own. `path` is the part of the target that is sent.
pub(super) fn is_sendable(call: &Request, path: &str) -> bool {
    let token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let line = |text: &str| !text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0));
    token(&call.method)
        && path.starts_with('/')
        && token(&call.target)
        && call.headers.iter().all(|(name, value)| token(name) && line(value))
}

/// Why Envoy answered a call in the application's stead, or `None` if the application answered.
///
/// Envoy tells both in the same form, a status and a body. A reply of the application has passed
/// Envoy's router, which marks it with `x-envoy-upstream-service-time`; a reply that the router made up has a
/// plain text body and no field beyond those that describe it (`x-envoy-overloaded` where a circuit
/// breaker was open). A connection that breaks within a reply comes without any field at all, which is the
/// caller's to see.
pub(super) fn local_reply(reply: &Response) -> Option<Unreachable> {
    let reason = match reply.status {
        502 | 503 => Unreachable::Connection,
        504 => Unreachable::Timeout,
        _ => return None,
    };
    let made_up = reply.header("content-type") == Some("text/plain")
        && reply
            .headers
            .iter()
            .all(|(name, _)| matches!(name.as_str(), "content-type" | "content-length" | "x-envoy-overloaded"));
    made_up.then_some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)]) -> Response {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Response { status, headers: headers.iter().map(owned).collect(), body: b"upstream request timeout".to_vec() }
    }

    #[test]
    fn replies_of_envoy_are_told_from_replies_of_the_application() {
        let plain = ("content-type", "text/plain");
        let length = ("content-length", "24");
        let passed = ("x-envoy-upstream-service-time", "3");
        for (status, headers, expected) in [
            (503, vec![length, plain], Some(Unreachable::Connection)),
            (503, vec![length, plain, ("x-envoy-overloaded", "true")], Some(Unreachable::Connection)),
            (502, vec![length, plain], Some(Unreachable::Connection)),
            (504, vec![length, plain], Some(Unreachable::Timeout)),
            (503, vec![length, plain, passed], None),
            (504, vec![length, plain, passed], None),
            (503, vec![length, ("content-type", "application/json")], None),
            (503, vec![], None),
            (500, vec![length, plain], None),
            (200, vec![length, plain], None),
        ] {
            assert_eq!(local_reply(&reply(status, &headers)), expected, "{status} {headers:?}");
        }
    }

    #[test]
    fn fields_of_a_connection_and_of_the_proxy_are_not_taken_over() {
        for name in ["connection", "content-length", "te", "transfer-encoding", "upgrade"] {
            assert!(is_hop_by_hop(name), "{name}");
        }
        for name in ["date", "server", "x-envoy-upstream-service-time"] {
            assert!(is_set_by_proxy(name), "{name}");
        }
        for name in ["content-type", "etag", "location", "retry-after", "x-request-id"] {
            assert!(!is_hop_by_hop(name) && !is_set_by_proxy(name), "{name}");
        }
    }

    #[test]
    fn what_would_split_a_request_is_not_sent() {
        let call = |target: &str, value: &str| Request {
            method: "GET".into(),
            target: target.into(),
            headers: vec![("x-key".into(), value.into())],
            body: vec![],
        };
        let sendable = |target: &str, value: &str| is_sendable(&call(target, value), target);
        assert!(sendable("/users?q=%20", "a value; with=everything, and ünïcode"));
        for (target, value) in
            [("/users\r\nx: y", ""), ("/a b", ""), ("users", ""), ("", ""), ("/", "a\r\nb: c"), ("/", "a\0b")]
        {
            assert!(!sendable(target, value), "{target:?} {value:?}");
        }
        // Of a call to another host only the path is sent, but nothing in it may split a request either.
        assert!(is_sendable(&call("https://login.example/token", ""), "/token"));
        assert!(!is_sendable(&call("https://login.example\r\nx: y/token", ""), "/token"));
    }
}
