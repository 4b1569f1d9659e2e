//! Thin adapters between hosts and [`crate::exchange`], chosen by the target that is compiled.

#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod wasi;
