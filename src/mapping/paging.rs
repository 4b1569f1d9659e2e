//! Native paging styles.

mod walk;

use super::ReplyValue;
use super::errors::Recognised;
use super::pointer::Pointer;

pub use walk::{Page, Position, Walk};

/// How a native list is paged, and where its rows are.
#[derive(Clone, Debug)]
pub struct Paging {
    /// The style.
    pub style: Style,
    /// Where the rows are in a reply.
    pub items: Pointer,
    /// Where in a row its name goes, if the rows are the fields of an object.
    pub keyed: Option<Pointer>,
    /// Where the number of all rows is.
    pub total: Option<ReplyValue>,
    /// Replies that mean that a page is past the end, beside 404.
    pub end: Vec<Recognised>,
    /// Whether a page with fewer rows than were asked for is the last.
    pub short_is_last: bool,
}

/// The styles.
#[derive(Clone, Debug)]
pub enum Style {
    /// A reply is the whole list.
    Whole,
    /// Numbered pages.
    Page(Numbered),
    /// An offset and a limit.
    Offset(Numbered),
    /// Each reply hands out a cursor for the next.
    Cursor {
        /// The query parameter.
        param: String,
        /// Where the next one is.
        next: ReplyValue,
        /// Where `false` says that there is no next page.
        more: Option<Pointer>,
        /// The query parameter of the size, and the size.
        size: Option<(String, usize)>,
    },
    /// The last row's key asks for the rows after it.
    Marker {
        /// The query parameter.
        param: String,
        /// Where the key is in a row.
        field: Pointer,
        /// The query parameter of the size, and the size.
        size: Option<(String, usize)>,
    },
    /// The next page's address is here.
    Next(ReplyValue),
    /// The next page's address is in the `Link` header.
    Link,
}

/// Pages that can be asked for by number or offset.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// The query parameter of the number.
    pub param: String,
    /// The first number.
    pub first: usize,
    /// The query parameter of the size.
    pub size: Option<String>,
    /// The most rows in a reply.
    pub max: usize,
}

impl Paging {
    /// A reply is the whole list.
    pub fn whole(items: Pointer) -> Self {
        Paging { style: Style::Whole, items, total: None, end: Vec::new(), short_is_last: false, keyed: None }
    }
}
