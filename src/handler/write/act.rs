//! Actions: the native calls that own an attribute.

use serde_json::Value;

use super::close::closes;
use super::written::id_in_rows;
use crate::handler::Context;
use crate::handler::native::{is_absent, noun, unfit};
use crate::handler::read::{Current, refreshed};
use crate::mapping::errors::json_body;
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::mapping::{Action, Resource};
use crate::scim::Error;

/// Runs the actions that own these rows, and answers the resource as it then is. After an error, the rows whose actions
/// were carried out are among those that are `done`.
pub(super) async fn act(
    context: &Context<'_>,
    resource: &Resource,
    mut current: Current,
    rows: &[usize],
    desired: &Attributes,
    done: &mut Vec<usize>,
) -> Result<Current, Error> {
    if rows.is_empty() {
        return Ok(current);
    }
    check_actions(resource, rows, desired)?;
    let values = resource.native_values(desired)?;
    let due: Vec<usize> = rows.iter().flat_map(|row| actions_for(resource, *row, desired)).collect();
    for (index, action) in in_order(resource, &due, desired) {
        current = carried_out(context, resource, (current, &values), action).await?;
        let owned = |row: &&usize| resource.rows.get(**row).is_some_and(|row| row.actions.contains(&index));
        let owned: Vec<usize> = rows.iter().filter(owned).copied().collect();
        let renamed = id_in_rows(resource, owned.iter().filter_map(|row| resource.rows.get(*row)), desired)?;
        if let Some(id) = renamed.and_then(|id| resource.id_in(&id)) {
            current.attributes.extend(resource.scim_id(&id).map(|id| ("id".to_owned(), id.into())));
            current.id = id;
        }
        done.extend(owned);
    }
    for row in rows.iter().filter_map(|index| resource.rows.get(*index)).filter(|row| row.readable()) {
        match row.place.get(desired) {
            Some(value) => row.place.set(&mut current.attributes, value.clone()),
            None => row.place.clear(&mut current.attributes),
        }
    }
    Ok(current)
}

/// The row that says whether a user's account is open.
pub(super) fn active_row(resource: &Resource) -> Option<usize> {
    resource.rows.iter().position(|row| row.place.attribute == "active" && row.place.extension.is_none())
}

/// The actions that are due, in the order of the document, but for one that closes an account: that is the last, since some
/// applications open it with others too, such as a new password.
fn in_order<'r>(
    resource: &'r Resource,
    due: &[usize],
    desired: &Attributes,
) -> impl Iterator<Item = (usize, &'r Action)> {
    let row = active_row(resource).and_then(|index| resource.rows.get(index));
    let row = row.filter(|_| closes(desired));
    let is_last = move |index: usize| row.is_some_and(|row| row.actions.contains(&index));
    let either = move |last: bool| {
        let actions = resource.actions.iter().enumerate();
        actions.filter(move |(index, _)| due.contains(index) && is_last(*index) == last)
    };
    [false, true].into_iter().flat_map(either)
}

/// The error, with what was changed before it.
pub(super) fn changed_before(resource: &Resource, done: &[usize], error: Error) -> Error {
    let mut names: Vec<String> = Vec::new();
    for row in done.iter().filter_map(|row| resource.rows.get(*row)) {
        let name = format!("`{}`", row.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        [] => error,
        [name] => error.with_done(&format!("{name} was changed before")),
        names => error.with_done(&format!("{} were changed before", names.join(", "))),
    }
}

/// The resource after an action.
async fn carried_out(
    context: &Context<'_>,
    resource: &Resource,
    (mut current, values): (Current, &[Option<Value>]),
    action: &Action,
) -> Result<Current, Error> {
    let what = format!("carry out `{}` for the {}", action.name, noun(resource));
    if action.call.needs_native() {
        current = refreshed(context, resource, current).await?;
    }
    let Current { id, native, attributes, is_whole } = &mut current;
    let scope = Scope { id: Some(id), rows: values, native: Some(native), ..Scope::default() };
    let request = action.call.render(&scope).map_err(|reason| unfit(&reason))?;
    *is_whole = false;
    let reply = context.native.send(&what, request).await?;
    let missing = is_absent(&reply, &[]);
    let reply = match context.native.check_collection(&what, reply) {
        // The application's 404 can mean that the resource has just gone.
        Err(_) if missing && context.native.read(resource, id).await?.is_none() => {
            let id = attributes.get("id").and_then(Value::as_str);
            return Err(Error::not_found(&resource.kind.name, id.unwrap_or_default()));
        }
        other => other?,
    };
    if let Some(at) = &action.item
        && let Some(native) = at.get(&json_body(&reply))
    {
        *attributes = resource.decode(native);
    }
    Ok(current)
}

/// The actions that bring one row to its desired value, by index.
pub(super) fn actions_for(resource: &Resource, row: usize, desired: &Attributes) -> Vec<usize> {
    let Some(written) = resource.rows.get(row) else {
        return Vec::new();
    };
    let value = written.place.get(desired);
    let brings = |index: &&usize| {
        resource.actions.get(**index).is_some_and(|action| {
            let mut conditions = action.when.iter().filter(|(of, _)| *of == row).peekable();
            // One without a condition writes whatever value there is; `null` is to have none.
            match conditions.peek() {
                None => value.is_some(),
                Some(_) => conditions.any(|(_, wanted)| Some(wanted).filter(|it| !it.is_null()) == value),
            }
        })
    };
    written.actions.iter().filter(brings).copied().collect()
}

/// Refuses a change that no action can bring about, before anything is called.
pub(super) fn check_actions(resource: &Resource, rows: &[usize], desired: &Attributes) -> Result<(), Error> {
    for row in rows {
        if actions_for(resource, *row, desired).is_empty()
            && let Some(row) = resource.rows.get(*row)
        {
            let problem = match row.place.get(desired) {
                Some(value) => format!("the application has no call that makes `{}` {value}", row.name),
                None => format!("the application has no call that clears `{}`", row.name),
            };
            return Err(Error::mutability(problem));
        }
    }
    Ok(())
}
