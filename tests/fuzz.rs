//! The fuzz targets on their committed corpora, without a fuzzer. See `docs/fuzzing.md`.

#[path = "../fuzz/targets.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
mod targets;

use std::path::Path;

/// Runs a target on every file of its corpus. The file that is being run is named when it panics.
fn replay(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{}: only {} inputs", corpus.display(), files.len());
    for file in files {
        println!("{}", file.display());
        target(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn filters() {
    replay("filter", targets::filter);
}

#[test]
fn paths() {
    replay("path", targets::path);
}

#[test]
fn patches() {
    replay("patch", targets::patch);
}

#[test]
fn requests() {
    replay("request", targets::request);
}

#[test]
fn mappings() {
    replay("mapping", targets::mapping);
}
