//! The changes of a group's members, for groups that are too large to read.

use std::collections::HashSet;

use serde_json::Value;

use super::{MemberEdit, Op, Operation};
use crate::scim::error::Error;
use crate::scim::filter::{CompareOp, Filter};

/// Splits the changes of `members` off from a group's operations, both in order. Errors: 400 `invalidValue`
/// for a member without an id, 400 `mutability` for a change within a member.
pub fn member_edits(operations: &[Operation]) -> Result<(Vec<MemberEdit>, Vec<Operation>), Error> {
    let (members, rest): (Vec<&Operation>, Vec<&Operation>) =
        operations.iter().partition(|o| o.path.schema.is_none() && o.path.attribute == "members");
    let edits = members.into_iter().map(edit).collect::<Result<_, _>>()?;
    Ok((edits, rest.into_iter().cloned().collect()))
}

fn edit(operation: &Operation) -> Result<MemberEdit, Error> {
    let path = &operation.path;
    if path.sub_attribute.is_some() {
        return Err(within());
    }
    match (operation.op, &path.filter, &operation.value) {
        (Op::Add, None, Some(value)) => Ok(MemberEdit::Add(member_ids(value)?)),
        (Op::Replace, None, Some(value)) => Ok(MemberEdit::Replace(member_ids(value)?)),
        (Op::Remove, None, Some(value)) => Ok(MemberEdit::Remove(member_ids(value)?)),
        (Op::Remove, None, None) => Ok(MemberEdit::Replace(Vec::new())),
        (Op::Remove, Some(filter), _) => Ok(match selected_ids(filter) {
            Some(ids) => MemberEdit::Remove(ids),
            None => MemberEdit::RemoveWhere((**filter).clone()),
        }),
        (Op::Add | Op::Replace, _, _) => Err(within()),
    }
}

fn within() -> Error {
    Error::mutability("a member cannot be changed, only added and removed")
}

/// The ids of a list of members, each once. Errors: 400 `invalidValue` for a member without one, and for one that is no user.
pub fn member_ids(value: &Value) -> Result<Vec<String>, Error> {
    let mut seen = HashSet::new();
    let mut ids = Vec::new();
    for element in value.as_array().map(Vec::as_slice).unwrap_or_default() {
        only_users(element)?;
        match element.get("value").and_then(Value::as_str) {
            Some(id) if !id.is_empty() => {
                if seen.insert(id) {
                    ids.push(id.to_owned());
                }
            }
            _ => return Err(Error::invalid_value("a member lacks its `value`")),
        }
    }
    Ok(ids)
}

/// Refuses a member that says that it is no user: as one it would be somebody else.
fn only_users(member: &Value) -> Result<(), Error> {
    match member.get("type").and_then(Value::as_str) {
        Some(kind) if !kind.is_empty() && !kind.eq_ignore_ascii_case("User") => {
            Err(Error::invalid_value(format!("only users can be members here, and `{kind}` is something else")))
        }
        _ => Ok(()),
    }
}

/// The ids of `value eq "a" or value eq "b"`.
fn selected_ids(filter: &Filter) -> Option<Vec<String>> {
    filter
        .disjuncts()
        .into_iter()
        .map(|term| match term {
            Filter::Compare { path, op: CompareOp::Eq, value }
                if path.attribute == "value" && path.sub_attribute.is_none() =>
            {
                match value {
                    Value::String(id) => Some(id.clone()),
                    Value::Number(id) => Some(id.to_string()),
                    _ => None,
                }
            }
            _ => None,
        })
        .collect()
}
