//! The npm package of the JavaScript host, and tools from the npm registry.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use crate::cli::artifact::{build_wasm, target_dir};
use crate::cli::tools::{installed, lock, remove, run};

/// Where the files of the package are, before they are packed.
const PACKAGE: &str = "package";
/// Where the parts of the package that are written by hand are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/host/js");

/// Makes the package, and gives the path of what `npm pack` has packed: `<target>/npm/scim-edge-0.1.0.tgz`.
///
/// The module is built as [`build_wasm`] says; cargo and npm are needed for the rest.
pub fn package() -> anyhow::Result<PathBuf> {
    let npm_dir = target_dir()?.join("npm");
    let _lock = lock(&npm_dir)?;
    pack(&npm_dir)
}

/// Makes the package in `dir`, which nobody else uses, and gives the directory of its files.
pub(super) fn package_in(dir: &Path) -> anyhow::Result<PathBuf> {
    // Fails before anything is built for it.
    run(npm().arg("--version"))?;
    pack(dir)?;
    Ok(dir.join(PACKAGE))
}

/// A `node_modules` directory in which the package is installed, from what `npm pack` has packed. Made once a process.
pub fn node_modules() -> anyhow::Result<PathBuf> {
    static MADE: Mutex<Option<PathBuf>> = Mutex::new(None);
    // A panic of another thread while it held the lock leaves the path whole.
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = made.as_ref() {
        return Ok(path.clone());
    }
    let npm_dir = target_dir()?.join("npm");
    let _lock = lock(&npm_dir)?;
    let packed = pack(&npm_dir)?;
    let path = npm_dir.join("node_modules");
    remove(&path)?;
    run(npm().args(["install", "--no-save", "--offline", "--prefix"]).arg(&npm_dir).arg(packed))?;
    Ok(made.insert(path).clone())
}

/// The `node_modules` directory of `packages` (npm's notation, each pinned: `typescript@5.9.3`), installed once, under
/// `<target>/tools`, without running scripts of theirs.
pub fn tools(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let dir = installed(name, packages, |dir| {
        fs::create_dir_all(dir)?;
        run(npm().args(["install", "--no-save", "--ignore-scripts", "--prefix"]).arg(dir).args(packages))?;
        Ok(())
    })?;
    Ok(dir.join("node_modules"))
}

fn pack(npm_dir: &Path) -> anyhow::Result<PathBuf> {
    let module = build_wasm("wasm32-unknown-unknown")?;
    let package = npm_dir.join(PACKAGE);
    remove(&package)?;
    fs::create_dir_all(&package).with_context(|| format!("cannot create `{}`", package.display()))?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let bindgen = Path::new(SOURCES).join("bindgen/Cargo.toml");
    run(Command::new(cargo)
        .args(["run", "--quiet", "--locked", "--manifest-path"])
        .arg(bindgen)
        .arg("--target-dir")
        .arg(target_dir()?.join("bindgen"))
        .arg("--")
        .arg(module)
        .arg(package.join("wasm"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    for entry in fs::read_dir(SOURCES).with_context(|| format!("`{SOURCES}` is gone"))? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            copy(&path, &package.join(name))?;
        }
    }
    copy(concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE").as_ref(), &package.join("LICENSE"))?;
    let manifest = package.join("package.json");
    // As text: the order of `exports` says which of them is taken.
    let described = fs::read_to_string(&manifest)?;
    fs::write(&manifest, described.replacen("\"0.0.0\"", concat!("\"", env!("CARGO_PKG_VERSION"), "\""), 1))?;
    run(npm().arg("pack").arg(&package).arg("--pack-destination").arg(npm_dir))?;
    Ok(npm_dir.join(concat!("scim-edge-", env!("CARGO_PKG_VERSION"), ".tgz")))
}

fn npm() -> Command {
    let mut command = Command::new("npm");
    command.args(["--no-audit", "--no-fund", "--no-update-notifier"]);
    command
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let shown = |path: &Path| path.file_name().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned();
    fs::copy(from, to).with_context(|| format!("cannot copy `{}` to `{}`", from.display(), shown(to)))?;
    Ok(())
}
