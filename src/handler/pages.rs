//! Native lists, read page by page.

use serde_json::Value;

use super::Context;
use super::native::{Native, unfit};
use crate::exchange::{Request, Response};
use crate::mapping::ListPart;
use crate::mapping::errors::not_understood;
use crate::mapping::paging::{Page, Paging, Style, Walk};
use crate::mapping::template::{CallTemplate, JsonTemplate, Scope, parameters};
use crate::scim::Error;

/// The parameters with which a list is asked, beside those of its paging.
pub(super) type Parameters = [(String, Value)];

/// One page of a native list; `None` where a 404 says that the pages before it were all.
pub(super) async fn page(
    native: &Native<'_>,
    what: &str,
    part: &ListPart,
    walk: &mut Walk<'_>,
    parameters: &Parameters,
) -> Result<Option<Page>, Error> {
    let scope = Scope::default();
    let request = page_request(&part.call, walk, &scope, parameters)?;
    let reply = native.ask(what, request.clone()).await?;
    let page = accept_page(native, what, walk, (&request, &scope), reply)?;
    Ok(page.map(|page| Page { items: page.items.into_iter().map(|row| part.row(row)).collect(), ..page }))
}

fn page_request(
    call: &CallTemplate,
    walk: &Walk<'_>,
    scope: &Scope<'_>,
    parameters: &Parameters,
) -> Result<Request, Error> {
    let mut parameters = parameters.to_vec();
    parameters.extend(walk.parameters());
    let mut request = call.render_list(scope, &parameters).map_err(|reason| unfit(&reason))?;
    walk.address(&mut request);
    Ok(request)
}

/// Takes a reply into a walk; `None` where a numbered page past the end is not there.
fn accept_page(
    native: &Native<'_>,
    what: &str,
    walk: &mut Walk<'_>,
    (request, scope): (&Request, &Scope<'_>),
    reply: Response,
) -> Result<Option<Page>, Error> {
    if walk.is_past_end(&reply) {
        return Ok(None);
    }
    // A 404 is news about a resource only where that has not just been read.
    let reply = match (scope.id, scope.native) {
        (Some(_), None) => native.check(what, reply)?,
        _ => native.check_collection(what, reply)?,
    };
    let body = serde_json::from_slice(&reply.body).map_err(|_| not_understood(what, "it is not JSON"))?;
    walk.take(request, &reply, body, native.authority()).map(Some).map_err(|problem| not_understood(what, &problem))
}

/// Refuses a list that ends before the rows that it is said to have: who is missing would be taken for gone.
pub(super) fn refuse_early_end(what: &str, walk: &Walk<'_>) -> Result<(), Error> {
    if walk.ended_early() { Err(ended_early(what)) } else { Ok(()) }
}

pub(super) fn ended_early(what: &str) -> Error {
    not_understood(what, "the list ends before the number of rows that it is said to have")
}

/// The number of rows of a native list, by the call that counts them.
pub(super) async fn count(native: &Native<'_>, what: &str, part: &ListPart) -> Result<Option<usize>, Error> {
    let Some((call, at)) = &part.count else { return Ok(None) };
    let request = call.render(&Scope::default()).map_err(|reason| unfit(&reason))?;
    let reply = native.ask(what, request).await?;
    let reply = native.check_collection(what, reply)?;
    match at.text(&reply).and_then(|text| text.trim().parse().ok()) {
        Some(count) => Ok(Some(count)),
        None => Err(not_understood(what, "it has no number where the mapping says")),
    }
}

/// Every row of several native lists, one list after the other; together up to `limits.scan`.
pub(super) async fn rows_of_parts(
    native: &Native<'_>,
    what: &str,
    parts: &[&ListPart],
    parameters: &Parameters,
) -> Result<Vec<Value>, Error> {
    let scope = Scope::default();
    let lists: Vec<Asked<'_>> = parts.iter().map(|part| Asked::new(part, scope, parameters.to_vec())).collect();
    let rows = rows_of_lists(native, what, &lists).await?;
    Ok(parts.iter().zip(rows).flat_map(|(part, rows)| part.rows(rows)).collect())
}

/// Every row of a list of resources, asked with further parameters, for each of several scopes.
pub(super) async fn rows_of_list(
    native: &Native<'_>,
    what: &str,
    parts: &[ListPart],
    query: &[(String, JsonTemplate)],
    scopes: &[Scope<'_>],
) -> Result<Vec<Vec<Value>>, Error> {
    let asked = |part: &ListPart, scope: &Scope<'_>| parameters(query, scope, part.call.body.is_some());
    let asked = &asked;
    let lists: Vec<Asked<'_>> = scopes
        .iter()
        .flat_map(|scope| parts.iter().map(move |part| Asked::new(part, *scope, asked(part, scope))))
        .collect();
    let mut rows = rows_of_lists(native, what, &lists).await?.into_iter();
    let of_scope = |_| parts.iter().zip(rows.by_ref()).flat_map(|(part, rows)| part.rows(rows)).collect();
    Ok(scopes.iter().map(of_scope).collect())
}

/// Every row of a native list, up to `limits.scan`.
pub(super) async fn rows(
    context: &Context<'_>,
    what: &str,
    call: &CallTemplate,
    paging: &Paging,
    scope: &Scope<'_>,
) -> Result<Vec<Value>, Error> {
    let lists = rows_of_each(context, what, call, paging, std::slice::from_ref(scope)).await?;
    Ok(lists.into_iter().next().unwrap_or_default())
}

/// Every row of each of several native lists that differ in their scope.
pub(super) async fn rows_of_each(
    context: &Context<'_>,
    what: &str,
    call: &CallTemplate,
    paging: &Paging,
    scopes: &[Scope<'_>],
) -> Result<Vec<Vec<Value>>, Error> {
    let lists: Vec<Asked<'_>> =
        scopes.iter().map(|scope| Asked { call, paging, scope: *scope, parameters: Vec::new() }).collect();
    rows_of_lists(&context.native, what, &lists).await
}

/// A native list, and what it is asked with.
struct Asked<'a> {
    call: &'a CallTemplate,
    paging: &'a Paging,
    scope: Scope<'a>,
    parameters: Vec<(String, Value)>,
}

impl<'a> Asked<'a> {
    /// Whether all rows are asked for: the total of a search may be that of the whole list.
    fn is_whole(&self) -> bool {
        let Scope { value, member, list, .. } = self.scope;
        self.parameters.is_empty() && value.is_none() && member.is_none() && list.is_none()
    }

    fn new(part: &'a ListPart, scope: Scope<'a>, parameters: Vec<(String, Value)>) -> Self {
        Asked { call: &part.call, paging: &part.paging, scope, parameters }
    }
}

/// Every row of each of several native lists, their pages read side by side; together up to `limits.scan`.
async fn rows_of_lists(native: &Native<'_>, what: &str, lists: &[Asked<'_>]) -> Result<Vec<Vec<Value>>, Error> {
    let most = native.mapping().limits.scan;
    let mut walks: Vec<(Walk<'_>, Vec<Value>)> =
        lists.iter().map(|list| (Walk::new(list.paging, 0, None), Vec::new())).collect();
    // An application that hands out pages without rows for ever must not hold a request for ever.
    let (mut rounds, mut count) = (0, 0);
    // What comes in one piece has been read when its rows are counted.
    let come_whole = lists.iter().all(|list| matches!(list.paging.style, Style::Whole));
    while walks.iter().any(|(walk, _)| !walk.is_done()) {
        let due = || lists.iter().enumerate().zip(&walks).filter(|(_, (walk, _))| !walk.is_done());
        let requests = due()
            .map(|((_, list), (walk, _))| page_request(list.call, walk, &list.scope, &list.parameters))
            .collect::<Result<Vec<Request>, Error>>()?;
        let indices: Vec<usize> = due().map(|((index, _), _)| index).collect();
        let replies = native.ask_all(what, requests.clone(), &[]).await?;
        for ((index, request), reply) in indices.into_iter().zip(requests).zip(replies) {
            let (Some((walk, rows)), Some(list)) = (walks.get_mut(index), lists.get(index)) else { continue };
            let page = accept_page(native, what, walk, (&request, &list.scope), reply?)?.unwrap_or_default();
            if list.is_whole() {
                refuse_early_end(what, walk)?;
            }
            count += page.items.len();
            rows.extend(page.items);
        }
        rounds += 1;
        if (count > most && !come_whole) || rounds > most {
            return Err(Error::too_many(format!(
                "more than {most} rows of the application would have to be read: narrow the filter"
            )));
        }
    }
    Ok(walks.into_iter().map(|(_, rows)| rows).collect())
}
