//! Replies for calls that are not made: what an application would say in which everything that is asked about exists,
//! and nothing that is about to be created.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::calls::{Purpose, recognised};
use super::shapes::{self, item, page, place, status};
use crate::exchange::{Request, Response};
use crate::mapping::codec::{Codec, text_of};
use crate::mapping::links::{Link, LinkSource, Links};
use crate::mapping::pointer::{self, Pointer};
use crate::mapping::template::{Said, Slot, body_of};
use crate::mapping::{Mapping, NewId, ReplyValue, Resource, Row};
use crate::scim::{Filter, Kind};

pub(super) struct Assumed {
    mapping: Rc<Mapping>,
    /// The SCIM request's method.
    method: String,
    /// The SCIM request's body.
    body: Value,
    /// The values that the SCIM request's filter compares with, by the path as it is written.
    wanted: Vec<(String, Value)>,
    /// The endpoint and the id in the SCIM request's path.
    id: Option<(String, String)>,
    /// The native list that was asked first, by resource type.
    asked: BTreeMap<String, usize>,
    /// Whether the call that creates was made.
    created: bool,
    /// The native id that was read or written last, by resource type.
    latest: BTreeMap<String, Value>,
    /// The native objects that were written, by resource type and id.
    known: BTreeMap<(String, String), Value>,
}

impl Assumed {
    pub(super) fn new(mapping: Rc<Mapping>, request: &Request) -> Self {
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let filter = query.split('&').find_map(|pair| pair.strip_prefix("filter=")).map(|text| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
        });
        let filter = filter.and_then(|text| Filter::parse(&text).ok());
        let mut wanted = Vec::new();
        if let Some(filter) = &filter {
            for resource in &mapping.resources {
                let terms = filter.terms(&resource.kind);
                wanted.extend(terms.iter().map(|term| (term.path.to_string(), term.value.clone())));
            }
        }
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let path = request.target.split('?').next().unwrap_or_default();
        let mut segments = path.split('/').skip(3);
        let id = segments.next().zip(segments.next()).and_then(|(endpoint, id)| {
            let id = percent_encoding::percent_decode_str(id).decode_utf8().ok()?;
            Some((endpoint.to_owned(), id.into_owned()))
        });
        let (asked, latest, known) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Assumed { mapping, method: request.method.clone(), body, wanted, id, asked, created: false, latest, known }
    }

    pub(super) fn reply(&mut self, call: &Request) -> Response {
        let mapping = Rc::clone(&self.mapping);
        match recognised(&mapping, call) {
            Some((_, Purpose::Login(login), _)) => {
                let mut reply = shapes::json(200, &Value::Null);
                place(&login.token, "assumed-token".into(), &mut reply);
                reply
            }
            Some((Some(resource), purpose, said)) => self.answer(resource, purpose, &said, call),
            _ => shapes::json(200, &json!({})),
        }
    }

    fn answer(&mut self, resource: &Resource, purpose: Purpose<'_>, said: &Said, call: &Request) -> Response {
        let missing = self.method == "POST" && !self.created;
        match purpose {
            Purpose::Links(links, paging, link) => page(paging, self.linked(links, link), call),
            Purpose::Object(_) | Purpose::Id(..) | Purpose::Read if missing => status(404),
            Purpose::Object(operation) => item(&operation.item, self.object(resource, &self.usual_id(resource))),
            Purpose::Id(operation, at) => {
                let mut found = Value::Null;
                at.set(&mut found, self.usual_id(resource));
                item(&operation.item, found)
            }
            Purpose::Count(index, at) => {
                let rows = usize::from(!missing && self.is_here(resource, index));
                let mut reply = shapes::json(200, &Value::Null);
                place(at, rows.into(), &mut reply);
                reply
            }
            Purpose::List(index, part) => {
                let here = self.is_here(resource, index);
                let object = || self.object(resource, &self.usual_id(resource));
                page(&part.paging, if missing || !here { Vec::new() } else { vec![object()] }, call)
            }
            Purpose::Read => {
                let id = self.id_of(resource, said);
                self.latest.insert(resource.kind.name.clone(), id.clone());
                item(&resource.read.item, self.object(resource, &id))
            }
            Purpose::Create(create) => {
                self.created = true;
                let id = wanted_id(resource, &create.body.wrap, said, call).unwrap_or_else(|| new_id(resource));
                // A call that overwrites can be the update, too.
                let is_new = self.asked_id(resource).is_none_or(|asked| text_of(&asked) != text_of(&id));
                self.latest.insert(resource.kind.name.clone(), id.clone());
                let object = self.written(resource, &id, &create.body.wrap, said, call);
                let mut reply = item(&create.operation.item, object);
                reply.status = if is_new { 201 } else { 200 };
                match &create.id {
                    Some(NewId::Header(name)) => {
                        reply.headers.push((name.clone(), format!("{}/{}", call.target, text_of(&id))));
                    }
                    Some(NewId::Body(at)) => place(&ReplyValue::Body(at.clone()), id, &mut reply),
                    _ => {}
                }
                reply
            }
            Purpose::Update(update) => {
                let id = self.id_of(resource, said);
                let object = self.written(resource, &id, &update.body.wrap, said, call);
                item(&update.operation.item, object)
            }
            Purpose::Login(_) | Purpose::Other => status(204),
        }
    }

    /// Whether the resource is in the native list with this number: it is in the one that is asked first.
    fn is_here(&mut self, resource: &Resource, index: usize) -> bool {
        *self.asked.entry(resource.kind.name.clone()).or_insert(index) == index
    }

    /// The native id of the resource that a call names.
    fn id_of(&self, resource: &Resource, said: &Said) -> Value {
        let id = said.get(&Slot::Id).and_then(|id| resource.id_in(id));
        id.unwrap_or_else(|| self.usual_id(resource))
    }

    /// The native id of the resource that a call is about which names none: the one that the request is about, or the one
    /// that was read or written last.
    fn usual_id(&self, resource: &Resource) -> Value {
        let latest = || self.latest.get(&resource.kind.name).cloned();
        self.asked_id(resource).or_else(latest).unwrap_or_else(|| new_id(resource))
    }

    /// The native id in the SCIM request's path.
    fn asked_id(&self, resource: &Resource) -> Option<Value> {
        let asked = self.id.as_ref().filter(|(endpoint, _)| resource.kind.endpoint.trim_matches('/') == endpoint);
        asked.and_then(|(_, id)| resource.native_id(id))
    }

    /// A native object with this id, as it was written, or else in the state that makes the request change something.
    fn object(&self, resource: &Resource, id: &Value) -> Value {
        if let Some(known) = self.known.get(&key(resource, id)) {
            return known.clone();
        }
        let mut native = Value::Object(Map::new());
        for row in resource.rows.iter().filter(|row| row.readable()) {
            let Some(at) = &row.native else { continue };
            if row.part.is_some() {
                at.set(&mut native, "Assumed Name".into());
                continue;
            }
            let wanted = self
                .wanted
                .iter()
                .find(|(path, _)| path.eq_ignore_ascii_case(&row.name))
                .map(|(_, value)| value.clone());
            let value = wanted.or_else(|| self.opposite(row)).into_iter().chain(samples(row));
            if let Some(value) = value.into_iter().find_map(|scim| row.codec.encode(&scim).ok()) {
                at.set(&mut native, value);
            }
        }
        if let Some(at) = resource.id_row().and_then(|row| row.native.as_ref()) {
            at.set(&mut native, id.clone());
        }
        if let Some(links) = &resource.links
            && let LinkSource::Inline { at, link, .. } = &links.source
        {
            at.set(&mut native, Value::Array(self.linked(links, link)));
        }
        native
    }

    /// The rows or elements of those that something is linked with.
    fn linked(&self, links: &Links, link: &Link) -> Vec<Value> {
        let row = |id: String| {
            let target = self.mapping.resource(links.target.kind);
            let native = target.and_then(|target| target.native_id(&id)).unwrap_or_else(|| id.into());
            let name = links.target.name(&native).unwrap_or_default();
            shapes::link(links, link, &name, &native, "assumed-key".into(), None)
        };
        let ids = if links.attribute == "members" { self.members() } else { vec!["1".to_owned()] };
        ids.into_iter().map(row).collect()
    }

    /// The object after a write: what was there, and what the call's body says.
    fn written(&mut self, resource: &Resource, id: &Value, wrap: &Pointer, said: &Said, call: &Request) -> Value {
        let mut object = self.object(resource, id);
        if let Some(sent @ Value::Object(_)) = wrap.get(&body_of(call)) {
            pointer::merge(&mut object, sent.clone());
        }
        for (slot, value) in &said.rest {
            let row = if let Slot::Row(index) = slot { resource.rows.get(*index) } else { None };
            if let Some(at) = row.and_then(|row| row.native.as_ref()) {
                at.set(&mut object, value.clone());
            }
        }
        // What is renamed is read under its new name.
        for id in [Some(id), resource.id_of(&object).as_ref()].into_iter().flatten() {
            self.known.insert(key(resource, id), object.clone());
        }
        object
    }

    /// For a flag that the request sets, the other value: otherwise there would be nothing to do.
    fn opposite(&self, row: &Row) -> Option<Value> {
        if row.kind != Kind::Boolean || self.method == "POST" {
            return None;
        }
        let attribute = &row.place.attribute;
        let operations = self.body.get("Operations").and_then(Value::as_array).into_iter().flatten();
        let in_operations = operations.filter_map(|operation| {
            let value = operation.get("value")?;
            let path = operation.get("path").and_then(Value::as_str);
            if path.is_some_and(|path| path.eq_ignore_ascii_case(attribute)) {
                Some(value)
            } else {
                value.get(attribute)
            }
        });
        let value = self.body.get(attribute).into_iter().chain(in_operations).last()?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_lowercase);
        Some(Value::Bool(text != "true"))
    }

    /// The members that the group has: those that the request removes, or one.
    fn members(&self) -> Vec<String> {
        let operations = self.body.get("Operations").and_then(Value::as_array).into_iter().flatten();
        let mut ids = Vec::new();
        for operation in operations {
            let is_remove =
                operation.get("op").and_then(Value::as_str).is_some_and(|op| op.eq_ignore_ascii_case("remove"));
            if !is_remove {
                continue;
            }
            let path = operation.get("path").and_then(Value::as_str).unwrap_or_default();
            ids.extend(path.split('"').nth(1).map(str::to_owned));
            let values = operation.get("value").and_then(Value::as_array).into_iter().flatten();
            ids.extend(values.filter_map(|value| value.get("value")?.as_str().map(str::to_owned)));
        }
        if self.method == "GET" { vec!["1".to_owned()] } else { ids }
    }
}

/// The native id that a call which creates something says itself: that of a row that is in the same native field.
fn wanted_id(resource: &Resource, wrap: &Pointer, said: &Said, call: &Request) -> Option<Value> {
    let at = resource.id_row()?.native.as_ref()?;
    let is_id = |slot: &Slot| match slot {
        Slot::Row(index) => resource.rows.get(*index).is_some_and(|row| row.native.as_ref() == Some(at)),
        _ => false,
    };
    let named = said.path.iter().chain(&said.rest).find(|(slot, _)| is_id(slot));
    let written = || at.get(wrap.get(&body_of(call))?).cloned();
    named.and_then(|(_, id)| resource.id_in(id)).or_else(written)
}

/// The native form of an id that a resource of this type can have.
fn new_id(resource: &Resource) -> Value {
    ["assumed-id", "1"].into_iter().find_map(|id| resource.native_id(id)).unwrap_or_else(|| "1".into())
}

fn key(resource: &Resource, id: &Value) -> (String, String) {
    (resource.kind.name.clone(), text_of(id))
}

/// SCIM values for a row, the likeliest first.
fn samples(row: &Row) -> Vec<Value> {
    let mut samples = match row.kind {
        Kind::Boolean => vec![json!(true), json!(false)],
        Kind::Integer | Kind::Decimal => vec![json!(1)],
        Kind::DateTime => vec![json!("2026-01-01T00:00:00Z")],
        Kind::Complex => Vec::new(),
        _ => vec![json!("assumed"), json!("1")],
    };
    if let Codec::Enum { pairs, .. } = &row.codec {
        samples.extend(pairs.iter().map(|(scim, _)| scim.clone()));
    }
    samples
}
