//! Keystone, the identity service of `OpenStack`: users and groups behind a token that a login call returns in a header.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use reqwest::blocking::Client;
use scim_edge::cli::pypi;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::native::Native;
use super::requirements;
use super::server::{Server, directory, free_port, run};

/// The login of the administrator, in the domain `default` and the project `admin`.
pub const ADMIN: &str = "admin";
/// The administrator's password.
pub const PASSWORD: &str = "keystone-test-password";
/// The most users or groups that a list call answers at once.
pub const LIST_LIMIT: u32 = 20;

const DAY: u32 = 24 * 60 * 60;

/// A running Keystone with nobody in it but the administrator.
#[derive(Debug)]
pub struct Keystone {
    server: Server,
    url: String,
}

impl Keystone {
    /// Starts it, with tokens that last a day.
    pub fn start() -> anyhow::Result<Keystone> {
        Keystone::start_with(DAY)
    }

    /// Starts it, with tokens that last `token_seconds`.
    pub fn start_with(token_seconds: u32) -> anyhow::Result<Keystone> {
        let bin = pypi::venv("keystone", &requirements(include_str!("keystone.txt")))?;
        let directory = directory("keystone")?;
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        configure(directory.path(), port, token_seconds)?;
        copy_state(&bootstrapped(&bin)?, directory.path())?;
        // Keystone reads the command line as its own, so gunicorn finds its settings in a file.
        let mut command = Command::new(bin.join("gunicorn"));
        command
            .env("OS_KEYSTONE_CONFIG_FILES", directory.path().join("keystone.conf"))
            .env("OS_KEYSTONE_CONFIG_DIR", directory.path());
        let server = Server::start(directory, &command, &format!("{url}/v3"))?;
        Ok(Keystone { server, url })
    }

    /// The origin: `http://127.0.0.1:40123`. Paths start with `/v3`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// The body that `POST /v3/auth/tokens` wants from the administrator.
    pub fn login() -> Value {
        let domain = json!({ "id": "default" });
        let user = json!({ "name": ADMIN, "domain": domain, "password": PASSWORD });
        json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": "admin", "domain": domain } },
        }})
    }

    /// A client with a fresh token, good for as long as tokens last.
    pub fn native(&self) -> anyhow::Result<Native> {
        let url = format!("{}/v3/auth/tokens", self.url);
        let response = Client::builder().no_proxy().build()?.post(url).json(&Keystone::login()).send()?;
        let response = response.error_for_status().context("the administrator cannot log in")?;
        let token = response.headers().get("x-subject-token").context("the login call returned no token")?;
        Native::new(&self.url, ("X-Auth-Token", token.to_str()?.to_owned()))
    }

    /// Reads `path` as the administrator.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, None)
    }

    /// Creates at `path` as the administrator.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, Some(body))
    }

    /// Changes `path` as the administrator.
    pub fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("PATCH", path, Some(body))
    }

    /// Puts `path`, a membership, in its place as the administrator.
    pub fn put(&self, path: &str) -> anyhow::Result<Value> {
        self.call("PUT", path, None)
    }

    /// Deletes `path` as the administrator.
    pub fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call("DELETE", path, None)
    }

    /// A token that lasts seconds may have expired before a busy machine has used it.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        for _ in 0..5 {
            let (status, answer) = self.native()?.send(method, path, body)?;
            match status {
                200..=299 => return Ok(answer),
                401 => {}
                _ => bail!("{method} {path}: {status} {answer}"),
            }
        }
        bail!("{method} {path}: every token was refused")
    }
}

fn configure(path: &Path, port: u16, token_seconds: u32) -> anyhow::Result<()> {
    let here = path.display();
    // The cheapest hash that bcrypt knows: a test waits for every password.
    let keystone = format!(
        "[DEFAULT]\n\
         log_file = {here}/keystone.log\n\
         public_endpoint = http://127.0.0.1:{port}\n\
         [database]\n\
         connection = sqlite:///{here}/keystone.db\n\
         [token]\n\
         provider = fernet\n\
         expiration = {token_seconds}\n\
         [fernet_tokens]\n\
         key_repository = {here}/fernet\n\
         [fernet_receipts]\n\
         key_repository = {here}/fernet\n\
         [credential]\n\
         key_repository = {here}/credential\n\
         [cache]\n\
         enabled = false\n\
         [identity]\n\
         list_limit = {LIST_LIMIT}\n\
         password_hash_algorithm = bcrypt\n\
         password_hash_rounds = 4\n\
         [oslo_policy]\n\
         enforce_scope = true\n\
         enforce_new_defaults = true\n"
    );
    fs::write(path.join("keystone.conf"), keystone)?;
    let gunicorn = format!(
        "wsgi_app = 'keystone.wsgi.api:application'\n\
         bind = '127.0.0.1:{port}'\n\
         workers = 1\n\
         threads = 4\n\
         control_socket_disable = True\n"
    );
    fs::write(path.join("gunicorn.conf.py"), gunicorn)?;
    Ok(())
}

/// A directory with a database, keys, and an administrator: made once beside the installation, as it takes
/// longer than everything else.
fn bootstrapped(bin: &Path) -> anyhow::Result<PathBuf> {
    let installation = bin.parent().context("an installation has a directory")?;
    let state = installation.join(format!("state-{PASSWORD}"));
    if state.is_dir() {
        return Ok(state);
    }
    let directory = TempDir::new_in(installation)?;
    configure(directory.path(), 0, DAY)?;
    let manage = |arguments: &[&str]| {
        let mut command = Command::new(bin.join("keystone-manage"));
        command.args(["--config-file", "keystone.conf"]).args(arguments);
        run(&mut command, directory.path())
    };
    let (user, group) = (id("-un")?, id("-gn")?);
    manage(&["db_sync"])?;
    for step in ["fernet_setup", "credential_setup"] {
        manage(&[step, "--keystone-user", &user, "--keystone-group", &group])?;
    }
    manage(&["bootstrap", "--bootstrap-password", PASSWORD])?;
    // Another process may have been faster, and then its state is as good.
    if fs::rename(directory.keep(), &state).is_err() && !state.is_dir() {
        bail!("cannot make `{}`", state.display());
    }
    Ok(state)
}

/// Copies what [`bootstrapped`] made, but for the configuration and the logs.
fn copy_state(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from.join("keystone.db"), to.join("keystone.db"))?;
    for keys in ["fernet", "credential"] {
        fs::create_dir(to.join(keys))?;
        for key in fs::read_dir(from.join(keys))? {
            let key = key?;
            fs::copy(key.path(), to.join(keys).join(key.file_name()))?;
        }
    }
    Ok(())
}

/// The name of the user or the group that this process runs as.
fn id(flag: &str) -> anyhow::Result<String> {
    let output = Command::new("id").arg(flag).output().context("cannot run `id`")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
