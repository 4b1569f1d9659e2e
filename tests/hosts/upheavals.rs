//! What ends a request in the middle of a write: its client leaves, the proxy is restarted, the plugin's VM fails. The
//! application is left in a state from which the same request leads to what was wanted, once.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use scim_edge::cli::DemoHost;
use scim_edge::cli::artifact::build_wasm;
use scim_edge::cli::demo::TOKEN;
use scim_edge::cli::envoy::Config;
use scim_edge::cli::example::{Effect, ExampleApp, Fault, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use wasmparser::{Parser, Payload};

use crate::common::{Front, MAPPING, Scim, start_envoy, user};

/// For each host, with an application of the test's own.
pub(crate) const TESTS: &[(&str, fn(DemoHost))] = &[
    ("a_client_that_leaves_during_a_write_may_come_back", a_client_that_leaves_during_a_write),
    ("a_host_that_is_restarted_during_a_write_goes_on", a_host_that_is_restarted_during_a_write),
];

/// For Envoy, whose VM outlives a request.
pub(crate) const ENVOY_TESTS: &[(&str, fn())] = &[("a_vm_that_fails_is_replaced", a_vm_that_fails_is_replaced)];

/// How long a native create is under way.
const UNDER_WAY: u64 = 2_000;

fn app() -> ExampleApp {
    ExampleApp::start(Options { api_key: "native-secret".to_owned(), ..Options::default() }).unwrap()
}

/// Makes the next native create last, before its work or after it.
fn prolong(app: &ExampleApp, applied: bool) {
    let delay = Fault::new(Effect::Delay { millis: UNDER_WAY }).method("POST").path("/users");
    app.faults().add(if applied { delay.applied() } else { delay });
    app.log().clear();
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The native create has arrived and, if it is `applied`, has been carried out.
fn until_under_way(app: &ExampleApp, name: &str, applied: bool) {
    until("the native call does not come", || app.log().lines().iter().any(|line| line.starts_with("POST ")));
    if applied {
        until("the work is not done", || app.user(name).unwrap().is_some());
    }
}

/// The same request again leads to one account.
fn assert_converges(scim: &Scim, app: &ExampleApp, name: &str, applied: bool) {
    let answer = scim.post("/Users", &user(name));
    // A call that was cut off before its work may have been carried out all the same.
    let expected: &[u16] = if applied { &[409] } else { &[201, 409] };
    assert!(expected.contains(&answer.status), "{name}: {} {}", answer.status, answer.text);
    let accounts = app.users().unwrap();
    assert_eq!(accounts.iter().filter(|account| account["login"] == name).count(), 1, "{name}");
    let found = scim.get(&format!("/Users?filter=userName%20eq%20%22{name}%22")).expect(200);
    assert_eq!(found["totalResults"], 1, "{name}");
}

fn a_client_that_leaves_during_a_write(host: DemoHost) {
    let app = app();
    let front = Front::start(host, MAPPING, app.address());
    let scim = front.scim();
    for applied in [true, false] {
        let name = format!("upheaval.left.{applied}");
        prolong(&app, applied);
        let body = user(&name).to_string();
        let address = scim.origin.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        let head = format!(
            "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/scim+json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        until_under_way(&app, &name, applied);
        drop(stream);
        assert_converges(&scim, &app, &name, applied);
    }
}

fn a_host_that_is_restarted_during_a_write(host: DemoHost) {
    let app = app();
    for applied in [true, false] {
        let name = format!("upheaval.restart.{applied}");
        prolong(&app, applied);
        let front = Front::start(host, MAPPING, app.address());
        let scim = front.scim();
        thread::scope(|scope| {
            let request = scim.request("POST", "/Users").bearer_auth(TOKEN).body(user(&name).to_string());
            let sent = scope.spawn(move || request.send().map(|response| response.status().as_u16()));
            until_under_way(&app, &name, applied);
            drop(front);
            // A WASI host lets requests finish before it stops.
            let told = sent.join().unwrap();
            assert!(told.is_err() || matches!(told, Ok(201 | 500..)), "{name}: {told:?}");
        });
        let front = Front::start(host, MAPPING, app.address());
        let answer_is_known = app.user(&name).unwrap().is_some();
        assert_converges(&front.scim(), &app, &name, applied || answer_is_known);
    }
}

/// The shipped configuration restarts the VM (`FAIL_RELOAD`). What fails it here is a request that needs more memory than
/// this VM may have: its module is the shipped one with a bound on its memory. The requests that were under way there are
/// answered when `stream_idle_timeout` is over.
fn a_vm_that_fails_is_replaced() {
    let directory = TempDir::new().unwrap();
    let module = directory.path().join("small.wasm");
    std::fs::write(&module, with_memory_of(&build_wasm("wasm32-wasip1").unwrap(), 16 << 20)).unwrap();
    let app = app();
    let config = Config::shipped(&module, app.address()).unwrap();
    let config = config.replace("stream_idle_timeout: 75s", "stream_idle_timeout: 5s").unwrap();
    let envoy = start_envoy(&config);
    let scim = Scim::new(&format!("http://{}", envoy.address()));
    let path = scim.create("upheaval.before");
    prolong(&app, true);
    thread::scope(|scope| {
        let writer = Scim::new(&scim.origin);
        let sent = scope.spawn(move || writer.post("/Users", &user("upheaval.vm")).status);
        until_under_way(&app, "upheaval.vm", true);
        let bomb = json!({ "userName": "bomb", "title": vec![json!([]); 340_000] });
        assert_eq!(scim.post("/Users", &bomb).status, 503);
        assert_eq!(sent.join().unwrap(), 503, "the request that was under way");
    });
    let log = envoy.log();
    assert!(log.contains("memory allocation of"), "{log}");
    until("the VM does not come back", || scim.get(&path).status == 200);
    assert_converges(&scim, &app, "upheaval.vm", true);
    assert_eq!(app.user("bomb").unwrap(), None::<Value>);
}

/// The module, whose memory cannot grow beyond so many bytes.
fn with_memory_of(module: &Path, most: u64) -> Vec<u8> {
    let wasm = std::fs::read(module).unwrap();
    for payload in Parser::new(0).parse_all(&wasm) {
        let Payload::MemorySection(section) = payload.unwrap() else { continue };
        let range = section.range();
        let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
        let memory = section.into_iter().next().unwrap().unwrap();
        let mut content = vec![1, 1];
        for pages in [memory.initial, most >> 16] {
            content.extend(leb128(pages));
        }
        let length = u8::try_from(content.len()).unwrap();
        // The section's length is the one byte before its content.
        return [&wasm[..start - 1], &[length], content.as_slice(), &wasm[end..]].concat();
    }
    panic!("the module has no memory");
}

fn leb128(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        bytes.push(if number == 0 { byte } else { byte | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}
