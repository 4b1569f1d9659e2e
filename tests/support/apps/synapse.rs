//! Synapse, a Matrix home server: users behind an admin API whose PUT creates or overwrites.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use reqwest::blocking::Client;
use scim_edge::cli::pypi;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::native::Native;
use super::requirements;
use super::server::{Server, directory, free_port, run};

/// The administrator's name: `@admin:example.test`.
pub const ADMIN: &str = "admin";
/// The administrator's password.
pub const PASSWORD: &str = "synapse-test-password";
/// The home server's name, the part of user ids after the colon.
pub const SERVER_NAME: &str = "example.test";

/// A running Synapse with nobody in it but the administrator.
#[derive(Debug)]
pub struct Synapse {
    server: Server,
    url: String,
    token: String,
}

impl Synapse {
    /// Starts it, and logs the administrator in.
    pub fn start() -> anyhow::Result<Synapse> {
        let bin = pypi::venv("synapse", &requirements(include_str!("synapse.txt")))?;
        let directory = directory("synapse")?;
        let path = directory.path().to_owned();
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        configure(&directory, port)?;
        let homeserver = || {
            let mut command = Command::new(bin.join("python"));
            command.args(["-m", "synapse.app.homeserver", "-c", "homeserver.yaml"]);
            command
        };
        run(homeserver().arg("--generate-keys"), &path)?;
        let server = Server::start(directory, &homeserver(), &format!("{url}/health"))?;
        register_admin(&bin, &path, &url)?;
        let token = login(&url)?;
        Ok(Synapse { server, url, token })
    }

    /// The origin: `http://127.0.0.1:40123`. Paths start with `/_synapse/admin`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's access token, which does not expire.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// A client with the administrator's token.
    pub fn native(&self) -> anyhow::Result<Native> {
        Native::new(&self.url, ("Authorization", format!("Bearer {}", self.token)))
    }

    /// Reads `path` as the administrator.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.native()?.call("GET", path, None)
    }

    /// Posts to `path` as the administrator.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.native()?.call("POST", path, Some(body))
    }

    /// Creates or overwrites `path` as the administrator.
    pub fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.native()?.call("PUT", path, Some(body))
    }
}

fn configure(directory: &TempDir, port: u16) -> anyhow::Result<()> {
    let path = directory.path();
    let file = |name: &str| path.join(name).display().to_string();
    let often = json!({ "per_second": 1000, "burst_count": 1000 });
    // YAML contains JSON.
    let homeserver = json!({
        "server_name": SERVER_NAME,
        "pid_file": file("synapse.pid"),
        "public_baseurl": format!("http://127.0.0.1:{port}/"),
        "listeners": [{
            "port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "tls": false,
            "resources": [{ "names": ["client"], "compress": false }],
        }],
        "database": { "name": "sqlite3", "args": { "database": file("homeserver.db") } },
        "media_store_path": file("media"),
        "signing_key_path": file("signing.key"),
        "log_config": file("log.yaml"),
        "registration_shared_secret": "synapse-test-registration",
        "macaroon_secret_key": "synapse-test-macaroon",
        "form_secret": "synapse-test-form",
        "bcrypt_rounds": 4,
        "rc_login": { "address": often, "account": often, "failed_attempts": often },
        "enable_registration": false,
        "report_stats": false,
        "trusted_key_servers": [],
        "suppress_key_server_warning": true,
        "federation_domain_whitelist": [],
    });
    std::fs::write(path.join("homeserver.yaml"), homeserver.to_string())?;
    let log = json!({
        "version": 1,
        "handlers": { "console": { "class": "logging.StreamHandler" } },
        "root": { "level": "WARNING", "handlers": ["console"] },
        "disable_existing_loggers": false,
    });
    std::fs::write(path.join("log.yaml"), log.to_string())?;
    Ok(())
}

fn register_admin(bin: &Path, directory: &Path, url: &str) -> anyhow::Result<()> {
    let mut command = Command::new(bin.join("register_new_matrix_user"));
    command.args(["-c", "homeserver.yaml", "-u", ADMIN, "-p", PASSWORD, "--admin", url]);
    run(&mut command, directory)
}

fn login(url: &str) -> anyhow::Result<String> {
    let body = json!({
        "type": "m.login.password",
        "identifier": { "type": "m.id.user", "user": ADMIN },
        "password": PASSWORD,
    });
    let url = format!("{url}/_matrix/client/v3/login");
    let response = Client::builder().no_proxy().build()?.post(url).json(&body).send()?;
    let answer: Value = response.error_for_status().context("the administrator cannot log in")?.json()?;
    let token = answer.get("access_token").and_then(Value::as_str);
    Ok(token.context("the login call returned no token")?.to_owned())
}
