//! The names that may stand at a place, and where a name is declared: two tables say which kind of name it is. Keys and words
//! of the language come from its reference.

use std::collections::BTreeMap;
use std::ops::Range;

use fieldgate::diagnostic::Span;
use fieldgate::diagnostic::rules::{Key, keys};
use fieldgate::document::{Member, Node};
use fieldgate::model::BuiltIn;
use fieldgate::policy::PolicyDoc;

pub use cursor::{Cursor, Slot};

mod cursor;

/// What a name is a name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// An area of routes.
    Area,
    /// A class.
    Class,
    /// A client entry.
    Client,
    /// A detector.
    Detector,
    /// A field path of the shape whose name is the key above.
    Path,
    /// A field path of any shape.
    AnyPath,
    /// Method and path of a route.
    Request,
    /// A route.
    Route,
    /// A scope.
    Scope,
    /// A shape.
    Shape,
    /// A kind of subject.
    Subject,
}

/// Keys that are names of something declared elsewhere.
const KEYS: [(&str, NameKind); 10] = [
    ("canaries.*", NameKind::Subject),
    ("clients.*.ceiling.*", NameKind::Class),
    ("clients.*.deny.*", NameKind::Shape),
    ("routes.*.ceiling.*", NameKind::Class),
    ("routes.*.subject.*", NameKind::Subject),
    ("scopes.*.fields.*", NameKind::Shape),
    ("scopes.*.fields.*.*", NameKind::Path),
    ("scopes.*.grant.*", NameKind::Class),
    ("scopes.*.rows.*", NameKind::Route),
    ("tests.expect.*", NameKind::AnyPath),
];

/// Values that are such names.
const VALUES: [(&str, NameKind); 18] = [
    ("budgets.*.areas", NameKind::Area),
    ("budgets.*.clients", NameKind::Client),
    ("budgets.*.count.distinct", NameKind::Subject),
    ("clients.*.deny.*", NameKind::Path),
    ("clients.*.scopes", NameKind::Scope),
    ("defaults.errors.detect", NameKind::Detector),
    ("defaults.headers.classify.*", NameKind::Class),
    ("defaults.headers.classify.*.class", NameKind::Class),
    ("routes.*.area", NameKind::Area),
    ("scopes.*.areas", NameKind::Area),
    ("scopes.*.when.all_of", NameKind::Scope),
    ("scopes.*.when.any_of", NameKind::Scope),
    ("shapes.*.*", NameKind::Class),
    ("shapes.*.*.class", NameKind::Class),
    ("shapes.*.*.detect", NameKind::Detector),
    ("shapes.*.*.shape", NameKind::Shape),
    ("tests.request.path", NameKind::Request),
    ("tests.request.scopes", NameKind::Scope),
];

/// The client of a row of a suite is a name, too; `*` is none.
const SUITE_CLIENT: &str = "tests.request.client";

/// Maps that are read as others are.
const AS: [(&str, &str); 3] =
    [("routes.*.body", "shapes.*"), ("routes.*.headers", "defaults.headers"), ("tests.sequence", "tests")];

/// What a place is, in the terms of the reference: `scopes.*.grant.*`; none where the language has no such key.
pub fn pattern<'k>(above: impl IntoIterator<Item = &'k String>) -> Option<String> {
    let mut pattern = String::new();
    for key in above {
        let dot = if pattern.is_empty() { "" } else { "." };
        let (exact, any) = (format!("{pattern}{dot}{key}"), format!("{pattern}{dot}*"));
        pattern = if exact.starts_with("tests") {
            suite_pattern(&exact, any)?
        } else if keys().any(|known| known.path == exact) {
            exact
        } else if keys().any(|known| known.path == any) {
            any
        } else {
            return None;
        };
        if let Some((_, other)) = AS.iter().find(|(path, _)| *path == pattern) {
            pattern = (*other).to_owned();
        }
    }
    Some(pattern)
}

/// A suite's place: few of them matter here.
fn suite_pattern(exact: &str, any: String) -> Option<String> {
    let known = ["tests", "tests.request", "tests.expect", "tests.sequence", SUITE_CLIENT];
    if known.contains(&exact) || VALUES.iter().any(|(path, _)| *path == exact) {
        return Some(exact.to_owned());
    }
    KEYS.iter().any(|(path, _)| *path == any).then_some(any)
}

/// The reference's entry for a place.
pub fn key(pattern: &str) -> Option<Key> {
    keys().find(|key| key.path == pattern)
}

/// The pattern of a place with its word, and what the word is a name of.
pub fn kind(cursor: &Cursor) -> Option<(String, Option<NameKind>)> {
    let find = |table: &[(&str, NameKind)], pattern: &str| {
        table.iter().find(|(path, _)| *path == pattern).map(|(_, kind)| *kind)
    };
    match cursor.slot {
        Slot::Key => {
            let pattern = pattern(cursor.keys.iter().chain([&cursor.word]))?;
            let kind = find(&KEYS, &pattern);
            Some((pattern, kind))
        }
        Slot::Value => {
            let pattern = pattern(&cursor.keys)?;
            let kind = if pattern == SUITE_CLIENT { Some(NameKind::Client) } else { find(&VALUES, &pattern) };
            Some((pattern, kind))
        }
    }
}

fn members<'d>(doc: &'d PolicyDoc, section: &str) -> &'d [Member] {
    doc.root().get(section).and_then(Node::members).unwrap_or_default()
}

/// Names of a kind, each with a word on it and the span of its declaration.
fn names(doc: &PolicyDoc, kind: NameKind, shape: Option<&String>) -> Vec<(String, String, Option<Span>)> {
    let section = |name: &str, word: &str| -> Vec<(String, String, Option<Span>)> {
        let about = |node: &Node| node.get("about").and_then(Node::text).map(str::to_owned);
        members(doc, name)
            .iter()
            .map(|one| (one.key.to_string(), about(&one.node).unwrap_or_else(|| word.to_owned()), Some(one.key_span)))
            .collect()
    };
    let texts = |name: &str, key: &str, word: &str| -> Vec<(String, String, Option<Span>)> {
        let nodes = members(doc, name).iter().filter_map(|one| one.node.get(key));
        nodes.filter_map(|node| Some((node.text()?.to_owned(), word.to_owned(), Some(node.span)))).collect()
    };
    let paths = |node: &Node, word: &str| -> Vec<(String, String, Option<Span>)> {
        let places = node.members().unwrap_or_default().iter();
        places.map(|place| (place.key.to_string(), word.to_owned(), Some(place.key_span))).collect()
    };
    let shapes = members(doc, "shapes");
    match kind {
        NameKind::Area => texts("routes", "area", "area"),
        NameKind::Class => section("classes", "class"),
        NameKind::Client => section("clients", "client"),
        NameKind::Detector => {
            let built_in = BuiltIn::ALL.into_iter().map(|one| (one.name().to_owned(), "built in".to_owned(), None));
            section("detectors", "detector").into_iter().chain(built_in).collect()
        }
        NameKind::Path => shape
            .and_then(|shape| shapes.iter().find(|one| *one.key == **shape))
            .map(|one| paths(&one.node, "field"))
            .unwrap_or_default(),
        NameKind::AnyPath => shapes.iter().flat_map(|one| paths(&one.node, &format!("of shape {}", one.key))).collect(),
        NameKind::Request => texts("routes", "match", "route"),
        NameKind::Route => section("routes", "route"),
        NameKind::Scope => section("scopes", "scope"),
        NameKind::Shape => section("shapes", "shape"),
        NameKind::Subject => {
            let places = shapes.iter().flat_map(|one| one.node.members().unwrap_or_default());
            let subjects = places.filter_map(|place| place.node.get("subject"));
            subjects.filter_map(|node| Some((node.text()?.to_owned(), "subject".to_owned(), Some(node.span)))).collect()
        }
    }
}

/// Something that may be written at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The name or word.
    pub label: String,
    /// What it is.
    pub about: String,
    /// Whether the policy declares it; else it is a word of the language.
    pub is_name: bool,
    /// How it is written there, in quotes if it needs some.
    pub written: String,
}

/// What may be written at a byte of a text, and the bytes that it takes the place of; nothing in a comment.
#[must_use]
pub fn completion(doc: Option<&PolicyDoc>, text: &str, at: usize) -> Option<(Range<usize>, Vec<Completion>)> {
    let cursor = Cursor::at(text, at)?;
    // By label: what it is, and its text in the file.
    let mut items: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let above = match cursor.slot {
        Slot::Key => pattern(&cursor.keys),
        Slot::Value => pattern(&cursor.keys),
    };
    let Some(above) = above else { return Some((cursor.typed, Vec::new())) };
    match cursor.slot {
        Slot::Key => {
            let dot = if above.is_empty() { "" } else { "." };
            for key in keys() {
                let name = key.path.strip_prefix(&*above).and_then(|rest| rest.strip_prefix(dot));
                if let Some(name) = name.filter(|name| !name.contains(['.', '*', '['])) {
                    items.insert(name.to_owned(), (key.what.to_owned(), false));
                }
            }
        }
        Slot::Value => {
            for word in key(&above).iter().flat_map(Key::words) {
                items.insert(word.to_owned(), ("a word of the language".to_owned(), false));
            }
        }
    }
    let wanted = match cursor.slot {
        Slot::Key => KEYS.iter().find(|(path, _)| *path == format!("{above}.*")).map(|(_, kind)| *kind),
        Slot::Value if above == SUITE_CLIENT => Some(NameKind::Client),
        Slot::Value => VALUES.iter().find(|(path, _)| *path == above).map(|(_, kind)| *kind),
    };
    if let (Some(doc), Some(kind)) = (doc, wanted) {
        for (name, word, _) in names(doc, kind, cursor.keys.last()) {
            items.entry(name).or_insert((word, true));
        }
    }
    let in_flow = text.get(..cursor.typed.start).and_then(|before| before.rsplit('\n').next());
    let in_flow = in_flow.is_some_and(|line| line.contains(['{', '[']));
    let items = items
        .into_iter()
        .map(|(label, (about, is_name))| {
            let plain = cursor.quoted || !needs_quotes(&label, in_flow);
            let written = if plain { label.clone() } else { format!("\"{label}\"") };
            Completion { label, about, is_name, written }
        })
        .collect();
    Some((cursor.typed, items))
}

/// Whether YAML reads a name as something else where it has no quotes.
fn needs_quotes(name: &str, in_flow: bool) -> bool {
    name.starts_with(['*', '&', '!', '|', '>', '%', '@', '`', '{', '[', '\'', '"', '#'])
        || name.contains(": ")
        || name.contains(" #")
        || (in_flow && name.contains(['[', ']', '{', '}', ',']))
}

/// Where the name at a byte of a text is declared.
#[must_use]
pub fn definition(doc: &PolicyDoc, text: &str, at: usize) -> Option<Span> {
    let cursor = Cursor::at(text, at)?;
    let (_, kind) = kind(&cursor)?;
    // The shape of a path is the key above it.
    let found = names(doc, kind?, cursor.keys.last()).into_iter().find(|(name, _, _)| *name == cursor.word)?;
    found.2
}
