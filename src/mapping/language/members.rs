//! Who is in which group.

use serde_json::Value;

use super::calls::Format;
use super::lists::Paging;
use super::resources::Returned;
use super::values::{Codec, Match};
use crate::mapping::read::{Spanned, Table, tables};

tables! {
    /// The members of a group. They are read by `list`, `inline` or `user`, and changed by `add` and `remove`, by `replace`,
    /// by `update`, or, where none of these is said, by `user`.
    Members {
        /// Reading them by a call.
        list: Option<MemberList>,
        /// Where they are in the group's own object, instead of a list.
        inline: Option<Spanned<String>>,
        /// Where the group's own object says how many there are: an inline list with fewer is cut short, and an error.
        total: Option<Spanned<String>>,
        /// Membership that is a field of the user, instead of a list.
        user: Option<MemberField>,
        /// Where the member is in an element of the inline list: the element itself unless it is said.
        member: Option<Spanned<String>>,
        /// Where the member's id is in an element of the inline list, if `by` makes `member` something else.
        id: Option<Spanned<String>>,
        /// Where the member's name is in an element of the inline list.
        display: Option<Spanned<String>>,
        /// What sort of member an element of the inline list is, for groups in groups.
        kind as "type": Option<MemberType>,
        /// The user's attribute that members are known by in calls and lists, such as `userName`: `id` unless it is said.
        /// Users are looked up where only the other of the two is known.
        by: Option<Spanned<String>>,
        /// How that id or attribute is written in lists and calls: `{ template: 'account:{value}' }`. What is not written so
        /// belongs to somebody else: it is not shown, and stays.
        codec: Option<Codec>,
        /// Members that are neither shown nor changed, as calls name them: the gateway's own user, whom the application puts
        /// into the groups that it creates. They may say `{env.NAME}`.
        except: Vec<Spanned<String>>,
        /// A call that tells whether one user (`{member}`) is a member: a success, or 404 and what `absent` recognises.
        check: Option<MemberCall>,
        /// Adding one (`{member}`) or several (`{members}`; with commas between them `{members|csv}`).
        add: Option<MemberCall>,
        /// Removing one (`{member}`, `{key}`) or several (`{members}`).
        remove: Option<MemberCall>,
        /// Replacing the whole list (`{members}`), for APIs that know no single change. Requests to one instance of scim-edge
        /// wait for each other; what another instance or somebody else changes between the read and this call is lost.
        replace: Option<MemberCall>,
        /// Whether the group's own update changes the inline list: read, changed and sent whole, with the elements that stay
        /// as they are. What another instance or somebody else changes in between is lost, as with `replace`.
        update: bool,
        /// When they are returned: `default` unless it is said; `request` spares a call in every list.
        returned: Option<Returned>,
    }

    /// Reading the members of a group.
    MemberList {
        /// The method: `GET` unless it is said.
        method: Option<Spanned<String>>,
        /// The native path, with `{id}` and the group's attributes.
        path: Spanned<String>,
        /// Query parameters.
        query: Table<Spanned<Value>>,
        /// Header fields.
        headers: Table<Spanned<String>>,
        /// The body. With it, the parameters of paging are fields of this body, by native path.
        body: Option<Spanned<Value>>,
        /// How the body is written: `json` unless it is said.
        format: Option<Format>,
        /// How the list is paged.
        paging: Option<Paging>,
        /// Where the rows are in the reply, if the paging does not say it.
        items: Option<Spanned<String>>,
        /// Where the member is in a row: its id, or what `by` says.
        member: Spanned<String>,
        /// Where the member's id is in a row, if `by` makes `member` something else: nobody needs to be looked up.
        id: Option<Spanned<String>>,
        /// Where the membership's own key is in a row, if removing needs it.
        key: Option<Spanned<String>>,
        /// Where the member's name is in a row.
        display: Option<Spanned<String>>,
        /// What sort of member a row is, for groups in groups.
        kind as "type": Option<MemberType>,
        /// Query parameters that find one member's row, with `{member}`; a list that is asked by a body has none.
        find: Option<Table<Spanned<Value>>>,
    }

    /// What sort of member something is. Groups in groups are shown and stay; only users are added and removed.
    MemberType {
        /// The native field that says it.
        native: Spanned<String>,
        /// Resource type to native value: `User`, `Group`. What has another value is no member.
        enumeration as "enum": Table<Value>,
    }

    /// Membership that is a field of the user: the members are the users who have the group there, and the user's update
    /// changes it, unless `add` and `remove` or `replace` do.
    MemberField {
        /// The native field of a user that has the group's id.
        field: Spanned<String>,
        /// Whether it is a list of groups, which is read, changed and sent whole; what another instance or somebody else
        /// changes in between is lost. Otherwise a user has one group: who is added
        /// to another leaves it.
        list: bool,
        /// Where the group's id is in an element of that list: the element itself unless it is said.
        group: Option<Spanned<String>>,
        /// Query parameters that narrow the list of users to the members, with `{id}`. Without it, all users are read.
        find: Option<Table<Spanned<Value>>>,
        /// What the field of a user without a group is: `null` unless it is said.
        clear: Option<Value>,
    }

    /// Changing the members of a group.
    MemberCall {
        /// The method.
        method: Spanned<String>,
        /// The native path, with placeholders: `{id}`, the members, and the group's attributes.
        path: Spanned<String>,
        /// Query parameters, with placeholders.
        query: Table<Spanned<Value>>,
        /// Header fields, with placeholders.
        headers: Table<Spanned<String>>,
        /// The body, with placeholders.
        body: Option<Spanned<Value>>,
        /// How the body is written.
        format: Option<Format>,
        /// What each one is in `{members}`, with `{member}`: that alone unless it is said. Of objects with `{member}` in a
        /// key, `{members}` is one object that has the fields of all: `each: { '{member}': true }`.
        each: Option<Spanned<Value>>,
        /// The most members in one call.
        max: Option<Spanned<u32>>,
        /// Replies to adding that mean that it was a member already: success.
        already: Vec<Match>,
        /// Replies that mean that the user, or the group, is not there. To `remove` and `check`: that it was no member, which
        /// is success. To `add` and `replace`: an error, which the group, being read, tells to be about itself (404) or about
        /// the user (400). A 404 needs no mention: it leads to reading the group, and is success for `remove` where that is
        /// there. One that is told apart by its body spares the read.
        absent: Vec<Match>,
    }

    /// The groups of a user, which clients can read: by `list` or `inline`. They are changed as the members of the groups.
    Groups {
        /// Reading them by a call.
        list: Option<GroupList>,
        /// Where they are in the user's own object: a list, or one group.
        inline: Option<Spanned<String>>,
        /// Where the user's own object says how many there are: an inline list with fewer is cut short, and an error.
        total: Option<Spanned<String>>,
        /// Where the group is in an element of the inline list: the element itself unless it is said.
        group: Option<Spanned<String>>,
        /// Where the group's name is in an element of the inline list.
        display: Option<Spanned<String>>,
        /// The group's attribute that groups are known by here, such as `displayName`: `id` unless it is said.
        by: Option<Spanned<String>>,
        /// How that id or attribute is written here: `{ template: 'urn:group:{value}' }`. What is not written so is not shown.
        codec: Option<Codec>,
        /// When they are returned: `request` for a list, which is a call for every user, and `default` otherwise.
        returned: Option<Returned>,
    }

    /// Reading the groups of a user.
    GroupList {
        /// The method: `GET` unless it is said.
        method: Option<Spanned<String>>,
        /// The native path, with `{id}` and the user's attributes.
        path: Spanned<String>,
        /// Query parameters.
        query: Table<Spanned<Value>>,
        /// Header fields.
        headers: Table<Spanned<String>>,
        /// The body. With it, the parameters of paging are fields of this body, by native path.
        body: Option<Spanned<Value>>,
        /// How the body is written: `json` unless it is said.
        format: Option<Format>,
        /// How the list is paged.
        paging: Option<Paging>,
        /// Where the rows are in the reply, if the paging does not say it.
        items: Option<Spanned<String>>,
        /// Where the group is in a row: its id, or what `by` says.
        group: Spanned<String>,
        /// Where the group's name is in a row.
        display: Option<Spanned<String>>,
    }
}
