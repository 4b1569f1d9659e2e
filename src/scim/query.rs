//! Query strings and list queries (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865).

use serde_json::Value;

use super::dialect::{Applied, Leniency};
use super::error::Error;
use super::filter::Filter;
use super::path::AttributePath;
use super::projection::Projection;

/// Splits a query string (without its `?`) into decoded pairs: `+` is a space, percent-encoding is undone. Errors: 400
/// `invalidValue` for an invalid sequence.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, Error> {
    let _ = query;
    Ok(Vec::new())
}

/// What a list or search asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// Which resources.
    pub filter: Option<Filter>,
    /// The 1-based index of the first one; anything below 1 has become 1.
    pub start_index: usize,
    /// How many at most; anything negative has become 0. `None`: the server decides.
    pub count: Option<usize>,
    /// By what to sort.
    pub sort_by: Option<AttributePath>,
    /// Whether the order is descending.
    pub sort_descending: bool,
    /// Which attributes to return.
    pub projection: Projection,
    /// The cursor of RFC 9865; `Some("")` asks for the first page of a cursor walk.
    pub cursor: Option<String>,
    /// The deviations that had to be understood.
    pub applied: Applied,
}

impl ListQuery {
    /// From decoded pairs. Unknown parameters are ignored. Errors: 400 `invalidValue` for a number that is none,
    /// 400 `invalidFilter`, 400 `invalidPath` for `sortBy`.
    pub fn from_pairs(pairs: &[(String, String)], leniency: Leniency) -> Result<Self, Error> {
        let _ = (pairs, leniency);
        Err(Error::new(501, "rough"))
    }

    /// From the body of a `/.search` request. Errors as for the pairs, and 400 `invalidSyntax`.
    pub fn from_search(body: &Value, leniency: Leniency) -> Result<Self, Error> {
        let _ = (body, leniency);
        Err(Error::new(501, "rough"))
    }
}
