//! Each mapping that is shipped is lived through in front of the application that it describes.

use std::path::Path;

use serde_json::{Value, json};

use super::Application;
use crate::exchange::{Moment, Output, Request};
use crate::explain::{Explained, TOKEN, placeholders};
use crate::mapping::language::Access;
use crate::mapping::{Row, SOME_TENANT};

const NOW: u64 = 1_767_225_600_000;

/// An application, and SCIM in front of it.
struct Lived {
    mapping: String,
    application: Application,
}

impl Lived {
    fn new(mapping: &str) -> Lived {
        let environment = placeholders(mapping, SOME_TENANT);
        let application = Application::new(mapping, "mapping.yaml", &environment, NOW).unwrap();
        Lived { mapping: mapping.to_owned(), application }
    }

    /// Status, body, and the calls that were made.
    fn send(&mut self, method: &str, target: &str, body: &Value) -> (u64, Value, Vec<String>) {
        let environment = placeholders(&self.mapping, SOME_TENANT);
        let request = Request {
            method: method.to_owned(),
            target: format!("/scim/v2{}", target.replace(' ', "%20").replace('"', "%22")),
            headers: vec![
                ("host".to_owned(), "scim.example.com".to_owned()),
                ("authorization".to_owned(), format!("Bearer {TOKEN}")),
                ("content-type".to_owned(), "application/scim+json".to_owned()),
            ],
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
        };
        let moment = Moment { now: NOW, entropy: [7; 32] };
        let mut explained =
            Explained::new(&self.mapping, "mapping.yaml", &environment, request, moment, false).unwrap();
        loop {
            match explained.poll_output() {
                Output::Respond(_) => break,
                Output::Call(id, call, _) => {
                    let reply = self.application.reply(&call, NOW);
                    explained.handle_reply(id, Ok(reply), NOW);
                }
                Output::Pause(id, _) => explained.resume(id, NOW),
                Output::Waiting => panic!("the exchange waits for nothing"),
            }
        }
        let told = explained.json();
        let calls = told["calls"].as_array().unwrap().iter();
        let calls = calls.map(|it| format!("{} {} {} -> {}", it["method"], it["target"], it["body"], it["reply"]));
        (told["response"]["status"].as_u64().unwrap(), told["response"]["body"].clone(), calls.collect())
    }

    #[track_caller]
    fn expect(&mut self, status: u64, method: &str, target: &str, body: &Value) -> Value {
        let (found, answer, calls) = self.send(method, target, body);
        assert_eq!(found, status, "{method} {target}: {answer}\n{}", calls.join("\n"));
        answer
    }

    /// Whether clients can write this attribute.
    fn has(&self, resource: &str, attribute: &str) -> bool {
        let resource = self.application.mapping.resource(resource);
        resource.is_some_and(|resource| {
            let writable = |row: &Row| {
                row.name == attribute
                    && matches!(row.access, Access::Write | Access::ReadWrite)
                    && row.constant.is_none()
            };
            resource.rows.iter().any(writable)
        })
    }
}

fn patch(operations: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "displayName": "Jane Doe",
        "name": { "givenName": "Jane", "familyName": "Doe" }, "active": true,
        "emails": [{ "value": name, "type": "work", "primary": true }],
    })
}

fn lives(mapping: &str) {
    let mut lived = Lived::new(mapping);
    let seeded = lived.expect(200, "GET", "/Users?filter=userName eq \"bjensen@example.com\"", &Value::Null);
    assert_eq!(seeded["totalResults"], 1, "{seeded:#}");
    let all = lived.expect(200, "GET", "/Users", &Value::Null);
    assert_eq!(all["totalResults"], 3, "{all:#}");

    let found = lived.expect(200, "GET", "/Users?filter=userName eq \"jdoe@example.com\"", &Value::Null);
    assert_eq!(found["totalResults"], 0, "{found:#}");
    let created = lived.expect(201, "POST", "/Users", &user("jdoe@example.com"));
    assert_eq!(created["userName"], "jdoe@example.com");
    let taken = lived.expect(409, "POST", "/Users", &user("jdoe@example.com"));
    assert_eq!(taken["scimType"], "uniqueness", "{taken:#}");
    let found = lived.expect(200, "GET", "/Users?filter=userName eq \"jdoe@example.com\"", &Value::Null);
    assert_eq!(found["Resources"][0]["id"], created["id"], "{found:#}");
    let page = lived.expect(200, "GET", "/Users?startIndex=2&count=2", &Value::Null);
    assert_eq!((&page["totalResults"], &page["itemsPerPage"]), (&json!(4), &json!(2)), "{page:#}");

    let path = format!("/Users/{}", created["id"].as_str().unwrap());
    if lived.has("User", "displayName") {
        lived.expect(
            200,
            "PATCH",
            &path,
            &patch(&json!([{ "op": "replace", "path": "displayName", "value": "J. D." }])),
        );
        assert_eq!(lived.expect(200, "GET", &path, &Value::Null)["displayName"], "J. D.");
    }
    if lived.has("User", "active") {
        for active in [false, true] {
            lived.expect(200, "PATCH", &path, &patch(&json!([{ "op": "replace", "value": { "active": active } }])));
            assert_eq!(lived.expect(200, "GET", &path, &Value::Null)["active"], active);
        }
    }
    if lived.application.mapping.resource("Group").is_some() {
        groups(&mut lived, created["id"].as_str().unwrap());
    }
    lived.expect(204, "DELETE", &path, &Value::Null);
    lived.expect(404, "GET", &path, &Value::Null);
    assert_eq!(lived.expect(200, "GET", "/Users", &Value::Null)["totalResults"], 3);
}

fn groups(lived: &mut Lived, user: &str) {
    assert_eq!(lived.expect(200, "GET", "/Groups", &Value::Null)["totalResults"], 1);
    let created = lived.expect(201, "POST", "/Groups", &json!({ "displayName": "Engineering" }));
    let path = format!("/Groups/{}", created["id"].as_str().unwrap());
    let shows = lived.application.mapping.resource("Group").unwrap().links.is_some();
    let members = |lived: &mut Lived| {
        let group = lived.expect(200, "GET", &path, &Value::Null);
        let members = group["members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|it| it["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let add = patch(&json!([{ "op": "add", "path": "members", "value": [{ "value": user }] }]));
    lived.expect(204, "PATCH", &path, &add);
    lived.expect(204, "PATCH", &path, &add);
    let kept = |lived: &Lived| {
        let tables = lived.application.tables();
        let groups = tables.as_array().unwrap().iter().find(|it| it["resource"] == "Group").unwrap().clone();
        groups["rows"].as_array().unwrap().last().unwrap()["members"].as_array().unwrap().len()
    };
    assert_eq!(kept(lived), 1);
    if shows {
        assert_eq!(members(lived), [user]);
    }
    let remove = patch(&json!([{ "op": "remove", "path": format!("members[value eq \"{user}\"]") }]));
    lived.expect(204, "PATCH", &path, &remove);
    assert_eq!(kept(lived), 0);
    if lived.has("Group", "displayName") {
        lived.expect(204, "PATCH", &path, &patch(&json!([{ "op": "replace", "value": { "displayName": "R and D" } }])));
        assert_eq!(lived.expect(200, "GET", &path, &Value::Null)["displayName"], "R and D");
    }
    lived.expect(204, "DELETE", &path, &Value::Null);
    lived.expect(404, "GET", &path, &Value::Null);
}

/// One test for each: a failure of one tells nothing of the others.
macro_rules! mappings {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                lives(include_str!(concat!("../../../mappings/", stringify!($name), ".yaml")));
            }
        )*

        #[test]
        fn no_mapping_is_left_out() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
            let mut shipped: Vec<String> = std::fs::read_dir(folder).unwrap()
                .map(|it| it.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
            shipped.sort();
            assert_eq!(shipped, [$(stringify!($name)),*]);
        }
    };
}

mappings! { auth0 discourse example gitea gitlab grafana jupyterhub keycloak keystone mattermost okta synapse zendesk }

/// The other shapes that the language has: membership in a field of users, lists asked by a body, several at once.
#[test]
fn other_shapes() {
    let shapes = [
        // Groups that are built in, and one field of the user that names one.
        "resources: {User: {path: /u, attributes: {id: {native: id, access: read}, userName: {native: n, required: true},
          active: {native: on}}, list: {paging: {cursor: {param: from, next: {body: next}, size: max, max: 2}, items: rows},
          filters: {userName eq: {query: {n: '{value}'}}}}, create: {}, update: {}, delete: {}},
          Group: {attributes: {id: {native: id, access: read}, displayName: {native: name}},
          fixed: [{id: admin, name: Admins}, {id: staff, name: Staff}],
          members: {user: {field: role, find: {role: '{id}'}, clear: staff}}}}",
        // RPC style: keys in the query and in bodies, rows known by name, the members' list replaced as a whole.
        "resources: {User: {path: /u, attributes: {id: {native: id, access: read}, userName: {native: n, required: true},
          active: {native: on}, displayName: {native: d}}, read: {path: /u.info, query: {user: '{id}'}, item: user},
          list: {method: POST, path: /u.find, body: {sort: id}, paging: {offset: {param: page.at, size: page.max, max: 2},
          items: rows, total: n}, filters: {userName eq: {query: {names: ['{value}']}}}},
          create: {path: /u.make, id: {body: made}}, update: {method: POST, path: /u.change, body: {set: {user: '{id}'}}},
          delete: {method: POST, path: /u.drop, body: {set: {user: '{id}'}}}},
          Group: {path: /g, attributes: {id: {native: id, access: read}, displayName: {native: name, required: true}},
          list: {paging: {marker: {param: after, field: id, size: max, max: 1}, items: rows, keyed: id}}, create: {}, update: {method: PUT, send: full},
          delete: {}, members: {inline: m, member: who, replace: {method: PUT, path: '/g/{id}/m', body: '{members}', each: {who: '{member}'}}}}}",
        // Members as the keys of an object, in one call for those who come and in one for each who goes.
        "resources: {User: {path: /u, attributes: {id: {native: id, access: read}, userName: {native: n, required: true},
          active: {native: on}}, list: {}, create: {}, update: {}, delete: {}},
          Group: {path: /g, attributes: {id: {native: id, access: read}, displayName: {native: name, required: true}},
          list: {}, create: {}, update: {}, delete: {}, members: {inline: users.items, total: users.total,
          add: {method: PATCH, path: '/g/{id}', body: {users: '{members}'}, each: {'{member}': true, as: user}},
          remove: {method: PATCH, path: '/g/{id}', body: {users: {'{member}': false}}}}}}",
    ];
    lives(include_str!("../../../tests/cases/api-json-rpc/mapping.yaml"));
    for (index, resources) in shapes.iter().enumerate() {
        let mapping = format!("mapping: v1\nupstream: {{}}\n{resources}");
        if index > 0 {
            lives(&mapping);
            continue;
        }
        let mut lived = Lived::new(&mapping);
        let all = lived.expect(200, "GET", "/Users", &Value::Null);
        assert_eq!(all["totalResults"], 3, "{all:#}");
        let created = lived.expect(201, "POST", "/Users", &user("jdoe@example.com"));
        let add = patch(&json!([{ "op": "add", "path": "members", "value": [{ "value": created["id"] }] }]));
        lived.expect(204, "PATCH", "/Groups/staff", &add);
        let group = lived.expect(200, "GET", "/Groups/staff", &Value::Null);
        assert_eq!(group["members"][0]["value"], created["id"], "{group:#}");
        let group = lived.expect(200, "GET", "/Groups/admin", &Value::Null);
        assert_eq!(group["members"].as_array().unwrap().len(), 2, "{group:#}");
    }
}
