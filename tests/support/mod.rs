//! What several test crates share.

pub mod apps;
pub mod conformance;
