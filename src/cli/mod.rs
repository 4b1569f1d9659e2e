//! The native command line.

pub mod artifact;
pub mod envoy;
pub mod pypi;
pub mod wasi;
