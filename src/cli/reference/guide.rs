//! The guide is followed: its files are written down, its commands run, and their output compared.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::{check, explain};

const GUIDE: &str = include_str!("../../../docs/from-your-api-to-scim.md");

fn output(command: &str, files: &BTreeMap<String, String>) -> String {
    let (words, body) = match command.split_once(" '") {
        Some((words, body)) => (words, body.trim_end_matches('\'')),
        None => (command, ""),
    };
    let words: Vec<&str> = words.split(' ').collect();
    match words.as_slice() {
        ["scim-edge", "check", file] => check::told(&files[*file], file).0,
        ["scim-edge", "explain", file, "--", method, target] => {
            explain::told(&files[*file], file, (method, target, body), (None, "tenant"), false).unwrap()
        }
        other => panic!("the guide has a command that is not followed: {other:?}"),
    }
}

/// The lines of an output; JSON at the end of one as it is read, whatever the order of its keys.
fn lines(text: &str) -> Vec<(String, Value)> {
    let read = |line: &str| {
        let at = line.find('{').unwrap_or(line.len());
        match serde_json::from_str(&line[at..]) {
            Ok(json) => (line[..at].to_owned(), json),
            Err(_) => (line.to_owned(), Value::Null),
        }
    };
    text.trim_end().lines().map(read).collect()
}

#[test]
fn the_guide_says_what_happens() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut commands = 0;
    let mut blocks = GUIDE.split("```").skip(1).step_by(2);
    for block in &mut blocks {
        let (info, text) = block.split_once('\n').unwrap();
        match info.split_once(' ') {
            Some(("yaml", name)) => match name.strip_suffix('+') {
                Some(name) => files.get_mut(name).unwrap().push_str(text),
                None => drop(files.insert(name.to_owned(), text.to_owned())),
            },
            None if info == "console" => {
                let (command, expected) = text.strip_prefix("$ ").unwrap().split_once('\n').unwrap();
                let found = output(command, &files);
                assert_eq!(lines(&found), lines(expected), "{command}");
                commands += 1;
            }
            _ => {}
        }
    }
    assert!(commands >= 6);
}
