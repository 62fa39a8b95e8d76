//! Diagnostics as people and machines read them: `human`, `compact`, `json`, `sarif`, `github`.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use fieldgate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources, Span, catalogue, plain};
pub(crate) use fieldgate_workbench::found::count;
use fieldgate_workbench::found::{document, items, place};
use serde_json::{Map, Value, json};

use super::terminal::{Ink, Terminal};

/// How an answer is written that people read, or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// One JSON document
    Json,
}

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportFormat {
    /// With the lines they are about
    Human,
    /// One line each: `FILE:LINE:COL: error[FG012]: message`
    Compact,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands, which GitHub shows beside the lines of a pull request
    Github,
}

/// The diagnostics in a format for machines, or in `human` without a summary.
pub(crate) fn render(all: &[Diagnostics], format: ReportFormat, terminal: Terminal) -> String {
    match format {
        ReportFormat::Human => all.iter().map(|one| human(one, terminal)).collect(),
        ReportFormat::Compact => {
            all.iter().flat_map(Diagnostics::lines).fold(String::new(), |text, line| text + &line + "\n")
        }
        ReportFormat::Json => pretty(&document(all)),
        ReportFormat::Sarif => pretty(&sarif(all)),
        ReportFormat::Github => items(all).map(|(sources, item)| workflow_command(sources, item)).collect(),
    }
}

/// A JSON document, two spaces deep, with its line end.
pub(crate) fn pretty(document: &Value) -> String {
    format!("{document:#}\n")
}

/// A cell of a CSV file (RFC 4180). A spreadsheet takes what starts with `=`, `+`, `-` or `@` for a formula, so a quote goes before.
pub(crate) fn csv_cell(text: &str) -> String {
    let text = plain(text);
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// `1 error, 2 warnings`, leaving out what there is none of.
pub(crate) fn counted(all: &[Diagnostics], terminal: Terminal) -> String {
    let parts: Vec<String> =
        [(Severity::Error, Ink::Bad), (Severity::Warning, Ink::Doubtful), (Severity::Note, Ink::Dim)]
            .into_iter()
            .filter_map(|(severity, ink)| {
                let count = count(all, severity);
                (count > 0).then(|| terminal.paint(ink, &number(count, severity.as_str())))
            })
            .collect();
    parts.join(", ")
}

/// `1 error`, `2 errors`.
pub(crate) fn number(count: usize, thing: &str) -> String {
    number_of(count, thing, &format!("{thing}s"))
}

/// As [`number`], of what makes its plural in another way.
pub(crate) fn number_of(count: usize, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}

fn human(diagnostics: &Diagnostics, terminal: Terminal) -> String {
    let renderer = if terminal.colored() { Renderer::styled() } else { Renderer::plain() };
    diagnostics
        .items()
        .iter()
        .map(|item| format!("{}\n\n", renderer.render(&[group(diagnostics.sources(), item)])))
        .collect()
}

fn group<'a>(sources: &'a Sources, item: &'a Diagnostic) -> Group<'a> {
    let level = match item.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(level.primary_title(item.message.as_str()).id(item.code.to_string()));
    let primary = item.span.map(|span| (span, item.here.as_deref(), AnnotationKind::Primary));
    let others = item.labels.iter().map(|label| (label.span, Some(label.text.as_str()), AnnotationKind::Context));
    let places: Vec<_> = primary.into_iter().chain(others).collect();
    let mut files: Vec<u16> = Vec::new();
    for (span, _, _) in &places {
        if !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    for file in files {
        let Some(source) = sources.get(file) else { continue };
        let here = places.iter().filter(|(span, _, _)| span.file == file);
        if source.text.is_empty() || matches!(source.origin, fieldgate::diagnostic::Origin::Pointers(_)) {
            for (span, _, _) in here {
                group = group.element(Origin::path(sources.location(*span).to_string()));
            }
            continue;
        }
        let length = source.text.len();
        let clip = |at: u32| usize::try_from(at).unwrap_or(length).min(length);
        let annotations = here
            .map(|(span, label, kind)| kind.span(clip(span.start)..clip(span.end).max(clip(span.start))).label(*label));
        group = group.element(Snippet::source(&*source.text).path(source.name.as_str()).annotations(annotations));
    }
    match &item.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// SARIF 2.1.0 (OASIS), §3.19 and §3.27.
fn sarif(all: &[Diagnostics]) -> Value {
    let mut rules: Vec<(String, Value)> = Vec::new();
    for (_, item) in items(all) {
        let id = item.code.to_string();
        if !rules.iter().any(|(known, _)| *known == id) {
            let page = catalogue::page(item.code);
            let rule = json!({
                "id": id,
                "shortDescription": {"text": page.map_or(id.as_str(), |page| page.title)},
                "fullDescription": {"text": page.map_or("", |page| page.what)},
                "help": {"text": page.map_or("", |page| page.why)},
                "defaultConfiguration": {"level": item.severity().as_str()},
            });
            rules.push((id, rule));
        }
    }
    rules.sort_by(|a, b| a.0.cmp(&b.0));
    let results: Vec<Value> = items(all)
        .map(|(sources, item)| {
            let id = item.code.to_string();
            let text = match &item.help {
                Some(help) => format!("{} ({help})", item.message),
                None => item.message.clone(),
            };
            let mut result = Map::new();
            result.insert("ruleIndex".to_owned(), rules.iter().position(|(known, _)| *known == id).into());
            result.insert("ruleId".to_owned(), id.into());
            result.insert("level".to_owned(), item.severity().as_str().into());
            result.insert("message".to_owned(), json!({ "text": text }));
            if let Some(span) = item.span {
                result.insert("locations".to_owned(), json!([physical(sources, span, None)]));
            }
            if !item.labels.is_empty() {
                let related = item.labels.iter().map(|label| physical(sources, label.span, Some(&label.text)));
                result.insert("relatedLocations".to_owned(), related.collect());
            }
            Value::Object(result)
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "fieldgate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_iter().map(|(_, rule)| rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn physical(sources: &Sources, span: Span, text: Option<&str>) -> Value {
    let place = place(sources, span);
    let mut physical = json!({"artifactLocation": {"uri": place.get("file").and_then(Value::as_str).map(uri)}});
    if let (Some(line), Some(members)) = (place.get("line"), physical.as_object_mut()) {
        let region = json!({
            "startLine": line,
            "startColumn": place.get("column"),
            "endLine": place.get("endLine"),
            "endColumn": place.get("endColumn"),
        });
        members.insert("region".to_owned(), region);
    }
    let mut location = json!({ "physicalLocation": physical });
    if let (Some(text), Some(members)) = (text, location.as_object_mut()) {
        members.insert("message".to_owned(), json!({ "text": text }));
    }
    location
}

/// A relative path as a URI reference (RFC 3986 §4.2).
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
        uri
    })
}

fn workflow_command(sources: &Sources, item: &Diagnostic) -> String {
    let word = match item.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let place = item.span.map(|span| place(sources, span));
    let message = match &item.help {
        Some(help) => format!("{}\n{help}", item.message),
        None => item.message.clone(),
    };
    annotation(word, place.as_ref(), &item.code.to_string(), &message)
}

/// One GitHub workflow command. In properties `:` and `,` are escaped too.
pub(crate) fn annotation(word: &str, place: Option<&Value>, title: &str, message: &str) -> String {
    let data = |text: &str| {
        let lines: Vec<String> = text.split('\n').map(plain).collect();
        lines.join("\n").replace('%', "%25").replace('\n', "%0A")
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut properties = Vec::new();
    if let Some(place) = place {
        for (name, member) in
            [("file", "file"), ("line", "line"), ("endLine", "endLine"), ("col", "column"), ("endColumn", "endColumn")]
        {
            match place.get(member) {
                Some(Value::String(text)) => properties.push(format!("{name}={}", property(text))),
                Some(Value::Number(number)) => properties.push(format!("{name}={number}")),
                _ => {}
            }
        }
    }
    properties.push(format!("title={}", property(title)));
    format!("::{word} {}::{}\n", properties.join(","), data(message))
}
