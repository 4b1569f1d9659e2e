//! What the application's replies to changes of members mean. A 404 can be about the group or about a user, and an
//! identity provider that is told that the group is gone makes another one.

use super::Group;
use crate::exchange::Response;
use crate::handler::Context;
use crate::handler::native::is_absent;
use crate::mapping::errors::{Recognised, recognised, recognised_by_more};
use crate::mapping::links::MemberCall;
use crate::scim::Error;

/// What a call does to members.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Remove,
    /// The whole list is sent.
    Replace,
}

impl Verb {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Verb::Add => "add",
            Verb::Remove => "remove",
            Verb::Replace => "replace",
        }
    }
}

/// Judges the replies to the calls of one request about one group, which is read once at most.
pub(super) struct Judge<'a, 'e> {
    context: &'a Context<'e>,
    group: &'a Group<'a>,
    verb: Verb,
    what: &'a str,
    /// Replies that mean that there was nothing to do.
    done: &'a [Recognised],
    /// Replies that mean that something is not there, beside 404.
    absent: &'a [Recognised],
    is_there: Option<bool>,
}

impl<'a, 'e> Judge<'a, 'e> {
    pub(super) fn new(context: &'a Context<'e>, group: &'a Group<'a>, (verb, what): (Verb, &'a str)) -> Self {
        Judge { context, group, verb, what, done: &[], absent: &[], is_there: None }
    }

    pub(super) fn of_call(self, call: &'a MemberCall) -> Self {
        Judge { done: &call.done, absent: &call.absent, ..self }
    }

    pub(super) fn with_absent(self, absent: &'a [Recognised]) -> Self {
        Judge { absent, ..self }
    }

    /// Whether a change was made. The outer error is that the group has gone.
    pub(super) async fn verdict(&mut self, reply: Result<Response, Error>) -> Result<Result<(), Error>, Error> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return Ok(Err(error)),
        };
        let nothing_to_do = recognised(self.done, &reply);
        let nothing_there = is_absent(&reply, &[]);
        // A status alone does not say what is not there.
        if nothing_to_do && (!nothing_there || recognised_by_more(self.done, &reply)) {
            return Ok(Ok(()));
        }
        let nothing_there = nothing_there || recognised(self.absent, &reply);
        let checked = self.context.native.check(self.what, reply).map(|_| ());
        // An error rule that makes a 404 of a reply does not say what is not there either.
        if !nothing_there && !is_not_found(&checked) {
            return Ok(checked);
        }
        if !self.group_is_there().await? {
            return Err(self.group.gone());
        }
        if nothing_to_do || self.verb == Verb::Remove {
            return Ok(Ok(()));
        }
        Ok(Err(match checked {
            // What the mapping says of the reply, unless that were said of the group.
            Err(error) if error.status != 404 => error,
            _ => Error::invalid_value("there is no such user"),
        }))
    }

    async fn group_is_there(&mut self) -> Result<bool, Error> {
        if let Some(known) = self.is_there {
            return Ok(known);
        }
        let found = self.context.native.read(self.group.resource, self.group.id).await?.is_some();
        self.is_there = Some(found);
        Ok(found)
    }
}

/// Whether a reply that is checked says that something is not there.
pub(super) fn is_not_found<T>(checked: &Result<T, Error>) -> bool {
    checked.as_ref().is_err_and(|error| error.status == 404)
}

/// What came of `total` calls, each for whom it was made: what is wrong with one member does not keep the others out, and
/// the first failure is told.
pub(super) fn settled(verb: Verb, total: usize, outcomes: Vec<(String, Result<(), Error>)>) -> Result<(), Error> {
    let (made, done) = (outcomes.len(), outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count());
    let failed = outcomes.into_iter().find_map(|(name, outcome)| Some((name, outcome.err()?)));
    let unmade = || ("everybody".to_owned(), Error::new(503, "the application is in trouble"));
    let failed = failed.or_else(|| (made < total).then(unmade));
    failed.map_or(Ok(()), |(name, error)| {
        // What is refused for what it is will be refused again.
        let again = if error.status == 429 || error.status >= 500 {
            ", and sending the request again does the rest"
        } else {
            ""
        };
        let verb = verb.as_str();
        let detail =
            format!("could not {verb} {name}: {}; {done} of {total} member calls were done{again}", error.detail);
        Err(Error { detail, partial: done > 0, ..error })
    })
}
