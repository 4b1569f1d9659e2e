//! One Node for all cases, with the npm package as it is packed.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scim_edge::Environment;
use scim_edge::cli::npm;
use scim_edge::exchange::{Reply, Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A running Node. It ends when its standard input does, which is at the latest when this process ends.
pub(crate) struct Node {
    process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
    _directory: TempDir,
}

impl Node {
    pub(crate) fn start() -> Result<Node> {
        let modules = npm::node_modules()?;
        let directory = TempDir::new()?;
        std::os::unix::fs::symlink(modules, directory.path().join("node_modules"))?;
        let script = directory.path().join("node-host.mjs");
        std::fs::write(&script, include_str!("node-host.mjs"))?;
        let mut node = Command::new("node");
        node.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = node.spawn().context("Node (20 or later) is needed: cannot run `node`")?;
        let to = process.stdin.take().context("a pipe")?;
        let from = BufReader::new(process.stdout.take().context("a pipe")?).lines();
        Ok(Node { process, to, from, _directory: directory })
    }

    pub(crate) fn run(
        &mut self,
        mapping: &str,
        environment: &Environment,
        request: &Request,
        reply: &mut dyn FnMut(Request) -> Reply,
    ) -> Result<Response> {
        self.say(&json!({
            "mapping": mapping, "environment": environment,
            "request": {
                "method": request.method, "target": request.target, "headers": request.headers,
                "body": STANDARD.encode(&request.body),
            },
        }))?;
        loop {
            let Some(line) = self.from.next() else {
                bail!("Node stopped: {}", self.process.wait()?);
            };
            let message: Value = serde_json::from_str(&line?)?;
            if let Some(error) = message["error"].as_str() {
                bail!("{error}");
            }
            if let Some(response) = message.get("response") {
                let status = response["status"].as_u64().context("a status")?;
                return Ok(Response { status: status.try_into()?, headers: headers(response)?, body: body(response)? });
            }
            let text = |key: &str| message[key].as_str().map(str::to_owned).context("a text");
            let call = Request {
                method: text("method")?,
                target: text("target")?,
                headers: headers(&message)?,
                body: body(&message)?,
            };
            let mut told = match reply(call) {
                Ok(Response { status, headers, body }) => {
                    json!({ "status": status, "headers": headers, "body": STANDARD.encode(body) })
                }
                Err(reason) => json!({ "failure": reason.as_str() }),
            };
            told["call"] = message["call"].clone();
            self.say(&told)?;
        }
    }

    fn say(&mut self, message: &Value) -> Result<()> {
        writeln!(self.to, "{message}").context("Node does not listen")
    }
}

fn headers(message: &Value) -> Result<Vec<(String, String)>> {
    Ok(serde_json::from_value(message["headers"].clone())?)
}

fn body(message: &Value) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(message["body"].as_str().context("a body")?)?)
}
