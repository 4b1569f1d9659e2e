//! Request templates: `{name}` is replaced by a value, escaped by where it stands.

mod call;
mod form;
mod json;
mod recognise;

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::codec::text_of;
use super::language::Form;
use super::pointer::Pointer;

pub use call::{CallTemplate, parameters};
pub use json::{JsonTemplate, query_text};
pub use recognise::{Said, body_of, pairs};

/// What RFC 3986 calls unreserved stays as it is; everything else is percent-encoded.
pub const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The native id of the resource.
    Id,
    /// The value that a filter compares with.
    Value,
    /// One member's native id.
    Member,
    /// Several members or values, as a list.
    List,
    /// The membership's own key.
    Key,
    /// The token that a login answered with.
    Token,
    /// The native value that is wanted of the attribute row with this index.
    Row(usize),
    /// A field of the resource's own native object.
    Native(Pointer),
    /// The places of the native fields that an update changes, as a list.
    Changed,
}

/// The values for placeholders.
#[derive(Clone, Copy, Default)]
pub struct Scope<'a> {
    /// `{id}`
    pub id: Option<&'a Value>,
    /// `{value}`
    pub value: Option<&'a Value>,
    /// `{member}`
    pub member: Option<&'a Value>,
    /// `{members}` and `{values}`, a list
    pub list: Option<&'a Value>,
    /// `{key}`
    pub key: Option<&'a Value>,
    /// `{token}`
    pub token: Option<&'a Value>,
    /// The native values that are wanted of the attribute rows, by index.
    pub rows: &'a [Option<Value>],
    /// The resource's own native object.
    pub native: Option<&'a Value>,
    /// `{changed}`, a list
    pub changed: Option<&'a Value>,
}

impl Scope<'_> {
    fn get(&self, slot: &Slot) -> Option<&Value> {
        match slot {
            Slot::Id => self.id,
            Slot::Value => self.value,
            Slot::Member => self.member,
            Slot::List => self.list,
            Slot::Key => self.key,
            Slot::Token => self.token,
            Slot::Row(index) => self.rows.get(*index).and_then(Option::as_ref),
            Slot::Native(at) => at.get(self.native?),
            Slot::Changed => self.changed,
        }
    }
}

/// Why a template has no text for the values at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The value is missing, or cannot be a segment of a path: empty, or with `.` or `..` in it.
    PathSegment(String),
    /// The value has a control character, and stands in a header field.
    HeaderValue,
    /// The form of this placeholder, as it is written, leaves nothing of a value that is there.
    Emptied(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Slot(Placeholder),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placeholder {
    slot: Slot,
    form: Option<Form>,
    /// As it is written, for messages.
    written: String,
}

impl Placeholder {
    fn value<'a>(&self, scope: &'a Scope) -> Option<Cow<'a, Value>> {
        let value = scope.get(&self.slot)?;
        Some(self.form.map_or(Cow::Borrowed(value), |form| Cow::Owned(form.of(value))))
    }

    fn text(&self, scope: &Scope) -> String {
        self.value(scope).map(|value| text_of(&value)).unwrap_or_default()
    }

    /// An application that gets an empty text for a name takes it for the name, or for everybody's.
    fn fits(&self, scope: &Scope) -> Result<(), Unfit> {
        let is_there = |value: &Value| match value {
            Value::Array(items) => !items.is_empty(),
            value => !text_of(value).is_empty(),
        };
        if self.form.is_some() && scope.get(&self.slot).is_some_and(is_there) && self.text(scope).is_empty() {
            return Err(Unfit::Emptied(self.written.clone()));
        }
        Ok(())
    }
}

/// Text with placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl Template {
    /// Reads a template; `slot` says what a name stands for. `{{` and `}}` are braces. A slot that is
    /// `Err` with text is replaced by that text for good: secrets of the environment.
    pub fn parse(
        text: &str,
        mut slot: impl FnMut(&str) -> Option<Result<Slot, String>>,
    ) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                literal.push_str(brace.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let inside = brace.strip_prefix('{').ok_or(TemplateError::Braces)?;
            let (written, after) = enclosed(inside).ok_or(TemplateError::Braces)?;
            let (name, form) = match written.split_once('|') {
                Some((name, form)) => (name, Some(Form::from_word(form).ok_or(TemplateError::Form(form.to_owned()))?)),
                None => (written, None),
            };
            match slot(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))? {
                Ok(slot) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Slot(Placeholder { slot, form, written: written.to_owned() }));
                }
                Err(text) => literal.push_str(&match form {
                    Some(form) => text_of(&form.of(&text.into())),
                    None => text,
                }),
            }
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Template(pieces))
    }

    /// A template without placeholders.
    pub fn literal(text: impl Into<String>) -> Self {
        Template(vec![Piece::Text(text.into())])
    }

    /// What the placeholders stand for, in order.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.placeholders().map(|placeholder| &placeholder.slot)
    }

    fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Slot(placeholder) => Some(placeholder),
            Piece::Text(_) => None,
        })
    }

    fn fits(&self, scope: &Scope) -> Result<(), Unfit> {
        self.placeholders().try_for_each(|placeholder| placeholder.fits(scope))
    }

    /// Whether there are any.
    fn is_open(&self) -> bool {
        self.slots().next().is_some()
    }

    /// The texts before and after the placeholder of a template that has exactly one.
    pub fn around_slot(&self) -> Option<(String, String)> {
        let text = |pieces: &[Piece]| {
            pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => Some(text.as_str()),
                    Piece::Slot(..) => None,
                })
                .collect::<Option<String>>()
        };
        let at = self.0.iter().position(|piece| matches!(piece, Piece::Slot(..)))?;
        let (before, rest) = self.0.split_at(at);
        let (_, after) = rest.split_first()?;
        Some((text(before)?, text(after)?))
    }

    /// The only placeholder of a template that is nothing else.
    fn lone(&self) -> Option<&Placeholder> {
        match self.0.as_slice() {
            [Piece::Slot(placeholder)] => Some(placeholder),
            _ => None,
        }
    }

    /// As a path: values are segments, so nothing in them is a delimiter.
    fn path(&self, scope: &Scope, out: &mut String) -> Result<(), Unfit> {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Slot(placeholder) => {
                    let text = placeholder.text(scope);
                    // A proxy or a framework would resolve dot segments, percent-encoded or not, and reach another
                    // resource; some decode slashes first.
                    let dots = text.split(['/', '\\']).any(|part| matches!(part, "." | ".."));
                    if text.is_empty() || dots {
                        return Err(Unfit::PathSegment(text));
                    }
                    out.extend(utf8_percent_encode(&text, RESERVED));
                }
            }
        }
        Ok(())
    }

    /// As plain text. `None` if it is only a placeholder, and that has no value.
    fn text(&self, scope: &Scope) -> Option<String> {
        self.escaped(scope, |_, text| text)
    }

    /// As the text of a query parameter: between quotes of the template, quotes in a value are escaped, as `\"` or
    /// `''`, so that a value cannot end the text that it stands in.
    fn query(&self, scope: &Scope) -> Option<String> {
        self.escaped(scope, |quote, text| match quote {
            Some('"') => in_json(&text),
            Some(_) => text.replace('\'', "''"),
            None => text,
        })
    }

    /// The text, each value escaped by the quotes of the template that it stands between.
    fn escaped(&self, scope: &Scope, escape: impl Fn(Option<char>, String) -> String) -> Option<String> {
        if let Some(placeholder) = self.lone() {
            return placeholder.value(scope).map(|value| text_of(&value));
        }
        let mut out = String::new();
        let mut open = None;
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => {
                    for c in text.chars().filter(|c| matches!(c, '"' | '\'')) {
                        open = match open {
                            None => Some(c),
                            Some(quote) if quote == c => None,
                            other => other,
                        };
                    }
                    out.push_str(text);
                }
                Piece::Slot(placeholder) => out.push_str(&escape(open, placeholder.text(scope))),
            }
        }
        Some(out)
    }

    /// As the key of an object; `None` where a placeholder in it has no value, so that there is nobody to be named.
    fn key(&self, scope: &Scope) -> Option<String> {
        let has_value = |slot| scope.get(slot).is_some_and(|value| !value.is_null());
        self.slots().all(has_value).then(|| self.plain(scope))
    }

    /// As plain text, with nothing for placeholders without a value.
    pub fn plain(&self, scope: &Scope) -> String {
        self.text(scope).unwrap_or_default()
    }

    /// As the value of a header field.
    fn header(&self, scope: &Scope) -> Result<Option<String>, Unfit> {
        match self.text(scope) {
            Some(text) if text.chars().any(char::is_control) => Err(Unfit::HeaderValue),
            text => Ok(text),
        }
    }

    /// As a JSON value: a text that is exactly one placeholder keeps the value's type.
    fn json(&self, scope: &Scope) -> Value {
        match self.lone() {
            Some(placeholder) => placeholder.value(scope).map(Cow::into_owned).unwrap_or_default(),
            None => self.text(scope).unwrap_or_default().into(),
        }
    }
}

/// What stands before the brace that closes `text`, and what follows it. A name may have a placeholder in it.
fn enclosed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let end = text.find(|c| {
        let closes = c == '}' && depth == 0;
        depth = match c {
            '{' => depth + 1,
            '}' => depth.saturating_sub(1),
            _ => depth,
        };
        closes
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Why a template cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// A brace without its partner.
    Braces,
    /// A placeholder of this name has no meaning where the template stands.
    Unknown(String),
    /// There is no form of this name.
    Form(String),
}

/// The text as it stands between the quotes of JSON.
fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
