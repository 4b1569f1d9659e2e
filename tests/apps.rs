//! The real applications start, and do what their own documentation says. What the mappings make of them
//! is tested elsewhere.

mod support;

use serde_json::{Value, json};
use support::apps::jupyterhub::JupyterHub;
use support::apps::keystone::Keystone;
use support::apps::native::Native;
use support::apps::synapse::Synapse;

#[test]
fn keystone() {
    let keystone = Keystone::start_with(5).unwrap();
    let body =
        json!({ "user": { "name": "ada", "email": "ada@example.com", "externalId": "e-1" } });
    let created = keystone.post("/v3/users", &body).unwrap();
    let id = created["user"]["id"].as_str().unwrap();
    let user = keystone.get(&format!("/v3/users/{id}")).unwrap();
    assert_eq!(user["user"]["externalId"], "e-1");

    let group = keystone
        .post("/v3/groups", &json!({ "group": { "name": "crew" } }))
        .unwrap();
    let group = group["group"]["id"].as_str().unwrap();
    let member = format!("/v3/groups/{group}/users/{id}");
    keystone.put(&member).unwrap();
    assert_eq!(
        keystone.get(&format!("/v3/groups/{group}/users")).unwrap()["users"][0]["id"],
        id
    );
    keystone.delete(&member).unwrap();
    assert_eq!(
        keystone.get(&format!("/v3/groups/{group}/users")).unwrap()["users"],
        json!([])
    );

    let native = keystone.native().unwrap();
    while native.send("GET", "/v3/users", None).unwrap().0 != 401 {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert_eq!(
        keystone.get("/v3/users").unwrap()["users"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn synapse() {
    let synapse = Synapse::start().unwrap();
    let path = "/_synapse/admin/v2/users/@ada:example.test";
    let threepids = json!([{ "medium": "email", "address": "ada@example.com" }]);
    synapse
        .put(
            path,
            &json!({ "displayname": "Ada", "threepids": threepids }),
        )
        .unwrap();
    let user = synapse.get(path).unwrap();
    assert_eq!(user["displayname"], "Ada");
    assert_eq!(user["threepids"][0]["address"], "ada@example.com");
    synapse
        .post(
            "/_synapse/admin/v1/deactivate/@ada:example.test",
            &json!({ "erase": true }),
        )
        .unwrap();
    assert_eq!(synapse.get(path).unwrap()["deactivated"], true);
}

#[test]
fn jupyterhub() {
    let hub = JupyterHub::start().unwrap();
    hub.post("/hub/api/users/ada%40example.com", &Value::Null)
        .unwrap();
    let user = hub.get("/hub/api/users/ada%40example.com").unwrap();
    assert_eq!(user["name"], "ada@example.com");
    hub.post(
        "/hub/api/groups/crew",
        &json!({ "users": ["ada@example.com"] }),
    )
    .unwrap();
    assert_eq!(
        hub.get("/hub/api/groups/crew").unwrap()["users"],
        json!(["ada@example.com"])
    );

    let token = format!("token {}", support::apps::jupyterhub::TOKEN);
    let service = Native::new(hub.url(), ("Authorization", token)).unwrap();
    let (status, _) = service
        .send(
            "POST",
            "/hub/api/users/eve",
            Some(&json!({ "admin": true })),
        )
        .unwrap();
    assert_eq!(status, 403);
    assert_eq!(
        service
            .send("DELETE", "/hub/api/users/ada%40example.com", None)
            .unwrap()
            .0,
        204
    );
}
