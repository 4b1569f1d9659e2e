//! What each fuzz target does with its input, and what must hold whatever the input is. That nothing panics and nothing
//! takes long goes without saying. `tests/fuzz.rs` replays the corpora through these functions without a fuzzer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use scim_edge::exchange::{Exchange, Moment, Output, Reply, Request, Response, Unreachable};
use scim_edge::scim::dialect::{self, Applied};
use scim_edge::scim::{AttributePath, Filter, Leniency, ResourceType, core, json, patch as scim_patch};
use scim_edge::{Engine, Environment, mapping as language};
use serde_json::{Value, json};

/// A filter, by the letter and as clients send it: what is understood prints as what it is, and can be evaluated.
pub(crate) fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let kind = core::user_type();
    let lenient = dialect::filter(text, Leniency::Lenient, &mut Applied::default()).ok();
    let strict = Filter::parse(text).ok();
    if let Some(strict) = &strict {
        assert_eq!(lenient.as_ref(), Some(strict), "what is right means the same leniently");
    }
    let Some(filter) = lenient else { return };
    let printed = filter.to_string();
    // A fraction of many digits is read to the last but one.
    if !has_fraction(&filter) {
        assert_eq!(Filter::parse(&printed).as_ref(), Ok(&filter), "{printed}");
    }
    if filter.validate(&kind).is_ok() {
        let matches = filter.matches(&kind, &user());
        let opposite = Filter::Not(Box::new(filter.clone())).matches(&kind, &user());
        assert_ne!(matches, opposite, "{printed}");
    }
    for term in filter.terms(&kind) {
        let term = Filter::Compare { path: term.path, op: term.op, value: term.value.clone() };
        if filter.validate(&kind).is_ok() && filter.matches(&kind, &user()) {
            assert!(term.matches(&kind, &user()), "`{term}` narrows `{printed}` too far");
        }
    }
}

fn has_fraction(filter: &Filter) -> bool {
    let in_path = |path: &AttributePath| path.filter.as_deref().is_some_and(has_fraction);
    match filter {
        Filter::And(operands) | Filter::Or(operands) => operands.iter().any(has_fraction),
        Filter::Not(operand) => has_fraction(operand),
        Filter::Compare { path, value, .. } => value.is_f64() || in_path(path),
        Filter::Present(path) => in_path(path),
        Filter::ValuePath { path, filter } => in_path(path) || has_fraction(filter),
    }
}

/// The path of a PATCH operation.
pub(crate) fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let kind = core::user_type();
    let _ = dialect::path(&kind, text, Leniency::Lenient, &mut Applied::default());
    if let Ok(path) = AttributePath::parse(text) {
        let printed = path.to_string();
        if !path.filter.as_deref().is_some_and(has_fraction) {
            assert_eq!(AttributePath::parse(&printed), Ok(path.clone()), "{printed}");
        }
        let _ = kind.resolve(&path);
    }
}

/// The body of a PATCH, read and applied to a user and to a group: what comes out is a resource, and what was refused has
/// changed nothing that is kept.
pub(crate) fn patch(data: &[u8]) {
    let Ok(body) = json::parse(data, 32) else { return };
    for (kind, resource) in [(core::user_type(), user()), (core::group_type(), group())] {
        for leniency in [Leniency::Lenient, Leniency::Strict] {
            let Ok(patch) = scim_patch::parse(&kind, body.clone(), leniency) else { continue };
            let _ = scim_patch::member_edits(&patch.operations);
            let mut changed = resource.clone();
            if scim_patch::apply(&kind, &mut changed, &patch.operations).is_ok() {
                assert_is_resource(&kind, &changed);
                assert_eq!(changed["id"], resource["id"], "an id is readOnly");
                let required = kind.schema.attributes.iter().filter(|attribute| attribute.required);
                for attribute in required.filter(|attribute| resource.get(&attribute.name).is_some()) {
                    assert!(changed.get(&attribute.name).is_some(), "`{}` is required", attribute.name);
                }
            }
        }
    }
}

fn assert_is_resource(kind: &ResourceType, resource: &Value) {
    for key in resource.as_object().expect("a resource is an object").keys() {
        let known = kind.schema.attributes.iter().any(|attribute| attribute.name == *key)
            || ["schemas", "id", "externalId", "meta"].contains(&key.as_str())
            || kind.extension(key).is_some();
        assert!(known, "`{key}` is no attribute of the resource type");
    }
}

/// A mapping: either it compiles, or it is said what is wrong with it, and where.
pub(crate) fn mapping(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Line breaks as YAML counts them.
    let lines = text.matches(['\n', '\r']).count() + 2;
    match language::check(text, "m.yaml") {
        Ok(_) => {
            let mut environment = language::placeholders(text, language::SOME_TENANT);
            environment.insert("SCIM_EDGE_TOKENS".to_owned(), TOKEN.to_owned());
            Engine::new(text, "m.yaml", &environment).map(drop).expect("what passes the check compiles");
        }
        Err(diagnostics) => {
            let told = diagnostics.to_string();
            let line = told.strip_prefix("m.yaml:").and_then(|told| told.split(':').next()?.parse::<usize>().ok());
            assert!(line.is_some_and(|line| line <= lines), "{told}");
        }
    }
}

const TOKEN: &str = "the-token-of-the-client";
const SECRET: &str = "the-secret-of-the-gateway";

/// The mappings that a request may name.
const MAPPINGS: [(&str, &str); 6] = [
    ("example", include_str!("../mappings/example.yaml")),
    ("gitlab", include_str!("../mappings/gitlab.yaml")),
    ("keycloak", include_str!("../mappings/keycloak.yaml")),
    ("keystone", include_str!("../mappings/keystone.yaml")),
    ("okta", include_str!("../mappings/okta.yaml")),
    ("synapse", include_str!("../mappings/synapse.yaml")),
];

/// More native calls than any small input can ask for.
const MOST_CALLS: usize = 5_000;

/// A whole request, with arbitrary replies of the application: parts that a line `---` separates. The first is the name of a
/// mapping, a request line, header fields, an empty line and a body; the others are replies: a status (or `lost` or `late`),
/// header fields, an empty line and a body. They answer the native calls in turn; when there are no more, the answer is 404.
///
/// Exactly one response comes, after a bounded number of calls. Its status is that of a response and never 401, since the
/// client's token is right; its body is JSON; and no secret is in it. Whatever is sent stays on its line.
pub(crate) fn request(data: &[u8]) {
    let mut parts = split(data, b"\n---\n").into_iter();
    let first = parts.next().unwrap_or_default();
    let (name, first) = halves(first, b"\n");
    let (head, body) = halves(first, b"\n\n");
    let mut lines = std::str::from_utf8(head).unwrap_or_default().lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let mut headers = fields(lines);
    headers.retain(|(name, _)| name != "authorization");
    headers.push(("authorization".to_owned(), format!("Bearer {TOKEN}")));
    let request =
        Request { method: method.to_owned(), target: format!("/scim/v2{target}"), headers, body: body.to_vec() };
    let known = MAPPINGS.iter().find(|(known, _)| known.as_bytes() == name);
    let (name, _) = known.unwrap_or(&MAPPINGS[0]);
    let mut replies = parts.map(reply);
    let mut next = || replies.next().unwrap_or(Ok(Response { status: 404, ..Response::default() }));

    let mut now = 1_767_225_600_000;
    let mut exchange = Exchange::new(engine(name), request, Moment { now, entropy: [7; 32] });
    let (mut calls, mut waiting) = (0, Vec::new());
    let response = loop {
        match exchange.poll_output() {
            Output::Respond(response) => break response,
            Output::Call(id, call, timeout) => {
                assert_is_sendable(&call);
                assert!(!timeout.is_zero());
                calls += 1;
                waiting.push(id);
            }
            Output::Pause(id, pause) => {
                now += u64::try_from(pause.as_millis()).unwrap();
                exchange.resume(id, now);
            }
            Output::Waiting => {
                assert!(!waiting.is_empty(), "it waits for nothing");
                for id in waiting.drain(..) {
                    exchange.handle_reply(id, next(), now);
                }
            }
        }
        assert!(calls <= MOST_CALLS, "the calls do not end");
    };
    assert!(matches!(exchange.poll_output(), Output::Waiting), "a response comes once");
    assert!((200..600).contains(&response.status) && response.status != 401, "{}", response.status);
    for (name, value) in &response.headers {
        assert!(!name.contains(char::is_control) && !value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
    }
    assert_eq!(response.body.is_empty(), matches!(response.status, 204 | 304), "{}", response.status);
    if !response.body.is_empty() {
        let body: Value = serde_json::from_slice(&response.body).expect("the body is JSON");
        assert_eq!(response.status >= 400, body["schemas"] == json!([ERROR]), "{} {body}", response.status);
        if response.status >= 400 {
            assert_eq!(body["status"], response.status.to_string());
        }
    }
    let told = String::from_utf8_lossy(&response.body);
    assert!(!told.contains(SECRET) && !told.contains(TOKEN), "{told}");
}

const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// What is sent is one request: below the application's API, and with one line for each field.
fn assert_is_sendable(call: &Request) {
    let path = call.target.split('?').next().unwrap_or_default();
    assert!(path.starts_with('/'), "{}", call.target);
    assert!(path.split('/').all(|segment| segment != "." && segment != ".."), "{}", call.target);
    assert!(call.target.bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", call.target);
    for (name, value) in &call.headers {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
        assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
    }
}

fn engine(name: &'static str) -> Rc<Engine> {
    thread_local! {
        static ENGINES: RefCell<BTreeMap<&'static str, Rc<Engine>>> = const { RefCell::new(BTreeMap::new()) };
    }
    let text = MAPPINGS.iter().find(|(known, _)| *known == name).map_or(MAPPINGS[0].1, |(_, text)| *text);
    let make = || {
        let mut environment: Environment = language::placeholders(text, language::SOME_TENANT);
        environment.values_mut().for_each(|value| SECRET.clone_into(value));
        environment.insert("SCIM_EDGE_TOKENS".to_owned(), TOKEN.to_owned());
        Rc::new(Engine::new(text, name, &environment).expect("the shipped mappings compile"))
    };
    // An engine keeps the token of a login: the outcome of an input must not depend on those before it.
    if text.contains("\n    login:") {
        return make();
    }
    ENGINES.with_borrow_mut(|engines| engines.entry(name).or_insert_with(make).clone())
}

fn reply(part: &[u8]) -> Reply {
    let (head, body) = halves(part, b"\n\n");
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = match lines.next().unwrap_or_default() {
        "lost" => return Err(Unreachable::Connection),
        "late" => return Err(Unreachable::Timeout),
        status => status.parse().unwrap_or(200),
    };
    Ok(Response { status, headers: fields(lines), body: body.to_vec() })
}

fn fields<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<(String, String)> {
    let field =
        |line: &'l str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    lines.filter_map(field).collect()
}

fn halves<'d>(data: &'d [u8], separator: &[u8]) -> (&'d [u8], &'d [u8]) {
    match data.windows(separator.len()).position(|window| window == separator) {
        Some(at) => (&data[..at], &data[at + separator.len()..]),
        None => (data, &[]),
    }
}

fn split<'d>(mut data: &'d [u8], separator: &[u8]) -> Vec<&'d [u8]> {
    let mut parts = Vec::new();
    while !data.is_empty() {
        let (part, rest) = halves(data, separator);
        parts.push(part);
        data = rest;
    }
    parts
}

fn user() -> Value {
    json!({
        "id": "7", "externalId": "x-7", "userName": "bjensen", "active": true, "title": "Tour Guide",
        "name": { "givenName": "Barbara", "familyName": "Jensen" },
        "emails": [
            { "value": "bjensen@example.com", "type": "work", "primary": true },
            { "value": "babs@example.org", "type": "home" },
        ],
        "meta": { "created": "2026-01-01T00:00:00Z", "lastModified": "2026-01-02T00:00:00Z" },
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": "701984", "manager": { "value": "26", "displayName": "John Smith" },
        },
    })
}

fn group() -> Value {
    json!({ "id": "5", "displayName": "Tour Guides", "members": [{ "value": "7" }, { "value": "8", "type": "User" }] })
}
