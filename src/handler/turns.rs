//! Turns: of requests that read something and write what they make of it, one after the other has it.
//!
//! Two such requests at once would both read the same list of members, and the second write would undo the first; or both
//! find a name free, and both create it. Here one waits until the other is done. Requests that write without reading take
//! no turn, and neither does reading. Turns are known to one engine: requests to another instance of the module, or whoever
//! works in the application itself, are not waited for.
//!
//! All requests take their turns in one order, resources before values and groups before users, so that no two wait for
//! each other.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::Context;
use super::native::{Native, noun};
use crate::mapping::Resource;
use crate::mapping::codec::text_of;
use crate::mapping::translate::Attributes;
use crate::scim::Error;
use crate::scim::json::gathered;

/// The first pause of a request that waits. Each is half as long again as the one before, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);

const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What only one request at a time may read and write. Letter case makes no difference, whether the application knows one
/// or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A resource, by its type and native id.
    Resource(String, String),
    /// A value that one resource can have, by resource type and row.
    Value(String, String, String),
    /// The gateway's session with the application. Nothing else is waited for by who has this turn.
    Login,
}

impl Key {
    /// The resource with this native id.
    pub(super) fn of(resource: &Resource, id: &Value) -> Self {
        Key::Resource(resource.kind.name.clone(), text_of(id).to_lowercase())
    }

    /// The values of those of these rows that are looked up before they are written.
    pub(super) fn of_guarded(resource: &Resource, rows: &[usize], desired: &Attributes) -> Vec<Self> {
        let rows = rows.iter().filter_map(|index| resource.rows.get(*index)).filter(|row| row.looked_up);
        let values = rows.filter_map(|row| Some((row.name.clone(), row.place.get(desired)?)));
        let key = |(row, value)| Key::Value(resource.kind.name.clone(), row, text_of(value).to_lowercase());
        values.map(key).collect()
    }
}

/// The turns that requests have at the moment.
#[derive(Debug, Default)]
pub(crate) struct Turns(RefCell<BTreeSet<Key>>);

/// A turn, which ends when this is dropped: with the request, if that is cancelled.
#[must_use]
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    key: Key,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.0.borrow_mut().remove(&self.key);
    }
}

/// Takes the turns for these keys, in their order. Where others have one for longer than the request has time, it is
/// refused, and nothing has been done.
pub(super) async fn take<'e>(
    context: &Context<'e>,
    resource: &Resource,
    keys: impl IntoIterator<Item = Key>,
) -> Result<Vec<Turn<'e>>, Error> {
    let keys: BTreeSet<Key> = gathered(keys);
    let mut taken = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(turn) = wait(&context.native, key).await else {
            let detail = format!("other requests are still changing this {}: try again later", noun(resource));
            return Err(Error::new(503, detail).with_header("retry-after", "1"));
        };
        taken.push(turn);
    }
    Ok(taken)
}

/// Takes one turn; `None` where others have it for longer than the request has time.
pub(super) async fn wait<'e>(native: &Native<'e>, key: Key) -> Option<Turn<'e>> {
    let turns = native.turns();
    let mut pause = FIRST_PAUSE;
    while !turns.0.borrow_mut().insert(key.clone()) {
        if !native.pause(pause).await {
            return None;
        }
        pause = pause.mul_f32(1.5).min(LONGEST_PAUSE);
    }
    Some(Turn { turns, key })
}

#[cfg(test)]
mod tests;
