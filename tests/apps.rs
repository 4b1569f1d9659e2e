//! Real applications behind a real Envoy, by configuration alone: a mapping of `mappings/` in the shipped
//! `host-configs/envoy/envoy.yaml`. After each step the application is asked, by its own API, what it holds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

mod support;

#[path = "apps/jupyterhub.rs"]
mod jupyterhub;
#[path = "apps/keystone.rs"]
mod keystone;
#[path = "apps/scim.rs"]
mod scim;
#[path = "apps/synapse.rs"]
mod synapse;
