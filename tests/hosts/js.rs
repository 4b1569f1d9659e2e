//! The npm package elsewhere than in the Node server: its types, a Cloudflare Worker in workerd, and Deno.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use scim_edge::cli::npm;
use serde_json::json;
use tempfile::TempDir;

use crate::common::{Answer, SECRETS, Scim};
use crate::raw_app::{MAPPING, RawApp};
use crate::support::apps::server::{Server, directory, free_port};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("the_api_is_what_its_types_say", the_api_is_what_its_types_say),
    ("the_worker_serves_in_workerd", the_worker_serves_in_workerd),
    ("deno_serves", deno_serves),
];

const TYPESCRIPT: &[&str] = &["typescript@5.9.3", "@types/node@20.19.25"];
/// The last ones that Node 20 is enough for to install.
const WORKERD: &[&str] = &["workerd@1.20260730.1"];
const DENO: &[&str] = &["deno@2.5.6"];

fn the_api_is_what_its_types_say() {
    let tools = npm::tools("typescript", TYPESCRIPT).unwrap();
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join("api.ts"), include_str!("../support/api.ts")).unwrap();
    fs::write(path.join("package.json"), r#"{ "type": "module" }"#).unwrap();
    symlink(npm::node_modules().unwrap(), path.join("node_modules")).unwrap();
    let mut tsc = Command::new(tools.join(".bin/tsc"));
    tsc.args(["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--module", "nodenext"]);
    tsc.args(["--target", "es2024", "--lib", "es2024,dom,dom.iterable", "--types", "node", "--typeRoots"]);
    run(tsc.arg(tools.join("@types")).arg("api.ts").current_dir(path));
    let mapping = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/example.yaml");
    print!("{}", run(Command::new("node").args(["api.js", mapping]).current_dir(path)));
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// A user is created, read and deleted, and what goes wrong is told: a connection that breaks, time that is up.
fn provisions(origin: &str, app: &RawApp) {
    let scim = Scim::new(origin);
    let created = scim.post("/Users", &json!({ "userName": "zoë", "title": "1 & 2" }));
    assert_eq!(created.expect(201)["userName"], "zoë");
    assert_eq!(created.headers["location"], format!("{origin}/scim/v2/Users/new"));
    scim.get("/Users/7").expect(200);
    scim.delete("/Users/7").expect(204);
    let calls = app.take_calls();
    let lines: Vec<&str> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(lines, ["POST /users HTTP/1.1", "GET /users/7 HTTP/1.1", "DELETE /users/7 HTTP/1.1"]);
    assert_eq!(calls[0].json(), json!({ "login": "zoë", "title": "1 & 2" }));
    assert_eq!(calls[0].values("x-api-key"), ["native-secret"]);
    scim.send("GET", "/Users?filter=title%20eq%20%22x", None).error(400);
    Answer::to(scim.request("GET", "/Users").bearer_auth("wrong")).error(401);
    for word in ["close", "half", "garbage"] {
        let detail = scim.get(&format!("/Users/{word}")).error(502);
        assert!(detail.contains("could not be reached"), "{word}: {detail}");
    }
    for word in ["stall-before", "stall-within"] {
        let detail = scim.get(&format!("/Users/{word}")).error(504);
        assert!(detail.contains("in time"), "{word}: {detail}");
        app.hung_up();
    }
}

fn mapping() -> String {
    MAPPING.replace("\nresources:", "\nlimits: { call: 1 }\nresources:")
}

/// As `wrangler.toml` has it, but for the bindings, and for the resolution of `scim-edge`, which is a bundler's.
fn workerd_config(port: u16, bindings: &[(&str, &str)]) -> String {
    let wrangler = include_str!("../../host-configs/js/worker/wrangler.toml");
    let shipped = |key: &str| wrangler.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let date = shipped("compatibility_date = ");
    let flags = shipped("compatibility_flags = ");
    let text = |(name, value): &(&str, &str)| format!("(name = {name:?}, text = {value:?})");
    let bindings: Vec<String> = bindings.iter().map(text).collect();
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")]
);
const main :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "mapping.yaml", text = embed "mapping.yaml"),
    (name = "scim-edge", esModule = embed "workerd.js"),
    (name = "scim-edge.js", esModule = embed "scim-edge.js"),
    (name = "wasm/scim_edge.js", esModule = embed "scim_edge.js"),
    (name = "wasm/scim_edge_bg.wasm", wasm = embed "scim_edge_bg.wasm")
  ],
  bindings = [{}],
  compatibilityDate = {date},
  compatibilityFlags = {flags}
);
"#,
        bindings.join(", ")
    )
}

fn the_worker_serves_in_workerd() {
    let workerd = npm::tools("workerd", WORKERD).unwrap().join(".bin/workerd");
    let package = npm::node_modules().unwrap().join("scim-edge");
    let app = RawApp::start();
    let directory = directory("workerd").unwrap();
    let path = directory.path();
    for file in ["workerd.js", "scim-edge.js", "wasm/scim_edge.js", "wasm/scim_edge_bg.wasm"] {
        fs::copy(package.join(file), path.join(Path::new(file).file_name().unwrap())).unwrap();
    }
    fs::write(path.join("worker.js"), include_str!("../../host-configs/js/worker/worker.js")).unwrap();
    fs::write(path.join("mapping.yaml"), mapping()).unwrap();
    let port = free_port().unwrap();
    let upstream = format!("http://{}", app.address());
    let bindings = [&SECRETS[..], &[("SCIM_EDGE_UPSTREAM", upstream.as_str())]].concat();
    fs::write(path.join("config.capnp"), workerd_config(port, &bindings)).unwrap();
    let origin = format!("http://127.0.0.1:{port}");
    let mut command = Command::new(workerd);
    command.args(["serve", "config.capnp"]);
    let server = Server::start(directory, &command, &format!("{origin}/scim/v2/Users")).unwrap();
    provisions(&origin, &app);
    assert!(server.log().contains("scim-edge: POST /scim/v2/Users 201 calls=1 ms="), "{}", server.log());
}

fn deno_serves() {
    let deno = npm::tools("deno", DENO).unwrap().join(".bin/deno");
    let app = RawApp::start();
    let directory = directory("deno").unwrap();
    let path = directory.path();
    symlink(npm::node_modules().unwrap(), path.join("node_modules")).unwrap();
    fs::write(path.join("package.json"), r#"{ "dependencies": { "scim-edge": "*" } }"#).unwrap();
    fs::write(path.join("main.js"), include_str!("../../host-configs/js/deno/main.js")).unwrap();
    fs::write(path.join("mapping.yaml"), mapping()).unwrap();
    let port = free_port().unwrap();
    let origin = format!("http://127.0.0.1:{port}");
    let mut command = Command::new(deno);
    command.args(["run", "--node-modules-dir=manual", "--allow-env", "--allow-net", "--allow-read", "main.js"]);
    command.env("PORT", port.to_string()).env("HOST", "127.0.0.1").envs(SECRETS);
    command.env("SCIM_EDGE_UPSTREAM", format!("http://{}", app.address()));
    let server = Server::start(directory, &command, &format!("{origin}/scim/v2/Users")).unwrap();
    provisions(&origin, &app);
    assert!(server.log().contains("scim-edge: POST /scim/v2/Users 201 calls=1 ms="), "{}", server.log());
}
