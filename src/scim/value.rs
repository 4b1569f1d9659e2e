//! Values checked against their attributes' definitions and given canonical names.

use serde_json::{Map, Value};

use super::core;
use super::dialect::{self, Applied, Leniency};
use super::error::Error;
use super::filter::eval::is_present;
use super::instant::Instant;
use super::path::AttributePath;
use super::schema::{Attribute, Kind, Mutability};
use super::version1;

const ARRAY: &str = "an array";
/// The schemas in which `active` is what SCIM means by it.
const SCHEMAS: [&str; 5] = [core::USER, core::GROUP, core::ENTERPRISE_USER, version1::CORE, version1::ENTERPRISE];

/// Reads values; collects what it could not place and which deviations it understood.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) leniency: Leniency,
    pub(super) applied: Applied,
    pub(super) ignored: Vec<String>,
    /// Whether `active` is among what was left aside, with the value `false`.
    pub(super) deactivates: bool,
    /// Whether values are added to what there is, so that an element without a value takes nothing away.
    pub(super) adds: bool,
    /// Whether a single-valued complex attribute keeps sub-attributes that are explicitly null: PATCH merges.
    pub(super) keep_null: bool,
}

impl Reader {
    pub(super) fn new(leniency: Leniency) -> Self {
        Reader { leniency, ..Self::default() }
    }

    pub(super) fn lenient(&self) -> bool {
        self.leniency == Leniency::Lenient
    }

    /// Looks at a value that is left aside. That somebody is to be locked out must not get lost, wherever in the schemas
    /// that SCIM itself defines the client looks for `active`. What another schema calls so is something else.
    pub(super) fn leave(&mut self, path: &AttributePath, value: Option<&Value>) {
        let is_active = |name: &str| name.eq_ignore_ascii_case("active");
        let Some(urn) = &path.schema else {
            self.deactivates |= is_active(&path.attribute) && value.is_some_and(says_no);
            return;
        };
        // A URN alone is split at its last colon, as the name of an attribute would be.
        let whole = format!("{urn}:{}", path.attribute);
        let is_standard = |urn: &str| SCHEMAS.iter().any(|own| own.eq_ignore_ascii_case(urn));
        if is_standard(urn) {
            self.deactivates |= is_active(&path.attribute) && value.is_some_and(says_no);
        }
        if is_standard(&whole) {
            let within = path.sub_attribute.as_deref().is_some_and(is_active);
            self.deactivates |= within && value.is_some_and(says_no);
            for (key, value) in value.and_then(Value::as_object).into_iter().flatten() {
                let inside = AttributePath::parse(key).unwrap_or_else(|_| AttributePath::of(key));
                self.deactivates |= is_active(&inside.attribute) && says_no(value);
            }
        }
    }

    /// Names what the resource type has no place for. Of a value that says nothing there is nothing to keep.
    pub(super) fn ignore(&mut self, spelling: String, value: Option<&Value>) {
        if value.is_some_and(says_something) {
            self.ignored.push(spelling);
        }
    }

    /// The whole value of an attribute; `None` where it says that there is no value. An empty object says
    /// nothing: it is what was sent, or all that was sent is unknown or readOnly.
    pub(super) fn read(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>, Error> {
        self.whole(None, attribute, value)
    }

    /// One element of an attribute.
    pub(super) fn element(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>, Error> {
        self.single(None, attribute, value)
    }

    /// The value of a sub-attribute.
    pub(super) fn sub(&mut self, attribute: &Attribute, sub: &Attribute, value: Value) -> Result<Option<Value>, Error> {
        self.whole(Some(attribute), sub, value)
    }

    fn whole(
        &mut self,
        parent: Option<&Attribute>,
        attribute: &Attribute,
        mut value: Value,
    ) -> Result<Option<Value>, Error> {
        if !attribute.multi_valued {
            return self.single(parent, attribute, value);
        }
        if self.lenient() && !(names_others(attribute) && value == "") {
            value = dialect::list(value, &mut self.applied);
        }
        let elements = match value {
            Value::Null => return Ok(None),
            Value::Array(elements) => elements,
            other => return Err(wrong_type(parent, attribute, ARRAY, &other)),
        };
        let mut read = Vec::with_capacity(elements.len());
        let mut unknown = false;
        let mut blank = None;
        for element in elements {
            let ignored = self.ignored.len();
            match self.listed(parent, attribute, element)? {
                Listed::Value(Value::Object(element)) if element.is_empty() => unknown = true,
                Listed::Value(element) => read.push(element),
                Listed::None => {}
                Listed::Blank(what) => {
                    self.ignored.truncate(ignored);
                    blank.get_or_insert(what);
                }
            }
        }
        if let Some(what) = blank {
            // Whether others were meant to be there cannot be told from what says nothing, and they would be gone.
            if !self.lenient() || names_others(attribute) || (!self.adds && read.is_empty()) {
                let name = name(parent, attribute);
                return Err(Error::invalid_value(format!("`{name}` has an element {what}")));
            }
            self.applied.note(&dialect::EMPTY_ELEMENT);
        }
        if unknown && read.is_empty() {
            return Ok(Some(Value::Object(Map::new())));
        }
        if attribute.sub("primary").is_some() {
            if self.lenient() {
                dialect::one_primary(&mut read, &mut self.applied);
            } else if read.iter().filter(|e| is_primary(e)).count() > 1 {
                let name = name(parent, attribute);
                return Err(Error::invalid_value(format!("`{name}` has more than one primary value")));
            }
        }
        Ok((!read.is_empty()).then_some(Value::Array(read)))
    }

    /// One element of a list.
    fn listed(&mut self, parent: Option<&Attribute>, attribute: &Attribute, element: Value) -> Result<Listed, Error> {
        let says_nothing = match &element {
            Value::Null => true,
            Value::Array(elements) => elements.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if says_nothing {
            return Ok(Listed::Blank("that says nothing"));
        }
        let says_none = says_no_value(&element);
        let read = self.single(parent, attribute, element)?;
        let Some(sub) = attribute.default_sub() else { return Ok(Listed::of(read)) };
        let has_value = match &read {
            Some(Value::Object(read)) => {
                let own = |name: &String| !matches!(name.as_str(), "type" | "primary" | "display" | "$ref");
                read.contains_key(&sub.name) || (!names_others(attribute) && read.keys().any(own))
            }
            Some(_) => true,
            None => false,
        };
        if !has_value && (names_others(attribute) || !(says_none || read.is_none())) {
            return Ok(Listed::Blank("without its `value`"));
        }
        Ok(Listed::of(read))
    }

    fn single(
        &mut self,
        parent: Option<&Attribute>,
        attribute: &Attribute,
        mut value: Value,
    ) -> Result<Option<Value>, Error> {
        if self.lenient() {
            value = dialect::single(attribute, value, &mut self.applied);
        }
        let expected = match (attribute.kind, value) {
            (_, Value::Null) => return Ok(None),
            (Kind::Complex, Value::Object(object)) => return self.complex(attribute, object),
            (Kind::Boolean, value @ Value::Bool(_))
            | (Kind::Decimal, value @ Value::Number(_))
            | (Kind::String | Kind::Reference | Kind::Binary, value @ Value::String(_)) => {
                return Ok(Some(value));
            }
            (Kind::Integer, Value::Number(number)) => match integer(&number) {
                Some(integer) => return Ok(Some(integer)),
                None => ("an integer", Value::Number(number)),
            },
            (Kind::DateTime, Value::String(text)) => {
                if Instant::parse(&text).is_some() && (self.lenient() || Instant::is_whole(&text)) {
                    return Ok(Some(Value::String(text)));
                }
                let name = name(parent, attribute);
                return Err(Error::invalid_value(format!(
                    "`{name}` must be a date and time, such as `2026-01-31T08:00:00Z`"
                )));
            }
            (kind, value) => (
                match kind {
                    Kind::Complex => "an object",
                    Kind::Boolean => "a boolean",
                    Kind::Decimal => "a number",
                    Kind::Integer => "an integer",
                    Kind::String | Kind::Reference | Kind::Binary | Kind::DateTime => "a string",
                },
                value,
            ),
        };
        Err(wrong_type(parent, attribute, expected.0, &expected.1))
    }

    fn complex(&mut self, attribute: &Attribute, object: Map<String, Value>) -> Result<Option<Value>, Error> {
        let mut read = Map::new();
        let (mut emptied, mut read_only) = (false, false);
        for (key, value) in object {
            let mut sub = attribute.sub(&key);
            if sub.is_none() {
                sub = dialect::sub_attribute(attribute, &key, self.leniency, &mut self.applied)?;
            }
            let Some(sub) = sub else {
                self.ignore(format!("{}.{key}", attribute.name), Some(&value));
                continue;
            };
            if sub.mutability == Mutability::ReadOnly {
                read_only |= is_present(&value);
                continue;
            }
            match self.sub(attribute, sub, value)? {
                Some(value) => {
                    read.insert(sub.name.clone(), value);
                }
                None => {
                    emptied = true;
                    if self.keep_null && !attribute.multi_valued {
                        read.insert(sub.name.clone(), Value::Null);
                    }
                }
            }
        }
        if read.is_empty() && read_only && attribute.multi_valued {
            let name = &attribute.name;
            return Err(Error::invalid_value(format!("`{name}` has an element without anything that can be written")));
        }
        if read.is_empty() && !emptied {
            return Ok(Some(Value::Object(read)));
        }
        if read.values().all(Value::is_null) {
            // `{"value": ""}` clears manager as a whole; `{"givenName": null}` clears one part of name.
            let whole = read.is_empty() || attribute.default_sub().is_some_and(|sub| read.contains_key(&sub.name));
            if whole || !self.keep_null {
                return Ok(None);
            }
            return Ok(Some(Value::Object(read)));
        }
        for sub in &attribute.sub_attributes {
            if sub.required && !sub.defaulted && !self.keep_null && !read.contains_key(&sub.name) {
                return Err(Error::invalid_value(format!("`{}.{}` is required", attribute.name, sub.name)));
            }
        }
        Ok(Some(Value::Object(read)))
    }
}

/// What one element of a list is.
enum Listed {
    Value(Value),
    /// It says that it has no value, by null or leniently `""`.
    None,
    /// It does not say so, and has none: what is wrong with it.
    Blank(&'static str),
}

impl Listed {
    fn of(read: Option<Value>) -> Self {
        read.map_or(Listed::None, Listed::Value)
    }
}

/// Whether this element of a multi-valued attribute is the primary one.
pub(super) fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// Whether this is `false`, in whatever form.
fn says_no(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::String(text) => text.eq_ignore_ascii_case("false"),
        Value::Array(elements) => elements.iter().any(says_no),
        Value::Object(members) => members.get("value").is_some_and(says_no),
        Value::Null | Value::Number(_) => false,
    }
}

fn integer(number: &serde_json::Number) -> Option<Value> {
    if number.is_i64() || number.is_u64() {
        return Some(Value::Number(number.clone()));
    }
    let float = number.as_f64()?;
    // 2^53: up to there a float without fraction is exactly one integer.
    if float.fract() != 0.0 || float.abs() > 9_007_199_254_740_992.0 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    let integer = float as i64;
    Some(integer.into())
}

fn name(parent: Option<&Attribute>, attribute: &Attribute) -> String {
    match parent {
        Some(parent) => format!("{}.{}", parent.name, attribute.name),
        None => attribute.name.clone(),
    }
}

/// Whether an element says that it has no value: explicitly, or by saying no more than which element it is.
fn says_no_value(element: &Value) -> bool {
    let Value::Object(members) = element else { return false };
    let is = |key: &str, name: &str| key.eq_ignore_ascii_case(name);
    members.keys().any(|key| is(key, "value"))
        || members.iter().all(|(key, value)| is(key, "type") || is(key, "primary") || !is_present(value))
}

/// Whether there is anything to keep in a value, or in an element, which is its `value` where it has one.
fn says_something(value: &Value) -> bool {
    let is = |key: &str, name: &str| key.eq_ignore_ascii_case(name);
    match value {
        Value::Array(elements) => elements.iter().any(says_something),
        Value::Object(members) => match members.iter().find(|(key, _)| is(key, "value")) {
            Some((_, value)) => says_something(value),
            None => members.iter().any(|(key, value)| !is(key, "type") && !is(key, "primary") && says_something(value)),
        },
        other => is_present(other),
    }
}

/// Whether the elements are references to resources, as a group's members are.
pub(super) fn names_others(attribute: &Attribute) -> bool {
    let value = attribute.sub("value");
    value.is_some_and(|value| value.mutability == Mutability::Immutable)
}

/// The value itself is not shown: it may be a secret.
fn wrong_type(parent: Option<&Attribute>, attribute: &Attribute, expected: &str, value: &Value) -> Error {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let name = name(parent, attribute);
    let expected = match (attribute.kind, value) {
        // Its digits may be others than those that were sent: `1.10` is read as 1.1.
        (Kind::String | Kind::Reference, Value::Number(number)) if number.is_f64() => "a string, with quotes around it",
        _ => expected,
    };
    let element = if attribute.multi_valued && expected != ARRAY { "a value of " } else { "" };
    Error::invalid_value(format!("{element}`{name}` must be {expected}, not {found}"))
}
