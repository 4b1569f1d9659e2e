//! The application's errors, in its own shape.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

/// One reason why a body is refused.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) field: String,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn blank(field: &str) -> Problem {
        Problem::new("blank", field, "can't be blank")
    }

    pub(super) fn invalid(field: &str) -> Problem {
        Problem::new("invalid", field, "is invalid")
    }

    pub(super) fn taken(field: &str) -> Problem {
        Problem::new("taken", field, "has already been taken")
    }

    pub(super) fn unknown_field(field: &str) -> Problem {
        Problem::new("unknown_field", field, "is not a known field")
    }

    pub(super) fn new(code: &'static str, field: &str, what: &str) -> Problem {
        Problem { code, field: field.to_owned(), message: format!("{field} {what}") }
    }
}

/// Why a request is not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// One of these statuses, with a code of its own: 400, 401, 404, 405, 409, 413, 415.
    Status(StatusCode, &'static str, String),
    /// 422.
    Invalid(Vec<Problem>),
    /// 500; the reason goes to the log only.
    Store(rusqlite::Error),
}

impl Failure {
    pub(super) fn not_found(what: &str) -> Failure {
        Failure::Status(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    pub(super) fn malformed(message: impl Into<String>) -> Failure {
        Failure::Status(StatusCode::BAD_REQUEST, "malformed", message.into())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure::Invalid(vec![problem])
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Store(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, errors) = match self {
            Failure::Status(status, code, message) => (status, json!([{ "code": code, "message": message }])),
            Failure::Invalid(problems) => (StatusCode::UNPROCESSABLE_ENTITY, json!(problems)),
            Failure::Store(error) => {
                log::error!("the example's database failed: {error}");
                let errors = json!([{ "code": "internal", "message": "something went wrong" }]);
                (StatusCode::INTERNAL_SERVER_ERROR, errors)
            }
        };
        (status, Json(json!({ "errors": errors }))).into_response()
    }
}
