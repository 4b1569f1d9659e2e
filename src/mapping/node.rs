//! The mapping document as a tree in which every value knows where it stands.
//!
//! YAML and JSON are read by one parser, since JSON is YAML. Aliases are expanded, duplicate keys and
//! syntax errors are diagnostics. Only plain scalars are typed: a quoted one is always text.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Number, Value};

use super::diagnostic::{Code, Report};
use crate::scim::json::object;

/// A place in the document: line and column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl From<Span> for Mark {
    fn from(span: Span) -> Self {
        Mark { line: span.start.line(), column: span.start.col() + 1 }
    }
}

/// A value of the document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub at: Mark,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of value.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a decimal number.
    Number(Number),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A table, in the order of the document.
    Table(Vec<Entry>),
}

/// One entry of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key as text, whatever scalar was written.
    pub key: String,
    /// Where the key stands.
    pub at: Mark,
    /// Its value.
    pub value: Node,
}

/// Aliases may multiply a document: no mapping of real use comes near this many values.
const MOST_NODES: usize = 100_000;
const DEEPEST: usize = 64;

impl Node {
    /// Reads a document. Syntax errors and duplicate keys go into `report`.
    pub fn parse(text: &str, report: &mut Report) -> Option<Node> {
        let mut builder = Builder { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0, report };
        let node = builder.document();
        if node.is_none() && builder.report.is_empty() {
            builder
                .report
                .add(Code::Syntax, Mark { line: 1, column: 1 }, "the mapping is empty")
                .suggest("begin with `mapping: v1`");
        }
        node
    }

    /// What kind of value this is, in the words of an error message.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }

    /// The scalar as text, if it is one and not null.
    pub fn scalar(&self) -> Option<String> {
        match &self.kind {
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Number(value) => Some(value.to_string()),
            Kind::Text(value) => Some(value.clone()),
            Kind::Null | Kind::List(_) | Kind::Table(_) => None,
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => items.iter().map(Node::to_json).collect(),
            Kind::Table(entries) => {
                Value::Object(object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()))))
            }
        }
    }

    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::List(items) => items.iter().map(Node::size).sum(),
            Kind::Table(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
            _ => 0,
        }
    }
}

struct Builder<'a, 'r> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    report: &'r mut Report,
}

impl<'a> Builder<'a, '_> {
    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        match self.parser.next_event()? {
            Ok(event) => Some(event),
            Err(error) => {
                let at = Mark { line: error.marker().line(), column: error.marker().col() + 1 };
                self.report
                    .add(Code::Syntax, at, format!("the document is not well-formed: {}", error.info()))
                    .suggest("check the indentation, the quotes and the brackets around this place");
                None
            }
        }
    }

    fn document(&mut self) -> Option<Node> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return None,
                (event, span) => {
                    let node = self.node(event, span, 0)?;
                    return self.no_second_document().then_some(node);
                }
            }
        }
    }

    fn no_second_document(&mut self) -> bool {
        loop {
            match self.next() {
                Some((Event::DocumentStart(_), span)) => {
                    self.report
                        .add(Code::Syntax, span.into(), "a second document begins here")
                        .suggest("keep one mapping in a file");
                    return false;
                }
                Some((Event::StreamEnd, _)) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Option<Node> {
        let at = Mark::from(span);
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES {
            self.report
                .add(Code::Syntax, at, "the document is nested too deeply or expands to too many values")
                .suggest("remove aliases that contain one another");
            return None;
        }
        let (anchor, kind) = match event {
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    self.report
                        .add(Code::Syntax, at, "the alias refers to an anchor that is not complete")
                        .suggest("an alias can only follow the value that it repeats");
                    return None;
                };
                self.nodes += node.size();
                return Some(node);
            }
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style)),
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (anchor, Kind::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Kind::Table(self.table(depth)?)),
            _ => return None,
        };
        let node = Node { at, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Some(node)
    }

    fn table(&mut self, depth: usize) -> Option<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, at) = match self.next()? {
                (Event::MappingEnd, _) => return Some(entries),
                (Event::Scalar(text, ..), span) => (text.into_owned(), Mark::from(span)),
                (_, span) => {
                    self.report
                        .add(Code::Syntax, span.into(), "a key must be a plain word or quoted text")
                        .suggest("write the key as text");
                    return None;
                }
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let line = first.at.line;
                self.report
                    .add(Code::DuplicateKey, at, format!("`{key}` is written twice: first in line {line}"))
                    .suggest("keep one of the two");
                continue;
            }
            entries.push(Entry { key, at, value });
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Kind {
    if style != ScalarStyle::Plain {
        return Kind::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ => match text.parse::<Number>() {
            Ok(number) => Kind::Number(number),
            Err(_) => Kind::Text(text.to_owned()),
        },
    }
}
