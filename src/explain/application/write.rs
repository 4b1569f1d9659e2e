//! Objects created and changed as an application would.

use serde_json::{Value, json};

use super::Application;
use super::links::id_of;
use crate::exchange::{Request, Response};
use crate::explain::shapes::{self, item, place, status};
use crate::mapping::codec::text_of;
use crate::mapping::pointer::{self, Pointer};
use crate::mapping::template::{Said, Slot};
use crate::mapping::{Action, Create, NewId, ReplyValue, Resource, Row};
use crate::scim::instant::Instant;
use crate::scim::schema::Uniqueness;
use crate::scim::{AttributePath, Kind, ScimType};

impl Application {
    pub(super) fn create(
        &mut self,
        kind: usize,
        resource: &Resource,
        create: &Create,
        sent: Value,
        said: &Said,
        call: &Request,
    ) -> Response {
        let mut native = if sent.is_object() { sent } else { json!({}) };
        for (slot, value) in said.path.iter().chain(&said.rest) {
            if let Some(at) = home(resource, slot).filter(|at| at.get(&native).is_none()) {
                at.set(&mut native, value.clone());
            }
        }
        if let Err(refusal) = self.unique(kind, resource, &native, None) {
            return refusal;
        }
        let native = self.insert(kind, resource, native);
        let id = id_of(resource, &native);
        let mut reply = match &create.id {
            None => item(&create.operation.item, self.shown(kind, &native)),
            Some(_) => status(201),
        };
        reply.status = 201;
        match &create.id {
            Some(NewId::Header(_)) => {
                let path = call.target.split('?').next().unwrap_or_default();
                reply.headers.push(("location".to_owned(), format!("{path}/{}", text_of(&id))));
            }
            Some(NewId::Body(at)) => {
                reply = shapes::json(201, &Value::Null);
                place(&ReplyValue::Body(at.clone()), id, &mut reply);
            }
            Some(NewId::Lookup(_)) | None => {}
        }
        reply
    }

    /// Keeps a new object, with what the application itself adds to it.
    pub(super) fn insert(&mut self, kind: usize, resource: &Resource, mut native: Value) -> Value {
        if let Some(at) = resource.id_row().and_then(|row| row.native.as_ref())
            && at.get(&native).is_none_or(Value::is_null)
        {
            self.last += 1;
            let number = self.last.to_string();
            let id = resource.native_id(&number).unwrap_or_else(|| number.into());
            at.set(&mut native, id);
        }
        for row in &resource.rows {
            let is_missing = row.native.as_ref().is_some_and(|at| at.get(&native).is_none());
            // An account can be used unless somebody says otherwise.
            if is_missing && row.readable() && row.kind == Kind::Boolean && row.place.attribute == "active" {
                set(row, &true.into(), &mut native);
            }
        }
        self.stamp(resource, &mut native, &["created", "lastModified"]);
        forget_secrets(resource, &mut native);
        self.take_members(kind, &mut native);
        if let Some(objects) = self.objects.get_mut(kind) {
            objects.push(native.clone());
        }
        native
    }

    /// Changes an object by the body of an update; `whole` bodies are all that there is from then on.
    pub(super) fn change(
        &mut self,
        kind: usize,
        at: usize,
        resource: &Resource,
        sent: Value,
        (said, whole): (&Said, bool),
    ) -> Result<Value, Response> {
        let Some(mut native) = self.objects.get(kind).and_then(|objects| objects.get(at)).cloned() else {
            return Err(super::missing());
        };
        merge(&mut native, sent, whole);
        assign(resource, said, &mut native);
        self.unique(kind, resource, &native, Some(at))?;
        self.stamp(resource, &mut native, &["lastModified"]);
        forget_secrets(resource, &mut native);
        self.take_members(kind, &mut native);
        self.put(kind, at, native.clone());
        Ok(self.shown(kind, &native))
    }

    /// Carries out an action: what it brings about, and what it was told.
    pub(super) fn act(&mut self, kind: usize, at: usize, resource: &Resource, action: &Action, said: &Said) {
        let Some(mut native) = self.objects.get(kind).and_then(|objects| objects.get(at)).cloned() else { return };
        for (index, value) in &action.when {
            if let Some(row) = resource.rows.get(*index) {
                set(row, value, &mut native);
            }
        }
        assign(resource, said, &mut native);
        self.stamp(resource, &mut native, &["lastModified"]);
        forget_secrets(resource, &mut native);
        self.put(kind, at, native);
    }

    pub(super) fn remove(&mut self, kind: usize, at: usize) {
        let Some(resource) = self.mapping.resources.get(kind) else { return };
        let Some(objects) = self.objects.get_mut(kind).filter(|objects| at < objects.len()) else { return };
        let id = id_of(resource, &objects.remove(at));
        self.memberships.retain(|it| it.group != id && it.member != id);
    }

    fn put(&mut self, kind: usize, at: usize, native: Value) {
        if let Some(place) = self.objects.get_mut(kind).and_then(|objects| objects.get_mut(at)) {
            *place = native;
        }
    }

    /// Sets the times that the application keeps.
    fn stamp(&self, resource: &Resource, native: &mut Value, names: &[&str]) {
        let now = i64::try_from(self.now).ok().and_then(Instant::from_milliseconds);
        let Some(now) = now.map(|now| Value::from(now.to_string())) else { return };
        let is_one = |row: &&Row| {
            row.place.attribute == "meta" && row.place.sub.as_deref().is_some_and(|sub| names.contains(&sub))
        };
        for row in resource.rows.iter().filter(is_one) {
            set(row, &now, native);
        }
    }

    /// Refuses an object with a value that must be another one's alone, in the words that the mapping waits for.
    fn unique(&self, kind: usize, resource: &Resource, native: &Value, own: Option<usize>) -> Result<(), Response> {
        for row in resource.rows.iter().filter(|row| is_unique(resource, row)) {
            let Some(at) = &row.native else { continue };
            let text = |native: &Value| at.get(native).filter(|it| !it.is_null()).map(|it| text_of(it).to_lowercase());
            let Some(wanted) = text(native) else { continue };
            let mut others = self.objects(kind).enumerate().filter(|(index, _)| Some(*index) != own);
            if others.any(|(_, other)| text(other).as_ref() == Some(&wanted)) {
                return Err(self.refusal(&at.to_string(), &wanted));
            }
        }
        Ok(())
    }

    fn refusal(&self, field: &str, value: &str) -> Response {
        let told = format!("{field} `{value}` is taken");
        let Some(rule) = self.mapping.errors.iter().find(|rule| rule.kind == Some(ScimType::Uniqueness)) else {
            return shapes::json(409, &json!({ "message": told }));
        };
        let when = &rule.when;
        let text = match (&when.is, &when.contains) {
            (Some(is), _) => is.clone(),
            (None, Some(part)) => format!("{told}: {part}"),
            (None, None) => told.clone(),
        };
        let mut body = Value::Null;
        if let Some(at) = &rule.message {
            at.set(&mut body, told.into());
        }
        let mut headers = Vec::new();
        match (&when.at, &when.header) {
            (Some(at), _) => at.set(&mut body, text.into()),
            (None, Some(header)) => headers.push((header.to_lowercase(), text)),
            (None, None) => {}
        }
        let mut reply = shapes::json(when.status.unwrap_or(409), &body);
        reply.headers.extend(headers);
        reply
    }
}

/// The place of what a placeholder of a call stands for, where the object has one.
fn home<'r>(resource: &'r Resource, slot: &'r Slot) -> Option<&'r Pointer> {
    match slot {
        Slot::Row(index) => resource.rows.get(*index)?.native.as_ref(),
        Slot::Id => resource.id_row()?.native.as_ref(),
        _ => None,
    }
}

/// Writes what a body says beside the object itself.
fn assign(resource: &Resource, said: &Said, native: &mut Value) {
    for (slot, value) in &said.rest {
        if let (Slot::Row(_), Some(at)) = (slot, home(resource, slot)) {
            at.set(native, value.clone());
        }
    }
}

/// Writes a SCIM value where its row says.
pub(super) fn set(row: &Row, scim: &Value, native: &mut Value) {
    if let (Some(at), Ok(value)) = (&row.native, row.codec.encode(scim)) {
        at.set(native, value);
    }
}

/// Nobody is shown a password, so it is not kept.
fn forget_secrets(resource: &Resource, native: &mut Value) {
    for at in resource.rows.iter().filter(|row| !row.readable()).filter_map(|row| row.native.as_ref()) {
        if !at.remove_element(native) {
            at.remove(native);
        }
    }
}

fn is_unique(resource: &Resource, row: &Row) -> bool {
    let path = AttributePath::parse(&row.name).ok();
    let attribute = path.as_ref().and_then(|path| resource.kind.resolve(path));
    row.place.element.is_none() && attribute.is_some_and(|it| it.leaf().uniqueness != Uniqueness::None)
}

/// Writes the fields of `sent` over those of `native`; lists are replaced, and in a `whole` object whatever it names.
fn merge(native: &mut Value, sent: Value, whole: bool) {
    match (native, sent) {
        (Value::Object(native), Value::Object(sent)) if whole => native.extend(sent),
        (native, sent) => pointer::merge(native, sent),
    }
}
