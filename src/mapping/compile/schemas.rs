//! The schema that attribute rows add up to.

use serde_json::Value;

use crate::mapping::language::{self as written, Access, Returned};
use crate::scim::path::AttributePath;
use crate::scim::schema::{Mutability, Uniqueness};
use crate::scim::{Attribute, Filter, ResourceType, Schema, schema};

/// The schema extension with this URN, made if it is not there.
pub(super) fn extension<'t>(kind: &'t mut ResourceType, urn: &str) -> &'t mut Schema {
    let known = kind.extensions.iter().position(|(schema, _)| schema.id.eq_ignore_ascii_case(urn));
    let index = known.unwrap_or(kind.extensions.len());
    if known.is_none() {
        let name = urn.rsplit(':').next().unwrap_or(urn).to_owned();
        let schema = Schema { id: urn.to_owned(), name, description: String::new(), attributes: Vec::new() };
        kind.extensions.push((schema, false));
    }
    // The index is within bounds by construction; the core schema stands in for the impossible miss.
    match kind.extensions.get_mut(index) {
        Some((schema, _)) => schema,
        None => &mut kind.schema,
    }
}

/// Adds what `path` names to `pruned`, with the characteristics that the row gives it.
pub(super) fn grow(
    pruned: &mut ResourceType,
    full: &ResourceType,
    path: &AttributePath,
    row: &written::Attribute,
    access: Access,
) {
    let Some(resolved) = full.resolve(path) else {
        return;
    };
    let common = resolved.extension.is_none() && full.schema.attribute(&resolved.attribute.name).is_none();
    if common && resolved.attribute.name != "externalId" {
        // `id`, `meta` and `schemas` are as they are for every resource.
        return;
    }
    let target = match resolved.extension {
        Some(urn) => {
            let described = full.extension(urn).cloned().unwrap_or_default();
            let schema = extension(pruned, urn);
            schema.name = described.name;
            schema.description = described.description;
            schema
        }
        None => &mut pruned.schema,
    };
    if target.attribute(&resolved.attribute.name).is_none() {
        let mut attribute = resolved.attribute.clone();
        attribute.sub_attributes.clear();
        target.attributes.push(attribute);
    }
    let Some(attribute) = target.attribute_mut(&resolved.attribute.name) else {
        return;
    };
    let Some(sub) = resolved.sub else {
        attribute.sub_attributes.clone_from(&resolved.attribute.sub_attributes);
        characterise(attribute, row, access);
        // Letter case is a matter of the values, which is what is compared.
        let value = attribute.sub_attributes.iter_mut().find(|sub| sub.name == "value");
        if let (Some(value), Some(case_exact)) = (value, row.case_exact) {
            value.case_exact = case_exact;
        }
        return;
    };
    let mut include = |name: &str, canonical: Option<&Value>| {
        if attribute.sub(name).is_none()
            && let Some(known) = resolved.attribute.sub(name)
        {
            let mut copy = known.clone();
            copy.canonical_values.clear();
            attribute.sub_attributes.push(copy);
        }
        let found = attribute.sub_attributes.iter_mut().find(|sub| sub.name.eq_ignore_ascii_case(name));
        if let (Some(found), Some(Value::String(value))) = (found, canonical)
            && !found.canonical_values.contains(value)
        {
            found.canonical_values.push(value.clone());
        }
    };
    include(&sub.name, None);
    for term in path.filter.iter().flat_map(|filter| filter.conjuncts()) {
        if let Filter::Compare { path, value, .. } = term {
            include(&path.attribute, Some(value));
        }
    }
    if row.primary {
        include("primary", None);
    }
    let required = row.required == Some(true) && !attribute.multi_valued;
    attribute.required |= required;
    if let Some(sub) = attribute.sub_attributes.iter_mut().find(|it| it.name == sub.name) {
        characterise(sub, row, access);
    }
    let read_only = |sub: &Attribute| sub.mutability == Mutability::ReadOnly;
    if attribute.sub_attributes.iter().all(read_only) {
        attribute.mutability = Mutability::ReadOnly;
    } else if attribute.mutability == Mutability::ReadOnly {
        attribute.mutability = Mutability::ReadWrite;
    }
}

fn characterise(attribute: &mut Attribute, row: &written::Attribute, access: Access) {
    attribute.mutability = match access {
        Access::Read => Mutability::ReadOnly,
        Access::Write => Mutability::WriteOnly,
        Access::ReadWrite => Mutability::ReadWrite,
        Access::Create => Mutability::Immutable,
    };
    if access == Access::Write {
        attribute.returned = schema::Returned::Never;
    }
    if let Some(required) = row.required {
        attribute.required = required;
    }
    attribute.constant.clone_from(&row.constant);
    attribute.defaulted = row.default.is_some() || row.generate.is_some();
    if let Some(case_exact) = row.case_exact {
        attribute.case_exact = case_exact;
    }
    if let Some(unique) = row.unique {
        attribute.uniqueness = if unique { Uniqueness::Server } else { Uniqueness::None };
    }
    if let Some(returned) = row.returned {
        attribute.returned = returned.into();
    }
}

impl From<Returned> for schema::Returned {
    fn from(returned: Returned) -> Self {
        match returned {
            Returned::Default => schema::Returned::Default,
            Returned::Request => schema::Returned::Request,
            Returned::Always => schema::Returned::Always,
            Returned::Never => schema::Returned::Never,
        }
    }
}
