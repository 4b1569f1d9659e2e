//! Thin adapters between hosts and [`crate::exchange`], chosen by the target that is compiled.

#[cfg(all(target_os = "wasi", target_env = "p1"))]
#[allow(unsafe_code)] // `proxy_wasm::main!` exports the module's entry point.
mod envoy;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod wasi;
#[cfg(any(test, all(target_os = "wasi", target_env = "p1")))]
mod wire;
