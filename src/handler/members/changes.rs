//! Who is to be added and removed: the net effect of a request's edits.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::MEMBERS;
use crate::scim::json::gathered;
use crate::scim::patch::MemberEdit;
use crate::scim::{AttributePath, Filter};

/// Who is to be added and removed, by SCIM id.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) add: BTreeSet<String>,
    pub(super) remove: BTreeSet<String>,
}

impl Changes {
    /// The net effect of the edits; with `current`, only what really changes it.
    pub(super) fn of(edits: &[MemberEdit], current: Option<&Value>) -> Self {
        let before: BTreeSet<String> = gathered(ids(current));
        let mut changes = Changes::default();
        for edit in edits {
            match edit {
                MemberEdit::Add(ids) => ids.iter().for_each(|id| changes.adds(id)),
                MemberEdit::Remove(ids) => ids.iter().for_each(|id| changes.removes(id)),
                MemberEdit::Replace(ids) => {
                    let wanted: BTreeSet<&String> = gathered(ids);
                    let present: Vec<String> = before.iter().chain(&changes.add).cloned().collect();
                    present.iter().filter(|id| !wanted.contains(id)).for_each(|id| changes.removes(id));
                    ids.iter().for_each(|id| changes.adds(id));
                }
                MemberEdit::RemoveWhere(filter) => {
                    let present: Vec<String> = before.iter().chain(&changes.add).cloned().collect();
                    let selected = selected(filter, current);
                    present.iter().filter(|id| selected(id)).for_each(|id| changes.removes(id));
                }
            }
        }
        if current.is_some() {
            changes.add.retain(|id| !before.contains(id));
            changes.remove.retain(|id| before.contains(id));
        }
        changes
    }

    pub(super) fn len(&self) -> usize {
        self.add.len() + self.remove.len()
    }

    /// Leaves out those of whom `keeps` says so.
    pub(super) fn keep(&mut self, keeps: impl Fn(&String) -> bool) {
        self.add.retain(&keeps);
        self.remove.retain(&keeps);
    }

    /// Everybody whom the changes are about.
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.remove.iter().chain(&self.add)
    }

    fn adds(&mut self, id: &String) {
        self.remove.remove(id);
        self.add.insert(id.clone());
    }

    fn removes(&mut self, id: &String) {
        self.add.remove(id);
        self.remove.insert(id.clone());
    }
}

fn ids(members: Option<&Value>) -> impl Iterator<Item = String> {
    let members = members.and_then(Value::as_array).into_iter().flatten();
    members.filter_map(|member| member.get("value")?.as_str().map(str::to_owned))
}

/// Whether a filter selects the member with this id.
fn selected(filter: &Filter, current: Option<&Value>) -> impl Fn(&String) -> bool {
    let kind = crate::scim::core::group_type();
    let filter = Filter::ValuePath { path: AttributePath::of(MEMBERS), filter: Box::new(filter.clone()) };
    let known = current.and_then(Value::as_array).into_iter().flatten();
    let known: BTreeMap<&str, &Value> =
        gathered(known.filter_map(|member| Some((member.get("value")?.as_str()?, member))));
    move |id| {
        let unknown = || json!({ "value": id, "type": "User" });
        let member = known.get(id.as_str()).map_or_else(unknown, |member| (*member).clone());
        filter.matches(&kind, &json!({ "members": [member] }))
    }
}
