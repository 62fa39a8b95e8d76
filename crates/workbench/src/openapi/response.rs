//! What a 2xx response holds: schemas of every media type that is JSON, or may be.

use std::collections::BTreeSet;

use fieldgate::model::media::MediaRange;
use serde_json::Value;

use super::document::{Document, Layers, Version};
use super::one_line;

/// What an operation answers with.
#[derive(Default)]
pub(super) struct Body<'d> {
    /// Any of these.
    pub(super) schemas: Vec<&'d Value>,
    /// Why some of it could not be read.
    pub(super) unread: Vec<String>,
}

/// Reads what an operation answers with.
pub(super) fn read<'d>(
    document: &'d Document,
    version: Version,
    root: &'d Value,
    operation: &Layers<'d>,
    body: &mut Body<'d>,
    remarks: &mut Vec<String>,
) {
    let Some(responses) = operation.get("responses").map(|responses| document.layers(responses)) else { return };
    body.unread.extend(responses.broken.map(|reference| document.why_not(reference)));
    let mut others: BTreeSet<String> = BTreeSet::new();
    // `2XX` is a range of OpenAPI 3; `default` stands for every status that is not listed.
    let good = |status: &str| status.starts_with('2');
    let fallback = !responses.members().any(|(status, _)| good(status));
    for (status, response) in responses.members() {
        if !(good(status) || fallback && status == "default") {
            continue;
        }
        let response = document.layers(response);
        if let Some(reference) = response.broken {
            body.unread.push(format!("the response {}: {}", one_line(status, 10), document.why_not(reference)));
            continue;
        }
        if version == Version::Swagger2 {
            body.schemas.extend(response.get("schema"));
            continue;
        }
        for (media, content) in response.get("content").and_then(Value::as_object).into_iter().flatten() {
            if !may_be_json(media) {
                others.insert(one_line(media, 60));
                continue;
            }
            let content = document.layers(content);
            body.unread.extend(content.broken.map(|reference| document.why_not(reference)));
            body.schemas.extend(content.get("schema"));
            body.schemas.extend(content.get("itemSchema"));
        }
    }
    if version == Version::Swagger2 {
        let produces = operation.get("produces").or_else(|| root.get("produces")).and_then(Value::as_array);
        let named: Vec<&str> = produces.into_iter().flatten().filter_map(Value::as_str).collect();
        others.extend(named.iter().filter(|media| !may_be_json(media)).map(|media| one_line(media, 60)));
    }
    if !others.is_empty() {
        remarks.push(refused(others.into_iter().collect(), body.schemas.is_empty()));
    }
}

/// What is to be known of media types that are not JSON.
fn refused(list: Vec<String>, alone: bool) -> String {
    let rest = if alone { "" } else { " besides" };
    let passable: Vec<&str> = list
        .iter()
        .map(String::as_str)
        .filter(|media| MediaRange::parse(media).is_some_and(|range| range.is_passable()))
        .collect();
    let unless = match passable.as_slice() {
        [] => String::new(),
        some => format!(", unless `other_content: {{pass: [{}]}}`", some.join(", ")),
    };
    format!("answers {}{rest}: refused{unless}", list.join(", "))
}

/// Whether a media type or range is JSON, lines or a sequence of it, or a range that has such in it: JSON comes under many
/// names (`application/vnd.acme.v2+json`, `application/x-ndjson`, `application/json+fhir`, `*/*`).
pub(super) fn may_be_json(media: &str) -> bool {
    let essence = media.split([';', ',']).next().unwrap_or(media).trim().to_ascii_lowercase();
    let (top, sub) = essence.split_once('/').unwrap_or(("*", &essence));
    match sub {
        "*" => matches!(top, "*" | "application" | "text"),
        sub => sub.contains("json"),
    }
}

#[cfg(test)]
mod tests {
    use super::may_be_json;

    #[test]
    fn json_comes_under_many_names() {
        for yes in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;odata.metadata=minimal",
            "application/vnd.acme.customer.v2+json; version=2",
            "*/*+json",
            "application/*+json",
            "application/problem+json",
            "text/json",
            "application/*",
            "text/*",
            "*/*",
            "*/*; q=0.1",
            "*",
            "json",
            "application/x-ndjson",
            "application/jsonl",
            "application/json-seq",
            "application/geo+json-seq",
            "application/stream+json",
            "application/json+fhir",
            "application/x-amz-json-1.1",
        ] {
            assert!(may_be_json(yes), "{yes}");
        }
        for no in ["application/xml", "text/csv", "image/*", "application/pdf", "multipart/form-data", ""] {
            assert!(!may_be_json(no), "{no}");
        }
    }
}
