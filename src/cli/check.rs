//! `scim-edge check` and `scim-edge schema`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::mapping;

/// Checks the mapping at `path`. Secrets that it names need not be set: where it is checked is rarely where it runs.
pub(super) fn run(path: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.display().to_string();
    let found = mapping::check(&text, &name);
    let diagnostics = found.as_ref().err().map(|diagnostics| diagnostics.all.as_slice()).unwrap_or_default();
    if as_json {
        let all: Vec<_> = diagnostics
            .iter()
            .map(|it| {
                json!({
                    "file": name, "line": it.at.line, "column": it.at.column, "code": it.code.as_str(),
                    "message": it.message, "suggestion": it.suggestion,
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else if let Err(diagnostics) = &found {
        println!("{diagnostics}");
        println!("{} {} in {name}", diagnostics.all.len(), if diagnostics.all.len() == 1 { "mistake" } else { "mistakes" });
    } else {
        println!("{name} is fine");
    }
    Ok(if found.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the JSON Schema of the language.
pub(super) fn schema() -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&mapping::json_schema())?);
    Ok(())
}
