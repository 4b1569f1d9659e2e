//! `JupyterHub`: users and groups whose key is their name, members by a list in the body.

use std::process::Command;

use scim_edge::cli::pypi;
use serde_json::Value;

use super::native::Native;
use super::requirements;
use super::server::{Server, directory, free_port};

/// The token of a service that may manage users and groups, and may not make administrators.
pub const TOKEN: &str = "jupyterhub-test-token-0123456789abcdef";
/// The token of a service that may do everything.
pub const ADMIN_TOKEN: &str = "jupyterhub-admin-token-0123456789abcdef";
/// The most users or groups that a list call answers at once, whatever `limit` says.
pub const PAGE_LIMIT: u32 = 200;

/// A running `JupyterHub` with one user in it, `root-admin`.
#[derive(Debug)]
pub struct JupyterHub {
    server: Server,
    url: String,
}

impl JupyterHub {
    /// Starts the hub, without the proxy in front of it: its API is the same.
    pub fn start() -> anyhow::Result<JupyterHub> {
        let bin = pypi::venv("jupyterhub", &requirements(include_str!("jupyterhub.txt")))?;
        let directory = directory("jupyterhub")?;
        let url = format!("http://127.0.0.1:{}", free_port()?);
        let config = directory.path().join("jupyterhub_config.py");
        std::fs::write(&config, include_str!("jupyterhub_config.py"))?;
        let mut command = Command::new(bin.join("jupyterhub"));
        command
            .arg("-f")
            .arg(config)
            .env("HUB_URL", &url)
            .env("HUB_TOKEN", TOKEN)
            .env("HUB_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("JUPYTERHUB_CRYPT_KEY", "0123456789abcdef".repeat(4));
        let server = Server::start(directory, &command, &format!("{url}/hub/api/"))?;
        Ok(JupyterHub { server, url })
    }

    /// The origin: `http://127.0.0.1:40123`. Paths start with `/hub/api`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// A client with the token that may do everything.
    pub fn native(&self) -> anyhow::Result<Native> {
        Native::new(&self.url, ("Authorization", format!("token {ADMIN_TOKEN}")))
    }

    /// Reads `path`.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.native()?.call("GET", path, None)
    }

    /// Posts to `path`.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.native()?.call("POST", path, Some(body))
    }

    /// Deletes `path`.
    pub fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.native()?.call("DELETE", path, None)
    }
}
