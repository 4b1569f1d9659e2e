//! What only Envoy does: pass other requests through, hold back what is SCIM, start or not, and stop.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use scim_edge::cli::DemoHost;
use scim_edge::cli::artifact::build_wasm;
use scim_edge::cli::demo::{self, Demo, TOKEN};
use scim_edge::cli::envoy::{Config, Envoy};
use serde_json::json;

use crate::common::{Answer, MAPPING, Scim, envoy_config, http, start_envoy, user};
use crate::raw_app::{self, RawApp, closed};

/// What a native call may hold and what not, and the rest of the tests that want an application of their own.
pub(crate) const TESTS: &[(&str, fn())] = &[
    ("the_shipped_mappings_are_one", the_shipped_mappings_are_one),
    ("a_scim_request_becomes_a_native_call", a_scim_request_becomes_a_native_call),
    ("large_requests_and_replies", large_requests_and_replies),
    ("odd_requests_are_taken_as_they_are", odd_requests_are_taken_as_they_are),
    ("an_upstream_that_is_not_there", an_upstream_that_is_not_there),
    ("the_missing_setting_is_named", the_missing_setting_is_named),
    ("a_slow_client_is_not_taken_for_the_missing_setting", a_slow_client_is_not_taken_for_the_missing_setting),
    ("a_broken_configuration_stops_envoy_and_says_why", a_broken_configuration_stops_envoy_and_says_why),
    ("a_client_that_leaves_takes_its_exchange_along", a_client_that_leaves_takes_its_exchange_along),
    ("envoy_goes_with_its_owner", envoy_goes_with_its_owner),
];

/// On the demo that scenarios share.
pub(crate) const SCENARIOS: &[(&str, fn(&Demo))] =
    &[("requests_that_are_not_scim_pass_untouched", requests_that_are_not_scim_pass_untouched)];

fn start(app: &RawApp) -> Envoy {
    start_envoy(&envoy_config(raw_app::MAPPING, app.address()))
}

fn scim(envoy: &Envoy) -> Scim {
    Scim::new(&format!("http://{}", envoy.address()))
}

fn admin(envoy: &Envoy, path: &str) -> String {
    http().get(format!("http://{}{path}", envoy.admin())).send().unwrap().text().unwrap()
}

/// The head of a request with a chunked body.
fn chunked() -> String {
    format!(
        "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         transfer-encoding: chunked\r\n"
    )
}

fn in_chunks(body: &str) -> String {
    format!("\r\n{:x}\r\n{body}\r\n0\r\n", body.len())
}

/// Sends `request` as it is and returns everything that comes until the connection closes.
fn raw(envoy: &Envoy, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(envoy.address()).unwrap();
    stream.write_all(request).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

/// So a demo of `MAPPING`, which is what WASI hosts get, runs exactly what is shipped.
fn the_shipped_mappings_are_one() {
    assert_eq!(MAPPING, demo::MAPPING, "host-configs/spin/mapping.yaml is not mappings/example.yaml");
    let shipped = Config::shipped(Path::new("/module.wasm"), closed()).unwrap();
    let replaced = shipped.clone().mapping(MAPPING).unwrap();
    assert_eq!(shipped, replaced, "the mapping in envoy.yaml is not mappings/example.yaml");
}

fn requests_that_are_not_scim_pass_untouched(demo: &Demo) {
    let url = |path: &str| format!("{}{path}", demo.origin());
    let key = "demo-application-key";
    let body = r#"{"user":  {"login": "passed.through"}}"#;
    let request = http().post(url("/api/v2/users?q=1%20a")).header("x-api-key", key).header("x-custom", "Kept");
    let created = Answer::to(request.header("content-type", "application/json").body(body));
    let id = created.expect(201)["data"]["id"].clone();
    assert_eq!(created.headers["content-type"], "application/json");
    let calls = demo.app().log().take();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", "/api/v2/users?q=1%20a"));
    assert_eq!(call.header("x-custom"), Some("Kept"));
    assert_eq!(call.header("host"), Some(demo.origin().trim_start_matches("http://")));
    assert_eq!(call.header("content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(call.body, serde_json::from_str::<serde_json::Value>(body).unwrap());
    for (method, path, key, status) in [
        ("GET", format!("/api/v2/users/{id}"), key, 200),
        ("PATCH", format!("/api/v2/users/{id}"), key, 415),
        ("DELETE", format!("/api/v2/users/{id}"), key, 204),
        ("GET", "/api/v2/users/0".to_owned(), key, 404),
        ("GET", "/api/v2/users".to_owned(), "wrong", 401),
        // Not below the SCIM root, however alike.
        ("GET", "/scim/v2x/Users".to_owned(), key, 404),
        ("GET", "/".to_owned(), key, 404),
    ] {
        let request = http().request(method.parse().unwrap(), url(&path)).header("x-api-key", key);
        let answer = Answer::to(request);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(!answer.text.contains("urn:ietf"), "{method} {path}: {}", answer.text);
        assert_eq!(demo.app().log().take().len(), 1, "{method} {path}");
    }
    assert!(!demo.log().contains("/api/v2/users"), "only SCIM requests are logged: {}", demo.log());
}

fn a_scim_request_becomes_a_native_call() {
    let app = RawApp::start();
    let config = envoy_config(raw_app::MAPPING, app.address());
    let envoy = start_envoy(&config.setting("SCIM_EDGE_AUTHORITY", "app.example:81").unwrap());
    let scim = scim(&envoy);
    let request = scim.request("GET", "/Users?filter=userName%20eq%20%22secret%20query%22").bearer_auth(TOKEN);
    let answer = Answer::to(request.header("te", "trailers").header("x-client", "yes"));
    answer.expect(200);
    for name in ["content-length", "date", "server", "content-type"] {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name} in {:?}", answer.headers);
    }
    assert_eq!(answer.headers["server"], "envoy");
    for name in ["keep-alive", "x-envoy-upstream-service-time", "x-app"] {
        assert!(!answer.headers.contains_key(name), "{name} in {:?}", answer.headers);
    }
    let calls = app.take_calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call.line, "GET /users?login=secret%20query HTTP/1.1");
    assert_eq!(call.values("host"), ["app.example:81"]);
    assert_eq!(call.values("x-api-key"), ["native-secret"]);
    for name in ["te", "authorization", "x-client"] {
        assert_eq!(call.values(name), Vec::<&str>::new(), "{name}");
    }

    let log = envoy.log();
    assert!(log.contains("GET /scim/v2/Users 200 calls=1 ms="), "{log}");
    assert!(!log.contains("secret"), "{log}");
    let metrics = admin(&envoy, "/stats/prometheus");
    for metric in ["requests", "responses_2xx", "native_calls"] {
        assert!(metrics.contains(&format!("scim_edge_{metric}{{}} 1\n")), "{metric} in {metrics}");
    }
}

fn large_requests_and_replies() {
    const BIG: usize = 3_400_000;
    let app = RawApp::start();
    let envoy = start(&app);
    let scim = scim(&envoy);
    let title = scim.get(&format!("/Users/big-{BIG}")).expect(200)["title"].as_str().unwrap().len();
    assert!(title > BIG - 200, "{title}");

    let limit = 1 << 20;
    let user = |length: usize| {
        let empty = json!({ "userName": "big", "title": "" }).to_string().len();
        json!({ "userName": "big", "title": "b".repeat(length - empty) })
    };
    scim.post("/Users", &user(limit)).expect(201);
    let call = app.take_calls().pop().unwrap();
    assert!(call.body.len() > limit - 100, "{}", call.body.len());
    let detail = scim.post("/Users", &user(limit + 1)).error(413);
    assert!(detail.contains(&limit.to_string()), "{detail}");

    // Without `content-length` it shows only while the body arrives.
    let request = format!("{}{}\r\n", chunked(), in_chunks(&"b".repeat(limit + 1)));
    let reply = raw(&envoy, request.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    assert!(reply.contains("\"status\":\"413\""), "{reply}");
    assert!(app.take_calls().is_empty());
}

fn odd_requests_are_taken_as_they_are() {
    let app = RawApp::start();
    let trailers = "stat_prefix: scim\n                http_protocol_options: { enable_trailers: true }";
    let config = envoy_config(raw_app::MAPPING, app.address()).replace("stat_prefix: scim", trailers).unwrap();
    let envoy = start_envoy(&config);
    let head = chunked();
    let body = in_chunks(&json!({ "userName": "odd" }).to_string());

    for (what, request, status) in [
        ("a body", format!("{head}{body}\r\n"), 201),
        ("trailers", format!("{head}{body}x-trailer: 1\r\n\r\n"), 201),
        ("trailers without a body", format!("{head}\r\n0\r\nx-trailer: 1\r\n\r\n"), 400),
        ("an empty chunked body", format!("{head}\r\n0\r\n\r\n"), 400),
        ("expect", format!("{head}expect: 100-continue\r\n{body}\r\n"), 201),
    ] {
        let reply = raw(&envoy, request.as_bytes());
        assert!(reply.contains(&format!("HTTP/1.1 {status} ")), "{what}: {reply}");
        assert_eq!(reply.contains("\"userName\":\"odd\""), status == 201, "{what}: {reply}");
    }
    let request = format!(
        "GET /scim/v2/Users/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\nx: "
    );
    let reply = raw(&envoy, &[request.as_bytes(), b"\xff\xfe\r\n\r\n"].concat());
    assert!(reply.starts_with("HTTP/1.1 200 "), "a value that is not UTF-8: {reply}");
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
}

fn an_upstream_that_is_not_there() {
    let refusing = closed();
    let config = envoy_config(raw_app::MAPPING, refusing);
    let envoy = start_envoy(&config);
    let detail = scim(&envoy).post("/Users", &json!({ "userName": "nobody" })).error(502);
    assert!(detail.contains("could not be reached"), "{detail}");
    assert!(admin(&envoy, "/stats").contains("wasmcustom.scim_edge.native_failures: 1"));
    drop(envoy);

    let envoy = start_envoy(&config.clone().setting("SCIM_EDGE_UPSTREAM", "nowhere").unwrap());
    let detail = scim(&envoy).get("/Users/1").error(502);
    assert!(detail.contains("SCIM_EDGE_UPSTREAM"), "{detail}");
    assert!(envoy.log().contains("there is no cluster `nowhere`"), "{}", envoy.log());
    drop(envoy);

    // With no host in the cluster Envoy answers while the call is still being dispatched.
    let endpoint = format!("address: \"{}\", port_value: {}", refusing.ip(), refusing.port());
    let line = format!("              - endpoint: {{ address: {{ socket_address: {{ {endpoint} }} }} }}\n");
    let empty = config
        .replace("cluster_name: app\n        endpoints:\n", "cluster_name: app\n        policy:\n")
        .and_then(|config| config.replace("          - lb_endpoints:\n", "          overprovisioning_factor: 140\n"))
        .and_then(|config| config.replace(&line, ""));
    let envoy = start_envoy(&empty.unwrap());
    let scim = scim(&envoy);
    for answer in [scim.get("/Users/1"), scim.post("/Users", &json!({ "userName": "nobody" }))] {
        let detail = answer.error(502);
        assert!(detail.contains("could not be reached"), "{detail}");
    }
}

fn the_missing_setting_is_named() {
    let app = RawApp::start();
    let config = envoy_config(raw_app::MAPPING, app.address());
    let envoy = start_envoy(&config.replace("allow_on_headers_stop_iteration: true\n", "\n").unwrap());
    let post = || {
        let started = Instant::now();
        let answer = scim(&envoy).post("/Users", &json!({ "userName": "held" }));
        // What an operator would wait for before looking elsewhere.
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        answer
    };
    thread::scope(|scope| {
        let together = [scope.spawn(post), scope.spawn(post)];
        // A request without a body does not depend on it.
        scim(&envoy).get("/Users/1").expect(200);
        for answer in together {
            let detail = answer.join().unwrap().error(500);
            assert!(detail.contains("allow_on_headers_stop_iteration: true"), "{detail}");
        }
    });
    assert!(envoy.log().contains("allow_on_headers_stop_iteration"), "{}", envoy.log());
    let other = http().post(format!("http://{}/users", envoy.address())).body("{}");
    assert_eq!(Answer::to(other).status, 201, "other requests do not need it");
    // The watch starts again after it has come to rest.
    post().error(500);
    assert!(app.take_calls().iter().all(|call| !call.body.starts_with(b"{\"userName\"")), "it went to the application");
}

fn a_slow_client_is_not_taken_for_the_missing_setting() {
    let app = RawApp::start();
    let envoy = start(&app);
    let body = json!({ "userName": "slow" }).to_string();
    scim(&envoy).post("/Users", &json!({ "userName": "first" })).expect(201);
    let mut stream = TcpStream::connect(envoy.address()).unwrap();
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Longer than the plugin waits for a body when it has never seen one.
    thread::sleep(Duration::from_secs(8));
    stream.write_all(body.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 201 ") && reply.contains("\"userName\":\"slow\""), "{reply}");
}

fn a_broken_configuration_stops_envoy_and_says_why() {
    let config = envoy_config(raw_app::MAPPING, closed());
    let stops = |config: &Config| Envoy::start(config, &[("NATIVE_API_KEY", "native-secret")]).unwrap_err().to_string();

    // Every mistake at once, each with its place.
    let broken = MAPPING
        .replace("native: login, required: true", "nativ: login, required: true")
        .replace("otherwise: scan", "otherwise: scam")
        .replace("codec: epoch_seconds", "codec: epoch_second");
    let failed = Demo::start_with(DemoHost::Envoy, &broken, &[]).err().expect("Envoy starts").to_string();
    assert_diagnostics(&failed, "configuration", &broken);

    let report = stops(&config.clone().mapping("").unwrap());
    assert!(report.contains("configuration:1:1: error[M001]"), "{report}");

    let no_text = config.clone().mapping("").unwrap();
    let no_text = no_text.replace("google.protobuf.StringValue", "google.protobuf.Struct").unwrap();
    let report = stops(&no_text.replace("value: |\n", "value: { mapping: v1 }\n").unwrap());
    assert!(report.contains("type.googleapis.com/google.protobuf.StringValue"), "{report}");

    let report =
        stops(&config.clone().setting("SCIM_EDGE_TOKENS", TOKEN).unwrap().setting("SCIM_EDGE_UPSTREAM", "").unwrap());
    assert!(report.contains("`SCIM_EDGE_UPSTREAM` is not set"), "{report}");

    // Neither of them: the environment that `host_env_keys` names has no such variable.
    let report = stops(&config);
    assert!(report.contains("SCIM_EDGE_TOKENS is not set"), "{report}");

    let missing_secret = Envoy::start(&config, &[("SCIM_EDGE_TOKENS", TOKEN)]).unwrap_err().to_string();
    assert!(missing_secret.contains("NATIVE_API_KEY"), "{missing_secret}");
}

/// The report names every mistake of `mapping`, by document, line, column and code.
pub(crate) fn assert_diagnostics(report: &str, document: &str, mapping: &str) {
    for mistake in ["nativ:", "scam", "epoch_second "] {
        let lines =
            mapping.lines().enumerate().filter(|(_, line)| format!("{line} ").replace(',', " ").contains(mistake));
        let mut found = 0;
        for (number, line) in lines {
            found += 1;
            let place = format!("{document}:{}:", number + 1);
            let told = report.lines().find_map(|told| told.split_once(&place)).unwrap_or_else(|| {
                panic!("`{line}` is not told as {place}… in:\n{report}");
            });
            let (column, rest) = told.1.split_once(": ").unwrap();
            assert!(column.parse::<usize>().unwrap() > 1, "{column}");
            assert!(rest.starts_with("error[M"), "{rest}");
        }
        assert!(found > 0, "`{mistake}` is not in the mapping");
    }
}

fn a_client_that_leaves_takes_its_exchange_along() {
    let app = RawApp::start();
    let envoy = start(&app);
    for _ in 0..3 {
        let mut stream = TcpStream::connect(envoy.address()).unwrap();
        let request =
            format!("GET /scim/v2/Users/stall-before HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        // The call must be in flight.
        while !admin(&envoy, "/stats").contains("cluster.app.upstream_rq_active: 1") {
            thread::sleep(Duration::from_millis(20));
        }
        drop(stream);
        app.hung_up();
    }
    scim(&envoy).get("/Users/1").expect(200);
    assert!(admin(&envoy, "/stats").contains("wasmcustom.scim_edge.requests: 4\n"));
    let log = envoy.log();
    assert_eq!(log.matches("GET /scim/v2/Users/stall-before abandoned calls=1").count(), 3, "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

fn envoy_goes_with_its_owner() {
    let module = build_wasm("wasm32-wasip1").unwrap();
    let envoy = start_envoy(&Config::shipped(&module, closed()).unwrap());
    let (address, process) = (envoy.address(), envoy.process_id().unwrap());
    scim(&envoy).post("/Users", &user("nobody")).error(502);
    drop(envoy);
    assert!(TcpStream::connect(address).is_err());
    assert!(!Path::new(&format!("/proc/{process}")).exists());
}
