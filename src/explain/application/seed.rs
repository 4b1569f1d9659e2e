//! What is in the application from the beginning: people of the examples of RFC 7643 section 8.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::links::id_of;
use super::write::set;
use super::{Application, kind_of};
use crate::mapping::template::Scope;
use crate::mapping::{Body, Resource};
use crate::scim::core::ENTERPRISE_USER;

impl Application {
    pub(super) fn seed(&mut self) {
        let mapping = Rc::clone(&self.mapping);
        let mut members = Vec::new();
        if let Some((kind, user)) = kind_of(&mapping, "User").filter(|(_, user)| user.fixed.is_none()) {
            for person in people() {
                let native = self.insert(kind, user, made_of(user, &person));
                if person.get("active") == Some(&true.into()) {
                    members.push((kind, id_of(user, &native)));
                }
            }
        }
        let Some((kind, group)) = kind_of(&mapping, "Group") else { return };
        if group.fixed.is_none() {
            let attributes = Map::from_iter([("displayName".to_owned(), "Tour Guides".into())]);
            self.insert(kind, group, made_of(group, &attributes));
        }
        let Some(first) = self.objects(kind).next().map(|native| id_of(group, native)) else { return };
        for (users, member) in members {
            let Some(field) = self.field().cloned() else {
                self.join(&first, &member, true);
                continue;
            };
            let user = mapping.resources.get(users);
            let objects = self.objects.get_mut(users).into_iter().flatten();
            for native in objects.filter(|native| user.is_some_and(|user| id_of(user, native) == member)) {
                if let Ok(Some(changed)) = field.changed(native, &first, true) {
                    field.at.set(native, changed);
                }
            }
        }
    }
}

/// The native object with these SCIM attributes.
fn made_of(resource: &Resource, attributes: &Map<String, Value>) -> Value {
    let created = resource.create_body(attributes, &Body::default(), &Scope::default());
    let mut native = created.unwrap_or_else(|_| json!({}));
    for row in resource.rows.iter().filter(|row| row.readable() && !row.in_create()) {
        if let Some(value) = row.place.get(attributes) {
            set(row, value, &mut native);
        }
    }
    native
}

fn people() -> Vec<Map<String, Value>> {
    let person = |given: &str, family: &str, login: &str, title: &str, number: &str, active: bool| {
        let address = format!("{login}@example.com");
        let person = json!({
            "externalId": number, "userName": address, "displayName": format!("{given} {family}"), "title": title,
            "name": { "givenName": given, "familyName": family }, "nickName": login, "locale": "en-US",
            "emails": [{ "value": address, "type": "work", "primary": true }],
            "phoneNumbers": [{ "value": "555-555-5555", "type": "work", "primary": true }],
            "active": active, "userType": "Employee", "timezone": "America/Los_Angeles",
            ENTERPRISE_USER: { "employeeNumber": number, "department": "Tour Operations" },
        });
        match person {
            Value::Object(person) => person,
            _ => Map::new(),
        }
    };
    vec![
        person("Barbara", "Jensen", "bjensen", "Tour Guide", "701984", true),
        person("Mandy", "Pepperidge", "mpepperidge", "Tour Guide", "701985", true),
        person("John", "Smith", "jsmith", "Vice President", "701986", false),
    ]
}
