//! Conformance suites that others have written, against the demo.

use scim_edge::cli::demo::{Demo, TOKEN};
use serde_json::Value;

use crate::support::conformance::{scim_sanity, scim2_tester};

pub(crate) const SCENARIOS: &[(&str, fn(&Demo))] = &[("scim2_tester", tester), ("scim_sanity", sanity)];

/// What scim2-tester holds against the demo that no server in front of this application could change: the check, what
/// it says, and why.
const LIMITS_OF_THE_APPLICATION: [(&str, &str); 8] = [
    // A user is active or suspended: to remove `active` is refused, as RFC 7644 section 3.5.2.2 has it.
    ("check_remove_attribute", "the application has no call that clears `active`"),
    // There is one address, and it is the primary one, whatever a client says.
    ("check_add_attribute", "returned unexpected value for 'emails'"),
    ("check_replace_attribute", "returned unexpected value for 'emails'"),
    // A group has no field for an external id, and `/Schemas` declares none; the suite does not ask.
    ("object_query_with_attributes", "requested attribute 'externalId' missing from Group"),
    ("object_list_with_attributes", "requested attribute 'externalId' missing from Group"),
    ("search_with_attributes", "requested attribute 'externalId' missing from Group"),
    ("check_add_attribute", "Attribute 'externalId' was not added"),
    ("check_replace_attribute", "Attribute 'externalId' was not replaced"),
];

/// What scim-sanity calls a failure and the RFC allows: a PATCH is answered with 204 (RFC 7644 section 3.5.2), which
/// spares a large group's members; and somebody who is no user cannot become a member.
const MISTAKES_OF_SCIM_SANITY: [&str; 3] =
    ["PATCH /Groups/{id}", "PATCH /Groups/{id} add member", "PATCH /Groups/{id} remove members"];

fn tester(demo: &Demo) {
    let report = scim2_tester(&demo.url(), TOKEN).unwrap();
    let lines: Vec<&str> = report.output.lines().collect();
    let errors = lines.windows(2).filter_map(|pair| {
        let (status, check) = pair[0].split_once(' ')?;
        matches!(status, "ERROR" | "CRITICAL").then_some((check, pair[1]))
    });
    let known = |(check, text): &(&str, &str)| {
        LIMITS_OF_THE_APPLICATION.iter().any(|(of, part)| check.starts_with(of) && text.contains(part))
    };
    let (known, other): (Vec<_>, Vec<_>) = errors.partition(known);
    assert!(other.is_empty(), "{other:?}\n{}", report.output);
    assert_eq!(known.len(), report.errors, "{}", report.output);
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
