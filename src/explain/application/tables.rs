//! The application as people see it.

use serde_json::{Value, json};

use super::Application;
use super::links::id_of;
use crate::mapping::Resource;
use crate::mapping::codec::text_of;
use crate::mapping::pointer::Pointer;
use crate::mapping::template::Scope;

impl Application {
    /// A table for each resource type: its native fields, those that the mapping knows, and who is in a group.
    pub(crate) fn tables(&self) -> Value {
        let tables = self.mapping.resources.iter().enumerate().map(|(kind, resource)| {
            let places = places(resource);
            let columns: Vec<String> = places.iter().map(ToString::to_string).collect();
            let rows = self.objects(kind).map(|native| {
                let cells = places.iter().map(|at| at.get(native).cloned().unwrap_or_default());
                json!({
                    "id": text_of(&id_of(resource, native)), "cells": cells.collect::<Vec<_>>(),
                    "members": self.member_names(kind, resource, native),
                })
            });
            json!({ "resource": resource.kind.name, "path": path(resource), "columns": columns, "rows": rows.collect::<Vec<_>>() })
        });
        tables.collect()
    }

    /// The names of a group's members; nothing for what has none.
    fn member_names(&self, kind: usize, resource: &Resource, native: &Value) -> Option<Vec<String>> {
        resource.members.as_ref()?;
        let name = |id: &Value| self.name("User", id, &["userName"]).unwrap_or_else(|| text_of(id));
        Some(self.links_of(kind, native).iter().map(|linked| name(&linked.id)).collect())
    }
}

/// What people look for first.
const FIRST: [&str; 4] = ["id", "userName", "displayName", "active"];

/// The places of the fields that rows read, that of the id first.
fn places(resource: &Resource) -> Vec<Pointer> {
    let mut rows: Vec<_> = resource.rows.iter().filter(|row| row.readable()).collect();
    rows.sort_by_key(|row| FIRST.iter().position(|first| *first == row.name).unwrap_or(FIRST.len()));
    let mut places: Vec<Pointer> = Vec::new();
    for at in rows.into_iter().filter_map(|row| row.native.as_ref()) {
        if !places.contains(at) {
            places.push(at.clone());
        }
    }
    places
}

/// The native path of the collection.
fn path(resource: &Resource) -> Option<String> {
    let list = resource.list.as_ref().and_then(|list| list.parts.first()).map(|part| &part.call);
    let create = resource.create.as_ref().map(|create| &create.operation.call);
    Some(list.or(create)?.path.plain(&Scope::default()))
}
