use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::{Effect, ExampleApp, Fault, Options, RetryAfter};

struct Tester {
    app: ExampleApp,
    client: Client,
}

/// A status and a body, null where there is none.
type Answer = (u16, Value);

impl Tester {
    fn start() -> Tester {
        Tester {
            app: ExampleApp::start(Options::default()).unwrap(),
            client: Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
        }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().unwrap();
        let url = format!("{}/api/v2{path}", self.app.url());
        self.client.request(method, url).header("X-Api-Key", "example-key")
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.request(method, path);
        let request = if body.is_null() { request } else { request.json(body) };
        answer(request)
    }

    fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null)
    }

    fn user(&self, login: &str) -> i64 {
        let (status, body) = self.call("POST", "/users", &json!({ "user": { "login": login } }));
        assert_eq!(status, 201, "{body}");
        body["data"]["id"].as_i64().unwrap()
    }
}

fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().unwrap();
    let status = response.status().as_u16();
    let text = response.text().unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    (status, body)
}

fn codes(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = body["errors"].as_array().unwrap();
    errors.iter().map(|error| (text(&error["code"]), text(&error["field"]))).collect()
}

fn code(code: &str, field: &str) -> (String, String) {
    (code.to_owned(), field.to_owned())
}

fn ids(body: &Value) -> Vec<i64> {
    body["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[test]
fn a_user_lives_and_dies() {
    let t = Tester::start();
    let (status, body) = t.call(
        "POST",
        "/users",
        &json!({ "user": {
            "login": "Ada", "email": "ada@example.com", "first_name": "Ada", "external_id": "e-1",
            "dept": { "name": "Engineering", "code": "E1" },
        }}),
    );
    assert_eq!(status, 201);
    let created = &body["data"];
    assert_eq!(created["login"], "Ada");
    assert_eq!(created["status"], "ACTIVE");
    assert_eq!(created["last_name"], Value::Null);
    assert_eq!(created["dept"], json!({ "name": "Engineering", "code": "E1" }));
    assert!(created["created_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(created["api_token"].as_str().unwrap().len(), 40);
    let id = created["id"].as_i64().unwrap();
    assert_eq!(t.get(&format!("/users/{id}")), (200, body.clone()));

    let path = format!("/users/{id}");
    let (status, body) = t.call("PATCH", &path, &json!({ "title": "Countess", "dept": { "code": null } }));
    assert_eq!(status, 200);
    assert_eq!(body["data"]["title"], "Countess");
    assert_eq!(body["data"]["email"], "ada@example.com");
    assert_eq!(body["data"]["dept"], json!({ "name": "Engineering", "code": null }));
    let (_, body) = t.call("PATCH", &path, &json!({ "user": { "dept": null, "login": "ADA" } }));
    assert_eq!(body["data"]["dept"], Value::Null);
    assert_eq!(body["data"]["login"], "ADA");

    assert_eq!(t.call("POST", &format!("{path}/suspend"), &Value::Null), (204, Value::Null));
    assert_eq!(t.get(&path).1["data"]["status"], "SUSPENDED");
    assert_eq!(t.call("DELETE", &format!("{path}/suspend"), &Value::Null).0, 204);
    assert_eq!(t.get(&path).1["data"]["status"], "ACTIVE");

    assert!(!t.app.password_is(id, "correct horse").unwrap());
    let (status, body) = t.call("PUT", &format!("{path}/password"), &json!({ "password": "short" }));
    assert_eq!((status, codes(&body)), (422, vec![code("invalid", "password")]));
    let (status, _) = t.call("PUT", &format!("{path}/password"), &json!({ "password": "correct horse" }));
    assert_eq!(status, 204);
    assert!(t.app.password_is(id, "correct horse").unwrap());
    assert!(!t.app.password_is(id, "correct house").unwrap());
    assert!(!t.app.users().unwrap()[0].to_string().contains("password"));

    assert_eq!(t.call("DELETE", &path, &Value::Null), (204, Value::Null));
    let (status, body) = t.call("DELETE", &path, &Value::Null);
    assert_eq!((status, codes(&body)), (404, vec![code("not_found", "")]));
    assert_eq!(t.get(&path).0, 404);
    assert!(t.user("ada") > id, "an id was used again");
}

#[test]
fn a_key_is_required() {
    let t = Tester::start();
    let url = format!("{}/api/v2/users", t.app.url());
    for request in [t.client.get(&url), t.client.get(&url).header("X-Api-Key", "wrong")] {
        let (status, body) = answer(request);
        assert_eq!((status, codes(&body)), (401, vec![code("unauthorized", "")]));
    }
}

#[test]
fn logins_and_emails_are_unique_without_regard_to_case() {
    let t = Tester::start();
    t.call("POST", "/users", &json!({ "user": { "login": "Zoë", "email": "z@example.com" } }));
    let second = t.user("second");
    let clash = json!({ "login": "ZOË", "email": "Z@EXAMPLE.COM" });
    let both = vec![code("taken", "login"), code("taken", "email")];
    let (status, body) = t.call("POST", "/users", &json!({ "user": clash }));
    assert_eq!((status, codes(&body)), (422, both.clone()));
    assert_eq!(body["errors"][0]["message"], "login has already been taken");
    let (status, body) = t.call("PATCH", &format!("/users/{second}"), &clash);
    assert_eq!((status, codes(&body)), (422, both));
    assert_eq!(t.app.users().unwrap().len(), 2);
    t.user("third without an e-mail".replace(' ', "-").as_str());
}

#[test]
fn bodies_are_checked() {
    let t = Tester::start();
    let id = t.user("first");
    let user = format!("/users/{id}");
    for (method, path, body, expected) in [
        ("POST", "/users", json!({ "login": "bare" }), code("blank", "user")),
        ("POST", "/users", json!({ "user": {} }), code("blank", "login")),
        ("POST", "/users", json!({ "user": { "login": "" } }), code("blank", "login")),
        ("POST", "/users", json!({ "user": { "login": "a b" } }), code("invalid", "login")),
        ("POST", "/users", json!({ "user": { "login": 7 } }), code("invalid", "login")),
        ("POST", "/users", json!({ "user": { "login": "x", "email": "x" } }), code("invalid", "email")),
        ("POST", "/users", json!({ "user": { "login": "x", "status": "GONE" } }), code("invalid", "status")),
        ("POST", "/users", json!({ "user": { "login": "x", "id": 9 } }), code("unknown_field", "id")),
        ("POST", "/users", json!({ "user": { "login": "x", "dept": "y" } }), code("invalid", "dept")),
        ("PATCH", &user, json!({ "login": null }), code("blank", "login")),
        ("PATCH", &user, json!({ "dept": { "boss": "y" } }), code("unknown_field", "dept.boss")),
        ("PATCH", &user, json!({ "title": "x".repeat(256) }), code("invalid", "title")),
        ("POST", "/groups", json!({}), code("blank", "name")),
        ("POST", "/groups", json!({ "name": "x", "members": [] }), code("unknown_field", "members")),
        ("GET", "/users?page=0", Value::Null, code("invalid", "page")),
        ("GET", "/users?per_page=x", Value::Null, code("invalid", "per_page")),
    ] {
        let (status, answer) = t.call(method, path, &body);
        assert_eq!((status, codes(&answer)), (422, vec![expected]), "{method} {path} {body}");
    }
    assert_eq!(t.app.users().unwrap().len(), 1);
}

#[test]
fn what_is_no_request_of_the_api_is_refused() {
    let t = Tester::start();
    let id = t.user("first");
    let user = format!("/users/{id}");
    let json = "application/json";
    for (media_type, body, expected) in [(json, "{", 400), (json, "[]", 400), ("text/plain", "{}", 415)] {
        let request = t.request("POST", "/users").header("Content-Type", media_type).body(body);
        assert_eq!(answer(request).0, expected, "{media_type} {body}");
    }
    assert_eq!(answer(t.request("POST", "/users").body(vec![b' '; (2 << 20) + 1])).0, 413);
    assert_eq!(t.call("PUT", &user, &json!({})).0, 405);
    for path in ["/users/x", "/users/99", "/users/99999999999999999999", "/nothing", "/groups/99/memberships"] {
        assert_eq!(t.get(path).0, 404, "{path}");
    }
    assert_eq!(t.app.users().unwrap().len(), 1);
}

#[test]
fn lists_are_paged_and_narrowed() {
    let t = Tester::start();
    let seeded = t.app.seed_users(230).unwrap();
    let (status, body) = t.get("/users?page=3&per_page=1000");
    assert_eq!(status, 200);
    assert_eq!(body["meta"], json!({ "total": 230, "page": 3, "per_page": 100 }));
    assert_eq!(ids(&body), seeded[200..]);
    assert_eq!(ids(&t.get("/users?page=4&per_page=100").1), Vec::<i64>::new());
    assert_eq!(ids(&t.get("/users").1), seeded[..25]);

    let (_, body) = t.get("/users?login=USER000042");
    assert_eq!((ids(&body), &body["meta"]["total"]), (vec![42], &json!(1)));
    assert_eq!(ids(&t.get("/users?email=user000007%40Example.com").1), [7]);
    assert_eq!(ids(&t.get("/users?login=user000042&email=user000007%40example.com").1), Vec::<i64>::new());
    assert_eq!(t.get("/users?status=SUSPENDED").1["meta"]["total"], 23);
    assert_eq!(t.get("/users?unheard=of").1["meta"]["total"], 230);

    t.call("PATCH", "/users/5", &json!({ "external_id": "e-5" }));
    assert_eq!(ids(&t.get("/users?external_id=e-5").1), [5]);
    assert_eq!(t.app.user("User000005").unwrap().unwrap()["external_id"], "e-5");
}

#[test]
fn groups_have_members() {
    let t = Tester::start();
    let users = t.app.seed_users(3).unwrap();
    let (status, body) = t.call("POST", "/groups", &json!({ "name": "Crew" }));
    assert_eq!(status, 201);
    let id = body["data"]["id"].as_i64().unwrap();
    let (status, body) = t.call("POST", "/groups", &json!({ "name": "CREW" }));
    assert_eq!((status, codes(&body)), (422, vec![code("taken", "name")]));

    let path = format!("/groups/{id}/memberships");
    let (status, row) = t.call("POST", &path, &json!({ "user_id": users[0] }));
    assert_eq!((status, &row["data"]["user_id"]), (201, &json!(users[0])));
    assert_eq!(t.call("POST", &path, &json!({ "user_id": users[1].to_string() })).0, 201);
    let (status, body) = t.call("POST", &path, &json!({ "user_id": users[1] }));
    assert_eq!((status, codes(&body)), (409, vec![code("already_member", "")]));
    for (body, expected) in [
        (json!({ "user_id": 999 }), code("not_found", "user_id")),
        (json!({ "user_id": "x" }), code("invalid", "user_id")),
        (json!({}), code("blank", "user_id")),
    ] {
        let (status, answer) = t.call("POST", &path, &body);
        assert_eq!((status, codes(&answer)), (422, vec![expected]), "{body}");
    }
    assert_eq!(t.app.members(id).unwrap(), users[..2]);

    let (_, body) = t.get(&format!("{path}?user_id={}", users[0]));
    assert_eq!(body["data"], json!([row["data"]]));
    assert_eq!(t.get(&format!("{path}?page=2&per_page=1")).1["meta"], json!({ "total": 2, "page": 2, "per_page": 1 }));
    let (_, body) = t.get(&format!("/users/{}/groups", users[0]));
    assert_eq!(body["data"][0]["name"], "Crew");
    assert_eq!(body["data"][0].as_object().unwrap().len(), 5);
    assert_eq!(ids(&t.get(&format!("/users/{}/groups", users[2])).1), Vec::<i64>::new());

    let membership = format!("{path}/{}", row["data"]["id"]);
    assert_eq!(t.call("DELETE", &membership, &Value::Null).0, 204);
    assert_eq!(t.call("DELETE", &membership, &Value::Null).0, 404);
    assert_eq!(t.call("DELETE", &format!("/users/{}", users[1]), &Value::Null).0, 204);
    assert_eq!(t.app.members(id).unwrap(), Vec::<i64>::new());

    let (_, body) = t.call("PATCH", &format!("/groups/{id}"), &json!({ "name": "crew" }));
    assert_eq!(body["data"]["name"], "crew");
    assert_eq!(ids(&t.get("/groups?name=CREW").1), [id]);
    assert_eq!(ids(&t.get("/groups?name=cre").1), Vec::<i64>::new());
    assert_eq!(t.call("DELETE", &format!("/groups/{id}"), &Value::Null).0, 204);
    assert_eq!(t.get(&format!("/groups/{id}")).0, 404);
    assert!(t.app.groups().unwrap().is_empty());
}

#[test]
fn large_groups_are_seeded() {
    let t = Tester::start();
    let users = t.app.seed_users(20_000).unwrap();
    let group = t.app.seed_group("Everybody", &users).unwrap();
    assert_eq!(t.app.members(group).unwrap().len(), 20_000);
    let (_, body) = t.get(&format!("/groups/{group}/memberships?page=200&per_page=100"));
    assert_eq!((ids(&body).len(), &body["meta"]["total"]), (100, &json!(20_000)));
}

#[test]
fn a_file_keeps_what_it_was_told() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { database: Some(directory.path().join("example.db")), ..Options::default() };
    ExampleApp::start(options.clone()).unwrap().seed_users(2).unwrap();
    let again = ExampleApp::start(options).unwrap();
    assert_eq!(again.users().unwrap().len(), 2);
    assert_eq!(again.seed_users(1).unwrap(), [3]);
}

#[test]
fn calls_are_logged() {
    let t = Tester::start();
    let request = t.request("POST", "/users?dry=1").header("X-Request-Id", "r-1");
    answer(request.json(&json!({ "user": { "login": "ada" } })));
    t.get("/users/99");
    let calls = t.app.log().all();
    assert_eq!(t.app.log().lines(), ["POST /api/v2/users?dry=1", "GET /api/v2/users/99"]);
    assert_eq!(calls[0].body, json!({ "user": { "login": "ada" } }));
    assert_eq!(calls[0].header("x-request-id"), Some("r-1"));
    assert_eq!((calls[0].status, calls[1].status), (Some(201), Some(404)));

    let url = format!("{}/_test/log", t.app.url());
    let (status, body) = answer(t.client.get(&url));
    assert_eq!((status, body), (200, serde_json::to_value(&calls).unwrap()));
    assert_eq!(answer(t.client.delete(&url)).0, 204);
    assert!(t.app.log().is_empty());
    t.get("/users/98");
    assert_eq!(t.app.log().take().len(), 1);
    assert!(t.app.log().is_empty());
}

#[test]
fn faults_come_in_order_and_run_out() {
    let t = Tester::start();
    t.app.faults().add(Fault::too_many_requests(3).method("GET").path("/users").after(1).times(2));
    t.app.faults().add(Fault::json_error().method("POST").applied());
    let statuses: Vec<u16> = (0..4).map(|_| t.get("/users").0).collect();
    assert_eq!(statuses, [200, 429, 429, 200]);
    assert_eq!(t.app.log().all()[1].status, Some(429));
    assert_eq!(t.app.faults().pending().len(), 1);
    assert_eq!(t.call("POST", "/users", &json!({ "user": { "login": "ada" } })).0, 500);
    assert!(t.app.user("ada").unwrap().is_some(), "the work was not done");
    assert!(t.app.faults().pending().is_empty());

    t.app.faults().add(Fault::html_error());
    assert_eq!(t.request("DELETE", "/users/1").send().unwrap().status(), 500);
    assert!(t.app.user("ada").unwrap().is_some(), "the work was done");
}

#[test]
fn faults_answer_what_they_are_told() {
    let t = Tester::start();
    t.app.faults().add(Fault::too_many_requests(7));
    let response = t.request("GET", "/users").send().unwrap();
    assert_eq!(response.headers()["retry-after"], "7");

    t.app.faults().add(Fault::new(Effect::TooManyRequests(RetryAfter::Date(60))));
    let response = t.request("GET", "/users").send().unwrap();
    let date = response.headers()["retry-after"].to_str().unwrap().to_owned();
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    assert!(jiff::fmt::rfc2822::parse(&date).is_ok(), "{date}");

    t.app.faults().add(Fault::redirect(302, "/login"));
    let response = t.request("GET", "/users").send().unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["location"]), (302, &"/login".parse().unwrap()));

    t.app.faults().add(Fault::new(Effect::Truncate));
    let response = t.request("GET", "/users").send().unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().unwrap();
    assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err(), "{text}");
}

#[test]
fn faults_are_set_from_outside() {
    let t = Tester::start();
    let url = format!("{}/_test/faults", t.app.url());
    let faults = json!([
        { "path": "/users", "count": null, "effect": { "too_many_requests": { "date": 5 } } },
        { "effect": "hang_up_within_body" },
        { "effect": { "delay": { "millis": 1 } } },
    ]);
    assert_eq!(answer(t.client.put(&url).json(&faults)).0, 204);
    assert_eq!(answer(t.client.get(&url)).1.as_array().unwrap().len(), 3);
    assert_eq!(t.app.faults().pending()[1], Fault::new(Effect::HangUpWithinBody));
    assert_eq!(t.get("/users").0, 429);
    assert_eq!(answer(t.client.put(&url).json(&json!([{ "effect": "unheard_of" }]))).0, 400);
    assert_eq!(answer(t.client.delete(&url)).0, 204);
    assert_eq!(t.get("/users").0, 200);
    assert_eq!(t.app.log().len(), 2);
}

/// Sends a request on a connection of its own, and reads until the application closes it.
fn raw(t: &Tester) -> String {
    let mut stream = TcpStream::connect(t.app.address()).unwrap();
    stream
        .write_all(b"POST /api/v2/groups HTTP/1.1\r\nhost: localhost\r\nx-api-key: example-key\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{\"name\":\"x\"}")
        .unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    String::from_utf8(received).unwrap()
}

#[test]
fn connections_are_dropped() {
    let t = Tester::start();
    t.app.faults().add(Fault::new(Effect::HangUp));
    assert_eq!(raw(&t), "");
    assert!(t.app.groups().unwrap().is_empty());

    t.app.faults().add(Fault::new(Effect::HangUp).applied());
    assert_eq!(raw(&t), "");
    assert_eq!(t.app.groups().unwrap().len(), 1);
    assert_eq!(t.app.log().all()[1].status, None);

    t.app.faults().add(Fault::new(Effect::HangUpWithinBody));
    let received = raw(&t);
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert_eq!(body.len(), length.parse::<usize>().unwrap() / 2);
}

#[test]
fn a_dropped_application_is_gone() {
    let t = Tester::start();
    let kept_alive = t.get("/users");
    assert_eq!(kept_alive.0, 200);
    let address = t.app.address();
    drop(t.app);
    assert!(TcpStream::connect(address).is_err());
}
