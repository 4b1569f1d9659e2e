//! Evaluation of filters, and their canonical terms.

use serde_json::{Value, json};

use super::*;
use crate::scim::core::{ENTERPRISE_USER as ENT, group_type, user_type};
use crate::scim::schema::{Attribute, Kind};

fn filter(text: &str) -> Filter {
    let mut applied = crate::scim::dialect::Applied::default();
    crate::scim::dialect::filter(text, Leniency::Lenient, &mut applied).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn rt() -> ResourceType {
    let mut rt = user_type();
    rt.schema.attributes.push(Attribute::new("shoeSize", Kind::Decimal));
    rt.schema.attributes.push(Attribute::new("lastLogin", Kind::DateTime));
    rt
}

fn bjensen() -> Value {
    json!({
        "id": "2819c223", "externalId": "Ext1", "userName": "bJensen", "active": true, "shoeSize": 38.5, "title": "",
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENT],
        "name": {"familyName": "O'Malley", "givenName": "Éva"},
        "lastLogin": "2011-05-13T06:42:34+02:00",
        "meta": {"lastModified": "2011-05-13T04:42:34.5Z", "resourceType": "User"},
        "emails": [
            {"type": "work", "value": "B@Example.com", "primary": true},
            {"type": "home", "value": "b@example.org"},
        ],
        "addresses": [{"type": "work", "locality": "Hollywood"}],
        "phoneNumbers": [], "ims": [{"value": ""}],
        ENT: {"department": "Tours", "manager": {"value": "26118"}},
    })
}

#[test]
fn rfc7644_3_4_2_2_operators() {
    let (rt, user) = (rt(), bjensen());
    for (holds, text) in [
        (true, r#"userName eq "BJENSEN""#),
        (true, r#"USERNAME eq "bjensen""#),
        (true, r#"urn:ietf:params:scim:schemas:core:2.0:user:username sw "BJ""#),
        (false, r#"userName eq "bjense""#),
        (true, r#"id eq "2819c223""#),
        (false, r#"id eq "2819C223""#),
        (false, r#"externalId eq "ext1""#),
        (true, "externalId eq Ext1"),
        (true, r#"name.familyName co "'mAL""#),
        (true, r#"name.givenName eq "éVA""#),
        (true, r#"userName ew "SEN""#),
        (true, r#"userName ne "x""#),
        (false, r#"userName ne "bjensen""#),
        (true, r#"userName gt "AAA" and userName le "bjensen""#),
        (false, r#"userName lt "bjensen""#),
        (true, "active eq true"),
        (true, r#"active eq "True""#),
        (true, "active eq TRUE"),
        (false, "active eq false"),
        (true, "active ne false"),
        (true, "shoeSize gt 38 and shoeSize le 38.5"),
        (true, r#"shoeSize eq "38.50""#),
        (true, "shoeSize eq 38.50 and shoeSize lt 1e3"),
        (true, r#"meta.lastModified gt "2011-05-13T04:42:34Z""#),
        (true, r#"lastLogin eq "2011-05-13T04:42:34Z""#),
        (true, r#"lastLogin ge "2011-05-13T04:42:34.000Z" and lastLogin lt "2011-05-13T04:42:35""#),
        (true, r#"meta.resourceType eq "User""#),
        (true, "emails pr"),
        (true, "addresses pr and name pr"),
        (false, "title pr"),
        (false, "phoneNumbers pr"),
        (false, "ims pr"),
        (false, "photos pr"),
        (true, "title eq null and nickName eq null"),
        (true, r#"nickName ne "x""#),
        (false, "userName eq null"),
        (true, "userName ne null"),
        (true, r#"emails co "example.ORG""#),
        (true, r#"emails.value ew ".org""#),
        (true, r#"emails.type eq "Work""#),
        (true, r#"emails[type eq "work" and value co "@example.com"]"#),
        (false, r#"emails[type eq "work" and value co "@example.org"]"#),
        (true, r#"emails.type eq "work" and emails.value co "@example.org""#),
        (true, r#"emails[type eq "work"].value eq "b@example.com""#),
        (false, r#"emails[type eq "work"].value eq "b@example.org""#),
        (true, r#"emails[primary eq "True"].type eq "work""#),
        (true, "emails[not (primary eq true)]"),
        (true, r#"emails[type eq "home" and primary ne true]"#),
        (false, r#"emails[type eq "other"].value pr"#),
        (true, r#"emails[type eq "home"].value pr"#),
        (true, r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#),
        (true, r#"manager eq "26118""#),
        (true, "manager eq 26118"),
        (true, r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "26118""#),
        (true, r#"department eq "tours""#),
        (false, r#"unknown eq "x""#),
        (false, "unknown pr"),
        (true, r#"unknown ne "x""#),
        (true, r#"not (unknown eq "x") and (userName sw "x" or userName sw "b")"#),
        (false, r#"urn:custom:2.0:User:userName eq "bjensen""#),
        (true, r#"id eq "2819c223" and manager eq "26118""#),
    ] {
        let parsed = filter(text);
        parsed.validate(&rt).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(parsed.matches(&rt, &user), holds, "{text}");
    }
    let group = json!({"displayName": "g", "members": [{"value": "a"}, {"value": "U"}]});
    assert!(filter(r#"members eq "U""#).matches(&group_type(), &group));
    assert!(!filter(r#"members eq "zz""#).matches(&group_type(), &group));
}

#[test]
fn rfc7644_3_4_2_2_incompatible_operators() {
    let mut rt = rt();
    rt.schema.attributes.push(Attribute::new("key", Kind::Binary));
    for text in [
        "active gt true",
        r#"active co "t""#,
        "emails[primary ge true]",
        r#"emails[primary lt true].value eq "x""#,
        r#"key gt "aa""#,
        r#"shoeSize eq "big""#,
        "shoeSize lt true",
        r#"meta.created lt "garbage""#,
        r#"lastLogin ne "2011-05-13""#,
        "meta.lastModified ge 1305261754",
        r#"name eq "x""#,
        r#"not (userName pr and addresses sw "x")"#,
    ] {
        let error = filter(text).validate(&rt).expect_err(text);
        assert_eq!(error.scim_type, Some(crate::scim::ScimType::InvalidFilter));
    }
}

#[test]
fn terms_are_canonical() {
    let rt = rt();
    for (text, expected) in [
        (r#"USERNAME eq "x""#, vec![r#"userName eq "x""#]),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "x""#, vec![r#"userName eq "x""#]),
        (r#"emails eq "x""#, vec![r#"emails.value eq "x""#]),
        (r#"emails[Type eq "work"].Value eq "x""#, vec![r#"emails[type eq "work"].value eq "x""#]),
        (
            r#"emails[type eq "work" and value eq "x"]"#,
            vec![r#"emails[value eq "x"].type eq "work""#, r#"emails[type eq "work"].value eq "x""#],
        ),
        (r#"emails[value eq "x"]"#, vec![r#"emails.value eq "x""#]),
        (
            r#"id eq "1" and manager eq "2""#,
            vec![r#"id eq "1""#, r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "2""#],
        ),
        (r#"(a eq 1 and userName eq "x") and title pr"#, vec![r#"userName eq "x""#]),
        (r#"userName eq "x" or userName eq "y""#, vec![]),
        (r#"not (userName eq "x")"#, vec![]),
    ] {
        let filter = filter(text);
        let terms: Vec<String> =
            filter.terms(&rt).iter().map(|t| format!("{} {} {}", t.path, t.op.as_str(), t.value)).collect();
        assert_eq!(terms, expected, "{text}");
    }
}
