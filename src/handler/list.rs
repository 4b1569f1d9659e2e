//! Listing and filtering: narrow natively, decide exactly.

use serde_json::Value;

use super::cursor;
use super::native::{is_absent, noun, unfit};
use super::read::{Current, with_members};
use super::{Answer, Context};
use crate::exchange::Request;
use crate::mapping::errors::not_understood;
use crate::mapping::language::Unnarrowed;
use crate::mapping::paging::{Page, Paging, Walk};
use crate::mapping::template::{CallTemplate, Scope, query_text};
use crate::mapping::{How, List, Narrowing, Operation, Resource, Row};
use crate::scim::query::ListQuery;
use crate::scim::filter::Term;
use crate::scim::{AttributePath, CompareOp, Error, Filter, list as response, sort};

/// GET of a collection (RFC 7644 section 3.4.2).
pub(super) async fn list(
    context: &Context<'_>,
    resource: &Resource,
    query: &ListQuery,
) -> Result<Answer, Error> {
    if query.cursor.is_some() {
        return cursor::page(context, &[resource], query).await;
    }
    let most = context.native.mapping().limits.page;
    let count = query.count.unwrap_or(most).min(most);
    let first = query.start_index.saturating_sub(1);
    let (page, total) = find(context, resource, query, first, count).await?;
    let resources = presented(context, resource, query, page).await?;
    Ok(Answer::new(
        200,
        response::response(resources, total, query.start_index),
    ))
}

/// The native list of a resource type, or 501.
pub(super) fn listed(resource: &Resource) -> Result<&List, Error> {
    resource.list.as_ref().ok_or_else(|| {
        Error::new(
            501,
            format!("the application cannot list {}s", noun(resource)),
        )
    })
}

/// The matches `first..first + count` in the order that was asked for, and how many there are in all.
pub(super) async fn find(
    context: &Context<'_>,
    resource: &Resource,
    query: &ListQuery,
    first: usize,
    count: usize,
) -> Result<(Vec<Current>, usize), Error> {
    let list = listed(resource)?;
    if let Some(filter) = &query.filter {
        filter.validate(&resource.kind)?;
    }
    let walked =
        query.filter.is_some() || query.sort_by.is_some() || !list.paging.is_random_access();
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

/// What was found, as clients see it.
pub(super) async fn presented(
    context: &Context<'_>,
    resource: &Resource,
    query: &ListQuery,
    page: Vec<Current>,
) -> Result<Vec<Value>, Error> {
    let list = listed(resource)?;
    let page = complete(context, resource, list, query, page).await?;
    let mut resources = Vec::with_capacity(page.len());
    for current in &page {
        let attributes = with_members(context, resource, current, &query.projection).await?;
        resources.push(context.present(resource, attributes, &query.projection));
    }
    Ok(resources)
}

/// The rows `first..first + count` of a list whose application pages by number and tells the total.
async fn window(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    first: usize,
    count: usize,
) -> Result<(Vec<Current>, usize), Error> {
    let what = format!("list {}s", noun(resource));
    let mut walk = Walk::new(&list.paging, first, Some(count.max(1)));
    let mut items = Vec::new();
    loop {
        let page = page(
            context,
            &what,
            &list.call,
            &mut walk,
            &Scope::default(),
            &[],
        )
        .await?;
        let Some(page) = page else {
            // Past the end, which does not tell how many there are.
            if first == 0 {
                return Ok((Vec::new(), 0));
            }
            let (_, total) = Box::pin(window(context, resource, list, 0, 1)).await?;
            return Ok((Vec::new(), total));
        };
        items.extend(page.items);
        let Some(total) = page.total else {
            let all = all(context, resource, list, &[]).await?;
            let total = all.len();
            return Ok((all.into_iter().skip(first).take(count).collect(), total));
        };
        if walk.is_done() || items.len() >= count {
            items.truncate(count);
            return Ok((currents(resource, items), total));
        }
    }
}

/// Every resource that the filter matches, in native order.
async fn matching(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    query: &ListQuery,
) -> Result<Vec<Current>, Error> {
    let Some(filter) = &query.filter else {
        let found = all(context, resource, list, &[]).await?;
        // Rows may lack what they are to be sorted by.
        return match query.sort_by {
            Some(_) if list.partial => hydrated(context, resource, found).await,
            _ => Ok(found),
        };
    };
    if let Some(branches) = looked_up(resource, list, filter) {
        let mut found: Vec<Current> = Vec::new();
        for branch in branches {
            let branch = ListQuery {
                filter: Some(branch.clone()),
                ..query.clone()
            };
            for current in Box::pin(matching(context, resource, list, &branch)).await? {
                if !found
                    .iter()
                    .any(|other| other.attributes.get("id") == current.attributes.get("id"))
                {
                    found.push(current);
                }
            }
        }
        return Ok(found);
    }
    let found = candidates(context, resource, list, filter).await?;
    only_matches(context, resource, list, filter, found).await
}

/// Those of `found` that the filter matches.
pub(super) async fn only_matches(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    filter: &Filter,
    mut found: Vec<Current>,
) -> Result<Vec<Current>, Error> {
    let asked = asked_members(filter);
    if list.partial {
        found = hydrated(context, resource, found).await?;
    }
    let mut matched = Vec::new();
    for mut current in found {
        if mentions_members(filter) {
            let among = match &asked {
                Some(ids) => {
                    super::members::among(context, resource, &current.id, ids).await?
                }
                None => None,
            };
            let members = match among {
                Some(members) => members,
                None => super::members::of(context, resource, &current.id, &current.native).await?,
            };
            current.attributes.insert("members".to_owned(), members);
        }
        let attributes = Value::Object(std::mem::take(&mut current.attributes));
        let matches = filter.matches(&resource.kind, &attributes);
        if let (true, Value::Object(mut attributes)) = (matches, attributes) {
            attributes.remove("members");
            current.attributes = attributes;
            matched.push(current);
        }
    }
    Ok(matched)
}

/// The branches of an `or` at the top of a filter, if each is narrowed on its own.
pub(super) fn looked_up<'f>(
    resource: &Resource,
    list: &List,
    filter: &'f Filter,
) -> Option<&'f [Filter]> {
    alternatives(filter).filter(|branches| {
        branches
            .iter()
            .all(|branch| never_matches(resource, branch) || is_narrowed(resource, list, branch))
    })
}

/// The branches of an `or` at the top of a filter: each may be narrowed on its own.
fn alternatives(filter: &Filter) -> Option<&[Filter]> {
    match filter {
        Filter::Or(branches) if branches.len() <= 20 => Some(branches),
        _ => None,
    }
}

/// Whether the filter asks for a value of something that has no home here: then nothing can match, and an identity
/// provider that looks an account up by it goes on to its next rule.
fn never_matches(resource: &Resource, filter: &Filter) -> bool {
    let homeless = |path: &AttributePath| match resource.kind.canonical(path) {
        None => true,
        // Every resource type has it by definition, but not every application.
        Some(path) => {
            let at = |row: &Row| row.place.extension.is_none() && row.place.attribute == EXTERNAL_ID;
            path.schema.is_none()
                && path.attribute == EXTERNAL_ID
                && !resource.rows.iter().any(at)
        }
    };
    filter.conjuncts().into_iter().any(|term| match term {
        Filter::Compare { path, op, value } => {
            *op != CompareOp::Ne && !value.is_null() && homeless(path)
        }
        Filter::Present(path) | Filter::ValuePath { path, .. } => homeless(path),
        _ => false,
    })
}

const EXTERNAL_ID: &str = "externalId";

/// Whether the application can be asked for less than the whole list.
fn is_narrowed(resource: &Resource, list: &List, filter: &Filter) -> bool {
    filter
        .terms(&resource.kind)
        .iter()
        .any(|term| is_id(term) || declared(resource, list, term).is_some())
}

fn is_id(term: &Term<'_>) -> bool {
    term.path.schema.is_none() && term.path.attribute == "id" && term.op == CompareOp::Eq
}

fn declared<'l>(resource: &Resource, list: &'l List, term: &Term<'_>) -> Option<&'l Narrowing> {
    list.filters.iter().find(|it| {
        let row = it.row.and_then(|index| resource.rows.get(index));
        it.op == term.op
            && covers(resource, it, &term.path)
            && row.is_none_or(|row| row.codec.is_exact(term.value))
    })
}

fn mentions_members(filter: &Filter) -> bool {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().any(mentions_members),
        Filter::Not(term) => mentions_members(term),
        Filter::Compare { path, .. } | Filter::Present(path) | Filter::ValuePath { path, .. } => {
            path.attribute.eq_ignore_ascii_case("members")
        }
    }
}

/// The ids that a filter compares members with, if it does nothing else with members.
fn asked_members(filter: &Filter) -> Option<Vec<String>> {
    let all = |terms: &[Filter]| {
        let asked: Option<Vec<_>> = terms.iter().map(asked_members).collect();
        asked.map(|ids| ids.into_iter().flatten().collect())
    };
    let is_value =
        |name: Option<&str>| name.is_none_or(|name| name.eq_ignore_ascii_case("value"));
    match filter {
        _ if !mentions_members(filter) => Some(Vec::new()),
        Filter::And(terms) | Filter::Or(terms) => all(terms),
        Filter::Not(term) => asked_members(term),
        Filter::Compare { path, op, value }
            if *op == CompareOp::Eq
                && path.filter.is_none()
                && is_value(path.sub_attribute.as_deref()) =>
        {
            Some(vec![value.as_str()?.to_owned()])
        }
        Filter::ValuePath { filter, .. } => match filter.as_ref() {
            Filter::Compare { path, op, value }
                if *op == CompareOp::Eq
                    && is_value(Some(path.attribute.as_str())) =>
            {
                Some(vec![value.as_str()?.to_owned()])
            }
            _ => None,
        },
        _ => None,
    }
}

/// Where the matches of a filter are to be looked for.
pub(super) enum Narrowed<'m> {
    /// Nowhere.
    Nothing,
    /// In the resource with this native id.
    One(Value),
    /// In the answer of this call, given this value.
    Call(&'m Operation, Value),
    /// In the list with these query parameters.
    Rows(Vec<(String, String)>),
}

/// As few resources as the application can narrow a filter without an `or` at its top to.
pub(super) fn narrowed<'m>(
    resource: &'m Resource,
    list: &'m List,
    filter: &Filter,
) -> Result<Narrowed<'m>, Error> {
    if never_matches(resource, filter) {
        return Ok(Narrowed::Nothing);
    }
    for term in filter.terms(&resource.kind) {
        let Some(narrowing) = declared(resource, list, &term) else {
            if is_id(&term) {
                // The id is the key: no list is needed to find one resource, whatever the mapping says.
                let id = resource.native_id(term.value.as_str().unwrap_or_default());
                return Ok(id.map_or(Narrowed::Nothing, Narrowed::One));
            }
            continue;
        };
        let row = narrowing.row.and_then(|index| resource.rows.get(index));
        let value = match row {
            // A value that the application cannot have is one that no resource has.
            Some(row) => match row.encode(term.value) {
                Ok(value) => value,
                Err(_) => return Ok(Narrowed::Nothing),
            },
            None => term.value.clone(),
        };
        let scope = Scope {
            value: Some(&value),
            ..Scope::default()
        };
        return Ok(match &narrowing.how {
            How::Query(query) => Narrowed::Rows(
                query
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), query_text(value, &scope)?)))
                    .collect(),
            ),
            How::Read(id) => Narrowed::One(id.plain(&scope).into()),
            How::Call(operation) => Narrowed::Call(operation, value),
        });
    }
    match list.otherwise {
        Unnarrowed::Scan => Ok(Narrowed::Rows(Vec::new())),
        Unnarrowed::Reject => Err(Error::invalid_filter(format!(
            "the application cannot search by this; it can search by: {}",
            list.filters
                .iter()
                .map(|it| format!("{} {}", it.path, it.op.as_str()))
                .collect::<Vec<_>>()
                .join(", ")
        ))),
    }
}

/// The resources among which the matches are.
async fn candidates(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    filter: &Filter,
) -> Result<Vec<Current>, Error> {
    match narrowed(resource, list, filter)? {
        Narrowed::Nothing => Ok(Vec::new()),
        Narrowed::One(id) => one(context, resource, Some(id)).await,
        Narrowed::Rows(query) => all(context, resource, list, &query).await,
        Narrowed::Call(operation, value) => {
            let what = format!("find the {}", noun(resource));
            let scope = Scope {
                value: Some(&value),
                ..Scope::default()
            };
            let found = context
                .native
                .object(&what, resource, operation, &scope)
                .await?;
            Ok(currents(resource, found.into_iter().collect()))
        }
    }
}

/// Whether a native query by `narrowing` finds everything that a term on `path` can match: the same path, or the
/// whole attribute where the narrowed row is its only home.
fn covers(resource: &Resource, narrowing: &Narrowing, path: &AttributePath) -> bool {
    let same_but_filter = narrowing.path.schema == path.schema
        && narrowing.path.attribute == path.attribute
        && narrowing.path.sub_attribute == path.sub_attribute;
    if !same_but_filter {
        return false;
    }
    let homes = resource.rows.iter().filter(|row| {
        row.place.attribute == path.attribute
            && row.place.extension == path.schema
            && row.place.sub == path.sub_attribute
    });
    narrowing.path.filter == path.filter || (path.filter.is_none() && homes.count() == 1)
}

/// The resource whose `row` has this value, found by the mapping's native query for it.
pub(super) async fn by_value(
    context: &Context<'_>,
    resource: &Resource,
    row: &Row,
    value: &Value,
) -> Result<Option<Current>, Error> {
    let (Some(list), Ok(path)) = (&resource.list, crate::scim::AttributePath::parse(&row.name))
    else {
        return Ok(None);
    };
    let filter = Filter::Compare {
        path,
        op: CompareOp::Eq,
        value: value.clone(),
    };
    let found = candidates(context, resource, list, &filter).await?;
    Ok(found
        .into_iter()
        .find(|current| row.place.get(&current.attributes) == Some(value)))
}

async fn one(
    context: &Context<'_>,
    resource: &Resource,
    id: Option<Value>,
) -> Result<Vec<Current>, Error> {
    let native = match id {
        Some(id) => context.native.read(resource, &id).await?,
        None => None,
    };
    Ok(currents(resource, native.into_iter().collect()))
}

async fn all(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    query: &[(String, String)],
) -> Result<Vec<Current>, Error> {
    let what = format!("list {}s", noun(resource));
    let items = rows(
        context,
        &what,
        &list.call,
        &list.paging,
        &Scope::default(),
        query,
    )
    .await?;
    Ok(currents(resource, items))
}

/// Native objects as resources. An object without an id that clients could use is none of ours.
pub(super) fn currents(resource: &Resource, items: Vec<Value>) -> Vec<Current> {
    let id_at = resource.id_row().and_then(|row| row.native.as_ref());
    let current = |native: Value| {
        let id = id_at?.get(&native)?.clone();
        let attributes = resource.decode(&native);
        attributes.get("id")?;
        Some(Current {
            id,
            native,
            attributes,
        })
    };
    items.into_iter().filter_map(current).collect()
}

/// Reads each resource on its own where rows lack fields and the response needs them.
async fn complete(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    query: &ListQuery,
    page: Vec<Current>,
) -> Result<Vec<Current>, Error> {
    let read_already = query.filter.is_some() || query.sort_by.is_some();
    if list.partial && !read_already {
        hydrated(context, resource, page).await
    } else {
        Ok(page)
    }
}

async fn hydrated(
    context: &Context<'_>,
    resource: &Resource,
    rows: Vec<Current>,
) -> Result<Vec<Current>, Error> {
    let what = format!("read the {}", noun(resource));
    let render = |row: &Current| {
        resource.read.call.render(&Scope {
            id: Some(&row.id),
            ..Scope::default()
        })
    };
    let requests: Vec<Request> = rows
        .iter()
        .map(render)
        .collect::<Result<_, _>>()
        .map_err(|reason| unfit(&reason))?;
    let mut found = Vec::with_capacity(rows.len());
    for reply in context.native.send_all(&what, requests).await? {
        let reply = reply?;
        if is_absent(&reply, &resource.read.absent) {
            // Deleted since the list was read.
            continue;
        }
        let reply = context.native.check(&what, reply)?;
        let object = super::native::item(resource, &resource.read.item, &reply)
            .ok_or_else(|| not_understood(&what, "it has no object where the mapping says"))?;
        found.push(object);
    }
    Ok(currents(resource, found))
}

fn sorted(
    resource: &Resource,
    found: Vec<Current>,
    by: &AttributePath,
    descending: bool,
) -> Vec<Current> {
    let mut keys: Vec<Value> = found
        .iter()
        .enumerate()
        .map(|(index, current)| sort_key(current, index))
        .collect();
    sort::sort(&resource.kind, &mut keys, by, descending);
    let mut found: Vec<Option<Current>> = found.into_iter().map(Some).collect();
    keys.iter()
        .filter_map(|key| {
            let index = sort_index(key)?;
            found.get_mut(index)?.take()
        })
        .collect()
}

/// What [`sort::sort`] sorts in place of a resource that is `index`th before.
pub(super) fn sort_key(current: &Current, index: usize) -> Value {
    let mut attributes = current.attributes.clone();
    attributes.insert(INDEX.to_owned(), index.into());
    Value::Object(attributes)
}

/// The index in a key of [`sort_key`].
pub(super) fn sort_index(key: &Value) -> Option<usize> {
    usize::try_from(key.get(INDEX)?.as_u64()?).ok()
}

/// A key that no SCIM attribute can have.
const INDEX: &str = " index";

/// One page of a native list; `None` where a 404 says that the pages before it were all.
pub(super) async fn page(
    context: &Context<'_>,
    what: &str,
    call: &CallTemplate,
    walk: &mut Walk<'_>,
    scope: &Scope<'_>,
    query: &[(String, String)],
) -> Result<Option<Page>, Error> {
    let mut parameters = query.to_vec();
    parameters.extend(walk.parameters());
    let mut request = call
        .render_with(scope, &parameters, None)
        .map_err(|reason| unfit(&reason))?;
    walk.address(&mut request);
    let reply = context.native.send(what, request.clone()).await?;
    if walk.is_numbered_further() && is_absent(&reply, &[]) {
        return Ok(None);
    }
    let reply = match scope.id {
        Some(_) => context.native.check(what, reply)?,
        None => context.native.check_collection(what, reply)?,
    };
    let body =
        serde_json::from_slice(&reply.body).map_err(|_| not_understood(what, "it is not JSON"))?;
    walk.take(&request, &reply, body, context.native.authority())
        .map(Some)
        .map_err(|problem| not_understood(what, &problem))
}

/// Every row of a native list, up to `limits.scan`.
pub(super) async fn rows(
    context: &Context<'_>,
    what: &str,
    call: &CallTemplate,
    paging: &Paging,
    scope: &Scope<'_>,
    query: &[(String, String)],
) -> Result<Vec<Value>, Error> {
    let most = context.native.mapping().limits.scan;
    let mut walk = Walk::new(paging, 0, None);
    let mut items = Vec::new();
    // An application that hands out pages without rows for ever must not hold a request for ever.
    let mut pages = 0;
    while !walk.is_done() {
        let Some(page) = page(context, what, call, &mut walk, scope, query).await? else {
            break;
        };
        items.extend(page.items);
        pages += 1;
        if items.len() > most || pages > most {
            return Err(Error::too_many(format!(
                "more than {most} rows of the application would have to be read: narrow the filter"
            )));
        }
    }
    Ok(items)
}
