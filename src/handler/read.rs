//! Reading one resource.

use std::borrow::Cow;

use serde_json::Value;

use super::Context;
use crate::mapping::Resource;
use crate::mapping::template::Scope;
use crate::mapping::translate::Attributes;
use crate::mapping::view::View;
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

/// A native object that was found. It is translated as far as somebody needs it.
pub(super) struct Found {
    /// The native id.
    pub(super) id: Value,
    /// The native object.
    pub(super) native: Value,
}

impl Found {
    pub(super) fn object(&self) -> Object<'_> {
        Object { id: &self.id, native: &self.native }
    }

    /// All of it.
    pub(super) fn into_current(self, resource: &Resource) -> Current {
        let mut attributes = resource.decode(&self.native);
        if !attributes.contains_key("id")
            && let Some(id) = resource.scim_id(&self.id)
        {
            attributes.insert("id".to_owned(), id.into());
        }
        Current { id: self.id, native: self.native, attributes, is_whole: false }
    }

    /// The same of an object that has just been read on its own.
    pub(super) fn into_whole(self, resource: &Resource) -> Current {
        Current { is_whole: true, ..self.into_current(resource) }
    }

    /// All of it to be looked at only, with what it is linked with, if that is to be shown.
    pub(super) fn view<'v>(&'v self, resource: &'v Resource, linked: Option<(&'static str, Value)>) -> View<'v> {
        let mut view = resource.view(&self.native);
        if !view.has("id")
            && let Some(id) = resource.scim_id(&self.id)
        {
            view.put("id", View::Value(Cow::Owned(id.into())));
        }
        if let Some((attribute, linked)) = linked {
            view.put(attribute, View::Value(Cow::Owned(linked)));
        }
        view
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
    /// Whether the native object is all that the application has now: it was read, and nothing has been written since.
    pub(super) is_whole: bool,
}

impl Current {
    pub(super) fn object(&self) -> Object<'_> {
        Object { id: &self.id, native: &self.native }
    }
}

/// The resource with this SCIM id, or 404.
pub(super) async fn current(context: &Context<'_>, resource: &Resource, id: &str) -> Result<Current, Error> {
    Ok(found(context, resource, id).await?.into_whole(resource))
}

/// The native object of a resource, as it is now: what it was before a write, or a write's reply, may lack what others have
/// written or what the reply leaves out.
pub(super) async fn refreshed(
    context: &Context<'_>,
    resource: &Resource,
    mut current: Current,
) -> Result<Current, Error> {
    if !current.is_whole {
        let gone = || Error::not_found(&resource.kind.name, &resource.scim_id(&current.id).unwrap_or_default());
        current.native = context.native.read(resource, &current.id).await?.ok_or_else(gone)?;
        current.is_whole = true;
    }
    Ok(current)
}

/// The native object with this SCIM id, or 404.
pub(super) async fn found(context: &Context<'_>, resource: &Resource, id: &str) -> Result<Found, Error> {
    let not_found = || Error::not_found(&resource.kind.name, id);
    let native_id = resource.native_id(id).ok_or_else(not_found)?;
    let native = context.native.read(resource, &native_id).await?.ok_or_else(not_found)?;
    // An application that folds letter case in its paths answers with another id than was asked for.
    match resource.scim_id_of(&native) {
        Some(found) if found != id => Err(not_found()),
        _ => Ok(Found { id: native_id, native }),
    }
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
        // A reply to a write may leave them out.
        if !super::links::are_shown(resource, &current.native) {
            current = refreshed(context, resource, current).await?;
        }
        super::links::read_into(context, resource, current.object(), &mut attributes).await?;
    }
    Ok(attributes)
}
