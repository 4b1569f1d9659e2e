//! How the language's types are read from the document: every mistake is reported, none stops the rest.
//!
//! The types of [`super::language`] are declared through the macros here, which derive the reader and the
//! JSON Schema from one declaration.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::diagnostic::{Code, Report, nearest};
use super::node::{Entry, Kind, Mark, Node};

/// The definitions that a JSON Schema refers to, by type name.
pub type Definitions = BTreeMap<&'static str, Value>;

/// A type of the mapping language.
pub trait Read: Sized {
    /// Reads the value at `node`. `None` means that a diagnostic was reported.
    fn read(node: &Node, report: &mut Report) -> Option<Self>;

    /// What a field of this type is when it is not written; `None` makes the field required.
    fn absent() -> Option<Self> {
        None
    }

    /// The type's JSON Schema. Tables put themselves into `definitions` and are referred to.
    fn schema(definitions: &mut Definitions) -> Value;
}

/// A value together with where it stands.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// Where it begins.
    pub at: Mark,
    /// The value.
    pub value: T,
}

/// A table with free keys, in the order of the document.
#[derive(Clone, Debug)]
pub struct Table<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table(Vec::new())
    }
}

impl<T> Table<T> {
    /// The entries in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = (&Spanned<String>, &T)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

/// Reports that `node` is not what was expected.
pub fn wrong_kind(node: &Node, expected: &str, report: &mut Report) {
    report
        .add(Code::WrongKind, node.at, format!("{expected} is expected here, this is {}", node.describe()))
        .suggest(format!("write {expected}"));
}

/// Reports a word that is none of `allowed`.
pub fn unknown_word(word: &str, at: Mark, allowed: &[&str], report: &mut Report) {
    let help = match nearest(word, allowed.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("one of: {}", allowed.join(", ")),
    };
    report.add(Code::UnknownWord, at, format!("`{word}` is not one of the words that can stand here")).suggest(help);
}

/// The entries of a table, after reporting those whose key is not in `fields`.
pub fn table<'a>(node: &'a Node, fields: &[&str], report: &mut Report) -> Option<&'a [Entry]> {
    let Kind::Table(entries) = &node.kind else {
        wrong_kind(node, "a table", report);
        return None;
    };
    for entry in entries.iter().filter(|entry| !fields.contains(&entry.key.as_str())) {
        let help = match nearest(&entry.key, fields.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys that can stand here: {}", fields.join(", ")),
        };
        report.add(Code::UnknownKey, entry.at, format!("unknown key `{}`", entry.key)).suggest(help);
    }
    Some(entries)
}

/// One field of a table. Outer `None`: a mistake was reported and the whole table is unusable.
pub fn field<T: Read>(entries: &[Entry], name: &str, at: Mark, report: &mut Report) -> Option<T> {
    let Some(entry) = entries.iter().find(|entry| entry.key == name) else {
        let absent = T::absent();
        if absent.is_none() {
            report
                .add(Code::MissingKey, at, format!("the key `{name}` is missing"))
                .suggest(format!("add `{name}: …` here"));
        }
        return absent;
    };
    // A field that may be left out is left out when it is wrong, so that the rest is still checked.
    T::read(&entry.value, report).or_else(T::absent)
}

impl Read for String {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let text = node.scalar();
        if text.is_none() {
            wrong_kind(node, "text", report);
        }
        text
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

impl Read for bool {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let Kind::Bool(value) = node.kind else {
            wrong_kind(node, "`true` or `false`", report);
            return None;
        };
        Some(value)
    }

    fn absent() -> Option<Self> {
        Some(false)
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "boolean" })
    }
}

impl Read for u32 {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let Kind::Number(number) = &node.kind else {
            wrong_kind(node, "a number", report);
            return None;
        };
        let value = number.as_u64().and_then(|value| u32::try_from(value).ok());
        if value.is_none() {
            report
                .add(Code::OutOfRange, node.at, format!("{number} is out of range"))
                .suggest("write a whole number from 0 to 4294967295");
        }
        value
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "integer", "minimum": 0 })
    }
}

/// Any JSON value: constants and body templates.
impl Read for Value {
    fn read(node: &Node, _: &mut Report) -> Option<Self> {
        Some(node.to_json())
    }

    fn schema(_: &mut Definitions) -> Value {
        json!(true)
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        T::read(node, report).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn schema(definitions: &mut Definitions) -> Value {
        T::schema(definitions)
    }
}

impl<T: Read> Read for Spanned<T> {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        T::read(node, report).map(|value| Spanned { at: node.at, value })
    }

    fn schema(definitions: &mut Definitions) -> Value {
        T::schema(definitions)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            wrong_kind(node, "a list", report);
            return None;
        };
        Some(items.iter().filter_map(|item| T::read(item, report)).collect())
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "type": "array", "items": T::schema(definitions) })
    }
}

impl<T: Read> Read for Box<T> {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        T::read(node, report).map(Box::new)
    }

    fn schema(definitions: &mut Definitions) -> Value {
        T::schema(definitions)
    }
}

impl<T: Read> Read for Table<T> {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let Kind::Table(entries) = &node.kind else {
            wrong_kind(node, "a table", report);
            return None;
        };
        let read = |entry: &Entry, report: &mut Report| {
            let key = Spanned { at: entry.at, value: entry.key.clone() };
            T::read(&entry.value, report).map(|value| (key, value))
        };
        Some(Table(entries.iter().filter_map(|entry| read(entry, report)).collect()))
    }

    fn absent() -> Option<Self> {
        Some(Table::default())
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "type": "object", "additionalProperties": T::schema(definitions) })
    }
}

/// Declares tables of the language: each becomes a struct with its place, its reader and its JSON Schema. A
/// field's key is its name, or the text after `as`.
macro_rules! tables {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident { $( $(#[doc = $field_doc:literal])+ $field:ident $(as $key:literal)? : $type:ty, )* }
    )*) => { $(
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub struct $name {
            /// Where the table begins.
            pub place: $crate::mapping::node::Mark,
            $( $(#[doc = $field_doc])+ pub $field: $type, )*
        }

        impl $crate::mapping::read::Read for $name {
            fn read(
                node: &$crate::mapping::node::Node,
                report: &mut $crate::mapping::diagnostic::Report,
            ) -> Option<Self> {
                const FIELDS: &[&str] = &[ $( $crate::mapping::read::key!($field $($key)?), )* ];
                let entries = $crate::mapping::read::table(node, FIELDS, report)?;
                $( let $field = $crate::mapping::read::field(
                    entries, $crate::mapping::read::key!($field $($key)?), node.at, report); )*
                Some($name { place: node.at, $( $field: $field?, )* })
            }

            fn schema(definitions: &mut $crate::mapping::read::Definitions) -> serde_json::Value {
                const NAME: &str = stringify!($name);
                if !definitions.contains_key(NAME) {
                    definitions.insert(NAME, serde_json::Value::Null);
                    let mut properties = serde_json::Map::new();
                    let mut required: Vec<&str> = Vec::new();
                    $(
                        let key = $crate::mapping::read::key!($field $($key)?);
                        if <$type as $crate::mapping::read::Read>::absent().is_none() {
                            required.push(key);
                        }
                        let schema = <$type as $crate::mapping::read::Read>::schema(definitions);
                        properties.insert(key.to_owned(), $crate::mapping::read::described(
                            schema, concat!($($field_doc),+)));
                    )*
                    definitions.insert(NAME, serde_json::json!({
                        "type": "object",
                        "description": concat!($($doc),+).trim(),
                        "properties": properties,
                        "required": required,
                        "additionalProperties": false,
                    }));
                }
                serde_json::json!({ "$ref": format!("#/$defs/{NAME}") })
            }
        }
    )* };
}

/// The key of a field: what was written after `as`, else the field's own name.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// Declares closed sets of words.
macro_rules! words {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident { $( $(#[doc = $word_doc:literal])+ $word:ident = $text:literal, )* }
    )*) => { $(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $word_doc])+ $word, )* }

        impl $name {
            pub(crate) const WORDS: &[&str] = &[ $( $text, )* ];

            pub(crate) fn from_word(word: &str) -> Option<Self> {
                match word {
                    $( $text => Some($name::$word), )*
                    _ => None,
                }
            }
        }

        impl $crate::mapping::read::Read for $name {
            fn read(
                node: &$crate::mapping::node::Node,
                report: &mut $crate::mapping::diagnostic::Report,
            ) -> Option<Self> {
                let Some(word) = node.scalar() else {
                    $crate::mapping::read::wrong_kind(node, "a word", report);
                    return None;
                };
                let known = $name::from_word(&word);
                if known.is_none() {
                    $crate::mapping::read::unknown_word(&word, node.at, $name::WORDS, report);
                }
                known
            }

            fn schema(_: &mut $crate::mapping::read::Definitions) -> serde_json::Value {
                serde_json::json!({
                    "oneOf": [ $( { "const": $text, "description": concat!($($word_doc),+).trim() }, )* ],
                    "description": concat!($($doc),+).trim(),
                })
            }
        }
    )* };
}

pub(crate) use {key, tables, words};

/// A field's schema with the field's own documentation.
pub fn described(schema: Value, description: &str) -> Value {
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => serde_json::Map::new(),
    };
    schema.insert("description".to_owned(), Value::from(description.trim()));
    Value::Object(schema)
}
