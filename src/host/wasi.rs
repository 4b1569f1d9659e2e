//! Spin and every other WASI 0.3 HTTP host: a component that exports `wasi:http/handler`.
//!
//! The engine is built at an instance's first request and lives as long as the instance. Hosts reuse
//! instances and interleave requests at awaits, but may also start a fresh one for each request: nothing
//! here depends on either. Only `wasi:*` interfaces are imported, so that no host is special; this is
//! why Spin's variables are out of reach and settings come from the environment and mounted files.

mod messages;

use std::cell::OnceCell;
use std::fs;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use spin_sdk::http::FromResponse;
use spin_sdk::http_service;
use spin_sdk::wasip3::clocks::{monotonic_clock, system_clock};
use spin_sdk::wasip3::http;
use spin_sdk::wasip3::http::types::{self, ErrorCode, Scheme};
use spin_sdk::wasip3::random::random::get_random_u64;

use self::messages::{collect, outgoing_request, outgoing_response, target, text_headers, unreachable};
use super::origin::origin;
use crate::exchange::{Exchange, Moment, Output, Request, Response};
use crate::handler::error_response;
use crate::scim::Error;
use crate::{Engine, Environment};

/// How much of a request body that is too large is read and thrown away, in bytes: a client that is still
/// sending when its connection closes may never see the answer.
const DISCARD_LIMIT: usize = 16 << 20;

/// The setting for a token endpoint at another host than the application.
const TOKEN_UPSTREAM: &str = "SCIM_EDGE_TOKEN_UPSTREAM";

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// What one instance serves.
struct Deployment {
    engine: Rc<Engine>,
    origin: Origin,
}

/// Where native calls go.
struct Origin {
    scheme: Scheme,
    authority: String,
}

/// What the log line of a request says about its native calls.
#[derive(Default)]
struct Tally {
    calls: u32,
    failures: Vec<ErrorCode>,
}

thread_local! {
    static DEPLOYMENT: OnceCell<Result<Rc<Deployment>, Rc<str>>> = const { OnceCell::new() };
}

#[http_service]
async fn serve(request: spin_sdk::http::Request) -> Result<types::Response, ErrorCode> {
    let started = monotonic_clock::now();
    let method = request.method().as_str().to_owned();
    let path = request.uri().path().to_owned();
    let mut tally = Tally::default();
    let response = match deployment() {
        Ok(deployment) if !deployment.engine.owns(target(request.uri())) => {
            return outgoing_response(scim_error(404, "not a SCIM path"), &method);
        }
        Ok(deployment) => answer(&deployment, request, &mut tally).await?,
        Err(diagnostics) => scim_error(500, &diagnostics),
    };
    let elapsed = monotonic_clock::now().saturating_sub(started) / NANOSECONDS_PER_MILLISECOND;
    let Tally { calls, failures } = tally;
    let mut line = format!("scim-edge: {method} {path} {} calls={calls} ms={elapsed}", response.status);
    for failure in &failures {
        let failure = format!("{failure:?}");
        line.push_str(" failed=");
        line.push_str(failure.trim_start_matches("ErrorCode::"));
    }
    eprintln!("{line}");
    outgoing_response(response, &method)
}

fn named_origin(setting: &str, upstream: &str) -> Result<Origin, String> {
    let (scheme, authority) = origin(setting, upstream)?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    Ok(Origin { scheme, authority: authority.to_owned() })
}

fn deployment() -> Result<Rc<Deployment>, Rc<str>> {
    DEPLOYMENT.with(|cell| cell.get_or_init(load).clone())
}

fn load() -> Result<Rc<Deployment>, Rc<str>> {
    let loaded = environment().and_then(|environment| {
        let (name, mapping) = mapping(&environment)?;
        let engine = Engine::new(&mapping, &name, &environment).map_err(|e| e.to_string())?;
        let origin = named_origin("SCIM_EDGE_UPSTREAM", engine.upstream())?;
        if let Some(upstream) = environment.get(TOKEN_UPSTREAM) {
            named_origin(TOKEN_UPSTREAM, upstream)?;
        }
        Ok(Deployment { engine: Rc::new(engine), origin })
    });
    match loaded {
        Ok(deployment) => Ok(Rc::new(deployment)),
        Err(diagnostics) => {
            eprintln!("scim-edge: {diagnostics}");
            Err(diagnostics.into())
        }
    }
}

/// The environment variables, and the files of the directory `SCIM_EDGE_SECRETS` (default `/secrets`), where
/// there is one: each file is a variable that is called like it, without its final line break. A variable that
/// is set wins over a file.
fn environment() -> Result<Environment, String> {
    let mut environment: Environment = std::env::vars().collect();
    let named = environment.get("SCIM_EDGE_SECRETS").cloned();
    let directory = named.as_deref().unwrap_or("/secrets");
    let files = match fs::read_dir(directory) {
        Ok(files) => files,
        Err(error) if named.is_some() => {
            return Err(format!("{directory}: cannot read the secrets: {error}"));
        }
        Err(_) => return Ok(environment),
    };
    for file in files.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let value = fs::read_to_string(file.path())
            .map_err(|error| format!("{directory}/{name}: cannot read the secret: {error}"))?;
        let value = value.strip_suffix('\n').unwrap_or(&value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        environment.entry(name).or_insert_with(|| value.to_owned());
    }
    Ok(environment)
}

/// The mapping's name and its text.
fn mapping(environment: &Environment) -> Result<(String, String), String> {
    const TEXT: &str = "SCIM_EDGE_MAPPING_TEXT";
    if let Some(text) = environment.get(TEXT) {
        return Ok((TEXT.to_owned(), text.clone()));
    }
    let path = environment.get("SCIM_EDGE_MAPPING").map_or("/mapping.yaml", String::as_str);
    match fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), text)),
        Err(error) => Err(format!(
            "{path}: cannot read the mapping: {error}; mount it there, or name its path in \
             `SCIM_EDGE_MAPPING`"
        )),
    }
}

async fn answer(
    deployment: &Deployment,
    request: spin_sdk::http::Request,
    tally: &mut Tally,
) -> Result<Response, ErrorCode> {
    let limit = deployment.engine.body_limit();
    let (parts, body) = request.into_parts();
    let Some(body) = collect(body, limit, DISCARD_LIMIT).await? else {
        let detail = format!("the request body is larger than {limit} bytes");
        return Ok(scim_error(413, &detail));
    };
    let mut headers = text_headers(&parts.headers);
    // WASI HTTP keeps the authority apart from the header fields.
    if let Some(authority) = parts.uri.authority()
        && !parts.headers.contains_key("host")
    {
        headers.push(("host".to_owned(), authority.to_string()));
    }
    let request =
        Request { method: parts.method.as_str().to_owned(), target: target(&parts.uri).to_owned(), headers, body };
    let mut exchange = Exchange::new(deployment.engine.clone(), request, moment());
    let mut pending = FuturesUnordered::new();
    loop {
        match exchange.poll_output() {
            Output::Call(id, request, timeout) => {
                tally.calls += 1;
                let call = call(deployment, request, timeout);
                pending.push(Either::Left(async move { (id, Some(call.await)) }));
            }
            Output::Pause(id, pause) => {
                let over = monotonic_clock::wait_for(nanoseconds(pause));
                pending.push(Either::Right(async move {
                    over.await;
                    (id, None)
                }));
            }
            Output::Respond(response) => return Ok(response),
            Output::Waiting => {
                let Some((id, reply)) = pending.next().await else {
                    return Ok(scim_error(500, "the request waits for a reply that nothing will bring"));
                };
                let Some(reply) = reply else {
                    exchange.resume(id, now());
                    continue;
                };
                let reply = reply.map_err(|code| {
                    let reason = unreachable(&code);
                    tally.failures.push(code);
                    reason
                });
                exchange.handle_reply(id, reply, now());
            }
        }
    }
}

fn moment() -> Moment {
    let mut entropy = [0; 32];
    for chunk in entropy.chunks_exact_mut(8) {
        chunk.copy_from_slice(&get_random_u64().to_le_bytes());
    }
    Moment { now: now(), entropy }
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    let now = system_clock::now();
    let seconds = u64::try_from(now.seconds).unwrap_or_default();
    seconds * 1000 + u64::from(now.nanoseconds) / NANOSECONDS_PER_MILLISECOND
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Makes one native call; `timeout` bounds all of it, to the last byte of the reply. A call whose time is up is
/// cancelled.
async fn call(deployment: &Deployment, mut request: Request, timeout: Duration) -> Result<Response, ErrorCode> {
    let elsewhere = elsewhere(deployment, &mut request)?;
    let exchange = pin!(fetch(deployment, elsewhere.as_ref(), request));
    let timer = pin!(monotonic_clock::wait_for(nanoseconds(timeout)));
    match select(exchange, timer).await {
        Either::Left((reply, _)) => reply,
        Either::Right(_) => Err(ErrorCode::HttpResponseTimeout),
    }
}

/// The origin of a call that does not go to the application.
fn elsewhere(deployment: &Deployment, request: &mut Request) -> Result<Option<Origin>, ErrorCode> {
    let route = deployment.engine.route(request);
    if route.target == request.target {
        return Ok(None);
    }
    let here = route.upstream == deployment.engine.upstream();
    let origin = (!here).then(|| named_origin(TOKEN_UPSTREAM, route.upstream)).transpose();
    request.target = route.target.to_owned();
    origin.map_err(|_| ErrorCode::ConfigurationError)
}

async fn fetch(deployment: &Deployment, elsewhere: Option<&Origin>, request: Request) -> Result<Response, ErrorCode> {
    let origin = elsewhere.unwrap_or(&deployment.origin);
    let response = http::client::send(outgoing_request(origin, request)?).await?;
    let (parts, body) = spin_sdk::http::Response::from_response(response)?.into_parts();
    let limit = deployment.engine.reply_limit();
    let body = collect(body, limit, limit).await?;
    Ok(Response {
        status: parts.status.as_u16(),
        headers: text_headers(&parts.headers),
        body: body.ok_or(ErrorCode::HttpResponseBodySize(None))?,
    })
}

/// An error as RFC 7644 section 3.12 writes it.
fn scim_error(status: u16, detail: &str) -> Response {
    error_response(&Error::new(status, detail))
}
