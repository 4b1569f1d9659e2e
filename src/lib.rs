//! SCIM 2.0 in front of any user API, as a WebAssembly plugin for edge proxies.
//!
//! One engine without IO of its own: a SCIM request goes in, native calls come out, their replies go
//! back in, one SCIM response comes out. See [`exchange`] for the door that hosts drive.
#![forbid(unsafe_code)]

mod engine;
pub mod exchange;
pub mod handler;
mod host;
pub mod scim;

#[cfg(not(target_family = "wasm"))]
pub mod cli;

pub use engine::{Engine, Environment};
