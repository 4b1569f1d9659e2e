//! What scim-edge costs: `cargo bench`, or a part of it, as `cargo bench -- envoy`. Everything is printed as tables in
//! Markdown, the budgets last. `docs/performance.md` says what they mean.
#![allow(clippy::disallowed_methods)] // Time is what is measured here.

mod budgets;
mod fixture;
mod instructions;
mod jobs;
mod load;
mod module;
mod native;
mod proxy;
#[path = "../../tests/support/proxy_wasm.rs"]
#[allow(dead_code)]
mod proxy_wasm;
mod table;
mod upstream;

use std::env;

use anyhow::bail;

use budgets::Budgets;
use table::Table;

/// A part of the run.
type Part = (&'static str, fn(&mut Budgets) -> anyhow::Result<Vec<Table>>);

const PARTS: [Part; 4] =
    [("native", native::run), ("instructions", instructions::run), ("module", module::run), ("envoy", proxy::run)];

fn main() -> anyhow::Result<()> {
    // Cargo says `--bench`.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [argument, job] = arguments.as_slice()
        && argument == instructions::ARGUMENT
    {
        return instructions::perform(job);
    }
    if let Some(unknown) = arguments.iter().find(|name| PARTS.iter().all(|(part, _)| part != name)) {
        let names = PARTS.map(|(part, _)| part).join(", ");
        bail!("there is no part `{unknown}`; there are: {names}");
    }
    let mut budgets = Budgets::default();
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    for (name, run) in PARTS.into_iter().filter(|(name, _)| wanted(name)) {
        eprintln!("measuring: {name}");
        for table in run(&mut budgets)? {
            println!("{table}");
        }
    }
    println!("{}", budgets.table());
    Ok(())
}
