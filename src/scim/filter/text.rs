//! Comparison of strings without regard to letter case, without allocation where the needle is ASCII.

use std::cmp::Ordering;

fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

pub(in crate::scim) fn fold(text: &str) -> String {
    folded(text).collect()
}

pub(in crate::scim) fn equal(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!(a.is_ascii() && b.is_ascii()) && folded(a).eq(folded(b)))
}

pub(in crate::scim) fn compare(a: &str, b: &str) -> Ordering {
    folded(a).cmp(folded(b))
}

pub(in crate::scim) fn starts_with(text: &str, needle: &str) -> bool {
    if needle.is_ascii() {
        let head = text.as_bytes().get(..needle.len());
        return head.is_some_and(|head| head.eq_ignore_ascii_case(needle.as_bytes()));
    }
    let mut text = folded(text);
    folded(needle).all(|c| text.next() == Some(c))
}

pub(in crate::scim) fn ends_with(text: &str, needle: &str) -> bool {
    if needle.is_ascii() {
        let Some(start) = text.len().checked_sub(needle.len()) else {
            return false;
        };
        let tail = text.as_bytes().get(start..);
        return tail.is_some_and(|tail| tail.eq_ignore_ascii_case(needle.as_bytes()));
    }
    text.to_lowercase().ends_with(&needle.to_lowercase())
}

pub(in crate::scim) fn contains(text: &str, needle: &str) -> bool {
    if needle.is_empty() {
        return true;
    }
    if needle.is_ascii() {
        return text.as_bytes().windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
    }
    text.to_lowercase().contains(&needle.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_beyond_ascii() {
        assert!(equal("ÅSA", "åsa") && !equal("ÅSA", "asa"));
        assert!(starts_with("Éva Nagy", "éVA") && ends_with("Jo ÉVA", "éva"));
        assert!(contains("xxÉvaxx", "éVA") && contains("ünïX", "X") && contains("", ""));
        assert!(!starts_with("a", "ab") && !ends_with("b", "ab"));
        assert_eq!(compare("abc", "ABD"), Ordering::Less);
    }
}
