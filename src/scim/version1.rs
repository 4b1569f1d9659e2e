//! SCIM 1.1 in terms of SCIM 2.0: requests into its form, and responses out of it (SCIM Core Schema 1.1, SCIM Protocol
//! 1.1). What Okta's agents and connectors for 1.1 send and expect beyond that is here too.

mod names;
mod patch;

use serde_json::{Map, Value, json};

use super::bulk;
use super::core::ENTERPRISE_USER;
use super::discovery::Capabilities;
use super::error::Error;
use super::json::object;
use super::schema::{Attribute, Mutability, ResourceType};

pub use names::query_text;
pub use patch::patch;

/// The core schema of SCIM 1.1, which resources, lists and discovery share.
pub const CORE: &str = "urn:scim:schemas:core:1.0";
/// The enterprise extension of SCIM 1.1.
pub(super) const ENTERPRISE: &str = "urn:scim:schemas:extension:enterprise:1.0";
/// What a list of schemas is called in Okta's test for SCIM 1.1.
const LIST: &str = "urn:scim:schemas:core:1.0:ListResponse";
/// Where Okta's provisioning agent looks for what a server can do.
const OKTA_CONFIG: &str = "urn:okta:schemas:scim:providerconfig:1.0";
/// What Okta's connectors for SCIM 1.1 add to every group, without a way to turn it off.
const OKTA_GROUP: &str = "urn:okta:custom:group:1.0";
/// How every URN of a SCIM 2.0 core schema begins.
const CORE_2: &str = "urn:ietf:params:scim:schemas:core:2.0:";

/// The body of a POST or PUT in the form of SCIM 2.0. What is no object is left as it is.
pub fn resource(rt: &ResourceType, body: Value) -> Value {
    let Value::Object(body) = body else {
        return body;
    };
    let mut out = members(rt, body);
    let schemas = rt.schemas_of(&out);
    out.insert("schemas".to_owned(), schemas);
    Value::Object(out)
}

/// The members of a body without `schemas`, extensions under their URNs of SCIM 2.0.
fn members(rt: &ResourceType, body: Map<String, Value>) -> Map<String, Value> {
    let members = body
        .into_iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("schemas"))
        .filter(|(name, _)| name != OKTA_GROUP || rt.extension(name).is_some())
        .map(|(name, value)| (query_text(&name), value))
        .map(|(name, value)| match name.as_str() {
            ENTERPRISE_USER => (name, renamed(value, "managerId", "value")),
            _ => (name, value),
        });
    object(members)
}

/// An enterprise extension whose manager has `to` in place of `from`.
fn renamed(mut extension: Value, from: &str, to: &str) -> Value {
    if let Some(manager) = extension.get_mut("manager").and_then(Value::as_object_mut)
        && let Some(value) = manager.remove(from)
    {
        manager.insert(to.to_owned(), value);
    }
    extension
}

/// The body of a response, a resource or a list of them, in the form of SCIM 1.1.
pub fn response(body: Value) -> Value {
    let Value::Object(body) = body else {
        return body;
    };
    let member = |(name, value): (String, Value)| match (name.as_str(), value) {
        ("schemas", Value::Array(urns)) => ("schemas".to_owned(), schemas(&urns)),
        ("Resources", Value::Array(all)) => (name, all.into_iter().map(response).collect()),
        (ENTERPRISE_USER, value) => (ENTERPRISE.to_owned(), without_refs(renamed(value, "value", "managerId"))),
        ("meta", Value::Object(mut meta)) => {
            meta.remove("resourceType");
            (name, Value::Object(meta))
        }
        (_, value) => (name, without_refs(value)),
    };
    Value::Object(object(body.into_iter().map(member)))
}

fn schemas(urns: &[Value]) -> Value {
    let mut out: Vec<Value> = Vec::new();
    for urn in urns.iter().filter_map(Value::as_str) {
        let urn = Value::from(urn_of(urn));
        if !out.contains(&urn) {
            out.push(urn);
        }
    }
    Value::Array(out)
}

fn urn_of(urn: &str) -> &str {
    match urn {
        ENTERPRISE_USER => ENTERPRISE,
        super::list::SCHEMA => CORE,
        urn if urn.starts_with(CORE_2) => CORE,
        urn => urn,
    }
}

/// SCIM 1.1 has no `$ref`.
fn without_refs(value: Value) -> Value {
    match value {
        Value::Array(elements) => elements.into_iter().map(without_refs).collect(),
        Value::Object(mut members) => {
            members.remove("$ref");
            Value::Object(members)
        }
        other => other,
    }
}

/// The body of a bulk request in the form of SCIM 2.0, but for the data of its operations.
pub fn bulk_request(mut body: Value) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.retain(|name, _| !name.eq_ignore_ascii_case("schemas"));
        body.insert("schemas".to_owned(), json!([bulk::REQUEST_SCHEMA]));
    }
    body
}

/// The body of a bulk response in the form of SCIM 1.1, where a status is an object and says what went wrong.
pub fn bulk_response(mut body: Value) -> Value {
    let operations = body.get_mut("Operations").and_then(Value::as_array_mut);
    for operation in operations.into_iter().flatten().filter_map(Value::as_object_mut) {
        let error = operation.remove("response");
        if let Some(status) = operation.get_mut("status") {
            *status = match error.as_ref().and_then(|error| error.get("detail")) {
                Some(detail) => json!({ "code": status, "description": detail }),
                None => json!({ "code": status }),
            };
        }
    }
    if let Some(body) = body.as_object_mut() {
        body.insert("schemas".to_owned(), json!([CORE]));
    }
    body
}

/// The body of an error. Okta's test wants `detail`, its connectors read `Errors`.
pub fn error(error: &Error) -> Value {
    json!({
        "Errors": [{ "description": error.detail, "code": error.status }],
        "detail": error.detail,
    })
}

/// `/ServiceProviderConfigs`; `okta` are the capabilities that Okta's provisioning agent asks for.
pub fn service_provider_config(capabilities: &Capabilities, okta: &[&str]) -> Value {
    let c = capabilities;
    let schemes: Vec<Value> = c
        .authentication_schemes
        .iter()
        .enumerate()
        .map(
            |(index, s)| json!({ "type": s.kind, "name": s.name, "description": s.description, "primary": index == 0 }),
        )
        .collect();
    json!({
        "schemas": [CORE, OKTA_CONFIG],
        "patch": { "supported": c.patch },
        "bulk": {
            "supported": c.bulk_max_operations.is_some(),
            "maxOperations": c.bulk_max_operations.unwrap_or(0),
            "maxPayloadSize": c.bulk_max_payload_size,
        },
        "filter": { "supported": c.filter_max_results.is_some(), "maxResults": c.filter_max_results.unwrap_or(0) },
        "changePassword": { "supported": c.change_password },
        "sort": { "supported": c.sort },
        "etag": { "supported": c.etag },
        "xmlDataFormat": { "supported": false },
        "authenticationSchemes": schemes,
        OKTA_CONFIG: { "userManagementCapabilities": okta },
    })
}

/// `/Schemas`: each schema once.
pub fn schema_list(types: &[ResourceType]) -> Value {
    let all = schemas_of(types);
    let total = all.len();
    json!({
        "schemas": [CORE, LIST],
        "totalResults": total,
        "startIndex": 1,
        "itemsPerPage": total,
        "Resources": all,
    })
}

/// `/Schemas/{id}`.
pub fn schema(types: &[ResourceType], id: &str) -> Option<Value> {
    schemas_of(types).into_iter().find(|schema| is(schema, id))
}

fn is(schema: &Value, id: &str) -> bool {
    schema.get("id").and_then(Value::as_str) == Some(id)
}

fn schemas_of(types: &[ResourceType]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for rt in types {
        let extensions = rt.extensions.iter().map(|(schema, _)| schema);
        for schema in std::iter::once(&rt.schema).chain(extensions) {
            let id = match schema.id.strip_prefix(CORE_2) {
                Some(name) => format!("{CORE}:{name}"),
                None => urn_of(&schema.id).to_owned(),
            };
            if all.iter().any(|other| is(other, &id)) {
                continue;
            }
            let urn = urn_of(&schema.id);
            let attributes: Vec<Value> = schema.attributes.iter().map(|a| attribute(a, urn)).collect();
            all.push(json!({
                "schemas": [CORE],
                "id": id,
                "schema": urn,
                "name": schema.name,
                "description": schema.description,
                "endpoint": rt.endpoint,
                "attributes": attributes,
            }));
        }
    }
    all
}

fn attribute(attribute: &Attribute, urn: &str) -> Value {
    let subs: Vec<Value> =
        attribute.sub_attributes.iter().filter(|sub| sub.name != "$ref").map(|sub| self::attribute(sub, urn)).collect();
    let mut out = json!({
        "name": attribute.name,
        "type": attribute.kind.as_str(),
        "multiValued": attribute.multi_valued,
        "description": attribute.description,
        "schema": urn,
        "readOnly": attribute.mutability == Mutability::ReadOnly,
        "required": attribute.required,
        "caseExact": attribute.case_exact,
    });
    if let (false, Some(out)) = (subs.is_empty(), out.as_object_mut()) {
        out.insert("subAttributes".to_owned(), Value::Array(subs));
    }
    out
}

/// `/ResourceTypes`, from its body in SCIM 2.0.
pub fn resource_types(body: Value) -> Value {
    let mut body = response(body);
    let all = body.get_mut("Resources").and_then(Value::as_array_mut);
    for rt in all.into_iter().flatten().filter_map(Value::as_object_mut) {
        for name in ["schema", "schemaExtensions"] {
            match rt.get_mut(name) {
                Some(Value::String(urn)) => *urn = urn_of(urn).to_owned(),
                Some(Value::Array(extensions)) => {
                    for extension in extensions {
                        if let Some(Value::String(urn)) = extension.get_mut("schema") {
                            *urn = urn_of(urn).to_owned();
                        }
                    }
                }
                _ => {}
            }
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::core::{group_type, user_type};

    #[test]
    fn a_resource_there_and_back() {
        let old = json!({"schemas": [CORE, ENTERPRISE], "userName": "a", ENTERPRISE: {"manager": {"managerId": "7"}}});
        let new = resource(&user_type(), old.clone());
        assert_eq!(
            new,
            json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE_USER], "userName": "a",
                ENTERPRISE_USER: {"manager": {"value": "7"}}})
        );
        assert_eq!(response(new), old);
        let group = json!({"displayName": "a", OKTA_GROUP: {"description": null}});
        assert_eq!(resource(&group_type(), group).get(OKTA_GROUP), None);
    }
}
