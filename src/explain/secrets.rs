//! What an explanation must not show, and what it shows in its place.

use std::collections::BTreeSet;

use serde_json::Value;

use super::calls::is_login;
use crate::exchange::{Moment, Reply, Request};
use crate::mapping::Row;
use crate::mapping::diagnostic::Report;
use crate::mapping::errors::json_body;
use crate::mapping::language::Access;
use crate::mapping::node::Node;
use crate::mapping::template::RESERVED;
use crate::{Engine, Environment};

/// The shortest text that is taken for a secret: shorter ones stand in too many places that have nothing to do with it.
const SHORTEST: usize = 6;

/// What the keys of secrets have in their names, letters in lower case alone, where an application shows some that the
/// mapping does not know.
const TELLING: [&str; 8] = ["password", "passwd", "secret", "apikey", "derivedkey", "salt", "hash", "digest"];

/// What the keys of a mapping have in their names below which a credential may stand.
const CREDENTIALS: [&str; 6] = ["auth", "headers", "key", "password", "secret", "token"];

/// The keys below which none does: what a path says is no secret.
const PATHS: [&str; 3] = ["path", "base", "token_url"];

/// Secret texts, each with what stands for it. Longer ones come first, since one may be part of another.
pub(super) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Those of the environment, and those that the engine can make up for the request.
    pub(super) fn new(mapping: &str, environment: &Environment, engine: &Engine, body: &[u8], moment: &Moment) -> Self {
        let mut secrets = Secrets(Vec::new());
        let document = Node::parse(mapping, &mut Report::default()).map(|node| node.to_json());
        let mut names = BTreeSet::new();
        credentials(&document.unwrap_or_default(), false, &mut names);
        for tenant in &engine.tenants {
            for name in names.iter().map(|name| name.replace("{tenant}", &tenant.name)) {
                let value = environment.get(&name).map(|value| value.trim());
                // Everybody who sees the mapping sees its words.
                if let Some(secret) = value.filter(|value| !has_word(mapping, value)) {
                    secrets.add(secret, &name);
                }
            }
        }
        secrets.add_generated(engine, body, moment);
        secrets
    }

    /// The texts that the engine can have made up for a request: at most one for each row that says so and each operation.
    fn add_generated(&mut self, engine: &Engine, body: &[u8], moment: &Moment) {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let operations = body.get("Operations").and_then(Value::as_array).map_or(1, Vec::len);
        let resources = engine.mapping().into_iter().flat_map(|mapping| &mapping.resources);
        let rows = resources.flat_map(|resource| &resource.rows);
        let rows: Vec<_> = rows.filter_map(|row| Some((row, row.generate.as_ref()?))).collect();
        let most = u32::try_from(operations.saturating_mul(rows.len())).unwrap_or(u32::MAX);
        for (row, how) in rows {
            for number in 0..most {
                self.add(&how.nth(number, &moment.entropy), &format!("a generated {}", row.name));
            }
        }
    }

    /// Learns the token that a login answers with, and what a reply shows of other secrets: an update that sends the whole
    /// object repeats them.
    pub(super) fn learn(&mut self, engine: &Engine, call: &Request, reply: &Reply) {
        if let (Some(login), Ok(reply)) = (engine.mapping().and_then(|mapping| mapping.login.as_ref()), reply)
            && engine.mapping().is_some_and(|mapping| is_login(mapping, call))
            && let Some(token) = login.token.text(reply)
        {
            self.add(&token, "the login's token");
        }
        let mut body = reply.as_ref().map(json_body).unwrap_or_default();
        for secret in Self::hidden(engine, &mut body) {
            self.add(&secret, "hidden");
        }
    }

    /// Every way in which a secret may be spelt in a call.
    fn add(&mut self, secret: &str, name: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let json = Value::from(secret).to_string();
        let encoded = percent_encoding::utf8_percent_encode(secret, RESERVED).to_string();
        self.0.extend([&encoded, json.trim_matches('"'), secret].map(|it| (it.to_owned(), name.to_owned())));
        self.0.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
    }

    /// Takes what applications show of their own secrets and of other users' out of a reply's body, and answers it.
    pub(super) fn hidden(engine: &Engine, body: &mut Value) -> Vec<String> {
        let rows = engine.mapping().into_iter().flat_map(|mapping| &mapping.resources).flat_map(|it| &it.rows);
        let written: Vec<String> = rows.filter(|row| row.access == Access::Write).map(Row::native_name).collect();
        let mut hidden = Vec::new();
        let is_secret = |key: &str| {
            let letters: String = key.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
            written.iter().any(|name| name == key) || TELLING.iter().any(|word| letters.contains(word))
        };
        hide(body, &is_secret, &mut hidden);
        hidden
    }

    /// `text` without them.
    pub(super) fn redacted(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (secret, name)| text.replace(secret, &format!("<{name}>")))
    }
}

/// The environment variables in a mapping's credentials: in its `auth`, in header fields, and below keys that say so.
fn credentials(value: &Value, inside: bool, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let lower = key.to_lowercase();
                let says = || CREDENTIALS.iter().any(|word| lower.contains(word));
                match value {
                    Value::String(name) if inside && key == "env" => drop(names.insert(name.clone())),
                    _ if PATHS.contains(&key.as_str()) => {}
                    value => credentials(value, inside || says(), names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| credentials(item, inside, names)),
        Value::String(text) if inside => names.extend(variables(text)),
        _ => {}
    }
}

/// The environment variables that a template names, perhaps with `{tenant}` in them.
fn variables(text: &str) -> impl Iterator<Item = String> {
    text.split("{env.").skip(1).map(|rest| {
        let name = rest.split_once("{tenant}").filter(|(before, _)| !before.contains(['}', '|']));
        match name {
            Some((before, after)) => format!("{before}{{tenant}}{}", end(after)),
            None => end(rest).to_owned(),
        }
    })
}

fn end(text: &str) -> &str {
    text.split(['}', '|']).next().unwrap_or_default()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let around = |at: usize| (text.get(..at), text.get(at.saturating_add(word.len())..));
    let mut found = text.match_indices(word).map(|(at, _)| around(at));
    found.any(|(before, after)| {
        !is_part(before.and_then(|it| it.chars().next_back())) && !is_part(after.and_then(|it| it.chars().next()))
    })
}

/// Puts `<hidden>` in the place of every text below a key that `is_secret`.
fn hide(value: &mut Value, is_secret: &impl Fn(&str) -> bool, hidden: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if is_secret(key) => {
                        hidden.push(std::mem::replace(text, "<hidden>".to_owned()));
                    }
                    value => hide(value, is_secret, hidden),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, is_secret, hidden)),
        _ => {}
    }
}
