//! Spin and every other WASI 0.3 HTTP host: a component that exports `wasi:http/handler`.
//!
//! The engine is built at an instance's first request and lives as long as the instance. Hosts reuse
//! instances and interleave requests at awaits, but may also start a fresh one for each request: nothing
//! here depends on either. Only `wasi:*` interfaces are imported, so that no host is special; this is
//! why Spin's variables are out of reach and settings come from the environment and mounted files.

use std::cell::OnceCell;
use std::fs;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use http_body_util::BodyExt;
use spin_sdk::http::{FromResponse, IncomingMessage, Uri};
use spin_sdk::http_service;
use spin_sdk::wasip3::clocks::{monotonic_clock, system_clock};
use spin_sdk::wasip3::http::types::{self, ErrorCode, Fields, HeaderError, Method, Scheme, Trailers};
use spin_sdk::wasip3::http_compat::IncomingBody;
use spin_sdk::wasip3::random::random::get_random_u64;
use spin_sdk::wasip3::wit_bindgen::{FutureReader, StreamReader};
use spin_sdk::wasip3::{http, spawn, wit_future, wit_stream};

use super::origin::origin;
use crate::exchange::{Exchange, Moment, Output, Request, Response, Unreachable};
use crate::handler::error_response;
use crate::scim::Error;
use crate::{Engine, Environment};

/// How much of a request body that is too large is read and thrown away, in bytes: a client that is still
/// sending when its connection closes may never see the answer.
const DISCARD_LIMIT: usize = 16 << 20;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// Fields about one connection, which the host writes by itself and refuses from a component, and the
/// length, which is that of the body given here.
const HOST_FIELDS: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

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

fn deployment() -> Result<Rc<Deployment>, Rc<str>> {
    DEPLOYMENT.with(|cell| cell.get_or_init(load).clone())
}

fn load() -> Result<Rc<Deployment>, Rc<str>> {
    let loaded = environment().and_then(|environment| {
        let (name, mapping) = mapping(&environment)?;
        let engine = Engine::new(&mapping, &name, &environment).map_err(|e| e.to_string())?;
        let (scheme, authority) = origin(engine.upstream())?;
        let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
        let origin = Origin { scheme, authority: authority.to_owned() };
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
async fn call(deployment: &Deployment, request: Request, timeout: Duration) -> Result<Response, ErrorCode> {
    let exchange = pin!(fetch(deployment, request));
    let timer = pin!(monotonic_clock::wait_for(nanoseconds(timeout)));
    match select(exchange, timer).await {
        Either::Left((reply, _)) => reply,
        Either::Right(_) => Err(ErrorCode::HttpResponseTimeout),
    }
}

async fn fetch(deployment: &Deployment, request: Request) -> Result<Response, ErrorCode> {
    let response = http::client::send(outgoing_request(&deployment.origin, request)?).await?;
    let (parts, body) = spin_sdk::http::Response::from_response(response)?.into_parts();
    let limit = deployment.engine.reply_limit();
    let body = collect(body, limit, limit).await?;
    Ok(Response {
        status: parts.status.as_u16(),
        headers: text_headers(&parts.headers),
        body: body.ok_or(ErrorCode::HttpResponseBodySize(None))?,
    })
}

/// The whole body, or nothing if it is larger than `limit`; of a larger body up to `discard` bytes are read.
async fn collect<T: IncomingMessage>(
    mut body: IncomingBody<T>,
    limit: usize,
    discard: usize,
) -> Result<Option<Vec<u8>>, ErrorCode> {
    let mut collected = Vec::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= limit {
            collected.extend_from_slice(&data);
        } else {
            collected = Vec::new();
            if length > discard {
                break;
            }
        }
    }
    Ok((length <= limit).then_some(collected))
}

fn unreachable(code: &ErrorCode) -> Unreachable {
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Unreachable::Timeout,
        ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::ConfigurationError => Unreachable::Denied,
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => Unreachable::TooLarge,
        _ => Unreachable::Connection,
    }
}

fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

fn text_headers(headers: &spin_sdk::http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

fn outgoing_request(origin: &Origin, request: Request) -> Result<types::Request, ErrorCode> {
    // A body of unknown length would be sent in chunks, even an empty one.
    let length = match request.method.as_str() {
        "GET" | "HEAD" if request.body.is_empty() => None,
        _ => Some(request.body.len()),
    };
    let headers = fields(request.headers, length).map_err(|error| match error {
        HeaderError::SizeExceeded => ErrorCode::HttpRequestHeaderSectionSize(None),
        _ => ErrorCode::ConfigurationError,
    })?;
    let (contents, trailers) = contents(request.body);
    let (outgoing, _transmission) = types::Request::new(headers, contents, trailers, None);
    let method = match request.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        _ => Method::Other(request.method),
    };
    outgoing.set_method(&method).map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    outgoing
        .set_scheme(Some(&origin.scheme))
        .and_then(|()| outgoing.set_authority(Some(&origin.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&request.target)))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    Ok(outgoing)
}

/// `method` is the request's: the answer to HEAD has the head of a response only.
fn outgoing_response(response: Response, method: &str) -> Result<types::Response, ErrorCode> {
    let (body, length) = match (method, response.status) {
        ("HEAD", _) | (_, 204 | 304) => (Vec::new(), None),
        _ => {
            let length = response.body.len();
            (response.body, Some(length))
        }
    };
    let headers =
        fields(response.headers, length).map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
    let (contents, trailers) = contents(body);
    let (outgoing, _transmission) = types::Response::new(headers, contents, trailers);
    outgoing
        .set_status_code(response.status)
        .map_err(|()| ErrorCode::InternalError(Some("status out of range".to_owned())))?;
    Ok(outgoing)
}

fn fields(headers: Vec<(String, String)>, length: Option<usize>) -> Result<Fields, HeaderError> {
    let mut fields: Vec<(String, Vec<u8>)> = headers
        .into_iter()
        .filter(|(name, _)| !HOST_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)))
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    if let Some(length) = length {
        let length = length.to_string().into_bytes();
        fields.push(("content-length".to_owned(), length));
    }
    Fields::from_list(&fields)
}

type Contents = (Option<StreamReader<u8>>, FutureReader<Result<Option<Trailers>, ErrorCode>>);

fn contents(body: Vec<u8>) -> Contents {
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    if body.is_empty() {
        drop(no_trailers);
        return (None, trailers);
    }
    let (mut writer, reader) = wit_stream::new();
    spawn(async move {
        // Bytes come back if the other side went away: there is nobody to tell.
        let _unsent = writer.write_all(body).await;
        drop(writer);
        drop(no_trailers);
    });
    (Some(reader), trailers)
}

/// An error as RFC 7644 section 3.12 writes it.
fn scim_error(status: u16, detail: &str) -> Response {
    error_response(&Error::new(status, detail))
}
