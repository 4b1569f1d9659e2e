//! The names of SCIM 1.1 in filters, paths and lists of attributes.

use super::{CORE, ENTERPRISE, ENTERPRISE_USER};
use crate::scim::filter::CompareOp;
use crate::scim::filter::parse::pieces;

/// A filter, a path or a list of attribute names with the names of SCIM 2.0. What an attribute is compared with stays as
/// it is.
pub fn query_text(text: &str) -> String {
    let separates = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']');
    let mut out = String::with_capacity(text.len());
    let mut is_literal = false;
    for (quoted, piece) in pieces(text) {
        if quoted {
            out.push_str(piece);
            is_literal = false;
            continue;
        }
        for part in piece.split_inclusive(separates) {
            let word = part.strip_suffix(separates).unwrap_or(part);
            if is_literal {
                out.push_str(word);
            } else {
                out.push_str(&word.split(',').map(name).collect::<Vec<_>>().join(","));
            }
            out.push_str(part.get(word.len()..).unwrap_or_default());
            if !word.is_empty() {
                is_literal = !is_literal && CompareOp::parse(word).is_some();
            }
        }
    }
    out
}

/// One attribute path. SCIM 1.1 separates a URN from a name by a colon, its clients also by a dot.
fn name(text: &str) -> String {
    let text = match (after(ENTERPRISE, text), after(CORE, text)) {
        (Some(""), _) => ENTERPRISE_USER.to_owned(),
        (Some(rest), _) => format!("{ENTERPRISE_USER}:{rest}"),
        (None, Some(rest)) if !rest.is_empty() => rest.to_owned(),
        _ => text.to_owned(),
    };
    let above = text.len().checked_sub(MANAGER_ID.len()).and_then(|at| text.split_at_checked(at));
    match above {
        Some((manager, sub))
            if sub.eq_ignore_ascii_case(MANAGER_ID)
                && manager.rsplit(':').next().is_some_and(|name| name.eq_ignore_ascii_case("manager.")) =>
        {
            format!("{manager}value")
        }
        _ => text,
    }
}

const MANAGER_ID: &str = "managerId";

/// What follows a URN and its separator.
fn after<'t>(urn: &str, text: &'t str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(urn.len())?;
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix([':', '.'])? };
    head.eq_ignore_ascii_case(urn).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_renamed_and_literals_are_not() {
        let department = format!("{ENTERPRISE_USER}:department");
        for (text, expected) in [
            ("urn:scim:schemas:core:1.0:userName eq \"a\"", "userName eq \"a\""),
            (
                "urn:scim:schemas:core:1.0.name.givenName,title, URN:scim:schemas:core:1.0:id",
                "name.givenName,title, id",
            ),
            ("urn:scim:schemas:extension:enterprise:1.0.department", &department),
            ("not (urn:scim:schemas:extension:enterprise:1.0:department pr)", &format!("not ({department} pr)")),
            ("urn:scim:schemas:extension:enterprise:1.0", ENTERPRISE_USER),
            (
                "urn:scim:schemas:extension:enterprise:1.0:manager.managerId eq 7",
                &format!("{ENTERPRISE_USER}:manager.value eq 7"),
            ),
            ("Manager.managerID eq \"manager.managerId\"", "Manager.value eq \"manager.managerId\""),
            ("a eq \"urn:scim:schemas:core:1.0:X\" or b pr", "a eq \"urn:scim:schemas:core:1.0:X\" or b pr"),
            ("a eq \"\\\" manager.managerId\"", "a eq \"\\\" manager.managerId\""),
            ("a EQ manager.managerId and manager.managerId ne x", "a EQ manager.managerId and manager.value ne x"),
            ("a eq \"manager.managerId", "a eq \"manager.managerId"),
            ("xmanager.managerId", "xmanager.managerId"),
            ("urn:scim:schemas:core:1.0", "urn:scim:schemas:core:1.0"),
            ("urn:scim:schemas:core:1.01", "urn:scim:schemas:core:1.01"),
        ] {
            assert_eq!(query_text(text), expected, "{text}");
        }
    }
}
