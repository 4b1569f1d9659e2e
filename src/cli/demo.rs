//! `scim-edge demo`: the example application with SCIM in front of it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tempfile::TempDir;

use super::envoy::{Config, Envoy};
use super::example::{ExampleApp, Options};
use super::node::NodeServer;
use super::wasi::WasiServer;
use super::{DemoHost, artifact, playground, tour};

/// The mapping of the example application.
pub const MAPPING: &str = include_str!("../../mappings/example.yaml");

/// The bearer token that the demo accepts.
pub const TOKEN: &str = "demo-token";

/// The example application's key.
const API_KEY: &str = "demo-application-key";

/// The example application and a host with the real module in front of it. Dropping it stops both.
pub struct Demo {
    /// The host comes before the application, so that it is stopped first.
    host: Host,
    app: Arc<ExampleApp>,
    _directory: TempDir,
}

enum Host {
    Wasi(WasiServer),
    Envoy(Box<Envoy>),
    Node(NodeServer),
}

impl Demo {
    /// Builds the module if it is not there yet, and starts everything on free loopback ports.
    pub fn start(host: DemoHost) -> anyhow::Result<Demo> {
        Self::start_with(host, MAPPING, &[])
    }

    /// The same with another mapping, and with further settings or others.
    pub fn start_with(host: DemoHost, mapping: &str, settings: &[(&str, &str)]) -> anyhow::Result<Demo> {
        let app = ExampleApp::start(Options { api_key: API_KEY.to_owned(), ..Options::default() })?;
        let directory = TempDir::with_prefix("scim-edge-demo-").context("cannot make a directory")?;
        let secrets = [("SCIM_EDGE_TOKENS", TOKEN), ("NATIVE_API_KEY", API_KEY)];
        let upstream = app.url();
        let own = [("SCIM_EDGE_UPSTREAM", upstream.as_str())];
        let environment: Vec<(String, String)> = own
            .iter()
            .chain(&secrets)
            .filter(|(name, _)| !settings.iter().any(|(other, _)| other == name))
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let host = match host {
            DemoHost::Wasi => {
                let component = artifact::build_wasm("wasm32-wasip2")?;
                let path: PathBuf = directory.path().join("mapping.yaml");
                std::fs::write(&path, mapping).context("cannot write the mapping")?;
                Host::Wasi(WasiServer::start(&component, &path, &environment)?)
            }
            DemoHost::Node => Host::Node(NodeServer::start(mapping, &environment)?),
            DemoHost::Envoy => {
                let module = artifact::build_wasm("wasm32-wasip1")?;
                let mut config = Config::shipped(&module, app.address())?.mapping(mapping)?;
                for (name, value) in settings {
                    config = config.setting(name, value)?;
                }
                Host::Envoy(Box::new(Envoy::start(&config, &secrets)?))
            }
        };
        Ok(Demo { host, app: Arc::new(app), _directory: directory })
    }

    /// The URL of the SCIM root.
    pub fn url(&self) -> String {
        format!("{}/scim/v2", self.origin())
    }

    /// The origin that the host listens on.
    pub fn origin(&self) -> String {
        match &self.host {
            Host::Wasi(server) => server.url().trim_end_matches('/').to_owned(),
            Host::Envoy(envoy) => format!("http://{}", envoy.address()),
            Host::Node(server) => server.url().to_owned(),
        }
    }

    /// The example application, for looking at its state and its calls.
    pub fn app(&self) -> &ExampleApp {
        &self.app
    }

    /// What the host has logged.
    pub fn log(&self) -> String {
        match &self.host {
            Host::Wasi(server) => server.log(),
            Host::Envoy(envoy) => envoy.log(),
            Host::Node(server) => server.log(),
        }
    }
}

/// Runs the demo until Ctrl-C, or through the tour.
pub(super) fn run(host: DemoHost, with_tour: bool) -> anyhow::Result<()> {
    eprintln!("building the module and starting (the first time takes minutes) …");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Ctrl-C must find somebody to clean up from the very beginning.
    let stopped = runtime.spawn(tokio::signal::ctrl_c());
    let demo = Demo::start(host)?;
    let name = match host {
        DemoHost::Wasi => "the WASI component in wasmtime",
        DemoHost::Envoy => "the proxy-wasm module in Envoy",
        DemoHost::Node => "the npm package in Node",
    };
    println!("scim-edge demo: {name}, in front of an example application\n");
    println!("  SCIM         {}", demo.url());
    println!("  bearer token {TOKEN}");
    println!("  application  {}{}\n", demo.app().url(), super::example::BASE);
    if with_tour {
        return tour::run(&demo);
    }
    let url = demo.url();
    println!("Try it:\n");
    println!("  curl -H 'Authorization: Bearer {TOKEN}' {url}/Users");
    println!(
        "  curl -H 'Authorization: Bearer {TOKEN}' -H 'Content-Type: application/scim+json' {url}/Users \\\n    \
         -d '{{\"userName\":\"bjensen\",\"emails\":[{{\"value\":\"bjensen@example.com\",\"type\":\"work\"}}],\"active\":true}}'"
    );
    println!(
        "  curl -H 'Authorization: Bearer {TOKEN}' -G {url}/Users --data-urlencode 'filter=userName eq \"bjensen\"'"
    );
    println!(
        "  curl -H 'Authorization: Bearer {TOKEN}' -H 'Content-Type: application/scim+json' -X PATCH {url}/Users/1 \\\n    \
         -d '{{\"Operations\":[{{\"op\":\"replace\",\"path\":\"active\",\"value\":false}}]}}'"
    );
    println!("  curl -X DELETE -H 'Authorization: Bearer {TOKEN}' {url}/Users/1\n");
    println!("Ctrl-C stops everything.");
    runtime.block_on(async {
        tokio::select! {
            stopped = stopped => stopped?,
            never = playground::offer(demo.origin(), demo.app.clone()) => match never {},
        }
    })?;
    println!("\nstopping");
    Ok(())
}
