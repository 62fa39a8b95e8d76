//! A policy's three sources give one policy, and broken ones give findings, never panics.

#![allow(clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use super::*;

const TELCO: &str = include_str!("../../policies/telco.yaml");

/// A policy of one YAML text.
fn yaml(text: &str) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    let files = BTreeMap::from([("policy.yaml".to_owned(), text.to_owned())]);
    load(&files, "policy.yaml").and_then(|doc| check(&doc))
}

/// A policy's debug form without its spans.
fn spanless(policy: &PolicySet) -> String {
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
fn the_telco_policy_checks_without_an_error() {
    let (policy, _) = yaml(TELCO).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(policy.name, "telco-accounts");
    assert_eq!(policy.routes.len(), 3);
}

#[test]
fn yaml_and_its_json_form_give_equal_policies() {
    let files = BTreeMap::from([("policy.yaml".to_owned(), TELCO.to_owned())]);
    let doc = load(&files, "policy.yaml").unwrap();
    let (from_yaml, _) = check(&doc).unwrap();
    let (from_json, _) = from_json(to_json(&doc).as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(spanless(&from_yaml), spanless(&from_json));
}
