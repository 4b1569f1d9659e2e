//! The conformance suites say what they should about a server whose conformance is known: scim2-server,
//! which comes from the authors of scim2-tester.

mod support;

use std::process::Command;

use scim_edge::cli::pypi;
use support::apps::requirements;
use support::apps::server::{Server, directory, free_port};
use support::conformance::{scim_sanity, scim2_tester};

const TOKEN: &str = "tools-test-token";

/// The server, which stops when it is dropped, and its URL.
fn reference() -> anyhow::Result<(Server, String)> {
    let requirements = requirements(include_str!("support/scim2-server.txt"));
    let bin = pypi::venv("scim2-server", &requirements)?;
    let port = free_port()?;
    let mut command = Command::new(bin.join("scim2-server"));
    command.args(["--port", &port.to_string(), "--bearer-token", TOKEN]);
    let origin = format!("http://127.0.0.1:{port}");
    let server = Server::start(directory("scim2-server")?, &command, &origin)?;
    Ok((server, format!("{origin}/v2")))
}

#[test]
fn a_conforming_server_has_no_errors() {
    let (_server, url) = reference().unwrap();
    let report = scim2_tester(&url, TOKEN).unwrap();
    assert_eq!((report.passed, report.errors), (135, 0), "{}", report.output);
    let error = scim2_tester(&url, "wrong").unwrap_err();
    assert!(error.to_string().contains("Authorization failure"), "{error}");
}

#[test]
fn deviations_are_errors() {
    let (_server, url) = reference().unwrap();
    // This server answers a PATCH with 204, which scim-sanity holds against it, in four places.
    let report = scim_sanity(&url, TOKEN).unwrap();
    assert_eq!((report.passed, report.errors), (24, 4), "{}", report.output);
    let report = scim_sanity(&url, "wrong").unwrap();
    assert!(report.errors > 4, "{}", report.output);
}
