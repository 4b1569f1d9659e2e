//! The members of groups: where they are read, and what changes them.

use serde_json::Value;

use super::Compiler;
use super::calls::Names;
use super::lists::ListCall;
use crate::mapping::Resource;
use crate::mapping::codec::Codec;
use crate::mapping::diagnostic::Code;
use crate::mapping::language as written;
use crate::mapping::links::{
    Link, LinkSource, Links, MemberBatch, MemberCall, MemberChange, Members, Target, UserField,
};
use crate::mapping::node::Mark;
use crate::mapping::read::Spanned;
use crate::mapping::template::{JsonTemplate, Scope, Slot};
use crate::scim::Kind;

/// What members are.
const USER: &str = "User";

/// The placeholders of member calls, beside the group's rows.
const IN_CALLS: [(&str, Slot); 4] =
    [("id", Slot::Id), ("member", Slot::Member), ("members", Slot::List), ("key", Slot::Key)];

impl Compiler<'_> {
    pub(super) fn member_links(
        &mut self,
        members: &written::Members,
        group: &Resource,
        resources: &[Resource],
    ) -> Option<Links> {
        let sources = [members.list.is_some(), members.inline.is_some(), members.user.is_some()];
        if sources.iter().filter(|given| **given).count() > 1 {
            let message = "members are read by a call, from the group itself or from the users";
            self.error(Code::ExactlyOne, members.place, message, "keep one of list, inline, user");
        }
        let (total, member) = (&members.total, &members.member);
        for (key, given) in [("total", total), ("member", member), ("id", &members.id), ("display", &members.display)] {
            if let (Some(given), None) = (given, &members.inline) {
                self.belongs_to_inline(given.at, key);
            }
        }
        if let (Some(kind), None) = (&members.kind, &members.inline) {
            self.belongs_to_inline(kind.place, "type");
        }
        let source = match (&members.list, &members.inline, &members.user) {
            (Some(list), _, _) => self.member_list(list, group, resources)?,
            (None, Some(inline), _) => LinkSource::Inline {
                at: self.pointer(inline)?,
                total: self.optional_pointer(members.total.as_ref()),
                single: false,
                link: Link {
                    at: self.optional_pointer_or_root(members.member.as_ref()),
                    id: self.optional_pointer(members.id.as_ref()),
                    key: None,
                    display: self.optional_pointer(members.display.as_ref()),
                    kinds: self.kinds(members.kind.as_ref(), resources),
                },
            },
            (None, None, Some(field)) => LinkSource::Field(self.user_field(field, members, resources)?),
            (None, None, None) => return None,
        };
        let shows_id = match &source {
            LinkSource::List { link, .. } | LinkSource::Inline { link, .. } => link.id.is_some(),
            LinkSource::Field(_) => true,
        };
        if members.by.is_none()
            && let Some(id) = members.list.as_ref().and_then(|list| list.id.as_ref()).or(members.id.as_ref())
        {
            let message = "`member` is the id already: `id` is for members who are known `by` something else";
            self.error(Code::BadMembers, id.at, message, "remove it, or add `by: userName`");
        }
        let by = self.by(USER, members.by.as_ref(), resources, !shows_id);
        let returned = members.returned.unwrap_or(written::Returned::Default);
        let codec = self.links_codec(members.codec.as_ref(), members.place, "members");
        let target = Target { kind: USER, by, codec, except: self.except(members) };
        Some(Links { attribute: "members", target, source, returned })
    }

    fn member_list(
        &mut self,
        list: &written::MemberList,
        group: &Resource,
        resources: &[Resource],
    ) -> Option<LinkSource> {
        let names = Names::of_current(&[("id", Slot::Id)], &group.rows);
        let call = self.list_call(
            &ListCall {
                place: list.place,
                method: list.method.as_ref(),
                path: &list.path,
                query: &list.query,
                headers: &list.headers,
                body: list.body.as_ref(),
                format: list.format,
            },
            &names,
        );
        if let (Some(body), Some(_)) = (&list.body, &list.find) {
            let message = "a list that is asked by a body has no `find`: its parameters are those of a query";
            self.error(Code::BadMembers, body.at, message, "remove `find`: the whole list is read instead");
        }
        let find = list.find.as_ref().map(|query| {
            let names = Names::of_current(&[("id", Slot::Id), ("member", Slot::Member)], &group.rows);
            call.with_query(&self.query(query, &names))
        });
        Some(LinkSource::List {
            call,
            paging: Box::new(self.paging(list.paging.as_ref(), list.items.as_ref())),
            link: Link {
                at: self.pointer(&list.member)?,
                id: self.optional_pointer(list.id.as_ref()),
                key: self.optional_pointer(list.key.as_ref()),
                display: self.optional_pointer(list.display.as_ref()),
                kinds: self.kinds(list.kind.as_ref(), resources),
            },
            find,
        })
    }

    fn user_field(
        &mut self,
        field: &written::MemberField,
        members: &written::Members,
        resources: &[Resource],
    ) -> Option<UserField> {
        let user = resources.iter().find(|resource| resource.kind.name == USER);
        let (list, update) = (user.and_then(|user| user.list.as_ref()), user.and_then(|user| user.update.as_ref()));
        let has_update = update.is_some() || has_calls(members);
        for (given, key, help) in
            [(list.is_some(), "list", "list: {}"), (has_update, "update", "update: { method: PATCH }")]
        {
            if !given && self.well_formed {
                let message = format!("the members are users who have the group in a field, and `User` has no `{key}`");
                self.error(Code::BadMembers, field.place, message, format!("add `{help}` to `User`"));
            }
        }
        if let (Some(group), false) = (&field.group, field.list) {
            let message = "`group` is about the elements of a list, and the field is none";
            self.error(Code::BadMembers, group.at, message, "remove it, or add `list: true`");
        }
        if field.clear.is_some() && field.list {
            let message = "`clear` is for users who have one group; a list of none is empty";
            self.error(Code::BadMembers, field.place, message, "remove `clear`, or `list`");
        }
        let find = field.find.as_ref().zip(list).and_then(|(query, list)| {
            let names = Names::new(&[("id", Slot::Id)], &[]);
            let query = self.query(query, &names);
            (!list.parts.is_empty()).then_some(query)
        });
        Some(UserField {
            at: self.pointer(&field.field)?,
            list: field.list,
            group: self.optional_pointer_or_root(field.group.as_ref()),
            find,
            clear: field.clear.clone().unwrap_or_default(),
        })
    }

    pub(super) fn members(
        &mut self,
        members: &written::Members,
        links: Option<&Links>,
        group: &Resource,
        resources: &[Resource],
    ) -> Members {
        let ways = [members.add.is_some() || members.remove.is_some(), members.replace.is_some(), members.update];
        if ways.iter().filter(|given| **given).count() > 1 {
            let message = "members are changed in one way, and several are given";
            let help = "keep `add` and `remove`, or one of replace, update";
            self.error(Code::ExactlyOne, members.place, message, help);
        }
        let change = match (&members.add, &members.remove, &members.replace) {
            (Some(add), Some(remove), _) => self
                .member_change(add, "add", group)
                .zip(self.member_change(remove, "remove", group))
                .map(|(add, remove)| MemberChange::Calls { add, remove }),
            (_, _, Some(replace)) => self.member_change(replace, "replace", group).map(MemberChange::Replace),
            _ if members.update => Some(MemberChange::Update),
            // Where users who have the group in a field are given calls of their own, they are only read by it.
            _ => match links.map(|links| &links.source) {
                Some(LinkSource::Field(field)) => Some(MemberChange::Field(field.clone())),
                _ => None,
            },
        };
        let check = members.check.as_ref().and_then(|check| self.member_change(check, "check", group));
        self.check_members(members, change.as_ref(), links, group);
        let target = match links {
            Some(links) => links.target.clone(),
            None => Target {
                kind: USER,
                by: self.by(USER, members.by.as_ref(), resources, false),
                codec: self.links_codec(members.codec.as_ref(), members.place, "members"),
                except: self.except(members),
            },
        };
        Members { target, check, change }
    }

    /// How `what` are named where that is not by their id or attribute as it is.
    pub(super) fn links_codec(&mut self, codec: Option<&written::Codec>, place: Mark, what: &str) -> Codec {
        let codec = codec.map_or(Codec::Same, |codec| self.written_codec(codec, Kind::String));
        if matches!(codec, Codec::EpochSeconds | Codec::EpochMillis | Codec::Csv) {
            let help = "write one for texts: lowercase, integer, text, template, escape";
            let message = format!("the `codec` of {what} is not one for a single text");
            self.error(Code::BadMembers, place, message, help);
        }
        codec
    }

    fn except(&mut self, members: &written::Members) -> Vec<String> {
        let names = Names::new(&[], &[]);
        members.except.iter().map(|text| self.template(text, &names).plain(&Scope::default())).collect()
    }

    fn check_members(
        &mut self,
        members: &written::Members,
        change: Option<&MemberChange>,
        links: Option<&Links>,
        group: &Resource,
    ) {
        let mut bad = |message: &str, help: &str| self.error(Code::BadMembers, members.place, message, help);
        let source = links.map(|links| &links.source);
        let keyed = matches!(change, Some(MemberChange::Calls { remove, .. }) if remove.keyed);
        let has_key = matches!(source, Some(LinkSource::List { link, .. }) if link.key.is_some());
        if keyed && !has_key {
            bad("`{key}` is the membership's own key, and nothing says where that is", "add `key:` to `members.list`");
        }
        if members.add.is_some() != members.remove.is_some() {
            bad(
                "members that can be added must be removable, and the other way round",
                "give `add` and `remove`, or `replace`",
            );
        }
        let reads = members.list.is_some() || members.inline.is_some() || members.user.is_some();
        if !reads && members.add.is_none() {
            bad("nothing says where the members are read", "add `list:`, `inline:` or `user:`");
        }
        if members.update && !matches!(source, Some(LinkSource::Inline { .. })) {
            bad(
                "`update` changes a list in the group's own object, and nothing says where that is",
                "add `inline: members`",
            );
        }
        if members.update && group.update.is_none() {
            bad("`update` is the group's own, and the group has none", "add `update: { method: PATCH }` to `Group`");
        }
        let typed = match source {
            Some(LinkSource::List { link, .. } | LinkSource::Inline { link, .. }) => link.kinds.is_some(),
            _ => false,
        };
        if typed && matches!(change, Some(MemberChange::Replace(_))) {
            bad(
                "replacing the whole list would put out the groups among the members",
                "remove `type`, or change members by `add` and `remove` or by `update`",
            );
        }
        let ids_only = match source {
            Some(LinkSource::List { link, .. } | LinkSource::Inline { link, .. }) => link.id.as_ref() == Some(&link.at),
            _ => false,
        };
        if ids_only && members.by.is_some() && matches!(change, Some(MemberChange::Replace(_) | MemberChange::Update)) {
            bad(
                "the list shows the id where the members' names are needed to send the list back",
                "say by `member` where a row has what `by` names, or change members by `add` and `remove`",
            );
        }
        if members.user.is_some() && members.by.is_some() {
            bad("users who have the group in a field are known by their id", "remove `by`");
        }
        if members.user.is_some() && members.codec.is_some() {
            bad("`codec` is about names of users in lists and calls, and a field of the user needs none", "remove it");
        }
        // What is read is sent again as it is.
        let bare = match source {
            Some(LinkSource::List { link, .. } | LinkSource::Inline { link, .. }) => link.at.is_root(),
            _ => false,
        };
        let eaches = [&members.add, &members.remove, &members.replace].into_iter().flatten();
        for each in eaches.filter_map(|call| call.each.as_ref()).filter(|each| bare && is_around_member(&each.value)) {
            let message = "`each` would be put around members that are read with it already";
            let help = format!("write `codec: {{ template: '{}' }}` below `members` instead", as_codec(&each.value));
            self.error(Code::BadMembers, each.at, message, help);
        }
    }

    fn member_change(&mut self, call: &written::MemberCall, what: &str, group: &Resource) -> Option<MemberCall> {
        let names = Names::of_current(&IN_CALLS, &group.rows);
        let already = call.already.iter().map(|it| self.recognised(it)).collect();
        let absent = call.absent.iter().map(|it| self.recognised(it)).collect();
        // Who is to go and is not there has gone.
        let (done, absent) = match what {
            "remove" | "check" => (absent, Vec::new()),
            _ => (already, absent),
        };
        let template = self.member_call(call, &names);
        let uses = |slot: Slot| template.uses(&slot);
        let (one, several, keyed) = (uses(Slot::Member), uses(Slot::List), uses(Slot::Key));
        let place: Mark = call.place;
        let help = match what {
            "replace" => "put `{members}` into its body",
            "check" => "put `{member}` into its path, query or body",
            _ => "put `{member}` or `{members}` into its path, query or body",
        };
        let names_them = match what {
            "replace" => several && !one && !keyed,
            "check" => one && !several && !keyed,
            _ => one || several || keyed,
        };
        if !names_them {
            self.error(Code::BadMembers, place, format!("the call that is to {what} members does not say which"), help);
            return None;
        }
        if one && several {
            let message = "a call takes one member or several, and this one names both";
            self.error(
                Code::BadMembers,
                place,
                message,
                "keep `{member}` or `{members}`; what each one is goes into `each`",
            );
        }
        let extra = |given: &Option<Mark>| given.filter(|_| !several);
        let each = call.each.as_ref().map(|each| each.at);
        let max = call.max.as_ref().map(|max| max.at);
        for (key, at) in [("each", extra(&each)), ("max", extra(&max))] {
            if let Some(at) = at {
                let message = format!("`{key}` is about several members in one call, and this one takes one");
                self.error(Code::BadMembers, at, message, "remove it, or put `{members}` in place of `{member}`");
            }
        }
        if !call.already.is_empty() && matches!(what, "remove" | "check") {
            let message = format!("`already` is about members who are added, and this call is to {what} them");
            self.error(Code::BadMembers, place, message, "write `absent`: replies that say that somebody is no member");
        }
        if let (Some(max), "replace") = (&call.max, what) {
            self.error(Code::BadMembers, max.at, "a whole list cannot be sent in parts", "remove `max`");
        }
        let batch = several.then(|| MemberBatch {
            each: call.each.as_ref().map(|each| self.each_member(each)),
            max: self.most(call.max.as_ref(), usize::MAX),
        });
        Some(MemberCall { call: template, done, absent, batch, keyed })
    }

    fn each_member(&mut self, each: &Spanned<Value>) -> JsonTemplate {
        let json = self.json(&each.value, each.at, &Names::new(&[("member", Slot::Member)], &[]));
        if !json.uses(&Slot::Member) {
            let message = "`each` does not say who the member is, so that all members would be the same";
            self.error(Code::BadMembers, each.at, message, "put `{member}` into it, as a value or as a key");
        }
        json
    }

    /// A bound that must not be nothing.
    pub(super) fn most(&mut self, written: Option<&Spanned<u32>>, usual: usize) -> usize {
        let Some(written) = written else { return usual };
        if written.value == 0 {
            self.error(Code::OutOfRange, written.at, "0 at once is none", "write the application's own limit");
        }
        usize::try_from(written.value).unwrap_or(usual).max(1)
    }
}

/// Whether calls of their own change the members.
fn has_calls(members: &written::Members) -> bool {
    members.add.is_some() || members.remove.is_some() || members.replace.is_some()
}

/// Whether this is a text with more in it than `{member}`.
fn is_around_member(each: &Value) -> bool {
    each.as_str().is_some_and(|text| text.contains("{member}") && text != "{member}")
}

fn as_codec(each: &Value) -> String {
    each.as_str().unwrap_or_default().replace("{member}", "{value}")
}
