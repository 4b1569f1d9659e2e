//! From the document as written to the mapping that runs, with every diagnostic at once.

mod auth;
mod calls;
mod codecs;
mod fixed;
mod links;
mod lint;
mod lists;
mod lookups;
mod members;
mod operations;
mod paging;
mod resources;
mod rows;
mod schemas;

use std::collections::BTreeMap;

use super::diagnostic::{Code, Diagnostics, Report};
use super::errors::{ErrorRule, Recognised};
use super::language::{self as written, ErrorType, Match, Omission, Unmapped};
use super::node::{Mark, Node};
use super::pointer::Pointer;
use super::read::{Read, Spanned};
use super::template::Scope;
use super::{Limits, Mapping, ReplyValue};
use crate::scim::resource::Omitted;
use crate::scim::{Leniency, ScimType};
use calls::Names;

/// Compiles the document `text`, which diagnostics call `name`, with the secrets in `environment`, for `tenant` if there
/// is one.
pub fn compile(
    text: &str,
    name: &str,
    environment: &BTreeMap<String, String>,
    tenant: Option<&str>,
) -> Result<Mapping, Diagnostics> {
    let mut report = Report::default();
    match compiled(text, (environment, tenant), &mut report, &mut Vec::new()) {
        Some(mapping) if report.is_empty() => Ok(mapping),
        _ => Err(report.finish(name)),
    }
}

fn compiled(
    text: &str,
    (environment, tenant): (&BTreeMap<String, String>, Option<&str>),
    report: &mut Report,
    unset: &mut Vec<String>,
) -> Option<Mapping> {
    Node::parse(text, report).and_then(|node| {
        let document = written::Document::read(&node, report)?;
        let well_formed = report.is_empty();
        let paging = document.paging.clone();
        let (base, errors) = (String::new(), None);
        let mut compiler = Compiler { report, unset, environment, tenant, paging, base, errors, well_formed };
        Some(compiler.document(&document))
    })
}

/// The tenant that a mapping is checked for, where there is none.
pub const SOME_TENANT: &str = "tenant";

/// Compiles a document as [`compile`] does, with text in the place of every secret: for checking a mapping where its
/// secrets are not.
pub fn check(text: &str, name: &str) -> Result<Mapping, Diagnostics> {
    compile(text, name, &placeholders(text, SOME_TENANT), Some(SOME_TENANT))
}

/// Everything that can be said about a document, warnings too, whatever secrets are set.
pub fn diagnose(text: &str, name: &str) -> Diagnostics {
    let mut report = Report::default();
    let _ = compiled(text, (&placeholders(text, SOME_TENANT), Some(SOME_TENANT)), &mut report, &mut Vec::new());
    report.finish(name)
}

/// The environment variables that a document names, each with its own name in angle brackets for a value.
pub fn placeholders(text: &str, tenant: &str) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    loop {
        let mut unset = Vec::new();
        let _ = compiled(text, (&environment, Some(tenant)), &mut Report::default(), &mut unset);
        if unset.is_empty() {
            return environment;
        }
        environment.extend(unset.into_iter().map(|name| {
            let value = format!("<{name}>");
            (name, value)
        }));
    }
}

struct Compiler<'a> {
    report: &'a mut Report,
    /// The environment variables that are needed and not set.
    unset: &'a mut Vec<String>,
    environment: &'a BTreeMap<String, String>,
    /// The tenant that the mapping is compiled for.
    tenant: Option<&'a str>,
    /// The paging of lists that say nothing.
    paging: Option<written::Paging>,
    base: String,
    /// What errors mean, once what is recognised is about the application's resources: a login that is refused is an error.
    errors: Option<Vec<ErrorRule>>,
    /// Whether the document could be read without mistakes: only then is it certain that something is missing.
    well_formed: bool,
}

impl Compiler<'_> {
    fn error(&mut self, code: Code, at: Mark, message: impl Into<String>, suggestion: impl Into<String>) {
        self.report.add(code, at, message).suggest(suggestion);
    }

    fn document(&mut self, document: &written::Document) -> Mapping {
        self.lint(document);
        let upstream = &document.upstream;
        let base =
            upstream.base.as_ref().map(|base| self.template(base, &Names::none().in_path()).plain(&Scope::default()));
        self.base = base.unwrap_or_default().trim_end_matches('/').to_owned();
        if !self.base.is_empty() && !self.base.starts_with('/') {
            self.error(
                Code::BadTemplate,
                upstream.place,
                format!("`base` must be a path, and `{}` is none", self.base),
                "write `/api/v2`: the host and port belong into the setting SCIM_EDGE_UPSTREAM",
            );
        }
        let mut headers = Vec::new();
        for (name, text) in upstream.headers.iter() {
            let value = self.text(text);
            headers.extend(value.map(|value| (name.value.to_lowercase(), value)));
        }
        let login = match &upstream.auth {
            Some(auth) => self.auth(auth, &mut headers),
            None => None,
        };
        let errors: Vec<ErrorRule> = document.errors.iter().filter_map(|rule| self.error_rule(rule)).collect();
        self.errors = Some(errors.clone());
        let limits = self.limits(document.limits.as_ref());
        if document.resources.0.is_empty() && self.well_formed {
            self.error(
                Code::MissingKey,
                document.place,
                "the mapping has no resource type",
                "add `User:` below `resources:`",
            );
        }
        let mut resources: Vec<_> =
            document.resources.iter().filter_map(|(name, resource)| self.resource(name, resource)).collect();
        self.all_links(document, &mut resources);
        if let Some((name, _)) = document.resources.iter().next() {
            self.silent_failures(name.at, &resources, &errors);
        }
        Mapping {
            headers,
            login,
            limits,
            resources,
            errors,
            omitted: match document.put.as_ref().and_then(|put| put.omitted) {
                Some(Omission::Clear) => Omitted::Clear,
                _ => Omitted::Keep,
            },
            unmapped: document.unmapped.unwrap_or(Unmapped::Ignore),
            leniency: if document.strict { Leniency::Strict } else { Leniency::Lenient },
        }
    }

    fn limits(&mut self, written: Option<&written::Limits>) -> Limits {
        let number =
            |value: Option<u32>, default: usize| value.and_then(|value| usize::try_from(value).ok()).unwrap_or(default);
        let of = |pick: fn(&written::Limits) -> Option<u32>| written.and_then(pick);
        let depth = written.and_then(|limits| limits.depth.as_ref());
        let retries = written.and_then(|limits| limits.retries.as_ref());
        // What is nested is read and evaluated by recursion, and a VM's stack is small.
        self.at_most(depth, 64);
        self.at_most(retries, 10);
        Limits {
            body: number(of(|l| l.body), 1 << 20),
            depth: number(depth.map(|depth| depth.value), 32),
            filter: number(of(|l| l.filter), 64 << 10),
            operations: number(of(|l| l.operations), 1000),
            scan: number(of(|l| l.scan), 10_000),
            time: of(|l| l.time).unwrap_or(60).max(1),
            call: of(|l| l.call).unwrap_or(10).max(1),
            retries: retries.map_or(2, |retries| retries.value),
            concurrency: number(of(|l| l.concurrency), 8).max(1),
            reply: number(of(|l| l.reply), 16 << 20),
            page: number(of(|l| l.page), 1000).max(1),
            members: number(of(|l| l.members), 10_000),
            bulk: number(of(|l| l.bulk), 1000),
        }
    }

    fn at_most(&mut self, written: Option<&Spanned<u32>>, most: u32) {
        if let Some(number) = written.filter(|number| number.value > most) {
            let problem = format!("{} is out of range", number.value);
            self.error(Code::OutOfRange, number.at, problem, format!("write a whole number from 0 to {most}"));
        }
    }

    fn reply_value(&mut self, source: &written::ValueSource) -> Option<ReplyValue> {
        let given = [source.body.is_some(), source.header.is_some()];
        self.exactly_one(&given, source.place, "body, header");
        match (&source.body, &source.header) {
            (Some(body), _) => self.pointer(body).map(ReplyValue::Body),
            (None, Some(header)) => Some(ReplyValue::Header(header.to_lowercase())),
            (None, None) => None,
        }
    }

    fn exactly_one(&mut self, given: &[bool], at: Mark, names: &str) {
        if given.iter().filter(|given| **given).count() != 1 {
            self.error(
                Code::ExactlyOne,
                at,
                format!("exactly one of these must stand here: {names}"),
                if given.contains(&true) { "keep one of them" } else { "write one of them" },
            );
        }
    }

    fn pointer(&mut self, text: &Spanned<String>) -> Option<Pointer> {
        match Pointer::parse(&text.value) {
            Ok(pointer) => Some(pointer),
            Err(problem) => {
                let help = "write a dotted path such as `dept.name`, `emails.0` or `ids[kind=email].value`";
                self.error(Code::BadPath, text.at, problem, help);
                None
            }
        }
    }

    fn optional_pointer(&mut self, text: Option<&Spanned<String>>) -> Option<Pointer> {
        text.and_then(|text| self.pointer(text))
    }

    fn recognised(&mut self, written: &Match) -> Recognised {
        let written = &written.0;
        let mut compiled = Recognised {
            status: written.status.and_then(|status| u16::try_from(status).ok()),
            at: self.optional_pointer(written.at.as_ref()),
            header: None,
            is: written.is.clone(),
            contains: written.contains.clone(),
            differs: written.differs.clone(),
            unless: None,
        };
        // One that names the status of a failure means that failure.
        if compiled.is_nothing() && compiled.status.is_none_or(|status| status < 300) {
            compiled.unless = self.errors.clone();
        }
        compiled
    }

    fn error_rule(&mut self, rule: &written::ErrorRule) -> Option<ErrorRule> {
        if rule.status.is_none() && rule.at.is_none() && rule.header.is_none() {
            self.error(
                Code::MissingKey,
                rule.place,
                "the rule would match every reply",
                "give `status`, `at` or `header`",
            );
        }
        if rule.status.is_none_or(|status| status < 400) && rule.at.is_none() && rule.header.is_none() {
            self.error(
                Code::OutOfRange,
                rule.place,
                "a rule for successes must look into the reply",
                "give `at` or `header` beside the status",
            );
        }
        let scim = rule.scim.as_ref();
        let status = match scim {
            Some(scim) => u16::try_from(scim.status.value).ok().filter(|status| (400..600).contains(status)),
            None => rule.conflict.then_some(503),
        };
        match (status, scim) {
            (None, Some(scim)) => self.error(
                Code::OutOfRange,
                scim.status.at,
                format!("{} is no error status", scim.status.value),
                "write a status from 400 to 599",
            ),
            (None, None) => self.error(
                Code::MissingKey,
                rule.place,
                "the rule does not say what its replies mean",
                "add `scim: { status: 400 }`, or `conflict: true`",
            ),
            _ => {}
        }
        Some(ErrorRule {
            when: Recognised {
                status: rule.status.and_then(|status| u16::try_from(status).ok()),
                at: self.optional_pointer(rule.at.as_ref()),
                header: rule.header.as_ref().map(|name| name.to_lowercase()),
                is: rule.is.clone(),
                contains: rule.contains.clone(),
                differs: rule.differs.clone(),
                unless: None,
            },
            conflict: rule.conflict,
            status: status?,
            kind: scim.and_then(|scim| scim.kind).map(|kind| match kind {
                ErrorType::Uniqueness => ScimType::Uniqueness,
                ErrorType::InvalidValue => ScimType::InvalidValue,
                ErrorType::Mutability => ScimType::Mutability,
                ErrorType::InvalidSyntax => ScimType::InvalidSyntax,
                ErrorType::TooMany => ScimType::TooMany,
                ErrorType::NoTarget => ScimType::NoTarget,
                ErrorType::Sensitive => ScimType::Sensitive,
            }),
            detail: scim.and_then(|scim| scim.detail.clone()),
            message: self.optional_pointer(scim.and_then(|scim| scim.message.as_ref())),
        })
    }
}
