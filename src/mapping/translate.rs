//! SCIM resources to native objects and back, row by row.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::codec::{Codec, is_no_element, text_of};
use super::language::{Access, Part};
use super::place::Place;
use super::{Resource, Row};
use crate::scim::instant::Instant;
use crate::scim::json::object;
use crate::scim::{Error, Kind};

/// A SCIM resource with canonical names.
pub type Attributes = Map<String, Value>;

/// How many elements of a list without a home an error names.
const NAMED: usize = 5;

impl Row {
    /// The value of this row in a native object, which is used as it stands where it can be.
    pub fn decode<'v>(&'v self, native: &'v Value) -> Option<Cow<'v, Value>> {
        if let Some(constant) = &self.constant {
            return Some(Cow::Borrowed(constant));
        }
        let found = self.native.as_ref()?.get(native);
        let value = found.and_then(|found| self.decode_field(found));
        // A value that cannot be understood is not a missing one.
        let lacks = || found.is_none_or(Value::is_null);
        value.or_else(|| self.missing.as_ref().filter(|_| lacks()).map(Cow::Borrowed))
    }

    fn decode_field<'v>(&'v self, found: &'v Value) -> Option<Cow<'v, Value>> {
        let is_complex = self.kind == Kind::Complex;
        let value = match (self.part, found) {
            (Some(part), Value::String(text)) => {
                let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
                let text = if part == Part::First { first } else { rest.trim_start() };
                let text = if text.is_empty() { Value::Null } else { text.into() };
                self.codec.decode(Cow::Owned(text), self.kind)?
            }
            (_, Value::Array(items)) if self.is_list() => {
                Cow::Owned(items.iter().filter_map(|item| self.element(item)).collect())
            }
            (_, Value::Object(_)) if is_complex => Cow::Owned(self.element(found)?),
            _ => self.codec.decode(Cow::Borrowed(found), self.kind)?,
        };
        match &*value {
            // Never another type than the schema says; and a list of nothing is no value (RFC 7643 section 2.5).
            Value::Array(items) if !self.multi || items.is_empty() => None,
            Value::Array(_) if is_complex => Some(Cow::Owned(elements(value.into_owned()))),
            Value::Array(_) => Some(value),
            _ if self.is_list() => None,
            _ => Some(value),
        }
    }

    /// Whether it is a multi-valued attribute as a whole.
    pub fn is_list(&self) -> bool {
        self.multi && self.place.element.is_none()
    }

    /// One value of a native list. Of an object, only what the schema has can get out.
    fn element(&self, native: &Value) -> Option<Value> {
        let is_complex = self.kind == Kind::Complex;
        if let (true, Value::Object(members)) = (is_complex, native) {
            let sub = |(name, kind): &(String, Kind)| {
                let value = Codec::Same.decode(Cow::Borrowed(members.get(name)?), *kind)?;
                (!value.is_array()).then(|| (name.clone(), value.into_owned()))
            };
            let known = object(self.subs.iter().filter_map(sub));
            return (!known.is_empty()).then_some(Value::Object(known));
        }
        let kind = if is_complex { Kind::String } else { self.kind };
        self.codec.decode(Cow::Borrowed(native), kind).map(Cow::into_owned).filter(|value| !value.is_array())
    }

    /// Why a native object's list must not be written over, in words: it is no list, or, unless all of it is to be replaced,
    /// it has something that clients do not see as it is.
    pub fn unread(&self, native: &Value, replaces_all: bool) -> Option<String> {
        let at = self.native.as_ref().filter(|_| self.is_list())?;
        let is_read = |item: &Value| match item {
            Value::Object(_) => false,
            item => text_of(item).is_empty() || self.element(item).is_some(),
        };
        match at.get(native)? {
            nothing if is_no_element(nothing) => None,
            Value::Array(items) if replaces_all || items.iter().all(is_read) => None,
            Value::Array(_) => Some(format!("the list at `{at}` has something in it that cannot be read")),
            found if self.codec.decode(Cow::Borrowed(found), self.kind).is_some_and(|it| it.is_array()) => None,
            _ => Some(format!("there is no list at `{at}`")),
        }
    }

    /// The native value that `attributes` want here.
    pub(super) fn native_value(&self, attributes: &Attributes) -> Result<Option<Value>, Error> {
        self.place.get(attributes).map(|value| self.encode(&self.kept(value))).transpose()
    }

    /// What the application keeps of a value: of the elements of a list their values.
    fn kept<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        match value {
            Value::Array(items) if self.kind == Kind::Complex => {
                let plain = items.iter().filter_map(|item| match item {
                    Value::Object(item) => item.get("value").cloned(),
                    plain => Some(plain.clone()),
                });
                Cow::Owned(plain.collect())
            }
            value => Cow::Borrowed(value),
        }
    }

    /// Whether `scim` is one native value only, so that a native query for that misses nothing.
    pub fn is_exact(&self, scim: &Value) -> bool {
        self.codec.is_exact(scim) && self.missing.as_ref() != Some(scim)
    }

    /// The native value for a SCIM value of this row.
    pub fn encode(&self, scim: &Value) -> Result<Value, Error> {
        self.codec.encode(scim).map_err(|problem| Error::invalid_value(format!("`{}`: {problem}", self.name)))
    }

    /// Whether two values are one in the application, as two that differ in letter case are where it knows lower case only.
    pub fn is_same(&self, a: &Value, b: &Value) -> bool {
        let instant = |value: &Value| Instant::parse(value.as_str().filter(|_| self.kind == Kind::DateTime)?);
        let (a, b) = (&*self.kept(a), &*self.kept(b));
        a == b
            || matches!((self.codec.encode(a), self.codec.encode(b)), (Ok(a), Ok(b)) if a == b)
            || matches!((instant(a), instant(b)), (Some(a), Some(b)) if a == b)
    }
}

/// A list of plain values as a list of elements that have nothing but a value.
fn elements(mut list: Value) -> Value {
    for item in list.as_array_mut().into_iter().flatten().filter(|item| !item.is_object()) {
        *item = Value::Object(object([("value".to_owned(), item.take())]));
    }
    list
}

impl Resource {
    /// The SCIM attributes that a native object has, without `schemas` and `meta`. Only what has a row can
    /// get out: everything else in the object stays behind.
    pub fn decode(&self, native: &Value) -> Attributes {
        self.decode_some(native, |_| true)
    }

    /// The same for attributes whose names `wanted` accepts.
    pub fn decode_some(&self, native: &Value, wanted: impl Fn(&str) -> bool) -> Attributes {
        let mut attributes = Map::new();
        for row in self.rows.iter().filter(|row| row.readable() && wanted(&row.place.attribute)) {
            if let Some(value) = row.decode(native) {
                row.place.set(&mut attributes, value.into_owned());
            }
        }
        attributes
    }

    /// The row of `id`.
    pub fn id_row(&self) -> Option<&Row> {
        self.rows.get(self.id)
    }

    /// The native id for a SCIM id; `None` if no resource can have that id.
    pub fn native_id(&self, id: &str) -> Option<Value> {
        self.id_row()?.codec.encode(&Value::from(id)).ok()
    }

    /// The SCIM id for a native id.
    pub fn scim_id(&self, native: &Value) -> Option<String> {
        match self.id_row()?.codec.decode(Cow::Borrowed(native), Kind::String)?.into_owned() {
            Value::String(id) if !id.is_empty() => Some(id),
            _ => None,
        }
    }

    /// A native id as calls name it: as it is written for the SCIM id that it stands for.
    pub fn id_in(&self, native: &Value) -> Option<Value> {
        let is_text = native.as_str().is_some_and(|text| !text.is_empty());
        if is_text && self.id_row()?.codec == Codec::Same {
            return Some(native.clone());
        }
        self.native_id(&self.scim_id(native)?)
    }

    /// The same of a native object.
    pub fn id_of(&self, native: &Value) -> Option<Value> {
        self.id_in(self.id_row()?.native.as_ref()?.get(native)?)
    }

    /// The row and the value that make a resource with these attributes a protected one. Letter case makes no
    /// difference, whether the application knows one or not.
    pub fn protection(&self, attributes: &Attributes) -> Option<(&Row, String)> {
        self.protect.iter().find_map(|(index, values)| {
            let row = self.rows.get(*index)?;
            let value = row.place.get(attributes)?;
            let own = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter();
            own.map(|value| text_of(value.get("value").unwrap_or(value)))
                .find(|text| values.contains(&text.to_lowercase()))
                .map(|text| (row, text))
        })
    }

    /// The rows whose value differs between two states, by index. Rows that clients cannot write are left out.
    pub fn changed(&self, current: &Attributes, desired: &Attributes) -> Vec<usize> {
        let differs = |row: &Row| match (row.place.get(current), row.place.get(desired)) {
            (Some(current), Some(desired)) => !row.is_same(current, desired),
            (current, desired) => current.is_some() != desired.is_some(),
        };
        let writable = |row: &Row| row.access != Access::Read && row.same_as.is_none();
        let is_due = |row: &Row| writable(row) && differs(row) && !self.is_said(row, current, desired);
        self.rows.iter().enumerate().filter(|(_, row)| is_due(row)).map(|(index, _)| index).collect()
    }

    /// Refuses a state without an element of a list that a resource must have, or one that loses it. Other attributes are
    /// looked at as soon as they are read; which element a value is, the schema does not say.
    pub fn refuse_incomplete(&self, current: Option<&Attributes>, desired: &Attributes) -> Result<(), Error> {
        let lacks = |row: &&Row| {
            let had = current.is_none_or(|current| row.place.get(current).is_some());
            row.required && had && row.place.get(desired).is_none_or(|value| text_of(value).is_empty())
        };
        match self.rows.iter().find(lacks) {
            Some(row) => Err(Error::invalid_value(format!("`{}` is required", row.name))),
            None => Ok(()),
        }
    }

    /// Adds, to what a client gives, rows that are one native field with a row that it gives.
    pub fn complete(&self, given: &mut Attributes) {
        for (row, other) in self.rows.iter().filter_map(|row| Some((row, self.rows.get(row.same_as?)?))) {
            match (row.place.get(given).cloned(), other.place.get(given).cloned()) {
                (Some(value), None) => other.place.set(given, value),
                (None, Some(value)) => row.place.set(given, value),
                _ => {}
            }
        }
    }

    /// Makes rows that are one native field agree: whichever is changed is what is wanted of both. The error names two
    /// that are wanted to differ.
    pub fn agree(&self, current: &Attributes, desired: &mut Attributes) -> Result<(), Error> {
        let linked = self.rows.iter().filter_map(|row| Some((row, self.rows.get(row.same_as?)?)));
        for (row, other) in linked {
            let wanted =
                |row: &Row| row.place.get(desired).filter(|value| Some(*value) != row.place.get(current)).cloned();
            let present = |row: &Row, attributes: &Attributes| row.place.get(attributes).is_some();
            let gone = present(row, current) && !present(row, desired) && present(other, desired);
            let required = self.kind.attribute(&other.place.attribute).is_some_and(|it| it.required);
            let (a, b) = (&row.name, &other.name);
            match (wanted(row), wanted(other)) {
                (Some(of_row), Some(of_other))
                    if text_of(&of_row).to_lowercase() != text_of(&of_other).to_lowercase() =>
                {
                    return Err(Error::invalid_value(format!(
                        "`{a}` and `{b}` are one field in the application, and cannot differ"
                    )));
                }
                (Some(value), None) => other.place.set(desired, value),
                (None, None) if gone && required => {
                    return Err(Error::mutability(format!("`{a}` is `{b}` in the application, which is required")));
                }
                (None, None) if gone => other.place.set(desired, Value::Null),
                _ if row.place.get(desired) == other.place.get(desired) => {}
                _ => {
                    let value = other.place.get(desired).cloned().unwrap_or_default();
                    row.place.set(desired, value);
                }
            }
        }
        Ok(())
    }

    /// What `desired` has that no row gives a home, as SCIM paths: an element of a list that no row selects. Of a list, the
    /// first few are named.
    pub fn homeless(&self, desired: &Attributes) -> Vec<String> {
        let mut found = Vec::new();
        let external = desired.get("externalId").is_some_and(|id| !id.is_null());
        if external && !self.rows.iter().any(|row| row.place.attribute == "externalId") {
            found.push("externalId".to_owned());
        }
        let mut seen: Vec<(&Option<String>, &str)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.place.element.is_some()) {
            let key = (&row.place.extension, row.place.attribute.as_str());
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let Some(Value::Array(items)) = row.place.attribute(desired) else {
                continue;
            };
            let labels = ["type", "primary", "display", "$ref"];
            let has_value = |item: &&Value| {
                item.as_object().is_none_or(|it| it.keys().any(|name| !labels.contains(&name.as_str())))
            };
            let homeless = self.unhoused(&row.place, items, |place| place.element_index(items));
            let homeless = homeless.into_iter().filter(has_value);
            found.extend(homeless.take(NAMED).map(|item| match item.get("type").and_then(Value::as_str) {
                Some(kind) => format!("{}[type eq \"{kind}\"]", key.1),
                None => key.1.to_owned(),
            }));
        }
        found
    }

    /// The elements of a list that are nobody's, where `index_of` says which one a place has: this place, or another one of the
    /// same attribute.
    pub fn unhoused<'i>(
        &self,
        place: &Place,
        items: &'i [Value],
        index_of: impl Fn(&Place) -> Option<usize>,
    ) -> Vec<&'i Value> {
        let places = self.rows.iter().map(|row| &row.place).filter(|other| other.is_beside(place));
        let housed: Vec<usize> = places.filter_map(index_of).collect();
        items.iter().enumerate().filter(|(index, _)| !housed.contains(index)).map(|(_, item)| item).collect()
    }
}
