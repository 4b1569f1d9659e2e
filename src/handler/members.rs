//! The members of groups: added and removed by the application's own calls.
//!
//! A request's edits become a [`Plan`] before anything is written, so that what is refused has changed nothing; then the
//! plan is carried out.

mod calls;
mod changes;
mod field;
mod judge;
mod plan;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(super) use self::plan::{Plan, plan, plan_new};
pub(super) use self::users::{Users, users_of_new};

use self::judge::{Judge, Verb};
use super::links::are_shown;
use super::lookup::native_id;
use super::native::{item, noun, unfit};
use super::read::Current;
use super::{Context, links};
use crate::mapping::Resource;
use crate::mapping::codec::text_of;
use crate::mapping::errors::not_understood;
use crate::mapping::links::{Link, LinkSource, MemberChange, Members};
use crate::mapping::pointer::Pointer;
use crate::mapping::template::Scope;
use crate::scim::Error;
use crate::scim::json::gathered;
use crate::scim::patch::MemberEdit;

/// The attribute.
const MEMBERS: &str = "members";

/// Refuses members that cannot be, and changes that need a list which the application does not show, before anything
/// is written.
pub(super) fn check(context: &Context<'_>, group: &Resource, edits: &[MemberEdit]) -> Result<(), Error> {
    let Some(members) = &group.members else { return Ok(()) };
    if group.links.is_none() && edits.iter().any(wants_current) {
        return Err(Error::mutability(
            "the application does not show who the members are, so that they can only be added and removed by id",
        ));
    }
    let user = context.native.mapping().resource(members.target.kind);
    for edit in edits {
        if let MemberEdit::Add(ids) | MemberEdit::Replace(ids) = edit {
            for id in ids {
                native_id(user, id).ok_or_else(|| {
                    Error::invalid_value(format!("no user can have the id `{id}`, which is to be a member"))
                })?;
            }
        }
    }
    Ok(())
}

/// Whether edits cannot be made without reading the list of members. Only what needs it reads it: adding and removing by
/// id cost the same in a group of five and in a group of fifty thousand.
pub(super) fn reads_list(group: &Resource, edits: &[MemberEdit]) -> bool {
    let change = group.members.as_ref().and_then(|members| members.change.as_ref());
    let is_sent_whole = matches!(change, Some(MemberChange::Replace(_) | MemberChange::Update));
    !edits.is_empty() && (is_sent_whole || edits.iter().any(wants_current))
}

/// Whether a change cannot be made without knowing the members.
fn wants_current(edit: &MemberEdit) -> bool {
    matches!(edit, MemberEdit::Replace(_) | MemberEdit::RemoveWhere(_))
}

/// A group whose members are changed.
struct Group<'r> {
    resource: &'r Resource,
    /// The native id.
    id: &'r Value,
    /// The native object, where it is known.
    native: Option<&'r Value>,
}

impl Group<'_> {
    /// What a call about it can name.
    fn scope(&self) -> Scope<'_> {
        Scope { id: Some(self.id), native: self.native, ..Scope::default() }
    }

    fn gone(&self) -> Error {
        Error::not_found(&self.resource.kind.name, &self.resource.scim_id(self.id).unwrap_or_default())
    }
}

/// Carries out a plan. `after` is the group as it is since, where other attributes of it have changed.
pub(super) async fn carry_out(
    context: &Context<'_>,
    resource: &Resource,
    plan: Option<Plan<'_>>,
    after: Option<&Current>,
) -> Result<(), Error> {
    let (Some(plan), Some(members)) = (plan, &resource.members) else { return Ok(()) };
    let Some(change) = &members.change else { return Ok(()) };
    let (id, native) = match after {
        Some(after) => (&after.id, Some(&after.native).filter(|_| after.is_whole)),
        None => (&plan.id, plan.native.as_ref()),
    };
    let group = Group { resource, id, native };
    let read = if native.is_none() && change.needs_native() { Some(with_list(context, &group).await?) } else { None };
    let group = Group { native: native.or(read.as_ref()), ..group };
    match change {
        MemberChange::Calls { add, remove } => {
            // Removing first never leaves somebody in who should be out, if the rest fails.
            calls::change(context, &group, remove, (&plan.removed, &plan.keys), Verb::Remove).await?;
            let added = calls::change(context, &group, add, (&plan.added, &plan.keys), Verb::Add).await;
            added.map_err(|error| match plan.removed.len() {
                0 => error,
                removed => error.with_done(&format!("{removed} members were removed before")),
            })
        }
        MemberChange::Replace(replace) => calls::replace(context, &group, replace, &plan.whole_list()).await,
        MemberChange::Update => update(context, &group, members, &plan.removed, &plan.added).await,
        MemberChange::Field(field) => field::edit(context, field, &group, &plan).await,
    }
}

/// Where a group's own object has its members.
fn inline(group: &Resource) -> Option<(&LinkSource, &Pointer, &Link)> {
    match &group.links.as_ref()?.source {
        source @ LinkSource::Inline { at, link, .. } => Some((source, at, link)),
        _ => None,
    }
}

/// The group's native object, with the list of members if it has one at all.
async fn with_list(context: &Context<'_>, group: &Group<'_>) -> Result<Value, Error> {
    match group.native {
        Some(native) if are_shown(group.resource, native) => Ok(native.clone()),
        _ => context.native.read(group.resource, group.id).await?.ok_or_else(|| group.gone()),
    }
}

/// The group's own update, with the elements that stay as they are.
async fn update(
    context: &Context<'_>,
    group: &Group<'_>,
    members: &Members,
    removed: &BTreeMap<String, Value>,
    added: &BTreeMap<String, Value>,
) -> Result<(), Error> {
    let (Some(update), Some((source, at, link))) = (&group.resource.update, inline(group.resource)) else {
        return Ok(());
    };
    let what = format!("change the members of the {}", noun(group.resource));
    let native = &with_list(context, group).await?;
    let leaving: BTreeSet<String> = gathered(removed.values().map(text_of));
    let goes = |element: &Value| {
        link.kind(element, members.target.kind) == Some(members.target.kind)
            && link.at.get(element).is_some_and(|key| leaving.contains(&text_of(key)))
    };
    let elements = links::elements(&what, source, native)?.into_iter();
    let mut list: Vec<Value> = elements.filter(|element| !goes(element)).cloned().collect();
    list.extend(added.values().map(|key| {
        let mut element = Value::Null;
        link.at.set(&mut element, key.clone());
        element
    }));
    let attributes = group.resource.decode(native);
    let rows = group.resource.native_values(&attributes)?;
    let scope = Scope { rows: &rows, native: Some(native), ..group.scope() };
    let body = update.field_body(at, Value::Array(list), native, &scope)?;
    let request = update.operation.call.render_with(&scope, &[], Some(body)).map_err(|reason| unfit(&reason))?;
    let reply = context.native.send(&what, request).await;
    let shown = reply.as_ref().ok().and_then(|reply| item(group.resource, &update.operation.item, reply));
    Judge::new(context, group, (Verb::Replace, &what)).with_absent(&update.operation.absent).verdict(reply).await??;
    let is_group = |native: &Value| group.resource.scim_id_of(native) == group.resource.scim_id(group.id);
    let unmade =
        shown.filter(is_group).and_then(|native| unmade((at, link, members.target.kind), &native, removed, added));
    unmade.map_or(Ok(()), |id| {
        Err(not_understood(&what, &format!("it says that it is done, and the membership of `{id}` is as before")))
    })
}

/// Who is still among the members that an object shows, or not yet, in spite of an accepted change. A list that is written
/// in another way than the one that was read tells nothing.
fn unmade(
    (at, link, kind): (&Pointer, &Link, &str),
    native: &Value,
    removed: &BTreeMap<String, Value>,
    added: &BTreeMap<String, Value>,
) -> Option<String> {
    let key = |element| {
        let key = link.at.get(element).filter(|key| key.is_string() || key.is_number())?;
        Some(text_of(key).to_lowercase())
    };
    let elements = at.get(native)?.as_array()?.iter().filter(|element| link.kind(element, kind) == Some(kind));
    let shown: BTreeSet<String> = gathered(elements.map(key).collect::<Option<Vec<_>>>()?);
    let is_there = |key: &Value| shown.contains(&text_of(key).to_lowercase());
    let stays = removed.iter().find(|(_, key)| is_there(key));
    stays.or_else(|| added.iter().find(|(_, key)| !is_there(key))).map(|(id, _)| id.clone())
}
