//! Templates, calls and operations.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::Compiler;
use crate::mapping::diagnostic::{Code, nearest};
use crate::mapping::language::{self as written, Form};
use crate::mapping::node::Mark;
use crate::mapping::pointer::Pointer;
use crate::mapping::read::{Spanned, Table};
use crate::mapping::template::{CallTemplate, JsonTemplate, Slot, Template, TemplateError};
use crate::mapping::{Body, Item, Operation, Row};

/// What the environment's texts may have and a path must not. They may be several segments, and be escaped already.
const OUTSIDE_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'^')
    .add(b'|');

/// The placeholders that mean something where a template stands.
pub(super) struct Names<'a> {
    fixed: Vec<(&'static str, Slot)>,
    rows: &'a [Row],
    /// Whether the call is about a resource that exists, so that `{native.FIELD}` means something.
    one: bool,
    /// Whether a row means the value that the resource has, not the one that is wanted.
    current: bool,
    /// Whether the template is a path.
    path: bool,
}

impl<'a> Names<'a> {
    /// These, and every attribute row.
    pub(super) fn new(fixed: &[(&'static str, Slot)], rows: &'a [Row]) -> Self {
        Names { fixed: fixed.to_vec(), rows, one: false, current: false, path: false }
    }

    /// Those of a call that changes a resource.
    pub(super) fn of_change(rows: &'a [Row]) -> Self {
        Names { one: true, ..Names::new(&[("id", Slot::Id)], rows) }
    }

    /// Those of an update.
    pub(super) fn of_update(rows: &'a [Row]) -> Self {
        let fixed = vec![("id", Slot::Id), ("changed", Slot::Changed)];
        Names { fixed, ..Names::of_change(rows) }
    }

    /// Those of a call that deletes a resource.
    pub(super) fn of_delete(rows: &'a [Row]) -> Self {
        Names { current: true, ..Names::of_change(rows) }
    }

    /// These in a call about a resource that stays as it is, whose rows mean the values that it has.
    pub(super) fn of_current(fixed: &[(&'static str, Slot)], rows: &'a [Row]) -> Self {
        Names { one: true, current: true, ..Names::new(fixed, rows) }
    }

    /// These in a path, which says where the resource is now.
    pub(super) fn in_path(&self) -> Self {
        Names { fixed: self.fixed.clone(), current: self.one, path: true, ..*self }
    }

    /// None at all.
    pub(super) const fn none() -> Names<'static> {
        Names { fixed: Vec::new(), rows: &[], one: false, current: false, path: false }
    }

    /// Those of a login call.
    pub(super) fn of_login() -> Names<'static> {
        Names::new(&[("token", Slot::Token)], &[])
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        if let Some((_, slot)) = self.fixed.iter().find(|(known, _)| *known == name) {
            return Some(slot.clone());
        }
        if let (true, Some(field)) = (self.one, name.strip_prefix("native.")) {
            return Pointer::parse(field).ok().map(Slot::Native);
        }
        let index = self.rows.iter().position(|row| row.name == name)?;
        match self.rows.get(index) {
            Some(row) if self.current => row.native.clone().map(Slot::Native),
            _ => Some(Slot::Row(index)),
        }
    }

    fn all(&self) -> Vec<&str> {
        let fixed = self.fixed.iter().map(|(name, _)| *name);
        fixed.chain(self.rows.iter().map(|row| row.name.as_str())).collect()
    }
}

/// Whether this could be meant for a placeholder's name: a path of an attribute, say, with a filter or without.
fn is_name(text: &str) -> bool {
    let before = text.split('[').next().unwrap_or_default();
    !before.is_empty() && before.chars().all(|c| c.is_alphanumeric() || ".:_-$".contains(c))
}

impl Compiler<'_> {
    pub(super) fn template(&mut self, text: &Spanned<String>, names: &Names) -> Template {
        let (mut variables, mut tenantless) = (Vec::new(), false);
        let tenant = self.tenant;
        let environment = self.environment;
        let given = |text: &str| {
            if names.path { utf8_percent_encode(text, OUTSIDE_PATHS).to_string() } else { text.to_owned() }
        };
        let parsed = Template::parse(&text.value, |name| {
            if name == "tenant" {
                tenantless |= tenant.is_none();
                return Some(Err(given(tenant.unwrap_or_default())));
            }
            let Some(variable) = name.strip_prefix("env.") else {
                return names.slot(name).map(Ok);
            };
            variables.push(variable.to_owned());
            let variable = variable.replace("{tenant}", tenant.unwrap_or_default());
            Some(Err(environment.get(&variable).map(|value| given(value.trim())).unwrap_or_default()))
        });
        if tenantless {
            self.no_tenant(text.at);
        }
        for variable in variables {
            self.secret(&variable, text.at);
        }
        match parsed {
            Ok(template) => template,
            Err(TemplateError::Braces) => {
                let help = "write `{name}` for a placeholder, `{{` and `}}` for braces";
                self.error(Code::BadTemplate, text.at, format!("the braces in `{}` do not match", text.value), help);
                Template::default()
            }
            Err(TemplateError::Form(form)) => {
                let help = match nearest(&form, Form::WORDS.iter().copied()) {
                    Some(meant) => format!("did you mean `|{meant}`?"),
                    None => format!("one of: {}", Form::WORDS.join(", ")),
                };
                self.error(Code::BadTemplate, text.at, format!("`{form}` is no form of a placeholder"), help);
                Template::default()
            }
            Err(TemplateError::Unknown(name)) if !is_name(&name) => {
                let help = "write `{{` and `}}` for the braces of a text that has its own";
                self.error(Code::UnknownPlaceholder, text.at, "what stands between braces is no placeholder", help);
                Template::default()
            }
            Err(TemplateError::Unknown(name)) => {
                let mut all = names.all();
                let mut seen = std::collections::BTreeSet::new();
                all.retain(|name| seen.insert(*name));
                let help = match nearest(&name, all.iter().copied()) {
                    Some(meant) => format!("did you mean `{{{meant}}}`?"),
                    None if all.is_empty() => "no placeholder has a value here: remove it".to_owned(),
                    None => format!("the placeholders that have a value here: {}", all.join(", ")),
                };
                self.error(Code::UnknownPlaceholder, text.at, format!("`{{{name}}}` has no value here"), help);
                Template::default()
            }
        }
    }

    pub(super) fn path(&mut self, text: &Spanned<String>, names: &Names) -> Template {
        if !text.value.starts_with('/') {
            self.error(
                Code::BadTemplate,
                text.at,
                format!("a native path begins with `/`, and `{}` does not", text.value),
                format!("write `/{}`", text.value),
            );
        }
        let whole = Spanned {
            at: text.at,
            value: format!("{}{}", self.base.replace('{', "{{").replace('}', "}}"), text.value),
        };
        self.template(&whole, &names.in_path())
    }

    pub(super) fn json(&mut self, value: &Value, at: Mark, names: &Names) -> JsonTemplate {
        JsonTemplate::parse(value, &mut |text| self.template(&Spanned { at, value: text.to_owned() }, names))
    }

    pub(super) fn query(&mut self, query: &Table<Spanned<Value>>, names: &Names) -> Vec<(String, JsonTemplate)> {
        query.iter().map(|(name, value)| (name.value.clone(), self.json(&value.value, value.at, names))).collect()
    }

    pub(super) fn headers(&mut self, headers: &Table<Spanned<String>>, names: &Names) -> Vec<(String, Template)> {
        headers.iter().map(|(name, value)| (name.value.to_lowercase(), self.template(value, names))).collect()
    }

    pub(super) fn method(&mut self, method: &Spanned<String>) -> String {
        let upper = method.value.to_uppercase();
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
        if !known.contains(&upper.as_str()) {
            self.error(
                Code::UnknownWord,
                method.at,
                format!("`{}` is no method", method.value),
                format!("one of: {}", known.join(", ")),
            );
        }
        upper
    }

    /// A call with everything in it, and where its reply has the object.
    pub(super) fn call(&mut self, call: &written::Call, names: &Names) -> (CallTemplate, Option<Pointer>) {
        let template = self.call_parts(
            (&call.method, &call.path, &call.query, &call.headers),
            call.body.as_ref(),
            call.format,
            names,
        );
        (template, self.optional_pointer(call.item.as_ref()))
    }

    /// A member call.
    pub(super) fn member_call(&mut self, call: &written::MemberCall, names: &Names) -> CallTemplate {
        self.call_parts((&call.method, &call.path, &call.query, &call.headers), call.body.as_ref(), call.format, names)
    }

    fn call_parts(
        &mut self,
        (method, path, query, headers): (
            &Spanned<String>,
            &Spanned<String>,
            &Table<Spanned<Value>>,
            &Table<Spanned<String>>,
        ),
        body: Option<&Spanned<Value>>,
        format: Option<written::Format>,
        names: &Names,
    ) -> CallTemplate {
        CallTemplate {
            method: self.method(method),
            path: self.path(path, names),
            query: self.query(query, names),
            headers: self.headers(headers, names),
            body: body.map(|body| self.json(&body.value, body.at, names)),
            form: format == Some(written::Format::Form),
        }
    }

    /// An operation, with the defaults for what it does not say.
    pub(super) fn operation(
        &mut self,
        operation: Option<&written::Operation>,
        method: &str,
        path: &Spanned<String>,
        item: Option<&Spanned<String>>,
        names: &Names,
    ) -> Operation {
        let path = operation.and_then(|it| it.path.as_ref()).unwrap_or(path);
        let mut call = CallTemplate::new(method, self.path(path, names));
        let own_item = operation.and_then(|it| it.item.as_ref());
        let (mut set, mut absent) = (Vec::new(), Vec::new());
        if let Some(operation) = operation {
            if let Some(method) = &operation.method {
                call.method = self.method(method);
            }
            call.query = self.query(&operation.query, names);
            call.headers = self.headers(&operation.headers, names);
            call.form = operation.body.as_ref().and_then(|body| body.format) == Some(written::Format::Form);
            set = self.fields(&operation.set, names);
            absent = operation.absent.iter().map(|it| self.recognised(it)).collect();
        }
        let at = self.optional_pointer(own_item.or(item)).unwrap_or_default();
        Operation {
            call,
            fixed: None,
            item: Item { at, stated: own_item.is_some() },
            set,
            absent,
            guard: operation.and_then(|it| it.guard.as_ref()).map(|guard| guard.value),
        }
    }

    /// How the body of a create, update or delete is made.
    pub(super) fn body(
        &mut self,
        operation: &written::Operation,
        wrap: Option<&Spanned<String>>,
        names: &Names,
    ) -> Body {
        let body = operation.body.as_ref();
        let wrap = body.and_then(|body| body.wrap.as_ref()).or(wrap);
        let (mut set, mut omit) = (Vec::new(), Vec::new());
        if let Some(body) = body {
            set = self.fields(&body.set, names);
            omit = body.omit.iter().filter_map(|it| self.pointer(it)).collect();
        }
        Body { wrap: self.optional_pointer(wrap).unwrap_or_default(), set, omit }
    }

    /// Fields of native objects, with placeholders.
    fn fields(&mut self, fields: &Table<Spanned<Value>>, names: &Names) -> Vec<(Pointer, JsonTemplate)> {
        let mut compiled = Vec::new();
        for (at, value) in fields.iter() {
            let json = self.json(&value.value, value.at, names);
            compiled.extend(self.pointer(at).map(|pointer| (pointer, json)));
        }
        compiled
    }
}
