//! What a list lacks, and what finds several of its resources at once.

use super::Compiler;
use super::calls::Names;
use super::resources::is_row_of;
use crate::mapping::diagnostic::Code;
use crate::mapping::language as written;
use crate::mapping::paging::Paging;
use crate::mapping::read::Spanned;
use crate::mapping::template::{CallTemplate, Slot};
use crate::mapping::{Batch, Partial, Row};
use crate::scim::ResourceType;
use crate::scim::path::AttributePath;

impl Compiler<'_> {
    /// What the rows of a list lack.
    pub(super) fn partial(&mut self, written: Option<&written::Partial>, kind: &ResourceType) -> Partial {
        let names = match written {
            None | Some(written::Partial::Any(false)) => return Partial::Nothing,
            Some(written::Partial::Any(true)) => return Partial::Anything,
            Some(written::Partial::These(names)) => names,
        };
        let mut attributes = Vec::new();
        for name in names {
            let path = AttributePath::parse(&name.value).ok();
            let of_links = super::links::of_links(&name.value).is_some();
            match path.filter(|path| of_links || kind.resolve(path).is_some()) {
                Some(path) => attributes.push(path),
                None => {
                    let message = format!("`{}` is no attribute that has a row", name.value);
                    self.error(Code::UnknownAttribute, name.at, message, "name attributes, or write `partial: true`");
                }
            }
        }
        Partial::These(attributes)
    }

    /// A query for several values of one row at once.
    pub(super) fn batch(
        &mut self,
        key: &Spanned<String>,
        narrowing: &written::Narrowing,
        (list, paging): (&CallTemplate, &Paging),
        kind: &ResourceType,
        rows: &[Row],
    ) -> Option<Batch> {
        let path = key.value.strip_suffix(" in").and_then(|path| AttributePath::parse(path.trim()).ok());
        let canonical = path.and_then(|path| kind.canonical(&path));
        let row = canonical.and_then(|path| rows.iter().position(|row| is_row_of(row, &path)));
        if row.is_none() {
            let help = "write an attribute row and `in`: `id in`";
            self.error(Code::BadFilter, key.at, format!("`{}` names no attribute row", key.value), help);
        }
        let given = [narrowing.query.is_some(), narrowing.call.is_some()];
        self.exactly_one(&given, narrowing.place, "query, call");
        if narrowing.read.is_some() || narrowing.id.is_some() {
            let message = "`read` and `id` are about one resource, and `in` finds several";
            self.error(Code::BadFilter, narrowing.place, message, "remove them");
        }
        let names = Names::new(&[("values", Slot::List)], &[]);
        let (call, paging) = match (&narrowing.query, &narrowing.call) {
            (Some(query), _) => (list.with_query(&self.query(query, &names)), paging.clone()),
            (None, Some(written)) => {
                let (call, item) = self.call(written, &names);
                let items = item.unwrap_or_default();
                (call, Paging::whole(items))
            }
            (None, None) => return None,
        };
        if !call.uses(&Slot::List) {
            let message = format!("the look-up for `{}` does not say which values are looked for", key.value);
            self.error(Code::BadFilter, key.at, message, "put `{values}` or `{values|csv}` into it");
        }
        let max = self.most(narrowing.max.as_ref(), 100);
        Some(Batch { row: row?, call, paging, max })
    }
}
