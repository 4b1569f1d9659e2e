//! Conformance suites that others have written, run against a SCIM server.

// Each test crate uses a part of this.
#![allow(dead_code, unreachable_pub)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};
use scim_edge::cli::pypi;
use serde_json::Value;

use super::apps::requirements;

/// What a suite found.
#[derive(Debug)]
pub struct Report {
    /// How many checks passed.
    pub passed: usize,
    /// How many found that the RFCs are broken, or could not be run to their end.
    pub errors: usize,
    /// How many found something that the RFCs advise against. Skipped checks are not among them.
    pub warnings: usize,
    /// What the suite has written.
    pub output: String,
}

/// Runs scim2-tester, all of it, against the server at `url` (with its path: `…/scim/v2`). An error where
/// it could not be run at all, or could not read the server's discovery endpoints.
pub fn scim2_tester(url: &str, token: &str) -> anyhow::Result<Report> {
    let bin = pypi::venv("scim2-tester", &requirements(include_str!("scim2-tester.txt")))?;
    let mut command = tool(&bin, "scim2");
    command.args(["--url", url, "test", "--verbose"]).env("SCIM_CLI_HEADERS", format!("Authorization: Bearer {token}"));
    let output = text(&command.output().context("cannot run `scim2`")?);
    let mut report = Report { passed: 0, errors: 0, warnings: 0, output };
    // One line a check, and below it, indented, what was found.
    for line in report.output.lines() {
        match line.split(' ').next().unwrap_or_default() {
            "SUCCESS" | "COMPLIANT" | "ACCEPTABLE" => report.passed += 1,
            "ERROR" | "CRITICAL" => report.errors += 1,
            "DEVIATION" => report.warnings += 1,
            _ => {}
        }
    }
    if report.passed + report.errors == 0 {
        bail!("scim2-tester ran no check:\n{}", report.output);
    }
    Ok(report)
}

/// Runs the probe of scim-sanity, in its strict mode, against the server at `url` (with its path:
/// `…/scim/v2`).
pub fn scim_sanity(url: &str, token: &str) -> anyhow::Result<Report> {
    let bin = pypi::venv("scim-sanity", &requirements(include_str!("scim-sanity.txt")))?;
    let mut command = tool(&bin, "scim-sanity");
    command.args(["probe", url, "--token", token, "--strict", "--json-output", "--i-accept-side-effects"]);
    let finished = command.output().context("cannot run `scim-sanity`")?;
    let output = text(&finished);
    let Ok(answer) = serde_json::from_slice::<Value>(&finished.stdout) else {
        bail!("scim-sanity wrote no report:\n{output}");
    };
    let count = |name: &str| {
        let count = answer.pointer(&format!("/summary/{name}")).and_then(Value::as_u64);
        count.and_then(|count| usize::try_from(count).ok()).with_context(|| format!("no `{name}` in:\n{output}"))
    };
    let (passed, warnings, errors) = (count("passed")?, count("warnings")?, count("failed")? + count("errors")?);
    Ok(Report { passed, errors, warnings, output })
}

fn tool(bin: &Path, name: &str) -> Command {
    let mut command = Command::new(bin.join(name));
    command.stdin(Stdio::null()).env("NO_PROXY", "*").env("PYTHONIOENCODING", "utf-8");
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
