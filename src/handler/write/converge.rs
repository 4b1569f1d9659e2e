//! From the current to the desired state, by the fewest native calls.

use serde_json::Value;

use super::act::{act, changed_before, check_actions};
use super::close::{close_all_the_same, closes};
use super::refuse_protected;
use super::written::{has_fields_of, id_in_rows, is_same_text, is_unmade, read_back, shows};
use crate::handler::native::{is_absent, item, noun, unfit};
use crate::handler::read::{Current, Found, refreshed};
use crate::handler::turns::{self, Key};
use crate::handler::{Context, list};
use crate::mapping::Resource;
use crate::mapping::errors::not_understood;
use crate::mapping::language::Access;
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::scim::Error;

/// Brings a resource from its current to its desired state, by the fewest native calls.
pub(super) async fn converge(
    context: &Context<'_>,
    resource: &Resource,
    before: Current,
    desired: Value,
) -> Result<Current, Error> {
    let Value::Object(mut desired) = desired else {
        return Ok(before);
    };
    let unclosed = closes(&desired).then(|| before.clone());
    let mut done = Vec::new();
    let error = match reach(context, resource, before, &mut desired, &mut done).await {
        Ok(after) => return Ok(after),
        Err(error) => error,
    };
    if let Some(before) = unclosed {
        let due = resource.changed(&before.attributes, &desired);
        close_all_the_same(context, resource, before, (&due, &desired), &mut done, &error).await;
    }
    Err(changed_before(resource, &done, error))
}

/// Reaches the desired state. After an error, `done` are the rows that have been changed all the same.
pub(super) async fn reach(
    context: &Context<'_>,
    resource: &Resource,
    before: Current,
    desired: &mut Attributes,
    done: &mut Vec<usize>,
) -> Result<Current, Error> {
    context.native.keep_secret(resource, desired);
    resource.agree(&before.attributes, desired)?;
    resource.refuse_incomplete(Some(&before.attributes), desired)?;
    resource.refuse_headless(&before.attributes, desired)?;
    let changed = resource.changed(&before.attributes, desired);
    if !changed.is_empty() {
        refuse_protected(resource, &before.attributes)?;
        refuse_protected(resource, desired)?;
    }
    let _turns = turns::take(context, resource, Key::of_guarded(resource, &changed, desired)).await?;
    refuse_taken(context, resource, &changed, Some(&before.id), desired).await?;
    let (mut body, mut actions) = (Vec::new(), Vec::new());
    for index in changed {
        let Some(row) = resource.rows.get(index) else {
            continue;
        };
        if row.sealed || (row.access == Access::Create && row.place.get(&before.attributes).is_some()) {
            return Err(Error::mutability(format!("`{}` cannot be changed once it is set", row.name)));
        }
        if let Some(problem) = row.unread(&before.native, true) {
            return Err(not_understood(&format!("read the {}", noun(resource)), &problem));
        }
        if row.in_update() { body.push(index) } else { actions.push(index) }
    }
    check_actions(resource, &actions, desired)?;
    let (after, unmade) = match body.as_slice() {
        [] => (before, None),
        body => update(context, resource, before, (body, &actions), desired, done).await?,
    };
    let after = act(context, resource, after, &actions, desired, done).await?;
    // Told at last: what one field does not take must not keep an account open.
    match unmade {
        None => Ok(after),
        Some(error) => Err(error),
    }
}

/// The update call for `rows`, and the error for one that was not made in spite of what the application says. Actions for
/// the rows that are `acted` upon follow.
async fn update(
    context: &Context<'_>,
    resource: &Resource,
    before: Current,
    (rows, acted): (&[usize], &[usize]),
    desired: &Attributes,
    done: &mut Vec<usize>,
) -> Result<(Current, Option<Error>), Error> {
    let what = format!("update the {}", noun(resource));
    let names = || -> String {
        let rows = rows.iter().filter_map(|index| resource.rows.get(*index));
        rows.map(|row| format!("`{}`", row.name)).collect::<Vec<_>>().join(", ")
    };
    let Some(update) = &resource.update else {
        return Err(Error::mutability(format!("the application has no call that changes {}", names())));
    };
    let before = if update.needs_current() { refreshed(context, resource, before).await? } else { before };
    let values = resource.native_values(desired)?;
    let changed = resource.native_places(rows);
    let (id, native) = (Some(&before.id), Some(&before.native));
    let scope = Scope { id, rows: &values, native, changed: Some(&changed), ..Scope::default() };
    let body = resource.update_body(rows, desired, &before.native, update, &scope)?;
    let request = update.operation.call.render_with(&scope, &[], Some(body)).map_err(|reason| unfit(&reason))?;
    let reply = context.native.send(&what, request).await?;
    if is_absent(&reply, &update.operation.absent) {
        let id = before.attributes.get("id").and_then(Value::as_str).unwrap_or_default();
        return Err(Error::not_found(&resource.kind.name, id));
    }
    let taken = context.native.is_taken(&reply);
    let reply =
        context.native.check(&what, reply).map_err(|error| if taken { error.of_uniqueness() } else { error })?;
    done.extend(rows);
    let renamed = id_in_rows(resource, rows.iter().filter_map(|index| resource.rows.get(*index)), desired)?;
    let known = renamed.and_then(|id| resource.id_in(&id)).unwrap_or_else(|| before.id.clone());
    let shown = item(resource, &update.operation.item, &reply);
    let told = shown.as_ref().and_then(|native| resource.id_of(native));
    let after = match (shown, told) {
        (Some(native), Some(id)) if is_same_text(&id, &known) && shows(resource, &native, desired, acted) => {
            let is_whole = before.is_whole && has_fields_of(&native, &before.native);
            Current { is_whole, ..Found { id, native }.into_current(resource) }
        }
        (_, told) => read_back(context, resource, &what, (Some(known), told), desired).await?,
    };
    let states = (&before.attributes, desired, &after.attributes);
    let unmade =
        rows.iter().find_map(|index| Some((*index, resource.rows.get(*index).filter(|row| is_unmade(row, states))?)));
    let error = unmade.map(|(index, row)| {
        done.retain(|done| *done != index);
        not_understood(&what, &format!("it says that it is done, and `{}` is as before", row.name))
    });
    Ok((after, error))
}

/// Refuses a value that another resource has, where the mapping says that the application would not.
pub(super) async fn refuse_taken(
    context: &Context<'_>,
    resource: &Resource,
    rows: &[usize],
    own: Option<&Value>,
    desired: &Attributes,
) -> Result<(), Error> {
    let rows = rows.iter().filter_map(|index| resource.rows.get(*index));
    for row in rows.filter(|row| row.looked_up) {
        let Some(value) = row.place.get(desired) else {
            continue;
        };
        if list::by_value(context, resource, row, value, own).await?.is_some() {
            return Err(Error::uniqueness(format!("another {} has this `{}`", noun(resource), row.name)));
        }
    }
    Ok(())
}
