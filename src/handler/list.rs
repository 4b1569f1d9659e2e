//! Listing and filtering: narrow natively, decide exactly.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::cursor;
use super::narrow::{Narrowed, alternatives, asked, narrowed};
use super::native::noun;
use super::pages::{self, Parameters, page};
use super::read::{Current, Found, Object};
use super::render::Written;
use super::{Answer, Context, links};
use crate::mapping::errors::not_understood;
use crate::mapping::paging::Walk;
use crate::mapping::template::Scope;
use crate::mapping::{List, ListPart, Operation, Resource, Row};
use crate::scim::query::ListQuery;
use crate::scim::{AttributePath, CompareOp, Error, Filter, dialect, list as response, sort};

/// The attributes that are links.
const LINKS: [&str; 2] = ["members", "groups"];

/// GET of a collection (RFC 7644 section 3.4.2).
pub(super) async fn list(context: &Context<'_>, resource: &Resource, mut query: ListQuery) -> Result<Answer, Error> {
    context.note(std::mem::take(&mut query.applied));
    if query.cursor.is_some() {
        return cursor::page(context, &[resource], &query).await;
    }
    let most = context.native.mapping().limits.page;
    let count = query.count.unwrap_or(most).min(most);
    let first = query.start_index.saturating_sub(1);
    let (page, total) = find(context, resource, &query, first, count).await?;
    let mut resources = Written::default();
    present(context, resource, &query, page, &mut resources).await?;
    Ok(Answer::list(response::response(resources.count(), total, query.start_index), resources))
}

/// The native list of a resource type, or 501.
pub(super) fn listed(resource: &Resource) -> Result<&List, Error> {
    resource.list.as_ref().ok_or_else(|| Error::new(501, format!("the application cannot list {}s", noun(resource))))
}

/// The query with the paths that it means for this resource type.
pub(super) fn meant<'q>(
    context: &Context<'_>,
    resource: &Resource,
    query: &'q ListQuery,
) -> Result<Cow<'q, ListQuery>, Error> {
    if query.filter.is_none() && query.sort_by.is_none() {
        return Ok(Cow::Borrowed(query));
    }
    let kind = &resource.kind;
    context.noting(|leniency, applied| {
        let filter = query.filter.as_ref().map(|filter| dialect::filter_of(kind, filter, leniency, applied));
        let sort_by = query.sort_by.as_ref().map(|path| dialect::path_of(kind, path, leniency, applied));
        let (filter, sort_by) = (filter.transpose()?, sort_by.transpose()?);
        Ok(Cow::Owned(ListQuery { filter, sort_by, ..query.clone() }))
    })
}

/// The matches `first..first + count` in the order that was asked for, and how many there are in all.
pub(super) async fn find(
    context: &Context<'_>,
    resource: &Resource,
    query: &ListQuery,
    first: usize,
    count: usize,
) -> Result<(Vec<Found>, usize), Error> {
    let list = listed(resource)?;
    let query = &*meant(context, resource, query)?;
    if let Some(filter) = &query.filter {
        filter.validate(&resource.kind)?;
    }
    let walked = query.filter.is_some() || query.sort_by.is_some() || !list.is_counted();
    let walked = walked || resource.fixed.is_some();
    if walked {
        let mut found = matching(context, resource, list, query).await?;
        if let Some(by) = &query.sort_by {
            found = sorted(resource, found, by, query.sort_descending);
        }
        let total = found.len();
        Ok((found.into_iter().skip(first).take(count).collect(), total))
    } else {
        window(context, resource, list, first, count).await
    }
}

/// Writes what was found, as clients see it.
pub(super) async fn present(
    context: &Context<'_>,
    resource: &Resource,
    query: &ListQuery,
    page: Vec<Found>,
    out: &mut Written,
) -> Result<(), Error> {
    let list = listed(resource)?;
    let page = complete(context, resource, list, query, page).await?;
    let wanted = resource.links.as_ref().filter(|_| links::are_wanted(resource, &query.projection));
    let mut linked = match wanted {
        Some(_) => {
            let page: Vec<Object<'_>> = page.iter().map(Found::object).collect();
            links::of_each(context, resource, &page).await?
        }
        None => Vec::new(),
    }
    .into_iter();
    let shows_all = context.shows_all(resource, &query.projection, wanted);
    for found in page {
        let linked = wanted.and_then(|links| Some((links.attribute, linked.next()?)));
        if shows_all {
            let mut view = found.view(resource, linked);
            context.describe_view(resource, &mut view);
            out.push_view(&view);
            continue;
        }
        let mut attributes = resource.decode(&found.native);
        if let Some((attribute, linked)) = linked {
            attributes.insert(attribute.to_owned(), linked);
        }
        let resource = context.present(resource, attributes, &query.projection);
        out.push(&context.version.form(resource));
    }
    Ok(())
}

/// The rows `first..first + count` of a list whose application tells how many there are.
async fn window(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    first: usize,
    count: usize,
) -> Result<(Vec<Found>, usize), Error> {
    let (mut items, mut total) = (Vec::new(), 0);
    for part in &list.parts {
        let wanted = count - items.len();
        let (rows, of_part) = window_of(context, resource, part, first.saturating_sub(total), wanted).await?;
        total += of_part;
        items.extend(rows);
    }
    Ok((found(resource, items)?, total))
}

/// The rows `first..first + count` of one native list, and how many it has.
async fn window_of(
    context: &Context<'_>,
    resource: &Resource,
    part: &ListPart,
    first: usize,
    count: usize,
) -> Result<(Vec<Value>, usize), Error> {
    let what = format!("list {}s", noun(resource));
    let mut total = pages::count(&context.native, &what, part).await?;
    if let Some(total) = total.filter(|total| count == 0 || first >= *total) {
        return Ok((Vec::new(), total));
    }
    let mut walk = Walk::new(&part.paging, first, Some(count.max(1)));
    let mut items = Vec::new();
    loop {
        let Some(page) = page(&context.native, &what, part, &mut walk, &[]).await? else {
            // Past the end, which does not tell how many there are.
            return match total {
                Some(total) if items.len() < count && first + items.len() < total => Err(pages::ended_early(&what)),
                Some(total) => Ok((items, total)),
                None if first == 0 => Ok((Vec::new(), 0)),
                None => {
                    let (_, total) = Box::pin(window_of(context, resource, part, 0, 1)).await?;
                    Ok((Vec::new(), total))
                }
            };
        };
        pages::refuse_early_end(&what, &walk)?;
        items.extend(page.items);
        total = page.total.or(total).filter(|total| items.is_empty() || first + items.len() <= *total);
        let Some(total) = total else {
            let all = pages::rows_of_parts(&context.native, &what, &[part], &[]).await?;
            let total = all.len();
            return Ok((all.into_iter().skip(first).take(count).collect(), total));
        };
        if walk.is_done() || items.len() >= count || first + items.len() >= total {
            items.truncate(count);
            return Ok((items, total));
        }
    }
}

/// Every resource that the filter matches, in native order.
async fn matching(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    query: &ListQuery,
) -> Result<Vec<Found>, Error> {
    let Some(filter) = &query.filter else {
        let found = all(context, resource, &list.all_parts(), &[]).await?;
        // Rows may lack what they are to be sorted by.
        return match query.sort_by {
            Some(_) => whole(context, resource, list, found, |path| decides(query, path)).await,
            None => Ok(found),
        };
    };
    if let Some(branches) = alternatives(resource, list, filter) {
        let mut found: Vec<Found> = Vec::new();
        for branch in branches {
            let branch = ListQuery { filter: Some(branch.clone()), ..query.clone() };
            for new in Box::pin(matching(context, resource, list, &branch)).await? {
                let id = resource.scim_id(&new.id);
                if !found.iter().any(|other| resource.scim_id(&other.id) == id) {
                    found.push(new);
                }
            }
        }
        return Ok(found);
    }
    let found = candidates(context, resource, list, filter, |path| decides(query, path)).await?;
    only_matches(context, resource, filter, found).await
}

/// Those of `found` that the filter matches.
pub(super) async fn only_matches(
    context: &Context<'_>,
    resource: &Resource,
    filter: &Filter,
    mut found: Vec<Found>,
) -> Result<Vec<Found>, Error> {
    let attribute = LINKS.into_iter().find(|name| resource.kind.attribute(name).is_some() && filter.names(name));
    let mut linked = match attribute {
        Some(attribute) => {
            let objects: Vec<Object<'_>> = found.iter().map(Found::object).collect();
            match asked(filter, attribute) {
                Some(ids) if links::can_be_found(resource) => links::among(context, resource, &objects, &ids).await?,
                _ if resource.links.is_some() => links::of_each(context, resource, &objects).await?,
                _ => return Err(Error::invalid_filter("the application does not show who the members are")),
            }
        }
        None => Vec::new(),
    }
    .into_iter();
    let of_its_own = ["schemas", "meta"].into_iter().any(|name| filter.names(name));
    found.retain(|found| {
        let mut attributes = resource.decode_some(&found.native, |name| of_its_own || filter.names(name));
        if of_its_own {
            context.describe(resource, &mut attributes);
        }
        if let (Some(attribute), Some(linked)) = (attribute, linked.next()) {
            attributes.insert(attribute.to_owned(), linked);
        }
        filter.matches(&resource.kind, &Value::Object(attributes))
    });
    Ok(found)
}

/// The resources among which the matches are: as few as the application can narrow them to, read whole.
async fn candidates(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    filter: &Filter,
    wanted: impl Fn(&AttributePath) -> bool,
) -> Result<Vec<Found>, Error> {
    let what = format!("find the {}", noun(resource));
    match narrowed(context.native.mapping(), resource, list, filter)? {
        Narrowed::Nothing => Ok(Vec::new()),
        Narrowed::One(id) => one(context, resource, &id).await,
        Narrowed::Rows(parts, parameters) => {
            let rows = all(context, resource, &parts, &parameters).await?;
            whole(context, resource, list, rows, wanted).await
        }
        Narrowed::Call(operation, value) => {
            let scope = Scope { value: Some(&value), ..Scope::default() };
            let object = context.native.object(&what, resource, operation, &scope).await?;
            let object = object.filter(|object| object.as_object().is_none_or(|fields| !fields.is_empty()));
            object.iter().try_for_each(|object| resource.refuse_nameless(&what, object))?;
            whole(context, resource, list, found(resource, object.into_iter().collect())?, wanted).await
        }
        Narrowed::Find(operation, at, value) => {
            let scope = Scope { value: Some(&value), ..Scope::default() };
            let Some(found) = context.native.object(&what, resource, operation, &scope).await? else {
                return Ok(Vec::new());
            };
            match at.get(&found).and_then(|id| resource.id_in(id)) {
                Some(id) => one(context, resource, &id).await,
                None => Err(not_understood(&what, &format!("there is no id at `{at}`"))),
            }
        }
    }
}

/// The resource whose `row` has this value, but for the one with the native id `own`, found by the mapping's native query
/// for it. Values are the same as they are in a filter, where letter case may make no difference; one that is the same
/// to the letter comes first.
pub(super) async fn by_value(
    context: &Context<'_>,
    resource: &Resource,
    row: &Row,
    value: &Value,
    own: Option<&Value>,
) -> Result<Option<Current>, Error> {
    let (Some(list), Ok(path)) = (&resource.list, crate::scim::AttributePath::parse(&row.name)) else {
        return Ok(None);
    };
    let filter = Filter::Compare { path, op: CompareOp::Eq, value: value.clone() };
    // What is found may be what a create has made, and is then answered.
    let found = candidates(context, resource, list, &filter, |_| true).await?;
    let mut alike = None;
    for current in found.into_iter().map(|found| found.into_current(resource)) {
        if own.is_some_and(|own| resource.scim_id(own) == resource.scim_id(&current.id)) {
            continue;
        }
        if row.place.get(&current.attributes).is_some_and(|found| row.is_same(found, value)) {
            return Ok(Some(current));
        }
        if alike.is_none() && filter.matches(&resource.kind, &Value::Object(current.attributes.clone())) {
            alike = Some(current);
        }
    }
    Ok(alike)
}

async fn one(context: &Context<'_>, resource: &Resource, id: &Value) -> Result<Vec<Found>, Error> {
    let native = context.native.read(resource, id).await?;
    found(resource, native.into_iter().collect())
}

pub(super) async fn all(
    context: &Context<'_>,
    resource: &Resource,
    parts: &[&ListPart],
    parameters: &Parameters,
) -> Result<Vec<Found>, Error> {
    if let Some(fixed) = &resource.fixed {
        return found(resource, fixed.clone());
    }
    let what = format!("list {}s", noun(resource));
    let items = pages::rows_of_parts(&context.native, &what, parts, parameters).await?;
    let mut found = found(resource, items)?;
    if parts.len() > 1 {
        // What went from one part into another between the calls is in both: the later call knows better.
        let mut seen = BTreeSet::new();
        found.reverse();
        found.retain(|found| seen.insert(resource.scim_id(&found.id)));
        found.reverse();
    }
    Ok(found)
}

/// Rows with what is wanted of them: read one by one where the list leaves that out.
pub(super) async fn whole(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    rows: Vec<Found>,
    wanted: impl Fn(&AttributePath) -> bool,
) -> Result<Vec<Found>, Error> {
    if list.partial.lacks(wanted) { hydrated(context, resource, rows).await } else { Ok(rows) }
}

/// Native objects as resources. An object without an id that clients could use is none of ours, and neither is one that is
/// none when it is read (`read.absent`); but where no object has anything in the place of the id, that is not where it is.
pub(super) fn found(resource: &Resource, items: Vec<Value>) -> Result<Vec<Found>, Error> {
    let at = resource.id_row().and_then(|row| row.native.as_ref());
    if let Some(at) = at.filter(|at| !items.is_empty() && items.iter().all(|item| at.get(item).is_none())) {
        return Err(not_understood(&format!("list {}s", noun(resource)), &format!("there is no id at `{at}`")));
    }
    let Operation { absent, item, .. } = &resource.read;
    let is_there = |native: &Value| !absent.iter().any(|rule| rule.matches_object(&item.at, native));
    let found = |native: Value| Some(Found { id: resource.id_of(&native)?, native });
    Ok(items.into_iter().filter(is_there).filter_map(found).collect())
}

/// Reads each resource on its own where rows lack fields and the response needs them.
async fn complete(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    query: &ListQuery,
    page: Vec<Found>,
) -> Result<Vec<Found>, Error> {
    let decided = query.filter.is_some() || query.sort_by.is_some();
    let read_already = decided && list.partial.lacks(|path| decides(query, path));
    let wanted = |path: &AttributePath| query.projection.wants(&resource.kind, &path.to_string());
    if read_already { Ok(page) } else { whole(context, resource, list, page, wanted).await }
}

/// Whether what the list is filtered or sorted by is this attribute.
fn decides(query: &ListQuery, path: &AttributePath) -> bool {
    let sorted = query.sort_by.as_ref().is_some_and(|by| by.attribute.eq_ignore_ascii_case(&path.attribute));
    sorted || query.filter.as_ref().is_some_and(|filter| filter.names(&path.attribute))
}

async fn hydrated(context: &Context<'_>, resource: &Resource, rows: Vec<Found>) -> Result<Vec<Found>, Error> {
    let ids: Vec<Value> = rows.into_iter().map(|row| row.id).collect();
    // What is not there has been deleted since the list was read.
    let objects = context.native.read_all(resource, &ids).await?.into_iter().flatten();
    found(resource, objects.collect())
}

fn sorted(resource: &Resource, found: Vec<Found>, by: &AttributePath, descending: bool) -> Vec<Found> {
    let mut keys: Vec<Value> = found.iter().enumerate().map(|(index, it)| sort_key(resource, by, it, index)).collect();
    sort::sort(&resource.kind, &mut keys, by, descending);
    let mut found: Vec<Option<Found>> = found.into_iter().map(Some).collect();
    keys.iter()
        .filter_map(|key| {
            let index = sort_index(key)?;
            found.get_mut(index)?.take()
        })
        .collect()
}

/// What [`sort::sort`] sorts in place of a resource that is `index`th before.
pub(super) fn sort_key(resource: &Resource, by: &AttributePath, found: &Found, index: usize) -> Value {
    let mut attributes = resource.decode_some(&found.native, |name| by.attribute.eq_ignore_ascii_case(name));
    attributes.insert(INDEX.to_owned(), index.into());
    Value::Object(attributes)
}

/// The index in a key of [`sort_key`].
pub(super) fn sort_index(key: &Value) -> Option<usize> {
    usize::try_from(key.get(INDEX)?.as_u64()?).ok()
}

/// A key that no SCIM attribute can have.
const INDEX: &str = " index";
