//! An application in memory that behaves as a mapping says that its API does: replies for calls that change what later
//! replies say.
//!
//! Nothing here knows more of an application than its mapping: calls are recognised by the templates that they are made
//! with, and every field of a native object comes from a row, from a body that was sent, or from a value of a template.

mod links;
mod seed;
mod tables;
#[cfg(test)]
mod tests;
mod write;

use std::rc::Rc;

use serde_json::{Value, json};

use super::calls::is_login;
use super::shapes::{self, item, page, place, status};
use crate::exchange::{Request, Response};
use crate::mapping::codec::text_of;
use crate::mapping::language::Send;
use crate::mapping::template::{JsonTemplate, Said, Slot, body_of};
use crate::mapping::{Body, How, List, ListPart, Mapping, Narrowing, Operation, Resource};
use crate::scim::CompareOp;
use crate::{Engine, EngineError, Environment};

/// The application.
pub(crate) struct Application {
    mapping: Rc<Mapping>,
    /// The native objects of each resource type, in the order of the mapping.
    objects: Vec<Vec<Value>>,
    memberships: Vec<Membership>,
    /// The last number that an id was made of: no user has the id of a group (RFC 7643 section 3.1).
    last: u64,
    /// Milliseconds since the Unix epoch.
    now: u64,
}

/// One user in one group, by their native ids.
struct Membership {
    key: Value,
    group: Value,
    member: Value,
}

impl Application {
    /// The application of a mapping, with a few users and a group in it.
    pub(crate) fn new(mapping: &str, name: &str, environment: &Environment, now: u64) -> Result<Self, EngineError> {
        let engine = Engine::new(mapping, name, environment)?;
        let mapping =
            engine.mapping().cloned().ok_or_else(|| EngineError::Setting("there is no mapping".to_owned()))?;
        let objects = mapping.resources.iter().map(|resource| resource.fixed.clone().unwrap_or_default()).collect();
        let mut application = Application { mapping, objects, memberships: Vec::new(), last: 0, now };
        application.seed();
        Ok(application)
    }

    /// The reply to a native call.
    pub(crate) fn reply(&mut self, call: &Request, now: u64) -> Response {
        self.now = now;
        let mapping = Rc::clone(&self.mapping);
        if let Some(login) = mapping.login.as_ref().filter(|_| is_login(&mapping, call)) {
            let mut reply = shapes::json(200, &Value::Null);
            place(&login.token, "a-token".into(), &mut reply);
            return reply;
        }
        let found = mapping.resources.iter().enumerate().find_map(|(kind, resource)| {
            self.linked(kind, resource, call)
                .or_else(|| self.listed(kind, resource, call))
                .or_else(|| self.written(kind, resource, call))
                .or_else(|| self.read(kind, resource, call))
        });
        found.unwrap_or_else(missing)
    }

    /// The reply to a call that lists, finds or counts.
    fn listed(&self, kind: usize, resource: &Resource, call: &Request) -> Option<Response> {
        let list = resource.list.as_ref()?;
        let by_id = resource.row.as_ref().and_then(|row| {
            let (part, said) = asked(&list.parts, row, call)?;
            let id = said.get(&Slot::Id)?;
            Some(self.rows(kind, part, call, |native| has_id(resource, native, id)))
        });
        let counted = || {
            list.parts.iter().find_map(|part| {
                let (count, at) = part.count.as_ref()?;
                count.read(call, &[])?;
                let mut reply = shapes::json(200, &Value::Null);
                place(at, self.objects(kind).filter(|native| belongs(part, native)).count().into(), &mut reply);
                Some(reply)
            })
        };
        let whole = || {
            let (part, _) = asked(&list.parts, &[], call)?;
            Some(self.rows(kind, part, call, |_| true))
        };
        by_id.or_else(|| self.found(kind, resource, list, call)).or_else(counted).or_else(whole)
    }

    /// The reply to a call that finds resources by a value, or by several.
    fn found(&self, kind: usize, resource: &Resource, list: &List, call: &Request) -> Option<Response> {
        let narrowed = list.filters.iter().find_map(|narrowing| {
            let matches = |native: &Value, value: &Value| self.matches(kind, resource, narrowing, native, value);
            let one = |operation: &Operation| {
                let said = read(operation, call)?;
                let value = said.get(&Slot::Value)?;
                Some(self.objects(kind).find(|native| matches(native, value)))
            };
            match &narrowing.how {
                How::Query(query, other) => {
                    let parts = other.as_deref().map_or(list.parts.as_slice(), std::slice::from_ref);
                    let (part, said) = asked(parts, query, call)?;
                    let value = said.get(&Slot::Value)?;
                    Some(self.rows(kind, part, call, |native| matches(native, value)))
                }
                How::Call(operation) => {
                    let found = one(operation)?.map(|native| item(&operation.item, self.shown(kind, native)));
                    Some(found.unwrap_or_else(missing))
                }
                How::Find(operation, at) => Some(one(operation)?.map_or_else(missing, |native| {
                    let mut body = Value::Null;
                    let id = resource.id_row().and_then(|row| row.native.as_ref()?.get(native)).cloned();
                    at.set(&mut body, id.unwrap_or_default());
                    item(&operation.item, body)
                })),
                How::Read(_) => None,
            }
        });
        narrowed.or_else(|| {
            list.batches.iter().find_map(|batch| {
                let (part, said) = asked(std::slice::from_ref(&batch.list), &[], call)?;
                let wanted: Vec<String> = said.get(&Slot::List)?.as_array()?.iter().map(text_of).collect();
                let at = resource.rows.get(batch.row)?.native.as_ref()?;
                Some(
                    self.rows(kind, part, call, |native| {
                        at.get(native).is_some_and(|it| wanted.contains(&text_of(it)))
                    }),
                )
            })
        })
    }

    /// The page of a native list that a call asks for.
    fn rows(&self, kind: usize, part: &ListPart, call: &Request, wanted: impl Fn(&Value) -> bool) -> Response {
        let rows = self.objects(kind).filter(|native| belongs(part, native) && wanted(native)).map(|native| {
            let mut row = self.shown(kind, native);
            for (from, to) in &part.rename {
                if let Some(value) = to.get(&row).cloned() {
                    from.set(&mut row, value);
                }
            }
            row
        });
        page(&part.paging, rows.collect(), call)
    }

    /// Whether a native search finds an object: letter case makes no difference to it.
    fn matches(&self, kind: usize, resource: &Resource, narrowing: &Narrowing, native: &Value, value: &Value) -> bool {
        let Some(index) = narrowing.row else {
            return self.links_of(kind, native).iter().any(|it| text_of(&it.id) == text_of(value));
        };
        let found = resource.rows.get(index).and_then(|row| row.native.as_ref()?.get(native));
        let Some(found) = found.filter(|found| !found.is_null()) else { return false };
        let (found, value) = (text_of(found).to_lowercase(), text_of(value).to_lowercase());
        match narrowing.op {
            CompareOp::Eq => found == value,
            CompareOp::Co => found.contains(&value),
            CompareOp::Sw => found.starts_with(&value),
            CompareOp::Ew => found.ends_with(&value),
            _ => true,
        }
    }

    fn read(&self, kind: usize, resource: &Resource, call: &Request) -> Option<Response> {
        let said = read(&resource.read, call)?;
        let native = self.locate(kind, resource, &said).and_then(|at| self.objects.get(kind)?.get(at));
        Some(native.map_or_else(missing, |native| item(&resource.read.item, self.shown(kind, native))))
    }

    /// The reply to a call that changes a resource.
    fn written(&mut self, kind: usize, resource: &Resource, call: &Request) -> Option<Response> {
        for action in &resource.actions {
            let Some(said) = action.call.read(call, &[]) else { continue };
            let Some(at) = self.locate(kind, resource, &said) else { return Some(missing()) };
            self.act(kind, at, resource, action, &said);
            let native = self.objects.get(kind).and_then(|objects| objects.get(at));
            return Some(match (&action.item, native) {
                (Some(place), Some(native)) => {
                    let mut body = Value::Null;
                    place.set(&mut body, self.shown(kind, native));
                    shapes::json(200, &body)
                }
                _ => status(204),
            });
        }
        let update = resource.update.as_ref().and_then(|it| Some((it, read_with(&it.operation, &it.body, call)?)));
        if let Some((update, said)) = &update
            && let Some(at) = self.locate(kind, resource, said)
        {
            let sent = update.body.wrap.get(&body_of(call)).cloned().unwrap_or_default();
            return Some(
                match self.change(kind, at, resource, sent, (said, update.send == Send::Full || update.whole_objects)) {
                    Ok(native) => item(&update.operation.item, native),
                    Err(refusal) => refusal,
                },
            );
        }
        if let Some(create) = &resource.create
            && let Some(said) = read_with(&create.operation, &create.body, call)
        {
            let sent = create.body.wrap.get(&body_of(call)).cloned().unwrap_or_default();
            return Some(self.create(kind, resource, create, sent, &said, call));
        }
        if update.is_some() {
            return Some(missing());
        }
        let delete = resource.delete.as_ref()?;
        let said = read(&delete.operation, call)?;
        Some(match self.locate(kind, resource, &said) {
            Some(at) => {
                self.remove(kind, at);
                status(204)
            }
            None => missing(),
        })
    }

    fn objects(&self, kind: usize) -> impl Iterator<Item = &Value> {
        self.objects.get(kind).into_iter().flatten()
    }

    /// Which object a call names: by its id, or by what its rows say.
    fn locate(&self, kind: usize, resource: &Resource, said: &Said) -> Option<usize> {
        let objects = self.objects.get(kind)?;
        if let Some(id) = said.get(&Slot::Id) {
            let by_id = objects.iter().position(|native| has_id(resource, native, id));
            return by_id.or_else(|| objects.iter().position(|native| known_as(resource, native, id)));
        }
        let named: Vec<_> = said.path.iter().collect();
        let is = |native: &Value, (slot, value): &(Slot, Value)| {
            let found = match slot {
                Slot::Row(index) => resource.rows.get(*index).and_then(|row| row.native.as_ref()?.get(native)),
                Slot::Native(at) => at.get(native),
                _ => None,
            };
            found.is_some_and(|found| text_of(found).eq_ignore_ascii_case(&text_of(value)))
        };
        let all = |native: &Value| !named.is_empty() && named.iter().all(|it| is(native, it));
        objects.iter().position(all)
    }
}

/// The resource type of this name, and its place in the mapping.
fn kind_of<'m>(mapping: &'m Mapping, name: &str) -> Option<(usize, &'m Resource)> {
    mapping.resources.iter().enumerate().find(|(_, resource)| resource.kind.name == name)
}

/// Whether this is the native object with this id.
fn has_id(resource: &Resource, native: &Value, id: &Value) -> bool {
    let found = resource.id_row().and_then(|row| row.native.as_ref()?.get(native));
    found.is_some_and(|found| text_of(found) == text_of(id))
}

/// Whether a look-up by a name that reads it in place of an id means this object.
fn known_as(resource: &Resource, native: &Value, id: &Value) -> bool {
    resource.list.iter().flat_map(|list| &list.filters).any(|narrowing| {
        let (How::Read(template), Some(index)) = (&narrowing.how, narrowing.row) else { return false };
        let captured = template.captures(&text_of(id)).unwrap_or_default();
        let row = resource.rows.get(index);
        let found = row.and_then(|row| row.native.as_ref()?.get(native)).map(text_of);
        found.is_some_and(|found| captured.iter().any(|(_, value)| value.eq_ignore_ascii_case(&found)))
    })
}

/// Whether an object is in this native list.
fn belongs(part: &ListPart, native: &Value) -> bool {
    part.set.iter().all(|(at, value)| at.get(native).is_some_and(|found| found == value))
}

/// The list that a call with these parameters asks, and what it says.
fn asked<'l>(
    parts: &'l [ListPart],
    parameters: &[(String, JsonTemplate)],
    call: &Request,
) -> Option<(&'l ListPart, Said)> {
    parts.iter().find_map(|part| Some((part, part.call.read(call, parameters)?)))
}

/// What a call says, if it is one of this operation.
fn read(operation: &Operation, call: &Request) -> Option<Said> {
    let none = Body::default();
    read_with(operation, operation.fixed.as_ref().unwrap_or(&none), call)
}

/// The same for an operation whose body has further fields.
fn read_with(operation: &Operation, body: &Body, call: &Request) -> Option<Said> {
    operation.call.read_with(call, &[], &body.set)
}

fn missing() -> Response {
    shapes::json(404, &json!({ "message": "not found" }))
}
