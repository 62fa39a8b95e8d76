//! [`Look`]: what a view of a route depends on. Callers of many profiles have few looks: of ten thousand sets of scopes most give
//! one of some hundred sets of levels, and callers of one look share a view.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::grant::Grants;
use super::ids::distinct;
use super::trie::{EntryId, NodeId, Trie, resolve};
use crate::model::{ClassId, ClientId, Governed, Level, PolicySet, RouteId, ScopeId};

/// What the levels of a caller on a route depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallerProfile {
    pub(super) route: RouteId,
    /// The entry that stands for all that give the same views.
    pub(super) client: Option<ClientId>,
    pub(super) scopes: Rc<[ScopeId]>,
    /// That of the budgets' steps (rule 35).
    pub(super) ceiling: Level,
}

/// What a view depends on: two profiles with one look see the same of every body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Look {
    /// On a route where each place has the entries of one trie node, the levels of these; and the places that are denied.
    Levels {
        /// The route.
        route: RouteId,
        /// Of each group of entries, ceilings and steps included.
        levels: Box<[Level]>,
        /// Where the client's denies take hold.
        denied: Box<[NodeId]>,
    },
    /// Nothing less than the profile.
    Profile(CallerProfile),
}

/// The groups of a route's entries that are at one level, whoever asks: they have the same classes, and scopes say the same of
/// them by name.
#[derive(Debug)]
pub(super) struct EntryGroups {
    /// The entries of each, or rather one set of entries for which the others stand.
    sets: Vec<Vec<EntryId>>,
    /// The group of each entry by itself.
    of_entry: Vec<usize>,
    /// Scopes with row conditions of their own.
    with_rows: Vec<ScopeId>,
    /// Where each client's denies take hold.
    denied: FxHashMap<ClientId, Vec<NodeId>>,
}

/// What entries of a group have in common: their classes, and what scopes say of them by name.
type GroupTraits = (Vec<ClassId>, Vec<(ScopeId, Level)>);

impl EntryGroups {
    /// Those of a route; `None` where more than one trie node can be at one place, so that entries meet in ways that only bodies
    /// tell.
    pub(super) fn new(governed: &Governed, trie: &Trie) -> Option<Self> {
        let mut groups =
            Self { sets: Vec::new(), of_entry: Vec::new(), with_rows: Vec::new(), denied: FxHashMap::default() };
        let mut known: FxHashMap<GroupTraits, usize> = FxHashMap::default();
        let mut group = |set: &[EntryId], sets: &mut Vec<Vec<EntryId>>| {
            let entries = resolve(governed, set);
            let classes = distinct(entries.iter().flat_map(|entry| entry.classes.iter().copied()));
            let mut named: Vec<_> = entries.iter().flat_map(|entry| entry.overrides.iter().copied()).collect();
            named.sort_unstable();
            *known.entry((classes, named)).or_insert_with(|| {
                sets.push(set.to_vec());
                sets.len().saturating_sub(1)
            })
        };
        // Each by itself first, as a container asks for its entries one by one (rule 25).
        for entry in (0u32..).take(governed.entries.len()) {
            let index = group(&[EntryId(entry)], &mut groups.sets);
            groups.of_entry.push(index);
        }
        for (id, node) in trie.iter() {
            // `$.*` beside `$.a`, or two filters: what meets there only a body tells.
            let ways = [!node.members.is_empty(), node.any.is_some(), !node.filtered.is_empty()];
            let apart = ways.into_iter().filter(|way| *way).count() <= 1 && node.filtered.len() <= 1;
            if !apart || (!node.open.is_empty() && !node.is_leaf()) {
                return None;
            }
            for set in [&node.entries, &node.open] {
                if set.len() > 1 {
                    group(set, &mut groups.sets);
                }
            }
            groups.with_rows.extend(node.rows.iter().filter_map(|(scope, _)| *scope));
            for client in &node.denies {
                groups.denied.entry(*client).or_default().push(id);
            }
        }
        Some(groups)
    }

    /// The look of a profile.
    pub(super) fn look(&self, policy: &PolicySet, governed: &Governed, profile: &CallerProfile) -> Look {
        // What scopes with rows give depends on the element, and no scope at all is a case of its own.
        if profile.scopes.is_empty() || profile.scopes.iter().any(|scope| self.with_rows.contains(scope)) {
            return Look::Profile(profile.clone());
        }
        let grants = Grants::new(policy, profile.client, &governed.ceiling, profile.ceiling);
        let levels = self.sets.iter().map(|set| grants.level(&resolve(governed, set), &profile.scopes)).collect();
        let denied = profile.client.and_then(|client| self.denied.get(&client));
        Look::Levels {
            route: profile.route,
            levels,
            denied: denied.map(|nodes| nodes.as_slice().into()).unwrap_or_default(),
        }
    }

    /// The level of an entry by itself, under a look.
    pub(super) fn level(&self, look: &Look, entry: EntryId) -> Option<Level> {
        let Look::Levels { levels, .. } = look else { return None };
        levels.get(*self.of_entry.get(usize::try_from(entry.0).ok()?)?).copied()
    }
}

impl Look {
    /// What it takes besides itself, in bytes, roughly.
    fn size(&self) -> usize {
        match self {
            Self::Levels { levels, denied, .. } => levels.len().saturating_add(denied.len().saturating_mul(4)),
            Self::Profile(profile) => profile.scopes.len().saturating_mul(2),
        }
    }
}

/// What was asked for lately, in a bounded room: the younger half is looked at first, and once it is full it becomes the older
/// one, which is then forgotten with all that nobody has asked for since.
#[derive(Debug)]
pub(super) struct RecentLooks {
    young: HashMap<CallerProfile, Rc<Look>>,
    old: HashMap<CallerProfile, Rc<Look>>,
    taken: usize,
    most: usize,
}

/// What a profile and its look take besides what they hold, in bytes.
const OF_A_LOOK: usize = 160;

impl RecentLooks {
    /// In a room of twice `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), taken: 0, most }
    }

    pub(super) fn get(&mut self, profile: &CallerProfile, work_out: impl FnOnce() -> Option<Look>) -> Option<Rc<Look>> {
        if let Some(known) = self.young.get(profile) {
            return Some(Rc::clone(known));
        }
        // What is asked for again becomes young again.
        let look = match self.old.remove(profile) {
            Some(known) => known,
            None => Rc::new(work_out()?),
        };
        self.taken = self
            .taken
            .saturating_add(OF_A_LOOK)
            .saturating_add(look.size())
            .saturating_add(profile.scopes.len().saturating_mul(2));
        if self.taken > self.most {
            self.old = std::mem::take(&mut self.young);
            self.taken = 0;
        }
        self.young.insert(profile.clone(), Rc::clone(&look));
        Some(look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_kept_in_a_bounded_room_and_what_is_asked_for_stays() {
        let profile = |number: u16| CallerProfile {
            route: RouteId(number),
            client: None,
            scopes: [ScopeId(number)].into(),
            ceiling: Level::Show,
        };
        let mut recent = RecentLooks::new(100 * (OF_A_LOOK + 4));
        let mut worked_out = 0;
        for number in 0..10_000 {
            for asked in [0, number] {
                recent.get(&profile(asked), || {
                    worked_out += 1;
                    Some(Look::Profile(profile(asked)))
                });
            }
            assert!(recent.young.len() + recent.old.len() <= 202, "{number}");
        }
        assert_eq!(worked_out, 10_000, "each once, and the one that is asked for all the time no more often");
    }
}
