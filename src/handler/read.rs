//! Reading one resource.

use serde_json::Value;

use super::Context;
use crate::mapping::Resource;
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::scim::{Error, Projection};

/// A native object with its id.
#[derive(Clone, Copy)]
pub(super) struct Object<'n> {
    pub(super) id: &'n Value,
    pub(super) native: &'n Value,
}

impl<'n> Object<'n> {
    /// What a call about it can name.
    pub(super) fn scope(self) -> Scope<'n> {
        Scope { id: Some(self.id), native: Some(self.native), ..Scope::default() }
    }
}

/// A resource as the application has it.
#[derive(Clone)]
pub(super) struct Current {
    /// The native id.
    pub(super) id: Value,
    /// The native object.
    pub(super) native: Value,
    /// Its SCIM attributes, without links.
    pub(super) attributes: Attributes,
}

impl Current {
    pub(super) fn object(&self) -> Object<'_> {
        Object { id: &self.id, native: &self.native }
    }
}

/// The resource with this SCIM id, or 404.
pub(super) async fn current(context: &Context<'_>, resource: &Resource, id: &str) -> Result<Current, Error> {
    let not_found = || Error::not_found(&resource.kind.name, id);
    let native_id = resource.native_id(id).ok_or_else(not_found)?;
    let native = context.native.read(resource, &native_id).await?.ok_or_else(not_found)?;
    let mut attributes = resource.decode(&native);
    // An application that folds letter case in its paths answers with another id than was asked for.
    match attributes.get("id").and_then(Value::as_str) {
        Some(found) if found != id => return Err(not_found()),
        Some(_) => {}
        None => {
            attributes.insert("id".to_owned(), id.into());
        }
    }
    Ok(Current { id: native_id, native, attributes })
}

/// The attributes of `current`, with its links where they are wanted.
pub(super) async fn with_links(
    context: &Context<'_>,
    resource: &Resource,
    mut current: Current,
    projection: &Projection,
) -> Result<Attributes, Error> {
    let mut attributes = std::mem::take(&mut current.attributes);
    if super::links::are_wanted(resource, projection) {
        super::links::read_into(context, resource, current.object(), &mut attributes).await?;
    }
    Ok(attributes)
}
