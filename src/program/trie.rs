//! The field trie of one route: every path of its entries, denies, row conditions and `max_records`, merged by segments.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ids::NamespaceId;
use crate::model::field_path::{FieldPath, Filter, Segment};
use crate::model::{ClientId, Entry, Governed, ScopeId};

/// Index of a node; the root is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(u32);

/// Index of an entry in [`Governed::entries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EntryId(pub(super) u32);

#[derive(Debug, Default)]
pub(super) struct TrieNode {
    /// How it is reached; the root is not.
    from: Option<(NodeId, Segment)>,
    /// Children by member name.
    pub(super) members: BTreeMap<Rc<str>, NodeId>,
    /// The child for every member and element.
    pub(super) any: Option<NodeId>,
    /// Children for those that a filter selects.
    pub(super) filtered: Vec<(Filter, NodeId)>,
    /// Entries that end here.
    pub(super) entries: Vec<EntryId>,
    /// Entries that end in `..*` here: they cover every scalar strictly below.
    pub(super) open: Vec<EntryId>,
    /// Clients for whom this place and all below it is hidden (rule 17).
    pub(super) denies: Vec<ClientId>,
    /// Row conditions on the elements of an array here: for every scope, or for one (rule 15).
    pub(super) rows: Vec<(Option<ScopeId>, Filter)>,
    /// Whether what comes to stand here is a record (rule 28).
    pub(super) counted: bool,
    /// Kinds of subjects that what comes to stand here names (rule 34), sorted, without repeats.
    pub(super) subjects: Vec<NamespaceId>,
    /// The kinds of subjects of which what comes to stand here is a record (rule 34), sorted, without repeats.
    pub(super) records: Vec<NamespaceId>,
}

impl TrieNode {
    /// Whether nothing of the policy lies below, `..*` apart.
    pub(super) fn is_leaf(&self) -> bool {
        self.members.is_empty() && self.any.is_none() && self.filtered.is_empty() && self.rows.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<TrieNode>,
}

impl Trie {
    pub(super) const ROOT: NodeId = NodeId(0);

    /// The trie of a route. `namespaces` are the kinds of subjects that are collected, in order.
    pub(super) fn new(route: &Governed, namespaces: &[Rc<str>]) -> Self {
        let mut trie = Self { nodes: vec![TrieNode::default()] };
        for (index, entry) in (0u32..).zip(route.entries.iter()) {
            let open = entry.path.open;
            trie.at(&entry.path.segments, |node| {
                if open {
                    node.open.push(EntryId(index));
                } else {
                    node.entries.push(EntryId(index));
                }
            });
        }
        // A kind of subject that is not collected has no number, and its places no mark.
        for entry in route.entries.iter() {
            let named = entry.subject.as_ref().and_then(|name| namespaces.iter().position(|known| known == name));
            let Some(id) = named.and_then(|index| u8::try_from(index).ok()).map(NamespaceId) else { continue };
            // Where the path names the subject, it is that one and no other.
            if route.subject.as_ref().is_some_and(|subject| Some(&subject.namespace) == entry.subject.as_ref()) {
                continue;
            }
            let segments = &entry.path.segments;
            let add = |kinds: &mut Vec<NamespaceId>| {
                kinds.push(id);
                kinds.sort_unstable();
                kinds.dedup();
            };
            trie.at(segments, |node| add(&mut node.subjects));
            // `$.items[*].owner.id`: the record is the element, `$.items[*]`; without any, it is the root.
            let within = segments.iter().rposition(|segment| !matches!(segment, Segment::Member(_)));
            let record = segments.get(..within.map_or(0, |last| last.saturating_add(1))).unwrap_or_default();
            trie.at(record, |node| add(&mut node.records));
            // A filter chooses where the subject is, not what is a record: an element that it does not select is one, too,
            // and counts without a subject.
            let all: Vec<Segment> = record.iter().map(Segment::without_filter).collect();
            trie.at(&all, |node| add(&mut node.records));
        }
        for (client, path) in &route.denies {
            trie.at(&denied_place(path), |node| node.denies.push(*client));
        }
        for row in &route.rows {
            trie.at(&row.array.segments, |node| node.rows.push((row.scope, row.filter.clone())));
        }
        if let Some(records) = &route.max_records {
            trie.at(&records.at.segments, |node| node.counted = true);
        }
        trie
    }

    /// Whether two routes have the same trie: they share their entries, and nothing else is said of places.
    pub(super) fn is_shared(one: &Governed, other: &Governed) -> bool {
        let namespace = |route: &Governed| route.subject.as_ref().map(|subject| Rc::clone(&subject.namespace));
        let plain = |route: &Governed| route.rows.is_empty() && route.max_records.is_none();
        Rc::ptr_eq(&one.entries, &other.entries)
            && plain(one)
            && plain(other)
            && one.denies == other.denies
            && namespace(one) == namespace(other)
    }

    /// The trie of an error body: these places, each with the entry of the same index (rule 29).
    pub(super) fn of_places(places: &[FieldPath]) -> Self {
        let mut trie = Self { nodes: vec![TrieNode::default()] };
        for (index, place) in (0u32..).zip(places) {
            trie.at(&place.segments, |node| node.entries.push(EntryId(index)));
        }
        trie
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&TrieNode> {
        self.nodes.get(usize::try_from(id.0).ok()?)
    }

    /// All nodes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &TrieNode)> {
        (0u32..).map(NodeId).zip(&self.nodes)
    }

    /// The path of a node.
    pub(super) fn path(&self, id: NodeId) -> FieldPath {
        let mut segments = Vec::new();
        let mut here = id;
        while let Some((parent, segment)) = self.node(here).and_then(|node| node.from.as_ref()) {
            segments.push(segment.clone());
            here = *parent;
        }
        segments.reverse();
        FieldPath { segments, open: false }
    }

    /// Walks and grows the trie along `segments`, then lets `then` mark where they end.
    fn at(&mut self, segments: &[Segment], then: impl FnOnce(&mut TrieNode)) {
        let mut here = Self::ROOT;
        for segment in segments {
            here = self.child(here, segment);
        }
        if let Some(node) = self.node_mut(here) {
            then(node);
        }
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut TrieNode> {
        self.nodes.get_mut(usize::try_from(id.0).ok()?)
    }

    fn child(&mut self, parent: NodeId, segment: &Segment) -> NodeId {
        let fresh = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let Some(node) = self.node_mut(parent) else { return fresh };
        let found = match segment {
            Segment::Member(name) => *node.members.entry(Rc::clone(name)).or_insert(fresh),
            Segment::Any => *node.any.get_or_insert(fresh),
            Segment::Filtered(filter) => match node.filtered.iter().find(|(known, _)| known == filter) {
                Some((_, child)) => *child,
                None => {
                    node.filtered.push((filter.clone(), fresh));
                    fresh
                }
            },
        };
        if found == fresh {
            self.nodes.push(TrieNode { from: Some((parent, segment.clone())), ..TrieNode::default() });
        }
        found
    }
}

/// Where a deny takes hold. A deny of `$.a..*` hides all below `$.a`, so it takes hold at each of its children.
fn denied_place(path: &FieldPath) -> Vec<Segment> {
    let mut segments = path.segments.clone();
    if path.open {
        segments.push(Segment::Any);
    }
    segments
}

/// The entries of a route that these are.
pub(super) fn resolve<'a>(route: &'a Governed, entries: &[EntryId]) -> Vec<&'a Entry> {
    entries.iter().filter_map(|entry| route.entries.get(usize::try_from(entry.0).ok()?)).collect()
}
