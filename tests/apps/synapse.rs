//! `mappings/synapse.yaml` and a real Synapse.

use serde_json::{Value, json};

use crate::scim::{Scim, ids, only, user, with};
use crate::support::apps::native::Native;
use crate::support::apps::synapse::{SERVER_NAME, Synapse};

const MAPPING: &str = include_str!("../../mappings/synapse.yaml");
const ADA: &str = "@ada=40example.com:example.test";

fn scim(synapse: &Synapse) -> Scim {
    let settings = [("SYNAPSE_TOKEN", synapse.token()), ("SYNAPSE_SERVER_NAME", SERVER_NAME)];
    Scim::start(MAPPING, synapse.url(), &settings)
}

fn path_of(id: &str) -> String {
    format!("/_synapse/admin/v2/users/{id}")
}

/// What Synapse has, null if there is no such user.
fn read(native: &Native, id: &str) -> Value {
    match native.send("GET", &path_of(id), None).unwrap() {
        (200, user) => user,
        (404, _) => Value::Null,
        other => panic!("{other:?}"),
    }
}

/// The status that Synapse answers a login with.
fn login(native: &Native, id: &str, password: &str) -> u16 {
    let identifier = json!({ "type": "m.id.user", "user": id });
    let body = json!({ "type": "m.login.password", "identifier": identifier, "password": password });
    native.send("POST", "/_matrix/client/v3/login", Some(&body)).unwrap().0
}

fn mail(address: &str) -> Value {
    json!([{ "type": "work", "value": address, "primary": true }])
}

#[test]
fn the_life_of_users() {
    let synapse = Synapse::start().unwrap();
    let native = synapse.native().unwrap();
    let scim = scim(&synapse);
    let path = creation(&scim, &native);
    search(&scim, &native);
    changes(&scim, &native, &path);
    deletion(&scim, &native, &path);
}

fn creation(scim: &Scim, native: &Native) -> String {
    let ada = with(
        user("Ada@Example.com"),
        json!({
            "externalId": "00u-1", "displayName": "Ada L.", "password": "first-password", "active": true,
            "emails": mail("Ada@Example.com"),
        }),
    );
    let created = scim.create("/Users", &ada);
    assert_eq!(created["id"], ADA);
    assert_eq!(created["userName"], "ada@example.com");
    let stored = read(native, ADA);
    assert_eq!(stored["displayname"], "Ada L.");
    assert_eq!(stored["threepids"][0]["address"], "ada@example.com");
    assert_eq!(stored["external_ids"], json!([{ "auth_provider": "scim", "external_id": "00u-1" }]));
    assert_eq!(stored["locked"], false);
    assert_eq!(login(native, ADA, "first-password"), 200);
    let location = created["meta"]["location"].as_str().unwrap();
    let path = format!("/Users/{}", location.rsplit('/').next().unwrap());
    assert_eq!(scim.get(&path), created);

    // Nothing of somebody who is there is overwritten.
    let other = with(user("ada@example.com"), json!({ "displayName": "Somebody else", "password": "second-password" }));
    let taken = scim.expect(409, "POST", "/Users", Some(&other));
    assert_eq!(taken["scimType"], "uniqueness");
    assert_eq!(read(native, ADA), stored);
    assert_eq!(login(native, ADA, "first-password"), 200);

    // An address or an external id that somebody has is not taken away.
    for clash in [json!({ "emails": mail("ADA@example.com") }), json!({ "externalId": "00u-1" })] {
        let taken = scim.expect(409, "POST", "/Users", Some(&with(user("bob"), clash)));
        assert_eq!(taken["scimType"], "uniqueness");
        assert_eq!(read(native, "@bob:example.test"), Value::Null);
        assert_eq!(read(native, ADA), stored);
    }
    let bob = with(user("bob"), json!({ "emails": mail("bob@example.com"), "active": false }));
    let bob = scim.create("/Users", &bob);
    assert_eq!(bob["active"], false);
    assert_eq!(read(native, "@bob:example.test")["locked"], true);
    let clash = json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "ada@example.com" }]);
    let (status, answer) = scim.patch("/Users/@bob:example.test", &clash);
    assert_eq!((status, &answer["scimType"]), (409, &json!("uniqueness")));
    assert_eq!(read(native, ADA), stored);
    path
}

fn search(scim: &Scim, native: &Native) {
    for filter in [
        "userName eq \"ada@example.com\"",
        "userName eq \"ADA@example.com\"",
        "externalId eq \"00u-1\"",
        "emails[type eq \"work\"].value eq \"ada@example.com\"",
        "emails.value eq \"Ada@Example.com\"",
        "displayName co \"ada\"",
    ] {
        let found = scim.found("/Users", filter);
        assert_eq!(only(&found), ADA, "{filter}");
        assert_eq!(found[0]["externalId"], "00u-1", "{filter}");
    }
    for filter in [
        "userName eq \"eve\"",
        "externalId eq \"00U-1\"",
        "externalId eq \"00u\"",
        "emails.value eq \"eve@example.com\"",
        "nickName eq \"ada\"",
    ] {
        assert_eq!(scim.found("/Users", filter), [] as [Value; 0], "{filter}");
    }
    // Bob is locked.
    assert_eq!(only(&scim.found("/Users", "active eq false")), "@bob:example.test");
    let listed = scim.get("/Users");
    assert_eq!(listed["totalResults"], 3);
    assert_eq!(ids(&listed["Resources"], "id"), [ADA, "@admin:example.test", "@bob:example.test"]);
    let ada = listed["Resources"].as_array().unwrap().iter().find(|user| user["id"] == ADA).unwrap();
    assert_eq!(ada["emails"], mail("ada@example.com"));
    let seconds = read(native, ADA)["creation_ts"].as_i64().unwrap();
    let created = jiff::Timestamp::from_second(seconds).unwrap().to_string();
    assert_eq!(ada["meta"]["created"], created);
    let window = scim.get("/Users?startIndex=2&count=1");
    assert_eq!((&window["totalResults"], &window["itemsPerPage"]), (&json!(3), &json!(1)));
    // The list of Synapse has no external ids to sort by.
    let sorted = scim.get("/Users?sortBy=externalId");
    assert_eq!(sorted["Resources"][0]["id"], ADA);
}

fn changes(scim: &Scim, native: &Native, path: &str) {
    // What is not the mapping's own.
    let threepids = json!([
        { "medium": "email", "address": "ada@example.com" },
        { "medium": "msisdn", "address": "447470274584" },
    ]);
    let external_ids = json!([
        { "auth_provider": "oidc", "external_id": "o-1" },
        { "auth_provider": "scim", "external_id": "00u-1" },
    ]);
    let body = json!({ "threepids": threepids, "external_ids": external_ids });
    native.call("PUT", &path_of(ADA), Some(&body)).unwrap();
    let patched = scim.change(
        path,
        &json!([
            { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "ada.l@example.com" },
            { "op": "replace", "path": "externalId", "value": "00u-2" },
            { "op": "remove", "path": "displayName" },
        ]),
    );
    assert_eq!(patched["emails"], mail("ada.l@example.com"));
    let stored = read(native, ADA);
    assert_eq!(ids(&stored["threepids"], "address"), ["447470274584", "ada.l@example.com"]);
    assert_eq!(ids(&stored["external_ids"], "external_id"), ["00u-2", "o-1"]);
    assert_eq!(stored["displayname"], Value::Null);
    scim.change(path, &json!([{ "op": "remove", "path": "emails[type eq \"work\"]" }]));
    assert_eq!(ids(&read(native, ADA)["threepids"], "address"), ["447470274584"]);

    scim.change(path, &json!([{ "op": "Replace", "path": "active", "value": "False" }]));
    assert_eq!(read(native, ADA)["locked"], true);
    assert_eq!(login(native, ADA, "first-password"), 401);
    assert_eq!(only(&scim.found("/Users", "userName eq \"ada@example.com\"")), ADA);
    assert_eq!(scim.get("/Users")["totalResults"], 3);
    scim.change(path, &json!([{ "op": "replace", "value": { "active": true } }]));
    assert_eq!(read(native, ADA)["locked"], false);
    assert_eq!(login(native, ADA, "first-password"), 200);

    scim.change(path, &json!([{ "op": "replace", "path": "password", "value": "second-password" }]));
    assert_eq!(login(native, ADA, "first-password"), 403);
    assert_eq!(login(native, ADA, "second-password"), 200);

    let rename = json!([{ "op": "replace", "path": "userName", "value": "ada" }]);
    let (status, answer) = scim.patch(path, &rename);
    assert_eq!((status, &answer["scimType"]), (400, &json!("mutability")));
    // Another letter case is no other name.
    let put = with(user("ADA@example.com"), json!({ "displayName": "Ada", "active": true, "externalId": "00u-2" }));
    scim.expect(200, "PUT", path, Some(&put));
    let stored = read(native, ADA);
    assert_eq!(stored["displayname"], "Ada");
    assert_eq!(ids(&stored["external_ids"], "external_id"), ["00u-2", "o-1"]);
}

fn deletion(scim: &Scim, native: &Native, path: &str) {
    scim.expect(204, "DELETE", path, None);
    let stored = read(native, ADA);
    assert_eq!((&stored["deactivated"], &stored["erased"]), (&json!(true), &json!(true)));
    assert_eq!(login(native, ADA, "second-password"), 403);
    scim.expect(404, "GET", path, None);
    scim.expect(404, "DELETE", path, None);
    let patch = json!([{ "op": "replace", "path": "displayName", "value": "Ada" }]);
    assert_eq!(scim.patch(path, &patch).0, 404);
    assert_eq!(scim.found("/Users", "userName eq \"ada@example.com\""), [] as [Value; 0]);
    assert_eq!(scim.found("/Users", "externalId eq \"00u-2\""), [] as [Value; 0]);
    assert_eq!(scim.get("/Users")["totalResults"], 2);

    // The name stays taken.
    let again = with(user("ada@example.com"), json!({ "displayName": "Ada" }));
    let taken = scim.expect(409, "POST", "/Users", Some(&again));
    assert_eq!(taken["scimType"], "uniqueness");
    assert_eq!(read(native, ADA), stored);
    scim.expect(404, "DELETE", "/Users/@nobody:example.test", None);
}
