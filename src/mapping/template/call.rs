//! Whole calls as templates.

use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::{JsonTemplate, RESERVED, Scope, Slot, Template, Unfit};
use crate::exchange::Request;
use crate::mapping::codec::text_of;
use crate::mapping::pointer::Pointer;

/// A whole call as a template.
#[derive(Clone, Debug, PartialEq)]
pub struct CallTemplate {
    /// The method, in upper case.
    pub method: String,
    /// The path, with the upstream's prefix.
    pub path: Template,
    /// The query parameters.
    pub query: Vec<(String, JsonTemplate)>,
    /// The header fields; names in lower case.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Option<JsonTemplate>,
    /// Whether the body is a form instead of JSON.
    pub form: bool,
}

impl CallTemplate {
    /// A call with nothing but a method and a path.
    pub fn new(method: &str, path: Template) -> Self {
        CallTemplate {
            method: method.to_owned(),
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            form: false,
        }
    }

    /// The call with further query parameters, in place of those of the same name.
    #[must_use]
    pub fn with_query(&self, query: &[(String, JsonTemplate)]) -> Self {
        let mut call = self.clone();
        call.query.retain(|(name, _)| !query.iter().any(|(further, _)| further == name));
        call.query.extend(query.iter().cloned());
        call
    }

    /// Whether it has a field of the resource's native object, so that this has to be read first.
    pub fn needs_native(&self) -> bool {
        self.any(&|slot| matches!(slot, Slot::Native(_)))
    }

    /// Whether `slot` stands anywhere in it.
    pub fn uses(&self, slot: &Slot) -> bool {
        self.any(&|other| other == slot)
    }

    /// Whether a placeholder passes the test.
    pub fn any(&self, test: &dyn Fn(&Slot) -> bool) -> bool {
        self.path.slots().any(test)
            || self.query.iter().any(|(_, value)| value.any(test))
            || self.headers.iter().any(|(_, value)| value.slots().any(test))
            || self.body.as_ref().is_some_and(|body| body.any(test))
    }

    /// The request, with the body of the template.
    pub fn render(&self, scope: &Scope) -> Result<Request, Unfit> {
        let body = self.body.as_ref();
        body.map_or(Ok(()), |body| body.fits(scope))?;
        let body = body.map(|body| body.render(scope));
        self.render_with(scope, &[], body)
    }

    /// The request with further parameters: fields of the body where there is one, by place, else of the query. The fields of
    /// an object are added to those of one that is there.
    pub fn render_list(&self, scope: &Scope, parameters: &[(String, Value)]) -> Result<Request, Unfit> {
        let Some(body) = &self.body else {
            let query: Vec<_> = parameters.iter().map(|(name, value)| (name.clone(), text_of(value))).collect();
            return self.render_with(scope, &query, None);
        };
        body.fits(scope)?;
        let mut body = body.render(scope);
        for (name, value) in parameters {
            if let Ok(at) = Pointer::parse(name) {
                at.merge(&mut body, value.clone());
            }
        }
        self.render_with(scope, &[], Some(body))
    }

    /// The request with further query parameters, in place of its own of the same name, and with this body.
    pub fn render_with(
        &self,
        scope: &Scope,
        query: &[(String, String)],
        body: Option<Value>,
    ) -> Result<Request, Unfit> {
        self.path.fits(scope)?;
        let mut target = String::new();
        self.path.path(scope, &mut target)?;
        let replaced = |name: &str| query.iter().any(|(other, _)| other == name);
        for (name, value) in self.query.iter().filter(|(name, _)| !replaced(name)) {
            value.fits(scope)?;
            for value in value.parameters(scope) {
                push_parameter(&mut target, name, &value);
            }
        }
        for (name, value) in query {
            push_parameter(&mut target, name, value);
        }
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        for (name, value) in &self.headers {
            value.fits(scope)?;
            if let Some(value) = value.header(scope)? {
                headers.push((name.clone(), value));
            }
        }
        let (media_type, body) = match body {
            None => (None, Vec::new()),
            Some(body) if self.form => (Some("application/x-www-form-urlencoded"), form(&body).into_bytes()),
            Some(body) => (Some("application/json"), body.to_string().into_bytes()),
        };
        if let Some(media_type) = media_type.filter(|_| !headers.iter().any(|(name, _)| name == "content-type")) {
            headers.push(("content-type".to_owned(), media_type.to_owned()));
        }
        Ok(Request { method: self.method.clone(), target, headers, body })
    }
}

/// The parameters of a call, for a body where `body` says so, else as texts for a query.
pub fn parameters(templates: &[(String, JsonTemplate)], scope: &Scope, body: bool) -> Vec<(String, Value)> {
    let value = |template: &JsonTemplate| {
        if body { template.parameter(scope) } else { template.query(scope).map(Value::from) }
    };
    templates.iter().filter_map(|(name, template)| Some((name.clone(), value(template)?))).collect()
}

fn push_parameter(target: &mut String, name: &str, value: &str) {
    target.push(if target.contains('?') { '&' } else { '?' });
    target.extend(utf8_percent_encode(name, RESERVED));
    target.push('=');
    target.extend(utf8_percent_encode(value, RESERVED));
}

fn form(body: &Value) -> String {
    let mut out = String::new();
    let mut field = |name: &str, value: &Value| {
        if !out.is_empty() {
            out.push('&');
        }
        out.extend(utf8_percent_encode(name, RESERVED));
        out.push('=');
        out.extend(utf8_percent_encode(&text_of(value), RESERVED));
    };
    for (name, value) in body.as_object().into_iter().flatten() {
        match value {
            // Without a field, an update would leave the list as it is.
            Value::Array(items) if items.is_empty() => field(name, &Value::Null),
            Value::Array(items) => items.iter().for_each(|item| field(name, item)),
            value => field(name, value),
        }
    }
    out
}
