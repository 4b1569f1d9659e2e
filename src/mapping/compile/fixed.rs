//! Resources that stand in the mapping itself.

use serde_json::Value;

use super::Compiler;
use crate::mapping::codec::text_of;
use crate::mapping::diagnostic::Code;
use crate::mapping::language as written;
use crate::mapping::paging::Paging;
use crate::mapping::pointer::Pointer;
use crate::mapping::read::Spanned;
use crate::mapping::template::{CallTemplate, Template};
use crate::mapping::{List, Partial, Row};
use crate::scim::ResourceType;

impl Compiler<'_> {
    /// The resources that stand in the mapping itself.
    pub(super) fn fixed(
        &mut self,
        fixed: &Spanned<Vec<Value>>,
        resource: &written::Resource,
        (kind, rows): (&ResourceType, &[Row]),
        id: usize,
    ) -> Vec<Value> {
        let calls = [
            ("path", resource.path.is_some()),
            ("read", resource.read.is_some()),
            ("list", resource.list.is_some()),
            ("create", resource.create.is_some()),
            ("update", resource.update.is_some()),
            ("delete", resource.delete.is_some()),
        ];
        for (key, _) in calls.iter().filter(|(_, given)| *given) {
            let message = format!("`{key}` is for resources of the application, and these stand in the mapping");
            self.error(Code::BadRow, fixed.at, message, format!("remove `{key}` or `fixed`"));
        }
        let mut seen = Vec::new();
        for object in &fixed.value {
            let id = rows.get(id).and_then(|row| row.native.as_ref()?.get(object)).map(text_of).unwrap_or_default();
            if id.is_empty() {
                let message = format!("{object} has no id where the row of `id` says");
                self.error(
                    Code::BadRow,
                    fixed.at,
                    message,
                    "write objects as the application would: `{ id: admin, name: Administrators }`",
                );
            } else if seen.contains(&id) {
                let message = format!("two of the resources have the id `{id}`");
                self.error(Code::OwnedTwice, fixed.at, message, "keep one of them");
            }
            seen.push(id);
        }
        if fixed.value.is_empty() {
            let message = format!("there is no {}", kind.name.to_lowercase());
            self.error(Code::BadRow, fixed.at, message, "write at least one");
        }
        fixed.value.clone()
    }
}

/// The list of resources that stand in the mapping: it needs no call.
pub(super) fn list() -> List {
    List {
        call: CallTemplate::new("GET", Template::default()),
        paging: Paging::whole(Pointer::default()),
        filters: Vec::new(),
        batches: Vec::new(),
        otherwise: written::Unnarrowed::Scan,
        partial: Partial::Nothing,
    }
}
