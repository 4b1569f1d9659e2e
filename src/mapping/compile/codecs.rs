//! How the values of rows are written and made up.

use serde_json::Value;

use super::Compiler;
use super::calls::Names;
use crate::mapping::codec::Codec;
use crate::mapping::diagnostic::Code;
use crate::mapping::generate::Generate;
use crate::mapping::language::{self as written, Access, CodecWord};
use crate::mapping::node::Mark;
use crate::mapping::read::{Spanned, Table};
use crate::mapping::template::Slot;
use crate::scim::Kind;

impl Compiler<'_> {
    pub(super) fn codec(&mut self, attribute: &written::Attribute, kind: Kind, at: Mark) -> Codec {
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

    pub(super) fn generate(
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
