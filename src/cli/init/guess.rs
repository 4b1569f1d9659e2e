//! What native names usually mean.

use serde_json::Value;

use super::openapi::{Field, plain};

/// SCIM attributes and the native names, in lower case without separators, that they usually have, the surest first.
const USER: &[(&str, &[&str])] = &[
    ("externalId", &["externalid", "extid"]),
    ("userName", &["username", "login", "loginname", "email", "mail"]),
    ("name.givenName", &["firstname", "givenname", "forename"]),
    ("name.familyName", &["lastname", "familyname", "surname"]),
    ("displayName", &["displayname", "fullname", "name"]),
    ("nickName", &["nickname", "nick"]),
    ("title", &["title", "jobtitle"]),
    ("'emails[type eq \"work\"].value'", &["email", "emailaddress", "mail", "primaryemail"]),
    ("'phoneNumbers[type eq \"work\"].value'", &["phone", "phonenumber", "telephone"]),
    ("locale", &["locale", "language", "lang"]),
    ("timezone", &["timezone", "tz"]),
    ("profileUrl", &["profileurl", "weburl", "htmlurl"]),
    (
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        &["department", "dept", "deptname", "departmentname"],
    ),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber", &["employeenumber", "employeeid"]),
];
const GROUP: &[(&str, &[&str])] =
    &[("externalId", &["externalid"]), ("displayName", &["displayname", "name", "title", "slug"])];
const TIMES: &[(&str, &[&str])] = &[
    ("meta.created", &["createdat", "created", "createdon", "creationtime", "datecreated"]),
    ("meta.lastModified", &["updatedat", "updated", "modifiedat", "lastmodified", "modified"]),
];
const ACTIVE: &[&str] = &["active", "enabled", "isactive", "isenabled"];
const INACTIVE: &[&str] = &["disabled", "deactivated", "blocked", "suspended", "locked", "isdisabled", "islocked"];
const ACTIVE_WORDS: &[&str] = &["active", "enabled", "activated", "normal"];
const INACTIVE_WORDS: &[&str] = &["suspended", "inactive", "disabled", "deactivated", "blocked", "locked"];

pub(super) fn is_id(name: &str) -> bool {
    ["id", "uuid", "guid", "userid", "groupid", "teamid"].contains(&plain(name).as_str())
}

/// An attribute row, and why it is thought to be right.
pub(super) struct Row {
    pub(super) attribute: &'static str,
    pub(super) native: Option<String>,
    pub(super) text: String,
    pub(super) why: String,
}

/// The attribute rows for an object with these fields; `written` are those that a create takes, `needed` those that it
/// insists on.
pub(super) fn rows(is_user: bool, fields: &[Field], written: &[Field], needed: &[String]) -> Vec<Row> {
    let mut rows = vec![id(fields)];
    let find = |names: &[&str], used: &[Row]| {
        let free = |field: &&Field| !used.iter().any(|row| row.native.as_deref() == Some(&field.path));
        let scalar = |field: &&Field| !field.is("array") && !field.is("object");
        // The name of something else in the object is not the object's own.
        let own = |field: &Field| match field.path.split_once('.') {
            Some((parent, _)) => {
                ["profile", "user", "attributes", "info"].contains(&plain(parent).as_str()) || field.plain() != "name"
            }
            None => true,
        };
        let is = |field: &&Field, name: &str| (field.plain() == name && own(field)) || plain(&field.path) == name;
        names.iter().find_map(|name| fields.iter().filter(free).filter(scalar).find(|field| is(field, name)))
    };
    for (attribute, names) in if is_user { USER } else { GROUP } {
        let main = if is_user { "userName" } else { "displayName" };
        let known = find(names, &rows);
        if known.is_none() && *attribute != main {
            continue;
        }
        let native =
            known.map_or_else(|| names.first().copied().unwrap_or_default().to_owned(), |field| field.path.clone());
        let mut text = format!("native: {native}");
        if *attribute == main {
            text.push_str(", required: true");
        } else if known.is_some_and(|field| field.schema.get("readOnly") == Some(&Value::Bool(true))) {
            text.push_str(", access: read");
        } else if needed.contains(&native) {
            text.push_str(", required: true");
        }
        if attribute.starts_with("'emails") {
            text.push_str(", primary: true");
        }
        let why = match known {
            Some(_) => format!("guessed from the name `{native}`"),
            None => "NOT in the document, and every resource must have it: name the field".to_owned(),
        };
        rows.push(Row { attribute, native: Some(native), text, why });
    }
    if is_user {
        rows.extend(active(fields));
        if let Some(field) = written.iter().find(|field| field.plain() == "password") {
            let text = format!("native: {}, access: write", field.path);
            rows.push(Row {
                attribute: "password",
                native: Some(field.path.clone()),
                text,
                why: "in the body that creates".to_owned(),
            });
        }
    }
    for (attribute, names) in TIMES {
        let Some(field) = find(names, &rows) else { continue };
        let (codec, why) = if field.is("integer") || field.is("number") {
            (", codec: epoch_seconds", "a number: taken for seconds; epoch_millis if it is milliseconds")
        } else {
            ("", "guessed from the name; expected to be written as 2026-01-31T12:00:00Z")
        };
        let text = format!("native: {}{codec}, access: read", field.path);
        rows.push(Row { attribute, native: Some(field.path.clone()), text, why: why.to_owned() });
    }
    rows
}

fn id(fields: &[Field]) -> Row {
    let known =
        fields.iter().find(|field| field.plain() == "id").or_else(|| fields.iter().find(|field| is_id(&field.path)));
    let native = known.map_or("id", |field| field.path.as_str()).to_owned();
    let codec = if known.is_some_and(|field| field.is("integer")) { ", codec: integer" } else { "" };
    let why = if known.is_some() { "the key in paths" } else { "NOT in the document: name the field that has the key" };
    Row {
        attribute: "id",
        text: format!("native: {native}, access: read{codec}"),
        native: Some(native),
        why: why.to_owned(),
    }
}

fn active(fields: &[Field]) -> Option<Row> {
    let row = |field: &Field, text: String, why: &str| Row {
        attribute: "active",
        native: Some(field.path.clone()),
        text: format!("native: {}{text}", field.path),
        why: why.to_owned(),
    };
    let named =
        |names: &[&str]| fields.iter().find(|field| names.contains(&field.plain().as_str()) && field.is("boolean"));
    if let Some(field) = named(ACTIVE) {
        return Some(row(field, String::new(), "guessed from the name"));
    }
    if let Some(field) = named(INACTIVE) {
        return Some(row(field, ", codec: not".to_owned(), "the opposite of active, by its name"));
    }
    let field = fields.iter().find(|field| ["status", "state"].contains(&field.plain().as_str()))?;
    let words: Vec<&str> = field.schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let word = |known: &[&str]| words.iter().find(|word| known.contains(&plain(word).as_str()));
    let (on, off) = (word(ACTIVE_WORDS)?, word(INACTIVE_WORDS)?);
    let text = format!(", enum: {{ true: {on:?}, false: {off:?} }}, otherwise: false");
    Some(row(field, text, &format!("one of {}; whatever is not {on} is not active", words.join(", "))))
}
