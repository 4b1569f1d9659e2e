//! Instructions of the engine alone, counted by callgrind: the same in every run, whatever else the machine does.

use std::env;
use std::process::Command;

use anyhow::{Context, bail};

use crate::budgets::Budgets;
use crate::jobs::{Job, PARTS, Work, named, of_size, one, without_size};
use crate::table::{Table, count};

/// The sizes of lists that are counted. Preparing larger ones takes callgrind minutes, and tells nothing new.
const COUNTED: [usize; 3] = [1, 100, 1_000];

/// The argument that makes this program do one job, and no more, for callgrind to count.
pub(crate) const ARGUMENT: &str = "--do";

/// Does one job twice; the first time makes what is made once in a process.
pub(crate) fn perform(name: &str) -> anyhow::Result<()> {
    let job = one(name)?;
    job.prepare()();
    let work = job.prepare();
    counted(work);
    Ok(())
}

/// The function that is counted, with all that it calls.
#[inline(never)]
fn counted(work: Work) {
    work();
}

fn instructions(job: &Job) -> anyhow::Result<u64> {
    let program = env::current_exe().context("cannot tell where this program is")?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions*counted*")
        .arg(program)
        .args([ARGUMENT, &job.name])
        .output()
        .context("`valgrind` is needed (Debian and Ubuntu: `apt install valgrind`)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("callgrind failed ({}):\n{said}", output.status);
    }
    let number = said.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    match number {
        Some(number) if number > 0 => Ok(number),
        _ => bail!("callgrind has counted nothing:\n{said}"),
    }
}

#[allow(clippy::cast_precision_loss)]
pub(crate) fn run(budgets: &mut Budgets) -> anyhow::Result<Vec<Table>> {
    let mut jobs = Vec::new();
    for size in COUNTED {
        jobs.extend(of_size(size)?);
    }
    jobs.extend(without_size()?);
    let counts = jobs.iter().map(instructions).collect::<anyhow::Result<Vec<u64>>>()?;
    let of = |name: &str| jobs.iter().zip(&counts).find(|(job, _)| job.name == name).map(|(_, number)| *number);
    let mut lists = Table::new(
        "Instructions of the engine alone, in thousands, for so many users",
        ["users", "serde_json", "parse", "translate", "filter", "patch", "render", "list", "filtered list"],
    );
    for size in COUNTED {
        let columns = PARTS.iter().filter_map(|part| of(&named(part, size)));
        lists.row([size.to_string()].into_iter().chain(columns.map(|number| count(number / 1000))));
    }
    let mut whole = Table::new("Instructions of whole requests", ["request", "instructions"]);
    for (job, number) in jobs.iter().zip(&counts).skip(COUNTED.len() * PARTS.len()) {
        whole.row([job.name.clone(), count(*number)]);
    }
    if let (Some(plain), Some(list)) = (of("serde_json 1000"), of("filtered list 1000")) {
        budgets.at_most("a filtered list of 1,000 ÷ serde_json, by instructions", list as f64 / plain as f64, 2.0, "×");
    }
    if let (Some(small), Some(large)) = (of("filtered list 100"), of("filtered list 1000")) {
        let growth = large as f64 / small as f64 / 10.0;
        budgets.at_most("a user in a list of 1,000 ÷ one in a list of 100, by instructions", growth, 1.1, "×");
    }
    if let (Some(small), Some(large)) = (of("add a member to 5"), of("add a member to 50000")) {
        let growth = large as f64 / small as f64;
        budgets.at_most("a member added to a group of 50,000 ÷ to one of 5, by instructions", growth, 1.05, "×");
    }
    Ok(vec![lists, whole])
}
