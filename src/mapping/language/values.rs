//! What stands at one place: texts, replies that are recognised, and how values are written.

use serde_json::{Value, json};

use crate::mapping::diagnostic::{Code, Report};
use crate::mapping::node::{Kind, Mark, Node};
use crate::mapping::read::{Definitions, Read, Spanned, tables, words};

/// A place in a reply: a pointer into the body, or `{ header: X-Total-Count }`.
#[derive(Clone, Debug)]
pub enum InReply {
    /// A pointer into the body.
    Body(Spanned<String>),
    /// A header field.
    Header(String),
}

/// Text, which may have placeholders, or the name of an environment variable that holds it: `{ env: API_KEY }`.
#[derive(Clone, Debug)]
pub enum Text {
    /// The text itself.
    Literal(Spanned<String>),
    /// The variable's name.
    Environment(Spanned<String>),
}

/// A reply that is recognised: a bare status, or a table.
#[derive(Clone, Debug)]
pub struct Match(pub MatchTable);

/// What the rows of a list lack: anything (`true`), or these attributes.
#[derive(Clone, Debug)]
pub enum Partial {
    /// Whether they lack anything.
    Any(bool),
    /// The attributes that they lack.
    These(Vec<Spanned<String>>),
}

/// How a value is written natively: a word; `{ template: '@{value}:example.org' }`; `{ escape: '=', keep: a-z0-9 }`;
/// or a list of these for a text, applied in order to what clients write and backwards to what they read.
#[derive(Clone, Debug)]
pub enum Codec {
    /// One of the codecs without arguments.
    Word(Spanned<CodecWord>),
    /// A fixed shape around the value.
    Template(Spanned<String>),
    /// Characters written by their codes.
    Escape(EscapeCodec),
    /// One after the other.
    Chain(Mark, Vec<Codec>),
}

words! {
    /// The codecs without arguments.
    CodecWord {
        /// Seconds since 1970 for a `dateTime`.
        EpochSeconds = "epoch_seconds",
        /// Milliseconds since 1970 for a `dateTime`.
        EpochMillis = "epoch_millis",
        /// Lower-case text, where the application knows no other. What it has must be in lower case already: a value with
        /// capitals is never asked for as it stands there.
        Lowercase = "lowercase",
        /// A number or boolean that the application writes as text.
        Text = "text",
        /// A whole number that SCIM writes as text.
        Integer = "integer",
        /// A boolean with the opposite meaning.
        Not = "not",
        /// Values separated by commas, for a list.
        Csv = "csv",
        /// The last segment of an address: `5` for `http://host/users/5`. It is written plain, and so it stands in calls.
        LastSegment = "last_segment",
    }
}

tables! {
    /// A secret's place.
    EnvironmentName {
        /// The environment variable. Its name may have `{tenant}` in it.
        env: Spanned<String>,
    }

    /// A header field's name.
    HeaderName {
        /// The header field.
        header: String,
    }

    /// A codec with an argument.
    TemplateCodec {
        /// Text with `{value}` once. It may say `{env.NAME}`.
        template: Spanned<String>,
    }

    /// A codec that writes characters by their codes: each byte as `escape` and two hexadecimal digits.
    EscapeCodec {
        /// The character before the digits: `=` makes `=40` of `@`.
        escape: Spanned<String>,
        /// The characters that stay as they are, one by one or as ranges: `a-z0-9._-`.
        keep: Spanned<String>,
    }

    /// A recognised reply.
    MatchTable {
        /// The native status.
        status: Option<u32>,
        /// A pointer into the reply's body.
        at: Option<Spanned<String>>,
        /// What the text there must be. Empty also stands for `null` and for a place past the end of a list, in a reply that
        /// is a success: where the status or a rule of `errors` says that it is none, nothing else is there either.
        is: Option<String>,
        /// What the text there must contain.
        contains: Option<String>,
        /// What the text there must not be.
        differs: Option<String>,
    }
}

impl Read for InReply {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match node.kind {
            Kind::Table(_) => HeaderName::read(node, report).map(|it| InReply::Header(it.header)),
            _ => Spanned::read(node, report).map(InReply::Body),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [{ "type": "string" }, HeaderName::schema(definitions)] })
    }
}

impl Read for Partial {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match node.kind {
            Kind::List(_) => Vec::read(node, report).map(Partial::These),
            _ => bool::read(node, report).map(Partial::Any),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [bool::schema(definitions), Vec::<String>::schema(definitions)] })
    }
}

impl Read for Text {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match node.kind {
            Kind::Table(_) => EnvironmentName::read(node, report).map(|it| Text::Environment(it.env)),
            _ => Spanned::read(node, report).map(Text::Literal),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [String::schema(definitions), EnvironmentName::schema(definitions)] })
    }
}

impl Read for Match {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        if let Kind::Number(_) = node.kind {
            let status = u32::read(node, report);
            let (at, is, contains, differs) = (None, None, None, None);
            return Some(Match(MatchTable { place: node.at, status, at, is, contains, differs }));
        }
        let table = MatchTable::read(node, report)?;
        if table.status.is_none() && table.at.is_none() {
            report
                .add(Code::MissingKey, node.at, "nothing is said that a reply could be recognised by")
                .suggest("give `status`, or `at` with `is`, `contains` or `differs`");
        }
        Some(Match(table))
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [{ "type": "integer" }, MatchTable::schema(definitions)] })
    }
}

impl Read for Codec {
    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match node.kind {
            Kind::Table(ref entries) if entries.iter().any(|entry| entry.key == "escape") => {
                EscapeCodec::read(node, report).map(Codec::Escape)
            }
            Kind::Table(_) => TemplateCodec::read(node, report).map(|it| Codec::Template(it.template)),
            Kind::List(_) => Vec::read(node, report).map(|all| Codec::Chain(node.at, all)),
            _ => Spanned::read(node, report).map(Codec::Word),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        let single = json!([
            CodecWord::schema(definitions),
            TemplateCodec::schema(definitions),
            EscapeCodec::schema(definitions),
        ]);
        json!({ "anyOf": [{ "anyOf": single }, { "type": "array", "items": { "anyOf": single } }] })
    }
}
