//! Operations on a list of plain values, which keeps nothing but the values: neither a type nor which one is primary.

use std::borrow::Cow;

use serde_json::Value;

use crate::handler::native::noun;
use crate::handler::read::Current;
use crate::mapping::errors::not_understood;
use crate::mapping::translate::Attributes;
use crate::mapping::{Resource, Row};
use crate::scim::dialect::Applied;
use crate::scim::json::object;
use crate::scim::patch::{self, Op, Operation};
use crate::scim::{Error, Filter, Kind};

/// What the operations make of a resource. Errors as for [`patch::apply`].
pub(super) fn patched(
    resource: &Resource,
    before: &Attributes,
    operations: &[Operation],
) -> Result<(Value, Applied), Error> {
    let mut desired = Value::Object(before.clone());
    if !operations.iter().any(|operation| selects_plain(resource, operation)) {
        let applied = patch::apply(&resource.kind, &mut desired, operations)?;
        return Ok((desired, applied));
    }
    // Each needs to know what the ones before it have made of the list. After an error, the copy is of no use.
    let mut applied = Applied::default();
    for operation in operations {
        if let Some(meant) = meant(resource, &desired, operation)? {
            patch::apply_to_copy(&resource.kind, &mut desired, &meant, &mut applied)?;
        }
    }
    Ok((desired, applied))
}

/// Whether the operation selects some values of a list that is one row.
fn selects_plain(resource: &Resource, operation: &Operation) -> bool {
    let is_it = |row: &Row| row.kind == Kind::Complex && row.is_list() && is_about(operation, row);
    operation.path.filter.is_some() && resource.rows.iter().any(is_it)
}

fn is_about(operation: &Operation, row: &Row) -> bool {
    let (path, place) = (&operation.path, &row.place);
    place.attribute == path.attribute && place.extension == path.schema
}

/// Refuses to change a part of a list that has something in it which cannot be read: it would be lost.
pub(super) fn refuse_unread(
    resource: &Resource,
    operations: &[Operation],
    before: &Current,
    desired: &Value,
) -> Result<(), Error> {
    let Value::Object(desired) = desired else { return Ok(()) };
    let replaces_all = |Operation { op, path, value, .. }: &Operation| {
        let is_whole = path.filter.is_none() && path.sub_attribute.is_none();
        is_whole && (*op == Op::Replace || (*op == Op::Remove && value.is_none()))
    };
    for row in resource.rows.iter().filter(|row| row.place.get(&before.attributes) != row.place.get(desired)) {
        let all = operations.iter().any(|operation| is_about(operation, row) && replaces_all(operation));
        if let Some(problem) = row.unread(&before.native, all) {
            return Err(not_understood(&format!("read the {}", noun(resource)), &problem));
        }
    }
    Ok(())
}

/// What an operation means where the list does not keep what its filter names; `None`: nothing. The primary value of a list
/// of one is that one: Entra ID has a single role so. Errors: 400 `noTarget`, for what would be removed without being known.
fn meant<'o>(
    resource: &Resource,
    desired: &Value,
    operation: &'o Operation,
) -> Result<Option<Cow<'o, Operation>>, Error> {
    let Some(filter) = operation.path.filter.as_deref().filter(|_| selects_plain(resource, operation)) else {
        return Ok(Some(Cow::Borrowed(operation)));
    };
    let attribute = resource.kind.resolve(&operation.path);
    let items = attribute.and_then(|resolved| resolved.value(desired)).and_then(Value::as_array);
    let items = items.map(Vec::as_slice).unwrap_or_default();
    let lost = attribute.into_iter().flat_map(|resolved| &resolved.attribute.sub_attributes).find(|sub| {
        sub.name != "value" && filter.names(&sub.name) && items.iter().all(|item| item.get(&sub.name).is_none())
    });
    let Some(lost) = lost else { return Ok(Some(Cow::Borrowed(operation))) };
    let is_one = is_primary(filter) && items.len() < 2;
    if !is_one && (operation.op == Op::Add || (operation.op == Op::Replace && operation.create)) {
        // Another value, of which the list keeps only that.
        let of_value = operation.path.sub_attribute.as_deref().is_none_or(|sub| sub == "value");
        return Ok(of_value.then(|| Cow::Owned(added(operation))));
    }
    if !is_one && items.is_empty() && operation.create {
        return Ok(None);
    }
    if !is_one {
        let (path, lost) = (&operation.path, &lost.name);
        return Err(Error::no_target(format!("`{path}` selects nothing: the application keeps no `{lost}` for it")));
    }
    let mut meant = operation.clone();
    meant.path.filter = None;
    if meant.op == Op::Add && meant.path.sub_attribute.is_none() {
        meant.op = Op::Replace;
    }
    Ok(Some(Cow::Owned(meant)))
}

/// The operation that adds the value, or the element, of this one to the list.
fn added(operation: &Operation) -> Operation {
    let mut added = Operation { op: Op::Add, ..operation.clone() };
    added.path.filter = None;
    let value = added.value.take().unwrap_or_default();
    let element = match added.path.sub_attribute.take() {
        Some(sub) => Value::Object(object([(sub, value)])),
        None => value,
    };
    added.value = Some(Value::Array(vec![element]));
    added
}

/// Whether a filter asks for the primary value, and for nothing else.
fn is_primary(filter: &Filter) -> bool {
    matches!(filter, Filter::Compare { .. })
        && filter.equalities().any(|(name, value)| name == "primary" && *value == Value::Bool(true))
}
