//! PATCH of SCIM 1.1, a part of the resource, as the operations of SCIM 2.0.

use serde_json::{Map, Value, json};

use super::{members, query_text};
use crate::scim::dialect::{self, Applied, Key, Leniency};
use crate::scim::error::Error;
use crate::scim::patch;
use crate::scim::path::AttributePath;
use crate::scim::schema::{Attribute, Mutability, ResourceType};
use crate::scim::value::names_others;

/// The body of a PATCH, a part of the resource, as the operations that it stands for (SCIM Protocol 1.1 section 3.3.2):
/// `meta.attributes` are removed, single values replaced, values of lists added, or removed where they say
/// `"operation": "delete"`. A body of SCIM 2.0 is left as it is. Errors: 400 `invalidSyntax` for a body that is no
/// object, 400 `invalidValue` for a value of a list that does not say what becomes of it.
pub fn patch(rt: &ResourceType, body: Value) -> Result<Value, Error> {
    let Value::Object(body) = body else {
        return Err(Error::invalid_syntax("the body must be a JSON object"));
    };
    if rt.attribute(OPERATIONS).is_none() && member(&body, OPERATIONS).is_some() {
        return Ok(Value::Object(body));
    }
    let removed = removed(&body)?.into_iter();
    let mut operations: Vec<Value> = removed.map(|path| json!({ "op": "remove", "path": path })).collect();
    let mut parts = Parts::default();
    parts.sort(rt, members(rt, body))?;
    if !parts.single.is_empty() {
        operations.push(json!({ "op": "replace", "value": parts.single }));
    }
    operations.extend(parts.lists);
    Ok(json!({ "schemas": [patch::SCHEMA], "Operations": operations }))
}

/// What a part of a resource says.
#[derive(Default)]
struct Parts {
    /// What takes the place of what was there.
    single: Map<String, Value>,
    /// What becomes of the values of lists, as operations.
    lists: Vec<Value>,
}

impl Parts {
    fn sort(&mut self, rt: &ResourceType, members: Map<String, Value>) -> Result<(), Error> {
        for (name, value) in members {
            if ["id", "meta"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
                continue;
            }
            match (meant(rt, &name)?, value) {
                (Key::Core, Value::Object(members)) => self.sort(rt, super::members(rt, members))?,
                (Key::Extension(schema), Value::Object(members)) => {
                    let mut rest = Map::new();
                    for (key, value) in members {
                        let of = AttributePath { schema: Some(schema.id.clone()), ..AttributePath::of(&key) };
                        if let Some(value) = self.take_list(rt, &of, value)? {
                            rest.insert(key, value);
                        }
                    }
                    if !rest.is_empty() {
                        self.single.insert(name, Value::Object(rest));
                    }
                }
                (Key::Path(path), value) => {
                    if let Some(value) = self.take_list(rt, &path, value)? {
                        self.single.insert(name, value);
                    }
                }
                (Key::Core | Key::Extension(_) | Key::Unknown, value) => {
                    self.single.insert(name, value);
                }
            }
        }
        Ok(())
    }

    /// Turns the values of a list into operations; gives back what is no list, or says that there is no value.
    fn take_list(&mut self, rt: &ResourceType, path: &AttributePath, value: Value) -> Result<Option<Value>, Error> {
        let whole = |path: &&AttributePath| path.filter.is_none() && path.sub_attribute.is_none();
        let attribute = Some(path).filter(whole).and_then(|path| rt.resolve(path)).map(|found| found.attribute);
        let listed = |attribute: &&Attribute| attribute.multi_valued && attribute.mutability != Mutability::ReadOnly;
        let Some(attribute) = attribute.filter(listed) else {
            return Ok(Some(value));
        };
        let elements = match value {
            Value::Array(elements) => elements,
            Value::Null => return Ok(Some(value)),
            Value::String(text) if text.is_empty() => return Ok(Some(Value::String(text))),
            single => vec![single],
        };
        let path = rt.canonical(path).unwrap_or_else(|| path.clone());
        self.lists.extend(list(&path.to_string(), attribute, elements)?);
        Ok(None)
    }
}

/// What a key means, however it is spelled: a list that is not recognised as one would be replaced as a whole.
fn meant<'a>(rt: &'a ResourceType, name: &str) -> Result<Key<'a>, Error> {
    match rt.attribute(name) {
        Some(attribute) => Ok(Key::Path(AttributePath::of(&attribute.name))),
        None => dialect::key(rt, name, Leniency::Lenient, &mut Applied::default()),
    }
}

const OPERATIONS: &str = "Operations";

/// The member called `name`, in any letter case.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The paths that `meta.attributes` lists.
fn removed(body: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let listed = member(body, "meta").and_then(Value::as_object).and_then(|meta| member(meta, "attributes"));
    let listed = match listed {
        None | Some(Value::Null) => &[],
        Some(Value::Array(listed)) => listed.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    let wrong = || Error::invalid_syntax("`meta.attributes` must list names of attributes");
    listed.iter().map(|name| name.as_str().map(query_text).ok_or_else(wrong)).collect()
}

/// The operations that the elements of a multi-valued attribute stand for. One of a `type` takes the place of the one
/// that has this type, unless it refers to a resource: all members of a group are of one type.
fn list(path: &str, attribute: &Attribute, elements: Vec<Value>) -> Result<Vec<Value>, Error> {
    let (mut operations, mut added) = (Vec::new(), Vec::new());
    for mut element in elements {
        let deleted = takes_deletion(&mut element)?;
        let by = |sub: &str| Some(format!("{path}[{sub} eq {}]", key(&element, sub)?));
        let by_type = || by("type").filter(|_| !names_others(attribute));
        match if deleted { by("value").or_else(by_type) } else { by_type() } {
            Some(path) if deleted => operations.push(json!({ "op": "remove", "path": path })),
            Some(path) => operations.push(json!({ "op": "replace", "path": path, "value": element })),
            // Without a word of which one it is, it would be all of them.
            None if deleted => {
                let problem = format!("an element of `{path}` that is to be deleted lacks its `value`");
                return Err(Error::invalid_value(problem));
            }
            None => added.push(element),
        }
    }
    if !added.is_empty() {
        operations.push(json!({ "op": "add", "path": path, "value": added }));
    }
    Ok(operations)
}

/// Takes `"operation": "delete"` out of an element.
fn takes_deletion(element: &mut Value) -> Result<bool, Error> {
    let Some(element) = element.as_object_mut() else {
        return Ok(false);
    };
    let key = element.keys().find(|key| key.eq_ignore_ascii_case("operation")).cloned();
    match key.and_then(|key| element.remove(&key)) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("delete") => Ok(true),
        Some(other) => Err(Error::invalid_value(format!("unknown `operation` {other}: only `delete` exists"))),
    }
}

/// The text of a sub-attribute that tells an element from others; a number is one too.
fn key(element: &Value, sub: &str) -> Option<Value> {
    match member(element.as_object()?, sub)? {
        Value::String(text) if !text.is_empty() => Some(text.as_str().into()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CORE, ENTERPRISE, ENTERPRISE_USER};
    use super::*;
    use crate::scim::core::{group_type, user_type};

    #[test]
    fn a_part_of_a_resource_becomes_operations() {
        let body = json!({
            "schemas": [CORE], "id": "1", "META": {"Attributes": ["nickName", "urn:scim:schemas:core:1.0:title"]},
            "active": false, "groups": [],
            ENTERPRISE: {"manager": {"managerId": "7"}}, format!("{ENTERPRISE}.department"): "Tours",
            "emails": [{"type": "work", "value": "a@example.com"}, {"value": "b@example.com", "operation": "delete"}],
        });
        assert_eq!(
            patch(&user_type(), body).unwrap(),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
                {"op": "remove", "path": "nickName"},
                {"op": "remove", "path": "title"},
                {"op": "replace", "value": {"active": false, "groups": [], ENTERPRISE_USER: {"manager": {"value": "7"}},
                    format!("{ENTERPRISE_USER}:department"): "Tours"}},
                {"op": "replace", "path": "emails[type eq \"work\"]", "value": {"type": "work", "value": "a@example.com"}},
                {"op": "remove", "path": "emails[value eq \"b@example.com\"]"},
            ]})
        );
        let of_2 = json!({"schemas": [patch::SCHEMA], "operations": [{"op": "remove", "path": "title"}]});
        assert_eq!(patch(&user_type(), of_2.clone()).unwrap(), of_2);
        assert!(patch(&group_type(), json!([])).is_err());
        assert!(patch(&user_type(), json!({"meta": {"attributes": [7]}})).is_err());
        let text = json!({"meta": {"attributes": "title"}});
        assert_eq!(patch(&user_type(), text).unwrap()["Operations"], json!([{"op": "remove", "path": "title"}]));
    }

    #[test]
    fn values_of_a_list_say_what_becomes_of_them() {
        let remove = json!([{"op": "remove", "path": "members[value eq \"7\"]"}]);
        let add = |element: Value| json!([{"op": "add", "path": "members", "value": [element]}]);
        for (members, expected) in [
            (json!([{"value": "7", "type": "User", "operation": "delete"}]), Some(remove.clone())),
            (json!([{"value": 7, "Operation": "DELETE"}]), Some(remove.clone())),
            (json!({"value": "7", "operation": "delete"}), Some(remove.clone())),
            (json!([{"value": "7", "type": "User"}]), Some(add(json!({"value": "7", "type": "User"})))),
            (json!({"value": "7", "operation": null}), Some(add(json!({"value": "7"})))),
            (json!("7"), Some(add(json!("7")))),
            (json!([]), Some(json!([]))),
            (json!([{"value": "7", "operation": "remove"}]), None),
            (json!([{"value": "7", "operation": true}]), None),
            (json!([{"operation": "delete"}]), None),
            (json!([{"value": null, "type": "User", "operation": "delete"}]), None),
            (json!([{"value": 7.5, "operation": "delete"}]), None),
            (json!([{"$ref": "x", "display": "x", "operation": "delete"}]), None),
        ] {
            let operations = patch(&group_type(), json!({"members": members}));
            let operations = operations.map(|body| body["Operations"].clone());
            assert_eq!(operations.as_ref().ok(), expected.as_ref(), "{members}");
        }
        let deletion = json!([{"value": "7", "operation": "delete"}]);
        for body in [
            json!({CORE: {"members": deletion}}),
            json!({format!("{CORE}:Members"): deletion}),
            json!({"urn:ietf:params:scim:schemas:core:2.0:Group": {"members": deletion}}),
            json!({"urn:ietf:params:scim:schemas:core:2.0:Group:members": deletion}),
        ] {
            assert_eq!(patch(&group_type(), body.clone()).unwrap()["Operations"], remove, "{body}");
        }
        let by_type = patch(&user_type(), json!({"emails": [{"type": "work", "operation": "delete"}]})).unwrap();
        assert_eq!(by_type["Operations"], json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]));
        assert!(patch(&user_type(), json!({"emails": [{"operation": "delete"}]})).is_err());
    }
}
