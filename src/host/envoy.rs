//! The Envoy module: an HTTP filter in the proxy-wasm ABI, for Envoy and every other proxy-wasm host.
//!
//! Requests that are not SCIM pass through after one look at their path. A SCIM request is held back, its
//! body collected, and its native calls are dispatched to the cluster that `SCIM_EDGE_UPSTREAM` names; Envoy
//! never routes it. Everything happens in Envoy's callbacks, and what a stream owns is dropped with it.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::{Rc, Weak};
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType, Status};

use super::wire;
use crate::exchange::{CallId, Exchange, Moment, Output, Reply, Request, Response, Unreachable};
use crate::{Engine, Environment};

/// How long a SCIM request may be without its body before the plugin's configuration is taken for the cause.
const BODY_PATIENCE: Duration = Duration::from_secs(5);
/// How often streams without a body are looked at, while there are any.
const TICK: Duration = Duration::from_secs(1);

const NOT_TEXT: &str = "\
the plugin's `configuration` is not text: a `google.protobuf.Struct` or another message arrives as serialized protobuf
write the mapping as a string:
  configuration:
    \"@type\": type.googleapis.com/google.protobuf.StringValue
    value: |
      mapping: v1
      ...";

const NO_UPSTREAM: &str = "\
`SCIM_EDGE_UPSTREAM` is not set: it names the cluster of the application
write, in the plugin's configuration:
  vm_config:
    environment_variables:
      key_values: { SCIM_EDGE_UPSTREAM: name-of-a-cluster }";

const NO_BODY: &str = "the body of this request did not reach the plugin within 5 seconds. Unless the client is that \
     slow, the plugin's configuration lacks a setting: write `allow_on_headers_stop_iteration: true` beside \
     `vm_config` (Envoy 1.35 or later)";

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::<Root>::default());
}}

/// One configured filter in one worker's VM.
#[derive(Default)]
struct Root {
    plugin: Option<Rc<Plugin>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match Plugin::new(self.get_plugin_configuration().unwrap_or_default()) {
            Ok(plugin) => self.plugin = Some(Rc::new(plugin)),
            Err(report) => {
                for line in report.lines() {
                    let _ = hostcalls::log(LogLevel::Critical, line);
                }
            }
        }
        self.plugin.is_some()
    }

    fn on_tick(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.bodies.check();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter {
            context_id,
            plugin: self.plugin.clone(),
            stream: None,
        }))
    }
}

/// What all streams of a configured filter share.
struct Plugin {
    engine: Rc<Engine>,
    authority: String,
    metrics: Metrics,
    bodies: Bodies,
}

impl Plugin {
    fn new(configuration: Vec<u8>) -> Result<Self, String> {
        let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        let mapping = String::from_utf8(configuration)
            .ok()
            .filter(|text| text.chars().all(is_text))
            .ok_or(NOT_TEXT)?;
        // A variable that is not text can be neither a setting nor a secret.
        let environment: Environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let engine = Engine::new(&mapping, "configuration", &environment)?;
        if engine.upstream().is_empty() {
            return Err(NO_UPSTREAM.to_owned());
        }
        let authority = match environment.get("SCIM_EDGE_AUTHORITY") {
            Some(authority) => authority.clone(),
            // Istio's clusters are called `outbound|8080||app.namespace.svc.cluster.local`.
            None => engine
                .upstream()
                .rsplit('|')
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        Ok(Plugin {
            engine: Rc::new(engine),
            authority,
            metrics: Metrics::define()
                .map_err(|status| format!("cannot define metrics: {status:?}"))?,
            bodies: Bodies::default(),
        })
    }
}

struct Metrics {
    requests: u32,
    /// Indexed by the status class, 1 to 5.
    responses: [u32; 5],
    native_calls: u32,
    native_failures: u32,
}

impl Metrics {
    fn define() -> Result<Self, Status> {
        let counter = |name: &str| hostcalls::define_metric(MetricType::Counter, name);
        Ok(Metrics {
            requests: counter("scim_edge.requests")?,
            responses: [
                counter("scim_edge.responses_1xx")?,
                counter("scim_edge.responses_2xx")?,
                counter("scim_edge.responses_3xx")?,
                counter("scim_edge.responses_4xx")?,
                counter("scim_edge.responses_5xx")?,
            ],
            native_calls: counter("scim_edge.native_calls")?,
            native_failures: counter("scim_edge.native_failures")?,
        })
    }

    fn count(&self, status: u16, calls: u32, failures: u32) {
        let add = |metric, times: u32| {
            if times > 0 {
                let _ = hostcalls::increment_metric(metric, i64::from(times));
            }
        };
        add(self.requests, 1);
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(metric) = self.responses.get(class) {
            add(*metric, 1);
        }
        add(self.native_calls, calls);
        add(self.native_failures, failures);
    }
}

/// Finds out whether Envoy hands over bodies at all. Without `allow_on_headers_stop_iteration` a filter that
/// holds back the headers never sees the body, and the request would hang until the stream's time-out.
#[derive(Default)]
struct Bodies {
    /// A body has arrived, which settles it for the life of the VM: nothing is watched any longer.
    proven: Cell<bool>,
    /// Streams whose headers wait for a body, and since when, in milliseconds since the Unix epoch.
    waiting: RefCell<Vec<(u64, Weak<RefCell<Stream>>)>>,
}

impl Bodies {
    fn expect(&self, stream: &Rc<RefCell<Stream>>, since: u64) {
        if self.proven.get() {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            let _ = hostcalls::set_tick_period(TICK);
        }
        waiting.push((since, Rc::downgrade(stream)));
    }

    fn check(&self) {
        let now = now();
        let patience = u64::try_from(BODY_PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|(since, stream)| {
            let Some(stream) = stream.upgrade() else {
                return false;
            };
            let mut stream = stream.borrow_mut();
            if !matches!(stream.state, State::Collecting(_)) || self.proven.get() {
                return false;
            }
            if now.saturating_sub(*since) < patience {
                return true;
            }
            log::error!("{NO_BODY}");
            // The tick runs in the root context, the answer belongs to the stream.
            if hostcalls::set_effective_context(stream.context_id).is_ok() {
                stream.respond(&error(500, NO_BODY));
            }
            false
        });
        if waiting.is_empty() {
            let _ = hostcalls::set_tick_period(Duration::ZERO);
        }
    }
}

/// One HTTP stream. Only one that carries a SCIM request has a [`Stream`].
struct Filter {
    context_id: u32,
    plugin: Option<Rc<Plugin>>,
    stream: Option<Rc<RefCell<Stream>>>,
}

impl Context for Filter {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _trailers: usize) {
        if let Some(stream) = &self.stream {
            stream.borrow_mut().reply(token, headers, body);
        }
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(plugin) = &self.plugin else {
            // Envoy does not start with a refused configuration; a host that does must not let SCIM requests
            // reach the application.
            send(&error(
                503,
                "the plugin has no valid configuration, its log says why",
            ));
            return Action::Pause;
        };
        // As bytes: the SDK panics on a value that is not UTF-8 where it is asked for text.
        let path = self
            .get_http_request_header_bytes(":path")
            .unwrap_or_default();
        let path = text(path);
        if !plugin.engine.owns(&path) {
            return Action::Continue;
        }
        let mut request = request(self.get_http_request_headers_bytes());
        request.target = path;

        let started = now();
        let announced = request
            .header("content-length")
            .and_then(|n| n.parse::<usize>().ok());
        let mut stream = Stream {
            context_id: self.context_id,
            started,
            line: line(&request),
            calls: 0,
            failures: 0,
            plugin: plugin.clone(),
            state: State::Done,
        };
        if announced.is_some_and(|length| length > plugin.engine.body_limit()) {
            stream.respond_too_large();
        } else if end_of_stream {
            stream.start(request);
        } else {
            stream.state = State::Collecting(request);
        }
        let awaits_body = matches!(stream.state, State::Collecting(_));
        let stream = Rc::new(RefCell::new(stream));
        if awaits_body {
            plugin.bodies.expect(&stream, started);
        }
        self.stream = Some(stream);
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(stream) = &self.stream else {
            return Action::Continue;
        };
        stream.borrow_mut().body(size, end_of_stream);
        Action::Pause
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let Some(stream) = &self.stream else {
            return Action::Continue;
        };
        // `end_of_stream` never comes with the body if trailers follow it.
        stream.borrow_mut().body(usize::MAX, true);
        Action::Pause
    }

    fn on_log(&mut self) {
        if let Some(stream) = &self.stream {
            stream.borrow_mut().abandon();
        }
    }
}

/// One SCIM request.
struct Stream {
    context_id: u32,
    /// When the headers came, in milliseconds since the Unix epoch.
    started: u64,
    /// Method and path, without the query, whose filter may name a person.
    line: String,
    /// How many native calls were made.
    calls: u32,
    /// How many of them had no reply.
    failures: u32,
    plugin: Rc<Plugin>,
    state: State,
}

enum State {
    /// The body is on its way.
    Collecting(Request),
    Running(Exchange, Vec<Dispatched>),
    /// Answered or abandoned. Whatever Envoy still reports is late.
    Done,
}

struct Dispatched {
    token: u32,
    id: CallId,
    /// When Envoy gives up, in milliseconds since the Unix epoch.
    deadline: u64,
}

impl Stream {
    fn body(&mut self, size: usize, end_of_stream: bool) {
        self.plugin.bodies.proven.set(true);
        let State::Collecting(request) = &mut self.state else {
            return;
        };
        let limit = self.plugin.engine.body_limit();
        if !end_of_stream && size <= limit {
            return;
        }
        let mut request = mem::take(request);
        // One byte more than is allowed, which is enough to see that it is too much.
        let most = size.min(limit.saturating_add(1));
        if most > 0 {
            let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, most);
            request.body = body.ok().flatten().unwrap_or_default();
        }
        if request.body.len() > limit {
            self.respond_too_large();
        } else {
            self.start(request);
        }
    }

    fn start(&mut self, request: Request) {
        let mut moment = Moment {
            now: self.started,
            entropy: [0; 32],
        };
        // Secrets are made from it, so it must not be missing silently.
        if getrandom::fill(&mut moment.entropy).is_err() {
            log::error!("the host has no random numbers (`random_get` failed)");
            self.respond(&error(500, "the proxy cannot make random numbers"));
            return;
        }
        let exchange = Exchange::new(self.plugin.engine.clone(), request, moment);
        self.drive(exchange, Vec::new(), Some(self.started));
    }

    /// Does what the exchange wants until it waits or has answered. `now` is the time, if it is known.
    fn drive(&mut self, mut exchange: Exchange, mut calls: Vec<Dispatched>, mut now: Option<u64>) {
        loop {
            match exchange.poll_output() {
                Output::Call(id, call, timeout) => {
                    self.calls += 1;
                    match self.dispatch(&call, timeout) {
                        Ok(token) => {
                            let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                            let deadline =
                                now.get_or_insert_with(self::now).saturating_add(timeout);
                            calls.push(Dispatched {
                                token,
                                id,
                                deadline,
                            });
                        }
                        Err(reason) => {
                            self.failures += 1;
                            exchange.handle_reply(id, Err(reason));
                        }
                    }
                }
                Output::Respond(response) => return self.respond(&response),
                Output::Waiting if calls.is_empty() => {
                    return self.respond(&error(500, "the request came to a halt"));
                }
                Output::Waiting => break,
            }
        }
        self.state = State::Running(exchange, calls);
    }

    fn dispatch(&self, call: &Request, timeout: Duration) -> Result<u32, Unreachable> {
        if !wire::is_sendable(call) {
            log::error!("a native call has a line break or a space in its target or a header");
            return Err(Unreachable::Denied);
        }
        let mut headers = Vec::with_capacity(call.headers.len() + 3);
        headers.push((":method", call.method.as_str()));
        headers.push((":path", call.target.as_str()));
        headers.push((":authority", self.plugin.authority.as_str()));
        headers.extend(
            call.headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .filter(|(name, _)| !name.starts_with(':') && *name != "host")
                .filter(|(name, _)| !wire::is_hop_by_hop(name)),
        );
        let body = Some(call.body.as_slice()).filter(|body| !body.is_empty());
        let cluster = self.plugin.engine.upstream();
        // Zero would mean no time-out.
        let timeout = timeout.max(Duration::from_millis(1));
        hostcalls::dispatch_http_call(cluster, headers, body, vec![], timeout).map_err(|status| {
            if status == Status::BadArgument {
                log::error!("there is no cluster `{cluster}`, which `SCIM_EDGE_UPSTREAM` names");
                Unreachable::Denied
            } else {
                // No healthy host, or a circuit breaker is open.
                Unreachable::Connection
            }
        })
    }

    fn reply(&mut self, token: u32, headers: usize, body: usize) {
        let State::Running(exchange, mut calls) = mem::replace(&mut self.state, State::Done) else {
            return;
        };
        let mut exchange = exchange;
        let mut time = None;
        if let Some(at) = calls.iter().position(|call| call.token == token) {
            let call = calls.swap_remove(at);
            let reply = if headers == 0 {
                // The stream was reset after the reply had begun. Envoy does so too when time is up.
                let late = *time.insert(now()) >= call.deadline;
                Err(if late {
                    Unreachable::Timeout
                } else {
                    Unreachable::Connection
                })
            } else {
                received(body)
            };
            self.failures += u32::from(reply.is_err());
            exchange.handle_reply(call.id, reply);
        }
        self.drive(exchange, calls, time);
    }

    /// Answers the request. A stream must be answered once only: a second local reply hangs the client, so
    /// this ends in [`State::Done`], which nothing leads out of.
    fn respond(&mut self, response: &Response) {
        self.state = State::Done;
        send(response);
        self.plugin
            .metrics
            .count(response.status, self.calls, self.failures);
        let status = response.status;
        log::info!(
            "{} {status} calls={} ms={}",
            self.line,
            self.calls,
            self.elapsed()
        );
    }

    fn respond_too_large(&mut self) {
        let limit = self.plugin.engine.body_limit();
        self.respond(&error(
            413,
            &format!("the request body is larger than {limit} bytes"),
        ));
    }

    /// The stream is over. If it was not answered, the client or a time-out of Envoy ended it.
    fn abandon(&mut self) {
        if !matches!(self.state, State::Done) {
            self.state = State::Done;
            let (calls, ms) = (self.calls, self.elapsed());
            log::info!("{} abandoned calls={calls} ms={ms}", self.line);
        }
    }

    fn elapsed(&self) -> u64 {
        now().saturating_sub(self.started)
    }
}

/// The request that arrives, without its target. `:authority` becomes `host`, as it is called in HTTP/1.1.
fn request(map: Vec<(String, Vec<u8>)>) -> Request {
    let mut request = Request {
        headers: Vec::with_capacity(map.len()),
        ..Request::default()
    };
    for (name, value) in map {
        match name.as_str() {
            ":method" => request.method = text(value),
            ":authority" => request.headers.push(("host".to_owned(), text(value))),
            name if name.starts_with(':') => {}
            _ => request.headers.push((name, text(value))),
        }
    }
    request
}

/// The reply that Envoy holds ready, whose body has `size` bytes.
fn received(size: usize) -> Reply {
    let map = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default();
    let mut reply = Response {
        status: 0,
        headers: Vec::with_capacity(map.len()),
        body: Vec::new(),
    };
    for (name, value) in map {
        if name == ":status" {
            reply.status = text(value).parse().unwrap_or_default();
        } else if !name.starts_with(':') {
            reply.headers.push((name, text(value)));
        }
    }
    if let Some(reason) = wire::local_reply(&reply) {
        return Err(reason);
    }
    if size > 0 {
        let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size);
        reply.body = body.ok().flatten().unwrap_or_default();
    }
    Ok(reply)
}

fn send(response: &Response) {
    let headers = response
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !wire::is_hop_by_hop(name) && !wire::is_set_by_proxy(name))
        .collect();
    let body = Some(response.body.as_slice()).filter(|body| !body.is_empty());
    if let Err(status) = hostcalls::send_http_response(u32::from(response.status), headers, body) {
        log::error!("the response could not be sent: {status:?}");
    }
}

/// A SCIM error (RFC 7644, 3.12) from the host itself.
fn error(status: u16, detail: &str) -> Response {
    let body = serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "detail": detail,
    });
    Response {
        status,
        headers: vec![(
            "content-type".to_owned(),
            "application/scim+json".to_owned(),
        )],
        body: body.to_string().into_bytes(),
    }
}

fn line(request: &Request) -> String {
    let path = request.target.split('?').next().unwrap_or_default();
    format!("{} {path}", request.method)
}

fn text(value: Vec<u8>) -> String {
    String::from_utf8(value)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    let time = hostcalls::get_current_time().ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
