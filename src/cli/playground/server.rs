//! The playground beside the demo: its files, the demo's SCIM endpoint, and what is in the example application.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::future::pending;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::demo::TOKEN;
use crate::cli::example::{BASE, Call, ExampleApp};

/// Builds the playground, serves it and says where; or says why there is none. The demo need not wait for it.
pub(in crate::cli) async fn offer(scim: String, app: Arc<ExampleApp>) -> Infallible {
    let Err(error) = serve(scim, app).await;
    println!("no playground: {error:#}");
    pending().await
}

async fn serve(scim: String, app: Arc<ExampleApp>) -> anyhow::Result<Infallible> {
    // Its own, so that others can build one meanwhile.
    let page = TempDir::with_prefix("scim-edge-playground-").context("cannot make a directory")?;
    build(page.path()).await?;
    let files = files(page.path())?;
    drop(page);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen")?;
    println!("  playground   http://{}/", listener.local_addr()?);
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let router = Router::new()
        .route("/demo/state", get(state))
        .route("/scim/{*path}", any(forward))
        .fallback(file)
        .with_state(Arc::new(Served { files, scim, app, client }));
    axum::serve(listener, router).await?;
    bail!("its server has stopped")
}

/// Builds the page in a process of its own, which goes with the demo and takes what it has started along.
async fn build(page: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = Command::new(program);
    command
        .args(["playground", "--into"])
        .arg(page)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = command.spawn().context("cannot build it")?;
    let leader = child.id();
    let (tell, told) = tokio::sync::oneshot::channel();
    let waiting = std::thread::spawn(move || drop(tell.send(child.wait_with_output())));
    let mut group = Group(Some((leader, waiting)));
    let output = told.await.context("nobody waits for it")??;
    group.0 = None;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let first = told.lines().next().unwrap_or("it could not be built");
        bail!("{}", first.trim_start_matches("error: "));
    }
    Ok(())
}

/// Kills a group of processes when it is dropped, and waits for its first one's end.
struct Group(Option<(u32, JoinHandle<()>)>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some((leader, waiting)) = self.0.take() {
            let mut kill = Command::new("kill");
            let _ = kill.args(["-KILL", "--", &format!("-{leader}")]).stderr(Stdio::null()).status();
            let _ = waiting.join();
        }
    }
}

struct Served {
    files: Files,
    scim: String,
    app: Arc<ExampleApp>,
    client: reqwest::Client,
}

/// Media types and contents, by path.
type Files = BTreeMap<String, (&'static str, Bytes)>;

fn files(page: &Path) -> anyhow::Result<Files> {
    let mut found = Files::new();
    let mut folders = vec![page.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let media_type = match path.extension().and_then(|it| it.to_str()) {
                Some("html") => "text/html; charset=utf-8",
                Some("js") => "text/javascript; charset=utf-8",
                Some("css") => "text/css; charset=utf-8",
                Some("wasm") => "application/wasm",
                _ => "application/octet-stream",
            };
            let name = path.strip_prefix(page)?.to_string_lossy().into_owned();
            let content = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            found.insert(format!("/{name}"), (media_type, content.into()));
        }
    }
    let (_, index) = found.get("/index.html").context("the page is not where it was built")?;
    // By this the page knows that it is served by a demo.
    let mark = format!("<head>\n    <meta name=\"scim-edge-demo\" content=\"{TOKEN}\" />");
    let index = String::from_utf8_lossy(index.as_ref()).replacen("<head>", &mark, 1);
    found.insert("/".to_owned(), ("text/html; charset=utf-8", index.into()));
    Ok(found)
}

async fn file(State(served): State<Arc<Served>>, uri: Uri) -> Response {
    match served.files.get(uri.path()) {
        Some((media_type, content)) => ([(header::CONTENT_TYPE, *media_type)], content.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The page's requests reach the demo's endpoint through its own origin.
async fn forward(
    State(served): State<Arc<Served>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    let mut request = served.client.request(method, format!("{}{target}", served.scim)).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let answer = async {
        let reply = request.send().await?;
        let (status, headers) = (reply.status(), reply.headers().clone());
        Ok::<_, reqwest::Error>((status, headers, reply.bytes().await?))
    };
    match answer.await {
        Ok((status, mut headers, body)) => {
            headers.remove(header::TRANSFER_ENCODING);
            (status, headers, body).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
struct Since {
    since: String,
}

/// The application's tables, and the calls that it has received after the first so many.
async fn state(State(served): State<Arc<Served>>, Query(Since { since }): Query<Since>) -> Response {
    let calls = served.app.log().all();
    let later = since.parse().map_or(&[][..], |since: usize| calls.get(since..).unwrap_or_default());
    match tables(&served.app) {
        Ok(tables) => {
            let told =
                json!({ "count": calls.len(), "calls": later.iter().map(told).collect::<Vec<_>>(), "tables": tables });
            axum::Json(told).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A call as `explain` tells it. The application keeps no reply bodies.
fn told(call: &Call) -> Value {
    let shown = |(name, value): &(String, String)| {
        let value = if name == "x-api-key" { "<NATIVE_API_KEY>" } else { value.as_str() };
        (name.clone(), Value::from(value))
    };
    json!({
        "method": call.method, "target": call.target, "body": call.body,
        "headers": call.headers.iter().map(shown).collect::<serde_json::Map<_, _>>(),
        "reply": { "assumed": false, "status": call.status, "headers": {}, "body": null },
    })
}

fn tables(app: &ExampleApp) -> anyhow::Result<Value> {
    let users = app.users()?;
    let login = |id: &i64| {
        let user = users.iter().find(|user| user.get("id").and_then(Value::as_i64) == Some(*id));
        user.and_then(|user| user.get("login").cloned()).unwrap_or_default()
    };
    let mut groups = Vec::new();
    for group in app.groups()? {
        let members = app.members(group.get("id").and_then(Value::as_i64).unwrap_or_default())?;
        let members: Vec<Value> = members.iter().map(login).collect();
        groups.push((group, Some(members)));
    }
    let fields = [
        "id",
        "login",
        "display_name",
        "status",
        "email",
        "first_name",
        "last_name",
        "title",
        "phone",
        "locale",
        "external_id",
        "dept",
    ];
    let users = users.iter().map(|user| (user.clone(), None)).collect();
    Ok(json!([
        table("User", "users", &fields, users),
        table("Group", "groups", &["id", "name", "external_id"], groups)
    ]))
}

fn table(resource: &str, path: &str, fields: &[&str], rows: Vec<(Value, Option<Vec<Value>>)>) -> Value {
    let row = |(native, members): (Value, Option<Vec<Value>>)| {
        let cells: Vec<Value> = fields.iter().map(|name| native.get(name).cloned().unwrap_or_default()).collect();
        json!({ "id": native.get("id").map(ToString::to_string), "cells": cells, "members": members })
    };
    let rows: Vec<Value> = rows.into_iter().map(row).collect();
    json!({ "resource": resource, "path": format!("{BASE}/{path}"), "columns": fields, "rows": rows })
}
