//! A case: SCIM requests, the native calls that they must become with their replies, and the responses.

use std::path::Path;

use anyhow::{Context, Result, bail};
use scim_edge::Environment;
use scim_edge::exchange::{Reply, Request, Response, Unreachable};
use scim_edge::mapping::diagnostic::Report;
use scim_edge::mapping::node::Node;
use serde_json::{Value, json};

/// The bearer token of every case.
const TOKEN: &str = "case-token";

/// One folder of `tests/cases`.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) mapping: String,
    pub(crate) environment: Environment,
    readme: String,
    steps: Vec<Value>,
}

impl Case {
    pub(crate) fn load(folder: &Path) -> Result<Case> {
        let name = folder.file_name().context("a folder has a name")?.to_string_lossy().into_owned();
        let readme = std::fs::read_to_string(folder.join("README.md")).context("README.md")?;
        let exchange = std::fs::read_to_string(folder.join("exchange.yaml")).context("exchange.yaml")?;
        let mut report = Report::default();
        let document =
            Node::parse(&exchange, &mut report).with_context(|| report.finish("exchange.yaml").to_string())?.to_json();
        let own = folder.join("mapping.yaml");
        let shared = document.get("mapping").and_then(Value::as_str);
        let mapping = match shared {
            None if own.exists() => std::fs::read_to_string(own),
            shared => std::fs::read_to_string(folder.join("../../..").join(shared.unwrap_or("mappings/example.yaml"))),
        }?;
        let steps = match &document {
            Value::Array(steps) => steps.clone(),
            Value::Object(object) => object.get("steps").and_then(Value::as_array).cloned().context("no `steps`")?,
            _ => bail!("exchange.yaml is neither a list of steps nor a table"),
        };
        let mut environment = Environment::from([
            ("SCIM_EDGE_TOKENS".to_owned(), TOKEN.to_owned()),
            ("NATIVE_API_KEY".to_owned(), "case-key".to_owned()),
        ]);
        for (name, value) in document.get("environment").and_then(Value::as_object).into_iter().flatten() {
            environment.insert(name.clone(), text(value));
        }
        Ok(Case { name, mapping, environment, readme, steps })
    }

    /// Runs the steps. The error is a report for people, with the case's README.
    pub(crate) fn run(
        &self,
        host: &mut dyn FnMut(&Request, &mut dyn FnMut(Request) -> Reply) -> Result<Response>,
    ) -> Result<(), String> {
        let mut cursor = None;
        for (index, step) in self.steps.iter().enumerate() {
            let step = with_cursor(step, cursor.as_deref());
            match run_step(&step, host) {
                Ok(next) => cursor = next.or(cursor),
                Err(problem) => {
                    let title = step.get("request").map(text).unwrap_or_default();
                    return Err(format!("step {}, {title}\n{problem:#}\n\n{}", index + 1, self.readme));
                }
            }
        }
        Ok(())
    }
}

/// The step with the `nextCursor` that a response gave last in place of `{nextCursor}`.
fn with_cursor(step: &Value, cursor: Option<&str>) -> Value {
    match cursor {
        Some(cursor) => serde_json::from_str(&step.to_string().replace("{nextCursor}", cursor)).unwrap(),
        None => step.clone(),
    }
}

/// Runs one step, and gives the response's `nextCursor`.
fn run_step(
    step: &Value,
    host: &mut dyn FnMut(&Request, &mut dyn FnMut(Request) -> Reply) -> Result<Response>,
) -> Result<Option<String>> {
    only_keys(step, &["request", "headers", "body", "raw", "token", "calls", "response"])?;
    let request = request(step)?;
    let mut expected: Vec<&Value> = step.get("calls").and_then(Value::as_array).into_iter().flatten().collect();
    for call in &expected {
        only_keys(call, &["call", "headers", "body", "form", "reply"])?;
    }
    let mut unexpected = Vec::new();
    let response = host(&request, &mut |call| match expected.iter().position(|wanted| is_call(wanted, &call)) {
        Some(index) => reply(expected.remove(index)),
        None => {
            let body = String::from_utf8_lossy(&call.body);
            unexpected.push(format!("{} {} {:?} {body}", call.method, call.target, call.headers));
            Err(Unreachable::Connection)
        }
    })?;
    let missing: Vec<String> = expected
        .iter()
        .map(|call| format!("{} {}", text(&call["call"]), call.get("body").unwrap_or(&Value::Null)))
        .collect();
    let problems = [
        compare(step.get("response").context("no `response`")?, &response),
        (!unexpected.is_empty()).then(|| format!("calls that were not expected:\n  {}", unexpected.join("\n  "))),
        (!missing.is_empty()).then(|| format!("calls that did not come:\n  {}", missing.join("\n  "))),
    ];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    if !problems.is_empty() {
        bail!(problems.join("\n"));
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    Ok(body.get("nextCursor").and_then(Value::as_str).map(str::to_owned))
}

fn request(step: &Value) -> Result<Request> {
    let line = step.get("request").and_then(Value::as_str).context("no `request`")?;
    let (method, path) = line.split_once(' ').context("`request` is a method and a path")?;
    // Written as it is read; on the wire no target has a space.
    let path = path.replace(' ', "%20");
    let target = if path.starts_with("/scim/") { path } else { format!("/scim/v2{path}") };
    let mut headers = vec![("host".to_owned(), "scim.example.com".to_owned())];
    match step.get("token") {
        None => headers.push(("authorization".to_owned(), format!("Bearer {TOKEN}"))),
        Some(Value::Null) => {}
        Some(token) => headers.push(("authorization".to_owned(), text(token))),
    }
    headers.extend(pairs(step.get("headers")));
    let body = match (step.get("body"), step.get("raw")) {
        (Some(body), _) => body.to_string().into_bytes(),
        (None, Some(raw)) => text(raw).into_bytes(),
        (None, None) => Vec::new(),
    };
    if !body.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/scim+json".to_owned()));
    }
    Ok(Request { method: method.to_owned(), target, headers, body })
}

fn is_call(wanted: &Value, call: &Request) -> bool {
    let line = format!("{} {}", call.method, call.target);
    let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    let body_fits = match (wanted.get("body"), wanted.get("form")) {
        (Some(wanted), _) => is_body(wanted, &body),
        (None, Some(form)) => text(form).as_bytes() == call.body,
        (None, None) => call.body.is_empty(),
    };
    text(&wanted["call"]) == line
        && body_fits
        && pairs(wanted.get("headers")).iter().all(|(name, value)| call.header(name) == Some(value))
}

/// Whether a body is the one that is wanted; `{generated}` stands for a secret that was made up.
fn is_body(wanted: &Value, body: &Value) -> bool {
    match (wanted, body) {
        (Value::String(wanted), Value::String(secret)) if wanted == "{generated}" => {
            let has = |class: fn(char) -> bool| secret.contains(class);
            secret.len() >= 12
                && has(|c| c.is_ascii_lowercase())
                && has(|c| c.is_ascii_uppercase())
                && has(|c| c.is_ascii_digit())
        }
        (Value::Object(wanted), Value::Object(body)) => {
            wanted.len() == body.len()
                && wanted.iter().all(|(key, wanted)| body.get(key).is_some_and(|found| is_body(wanted, found)))
        }
        (Value::Array(wanted), Value::Array(body)) => {
            wanted.len() == body.len() && wanted.iter().zip(body).all(|(wanted, found)| is_body(wanted, found))
        }
        (wanted, body) => wanted == body,
    }
}

fn reply(call: &Value) -> Reply {
    let reply = call.get("reply").unwrap_or(&Value::Null);
    match reply.get("fail").and_then(Value::as_str) {
        Some("timeout") => return Err(Unreachable::Timeout),
        Some(_) => return Err(Unreachable::Connection),
        None => {}
    }
    let mut headers = pairs(reply.get("headers"));
    let body = match (reply.get("body"), reply.get("raw")) {
        (Some(body), _) => {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            body.to_string().into_bytes()
        }
        (None, Some(raw)) => text(raw).into_bytes(),
        (None, None) => Vec::new(),
    };
    let status = reply.get("status").and_then(Value::as_u64).unwrap_or(200);
    Ok(Response { status: u16::try_from(status).unwrap(), headers, body })
}

fn compare(expected: &Value, response: &Response) -> Option<String> {
    if let Err(problem) = only_keys(expected, &["status", "headers", "body", "has"]) {
        return Some(problem.to_string());
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let mut problems = Vec::new();
    if expected.get("status") != Some(&json!(response.status)) {
        problems.push(format!("status {}, expected {}", response.status, expected["status"]));
    }
    for (name, value) in pairs(expected.get("headers")) {
        if response.header(&name) != Some(&value) {
            problems.push(format!("header {name}: {:?}, expected {value:?}", response.header(&name)));
        }
    }
    if let Some(exact) = expected.get("body") {
        let mut body = body.clone();
        if !exact.to_string().contains("\"version\"") {
            forget_versions(&mut body);
        }
        let equal = if exact.is_null() { response.body.is_empty() } else { *exact == body };
        if !equal {
            problems.push(format!("body differs, expected\n{exact:#}"));
        }
    }
    if let Some(part) = expected.get("has")
        && let Some(at) = lacks(part, &body, String::new())
    {
        problems.push(format!("the body lacks what is expected at `{at}`:\n{part:#}"));
    }
    if problems.is_empty() {
        return None;
    }
    problems.push(format!("the response was\n{} {body:#}", response.status));
    Some(problems.join("\n"))
}

/// Entity tags follow from the rest of a resource: a case that says none means any.
fn forget_versions(value: &mut Value) {
    if let Some(meta) = value.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("version");
    }
    match value {
        Value::Object(object) => object.values_mut().for_each(forget_versions),
        Value::Array(items) => items.iter_mut().for_each(forget_versions),
        _ => {}
    }
}

/// Where `whole` is not at least `part`: objects may have more keys, and `null` means that a key is absent.
fn lacks(part: &Value, whole: &Value, at: String) -> Option<String> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().find_map(|(key, part)| {
            let at = format!("{at}/{key}");
            match (part, whole.get(key)) {
                (Value::Null, None) => None,
                (part, Some(whole)) => lacks(part, whole, at),
                (_, None) => Some(at),
            }
        }),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => part
            .iter()
            .zip(whole)
            .enumerate()
            .find_map(|(index, (part, whole))| lacks(part, whole, format!("{at}/{index}"))),
        (part, whole) => (part != whole).then_some(at),
    }
}

fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields.map(|(name, value)| (name.to_lowercase(), text(value))).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A misspelt key would make a case that asserts nothing.
fn only_keys(value: &Value, known: &[&str]) -> Result<()> {
    let object = value.as_object().context("a table is expected")?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => bail!("unknown key `{key}`; known: {}", known.join(", ")),
        None => Ok(()),
    }
}
