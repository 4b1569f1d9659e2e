//! The embedded WASI HTTP host: runs the real component in wasmtime, as `wasmtime serve` and Spin do.
//!
//! [`WasiServer`] serves it on a loopback port and lets it make real outbound calls over plain HTTP;
//! [`run_case`] answers one request in-process, native calls included, for tests that are data.

mod outbound;
mod workers;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use axum::http::uri::{Authority, Scheme};
use axum::http::{self, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine};
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::handler::ProxyHandler;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use self::outbound::Outbound;
use self::workers::{Host, Log, Workers};
use crate::exchange::{Reply, Request, Response};

/// How long requests in flight may take to finish when a server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The component served over HTTP/1 on a loopback port, until this is dropped.
pub struct WasiServer {
    url: String,
    log: Log,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    _copy: TempDir,
}

impl WasiServer {
    /// Serves the component at `component` (a `.wasm` file) on a free port of 127.0.0.1.
    ///
    /// The file `mapping` as it is now becomes `/mapping.yaml`, read-only; if `mapping` is a directory, it becomes `/`,
    /// read-only. `env` is the component's whole environment. What the component writes to its standard
    /// error goes to this process's.
    ///
    /// Fails if the component does not compile, or imports what a WASI 0.3 HTTP host does not have. A
    /// mapping with mistakes does not fail here: the component answers with them, as in any host.
    pub fn start(component: &Path, mapping: &Path, env: &[(String, String)]) -> anyhow::Result<Self> {
        let service = load(component)?;
        let copy = TempDir::new().context("cannot make a directory for the mapping")?;
        let mount = if mapping.is_dir() {
            mapping.to_owned()
        } else {
            fs::copy(mapping, copy.path().join("mapping.yaml"))
                .with_context(|| format!("cannot read the mapping `{}`", mapping.display()))?;
            copy.path().to_owned()
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let log = Log::echoing();
        let workers =
            Workers { service, env: env.to_vec(), mount: Some(mount), outbound: Outbound::Network, log: log.clone() };
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("wasi-http".to_owned()).spawn(move || {
            let log = workers.log.clone();
            runtime.block_on(accept(listener, ProxyHandler::new(workers), stopped));
            log.close();
            runtime.shutdown_timeout(DRAIN);
        })?;
        Ok(WasiServer { url, log, stop, thread: Some(thread), _copy: copy })
    }

    /// Where the component is served, without a final slash: `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The end of what the component has written to its standard error, at most 64 KiB.
    pub fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for WasiServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the WASI HTTP host panicked");
        }
    }
}

/// Answers one SCIM request with a fresh instance of the component. Native calls do not leave the process: `reply`
/// answers them, one after the other in the order in which the component makes them.
///
/// `mapping` is the mapping's text, `env` the rest of the component's environment. Fails if the component does not
/// compile, traps, or answers with an error code instead of a response.
pub fn run_case(
    component: &Path,
    mapping: &str,
    env: &[(String, String)],
    request: Request,
    reply: &mut dyn FnMut(Request) -> Reply,
) -> anyhow::Result<Response> {
    let service = load(component)?;
    let mut env = env.to_vec();
    env.push(("SCIM_EDGE_MAPPING_TEXT".to_owned(), mapping.to_owned()));
    // Native calls go nowhere, but the component insists on an origin.
    let origin = env.iter().find(|(name, _)| name == "SCIM_EDGE_UPSTREAM").map(|(_, origin)| origin.clone());
    let origin = origin.unwrap_or_else(|| {
        let origin = "http://upstream.invalid".to_owned();
        env.push(("SCIM_EDGE_UPSTREAM".to_owned(), origin.clone()));
        origin
    });
    let (calls, mut calls_made) = mpsc::unbounded_channel();
    let log = Log::default();
    let handler = ProxyHandler::new(Workers {
        service,
        env,
        mount: None,
        outbound: Outbound::Intercepted { calls, origin },
        log: log.clone(),
    });
    let request = incoming(request)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let mut answer = pin!(async {
            let (parts, body) = handler.handle((), request).await?.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            Ok::<_, wasmtime::Error>(Response {
                status: parts.status.as_u16(),
                headers: outbound::text_headers(&parts.headers),
                body,
            })
        });
        loop {
            tokio::select! {
                answer = &mut answer => break answer,
                Some((request, respond)) = calls_made.recv() => {
                    // A call that the component has cancelled meanwhile waits for no reply.
                    let _ = respond.send(reply(request));
                }
            }
        }
    });
    let answer = answer.map_err(|error| anyhow::anyhow!("{error:?}\n{}", log.text()));
    log.close();
    runtime.shutdown_background();
    answer
}

fn incoming(request: Request) -> anyhow::Result<http::Request<WasiBody>> {
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(request.target);
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let body = Full::from(request.body).map_err(wasmtime_wasi_http::Error::from);
    Ok(with_authority(builder.body(body.boxed_unsync())?))
}

/// Compiles the component, once for each path in a process, and resolves what it imports.
fn load(component: &Path) -> anyhow::Result<ServicePre<Host>> {
    static LOADED: Mutex<BTreeMap<PathBuf, ServicePre<Host>>> = Mutex::new(BTreeMap::new());
    // A panic of another thread while it held the lock leaves the map whole.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(service) = loaded.get(component) {
        return Ok(service.clone());
    }
    let engine = engine()?;
    let service = compile(engine, component)
        .map_err(|error| anyhow::anyhow!("cannot load `{}`: {error:?}", component.display()))?;
    loaded.insert(component.to_owned(), service.clone());
    Ok(service)
}

fn engine() -> anyhow::Result<&'static Engine> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    if let Some(engine) = ENGINE.get() {
        return Ok(engine);
    }
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(ENGINE.get_or_init(|| engine))
}

fn compile(engine: &Engine, component: &Path) -> wasmtime::Result<ServicePre<Host>> {
    let component = Component::from_file(engine, component)?;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    ServicePre::new(linker.instantiate_pre(&component)?)
}

async fn accept(listener: TcpListener, handler: ProxyHandler<Workers>, mut stopped: watch::Receiver<bool>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return eprintln!("cannot serve the component: {error}"),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Replies in several writes would otherwise wait for the peer's delayed acknowledgement.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(stream, handler.clone(), stopped.clone()));
                }
                Err(error) => {
                    eprintln!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        eprintln!("requests were still in flight when the WASI HTTP host stopped");
    }
}

async fn connection(stream: tokio::net::TcpStream, handler: ProxyHandler<Workers>, mut stopped: watch::Receiver<bool>) {
    let service = service_fn(|request| serve(&handler, request));
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    // A connection that fails has lost its client, whom nothing can be told.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn serve(
    handler: &ProxyHandler<Workers>,
    request: http::Request<Incoming>,
) -> Result<http::Response<WasiBody>, Infallible> {
    let request = request.map(|body| body.map_err(wasmtime_wasi_http::Error::from).boxed_unsync());
    Ok(match handler.handle((), with_authority(request)).await {
        Ok(response) => response,
        Err(error) => {
            eprintln!("the component failed: {error:?}");
            let body = Full::from("the component failed\n").map_err(wasmtime_wasi_http::Error::from);
            let mut response = http::Response::new(body.boxed_unsync());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    })
}

/// Moves the `Host` field into the request's URI, where WASI HTTP has it. A `Host` that is no authority is dropped.
fn with_authority(mut request: http::Request<WasiBody>) -> http::Request<WasiBody> {
    let host = request.headers_mut().remove(http::header::HOST);
    let mut parts = request.uri().clone().into_parts();
    if parts.authority.is_none() {
        parts.authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    }
    parts.scheme = parts.authority.is_some().then_some(Scheme::HTTP);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}
