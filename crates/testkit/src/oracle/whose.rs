//! Whose data leaves, read off rule 34.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use fieldgate::model::field_path::Segment;
use fieldgate::model::{Governed, ScopeId};
use serde_json::Value;

use super::super::tree::Tree;
use super::{Asker, Fate, LONGEST_SCALAR, Oracle, Queries, Walk, query};

/// Whose data a response is, of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whose {
    /// The texts of the subjects.
    pub known: BTreeSet<String>,
    /// Records that left and named nobody.
    pub unknown: u64,
}

/// A place of a subject: its kind, the query that finds it, and the query that finds its records.
#[derive(Debug)]
pub(super) struct SubjectQuery {
    kind: Rc<str>,
    subject: usize,
    record: usize,
}

impl SubjectQuery {
    /// All of a route's.
    pub(super) fn all(governed: &Governed, queries: &mut Queries) -> Vec<Self> {
        let by_path = governed.subject.as_ref().map(|subject| &subject.namespace);
        let named = governed.entries.iter().filter_map(|entry| Some((entry, entry.subject.clone()?)));
        named
            .filter(|(_, kind)| by_path != Some(kind))
            .map(|(entry, kind)| {
                // The innermost step that is no name leads to the elements of the array, whatever a filter chooses of them.
                let is_name = |segment: &Segment| matches!(segment, Segment::Member(_));
                let erased = |segment: &Segment| if is_name(segment) { segment.clone() } else { Segment::Any };
                let segments: Vec<Segment> = entry.path.segments.iter().map(erased).collect();
                let length = segments.iter().rposition(|segment| !is_name(segment)).map_or(0, |last| last + 1);
                let record = queries.number(query(&segments[..length], false));
                Self { kind, subject: queries.number(query(&entry.path.segments, entry.path.open)), record }
            })
            .collect()
    }
}

/// A record around the node in hand.
struct Around {
    kind: Rc<str>,
    leaves: bool,
    named: BTreeSet<String>,
}

impl Oracle<'_> {
    /// Whose data leaves, of each kind that is among the body's places. Said of bodies that are not refused.
    pub fn whose(&self, asker: &Asker, body: &[u8]) -> BTreeMap<String, Whose> {
        let mut found: BTreeMap<String, Whose> =
            self.subjects.iter().map(|subject| (subject.kind.to_string(), Whose::default())).collect();
        let Ok(tree) = Tree::parse(body, usize::from(self.policy.limits.depth)) else { return found };
        let value = tree.value();
        let sets = self.sets(&value);
        let mut walk = Walk { oracle: self, asker, key: None, sets: &sets, records: 0, refusals: BTreeSet::new() };
        let denied = walk.denied(&value);
        walk.whose(&tree, &value, (&asker.scopes, denied, true), &mut Vec::new(), &mut found);
        found
    }
}

impl Walk<'_, '_> {
    /// Looks at a node, for these scopes, denied or not, of which what is around comes out or not.
    fn whose(
        &mut self,
        tree: &Tree<'_>,
        node: &Value,
        (scopes, denied, outer): (&[ScopeId], bool, bool),
        around: &mut Vec<Around>,
        found: &mut BTreeMap<String, Whose>,
    ) {
        let comes_out = match tree {
            Tree::Scalar(_) => self.scalar(node, scopes, denied) != Fate::Hide,
            Tree::Array(_) | Tree::Object(_) => self.container(node, scopes, denied),
        };
        let leaves = outer && comes_out;
        let before = around.len();
        let kinds = |is_at: &dyn Fn(&SubjectQuery) -> bool| -> BTreeSet<Rc<str>> {
            self.oracle.subjects.iter().filter(|one| is_at(one)).map(|one| Rc::clone(&one.kind)).collect()
        };
        for kind in kinds(&|one| self.is_at(node, one.record)) {
            around.push(Around { kind, leaves, named: BTreeSet::new() });
        }
        if let Some(text) = named(tree) {
            for kind in kinds(&|one| self.is_at(node, one.subject)) {
                let innermost = around.iter_mut().rev().find(|record| record.kind == kind);
                innermost.expect("a subject is in a record").named.insert(text.clone());
            }
        }
        let children: Vec<(&Tree<'_>, &Value)> = match (tree, node) {
            (Tree::Array(trees), Value::Array(values)) => trees.iter().zip(values).collect(),
            (Tree::Object(members), Value::Object(values)) => {
                members.iter().map(|member| &member.tree).zip(values.values()).collect()
            }
            _ => Vec::new(),
        };
        for (tree, child) in children {
            let scopes = self.kept_scopes(node, child, scopes);
            if !scopes.is_empty() && self.is_within_records(child) {
                let denied = denied || self.denied(child);
                self.whose(tree, child, (&scopes, denied, leaves), around, found);
            }
        }
        for record in around.drain(before..).filter(|record| record.leaves) {
            let whose = found.get_mut(&*record.kind).expect("each kind is there");
            whose.unknown += u64::from(record.named.is_empty());
            whose.known.extend(record.named);
        }
    }
}

/// The text by which a scalar names somebody: that of a string or a number, which is not too long.
fn named(tree: &Tree<'_>) -> Option<String> {
    let Tree::Scalar(token) = tree else { return None };
    match token.first() {
        _ if token.len() > LONGEST_SCALAR => None,
        Some(b'"') => serde_json::from_slice(token).ok(),
        Some(b'-' | b'0'..=b'9') => Some(String::from_utf8_lossy(token).into_owned()),
        _ => None,
    }
}
