//! The Envoy module: an HTTP filter in the proxy-wasm ABI, for Envoy and every other proxy-wasm host.
//!
//! Requests that are not SCIM pass through after one look at their path. A SCIM request is held back, its
//! body collected, and its native calls are dispatched to the cluster that `SCIM_EDGE_UPSTREAM` names; Envoy
//! never routes it. Everything happens in Envoy's callbacks, and what a stream owns is dropped with it.

mod stream;
mod timers;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType, Status};

use self::stream::{State, Stream, error, request, send, text};
use self::timers::Timers;
use crate::{Engine, Environment};

/// How long a SCIM request may be without its body before the plugin's configuration is taken for the cause, in
/// milliseconds.
const BODY_PATIENCE: u64 = 5000;

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

const NO_TOKEN_UPSTREAM: &str = "\
`SCIM_EDGE_TOKEN_UPSTREAM` is not set: it names the cluster of that host
write, in the plugin's configuration:
  vm_config:
    environment_variables:
      key_values: { SCIM_EDGE_TOKEN_UPSTREAM: name-of-a-cluster }";

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

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _trailers: usize) {
        if let Some(plugin) = &self.plugin {
            plugin.timers.reply(token, headers, body);
        }
    }
}

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
            plugin.timers.check();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { context_id, plugin: self.plugin.clone(), stream: None }))
    }
}

/// What all streams of a configured filter share.
struct Plugin {
    engine: Rc<Engine>,
    metrics: Metrics,
    timers: Timers,
}

impl Plugin {
    fn new(configuration: Vec<u8>) -> Result<Self, String> {
        let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        let mapping = String::from_utf8(configuration).ok().filter(|text| text.chars().all(is_text)).ok_or(NOT_TEXT)?;
        // A variable that is not text can be neither a setting nor a secret.
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut environment = Environment::new();
        environment.extend(variables);
        let engine = Engine::new(&mapping, "configuration", &environment).map_err(|error| error.to_string())?;
        if engine.upstream().is_empty() {
            return Err(NO_UPSTREAM.to_owned());
        }
        if let Some(host) = engine.unreached_token_host() {
            return Err(format!(
                "`token_url` of the mapping is at `{host}`, which is another host than the application\n{NO_TOKEN_UPSTREAM}"
            ));
        }
        Ok(Plugin {
            engine: Rc::new(engine),
            metrics: Metrics::define().map_err(|status| format!("cannot define metrics: {status:?}"))?,
            timers: Timers::default(),
        })
    }
}

struct Metrics {
    requests: u32,
    /// Of the status classes 2 to 5, in this order.
    responses: [u32; 4],
    native_calls: u32,
    native_failures: u32,
    memory: u32,
    /// What `memory` was last set to.
    pages: Cell<usize>,
}

impl Metrics {
    fn define() -> Result<Self, Status> {
        let counter = |name: &str| hostcalls::define_metric(MetricType::Counter, name);
        Ok(Metrics {
            requests: counter("scim_edge.requests")?,
            responses: [
                counter("scim_edge.responses_2xx")?,
                counter("scim_edge.responses_3xx")?,
                counter("scim_edge.responses_4xx")?,
                counter("scim_edge.responses_5xx")?,
            ],
            native_calls: counter("scim_edge.native_calls")?,
            native_failures: counter("scim_edge.native_failures")?,
            memory: hostcalls::define_metric(MetricType::Gauge, "scim_edge.memory_bytes")?,
            pages: Cell::new(0),
        })
    }

    /// Counts a request that was answered with `status`, or was abandoned.
    fn count(&self, status: Option<u16>, calls: u32, failures: u32) {
        let add = |metric, times: u32| {
            if times > 0 {
                let _ = hostcalls::increment_metric(metric, i64::from(times));
            }
        };
        add(self.requests, 1);
        let class = status.and_then(|status| usize::from(status / 100).checked_sub(2));
        if let Some(metric) = class.and_then(|class| self.responses.get(class)) {
            add(*metric, 1);
        }
        add(self.native_calls, calls);
        add(self.native_failures, failures);
        // Of the VM, which never gives any back.
        let pages = std::arch::wasm32::memory_size::<0>();
        if self.pages.replace(pages) != pages {
            let _ = hostcalls::record_metric(self.memory, u64::try_from(pages).unwrap_or(0) << 16);
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
            send(&error(503, "the plugin has no valid configuration, its log says why"));
            return Action::Pause;
        };
        // As bytes: the SDK panics on a value that is not UTF-8 where it is asked for text.
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        let path = text(path);
        if !plugin.engine.owns(&path) {
            return Action::Continue;
        }
        let mut request = request(self.get_http_request_headers_bytes());
        request.target = path;

        let announced = request.header("content-length").and_then(|n| n.parse::<usize>().ok());
        let shared = Stream::new(self.context_id, plugin.clone(), &request);
        let mut stream = shared.borrow_mut();
        if announced.is_some_and(|length| length > plugin.engine.body_limit()) {
            stream.respond_too_large();
        } else if end_of_stream {
            stream.start(request);
        } else {
            stream.state = State::Collecting(request);
            plugin.timers.expect_body(&shared, stream.now.saturating_add(BODY_PATIENCE));
        }
        drop(stream);
        self.stream = Some(shared);
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
