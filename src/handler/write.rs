//! Writing: desired state against current state.
//!
//! POST, PUT and PATCH all come down to the rows whose value differs between the two states, and each row to the
//! one native call that owns it. Where nothing differs, nothing is called.

use serde_json::Value;

use super::members::{self, check, edit};
use super::native::{is_absent, item, noun, unfit};
use super::read::{Current, current, with_members};
use super::{Answer, Context};
use crate::exchange::Response;
use crate::mapping::errors::{json_body, not_understood};
use crate::mapping::language::{Access, Unmapped};
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::mapping::{Create, MemberSource, NewId, Resource};
use crate::scim::patch::{self, MemberEdit};
use crate::scim::resource::{Mode, Omitted, normalise};
use crate::scim::{Error, Projection};

/// POST (RFC 7644 section 3.3).
pub(super) async fn create(
    context: &Context<'_>,
    resource: &Resource,
    body: Value,
    projection: &Projection,
) -> Result<Answer, Error> {
    let Some(create) = &resource.create else {
        return Err(Error::new(405, format!("{}s cannot be created", noun(resource))));
    };
    let normalised = normalise(&resource.kind, body, Mode::Create, context.native.mapping().leniency)?;
    let mut desired = normalised.resource;
    refuse_unmapped(context, resource, &desired, normalised.ignored)?;
    let edits = member_values(desired.remove("members"));
    check(context, resource, &edits)?;
    // What the client itself asked for: only that must show in the reply.
    let asked = desired.clone();
    for row in &resource.rows {
        if let (Some(default), None) = (&row.default, row.place.get(&desired)) {
            row.place.set(&mut desired, default.clone());
        }
    }
    let values = resource.native_values(&desired)?;
    let scope = Scope { rows: &values, ..Scope::default() };
    let key = client_chosen_id(resource, &desired)?;
    if let (Some(guard), Some(key)) = (create.operation.guard, &key)
        && context.native.has(resource, key, guard).await?
    {
        return Err(Error::uniqueness(format!("this {} exists already", noun(resource))));
    }
    let given: Vec<usize> = (0..resource.rows.len()).collect();
    refuse_taken(context, resource, &given, None, &desired).await?;
    let what = format!("create the {}", noun(resource));
    let native_body = resource.create_body(&desired, &create.body, &scope)?;
    let call = &create.operation.call;
    let request = call.render_with(&scope, &[], Some(native_body)).map_err(|reason| unfit(&reason))?;
    let reply = context.native.send(&what, request).await?;
    let reply = context.native.check_collection(&what, reply)?;
    let created = created(context, resource, create, &reply, key, &asked).await?;
    let finished = finish(context, resource, &created, (&asked, &desired), &edits).await;
    let mut attributes = match finished {
        Ok(attributes) => attributes,
        Err(error) => return Err(undo(context, resource, create, &created, error).await),
    };
    if members::are_wanted(resource, projection) {
        attributes.insert("members".to_owned(), members::of_new(context, &edits));
    }
    let id = attributes.get("id").and_then(Value::as_str).unwrap_or_default();
    let location = context.location(resource, id);
    let mut answer = context.answer(201, resource, attributes, projection);
    answer.headers.push(("location".to_owned(), location));
    Ok(answer)
}

/// What a new resource still needs after the create call: actions and members.
async fn finish(
    context: &Context<'_>,
    resource: &Resource,
    created: &Current,
    (asked, desired): (&Attributes, &Attributes),
    edits: &[MemberEdit],
) -> Result<Attributes, Error> {
    // A default that the application does not show is taken for what it made.
    let known =
        |row: &crate::mapping::Row| row.place.get(asked).is_some() || row.place.get(&created.attributes).is_some();
    let changed: Vec<usize> = resource
        .changed(&created.attributes, desired)
        .into_iter()
        .filter(|index| {
            let row = resource.rows.get(*index);
            row.is_some_and(|row| !row.actions.is_empty() && row.place.get(desired).is_some() && known(row))
        })
        .collect();
    let attributes = act(context, resource, &created.id, &changed, created.attributes.clone(), desired).await?;
    edit(context, resource, &created.id, edits, Some(&created.native)).await?;
    Ok(attributes)
}

/// Takes a half-made resource away where the mapping says so, and tells what is left.
async fn undo(context: &Context<'_>, resource: &Resource, create: &Create, created: &Current, error: Error) -> Error {
    let name = noun(resource);
    let id = created.attributes.get("id").and_then(Value::as_str).unwrap_or_default();
    let left = match &resource.delete {
        Some(_) if create.undo => match remove(context, resource, &created.id).await {
            Ok(_) => format!("the {name} was taken away again: send the request again"),
            Err(_) => {
                format!("the {name} `{id}` could not be taken away again and is left as it is")
            }
        },
        _ => format!("the {name} `{id}` was created and is left as it is"),
    };
    Error { detail: format!("{}; {left}", error.detail), ..error }
}

/// The native object that a create call made.
async fn created(
    context: &Context<'_>,
    resource: &Resource,
    create: &Create,
    reply: &Response,
    key: Option<Value>,
    desired: &Attributes,
) -> Result<Current, Error> {
    let what = format!("create the {}", noun(resource));
    if let Some(native) = item(resource, &create.operation.item, reply)
        && let Some(id) = resource.id_row().and_then(|row| row.native.as_ref()?.get(&native)).cloned()
    {
        let attributes = resource.decode(&native);
        if attributes.contains_key("id") {
            let shown = Current { id, native, attributes };
            return if shows(resource, &shown.native, desired) {
                Ok(shown)
            } else {
                read_back(context, resource, &what, shown.id).await
            };
        }
    }
    let id = match &create.id {
        Some(NewId::Header(name)) => reply.header(name).and_then(|address| {
            let path = address.split(['?', '#']).next()?;
            let last = path.trim_end_matches('/').rsplit('/').next()?;
            let decoded = percent_encoding::percent_decode_str(last).decode_utf8().ok()?;
            Some(Value::from(decoded.into_owned()))
        }),
        Some(NewId::Body(at)) => at.get(&json_body(reply)).cloned(),
        Some(NewId::Lookup(row)) => return looked_up(context, resource, *row, desired).await,
        None => key,
    };
    let Some(id) = id.filter(|id| !id.is_null()) else {
        return Err(not_understood(&what, "it does not say the new id where the mapping says"));
    };
    read_back(context, resource, &what, id).await
}

/// Whether a reply's object has a field, be it null, for everything that was wanted and can be read.
fn shows(resource: &Resource, native: &Value, desired: &Attributes) -> bool {
    resource.rows.iter().all(|row| match &row.native {
        Some(at) if row.readable() && row.place.get(desired).is_some() => at.get(native).is_some(),
        _ => true,
    })
}

/// Reads what has just been written, where the reply does not show what the application made of it.
async fn read_back(context: &Context<'_>, resource: &Resource, what: &str, id: Value) -> Result<Current, Error> {
    match context.native.read(resource, &id).await? {
        Some(native) => {
            let own = resource.id_row().and_then(|row| row.native.as_ref());
            // The id as its own object has it: an address has no numbers.
            let id = own.and_then(|at| at.get(&native)).cloned().unwrap_or(id);
            let mut attributes = resource.decode(&native);
            if let (false, Some(id)) = (attributes.contains_key("id"), resource.scim_id(&id)) {
                attributes.insert("id".to_owned(), id.into());
            }
            Ok(Current { id, native, attributes })
        }
        None => Err(not_understood(what, "what it has written cannot be read")),
    }
}

async fn looked_up(
    context: &Context<'_>,
    resource: &Resource,
    row: usize,
    desired: &Attributes,
) -> Result<Current, Error> {
    let what = format!("find the {} that was created", noun(resource));
    let missing = || not_understood(&what, "there is none");
    let row = resource.rows.get(row).ok_or_else(missing)?;
    let value = row.place.get(desired).ok_or_else(missing)?;
    super::list::by_value(context, resource, row, value).await?.ok_or_else(missing)
}

/// The native id that a client chooses by giving the value of another row of the same native field: a name.
fn client_chosen_id(resource: &Resource, desired: &Attributes) -> Result<Option<Value>, Error> {
    let native = resource.id_row().and_then(|row| row.native.as_ref());
    let mut rows = resource.rows.iter().filter(|row| row.native.as_ref() == native && row.place.attribute != "id");
    match rows.find_map(|row| Some((row, row.place.get(desired)?))) {
        Some((row, value)) => row.encode(value).map(Some),
        None => Ok(None),
    }
}

/// PUT (RFC 7644 section 3.5.1). What the body leaves out keeps its value: identity providers send what they know,
/// and must not wipe what they do not.
pub(super) async fn replace(
    context: &Context<'_>,
    resource: &Resource,
    id: &str,
    body: Value,
    projection: &Projection,
) -> Result<Answer, Error> {
    let mut normalised = normalise(&resource.kind, body, Mode::Replace, context.native.mapping().leniency)?;
    refuse_unmapped(context, resource, &normalised.resource, std::mem::take(&mut normalised.ignored))?;
    let edits = match normalised.resource.remove("members") {
        Some(members) if resource.members.is_some() => {
            vec![MemberEdit::Replace(ids(&members))]
        }
        _ => Vec::new(),
    };
    check(context, resource, &edits)?;
    let before = current(context, resource, id).await?;
    let desired = normalised.replace_in(&resource.kind, &Value::Object(before.attributes.clone()), Omitted::Keep)?;
    let after = converge(context, resource, before, desired).await?;
    let after = edited(context, resource, after, &edits).await?;
    let attributes = with_members(context, resource, &after, projection).await?;
    Ok(context.answer(200, resource, attributes, projection))
}

/// Changes members, and reads the group again if its own object shows them and is to be answered.
async fn edited(
    context: &Context<'_>,
    resource: &Resource,
    mut group: Current,
    edits: &[MemberEdit],
) -> Result<Current, Error> {
    edit(context, resource, &group.id, edits, Some(&group.native)).await?;
    if !edits.is_empty()
        && shows_members(resource)
        && let Some(native) = context.native.read(resource, &group.id).await?
    {
        group.native = native;
    }
    Ok(group)
}

/// Whether a resource with this native id could be read at all.
fn is_addressable(resource: &Resource, id: &Value) -> bool {
    let scope = Scope { id: Some(id), ..Scope::default() };
    resource.read.call.render(&scope).is_ok()
}

/// Whether a group's own object has its members.
fn shows_members(resource: &Resource) -> bool {
    let source = resource.members.as_ref().and_then(|members| members.source.as_ref());
    matches!(source, Some(MemberSource::Inline { .. }))
}

/// PATCH (RFC 7644 section 3.5.2). Groups are answered with 204: their member lists may be huge.
pub(super) async fn patch(
    context: &Context<'_>,
    resource: &Resource,
    id: &str,
    body: Value,
    projection: &Projection,
) -> Result<Answer, Error> {
    let patch = patch::parse(&resource.kind, body, context.native.mapping().leniency)?;
    refuse_unmapped(context, resource, &Attributes::new(), patch.ignored)?;
    let (edits, operations) = match &resource.members {
        Some(_) => patch::member_edits(&patch.operations)?,
        None => (Vec::new(), patch.operations),
    };
    let asked = !projection.attributes.is_empty();
    if !edits.is_empty() && operations.is_empty() && !asked {
        let native_id = resource
            .native_id(id)
            .filter(|native| is_addressable(resource, native))
            .ok_or_else(|| Error::not_found(&resource.kind.name, id))?;
        edit(context, resource, &native_id, &edits, None).await?;
        return Ok(Answer::empty(204));
    }
    check(context, resource, &edits)?;
    let before = current(context, resource, id).await?;
    let mut desired = Value::Object(before.attributes.clone());
    patch::apply(&resource.kind, &mut desired, &operations)?;
    if let Value::Object(desired) = &desired {
        refuse_unmapped(context, resource, desired, Vec::new())?;
    }
    let after = converge(context, resource, before, desired).await?;
    if resource.members.is_some() && !asked {
        edit(context, resource, &after.id, &edits, Some(&after.native)).await?;
        return Ok(Answer::empty(204));
    }
    let after = edited(context, resource, after, &edits).await?;
    let attributes = with_members(context, resource, &after, projection).await?;
    Ok(context.answer(200, resource, attributes, projection))
}

/// DELETE (RFC 7644 section 3.6).
pub(super) async fn delete(context: &Context<'_>, resource: &Resource, id: &str) -> Result<Answer, Error> {
    let not_found = || Error::not_found(&resource.kind.name, id);
    let native_id = resource.native_id(id).ok_or_else(not_found)?;
    if remove(context, resource, &native_id).await? { Ok(Answer::empty(204)) } else { Err(not_found()) }
}

/// Deletes a resource; `false` if it was not there.
async fn remove(context: &Context<'_>, resource: &Resource, id: &Value) -> Result<bool, Error> {
    let what = format!("delete the {}", noun(resource));
    let Some(delete) = &resource.delete else {
        return Err(Error::new(405, format!("{}s cannot be deleted", noun(resource))));
    };
    let Ok(request) = delete.call.render(&Scope { id: Some(id), ..Scope::default() }) else {
        return Ok(false);
    };
    if let Some(guard) = delete.guard
        && !context.native.has(resource, id, guard).await?
    {
        return Ok(false);
    }
    let reply = context.native.send(&what, request).await?;
    if is_absent(&reply, &delete.absent) {
        return Ok(false);
    }
    context.native.check(&what, reply).map(|_| true)
}

/// Brings a resource from its current to its desired state, by the fewest native calls.
async fn converge(
    context: &Context<'_>,
    resource: &Resource,
    before: Current,
    desired: Value,
) -> Result<Current, Error> {
    let Value::Object(desired) = desired else {
        return Ok(before);
    };
    let changed = resource.changed(&before.attributes, &desired);
    refuse_taken(context, resource, &changed, Some(&before.id), &desired).await?;
    let (mut body, mut actions) = (Vec::new(), Vec::new());
    for index in changed {
        let Some(row) = resource.rows.get(index) else {
            continue;
        };
        if row.access == Access::Create && row.place.get(&before.attributes).is_some() {
            return Err(Error::mutability(format!("`{}` cannot be changed once it is set", row.name)));
        }
        if row.in_body() { body.push(index) } else { actions.push(index) }
    }
    check_actions(resource, &actions, &desired)?;
    let mut after = before;
    if !body.is_empty() {
        after = update(context, resource, after, &body, &desired).await?;
    }
    let attributes = std::mem::take(&mut after.attributes);
    after.attributes = act(context, resource, &after.id, &actions, attributes, &desired).await?;
    Ok(after)
}

/// The update call for these rows.
async fn update(
    context: &Context<'_>,
    resource: &Resource,
    before: Current,
    rows: &[usize],
    desired: &Attributes,
) -> Result<Current, Error> {
    let what = format!("update the {}", noun(resource));
    let names = || -> String {
        let rows = rows.iter().filter_map(|index| resource.rows.get(*index));
        rows.map(|row| format!("`{}`", row.name)).collect::<Vec<_>>().join(", ")
    };
    let Some(update) = &resource.update else {
        return Err(Error::mutability(format!("the application has no call that changes {}", names())));
    };
    let values = resource.native_values(desired)?;
    let scope = Scope { id: Some(&before.id), rows: &values, ..Scope::default() };
    let body = resource.update_body(rows, desired, &before.native, (&update.body, update.send), &scope)?;
    let request = update.operation.call.render_with(&scope, &[], Some(body)).map_err(|reason| unfit(&reason))?;
    let reply = context.native.send(&what, request).await?;
    if is_absent(&reply, &update.operation.absent) {
        let id = before.attributes.get("id").and_then(Value::as_str).unwrap_or_default();
        return Err(Error::not_found(&resource.kind.name, id));
    }
    let reply = context.native.check(&what, reply)?;
    let shown = item(resource, &update.operation.item, &reply);
    let own = resource.id_row().and_then(|row| row.native.as_ref());
    let id = shown.as_ref().and_then(|native| own?.get(native)).cloned();
    match (shown, id) {
        (Some(native), Some(id)) if shows(resource, &native, desired) => {
            let mut attributes = resource.decode(&native);
            if let (false, Some(id)) = (attributes.contains_key("id"), before.attributes.get("id")) {
                attributes.insert("id".to_owned(), id.clone());
            }
            Ok(Current { id, native, attributes })
        }
        (_, id) => read_back(context, resource, &what, id.unwrap_or(before.id)).await,
    }
}

/// The actions that bring one row to its desired value, by index.
fn actions_for(resource: &Resource, row: usize, desired: &Attributes) -> Vec<usize> {
    let Some(written) = resource.rows.get(row) else {
        return Vec::new();
    };
    let Some(value) = written.place.get(desired) else {
        return Vec::new();
    };
    let brings = |index: &&usize| {
        resource.actions.get(**index).is_some_and(|action| {
            let mut conditions = action.when.iter().filter(|(of, _)| *of == row).peekable();
            conditions.peek().is_none() || conditions.any(|(_, wanted)| wanted == value)
        })
    };
    written.actions.iter().filter(brings).copied().collect()
}

/// Refuses a change that no action can bring about, before anything is called.
fn check_actions(resource: &Resource, rows: &[usize], desired: &Attributes) -> Result<(), Error> {
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

/// Runs the actions that own these rows, and answers the attributes as they then are.
async fn act(
    context: &Context<'_>,
    resource: &Resource,
    id: &Value,
    rows: &[usize],
    mut attributes: Attributes,
    desired: &Attributes,
) -> Result<Attributes, Error> {
    if rows.is_empty() {
        return Ok(attributes);
    }
    check_actions(resource, rows, desired)?;
    let values = resource.native_values(desired)?;
    let scope = Scope { id: Some(id), rows: &values, ..Scope::default() };
    let mut due: Vec<usize> = rows.iter().flat_map(|row| actions_for(resource, *row, desired)).collect();
    due.sort_unstable();
    due.dedup();
    for action in due.iter().filter_map(|index| resource.actions.get(*index)) {
        let what = format!("carry out `{}` for the {}", action.name, noun(resource));
        let request = action.call.render(&scope).map_err(|reason| unfit(&reason))?;
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
            attributes = resource.decode(native);
        }
    }
    for row in rows.iter().filter_map(|index| resource.rows.get(*index)).filter(|row| row.readable()) {
        if let Some(value) = row.place.get(desired) {
            row.place.set(&mut attributes, value.clone());
        }
    }
    Ok(attributes)
}

/// Refuses a value that another resource has, where the mapping says that the application would not.
async fn refuse_taken(
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
        let holder = super::list::by_value(context, resource, row, value).await?;
        if holder.is_some_and(|holder| own != Some(&holder.id)) {
            return Err(Error::uniqueness(format!("another {} has this `{}`", noun(resource), row.name)));
        }
    }
    Ok(())
}

/// Refuses what has no home, if the mapping says so; otherwise writing it is a declared no-op.
fn refuse_unmapped(
    context: &Context<'_>,
    resource: &Resource,
    desired: &Attributes,
    mut unmapped: Vec<String>,
) -> Result<(), Error> {
    if context.native.mapping().unmapped == Unmapped::Ignore {
        return Ok(());
    }
    unmapped.extend(resource.homeless(desired));
    if unmapped.is_empty() {
        return Ok(());
    }
    Err(Error::invalid_value(format!("the application has nowhere to keep {}", unmapped.join(", "))))
}

fn member_values(members: Option<Value>) -> Vec<MemberEdit> {
    match members.map(|members| ids(&members)) {
        Some(ids) if !ids.is_empty() => vec![MemberEdit::Add(ids)],
        _ => Vec::new(),
    }
}

fn ids(members: &Value) -> Vec<String> {
    let members = members.as_array().into_iter().flatten();
    members.filter_map(|member| member.get("value")?.as_str().map(str::to_owned)).collect()
}
