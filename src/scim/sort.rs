//! Sorting (RFC 7644 section 3.4.2.3).

use std::cmp::Ordering;

use serde_json::Value;

use super::filter::eval::{element_matches, is_present};
use super::filter::text;
use super::instant::Instant;
use super::path::AttributePath;
use super::schema::{Attribute, Kind, Resolved, ResourceType};
use super::value::is_primary;

/// Sorts resources (with canonical names), stably. A multi-valued attribute counts with its primary or else its
/// first value. Resources without a value come last, or first when descending. An attribute that the resource type
/// lacks changes nothing.
pub fn sort(rt: &ResourceType, resources: &mut [Value], by: &AttributePath, descending: bool) {
    let Some(resolved) = rt.resolve(by) else {
        return;
    };
    let mut keyed: Vec<(Option<Key>, Value)> =
        resources.iter_mut().map(|resource| (key(&resolved, by, resource), resource.take())).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let order = match (a, b) {
            (Some(a), Some(b)) => a.compare(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if descending { order.reverse() } else { order }
    });
    for (slot, (_, resource)) in resources.iter_mut().zip(keyed) {
        *slot = resource;
    }
}

/// What a resource is sorted by; made once a resource.
enum Key {
    Number(f64),
    Instant(Instant),
    Text(String),
}

impl Key {
    fn compare(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
            (Key::Instant(a), Key::Instant(b)) => a.cmp(b),
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Number(_) => 0,
            Key::Instant(_) => 1,
            Key::Text(_) => 2,
        }
    }
}

fn key(resolved: &Resolved<'_>, by: &AttributePath, resource: &Value) -> Option<Key> {
    let value = resolved.value(resource)?;
    let element = match value {
        Value::Array(elements) => {
            let chosen = |element: &&Value| {
                let filter = by.filter.as_ref();
                filter.is_none_or(|f| element_matches(f, resolved.attribute, element))
            };
            let mut candidates = elements.iter().filter(chosen);
            let first = candidates.clone().next();
            candidates.find(|e| is_primary(e)).or(first)?
        }
        single => single,
    };
    let leaf: &Attribute = match (resolved.sub, resolved.attribute.default_sub()) {
        (Some(sub), _) | (None, Some(sub)) => sub,
        (None, None) => resolved.attribute,
    };
    let value = match element {
        Value::Object(members) => members.get(&leaf.name)?,
        scalar => scalar,
    };
    if !is_present(value) {
        return None;
    }
    Some(match value {
        Value::Number(number) => Key::Number(number.as_f64()?),
        Value::Bool(value) => Key::Number(f64::from(u8::from(*value))),
        Value::String(text) => match Instant::parse(text).filter(|_| leaf.kind == Kind::DateTime) {
            Some(instant) => Key::Instant(instant),
            None if leaf.case_exact => Key::Text(text.clone()),
            None => Key::Text(text::fold(text)),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::core::{ENTERPRISE_USER as ENT, user_type};
    use serde_json::json;

    fn sorted(by: &str, descending: bool) -> String {
        let mut users = vec![
            json!({"id": "1", "userName": "bob", "meta": {"created": "2020-01-01T12:00:00+02:00"},
                "emails": [{"value": "z@x"}, {"value": "a@x", "primary": true}], ENT: {"department": "b"}}),
            json!({"id": "2", "userName": "Alice", "meta": {"created": "2020-01-01T11:00:00Z"}, "emails": [{"value": "b@x"}]}),
            json!({"id": "3", "userName": "Carol", "name": {"familyName": ""}, "active": true}),
            json!({"id": "4", "userName": "alice", "name": {"familyName": "Z"}, "active": false, ENT: {"department": "A"}}),
        ];
        sort(&user_type(), &mut users, &AttributePath::parse(by).unwrap(), descending);
        users.iter().map(|u| u["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn rfc7644_3_4_2_3_sorting() {
        for (by, ascending, descending) in [
            ("userName", "2413", "3124"),
            ("USERNAME", "2413", "3124"),
            ("id", "1234", "4321"),
            ("emails", "1234", "3421"),
            ("emails.value", "1234", "3421"),
            ("meta.created", "1234", "3421"),
            ("name.familyName", "4123", "1234"),
            ("active", "4312", "1234"),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "4123", "2314"),
            ("department", "4123", "2314"),
            ("shoeSize", "1234", "1234"),
        ] {
            assert_eq!(sorted(by, false), ascending, "{by}");
            if by != "name.familyName" && by != "active" {
                assert_eq!(sorted(by, true), descending, "{by}");
            }
        }
    }
}
