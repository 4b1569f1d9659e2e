//! The mapping language as it is written. Each type here is a table or a word set of the document; its
//! documentation is the reference, and the JSON Schema for editors is derived from it.
//!
//! Wherever a text may have placeholders, `{env.NAME}` is one: the text of an environment variable of the host, which
//! must be set. In calls about a resource that exists, `{native.FIELD}` is a field of its own native object. A placeholder's
//! value is written in another form by `{name|form}`: see [`Form`].

mod calls;
mod lists;
mod members;
mod resources;
mod upstream;
mod values;

pub use calls::*;
pub use lists::*;
pub use members::*;
pub use resources::*;
pub use upstream::*;
pub use values::*;

use super::read::{Spanned, Table, tables, words};

words! {
    /// The version of the language.
    Version {
        /// Version 1.
        V1 = "v1",
    }

    /// What becomes of an attribute without a row.
    Unmapped {
        /// A write to it changes nothing and is no error. Only `active: false` is refused: nobody is told that an account is
        /// closed which is not.
        Ignore = "ignore",
        /// A write to it is refused with 400 `invalidValue`.
        Refuse = "refuse",
    }

    /// What PUT means for an attribute that its body leaves out.
    Omission {
        /// It keeps its value: identity providers send what they know, and must not wipe what they do not.
        Keep = "keep",
        /// It loses its value, if it is neither required nor fixed since the create.
        Clear = "clear",
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
        /// A pointer to the text in the native body that becomes the detail, or to a list of texts.
        message: Option<Spanned<String>>,
    }
}
