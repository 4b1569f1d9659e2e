//! Leavers: an account that is to be closed is closed, whatever else of the same request is refused.

use serde_json::Value;

use super::act::{active_row, changed_before};
use super::converge::reach;
use super::written::id_in_rows;
use crate::handler::Context;
use crate::handler::read::Current;
use crate::mapping::Resource;
use crate::mapping::translate::Attributes;
use crate::scim::patch::{Op, Operation};
use crate::scim::{AttributePath, Error, ScimType};

/// Whether this state of a user is that of a closed account.
pub(super) fn closes(desired: &Attributes) -> bool {
    desired.get("active") == Some(&Value::Bool(false))
}

/// The same of what operations say last.
pub(super) fn operations_close(operations: &[Operation]) -> bool {
    let is_active = |path: &AttributePath| path.attribute == "active" && path.schema.is_none();
    let last = operations.iter().rfind(|operation| is_active(&operation.path));
    last.is_some_and(|last| last.op != Op::Remove && last.value == Some(Value::Bool(false)))
}

/// The error of a write that is refused before anything is called, once an account that it `closes` is closed.
pub(super) async fn refused(
    context: &Context<'_>,
    resource: &Resource,
    before: Current,
    closes: bool,
    error: Error,
) -> Error {
    let mut done = Vec::new();
    if closes {
        close(context, resource, before, &mut done, &error).await;
    }
    changed_before(resource, &done, error)
}

/// Closes the account of a user who was not brought to the `desired` state, for which these rows were `due`, unless it was
/// closing it that failed.
pub(super) async fn close_all_the_same(
    context: &Context<'_>,
    resource: &Resource,
    mut before: Current,
    (due, desired): (&[usize], &Attributes),
    done: &mut Vec<usize>,
    error: &Error,
) {
    let active = active_row(resource);
    let is_left = |row: &usize| due.contains(row) && !done.contains(row);
    let fails = |row: &usize| Some(*row) != active && is_left(row);
    if !closes(desired) || !active.as_ref().is_some_and(is_left) || !due.iter().any(fails) {
        return;
    }
    let rows = done.iter().filter_map(|row| resource.rows.get(*row));
    if let Ok(Some(id)) = id_in_rows(resource, rows, desired) {
        before.id = resource.id_in(&id).unwrap_or(before.id);
    }
    close(context, resource, before, done, error).await;
}

/// Brings a user to what was `before`, but closed. The error that comes first is the one to tell.
async fn close(context: &Context<'_>, resource: &Resource, mut before: Current, done: &mut Vec<usize>, error: &Error) {
    let mut closed = before.attributes.clone();
    closed.insert("active".to_owned(), false.into());
    let changed = resource.changed(&before.attributes, &closed);
    if !is_refusal(error) || changed.is_empty() {
        return;
    }
    before.is_whole &= done.is_empty();
    if reach(context, resource, before, &mut closed, &mut Vec::new()).await.is_ok() {
        done.extend(changed);
    }
}

/// Whether an error is about what was asked for, and not about the client, the moment, or a resource that is gone. One that
/// may be about the application is taken for it: one call more, and no other after it, is little beside an open account.
fn is_refusal(error: &Error) -> bool {
    let syntax = [ScimType::InvalidSyntax, ScimType::InvalidPath, ScimType::InvalidFilter];
    let misread = error.scim_type.is_some_and(|kind| syntax.contains(&kind));
    let busy = matches!(error.status, 429 | 503 | 504) && !error.refused;
    !error.conflict && !misread && !busy && !matches!(error.status, 401 | 404 | 412)
}
