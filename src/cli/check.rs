//! `scim-edge check` and `scim-edge schema`.

use std::path::Path;
use std::process::ExitCode;

use crate::mapping;
use anyhow::Context;

/// Checks the mapping at `path`. Secrets that it names need not be set: where it is checked is rarely where it runs.
pub(super) fn run(path: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.display().to_string();
    let found = mapping::diagnose(&text, &name);
    let mistakes = found.all.iter().filter(|it| !it.code.is_warning()).count();
    if as_json {
        println!("{:#}", found.to_json());
    } else {
        print!("{}", told(&text, &name).0);
    }
    Ok(if mistakes == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is said about a mapping, and whether it can run.
pub(super) fn told(text: &str, name: &str) -> (String, bool) {
    let found = mapping::diagnose(text, name);
    let mistakes = found.all.iter().filter(|it| !it.code.is_warning()).count();
    let mut told = found.to_string();
    if !told.is_empty() {
        told.push('\n');
    }
    told.push_str(&match mistakes {
        0 => format!("{name} is fine\n"),
        1 => format!("1 mistake in {name}\n"),
        several => format!("{several} mistakes in {name}\n"),
    });
    (told, mistakes == 0)
}

/// Prints the JSON Schema of the language, or its reference.
pub(super) fn schema(markdown: bool) {
    if markdown {
        print!("{}", super::reference::markdown());
    } else {
        println!("{:#}", mapping::json_schema());
    }
}
