//! Native calls, and what they send.

use serde_json::Value;

use super::values::Match;
use crate::mapping::read::{Spanned, Table, tables, words};

words! {
    /// Which attributes an update sends.
    Send {
        /// The changed ones only.
        Changed = "changed",
        /// The application's whole object, with the changes in it: for APIs that only replace. Requests to one instance of
        /// scim-edge wait for each other; what another instance or somebody else changes between read and write is lost.
        Full = "full",
    }

    /// Which elements of a list an update sends, where rows are elements that are known by a field.
    Elements {
        /// All that there are: for APIs that replace the list.
        All = "all",
        /// The changed ones only: for APIs that find elements by that field, and leave the others as they are.
        Changed = "changed",
    }

    /// What an update sends of an object of which one field is changed: `address.city`.
    Objects {
        /// That field: for APIs that keep what they are not sent.
        Changed = "changed",
        /// The object as it was read, with the change: for APIs that replace the object.
        Whole = "whole",
    }

    /// How request bodies are written.
    Format {
        /// `application/json`.
        Json = "json",
        /// `application/x-www-form-urlencoded`. A list is a field for each of its values, and an empty one is the empty field
        /// `name=`; so is `null`. An object is its JSON text.
        Form = "form",
    }

    /// What a create or a delete makes sure of first.
    Guard {
        /// Before a create: the resource is read, and 409 answered when it is there.
        Absent = "absent",
        /// Before a create: as `absent`, and what `read.absent` recognises is there too: its name stays taken.
        Unused = "unused",
        /// Before a delete: the resource is read, and 404 answered when it is not there, or has the id in another letter
        /// case. Without it, only an id with capitals is read first.
        Present = "present",
    }

    /// What is done when a call after a create fails.
    Undo {
        /// The new resource is deleted.
        Delete = "delete",
    }

    /// The form of a placeholder's value: `{displayName|slug}`. A value of which it leaves nothing is refused.
    Form {
        /// Letters and digits in lower case with `-` between them: `R&D North` becomes `r-d-north`.
        Slug = "slug",
        /// Lower-case text.
        Lowercase = "lowercase",
        /// The values of a list with commas between them.
        Csv = "csv",
        /// Text, where the lone placeholder of a body would keep the value's type.
        Text = "text",
        /// Text that a regular expression takes as it stands: `a.b+c` becomes `a\.b\+c`.
        Regex = "regex",
        /// Text that an SQL `LIKE` takes as it stands, for applications that put what they search for into one: `a_b` becomes
        /// `a\_b`.
        Like = "like",
    }
}

tables! {
    /// A native call.
    Call {
        /// The method.
        method: Spanned<String>,
        /// The native path, with placeholders.
        path: Spanned<String>,
        /// Query parameters, with placeholders.
        query: Table<Spanned<Value>>,
        /// Header fields, with placeholders.
        headers: Table<Spanned<String>>,
        /// The body, with placeholders: a text that is exactly one placeholder keeps the value's type. Keys of objects take
        /// placeholders too; one that has no value is left out.
        body: Option<Spanned<Value>>,
        /// How the body is written: `json` unless it is said.
        format: Option<Format>,
        /// Where the object is in the reply, if the reply has it. `users.0`: the first of a list, which may be empty.
        item: Option<Spanned<String>>,
    }

    /// A create, read, update or delete call.
    Operation {
        /// The method: `POST`, `GET`, `PATCH` or `DELETE` unless it is said.
        method: Option<Spanned<String>>,
        /// The native path: the resource's `path` for create, `{path}/{id}` for the others.
        path: Option<Spanned<String>>,
        /// Query parameters, with placeholders.
        query: Table<Spanned<Value>>,
        /// Header fields, with placeholders.
        headers: Table<Spanned<String>>,
        /// How the body is made.
        body: Option<Body>,
        /// Which attributes an update sends: `changed` unless it is said.
        send: Option<Send>,
        /// Which elements of a list (`fields[id=3].value`) an update sends: `all` unless it is said.
        elements: Option<Elements>,
        /// What an update that sends `changed` attributes sends of an object that one of them stands in: `changed` unless it
        /// is said.
        objects: Option<Objects>,
        /// Where the object is in the reply.
        item: Option<Spanned<String>>,
        /// Where a created resource's id is. Unless it is said, or where it is not there, in the reply's object, which must have
        /// what every resource has: what else has an id may be about another one.
        id: Option<CreatedId>,
        /// What is made sure of by reading first, for APIs whose create overwrites and whose delete is repeated in silence.
        /// Of creates that come at once, those of one instance of scim-edge wait for each other; others do not.
        guard: Option<Spanned<Guard>>,
        /// Replies to a create that mean that there is one already, which the call may have overwritten: 409, and nothing is
        /// undone. A create that is lost is then not repeated, since its own success would be taken for another one's. Here, and
        /// not below `errors`, stands what means something else in the reply to an update.
        taken: Vec<Match>,
        /// What a create does when a call after it fails: `delete` takes the new resource away again.
        undo: Option<Undo>,
        /// Replies that mean that the resource is not there, beside 404. Where 403 can also mean that the gateway's credential
        /// lacks a right, `list` is the safer way to read. What an object of its own says to `read` (a field within `item`)
        /// leaves rows out of lists, too; a total that the application counts itself may count them.
        absent: Vec<Match>,
        /// For reading where no call answers with one resource: the query parameters with which the list has its row.
        /// Other rows may be there too: it is found by its id.
        list: Option<Table<Spanned<Value>>>,
        /// For reading: fields that the object has and the reply does not show, such as the id that only the path says.
        /// Without its id a reply is taken for no resource at all.
        set: Table<Spanned<Value>>,
        /// The attribute values that a resource is deleted with: one that has others is brought to these first.
        from: Option<Table<Value>>,
    }

    /// How a request body is made.
    Body {
        /// The name under which the object is wrapped.
        wrap: Option<Spanned<String>>,
        /// Fields that are always sent, with placeholders, by native path. An object's fields are added to those of one that is
        /// there, such as the wrapped one.
        set: Table<Spanned<Value>>,
        /// Native fields that are never sent back in a full update.
        omit: Vec<Spanned<String>>,
        /// How it is written: `json` unless it is said.
        format: Option<Format>,
    }

    /// Where a created resource's id is.
    CreatedId {
        /// The header field that ends with it: `Location`.
        header: Option<String>,
        /// A pointer into the reply's body.
        body: Option<Spanned<String>>,
        /// The attribute that the new resource is looked up by.
        lookup: Option<Spanned<String>>,
    }

    /// A call that owns an attribute.
    Action {
        /// The attribute values that it brings about; `null` is to have none. Without it, the attribute rows name the action.
        when: Option<Table<Value>>,
        /// The call.
        call: Call,
    }
}
