//! The engine: one mapping, compiled, with the settings and secrets of one deployment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::exchange::Request;
use crate::handler::Turns;
use crate::mapping::diagnostic::Code;
use crate::mapping::template::Scope;
use crate::mapping::{self, Diagnostics, Limits, Mapping};
use crate::seal::Sealer;

/// Settings and secrets as the host received them: its environment variables.
pub type Environment = BTreeMap<String, String>;

/// Everything that exchanges share: immutable but for the native tokens that are being kept, and whose turn it is.
pub struct Engine {
    /// The tenants, of which there is at least one.
    pub(crate) tenants: Vec<Tenant>,
    /// The bounds, which are the same for all of them.
    pub(crate) limits: Limits,
    upstream: String,
    authority: String,
    base_path: String,
    /// The root of SCIM 1.1.
    version1_path: Option<String>,
    public_url: Option<String>,
    token_upstream: Option<String>,
    /// SHA-256 digests of the bearer tokens that are accepted, and the numbers of their tenants, which begin with 1.
    accepted: Vec<([u8; 32], u32)>,
    pub(crate) cursors: Sealer,
}

/// Whom a bearer token belongs to. Nothing that is kept for one is seen by another.
pub(crate) struct Tenant {
    /// The name; empty for tokens without one.
    pub(crate) name: String,
    /// The mapping with this tenant's secrets.
    pub(crate) mapping: Rc<Mapping>,
    /// The token of this tenant's login.
    pub(crate) token: RefCell<Option<NativeToken>>,
    /// How many of its logins have failed.
    pub(crate) failed_logins: Cell<u32>,
    /// The turns that this tenant's requests have.
    pub(crate) turns: Turns,
}

/// Where a native call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// A cluster's name in Envoy, an origin such as `http://127.0.0.1:8080` elsewhere.
    pub upstream: &'a str,
    /// The `Host` of the call.
    pub authority: &'a str,
    /// Path and query.
    pub target: &'a str,
}

/// A token that a login answered with.
#[derive(Clone, Debug)]
pub(crate) struct NativeToken {
    pub(crate) value: String,
    /// Until when it is used, in milliseconds since the Unix epoch.
    pub(crate) until: Option<u64>,
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
    /// spaces or commas, each behind its tenant's name and `=` if there are tenants), `SCIM_EDGE_UPSTREAM`,
    /// `SCIM_EDGE_AUTHORITY`, `SCIM_EDGE_TOKEN_UPSTREAM` (where an OAuth token endpoint at another host is),
    /// `SCIM_EDGE_PATH` (`/scim/v2` unless it is set), `SCIM_EDGE_PATH_V1` (the root of SCIM 1.1: `/v1` beside a path
    /// that ends in `/v2`, unless it is set) and `SCIM_EDGE_PUBLIC_URL`.
    pub fn new(mapping: &str, name: &str, environment: &Environment) -> Result<Self, EngineError> {
        let setting = |name: &str| environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let tenants = tenants(mapping, name, environment, setting("SCIM_EDGE_TOKENS"));
        let (tenants, accepted) = tenants.map_err(|error| mistakes_first(error, mapping, name, environment))?;
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
        let version1_path = match setting("SCIM_EDGE_PATH_V1") {
            Some(path) => Some(format!("/{}", path.trim_matches('/'))),
            None => base_path.strip_suffix("/v2").map(|above| format!("{above}/v1")),
        };
        let limits = tenants.first().map(|tenant| tenant.mapping.limits);
        let limits = limits.ok_or_else(|| EngineError::Setting(NO_TOKENS.to_owned()))?;
        Ok(Engine {
            limits,
            version1_path,
            tenants,
            token_upstream: setting("SCIM_EDGE_TOKEN_UPSTREAM").map(|text| text.trim_end_matches('/').to_owned()),
            upstream,
            authority,
            base_path,
            public_url: setting("SCIM_EDGE_PUBLIC_URL").map(|url| url.trim_end_matches('/').to_owned()),
            cursors: Sealer::new("scim-edge cursor", accepted.iter().map(|(digest, _)| *digest)),
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

    /// Where a native call goes. Only the call of an OAuth token endpoint may go to another host than the application:
    /// then it is the setting `SCIM_EDGE_TOKEN_UPSTREAM`, or the endpoint's own origin.
    pub fn route<'a>(&'a self, call: &'a Request) -> Route<'a> {
        let here = Route { upstream: &self.upstream, authority: &self.authority, target: &call.target };
        let Some((scheme, rest)) = call.target.split_once("://").filter(|_| !call.target.starts_with('/')) else {
            return here;
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.eq_ignore_ascii_case(&self.authority) {
            return Route { target, ..here };
        }
        let origin = call.target.get(..scheme.len() + 3 + authority.len()).unwrap_or_default();
        Route { upstream: self.token_upstream.as_deref().unwrap_or(origin), authority, target }
    }

    /// The host of the OAuth token endpoint, if that is another one than the application and nothing says how to reach it.
    pub fn unreached_token_host(&self) -> Option<String> {
        let login = self.mapping()?.login.as_ref().filter(|_| self.token_upstream.is_none())?;
        let call = login.call.render(&Scope::default()).ok()?;
        let route = self.route(&call);
        (route.upstream != self.upstream).then(|| route.authority.to_owned())
    }

    /// How long one native call may last.
    pub(crate) fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.limits.call.into())
    }

    /// The largest SCIM request body, in bytes, that a host should collect.
    pub fn body_limit(&self) -> usize {
        self.limits.body
    }

    /// The mapping of the first tenant: all of them differ in texts only.
    pub(crate) fn mapping(&self) -> Option<&Rc<Mapping>> {
        self.tenants.first().map(|tenant| &tenant.mapping)
    }

    /// The largest body of a native reply, in bytes, that a host should collect.
    pub fn reply_limit(&self) -> usize {
        self.limits.reply
    }

    /// The URL of the SCIM root, as the client of a request with this host and scheme sees it; its path alone where
    /// these are none. Each proxy on the way may have added its own scheme to the client's, which is the first.
    pub(crate) fn public_url(&self, host: Option<&str>, scheme: Option<&str>) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let stated = scheme.and_then(|schemes| schemes.split(',').next()).map_or("", str::trim);
        let stated = if stated.is_empty() { "http" } else { stated };
        let scheme = ["http", "https"].into_iter().find(|scheme| scheme.eq_ignore_ascii_case(stated));
        match (scheme, host.filter(|host| is_authority(host))) {
            (Some(scheme), Some(host)) => format!("{scheme}://{host}{}", self.base_path),
            _ => self.base_path.clone(),
        }
    }

    /// Whose token `credential`, the value of an `Authorization` field, carries: after `Bearer`, or bare, as some identity
    /// providers send it. Every token is compared, in constant time.
    pub(crate) fn tenant(&self, credential: &str) -> Option<&Tenant> {
        let token = match credential.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => credential.trim(),
        };
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut number = 0_u32;
        for (accepted, of) in &self.accepted {
            number.conditional_assign(of, accepted.ct_eq(&digest));
        }
        self.tenants.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }
}

/// Whether this is a host's name or address, with a port or without one (RFC 3986 section 3.2, without a user's name).
pub(crate) fn is_authority(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let is_address = |address: &str| address.parse::<std::net::Ipv6Addr>().is_ok();
    let (is_host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (is_address(address), port),
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_name(name), port)
        }
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// What follows `root` in a target.
fn below<'t>(root: &str, target: &'t str) -> Option<&'t str> {
    let rest = target.strip_prefix(root)?;
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
}

const NO_TOKENS: &str = "SCIM_EDGE_TOKENS is not set: give at least one bearer token, or its digest as `sha256:` and 64 \
     hexadecimal digits, that identity providers must send";

/// What is wrong with the mapping itself, where there is something, before what is wrong with a setting.
fn mistakes_first(error: EngineError, mapping: &str, name: &str, environment: &Environment) -> EngineError {
    let of_the_environment = |code| matches!(code, Code::MissingSecret | Code::MissingTenant);
    match (error, mapping::compile(mapping, name, environment, None)) {
        (EngineError::Setting(_), Err(found)) if found.all.iter().any(|it| !of_the_environment(it.code)) => {
            EngineError::Mapping(found)
        }
        (error, _) => error,
    }
}

type Tenants = (Vec<Tenant>, Vec<([u8; 32], u32)>);

/// The tenants that the tokens name, each with the mapping that it has, and the tokens.
fn tenants(mapping: &str, name: &str, environment: &Environment, tokens: Option<&str>) -> Result<Tenants, EngineError> {
    let mut tenants: Vec<Tenant> = Vec::new();
    let mut accepted: Vec<([u8; 32], u32)> = Vec::new();
    for (tenant, digest) in accepted_tokens(tokens)? {
        let known = tenants.iter().position(|other| other.name == tenant);
        if known.is_none() {
            // One that says nothing of tenants is the same for all.
            let shared = tenants.first().filter(|_| !mapping.contains("{tenant"));
            let mapping = match shared {
                Some(first) => Rc::clone(&first.mapping),
                None => {
                    let named = Some(tenant).filter(|tenant| !tenant.is_empty());
                    mapping::compile(mapping, name, environment, named).map(Rc::new).map_err(EngineError::Mapping)?
                }
            };
            tenants.push(Tenant {
                name: tenant.to_owned(),
                mapping,
                token: RefCell::new(None),
                failed_logins: Cell::new(0),
                turns: Turns::default(),
            });
        }
        let number = u32::try_from(known.map_or(tenants.len(), |index| index + 1)).unwrap_or(u32::MAX);
        if accepted.iter().any(|(other, of)| *other == digest && *of != number) {
            let problem = format!("SCIM_EDGE_TOKENS gives `{tenant}` a token that another tenant has too");
            return Err(EngineError::Setting(problem));
        }
        accepted.push((digest, number));
    }
    Ok((tenants, accepted))
}

/// The digests of the tokens, each with its tenant's name, which is empty where there is none.
fn accepted_tokens(setting: Option<&str>) -> Result<Vec<(&str, [u8; 32])>, EngineError> {
    let tokens: Vec<&str> = setting
        .unwrap_or_default()
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|token| !token.is_empty())
        .collect();
    if tokens.is_empty() {
        return Err(EngineError::Setting(NO_TOKENS.to_owned()));
    }
    tokens
        .into_iter()
        .map(|token| {
            let (tenant, token) = of_tenant(token)?;
            match token.strip_prefix("sha256:") {
                Some(hex) => digest(hex).map(|digest| (tenant, digest)).ok_or_else(|| {
                    EngineError::Setting(
                        "SCIM_EDGE_TOKENS has a `sha256:` digest that is not 64 hexadecimal digits".to_owned(),
                    )
                }),
                None => Ok((tenant, Sha256::digest(token.as_bytes()).into())),
            }
        })
        .collect()
}

/// The tenant's name in front of a token. A token itself has `=` at its end only (RFC 6750 section 2.1).
fn of_tenant(entry: &str) -> Result<(&str, &str), EngineError> {
    let Some((tenant, token)) = entry.split_once('=').filter(|(_, token)| !token.trim_matches('=').is_empty()) else {
        return Ok(("", entry));
    };
    // It stands in paths, header fields and names of variables as it is.
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if tenant.is_empty() || !tenant.chars().all(fits) {
        let problem = "SCIM_EDGE_TOKENS has a tenant whose name is not made of letters, digits, `-` and `_`: write `acme=sha256:…`";
        return Err(EngineError::Setting(problem.to_owned()));
    }
    Ok((tenant, token))
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

    fn made(mapping: &str, settings: &[(&str, &str)]) -> Result<Engine, String> {
        let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Engine::new(mapping, "mapping.yaml", &environment).map_err(|error| error.to_string())
    }

    fn mapping(upstream: &str) -> String {
        format!(
            "{{mapping: v1, upstream: {upstream}, resources: {{User: {{path: /u, attributes: {{id: {{native: id, \
             access: read}}, userName: {{native: n}}}}}}}}}}"
        )
    }

    #[test]
    fn tokens_name_tenants() {
        for (tokens, problem) in [
            ("a.b=t", "letters, digits"),
            ("=t", "letters, digits"),
            ("a=t,b=t", "gives `b` a token that another tenant has too"),
            ("t,a=t", "gives `a` a token that another tenant has too"),
            ("a=sha256:1", "64 hexadecimal digits"),
        ] {
            let error = made(&mapping("{}"), &[("SCIM_EDGE_TOKENS", tokens)]).err().unwrap_or_default();
            assert!(error.contains(problem), "{tokens}: {error}");
        }
        let engine = made(&mapping("{}"), &[("SCIM_EDGE_TOKENS", "a=t== dGVzdA== b=u a=v")]).unwrap();
        let tenant = |token: &str| engine.tenant(token).map(|tenant| tenant.name.as_str());
        let found = ["Bearer t==", "dGVzdA==", "bearer u", "v", "dGVzdA", "x"].map(tenant);
        assert_eq!(found, [Some("a"), Some(""), Some("b"), Some("a"), None, None]);
        let of_all: Vec<_> = engine.tenants.iter().map(|tenant| Rc::strong_count(&tenant.mapping)).collect();
        assert_eq!(of_all, [3; 3], "a mapping that says nothing of tenants is compiled once");
    }

    #[test]
    fn the_public_url_is_made_of_hosts_and_schemes_only() {
        let engine = made(&mapping("{}"), &[("SCIM_EDGE_TOKENS", "t")]).unwrap();
        for (host, scheme, expected) in [
            ("a.example", None, "http://a.example/scim/v2"),
            ("a_b.example:8443", Some("https"), "https://a_b.example:8443/scim/v2"),
            ("[::1]:80", Some("HTTPS, http"), "https://[::1]:80/scim/v2"),
            ("a.example", Some(""), "http://a.example/scim/v2"),
            ("a.example", Some("javascript"), "/scim/v2"),
            ("a.example", Some("\"><script>"), "/scim/v2"),
            ("a.example, b.example", Some("https"), "/scim/v2"),
            ("user@a.example", Some("https"), "/scim/v2"),
            ("a.example:x", Some("https"), "/scim/v2"),
            ("a.example/x", None, "/scim/v2"),
            ("[::x]", None, "/scim/v2"),
            ("", Some("https"), "/scim/v2"),
        ] {
            assert_eq!(engine.public_url(Some(host), scheme), expected, "{host} {scheme:?}");
        }
        assert_eq!(engine.public_url(None, Some("https")), "/scim/v2");
    }

    #[test]
    fn a_tenant_without_its_secrets_is_found_at_the_start() {
        let keyed = mapping("{headers: {x-key: {env: 'KEY_{tenant}'}}}");
        let error = |tokens| made(&keyed, &[("SCIM_EDGE_TOKENS", tokens), ("KEY_a", "1")]).err().unwrap_or_default();
        assert_eq!(error("a=t"), "");
        assert!(error("a=t,b=u").contains("`KEY_b` is not set"));
        assert!(error("a=t,u").contains("M303"));
    }

    #[test]
    fn only_a_token_endpoint_goes_elsewhere() {
        let oauth = mapping(
            "{auth: {oauth: {token_url: 'https://login.example/t?x', client_id: a, client_secret: '{env.S}'}}}",
        );
        let settings = [("SCIM_EDGE_TOKENS", "t"), ("S", "s"), ("SCIM_EDGE_UPSTREAM", "app")];
        let engine = made(&oauth, &settings).unwrap();
        let to = |target: &str| Request { target: target.to_owned(), ..Request::default() };
        let (token, user) = (to("https://login.example/t?x"), to("/u?next=https://login.example/"));
        let route = |upstream, authority, target| Route { upstream, authority, target };
        assert_eq!(engine.route(&token), route("https://login.example", "login.example", "/t?x"));
        assert_eq!(engine.route(&user), route("app", "app", "/u?next=https://login.example/"));
        assert_eq!(engine.unreached_token_host().as_deref(), Some("login.example"));
        for (setting, value, expected) in [
            ("SCIM_EDGE_TOKEN_UPSTREAM", "login", route("login", "login.example", "/t?x")),
            ("SCIM_EDGE_AUTHORITY", "login.example", route("app", "login.example", "/t?x")),
        ] {
            let engine = made(&oauth, &[settings.as_slice(), &[(setting, value)]].concat()).unwrap();
            assert_eq!((engine.route(&token), engine.unreached_token_host()), (expected, None));
        }
    }

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
            assert!(engine.tenant(accepted).is_some(), "{accepted:?}");
        }
        for refused in ["", "Bearer", "Bearer ", "Bearer firs", "Bearer firstt", "Bearer First", "Bearer first,second"]
        {
            assert!(engine.tenant(refused).is_none(), "{refused:?}");
        }
        for (digest, _) in &engine.accepted {
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(
                engine.tenant(&hex).is_none() && engine.tenant(&format!("sha256:{hex}")).is_none(),
                "a digest is no token"
            );
        }
    }
}
