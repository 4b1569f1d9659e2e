//! Searching with POST, and at the root over all resource types (RFC 7644 sections 3.4.2.1 and 3.4.3).

use serde_json::Value;

use super::read::Found;
use super::render::Written;
use super::route::{body, not_allowed};
use super::{Answer, Context, cursor, list};
use crate::Engine;
use crate::exchange::Request;
use crate::mapping::Resource;
use crate::scim::query::ListQuery;
use crate::scim::{Error, ResourceType, list as response, sort};

/// POST of `/{type}/.search`.
pub(super) async fn one_type(context: &Context<'_>, resource: &Resource, body: &Value) -> Result<Answer, Error> {
    list::list(context, resource, ListQuery::from_search(body, context.reading())?).await
}

/// POST of `/.search`, or GET of the root itself.
pub(super) async fn root(
    context: &Context<'_>,
    engine: &Engine,
    request: &Request,
    segments: &[&str],
    pairs: &[(String, String)],
) -> Result<Answer, Error> {
    let reading = context.reading();
    let mut query = match (request.method.as_str(), segments) {
        ("GET", [""]) => ListQuery::from_pairs(pairs, reading)?,
        ("POST", [".search"]) => ListQuery::from_search(&body(engine, request)?, reading)?,
        (method, [""]) => return Err(not_allowed(method, &["GET"])),
        (method, _) => return Err(not_allowed(method, &["POST"])),
    };
    context.note(std::mem::take(&mut query.applied));
    let types: Vec<&Resource> = searchable(context);
    if query.cursor.is_some() {
        return cursor::page(context, &types, &query).await;
    }
    let most = context.native.mapping().limits.page;
    let count = query.count.unwrap_or(most).min(most);
    let first = query.start_index.saturating_sub(1);
    let (page, total) = match &query.sort_by {
        None => concatenated(context, &types, &query, first, count).await?,
        Some(_) => merged(context, &types, &query, first, count).await?,
    };
    let mut resources = Written::default();
    for (resource, run) in page {
        list::present(context, resource, &query, run, &mut resources).await?;
    }
    Ok(Answer::list(response::response(resources.count(), total, query.start_index), resources))
}

/// The resource types that the application can list.
fn searchable<'e>(context: &Context<'e>) -> Vec<&'e Resource> {
    let resources = context.native.mapping().resources.iter();
    resources.filter(|resource| resource.list.is_some()).collect()
}

/// Resources of one type that follow each other in a response.
type Run<'e> = (&'e Resource, Vec<Found>);

/// The types' lists one after the other.
async fn concatenated<'e>(
    context: &Context<'_>,
    types: &[&'e Resource],
    query: &ListQuery,
    first: usize,
    count: usize,
) -> Result<(Vec<Run<'e>>, usize), Error> {
    let (mut page, mut total, mut taken) = (Vec::new(), 0, 0);
    for resource in types {
        let skip = first.saturating_sub(total);
        let (found, of_type) = list::find(context, resource, query, skip, count - taken).await?;
        total += of_type;
        taken += found.len();
        page.push((*resource, found));
    }
    Ok((page, total))
}

/// All matches of all types in one order. What has no such attribute comes where what has no value comes.
async fn merged<'e>(
    context: &Context<'_>,
    types: &[&'e Resource],
    query: &ListQuery,
    first: usize,
    count: usize,
) -> Result<(Vec<Run<'e>>, usize), Error> {
    let Some(by) = &query.sort_by else {
        return Ok((Vec::new(), 0));
    };
    let mut all: Vec<Option<(&'e Resource, Found)>> = Vec::new();
    for resource in types {
        let (found, _) = list::find(context, resource, query, 0, usize::MAX).await?;
        all.extend(found.into_iter().map(|found| Some((*resource, found))));
    }
    let has = |resource: &&&Resource| resource.kind.resolve(by).is_some();
    let kind: Option<&ResourceType> = types.iter().find(has).map(|resource| &resource.kind);
    let mut keys: Vec<Value> = all
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
        .map(|(index, (resource, found))| list::sort_key(resource, by, found, index))
        .collect();
    if let Some(kind) = kind {
        sort::sort(kind, &mut keys, by, query.sort_descending);
    }
    let total = keys.len();
    let mut page: Vec<Run<'e>> = Vec::new();
    for key in keys.iter().skip(first).take(count) {
        let entry = list::sort_index(key).and_then(|index| all.get_mut(index)?.take());
        if let Some((resource, found)) = entry {
            page.push((resource, vec![found]));
        }
    }
    Ok((page, total))
}
