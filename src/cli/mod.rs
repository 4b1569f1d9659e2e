//! The native command line.

pub mod artifact;
pub mod wasi;
