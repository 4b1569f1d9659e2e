//! Bulk requests (RFC 7644 section 3.7).

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::dialect::Leniency;
use super::error::Error;

/// The schema URN of a bulk request.
pub const REQUEST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The schema URN of a bulk response.
pub const RESPONSE_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// What stands before a bulkId where an operation refers to another one's resource.
const REFERENCE: &str = "bulkId:";

/// A bulk request.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkRequest {
    /// After how many failures to stop; `None`: never.
    pub fail_on_errors: Option<usize>,
    /// The operations as they were sent.
    pub operations: Vec<BulkOperation>,
}

/// One operation of a bulk request.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkOperation {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The path under the SCIM root, with its leading slash: `/Users`, `/Groups/bulkId:ytrewq`.
    pub path: String,
    /// The client's name for the operation; a POST has one.
    pub bulk_id: Option<String>,
    /// The entity tag that the resource must still have.
    pub version: Option<String>,
    /// The body; null for DELETE.
    pub data: Value,
}

/// Reads the body of a bulk request. Errors: 400 `invalidSyntax`, 400 `invalidValue`, 413 for more than
/// `max_operations`.
pub fn parse(body: Value, max_operations: usize, leniency: Leniency) -> Result<BulkRequest, Error> {
    let Value::Object(mut body) = body else {
        return Err(Error::invalid_syntax("the body must be a JSON object"));
    };
    let listed = take(&mut body, "schemas").is_some_and(|schemas| {
        let urns = schemas.as_array();
        urns.is_some_and(|urns| urns.iter().any(|urn| urn == REQUEST_SCHEMA))
    });
    if !listed && leniency == Leniency::Strict {
        return Err(Error::invalid_syntax(format!("`schemas` must list `{REQUEST_SCHEMA}`")));
    }
    let fail_on_errors = match take(&mut body, "failOnErrors") {
        None | Some(Value::Null) => None,
        Some(number) => {
            let number = number.as_u64().filter(|&number| number > 0);
            let wrong = || Error::invalid_value("`failOnErrors` must be a positive integer");
            Some(usize::try_from(number.ok_or_else(wrong)?).unwrap_or(usize::MAX))
        }
    };
    let Some(Value::Array(operations)) = take(&mut body, "Operations") else {
        return Err(Error::invalid_syntax("`Operations` must be an array"));
    };
    if operations.len() > max_operations {
        let count = operations.len();
        return Err(Error::new(413, format!("{count} operations are too many: at most {max_operations} are accepted")));
    }
    let operations: Vec<_> = operations.into_iter().map(operation).collect::<Result<_, _>>()?;
    let mut names = BTreeSet::new();
    for name in operations.iter().filter_map(|o| o.bulk_id.as_deref()) {
        if !names.insert(name) {
            return Err(Error::invalid_value(format!("the bulkId `{name}` is used twice")));
        }
    }
    Ok(BulkRequest { fail_on_errors, operations })
}

fn operation(operation: Value) -> Result<BulkOperation, Error> {
    let Value::Object(mut operation) = operation else {
        return Err(Error::invalid_syntax("an operation must be an object"));
    };
    let mut text = |name: &str| match take(&mut operation, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid_syntax(format!("`{name}` must be a string"))),
    };
    let method = text("method")?.unwrap_or_default().to_ascii_uppercase();
    let path = text("path")?.unwrap_or_default();
    let (bulk_id, version) = (text("bulkId")?, text("version")?);
    let data = take(&mut operation, "data").unwrap_or_default();
    if !matches!(method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE") {
        return Err(Error::invalid_syntax(format!("`method` must be POST, PUT, PATCH or DELETE, not `{method}`")));
    }
    if !path.starts_with('/') {
        return Err(Error::invalid_syntax(format!("`path` must begin with a slash, unlike `{path}`")));
    }
    if method == "POST" && bulk_id.as_ref().is_none_or(String::is_empty) {
        return Err(Error::invalid_syntax("a POST needs a `bulkId`"));
    }
    if method != "DELETE" && !data.is_object() {
        return Err(Error::invalid_syntax(format!("`data` must be an object for {method} `{path}`")));
    }
    Ok(BulkOperation { method, path, bulk_id, version, data })
}

fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    if let Some(value) = object.remove(name) {
        return Some(value);
    }
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    object.remove(&key)
}

impl BulkRequest {
    /// The indexes of the operations in an order in which each comes after those that it refers to, otherwise as
    /// they were sent. Operations that refer to each other in a circle, or to a bulkId that nobody has, come last as
    /// the second list: RFC 7644 section 3.7.1 asks for 409 where a circle cannot be resolved.
    pub fn order(&self) -> (Vec<usize>, Vec<usize>) {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut order = Vec::with_capacity(self.operations.len());
        let mut waiting: Vec<(usize, BTreeSet<&str>)> =
            self.operations.iter().map(|operation| operation.references()).enumerate().collect();
        loop {
            let before = order.len();
            waiting.retain(|(index, references)| {
                if !references.is_subset(&done) {
                    return true;
                }
                order.push(*index);
                done.extend(self.operations.get(*index).and_then(|o| o.bulk_id.as_deref()));
                false
            });
            if order.len() == before {
                return (order, waiting.into_iter().map(|(index, _)| index).collect());
            }
        }
    }
}

impl BulkOperation {
    /// The bulkIds that the operation refers to, in its path and anywhere in its data.
    pub fn references(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        found.extend(self.path.split('/').filter_map(|part| part.strip_prefix(REFERENCE)));
        collect(&self.data, &mut found);
        found
    }

    /// Puts the ids of created resources (by bulkId) where the operation refers to them, percent-encoded in its path.
    pub fn resolve(&mut self, ids: &BTreeMap<String, String>) {
        let parts = self.path.split('/').map(|part| {
            let id = part.strip_prefix(REFERENCE).and_then(|name| ids.get(name));
            id.map_or_else(|| part.to_owned(), |id| utf8_percent_encode(id, NON_ALPHANUMERIC).to_string())
        });
        self.path = parts.collect::<Vec<_>>().join("/");
        replace(&mut self.data, ids);
    }

    /// The operation's entry in the response: `location` of the resource (absent only for a POST that failed) and, for
    /// a failure, the error's body.
    pub fn outcome(&self, status: u16, location: Option<&str>, version: Option<&str>, error: Option<Value>) -> Value {
        let mut entry = Map::new();
        entry.insert("method".to_owned(), self.method.as_str().into());
        entry.insert("status".to_owned(), status.to_string().into());
        let texts = [("bulkId", self.bulk_id.as_deref()), ("location", location), ("version", version)];
        for (name, text) in texts {
            if let Some(text) = text {
                entry.insert(name.to_owned(), text.into());
            }
        }
        if let Some(error) = error {
            entry.insert("response".to_owned(), error);
        }
        Value::Object(entry)
    }
}

fn collect<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => found.extend(text.strip_prefix(REFERENCE)),
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
        Value::Object(members) => members.values().for_each(|member| collect(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn replace(value: &mut Value, ids: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(id) = text.strip_prefix(REFERENCE).and_then(|name| ids.get(name)) {
                text.clone_from(id);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| replace(element, ids)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The body of a bulk response; `outcomes` are those of [`BulkOperation::outcome`].
#[allow(clippy::needless_pass_by_value)] // The response takes the outcomes over.
pub fn response(outcomes: Vec<Value>) -> Value {
    json!({ "schemas": [RESPONSE_SCHEMA], "Operations": outcomes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value)]
    fn request(operations: Value) -> Result<BulkRequest, Error> {
        let body = json!({"schemas": [REQUEST_SCHEMA], "failOnErrors": 1, "Operations": operations});
        parse(body, 5, Leniency::Strict)
    }

    #[test]
    fn rfc7644_3_7_2_references_come_after_what_they_name() {
        let mut request = request(json!([
            {"method": "POST", "path": "/Groups", "bulkId": "ytrewq", "data": {
                "displayName": "Tour Guides", "members": [{"type": "User", "value": "bulkId:qwerty"}]}},
            {"method": "POST", "path": "/Users", "bulkId": "qwerty", "data": {"userName": "Alice"}},
            {"method": "PATCH", "path": "/Groups/bulkId:ytrewq", "data": {"Operations": []}},
            {"method": "DELETE", "path": "/Users/7", "version": "W/\"1\""},
        ]))
        .unwrap();
        assert_eq!(request.fail_on_errors, Some(1));
        assert_eq!(request.order(), (vec![1, 3, 0, 2], vec![]));
        let ids = BTreeMap::from([("qwerty".to_owned(), "1".to_owned()), ("ytrewq".to_owned(), "2".to_owned())]);
        request.operations.iter_mut().for_each(|operation| operation.resolve(&ids));
        assert_eq!(request.operations[0].data["members"][0], json!({"type": "User", "value": "1"}));
        assert_eq!(request.operations[2].path, "/Groups/2");
    }

    #[test]
    fn rfc7644_3_7_1_circles_and_loose_ends_are_told() {
        let request = request(json!([
            {"method": "POST", "path": "/Groups", "bulkId": "a", "data": {"members": [{"value": "bulkId:b"}]}},
            {"method": "POST", "path": "/Groups", "bulkId": "b", "data": {"members": [{"value": "bulkId:a"}]}},
            {"method": "PUT", "path": "/Users/bulkId:nobody", "data": {}},
            {"method": "POST", "path": "/Users", "bulkId": "c", "data": {}},
        ]))
        .unwrap();
        assert_eq!(request.order(), (vec![3], vec![0, 1, 2]));
    }

    #[test]
    fn rfc7644_3_7_3_response() {
        let request = request(json!([{"method": "post", "path": "/Users", "bulkId": "q", "data": {}}])).unwrap();
        let operation = &request.operations[0];
        assert_eq!(
            response(vec![
                operation.outcome(201, Some("https://x/Users/1"), Some("W/\"1\""), None),
                operation.outcome(409, None, None, Some(Error::uniqueness("taken").body())),
            ]),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": [
                {"method": "POST", "bulkId": "q", "status": "201", "location": "https://x/Users/1", "version": "W/\"1\""},
                {"method": "POST", "bulkId": "q", "status": "409", "response": Error::uniqueness("taken").body()},
            ]})
        );
    }

    #[test]
    fn refusals() {
        let post = json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": {}});
        for (operations, status) in [
            (json!({}), 400),
            (json!([7]), 400),
            (json!([{"method": "GET", "path": "/Users"}]), 400),
            (json!([{"method": "DELETE", "path": "Users/1"}]), 400),
            (json!([{"method": "POST", "path": "/Users", "data": {}}]), 400),
            (json!([{"method": "PUT", "path": "/Users/1"}]), 400),
            (json!([post, post]), 400),
            (json!([post, post, post, post, post, post]), 413),
        ] {
            assert_eq!(request(operations.clone()).expect_err(&operations.to_string()).status, status);
        }
        assert!(parse(json!({"Operations": [], "failOnErrors": 0}), 5, Leniency::Lenient).is_err());
        assert!(parse(json!({"Operations": []}), 5, Leniency::Strict).is_err());
        assert!(parse(json!({"operations": []}), 5, Leniency::Lenient).is_ok());
    }
}
