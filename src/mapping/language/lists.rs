//! Native lists, their pages, and how filters narrow them.

use serde_json::Value;

use super::calls::{Call, Format};
use super::upstream::ValueSource;
use super::values::{InReply, Match, Partial};
use crate::mapping::read::{Spanned, Table, tables, words};

words! {
    /// What becomes of a filter that no native query can narrow.
    Unnarrowed {
        /// The list is read page by page, up to `limits.scan`, and filtered exactly.
        Scan = "scan",
        /// The request is refused with 400 `invalidFilter`.
        Reject = "reject",
    }

    /// What a page with fewer rows than were asked for means.
    ShortPage {
        /// There is no further page, which spares the call that would find none.
        Last = "last",
    }
}

tables! {
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
        /// Where the number of all rows is, which must be exact: an estimate is better left out. Without it, the number is
        /// found by walking.
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
        /// Where a reply says whether there are more rows, if it has a cursor on the last page too: `false` ends the list.
        more: Option<Spanned<String>>,
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
        /// for each. In a body, the fields of an object are added to those of one that is there.
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
}
