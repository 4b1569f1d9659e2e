//! Sorting (RFC 7644 section 3.4.2.3).

use serde_json::Value;

use super::path::AttributePath;
use super::schema::ResourceType;

/// Sorts resources (with canonical names), stably. A multi-valued attribute counts with its primary or else its
/// first value. Resources without a value come last, or first when descending. An attribute that the resource type
/// lacks changes nothing.
pub fn sort(rt: &ResourceType, resources: &mut [Value], by: &AttributePath, descending: bool) {
    let _ = (rt, resources, by, descending);
}
