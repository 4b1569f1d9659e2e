//! What resources show of those that they are linked with: the members of groups, the groups of users.

mod among;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(super) use self::among::{among, listed_among};

use super::Context;
use super::list::{all, found, listed, whole};
use super::lookup::{ids, shown_id};
use super::pages::{ended_early, rows_of_each, rows_of_list};
use super::read::{Found, Object};
use crate::mapping::Resource;
use crate::mapping::codec::{is_no_element, text_of};
use crate::mapping::errors::not_understood;
use crate::mapping::links::{Link, LinkSource, Links, Members, Target, UserField};
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::scim::json::gathered;
use crate::scim::{AttributePath, Error, Projection};

/// One end of a link, seen from the other.
pub(super) struct Linked<'m> {
    pub(super) id: String,
    /// What calls name it by.
    pub(super) native: Value,
    /// Its resource type.
    pub(super) kind: &'m str,
    /// Whether it is neither shown nor changed: it is to be left alone, or nobody whom clients could see.
    pub(super) hidden: bool,
    /// The link's own keys: that of each row that it has.
    pub(super) keys: Vec<Value>,
    display: Option<Value>,
}

impl Linked<'_> {
    /// As clients see it.
    pub(super) fn present(&self, context: &Context<'_>, attribute: &str) -> Value {
        let mut value = present(context, attribute, self.kind, &self.id);
        if let (Some(display), Some(object)) = (&self.display, value.as_object_mut()) {
            object.insert("display".to_owned(), display.clone());
        }
        value
    }
}

/// A link to the resource with this id, as clients see it.
pub(super) fn present(context: &Context<'_>, attribute: &str, kind: &str, id: &str) -> Value {
    let mut value = json!({ "value": id });
    let Some(object) = value.as_object_mut() else { return value };
    if attribute == "members" {
        object.insert("type".to_owned(), kind.into());
    }
    if let Some(resource) = context.native.mapping().resource(kind) {
        object.insert("$ref".to_owned(), context.location(resource, id).into());
    }
    value
}

/// Whether a response will carry links, so that they must be read.
pub(super) fn are_wanted(resource: &Resource, projection: &Projection) -> bool {
    resource.links.as_ref().is_some_and(|links| projection.wants(&resource.kind, links.attribute))
}

/// Whether a native object has the links of its resource, if they are read from it.
pub(super) fn are_shown(resource: &Resource, native: &Value) -> bool {
    match resource.links.as_ref().map(|links| &links.source) {
        Some(LinkSource::Inline { at, .. }) => at.get(native).is_some(),
        _ => true,
    }
}

/// Whether the application tells in any way who is linked with whom.
pub(super) fn can_be_found(resource: &Resource) -> bool {
    resource.links.is_some() || resource.members.as_ref().is_some_and(|members| members.check.is_some())
}

/// Adds the links of a resource to its attributes.
pub(super) async fn read_into(
    context: &Context<'_>,
    resource: &Resource,
    object: Object<'_>,
    attributes: &mut Attributes,
) -> Result<(), Error> {
    if let Some(links) = &resource.links {
        attributes.insert(links.attribute.to_owned(), of(context, resource, object).await?);
    }
    Ok(())
}

/// The links of a resource.
pub(super) async fn of(context: &Context<'_>, resource: &Resource, object: Object<'_>) -> Result<Value, Error> {
    let found = of_each(context, resource, &[object]).await?.pop();
    Ok(found.unwrap_or_else(|| Value::Array(Vec::new())))
}

/// The links of each of several resources, read side by side.
pub(super) async fn of_each(
    context: &Context<'_>,
    resource: &Resource,
    of: &[Object<'_>],
) -> Result<Vec<Value>, Error> {
    let Some(links) = &resource.links else {
        return Ok(vec![Value::Array(Vec::new()); of.len()]);
    };
    let linked = linked_of_each(context, links, of).await?;
    let present = |linked: &Vec<Linked<'_>>| {
        let shown = linked.iter().filter(|it| !it.hidden);
        shown.map(|it| it.present(context, links.attribute)).collect()
    };
    Ok(linked.iter().map(present).collect())
}

/// What each of several resources is linked with.
pub(super) async fn linked_of_each<'m>(
    context: &Context<'_>,
    links: &'m Links,
    of: &[Object<'_>],
) -> Result<Vec<Vec<Linked<'m>>>, Error> {
    let what = format!("read the {}", links.attribute);
    let mut each = match &links.source {
        LinkSource::Inline { link, .. } => {
            let elements = of.iter().map(|of| elements(&what, &links.source, of.native));
            linked(context, (&links.target, link), &elements.collect::<Result<Vec<_>, _>>()?).await?
        }
        LinkSource::List { call, paging, link, .. } => {
            let scopes: Vec<Scope<'_>> = of.iter().map(|of| of.scope()).collect();
            let lists = rows_of_each(context, &what, call, paging, &scopes).await?;
            let elements: Vec<Vec<&Value>> = lists.iter().map(|rows| rows.iter().collect()).collect();
            linked(context, (&links.target, link), &elements).await?
        }
        LinkSource::Field(field) => users_of_each(context, &links.target, field, of).await?,
    };
    for (linked, of) in each.iter_mut().zip(of) {
        if is_excepted(context, &links.target, *of) {
            linked.clear();
        }
        *linked = once(std::mem::take(linked));
    }
    Ok(each)
}

/// Who has several rows, one for each role, is linked once, with the keys of all of them.
fn once(rows: Vec<Linked<'_>>) -> Vec<Linked<'_>> {
    let mut all: Vec<Linked<'_>> = Vec::with_capacity(rows.len());
    let mut places = BTreeMap::new();
    for row in rows {
        if !row.hidden {
            let place = *places.entry(format!("{} {}", row.kind, row.id)).or_insert(all.len());
            if let Some(first) = all.get_mut(place) {
                first.keys.extend(row.keys);
                continue;
            }
        }
        all.push(row);
    }
    all
}

/// Whether a resource is one whom those at the other end neither show nor change, as groups do with whom their `members`
/// except.
fn is_excepted(context: &Context<'_>, target: &Target, of: Object<'_>) -> bool {
    let other = context.native.mapping().resource(target.kind);
    let Some(Members { target, .. }) = other.and_then(|other| other.members.as_ref()) else { return false };
    let own = context.native.mapping().resource(target.kind);
    let key = match target.by.and_then(|row| own?.rows.get(row)) {
        Some(row) => row.native.as_ref().and_then(|at| at.get(of.native)),
        None => Some(of.id),
    };
    key.and_then(|key| target.name(key)).is_some_and(|name| target.excepts(&name))
}

/// The elements of an inline list. One that is cut short is refused: who is missing would be taken for gone.
pub(super) fn elements<'v>(what: &str, source: &LinkSource, native: &'v Value) -> Result<Vec<&'v Value>, Error> {
    let LinkSource::Inline { at, total, single, .. } = source else { return Ok(Vec::new()) };
    let elements = match at.get(native) {
        None => Vec::new(),
        Some(nothing) if is_no_element(nothing) => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) if *single => vec![one],
        Some(_) => return Err(not_understood(what, &format!("there is no list at `{at}`"))),
    };
    let total = total.as_ref().and_then(|total| text_of(total.get(native)?).trim().parse().ok());
    if total.is_some_and(|total: usize| elements.len() < total) { Err(ended_early(what)) } else { Ok(elements) }
}

/// What rows or elements say. Those at the other end whose id nothing says are looked up together; who is not found stays
/// where a list is sent back, and is not shown.
async fn linked<'m>(
    context: &Context<'_>,
    (target, link): (&'m Target, &'m Link),
    lists: &[Vec<&Value>],
) -> Result<Vec<Vec<Linked<'m>>>, Error> {
    let looked_up = |kind: &str| target.by.is_some() && link.id.is_none() && kind == target.kind;
    let rows = lists.iter().flatten().filter(|row| link.kind(row, target.kind).is_some_and(looked_up));
    let unknown: BTreeMap<String, Value> =
        gathered(rows.filter_map(|row| link.at.get(row).map(|key| (text_of(key), key.clone()))));
    let found = ids(context, target, &unknown.into_values().collect::<Vec<_>>()).await?;
    let one = |row: &&Value| {
        let kind = link.kind(row, target.kind)?;
        let native = link.at.get(row).cloned().unwrap_or_default();
        let id = if looked_up(kind) {
            found.get(&text_of(&native)).cloned()
        } else {
            shown_id(context, target, link, row, kind)
        };
        let shown = link
            .display
            .as_ref()
            .and_then(|at| at.get(row))
            .filter(|name| name.as_str().is_some_and(|name| !name.is_empty()))
            .cloned();
        let fixed = context.native.mapping().resource(kind).filter(|_| kind == target.kind);
        let display = shown.or_else(|| fixed_name(fixed?, id.as_ref()?));
        let hidden = id.is_none() || (kind == target.kind && target.excepts(&native));
        let keys = link.key.as_ref().and_then(|at| at.get(row)).cloned().into_iter().collect();
        Some(Linked { id: id.unwrap_or_default(), native, kind, hidden, keys, display })
    };
    Ok(lists.iter().map(|rows| rows.iter().filter_map(one).collect()).collect())
}

/// The attributes, the best first, that are shown as the name of one that something is linked with.
const NAMES: [&str; 2] = ["displayName", "userName"];

/// The name that a native object shows.
fn name_in(resource: &Resource, native: &Value) -> Option<Value> {
    let mut names = resource.decode_some(native, |name| NAMES.contains(&name));
    NAMES.into_iter().find_map(|name| names.remove(name)).filter(Value::is_string)
}

/// The name of a resource that stands in the mapping.
fn fixed_name(resource: &Resource, id: &str) -> Option<Value> {
    let mut fixed = resource.fixed.iter().flatten();
    let object = fixed.find(|object| resource.scim_id_of(object).is_some_and(|found| found == id))?;
    name_in(resource, object)
}

/// The users who have each of several groups in their field.
async fn users_of_each<'m>(
    context: &Context<'_>,
    target: &'m Target,
    field: &UserField,
    groups: &[Object<'_>],
) -> Result<Vec<Vec<Linked<'m>>>, Error> {
    let Some(user) = context.native.mapping().resource(target.kind) else { return Ok(Vec::new()) };
    let list = listed(user)?;
    // Rows that lack the groups of a user lack the field, too.
    let is_name = |path: &AttributePath| path.attribute == "groups" || NAMES.contains(&path.attribute.as_str());
    let users: Vec<Vec<Found>> = match &field.find {
        Some(find) => {
            let scopes: Vec<Scope<'_>> = groups.iter().map(|group| group.scope()).collect();
            let mut users = Vec::with_capacity(groups.len());
            for rows in rows_of_list(&context.native, "read the members", &list.parts, find, &scopes).await? {
                users.push(whole(context, user, list, found(user, rows)?, is_name).await?);
            }
            users
        }
        None if groups.is_empty() => Vec::new(),
        None => vec![whole(context, user, list, all(context, user, &list.all_parts(), &[]).await?, is_name).await?],
    };
    let one = |found: &Found| {
        let name = name_in(user, &found.native);
        let id = user.scim_id(&found.id)?;
        let hidden = target.excepts(&found.id);
        Some(Linked { id, native: found.id.clone(), kind: target.kind, hidden, keys: Vec::new(), display: name })
    };
    // Without a query for one group's users, all groups share the list of all users.
    let of_group = |(index, group): (usize, &Object<'_>)| {
        let users = users.get(if field.find.is_some() { index } else { 0 }).into_iter().flatten();
        users.filter(|user| field.has(&user.native, group.id)).filter_map(one).collect()
    };
    Ok(groups.iter().enumerate().map(of_group).collect())
}
