//! What a request may say about a user: known fields, their types, and nothing else.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::failure::Problem;

const TEXT: [&str; 9] =
    ["login", "email", "first_name", "last_name", "display_name", "title", "phone", "locale", "external_id"];

/// The fields of `dept` and the columns that they are kept in.
const DEPT: [(&str, &str); 2] = [("name", "dept_name"), ("code", "dept_code")];

const MAX_LENGTH: usize = 255;

/// Checked values by column; only what the request mentions.
pub(super) type Changes = BTreeMap<&'static str, Option<String>>;

/// What `input` says about a user. `creating` asks for the fields that a user cannot be without. Every
/// problem is reported, in the order of the fields.
pub(super) fn parse(input: &Map<String, Value>, creating: bool) -> Result<Changes, Vec<Problem>> {
    let mut changes = Changes::new();
    let mut problems = Vec::new();
    for (field, value) in input {
        if let Some(column) = TEXT.iter().copied().find(|known| known == field) {
            match text(field, value) {
                Ok(text) => drop(changes.insert(column, text)),
                Err(problem) => problems.push(problem),
            }
        } else if field == "status" {
            match value.as_str() {
                Some(status @ ("ACTIVE" | "SUSPENDED")) => {
                    changes.insert("status", Some(status.to_owned()));
                }
                _ => problems.push(Problem::invalid(field)),
            }
        } else if field == "dept" {
            dept(value, &mut changes, &mut problems);
        } else {
            problems.push(Problem::unknown_field(field));
        }
    }
    if creating && !input.contains_key("login") {
        problems.push(Problem::blank("login"));
    }
    if let Some(login) = changes.get("login") {
        match login.as_deref() {
            None | Some("") => problems.push(Problem::blank("login")),
            Some(login) if login.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                problems.push(Problem::invalid("login"));
            }
            Some(_) => {}
        }
    }
    if let Some(Some(email)) = changes.get("email") {
        let parts = email.split_once('@');
        if !parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@')) {
            problems.push(Problem::invalid("email"));
        }
    }
    if problems.is_empty() { Ok(changes) } else { Err(problems) }
}

/// The text of a string that is not too long, or of null; anything else is invalid.
pub(super) fn text(field: &str, value: &Value) -> Result<Option<String>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.chars().count() <= MAX_LENGTH => Ok(Some(text.clone())),
        _ => Err(Problem::invalid(field)),
    }
}

fn dept(value: &Value, changes: &mut Changes, problems: &mut Vec<Problem>) {
    match value {
        Value::Null => changes.extend(DEPT.map(|(_, column)| (column, None))),
        Value::Object(dept) => {
            for (field, value) in dept {
                let path = format!("dept.{field}");
                let Some((_, column)) = DEPT.iter().find(|(known, _)| known == field) else {
                    problems.push(Problem::unknown_field(&path));
                    continue;
                };
                match text(&path, value) {
                    Ok(text) => drop(changes.insert(column, text)),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        _ => problems.push(Problem::invalid("dept")),
    }
}
