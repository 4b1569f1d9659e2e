//! The members of groups: read, added and removed by the application's own calls.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Context;
use super::native::{is_absent, noun, unfit};
use super::pages::{rows, rows_of_each};
use super::read::Object;
use crate::exchange::Request;
use crate::mapping::errors::{Recognised, json_body};
use crate::mapping::template::{JsonTemplate, Scope, query_text};
use crate::mapping::{MemberCall, MemberSource, Members, Resource};
use crate::scim::patch::MemberEdit;
use crate::scim::{Error, Projection};

/// Whether a response will carry members, so that they must be read.
pub(super) fn are_wanted(resource: &Resource, projection: &Projection) -> bool {
    let readable = resource.members.as_ref().is_some_and(|members| members.source.is_some());
    readable && projection.wants(&resource.kind, "members")
}

/// The `members` of a group.
pub(super) async fn of(context: &Context<'_>, group: &Resource, object: Object<'_>) -> Result<Value, Error> {
    let mut members = of_each(context, group, &[object]).await?;
    Ok(members.pop().unwrap_or_else(|| Value::Array(Vec::new())))
}

/// The `members` of each of several groups, read side by side.
pub(super) async fn of_each(
    context: &Context<'_>,
    group: &Resource,
    groups: &[Object<'_>],
) -> Result<Vec<Value>, Error> {
    let user = context.native.mapping().resource("User");
    let one = |native: &Value, display: Option<&Value>| {
        Some(present(context, &scim_id(user, native)?, display.filter(|it| it.is_string())))
    };
    match group.members.as_ref().and_then(|members| members.source.as_ref()) {
        None => Ok(vec![Value::Array(Vec::new()); groups.len()]),
        Some(MemberSource::Inline { at, member }) => Ok(groups
            .iter()
            .map(|current| {
                let elements = at.get(current.native).and_then(Value::as_array).into_iter().flatten();
                elements.filter_map(|element| one(member.get(element)?, None)).collect()
            })
            .collect()),
        Some(MemberSource::List { call, paging, member, display, .. }) => {
            let scopes: Vec<Scope<'_>> =
                groups.iter().map(|current| Scope { id: Some(current.id), ..Scope::default() }).collect();
            let lists = rows_of_each(context, "read the members", call, paging, &scopes, &[]).await?;
            let display = |row| display.as_ref().and_then(|at| at.get(row));
            Ok(lists
                .iter()
                .map(|rows| rows.iter().filter_map(|row| one(member.get(row)?, display(row))).collect())
                .collect())
        }
    }
}

/// The members of a group that was just created with these edits: nobody else can be in it.
pub(super) fn of_new(context: &Context<'_>, edits: &[MemberEdit]) -> Value {
    let changes = changes(edits, None);
    changes.add.iter().map(|id| present(context, id, None)).collect()
}

fn present(context: &Context<'_>, id: &str, display: Option<&Value>) -> Value {
    let mut value = json!({ "value": id, "type": "User" });
    if let (Some(user), Some(object)) = (context.native.mapping().resource("User"), value.as_object_mut()) {
        object.insert("$ref".to_owned(), context.location(user, id).into());
        object.extend(display.map(|display| ("display".to_owned(), display.clone())));
    }
    value
}

/// Whether the mapping has a look-up of single memberships.
pub(super) fn can_be_found(group: &Resource) -> bool {
    let source = group.members.as_ref().and_then(|members| members.source.as_ref());
    matches!(source, Some(MemberSource::List { find: Some(_), .. }))
}

/// Those of `ids` that are members of each group, by the mapping's look-up of single memberships: the question
/// whether somebody belongs to a group of fifty thousand is one small call.
pub(super) async fn among(
    context: &Context<'_>,
    group: &Resource,
    groups: &[Object<'_>],
    ids: &[String],
) -> Result<Vec<Value>, Error> {
    let source = group.members.as_ref().and_then(|members| members.source.as_ref());
    let Some(MemberSource::List { call, paging, member, find: Some(find), .. }) = source else {
        return Ok(vec![Value::Array(Vec::new()); groups.len()]);
    };
    let user = context.native.mapping().resource("User");
    let mut found = vec![Vec::new(); groups.len()];
    for (current, found) in groups.iter().zip(&mut found) {
        for id in ids {
            let Ok(native) = native_id(user, id) else { continue };
            let scope = Scope { id: Some(current.id), member: Some(&native), ..Scope::default() };
            let rows = rows(context, "find a membership", call, paging, &scope, &queries(find, &scope)).await?;
            let is_member = |row: &Value| member.get(row).and_then(|native| scim_id(user, native)).as_ref() == Some(id);
            if rows.iter().any(is_member) {
                found.push(present(context, id, None));
            }
        }
    }
    Ok(found.into_iter().map(Value::Array).collect())
}

fn queries(find: &[(String, JsonTemplate)], scope: &Scope<'_>) -> Vec<(String, String)> {
    find.iter().filter_map(|(name, value)| Some((name.clone(), query_text(value, scope)?))).collect()
}

/// Refuses members that cannot be, and changes that need a list which the application does not show, before anything
/// is written.
pub(super) fn check(context: &Context<'_>, group: &Resource, edits: &[MemberEdit]) -> Result<(), Error> {
    let user = context.native.mapping().resource("User");
    let shown = group.members.as_ref().is_some_and(|members| members.source.is_some());
    if !shown && edits.iter().any(wants_current) {
        return Err(Error::mutability(
            "the application does not show who the members are, so that they can only be added and removed by id",
        ));
    }
    for edit in edits {
        if let MemberEdit::Add(ids) | MemberEdit::Replace(ids) = edit {
            for id in ids {
                native_id(user, id)?;
            }
        }
    }
    Ok(())
}

fn scim_id(user: Option<&Resource>, native: &Value) -> Option<String> {
    match user {
        Some(user) => user.scim_id(native),
        None => Some(crate::mapping::codec::text_of(native)),
    }
}

fn native_id(user: Option<&Resource>, id: &str) -> Result<Value, Error> {
    let native = match user {
        Some(user) => user.native_id(id),
        None => Some(Value::from(id)),
    };
    native.ok_or_else(|| Error::invalid_value(format!("no user can have the id `{id}`, which is to be a member")))
}

/// Who is to be added and removed.
#[derive(Default)]
struct Changes {
    add: BTreeSet<String>,
    remove: BTreeSet<String>,
}

/// Carries out changes of a group's members, in order. Only what needs it reads the list first: adding and
/// removing by id cost the same in a group of five and in a group of fifty thousand. `known` is the group's native
/// object, where it has been read already.
pub(super) async fn edit(
    context: &Context<'_>,
    group: &Resource,
    id: &Value,
    edits: &[MemberEdit],
    known: Option<&Value>,
) -> Result<(), Error> {
    let Some(members) = &group.members else {
        return Ok(());
    };
    if edits.is_empty() {
        return Ok(());
    }
    check(context, group, edits)?;
    let single_calls = members.add.is_some() && members.remove.is_some();
    let current = if edits.iter().any(wants_current) || !single_calls {
        let read;
        let native = match known {
            Some(native) => native,
            None => {
                read = context.native.read(group, id).await?.ok_or_else(|| gone(group, id))?;
                &read
            }
        };
        Some(of(context, group, Object { id, native }).await?)
    } else {
        None
    };
    let changes = changes(edits, current.as_ref());
    let count = changes.add.len() + changes.remove.len();
    let most = context.native.mapping().limits.members;
    if count > most {
        return Err(Error::too_many(format!("{count} member changes in one request; the limit is {most}")));
    }
    match (&members.add, &members.remove, &members.replace) {
        (Some(add), Some(remove), _) => {
            // Removing first never leaves somebody in who should be out, if the rest fails.
            change(context, group, members, id, remove, &changes.remove, "remove").await?;
            change(context, group, members, id, add, &changes.add, "add").await
        }
        (_, _, Some(replace)) if count > 0 => {
            let mut target: BTreeSet<String> = ids(current.as_ref()).collect();
            target.retain(|member| !changes.remove.contains(member));
            target.extend(changes.add);
            replace_all(context, group, id, replace, &target).await
        }
        (_, _, Some(_)) => Ok(()),
        _ => Err(Error::mutability("the application has no call that changes the members of a group")),
    }
}

/// Whether a change cannot be made without knowing the members.
fn wants_current(edit: &MemberEdit) -> bool {
    matches!(edit, MemberEdit::Replace(_) | MemberEdit::RemoveWhere(_))
}

fn ids(members: Option<&Value>) -> impl Iterator<Item = String> {
    let members = members.and_then(Value::as_array).into_iter().flatten();
    members.filter_map(|member| member.get("value")?.as_str().map(str::to_owned))
}

/// The net effect of the edits; with `current`, only what really changes it.
fn changes(edits: &[MemberEdit], current: Option<&Value>) -> Changes {
    let kind = crate::scim::core::group_type();
    let before: BTreeSet<String> = ids(current).collect();
    let mut changes = Changes::default();
    let add = |changes: &mut Changes, id: &String| {
        changes.remove.remove(id);
        changes.add.insert(id.clone());
    };
    let remove = |changes: &mut Changes, id: &String| {
        changes.add.remove(id);
        changes.remove.insert(id.clone());
    };
    for edit in edits {
        match edit {
            MemberEdit::Add(ids) => ids.iter().for_each(|id| add(&mut changes, id)),
            MemberEdit::Remove(ids) => ids.iter().for_each(|id| remove(&mut changes, id)),
            MemberEdit::Replace(ids) => {
                let present: Vec<String> = before.iter().chain(&changes.add).cloned().collect();
                present.iter().filter(|id| !ids.contains(id)).for_each(|id| remove(&mut changes, id));
                ids.iter().for_each(|id| add(&mut changes, id));
            }
            MemberEdit::RemoveWhere(filter) => {
                let selected = |id: &&String| {
                    let mut known = current.and_then(Value::as_array).into_iter().flatten();
                    let member = known
                        .find(|member| member.get("value").and_then(Value::as_str) == Some(id.as_str()))
                        .cloned()
                        .unwrap_or_else(|| json!({ "value": id, "type": "User" }));
                    let member = json!({ "members": [member] });
                    crate::scim::Filter::ValuePath {
                        path: crate::scim::AttributePath::of("members"),
                        filter: Box::new(filter.clone()),
                    }
                    .matches(&kind, &member)
                };
                let present: Vec<String> = before.iter().chain(&changes.add).cloned().collect();
                present.iter().filter(selected).for_each(|id| remove(&mut changes, id));
            }
        }
    }
    if current.is_some() {
        changes.add.retain(|id| !before.contains(id));
        changes.remove.retain(|id| before.contains(id));
    }
    changes
}

/// Adds or removes members by the native call.
async fn change(
    context: &Context<'_>,
    group: &Resource,
    members: &Members,
    id: &Value,
    call: &MemberCall,
    who: &BTreeSet<String>,
    verb: &str,
) -> Result<(), Error> {
    if who.is_empty() {
        return Ok(());
    }
    let user = context.native.mapping().resource("User");
    // Who cannot be a member is none, so that removing them is done; adding them has been refused before.
    let natives: Vec<(&String, Value)> = who.iter().filter_map(|id| Some((id, native_id(user, id).ok()?))).collect();
    if natives.is_empty() {
        return Ok(());
    }
    let keys = if call.keyed { membership_keys(context, members, id, &natives).await? } else { BTreeMap::new() };
    let batch = |natives: &[(&String, Value)]| {
        let list: Value = natives.iter().map(|(_, native)| native.clone()).collect();
        let scope = Scope { id: Some(id), members: Some(&list), ..Scope::default() };
        let request = call.call.render(&scope).map_err(|reason| unfit(&reason))?;
        let name = match natives {
            [(name, _)] => format!("the member `{name}`"),
            _ => format!("{} members", natives.len()),
        };
        Ok((name, request))
    };
    let mut requests: Vec<(String, Request)> = Vec::new();
    if call.batch {
        requests.push(batch(&natives)?);
    } else {
        for (name, native) in &natives {
            let key = keys.get(*name);
            if call.keyed && key.is_none() {
                continue;
            }
            let scope = Scope { id: Some(id), member: Some(native), key, ..Scope::default() };
            let request = call.call.render(&scope).map_err(|reason| unfit(&reason))?;
            requests.push((format!("the member `{name}`"), request));
        }
    }
    let what = format!("{verb} a member");
    let (mut names, requests): (Vec<String>, Vec<Request>) = requests.into_iter().unzip();
    // What is wrong with one member does not keep the others out, but an application that is down is left alone.
    let stop = |reply: &Result<_, Error>| {
        let done = matches!(reply, Ok(reply) if recognised(&call.done, reply));
        !done && context.native.is_in_trouble(&what, reply)
    };
    let mut replies = context.native.send_until(&what, requests, stop).await?;
    let of_one = |replies: &[Result<_, Error>]| matches!(replies, [Ok(reply)] if recognised(&call.done, reply));
    if call.batch && natives.len() > 1 && of_one(&replies) {
        // One of them needs no change, and that may have kept the others from theirs.
        let each = natives.chunks(1).map(batch).collect::<Result<Vec<_>, Error>>()?;
        let requests;
        (names, requests) = each.into_iter().unzip();
        replies = context.native.send_until(&what, requests, stop).await?;
    }
    let total = names.len();
    let mut failed: Option<(String, Error)> = None;
    let mut done = 0;
    for (name, reply) in names.into_iter().zip(replies) {
        let missing = matches!(&reply, Ok(reply) if is_absent(reply, &[]) && !recognised(&call.done, reply));
        let outcome = match reply {
            Ok(reply) if recognised(&call.done, &reply) => Ok(()),
            Ok(reply) => context.native.check(&what, reply).map(|_| ()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => done += 1,
            Err(error) if failed.is_none() => {
                let error = if missing {
                    // The application's 404 means the group or the member.
                    match context.native.read(group, id).await? {
                        None => return Err(gone(group, id)),
                        Some(_) => Error::invalid_value("there is no such user"),
                    }
                } else {
                    error
                };
                failed = Some((name, error));
            }
            Err(_) => {}
        }
    }
    match failed {
        None => Ok(()),
        Some((name, error)) => {
            let detail = format!(
                "could not {verb} {name}: {}; {done} of {total} calls were done, and sending the request again does the rest",
                error.detail
            );
            Err(Error { detail, ..error })
        }
    }
}

fn recognised(done: &[Recognised], reply: &crate::exchange::Response) -> bool {
    !done.is_empty() && {
        let body = json_body(reply);
        done.iter().any(|when| when.matches(reply, &body))
    }
}

fn gone(group: &Resource, id: &Value) -> Error {
    Error::not_found(&group.kind.name, &group.scim_id(id).unwrap_or_default())
}

/// The memberships' own keys, by SCIM id of the member; those who are no members have none.
async fn membership_keys(
    context: &Context<'_>,
    members: &Members,
    id: &Value,
    natives: &[(&String, Value)],
) -> Result<BTreeMap<String, Value>, Error> {
    let Some(MemberSource::List { call, paging, member, key: Some(key), find, .. }) = &members.source else {
        return Ok(BTreeMap::new());
    };
    let user = context.native.mapping().resource("User");
    let what = "find a membership";
    let mut keys = BTreeMap::new();
    let mut keep = |rows: Vec<Value>| {
        for row in rows {
            let name = member.get(&row).and_then(|native| scim_id(user, native));
            if let (Some(name), Some(key)) = (name, key.get(&row)) {
                keys.insert(name, key.clone());
            }
        }
    };
    match find {
        // Many single look-ups cost more than the whole list.
        Some(find) if natives.len() <= context.native.mapping().limits.concurrency => {
            for (_, native) in natives {
                let scope = Scope { id: Some(id), member: Some(native), ..Scope::default() };
                let query = queries(find, &scope);
                keep(rows(context, what, call, paging, &scope, &query).await?);
            }
        }
        _ => {
            let scope = Scope { id: Some(id), ..Scope::default() };
            keep(rows(context, what, call, paging, &scope, &[]).await?);
        }
    }
    Ok(keys)
}

async fn replace_all(
    context: &Context<'_>,
    group: &Resource,
    id: &Value,
    call: &MemberCall,
    target: &BTreeSet<String>,
) -> Result<(), Error> {
    let user = context.native.mapping().resource("User");
    let list: Value = target.iter().map(|id| native_id(user, id)).collect::<Result<Vec<_>, _>>()?.into();
    let scope = Scope { id: Some(id), members: Some(&list), ..Scope::default() };
    let request = call.call.render(&scope).map_err(|reason| unfit(&reason))?;
    let what = format!("replace the members of the {}", noun(group));
    let reply = context.native.send(&what, request).await?;
    context.native.check(&what, reply).map(|_| ())
}
