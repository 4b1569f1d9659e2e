//! `scim-edge explain`: the native calls that one SCIM request becomes, made or not.

mod assumed;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::exchange::{Exchange, Moment, Output, Reply, Request, Response, Unreachable};
use crate::mapping::template::RESERVED;
use crate::mapping::{Mapping, SOME_TENANT};
use crate::scim::dialect::Quirk;
use crate::{Engine, Environment, mapping};
use assumed::Assumed;

/// The bearer token of the request that is explained.
const TOKEN: &str = "explain";
/// A list that never ends must not be followed for ever.
const MOST_CALLS: usize = 200;

/// One native call and what came back.
#[derive(Clone, Debug)]
pub struct Step {
    /// The call as the engine makes it, with its secrets.
    pub call: Request,
    /// The reply.
    pub reply: Reply,
}

/// What became of a SCIM request.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The native calls, in order.
    pub steps: Vec<Step>,
    /// The quirks of identity providers that had to be understood.
    pub quirks: Vec<&'static Quirk>,
    /// The SCIM response.
    pub response: Response,
}

/// Drives one exchange, each native call being answered by `reply`. Fails for an exchange that makes more than 200 calls.
pub fn explain(
    engine: Rc<Engine>,
    request: Request,
    moment: Moment,
    reply: &mut dyn FnMut(&Request) -> Reply,
) -> anyhow::Result<Explanation> {
    let mut exchange = Exchange::new(engine, request, moment);
    let mut steps = Vec::new();
    let mut waiting = Vec::new();
    loop {
        match exchange.poll_output() {
            Output::Respond(response) => return Ok(Explanation { steps, quirks: exchange.quirks(), response }),
            Output::Call(id, call, _) => waiting.push((id, call)),
            Output::Pause(id, pause) => {
                std::thread::sleep(pause);
                exchange.resume(id, moment.now);
            }
            Output::Waiting if waiting.is_empty() => bail!("the exchange waits for nothing"),
            Output::Waiting => {
                for (id, call) in waiting.drain(..) {
                    let reply = reply(&call);
                    exchange.handle_reply(id, reply.clone(), moment.now);
                    steps.push(Step { call, reply });
                }
                if steps.len() > MOST_CALLS {
                    bail!("the request needs more than {MOST_CALLS} native calls");
                }
            }
        }
    }
}

/// What the command line says.
pub(super) struct Asked<'a> {
    pub(super) mapping: &'a Path,
    pub(super) upstream: Option<&'a str>,
    /// Whose request it is.
    pub(super) tenant: Option<&'a str>,
    pub(super) as_json: bool,
    /// Method, target and perhaps a body, `-` being the standard input.
    pub(super) request: &'a [String],
}

/// Explains one request, and prints it.
pub(super) fn run(asked: &Asked) -> anyhow::Result<ExitCode> {
    let text =
        std::fs::read_to_string(asked.mapping).with_context(|| format!("cannot read {}", asked.mapping.display()))?;
    let body = match asked.request.get(2).map(String::as_str) {
        Some("-") => {
            let mut body = String::new();
            std::io::stdin().read_to_string(&mut body).context("cannot read the standard input")?;
            body
        }
        other => other.unwrap_or_default().to_owned(),
    };
    let (Some(method), Some(target)) = (asked.request.first(), asked.request.get(1)) else {
        bail!("write a method and a path after `--`: `-- GET /Users`");
    };
    let name = asked.mapping.display().to_string();
    let tenant = asked.tenant.unwrap_or(SOME_TENANT);
    match told(&text, &name, (method, target, &body), (asked.upstream, tenant), asked.as_json) {
        Ok(told) => print!("{told}"),
        Err(error) if error.is::<crate::EngineError>() => {
            println!("{error}");
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// The text that is printed for a request (method, target below the SCIM root, body) of a tenant. Without `upstream`, no
/// call is made and replies are assumed.
pub(crate) fn told(
    mapping: &str,
    name: &str,
    (method, target, body): (&str, &str, &str),
    (upstream, tenant): (Option<&str>, &str),
    as_json: bool,
) -> anyhow::Result<String> {
    let named = mapping::placeholders(mapping, tenant);
    let mut environment: Environment = match upstream {
        Some(_) => std::env::vars().collect(),
        None => named.clone(),
    };
    environment.insert("SCIM_EDGE_TOKENS".to_owned(), format!("{tenant}={TOKEN}"));
    environment.insert("SCIM_EDGE_PATH".to_owned(), "/scim/v2".to_owned());
    environment.insert("SCIM_EDGE_UPSTREAM".to_owned(), upstream.unwrap_or("http://application").to_owned());
    let mut secrets: Vec<(String, String)> =
        named.into_keys().filter_map(|name| Some((environment.get(&name)?.trim().to_owned(), name))).collect();
    let engine = Rc::new(Engine::new(mapping, name, &environment)?);
    let compiled = engine.mapping().context("there is no mapping")?;
    let request = request(method, target, body);
    // The command line is a host: it is where the time comes from.
    #[allow(clippy::disallowed_methods)]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0));
    let moment = Moment { now, entropy: if upstream.is_some() { entropy()? } else { [0; 32] } };
    let explanation = match upstream {
        None => {
            let mut assumed = Assumed::new(compiled, &request);
            explain(Rc::clone(&engine), request.clone(), moment, &mut |call| Ok(assumed.reply(call)))?
        }
        Some(_) => {
            let client = client(engine.call_timeout())?;
            explain(Rc::clone(&engine), request.clone(), moment, &mut |call| really(&client, &engine, call))?
        }
    };
    secrets.extend(generated(compiled, body, &moment));
    secrets.extend(tokens(compiled, &explanation));
    let shown = Shown { mapping: compiled, secrets: spelt(secrets), assumed: upstream.is_none() };
    Ok(if as_json { format!("{:#}\n", shown.json(&request, &explanation)) } else { shown.text(&request, &explanation) })
}

/// The texts that the engine can have made up for this request: at most one for each row that says so and each
/// operation.
fn generated(mapping: &Mapping, body: &str, moment: &Moment) -> Vec<(String, String)> {
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let operations = body.get("Operations").and_then(Value::as_array).map_or(1, Vec::len);
    let rows = mapping.resources.iter().flat_map(|resource| &resource.rows);
    let rows: Vec<_> = rows.filter_map(|row| Some((row, row.generate.as_ref()?))).collect();
    let most = u32::try_from(operations * rows.len()).unwrap_or(u32::MAX);
    let each = rows.iter().flat_map(|(row, how)| (0..most).map(move |number| (how.nth(number, &moment.entropy), *row)));
    each.map(|(text, row)| (text, format!("a generated {}", row.name))).collect()
}

/// The tokens that logins answered with.
fn tokens(mapping: &Mapping, explanation: &Explanation) -> Vec<(String, String)> {
    let Some(login) = &mapping.login else { return Vec::new() };
    let logins = explanation.steps.iter().filter(|step| login.call.recognise(&step.call).is_some());
    let token = |step: &Step| login.token.text(step.reply.as_ref().ok()?);
    logins.filter_map(token).map(|token| (token, "the login's token".to_owned())).collect()
}

/// Every way in which a secret may be spelt in a call, and its name; longer ones first, since one may be part of another.
fn spelt(secrets: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (secret, name) in secrets.into_iter().filter(|(secret, _)| !secret.is_empty()) {
        let json = Value::from(secret.as_str()).to_string();
        all.push((percent_encoding::utf8_percent_encode(&secret, RESERVED).to_string(), name.clone()));
        all.push((json.trim_matches('"').to_owned(), name.clone()));
        all.push((secret, name));
    }
    all.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
    all
}

/// The SCIM request. What a shell user leaves as it is, a space or a quote, is percent-encoded.
fn request(method: &str, target: &str, body: &str) -> Request {
    let mut path = String::new();
    for byte in target.trim_start_matches("/scim/v2").bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            path.push(byte.into());
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    let mut headers = vec![
        ("host".to_owned(), "scim.example.com".to_owned()),
        ("authorization".to_owned(), format!("Bearer {TOKEN}")),
    ];
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), "application/scim+json".to_owned()));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Request { method: method.to_uppercase(), target: format!("/scim/v2{slash}{path}"), headers, body: body.into() }
}

fn entropy() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut source = std::fs::File::open("/dev/urandom").context("the system has no source of randomness")?;
    source.read_exact(&mut bytes).context("the system has no randomness")?;
    Ok(bytes)
}

fn client(timeout: Duration) -> anyhow::Result<reqwest::blocking::Client> {
    let builder = reqwest::blocking::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
    builder.build().context("cannot make an HTTP client")
}

fn really(client: &reqwest::blocking::Client, engine: &Engine, call: &Request) -> Reply {
    let route = engine.route(call);
    let reason = |error: &reqwest::Error| match () {
        () if error.is_timeout() => Unreachable::Timeout,
        () if error.is_builder() => Unreachable::Denied,
        () => Unreachable::Connection,
    };
    let method = reqwest::Method::from_bytes(call.method.as_bytes()).map_err(|_| Unreachable::Denied)?;
    let mut request = client.request(method, format!("{}{}", route.upstream, route.target));
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let reply = request.body(call.body.clone()).send().map_err(|error| reason(&error))?;
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = reply.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = reply.status().as_u16();
    let body = reply.bytes().map_err(|error| reason(&error))?.to_vec();
    Ok(Response { status, headers, body })
}

/// What may be shown: everything but secrets.
struct Shown<'a> {
    mapping: &'a Mapping,
    /// Their texts, and what is shown in their place.
    secrets: Vec<(String, String)>,
    assumed: bool,
}

impl Shown<'_> {
    fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, name) in &self.secrets {
            text = text.replace(secret, &format!("<{name}>"));
        }
        text
    }

    fn headers<'c>(&'c self, call: &'c Request) -> impl Iterator<Item = (&'c str, String)> {
        let login = self.mapping.login.as_ref().map(|login| login.header.as_str());
        call.headers.iter().map(move |(name, value)| {
            let shown = match value.strip_prefix("Basic ") {
                Some(_) => "Basic <name and password>".to_owned(),
                None if login == Some(name.as_str()) => "<the login's token>".to_owned(),
                None => self.redacted(value),
            };
            (name.as_str(), shown)
        })
    }

    fn reply(&self, reply: &Reply) -> (String, Value) {
        match reply {
            Err(reason) => (format!("{reason:?}").to_lowercase(), Value::Null),
            Ok(reply) => {
                let text = String::from_utf8_lossy(&reply.body).into_owned();
                let body = serde_json::from_str(&self.redacted(&text)).unwrap_or_else(|_| self.redacted(&text).into());
                (reply.status.to_string(), if text.is_empty() { Value::Null } else { body })
            }
        }
    }

    fn json(&self, request: &Request, explanation: &Explanation) -> Value {
        let body = |bytes: &[u8]| match serde_json::from_slice(bytes) {
            Ok(json) => json,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => String::from_utf8_lossy(bytes).into_owned().into(),
        };
        let calls = explanation.steps.iter().map(|Step { call, reply }| {
            let (status, reply) = self.reply(reply);
            let headers: serde_json::Map<_, _> =
                self.headers(call).map(|(name, value)| (name.to_owned(), value.into())).collect();
            json!({
                "method": call.method, "target": self.redacted(&call.target), "headers": headers,
                "body": body(self.redacted(&String::from_utf8_lossy(&call.body)).as_bytes()),
                "reply": { "assumed": self.assumed, "status": status.parse::<u16>().ok(), "body": reply },
            })
        });
        let quirks = explanation.quirks.iter();
        let quirks = quirks
            .map(|it| json!({ "name": it.name, "trigger": it.trigger, "source": it.source, "strict": it.strict }));
        json!({
            "request": { "method": request.method, "target": request.target },
            "quirks": quirks.collect::<Vec<_>>(),
            "calls": calls.collect::<Vec<_>>(),
            "response": { "status": explanation.response.status, "body": body(&explanation.response.body) },
        })
    }

    fn text(&self, request: &Request, explanation: &Explanation) -> String {
        let mut out = format!("{} {}\n", request.method, request.target);
        for quirk in &explanation.quirks {
            let _ = writeln!(out, "quirk {}: {} ({})", quirk.name, quirk.trigger, quirk.source);
        }
        let sort = if self.assumed { "assumed reply" } else { "reply" };
        for (index, Step { call, reply }) in explanation.steps.iter().enumerate() {
            let _ = writeln!(out, "\n{}. {} {}", index + 1, call.method, self.redacted(&call.target));
            for (name, value) in self.headers(call) {
                let _ = writeln!(out, "   {name}: {value}");
            }
            if !call.body.is_empty() {
                let _ = writeln!(out, "   {}", self.redacted(&String::from_utf8_lossy(&call.body)));
            }
            let (status, body) = self.reply(reply);
            let body = if body.is_null() { String::new() } else { format!(" {body}") };
            let _ = writeln!(out, "   {sort}: {status}{body}");
        }
        if explanation.steps.is_empty() {
            out.push_str("\nno native call\n");
        }
        let _ = writeln!(out, "\nanswer: {}", explanation.response.status);
        let body = String::from_utf8_lossy(&explanation.response.body);
        if !body.is_empty() {
            let _ = writeln!(out, "{}", self.redacted(&body));
        }
        if self.assumed && !explanation.steps.is_empty() {
            out.push_str("\nNo call was made: the replies are assumed, from the mapping alone. `--upstream URL` makes the calls.\n");
        }
        out
    }
}
