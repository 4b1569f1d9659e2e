//! In which form a placeholder's value is written: `{displayName|slug}`.

use serde_json::Value;

use crate::mapping::codec::{Codec, text_of};
use crate::mapping::language::Form;

impl Form {
    /// The value in this form.
    pub(super) fn of(self, value: &Value) -> Value {
        match self {
            Form::Slug => slug(&text_of(value)).into(),
            Form::Lowercase => text_of(value).to_lowercase().into(),
            Form::Csv => Codec::Csv.encode(value).unwrap_or_default(),
            Form::Text => text_of(value).into(),
            Form::Regex => with_backslashes(&text_of(value), SYNTAX).into(),
            Form::Like => with_backslashes(&text_of(value), WILDCARDS).into(),
        }
    }
}

fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// What means something in a regular expression, of PCRE as of ECMAScript.
const SYNTAX: &str = r"\^$.|?*+()[]{}";

/// What means something in a `LIKE` of SQL.
const WILDCARDS: &str = r"\%_";

fn with_backslashes(text: &str, special: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The text before [`with_backslashes`].
pub(super) fn without_backslashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(if c == '\\' { rest.next().unwrap_or(c) } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms() {
        for (form, value, expected) in [
            (Form::Slug, json!("  R&D: Zürich (North)"), json!("r-d-z-rich-north")),
            (Form::Lowercase, json!("BJensen"), json!("bjensen")),
            (Form::Csv, json!([1, "b"]), json!("1,b")),
            (Form::Csv, json!("a"), json!("a")),
            (Form::Text, json!(7), json!("7")),
            (Form::Like, json!(r"a_b%c\d.e"), json!(r"a\_b\%c\\d.e")),
            (Form::Regex, json!(r"a.b+c@[x]{1}\/-"), json!(r"a\.b\+c@\[x\]\{1\}\\/-")),
        ] {
            assert_eq!(form.of(&value), expected);
        }
        for text in [r"a.b\c", "^$|?*()", "é"] {
            assert_eq!(without_backslashes(&with_backslashes(text, SYNTAX)), text);
        }
    }
}
