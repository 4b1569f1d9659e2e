//! Entity tags (RFC 7644 section 3.14, RFC 9110 section 13.1).

use serde_json::Value;

/// What a tag can be made of. Equal content gives equal tags, whatever holds it, in every instance of the engine.
pub trait Hashed {
    /// Adds the content.
    fn add_to(&self, hash: &mut Hash);
}

/// The weak entity tag, `W/"…"`, of an object with these members.
pub fn of_members<'m, T: Hashed + 'm>(members: impl Iterator<Item = (&'m str, &'m T)>) -> String {
    let mut hash = Hash::default();
    for (name, value) in members {
        hash.write(name.as_bytes());
        value.add_to(&mut hash);
    }
    format!("W/\"{:016x}\"", hash.0)
}

/// A number that tells one content from another, as tags do.
pub fn hash_of(content: &impl Hashed) -> u64 {
    let mut hash = Hash::default();
    content.add_to(&mut hash);
    hash.0
}

/// FNV-1a, 64 bits: tags only have to differ between versions of one resource.
pub struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    fn step(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x0000_0100_0000_01b3);
    }

    /// The length comes first, so that neighbours cannot run into each other.
    fn write(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_le_bytes() {
            self.step(byte.into());
        }
        for &byte in bytes {
            self.step(byte.into());
        }
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.step(4);
        self.write(text.as_bytes());
    }

    /// Adds a list of these elements.
    pub fn array<'e, T: Hashed + 'e>(&mut self, elements: impl IntoIterator<Item = &'e T>) {
        self.step(5);
        for element in elements {
            element.add_to(self);
        }
        self.step(6);
    }

    /// Adds an object with these members, in the order of their names.
    pub fn object<'m, T: Hashed + 'm>(&mut self, members: impl IntoIterator<Item = (&'m str, &'m T)>) {
        self.step(7);
        for (name, value) in members {
            self.write(name.as_bytes());
            value.add_to(self);
        }
        self.step(8);
    }
}

impl Hashed for Value {
    fn add_to(&self, hash: &mut Hash) {
        match self {
            Value::Null => hash.step(0),
            Value::Bool(value) => hash.step(1 + u64::from(*value)),
            Value::Number(number) => {
                hash.step(3);
                hash.write(number.to_string().as_bytes());
            }
            Value::String(text) => hash.text(text),
            Value::Array(elements) => hash.array(elements),
            Value::Object(members) => hash.object(members.iter().map(|(name, value)| (name.as_str(), value))),
        }
    }
}

/// Whether a write may go on: `header` is the value of `If-Match`, `*` or a list of tags. Tags compare weakly,
/// since SCIM's are weak. On `false` answer 412.
pub fn if_match(header: &str, etag: &str) -> bool {
    lists(header, etag)
}

/// Whether the client lacks this version: `header` is the value of `If-None-Match`. On `false` answer 304 to a read
/// and 412 to a write.
pub fn if_none_match(header: &str, etag: &str) -> bool {
    !lists(header, etag)
}

/// Tags are quoted and hold no quotes, so every second piece between quotes is one. A tag without quotes is taken too.
fn lists(header: &str, etag: &str) -> bool {
    let header = header.trim();
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    let wanted = opaque(etag);
    if header == "*" {
        return true;
    }
    if header.contains('"') {
        return header.split('"').skip(1).step_by(2).any(|tag| tag == wanted);
    }
    header.split(',').any(|tag| opaque(tag) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(resource: &Value) -> String {
        of_members(resource.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value)))
    }

    #[test]
    fn content_decides() {
        let one = json!({"id": "1", "a": ["x", "y"], "b": {"c": true}});
        assert_eq!(of(&one), of(&json!({"b": {"c": true}, "a": ["x", "y"], "id": "1"})));
        for other in [
            json!({"id": "1", "a": ["xy"], "b": {"c": true}}),
            json!({"id": "1", "a": ["y", "x"], "b": {"c": true}}),
            json!({"id": "1", "a": ["x", "y"], "b": {"c": false}}),
            json!({"id": 1, "a": ["x", "y"], "b": {"c": true}}),
            json!({"id": "1", "a": ["x", "y"], "b": {}, "c": true}),
        ] {
            assert_ne!(of(&one), of(&other), "{other}");
            assert_ne!(hash_of(&one), hash_of(&other), "{other}");
        }
        assert!(of(&one).starts_with("W/\"") && of(&one).ends_with('"'));
        assert_eq!(of(&json!({})), "W/\"cbf29ce484222325\"", "stable across builds");
    }

    #[test]
    fn rfc9110_13_1_preconditions() {
        let etag = "W/\"a330\"";
        for header in ["*", "W/\"a330\"", "\"a330\"", "\"x\", W/\"a330\"", "a330", " W/\"a330\" "] {
            assert!(if_match(header, etag) && !if_none_match(header, etag), "{header}");
        }
        for header in ["\"x\"", "W/\"a33\"", "", "\"x,a330\""] {
            assert!(!if_match(header, etag) && if_none_match(header, etag), "{header}");
        }
    }
}
