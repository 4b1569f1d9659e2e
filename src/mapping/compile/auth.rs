//! The credentials for the application, and the texts that come from the environment.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::Compiler;
use super::calls::Names;
use crate::mapping::diagnostic::Code;
use crate::mapping::language::{self as written, ClientAuthentication, Text};
use crate::mapping::node::Mark;
use crate::mapping::pointer::Pointer;
use crate::mapping::read::Spanned;
use crate::mapping::template::{CallTemplate, JsonTemplate, RESERVED, Scope, Template};
use crate::mapping::{Login, ReplyValue};
use crate::scim::json::object;

impl Compiler<'_> {
    /// The text of a literal or of an environment variable.
    pub(super) fn text(&mut self, text: &Text) -> Option<String> {
        match text {
            Text::Literal(text) => Some(self.template(text, &Names::none()).plain(&Scope::default())),
            Text::Environment(name) => self.secret(&name.value, name.at),
        }
    }

    /// The text of an environment variable, whose name may have `{tenant}` in it.
    pub(super) fn secret(&mut self, name: &str, at: Mark) -> Option<String> {
        let name = match (name.contains("{tenant}"), self.tenant) {
            (false, _) => name.to_owned(),
            (true, Some(tenant)) => name.replace("{tenant}", tenant),
            (true, None) => return self.no_tenant(at),
        };
        let value = self.environment.get(&name).filter(|value| !value.is_empty());
        if value.is_none() {
            self.unset.push(name.clone());
            self.error(
                Code::MissingSecret,
                at,
                format!("the environment variable `{name}` is not set"),
                format!("set `{name}` in the host's configuration; host-configs/ shows where"),
            );
        }
        value.map(|value| value.trim().to_owned())
    }

    /// Says that there is no tenant.
    pub(super) fn no_tenant(&mut self, at: Mark) -> Option<String> {
        let message = "`{tenant}` has no value: not every token in SCIM_EDGE_TOKENS belongs to a tenant";
        let help = "write each token in SCIM_EDGE_TOKENS behind its tenant's name: `acme=sha256:…`";
        self.error(Code::MissingTenant, at, message, help);
        None
    }

    pub(super) fn auth(&mut self, auth: &written::Auth, headers: &mut Vec<(String, String)>) -> Option<Login> {
        let given = [auth.bearer.is_some(), auth.basic.is_some(), auth.login.is_some(), auth.oauth.is_some()];
        self.exactly_one(&given, auth.place, "bearer, basic, login, oauth");
        if let Some(token) = auth.bearer.as_ref().and_then(|token| self.text(token)) {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        if let Some(basic) = &auth.basic {
            let (username, password) = (self.text(&basic.username), self.text(&basic.password));
            if let (Some(username), Some(password)) = (username, password) {
                headers.push(("authorization".to_owned(), basic_credential(&username, &password)));
            }
        }
        match (&auth.login, &auth.oauth) {
            (Some(login), _) => self.login(login),
            (None, Some(oauth)) => self.oauth(oauth),
            (None, None) => None,
        }
    }

    fn login(&mut self, login: &written::Login) -> Option<Login> {
        let names = Names::of_login();
        let (call, _) = self.call(&login.call, &names);
        let token = self.reply_value(&login.token);
        let header = login.header.clone().unwrap_or_else(|| "authorization".to_owned()).to_lowercase();
        let default = Spanned {
            at: login.place,
            value: if header == "authorization" { "Bearer {token}" } else { "{token}" }.to_owned(),
        };
        let value = self.template(login.value.as_ref().unwrap_or(&default), &names);
        if let (Some(lifetime), Some(_)) = (&login.lifetime, &login.expires) {
            let message = "how long the token is used is written here, or the reply says it, and both are given";
            self.error(Code::ExactlyOne, lifetime.at, message, "keep `lifetime` or `expires`");
        }
        Some(Login {
            call,
            token: token?,
            header,
            value,
            lifetime: login.lifetime.as_ref().map(|seconds| u64::from(seconds.value) * 1000),
            expires: self.optional_pointer(login.expires.as_ref()),
            refused: login.refused.iter().map(|it| self.recognised(it)).collect(),
        })
    }

    fn oauth(&mut self, oauth: &written::OAuth) -> Option<Login> {
        let url = self.template(&oauth.token_url, &Names::none()).plain(&Scope::default());
        let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let is_path = url.starts_with('/') && !url.starts_with("//");
        let is_elsewhere =
            authority.is_some_and(|rest| rest.find('/').is_some_and(|at| at > 0) && !rest.contains(['@', '#']));
        if !(is_path || is_elsewhere) || url.contains(char::is_whitespace) {
            let message = format!("`{url}` is neither a path of the application nor an address elsewhere");
            let help = "write `/oauth/token` or `https://login.example.com/oauth/token`";
            self.error(Code::BadTemplate, oauth.token_url.at, message, help);
        }
        let (id, secret) = (self.text(&oauth.client_id), self.text(&oauth.client_secret));
        let mut form = object([("grant_type".to_owned(), Value::from("client_credentials"))]);
        let mut headers = Vec::new();
        let (id, secret) = (id?, secret?);
        if oauth.client == Some(ClientAuthentication::Body) {
            form.extend([("client_id".to_owned(), id.into()), ("client_secret".to_owned(), secret.into())]);
        } else {
            let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
            let credential = basic_credential(&encoded(&id), &encoded(&secret));
            headers.push(("authorization".to_owned(), Template::literal(credential)));
        }
        for (name, text) in [("scope", &oauth.scope), ("audience", &oauth.audience)] {
            let text = text.as_ref().and_then(|text| self.text(text));
            form.extend(text.map(|text| (name.to_owned(), text.into())));
        }
        for (name, text) in oauth.parameters.iter() {
            let text = self.text(text);
            form.extend(text.map(|text| (name.value.clone(), text.into())));
        }
        let value = Spanned { at: oauth.place, value: "Bearer {token}".to_owned() };
        Some(Login {
            call: CallTemplate {
                headers,
                body: Some(JsonTemplate::Constant(Value::Object(form))),
                form: true,
                ..CallTemplate::new("POST", Template::literal(url))
            },
            token: ReplyValue::Body(Pointer::parse("access_token").ok()?),
            header: "authorization".to_owned(),
            value: self.template(&value, &Names::of_login()),
            lifetime: None,
            expires: Pointer::parse("expires_in").ok(),
            refused: oauth.refused.iter().map(|it| self.recognised(it)).collect(),
        })
    }
}

/// The value of `Authorization` for a name and a password (RFC 7617).
fn basic_credential(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}
