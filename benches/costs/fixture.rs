//! The application that everything is measured with: the example's API, whose replies are made beforehand.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Context, bail};
use scim_edge::exchange::{Exchange, Moment, Output, Request, Response};
use scim_edge::{Engine, Environment};
use serde_json::{Value, json};

/// The sizes of lists.
pub(crate) const SIZES: [usize; 4] = [1, 100, 1_000, 10_000];

/// The most rows on a page of the application, so that each list is one native call.
const PAGE: usize = 10_000;

pub(crate) const TOKEN: &str = "a-token-of-an-identity-provider";

/// 2026-01-01T00:00:00Z, in milliseconds.
const NOW: u64 = 1_767_225_600_000;

pub(crate) fn settings() -> Environment {
    let settings = [("SCIM_EDGE_TOKENS", TOKEN), ("SCIM_EDGE_UPSTREAM", "app"), ("NATIVE_API_KEY", "native-secret")];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
}

/// The shipped example, with larger pages; `most` is how many rows one of the application's has.
pub(crate) fn mapping(most: usize) -> anyhow::Result<String> {
    let shipped = include_str!("../../mappings/example.yaml");
    let (before, after) = shipped.split_once("max: 100 }").context("the example has no pages of 100")?;
    Ok(format!("{before}max: {most} }}{after}\nlimits: {{ page: {PAGE}, scan: {PAGE} }}\n"))
}

pub(crate) fn engine(most: usize) -> anyhow::Result<Rc<Engine>> {
    let engine = Engine::new(&mapping(most)?, "mapping.yaml", &settings());
    Ok(Rc::new(engine.map_err(|error| anyhow::anyhow!("{error}"))?))
}

pub(crate) fn moment() -> Moment {
    Moment { now: NOW, entropy: [7; 32] }
}

/// A user of the application.
pub(crate) fn user(id: usize) -> Value {
    json!({
        "id": id,
        "login": format!("user{id}@example.com"),
        "email": format!("user{id}@example.com"),
        "first_name": "Barbara",
        "last_name": "Jensen",
        "display_name": format!("Barbara Jensen {id}"),
        "title": "Vice President",
        "phone": "+44 20 7946 0123",
        "locale": "en-GB",
        "external_id": format!("00u1abcd{id}"),
        "status": "ACTIVE",
        "dept": { "name": "Tour Operations", "code": "4130" },
        "created_at": 1_767_225_600 + id,
        "updated_at": 1_767_312_000 + id,
    })
}

/// A list of the application as it stands in a reply.
pub(crate) fn users(count: usize) -> Value {
    let rows: Vec<Value> = (1..=count).map(user).collect();
    json!({ "data": rows, "meta": { "total": count, "page": 1, "per_page": count } })
}

/// A SCIM request of an identity provider.
pub(crate) fn scim(method: &str, path: &str, body: &Value) -> Request {
    let mut headers = vec![
        ("host".to_owned(), "scim.example.com".to_owned()),
        ("authorization".to_owned(), format!("Bearer {TOKEN}")),
        ("accept".to_owned(), "application/scim+json".to_owned()),
        ("user-agent".to_owned(), "an identity provider/1.0".to_owned()),
    ];
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), "application/scim+json".to_owned()));
    }
    Request { method: method.to_owned(), target: format!("/scim/v2{path}"), headers, body }
}

/// The requests that are measured, by name.
pub(crate) fn requests() -> Vec<(String, Request)> {
    let patch = |operation: Value| json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
    let new = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "user7@example.com",
        "externalId": "00u1abcd7",
        "name": { "givenName": "Barbara", "familyName": "Jensen" },
        "displayName": "Barbara Jensen 7",
        "emails": [{ "value": "user7@example.com", "type": "work", "primary": true }],
        "title": "Vice President",
        "active": true,
    });
    let title = patch(json!({ "op": "replace", "path": "title", "value": "Tour Guide" }));
    let member = patch(json!({ "op": "add", "path": "members", "value": [{ "value": "7" }] }));
    let find = "/Users?filter=userName%20eq%20%22user1@example.com%22";
    let mut requests = vec![
        ("GET a user".to_owned(), scim("GET", "/Users/7", &Value::Null)),
        ("find a user".to_owned(), scim("GET", find, &Value::Null)),
        ("POST a user".to_owned(), scim("POST", "/Users", &new)),
        ("PATCH a user".to_owned(), scim("PATCH", "/Users/7", &title)),
    ];
    for size in [5, 50_000] {
        let name = format!("add a member to {size}");
        requests.push((name, scim("PATCH", &format!("/Groups/{size}"), &member)));
    }
    requests
}

/// A list of `count` users, all of which an optional filter matches though it can narrow nothing.
pub(crate) fn list(count: usize, filtered: bool) -> Request {
    let filter = if filtered { "&filter=emails.value%20co%20%22@EXAMPLE.com%22" } else { "" };
    scim("GET", &format!("/Users?count={count}{filter}"), &Value::Null)
}

/// The application.
pub(crate) struct App {
    lists: BTreeMap<usize, Vec<u8>>,
}

impl App {
    pub(crate) fn new(sizes: &[usize]) -> App {
        let list = |size: &usize| (*size, users(*size).to_string().into_bytes());
        App { lists: [1].iter().chain(sizes).map(list).collect() }
    }

    /// The reply to a native call. A group has as many members as its id says, should anybody ask.
    pub(crate) fn reply(&self, call: &Request) -> Response {
        let path = call.target.strip_prefix("/api/v2").unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let size = query.split('&').find_map(|pair| pair.strip_prefix("per_page=")?.parse().ok());
        let changed = |id: &str| {
            let mut user = user(id.parse().unwrap_or_default());
            if let (Some(user), Ok(Value::Object(changes))) =
                (user.as_object_mut(), serde_json::from_slice::<Value>(&call.body))
            {
                user.extend(changes);
            }
            json!({ "data": user }).to_string().into_bytes()
        };
        let (status, body) = match (call.method.as_str(), segments.as_slice()) {
            ("GET", ["users"]) if query.contains("login=") => (200, self.lists.get(&1).cloned()),
            ("GET", ["users"]) => (200, size.and_then(|size| self.lists.get(&size)).cloned()),
            ("GET" | "PATCH", ["users", id]) => (200, Some(changed(id))),
            ("POST", ["users"]) => (201, Some(json!({ "data": user(7) }).to_string().into_bytes())),
            ("POST", ["groups", _, "memberships"]) => {
                (201, Some(json!({ "data": { "id": 1, "user_id": 7 } }).to_string().into_bytes()))
            }
            ("GET", ["groups", size, "memberships"]) => {
                let rows: Vec<Value> =
                    (1..=size.parse().unwrap_or(0)).map(|id: u32| json!({ "id": id, "user_id": id })).collect();
                let total = rows.len();
                (200, Some(json!({ "data": rows, "meta": { "total": total } }).to_string().into_bytes()))
            }
            _ => (404, None),
        };
        let json = ("content-type".to_owned(), "application/json".to_owned());
        match body {
            Some(body) => Response { status, headers: vec![json], body },
            None => Response { status: 404, headers: vec![json], body: b"{}".to_vec() },
        }
    }
}

/// The native calls of a SCIM request, and its response, which must be a success.
pub(crate) fn exchange(
    engine: &Rc<Engine>,
    request: Request,
    mut reply: impl FnMut(Request) -> Response,
) -> anyhow::Result<Response> {
    let mut exchange = Exchange::new(Rc::clone(engine), request, moment());
    loop {
        match exchange.poll_output() {
            Output::Call(id, call, _) => exchange.handle_reply(id, Ok(reply(call)), NOW),
            Output::Respond(response) if response.status < 300 => return Ok(response),
            Output::Respond(response) => bail!("{} {}", response.status, String::from_utf8_lossy(&response.body)),
            Output::Pause(..) | Output::Waiting => bail!("the request waits for nothing"),
        }
    }
}

/// The native calls that a SCIM request becomes.
pub(crate) fn calls(engine: &Rc<Engine>, app: &App, request: &Request) -> anyhow::Result<Vec<Request>> {
    let mut calls = Vec::new();
    exchange(engine, request.clone(), |call| {
        calls.push(call.clone());
        app.reply(&call)
    })?;
    Ok(calls)
}
