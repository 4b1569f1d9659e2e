//! Native lists, read page by page.

use serde_json::Value;

use super::Context;
use super::native::{is_absent, unfit};
use crate::exchange::{Request, Response};
use crate::mapping::errors::not_understood;
use crate::mapping::paging::{Page, Paging, Walk};
use crate::mapping::template::{CallTemplate, Scope};
use crate::scim::Error;

/// One page of a native list; `None` where a 404 says that the pages before it were all.
pub(super) async fn page(
    context: &Context<'_>,
    what: &str,
    call: &CallTemplate,
    walk: &mut Walk<'_>,
    scope: &Scope<'_>,
    query: &[(String, String)],
) -> Result<Option<Page>, Error> {
    let request = page_request(call, walk, scope, query)?;
    let reply = context.native.send(what, request.clone()).await?;
    accept_page(context, what, walk, (&request, scope), reply)
}

fn page_request(
    call: &CallTemplate,
    walk: &Walk<'_>,
    scope: &Scope<'_>,
    query: &[(String, String)],
) -> Result<Request, Error> {
    let mut parameters = query.to_vec();
    parameters.extend(walk.parameters());
    let body = call.body.as_ref().map(|body| body.render(scope));
    let mut request = call.render_with(scope, &parameters, body).map_err(|reason| unfit(&reason))?;
    walk.address(&mut request);
    Ok(request)
}

/// Takes a reply into a walk; `None` where a numbered page past the end is not there.
fn accept_page(
    context: &Context<'_>,
    what: &str,
    walk: &mut Walk<'_>,
    (request, scope): (&Request, &Scope<'_>),
    reply: Response,
) -> Result<Option<Page>, Error> {
    if walk.is_numbered_further() && is_absent(&reply, &[]) {
        walk.end();
        return Ok(None);
    }
    let reply = match scope.id {
        Some(_) => context.native.check(what, reply)?,
        None => context.native.check_collection(what, reply)?,
    };
    let body = serde_json::from_slice(&reply.body).map_err(|_| not_understood(what, "it is not JSON"))?;
    walk.take(request, &reply, body, context.native.authority())
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
    let lists = rows_of_each(context, what, call, paging, std::slice::from_ref(scope), query).await?;
    Ok(lists.into_iter().next().unwrap_or_default())
}

/// Every row of each of several native lists, their pages read side by side; together up to `limits.scan`.
pub(super) async fn rows_of_each(
    context: &Context<'_>,
    what: &str,
    call: &CallTemplate,
    paging: &Paging,
    scopes: &[Scope<'_>],
    query: &[(String, String)],
) -> Result<Vec<Vec<Value>>, Error> {
    let most = context.native.mapping().limits.scan;
    let mut walks: Vec<(Walk<'_>, Vec<Value>)> =
        scopes.iter().map(|_| (Walk::new(paging, 0, None), Vec::new())).collect();
    // An application that hands out pages without rows for ever must not hold a request for ever.
    let (mut rounds, mut count) = (0, 0);
    while walks.iter().any(|(walk, _)| !walk.is_done()) {
        let due = || scopes.iter().enumerate().zip(&walks).filter(|(_, (walk, _))| !walk.is_done());
        let requests = due()
            .map(|((_, scope), (walk, _))| page_request(call, walk, scope, query))
            .collect::<Result<Vec<Request>, Error>>()?;
        let indices: Vec<usize> = due().map(|((index, _), _)| index).collect();
        let replies = context.native.send_all(what, requests.clone()).await?;
        for ((index, request), reply) in indices.into_iter().zip(requests).zip(replies) {
            let Some((walk, rows)) = walks.get_mut(index) else { continue };
            let Some(scope) = scopes.get(index) else { continue };
            let page = accept_page(context, what, walk, (&request, scope), reply?)?.unwrap_or_default();
            count += page.items.len();
            rows.extend(page.items);
        }
        rounds += 1;
        if count > most || rounds > most {
            return Err(Error::too_many(format!(
                "more than {most} rows of the application would have to be read: narrow the filter"
            )));
        }
    }
    Ok(walks.into_iter().map(|(_, rows)| rows).collect())
}
