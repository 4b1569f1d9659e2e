//! Three documents of different habits, `tests/openapi`, with the mapping that each becomes beside it.

use std::path::Path;

use super::*;

fn drafted(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let found = draft(&text, name).unwrap();
    let stem = name.rsplit_once('.').unwrap().0;
    let expected = std::fs::read_to_string(folder.join(format!("{stem}.mapping.yaml"))).unwrap_or_default();
    assert_eq!(found, expected, "{stem}.mapping.yaml differs from\n{found}");
    found
}

#[test]
fn pages_and_wrapped_bodies() {
    let mapping = drafted("pages.yaml");
    for line in
        ["item: data", "wrap: user", "page: { param: page, first: 1, size: per_page, max: 50 }", "total: meta.total"]
    {
        assert!(mapping.contains(line), "{line}\n{mapping}");
    }
    assert!(mapping.contains("enum: { true: \"ACTIVE\", false: \"SUSPENDED\" }, otherwise: false"), "{mapping}");
}

#[test]
fn offsets_and_a_bare_list() {
    let mapping = drafted("offset.yaml");
    for line in ["offset: { param: first, first: 0, size: max, max: 100 }", "codec: not", "method: PUT, send: full"] {
        assert!(mapping.contains(line), "{line}\n{mapping}");
    }
}

#[test]
fn cursors_in_json() {
    let mapping = drafted("cursor.json");
    assert!(
        mapping.contains("cursor: { param: cursor, next: { body: paging.next_cursor }, size: limit, max: 200 }"),
        "{mapping}"
    );
}

#[test]
fn what_is_no_openapi_document_is_refused() {
    assert!(draft("swagger: '2.0'", "old.yaml").unwrap_err().to_string().contains("OpenAPI 3"));
    assert!(
        draft("openapi: 3.0.0\npaths: {}", "empty.yaml").unwrap_err().to_string().contains("no collection of users")
    );
}
