//! List responses (RFC 7644 section 3.4.2, RFC 9865 section 2).

use serde_json::{Map, Value};

/// The schema URN of a list response.
pub const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// A page of an index-based list: `itemsPerPage` is the number of resources in it.
pub fn response(resources: Vec<Value>, total: usize, start_index: usize) -> Value {
    let mut body = page(resources);
    body.insert("totalResults".to_owned(), total.into());
    body.insert("startIndex".to_owned(), start_index.into());
    Value::Object(body)
}

/// A page of a cursor walk; `next` is `None` on the last one, `total` where it is known.
pub fn cursor_response(resources: Vec<Value>, total: Option<usize>, next: Option<&str>) -> Value {
    let mut body = page(resources);
    if let Some(total) = total {
        body.insert("totalResults".to_owned(), total.into());
    }
    if let Some(next) = next {
        body.insert("nextCursor".to_owned(), next.into());
    }
    Value::Object(body)
}

fn page(resources: Vec<Value>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("schemas".to_owned(), Value::Array(vec![SCHEMA.into()]));
    body.insert("itemsPerPage".to_owned(), resources.len().into());
    body.insert("Resources".to_owned(), Value::Array(resources));
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rfc7644_3_4_2_list_response() {
        assert_eq!(
            response(vec![json!({"id": "1"})], 12, 6),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": 12, "startIndex": 6, "itemsPerPage": 1, "Resources": [{"id": "1"}]})
        );
    }

    #[test]
    fn rfc9865_2_cursor_response() {
        assert_eq!(
            cursor_response(vec![], None, Some("VZUTiy")),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "itemsPerPage": 0, "Resources": [], "nextCursor": "VZUTiy"})
        );
    }
}
