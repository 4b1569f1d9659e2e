//! Places in native JSON.
//!
//! `dept.name` is a field of a field. A number selects an element of a list (`emails.0`), and `[field=text]`
//! the first element whose field is that text (`ids[kind=email].value`). The empty pointer is the whole value.
//! A text that begins with `/` is read as a JSON Pointer (RFC 6901), for keys with dots in them.

use serde_json::{Map, Value};

use crate::scim::json::object;

/// A place in a JSON value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A field, or an element where the value is a list.
    Field(String, Option<usize>),
    /// The first element whose field has this text.
    Where(String, String),
}

impl Pointer {
    /// Reads a pointer. The error is the reason, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(pointer) = text.strip_prefix('/') {
            let unescape = |part: &str| part.replace("~1", "/").replace("~0", "~");
            return Ok(Pointer(pointer.split('/').map(unescape).map(field).collect()));
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (condition, after) =
                    inside.split_once(']').ok_or_else(|| format!("`[` without `]` in `{text}`"))?;
                let (name, value) =
                    condition.split_once('=').ok_or_else(|| format!("`[{condition}]` is not `[field=text]`"))?;
                steps.push(Step::Where(name.trim().to_owned(), value.trim().to_owned()));
                rest = after.strip_prefix('.').unwrap_or(after);
                continue;
            }
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                return Err(format!("an empty name in `{text}`"));
            }
            steps.push(field(name.to_owned()));
            rest = match after.strip_prefix('.') {
                Some("") => return Err(format!("`{text}` ends with a dot")),
                Some(after) => after,
                None => after,
            };
        }
        Ok(Pointer(steps))
    }

    /// Whether this is the whole value.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at this place.
    pub fn get<'v>(&self, mut value: &'v Value) -> Option<&'v Value> {
        for step in &self.0 {
            value = match (step, value) {
                (Step::Field(name, _), Value::Object(map)) => map.get(name)?,
                (Step::Field(_, Some(index)), Value::Array(items)) => items.get(*index)?,
                (Step::Where(name, text), Value::Array(items)) => items.iter().find(|item| has(item, name, text))?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// Whether this place is an element beyond the end of a list: a search that found nothing has no first one.
    pub fn is_past_end(&self, mut value: &Value) -> bool {
        for step in &self.0 {
            value = match (step, value) {
                (Step::Field(name, _), Value::Object(map)) => match map.get(name) {
                    Some(next) => next,
                    None => return false,
                },
                (Step::Field(_, Some(index)), Value::Array(items)) => match items.get(*index) {
                    Some(next) => next,
                    None => return true,
                },
                _ => return false,
            };
        }
        false
    }

    /// Takes the value at this place out, leaving `null`.
    pub fn take(&self, value: &mut Value) -> Option<Value> {
        let mut place = value;
        for step in &self.0 {
            place = match (step, place) {
                (Step::Field(name, _), Value::Object(map)) => map.get_mut(name)?,
                (Step::Field(_, Some(index)), Value::Array(items)) => items.get_mut(*index)?,
                (Step::Where(name, text), Value::Array(items)) => {
                    items.iter_mut().find(|item| has(item, name, text))?
                }
                _ => return None,
            };
        }
        Some(place.take())
    }

    /// Puts `new` at this place of `value`, making what is missing on the way.
    pub fn set(&self, value: &mut Value, new: Value) {
        let mut place = value;
        for step in &self.0 {
            place = match step {
                Step::Field(_, Some(index)) if place.is_array() || place.is_null() => {
                    if place.is_null() {
                        *place = Value::Array(Vec::new());
                    }
                    let Value::Array(items) = place else { return };
                    if items.len() <= *index {
                        items.resize(index + 1, Value::Null);
                    }
                    match items.get_mut(*index) {
                        Some(item) => item,
                        None => return,
                    }
                }
                Step::Field(name, _) => {
                    if !place.is_object() {
                        *place = Value::Object(Map::new());
                    }
                    let Value::Object(map) = place else { return };
                    map.entry(name.clone()).or_insert(Value::Null)
                }
                Step::Where(name, text) => {
                    if !place.is_array() {
                        *place = Value::Array(Vec::new());
                    }
                    let Value::Array(items) = place else { return };
                    let index = items.iter().position(|item| has(item, name, text));
                    let index = index.unwrap_or_else(|| {
                        items.push(Value::Object(object([(name.clone(), Value::from(text.as_str()))])));
                        items.len() - 1
                    });
                    match items.get_mut(index) {
                        Some(item) => item,
                        None => return,
                    }
                }
            };
        }
        *place = new;
    }

    /// Takes away what stands at this place: for an element chosen by a field, the whole element.
    /// `false` where the pointer selects no element, so that clearing means writing a value instead.
    pub fn remove_element(&self, value: &mut Value) -> bool {
        let Some(last) = self.0.iter().rposition(|step| matches!(step, Step::Where(..))) else {
            return false;
        };
        let (before, after) = self.0.split_at(last);
        let Some(Step::Where(name, text)) = after.first() else {
            return false;
        };
        let mut place = value;
        for step in before {
            let next = match (step, place) {
                (Step::Field(name, _), Value::Object(map)) => map.get_mut(name),
                _ => None,
            };
            match next {
                Some(next) => place = next,
                None => return true,
            }
        }
        if let Value::Array(items) = place {
            items.retain(|item| !has(item, name, text));
        }
        true
    }

    /// Takes away the field or the element that stands at this place.
    pub fn remove(&self, value: &mut Value) {
        let Some((last, before)) = self.0.split_last() else {
            return;
        };
        let mut place = value;
        for step in before {
            let next = match (step, place) {
                (Step::Field(name, _), Value::Object(map)) => map.get_mut(name),
                (Step::Field(_, Some(index)), Value::Array(items)) => items.get_mut(*index),
                (Step::Where(name, text), Value::Array(items)) => items.iter_mut().find(|item| has(item, name, text)),
                _ => None,
            };
            match next {
                Some(next) => place = next,
                None => return,
            }
        }
        match (last, place) {
            (Step::Field(name, _), Value::Object(map)) => {
                map.remove(name);
            }
            (Step::Field(_, Some(index)), Value::Array(items)) if *index < items.len() => {
                items.remove(*index);
            }
            (Step::Where(name, text), Value::Array(items)) => {
                items.retain(|item| !has(item, name, text));
            }
            _ => {}
        }
    }

    /// Copies the list that this pointer goes into from `current`, unless `body` has it: an API that is sent
    /// a list takes it whole, so the elements that are not ours must be sent with it.
    pub fn seed_list(&self, body: &mut Value, current: &Value) {
        if let Some(list) = self.list()
            && list.get(body).is_none()
            && let Some(Value::Array(items)) = list.get(current)
        {
            list.set(body, Value::Array(items.clone()));
        }
    }

    /// Takes out of the list that this pointer goes into what is in `current` as it is here.
    pub fn keep_changed(&self, body: &mut Value, current: &Value) {
        if let Some(list) = self.list()
            && let (Some(Value::Array(items)), Some(Value::Array(known))) = (list.get(body), list.get(current))
        {
            let changed = items.iter().filter(|item| !known.contains(item)).cloned().collect();
            list.set(body, Value::Array(changed));
        }
    }

    /// The list that this pointer goes into.
    fn list(&self) -> Option<Pointer> {
        let into_list = |step: &Step| matches!(step, Step::Where(..) | Step::Field(_, Some(_)));
        let depth = self.0.iter().position(into_list)?;
        Some(Pointer(self.0.iter().take(depth).cloned().collect()))
    }
}

fn field(name: String) -> Step {
    let index = name.parse().ok().filter(|index| *index < 1000);
    Step::Field(name, index)
}

fn has(item: &Value, name: &str, text: &str) -> bool {
    match item.get(name) {
        Some(Value::String(value)) => value == text,
        Some(value @ (Value::Bool(_) | Value::Number(_))) => super::codec::text_of(value) == text,
        _ => false,
    }
}

impl std::fmt::Display for Pointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name, _) if index == 0 => write!(f, "{name}")?,
                Step::Field(name, _) => write!(f, ".{name}")?,
                Step::Where(name, text) => write!(f, "[{name}={text}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_and_writes() {
        let cases = [
            ("a", json!({"a": 1}), json!({"a": 2})),
            ("a.b", json!({"a": {"b": 1, "c": 3}}), json!({"a": {"b": 2, "c": 3}})),
            ("a.1", json!({"a": [0, 1]}), json!({"a": [0, 2]})),
            ("/a.b/c", json!({"a.b": {"c": 1}}), json!({"a.b": {"c": 2}})),
            (
                "a[k=x].v",
                json!({"a": [{"k": "y", "v": 9}, {"k": "x", "v": 1}]}),
                json!({"a": [{"k": "y", "v": 9}, {"k": "x", "v": 2}]}),
            ),
        ];
        for (text, mut before, after) in cases {
            let pointer = Pointer::parse(text).unwrap();
            assert_eq!(pointer.get(&before), Some(&json!(1)), "{text}");
            pointer.set(&mut before, json!(2));
            assert_eq!(before, after, "{text}");
        }
    }

    #[test]
    fn makes_what_is_missing() {
        for (text, expected) in [
            ("a.b", json!({"a": {"b": 1}})),
            ("a.0", json!({"a": [1]})),
            ("a.0.v", json!({"a": [{"v": 1}]})),
            ("a[k=x].v", json!({"a": [{"k": "x", "v": 1}]})),
            ("", json!(1)),
        ] {
            let mut value = Value::Null;
            Pointer::parse(text).unwrap().set(&mut value, json!(1));
            assert_eq!(value, expected);
        }
    }

    #[test]
    fn knows_the_end_of_a_list() {
        for (text, value, expected) in [
            ("users.0", json!({"users": []}), true),
            ("0", json!([]), true),
            ("users.0", json!({"users": [1]}), false),
            ("users.0", json!({"users": {}}), false),
            ("users.0", json!({"error": "busy"}), false),
        ] {
            assert_eq!(Pointer::parse(text).unwrap().is_past_end(&value), expected, "{text} of {value}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_read() {
        for text in ["a.", ".a", "a..b", "a[b", "a[b]"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
    }
}
