//! Bodies of POST and PUT.

use serde_json::{Value, json};

use super::*;
use crate::scim::ScimType;
use crate::scim::core::{ENTERPRISE_USER as ENT, USER, group_type, user_type};

fn create(body: Value) -> Normalised {
    let shown = body.to_string();
    normalise(&user_type(), body, Mode::Create, Leniency::Lenient).unwrap_or_else(|e| panic!("{shown}: {e}"))
}

#[test]
fn okta_create() {
    let normalised = create(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "test.user@okta.local",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": true, "value": "test.user@okta.local", "type": "work"}],
        "displayName": "Test User", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [], "password": "1mz050nq", "active": true,
    }));
    assert_eq!(
        Value::Object(normalised.resource),
        json!({
            "userName": "test.user@okta.local",
            "name": {"givenName": "Test", "familyName": "User"},
            "emails": [{"primary": true, "value": "test.user@okta.local", "type": "work"}],
            "displayName": "Test User", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
            "password": "1mz050nq", "active": true,
        })
    );
    assert!(normalised.ignored.is_empty() && normalised.applied.quirks().is_empty());
}

#[test]
fn onelogin_create() {
    let normalised = create(json!({
        ENT: {"department": "d", "manager": {"managerId": "7", "displayName": "A B"}},
        "active": "true", "emails": {"value": "a@b", "type": "work", "primary": "True"},
        "meta": {"resourceType": "User"}, "name": {"familyName": "B", "givenName": "A", "formatted": "A B"},
        "userName": "a@b", "id": null, "schemas": ["urn:scim:schemas:core:1.0"],
    }));
    assert_eq!(
        Value::Object(normalised.resource),
        json!({
            ENT: {"department": "d", "manager": {"value": "7"}},
            "active": true, "emails": [{"value": "a@b", "type": "work", "primary": true}],
            "name": {"familyName": "B", "givenName": "A", "formatted": "A B"}, "userName": "a@b",
        })
    );
    let mut names: Vec<&str> = normalised.applied.quirks().iter().map(|quirk| quirk.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["manager-id", "missing-schemas", "single-for-array", "string-boolean"]);
}

#[test]
fn entra_create() {
    let normalised = create(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "username": "t", "addresses": null,
        "roles": [{"primary": "True", "type": "R", "value": "Admin"}, {"primary": "True", "value": "B"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"Department": "d", "manager": "271"},
        "urn:custom:2.0:User": {"floor": 3}, "shoeSize": 44, "name.givenName": "G", "costCenter": "9", "nickName": "",
    }));
    assert_eq!(
        Value::Object(normalised.resource),
        json!({
            "userName": "t", "name": {"givenName": "G"},
            "roles": [{"primary": true, "type": "R", "value": "Admin"}, {"primary": false, "value": "B"}],
            ENT: {"department": "d", "manager": {"value": "271"}, "costCenter": "9"},
        })
    );
    assert_eq!(normalised.ignored, ["shoeSize", "urn:custom:2.0:User"]);
}

#[test]
fn clears_survive_in_put_only() {
    let body = json!({"userName": "u", "title": null, "emails": [], "nickName": "", "name": {}, ENT: {"manager": "", "division": "x"}});
    assert_eq!(Value::Object(create(body.clone()).resource), json!({"userName": "u", ENT: {"division": "x"}}));
    let put = normalise(&user_type(), body, Mode::Replace, Leniency::Lenient).unwrap();
    assert_eq!(
        Value::Object(put.resource.clone()),
        json!({"userName": "u", "title": null, "emails": null, "nickName": null, ENT: {"manager": null, "division": "x"}}),
        "an empty object says nothing"
    );
    let current = json!({"id": "1", "userName": "old", "title": "t", "locale": "en", "emails": [{"value": "x"}],
        "meta": {"resourceType": "User"}, ENT: {"manager": {"value": "7"}, "costCenter": "c"}});
    assert_eq!(
        put.clone().replace_in(&user_type(), &current, Omitted::Keep).unwrap(),
        json!({"id": "1", "userName": "u", "locale": "en", "meta": {"resourceType": "User"}, ENT: {"division": "x", "costCenter": "c"}})
    );
    assert_eq!(
        put.replace_in(&user_type(), &current, Omitted::Clear).unwrap(),
        json!({"id": "1", "userName": "u", "meta": {"resourceType": "User"}, ENT: {"division": "x"}})
    );
}

#[test]
fn refusals() {
    for (body, part) in [
        (json!([]), "object"),
        (json!({"active": true}), "`userName` is required"),
        (json!({"userName": ""}), "`userName` is required"),
        (json!({"userName": {"a": 1}}), "`userName` must be a string, not an object"),
        (json!({"userName": "u", "active": "maybe"}), "`active` must be a boolean, not a string"),
        (json!({"userName": "u", "emails": [{"primary": 1}]}), "`emails.primary` must be a boolean, not a number"),
        (json!({"userName": "u", "name": "x"}), "`name` must be an object"),
        (json!({"userName": "u", ENT: "x"}), "must be an object"),
        (json!({"userName": "u", "active": false, USER: {"active": true}}), "`active` is given twice"),
        (json!({"userName": "u", "name.givenName": "a", "name": {"givenName": "b"}}), "`name` is given twice"),
        (
            json!({"userName": "u", format!("{ENT}:department"): "a", ENT: {"department": "b"}}),
            "`department` is given twice",
        ),
        (json!({"userName": "u", "title": 1.10}), "`title` must be a string, with quotes around it, not a number"),
    ] {
        let error =
            normalise(&user_type(), body.clone(), Mode::Create, Leniency::Lenient).expect_err(&body.to_string());
        assert!(error.detail.contains(part), "{body}: {}", error.detail);
        assert_eq!(error.status, 400);
    }
    for (emails, part) in [
        (json!([null]), "`emails` has an element that says nothing"),
        (json!([{"valeu": "x", "type": "work"}, {}]), "`emails` has an element without its `value`"),
    ] {
        let body = json!({"userName": "u", "emails": emails});
        let put = normalise(&user_type(), body.clone(), Mode::Replace, Leniency::Lenient).expect_err(part);
        assert_eq!(put.detail, part);
        assert_eq!(Value::Object(create(body).resource), json!({"userName": "u"}));
    }
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    for (member, value) in [
        ("active", json!("true")),
        ("emails", json!({"value": "x"})),
        ("emails", json!([{"value": "x", "primary": true}, {"value": "y", "primary": true}])),
        ("title", json!(["x"])),
        (ENT, json!({"department": "x"})),
    ] {
        let body = json!({"schemas": schemas, "userName": "u", member: value});
        let error = normalise(&user_type(), body.clone(), Mode::Create, Leniency::Strict).expect_err(&body.to_string());
        assert!(matches!(error.scim_type, Some(ScimType::InvalidValue | ScimType::InvalidSyntax)));
    }
    assert!(normalise(&user_type(), json!({"userName": "u"}), Mode::Create, Leniency::Strict).is_err());
}

#[test]
fn what_is_said_twice_may_be_the_same() {
    let body = json!({"userName": "u", "active": true, USER: {"active": true}, "name.givenName": "a",
        "name": {"givenName": "a", "familyName": "b"}, format!("{ENT}:department"): "d", ENT: {"department": "d"}});
    assert_eq!(
        Value::Object(create(body).resource),
        json!({"userName": "u", "active": true, "name": {"givenName": "a", "familyName": "b"}, ENT: {"department": "d"}})
    );
}

#[test]
fn read_only_parts_of_members_are_carried_over() {
    let put = normalise(
        &group_type(),
        json!({"displayName": "g", "members": [{"value": "a", "display": "wrong"}, {"value": "b"}]}),
        Mode::Replace,
        Leniency::Lenient,
    )
    .unwrap();
    let current = json!({"displayName": "g", "members": [{"value": "a", "display": "A"}]});
    assert_eq!(
        put.replace_in(&group_type(), &current, Omitted::Keep).unwrap()["members"],
        json!([{"value": "a", "display": "A"}, {"value": "b"}])
    );
}
