//! The engine: one mapping, compiled, with the settings and secrets of one deployment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::mapping::{self, Diagnostics, Mapping};
use crate::seal::Sealer;

/// Settings and secrets as the host received them: its environment variables.
pub type Environment = BTreeMap<String, String>;

/// Everything that exchanges share: immutable but for the native token that is being kept.
pub struct Engine {
    pub(crate) mapping: Mapping,
    pub(crate) token: RefCell<Option<NativeToken>>,
    upstream: String,
    authority: String,
    base_path: String,
    /// The root of SCIM 1.1.
    version1_path: Option<String>,
    public_url: Option<String>,
    /// SHA-256 digests of the bearer tokens that are accepted.
    accepted: Vec<[u8; 32]>,
    pub(crate) cursors: Sealer,
}

/// A token that a login answered with.
#[derive(Clone, Debug)]
pub(crate) struct NativeToken {
    pub(crate) value: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) obtained: u64,
}

/// Why an engine cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// The mapping has mistakes.
    Mapping(Diagnostics),
    /// A setting is missing or cannot be used; the text says which and what to write.
    Setting(String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::Mapping(diagnostics) => diagnostics.fmt(f),
            EngineError::Setting(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for EngineError {}

impl Engine {
    /// Compiles `mapping` (YAML or JSON); `name` is what diagnostics call the document.
    ///
    /// The settings are `SCIM_EDGE_TOKENS` (required: bearer tokens, or their digests as `sha256:…`, separated by
    /// spaces or commas), `SCIM_EDGE_UPSTREAM`, `SCIM_EDGE_AUTHORITY`, `SCIM_EDGE_PATH` (`/scim/v2` unless it is
    /// set), `SCIM_EDGE_PATH_V1` (the root of SCIM 1.1: `/v1` beside a path that ends in `/v2`, unless it is set)
    /// and `SCIM_EDGE_PUBLIC_URL`.
    pub fn new(mapping: &str, name: &str, environment: &Environment) -> Result<Self, EngineError> {
        let setting = |name: &str| environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let mapping = mapping::compile(mapping, name, environment).map_err(EngineError::Mapping)?;
        let upstream = setting("SCIM_EDGE_UPSTREAM").unwrap_or_default().trim_end_matches('/').to_owned();
        let authority = setting("SCIM_EDGE_AUTHORITY").map_or_else(
            || upstream.split_once("://").map_or(upstream.as_str(), |(_, authority)| authority).to_owned(),
            str::to_owned,
        );
        // The root itself is the empty path, so that every path is below it.
        let base_path = match setting("SCIM_EDGE_PATH").unwrap_or("/scim/v2").trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        };
        let accepted = accepted_tokens(setting("SCIM_EDGE_TOKENS"))?;
        let version1_path = match setting("SCIM_EDGE_PATH_V1") {
            Some(path) => Some(format!("/{}", path.trim_matches('/'))),
            None => base_path.strip_suffix("/v2").map(|above| format!("{above}/v1")),
        };
        Ok(Engine {
            version1_path,
            mapping,
            token: RefCell::new(None),
            upstream,
            authority,
            base_path,
            public_url: setting("SCIM_EDGE_PUBLIC_URL").map(|url| url.trim_end_matches('/').to_owned()),
            cursors: Sealer::new("scim-edge cursor", &accepted),
            accepted,
        })
    }

    /// Whether a request for `target` (path and query) is a SCIM request. Everything else must pass through.
    pub fn owns(&self, target: &str) -> bool {
        self.scim_path(target).is_some() || self.version1_path(target).is_some()
    }

    /// The part of the path below the root of SCIM 1.1, with the query.
    pub(crate) fn version1_path<'t>(&self, target: &'t str) -> Option<&'t str> {
        below(self.version1_path.as_deref()?, target)
    }

    /// The URL of the root of SCIM 1.1, where `url` is that of SCIM 2.0.
    pub(crate) fn version1_url(&self, url: &str) -> String {
        let own = self.version1_path.as_deref().unwrap_or_default();
        match (url.strip_suffix(&self.base_path), url.strip_suffix("/v2")) {
            (Some(origin), _) => format!("{origin}{own}"),
            (None, Some(above)) => format!("{above}/v1"),
            (None, None) => own.to_owned(),
        }
    }

    /// The part of the path below the SCIM root, with the query.
    pub(crate) fn scim_path<'t>(&self, target: &'t str) -> Option<&'t str> {
        below(&self.base_path, target)
    }

    /// The target of a request for `path` below the SCIM root.
    pub(crate) fn scim_target(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// Where native calls go, as the setting `SCIM_EDGE_UPSTREAM` says: a cluster's name in Envoy, an
    /// origin such as `http://127.0.0.1:8080` elsewhere.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The `Host` of native calls: the setting `SCIM_EDGE_AUTHORITY`, else what `SCIM_EDGE_UPSTREAM` names.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// How long one native call may last.
    pub(crate) fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.mapping.limits.call.into())
    }

    /// The largest SCIM request body, in bytes, that a host should collect.
    pub fn body_limit(&self) -> usize {
        self.mapping.limits.body
    }

    /// The largest body of a native reply, in bytes, that a host should collect.
    pub fn reply_limit(&self) -> usize {
        self.mapping.limits.reply
    }

    /// The URL of the SCIM root, as the client of a request with this host and scheme sees it.
    pub(crate) fn public_url(&self, host: Option<&str>, scheme: Option<&str>) -> String {
        match (&self.public_url, host) {
            (Some(url), _) => url.clone(),
            (None, Some(host)) => {
                format!("{}://{host}{}", scheme.unwrap_or("http"), self.base_path)
            }
            (None, None) => self.base_path.clone(),
        }
    }

    /// Whether `credential`, the value of an `Authorization` field, carries an accepted token: after `Bearer`, or
    /// bare, as some identity providers send it. Every token is compared, in constant time.
    pub(crate) fn accepts(&self, credential: &str) -> bool {
        let token = match credential.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => credential.trim(),
        };
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let equal = self.accepted.iter().fold(Choice::from(0), |equal, accepted| equal | accepted.ct_eq(&digest));
        equal.into()
    }
}

/// What follows `root` in a target.
fn below<'t>(root: &str, target: &'t str) -> Option<&'t str> {
    let rest = target.strip_prefix(root)?;
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
}

fn accepted_tokens(setting: Option<&str>) -> Result<Vec<[u8; 32]>, EngineError> {
    let tokens: Vec<&str> = setting
        .unwrap_or_default()
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|token| !token.is_empty())
        .collect();
    if tokens.is_empty() {
        return Err(EngineError::Setting(
            "SCIM_EDGE_TOKENS is not set: give at least one bearer token, or its digest as `sha256:` and 64 \
             hexadecimal digits, that identity providers must send"
                .to_owned(),
        ));
    }
    tokens
        .into_iter()
        .map(|token| match token.strip_prefix("sha256:") {
            Some(hex) => digest(hex).ok_or_else(|| {
                EngineError::Setting(
                    "SCIM_EDGE_TOKENS has a `sha256:` digest that is not 64 hexadecimal digits".to_owned(),
                )
            }),
            None => Ok(Sha256::digest(token.as_bytes()).into()),
        })
        .collect()
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests are compared, each to its last bit (`subtle`) and all of them whichever fits: neither where a token differs
    /// nor which one it is shows in the time.
    #[test]
    fn only_whole_tokens_are_accepted_whichever_they_are() {
        let tokens = "first,second third".to_owned();
        let mapping = "mapping: v1\nupstream: {}\nresources:\n  User:\n    path: /users\n    attributes:\n      \
                       id: { native: id, access: read }\n      userName: { native: login, required: true }\n";
        let environment = Environment::from([("SCIM_EDGE_TOKENS".to_owned(), tokens)]);
        let engine = Engine::new(mapping, "m.yaml", &environment).unwrap();
        for accepted in ["Bearer first", "bearer  second", "BEARER third", "third", " first "] {
            assert!(engine.accepts(accepted), "{accepted:?}");
        }
        for refused in ["", "Bearer", "Bearer ", "Bearer firs", "Bearer firstt", "Bearer First", "Bearer first,second"]
        {
            assert!(!engine.accepts(refused), "{refused:?}");
        }
        for digest in &engine.accepted {
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!engine.accepts(&hex) && !engine.accepts(&format!("sha256:{hex}")), "a digest is no token");
        }
    }
}
