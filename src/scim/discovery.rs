//! Bodies of the discovery endpoints (RFC 7643 sections 5 to 7, RFC 7644 section 4, RFC 9865 section 4).
//!
//! `base` is the URL of the SCIM root, without a trailing slash: `https://example.com/scim/v2`.

use serde_json::{Value, json};

use super::list;
use super::schema::{ResourceType, Schema};

/// How clients authenticate (RFC 7643 section 5, `authenticationSchemes`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationScheme {
    /// `oauth`, `oauth2`, `oauthbearertoken`, `httpbasic` or `httpdigest`.
    pub kind: String,
    /// The name for people.
    pub name: String,
    /// What to do.
    pub description: String,
}

/// What a deployment can do.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // One for each feature that RFC 7643 section 5 announces.
pub struct Capabilities {
    /// Where people read about it.
    pub documentation_uri: Option<String>,
    /// Whether PATCH works.
    pub patch: bool,
    /// Operations in one bulk request; `None`: no bulk.
    pub bulk_max_operations: Option<usize>,
    /// Bytes in one bulk request.
    pub bulk_max_payload_size: usize,
    /// Resources in one filtered page; `None`: no filters.
    pub filter_max_results: Option<usize>,
    /// Whether `password` can be written.
    pub change_password: bool,
    /// Whether `sortBy` works.
    pub sort: bool,
    /// Whether `ETag` and `If-Match` work.
    pub etag: bool,
    /// How many seconds a cursor can be used (RFC 9865); `None`: no cursors.
    pub cursor: Option<u64>,
    /// How clients authenticate.
    pub authentication_schemes: Vec<AuthenticationScheme>,
}

/// `/ServiceProviderConfig`.
pub fn service_provider_config(capabilities: &Capabilities, base: &str) -> Value {
    let c = capabilities;
    let schemes: Vec<Value> = c
        .authentication_schemes
        .iter()
        .enumerate()
        .map(
            |(index, s)| json!({ "type": s.kind, "name": s.name, "description": s.description, "primary": index == 0 }),
        )
        .collect();
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": c.patch },
        "bulk": {
            "supported": c.bulk_max_operations.is_some(),
            "maxOperations": c.bulk_max_operations.unwrap_or(0),
            "maxPayloadSize": c.bulk_max_payload_size,
        },
        "filter": {
            "supported": c.filter_max_results.is_some(),
            "maxResults": c.filter_max_results.unwrap_or(0),
        },
        "changePassword": { "supported": c.change_password },
        "sort": { "supported": c.sort },
        "etag": { "supported": c.etag },
        "pagination": {
            "cursor": c.cursor.is_some(),
            "index": true,
            "defaultPaginationMethod": "index",
        },
        "authenticationSchemes": schemes,
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    });
    if let (Some(pagination), Some(most)) = (body.pointer_mut("/pagination"), c.filter_max_results)
        && let Some(pagination) = pagination.as_object_mut()
    {
        pagination.insert("defaultPageSize".to_owned(), most.into());
        pagination.insert("maxPageSize".to_owned(), most.into());
        pagination.extend(c.cursor.map(|seconds| ("cursorTimeout".to_owned(), seconds.into())));
    }
    if let (Some(uri), Some(body)) = (&c.documentation_uri, body.as_object_mut()) {
        body.insert("documentationUri".to_owned(), uri.as_str().into());
    }
    body
}

/// `/ResourceTypes`.
pub fn resource_types(types: &[ResourceType], base: &str) -> Value {
    let all: Vec<Value> = types.iter().map(|rt| rt.to_json(base)).collect();
    list::whole(all)
}

/// `/ResourceTypes/{id}`.
pub fn resource_type(types: &[ResourceType], id: &str, base: &str) -> Option<Value> {
    types.iter().find(|rt| rt.id == id).map(|rt| rt.to_json(base))
}

/// `/Schemas`: each schema once, in the order of the resource types.
pub fn schemas(types: &[ResourceType], base: &str) -> Value {
    let mut seen: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for schema in each_schema(types) {
        if !seen.contains(&schema.id.as_str()) {
            seen.push(&schema.id);
            all.push(schema.to_json(base));
        }
    }
    list::whole(all)
}

/// `/Schemas/{id}`, the URN in any letter case.
pub fn schema(types: &[ResourceType], id: &str, base: &str) -> Option<Value> {
    each_schema(types).find(|schema| schema.id.eq_ignore_ascii_case(id)).map(|schema| schema.to_json(base))
}

fn each_schema(types: &[ResourceType]) -> impl Iterator<Item = &Schema> {
    types.iter().flat_map(|rt| std::iter::once(&rt.schema).chain(rt.extensions.iter().map(|(schema, _)| schema)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::core::{ENTERPRISE_USER, GROUP, USER, group_type, user_type};

    #[test]
    fn rfc7643_5_service_provider_config() {
        let capabilities = Capabilities {
            patch: true,
            filter_max_results: Some(200),
            authentication_schemes: vec![AuthenticationScheme {
                kind: "oauthbearertoken".to_owned(),
                name: "Bearer token".to_owned(),
                description: "A token in the header field Authorization".to_owned(),
            }],
            ..Capabilities::default()
        };
        let body = service_provider_config(&capabilities, "https://example.com/scim/v2");
        assert_eq!(body["patch"], json!({"supported": true}));
        assert_eq!(body["bulk"], json!({"supported": false, "maxOperations": 0, "maxPayloadSize": 0}));
        assert_eq!(body["filter"], json!({"supported": true, "maxResults": 200}));
        assert_eq!(body["authenticationSchemes"][0]["type"], "oauthbearertoken");
        assert_eq!(body["meta"]["location"], "https://example.com/scim/v2/ServiceProviderConfig");
        assert_eq!(body.get("documentationUri"), None);
        for name in ["changePassword", "sort", "etag"] {
            assert_eq!(body[name], json!({"supported": false}));
        }
    }

    #[test]
    fn rfc7644_4_schemas_and_resource_types() {
        let mut admin = user_type();
        admin.id = "Admin".to_owned();
        let types = [user_type(), admin, group_type()];
        let all = schemas(&types, "");
        let ids: Vec<&Value> = all["Resources"].as_array().unwrap().iter().map(|s| &s["id"]).collect();
        assert_eq!(ids, [USER, ENTERPRISE_USER, GROUP]);
        assert_eq!(all["totalResults"], 3);
        assert_eq!(schema(&types, &GROUP.to_uppercase(), "").unwrap()["name"], "Group");
        assert_eq!(schema(&types, "urn:x", ""), None);
        assert_eq!(resource_types(&types, "")["totalResults"], 3);
        assert_eq!(resource_type(&types, "Group", "").unwrap()["schema"], GROUP);
        assert_eq!(resource_type(&types, "Nope", ""), None);
    }
}
