//! A policy's three sources give one policy, and broken ones give findings, never panics.
#![allow(clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::field_path;

pub(crate) const TELCO: &str = include_str!("../../policies/telco.yaml");

/// A policy of one YAML text.
pub(crate) fn yaml(text: &str) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    let files = BTreeMap::from([("policy.yaml".to_owned(), text.to_owned())]);
    load(&files, "policy.yaml").and_then(|doc| check(&doc))
}

/// A policy's debug form without its spans.
pub(crate) fn spanless(policy: &PolicySet) -> String {
    let text = format!("{policy:?}");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Span {") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').unwrap();
        rest = &rest[at + end + 1..];
    }
    out + rest
}

#[test]
fn the_telco_policy_checks_without_a_warning() {
    let (policy, found) = yaml(TELCO).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(policy.name, "telco-accounts");
    assert_eq!(policy.routes.len(), 3);
    let codes: Vec<String> = found.items().iter().map(|item| item.code.to_string()).collect();
    // But with the note that its partner is held to less than everybody else.
    assert_eq!(codes, ["FG115"], "{found}");
}

#[test]
fn yaml_and_its_json_form_give_equal_policies() {
    let files = BTreeMap::from([("policy.yaml".to_owned(), TELCO.to_owned())]);
    let doc = load(&files, "policy.yaml").unwrap();
    let (from_yaml, _) = check(&doc).unwrap();
    let json = to_json(&doc);
    let (from_json, _) = from_json(json.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(spanless(&from_yaml), spanless(&from_json));
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "the form is JSON to others too");
}

#[test]
fn no_part_of_a_policy_is_one() {
    let files = BTreeMap::from([("policy.yaml".to_owned(), TELCO.to_owned())]);
    let json = to_json(&load(&files, "policy.yaml").unwrap());
    for end in 0..json.trim_end().len() {
        assert!(from_json(&json.as_bytes()[..end]).is_err(), "the first {end} bytes of the JSON form");
    }
    assert!(from_json(format!("{json}{json}").as_bytes()).is_err(), "two of them");
}

#[test]
fn a_policy_in_files_is_the_policy_in_one() {
    let sections: Vec<&str> = TELCO.split("\n\n").collect();
    let (shapes, rest): (Vec<&str>, Vec<&str>) = sections.iter().partition(|section| section.starts_with("shapes:"));
    let files = BTreeMap::from([
        ("p/telco.yaml".to_owned(), format!("{}\ninclude: [shapes/*.yaml]\n", rest.join("\n\n"))),
        ("p/shapes/all.yaml".to_owned(), shapes.join("\n")),
        ("p/shapes/all.test.yaml".to_owned(), "not: a policy".to_owned()),
    ]);
    let doc = load(&files, "p/telco.yaml").unwrap_or_else(|found| panic!("{found}"));
    let (split, _) = check(&doc).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(spanless(&split), spanless(&yaml(TELCO).unwrap().0));
    let (from_json, _) = from_json(to_json(&doc).as_bytes()).unwrap();
    assert_eq!(spanless(&split), spanless(&from_json));
}

#[test]
fn columns_count_characters_not_bytes() {
    let found = yaml("language: 1\npolicy: é\nidentity: {source: é, payload: x}\n").unwrap_err();
    assert!(found.to_string().contains("policy.yaml:3:20: error[FG016]"), "{found}");
}

#[test]
fn line_ends_of_either_kind_count_the_same() {
    let unix = "language: 1\npolicy: 1\n";
    let places = |text: &str| yaml(text).unwrap_err().lines().collect::<Vec<_>>();
    assert_eq!(places(unix), places(&unix.replace('\n', "\r\n")));
}

#[test]
fn json_that_is_not_strict_is_refused() {
    for text in [
        "",
        "{",
        "{\"language\": 1,}",
        "{\"language\": 01}",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": \"\\ud800\"}",
        "{\"a\": NaN}",
        "[1]x",
        "\u{feff}{}",
        "{\"a\": \"\t\"}",
        "{'a': 1}",
        "{\"a\": 1} {}",
        "{\"a\": tru}",
        "null",
        "1",
    ] {
        assert!(from_json(text.as_bytes()).is_err(), "{text}");
    }
    assert!(from_json(b"{\"a\": \"\xff\"}").is_err());
    // Nothing else is wrong with this one.
    let sound = r#"{"language": 1, "policy": "p", "classes": {"c": {"about": "c"}},
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "routes": {"r": {"match": "GET /r", "area": "a", "body": {"$.a": "c"}}},
        "scopes": {"s": {"areas": ["a"], "grant": {"c": "show"}}}}"#;
    assert!(from_json(sound.as_bytes()).is_ok());
    let twice = sound.replace(r#""c": "show""#, r#""c": "show", "\u0063": "show""#);
    assert!(from_json(twice.as_bytes()).is_err(), "a key twice, once escaped");
    for (count, again) in [(0, "c1"), (20, "c0"), (20, "c15"), (20, "c16"), (20, "c19")] {
        let classes: String = (0..count).map(|number| format!(r#""c{number}": {{}}, "#)).collect();
        let wide = sound.replace(r#""c": {"about"#, &format!(r#"{classes}"{again}": {{}}, "c": {{"about"#));
        let found = from_json(wide.as_bytes()).map(|_| ()).map_err(|found| found.to_string());
        let is_twice = found.is_err_and(|found| found.contains(&format!("the key `{again}` is here twice")));
        assert_eq!(is_twice, count > 0, "a key twice among {count}: {again}");
    }
    for other in ["10", "1.0", "2", "\"1\"", "true", "[1]"] {
        let text = sound.replace(r#""language": 1"#, &format!(r#""language": {other}"#));
        assert!(from_json(text.as_bytes()).is_err(), "language {other}");
    }
    let deep = "[".repeat(100_000);
    assert!(from_json(deep.as_bytes()).is_err());
}

/// What a slip of the keyboard, or of an editor, does to a text.
fn mangled() -> impl Strategy<Value = String> {
    let lines: Vec<String> = TELCO.lines().map(str::to_owned).collect();
    let count = lines.len();
    let edit = (
        0..count,
        0_usize..80,
        0_u8..9,
        "[\\PC\t\n]{0,6}|[$@*?.\\[\\]{}:&!|'\"#-]{1,4}|show|account|contact|[0-9]{1,20}",
    );
    prop::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut lines = lines.clone();
        for (line, column, kind, text) in edits {
            let Some(target) = lines.get_mut(line % count) else { continue };
            let at = target.char_indices().nth(column).map_or(target.len(), |(at, _)| at);
            match kind {
                0 => target.insert_str(at, &text),
                1 => target.truncate(at),
                2 => *target = text,
                3 => target.insert(0, ' '),
                4 => *target = target.trim_start().to_owned(),
                5 => {
                    let copy = target.clone();
                    target.push('\n');
                    target.push_str(&copy);
                }
                6 => *target = target.replace(['{', '['], &text),
                7 => *target = target.replace(|c: char| c.is_ascii_digit(), &text),
                _ => {
                    let end = (at + 1).min(target.len());
                    if target.is_char_boundary(end) {
                        target.replace_range(at..end, &text);
                    }
                }
            }
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_check_panic(text in mangled()) {
        let files = BTreeMap::from([("policy.yaml".to_owned(), text)]);
        let doc = match load(&files, "policy.yaml") {
            Ok(doc) => doc,
            Err(found) => {
                prop_assert!(found.has_errors() && !found.to_string().is_empty());
                return Ok(());
            }
        };
        match check(&doc) {
            Ok((policy, found)) => {
                prop_assert!(!found.has_errors());
                // Whatever checks has one meaning in all its forms.
                let json = to_json(&doc);
                let again = from_json(json.as_bytes());
                prop_assert!(again.is_ok(), "{}", again.unwrap_err());
                prop_assert_eq!(spanless(&again.unwrap().0), spanless(&policy));
            }
            Err(found) => prop_assert!(found.has_errors() && !found.to_string().is_empty()),
        }
    }

    #[test]
    fn no_path_makes_the_parser_panic(text in "\\$[$@*?.\\[\\]()'\"!=<>&| a-c0-9:,-]{0,24}") {
        if let Ok(path) = field_path::FieldPath::parse(&text) {
            let again = field_path::FieldPath::parse(&path.to_string());
            prop_assert_eq!(again.as_ref(), Ok(&path), "{} became {}", text, path);
        }
    }

    #[test]
    fn no_bytes_make_the_struct_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = from_struct(&bytes);
        let _ = from_json(&bytes);
    }
}
