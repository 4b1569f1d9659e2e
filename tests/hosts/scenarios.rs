//! What a SCIM client does and what the application then looks like: the same on every host.

use scim_edge::cli::demo::Demo;
use serde_json::{Value, json};

use crate::common::{Scim, user, writes};

/// On a demo that other scenarios use too, one after the other, so each has users of its own.
pub(crate) const SCENARIOS: &[(&str, fn(&Demo))] = &[
    ("an_inactive_user_is_created_suspended", an_inactive_user_is_created_suspended),
    ("active_is_patched_by_one_call_and_then_by_none", active_is_patched_by_one_call_and_then_by_none),
    ("a_duplicate_is_refused_and_overwrites_nothing", a_duplicate_is_refused_and_overwrites_nothing),
    ("parallel_creates_make_one_account", parallel_creates_make_one_account),
    ("a_filter_on_what_has_no_home_finds_nothing", a_filter_on_what_has_no_home_finds_nothing),
    ("a_password_is_set_and_never_shown", a_password_is_set_and_never_shown),
    ("a_put_keeps_what_it_leaves_out", a_put_keeps_what_it_leaves_out),
    ("a_deleted_user_is_gone", a_deleted_user_is_gone),
    ("bad_input_changes_nothing", bad_input_changes_nothing),
    ("a_search_is_a_list_whose_query_is_a_body", a_search_is_a_list_whose_query_is_a_body),
];

/// On a demo with [`CROWD`] users and a group of [`MEMBERS`] of them.
pub(crate) const CROWDED: &[(&str, fn(&Demo))] = &[
    ("one_member_is_added_by_one_call", one_member_is_added_by_one_call),
    ("one_member_is_removed_by_a_look_up_and_one_call", one_member_is_removed_by_a_look_up_and_one_call),
    ("a_put_of_members_writes_the_difference", a_put_of_members_writes_the_difference),
    ("members_that_are_excluded_are_not_read", members_that_are_excluded_are_not_read),
    ("native_replies_of_megabytes_become_one_list", native_replies_of_megabytes_become_one_list),
];

const CROWD: usize = 9000;
const MEMBERS: usize = 2000;

fn an_inactive_user_is_created_suspended(demo: &Demo) {
    let scim = Scim::of(demo);
    let mut inactive = user("scenario.inactive");
    inactive["active"] = false.into();
    let created = scim.post("/Users", &inactive).expect(201);
    assert_eq!(created["active"], false);
    let native = demo.app().user("scenario.inactive").unwrap().unwrap();
    assert_eq!(native["status"], "SUSPENDED");
    let seen = scim.get(&format!("/Users/{}", created["id"].as_str().unwrap())).expect(200);
    assert_eq!(seen["active"], false);
}

fn active_is_patched_by_one_call_and_then_by_none(demo: &Demo) {
    let scim = Scim::of(demo);
    let path = scim.create("scenario.leaver");
    let id = path.trim_start_matches("/Users/").to_owned();
    let status = || demo.app().user("scenario.leaver").unwrap().unwrap()["status"].clone();
    demo.app().log().clear();
    // Okta, Entra, and the letter of the RFC.
    let off = [
        json!([{ "op": "replace", "value": { "active": false } }]),
        json!([{ "op": "Replace", "path": "active", "value": "False" }]),
        json!([{ "op": "replace", "path": "active", "value": false }]),
    ];
    for (number, operations) in off.iter().enumerate() {
        let patched = scim.patch(&path, operations).expect(200);
        assert_eq!(patched["active"], false);
        let expected = if number == 0 { vec![format!("POST /api/v2/users/{id}/suspend")] } else { Vec::new() };
        assert_eq!(writes(demo), expected, "{operations}");
        assert_eq!(status(), "SUSPENDED");
    }
    let on = json!([{ "op": "replace", "path": "active", "value": true }]);
    assert_eq!(scim.patch(&path, &on).expect(200)["active"], true);
    assert_eq!(writes(demo), [format!("DELETE /api/v2/users/{id}/suspend")]);
    assert_eq!(status(), "ACTIVE");
}

fn a_duplicate_is_refused_and_overwrites_nothing(demo: &Demo) {
    let scim = Scim::of(demo);
    scim.create("scenario.first");
    let before = demo.app().user("scenario.first").unwrap().unwrap();
    let mut second = user("Scenario.FIRST");
    second["name"]["givenName"] = "Other".into();
    second["active"] = false.into();
    let answer = scim.post("/Users", &second);
    answer.error(409);
    assert_eq!(answer.json()["scimType"], "uniqueness");
    assert_eq!(demo.app().user("scenario.first").unwrap().unwrap(), before);
}

fn parallel_creates_make_one_account(demo: &Demo) {
    let body = user("scenario.racer");
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let answer = Scim::of(demo).post("/Users", &body);
                    if answer.status != 201 {
                        answer.error(409);
                    }
                    answer.status
                })
            })
            .collect();
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    let expected: Vec<u16> = std::iter::once(201).chain(std::iter::repeat_n(409, 19)).collect();
    assert_eq!(statuses, expected);
    let accounts = demo.app().users().unwrap();
    assert_eq!(accounts.iter().filter(|account| account["login"] == "scenario.racer").count(), 1);
}

fn a_filter_on_what_has_no_home_finds_nothing(demo: &Demo) {
    let scim = Scim::of(demo);
    scim.create("scenario.found");
    for (endpoint, filter) in [
        ("/Users", r#"nickName eq "found""#),
        ("/Users", r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq "7""#),
        ("/Users", r#"ims[type eq "xmpp"].value eq "found""#),
        ("/Users", r#"nickName eq "found" and active eq true"#),
        ("/Users", "nickName pr"),
        ("/Groups", r#"externalId eq "7""#),
    ] {
        let request = scim.request("GET", endpoint).query(&[("filter", filter)]);
        let found = crate::common::Answer::to(request.bearer_auth(scim_edge::cli::demo::TOKEN)).expect(200);
        assert_eq!(found["totalResults"], 0, "{filter}: {found}");
        assert!(found["Resources"].as_array().is_none_or(Vec::is_empty), "{filter}: {found}");
    }
    // What has a home is found, whichever letter case.
    let found = scim.get("/Users?filter=userName%20eq%20%22SCENARIO.Found%22").expect(200);
    assert_eq!((&found["totalResults"], &found["Resources"][0]["userName"]), (&json!(1), &json!("scenario.found")));
}

fn a_password_is_set_and_never_shown(demo: &Demo) {
    let scim = Scim::of(demo);
    let secret = "correct horse battery";
    let mut body = user("scenario.secret");
    body["password"] = secret.into();
    let created = scim.post("/Users", &body);
    let id = created.expect(201)["id"].as_str().unwrap().to_owned();
    let native: i64 = id.parse().unwrap();
    assert!(demo.app().password_is(native, secret).unwrap());
    let other = "other horse battery";
    let operations = json!([{ "op": "replace", "path": "password", "value": other }]);
    let patched = scim.patch(&format!("/Users/{id}"), &operations);
    patched.expect(200);
    assert!(demo.app().password_is(native, other).unwrap());
    let read = scim.get(&format!("/Users/{id}?attributes=password,userName"));
    for answer in [created, patched, read] {
        assert!(!answer.text.contains("horse"), "{}", answer.text);
    }
    assert!(!demo.log().contains("horse"), "{}", demo.log());
}

fn a_put_keeps_what_it_leaves_out(demo: &Demo) {
    let scim = Scim::of(demo);
    let path = scim.create("scenario.put");
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "scenario.put",
        "title": "Guide",
        "active": true,
    });
    assert_eq!(scim.send("PUT", &path, Some(&body)).expect(200)["title"], "Guide");
    let native = demo.app().user("scenario.put").unwrap().unwrap();
    assert_eq!((&native["title"], &native["email"]), (&json!("Guide"), &json!("scenario.put@example.com")));
    demo.app().log().clear();
    scim.send("PUT", &path, Some(&body)).expect(200);
    assert_eq!(writes(demo), Vec::<String>::new());
}

fn a_deleted_user_is_gone(demo: &Demo) {
    let scim = Scim::of(demo);
    let path = scim.create("scenario.deleted");
    let answer = scim.delete(&path);
    answer.expect(204);
    assert_eq!(answer.text, "");
    assert_eq!(demo.app().user("scenario.deleted").unwrap(), None);
    scim.delete(&path).error(404);
    scim.get(&path).error(404);
    scim.patch(&path, &json!([{ "op": "replace", "path": "active", "value": false }])).error(404);
}

fn bad_input_changes_nothing(demo: &Demo) {
    let scim = Scim::of(demo);
    let path = scim.create("scenario.input");
    demo.app().log().clear();
    for (method, path, media_type, body, status) in [
        ("POST", "/Users", "application/scim+json", "{\"userName\":", 400),
        ("POST", "/Users", "application/scim+json", "[]", 400),
        ("POST", "/Users", "application/scim+json", "", 400),
        ("POST", "/Users", "application/scim+json", "{\"userName\": {}}", 400),
        ("POST", "/Users", "text/plain", "{}", 415),
        ("PATCH", path.as_str(), "application/json", "{\"Operations\":[{\"op\":\"none\"}]}", 400),
        ("PUT", "/Users", "application/json", "{}", 405),
        ("GET", "/Users?filter=userName%20eq", "application/json", "", 400),
        ("GET", "/Nothing", "application/json", "", 404),
    ] {
        let request = scim.request(method, path).bearer_auth(scim_edge::cli::demo::TOKEN);
        let request = request.header("content-type", media_type).body(body);
        crate::common::Answer::to(request).error(status);
    }
    assert_eq!(writes(demo), Vec::<String>::new());
}

/// The group's native id and its members', ascending.
fn crowd(demo: &Demo) -> (i64, Vec<i64>) {
    let app = demo.app();
    let group = app.groups().unwrap().into_iter().find(|group| group["name"] == "Crowd");
    let group = if let Some(group) = group {
        group["id"].as_i64().unwrap()
    } else {
        let users = app.seed_users(CROWD).unwrap();
        app.seed_group("Crowd", &users[..MEMBERS]).unwrap()
    };
    (group, app.members(group).unwrap())
}

/// A user who is not in the group.
fn outsider(demo: &Demo, members: &[i64]) -> i64 {
    let users = demo.app().users().unwrap();
    let ids = users.iter().filter_map(|user| user["id"].as_i64());
    ids.into_iter().find(|id| !members.contains(id)).unwrap()
}

fn one_member_is_added_by_one_call(demo: &Demo) {
    let (group, before) = crowd(demo);
    let new = outsider(demo, &before);
    let operations = json!([{ "op": "add", "path": "members", "value": [{ "value": new.to_string() }] }]);
    // The second time it is a member already, which is what was wanted.
    for _ in 0..2 {
        Scim::of(demo).patch(&format!("/Groups/{group}"), &operations).expect(204);
        let calls = demo.app().log().take();
        let lines: Vec<_> = calls.iter().map(|call| format!("{} {}", call.method, call.target)).collect();
        assert_eq!(lines, [format!("POST /api/v2/groups/{group}/memberships")]);
        assert_eq!(calls[0].body, json!({ "user_id": new }));
    }
    let mut expected = before;
    expected.push(new);
    expected.sort_unstable();
    assert_eq!(demo.app().members(group).unwrap(), expected);
}

fn one_member_is_removed_by_a_look_up_and_one_call(demo: &Demo) {
    let (group, before) = crowd(demo);
    let scim = Scim::of(demo);
    let shapes: [fn(i64) -> Value; 2] = [
        |id| json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]),
        |id| json!([{ "op": "Remove", "path": "members", "value": [{ "value": id.to_string() }] }]),
    ];
    for (shape, gone) in shapes.iter().zip(&before) {
        scim.patch(&format!("/Groups/{group}"), &shape(*gone)).expect(204);
        let lines = demo.app().log().lines();
        demo.app().log().clear();
        let [look_up, delete] = lines.as_slice() else { panic!("{lines:?}") };
        let memberships = format!("/api/v2/groups/{group}/memberships");
        assert!(look_up.starts_with(&format!("GET {memberships}?")), "{look_up}");
        assert!(look_up.contains(&format!("user_id={gone}")), "{look_up}");
        assert!(delete.starts_with(&format!("DELETE {memberships}/")), "{delete}");
    }
    assert_eq!(demo.app().members(group).unwrap(), before[2..]);
}

fn a_put_of_members_writes_the_difference(demo: &Demo) {
    let (group, before) = crowd(demo);
    let new = outsider(demo, &before);
    let mut wanted = before.clone();
    wanted.remove(0);
    wanted.push(new);
    wanted.sort_unstable();
    let members: Vec<Value> = wanted.iter().map(|id| json!({ "value": id.to_string() })).collect();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Crowd",
        "members": members,
    });
    let scim = Scim::of(demo);
    let put = |body: &Value| scim.send("PUT", &format!("/Groups/{group}?excludedAttributes=members"), Some(body));
    put(&body).expect(200);
    let mut calls = writes(demo);
    calls.sort();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[0].starts_with(&format!("DELETE /api/v2/groups/{group}/memberships/")), "{calls:?}");
    assert_eq!(calls[1], format!("POST /api/v2/groups/{group}/memberships"));
    assert_eq!(demo.app().members(group).unwrap(), wanted);
    put(&body).expect(200);
    assert_eq!(writes(demo), Vec::<String>::new());
    let shown = scim.get(&format!("/Groups/{group}")).expect(200);
    assert_eq!(shown["members"].as_array().unwrap().len(), wanted.len());
}

fn members_that_are_excluded_are_not_read(demo: &Demo) {
    let (group, _) = crowd(demo);
    let scim = Scim::of(demo);
    for path in [
        format!("/Groups/{group}?excludedAttributes=members"),
        format!("/Groups/{group}?attributes=displayName"),
        "/Groups?filter=displayName%20eq%20%22crowd%22&excludedAttributes=members".to_owned(),
        "/Groups?excludedAttributes=members".to_owned(),
    ] {
        let answer = scim.get(&path);
        answer.expect(200);
        assert!(!answer.text.contains("members"), "{path}: {}", answer.text);
        let lines = demo.app().log().lines();
        demo.app().log().clear();
        assert_eq!(lines.len(), 1, "{path}: {lines:?}");
        assert!(!lines[0].contains("memberships"), "{path}: {lines:?}");
    }
}

fn native_replies_of_megabytes_become_one_list(demo: &Demo) {
    crowd(demo);
    let native = Value::from(demo.app().users().unwrap()).to_string();
    assert!(native.len() > 3_000_000, "{} bytes", native.len());
    let scim = Scim::of(demo);
    // Nothing can narrow it, so that every user is read.
    let found = scim.get("/Users?filter=userName%20co%20%22user000%22&count=10000").expect(200);
    let rows = found["Resources"].as_array().unwrap();
    assert_eq!(found["totalResults"], rows.len());
    let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 999, "user000001 to user000999");
    let whole = scim.get("/Users?count=9000&attributes=userName").expect(200);
    assert_eq!(whole["totalResults"], CROWD);
    assert_eq!(whole["Resources"].as_array().unwrap().len(), CROWD);
}

fn a_search_is_a_list_whose_query_is_a_body(demo: &Demo) {
    let scim = Scim::of(demo);
    for name in ["scenario.search.1", "scenario.search.2"] {
        scim.create(name);
    }
    scim.post("/Groups", &json!({ "displayName": "Scenario Search" })).expect(201);
    let search = |path: &str, query: Value| {
        let mut body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"] });
        body.as_object_mut().unwrap().extend(query.as_object().unwrap().clone());
        scim.post(path, &body)
    };
    let of_users = json!({ "filter": "userName sw \"scenario.search\"", "attributes": ["userName"], "count": 1 });
    for path in ["/Users/.search", "/.search"] {
        let found = search(path, of_users.clone()).expect(200);
        assert_eq!((&found["totalResults"], &found["itemsPerPage"]), (&json!(2), &json!(1)), "{path}");
        assert_eq!(found["Resources"][0]["userName"], "scenario.search.1", "{path}");
        assert!(found["Resources"][0].get("name").is_none(), "{path}: {found}");
    }
    // Over both types, the second page begins where the first has ended.
    let whole = search("/.search", json!({ "attributes": ["id"] })).expect(200);
    let total = demo.app().users().unwrap().len() + demo.app().groups().unwrap().len();
    assert_eq!(whole["totalResults"], total);
    let whole = whole["Resources"].as_array().unwrap();
    assert_eq!(whole.len(), total);
    let start = demo.app().users().unwrap().len();
    let window = search("/.search", json!({ "startIndex": start, "count": 2, "attributes": ["id"] })).expect(200);
    assert_eq!(window["Resources"].as_array().unwrap(), &whole[start - 1..=start]);
    search("/.search", json!({ "filter": "noSuchAttribute eq" })).error(400);
    scim.get("/.search").error(405);
}
