//! Lists: their paging, their filters, and the members of groups.

use std::fmt::Write as _;

use serde_json::Value;

use super::Paths;
use super::guess::{Row, is_id};
use super::openapi::{Document, plain};

const PAGES: &[&str] = &["page", "pagenumber"];
const OFFSETS: &[&str] = &["offset", "skip", "start", "first", "startindex"];
const CURSORS: &[&str] = &["cursor", "pagetoken", "nexttoken", "after", "startingafter", "from"];
const SIZES: &[&str] = &["perpage", "pagesize", "size", "limit", "max", "count", "maxresults"];
const TOTALS: &[&str] = &["total", "totalcount", "totalresults", "totalelements", "totalitems"];
const NEXTS: &[&str] = &["nextcursor", "nexttoken", "nextpagetoken", "next", "cursor", "after"];

pub(super) fn list(out: &mut String, document: &Document, paths: &Paths, reply: &Value, rows: &[Row]) {
    out.push_str("    list:\n");
    paging(out, document, &paths.all, reply, 6);
    let parameters = document.parameters(&paths.all, "get");
    let mut filters = String::new();
    for row in rows.iter().filter(|row| row.attribute != "id") {
        let Some(native) = &row.native else { continue };
        let last = plain(native.rsplit('.').next().unwrap_or_default());
        if let Some((name, _)) = parameters.iter().find(|(name, _)| plain(name) == last) {
            let key = row.attribute.trim_matches('\'');
            let _ = writeln!(
                filters,
                "        '{key} eq': {{ query: {{ {name}: '{{value}}' }} }}  # the parameter has the field's name"
            );
        }
    }
    let main = rows.iter().find(|row| ["userName", "displayName"].contains(&row.attribute));
    let search = parameters.iter().find(|(name, _)| ["search", "q", "query"].contains(&plain(name).as_str()));
    if let (Some(row), Some((name, _))) = (main, search)
        && !filters.contains(&format!("'{} eq'", row.attribute))
    {
        let _ = writeln!(
            filters,
            "        {} eq: {{ query: {{ {name}: '{{value}}' }} }}  # a search is taken to find at least the exact value",
            row.attribute
        );
    }
    if !filters.is_empty() {
        let _ = write!(out, "      filters:\n{filters}");
    }
    out.push_str("      otherwise: scan  # other filters read the list, up to limits.scan\n");
}

fn paging(out: &mut String, document: &Document, path: &str, reply: &Value, indent: usize) {
    let parameters = document.parameters(path, "get");
    let find = |names: &[&str]| names.iter().find_map(|name| parameters.iter().find(|(it, _)| plain(it) == *name));
    let size = find(SIZES);
    let max = size.and_then(|(_, schema)| schema.get("maximum")).and_then(Value::as_u64);
    let (max, why) = max.map_or((100, "the largest page is not in the document: 100 is assumed"), |max| {
        (max, "the largest page, from `maximum`")
    });
    let size = size.map(|(name, _)| format!(", size: {name}")).unwrap_or_default();
    let fields = document.fields(reply);
    let field = |names: &[&str]| {
        names.iter().find_map(|name| fields.iter().find(|field| field.plain() == *name && !field.is("array")))
    };
    let pad = " ".repeat(indent);
    let rows = document.rows(reply).map(|(at, _)| at).filter(|at| !at.is_empty());
    let first = |schema: &Value, usual: u64| {
        let given = schema.get("default").or_else(|| schema.get("minimum")).and_then(Value::as_u64);
        given.filter(|first| *first <= 1).unwrap_or(usual)
    };
    let mut total = field(TOTALS).map(|field| field.path.clone());
    if total.is_none() {
        total = document
            .header(path, "get", |name| plain(name).contains("total"))
            .map(|name| format!("{{ header: {name} }}"));
    }
    let style = match (find(CURSORS), find(PAGES), find(OFFSETS)) {
        (Some((name, _)), _, _) if field(NEXTS).is_some() => {
            let next = field(NEXTS).map(|field| field.path.clone()).unwrap_or_default();
            Some((format!("cursor: {{ param: {name}, next: {{ body: {next} }}{size}, max: {max} }}"), why))
        }
        (_, Some((name, schema)), _) => {
            Some((format!("page: {{ param: {name}, first: {}{size}, max: {max} }}", first(schema, 1)), why))
        }
        (_, _, Some((name, schema))) => {
            Some((format!("offset: {{ param: {name}, first: {}{size}, max: {max} }}", first(schema, 0)), why))
        }
        _ if document.header(path, "get", |name| name.eq_ignore_ascii_case("link")).is_some() => {
            Some(("link: true".to_owned(), "the reply has a `Link` header field"))
        }
        _ => None,
    };
    let Some((style, why)) = style else {
        if let Some(rows) = rows {
            let _ = writeln!(out, "{pad}items: {rows}  # no paging is found: a reply is taken for the whole list");
        }
        return;
    };
    let _ = writeln!(out, "{pad}paging:\n{pad}  {style}  # {why}");
    if let Some(rows) = rows {
        let _ = writeln!(out, "{pad}  items: {rows}");
    }
    if let Some(total) = total {
        let _ = writeln!(out, "{pad}  total: {total}  # guessed from the name");
    }
}

/// The members of a group, where they are a resource below it.
pub(super) fn members(out: &mut String, document: &Document, paths: &Paths) {
    let Some(all) = document.0.get("paths").and_then(Value::as_object) else { return };
    if paths.one_written.is_empty() {
        return;
    }
    let found = ["members", "users", "memberships"].iter().map(|name| format!("{}/{name}", paths.one_written));
    let Some(path) = found.into_iter().find(|path| document.operation(path, "get").is_some()) else {
        out.push_str("    # the document has no list of a group's members below the group: add `members:`\n");
        return;
    };
    let native = format!(
        "{}{}",
        paths.one.as_deref().unwrap_or_default(),
        path.strip_prefix(&paths.one_written).unwrap_or_default()
    );
    let single = all.keys().find(|it| {
        it.strip_prefix(&path)
            .is_some_and(|rest| rest.starts_with("/{") && rest.ends_with('}') && !rest[1..].contains('/'))
    });
    let reply = document.reply(&path, "get").unwrap_or(&Value::Null);
    let row = document.rows(reply).map(|(_, row)| document.fields(row)).unwrap_or_default();
    let user = |name: &str| ["userid", "memberid"].contains(&plain(name).as_str());
    let member = row.iter().find(|field| user(&field.path)).or_else(|| row.iter().find(|field| is_id(&field.path)));
    let member = member.map_or("id", |field| field.path.as_str());
    let keyed = user(member) && row.iter().any(|field| field.path == "id");
    let single_has = |method| single.is_some_and(|path| document.operation(path, method).is_some());
    let sent = document.request(&path, "post").map(|schema| document.fields(schema)).unwrap_or_default();
    let add = if single_has("put") && !keyed {
        format!("{{ method: PUT, path: '{native}/{{member}}' }}")
    } else if document.operation(&path, "post").is_some() {
        let list = sent.iter().find(|field| field.is("array"));
        match (list, sent.iter().find(|field| user(&field.path) || is_id(&field.path))) {
            (Some(list), None) => {
                format!("{{ method: POST, path: '{native}', body: {{ {}: '{{members}}' }} }}", list.path)
            }
            (_, Some(field)) => format!(
                "{{ method: POST, path: '{native}', body: {{ {}: '{{member}}' }}, already: [409] }}",
                field.path
            ),
            _ => format!("{{ method: POST, path: '{native}', body: {{ user_id: '{{member}}' }}, already: [409] }}"),
        }
    } else {
        String::new()
    };
    out.push_str("    members:\n      list:\n");
    let _ = writeln!(
        out,
        "        path: '{native}'\n        member: {member}  # the member's id in a row, guessed from the name"
    );
    if keyed {
        out.push_str("        key: id  # the membership's own key, beside the member's\n");
    }
    paging(out, document, &path, reply, 8);
    if !add.is_empty() && single_has("delete") {
        let key = if keyed { "key" } else { "member" };
        let _ = writeln!(out, "      add: {add}  # from the document's calls below the group");
        let _ = writeln!(out, "      remove: {{ method: DELETE, path: '{native}/{{{key}}}', absent: [404] }}");
    } else {
        out.push_str("      # the document has no calls that add and remove one member: members are read only\n");
    }
}
