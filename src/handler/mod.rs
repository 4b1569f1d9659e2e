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
use crate::mapping::links::Links;
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
    body: Body,
}

/// The body of an answer.
enum Body {
    None,
    /// A resource or a message.
    Message(Value),
    /// A list response, and its resources.
    List(Value, Written),
    /// One resource.
    Resource(Written),
}

impl Answer {
    fn new(status: u16, body: Value) -> Self {
        Answer { status, headers: Vec::new(), body: Body::Message(body) }
    }

    fn list(body: Value, resources: Written) -> Self {
        Answer { body: Body::List(body, resources), ..Answer::empty(200) }
    }

    fn empty(status: u16) -> Self {
        Answer { status, headers: Vec::new(), body: Body::None }
    }

    /// With another message.
    fn map(self, change: impl FnOnce(Value) -> Value) -> Self {
        let body = match self.body {
            Body::Message(message) => Body::Message(change(message)),
            Body::List(message, resources) => Body::List(change(message), resources),
            body @ (Body::None | Body::Resource(_)) => body,
        };
        Answer { body, ..self }
    }

    fn text(self) -> Vec<u8> {
        match self.body {
            Body::None => Vec::new(),
            Body::Message(message) => render::text(&message),
            Body::List(message, resources) => resources.within(&message),
            Body::Resource(resource) => resource.into_text(),
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
        Ok(mut answer) => {
            let headers = std::mem::take(&mut answer.headers);
            respond(answer.status, headers, answer.text(), MEDIA_TYPE)
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
        if resource.keeps_all(projection, resource.links.as_ref()) {
            return Value::Object(attributes);
        }
        projection.apply(&resource.kind, Value::Object(attributes))
    }

    /// Whether nothing has to be left out of a resource that is shown with these links, so that a view of it will do.
    fn shows_all(&self, resource: &Resource, projection: &Projection, links: Option<&Links>) -> bool {
        self.version == Version::Two && resource.keeps_all(projection, links)
    }

    /// Adds to a view what a resource says of itself, as [`Context::describe`] does.
    fn describe_view<'v>(&self, resource: &'v Resource, view: &mut View<'v>) {
        let kind = &resource.kind;
        let id = view.value("id").and_then(Value::as_str).unwrap_or_default();
        let location = self.location(resource, id);
        let schemas = kind.schema_ids(|urn| view.has(urn)).map(|urn| View::Text(urn.into())).collect();
        view.put("schemas", View::List(schemas));
        if let Some(meta) = view.member("meta") {
            meta.put("resourceType", View::Text(kind.name.as_str().into()));
            meta.put("location", View::Text(location.into()));
        }
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
