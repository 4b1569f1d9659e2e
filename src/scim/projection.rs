//! Which attributes a response carries (RFC 7644 section 3.9, RFC 7643 section 7 `returned`).

use serde_json::Value;

use super::error::Error;
use super::path::AttributePath;
use super::schema::ResourceType;

/// The parameters `attributes` and `excludedAttributes`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    /// What is asked for; empty: what is returned by default.
    pub attributes: Vec<AttributePath>,
    /// What is not wanted, where `attributes` is empty.
    pub excluded: Vec<AttributePath>,
}

impl Projection {
    /// From comma-separated lists. Names that are no attribute path select nothing.
    pub fn new(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Error> {
        let _ = (attributes, excluded);
        Ok(Self::default())
    }

    /// Whether any part of `attribute` (a path without a value filter: `members`, `urn:…:User:manager`, a bare
    /// extension attribute) will be returned, so that a caller need not fetch what nobody asked for.
    pub fn wants(&self, rt: &ResourceType, attribute: &str) -> bool {
        let _ = (rt, attribute);
        true
    }

    /// The resource (with canonical names) without what is not to be returned.
    #[must_use]
    pub fn apply(&self, rt: &ResourceType, resource: Value) -> Value {
        let _ = rt;
        resource
    }
}
