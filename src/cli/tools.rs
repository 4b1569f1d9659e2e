//! Tools that the demo and the tests run, installed under the target directory, each pinned to a version.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::cli::artifact;

/// The directory `<target>/tools/<name>-<hash>` in which `install` has installed `requirements`.
///
/// It is made on the first call and reused by later ones, in this process or another; a lock file keeps concurrent ones
/// apart. An installation that was interrupted is thrown away and made again.
pub(super) fn installed(
    name: &str,
    requirements: &[&str],
    install: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let tools = artifact::target_dir()?.join("tools");
    let dir = tools.join(format!("{name}-{}", key(&tools, requirements)));
    let _lock = lock(&dir)?;
    let complete = dir.join("complete");
    if !complete.is_file() {
        remove(&dir)?;
        if let Err(error) = install(&dir) {
            remove(&dir)?;
            return Err(error.context(format!("cannot install `{}`", requirements.join(" "))));
        }
        File::create(&complete).with_context(|| format!("cannot create `{}`", complete.display()))?;
    }
    Ok(dir)
}

/// Keeps other processes from `dir` until it is dropped.
pub(super) fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.with_extension("lock");
    let parent = dir.parent().context("a directory in another one is expected")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create `{}`", parent.display()))?;
    let lock = File::create(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
    lock.lock().with_context(|| format!("cannot lock `{}`", path.display()))?;
    Ok(lock)
}

/// Installed tools may name their own directory by absolute path, so one that was moved or copied must not be taken for
/// an installation: its path is part of the key.
pub(super) fn key(tools: &Path, requirements: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(tools.as_os_str().as_encoded_bytes());
    for requirement in requirements {
        hash.update(b"\n");
        hash.update(requirement.as_bytes());
    }
    let digest = hash.finalize();
    digest.iter().take(6).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Runs a command to its end, and gives its standard output.
pub(super) fn run(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("`{program}` was not found"),
        Err(error) => return Err(error).with_context(|| format!("cannot run `{program}`")),
    };
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(out);
    }
    // Some explain themselves on standard output, as `venv` does.
    bail!("`{program}` failed ({}):\n{out}{}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Removes a directory, if it is there.
pub(super) fn remove(dir: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", dir.display()))
        }
        _ => Ok(()),
    }
}
