//! `tests/diagnostics`: one broken mapping for each code, and what is said about it, in the file beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostic::{Code, Diagnostics, Report};
use super::node::Node;
use super::template::Scope;
use super::{check, compile, diagnose};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

fn diagnosed(file: &str) -> Diagnostics {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    match compile(&text, file, &BTreeMap::new(), None) {
        Err(diagnostics) if file.starts_with("M301") || file.starts_with("M303") => diagnostics,
        _ => diagnose(&text, file),
    }
}

fn files() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_mapping = |name: &String| !name.ends_with(".txt") && !name.ends_with(".md") && !name.contains(".fixed.");
    let mut files: Vec<String> = entries.filter(is_mapping).collect();
    files.sort();
    files
}

#[test]
fn every_broken_mapping_is_explained_as_the_file_beside_it_says() {
    let mut wrong = Vec::new();
    for file in files() {
        let found = format!("{}\n", diagnosed(&file));
        let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
        let expected = std::fs::read_to_string(folder().join(format!("{stem}.txt"))).unwrap_or_default();
        if found != expected {
            wrong.push(format!("--- {stem}.txt should be\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_broken_mapping() {
    let files = files();
    for code in Code::ALL {
        let own: Vec<_> = files.iter().filter(|file| file.starts_with(code.as_str())).collect();
        assert!(!own.is_empty(), "{} has no mapping in tests/diagnostics", code.as_str());
        for file in own {
            let all = diagnosed(file).all;
            assert!(all.iter().any(|it| it.code == *code), "{file} is not about its code: {all:?}");
            assert!(all.iter().all(|it| !it.suggestion.is_empty() && it.at.line > 0), "{file}: {all:?}");
        }
    }
}

#[test]
fn ten_mistakes_are_ten_and_their_suggestions_fix_them() {
    let found = diagnosed("ten-mistakes.yaml");
    assert_eq!(found.all.len(), 10, "{found}");
    let broken = std::fs::read_to_string(folder().join("ten-mistakes.yaml")).unwrap();
    let fixed = std::fs::read_to_string(folder().join("ten-mistakes.fixed.yaml")).unwrap();
    let (broken, fixed): (Vec<&str>, Vec<&str>) = (broken.lines().collect(), fixed.lines().collect());
    let mut applied: Vec<String> = broken.iter().map(|line| (*line).to_owned()).collect();
    for it in &found.all {
        let wanted = it.suggestion.split('`').nth(1).unwrap_or_default();
        let line = fixed[it.at.line - 1];
        assert_ne!(broken[it.at.line - 1], line, "line {} is not fixed", it.at.line);
        assert!(line.contains(wanted), "line {} has no `{wanted}`, which was suggested: {line}", it.at.line);
        applied[it.at.line - 1] = line.to_owned();
    }
    assert_eq!(applied, fixed, "more is changed than the diagnostics point at");
    let fixed = fixed.join("\n");
    assert!(check(&fixed, "ten-mistakes.fixed.yaml").is_ok(), "{}", diagnose(&fixed, "ten-mistakes.fixed.yaml"));
}

#[test]
fn a_mapping_in_json_has_the_same_diagnostics() {
    let kinds = |diagnostics: &Diagnostics| {
        let mut kinds: Vec<_> = diagnostics.all.iter().map(|it| (it.code, it.suggestion.clone())).collect();
        kinds.sort();
        kinds
    };
    for file in
        files().iter().filter(|file| !file.starts_with("M00") && !file.starts_with("M301") && !file.starts_with("M303"))
    {
        let text = std::fs::read_to_string(folder().join(file)).unwrap();
        let json = Node::parse(&text, &mut Report::default()).unwrap().to_json();
        let json = serde_json::to_string_pretty(&json).unwrap();
        assert_eq!(kinds(&diagnose(&json, "mapping.json")), kinds(&diagnosed(file)), "{file}");
    }
}

#[test]
fn every_shipped_mapping_is_fine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for folder in ["mappings", "host-configs/spin"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for path in
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let found = diagnose(&text, &path.display().to_string());
            assert!(found.all.is_empty(), "{found}");
            checked += 1;
        }
    }
    assert!(checked >= 10, "only {checked} mappings");
}

/// What the environment says is text: what a path cannot have is escaped, what it can have is left alone.
#[test]
fn the_environment_s_texts_fit_into_paths() {
    let text = "{mapping: v1, upstream: {base: '/{env.REALM}'}, resources: {User: {path: '/realms/{env.REALM}/users', \
        attributes: {id: {native: id, access: read}, userName: {native: n, required: true}}}}}";
    for (realm, expected) in [("my realm", "my%20realm"), ("a/b%20c", "a/b%20c"), ("<x>", "%3Cx%3E"), ("é", "%C3%A9")]
    {
        let environment = BTreeMap::from([("REALM".to_owned(), realm.to_owned())]);
        let mapping = compile(text, "m.yaml", &environment, None).unwrap();
        let id = "7".into();
        let scope = Scope { id: Some(&id), ..Scope::default() };
        let call = mapping.resources[0].read.call.render(&scope).unwrap();
        assert_eq!(call.target, format!("/{expected}/realms/{expected}/users/7"));
    }
}
