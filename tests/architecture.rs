//! The arrows between modules, as a table that the code is held against, so that the picture in `lib.rs` stays true.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of the library may use of the others. Not listed is not allowed.
const ARROWS: [(&str, &[&str]); 16] = [
    ("budget", &["policy", "protobuf", "transform"]),
    ("caller", &["policy"]),
    ("deployment", &["diagnostic", "policy"]),
    ("diagnostic", &[]),
    ("exchange", &["caller", "json", "policy", "program", "refusal", "rewrite"]),
    ("json", &["refusal"]),
    ("lib", &[]),
    ("openapi", &["diagnostic", "policy"]),
    ("plugin", &["caller", "exchange", "policy", "program", "protobuf", "refusal", "transform"]),
    ("policy", &["diagnostic", "protobuf"]),
    ("program", &["caller", "policy", "refusal", "transform"]),
    ("protobuf", &[]),
    ("refusal", &[]),
    ("rewrite", &["json", "policy", "program", "refusal", "transform"]),
    ("suite", &["caller", "diagnostic", "exchange", "policy", "program", "refusal", "transform"]),
    ("transform", &["policy"]),
];

/// Foreign crates that one place alone may name.
const CRATES: [(&str, &str); 9] = [
    ("siphasher", "src/budget/subject"),
    ("proxy_wasm", "src/plugin"),
    ("jsonpath_rust", "src/policy/field_path"),
    ("prost", "src/protobuf"),
    ("regex_lite", "src/policy/pattern"),
    ("serde_saphyr", "src/policy/yaml"),
    ("hmac", "src/transform/pseudonym"),
    ("annotate_snippets", "src/cli/"),
    ("clap", "src/cli"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("src"), &mut found);
    let relative =
        |path: &Path| path.strip_prefix(root).expect("a path under the root").to_string_lossy().replace('\\', "/");
    found.retain(|path| !path.ends_with("tests.rs"));
    found.into_iter().map(|path| (relative(&path), fs::read_to_string(&path).expect("a source file"))).collect()
}

/// The lines that are code: no comments, and nothing of a test module within a file.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| !line.trim_start().starts_with("//"))
}

/// The library's modules that a file names through `crate::`.
fn used(text: &str) -> BTreeSet<String> {
    let text: String = code(text).collect::<Vec<_>>().join(" ");
    let mut used = BTreeSet::new();
    for (at, found) in text.match_indices("crate::") {
        let rest = &text[at + found.len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String =
                name.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            if name.chars().next().is_some_and(char::is_lowercase) {
                used.insert(name);
            }
        }
    }
    used
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        let module = name.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default().to_owned();
        if module == "main" || module == "cli" {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == module) else {
            wrong.push(format!("{name}: the module `{module}` is not in the table"));
            continue;
        };
        for other in used(&text) {
            if other != module && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{name}: `{module}` uses `{other}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_foreign_crate_is_named_in_one_place() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        for (foreign, place) in CRATES {
            if name.starts_with(place) {
                continue;
            }
            let path = format!("{foreign}::");
            wrong
                .extend(code(&text).filter(|line| line.contains(&path)).map(|line| format!("{name}: {}", line.trim())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_command_line_sees_only_the_public_interface() {
    for (name, text) in all_sources() {
        if name.starts_with("src/cli") || name == "src/main.rs" {
            let inner: Vec<String> = used(&text).into_iter().filter(|module| module != "cli").collect();
            assert!(inner.is_empty(), "{name} reaches into the crate: {inner:?}");
        }
    }
}
