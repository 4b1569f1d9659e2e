//! Bulk requests (RFC 7644 section 3.7): each operation goes the way that a request of its own would go.

use std::collections::BTreeMap;

use serde_json::Value;

use super::route::{route, segments};
use super::{Answer, Context, Version, version1};
use crate::Engine;
use crate::exchange::{Request, header};
use crate::mapping::codec::last_segment;
use crate::scim::Error;
use crate::scim::bulk::{self, BulkOperation, BulkRequest};
use crate::scim::json::gathered;

/// POST of `/Bulk`.
///
/// Operations run one after the other, those that others refer to first; the response lists them as they were sent.
/// After `failOnErrors` failures, what has not run is left out of it.
pub(super) async fn bulk(
    context: &Context<'_>,
    engine: &Engine,
    request: &Request,
    body: Value,
) -> Result<Answer, Error> {
    let mapping = context.native.mapping();
    if mapping.limits.bulk == 0 {
        return Err(Error::new(501, "this server takes no bulk requests"));
    }
    let bulk = bulk::parse(body, mapping.limits.bulk, mapping.leniency)?;
    let (order, stuck) = bulk.order();
    let mut ids = BTreeMap::new();
    let mut outcomes: BTreeMap<usize, Value> = BTreeMap::new();
    let mut failures = 0;
    for index in &order {
        let Some(operation) = bulk.operations.get(*index) else {
            continue;
        };
        let result = if stuck.contains(index) {
            Err(Error::new(409, "the operations refer to each other in a circle"))
        } else {
            run(context, engine, request, (&bulk, operation), &ids).await
        };
        failures += usize::from(result.is_err());
        if let (Ok(done), Some(name)) = (&result, operation.resource())
            && let Some(id) = &done.id
        {
            ids.insert(name.to_owned(), id.clone());
        }
        outcomes.insert(*index, outcome(context, operation, &ids, result));
        if bulk.fail_on_errors.is_some_and(|most| failures >= most) {
            break;
        }
    }
    Ok(Answer::new(200, bulk::response(outcomes.into_values().collect())))
}

/// What an operation that succeeded leaves behind.
struct Done {
    status: u16,
    /// The id of a created resource, or of one that has got another one.
    id: Option<String>,
    location: Option<String>,
    version: Option<String>,
}

async fn run(
    context: &Context<'_>,
    engine: &Engine,
    request: &Request,
    (bulk, operation): (&BulkRequest, &BulkOperation),
    ids: &BTreeMap<String, String>,
) -> Result<Done, Error> {
    if let Some(name) = operation.references().into_iter().find(|name| !ids.contains_key(*name)) {
        return Err(if bulk.names(name) {
            Error::new(409, format!("the operation `{name}`, which this one refers to, did not succeed"))
        } else {
            Error::invalid_value(format!("no operation has the bulkId `{name}`"))
        });
    }
    let mut operation = operation.clone();
    operation.resolve(ids);
    let single = single(engine, request, &operation)?;
    let answer = match context.version {
        Version::One => Box::pin(version1::answer(context, engine, &single, &operation.path)).await?,
        Version::Two => Box::pin(route(context, engine, &single)).await?,
    };
    let field = |name: &str| header(&answer.headers, name).map(str::to_owned);
    let location = field("location");
    let id = location.as_deref().and_then(last_segment);
    Ok(Done { status: answer.status, id, location, version: field("etag") })
}

/// The request that an operation would be on its own.
fn single(engine: &Engine, request: &Request, operation: &BulkOperation) -> Result<Request, Error> {
    let path = operation.path.split('?').next().unwrap_or_default();
    let segments = segments(path.trim_matches('/'))?;
    let fits = match gathered::<Vec<&str>, _>(segments.iter().map(String::as_str)).as_slice() {
        [endpoint] => operation.method == "POST" && !matches!(*endpoint, "Bulk" | ".search" | ""),
        [_, id] => operation.method != "POST" && *id != ".search",
        _ => false,
    };
    if !fits {
        return Err(Error::invalid_value(format!(
            "`{}` is not the path of a resource that {} can work on",
            operation.path, operation.method
        )));
    }
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "if-match" | "if-none-match" | "x-http-method-override"))
        .cloned()
        .collect();
    if let Some(version) = &operation.version {
        headers.push(("if-match".to_owned(), version.clone()));
    }
    let body = match &operation.data {
        Value::Null => Vec::new(),
        data => data.to_string().into_bytes(),
    };
    Ok(Request { method: operation.method.clone(), target: engine.scim_target(&operation.path), headers, body })
}

fn outcome(
    context: &Context<'_>,
    operation: &BulkOperation,
    ids: &BTreeMap<String, String>,
    result: Result<Done, Error>,
) -> Value {
    let own = || {
        let mut resolved = operation.clone();
        resolved.resolve(ids);
        let path = resolved.path.split('?').next().unwrap_or_default();
        (operation.method != "POST").then(|| format!("{}{path}", context.base))
    };
    match result {
        Ok(done) => {
            let location = done.location.or_else(own);
            operation.outcome(done.status, location.as_deref(), done.version.as_deref(), None)
        }
        Err(error) => operation.outcome(error.status, own().as_deref(), None, Some(error.body())),
    }
}
