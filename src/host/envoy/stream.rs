//! One SCIM request as Envoy sees it: held back, answered by an exchange, never routed.

use std::cell::RefCell;
use std::mem;
use std::rc::{Rc, Weak};
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};

use super::{NO_BODY, Plugin};
use crate::exchange::{CallId, Exchange, Moment, Output, Reply, Request, Response, Unreachable};
use crate::handler::error_response;
use crate::host::wire;
use crate::scim::Error;

/// How much earlier than asked Envoy's timer may fire by the wall clock, in milliseconds: it counts from the time at
/// which its event loop last woke up.
const TIMER_SLACK: u64 = 100;

/// One SCIM request.
pub(super) struct Stream {
    pub(super) context_id: u32,
    own: Weak<RefCell<Stream>>,
    /// When the headers came, in milliseconds since the Unix epoch.
    started: u64,
    /// When what is being done began, in milliseconds since the Unix epoch.
    pub(super) now: u64,
    /// Method and path, without the query, whose filter may name a person.
    line: String,
    /// How many native calls were made.
    calls: u32,
    /// How many of them had no reply.
    failures: u32,
    pub(super) plugin: Rc<Plugin>,
    pub(super) state: State,
}

pub(super) enum State {
    /// The body is on its way.
    Collecting(Request),
    Running(Exchange, Vec<Waiting>),
    /// Answered or abandoned. Whatever Envoy still reports is late.
    Done,
}

/// What an exchange waits for.
pub(super) enum Waiting {
    Call {
        token: u32,
        id: CallId,
        /// From when on it is Envoy that has given up, in milliseconds since the Unix epoch.
        deadline: u64,
    },
    Pause(CallId),
}

impl Waiting {
    fn is_call(&self, token: u32) -> bool {
        matches!(self, Waiting::Call { token: own, .. } if *own == token)
    }
}

impl Stream {
    pub(super) fn new(context_id: u32, plugin: Rc<Plugin>, request: &Request) -> Rc<RefCell<Self>> {
        let path = request.target.split('?').next().unwrap_or_default();
        let line = format!("{} {path}", request.method);
        let now = now();
        Rc::new_cyclic(|own| {
            let (own, state) = (own.clone(), State::Done);
            RefCell::new(Stream { context_id, own, started: now, now, line, calls: 0, failures: 0, plugin, state })
        })
    }

    pub(super) fn body(&mut self, size: usize, end_of_stream: bool) {
        self.plugin.timers.body_arrived();
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
        self.now = now();
        if request.body.len() > limit {
            self.respond_too_large();
        } else {
            self.start(request);
        }
    }

    pub(super) fn start(&mut self, request: Request) {
        let mut moment = Moment { now: self.now, entropy: [0; 32] };
        // Secrets are made from it, so it must not be missing silently.
        if getrandom::fill(&mut moment.entropy).is_err() {
            log::error!("the host has no random numbers (`random_get` failed)");
            self.respond(&error(500, "the proxy cannot make random numbers"));
            return;
        }
        let exchange = Exchange::new(self.plugin.engine.clone(), request, moment);
        self.drive(exchange, Vec::new());
    }

    /// Does what the exchange wants until it waits or has answered.
    fn drive(&mut self, mut exchange: Exchange, mut waiting: Vec<Waiting>) {
        loop {
            match exchange.poll_output() {
                Output::Call(id, call, timeout) => {
                    self.calls += 1;
                    match self.dispatch(&call, timeout) {
                        Ok(token) => {
                            let deadline = self.after(timeout).saturating_sub(TIMER_SLACK);
                            waiting.push(Waiting::Call { token, id, deadline });
                        }
                        Err(reason) => {
                            self.failures += 1;
                            exchange.handle_reply(id, Err(reason), self.now);
                        }
                    }
                }
                Output::Pause(id, pause) => {
                    self.plugin.timers.pause(self.own.clone(), id, self.after(pause));
                    waiting.push(Waiting::Pause(id));
                }
                Output::Respond(response) => return self.respond(&response),
                Output::Waiting if waiting.is_empty() => {
                    return self.respond(&error(500, "the request came to a halt"));
                }
                Output::Waiting => break,
            }
        }
        self.state = State::Running(exchange, waiting);
    }

    fn after(&self, duration: Duration) -> u64 {
        self.now.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    fn dispatch(&self, call: &Request, timeout: Duration) -> Result<u32, Unreachable> {
        let route = self.plugin.engine.route(call);
        if !wire::is_sendable(call, route.target) {
            log::error!("a native call has a line break or a space in its target or a header");
            return Err(Unreachable::Denied);
        }
        let mut headers = Vec::with_capacity(call.headers.len() + 3);
        headers.push((":method", call.method.as_str()));
        headers.push((":path", route.target));
        headers.push((":authority", route.authority));
        headers.extend(
            call.headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .filter(|(name, _)| !name.starts_with(':') && *name != "host")
                .filter(|(name, _)| !wire::is_hop_by_hop(name)),
        );
        let body = Some(call.body.as_slice()).filter(|body| !body.is_empty());
        let cluster = route.upstream;
        // Zero would mean no time-out.
        let timeout = timeout.max(Duration::from_millis(1));
        hostcalls::dispatch_http_call(cluster, headers, body, vec![], timeout).map_err(|status| {
            if status == Status::BadArgument {
                log::error!("there is no cluster `{cluster}`: see SCIM_EDGE_UPSTREAM and SCIM_EDGE_TOKEN_UPSTREAM");
                Unreachable::Denied
            } else {
                // No healthy host, or a circuit breaker is open.
                Unreachable::Connection
            }
        })
    }

    /// Whether the call with this token is one of its own.
    pub(super) fn awaits(&self, token: u32) -> bool {
        matches!(&self.state, State::Running(_, waiting) if waiting.iter().any(|it| it.is_call(token)))
    }

    pub(super) fn reply(&mut self, token: u32, headers: usize, body: usize) {
        let State::Running(mut exchange, mut waiting) = mem::replace(&mut self.state, State::Done) else {
            return;
        };
        self.now = now();
        let at = waiting.iter().position(|it| it.is_call(token));
        if let Some(Waiting::Call { id, deadline, .. }) = at.map(|at| waiting.swap_remove(at)) {
            let reply = if headers == 0 {
                // The stream was reset after the reply had begun. Envoy does so too when time is up.
                Err(if self.now >= deadline { Unreachable::Timeout } else { Unreachable::Connection })
            } else {
                received(body, self.plugin.engine.reply_limit())
            };
            self.failures += u32::from(reply.is_err());
            exchange.handle_reply(id, reply, self.now);
        }
        self.drive(exchange, waiting);
    }

    /// Goes on after a pause.
    pub(super) fn resume(&mut self, id: CallId, now: u64) {
        let State::Running(mut exchange, mut waiting) = mem::replace(&mut self.state, State::Done) else {
            return;
        };
        self.now = now;
        waiting.retain(|it| !matches!(it, Waiting::Pause(pause) if *pause == id));
        exchange.resume(id, now);
        self.drive(exchange, waiting);
    }

    /// Answers the request. A stream must be answered once only: a second local reply hangs the client, so
    /// this ends in [`State::Done`], which nothing leads out of.
    pub(super) fn respond(&mut self, response: &Response) {
        self.state = State::Done;
        send(response);
        self.plugin.metrics.count(Some(response.status), self.calls, self.failures);
        let status = response.status;
        log::info!("{} {status} calls={} ms={}", self.line, self.calls, self.elapsed());
    }

    /// Answers a request whose body never came.
    pub(super) fn respond_without_body(&mut self) {
        if matches!(self.state, State::Collecting(_)) {
            log::error!("{NO_BODY}");
            self.respond(&error(500, NO_BODY));
        }
    }

    pub(super) fn respond_too_large(&mut self) {
        let limit = self.plugin.engine.body_limit();
        self.respond(&error(413, &format!("the request body is larger than {limit} bytes")));
    }

    /// The stream is over. If it was not answered, the client or a time-out of Envoy ended it.
    pub(super) fn abandon(&mut self) {
        if !matches!(self.state, State::Done) {
            self.state = State::Done;
            self.plugin.metrics.count(None, self.calls, self.failures);
            let (calls, ms) = (self.calls, self.elapsed());
            log::info!("{} abandoned calls={calls} ms={ms}", self.line);
        }
    }

    fn elapsed(&self) -> u64 {
        now().saturating_sub(self.started)
    }
}

/// The request that arrives, without its target. `:authority` becomes `host`, as it is called in HTTP/1.1.
pub(super) fn request(map: Vec<(String, Vec<u8>)>) -> Request {
    let mut request = Request { headers: Vec::with_capacity(map.len()), ..Request::default() };
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

/// The reply that Envoy holds ready, whose body has `size` bytes and may have `most`.
fn received(size: usize, most: usize) -> Reply {
    let map = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default();
    let mut reply = Response { status: 0, headers: Vec::with_capacity(map.len()), body: Vec::new() };
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
    if size > most {
        return Err(Unreachable::TooLarge);
    }
    if size > 0 {
        let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size);
        reply.body = body.ok().flatten().unwrap_or_default();
    }
    Ok(reply)
}

pub(super) fn send(response: &Response) {
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
pub(super) fn error(status: u16, detail: &str) -> Response {
    error_response(&Error::new(status, detail))
}

pub(super) fn text(value: Vec<u8>) -> String {
    String::from_utf8(value).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Milliseconds since the Unix epoch.
pub(super) fn now() -> u64 {
    let time = hostcalls::get_current_time().ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
