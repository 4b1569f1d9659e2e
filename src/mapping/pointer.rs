//! Places in native JSON.
//!
//! `dept.name` is a field of a field. A number selects an element of a list (`emails.0`), and `[field=text]`
//! the first element whose field is that text (`ids[kind=email].value`, `errors[extensions.code=P].message`). The empty
//! pointer is the whole value.
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
    /// The first element whose field, which may be one of a field, has this text.
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
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        walk(&self.0, value)
    }

    /// The same, where `inner` is what is at `outer` of the whole value; `None` for places outside of it.
    pub fn get_within<'v>(&self, outer: &Pointer, inner: &'v Value) -> Option<&'v Value> {
        let steps = self.0.strip_prefix(outer.0.as_slice())?;
        if steps.is_empty() { None } else { walk(steps, inner) }
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
        enter(&self.0, value).map(Value::take)
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
                        items.push(element(name, text));
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

    /// Takes away what stands at this place: for an element chosen by a field, the whole element, but of a list in it that
    /// the pointer goes into an item only, unless it is the last one.
    /// `false` where the pointer selects no element, so that clearing means writing a value instead.
    pub fn remove_element(&self, value: &mut Value) -> bool {
        let Some(chosen) = self.chosen() else { return false };
        let (before, rest) = self.0.split_at(chosen);
        let (Some(element), Some(Value::Array(items))) = (rest.first(), enter(before, value)) else { return true };
        let Some(index) = items.iter().position(|item| element.selects(item)) else { return true };
        let Some(found) = items.get_mut(index) else { return true };
        let inside = rest.get(1..).unwrap_or_default();
        if let Some(at) = inside.iter().position(|step| matches!(step, Step::Field(_, Some(_))))
            && let (Some(Step::Field(_, Some(item))), Some(into)) = (inside.get(at), inside.get(..at))
            && let Some(Value::Array(list)) = enter(into, found)
        {
            if *item < list.len() {
                list.remove(*item);
            }
            if !list.is_empty() {
                return true;
            }
        }
        items.remove(index);
        true
    }

    /// The last place in a list that is given by its number.
    pub fn item(&self) -> Option<usize> {
        let number = |step: &Step| if let Step::Field(_, index) = step { *index } else { None };
        self.0.iter().rev().find_map(number)
    }

    /// Whether the place is one in an element that is chosen by a field.
    pub fn is_in_element(&self) -> bool {
        self.chosen().is_some()
    }

    /// Whether another place is in the same element, which is chosen by a field.
    pub fn shares_element(&self, other: &Pointer) -> bool {
        let element = |pointer: &Pointer| pointer.0.get(..=pointer.chosen()?).map(<[Step]>::to_vec);
        element(self).is_some_and(|own| element(other).is_some_and(|others| own == others))
    }

    /// The step that chooses an element by a field: the last one, where there are several.
    fn chosen(&self) -> Option<usize> {
        self.0.iter().rposition(|step| matches!(step, Step::Where(..)))
    }

    /// Takes away the field or the element that stands at this place.
    pub fn remove(&self, value: &mut Value) {
        let Some((last, before)) = self.0.split_last() else { return };
        match (last, enter(before, value)) {
            (Step::Field(name, _), Some(Value::Object(map))) => {
                map.remove(name);
            }
            (Step::Field(_, Some(index)), Some(Value::Array(items))) if *index < items.len() => {
                items.remove(*index);
            }
            (step @ Step::Where(..), Some(Value::Array(items))) => items.retain(|item| !step.selects(item)),
            _ => {}
        }
    }

    /// Puts `new` at this place of `value`, the fields of an object among those of one that is there already.
    pub fn merge(&self, value: &mut Value, new: Value) {
        let mut kept = self.take(value).unwrap_or_default();
        merge(&mut kept, new);
        self.set(value, kept);
    }

    /// Whether `other` is this place, or one in it; then what leads from here to there.
    pub fn encloses(&self, other: &Pointer) -> Option<Pointer> {
        other.0.strip_prefix(self.0.as_slice()).map(|rest| Pointer(rest.to_vec()))
    }

    /// Whether an object could be put at this place of `value` without taking the place of something else.
    pub fn is_way_in(&self, value: &Value) -> bool {
        match (value, self.0.split_first()) {
            (Value::Object(fields), Some((Step::Field(name, _), rest))) => {
                fields.get(name).is_none_or(|field| Pointer(rest.to_vec()).is_way_in(field))
            }
            (Value::Object(_), None) => true,
            _ => false,
        }
    }

    /// Copies the object whose field this pointer goes into from `current`, unless `body` has it.
    pub fn seed_object(&self, body: &mut Value, current: &Value) {
        if let Some((first @ Step::Field(..), [_, ..])) = self.0.split_first() {
            let object = Pointer(vec![first.clone()]);
            if let (None, Some(found @ Value::Object(_))) = (object.get(body), object.get(current)) {
                object.set(body, found.clone());
            }
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

impl Step {
    /// Whether it is by a field that this element has.
    fn selects(&self, item: &Value) -> bool {
        matches!(self, Step::Where(name, text) if has(item, name, text))
    }
}

/// What stands where these steps lead to.
fn enter<'v>(steps: &[Step], value: &'v mut Value) -> Option<&'v mut Value> {
    steps.iter().try_fold(value, |place, step| match (step, place) {
        (Step::Field(name, _), Value::Object(map)) => map.get_mut(name),
        (Step::Field(_, Some(index)), Value::Array(items)) => items.get_mut(*index),
        (Step::Where(..), Value::Array(items)) => items.iter_mut().find(|item| step.selects(item)),
        _ => None,
    })
}

/// Writes `new` over `value`; the fields of an object among those that an object has.
pub fn merge(value: &mut Value, new: Value) {
    match (value, new) {
        (Value::Object(fields), Value::Object(new)) => {
            for (name, new) in new {
                merge(fields.entry(name).or_insert(Value::Null), new);
            }
        }
        (value, new) => *value = new,
    }
}

fn field(name: String) -> Step {
    let index = name.parse().ok().filter(|index| *index < 1000);
    Step::Field(name, index)
}

/// The value to which these steps lead.
fn walk<'v>(steps: &[Step], mut value: &'v Value) -> Option<&'v Value> {
    for step in steps {
        value = match (step, value) {
            (Step::Field(name, _), Value::Object(map)) => map.get(name)?,
            (Step::Field(_, Some(index)), Value::Array(items)) => items.get(*index)?,
            (Step::Where(name, text), Value::Array(items)) => items.iter().find(|item| has(item, name, text))?,
            _ => return None,
        };
    }
    Some(value)
}

/// An element that is chosen by this field.
fn element(name: &str, text: &str) -> Value {
    let inside = |inner: Value, name: &str| Value::Object(object([(name.to_owned(), inner)]));
    name.rsplit('.').fold(Value::from(text), inside)
}

fn has(item: &Value, name: &str, text: &str) -> bool {
    match name.split('.').try_fold(item, |value, name| value.get(name)) {
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
    fn chooses_by_a_field_of_a_field() {
        let at = Pointer::parse("errors[extensions.code=P].message").unwrap();
        let said = json!({"errors": [{"extensions": {"code": "Q"}}, {"extensions": {"code": "P"}, "message": "m"}]});
        assert_eq!(at.get(&said), Some(&json!("m")));
        let mut made = json!({});
        at.set(&mut made, json!("m"));
        assert_eq!(made, json!({"errors": [{"extensions": {"code": "P"}, "message": "m"}]}));
    }

    #[test]
    fn takes_the_first_element_away_or_an_item_of_it() {
        let two = json!([{"k": "x", "v": 1}, {"k": "x", "v": 2}]);
        for (text, value, after) in [
            ("[k=x].v", two.clone(), json!([{"k": "x", "v": 2}])),
            ("a[k=x]", json!({"a": two}), json!({"a": [{"k": "x", "v": 2}]})),
            ("[k=x].v.0", json!([{"k": "x", "v": [1, 2]}]), json!([{"k": "x", "v": [2]}])),
            ("[k=x].v.1.w", json!([{"k": "x", "v": [1, 2]}]), json!([{"k": "x", "v": [1]}])),
            ("[k=x].v.0", json!([{"k": "x", "v": [1]}, {"k": "y"}]), json!([{"k": "y"}])),
            ("[k=x].v.0", json!([{"k": "x", "v": "1"}]), json!([])),
            ("[k=x].v", json!([{"k": "y"}]), json!([{"k": "y"}])),
            ("a[k=x].v", json!({}), json!({})),
        ] {
            let mut changed = value.clone();
            assert!(Pointer::parse(text).unwrap().remove_element(&mut changed));
            assert_eq!(changed, after, "{text} of {value}");
        }
        assert!(!Pointer::parse("a.0").unwrap().remove_element(&mut json!({"a": [1]})));
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
