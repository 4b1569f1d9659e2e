//! Creating a resource: the create call, what it answers with, and what has to follow it.

use serde_json::Value;

use super::act::{act, actions_for};
use super::converge::{read_back, refuse_taken, shows};
use super::{refuse_deactivation, refuse_protected, refuse_unmapped, remove, with_new_members};
use crate::exchange::Response;
use crate::handler::links;
use crate::handler::members::{Users, carry_out, check, plan_new, users_of_new};
use crate::handler::native::{is_absent, item, noun, unfit};
use crate::handler::read::{Current, with_links};
use crate::handler::turns::{self, Key};
use crate::handler::{Answer, Context, list};
use crate::mapping::codec::{last_segment, text_of};
use crate::mapping::errors::{json_body, not_understood, recognised};
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::mapping::{Create, NewId, Resource, Row};
use crate::scim::patch::{MemberEdit, member_ids};
use crate::scim::resource::{Mode, normalise};
use crate::scim::schema::Kind;
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
    let normalised = normalise(&resource.kind, body, Mode::Create, context.leniency())?;
    context.note(normalised.applied);
    let mut desired = normalised.resource;
    refuse_unmapped(context, resource, &desired, normalised.ignored)?;
    refuse_deactivation(resource, normalised.deactivates, &Attributes::new())?;
    resource.agree(&Attributes::new(), &mut desired)?;
    let edits = member_values(desired.remove("members"))?;
    check(context, resource, &edits)?;
    // What the client itself asked for: only that must show in the reply.
    let asked = desired.clone();
    for row in &resource.rows {
        let generated = || row.generate.as_ref().map(|how| context.native.generate(how));
        if row.place.get(&desired).is_none()
            && let Some(value) = row.default.clone().or_else(generated)
        {
            row.place.set(&mut desired, value);
        }
    }
    resource.refuse_incomplete(None, &desired)?;
    refuse_protected(resource, &desired)?;
    context.native.keep_secret(resource, &desired);
    let natives = resource.native_values(&desired)?;
    let scope = Scope { rows: &natives, ..Scope::default() };
    let key = client_chosen_id(resource, &desired)?;
    let guarded = key.as_ref().filter(|_| create.operation.guard.is_some()).map(|key| Key::of(resource, key));
    let _turn = turns::take(context, resource, guarded).await?;
    let users = users_of_new(context, resource, &edits).await?;
    if let (Some(guard), Some(key)) = (create.operation.guard, &key)
        && context.native.has(resource, key, guard).await?
    {
        return Err(exists(resource));
    }
    let given: Vec<usize> = (0..resource.rows.len()).collect();
    let values = turns::take(context, resource, Key::of_guarded(resource, &given, &desired)).await?;
    refuse_taken(context, resource, &given, None, &desired).await?;
    let what = format!("create the {}", noun(resource));
    let native_body = resource.create_body(&desired, &create.body, &scope)?;
    let call = &create.operation.call;
    let request = call.render_with(&scope, &[], Some(native_body)).map_err(|reason| unfit(&reason))?;
    // Where its own success looks like that of an earlier one, nobody could tell whose it was.
    let reply = match create.taken.as_slice() {
        [] => context.native.send(&what, request).await?,
        _ => context.native.send_once(&what, request).await?,
    };
    if recognised(&create.taken, &reply) {
        return Err(exists(resource));
    }
    let reply = match &key {
        // The client has chosen the name that its path ends with.
        Some(key) if is_absent(&reply, &[]) => {
            let name = text_of(key);
            return Err(Error::invalid_value(format!(
                "the application has no place for a {} `{name}`",
                noun(resource)
            )));
        }
        _ => {
            let is_taken = context.native.is_taken(&reply);
            let taken = |error: Error| match error.conflict {
                true => exists(resource),
                false if is_taken => error.of_uniqueness(),
                false => error,
            };
            context.native.check_collection(&what, reply).map_err(taken)?
        }
    };
    // What has them is found from now on.
    drop(values);
    let created = created(context, resource, create, &reply, key, &asked).await?;
    let finished = finish(context, resource, &created, (&asked, &desired), (&edits, users)).await;
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => return Err(undo(context, resource, create, &created, error).await),
    };
    let attributes = with_given(context, resource, finished, &edits, projection).await?;
    let id = attributes.get("id").and_then(Value::as_str).unwrap_or_default();
    let location = context.location(resource, id);
    let mut answer = context.answer(201, resource, attributes, projection);
    answer.headers.push(("location".to_owned(), location));
    Ok(answer)
}

fn exists(resource: &Resource) -> Error {
    Error::uniqueness(format!("this {} exists already", noun(resource)))
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
        && let Some(id) = resource.id_of(&native)
    {
        let attributes = resource.decode(&native);
        if attributes.contains_key("id") {
            let shown = Current { id, native, attributes, is_whole: false };
            return if shows(resource, &shown.native, desired) {
                Ok(shown)
            } else {
                read_back(context, resource, &what, shown.id).await
            };
        }
    }
    let id = match &create.id {
        Some(NewId::Header(name)) => reply.header(name).and_then(last_segment).map(Value::from),
        Some(NewId::Body(at)) => at.get(&json_body(reply)).cloned(),
        Some(NewId::Lookup(row)) => return looked_up(context, resource, *row, desired).await,
        None => key,
    };
    let Some(id) = id.and_then(|id| resource.id_in(&id)) else {
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
    list::by_value(context, resource, row, value, None).await?.ok_or_else(missing)
}

/// What a new resource still needs after the create call: actions and members.
async fn finish(
    context: &Context<'_>,
    resource: &Resource,
    created: &Current,
    (asked, desired): (&Attributes, &Attributes),
    (edits, users): (&[MemberEdit], Users<'_>),
) -> Result<Current, Error> {
    // Unless the application shows otherwise, it has made what the create call was given, and a default; and what nothing
    // brings about is what a new resource is.
    let is_left = |index: usize, row: &Row| {
        let asked = row.place.get(asked).is_some() && !row.on_create;
        asked && (row.kind != Kind::Boolean || !actions_for(resource, index, desired).is_empty())
    };
    let is_due = |index: usize, row: &Row| {
        let shown = row.place.get(&created.attributes).is_some();
        !row.actions.is_empty() && row.place.get(desired).is_some() && (shown || is_left(index, row))
    };
    let mut changed = resource.changed(&created.attributes, desired);
    changed.retain(|index| resource.rows.get(*index).is_some_and(|row| is_due(*index, row)));
    let after = act(context, resource, created.clone(), &changed, desired).await?;
    let plan = plan_new(context, resource, &after, edits, users).await?;
    carry_out(context, resource, plan, None).await?;
    Ok(after)
}

/// The attributes of a resource that was just created, with its links where they are wanted: the members that a group was
/// given are read, and one that was given none has nobody to be read.
async fn with_given(
    context: &Context<'_>,
    resource: &Resource,
    created: Current,
    edits: &[MemberEdit],
    projection: &Projection,
) -> Result<Attributes, Error> {
    if resource.members.is_none() {
        return with_links(context, resource, created, projection).await;
    }
    let mut attributes = created.attributes.clone();
    if !edits.is_empty() {
        let read = async {
            let group = with_new_members(context, resource, created, projection).await?;
            with_links(context, resource, group, projection).await
        };
        // The group is what was asked for: a list that cannot be read is left out, and no failure to create.
        return Ok(read.await.unwrap_or(attributes));
    }
    if links::are_wanted(resource, projection) {
        attributes.insert("members".to_owned(), Value::Array(Vec::new()));
    }
    Ok(attributes)
}

/// Takes a half-made resource away where the mapping says so, and tells what is left.
async fn undo(context: &Context<'_>, resource: &Resource, create: &Create, created: &Current, error: Error) -> Error {
    let name = noun(resource);
    let id = created.attributes.get("id").and_then(Value::as_str).unwrap_or_default();
    let left = match &resource.delete {
        Some(_) if create.undo => match remove(context, resource, &created.id, Some(created.clone())).await {
            Ok(_) => format!("the {name} was taken away again: send the request again"),
            Err(_) => {
                format!("the {name} `{id}` could not be taken away again and is left as it is")
            }
        },
        _ => format!("the {name} `{id}` was created and is left as it is"),
    };
    error.with_done(&left)
}

fn member_values(members: Option<Value>) -> Result<Vec<MemberEdit>, Error> {
    let ids = members.map(|members| member_ids(&members)).transpose()?.unwrap_or_default();
    Ok(if ids.is_empty() { Vec::new() } else { vec![MemberEdit::Add(ids)] })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::rc::Rc;

    use serde_json::{Value, json};

    use crate::Engine;
    use crate::exchange::{Exchange, Moment, Output, Request, Response};

    #[test]
    fn every_resource_of_a_bulk_request_has_a_password_of_its_own() {
        let mapping = "{mapping: v1, upstream: {}, resources: {User: {path: /u, attributes: {id: {native: id, \
            access: read}, userName: {native: n}, password: {native: p, generate: {}}}, create: {}}}}";
        let environment = [("SCIM_EDGE_TOKENS".to_owned(), "t".to_owned())].into();
        let engine = Rc::new(Engine::new(mapping, "mapping.yaml", &environment).unwrap());
        let operation = |name: usize| {
            let data = json!({ "userName": name.to_string() });
            json!({ "method": "POST", "path": "/Users", "bulkId": name.to_string(), "data": data })
        };
        let request = Request {
            method: "POST".to_owned(),
            target: "/scim/v2/Bulk".to_owned(),
            headers: vec![("authorization".to_owned(), "t".to_owned())],
            body: json!({ "Operations": (0..9).map(operation).collect::<Value>() }).to_string().into_bytes(),
        };
        let mut passwords = BTreeSet::new();
        for entropy in [[1; 32], [2; 32]] {
            let mut exchange = Exchange::new(Rc::clone(&engine), request.clone(), Moment { now: 0, entropy });
            loop {
                match exchange.poll_output() {
                    Output::Call(id, call, _) => {
                        let mut body: Value = serde_json::from_slice(&call.body).unwrap();
                        passwords.insert(body["p"].as_str().unwrap().to_owned());
                        body["id"] = body["n"].clone();
                        let body = body.to_string().into_bytes();
                        exchange.handle_reply(id, Ok(Response { status: 201, headers: Vec::new(), body }), 0);
                    }
                    Output::Respond(response) => {
                        let response = String::from_utf8(response.body).unwrap();
                        assert_eq!(response.matches("\"201\"").count(), 9, "{response}");
                        assert!(!passwords.iter().any(|password| response.contains(password)));
                        break;
                    }
                    Output::Waiting | Output::Pause(..) => panic!("it waits for nothing"),
                }
            }
        }
        assert_eq!(passwords.len(), 18);
    }
}
