//! Keeping secrets out of what clients are told. An application that quotes a value writes it as its message needs it.

/// What stands for a secret.
const MASK: &str = "…";

/// A message without `secret`, however it is escaped there.
pub(super) fn masked(message: &str, secret: &str) -> String {
    let plain = message.replace(secret, MASK);
    let mut out = String::with_capacity(plain.len());
    let mut rest = plain.as_str();
    while let Some(c) = rest.chars().next() {
        if let Some(after) = secret.chars().try_fold(rest, after) {
            out.push_str(MASK);
            rest = after;
        } else {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

/// What follows `wanted`, with which `text` begins.
fn after(text: &str, wanted: char) -> Option<&str> {
    let escaped = match text.chars().next()? {
        '\\' => after_backslash(text.get(1..)?, wanted),
        '&' => after_entity(text.get(1..)?, wanted),
        '%' => wanted.encode_utf8(&mut [0; 4]).bytes().try_fold(text, |text, byte| {
            let (digits, rest) = text.strip_prefix('%')?.split_at_checked(2)?;
            (u8::from_str_radix(digits, 16) == Ok(byte)).then_some(rest)
        }),
        '+' if wanted == ' ' => text.get(1..),
        _ => None,
    };
    escaped.or_else(|| text.strip_prefix(wanted))
}

/// As in JSON and program texts: `\"`, `\u00e9`.
fn after_backslash(text: &str, wanted: char) -> Option<&str> {
    let units = wanted.encode_utf16(&mut [0; 2]).to_vec();
    let coded = units.iter().enumerate().try_fold(text, |text, (index, unit)| {
        let (digits, rest) = text.strip_prefix(if index == 0 { "u" } else { "\\u" })?.split_at_checked(4)?;
        (u16::from_str_radix(digits, 16) == Ok(*unit)).then_some(rest)
    });
    coded.or_else(|| text.strip_prefix(wanted))
}

/// As in HTML: `&amp;`, `&#39;`, `&#x27;`.
fn after_entity(text: &str, wanted: char) -> Option<&str> {
    let (entity, rest) = text.split_once(';')?;
    let number = |digits: &str| match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    };
    let meant = match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => entity.strip_prefix('#').and_then(number).and_then(char::from_u32),
    };
    (meant == Some(wanted)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_however_it_is_escaped() {
        let secret = "a\"b'c\\d&é/<𝄞 +%";
        for said in [
            secret,
            r#"a\"b'c\\d&é/<𝄞 +%"#,
            r#"a\u0022b\u0027c\u005Cd\u0026\u00E9\/\u003c\ud834\udd1e +%"#,
            "a&quot;b&#39;c\\d&amp;é/&lt;𝄞 +%",
            "a&#34;b&#x27;c&#92;d&#38;&#xE9;&#47;&#60;&#119070; +%",
            "a%22b%27c%5cd%26%C3%A9/%3C%F0%9D%84%9E%20%2B%25",
            "a%22b%27c%5Cd%26%c3%a9%2F%3C%F0%9D%84%9E+%2B%25",
        ] {
            assert_eq!(masked(&format!("`{said}` is no {said}"), secret), "`…` is no …", "{said}");
        }
        for other in ["a\"b'c", "100 % & more;", "\\u00", "%2", "&#x", "é"] {
            assert_eq!(masked(other, secret), other);
        }
    }
}
