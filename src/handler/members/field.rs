//! Membership that is a field of the user: the user's own update changes it.

use serde_json::Value;

use super::{Changes, Group, settled};
use crate::exchange::Request;
use crate::handler::Context;
use crate::handler::lookup::by_ids;
use crate::handler::native::{is_absent, unfit};
use crate::handler::read::Current;
use crate::handler::write::refuse_protected;
use crate::mapping::links::UserField;
use crate::mapping::template::Scope;
use crate::mapping::{Resource, Update};
use crate::scim::Error;

/// Gives users the group, or takes it from them. Who is removed and not there any more needs nothing.
pub(super) async fn edit(
    context: &Context<'_>,
    field: &UserField,
    group: &Group<'_>,
    changes: &Changes,
) -> Result<(), Error> {
    let Some((user, update)) = context.native.mapping().resource("User").and_then(|it| Some((it, it.update.as_ref()?)))
    else {
        return Err(Error::mutability("the application has no call that changes the groups of a user"));
    };
    // As its own object writes the id: an address has no numbers.
    let own = group.resource.id_row().and_then(|row| row.native.as_ref()?.get(group.native.as_ref()?));
    let id = own.unwrap_or(group.id);
    let target = group.resource.members.as_ref().map(|members| &members.target);
    let excepts = |id: &&String| target.zip(user.native_id(id)).is_some_and(|(target, id)| target.excepts(&id));
    for (who, verb) in [(&changes.remove, "remove"), (&changes.add, "add")] {
        let who: Vec<&String> = who.iter().filter(|id| !excepts(id)).collect();
        let requests = requests(context, field, (user, update), id, &who, verb == "add").await?;
        let what = format!("{verb} a member");
        let (names, requests): (Vec<String>, Vec<Request>) = requests.into_iter().unzip();
        let total = requests.len();
        let stop = |reply: &Result<_, Error>| context.native.is_in_trouble(&what, reply);
        let replies = context.native.send_until(&what, requests, stop).await?;
        let judge = |reply| match reply {
            Ok(reply) if is_absent(&reply, &update.operation.absent) && verb == "add" => Err(no_such_user()),
            Ok(reply) if is_absent(&reply, &update.operation.absent) => Ok(()),
            Ok(reply) => context.native.check(&what, reply).map(|_| ()),
            Err(error) => Err(error),
        };
        let name = |id: String| format!("the member `{id}`");
        settled(verb, total, names.into_iter().zip(replies).map(|(id, reply)| (name(id), judge(reply))).collect())?;
    }
    Ok(())
}

/// The updates of the users whose field changes, by SCIM id.
async fn requests(
    context: &Context<'_>,
    field: &UserField,
    (user, update): (&Resource, &Update),
    group: &Value,
    ids: &[&String],
    add: bool,
) -> Result<Vec<(String, Request)>, Error> {
    // Where a user has one group and an update sends what changes, who is added need not be read.
    let blind = add && !field.list && !update.needs_current() && user.protect.is_empty();
    if blind {
        let natives = ids.iter().filter_map(|id| Some(((*id).clone(), user.native_id(id)?)));
        return natives
            .map(|(id, native)| {
                let body = update.field_body(&field.at, group.clone(), &Value::Null, &Scope::default());
                Ok((id, rendered(update, &Scope { id: Some(&native), ..Scope::default() }, body)?))
            })
            .collect();
    }
    // An update may send the whole object: rows that lack fields would take them away.
    let users = by_ids(context, user, ids, |_| true).await?;
    if add && let Some(missing) = ids.iter().find(|id| !users.contains_key(**id)) {
        return Err(Error::invalid_value(format!("there is no user `{missing}`, who is to be a member")));
    }
    let mut requests = Vec::new();
    for (id, current) in users {
        let Some(value) = field.changed(&current.native, group, add) else { continue };
        if !add && !field.list && value == *group {
            return Err(Error::mutability(format!(
                "`{id}` cannot leave the group that every user without another belongs to"
            )));
        }
        refuse_protected(user, &current.attributes)?;
        requests.push((id, request(field, (user, update), &current, value)?));
    }
    Ok(requests)
}

fn request(
    field: &UserField,
    (user, update): (&Resource, &Update),
    current: &Current,
    value: Value,
) -> Result<Request, Error> {
    let rows = user.native_values(&current.attributes)?;
    let scope = Scope { rows: &rows, ..current.object().scope() };
    let body = update.field_body(&field.at, value, &current.native, &scope);
    rendered(update, &scope, body)
}

fn rendered(update: &Update, scope: &Scope<'_>, body: Value) -> Result<Request, Error> {
    update.operation.call.render_with(scope, &[], Some(body)).map_err(|reason| unfit(&reason))
}

fn no_such_user() -> Error {
    Error::invalid_value("there is no such user")
}
