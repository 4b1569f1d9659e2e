//! Targets, queries, filters, paths and keys as clients spell them.

use std::borrow::Cow;

use serde_json::Value;

use super::quirks::{
    BARE_EXTENSION_ATTRIBUTE, BARE_LITERAL, BROKEN_URN, CORE_URN_KEY, DOTTED_KEY, LEADING_SLASH, MANAGER_ID,
    PLUS_FOR_SPACE, Quirk, SINGULAR_NAME, STRAY_QUESTION_MARK, TRAILING_SLASH, UNKNOWN_PARAMETER, VERSION_1_URN,
};
use super::{Applied, Leniency, Reading};
use crate::scim::core::ENTERPRISE_USER;
use crate::scim::error::Error;
use crate::scim::filter::parse::Parser;
use crate::scim::path::AttributePath;
use crate::scim::query;
use crate::scim::schema::{ResourceType, Schema};
use crate::scim::version1;

/// Splits the target of a request into its path and its query, which is empty where there is none; a `?` that nothing
/// follows (OneLogin) means nothing. Leniently without slashes at the path's end.
pub fn target<'t>(target: &'t str, leniency: Leniency, applied: &mut Applied) -> (&'t str, &'t str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let trimmed = path.trim_end_matches('/');
    if leniency == Leniency::Strict || trimmed.is_empty() || trimmed.len() == path.len() {
        return (path, query);
    }
    applied.note(&TRAILING_SLASH);
    (trimmed, query)
}

/// The query parameters that RFC 7644 and RFC 9865 define.
const PARAMETERS: [&str; 8] =
    ["attributes", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex", "count", "cursor"];

/// The decoded parameters of a query. Errors: 400 `invalidValue`.
pub fn pairs(query: &str, leniency: Leniency, applied: &mut Applied) -> Result<Vec<(String, String)>, Error> {
    let mut query = Cow::Borrowed(query);
    if leniency == Leniency::Lenient && query.contains('+') {
        applied.note(&PLUS_FOR_SPACE);
        query = Cow::Owned(query.split('&').map(with_spaces).collect::<Vec<_>>().join("&"));
    }
    let mut pairs = query::pairs(&query)?;
    for (name, _) in &mut pairs {
        parameter_name(name, leniency, applied)?;
    }
    Ok(pairs)
}

/// A parameter whose pluses are spaces. Who writes spaces as they should be in a value between quotes means a plus by one there.
fn with_spaces(pair: &str) -> String {
    let pair = pair.replace('"', "%22");
    let is_quoted = |index: usize| index % 2 == 1;
    let part = |(index, part): (usize, &str)| match part {
        part if is_quoted(index) && pair.contains("%20") => part.to_owned(),
        part => part.replace('+', "%20"),
    };
    pair.split("%22").enumerate().map(part).collect::<Vec<_>>().join("%22")
}

/// Brings a parameter's name into the RFCs' form: a feature flag before it that another `?` separates goes.
fn parameter_name(name: &mut String, leniency: Leniency, applied: &mut Applied) -> Result<(), Error> {
    let quirk = match name.rsplit_once('?') {
        Some((_, meant)) => {
            *name = meant.to_owned();
            &STRAY_QUESTION_MARK
        }
        None if PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name)) => return Ok(()),
        None => &UNKNOWN_PARAMETER,
    };
    match leniency {
        Leniency::Strict => Err(Error::invalid_value(format!("the query has what SCIM does not define: `{name}`"))),
        Leniency::Lenient => {
            applied.note(quirk);
            Ok(())
        }
    }
}

/// Reads the path of a PATCH operation. Errors as for [`AttributePath::parse`].
pub fn path(
    rt: &ResourceType,
    text: &str,
    reading: impl Into<Reading>,
    applied: &mut Applied,
) -> Result<AttributePath, Error> {
    let reading = reading.into();
    let leniency = reading.leniency;
    let mut text = Cow::Borrowed(text.trim());
    if leniency == Leniency::Lenient
        && let Some(rest) = text.strip_prefix('/')
    {
        text = Cow::Owned(rest.replace('/', "."));
        applied.note(&LEADING_SLASH);
    }
    let (path, noted) = Parser::new(&text, reading, Error::invalid_path)?.whole_path()?;
    applied.absorb(noted);
    path_of(rt, &path, leniency, applied)
}

/// The path that a key is which the resource type does not have; what is no path is a name.
pub(in crate::scim) fn path_or_name(rt: &ResourceType, key: &str) -> AttributePath {
    path(rt, key, Leniency::Lenient, &mut Applied::default()).unwrap_or_else(|_| AttributePath::of(key))
}

/// The path as it is meant. Errors: strictly 400 `invalidPath`.
pub fn path_of(
    rt: &ResourceType,
    path: &AttributePath,
    leniency: Leniency,
    applied: &mut Applied,
) -> Result<AttributePath, Error> {
    understood(path, &|path| meant(rt, path).or_else(|| plural(rt, path)), leniency, Error::invalid_path, applied)
}

type Meant = Option<(&'static Quirk, AttributePath)>;

pub(super) fn understood(
    path: &AttributePath,
    meant: &dyn Fn(&AttributePath) -> Meant,
    leniency: Leniency,
    error: fn(String) -> Error,
    applied: &mut Applied,
) -> Result<AttributePath, Error> {
    let mut read = path.clone();
    while let Some((quirk, meant)) = meant(&read) {
        applied.note(quirk);
        read = meant;
    }
    if leniency == Leniency::Strict && read != *path {
        return Err(error(format!("`{path}` must be written `{read}`")));
    }
    Ok(read)
}

/// What a path means that is not written as the RFCs want it. What it means is one step nearer to their form.
pub(super) fn meant(rt: &ResourceType, path: &AttributePath) -> Meant {
    let resolved = rt.resolve(path);
    match (&path.schema, resolved) {
        (None, Some(resolved)) => {
            let schema = resolved.extension?.to_owned();
            Some((&BARE_EXTENSION_ATTRIBUTE, AttributePath { schema: Some(schema), ..path.clone() }))
        }
        (Some(urn), None) if schema_meant(rt, urn).is_some() => {
            let (quirk, schema) = schema_meant(rt, urn)?;
            Some((quirk, AttributePath { schema: Some(schema.id.clone()), ..path.clone() }))
        }
        (_, None) if path.sub_attribute.as_deref().is_some_and(|sub| sub.eq_ignore_ascii_case("managerId")) => {
            let meant = AttributePath { sub_attribute: Some("value".to_owned()), ..path.clone() };
            let is_manager = rt.resolve(&meant)?.attribute.name == "manager";
            is_manager.then_some((&MANAGER_ID, meant))
        }
        _ => None,
    }
}

/// `emails`, of `email`.
pub(super) fn plural(rt: &ResourceType, path: &AttributePath) -> Meant {
    if path.schema.is_some() || rt.resolve(path).is_some() {
        return None;
    }
    let plural = AttributePath { attribute: format!("{}s", path.attribute), ..path.clone() };
    let found = rt.resolve(&plural)?;
    (found.attribute.multi_valued && found.extension.is_none()).then_some((&SINGULAR_NAME, plural))
}

/// The schema that a URN means which is not the URN of one.
fn schema_meant<'a>(rt: &'a ResourceType, urn: &str) -> Option<(&'static Quirk, &'a Schema)> {
    if urn == version1::CORE {
        return Some((&VERSION_1_URN, &rt.schema));
    }
    if urn == version1::ENTERPRISE {
        return Some((&VERSION_1_URN, rt.extension(ENTERPRISE_USER)?));
    }
    let all = std::iter::once(&rt.schema).chain(rt.extensions.iter().map(|(schema, _)| schema));
    let mut broken = all.filter(|schema| !schema.id.eq_ignore_ascii_case(urn));
    let found = broken.find(|schema| urn.contains(':') && without_colons(&schema.id).eq(without_colons(urn)))?;
    Some((&BROKEN_URN, found))
}

fn without_colons(urn: &str) -> impl Iterator<Item = u8> + '_ {
    urn.bytes().filter(|b| *b != b':').map(|b| b.to_ascii_lowercase())
}

/// Whether a URN is, or means, that of a schema which the resource type uses.
pub(in crate::scim) fn is_known_schema(rt: &ResourceType, urn: &str) -> bool {
    rt.schema.id.eq_ignore_ascii_case(urn) || rt.extension(urn).is_some() || schema_meant(rt, urn).is_some()
}

/// What a key means that is not the name of a core or common attribute.
pub(in crate::scim) enum Key<'a> {
    /// The attributes of this schema extension are inside.
    Extension(&'a Schema),
    /// The attributes of the core schema are inside.
    Core,
    /// It is a path.
    Path(AttributePath),
    /// Nothing that the resource type has.
    Unknown,
}

/// What a key of a resource, or of the value of a PATCH without a path, means. Errors: strictly 400 `invalidSyntax` for
/// what is understood leniently only.
pub(in crate::scim) fn key<'a>(
    rt: &'a ResourceType,
    text: &str,
    leniency: Leniency,
    applied: &mut Applied,
) -> Result<Key<'a>, Error> {
    if let Some(schema) = rt.extension(text) {
        return Ok(Key::Extension(schema));
    }
    let mut needed = Applied::default();
    let key = if text.eq_ignore_ascii_case(&rt.schema.id) {
        needed.note(&CORE_URN_KEY);
        Key::Core
    } else if let Some((quirk, schema)) = schema_meant(rt, text) {
        needed.note(quirk);
        rt.extension(&schema.id).map_or(Key::Core, Key::Extension)
    } else {
        match path(rt, text, Leniency::Lenient, &mut needed) {
            Ok(path) if rt.resolve(&path).is_some() => {
                let bare = AttributePath { schema: path.schema.clone(), ..AttributePath::of(text) };
                if path != bare {
                    needed.note(&DOTTED_KEY);
                }
                Key::Path(path)
            }
            _ => return Ok(Key::Unknown),
        }
    };
    allowed(text, needed, leniency, applied)?;
    Ok(key)
}

/// What a key inside an extension means that is not the name of one of its attributes. Errors as for [`key`].
pub(in crate::scim) fn key_within(
    rt: &ResourceType,
    schema: &Schema,
    text: &str,
    leniency: Leniency,
    applied: &mut Applied,
) -> Result<Option<AttributePath>, Error> {
    let mut needed = Applied::default();
    let path = path(rt, &format!("{}:{text}", schema.id), Leniency::Lenient, &mut needed);
    let Some(path) = path.ok().filter(|path| rt.resolve(path).is_some()) else {
        return Ok(None);
    };
    needed.note(&DOTTED_KEY);
    allowed(text, needed, leniency, applied)?;
    Ok(Some(path))
}

fn allowed(key: &str, needed: Applied, leniency: Leniency, applied: &mut Applied) -> Result<(), Error> {
    match needed.quirks().first() {
        Some(quirk) if leniency == Leniency::Strict => {
            Err(Error::invalid_syntax(format!("`{key}` cannot stand as a key ({})", quirk.name)))
        }
        _ => {
            applied.absorb(needed);
            Ok(())
        }
    }
}

/// The schema extension that the path of a PATCH operation is the URN of. Errors: strictly 400 `invalidPath` for one
/// that is understood leniently only.
pub(in crate::scim) fn extension<'a>(
    rt: &'a ResourceType,
    urn: &str,
    leniency: Leniency,
    applied: &mut Applied,
) -> Result<Option<&'a Schema>, Error> {
    if let Some(schema) = rt.extension(urn) {
        return Ok(Some(schema));
    }
    match schema_meant(rt, urn).filter(|(_, schema)| schema.id != rt.schema.id) {
        Some((_, schema)) if leniency == Leniency::Strict => {
            Err(Error::invalid_path(format!("`{urn}` must be written `{}`", schema.id)))
        }
        Some((quirk, schema)) => {
            applied.note(quirk);
            Ok(Some(schema))
        }
        None => Ok(None),
    }
}

/// A filter's value without quotes, where it can be nothing else than one value.
pub(in crate::scim) fn bare_literal(token: &str, applied: &mut Applied) -> Option<Value> {
    let value = if token.eq_ignore_ascii_case("true") {
        Value::Bool(true)
    } else if token.eq_ignore_ascii_case("false") {
        Value::Bool(false)
    } else if token.eq_ignore_ascii_case("null") {
        Value::Null
    } else if ["and", "or", "not"].iter().any(|word| token.eq_ignore_ascii_case(word)) || token.contains(['\'', '\\']) {
        return None;
    } else {
        token.into()
    };
    applied.note(&BARE_LITERAL);
    Some(value)
}
