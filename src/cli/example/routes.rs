//! The application's routes, and the switches for tests.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use rusqlite::types::Value as Sql;
use serde_json::{Map, Value, json};

use super::calls::Call;
use super::extract::{Fields, Id, Params};
use super::failure::{Failure, Problem};
use super::faults::{self, Fault};
use super::store::{Condition, Listed, Page, key};
use super::{BASE, Shared, fields};

const MAX_BODY: usize = 2 << 20;
const MIN_PASSWORD: usize = 8;

type App = State<Arc<Shared>>;
type Answer = Result<Response, Failure>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/users", get(list_users).post(create_user))
        .route("/users/{id}", get(show_user).patch(update_user).delete(delete_user))
        .route("/users/{id}/suspend", post(suspend).delete(unsuspend))
        .route("/users/{id}/password", put(set_password))
        .route("/users/{id}/groups", get(list_groups_of_user))
        .route("/groups", get(list_groups).post(create_group))
        .route("/groups/{id}", get(show_group).patch(change_group).delete(delete_group))
        .route("/groups/{id}/memberships", get(list_memberships).post(add_member))
        .route("/groups/{id}/memberships/{key}", delete(remove_member))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(shared.clone(), require_key));
    Router::new()
        .nest(BASE, api)
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(shared.clone(), observe))
        .route("/_test/faults", get(show_faults).put(set_faults).delete(clear_faults))
        .route("/_test/log", get(show_log).delete(clear_log))
        .with_state(shared)
}

async fn list_users(State(app): App, query: Params) -> Answer {
    let mut conditions: Vec<Condition> = Vec::new();
    conditions.extend(query.text("login").map(|login| ("login_key", Sql::Text(key(login)))));
    conditions.extend(query.text("email").map(|email| ("email_key", Sql::Text(key(email)))));
    conditions.extend(query.text("external_id").map(|id| ("external_id", Sql::Text(id.to_owned()))));
    conditions.extend(query.text("status").map(|status| ("status", Sql::Text(status.to_owned()))));
    let page = query.page()?;
    Ok(listed(&app.store.users(conditions, page)?, page))
}

async fn create_user(State(app): App, Fields(body): Fields) -> Answer {
    let Some(user) = body.get("user") else {
        return Err(Problem::blank("user").into());
    };
    let user = user.as_object().ok_or_else(|| Problem::invalid("user"))?;
    let changes = fields::parse(user, true).map_err(Failure::Invalid)?;
    Ok(shown(StatusCode::CREATED, &app.store.create_user(changes)?))
}

async fn show_user(State(app): App, Id(id): Id) -> Answer {
    Ok(shown(StatusCode::OK, &app.store.user(id)?))
}

async fn update_user(State(app): App, Id(id): Id, Fields(body): Fields) -> Answer {
    let user = match body.get("user") {
        Some(user) => user.as_object().ok_or_else(|| Problem::invalid("user"))?,
        None => &body,
    };
    app.store.user(id)?;
    let changes = fields::parse(user, false).map_err(Failure::Invalid)?;
    Ok(shown(StatusCode::OK, &app.store.update_user(id, changes)?))
}

async fn delete_user(State(app): App, Id(id): Id) -> Answer {
    app.store.delete_user(id)?;
    Ok(done())
}

async fn suspend(State(app): App, Id(id): Id) -> Answer {
    set_status(&app, id, "SUSPENDED")
}

async fn unsuspend(State(app): App, Id(id): Id) -> Answer {
    set_status(&app, id, "ACTIVE")
}

fn set_status(app: &Shared, id: i64, status: &str) -> Answer {
    app.store.update_user(id, [("status", Some(status.to_owned()))].into())?;
    Ok(done())
}

async fn set_password(State(app): App, Id(id): Id, Fields(body): Fields) -> Answer {
    app.store.user(id)?;
    if let Some(field) = body.keys().find(|field| *field != "password") {
        return Err(Problem::unknown_field(field).into());
    }
    match body.get("password") {
        None | Some(Value::Null) => Err(Problem::blank("password").into()),
        Some(Value::String(password)) if password.chars().count() >= MIN_PASSWORD => {
            app.store.set_password(id, password)?;
            Ok(done())
        }
        Some(Value::String(_)) => {
            let what = format!("is too short (minimum is {MIN_PASSWORD} characters)");
            Err(Problem::new("invalid", "password", &what).into())
        }
        Some(_) => Err(Problem::invalid("password").into()),
    }
}

async fn list_groups_of_user(State(app): App, Id(id): Id, query: Params) -> Answer {
    let page = query.page()?;
    Ok(listed(&app.store.groups_of_user(id, page)?, page))
}

async fn list_groups(State(app): App, query: Params) -> Answer {
    let name = query.text("name").map(|name| ("name_key", Sql::Text(key(name))));
    let external_id = query.text("external_id").map(|id| ("external_id", Sql::Text(id.to_owned())));
    let page = query.page()?;
    let conditions = name.into_iter().chain(external_id).collect();
    Ok(listed(&app.store.groups(conditions, page)?, page))
}

async fn create_group(State(app): App, Fields(body): Fields) -> Answer {
    let name = group_name(&body)?.ok_or_else(|| Problem::blank("name"))?;
    let external_id = group_external_id(&body)?.flatten();
    Ok(shown(StatusCode::CREATED, &app.store.create_group(&name, external_id.as_deref())?))
}

async fn show_group(State(app): App, Id(id): Id) -> Answer {
    Ok(shown(StatusCode::OK, &app.store.group(id)?))
}

async fn change_group(State(app): App, Id(id): Id, Fields(body): Fields) -> Answer {
    let mut group = app.store.group(id)?;
    let external_id = group_external_id(&body)?;
    if let Some(name) = group_name(&body)? {
        group = app.store.rename_group(id, &name)?;
    }
    if let Some(external_id) = external_id {
        group = app.store.set_external_id(id, external_id.as_deref())?;
    }
    Ok(shown(StatusCode::OK, &group))
}

async fn delete_group(State(app): App, Id(id): Id) -> Answer {
    app.store.delete_group(id)?;
    Ok(done())
}

async fn list_memberships(State(app): App, Id(id): Id, query: Params) -> Answer {
    let user = match query.text("user_id") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| Problem::invalid("user_id"))?),
    };
    let page = query.page()?;
    Ok(listed(&app.store.memberships(id, user, page)?, page))
}

async fn add_member(State(app): App, Id(id): Id, Fields(body): Fields) -> Answer {
    app.store.group(id)?;
    if let Some(field) = body.keys().find(|field| *field != "user_id") {
        return Err(Problem::unknown_field(field).into());
    }
    let user = match body.get("user_id") {
        None | Some(Value::Null) => return Err(Problem::blank("user_id").into()),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_i64(),
    };
    let user = user.ok_or_else(|| Problem::invalid("user_id"))?;
    Ok(shown(StatusCode::CREATED, &app.store.add_member(id, user)?))
}

async fn remove_member(State(app): App, Path((id, key)): Path<(String, String)>) -> Answer {
    let id = id.parse().map_err(|_| Failure::not_found("group"))?;
    app.store.group(id)?;
    let key = key.parse().map_err(|_| Failure::not_found("membership"))?;
    app.store.remove_member(id, key)?;
    Ok(done())
}

async fn nothing_here() -> Failure {
    Failure::not_found("path")
}

async fn wrong_method() -> Failure {
    let message = "this path does not know that method".to_owned();
    Failure::Status(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

async fn show_faults(State(app): App) -> Json<Vec<Fault>> {
    Json(app.faults.pending())
}

async fn set_faults(State(app): App, body: Bytes) -> Answer {
    let faults = serde_json::from_slice(&body).map_err(|error| Failure::malformed(error.to_string()))?;
    app.faults.set(faults);
    Ok(done())
}

async fn clear_faults(State(app): App) -> StatusCode {
    app.faults.clear();
    StatusCode::NO_CONTENT
}

async fn show_log(State(app): App) -> Json<Vec<Call>> {
    Json(app.calls.all())
}

async fn clear_log(State(app): App) -> StatusCode {
    app.calls.clear();
    StatusCode::NO_CONTENT
}

async fn require_key(State(app): App, request: Request, next: Next) -> Response {
    let given = request.headers().get("x-api-key").map(header::HeaderValue::as_bytes);
    if given == Some(app.api_key.as_bytes()) {
        return next.run(request).await;
    }
    let message = "the header `X-Api-Key` is missing or wrong".to_owned();
    Failure::Status(StatusCode::UNAUTHORIZED, "unauthorized", message).into_response()
}

/// Logs the call, and lets happen to it what is to happen.
async fn observe(State(app): App, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let body = axum::body::to_bytes(body, MAX_BODY).await;
    let bytes = body.as_ref().map(Bytes::as_ref).unwrap_or_default();
    let number = app.calls.arrived(Call {
        method: parts.method.to_string(),
        target: target.clone(),
        headers: texts(&parts.headers),
        body: recorded(bytes),
        status: None,
    });
    let response = if let Ok(body) = body {
        let faults = app.faults.take(parts.method.as_str(), &target);
        let work = next.run(Request::from_parts(parts, Body::from(body)));
        faults::answer(faults, work).await
    } else {
        let message = format!("a body has at most {MAX_BODY} bytes");
        Failure::Status(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).into_response()
    };
    let sent = response.extensions().get::<super::server::HangUp>().is_none();
    app.calls.answered(number, sent.then(|| response.status().as_u16()));
    response
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

fn recorded(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

fn group_name(body: &Map<String, Value>) -> Result<Option<String>, Failure> {
    if let Some(field) = body.keys().find(|field| !matches!(field.as_str(), "name" | "external_id")) {
        return Err(Problem::unknown_field(field).into());
    }
    let Some(name) = body.get("name") else {
        return Ok(None);
    };
    match fields::text("name", name)? {
        Some(name) if !name.trim().is_empty() => Ok(Some(name)),
        _ => Err(Problem::blank("name").into()),
    }
}

/// The outer `None`: the body does not speak of it.
fn group_external_id(body: &Map<String, Value>) -> Result<Option<Option<String>>, Failure> {
    body.get("external_id").map(|value| fields::text("external_id", value).map_err(Failure::from)).transpose()
}

fn shown(status: StatusCode, data: &Value) -> Response {
    (status, Json(json!({ "data": data }))).into_response()
}

fn listed(list: &Listed, page: Page) -> Response {
    let meta = json!({ "total": list.total, "page": page.number, "per_page": page.size });
    Json(json!({ "data": list.rows, "meta": meta })).into_response()
}

fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
