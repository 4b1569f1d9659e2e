//! What is well-formed and still cannot work, or cannot be meant: found in the document as it is written.

use super::Compiler;
use crate::mapping;
use crate::mapping::diagnostic::Code;
use crate::mapping::language::{self as written, Access, Attribute, ErrorRule, Part, Resource, Text};
use crate::mapping::node::Mark;
use crate::mapping::read::{Spanned, Table};
use crate::mapping::template::CallTemplate;
use crate::scim::core::{group_type, user_type};
use crate::scim::path::AttributePath;

/// Words in a header's name that say that its value is a secret.
const SECRET_WORDS: [&str; 6] = ["authorization", "cookie", "key", "password", "secret", "token"];

impl Compiler<'_> {
    pub(super) fn lint(&mut self, document: &written::Document) {
        self.literal_secrets(&document.upstream);
        if let Some(paging) = &document.paging {
            self.parameters(paging);
            // Compiled here too, since it may be that no list uses it.
            let _ = self.paging(Some(paging), None);
        }
        for (name, resource) in document.resources.iter() {
            for (path, row) in resource.attributes.iter() {
                self.row_contradictions(name, resource.create.is_some(), path, row);
            }
            self.lone_parts(&resource.attributes);
            self.queries(resource);
            self.member_calls(resource);
        }
        self.error_order(&document.errors);
    }

    /// Such applications (GraphQL, JSON-RPC) answer a call that failed with 200.
    pub(super) fn silent_failures(
        &mut self,
        at: Mark,
        resources: &[mapping::Resource],
        errors: &[mapping::errors::ErrorRule],
    ) {
        let calls: Vec<&CallTemplate> = resources.iter().filter(|it| it.fixed.is_none()).flat_map(own_calls).collect();
        let [first, _, ..] = calls.as_slice() else { return };
        let is_one =
            first.method == "POST" && calls.iter().all(|call| call.method == "POST" && call.path == first.path);
        if is_one && !errors.iter().any(|rule| rule.when.status.is_none_or(|status| status < 300)) {
            let message = "every call is a POST to one address, and no rule of `errors` tells a failure that is a 200";
            let help = "add `{ at: errors.0, scim: { status: 502 } }`, or where else its replies have what went wrong";
            self.error(Code::SilentFailures, at, message, help);
        }
    }

    fn literal_secrets(&mut self, upstream: &written::Upstream) {
        for (name, text) in upstream.headers.iter() {
            let lower = name.value.to_lowercase();
            if is_literal(text) && SECRET_WORDS.iter().any(|word| lower.contains(word)) {
                self.literal(name.at, &name.value);
            }
        }
        let Some(auth) = &upstream.auth else { return };
        if auth.bearer.as_ref().is_some_and(is_literal) {
            self.literal(auth.place, "bearer");
        }
        if let Some(basic) = &auth.basic
            && is_literal(&basic.password)
        {
            self.literal(basic.place, "password");
        }
        if let Some(oauth) = &auth.oauth
            && is_literal(&oauth.client_secret)
        {
            self.literal(oauth.place, "client_secret");
        }
    }

    fn literal(&mut self, at: Mark, what: &str) {
        let message = format!("the secret of `{what}` stands in the mapping, where everyone who reads it sees it");
        self.error(
            Code::LiteralSecret,
            at,
            message,
            "write `{ env: NATIVE_API_KEY }`, and set that variable in the host",
        );
    }

    fn row_contradictions(
        &mut self,
        resource: &Spanned<String>,
        created: bool,
        path: &Spanned<String>,
        row: &Attribute,
    ) {
        let mut bad = |message: String, help: &str| self.error(Code::BadRow, path.at, message, help);
        let name = &path.value;
        if row.constant.is_some() && row.native.is_some() {
            bad(format!("`{name}` has a fixed value and a native field"), "keep `constant` or `native`");
        }
        if row.constant.is_some() && row.access.is_some_and(|access| access != Access::Read) {
            bad(format!("`{name}` has a fixed value that clients could write"), "remove `access`");
        }
        if row.default.is_some() && row.access == Some(Access::Read) {
            bad(format!("`{name}` has a default that is never written"), "remove `default`, or `access: read`");
        }
        if row.default.is_some() && row.generate.is_some() {
            bad(format!("`{name}` has a fixed default and a generated one"), "keep `default` or `generate`");
        }
        if created && row.required == Some(true) && row.access == Some(Access::Read) {
            bad(format!("clients must give `{name}` and cannot write it"), "remove `required`, or `access: read`");
        }
        if let (Some(otherwise), None) = (&row.otherwise, &row.enumeration) {
            let message = format!("`otherwise` of `{name}` belongs to an `enum`, and there is none");
            self.error(Code::BadRow, otherwise.at, message, "add `enum: { … }`, or remove `otherwise`");
        }
        if row.kind.is_some() && is_standard(&resource.value, name) {
            let message = format!("`{name}` is a standard attribute, whose type is fixed");
            self.error(Code::BadRow, path.at, message, "remove `type`");
        }
        if name == "id" && (row.native.is_none() || row.access == Some(Access::Write)) {
            let message = "the row of `id` must say where replies have the id";
            self.error(Code::BadRow, path.at, message, "write `id: { native: id, access: read }`");
        }
    }

    fn lone_parts(&mut self, rows: &Table<Attribute>) {
        for (path, row) in rows.iter() {
            let (Some(part), Some(native)) = (row.part, &row.native) else { continue };
            let partner = rows.iter().any(|(_, other)| {
                other.part.is_some_and(|other| other != part)
                    && other.native.as_ref().is_some_and(|other| other.value == native.value)
            });
            if !partner {
                let (own, other) = if part == Part::First { ("first", "rest") } else { ("rest", "first") };
                let message =
                    format!("`{}` owns the {own} part of `{}`, and no row owns the other", path.value, native.value);
                let help = format!("add a row with `native: {}, part: {other}`", native.value);
                self.error(Code::BadRow, path.at, message, help);
            }
        }
    }

    fn queries(&mut self, resource: &Resource) {
        let lists = resource.list.iter();
        for list in lists.clone() {
            if let Some(paging) = &list.paging {
                self.parameters(paging);
            }
            for (key, narrowing) in list.filters.iter() {
                let says = |text: &str| text.contains("{value}");
                if key.value.ends_with(" in") {
                    continue;
                }
                let mute = match (&narrowing.query, &narrowing.read, &narrowing.call) {
                    (None, Some(read), None) => !says(&read.value),
                    (None, None, Some(call)) => {
                        let query = call.query.iter().any(|(_, value)| says(&value.value.to_string()));
                        let body = call.body.as_ref().is_some_and(|body| says(&body.value.to_string()));
                        let headers = call.headers.iter().any(|(_, value)| says(&value.value));
                        !(query || body || headers || says(&call.path.value))
                    }
                    _ => false,
                };
                if mute {
                    let message = format!("the look-up for `{}` does not say which value is looked for", key.value);
                    self.error(Code::BadFilter, key.at, message, "put `{value}` into it");
                }
            }
        }
        let lookup = resource.create.as_ref().and_then(|create| create.id.as_ref()).and_then(|id| id.lookup.as_ref());
        if let Some(lookup) = lookup {
            let wanted = format!("{} eq", lookup.value);
            let present =
                lists.flat_map(|list| list.filters.iter()).any(|(key, _)| key.value.eq_ignore_ascii_case(&wanted));
            if !present {
                let message = format!("new resources are looked up by `{}`, and `list.filters` cannot", lookup.value);
                let help = format!("add `{wanted}: {{ query: {{ … }} }}` below `list.filters`");
                self.error(Code::BadFilter, lookup.at, message, help);
            }
        }
    }

    fn parameters(&mut self, paging: &written::Paging) {
        let pairs = [
            paging.page.as_ref().map(|it| (&it.param, &it.size, it.place)),
            paging.offset.as_ref().map(|it| (&it.param, &it.size, it.place)),
            paging.cursor.as_ref().map(|it| (&it.param, &it.size, it.place)),
            paging.marker.as_ref().map(|it| (&it.param, &it.size, it.place)),
        ];
        for (param, size, at) in pairs.into_iter().flatten() {
            if size.as_ref() == Some(param) {
                let message = format!("`{param}` cannot be both the place in the list and the size of a page");
                self.error(Code::BadPaging, at, message, "write the application's own names for the two");
            }
        }
    }

    fn member_calls(&mut self, resource: &Resource) {
        let Some(members) = &resource.members else { return };
        if let Some(find) = members.list.as_ref().and_then(|list| list.find.as_ref()) {
            let says = find.iter().any(|(_, value)| value.value.to_string().contains("{member}"));
            if let (false, Some((key, _))) = (says, find.iter().next()) {
                let message = "`find` looks for one member's row, and does not say which member";
                self.error(Code::BadMembers, key.at, message, "put `{member}` into one of its values");
            }
        }
    }

    fn error_order(&mut self, rules: &[ErrorRule]) {
        for (index, rule) in rules.iter().enumerate() {
            if rule.at.is_none()
                && rule.header.is_none()
                && [&rule.is, &rule.contains, &rule.differs].into_iter().any(Option::is_some)
            {
                let message = "`is`, `contains` and `differs` are about a text, and nothing says where it is";
                self.error(Code::MissingKey, rule.place, message, "add `at: errors.0.code`, or `header:`");
            }
            if let Some(status) = rule.status.filter(|status| !(100..600).contains(status)) {
                let message = format!("no reply has the status {status}");
                self.error(Code::OutOfRange, rule.place, message, "write a status from 100 to 599");
            }
            if let Some(first) = rules.iter().take(index).find(|first| covers(first, rule)) {
                let line = first.place.line;
                let message =
                    format!("this rule is never reached: the one in line {line} matches everything that it does");
                self.error(Code::Unreached, rule.place, message, "put the narrower rule first, or remove it");
            }
        }
    }
}

/// The calls that read, list and change resources of a type.
fn own_calls(resource: &mapping::Resource) -> Vec<&CallTemplate> {
    let read = resource.row.is_none().then_some(&resource.read);
    let create = resource.create.as_ref().map(|create| &create.operation);
    let update = resource.update.as_ref().map(|update| &update.operation);
    let delete = resource.delete.as_ref().map(|delete| &delete.operation);
    let operations = [read, create, update, delete].into_iter().flatten().map(|operation| &operation.call);
    let lists = resource.list.iter().flat_map(|list| &list.parts).map(|part| &part.call);
    operations.chain(lists).chain(resource.actions.iter().map(|action| &action.call)).collect()
}

/// Whether the whole text stands in the mapping.
fn is_literal(text: &Text) -> bool {
    matches!(text, Text::Literal(text) if !text.value.contains("{env."))
}

/// Whether every reply that `rule` matches is matched by `first`.
fn covers(first: &ErrorRule, rule: &ErrorRule) -> bool {
    let place = |rule: &ErrorRule| (rule.at.as_ref().map(|at| at.value.clone()), rule.header.clone());
    let anywhere = first.at.is_none() && first.header.is_none();
    let status = first.status.is_none() || first.status == rule.status;
    let wider = |first: &Option<String>, rule: &Option<String>| first.is_none() || first == rule;
    let text =
        wider(&first.is, &rule.is) && wider(&first.contains, &rule.contains) && wider(&first.differs, &rule.differs);
    status && (anywhere || (place(first) == place(rule) && text))
}

fn is_standard(resource: &str, path: &str) -> bool {
    let kind = match resource {
        "User" => user_type(),
        "Group" => group_type(),
        _ => return false,
    };
    AttributePath::parse(path).is_ok_and(|path| kind.resolve(&path).is_some())
}
