//! What a PUT makes of the current resource.

use serde_json::{Map, Value};

use super::{Normalised, Omitted, extension_of};
use crate::scim::error::Error;
use crate::scim::filter::eval::is_present;
use crate::scim::schema::{Attribute, Mutability, ResourceType};

impl Normalised {
    /// The desired resource after a PUT: `current` with these attributes replaced, each as a whole (a
    /// single-valued complex one too), `null` ones removed and the others kept or cleared. What clients cannot
    /// write stays as it is in `current`. Errors: 400 `mutability` where an immutable attribute would change.
    pub fn replace_in(self, rt: &ResourceType, current: &Value, omitted: Omitted) -> Result<Value, Error> {
        let mut desired = current.as_object().cloned().unwrap_or_default();
        let mut incoming = self.resource;
        for attribute in &rt.schema.attributes {
            let new = incoming.remove(&attribute.name);
            replace(&mut desired, attribute, new, omitted)?;
        }
        if let Some(new) = incoming.remove("externalId") {
            set(&mut desired, "externalId", new);
        } else if omitted == Omitted::Clear && rt.schema.attribute("externalId").is_none() {
            desired.remove("externalId");
        }
        for (schema, _) in &rt.extensions {
            let mut members = match incoming.remove(&schema.id) {
                Some(Value::Object(members)) => members,
                _ => Map::new(),
            };
            let Some(container) = extension_of(&mut desired, &schema.id) else {
                continue;
            };
            for attribute in &schema.attributes {
                replace(container, attribute, members.remove(&attribute.name), omitted)?;
            }
            if container.is_empty() {
                desired.remove(&schema.id);
            }
        }
        Ok(Value::Object(desired))
    }
}

fn set(container: &mut Map<String, Value>, name: &str, value: Value) {
    if value.is_null() {
        container.remove(name);
    } else {
        container.insert(name.to_owned(), value);
    }
}

fn replace(
    container: &mut Map<String, Value>,
    attribute: &Attribute,
    new: Option<Value>,
    omitted: Omitted,
) -> Result<(), Error> {
    if attribute.mutability == Mutability::ReadOnly {
        return Ok(());
    }
    let old = container.get(&attribute.name).filter(|old| is_present(old));
    let Some(mut new) = new.filter(|new| !new.is_null() || !attribute.is_kept()) else {
        let clears = omitted == Omitted::Clear && attribute.mutability == Mutability::ReadWrite;
        if clears && !attribute.is_kept() {
            container.remove(&attribute.name);
        }
        return Ok(());
    };
    if let Some(old) = old {
        carry_read_only(attribute, old, &mut new);
        if attribute.mutability == Mutability::Immutable {
            if !attribute.is_same(old, &new) {
                let name = &attribute.name;
                return Err(Error::mutability(format!("`{name}` cannot be changed")));
            }
            new.clone_from(old);
        }
    }
    set(container, &attribute.name, new);
    Ok(())
}

/// Gives readOnly sub-attributes back to values that are still there: the client cannot have sent them.
fn carry_read_only(attribute: &Attribute, old: &Value, new: &mut Value) {
    let names = || {
        let subs = attribute.sub_attributes.iter();
        subs.filter(|sub| sub.mutability == Mutability::ReadOnly).map(|sub| &sub.name)
    };
    if names().next().is_none() {
        return;
    }
    let copy = |old: &Value, new: &mut Value| {
        if let (Some(old), Some(new)) = (old.as_object(), new.as_object_mut()) {
            for name in names() {
                if let Some(value) = old.get(name) {
                    new.insert(name.clone(), value.clone());
                }
            }
        }
    };
    match (old, new) {
        (Value::Array(old), Value::Array(new)) => {
            let by_value: std::collections::HashMap<&str, &Value> =
                old.iter().filter_map(|element| Some((element.get("value")?.as_str()?, element))).collect();
            for element in new {
                let value = element.get("value").and_then(Value::as_str);
                if let Some(old) = value.and_then(|value| by_value.get(value)) {
                    copy(old, element);
                }
            }
        }
        (old, new) if old.get("value") == new.get("value") => copy(old, new),
        _ => {}
    }
}
