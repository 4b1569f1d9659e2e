//! Which operation a request is.

use serde_json::Value;

use super::conditional::{self, Conditions, Target};
use super::{Answer, Context, bulk, discovery, list, search, write};
use crate::Engine;
use crate::engine::Tenant;
use crate::exchange::Request;
use crate::mapping::Resource;
use crate::scim::query::ListQuery;
use crate::scim::{Error, Projection, dialect, json};

/// How often a write is begun whose resource others change meanwhile.
const ATTEMPTS: u32 = 3;

/// Hands a request of a client that is known to its operation.
pub(super) async fn route(context: &Context<'_>, engine: &Engine, request: &Request) -> Result<Answer, Error> {
    let Some(target) = engine.scim_path(&request.target) else {
        return Err(Error::new(404, "this is not below the SCIM root"));
    };
    let (path, query) = context.noting(|leniency, applied| dialect::target(target, leniency, applied));
    let segments = segments(path)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let pairs = context.noting(|leniency, applied| dialect::pairs(query, leniency, applied))?;
    let method = request.method.as_str();
    match segments.as_slice() {
        ["" | ".search"] => search::root(context, engine, request, &segments, &pairs).await,
        ["Me", ..] => Err(me()),
        ["Bulk"] => match method {
            "POST" => bulk::bulk(context, engine, request, body(engine, request)?).await,
            _ => Err(not_allowed(method, &["POST"])),
        },
        [endpoint, ".search"] => {
            let resource = resource(context, endpoint)?;
            match method {
                "POST" => search::one_type(context, resource, &body(engine, request)?).await,
                _ => Err(not_allowed(method, &["POST"])),
            }
        }
        ["ServiceProviderConfig" | "ResourceTypes" | "Schemas", ..] => match method {
            "GET" => discovery::answer(context, &segments, &pairs),
            _ => Err(not_allowed(method, &["GET"])),
        },
        [endpoint] => {
            let resource = resource(context, endpoint)?;
            match method {
                "GET" => list::list(context, resource, ListQuery::from_pairs(&pairs, context.reading())?).await,
                "POST" if resource.create.is_some() => {
                    write::create(context, resource, body(engine, request)?, &projection(&pairs)?).await
                }
                _ if resource.create.is_some() => Err(not_allowed(method, &["GET", "POST"])),
                _ => Err(not_allowed(method, &["GET"])),
            }
        }
        [endpoint, id] => {
            let resource = resource(context, endpoint)?;
            let projection = projection(&pairs)?;
            let changeable = resource.update.is_some() || !resource.actions.is_empty() || resource.members.is_some();
            let conditions = Conditions::of(request);
            let target = Target { resource, id, conditions: &conditions };
            if method == "GET" {
                return conditional::get(context, target, &projection).await;
            }
            let mut attempts = 0;
            loop {
                let answer = match method {
                    "PUT" if changeable => write::replace(context, target, body(engine, request)?, &projection).await,
                    "PATCH" if changeable => write::patch(context, target, body(engine, request)?, &projection).await,
                    "DELETE" if resource.delete.is_some() => write::delete(context, target).await,
                    _ => {
                        let mut allowed = vec!["GET"];
                        if changeable {
                            allowed.extend(["PUT", "PATCH"]);
                        }
                        if resource.delete.is_some() {
                            allowed.push("DELETE");
                        }
                        return Err(not_allowed(method, &allowed));
                    }
                };
                attempts += 1;
                // Others were faster: what was asked for is done to what they have made of the resource, if that is what the
                // client's conditions allow. Those are not about what this request itself has made of it.
                match answer {
                    Err(error)
                        if error.conflict && attempts < ATTEMPTS && (conditions.is_empty() || !error.partial) => {}
                    answer => break answer,
                }
            }
        }
        _ => Err(nothing_here(path)),
    }
}

/// `/Me` (RFC 7644 section 3.11).
fn me() -> Error {
    Error::new(501, "`/Me` is the user that a request is made for, and the bearer token of this server stands for none")
}

/// Who the client is, by its bearer token.
pub(super) fn authenticate<'e>(engine: &'e Engine, request: &Request) -> Result<&'e Tenant, Error> {
    let problem = match request.header("authorization").map(|credential| engine.tenant(credential)) {
        Some(Some(tenant)) => return Ok(tenant),
        Some(None) => "the bearer token is not one that this server accepts",
        None => "the request has no bearer token",
    };
    Err(Error::new(401, problem).with_header("www-authenticate", "Bearer realm=\"scim\""))
}

pub(super) fn resource<'e>(context: &Context<'e>, endpoint: &str) -> Result<&'e Resource, Error> {
    let mut resources = context.native.mapping().resources.iter();
    let found =
        resources.find(|resource| resource.kind.endpoint.trim_start_matches('/').eq_ignore_ascii_case(endpoint));
    found.ok_or_else(|| nothing_here(endpoint))
}

fn nothing_here(path: &str) -> Error {
    Error::new(404, format!("there is no resource type at `{path}`"))
}

pub(super) fn not_allowed(method: &str, allowed: &[&str]) -> Error {
    Error::new(405, format!("{method} is not possible here")).with_header("allow", allowed.join(", "))
}

/// The decoded segments of a path.
pub(super) fn segments(path: &str) -> Result<Vec<String>, Error> {
    path.trim_start_matches('/')
        .split('/')
        .map(|segment| {
            let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
            decoded.map(std::borrow::Cow::into_owned).map_err(|_| Error::new(404, "the path is not UTF-8"))
        })
        .collect()
}

fn projection(pairs: &[(String, String)]) -> Result<Projection, Error> {
    let get =
        |name: &str| pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    Projection::new(get("attributes"), get("excludedAttributes"))
}

/// The JSON body of a request.
pub(super) fn body(engine: &Engine, request: &Request) -> Result<Value, Error> {
    if request.body.len() > engine.body_limit() {
        return Err(Error::new(413, format!("the body is larger than {} bytes", engine.body_limit())));
    }
    let media_type = request.header("content-type").unwrap_or("application/scim+json");
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(media_type.as_str(), "application/scim+json" | "application/json" | "") {
        return Err(Error::new(415, format!("`{media_type}` is not accepted: send `application/scim+json`")));
    }
    if let Some(coding) = request.header("content-encoding").filter(|it| !it.trim().eq_ignore_ascii_case("identity")) {
        let error = Error::new(415, format!("a body in `{coding}` is not accepted: send it as it is"));
        return Err(error.with_header("accept-encoding", "identity"));
    }
    if request.body.is_empty() {
        return Err(Error::invalid_syntax("the body is empty"));
    }
    json::parse(&request.body, engine.limits.depth)
}
