//! Every folder of `tests/cases`, on every host: natively, in the Envoy module, in the WASI component, and in Node.
//!
//! See `tests/cases/README.md` for what a case is.

#[path = "support/case.rs"]
mod case;
#[path = "support/node.rs"]
mod node;
#[path = "support/proxy_wasm.rs"]
#[allow(dead_code)]
mod proxy_wasm;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use scim_edge::cli::{artifact, wasi};
use scim_edge::exchange::{Exchange, Moment, Output, Reply, Request, Response};
use scim_edge::{Engine, Environment};

use case::Case;

/// A way to answer one SCIM request, native calls being answered by the closure.
type Host = fn(&Case, &Request, &mut dyn FnMut(Request) -> Reply) -> Result<Response>;

const HOSTS: &[(&str, Host)] =
    &[("native", native), ("envoy-module", envoy_module), ("component", component), ("node", in_node)];

fn main() -> Result<()> {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&root)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let mut trials = Vec::new();
    for folder in folders {
        let case = Arc::new(Case::load(&folder).with_context(|| folder.display().to_string())?);
        for (name, host) in HOSTS {
            let case = Arc::clone(&case);
            trials.push(Trial::test(format!("{name}::{}", case.name), move || {
                case.run(&mut |request, reply| host(&case, request, reply)).map_err(Failed::from)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn native(case: &Case, request: &Request, reply: &mut dyn FnMut(Request) -> Reply) -> Result<Response> {
    let engine = Rc::new(Engine::new(&case.mapping, "mapping.yaml", &case.environment)?);
    let moment = Moment { now: proxy_wasm::NOW, entropy: [7; 32] };
    let mut exchange = Exchange::new(engine, request.clone(), moment);
    let mut calls = Vec::new();
    loop {
        match exchange.poll_output() {
            Output::Call(id, request, _) => calls.push((id, request)),
            Output::Pause(id, _) => exchange.resume(id, moment.now),
            Output::Respond(response) => return Ok(response),
            // The last call is answered first: the order of replies must not matter.
            Output::Waiting => match calls.pop() {
                Some((id, request)) => exchange.handle_reply(id, reply(request), moment.now),
                None => anyhow::bail!("the exchange waits for nothing"),
            },
        }
    }
}

fn envoy_module(case: &Case, request: &Request, reply: &mut dyn FnMut(Request) -> Reply) -> Result<Response> {
    static MODULE: LazyLock<Result<proxy_wasm::Module, String>> = LazyLock::new(|| {
        let path = artifact::build_wasm("wasm32-wasip1").map_err(|error| format!("{error:#}"))?;
        proxy_wasm::Module::load(&path).map_err(|error| format!("{error:?}"))
    });
    let module = MODULE.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let environment = with_upstream(&case.environment, "application");
    let response = proxy_wasm::run(module, &case.mapping, &environment, request, reply);
    response.map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn component(case: &Case, request: &Request, reply: &mut dyn FnMut(Request) -> Reply) -> Result<Response> {
    let path = artifact::build_wasm("wasm32-wasip2")?;
    let environment: Vec<(String, String)> = case.environment.clone().into_iter().collect();
    // A WASI HTTP host refuses quotes in a target before the component sees them.
    let request = Request { target: request.target.replace('"', "%22"), ..request.clone() };
    wasi::run_case(&path, &case.mapping, &environment, request, reply)
}

fn in_node(case: &Case, request: &Request, reply: &mut dyn FnMut(Request) -> Reply) -> Result<Response> {
    static NODE: Mutex<Option<node::Node>> = Mutex::new(None);
    // What a failed case has left unsaid would be taken for the next one's: it leaves no Node behind.
    let mut node = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut running = node.take().map_or_else(node::Node::start, Ok)?;
    let environment = with_upstream(&case.environment, "http://upstream.invalid");
    let response = running.run(&case.mapping, &environment, request, reply)?;
    *node = Some(running);
    Ok(response)
}

fn with_upstream(environment: &Environment, name: &str) -> Environment {
    let mut environment = environment.clone();
    environment.entry("SCIM_EDGE_UPSTREAM".to_owned()).or_insert_with(|| name.to_owned());
    environment
}
