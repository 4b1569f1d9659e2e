//! What an explanation must not show, and what it shows in its place.

use serde_json::Value;

use crate::exchange::{Moment, Reply, Request};
use crate::mapping::Row;
use crate::mapping::language::Access;
use crate::mapping::template::RESERVED;
use crate::{Engine, Environment, mapping};

/// The shortest text that is taken for a secret: shorter ones stand in too many places that have nothing to do with it.
const SHORTEST: usize = 4;

/// What the keys of secrets have in their names, in lower case, where an application shows some that the mapping does not
/// know.
const TELLING: [&str; 5] = ["password", "passwd", "secret", "api_key", "apikey"];

/// Secret texts, each with what stands for it. Longer ones come first, since one may be part of another.
pub(super) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Those of the environment, and those that the engine can make up for the request.
    pub(super) fn new(mapping: &str, environment: &Environment, engine: &Engine, body: &[u8], moment: &Moment) -> Self {
        let mut secrets = Secrets(Vec::new());
        for name in engine.tenants.iter().flat_map(|it| mapping::placeholders(mapping, &it.name).into_keys()) {
            if let Some(secret) = environment.get(&name) {
                secrets.add(secret.trim(), &name);
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

    /// Learns the token that a login answers with.
    pub(super) fn learn(&mut self, engine: &Engine, call: &Request, reply: &Reply) {
        if let (Some(login), Ok(reply)) = (engine.mapping().and_then(|mapping| mapping.login.as_ref()), reply)
            && login.call.recognise(call).is_some()
            && let Some(token) = login.token.text(reply)
        {
            self.add(&token, "the login's token");
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

    /// A reply's body without what applications show of their own secrets and of other users'.
    pub(super) fn hidden(engine: &Engine, body: &mut Value) {
        let rows = engine.mapping().into_iter().flat_map(|mapping| &mapping.resources).flat_map(|it| &it.rows);
        let written: Vec<String> = rows.filter(|row| row.access == Access::Write).map(Row::native_name).collect();
        hide(body, &|key| {
            let lower = key.to_lowercase();
            written.iter().any(|name| name == key) || TELLING.iter().any(|word| lower.contains(word))
        });
    }

    /// `text` without them.
    pub(super) fn redacted(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (secret, name)| text.replace(secret, &format!("<{name}>")))
    }
}

/// Puts `<hidden>` in the place of every text below a key that `is_secret`.
fn hide(value: &mut Value, is_secret: &impl Fn(&str) -> bool) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if is_secret(key) => "<hidden>".clone_into(text),
                    value => hide(value, is_secret),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, is_secret)),
        _ => {}
    }
}
