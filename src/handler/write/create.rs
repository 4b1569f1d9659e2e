//! Creating a resource: the create call, what it answers with, and what has to follow it.

use serde_json::Value;

use super::act::act;
use super::converge::{read_back, refuse_taken, shows};
use super::{ids, refuse_unmapped, remove};
use crate::exchange::Response;
use crate::handler::links;
use crate::handler::members::{check, edit_new, of_new};
use crate::handler::native::{item, noun, unfit};
use crate::handler::read::Current;
use crate::handler::{Answer, Context, list};
use crate::mapping::errors::{json_body, not_understood};
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::mapping::{Create, NewId, Resource};
use crate::scim::patch::MemberEdit;
use crate::scim::resource::{Mode, normalise};
use crate::scim::{Error, Projection};

/// POST (RFC 7644 section 3.3).
pub(in crate::handler) async fn create(
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
    let edits = member_values(desired.remove("members"))?;
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
    if links::are_wanted(resource, projection) {
        match &resource.members {
            Some(_) => drop(attributes.insert("members".to_owned(), of_new(context, resource, &edits))),
            None => links::read_into(context, resource, &created, &mut attributes).await?,
        }
    }
    let id = attributes.get("id").and_then(Value::as_str).unwrap_or_default();
    let location = context.location(resource, id);
    let mut answer = context.answer(201, resource, attributes, projection);
    answer.headers.push(("location".to_owned(), location));
    Ok(answer)
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
    list::by_value(context, resource, row, value).await?.ok_or_else(missing)
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
    edit_new(context, resource, created, edits).await?;
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

fn member_values(members: Option<Value>) -> Result<Vec<MemberEdit>, Error> {
    let ids = members.map(|members| ids(&members)).transpose()?.unwrap_or_default();
    Ok(if ids.is_empty() { Vec::new() } else { vec![MemberEdit::Add(ids)] })
}
