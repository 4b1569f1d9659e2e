//! Resources as clients send them, brought into canonical form (RFC 7643 section 2, RFC 7644 sections 3.3 and 3.5.1).

mod replace;

use serde_json::{Map, Value};

use super::core;
use super::dialect::{self, Applied, Key, Leniency};
use super::error::Error;
use super::filter::eval::is_present;
use super::json::object;
use super::path::AttributePath;
use super::schema::{Attribute, Mutability, ResourceType, Schema};
use super::value::Reader;

/// What a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// POST: an attribute without a value is left out.
    Create,
    /// PUT: an attribute that is explicitly without a value (`null`, `[]`, and leniently `""`) is kept as `null`.
    Replace,
}

/// A body in canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalised {
    /// The writable attributes with canonical names and checked types; extensions under their URNs. Neither
    /// `id` nor `schemas` nor `meta` nor anything else that is readOnly.
    pub resource: Map<String, Value>,
    /// What the resource type does not have, as paths in the client's spelling.
    pub ignored: Vec<String>,
    /// Whether it says `active: false` where clients cannot write `active`.
    pub deactivates: bool,
    /// The deviations that had to be understood.
    pub applied: Applied,
}

/// What PUT means for a readWrite attribute that the body leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omitted {
    /// It keeps its value.
    Keep,
    /// It loses its value.
    Clear,
}

/// Brings the body of a POST or PUT into canonical form. Errors: 400 `invalidSyntax` (not an object, and strictly
/// a wrong `schemas`), 400 `invalidValue` (a required attribute is missing, a value has the wrong type, two are primary).
pub fn normalise(rt: &ResourceType, body: Value, mode: Mode, leniency: Leniency) -> Result<Normalised, Error> {
    let Value::Object(body) = body else {
        return Err(Error::invalid_syntax("the body must be a JSON object"));
    };
    let mut writer = Writer { rt, mode, reader: Reader::new(leniency), resource: Map::new() };
    let schemas = body.iter().find(|(key, _)| key.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    check_schemas(rt, schemas, &body, &mut writer.reader)?;
    for (key, value) in body {
        writer.member(&key, value)?;
    }
    writer.check_required()?;
    let Reader { ignored, deactivates, applied, .. } = writer.reader;
    Ok(Normalised { resource: writer.resource, ignored, deactivates, applied })
}

fn check_schemas(
    rt: &ResourceType,
    schemas: Option<&Value>,
    body: &Map<String, Value>,
    reader: &mut Reader,
) -> Result<(), Error> {
    let listed: Vec<&str> = match schemas {
        Some(Value::Array(urns)) => urns.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(urn)) if reader.lenient() => vec![urn],
        _ => Vec::new(),
    };
    let lists = |id: &str| listed.iter().any(|urn| urn.eq_ignore_ascii_case(id));
    let used = rt.extensions.iter().map(|(schema, _)| &schema.id);
    let missing = std::iter::once(&rt.schema.id)
        .chain(used.filter(|id| body.keys().any(|key| key.eq_ignore_ascii_case(id))))
        .find(|id| !lists(id));
    match missing {
        None => {}
        Some(_) if reader.lenient() => reader.applied.note(&dialect::MISSING_SCHEMAS),
        Some(id) => return Err(Error::invalid_syntax(format!("`schemas` must list `{id}`"))),
    }
    match listed.iter().find(|urn| !dialect::is_known_schema(rt, urn)) {
        None => {}
        Some(_) if reader.lenient() => reader.applied.note(&dialect::UNKNOWN_SCHEMA),
        Some(urn) => return Err(Error::invalid_syntax(format!("`schemas` lists `{urn}`, which is not served here"))),
    }
    Ok(())
}

struct Writer<'a> {
    rt: &'a ResourceType,
    mode: Mode,
    reader: Reader,
    resource: Map<String, Value>,
}

impl<'a> Writer<'a> {
    fn member(&mut self, key: &str, value: Value) -> Result<(), Error> {
        if let Some(attribute) = self.rt.attribute(key) {
            return self.attribute(None, attribute, value);
        }
        match (dialect::key(self.rt, key, self.reader.leniency, &mut self.reader.applied)?, value) {
            (Key::Extension(schema), value) => return self.extension(schema, value),
            (Key::Core, Value::Object(members)) => {
                return members.into_iter().try_for_each(|(key, value)| self.member(&key, value));
            }
            (Key::Path(path), value) => return self.path(&path, key, value),
            (Key::Core | Key::Unknown, value) => {
                self.reader.leave(key, Some(&value));
                self.ignore(key);
            }
        }
        Ok(())
    }

    /// A key that is a path: `name.givenName`, `department`, `urn:…:User:department`.
    fn path(&mut self, path: &AttributePath, key: &str, value: Value) -> Result<(), Error> {
        let resolved = self.rt.resolve(path).filter(|_| path.filter.is_none());
        let Some(resolved) = resolved else {
            self.ignore(key);
            return Ok(());
        };
        let Some(sub) = resolved.sub else {
            return self.attribute(resolved.extension, resolved.attribute, value);
        };
        if resolved.attribute.multi_valued
            || resolved.attribute.mutability == Mutability::ReadOnly
            || sub.mutability == Mutability::ReadOnly
        {
            self.ignore(key);
            return Ok(());
        }
        let Some(value) = self.reader.sub(resolved.attribute, sub, value)? else {
            return Ok(());
        };
        match self.slot(resolved.extension, resolved.attribute) {
            Some(Value::Object(object)) => {
                object.insert(sub.name.clone(), value);
            }
            Some(whole) => {
                *whole = Value::Object(object([(sub.name.clone(), value)]));
            }
            None => {}
        }
        Ok(())
    }

    fn extension(&mut self, schema: &'a Schema, value: Value) -> Result<(), Error> {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    match schema.attribute(&key) {
                        Some(attribute) => self.attribute(Some(&schema.id), attribute, value)?,
                        None => {
                            let (leniency, applied) = (self.reader.leniency, &mut self.reader.applied);
                            match dialect::key_within(self.rt, schema, &key, leniency, applied)? {
                                Some(path) => self.path(&path, &key, value)?,
                                None => self.reader.ignored.push(format!("{}:{key}", schema.id)),
                            }
                        }
                    }
                }
                Ok(())
            }
            Value::Null => schema
                .attributes
                .iter()
                .try_for_each(|attribute| self.attribute(Some(&schema.id), attribute, Value::Null)),
            _ => Err(Error::invalid_value(format!("`{}` must be an object", schema.id))),
        }
    }

    fn attribute(&mut self, extension: Option<&str>, attribute: &Attribute, value: Value) -> Result<(), Error> {
        if attribute.mutability == Mutability::ReadOnly || attribute.name == "schemas" {
            self.reader.leave(&attribute.name, Some(&value));
            return Ok(());
        }
        let read = self.reader.read(attribute, value)?;
        let says_nothing = match &read {
            None => self.mode == Mode::Create,
            Some(Value::Object(read)) => read.is_empty(),
            Some(_) => false,
        };
        if says_nothing {
            return Ok(());
        }
        match (self.slot(extension, attribute), read) {
            // A dotted key may have come first.
            (Some(Value::Object(object)), Some(Value::Object(read))) => object.extend(read),
            (Some(slot), read) => *slot = read.unwrap_or_default(),
            (None, _) => {}
        }
        Ok(())
    }

    /// Where an attribute's value goes; a new value is null.
    fn slot(&mut self, extension: Option<&str>, attribute: &Attribute) -> Option<&mut Value> {
        let container = match extension {
            None => Some(&mut self.resource),
            Some(urn) => extension_of(&mut self.resource, urn),
        };
        Some(container?.entry(attribute.name.as_str()).or_insert(Value::Null))
    }

    fn ignore(&mut self, key: &str) {
        if self.mode == Mode::Create && self.reader.lenient() && key.eq_ignore_ascii_case("password") {
            self.reader.applied.note(&dialect::PLACEHOLDER_PASSWORD);
        } else if !is_read_only_elsewhere(self.rt, key) {
            self.reader.ignored.push(key.to_owned());
        }
    }

    fn check_required(&self) -> Result<(), Error> {
        let has = |container: Option<&Map<String, Value>>, attribute: &Attribute| {
            container.and_then(|c| c.get(&attribute.name)).is_some_and(is_present)
        };
        let required = |schema: &'a Schema| {
            schema.attributes.iter().filter(|a| a.required && !a.defaulted && a.mutability != Mutability::ReadOnly)
        };
        for attribute in required(&self.rt.schema) {
            if !has(Some(&self.resource), attribute) {
                return Err(Error::invalid_value(format!("`{}` is required", attribute.name)));
            }
        }
        for (schema, needed) in &self.rt.extensions {
            let container = self.resource.get(&schema.id).and_then(Value::as_object);
            if container.is_none() && !needed {
                continue;
            }
            for attribute in required(schema) {
                if !has(container, attribute) {
                    let (urn, name) = (&schema.id, &attribute.name);
                    return Err(Error::invalid_value(format!("`{urn}:{name}` is required")));
                }
            }
        }
        Ok(())
    }
}

/// Whether the resource type lacks what RFC 7643 makes readOnly: that a client sends it back is no news.
pub(super) fn is_read_only_elsewhere(rt: &ResourceType, key: &str) -> bool {
    rt.schema.id == core::USER && key.eq_ignore_ascii_case("groups") && rt.attribute(key).is_none()
}

/// The object under an extension's URN, made where there is none.
pub(super) fn extension_of<'m>(resource: &'m mut Map<String, Value>, urn: &str) -> Option<&'m mut Map<String, Value>> {
    if !resource.get(urn).is_some_and(Value::is_object) {
        resource.insert(urn.to_owned(), Value::Object(Map::new()));
    }
    resource.get_mut(urn).and_then(Value::as_object_mut)
}

#[cfg(test)]
mod tests;
