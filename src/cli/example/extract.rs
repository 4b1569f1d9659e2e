//! What handlers take from a request.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde_json::{Map, Value};

use super::failure::{Failure, Problem};
use super::store::Page;

const MAX_PER_PAGE: i64 = 100;
const DEFAULT_PER_PAGE: i64 = 25;

/// The number in the path; anything else is the id of nothing.
pub(super) struct Id(pub(super) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Id).ok_or_else(|| Failure::not_found("resource"))
    }
}

/// The query parameters; of one that is given twice, the last.
pub(super) struct Params(HashMap<String, String>);

impl Params {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn page(&self) -> Result<Page, Problem> {
        let number = |name: &str, default: i64| match self.text(name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|number| *number >= 1).ok_or_else(|| Problem::invalid(name)),
        };
        Ok(Page { number: number("page", 1)?, size: number("per_page", DEFAULT_PER_PAGE)?.min(MAX_PER_PAGE) })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query: Result<Query<_>, QueryRejection> = Query::from_request_parts(parts, state).await;
        match query {
            Ok(Query(params)) => Ok(Params(params)),
            Err(rejection) => Err(Failure::malformed(rejection.body_text())),
        }
    }
}

/// A body that is a JSON object and says so.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let message = "a body must be `application/json`".to_owned();
            return Err(Failure::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let bytes: Result<Bytes, BytesRejection> = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|rejection| Failure::malformed(rejection.body_text()))?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Fields(fields)),
            Ok(_) => Err(Failure::malformed("a body must be a JSON object")),
            Err(error) => Err(Failure::malformed(format!("the body is not JSON: {error}"))),
        }
    }
}
