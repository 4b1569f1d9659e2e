//! PATCH (RFC 7644 section 3.5.2).

use serde_json::Value;

use super::dialect::{Applied, Leniency};
use super::error::Error;
use super::filter::Filter;
use super::path::AttributePath;
use super::schema::ResourceType;

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
    /// Whether a value filter that selects nothing makes an element (lenient) instead of failing with `noTarget`.
    pub create: bool,
}

/// A PATCH request in canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// The operations in order, each with a path.
    pub operations: Vec<Operation>,
    /// What the resource type does not have, as paths in the client's spelling.
    pub ignored: Vec<String>,
    /// The deviations that had to be understood.
    pub applied: Applied,
}

/// Reads the body of a PATCH. Errors: 400 `invalidSyntax`, `invalidPath`, `invalidFilter`, `invalidValue`, `noTarget`
/// (a removal without a path), `mutability`.
pub fn parse(rt: &ResourceType, body: Value, leniency: Leniency) -> Result<Patch, Error> {
    let _ = (rt, body, leniency);
    Ok(Patch::default())
}

/// Applies the operations in order, all or none: after an error the resource is as it was.
pub fn apply(
    rt: &ResourceType,
    resource: &mut Value,
    operations: &[Operation],
) -> Result<(), Error> {
    let _ = (rt, resource, operations);
    Ok(())
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

/// Splits the changes of `members` off from a group's operations, both in order. Errors: 400 `invalidValue`
/// for a member without an id, 400 `mutability` for a change within a member.
pub fn member_edits(operations: &[Operation]) -> Result<(Vec<MemberEdit>, Vec<Operation>), Error> {
    Ok((Vec::new(), operations.to_vec()))
}
