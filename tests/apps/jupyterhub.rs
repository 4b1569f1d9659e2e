//! `mappings/jupyterhub.yaml` and a real JupyterHub.

use serde_json::{Value, json};

use crate::scim::{Scim, group, ids, only, user, with};
use crate::support::apps::jupyterhub::{JupyterHub, PAGE_LIMIT, TOKEN};

const MAPPING: &str = include_str!("../../mappings/jupyterhub.yaml");

/// What the hub has, null if there is nothing.
fn read(hub: &JupyterHub, path: &str) -> Value {
    let native = hub.native().unwrap();
    match native.send("GET", &format!("/hub/api{path}"), None).unwrap() {
        (200, found) => found,
        (404, _) => Value::Null,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_life_of_users_and_groups() {
    let hub = JupyterHub::start().unwrap();
    let scim = Scim::start(MAPPING, hub.url(), &[("JUPYTERHUB_TOKEN", TOKEN)]);
    users(&scim, &hub);
    groups(&scim, &hub);
    deletion(&scim, &hub);
    pages(&scim, &hub);
}

fn users(scim: &Scim, hub: &JupyterHub) {
    let ada = with(
        user("Ada@Example.com"),
        json!({
            "externalId": "00u-1", "active": true, "name": { "givenName": "Ada" },
            "emails": [{ "type": "work", "value": "ada@example.com" }],
        }),
    );
    let created = scim.create("/Users", &ada);
    assert_eq!(created["id"], "ada@example.com");
    assert_eq!(created["active"], true);
    let stored = read(hub, "/users/ada%40example.com");
    assert_eq!((&stored["name"], &stored["admin"]), (&json!("ada@example.com"), &json!(false)));
    assert_eq!(scim.get("/Users/ada%40example.com"), created);
    let taken = scim.expect(409, "POST", "/Users", Some(&user("ADA@example.com")));
    assert_eq!(taken["scimType"], "uniqueness");
    for name in ["bob", "eve"] {
        scim.create("/Users", &user(name));
    }

    assert_eq!(only(&scim.found("/Users", "userName eq \"Ada@example.com\"")), "ada@example.com");
    assert_eq!(scim.found("/Users", "userName eq \"ada\""), [] as [Value; 0]);
    assert_eq!(scim.found("/Users", "externalId eq \"00u-1\""), [] as [Value; 0]);
    assert_eq!(only(&scim.found("/Users", "userName sw \"ada\"")), "ada@example.com");
    let listed = scim.get("/Users");
    assert_eq!(ids(&listed["Resources"], "id"), ["ada@example.com", "bob", "eve", "root-admin"]);

    // A name is the id.
    let rename = json!([{ "op": "replace", "path": "userName", "value": "robert" }]);
    let (status, answer) = scim.patch("/Users/bob", &rename);
    assert_eq!((status, &answer["scimType"]), (400, &json!("mutability")));
    assert_eq!(read(hub, "/users/bob")["name"], "bob");
    assert_eq!(read(hub, "/users/robert"), Value::Null);
    // Nobody may believe that a user is suspended who is not.
    let suspend = json!([{ "op": "replace", "path": "active", "value": false }]);
    let (status, answer) = scim.patch("/Users/bob", &suspend);
    assert_eq!((status, &answer["scimType"]), (400, &json!("mutability")));
    let keep = with(user("BOB"), json!({ "active": true, "displayName": "Bob" }));
    scim.expect(200, "PUT", "/Users/bob", Some(&keep));
}

fn groups(scim: &Scim, hub: &JupyterHub) {
    let created = scim.create("/Groups", &group("Data Team", &["bob"]));
    assert_eq!(created["id"], "Data Team");
    let path = "/Groups/Data%20Team";
    let members = || {
        let group = read(hub, "/groups/Data%20Team");
        let mut members: Vec<String> = serde_json::from_value(group["users"].clone()).unwrap();
        members.sort();
        members
    };
    assert_eq!(members(), ["bob"]);
    let taken = scim.expect(409, "POST", "/Groups", Some(&group("Data Team", &[])));
    assert_eq!(taken["scimType"], "uniqueness");
    assert_eq!(only(&scim.found("/Groups", "displayName eq \"Data Team\"")), "Data Team");
    assert_eq!(scim.found("/Groups", "displayName eq \"Data\""), [] as [Value; 0]);

    let both = json!([{ "value": "ada@example.com" }, { "value": "eve" }]);
    scim.change(path, &json!([{ "op": "add", "path": "members", "value": both }]));
    assert_eq!(members(), ["ada@example.com", "bob", "eve"]);
    let shown = scim.get(path);
    assert_eq!(ids(&shown["members"], "value"), ["ada@example.com", "bob", "eve"]);
    let (status, _) = scim.patch(path, &json!([{ "op": "add", "path": "members", "value": [{ "value": "nobody" }] }]));
    assert_eq!(status, 400);

    // The hub refuses the whole call where it does not know one of the names.
    let some = json!([{ "value": "eve" }, { "value": "nobody" }]);
    scim.change(path, &json!([{ "op": "remove", "path": "members", "value": some }]));
    assert_eq!(members(), ["ada@example.com", "bob"]);
    scim.change(path, &json!([{ "op": "remove", "path": "members[value eq \"eve\"]" }]));
    assert_eq!(members(), ["ada@example.com", "bob"]);
    scim.expect(200, "PUT", path, Some(&group("Data Team", &["ada@example.com", "eve"])));
    assert_eq!(members(), ["ada@example.com", "eve"]);

    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Data" }]);
    let (status, answer) = scim.patch(path, &rename);
    assert_eq!((status, &answer["scimType"]), (400, &json!("mutability")));
    assert_eq!(scim.patch("/Groups/none", &json!([{ "op": "add", "path": "members", "value": both }])).0, 404);
}

fn deletion(scim: &Scim, hub: &JupyterHub) {
    scim.expect(204, "DELETE", "/Users/eve", None);
    assert_eq!(read(hub, "/users/eve"), Value::Null);
    assert_eq!(read(hub, "/groups/Data%20Team")["users"], json!(["ada@example.com"]));
    scim.expect(404, "DELETE", "/Users/eve", None);
    scim.expect(404, "GET", "/Users/eve", None);
    scim.expect(204, "DELETE", "/Groups/Data%20Team", None);
    assert_eq!(read(hub, "/groups/Data%20Team"), Value::Null);
    scim.expect(404, "DELETE", "/Groups/Data%20Team", None);
}

/// More users than the hub puts in a reply.
fn pages(scim: &Scim, hub: &JupyterHub) {
    let names: Vec<String> = (0..PAGE_LIMIT).map(|number| format!("user-{number:03}")).collect();
    hub.post("/hub/api/users", &json!({ "usernames": names })).unwrap();
    // With root-admin, ada and bob.
    let total = PAGE_LIMIT + 3;
    let listed = scim.get("/Users");
    assert_eq!(listed["totalResults"], total);
    assert_eq!(listed["Resources"].as_array().unwrap().len(), usize::try_from(total).unwrap());
    let last = scim.get(&format!("/Users?startIndex={total}&count=10"));
    assert_eq!(ids(&last["Resources"], "id"), [names.last().unwrap().as_str()]);
    assert_eq!(scim.found("/Users", "userName co \"-19\"").len(), 10);
}
