//! Entity tags and preconditions (RFC 7644 section 3.14, RFC 9110 section 13).
//!
//! A tag covers everything that clients can read of a resource, but for `meta`, whatever attributes a request asks
//! for. The members of a group and the groups of a user belong to it. So where a response leaves them out, the
//! response has no tag; and a request with a precondition reads them, though nobody asks for
//! them. There is one tag for one state, and no native call is made for a tag that no client has named.

use serde_json::Value;

use super::read::{Current, Found, found, with_links};
use super::render::Written;
use super::{Answer, Body, Context, links};
use crate::exchange::Request;
use crate::mapping::Resource;
use crate::mapping::translate::Attributes;
use crate::mapping::view::View;
use crate::scim::etag::{self, Hashed};
use crate::scim::{Error, Projection};

/// The preconditions of a request.
#[derive(Default)]
pub(super) struct Conditions<'r> {
    if_match: Option<&'r str>,
    if_none_match: Option<&'r str>,
}

impl<'r> Conditions<'r> {
    pub(super) fn of(request: &'r Request) -> Self {
        Conditions { if_match: request.header("if-match"), if_none_match: request.header("if-none-match") }
    }

    /// Whether there are none, so that nothing has to be read for them.
    pub(super) fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    fn allow_match(&self, tag: &str) -> bool {
        self.if_match.is_none_or(|header| etag::if_match(header, tag))
    }

    fn allow_none_match(&self, tag: &str) -> bool {
        self.if_none_match.is_none_or(|header| etag::if_none_match(header, tag))
    }
}

/// What a request is about.
#[derive(Clone, Copy)]
pub(super) struct Target<'r> {
    pub(super) resource: &'r Resource,
    /// The SCIM id.
    pub(super) id: &'r str,
    pub(super) conditions: &'r Conditions<'r>,
}

/// The tag of a resource, if all of it has been read.
fn tag<'m, T: Hashed + 'm>(
    resource: &Resource,
    members: impl Iterator<Item = (&'m str, &'m T)> + Clone,
) -> Option<String> {
    if resource.links.as_ref().is_some_and(|links| members.clone().all(|(name, _)| name != links.attribute)) {
        return None;
    }
    Some(etag::of_members(members.filter(|(name, _)| !matches!(*name, "meta" | "schemas"))))
}

fn tag_of(resource: &Resource, attributes: &Attributes) -> Option<String> {
    tag(resource, attributes.iter().map(|(name, value)| (name.as_str(), value)))
}

/// A resource's attributes with everything that its tag covers, which is read now, and the tag.
async fn tagged(context: &Context<'_>, resource: &Resource, current: &Current) -> Result<(Attributes, String), Error> {
    let mut attributes = current.attributes.clone();
    links::read_into(context, resource, current.object(), &mut attributes).await?;
    let tag = tag_of(resource, &attributes).unwrap_or_default();
    Ok((attributes, tag))
}

/// GET of one resource (RFC 7644 section 3.4.1).
pub(super) async fn get(
    context: &Context<'_>,
    Target { resource, id, conditions }: Target<'_>,
    projection: &Projection,
) -> Result<Answer, Error> {
    let found = found(context, resource, id).await?;
    if conditions.is_empty() {
        let links = resource.links.as_ref().filter(|_| links::are_wanted(resource, projection));
        if context.shows_all(resource, projection, links) {
            let linked = match links {
                Some(links) => Some((links.attribute, links::of(context, resource, found.object()).await?)),
                None => None,
            };
            return Ok(context.answer_whole(resource, &found, linked));
        }
        let attributes = with_links(context, resource, found.into_whole(resource), projection).await?;
        return Ok(context.answer(200, resource, attributes, projection));
    }
    let (attributes, tag) = tagged(context, resource, &found.into_current(resource)).await?;
    if !conditions.allow_match(&tag) {
        return Err(changed());
    }
    if !conditions.allow_none_match(&tag) {
        let mut answer = Answer::empty(304);
        answer.headers.push(("etag".to_owned(), tag));
        return Ok(answer);
    }
    Ok(context.answer(200, resource, attributes, projection))
}

/// Whether a write may go on from this state, which nobody else must change until it is done.
pub(super) async fn check(
    context: &Context<'_>,
    resource: &Resource,
    current: &Current,
    conditions: &Conditions<'_>,
) -> Result<(), Error> {
    if conditions.is_empty() {
        return Ok(());
    }
    let (_, tag) = tagged(context, resource, current).await?;
    if conditions.allow_match(&tag) && conditions.allow_none_match(&tag) { Ok(()) } else { Err(changed()) }
}

fn changed() -> Error {
    Error::new(412, "the resource is not in the state that the request's precondition asks for")
}

impl Context<'_> {
    /// A response with one resource: its tag stands in `meta.version` and in the header field `ETag`.
    pub(super) fn answer(
        &self,
        status: u16,
        resource: &Resource,
        mut attributes: Attributes,
        projection: &Projection,
    ) -> Answer {
        let tag = tag_of(resource, &attributes);
        if let Some(tag) = &tag {
            let meta = attributes.entry("meta").or_insert_with(|| Value::Object(Attributes::new()));
            if let Value::Object(meta) = meta {
                meta.insert("version".to_owned(), tag.as_str().into());
            }
        }
        let mut answer = Answer::new(status, self.present(resource, attributes, projection));
        answer.headers.extend(tag.map(|tag| ("etag".to_owned(), tag)));
        answer
    }

    /// The same for a resource of which nothing has to be left out, which is written without a tree of its own.
    fn answer_whole(&self, resource: &Resource, found: &Found, linked: Option<(&'static str, Value)>) -> Answer {
        let mut view = found.view(resource, linked);
        let tag = tag(resource, view.members());
        if let (Some(tag), Some(meta)) = (&tag, view.member("meta")) {
            meta.put("version", View::Text(tag.into()));
        }
        self.describe_view(resource, &mut view);
        let mut text = Written::default();
        text.push_view(&view);
        let headers = tag.iter().map(|tag| ("etag".to_owned(), tag.clone())).collect();
        Answer { status: 200, headers, body: Body::Resource(text) }
    }
}
