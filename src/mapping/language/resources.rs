//! Resource types and their attributes.

use serde_json::Value;

use super::calls::{Action, Operation};
use super::lists::List;
use super::members::{Groups, Members};
use super::values::Codec;
use crate::mapping::read::{Spanned, Table, tables, words};

words! {
    /// Who may read and write an attribute.
    Access {
        /// Read by clients, written by the application alone.
        Read = "read",
        /// Written by clients, never returned: a password.
        Write = "write",
        /// Read and written.
        ReadWrite = "read_write",
        /// Written when the resource is created, and fixed from then on. With `returned: never`, a PUT that sends it again
        /// changes nothing, and a PATCH of it is refused.
        Create = "create",
    }

    /// The SCIM type of an attribute that no standard schema declares (RFC 7643 section 2.3).
    AttributeType {
        /// Text.
        String = "string",
        /// `true` or `false`.
        Boolean = "boolean",
        /// A whole number.
        Integer = "integer",
        /// A number.
        Decimal = "decimal",
        /// A point in time. One that the application writes without an offset is UTC.
        DateTime = "dateTime",
        /// A URI.
        Reference = "reference",
    }

    /// When an attribute is returned (RFC 7643 section 7).
    Returned {
        /// Unless it is excluded.
        Default = "default",
        /// Only when it is asked for by name.
        Request = "request",
        /// Whatever is asked for.
        Always = "always",
        /// Never.
        Never = "never",
    }

    /// What writes an attribute that has an action when the resource is created.
    OnCreate {
        /// The create's own body has it. The action follows only where the reply shows another value.
        Body = "body",
    }

    /// What is made sure of before a value is written.
    ValueGuard {
        /// The value is looked up by the list's `eq` filter, and 409 answered when another resource has it.
        Unique = "unique",
    }

    /// The part of a text that a row owns, where several rows share one native field.
    Part {
        /// Everything before the first space.
        First = "first",
        /// Everything after the first space.
        Rest = "rest",
    }
}

tables! {
    /// One resource type.
    Resource {
        /// The native path of the collection.
        path: Option<Spanned<String>>,
        /// The SCIM endpoint, for a resource type of your own: `/Devices`.
        endpoint: Option<Spanned<String>>,
        /// The schema's URN, for a resource type of your own.
        schema: Option<Spanned<String>>,
        /// Where the object is in a reply, for every operation that does not say it itself.
        item: Option<Spanned<String>>,
        /// The name under which the object is wrapped in a request body, for every operation that does not say it itself.
        wrap: Option<Spanned<String>>,
        /// The attribute rows, by SCIM path.
        attributes: Table<Attribute>,
        /// Values of attributes, one of which makes a resource one that no client can create, change or delete: the
        /// account that the gateway itself uses.
        protect: Table<Vec<Spanned<String>>>,
        /// Reading one resource: `GET {path}/{id}` unless it is said.
        read: Option<Operation>,
        /// Listing and filtering.
        list: Option<List>,
        /// Creating. Without it, clients cannot create.
        create: Option<Operation>,
        /// Updating. Without it, only actions and members change a resource.
        update: Option<Operation>,
        /// Deleting. Without it, clients cannot delete.
        delete: Option<Operation>,
        /// Calls that own an attribute: suspend, set a password. Those that a request needs are made in the order in which they
        /// stand here, but for the one that makes `active` false, which comes last: what opens an account beside what it is for,
        /// such as a new password, does not leave it open.
        actions: Table<Action>,
        /// The members of a group.
        members: Option<Members>,
        /// The groups of a user.
        groups: Option<Groups>,
        /// The resources themselves as native objects, where the application has no calls for them: roles that are built in,
        /// as groups.
        fixed: Option<Spanned<Vec<Value>>>,
    }

    /// One attribute row: how a SCIM attribute and a native field are the same thing.
    Attribute {
        /// The native field: a dotted path (`dept.name`), elements by number (`emails.0`), by a field (`ids[kind=email].value`)
        /// or by a field of a field (`ids[type.name=email].value`).
        native: Option<Spanned<String>>,
        /// Another row whose native field this attribute is too: an e-mail address that is the user name. Whichever of the two
        /// is changed is written; two values that differ are refused.
        same_as: Option<Spanned<String>>,
        /// Who may read and write it.
        access: Option<Access>,
        /// Whether a resource must have it. Clients must give it, unless there is a `default`.
        required: Option<bool>,
        /// How the value is written natively.
        codec: Option<Codec>,
        /// SCIM value to native value. Of several native values in a list, the first is written and all are read.
        enumeration as "enum": Option<Table<Value>>,
        /// The SCIM value that stands for every native value outside `enum`.
        otherwise: Option<Spanned<Value>>,
        /// The SCIM value that a native object without the field, or with `null` in it, stands for.
        missing: Option<Spanned<Value>>,
        /// The part of the native text that this row owns. Where a first part of two words ends the text does not tell: what it
        /// says already is not written, and the first part is not removed without the rest.
        part: Option<Part>,
        /// A fixed SCIM value, for an attribute that has no native field.
        constant: Option<Value>,
        /// The SCIM value that a resource is created with when the client gives none.
        default: Option<Value>,
        /// A random text that a resource is created with when the client gives none: for APIs that demand a password.
        generate: Option<Generate>,
        /// The native value that clearing the attribute sends: `null` unless it is said, and for an element that is known by
        /// a field (`ids[kind=email].value`) the list without it.
        clear: Option<Value>,
        /// Whether this element is the primary one of a multi-valued attribute.
        primary: bool,
        /// The action that writes it.
        action: Option<Spanned<String>>,
        /// What writes an attribute that has an action when the resource is created: the action unless it is said.
        on_create: Option<Spanned<OnCreate>>,
        /// Whether letter case matters. As the schema says unless it is said.
        case_exact as "caseExact": Option<bool>,
        /// Whether no two resources have the same value, as clients are told; `guard` makes sure of it. As the schema says
        /// unless it is said.
        unique: Option<bool>,
        /// What is made sure of before the value is written, for APIs that do not. Writes of one value that come at once wait
        /// for each other in one instance of scim-edge, but not in several.
        guard: Option<Spanned<ValueGuard>>,
        /// When it is returned. As the schema says unless it is said.
        returned: Option<Returned>,
        /// The type of an attribute that no standard schema declares: `string` unless it is said.
        kind as "type": Option<AttributeType>,
        /// Whether such an attribute is a list of values; with the codec `csv` it is.
        multi: bool,
    }

    /// A random text, made for one create call and known to nobody. It has lower-case and upper-case letters, digits and
    /// `symbols`, at least one of each.
    Generate {
        /// How many characters it has, 12 to 128: 24 unless it is said.
        length: Option<Spanned<u32>>,
        /// The symbols that may stand in it: `-._~` unless it is said, none if it is empty.
        symbols: Option<Spanned<String>>,
    }
}
