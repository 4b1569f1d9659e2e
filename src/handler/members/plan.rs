//! What is to become of a group's members, found out before anything is written.

use std::collections::BTreeMap;

use serde_json::Value;

use super::calls::Keys;
use super::changes::Changes;
use super::users::{Users, refuse_protected_among, users};
use super::{Group, MEMBERS, check, field, inline, reads_list, with_list};
use crate::handler::Context;
use crate::handler::links::linked_of_each;
use crate::handler::lookup::name;
use crate::handler::read::{Current, Object};
use crate::mapping::Resource;
use crate::mapping::errors::not_understood;
use crate::mapping::links::{MemberChange, Target};
use crate::scim::Error;
use crate::scim::json::gathered;
use crate::scim::patch::MemberEdit;

/// Who is to be added to a group and removed from it, with what is known of it and of them.
pub(in crate::handler) struct Plan<'e> {
    /// The group's native id.
    pub(super) id: Value,
    /// Its native object, where it is known.
    pub(super) native: Option<Value>,
    /// What calls name those by who are removed, by SCIM id.
    pub(super) removed: BTreeMap<String, Value>,
    /// The same of those who are added.
    pub(super) added: BTreeMap<String, Value>,
    /// What the list names its members by, by SCIM id, where it had to be read.
    listed: BTreeMap<String, Value>,
    /// The memberships' own keys, by SCIM id of the member, where the list had to be read.
    pub(super) keys: Keys,
    /// What else is in it, which stays.
    hidden: Vec<Value>,
    pub(super) users: Users<'e>,
}

impl Plan<'_> {
    /// All members, as they are to be.
    pub(super) fn whole_list(&self) -> Value {
        let stay =
            self.listed.iter().filter(|(id, _)| !self.removed.contains_key(*id) && !self.added.contains_key(*id));
        let users: BTreeMap<&String, &Value> = gathered(stay.chain(&self.added));
        users.into_values().chain(&self.hidden).cloned().collect()
    }
}

/// What edits of a group's members come down to; `None`: nothing is to be done. `known` is the group's native object, where
/// it has been read already. What cannot be done is refused.
pub(in crate::handler) async fn plan<'e>(
    context: &Context<'e>,
    resource: &Resource,
    id: &Value,
    edits: &[MemberEdit],
    known: Option<&Value>,
) -> Result<Option<Plan<'e>>, Error> {
    planned(context, &Group { resource, id, native: known }, edits, None).await
}

/// As [`plan`], for a group that was just created: one whose reply shows no list has no members yet.
pub(in crate::handler) async fn plan_new<'e>(
    context: &Context<'e>,
    resource: &Resource,
    created: &Current,
    edits: &[MemberEdit],
    users: Users<'e>,
) -> Result<Option<Plan<'e>>, Error> {
    let mut native = created.native.clone();
    if let Some((_, at, _)) = inline(resource)
        && at.get(&native).is_none()
    {
        at.set(&mut native, Value::Array(Vec::new()));
    }
    let group = Group { resource, id: &created.id, native: Some(&native) };
    planned(context, &group, edits, Some(users)).await
}

async fn planned<'e>(
    context: &Context<'e>,
    group: &Group<'_>,
    edits: &[MemberEdit],
    known: Option<Users<'e>>,
) -> Result<Option<Plan<'e>>, Error> {
    let Some(members) = group.resource.members.as_ref().filter(|_| !edits.is_empty()) else { return Ok(None) };
    check(context, group.resource, edits)?;
    let Some(change) = &members.change else {
        return Err(Error::mutability("the application has no call that changes the members of a group"));
    };
    let reads_list = reads_list(group.resource, edits);
    let native =
        if reads_list || wants_group(change) { Some(with_list(context, group).await?) } else { group.native.cloned() };
    let group = Group { native: native.as_ref(), ..*group };
    let listed = if reads_list { Some(listed(context, &group).await?) } else { None };
    let mut changes = Changes::of(edits, listed.as_ref().map(|listed| &listed.shown));
    bounded(context, &changes)?;
    let target = &members.target;
    // Only a name that is the id is known without a look-up.
    changes.keep(|id| target.by.is_some() || name(context, target, id, None).is_none_or(|name| !target.excepts(&name)));
    let Listed { names: listed, keys, hidden, .. } = listed.unwrap_or_default();
    if matches!(change, MemberChange::Replace(_)) && hidden.iter().any(Value::is_null) {
        return Err(not_understood("read the members", "it has no member where the mapping says"));
    }
    let users = match known {
        Some(users) => users,
        None => users(context, members, &changes, &listed).await?,
    };
    let names = |who| names(context, target, who, &listed, &users);
    let (mut removed, mut added) = (names(&changes.remove), names(&changes.add));
    users.refuse_missing(changes.add.iter(), &added)?;
    removed.retain(|_, name| !target.excepts(name));
    added.retain(|_, name| !target.excepts(name));
    if removed.is_empty() && added.is_empty() {
        // No call will say that there is no such group.
        if group.native.is_none() && context.native.read(group.resource, group.id).await?.is_none() {
            return Err(group.gone());
        }
        return Ok(None);
    }
    let id = group.id.clone();
    let plan = Plan { id, removed, added, listed, keys, hidden, users, native: None };
    match change {
        MemberChange::Field(field) => drop(field::requests(context, field, &group, &plan)?),
        _ => refuse_protected_among(context, target, plan.removed.keys().chain(plan.added.keys()), &plan.users)?,
    }
    Ok(Some(Plan { native, ..plan }))
}

/// Refuses more changes than one request may ask for.
pub(super) fn bounded(context: &Context<'_>, changes: &Changes) -> Result<(), Error> {
    let (count, most) = (changes.len(), context.native.mapping().limits.members);
    if count <= most {
        return Ok(());
    }
    Err(Error::too_many(format!("{count} member changes in one request; the limit is {most}")))
}

/// Whether a change cannot be made without knowing the group itself.
fn wants_group(change: &MemberChange) -> bool {
    match change {
        MemberChange::Calls { .. } => change.needs_native(),
        // Nobody else would notice that there is no such group.
        MemberChange::Field(_) => true,
        MemberChange::Replace(_) | MemberChange::Update => true,
    }
}

/// The list of members.
#[derive(Default)]
struct Listed {
    /// The members, as clients see them.
    shown: Value,
    /// What the list names them by, by SCIM id.
    names: BTreeMap<String, Value>,
    /// The memberships' own keys, by SCIM id of the member.
    keys: Keys,
    /// What else it has.
    hidden: Vec<Value>,
}

async fn listed(context: &Context<'_>, group: &Group<'_>) -> Result<Listed, Error> {
    let mut listed = Listed::default();
    let (Some(links), Some(native)) = (&group.resource.links, group.native) else { return Ok(listed) };
    let object = Object { id: group.id, native };
    let linked = linked_of_each(context, links, &[object]).await?.pop().unwrap_or_default();
    let mut shown = Vec::new();
    let named = links.shows_keys();
    // Only users are added and removed: what else belongs to the group stays.
    for user in linked.into_iter().filter(|it| it.kind == links.target.kind) {
        if user.hidden {
            listed.hidden.push(user.native);
        } else {
            shown.push(user.present(context, MEMBERS));
            if !user.keys.is_empty() {
                listed.keys.insert(user.id.clone(), user.keys);
            }
            if named {
                listed.names.insert(user.id, user.native);
            }
        }
    }
    listed.shown = Value::Array(shown);
    Ok(listed)
}

/// What calls name these members by: as the list showed it, or by what was looked up. Who is not there is left out.
pub(super) fn names<'i>(
    context: &Context<'_>,
    target: &Target,
    who: impl IntoIterator<Item = &'i String>,
    listed: &BTreeMap<String, Value>,
    users: &Users<'_>,
) -> BTreeMap<String, Value> {
    let looked_up = |id: &String| name(context, target, id, users.found.get(id));
    let one = |id: &String| Some((id.clone(), listed.get(id).cloned().or_else(|| looked_up(id))?));
    gathered(who.into_iter().filter_map(one))
}
