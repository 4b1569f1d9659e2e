//! What resources show of those that they are linked with. Compiled after all resource types, each of which may be the
//! other end of another's.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Compiler;
use super::calls::Names;
use super::lists::ListCall;
use crate::mapping::diagnostic::{Code, nearest};
use crate::mapping::language as written;
use crate::mapping::links::{Link, LinkSource, Links, Members, Target};
use crate::mapping::node::Mark;
use crate::mapping::pointer::Pointer;
use crate::mapping::read::Spanned;
use crate::mapping::template::Slot;
use crate::mapping::{How, Narrowing, Resource};
use crate::scim::json::gathered;
use crate::scim::schema::{Mutability, Returned};
use crate::scim::{Attribute, CompareOp, Kind};

impl Compiler<'_> {
    /// Compiles the members and groups of every resource type.
    pub(super) fn all_links(&mut self, document: &written::Document, resources: &mut [Resource]) {
        for (name, written) in document.resources.iter() {
            let Some(index) = resources.iter().position(|resource| resource.kind.name == name.value) else {
                continue;
            };
            let Some(resource) = resources.get(index) else { continue };
            let (mut links, mut members) = (None, None);
            if let Some(written) = &written.members {
                links = self.member_links(written, resource, resources);
                members = Some(self.members(written, links.as_ref(), resource, resources));
            }
            if let Some(groups) = &written.groups {
                self.groups_of_users(name, groups, resource);
                links = self.group_links(groups, resource, resources);
            }
            self.link_filters(written, links.as_ref());
            let named = links.as_ref().is_some_and(|links| links.shows_names(resources));
            let Some(resource) = resources.get_mut(index) else { continue };
            if let Some(members) = &members {
                resource.kind.schema.attributes.push(members_attribute(links.as_ref(), members, named));
            } else if let Some(links) = &links {
                resource.kind.schema.attributes.push(groups_attribute(links, named));
            }
            resource.links = links;
            resource.members = members;
        }
    }

    fn groups_of_users(&mut self, name: &Spanned<String>, groups: &written::Groups, resource: &Resource) {
        if name.value != "User" {
            let help = "move it below `User:`";
            self.error(Code::BadMembers, groups.place, format!("a {} has no groups", name.value), help);
        }
        if resource.kind.attribute("groups").is_some() {
            let message = "`groups` has a row already, below `attributes`";
            self.error(Code::OwnedTwice, groups.place, message, "keep the row or this table");
        }
    }

    fn group_links(&mut self, groups: &written::Groups, resource: &Resource, resources: &[Resource]) -> Option<Links> {
        self.exactly_one(&[groups.list.is_some(), groups.inline.is_some()], groups.place, "list, inline");
        let inline = [&groups.total, &groups.group, &groups.display];
        if let (Some(at), None) = (inline.into_iter().flatten().next(), &groups.inline) {
            let message = "`total`, `group` and `display` here belong to an inline list, and there is none";
            self.error(
                Code::BadMembers,
                at.at,
                message,
                "move them into `list`, the total into its `paging`, or add `inline:`",
            );
        }
        let by = self.by("Group", groups.by.as_ref(), resources, true);
        let of_one = Names::of_current(&[("id", Slot::Id)], &resource.rows);
        let source = match (&groups.list, &groups.inline) {
            (Some(list), _) => LinkSource::List {
                call: self.list_call(
                    &ListCall {
                        place: list.place,
                        method: list.method.as_ref(),
                        path: &list.path,
                        query: &list.query,
                        headers: &list.headers,
                        body: list.body.as_ref(),
                        format: list.format,
                    },
                    &of_one,
                ),
                paging: Box::new(self.paging(list.paging.as_ref(), list.items.as_ref())),
                link: Link {
                    at: self.pointer(&list.group)?,
                    display: self.optional_pointer(list.display.as_ref()),
                    ..Link::default()
                },
                find: None,
            },
            (None, Some(inline)) => LinkSource::Inline {
                at: self.pointer(inline)?,
                total: self.optional_pointer(groups.total.as_ref()),
                single: true,
                link: Link {
                    at: self.optional_pointer(groups.group.as_ref()).unwrap_or_default(),
                    display: self.optional_pointer(groups.display.as_ref()),
                    ..Link::default()
                },
            },
            (None, None) => return None,
        };
        let usual = match source {
            LinkSource::List { .. } => written::Returned::Request,
            _ => written::Returned::Default,
        };
        let codec = self.links_codec(groups.codec.as_ref(), groups.place, "groups");
        let target = Target { kind: "Group", by, codec, except: Vec::new() };
        Some(Links { attribute: "groups", target, source, returned: groups.returned.unwrap_or(usual) })
    }

    /// The row that `by` names. `both` says that its values are looked up too, so that the mapping must find them.
    pub(super) fn by(
        &mut self,
        target: &str,
        by: Option<&Spanned<String>>,
        resources: &[Resource],
        both: bool,
    ) -> Option<usize> {
        let by = by?;
        let noun = target.to_lowercase();
        let Some(resource) = resources.iter().find(|resource| resource.kind.name == target) else {
            let message = format!("the mapping has no `{target}`, whose `{}` this is", by.value);
            self.error(Code::BadMembers, by.at, message, format!("add `{target}:` below `resources:`"));
            return None;
        };
        let row = resource.rows.iter().position(|row| row.name == by.value);
        let named = row.and_then(|index| resource.rows.get(index)).filter(|row| row.native.is_some() && row.readable());
        if named.is_none() {
            let known = resource.rows.iter().map(|row| row.name.as_str());
            let help = match nearest(&by.value, known) {
                Some(meant) if meant != by.value => format!("did you mean `{meant}`?"),
                _ => {
                    let usual = if target == "Group" { "displayName" } else { "userName" };
                    format!("name an attribute row of `{target}` that can be read, such as `{usual}`")
                }
            };
            let message = format!("`{}` is nothing that a {noun} can be known by", by.value);
            self.error(Code::BadMembers, by.at, message, help);
            return None;
        }
        let row = row?;
        let finds = |list: &crate::mapping::List| {
            let is_eq =
                |it: &Narrowing| it.row == Some(row) && it.op == CompareOp::Eq && !matches!(it.how, How::Find(..));
            list.filters.iter().any(is_eq)
                || list.batches.iter().any(|batch| batch.row == row)
                || list.otherwise == written::Unnarrowed::Scan
        };
        if both && row != resource.id && !resource.list.as_ref().is_some_and(finds) {
            let message = format!("nothing finds a {noun} by its `{}`", by.value);
            let help = format!("add `{} eq` below `list.filters` of `{target}`", by.value);
            self.error(Code::BadMembers, by.at, message, help);
        }
        (row != resource.id).then_some(row)
    }

    /// A native query by the id at the other end has no value where that is known by something else.
    fn link_filters(&mut self, written: &written::Resource, links: Option<&Links>) {
        let filters = written.list.iter().flat_map(|list| list.filters.iter());
        for (key, _) in filters.filter(|(key, _)| of_links(&key.value).is_some()) {
            let attribute = of_links(&key.value).unwrap_or_default();
            match links {
                Some(links) if links.attribute == attribute && links.target.by.is_none() => {}
                Some(links) if links.attribute == attribute => {
                    let message = "the filter's value is an id, and `by` makes the application know something else";
                    self.error(
                        Code::BadFilter,
                        key.at,
                        message,
                        "remove the filter: what it asks for is found without it",
                    );
                }
                _ => {
                    let message = format!("`{}` is about `{attribute}`, which cannot be read", key.value);
                    self.error(Code::BadFilter, key.at, message, format!("say below `{attribute}:` where it is read"));
                }
            }
        }
    }

    pub(super) fn optional_pointer_or_root(&mut self, text: Option<&Spanned<String>>) -> Pointer {
        self.optional_pointer(text).unwrap_or_default()
    }

    /// The resource type of each native value of a member's type.
    pub(super) fn kinds(
        &mut self,
        written: Option<&written::MemberType>,
        resources: &[Resource],
    ) -> Option<(Pointer, Vec<(String, Value)>)> {
        let written = written?;
        let mut kinds = Vec::new();
        for (name, native) in written.enumeration.iter() {
            if !resources.iter().any(|resource| resource.kind.name == name.value) {
                let known: BTreeSet<&str> = gathered(resources.iter().map(|resource| resource.kind.name.as_str()));
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                let message = format!("the mapping has no `{}`", name.value);
                self.error(Code::BadMembers, name.at, message, format!("one of: {known}"));
            }
            kinds.push((name.value.clone(), native.clone()));
        }
        if !kinds.iter().any(|(kind, _)| kind == "User") && self.well_formed {
            let message = "no type of member is `User`, so that no user is one";
            self.error(Code::BadMembers, written.place, message, "write `enum: { User: user, Group: group }`");
        }
        Some((self.pointer(&written.native)?, kinds))
    }

    pub(super) fn belongs_to_inline(&mut self, at: Mark, key: &str) {
        let message = format!("`{key}` belongs to an inline list, and there is none");
        self.error(Code::BadMembers, at, message, "move it into `list`, the total into its `paging`, or add `inline:`");
    }
}

/// The attribute of a filter key that is about links.
pub(super) fn of_links(key: &str) -> Option<&'static str> {
    let path = key.split(['.', '[', ' ']).next()?;
    ["members", "groups"].into_iter().find(|name| *name == path)
}

/// The `members` attribute, as it really behaves (RFC 7643 section 4.2).
fn members_attribute(links: Option<&Links>, members: &Members, named: bool) -> Attribute {
    let mut attribute = Attribute::new("members", Kind::Complex);
    attribute.multi_valued = true;
    "The members of the group".clone_into(&mut attribute.description);
    attribute.mutability = if members.change.is_some() { Mutability::ReadWrite } else { Mutability::ReadOnly };
    attribute.returned = links.map_or(Returned::Never, |links| links.returned.into());
    let sub = |name: &str, kind: Kind, description: &str| Attribute {
        mutability: Mutability::Immutable,
        description: description.to_owned(),
        ..Attribute::new(name, kind)
    };
    let link = links.and_then(Links::link);
    let types: Vec<String> = match link.and_then(|link| link.kinds.as_ref()) {
        Some((_, kinds)) => kinds.iter().map(|(kind, _)| kind.clone()).collect(),
        None => vec![members.target.kind.to_owned()],
    };
    attribute.sub_attributes = vec![
        Attribute { case_exact: true, ..sub("value", Kind::String, "The id of the member") },
        Attribute { reference_types: types.clone(), ..sub("$ref", Kind::Reference, "The address of the member") },
        Attribute { canonical_values: types, ..sub("type", Kind::String, "The member's resource type") },
    ];
    if named {
        attribute
            .sub_attributes
            .push(Attribute { mutability: Mutability::ReadOnly, ..sub("display", Kind::String, "The member's name") });
    }
    attribute
}

/// The `groups` attribute of users (RFC 7643 section 4.1.2).
fn groups_attribute(links: &Links, named: bool) -> Attribute {
    let mut attribute = Attribute::new("groups", Kind::Complex);
    attribute.multi_valued = true;
    "The groups that the user belongs to".clone_into(&mut attribute.description);
    attribute.mutability = Mutability::ReadOnly;
    attribute.returned = links.returned.into();
    let sub = |name: &str, kind: Kind, description: &str| Attribute {
        mutability: Mutability::ReadOnly,
        description: description.to_owned(),
        ..Attribute::new(name, kind)
    };
    attribute.sub_attributes = vec![
        Attribute { case_exact: true, ..sub("value", Kind::String, "The id of the group") },
        Attribute {
            reference_types: vec![links.target.kind.to_owned()],
            ..sub("$ref", Kind::Reference, "The address of the group")
        },
    ];
    if named {
        attribute.sub_attributes.push(sub("display", Kind::String, "The group's name"));
    }
    attribute
}

impl Links {
    /// What a row or an element says, where there are any.
    fn link(&self) -> Option<&Link> {
        match &self.source {
            LinkSource::List { link, .. } | LinkSource::Inline { link, .. } => Some(link),
            LinkSource::Field(_) => None,
        }
    }

    /// Whether clients see the names of those at the other end: as rows or elements show them, as users have them who are
    /// read, or as they stand in the mapping.
    fn shows_names(&self, resources: &[Resource]) -> bool {
        let fixed = |it: &Resource| it.kind.name == self.target.kind && it.fixed.is_some();
        let shown = self.link().is_none_or(|link| link.display.is_some());
        shown || resources.iter().any(fixed)
    }
}
