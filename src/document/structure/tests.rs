//! A `Struct` gives the same policy as the JSON that an Envoy configuration wrote it from, and a bad one gives findings.

use std::collections::BTreeMap;

use super::*;
use crate::model::RouteBody;
use crate::policy::tests::{TELCO, spanless, yaml};
use crate::policy::{PolicySet, from_json, from_struct, load, to_json};
use crate::protobuf::List;

fn value(json: &serde_json::Value) -> ProtoValue {
    let kind = match json {
        serde_json::Value::Null => ValueKind::Null(0),
        serde_json::Value::Bool(value) => ValueKind::Bool(*value),
        serde_json::Value::Number(number) => ValueKind::Number(number.as_f64().unwrap()),
        serde_json::Value::String(text) => ValueKind::Text(text.clone()),
        serde_json::Value::Array(elements) => ValueKind::List(List { values: elements.iter().map(value).collect() }),
        serde_json::Value::Object(members) => ValueKind::Struct(Struct {
            fields: members.iter().map(|(name, member)| (name.clone(), value(member))).collect(),
        }),
    };
    ProtoValue { kind: Some(kind) }
}

fn bytes(json: &str) -> Vec<u8> {
    match value(&serde_json::from_str(json).unwrap()).kind {
        Some(ValueKind::Struct(root)) => root.write(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_struct_gives_the_policy_that_its_yaml_gives() {
    let files = std::collections::BTreeMap::from([("policy.yaml".to_owned(), TELCO.to_owned())]);
    let json = to_json(&load(&files, "policy.yaml").unwrap());
    let (from_struct, _) = from_struct(&bytes(&json)).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(spanless(&unordered(from_struct)), spanless(&unordered(yaml(TELCO).unwrap().0)));
}

/// A policy with what has no order (rule 1) in one: a `Struct` keeps none.
fn unordered(mut policy: PolicySet) -> PolicySet {
    policy.defaults.headers.classify.sort();
    for route in &mut policy.routes {
        if let RouteBody::Governed(governed) = &mut route.body {
            let mut entries = governed.entries.to_vec();
            entries.sort_by_key(|entry| entry.path.to_string());
            governed.entries = entries.into();
            governed.denies.sort_by_key(|(client, path)| (*client, path.to_string()));
        }
    }
    policy
}

#[test]
fn a_finding_in_a_struct_has_a_json_pointer() {
    let found =
        from_struct(&bytes(r#"{"language": 1, "policy": "x", "routes": {"a/b": {"match": "get /a"}}}"#)).unwrap_err();
    let lines: Vec<String> = found.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("policy#/routes/a~1b/match: error[FG020]")), "{lines:#?}");
}

#[test]
fn a_finding_in_a_json_document_has_a_json_pointer() {
    let found =
        from_json(br#"{"language": 1, "policy": "x", "routes": {"a": {"match": "get /a", "query": ["p", "p"]}}}"#)
            .unwrap_err();
    let lines: Vec<String> = found.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("policy.json#/routes/a/match: error[FG020]")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("policy.json#/routes/a/query/1: error[FG004]")), "{lines:#?}");
}

#[test]
fn whole_numbers_come_back_as_they_were() {
    for (number, text) in [(1.0, "1"), (-0.0, "-0"), (9_007_199_254_740_991.0, "9007199254740991"), (1.5, "1.5")] {
        assert_eq!(number_text(number), text);
    }
}

#[test]
fn a_struct_that_is_none_or_too_deep_is_a_finding() {
    assert!(from_struct(b"\xff\xff\xff").is_err());
    assert!(from_struct(b"").is_err());
    let found = from_struct(&bytes_of_any_depth(32)).unwrap_err();
    assert!(found.to_string().contains("more containers"), "{found}");
    assert!(from_struct(&bytes_of_any_depth(31)).unwrap_err().to_string().contains("language"));
    assert!(from_struct(&bytes_of_any_depth(60)).is_err());
}

/// Maps inside maps, deeper than a JSON reader would go.
fn bytes_of_any_depth(depth: usize) -> Vec<u8> {
    let mut root = Struct::default();
    for _ in 0..depth {
        let inner = ProtoValue { kind: Some(ValueKind::Struct(root)) };
        root = Struct { fields: BTreeMap::from([("a".to_owned(), inner)]) };
    }
    root.write()
}
