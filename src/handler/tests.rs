//! What many native calls at once must not change: large groups, failures in the middle, replies in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Engine;
use crate::exchange::{Exchange, Moment, Output, Reply, Request, Response};

/// The application of `mappings/example.yaml`, as far as groups and their members go.
#[derive(Clone, Debug, Default, PartialEq)]
struct App {
    /// The ids of users by group, in the order in which they can be listed.
    groups: BTreeMap<u64, BTreeSet<u64>>,
    /// Those whom nobody can add: there is no such user.
    unknown: BTreeSet<u64>,
    /// After that many writes it answers them with 503.
    writes_left: Option<usize>,
    writes: usize,
}

impl App {
    fn with(groups: &[(u64, &[u64])]) -> Self {
        let groups = groups.iter().map(|(group, members)| (*group, members.iter().copied().collect())).collect();
        App { groups, ..App::default() }
    }

    fn reply(&mut self, call: &Request) -> Response {
        let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        let segments: Vec<&str> = path.trim_start_matches("/api/v2/").split('/').collect();
        let group = segments.get(1).and_then(|id| id.parse().ok()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let object = |id: &u64| json!({ "id": id, "name": format!("group {id}") });
        if call.method != "GET" {
            if self.writes_left == Some(self.writes) {
                return answer(503, &json!({}));
            }
            self.writes += 1;
        }
        match (call.method.as_str(), segments.as_slice()) {
            ("GET", ["users"]) => list(query, Vec::new()),
            ("GET", ["groups"]) => list(query, self.groups.keys().map(object).collect()),
            (_, ["groups", _, ..]) if !self.groups.contains_key(&group) => answer(404, &json!({})),
            ("GET", ["groups", _]) => answer(200, &json!({ "data": object(&group) })),
            ("GET", ["groups", _, "memberships"]) => {
                let asked = query.split('&').find_map(|pair| pair.strip_prefix("user_id=")?.parse().ok());
                let members = self.groups[&group].iter().filter(|id| asked.is_none_or(|asked: u64| asked == **id));
                list(query, members.map(|id| json!({ "id": id + 100_000, "user_id": id })).collect())
            }
            ("POST", ["groups", _, "memberships"]) => {
                let user = body["user_id"].as_u64().unwrap();
                if self.unknown.contains(&user) {
                    return answer(422, &json!({ "errors": [{ "code": "unknown", "message": "no such user" }] }));
                }
                let added = self.groups.get_mut(&group).unwrap().insert(user);
                answer(if added { 201 } else { 409 }, &json!({}))
            }
            ("DELETE", ["groups", _, "memberships", key]) => {
                let user = key.parse::<u64>().unwrap() - 100_000;
                let removed = self.groups.get_mut(&group).unwrap().remove(&user);
                answer(if removed { 204 } else { 404 }, &Value::Null)
            }
            other => panic!("{other:?} is no call of the mapping"),
        }
    }
}

fn answer(status: u16, body: &Value) -> Response {
    Response { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

/// One page of a hundred.
fn list(query: &str, all: Vec<Value>) -> Response {
    let page = query.split('&').find_map(|pair| pair.strip_prefix("page=")?.parse().ok()).unwrap_or(1);
    let total = all.len();
    let rows: Vec<Value> = all.into_iter().skip((page - 1) * 100).take(100).collect();
    answer(200, &json!({ "data": rows, "meta": { "total": total } }))
}

fn engine() -> Rc<Engine> {
    let environment = [("SCIM_EDGE_TOKENS", "t"), ("NATIVE_API_KEY", "k")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mapping = include_str!("../../mappings/example.yaml");
    Rc::new(Engine::new(mapping, "example.yaml", &environment).unwrap())
}

/// Answers a request, `pick` choosing which of so many calls under way is answered next. Gives the response's status and
/// body, and how many calls were under way at most.
fn ask(
    engine: &Rc<Engine>,
    app: &mut App,
    (method, path, body): (&str, &str, &Value),
    pick: &mut dyn FnMut(usize) -> usize,
) -> (u16, Value, usize) {
    let request = Request {
        method: method.to_owned(),
        target: format!("/scim/v2{path}"),
        headers: vec![("authorization".to_owned(), "t".to_owned())],
        body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
    };
    let mut exchange = Exchange::new(Rc::clone(engine), request, Moment { now: 0, entropy: [0; 32] });
    let (mut waiting, mut most) = (Vec::new(), 0);
    loop {
        match exchange.poll_output() {
            Output::Call(id, call, _) => waiting.push((id, call)),
            Output::Pause(..) => panic!("nothing is repeated"),
            Output::Waiting => {
                most = most.max(waiting.len());
                let (id, call) = waiting.remove(pick(waiting.len()));
                let reply: Reply = Ok(app.reply(&call));
                exchange.handle_reply(id, reply, 0);
            }
            Output::Respond(response) => {
                let body = serde_json::from_slice(&response.body).unwrap_or_default();
                return (response.status, body, most);
            }
        }
    }
}

fn patch(op: &str, ids: impl IntoIterator<Item = u64>) -> Value {
    let members: Vec<Value> = ids.into_iter().map(|id| json!({ "value": id.to_string() })).collect();
    json!({ "schemas": [crate::scim::patch::SCHEMA], "Operations": [{ "op": op, "path": "members", "value": members }] })
}

const FIRST: fn(usize) -> usize = |_| 0;
/// The default of `limits.concurrency`.
const CONCURRENCY: usize = 8;

#[test]
fn a_thousand_members_that_broke_off_are_completed_by_the_same_request() {
    let mut app = App { writes_left: Some(403), ..App::with(&[(5, &[])]) };
    let body = patch("add", 1..=1000);
    let (status, answer, most) = ask(&engine(), &mut app, ("PATCH", "/Groups/5", &body), &mut { FIRST });
    assert_eq!((status, most), (503, CONCURRENCY), "{answer}");
    let detail = answer["detail"].as_str().unwrap();
    assert!(
        detail.contains("403 of 1000 member calls were done, and sending the request again does the rest"),
        "{detail}"
    );
    assert_eq!(app.groups[&5].len(), 403);
    assert_eq!(app.writes, 403, "an application that is down is left alone");

    app.writes_left = None;
    let (status, _, most) = ask(&engine(), &mut app, ("PATCH", "/Groups/5", &body), &mut { FIRST });
    assert_eq!((status, most), (204, CONCURRENCY));
    assert_eq!(app.groups[&5], (1..=1000).collect());
    assert_eq!(app.writes, 403 + 1000);

    let (status, _, most) =
        ask(&engine(), &mut app, ("PATCH", "/Groups/5", &patch("replace", 500..=1000)), &mut { FIRST });
    assert_eq!((status, most), (204, CONCURRENCY));
    assert_eq!(app.groups[&5], (500..=1000).collect());
    assert_eq!(app.writes, 403 + 1000 + 499, "only those that are to go are touched");
}

#[test]
fn a_member_that_cannot_be_is_named_and_keeps_nobody_else_out() {
    let mut app = App { unknown: [500].into(), ..App::with(&[(5, &[])]) };
    let (status, answer, _) = ask(&engine(), &mut app, ("PATCH", "/Groups/5", &patch("add", 1..=1000)), &mut { FIRST });
    assert_eq!(status, 400, "{answer}");
    let detail = answer["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("could not add the member `500`: no such user; 999 of 1000 member calls were done"),
        "{detail}"
    );
    assert_eq!(app.groups[&5].len(), 999);
}

/// A small generator of choices, from a seed.
fn picks(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |count| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % count
    }
}

fn ids() -> impl Strategy<Value = BTreeSet<u64>> {
    prop::collection::btree_set(1..40_u64, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_order_of_replies_changes_nothing(
        members in prop::collection::vec(ids(), 1..12), unknown in ids(), wanted in ids(), seed in any::<u64>(),
        op in prop::sample::select(vec!["add", "remove", "replace"]),
    ) {
        let unknown = unknown.into_iter().map(|id| id * 7).collect();
        let groups = (1..).zip(members).collect();
        let mut ordered = App { groups, unknown, ..App::default() };
        let mut shuffled = ordered.clone();
        let mut pick = picks(seed);
        let engine = engine();
        let put = json!({ "displayName": "group 1", "members": patch("", wanted.clone())["Operations"][0]["value"] });
        for request in [
            ("PATCH", "/Groups/1", &patch(op, wanted)),
            ("PUT", "/Groups/1", &put),
            ("GET", "/Groups", &Value::Null),
            ("GET", "/Groups?filter=members%20eq%20%2212%22%20or%20members%20eq%20%223%22", &Value::Null),
            ("GET", "/?attributes=members", &Value::Null),
        ] {
            let expected = ask(&engine, &mut ordered, request, &mut { FIRST });
            prop_assert_eq!(ask(&engine, &mut shuffled, request, &mut pick), expected, "{:?}", request);
            prop_assert_eq!(&shuffled, &ordered);
        }
    }
}
