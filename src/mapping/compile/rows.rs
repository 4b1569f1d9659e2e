//! Attribute rows, and the schema that they add up to.

use serde_json::Value;

use super::Compiler;
use super::calls::Names;
use crate::mapping::codec::Codec;
use crate::mapping::diagnostic::Code;
use crate::mapping::generate::Generate;
use crate::mapping::language::{self as written, Access, AttributeType, CodecWord, Returned};
use crate::mapping::node::Mark;
use crate::mapping::place::{Element, Place};
use crate::mapping::read::{Spanned, Table};
use crate::mapping::template::Slot;
use crate::mapping::{Row, pointer::Pointer};
use crate::scim::core::{ENTERPRISE_USER, GROUP, USER};
use crate::scim::path::AttributePath;
use crate::scim::schema::{Mutability, Resolved, Uniqueness};
use crate::scim::{Attribute, CompareOp, Filter, Kind, ResourceType, Schema, schema};

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

    fn codec(&mut self, attribute: &written::Attribute, kind: Kind, at: Mark) -> Codec {
        if attribute.codec.is_some() && attribute.enumeration.is_some() {
            self.error(Code::BadRow, at, "a row converts with `codec` or with `enum`", "keep one of the two");
        }
        if let Some(table) = &attribute.enumeration {
            return self.enumeration(table, attribute.otherwise.as_ref(), kind, at);
        }
        match &attribute.codec {
            None => Codec::Same,
            Some(codec) => self.written_codec(codec, kind),
        }
    }

    pub(super) fn written_codec(&mut self, codec: &written::Codec, kind: Kind) -> Codec {
        match codec {
            written::Codec::Word(word) => match word.value {
                CodecWord::EpochSeconds => Codec::EpochSeconds,
                CodecWord::EpochMillis => Codec::EpochMillis,
                CodecWord::Lowercase => Codec::Lowercase,
                CodecWord::Text => Codec::Text,
                CodecWord::Integer => Codec::Integer,
                CodecWord::Csv => Codec::Csv,
                CodecWord::LastSegment => Codec::LastSegment,
                CodecWord::Not if kind == Kind::Boolean => Codec::Not,
                CodecWord::Not => {
                    self.error(Code::BadRow, word.at, "`not` is for booleans", "remove the codec");
                    Codec::Same
                }
            },
            written::Codec::Template(text) => {
                let template = self.template(text, &Names::new(&[("value", Slot::Value)], &[]));
                if let Some((before, after)) = template.around_slot() {
                    return Codec::Template { before, after };
                }
                let help = "write it as '@{value}:example.org'";
                let message = "the template must have `{value}` once";
                self.error(Code::BadTemplate, text.at, message, help);
                Codec::Same
            }
            written::Codec::Escape(escape) => self.escape(escape),
            written::Codec::Chain(at, all) => {
                let all: Vec<Codec> = all.iter().map(|codec| self.written_codec(codec, kind)).collect();
                let for_text = |codec: &Codec| {
                    !matches!(codec, Codec::EpochSeconds | Codec::EpochMillis | Codec::Not | Codec::Csv)
                };
                if !all.iter().all(for_text) {
                    let help = "keep those for texts: lowercase, integer, last_segment, template, escape";
                    let message = "a list of codecs is for texts, and one of these is not";
                    self.error(Code::BadRow, *at, message, help);
                }
                Codec::Chain(all)
            }
        }
    }

    fn generate(
        &mut self,
        written: &written::Generate,
        name: &Spanned<String>,
        (kind, access): (Kind, Access),
    ) -> Option<Generate> {
        if access != Access::Write || kind != Kind::String {
            let message = format!("`{}` is no secret text, and what is generated must never be returned", name.value);
            self.error(Code::BadRow, written.place, message, "add `access: write`, or give a `default` instead");
        }
        let length = written.length.as_ref().map_or(24, |length| length.value);
        if let Some(given) = written.length.as_ref().filter(|_| !(12..=128).contains(&length)) {
            let help = "write a length from 12 to 128";
            self.error(Code::OutOfRange, given.at, format!("a secret of {length} characters is no good one"), help);
        }
        let symbols = written.symbols.as_ref().map_or("-._~", |symbols| symbols.value.as_str());
        if let Some(given) = &written.symbols
            && let Some(bad) = symbols.chars().find(|c| c.is_alphanumeric() || c.is_whitespace() || c.is_control())
        {
            let message = format!("`{}` is no symbol", bad.escape_default());
            self.error(
                Code::BadRow,
                given.at,
                message,
                "write symbols only, such as '-._~'; letters and digits come anyway",
            );
        }
        Some(Generate { length: usize::try_from(length).ok()?, symbols: symbols.to_owned() })
    }

    fn escape(&mut self, written: &written::EscapeCodec) -> Codec {
        let mut keep = Vec::new();
        let mut rest = written.keep.value.as_str();
        while let Some(first) = rest.chars().next() {
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            let last = rest.strip_prefix('-').and_then(|after| after.chars().next());
            if let Some(last) = last {
                rest = rest.get(1 + last.len_utf8()..).unwrap_or_default();
            }
            keep.push((first, last.unwrap_or(first)));
        }
        if let Some((first, last)) = keep.iter().find(|(first, last)| first > last) {
            let message = format!("the range `{first}-{last}` has nothing in it");
            let help = format!("write `{last}-{first}`; a `-` of its own stands last");
            self.error(Code::BadRow, written.keep.at, message, help);
        }
        let mut mark = written.escape.value.chars();
        match (mark.next(), mark.next()) {
            (Some(mark), None) if !mark.is_ascii_hexdigit() => {
                if keep.iter().any(|(first, last)| (*first..=*last).contains(&mark)) {
                    let message = format!("`{mark}` begins every escape, and is to stay as it is");
                    let help = format!("take `{mark}` out of `keep`");
                    self.error(Code::NotInvertible, written.keep.at, message, help);
                }
                Codec::Escape { mark, keep }
            }
            _ => {
                let message = format!("`{}` cannot begin an escape", written.escape.value);
                let help = "write one character that is no hexadecimal digit, such as `=` or `%`";
                self.error(Code::BadRow, written.escape.at, message, help);
                Codec::Same
            }
        }
    }

    fn enumeration(
        &mut self,
        table: &Table<Value>,
        otherwise: Option<&Spanned<Value>>,
        kind: Kind,
        row: Mark,
    ) -> Codec {
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        for (key, native) in table.iter() {
            let scim = match (kind, key.value.as_str()) {
                (Kind::Boolean, "true") => Value::Bool(true),
                (Kind::Boolean, "false") => Value::Bool(false),
                (Kind::Boolean, other) => {
                    let help = "write `true` and `false`";
                    self.error(Code::NotInvertible, key.at, format!("`{other}` is no boolean"), help);
                    continue;
                }
                (Kind::Integer | Kind::Decimal, number) => {
                    number.parse().map_or_else(|_| Value::from(number), Value::Number)
                }
                (_, text) => Value::from(text),
            };
            let natives = match native {
                Value::Array(natives) if !natives.is_empty() => natives.as_slice(),
                native => std::slice::from_ref(native),
            };
            for native in natives {
                if let Some((other, _)) = pairs.iter().find(|(_, value)| value == native) {
                    let help = "give every SCIM value native values of its own";
                    self.error(Code::NotInvertible, key.at, format!("{native} stands for {other} already"), help);
                }
                pairs.push((scim.clone(), native.clone()));
            }
        }
        if let Some(otherwise) = otherwise
            && !pairs.iter().any(|(scim, _)| *scim == otherwise.value)
        {
            let help = "name one of the values of `enum`";
            self.error(Code::NotInvertible, otherwise.at, format!("{} is no value of the enum", otherwise.value), help);
        }
        if kind == Kind::Boolean && table.0.len() < 2 && otherwise.is_none() {
            let at = table.iter().next().map_or(row, |(key, _)| key.at);
            let help = "add the other value";
            self.error(Code::NotInvertible, at, "a boolean has two values, and the enum has fewer", help);
        }
        Codec::Enum { pairs, otherwise: otherwise.map(|otherwise| otherwise.value.clone()) }
    }
}

/// Whether two rows write the same native field. Parts of one text share it.
fn collides(a: &Row, b: &Row) -> bool {
    let parts = a.part.is_some() && b.part.is_some() && a.part != b.part;
    a.in_update() && b.in_update() && a.native == b.native && !parts
}

/// The schema extension with this URN, made if it is not there.
fn extension<'t>(kind: &'t mut ResourceType, urn: &str) -> &'t mut Schema {
    let known = kind.extensions.iter().position(|(schema, _)| schema.id.eq_ignore_ascii_case(urn));
    let index = known.unwrap_or(kind.extensions.len());
    if known.is_none() {
        let name = urn.rsplit(':').next().unwrap_or(urn).to_owned();
        let schema = Schema { id: urn.to_owned(), name, description: String::new(), attributes: Vec::new() };
        kind.extensions.push((schema, false));
    }
    // The index is within bounds by construction; the core schema stands in for the impossible miss.
    match kind.extensions.get_mut(index) {
        Some((schema, _)) => schema,
        None => &mut kind.schema,
    }
}

/// Adds what `path` names to `pruned`, with the characteristics that the row gives it.
fn grow(
    pruned: &mut ResourceType,
    full: &ResourceType,
    path: &AttributePath,
    row: &written::Attribute,
    access: Access,
) {
    let Some(resolved) = full.resolve(path) else {
        return;
    };
    let common = resolved.extension.is_none() && full.schema.attribute(&resolved.attribute.name).is_none();
    if common && resolved.attribute.name != "externalId" {
        // `id`, `meta` and `schemas` are as they are for every resource.
        return;
    }
    let target = match resolved.extension {
        Some(urn) => {
            let described = full.extension(urn).cloned().unwrap_or_default();
            let schema = extension(pruned, urn);
            schema.name = described.name;
            schema.description = described.description;
            schema
        }
        None => &mut pruned.schema,
    };
    if target.attribute(&resolved.attribute.name).is_none() {
        let mut attribute = resolved.attribute.clone();
        attribute.sub_attributes.clear();
        target.attributes.push(attribute);
    }
    let Some(attribute) = target.attribute_mut(&resolved.attribute.name) else {
        return;
    };
    let Some(sub) = resolved.sub else {
        attribute.sub_attributes.clone_from(&resolved.attribute.sub_attributes);
        characterise(attribute, row, access);
        return;
    };
    let mut include = |name: &str, canonical: Option<&Value>| {
        if attribute.sub(name).is_none()
            && let Some(known) = resolved.attribute.sub(name)
        {
            let mut copy = known.clone();
            copy.canonical_values.clear();
            attribute.sub_attributes.push(copy);
        }
        let found = attribute.sub_attributes.iter_mut().find(|sub| sub.name.eq_ignore_ascii_case(name));
        if let (Some(found), Some(Value::String(value))) = (found, canonical)
            && !found.canonical_values.contains(value)
        {
            found.canonical_values.push(value.clone());
        }
    };
    include(&sub.name, None);
    for term in path.filter.iter().flat_map(|filter| filter.conjuncts()) {
        if let Filter::Compare { path, value, .. } = term {
            include(&path.attribute, Some(value));
        }
    }
    if row.primary {
        include("primary", None);
    }
    let required = row.required == Some(true) && !attribute.multi_valued;
    attribute.required |= required;
    if let Some(sub) = attribute.sub_attributes.iter_mut().find(|it| it.name == sub.name) {
        characterise(sub, row, access);
    }
    let read_only = |sub: &Attribute| sub.mutability == Mutability::ReadOnly;
    if attribute.sub_attributes.iter().all(read_only) {
        attribute.mutability = Mutability::ReadOnly;
    } else if attribute.mutability == Mutability::ReadOnly {
        attribute.mutability = Mutability::ReadWrite;
    }
}

fn characterise(attribute: &mut Attribute, row: &written::Attribute, access: Access) {
    attribute.mutability = match access {
        Access::Read => Mutability::ReadOnly,
        Access::Write => Mutability::WriteOnly,
        Access::ReadWrite => Mutability::ReadWrite,
        Access::Create => Mutability::Immutable,
    };
    if access == Access::Write {
        attribute.returned = schema::Returned::Never;
    }
    if let Some(required) = row.required {
        attribute.required = required;
    }
    attribute.defaulted = row.default.is_some() || row.generate.is_some();
    if let Some(case_exact) = row.case_exact {
        attribute.case_exact = case_exact;
    }
    if let Some(unique) = row.unique {
        attribute.uniqueness = if unique { Uniqueness::Server } else { Uniqueness::None };
    }
    if let Some(returned) = row.returned {
        attribute.returned = returned.into();
    }
}

impl From<Returned> for schema::Returned {
    fn from(returned: Returned) -> Self {
        match returned {
            Returned::Default => schema::Returned::Default,
            Returned::Request => schema::Returned::Request,
            Returned::Always => schema::Returned::Always,
            Returned::Never => schema::Returned::Never,
        }
    }
}
