//! Values that a client adds where the application has one place for them.

use serde_json::Value;

use crate::mapping::Resource;
use crate::mapping::language::Access;
use crate::mapping::place::Place;
use crate::mapping::translate::Attributes;
use crate::scim::Error;
use crate::scim::patch::Operation;
use crate::scim::path::AttributePath;

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
    let mut kept_as_it_is = Vec::new();
    // A leaver's account does not stay open for the sake of an address.
    let closes = desired.get("active") == Some(&Value::Bool(false));
    for place in resource.rows.iter().filter(|row| row.access != Access::Read).map(|row| &row.place) {
        let (Some(element), Some(Value::Array(known)), Some(Value::Array(items))) =
            (&place.element, place.attribute(before), place.attribute(desired))
        else {
            continue;
        };
        let name = &place.attribute;
        let renames = |path: &AttributePath| {
            let key = |name: &String| element.keys.iter().any(|(key, _)| key == name);
            path.attribute == *name && path.schema == place.extension && path.sub_attribute.as_ref().is_some_and(key)
        };
        let is_renamed = operations.iter().any(|operation| renames(&operation.path));
        let index_of = |place: &Place| if is_renamed { place.own_index(items) } else { place.element_index(items) };
        let old = place.element_index(known).and_then(|index| known.get(index));
        let Some(old) = old.filter(|_| index_of(place).is_none()) else {
            continue;
        };
        let of_it = |other: &&Place| other.attribute == place.attribute && other.extension == place.extension;
        let places = resource.rows.iter().map(|row| &row.place).filter(of_it);
        let kept: Vec<usize> = places.filter_map(index_of).collect();
        let mut homeless = items.iter().enumerate().filter(|(index, _)| !kept.contains(index)).map(|(_, item)| item);
        let known_by = |name: &String| name == "primary" || element.keys.iter().any(|(key, _)| key == name);
        let contents = |item: &Value| -> Vec<(String, Value)> {
            let members = item.as_object().into_iter().flatten().filter(|(name, _)| !known_by(name));
            members.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let is_old = |item: &Value| match item.get("value") {
            Some(value) => old.get("value") == Some(value),
            None => contents(item) == contents(old),
        };
        if !element.primary && !is_renamed {
            continue;
        }
        if homeless.clone().any(is_old) {
            if !is_renamed {
                kept_as_it_is.extend(place.get(before).map(|value| (place, value.clone())));
                continue;
            }
            let keys: Vec<&str> = element.keys.iter().map(|(key, _)| key.as_str()).collect();
            let keys = keys.join("`, `");
            return Err(Error::mutability(format!(
                "`{keys}` of `{name}` is fixed: the application has no other place"
            )));
        }
        if kept.is_empty()
            && let Some(item) = homeless.next()
        {
            if closes {
                kept_as_it_is.extend(place.get(before).map(|value| (place, value.clone())));
                continue;
            }
            let which = item.get("type").and_then(Value::as_str).map(|kind| format!("[type eq \"{kind}\"]"));
            let which = which.unwrap_or_default();
            let message = format!("the application has nowhere to keep `{name}{which}`, and would lose the one it has");
            return Err(Error::invalid_value(message));
        }
    }
    for (place, value) in kept_as_it_is {
        place.set(desired, value);
    }
    Ok(())
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
