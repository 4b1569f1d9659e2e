//! Cursor paging (RFC 9865) over whatever paging the application has.
//!
//! Nothing is kept between requests: a cursor holds where the native list stood, sealed, so that the next request goes
//! on there. It is bound to the resource types, the filter, the order and the address of the SCIM root that it was made
//! for. A list that is sorted, or that several native queries make up, has no place to go on at: its cursor is an index.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::list::{self, listed, only_matches};
use super::narrow::{Narrowed, alternatives, narrowed};
use super::native::noun;
use super::pages;
use super::read::Found;
use super::render::Written;
use super::{Answer, Context};
use crate::mapping::paging::{Position, Walk};
use crate::mapping::{List, ListPart, Mapping, Resource};
use crate::scim::query::ListQuery;
use crate::scim::{Error, list as response};

/// How many seconds a cursor can be used.
pub(super) const LIFETIME: u64 = 3600;

/// What a cursor holds.
#[derive(Serialize, Deserialize)]
struct State {
    /// Until when it can be used, in milliseconds since the Unix epoch.
    #[serde(rename = "e")]
    expires: u64,
    #[serde(rename = "n")]
    count: usize,
    /// The index of the resource type.
    #[serde(rename = "t")]
    kind: usize,
    #[serde(rename = "w")]
    place: Place,
}

/// Where the list of one resource type goes on.
#[derive(Serialize, Deserialize)]
enum Place {
    #[serde(rename = "s")]
    Start,
    /// In the native list with this index, of those that the question needs.
    #[serde(rename = "w")]
    Walk(usize, Position),
    #[serde(rename = "i")]
    Index(usize),
}

/// One page of a cursor walk over the lists of `types`, one after the other.
pub(super) async fn page(context: &Context<'_>, types: &[&Resource], query: &ListQuery) -> Result<Answer, Error> {
    if query.start_index != 1 {
        return Err(Error::invalid_value("`startIndex` and `cursor` exclude each other"));
    }
    let bound = bound(context, types, query);
    let mut state = open(context, query, &bound)?;
    let (mut resources, mut total, mut next) = (Written::default(), Some(0), None);
    for (kind, resource) in types.iter().enumerate().skip(state.kind) {
        let place = std::mem::replace(&mut state.place, Place::Start);
        let wanted = state.count.saturating_sub(resources.count());
        let part = part(context, resource, query, place, wanted).await?;
        total = total.zip(part.total).map(|(total, of_type): (usize, usize)| total + of_type);
        list::present(context, resource, query, part.found, &mut resources).await?;
        next = match part.rest {
            Some(place) => Some((kind, place)),
            None if kind + 1 < types.len() => Some((kind + 1, Place::Start)),
            None => None,
        };
        if resources.count() >= state.count || matches!(next, Some((next, _)) if next == kind) {
            break;
        }
    }
    // A total of some of the types is none.
    let total = total.filter(|_| types.len() == 1);
    let next = match next.filter(|_| state.count > 0) {
        Some((kind, place)) => Some(seal(context, &State { kind, place, ..state }, &bound)?),
        None => None,
    };
    Ok(Answer::list(response::cursor_response(resources.count(), total, next.as_deref()), resources))
}

/// What a cursor may be used with: it belongs to one tenant's question.
fn bound(context: &Context<'_>, types: &[&Resource], query: &ListQuery) -> String {
    let endpoints: Vec<&str> = types.iter().map(|resource| resource.kind.endpoint.as_str()).collect();
    let filter = query.filter.as_ref().map(ToString::to_string);
    let order = query.sort_by.as_ref().map(ToString::to_string);
    let order = (order, query.sort_descending);
    format!("{:?}", (context.native.tenant(), &context.base, endpoints, filter, order))
}

fn open(context: &Context<'_>, query: &ListQuery, bound: &str) -> Result<State, Error> {
    let most = context.native.mapping().limits.page;
    let asked = query.count.map(|count| count.min(most));
    let now = context.native.moment().now;
    let expires = now.saturating_add(LIFETIME * 1000);
    let text = query.cursor.as_deref().unwrap_or_default();
    if text.is_empty() {
        return Ok(State { expires, count: asked.unwrap_or(most), kind: 0, place: Place::Start });
    }
    let opened = context.native.engine().cursors.open(text, bound.as_bytes());
    let state = opened.and_then(|state| serde_json::from_slice::<State>(&state).ok());
    let Some(state) = state else {
        return Err(Error::invalid_cursor("this cursor is none of this list's: begin again without one"));
    };
    if now >= state.expires {
        return Err(Error::expired_cursor("this cursor is too old: begin again without one"));
    }
    if asked.is_some_and(|count| count != state.count) {
        return Err(Error::invalid_count(format!("this cursor goes with a `count` of {}", state.count)));
    }
    Ok(State { expires, ..state })
}

fn seal(context: &Context<'_>, state: &State, bound: &str) -> Result<String, Error> {
    let failed = || Error::new(500, "the next cursor cannot be made");
    let text = serde_json::to_vec(state).map_err(|_| failed())?;
    let entropy = context.native.moment().entropy;
    let cursors = &context.native.engine().cursors;
    cursors.seal(&text, bound.as_bytes(), &entropy).ok_or_else(failed)
}

/// A part of one resource type's list.
struct Part {
    found: Vec<Found>,
    /// Where it goes on, if it does.
    rest: Option<Place>,
    /// How many there are in all, where that costs nothing.
    total: Option<usize>,
}

async fn part(
    context: &Context<'_>,
    resource: &Resource,
    query: &ListQuery,
    place: Place,
    wanted: usize,
) -> Result<Part, Error> {
    let list = listed(resource)?;
    let query = &*list::meant(context, resource, query)?;
    if let Some(filter) = &query.filter {
        filter.validate(&resource.kind)?;
    }
    match (walkable(context.native.mapping(), resource, list, query)?, place) {
        (Some(lists), place @ (Place::Start | Place::Walk(..))) if wanted > 0 => {
            let start = match place {
                Place::Walk(index, position) => (index, Some(position)),
                _ => (0, None),
            };
            walked(context, resource, (list, query), lists, start, wanted).await
        }
        (_, place) => {
            let first = match place {
                Place::Index(first) => first,
                Place::Start | Place::Walk(..) => 0,
            };
            let (found, total) = list::find(context, resource, query, first, wanted).await?;
            let next = first + found.len();
            Ok(Part { rest: (next < total).then_some(Place::Index(next)), found, total: Some(total) })
        }
    }
}

/// Native lists, and the parameters with which they are asked.
type Lists<'m> = (Vec<&'m ListPart>, Vec<(String, Value)>);

/// The native lists that hold all matches, one after the other, in the order that is wanted; `None` where there are no
/// such lists, or where none is needed.
fn walkable<'m>(
    mapping: &Mapping,
    resource: &'m Resource,
    list: &'m List,
    query: &ListQuery,
) -> Result<Option<Lists<'m>>, Error> {
    if query.sort_by.is_some() || resource.fixed.is_some() {
        return Ok(None);
    }
    let Some(filter) = &query.filter else {
        return Ok(Some((list.parts.iter().collect(), Vec::new())));
    };
    if alternatives(resource, list, filter).is_some() {
        return Ok(None);
    }
    Ok(match narrowed(mapping, resource, list, filter)? {
        Narrowed::Rows(parts, parameters) => Some((parts, parameters)),
        _ => None,
    })
}

/// Goes on with a walk until enough is found, the lists end, or `limits.scan` rows have been read: then the page is
/// shorter than it could be, and the next request goes on.
async fn walked(
    context: &Context<'_>,
    resource: &Resource,
    (list, query): (&List, &ListQuery),
    (parts, parameters): Lists<'_>,
    (first, mut position): (usize, Option<Position>),
    wanted: usize,
) -> Result<Part, Error> {
    let what = format!("list {}s", noun(resource));
    let id_at = resource.id_row().and_then(|row| row.native.as_ref());
    let most = context.native.mapping().limits.scan.max(1);
    let (mut found, mut total) = (Vec::new(), None);
    let (mut rows, mut pages) = (0, 0);
    for (index, part) in parts.iter().enumerate().skip(first) {
        let mut walk = match position.take() {
            Some(position) => Walk::resume(&part.paging, position),
            // A filter may need many rows for one match.
            None if query.filter.is_some() => Walk::new(&part.paging, 0, None),
            None => Walk::new(&part.paging, 0, Some(wanted)),
        };
        while !walk.is_done() {
            if found.len() >= wanted || rows >= most || pages >= most {
                return Ok(Part { found, rest: Some(Place::Walk(index, walk.position())), total });
            }
            let before = walk.position();
            let page = pages::page(&context.native, &what, part, &mut walk, &parameters).await?.unwrap_or_default();
            if parameters.is_empty() {
                pages::refuse_early_end(&what, &walk)?;
            }
            rows += page.items.len();
            pages += 1;
            // The total of one of several lists is none.
            total = page.total.filter(|_| query.filter.is_none() && parts.len() == 1);
            let ids: Vec<Option<Value>> = page.items.iter().map(|item| id_at?.get(item).cloned()).collect();
            let mut matched = list::found(resource, page.items)?;
            if let Some(filter) = &query.filter {
                matched = list::whole(context, resource, list, matched, |path| filter.names(&path.attribute)).await?;
                matched = only_matches(context, resource, filter, matched).await?;
            }
            let room = wanted - found.len();
            let next_id = matched.get(room).map(|found| found.id.clone());
            matched.truncate(room);
            found.extend(matched);
            if let Some(next_id) = next_id {
                // The rest of this page is for the next request.
                let read = ids.iter().position(|id| id.as_ref() == Some(&next_id)).unwrap_or_default();
                return Ok(Part { found, rest: Some(Place::Walk(index, before.past(read))), total });
            }
        }
    }
    Ok(Part { found, rest: None, total })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use serde_json::{Value, json};

    use super::LIFETIME;
    use crate::Engine;
    use crate::exchange::{Exchange, Moment, Output, Request, Response};

    /// The body of a list of three users in pages of one, as it is at `now`.
    fn list(query: &str, now: u64) -> Value {
        let mapping = "{mapping: v1, upstream: {}, paging: {offset: {param: o, size: s, max: 9}, items: d, total: t}, \
            resources: {User: {path: /u, attributes: {id: {native: id, access: read}, userName: {native: n}}, list: {}}}}";
        let environment = [("SCIM_EDGE_TOKENS".to_owned(), "t".to_owned())].into();
        let engine = Engine::new(mapping, "mapping.yaml", &environment).unwrap();
        let request = Request {
            method: "GET".to_owned(),
            target: format!("/scim/v2/Users?count=1&cursor={query}"),
            headers: vec![("authorization".to_owned(), "Bearer t".to_owned())],
            body: Vec::new(),
        };
        let entropy = [1; 32];
        let mut exchange = Exchange::new(Rc::new(engine), request, Moment { now, entropy });
        loop {
            match exchange.poll_output() {
                Output::Call(id, call, _) => {
                    let body = json!({"d": [{"id": call.target, "n": "a"}], "t": 3}).to_string();
                    let reply = Response { status: 200, headers: Vec::new(), body: body.into_bytes() };
                    exchange.handle_reply(id, Ok(reply), now);
                }
                Output::Respond(response) => {
                    return serde_json::from_slice(&response.body).unwrap();
                }
                Output::Pause(..) | Output::Waiting => panic!("it waits for nothing"),
            }
        }
    }

    #[test]
    fn rfc9865_2_1_expired_cursor() {
        let first = list("", 5);
        let cursor = first["nextCursor"].as_str().unwrap();
        let end = 5 + LIFETIME * 1000;
        assert_eq!(list(cursor, end - 1)["itemsPerPage"], 1);
        assert_eq!(list(cursor, end)["scimType"], "expiredCursor");
    }
}
