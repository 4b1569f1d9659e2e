//! A SCIM client of an application behind a real Envoy with the shipped configuration.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::blocking::Client;
use scim_edge::cli::artifact::build_wasm;
use scim_edge::cli::envoy::{Config, Envoy};
use serde_json::{Value, json};

const TOKEN: &str = "scim-secret";

/// An Envoy in front of an application.
pub struct Scim {
    envoy: Envoy,
    client: Client,
}

impl Scim {
    /// Starts Envoy in front of the application at `origin` (`http://127.0.0.1:40123`), with `settings` beside the
    /// usual ones.
    pub fn start(mapping: &str, origin: &str, settings: &[(&str, &str)]) -> Scim {
        let authority = origin.strip_prefix("http://").unwrap();
        let module = build_wasm("wasm32-wasip1").unwrap();
        let mut config = Config::shipped(&module, authority.parse().unwrap())
            .unwrap()
            .mapping(mapping)
            .unwrap()
            .setting("SCIM_EDGE_TOKENS", TOKEN)
            .unwrap()
            .setting("SCIM_EDGE_AUTHORITY", authority)
            .unwrap();
        for (name, value) in settings {
            config = config.setting(name, value).unwrap();
        }
        Scim {
            envoy: Envoy::start(&config, &[("NATIVE_API_KEY", "unused")]).unwrap(),
            client: Client::builder().no_proxy().timeout(None).build().unwrap(),
        }
    }

    /// The status and the body of what is answered; null where it is empty.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("http://{}/scim/v2{path}", self.envoy.address());
        let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        let response = request.send().unwrap_or_else(|error| panic!("{error:?}\n{}", self.envoy.log()));
        let status = response.status().as_u16();
        let text = response.text().unwrap();
        match text.as_str() {
            "" => (status, Value::Null),
            text => (status, serde_json::from_str(text).unwrap()),
        }
    }

    /// The body of an answer with this status; anything else ends the test.
    #[track_caller]
    pub fn expect(&self, status: u16, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (found, answer) = self.send(method, path, body);
        assert_eq!(found, status, "{method} {path}: {answer}\n{}", self.envoy.log());
        answer
    }

    /// Reads `path`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.expect(200, "GET", path, None)
    }

    /// Creates, and answers with what was created.
    #[track_caller]
    pub fn create(&self, endpoint: &str, resource: &Value) -> Value {
        let created = self.expect(201, "POST", endpoint, Some(resource));
        assert!(created["id"].is_string(), "{created}");
        created
    }

    /// The status and the body of a PATCH with these operations.
    pub fn patch(&self, path: &str, operations: &Value) -> (u16, Value) {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        let body = json!({ "schemas": [schema], "Operations": operations });
        self.send("PATCH", path, Some(&body))
    }

    /// A PATCH that must succeed.
    #[track_caller]
    pub fn change(&self, path: &str, operations: &Value) -> Value {
        let (status, answer) = self.patch(path, operations);
        assert!(matches!(status, 200 | 204), "{path}: {status} {answer}\n{}", self.envoy.log());
        answer
    }

    /// What a filter finds.
    #[track_caller]
    pub fn found(&self, endpoint: &str, filter: &str) -> Vec<Value> {
        let filter = utf8_percent_encode(filter, NON_ALPHANUMERIC);
        let mut list = self.get(&format!("{endpoint}?filter={filter}"));
        let found: Vec<Value> = serde_json::from_value(list["Resources"].take()).unwrap();
        assert_eq!(list["totalResults"], found.len(), "{list}");
        found
    }

    /// The value of a counter of Envoy's; 0 where it has none.
    pub fn counter(&self, name: &str) -> u64 {
        let url = format!("http://{}/stats", self.envoy.admin());
        let stats = self.client.get(url).send().unwrap().text().unwrap();
        let value = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

/// A user with this name.
pub fn user(name: &str) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name })
}

/// A group with this name and these members.
pub fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
    json!({ "schemas": [schema], "displayName": name, "members": members })
}

/// `resource` with these attributes set.
pub fn with(mut resource: Value, attributes: Value) -> Value {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    resource.as_object_mut().unwrap().extend(attributes);
    resource
}

/// The ids of some resources or members, sorted.
pub fn ids(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    let mut ids: Vec<String> = items.map(|item| item[key].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// The id of the only one that was found.
#[track_caller]
pub fn only(found: &[Value]) -> &str {
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]["id"].as_str().unwrap()
}
