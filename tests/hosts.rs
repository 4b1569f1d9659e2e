//! The artifacts in real hosts, with the configurations that are shipped, over real HTTP: Envoy with the module, a WASI
//! host with the component, and Node with the npm package. What all can do is tested on all, by the same code.
//!
//! Hosts that tests share are stopped before the process ends, which a static would not be: hence no test harness of
//! the language's own. `cargo test --test hosts -- envoy::` runs one host's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

#[path = "hosts/artifacts.rs"]
mod artifacts;
#[path = "hosts/auth.rs"]
mod auth;
#[path = "hosts/both.rs"]
mod both;
#[path = "hosts/command.rs"]
mod command;
#[path = "hosts/common.rs"]
mod common;
#[path = "hosts/envoy.rs"]
mod envoy;
#[path = "hosts/faults.rs"]
mod faults;
#[path = "hosts/js.rs"]
mod js;
#[path = "hosts/node.rs"]
mod node;
#[path = "hosts/playground.rs"]
mod playground;
#[path = "hosts/proxy.rs"]
mod proxy;
#[path = "support/proxy_wasm.rs"]
mod proxy_wasm;
#[path = "support/raw_app.rs"]
mod raw_app;
#[path = "hosts/scenarios.rs"]
mod scenarios;
#[path = "hosts/soak.rs"]
mod soak;
#[path = "hosts/suites.rs"]
mod suites;
#[path = "hosts/upheavals.rs"]
mod upheavals;
#[path = "hosts/wasi.rs"]
mod wasi;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use scim_edge::cli::DemoHost;

use common::{HOSTS, MAPPING, Shared, mapping_with};

fn main() {
    let arguments = Arguments::from_args();
    let mut shared = Vec::new();
    // One host's after the other's, so that two threads do not wait for the same demo.
    let mut hosts = HOSTS.map(|(name, host)| of_host(name, host, &mut shared).into_iter());
    let mut trials = Vec::new();
    loop {
        let before = trials.len();
        trials.extend(hosts.iter_mut().filter_map(Iterator::next));
        if trials.len() == before {
            break;
        }
    }
    let anywhere: [(&str, fn()); 3] = [
        ("the_module_imports_what_every_proxy_has", artifacts::the_module_imports_what_every_proxy_has),
        ("the_component_imports_nothing_but_wasi", artifacts::the_component_imports_nothing_but_wasi),
        ("the_npm_package_has_what_it_needs_and_no_more", artifacts::the_npm_package_has_what_it_needs_and_no_more),
    ];
    trials.extend(anywhere.map(|(test_name, test)| trial("artifacts", test_name, test)));
    trials.extend(js::TESTS.iter().map(|(test_name, test)| trial("js", test_name, test)));
    trials.extend(playground::TESTS.iter().map(|(test_name, test)| trial("playground", test_name, test)));
    trials.extend(proxy::TESTS.iter().map(|(test_name, test)| trial("proxy", test_name, test)));

    let conclusion = libtest_mimic::run(&arguments, trials);
    for demo in shared {
        demo.stop();
    }
    conclusion.exit();
}

/// The tests of one host; what they share and is to be stopped goes to `shared`.
fn of_host(name: &'static str, host: DemoHost, shared: &mut Vec<Arc<Shared>>) -> Vec<Trial> {
    let (own, only_here) = match host {
        DemoHost::Envoy => ([envoy::TESTS, upheavals::ENVOY_TESTS, soak::TESTS].concat(), envoy::SCENARIOS),
        DemoHost::Wasi => (wasi::TESTS.to_vec(), &[][..]),
        DemoHost::Node => (node::TESTS.to_vec(), &[][..]),
    };
    let demo = Arc::new(Shared::new(host, MAPPING));
    let crowded = Arc::new(Shared::new(host, &mapping_with("limits: { scan: 20000, page: 10000 }")));
    shared.extend([demo.clone(), crowded.clone()]);

    let mut trials = Vec::new();
    for (test_name, test) in
        scenarios::SCENARIOS.iter().chain(faults::SCENARIOS).chain(suites::SCENARIOS).chain(only_here)
    {
        let demo = demo.clone();
        trials.push(trial(name, test_name, move || demo.run(test)));
    }
    for (test_name, test) in scenarios::CROWDED {
        let crowded = crowded.clone();
        trials.push(trial(name, test_name, move || crowded.run(test)));
    }
    let alone: [(&str, fn(DemoHost)); 1] = [("tokens", auth::tokens)];
    for (test_name, test) in alone.iter().chain(both::TESTS).chain(faults::TESTS).chain(upheavals::TESTS).copied() {
        trials.push(trial(name, test_name, move || test(host)));
    }
    trials.extend(own.into_iter().map(|(test_name, test)| trial(name, test_name, test)));
    trials.push(trial(name, "the_tour_is_walked", move || command::the_tour_is_walked(name)));
    trials.push(trial(name, "an_interrupt_stops_everything", move || command::an_interrupt_stops_everything(name)));
    trials
}

fn trial(group: &str, name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(format!("{group}::{name}"), move || {
        test();
        Ok(())
    })
}
