//! The users whom changes of members are about, read together where the changes cannot be made without.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::changes::Changes;
use super::field;
use super::plan::{bounded, names};
use crate::handler::Context;
use crate::handler::lookup::by_ids;
use crate::handler::read::Current;
use crate::handler::turns::{self, Key, Turn};
use crate::handler::write::refuse_protected;
use crate::mapping::Resource;
use crate::mapping::links::{MemberChange, Members, Target};
use crate::scim::patch::MemberEdit;
use crate::scim::{AttributePath, Error};

/// Users who were read, by SCIM id.
#[derive(Default)]
pub(in crate::handler) struct Users<'e> {
    pub(super) found: BTreeMap<String, Current>,
    /// Those who are not there.
    missing: BTreeSet<String>,
    /// Users whose own update follows must stay as they were read.
    _turns: Vec<Turn<'e>>,
}

impl Users<'_> {
    /// Refuses to add somebody who is not there: who has no name, and who was not found.
    pub(super) fn refuse_missing<'i>(
        &self,
        mut added: impl Iterator<Item = &'i String>,
        names: &BTreeMap<String, Value>,
    ) -> Result<(), Error> {
        match added.find(|id| !names.contains_key(*id) || self.missing.contains(*id)) {
            Some(id) => Err(Error::invalid_value(format!("there is no user `{id}`, who is to be a member"))),
            None => Ok(()),
        }
    }
}

/// The users whom the members of a new group are, where they have to be read. Who cannot be a member is refused before
/// there is a group.
pub(in crate::handler) async fn users_of_new<'e>(
    context: &Context<'e>,
    group: &Resource,
    edits: &[MemberEdit],
) -> Result<Users<'e>, Error> {
    let Some(members) = group.members.as_ref().filter(|_| !edits.is_empty()) else { return Ok(Users::default()) };
    let changes = Changes::of(edits, None);
    bounded(context, &changes)?;
    let listed = BTreeMap::new();
    let users = users(context, members, &changes, &listed).await?;
    let mut names = names(context, &members.target, &changes.add, &listed, &users);
    users.refuse_missing(changes.add.iter(), &names)?;
    names.retain(|_, name| !members.target.excepts(name));
    refuse_protected_among(context, &members.target, names.keys(), &users)?;
    Ok(users)
}

/// Reads the users whom changes are about, as far as these cannot be made without: where the users' own updates make them,
/// where calls name users by what the list does not show (`listed` has what it shows), and where some are protected.
pub(super) async fn users<'e>(
    context: &Context<'e>,
    members: &Members,
    changes: &Changes,
    listed: &BTreeMap<String, Value>,
) -> Result<Users<'e>, Error> {
    let target = &members.target;
    let Some(user) = context.native.mapping().resource(target.kind) else { return Ok(Users::default()) };
    let native = |row: usize| user.rows.get(row).map(|row| &row.native);
    let protects = user.protect.iter().any(|(row, _)| native(*row) != native(user.id));
    let unnamed = |id: &&String| target.by.is_some() && !listed.contains_key(*id);
    let field = match &members.change {
        Some(MemberChange::Field(field)) => Some(field),
        _ => None,
    };
    let ids: Vec<&String> = match field {
        Some(field) if field::is_blind(field, user) => changes.remove.iter().collect(),
        Some(_) => changes.all().collect(),
        None if protects => changes.all().collect(),
        None => changes.all().filter(unnamed).collect(),
    };
    // Who is added without being read may be removed from another group at the same time.
    let updated = changes.all().filter(|_| field.is_some());
    let keys = updated.filter_map(|id| Some(Key::of(user, &user.native_id(id)?)));
    let turns = turns::take(context, user, keys).await?;
    let rows = target.by.into_iter().chain(user.protect.iter().map(|(row, _)| *row));
    let attributes: Vec<&str> =
        rows.filter_map(|row| user.rows.get(row)).map(|row| row.place.attribute.as_str()).collect();
    // An update may send the whole object: rows of a list that lack fields would take them away.
    let wanted = |path: &AttributePath| field.is_some() || attributes.contains(&path.attribute.as_str());
    let found = by_ids(context, user, &ids, wanted).await?;
    let missing = ids.into_iter().filter(|id| !found.contains_key(*id)).cloned().collect();
    Ok(Users { found, missing, _turns: turns })
}

/// Refuses to put users into a group, or out of it, whom the mapping protects.
pub(super) fn refuse_protected_among<'i>(
    context: &Context<'_>,
    target: &Target,
    mut ids: impl Iterator<Item = &'i String>,
    users: &Users<'_>,
) -> Result<(), Error> {
    let Some(user) = context.native.mapping().resource(target.kind).filter(|user| !user.protect.is_empty()) else {
        return Ok(());
    };
    ids.try_for_each(|id| match users.found.get(id) {
        Some(found) => refuse_protected(user, &found.attributes),
        // What is protected by its id, whatever attributes that is, need not be read.
        None => {
            let mut native = Value::Null;
            if let (Some(row), Some(id)) = (user.id_row(), user.native_id(id)) {
                row.native.as_ref().into_iter().for_each(|at| at.set(&mut native, id.clone()));
            }
            refuse_protected(user, &user.decode(&native))
        }
    })
}
