//! From the current to the desired state, by the fewest native calls.

use serde_json::Value;

use super::act::{act, changed_before, check_actions};
use super::refuse_protected;
use crate::handler::native::{is_absent, item, noun, unfit};
use crate::handler::read::{Current, Found, refreshed};
use crate::handler::turns::{self, Key};
use crate::handler::{Context, list};
use crate::mapping::codec::text_of;
use crate::mapping::errors::not_understood;
use crate::mapping::language::Access;
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::mapping::{Resource, Row};
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
    context.native.keep_secret(resource, &desired);
    resource.agree(&before.attributes, &mut desired)?;
    resource.refuse_incomplete(Some(&before.attributes), &desired)?;
    resource.refuse_headless(&before.attributes, &desired)?;
    let changed = resource.changed(&before.attributes, &desired);
    if !changed.is_empty() {
        refuse_protected(resource, &before.attributes)?;
        refuse_protected(resource, &desired)?;
    }
    let _turns = turns::take(context, resource, Key::of_guarded(resource, &changed, &desired)).await?;
    refuse_taken(context, resource, &changed, Some(&before.id), &desired).await?;
    let (mut body, mut actions) = (Vec::new(), Vec::new());
    for index in changed {
        let Some(row) = resource.rows.get(index) else {
            continue;
        };
        if row.sealed || (row.access == Access::Create && row.place.get(&before.attributes).is_some()) {
            return Err(Error::mutability(format!("`{}` cannot be changed once it is set", row.name)));
        }
        if row.in_update() { body.push(index) } else { actions.push(index) }
    }
    check_actions(resource, &actions, &desired)?;
    let (after, unmade) = match body.as_slice() {
        [] => (before, None),
        body => update(context, resource, before, body, &desired).await?,
    };
    let acted = act(context, resource, after, &actions, &desired).await;
    let after = acted.map_err(|error| changed_before(resource, body.iter(), error))?;
    // Told at last: what one field does not take must not keep an account open.
    match unmade {
        None => Ok(after),
        Some(error) => Err(changed_before(resource, actions.iter(), error)),
    }
}

/// The update call for these rows, and the error for one that was not made in spite of what the application says.
async fn update(
    context: &Context<'_>,
    resource: &Resource,
    before: Current,
    rows: &[usize],
    desired: &Attributes,
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
    let shown = item(resource, &update.operation.item, &reply);
    let id = shown.as_ref().and_then(|native| resource.id_of(native));
    let after = match (shown, id) {
        (Some(native), Some(id)) if shows(resource, &native, desired) => {
            let is_whole = before.is_whole && has_fields_of(&native, &before.native);
            Current { is_whole, ..Found { id, native }.into_current(resource) }
        }
        (_, id) => read_back(context, resource, &what, id.unwrap_or(before.id)).await?,
    };
    let mut changed = rows.iter().filter_map(|index| resource.rows.get(*index));
    let unmade = changed.find(|row| is_unmade(row, (&before.attributes, desired, &after.attributes)));
    let error = |row: &Row| not_understood(&what, &format!("it says that it is done, and `{}` is as before", row.name));
    Ok((after, unmade.map(error)))
}

/// Whether an application that has accepted a change shows the value from before. One that writes values in a way of its
/// own (lower case, other punctuation, cut off, with a prefix) may take the new one for the old one, and a cleared one may
/// have a default; of a list it may keep the values alone, in an order of its own; and a part of a text may be another part
/// when it is read. What it does not keep at all, the answer shows.
fn is_unmade(row: &Row, (before, desired, after): (&Attributes, &Attributes, &Attributes)) -> bool {
    let (Some(wanted), Some(shown)) = (row.place.get(desired), row.place.get(after)) else { return false };
    let plain = |value: &Value| text_of(value).to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
    let comparable = row.readable() && row.part.is_none() && !wanted.is_array();
    let is_alike = |wanted: &str, shown: &str| {
        let long = wanted.len().min(shown.len()) >= 4;
        wanted == shown || (long && (wanted.contains(shown) || shown.contains(wanted)))
    };
    comparable && row.place.get(before) == Some(shown) && !is_alike(&plain(wanted), &plain(shown))
}

/// Whether a reply's object has a field, be it null, for everything that was wanted and can be read.
pub(super) fn shows(resource: &Resource, native: &Value, desired: &Attributes) -> bool {
    resource.rows.iter().all(|row| match &row.native {
        Some(at) if row.readable() && row.place.get(desired).is_some() => at.get(native).is_some(),
        _ => true,
    })
}

/// Whether a reply to a write leaves nothing out that there was before.
fn has_fields_of(reply: &Value, before: &Value) -> bool {
    before.as_object().is_none_or(|fields| fields.keys().all(|name| reply.get(name).is_some()))
}

/// Reads what has just been written, where the reply does not show what the application made of it.
pub(super) async fn read_back(
    context: &Context<'_>,
    resource: &Resource,
    what: &str,
    id: Value,
) -> Result<Current, Error> {
    match context.native.read(resource, &id).await? {
        Some(native) => {
            let id = resource.id_of(&native).unwrap_or(id);
            Ok(Found { id, native }.into_whole(resource))
        }
        None => Err(not_understood(what, "what it has written cannot be read")),
    }
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
