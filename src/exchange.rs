//! The sans-IO door between the engine and a host.
//!
//! A host creates one [`Exchange`] for each SCIM request and drives it: it drains
//! [`Exchange::poll_output`] until [`Output::Waiting`], performs the native calls that it was handed,
//! and gives each reply back through [`Exchange::handle_reply`]. [`Output::Respond`] comes exactly
//! once. Dropping the exchange cancels it. Time passes for an exchange when a host says so, with each
//! reply: no call begins after `limits.time`, and none may last beyond it.
//!
//! Handlers are ordinary `async fn`s that may await [`Upstream`] only. They are polled with a no-op
//! waker inside the host's own callbacks, so there is no executor, no thread and no wake-up to lose.
//! Combinators that rely on wakers (`join_all` and its like) must not be used; [`Upstream::call_all`]
//! is what runs calls concurrently.

use std::cell::RefCell;
use std::collections::VecDeque;
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

impl Unreachable {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Unreachable::Timeout => "timeout",
            Unreachable::Connection => "connection",
            Unreachable::Denied => "denied",
            Unreachable::TooLarge => "too-large",
        }
    }
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
    /// Make this native call, which may last so long, and hand its reply to [`Exchange::handle_reply`] under
    /// the same id. The target is relative to the application's origin, which the host knows.
    Call(CallId, Request, Duration),
    /// Let so much time pass, and then call [`Exchange::resume`] with the same id.
    Pause(CallId, Duration),
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

struct Calls {
    next: u32,
    outgoing: VecDeque<Output>,
    /// Those that nobody has taken yet: a few at most.
    replies: Vec<(CallId, Reply)>,
    /// Milliseconds since the Unix epoch, as the host has said last.
    now: u64,
    /// When the request's time is up.
    end: u64,
    /// How long one call may last.
    each: Duration,
}

impl Calls {
    fn left(&self) -> Duration {
        Duration::from_millis(self.end.saturating_sub(self.now))
    }

    fn id(&mut self) -> CallId {
        let id = CallId(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }
}

/// The handlers' side of the door: native calls and pauses, and nothing else, can be awaited.
#[derive(Clone)]
pub struct Upstream(Rc<RefCell<Calls>>);

impl Upstream {
    fn new(engine: &Engine, now: u64) -> Self {
        let end = now.saturating_add(u64::from(engine.mapping.limits.time) * 1000);
        let (outgoing, replies) = (VecDeque::new(), Vec::new());
        Upstream(Rc::new(RefCell::new(Calls { next: 0, outgoing, replies, now, end, each: engine.call_timeout() })))
    }

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

    /// Lets time pass. `false`: the request has not so much time left, and none has passed.
    pub async fn pause(&self, duration: Duration) -> bool {
        let id = {
            let mut calls = self.0.borrow_mut();
            if duration >= calls.left() {
                return false;
            }
            let id = calls.id();
            calls.outgoing.push_back(Output::Pause(id, duration));
            id
        };
        poll_fn(|_| self.poll_reply(id)).await.is_ok()
    }

    fn send(&self, request: Request) -> CallId {
        let mut calls = self.0.borrow_mut();
        let id = calls.id();
        let timeout = calls.each.min(calls.left());
        if timeout.is_zero() {
            calls.replies.push((id, Err(Unreachable::Timeout)));
        } else {
            calls.outgoing.push_back(Output::Call(id, request, timeout));
        }
        id
    }

    fn poll_reply(&self, id: CallId) -> Poll<Reply> {
        let replies = &mut self.0.borrow_mut().replies;
        match replies.iter().position(|(of, _)| *of == id) {
            Some(at) => Poll::Ready(replies.swap_remove(at).1),
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
        let upstream = Upstream::new(&engine, moment.now);
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
        if let Some(output) = self.next_output() {
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
            Poll::Pending => self.next_output().unwrap_or(Output::Waiting),
        }
    }

    /// Takes the reply to the call `id`, at `now`, in milliseconds since the Unix epoch. A reply to a call that was
    /// never made is ignored, and of one that is larger than `limits.reply` nothing is looked at.
    pub fn handle_reply(&mut self, id: CallId, reply: Reply, now: u64) {
        let most = self.engine.reply_limit();
        let fits = |reply: &Response| reply.body.len() <= most;
        let reply = reply.and_then(|reply| if fits(&reply) { Ok(reply) } else { Err(Unreachable::TooLarge) });
        let mut calls = self.upstream.0.borrow_mut();
        calls.now = calls.now.max(now);
        if id.0 < calls.next {
            calls.replies.retain(|(of, _)| *of != id);
            calls.replies.push((id, reply));
        }
    }

    /// Says that the pause `id` is over, at `now`.
    pub fn resume(&mut self, id: CallId, now: u64) {
        self.handle_reply(id, Ok(Response::default()), now);
    }

    fn next_output(&mut self) -> Option<Output> {
        self.upstream.0.borrow_mut().outgoing.pop_front()
    }
}

#[cfg(test)]
mod tests;
