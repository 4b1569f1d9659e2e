//! The command line as a user runs it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// `scim-edge demo --host <host>` with these arguments.
pub(crate) fn demo(host: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scim-edge"));
    command.args(["demo", "--host", host]).args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn the_tour_is_walked(host: &str) {
    let output = demo(host, &["--tour"]).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
    for text in [
        "A joiner",
        "POST /api/v2/users",
        "\"scimType\":\"uniqueness\"",
        "/suspend",
        "DELETE /api/v2/users/",
        "That was the tour",
    ] {
        assert!(out.contains(text), "`{text}` is not in:\n{out}");
    }
    assert_clean(&err);
}

/// Kills a demo that a failed test leaves behind; Envoy goes with it.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn an_interrupt_stops_everything(host: &str) {
    let mut running = Running(demo(host, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut url = String::new();
    for line in &mut lines {
        let line = line.unwrap();
        if let Some(text) = line.trim_start().strip_prefix("SCIM ") {
            text.trim().clone_into(&mut url);
        }
        if line.contains("Ctrl-C stops everything") {
            break;
        }
    }
    let answer = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let answer = answer.get(format!("{url}/Users")).bearer_auth(scim_edge::cli::demo::TOKEN).send().unwrap();
    assert_eq!(answer.status(), 200);

    let own = running.0.id();
    let started = descendants(own);
    // The playground is being built.
    assert!(!started.is_empty());
    let sent = Command::new("kill").args(["-INT", &own.to_string()]).status().unwrap();
    assert!(sent.success());
    let status = running.0.wait().unwrap();
    let mut err = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(status.success(), "{status}\n{err}");
    assert!(lines.any(|line| line.unwrap() == "stopping"));
    assert_clean(&err);
    let left: Vec<u32> = started.into_iter().filter(|id| is_running(*id)).collect();
    assert!(left.is_empty(), "processes {left:?} are left");
}

/// Log lines and what the demo says itself, and nothing that has gone wrong.
fn assert_clean(err: &str) {
    for text in ["failed", "panicked", "error"] {
        assert!(!err.contains(text), "`{text}` in:\n{err}");
    }
}

/// Whether a process is there, and has not ended: whoever adopts an orphan may take its time to bury it.
fn is_running(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn descendants(process: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return found };
    for task in tasks.flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            found.insert(child);
            found.extend(descendants(child));
        }
    }
    found
}
