//! `mappings/keystone.yaml` and a real Keystone.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scim::{Scim, group, ids, only, user, with};
use crate::support::apps::keystone::{ADMIN, Keystone, LIST_LIMIT, PASSWORD};
use crate::support::apps::native::Native;

const MAPPING: &str = include_str!("../../mappings/keystone.yaml");

fn scim(keystone: &Keystone, password: &str) -> Scim {
    let settings = [("KEYSTONE_USERNAME", ADMIN), ("KEYSTONE_PASSWORD", password), ("KEYSTONE_PROJECT", "admin")];
    // The Keystone of the tests has SQLite, which refuses to write for two at a time.
    let mapping = format!("{MAPPING}\nlimits: {{ concurrency: 1, call: 60 }}\n");
    Scim::start(&mapping, keystone.url(), &settings)
}

/// The status that Keystone answers a login of this user with.
fn login(native: &Native, id: &str, password: &str) -> u16 {
    let user = json!({ "id": id, "password": password });
    let identity = json!({ "methods": ["password"], "password": { "user": user } });
    let body = json!({ "auth": { "identity": identity } });
    native.send("POST", "/v3/auth/tokens", Some(&body)).unwrap().0
}

#[test]
fn the_life_of_users_and_groups() {
    let keystone = Keystone::start().unwrap();
    let native = keystone.native().unwrap();
    let scim = scim(&keystone, PASSWORD);
    let people = users(&scim, &native);
    groups(&scim, &native, &people);
    deletion(&scim, &native, &people[0]);
}

/// Creates more users than Keystone puts on a page, and answers with their ids.
fn users(scim: &Scim, native: &Native) -> Vec<String> {
    let read = |id: &str| {
        let path = format!("/v3/users/{id}");
        native.call("GET", &path, None).unwrap()["user"].take()
    };
    let ada = with(
        user("ada"),
        json!({
            "externalId": "00u-1", "displayName": "Ada L.", "password": "first-password", "active": true,
            "name": { "givenName": "Ada", "familyName": "Lovelace" },
            "emails": [{ "type": "work", "value": "ada@example.com", "primary": true }],
        }),
    );
    let created = scim.create("/Users", &ada);
    let id = created["id"].as_str().unwrap();
    let path = format!("/Users/{id}");
    assert_eq!(created["emails"], ada["emails"]);
    assert_eq!(created["password"], Value::Null);
    let stored = read(id);
    for (field, value) in [
        ("name", "ada"),
        ("externalId", "00u-1"),
        ("email", "ada@example.com"),
        ("description", "Ada L."),
        ("given_name", "Ada"),
        ("family_name", "Lovelace"),
        ("domain_id", "default"),
    ] {
        assert_eq!(stored[field], value, "{field}");
    }
    assert_eq!(stored["enabled"], true);
    assert_eq!(login(native, id, "first-password"), 201);
    assert_eq!(scim.get(&path), created);

    let taken = scim.expect(409, "POST", "/Users", Some(&ada));
    assert_eq!(taken["scimType"], "uniqueness");

    // Enough others for a second page; the one that is looked for by its external id is created last.
    let mut all = vec![id.to_owned()];
    for number in 1..=LIST_LIMIT {
        let name = format!("user-{number}");
        let other = with(user(&name), json!({ "externalId": format!("x-{number}") }));
        all.push(scim.create("/Users", &other)["id"].as_str().unwrap().into());
    }
    let first_page = native.call("GET", "/v3/users", None).unwrap();
    let on_first_page = first_page["users"].as_array().unwrap().len();
    assert_eq!(on_first_page, usize::try_from(LIST_LIMIT).unwrap());
    let shown = ids(&first_page["users"], "id");
    let hidden = all.iter().position(|id| !shown.contains(id)).unwrap();

    let listed = scim.get("/Users");
    // Everybody and the administrator.
    assert_eq!(listed["totalResults"], LIST_LIMIT + 2);
    let listed = ids(&listed["Resources"], "id");
    assert!(all.iter().all(|id| listed.contains(id)));

    assert_eq!(only(&scim.found("/Users", "userName eq \"ada\"")), id);
    assert_eq!(scim.found("/Users", "userName eq \"ADA\""), [] as [Value; 0]);
    assert_eq!(only(&scim.found("/Users", "externalId eq \"00u-1\"")), id);
    assert_eq!(scim.found("/Users", "externalId eq \"00u\""), [] as [Value; 0]);
    let beyond = format!("externalId eq \"x-{hidden}\"");
    if hidden > 0 {
        assert_eq!(only(&scim.found("/Users", &beyond)), all[hidden]);
    }
    let by_mail = "emails[type eq \"work\"].value eq \"ada@example.com\"";
    assert_eq!(only(&scim.found("/Users", by_mail)), id);
    assert_eq!(scim.found("/Users", "nickName eq \"ada\""), [] as [Value; 0]);
    let starting = scim.found("/Users", "userName sw \"user-1\"");
    // user-1 and user-10 to user-19
    assert_eq!(starting.len(), 11);

    let patched = scim.change(
        &path,
        &json!([
            { "op": "replace", "path": "userName", "value": "ada.l" },
            { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ada.l@example.com" },
            { "op": "remove", "path": "displayName" },
        ]),
    );
    assert_eq!(patched["userName"], "ada.l");
    assert_eq!(patched["displayName"], Value::Null);
    let stored = read(id);
    assert_eq!(stored["name"], "ada.l");
    assert_eq!(stored["email"], "ada.l@example.com");
    assert_eq!(stored["description"], Value::Null);
    assert_eq!(stored["externalId"], "00u-1");

    let clash = json!([{ "op": "replace", "path": "userName", "value": "user-1" }]);
    let (status, answer) = scim.patch(&path, &clash);
    assert_eq!((status, &answer["scimType"]), (409, &json!("uniqueness")));

    scim.change(&path, &json!([{ "op": "replace", "value": { "active": "False" } }]));
    assert_eq!(read(id)["enabled"], false);
    assert_eq!(login(native, id, "first-password"), 401);
    assert_eq!(only(&scim.found("/Users", "active eq false")), id);
    scim.change(&path, &json!([{ "op": "replace", "path": "active", "value": true }]));
    assert_eq!(read(id)["enabled"], true);
    assert_eq!(login(native, id, "first-password"), 201);

    scim.change(&path, &json!([{ "op": "replace", "path": "password", "value": "second-password" }]));
    assert_eq!(login(native, id, "first-password"), 401);
    assert_eq!(login(native, id, "second-password"), 201);

    let put = with(user("ada"), json!({ "active": true, "displayName": "Ada" }));
    let replaced = scim.expect(200, "PUT", &path, Some(&put));
    assert_eq!(replaced["userName"], "ada");
    let stored = read(id);
    assert_eq!(stored["name"], "ada");
    assert_eq!(stored["description"], "Ada");
    // What a PUT leaves out is kept.
    assert_eq!(stored["email"], "ada.l@example.com");
    all
}

fn groups(scim: &Scim, native: &Native, people: &[String]) {
    let [ada, bob, eve, ..] = people else { panic!("three users at least") };
    let created = scim.create("/Groups", &with(group("crew", &[ada]), json!({ "externalId": "g-1" })));
    let id = created["id"].as_str().unwrap();
    let path = format!("/Groups/{id}");
    let read = || native.call("GET", &format!("/v3/groups/{id}"), None).unwrap();
    let members = || {
        let path = format!("/v3/groups/{id}/users");
        ids(&native.call("GET", &path, None).unwrap()["users"], "id")
    };
    let sorted = |members: &[&String]| {
        let mut members: Vec<String> = members.iter().copied().cloned().collect();
        members.sort();
        members
    };
    assert_eq!(read()["group"]["name"], "crew");
    assert_eq!(read()["group"]["externalId"], "g-1");
    assert_eq!(members(), sorted(&[ada]));

    let taken = scim.expect(409, "POST", "/Groups", Some(&group("crew", &[])));
    assert_eq!(taken["scimType"], "uniqueness");
    assert_eq!(only(&scim.found("/Groups", "displayName eq \"crew\"")), id);
    assert_eq!(scim.found("/Groups", "displayName eq \"Crew\""), [] as [Value; 0]);
    assert_eq!(only(&scim.found("/Groups", "externalId eq \"g-1\"")), id);

    let add =
        json!([{ "op": "add", "path": "members", "value": [{ "value": ada }, { "value": bob }, { "value": eve }] }]);
    scim.change(&path, &add);
    assert_eq!(members(), sorted(&[ada, bob, eve]));
    let shown = scim.get(&path);
    assert_eq!(ids(&shown["members"], "value"), sorted(&[ada, bob, eve]));
    assert_eq!(ids(&shown["members"], "display"), ["ada", "user-1", "user-2"]);

    let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{bob}\"]") }]);
    scim.change(&path, &remove);
    assert_eq!(members(), sorted(&[ada, eve]));
    // The same again changes nothing, and is no error.
    scim.change(&path, &remove);
    assert_eq!(members(), sorted(&[ada, eve]));

    let (status, answer) =
        scim.patch(&path, &json!([{ "op": "add", "path": "members", "value": [{ "value": "nobody" }] }]));
    assert_eq!((status, &answer["scimType"]), (400, &json!("invalidValue")));
    let missing = format!("/Groups/{}", "f".repeat(32));
    assert_eq!(scim.patch(&missing, &add).0, 404);
    assert_eq!(scim.patch(&missing, &remove).0, 404);

    scim.expect(200, "PUT", &path, Some(&group("crew", &[bob, eve])));
    assert_eq!(members(), sorted(&[bob, eve]));

    // More members than Keystone puts on a page: it takes them, and cannot list them. A part must not pass for all.
    let everybody: Vec<Value> = people.iter().map(|id| json!({ "value": id })).collect();
    scim.change(&path, &json!([{ "op": "add", "path": "members", "value": everybody }]));
    for person in people {
        let member = format!("/v3/groups/{id}/users/{person}");
        assert_eq!(native.send("HEAD", &member, None).unwrap().0, 204);
    }
    scim.expect(502, "GET", &path, None);
    scim.expect(502, "PUT", &path, Some(&group("crew", &[bob])));
    assert_eq!(scim.get(&format!("{path}?excludedAttributes=members"))["displayName"], "crew");
    let but_bob: Vec<&Value> = everybody.iter().filter(|it| it["value"] != bob.as_str()).collect();
    scim.change(&path, &json!([{ "op": "remove", "path": "members", "value": but_bob }]));
    assert_eq!(members(), sorted(&[bob]));

    scim.change(&path, &json!([{ "op": "replace", "path": "displayName", "value": "staff" }]));
    assert_eq!(read()["group"]["name"], "staff");
    assert_eq!(members(), sorted(&[bob]));
    assert_eq!(ids(&scim.get("/Groups")["Resources"], "displayName"), ["staff"]);

    scim.expect(204, "DELETE", &path, None);
    let gone = native.send("GET", &format!("/v3/groups/{id}"), None).unwrap();
    assert_eq!(gone.0, 404);
    scim.expect(404, "DELETE", &path, None);
}

fn deletion(scim: &Scim, native: &Native, id: &str) {
    let path = format!("/Users/{id}");
    scim.expect(204, "DELETE", &path, None);
    let gone = native.send("GET", &format!("/v3/users/{id}"), None).unwrap();
    assert_eq!(gone.0, 404);
    scim.expect(404, "DELETE", &path, None);
    scim.expect(404, "GET", &path, None);
    assert_eq!(scim.found("/Users", "userName eq \"ada\""), [] as [Value; 0]);
    assert_eq!(login(native, id, "second-password"), 401);
}

#[test]
fn tokens_expire_and_passwords_are_wrong() {
    // Longer than a call takes on a busy machine.
    let keystone = Keystone::start_with(8).unwrap();
    let scim = scim(&keystone, PASSWORD);
    let refused = || scim.counter("cluster.app.upstream_rq_401");
    let logins = || scim.counter("cluster.app.upstream_rq_201");
    scim.get("/Users?count=1");
    let (refused_before, logins_before) = (refused(), logins());
    // A token that is younger than the one that the plugin holds.
    let younger = keystone.native().unwrap();
    while younger.send("GET", "/v3/users", None).unwrap().0 != 401 {
        thread::sleep(Duration::from_millis(200));
    }
    let found = scim.found("/Users", "userName eq \"admin\"");
    assert_eq!(found.len(), 1);
    assert_eq!(refused() - refused_before, 1);
    assert_eq!(logins() - logins_before, 1);

    // The identity provider's own token is right, so it must not be told that it is not.
    let wrong = self::scim(&keystone, "wrong-password");
    let answer = wrong.expect(502, "GET", "/Users", None);
    assert!(answer["detail"].as_str().unwrap().contains("login"), "{answer}");
    assert!(!answer.to_string().contains("wrong-password"));
    wrong.expect(502, "POST", "/Users", Some(&user("ada")));
}
