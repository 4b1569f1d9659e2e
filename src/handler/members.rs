//! The members of groups: added and removed by the application's own calls.

mod calls;
mod field;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Context;
use super::links::{linked_of_each, present};
use super::lookup::{keys, native_id};
use super::native::{is_absent, noun, unfit};
use super::read::{Current, Object};
use crate::mapping::Resource;
use crate::mapping::codec::text_of;
use crate::mapping::links::{Link, LinkSource, MemberChange, Members, Target};
use crate::mapping::pointer::Pointer;
use crate::mapping::template::Scope;
use crate::scim::patch::MemberEdit;
use crate::scim::{AttributePath, Error, Filter};

/// The attribute.
const MEMBERS: &str = "members";

/// The members of a group that was just created with these edits: nobody else can be in it.
pub(super) fn of_new(context: &Context<'_>, group: &Resource, edits: &[MemberEdit]) -> Value {
    let kind = group.members.as_ref().map_or("User", |members| members.target.kind);
    let changes = changes(edits, None);
    changes.add.iter().map(|id| present(context, MEMBERS, kind, id)).collect()
}

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

/// Who is to be added and removed.
#[derive(Default)]
struct Changes {
    add: BTreeSet<String>,
    remove: BTreeSet<String>,
}

/// A group whose members are changed.
struct Group<'r> {
    resource: &'r Resource,
    /// The native id.
    id: &'r Value,
    /// The native object, where it had to be read.
    native: Option<Value>,
}

impl Group<'_> {
    /// What a call about it can name.
    fn scope(&self) -> Scope<'_> {
        Scope { id: Some(self.id), native: self.native.as_ref(), ..Scope::default() }
    }

    fn gone(&self) -> Error {
        Error::not_found(&self.resource.kind.name, &self.resource.scim_id(self.id).unwrap_or_default())
    }
}

/// As [`edit`], for a group that was just created: one whose reply shows no list has no members yet.
pub(super) async fn edit_new(
    context: &Context<'_>,
    resource: &Resource,
    created: &Current,
    edits: &[MemberEdit],
) -> Result<(), Error> {
    let mut native = created.native.clone();
    if let Some((at, _)) = inline(resource)
        && at.get(&native).is_none()
    {
        at.set(&mut native, Value::Array(Vec::new()));
    }
    edit(context, resource, &created.id, edits, Some(&native)).await
}

/// Carries out changes of a group's members, in order. Only what needs it reads the list first: adding and
/// removing by id cost the same in a group of five and in a group of fifty thousand. `known` is the group's native
/// object, where it has been read already.
pub(super) async fn edit(
    context: &Context<'_>,
    resource: &Resource,
    id: &Value,
    edits: &[MemberEdit],
    known: Option<&Value>,
) -> Result<(), Error> {
    let Some(members) = &resource.members else {
        return Ok(());
    };
    if edits.is_empty() {
        return Ok(());
    }
    check(context, resource, edits)?;
    let Some(change) = &members.change else {
        return Err(Error::mutability("the application has no call that changes the members of a group"));
    };
    let whole_list = matches!(change, MemberChange::Replace(_) | MemberChange::Update);
    let wants_list = whole_list || edits.iter().any(wants_current);
    let mut group = Group { resource, id, native: None };
    if wants_list || wants_group(change) {
        let native = match known {
            Some(native) if shows_list(resource, native) => native.clone(),
            _ => context.native.read(resource, id).await?.ok_or_else(|| group.gone())?,
        };
        group.native = Some(native);
    }
    let (mut current, mut natives, mut hidden) = (None, BTreeMap::new(), Vec::new());
    if let (true, Some(links), Some(native)) = (wants_list, &resource.links, &group.native) {
        let linked = linked_of_each(context, links, &[Object { id, native }]).await?.pop().unwrap_or_default();
        // Only users are added and removed: what else belongs to the group stays.
        let users = linked.into_iter().filter(|it| it.kind == links.target.kind);
        let mut shown = Vec::new();
        for user in users {
            if user.hidden {
                hidden.push(user.native);
                continue;
            }
            shown.push(user.present(context, MEMBERS));
            natives.insert(user.id, user.native);
        }
        current = Some(Value::Array(shown));
    }
    let changes = changes(edits, current.as_ref());
    let count = changes.add.len() + changes.remove.len();
    let most = context.native.mapping().limits.members;
    if count > most {
        return Err(Error::too_many(format!("{count} member changes in one request; the limit is {most}")));
    }
    if count == 0 {
        return Ok(());
    }
    if let MemberChange::Field(field) = change {
        return field::edit(context, field, &group, &changes).await;
    }
    let mut removed = known_as(context, &members.target, &changes.remove, &natives).await?;
    let mut added = known_as(context, &members.target, &changes.add, &natives).await?;
    if let Some(missing) = changes.add.iter().find(|id| !added.contains_key(*id)) {
        return Err(Error::invalid_value(format!("there is no user `{missing}`, who is to be a member")));
    }
    removed.retain(|_, key| !members.target.excepts(key));
    added.retain(|_, key| !members.target.excepts(key));
    if removed.is_empty() && added.is_empty() {
        return Ok(());
    }
    match change {
        MemberChange::Calls { add, remove } => {
            // Removing first never leaves somebody in who should be out, if the rest fails.
            calls::change(context, &group, remove, &removed, "remove").await?;
            calls::change(context, &group, add, &added, "add").await
        }
        MemberChange::Replace(replace) => {
            natives.retain(|id, _| !changes.remove.contains(id));
            natives.extend(added);
            let all: Vec<Value> = natives.into_values().chain(hidden).collect();
            calls::replace(context, &group, replace, &all).await
        }
        MemberChange::Update => update(context, &group, members, &removed, &added).await,
        MemberChange::Field(_) => Ok(()),
    }
}

/// Whether a change cannot be made without knowing the members.
fn wants_current(edit: &MemberEdit) -> bool {
    matches!(edit, MemberEdit::Replace(_) | MemberEdit::RemoveWhere(_))
}

/// Whether a change cannot be made without knowing the group itself.
fn wants_group(change: &MemberChange) -> bool {
    match change {
        MemberChange::Calls { add, remove } => add.call.needs_native() || remove.call.needs_native(),
        // Nobody else would notice that there is no such group.
        MemberChange::Field(_) => true,
        MemberChange::Replace(_) | MemberChange::Update => true,
    }
}

/// Whether a native group has the list that its members are read from, if they are read from it: a reply to an update may
/// leave it out.
fn shows_list(group: &Resource, native: &Value) -> bool {
    inline(group).is_none_or(|(at, _)| at.get(native).is_some())
}

/// Where a group's own object has its members.
fn inline(group: &Resource) -> Option<(&Pointer, &Link)> {
    match &group.links.as_ref()?.source {
        LinkSource::Inline { at, link } => Some((at, link)),
        _ => None,
    }
}

/// What calls name these members by: as the list showed it, or looked up. Who is not there is left out.
async fn known_as(
    context: &Context<'_>,
    target: &Target,
    who: &BTreeSet<String>,
    shown: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, Error> {
    let unknown: Vec<&String> = who.iter().filter(|id| !shown.contains_key(*id)).collect();
    let mut known = keys(context, target, &unknown).await?;
    known.extend(who.iter().filter_map(|id| Some((id.clone(), shown.get(id)?.clone()))));
    Ok(known)
}

/// The group's own update, with the elements that stay as they are.
async fn update(
    context: &Context<'_>,
    group: &Group<'_>,
    members: &Members,
    removed: &BTreeMap<String, Value>,
    added: &BTreeMap<String, Value>,
) -> Result<(), Error> {
    let (Some(update), Some((at, link)), Some(native)) =
        (&group.resource.update, inline(group.resource), &group.native)
    else {
        return Ok(());
    };
    let removed: BTreeSet<String> = removed.values().map(text_of).collect();
    let goes = |element: &Value| {
        link.kind(element, members.target.kind) == Some(members.target.kind)
            && link.at.get(element).is_some_and(|key| removed.contains(&text_of(key)))
    };
    let mut list = at.get(native).and_then(Value::as_array).cloned().unwrap_or_default();
    list.retain(|element| !goes(element));
    list.extend(added.values().map(|key| {
        let mut element = Value::Null;
        link.at.set(&mut element, key.clone());
        element
    }));
    let attributes = group.resource.decode(native);
    let rows = group.resource.native_values(&attributes)?;
    let scope = Scope { rows: &rows, ..group.scope() };
    let body = update.field_body(at, Value::Array(list), native, &scope);
    let request = update.operation.call.render_with(&scope, &[], Some(body)).map_err(|reason| unfit(&reason))?;
    let what = format!("change the members of the {}", noun(group.resource));
    let reply = context.native.send(&what, request).await?;
    if is_absent(&reply, &update.operation.absent) {
        return Err(group.gone());
    }
    context.native.check(&what, reply).map(|_| ())
}

fn ids(members: Option<&Value>) -> impl Iterator<Item = String> {
    let members = members.and_then(Value::as_array).into_iter().flatten();
    members.filter_map(|member| member.get("value")?.as_str().map(str::to_owned))
}

/// The net effect of the edits; with `current`, only what really changes it.
fn changes(edits: &[MemberEdit], current: Option<&Value>) -> Changes {
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
                let wanted: BTreeSet<&String> = ids.iter().collect();
                let present: Vec<String> = before.iter().chain(&changes.add).cloned().collect();
                present.iter().filter(|id| !wanted.contains(id)).for_each(|id| remove(&mut changes, id));
                ids.iter().for_each(|id| add(&mut changes, id));
            }
            MemberEdit::RemoveWhere(filter) => {
                let kind = crate::scim::core::group_type();
                let filter = Filter::ValuePath { path: AttributePath::of(MEMBERS), filter: Box::new(filter.clone()) };
                let known = current.and_then(Value::as_array).into_iter().flatten();
                let known: BTreeMap<&str, &Value> =
                    known.filter_map(|member| Some((member.get("value")?.as_str()?, member))).collect();
                let selected = |id: &&String| {
                    let unknown = || json!({ "value": id, "type": "User" });
                    let member = known.get(id.as_str()).map_or_else(unknown, |member| (*member).clone());
                    filter.matches(&kind, &json!({ "members": [member] }))
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

/// What came of `total` calls, each for whom it was made: what is wrong with one member does not keep the others out, and
/// the first failure is told.
fn settled(verb: &str, total: usize, outcomes: Vec<(String, Result<(), Error>)>) -> Result<(), Error> {
    let done = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    let failed = outcomes.into_iter().find_map(|(name, outcome)| Some((name, outcome.err()?)));
    failed.map_or(Ok(()), |(name, error)| {
        let detail = format!(
            "could not {verb} {name}: {}; {done} of {total} calls were done, and sending the request again does the rest",
            error.detail
        );
        Err(Error { detail, ..error })
    })
}
