//! Replies for calls that are not made: what an application would say in which everything that is asked about exists,
//! and nothing that is about to be created.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::shapes::{self, item, page, place, status};
use crate::exchange::{Request, Response};
use crate::mapping::codec::Codec;
use crate::mapping::links::{Link, LinkSource, Links, MemberCall, MemberChange};
use crate::mapping::template::{CallTemplate, Scope, Slot};
use crate::mapping::{How, List, ListPart, Mapping, NewId, ReplyValue, Resource, Row};
use crate::scim::{Filter, Kind};

pub(super) struct Assumed {
    mapping: Rc<Mapping>,
    /// The SCIM request's method.
    method: String,
    /// The SCIM request's body.
    body: Value,
    /// The values that the SCIM request's filter compares with, by the path as it is written.
    wanted: Vec<(String, Value)>,
    /// The id in the SCIM request's path.
    id: Option<String>,
    /// The native list that was asked first, by resource type.
    asked: BTreeMap<String, usize>,
    /// Whether the call that creates was made.
    created: bool,
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
        let id = path.split('/').nth(4).and_then(|id| percent_encoding::percent_decode_str(id).decode_utf8().ok());
        let id = id.map(std::borrow::Cow::into_owned);
        Assumed { mapping, method: request.method.clone(), body, wanted, id, asked: BTreeMap::new(), created: false }
    }

    pub(super) fn reply(&mut self, call: &Request) -> Response {
        let mapping = Rc::clone(&self.mapping);
        if let Some(login) = mapping.login.as_ref().filter(|login| login.call.recognise(call).is_some()) {
            let mut reply = shapes::json(200, &Value::Null);
            place(&login.token, "assumed-token".into(), &mut reply);
            return reply;
        }
        mapping
            .resources
            .iter()
            .find_map(|resource| self.answer(resource, call))
            .unwrap_or_else(|| shapes::json(200, &json!({})))
    }

    fn answer(&mut self, resource: &Resource, call: &Request) -> Option<Response> {
        let id = |found: Vec<(Slot, String)>| found.into_iter().find(|(slot, _)| *slot == Slot::Id).map(|(_, id)| id);
        let missing = self.method == "POST" && !self.created;
        let new_id = || new_id(resource);
        if let Some(links) = &resource.links
            && let LinkSource::List { call: list, paging, link, .. } = &links.source
            && list.recognise(call).is_some()
        {
            return Some(page(paging, self.linked(links, link), call));
        }
        if let Some(list) = &resource.list {
            for narrowing in &list.filters {
                if let How::Call(operation) = &narrowing.how
                    && operation.call.recognise(call).is_some()
                {
                    let found = item(&operation.item, self.object(resource, &new_id()));
                    return Some(if missing { status(404) } else { found });
                }
            }
            if let Some(reply) = self.listed(resource, list, call, missing) {
                return Some(reply);
            }
        }
        if let Some(found) = resource.read.call.recognise(call) {
            let object = self.object(resource, &id(found).unwrap_or_else(new_id));
            return Some(if missing { status(404) } else { item(&resource.read.item, object) });
        }
        if let Some(create) = &resource.create
            && create.operation.call.recognise(call).is_some()
        {
            self.created = true;
            let object = self.written(resource, &new_id(), &create.body.wrap, call);
            let mut reply = item(&create.operation.item, object);
            reply.status = 201;
            let id = new_id();
            match &create.id {
                Some(NewId::Header(name)) => reply.headers.push((name.clone(), format!("{}/{id}", call.target))),
                Some(NewId::Body(at)) => place(&ReplyValue::Body(at.clone()), id.into(), &mut reply),
                _ => {}
            }
            return Some(reply);
        }
        if let Some(update) = &resource.update
            && let Some(found) = update.operation.call.recognise(call)
        {
            let object = self.written(resource, &id(found).unwrap_or_else(new_id), &update.body.wrap, call);
            return Some(item(&update.operation.item, object));
        }
        let done = resource.delete.as_ref().is_some_and(|delete| delete.operation.call.recognise(call).is_some())
            || resource.actions.iter().any(|action| action.call.recognise(call).is_some());
        let member = |change: &MemberCall| change.call.recognise(call).is_some();
        let changed = resource.members.as_ref().is_some_and(|members| {
            let changes = match &members.change {
                Some(MemberChange::Calls { add, remove }) => member(add) || member(remove),
                Some(MemberChange::Replace(replace)) => member(replace),
                _ => false,
            };
            changes || members.check.as_ref().is_some_and(member)
        });
        (done || changed).then(|| status(204))
    }

    /// The reply to a call that lists or counts: the resource is in the native list that is asked first.
    fn listed(&mut self, resource: &Resource, list: &List, call: &Request, missing: bool) -> Option<Response> {
        let others = list.filters.iter().filter_map(|narrowing| match &narrowing.how {
            How::Query(_, Some(part)) => Some(part.as_ref()),
            _ => None,
        });
        let parts: Vec<&ListPart> = list.parts.iter().chain(others).collect();
        let is_here =
            |asked: &BTreeMap<String, usize>, index| asked.get(&resource.kind.name).is_none_or(|at| *at == index);
        let counts = |part: &&ListPart| part.count.as_ref().is_some_and(|(count, _)| is_call_of(count, call));
        if let Some(index) = parts.iter().position(counts) {
            let rows = usize::from(!missing && is_here(&self.asked, index));
            self.asked.entry(resource.kind.name.clone()).or_insert(index);
            let mut reply = shapes::json(200, &Value::Null);
            place(&parts.get(index)?.count.as_ref()?.1, rows.into(), &mut reply);
            return Some(reply);
        }
        let index = parts.iter().position(|part| is_call_of(&part.call, call))?;
        let here = is_here(&self.asked, index);
        self.asked.entry(resource.kind.name.clone()).or_insert(index);
        let id = self.id.clone().filter(|id| resource.row.is_some() && resource.native_id(id).is_some());
        let object = || self.object(resource, &id.unwrap_or_else(|| new_id(resource)));
        let rows = if missing || !here { Vec::new() } else { vec![object()] };
        Some(page(&parts.get(index)?.paging, rows, call))
    }

    /// A native object with this id, in the state that makes the request change something.
    fn object(&self, resource: &Resource, id: &str) -> Value {
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
        if let (Some(row), Some(id)) = (resource.id_row(), resource.native_id(id))
            && let Some(at) = &row.native
        {
            at.set(&mut native, id);
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
    fn written(&self, resource: &Resource, id: &str, wrap: &crate::mapping::pointer::Pointer, call: &Request) -> Value {
        let mut object = self.object(resource, id);
        let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
        if let (Some(object), Some(Value::Object(sent))) = (object.as_object_mut(), wrap.get(&body)) {
            object.extend(sent.clone());
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

/// An id that a resource of this type can have.
fn new_id(resource: &Resource) -> String {
    ["assumed-id", "1"].into_iter().find(|id| resource.native_id(id).is_some()).unwrap_or("1").to_owned()
}

/// Whether a call is of this template, which may differ from others in what its query says only.
fn is_call_of(template: &CallTemplate, call: &Request) -> bool {
    let pairs = |target: &str| -> Vec<String> {
        target.split_once('?').into_iter().flat_map(|(_, query)| query.split('&')).map(str::to_owned).collect()
    };
    let said = pairs(&call.target);
    let own = template.render(&Scope::default()).map(|own| pairs(&own.target)).unwrap_or_default();
    template.recognise(call).is_some() && own.iter().all(|pair| said.contains(pair))
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
