//! Real applications with user APIs of their own, for the tests: each installed from the Python Package
//! Index with everything that it needs pinned, started on loopback with a database of its own, and
//! stopped when it is dropped.

// Each test crate uses a part of this.
#![allow(dead_code, unreachable_pub)]

pub mod jupyterhub;
pub mod keystone;
pub mod native;
pub mod server;
pub mod synapse;

/// The requirements in a file as `pip freeze` writes it.
pub fn requirements(file: &str) -> Vec<&str> {
    file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}
