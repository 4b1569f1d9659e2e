//! PATCH requests brought into canonical form: one operation for one attribute path.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Op, Operation, Patch, SCHEMA};
use crate::scim::dialect::{self, Key, Leniency, Reading};
use crate::scim::error::Error;
use crate::scim::filter::select::validate_selection;
use crate::scim::path::AttributePath;
use crate::scim::resource::is_read_only_elsewhere;
use crate::scim::schema::{Attribute, Mutability, Resolved, ResourceType, Schema};
use crate::scim::value::{Reader, names_others};

/// Reads the body of a PATCH. Errors: 400 `invalidSyntax`, `invalidPath`, `invalidFilter`, `invalidValue`, `noTarget`
/// (a removal without a path), `mutability`, `tooMany`.
pub fn parse(rt: &ResourceType, body: Value, reading: impl Into<Reading>) -> Result<Patch, Error> {
    let reading = reading.into();
    let Value::Object(mut body) = body else {
        return Err(Error::invalid_syntax("the body must be a JSON object"));
    };
    let reader = Reader { keep_null: true, ..Reader::new(reading.leniency) };
    let mut parser = Parser { rt, reading, reader, operations: Vec::new() };
    parser.check_schemas(&body)?;
    let operations = match parser.take(&mut body, "Operations") {
        Some(Value::Array(operations)) => operations,
        Some(single @ Value::Object(_)) if parser.reader.lenient() => {
            parser.reader.applied.note(&dialect::SINGLE_OPERATION);
            vec![single]
        }
        Some(_) => return Err(Error::invalid_syntax("`Operations` must be an array")),
        None => return Err(Error::invalid_syntax("`Operations` is missing")),
    };
    if operations.is_empty() {
        if !parser.reader.lenient() {
            return Err(Error::invalid_syntax("`Operations` is empty"));
        }
        parser.reader.applied.note(&dialect::EMPTY_OPERATIONS);
    }
    if operations.len() > reading.operations {
        let (asked, most) = (operations.len(), reading.operations);
        return Err(Error::too_many(format!("{asked} operations in one PATCH; the limit is {most}")));
    }
    let several = operations.len() > 1;
    for (index, operation) in operations.into_iter().enumerate() {
        let named = |error: Error| if several { error.within(&format!("operation {}", index + 1)) } else { error };
        parser.operation(operation).map_err(named)?;
    }
    let Reader { ignored, deactivates, applied, .. } = parser.reader;
    Ok(Patch { operations: parser.operations, ignored, deactivates, applied })
}

struct Parser<'a> {
    rt: &'a ResourceType,
    reading: Reading,
    reader: Reader,
    operations: Vec<Operation>,
}

impl<'a> Parser<'a> {
    /// The member called `name`, leniently in any letter case.
    fn take(&mut self, object: &mut Map<String, Value>, name: &str) -> Option<Value> {
        if let Some(value) = object.remove(name) {
            return Some(value);
        }
        if !self.reader.lenient() {
            return None;
        }
        let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
        self.reader.applied.note(&dialect::KEY_CASE);
        object.remove(&key)
    }

    fn check_schemas(&mut self, body: &Map<String, Value>) -> Result<(), Error> {
        let schemas = body.get("schemas").and_then(Value::as_array);
        let listed = schemas
            .is_some_and(|urns| urns.iter().filter_map(Value::as_str).any(|urn| urn.eq_ignore_ascii_case(SCHEMA)));
        if listed {
            Ok(())
        } else if self.reader.lenient() {
            self.reader.applied.note(&dialect::MISSING_SCHEMAS);
            Ok(())
        } else {
            Err(Error::invalid_syntax(format!("`schemas` must list `{SCHEMA}`")))
        }
    }

    fn operation(&mut self, operation: Value) -> Result<(), Error> {
        let Value::Object(mut operation) = operation else {
            return Err(Error::invalid_syntax("an operation must be an object"));
        };
        let op = self.op(&mut operation)?;
        let path = match self.take(&mut operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if path.trim().is_empty() => None,
            Some(Value::String(path)) => Some(path),
            Some(_) => return Err(Error::invalid_path("`path` must be a string")),
        };
        let value = self.take(&mut operation, "value");
        let before = self.operations.len();
        match path {
            Some(path) => self.at_path(op, &path, value)?,
            None => self.without_path(op, value)?,
        }
        self.check_once(before)
    }

    fn without_path(&mut self, op: Op, value: Option<Value>) -> Result<(), Error> {
        if op == Op::Remove {
            return Err(Error::no_target("`remove` needs a `path`"));
        }
        let value = match value {
            Some(Value::Array(mut elements)) if self.reader.lenient() && elements.len() == 1 => {
                self.reader.applied.note(&dialect::ARRAY_FOR_SINGLE);
                elements.pop()
            }
            other => other,
        };
        match value {
            Some(Value::Object(members)) => {
                members.into_iter().try_for_each(|(key, value)| self.member(op, &key, value))
            }
            _ => Err(Error::invalid_value("an operation without a `path` needs an object as its `value`")),
        }
    }

    /// Refuses one operation that gives an attribute two values, by its name and by a path, or below its schema's URN.
    fn check_once(&self, before: usize) -> Result<(), Error> {
        let operations = self.operations.get(before..).unwrap_or_default();
        if operations.len() < 2 {
            return Ok(());
        }
        let mut known = HashMap::new();
        let mut say = |path: String, value| match known.insert(path.clone(), value) {
            Some(other) if other != value => {
                Err(Error::invalid_value(format!("`{path}` is given twice, with different values")))
            }
            _ => Ok(()),
        };
        operations.iter().try_for_each(|Operation { path, value, .. }| match value {
            Some(Value::Object(parts)) if path.filter.is_none() => {
                parts.iter().try_for_each(|(name, part)| say(format!("{path}.{name}"), part))
            }
            value => say(path.to_string(), value.as_ref().unwrap_or(&Value::Null)),
        })
    }

    fn op(&mut self, operation: &mut Map<String, Value>) -> Result<Op, Error> {
        let word = match self.take(operation, "op") {
            Some(Value::String(word)) => word,
            Some(_) => return Err(Error::invalid_syntax("`op` must be a string")),
            None => return Err(Error::invalid_syntax("an operation lacks its `op`")),
        };
        let exact = match word.as_str() {
            "add" => return Ok(Op::Add),
            "replace" => return Ok(Op::Replace),
            "remove" => return Ok(Op::Remove),
            other => other.trim().to_ascii_lowercase(),
        };
        let op = match exact.as_str() {
            "add" => Some(Op::Add),
            "replace" => Some(Op::Replace),
            "remove" => Some(Op::Remove),
            _ => None,
        };
        match op.filter(|_| self.reader.lenient()) {
            Some(op) => {
                self.reader.applied.note(&dialect::OPERATION_CASE);
                Ok(op)
            }
            None => {
                Err(Error::invalid_syntax(format!("unknown operation `{word}`: `add`, `remove` and `replace` exist")))
            }
        }
    }

    /// One member of the value of an operation without a path.
    fn member(&mut self, op: Op, key: &str, value: Value) -> Result<(), Error> {
        if key.eq_ignore_ascii_case("schemas") {
            return Ok(());
        }
        if let Some(attribute) = self.rt.attribute(key) {
            return self.echo_or_push(op, &AttributePath::of(&attribute.name), key, value);
        }
        match (dialect::key(self.rt, key, self.reader.leniency, &mut self.reader.applied)?, value) {
            (Key::Extension(schema), value) => self.extension(op, schema, Some(value)),
            (Key::Core, Value::Object(members)) => {
                members.into_iter().try_for_each(|(key, value)| self.member(op, &key, value))
            }
            (Key::Core, _) => Err(Error::invalid_value(format!("`{key}` must be an object"))),
            (Key::Path(path), value) => self.echo_or_push(op, &path, key, value),
            (Key::Unknown, value) => {
                self.unknown(&dialect::path_or_name(self.rt, key), key, &value);
                Ok(())
            }
        }
    }

    fn unknown(&mut self, path: &AttributePath, spelling: &str, value: &Value) {
        self.reader.leave(path, Some(value));
        if !is_read_only_elsewhere(self.rt, path) {
            self.reader.ignore(spelling.to_owned(), Some(value));
        }
    }

    fn echo_or_push(&mut self, op: Op, path: &AttributePath, spelling: &str, value: Value) -> Result<(), Error> {
        let resolved = self.rt.resolve(path);
        if self.reader.lenient() && resolved.is_some_and(|r| is_read_only(&r)) {
            self.reader.applied.note(&dialect::READ_ONLY_ECHO);
            self.reader.leave(path, Some(&value));
            return Ok(());
        }
        self.push(op, path, spelling, Some(value))
    }

    fn at_path(&mut self, op: Op, spelling: &str, value: Option<Value>) -> Result<(), Error> {
        let (leniency, applied) = (self.reader.leniency, &mut self.reader.applied);
        if let Some(schema) = dialect::extension(self.rt, spelling.trim(), leniency, applied)? {
            return self.extension(op, schema, value);
        }
        let path = dialect::path(self.rt, spelling, self.reading, &mut self.reader.applied)?;
        if path.is_schema(&self.rt.schema.id) && op != Op::Remove && self.reader.lenient() {
            return self.member(op, &self.rt.schema.id, value.unwrap_or_default());
        }
        if path.attribute.eq_ignore_ascii_case("schemas") && path.filter.is_none() {
            // `schemas` follows from the attributes that the resource has.
            return Ok(());
        }
        self.push(op, &path, spelling, value)
    }

    /// An operation on a whole schema extension is one on each of its attributes.
    fn extension(&mut self, op: Op, schema: &'a Schema, value: Option<Value>) -> Result<(), Error> {
        let inside =
            |attribute: &str| AttributePath { schema: Some(schema.id.clone()), ..AttributePath::of(attribute) };
        match (op, value) {
            (Op::Remove, _) | (Op::Replace, Some(Value::Null)) => {
                for attribute in &schema.attributes {
                    if attribute.mutability != Mutability::ReadOnly {
                        self.push(Op::Remove, &inside(&attribute.name), &attribute.name, None)?;
                    }
                }
                Ok(())
            }
            (_, Some(Value::Object(members))) => {
                for (key, value) in members {
                    let spelling = format!("{}:{key}", schema.id);
                    match schema.attribute(&key) {
                        Some(attribute) => {
                            self.echo_or_push(op, &inside(&attribute.name), &spelling, value)?;
                        }
                        None => {
                            let (leniency, applied) = (self.reader.leniency, &mut self.reader.applied);
                            match dialect::key_within(self.rt, schema, &key, leniency, applied)? {
                                Some(path) => self.echo_or_push(op, &path, &spelling, value)?,
                                None => self.unknown(&dialect::path_or_name(self.rt, &spelling), &spelling, &value),
                            }
                        }
                    }
                }
                Ok(())
            }
            _ => Err(Error::invalid_value(format!("`{}` must be an object", schema.id))),
        }
    }

    fn push(&mut self, op: Op, path: &AttributePath, spelling: &str, value: Option<Value>) -> Result<(), Error> {
        let rt = self.rt;
        let (Some(resolved), Some(canonical)) = (rt.resolve(path), rt.canonical(path)) else {
            if is_read_only_elsewhere(rt, path) {
                return Err(Error::mutability(format!("`{spelling}` is readOnly")));
            }
            // Nobody is told that somebody was removed who is still there.
            let whole = AttributePath { filter: None, sub_attribute: None, ..path.clone() };
            if rt.resolve(&whole).is_some_and(|whole| names_others(whole.attribute)) {
                return Err(Error::invalid_path(format!("there is no `{spelling}`")));
            }
            self.reader.leave(path, value.as_ref());
            self.reader.ignore(spelling.to_owned(), value.as_ref().filter(|_| op != Op::Remove));
            return Ok(());
        };
        if is_read_only(&resolved) {
            // What every resource has is there already.
            if op != Op::Remove && self.reader.lenient() && self.is_constant(&resolved, value)? {
                self.reader.applied.note(&dialect::READ_ONLY_ECHO);
                return Ok(());
            }
            return Err(Error::mutability(format!("`{spelling}` is readOnly")));
        }
        let leaf = resolved.leaf();
        let attribute = resolved.attribute;
        if let Some(filter) = &path.filter {
            validate_selection(filter, attribute)?;
        }
        let whole = canonical.filter.is_none() && canonical.sub_attribute.is_none();
        let listed = whole && attribute.multi_valued;
        self.reader.adds = op == Op::Add;
        let (op, value) = match op {
            Op::Remove => match self.removed(attribute, listed, value)? {
                Removed::Nothing => return Ok(()),
                Removed::All => (Op::Remove, None),
                Removed::Values(values) => (Op::Remove, Some(values)),
            },
            Op::Add | Op::Replace => {
                let Some(value) = value else {
                    return Err(Error::invalid_value(format!("the operation on `{spelling}` lacks a `value`")));
                };
                let read = match resolved.sub {
                    Some(sub) => self.reader.sub(attribute, sub, value)?,
                    None if whole => self.reader.read(attribute, value)?,
                    None => self.reader.element(attribute, value)?,
                };
                match read {
                    Some(Value::Object(read)) if read.is_empty() => return Ok(()),
                    Some(read) => (op, Some(read)),
                    None if op == Op::Add && listed => return Ok(()),
                    None if leaf.is_kept() => {
                        return Err(Error::invalid_value(format!("`{spelling}` is required")));
                    }
                    None => (Op::Remove, None),
                }
            }
        };
        if op == Op::Remove && value.is_none() && leaf.is_kept() && canonical.filter.is_none() {
            return Err(Error::mutability(format!("`{spelling}` is required: it cannot be removed")));
        }
        self.operations.push(Operation { op, path: canonical, value, create: self.reader.lenient() });
        Ok(())
    }

    fn is_constant(&mut self, resolved: &Resolved<'_>, value: Option<Value>) -> Result<bool, Error> {
        let (Some(constant), Some(value), None) = (&resolved.attribute.constant, value, resolved.sub) else {
            return Ok(false);
        };
        Ok(self.reader.read(resolved.attribute, value)?.as_ref() == Some(constant))
    }

    fn removed(&mut self, attribute: &Attribute, listed: bool, value: Option<Value>) -> Result<Removed, Error> {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return Ok(Removed::All);
        };
        if self.reader.leniency == Leniency::Strict {
            return Err(Error::invalid_value("`remove` takes no `value`"));
        }
        self.reader.applied.note(&dialect::VALUE_WITH_REMOVE);
        if !listed {
            return Ok(Removed::All);
        }
        // An empty list, or one of nothing but empty values, must not be read as "everything".
        Ok(match self.reader.read(attribute, value)? {
            Some(values @ Value::Array(_)) => Removed::Values(values),
            _ => Removed::Nothing,
        })
    }
}

enum Removed {
    All,
    Values(Value),
    Nothing,
}

fn is_read_only(resolved: &Resolved<'_>) -> bool {
    resolved.attribute.mutability == Mutability::ReadOnly
        || resolved.sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly)
}
