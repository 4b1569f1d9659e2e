//! Thin adapters between hosts and [`crate::exchange`], chosen by the target that is compiled.
