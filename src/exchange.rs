//! The sans-IO door between the engine and a host.
//!
//! A host creates one [`Exchange`] for each SCIM request and drives it: it drains
//! [`Exchange::poll_output`] until [`Output::Waiting`], performs the native calls that it was handed,
//! and gives each reply back through [`Exchange::handle_reply`]. [`Output::Respond`] comes exactly
//! once. Dropping the exchange cancels it.
//!
//! Handlers are ordinary `async fn`s that may await [`Upstream`] only. They are polled with a no-op
//! waker inside the host's own callbacks, so there is no executor, no thread and no wake-up to lose.
//! Combinators that rely on wakers (`join_all` and its like) must not be used; [`Upstream::call_all`]
//! is what runs calls concurrently.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::Engine;
use crate::scim::dialect::{Applied, Quirk};

/// An HTTP request: a SCIM request on its way in, or a native call on its way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, in upper case.
    pub method: String,
    /// Path and query as they stand in the request line: `/scim/v2/Users?count=10`.
    pub target: String,
    /// Header fields in order; names in lower case, values as text. HTTP/2 pseudo-headers are left out.
    pub headers: Vec<(String, String)>,
    /// The body, empty where there is none.
    pub body: Vec<u8>,
}

/// An HTTP response: a native reply on its way in, or the SCIM response on its way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 599.
    pub status: u16,
    /// Header fields in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, empty where there is none.
    pub body: Vec<u8>,
}

/// The value of the first header called `name` (lower case).
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

impl Request {
    /// The value of the first header called `name`, compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl Response {
    /// The value of the first header called `name`, compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Why a native call has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Nothing came within the call's time-out.
    Timeout,
    /// The connection was refused, reset or closed before the reply was whole.
    Connection,
    /// The host is not configured to make this call: no such cluster, or an address that is not allowed.
    Denied,
    /// The reply was larger than the host or `limits.reply` accepts.
    TooLarge,
}

/// What became of a native call. Time-outs and refusals are replies too: a handler has one failure path.
pub type Reply = Result<Response, Unreachable>;

/// Names one native call within its exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// What an exchange wants from its host.
#[must_use]
#[derive(Debug)]
pub enum Output {
    /// Make this native call, and hand its reply to [`Exchange::handle_reply`] under the same id. The
    /// target is relative to the application's origin, which the host knows.
    Call(CallId, Request, Duration),
    /// Answer the SCIM request with this response. The exchange is over.
    Respond(Response),
    /// Nothing until a reply comes.
    Waiting,
}

/// What a request needs from outside that the engine must not fetch by itself.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since the Unix epoch.
    pub now: u64,
    /// Unpredictable bytes, from which generated passwords are made.
    pub entropy: [u8; 32],
}

#[derive(Default)]
struct Calls {
    next: u32,
    outgoing: VecDeque<(CallId, Request)>,
    replies: BTreeMap<CallId, Reply>,
}

/// The handlers' side of the door: native calls, and nothing else, can be awaited.
#[derive(Clone, Default)]
pub struct Upstream(Rc<RefCell<Calls>>);

impl Upstream {
    /// Makes one native call.
    pub async fn call(&self, request: Request) -> Reply {
        let id = self.send(request);
        poll_fn(|_| self.poll_reply(id)).await
    }

    /// Sends every request before the first reply is awaited, so that the host runs them concurrently.
    /// The replies come back in the order of the requests, whatever order they arrive in.
    pub async fn call_all(&self, requests: impl IntoIterator<Item = Request>) -> Vec<Reply> {
        let ids: Vec<CallId> = requests.into_iter().map(|r| self.send(r)).collect();
        let mut replies = Vec::with_capacity(ids.len());
        for id in ids {
            replies.push(poll_fn(|_| self.poll_reply(id)).await);
        }
        replies
    }

    fn send(&self, request: Request) -> CallId {
        let mut calls = self.0.borrow_mut();
        let id = CallId(calls.next);
        calls.next = calls.next.wrapping_add(1);
        calls.outgoing.push_back((id, request));
        id
    }

    fn poll_reply(&self, id: CallId) -> Poll<Reply> {
        match self.0.borrow_mut().replies.remove(&id) {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}

/// Where handlers note the quirks that they understand.
pub(crate) type Noted = Rc<RefCell<Applied>>;

/// One SCIM request on its way to one SCIM response.
pub struct Exchange {
    engine: Rc<Engine>,
    upstream: Upstream,
    noted: Noted,
    handler: Option<Pin<Box<dyn Future<Output = Response>>>>,
}

impl Exchange {
    /// Starts an exchange. Nothing happens until the first [`Exchange::poll_output`].
    pub fn new(engine: Rc<Engine>, request: Request, moment: Moment) -> Self {
        let upstream = Upstream::default();
        let noted = Noted::default();
        let handler = crate::handler::handle(engine.clone(), upstream.clone(), noted.clone(), request, moment);
        Exchange { engine, upstream, noted, handler: Some(Box::pin(handler)) }
    }

    /// The quirks of identity providers that the request has needed so far.
    pub fn quirks(&self) -> Vec<&'static Quirk> {
        self.noted.borrow().quirks().to_vec()
    }

    /// What to do next. Call it until it says [`Output::Waiting`] or [`Output::Respond`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.next_call() {
            return output;
        }
        let Some(handler) = self.handler.as_mut() else {
            return Output::Waiting;
        };
        match handler.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => {
                self.handler = None;
                Output::Respond(response)
            }
            Poll::Pending => self.next_call().unwrap_or(Output::Waiting),
        }
    }

    /// Takes the reply to the call `id`. A reply to a call that was never made is ignored.
    pub fn handle_reply(&mut self, id: CallId, reply: Reply) {
        let mut calls = self.upstream.0.borrow_mut();
        if id.0 < calls.next {
            calls.replies.insert(id, reply);
        }
    }

    fn next_call(&mut self) -> Option<Output> {
        let (id, request) = self.upstream.0.borrow_mut().outgoing.pop_front()?;
        Some(Output::Call(id, request, self.engine.call_timeout()))
    }
}
