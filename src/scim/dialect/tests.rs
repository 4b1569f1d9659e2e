//! Every quirk by example: understood leniently, and noted; strictly it is refused or not understood.

use serde_json::{Value, json};

use super::*;
use crate::scim::core::{ENTERPRISE_USER as ENT, USER, user_type};
use crate::scim::query::{ListQuery, pairs};
use crate::scim::resource::{Mode, normalise};
use crate::scim::{patch, query};

enum Example {
    Body(Value),
    Operations(Value),
    Patch(Value),
    Query(&'static str),
    Target(&'static str),
}

impl Example {
    /// What was noted; `None` for a refusal.
    fn read(&self, leniency: Leniency) -> Option<Vec<&'static str>> {
        let rt = user_type();
        let applied = match self {
            Example::Body(body) => {
                let mut body = body.clone();
                body["userName"] = json!("u");
                normalise(&rt, body, Mode::Create, leniency).ok()?.applied
            }
            Example::Operations(operations) => {
                let body = json!({"schemas": [patch::SCHEMA], "Operations": operations});
                patch::parse(&rt, body, leniency).ok()?.applied
            }
            Example::Patch(body) => patch::parse(&rt, body.clone(), leniency).ok()?.applied,
            Example::Target(text) => {
                let mut applied = Applied::default();
                target(text, leniency, &mut applied);
                applied
            }
            Example::Query(text) => ListQuery::from_pairs(&query::pairs(text).ok()?, leniency).ok()?.applied,
        };
        Some(applied.names().to_vec())
    }
}

#[test]
#[allow(clippy::too_many_lines)]
fn every_quirk_is_understood_and_noted() {
    use Example::{Body, Operations, Patch, Query, Target};
    let replace = |path: &str, value: Value| Operations(json!([{"op": "replace", "path": path, "value": value}]));
    let schemas = json!([USER]);
    let examples = [
        ("bare-literal", Query("filter=externalId+eq+jyoung")),
        ("operation-case", Operations(json!([{"op": "Replace", "path": "title", "value": "x"}]))),
        (
            "key-case",
            Patch(json!({"schemas": [patch::SCHEMA], "operations": [{"Op": "add", "Path": "title", "Value": "x"}]})),
        ),
        ("string-boolean", replace("active", json!("False"))),
        ("scalar-for-string", replace("title", json!(7))),
        ("empty-string", replace("title", json!(""))),
        ("array-for-single", replace("displayName", json!(["x"]))),
        ("object-for-scalar", replace("displayName", json!([{"value": "x"}]))),
        ("single-for-array", replace("emails", json!({"value": "a@example.com"}))),
        ("bare-value", replace(&format!("{ENT}:manager"), json!("271"))),
        ("manager-id", Body(json!({"schemas": schemas, ENT: {"manager": {"managerId": "7"}}}))),
        (
            "several-primary",
            Body(
                json!({"schemas": schemas, "roles": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]}),
            ),
        ),
        ("broken-urn", replace("urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department", json!("x"))),
        (
            "broken-urn",
            Body(
                json!({"schemas": schemas, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"department": "x"}}),
            ),
        ),
        ("core-urn-key", Body(json!({"schemas": schemas, USER: {"title": "x"}}))),
        ("dotted-key", Body(json!({"schemas": schemas, "name.givenName": "x"}))),
        ("dotted-key", Operations(json!([{"op": "replace", "value": {"name.givenName": "x"}}]))),
        ("bare-extension-attribute", replace("department", json!("x"))),
        ("missing-schemas", Body(json!({"schemas": ["urn:scim:schemas:core:1.0"]}))),
        ("read-only-echo", Operations(json!([{"op": "replace", "value": {"id": "1", "groups": [], "title": "x"}}]))),
        ("empty-operations", Operations(json!([]))),
        ("single-operation", Operations(json!({"op": "add", "path": "title", "value": "x"}))),
        ("value-with-remove", Operations(json!([{"op": "remove", "path": "emails", "value": [{"value": "x"}]}]))),
        ("leading-slash", replace("/name/givenName", json!("x"))),
        ("trailing-slash", Target("/scim/v2/Users/?count=1")),
        ("stray-question-mark", Query("aadOptscim062020?count=1")),
    ];
    for (name, example) in &examples {
        let noted = example.read(Leniency::Lenient).unwrap_or_else(|| panic!("{name} is refused"));
        assert!(noted.contains(name), "{name}: {noted:?}");
        let strict = example.read(Leniency::Strict).unwrap_or_default();
        assert!(!strict.contains(name), "{name} is understood strictly");
    }
    // No attribute of RFC 7643 is a number; no parser sees which elements are missing.
    let elsewhere = ["string-number", "created-element"];
    for quirk in QUIRKS {
        let shown = examples.iter().any(|(name, _)| *name == quirk.name);
        assert!(shown || elsewhere.contains(&quirk.name), "{} lacks an example", quirk.name);
    }
}

#[test]
fn numbers_as_strings() {
    let size = Attribute::new("shoeSize", Kind::Integer);
    let mut applied = Applied::default();
    assert_eq!(single(&size, json!("42"), &mut applied), json!(42));
    assert_eq!(applied.names(), ["string-number"]);
    assert_eq!(single(&size, json!("big"), &mut applied), json!("big"));
}

#[test]
fn broken_urns_are_mended_only_where_they_are_broken() {
    let rt = user_type();
    for (text, mended) in [
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0User:manager.value", Some("manager.value")),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User::department", None),
        ("URN:ietf:params:scim:schemas:extensionenterprise:2.0:user:department", Some("department")),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", None),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName", None),
        ("userName", None),
    ] {
        let expected = mended.map(|rest| format!("{ENT}:{rest}"));
        assert_eq!(mend_urn(&rt, text), expected, "{text}");
    }
    assert!(pairs("a=%").is_err());
}

#[test]
fn request_targets() {
    for (text, expected) in [
        ("/scim/v2/Users", ("/scim/v2/Users", "")),
        ("/scim/v2/Users/", ("/scim/v2/Users", "")),
        ("/scim/v2/Users//?", ("/scim/v2/Users", "")),
        ("/scim/v2/Users/1?attributes=a?b/", ("/scim/v2/Users/1", "attributes=a?b/")),
        ("/", ("/", "")),
        ("", ("", "")),
    ] {
        assert_eq!(target(text, Leniency::Lenient, &mut Applied::default()), expected, "{text}");
    }
    assert_eq!(target("/Users/?a", Leniency::Strict, &mut Applied::default()), ("/Users/", "a"));
}
