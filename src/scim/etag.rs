//! Entity tags (RFC 7644 section 3.14, RFC 9110 section 13.1).

use serde_json::Value;

/// The weak entity tag of a resource, `W/"…"`, from its content without `meta.version`: equal content, equal tag,
/// in every instance of the engine.
pub fn of(resource: &Value) -> String {
    let mut hash = Fnv::default();
    match resource {
        Value::Object(members) => {
            for (name, value) in members {
                hash.write(name.as_bytes());
                match value.as_object().filter(|_| name == "meta") {
                    Some(meta) => meta.iter().filter(|(name, _)| *name != "version").for_each(|(name, value)| {
                        hash.write(name.as_bytes());
                        hash.value(value);
                    }),
                    None => hash.value(value),
                }
            }
        }
        other => hash.value(other),
    }
    hash.text()
}

/// The same from the members that make the content up.
pub fn of_members<'m>(members: impl Iterator<Item = (&'m String, &'m Value)>) -> String {
    let mut hash = Fnv::default();
    for (name, value) in members {
        hash.write(name.as_bytes());
        hash.value(value);
    }
    hash.text()
}

/// FNV-1a, 64 bits: tags only have to differ between versions of one resource.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn text(&self) -> String {
        format!("W/\"{:016x}\"", self.0)
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    /// The length comes first, so that neighbours cannot run into each other.
    fn write(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_le_bytes() {
            self.byte(byte);
        }
        for &byte in bytes {
            self.byte(byte);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.byte(0),
            Value::Bool(value) => self.byte(1 + u8::from(*value)),
            Value::Number(number) => {
                self.byte(3);
                self.write(number.to_string().as_bytes());
            }
            Value::String(text) => {
                self.byte(4);
                self.write(text.as_bytes());
            }
            Value::Array(elements) => {
                self.byte(5);
                for element in elements {
                    self.value(element);
                }
                self.byte(6);
            }
            Value::Object(members) => {
                self.byte(7);
                for (name, value) in members {
                    self.write(name.as_bytes());
                    self.value(value);
                }
                self.byte(8);
            }
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

    #[test]
    fn content_decides() {
        let one = json!({"id": "1", "a": ["x", "y"], "meta": {"version": "W/\"1\"", "resourceType": "User"}});
        let same = json!({"meta": {"resourceType": "User", "version": "W/\"2\""}, "a": ["x", "y"], "id": "1"});
        assert_eq!(of(&one), of(&same));
        for other in [
            json!({"id": "1", "a": ["xy"], "meta": {"resourceType": "User"}}),
            json!({"id": "1", "a": ["y", "x"], "meta": {"resourceType": "User"}}),
            json!({"id": "1", "a": ["x", "y"], "meta": {"resourceType": "Group"}}),
            json!({"id": 1, "a": ["x", "y"], "meta": {"resourceType": "User"}}),
        ] {
            assert_ne!(of(&one), of(&other), "{other}");
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
