//! `POST /.search`: one query over all resource types (RFC 7644 section 3.4.3).

use serde_json::Value;

use super::list::list;
use super::{Answer, Context};
use crate::scim::query::ListQuery;
use crate::scim::{Error, list as response};

/// Answers with the resources of each type that the query finds, one type after the other. A type that the filter does
/// not fit, because it has none of the attributes, has no matches; if it fits none, the query is refused.
pub(super) async fn everywhere(
    context: &Context<'_>,
    query: &ListQuery,
) -> Result<Answer, Error> {
    let resources = &context.native.mapping().resources;
    if query.sort_by.is_some() && resources.len() > 1 {
        return Err(Error::new(
            501,
            "resources of different types cannot be sorted: send the query to one of their endpoints",
        ));
    }
    let skip = query.start_index.saturating_sub(1);
    let most = context.native.mapping().limits.page;
    let count = query.count.unwrap_or(most).min(most);
    let mut found: Vec<Value> = Vec::new();
    let mut total = 0;
    let mut refused = None;
    let mut answered = false;
    for resource in resources.iter().filter(|resource| resource.list.is_some()) {
        if let Some(filter) = &query.filter
            && let Err(error) = filter.validate(&resource.kind)
        {
            refused = Some(error);
            continue;
        }
        answered = true;
        // The page begins in this type, before it, or after its last resource.
        let one = ListQuery {
            start_index: skip.saturating_sub(total).saturating_add(1),
            count: Some(count.saturating_sub(found.len())),
            ..query.clone()
        };
        let body = list(context, resource, &one).await?.body;
        let mut body = body.unwrap_or_default();
        if let Some(Value::Array(page)) = body.get_mut("Resources") {
            found.append(page);
        }
        let of_type = body.get("totalResults").and_then(Value::as_u64);
        total += of_type
            .and_then(|of_type| usize::try_from(of_type).ok())
            .unwrap_or_default();
    }
    match refused {
        Some(error) if !answered => Err(error),
        _ => Ok(Answer::new(
            200,
            response::response(found, total, query.start_index),
        )),
    }
}
