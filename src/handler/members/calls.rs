//! Members changed by calls of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Group;
use super::judge::{Judge, Verb, is_not_found, settled};
use crate::exchange::{Request, Response};
use crate::handler::Context;
use crate::handler::links::listed_among;
use crate::handler::lookup::shown_id;
use crate::handler::native::{is_absent, noun, unfit};
use crate::handler::pages::{rows, rows_of_each};
use crate::handler::read::Object;
use crate::mapping::codec::text_of;
use crate::mapping::errors::{Recognised, not_understood, recognised};
use crate::mapping::links::{LinkSource, MemberBatch, MemberCall};
use crate::mapping::template::Scope;
use crate::scim::Error;
use crate::scim::json::gathered;

/// What calls name members by, by SCIM id.
type Names = BTreeMap<String, Value>;

/// The keys of the rows that members have, one or more each, by SCIM id.
pub(super) type Keys = BTreeMap<String, Vec<Value>>;

/// Adds or removes members, whom calls know by these names; `known` are keys of memberships that have been read already.
pub(super) async fn change(
    context: &Context<'_>,
    group: &Group<'_>,
    call: &MemberCall,
    (who, known): (&Names, &Keys),
    verb: Verb,
) -> Result<(), Error> {
    if who.is_empty() {
        return Ok(());
    }
    let what = format!("{} a member", verb.as_str());
    let outcomes = match &call.batch {
        Some(batch) => in_batches(context, group, (call, batch), who, (verb, &what)).await?,
        None => one_by_one(context, group, call, (who, known), &what).await?,
    };
    let total = outcomes.total;
    let mut judge = Judge::new(context, group, (verb, &what)).of_call(call);
    let mut judged = Vec::with_capacity(outcomes.replies.len());
    for (name, reply) in outcomes.replies {
        judged.push((name, judge.verdict(reply).await?));
    }
    settled(verb, total, judged)
}

/// The replies to calls, each with the words for whom it was made. There may be fewer than the `total` that was to be made.
#[derive(Default)]
struct Outcomes {
    total: usize,
    replies: Vec<(String, Result<Response, Error>)>,
}

async fn one_by_one(
    context: &Context<'_>,
    group: &Group<'_>,
    call: &MemberCall,
    (who, known): (&Names, &Keys),
    what: &str,
) -> Result<Outcomes, Error> {
    let is_unknown = call.keyed && !who.keys().all(|id| known.contains_key(id));
    let read = if is_unknown { Some(membership_keys(context, group, who).await?) } else { None };
    let keys = read.as_ref().unwrap_or(known);
    let mut requests = Vec::new();
    for (id, native) in who {
        // A call for each of the rows that somebody has: one that is left would still make a member.
        let mut rows: Vec<Option<&Value>> =
            if call.keyed { keys.get(id).into_iter().flatten().map(Some).collect() } else { vec![None] };
        rows.dedup();
        for key in rows {
            let request = rendered(call, &Scope { member: Some(native), key, ..group.scope() })?;
            requests.push((format!("the member `{id}`"), request));
        }
    }
    sent(context, what, call, requests).await
}

/// Calls for several members each. One that has nothing to do for one of them, and may have kept the others from theirs, is
/// made again without those: who they are the list tells, or calls for one member each where these cost less.
async fn in_batches(
    context: &Context<'_>,
    group: &Group<'_>,
    (call, batch): (&MemberCall, &MemberBatch),
    who: &Names,
    (verb, what): (Verb, &str),
) -> Result<Outcomes, Error> {
    let (mut outcomes, refused) = batches(context, group, (call, batch), who, (batch.max, verb, what)).await?;
    let mut left = refused;
    if left.len() > context.native.mapping().limits.concurrency
        && let Some(members) = members_among(context, group, &left).await?
    {
        left.retain(|id, _| members.contains(id) == (verb == Verb::Remove));
        let (again, refused) = batches(context, group, (call, batch), &left, (batch.max, verb, what)).await?;
        outcomes.add(again);
        left = refused;
    }
    let (singles, _) = batches(context, group, (call, batch), &left, (1, verb, what)).await?;
    outcomes.add(singles);
    Ok(outcomes)
}

/// Calls for at most so many members each, and those members whose calls had nothing to do for one of several.
async fn batches(
    context: &Context<'_>,
    group: &Group<'_>,
    (call, batch): (&MemberCall, &MemberBatch),
    who: &Names,
    (most, verb, what): (usize, Verb, &str),
) -> Result<(Outcomes, Names), Error> {
    // That one of several is not there is no news about the others.
    let is_gone = |reply: &Response| is_absent(reply, &[]) || is_not_found(&context.native.check(what, reply.clone()));
    let has_nothing_to_do =
        |reply: &Response| recognised(&call.done, reply) || (verb == Verb::Remove && is_gone(reply));
    let all: Vec<(&String, &Value)> = who.iter().collect();
    let request = |members: &&[(&String, &Value)]| {
        let list = batch.members(members.iter().map(|(_, native)| *native));
        let name = match members {
            [(name, _)] => format!("the member `{name}`"),
            _ => format!("{} members", members.len()),
        };
        Ok((name, rendered(call, &Scope { list: Some(&list), ..group.scope() })?))
    };
    let requests = all.chunks(most).map(|members| request(&members)).collect::<Result<Vec<_>, Error>>()?;
    let Outcomes { mut total, replies } = sent(context, what, call, requests).await?;
    let (mut kept, mut refused) = (Vec::new(), Names::new());
    for (outcome, members) in replies.into_iter().zip(all.chunks(most)) {
        if members.len() > 1 && outcome.1.as_ref().is_ok_and(has_nothing_to_do) {
            total -= 1;
            refused.extend(members.iter().map(|(id, native)| ((*id).clone(), (*native).clone())));
        } else {
            kept.push(outcome);
        }
    }
    Ok((Outcomes { total, replies: kept }, refused))
}

/// Those who are members now, by one reading of the list; `None` where the application shows none.
async fn members_among(
    context: &Context<'_>,
    group: &Group<'_>,
    who: &Names,
) -> Result<Option<BTreeSet<String>>, Error> {
    let Some(links) = group.resource.links.as_ref() else { return Ok(None) };
    let native = match &links.source {
        LinkSource::Field(_) => return Ok(None),
        LinkSource::List { call, .. } if !call.needs_native() => Value::Null,
        // As it is now: what was known of it may be older than the refusal.
        _ => context.native.read(group.resource, group.id).await?.ok_or_else(|| group.gone())?,
    };
    let object = Object { id: group.id, native: &native };
    Ok(listed_among(context, &links.target, &links.source, &[object], who).await?.pop())
}

impl Outcomes {
    fn add(&mut self, other: Outcomes) {
        self.total += other.total;
        self.replies.extend(other.replies);
    }
}

fn rendered(call: &MemberCall, scope: &Scope<'_>) -> Result<Request, Error> {
    call.call.render(scope).map_err(|reason| unfit(&reason))
}

/// Sends calls, as long as the application is not in trouble.
async fn sent(
    context: &Context<'_>,
    what: &str,
    call: &MemberCall,
    requests: Vec<(String, Request)>,
) -> Result<Outcomes, Error> {
    let (names, requests): (Vec<String>, Vec<Request>) = requests.into_iter().unzip();
    let total = requests.len();
    let expected: Vec<Recognised> = call.done.iter().chain(&call.absent).cloned().collect();
    let replies = context.native.send_all(what, requests, &expected).await?;
    Ok(Outcomes { total, replies: names.into_iter().zip(replies).collect() })
}

/// The memberships' own keys, by SCIM id of the member; those who are no members have none.
async fn membership_keys(context: &Context<'_>, group: &Group<'_>, who: &Names) -> Result<Keys, Error> {
    let Some(links) = &group.resource.links else { return Ok(Keys::new()) };
    let LinkSource::List { call, paging, link, find } = &links.source else { return Ok(Keys::new()) };
    let Some(key_at) = &link.key else { return Ok(Keys::new()) };
    let what = "find a membership";
    let found = match find {
        // Many single look-ups cost more than the whole list.
        Some(find) if who.len() <= context.native.mapping().limits.concurrency => {
            let scope = |native| Scope { member: Some(native), ..group.scope() };
            let scopes: Vec<Scope<'_>> = who.values().map(scope).collect();
            rows_of_each(context, what, find, paging, &scopes).await?.into_iter().flatten().collect()
        }
        _ => rows(context, what, call, paging, &group.scope()).await?,
    };
    // Without a key of its own, the id is what rows show; both are compared as the ids that they stand for.
    let known: BTreeMap<String, &String> = gathered(who.iter().map(|(id, native)| (text_of(native), id)));
    let of_row = |row: &Value| {
        (link.kind(row, links.target.kind)? == links.target.kind).then_some(())?;
        match links.target.by {
            Some(_) => known.get(&text_of(link.at.get(row)?)).map(|id| (*id).clone()),
            None => shown_id(context, &links.target, link, row, links.target.kind),
        }
    };
    let rows: Vec<(String, Option<&Value>)> =
        found.iter().filter_map(|row| Some((of_row(row)?, key_at.get(row)))).collect();
    if !rows.is_empty() && rows.iter().all(|(_, key)| key.is_none()) {
        return Err(not_understood(what, &format!("there is no key at `{key_at}`")));
    }
    let mut keys = Keys::new();
    for (id, key) in rows {
        if let Some(key) = key {
            keys.entry(id).or_default().push(key.clone());
        }
    }
    Ok(keys)
}

/// Puts the whole list of members.
pub(super) async fn replace(
    context: &Context<'_>,
    group: &Group<'_>,
    call: &MemberCall,
    members: &Value,
) -> Result<(), Error> {
    let Some(batch) = &call.batch else { return Ok(()) };
    let list = batch.members(members.as_array().into_iter().flatten());
    let request = rendered(call, &Scope { list: Some(&list), ..group.scope() })?;
    let what = format!("replace the members of the {}", noun(group.resource));
    let reply = context.native.send(&what, request).await;
    Judge::new(context, group, (Verb::Replace, &what)).of_call(call).verdict(reply).await?
}
