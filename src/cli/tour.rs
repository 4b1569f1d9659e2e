//! `scim-edge demo --tour`: a joiner, mover and leaver, with the native calls that each SCIM request became.

use anyhow::{Context, bail, ensure};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use super::demo::{Demo, TOKEN};
use crate::mapping::codec::text_of;

/// Walks through the story, and fails where a reply is not what the story needs.
pub(super) fn run(demo: &Demo) -> anyhow::Result<()> {
    let tour = Tour { demo, client: Client::new() };

    title("The identity provider looks whether the account is there");
    let found = tour.send("GET", "/Users?filter=userName%20eq%20%22bjensen%22", None, 200)?;
    ensure!(text(&found, "totalResults") == "0", "the demo starts without users");

    title("A joiner: the account is created");
    let user = tour.send(
        "POST",
        "/Users",
        Some(json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "bjensen",
            "name": { "givenName": "Barbara", "familyName": "Jensen" },
            "emails": [{ "value": "bjensen@example.com", "type": "work", "primary": true }],
            "active": true,
        })),
        201,
    )?;
    let id = text(&user, "id");
    let user_path = format!("/Users/{id}");

    title("The same request again: the account is there already, and nothing is overwritten");
    let again = json!({ "userName": "BJENSEN", "emails": [{ "value": "other@example.com", "type": "work" }] });
    tour.send("POST", "/Users", Some(again), 409)?;

    title("A group, and the joiner in it");
    let group = tour.send("POST", "/Groups", Some(json!({ "displayName": "Tour Guides" })), 201)?;
    let group_path = format!("/Groups/{}", text(&group, "id"));
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
    tour.send("PATCH", &group_path, Some(patch(&add)), 204)?;

    title("A mover: another department, and the same again, which needs no call that writes");
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    let moved = json!([{ "op": "Replace", "path": department, "value": "Tour Operations" }]);
    tour.send("PATCH", &user_path, Some(patch(&moved)), 200)?;
    tour.send("PATCH", &user_path, Some(patch(&moved)), 200)?;

    title("A leaver: the account is deactivated, and still there to be seen");
    let inactive = json!([{ "op": "replace", "value": { "active": "False" } }]);
    tour.send("PATCH", &user_path, Some(patch(&inactive)), 200)?;
    let suspended = demo.app().user("bjensen")?.context("a deactivated user is not a deleted one")?;
    let status = text(&suspended, "status");
    ensure!(status == "SUSPENDED", "the application shows {status}");
    let seen = tour.send("GET", &user_path, None, 200)?;
    ensure!(text(&seen, "active") == "false", "the user is shown as inactive");

    title("And gone: the account is deleted, which drops the membership too");
    tour.send("DELETE", &user_path, None, 204)?;
    tour.send("DELETE", &user_path, None, 404)?;
    let group = tour.send("GET", &group_path, None, 200)?;
    ensure!(group.get("members").and_then(Value::as_array).is_none_or(Vec::is_empty), "nobody is left in the group");
    println!("\nThat was the tour. Without --tour the demo keeps running for your own requests.");
    Ok(())
}

/// A field of an answer, as text; empty where it is not there.
fn text(answer: &Value, field: &str) -> String {
    answer.get(field).map(text_of).unwrap_or_default()
}

fn title(text: &str) {
    println!("\n── {text}");
}

fn patch(operations: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

struct Tour<'d> {
    demo: &'d Demo,
    client: Client,
}

impl Tour<'_> {
    /// Sends one SCIM request, prints it with the native calls that it became, and checks the status.
    fn send(&self, method: &str, path: &str, body: Option<Value>, expected: u16) -> anyhow::Result<Value> {
        self.demo.app().log().clear();
        println!("\n  SCIM    {method} {path}");
        let mut request = self
            .client
            .request(method.parse()?, format!("{}{path}", self.demo.url()))
            .bearer_auth(TOKEN)
            .header("accept", "application/scim+json");
        if let Some(body) = &body {
            println!("          {body}");
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        let response = request.send().context("the demo does not answer")?;
        let status = response.status().as_u16();
        let text = response.text()?;
        for call in self.demo.app().log().all() {
            let body = if call.body.is_null() { String::new() } else { call.body.to_string() };
            println!("  native  {} {} {body}", call.method, call.target);
        }
        println!("  answer  {status} {text}");
        if status != expected {
            bail!("the answer to {method} {path} should have been {expected}\n{}", self.demo.log());
        }
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }
}
