//! Filters that select what a PATCH changes (RFC 7644 section 3.5.2).

use super::Filter;
use super::eval::{absent, inner_attribute, validate_inner};
use crate::scim::core::{group_type, user_type};
use crate::scim::error::Error;
use crate::scim::path::AttributePath;
use crate::scim::schema::Attribute;

/// Refuses, beyond what cannot be compared, a filter between brackets about something that the attribute does not have.
///
/// Nobody who searches is harmed if `vaule ne "7"` is true of everything. But what it selects here is changed or removed.
/// What RFC 7643 defines and the application lacks may stand where it selects nothing by that: identity providers send
/// `roles[primary eq "True"]` to everybody.
pub(in crate::scim) fn validate_selection(filter: &Filter, attribute: &Attribute) -> Result<(), Error> {
    validate_inner(filter, attribute)?;
    about_what_is(filter, attribute, false)
}

/// `negated`: whether what the filter is true of is not selected.
fn about_what_is(filter: &Filter, attribute: &Attribute, negated: bool) -> Result<(), Error> {
    let (path, holds_without) = match filter {
        Filter::And(operands) | Filter::Or(operands) => {
            return operands.iter().try_for_each(|operand| about_what_is(operand, attribute, negated));
        }
        Filter::Not(operand) => return about_what_is(operand, attribute, !negated),
        Filter::Compare { path, op, value } => (path, absent(*op, value)),
        Filter::Present(path) | Filter::ValuePath { path, .. } => (path, false),
    };
    let plain = path.schema.is_none() && path.sub_attribute.is_none();
    let selects_nothing = || holds_without == negated && is_defined(&attribute.name, &path.attribute);
    if plain && (inner_attribute(path, attribute).is_some() || selects_nothing()) {
        return Ok(());
    }
    Err(Error::invalid_filter(format!("`{}` has no `{path}` that could be asked for", attribute.name)))
}

/// Whether RFC 7643 gives the attribute this sub-attribute, or every multi-valued attribute (section 2.4).
fn is_defined(attribute: &str, sub: &str) -> bool {
    if ["type", "primary", "display", "value", "$ref"].iter().any(|name| name.eq_ignore_ascii_case(sub)) {
        return true;
    }
    let path = AttributePath { sub_attribute: Some(sub.to_owned()), ..AttributePath::of(attribute) };
    [user_type(), group_type()].iter().any(|rt| rt.resolve(&path).is_some())
}
