//! The WASI HTTP component in the embedded host, against real sockets.

mod upstream;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::thread;

use reqwest::blocking::{Client, Response};
use scim_edge::cli::artifact::build_wasm;
use scim_edge::cli::wasi::{WasiServer, run_case};
use scim_edge::exchange::{self, Unreachable};
use serde_json::{Value, json};
use tempfile::TempDir;

use upstream::Upstream;

const MAPPING: &str = "mapping: v1\n";

fn component() -> PathBuf {
    build_wasm("wasm32-wasip2").unwrap()
}

fn env(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    settings.iter().map(owned).collect()
}

fn serve(mapping: &str, settings: &[(&str, &str)]) -> WasiServer {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mapping.yaml");
    fs::write(&path, mapping).unwrap();
    WasiServer::start(&component(), &path, &env(settings)).unwrap()
}

fn in_front_of(upstream: &str) -> WasiServer {
    serve(MAPPING, &[("SCIM_EDGE_UPSTREAM", upstream)])
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(None).build().unwrap()
}

fn get(server: &WasiServer, target: &str) -> Response {
    client()
        .get(format!("{}{target}", server.url()))
        .send()
        .unwrap()
}

#[track_caller]
fn assert_scim_error(response: Response, status: u16, detail: &str) {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers()["content-type"], "application/scim+json");
    let body: Value = response.json().unwrap();
    let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:Error"]);
    assert_eq!(body["schemas"], schemas);
    assert_eq!(body["status"], status.to_string());
    let told = body["detail"].as_str().unwrap();
    assert!(told.contains(detail), "`{told}` does not say `{detail}`");
}

#[test]
fn imports_nothing_but_wasi() {
    let wasm = fs::read(component()).unwrap();
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&wasm) {
        match payload.unwrap() {
            wasmparser::Payload::ModuleSection { .. }
            | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            wasmparser::Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|i| i.unwrap().name.name.to_owned()));
            }
            wasmparser::Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|e| e.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    assert!(exports.contains("wasi:http/handler@0.3.0"), "{exports:?}");
    assert!(imports.contains("wasi:http/client@0.3.0"), "{imports:?}");
    let other: Vec<_> = imports.iter().filter(|i| !i.starts_with("wasi:")).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn a_request_and_its_reply_arrive_whole() {
    let upstream = Upstream::start();
    let server = in_front_of(&upstream.url());
    let response = client()
        .post(format!("{}/scim/v2/Users?x=1%202&y=z", server.url()))
        .header("x-one", "1")
        .header("x-one", "2")
        .header("x-status", "201")
        .body("{\"userName\":\"zoë\"}")
        .send()
        .unwrap();
    assert_eq!(response.status().as_u16(), 201);
    assert_eq!(response.headers()["x-from"], "upstream");
    assert!(response.content_length().is_some());
    let seen: Value = response.json().unwrap();
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["target"], "/echo/scim/v2/Users?x=1%202&y=z");
    assert_eq!(seen["body"], "{\"userName\":\"zoë\"}");
    let headers = &seen["headers"];
    assert_eq!(headers["x-one"], json!(["1", "2"]));
    assert_eq!(headers["host"], json!([upstream.authority()]));
    assert_eq!(headers["content-length"], json!(["19"]));
    assert_eq!(headers["transfer-encoding"], Value::Null);
}

#[test]
fn a_request_without_a_body_has_no_body_upstream() {
    let upstream = Upstream::start();
    let server = in_front_of(&format!("{}/", upstream.url()));
    for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
        let url = format!("{}/scim/v2/Users/1", server.url());
        let seen: Value = client()
            .request(method.clone(), url)
            .send()
            .unwrap()
            .json()
            .unwrap();
        assert_eq!(seen["method"], method.as_str());
        assert_eq!(seen["body"], "");
        assert_eq!(seen["headers"]["transfer-encoding"], Value::Null);
        let length = match method {
            reqwest::Method::GET => Value::Null,
            _ => json!(["0"]),
        };
        assert_eq!(seen["headers"]["content-length"], length);
    }
}

#[test]
fn the_answer_to_head_is_a_head() {
    let upstream = Upstream::start();
    let server = in_front_of(&upstream.url());
    let response = client()
        .head(format!("{}/scim/v2/Users", server.url()))
        .send()
        .unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.bytes().unwrap().len(), 0);
}

#[test]
fn a_status_without_content_has_none() {
    let upstream = Upstream::start();
    let server = in_front_of(&upstream.url());
    let response = client()
        .delete(format!("{}/scim/v2/Users/1", server.url()))
        .header("x-status", "204")
        .send()
        .unwrap();
    assert_eq!(response.status().as_u16(), 204);
    assert_eq!(response.bytes().unwrap().len(), 0);
}

#[test]
fn a_refused_connection_is_a_reply() {
    let server = in_front_of(&format!("http://{}", upstream::closed()));
    let response = get(&server, "/scim/v2/Users/1");
    assert_eq!(response.status().as_u16(), 502);
    assert!(response.text().unwrap().contains("Connection"));
    assert!(server.log().contains(" 502 calls=1 "), "{}", server.log());
    assert!(
        server.log().contains("failed=ConnectionRefused"),
        "{}",
        server.log()
    );
}

#[test]
fn a_reply_cut_off_in_its_body_is_a_broken_connection() {
    let (address, _closed) = upstream::raw(
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
        false,
    );
    let server = in_front_of(&format!("http://{address}"));
    let response = get(&server, "/scim/v2/Users/1");
    assert_eq!(response.status().as_u16(), 502);
    assert!(response.text().unwrap().contains("Connection"));
}

#[test]
fn a_call_whose_time_is_up_is_a_timeout_and_is_cancelled() {
    let heads = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
    ];
    thread::scope(|scope| {
        for head in heads {
            scope.spawn(move || {
                let (address, closed) = upstream::raw(head, true);
                let server = in_front_of(&format!("http://{address}"));
                let response = get(&server, "/scim/v2/Users/1");
                assert_eq!(response.status().as_u16(), 502);
                assert!(response.text().unwrap().contains("Timeout"));
                closed.recv().unwrap();
            });
        }
    });
}

#[test]
fn replies_are_whole_up_to_16_mib() {
    let upstream = Upstream::start();
    let server = in_front_of(&upstream.url());
    for size in [3_000_000, 16 << 20] {
        let response = client()
            .get(format!("{}/scim/v2/Users", server.url()))
            .header("x-reply-size", size.to_string())
            .send()
            .unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let body = response.bytes().unwrap();
        assert_eq!(body.len(), size);
        assert!(body.iter().all(|byte| *byte == b'x'));
    }
    let response = client()
        .get(format!("{}/scim/v2/Users", server.url()))
        .header("x-reply-size", ((16 << 20) + 1).to_string())
        .send()
        .unwrap();
    assert_eq!(response.status().as_u16(), 502);
    assert!(response.text().unwrap().contains("TooLarge"));
}

#[test]
fn a_header_of_64_kib_passes() {
    let upstream = Upstream::start();
    let server = in_front_of(&upstream.url());
    let token = "t".repeat(64 << 10);
    let response = client()
        .get(format!("{}/scim/v2/Users", server.url()))
        .bearer_auth(&token)
        .send()
        .unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let seen: Value = response.json().unwrap();
    let expected = format!("Bearer {token}");
    assert_eq!(seen["headers"]["authorization"], json!([expected]));
}

/// Upstream answers none of them before it has all of them.
#[test]
fn requests_are_served_concurrently() {
    const REQUESTS: usize = 40;
    let upstream = Upstream::start();
    let server = in_front_of(&upstream.url());
    let start = Arc::new(Barrier::new(REQUESTS));
    let url = format!("{}/scim/v2/Users", server.url());
    let clients: Vec<_> = (0..REQUESTS)
        .map(|number| {
            let (start, url) = (start.clone(), url.clone());
            thread::spawn(move || {
                let client = client();
                start.wait();
                let response = client
                    .get(format!("{url}/{number}"))
                    .header("x-together", REQUESTS.to_string())
                    .send()
                    .unwrap();
                let seen: Value = response.json().unwrap();
                assert_eq!(seen["target"], format!("/echo/scim/v2/Users/{number}"));
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn a_broken_mapping_answers_every_request_with_its_diagnostics() {
    let server = serve("", &[("SCIM_EDGE_UPSTREAM", "http://127.0.0.1:1")]);
    for _ in 0..2 {
        let response = get(&server, "/scim/v2/Users");
        assert_scim_error(response, 500, "/mapping.yaml:1:1: error[M001]");
    }
    assert!(server.log().contains("error[M001]"), "{}", server.log());
}

#[test]
fn a_missing_mapping_is_named() {
    let server = serve(
        MAPPING,
        &[
            ("SCIM_EDGE_UPSTREAM", "http://127.0.0.1:1"),
            ("SCIM_EDGE_MAPPING", "/nowhere.yaml"),
        ],
    );
    assert_scim_error(get(&server, "/scim/v2/Users"), 500, "/nowhere.yaml: ");
    assert!(
        server.log().contains("SCIM_EDGE_MAPPING"),
        "{}",
        server.log()
    );
}

#[test]
fn an_upstream_that_is_no_origin_is_named() {
    let expected = "http://127.0.0.1:8080";
    let server = serve(MAPPING, &[]);
    assert_scim_error(
        get(&server, "/scim/v2/Users"),
        500,
        "`SCIM_EDGE_UPSTREAM` is not set",
    );
    for upstream in [
        "127.0.0.1:8080",
        "app",
        "ftp://app",
        "http://app/api",
        "http://app?x",
    ] {
        let server = in_front_of(upstream);
        let response = get(&server, "/scim/v2/Users");
        assert_scim_error(response, 500, &format!("is `{upstream}`: it must be"));
        assert!(server.log().contains(expected), "{}", server.log());
    }
}

#[test]
fn a_password_in_the_upstream_is_refused_and_not_repeated() {
    let server = in_front_of("http://user:hunter2@app");
    let response = get(&server, "/scim/v2/Users");
    assert_eq!(response.status().as_u16(), 500);
    let body = response.text().unwrap();
    assert!(body.contains("SCIM_EDGE_UPSTREAM"), "{body}");
    assert!(!body.contains("hunter2"), "{body}");
    assert!(!server.log().contains("hunter2"), "{}", server.log());
}

#[test]
fn settings_may_be_mounted_as_files_and_the_environment_wins() {
    let upstream = Upstream::start();
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("mapping.yaml"), MAPPING).unwrap();
    let secrets = root.path().join("secrets");
    fs::create_dir_all(secrets.join(".data")).unwrap();
    fs::write(
        secrets.join("SCIM_EDGE_UPSTREAM"),
        format!("{}\n", upstream.url()),
    )
    .unwrap();
    fs::write(secrets.join("SCIM_EDGE_MAPPING"), "/nowhere.yaml").unwrap();
    let settings = env(&[("SCIM_EDGE_MAPPING", "/mapping.yaml")]);
    let server = WasiServer::start(&component(), root.path(), &settings).unwrap();
    assert_eq!(get(&server, "/scim/v2/Users").status().as_u16(), 200);
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let upstream = Upstream::start();
    let server = in_front_of(&upstream.url());
    let url = format!("{}/scim/v2/Users", server.url());
    let limit = 1 << 20;
    let response = client().post(&url).body(vec![b'x'; limit]).send().unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let response = client()
        .post(&url)
        .body(vec![b'x'; 3 * limit])
        .send()
        .unwrap();
    assert_scim_error(response, 413, "larger than 1048576 bytes");
}

#[test]
fn other_paths_are_not_found() {
    let server = in_front_of("http://127.0.0.1:1");
    assert_scim_error(get(&server, "/login?next=/scim/v2"), 404, "not a SCIM path");
    assert_eq!(server.log(), "");
}

#[test]
fn one_line_is_logged_for_each_request_without_query_and_secrets() {
    let upstream = Upstream::start();
    let server = in_front_of(&upstream.url());
    let response = client()
        .get(format!(
            "{}/scim/v2/Users?filter=userName+eq+secret",
            server.url()
        ))
        .bearer_auth("secret")
        .send()
        .unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let log = server.log();
    assert!(
        log.starts_with("scim-edge: GET /scim/v2/Users 200 calls=1 ms="),
        "{log}"
    );
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn a_case_runs_in_process() {
    let request = exchange::Request {
        method: "PATCH".to_owned(),
        target: "/scim/v2/Users/1?a=b".to_owned(),
        headers: env(&[
            ("host", "scim.example"),
            ("content-type", "application/scim+json"),
        ]),
        body: b"{}".to_vec(),
    };
    let mut calls = Vec::new();
    let response = run_case(&component(), MAPPING, &[], request, &mut |call| {
        calls.push(call);
        Ok(exchange::Response {
            status: 418,
            headers: env(&[("x-reply", "1")]),
            body: vec![0, 255],
        })
    })
    .unwrap();
    assert_eq!(response.status, 418);
    assert_eq!(response.header("x-reply"), Some("1"));
    assert_eq!(response.body, [0, 255]);
    let [call] = calls.as_slice() else {
        panic!("{calls:?}");
    };
    assert_eq!(call.method, "PATCH");
    assert_eq!(call.target, "/echo/scim/v2/Users/1?a=b");
    assert_eq!(call.header("content-type"), Some("application/scim+json"));
    assert_eq!(call.body, b"{}");
}

#[test]
fn every_reason_for_no_reply_reaches_the_engine() {
    for reason in [
        Unreachable::Timeout,
        Unreachable::Connection,
        Unreachable::Denied,
        Unreachable::TooLarge,
    ] {
        let request = exchange::Request {
            method: "GET".to_owned(),
            target: "/scim/v2/Users".to_owned(),
            ..exchange::Request::default()
        };
        let response = run_case(&component(), MAPPING, &[], request, &mut |_| Err(reason)).unwrap();
        assert_eq!(response.status, 502);
        let body = String::from_utf8(response.body).unwrap();
        assert!(body.contains(&format!("{reason:?}")), "{body}");
    }
}
