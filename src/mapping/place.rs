//! Places in SCIM resources: what the left side of an attribute row selects.

use serde_json::{Map, Value};

use crate::scim::json;

/// Where a row's value is in a SCIM resource with canonical names.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The schema extension's URN.
    pub extension: Option<String>,
    /// The attribute.
    pub attribute: String,
    /// The element of a multi-valued attribute.
    pub element: Option<Element>,
    /// The sub-attribute.
    pub sub: Option<String>,
}

/// One element of a multi-valued attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The sub-attributes that the element is known by: `type` is `work`.
    pub keys: Vec<(String, Value)>,
    /// Whether it is the primary one.
    pub primary: bool,
    /// What the elements of the attribute's other rows are known by.
    pub others: Vec<Vec<(String, Value)>>,
}

impl Element {
    /// Whether what has these members is this element.
    pub(super) fn is<'v>(&self, member: impl Fn(&str) -> Option<&'v Value>) -> bool {
        are_of(&self.keys, member)
    }

    /// Whether `value`, which does not say what it is known by, can stand for this element.
    fn can_be(&self, value: &Value) -> bool {
        (self.primary || self.others.is_empty())
            && self.keys.iter().all(|(name, _)| value.get(name).is_none_or(Value::is_null))
    }

    /// The index of this element: by its keys; or, for the primary row and for the only one, an element that does not say
    /// what it is. Of several, the primary row has the one that calls itself primary.
    fn own_position(&self, items: &[Value]) -> Option<usize> {
        let first = |is_it: &dyn Fn(&Value) -> bool| {
            let primary = items.iter().position(|item| self.primary && is_primary(item) && is_it(item));
            primary.or_else(|| items.iter().position(is_it))
        };
        first(&|item| self.is(|name| item.get(name))).or_else(|| first(&|item| self.can_be(item)))
    }

    /// The same; where there is none, the primary row takes what calls itself primary, whatever its type is, unless it is
    /// another row's: clients that know one address give it a type of their own.
    fn position(&self, items: &[Value]) -> Option<usize> {
        let is_others = |item: &Value| self.others.iter().any(|keys| are_of(keys, |name| item.get(name)));
        let takes = |item: &Value| self.primary && is_primary(item) && !is_others(item);
        self.own_position(items).or_else(|| items.iter().position(takes))
    }
}

/// Whether what has these members is known by these keys.
fn are_of<'v>(keys: &[(String, Value)], member: impl Fn(&str) -> Option<&'v Value>) -> bool {
    keys.iter().all(|(name, key)| match (member(name), key) {
        (Some(Value::String(a)), Value::String(b)) => a.eq_ignore_ascii_case(b),
        (found, key) => found == Some(key),
    })
}

fn is_primary(item: &Value) -> bool {
    item.get("primary") == Some(&Value::Bool(true))
}

impl Place {
    /// The attribute's own value.
    pub fn attribute<'v>(&self, resource: &'v Map<String, Value>) -> Option<&'v Value> {
        match &self.extension {
            Some(urn) => resource.get(urn)?.get(&self.attribute),
            None => resource.get(&self.attribute),
        }
    }

    /// The value here; `null` counts as none.
    pub fn get<'v>(&self, resource: &'v Map<String, Value>) -> Option<&'v Value> {
        let mut value = self.attribute(resource)?;
        if let Some(element) = &self.element {
            let items = value.as_array()?;
            value = items.get(element.position(items)?)?;
        }
        if let Some(sub) = &self.sub {
            value = value.get(sub)?;
        }
        (!value.is_null()).then_some(value)
    }

    /// Whether this is a place in the same attribute.
    pub fn is_beside(&self, other: &Place) -> bool {
        self.attribute == other.attribute && self.extension == other.extension
    }

    /// The index of this row's element among the values of its attribute.
    pub fn element_index(&self, items: &[Value]) -> Option<usize> {
        self.element.as_ref()?.position(items)
    }

    /// The same, without what has another type and is taken for it.
    pub fn own_index(&self, items: &[Value]) -> Option<usize> {
        self.element.as_ref()?.own_position(items)
    }

    /// Puts a value here.
    pub fn set(&self, resource: &mut Map<String, Value>, new: Value) {
        let container = match &self.extension {
            Some(urn) => entry(resource, urn).and_then(object),
            None => Some(resource),
        };
        let Some(container) = container else { return };
        if self.element.is_none() && self.sub.is_none() {
            container.insert(self.attribute.clone(), new);
            return;
        }
        let Some(mut value) = entry(container, &self.attribute) else { return };
        if let Some(element) = &self.element {
            if !value.is_array() {
                *value = Value::Array(Vec::new());
            }
            let Value::Array(items) = value else { return };
            let index = items.iter().position(|item| element.is(|name| item.get(name))).unwrap_or_else(|| {
                let mut made = json::object(element.keys.iter().cloned());
                if element.primary {
                    made.insert("primary".to_owned(), Value::Bool(true));
                }
                items.push(Value::Object(made));
                items.len() - 1
            });
            let Some(item) = items.get_mut(index) else {
                return;
            };
            value = item;
        }
        match &self.sub {
            Some(sub) => {
                if let Some(map) = object(value) {
                    map.insert(sub.clone(), new);
                }
            }
            None => *value = new,
        }
    }

    /// Takes the value here away, and what would be empty without it.
    pub fn clear(&self, resource: &mut Map<String, Value>) {
        let container = match &self.extension {
            Some(urn) => resource.get_mut(urn).and_then(Value::as_object_mut),
            None => Some(&mut *resource),
        };
        let Some(container) = container else { return };
        let is_empty = match (container.get_mut(&self.attribute), &self.element) {
            (Some(Value::Array(items)), Some(element)) => {
                if let Some(index) = element.position(items)
                    && items.get_mut(index).is_none_or(|item| self.clear_part(item))
                {
                    items.remove(index);
                }
                items.is_empty()
            }
            (Some(value), None) => self.clear_part(value),
            _ => false,
        };
        if is_empty {
            container.remove(&self.attribute);
        }
        if let Some(urn) = &self.extension
            && container.is_empty()
        {
            resource.remove(urn);
        }
    }

    /// Takes the sub-attribute away, and tells whether nothing is left but what an element is known by.
    fn clear_part(&self, value: &mut Value) -> bool {
        let (Some(sub), Value::Object(members)) = (&self.sub, value) else { return true };
        members.remove(sub);
        let names_it = |name: &String| {
            self.element.as_ref().is_some_and(|it| name == "primary" || it.keys.iter().any(|(key, _)| key == name))
        };
        members.keys().all(names_it)
    }
}

/// The value at `key`, which is made only where there is none: most are there, and a key costs an allocation.
fn entry<'m>(map: &'m mut Map<String, Value>, key: &str) -> Option<&'m mut Value> {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), Value::Null);
    }
    map.get_mut(key)
}

fn object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}
