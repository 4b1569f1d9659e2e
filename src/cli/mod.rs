//! The native command line.

pub mod artifact;
pub mod example;
pub mod pypi;
