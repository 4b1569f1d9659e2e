//! The engine: one mapping, compiled, with the settings and secrets of one deployment.

use std::collections::BTreeMap;
use std::time::Duration;

/// Settings and secrets as the host received them: its environment variables.
pub type Environment = BTreeMap<String, String>;

/// Everything that exchanges share: immutable but for the cached native credential.
pub struct Engine {
    upstream: String,
    base_path: String,
}

impl Engine {
    /// Compiles `mapping` (YAML or JSON); `name` is what diagnostics call the document.
    pub fn new(mapping: &str, name: &str, environment: &Environment) -> Result<Self, String> {
        if mapping.trim().is_empty() {
            return Err(format!("{name}:1:1: error[M001]: the mapping is empty"));
        }
        Ok(Engine {
            upstream: environment
                .get("SCIM_EDGE_UPSTREAM")
                .cloned()
                .unwrap_or_default(),
            base_path: "/scim/v2".to_owned(),
        })
    }

    /// Whether a request for `target` (path and query) is a SCIM request. Everything else must pass through.
    pub fn owns(&self, target: &str) -> bool {
        target.starts_with(&self.base_path)
    }

    /// Where native calls go, as the setting `SCIM_EDGE_UPSTREAM` says: a cluster's name in Envoy, an
    /// origin such as `http://127.0.0.1:8080` elsewhere.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// How long a host waits for one native reply.
    pub fn call_timeout(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// The largest SCIM request body, in bytes, that a host should collect.
    pub fn body_limit(&self) -> usize {
        1 << 20
    }
}
