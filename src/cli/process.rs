//! Servers that run as processes of their own for as long as this program does.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

/// How often readiness is asked for, and how many times before giving up: a minute, as a module's
/// compilation competes with whatever else the machine does.
const POLL: (Duration, u32) = (Duration::from_millis(50), 1200);

/// Runs a command until either it exits or standard input closes. This program holds the other end, so
/// the server goes with it even if it is killed.
const LEASH: &str = r#"
exec 3<&0
"$@" 3<&- & server=$!
{ read -r _ <&3; kill -9 $server; } 2>/dev/null & leash=$!
wait $server; status=$?
kill $leash 2>/dev/null
exit $status
"#;

/// A server process in a directory of its own. Dropping it stops the process and removes the directory.
#[derive(Debug)]
pub(super) struct Process {
    shell: Child,
    directory: TempDir,
}

impl Process {
    /// Starts `command`; what it says is kept in the file `log` of the directory.
    pub(super) fn start(command: &Command, directory: TempDir) -> anyhow::Result<Process> {
        let log = File::create(directory.path().join("log")).context("cannot write a log")?;
        let mut shell = Command::new("sh");
        shell.args(["-c", LEASH, "sh"]).arg(command.get_program()).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(directory.path()).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        Ok(Process { shell: shell.spawn().context("cannot run `sh`")?, directory })
    }

    /// Waits until `ready` gives something. The error holds the log where the server stops.
    pub(super) fn wait_for<T>(&mut self, ready: impl Fn(&Process) -> Option<T>) -> anyhow::Result<T> {
        for _ in 0..POLL.1 {
            if let Some(status) = self.shell.try_wait().context("cannot wait for the server")? {
                bail!("the server stopped ({status}):\n{}", self.log());
            }
            if let Some(found) = ready(self) {
                return Ok(found);
            }
            thread::sleep(POLL.0);
        }
        bail!("the server did not become ready:\n{}", self.log())
    }

    /// Its directory.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it has said so far.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The process of the server itself.
    pub(super) fn id(&self) -> Option<u32> {
        let shell = self.shell.id();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Lets go of the leash.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
