//! Where native calls go, for hosts that take an origin.

const EXPECTED: &str = "the application's origin, such as `http://127.0.0.1:8080`";

/// The scheme and the authority that `SCIM_EDGE_UPSTREAM` names.
pub(super) fn origin(upstream: &str) -> Result<(&str, &str), String> {
    if upstream.is_empty() {
        return Err(format!("`SCIM_EDGE_UPSTREAM` is not set: it must be {EXPECTED}"));
    }
    if upstream.contains('@') {
        return Err(format!(
            "`SCIM_EDGE_UPSTREAM` holds a user name or a password: it must be {EXPECTED}, and the mapping \
             says how native calls authenticate"
        ));
    }
    let parts = upstream.split_once("://").filter(|(scheme, authority)| {
        matches!(*scheme, "http" | "https")
            && authority.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
    });
    parts.ok_or_else(|| format!("`SCIM_EDGE_UPSTREAM` is `{upstream}`: it must be {EXPECTED}"))
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
            assert_eq!(origin(upstream), Ok(expected));
        }
        for upstream in ["app", "127.0.0.1:80", "ftp://app", "http://", "http://app/api", "http://app?x", "http://a b"]
        {
            assert!(origin(upstream).unwrap_err().contains(&format!("is `{upstream}`")), "{upstream}");
        }
        assert!(origin("").unwrap_err().contains("not set"));
        assert!(!origin("http://user:hunter2@app").unwrap_err().contains("hunter2"));
    }
}
