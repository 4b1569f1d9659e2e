//! List responses (RFC 7644 section 3.4.2, RFC 9865 section 2).

use serde_json::{Map, Value};

/// The schema URN of a list response.
pub const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// The member of a list response that holds the resources.
pub const RESOURCES: &str = "Resources";

/// A page of an index-based list, without its `items` resources: who writes it puts them under [`RESOURCES`].
pub fn response(items: usize, total: usize, start_index: usize) -> Value {
    let mut body = page(items);
    body.insert("totalResults".to_owned(), total.into());
    body.insert("startIndex".to_owned(), start_index.into());
    Value::Object(body)
}

/// The same of a cursor walk; `next` is `None` on the last one, `total` where it is known.
pub fn cursor_response(items: usize, total: Option<usize>, next: Option<&str>) -> Value {
    let mut body = page(items);
    if let Some(total) = total {
        body.insert("totalResults".to_owned(), total.into());
    }
    if let Some(next) = next {
        body.insert("nextCursor".to_owned(), next.into());
    }
    Value::Object(body)
}

/// A list of all there is.
pub fn whole(resources: Vec<Value>) -> Value {
    let count = resources.len();
    let mut body = response(count, count, 1);
    if let Some(body) = body.as_object_mut() {
        body.insert(RESOURCES.to_owned(), Value::Array(resources));
    }
    body
}

fn page(items: usize) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("schemas".to_owned(), Value::Array(vec![SCHEMA.into()]));
    body.insert("itemsPerPage".to_owned(), items.into());
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rfc7644_3_4_2_list_response() {
        assert_eq!(
            response(1, 12, 6),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": 12, "startIndex": 6, "itemsPerPage": 1})
        );
        assert_eq!(
            whole(vec![json!({"id": "1"})]),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": 1, "startIndex": 1, "itemsPerPage": 1, "Resources": [{"id": "1"}]})
        );
    }

    #[test]
    fn rfc9865_2_cursor_response() {
        assert_eq!(
            cursor_response(0, None, Some("VZUTiy")),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "itemsPerPage": 0, "nextCursor": "VZUTiy"})
        );
    }
}
