//! Members changed by calls of their own.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Group, settled};
use crate::exchange::{Request, Response};
use crate::handler::Context;
use crate::handler::lookup::scim_id;
use crate::handler::native::{is_absent, noun, unfit};
use crate::handler::pages::{rows, rows_of_each};
use crate::mapping::codec::text_of;
use crate::mapping::errors::recognised;
use crate::mapping::links::{LinkSource, MemberBatch, MemberCall};
use crate::mapping::template::Scope;
use crate::scim::Error;

/// Adds or removes members, whom calls know by these values.
pub(super) async fn change(
    context: &Context<'_>,
    group: &Group<'_>,
    call: &MemberCall,
    who: &BTreeMap<String, Value>,
    verb: &str,
) -> Result<(), Error> {
    if who.is_empty() {
        return Ok(());
    }
    let render = |scope: Scope<'_>| call.call.render(&scope).map_err(|reason| unfit(&reason));
    let several = |batch: &MemberBatch, natives: &[(&String, &Value)]| {
        let list: Value = natives.iter().map(|(_, native)| element(batch, native)).collect();
        let request = render(Scope { list: Some(&list), ..group.scope() })?;
        let name = match natives {
            [(name, _)] => format!("the member `{name}`"),
            _ => format!("{} members", natives.len()),
        };
        Ok::<_, Error>((name, request))
    };
    let natives: Vec<(&String, &Value)> = who.iter().collect();
    let what = format!("{verb} a member");
    let mut outcomes = Vec::new();
    let mut total;
    if let Some(batch) = &call.batch {
        let batches: Vec<&[(&String, &Value)]> = natives.chunks(batch.max).collect();
        let requests = batches.iter().map(|natives| several(batch, natives)).collect::<Result<Vec<_>, _>>()?;
        let mut again = Vec::new();
        total = requests.len();
        for ((name, reply), natives) in sent(context, &what, call, requests).await?.into_iter().zip(batches) {
            if natives.len() > 1 && matches!(&reply, Ok(reply) if recognised(&call.done, reply)) {
                // One of them needs no change, and that may have kept the others from theirs.
                total += natives.len() - 1;
                again.extend(natives.chunks(1).map(|one| several(batch, one)).collect::<Result<Vec<_>, _>>()?);
            } else {
                outcomes.push((name, reply));
            }
        }
        outcomes.extend(sent(context, &what, call, again).await?);
    } else {
        let keys = if call.keyed { membership_keys(context, group, who).await? } else { BTreeMap::new() };
        let mut requests = Vec::new();
        for (id, native) in natives {
            let key = keys.get(id);
            if call.keyed && key.is_none() {
                continue;
            }
            let request = render(Scope { member: Some(native), key, ..group.scope() })?;
            requests.push((format!("the member `{id}`"), request));
        }
        total = requests.len();
        outcomes = sent(context, &what, call, requests).await?;
    }
    let mut judged = Vec::with_capacity(outcomes.len());
    for (name, reply) in outcomes {
        judged.push((name, judge(context, group, call, &what, reply).await?));
    }
    settled(verb, total, judged)
}

/// What a member is in a list of several.
fn element(batch: &MemberBatch, native: &Value) -> Value {
    match &batch.each {
        Some(each) => each.render(&Scope { member: Some(native), ..Scope::default() }),
        None => native.clone(),
    }
}

/// Sends calls until the application is in trouble: then it is left alone.
async fn sent(
    context: &Context<'_>,
    what: &str,
    call: &MemberCall,
    requests: Vec<(String, Request)>,
) -> Result<Vec<(String, Result<Response, Error>)>, Error> {
    let (names, requests): (Vec<String>, Vec<Request>) = requests.into_iter().unzip();
    let stop = |reply: &Result<_, Error>| {
        let done = matches!(reply, Ok(reply) if recognised(&call.done, reply));
        !done && context.native.is_in_trouble(what, reply)
    };
    let replies = context.native.send_until(what, requests, stop).await?;
    Ok(names.into_iter().zip(replies).collect())
}

/// Whether a change was made. The outer error is that the group has gone.
async fn judge(
    context: &Context<'_>,
    group: &Group<'_>,
    call: &MemberCall,
    what: &str,
    reply: Result<Response, Error>,
) -> Result<Result<(), Error>, Error> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Ok(Err(error)),
    };
    if recognised(&call.done, &reply) {
        return Ok(Ok(()));
    }
    if !is_absent(&reply, &[]) {
        return Ok(context.native.check(what, reply).map(|_| ()));
    }
    // The application's 404 means the group or the member.
    match context.native.read(group.resource, group.id).await? {
        None => Err(group.gone()),
        Some(_) => Ok(Err(Error::invalid_value("there is no such user"))),
    }
}

/// The memberships' own keys, by SCIM id of the member; those who are no members have none.
async fn membership_keys(
    context: &Context<'_>,
    group: &Group<'_>,
    who: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, Error> {
    let Some(links) = &group.resource.links else { return Ok(BTreeMap::new()) };
    let LinkSource::List { call, paging, link, find } = &links.source else { return Ok(BTreeMap::new()) };
    let Some(key_at) = &link.key else { return Ok(BTreeMap::new()) };
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
    let user = context.native.mapping().resource(links.target.kind);
    // Without a key of its own, the id is what rows show; both are compared as the ids that they stand for.
    let known: BTreeMap<String, &String> = who.iter().map(|(id, native)| (text_of(native), id)).collect();
    let of_row = |row: &Value| {
        (link.kind(row, links.target.kind)? == links.target.kind).then_some(())?;
        let native = link.at.get(row)?;
        match links.target.by {
            Some(_) => known.get(&text_of(native)).map(|id| (*id).clone()),
            None => scim_id(user, native),
        }
    };
    Ok(found.iter().filter_map(|row| Some((of_row(row)?, key_at.get(row)?.clone()))).collect())
}

/// Puts the whole list of members.
pub(super) async fn replace(
    context: &Context<'_>,
    group: &Group<'_>,
    call: &MemberCall,
    natives: &[Value],
) -> Result<(), Error> {
    let Some(batch) = &call.batch else { return Ok(()) };
    let list: Value = natives.iter().map(|native| element(batch, native)).collect();
    let scope = Scope { list: Some(&list), ..group.scope() };
    let request = call.call.render(&scope).map_err(|reason| unfit(&reason))?;
    let what = format!("replace the members of the {}", noun(group.resource));
    let reply = context.native.send(&what, request).await?;
    context.native.check(&what, reply).map(|_| ())
}
