//! The modules: their size, and the Envoy module under wasmtime without Envoy.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use scim_edge::cli::artifact::build_wasm;
use scim_edge::exchange::Request;
use wasmtime::Config;

use crate::budgets::Budgets;
use crate::fixture::{App, list, mapping, requests, settings};
use crate::proxy_wasm::{Module, Vm};
use crate::table::{Table, count, time};

const TIMES: usize = 300;

#[allow(clippy::cast_precision_loss)]
pub(crate) fn run(budgets: &mut Budgets) -> anyhow::Result<Vec<Table>> {
    let mut sizes = Table::new("Modules", ["target", "bytes"]);
    for (target, most, what) in
        [("wasm32-wasip1", 700.0, "the Envoy module"), ("wasm32-wasip2", 1_000.0, "the WASI component")]
    {
        let bytes = fs::metadata(build_wasm(target)?)?.len();
        sizes.row([target.to_owned(), count(bytes)]);
        budgets.at_most(what, bytes as f64 / 1000.0, most, "KB");
    }
    let path = build_wasm("wasm32-wasip1")?;
    let tables = vec![sizes, under_wasmtime(&path, budgets).map_err(|error| anyhow::anyhow!("{error:?}"))?];
    Ok(tables)
}

#[allow(clippy::cast_precision_loss)]
fn under_wasmtime(path: &Path, budgets: &mut Budgets) -> wasmtime::Result<Table> {
    let metered = Module::load_with(Config::new().consume_fuel(true), path)?;
    let module = Module::load(path)?;
    let mapping = mapping(1_000).map_err(|error| wasmtime::format_err!("{error:#}"))?;
    let mut table =
        Table::new("The Envoy module under wasmtime", ["what", "time", "wasm instructions", "memory of the VM"]);

    let mut starts: Vec<Duration> = Vec::new();
    for _ in 0..25 {
        let mut vm = Vm::create(&module, &mapping, &settings())?;
        let start = Instant::now();
        vm.configure()?;
        starts.push(start.elapsed());
    }
    let compiling = median(starts);
    let mut vm = Vm::start(&module, &mapping, &settings())?;
    let mut meter = Vm::create(&metered, &mapping, &settings())?;
    meter.instructions()?;
    meter.configure()?;
    let memory = |vm: &mut Vm| format!("{} KiB", vm.memory_size().unwrap_or(0) >> 10);
    table.row(["compile the mapping".to_owned(), time(compiling), count(meter.instructions()?), memory(&mut vm)]);
    budgets.at_most("compiling a mapping in wasm", compiling.as_secs_f64() * 1e3, 2.0, "ms");
    let rest = vm.memory_size().unwrap_or(usize::MAX);
    budgets.at_most("memory of a VM at rest", rest as f64 / f64::from(1 << 20), 8.0, "MiB");

    for vm in [&mut vm, &mut meter] {
        let app = App::new(&[100, 1_000]);
        vm.answer(move |call| Ok(Ok(app.reply(&call))));
    }
    let mut asked: Vec<(String, Request, usize)> =
        requests().into_iter().map(|(name, request)| (name, request, TIMES)).collect();
    asked.extend([100, 1_000].map(|size| (format!("list {size} users"), list(size, false), TIMES / 10)));
    for (name, request, times) in asked {
        let mut took = Vec::new();
        for _ in 0..times {
            let start = Instant::now();
            let response = vm.stream(&request)?;
            took.push(start.elapsed());
            if response.status >= 300 {
                return Err(wasmtime::format_err!("{name}: {}", response.status));
            }
        }
        meter.stream(&request)?;
        meter.instructions()?;
        meter.stream(&request)?;
        table.row([name, time(median(took)), count(meter.instructions()?), memory(&mut vm)]);
    }
    Ok(table)
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}
