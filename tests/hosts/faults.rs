//! What goes wrong between the host and the application, and what an identity provider is then told: what happened,
//! never that a user is not there, never that its own credential is bad, never success.

use scim_edge::cli::DemoHost;
use scim_edge::cli::demo::Demo;
use scim_edge::cli::example::{Effect, ExampleApp, Fault, Options, RetryAfter};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Answer, Front, MAPPING, Scim, mapping_with, user};

/// On the demo that scenarios share.
pub(crate) const SCENARIOS: &[(&str, fn(&Demo))] = &[
    ("every_fault_is_told_as_what_it_is", every_fault_is_told_as_what_it_is),
    ("a_fault_of_the_write_alone_is_told_too", a_fault_of_the_write_alone_is_told_too),
    ("an_answer_that_is_lost_is_no_reason_to_do_it_twice", an_answer_that_is_lost_is_no_reason_to_do_it_twice),
    ("a_member_that_could_not_be_added_is_added_by_the_same_request", a_member_that_could_not_be_added),
];

/// Where in a request something goes wrong.
struct Case {
    name: &'static str,
    fault: Fault,
    status: u16,
    /// The application has done the work all the same.
    done: bool,
}

fn case(name: &'static str, fault: Fault, status: u16) -> Case {
    Case { name, fault, status, done: false }
}

fn cases() -> Vec<Case> {
    let busy = |retry_after| Fault::new(Effect::TooManyRequests(retry_after));
    let unavailable = || {
        Fault::new(Effect::Reply {
            status: 503,
            headers: vec![
                ("retry-after".to_owned(), "7".to_owned()),
                ("content-type".to_owned(), "text/html".to_owned()),
            ],
            body: "<h1>maintenance</h1>".to_owned(),
        })
    };
    let refusal = r#"{"errors":[{"code":"unauthorized","message":"no"}]}"#;
    let done = |name, effect| Case { name, fault: Fault::new(effect), status: 502, done: true };
    vec![
        case("500 in HTML", Fault::html_error(), 502),
        case("500 in JSON", Fault::json_error(), 502),
        case("429, seconds", busy(RetryAfter::Seconds(3)), 429),
        case("429, a date", busy(RetryAfter::Date(60)), 429),
        case("429", busy(RetryAfter::Unsaid), 429),
        case("503", unavailable(), 503),
        case("401", Fault::reply(401, "application/json", refusal), 502),
        case("403", Fault::reply(403, "application/json", refusal), 502),
        case("redirect to a login page", Fault::redirect(302, "/login"), 502),
        case("permanent redirect", Fault::redirect(308, "http://127.0.0.1:1/api/v2/users"), 502),
        case("200 in HTML", Fault::reply(200, "text/html", "<!DOCTYPE html><title>Sign in</title>"), 502),
        case("connection dropped", Fault::new(Effect::HangUp), 502),
        done("connection dropped within the body", Effect::HangUpWithinBody),
        done("JSON that breaks off", Effect::Truncate),
    ]
}

/// The kinds of SCIM requests, with the native method of the write and whether a write has a body in its answer.
const KINDS: [(&str, Option<(&str, bool)>); 5] = [
    ("read", None),
    ("filter", None),
    ("create", Some(("POST", true))),
    ("patch", Some(("PATCH", true))),
    ("delete", Some(("DELETE", false))),
];

/// One request of a kind, that can be sent again.
struct Request {
    kind: &'static str,
    name: String,
    path: String,
}

impl Request {
    /// What must be there before.
    fn prepare(scim: &Scim, kind: &'static str, name: String) -> Request {
        let path = if kind == "create" { "/Users".to_owned() } else { scim.create(&name) };
        Request { kind, name, path }
    }

    fn send(&self, scim: &Scim) -> Answer {
        match self.kind {
            "read" => scim.get(&self.path),
            "filter" => scim.get(&format!("/Users?filter=userName%20eq%20%22{}%22", self.name)),
            "create" => scim.post("/Users", &user(&self.name)),
            "patch" => scim.patch(&self.path, &json!([{ "op": "replace", "path": "title", "value": "Guide" }])),
            _ => scim.delete(&self.path),
        }
    }

    /// The fault is over: the same request brings about what was wanted, whether or not it was `done` before.
    #[track_caller]
    fn converges(&self, scim: &Scim, app: &ExampleApp, done: bool, context: &str) {
        let answer = self.send(scim);
        let expected = match (self.kind, done) {
            ("create", false) => 201,
            ("create", true) => 409,
            ("delete", false) => 204,
            ("delete", true) => 404,
            _ => 200,
        };
        assert_eq!(answer.status, expected, "{context}, again: {}", answer.text);
        let accounts = app.users().unwrap();
        let accounts: Vec<&Value> = accounts.iter().filter(|account| account["login"] == self.name.as_str()).collect();
        assert_eq!(accounts.len(), usize::from(self.kind != "delete"), "{context}: {accounts:?}");
        match self.kind {
            "filter" => assert_eq!(answer.json()["totalResults"], 1, "{context}"),
            "patch" => assert_eq!(accounts[0]["title"], "Guide", "{context}"),
            _ => {}
        }
    }
}

#[track_caller]
fn assert_told(answer: &Answer, case: &Case, context: &str) {
    assert_eq!(answer.status, case.status, "{context}: {}", answer.text);
    let detail = answer.error(case.status);
    // What the application wrote is nobody's business unless the mapping says so.
    for text in ["<", "something went wrong", "Sign in", "127.0.0.1"] {
        assert!(!detail.contains(text), "{context}: {detail}");
    }
    assert!(!answer.headers.contains_key("location"), "{context}");
    assert!(!answer.headers.contains_key("www-authenticate"), "{context}");
    let retry_after =
        answer.headers.get("retry-after").map(|seconds| seconds.to_str().unwrap().parse::<u32>().unwrap());
    match case.name {
        "429, seconds" => assert_eq!(retry_after, Some(3), "{context}"),
        "503" => assert_eq!(retry_after, Some(7), "{context}"),
        // Less what has passed since.
        "429, a date" => {
            assert!(retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)), "{context}: {retry_after:?}")
        }
        _ => assert_eq!(retry_after, None, "{context}"),
    }
}

fn every_fault_is_told_as_what_it_is(demo: &Demo) {
    let scim = Scim::of(demo);
    for (number, case) in cases().into_iter().enumerate() {
        for (kind, write) in KINDS {
            // An answer without a body cannot break off.
            if case.done && write.is_some_and(|(_, body)| !body) {
                continue;
            }
            let context = format!("{}: {kind}", case.name);
            let request = Request::prepare(&scim, kind, format!("fault.{number}.{kind}"));
            demo.app().faults().add(case.fault.clone().always());
            assert_told(&request.send(&scim), &case, &context);
            demo.app().faults().clear();
            // A PATCH reads first, and gets no further.
            let done = case.done && kind == "create";
            request.converges(&scim, demo.app(), done, &context);
        }
    }
}

fn a_fault_of_the_write_alone_is_told_too(demo: &Demo) {
    let scim = Scim::of(demo);
    for (number, case) in cases().into_iter().enumerate() {
        for (kind, write) in KINDS {
            let Some((method, _)) = write.filter(|_| !case.done) else { continue };
            let context = format!("{}: {method} of {kind}", case.name);
            let request = Request::prepare(&scim, kind, format!("write.{number}.{kind}"));
            demo.app().faults().add(case.fault.clone().method(method).always());
            assert_told(&request.send(&scim), &case, &context);
            demo.app().faults().clear();
            request.converges(&scim, demo.app(), false, &context);
        }
        // An action that fails after the create: the account is there, and the same request finds it.
        if case.done {
            continue;
        }
        let name = format!("write.{number}.suspend");
        let mut inactive = user(&name);
        inactive["active"] = false.into();
        demo.app().faults().add(case.fault.clone().path("/suspend").always());
        let answer = scim.post("/Users", &inactive);
        assert_told(&answer, &case, &format!("{}: suspend", case.name));
        demo.app().faults().clear();
        scim.post("/Users", &inactive).error(409);
        let id = demo.app().user(&name).unwrap().unwrap()["id"].clone();
        let off = json!([{ "op": "replace", "path": "active", "value": false }]);
        scim.patch(&format!("/Users/{id}"), &off).expect(200);
        assert_eq!(demo.app().user(&name).unwrap().unwrap()["status"], "SUSPENDED");
    }
}

fn an_answer_that_is_lost_is_no_reason_to_do_it_twice(demo: &Demo) {
    let scim = Scim::of(demo);
    for (kind, write) in KINDS {
        let Some((method, _)) = write else { continue };
        let request = Request::prepare(&scim, kind, format!("lost.{kind}"));
        demo.app().log().clear();
        demo.app().faults().add(Fault::new(Effect::HangUp).method(method).applied().always());
        request.send(&scim).error(502);
        demo.app().faults().clear();
        let sent = demo.app().log().lines().into_iter().filter(|line| line.starts_with(method)).count();
        assert_eq!(sent, 1, "{kind}: a call that is not idempotent is never repeated blindly");
        request.converges(&scim, demo.app(), true, &format!("lost: {kind}"));
    }
}

fn a_member_that_could_not_be_added(demo: &Demo) {
    let scim = Scim::of(demo);
    let ids: Vec<String> = (0..3)
        .map(|number| scim.create(&format!("fault.member.{number}")).trim_start_matches("/Users/").to_owned())
        .collect();
    let group = scim.post("/Groups", &json!({ "displayName": "Fault Members" })).expect(201);
    let group = group["id"].as_str().unwrap();
    let members: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
    let add = json!([{ "op": "add", "path": "members", "value": members }]);
    demo.app().faults().add(Fault::json_error().method("POST").path("/memberships").after(1).times(1));
    let detail = scim.patch(&format!("/Groups/{group}"), &add).error(502);
    assert!(detail.contains("2 of 3 calls were done"), "{detail}");
    scim.patch(&format!("/Groups/{group}"), &add).expect(204);
    let mut expected: Vec<i64> = ids.iter().map(|id| id.parse().unwrap()).collect();
    expected.sort_unstable();
    assert_eq!(demo.app().members(group.parse().unwrap()).unwrap(), expected);
}

/// With a demo of its own, whose calls have one second.
pub(crate) fn an_application_that_is_too_slow(host: DemoHost) {
    let demo = Demo::start_with(host, &mapping_with("limits: { call: 1 }"), &[]).unwrap();
    let scim = Scim::of(&demo);
    let requests = KINDS.map(|(kind, _)| Request::prepare(&scim, kind, format!("slow.{kind}")));
    demo.app().faults().add(Fault::delay(120_000));
    for request in &requests {
        let detail = request.send(&scim).error(504);
        assert!(detail.contains("in time"), "{}: {detail}", request.kind);
    }
    demo.app().faults().clear();
    for request in &requests {
        request.converges(&scim, demo.app(), false, "slow");
    }
}

/// An application that is stopped and comes back, with what it knew.
pub(crate) fn an_application_that_is_down(host: DemoHost) {
    let directory = TempDir::new().unwrap();
    let mut options = Options {
        database: Some(directory.path().join("example.sqlite")),
        api_key: "native-secret".to_owned(),
        ..Options::default()
    };
    let app = ExampleApp::start(options.clone()).unwrap();
    options.port = app.address().port();
    let front = Front::start(host, MAPPING, app.address());
    let scim = front.scim();
    let requests = KINDS.map(|(kind, _)| Request::prepare(&scim, kind, format!("down.{kind}")));
    drop(app);
    for request in &requests {
        let detail = request.send(&scim).error(502);
        assert!(detail.contains("could not be reached"), "{}: {detail}", request.kind);
    }
    let app = ExampleApp::start(options).unwrap();
    for request in &requests {
        request.converges(&scim, &app, false, "down");
    }
}
