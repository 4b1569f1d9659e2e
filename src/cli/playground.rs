//! `scim-edge playground`: a page in which mappings are written and tried out, made of static files.

mod server;

pub(super) use server::offer;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::json;

use crate::cli::artifact::target_dir;
use crate::cli::npm;
use crate::cli::tools::{lock, remove, run};
use crate::mapping::json_schema;

/// Where the page's sources are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/playground");
const MAPPINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings");

/// The editor, and what makes one file of many.
const PACKAGES: &[&str] = &[
    "codemirror@6.0.2",
    "@codemirror/autocomplete@6.20.4",
    "@codemirror/lang-json@6.0.2",
    "@codemirror/lang-yaml@6.1.3",
    "@codemirror/language@6.13.1",
    "@codemirror/lint@6.9.8",
    "@codemirror/state@6.7.6",
    "@codemirror/view@6.43.15",
    "@lezer/highlight@1.2.5",
    "esbuild@0.28.2",
];

/// Makes the page in this directory, or in `<target>/playground`, and gives the directory, which any server of files can
/// serve.
///
/// The npm package is made as [`npm::package`] says; its module is the one in the page.
pub fn build(into: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let target = target_dir()?;
    let page = into.unwrap_or_else(|| target.join("playground"));
    // What is bundled: the sources, with what is made here beside them.
    let work = target.join("playground.sources");
    let _lock = lock(&work)?;
    let package = npm::package_in(&target.join("playground.npm"))?;
    let tools = npm::tools("playground", PACKAGES)?;
    remove(&work)?;
    let wasm = page.join("wasm");
    for dir in [&work, &wasm] {
        fs::create_dir_all(dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    }
    copy_files(Path::new(SOURCES), &work)?;
    fs::write(work.join("mapping.schema.json"), json_schema().to_string())?;
    fs::write(work.join("mappings.json"), json!(mappings()?).to_string())?;
    run(Command::new(tools.join(".bin/esbuild"))
        .args(["main.js", "style.css", "--bundle", "--splitting", "--format=esm", "--minify", "--target=es2022"])
        .args(["--log-level=warning", "--chunk-names=[name]"])
        .arg(format!("--alias:scim-edge={}", package.join("web.js").display()))
        .arg(format!("--outdir={}", page.display()))
        .env("NODE_PATH", &tools)
        .current_dir(&work))?;
    fs::copy(work.join("index.html"), page.join("index.html"))?;
    fs::copy(package.join("wasm/scim_edge_bg.wasm"), wasm.join("scim_edge_bg.wasm"))
        .context("the npm package has no module")?;
    Ok(page)
}

/// The mappings that are shipped, by name.
fn mappings() -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(MAPPINGS).with_context(|| format!("`{MAPPINGS}` is gone"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem() {
            found.insert(name.to_string_lossy().into_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(found)
}

fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("`{}` is gone", from.display()))? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy `{}`", path.display()))?;
        }
    }
    Ok(())
}
