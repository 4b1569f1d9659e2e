//! JSON as SCIM needs it read: no duplicate keys in any letter case, bounded depth, positions in errors.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::Error;

/// Reads one JSON document; a byte order mark before it is skipped. `max_depth` bounds the nesting of
/// arrays and objects. Attribute names do not depend on letter case (RFC 7643 section 2.1), so neither do
/// duplicates. Errors are 400 `invalidSyntax` with line and column.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::invalid_syntax("the body is empty"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let document = Document { depth: max_depth };
    document
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| Error::invalid_syntax(format!("the body is not valid JSON: {error}")))
}

/// An object with these members.
pub fn object(members: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    gathered(members)
}

/// A map or a set of these. Collecting into one would sort them first, by code that is made anew for each type: a tenth of
/// the modules.
pub fn gathered<C: Default + Extend<T>, T>(items: impl IntoIterator<Item = T>) -> C {
    let mut all = C::default();
    all.extend(items);
    all
}

/// A value with this many levels of nesting left.
#[derive(Clone, Copy)]
struct Document {
    depth: usize,
}

impl Document {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Document { depth }),
            None => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Document {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let mut array = Vec::new();
        while let Some(value) = elements.next_element_seed(element)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let member = self.deeper()?;
        let mut object = Map::new();
        // Few keys are compared one by one; a set keeps a hostile object from costing its square.
        let mut folded: Option<HashSet<String>> = None;
        while let Some(key) = members.next_key::<String>()? {
            let duplicate = match &mut folded {
                Some(folded) => !folded.insert(key.to_lowercase()),
                None => object.keys().any(|known: &String| known.eq_ignore_ascii_case(&key)),
            };
            if duplicate {
                let shown: String = key.chars().take(80).collect();
                return Err(A::Error::custom(format!("duplicate key `{shown}`")));
            }
            object.insert(key, members.next_value_seed(member)?);
            if folded.is_none() && object.len() == 64 {
                folded = Some(object.keys().map(|key| key.to_lowercase()).collect());
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn detail(text: &str) -> String {
        let error = parse(text.as_bytes(), 8).expect_err(text);
        assert_eq!(error.scim_type, Some(crate::scim::ScimType::InvalidSyntax));
        error.detail
    }

    #[test]
    fn documents_are_read_whole() {
        let text = "\u{feff}{\"a\":[1,-2,2.5,true,null,\"\\u00e9\"],\"b\":{}}\n";
        assert_eq!(parse(text.as_bytes(), 8).unwrap(), json!({"a": [1, -2, 2.5, true, null, "é"], "b": {}}));
    }

    #[test]
    fn duplicates_are_refused_in_any_letter_case() {
        assert!(detail("{\"userName\":1,\n \"username\":2}").contains("duplicate key `username` at line 2 column"));
        assert!(detail("{\"a\":{\"b\":1,\"b\":1}}").contains("duplicate key `b`"));
        let many: Vec<String> = (0..200).map(|i| format!("\"k{i}\":1")).collect();
        assert!(parse(format!("{{{}}}", many.join(",")).as_bytes(), 8).is_ok());
        assert!(detail(&format!("{{{},\"K7\":1}}", many.join(","))).contains("`K7`"));
    }

    #[test]
    fn broken_documents_are_refused_with_their_position() {
        for text in ["", " ", "{", "{} x", "{\"a\":01}", "[1,]", "\"\\ud800\"", "nul", "{'a':1}"] {
            detail(text);
        }
        assert!(parse(b"\"\xff\"", 8).is_err());
        assert!(detail("{\n \"a\": tru}").contains("line 2"));
        assert!(detail(&"[".repeat(9)).contains("nested too deeply"));
        assert!(parse(("[".repeat(8) + &"]".repeat(8)).as_bytes(), 8).is_ok());
        assert!(parse("[".repeat(100_000).as_bytes(), 64).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes, 8);
        }
    }
}
