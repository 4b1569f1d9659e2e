//! Values that a client adds where the application has one place for them, and those that it cannot take away.

use serde_json::Value;

use super::act::actions_for;
use super::close::closes;
use crate::mapping::Resource;
use crate::mapping::language::Access;
use crate::mapping::place::{Element, Place};
use crate::mapping::translate::Attributes;
use crate::scim::Error;
use crate::scim::patch::Operation;

/// Of two elements that belong in one place of the application, lets the new one have it: a work address that is added
/// is otherwise one too many, and would be dropped in silence. One that says neither its type nor that it is the primary
/// one does not displace another.
pub(super) fn settle(resource: &Resource, before: &Attributes, desired: &mut Value) {
    let Value::Object(desired) = desired else { return };
    for place in resource.rows.iter().map(|row| &row.place).filter(|place| place.element.is_some()) {
        let known = match place.attribute(before) {
            Some(Value::Array(known)) => known.as_slice(),
            _ => continue,
        };
        let container = match &place.extension {
            Some(urn) => desired.get_mut(urn).and_then(Value::as_object_mut),
            None => Some(&mut *desired),
        };
        let Some(Value::Array(items)) = container.and_then(|container| container.get_mut(&place.attribute)) else {
            continue;
        };
        let is_new = |item: &Value| {
            let says =
                item.get("type").is_some_and(Value::is_string) || item.get("primary") == Some(&Value::Bool(true));
            says && !known.iter().any(|old| but_primary(old).eq(but_primary(item)))
        };
        let Some(index) = place.own_index(items).filter(|index| items.get(*index).is_some_and(|item| !is_new(item)))
        else {
            continue;
        };
        let old = items.remove(index);
        match place.own_index(items).and_then(|index| items.get_mut(index)).filter(|item| is_new(item)) {
            Some(new) => keep_parts(old, new),
            None => items.insert(index, old),
        }
    }
}

/// Gives an element the parts of the one whose place it takes: an add takes nothing away (RFC 7644 section 3.5.2.1). What has
/// a `value` is that value, and what describes another one does not fit it.
fn keep_parts(old: Value, new: &mut Value) {
    if let (Value::Object(old), Some(new)) = (old, new.as_object_mut())
        && !old.contains_key("value")
    {
        for (name, part) in old {
            new.entry(name).or_insert(part);
        }
    }
}

/// Lets rows that a PUT leaves out keep their values where no call clears them.
pub(super) fn keep_unclearable(resource: &Resource, omitted: &[usize], before: &Attributes, desired: &mut Value) {
    let Value::Object(desired) = desired else { return };
    for (index, row) in omitted.iter().filter_map(|index| Some((*index, resource.rows.get(*index)?))) {
        let Some(value) = row.place.get(before).filter(|_| row.place.get(desired).is_none()) else { continue };
        let writer = row.same_as.unwrap_or(index);
        let is_clearable = resource.rows.get(writer).is_some_and(|row| {
            let updated = row.actions.is_empty() && row.access != Access::Create && resource.update.is_some();
            updated || !actions_for(resource, writer, desired).is_empty()
        });
        if !is_clearable {
            row.place.set(desired, value.clone());
        }
    }
}

/// Refuses to take a value from its place in the application by a change of its type, and the primary value for one that is
/// kept nowhere. One that comes back with another type is the one that is there. Of others, such as telephone numbers, a
/// list without those that the application knows leaves none.
/// Errors: 400 `mutability` where an operation changes what the element is known by, else 400 `invalidValue`.
pub(super) fn refuse_lost(
    resource: &Resource,
    operations: &[Operation],
    before: &Attributes,
    desired: &mut Value,
) -> Result<(), Error> {
    let Value::Object(desired) = desired else { return Ok(()) };
    let closes = closes(desired);
    let mut kept = Vec::new();
    for place in resource.rows.iter().filter(|row| row.access != Access::Read).map(|row| &row.place) {
        let Some(element) = &place.element else { continue };
        match lost(resource, (place, element), operations, (before, desired)) {
            None => {}
            Some(Lost::Renamed) => {
                let keys: Vec<&str> = element.keys.iter().map(|(key, _)| key.as_str()).collect();
                let (keys, name) = (keys.join("`, `"), &place.attribute);
                return Err(Error::mutability(format!(
                    "`{keys}` of `{name}` is fixed: the application has no other place"
                )));
            }
            // A leaver's account does not stay open for the sake of an address.
            Some(Lost::To(kind)) if !closes => {
                let which = kind.map(|kind| format!("[type eq \"{kind}\"]")).unwrap_or_default();
                return Err(Error::invalid_value(format!(
                    "the application has nowhere to keep `{}{which}`, and would lose the one it has",
                    place.attribute
                )));
            }
            Some(Lost::Relabelled | Lost::To(_)) => kept.extend(place.get(before).map(|value| (place, value.clone()))),
        }
    }
    for (place, value) in kept {
        place.set(desired, value);
    }
    Ok(())
}

/// How a place loses its element.
enum Lost {
    /// The element is still there, known by something else.
    Relabelled,
    /// The same, by an operation on just that.
    Renamed,
    /// To a list of which the application has a place for nothing: the type of its first element.
    To(Option<String>),
}

/// Whether a place that had an element `before` has none in what is desired.
fn lost(
    resource: &Resource,
    (place, element): (&Place, &Element),
    operations: &[Operation],
    (before, desired): (&Attributes, &Attributes),
) -> Option<Lost> {
    let (known, items) = (place.attribute(before)?.as_array()?, place.attribute(desired)?.as_array()?);
    let is_key = |name: &str| element.keys.iter().any(|(key, _)| key == name);
    let is_renamed = operations.iter().any(|Operation { path, .. }| {
        let of_it = path.attribute == place.attribute && path.schema == place.extension;
        of_it && path.sub_attribute.as_deref().is_some_and(is_key)
    });
    let index_of = |place: &Place| if is_renamed { place.own_index(items) } else { place.element_index(items) };
    let old = known.get(place.element_index(known)?)?;
    if index_of(place).is_some() || !(element.primary || is_renamed) {
        return None;
    }
    let contents = |item: &Value| -> Vec<(String, Value)> {
        let members = item.as_object().into_iter().flatten().filter(|(name, _)| *name != "primary" && !is_key(name));
        members.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let is_old = |item: &&Value| match item.get("value") {
        Some(value) => old.get("value") == Some(value),
        None => contents(item) == contents(old),
    };
    let homeless = resource.unhoused(place, items, index_of);
    if homeless.iter().any(is_old) {
        return Some(if is_renamed { Lost::Renamed } else { Lost::Relabelled });
    }
    // It has the place of another one, which is not there any more.
    let mut places = resource.rows.iter().map(|row| &row.place).filter(|other| other.is_beside(place));
    let has_it =
        |other: &Place| other.own_index(items).and_then(|index| items.get(index)).is_some_and(|it| is_old(&it));
    if is_renamed && places.any(|other| has_it(other) && other.element_index(known).is_some()) {
        return Some(Lost::Renamed);
    }
    let first = homeless.first().filter(|_| homeless.len() == items.len())?;
    Some(Lost::To(first.get("type").and_then(Value::as_str).map(str::to_owned)))
}

/// Refuses an operation that changes which element is the primary one, where the mapping has fixed that. In whole
/// elements clients send it all the time, and it is no more than what they have read. Errors: 400 `mutability`.
pub(super) fn refuse_primary<'o>(
    resource: &Resource,
    operations: impl Iterator<Item = &'o Operation>,
    before: &Attributes,
    desired: &Attributes,
) -> Result<(), Error> {
    let is_primary = |item: &Value| item.get("primary") == Some(&Value::Bool(true));
    let of_primary = |operation: &&Operation| operation.path.sub_attribute.as_deref() == Some("primary");
    for path in operations.filter(of_primary).map(|operation| &operation.path) {
        let places = resource.rows.iter().map(|row| &row.place);
        for place in places.filter(|place| place.attribute == path.attribute && place.extension == path.schema) {
            let in_place = |attributes| {
                let items = place.attribute(attributes)?.as_array()?;
                let index = place.element_index(items)?;
                Some((items, index, is_primary(items.get(index)?)))
            };
            let (Some((_, _, was)), Some((items, index, is))) = (in_place(before), in_place(desired)) else {
                continue;
            };
            // One that has no place of its own can be the primary one: that is left aside with it.
            let others = items.iter().enumerate().any(|(other, item)| other != index && is_primary(item));
            if was != is && !others {
                return Err(Error::mutability(format!("`{path}` is fixed by the application")));
            }
        }
    }
    Ok(())
}

/// What an element says but for `primary`, which it loses to another one.
fn but_primary(element: &Value) -> impl Iterator<Item = (&String, &Value)> {
    element.as_object().into_iter().flatten().filter(|(name, _)| *name != "primary")
}
