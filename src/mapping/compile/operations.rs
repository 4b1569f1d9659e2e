//! Updates and deletes, and whether operations can do what they are for.

use super::Compiler;
use super::calls::Names;
use crate::mapping::diagnostic::Code;
use crate::mapping::language as written;
use crate::mapping::node::Mark;
use crate::mapping::pointer::Pointer;
use crate::mapping::read::Spanned;
use crate::mapping::template::Slot;
use crate::mapping::{Body, Create, Delete, Operation, Row, Update};

/// What people know resources by, for examples.
const NAMES: [&str; 2] = ["userName", "displayName"];

/// Whether a placeholder tells one resource from others.
pub(super) fn tells_one(slot: &Slot) -> bool {
    matches!(slot, Slot::Id | Slot::Native(_) | Slot::Row(_))
}

fn says(body: &Body, test: &dyn Fn(&Slot) -> bool) -> bool {
    body.set.iter().any(|(_, value)| value.any(test))
}

/// Whether a call says which resource it is about.
pub(super) fn names_it(operation: &Operation) -> bool {
    operation.call.any(&tells_one) || operation.fixed.as_ref().is_some_and(|body| says(body, &tells_one))
}

/// The keys that not every operation has, where they stand if they do, and the operations in which they mean something.
fn keys_of_some(it: &written::Operation) -> [(&'static str, Option<Mark>, &'static [&'static str]); 12] {
    let here = |given: bool| given.then_some(it.place);
    let first = |matches: &[written::Match]| matches.first().map(|it| it.0.place);
    [
        ("send", here(it.send.is_some()), &["update"]),
        ("elements", here(it.elements.is_some()), &["update"]),
        ("objects", here(it.objects.is_some()), &["update"]),
        ("item", it.item.as_ref().map(|item| item.at), &["create", "read", "update"]),
        ("id", it.id.as_ref().map(|id| id.place), &["create"]),
        ("guard", it.guard.as_ref().map(|guard| guard.at), &["create", "delete"]),
        ("taken", first(&it.taken), &["create"]),
        ("undo", here(it.undo.is_some()), &["create"]),
        ("absent", first(&it.absent), &["read", "update", "delete"]),
        ("list", here(it.list.is_some()), &["read"]),
        ("set", it.set.iter().next().map(|(path, _)| path.at), &["read"]),
        ("from", here(it.from.is_some()), &["delete"]),
    ]
}

impl Compiler<'_> {
    pub(super) fn update(
        &mut self,
        written: &written::Operation,
        (path, item, wrap): (&Spanned<String>, Option<&Spanned<String>>, Option<&Spanned<String>>),
        rows: &[Row],
    ) -> Update {
        let said = self.report.count();
        let names = Names::of_update(rows);
        let operation = self.operation(Some(written), "PATCH", path, item, &names);
        let body = self.body(written, wrap, &names);
        let send = written.send.unwrap_or(written::Send::Changed);
        // A whole object has its own id.
        let tells = send == written::Send::Full || names_it(&operation) || says(&body, &tells_one);
        self.names_one("update", written.place, (said, tells));
        self.own_object(written, &body);
        Update {
            operation,
            body,
            send,
            whole_lists: written.elements != Some(written::Elements::Changed),
            whole_objects: written.objects == Some(written::Objects::Whole),
        }
    }

    pub(super) fn delete(
        &mut self,
        written: &written::Operation,
        (path, item): (&Spanned<String>, Option<&Spanned<String>>),
        rows: &[Row],
        updated: bool,
    ) -> Delete {
        let said = self.report.count();
        let names = Names::of_delete(rows);
        let operation = self.operation(Some(written), "DELETE", path, item, &names);
        let operation = Operation { fixed: self.fixed_body(written, &names), ..operation };
        self.names_one("delete", written.place, (said, names_it(&operation)));
        let from = self.values(written.from.as_ref(), rows, Code::BadRow);
        for (row, _) in &from {
            let row = rows.get(*row);
            let written_by = row.is_some_and(|row| !row.actions.is_empty() || (row.in_update() && updated));
            if let (Some(row), false) = (row, written_by) {
                let help = "add an action for it below `actions:`";
                let message = format!("nothing can change `{}` before the delete", row.name);
                self.error(Code::BadRow, written.place, message, help);
            }
        }
        Delete { operation, from }
    }

    /// Checks that a call about one resource says which. One in which there is another mistake, which was not `said` before
    /// it was read, may mean to.
    pub(super) fn names_one(&mut self, what: &str, at: Mark, (said, names): (usize, bool)) {
        if !names && self.report.count() == said {
            let message = format!("nothing in the call says which resource to {what}");
            let help = "put `{id}` into its `path`, its `query` or its `body`";
            self.error(Code::BadCall, at, message, help);
        }
    }

    /// Checks that nothing that a body always has takes the place of the object that it is made around.
    pub(super) fn own_object(&mut self, written: &written::Operation, body: &Body) {
        let set = written.body.iter().flat_map(|body| body.set.iter());
        for (path, value) in set {
            let Ok(inside) = Pointer::parse(&path.value).map(|at| at.encloses(&body.wrap)) else { continue };
            // An object has room for the other one at the place to which the rest of the way leads.
            let has_room = |rest: Pointer| rest.is_way_in(&value.value);
            if inside.is_some_and(|rest| !has_room(rest)) {
                let message = format!("`{}` takes the place of the object that is sent", path.value);
                let help = "write an object, whose fields are added, or a path in it: `params.id: '{id}'`";
                self.error(Code::BadCall, path.at, message, help);
            }
        }
    }

    /// Checks that a call with a body has a method that is usual for one.
    pub(super) fn methods(&mut self, resource: &written::Resource) {
        let read = resource.read.as_ref().map(|it| {
            let body = it.body.as_ref().filter(|body| !body.set.0.is_empty());
            ("read", it.method.is_some(), body.map(|body| body.place))
        });
        let list = resource.list.as_ref().map(|it| ("list", it.method.is_some(), it.body.as_ref().map(|body| body.at)));
        for (what, says, body) in read.into_iter().chain(list) {
            if let (false, Some(at)) = (says, body) {
                let message = format!("a {what} with a body is a GET where nothing else is said");
                self.error(Code::BadCall, at, message, format!("add `method: POST` to `{what}`"));
            }
        }
    }

    /// Checks that the create call carries what is generated for it: nobody could give it later.
    pub(super) fn generated(&mut self, resource: &written::Resource, rows: &[Row], create: Option<&Create>) {
        for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.generate.is_some()) {
            let slot = Slot::Row(index);
            let in_call = |create: &Create| {
                create.operation.call.uses(&slot) || create.body.set.iter().any(|(_, value)| value.uses(&slot))
            };
            if create.is_some_and(|create| row.in_create() || in_call(create)) {
                continue;
            }
            let written = resource.attributes.iter().find(|(path, _)| path.value == row.name);
            if let Some(generate) = written.and_then(|(_, row)| row.generate.as_ref()) {
                let message = format!("no create call carries the generated `{}`", row.name);
                let help = format!("give the row a `native` field, or put `{{{}}}` into `create.body.set`", row.name);
                self.error(Code::BadRow, generate.place, message, help);
            }
        }
    }

    /// Checks that everything that is written in an operation means something there.
    pub(super) fn keys(&mut self, resource: &written::Resource) {
        let operations = [
            ("create", &resource.create),
            ("read", &resource.read),
            ("update", &resource.update),
            ("delete", &resource.delete),
        ];
        for (what, operation) in operations {
            for (key, at, of) in operation.iter().flat_map(keys_of_some) {
                if let (Some(at), false) = (at, of.contains(&what)) {
                    let message = format!("`{key}` means nothing in `{what}`");
                    self.error(
                        Code::UnknownKey,
                        at,
                        message,
                        format!("remove it, or move it below `{}`", of.join("`, `")),
                    );
                }
            }
        }
    }

    /// Checks that each guard can do what it is for.
    pub(super) fn guards(&mut self, resource: &written::Resource, rows: &[Row], id: usize) {
        use written::Guard;
        let operations = [
            ("a create", &resource.create, [Guard::Absent, Guard::Unused].as_slice()),
            ("a delete", &resource.delete, &[Guard::Present]),
        ];
        for (what, operation, allowed) in operations {
            if let Some(guard) = operation.as_ref().and_then(|it| it.guard.as_ref())
                && !allowed.contains(&guard.value)
            {
                let help = "`absent` and `unused` are for a create, `present` is for a delete";
                self.error(Code::BadRow, guard.at, format!("{what} has no such guard"), help);
            }
        }
        let key = rows.get(id).and_then(|row| row.native.as_ref());
        let chosen = |row: &Row| row.native.as_ref() == key && row.place.attribute != "id";
        if let Some(guard) = resource.create.as_ref().and_then(|it| it.guard.as_ref())
            && guard.value != Guard::Present
            && !rows.iter().any(chosen)
        {
            let message = "the guard cannot know the id before the create: no other row has the native field of `id`";
            let named = rows.iter().map(|row| row.name.as_str()).find(|name| NAMES.contains(name));
            let help = format!("remove it, or give `{}` the native field of `id`", named.unwrap_or("userName"));
            self.error(Code::BadRow, guard.at, message, help);
        }
        for (path, attribute) in resource.attributes.iter() {
            let Some(guard) = &attribute.guard else { continue };
            let finds = |key: &str| key.rsplit_once(' ').is_some_and(|(of, op)| of.trim() == path.value && op == "eq");
            let filters = resource.list.iter().flat_map(|list| list.filters.iter());
            if !filters.into_iter().any(|(key, _)| finds(&key.value)) {
                let message = format!("nothing finds who has a `{}`", path.value);
                let help = format!("add `{} eq` below `list.filters`", path.value);
                self.error(Code::BadFilter, guard.at, message, help);
            }
        }
    }
}
