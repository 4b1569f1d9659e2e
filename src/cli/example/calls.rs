//! The log of the calls that the application has received.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Older calls are forgotten.
const CAPACITY: usize = 100_000;

/// One call that the application has received, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The method, in upper case.
    pub method: String,
    /// Path and query as they stood in the request line: `/api/v2/users?page=1`.
    pub target: String,
    /// Header fields in order; names in lower case. What is not UTF-8 is replaced.
    pub headers: Vec<(String, String)>,
    /// The body: null where there is none, a string where it is not JSON.
    pub body: Value,
    /// The status that was answered; `None` while there is no answer, and where there never was one.
    pub status: Option<u16>,
}

impl Call {
    /// The value of the first header called `name`, compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Recorded {
    calls: VecDeque<Call>,
    /// The number of the first of `calls`, counted from the start of the application.
    first: usize,
}

/// The calls that the application has received: the last 100,000. Clones share one log.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<Recorded>>);

impl Calls {
    /// All of them, the first one first.
    pub fn all(&self) -> Vec<Call> {
        self.recorded().calls.iter().cloned().collect()
    }

    /// `METHOD target` of each, the first one first: what a test compares.
    pub fn lines(&self) -> Vec<String> {
        self.recorded().calls.iter().map(|call| format!("{} {}", call.method, call.target)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.recorded().calls.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets them.
    pub fn clear(&self) {
        let mut recorded = self.recorded();
        recorded.first += recorded.calls.len();
        recorded.calls.clear();
    }

    /// All of them, which are forgotten.
    pub fn take(&self) -> Vec<Call> {
        let mut recorded = self.recorded();
        recorded.first += recorded.calls.len();
        std::mem::take(&mut recorded.calls).into()
    }

    /// Records a call that arrives, and returns its number for [`Calls::answered`].
    pub(super) fn arrived(&self, call: Call) -> usize {
        let mut recorded = self.recorded();
        if recorded.calls.len() == CAPACITY {
            recorded.calls.pop_front();
            recorded.first += 1;
        }
        recorded.calls.push_back(call);
        recorded.first + recorded.calls.len() - 1
    }

    /// Completes the call `number`, unless it has been forgotten.
    pub(super) fn answered(&self, number: usize, status: Option<u16>) {
        let mut recorded = self.recorded();
        let index = number.checked_sub(recorded.first);
        if let Some(call) = index.and_then(|index| recorded.calls.get_mut(index)) {
            call.status = status;
        }
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
