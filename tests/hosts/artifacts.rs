//! What is in the files that are shipped.

use std::collections::BTreeSet;

use scim_edge::cli::artifact::build_wasm;
use scim_edge::cli::npm;
use wasmparser::{Parser, Payload};

/// Bytes, a little more than there are: what grows them further should be looked at.
const MODULE: usize = 2_100_000;
const COMPONENT: usize = 2_270_000;
const NPM_MODULE: usize = 2_110_000;

pub(crate) fn the_module_imports_what_every_proxy_has() {
    let wasm = read("wasm32-wasip1", MODULE);
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    for payload in Parser::new(0).parse_all(&wasm) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    imports.insert((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::ExportSection(section) => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
            }
            _ => {}
        }
    }
    assert!(exports.contains("proxy_abi_version_0_2_1"), "{exports:?}");
    let known = |(module, name): &&(String, String)| match module.as_str() {
        "env" => name.starts_with("proxy_"),
        module => module == "wasi_snapshot_preview1",
    };
    let other: Vec<_> = imports.iter().filter(|import| !known(import)).collect();
    assert!(other.is_empty(), "{other:?}");
    assert!(imports.contains(&("env".to_owned(), "proxy_http_call".to_owned())), "{imports:?}");
}

pub(crate) fn the_component_imports_nothing_but_wasi() {
    let wasm = read("wasm32-wasip2", COMPONENT);
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&wasm) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    assert!(exports.contains("wasi:http/handler@0.3.0"), "{exports:?}");
    assert!(imports.contains("wasi:http/client@0.3.0"), "{imports:?}");
    let other: Vec<_> = imports.iter().filter(|import| !import.starts_with("wasi:")).collect();
    assert!(other.is_empty(), "{other:?}");
}

pub(crate) fn the_npm_package_has_what_it_needs_and_no_more() {
    let package = npm::node_modules().unwrap().join("scim-edge");
    let mut files = BTreeSet::new();
    for directory in ["", "wasm/"] {
        for entry in std::fs::read_dir(package.join(directory)).unwrap() {
            files.insert(format!("{directory}{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }
    let expected = [
        "LICENSE",
        "README.md",
        "index.d.ts",
        "node.js",
        "package.json",
        "scim-edge.js",
        "wasm",
        "wasm/scim_edge.js",
        "wasm/scim_edge_bg.wasm",
        "web.js",
        "workerd.js",
    ];
    assert_eq!(files, expected.map(str::to_owned).into());
    let wasm = std::fs::read(package.join("wasm/scim_edge_bg.wasm")).unwrap();
    println!("npm package: module of {} bytes", wasm.len());
    assert!(wasm.len() <= NPM_MODULE, "{} bytes are more than {NPM_MODULE}", wasm.len());
    // Everything comes from the JavaScript beside it: no import that an edge would not have.
    for payload in Parser::new(0).parse_all(&wasm) {
        if let Payload::ImportSection(section) = payload.unwrap() {
            let other = section.into_imports().find(|it| it.as_ref().unwrap().module != "./scim_edge_bg.js");
            assert!(other.is_none(), "{other:?}");
        }
    }
}

fn read(target: &str, most: usize) -> Vec<u8> {
    let wasm = std::fs::read(build_wasm(target).unwrap()).unwrap();
    println!("{target}: {} bytes", wasm.len());
    assert!(wasm.len() <= most, "{} bytes are more than {most}", wasm.len());
    wasm
}
