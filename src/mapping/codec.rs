//! How one value is written in SCIM and in the application.

use std::borrow::Cow;

use serde_json::Value;

use crate::scim::instant::Instant;
use crate::scim::schema::Kind;

/// A two-way conversion between a SCIM value and a native value.
#[derive(Clone, Debug, PartialEq)]
pub enum Codec {
    /// The same value.
    Same,
    /// Seconds since 1970 for a `dateTime`.
    EpochSeconds,
    /// Milliseconds since 1970 for a `dateTime`.
    EpochMillis,
    /// Lower-case text.
    Lowercase,
    /// A native text for a SCIM number or boolean.
    Text,
    /// A native whole number for a SCIM text.
    Integer,
    /// The opposite boolean.
    Not,
    /// Native text with commas for a SCIM list.
    Csv,
    /// A native address for the text that is its last segment.
    LastSegment,
    /// A fixed shape around the value.
    Template {
        /// The text before the value.
        before: String,
        /// The text after it.
        after: String,
    },
    /// Each byte outside some characters as a mark and two hexadecimal digits.
    Escape {
        /// The character before the digits.
        mark: char,
        /// The first and the last of each range of characters that stay as they are.
        keep: Vec<(char, char)>,
    },
    /// One after the other from SCIM to native, and backwards.
    Chain(Vec<Codec>),
    /// SCIM values and their native values, one for one.
    Enum {
        /// Pairs of SCIM and native value.
        pairs: Vec<(Value, Value)>,
        /// The SCIM value of every other native value.
        otherwise: Option<Value>,
    },
}

impl Codec {
    /// The native value for a SCIM value. The error says what would be accepted.
    pub fn encode(&self, scim: &Value) -> Result<Value, String> {
        if let (Value::Array(items), false) = (scim, matches!(self, Codec::Csv)) {
            return items.iter().map(|item| self.encode(item)).collect();
        }
        Ok(match self {
            Codec::Same => scim.clone(),
            Codec::EpochSeconds => instant(scim)?.seconds().into(),
            Codec::EpochMillis => instant(scim)?.milliseconds().into(),
            Codec::Lowercase => match scim.as_str() {
                Some(text) => text.to_lowercase().into(),
                None => scim.clone(),
            },
            Codec::Text => text_of(scim).into(),
            Codec::Integer => {
                let text = text_of(scim);
                let number: i64 = text.parse().map_err(|_| format!("`{text}` is not a whole number"))?;
                // A second spelling of the same number would be a second name for the same resource.
                if number.to_string() != text {
                    return Err(format!("`{text}` is not a whole number"));
                }
                number.into()
            }
            Codec::Not => match scim.as_bool() {
                Some(value) => Value::Bool(!value),
                None => return Err("`true` or `false` is expected".to_owned()),
            },
            Codec::Csv => match scim {
                Value::Array(items) => {
                    let items: Vec<String> = items.iter().map(text_of).collect();
                    match items.iter().find(|item| item.contains(',')) {
                        Some(item) => return Err(format!("`{item}` has a comma, which separates values")),
                        None => items.join(",").into(),
                    }
                }
                single => text_of(single).into(),
            },
            Codec::LastSegment => match text_of(scim) {
                text if text.contains('/') => return Err(format!("`{text}` has a `/`, and is to be one segment")),
                text => text.into(),
            },
            Codec::Template { before, after } => format!("{before}{}{after}", text_of(scim)).into(),
            Codec::Escape { mark, keep } => escape(&text_of(scim), *mark, keep).into(),
            Codec::Chain(all) => all.iter().try_fold(scim.clone(), |value, codec| codec.encode(&value))?,
            Codec::Enum { pairs, .. } => match pairs.iter().find(|(key, _)| same(key, scim)) {
                Some((_, native)) => native.clone(),
                None => {
                    let allowed: Vec<String> = pairs.iter().map(|(key, _)| text_of(key)).collect();
                    return Err(format!("`{}` is none of: {}", text_of(scim), allowed.join(", ")));
                }
            },
        })
    }

    /// Whether `scim` has one native value only: what an enum reads several as, or everything else, has many, so that a native
    /// query for one of them would miss the rest.
    pub fn is_exact(&self, scim: &Value) -> bool {
        match self {
            Codec::Enum { pairs, otherwise } => {
                let natives = pairs.iter().filter(|(key, _)| same(key, scim)).count();
                natives < 2 && otherwise.as_ref().is_none_or(|otherwise| !same(otherwise, scim))
            }
            _ => true,
        }
    }

    /// The SCIM value, of type `kind`, for a native value, which it is itself where nothing has to be changed. `None`
    /// where the native value says nothing.
    pub fn decode<'v>(&'v self, native: Cow<'v, Value>, kind: Kind) -> Option<Cow<'v, Value>> {
        if let Codec::Enum { pairs, otherwise } = self {
            return match pairs.iter().find(|(_, value)| same(value, &native)) {
                Some((scim, _)) => Some(Cow::Borrowed(scim)),
                None => otherwise.as_ref().map(Cow::Borrowed),
            };
        }
        let value: Value = match self {
            Codec::EpochSeconds => Instant::from_seconds(number(&native)?)?.to_string().into(),
            Codec::EpochMillis => Instant::from_milliseconds(number(&native)?)?.to_string().into(),
            Codec::Not => Value::Bool(!truth(&native)?),
            Codec::Csv => {
                let text = native.as_str()?;
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                return Some(Cow::Owned(items.map(Value::from).collect()));
            }
            Codec::LastSegment => match native.as_str() {
                Some(text) if text.contains('/') => last_segment(text)?.into(),
                _ => return coerce(native, kind),
            },
            Codec::Template { before, after } => {
                let text = native.as_str()?;
                text.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?.into()
            }
            Codec::Escape { mark, .. } => unescape(native.as_str()?, *mark)?.into(),
            Codec::Chain(all) => {
                let mut backwards = all.iter().rev();
                let value = backwards.try_fold(native, |value, codec| codec.decode(value, Kind::String))?;
                return coerce(value, kind);
            }
            _ => return coerce(native, kind),
        };
        coerce(Cow::Owned(value), kind)
    }
}

/// Brings a native value into the JSON type that SCIM has for `kind`. What cannot be is nothing.
fn coerce(value: Cow<'_, Value>, kind: Kind) -> Option<Cow<'_, Value>> {
    let made: Value = match (kind, &*value) {
        (_, Value::Null) => return None,
        (_, Value::Array(items)) if kind != Kind::Complex => {
            let items = items.iter().filter_map(|item| coerce(Cow::Borrowed(item), kind));
            items.map(Cow::into_owned).collect()
        }
        (Kind::Boolean, other) => truth(other)?.into(),
        (Kind::Integer, other) => number(other)?.into(),
        (Kind::Decimal, Value::Number(_)) => return Some(value),
        (Kind::Decimal, Value::String(text)) => Value::Number(text.parse().ok()?),
        (Kind::Complex, Value::Object(_) | Value::Array(_)) => return Some(value),
        (Kind::Complex | Kind::Decimal, _) => return None,
        (Kind::DateTime, Value::String(text)) => {
            let instant = Instant::parse(text)?;
            let has_offset = text.ends_with(['Z', 'z']) || text.rsplit(['T', 't']).next()?.contains(['+', '-']);
            if has_offset && Instant::is_whole(text) {
                return Some(value);
            }
            instant.to_string().into()
        }
        (Kind::DateTime, Value::Number(_) | Value::Bool(_)) => return None,
        // What clients clear with an empty text is then as unset as they see it.
        (_, Value::String(text)) => return (!text.is_empty()).then_some(value),
        (_, other @ (Value::Number(_) | Value::Bool(_))) => text_of(other).into(),
        (_, Value::Object(_) | Value::Array(_)) => return None,
    };
    Some(Cow::Owned(made))
}

/// The last segment of an address or a path that is not empty, as it was before it was percent-encoded.
pub fn last_segment(address: &str) -> Option<String> {
    let address = address.split(['?', '#']).next()?;
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => address,
    };
    let last = path.rsplit('/').find(|segment| !segment.is_empty())?;
    percent_encoding::percent_decode_str(last).decode_utf8().ok().map(Cow::into_owned)
}

fn escape(text: &str, mark: char, keep: &[(char, char)]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if keep.iter().any(|(first, last)| (*first..=*last).contains(&c)) {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push(mark);
                out.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
            }
        }
    }
    out
}

/// The text before [`escape`]. A mark without a code after it stands for itself.
fn unescape(text: &str, mark: char) -> Option<String> {
    let mut parts = text.split(mark);
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            out.extend(part.bytes().skip(2));
        } else {
            out.extend(mark.encode_utf8(&mut [0; 4]).bytes());
            out.extend(part.bytes());
        }
    }
    String::from_utf8(out).ok()
}

/// A scalar as text; anything else as JSON.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Whether a value where a list belongs is one of nothing: an empty text or object is how some write an empty list.
pub fn is_no_element(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            // Applications write epoch seconds with fractions; what is below a second is not kept.
            #[allow(clippy::cast_possible_truncation)]
            number.as_f64().filter(|value| value.abs() < 9e15).map(|value| value as i64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Number(number) => number.as_i64().map(|value| value != 0),
        Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        _ => None,
    }
}

/// Whether two values are the same but for the JSON type: `true` and `"true"`, 1 and `"1"`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Null, _) | (_, Value::Null) => a == b,
        _ => a == b || text_of(a) == text_of(b),
    }
}

fn instant(value: &Value) -> Result<Instant, String> {
    let text = value.as_str().unwrap_or_default();
    Instant::parse(text).ok_or_else(|| format!("`{text}` is not a date and time such as 2026-01-31T12:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn converts_both_ways() {
        let status = Codec::Enum {
            pairs: vec![(json!(true), json!("ACTIVE")), (json!(false), json!("SUSPENDED"))],
            otherwise: Some(json!(false)),
        };
        let shape = Codec::Template { before: "@".into(), after: ":example.org".into() };
        let escape = Codec::Escape { mark: '=', keep: vec![('a', 'z'), ('0', '9'), ('.', '.')] };
        for (codec, kind, scim, native) in [
            (escape.clone(), Kind::String, json!("é=Ab.c"), json!("=c3=a9=3d=41b.c")),
            (
                Codec::Chain(vec![escape.clone(), shape.clone()]),
                Kind::String,
                json!("ada@example.com"),
                json!("@ada=40example.com:example.org"),
            ),
            (Codec::Same, Kind::String, json!("x"), json!("x")),
            (Codec::EpochSeconds, Kind::DateTime, json!("2026-11-23T16:50:43Z"), json!(1_795_452_643)),
            (Codec::EpochMillis, Kind::DateTime, json!("2026-11-23T16:50:43.5Z"), json!(1_795_452_643_500_i64)),
            (Codec::Same, Kind::DateTime, json!("2026-11-23T16:50:43+01:00"), json!("2026-11-23T16:50:43+01:00")),
            (Codec::Integer, Kind::String, json!("7"), json!(7)),
            (Codec::Text, Kind::Boolean, json!(true), json!("true")),
            (Codec::Not, Kind::Boolean, json!(true), json!(false)),
            (Codec::Csv, Kind::String, json!(["a", "b"]), json!("a,b")),
            (status.clone(), Kind::Boolean, json!(true), json!("ACTIVE")),
            (shape, Kind::String, json!("alice"), json!("@alice:example.org")),
        ] {
            assert_eq!(codec.encode(&scim), Ok(native.clone()), "{codec:?}");
            assert_eq!(codec.decode(Cow::Owned(native), kind).as_deref(), Some(&scim), "{codec:?}");
        }
        for (native, scim) in [
            (json!("2026-11-23T16:50:43.5"), Some(json!("2026-11-23T16:50:43.5Z"))),
            (json!("2026-11-23 16:50:43"), Some(json!("2026-11-23T16:50:43Z"))),
            (json!("0000-00-00 00:00:00"), None),
            (json!("never"), None),
            (json!(1_795_452_643), None),
        ] {
            assert_eq!(Codec::Same.decode(Cow::Owned(native), Kind::DateTime).as_deref(), scim.as_ref());
        }
        assert_eq!(status.decode(Cow::Owned(json!("INVITED")), Kind::Boolean).as_deref(), Some(&json!(false)));
        assert!(Codec::Integer.encode(&json!("07")).is_err());
        // Names that were not made by the codec.
        for native in ["a=", "a=4", "a=zz", "a=é"] {
            let decoded = escape.decode(Cow::Owned(json!(native)), Kind::String);
            assert_eq!(decoded.as_deref(), Some(&json!(native)));
        }
        assert_eq!(escape.decode(Cow::Owned(json!("a=ff")), Kind::String), None);
        for (native, scim) in [
            (json!("http://host/3.1/users/a%40b"), Some(json!("a@b"))),
            (json!("/users/5/?all#top"), Some(json!("5"))),
            (json!("a%40b"), Some(json!("a%40b"))),
            (json!(5), Some(json!("5"))),
            (json!("http://host/"), None),
            (json!("http://host:8001"), None),
        ] {
            let decoded = Codec::LastSegment.decode(Cow::Owned(native), Kind::String);
            assert_eq!(decoded.as_deref(), scim.as_ref());
        }
        assert_eq!(Codec::LastSegment.encode(&json!("5")), Ok(json!("5")));
        assert!(Codec::LastSegment.encode(&json!("users/5")).is_err());
        let folded = Codec::Chain(vec![Codec::Lowercase, escape]);
        assert_eq!(folded.encode(&json!("Ada@X")), Ok(json!("ada=40x")));
    }
}
