//! What every host does with connections, seen by an application that breaks them.

use std::thread;

use scim_edge::cli::DemoHost;

use crate::common::Front;
use crate::raw_app::{MAPPING, RawApp};

/// For each host, with an application of the test's own.
pub(crate) const TESTS: &[(&str, fn(DemoHost))] = &[
    ("a_broken_connection_is_told_from_an_answer", a_broken_connection_is_told_from_an_answer),
    ("a_call_whose_time_is_up_is_a_time_out_and_is_cancelled", a_call_whose_time_is_up_is_a_time_out),
    ("requests_are_served_concurrently", requests_are_served_concurrently),
];

fn a_broken_connection_is_told_from_an_answer(host: DemoHost) {
    let app = RawApp::start();
    let front = Front::start(host, MAPPING, app.address());
    let scim = front.scim();
    for word in ["close", "half", "garbage"] {
        let detail = scim.get(&format!("/Users/{word}")).error(502);
        assert!(detail.contains("could not be reached"), "{word}: {detail}");
    }
    for (word, status) in [("plain-502", 502), ("plain-503", 503), ("plain-504", 504)] {
        let detail = scim.get(&format!("/Users/{word}")).error(status);
        assert!(!detail.contains("could not be reached"), "{word}: {detail}");
    }
    scim.get("/Users/7").expect(200);
}

fn a_call_whose_time_is_up_is_a_time_out(host: DemoHost) {
    let app = RawApp::start();
    let front =
        Front::start(host, &MAPPING.replace("\nresources:", "\nlimits: { call: 1 }\nresources:"), app.address());
    thread::scope(|scope| {
        for word in ["stall-before", "stall-within"] {
            let scim = front.scim();
            scope.spawn(move || {
                let detail = scim.get(&format!("/Users/{word}")).error(504);
                assert!(detail.contains("in time"), "{word}: {detail}");
            });
        }
    });
    app.hung_up();
    app.hung_up();
}

/// The application answers none of them before it has all of them.
fn requests_are_served_concurrently(host: DemoHost) {
    const REQUESTS: usize = 40;
    let app = RawApp::start();
    let front = Front::start(host, MAPPING, app.address());
    thread::scope(|scope| {
        for _ in 0..REQUESTS {
            let scim = front.scim();
            scope.spawn(move || {
                let id = format!("together-{REQUESTS}");
                assert_eq!(scim.get(&format!("/Users/{id}")).expect(200)["id"], id);
            });
        }
    });
    assert_eq!(app.take_calls().len(), REQUESTS);
}
