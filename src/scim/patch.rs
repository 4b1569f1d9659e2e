//! PATCH (RFC 7644 section 3.5.2).

mod apply;
mod members;
#[cfg(test)]
mod model;
mod parse;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::dialect::Applied;
use super::filter::Filter;
use super::path::AttributePath;

pub use apply::{apply, apply_to_copy};
pub use members::{member_edits, member_ids};
pub use parse::parse;

/// The schema URN of a PATCH request.
pub const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Add,
    Replace,
    Remove,
}

/// One change of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What to do.
    pub op: Op,
    /// What to change: canonical names, `schema` set for extension attributes only.
    pub path: AttributePath,
    /// The value, with canonical names and checked types. An array for a multi-valued attribute without a
    /// value filter. `None` with [`Op::Remove`], unless it lists the values to remove. A replacement by
    /// `null`, `[]` or (leniently) `""` has become a removal.
    pub value: Option<Value>,
    /// What happens where a value filter selects nothing: an element is made, or nothing needs removing
    /// (lenient); else the operation fails with `noTarget`.
    pub create: bool,
}

/// A PATCH request in canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// The operations in order, each with a path.
    pub operations: Vec<Operation>,
    /// What the resource type does not have, as paths in the client's spelling.
    pub ignored: Vec<String>,
    /// Whether it says `active: false` where clients cannot write `active`.
    pub deactivates: bool,
    /// The deviations that had to be understood.
    pub applied: Applied,
}

/// A change of a group's members that needs no knowledge of the group.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberEdit {
    /// These ids become members.
    Add(Vec<String>),
    /// These ids are members no longer.
    Remove(Vec<String>),
    /// Exactly these ids are members; none for an empty list.
    Replace(Vec<String>),
    /// The members that the filter selects are members no longer; its paths are relative to `members`.
    RemoveWhere(Filter),
}
