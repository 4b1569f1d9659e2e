//! A real Node with the npm package, as `host-configs/js/node` runs it, for the demo and the tests.

use std::fs;
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::cli::npm;
use crate::cli::process::Process;

/// The shipped server in Node, on a free port of 127.0.0.1, until this is dropped.
#[derive(Debug)]
pub struct NodeServer {
    process: Process,
    url: String,
}

impl NodeServer {
    /// Starts the server with this mapping and these settings and secrets.
    ///
    /// Fails where there is no Node; the error holds what Node said where the server does not start, which is how it
    /// answers a mapping with mistakes.
    pub fn start(mapping: &str, env: &[(String, String)]) -> anyhow::Result<NodeServer> {
        let modules = npm::node_modules()?;
        let directory = TempDir::with_prefix("scim-edge-node-").context("cannot make a directory")?;
        let path = directory.path();
        fs::write(path.join("server.mjs"), include_str!("../../host-configs/js/node/server.mjs"))?;
        fs::write(path.join("mapping.yaml"), mapping).context("cannot write the mapping")?;
        std::os::unix::fs::symlink(modules, path.join("node_modules"))?;
        let mut node = Command::new("node");
        node.arg("server.mjs").env("HOST", "127.0.0.1").env("PORT", "0").envs(env.iter().cloned());
        let mut process = Process::start(&node, directory)?;
        let url = process.wait_for(|process| {
            let log = process.log();
            log.lines().find_map(|line| line.strip_prefix("listening on ")).map(str::to_owned)
        })?;
        Ok(NodeServer { process, url })
    }

    /// Where it listens, without a final slash: `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
