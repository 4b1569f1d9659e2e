//! Look-ups of resources that others are linked with: by their ids, and by what else the application knows them by.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Context;
use super::list::{all, found, whole};
use super::native::noun;
use super::pages::rows_of_list;
use super::read::{Current, Found};
use crate::mapping::codec::text_of;
use crate::mapping::links::{Link, Target};
use crate::mapping::template::Scope;
use crate::mapping::{Batch, How, List, Resource, Row};
use crate::scim::json::gathered;
use crate::scim::{AttributePath, CompareOp, Error};

impl Target {
    /// The resource type, and the row whose value stands for its resources where that is not the id.
    fn known_by<'m>(&self, context: &Context<'m>) -> Option<(&'m Resource, usize, &'m Row)> {
        let resource = context.native.mapping().resource(self.kind)?;
        let index = self.by?;
        Some((resource, index, resource.rows.get(index)?))
    }
}

/// What the application knows these resources by in calls, by SCIM id. Those that are not there are left out.
pub(super) async fn keys(
    context: &Context<'_>,
    target: &Target,
    ids: &[&String],
) -> Result<BTreeMap<String, Value>, Error> {
    let found = match target.known_by(context) {
        Some((resource, _, row)) => {
            by_ids(context, resource, ids, |path| path.attribute == row.place.attribute).await?
        }
        None => BTreeMap::new(),
    };
    let name = |id: &String| Some((id.clone(), name(context, target, id, found.get(id))?));
    Ok(gathered(ids.iter().filter_map(|id| name(id))))
}

/// What calls name the resource with this SCIM id by. Where that is not the id, it must have been read.
pub(super) fn name(context: &Context<'_>, target: &Target, id: &str, found: Option<&Current>) -> Option<Value> {
    let key = match target.known_by(context) {
        Some((_, _, row)) => row.native.as_ref()?.get(&found?.native).filter(|key| !key.is_null()).cloned()?,
        None => native_id(context.native.mapping().resource(target.kind), id)?,
    };
    target.name(&key)
}

/// The SCIM id that a row or an element of a list shows.
pub(super) fn shown_id(context: &Context<'_>, target: &Target, link: &Link, row: &Value, kind: &str) -> Option<String> {
    let resource = context.native.mapping().resource(kind);
    match &link.id {
        None if kind == target.kind => scim_id(resource, &target.key(link.at.get(row)?)?),
        at => scim_id(resource, at.as_ref().unwrap_or(&link.at).get(row)?),
    }
}

/// The SCIM ids of resources, by the text of what lists name them by. Those that are not there are left out.
pub(super) async fn ids(
    context: &Context<'_>,
    target: &Target,
    names: &[Value],
) -> Result<BTreeMap<String, String>, Error> {
    let known: Vec<(&Value, Value)> = names.iter().filter_map(|name| Some((name, target.key(name)?))).collect();
    let Some((resource, index, row)) = target.known_by(context) else {
        let resource = context.native.mapping().resource(target.kind);
        return Ok(gathered(known.iter().filter_map(|(name, key)| Some((text_of(name), scim_id(resource, key)?)))));
    };
    bounded(context, known.len())?;
    let mut ids = BTreeMap::new();
    let keys: Vec<Value> = known.iter().map(|(_, key)| key.clone()).collect();
    for user in by_values(context, resource, index, &keys).await? {
        let key = row.native.as_ref().and_then(|at| at.get(&user.native));
        if let (Some(key), Some(id)) = (key, resource.scim_id(&user.id)) {
            ids.insert(spelling(row, key), id);
        }
    }
    let id = |key: &Value| ids.get(&spelling(row, key)).cloned();
    Ok(gathered(known.iter().filter_map(|(name, key)| Some((text_of(name), id(key)?)))))
}

/// The resources with these SCIM ids: in calls for several where the mapping has one, else one by one, side by side.
/// `wanted` says what is needed of them.
pub(super) async fn by_ids(
    context: &Context<'_>,
    resource: &Resource,
    ids: &[&String],
    wanted: impl Fn(&AttributePath) -> bool,
) -> Result<BTreeMap<String, Current>, Error> {
    let natives: Vec<Value> = ids.iter().filter_map(|id| resource.native_id(id)).collect();
    bounded(context, natives.len())?;
    let batch = resource.list.as_ref().and_then(|list| Some((list, batch(list, resource.id)?)));
    let all = match batch {
        Some((list, batch)) => in_batches(context, resource, list, batch, &natives, wanted).await?,
        None => {
            let objects = context.native.read_all(resource, &natives).await?;
            found(resource, objects.into_iter().flatten().collect())?
        }
    };
    // An application that folds letter case answers with others than were asked for.
    let among: BTreeSet<&String> = gathered(ids.iter().copied());
    let asked = |id: &String| among.contains(id);
    let one = |it: Found| Some((resource.scim_id(&it.id).filter(asked)?, it.into_current(resource)));
    Ok(gathered(all.into_iter().filter_map(one)))
}

/// Resources among which are all whose row has one of these native values.
async fn by_values(
    context: &Context<'_>,
    resource: &Resource,
    index: usize,
    values: &[Value],
) -> Result<Vec<Found>, Error> {
    let Some(list) = resource.list.as_ref().filter(|_| !values.is_empty()) else {
        return Ok(Vec::new());
    };
    let row = resource.rows.get(index);
    let wanted = |path: &AttributePath| row.is_some_and(|row| row.place.attribute == path.attribute);
    let what = format!("find the {}", noun(resource));
    if let Some(batch) = batch(list, index) {
        return in_batches(context, resource, list, batch, values, wanted).await;
    }
    let declared = list.filters.iter().find(|it| it.row == Some(index) && it.op == CompareOp::Eq);
    let scopes: Vec<Scope<'_>> = values.iter().map(|value| Scope { value: Some(value), ..Scope::default() }).collect();
    let rows = match declared.map(|narrowing| &narrowing.how) {
        Some(How::Query(query, other)) => {
            let parts = other.as_deref().map_or(list.parts.as_slice(), std::slice::from_ref);
            let rows = rows_of_list(&context.native, &what, parts, query, &scopes).await?;
            found(resource, rows.into_iter().flatten().collect())?
        }
        Some(How::Call(operation)) => {
            let objects = context.native.objects(&what, resource, operation, &scopes).await?;
            found(resource, objects.into_iter().flatten().collect())?
        }
        Some(How::Read(id)) => {
            let ids: Vec<Value> = scopes.iter().map(|scope| id.plain(scope).into()).collect();
            let objects = context.native.read_all(resource, &ids).await?;
            return found(resource, objects.into_iter().flatten().collect());
        }
        Some(How::Find(..)) | None => all(context, resource, &list.all_parts(), &[]).await?,
    };
    whole(context, resource, list, rows, wanted).await
}

fn batch(list: &List, row: usize) -> Option<&Batch> {
    list.batches.iter().find(|batch| batch.row == row)
}

async fn in_batches(
    context: &Context<'_>,
    resource: &Resource,
    list: &List,
    batch: &Batch,
    values: &[Value],
    wanted: impl Fn(&AttributePath) -> bool,
) -> Result<Vec<Found>, Error> {
    let what = format!("find {}s", noun(resource));
    let lists: Vec<Value> = values.chunks(batch.max).map(|values| Value::Array(values.to_vec())).collect();
    let scopes: Vec<Scope<'_>> = lists.iter().map(|list| Scope { list: Some(list), ..Scope::default() }).collect();
    let rows = rows_of_list(&context.native, &what, std::slice::from_ref(&batch.list), &[], &scopes).await?;
    whole(context, resource, list, found(resource, rows.into_iter().flatten().collect())?, wanted).await
}

/// A look-up is a call: as many rows as may be read.
fn bounded(context: &Context<'_>, count: usize) -> Result<(), Error> {
    let most = context.native.mapping().limits.scan;
    if count <= most {
        return Ok(());
    }
    Err(Error::too_many(format!(
        "{count} resources of the application would have to be looked up; the limit is {most}"
    )))
}

/// The one way in which a native value is written, whatever way the application writes it.
fn spelling(row: &Row, native: &Value) -> String {
    let scim = row.codec.decode(Cow::Borrowed(native), row.kind);
    let again = scim.and_then(|scim| row.codec.encode(&scim).ok());
    text_of(again.as_ref().unwrap_or(native))
}

/// The SCIM id for a native one; a type without a mapping of its own has the same.
pub(super) fn scim_id(resource: Option<&Resource>, native: &Value) -> Option<String> {
    match resource {
        Some(resource) => resource.scim_id(native),
        None => Some(text_of(native)),
    }
}

/// The native id for a SCIM id; `None` if no resource can have it.
pub(super) fn native_id(resource: Option<&Resource>, id: &str) -> Option<Value> {
    match resource {
        Some(resource) => resource.native_id(id),
        None => Some(id.into()),
    }
}
