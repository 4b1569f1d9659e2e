//! Resources that are written and then forgotten: views of native objects, from which they borrow what they can.

use std::borrow::Cow;

use serde_json::Value;

use super::Resource;
use super::links::Links;
use super::place::{Element, Place};
use crate::scim::Projection;
use crate::scim::etag::{Hash, Hashed};

/// A SCIM value that is a view of native ones.
#[derive(Clone, Debug, PartialEq)]
pub enum View<'v> {
    /// A value.
    Value(Cow<'v, Value>),
    /// A text.
    Text(Cow<'v, str>),
    /// Members in the order of their names.
    Object(Members<'v>),
    /// Elements.
    List(Vec<View<'v>>),
}

/// The members of an object, in the order of their names.
pub type Members<'v> = Vec<(Cow<'v, str>, View<'v>)>;

impl Resource {
    /// What [`Resource::decode`] gives, to be looked at only.
    pub fn view<'v>(&'v self, native: &'v Value) -> View<'v> {
        let mut view = View::Object(Vec::with_capacity(self.rows.len()));
        for row in self.rows.iter().filter(|row| row.readable()) {
            if let Some(value) = row.decode(native) {
                row.place.view(&mut view, value);
            }
        }
        view
    }

    /// Whether a projection keeps all that the application says of a resource, and of what it is linked with, if that
    /// is shown: then a view of it can be written as it is.
    pub fn keeps_all(&self, projection: &Projection, links: Option<&Links>) -> bool {
        if projection.is_empty() { self.shows_all } else { self.keeps_every_row(projection, links) }
    }

    pub(super) fn keeps_every_row(&self, projection: &Projection, links: Option<&Links>) -> bool {
        let keeps = |extension, attribute| projection.keeps(&self.kind, extension, attribute);
        let rows = self.rows.iter().filter(|row| row.readable()).map(|row| &row.place);
        let own = links.map(|links| links.attribute).into_iter().chain(["schemas", "meta"]);
        rows.map(|place| (place.extension.as_deref(), place.attribute.as_str()))
            .chain(own.map(|attribute| (None, attribute)))
            .all(|(extension, attribute)| keeps(extension, attribute))
    }
}

impl Place {
    /// Puts a value here, as [`Place::set`] does.
    fn view<'v>(&'v self, resource: &mut View<'v>, new: Cow<'v, Value>) {
        let container = match &self.extension {
            Some(urn) => resource.member(urn),
            None => Some(resource),
        };
        let attribute = container.and_then(|container| container.member(&self.attribute));
        let element = match &self.element {
            Some(element) => attribute.and_then(|attribute| attribute.element(element)),
            None => attribute,
        };
        let place = match &self.sub {
            Some(sub) => element.and_then(|element| element.member(sub)),
            None => element,
        };
        if let Some(place) = place {
            *place = View::Value(new);
        }
    }
}

impl<'v> View<'v> {
    /// The place of the member called `name`, which is made where there is none.
    pub fn member(&mut self, name: &'v str) -> Option<&mut View<'v>> {
        self.open();
        if !matches!(self, View::Object(_)) {
            *self = View::Object(Vec::new());
        }
        let View::Object(members) = self else { return None };
        let at = members.binary_search_by(|(known, _)| known.as_ref().cmp(name)).unwrap_or_else(|at| {
            members.insert(at, (Cow::Borrowed(name), View::Value(Cow::Owned(Value::Null))));
            at
        });
        members.get_mut(at).map(|(_, member)| member)
    }

    /// The place of an element, which is made where there is none.
    fn element(&mut self, element: &'v Element) -> Option<&mut View<'v>> {
        self.open();
        if !matches!(self, View::List(_)) {
            *self = View::List(Vec::new());
        }
        let View::List(items) = self else { return None };
        let at = items.iter().position(|item| element.is(|name| item.value(name))).unwrap_or_else(|| {
            let mut made = View::Object(Vec::with_capacity(element.keys.len() + 2));
            let keys = element.keys.iter().map(|(name, key)| (name.as_str(), Cow::Borrowed(key)));
            let primary = element.primary.then_some(("primary", Cow::Owned(Value::Bool(true))));
            for (name, key) in keys.chain(primary) {
                made.put(name, View::Value(key));
            }
            items.push(made);
            items.len() - 1
        });
        items.get_mut(at)
    }

    /// The members, if it is an object, in the order of their names.
    pub fn members(&self) -> impl Iterator<Item = (&str, &View<'v>)> + Clone {
        let members = match self {
            View::Object(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|(name, member)| (name.as_ref(), member))
    }

    /// Puts a member in.
    pub fn put(&mut self, name: &'v str, member: View<'v>) {
        if let Some(place) = self.member(name) {
            *place = member;
        }
    }

    /// Whether there is a member called `name`.
    pub fn has(&self, name: &str) -> bool {
        match self {
            View::Object(members) => members.iter().any(|(known, _)| known == name),
            View::Value(value) => value.get(name).is_some(),
            View::List(_) | View::Text(_) => false,
        }
    }

    /// The plain value of a member.
    pub fn value(&self, name: &str) -> Option<&Value> {
        match self {
            View::Object(members) => match members.iter().find(|(known, _)| known == name)? {
                (_, View::Value(value)) => Some(value),
                _ => None,
            },
            View::Value(value) => value.get(name),
            View::List(_) | View::Text(_) => None,
        }
    }

    /// Makes an object or a list that is one value a value of its parts.
    fn open(&mut self) {
        let View::Value(value) = self else { return };
        match value {
            Cow::Borrowed(Value::Object(members)) => {
                let members = members.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value)));
                *self = View::Object(members.map(|(name, value)| (name, View::Value(value))).collect());
            }
            Cow::Borrowed(Value::Array(items)) => {
                *self = View::List(items.iter().map(|item| View::Value(Cow::Borrowed(item))).collect());
            }
            Cow::Owned(value) => match value.take() {
                Value::Object(members) => {
                    let members = members.into_iter().map(|(name, value)| (Cow::Owned(name), Cow::Owned(value)));
                    *self = View::Object(members.map(|(name, value)| (name, View::Value(value))).collect());
                }
                Value::Array(items) => {
                    *self = View::List(items.into_iter().map(|item| View::Value(Cow::Owned(item))).collect());
                }
                other => *value = other,
            },
            Cow::Borrowed(_) => {}
        }
    }
}

impl Hashed for View<'_> {
    fn add_to(&self, hash: &mut Hash) {
        match self {
            View::Value(value) => value.add_to(hash),
            View::Text(text) => hash.text(text),
            View::Object(_) => hash.object(self.members()),
            View::List(items) => hash.array(items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::check;
    use serde_json::json;

    fn plain(view: View<'_>) -> Value {
        match view {
            View::Value(value) => value.into_owned(),
            View::Text(text) => text.into(),
            View::Object(members) => {
                assert!(members.is_sorted_by(|(a, _), (b, _)| a < b), "{members:?}");
                members.into_iter().map(|(name, member)| (name.into_owned(), plain(member))).collect()
            }
            View::List(items) => items.into_iter().map(plain).collect(),
        }
    }

    #[test]
    fn a_view_is_what_is_decoded() {
        let mapping = check(
            "{mapping: v1, upstream: {base: /api}, resources: {User: {path: /u, attributes: {
                id: {native: id, access: read, codec: integer}, userName: {native: login}, title: {native: title},
                name.givenName: {native: name, part: first}, name.familyName: {native: name, part: rest},
                'emails[type eq \"work\"].value': {native: mail, primary: true},
                'emails[type eq \"work\"].display': {native: mail_name},
                'emails[type eq \"home\"].value': {native: mails.home},
                phoneNumbers: {native: phones}, roles: {native: roles, codec: csv},
                active: {native: status, enum: {true: 1, false: 2}, otherwise: false},
                preferredLanguage: {native: language, missing: en}, locale: {constant: de},
                'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department': {native: dept.name},
                'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value': {native: boss},
                meta.created: {native: created, codec: epoch_seconds, access: read}}}}}",
            "mapping.yaml",
        )
        .unwrap();
        let user = mapping.resource("User").unwrap();
        for native in [
            json!({}),
            json!({ "id": 7, "login": "bjensen", "title": "", "name": "Barbara J. Jensen", "status": 1, "created": 1 }),
            json!({ "id": 7, "mail": "a@x", "mail_name": "A", "mails": { "home": "b@x" }, "status": "2" }),
            json!({ "id": 7, "mails": { "home": "b@x" }, "mail_name": "A", "name": "Madonna", "language": "fr" }),
            json!({ "id": 7, "phones": ["1", { "value": "2", "type": "work" }], "roles": "a, b", "dept": { "name": "d" } }),
            json!({ "id": 7, "phones": [], "roles": "", "boss": "9", "dept": "d", "created": "no number" }),
        ] {
            assert_eq!(plain(user.view(&native)), Value::Object(user.decode(&native)), "{native}");
        }
    }

    #[test]
    fn parts_of_a_whole_value_are_put_into_it() {
        let place = |attribute: &str, element: Option<&str>, sub: Option<&str>| Place {
            extension: None,
            attribute: attribute.to_owned(),
            element: element.map(|kind| Element {
                keys: vec![("type".to_owned(), kind.into())],
                primary: false,
                others: Vec::new(),
            }),
            sub: sub.map(str::to_owned),
        };
        let whole = json!([{ "type": "work", "value": "a" }, { "type": "other" }]);
        let rows = [
            (place("emails", None, None), Cow::Borrowed(&whole)),
            (place("emails", Some("WORK"), Some("value")), Cow::Owned(json!("b"))),
            (place("emails", Some("home"), Some("value")), Cow::Owned(json!("c"))),
            (place("name", None, None), Cow::Owned(json!({ "givenName": "B" }))),
            (place("name", None, Some("familyName")), Cow::Owned(json!("J"))),
        ];
        let (mut view, mut tree) = (View::Object(Vec::new()), serde_json::Map::new());
        for (place, value) in &rows {
            place.view(&mut view, value.clone());
            place.set(&mut tree, value.clone().into_owned());
        }
        assert_eq!(plain(view), Value::Object(tree));
    }
}
