//! Conformance suites that others have written, against the demo.

use scim_edge::cli::demo::{Demo, TOKEN};
use serde_json::Value;

use crate::support::conformance::{scim_sanity, scim2_tester};

pub(crate) const SCENARIOS: &[(&str, fn(&Demo))] = &[("scim2_tester", tester), ("scim_sanity", sanity)];

/// What scim-sanity calls a failure and the RFC allows: a PATCH of a group is not answered with 200 but with 204 (RFC 7644
/// section 3.5.2), which spares a large group's members. The member that it adds is none, `fake-member-id`: 400.
const MISTAKES_OF_SCIM_SANITY: [&str; 3] =
    ["PATCH /Groups/{id}", "PATCH /Groups/{id} add member", "PATCH /Groups/{id} remove members"];

fn tester(demo: &Demo) {
    let report = scim2_tester(&demo.url(), TOKEN).unwrap();
    assert_eq!(report.errors, 0, "{}", report.output);
    assert!(report.passed > 70, "{} checks passed:\n{}", report.passed, report.output);
    assert_eq!(report.warnings, 0, "{}", report.output);
}

fn sanity(demo: &Demo) {
    let report = scim_sanity(&demo.url(), TOKEN).unwrap();
    let answer = report.output.find('{').map(|start| &report.output[start..]).unwrap();
    let answer = serde_json::Deserializer::from_str(answer).into_iter::<Value>().next().unwrap().unwrap();
    let failed: Vec<&str> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| matches!(result["status"].as_str(), Some("fail" | "error")))
        .filter_map(|result| result["name"].as_str())
        .collect();
    assert_eq!(failed, MISTAKES_OF_SCIM_SANITY, "{}", report.output);
    assert_eq!(report.errors, failed.len(), "{}", report.output);
    assert!(report.passed >= 25, "{} checks passed:\n{}", report.passed, report.output);
}
