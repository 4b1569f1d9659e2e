//! Hosts that tests share, hosts in front of a test's own application, and a SCIM client.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::HeaderMap;
use scim_edge::cli::DemoHost;
use scim_edge::cli::artifact::build_wasm;
use scim_edge::cli::demo::{Demo, TOKEN};
use scim_edge::cli::envoy::{Config, Envoy};
use scim_edge::cli::node::NodeServer;
use scim_edge::cli::wasi::WasiServer;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The mapping that is shipped for WASI hosts. A test asserts that it is the one that `envoy.yaml` has.
pub(crate) const MAPPING: &str = include_str!("../../host-configs/spin/mapping.yaml");

/// The URN of SCIM errors.
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The hosts, by the names that trials begin with.
pub(crate) const HOSTS: [(&str, DemoHost); 3] =
    [("envoy", DemoHost::Envoy), ("wasi", DemoHost::Wasi), ("node", DemoHost::Node)];

/// The mapping with this line at its top level.
pub(crate) fn mapping_with(line: &str) -> String {
    MAPPING.replacen("\nresources:\n", &format!("\n{line}\n\nresources:\n"), 1)
}

/// A demo that is started by the first test which wants it, and is one test's alone at a time.
pub(crate) struct Shared {
    demo: Mutex<Option<Demo>>,
    host: DemoHost,
    mapping: String,
}

impl Shared {
    pub(crate) fn new(host: DemoHost, mapping: &str) -> Shared {
        Shared { demo: Mutex::new(None), host, mapping: mapping.to_owned() }
    }

    pub(crate) fn run(&self, test: impl FnOnce(&Demo)) {
        // A test that failed leaves the demo as fit for the next one as any other.
        let mut slot = self.demo.lock().unwrap_or_else(PoisonError::into_inner);
        let demo = slot.get_or_insert_with(|| Demo::start_with(self.host, &self.mapping, &[]).unwrap());
        demo.app().faults().clear();
        demo.app().log().clear();
        test(demo);
    }

    /// Stops it. What a static holds would not be.
    pub(crate) fn stop(&self) {
        drop(self.demo.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A host in front of an application that the test has started itself.
pub(crate) enum Front {
    Envoy(Box<Envoy>),
    Wasi(WasiServer, TempDir),
    Node(NodeServer),
}

impl Front {
    pub(crate) fn start(host: DemoHost, mapping: &str, upstream: SocketAddr) -> Front {
        let environment = || {
            let upstream = format!("http://{upstream}");
            let settings = SECRETS.into_iter().chain([("SCIM_EDGE_UPSTREAM", upstream.as_str())]);
            settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
        };
        match host {
            DemoHost::Envoy => Front::Envoy(Box::new(start_envoy(&envoy_config(mapping, upstream)))),
            DemoHost::Wasi => {
                let directory = TempDir::new().unwrap();
                let path = directory.path().join("mapping.yaml");
                std::fs::write(&path, mapping).unwrap();
                let component = build_wasm("wasm32-wasip2").unwrap();
                Front::Wasi(WasiServer::start(&component, &path, &environment()).unwrap(), directory)
            }
            DemoHost::Node => Front::Node(NodeServer::start(mapping, &environment()).unwrap()),
        }
    }

    pub(crate) fn scim(&self) -> Scim {
        Scim::new(&match self {
            Front::Envoy(envoy) => format!("http://{}", envoy.address()),
            Front::Wasi(server, _) => server.url().to_owned(),
            Front::Node(server) => server.url().to_owned(),
        })
    }
}

/// The secrets of a [`Front`].
pub(crate) const SECRETS: [(&str, &str); 2] = [("SCIM_EDGE_TOKENS", TOKEN), ("NATIVE_API_KEY", "native-secret")];

/// The shipped configuration with this mapping and application.
pub(crate) fn envoy_config(mapping: &str, upstream: SocketAddr) -> Config {
    let module = build_wasm("wasm32-wasip1").unwrap();
    Config::shipped(&module, upstream).unwrap().mapping(mapping).unwrap()
}

pub(crate) fn start_envoy(config: &Config) -> Envoy {
    Envoy::start(config, &SECRETS).unwrap()
}

/// No proxy of the environment, and no wait without an end: a request that hangs is a failure.
pub(crate) fn http() -> Client {
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.timeout(Duration::from_mins(1)).build().unwrap()
}

/// A SCIM client.
pub(crate) struct Scim {
    pub(crate) origin: String,
    client: Client,
}

/// What a request was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Scim {
    pub(crate) fn new(origin: &str) -> Scim {
        Scim { origin: origin.to_owned(), client: http() }
    }

    pub(crate) fn of(demo: &Demo) -> Scim {
        Scim::new(&demo.origin())
    }

    /// A request for `path`, below the SCIM root, without a credential.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}/scim/v2{path}", self.origin))
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        Answer::to(request)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body))
    }

    #[track_caller]
    pub(crate) fn patch(&self, path: &str, operations: &Value) -> Answer {
        self.send("PATCH", path, Some(&patch(operations)))
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }

    /// Creates a user and tells the path of it.
    #[track_caller]
    pub(crate) fn create(&self, name: &str) -> String {
        let user = self.post("/Users", &user(name)).expect(201);
        format!("/Users/{}", user["id"].as_str().unwrap())
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn to(request: RequestBuilder) -> Answer {
        let response = request.send().unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().unwrap() }
    }

    /// The body, `null` where there is none.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).unwrap() }
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// The detail of an answer that must be a SCIM error (RFC 7644 section 3.12) of this status.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/scim+json", "{}", self.text);
        let error = self.json();
        assert_eq!(error["schemas"], json!([ERROR]));
        assert_eq!(error["status"], status.to_string());
        let detail = error["detail"].as_str().unwrap();
        assert!(!detail.is_empty());
        detail.to_owned()
    }
}

/// A user as identity providers send one.
pub(crate) fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "name": { "givenName": "Given", "familyName": name },
        "emails": [{ "value": format!("{name}@example.com"), "type": "work", "primary": true }],
        "active": true,
    })
}

/// A PATCH body with these operations.
pub(crate) fn patch(operations: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

/// The native calls of a demo that are no reads, as `METHOD target`; all calls are forgotten.
pub(crate) fn writes(demo: &Demo) -> Vec<String> {
    let lines = demo.app().log().lines();
    demo.app().log().clear();
    lines.into_iter().filter(|line| !line.starts_with("GET ")).collect()
}
