//! What only WASI hosts do: settings from the environment and from files, and the embedded host itself.

use std::fs;
use std::path::PathBuf;

use scim_edge::cli::DemoHost;
use scim_edge::cli::artifact::build_wasm;
use scim_edge::cli::demo::{Demo, TOKEN};
use scim_edge::cli::wasi::{WasiServer, run_case};
use scim_edge::exchange::{self, Unreachable};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Answer, Front, MAPPING as SHIPPED, SECRETS, Scim};
use crate::envoy::assert_diagnostics;
use crate::proxy::request;
use crate::raw_app::{MAPPING, RawApp, closed};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("a_request_and_its_reply_arrive_whole", a_request_and_its_reply_arrive_whole),
    ("a_request_without_a_body_has_no_body_upstream", a_request_without_a_body_has_no_body_upstream),
    ("the_answer_to_head_is_a_head", the_answer_to_head_is_a_head),
    ("a_refused_connection_is_a_reply", a_refused_connection_is_a_reply),
    ("replies_are_whole_up_to_16_mib", replies_are_whole_up_to_16_mib),
    ("a_body_that_is_too_large_is_refused", a_body_that_is_too_large_is_refused),
    ("a_broken_mapping_answers_every_request_with_its_diagnostics", a_broken_mapping_answers_with_its_diagnostics),
    ("a_missing_mapping_is_named", a_missing_mapping_is_named),
    ("an_upstream_that_is_no_origin_is_named", an_upstream_that_is_no_origin_is_named),
    ("a_password_in_the_upstream_is_refused_and_not_repeated", a_password_in_the_upstream_is_refused),
    ("settings_may_be_mounted_as_files_and_the_environment_wins", settings_may_be_mounted_as_files),
    ("other_paths_are_not_found", other_paths_are_not_found),
    ("one_line_is_logged_for_each_request_without_query_and_secrets", one_line_is_logged_for_each_request),
    ("a_case_runs_in_process", a_case_runs_in_process),
    ("every_reason_for_no_reply_reaches_the_engine", every_reason_for_no_reply_reaches_the_engine),
];

fn component() -> PathBuf {
    build_wasm("wasm32-wasip2").unwrap()
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The secrets, and these settings.
fn environment(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    owned(&[&SECRETS, settings].concat())
}

fn serve(mapping: &str, settings: &[(&str, &str)]) -> WasiServer {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mapping.yaml");
    fs::write(&path, mapping).unwrap();
    WasiServer::start(&component(), &path, &environment(settings)).unwrap()
}

fn in_front_of(upstream: &str) -> WasiServer {
    serve(MAPPING, &[("SCIM_EDGE_UPSTREAM", upstream)])
}

fn scim(server: &WasiServer) -> Scim {
    Scim::new(server.url())
}

fn url(app: &RawApp) -> String {
    format!("http://{}", app.address())
}

fn a_request_and_its_reply_arrive_whole() {
    let app = RawApp::start();
    let server = in_front_of(&format!("{}/", url(&app)));
    let created = scim(&server).post("/Users", &json!({ "userName": "zoë", "title": "1 & 2" }));
    assert_eq!(created.expect(201)["userName"], "zoë");
    assert_eq!(created.headers["content-length"], created.text.len().to_string());
    assert_eq!(created.headers["location"], format!("{}/scim/v2/Users/new", server.url()));
    let found = scim(&server).get("/Users?filter=userName%20eq%20%22a%26b%20%C3%AB%22").expect(200);
    assert_eq!(found["totalResults"], 0);
    let calls = app.take_calls();
    let [create, list] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(create.line, "POST /users HTTP/1.1");
    assert_eq!(create.json(), json!({ "login": "zoë", "title": "1 & 2" }));
    assert_eq!(create.values("host"), [app.address().to_string()]);
    assert_eq!(create.values("content-length"), [create.body.len().to_string()]);
    assert_eq!(create.values("transfer-encoding"), Vec::<&str>::new());
    assert_eq!(create.values("x-api-key"), ["native-secret"]);
    assert_eq!(list.line, "GET /users?login=a%26b%20%C3%AB HTTP/1.1");
}

fn a_request_without_a_body_has_no_body_upstream() {
    let app = RawApp::start();
    let server = in_front_of(&url(&app));
    scim(&server).get("/Users/1").expect(200);
    let deleted = scim(&server).delete("/Users/1");
    deleted.expect(204);
    assert_eq!(deleted.text, "");
    let calls = app.take_calls();
    let [read, delete] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((read.line.as_str(), delete.line.as_str()), ("GET /users/1 HTTP/1.1", "DELETE /users/1 HTTP/1.1"));
    for (call, length) in [(read, vec![]), (delete, vec!["0"])] {
        assert_eq!(call.values("content-length"), length);
        assert_eq!(call.values("transfer-encoding"), Vec::<&str>::new());
        assert!(call.body.is_empty());
    }
}

fn the_answer_to_head_is_a_head() {
    let app = RawApp::start();
    let server = in_front_of(&url(&app));
    let answer = scim(&server).send("HEAD", "/Users/1", None);
    assert_eq!((answer.status, answer.text.as_str()), (405, ""));
}

fn a_refused_connection_is_a_reply() {
    let server = in_front_of(&format!("http://{}", closed()));
    let detail = scim(&server).get("/Users/1").error(502);
    assert!(detail.contains("could not be reached"), "{detail}");
    let log = server.log();
    assert!(log.contains(" 502 calls=3 ") && log.contains("failed=ConnectionRefused"), "{log}");
}

fn replies_are_whole_up_to_16_mib() {
    let app = RawApp::start();
    let server = in_front_of(&url(&app));
    for size in [3_000_000, 16 << 20] {
        let user = scim(&server).get(&format!("/Users/big-{size}")).expect(200);
        let title = user["title"].as_str().unwrap();
        assert!(title.len() > size - 200, "{} of {size}", title.len());
        assert!(title.bytes().all(|byte| byte == b'x'));
    }
    let detail = scim(&server).get(&format!("/Users/big-{}", (16 << 20) + 1)).error(502);
    assert!(detail.contains("too large"), "{detail}");
}

fn a_body_that_is_too_large_is_refused() {
    let app = RawApp::start();
    let server = in_front_of(&url(&app));
    let limit = 1 << 20;
    let post = |length: usize| {
        let mut body = json!({ "userName": "big" }).to_string();
        body.push_str(&" ".repeat(length - body.len()));
        Answer::to(scim(&server).request("POST", "/Users").bearer_auth(TOKEN).body(body))
    };
    post(limit).expect(201);
    for length in [limit + 1, 3 * limit] {
        let detail = post(length).error(413);
        assert!(detail.contains("larger than 1048576 bytes"), "{detail}");
    }
}

fn a_broken_mapping_answers_with_its_diagnostics() {
    let broken = SHIPPED
        .replace("native: login, required: true", "nativ: login, required: true")
        .replace("otherwise: scan", "otherwise: scam")
        .replace("codec: epoch_seconds", "codec: epoch_second");
    let demo = Demo::start_with(DemoHost::Wasi, &broken, &[]).unwrap();
    for _ in 0..2 {
        let detail = Scim::of(&demo).get("/Users").error(500);
        assert_diagnostics(&detail, "/mapping.yaml", &broken);
    }
    assert_diagnostics(&demo.log(), "/mapping.yaml", &broken);
    assert!(demo.app().log().is_empty());

    let server = serve("", &[("SCIM_EDGE_UPSTREAM", "http://127.0.0.1:1")]);
    let detail = scim(&server).get("/Users").error(500);
    assert!(detail.contains("/mapping.yaml:1:1: error[M001]"), "{detail}");
}

fn a_missing_mapping_is_named() {
    let settings = [("SCIM_EDGE_UPSTREAM", "http://127.0.0.1:1"), ("SCIM_EDGE_MAPPING", "/nowhere.yaml")];
    let server = serve(MAPPING, &settings);
    let detail = scim(&server).get("/Users").error(500);
    assert!(detail.contains("/nowhere.yaml: "), "{detail}");
    assert!(server.log().contains("SCIM_EDGE_MAPPING"), "{}", server.log());
}

fn an_upstream_that_is_no_origin_is_named() {
    let server = serve(MAPPING, &[]);
    let detail = scim(&server).get("/Users").error(500);
    assert!(detail.contains("`SCIM_EDGE_UPSTREAM` is not set"), "{detail}");
    for upstream in ["127.0.0.1:8080", "app", "ftp://app", "http://app/api", "http://app?x"] {
        let server = in_front_of(upstream);
        let detail = scim(&server).get("/Users").error(500);
        assert!(detail.contains(&format!("is `{upstream}`: it must be")), "{detail}");
        assert!(server.log().contains("http://127.0.0.1:8080"), "{}", server.log());
    }
}

fn a_password_in_the_upstream_is_refused() {
    let server = in_front_of("http://user:hunter2@app");
    let detail = scim(&server).get("/Users").error(500);
    assert!(detail.contains("SCIM_EDGE_UPSTREAM"), "{detail}");
    assert!(!detail.contains("hunter2"), "{detail}");
    assert!(!server.log().contains("hunter2"), "{}", server.log());
}

fn settings_may_be_mounted_as_files() {
    let app = RawApp::start();
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("mapping.yaml"), MAPPING).unwrap();
    let secrets = root.path().join("secrets");
    fs::create_dir_all(secrets.join(".data")).unwrap();
    for (name, value) in SECRETS {
        fs::write(secrets.join(name), value).unwrap();
    }
    fs::write(secrets.join("SCIM_EDGE_UPSTREAM"), format!("{}\n", url(&app))).unwrap();
    fs::write(secrets.join("SCIM_EDGE_MAPPING"), "/nowhere.yaml").unwrap();
    let settings = owned(&[("SCIM_EDGE_MAPPING", "/mapping.yaml")]);
    let server = WasiServer::start(&component(), root.path(), &settings).unwrap();
    scim(&server).get("/Users/1").expect(200);
    assert_eq!(app.take_calls()[0].values("x-api-key"), ["native-secret"]);
}

fn other_paths_are_not_found() {
    let server = in_front_of("http://127.0.0.1:1");
    let request = crate::common::http().get(format!("{}/login?next=/scim/v2", server.url()));
    let detail = Answer::to(request).error(404);
    assert!(detail.contains("not a SCIM path"), "{detail}");
    assert_eq!(server.log(), "");
}

fn one_line_is_logged_for_each_request() {
    let app = RawApp::start();
    let Front::Wasi(server, _directory) = Front::start(DemoHost::Wasi, MAPPING, app.address()) else { unreachable!() };
    scim(&server).get("/Users?filter=userName%20eq%20%22secret%22").expect(200);
    let log = server.log();
    assert!(log.starts_with("scim-edge: GET /scim/v2/Users 200 calls=1 ms="), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    for secret in ["secret", TOKEN] {
        assert!(!log.contains(secret), "{log}");
    }
}

fn a_case_runs_in_process() {
    let mut calls = Vec::new();
    let mut request = request("PATCH", "/scim/v2/Users/1?attributes=title", "");
    request.headers.push(("content-type".to_owned(), "application/scim+json".to_owned()));
    request.body = br#"{"Operations":[{"op":"add","path":"title","value":"Guide"}]}"#.to_vec();
    let response = run_case(&component(), MAPPING, &environment(&[]), request, &mut |call| {
        let title = if call.method == "GET" { Value::Null } else { json!("Guide") };
        calls.push(call);
        let user = json!({ "id": "1", "login": "bjensen", "title": title });
        Ok(exchange::Response { status: 200, headers: owned(&[("x-reply", "1")]), body: user.to_string().into_bytes() })
    })
    .unwrap();
    assert_eq!(response.status, 200);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(body["title"], "Guide");
    let lines: Vec<String> = calls.iter().map(|call| format!("{} {}", call.method, call.target)).collect();
    assert_eq!(lines, ["GET /users/1", "PATCH /users/1"]);
    assert_eq!(calls[1].header("content-type"), Some("application/json"));
    assert_eq!(calls[1].body, br#"{"title":"Guide"}"#);
}

fn every_reason_for_no_reply_reaches_the_engine() {
    for (reason, status, detail) in [
        (Unreachable::Timeout, 504, "in time"),
        (Unreachable::Connection, 502, "the connection was refused or broke"),
        (Unreachable::Denied, 502, "SCIM_EDGE_UPSTREAM"),
        (Unreachable::TooLarge, 502, "too large"),
    ] {
        let request = request("GET", "/scim/v2/Users/1", "");
        let response = run_case(&component(), MAPPING, &environment(&[]), request, &mut |_| Err(reason)).unwrap();
        let body = String::from_utf8(response.body).unwrap();
        assert_eq!((response.status, body.contains(detail)), (status, true), "{reason:?}: {body}");
    }
}
