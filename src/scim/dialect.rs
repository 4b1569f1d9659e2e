//! The peculiarities of identity providers, in one visible place.
//!
//! [`Leniency::Lenient`] rewrites what is known to be sent into what the RFCs define, before the code that
//! holds to the RFCs sees it; [`Leniency::Strict`] skips all of this. Each rewrite notes its [`Quirk`].

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::error::Error;
use super::filter::{Filter, parse::Parser};
use super::path::AttributePath;
use super::schema::{Attribute, Kind, ResourceType};

/// Whether requests are brought into RFC 7644's form first, or taken by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Leniency {
    /// What identity providers are known to send is understood.
    #[default]
    Lenient,
    /// Only what the RFCs allow.
    Strict,
}

/// How requests are read: by which letter, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whether deviations are understood.
    pub leniency: Leniency,
    /// The longest filter or attribute path, in bytes.
    pub filter: usize,
    /// How deep parentheses, `not` and brackets may nest.
    pub depth: usize,
    /// How many operations a PATCH may have.
    pub operations: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Reading { leniency: Leniency::default(), filter: 64 << 10, depth: 32, operations: 1000 }
    }
}

impl From<Leniency> for Reading {
    fn from(leniency: Leniency) -> Self {
        Reading { leniency, ..Self::default() }
    }
}

/// The names of the [`QUIRKS`] that a request needed, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied(Vec<&'static str>);

impl Applied {
    /// The names, in the order in which they were first needed.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }

    pub(super) fn note(&mut self, quirk: &Quirk) {
        if !self.0.contains(&quirk.name) {
            self.0.push(quirk.name);
        }
    }

    pub(super) fn absorb(&mut self, other: Applied) {
        for name in other.0 {
            if !self.0.contains(&name) {
                self.0.push(name);
            }
        }
    }
}

/// A known deviation and what is done about it.
#[derive(Clone, Copy, Debug)]
pub struct Quirk {
    /// What [`Applied::names`] and the documentation call it.
    pub name: &'static str,
    /// What is recognised, and how it is understood.
    pub trigger: &'static str,
    /// Who sends it, and where that is documented or was observed.
    pub source: &'static str,
}

macro_rules! quirks {
    ($($id:ident = $name:literal, $trigger:literal, $source:literal;)*) => {
        $(
            #[doc = $trigger]
            pub static $id: Quirk = Quirk { name: $name, trigger: $trigger, source: $source };
        )*
        /// Every deviation that [`Leniency::Lenient`] understands.
        pub static QUIRKS: &[&Quirk] = &[$(&$id),*];
    };
}

quirks! {
    BARE_LITERAL = "bare-literal",
        "`externalId eq jyoung`, `active eq True`: a filter's value without quotes is a string, or a boolean in any letter case",
        "Entra ID: the SCIM reference's example requests";
    OPERATION_CASE = "operation-case",
        "`\"op\": \"Replace\"`: the operation in any letter case",
        "Entra ID without the flag aadOptscim062020";
    KEY_CASE = "key-case",
        "`operations`, `Op`, `Path`: the members of a PATCH request in any letter case",
        "older Entra ID and in-house clients";
    STRING_BOOLEAN = "string-boolean",
        "`\"False\"`: a boolean as a string in any letter case",
        "Entra ID without the flag aadOptscim062020; OneLogin's JSON template";
    STRING_NUMBER = "string-number",
        "`\"42\"`: a number as a string",
        "OneLogin's JSON template, in which everything may be a string";
    SCALAR_FOR_STRING = "scalar-for-string",
        "`42`, `true`: a number or boolean where a string is defined",
        "custom attributes of Entra ID and Okta that have another type in the directory";
    EMPTY_STRING = "empty-string",
        "`\"\"`: no value",
        "Entra ID clears attributes so (gallery test SCIM_Null_Update); Okta pushes empty values (OIN test C9337)";
    ARRAY_FOR_SINGLE = "array-for-single",
        "`[\"x\"]`, `[{\"value\": \"x\"}]`: a list of one where one value is defined",
        "Entra ID, for displayName and for manager (SCIM reference, example 5)";
    OBJECT_FOR_SCALAR = "object-for-scalar",
        "`{\"value\": \"x\"}`: an object with the one member `value` where a simple value is defined",
        "Entra ID, for displayName";
    SINGLE_FOR_ARRAY = "single-for-array",
        "`{\"value\": \"a@example.com\"}`: one value where a list is defined",
        "OneLogin, for emails";
    BARE_VALUE = "bare-value",
        "`\"271\"` for `{\"value\": \"271\"}`: the value of a complex attribute without its object",
        "Entra ID, for manager and roles; its Postman collection for members";
    MANAGER_ID = "manager-id",
        "`managerId` for `value` in manager",
        "SCIM 1.1's name, in OneLogin's JSON template";
    SEVERAL_PRIMARY = "several-primary",
        "more than one value marked as primary: the first one is",
        "Entra ID, for roles that each come with `primary`";
    BROKEN_URN = "broken-urn",
        "`urn:…:enterprise:2.0User`: an extension's URN with a colon too few or too many",
        "Entra ID's older documentation";
    CORE_URN_KEY = "core-urn-key",
        "the core schema's URN as a key, with its attributes inside",
        "clients that treat the core schema like an extension";
    DOTTED_KEY = "dotted-key",
        "`\"name.givenName\": \"x\"`: a path as a key",
        "Entra ID with the flag aadOptscim062020";
    BARE_EXTENSION_ATTRIBUTE = "bare-extension-attribute",
        "`manager`, `department`: an extension's attribute without its URN",
        "Entra ID (SCIM reference, example 5)";
    MISSING_SCHEMAS = "missing-schemas",
        "`schemas` is absent, incomplete, or names SCIM 1.0's core schema",
        "Entra ID for custom extensions; OneLogin's core connector; Okta's SCIM 1.1 tests";
    READ_ONLY_ECHO = "read-only-echo",
        "`id`, `meta`, `groups` and other readOnly attributes come back in a PATCH without a path: they are left out",
        "Okta, with `id` in every rename of a group; authentik, with `id` and `schemas`";
    EMPTY_OPERATIONS = "empty-operations",
        "`\"Operations\": []`: nothing to do",
        "Microsoft's SCIM validator";
    SINGLE_OPERATION = "single-operation",
        "`Operations` is one object instead of a list",
        "in-house clients";
    VALUE_WITH_REMOVE = "value-with-remove",
        "`{\"op\": \"remove\", \"path\": \"members\", \"value\": [{\"value\": \"x\"}]}` removes these values only; of anything else the value is ignored",
        "Entra ID without the flag aadOptscim062020; JumpCloud; ssosync; authentik";
    LEADING_SLASH = "leading-slash",
        "`/displayName`: a PATCH path in the manner of JSON Patch",
        "in-house clients built on JSON Patch libraries";
    CREATED_ELEMENT = "created-element",
        "`emails[type eq \"work\"].value` where there is no such e-mail: one is made, with the type that the filter names",
        "Entra ID, for every multi-valued attribute";
    TRAILING_SLASH = "trailing-slash",
        "`/Users/`: slashes after a path",
        "Entra ID and others, where the tenant URL is entered with a slash at its end";
    STRAY_QUESTION_MARK = "stray-question-mark",
        "`?aadOptscim062020?filter=…`: a second question mark between parameters",
        "Entra ID, where the tenant URL ends in its feature flag";
}

/// Splits the target of a request into its path and its query, which is empty where there is none; a `?` that nothing
/// follows (OneLogin) means nothing. Leniently without slashes at the path's end.
pub fn target<'t>(target: &'t str, leniency: Leniency, applied: &mut Applied) -> (&'t str, &'t str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let trimmed = path.trim_end_matches('/');
    if leniency == Leniency::Strict || trimmed.is_empty() || trimmed.len() == path.len() {
        return (path, query);
    }
    applied.note(&TRAILING_SLASH);
    (trimmed, query)
}

/// Reads a filter as clients send it. Errors as for [`Filter::parse`].
pub fn filter(text: &str, reading: impl Into<Reading>, applied: &mut Applied) -> Result<Filter, Error> {
    let (filter, noted) = Parser::new(text, reading.into(), Error::invalid_filter)?.whole_filter()?;
    applied.absorb(noted);
    Ok(filter)
}

/// Reads the path of a PATCH operation, or a key that is a path. Errors as for [`AttributePath::parse`].
pub fn path(
    rt: &ResourceType,
    text: &str,
    reading: impl Into<Reading>,
    applied: &mut Applied,
) -> Result<AttributePath, Error> {
    let reading = reading.into();
    let mut text = Cow::Borrowed(text.trim());
    if reading.leniency == Leniency::Lenient {
        if let Some(rest) = text.strip_prefix('/') {
            text = Cow::Owned(rest.replace('/', "."));
            applied.note(&LEADING_SLASH);
        }
        if let Some(mended) = mend_urn(rt, &text) {
            text = Cow::Owned(mended);
            applied.note(&BROKEN_URN);
        }
    }
    let (path, noted) = Parser::new(&text, reading, Error::invalid_path)?.whole_path()?;
    applied.absorb(noted);
    Ok(path)
}

/// The schema extension that a key means: by its URN, or leniently by a broken one.
pub(super) fn extension_key<'a>(
    rt: &'a ResourceType,
    key: &str,
    leniency: Leniency,
    applied: &mut Applied,
) -> Option<&'a super::Schema> {
    if let Some(schema) = rt.extension(key) {
        return Some(schema);
    }
    if leniency == Leniency::Strict || !key.contains(':') {
        return None;
    }
    let (schema, _) = rt.extensions.iter().find(|(schema, _)| without_colons(&schema.id).eq(without_colons(key)))?;
    applied.note(&BROKEN_URN);
    Some(schema)
}

fn without_colons(urn: &str) -> impl Iterator<Item = u8> + '_ {
    urn.bytes().filter(|b| *b != b':').map(|b| b.to_ascii_lowercase())
}

/// The text with the URN of an extension in place of a broken one at its start.
fn mend_urn(rt: &ResourceType, text: &str) -> Option<String> {
    if !text.contains(':') {
        return None;
    }
    rt.extensions.iter().find_map(|(schema, _)| {
        let id = schema.id.as_str();
        if text.get(..id.len()).is_some_and(|head| head.eq_ignore_ascii_case(id)) {
            return None;
        }
        let mut wanted = without_colons(id).peekable();
        for (at, byte) in text.bytes().enumerate() {
            match wanted.peek() {
                None => {
                    let rest = text.get(at..)?.strip_prefix(':')?;
                    return Some(format!("{id}:{rest}"));
                }
                Some(_) if byte == b':' => {}
                Some(b) if *b == byte.to_ascii_lowercase() => {
                    wanted.next();
                }
                Some(_) => return None,
            }
        }
        wanted.peek().is_none().then(|| id.to_owned())
    })
}

/// A filter's value without quotes, where it can be nothing else than one value.
pub(super) fn bare_literal(token: &str, applied: &mut Applied) -> Option<Value> {
    let value = if token.eq_ignore_ascii_case("true") {
        Value::Bool(true)
    } else if token.eq_ignore_ascii_case("false") {
        Value::Bool(false)
    } else if token.eq_ignore_ascii_case("null") {
        Value::Null
    } else if ["and", "or", "not"].iter().any(|word| token.eq_ignore_ascii_case(word)) || token.contains(['\'', '\\']) {
        return None;
    } else {
        token.into()
    };
    applied.note(&BARE_LITERAL);
    Some(value)
}

/// A value brought toward the attribute's type: the whole value of a multi-valued attribute.
pub(super) fn list(attribute: &Attribute, value: Value, applied: &mut Applied) -> Value {
    match value {
        Value::Array(_) | Value::Null => value,
        Value::String(text) if text.is_empty() => {
            applied.note(&EMPTY_STRING);
            Value::Null
        }
        single => {
            let _ = attribute;
            applied.note(&SINGLE_FOR_ARRAY);
            Value::Array(vec![single])
        }
    }
}

/// A value brought toward the attribute's type: one value.
pub(super) fn single(attribute: &Attribute, mut value: Value, applied: &mut Applied) -> Value {
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
        && object.len() == 1
        && object.contains_key("value")
    {
        applied.note(&OBJECT_FOR_SCALAR);
        value = object.remove("value").unwrap_or_default();
    }
    match (attribute.kind, value) {
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

pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The sub-attribute that an unknown key of a complex attribute means.
pub(super) fn sub_attribute<'a>(attribute: &'a Attribute, key: &str, applied: &mut Applied) -> Option<&'a Attribute> {
    if attribute.name == "manager" && key.eq_ignore_ascii_case("managerId") {
        applied.note(&MANAGER_ID);
        return attribute.sub("value");
    }
    None
}

/// Keeps the first of several primary values.
pub(super) fn one_primary(elements: &mut [Value], applied: &mut Applied) {
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

#[cfg(test)]
mod tests;
