//! The Envoy module in a small proxy-wasm host: what a real Envoy does not let a test arrange.

use scim_edge::Environment;
use scim_edge::cli::artifact::build_wasm;
use scim_edge::exchange::{Request, Response, Unreachable};
use serde_json::{Value, json};

use crate::common::SECRETS;
use crate::proxy_wasm::{Module, Vm, run};
use crate::raw_app::MAPPING;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("a_request_goes_out_as_native_calls_and_comes_back", a_request_goes_out_as_native_calls_and_comes_back),
    ("failures_reach_the_engine_as_what_they_were", failures_reach_the_engine_as_what_they_were),
    ("a_plugin_that_cannot_start_says_why", a_plugin_that_cannot_start_says_why),
    ("other_requests_pass", other_requests_pass),
];

fn module() -> Module {
    Module::load(&build_wasm("wasm32-wasip1").unwrap()).unwrap()
}

fn environment() -> Environment {
    let settings = SECRETS.into_iter().chain([("SCIM_EDGE_UPSTREAM", "app")]);
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(crate) fn request(method: &str, target: &str, body: &str) -> Request {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Request {
        method: method.into(),
        target: target.into(),
        headers: vec![field("host", "scim.example"), field("authorization", "Bearer demo-token")],
        body: body.into(),
    }
}

fn a_request_goes_out_as_native_calls_and_comes_back() {
    let mut calls = Vec::new();
    let mut reply = |call: Request| {
        calls.push(call);
        let body = json!({ "id": "7", "login": "bjensen" });
        Ok(Response { status: 201, headers: vec![], body: body.to_string().into_bytes() })
    };
    let request = request("POST", "/scim/v2/Users?attributes=userName", r#"{"userName":"bjensen"}"#);
    let response = run(&module(), MAPPING, &environment(), &request, &mut reply).unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.header("location"), Some("http://scim.example/scim/v2/Users/7"));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!((&body["id"], &body["userName"]), (&json!("7"), &json!("bjensen")));
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", "/users"));
    assert_eq!(call.header("x-api-key"), Some("native-secret"));
    assert_eq!(call.body, br#"{"login":"bjensen"}"#);
}

fn failures_reach_the_engine_as_what_they_were() {
    let mut vm = Vm::start(&module(), MAPPING, &environment()).unwrap();
    for (failure, status, detail) in [
        (Unreachable::Timeout, 504, "in time"),
        (Unreachable::Connection, 502, "the connection was refused or broke"),
        (Unreachable::Denied, 502, "SCIM_EDGE_UPSTREAM"),
    ] {
        let response = vm.run(&request("GET", "/scim/v2/Users/7", ""), &mut |_| Err(failure)).unwrap();
        let body = String::from_utf8(response.body).unwrap();
        assert_eq!((response.status, body.contains(detail)), (status, true), "{failure:?}: {body}");
    }
    assert_eq!(vm.counter("scim_edge.requests"), Some(3));
    // A read that finds nobody is made three times.
    assert_eq!(vm.counter("scim_edge.native_failures"), Some(5));
    assert_eq!(vm.log().len(), 4, "a line each, and one about the cluster: {:?}", vm.log());
}

fn a_plugin_that_cannot_start_says_why() {
    let module = module();
    let refusal = |mapping: &str, environment: &Environment| {
        Vm::start(&module, mapping, environment).err().expect("the plugin starts").to_string()
    };
    let without = |name: &str| {
        let mut environment = environment();
        environment.remove(name);
        environment
    };
    let error = refusal("", &environment());
    assert!(error.contains("M001"), "{error}");
    let error = refusal("\n\u{5}\n\u{3}a\u{12}", &environment());
    assert!(error.contains("google.protobuf.StringValue"), "{error}");
    for name in ["SCIM_EDGE_UPSTREAM", "SCIM_EDGE_TOKENS", "NATIVE_API_KEY"] {
        let error = refusal(MAPPING, &without(name));
        assert!(error.contains(name), "{error}");
    }
}

fn other_requests_pass() {
    let request = request("POST", "/other", "{}");
    let error = run(&module(), MAPPING, &environment(), &request, &mut |_| unreachable!());
    assert!(error.unwrap_err().to_string().contains("passed through"));
}
