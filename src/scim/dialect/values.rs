//! Values brought toward their attributes' types.

use serde_json::{Map, Value};

use super::quirks::{
    ARRAY_FOR_SINGLE, BARE_VALUE, EMPTY_STRING, LOOSE_DATE, MANAGER_ID, OBJECT_FOR_SCALAR, SCALAR_FOR_STRING,
    SEVERAL_PRIMARY, SINGLE_FOR_ARRAY, STRING_BOOLEAN, STRING_NUMBER,
};
use super::{Applied, Leniency};
use crate::scim::error::Error;
use crate::scim::filter::CompareOp;
use crate::scim::instant::Instant;
use crate::scim::schema::{Attribute, Kind};

/// A value brought toward the attribute's type: the whole value of a multi-valued attribute.
pub(in crate::scim) fn list(value: Value, applied: &mut Applied) -> Value {
    match value {
        Value::Array(_) | Value::Null => value,
        Value::String(text) if text.is_empty() => {
            applied.note(&EMPTY_STRING);
            Value::Null
        }
        single => {
            applied.note(&SINGLE_FOR_ARRAY);
            Value::Array(vec![single])
        }
    }
}

/// A value brought toward the attribute's type: one value.
pub(in crate::scim) fn single(attribute: &Attribute, mut value: Value, applied: &mut Applied) -> Value {
    if let Value::Array(elements) = &mut value
        && elements.len() <= 1
    {
        applied.note(&ARRAY_FOR_SINGLE);
        value = elements.pop().unwrap_or_default();
    }
    if attribute.kind == Kind::Complex {
        return complex(attribute, value, applied);
    }
    if let Value::Object(object) = &mut value
        && object.contains_key("value")
        && object.iter().all(|(name, member)| name == "value" || member.is_null())
    {
        applied.note(&OBJECT_FOR_SCALAR);
        value = object.remove("value").unwrap_or_default();
    }
    scalar(attribute.kind, value, applied)
}

/// What a filter compares with, brought toward the type of what it is compared to. The operators that look into texts
/// compare with any part of one, and the empty text is no missing value.
pub(super) fn literal(attribute: &Attribute, op: CompareOp, value: &Value, applied: &mut Applied) -> Value {
    let whole = !matches!(op, CompareOp::Co | CompareOp::Sw | CompareOp::Ew);
    let leaf = attribute.default_sub().unwrap_or(attribute);
    if whole && value.as_str() != Some("") { scalar(leaf.kind, value.clone(), applied) } else { value.clone() }
}

fn scalar(kind: Kind, value: Value, applied: &mut Applied) -> Value {
    match (kind, value) {
        (_, Value::String(text)) if text.is_empty() => {
            applied.note(&EMPTY_STRING);
            Value::Null
        }
        (Kind::Boolean, Value::String(text)) => match boolean(&text) {
            Some(boolean) => {
                applied.note(&STRING_BOOLEAN);
                Value::Bool(boolean)
            }
            None => Value::String(text),
        },
        (Kind::Integer | Kind::Decimal, Value::String(text)) => match serde_json::from_str::<Value>(text.trim()) {
            Ok(number @ Value::Number(_)) => {
                applied.note(&STRING_NUMBER);
                number
            }
            _ => Value::String(text),
        },
        (Kind::DateTime, Value::String(text)) => match Instant::parse(&text) {
            Some(instant) if !Instant::is_whole(&text) => {
                applied.note(&LOOSE_DATE);
                Value::String(instant.to_string())
            }
            _ => Value::String(text),
        },
        // Of other numbers the client's own digits are not known any more: `1.10` has become 1.1.
        (Kind::String | Kind::Reference, Value::Number(number)) if number.is_f64() => Value::Number(number),
        (Kind::String | Kind::Reference, scalar @ (Value::Number(_) | Value::Bool(_))) => {
            applied.note(&SCALAR_FOR_STRING);
            Value::String(scalar.to_string())
        }
        (_, value) => value,
    }
}

fn complex(attribute: &Attribute, value: Value, applied: &mut Applied) -> Value {
    match value {
        Value::String(text) if text.is_empty() => {
            applied.note(&EMPTY_STRING);
            Value::Null
        }
        scalar @ (Value::String(_) | Value::Number(_)) if attribute.default_sub().is_some() => {
            applied.note(&BARE_VALUE);
            let mut object = Map::new();
            object.insert("value".to_owned(), scalar);
            Value::Object(object)
        }
        other => other,
    }
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The sub-attribute that an unknown key of a complex attribute means. Errors: strictly 400 `invalidSyntax`.
pub(in crate::scim) fn sub_attribute<'a>(
    attribute: &'a Attribute,
    key: &str,
    leniency: Leniency,
    applied: &mut Applied,
) -> Result<Option<&'a Attribute>, Error> {
    match attribute.sub("value") {
        Some(value) if attribute.name == "manager" && key.eq_ignore_ascii_case("managerId") => match leniency {
            Leniency::Strict => Err(Error::invalid_syntax("`managerId` is called `value` in SCIM 2.0")),
            Leniency::Lenient => {
                applied.note(&MANAGER_ID);
                Ok(Some(value))
            }
        },
        _ => Ok(None),
    }
}

/// Keeps the first of several primary values.
pub(in crate::scim) fn one_primary(elements: &mut [Value], applied: &mut Applied) {
    let mut seen = false;
    for element in elements {
        let Some(primary) = element.get_mut("primary").filter(|p| **p == Value::Bool(true)) else {
            continue;
        };
        if seen {
            *primary = Value::Bool(false);
            applied.note(&SEVERAL_PRIMARY);
        }
        seen = true;
    }
}
