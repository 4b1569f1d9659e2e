//! SCIM 2.0 as plain data and pure functions (RFC 7643, RFC 7644, RFC 9865).
//!
//! A resource is a [`serde_json::Value`] object whose keys are the canonical attribute names of its
//! [`schema::ResourceType`] and, for schema extensions, their URNs. [`resource::normalise`] and
//! [`patch::parse`] bring what a client sent into that form; everything else relies on it.
//! The peculiarities of identity providers live in [`dialect`] alone.

pub mod bulk;
pub mod core;
pub mod dialect;
pub mod discovery;
pub mod error;
pub mod etag;
pub mod filter;
pub mod instant;
pub mod json;
pub mod list;
pub mod patch;
pub mod path;
pub mod projection;
pub mod query;
pub mod resource;
pub mod schema;
pub mod sort;
mod value;
pub mod version1;

pub use dialect::{Leniency, Reading};
pub use error::{Error, ScimType};
pub use filter::{CompareOp, Filter};
pub use path::AttributePath;
pub use projection::Projection;
pub use schema::{Attribute, Kind, ResourceType, Schema};
