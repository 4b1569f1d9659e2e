//! Lists: their parts, what counts them and what narrows them.

use serde_json::Value;

use super::Compiler;
use super::calls::Names;
use super::resources::is_row_of;
use crate::mapping::diagnostic::Code;
use crate::mapping::language as written;
use crate::mapping::node::Mark;
use crate::mapping::paging::Style;
use crate::mapping::pointer::Pointer;
use crate::mapping::read::{Spanned, Table};
use crate::mapping::template::{CallTemplate, JsonTemplate, Scope, Slot};
use crate::mapping::{How, Item, List, ListPart, Narrowing, Operation, ReplyValue, Row};
use crate::scim::path::AttributePath;
use crate::scim::{CompareOp, ResourceType};

/// No placeholder but those of the environment.
const NONE: Names = Names::none();

/// How a list is asked for, as it is written.
pub(super) struct ListCall<'w> {
    pub(super) place: Mark,
    pub(super) method: Option<&'w Spanned<String>>,
    pub(super) path: &'w Spanned<String>,
    pub(super) query: &'w Table<Spanned<Value>>,
    pub(super) headers: &'w Table<Spanned<String>>,
    pub(super) body: Option<&'w Spanned<Value>>,
    pub(super) format: Option<written::Format>,
}

impl Compiler<'_> {
    /// The call that asks for a list: a GET, unless something else is said.
    pub(super) fn list_call(&mut self, list: &ListCall<'_>, names: &Names) -> CallTemplate {
        match list.body {
            None if list.format.is_some() => {
                let message = "`format` is how the body is written, and there is none";
                self.error(Code::BadList, list.place, message, "add `body: {}`, or remove `format`");
            }
            Some(body) if !body.value.is_object() => {
                let message = "the body must be a table: parameters become fields of it";
                self.error(Code::BadList, body.at, message, "write `body: {}`");
            }
            _ => {}
        }
        CallTemplate {
            method: list.method.map_or_else(|| "GET".to_owned(), |method| self.method(method)),
            query: self.query(list.query, names),
            headers: self.headers(list.headers, names),
            body: list.body.map(|body| self.json(&body.value, body.at, names)),
            form: list.format == Some(written::Format::Form),
            ..CallTemplate::new("GET", self.path(list.path, names))
        }
    }

    pub(super) fn list(
        &mut self,
        list: &written::List,
        collection: &Spanned<String>,
        kind: &ResourceType,
        rows: &[Row],
    ) -> List {
        let whole = ListPart {
            call: self.list_call(
                &ListCall {
                    place: list.place,
                    method: list.method.as_ref(),
                    path: list.path.as_ref().unwrap_or(collection),
                    query: &list.query,
                    headers: &list.headers,
                    body: list.body.as_ref(),
                    format: list.format,
                },
                &NONE,
            ),
            rename: list
                .rename
                .iter()
                .filter_map(|(from, to)| Some((self.pointer(from)?, self.pointer(to)?)))
                .collect(),
            paging: self.paging(list.paging.as_ref(), list.items.as_ref()),
            count: list.count.as_ref().and_then(|count| self.count(count)),
            set: Vec::new(),
        };
        self.counted(list, &whole);
        let parts = match list.union.as_slice() {
            [] => vec![whole.clone()],
            parts => parts.iter().map(|part| self.part(list, part, &whole)).collect(),
        };
        if let [only] = list.union.as_slice() {
            let message = "a union is of several lists, and this is one";
            self.error(Code::BadList, only.place, message, "add the other parts, or write its keys into `list` itself");
        }
        self.body_parameters(list);
        let is_batch = |key: &Spanned<String>| key.value.ends_with(" in");
        let (several, single): (Vec<_>, Vec<_>) = list.filters.iter().partition(|(key, _)| is_batch(key));
        let narrowing = |(key, it)| self.narrowing(key, it, (list, &whole), kind, rows);
        let filters = single.into_iter().filter_map(narrowing).collect();
        let batches =
            several.into_iter().filter_map(|(key, it)| self.batch(key, it, (list, &whole), kind, rows)).collect();
        List {
            parts,
            filters,
            batches,
            otherwise: list.otherwise.unwrap_or(written::Unnarrowed::Scan),
            partial: self.partial(list.partial.as_ref(), kind),
        }
    }

    fn part(&mut self, list: &written::List, part: &written::ListPart, whole: &ListPart) -> ListPart {
        if part.path.is_none() && part.query.0.is_empty() {
            let message = "nothing makes this part another list than the others";
            self.error(Code::BadList, part.place, message, "give it a `path` or a `query` of its own");
        }
        for (name, value) in part.query.iter().filter(|(name, _)| says(&list.query, name)) {
            let message = format!("the list says `{}` already, for all its parts", name.value);
            self.error(Code::BadList, value.at, message, format!("remove `{}` from `list.query`", name.value));
        }
        let mut compiled = whole.clone();
        if let Some(path) = &part.path {
            compiled.call.path = self.path(path, &NONE);
        }
        let query = self.query(&part.query, &NONE);
        if let Some((count, _)) = &mut compiled.count {
            count.query.extend(query.clone());
        }
        match &mut compiled.call.body {
            Some(body) => {
                let mut fields = body.render(&Scope::default());
                for (name, value) in &query {
                    if let Ok(at) = Pointer::parse(name) {
                        at.merge(&mut fields, value.render(&Scope::default()));
                    }
                }
                *body = JsonTemplate::Constant(fields);
            }
            None => compiled.call.query.extend(query),
        }
        match (&part.count, &list.count) {
            (Some(own), _) => compiled.count = self.count(own),
            (None, Some(_)) if part.path.is_some() => {
                let message = "the list's `count` does not count this part, which has a path of its own";
                self.error(Code::BadList, part.place, message, "give the part a `count` of its own");
            }
            _ => {}
        }
        for (at, value) in part.set.iter() {
            let value = self.json(&value.value, value.at, &NONE).render(&Scope::default());
            compiled.set.extend(self.pointer(at).map(|at| (at, value)));
        }
        compiled
    }

    fn count(&mut self, count: &written::Count) -> Option<(CallTemplate, ReplyValue)> {
        if let (Some(at), Some(_)) = (&count.at, &count.header) {
            let message = "the number is in the body or in a header field, and both are given";
            self.error(Code::ExactlyOne, at.at, message, "keep `at` or `header`");
        }
        let call = CallTemplate {
            method: count.method.as_ref().map_or_else(|| "GET".to_owned(), |method| self.method(method)),
            query: self.query(&count.query, &NONE),
            ..CallTemplate::new("GET", self.path(&count.path, &NONE))
        };
        let at = match &count.header {
            Some(header) => ReplyValue::Header(header.to_lowercase()),
            None => ReplyValue::Body(match &count.at {
                Some(at) => self.pointer(at)?,
                None => Pointer::default(),
            }),
        };
        Some((call, at))
    }

    /// Checks that a count has something to count, and nothing to contradict.
    fn counted(&mut self, list: &written::List, whole: &ListPart) {
        let counts = list.count.iter().chain(list.union.iter().filter_map(|part| part.count.as_ref()));
        for count in counts {
            if whole.paging.total.is_some() {
                let message = "the paging's `total` tells how many rows there are already";
                self.error(Code::BadList, count.place, message, "keep `total` or `count`");
            }
            if matches!(whole.paging.style, Style::Whole) {
                let message = "a list that comes whole is counted by its rows";
                self.error(Code::BadList, count.place, message, "remove `count`, or say how the list is paged");
            }
        }
    }

    /// Checks that every parameter of a list with a body is a place in it.
    fn body_parameters(&mut self, list: &written::List) {
        let Some(body) = &list.body else { return };
        let at = body.at;
        let shared = self.paging.clone();
        let paging = list.paging.as_ref().or(shared.as_ref());
        let pairs = paging.iter().flat_map(|it| {
            [
                it.page.as_ref().map(|it| (&it.param, &it.size)),
                it.offset.as_ref().map(|it| (&it.param, &it.size)),
                it.cursor.as_ref().map(|it| (&it.param, &it.size)),
                it.marker.as_ref().map(|it| (&it.param, &it.size)),
            ]
        });
        let names = pairs.flatten().flat_map(|(param, size)| std::iter::once(param).chain(size));
        let names: Vec<Spanned<String>> = names.map(|name| Spanned { at, value: name.clone() }).collect();
        let filters = list.filters.iter().filter_map(|(_, it)| it.query.as_ref());
        let keys = list.union.iter().map(|part| &part.query).chain(filters).flat_map(Table::iter).map(|(key, _)| key);
        for name in keys.chain(&names) {
            let _ = self.pointer(name);
        }
    }

    /// The parameters with which the list has the row of one resource, where no call answers with one.
    pub(super) fn row_of_list(&mut self, resource: &written::Resource) -> Option<Vec<(String, JsonTemplate)>> {
        let read = resource.read.as_ref()?;
        let query = read.list.as_ref()?;
        let mut bad = |message: &str, help: &str| self.error(Code::BadList, read.place, message, help);
        if read.path.is_some() || read.method.is_some() || read.body.is_some() || !read.query.0.is_empty() {
            bad("one resource is read by a call or from the list, and both are given", "keep `list` or the call");
        }
        match &resource.list {
            None => bad("one resource is read from the list, and there is none", "add `list:`"),
            Some(list) if list.partial.is_some() => {
                bad("`partial` reads each row on its own, which here is reading the list", "remove `partial`");
            }
            Some(_) => {}
        }
        let names = Names::new(&[("id", Slot::Id)], &[]);
        Some(self.query(query, &names))
    }

    fn narrowing(
        &mut self,
        key: &Spanned<String>,
        narrowing: &written::Narrowing,
        list: (&written::List, &ListPart),
        kind: &ResourceType,
        rows: &[Row],
    ) -> Option<Narrowing> {
        let help = "write an attribute row and an operator: `userName eq`";
        let parsed = key
            .value
            .rsplit_once(' ')
            .and_then(|(path, op)| Some((AttributePath::parse(path.trim()).ok()?, CompareOp::parse(op)?)));
        let Some((path, op)) = parsed else {
            self.error(Code::BadFilter, key.at, format!("`{}` is no filter key", key.value), help);
            return None;
        };
        let of_links = super::links::of_links(&key.value).is_some();
        // The id of a member or group is what it is known by.
        let named = |path: AttributePath| AttributePath { sub_attribute: Some("value".to_owned()), ..path };
        let canonical = match path {
            path if !of_links => kind.canonical(&path),
            path if path.sub_attribute.is_none() => Some(named(path)),
            path => Some(path),
        };
        let row = canonical.as_ref().and_then(|path| rows.iter().position(|row| is_row_of(row, path)));
        if row.is_none() && !of_links {
            self.error(Code::BadFilter, key.at, format!("`{}` names no attribute row", key.value), help);
        }
        let given = [narrowing.query.is_some(), narrowing.read.is_some(), narrowing.call.is_some()];
        self.exactly_one(&given, narrowing.place, "query, read, call");
        let names = Names::new(&[("value", Slot::Value)], &[]);
        let other = self.other_list(narrowing, list);
        let how = if let Some(query) = &narrowing.query {
            self.said_by_parts(list.0, query, key.at);
            How::Query(self.query(query, &names), other)
        } else if let Some(read) = &narrowing.read {
            How::Read(self.template(read, &names))
        } else {
            let written = narrowing.call.as_ref()?;
            let (call, item) = self.call(written, &names);
            let item = Item { stated: item.is_some(), at: item.unwrap_or_default() };
            let absent = narrowing.absent.iter().map(|it| self.recognised(it)).collect();
            let operation = Operation { call, fixed: None, item, set: Vec::new(), absent, guard: None };
            match &narrowing.id {
                Some(id) => How::Find(operation, self.pointer(id)?),
                None => How::Call(operation),
            }
        };
        if let (Some(absent), None) = (narrowing.absent.first(), &narrowing.call) {
            let help = "remove it, or give the call that it is about";
            self.error(Code::BadFilter, absent.0.place, "`absent` belongs to `call`, and there is none", help);
        }
        if let (Some(id), None) = (&narrowing.id, &narrowing.call) {
            let help = "remove it, or give the call that answers with an id";
            self.error(Code::BadFilter, id.at, "`id` belongs to `call`, and there is none", help);
        }
        if let Some(max) = &narrowing.max {
            let message = "`max` is about several values, and `eq` has one";
            self.error(Code::BadFilter, max.at, message, "remove it, or write `id in` with `{values}`");
        }
        Some(Narrowing { path: canonical?, row, op, how })
    }

    /// The other list that a filter is looked up in, if it says one.
    fn other_list(
        &mut self,
        narrowing: &written::Narrowing,
        (list, whole): (&written::List, &ListPart),
    ) -> Option<Box<ListPart>> {
        let Some(path) = &narrowing.path else {
            let of_other = [narrowing.items.as_ref().map(|it| it.at), narrowing.paging.as_ref().map(|it| it.place)];
            for at in of_other.into_iter().flatten() {
                let message = "this is about another list, and nothing says where that is";
                self.error(Code::BadFilter, at, message, "add `path:`");
            }
            return None;
        };
        let mut bad = |message: &str, help: &str| self.error(Code::BadFilter, path.at, message, help);
        if narrowing.query.is_none() {
            bad(
                "`path` is another list that is asked with `query`, and there is none",
                "add `query: { q: '{value}' }`",
            );
        }
        if list.union.iter().any(|part| !part.set.0.is_empty()) {
            bad(
                "rows of another list lack the fields that the parts of the union have",
                "remove `path`: the query goes to each part of the union",
            );
        }
        let items = narrowing.items.as_ref().or(list.items.as_ref());
        let paging = self.paging(narrowing.paging.as_ref().or(list.paging.as_ref()), items);
        let call = CallTemplate { path: self.path(path, &NONE), ..whole.call.clone() };
        Some(Box::new(ListPart { call, paging, count: None, ..whole.clone() }))
    }

    /// Checks that a filter's query does not say again what the parts of the union say.
    fn said_by_parts(&mut self, list: &written::List, query: &Table<Spanned<Value>>, at: Mark) {
        let said = |name: &&Spanned<String>| list.union.iter().any(|part| says(&part.query, name));
        for name in query.iter().map(|(name, _)| name).filter(said) {
            let message = format!("the parts of the union say `{}` already", name.value);
            let help = "remove the filter: the parts that cannot have a match are left out by themselves";
            self.error(Code::BadFilter, at, message, help);
        }
    }
}

/// Whether a table has a key of this name.
fn says(table: &Table<Spanned<Value>>, name: &Spanned<String>) -> bool {
    table.iter().any(|(key, _)| key.value == name.value)
}
