//! Filters as clients write them.

use serde_json::Value;

use super::paths::{meant, plural, understood};
use super::{Applied, Leniency, Reading, values};
use crate::scim::error::Error;
use crate::scim::filter::eval::inner_attribute;
use crate::scim::filter::{CompareOp, Filter, parse::Parser};
use crate::scim::path::AttributePath;
use crate::scim::schema::{Attribute, ResourceType};

/// Reads a filter as clients send it. Errors as for [`Filter::parse`].
pub fn filter(text: &str, reading: impl Into<Reading>, applied: &mut Applied) -> Result<Filter, Error> {
    let (filter, noted) = Parser::new(text, reading.into(), Error::invalid_filter)?.whole_filter()?;
    applied.absorb(noted);
    Ok(filter)
}

/// The filter with the paths that it means, for one resource type. Errors: strictly 400 `invalidFilter`.
pub fn filter_of(
    rt: &ResourceType,
    filter: &Filter,
    leniency: Leniency,
    applied: &mut Applied,
) -> Result<Filter, Error> {
    let meant = |path: &AttributePath| meant(rt, path).or_else(|| plural(rt, path));
    let of = |path: &AttributePath, applied: &mut Applied| {
        let mut path = understood(path, &meant, leniency, Error::invalid_filter, applied)?;
        if let (Some(inner), Some(resolved)) = (path.filter.clone(), rt.resolve(&path)) {
            path.filter = Some(Box::new(within(resolved.attribute, &inner, leniency, applied)?));
        }
        Ok::<AttributePath, Error>(path)
    };
    each(filter, &mut |part| {
        Ok(match part {
            Filter::Present(path) => Filter::Present(of(path, applied)?),
            Filter::Compare { path, op, value } => {
                let path = of(path, applied)?;
                let value = literal(rt.resolve(&path).map(|it| it.leaf()), (&path, *op, value), leniency, applied)?;
                Filter::Compare { path, op: *op, value }
            }
            Filter::ValuePath { path, filter } => {
                let path = of(path, applied)?;
                let filter = match rt.resolve(&path) {
                    Some(resolved) => Box::new(within(resolved.attribute, filter, leniency, applied)?),
                    None => filter.clone(),
                };
                Filter::ValuePath { path, filter }
            }
            other => other.clone(),
        })
    })
}

/// A filter between brackets, with the values that it means.
fn within(attribute: &Attribute, filter: &Filter, leniency: Leniency, applied: &mut Applied) -> Result<Filter, Error> {
    each(filter, &mut |part| match part {
        Filter::Compare { path, op, value } => {
            let value = literal(inner_attribute(path, attribute), (path, *op, value), leniency, applied)?;
            Ok(Filter::Compare { path: path.clone(), op: *op, value })
        }
        other => Ok(other.clone()),
    })
}

/// The filter with every part that is no combination of others changed.
fn each(filter: &Filter, change: &mut dyn FnMut(&Filter) -> Result<Filter, Error>) -> Result<Filter, Error> {
    let mut all =
        |operands: &[Filter]| operands.iter().map(|operand| each(operand, change)).collect::<Result<_, Error>>();
    Ok(match filter {
        Filter::And(operands) => Filter::And(all(operands)?),
        Filter::Or(operands) => Filter::Or(all(operands)?),
        Filter::Not(operand) => Filter::Not(Box::new(each(operand, change)?)),
        part => change(part)?,
    })
}

/// A value as what it is compared to has it. Errors: strictly 400 `invalidFilter`.
fn literal(
    attribute: Option<&Attribute>,
    (path, op, value): (&AttributePath, CompareOp, &Value),
    leniency: Leniency,
    applied: &mut Applied,
) -> Result<Value, Error> {
    let Some(attribute) = attribute else { return Ok(value.clone()) };
    let read = values::literal(attribute, op, value, applied);
    if leniency == Leniency::Strict && read != *value {
        let kind = attribute.default_sub().unwrap_or(attribute).kind.as_str();
        return Err(Error::invalid_filter(format!("`{path}` is of type {kind}, which {value} is not")));
    }
    Ok(read)
}
