//! Thin adapters between hosts and [`crate::exchange`], chosen by the target that is compiled.

#[cfg(all(target_os = "wasi", target_env = "p1"))]
#[allow(unsafe_code)] // `proxy_wasm::main!` exports the module's entry point.
mod envoy;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
#[allow(unsafe_code, unreachable_pub)] // `wasm_bindgen` exports what JavaScript calls, by its own means.
mod js;
#[cfg(any(test, all(target_family = "wasm", not(target_env = "p1"))))]
mod origin;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod wasi;
#[cfg(any(test, all(target_os = "wasi", target_env = "p1")))]
mod wire;
