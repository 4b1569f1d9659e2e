//! What is measured of the engine alone, by time and by instructions.

use std::hint::black_box;
use std::rc::Rc;

use anyhow::Context;
use scim_edge::Engine;
use scim_edge::exchange::{Request, Response};
use scim_edge::mapping::{self, Mapping};
use scim_edge::scim::{Filter, Projection, json, patch};
use serde_json::{Value, json};

use crate::fixture::{App, SIZES, calls, engine, exchange, list, mapping, requests, settings, users};

/// A piece of work. `prepare` makes everything that it needs; what that gives is the work itself.
pub(crate) struct Job {
    pub(crate) name: String,
    prepare: Box<dyn Fn() -> Work>,
}

pub(crate) type Work = Box<dyn FnOnce()>;

impl Job {
    fn new<T: 'static>(name: impl Into<String>, prepare: impl Fn() -> T + 'static, work: fn(T)) -> Job {
        let prepare = move || -> Work {
            let input = prepare();
            Box::new(move || work(input))
        };
        Job { name: name.into(), prepare: Box::new(prepare) }
    }

    pub(crate) fn prepare(&self) -> Work {
        (self.prepare)()
    }
}

/// The parts of the engine, in the order of the table's columns.
pub(crate) const PARTS: [&str; 8] =
    ["serde_json", "parse", "translate", "filter", "patch", "render", "list", "filtered list"];

pub(crate) fn named(part: &str, size: usize) -> String {
    format!("{part} {size}")
}

/// Every job.
pub(crate) fn all() -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for size in SIZES {
        jobs.extend(of_size(size)?);
    }
    jobs.extend(without_size()?);
    Ok(jobs)
}

/// One job, without the making of all others.
pub(crate) fn one(name: &str) -> anyhow::Result<Job> {
    let size = SIZES.into_iter().find(|size| PARTS.iter().any(|part| named(part, *size) == name));
    let jobs = match size {
        Some(size) => of_size(size)?,
        None => without_size()?,
    };
    jobs.into_iter().find(|job| job.name == name).with_context(|| format!("there is no job `{name}`"))
}

pub(crate) fn without_size() -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    let app = App::new(&[]);
    let engine = engine(100)?;
    for (name, request) in requests() {
        jobs.push(whole(name, &engine, &app, &request)?);
    }
    let text = mapping(100)?;
    jobs.push(Job::new(
        "compile the mapping",
        move || text.clone(),
        |text| {
            let _ = black_box(mapping::compile(&text, "mapping.yaml", &settings(), None));
        },
    ));
    Ok(jobs)
}

pub(crate) fn of_size(size: usize) -> anyhow::Result<Vec<Job>> {
    let engine = engine(size)?;
    let mapping = Rc::new(compiled(size)?);
    let app = App::new(&[size]);
    let native = users(size);
    let bytes = native.to_string().into_bytes();
    let rows = Rc::new(native.get("data").and_then(Value::as_array).cloned().context("a list has rows")?);
    let user = mapping.resource("User").context("the example has users")?;
    let resources: Vec<Value> = rows.iter().map(|row| Value::Object(user.decode(row))).collect();
    let filter = Filter::parse("emails.value co \"@EXAMPLE.com\"").map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let operation = |number: usize| json!({ "op": "replace", "path": "title", "value": format!("Title {number}") });
    let operations: Vec<Value> = (0..size).map(operation).collect();
    let change = json!({ "schemas": [patch::SCHEMA], "Operations": operations });
    let resource = resources.first().cloned().unwrap_or_default();

    let job = |part: &str| named(part, size);
    let (plain, strict) = (bytes.clone(), bytes);
    let (translated, filtered, patched, rendered) =
        (Rc::clone(&mapping), Rc::clone(&mapping), Rc::clone(&mapping), mapping);
    let matched = resources.clone();
    Ok(vec![
        Job::new(
            job("serde_json"),
            move || plain.clone(),
            |bytes| {
                let value = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
                black_box(serde_json::to_vec(&value).unwrap_or_default());
            },
        ),
        Job::new(job("parse"), move || strict.clone(), |bytes| drop(black_box(json::parse(&bytes, 32)))),
        Job::new(
            job("translate"),
            move || (Rc::clone(&translated), Rc::clone(&rows)),
            |(mapping, rows)| {
                let Some(user) = mapping.resource("User") else { return };
                for row in rows.iter() {
                    black_box(user.decode(row));
                }
            },
        ),
        Job::new(
            job("filter"),
            move || (Rc::clone(&filtered), filter.clone(), matched.clone()),
            |(mapping, filter, resources)| {
                let Some(user) = mapping.resource("User") else { return };
                black_box(resources.iter().filter(|it| filter.matches(&user.kind, it)).count());
            },
        ),
        Job::new(
            job("patch"),
            move || (Rc::clone(&patched), resource.clone(), change.clone()),
            |(mapping, mut resource, change)| {
                let Some(user) = mapping.resource("User") else { return };
                if let Ok(patch) = patch::parse(&user.kind, change, mapping.leniency) {
                    let _ = black_box(patch::apply(&user.kind, &mut resource, &patch.operations));
                }
            },
        ),
        Job::new(
            job("render"),
            move || (Rc::clone(&rendered), resources.clone()),
            |(mapping, resources)| {
                let Some(user) = mapping.resource("User") else { return };
                let projection = Projection::default();
                for resource in resources {
                    let shown = projection.apply(&user.kind, resource);
                    black_box(serde_json::to_vec(&shown).unwrap_or_default());
                }
            },
        ),
        whole(job("list"), &engine, &app, &list(size, false))?,
        whole(job("filtered list"), &engine, &app, &list(size, true))?,
    ])
}

fn compiled(most: usize) -> anyhow::Result<Mapping> {
    let text = mapping(most)?;
    mapping::compile(&text, "mapping.yaml", &settings(), None).map_err(|error| anyhow::anyhow!("{error}"))
}

/// A whole exchange, whose native replies are made beforehand.
fn whole(name: String, engine: &Rc<Engine>, app: &App, request: &Request) -> anyhow::Result<Job> {
    let calls = calls(engine, app, request).with_context(|| name.clone())?;
    let replies: Vec<Response> = calls.iter().map(|call| app.reply(call)).collect();
    let (engine, request) = (Rc::clone(engine), request.clone());
    let prepare = move || (Rc::clone(&engine), request.clone(), replies.clone());
    Ok(Job::new(name, prepare, |(engine, request, replies)| {
        let mut replies = replies.into_iter();
        let _ = black_box(exchange(&engine, request, |_| replies.next().unwrap_or_default()));
    }))
}
