//! What is in the two files that are shipped.

use std::collections::BTreeSet;

use scim_edge::cli::artifact::build_wasm;
use wasmparser::{Parser, Payload};

/// Bytes, a little more than there are: what grows them further should be looked at.
const MODULE: usize = 1_750_000;
const COMPONENT: usize = 1_900_000;

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

fn read(target: &str, most: usize) -> Vec<u8> {
    let wasm = std::fs::read(build_wasm(target).unwrap()).unwrap();
    println!("{target}: {} bytes", wasm.len());
    assert!(wasm.len() <= most, "{} bytes are more than {most}", wasm.len());
    wasm
}
