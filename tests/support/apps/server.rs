//! A server process in a directory of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::blocking::Client;
use tempfile::TempDir;

/// How often readiness is asked for, and how many times before giving up: three minutes, on a machine
/// that is busy with other things.
const POLL: (Duration, u32) = (Duration::from_millis(100), 1800);

/// Runs a command until it exits or standard input closes, and then kills everything that it has
/// started. The test holds the other end of standard input, so nothing outlives a test that is killed.
const LEASH: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null & server=$!
{ read -r _ <&3; kill -9 0; } &
wait $server
kill -9 0
"#;

/// A running server. Dropping it kills its process group and removes its files.
#[derive(Debug)]
pub struct Server {
    leash: Child,
    directory: TempDir,
}

impl Server {
    /// Starts `command` in `directory`, its output in the file `log` there, and waits until `ready` answers
    /// with a status below 500. The error holds what it has logged.
    pub fn start(directory: TempDir, command: &Command, ready: &str) -> anyhow::Result<Server> {
        let log = File::create(directory.path().join("log")).context("cannot write a log")?;
        let mut leash = Command::new("sh");
        leash.args(["-c", LEASH, "sh"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leash.env(name, value),
                None => leash.env_remove(name),
            };
        }
        leash.current_dir(directory.path()).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let leash = leash.spawn().context("cannot run `sh`")?;
        let mut server = Server { leash, directory };
        server.wait_for(ready)?;
        Ok(server)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        logs(self.directory.path())
    }

    /// The id of its process group.
    pub fn process_group(&self) -> u32 {
        self.leash.id()
    }

    fn wait_for(&mut self, ready: &str) -> anyhow::Result<()> {
        let client = Client::builder().no_proxy().build()?;
        for _ in 0..POLL.1 {
            if let Some(status) = self.leash.try_wait()? {
                bail!("the server stopped ({status}):\n{}", self.log());
            }
            if client.get(ready).send().is_ok_and(|response| response.status().as_u16() < 500) {
                return Ok(());
            }
            thread::sleep(POLL.0);
        }
        bail!("`{ready}` did not answer:\n{}", self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Lets go of the leash.
        drop(self.leash.stdin.take());
        let _ = self.leash.wait();
    }
}

/// Everything in the files of a directory that are logs by their names.
fn logs(directory: &Path) -> String {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let logs = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with("log"));
    logs.filter_map(|entry| fs::read(entry.path()).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect()
}

/// A new directory for a server's files.
pub fn directory(name: &str) -> anyhow::Result<TempDir> {
    TempDir::with_prefix(format!("scim-edge-{name}-")).context("cannot make a directory")
}

/// A loopback port that is free, for servers that must be told theirs.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Runs a command to its end in `directory`. The error holds what it has written.
pub fn run(command: &mut Command, directory: &Path) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.current_dir(directory).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{program}`"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "`{program}` failed ({}):\n{}{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        logs(directory)
    )
}
