//! The playground in a real browser: by itself, and beside the demo.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use scim_edge::cli::artifact::{build_wasm, target_dir};
use scim_edge::cli::{npm, playground};
use tempfile::TempDir;

use crate::command::{Running, demo};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("mappings_are_written_by_looking", mappings_are_written_by_looking),
    ("the_demo_is_live_in_it", the_demo_is_live_in_it),
    ("without_npm_the_demo_says_why_there_is_none", without_npm_the_demo_says_why_there_is_none),
];

const PLAYWRIGHT: &[&str] = &["playwright-core@1.65.1"];

fn mappings_are_written_by_looking() {
    let page = playground::build(None).unwrap();
    for file in ["main.js", "web.js", "style.css", "wasm/scim_edge_bg.wasm"] {
        println!("playground: {file} of {} bytes", fs::metadata(page.join(file)).unwrap().len());
    }
    drive(page.to_str().unwrap());
}

fn the_demo_is_live_in_it() {
    let mut running = Running(demo("wasi", &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| {
        assert!(!line.starts_with("no playground"), "{line}");
        line.trim_start().strip_prefix("playground ").map(|url| url.trim().to_owned())
    });
    drive(&url.unwrap());
}

fn without_npm_the_demo_says_why_there_is_none() {
    // Nothing is there but the demo's own module, which cannot be built without a path to the compiler.
    let modules = TempDir::new().unwrap();
    symlink(build_wasm("wasm32-wasip2").unwrap(), modules.path().join("wasm32-wasip2.wasm")).unwrap();
    let mut command = demo("wasi", &[]);
    command.env("PATH", modules.path()).env("SCIM_EDGE_WASM_DIR", modules.path());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told = false;
    let why = lines.find(|line| {
        told |= line.contains("Ctrl-C stops everything");
        line.starts_with("no playground")
    });
    assert_eq!(why.as_deref(), Some("no playground: `npm` was not found"));
    assert!(told, "the demo starts first");
}

/// Runs the script in front of a page.
fn drive(page: &str) {
    chromium();
    let tools = npm::tools("playwright", PLAYWRIGHT).unwrap();
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    symlink(tools, path.join("node_modules")).unwrap();
    // As deep below the mappings as it is in the sources.
    fs::create_dir_all(path.join("tests/support")).unwrap();
    symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings"), path.join("mappings")).unwrap();
    let script = path.join("tests/support/playground.mjs");
    fs::write(&script, include_str!("../support/playground.mjs")).unwrap();
    let screens = target_dir().unwrap().join("playground.screens");
    let output = Command::new("node").arg(script).arg(page).arg(screens).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    print!("{out}");
    assert!(output.status.success(), "{out}{err}");
}

/// Chromium, from the system's packages: npm has none.
fn chromium() {
    if Path::new("/usr/bin/chromium").exists() {
        return;
    }
    let script = "root=; [ \"$(id -u)\" = 0 ] || root='sudo -n'
        $root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends chromium";
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && Path::new("/usr/bin/chromium").exists(), "cannot install chromium: {err}");
}
