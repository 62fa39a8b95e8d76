//! What operators are told: the decision record in the access log, and the plugin's metrics.

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

/// Waits for the record of a filtered answer, and looks at it.
pub(super) fn record(log: impl Fn() -> String) -> Result<(), String> {
    let mut found = None;
    site::within(site::PATIENCE, || {
        found = records(&log()).into_iter().find(|(_, record)| record["outcome"] == "released");
        found.is_some()
    });
    let (before, record) = found.ok_or("no decision record")?;
    println!("{before} {record}");
    let expected = [("route", "get-account"), ("mode", "enforced"), ("policy", "accounts"), ("issuer", "verified_jwt")];
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
