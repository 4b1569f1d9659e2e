//! Whether some resources are linked with others, by the fewest calls that tell: whether somebody belongs to a group of
//! fifty thousand is one small call, where the application has one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{elements, is_excepted, present};
use crate::handler::Context;
use crate::handler::lookup::{by_ids, keys, shown_id};
use crate::handler::native::{is_absent, unfit};
use crate::handler::pages::rows_of_each;
use crate::handler::read::{Current, Object};
use crate::mapping::Resource;
use crate::mapping::codec::text_of;
use crate::mapping::links::{Link, LinkSource, MemberCall, Target, UserField};
use crate::mapping::template::Scope;
use crate::scim::Error;
use crate::scim::json::gathered;

/// What the calls are for.
const WHAT: &str = "find a membership";

/// What each of several resources is linked with, by SCIM id.
type Found = Vec<BTreeSet<String>>;

/// What resources at the other end are known by, by SCIM id.
type Keys = BTreeMap<String, Value>;

/// Those of `ids` that each of several resources is linked with.
pub(in crate::handler) async fn among(
    context: &Context<'_>,
    resource: &Resource,
    of: &[Object<'_>],
    ids: &[String],
) -> Result<Vec<Value>, Error> {
    let check = resource.members.as_ref().and_then(|members| Some((members, members.check.as_ref()?)));
    let (attribute, target) = match (&resource.links, check) {
        (Some(links), _) => (links.attribute, &links.target),
        (None, Some((members, _))) => ("members", &members.target),
        (None, None) => return Ok(vec![Value::Array(Vec::new()); of.len()]),
    };
    let asked: Vec<&String> = ids.iter().collect();
    let source = resource.links.as_ref().map(|links| &links.source);
    let found = if let Some(LinkSource::Field(field)) = source {
        by_field(context, target, field, of, &asked).await?
    } else {
        let mut known = keys(context, target, &asked).await?;
        known.retain(|_, key| !target.excepts(key));
        match (check, source) {
            _ if known.is_empty() => Vec::new(),
            (Some((_, check)), _) => checked(context, check, of, &known).await?,
            (None, Some(LinkSource::List { paging, link, find: Some(find), .. })) => {
                let scopes: Vec<Scope<'_>> = pairs(of, &known).collect();
                let rows = rows_of_each(context, WHAT, find, paging, &scopes).await?;
                let each = rows.chunks(known.len()).map(|lists| lists.iter().flatten().collect::<Vec<_>>());
                each.map(|rows| shown(context, target, link, &known, &rows)).collect()
            }
            (None, Some(source)) => listed_among(context, target, source, of, &known).await?,
            (None, None) => Vec::new(),
        }
    };
    let mut found = found.into_iter();
    let present = |found: BTreeSet<String>| {
        let found = found.iter().filter(|id| ids.contains(id));
        found.map(|id| present(context, attribute, target.kind, id)).collect()
    };
    let shown = |of: &Object<'_>| {
        let found = found.next().unwrap_or_default();
        present(if is_excepted(context, target, *of) { BTreeSet::new() } else { found })
    };
    Ok(of.iter().map(shown).collect())
}

/// Those of `known` whom the list of each of several resources has.
pub(in crate::handler) async fn listed_among(
    context: &Context<'_>,
    target: &Target,
    source: &LinkSource,
    of: &[Object<'_>],
    known: &Keys,
) -> Result<Found, Error> {
    match source {
        LinkSource::List { call, paging, link, .. } => {
            let scopes: Vec<Scope<'_>> = of.iter().map(|of| of.scope()).collect();
            let lists = rows_of_each(context, WHAT, call, paging, &scopes).await?;
            let each = lists.iter().map(|rows| rows.iter().collect::<Vec<_>>());
            Ok(each.map(|rows| shown(context, target, link, known, &rows)).collect())
        }
        LinkSource::Inline { link, .. } => {
            let each = of.iter().map(|of| elements(WHAT, source, of.native));
            each.map(|rows| Ok(shown(context, target, link, known, &rows?))).collect()
        }
        LinkSource::Field(_) => Ok(Vec::new()),
    }
}

/// A call for each resource and each key.
fn pairs<'v>(of: &'v [Object<'_>], known: &'v Keys) -> impl Iterator<Item = Scope<'v>> {
    of.iter().flat_map(|of| known.values().map(move |key| Scope { member: Some(key), ..of.scope() }))
}

/// The users tell which groups they have.
async fn by_field(
    context: &Context<'_>,
    target: &Target,
    field: &UserField,
    groups: &[Object<'_>],
    asked: &[&String],
) -> Result<Found, Error> {
    let Some(user) = context.native.mapping().resource(target.kind) else { return Ok(Vec::new()) };
    let users = by_ids(context, user, asked, |_| false).await?;
    let of_group = |group: &Object<'_>| {
        let has = |user: &Current| field.has(&user.native, group.id) && !target.excepts(&user.id);
        let members = users.iter().filter(|(_, user)| has(user));
        gathered(members.map(|(id, _)| id.clone()))
    };
    Ok(groups.iter().map(of_group).collect())
}

/// A call for each group and user tells.
async fn checked(
    context: &Context<'_>,
    check: &MemberCall,
    groups: &[Object<'_>],
    known: &Keys,
) -> Result<Found, Error> {
    let requests = pairs(groups, known).map(|scope| check.call.render(&scope));
    let requests = requests.collect::<Result<Vec<_>, _>>().map_err(|reason| unfit(&reason))?;
    let mut replies = context.native.ask_all(WHAT, requests, &check.done).await?.into_iter();
    let mut found = Vec::with_capacity(groups.len());
    for _ in groups {
        let mut members = BTreeSet::new();
        for (id, reply) in known.keys().zip(replies.by_ref()) {
            let reply = reply?;
            if is_absent(&reply, &check.done) {
                continue;
            }
            match context.native.check(WHAT, reply) {
                // An error rule's 404 is one, too.
                Err(error) if error.status == 404 => {}
                checked => {
                    checked?;
                    members.insert(id.clone());
                }
            }
        }
        found.push(members);
    }
    Ok(found)
}

/// The ids that rows or elements show, as far as they are of the target's own type.
fn shown(context: &Context<'_>, target: &Target, link: &Link, known: &Keys, rows: &[&Value]) -> BTreeSet<String> {
    let id = |row: &&Value| match (&link.id, target.by) {
        _ if link.kind(row, target.kind) != Some(target.kind) => None,
        (None, Some(_)) => {
            let key = text_of(link.at.get(row)?);
            known.iter().find(|(_, known)| text_of(known) == key).map(|(id, _)| id.clone())
        }
        _ => shown_id(context, target, link, row, target.kind),
    };
    gathered(rows.iter().filter_map(id))
}
