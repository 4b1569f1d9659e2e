//! The engine alone, compiled for this machine.

use std::time::{Duration, Instant};

use crate::budgets::Budgets;
use crate::fixture::SIZES;
use crate::jobs::{Job, PARTS, all, named};
use crate::table::{Table, ratio, time};

/// What one job may take of the run's time, and how often it is done at the least.
const SHARE: Duration = Duration::from_millis(400);
const LEAST: usize = 15;

/// Times in turn, so that what else happens on the machine meets all of them: the median of each.
fn medians(jobs: &[Job]) -> Vec<Duration> {
    let mut samples: Vec<Vec<Duration>> = jobs.iter().map(|_| Vec::new()).collect();
    let mut spent = vec![Duration::ZERO; jobs.len()];
    loop {
        let mut finished = true;
        for ((job, samples), spent) in jobs.iter().zip(&mut samples).zip(&mut spent) {
            if *spent >= SHARE && samples.len() >= LEAST {
                continue;
            }
            finished = false;
            let work = job.prepare();
            let start = Instant::now();
            work();
            let took = start.elapsed();
            *spent += took.max(Duration::from_micros(100));
            samples.push(took);
        }
        if finished {
            break;
        }
    }
    let median = |mut samples: Vec<Duration>| {
        samples.sort_unstable();
        samples.get(samples.len() / 2).copied().unwrap_or_default()
    };
    samples.into_iter().map(median).collect()
}

pub(crate) fn run(budgets: &mut Budgets) -> anyhow::Result<Vec<Table>> {
    let jobs = all()?;
    let times = medians(&jobs);
    let of = |name: &str| jobs.iter().zip(&times).find(|(job, _)| job.name == name).map(|(_, time)| *time);
    let mut parts = Table::new(
        "The engine alone, for so many users",
        ["users", "serde_json", "parse", "translate", "filter", "patch", "render", "list", "filtered list"],
    );
    let mut ratios = Table::new(
        "The same as ratios to serde_json",
        ["users", "serde_json", "parse", "translate", "filter", "patch", "render", "list", "filtered list"],
    );
    for size in SIZES {
        let columns: Vec<Duration> = PARTS.iter().filter_map(|part| of(&named(part, size))).collect();
        parts.row([size.to_string()].into_iter().chain(columns.iter().map(|it| time(*it))));
        let plain = columns.first().copied().unwrap_or_default().as_secs_f64();
        ratios.row([size.to_string()].into_iter().chain(columns.iter().map(|it| ratio(it.as_secs_f64(), plain))));
    }
    let mut whole = Table::new("Whole requests, the application's time left out", ["request", "time"]);
    for (job, took) in jobs.iter().zip(&times).skip(SIZES.len() * PARTS.len()) {
        whole.row([job.name.clone(), time(*took)]);
    }
    if let (Some(plain), Some(list)) = (of("serde_json 1000"), of("filtered list 1000")) {
        budgets.at_most(
            "a filtered list of 1,000 ÷ serde_json, by time",
            list.as_secs_f64() / plain.as_secs_f64(),
            2.0,
            "×",
        );
    }
    Ok(vec![parts, ratios, whole])
}
