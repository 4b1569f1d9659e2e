//! The parser of filters and attribute paths: recursive descent, bounded in length, depth and terms.

use serde_json::Value;

use super::{CompareOp, Filter, MAX_TERMS};
use crate::scim::dialect::{self, Applied, Leniency, Reading};
use crate::scim::error::Error;
use crate::scim::path::AttributePath;

pub(in crate::scim) struct Parser<'a> {
    text: &'a str,
    /// Byte offset of what comes next.
    at: usize,
    depth: usize,
    terms: usize,
    error: fn(String) -> Error,
    reading: Reading,
    applied: Applied,
}

impl<'a> Parser<'a> {
    pub(in crate::scim) fn new(text: &'a str, reading: Reading, error: fn(String) -> Error) -> Result<Self, Error> {
        if text.len() > reading.filter {
            return Err(error(format!("longer than {} bytes", reading.filter)));
        }
        Ok(Parser { text, at: 0, depth: 0, terms: 0, error, reading, applied: Applied::default() })
    }

    pub(in crate::scim) fn whole_filter(mut self) -> Result<(Filter, Applied), Error> {
        let filter = self.or(false)?;
        self.end()?;
        Ok((filter, self.applied))
    }

    pub(in crate::scim) fn whole_path(mut self) -> Result<(AttributePath, Applied), Error> {
        self.spaces();
        let path = self.path(true)?;
        self.end()?;
        Ok((path, self.applied))
    }

    fn or(&mut self, inner: bool) -> Result<Filter, Error> {
        let mut operands = vec![self.and(inner)?];
        while self.keyword("or") {
            operands.push(self.and(inner)?);
        }
        Ok(only_or(operands, Filter::Or))
    }

    fn and(&mut self, inner: bool) -> Result<Filter, Error> {
        let mut operands = vec![self.operand(inner)?];
        while self.keyword("and") {
            operands.push(self.operand(inner)?);
        }
        Ok(only_or(operands, Filter::And))
    }

    /// `inner`: between brackets, where no other value path may stand.
    fn operand(&mut self, inner: bool) -> Result<Filter, Error> {
        self.spaces();
        let start = self.at;
        if self.peek_word().eq_ignore_ascii_case("not") {
            self.at += 3;
            self.spaces();
            if self.next_is('(') {
                return Ok(Filter::Not(Box::new(self.group(inner)?)));
            }
            self.at = start;
        }
        if self.next_is('(') {
            return self.group(inner);
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.fail_at(start, &format!("more than {MAX_TERMS} comparisons")));
        }
        let path = self.path(!inner)?;
        self.comparison(path)
    }

    fn group(&mut self, inner: bool) -> Result<Filter, Error> {
        self.enter()?;
        let filter = self.or(inner)?;
        self.spaces();
        self.expect(')')?;
        self.depth -= 1;
        Ok(filter)
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.at += 1;
        self.depth += 1;
        if self.depth > self.reading.depth {
            return Err(self.fail(&format!("nested deeper than {} levels", self.reading.depth)));
        }
        Ok(())
    }

    fn comparison(&mut self, mut path: AttributePath) -> Result<Filter, Error> {
        let after_path = self.at;
        self.spaces();
        let word = self.peek_word();
        let present = word.eq_ignore_ascii_case("pr");
        let op = CompareOp::parse(word);
        if path.sub_attribute.is_none()
            && (present || op.is_none())
            && let Some(filter) = path.filter.take()
        {
            if present {
                self.at += word.len();
            } else {
                self.at = after_path;
            }
            return Ok(Filter::ValuePath { path, filter });
        }
        if present {
            self.at += word.len();
            return Ok(Filter::Present(path));
        }
        let Some(op) = op else {
            return Err(match word {
                "" => self.fail(&format!("expected an operator after `{path}`")),
                _ => self.fail(&format!("unknown operator `{word}`")),
            });
        };
        self.at += word.len();
        self.spaces();
        let value = self.literal()?;
        Ok(Filter::Compare { path, op, value })
    }

    fn literal(&mut self) -> Result<Value, Error> {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with('"') {
            let Some(length) = quoted_length(rest, '"') else {
                return Err(self.fail("unterminated string"));
            };
            self.at += length;
            let token = rest.get(..length).unwrap_or_default();
            return serde_json::from_str(token).map_err(|_| self.fail_at(start, &format!("malformed string {token}")));
        }
        let length =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"')).unwrap_or(rest.len());
        let token = rest.get(..length).unwrap_or_default();
        self.at += length;
        match token {
            "" => return Err(self.fail_at(start, "expected a value")),
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            "null" => return Ok(Value::Null),
            _ => {}
        }
        if let Ok(number @ Value::Number(_)) = serde_json::from_str(token) {
            // It may be compared with a text, of which every character counts: `1.10`, `12E45`.
            let read = number.to_string();
            return Ok(if read == token { number } else { token.into() });
        }
        if self.reading.leniency == Leniency::Lenient
            && let Some(value) = dialect::bare_literal(token, &mut self.applied)
        {
            return Ok(value);
        }
        Err(self.fail_at(start, &format!("the value `{token}` lacks quotes")))
    }

    /// An attribute path, with a value filter where `brackets` allows one.
    fn path(&mut self, brackets: bool) -> Result<AttributePath, Error> {
        let start = self.at;
        let word = self.peek_word();
        if word.is_empty() {
            return Err(self.fail("expected an attribute name"));
        }
        self.at += word.len();
        let (schema, names) = match word.rsplit_once(':') {
            Some((schema, names)) => (Some(schema), names),
            None => (None, word),
        };
        let (attribute, sub) = match names.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (names, None),
        };
        if schema == Some("") || !is_name(attribute) || !sub.is_none_or(is_name) {
            return Err(self.fail_at(start, &format!("`{word}` is not an attribute path")));
        }
        let mut path = AttributePath {
            schema: schema.map(str::to_owned),
            attribute: attribute.to_owned(),
            filter: None,
            sub_attribute: sub.map(str::to_owned),
        };
        if !self.next_is('[') {
            return Ok(path);
        }
        if !brackets || sub.is_some() {
            return Err(self.fail("a value filter cannot stand here"));
        }
        // RFC 7644 table 9: a wrong filter within a path is `invalidFilter`.
        let of_path = std::mem::replace(&mut self.error, Error::invalid_filter);
        self.enter()?;
        path.filter = Some(Box::new(self.or(true)?));
        self.spaces();
        self.expect(']')?;
        self.depth -= 1;
        self.error = of_path;
        if self.next_is('.') {
            self.at += 1;
            let sub = self.peek_word();
            if !is_name(sub) {
                return Err(self.fail("expected a sub-attribute name"));
            }
            self.at += sub.len();
            path.sub_attribute = Some(sub.to_owned());
        }
        Ok(path)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next_is(&self, c: char) -> bool {
        self.rest().starts_with(c)
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek_word(&self) -> &'a str {
        let rest = self.rest();
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"')).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// Consumes the logical operator, if it comes next.
    fn keyword(&mut self, keyword: &str) -> bool {
        let before = self.at;
        self.spaces();
        if self.peek_word().eq_ignore_ascii_case(keyword) {
            self.at += keyword.len();
            return true;
        }
        self.at = before;
        false
    }

    fn expect(&mut self, c: char) -> Result<(), Error> {
        if !self.next_is(c) {
            return Err(self.fail(&format!("expected `{c}`")));
        }
        self.at += c.len_utf8();
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        self.spaces();
        match self.rest() {
            "" => Ok(()),
            rest => {
                let shown: String = rest.chars().take(40).collect();
                Err(self.fail(&format!("unexpected `{shown}`")))
            }
        }
    }

    fn fail(&self, problem: &str) -> Error {
        self.fail_at(self.at, problem)
    }

    fn fail_at(&self, at: usize, problem: &str) -> Error {
        let character = self.text.get(..at).map_or(0, |before| before.chars().count()) + 1;
        (self.error)(format!("{problem} at character {character}"))
    }
}

fn only_or(mut operands: Vec<Filter>, combine: fn(Vec<Filter>) -> Filter) -> Filter {
    match operands.pop() {
        Some(only) if operands.is_empty() => only,
        last => {
            operands.extend(last);
            combine(operands)
        }
    }
}

/// `ATTRNAME` of RFC 7643 section 2.1, and `$ref`.
pub(in crate::scim) fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('$').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// A filter or a path in pieces: strings, with their quotes, and what is between them.
pub(in crate::scim) fn pieces(mut text: &str) -> Vec<(bool, &str)> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (quoted, length) = match text.find('"') {
            Some(0) => quoted_length(text, '"').map_or((false, text.len()), |length| (true, length)),
            Some(before) => (false, before),
            None => (false, text.len()),
        };
        let (piece, rest) = text.split_at_checked(length).unwrap_or((text, ""));
        pieces.push((quoted, piece));
        text = rest;
    }
    pieces
}

/// The length of the quoted string at the start of `text`, with its quotes.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(index + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::ScimType;
    use proptest::prelude::*;
    use serde_json::json;

    fn parse(text: &str) -> Filter {
        Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn lenient(text: &str) -> Filter {
        dialect::filter(text, Leniency::Lenient, &mut Applied::default()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn rfc7644_3_4_2_2_examples() {
        for text in [
            r#"userName eq "bjensen""#,
            r#"name.familyName co "O'Malley""#,
            r#"userName sw "J""#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
            "title pr",
            r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
            r#"title pr and userType eq "Employee""#,
            r#"title pr or userType eq "Intern""#,
            r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
            r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
            r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
            r#"userType eq "Employee" and (emails.type eq "work")"#,
            r#"userType eq "Employee" and emails[type eq "work" and value co "@example.com"]"#,
            r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
        ] {
            let filter = parse(text);
            assert_eq!(parse(&filter.to_string()), filter, "{text}");
        }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let (a, b, c) = (parse("a pr"), parse("b pr"), parse("c pr"));
        assert_eq!(
            parse("a pr or b pr and c pr"),
            Filter::Or(vec![a.clone(), Filter::And(vec![b.clone(), c.clone()])])
        );
        assert_eq!(parse("(a pr or b pr) and c pr"), Filter::And(vec![Filter::Or(vec![a.clone(), b.clone()]), c]));
        assert_eq!(parse("not (a pr) and b pr"), Filter::And(vec![Filter::Not(Box::new(a)), b]));
    }

    #[test]
    fn operators_in_any_case() {
        assert_eq!(parse(r#"username Eq "x""#), parse(r#"username eq "x""#));
        assert_eq!(parse("a PR AND b pr"), parse("a pr and b pr"));
        assert_eq!(parse("NOT(a pr)"), parse("not (a pr)"));
    }

    #[test]
    fn literals() {
        for (text, value) in [
            (r#""a\"b\\cé""#, json!("a\"b\\cé")),
            ("42", json!(42)),
            ("-1.5", json!(-1.5)),
            ("true", json!(true)),
            ("false", json!(false)),
            ("null", json!(null)),
            (r#""""#, json!("")),
        ] {
            let Filter::Compare { value: read, .. } = parse(&format!("a eq {text}")) else {
                panic!("{text}");
            };
            assert_eq!(read, value, "{text}");
        }
    }

    #[test]
    fn entra_value_path_with_sub_attribute() {
        let Filter::Compare { path, .. } = parse(r#"emails[type eq "work"].value eq "x""#) else {
            panic!();
        };
        assert_eq!(path, AttributePath::parse(r#"emails[type eq "work"].value"#).unwrap());
    }

    #[test]
    fn unquoted_literals_are_understood_leniently_only() {
        assert_eq!(lenient("externalId eq jyoung"), parse(r#"externalId eq "jyoung""#));
        assert_eq!(lenient("active eq True"), parse("active eq true"));
        assert_eq!(lenient("a eq x@y.z and b pr"), parse(r#"a eq "x@y.z" and b pr"#));
        assert!(Filter::parse("externalId eq jyoung").is_err());
        assert!(dialect::filter("a eq two words", Leniency::Lenient, &mut Applied::default()).is_err());
        assert!(dialect::filter("a eq and", Leniency::Lenient, &mut Applied::default()).is_err());
    }

    #[test]
    fn errors_say_where() {
        for (text, at) in [
            ("", 1),
            ("BJENSEN", 8),
            ("userName xx \"a\"", 10),
            ("userName eq", 12),
            ("userName eq \"a", 13),
            ("(userName pr", 13),
            ("userName pr)", 12),
            ("é eq 1", 1),
            ("userName eq \"é\" foo", 17),
            ("emails[type eq \"work\"", 22),
            ("emails[a[b pr]]", 9),
            ("name.a.b eq 1", 1),
            ("a pr and", 9),
            ("not a pr", 5),
        ] {
            let error = Filter::parse(text).expect_err(text);
            assert_eq!(error.scim_type, Some(ScimType::InvalidFilter));
            assert!(error.detail.ends_with(&format!(" at character {at}")), "{text}: {}", error.detail);
        }
    }

    #[test]
    fn hostile_sizes_are_refused() {
        assert!(Filter::parse(&"(".repeat(60_000)).is_err());
        assert!(Filter::parse(&"not (".repeat(10_000)).is_err());
        assert!(Filter::parse(&format!("a pr{}", " or a pr".repeat(2000))).is_err());
        assert!(Filter::parse(&format!("a eq \"{}\"", "x".repeat(64 << 10))).is_err());
        assert!(Filter::parse(&format!("a pr{}", " or a pr".repeat(900))).is_ok());
    }

    #[test]
    fn rfc7644_3_10_paths() {
        for (text, schema, attribute, sub) in [
            ("userName", None, "userName", None),
            ("name.givenName", None, "name", Some("givenName")),
            ("members.$ref", None, "members", Some("$ref")),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName",
                Some("urn:ietf:params:scim:schemas:core:2.0:User"),
                "name",
                Some("givenName"),
            ),
        ] {
            let path = AttributePath::parse(text).unwrap();
            assert_eq!(path.schema.as_deref(), schema);
            assert_eq!(path.attribute, attribute);
            assert_eq!(path.sub_attribute.as_deref(), sub);
            assert_eq!(path.to_string(), text);
        }
        for text in
            ["", " ", "a b", "a[b pr].", "1a", ":a", "a..b", "a.", ".a", "a[b pr]c", "a[b pr][c pr]", "a.b[c pr]"]
        {
            let error = AttributePath::parse(text).expect_err(text);
            assert_eq!(error.scim_type, Some(ScimType::InvalidPath), "{text}");
        }
        for text in ["a[", "a[]", "a[b xx 1]", "a[b pr", "a[b eq x]"] {
            let error = AttributePath::parse(text).expect_err(text);
            assert_eq!(error.scim_type, Some(ScimType::InvalidFilter), "{text}");
        }
    }

    fn name() -> impl Strategy<Value = String> {
        "[a-zA-Z][a-zA-Z0-9_-]{0,8}".prop_filter("keyword", |n| !n.eq_ignore_ascii_case("not"))
    }

    fn literal() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ]
    }

    fn simple(inner: bool) -> impl Strategy<Value = Filter> {
        let path = (prop::option::of(Just("urn:example:2.0:User")), name(), prop::option::of(name())).prop_map(
            move |(schema, attribute, sub_attribute)| AttributePath {
                schema: schema.filter(|_| !inner).map(str::to_owned),
                attribute,
                filter: None,
                sub_attribute,
            },
        );
        (path, prop::option::of((prop::sample::select(&CompareOp::ALL[..]), literal()))).prop_map(
            |(path, comparison)| match comparison {
                Some((op, value)) => Filter::Compare { path, op, value },
                None => Filter::Present(path),
            },
        )
    }

    fn nested(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
        leaf.prop_recursive(4, 24, 4, |f| {
            prop_oneof![
                prop::collection::vec(f.clone(), 2..4).prop_map(Filter::And),
                prop::collection::vec(f.clone(), 2..4).prop_map(Filter::Or),
                f.prop_map(|f| Filter::Not(Box::new(f))),
            ]
        })
        .boxed()
    }

    fn filters() -> BoxedStrategy<Filter> {
        let inner = nested(simple(true).boxed());
        let value_path =
            (name(), inner, prop::option::of((name(), literal()))).prop_map(|(attribute, filter, compared)| {
                match compared {
                    None => Filter::ValuePath { path: AttributePath::of(&attribute), filter: Box::new(filter) },
                    Some((sub, value)) => Filter::Compare {
                        path: AttributePath {
                            filter: Some(Box::new(filter)),
                            sub_attribute: Some(sub),
                            ..AttributePath::of(&attribute)
                        },
                        op: CompareOp::Eq,
                        value,
                    },
                }
            });
        nested(prop_oneof![3 => simple(false), 1 => value_path].boxed())
    }

    proptest! {
        #[test]
        fn printing_reads_back(filter in filters()) {
            let text = filter.to_string();
            prop_assert_eq!(Filter::parse(&text).map_err(|e| e.to_string()), Ok(filter), "{}", text);
        }

        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = Filter::parse(&text);
            let _ = AttributePath::parse(&text);
        }

        #[test]
        fn any_filter_like_text_is_answered(text in r#"[ab.:\[\]()" \\]{0,12}( (eq|and|or|not|pr) ?[ab"1()\[\]. ]{0,6}){0,4}"#) {
            if let Ok(filter) = dialect::filter(&text, Leniency::Lenient, &mut Applied::default()) {
                prop_assert_eq!(Filter::parse(&filter.to_string()).map_err(|e| e.to_string()), Ok(filter));
            }
        }
    }
}
