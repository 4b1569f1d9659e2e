//! The Envoy module in a small proxy-wasm host: what a real Envoy does not let a test arrange.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/proxy_wasm.rs"]
mod proxy_wasm;

use proxy_wasm::{Module, Vm, run};
use scim_edge::Environment;
use scim_edge::cli::artifact::build_wasm;
use scim_edge::exchange::{Request, Response, Unreachable};

fn module() -> Module {
    Module::load(&build_wasm("wasm32-wasip1").unwrap()).unwrap()
}

fn environment() -> Environment {
    [("SCIM_EDGE_UPSTREAM".to_owned(), "app".to_owned())].into()
}

fn request(method: &str, target: &str, body: &str) -> Request {
    Request {
        method: method.into(),
        target: target.into(),
        headers: vec![("host".into(), "scim.example".into())],
        body: body.into(),
    }
}

#[test]
fn a_request_goes_out_as_native_calls_and_comes_back() {
    let mut calls = Vec::new();
    let mut reply = |call: Request| {
        calls.push(call);
        Ok(Response {
            status: 201,
            headers: vec![],
            body: b"{}".to_vec(),
        })
    };
    let request = request("POST", "/scim/v2/Users?a=b", "{\"a\":1}");
    let response = run(
        &module(),
        "mapping: v1",
        &environment(),
        &request,
        &mut reply,
    )
    .unwrap();
    assert_eq!((response.status, response.body), (201, b"{}".to_vec()));
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body, b"{\"a\":1}");
}

#[test]
fn failures_reach_the_engine_as_what_they_were() {
    let module = module();
    let mut vm = Vm::start(&module, "mapping: v1", &environment()).unwrap();
    for (failure, name) in [
        (Unreachable::Timeout, "Timeout"),
        (Unreachable::Connection, "Connection"),
        (Unreachable::Denied, "Denied"),
    ] {
        let request = request("GET", "/scim/v2/Users", "");
        let response = vm.run(&request, &mut |_| Err(failure)).unwrap();
        let body = String::from_utf8(response.body).unwrap();
        assert!(body.contains(name), "{failure:?}: {body}");
    }
    assert_eq!(vm.counter("scim_edge.requests"), Some(3));
    assert_eq!(vm.counter("scim_edge.native_failures"), Some(3));
    assert_eq!(
        vm.log().len(),
        4,
        "a line each, and one about the cluster: {:?}",
        vm.log()
    );
}

#[test]
fn a_plugin_that_cannot_start_says_why() {
    let module = module();
    let error = Vm::start(&module, "", &environment())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("M001"), "{error}");
    let error = Vm::start(&module, "\n\u{5}\n\u{3}a\u{12}", &environment())
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("google.protobuf.StringValue"),
        "{error}"
    );
    let error = Vm::start(&module, "mapping: v1", &Environment::new())
        .err()
        .unwrap();
    assert!(error.to_string().contains("SCIM_EDGE_UPSTREAM"), "{error}");
}

#[test]
fn other_requests_pass() {
    let request = request("POST", "/other", "{}");
    let error = run(
        &module(),
        "mapping: v1",
        &environment(),
        &request,
        &mut |_| unreachable!(),
    );
    assert!(error.unwrap_err().to_string().contains("passed through"));
}
