//! Evaluation of filters against resources with canonical names.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::{CompareOp, Filter, text};
use crate::scim::error::Error;
use crate::scim::instant::Instant;
use crate::scim::path::AttributePath;
use crate::scim::schema::{Attribute, Kind, ResourceType};

/// See [`Filter::validate`].
pub(super) fn validate(filter: &Filter, rt: &ResourceType) -> Result<(), Error> {
    match filter {
        Filter::And(operands) | Filter::Or(operands) => operands.iter().try_for_each(|operand| validate(operand, rt)),
        Filter::Not(operand) => validate(operand, rt),
        Filter::Present(path) => validate_path(path, rt),
        Filter::ValuePath { path, filter } => {
            let attribute = rt.resolve(path).map(|resolved| resolved.attribute);
            attribute.map_or(Ok(()), |attribute| validate_inner(filter, attribute))
        }
        Filter::Compare { path, op, value } => {
            validate_path(path, rt)?;
            match rt.resolve(path) {
                Some(resolved) => validate_comparison(resolved.leaf(), path, *op, value),
                None => Ok(()),
            }
        }
    }
}

fn validate_path(path: &AttributePath, rt: &ResourceType) -> Result<(), Error> {
    match (&path.filter, rt.resolve(path)) {
        (Some(filter), Some(resolved)) => validate_inner(filter, resolved.attribute),
        _ => Ok(()),
    }
}

pub(in crate::scim) fn validate_inner(filter: &Filter, attribute: &Attribute) -> Result<(), Error> {
    match filter {
        Filter::And(operands) | Filter::Or(operands) => {
            operands.iter().try_for_each(|operand| validate_inner(operand, attribute))
        }
        Filter::Not(operand) => validate_inner(operand, attribute),
        Filter::Compare { path, op, value } => match inner_attribute(path, attribute) {
            Some(sub) => validate_comparison(sub, path, *op, value),
            None => Ok(()),
        },
        Filter::Present(_) | Filter::ValuePath { .. } => Ok(()),
    }
}

fn validate_comparison(leaf: &Attribute, path: &AttributePath, op: CompareOp, value: &Value) -> Result<(), Error> {
    let leaf = match leaf.kind {
        Kind::Complex => match leaf.default_sub() {
            Some(sub) => sub,
            None if value.is_null() => return Ok(()),
            None => {
                return Err(Error::invalid_filter(format!("`{path}` is complex: compare one of its sub-attributes")));
            }
        },
        _ => leaf,
    };
    let ordering = matches!(op, CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le);
    let equality = matches!(op, CompareOp::Eq | CompareOp::Ne);
    let allowed = match leaf.kind {
        Kind::Boolean => equality,
        Kind::Binary => !ordering,
        _ => true,
    };
    if !allowed {
        return Err(Error::invalid_filter(format!(
            "the {} attribute `{path}` cannot be compared with `{}`",
            leaf.kind.as_str(),
            op.as_str()
        )));
    }
    if (ordering || equality) && !has_form(leaf.kind, value) {
        let kind = leaf.kind.as_str();
        return Err(Error::invalid_filter(format!("`{path}` is of type {kind}, which {value} is not")));
    }
    Ok(())
}

/// Whether a literal says something that a value of this kind can be compared with: as texts, any date is less than
/// `"garbage"`.
fn has_form(kind: Kind, literal: &Value) -> bool {
    match (kind, literal) {
        (_, Value::Null) | (Kind::Integer | Kind::Decimal, Value::Number(_)) => true,
        (Kind::DateTime, literal) => {
            literal.as_str().is_some_and(|text| Instant::is_whole(text) && Instant::parse(text).is_some())
        }
        (Kind::Integer | Kind::Decimal, literal) => literal.as_str().is_some_and(|text| text.parse::<Number>().is_ok()),
        _ => true,
    }
}

/// See [`Filter::matches`].
pub(super) fn matches(filter: &Filter, rt: &ResourceType, resource: &Value) -> bool {
    match filter {
        Filter::And(operands) => operands.iter().all(|o| matches(o, rt, resource)),
        Filter::Or(operands) => operands.iter().any(|o| matches(o, rt, resource)),
        Filter::Not(operand) => !matches(operand, rt, resource),
        Filter::Present(path) => any_value(path, rt, resource, &mut |_, value| is_present(value)).unwrap_or(false),
        Filter::Compare { path, op, value } => {
            let mut compare = |leaf: &Attribute, actual: &Value| compares(leaf, actual, *op, value);
            any_value(path, rt, resource, &mut compare).unwrap_or_else(|| absent(*op, value))
        }
        Filter::ValuePath { path, filter } => {
            let Some(resolved) = rt.resolve(path) else {
                return false;
            };
            resolved
                .value(resource)
                .is_some_and(|value| elements(value).any(|e| element_matches(filter, resolved.attribute, e)))
        }
    }
}

/// Whether one element of `attribute` satisfies the filter between brackets. Of a multi-valued attribute
/// that is not complex, the element is its own `value`.
pub(in crate::scim) fn element_matches(filter: &Filter, attribute: &Attribute, element: &Value) -> bool {
    match filter {
        Filter::And(operands) => operands.iter().all(|o| element_matches(o, attribute, element)),
        Filter::Or(operands) => operands.iter().any(|o| element_matches(o, attribute, element)),
        Filter::Not(operand) => !element_matches(operand, attribute, element),
        Filter::Present(path) => inner_value(path, attribute, element).is_some_and(|(_, v)| is_present(v)),
        Filter::Compare { path, op, value } => match inner_value(path, attribute, element) {
            Some((leaf, actual)) if is_present(actual) => compares(leaf, actual, *op, value),
            _ => absent(*op, value),
        },
        Filter::ValuePath { .. } => false,
    }
}

pub(in crate::scim) fn inner_attribute<'a>(path: &AttributePath, attribute: &'a Attribute) -> Option<&'a Attribute> {
    match attribute.kind {
        Kind::Complex => attribute.sub(&path.attribute),
        _ => path.attribute.eq_ignore_ascii_case("value").then_some(attribute),
    }
}

fn inner_value<'a, 'v>(
    path: &AttributePath,
    attribute: &'a Attribute,
    element: &'v Value,
) -> Option<(&'a Attribute, &'v Value)> {
    let leaf = inner_attribute(path, attribute)?;
    let value = match element {
        Value::Object(object) => object.get(&leaf.name)?,
        scalar => scalar,
    };
    Some((leaf, value))
}

/// What holds where there is no value: the comparison with null, and any inequality with something else.
pub(super) fn absent(op: CompareOp, literal: &Value) -> bool {
    match op {
        CompareOp::Eq => literal.is_null(),
        CompareOp::Ne => !literal.is_null(),
        _ => false,
    }
}

fn elements(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::Array(elements) => elements.iter(),
        single => std::slice::from_ref(single).iter(),
    }
}

/// Whether `test` holds for any value that the path selects; `None` where it selects none.
fn any_value(
    path: &AttributePath,
    rt: &ResourceType,
    resource: &Value,
    test: &mut dyn FnMut(&Attribute, &Value) -> bool,
) -> Option<bool> {
    let resolved = rt.resolve(path)?;
    let mut found = None;
    for element in elements(resolved.value(resource)?) {
        if let Some(filter) = &path.filter
            && !element_matches(filter, resolved.attribute, element)
        {
            continue;
        }
        let leaf = resolved.leaf();
        let selected = match (resolved.sub, resolved.attribute.default_sub(), element) {
            (Some(sub), _, Value::Object(object)) => object.get(&sub.name).map(|v| (sub, v)),
            (None, Some(sub), Value::Object(object)) => {
                // Presence of an element does not depend on its `value`: addresses have none.
                object.get(&sub.name).or(Some(element)).map(|v| (sub, v))
            }
            (_, _, other) => Some((leaf, other)),
        };
        let Some((leaf, value)) = selected else {
            continue;
        };
        for value in elements(value).filter(|v| is_present(v)) {
            if test(leaf, value) {
                return Some(true);
            }
            found = Some(false);
        }
    }
    found
}

/// Whether a value is neither null nor empty (RFC 7643 section 2.5, RFC 7644 table 3 `pr`).
pub(in crate::scim) fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_present),
        Value::Object(members) => members.values().any(is_present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Whether `actual op literal` holds, by the attribute's type and case rule.
fn compares(leaf: &Attribute, actual: &Value, op: CompareOp, literal: &Value) -> bool {
    match (actual, literal) {
        (_, Value::Null) => op == CompareOp::Ne,
        (Value::Bool(a), _) => as_bool(literal).is_some_and(|b| ordered(op, a.cmp(&b))),
        (Value::Number(a), Value::Number(b)) => number_order(a, b).is_some_and(|o| ordered(op, o)),
        (Value::Number(a), Value::String(b)) => match b.parse::<Number>() {
            Ok(b) => number_order(a, &b).is_some_and(|o| ordered(op, o)),
            Err(_) => op == CompareOp::Ne,
        },
        (Value::String(a), Value::String(b)) => strings(leaf, a, op, b),
        (Value::String(a), Value::Number(b)) => strings(leaf, a, op, &b.to_string()),
        (Value::String(a), Value::Bool(b)) => match as_bool(actual) {
            Some(a) => ordered(op, a.cmp(b)),
            None => strings(leaf, a, op, if *b { "true" } else { "false" }),
        },
        _ => op == CompareOp::Ne,
    }
}

fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::String(s) if s.eq_ignore_ascii_case("true") => Some(true),
        Value::String(s) if s.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss)]
fn number_order(a: &Number, b: &Number) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return Some(a.cmp(&b));
    }
    a.as_f64()?.partial_cmp(&b.as_f64()?)
}

fn strings(leaf: &Attribute, a: &str, op: CompareOp, b: &str) -> bool {
    if leaf.kind == Kind::DateTime
        && let (Some(a), Some(b)) = (Instant::parse(a), Instant::parse(b))
        && !matches!(op, CompareOp::Co | CompareOp::Sw | CompareOp::Ew)
    {
        return ordered(op, a.cmp(&b));
    }
    match (op, leaf.case_exact) {
        (CompareOp::Co, true) => a.contains(b),
        (CompareOp::Co, false) => text::contains(a, b),
        (CompareOp::Sw, true) => a.starts_with(b),
        (CompareOp::Sw, false) => text::starts_with(a, b),
        (CompareOp::Ew, true) => a.ends_with(b),
        (CompareOp::Ew, false) => text::ends_with(a, b),
        (CompareOp::Eq, false) => text::equal(a, b),
        (CompareOp::Ne, false) => !text::equal(a, b),
        (_, true) => ordered(op, a.cmp(b)),
        (_, false) => ordered(op, text::compare(a, b)),
    }
}

fn ordered(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}
