//! Who is in which group.

use std::rc::Rc;

use serde_json::Value;

use super::{Application, Membership, kind_of, missing};
use crate::exchange::{Request, Response};
use crate::explain::shapes::{self, page, status};
use crate::mapping::Resource;
use crate::mapping::codec::text_of;
use crate::mapping::links::{Link, LinkSource, Links, MemberCall, MemberChange, Members, Target, UserField};
use crate::mapping::pointer::Pointer;
use crate::mapping::template::{Said, Slot};

/// One end of a membership, seen from the other.
pub(super) struct Linked {
    /// Its native id.
    pub(super) id: Value,
    key: Value,
}

impl Application {
    /// The reply to a call about members or groups of a resource.
    pub(super) fn linked(&mut self, kind: usize, resource: &Resource, call: &Request) -> Option<Response> {
        if let Some(links) = &resource.links
            && let LinkSource::List { call: list, paging, link, find } = &links.source
        {
            let one = find.as_ref().and_then(|find| find.read(call, &[])).filter(|it| it.get(&Slot::Member).is_some());
            if let Some(said) = one.or_else(|| list.read(call, &[])) {
                let Some(native) = self.located(kind, resource, &said) else { return Some(missing()) };
                let only = said.get(&Slot::Member).map(|known| self.known_by(&links.target, known));
                let mut rows = self.links_of(kind, &native);
                rows.retain(|row| only.as_ref().is_none_or(|only| only.as_ref() == Some(&row.id)));
                return Some(page(paging, self.link_rows(links, link, &rows), call));
            }
        }
        let members = resource.members.as_ref()?;
        if let Some(said) = members.check.as_ref().and_then(|check| check.call.read(call, &[])) {
            let Some(native) = self.located(kind, resource, &said) else { return Some(missing()) };
            let who = said.get(&Slot::Member).and_then(|known| self.known_by(&members.target, known));
            let is_one = self.links_of(kind, &native).iter().any(|row| Some(&row.id) == who.as_ref());
            return Some(if is_one { status(204) } else { missing() });
        }
        match members.change.as_ref()? {
            MemberChange::Calls { add, remove } => {
                let said = |change: &MemberCall| change.call.read(call, &[]).filter(|said| names_members(change, said));
                if let Some(said) = said(add) {
                    return Some(self.changed(kind, resource, (members, add), &said, true));
                }
                said(remove).map(|said| self.changed(kind, resource, (members, remove), &said, false))
            }
            MemberChange::Replace(replace) => {
                let said = replace.call.read(call, &[])?;
                let Some(native) = self.located(kind, resource, &said) else { return Some(missing()) };
                let group = id_of(resource, &native);
                self.memberships.retain(|it| it.group != group);
                Some(self.changed(kind, resource, (members, replace), &said, true))
            }
            MemberChange::Update | MemberChange::Field(_) => None,
        }
    }

    /// Adds or removes those whom a call names.
    fn changed(
        &mut self,
        kind: usize,
        resource: &Resource,
        (members, call): (&Members, &MemberCall),
        said: &Said,
        add: bool,
    ) -> Response {
        if let Some(key) = said.get(&Slot::Key) {
            let before = self.memberships.len();
            self.memberships.retain(|it| text_of(&it.key) != text_of(key));
            return if self.memberships.len() < before { status(204) } else { missing() };
        }
        let Some(native) = self.located(kind, resource, said) else { return missing() };
        let group = id_of(resource, &native);
        let named = match (&call.batch, said.get(&Slot::List)) {
            (Some(batch), Some(several)) => batch.named(several),
            _ => said.get(&Slot::Member).map(|one| Some(one.clone())).into_iter().collect(),
        };
        let who: Vec<Option<Value>> = named.iter().map(|it| self.known_by(&members.target, it.as_ref()?)).collect();
        let unknown = who.iter().any(Option::is_none);
        if unknown && add {
            return missing();
        }
        for member in who.into_iter().flatten() {
            self.join(&group, &member, add);
        }
        status(204)
    }

    /// Makes a user a member of a group, or no member any more.
    pub(super) fn join(&mut self, group: &Value, member: &Value, add: bool) {
        self.memberships.retain(|it| add || it.group != *group || it.member != *member);
        if add && !self.memberships.iter().any(|it| it.group == *group && it.member == *member) {
            self.last += 1;
            let key = self.last.into();
            self.memberships.push(Membership { key, group: group.clone(), member: member.clone() });
        }
    }

    /// The other ends of an object's memberships.
    pub(super) fn links_of(&self, kind: usize, native: &Value) -> Vec<Linked> {
        let Some(resource) = self.mapping.resources.get(kind) else { return Vec::new() };
        let id = id_of(resource, native);
        let of_users = resource.kind.name == "User";
        let Some(field) = self.field().filter(|_| !of_users) else {
            let own = self.memberships.iter().filter(|it| *if of_users { &it.member } else { &it.group } == id);
            let other = |it: &Membership| if of_users { it.group.clone() } else { it.member.clone() };
            return own.map(|it| Linked { id: other(it), key: it.key.clone() }).collect();
        };
        let Some((users, user)) = kind_of(&self.mapping, "User") else { return Vec::new() };
        let members = self.objects(users).filter(|native| field.has(native, &id));
        members.map(|native| Linked { id: id_of(user, native), key: Value::Null }).collect()
    }

    /// The field of users that says which groups they have, where one does.
    pub(super) fn field(&self) -> Option<&UserField> {
        let groups = self.mapping.resources.iter();
        groups.filter_map(|resource| resource.members.as_ref()).find_map(|members| match &members.change {
            Some(MemberChange::Field(field)) => Some(field),
            _ => None,
        })
    }

    /// A native object as replies show it: with its members, where they are in it.
    pub(super) fn shown(&self, kind: usize, native: &Value) -> Value {
        let mut shown = native.clone();
        if let Some((links, at, link)) = self.mapping.resources.get(kind).and_then(inline)
            && at.get(native).is_none()
        {
            at.set(&mut shown, Value::Array(self.link_rows(links, link, &self.links_of(kind, native))));
        }
        shown
    }

    /// Takes the members out of a native object that was sent, and makes them those of the group.
    pub(super) fn take_members(&mut self, kind: usize, native: &mut Value) {
        let mapping = Rc::clone(&self.mapping);
        let Some(resource) = mapping.resources.get(kind).filter(|it| it.kind.name != "User") else { return };
        let Some((links, at, link)) = inline(resource) else { return };
        let Some(Value::Array(elements)) = at.get(native).cloned() else { return };
        at.remove(native);
        let group = id_of(resource, native);
        self.memberships.retain(|it| it.group != group);
        for element in &elements {
            if let Some(member) = link.at.get(element).and_then(|known| self.known_by(&links.target, known)) {
                self.join(&group, &member, true);
            }
        }
    }

    fn link_rows(&self, links: &Links, link: &Link, rows: &[Linked]) -> Vec<Value> {
        let row = |linked: &Linked| {
            let target = kind_of(&self.mapping, links.target.kind);
            let native = target.and_then(|(kind, it)| self.objects(kind).find(|native| id_of(it, native) == linked.id));
            let row = links.target.by.and_then(|index| target?.1.rows.get(index));
            let known = row.and_then(|row| row.native.as_ref()?.get(native?)).unwrap_or(&linked.id);
            let known = links.target.name(known).unwrap_or_default();
            let same = link.display.as_ref().and_then(|at| at.get(native?)).filter(|name| name.is_string()).cloned();
            let display = same
                .or_else(|| self.name(links.target.kind, &linked.id, &["displayName", "userName"]).map(Value::from));
            shapes::link(links, link, &known, &linked.id, linked.key.clone(), display)
        };
        rows.iter().map(row).collect()
    }

    /// What people call a resource: the first of these attributes that it has.
    pub(super) fn name(&self, kind: &str, id: &Value, attributes: &[&str]) -> Option<String> {
        let (kind, resource) = kind_of(&self.mapping, kind)?;
        let native = self.objects(kind).find(|native| id_of(resource, native) == *id)?;
        let names = resource.decode_some(native, |name| attributes.contains(&name));
        attributes.iter().find_map(|name| names.get(*name)).map(text_of)
    }

    /// The native id of the resource that calls know by this value; `None` where there is none.
    fn known_by(&self, target: &Target, known: &Value) -> Option<Value> {
        let known = &target.key(known)?;
        // A type without a mapping of its own is not kept here either.
        let Some((kind, resource)) = kind_of(&self.mapping, target.kind) else { return Some(known.clone()) };
        let index = target.by.unwrap_or(resource.id);
        let at = resource.rows.get(index)?.native.as_ref()?;
        let found = self.objects(kind).find(|native| at.get(native).is_some_and(|it| text_of(it) == text_of(known)));
        found.map(|native| id_of(resource, native))
    }

    fn located(&self, kind: usize, resource: &Resource, said: &Said) -> Option<Value> {
        self.objects.get(kind)?.get(self.locate(kind, resource, said)?).cloned()
    }
}

/// Whether several members are what this call makes of them: one that adds and one that removes may differ in nothing else.
fn names_members(call: &MemberCall, said: &Said) -> bool {
    let several = call.batch.as_ref().zip(said.get(&Slot::List));
    several.is_none_or(|(batch, several)| batch.named(several).iter().all(Option::is_some))
}

pub(super) fn id_of(resource: &Resource, native: &Value) -> Value {
    resource.id_row().and_then(|row| row.native.as_ref()?.get(native)).cloned().unwrap_or_default()
}

/// Where a resource's own object has its members or groups.
fn inline(resource: &Resource) -> Option<(&Links, &Pointer, &Link)> {
    let links = resource.links.as_ref()?;
    match &links.source {
        LinkSource::Inline { at, link, .. } => Some((links, at, link)),
        _ => None,
    }
}
