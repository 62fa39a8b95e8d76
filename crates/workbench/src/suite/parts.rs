//! Parts of a path's places that another entry names too: there the verdict may be another one (rules 13 and 15).

use super::verdict::{Circumstances, Verdict, at_path, covering, decide, denies, word};
use fieldgate::model::field_path::FieldPath;
use fieldgate::model::{ClientId, Entry, Governed, PolicySet, ScopeId};

/// A part of a path's places.
#[derive(Debug, Clone)]
pub struct Part<'p> {
    /// The entry that names it too.
    pub entry: &'p Entry,
    /// What the policy says there.
    pub verdict: Verdict,
}

impl Part<'_> {
    /// What a cell or an answer says of it.
    #[must_use]
    pub fn said(&self) -> String {
        format!("where {} names it too: {}", self.entry.path, word(self.verdict.level))
    }
}

/// The parts of a path's places that entries name which do not name all of them.
#[must_use]
pub fn parts<'p>(
    policy: &PolicySet,
    governed: &'p Governed,
    path: &FieldPath,
    client: Option<ClientId>,
    scopes: &[ScopeId],
) -> Vec<Part<'p>> {
    let others = governed.entries.iter().filter(|entry| entry.path.overlaps(path) && !entry.path.covers(path));
    let part = |entry: &'p Entry| {
        let mut named = covering(governed, path);
        named.extend(covering(governed, &entry.path));
        named.sort_unstable();
        named.dedup();
        let hides = |deny: &FieldPath| denies(deny, path) || denies(deny, &entry.path);
        let denied = governed.denies.iter().any(|(whom, deny)| Some(*whom) == client && hides(deny));
        Part {
            entry,
            verdict: decide(policy, governed, named, Circumstances { client, scopes, denied, left_out: &[] }),
        }
    };
    others.map(part).collect()
}

/// Those of [`parts`] where more comes out than of the path in general, each path once. `lowered` is what a step of a budget makes
/// of a verdict.
pub fn raised<'p>(
    policy: &PolicySet,
    governed: &'p Governed,
    path: &FieldPath,
    (client, scopes): (Option<ClientId>, &[ScopeId]),
    lowered: impl Fn(Verdict) -> Verdict,
) -> Vec<Part<'p>> {
    let general = lowered(at_path(policy, governed, path, client, scopes)).level;
    let mut found: Vec<Part<'_>> = Vec::new();
    for part in parts(policy, governed, path, client, scopes) {
        let part = Part { verdict: lowered(part.verdict), ..part };
        if part.verdict.level > general && !found.iter().any(|other| other.entry.path == part.entry.path) {
            found.push(part);
        }
    }
    found
}
