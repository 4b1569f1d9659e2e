//! Bulk requests (RFC 7644 section 3.7).

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::dialect::Leniency;
use super::error::Error;
use super::filter::parse::pieces;
use super::json::gathered;

/// The schema URN of a bulk request.
pub const REQUEST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The schema URN of a bulk response.
pub const RESPONSE_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// What stands before a bulkId where an operation refers to another one's resource.
const REFERENCE: &str = "bulkId:";
/// The members that hold an id of a resource. What begins like a reference elsewhere is a text: a `title` may.
const IDS: [&str; 5] = ["value", "$ref", "managerId", "manager", "members"];

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
    let numbered = operations.into_iter().enumerate();
    let operations: Vec<_> = numbered.map(|(index, operation)| read(index + 1, operation)).collect::<Result<_, _>>()?;
    let mut names = BTreeSet::new();
    for name in operations.iter().filter_map(|o| o.bulk_id.as_deref()) {
        if !names.insert(name) {
            return Err(Error::invalid_value(format!("the bulkId `{name}` is used twice")));
        }
    }
    Ok(BulkRequest { fail_on_errors, operations })
}

/// Reads the operation of this number.
fn read(number: usize, value: Value) -> Result<BulkOperation, Error> {
    let name = match value.get("bulkId").and_then(Value::as_str) {
        Some(name) => format!("operation {number} (`{name}`)"),
        None => format!("operation {number}"),
    };
    operation(value).map_err(|error| error.within(&name))
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
    /// Whether an operation has this bulkId.
    pub fn names(&self, bulk_id: &str) -> bool {
        self.operations.iter().any(|operation| operation.bulk_id.as_deref() == Some(bulk_id))
    }

    /// The indexes of the operations in an order in which each comes after those that it refers to, otherwise as
    /// they were sent. The second list are those that refer to each other in a circle, or to one that does: they cannot
    /// be carried out, which RFC 7644 section 3.7.1 answers with 409, and wait for nothing.
    pub fn order(&self) -> (Vec<usize>, BTreeSet<usize>) {
        let sorted = self.sorted(&BTreeSet::new());
        let stuck: BTreeSet<usize> = gathered((0..self.operations.len()).filter(|index| !sorted.contains(index)));
        if stuck.is_empty() {
            return (sorted, stuck);
        }
        (self.sorted(&stuck), stuck)
    }

    /// The operations that need not wait for themselves, where the `free` ones wait for nothing.
    fn sorted(&self, free: &BTreeSet<usize>) -> Vec<usize> {
        let known: BTreeSet<&str> = gathered(self.operations.iter().filter_map(|o| o.bulk_id.as_deref()));
        let all = self.operations.iter().enumerate();
        let mut waiting: Vec<(usize, BTreeSet<&str>)> = Vec::with_capacity(self.operations.len());
        waiting.extend(all.map(|(index, operation)| {
            let mut awaited = if free.contains(&index) { BTreeSet::new() } else { operation.references() };
            awaited.retain(|name| known.contains(name));
            (index, awaited)
        }));
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut order = Vec::with_capacity(waiting.len());
        loop {
            let before = order.len();
            waiting.retain(|(index, awaited)| {
                if !awaited.is_subset(&done) {
                    return true;
                }
                order.push(*index);
                done.extend(self.operations.get(*index).and_then(|o| o.bulk_id.as_deref()));
                false
            });
            if order.len() == before {
                return order;
            }
        }
    }
}

impl BulkOperation {
    /// The bulkId of the resource that the operation is about: its own for a POST, the one in its path for others.
    pub fn resource(&self) -> Option<&str> {
        match self.method.as_str() {
            "POST" => self.bulk_id.as_deref(),
            _ => self.path.split('/').find_map(|part| part.strip_prefix(REFERENCE)),
        }
    }

    /// The bulkIds that the operation refers to, in its path and where its data has ids of resources.
    pub fn references(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        found.extend(self.path.split('/').filter_map(|part| part.strip_prefix(REFERENCE)));
        collect(&self.data, false, &mut found);
        found
    }

    /// Puts the ids of created resources (by bulkId) where the operation refers to them, percent-encoded in its path.
    pub fn resolve(&mut self, ids: &BTreeMap<String, String>) {
        let parts = self.path.split('/').map(|part| {
            let id = part.strip_prefix(REFERENCE).and_then(|name| ids.get(name));
            id.map_or_else(|| part.to_owned(), |id| utf8_percent_encode(id, NON_ALPHANUMERIC).to_string())
        });
        self.path = parts.collect::<Vec<_>>().join("/");
        replace(&mut self.data, false, ids);
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

/// `is_id`: whether a text here is the id of a resource.
fn collect<'a>(value: &'a Value, is_id: bool, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) if is_id => found.extend(text.strip_prefix(REFERENCE)),
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, is_id, found)),
        Value::Object(members) => {
            let target = target(members);
            for (key, member) in members {
                match member {
                    Value::String(path) if target.is_some() && is_path(key) => {
                        found.extend(pieces(path).into_iter().filter_map(referred));
                    }
                    member => collect(member, holds_id(key, target), found),
                }
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn replace(value: &mut Value, is_id: bool, ids: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if is_id => {
            if let Some(id) = text.strip_prefix(REFERENCE).and_then(|name| ids.get(name)) {
                text.clone_from(id);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| replace(element, is_id, ids)),
        Value::Object(members) => {
            let target = target(members).map(str::to_owned);
            for (key, member) in members.iter_mut() {
                match member {
                    Value::String(path) if target.is_some() && is_path(key) => *path = resolved(path, ids),
                    member => replace(member, holds_id(key, target.as_deref()), ids),
                }
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The path of an operation of a PATCH, empty where it has none.
fn target(members: &Map<String, Value>) -> Option<&str> {
    let member = |name: &str| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    member("op").map(|_| member("path").and_then(Value::as_str).unwrap_or_default())
}

fn is_path(key: &str) -> bool {
    key.eq_ignore_ascii_case("path")
}

/// Whether a text under this key is an id. The `value` of an operation of a PATCH is what its path ends in.
fn holds_id(key: &str, target: Option<&str>) -> bool {
    let name = match target.filter(|_| key.eq_ignore_ascii_case("value")) {
        Some(path) => path.rsplit(['.', ':', '/']).next().unwrap_or_default(),
        None => key,
    };
    IDS.iter().any(|id| id.eq_ignore_ascii_case(name))
}

/// The bulkId that a string in a path's value filter refers to: `members[value eq "bulkId:qwerty"]`.
fn referred((quoted, piece): (bool, &str)) -> Option<&str> {
    piece.strip_prefix('"')?.strip_suffix('"')?.strip_prefix(REFERENCE).filter(|_| quoted)
}

/// The path with the ids that its value filter refers to.
fn resolved(path: &str, ids: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(path.len());
    for piece in pieces(path) {
        match referred(piece).and_then(|name| ids.get(name)) {
            Some(id) => out.push_str(&Value::from(id.as_str()).to_string()),
            None => out.push_str(piece.1),
        }
    }
    out
}

/// The body of a bulk response; `outcomes` are those of [`BulkOperation::outcome`].
#[allow(clippy::needless_pass_by_value)] // The response takes the outcomes over.
pub fn response(outcomes: Vec<Value>) -> Value {
    json!({ "schemas": [RESPONSE_SCHEMA], "Operations": outcomes })
}

#[cfg(test)]
mod tests;
