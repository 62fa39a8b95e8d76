//! What operators are told: the decision record in the access log, and the plugin's metrics.

use std::collections::BTreeSet;

use serde_json::Value;

use super::site;

/// The labels of the metric that counts responses, as `tests/envoy` has them of a static Envoy.
const COUNTED: &str =
    r#"fieldgate_responses_total{route="get-account",outcome="released",mode="enforced",client="-"} "#;

/// The lines of an access log that have a decision record: what stands before it, and the record.
fn records(log: &str) -> Vec<(String, Value)> {
    let record = |line: &str| {
        let (before, record) = line.split_once(" {\"fieldgate\":")?;
        Some((before.to_owned(), serde_json::from_str(&format!("{{\"fieldgate\":{record}")).ok()?))
    };
    log.lines().filter_map(record).collect()
}

/// Waits for the record of a filtered answer, and looks at it. `issuer` is the key under which the proxy leaves claims.
pub(super) fn record(issuer: &str, log: impl Fn() -> String) -> Result<(), String> {
    let mut found = None;
    site::within(site::PATIENCE, || {
        found = records(&log()).into_iter().find(|(_, record)| record["outcome"] == "released");
        found.is_some()
    });
    let (before, record) = found.ok_or("no decision record")?;
    println!("{before} {record}");
    let expected = [("route", "get-account"), ("mode", "enforced"), ("policy", "accounts"), ("issuer", issuer)];
    if !before.contains(" 200 ") || expected.iter().any(|(member, expected)| record[member] != *expected) {
        return Err(format!("another record: {before} {record}"));
    }
    if record.to_string().contains(site::MARKER) {
        return Err(format!("the record tells of a value: {record}"));
    }
    Ok(())
}

/// Looks for the plugin's metrics with their labels.
pub(super) fn metrics(scrape: &str) -> Result<(), String> {
    let ours: Vec<&str> = scrape.lines().filter(|line| line.starts_with("fieldgate_")).collect();
    if ours.iter().any(|line| line.contains("=.=")) || !ours.iter().any(|line| line.starts_with(COUNTED)) {
        return Err(format!("other metrics: {ours:#?}"));
    }
    Ok(())
}

/// The digests of the policies that the plugin has taken.
pub(super) fn policies(scrape: &str) -> BTreeSet<&str> {
    scrape.lines().filter(|line| line.starts_with("fieldgate_policy_configured_seconds{")).filter_map(digest).collect()
}

fn digest(line: &str) -> Option<&str> {
    line.split_once("digest=\"")?.1.split_once('"').map(|(digest, _)| digest)
}

/// What the alert that the plugin is missing looks for (`envoy/alerts.yaml`).
pub(super) fn alarm(scrape: &str) -> Result<(), String> {
    let is_refusal = |line: &&str| {
        let ours = line.starts_with("envoy_http_rbac_fieldgate_gate_denied{")
            || line.starts_with("envoy_http_rbac_denied{")
                && line.contains("envoy_rbac_http_prefix=\"fieldgate_gate\"");
        ours && !line.ends_with(" 0")
    };
    match scrape.lines().find(is_refusal) {
        Some(line) => {
            println!("{line}");
            Ok(())
        }
        None => Err("what the gate refuses is not counted as the alert has it".to_owned()),
    }
}
