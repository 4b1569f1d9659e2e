//! Creating a resource: the create call, what it answers with, and what has to follow it.

use serde_json::Value;

use super::act::{act, actions_for, changed_before};
use super::close::close_all_the_same;
use super::converge::refuse_taken;
use super::written::{id_in_rows, is_one, is_same_text, read_back, shows};
use super::{refuse_deactivation, refuse_protected, refuse_unmapped, remove, with_new_members};
use crate::exchange::Response;
use crate::handler::links;
use crate::handler::members::{Users, carry_out, check, plan_new, users_of_new};
use crate::handler::native::{is_absent, item, noun, unfit};
use crate::handler::read::{Current, Found, with_links};
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
    let key = id_in_rows(resource, resource.rows.iter(), &desired)?;
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
    let made = made(context, resource, create, (&reply, key), (&asked, &desired)).await?;
    let mut created = made.current.clone();
    let (mut due, mut done) = (Vec::new(), Vec::new());
    let finished = async {
        created = seen(context, resource, made, &asked).await?;
        due = left_to_actions(resource, &created, (&asked, &desired));
        finish(context, resource, &created, (&due, &desired, &mut done), (&edits, users)).await
    };
    let finished = match finished.await {
        Ok(finished) => finished,
        Err(error) => {
            let (is_left, left) = undo(context, resource, create, &created).await;
            if is_left {
                close_all_the_same(context, resource, created, (&due, &desired), &mut done, &error).await;
            }
            return Err(changed_before(resource, &done, error).with_done(&left));
        }
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

/// What a create call made.
struct Made {
    /// The new resource; nothing but its id, if that is all that is known of it.
    current: Current,
    /// Whether it is to be read, so that the client gets what the application has.
    unseen: bool,
    /// Another id that the reply has.
    told: Option<Value>,
}

/// What a create call made, which its reply or a look-up tells. No other resource must be taken for it.
async fn made(
    context: &Context<'_>,
    resource: &Resource,
    create: &Create,
    (reply, key): (&Response, Option<Value>),
    (asked, desired): (&Attributes, &Attributes),
) -> Result<Made, Error> {
    let what = format!("create the {}", noun(resource));
    let shown = item(resource, &create.operation.item, reply);
    let told = shown.as_ref().and_then(|native| resource.id_of(native));
    let known = match &create.id {
        Some(NewId::Header(name)) => reply.header(name).and_then(last_segment).map(Value::from),
        Some(NewId::Body(at)) => at.get(&json_body(reply)).cloned(),
        Some(NewId::Lookup(row)) if !shown.as_ref().is_some_and(|native| has(resource, *row, native, asked)) => {
            let current = looked_up(context, resource, *row, asked).await?;
            return Ok(Made { current, unseen: false, told: None });
        }
        Some(NewId::Lookup(_)) => None,
        None => key,
    };
    let known = known.and_then(|id| resource.id_in(&id));
    let is_new = |id: &Value, native: &Value| match &known {
        Some(known) => is_same_text(known, id),
        None => is_one(resource, native, asked),
    };
    match (shown, told) {
        (Some(native), Some(id)) if is_new(&id, &native) => {
            let unseen = !shows(resource, &native, asked, &acted(resource, asked, desired));
            Ok(Made { current: Found { id, native }.into_current(resource), unseen, told: None })
        }
        (_, told) => match known {
            Some(id) => {
                let current = Found { id, native: Value::Null }.into_current(resource);
                Ok(Made { current, unseen: true, told })
            }
            None if told.is_some() => {
                let hint =
                    "what was created, if it was, is left as it is: `create.id` in the mapping says which id it has";
                let read = read_back(context, resource, &what, (None, told), asked).await;
                let current = read.map_err(|error| error.with_done(hint))?;
                Ok(Made { current, unseen: false, told: None })
            }
            None => Err(not_understood(&what, "it does not say the new id where the mapping says")),
        },
    }
}

/// The new resource as the application has it.
async fn seen(
    context: &Context<'_>,
    resource: &Resource,
    Made { current, unseen, told }: Made,
    asked: &Attributes,
) -> Result<Current, Error> {
    let what = format!("create the {}", noun(resource));
    if unseen { read_back(context, resource, &what, (Some(current.id), told), asked).await } else { Ok(current) }
}

/// Whether a native object has the value that is asked for of a row.
fn has(resource: &Resource, row: usize, native: &Value, asked: &Attributes) -> bool {
    resource.rows.get(row).is_some_and(|row| match (row.decode(native), row.place.get(asked)) {
        (Some(shown), Some(asked)) => row.is_same(&shown, asked),
        _ => false,
    })
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
    let found = list::by_value(context, resource, row, value, None).await;
    let left = |error: Error| error.with_done(&format!("the {} was created and is left as it is", noun(resource)));
    found.map_err(left)?.ok_or_else(missing)
}

/// Whether a create call has left an attribute to its action. What nothing brings about is what a new resource is.
fn is_left(resource: &Resource, index: usize, (asked, desired): (&Attributes, &Attributes)) -> bool {
    resource.rows.get(index).is_some_and(|row| {
        let asked = row.place.get(asked).is_some() && !row.on_create;
        asked && (row.kind != Kind::Boolean || !actions_for(resource, index, desired).is_empty())
    })
}

/// The rows that actions write, whatever a new resource has there. What is true or false it may be already.
fn acted(resource: &Resource, asked: &Attributes, desired: &Attributes) -> Vec<usize> {
    let rows = resource.rows.iter().enumerate();
    let acted = |(index, row): &(usize, &Row)| {
        let state = row.kind == Kind::Boolean;
        !row.actions.is_empty() && !state && is_left(resource, *index, (asked, desired))
    };
    rows.filter(acted).map(|(index, _)| index).collect()
}

/// The rows of a new resource that are not as they are to be, and that actions write.
fn left_to_actions(resource: &Resource, created: &Current, (asked, desired): (&Attributes, &Attributes)) -> Vec<usize> {
    // Unless the application shows otherwise, it has made what the create call was given, and a default.
    let is_due = |index: usize, row: &Row| {
        let shown = row.place.get(&created.attributes).is_some();
        !row.actions.is_empty()
            && row.place.get(desired).is_some()
            && (shown || is_left(resource, index, (asked, desired)))
    };
    let mut changed = resource.changed(&created.attributes, desired);
    changed.retain(|index| resource.rows.get(*index).is_some_and(|row| is_due(*index, row)));
    changed
}

/// What a new resource still needs after the create call: the actions that are due, and members.
async fn finish(
    context: &Context<'_>,
    resource: &Resource,
    created: &Current,
    (due, desired, done): (&[usize], &Attributes, &mut Vec<usize>),
    (edits, users): (&[MemberEdit], Users<'_>),
) -> Result<Current, Error> {
    let after = act(context, resource, created.clone(), due, desired, done).await?;
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

/// Takes a half-made resource away where the mapping says so, and tells whether it is left, also in words.
async fn undo(context: &Context<'_>, resource: &Resource, create: &Create, created: &Current) -> (bool, String) {
    let name = noun(resource);
    let id = created.attributes.get("id").and_then(Value::as_str).unwrap_or_default();
    match &resource.delete {
        Some(_) if create.undo => match remove(context, resource, &created.id, Some(created.clone())).await {
            Ok(_) => (false, format!("the {name} was taken away again: send the request again")),
            Err(_) => (true, format!("the {name} `{id}` could not be taken away again and is left as it is")),
        },
        _ => (true, format!("the {name} `{id}` was created and is left as it is")),
    }
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
