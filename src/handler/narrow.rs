//! How far a filter narrows the native list, before anything is called.

use serde_json::Value;

use super::lookup::native_id;
use crate::mapping::codec::text_of;
use crate::mapping::language::Unnarrowed;
use crate::mapping::pointer::Pointer;
use crate::mapping::template::{Scope, parameters};
use crate::mapping::translate::Attributes;
use crate::mapping::{How, List, ListPart, Mapping, Narrowing, Operation, Resource, Row};
use crate::scim::filter::Term;
use crate::scim::{AttributePath, CompareOp, Error, Filter};

/// Where the matches of a filter are to be looked for.
pub(super) enum Narrowed<'m> {
    /// Nowhere.
    Nothing,
    /// In the resource with this native id.
    One(Value),
    /// In the answer of this call, given this value.
    Call(&'m Operation, Value),
    /// In the resource whose native id is here in the answer of this call, given this value.
    Find(&'m Operation, &'m Pointer, Value),
    /// In these native lists, with these parameters.
    Rows(Vec<&'m ListPart>, Vec<(String, Value)>),
}

/// As few resources as the application can narrow a filter without an `or` at its top to.
pub(super) fn narrowed<'m>(
    mapping: &Mapping,
    resource: &'m Resource,
    list: &'m List,
    filter: &Filter,
) -> Result<Narrowed<'m>, Error> {
    if never_matches(resource, filter) {
        return Ok(Narrowed::Nothing);
    }
    let parts: Vec<&ListPart> = list.parts.iter().filter(|part| may_match(resource, part, filter)).collect();
    if parts.is_empty() && resource.fixed.is_none() {
        return Ok(Narrowed::Nothing);
    }
    for term in filter.terms(&resource.kind) {
        let Some(narrowing) = declared(resource, list, &term) else {
            if is_id(&term) {
                // The id is the key: no list is needed to find one resource, whatever the mapping says.
                let id = resource.native_id(&text_of(term.value));
                return Ok(id.map_or(Narrowed::Nothing, Narrowed::One));
            }
            continue;
        };
        let row = narrowing.row.and_then(|index| resource.rows.get(index));
        let value = match row {
            // A value that the application cannot have is one that no resource has.
            Some(row) => match row.encode(term.value) {
                Ok(value) => value,
                Err(_) => return Ok(Narrowed::Nothing),
            },
            // The id of a member or a group.
            None => {
                let target = resource.links.as_ref().map(|links| &links.target);
                let other = target.and_then(|target| mapping.resource(target.kind));
                let id = native_id(other, &text_of(term.value));
                match id.and_then(|id| target.map_or(Some(id.clone()), |target| target.name(&id))) {
                    Some(id) => id,
                    None => return Ok(Narrowed::Nothing),
                }
            }
        };
        let scope = Scope { value: Some(&value), ..Scope::default() };
        return Ok(match &narrowing.how {
            How::Query(query, other) => {
                let parts = other.as_ref().map_or(parts, |other| vec![other]);
                let in_body = parts.iter().any(|part| part.call.body.is_some());
                Narrowed::Rows(parts, parameters(query, &scope, in_body))
            }
            How::Read(id) => Narrowed::One(id.plain(&scope).into()),
            How::Call(operation) => Narrowed::Call(operation, value),
            How::Find(operation, at) => Narrowed::Find(operation, at, value),
        });
    }
    match list.otherwise {
        _ if parts.len() < list.parts.len() => Ok(Narrowed::Rows(parts, Vec::new())),
        Unnarrowed::Scan => Ok(Narrowed::Rows(parts, Vec::new())),
        Unnarrowed::Reject => Err(Error::invalid_filter(format!(
            "the application cannot search by this; it can search by: {}",
            list.filters.iter().map(|it| format!("{} {}", it.path, it.op.as_str())).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Whether a resource in this part of a list can match: a part knows the same of all its rows.
fn may_match(resource: &Resource, part: &ListPart, filter: &Filter) -> bool {
    if part.set.is_empty() {
        return true;
    }
    let known = Value::Object(resource.decode(&part.row(Value::Object(Attributes::new()))));
    let is_known = |path: &AttributePath| {
        let rows = resource.rows.iter().filter(|row| row.place.attribute.eq_ignore_ascii_case(&path.attribute));
        let mut rows = rows.filter(|row| row.place.extension == path.schema).peekable();
        rows.peek().is_some()
            && rows.all(|row| row.native.as_ref().is_some_and(|at| part.set.iter().any(|(set, _)| set == at)))
    };
    filter.conjuncts().into_iter().all(|term| match term {
        Filter::Compare { path, .. } | Filter::Present(path) if is_known(path) => term.matches(&resource.kind, &known),
        _ => true,
    })
}

/// The branches of an `or` at the top of a filter, if each can be looked for on its own.
pub(super) fn alternatives<'f>(resource: &Resource, list: &List, filter: &'f Filter) -> Option<&'f [Filter]> {
    let Filter::Or(branches) = filter else { return None };
    let alone = |branch: &Filter| {
        let narrows = |term: &Term<'_>| is_id(term) || declared(resource, list, term).is_some();
        never_matches(resource, branch) || branch.terms(&resource.kind).iter().any(narrows)
    };
    (branches.len() <= MOST_BRANCHES && branches.iter().all(alone)).then_some(branches)
}

/// Beyond it, reading the whole list once is cheaper.
const MOST_BRANCHES: usize = 20;

/// Whether the filter asks for a value of something that has no home here: then nothing can match, and an identity
/// provider that looks an account up by it goes on to its next rule.
fn never_matches(resource: &Resource, filter: &Filter) -> bool {
    let homeless = |path: &AttributePath| match resource.kind.canonical(path) {
        None => true,
        // Every resource type has it by definition, but not every application.
        Some(path) => {
            let at = |row: &Row| row.place.extension.is_none() && row.place.attribute == EXTERNAL_ID;
            path.schema.is_none() && path.attribute == EXTERNAL_ID && !resource.rows.iter().any(at)
        }
    };
    filter.conjuncts().into_iter().any(|term| match term {
        Filter::Compare { path, op, value } => *op != CompareOp::Ne && !value.is_null() && homeless(path),
        Filter::Present(path) | Filter::ValuePath { path, .. } => homeless(path),
        _ => false,
    })
}

const EXTERNAL_ID: &str = "externalId";

fn is_id(term: &Term<'_>) -> bool {
    term.path.schema.is_none() && term.path.attribute == "id" && term.op == CompareOp::Eq
}

/// The native query that finds everything that a term can match. None finds what has no value.
fn declared<'l>(resource: &Resource, list: &'l List, term: &Term<'_>) -> Option<&'l Narrowing> {
    let mut filters = list.filters.iter().filter(|_| !term.value.is_null());
    filters.find(|it| {
        let row = it.row.and_then(|index| resource.rows.get(index));
        it.op == term.op && covers(resource, it, &term.path) && row.is_none_or(|row| row.is_exact(term.value))
    })
}

/// Whether a native query by `narrowing` finds everything that a term on `path` can match: the same path, or the
/// whole attribute where the narrowed row is its only home.
fn covers(resource: &Resource, narrowing: &Narrowing, path: &AttributePath) -> bool {
    let same_but_filter = narrowing.path.schema == path.schema
        && narrowing.path.attribute == path.attribute
        && narrowing.path.sub_attribute == path.sub_attribute;
    if !same_but_filter {
        return false;
    }
    let homes = resource.rows.iter().filter(|row| {
        row.place.attribute == path.attribute
            && row.place.extension == path.schema
            && row.place.sub == path.sub_attribute
    });
    narrowing.path.filter == path.filter || (path.filter.is_none() && homes.count() == 1)
}

/// The ids that a filter compares links with, `members` or `groups`, if it does nothing else with them.
pub(super) fn asked(filter: &Filter, attribute: &str) -> Option<Vec<String>> {
    let all = |terms: &[Filter]| {
        let asked: Option<Vec<_>> = terms.iter().map(|term| asked(term, attribute)).collect();
        asked.map(|ids| ids.into_iter().flatten().collect())
    };
    let is_value = |name: Option<&str>| name.is_none_or(|name| name.eq_ignore_ascii_case("value"));
    match filter {
        _ if !filter.names(attribute) => Some(Vec::new()),
        Filter::And(terms) | Filter::Or(terms) => all(terms),
        Filter::Not(term) => asked(term, attribute),
        Filter::Compare { path, op, value }
            if *op == CompareOp::Eq && path.filter.is_none() && is_value(path.sub_attribute.as_deref()) =>
        {
            Some(vec![value.as_str()?.to_owned()])
        }
        Filter::ValuePath { filter, .. } => match filter.as_ref() {
            Filter::Compare { path, op, value } if *op == CompareOp::Eq && is_value(Some(path.attribute.as_str())) => {
                Some(vec![value.as_str()?.to_owned()])
            }
            _ => None,
        },
        _ => None,
    }
}
