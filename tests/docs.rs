//! What the documentation says of tests is so.

use std::path::Path;

/// Every test that `docs/security.md` names, as `file::function` or as the folder of a case, is there.
#[test]
fn every_line_about_security_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut missing = Vec::new();
    for row in rows {
        let column = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = column.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            missing.push(format!("a test in `{row}`"));
        }
        for name in names {
            let (path, function) = name.split_once("::").unwrap_or((name, ""));
            let there = match std::fs::read_to_string(root.join(path)) {
                Ok(file) => file.contains(&format!("fn {function}(")) || function.is_empty(),
                Err(_) => function.is_empty() && root.join(path).is_dir(),
            };
            if !there {
                missing.push(name.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "docs/security.md names what is not there: {missing:#?}");
}
