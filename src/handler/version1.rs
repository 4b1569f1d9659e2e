//! SCIM 1.1 on a base path of its own: requests are brought into the form of SCIM 2.0, go the way of every request,
//! and their responses are brought back.

use serde_json::Value;

use super::route::{body, not_allowed, resource, route, segments};
use super::{Answer, Context, bulk, discovery, respond};
use crate::Engine;
use crate::exchange::{Request, Response};
use crate::mapping::language::Access;
use crate::mapping::{Mapping, Resource};
use crate::scim::{Error, ResourceType, dialect, version1};

/// Answers a request for `target`, the path below the root of SCIM 1.1 with the query.
pub(super) async fn handle(context: &Context<'_>, engine: &Engine, request: &Request, target: &str) -> Response {
    match answer(context, engine, request, target).await {
        Ok(mut answer) => {
            let headers = std::mem::take(&mut answer.headers);
            respond(answer.status, headers, answer.text(), "application/json")
        }
        Err(error) => error_response(error),
    }
}

/// The response that tells a client of an error.
pub(super) fn error_response(error: Error) -> Response {
    let body = version1::error(&error).to_string().into_bytes();
    respond(error.status, error.headers, body, "application/json")
}

/// The answer to a request for `target`, which an operation of a bulk request may be too.
pub(super) async fn answer(
    context: &Context<'_>,
    engine: &Engine,
    request: &Request,
    target: &str,
) -> Result<Answer, Error> {
    let (path, parameters) = context.noting(|leniency, applied| dialect::target(target, leniency, applied));
    let parameters = context.noting(|leniency, applied| dialect::pairs(parameters, leniency, applied))?;
    let decoded = segments(path)?;
    let decoded: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let mapping = context.native.mapping();
    let method = method(request);
    let types = || -> Vec<ResourceType> { mapping.resources.iter().map(discovery::published).collect() };
    match decoded.as_slice() {
        ["ServiceProviderConfigs" | "ServiceProviderConfig" | "ResourceTypes" | "Schemas", ..] if method != "GET" => {
            Err(not_allowed(method, &["GET"]))
        }
        ["ServiceProviderConfigs" | "ServiceProviderConfig"] => Ok(Answer::new(
            200,
            version1::service_provider_config(&discovery::capabilities(mapping), &okta_capabilities(mapping)),
        )),
        ["Schemas"] => Ok(Answer::new(200, version1::schema_list(&types()))),
        ["Schemas", id] => {
            let found = version1::schema(&types(), id);
            let missing = || Error::new(404, format!("there is no schema `{id}`"));
            found.map(|schema| Answer::new(200, schema)).ok_or_else(missing)
        }
        ["ResourceTypes", ..] => Ok(discovery::answer(context, &decoded, &parameters)?.map(version1::resource_types)),
        ["Bulk"] if method == "POST" => {
            let request_body = version1::bulk_request(body(engine, request)?);
            Ok(bulk::bulk(context, engine, request, request_body).await?.map(version1::bulk_response))
        }
        ["Bulk"] => Err(not_allowed(method, &["POST"])),
        ["Me"] => Err(Error::new(501, "this is not offered in SCIM 1.1")),
        [endpoint] | [endpoint, _] => {
            let resource = resource(context, endpoint)?;
            let request = Request {
                method: method.to_owned(),
                target: engine.scim_target(&format!("{path}?{}", query(&parameters))),
                headers: request.headers.clone(),
                body: translated(engine, request, resource)?,
            };
            Ok(route(context, engine, &request).await?.map(version1::response))
        }
        _ => Err(Error::new(404, format!("there is nothing at `{path}`"))),
    }
}

/// The body in the form of SCIM 2.0.
fn translated(engine: &Engine, request: &Request, resource: &Resource) -> Result<Vec<u8>, Error> {
    let body = match method(request) {
        "POST" | "PUT" => version1::resource(&resource.kind, body(engine, request)?),
        "PATCH" => version1::patch(&resource.kind, body(engine, request)?)?,
        _ => return Ok(Vec::new()),
    };
    Ok(body.to_string().into_bytes())
}

/// The method; clients whose proxies let only GET and POST pass put it in a header field (SCIM Protocol 1.1 section 3).
fn method(request: &Request) -> &str {
    let stated = request.header("x-http-method-override");
    let stated = stated.filter(|method| matches!(*method, "PUT" | "PATCH" | "DELETE"));
    match request.method.as_str() {
        "POST" => stated.unwrap_or("POST"),
        method => method,
    }
}

/// The query with the names of SCIM 2.0, without what SCIM 1.1 does not have.
fn query(parameters: &[(String, String)]) -> String {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = parameters
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("cursor"))
        .map(|(name, value)| format!("{}={}", encode(name), encode(&version1::query_text(value))))
        .collect();
    pairs.join("&")
}

/// What Okta's provisioning agent may use: only what the mapping has calls for.
fn okta_capabilities(mapping: &Mapping) -> Vec<&'static str> {
    let user = mapping.resource("User");
    let has = |of: fn(&Resource) -> bool| user.is_some_and(of);
    let pushes_groups = mapping.resource("Group").is_some_and(|group| {
        group.create.is_some() && group.members.as_ref().is_some_and(|members| members.change.is_some())
    });
    let makes = |active: bool| user.is_some_and(|user| changes(user, "active", Some(&active.into())));
    [
        ("GROUP_PUSH", pushes_groups),
        ("IMPORT_NEW_USERS", has(|user| user.list.is_some())),
        ("IMPORT_PROFILE_UPDATES", has(|user| user.list.is_some())),
        ("PUSH_NEW_USERS", has(|user| user.create.is_some())),
        ("PUSH_PASSWORD_UPDATES", has(|user| changes(user, "password", None))),
        ("PUSH_PENDING_USERS", has(|user| user.create.is_some()) && makes(false)),
        ("PUSH_PROFILE_UPDATES", has(|user| user.update.is_some())),
        ("PUSH_USER_DEACTIVATION", makes(false)),
        ("REACTIVATE_USERS", makes(true)),
    ]
    .into_iter()
    .filter_map(|(name, works)| works.then_some(name))
    .collect()
}

/// Whether the application has a call that changes an attribute, to `value` if there is one.
fn changes(resource: &Resource, attribute: &str, value: Option<&Value>) -> bool {
    let mut rows = resource.rows.iter().enumerate();
    rows.any(|(index, row)| {
        let named = row.place.attribute == attribute && row.place.extension.is_none();
        let brings = |action: &usize| {
            resource.actions.get(*action).is_some_and(|action| {
                let mut when = action.when.iter().filter(|(of, _)| *of == index).peekable();
                when.peek().is_none() || when.any(|(_, wanted)| value.is_none_or(|value| value == wanted))
            })
        };
        named
            && !matches!(row.access, Access::Read | Access::Create)
            && ((row.in_update() && resource.update.is_some()) || row.actions.iter().any(brings))
    })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use proptest::prelude::*;
    use serde_json::Value;

    use crate::Engine;
    use crate::exchange::{Exchange, Moment, Output, Request, Response, Unreachable};

    fn answer(method: &str, target: &str, body: &[u8], reply: &[u8]) -> Response {
        let mapping = "{mapping: v1, upstream: {}, resources: {User: {path: /u, attributes: {id: {native: id, \
            access: read}, userName: {native: n}, 'emails[type eq \"work\"].value': {native: m}}, list: {}, \
            create: {}, update: {}, delete: {}}}}";
        let environment = [("SCIM_EDGE_TOKENS".to_owned(), "t".to_owned())].into();
        let engine = Engine::new(mapping, "mapping.yaml", &environment).unwrap();
        let request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("authorization".to_owned(), "t".to_owned())],
            body: body.to_vec(),
        };
        let moment = Moment { now: 0, entropy: [0; 32] };
        let mut exchange = Exchange::new(Rc::new(engine), request, moment);
        loop {
            match exchange.poll_output() {
                Output::Call(id, ..) if reply.is_empty() => exchange.handle_reply(id, Err(Unreachable::Timeout), 0),
                Output::Call(id, ..) => {
                    let reply = Response { status: 200, headers: Vec::new(), body: reply.to_vec() };
                    exchange.handle_reply(id, Ok(reply), 0);
                }
                Output::Respond(response) => return response,
                Output::Pause(..) | Output::Waiting => panic!("it waits for nothing"),
            }
        }
    }

    /// JSON that comes near to what these endpoints read.
    fn body() -> impl Strategy<Value = String> {
        let key = prop::sample::select(vec![
            "Operations",
            "method",
            "path",
            "bulkId",
            "data",
            "cursor",
            "count",
            "filter",
            "members",
            "emails",
            "operation",
            "value",
            "type",
            "meta",
            "attributes",
            "schemas",
            "sortBy",
            "failOnErrors",
            "version",
            "op",
            "primary",
            "userName",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(vec![
                "POST",
                "/Users",
                "bulkId:a",
                "a",
                "delete",
                "",
                "/Bulk",
                "PATCH",
                "/Users/bulkId:a",
                "replace",
                "remove",
                "emails[type eq \"work\"].value",
                "emails",
                "work"
            ])
            .prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(4, 24, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        value.prop_map(|value| value.to_string())
    }

    /// As near to a PATCH as random JSON can be.
    fn patch() -> impl Strategy<Value = String> {
        let op = prop::sample::select(vec!["add", "replace", "remove", "Replace"]);
        let path =
            prop::sample::select(vec!["userName", "emails", "emails[type eq \"work\"]", "emails.value", "id", ""]);
        let operation = (op, path, body())
            .prop_map(|(op, path, value)| format!(r#"{{"op":"{op}","path":{},"value":{value}}}"#, Value::from(path)));
        prop::collection::vec(operation, 0..4).prop_map(|all| format!(r#"{{"Operations":[{}]}}"#, all.join(",")))
    }

    proptest! {
        #[test]
        fn anything_is_answered(
            method in prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE"]),
            endpoint in prop::sample::select(vec![
                "/scim/v1/Users", "/scim/v1/Users/7", "/scim/v2/Bulk", "/scim/v2/.search", "/scim/v2/Users/.search",
                "/scim/v2/Users?cursor=", "/scim/v1/Users?filter=", "/scim/v2/Users/7", "/scim/v2/Users", "/scim/v2/",
                "/scim/v2/Users?filter=", "/scim/v2/Users?sortBy=", "/scim/v2/Users?attributes=", "/scim/v1/Bulk",
            ]),
            tail in prop_oneof![Just(String::new()), any::<String>()],
            body in prop_oneof![body(), patch(), any::<String>()],
            reply in prop_oneof![
                Just(String::new()), Just(r#"{"id":"7","n":"u","m":"a@x"}"#.to_owned()), Just("[]".to_owned()), any::<String>(),
            ],
        ) {
            let response = answer(method, &format!("{endpoint}{tail}"), body.as_bytes(), reply.as_bytes());
            prop_assert!((200..600).contains(&response.status));
            let parsed: Result<Value, _> = serde_json::from_slice(&response.body);
            prop_assert!(response.body.is_empty() || parsed.is_ok_and(|body| body.is_object()));
        }
    }
}
