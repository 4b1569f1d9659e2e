//! Every quirk by example: understood leniently, and noted; strictly what its entry says.

use serde_json::{Value, json};

use super::*;
use crate::scim::core::{ENTERPRISE_USER as ENT, USER, user_type};
use crate::scim::error::Error;
use crate::scim::query::ListQuery;
use crate::scim::resource::{Mode, normalise};
use crate::scim::schema::{Attribute, Kind, ResourceType};
use crate::scim::{AttributePath, Filter, patch};

enum Example {
    /// Members of a body beside `schemas` and `userName`.
    Body(Value),
    /// All of a body.
    Whole(Value),
    Operations(Value),
    Patch(Value),
    Query(&'static str),
    Target(&'static str),
}

/// With a number and a date, which the RFC's user lacks, and without a password.
fn rt() -> ResourceType {
    let mut rt = user_type();
    rt.schema.attributes.push(Attribute::new("shoeSize", Kind::Integer));
    rt.schema.attributes.push(Attribute::new("hired", Kind::DateTime));
    rt.schema.attributes.retain(|attribute| attribute.name != "password");
    rt
}

impl Example {
    /// What was noted.
    fn read(&self, leniency: Leniency) -> Result<Applied, Error> {
        let rt = rt();
        let patched = |body: &Value| {
            let mut read = patch::parse(&rt, body.clone(), leniency)?;
            let mut resource = json!({"id": "1", "userName": "u"});
            read.applied.absorb(patch::apply(&rt, &mut resource, &read.operations)?);
            Ok(read.applied)
        };
        match self {
            Example::Body(members) => {
                let mut body = json!({"schemas": [USER, ENT], "userName": "u"});
                body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
                Ok(normalise(&rt, body, Mode::Create, leniency)?.applied)
            }
            Example::Whole(body) => Ok(normalise(&rt, body.clone(), Mode::Create, leniency)?.applied),
            Example::Operations(operations) => patched(&json!({"schemas": [patch::SCHEMA], "Operations": operations})),
            Example::Patch(body) => patched(body),
            Example::Target(text) => {
                let mut applied = Applied::default();
                target(text, leniency, &mut applied);
                Ok(applied)
            }
            Example::Query(text) => {
                let mut applied = Applied::default();
                let query = ListQuery::from_pairs(&pairs(text, leniency, &mut applied)?, leniency)?;
                applied.absorb(query.applied);
                if let Some(filter) = &query.filter {
                    filter_of(&rt, filter, leniency, &mut applied)?;
                }
                if let Some(path) = &query.sort_by {
                    path_of(&rt, path, leniency, &mut applied)?;
                }
                Ok(applied)
            }
        }
    }
}

#[allow(clippy::too_many_lines)]
fn examples() -> Vec<(&'static str, Example)> {
    use Example::{Body, Operations, Patch, Query, Target, Whole};
    let replace = |path: &str, value: Value| Operations(json!([{"op": "replace", "path": path, "value": value}]));
    let broken = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User";
    let old = "urn:scim:schemas:extension:enterprise:1.0";
    vec![
        ("bare-literal", Query("filter=externalId%20eq%20jyoung")),
        ("bare-literal", Query("filter=active%20eq%20True")),
        ("singular-name", Query("filter=email%20Co%20%22x%22")),
        ("operation-case", Operations(json!([{"op": "Replace", "path": "title", "value": "x"}]))),
        ("key-case", Patch(json!({"schemas": [patch::SCHEMA], "operations": []}))),
        (
            "key-case",
            Patch(json!({"schemas": [patch::SCHEMA], "Operations": [{"Op": "add", "Path": "title", "Value": "x"}]})),
        ),
        ("string-boolean", replace("active", json!("False"))),
        ("string-boolean", Body(json!({"active": "true"}))),
        ("string-number", replace("shoeSize", json!("42"))),
        ("scalar-for-string", replace("title", json!(7))),
        ("scalar-for-string", Body(json!({"title": true}))),
        ("empty-string", replace("title", json!(""))),
        ("empty-string", Body(json!({"title": ""}))),
        ("empty-element", Body(json!({"emails": [{"type": "work", "display": "x"}]}))),
        ("empty-element", Operations(json!([{"op": "add", "path": "emails", "value": [{}, null]}]))),
        ("empty-element", replace("emails", json!([{}, {"value": "a@example.com"}]))),
        ("loose-date", Body(json!({"hired": "2026-01-31"}))),
        ("loose-date", replace("hired", json!("2026-01-31T08:00:00+0100"))),
        ("array-for-single", replace("displayName", json!(["x"]))),
        ("array-for-single", Operations(json!([{"op": "replace", "value": [{"title": "x"}]}]))),
        ("object-for-scalar", replace("displayName", json!({"value": "x"}))),
        ("single-for-array", replace("emails", json!({"value": "a@example.com"}))),
        ("single-for-array", Body(json!({"emails": {"value": "a@example.com"}}))),
        ("bare-value", replace(&format!("{ENT}:manager"), json!("271"))),
        ("bare-value", Body(json!({"emails": ["a@example.com"]}))),
        ("manager-id", Body(json!({ENT: {"manager": {"managerId": "7"}}}))),
        ("several-primary", Body(json!({"roles": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]}))),
        ("broken-urn", replace(&format!("{broken}:department"), json!("x"))),
        ("broken-urn", replace(broken, json!({"department": "x"}))),
        ("broken-urn", Body(json!({broken: {"department": "x"}}))),
        ("broken-urn", Query("filter=urn:ietf:params:scim:schemas:core:2.0User:userName%20pr")),
        ("broken-urn", Query("sortBy=urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department")),
        ("version-1-urn", Body(json!({old: {"department": "x"}}))),
        ("version-1-urn", Query("filter=urn:scim:schemas:core:1.0:userName%20pr")),
        ("version-1-urn", replace(&format!("{old}:department"), json!("x"))),
        ("core-urn-key", Body(json!({USER: {"title": "x"}}))),
        ("core-urn-key", Operations(json!([{"op": "add", "value": {USER: {"title": "x"}}}]))),
        ("dotted-key", Body(json!({"name.givenName": "x"}))),
        ("dotted-key", Body(json!({format!("{ENT}:department"): "x"}))),
        ("dotted-key", Body(json!({ENT: {"manager.value": "7"}}))),
        ("dotted-key", Operations(json!([{"op": "replace", "value": {"name.givenName": "x"}}]))),
        ("dotted-key", Operations(json!([{"op": "replace", "value": {ENT: {"manager.value": "7"}}}]))),
        ("bare-extension-attribute", replace("department", json!("x"))),
        ("bare-extension-attribute", Body(json!({"department": "x"}))),
        ("bare-extension-attribute", Query("filter=manager%20eq%20%227%22")),
        ("missing-schemas", Whole(json!({"userName": "u"}))),
        ("missing-schemas", Whole(json!({"schemas": ["urn:scim:schemas:core:1.0"], "userName": "u"}))),
        ("missing-schemas", Whole(json!({"schemas": [USER], "userName": "u", ENT: {"department": "x"}}))),
        ("missing-schemas", Patch(json!({"Operations": [{"op": "add", "path": "title", "value": "x"}]}))),
        ("unknown-schema", Whole(json!({"schemas": [USER, "urn:okta:custom:group:1.0"], "userName": "u"}))),
        ("read-only-echo", Operations(json!([{"op": "replace", "value": {"id": "1", "title": "x"}}]))),
        ("read-only-echo", Operations(json!([{"op": "replace", "value": {"groups": [], "title": "x"}}]))),
        ("placeholder-password", Body(json!({"password": "1mz050nq"}))),
        ("empty-operations", Operations(json!([]))),
        ("single-operation", Operations(json!({"op": "add", "path": "title", "value": "x"}))),
        ("value-with-remove", Operations(json!([{"op": "remove", "path": "emails", "value": [{"value": "x"}]}]))),
        ("leading-slash", replace("/name/givenName", json!("x"))),
        ("created-element", replace("emails[type eq \"work\"].value", json!("x"))),
        ("trailing-slash", Target("/scim/v2/Users/?count=1")),
        ("stray-question-mark", Query("aadOptscim062020?count=1")),
        ("plus-for-space", Query("filter=userName+eq+%22x%22")),
        ("unknown-parameter", Query("aadOptscim062020&count=1")),
    ]
}

#[test]
fn every_quirk_is_understood_and_noted_or_strictly_refused() {
    let examples = examples();
    for (name, example) in &examples {
        let quirk = QUIRKS.iter().find(|quirk| quirk.name == *name).unwrap_or_else(|| panic!("{name} is no quirk"));
        let noted = example.read(Leniency::Lenient).unwrap_or_else(|error| panic!("{name} is refused: {error}"));
        assert!(noted.quirks().contains(quirk), "{name}: {noted:?}");
        match example.read(Leniency::Strict) {
            Ok(noted) => {
                assert_eq!(noted, Applied::default(), "{name} is understood strictly");
                assert!(!quirk.strict.starts_with("400"), "{name} is not refused: {}", quirk.strict);
            }
            Err(error) => {
                let told = format!("`{}`", error.scim_type.map_or("", |kind| kind.as_str()));
                let said = quirk.strict.contains("400") && quirk.strict.contains(&told);
                assert!(said, "{name}: {told} {}, not {}", error.detail, quirk.strict);
            }
        }
    }
    for quirk in QUIRKS {
        assert!(examples.iter().any(|(name, _)| *name == quirk.name), "{} lacks an example", quirk.name);
        assert_eq!(QUIRKS.iter().filter(|other| other.name == quirk.name).count(), 1, "{}", quirk.name);
    }
}

#[test]
fn what_the_rfcs_allow_needs_no_quirk() {
    use Example::{Body, Operations, Query, Target};
    for example in [
        Body(
            json!({"active": true, "emails": [{"value": "a@example.com", "primary": true}], ENT: {"manager": {"value": "7"}}}),
        ),
        Body(json!({"id": "1", "meta": {"version": "x"}, "groups": [], "USERNAME": null, "unheardOf": 1})),
        Operations(json!([{"op": "replace", "path": format!("{ENT}:manager"), "value": {"value": "7"}},
            {"op": "remove", "path": "title"}, {"op": "add", "value": {"name": {"givenName": "x"}, ENT: {"department": "x"}}}])),
        Query(
            "filter=userName%20Eq%20%22a%2Bb%22%20and%20active%20eq%20true&sortBy=name.familyName&startIndex=1&count=2",
        ),
        Query("attributes=userName&cursor="),
        Target("/scim/v2/Users?"),
    ] {
        for leniency in [Leniency::Lenient, Leniency::Strict] {
            assert_eq!(example.read(leniency), Ok(Applied::default()));
        }
    }
}

#[test]
fn values_that_cannot_be_read_otherwise_stay_as_they_are() {
    let size = Attribute::new("shoeSize", Kind::Integer);
    let mut applied = Applied::default();
    assert_eq!(single(&size, json!("big"), &mut applied), json!("big"));
    assert_eq!(applied, Applied::default());
}

#[test]
fn paths_are_mended_only_where_they_are_broken() {
    let rt = user_type();
    let enterprise = |rest: &str| format!("{ENT}:{rest}");
    for (text, meant) in [
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0User:manager.value", enterprise("manager.value")),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User::department", enterprise("department")),
        ("URN:ietf:params:scim:schemas:extensionenterprise:2.0:user:department", enterprise("department")),
        ("urn:scim:schemas:extension:enterprise:1.0:manager", enterprise("manager")),
        ("manager.managerId", enterprise("manager.value")),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.managerId", enterprise("manager.value")),
        ("urn:example:other:department", "urn:example:other:department".to_owned()),
        ("userName", "userName".to_owned()),
        ("email", "emails".to_owned()),
        ("user", "user".to_owned()),
    ] {
        let read = path(&rt, text, Leniency::Lenient, &mut Applied::default()).unwrap();
        assert_eq!(read.to_string(), meant, "{text}");
    }
}

#[test]
fn filters_mean_what_is_there() {
    let rt = user_type();
    for (text, meant) in [
        ("email eq \"x\" and not (role pr)", "emails eq \"x\" and not (roles pr)"),
        (
            "email[type eq \"work\"] or department sw \"x\"",
            &format!("emails[type eq \"work\"] or {ENT}:department sw \"x\""),
        ),
        ("userNam eq \"x\"", "userNam eq \"x\""),
        ("emails.value eq \"x\"", "emails.value eq \"x\""),
    ] {
        let filter = Filter::parse(text).unwrap();
        let read = filter_of(&rt, &filter, Leniency::Lenient, &mut Applied::default()).unwrap();
        assert_eq!(read.to_string(), meant, "{text}");
    }
    assert!(path_of(&rt, &AttributePath::of("department"), Leniency::Strict, &mut Applied::default()).is_err());
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
