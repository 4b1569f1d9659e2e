//! Values that a client adds where the application has one place for them.

use serde_json::Value;

use crate::mapping::Resource;
use crate::mapping::translate::Attributes;

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
        let Some(index) =
            place.element_index(items).filter(|index| items.get(*index).is_some_and(|item| !is_new(item)))
        else {
            continue;
        };
        let old = items.remove(index);
        let displaced = place.element_index(items).and_then(|index| items.get(index)).is_some_and(is_new);
        if !displaced {
            items.insert(index, old);
        }
    }
}

/// What an element says but for `primary`, which it loses to another one.
fn but_primary(element: &Value) -> impl Iterator<Item = (&String, &Value)> {
    element.as_object().into_iter().flatten().filter(|(name, _)| *name != "primary")
}
