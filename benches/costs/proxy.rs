//! Whole requests through a real Envoy: what its process spends on them, and how long a client waits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use scim_edge::cli::artifact::{build_wasm, target_dir};
use scim_edge::cli::envoy::{Config, Envoy};
use scim_edge::exchange::Request;

use crate::budgets::Budgets;
use crate::fixture::{App, TOKEN, calls, engine, list, mapping, requests};
use crate::load;
use crate::table::{Table, ratio, time};
use crate::upstream::Upstream;

/// Connections that are busy while the processor's time is taken.
const CLIENTS: usize = 8;
/// How often everything is measured, in turn.
const ROUNDS: usize = 5;
/// `USER_HZ`, in which `/proc` counts: 100 on every machine that Linux runs on today.
const TICK: Duration = Duration::from_millis(10);

/// A piece of work, as each of the three gets it.
struct Case {
    name: String,
    /// The native calls.
    native: Vec<Vec<u8>>,
    /// The SCIM request.
    scim: Vec<u8>,
    /// How often each client does it in a round.
    times: usize,
}

/// What one of the three has spent on a case.
#[derive(Clone, Default)]
struct Spent {
    times: usize,
    processor: Duration,
    waits: Vec<Duration>,
}

impl Spent {
    fn each(&self) -> Duration {
        self.processor / u32::try_from(self.times.max(1)).unwrap_or(u32::MAX)
    }

    fn wait(&self, percent: usize) -> Duration {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        waits.get(waits.len() * percent / 100).copied().unwrap_or_default()
    }
}

pub(crate) fn run(budgets: &mut Budgets) -> anyhow::Result<Vec<Table>> {
    let upstream = Upstream::start(App::new(&[100, 1_000]))?;
    let environment = [("SCIM_EDGE_TOKENS", TOKEN), ("NATIVE_API_KEY", "native-secret")];
    let start = |config: Config| Envoy::start(&config, &environment);
    let config = |module: &Path| Config::shipped(module, upstream.address());
    let module = build_wasm("wasm32-wasip1")?;
    let plain = start(config(&module)?.without_filter()?)?;
    let smallest = start(config(&smallest_filter()?)?)?;
    let edge = start(config(&module)?.mapping(&mapping(1_000)?)?)?;
    let envoys = [&plain, &smallest, &edge];

    let cases = cases()?;
    let mut spent: Vec<[Spent; 3]> = cases.iter().map(|_| Default::default()).collect();
    // The first round warms everything up.
    for round in 0..=ROUNDS {
        for (case, spent) in cases.iter().zip(&mut spent) {
            for ((number, envoy), spent) in envoys.iter().enumerate().zip(spent) {
                let scim = [case.scim.clone()];
                let work = if number == 2 { scim.as_slice() } else { &case.native };
                let before = processor(envoy)?;
                load::run(envoy.address(), work, CLIENTS, case.times).with_context(|| case.name.clone())?;
                let took = processor(envoy)?.saturating_sub(before);
                let waits = load::run(envoy.address(), work, 1, case.times)?;
                if round > 0 {
                    spent.processor += took;
                    spent.times += case.times * CLIENTS;
                    spent.waits.extend(waits);
                }
            }
        }
    }
    Ok(tables(&cases, &spent, budgets))
}

fn tables(cases: &[Case], spent: &[[Spent; 3]], budgets: &mut Budgets) -> Vec<Table> {
    let mut processor = Table::new(
        "Envoy's processor time for a request, and as a ratio to passing its native calls through",
        ["request", "native calls", "passed through", "smallest filter", "scim-edge", "smallest filter", "scim-edge"],
    );
    let mut waits = Table::new(
        "How long one client waits: the median, and the 99th percentile",
        [
            "request",
            "passed through",
            "smallest filter",
            "scim-edge",
            "p99 passed through",
            "p99 smallest filter",
            "p99 scim-edge",
        ],
    );
    for (case, [plain, smallest, edge]) in cases.iter().zip(spent) {
        let times = [plain, smallest, edge].map(Spent::each);
        let [base, least, own] = times.map(|it| it.as_secs_f64());
        processor.row(
            [case.name.clone(), case.native.len().to_string()]
                .into_iter()
                .chain(times.map(time))
                .chain([ratio(least, base), ratio(own, base)]),
        );
        let of = |percent| [plain, smallest, edge].map(|it| time(it.wait(percent)));
        waits.row([case.name.clone()].into_iter().chain(of(50)).chain(of(99)));
        if ["GET a user", "POST a user", "PATCH a user"].contains(&case.name.as_str()) {
            budgets.at_most(&format!("{} in Envoy ÷ passed through", case.name), own / base, 1.8, "×");
        }
    }
    vec![processor, waits]
}

fn cases() -> anyhow::Result<Vec<Case>> {
    let (engine, app) = (engine(1_000)?, App::new(&[100, 1_000]));
    let mut asked: Vec<(String, Request, usize)> =
        requests().into_iter().map(|(name, request)| (name, request, 400)).collect();
    asked.push(("list 100 users".to_owned(), list(100, false), 60));
    asked.push(("list 1,000 users".to_owned(), list(1_000, false), 8));
    asked
        .into_iter()
        .map(|(name, request, times)| {
            let native = calls(&engine, &app, &request)?.iter().map(load::wire).collect();
            Ok(Case { name, native, scim: load::wire(&request), times })
        })
        .collect()
}

/// User and system time of a process so far.
fn processor(envoy: &Envoy) -> anyhow::Result<Duration> {
    let id = envoy.process_id().context("envoy has no process")?;
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("cannot read `/proc`")?;
    // After the name, which stands in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(") ").context("`/proc` has another form than is known")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}

fn smallest_filter() -> anyhow::Result<PathBuf> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/smallest-filter/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = target_dir()?.join("smallest-filter");
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip1", "--manifest-path", manifest])
        .arg("--target-dir")
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the smallest filter could not be built:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(target.join("wasm32-wasip1/release/smallest_filter.wasm"))
}
