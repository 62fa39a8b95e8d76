//! Diagnostics as one JSON document: what `check --format json` writes, and what the studio draws.

use fieldgate::diagnostic::{Diagnostic, Diagnostics, Position, Severity, Sources, Span};
use serde_json::{Value, json};

/// How many diagnostics of that weight there are in all.
#[must_use]
pub fn count(all: &[Diagnostics], severity: Severity) -> usize {
    all.iter().map(|one| one.count(severity)).sum()
}

/// Every diagnostic, with the sources that its spans point into.
pub fn items(all: &[Diagnostics]) -> impl Iterator<Item = (&Sources, &Diagnostic)> {
    all.iter().flat_map(|one| one.items().iter().map(move |item| (&**one.sources(), item)))
}

/// A place as a machine reads it: lines and columns from one, columns in Unicode scalar values, or a JSON pointer.
#[must_use]
pub fn place(sources: &Sources, span: Span) -> Value {
    let start = sources.location(span);
    match start.at {
        Position::Pointer(pointer) => json!({"file": start.name, "pointer": pointer}),
        Position::Line { line, column } => {
            let mut place = json!({"file": start.name, "line": line, "column": column});
            let end = sources.location(Span { start: span.end, ..span });
            if let (Position::Line { line, column }, Some(members)) = (end.at, place.as_object_mut()) {
                members.insert("endLine".to_owned(), line.into());
                members.insert("endColumn".to_owned(), column.into());
            }
            place
        }
    }
}

/// The document: counts, and each diagnostic in order.
#[must_use]
pub fn document(all: &[Diagnostics]) -> Value {
    let diagnostics: Vec<Value> = items(all)
        .map(|(sources, item)| {
            json!({
                "code": item.code.to_string(),
                "severity": item.severity().as_str(),
                "message": item.message,
                "at": item.span.map(|span| place(sources, span)),
                "here": item.here,
                "labels": item.labels.iter().map(|label| json!({"at": place(sources, label.span), "text": label.text})).collect::<Vec<_>>(),
                "help": item.help,
            })
        })
        .collect();
    json!({
        "errors": count(all, Severity::Error),
        "warnings": count(all, Severity::Warning),
        "notes": count(all, Severity::Note),
        "diagnostics": diagnostics,
    })
}
