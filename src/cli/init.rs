//! `scim-edge init`: a first mapping from an application's `OpenAPI` 3 document, with a comment on every guess.

mod guess;
mod lists;
mod openapi;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::mapping;
use crate::mapping::diagnostic::Report;
use crate::mapping::node::Node;
use openapi::{Document, plain};

/// What collections of users and of groups are usually called.
const USERS: &[&str] = &["users", "user", "accounts", "people", "members", "employees"];
const GROUPS: &[&str] = &["groups", "group", "teams", "roles"];

/// Prints a mapping for the document at `path`.
pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    print!("{}", draft(&text, &path.display().to_string())?);
    Ok(())
}

/// A mapping that passes `check`, for an `OpenAPI` 3 document in YAML or JSON.
fn draft(text: &str, name: &str) -> anyhow::Result<String> {
    let mut report = Report::default();
    let Some(node) = Node::parse(text, &mut report) else { bail!("{}", report.finish(name)) };
    let document = Document(node.to_json());
    let version = document.0.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with('3') {
        bail!("{name} is no OpenAPI 3 document: it has no `openapi: 3…`");
    }
    let Some(users) = collection(&document, USERS) else {
        bail!("{name} has no collection of users: no path that can be read and ends with one of {}", USERS.join(", "));
    };
    let mut out =
        "# A first mapping, made from the OpenAPI document. Every comment is a guess to check.\nmapping: v1\n"
            .to_owned();
    upstream(&mut out, &document);
    out.push_str("resources:\n");
    resource(&mut out, &document, "User", &users);
    if let Some(groups) = collection(&document, GROUPS) {
        resource(&mut out, &document, "Group", &groups);
    }
    errors(&mut out, &document, &users);
    if let Err(diagnostics) = mapping::check(&out, "the first mapping") {
        bail!("{out}\n{diagnostics}\nthe document has something that no mapping could be made of");
    }
    Ok(out)
}

/// The paths of a collection and of one resource in it.
struct Paths {
    all: String,
    /// With `{id}`, whatever the document calls it.
    one: Option<String>,
    /// As the document has it.
    one_written: String,
}

fn collection(document: &Document, names: &[&str]) -> Option<Paths> {
    let paths = document.0.get("paths")?.as_object()?;
    let last = |path: &str| plain(path.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
    let readable = |path: &&String| !path.contains('{') && document.operation(path, "get").is_some();
    let mut found: Vec<&String> =
        paths.keys().filter(readable).filter(|path| names.contains(&last(path).as_str())).collect();
    found.sort_by_key(|path| (names.iter().position(|name| *name == last(path)), path.len()));
    let all = (*found.first()?).clone();
    let below = |path: &&String| {
        let rest = path.strip_prefix(all.trim_end_matches('/')).and_then(|rest| rest.strip_prefix("/{"));
        rest.is_some_and(|rest| rest.split_once('}').is_some_and(|(_, rest)| rest.is_empty()))
    };
    let one_written = paths.keys().find(below).cloned().unwrap_or_default();
    let one = (!one_written.is_empty()).then(|| format!("{}/{{id}}", all.trim_end_matches('/')));
    Some(Paths { all, one, one_written })
}

fn upstream(out: &mut String, document: &Document) {
    let url = document.0.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or_default();
    let path = url
        .split_once("://")
        .map_or(url, |(_, rest)| rest.find('/').map_or("", |at| rest.get(at..).unwrap_or_default()));
    let base = path.trim_end_matches('/').replace(['{', '}'], "");
    out.push_str("upstream:\n");
    if base.is_empty() {
        out.push_str("  base: ''                     # the document names no prefix of the paths\n");
    } else {
        let _ = writeln!(out, "  base: {base}                # from `servers`");
    }
    let schemes = document.0.pointer("/components/securitySchemes").and_then(Value::as_object);
    let schemes: Vec<&Value> = schemes.into_iter().flatten().map(|(_, scheme)| document.resolve(scheme)).collect();
    let text = |scheme: &Value, key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let key = schemes.iter().find(|it| text(it, "type") == "apikey" && text(it, "in") == "header");
    if let Some(name) = key.and_then(|it| it.get("name")).and_then(Value::as_str) {
        let _ = writeln!(out, "  headers: {{ {name:?}: {{ env: NATIVE_API_KEY }} }}  # from `securitySchemes`");
    } else if schemes.iter().any(|it| text(it, "type") == "http" && text(it, "scheme") == "basic") {
        out.push_str("  auth: { basic: { username: { env: NATIVE_USER }, password: { env: NATIVE_PASSWORD } } }  # from `securitySchemes`\n");
    } else {
        out.push_str("  auth: { bearer: { env: NATIVE_TOKEN } }  # a bearer token, unless the application wants something else\n");
    }
}

fn resource(out: &mut String, document: &Document, name: &str, paths: &Paths) {
    let nothing = Value::Null;
    let list = document.reply(&paths.all, "get").unwrap_or(&nothing);
    let one = document.reply(&paths.one_written, "get").map(|schema| document.object(schema));
    let row = document.rows(list).map(|(_, row)| row);
    let schema = one.map(|(_, schema)| schema).or(row).unwrap_or(&nothing);
    let _ = writeln!(out, "  {name}:\n    path: {}", paths.all.trim_end_matches('/'));
    if let Some(item) = one.and_then(|(item, _)| item) {
        let _ = writeln!(out, "    item: {item}                 # replies are {{\"{item}\": {{…}}}}");
    }
    let request = document.request(&paths.all, "post");
    let (wrap, written) = request.map_or((None, &nothing), |schema| document.object(schema));
    let needed = written.get("required").and_then(Value::as_array).into_iter().flatten();
    let needed: Vec<String> = needed.filter_map(|it| it.as_str().map(str::to_owned)).collect();
    let fields = document.fields(schema);
    let rows = guess::rows(name == "User", &fields, &document.fields(written), &needed);
    out.push_str("    attributes:\n");
    for row in &rows {
        let _ = writeln!(out, "      {}: {{ {} }}  # {}", row.attribute, row.text, row.why);
    }
    let unmapped: Vec<&str> = fields
        .iter()
        .map(|field| field.path.as_str())
        .filter(|path| !rows.iter().any(|row| row.native.as_deref() == Some(path)))
        .collect();
    if !unmapped.is_empty() {
        let _ = writeln!(out, "      # without a row, and so never shown: {}", unmapped.join(", "));
    }
    lists::list(out, document, paths, list, &rows);
    if document.operation(&paths.all, "post").is_some() {
        match wrap {
            Some(wrap) => {
                let _ = writeln!(out, "    create: {{ body: {{ wrap: {wrap} }} }}  # bodies are {{\"{wrap}\": {{…}}}}");
            }
            None => out.push_str("    create: {}\n"),
        }
    }
    let has = |method: &str| document.operation(&paths.one_written, method).is_some();
    let body = wrap.map(|wrap| format!(", body: {{ wrap: {wrap} }}")).unwrap_or_default();
    if has("patch") {
        let _ = writeln!(out, "    update: {{ method: PATCH{body} }}  # the changed fields only");
    } else if has("put") {
        let _ = writeln!(
            out,
            "    update: {{ method: PUT, send: full{body} }}  # PUT is taken to replace: the object is read, changed and put"
        );
    }
    if has("delete") {
        out.push_str("    delete: {}\n");
    }
    if paths.one.is_none() {
        out.push_str("    # the document has no path of one resource: `{path}/{id}` is assumed for reading\n");
    }
    if name == "Group" {
        lists::members(out, document, paths);
    }
}

fn errors(out: &mut String, document: &Document, users: &Paths) {
    let mut rules = String::new();
    for (status, scim, why) in [
        ("409", "status: 409, type: uniqueness", "a name that is taken"),
        (
            "422",
            "status: 400, type: invalidValue",
            "a value that is not accepted; add a rule above it if it is also said of taken names",
        ),
        ("400", "status: 400, type: invalidValue", "a value that is not accepted"),
    ] {
        let Some(schema) = document.error(&users.all, "post", status) else { continue };
        let fields = document.fields(schema);
        let message = fields
            .iter()
            .find(|field| ["message", "detail", "description", "errormessage"].contains(&field.plain().as_str()));
        let message = message.map(|field| format!(", message: {}", field.path)).unwrap_or_default();
        let _ = writeln!(rules, "  - {{ status: {status}, scim: {{ {scim}{message} }} }}  # {why}");
    }
    if !rules.is_empty() {
        let _ = write!(out, "errors:\n{rules}");
    }
}
