//! Attribute rows.

use serde_json::Value;

use super::Compiler;
use super::schemas::{extension, grow};
use crate::mapping::diagnostic::Code;
use crate::mapping::language::{self as written, Access, AttributeType, CodecWord, Returned};
use crate::mapping::node::Mark;
use crate::mapping::place::{Element, Place};
use crate::mapping::read::{Spanned, Table};
use crate::mapping::{Row, pointer::Pointer};
use crate::scim::core::{ENTERPRISE_USER, GROUP, USER};
use crate::scim::path::AttributePath;
use crate::scim::schema::{Mutability, Resolved};
use crate::scim::{Attribute, CompareOp, Filter, Kind, ResourceType};

impl Compiler<'_> {
    /// Compiles the rows and grows `pruned`, which has no attributes yet, to what they give a home.
    pub(super) fn rows(
        &mut self,
        full: &mut ResourceType,
        pruned: &mut ResourceType,
        attributes: &Table<written::Attribute>,
    ) -> Vec<Row> {
        let mut rows: Vec<(Mark, Row)> = Vec::new();
        let mut same: Vec<(usize, &Spanned<String>)> = Vec::new();
        for (name, attribute) in attributes.iter() {
            let Some(row) = self.row((full, pruned), attributes, name, attribute) else {
                continue;
            };
            same.extend(attribute.same_as.as_ref().map(|other| (rows.len(), other)));
            if let Some((first, _)) = rows.iter().find(|(_, other)| other.place == row.place) {
                let line = first.line;
                self.error(
                    Code::OwnedTwice,
                    name.at,
                    format!("`{}` has a row already, in line {line}", name.value),
                    "keep one of the two rows",
                );
                continue;
            }
            let is_one = |index: usize| same.iter().any(|(of, _)| *of == index);
            let mut others = rows.iter().enumerate().filter(|(index, _)| !is_one(*index) && !is_one(rows.len()));
            if let Some((_, (_, other))) = others.find(|(_, (_, other))| collides(other, &row)) {
                let (native, other) = (row.native.as_ref().map(Pointer::to_string), other.name.clone());
                self.error(
                    Code::OwnedTwice,
                    attribute.place,
                    format!("the native field `{}` is written by `{other}` too", native.unwrap_or_default()),
                    "give one of them `access: read`, or `part: first` and `part: rest` to both",
                );
            }
            rows.push((name.at, row));
        }
        let mut rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
        for (index, other) in same {
            let of = rows.iter().position(|row| row.name == other.value);
            let kinds = of.map(|of| rows.get(of).map(|row| (row.kind, row.multi)));
            let Some(row) = rows.get_mut(index) else { continue };
            row.same_as = of;
            if kinds.is_some_and(|of| of != Some((row.kind, row.multi))) {
                let (name, message) = (&other.value, "has a value of another type than");
                let message = format!("`{}` {message} `{name}`", row.name);
                self.error(Code::BadRow, other.at, message, "give each of them a native field of its own");
            }
        }
        let lists: Vec<(Option<String>, String, Vec<(String, Value)>)> = rows
            .iter()
            .filter_map(|row| {
                let Place { extension, attribute, element, .. } = &row.place;
                Some((extension.clone(), attribute.clone(), element.as_ref()?.keys.clone()))
            })
            .collect();
        for row in &mut rows {
            let Place { extension, attribute, element: Some(element), .. } = &mut row.place else { continue };
            let of_it = lists.iter().filter(|(of, list, _)| of == extension && list == attribute);
            element.others = of_it.map(|(_, _, keys)| keys).filter(|keys| **keys != element.keys).cloned().collect();
        }
        rows
    }

    /// The row that says where the value of a row with `same_as` is.
    fn original<'t>(
        &mut self,
        attributes: &'t Table<written::Attribute>,
        attribute: &'t written::Attribute,
    ) -> &'t written::Attribute {
        let Some(name) = &attribute.same_as else { return attribute };
        let mut others = attributes.iter();
        let other = others.find(|(key, other)| key.value == name.value && other.native.is_some());
        let own = attribute.native.is_some() || attribute.codec.is_some() || attribute.enumeration.is_some();
        if other.is_none() || own {
            let message =
                format!("`{}` must be another row with a native field, and this row has none of its own", name.value);
            self.error(
                Code::BadRow,
                name.at,
                message,
                "write the other row's SCIM path as it stands there, and no `native`",
            );
        }
        other.map_or(attribute, |(_, other)| other)
    }

    fn row(
        &mut self,
        (full, pruned): (&mut ResourceType, &mut ResourceType),
        attributes: &Table<written::Attribute>,
        name: &Spanned<String>,
        attribute: &written::Attribute,
    ) -> Option<Row> {
        let path = match AttributePath::parse(&name.value) {
            Ok(path) => path,
            Err(error) => {
                let help = "write a path such as `userName`, `name.givenName` or 'emails[type eq \"work\"].value'";
                let message = format!("`{}` is no attribute path: {}", name.value, error.detail);
                self.error(Code::BadPath, name.at, message, help);
                return None;
            }
        };
        if full.resolve(&path).is_none() {
            self.declare(full, &path, name, attribute)?;
        }
        let resolved = full.resolve(&path)?;
        let kind = resolved.leaf().kind;
        let place = Place {
            extension: resolved.extension.map(str::to_owned),
            attribute: resolved.attribute.name.clone(),
            element: self.element(&resolved, &path, name.at, attribute.primary),
            sub: resolved.sub.map(|sub| sub.name.clone()),
        };
        if kind == Kind::Complex && !resolved.attribute.multi_valued && resolved.sub.is_none() {
            let subs: Vec<&str> = resolved.attribute.sub_attributes.iter().map(|sub| sub.name.as_str()).collect();
            let help = format!("write one row for each: {}", subs.join(", "));
            self.error(Code::BadRow, name.at, format!("`{}` has parts and needs a row for each", name.value), help);
        }
        let original = self.original(attributes, attribute);
        let codec = self.codec(original, kind, name.at);
        let native = self.optional_pointer(original.native.as_ref());
        let access = attribute.access.unwrap_or(match () {
            () if attribute.constant.is_some() => Access::Read,
            () if resolved.leaf().mutability == Mutability::ReadOnly => Access::Read,
            () if resolved.leaf().mutability == Mutability::WriteOnly => Access::Write,
            () => Access::ReadWrite,
        });
        let homeless = original.native.is_none() && attribute.constant.is_none() && attribute.action.is_none();
        if homeless && attribute.same_as.is_none() {
            self.error(
                Code::BadRow,
                name.at,
                format!("the row of `{}` says neither where the value is nor what writes it", name.value),
                "give `native`, `constant` or `action`",
            );
        }
        grow(pruned, full, &path, attribute, access);
        let given = attribute.default.is_some() || attribute.generate.is_some() || access == Access::Read;
        Some(Row {
            required: attribute.required == Some(true) && place.element.is_some() && !given,
            name: name.value.clone(),
            place,
            native,
            codec,
            kind,
            multi: resolved.leaf().multi_valued,
            subs: resolved.leaf().sub_attributes.iter().map(|sub| (sub.name.clone(), sub.kind)).collect(),
            same_as: None,
            access,
            actions: Vec::new(),
            missing: attribute.missing.as_ref().map(|missing| missing.value.clone()),
            part: attribute.part,
            constant: attribute.constant.clone(),
            default: attribute.default.clone(),
            generate: attribute.generate.as_ref().and_then(|written| self.generate(written, name, (kind, access))),
            clear: attribute.clear.clone(),
            on_create: attribute.on_create.is_some(),
            sealed: access == Access::Create && attribute.returned == Some(Returned::Never),
            looked_up: attribute.guard.is_some(),
        })
    }

    /// Declares an attribute that no standard schema has, if the row says enough.
    fn declare(
        &mut self,
        full: &mut ResourceType,
        path: &AttributePath,
        name: &Spanned<String>,
        attribute: &written::Attribute,
    ) -> Option<()> {
        let own = path.schema.as_ref().is_none_or(|urn| urn.eq_ignore_ascii_case(&full.schema.id));
        let urn = path.schema.as_ref().unwrap_or(&full.schema.id);
        if [USER, GROUP, ENTERPRISE_USER].iter().any(|standard| standard.eq_ignore_ascii_case(urn)) {
            let known = full.schema.attributes.iter().map(|attribute| attribute.name.as_str());
            let help = match crate::mapping::diagnostic::nearest(&path.attribute, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "for an attribute of your own, write it below a URN of your own: `urn:example:User:badge`"
                    .to_owned(),
            };
            self.error(Code::UnknownAttribute, name.at, format!("the schema has no attribute `{}`", name.value), help);
            return None;
        }
        let kind = match attribute.kind.unwrap_or(AttributeType::String) {
            AttributeType::String => Kind::String,
            AttributeType::Boolean => Kind::Boolean,
            AttributeType::Integer => Kind::Integer,
            AttributeType::Decimal => Kind::Decimal,
            AttributeType::DateTime => Kind::DateTime,
            AttributeType::Reference => Kind::Reference,
        };
        let schema = if own {
            &mut full.schema
        } else {
            let urn = path.schema.clone().unwrap_or_default();
            extension(full, &urn)
        };
        match &path.sub_attribute {
            None => {
                let mut simple = Attribute::new(&path.attribute, kind);
                let csv = |codec: &written::Codec| matches!(codec, written::Codec::Word(word) if word.value == CodecWord::Csv);
                simple.multi_valued = attribute.multi || attribute.codec.as_ref().is_some_and(csv);
                schema.attributes.push(simple);
            }
            Some(sub) => {
                if schema.attribute(&path.attribute).is_none() {
                    let mut complex = Attribute::new(&path.attribute, Kind::Complex);
                    complex.multi_valued = path.filter.is_some();
                    schema.attributes.push(complex);
                }
                schema.attribute_mut(&path.attribute)?.sub_attributes.push(Attribute::new(sub, kind));
            }
        }
        Some(())
    }

    /// The element that the value filter of a row's path selects.
    fn element(&mut self, resolved: &Resolved, path: &AttributePath, at: Mark, primary: bool) -> Option<Element> {
        if !resolved.attribute.multi_valued || (path.filter.is_none() && resolved.sub.is_none()) {
            if path.filter.is_some() {
                let help = "remove the brackets";
                self.error(Code::BadPath, at, format!("`{}` has one value only", path.attribute), help);
            }
            return None;
        }
        let mut keys = Vec::new();
        for term in path.filter.iter().flat_map(|filter| filter.conjuncts()) {
            match term {
                Filter::Compare { path: key, op: CompareOp::Eq, value } if key.sub_attribute.is_none() => {
                    let name = resolved.attribute.sub(&key.attribute).map_or(&key.attribute, |sub| &sub.name);
                    keys.push((name.clone(), value.clone()));
                }
                _ => self.error(
                    Code::BadPath,
                    at,
                    format!("a row selects an element by `eq`, and `{term}` is something else"),
                    "write 'emails[type eq \"work\"].value'",
                ),
            }
        }
        Some(Element { keys, primary, others: Vec::new() })
    }
}

/// Whether two rows write the same native field. Parts of one text share it.
fn collides(a: &Row, b: &Row) -> bool {
    let parts = a.part.is_some() && b.part.is_some() && a.part != b.part;
    a.in_update() && b.in_update() && a.native == b.native && !parts
}
