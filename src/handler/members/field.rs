//! Membership that is a field of the user: the user's own update changes it.

use serde_json::Value;

use super::Group;
use super::judge::{Verb, is_not_found, settled};
use super::plan::Plan;
use crate::exchange::{Request, Response};
use crate::handler::Context;
use crate::handler::native::{is_absent, unfit};
use crate::handler::read::Current;
use crate::handler::write::refuse_protected;
use crate::mapping::errors::not_understood;
use crate::mapping::links::UserField;
use crate::mapping::template::Scope;
use crate::mapping::{Resource, Update};
use crate::scim::Error;

/// Whether users are added without being read: where a user has one group and an update sends what changes.
pub(super) fn is_blind(field: &UserField, user: &Resource) -> bool {
    let needs_current = user.update.as_ref().is_some_and(Update::needs_current);
    !field.list && !needs_current && user.protect.is_empty()
}

/// Gives users the group, or takes it from them. Who is removed and not there any more needs nothing.
pub(super) async fn edit(
    context: &Context<'_>,
    field: &UserField,
    group: &Group<'_>,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    for (verb, requests) in requests(context, field, group, plan)? {
        let what = format!("{} a member", verb.as_str());
        let (names, requests): (Vec<String>, Vec<Request>) = requests.into_iter().unzip();
        let total = requests.len();
        let (_, update) = updated(context)?;
        let absent = &update.operation.absent;
        let replies = context.native.send_all(&what, requests, absent).await?;
        // The group has been read, so that a 404 is about the user.
        let judge = |reply: Result<Response, Error>| {
            let reply = reply?;
            let nothing_there = is_absent(&reply, absent);
            let checked = context.native.check(&what, reply).map(|_| ());
            match verb {
                _ if !nothing_there && !is_not_found(&checked) => checked,
                Verb::Add => Err(Error::invalid_value("there is no such user")),
                _ => Ok(()),
            }
        };
        let name = |id: String| format!("the member `{id}`");
        settled(verb, total, names.into_iter().zip(replies).map(|(id, reply)| (name(id), judge(reply))).collect())?;
    }
    Ok(())
}

/// Updates of users, by SCIM id.
type Updates = Vec<(String, Request)>;

/// The updates of the users whose field changes, those first who lose the group. What cannot be is refused.
pub(super) fn requests(
    context: &Context<'_>,
    field: &UserField,
    group: &Group<'_>,
    plan: &Plan<'_>,
) -> Result<[(Verb, Updates); 2], Error> {
    let (user, update) = updated(context)?;
    // As its own object writes the id: an address has no numbers.
    let own = group.resource.id_row().and_then(|row| row.native.as_ref()?.get(group.native?));
    let id = own.unwrap_or(group.id);
    let changed = |current: &Current, add: bool| {
        let changed = field.changed(&current.native, id, add);
        changed.map_err(|problem| not_understood("read the groups of a user", &problem))
    };
    let (mut removes, mut adds) = (Vec::new(), Vec::new());
    for member in plan.removed.keys() {
        let Some(current) = plan.users.found.get(member) else { continue };
        let Some(value) = changed(current, false)? else { continue };
        if !field.list && value == *id {
            return Err(Error::mutability(format!(
                "`{member}` cannot leave the group that every user without another belongs to"
            )));
        }
        refuse_protected(user, &current.attributes)?;
        removes.push((member.clone(), request(field, (user, update), current, value)?));
    }
    for (member, native) in &plan.added {
        if let Some(current) = plan.users.found.get(member) {
            let Some(value) = changed(current, true)? else { continue };
            refuse_protected(user, &current.attributes)?;
            adds.push((member.clone(), request(field, (user, update), current, value)?));
        } else {
            let body = update.field_body(&field.at, id.clone(), &Value::Null, &Scope::default())?;
            let scope = Scope { id: Some(native), ..Scope::default() };
            adds.push((member.clone(), rendered(update, &scope, body)?));
        }
    }
    Ok([(Verb::Remove, removes), (Verb::Add, adds)])
}

/// The resource type of users, and what changes them.
fn updated<'e>(context: &Context<'e>) -> Result<(&'e Resource, &'e Update), Error> {
    let user = context.native.mapping().resource("User");
    user.and_then(|user| Some((user, user.update.as_ref()?)))
        .ok_or_else(|| Error::mutability("the application has no call that changes the groups of a user"))
}

fn request(
    field: &UserField,
    (user, update): (&Resource, &Update),
    current: &Current,
    value: Value,
) -> Result<Request, Error> {
    let rows = user.native_values(&current.attributes)?;
    let scope = Scope { rows: &rows, ..current.object().scope() };
    let body = update.field_body(&field.at, value, &current.native, &scope)?;
    rendered(update, &scope, body)
}

fn rendered(update: &Update, scope: &Scope<'_>, body: Value) -> Result<Request, Error> {
    update.operation.call.render_with(scope, &[], Some(body)).map_err(|reason| unfit(&reason))
}
