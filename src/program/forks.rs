//! [`Forks`]: of many templates the few that a path may fit, found segment by segment.
//!
//! It leaves out what cannot fit, and decides nothing else: whoever asks looks at each template that is left, so that which
//! path fits which template is said in one place ([`super::fit`], [`super::loose`]).

use rustc_hash::FxHashMap;

/// Templates by their segments. A path's segments are text of a caller's, but nothing of it is ever added, so however it is
/// chosen it meets the policy's own texts alone.
#[derive(Debug)]
pub(super) struct Forks {
    nodes: Vec<Fork>,
}

/// What may follow the same segments.
#[derive(Debug, Default)]
struct Fork {
    texts: FxHashMap<Box<str>, usize>,
    /// By what stands before a parameter, then by what stands after it.
    parts: Affixes<Affixes<usize>>,
    any: Option<usize>,
    /// Templates that end here.
    ends: Vec<usize>,
    /// Templates that take one segment more, or several.
    rests: Vec<usize>,
}

/// One segment of a template.
#[derive(Debug, Clone, Copy)]
pub(super) enum ForkStep<'t> {
    /// Exactly this text.
    Text(&'t str),
    /// What starts with the one and ends in the other.
    Between(&'t str, &'t str),
    /// Any segment.
    Any,
    /// Any segments, at least one; nothing follows.
    Rest,
}

/// Values by a text that a segment starts with, or ends in.
#[derive(Debug)]
struct Affixes<T> {
    /// The lengths of the texts, each once.
    lengths: Vec<usize>,
    by_text: FxHashMap<Box<str>, T>,
}

impl<T> Default for Affixes<T> {
    fn default() -> Self {
        Self { lengths: Vec::new(), by_text: FxHashMap::default() }
    }
}

impl<T> Affixes<T> {
    fn entry(&mut self, text: &str, fresh: impl FnOnce() -> T) -> &mut T {
        if !self.lengths.contains(&text.len()) {
            self.lengths.push(text.len());
        }
        self.by_text.entry(text.into()).or_insert_with(fresh)
    }

    fn starts(&self, segment: &str) -> impl Iterator<Item = &T> {
        self.lengths.iter().filter_map(|length| self.by_text.get(segment.get(..*length)?))
    }

    fn ends(&self, segment: &str) -> impl Iterator<Item = &T> {
        self.lengths.iter().filter_map(|length| self.by_text.get(segment.get(segment.len().checked_sub(*length)?..)?))
    }
}

impl Forks {
    /// Of templates, each by its place among them.
    pub(super) fn new<'t, S: IntoIterator<Item = ForkStep<'t>>>(templates: impl IntoIterator<Item = S>) -> Self {
        // The first fork is the root: what stands behind the first slash.
        let mut forks = Self { nodes: vec![Fork::default()] };
        for (index, steps) in templates.into_iter().enumerate() {
            let (mut here, mut rest) = (0, false);
            for step in steps {
                let fresh = forks.nodes.len();
                let Some(node) = forks.nodes.get_mut(here) else { break };
                here = match step {
                    ForkStep::Text(text) => *node.texts.entry(text.into()).or_insert(fresh),
                    ForkStep::Between(before, after) => {
                        *node.parts.entry(before, Affixes::default).entry(after, || fresh)
                    }
                    ForkStep::Any => *node.any.get_or_insert(fresh),
                    // Nothing follows, so it needs no fork of its own.
                    ForkStep::Rest => {
                        rest = true;
                        here
                    }
                };
                if here == fresh {
                    forks.nodes.push(Fork::default());
                }
            }
            if let Some(node) = forks.nodes.get_mut(here) {
                if rest { node.rests.push(index) } else { node.ends.push(index) }
            }
        }
        forks
    }

    /// Tells `found` of every template that these segments may fit, and of none twice, until it says that it has enough.
    /// `texts` are those that a segment may be taken for: itself, and what a loose reading makes of it.
    ///
    /// A fork is met at most once, so a path costs no more than the policy has forks.
    pub(super) fn find<'s, S, T>(
        &self,
        segments: S,
        texts: &impl Fn(&'s str) -> T,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool
    where
        S: Iterator<Item = &'s str> + Clone,
        T: Iterator<Item = &'s str>,
    {
        self.nodes.first().is_some_and(|root| self.follow(root, segments, texts, found))
    }

    fn follow<'s, S, T>(
        &self,
        node: &Fork,
        mut segments: S,
        texts: &impl Fn(&'s str) -> T,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool
    where
        S: Iterator<Item = &'s str> + Clone,
        T: Iterator<Item = &'s str>,
    {
        // Several segments are one at least: `/files` is not `/files/{path+}`.
        let Some(segment) = segments.next() else { return node.ends.iter().any(|index| found(*index)) };
        let mut enter =
            |next: &usize| self.nodes.get(*next).is_some_and(|node| self.follow(node, segments.clone(), texts, found));
        // All ways are tried: a literal that leads to a dead end hides no parameter (rule 4).
        (!node.texts.is_empty() && texts(segment).filter_map(|text| node.texts.get(text)).any(&mut enter))
            || node.parts.starts(segment).any(|parts| parts.ends(segment).any(&mut enter))
            || node.any.iter().any(&mut enter)
            || node.rests.iter().any(|index| found(*index))
    }
}
