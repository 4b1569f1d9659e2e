//! What an application has made of a write: which resource it was, and what is shown of it.

use serde_json::Value;

use crate::handler::Context;
use crate::handler::read::{Current, Found};
use crate::mapping::codec::text_of;
use crate::mapping::errors::not_understood;
use crate::mapping::translate::Attributes;
use crate::mapping::{Resource, Row};
use crate::scim::{Error, Kind};

/// The native id that a resource gets by a value that is written to its field: a name, an address.
pub(super) fn id_in_rows<'r>(
    resource: &Resource,
    mut rows: impl Iterator<Item = &'r Row>,
    desired: &Attributes,
) -> Result<Option<Value>, Error> {
    let at = resource.id_row().and_then(|row| row.native.as_ref());
    let wanted = rows.find_map(|row| {
        let names = row.native.as_ref() == at && row.place.attribute != "id";
        row.place.get(desired).filter(|_| names).map(|value| row.encode(value))
    });
    wanted.transpose()
}

/// Whether two names are one. Letter case makes no difference: where it does in the application, no reply to a write is
/// about the other one.
pub(super) fn is_same_text(a: &Value, b: &Value) -> bool {
    text_of(a).to_lowercase() == text_of(b).to_lowercase()
}

/// The rows that tell resources apart, since each has them and no action changes them later, with what a native object shows
/// of them and what is wanted there.
fn required<'r>(
    resource: &'r Resource,
    native: &'r Value,
    desired: &'r Attributes,
) -> impl Iterator<Item = (&'r Row, Option<Value>, &'r Value)> {
    let is_required = |row: &Row| {
        let attribute = || resource.kind.attribute(&row.place.attribute);
        let whole = row.place.element.is_none() && row.place.sub.is_none() && row.place.extension.is_none();
        let tells = row.kind != Kind::Boolean && (row.actions.is_empty() || row.on_create);
        tells && (row.required || (whole && attribute().is_some_and(|attribute| attribute.required)))
    };
    let rows = resource.rows.iter().filter(move |row| row.readable() && row.native.is_some() && is_required(row));
    rows.filter_map(|row| Some((row, row.decode(native).map(std::borrow::Cow::into_owned), row.place.get(desired)?)))
}

/// Whether a reply's object is a resource, and not a record of what has been done, by what every resource has.
pub(super) fn is_one(resource: &Resource, native: &Value, desired: &Attributes) -> bool {
    required(resource, native, desired).all(|(_, shown, _)| shown.is_some())
}

/// Whether an object is the resource that was written, by what every resource has.
fn is_it(resource: &Resource, native: &Value, desired: &Attributes) -> bool {
    let mut rows = required(resource, native, desired).peekable();
    let is_same = |row: &Row, shown: &Value, wanted: &Value| row.is_same(shown, wanted) || is_same_name(shown, wanted);
    rows.peek().is_some() && rows.all(|(row, shown, wanted)| shown.is_some_and(|shown| is_same(row, &shown, wanted)))
}

/// Whether two names are one, to which the application may add a domain, or which it keeps without. Nothing more: who is
/// called `user10` is not `user1`.
fn is_same_name(a: &Value, b: &Value) -> bool {
    let (a, b) = (text_of(a).to_lowercase(), text_of(b).to_lowercase());
    let bare = |name: &str| {
        let name = name.rsplit('\\').next().unwrap_or_default();
        name.split('@').next().unwrap_or_default().to_owned()
    };
    a == b || bare(&a) == b || a == bare(&b)
}

/// Reads what has just been written, where the reply does not show what the application made of it. It has the id that is
/// `known`; or the one that was `told` by a reply that may be about something else, such as an operation with an id of its
/// own, if that is what was written: some applications make names of their own of what they are given.
pub(super) async fn read_back(
    context: &Context<'_>,
    resource: &Resource,
    what: &str,
    (known, told): (Option<Value>, Option<Value>),
    desired: &Attributes,
) -> Result<Current, Error> {
    let told = told.filter(|told| Some(told) != known.as_ref());
    if let Some(id) = known
        && let Some(native) = context.native.read(resource, &id).await?
    {
        let id = resource.id_of(&native).unwrap_or(id);
        return Ok(Found { id, native }.into_whole(resource));
    }
    let Some(id) = told else {
        return Err(not_understood(what, "what it has written cannot be read"));
    };
    match context.native.read(resource, &id).await? {
        Some(native) if is_it(resource, &native, desired) => Ok(Found { id, native }.into_whole(resource)),
        _ => Err(not_understood(
            what,
            &format!("the id that it says, `{}`, is not that of what was written", text_of(&id)),
        )),
    }
}

/// Whether a reply's object has a field, be it null, for everything that was wanted and can be read, but for the rows that
/// an action will write.
pub(super) fn shows(resource: &Resource, native: &Value, desired: &Attributes, acted: &[usize]) -> bool {
    resource.rows.iter().enumerate().all(|(index, row)| match &row.native {
        Some(at) if row.readable() && row.place.get(desired).is_some() && !acted.contains(&index) => {
            at.get(native).is_some()
        }
        _ => true,
    })
}

/// Whether a reply to a write leaves nothing out that there was before.
pub(super) fn has_fields_of(reply: &Value, before: &Value) -> bool {
    before.as_object().is_none_or(|fields| fields.keys().all(|name| reply.get(name).is_some()))
}

/// Whether an application that has accepted a change shows the value from before. One that writes values in a way of its
/// own (lower case, other punctuation, cut off, with a prefix) may take the new one for the old one, and a cleared one may
/// have a default; of a list it may keep the values alone, in an order of its own; and a part of a text may be another part
/// when it is read. What it does not keep at all, the answer shows.
pub(super) fn is_unmade(row: &Row, (before, desired, after): (&Attributes, &Attributes, &Attributes)) -> bool {
    let (Some(wanted), Some(shown)) = (row.place.get(desired), row.place.get(after)) else { return false };
    let plain = |value: &Value| text_of(value).to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
    let comparable = row.readable() && row.part.is_none() && !wanted.is_array();
    let is_alike = |wanted: &str, shown: &str| {
        let long = wanted.len().min(shown.len()) >= 4;
        wanted == shown || (long && (wanted.contains(shown) || shown.contains(wanted)))
    };
    comparable && row.place.get(before) == Some(shown) && !is_alike(&plain(wanted), &plain(shown))
}
