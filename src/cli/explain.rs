//! `scim-edge explain`: the native calls that one SCIM request becomes, made or not.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::Environment;
use crate::exchange::{Moment, Output, Reply, Request, Response, Unreachable};
use crate::explain::{self, Explained, TOKEN};

/// What the command line says.
pub(super) struct Asked<'a> {
    pub(super) mapping: &'a Path,
    pub(super) upstream: Option<&'a str>,
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
    match told(&text, &name, (method, target, &body), asked.upstream, asked.as_json) {
        Ok(told) => print!("{told}"),
        Err(error) if error.is::<crate::EngineError>() => {
            println!("{error}");
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// The text that is printed for a request (method, target below the SCIM root, body). Without `upstream`, no call is
/// made and replies are assumed.
pub(crate) fn told(
    mapping: &str,
    name: &str,
    (method, target, body): (&str, &str, &str),
    upstream: Option<&str>,
    as_json: bool,
) -> anyhow::Result<String> {
    let mut environment: Environment = match upstream {
        Some(_) => std::env::vars().collect(),
        None => Environment::new(),
    };
    for (name, value) in explain::placeholders(mapping) {
        if upstream.is_none() || name.starts_with("SCIM_EDGE_") {
            environment.insert(name, value);
        }
    }
    if let Some(upstream) = upstream {
        environment.insert("SCIM_EDGE_UPSTREAM".to_owned(), upstream.to_owned());
    }
    let request = request(method, target, body);
    let entropy = if upstream.is_some() { entropy()? } else { [0; 32] };
    let moment = Moment { now: now(), entropy };
    let mut explained = Explained::new(mapping, name, &environment, request, moment, upstream.is_none())?;
    let client = client()?;
    drive(&mut explained, &mut |call, timeout| really(&client, upstream.unwrap_or_default(), call, timeout))?;
    Ok(if as_json { format!("{:#}\n", explained.json()) } else { explained.text() })
}

/// Answers the calls that come out, one after the other.
fn drive(explained: &mut Explained, reply: &mut dyn FnMut(&Request, Duration) -> Reply) -> anyhow::Result<()> {
    loop {
        match explained.poll_output() {
            Output::Respond(_) => return Ok(()),
            Output::Waiting => bail!("the exchange waits for nothing"),
            Output::Call(id, call, timeout) => {
                let reply = reply(&call, timeout);
                explained.handle_reply(id, reply, now());
            }
            Output::Pause(id, pause) => {
                std::thread::sleep(pause);
                explained.resume(id, now());
            }
        }
    }
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

/// Milliseconds since the Unix epoch. The command line is a host: it is where the time comes from.
#[allow(clippy::disallowed_methods)]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0))
}

fn entropy() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut source = std::fs::File::open("/dev/urandom").context("the system has no source of randomness")?;
    source.read_exact(&mut bytes).context("the system has no randomness")?;
    Ok(bytes)
}

fn client() -> anyhow::Result<reqwest::blocking::Client> {
    let builder = reqwest::blocking::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.build().context("cannot make an HTTP client")
}

fn really(client: &reqwest::blocking::Client, origin: &str, call: &Request, timeout: Duration) -> Reply {
    let reason = |error: &reqwest::Error| match () {
        () if error.is_timeout() => Unreachable::Timeout,
        () if error.is_builder() => Unreachable::Denied,
        () => Unreachable::Connection,
    };
    let method = reqwest::Method::from_bytes(call.method.as_bytes()).map_err(|_| Unreachable::Denied)?;
    let mut request =
        client.request(method, format!("{}{}", origin.trim_end_matches('/'), call.target)).timeout(timeout);
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
