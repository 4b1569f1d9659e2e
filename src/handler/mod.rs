//! What happens to a SCIM request: one async function for each operation, reading top to bottom.

mod bulk;
mod conditional;
mod cursor;
mod discovery;
mod links;
mod list;
mod lookup;
mod members;
mod narrow;
mod native;
mod pages;
mod read;
mod render;
mod route;
mod search;
#[cfg(test)]
mod tests;
mod turns;
mod version1;
mod write;

use std::rc::Rc;

use serde_json::Value;

use crate::Engine;
use crate::exchange::{Moment, Noted, Request, Response, Upstream};
use crate::mapping::Resource;
use crate::mapping::template::RESERVED;
use crate::mapping::translate::Attributes;
use crate::mapping::view::View;
use crate::scim::dialect::Applied;
use crate::scim::{Error, Leniency, Projection, Reading};
use native::Native;
use render::Written;
pub(crate) use turns::Turns;

/// Everything that a handler works with.
struct Context<'e> {
    native: Native<'e>,
    /// The URL of the SCIM root as this client sees it.
    base: String,
    version: Version,
    noted: Noted,
}

/// The version of SCIM that a client speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// What a handler answers.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Option<Value>,
    /// Where the body is a list response, its resources.
    resources: Option<Written>,
}

impl Answer {
    fn new(status: u16, body: Value) -> Self {
        Answer { status, headers: Vec::new(), body: Some(body), resources: None }
    }

    fn list(body: Value, resources: Written) -> Self {
        Answer { resources: Some(resources), ..Answer::new(200, body) }
    }

    fn empty(status: u16) -> Self {
        Answer { status, headers: Vec::new(), body: None, resources: None }
    }

    fn text(&self) -> Vec<u8> {
        match (&self.body, &self.resources) {
            (None, _) => Vec::new(),
            (Some(body), None) => render::text(body),
            (Some(body), Some(resources)) => resources.within(body),
        }
    }
}

/// Answers one SCIM request.
pub(crate) async fn handle(
    engine: Rc<Engine>,
    upstream: Upstream,
    noted: Noted,
    request: Request,
    moment: Moment,
) -> Response {
    let scheme = request.header("x-forwarded-proto");
    let mut base = engine.public_url(request.header("host"), scheme);
    let version1 = engine.version1_path(&request.target);
    let tenant = match route::authenticate(&engine, &request) {
        Ok(tenant) => tenant,
        Err(error) if version1.is_some() => return version1::error_response(error),
        Err(error) => return error_response(&error),
    };
    let native = Native::new(&engine, tenant, upstream, moment);
    if let Some(target) = version1 {
        base = engine.version1_url(&base);
        let context = Context { native, base, version: Version::One, noted };
        return version1::handle(&context, &engine, &request, target).await;
    }
    let context = Context { native, base, version: Version::Two, noted };
    match route::route(&context, &engine, &request).await {
        Ok(answer) => {
            let body = answer.text();
            respond(answer.status, answer.headers, body, MEDIA_TYPE)
        }
        Err(error) => error_response(&error),
    }
}

/// The response that tells a client of an error.
pub fn error_response(error: &Error) -> Response {
    respond(error.status, error.headers.clone(), render::text(&error.body()), MEDIA_TYPE)
}

/// The media type of SCIM 2.0 (RFC 7644 section 8.1).
const MEDIA_TYPE: &str = "application/scim+json";

fn respond(status: u16, mut headers: Vec<(String, String)>, body: Vec<u8>, media_type: &str) -> Response {
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), media_type.to_owned()));
    }
    Response { status, headers, body }
}

impl Version {
    /// A resource as this version writes it.
    fn form(self, resource: Value) -> Value {
        match self {
            Version::One => crate::scim::version1::response(resource),
            Version::Two => resource,
        }
    }
}

impl Context<'_> {
    fn leniency(&self) -> Leniency {
        self.native.mapping().leniency
    }

    /// How requests are read.
    fn reading(&self) -> Reading {
        self.native.mapping().reading()
    }

    /// Notes the quirks that a part of the request has needed.
    fn note(&self, applied: Applied) {
        self.noted.borrow_mut().absorb(applied);
    }

    /// As [`Context::note`], for what notes them by itself.
    fn noting<T>(&self, read: impl FnOnce(Leniency, &mut Applied) -> T) -> T {
        read(self.leniency(), &mut self.noted.borrow_mut())
    }

    /// The address of a resource.
    fn location(&self, resource: &Resource, id: &str) -> String {
        let id = percent_encoding::utf8_percent_encode(id, RESERVED);
        format!("{}{}/{id}", self.base, resource.kind.endpoint)
    }

    /// A resource as clients see it: with `schemas` and `meta`, and without what is not to be returned.
    fn present(&self, resource: &Resource, mut attributes: Attributes, projection: &Projection) -> Value {
        self.describe(resource, &mut attributes);
        projection.apply(&resource.kind, Value::Object(attributes))
    }

    /// The same for a resource of which nothing has to be left out, to be written and then forgotten.
    fn view<'v>(&self, resource: &'v Resource, native: &'v Value) -> View<'v> {
        let kind = &resource.kind;
        let mut view = resource.view(native);
        let id = view.value("id").and_then(Value::as_str).unwrap_or_default();
        let location = self.location(resource, id);
        let schemas = kind.schema_ids(|urn| view.has(urn)).map(|urn| View::Text(urn.into())).collect();
        view.put("schemas", View::List(schemas));
        if let Some(meta) = view.member("meta") {
            meta.put("resourceType", View::Text(kind.name.as_str().into()));
            meta.put("location", View::Text(location.into()));
        }
        view
    }

    /// Adds what a resource says of itself: `schemas` and `meta`.
    fn describe(&self, resource: &Resource, attributes: &mut Attributes) {
        let kind = &resource.kind;
        let id = attributes.get("id").and_then(Value::as_str).unwrap_or_default();
        let location = self.location(resource, id);
        let schemas = kind.schemas_of(attributes);
        attributes.insert("schemas".to_owned(), schemas);
        let meta = attributes.entry("meta").or_insert_with(|| Value::Object(Attributes::new()));
        if let Value::Object(meta) = meta {
            meta.insert("resourceType".to_owned(), Value::from(kind.name.as_str()));
            meta.insert("location".to_owned(), Value::from(location));
        }
    }
}
