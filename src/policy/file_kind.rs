//! [`FileKind`]: what a file in a place of policies is, so that a check passes over none. Not in the plugin.

use std::path::Path;
use std::rc::Rc;

use super::similar::nearest;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Origin, Source, Sources, Span};
use crate::document::is_utf16;
use crate::document::{Node, PolicyDoc};
use crate::document::{json, yaml};

/// The first line of a YAML file that is in a directory of policies and is none: a workflow, a description of an API.
pub const IGNORE: &str = "# fieldgate: ignore";

/// Sections by which a part of a policy is known.
const SECTIONS: [&str; 11] = [
    "language",
    "identity",
    "defaults",
    "limits",
    "classes",
    "detectors",
    "shapes",
    "routes",
    "scopes",
    "clients",
    "budgets",
];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A policy: it has a name of its own.
    Policy,
    /// A suite of tests, by what it holds.
    Suite,
    /// Its first line says that it is neither.
    Ignored,
    /// Test data, or another tool's JSON.
    Data,
    /// Nothing by itself: a policy may include it, or it is somebody else's.
    Other,
    /// Not text, or not YAML: only a reader can say why.
    Broken,
}

impl FileKind {
    /// Of a file of that name and content. A file whose name ends in `.json` is read as JSON, any other as YAML.
    #[must_use]
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        let is_json = is_json(name);
        let Ok(text) = std::str::from_utf8(bytes) else {
            return if is_json && !is_utf16(bytes) { Self::Data } else { Self::Broken };
        };
        if text.lines().next().is_some_and(|line| line.trim_start_matches('\u{feff}').trim_end() == IGNORE) {
            return Self::Ignored;
        }
        let tree = tree(text, is_json);
        let has = |key: &str| tree.as_ref().is_some_and(|tree| tree.get(key).is_some());
        let sections = SECTIONS.iter().filter(|section| has(section)).count();
        match (&tree, is_json) {
            (None, true) => Self::Data,
            (None, false) => Self::Broken,
            (Some(_), _) if has("tests") && !has("routes") => Self::Suite,
            (Some(tree), false) if tree.get("policy").is_some() => Self::Policy,
            (Some(tree), true) if sections > 0 && tree.get("policy").is_some_and(|node| node.text().is_some()) => {
                Self::Policy
            }
            // Bodies of responses are JSON too: only what has several sections is meant for a policy.
            (Some(_), true) if sections < 2 => Self::Data,
            (Some(_), _) => Self::Other,
        }
    }
}

/// Why a file that no policy reads cannot stay so: an error, in the file.
#[must_use]
pub fn unread(name: &str, bytes: &[u8]) -> Diagnostics {
    let text = String::from_utf8_lossy(bytes);
    let mut sources = Sources::default();
    let file = sources.add(Source { name: name.to_owned(), text: (&*text).into(), origin: Origin::Text });
    let tree = tree(&text, is_json(name));
    let place = tree
        .as_ref()
        .and_then(Node::members)
        .and_then(<[_]>::first)
        .map_or(Span { file, start: 0, end: 0 }, |member| Span { file, ..member.key_span });
    let ignore = format!("`{IGNORE}` as its first line says so");
    let has = |key: &str| tree.as_ref().is_some_and(|tree| tree.get(key).is_some());
    let near = tree
        .as_ref()
        .and_then(Node::members)
        .unwrap_or_default()
        .iter()
        .find(|member| member.key.len() > 3 && nearest(&member.key, ["policy"]).is_some());
    let diagnostic = match (FileKind::of(name, bytes), foreign(&has)) {
        (FileKind::Suite, _) => Diagnostic::at(
            Code::UnreadFile,
            place,
            format!("`{name}` is a suite of tests, and its name does not say so"),
        )
        .help("`fieldgate test` runs files whose names end in `.test.yaml`: call it so"),
        (_, Some((what, help))) => Diagnostic::at(Code::UnreadFile, place, format!("`{name}` is {what}, not a policy"))
            .help(format!("{help}; {ignore}")),
        _ => match near {
            Some(member) => {
                let span = Span { file, ..member.key_span };
                Diagnostic::at(
                    Code::UnreadFile,
                    span,
                    format!("`{name}` is in no policy, and has no `policy:` of its own"),
                )
                .help(format!("did you mean `policy` for `{}`?", member.key))
            }
            None => Diagnostic::at(
                Code::UnreadFile,
                place,
                format!("`{name}` is in no policy, and has no `policy:` of its own"),
            )
            .help(format!("name it in the `include` of a policy; or if it is to be left alone, {ignore}")),
        },
    };
    Diagnostics::new(vec![diagnostic], Rc::new(sources))
}

/// Why a file that was named as a policy is none, if that can be said better than by reading it as one.
#[must_use]
pub fn not_a_policy(name: &str, bytes: &[u8]) -> Option<Diagnostics> {
    let text = std::str::from_utf8(bytes).ok()?;
    // A description of an API may be deeper than a policy is read: its first member says what it is.
    let Some(tree) = tree(text, is_json(name)) else {
        let head = text.trim_start().strip_prefix('{')?.trim_start();
        let is_api = head.starts_with("\"openapi\"") || head.starts_with("\"swagger\"");
        let (what, help) = foreign(&|key: &str| is_api && key == "openapi")?;
        let mut sources = Sources::default();
        let file = sources.add(Source { name: name.to_owned(), text: text.into(), origin: Origin::Text });
        let place = Span { file, start: 0, end: 0 };
        let found = Diagnostic::at(Code::UnreadFile, place, format!("`{name}` is {what}, not a policy")).help(help);
        return Some(Diagnostics::new(vec![found], Rc::new(sources)));
    };
    let has = |key: &str| tree.get(key).is_some();
    let (what, help) = match (FileKind::of(name, bytes), foreign(&has)) {
        (FileKind::Suite, _) => ("a suite of tests", format!("run it: `fieldgate test {name}`")),
        (FileKind::Policy, _) | (_, None) => return None,
        (_, Some((what, help))) => (what, help.to_owned()),
    };
    let mut sources = Sources::default();
    let file = sources.add(Source { name: name.to_owned(), text: text.into(), origin: Origin::Text });
    let place =
        tree.members()?.first().map_or(Span { file, start: 0, end: 0 }, |member| Span { file, ..member.key_span });
    let diagnostic = Diagnostic::at(Code::UnreadFile, place, format!("`{name}` is {what}, not a policy")).help(help);
    Some(Diagnostics::new(vec![diagnostic], Rc::new(sources)))
}

/// Why a policy cannot be called as another of its directory is.
#[must_use]
pub fn same_name(doc: &PolicyDoc, other: &str) -> Diagnostics {
    let name = doc.root().get("policy");
    let text = name.and_then(Node::text).unwrap_or_default();
    let span = name.map_or(doc.root().span, |node| node.span);
    let found = Diagnostic::at(Code::SameName, span, format!("`{other}` is called `{text}` too"))
        .help("give each policy a name of its own: logs, metrics and `fieldgate diff` know it by that");
    Diagnostics::new(vec![found], Rc::clone(doc.sources()))
}

/// What else a file can be, by its keys, and what to do with it.
fn foreign(has: &dyn Fn(&str) -> bool) -> Option<(&'static str, &'static str)> {
    if has("apiVersion") && has("kind") {
        let help = if has("data") {
            "check the file that it was made from"
        } else {
            "look at it with `fieldgate check --envoy FILE`"
        };
        return Some(("a resource of Kubernetes", help));
    }
    if has("openapi") || has("swagger") {
        return Some((
            "a description of an API",
            "make a policy from it: `fieldgate init --openapi FILE`; or compare one with it: `fieldgate check --openapi FILE`",
        ));
    }
    if has("static_resources") || has("dynamic_resources") || has("typed_config") {
        return Some(("a configuration of Envoy", "look at it with `fieldgate check --envoy FILE`"));
    }
    None
}

fn is_json(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn tree(text: &str, is_json: bool) -> Option<Node> {
    let mut said = Vec::new();
    if is_json { json::read(text, 0, &mut said) } else { yaml::read(text, 0, &mut said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_holds() {
        let rows: [(&str, &str, &str, FileKind); 18] = [
            ("a policy", "a.yaml", "language: 1\npolicy: a\n", FileKind::Policy),
            ("a policy whose keys are quoted", "a.yaml", "{\"language\": 1, \"policy\": \"a\"}", FileKind::Policy),
            ("a policy in JSON", "a.json", "{\"language\": 1, \"policy\": \"a\"}", FileKind::Policy),
            ("a body with a member of that name", "a.json", "{\"policy\": \"a\", \"id\": 1}", FileKind::Data),
            ("a body", "a.json", "{\"id\": 1}", FileKind::Data),
            ("a list", "a.json", "[1]", FileKind::Data),
            ("a part of a policy", "a.yaml", "classes: {a: {}}\n", FileKind::Other),
            ("a part of a policy in JSON", "a.json", "{\"classes\": {}, \"shapes\": {}}", FileKind::Other),
            ("a misspelt policy", "a.yaml", "language: 1\npolcy: a\n", FileKind::Other),
            ("a suite", "a.yaml", "language: 1\npolicy: a.yaml\ntests: []\n", FileKind::Suite),
            ("a file that says so", "a.yaml", "# fieldgate: ignore\non: push\n", FileKind::Ignored),
            ("a file that says so too late", "a.yaml", "on: push\n# fieldgate: ignore\n", FileKind::Other),
            ("an empty file", "a.yaml", "", FileKind::Broken),
            ("comments alone", "a.yaml", "# nothing\n", FileKind::Broken),
            ("a template", "a.yaml", "{{- if .Values.on }}\npolicy: a\n{{- end }}\n", FileKind::Broken),
            ("a workflow", "a.yml", "jobs: {}\n", FileKind::Other),
            ("two documents", "a.yaml", "policy: a\n---\npolicy: b\n", FileKind::Policy),
            ("a word", "a.yaml", "hello\n", FileKind::Other),
        ];
        for (claim, name, text, expected) in rows {
            assert_eq!(FileKind::of(name, text.as_bytes()), expected, "{claim}");
        }
        assert_eq!(FileKind::of("a.yaml", b"\x80\x81\xff"), FileKind::Broken, "random bytes");
        assert_eq!(FileKind::of("a.json", b"\x80\x81\xff"), FileKind::Data, "random bytes called JSON");
        assert_eq!(FileKind::of("a.yaml", b"\xff\xfep\0"), FileKind::Broken, "UTF-16");
    }
}
