//! The command line: see [`scim_edge::cli`].

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    scim_edge::cli::main()
}

/// The wasm hosts load the library; a program has no place there.
#[cfg(target_family = "wasm")]
fn main() {}
