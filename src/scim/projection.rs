//! Which attributes a response carries (RFC 7644 section 3.9, RFC 7643 section 7 `returned`).

use serde_json::{Map, Value};

use super::error::Error;
use super::path::AttributePath;
use super::schema::{Attribute, ResourceType, Returned};

/// The parameters `attributes` and `excludedAttributes`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    /// What is asked for; empty: what is returned by default.
    pub attributes: Vec<AttributePath>,
    /// What is not wanted, where `attributes` is empty.
    pub excluded: Vec<AttributePath>,
}

/// What becomes of one attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Dropped,
    /// Kept, but for the sub-attributes whose own fate is to be dropped.
    Kept,
}

impl Projection {
    /// From comma-separated lists; empty ones are as good as none. Errors: 400 `invalidPath`.
    pub fn new(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Error> {
        let paths = |list: Option<&str>| {
            list.unwrap_or_default()
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(name)
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Projection { attributes: paths(attributes)?, excluded: paths(excluded)? })
    }

    /// Whether nothing in particular is asked for.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.excluded.is_empty()
    }

    /// Whether any part of `attribute` (a path without a value filter: `members`, `urn:…:User:manager`, a bare
    /// extension attribute) will be returned, so that a caller need not fetch what nobody asked for. `false` for
    /// what the resource type does not have.
    pub fn wants(&self, rt: &ResourceType, attribute: &str) -> bool {
        let Ok(path) = AttributePath::parse(attribute) else {
            return false;
        };
        let Some(resolved) = rt.resolve(&path) else {
            return false;
        };
        let scope = Scope { projection: self, rt, extension: resolved.extension };
        scope.fate(resolved.attribute) == Fate::Kept
            && resolved.sub.is_none_or(|sub| scope.sub_fate(resolved.attribute, sub) == Fate::Kept)
    }

    /// Whether all that a resource has of `attribute`, which belongs to the extension if there is one, will be
    /// returned.
    pub fn keeps(&self, rt: &ResourceType, extension: Option<&str>, attribute: &str) -> bool {
        let found = match extension {
            Some(urn) => rt.extension(urn).and_then(|schema| schema.attribute(attribute)),
            None => rt.attribute(attribute),
        };
        let scope = Scope { projection: self, rt, extension };
        found.is_some_and(|found| scope.fate(found) == Fate::Kept && scope.keeps_every_sub(found))
    }

    /// The resource (with canonical names) without what is not to be returned.
    #[must_use]
    pub fn apply(&self, rt: &ResourceType, resource: Value) -> Value {
        let Value::Object(mut members) = resource else {
            return resource;
        };
        let core = Scope { projection: self, rt, extension: None };
        members.retain(|name, value| {
            if let Some(attribute) = rt.attribute(name) {
                return core.keep(attribute, value);
            }
            let Some(schema) = rt.extension(name) else {
                return self.attributes.is_empty();
            };
            let scope = Scope { extension: Some(&schema.id), ..core };
            let Value::Object(members) = value else {
                return false;
            };
            members.retain(|name, value| match schema.attribute(name) {
                Some(attribute) => scope.keep(attribute, value),
                None => self.attributes.is_empty(),
            });
            !members.is_empty()
        });
        Value::Object(members)
    }
}

/// A path, or a URN that is none because of what follows its last colon: `urn:example:custom:1.0`.
fn name(text: &str) -> Result<AttributePath, Error> {
    AttributePath::parse(text).or_else(|error| match text.rsplit_once(':') {
        Some((head, tail)) if !text.contains(|c: char| c.is_whitespace() || "[]()\"".contains(c)) => {
            Ok(AttributePath { schema: Some(head.to_owned()), ..AttributePath::of(tail) })
        }
        _ => Err(error),
    })
}

/// The attributes of one schema under a projection.
#[derive(Clone, Copy)]
struct Scope<'a> {
    projection: &'a Projection,
    rt: &'a ResourceType,
    extension: Option<&'a str>,
}

impl Scope<'_> {
    fn keep(&self, attribute: &Attribute, value: &mut Value) -> bool {
        if self.fate(attribute) == Fate::Dropped {
            return false;
        }
        if attribute.sub_attributes.is_empty() || self.keeps_every_sub(attribute) {
            return true;
        }
        let prune = |members: &mut Map<String, Value>| {
            members.retain(|name, _| {
                let sub = attribute.sub(name);
                sub.is_none_or(|sub| self.sub_fate(attribute, sub) == Fate::Kept)
            });
            !members.is_empty()
        };
        match value {
            Value::Object(members) => prune(members),
            Value::Array(elements) => {
                // A list of nothing but what nobody asked for is not there; one that is empty by itself is.
                let was_empty = elements.is_empty();
                elements.retain_mut(|element| element.as_object_mut().is_none_or(prune));
                was_empty || !elements.is_empty()
            }
            _ => true,
        }
    }

    fn keeps_every_sub(&self, attribute: &Attribute) -> bool {
        let subs = &attribute.sub_attributes;
        subs.iter().all(|sub| self.sub_fate(attribute, sub) == Fate::Kept)
    }

    fn fate(&self, attribute: &Attribute) -> Fate {
        let Projection { attributes, excluded } = self.projection;
        let kept = match attribute.returned {
            Returned::Always => true,
            Returned::Never => false,
            _ if !attributes.is_empty() => attributes.iter().any(|path| self.names(path, attribute)),
            Returned::Request => false,
            Returned::Default => {
                !excluded.iter().any(|path| path.sub_attribute.is_none() && self.names(path, attribute))
            }
        };
        if kept { Fate::Kept } else { Fate::Dropped }
    }

    fn sub_fate(&self, attribute: &Attribute, sub: &Attribute) -> Fate {
        let Projection { attributes, excluded } = self.projection;
        let names_sub = |path: &AttributePath| {
            let named = path.sub_attribute.as_deref();
            named.is_some_and(|name| sub.name.eq_ignore_ascii_case(name)) && self.names(path, attribute)
        };
        let names_whole = |path: &AttributePath| path.sub_attribute.is_none() && self.names(path, attribute);
        let kept = match sub.returned {
            Returned::Always => true,
            Returned::Never => false,
            Returned::Request => attributes.iter().any(names_sub),
            Returned::Default if attributes.is_empty() => !excluded.iter().any(names_sub),
            Returned::Default => {
                attributes.iter().any(|path| names_whole(path) || names_sub(path))
                    // An attribute that is always returned is so with all its parts.
                    || !attributes.iter().any(|path| self.names(path, attribute))
            }
        };
        if kept { Fate::Kept } else { Fate::Dropped }
    }

    /// Whether the path names the attribute, a part of it, or the whole schema that it belongs to.
    fn names(&self, path: &AttributePath, attribute: &Attribute) -> bool {
        let same = attribute.name.eq_ignore_ascii_case(&path.attribute);
        let schema = self.extension.unwrap_or(&self.rt.schema.id);
        match &path.schema {
            None => same && (self.extension.is_none() || self.rt.attribute(&path.attribute).is_none()),
            Some(urn) if urn.eq_ignore_ascii_case(schema) => same,
            Some(_) => path.is_schema(schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::core::{ENTERPRISE_USER as ENT, group_type, user_type};
    use serde_json::json;

    fn user() -> Value {
        json!({
            "schemas": ["x"], "id": "1", "userName": "u", "password": "p", "externalId": "e",
            "name": {"givenName": "G", "familyName": "F"},
            "emails": [{"value": "a@x", "type": "work"}, {"type": "home"}],
            "meta": {"resourceType": "User", "location": "l"},
            ENT: {"department": "d", "manager": {"value": "7", "displayName": "M"}},
        })
    }

    fn attributes(list: &str) -> Value {
        Projection::new(Some(list), None).unwrap().apply(&user_type(), user())
    }

    fn excluded(list: &str) -> Value {
        Projection::new(None, Some(list)).unwrap().apply(&user_type(), user())
    }

    #[allow(clippy::needless_pass_by_value)]
    fn only(more: Value) -> Value {
        let mut all = json!({"schemas": ["x"], "id": "1"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    }

    fn without(change: impl FnOnce(&mut Value)) -> Value {
        let mut user = user();
        user.as_object_mut().unwrap().remove("password");
        change(&mut user);
        user
    }

    #[test]
    fn rfc7644_3_9_attributes() {
        assert_eq!(attributes(""), without(|_| ()));
        for (list, expected) in [
            ("id", json!({})),
            ("USERNAME", json!({"userName": "u"})),
            ("userName, name.givenName", json!({"userName": "u", "name": {"givenName": "G"}})),
            ("name,name.givenName", json!({"name": {"givenName": "G", "familyName": "F"}})),
            ("emails.value", json!({"emails": [{"value": "a@x"}]})),
            ("emails.nope", json!({})),
            ("emails.display", json!({})),
            ("password", json!({})),
            ("shoeSize", json!({})),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName", json!({"userName": "u"})),
            ("department", json!({ENT: {"department": "d"}})),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager.displayName",
                json!({ENT: {"manager": {"displayName": "M"}}}),
            ),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                json!({ENT: {"department": "d", "manager": {"value": "7", "displayName": "M"}}}),
            ),
            ("meta.location", json!({"meta": {"location": "l"}})),
        ] {
            assert_eq!(attributes(list), only(expected), "{list}");
        }
        assert_eq!(Projection::new(Some("a b"), None).unwrap_err().status, 400);
    }

    #[test]
    fn rfc7644_3_9_excluded_attributes() {
        assert_eq!(excluded("id,schemas"), without(|_| ()));
        assert_eq!(
            excluded("Emails,name.givenName,department"),
            without(|u| {
                u.as_object_mut().unwrap().remove("emails");
                u["name"].as_object_mut().unwrap().remove("givenName");
                u[ENT].as_object_mut().unwrap().remove("department");
            })
        );
        assert_eq!(
            excluded(ENT),
            without(|u| {
                u.as_object_mut().unwrap().remove(ENT);
            })
        );
    }

    #[test]
    fn a_whole_extension_whatever_its_urn() {
        let mut rt = user_type();
        rt.extensions[0].0.id = "urn:example:custom:1.0".to_owned();
        let user = json!({"id": "1", "urn:example:custom:1.0": {"department": "d"}});
        let asked = Projection::new(Some("urn:example:Custom:1.0"), None).unwrap();
        assert_eq!(asked.apply(&rt, user.clone()), user);
        let asked = Projection::new(Some("urn:example:custom:1.0:department"), None).unwrap();
        assert_eq!(asked.apply(&rt, user.clone()), user);
        let excluded = Projection::new(None, Some("urn:example:custom:1.0")).unwrap();
        assert_eq!(excluded.apply(&rt, user), json!({"id": "1"}));
    }

    #[test]
    fn rfc7643_7_returned() {
        let mut rt = user_type();
        rt.schema.attribute_mut("nickName").unwrap().returned = Returned::Request;
        rt.schema.attribute_mut("title").unwrap().returned = Returned::Always;
        let user = json!({"nickName": "n", "title": "t", "locale": "l"});
        let apply = |a: &str| Projection::new(Some(a), None).unwrap().apply(&rt, user.clone());
        assert_eq!(apply(""), json!({"title": "t", "locale": "l"}));
        assert_eq!(apply("nickname"), json!({"nickName": "n", "title": "t"}));
        let not = Projection::new(None, Some("title,locale")).unwrap().apply(&rt, user.clone());
        assert_eq!(not, json!({"title": "t"}));
    }

    #[test]
    fn members_need_not_be_fetched() {
        let rt = group_type();
        let wants = |a: Option<&str>, e: Option<&str>| Projection::new(a, e).unwrap().wants(&rt, "members");
        assert!(wants(None, None) && wants(Some("members"), None) && wants(Some("members.value"), None));
        assert!(!wants(None, Some("MEMBERS")) && !wants(Some("id,displayName"), None));
        assert!(wants(None, Some("members.display")));
        assert!(!wants(None, Some("urn:ietf:params:scim:schemas:core:2.0:Group:members")));
        let users = user_type();
        assert!(Projection::new(Some("manager"), None).unwrap().wants(&users, "manager"));
        assert!(Projection::new(Some(ENT), None).unwrap().wants(&users, &format!("{ENT}:manager.value")));
        assert!(!Projection::default().wants(&users, "password") && !Projection::default().wants(&rt, "emails"));
    }
}
