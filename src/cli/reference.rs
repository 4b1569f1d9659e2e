//! The language reference, `docs/mapping.md`: made from the language's own types, so that it cannot say less or more.

#[cfg(test)]
mod guide;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::mapping::diagnostic::Code;
use crate::mapping::json_schema;
use crate::mapping::language::Form;
use crate::mapping::read::{Definitions, Read};

/// Two-line examples of every primitive, which are compiled by a test.
const EXAMPLES: &str = include_str!("reference/examples.md");

const BEGINNING: &str = "\
# The mapping language

<!-- Made by `scim-edge schema --markdown`. Change the types in src/mapping/language or src/cli/reference/examples.md. -->

One YAML or JSON document says how an application's own user API does what SCIM asks. `scim-edge check mapping.yaml` finds
its mistakes; `scim-edge explain mapping.yaml -- GET /Users` shows the calls that it makes; editors complete and check it
with [mapping.schema.json](mapping.schema.json). A guide that builds one up: [From your API to SCIM](from-your-api-to-scim.md).

";

const PLACEHOLDERS: &str = r"
## Placeholders

A text with placeholders is written by where it stands: percent-encoded in a path and a query, escaped between quotes in a query, JSON
in a body, never with a line break in a header field. A text that is exactly one placeholder keeps the value's type in a body, and
leaves a query parameter or a header field out where there is no value. `{{` and `}}` are braces.

| Placeholder | Stands for | Where |
|---|---|---|
| `{id}` | the native id | calls about a resource |
| `{userName}`, any row | the native value: in a path and in a delete the one that the resource has, elsewhere the one that is wanted | create, update, delete, actions |
| `{native.FIELD}` | a field of the resource's own native object | update, delete, actions |
| `{changed}` | the native fields that are changed, as a list | update |
| `{value}` | what a filter compares with | `list.filters`, codec templates |
| `{member}`, `{members}` | a member's native id, or all of them as a list | `members` |
| `{key}` | the membership's own key | `members.remove` |
| `{token}` | the token of a login | `auth.login.value` |
| `{env.NAME}` | an environment variable of the host, which must be set | everywhere |
| `{tenant}` | the tenant whose token the request has; also within `{env.KEY_{tenant}}` | everywhere |
";

/// The whole page.
pub(super) fn markdown() -> String {
    let schema = json_schema();
    let mut out = BEGINNING.to_owned();
    out.push_str("## Tables\n\nKeys in **bold** must be there.\n");
    let empty = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    let mut queue = vec!["Document".to_owned()];
    let mut done: Vec<String> = Vec::new();
    while let Some(name) = queue.pop() {
        if done.contains(&name) {
            continue;
        }
        let Some(table) = definitions.get(&name) else { continue };
        let mut referred = Vec::new();
        table_section(&mut out, &name, table, &mut referred);
        queue.extend(referred.into_iter().rev());
        done.push(name);
    }
    out.push_str(PLACEHOLDERS);
    let forms = words(&Form::schema(&mut Definitions::default())).replace('|', "\\|");
    let _ = writeln!(out, "| `{{name\\|form}}` | the value in another form{forms} | everywhere |");
    out.push_str("\n## Diagnostics\n\nA code is never given a second meaning. `tests/diagnostics` has an example of each.\n\n| Code | Meaning |\n|---|---|\n");
    for code in Code::ALL {
        let _ = writeln!(out, "| {} | {} |", code.as_str(), code.explanation().trim());
    }
    out.push('\n');
    out.push_str(EXAMPLES);
    out
}

fn table_section(out: &mut String, name: &str, table: &Value, referred: &mut Vec<String>) {
    let text = |value: &Value| value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let _ = writeln!(out, "\n### {name}\n\n{}\n\n| Key | Value | Meaning |\n|---|---|---|", text(table));
    let required: Vec<&str> =
        table.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut keys: Vec<_> = table.get("properties").and_then(Value::as_object).into_iter().flatten().collect();
    keys.sort_by_key(|(key, _)| (!required.contains(&key.as_str()), key.as_str()));
    for (key, value) in keys {
        let shown = if required.contains(&key.as_str()) { format!("**`{key}`**") } else { format!("`{key}`") };
        let meaning = text(value).replace('|', "\\|");
        let _ = writeln!(out, "| {shown} | {} | {meaning}{} |", sort(value, referred), words(value));
    }
}

/// What sort of value it is, in a few words; the tables that it refers to are noted.
fn sort(schema: &Value, referred: &mut Vec<String>) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|it| it.rsplit('/').next()) {
        referred.push(name.to_owned());
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
        let mut all: Vec<String> = alternatives.iter().map(|it| sort(it, referred)).collect();
        all.dedup();
        return all.join(" or ");
    }
    if schema.get("oneOf").is_some() {
        return "word".to_owned();
    }
    let Some(kind) = schema.get("type") else { return "any value".to_owned() };
    match kind.as_str() {
        Some("array") => {
            format!("list of: {}", schema.get("items").map(|items| sort(items, referred)).unwrap_or_default())
        }
        Some("object") => match schema.get("additionalProperties") {
            Some(value) => format!("table of: {}", sort(value, referred)),
            None => "table".to_owned(),
        },
        Some("integer") => "number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        _ => "text".to_owned(),
    }
}

/// The words that can stand there, each with its meaning.
fn words(schema: &Value) -> String {
    let mut out = String::new();
    let nested = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    for schema in std::iter::once(schema).chain(nested) {
        for word in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            let text = |key| word.get(key).and_then(Value::as_str).unwrap_or_default();
            let _ = write!(out, "<br>`{}`: {}", text("const"), text("description"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::mapping::{check, diagnose};

    fn shipped(name: &str) -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap_or_default()
    }

    #[test]
    fn the_shipped_reference_is_what_the_code_says() {
        let fresh = shipped("mapping.md") == markdown();
        assert!(fresh, "docs/mapping.md is stale: run `cargo run -- schema --markdown > docs/mapping.md`");
    }

    #[test]
    fn the_shipped_schema_is_what_the_code_says() {
        let shipped: Value = serde_json::from_str(&shipped("mapping.schema.json")).unwrap_or_default();
        let fresh = shipped == json_schema();
        assert!(fresh, "docs/mapping.schema.json is stale: run `cargo run -- schema > docs/mapping.schema.json`");
    }

    #[test]
    fn the_shipped_list_of_quirks_is_what_the_code_says() {
        let fresh = shipped("quirks.md") == crate::scim::dialect::markdown();
        assert!(fresh, "docs/quirks.md is stale: run `cargo run -- quirks > docs/quirks.md`");
    }

    /// The example in the mapping that it needs around it: `yaml document` stands at the top, `yaml User` in the
    /// resource, `yaml attributes` among the rows, `yaml Group` in a group, `yaml memberships` in one whose users can be listed and updated, `yaml resources` beside the
    /// two.
    fn surrounded(place: &str, example: &str) -> String {
        let indent = |by: usize| example.lines().map(|line| format!("{:by$}{line}\n", "")).collect::<String>();
        let has = |key: &str| example.lines().any(|line| line.trim_start().starts_with(key));
        let mut out = "mapping: v1\n".to_owned();
        if place == "document" {
            out.push_str(example);
        }
        if place != "document" || !has("upstream:") {
            out.push_str("upstream: { base: /api }\n");
        }
        out.push_str("resources:\n  User:\n");
        if place != "User" || !example.lines().any(|line| line.starts_with("path:")) {
            out.push_str("    path: /users\n");
        }
        out.push_str("    attributes:\n");
        for (key, row) in [
            ("id:", "id: { native: id, access: read }"),
            ("userName:", "userName: { native: login, required: true }"),
            ("active:", "active: { native: enabled }"),
            ("password:", "password: { native: password, access: write }"),
        ] {
            if place != "attributes" || !has(key) {
                let _ = writeln!(out, "      {row}");
            }
        }
        if place == "attributes" {
            out.push_str(&indent(6));
        }
        if place == "User" {
            out.push_str(&indent(4));
        }
        if place == "memberships" {
            out.push_str("    list: {}\n    update: {}\n");
        }
        out.push_str("  Group:\n    attributes:\n      id: { native: id, access: read }\n      displayName: { native: name, required: true }\n");
        if !has("fixed:") {
            out.push_str("    path: /groups\n");
        }
        if place == "User" {
            out.push_str("    list: {}\n");
        }
        match place {
            "Group" | "memberships" => out.push_str(&indent(4)),
            "resources" => out.push_str(&indent(2)),
            _ => {}
        }
        out
    }

    #[test]
    fn every_example_compiles() {
        let mut count = 0;
        for block in EXAMPLES.split("```yaml ").skip(1) {
            let (place, rest) = block.split_once('\n').unwrap();
            let example = rest.split("```").next().unwrap();
            let mapping = surrounded(place, example);
            assert!(check(&mapping, "example").is_ok(), "{}\n{mapping}", diagnose(&mapping, "example"));
            count += 1;
        }
        assert!(count > 40, "only {count} examples");
    }

    #[test]
    fn every_key_of_the_language_has_an_example() {
        let schema = json_schema();
        let spoken = format!("{EXAMPLES}{}", include_str!("../../mappings/example.yaml"));
        for (name, table) in schema["$defs"].as_object().unwrap() {
            for key in table["properties"].as_object().unwrap().keys() {
                let written = spoken.contains(&format!("{key}:"));
                assert!(written, "`{key}` of {name} stands in no example of src/cli/reference/examples.md");
            }
        }
    }
}
