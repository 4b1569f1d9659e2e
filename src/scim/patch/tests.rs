//! PATCH as RFC 7644 defines it and as identity providers send it.

use serde_json::{Value, json};

use super::*;
use crate::scim::dialect::Leniency::{self, Lenient, Strict};
use crate::scim::{ResourceType, ScimType, core};

const ENT: &str = core::ENTERPRISE_USER;

fn bjensen() -> Value {
    json!({
        "id": "2819", "userName": "bjensen", "active": true, "title": "Guide",
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "emails": [
            {"type": "work", "value": "bjensen@example.com", "primary": true},
            {"type": "home", "value": "babs@example.org"},
        ],
        ENT: {"department": "Tours", "manager": {"value": "26118", "$ref": "../Users/26118", "displayName": "John"}},
    })
}

#[allow(clippy::needless_pass_by_value)]
fn patched(
    rt: &ResourceType,
    mut resource: Value,
    leniency: Leniency,
    operations: Value,
) -> Result<(Value, Patch), crate::scim::Error> {
    let patch = parse(rt, json!({"schemas": [SCHEMA], "Operations": operations}), leniency)?;
    apply(rt, &mut resource, &patch.operations)?;
    Ok((resource, patch))
}

fn user(operations: Value) -> Value {
    let shown = operations.to_string();
    match patched(&core::user_type(), bjensen(), Leniency::Lenient, operations) {
        Ok((user, patch)) => {
            assert!(patch.ignored.is_empty(), "{shown}: {:?}", patch.ignored);
            user
        }
        Err(error) => panic!("{shown}: {error}"),
    }
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut user = bjensen();
    change(&mut user);
    user
}

fn refused(leniency: Leniency, operations: Value) -> Option<ScimType> {
    let shown = operations.to_string();
    patched(&core::user_type(), bjensen(), leniency, operations).expect_err(&shown).scim_type
}

#[test]
fn entra_legacy_dialect() {
    let user = user(json!([
        {"op": "Replace", "path": "displayName", "value": "Pvlo"},
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "t@example.com"},
        {"op": "Replace", "path": "name.givenName", "value": "Gtfd"},
        {"op": "Replace", "path": "externalId", "value": "Eqpj"},
        {"op": "Replace", "path": format!("{ENT}:employeeNumber"), "value": "Eqpj"},
        {"op": "Add", "path": "nickName", "value": "Babs"},
        {"op": "Add", "path": "addresses[type eq \"work\"].formatted", "value": "18/2111"},
        {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Here"},
        {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1 555"},
        {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"},
        {"op": "Add", "path": format!("{ENT}:department"), "value": "Retail"},
        {"op": "Add", "path": format!("{ENT}:manager"), "value": "271"},
        {"op": "Replace", "path": "active", "value": "False"},
    ]));
    assert_eq!(user["displayName"], "Pvlo");
    assert_eq!(user["emails"][0], json!({"type": "work", "value": "t@example.com", "primary": true}));
    assert_eq!(user["name"], json!({"givenName": "Gtfd", "familyName": "Jensen"}));
    assert_eq!(user["externalId"], "Eqpj");
    assert_eq!(user["addresses"], json!([{"type": "work", "formatted": "18/2111", "locality": "Here"}]));
    assert_eq!(user["phoneNumbers"], json!([{"type": "mobile", "value": "+1 555"}]));
    assert_eq!(user["roles"], json!([{"primary": true, "value": "Admin"}]));
    assert_eq!(user[ENT], json!({"employeeNumber": "Eqpj", "department": "Retail", "manager": {"value": "271"}}));
    assert_eq!(user["active"], false);
}

#[test]
fn entra_flag_dialect() {
    let user = user(json!([
        {"op": "replace", "value": {
            "displayName": "Bjfe", "name.givenName": "Kkom", "name.familyName": "Unua",
            format!("{ENT}:employeeNumber"): "Aklq",
            ENT: {"department": "Sea", "manager.value": "9"},
            "emails[type eq \"home\"].value": "new@example.org",
            "id": "2819", "schemas": [], "meta": {"resourceType": "User"}, "groups": [],
        }},
        {"op": "replace", "path": "active", "value": false},
    ]));
    assert_eq!(user["name"], json!({"givenName": "Kkom", "familyName": "Unua"}));
    assert_eq!(user["emails"][1]["value"], "new@example.org");
    assert_eq!(user["id"], "2819");
    assert_eq!(user[ENT], json!({"department": "Sea", "employeeNumber": "Aklq", "manager": {"value": "9"}}));
}

#[test]
fn manager_in_every_form() {
    let manager = |user: &Value| user[ENT].get("manager").cloned();
    for (operation, expected) in [
        (
            json!({"op": "Add", "path": "manager", "value": [{"$ref": "http://x/Users/7", "value": "7"}]}),
            json!({"$ref": "http://x/Users/7", "value": "7"}),
        ),
        (json!({"op": "replace", "path": format!("{ENT}:manager"), "value": {"value": "7"}}), json!({"value": "7"})),
        (
            json!({"op": "replace", "path": format!("{ENT}:manager"), "value": {"value": "26118"}}),
            json!({"value": "26118", "$ref": "../Users/26118", "displayName": "John"}),
        ),
        (json!({"op": "replace", "path": format!("{ENT}:manager.value"), "value": "7"}), json!({"value": "7"})),
        (
            json!({"op": "replace", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0User:manager", "value": "7"}),
            json!({"value": "7"}),
        ),
        (json!({"op": "replace", "value": {ENT: {"manager": {"managerId": "7"}}}}), json!({"value": "7"})),
    ] {
        assert_eq!(manager(&user(json!([operation.clone()]))), Some(expected), "{operation}");
    }
    for operation in [
        json!({"op": "Replace", "path": format!("{ENT}:manager"), "value": ""}),
        json!({"op": "Replace", "path": format!("{ENT}:manager"), "value": {"value": ""}}),
        json!({"op": "Replace", "path": format!("{ENT}:manager"), "value": null}),
        json!({"op": "Replace", "path": format!("{ENT}:manager"), "value": [{"value": ""}]}),
        json!({"op": "Remove", "path": format!("{ENT}:manager")}),
        json!({"op": "Remove", "path": format!("{ENT}:manager"), "value": "26118"}),
        json!({"op": "Remove", "path": "manager"}),
    ] {
        assert_eq!(manager(&user(json!([operation.clone()]))), None, "{operation}");
    }
}

#[test]
fn rfc7644_3_5_2_1_add() {
    assert_eq!(
        user(
            json!([{"op": "add", "value": {"emails": [{"value": "c@example.com", "type": "other"}], "nickName": "Babs"}}])
        ),
        changed(|u| {
            u["nickName"] = json!("Babs");
            u["emails"].as_array_mut().unwrap().push(json!({"value": "c@example.com", "type": "other"}));
        })
    );
    assert_eq!(
        user(json!([{"op": "add", "path": "emails", "value": [{"value": "babs@example.org", "type": "home"}]}])),
        bjensen(),
        "a value that is there is not added again"
    );
    assert_eq!(
        user(json!([{"op": "add", "path": "emails", "value": {"value": "c@example.com", "primary": "True"}}]))["emails"],
        json!([
            {"type": "work", "value": "bjensen@example.com", "primary": false},
            {"type": "home", "value": "babs@example.org"},
            {"value": "c@example.com", "primary": true},
        ])
    );
    assert_eq!(
        user(
            json!([{"op": "add", "path": "emails", "value": []}, {"op": "add", "path": "name", "value": {"middleName": "J"}}])
        ),
        changed(|u| u["name"]["middleName"] = json!("J"))
    );
}

#[test]
fn rfc7644_3_5_2_2_remove() {
    assert_eq!(
        user(json!([{"op": "remove", "path": "emails[type eq \"home\"]"}])),
        changed(|u| {
            u["emails"].as_array_mut().unwrap().pop();
        })
    );
    for (operations, gone) in [
        (json!([{"op": "remove", "path": "emails"}]), "emails"),
        (json!([{"op": "remove", "path": "emails[value pr]"}]), "emails"),
        (json!([{"op": "remove", "path": "title", "value": "anything"}]), "title"),
        (json!([{"op": "remove", "path": ENT}]), ENT),
        (json!([{"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "name.familyName"}]), "name"),
    ] {
        assert_eq!(
            user(operations),
            changed(|u| {
                u.as_object_mut().unwrap().remove(gone);
            }),
            "{gone}"
        );
    }
    assert_eq!(
        user(json!([{"op": "Remove", "path": "emails[type eq \"home\"].value", "value": "babs@example.org"}])),
        changed(|u| {
            u["emails"].as_array_mut().unwrap().pop();
        })
    );
    assert_eq!(
        user(json!([{"op": "remove", "path": "emails", "value": [{"value": "BABS@example.org"}]}])),
        changed(|u| {
            u["emails"].as_array_mut().unwrap().pop();
        })
    );
    for unchanged in [
        json!([{"op": "remove", "path": "emails[type eq \"other\"]"}]),
        json!([{"op": "remove", "path": "emails", "value": []}]),
        json!([{"op": "remove", "path": "emails", "value": [{"value": "nobody@example.org"}]}]),
        json!([{"op": "remove", "path": "phoneNumbers[type eq \"work\"].value"}]),
        json!([{"op": "remove", "path": "nickName"}]),
        json!([{"op": "replace", "path": "manager", "value": {"displayName": "John"}}]),
        json!([{"op": "replace", "path": "manager", "value": {}}]),
        json!([{"op": "replace", "path": "name", "value": {}}]),
        json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {}}]),
        json!([{"op": "replace", "value": {"title": "Guide", core::USER: {"title": "Guide"}}}]),
        json!([]),
    ] {
        assert_eq!(user(unchanged), bjensen());
    }
    for leniency in [Lenient, Strict] {
        assert_eq!(refused(leniency, json!([{"op": "remove"}])), Some(ScimType::NoTarget));
        assert_eq!(refused(leniency, json!([{"op": "remove", "path": "userName"}])), Some(ScimType::Mutability));
        assert_eq!(refused(leniency, json!([{"op": "remove", "path": "groups"}])), Some(ScimType::Mutability));
        assert_eq!(
            refused(leniency, json!([{"op": "replace", "path": "id", "value": "x"}])),
            Some(ScimType::Mutability)
        );
        assert_eq!(
            refused(leniency, json!([{"op": "replace", "path": "userName", "value": null}])),
            Some(ScimType::InvalidValue)
        );
    }
    assert_eq!(
        refused(Strict, json!([{"op": "remove", "path": "emails[type eq \"other\"]"}])),
        Some(ScimType::NoTarget)
    );
}

#[test]
fn rfc7644_3_5_2_3_replace() {
    assert_eq!(
        user(json!([{"op": "replace", "path": "name", "value": {"givenName": "X"}}])),
        changed(|u| u["name"]["givenName"] = json!("X")),
        "a complex value merges"
    );
    assert_eq!(
        user(json!([{"op": "replace", "value": {"name": {"givenName": null}}}])),
        changed(|u| u["name"] = json!({"familyName": "Jensen"}))
    );
    assert_eq!(
        user(json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "x@example.com"}}]))["emails"]
            [0],
        json!({"type": "work", "value": "x@example.com"})
    );
    assert_eq!(
        user(json!([{"op": "replace", "path": "emails", "value": [{"value": "x@example.com"}]}]))["emails"],
        json!([{"value": "x@example.com"}])
    );
    assert_eq!(
        user(json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]))["emails"],
        json!([
            {"type": "work", "value": "bjensen@example.com", "primary": false},
            {"type": "home", "value": "babs@example.org", "primary": true},
        ])
    );
    assert_eq!(user(json!([{"op": "replace", "path": "emails", "value": []}])).get("emails"), None);
    for cleared in [json!(""), json!(null), json!([""]), json!([])] {
        assert_eq!(user(json!([{"op": "replace", "path": "title", "value": cleared}])).get("title"), None);
    }
    for wrapped in [json!("x"), json!(["x"]), json!([{"value": "x"}]), json!({"value": "x"})] {
        assert_eq!(user(json!([{"op": "replace", "path": "title", "value": wrapped}]))["title"], "x");
    }
    assert_eq!(
        refused(Leniency::Strict, json!([{"op": "replace", "path": "emails[type eq \"other\"].value", "value": "x"}])),
        Some(ScimType::NoTarget)
    );
    assert_eq!(
        refused(Leniency::Lenient, json!([{"op": "replace", "path": "emails[type co \"other\"].value", "value": "x"}])),
        Some(ScimType::NoTarget)
    );
}

#[test]
fn malformed_requests_are_refused() {
    let rt = core::user_type();
    for (body, kind) in [
        (json!([]), ScimType::InvalidSyntax),
        (json!({}), ScimType::InvalidSyntax),
        (json!({"Operations": "x"}), ScimType::InvalidSyntax),
        (json!({"Operations": [7]}), ScimType::InvalidSyntax),
        (json!({"Operations": [{"path": "title"}]}), ScimType::InvalidSyntax),
        (json!({"Operations": [{"op": "move", "path": "title"}]}), ScimType::InvalidSyntax),
        (json!({"Operations": [{"op": "add", "path": 1, "value": 1}]}), ScimType::InvalidPath),
        (json!({"Operations": [{"op": "add", "path": "a[", "value": 1}]}), ScimType::InvalidFilter),
        (json!({"Operations": [{"op": "add", "path": "a..b", "value": 1}]}), ScimType::InvalidPath),
        (json!({"Operations": [{"op": "remove", "path": "emails[primary gt true]"}]}), ScimType::InvalidFilter),
        (json!({"Operations": [{"op": "remove", "path": "emails[nope ne \"x\"]"}]}), ScimType::InvalidFilter),
        (json!({"Operations": [{"op": "remove", "path": "emails[nope eq \"x\"]"}]}), ScimType::InvalidFilter),
        (
            json!({"Operations": [{"op": "replace", "path": "emails[not (nope pr)].value", "value": "x"}]}),
            ScimType::InvalidFilter,
        ),
        (json!({"Operations": [{"op": "remove", "path": "emails[value.x ne \"x\"]"}]}), ScimType::InvalidFilter),
        (json!({"Operations": [{"op": "remove", "path": "emails[urn:x:value ne \"x\"]"}]}), ScimType::InvalidFilter),
        (json!({"Operations": [{"op": "add", "path": "title"}]}), ScimType::InvalidValue),
        (json!({"Operations": [{"op": "add", "value": "x"}]}), ScimType::InvalidValue),
        (json!({"Operations": [{"op": "replace", "path": "active", "value": "maybe"}]}), ScimType::InvalidValue),
        (json!({"Operations": [{"op": "replace", "path": "title", "value": {"a": 1}}]}), ScimType::InvalidValue),
        (json!({"Operations": [{"op": "replace", "path": "title", "value": ["a", "b"]}]}), ScimType::InvalidValue),
        (json!({"Operations": [{"op": "replace", "path": "name", "value": "x"}]}), ScimType::InvalidValue),
        (
            json!({"Operations": [{"op": "replace", "value": {"active": false, core::USER: {"active": true}}}]}),
            ScimType::InvalidValue,
        ),
        (
            json!({"Operations": [{"op": "add", "value": {"name.givenName": "a", "name": {"givenName": "b"}}}]}),
            ScimType::InvalidValue,
        ),
        (
            json!({"Operations": [{"op": "add", "value": {format!("{ENT}:department"): "a", ENT: {"department": "b"}}}]}),
            ScimType::InvalidValue,
        ),
        (
            json!({"Operations": [{"op": "add", "path": ENT, "value": {"department": "a", "Department": "b"}}]}),
            ScimType::InvalidValue,
        ),
    ] {
        assert_eq!(parse(&rt, body.clone(), Lenient).expect_err(&body.to_string()).scim_type, Some(kind), "{body}");
    }
    for operations in [
        json!([]),
        json!([{"op": "Replace", "path": "title", "value": "x"}]),
        json!([{"op": "replace", "path": "active", "value": "False"}]),
        json!([{"op": "replace", "path": "emails", "value": {"value": "x"}}]),
        json!([{"op": "replace", "value": {"id": "x"}}]),
        json!([{"op": "remove", "path": "emails", "value": [{"value": "x"}]}]),
    ] {
        refused(Strict, operations);
    }
}

/// As an application does not show the names of a group's members, or which e-mail is the primary one.
#[test]
fn what_the_application_lacks_selects_nothing() {
    let mut rt = core::user_type();
    let emails = rt.schema.attribute_mut("emails").unwrap();
    emails.sub_attributes.retain(|sub| !matches!(sub.name.as_str(), "primary" | "display"));
    let parsed = |filter: &str| {
        let operation = json!({"op": "remove", "path": format!("emails[{filter}]")});
        parse(&rt, json!({"Operations": [operation]}), Lenient).map_err(|error| error.scim_type)
    };
    for filter in
        ["primary eq true", "display pr", "not (display ne \"x\")", "type eq \"work\" and primary eq \"True\""]
    {
        assert_eq!(parsed(filter).map(|patch| patch.operations.len()), Ok(1), "{filter}");
    }
    for filter in
        ["display ne \"x\"", "not (display eq \"x\")", "display eq null", "type ne \"work\" or not (primary pr)"]
    {
        assert_eq!(parsed(filter), Err(Some(ScimType::InvalidFilter)), "{filter}");
    }
}

#[test]
fn a_refusal_says_which_operation_it_is_about() {
    let detail =
        |operations: Value| parse(&core::user_type(), json!({"Operations": operations}), Lenient).unwrap_err().detail;
    assert!(detail(json!([{"op": "remove", "path": "title"}, {"path": "title"}])).starts_with("operation 2: "));
    assert!(detail(json!([{"path": "title"}])).starts_with("an operation lacks"));
}

#[test]
fn unknown_attributes_are_reported() {
    let rt = core::user_type();
    let patch = parse(&rt, json!({"Operations": [
        {"op": "replace", "path": "shoeSize", "value": 44},
        {"op": "add", "path": "urn:custom:2.0:User:floor", "value": 3},
        {"op": "replace", "value": {"hat": 1, "urn:custom:2.0:User": {"x": 1}, "title": "t", "name": {"nick": "x"}}},
    ]}), Leniency::Lenient).unwrap();
    assert_eq!(patch.ignored, ["shoeSize", "urn:custom:2.0:User:floor", "hat", "name.nick", "urn:custom:2.0:User"]);
    assert_eq!(patch.operations.len(), 1, "what is unknown clears nothing");
}

#[test]
fn a_failure_changes_nothing() {
    let rt = core::user_type();
    let patch = parse(
        &rt,
        json!({"Operations": [
            {"op": "replace", "path": "title", "value": "x"},
            {"op": "replace", "path": "emails[type sw \"zz\"].value", "value": "x"},
        ]}),
        Leniency::Lenient,
    )
    .unwrap();
    let mut user = bjensen();
    assert!(apply(&rt, &mut user, &patch.operations).is_err());
    assert_eq!(user, bjensen());
}

#[test]
fn group_member_edits() {
    let rt = core::group_type();
    let edits = |operations: Value| {
        let patch = parse(&rt, json!({"Operations": operations}), Leniency::Lenient).unwrap();
        member_edits(&patch.operations).unwrap()
    };
    let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    let (found, rest) = edits(json!([
        {"op": "replace", "value": {"id": "g", "displayName": "Test"}},
        {"op": "remove", "path": "members[value eq \"a\"]"},
        {"op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]"},
        {"op": "Add", "path": "members", "value": [{"$ref": null, "value": "c"}, {"value": "c"}, {"value": "d", "display": "D"}]},
        {"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "e"}]},
        {"op": "replace", "value": {"members": [{"value": "f"}]}},
        {"op": "replace", "path": "members", "value": []},
        {"op": "remove", "path": "members"},
        {"op": "remove", "path": "members[type eq \"User\"]"},
        {"op": "add", "path": "members", "value": "g"},
        {"op": "add", "path": "members", "value": {"value": "h"}},
        {"op": "add", "path": "members", "value": []},
        {"op": "remove", "path": "members", "value": []},
    ]));
    assert_eq!(
        found,
        [
            MemberEdit::Remove(ids(&["a"])),
            MemberEdit::Remove(ids(&["a", "b"])),
            MemberEdit::Add(ids(&["c", "d"])),
            MemberEdit::Remove(ids(&["e"])),
            MemberEdit::Replace(ids(&["f"])),
            MemberEdit::Replace(vec![]),
            MemberEdit::Replace(vec![]),
            MemberEdit::RemoveWhere(Filter::parse("type eq \"User\"").unwrap()),
            MemberEdit::Add(ids(&["g"])),
            MemberEdit::Add(ids(&["h"])),
        ]
    );
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].path, AttributePath::of("displayName"));

    let patch = parse(
        &rt,
        json!({"Operations": [{"op": "add", "path": "members", "value": [{"display": "x"}]}]}),
        Leniency::Lenient,
    );
    assert!(patch.is_err() || member_edits(&patch.unwrap().operations).is_err());
}

#[test]
fn members_are_added_once_and_removed_by_value() {
    let rt = core::group_type();
    let group = json!({"displayName": "g", "members": [{"value": "a", "type": "User", "display": "A"}]});
    let (group, _) = patched(
        &rt,
        group,
        Leniency::Lenient,
        json!([
            {"op": "add", "path": "members", "value": [{"value": "a"}, {"value": "b"}, {"value": "b"}]},
        ]),
    )
    .unwrap();
    assert_eq!(group["members"], json!([{"value": "a", "type": "User", "display": "A"}, {"value": "b"}]));
    let (group, _) = patched(
        &rt,
        group,
        Leniency::Lenient,
        json!([
            {"op": "remove", "path": "members", "value": [{"value": "a"}, {"value": "zz"}]},
        ]),
    )
    .unwrap();
    assert_eq!(group["members"], json!([{"value": "b"}]));
    let error = patched(
        &rt,
        group,
        Leniency::Lenient,
        json!([
            {"op": "replace", "path": "members[value eq \"b\"].value", "value": "c"},
        ]),
    )
    .unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::Mutability));
}

#[test]
fn value_paths_that_select_nothing_make_an_element() {
    let emails =
        |path: &str, value: Value| user(json!([{"op": "replace", "path": path, "value": value}]))["emails"].clone();
    let with = |element: Value| {
        let mut emails = bjensen()["emails"].clone();
        emails.as_array_mut().unwrap().push(element);
        emails
    };
    let other = json!({"type": "other", "value": "o@example.com"});
    assert_eq!(emails("emails[type eq \"other\"].value", json!("o@example.com")), with(other.clone()));
    assert_eq!(emails("emails[type eq other]", json!({"value": "o@example.com"})), with(other.clone()));
    assert_eq!(emails("emails[type eq \"other\"]", json!("o@example.com")), with(other));
    let primary = emails("emails[primary eq \"True\" and type eq \"other\"].value", json!("o@example.com"));
    assert_eq!(primary[0]["primary"], false);
    assert_eq!(primary[2], json!({"type": "other", "primary": true, "value": "o@example.com"}));
}

#[test]
fn the_core_schema_may_be_named() {
    let expected = changed(|u| u["title"] = json!("x"));
    for operation in [
        json!({"op": "replace", "path": format!("{}:title", core::USER), "value": "x"}),
        json!({"op": "replace", "path": core::USER, "value": {"title": "x"}}),
        json!({"op": "replace", "value": {core::USER: {"title": "x"}}}),
    ] {
        assert_eq!(user(json!([operation.clone()])), expected, "{operation}");
    }
}

#[test]
fn what_is_stored_keeps_its_letter_case() {
    let user =
        user(json!([{"op": "add", "path": "emails", "value": [{"value": "BABS@EXAMPLE.ORG", "display": "Babs"}]}]));
    assert_eq!(user["emails"][1], json!({"type": "home", "value": "babs@example.org", "display": "Babs"}));
    assert_eq!(user["emails"].as_array().unwrap().len(), 2);
}

mod properties {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn json_value() -> BoxedStrategy<Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3i64..3).prop_map(Value::from),
            prop::sample::select(vec!["", "x", "work", "True", "a@example.com", "2819"]).prop_map(Value::from),
        ];
        let key = prop::sample::select(vec![
            "value",
            "type",
            "primary",
            "display",
            "givenName",
            "familyName",
            "manager",
            "department",
            "userName",
            "emails",
            "name",
            "name.givenName",
            "active",
            "id",
            "groups",
            "nope",
            "emails[type eq \"work\"].value",
            core::ENTERPRISE_USER,
        ]);
        leaf.prop_recursive(3, 16, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..4).prop_map(|members| {
                    Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())
                }),
            ]
        })
        .boxed()
    }

    fn operation() -> impl Strategy<Value = Value> {
        let path = prop::sample::select(vec![
            "",
            "userName",
            "title",
            "active",
            "name",
            "name.givenName",
            "emails",
            "emails.value",
            "emails.primary",
            "emails[type eq \"work\"]",
            "emails[type eq \"work\"].value",
            "emails[type eq \"other\"].primary",
            "addresses[type eq \"work\"].locality",
            "manager",
            "department",
            "groups",
            "meta",
            "nope",
            "x509Certificates",
            "emails[not (type pr)]",
            core::ENTERPRISE_USER,
        ]);
        (prop::sample::select(vec!["add", "Replace", "remove"]), path, json_value())
            .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
    }

    fn primaries(user: &Value) -> usize {
        let emails = user["emails"].as_array();
        emails.map_or(0, |all| all.iter().filter(|e| e["primary"] == true).count())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn whatever_is_patched_stays_a_sound_resource(operations in prop::collection::vec(operation(), 1..5)) {
            let rt = core::user_type();
            let body = json!({"schemas": [SCHEMA], "Operations": operations});
            for leniency in [Lenient, Strict] {
                let Ok(patch) = parse(&rt, body.clone(), leniency) else { continue };
                let mut user = bjensen();
                let result = apply(&rt, &mut user, &patch.operations);
                if result.is_err() {
                    prop_assert_eq!(&user, &bjensen());
                }
                prop_assert!(primaries(&user) <= 1, "{}", user);
                prop_assert_eq!(&user["id"], "2819");
                prop_assert!(user["userName"].is_string());
                prop_assert!(user["emails"].is_null() || user["emails"].as_array().is_some_and(|e| !e.is_empty()));
                for member in user.as_object().unwrap().values() {
                    prop_assert!(!member.is_null() && *member != json!({}), "{}", user);
                }
                let again = patch.operations.iter().all(|o| o.path.filter.is_none());
                if result.is_ok() && again && patch.operations.len() == 1 {
                    let once = user.clone();
                    prop_assert!(apply(&rt, &mut user, &patch.operations).is_ok());
                    prop_assert_eq!(once, user);
                }
            }
        }

        #[test]
        fn any_body_is_answered(body in json_value()) {
            for rt in [core::user_type(), core::group_type()] {
                let _ = parse(&rt, body.clone(), Lenient);
                for mode in [crate::scim::resource::Mode::Create, crate::scim::resource::Mode::Replace] {
                    if let Ok(read) = crate::scim::resource::normalise(&rt, body.clone(), mode, Lenient) {
                        // What was understood once needs no more understanding.
                        let mut written = Value::Object(read.resource.clone());
                        written["schemas"] = rt.schemas_of(&read.resource);
                        let again = crate::scim::resource::normalise(&rt, written, mode, Strict);
                        prop_assert_eq!(again.map(|a| a.resource).map_err(|e| e.to_string()), Ok(read.resource));
                    }
                }
            }
        }
    }
}
