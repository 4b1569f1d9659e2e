//! Operations applied to a resource (RFC 7644 sections 3.5.2.1 to 3.5.2.3).

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Op, Operation};
use crate::scim::dialect::{Applied, CREATED_ELEMENT};
use crate::scim::error::Error;
use crate::scim::filter::eval::{element_matches, is_present};
use crate::scim::filter::text;
use crate::scim::json::object;
use crate::scim::resource::extension_of;
use crate::scim::schema::{Attribute, Mutability, ResourceType};
use crate::scim::value::is_primary;

/// Applies the operations in order, all or none: after an error the resource is as it was. Gives the deviations that
/// only the resource shows. Errors: 400 `noTarget`, `mutability`, `invalidPath`.
pub fn apply(rt: &ResourceType, resource: &mut Value, operations: &[Operation]) -> Result<Applied, Error> {
    let mut patched = resource.as_object().cloned().unwrap_or_default();
    let mut applied = Applied::default();
    for operation in operations {
        apply_one(rt, &mut patched, operation, &mut applied)?;
    }
    *resource = Value::Object(patched);
    Ok(applied)
}

/// Applies one operation to a copy of a resource, which an error may leave half changed. Otherwise as [`apply`].
pub fn apply_to_copy(
    rt: &ResourceType,
    copy: &mut Value,
    operation: &Operation,
    applied: &mut Applied,
) -> Result<(), Error> {
    match copy {
        Value::Object(copy) => apply_one(rt, copy, operation, applied),
        _ => Ok(()),
    }
}

fn apply_one(
    rt: &ResourceType,
    resource: &mut Map<String, Value>,
    operation: &Operation,
    applied: &mut Applied,
) -> Result<(), Error> {
    let unknown = || Error::invalid_path(format!("`{}` is not an attribute", operation.path));
    let resolved = rt.resolve(&operation.path).ok_or_else(unknown)?;
    let target = Target { operation, attribute: resolved.attribute, sub: resolved.sub };
    match resolved.extension {
        None => target.apply(resource, applied),
        Some(urn) => {
            if let Some(container) = extension_of(resource, urn) {
                target.apply(container, applied)?;
                if container.is_empty() {
                    resource.remove(urn);
                }
            }
            Ok(())
        }
    }
}

struct Target<'a> {
    operation: &'a Operation,
    attribute: &'a Attribute,
    sub: Option<&'a Attribute>,
}

impl Target<'_> {
    fn apply(&self, container: &mut Map<String, Value>, applied: &mut Applied) -> Result<(), Error> {
        let name = &self.attribute.name;
        let mut value = container.remove(name).unwrap_or_default();
        if self.attribute.multi_valued {
            let mut elements = match value {
                Value::Array(elements) => elements,
                Value::Null => Vec::new(),
                single => vec![single],
            };
            self.list(&mut elements, applied)?;
            value = Value::Array(elements);
        } else {
            self.single(&mut value)?;
        }
        if !is_empty(&value) {
            container.insert(name.clone(), value);
        }
        Ok(())
    }

    fn single(&self, value: &mut Value) -> Result<(), Error> {
        if let Some(filter) = &self.operation.path.filter
            && (value.is_null() || !element_matches(filter, self.attribute, value))
        {
            return self.nothing_selected(None);
        }
        self.change(value)
    }

    fn list(&self, elements: &mut Vec<Value>, applied: &mut Applied) -> Result<(), Error> {
        if self.operation.path.filter.is_none() && self.sub.is_none() {
            return self.whole_list(elements);
        }
        let mut selected = 0;
        let (mut kept_primary, mut new_primary) = (None, None);
        for (index, element) in elements.iter_mut().enumerate() {
            if let Some(filter) = &self.operation.path.filter
                && !element_matches(filter, self.attribute, element)
            {
                continue;
            }
            selected += 1;
            let was_primary = is_primary(element);
            self.change(element)?;
            if is_primary(element) {
                let first = if was_primary { &mut kept_primary } else { &mut new_primary };
                first.get_or_insert(index);
            }
        }
        let mut primary = kept_primary.or(new_primary);
        if selected == 0 {
            self.nothing_selected(Some((elements, applied)))?;
            primary = elements.len().checked_sub(1).filter(|&last| elements.get(last).is_some_and(is_primary));
        } else {
            elements.retain(|element| !is_empty(element));
        }
        // With elements gone the index no longer holds, but nothing became primary either.
        if self.operation.op != Op::Remove {
            only_primary(elements, primary);
        }
        Ok(())
    }

    fn whole_list(&self, elements: &mut Vec<Value>) -> Result<(), Error> {
        let immutable = self.attribute.mutability == Mutability::Immutable && !elements.is_empty();
        let given = match &self.operation.value {
            Some(Value::Array(given)) => given.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        match (self.operation.op, &self.operation.value) {
            (Op::Add, _) => self.add_all(elements, given),
            (Op::Replace, _) if immutable && elements.as_slice() != given => {
                return Err(self.immutable());
            }
            (Op::Replace, _) => {
                elements.clear();
                self.add_all(elements, given);
            }
            (Op::Remove, _) if immutable => return Err(self.immutable()),
            (Op::Remove, None) => elements.clear(),
            (Op::Remove, Some(_)) => {
                let gone = Listed::of(given);
                elements.retain(|element| !gone.contains(self.attribute, element));
            }
        }
        Ok(())
    }

    /// Adds what is not there yet; a value that is there takes over what the given one says besides.
    fn add_all(&self, elements: &mut Vec<Value>, given: &[Value]) {
        let mut known: HashMap<String, Vec<usize>> = HashMap::new();
        for new in given {
            known.entry(identity(new)).or_default();
        }
        for (index, element) in elements.iter().enumerate() {
            if let Some(alike) = known.get_mut(&identity(element)) {
                alike.push(index);
            }
        }
        for new in given {
            let alike = known.entry(identity(new)).or_default();
            let existing = alike.iter().copied().find(|&index| {
                let old = elements.get(index);
                old.is_some_and(|old| same(self.attribute, old, new))
            });
            let index = existing.unwrap_or(elements.len());
            if let Some(old) = existing.and_then(|index| elements.get_mut(index)) {
                // The same address in another letter case stays as it is stored.
                let value = old.get("value").cloned();
                merge(self.attribute, old, new);
                if let (Some(value), Some(merged)) = (value, old.get_mut("value")) {
                    *merged = value;
                }
            } else {
                alike.push(index);
                elements.push(new.clone());
            }
            if is_primary(new) {
                only_primary(elements, Some(index));
            }
        }
    }

    /// Changes one value: the attribute's own, or an element of it.
    fn change(&self, value: &mut Value) -> Result<(), Error> {
        match (self.sub, self.operation.op, &self.operation.value) {
            (None, Op::Remove, _) => {
                if self.attribute.mutability == Mutability::Immutable && is_present(value) {
                    return Err(self.immutable());
                }
                *value = Value::Null;
            }
            (None, op, Some(new)) => {
                let element = self.operation.path.filter.is_some() && self.attribute.multi_valued;
                let immutable = self.attribute.mutability == Mutability::Immutable;
                if immutable && is_present(value) {
                    let unchanged = self.attribute.is_same(value, new);
                    return if unchanged { Ok(()) } else { Err(self.immutable()) };
                }
                if element && op == Op::Replace {
                    let mut whole = new.clone();
                    if let (Some(whole), Some(filter)) = (whole.as_object_mut(), &self.operation.path.filter) {
                        for (name, key) in filter.equalities() {
                            whole.entry(name).or_insert_with(|| key.clone());
                        }
                    }
                    *value = whole;
                } else {
                    merge(self.attribute, value, new);
                }
            }
            (Some(sub), op, new) => {
                let old = value.get(&sub.name).filter(|old| is_present(old));
                let new = new.as_ref().filter(|_| op != Op::Remove);
                if let (Mutability::Immutable, Some(old)) = (sub.mutability, old) {
                    let unchanged = new.is_some_and(|new| sub.is_same(old, new));
                    return if unchanged { Ok(()) } else { Err(self.immutable()) };
                }
                self.change_sub(value, sub, new);
            }
            (None, _, None) => {}
        }
        Ok(())
    }

    fn change_sub(&self, value: &mut Value, sub: &Attribute, new: Option<&Value>) {
        if !value.is_object() {
            *value = Value::Object(Map::new());
        }
        let Some(object) = value.as_object_mut() else {
            return;
        };
        if let Some(new) = new {
            let mut one = Map::new();
            one.insert(sub.name.clone(), new.clone());
            merge(self.attribute, value, &Value::Object(one));
        } else {
            object.remove(&sub.name);
            // What is left of an e-mail without its address is no e-mail.
            let labels = |name: &String| matches!(name.as_str(), "type" | "primary" | "display" | "$ref");
            if self.attribute.multi_valued && object.keys().all(labels) {
                object.clear();
            }
        }
    }

    fn nothing_selected(&self, elements: Option<(&mut Vec<Value>, &mut Applied)>) -> Result<(), Error> {
        let operation = self.operation;
        let gone = operation.create || operation.path.filter.is_none();
        if operation.op == Op::Remove && gone {
            return Ok(());
        }
        let none = || Error::no_target(format!("`{}` selects nothing", operation.path));
        let (Some((elements, applied)), true, Some(new)) = (elements, operation.create, &operation.value) else {
            return Err(none());
        };
        let mut element = Map::new();
        if let Some(filter) = &operation.path.filter {
            for (name, key) in filter.equalities() {
                element.entry(name).or_insert_with(|| key.clone());
            }
            if !element_matches(filter, self.attribute, &Value::Object(element.clone())) {
                return Err(none());
            }
        }
        match (self.sub, new) {
            (Some(sub), new) => {
                element.insert(sub.name.clone(), new.clone());
            }
            (None, Value::Object(new)) => element.extend(new.clone()),
            (None, _) => return Err(none()),
        }
        elements.push(Value::Object(element));
        applied.note(&CREATED_ELEMENT);
        Ok(())
    }

    fn immutable(&self) -> Error {
        Error::mutability(format!("`{}` cannot be changed", self.operation.path))
    }
}

fn only_primary(elements: &mut [Value], primary: Option<usize>) {
    let Some(primary) = primary else {
        return;
    };
    for (index, element) in elements.iter_mut().enumerate() {
        if index != primary
            && is_primary(element)
            && let Some(flag) = element.get_mut("primary")
        {
            *flag = Value::Bool(false);
        }
    }
}

/// Sets what `new` says and leaves the rest; null members of `new` are removed.
fn merge(attribute: &Attribute, old: &mut Value, new: &Value) {
    let (Value::Object(old), Value::Object(new)) = (&mut *old, new) else {
        *old = match new {
            Value::Object(new) => {
                let given = new.iter().filter(|(_, value)| !value.is_null());
                Value::Object(object(given.map(|(k, v)| (k.clone(), v.clone()))))
            }
            other => other.clone(),
        };
        return;
    };
    if !attribute.multi_valued && new.get("value").is_some_and(|value| old.get("value") != Some(value)) {
        // Another manager: what describes the one before must go.
        old.remove("$ref");
        for sub in attribute.sub_attributes.iter().filter(|s| s.mutability == Mutability::ReadOnly) {
            old.remove(&sub.name);
        }
    }
    for (name, value) in new {
        if value.is_null() {
            old.remove(name);
        } else {
            old.insert(name.clone(), value.clone());
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Whether two elements are the same value: by `value` and, where both have one, `type`; without `value` by everything.
fn same(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    let equal = |name: &str, a: &Value, b: &Value| match (a, b) {
        (Value::String(a), Value::String(b)) if !attribute.sub(name).is_some_and(|s| s.case_exact) => text::equal(a, b),
        (a, b) => a == b,
    };
    match (a.get("value"), b.get("value")) {
        (Some(a_value), Some(b_value)) => {
            equal("value", a_value, b_value)
                && match (a.get("type"), b.get("type")) {
                    (Some(a), Some(b)) => equal("type", a, b),
                    _ => true,
                }
        }
        _ => a == b,
    }
}

/// What elements that are the same have in common, for look-up.
fn identity(element: &Value) -> String {
    match element.get("value").unwrap_or(element) {
        Value::String(text) => text.to_lowercase(),
        other => other.to_string(),
    }
}

/// The values that a removal lists.
struct Listed<'a> {
    by_identity: HashMap<String, Vec<&'a Value>>,
    given: &'a [Value],
}

impl<'a> Listed<'a> {
    fn of(given: &'a [Value]) -> Self {
        let mut by_identity: HashMap<String, Vec<&Value>> = HashMap::new();
        for element in given {
            by_identity.entry(identity(element)).or_default().push(element);
        }
        Listed { by_identity, given }
    }

    fn contains(&self, attribute: &Attribute, element: &Value) -> bool {
        if element.get("value").is_some() || !element.is_object() {
            let alike = self.by_identity.get(&identity(element));
            return alike.is_some_and(|alike| alike.iter().any(|given| same(attribute, element, given)));
        }
        // Without `value`, an element goes if it has everything that the given one says.
        self.given.iter().any(|given| match (given.as_object(), element.as_object()) {
            (Some(given), Some(element)) => given.iter().all(|(k, v)| element.get(k) == Some(v)),
            _ => false,
        })
    }
}
