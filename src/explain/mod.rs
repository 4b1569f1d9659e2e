//! What a SCIM request becomes: its native calls with their replies, and its response, without secrets.

#[cfg(any(test, target_os = "unknown"))]
mod application;
mod assumed;
mod calls;
mod secrets;
mod shapes;

use std::collections::BTreeMap;
#[cfg(not(target_family = "wasm"))]
use std::fmt::Write as _;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use crate::exchange::{CallId, Exchange, Moment, Output, Reply, Request, Response};
use crate::handler::error_response;
use crate::scim::Error;
use crate::{Engine, EngineError, Environment, mapping};
#[cfg(target_os = "unknown")]
pub(crate) use application::Application;
use assumed::Assumed;
use secrets::Secrets;

/// The bearer token of requests that are explained without a deployment.
pub(crate) const TOKEN: &str = "explain";
/// A list that never ends must not be followed for ever.
const MOST_CALLS: usize = 200;

/// The settings of no deployment: every variable that the mapping names is its own name in angle brackets.
pub(crate) fn placeholders(mapping: &str, tenant: &str) -> Environment {
    let mut environment = mapping::placeholders(mapping, tenant);
    let token = format!("{tenant}={TOKEN}");
    let settings = [("TOKENS", token.as_str()), ("PATH", "/scim/v2"), ("UPSTREAM", "http://application")];
    environment.extend(settings.map(|(name, value)| (format!("SCIM_EDGE_{name}"), value.to_owned())));
    environment
}

/// An exchange whose calls and replies are kept.
pub(crate) struct Explained {
    engine: Rc<Engine>,
    exchange: Exchange,
    request: Request,
    secrets: Secrets,
    now: u64,
    assumed: Option<Assumed>,
    waiting: BTreeMap<CallId, Request>,
    steps: Vec<(Request, Reply)>,
    response: Option<Response>,
}

impl Explained {
    /// Starts an exchange with an engine of its own, so that nothing of it stays. If replies are `assumed`, no call
    /// comes out.
    pub(crate) fn new(
        mapping: &str,
        name: &str,
        environment: &Environment,
        request: Request,
        moment: Moment,
        assumed: bool,
    ) -> Result<Self, EngineError> {
        let engine = Rc::new(Engine::new(mapping, name, environment)?);
        Ok(Explained {
            exchange: Exchange::new(Rc::clone(&engine), request.clone(), moment),
            assumed: engine.mapping().filter(|_| assumed).map(|mapping| Assumed::new(Rc::clone(mapping), &request)),
            secrets: Secrets::new(mapping, environment, &engine, &request.body, &moment),
            now: moment.now,
            engine,
            request,
            waiting: BTreeMap::new(),
            steps: Vec::new(),
            response: None,
        })
    }

    /// As [`Exchange::poll_output`].
    pub(crate) fn poll_output(&mut self) -> Output {
        loop {
            let output = if self.steps.len() + self.waiting.len() > MOST_CALLS {
                let detail =
                    format!("the request needs more than {MOST_CALLS} native calls, so it is explained no further");
                Output::Respond(error_response(&Error::new(500, detail)))
            } else {
                self.exchange.poll_output()
            };
            match (&output, &mut self.assumed) {
                (Output::Call(id, call, _), Some(assumed)) => {
                    let reply = Ok(assumed.reply(call));
                    self.waiting.insert(*id, call.clone());
                    self.handle_reply(*id, reply, self.now);
                    continue;
                }
                (Output::Pause(id, _), Some(_)) => {
                    self.resume(*id, self.now);
                    continue;
                }
                (Output::Call(id, call, _), None) => drop(self.waiting.insert(*id, call.clone())),
                (Output::Respond(response), _) => self.response = Some(response.clone()),
                (Output::Waiting | Output::Pause(..), _) => {}
            }
            return output;
        }
    }

    /// As [`Exchange::handle_reply`].
    pub(crate) fn handle_reply(&mut self, id: CallId, reply: Reply, now: u64) {
        if let Some(call) = self.waiting.remove(&id) {
            self.secrets.learn(&self.engine, &call, &reply);
            self.steps.push((call, reply.clone()));
            self.exchange.handle_reply(id, reply, now);
        }
    }

    /// As [`Exchange::resume`].
    pub(crate) fn resume(&mut self, id: CallId, now: u64) {
        self.exchange.resume(id, now);
    }

    fn redacted(&self, text: &str) -> String {
        self.secrets.redacted(text)
    }

    fn headers<'c>(&'c self, call: &'c Request) -> impl Iterator<Item = (&'c str, String)> {
        let login = self.engine.mapping().and_then(|mapping| mapping.login.as_ref()).map(|login| login.header.as_str());
        call.headers.iter().map(move |(name, value)| {
            let shown = match value.strip_prefix("Basic ") {
                Some(_) => "Basic <name and password>".to_owned(),
                None if login == Some(name.as_str()) => "<the login's token>".to_owned(),
                None => self.redacted(value),
            };
            (name.as_str(), shown)
        })
    }

    /// A body as JSON: text where it is none, `null` where there is no body.
    fn body(&self, bytes: &[u8]) -> Value {
        let text = self.redacted(&String::from_utf8_lossy(bytes));
        match serde_json::from_str(&text) {
            _ if text.is_empty() => Value::Null,
            Ok(json) => json,
            Err(_) => text.into(),
        }
    }

    fn reply(&self, reply: &Reply) -> Value {
        let mut told = match reply {
            Ok(reply) => {
                let mut told = self.response(reply);
                Secrets::hidden(&self.engine, &mut told);
                told
            }
            Err(reason) => json!({ "status": null, "failure": reason.as_str() }),
        };
        if let Some(told) = told.as_object_mut() {
            told.insert("assumed".to_owned(), self.assumed.is_some().into());
        }
        told
    }

    fn response(&self, response: &Response) -> Value {
        let headers = response.headers.iter().map(|(name, value)| (name.clone(), self.redacted(value).into()));
        json!({
            "status": response.status, "headers": headers.collect::<Map<_, _>>(), "body": self.body(&response.body),
        })
    }

    /// For programs. `response` is `null` where the exchange is not over.
    pub(crate) fn json(&self) -> Value {
        let calls = self.steps.iter().map(|(call, reply)| {
            let headers = self.headers(call).map(|(name, value)| (name.to_owned(), value.into()));
            json!({
                "method": call.method, "target": self.redacted(&call.target), "headers": headers.collect::<Map<_, _>>(),
                "body": self.body(&call.body), "reply": self.reply(reply),
            })
        });
        let quirks = self
            .exchange
            .quirks()
            .into_iter()
            .map(|it| json!({ "name": it.name, "trigger": it.trigger, "source": it.source, "strict": it.strict }));
        json!({
            "request": { "method": self.request.method, "target": self.request.target },
            "quirks": quirks.collect::<Vec<_>>(),
            "calls": calls.collect::<Vec<_>>(),
            "response": self.response.as_ref().map(|response| self.response(response)),
        })
    }

    /// For people.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{} {}\n", self.request.method, self.request.target);
        for quirk in self.exchange.quirks() {
            let _ = writeln!(out, "quirk {}: {} ({})", quirk.name, quirk.trigger, quirk.source);
        }
        let sort = if self.assumed.is_some() { "assumed reply" } else { "reply" };
        for (index, (call, reply)) in self.steps.iter().enumerate() {
            let _ = writeln!(out, "\n{}. {} {}", index + 1, call.method, self.redacted(&call.target));
            for (name, value) in self.headers(call) {
                let _ = writeln!(out, "   {name}: {value}");
            }
            if !call.body.is_empty() {
                let _ = writeln!(out, "   {}", self.redacted(&String::from_utf8_lossy(&call.body)));
            }
            let _ = match reply {
                Err(reason) => writeln!(out, "   {sort}: {}", reason.as_str()),
                Ok(reply) if reply.body.is_empty() => writeln!(out, "   {sort}: {}", reply.status),
                Ok(reply) => {
                    let mut body = self.body(&reply.body);
                    Secrets::hidden(&self.engine, &mut body);
                    writeln!(out, "   {sort}: {} {body}", reply.status)
                }
            };
        }
        if self.steps.is_empty() {
            out.push_str("\nno native call\n");
        }
        if let Some(response) = &self.response {
            let _ = writeln!(out, "\nanswer: {}", response.status);
            let body = String::from_utf8_lossy(&response.body);
            if !body.is_empty() {
                let _ = writeln!(out, "{}", self.redacted(&body));
            }
        }
        if self.assumed.is_some() && !self.steps.is_empty() {
            out.push_str("\nNo call was made: the replies are assumed, from the mapping alone. `--upstream URL` makes the calls.\n");
        }
        out
    }
}
