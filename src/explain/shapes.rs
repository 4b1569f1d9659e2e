//! The shapes of an application's replies, as a mapping says them.

use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use crate::exchange::{Request, Response};
use crate::mapping::codec::text_of;
use crate::mapping::links::{Link, Links};
use crate::mapping::paging::{Numbered, Paging, Style};
use crate::mapping::pointer::Pointer;
use crate::mapping::template::{RESERVED, body_of, pairs};
use crate::mapping::{Item, ReplyValue};

/// Rows on a page where nothing else says how many.
const PAGE: usize = 50;

pub(super) fn status(status: u16) -> Response {
    Response { status, ..Response::default() }
}

pub(super) fn json(status: u16, body: &Value) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Response { status, headers, body: body.to_string().into_bytes() }
}

pub(super) fn item(at: &Item, object: Value) -> Response {
    let mut body = Value::Null;
    at.at.set(&mut body, object);
    json(200, &body)
}

pub(super) fn place(at: &ReplyValue, value: Value, reply: &mut Response) {
    match at {
        ReplyValue::Header(name) => reply.headers.push((name.clone(), text_of(&value))),
        ReplyValue::Body(at) => {
            let mut body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
            at.set(&mut body, value);
            reply.body = body.to_string().into_bytes();
        }
    }
}

/// What a row says about a link: `known` is what the other end is known by.
pub(super) fn link(links: &Links, link: &Link, known: &Value, id: &Value, key: Value, display: Option<Value>) -> Value {
    let mut row = Value::Null;
    link.at.set(&mut row, known.clone());
    if let Some(at) = &link.id {
        at.set(&mut row, id.clone());
    }
    if let Some(at) = &link.key {
        at.set(&mut row, key);
    }
    if let (Some(at), Some(display)) = (&link.display, display) {
        at.set(&mut row, display);
    }
    if let Some((at, kinds)) = &link.kinds
        && let Some((_, value)) = kinds.iter().find(|(kind, _)| kind == links.target.kind)
    {
        at.set(&mut row, value.clone());
    }
    row
}

/// The page of a list of `rows` that `call` asks for.
pub(super) fn page(paging: &Paging, rows: Vec<Value>, call: &Request) -> Response {
    let total = rows.len();
    let Window { at, size, next } = window(paging, &rows, call);
    let rows: Vec<Value> = rows.into_iter().skip(at).take(size).collect();
    let more = at.saturating_add(rows.len()) < total;
    let mut body = Value::Null;
    paging.items.set(&mut body, list(paging, rows));
    let mut reply = json(200, &body);
    if let Some(at) = &paging.total {
        place(at, total.into(), &mut reply);
    }
    if let Some((at, value)) = next.filter(|_| more) {
        place(&at, value.into(), &mut reply);
    }
    reply
}

/// The rows that are asked for, and where a reply says what comes after them.
struct Window {
    at: usize,
    size: usize,
    next: Option<(ReplyValue, String)>,
}

fn window(paging: &Paging, rows: &[Value], call: &Request) -> Window {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let (query, body) = (pairs(query), body_of(call));
    let said = |name: &str| {
        let in_query = query.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        in_query.or_else(|| Pointer::parse(name).ok()?.get(&body).map(text_of))
    };
    let number = |name: &str| said(name)?.parse::<usize>().ok();
    let sized = |name: Option<&str>, most: usize| name.and_then(number).unwrap_or(most).clamp(1, most.max(1));
    let numbered = |it: &Numbered| {
        let at = number(&it.param).unwrap_or(it.first).saturating_sub(it.first);
        (at, sized(it.size.as_deref(), it.max))
    };
    let in_steps = |size: &Option<(String, usize)>| match size {
        Some((name, most)) => sized(Some(name), *most),
        None => PAGE,
    };
    let plain = |at: usize, size: usize| Window { at, size, next: None };
    match &paging.style {
        Style::Whole => plain(0, usize::MAX),
        Style::Page(it) => {
            let (page, size) = numbered(it);
            plain(page.saturating_mul(size), size)
        }
        Style::Offset(it) => {
            let (at, size) = numbered(it);
            plain(at, size)
        }
        Style::Cursor { param, next, size, .. } => {
            let (at, size) = (number(param).unwrap_or(0), in_steps(size));
            Window { at, size, next: Some((next.clone(), at.saturating_add(size).to_string())) }
        }
        Style::Marker { param, field, size } => {
            let last = said(param)
                .and_then(|key| rows.iter().position(|row| field.get(row).map(text_of) == Some(key.clone())));
            plain(last.map_or(0, |last| last + 1), in_steps(size))
        }
        Style::Next(_) | Style::Link => {
            let at = number(AFTER).unwrap_or(0);
            let mut address = path.to_owned();
            let others = query.iter().filter(|(name, _)| name != AFTER).cloned();
            for (name, value) in others.chain([(AFTER.to_owned(), at.saturating_add(PAGE).to_string())]) {
                let sign = if address.contains('?') { '&' } else { '?' };
                address.push(sign);
                address.extend(utf8_percent_encode(&name, RESERVED));
                address.push('=');
                address.extend(utf8_percent_encode(&value, RESERVED));
            }
            let next = match &paging.style {
                Style::Next(at) => (at.clone(), address),
                _ => (ReplyValue::Header("link".to_owned()), format!("<{address}>; rel=\"next\"")),
            };
            Window { at, size: PAGE, next: Some(next) }
        }
    }
}

/// The parameter of the next page's address.
const AFTER: &str = "after";

/// A list as the reply has it: the fields of an object, where they are known by name.
fn list(paging: &Paging, rows: Vec<Value>) -> Value {
    let Some(at) = &paging.keyed else { return Value::Array(rows) };
    let mut fields = Map::new();
    for mut row in rows {
        let name = at.get(&row).map(text_of).unwrap_or_default();
        at.remove(&mut row);
        fields.insert(name, row);
    }
    Value::Object(fields)
}
