//! Filters and paths in canonical form, so that callers find by plain equality what they can answer natively.

use serde_json::Value;

use super::{Filter, Term};
use crate::scim::path::AttributePath;
use crate::scim::schema::{Attribute, Kind, ResourceType};

/// See [`Filter::terms`].
pub(super) fn terms<'a>(filter: &'a Filter, rt: &ResourceType) -> Vec<Term<'a>> {
    let mut terms = Vec::new();
    for conjunct in filter.conjuncts() {
        match conjunct {
            Filter::Compare { path, op, value } => {
                if let Some(path) = simple(rt, path) {
                    terms.push(Term { path, op: *op, value });
                }
            }
            Filter::ValuePath { path, filter } => unfold(rt, path, filter, &mut terms),
            _ => {}
        }
    }
    terms
}

fn unfold<'a>(rt: &ResourceType, path: &AttributePath, filter: &'a Filter, terms: &mut Vec<Term<'a>>) {
    let conjuncts = filter.conjuncts();
    for (index, conjunct) in conjuncts.iter().enumerate() {
        let Filter::Compare { path: inner, op, value } = conjunct else {
            continue;
        };
        let others = conjuncts.iter().enumerate().filter(|(i, _)| *i != index);
        let mut others: Vec<Filter> = others.map(|(_, &other)| other.clone()).collect();
        let others = match others.len() {
            0 => None,
            1 => others.pop(),
            _ => Some(Filter::And(others)),
        };
        let whole = AttributePath {
            filter: others.map(Box::new),
            sub_attribute: Some(inner.attribute.clone()),
            ..path.clone()
        };
        if let Some(path) = simple(rt, &whole) {
            terms.push(Term { path, op: *op, value });
        }
    }
}

/// The canonical path down to a simple attribute.
fn simple(rt: &ResourceType, path: &AttributePath) -> Option<AttributePath> {
    let mut path = rt.canonical(path)?;
    let resolved = rt.resolve(&path)?;
    if path.sub_attribute.is_none() && resolved.attribute.kind == Kind::Complex {
        path.sub_attribute = Some(resolved.attribute.default_sub()?.name.clone());
    }
    Some(path)
}

/// The filter between brackets with canonical names and, for booleans, real booleans (`primary eq "True"`).
pub(in crate::scim) fn canonical_inner(filter: &Filter, attribute: &Attribute) -> Filter {
    let rename = |path: &AttributePath| match attribute.sub(&path.attribute) {
        Some(sub) => AttributePath::of(&sub.name),
        None => path.clone(),
    };
    let each = |operands: &[Filter]| operands.iter().map(|o| canonical_inner(o, attribute)).collect();
    match filter {
        Filter::And(operands) => Filter::And(each(operands)),
        Filter::Or(operands) => Filter::Or(each(operands)),
        Filter::Not(operand) => Filter::Not(Box::new(canonical_inner(operand, attribute))),
        Filter::Present(path) => Filter::Present(rename(path)),
        Filter::Compare { path, op, value } => Filter::Compare {
            path: rename(path),
            op: *op,
            value: canonical_literal(value, attribute.sub(&path.attribute)),
        },
        Filter::ValuePath { .. } => filter.clone(),
    }
}

fn canonical_literal(value: &Value, sub: Option<&Attribute>) -> Value {
    match (value, sub) {
        (Value::String(text), Some(sub)) if sub.kind == Kind::Boolean => {
            if text.eq_ignore_ascii_case("true") {
                Value::Bool(true)
            } else if text.eq_ignore_ascii_case("false") {
                Value::Bool(false)
            } else {
                value.clone()
            }
        }
        _ => value.clone(),
    }
}
