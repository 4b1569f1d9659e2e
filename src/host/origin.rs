//! Where native calls go, for hosts that take an origin.

use crate::engine::is_authority;

const EXPECTED: &str = "the application's origin, such as `http://127.0.0.1:8080`";

/// The scheme and the authority that a setting names.
pub(super) fn origin<'u>(setting: &str, upstream: &'u str) -> Result<(&'u str, &'u str), String> {
    if upstream.is_empty() {
        return Err(format!("`{setting}` is not set: it must be {EXPECTED}"));
    }
    if upstream.contains('@') {
        return Err(format!(
            "`{setting}` holds a user name or a password: it must be {EXPECTED}, and the mapping \
             says how native calls authenticate"
        ));
    }
    let parts = upstream
        .trim()
        .trim_end_matches('/')
        .split_once("://")
        .filter(|(scheme, authority)| matches!(*scheme, "http" | "https") && is_authority(authority));
    parts.ok_or_else(|| format!("`{setting}` is `{upstream}`: it must be {EXPECTED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_is_one() {
        for (upstream, expected) in [
            ("http://127.0.0.1:8080", ("http", "127.0.0.1:8080")),
            ("https://app.example.com", ("https", "app.example.com")),
            ("http://[::1]:80", ("http", "[::1]:80")),
        ] {
            assert_eq!(origin("IT", upstream), Ok(expected));
        }
        for upstream in [
            "app",
            "127.0.0.1:80",
            "ftp://app",
            "http://",
            "http://app/api",
            "http://app?x",
            "http://a b",
            "http://a:b",
        ] {
            assert!(origin("IT", upstream).unwrap_err().contains(&format!("is `{upstream}`")), "{upstream}");
        }
        assert!(origin("IT", "").unwrap_err().contains("not set"));
        assert!(!origin("IT", "http://user:hunter2@app").unwrap_err().contains("hunter2"));
    }
}
