//! Requests to one engine at once: none undoes another, none waits for ever, and who does not read does not wait.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Engine;
use crate::exchange::{CallId, Exchange, Moment, Output, Request, Response};

const MAPPING: &str = "
mapping: v1
upstream: {}
limits: { time: 5 }
resources:
  User:
    path: /users
    attributes:
      id: { native: id, access: read }
      userName: { native: name, guard: unique }
      title: { native: title }
      displayName: { native: display }
    list: { filters: { userName eq: { query: { name: '{value}' } } } }
    create: {}
    update: { method: PUT, send: full }
  Role:
    schema: urn:example:Role
    path: /roles
    attributes: { id: { native: id, access: read } }
    members: { user: { field: roles, list: true } }
  List:
    schema: urn:example:List
    path: /lists
    attributes: { id: { native: id, access: read }, 'urn:example:List:name': { native: name } }
    members: { inline: users, replace: { method: PUT, path: '/lists/{id}', body: { id: '{id}', users: '{members}' } } }
  Set:
    schema: urn:example:Set
    path: /sets
    attributes: { id: { native: id, access: read } }
    members:
      add: { method: PUT, path: '/sets/{id}/{member}' }
      remove: { method: DELETE, path: '/sets/{id}/{member}' }
  Name:
    schema: urn:example:Name
    path: /names
    attributes: { id: { native: id, access: read }, 'urn:example:Name:name': { native: id, access: create } }
    create: { guard: absent }
";

/// An application that stores what it is sent, by path.
#[derive(Default)]
struct App {
    objects: BTreeMap<String, Value>,
    made: usize,
}

impl App {
    fn with(objects: &[(&str, Value)]) -> Self {
        App { objects: objects.iter().map(|(path, object)| ((*path).to_owned(), object.clone())).collect(), made: 0 }
    }

    fn reply(&mut self, call: &Request) -> Response {
        let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        let mut body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let (status, body) = match (call.method.as_str(), self.objects.get(path)) {
            ("GET", Some(found)) => (200, found.clone()),
            ("GET", None) if path == "/users" => {
                let name = query.strip_prefix("name=").unwrap();
                let users = self.objects.iter().filter(|(at, user)| at.starts_with("/users/") && user["name"] == name);
                (200, users.map(|(_, user)| user.clone()).collect())
            }
            ("GET", None) => (404, Value::Null),
            ("POST", _) => {
                self.made += 1;
                if body.get("id").is_none() {
                    body["id"] = self.made.to_string().into();
                }
                self.objects.insert(format!("{path}/{}", body["id"].as_str().unwrap()), body.clone());
                (201, body)
            }
            ("PUT", _) => {
                self.objects.insert(path.to_owned(), body.clone());
                (200, body)
            }
            other => panic!("{other:?}"),
        };
        Response { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }
}

fn engine() -> Rc<Engine> {
    let environment = [("SCIM_EDGE_TOKENS".to_owned(), "t".to_owned())].into();
    Rc::new(Engine::new(MAPPING, "mapping.yaml", &environment).unwrap())
}

fn begin(engine: &Rc<Engine>, method: &str, path: &str, body: &Value) -> Exchange {
    begin_if(engine, method, path, body, None)
}

/// A request for a resource that is still what this tag was given for.
fn begin_if(engine: &Rc<Engine>, method: &str, path: &str, body: &Value, tag: Option<&str>) -> Exchange {
    let mut headers = vec![("authorization".to_owned(), "t".to_owned())];
    headers.extend(tag.map(|tag| ("if-match".to_owned(), tag.to_owned())));
    let request = Request {
        method: method.to_owned(),
        target: format!("/scim/v2{path}"),
        headers,
        body: body.to_string().into_bytes(),
    };
    Exchange::new(Rc::clone(engine), request, Moment { now: 0, entropy: [0; 32] })
}

/// What an exchange waits for: a reply, or the end of a pause.
enum Waits {
    Reply(CallId, Request),
    Until(CallId, u64),
}

/// Drives several requests at once: in each round, of a tenth of a second, each of them gets one thing that it waits for,
/// the last first. Gives their statuses.
fn all(app: &mut App, mut exchanges: Vec<Exchange>) -> Vec<u16> {
    let mut statuses: Vec<Option<u16>> = vec![None; exchanges.len()];
    let mut waits: Vec<Vec<Waits>> = exchanges.iter().map(|_| Vec::new()).collect();
    for round in 0..200 {
        let now = round * 100;
        for (index, exchange) in exchanges.iter_mut().enumerate() {
            if statuses[index].is_some() {
                continue;
            }
            match waits[index].pop() {
                Some(Waits::Reply(id, call)) => exchange.handle_reply(id, Ok(app.reply(&call)), now),
                Some(Waits::Until(id, time)) if time <= now => exchange.resume(id, now),
                Some(other) => waits[index].push(other),
                None => {}
            }
            loop {
                match exchange.poll_output() {
                    Output::Call(id, call, _) => waits[index].push(Waits::Reply(id, call)),
                    Output::Pause(id, pause) => waits[index].push(Waits::Until(id, now + millis(pause))),
                    Output::Waiting => break,
                    Output::Respond(response) => {
                        statuses[index] = Some(response.status);
                        break;
                    }
                }
            }
        }
    }
    statuses.into_iter().map(|status| status.expect("it waits for ever")).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

fn add(ids: &[&str]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
    json!({ "Operations": [{ "op": "add", "path": "members", "value": members }] })
}

fn replace(path: &str, value: &str) -> Value {
    json!({ "Operations": [{ "op": "replace", "path": path, "value": value }] })
}

#[test]
fn a_user_gets_all_the_roles_that_are_given_at_once() {
    let users: Vec<String> = (1..=12).map(|number| format!("u{number}")).collect();
    let mut app = App::default();
    for user in &users {
        app.objects.insert(format!("/users/{user}"), json!({ "id": user, "name": user, "roles": [] }));
    }
    for role in ["author", "editor"] {
        app.objects.insert(format!("/roles/{role}"), json!({ "id": role }));
    }
    let engine = engine();
    let (mut forwards, mut backwards): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    forwards.extend(users.iter().map(String::as_str));
    backwards.extend(users.iter().rev().map(String::as_str));
    let exchanges = vec![
        begin(&engine, "PATCH", "/Roles/editor", &add(&forwards)),
        begin(&engine, "PATCH", "/Roles/author", &add(&backwards)),
        begin(&engine, "PATCH", "/Users/u7", &replace("title", "Head")),
    ];
    assert_eq!(all(&mut app, exchanges), [204, 204, 200]);
    for user in &users {
        let found = &app.objects[&format!("/users/{user}")];
        let mut roles: Vec<&str> = found["roles"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        roles.sort_unstable();
        assert_eq!(roles, ["author", "editor"], "{user}");
    }
    assert_eq!(app.objects["/users/u7"]["title"], "Head");
}

#[test]
fn a_list_that_is_sent_whole_gets_everybody() {
    let mut app = App::with(&[("/lists/5", json!({ "id": "5", "users": ["a"] }))]);
    let engine = engine();
    let exchanges =
        ["b", "c", "d"].into_iter().map(|user| begin(&engine, "PATCH", "/Lists/5", &add(&[user]))).collect();
    assert_eq!(all(&mut app, exchanges), [204; 3]);
    assert_eq!(app.objects["/lists/5"]["users"], json!(["a", "b", "c", "d"]));
}

#[test]
fn an_object_that_is_sent_whole_keeps_every_change() {
    let mut app = App::with(&[("/users/7", json!({ "id": "7", "name": "n", "title": "a", "display": "b" }))]);
    let engine = engine();
    let exchanges = vec![
        begin(&engine, "PATCH", "/Users/7", &replace("title", "A")),
        begin(&engine, "PATCH", "/Users/7", &replace("displayName", "B")),
    ];
    assert_eq!(all(&mut app, exchanges), [200, 200]);
    assert_eq!(app.objects["/users/7"], json!({ "id": "7", "name": "n", "title": "A", "display": "B" }));
}

#[test]
fn one_precondition_is_met_once() {
    let mut app = App::with(&[("/users/7", json!({ "id": "7", "name": "n", "title": "a", "display": "b" }))]);
    let engine = engine();
    let mut reading = begin(&engine, "GET", "/Users/7", &Value::Null);
    let Output::Call(id, call, _) = first(&mut reading) else { panic!("it reads nothing") };
    reading.handle_reply(id, Ok(app.reply(&call)), 0);
    let Output::Respond(read) = first(&mut reading) else { panic!("it does not answer") };
    let tag = read.header("etag").unwrap();
    let change = |path: &str| begin_if(&engine, "PATCH", "/Users/7", &replace(path, "c"), Some(tag));
    let mut statuses = all(&mut app, vec![change("title"), change("displayName")]);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

#[test]
fn a_guarded_value_is_given_once() {
    let mut app = App::default();
    let engine = engine();
    let names = ["ada", "Ada", "ada", "ada", "ada"];
    let create = |name: &str| begin(&engine, "POST", "/Users", &json!({ "userName": name }));
    let mut statuses = all(&mut app, names.into_iter().map(create).collect());
    statuses.sort_unstable();
    // The application itself tells `Ada` and `ada` apart.
    assert_eq!(statuses, [201, 201, 409, 409, 409]);
    let body = json!({ "urn:example:Name": { "name": "n" } });
    let mut statuses = all(&mut app, (0..3).map(|_| begin(&engine, "POST", "/Names", &body)).collect());
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
}

/// The first thing that an exchange asks for.
fn first(exchange: &mut Exchange) -> Output {
    exchange.poll_output()
}

#[test]
fn a_turn_ends_with_a_cancelled_request() {
    let engine = engine();
    let mut holder = begin(&engine, "PATCH", "/Lists/5", &add(&["b"]));
    assert!(matches!(first(&mut holder), Output::Call(..)));
    let mut waiter = begin(&engine, "PATCH", "/Lists/5", &add(&["c"]));
    let Output::Pause(pause, _) = first(&mut waiter) else { panic!("it does not wait") };
    drop(holder);
    waiter.resume(pause, 20);
    assert!(matches!(first(&mut waiter), Output::Call(..)));
}

#[test]
fn who_waits_too_long_is_told_to_come_again() {
    let engine = engine();
    let mut holder = begin(&engine, "PATCH", "/Lists/5", &add(&["b"]));
    assert!(matches!(first(&mut holder), Output::Call(..)));
    let mut waiter = begin(&engine, "PATCH", "/Lists/5", &add(&["c"]));
    let mut now = 0;
    let response = loop {
        match waiter.poll_output() {
            Output::Pause(id, pause) => {
                now += millis(pause);
                waiter.resume(id, now);
            }
            Output::Respond(response) => break response,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert!((4000..5000).contains(&now), "{now}");
}

#[test]
fn who_does_not_read_does_not_wait_and_neither_do_others() {
    let engine = engine();
    let mut holder = begin(&engine, "PATCH", "/Lists/5", &add(&["b"]));
    assert!(matches!(first(&mut holder), Output::Call(..)));
    let mut writer = begin(&engine, "PATCH", "/Sets/5", &add(&["b"]));
    assert!(matches!(first(&mut writer), Output::Call(..)));
    for (method, path, body) in
        [("PATCH", "/Sets/5", add(&["c"])), ("PATCH", "/Lists/6", add(&["c"])), ("GET", "/Lists/5", Value::Null)]
    {
        assert!(matches!(first(&mut begin(&engine, method, path, &body)), Output::Call(..)), "{method} {path}");
    }
}
