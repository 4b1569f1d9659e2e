//! JavaScript: Node, Deno, Bun, Cloudflare Workers and browsers.
//!
//! The engine has no IO of its own and JavaScript has all of it, so only synchronous calls cross the border between the
//! two: `js/scim-edge.js` makes the native calls that come out of an [`Exchange`] and gives their replies back. What
//! people use, and what is written down for them, is that file; the types here are between the two of them.
//!
//! Header fields cross as one list, names and values in turn.

use std::rc::Rc;

use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use super::origin::origin;
use crate::engine::Route;
use crate::exchange::{self, CallId, Moment, Output, Request, Response, Unreachable};
use crate::explain::{self, Explained};
use crate::handler::error_response;
use crate::scim::Error;
use crate::{Engine, EngineError, Environment, mapping};

/// What diagnostics call the mapping, which comes as a text without a name.
const NAME: &str = "mapping";

#[wasm_bindgen]
extern "C" {
    /// Takes what an exchange wants.
    pub type Sink;

    #[wasm_bindgen(method)]
    fn call(
        this: &Sink,
        id: u32,
        method: &str,
        origin: &str,
        target: &str,
        headers: Vec<String>,
        body: Vec<u8>,
        milliseconds: f64,
    );

    #[wasm_bindgen(method)]
    fn pause(this: &Sink, id: u32, milliseconds: f64);

    #[wasm_bindgen(method)]
    fn respond(this: &Sink, status: u16, headers: Vec<String>, body: Vec<u8>);
}

/// Everything that is wrong with a mapping, as JSON.
#[wasm_bindgen]
pub fn check(mapping: &str) -> String {
    mapping::diagnose(mapping, NAME).to_json().to_string()
}

/// An environment in which a mapping can be explained, as JSON.
#[wasm_bindgen]
pub fn placeholders(mapping: &str) -> String {
    json!(explain::placeholders(mapping, mapping::SOME_TENANT)).to_string()
}

/// A SCIM request.
#[wasm_bindgen]
pub struct Incoming {
    request: Request,
    too_large: bool,
}

#[wasm_bindgen]
impl Incoming {
    /// Without a body, it is a request whose body is too large.
    #[wasm_bindgen(constructor)]
    pub fn new(method: String, target: String, headers: Vec<String>, body: Option<Vec<u8>>) -> Incoming {
        let too_large = body.is_none();
        Incoming {
            request: Request { method, target, headers: pairs(headers), body: body.unwrap_or_default() },
            too_large,
        }
    }
}

/// A mapping with the settings of one deployment.
#[wasm_bindgen]
pub struct Deployment {
    engine: Rc<Engine>,
    mapping: String,
    environment: Environment,
}

#[wasm_bindgen]
impl Deployment {
    /// What is thrown is JSON: `message` and `diagnostics`.
    #[wasm_bindgen(constructor)]
    pub fn new(mapping: String, environment: Vec<String>) -> Result<Deployment, String> {
        let environment: Environment = pairs(environment).into_iter().collect();
        let engine = Engine::new(&mapping, NAME, &environment).map_err(|error| thrown(&error))?;
        origin("SCIM_EDGE_UPSTREAM", engine.upstream()).map_err(|problem| thrown(&EngineError::Setting(problem)))?;
        Ok(Deployment { engine: Rc::new(engine), mapping, environment })
    }

    /// Whether a request for this path and query is a SCIM request.
    pub fn owns(&self, target: &str) -> bool {
        self.engine.owns(target)
    }

    /// The largest request body, in bytes.
    #[wasm_bindgen(getter, js_name = bodyLimit)]
    pub fn body_limit(&self) -> usize {
        self.engine.body_limit()
    }

    /// Starts the exchange of one request.
    pub fn handle(&self, incoming: Incoming, now: f64, entropy: &[u8]) -> Exchange {
        let Incoming { request, too_large } = incoming;
        let kind = if too_large {
            Kind::refused(413, self.too_large())
        } else if self.owns(&request.target) {
            Kind::Live(exchange::Exchange::new(Rc::clone(&self.engine), request, moment(now, entropy)))
        } else {
            Kind::refused(404, "not a SCIM path".to_owned())
        };
        Exchange { engine: Rc::clone(&self.engine), kind }
    }

    /// Starts an exchange that can be explained when it is over; `assumed` replies need no call.
    pub fn explain(&self, incoming: Incoming, now: f64, entropy: &[u8], assumed: bool) -> Result<Exchange, String> {
        let moment = moment(now, entropy);
        if incoming.too_large {
            return Err(thrown(&EngineError::Setting(self.too_large())));
        }
        Explained::new(&self.mapping, NAME, &self.environment, incoming.request, moment, assumed)
            .map(|explained| Exchange { engine: Rc::clone(&self.engine), kind: Kind::Explained(Box::new(explained)) })
            .map_err(|error| thrown(&error))
    }
}

impl Deployment {
    fn too_large(&self) -> String {
        format!("the request body is larger than {} bytes", self.engine.body_limit())
    }
}

/// An application in memory that behaves as a mapping says that its API does.
#[wasm_bindgen]
pub struct Application(explain::Application);

#[wasm_bindgen]
impl Application {
    /// What is thrown is JSON, as of a [`Deployment`].
    #[wasm_bindgen(constructor)]
    pub fn new(mapping: &str, environment: Vec<String>, now: f64) -> Result<Application, String> {
        let environment: Environment = pairs(environment).into_iter().collect();
        explain::Application::new(mapping, NAME, &environment, milliseconds(now))
            .map(Application)
            .map_err(|error| thrown(&error))
    }

    /// Gives the sink the reply to a native call, as its response.
    pub fn reply(
        &mut self,
        method: String,
        target: String,
        headers: Vec<String>,
        body: Vec<u8>,
        now: f64,
        sink: &Sink,
    ) {
        let call = Request { method, target, headers: pairs(headers), body };
        let Response { status, headers, body } = self.0.reply(&call, milliseconds(now));
        sink.respond(status, flat(headers), body);
    }

    /// Its tables, as JSON.
    pub fn tables(&self) -> String {
        self.0.tables().to_string()
    }
}

/// One SCIM request on its way to its response.
#[wasm_bindgen]
pub struct Exchange {
    engine: Rc<Engine>,
    kind: Kind,
}

enum Kind {
    Live(exchange::Exchange),
    Explained(Box<Explained>),
    Refused(Option<Response>),
}

#[wasm_bindgen]
impl Exchange {
    /// Gives the sink all calls that can be made, or the response.
    pub fn poll(&mut self, sink: &Sink) {
        loop {
            match self.kind.poll_output() {
                Output::Call(CallId(id), call, timeout) => {
                    let Route { upstream, target, .. } = self.engine.route(&call);
                    let (headers, body) = (flat(call.headers.clone()), call.body.clone());
                    sink.call(id, &call.method, upstream, target, headers, body, timeout.as_secs_f64() * 1000.0);
                }
                Output::Pause(CallId(id), pause) => sink.pause(id, pause.as_secs_f64() * 1000.0),
                Output::Respond(Response { status, headers, body }) => {
                    return sink.respond(status, flat(headers), body);
                }
                Output::Waiting => return,
            }
        }
    }

    /// Takes the reply to a call. `now` is what `Date.now()` says, here and below.
    pub fn reply(&mut self, id: u32, status: u16, headers: Vec<String>, body: Vec<u8>, now: f64) {
        self.kind.handle_reply(CallId(id), Ok(Response { status, headers: pairs(headers), body }), milliseconds(now));
    }

    /// Goes on after a pause.
    pub fn resume(&mut self, id: u32, now: f64) {
        match &mut self.kind {
            Kind::Live(exchange) => exchange.resume(CallId(id), milliseconds(now)),
            Kind::Explained(explained) => explained.resume(CallId(id), milliseconds(now)),
            Kind::Refused(_) => {}
        }
    }

    /// Takes the reason why there is no reply to a call, in the words of [`Unreachable::as_str`].
    pub fn fail(&mut self, id: u32, reason: &str, now: f64) {
        let all = [Unreachable::Timeout, Unreachable::Denied, Unreachable::TooLarge];
        let reason = all.into_iter().find(|it| it.as_str() == reason).unwrap_or(Unreachable::Connection);
        self.kind.handle_reply(CallId(id), Err(reason), milliseconds(now));
    }

    /// What happened, as JSON; nothing where it was not to be explained.
    pub fn explanation(&self) -> Option<String> {
        match &self.kind {
            Kind::Explained(explained) => Some(explained.json().to_string()),
            _ => None,
        }
    }
}

impl Kind {
    fn refused(status: u16, detail: String) -> Kind {
        Kind::Refused(Some(error_response(&Error::new(status, detail))))
    }

    fn poll_output(&mut self) -> Output {
        match self {
            Kind::Live(exchange) => exchange.poll_output(),
            Kind::Explained(explained) => explained.poll_output(),
            Kind::Refused(response) => response.take().map_or(Output::Waiting, Output::Respond),
        }
    }

    fn handle_reply(&mut self, id: CallId, reply: exchange::Reply, now: u64) {
        match self {
            Kind::Live(exchange) => exchange.handle_reply(id, reply, now),
            Kind::Explained(explained) => explained.handle_reply(id, reply, now),
            Kind::Refused(_) => {}
        }
    }
}

fn thrown(error: &EngineError) -> String {
    let diagnostics = match error {
        EngineError::Mapping(diagnostics) => diagnostics.to_json(),
        EngineError::Setting(_) => json!([]),
    };
    json!({ "message": error.to_string(), "diagnostics": diagnostics }).to_string()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn milliseconds(now: f64) -> u64 {
    now as u64
}

fn moment(now: f64, entropy: &[u8]) -> Moment {
    Moment { now: milliseconds(now), entropy: entropy.first_chunk().copied().unwrap_or_default() }
}

fn pairs(list: Vec<String>) -> Vec<(String, String)> {
    let mut list = list.into_iter();
    std::iter::from_fn(|| Some((list.next()?, list.next()?))).collect()
}

fn flat(pairs: Vec<(String, String)>) -> Vec<String> {
    pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()
}
