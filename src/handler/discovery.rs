//! `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas`, computed from the mapping.

use super::{Answer, Context};
use crate::mapping::{Mapping, Resource};
use crate::scim::discovery::{self, AuthenticationScheme, Capabilities};
use crate::scim::{Error, ResourceType};

/// Answers a GET below one of the three endpoints.
pub(super) fn answer(context: &Context<'_>, segments: &[&str], pairs: &[(String, String)]) -> Result<Answer, Error> {
    // RFC 7644 section 4: a client that believes it can filter here must not take the answer for filtered.
    if pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case("filter")) {
        return Err(Error::new(403, "discovery endpoints cannot be filtered"));
    }
    let mapping = context.native.mapping();
    let types: Vec<ResourceType> = mapping.resources.iter().map(published).collect();
    let base = context.base.as_str();
    let body = match segments {
        ["ServiceProviderConfig"] => Some(discovery::service_provider_config(&capabilities(mapping), base)),
        ["ResourceTypes"] => Some(discovery::resource_types(&types, base)),
        ["ResourceTypes", id] => discovery::resource_type(&types, id, base),
        ["Schemas"] => Some(discovery::schemas(&types, base)),
        ["Schemas", id] => discovery::schema(&types, id, base),
        _ => None,
    };
    match body {
        Some(body) => Ok(Answer::new(200, body)),
        None => Err(Error::new(404, format!("there is nothing at `/{}`", segments.join("/")))),
    }
}

/// The resource type as clients see it. Which element is the primary one follows from the mapping, so that `true` is the
/// one value of `primary` that means something there; what else they say of it cannot change that.
pub(super) fn published(resource: &Resource) -> ResourceType {
    let mut kind = resource.kind.clone();
    for row in resource.rows.iter().filter(|row| row.place.element.as_ref().is_some_and(|element| element.primary)) {
        let attribute = kind.schema.attribute_mut(&row.place.attribute);
        let mut subs = attribute.into_iter().flat_map(|attribute| &mut attribute.sub_attributes);
        if let Some(primary) = subs.find(|sub| sub.name == "primary") {
            primary.canonical_values = vec!["true".to_owned()];
        }
    }
    kind
}

pub(super) fn capabilities(mapping: &Mapping) -> Capabilities {
    let writes_password = |resource: &Resource| {
        resource.rows.iter().any(|row| row.place.attribute == "password" && row.place.extension.is_none())
    };
    Capabilities {
        documentation_uri: None,
        patch: true,
        bulk_max_operations: Some(mapping.limits.bulk).filter(|most| *most > 0),
        bulk_max_payload_size: match mapping.limits.bulk {
            0 => 0,
            _ => mapping.limits.body,
        },
        filter_max_results: Some(mapping.limits.page),
        change_password: mapping.resources.iter().any(writes_password),
        sort: true,
        etag: true,
        cursor: Some(super::cursor::LIFETIME),
        authentication_schemes: vec![AuthenticationScheme {
            kind: "oauthbearertoken".to_owned(),
            name: "Bearer token".to_owned(),
            description: "The token that the operator of this endpoint has given out".to_owned(),
        }],
    }
}
