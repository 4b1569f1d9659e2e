//! JSON as people like to read it: what a resource is comes first, what is said about it last.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use crate::mapping::view::View;
use crate::scim::list::RESOURCES;

const FIRST: [&str; 7] = ["schemas", "id", "externalId", "status", "scimType", "totalResults", "startIndex"];
const LAST: [&str; 2] = [RESOURCES, "meta"];

/// The text of a response body. The order of members means nothing in JSON; it is for who reads a log.
pub(super) fn text(body: &Value) -> Vec<u8> {
    serde_json::to_vec(&Ordered(body)).unwrap_or_default()
}

/// The resources of a response as text. Each is written as soon as it is made, so that only one at a time takes
/// the space of a tree.
#[derive(Default)]
pub(super) struct Written {
    text: Vec<u8>,
    count: usize,
}

impl Written {
    pub(super) fn push(&mut self, resource: &Value) {
        self.write(&Ordered(resource));
    }

    pub(super) fn push_view(&mut self, resource: &View<'_>) {
        self.write(&OrderedView(resource));
    }

    fn write(&mut self, resource: &impl Serialize) {
        if self.count > 0 {
            self.text.push(b',');
        }
        self.count += 1;
        // Writing a JSON value into memory does not fail.
        let _ = serde_json::to_writer(&mut self.text, resource);
    }

    /// The text of what was written alone.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The text of `message`, an object with members, with the resources as its last one.
    pub(super) fn within(&self, message: &Value) -> Vec<u8> {
        let mut out = text(message);
        out.reserve(self.text.len() + 32);
        out.pop();
        out.extend_from_slice(format!(",\"{RESOURCES}\":[").as_bytes());
        out.extend_from_slice(&self.text);
        out.extend_from_slice(b"]}");
        out
    }
}

struct Ordered<'v>(&'v Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            // Whatever says what it is has a place in a log: a resource or a message.
            Value::Object(object) if object.contains_key("schemas") => {
                let mut map = serializer.serialize_map(Some(object.len()))?;
                let named =
                    |names: &'static [&'static str]| names.iter().filter_map(|name| object.get_key_value(*name));
                let other =
                    object.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()) && !LAST.contains(&name.as_str()));
                for (name, value) in named(&FIRST).chain(other).chain(named(&LAST)) {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Object(object) => {
                let mut map = serializer.serialize_map(Some(object.len()))?;
                for (name, value) in object {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Ordered(item))?;
                }
                list.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

struct OrderedView<'v>(&'v View<'v>);

impl Serialize for OrderedView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            View::Value(value) => Ordered(value).serialize(serializer),
            View::Text(text) => serializer.serialize_str(text),
            View::List(items) => serializer.collect_seq(items.iter().map(OrderedView)),
            View::Object(members) if self.0.has("schemas") => {
                let named = |names: &'static [&'static str]| {
                    names.iter().filter_map(|name| members.iter().find(|(known, _)| known == name))
                };
                let other = members
                    .iter()
                    .filter(|(name, _)| !FIRST.contains(&name.as_ref()) && !LAST.contains(&name.as_ref()));
                let ordered = named(&FIRST).chain(other).chain(named(&LAST));
                serializer.collect_map(ordered.map(|(name, value)| (name, OrderedView(value))))
            }
            View::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, OrderedView(value))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn puts_identity_first_and_meta_last() {
        let body = json!({ "meta": { "resourceType": "User" }, "userName": "bjensen", "id": "7", "schemas": [] });
        let text = String::from_utf8(text(&body)).unwrap();
        assert_eq!(text, r#"{"schemas":[],"id":"7","userName":"bjensen","meta":{"resourceType":"User"}}"#);
    }
}
