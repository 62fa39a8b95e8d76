//! What a question holds: its policy, the moment, who asks and what the upstream answers.

use std::collections::{BTreeMap, HashMap};

use fieldgate::diagnostic::{Diagnostics, Sources, Span};
use fieldgate::exchange::{Headers, Response};
use fieldgate::model::moment::Moment;
use fieldgate::policy;
use fieldgate_workbench::loaded::Loaded;
use serde_json::{Map, Value, json};

/// A member that is a string; empty if it is not there.
pub(crate) fn text<'q>(question: &'q Value, name: &str) -> &'q str {
    question.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member that is a list of strings.
pub(crate) fn texts(question: &Value, name: &str) -> Vec<String> {
    let list = question.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The moment that the page says it is.
pub(crate) fn now(question: &Value) -> Option<Moment> {
    question.get("now").and_then(Value::as_u64).map(Moment)
}

/// How much of each budget is used, in percent.
pub(crate) fn used(question: &Value) -> Option<u8> {
    question.get("used").and_then(Value::as_u64).and_then(|used| u8::try_from(used).ok()).filter(|used| *used <= 100)
}

/// The files of a policy, by name.
pub(crate) fn files(question: &Value) -> BTreeMap<String, String> {
    let files = question.get("files").and_then(Value::as_object);
    let text = |(name, text): (&String, &Value)| Some((name.clone(), text.as_str()?.to_owned()));
    files.into_iter().flatten().filter_map(text).collect()
}

/// The policy, or why there is none.
pub(crate) fn policy(question: &Value) -> Result<Loaded, Diagnostics> {
    let (files, root) = (files(question), text(question, "root"));
    if let Some(other) = files.get(root).and_then(|text| policy::not_a_policy(root, text.as_bytes())) {
        return Err(other);
    }
    Loaded::read(&files, root, now(question))
}

/// The claims of a caller, as the page has them: a JSON text, or a JSON object.
pub(crate) fn claims(caller: &Value) -> Result<Value, String> {
    match caller.get("claims") {
        None | Some(Value::Null) => Ok(Value::Object(Map::new())),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Value::Object(Map::new())),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(claims @ Value::Object(_)) => Ok(claims),
            Ok(_) => Err("the claims are JSON, but not an object: write {\"acr\": \"loa3\"}".to_owned()),
            Err(error) => Err(format!("the claims are not JSON: line {}, column {}", error.line(), error.column())),
        },
        Some(claims) => Ok(claims.clone()),
    }
}

/// What the upstream answers.
pub(crate) fn response(question: &Value) -> Response {
    let response = question.get("response").unwrap_or(&Value::Null);
    let status = response.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let pair = |pair: &Value| -> Option<(Vec<u8>, Vec<u8>)> {
        let part = |at: usize| Some(pair.get(at)?.as_str()?.trim().as_bytes().to_vec());
        Some((part(0)?.to_ascii_lowercase(), part(1)?))
    };
    let listed = response.get("headers").and_then(Value::as_array);
    let headers: Headers = listed.into_iter().flatten().filter_map(pair).collect();
    Response { status: status.unwrap_or(200), headers, body: text(response, "body").as_bytes().to_vec() }
}

/// Places as the editor counts them: UTF-16 code units from the file's start, each worked out once.
pub(crate) struct Places<'s> {
    sources: &'s Sources,
    known: HashMap<Span, Value>,
}

impl<'s> Places<'s> {
    pub(crate) fn new(sources: &'s Sources) -> Self {
        Self { sources, known: HashMap::new() }
    }

    /// File, first and last unit, line, and the line's text; null for what is in no text.
    pub(crate) fn of(&mut self, span: Span) -> Value {
        let sources = self.sources;
        self.known.entry(span).or_insert_with(|| place(sources, span)).clone()
    }
}

fn place(sources: &Sources, span: Span) -> Value {
    let Some(source) = sources.get(span.file) else { return Value::Null };
    let text = &*source.text;
    let byte = |at: u32| usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
    let (start, end) = (byte(span.start), byte(span.end).max(byte(span.start)));
    let (Some(before), Some(inner)) = (text.get(..start), text.get(start..end)) else { return Value::Null };
    let from = before.encode_utf16().count();
    let to = from.saturating_add(inner.encode_utf16().count());
    let line = before.matches('\n').count().saturating_add(1);
    let first = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let written = text.get(first..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    json!({"file": source.name, "from": from, "to": to, "line": line, "text": written})
}

/// The byte of a place that the editor counts in UTF-16 code units.
pub(crate) fn byte(text: &str, unit: usize) -> usize {
    let mut units = 0_usize;
    for (at, letter) in text.char_indices() {
        if units >= unit {
            return at;
        }
        units = units.saturating_add(letter.len_utf16());
    }
    text.len()
}
