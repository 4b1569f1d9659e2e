//! What goes wrong between the host and the application, and what an identity provider is then told: what happened,
//! never that a user is not there, never that its own credential is bad, never success.
//!
//! The expectations are the table in `docs/faults.md`: one row for each of [`faults`], one column for each of
//! [`OPERATIONS`].

use scim_edge::cli::DemoHost;
use scim_edge::cli::demo::Demo;
use scim_edge::cli::example::{Effect, ExampleApp, Fault, Options, RetryAfter};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Answer, Front, MAPPING, Scim, mapping_with, user};

/// On the demo that scenarios share.
pub(crate) const SCENARIOS: &[(&str, fn(&Demo))] = &[
    ("a_read_before_a_write_that_fails_is_told_too", a_read_before_a_write_that_fails),
    ("a_member_that_could_not_be_added_is_added_by_the_same_request", a_member_that_could_not_be_added),
];

/// For each host, with an application of the test's own.
pub(crate) const TESTS: &[(&str, fn(DemoHost))] = &[
    ("every_fault_is_told_as_what_it_is", every_fault_is_told_as_what_it_is),
    ("a_request_ends_in_time", a_request_ends_in_time),
];

const TABLE: &str = include_str!("../../docs/faults.md");

/// A fault of the application.
struct Row {
    name: &'static str,
    /// `None`: the application is stopped.
    fault: Option<Fault>,
    /// The calls of the host that sends the request have one second.
    slow: bool,
    /// The bounds of `Retry-After` in the answer, if it has one.
    retry_after: Option<(u32, u32)>,
}

fn faults() -> Vec<Row> {
    let row = |name, fault: Fault| Row { name, fault: Some(fault), slow: false, retry_after: None };
    let effect = |name, effect| row(name, Fault::new(effect));
    let slow = |name, fault| Row { slow: true, ..row(name, fault) };
    let busy = |name, asked, told| Row { retry_after: told, ..effect(name, Effect::TooManyRequests(asked)) };
    let page = |status| Fault::reply(status, "text/html", "<!DOCTYPE html><title>Sign in</title>");
    let refusal =
        |status| Fault::reply(status, "application/json", r#"{"errors":[{"code":"unauthorized","message":"no"}]}"#);
    let maintenance = Effect::Reply {
        status: 503,
        headers: vec![("retry-after".to_owned(), "7".to_owned())],
        body: "<h1>something went wrong</h1>".to_owned(),
    };
    vec![
        Row { name: "the application is down", fault: None, slow: false, retry_after: None },
        effect("the connection is closed without an answer", Effect::HangUp),
        effect("… within the head of the answer", Effect::HangUpWithinHead),
        effect("… within the body", Effect::HangUpWithinBody),
        row("… after the work is done", Fault::new(Effect::HangUp).applied()),
        slow("nothing comes in time", Fault::new(Effect::Delay { millis: 120_000 })),
        slow("the body stops half-way", Fault::new(Effect::StallWithinBody { millis: 120_000 })),
        busy("429, `Retry-After: 1`", RetryAfter::Seconds(1), Some((1, 1))),
        busy("429, `Retry-After: 30`", RetryAfter::Seconds(30), Some((30, 30))),
        // Less what has passed since.
        busy("429, `Retry-After` is a date a minute ahead", RetryAfter::Date(60), Some((1, 61))),
        busy("429", RetryAfter::Unsaid, None),
        Row { retry_after: Some((7, 7)), ..effect("503, `Retry-After: 7`", maintenance) },
        row("503", page(503)),
        row("502", page(502)),
        row("504", page(504)),
        row("500 in HTML", Fault::html_error()),
        row("500 in JSON", Fault::json_error()),
        row("401", refusal(401)),
        row("403", refusal(403)),
        row("302 to a login page", Fault::redirect(302, "/login")),
        row("308 to another address", Fault::redirect(308, "http://127.0.0.1:1/api/v2/users")),
        row("200 with a web page", page(200)),
        effect("200 with JSON that breaks off", Effect::Truncate),
        row("200 with JSON of another shape", Fault::reply(200, "application/json", r#"{"result":"ok"}"#).applied()),
    ]
}

/// A SCIM request, and the native call of it that goes wrong.
struct Operation {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    /// How many such calls come before it.
    after: u32,
}

const fn operation(name: &'static str, method: &'static str, path: &'static str) -> Operation {
    Operation { name, method, path, after: 0 }
}

const OPERATIONS: [Operation; 7] = [
    operation("read", "GET", "/users/"),
    operation("find", "GET", "/users?"),
    operation("create", "POST", "/users"),
    operation("create, suspended", "POST", "/suspend"),
    operation("update", "PATCH", "/users/"),
    operation("delete", "DELETE", "/users/"),
    Operation { after: 1, ..operation("add members", "POST", "/memberships") },
];

/// A cell of the table: `200 · 502 → 409`.
struct Cell {
    /// The answer if it happens once.
    once: u16,
    /// The answer as long as it lasts.
    lasting: u16,
    /// The answer to the same request afterwards.
    again: u16,
}

/// The expectations for a fault, by operation; `None` where the fault cannot happen.
fn expectations(name: &str) -> Vec<Option<Cell>> {
    let cells = |line: &'static str| -> Vec<&str> { line.trim_matches('|').split('|').map(str::trim).collect() };
    let header = TABLE.lines().find(|line| line.starts_with("| fault ")).expect("docs/faults.md has the table");
    let operations: Vec<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
    assert_eq!(cells(header)[1..], operations, "the columns of docs/faults.md");
    let row = TABLE.lines().map(cells).find(|cells| cells[0] == name);
    let row = row.unwrap_or_else(|| panic!("docs/faults.md has no row `{name}`"));
    row[1..].iter().map(|cell| expectation(cell)).collect()
}

fn expectation(cell: &str) -> Option<Cell> {
    let status = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("`{cell}` in docs/faults.md"));
    let (told, again) = cell.split_once('→')?;
    let (once, lasting) = told.split_once('·').unwrap_or((told, told));
    Some(Cell { once: status(once), lasting: status(lasting), again: status(again) })
}

/// The application of this file's tests, with hosts in front of it.
struct World {
    app: Option<ExampleApp>,
    options: Options,
    patient: Front,
    hasty: Front,
    _directory: TempDir,
}

impl World {
    fn start(host: DemoHost) -> World {
        let directory = TempDir::new().unwrap();
        let mut options = Options {
            database: Some(directory.path().join("example.sqlite")),
            api_key: "native-secret".to_owned(),
            ..Options::default()
        };
        let app = ExampleApp::start(options.clone()).unwrap();
        options.port = app.address().port();
        let patient = Front::start(host, MAPPING, app.address());
        let hasty = Front::start(host, &mapping_with("limits: { call: 1 }"), app.address());
        World { app: Some(app), options, patient, hasty, _directory: directory }
    }

    fn app(&self) -> &ExampleApp {
        self.app.as_ref().unwrap()
    }

    /// Makes the native call of `operation` fail, `times` or always.
    fn break_down(&mut self, row: &Row, operation: &Operation, times: Option<u32>) {
        match &row.fault {
            None => self.app = None,
            Some(fault) => {
                let mut fault = fault.clone().method(operation.method).path(operation.path).after(operation.after);
                fault.count = times;
                self.app().faults().add(fault);
            }
        }
    }

    fn recover(&mut self) {
        match &self.app {
            Some(app) => app.faults().clear(),
            None => self.app = Some(ExampleApp::start(self.options.clone()).unwrap()),
        }
    }
}

/// One request of an operation, that can be sent again.
struct Request {
    operation: &'static Operation,
    name: String,
    path: String,
    members: Vec<Value>,
}

impl Request {
    /// What must be there before.
    fn prepare(scim: &Scim, operation: &'static Operation, name: String) -> Request {
        let mut members = Vec::new();
        let path = match operation.name {
            "create" | "create, suspended" => "/Users".to_owned(),
            "add members" => {
                let id = |path: String| Value::from(path.trim_start_matches("/Users/"));
                members.extend((0..3).map(|number| json!({ "value": id(scim.create(&format!("{name}.{number}"))) })));
                let group = scim.post("/Groups", &json!({ "displayName": name })).expect(201);
                format!("/Groups/{}", group["id"].as_str().unwrap())
            }
            _ => scim.create(&name),
        };
        Request { operation, name, path, members }
    }

    fn send(&self, scim: &Scim) -> Answer {
        match self.operation.name {
            "read" => scim.get(&self.path),
            "find" => scim.get(&format!("/Users?filter=userName%20eq%20%22{}%22", self.name)),
            "create" => scim.post("/Users", &user(&self.name)),
            "create, suspended" => {
                let mut inactive = user(&self.name);
                inactive["active"] = false.into();
                scim.post("/Users", &inactive)
            }
            "update" => scim.patch(&self.path, &json!([{ "op": "replace", "path": "title", "value": "Guide" }])),
            "delete" => scim.delete(&self.path),
            _ => scim.patch(&self.path, &json!([{ "op": "add", "path": "members", "value": self.members }])),
        }
    }

    /// Whether doing it twice is more than doing it once.
    fn is_delicate(&self) -> bool {
        matches!(self.operation.method, "POST" | "PATCH")
    }

    /// What was wanted is there, and it is there once.
    #[track_caller]
    fn assert_brought_about(&self, scim: &Scim, app: &ExampleApp, context: &str) {
        let accounts = app.users().unwrap();
        let accounts: Vec<&Value> = accounts.iter().filter(|account| account["login"] == self.name.as_str()).collect();
        let expected = usize::from(!matches!(self.operation.name, "delete" | "add members"));
        assert_eq!(accounts.len(), expected, "{context}: {accounts:?}");
        match self.operation.name {
            "find" => assert_eq!(self.send(scim).expect(200)["totalResults"], 1, "{context}"),
            "update" => assert_eq!(accounts[0]["title"], "Guide", "{context}"),
            "create, suspended" => {
                let off = json!([{ "op": "replace", "path": "active", "value": false }]);
                scim.patch(&format!("/Users/{}", accounts[0]["id"]), &off).expect(200);
                assert_eq!(app.user(&self.name).unwrap().unwrap()["status"], "SUSPENDED", "{context}");
            }
            "add members" => {
                let id = |text: &str| text.rsplit('/').next().unwrap().parse::<i64>().unwrap();
                let mut wanted: Vec<i64> = self.members.iter().map(|it| id(it["value"].as_str().unwrap())).collect();
                wanted.sort_unstable();
                assert_eq!(app.members(id(&self.path)).unwrap(), wanted, "{context}");
            }
            _ => {}
        }
    }
}

fn every_fault_is_told_as_what_it_is(host: DemoHost) {
    let mut world = World::start(host);
    let calm = world.patient.scim();
    for (number, row) in faults().into_iter().enumerate() {
        for (operation, cell) in OPERATIONS.iter().zip(expectations(row.name)) {
            let Some(cell) = cell else { continue };
            let can_end = row.fault.is_some() && !row.slow;
            let times = [(None, cell.lasting), (Some(1), cell.once)];
            for (times, told) in times.into_iter().take(if can_end { 2 } else { 1 }) {
                let context = format!("{}: {}, {times:?}", row.name, operation.name);
                let name = format!("fault.{number}.{}.{}", operation.name.replace([',', ' '], ""), times.is_some());
                let request = Request::prepare(&calm, operation, name);
                world.app().log().clear();
                world.break_down(&row, operation, times);
                let scim = if row.slow { world.hasty.scim() } else { world.patient.scim() };
                let answer = request.send(&scim);
                assert_eq!(answer.status, told, "{context}: {}", answer.text);
                assert_told(&answer, &row, &context);
                if let Some(app) = world.app.as_ref().filter(|_| request.is_delicate()) {
                    let sent = app.log().lines().into_iter().filter(|line| line.starts_with(operation.method)).count();
                    let wanted = match operation.name {
                        "add members" => 3,
                        "create, suspended" => 2,
                        _ => 1,
                    };
                    assert_eq!(sent, wanted, "{context}: what is not idempotent is never repeated");
                }
                world.recover();
                if told >= 400 {
                    let again = request.send(&calm);
                    assert_eq!(again.status, cell.again, "{context}, again: {}", again.text);
                }
                request.assert_brought_about(&calm, world.app(), &context);
            }
        }
    }
}

#[track_caller]
fn assert_told(answer: &Answer, row: &Row, context: &str) {
    if answer.status < 400 {
        return;
    }
    let detail = answer.error(answer.status);
    // What the application wrote is nobody's business unless the mapping says so.
    for text in ["<", "something went wrong", "Sign in", "127.0.0.1", "native-secret"] {
        assert!(!detail.contains(text), "{context}: {detail}");
    }
    assert!(!answer.headers.contains_key("location"), "{context}");
    assert!(!answer.headers.contains_key("www-authenticate"), "{context}");
    let retry_after =
        answer.headers.get("retry-after").map(|seconds| seconds.to_str().unwrap().parse::<u32>().unwrap());
    match row.retry_after {
        Some((least, most)) => {
            assert!(retry_after.is_some_and(|it| (least..=most).contains(&it)), "{context}: {retry_after:?}");
        }
        None => assert_eq!(retry_after, None, "{context}"),
    }
}

/// A PATCH and a DELETE of a group's member read first, and get no further.
fn a_read_before_a_write_that_fails(demo: &Demo) {
    let scim = Scim::of(demo);
    for (number, row) in faults().into_iter().enumerate() {
        let Some(fault) = row.fault.clone().filter(|_| !row.slow) else { continue };
        let update = OPERATIONS.iter().find(|operation| operation.name == "update").unwrap();
        let request = Request::prepare(&scim, update, format!("before.{number}"));
        demo.app().log().clear();
        demo.app().faults().add(fault.method("GET").always());
        let answer = request.send(&scim);
        assert!(matches!(answer.status, 429 | 502 | 503 | 504), "{}: {}", row.name, answer.text);
        assert_told(&answer, &row, row.name);
        assert!(demo.app().log().lines().iter().all(|line| line.starts_with("GET ")), "{}", row.name);
        demo.app().faults().clear();
        request.send(&scim).expect(200);
    }
}

fn a_member_that_could_not_be_added(demo: &Demo) {
    let scim = Scim::of(demo);
    let add = OPERATIONS.iter().find(|operation| operation.name == "add members").unwrap();
    let request = Request::prepare(&scim, add, "fault.members".to_owned());
    demo.app().faults().add(Fault::json_error().method("POST").path("/memberships").after(1).times(1));
    let detail = request.send(&scim).error(502);
    assert!(detail.contains("2 of 3 member calls were done"), "{detail}");
    request.send(&scim).expect(204);
    request.assert_brought_about(&scim, demo.app(), "a member");
}

/// Each call is answered in time, but there are too many of them.
fn a_request_ends_in_time(host: DemoHost) {
    let app = ExampleApp::start(Options { api_key: "native-secret".to_owned(), ..Options::default() }).unwrap();
    let limits = "limits: { time: 2, call: 60, concurrency: 1 }";
    let front = Front::start(host, &mapping_with(limits), app.address());
    let patient = Front::start(host, MAPPING, app.address());
    let members: Vec<Value> = app.seed_users(20).unwrap().iter().map(|id| json!({ "value": id.to_string() })).collect();
    let group = app.seed_group("In Time", &[]).unwrap();
    app.faults().add(Fault::delay(500));
    let add = json!([{ "op": "add", "path": "members", "value": members }]);
    let detail = front.scim().patch(&format!("/Groups/{group}"), &add).error(504);
    assert!(detail.contains("in time") && detail.contains("of 20 member calls were done"), "{detail}");
    app.faults().clear();
    assert!(app.members(group).unwrap().len() < 20);
    patient.scim().patch(&format!("/Groups/{group}"), &add).expect(204);
    assert_eq!(app.members(group).unwrap().len(), 20);
}
