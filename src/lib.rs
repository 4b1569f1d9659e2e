//! SCIM 2.0 in front of any user API, as a WebAssembly plugin for edge proxies.
//!
//! One engine without IO of its own: a SCIM request goes in, native calls come out, their replies go
//! back in, one SCIM response comes out. See [`exchange`] for the door that hosts drive.
//!
//! There is no unsafe code. Only the entry points that a host's SDK generates may contain some, so what
//! is shared by all hosts forbids it, and `host` allows it where such a macro stands.
#![deny(unsafe_code)]

#[forbid(unsafe_code)]
mod engine;
#[forbid(unsafe_code)]
pub mod exchange;
#[cfg(any(not(target_family = "wasm"), target_os = "unknown"))]
#[forbid(unsafe_code)]
mod explain;
#[forbid(unsafe_code)]
pub mod handler;
mod host;
#[forbid(unsafe_code)]
pub mod mapping;
#[forbid(unsafe_code)]
pub mod scim;

#[forbid(unsafe_code)]
mod seal;

#[cfg(not(target_family = "wasm"))]
pub mod cli;

pub use engine::{Engine, EngineError, Environment};
