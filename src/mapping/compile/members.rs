//! The members of groups.

use super::Compiler;
use super::calls::Names;
use crate::mapping::diagnostic::Code;
use crate::mapping::language as written;
use crate::mapping::node::Mark;
use crate::mapping::template::{JsonTemplate, Slot, Template};
use crate::mapping::{MemberCall, MemberSource, Members};
use crate::scim::schema::{Mutability, Returned};
use crate::scim::{Attribute, Kind};

impl Compiler<'_> {
    pub(super) fn members(&mut self, members: &written::Members) -> Members {
        if members.list.is_some() && members.inline.is_some() {
            self.error(
                Code::ExactlyOne,
                members.place,
                "members are read by a call or from the group itself",
                "keep `list` or `inline`",
            );
        }
        let inline = members.inline.as_ref().and_then(|at| self.pointer(at));
        let source = match (&members.list, inline) {
            (Some(list), _) => self.member_list(list),
            (None, Some(at)) => {
                let member = self.optional_pointer(members.member.as_ref()).unwrap_or_default();
                Some(MemberSource::Inline { at, member })
            }
            (None, None) => None,
        };
        let compiled = Members {
            source,
            add: members.add.as_ref().and_then(|call| self.change(call, "add")),
            remove: members.remove.as_ref().and_then(|call| self.change(call, "remove")),
            replace: members.replace.as_ref().and_then(|call| self.change(call, "replace")),
            returned: members.returned.unwrap_or(written::Returned::Default),
        };
        self.check(members, &compiled);
        compiled
    }

    fn check(&mut self, members: &written::Members, compiled: &Members) {
        let keyed = compiled.remove.as_ref().is_some_and(|call| call.keyed);
        let has_key = matches!(compiled.source, Some(MemberSource::List { key: Some(_), .. }));
        if keyed && !has_key {
            self.error(
                Code::BadMembers,
                members.place,
                "`{key}` is the membership's own key, and nothing says where that is",
                "add `key:` to `members.list`",
            );
        }
        if members.add.is_some() != members.remove.is_some() && members.replace.is_none() {
            self.error(
                Code::BadMembers,
                members.place,
                "members that can be added must be removable, and the other way round",
                "give `add` and `remove`, or `replace`",
            );
        }
        if compiled.source.is_none() && (compiled.replace.is_some() || compiled.add.is_none()) {
            self.error(
                Code::BadMembers,
                members.place,
                "nothing says where the members are read",
                "add `list:` or `inline:`",
            );
        }
    }

    fn member_list(&mut self, list: &written::MemberList) -> Option<MemberSource> {
        let names = Names::new(&[("id", Slot::Id)], &[]);
        let mut call = crate::mapping::template::CallTemplate::new("GET", self.path(&list.path, &names));
        call.query = self.query(&list.query, &names);
        call.headers = self.headers(&list.headers, &names);
        let finder = Names::new(&[("id", Slot::Id), ("member", Slot::Member)], &[]);
        let find = list.find.as_ref().map(|query| self.query(query, &finder));
        Some(MemberSource::List {
            call,
            paging: self.paging(list.paging.as_ref(), list.items.as_ref()),
            member: self.pointer(&list.member)?,
            key: self.optional_pointer(list.key.as_ref()),
            display: self.optional_pointer(list.display.as_ref()),
            find,
        })
    }

    fn change(&mut self, call: &written::MemberCall, what: &str) -> Option<MemberCall> {
        let names = Names::new(
            &[("id", Slot::Id), ("member", Slot::Member), ("members", Slot::Members), ("key", Slot::Key)],
            &[],
        );
        let done = call.already.iter().chain(&call.absent).map(|it| self.recognised(it)).collect();
        let call_template = self.member_call(call, &names);
        let uses = |slot: Slot| {
            let in_text = |template: &Template| template.slots().any(|other| *other == slot);
            in_text(&call_template.path)
                || call_template.query.iter().any(|(_, value)| value.uses(&slot))
                || call_template.headers.iter().any(|(_, value)| in_text(value))
                || call_template.body.as_ref().is_some_and(|body: &JsonTemplate| body.uses(&slot))
        };
        let (one, several, keyed) = (uses(Slot::Member), uses(Slot::Members), uses(Slot::Key));
        let place: Mark = call.place;
        if !(one || several || keyed) {
            self.error(
                Code::BadMembers,
                place,
                format!("the call that is to {what} members does not say which"),
                "put `{member}` or `{members}` into its path, query or body",
            );
            return None;
        }
        Some(MemberCall { call: call_template, done, batch: several, keyed })
    }
}

/// The `members` attribute, as it really behaves (RFC 7643 section 4.2).
pub(super) fn attribute(members: &Members) -> Attribute {
    let writable = members.add.is_some() || members.replace.is_some();
    let mut attribute = Attribute::new("members", Kind::Complex);
    attribute.multi_valued = true;
    "The members of the group".clone_into(&mut attribute.description);
    attribute.mutability = if writable { Mutability::ReadWrite } else { Mutability::ReadOnly };
    attribute.returned = match members.source {
        Some(_) => members.returned.into(),
        None => Returned::Never,
    };
    let sub = |name: &str, kind: Kind, description: &str| Attribute {
        mutability: Mutability::Immutable,
        description: description.to_owned(),
        ..Attribute::new(name, kind)
    };
    attribute.sub_attributes = vec![
        Attribute { case_exact: true, ..sub("value", Kind::String, "The id of the member") },
        Attribute {
            reference_types: vec!["User".to_owned()],
            ..sub("$ref", Kind::Reference, "The address of the member")
        },
        Attribute {
            canonical_values: vec!["User".to_owned()],
            ..sub("type", Kind::String, "The member's resource type")
        },
    ];
    if matches!(members.source, Some(MemberSource::List { display: Some(_), .. })) {
        attribute
            .sub_attributes
            .push(Attribute { mutability: Mutability::ReadOnly, ..sub("display", Kind::String, "The member's name") });
    }
    attribute
}
