//! What happens because time passes. Envoy ticks while something waits for it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use proxy_wasm::hostcalls;

use super::stream::{Stream, now};
use crate::exchange::CallId;

/// How often Envoy ticks while there are timers.
const TICK: Duration = Duration::from_millis(50);

/// The timers of a configured filter's streams.
#[derive(Default)]
pub(super) struct Timers {
    set: RefCell<Vec<Timer>>,
    /// Streams whose calls may have been made in a tick: the replies come to the root context.
    resumed: RefCell<Vec<Weak<RefCell<Stream>>>>,
    /// Whether a body has arrived, which settles for the life of the VM that they do.
    bodies_arrive: Cell<bool>,
}

struct Timer {
    /// Milliseconds since the Unix epoch.
    due: u64,
    stream: Weak<RefCell<Stream>>,
    wait: Wait,
}

/// What a stream waits for.
#[derive(Clone, Copy)]
enum Wait {
    /// Its body.
    Body,
    /// The end of a pause.
    Pause(CallId),
}

impl Timers {
    /// Finds out whether Envoy hands over bodies at all. Without `allow_on_headers_stop_iteration` a filter that
    /// holds back the headers never sees the body, and the request would hang until the stream's time-out.
    pub(super) fn expect_body(&self, stream: &Rc<RefCell<Stream>>, due: u64) {
        if !self.bodies_arrive.get() {
            self.add(Timer { due, stream: Rc::downgrade(stream), wait: Wait::Body });
        }
    }

    pub(super) fn body_arrived(&self) {
        self.bodies_arrive.set(true);
    }

    pub(super) fn pause(&self, stream: Weak<RefCell<Stream>>, id: CallId, due: u64) {
        self.add(Timer { due, stream, wait: Wait::Pause(id) });
    }

    fn add(&self, timer: Timer) {
        let mut set = self.set.borrow_mut();
        if set.is_empty() {
            let _ = hostcalls::set_tick_period(TICK);
        }
        set.push(timer);
    }

    /// Wakes the streams whose time has come. Their own callbacks are not running.
    pub(super) fn check(&self) {
        let now = now();
        let timers = self.set.take();
        let (due, later): (Vec<Timer>, Vec<Timer>) = timers
            .into_iter()
            .filter(|timer| timer.stream.strong_count() > 0)
            .filter(|timer| !(matches!(timer.wait, Wait::Body) && self.bodies_arrive.get()))
            .partition(|timer| timer.due <= now);
        self.set.replace(later);
        for timer in due {
            let Some(stream) = timer.stream.upgrade() else { continue };
            let mut stream = stream.borrow_mut();
            // The tick runs in the root context, what follows belongs to the stream.
            if hostcalls::set_effective_context(stream.context_id).is_err() {
                continue;
            }
            match timer.wait {
                Wait::Body => stream.respond_without_body(),
                Wait::Pause(id) => {
                    self.resumed.borrow_mut().push(timer.stream);
                    stream.resume(id, now);
                }
            }
        }
        self.resumed.borrow_mut().retain(|stream| stream.strong_count() > 0);
        if self.set.borrow().is_empty() {
            let _ = hostcalls::set_tick_period(Duration::ZERO);
        }
    }

    /// Hands a reply that came to the root context to the stream that it is for.
    pub(super) fn reply(&self, token: u32, headers: usize, body: usize) {
        let streams: Vec<_> = self.resumed.borrow().iter().filter_map(Weak::upgrade).collect();
        let Some(stream) = streams.into_iter().find(|stream| stream.borrow().awaits(token)) else {
            return;
        };
        let mut stream = stream.borrow_mut();
        if hostcalls::set_effective_context(stream.context_id).is_ok() {
            stream.reply(token, headers, body);
        }
    }
}
