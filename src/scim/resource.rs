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
    let reader = Reader { adds: mode == Mode::Create, ..Reader::new(leniency) };
    let mut writer = Writer { rt, mode, reader, resource: Map::new() };
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
            (Key::Core | Key::Unknown, value) => self.ignore(&dialect::path_or_name(self.rt, key), key, &value),
        }
        Ok(())
    }

    /// A key that is a path: `name.givenName`, `department`, `urn:…:User:department`.
    fn path(&mut self, path: &AttributePath, key: &str, value: Value) -> Result<(), Error> {
        let resolved = self.rt.resolve(path).filter(|_| path.filter.is_none());
        let Some(resolved) = resolved else {
            self.ignore(path, key, &value);
            return Ok(());
        };
        let Some(sub) = resolved.sub else {
            return self.attribute(resolved.extension, resolved.attribute, value);
        };
        if resolved.attribute.multi_valued
            || resolved.attribute.mutability == Mutability::ReadOnly
            || sub.mutability == Mutability::ReadOnly
        {
            self.ignore(path, key, &value);
            return Ok(());
        }
        let Some(value) = self.reader.sub(resolved.attribute, sub, value)? else {
            return Ok(());
        };
        let part = Value::Object(object([(sub.name.clone(), value)]));
        self.put(resolved.extension, resolved.attribute, part)
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
                                None => {
                                    let spelling = format!("{}:{key}", schema.id);
                                    self.ignore(&dialect::path_or_name(self.rt, &spelling), &spelling, &value);
                                }
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
            let schema = extension.map(str::to_owned);
            self.reader.leave(&AttributePath { schema, ..AttributePath::of(&attribute.name) }, Some(&value));
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
        self.put(extension, attribute, read.unwrap_or_default())
    }

    /// Puts a value, or parts of one, where it belongs. It may be there already, by a path or below its schema's URN: then
    /// the two must not contradict each other.
    fn put(&mut self, extension: Option<&str>, attribute: &Attribute, new: Value) -> Result<(), Error> {
        let container = match extension {
            None => Some(&mut self.resource),
            Some(urn) => extension_of(&mut self.resource, urn),
        };
        let Some(container) = container else { return Ok(()) };
        let twice = || Error::invalid_value(format!("`{}` is given twice, with different values", attribute.name));
        match (container.get_mut(&attribute.name), new) {
            (None, new) => {
                container.insert(attribute.name.clone(), new);
            }
            (Some(Value::Object(old)), Value::Object(new)) => {
                for (name, part) in new {
                    if old.get(&name).is_some_and(|old| *old != part) {
                        return Err(twice());
                    }
                    old.insert(name, part);
                }
            }
            (Some(old), new) if *old != new => return Err(twice()),
            _ => {}
        }
        Ok(())
    }

    /// Leaves a value aside that the resource type has no place for.
    fn ignore(&mut self, path: &AttributePath, key: &str, value: &Value) {
        self.reader.leave(path, Some(value));
        if self.mode == Mode::Create && self.reader.lenient() && key.eq_ignore_ascii_case("password") {
            self.reader.applied.note(&dialect::PLACEHOLDER_PASSWORD);
        } else if !is_read_only_elsewhere(self.rt, path) {
            self.reader.ignore(key.to_owned(), Some(value));
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

/// Whether what the resource type lacks is readOnly, or a part of what is, here or in RFC 7643: that a client sends it
/// back is no news, and that it changes it is an error.
pub(super) fn is_read_only_elsewhere(rt: &ResourceType, path: &AttributePath) -> bool {
    let core = path.schema.as_ref().is_none_or(|urn| urn.eq_ignore_ascii_case(&rt.schema.id));
    let groups = || rt.schema.id == core::USER && path.attribute.eq_ignore_ascii_case("groups");
    core && rt.attribute(&path.attribute).map_or_else(groups, |known| known.mutability == Mutability::ReadOnly)
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
