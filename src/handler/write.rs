//! Writing: desired state against current state.
//!
//! POST, PUT and PATCH all come down to the rows whose value differs between the two states, and each row to the
//! one native call that owns it. Where nothing differs, nothing is called.

mod act;
mod close;
mod converge;
mod create;
mod plain;
mod settle;
mod written;

use serde_json::Value;

pub(super) use self::create::create;

use self::act::{actions_for, changed_before};
use self::close::{closes, operations_close, refused};
use self::converge::converge;
use self::plain::{patched, refuse_unread};
use self::settle::{keep_unclearable, refuse_lost, refuse_primary, settle};
use super::conditional::{self, Target};
use super::links::are_wanted;
use super::members::{self, Plan, carry_out, check, plan};
use super::native::{is_absent, noun};
use super::read::{Current, current, refreshed, with_links};
use super::turns::{self, Key, Turn};
use super::{Answer, Context, Version};
use crate::mapping::errors::Recognised;
use crate::mapping::language::{Access, Unmapped};
use crate::mapping::links::LinkSource;
use crate::mapping::place::Place;
use crate::mapping::template::{Scope, Unfit};
use crate::mapping::translate::Attributes;
use crate::mapping::{Delete, Resource, Row};
use crate::scim::core::USER;
use crate::scim::dialect::Leniency;
use crate::scim::patch::{self, MemberEdit, Op, Operation};
use crate::scim::resource::{Mode, normalise};
use crate::scim::schema::{Kind, Mutability};
use crate::scim::{Error, Projection};

/// PUT (RFC 7644 section 3.5.1). What the body leaves out keeps its value: identity providers send what they know,
/// and must not wipe what they do not.
pub(super) async fn replace(
    context: &Context<'_>,
    target: Target<'_>,
    body: Value,
    projection: &Projection,
) -> Result<Answer, Error> {
    let Target { resource, id, .. } = target;
    let mut normalised = normalise(&resource.kind, body, Mode::Replace, context.leniency())?;
    context.note(std::mem::take(&mut normalised.applied));
    let unmapped = refuse_unmapped(context, resource, &normalised.resource, std::mem::take(&mut normalised.ignored));
    let deactivates = normalised.deactivates;
    let edits = match normalised.resource.remove("members") {
        Some(members) if resource.members.is_some() => {
            vec![MemberEdit::Replace(patch::member_ids(&members)?)]
        }
        _ => Vec::new(),
    };
    check(context, resource, &edits)?;
    let _turn = turn(context, resource, id).await?;
    let before = read_before(context, target).await?;
    refuse_deactivation(resource, deactivates, &before.attributes)?;
    if !edits.is_empty() {
        refuse_protected(resource, &before.attributes)?;
    }
    // What was set at the create and cannot be seen since: a PUT of everything sends it again.
    // And a state that no call brings about, and that cannot be seen either, such as active of a user who can only be barred.
    for (index, row) in resource.rows.iter().enumerate() {
        let unseen = !row.readable() && !row.actions.is_empty() && row.kind == Kind::Boolean;
        if row.place.get(&normalised.resource).is_some()
            && (row.sealed || (unseen && actions_for(resource, index, &normalised.resource).is_empty()))
        {
            row.place.set(&mut normalised.resource, Value::Null);
        }
    }
    resource.complete(&mut normalised.resource);
    let omitted = context.native.mapping().omitted;
    let closes = closes(&normalised.resource);
    let is_omitted = |row: &Row| row.place.attribute(&normalised.resource).is_none();
    let omitted_rows: Vec<usize> =
        resource.rows.iter().enumerate().filter(|(_, row)| is_omitted(row)).map(|(index, _)| index).collect();
    let desired = normalised.replace_in(&resource.kind, &Value::Object(before.attributes.clone()), omitted);
    let desired = unmapped.and(desired).and_then(|mut desired| {
        keep_unclearable(resource, &omitted_rows, &before.attributes, &mut desired);
        refuse_lost(resource, &[], &before.attributes, &mut desired)?;
        Ok(desired)
    });
    let desired = match desired {
        Ok(desired) => desired,
        Err(error) => return Err(refused(context, resource, before, closes, error).await),
    };
    reached(context, target, (before, desired), &edits, Some(projection)).await
}

/// PATCH (RFC 7644 section 3.5.2). Groups are answered with 204: their member lists may be huge.
pub(super) async fn patch(
    context: &Context<'_>,
    target: Target<'_>,
    body: Value,
    projection: &Projection,
) -> Result<Answer, Error> {
    let Target { resource, id, conditions } = target;
    let mut patch = patch::parse(&resource.kind, body, context.reading())?;
    context.note(patch.applied);
    if context.version == Version::One {
        // Its values are added or take the place of others of their type: there is no target to miss.
        patch.operations.iter_mut().for_each(|operation| operation.create = true);
    }
    let unmapped = refuse_unmapped(context, resource, &Attributes::new(), patch.ignored);
    let (edits, operations) = match &resource.members {
        Some(_) => patch::member_edits(&patch.operations)?,
        None => (Vec::new(), patch.operations),
    };
    let asked = !projection.attributes.is_empty();
    let needs_group = !operations.is_empty() || asked || !resource.protect.is_empty() || !conditions.is_empty();
    if !edits.is_empty() && !needs_group {
        unmapped?;
        let native_id = resource
            .native_id(id)
            .filter(|native| is_addressable(resource, native))
            .ok_or_else(|| Error::not_found(&resource.kind.name, id))?;
        let _turn = if members::reads_list(resource, &edits) { turn(context, resource, id).await? } else { Vec::new() };
        let known = if is_read_first(resource, id) { Some(current(context, resource, id).await?.native) } else { None };
        let plan = plan(context, resource, &native_id, &edits, known.as_ref()).await?;
        carry_out(context, resource, plan, None).await?;
        return Ok(Answer::empty(204));
    }
    check(context, resource, &edits)?;
    let _turn = turn(context, resource, id).await?;
    let before = read_before(context, target).await?;
    refuse_deactivation(resource, patch.deactivates, &before.attributes)?;
    if !edits.is_empty() {
        refuse_protected(resource, &before.attributes)?;
    }
    let desired = match unmapped.and_then(|()| wanted(context, resource, &before, &operations)) {
        Ok(desired) => desired,
        Err(error) => {
            return Err(refused(context, resource, before, operations_close(&operations), error).await);
        }
    };
    let shown = Some(projection).filter(|_| resource.members.is_none() || asked);
    reached(context, target, (before, desired), &edits, shown).await
}

/// Brings a resource to its desired state, and its members to theirs. Answers it as it then is, if it is to be `shown`; else
/// nobody is read for it.
async fn reached(
    context: &Context<'_>,
    target: Target<'_>,
    (before, desired): (Current, Value),
    edits: &[MemberEdit],
    shown: Option<&Projection>,
) -> Result<Answer, Error> {
    let resource = target.resource;
    let plan = plan(context, resource, &before.id, edits, Some(&before.native)).await?;
    let changed = differences(resource, &before, &desired);
    let after = converge(context, resource, before, desired).await?;
    let moved = moved(context, target, &after);
    let partly = |error| changed_before(resource, &changed, error);
    let mut answer = match shown {
        Some(projection) => {
            let after = edited(context, resource, after, plan, projection).await.map_err(partly)?;
            let attributes = with_links(context, resource, after, projection).await?;
            context.answer(200, resource, attributes, projection)
        }
        None => {
            carry_out(context, resource, plan, Some(&after)).await.map_err(partly)?;
            Answer::empty(204)
        }
    };
    answer.headers.extend(moved);
    Ok(answer)
}

/// The rows that a write changes before it comes to the members.
fn differences(resource: &Resource, before: &Current, desired: &Value) -> Vec<usize> {
    desired.as_object().map(|desired| resource.changed(&before.attributes, desired)).unwrap_or_default()
}

/// The header field that says where a resource is that has got another id.
fn moved(context: &Context<'_>, target: Target<'_>, after: &Current) -> Option<(String, String)> {
    let id = target.resource.scim_id(&after.id).filter(|id| id != target.id)?;
    Some(("location".to_owned(), context.location(target.resource, &id)))
}

/// The state that the operations of a PATCH make of the one before.
fn wanted(
    context: &Context<'_>,
    resource: &Resource,
    before: &Current,
    operations: &[Operation],
) -> Result<Value, Error> {
    refuse_clearing(resource, operations)?;
    let (mut desired, applied) = patched(resource, &before.attributes, operations)?;
    context.note(applied);
    settle(resource, &before.attributes, &mut desired);
    if let Value::Object(desired) = &desired {
        refuse_unmapped(context, resource, desired, Vec::new())?;
        // That one is not the primary one is said of all that the client does not know to be.
        let is_lenient = context.leniency() == Leniency::Lenient;
        let primary = operations.iter().filter(|operation| !(is_lenient && operation.value != Some(Value::Bool(true))));
        refuse_primary(resource, primary, &before.attributes, desired)?;
    }
    refuse_lost(resource, operations, &before.attributes, &mut desired)?;
    refuse_unread(resource, operations, before, &desired)?;
    Ok(desired)
}

/// DELETE (RFC 7644 section 3.6).
pub(super) async fn delete(context: &Context<'_>, target: Target<'_>) -> Result<Answer, Error> {
    let Target { resource, id, conditions } = target;
    let not_found = || Error::not_found(&resource.kind.name, id);
    let native_id = resource.native_id(id).ok_or_else(not_found)?;
    let needed = is_read_first(resource, id)
        || !resource.protect.is_empty()
        || !conditions.is_empty()
        || resource.delete.as_ref().is_some_and(Delete::needs_current);
    let mut _turn = Vec::new();
    let current = if needed {
        _turn = turn(context, resource, id).await?;
        let current = read_before(context, target).await?;
        refuse_protected(resource, &current.attributes)?;
        Some(current)
    } else {
        None
    };
    let removed = remove(context, resource, &native_id, current).await?;
    if removed { Ok(Answer::empty(204)) } else { Err(not_found()) }
}

/// Deletes a resource, which is known if the mapping needs that; `false` if it was not there.
async fn remove(
    context: &Context<'_>,
    resource: &Resource,
    id: &Value,
    mut current: Option<Current>,
) -> Result<bool, Error> {
    let what = format!("delete the {}", noun(resource));
    let Some(delete) = &resource.delete else {
        return Err(Error::new(405, format!("{}s cannot be deleted", noun(resource))));
    };
    let mut changed = Vec::new();
    if !delete.from.is_empty()
        && let Some(before) = current.take()
    {
        let mut desired = before.attributes.clone();
        for (row, value) in &delete.from {
            if let Some(row) = resource.rows.get(*row) {
                row.place.set(&mut desired, value.clone());
            }
        }
        changed = resource.changed(&before.attributes, &desired);
        current = Some(converge(context, resource, before, Value::Object(desired)).await?);
    }
    let operation = &delete.operation;
    if delete.operation.needs_native()
        && let Some(before) = current
    {
        current = Some(refreshed(context, resource, before).await?);
    }
    let native = current.as_ref().map(|current| &current.native);
    let request = match operation.request(&Scope { id: Some(id), native, ..Scope::default() }) {
        Ok(request) => request,
        Err(reason @ Unfit::Emptied(_)) => return Err(reason.into()),
        // No resource can have this id.
        Err(_) => return Ok(false),
    };
    let reply = context.native.send(&what, request).await?;
    if is_absent(&reply, &operation.absent) {
        return Ok(false);
    }
    let checked = context.native.check(&what, reply);
    checked.map(|_| true).map_err(|error| changed_before(resource, &changed, error))
}

/// The state that a write begins with, which the request's preconditions allow. Its turn has been taken.
async fn read_before(context: &Context<'_>, target: Target<'_>) -> Result<Current, Error> {
    let before = current(context, target.resource, target.id).await?;
    conditional::check(context, target.resource, &before, target.conditions).await?;
    Ok(before)
}

/// The turn of a request that reads this resource and writes what it makes of it.
async fn turn<'e>(context: &Context<'e>, resource: &Resource, id: &str) -> Result<Vec<Turn<'e>>, Error> {
    let key = resource.native_id(id).map(|id| Key::of(resource, &id));
    turns::take(context, resource, key).await
}

/// Whether a resource that no read confirms must be read first.
///
/// Applications know some resources by other names too: they ignore letter case in their paths, take an address for a name,
/// or take what stands behind an encoded slash for a part of the resource. The ids that they make up (numbers, UUIDs,
/// hexadecimal digits) and plain names are none of these, so that the usual request is spared the read. And a resource that
/// only its own object says is none (`read.absent`) is there for every other call.
fn is_read_first(resource: &Resource, id: &str) -> bool {
    let of_success = |rule: &Recognised| rule.at.is_some() && rule.status.is_none_or(|status| status < 300);
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_' | '~');
    !id.chars().all(is_plain) || resource.read.absent.iter().any(of_success)
}

/// Changes members, where that is planned.
async fn edited(
    context: &Context<'_>,
    resource: &Resource,
    group: Current,
    plan: Option<Plan<'_>>,
    projection: &Projection,
) -> Result<Current, Error> {
    if plan.is_none() {
        return Ok(group);
    }
    carry_out(context, resource, plan, Some(&group)).await?;
    with_new_members(context, resource, group, projection).await
}

/// A group whose members have changed, read again if its own object shows them and is to be answered.
async fn with_new_members(
    context: &Context<'_>,
    resource: &Resource,
    mut group: Current,
    projection: &Projection,
) -> Result<Current, Error> {
    if shows_members(resource)
        && are_wanted(resource, projection)
        && let Some(native) = context.native.read(resource, &group.id).await?
    {
        group.native = native;
    }
    Ok(group)
}

/// Whether a resource with this native id could be read at all.
fn is_addressable(resource: &Resource, id: &Value) -> bool {
    let scope = Scope { id: Some(id), ..Scope::default() };
    resource.read.request(&scope).is_ok()
}

/// Whether a group's own object has its members.
fn shows_members(resource: &Resource) -> bool {
    matches!(resource.links.as_ref().map(|links| &links.source), Some(LinkSource::Inline { .. }))
}

/// Refuses to write a resource that the mapping protects: what locks the gateway's own account out, locks everybody out.
pub(super) fn refuse_protected(resource: &Resource, attributes: &Attributes) -> Result<(), Error> {
    match resource.protection(attributes) {
        None => Ok(()),
        Some((row, value)) => Err(Error::new(
            403,
            format!(
                "the {} whose `{}` is `{value}` is protected by the mapping: clients cannot create, change or delete it",
                noun(resource),
                row.name
            ),
        )),
    }
}

/// Refuses to remove what cannot be read, such as a password: nobody could tell whether it is gone.
fn refuse_clearing(resource: &Resource, operations: &[Operation]) -> Result<(), Error> {
    let removed = operations.iter().filter(|operation| operation.op == Op::Remove);
    for path in removed.map(|operation| &operation.path) {
        let is_it = |place: &Place| {
            let core = path.schema.as_ref().is_none_or(|urn| *urn == resource.kind.schema.id);
            let extension = path.schema.as_ref().filter(|_| !core);
            place.element.is_none() && place.attribute == path.attribute && place.extension.as_ref() == extension
        };
        if resource.rows.iter().any(|row| row.access == Access::Write && is_it(&row.place)) {
            return Err(Error::mutability(format!("`{}` can be replaced, and not removed", path.attribute)));
        }
    }
    Ok(())
}

/// Refuses to deactivate where the application has no way to do so, whatever becomes of other attributes that cannot be
/// written: a leaver's account that is told to be closed must not stay open.
pub(super) fn refuse_deactivation(resource: &Resource, deactivates: bool, current: &Attributes) -> Result<(), Error> {
    if !deactivates || resource.kind.schema.id != USER || current.get("active") == Some(&Value::Bool(false)) {
        return Ok(());
    }
    let name = noun(resource);
    let mapped = resource.kind.attribute("active").is_some_and(|active| active.mutability != Mutability::ReadOnly);
    Err(Error::mutability(if mapped {
        format!("`active` is an attribute of the core schema without parts: write it so, the {name} is left active")
    } else {
        format!("the application has no way to deactivate a {name}: the {name} is left active")
    }))
}

/// Refuses what has no home, if the mapping says so; otherwise writing it is a declared no-op.
fn refuse_unmapped(
    context: &Context<'_>,
    resource: &Resource,
    desired: &Attributes,
    mut unmapped: Vec<String>,
) -> Result<(), Error> {
    if context.native.mapping().unmapped == Unmapped::Ignore {
        return Ok(());
    }
    unmapped.extend(resource.homeless(desired));
    if unmapped.is_empty() {
        return Ok(());
    }
    Err(Error::invalid_value(format!("the application has nowhere to keep {}", unmapped.join(", "))))
}
