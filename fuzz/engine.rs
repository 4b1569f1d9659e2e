//! The engine as hosts compile it, without hosts.

#[path = "../src/engine.rs"]
mod engine;
#[path = "../src/exchange.rs"]
pub mod exchange;
#[path = "../src/handler/mod.rs"]
pub mod handler;
#[path = "../src/mapping/mod.rs"]
pub mod mapping;
#[path = "../src/scim/mod.rs"]
pub mod scim;
#[path = "../src/seal.rs"]
mod seal;

pub use engine::{Engine, EngineError, Environment};
