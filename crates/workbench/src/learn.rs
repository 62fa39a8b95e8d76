//! What upstreams send and no shape names, by the decision records of access logs, as changes of the policy's files.
//!
//! A record tells such members if the policy has `drift: true`. Each becomes an entry of the class `unreviewed`, granted to nobody:
//! what callers get stays as it was, until somebody gives it another class.

use std::collections::{BTreeMap, BTreeSet};

use fieldgate::diagnostic::fix::Fixed;
use fieldgate::diagnostic::{Source, Sources};
use fieldgate::document::{Member, Node, Tree};
use fieldgate::model::field_path::{FieldPath, Segment};
use fieldgate::model::{Governed, PolicySet, RouteBody};
use fieldgate::policy::PolicyDoc;
use serde_json::Value;

use crate::ledger::Record;
use crate::openapi::skeleton::{self, CLASS};

/// Whose member it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A shape's, by name.
    Shape(String),
    /// That of the body of a route, by name.
    Body(String),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shape(name) => write!(f, "shape {name}"),
            Self::Body(name) => write!(f, "route {name}"),
        }
    }
}

/// A member, and the types that came: `null`, `boolean`, `number`, `string`, `array`, `object`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    /// Whose it is.
    pub owner: Owner,
    /// Its path there; `[*]` at the end where its name was not told.
    pub path: String,
    /// What came.
    pub types: BTreeSet<String>,
}

/// What records of one policy tell, collected.
#[derive(Debug)]
pub struct Lesson {
    policy: String,
    members: BTreeMap<(Owner, String), BTreeSet<String>>,
    records: u64,
    others: u64,
    broken: u64,
}

/// What becomes of it with a policy.
#[derive(Debug, Default)]
pub struct Changes {
    /// What becomes an entry.
    pub added: Vec<Learnt>,
    /// Members whose names were not told.
    pub nameless: Vec<Learnt>,
    /// What the policy has no place for, or the file none where it could be written, and why.
    pub left_out: Vec<(Learnt, &'static str)>,
    /// The files that change.
    pub files: Vec<Fixed>,
}

impl Lesson {
    /// What records of the policy of that name will tell.
    #[must_use]
    pub fn of(policy: &str) -> Self {
        Self { policy: policy.to_owned(), members: BTreeMap::new(), records: 0, others: 0, broken: 0 }
    }

    /// Takes what one record tells, if it is of the policy: another one's shapes are other shapes. Types and paths that no record can have are counted and left out: a log is written by others.
    pub fn take(&mut self, record: &Record) {
        if record.text("policy") != self.policy {
            self.others = self.others.saturating_add(1);
            return;
        }
        self.records = self.records.saturating_add(1);
        let Some(drift) = record.whole.get("drift") else { return };
        for new in drift.as_array().map(Vec::as_slice).unwrap_or_default() {
            if self.member(record, new).is_none() {
                self.broken = self.broken.saturating_add(1);
            }
        }
    }

    fn member(&mut self, record: &Record, new: &Value) -> Option<()> {
        let text = |name: &str| new.get(name).and_then(Value::as_str);
        let owner = match (text("shape"), record.text("route")) {
            (Some(shape), _) => Owner::Shape(shape.to_owned()),
            (None, "") => return None,
            (None, route) => Owner::Body(route.to_owned()),
        };
        let kind = text("type").filter(|kind| is_scalar(kind) || matches!(*kind, "array" | "object"))?;
        let path = FieldPath::parse(text("path")?).ok().filter(|path| !path.open && !path.segments.is_empty())?;
        self.members.entry((owner, path.to_string())).or_default().insert(kind.to_owned());
        Some(())
    }

    /// How many records there were.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How many records of other policies there were.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }

    /// How many members were none that a record tells.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// What becomes of it with a policy, as written and as checked. What that names by now is left out without a word.
    #[must_use]
    pub fn changes(&self, doc: &PolicyDoc, policy: &PolicySet) -> Changes {
        let mut changes = Changes::default();
        let mut edits = Edits { sources: doc.sources(), edits: BTreeMap::new() };
        for ((owner, path), types) in &self.members {
            let learnt = Learnt { owner: owner.clone(), path: path.clone(), types: types.clone() };
            let Ok(path) = FieldPath::parse(path) else { continue };
            if path.segments.last() == Some(&Segment::Any) {
                changes.nameless.push(learnt);
                continue;
            }
            let map = match owner {
                Owner::Shape(name) => doc.root().get("shapes").and_then(|shapes| shapes.get(name)),
                Owner::Body(name) => doc.root().get("routes").and_then(|routes| routes.get(name)?.get("body")),
            };
            let Some(map) = map.filter(|map| map.members().is_some()) else {
                changes.left_out.push((learnt, "the policy has it no more"));
                continue;
            };
            let named: Vec<(FieldPath, Named)> =
                entries(&path, types).into_iter().map(|new| (new.clone(), named(map, policy, owner, &new))).collect();
            let entries: Vec<String> =
                named.iter().filter(|(_, named)| *named == Named::Nowhere).map(|(new, _)| new.to_string()).collect();
            if entries.is_empty() {
                // With a second entry at a place that has one, its values would need the grants of both (rule 13).
                if named.iter().any(|(_, named)| *named == Named::InPart) {
                    changes.left_out.push((learnt, "the policy names a part of it by now"));
                }
                continue;
            }
            let written = entries.iter().filter(|entry| edits.add(map, &skeleton::key(entry), CLASS)).count();
            if written == entries.len() {
                changes.added.push(learnt);
            } else {
                changes.left_out.push((learnt, "the file has no place for a line"));
            }
        }
        let classes = doc.root().get("classes");
        if let (Some(classes), false) =
            (classes.filter(|classes| classes.get(CLASS).is_none()), changes.added.is_empty())
        {
            edits.add(classes, CLASS, &format!("{{about: {}}}", skeleton::quoted(skeleton::ABOUT)));
        }
        changes.files = edits.applied();
        changes
    }
}

fn is_scalar(kind: &str) -> bool {
    matches!(kind, "null" | "boolean" | "number" | "string")
}

/// The entries that cover a member: itself where scalars came, and all below it where containers did.
fn entries(path: &FieldPath, types: &BTreeSet<String>) -> Vec<FieldPath> {
    let plain = types.iter().any(|kind| is_scalar(kind)).then(|| path.clone());
    let open = types.iter().any(|kind| !is_scalar(kind)).then(|| FieldPath { open: true, ..path.clone() });
    plain.into_iter().chain(open).collect()
}

/// How much of what an entry would name has one already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Nowhere,
    InPart,
    Whole,
}

/// How much of it has an entry: in the shape or body as it is written, or on a route where that and what it mounts are resolved.
fn named(map: &Node, policy: &PolicySet, owner: &Owner, new: &FieldPath) -> Named {
    let written = map.members().unwrap_or_default().iter();
    let mut written = written.filter_map(|member| FieldPath::parse(&member.key).ok());
    let places = places(policy, owner, new);
    let of_place = |(governed, place): &(&Governed, FieldPath)| {
        let all = governed.entries.iter().map(|entry| &entry.path);
        let known: Vec<&FieldPath> = all.filter(|known| known.overlaps(place)).collect();
        match known.is_empty() {
            true => Named::Nowhere,
            false if known.iter().any(|known| known.covers(place)) => Named::Whole,
            false => Named::InPart,
        }
    };
    let found: Vec<Named> = places.iter().map(of_place).collect();
    match (found.is_empty(), found.iter().all(|named| *named == Named::Nowhere)) {
        (false, false) if found.iter().all(|named| *named == Named::Whole) => Named::Whole,
        (false, false) => Named::InPart,
        _ if written.any(|known| known.overlaps(new)) => Named::Whole,
        _ => Named::Nowhere,
    }
}

/// Where a path of a shape or a body is, on every route.
fn places<'p>(policy: &'p PolicySet, owner: &Owner, path: &FieldPath) -> Vec<(&'p Governed, FieldPath)> {
    let mut found: Vec<(&Governed, FieldPath)> = Vec::new();
    for route in &policy.routes {
        let RouteBody::Governed(governed) = &route.body else { continue };
        match owner {
            Owner::Body(name) if *name == route.name => found.push((governed, path.clone())),
            Owner::Body(_) => {}
            Owner::Shape(name) => {
                let mut mounts: BTreeSet<String> = BTreeSet::new();
                for entry in governed.entries.iter() {
                    for (_, within) in entry.names.iter().filter(|(shape, _)| **shape == **name) {
                        let depth = entry.path.segments.len().saturating_sub(within.segments.len());
                        let segments = entry.path.segments.iter().take(depth).cloned().collect();
                        let place = FieldPath { segments, open: false }.join(path);
                        if mounts.insert(place.to_string()) {
                            found.push((governed, place));
                        }
                    }
                }
            }
        }
    }
    found
}

/// What is written into the files: by file and offset, the texts.
struct Edits<'a> {
    sources: &'a Sources,
    edits: BTreeMap<u16, BTreeMap<usize, Vec<String>>>,
}

impl Edits<'_> {
    /// Adds a member at the end of a map; whether there is a place for it.
    fn add(&mut self, map: &Node, key: &str, value: &str) -> bool {
        let file = map.span.file;
        let Some((at, text)) = self.sources.get(file).and_then(|source| member(source, map, key, value)) else {
            return false;
        };
        self.edits.entry(file).or_default().entry(at).or_default().push(text);
        true
    }

    fn applied(self) -> Vec<Fixed> {
        let mut files = Vec::new();
        for (file, edits) in self.edits {
            let Some(Source { name, text, .. }) = self.sources.get(file) else { continue };
            let (mut after, mut upto, mut count) = (String::new(), 0usize, 0usize);
            for (at, texts) in edits {
                after.push_str(text.get(upto..at).unwrap_or_default());
                after.extend(texts.iter().map(String::as_str));
                count = count.saturating_add(texts.len());
                upto = at;
            }
            after.push_str(text.get(upto..).unwrap_or_default());
            files.push(Fixed { name: name.clone(), before: text.to_string(), after, count });
        }
        files
    }
}

/// Where a member is added to a map, and what is written there: a line of its own, or, between braces, behind the last member.
fn member(source: &Source, map: &Node, key: &str, value: &str) -> Option<(usize, String)> {
    let text = &*source.text;
    let (first, last) = (map.members()?.first()?, map.members()?.last()?);
    let end = end(text, &last.node);
    let start = usize::try_from(first.key_span.start).ok()?;
    let line = text.get(..start)?.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let indent = text.get(line..start)?.trim_end_matches(['"', '\'']);
    if is_flow(text, map) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_$.-/@".contains(c);
        let key = if key.starts_with('"') || key.chars().all(plain) { key.to_owned() } else { skeleton::quoted(key) };
        return Some((end, format!(", {key}: {value}")));
    }
    if !indent.chars().all(|c| c == ' ') || end < start {
        return None;
    }
    let end = text.get(end..)?.find('\n').map_or(text.len(), |at| end.saturating_add(at));
    Some((end, format!("\n{indent}{key}: {value}")))
}

fn is_flow(text: &str, node: &Node) -> bool {
    let start = usize::try_from(node.span.start).unwrap_or(usize::MAX);
    text.get(start..).is_some_and(|text| text.starts_with(['{', '[']))
}

/// Where a node ends: of one in lines of its own, where its last part does.
fn end(text: &str, node: &Node) -> usize {
    let own = usize::try_from(node.span.end).unwrap_or(usize::MAX);
    let last = match &node.value {
        _ if is_flow(text, node) => None,
        Tree::Map(members) => members.last().map(|Member { node, .. }| node),
        Tree::List(elements) => elements.last(),
        _ => None,
    };
    last.map_or(own, |last| end(text, last))
}
