//! Resource types: their operations, lists and actions.

use serde_json::Value;

use super::Compiler;
use super::calls::Names;
use super::operations::{names_it, tells_one};
use crate::mapping::diagnostic::{Code, nearest};
use crate::mapping::language::{self as written, Access};
use crate::mapping::read::{Spanned, Table};
use crate::mapping::template::{Scope, Slot};
use crate::mapping::{Action, Body, Create, NewId, Resource, Row};
use crate::scim::Projection;
use crate::scim::core::{group_type, user_type};
use crate::scim::path::AttributePath;
use crate::scim::{CompareOp, ResourceType, Schema};

impl Compiler<'_> {
    pub(super) fn resource(&mut self, name: &Spanned<String>, resource: &written::Resource) -> Option<Resource> {
        let mut full = self.full_type(name, resource)?;
        let mut kind = ResourceType {
            schema: Schema { attributes: Vec::new(), ..full.schema.clone() },
            extensions: Vec::new(),
            ..full.clone()
        };
        let mut rows = self.rows(&mut full, &mut kind, &resource.attributes);
        self.needed_rows(name, &rows);
        let actions = self.actions(resource, &mut rows);
        let id = rows.iter().position(|row| row.place.extension.is_none() && row.place.attribute == "id")?;

        let missing = Spanned { at: name.at, value: "/".to_owned() };
        let collection = resource.path.as_ref().unwrap_or(&missing);
        let single = Spanned { at: collection.at, value: format!("{}/{{id}}", collection.value.trim_end_matches('/')) };
        let create_item = resource.create.as_ref().and_then(|create| create.item.as_ref());
        let item = resource.item.as_ref().or(create_item);
        let says_path = |read: &written::Operation| read.path.is_some() || read.list.is_some();
        if resource.path.is_none() && !resource.read.as_ref().is_some_and(says_path) && resource.fixed.is_none() {
            self.error(
                Code::MissingKey,
                name.at,
                format!("`{}` has no path", name.value),
                "add `path: /users`, or `read: { path: … }`",
            );
        }
        let by_id = Names::new(&[("id", Slot::Id)], &[]);
        let said = self.report.count();
        let mut read = self.operation(resource.read.as_ref(), "GET", &single, item, &by_id);
        read.fixed = resource.read.as_ref().and_then(|written| self.fixed_body(written, &by_id));
        if let Some(written) = resource.read.as_ref().filter(|it| it.list.is_none()) {
            self.names_one("read", written.place, (said, names_it(&read)));
        }
        self.keys(resource);
        self.methods(resource);
        let create = resource.create.as_ref().map(|written| {
            let names = Names::new(&[], &rows);
            let operation = self.operation(Some(written), "POST", collection, item, &names);
            let body = self.body(written, resource.wrap.as_ref(), &names);
            self.own_object(written, &body);
            let id = written.id.as_ref().and_then(|id| self.new_id(id, &rows));
            let taken = written.taken.iter().map(|it| self.recognised(it)).collect();
            Create { operation, body, id, taken, undo: written.undo.is_some() }
        });
        let wrap = resource.wrap.as_ref();
        let update = resource.update.as_ref().map(|written| self.update(written, (&single, item, wrap), &rows));
        self.guards(resource, &rows, id);
        self.generated(resource, &rows, create.as_ref());
        let updated = update.is_some();
        let delete = resource.delete.as_ref().map(|written| self.delete(written, (&single, item), &rows, updated));
        let list = match (&resource.list, &resource.fixed) {
            (Some(list), _) => Some(self.list(list, collection, &kind, &rows)),
            (None, Some(_)) => Some(super::fixed::list()),
            (None, None) => None,
        };
        let row = self.row_of_list(resource);
        let protect = self.protection(resource, &rows);
        let fixed = resource.fixed.as_ref().map(|fixed| self.fixed(fixed, resource, (&kind, &rows), id));
        // What is linked is compiled when all resource types are known.
        let (links, members) = (None, None);
        let mut resource = Resource {
            kind,
            rows,
            id,
            protect,
            read,
            row,
            list,
            create,
            update,
            delete,
            actions,
            links,
            members,
            fixed,
            shows_all: false,
        };
        resource.shows_all = resource.keeps_every_row(&Projection::default(), resource.links.as_ref());
        Some(resource)
    }

    /// The rows and values that make a resource a protected one.
    fn protection(&mut self, resource: &written::Resource, rows: &[Row]) -> Vec<(usize, Vec<String>)> {
        let mut compiled = Vec::new();
        for (path, values) in resource.protect.iter() {
            let row = rows.iter().position(|row| row.name == path.value && row.readable());
            if row.is_none() {
                let message = format!("`{}` has no row that is read, so it protects nothing", path.value);
                let help = "name an attribute row as it is written under `attributes`: `userName: [scim-service]`";
                self.error(Code::BadProtection, path.at, message, help);
            }
            if values.is_empty() {
                let message = format!("no value of `{}` is given, so it protects nothing", path.value);
                self.error(Code::BadProtection, path.at, message, "write `userName: [scim-service]`");
            }
            let values =
                values.iter().map(|value| self.template(value, &Names::new(&[], &[])).plain(&Scope::default()));
            let values = values.map(|value| value.to_lowercase()).collect();
            compiled.extend(row.map(|row| (row, values)));
        }
        compiled
    }

    /// The resource type with everything that its schemas declare.
    fn full_type(&mut self, name: &Spanned<String>, resource: &written::Resource) -> Option<ResourceType> {
        let mut full = match name.value.as_str() {
            "User" => user_type(),
            "Group" => group_type(),
            other => {
                let Some(urn) = &resource.schema else {
                    let help = match nearest(other, ["User", "Group"]) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("add `schema: urn:example:{other}`"),
                    };
                    self.error(
                        Code::MissingKey,
                        name.at,
                        format!("`{other}` is no standard resource type and has no `schema`"),
                        help,
                    );
                    return None;
                };
                ResourceType {
                    id: other.to_owned(),
                    name: other.to_owned(),
                    endpoint: format!("/{other}s"),
                    description: String::new(),
                    schema: Schema {
                        id: urn.value.clone(),
                        name: other.to_owned(),
                        description: String::new(),
                        attributes: Vec::new(),
                    },
                    extensions: Vec::new(),
                }
            }
        };
        if let Some(endpoint) = &resource.endpoint {
            full.endpoint = format!("/{}", endpoint.value.trim_matches('/'));
        }
        Some(full)
    }

    fn needed_rows(&mut self, name: &Spanned<String>, rows: &[Row]) {
        let needed: &[(&str, &str)] = match name.value.as_str() {
            "User" => &[
                ("id", "id: { native: id, access: read }"),
                ("userName", "userName: { native: login, required: true }"),
            ],
            "Group" => &[
                ("id", "id: { native: id, access: read }"),
                ("displayName", "displayName: { native: name, required: true }"),
            ],
            _ => &[("id", "id: { native: id, access: read }")],
        };
        for (attribute, row) in needed {
            let present = rows.iter().any(|row| row.place.extension.is_none() && row.place.attribute == *attribute);
            if !present && self.well_formed {
                self.error(
                    Code::MissingAttribute,
                    name.at,
                    format!(
                        "`{}` has no row for `{attribute}`, which every resource of this type must have",
                        name.value
                    ),
                    format!("add `{row}` below `attributes:`"),
                );
            }
        }
    }

    /// Compiles the actions, and makes the rows that they write theirs.
    fn actions(&mut self, resource: &written::Resource, rows: &mut [Row]) -> Vec<Action> {
        let mut compiled = Vec::new();
        for (index, (name, action)) in resource.actions.iter().enumerate() {
            let mut when = self.values(action.when.as_ref(), rows, Code::BadAction);
            when.iter_mut().filter(|(_, value)| *value == "").for_each(|(_, value)| *value = Value::Null);
            let declared = || resource.actions.iter().map(|(name, _)| name.value.as_str());
            let named = resource.attributes.iter().any(|(_, row)| {
                row.action.as_ref().is_some_and(|action| {
                    action.value == name.value || nearest(&action.value, declared()) == Some(name.value.as_str())
                })
            });
            if action.when.as_ref().is_none_or(|when| when.0.is_empty()) && !named {
                self.error(
                    Code::BadAction,
                    name.at,
                    format!("nothing triggers the action `{}`", name.value),
                    format!("add `when: {{ active: false }}` to it, or `action: {}` to an attribute row", name.value),
                );
            }
            for row in rows.iter_mut() {
                let written = resource.attributes.iter().find(|(path, _)| path.value == row.name);
                let names_it = written.and_then(|(_, it)| it.action.as_ref()).is_some_and(|it| it.value == name.value);
                if names_it {
                    row.actions.push(index);
                }
            }
            for (row, _) in &when {
                if let Some(row) = rows.get_mut(*row)
                    && !row.actions.contains(&index)
                {
                    row.actions.push(index);
                }
            }
            let names = Names::of_change(rows);
            let said = self.report.count();
            let (call, item) = self.call(&action.call, &names);
            self.names_one("act on", action.call.place, (said, call.any(&tells_one)));
            compiled.push(Action { name: name.value.clone(), when, call, item });
        }
        for row in rows.iter().filter(|row| row.access == Access::Read && !row.actions.is_empty()) {
            let Some((path, _)) = resource.attributes.iter().find(|(path, _)| path.value == row.name) else { continue };
            let message = format!("clients cannot write `{}`, so its action never runs", row.name);
            let help = "give it a `native` field that says what it is, without `access: read`, or remove the action";
            self.error(Code::BadAction, path.at, message, help);
        }
        for (path, row) in resource.attributes.iter() {
            let written = rows.iter().any(|it| it.name == path.value && !it.actions.is_empty() && it.native.is_some());
            if let (Some(on_create), false) = (&row.on_create, written) {
                let message = format!("`{}` has no action, or no native field that a create could carry", path.value);
                self.error(
                    Code::BadAction,
                    on_create.at,
                    message,
                    "remove `on_create`, or add `native:` and `action:`",
                );
            }
            let Some(action) = &row.action else { continue };
            let known: Vec<&str> = resource.actions.iter().map(|(name, _)| name.value.as_str()).collect();
            if !known.contains(&action.value.as_str()) {
                let help = match nearest(&action.value, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("add `{}:` below `actions:`", action.value),
                };
                let message = format!("`{}` names the action `{}`, which is not declared", path.value, action.value);
                self.error(Code::BadAction, action.at, message, help);
            }
        }
        compiled
    }

    /// The body of a read or a delete, which carries no attributes.
    pub(super) fn fixed_body(&mut self, written: &written::Operation, names: &Names) -> Option<Body> {
        let body = self.body(written, None, names);
        (!body.set.is_empty()).then_some(body)
    }

    /// Attribute values, by row.
    pub(super) fn values(&mut self, written: Option<&Table<Value>>, rows: &[Row], code: Code) -> Vec<(usize, Value)> {
        let mut values = Vec::new();
        for (path, value) in written.into_iter().flat_map(Table::iter) {
            match rows.iter().position(|row| row.name == path.value) {
                Some(row) => values.push((row, value.clone())),
                None => {
                    let help = "name an attribute row as it is written under `attributes`";
                    self.error(code, path.at, format!("`{}` has no row", path.value), help);
                }
            }
        }
        values
    }

    fn new_id(&mut self, id: &written::CreatedId, rows: &[Row]) -> Option<NewId> {
        let given = [id.header.is_some(), id.body.is_some(), id.lookup.is_some()];
        self.exactly_one(&given, id.place, "header, body, lookup");
        if let Some(header) = &id.header {
            return Some(NewId::Header(header.to_lowercase()));
        }
        if let Some(body) = &id.body {
            return self.pointer(body).map(NewId::Body);
        }
        let lookup = id.lookup.as_ref()?;
        let row = rows.iter().position(|row| row.name == lookup.value);
        if row.is_none() {
            let help = "name an attribute row that `list.filters` has an `eq` for";
            self.error(Code::BadFilter, lookup.at, format!("`{}` has no row", lookup.value), help);
        }
        row.map(NewId::Lookup)
    }
}

/// Whether `path`, in canonical form, is what the row maps.
pub(super) fn is_row_of(row: &Row, path: &AttributePath) -> bool {
    let place = &row.place;
    let keys: Option<Vec<(String, Value)>> = place.element.as_ref().map(|element| element.keys.clone());
    let wanted: Vec<(String, Value)> = path
        .filter
        .iter()
        .flat_map(|filter| filter.conjuncts())
        .filter_map(|term| match term {
            crate::scim::Filter::Compare { path, op: CompareOp::Eq, value } => {
                Some((path.attribute.clone(), value.clone()))
            }
            _ => None,
        })
        .collect();
    place.extension == path.schema
        && place.attribute == path.attribute
        && place.sub == path.sub_attribute
        && keys.unwrap_or_default() == wanted
}

#[cfg(test)]
mod tests {
    use crate::mapping::check;

    /// The message of the one mistake in a mapping with these further keys of `User`, and of its `userName`.
    fn mistake(keys: &str, user_name: &str) -> String {
        let mapping = format!(
            "mapping: v1\nupstream: {{}}\nresources:\n  User:\n    path: /users\n    attributes:\n      \
             id: {{ native: id, access: read }}\n      userName: {{ native: login, {user_name} }}\n    {keys}\n"
        );
        let all = check(&mapping, "mapping.yaml").unwrap_err().all;
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn guards_and_codecs_that_cannot_work_are_mistakes() {
        for (keys, user_name, message) in [
            ("create: { guard: present }", "required: true", "a create has no such guard"),
            ("delete: { guard: absent }", "required: true", "a delete has no such guard"),
            ("update: { guard: unused }", "required: true", "`guard` means nothing in `update`"),
            ("create: { guard: unused }", "required: true", "the guard cannot know the id"),
            ("create: {}", "guard: unique", "nothing finds who has a `userName`"),
            (
                "list: { filters: { userName eq: { query: { q: '{value}' }, id: id } } }",
                "required: true",
                "`id` belongs to `call`",
            ),
            ("create: {}", "codec: [not]", "`not` is for booleans"),
            ("create: {}", "codec: [csv]", "a list of codecs is for texts"),
            ("create: {}", "codec: { escape: '==', keep: a-z }", "`==` cannot begin an escape"),
            ("create: {}", "codec: { escape: a, keep: x }", "`a` cannot begin an escape"),
            ("create: {}", "codec: { escape: '=', keep: '=a-z' }", "`=` begins every escape"),
            ("create: {}", "codec: { escape: '=', keep: z-a }", "the range `z-a` has nothing in it"),
            ("create: {}", "codec: { template: '{env.HOST}' }", "the template must have `{value}` once"),
        ] {
            let found = mistake(keys, user_name);
            assert!(found.contains(message), "{keys} {user_name}: {found}");
        }
    }
}
