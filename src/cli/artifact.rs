//! The WebAssembly modules of this crate, for the demo and the tests that run them in real hosts.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, bail};

use crate::cli::tools::run;

/// What [`build_wasm`] has built so far, by target: one build a process.
static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// The path of this crate compiled for `target`: `wasm32-wasip1` is the Envoy module, `wasm32-wasip2` the
/// WASI HTTP component, `wasm32-unknown-unknown` the JavaScript module without its JavaScript.
///
/// Built once a process, in release mode, by the cargo that `CARGO` names (default `cargo`). Where the
/// environment variable `SCIM_EDGE_WASM_DIR` is set nothing is built, and `<dir>/<target>.wasm` is
/// returned; the error says so if that file is missing.
pub fn build_wasm(target: &str) -> anyhow::Result<PathBuf> {
    // A panic of another test while it held the lock leaves the map whole.
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(path) = built.get(target) {
        return Ok(path.clone());
    }
    let path = match env::var_os("SCIM_EDGE_WASM_DIR") {
        Some(dir) => prebuilt(Path::new(&dir), target)?,
        None => build(target)?,
    };
    built.insert(target.to_owned(), path.clone());
    Ok(path)
}

fn prebuilt(dir: &Path, target: &str) -> anyhow::Result<PathBuf> {
    let path = dir.join(format!("{target}.wasm"));
    if !path.is_file() {
        bail!("`SCIM_EDGE_WASM_DIR` is set, and there is no `{}`", path.display());
    }
    Ok(path)
}

fn build(target: &str) -> anyhow::Result<PathBuf> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    if !Path::new(manifest).is_file() {
        bail!(
            "the module for `{target}` is built from this crate's sources, and `{manifest}` is gone; set \
             `SCIM_EDGE_WASM_DIR` to a directory with `{target}.wasm`"
        );
    }
    install_target(target)?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let target_dir = target_dir()?;
    let output = Command::new(&cargo)
        // Where `rust-toolchain.toml` says which toolchain it is.
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--lib", "--release", "--target", target])
        .args(["--manifest-path", manifest])
        .arg("--target-dir")
        .arg(&target_dir)
        // Flags for this program's own build, such as coverage, do not suit a module.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        // `wasm-bindgen` reads what stripping takes away, and then takes it away itself.
        .envs((target == "wasm32-unknown-unknown").then_some(("CARGO_PROFILE_RELEASE_STRIP", "none")))
        .output()
        .with_context(|| format!("cannot run `{}`", cargo.to_string_lossy()))?;
    if !output.status.success() {
        bail!("the build for `{target}` failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(target_dir.join(target).join("release/scim_edge.wasm"))
}

/// Adds the standard library for `target` where it is missing: rustup does that by itself only where
/// `RUSTUP_AUTO_INSTALL` allows it.
fn install_target(target: &str) -> anyhow::Result<()> {
    let here = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    };
    let library = run(here("rustc").args(["--print", "target-libdir", "--target", target]))?;
    if Path::new(library.trim()).is_dir() {
        return Ok(());
    }
    run(here("rustup").args(["target", "add", target]))
        .with_context(|| format!("Rust's standard library for `{target}` is missing and could not be added"))?;
    Ok(())
}

/// Cargo's target directory if this program runs from inside one, else the user's cache directory for
/// `scim-edge`: where built modules and installed tools are kept between runs.
pub fn target_dir() -> anyhow::Result<PathBuf> {
    let program = env::current_exe().context("cannot tell where this program is")?;
    let inside = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    if let Some(dir) = inside {
        return Ok(dir.to_owned());
    }
    let cache = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache.or_else(home).context("neither `XDG_CACHE_HOME` nor `HOME` is set")?;
    Ok(cache.join("scim-edge"))
}
