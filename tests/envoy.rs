//! The Envoy module in a real Envoy, with the configuration that is shipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder, Response};
use scim_edge::cli::artifact::build_wasm;
use scim_edge::cli::envoy::{Config, Envoy};

/// An application of one connection a request, whose behaviour a word in the path chooses.
struct Upstream {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    /// A message for each connection on which nothing was answered and that the proxy has closed.
    dropped: Receiver<()>,
}

const BIG: usize = 3_400_000;

impl Upstream {
    fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (gone, dropped) = channel();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let gone = gone.clone();
                // A proxy that closes while it is written to is what some tests want.
                thread::spawn(move || {
                    if let Ok(false) = answer(stream) {
                        let _ = gone.send(());
                    }
                });
            }
        });
        Upstream {
            address,
            stop,
            dropped,
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Serves one connection. `false` means that it stalled until the proxy hung up.
fn answer(mut stream: TcpStream) -> std::io::Result<bool> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;

    let path = head.split(' ').nth(1).unwrap_or_default();
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let stalls = path.contains("stall");
    let reply = if path.contains("close") || path.contains("stall-before") {
        Vec::new()
    } else if path.contains("half") || path.contains("stall-within") {
        begun.into()
    } else if path.contains("garbage") {
        b"garbage\r\n\r\n".to_vec()
    } else if let Some((_, status)) = path.split_once("plain-") {
        // As like Envoy's own replies as an application can make it.
        let text = "upstream request timeout";
        let length = text.len();
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\ncontent-type: text/plain\r\n\r\n{text}")
            .into_bytes()
    } else {
        let mut echo = format!("{head}\r\n").into_bytes();
        echo.extend(body);
        if path.contains("big") {
            echo.resize(BIG, b'.');
        }
        let mut reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-app: yes\r\nkeep-alive: timeout=5\r\n\
             date: Thu, 01 Jan 1970 00:00:00 GMT\r\nserver: app\r\nconnection: close\r\n\r\n",
            echo.len()
        )
        .into_bytes();
        reply.extend(echo);
        reply
    };
    stream.write_all(&reply)?;
    if stalls {
        let _ = reader.read_to_end(&mut Vec::new());
        return Ok(false);
    }
    stream.shutdown(Shutdown::Both)?;
    Ok(true)
}

fn config(upstream: SocketAddr) -> Config {
    Config::shipped(&build_wasm("wasm32-wasip1").unwrap(), upstream).unwrap()
}

fn start(config: &Config) -> Envoy {
    Envoy::start(
        config,
        &[
            ("NATIVE_API_KEY", "native-secret"),
            ("SCIM_EDGE_TOKENS", "scim-secret"),
        ],
    )
    .unwrap()
}

fn client() -> Client {
    Client::builder()
        .timeout(Duration::from_mins(1))
        .build()
        .unwrap()
}

fn get(envoy: &Envoy, path: &str) -> RequestBuilder {
    client().get(format!("http://{}{path}", envoy.address()))
}

fn post(envoy: &Envoy, path: &str) -> RequestBuilder {
    client().post(format!("http://{}{path}", envoy.address()))
}

fn outcome(request: RequestBuilder) -> (u16, String) {
    let response = request.send().unwrap();
    (response.status().as_u16(), response.text().unwrap())
}

fn admin(envoy: &Envoy, path: &str) -> String {
    let url = format!("http://{}{path}", envoy.admin());
    client().get(url).send().unwrap().text().unwrap()
}

fn assert_scim_error(response: Response, status: u16) -> String {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/scim+json");
    let error: serde_json::Value = response.json().unwrap();
    assert_eq!(
        error["schemas"][0],
        "urn:ietf:params:scim:api:messages:2.0:Error"
    );
    assert_eq!(error["status"], status.to_string());
    error["detail"].as_str().unwrap().to_owned()
}

/// Sends `request` as it is and returns everything that comes until the connection closes.
fn raw(envoy: &Envoy, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(envoy.address()).unwrap();
    stream.write_all(request).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

#[test]
fn requests_that_are_not_scim_pass_untouched() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));
    let response = post(&envoy, "/api/users?q=1")
        .body("{\"a\": 1}")
        .send()
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-app"], "yes");
    let echo = response.text().unwrap();
    assert!(
        echo.starts_with("POST /api/users?q=1 HTTP/1.1\r\n"),
        "{echo}"
    );
    assert!(
        echo.contains(&format!("host: {}\r\n", envoy.address())),
        "{echo}"
    );
    assert!(echo.ends_with("\r\n\r\n{\"a\": 1}"), "{echo}");
    assert!(
        !envoy.log().contains("/api/users"),
        "only SCIM requests are logged"
    );
    assert!(admin(&envoy, "/stats").contains("wasmcustom.scim_edge.requests: 0"));
}

#[test]
fn a_scim_request_becomes_a_native_call() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));
    let response = post(&envoy, "/scim/v2/Users?secret=query")
        .header("te", "trailers")
        .header("content-type", "application/scim+json")
        .body("{\"a\": 1}")
        .send()
        .unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    for name in ["content-length", "date", "server", "x-app"] {
        assert_eq!(
            headers.get_all(name).iter().count(),
            1,
            "{name} in {headers:?}"
        );
    }
    assert_eq!(headers["server"], "envoy");
    for name in ["keep-alive", "x-envoy-upstream-service-time"] {
        assert!(!headers.contains_key(name), "{name} in {headers:?}");
    }
    let echo = response.text().unwrap();
    assert!(
        echo.contains("/scim/v2/Users?secret=query HTTP/1.1\r\n"),
        "{echo}"
    );
    assert!(echo.contains("\r\nhost: app\r\n"), "{echo}");
    assert!(
        echo.contains("\r\ncontent-type: application/scim+json\r\n"),
        "{echo}"
    );
    assert!(!echo.contains("\r\nte:"), "{echo}");
    assert!(echo.ends_with("\r\n\r\n{\"a\": 1}"), "{echo}");

    let log = envoy.log();
    assert!(log.contains("POST /scim/v2/Users 200 calls=1 ms="), "{log}");
    assert!(!log.contains("secret"), "{log}");
    let metrics = admin(&envoy, "/stats/prometheus");
    for metric in ["requests", "responses_2xx", "native_calls"] {
        assert!(
            metrics.contains(&format!("scim_edge_{metric}{{}} 1\n")),
            "{metric} in {metrics}"
        );
    }
}

#[test]
fn the_host_of_native_calls_is_a_setting() {
    let upstream = Upstream::start();
    let config = config(upstream.address)
        .setting("SCIM_EDGE_AUTHORITY", "app.example:81")
        .unwrap();
    let envoy = start(&config);
    let (_, echo) = outcome(get(&envoy, "/scim/v2/Users"));
    assert!(echo.contains("\r\nhost: app.example:81\r\n"), "{echo}");
}

#[test]
fn large_requests_and_replies() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));

    let token = "t".repeat(64 * 1024);
    let (status, echo) = outcome(get(&envoy, "/scim/v2/Users").bearer_auth(&token));
    assert_eq!(status, 200);
    assert!(echo.contains(&token));

    let (status, echo) = outcome(get(&envoy, "/scim/v2/big"));
    assert_eq!((status, echo.len()), (200, BIG));

    let limit = 1 << 20;
    let (status, echo) = outcome(post(&envoy, "/scim/v2/Users").body("b".repeat(limit)));
    assert_eq!(status, 200);
    assert!(echo.ends_with(&"b".repeat(limit)));

    let over = post(&envoy, "/scim/v2/Users")
        .body("b".repeat(limit + 1))
        .send()
        .unwrap();
    let detail = assert_scim_error(over, 413);
    assert!(detail.contains(&limit.to_string()), "{detail}");

    // Without `content-length` it shows only while the body arrives.
    let chunk = "b".repeat(limit + 1);
    let head = "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n";
    let chunked = format!("{head}\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n", chunk.len());
    let reply = raw(&envoy, chunked.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    assert!(reply.contains("\"status\":\"413\""), "{reply}");
}

#[test]
fn odd_requests_are_taken_as_they_are() {
    let upstream = Upstream::start();
    let trailers =
        "stat_prefix: scim\n                http_protocol_options: { enable_trailers: true }";
    let config = config(upstream.address)
        .replace("stat_prefix: scim", trailers)
        .unwrap();
    let envoy = start(&config);
    let head = "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n";

    let reply = raw(
        &envoy,
        format!("{head}\r\n4\r\nbody\r\n0\r\nx-trailer: 1\r\n\r\n").as_bytes(),
    );
    assert!(
        reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("\r\n\r\nbody"),
        "trailers: {reply}"
    );

    let reply = raw(
        &envoy,
        format!("{head}\r\n0\r\nx-trailer: 1\r\n\r\n").as_bytes(),
    );
    assert!(
        reply.starts_with("HTTP/1.1 200 "),
        "trailers without a body: {reply}"
    );

    let reply = raw(&envoy, format!("{head}\r\n0\r\n\r\n").as_bytes());
    assert!(
        reply.starts_with("HTTP/1.1 200 "),
        "an empty chunked body: {reply}"
    );

    let reply = raw(
        &envoy,
        format!("{head}expect: 100-continue\r\n\r\n2\r\nok\r\n0\r\n\r\n").as_bytes(),
    );
    assert!(
        reply.contains("HTTP/1.1 200 ") && reply.ends_with("\r\n\r\nok"),
        "expect: {reply}"
    );

    let reply = raw(
        &envoy,
        b"GET /scim/v2/Users HTTP/1.1\r\nhost: x\r\nx: \xff\xfe\r\nconnection: close\r\n\r\n",
    );
    assert!(
        reply.starts_with("HTTP/1.1 200 "),
        "a value that is not UTF-8: {reply}"
    );
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
}

#[test]
fn many_requests_at_once() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));
    thread::scope(|scope| {
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let request =
                    post(&envoy, &format!("/scim/v2/Users/{n}")).body(format!("body {n}"));
                scope.spawn(move || (n, outcome(request)))
            })
            .collect();
        for task in tasks {
            let (n, (status, echo)) = task.join().unwrap();
            assert_eq!(status, 200);
            assert!(
                echo.contains(&format!("/Users/{n} ")) && echo.ends_with(&format!("body {n}")),
                "{echo}"
            );
        }
    });
}

#[test]
fn a_broken_connection_is_told_from_an_answer_of_the_application() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));
    for path in ["close", "half", "garbage"] {
        let (status, body) = outcome(get(&envoy, &format!("/scim/v2/{path}")));
        assert_eq!(
            (status, body.contains("Connection")),
            (502, true),
            "{path}: {body}"
        );
    }
    for expected in [502, 503, 504] {
        let (status, body) = outcome(get(&envoy, &format!("/scim/v2/plain-{expected}")));
        assert_eq!(
            (status, body.as_str()),
            (expected, "upstream request timeout")
        );
    }
}

#[test]
fn a_native_call_that_takes_too_long_is_a_time_out() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));
    thread::scope(|scope| {
        for path in ["stall-before", "stall-within"] {
            let request = get(&envoy, &format!("/scim/v2/{path}"));
            scope.spawn(move || {
                let (status, body) = outcome(request);
                assert_eq!(
                    (status, body.contains("Timeout")),
                    (502, true),
                    "{path}: {body}"
                );
            });
        }
    });
}

#[test]
fn an_application_that_is_not_there() {
    // A port that was free a moment ago refuses connections.
    let refusing = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let envoy = start(&config(refusing));
    let (status, body) = outcome(post(&envoy, "/scim/v2/Users").body("{}"));
    assert_eq!((status, body.contains("Connection")), (502, true), "{body}");
    assert!(admin(&envoy, "/stats").contains("wasmcustom.scim_edge.native_failures: 1"));
    drop(envoy);

    let config = config(refusing);
    let envoy = start(
        &config
            .clone()
            .setting("SCIM_EDGE_UPSTREAM", "nowhere")
            .unwrap(),
    );
    let (status, body) = outcome(get(&envoy, "/scim/v2/Users"));
    assert_eq!((status, body.contains("Denied")), (502, true), "{body}");
    assert!(
        envoy.log().contains("there is no cluster `nowhere`"),
        "{}",
        envoy.log()
    );
    drop(envoy);

    // With no host in the cluster Envoy answers while the call is still being dispatched.
    let empty = config.replace(
        "cluster_name: app\n        endpoints:\n",
        "cluster_name: app\n        policy:\n",
    );
    let empty = empty.unwrap().replace(
        "          - lb_endpoints:\n",
        "          overprovisioning_factor: 140\n",
    );
    let endpoint = format!(
        "address: \"{}\", port_value: {}",
        refusing.ip(),
        refusing.port()
    );
    let line = format!(
        "              - endpoint: {{ address: {{ socket_address: {{ {endpoint} }} }} }}\n"
    );
    let envoy = start(&empty.unwrap().replace(&line, "").unwrap());
    for request in [
        get(&envoy, "/scim/v2/Users"),
        post(&envoy, "/scim/v2/Users").body("{}"),
    ] {
        let (status, body) = outcome(request);
        assert_eq!((status, body.contains("Connection")), (502, true), "{body}");
    }
}

#[test]
fn the_missing_setting_is_named() {
    let upstream = Upstream::start();
    let config = config(upstream.address)
        .replace("allow_on_headers_stop_iteration: true\n", "\n")
        .unwrap();
    let envoy = start(&config);
    thread::scope(|scope| {
        let request = || post(&envoy, "/scim/v2/Users").body("{}").send().unwrap();
        let together = [scope.spawn(request), scope.spawn(request)];
        // A request without a body does not depend on it.
        assert_eq!(outcome(get(&envoy, "/scim/v2/Users")).0, 200);
        for response in together {
            let detail = assert_scim_error(response.join().unwrap(), 500);
            assert!(
                detail.contains("allow_on_headers_stop_iteration: true"),
                "{detail}"
            );
        }
    });
    assert!(
        envoy.log().contains("allow_on_headers_stop_iteration"),
        "{}",
        envoy.log()
    );
    assert_eq!(
        outcome(post(&envoy, "/api/users").body("{}")).0,
        200,
        "other requests do not need it"
    );
    // The watch starts again after it has come to rest.
    let again = post(&envoy, "/scim/v2/Users").body("{}").send().unwrap();
    assert_scim_error(again, 500);
}

#[test]
fn a_slow_client_is_not_taken_for_the_missing_setting() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));
    assert_eq!(outcome(post(&envoy, "/scim/v2/Users").body("{}")).0, 200);
    let mut stream = TcpStream::connect(envoy.address()).unwrap();
    let head =
        "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    thread::sleep(Duration::from_secs(8));
    stream.write_all(b"slow").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("\r\n\r\nslow"),
        "{reply}"
    );
}

#[test]
fn a_broken_configuration_stops_envoy_and_says_why() {
    let upstream = Upstream::start();
    let config = config(upstream.address);
    let stops = |config: Config| Envoy::start(&config, &[]).unwrap_err().to_string();

    let report = stops(config.clone().mapping("").unwrap());
    assert!(
        report.contains("configuration:1:1: error[M001]"),
        "{report}"
    );

    let no_text = config.clone().mapping("").unwrap();
    let no_text = no_text
        .replace("google.protobuf.StringValue", "google.protobuf.Struct")
        .unwrap();
    let report = stops(
        no_text
            .replace("value: |\n", "value: { mapping: v1 }\n")
            .unwrap(),
    );
    assert!(
        report.contains("type.googleapis.com/google.protobuf.StringValue"),
        "{report}"
    );

    let report = stops(config.setting("SCIM_EDGE_UPSTREAM", "").unwrap());
    assert!(
        report.contains("`SCIM_EDGE_UPSTREAM` is not set"),
        "{report}"
    );
}

#[test]
fn a_client_that_leaves_takes_its_exchange_along() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));
    for _ in 0..3 {
        let mut stream = TcpStream::connect(envoy.address()).unwrap();
        stream
            .write_all(b"GET /scim/v2/stall-before HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        // The call must be in flight.
        while !admin(&envoy, "/stats").contains("cluster.app.upstream_rq_active: 1") {
            thread::sleep(Duration::from_millis(20));
        }
        drop(stream);
        upstream
            .dropped
            .recv_timeout(Duration::from_mins(1))
            .expect("the native call goes on");
    }
    assert_eq!(outcome(get(&envoy, "/scim/v2/Users")).0, 200);
    assert!(admin(&envoy, "/stats").contains("wasmcustom.scim_edge.requests: 4\n"));
    let log = envoy.log();
    assert_eq!(
        log.matches("GET /scim/v2/stall-before abandoned calls=1")
            .count(),
        3,
        "{log}"
    );
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn envoy_goes_with_its_owner() {
    let upstream = Upstream::start();
    let envoy = start(&config(upstream.address));
    let (address, process) = (envoy.address(), envoy.process_id().unwrap());
    assert_eq!(outcome(get(&envoy, "/scim/v2/Users")).0, 200);
    drop(envoy);
    assert!(TcpStream::connect(address).is_err());
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
}
