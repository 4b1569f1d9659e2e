//! The mapping language as it is written. Each type here is a table or a word set of the document; its
//! documentation is the reference, and the JSON Schema for editors is derived from it.
//!
//! Wherever a text may have placeholders, `{env.NAME}` is one: the text of an environment variable of the host, which
//! must be set. In calls about a resource that exists, `{native.FIELD}` is a field of its own native object. A placeholder's
//! value is written in another form by `{name|form}`: see [`Form`].

use serde_json::{Value, json};

use super::diagnostic::{Code, Report};
use super::node::{Kind, Mark, Node};
use super::read::{Definitions, Read, Spanned, Table, tables, words};

words! {
    /// The version of the language.
    Version {
        /// Version 1.
        V1 = "v1",
    }

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

    /// What becomes of a filter that no native query can narrow.
    Unnarrowed {
        /// The list is read page by page, up to `limits.scan`, and filtered exactly.
        Scan = "scan",
        /// The request is refused with 400 `invalidFilter`.
        Reject = "reject",
    }

    /// What becomes of an attribute without a row.
    Unmapped {
        /// A write to it changes nothing and is no error. Only `active: false` is refused: nobody is told that an account is
        /// closed which is not.
        Ignore = "ignore",
        /// A write to it is refused with 400 `invalidValue`.
        Refuse = "refuse",
    }

    /// Which attributes an update sends.
    Send {
        /// The changed ones only.
        Changed = "changed",
        /// The application's whole object, with the changes in it: for APIs that only replace. Requests to one instance of
        /// scim-edge wait for each other; what another instance or somebody else changes between read and write is lost.
        Full = "full",
    }

    /// What PUT means for an attribute that its body leaves out.
    Omission {
        /// It keeps its value: identity providers send what they know, and must not wipe what they do not.
        Keep = "keep",
        /// It loses its value, if it is neither required nor fixed since the create.
        Clear = "clear",
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

    /// How an OAuth client says who it is (RFC 6749 section 2.3.1).
    ClientAuthentication {
        /// By HTTP basic authentication.
        Basic = "basic",
        /// By the fields `client_id` and `client_secret` of the form.
        Body = "body",
    }

    /// How request bodies are written.
    Format {
        /// `application/json`.
        Json = "json",
        /// `application/x-www-form-urlencoded`.
        Form = "form",
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

    /// The `scimType` of an error (RFC 7644 table 9).
    ErrorType {
        /// A unique attribute's value is taken.
        Uniqueness = "uniqueness",
        /// A value is not acceptable.
        InvalidValue = "invalidValue",
        /// The attribute cannot be changed.
        Mutability = "mutability",
        /// The request body is not acceptable.
        InvalidSyntax = "invalidSyntax",
        /// There are more results than the server is willing to return.
        TooMany = "tooMany",
        /// The value path selected nothing.
        NoTarget = "noTarget",
        /// The values are not shown for privacy.
        Sensitive = "sensitive",
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

    /// What a page with fewer rows than were asked for means.
    ShortPage {
        /// There is no further page, which spares the call that would find none.
        Last = "last",
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
    /// A mapping: how one application's own user API does what SCIM asks.
    Document {
        /// The version of the language: `v1`.
        mapping: Version,
        /// The application: where its API begins and how it is authenticated to.
        upstream: Upstream,
        /// Bounds on what one request may cost.
        limits: Option<Limits>,
        /// How lists are paged, where a list does not say it itself; one that says `paging: {}` has no pages.
        paging: Option<Paging>,
        /// The resource types, by SCIM name: `User`, `Group`, or one of your own.
        resources: Table<Resource>,
        /// What the application's errors mean. The first rule that matches is taken.
        errors: Vec<ErrorRule>,
        /// How PUT requests are read.
        put: Option<Put>,
        /// What becomes of attributes that have no row: `ignore` (the default) or `refuse`.
        unmapped: Option<Unmapped>,
        /// Whether requests must keep to the letter of the RFCs. Without it, what identity providers are known to send is understood.
        strict: bool,
    }

    /// How PUT requests are read.
    Put {
        /// What becomes of an attribute that the body leaves out: it keeps its value unless it is said.
        omitted: Option<Omission>,
    }

    /// The application.
    Upstream {
        /// The prefix of every native path.
        base: Option<Spanned<String>>,
        /// Header fields of every native call.
        headers: Table<Text>,
        /// How the calls are authenticated, where a fixed header is not enough.
        auth: Option<Auth>,
    }

    /// Credentials for the application: exactly one of these.
    Auth {
        /// A fixed bearer token.
        bearer: Option<Text>,
        /// A name and a password in every call (RFC 7617).
        basic: Option<Basic>,
        /// A call that answers with a token, which later calls carry.
        login: Option<Login>,
        /// OAuth 2 client credentials (RFC 6749 section 4.4).
        oauth: Option<OAuth>,
    }

    /// HTTP basic authentication.
    Basic {
        /// The name.
        username: Text,
        /// The password.
        password: Text,
    }

    /// A login call. Its token is kept until it is refused, and renewed once when it is.
    Login {
        /// The call.
        call: Call,
        /// Where the token stands in the reply.
        token: ValueSource,
        /// The header field that carries it: `Authorization` unless it is said.
        header: Option<String>,
        /// The field's text around the token: `Bearer {token}` in `Authorization`, `{token}` elsewhere.
        value: Option<Spanned<String>>,
        /// Replies that mean that the token is refused, beside 401.
        refused: Vec<Match>,
        /// How many seconds the token is used before it is renewed.
        lifetime: Option<Spanned<u32>>,
        /// A pointer to that number in the reply's body, instead.
        expires: Option<Spanned<String>>,
    }

    /// OAuth 2 client credentials. The token is kept until shortly before it expires, and renewed once when it is refused.
    OAuth {
        /// The token endpoint: a path of the application, which `base` is no part of, or an address elsewhere. For one
        /// elsewhere Envoy needs the setting `SCIM_EDGE_TOKEN_UPSTREAM`, the name of its cluster.
        token_url: Spanned<String>,
        /// The client's name.
        client_id: Text,
        /// The client's secret.
        client_secret: Text,
        /// Replies that mean that the token is refused, beside 401.
        refused: Vec<Match>,
        /// How the client says who it is: `basic` unless it is said.
        client: Option<ClientAuthentication>,
        /// The scope that is asked for.
        scope: Option<Text>,
        /// The audience that is asked for.
        audience: Option<Text>,
        /// Further fields of the form.
        parameters: Table<Text>,
    }

    /// A place in a reply: exactly one of these.
    ValueSource {
        /// A pointer into the body.
        body: Option<Spanned<String>>,
        /// A header field.
        header: Option<String>,
    }

    /// Bounds on what one request may cost.
    Limits {
        /// The largest request body in bytes. 1 MiB unless it is said. A larger one is 413.
        body: Option<u32>,
        /// How deep a request body may nest arrays and objects (else 400 `invalidSyntax`), and a filter parentheses and brackets (else 400 `invalidFilter`). 32 unless it is said, 64 at most.
        depth: Option<Spanned<u32>>,
        /// The longest filter or attribute path in bytes. 64 KiB unless it is said. A longer one is 400 `invalidFilter` or `invalidPath`.
        filter: Option<u32>,
        /// The most operations in one PATCH. 1,000 unless it is said. More are 400 `tooMany`.
        operations: Option<u32>,
        /// The most native rows that a filter, a sort or a total may read. 10,000 unless it is said. More are 400 `tooMany`.
        scan: Option<u32>,
        /// Seconds that one request may take, with all its native calls. 60 unless it is said. What is left to do then is not begun, and the answer is 504.
        time: Option<u32>,
        /// Seconds that one native call may take. 10 unless it is said. A longer one is 504.
        call: Option<u32>,
        /// How often a native call that reads, a PUT or a DELETE is made again that found nobody or a busy application: a broken connection, 502, 503, 504, or 429 whose `Retry-After` is at most two seconds. 2 unless it is said. Other calls are never
        /// repeated.
        retries: Option<Spanned<u32>>,
        /// The most native calls under way at once for one request. 8 unless it is said. Others wait.
        concurrency: Option<u32>,
        /// The largest native reply in bytes. 16 MiB unless it is said. A larger one is 502.
        reply: Option<u32>,
        /// The most resources in one list response. 1,000 unless it is said. A client that asks for more gets so many.
        page: Option<u32>,
        /// The most member changes that one request may ask for. 10,000 unless it is said. More are 400 `tooMany`.
        members: Option<u32>,
        /// The most operations in one bulk request; 0: no bulk requests. 1,000 unless it is said. More are 413.
        bulk: Option<u32>,
    }

    /// A paging style: at most one of `page`, `offset`, `cursor`, `marker`, `next` and `link`; without one, a reply is the whole list.
    Paging {
        /// Numbered pages.
        page: Option<PageNumber>,
        /// An offset and a limit.
        offset: Option<Offset>,
        /// A cursor that each reply hands out for the next.
        cursor: Option<Cursor>,
        /// The last row's key asks for the rows after it.
        marker: Option<Marker>,
        /// The next page's address: a pointer into the body, or `{ header: Next-Page }`.
        next: Option<InReply>,
        /// The next page's address in the `Link` header, as `rel="next"` (RFC 8288).
        link: bool,
        /// Where the rows are in the reply. The whole body unless it is said.
        items: Option<Spanned<String>>,
        /// For rows that are the fields of an object instead of the elements of a list: the field of a row that the name
        /// of such a field becomes.
        keyed: Option<Spanned<String>>,
        /// Where the number of all rows is. Without it, it is found by walking.
        total: Option<InReply>,
        /// Replies that mean that a page is past the end, beside 404.
        end: Vec<Match>,
        /// What a page with fewer rows than were asked for means: nothing, unless it is said.
        short_page: Option<Spanned<ShortPage>>,
    }

    /// Numbered pages.
    PageNumber {
        /// The query parameter of the page number.
        param: String,
        /// The first page's number: 1 unless it is said.
        first: Option<u32>,
        /// The query parameter of the page size.
        size: Option<String>,
        /// The most rows that the application puts on a page.
        max: Spanned<u32>,
    }

    /// An offset and a limit.
    Offset {
        /// The query parameter of the number of rows to skip.
        param: String,
        /// The first row's offset: 0 unless it is said.
        first: Option<u32>,
        /// The query parameter of the number of rows.
        size: Option<String>,
        /// The most rows that the application puts in a reply.
        max: Spanned<u32>,
    }

    /// A cursor.
    Cursor {
        /// The query parameter that carries it.
        param: String,
        /// Where a reply hands out the next one; absent, null or empty at the end.
        next: ValueSource,
        /// The query parameter of the number of rows.
        size: Option<String>,
        /// The most rows that the application puts in a reply.
        max: Option<Spanned<u32>>,
    }

    /// Paging by the key of the last row.
    Marker {
        /// The query parameter that carries the key.
        param: String,
        /// Where the key stands in a row.
        field: Spanned<String>,
        /// The query parameter of the number of rows.
        size: Option<String>,
        /// The most rows that the application puts in a reply.
        max: Option<Spanned<u32>>,
    }

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
        /// Calls that own an attribute: suspend, set a password.
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
        /// The native field: a dotted path (`dept.name`), elements by number (`emails.0`) or by a field (`ids[kind=email].value`).
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
        /// Whether two resources can have the same value. As the schema says unless it is said.
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
        /// Where a created resource's id is when the reply has no object.
        id: Option<CreatedId>,
        /// What is made sure of by reading first, for APIs whose create overwrites and whose delete is repeated in silence.
        /// Of creates that come at once, those of one instance of scim-edge wait for each other; others do not.
        guard: Option<Spanned<Guard>>,
        /// Replies to a create that mean that there is one already, which the call may have overwritten: 409, and nothing is
        /// undone. Here, and not below `errors`, stands what means something else in the reply to an update.
        taken: Vec<Match>,
        /// What a create does when a call after it fails: `delete` takes the new resource away again.
        undo: Option<Undo>,
        /// Replies that mean that the resource is not there, beside 404. Where 403 can also mean that the gateway's credential
        /// lacks a right, `list` is the safer way to read.
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

    /// Listing and filtering.
    List {
        /// The method: `GET` unless it is said.
        method: Option<Spanned<String>>,
        /// The native path of the list: the resource's `path` unless it is said.
        path: Option<Spanned<String>>,
        /// Query parameters of every list call.
        query: Table<Spanned<Value>>,
        /// Header fields of every list call.
        headers: Table<Spanned<String>>,
        /// The body of every list call. With it, the parameters of paging, of filters and of a union's parts are fields
        /// of this body, by native path, instead of query parameters.
        body: Option<Spanned<Value>>,
        /// How the body is written: `json` unless it is said.
        format: Option<Format>,
        /// How the list is paged.
        paging: Option<Paging>,
        /// Where the rows are in the reply, if the paging does not say it.
        items: Option<Spanned<String>>,
        /// Native lists that are one list together, in this order, where the application shows only some rows at once. No
        /// row may be in two of them.
        union: Vec<ListPart>,
        /// A call that answers with the number of all rows, where the lists do not tell it.
        count: Option<Count>,
        /// Fields that are called otherwise in rows than when one resource is read: the name in rows, and the other one.
        /// An empty name is the row itself: `'': id` for rows that are ids, `doc: ''` for rows that stand below a field.
        rename: Table<Spanned<String>>,
        /// Native queries by filter: `userName eq`.
        filters: Table<Narrowing>,
        /// What becomes of a filter that none of them narrows: `scan` unless it is said.
        otherwise: Option<Unnarrowed>,
        /// What rows lack that reading one resource has, so that each is read: `true`, or the attributes (`[members]`), so
        /// that rows are read only where one of these is wanted.
        partial: Option<Partial>,
    }

    /// One of the native lists that a list is the union of.
    ListPart {
        /// Its native path: the list's unless it is said.
        path: Option<Spanned<String>>,
        /// Its query parameters, beside the list's.
        query: Table<Spanned<Value>>,
        /// Fields that its rows have and do not show, by native path.
        set: Table<Spanned<Value>>,
        /// The call that counts its rows: the list's, with this part's query parameters, unless it is said.
        count: Option<Count>,
    }

    /// A call that answers with the number of rows of a native list.
    Count {
        /// The method: `GET` unless it is said.
        method: Option<Spanned<String>>,
        /// The native path.
        path: Spanned<String>,
        /// Query parameters.
        query: Table<Spanned<Value>>,
        /// Where the number is in the reply's body: the whole body unless it is said.
        at: Option<Spanned<String>>,
        /// The header field of the reply that has it, instead.
        header: Option<String>,
    }

    /// How a filter narrows the native list: exactly one of `query`, `read` and `call`. `id in` and the like, with
    /// `{values}` or `{values|csv}`, find several resources at once where members are looked up.
    Narrowing {
        /// Query parameters added to the list call, in place of its own of the same name. A lone `{values}` is one parameter
        /// for each.
        query: Option<Table<Spanned<Value>>>,
        /// The native path of another list that is asked with that query, for APIs that search elsewhere.
        path: Option<Spanned<String>>,
        /// How that other list is paged: as the list unless it is said.
        paging: Option<Paging>,
        /// Where the rows are in that other list's replies.
        items: Option<Spanned<String>>,
        /// The filter's value is the id: the resource is read.
        read: Option<Spanned<String>>,
        /// A call that answers with one object, with 404, or with a list of which `item` names the first.
        call: Option<Call>,
        /// Replies of that call that mean that there is none, beside 404.
        absent: Vec<Match>,
        /// Where the id is in that call's reply, for a call that answers with nothing else: the resource is then read.
        id: Option<Spanned<String>>,
        /// The most values of `in` at once: 100 unless it is said.
        max: Option<Spanned<u32>>,
    }

    /// A call that owns an attribute.
    Action {
        /// The attribute values that it brings about. Without it, the attribute rows name the action.
        when: Option<Table<Value>>,
        /// The call.
        call: Call,
    }

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
        /// The native path, with `{id}` and the group's attributes.
        path: Spanned<String>,
        /// Query parameters.
        query: Table<Spanned<Value>>,
        /// Header fields.
        headers: Table<Spanned<String>>,
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
        /// Query parameters that find one member's row, with `{member}`.
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
        /// Replies that mean that it was a member already: success.
        already: Vec<Match>,
        /// Replies that mean that it was no member: success. A 404 needs no mention: it leads to reading the group, and is
        /// success where that is there. One that is told apart by its body spares the read.
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
        /// When they are returned: `request` for a list, which is a call for every user, and `default` otherwise.
        returned: Option<Returned>,
    }

    /// Reading the groups of a user.
    GroupList {
        /// The native path, with `{id}` and the user's attributes.
        path: Spanned<String>,
        /// Query parameters.
        query: Table<Spanned<Value>>,
        /// Header fields.
        headers: Table<Spanned<String>>,
        /// How the list is paged.
        paging: Option<Paging>,
        /// Where the rows are in the reply, if the paging does not say it.
        items: Option<Spanned<String>>,
        /// Where the group is in a row: its id, or what `by` says.
        group: Spanned<String>,
        /// Where the group's name is in a row.
        display: Option<Spanned<String>>,
    }

    /// What a native error means.
    ErrorRule {
        /// The native status.
        status: Option<u32>,
        /// A pointer into the reply's body.
        at: Option<Spanned<String>>,
        /// What the text there must be; empty for `null` too.
        is: Option<String>,
        /// What the text there must contain.
        contains: Option<String>,
        /// What the text there must not be.
        differs: Option<String>,
        /// A header field that must be there, in place of `at`.
        header: Option<String>,
        /// The application refuses a write because the resource has changed since it was read: the request is made again on
        /// what it is now, three times at most, and a create's means that there is one already. So is 412 without a rule.
        conflict: bool,
        /// The SCIM error; 503 where it is left out beside `conflict`.
        scim: Option<ScimError>,
    }

    /// The SCIM error that stands for a native one.
    ScimError {
        /// The status, 400 to 599.
        status: Spanned<u32>,
        /// The `scimType`.
        kind as "type": Option<ErrorType>,
        /// A fixed detail.
        detail: Option<String>,
        /// A pointer to the text in the native body that becomes the detail.
        message: Option<Spanned<String>>,
    }
}

/// A place in a reply: a pointer into the body, or `{ header: X-Total-Count }`.
#[derive(Clone, Debug)]
pub enum InReply {
    /// A pointer into the body.
    Body(Spanned<String>),
    /// A header field.
    Header(String),
}

/// Text, which may have placeholders, or the name of an environment variable that holds it: `{ env: API_KEY }`.
#[derive(Clone, Debug)]
pub enum Text {
    /// The text itself.
    Literal(Spanned<String>),
    /// The variable's name.
    Environment(Spanned<String>),
}

/// A reply that is recognised: a bare status, or a table.
#[derive(Clone, Debug)]
pub struct Match(pub MatchTable);

/// What the rows of a list lack: anything (`true`), or these attributes.
#[derive(Clone, Debug)]
pub enum Partial {
    /// Whether they lack anything.
    Any(bool),
    /// The attributes that they lack.
    These(Vec<Spanned<String>>),
}

/// How a value is written natively: a word; `{ template: '@{value}:example.org' }`; `{ escape: '=', keep: a-z0-9 }`;
/// or a list of these for a text, applied in order to what clients write and backwards to what they read.
#[derive(Clone, Debug)]
pub enum Codec {
    /// One of the codecs without arguments.
    Word(Spanned<CodecWord>),
    /// A fixed shape around the value.
    Template(Spanned<String>),
    /// Characters written by their codes.
    Escape(EscapeCodec),
    /// One after the other.
    Chain(Mark, Vec<Codec>),
}

words! {
    /// The codecs without arguments.
    CodecWord {
        /// Seconds since 1970 for a `dateTime`.
        EpochSeconds = "epoch_seconds",
        /// Milliseconds since 1970 for a `dateTime`.
        EpochMillis = "epoch_millis",
        /// Lower-case text, where the application knows no other. What it has must be in lower case already: a value with
        /// capitals is never asked for as it stands there.
        Lowercase = "lowercase",
        /// A number or boolean that the application writes as text.
        Text = "text",
        /// A whole number that SCIM writes as text.
        Integer = "integer",
        /// A boolean with the opposite meaning.
        Not = "not",
        /// Values separated by commas, for a list.
        Csv = "csv",
        /// The last segment of an address: `5` for `http://host/users/5`. It is written plain, and so it stands in calls.
        LastSegment = "last_segment",
    }
}

tables! {
    /// A secret's place.
    EnvironmentName {
        /// The environment variable. Its name may have `{tenant}` in it.
        env: Spanned<String>,
    }

    /// A header field's name.
    HeaderName {
        /// The header field.
        header: String,
    }

    /// A codec with an argument.
    TemplateCodec {
        /// Text with `{value}` once. It may say `{env.NAME}`.
        template: Spanned<String>,
    }

    /// A codec that writes characters by their codes: each byte as `escape` and two hexadecimal digits.
    EscapeCodec {
        /// The character before the digits: `=` makes `=40` of `@`.
        escape: Spanned<String>,
        /// The characters that stay as they are, one by one or as ranges: `a-z0-9._-`.
        keep: Spanned<String>,
    }

    /// A recognised reply.
    MatchTable {
        /// The native status.
        status: Option<u32>,
        /// A pointer into the reply's body.
        at: Option<Spanned<String>>,
        /// What the text there must be; empty for `null` too.
        is: Option<String>,
        /// What the text there must contain.
        contains: Option<String>,
        /// What the text there must not be.
        differs: Option<String>,
    }
}

impl Read for InReply {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match node.kind {
            Kind::Table(_) => HeaderName::read(node, report).map(|it| InReply::Header(it.header)),
            _ => Spanned::read(node, report).map(InReply::Body),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [{ "type": "string" }, HeaderName::schema(definitions)] })
    }
}

impl Read for Partial {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match node.kind {
            Kind::List(_) => Vec::read(node, report).map(Partial::These),
            _ => bool::read(node, report).map(Partial::Any),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [bool::schema(definitions), Vec::<String>::schema(definitions)] })
    }
}

impl Read for Text {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match node.kind {
            Kind::Table(_) => EnvironmentName::read(node, report).map(|it| Text::Environment(it.env)),
            _ => Spanned::read(node, report).map(Text::Literal),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [String::schema(definitions), EnvironmentName::schema(definitions)] })
    }
}

impl Read for Match {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        if let Kind::Number(_) = node.kind {
            let status = u32::read(node, report);
            let (at, is, contains, differs) = (None, None, None, None);
            return Some(Match(MatchTable { place: node.at, status, at, is, contains, differs }));
        }
        let table = MatchTable::read(node, report)?;
        if table.status.is_none() && table.at.is_none() {
            report
                .add(Code::MissingKey, node.at, "nothing is said that a reply could be recognised by")
                .suggest("give `status`, or `at` with `is`, `contains` or `differs`");
        }
        Some(Match(table))
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [{ "type": "integer" }, MatchTable::schema(definitions)] })
    }
}

impl Read for Codec {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match node.kind {
            Kind::Table(ref entries) if entries.iter().any(|entry| entry.key == "escape") => {
                EscapeCodec::read(node, report).map(Codec::Escape)
            }
            Kind::Table(_) => TemplateCodec::read(node, report).map(|it| Codec::Template(it.template)),
            Kind::List(_) => Vec::read(node, report).map(|all| Codec::Chain(node.at, all)),
            _ => Spanned::read(node, report).map(Codec::Word),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        let single = json!([
            CodecWord::schema(definitions),
            TemplateCodec::schema(definitions),
            EscapeCodec::schema(definitions),
        ]);
        json!({ "anyOf": [{ "anyOf": single }, { "type": "array", "items": { "anyOf": single } }] })
    }
}
