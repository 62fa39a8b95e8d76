//! [`Automaton`]: the states of callers of one look on one route, made from the places of the policy's trie.
//!
//! A state stands for a [`Place`]: a set of trie nodes, of entries that hang over it (`..*`), and of scopes whose row conditions
//! keep it. Those that no filter decides are made at once; one that a filter selects in a new way is made when it is met.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::bins::{Bin, Bins};
use super::grant::{Grants, ScalarRule};
use super::ids::{Outlook, Standing, StateId, distinct};
use super::kept::{Fills, Share};
use super::looks::{CallerProfile, EntryGroups, Look};
use super::state::{ContainerRule, PathStep, State};
use super::trie::{EntryId, NodeId, Trie, TrieNode, resolve};
use crate::model::field_path::{FieldPath, Filter};
use crate::model::{ClassId, ClientId, Entry, Governed, Level, Limits, Over, PolicySet, RouteId, ScopeId};

/// States one view may have: filters that select in ever new combinations could make more and more of them. Sixteen filters
/// that select independently of each other have room for all of their combinations, which takes some ten megabytes of body. A
/// view that is full refuses what it does not know (rule 39), and goes on with what it knows.
const MAX_STATES: usize = 1 << 16;

/// Names that the states of one view may have together: each takes some hundred bytes, and each state of a wide shape has all
/// of the shape's.
const MAX_NAMES: usize = 1 << 19;

/// What a view takes besides its states, in states.
const OF_A_VIEW: usize = 4;

/// Whose levels a view resolves.
#[derive(Debug)]
enum Judge {
    /// A caller's, on a governed route.
    Caller { route: RouteId, client: Option<ClientId>, ceiling: Level },
    /// Everybody's: the places of an error body are at show (rule 29).
    Errors,
}

/// The states of callers of one look on one route.
#[derive(Debug)]
pub(super) struct Automaton {
    policy: Rc<PolicySet>,
    trie: Rc<Trie>,
    judge: Judge,
    /// The levels of entries by themselves, where they are worked out already.
    known: Option<(Rc<EntryGroups>, Rc<Look>)>,
    pub(super) limits: Limits,
    pub(super) max_records: Option<(u64, Over)>,
    scopes: Vec<ScopeId>,
    pub(super) table: RefCell<Table>,
    /// What its states count for, made when it is first asked for.
    bins: RefCell<Bins>,
    /// Whether a body may come out longer than it came.
    pub(super) lengthens: bool,
    /// How many states it may have.
    most: usize,
    /// What its states take of the room that all views have together.
    room: Share,
    /// What stands in for a state that does not exist.
    pub(super) dead: Rc<State>,
}

/// A set of ways to one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Trie nodes, sorted.
    nodes: Vec<NodeId>,
    /// `..*` entries above, sorted.
    open: Vec<EntryId>,
    /// Scopes whose row conditions keep it, sorted.
    pub(super) scopes: Vec<ScopeId>,
    /// Whether a deny covers it.
    denied: bool,
}

impl Place {
    fn is_dead(&self) -> bool {
        self.nodes.is_empty() && self.open.is_empty()
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    places: Vec<Rc<Place>>,
    /// The states that the view was made with.
    pub(super) made: Rc<[Rc<State>]>,
    /// Those after them.
    pub(super) added: Vec<Rc<State>>,
    index: FxHashMap<Rc<Place>, StateId>,
    visible: FxHashMap<Rc<Place>, bool>,
    /// The names of all states.
    names: usize,
    /// No room is left: no place is added any more.
    full: bool,
}

impl Table {
    fn state(&self, index: usize) -> Option<&Rc<State>> {
        self.made.get(index).or_else(|| self.added.get(index.checked_sub(self.made.len())?))
    }

    /// How many places have a state.
    fn len(&self) -> usize {
        self.made.len().saturating_add(self.added.len())
    }

    /// What it takes of the room that all views have: its states, and their names.
    fn size(&self) -> usize {
        self.len().saturating_add(self.names)
    }

    /// Forgets the places that have no state, for want of room: a state whose children are not all there would hide them.
    fn forget_unmade(&mut self) {
        for place in self.places.drain(self.made.len().saturating_add(self.added.len())..) {
            self.index.remove(&place);
        }
    }
}

impl Automaton {
    /// For the callers of a profile, and all whose look is the same. `None` if it would have too many states.
    pub(super) fn for_profile(
        policy: Rc<PolicySet>,
        trie: Rc<Trie>,
        profile: &CallerProfile,
        known: Option<(Rc<EntryGroups>, Rc<Look>)>,
        room: Share,
    ) -> Option<Self> {
        let CallerProfile { route, client, ceiling, .. } = *profile;
        let max_records = policy.governed(route)?.max_records.as_ref().map(|records| (records.max, records.over));
        let limits = policy.limits;
        Self {
            policy,
            trie,
            judge: Judge::Caller { route, client, ceiling },
            known,
            limits,
            max_records,
            scopes: profile.scopes.to_vec(),
            table: RefCell::default(),
            bins: RefCell::default(),
            lengthens: true,
            most: MAX_STATES,
            room,
            dead: Rc::new(State::dead()),
        }
        .built()
    }

    /// For error bodies.
    pub(super) fn for_errors(policy: Rc<PolicySet>) -> Option<Self> {
        let trie = Rc::new(Trie::of_places(&policy.defaults.errors.show));
        let limits = policy.limits;
        let judge = Judge::Errors;
        let dead = Rc::new(State::dead());
        let (scopes, table, room) = (Vec::new(), RefCell::default(), Share::default());
        Self {
            policy,
            trie,
            judge,
            known: None,
            limits,
            max_records: None,
            scopes,
            table,
            bins: RefCell::default(),
            lengthens: true,
            most: MAX_STATES,
            room,
            dead,
        }
        .built()
    }

    fn built(mut self) -> Option<Self> {
        let mut table = Table::default();
        // The first two states have fixed numbers: `StateId::DEAD` and `StateId::ROOT`.
        self.intern(&mut table, Place::default());
        let mut root = Place { nodes: vec![Trie::ROOT], open: Vec::new(), scopes: self.scopes.clone(), denied: false };
        root.denied = self.is_denied(&root);
        self.intern(&mut table, root);
        self.close(&mut table);
        // What is there now never changes: responses share it without a look at the table. A filter's states are added beside it.
        table.made = std::mem::take(&mut table.added).into();
        self.room.take(table.size().saturating_add(OF_A_VIEW));
        let full = table.full;
        self.lengthens = table
            .made
            .iter()
            .any(|state| state.filtered || !matches!(state.scalar.fate(), ScalarRule::Hide | ScalarRule::Show));
        self.table = RefCell::new(table);
        (!full).then_some(self)
    }

    /// What its states count for.
    pub(super) fn with_bins<T: Default>(&self, then: impl FnOnce(&Bins) -> T) -> T {
        let (Ok(mut bins), Ok(table)) = (self.bins.try_borrow_mut(), self.table.try_borrow()) else {
            return T::default();
        };
        // Filters may have added states since the bins were made.
        bins.make(table.len(), |index| {
            let (place, state) = (table.places.get(index)?, table.state(index)?);
            if place.is_dead() {
                return None;
            }
            let here = self.classes(self.entries(place));
            // What lies below a container that is walked counts for itself.
            let whole: &[NodeId] = match state.container {
                ContainerRule::Drop | ContainerRule::Mute => &place.nodes,
                ContainerRule::Open | ContainerRule::Walk => &[],
            };
            let below = whole.iter().flat_map(|node| self.below(*node));
            let open = self.nodes(place).flat_map(|node| node.open.iter().copied());
            let all = self.classes(self.entries(place).into_iter().chain(open).chain(below));
            Some([
                Bin { classes: here, level: state.level(Standing::Scalar) },
                Bin { classes: all, level: state.level(Standing::Whole) },
            ])
        });
        then(&bins)
    }

    /// The classes of entries, sorted, without repeats.
    fn classes(&self, entries: impl IntoIterator<Item = EntryId>) -> Vec<ClassId> {
        let Some((_, governed)) = self.grants() else { return Vec::new() };
        let entries: Vec<EntryId> = entries.into_iter().collect();
        distinct(resolve(governed, &entries).iter().flat_map(|entry| entry.classes.iter().copied()))
    }

    /// The entries strictly below a node.
    fn below(&self, node: NodeId) -> Vec<EntryId> {
        let mut found = Vec::new();
        // A stack of its own: a policy's depth must not be this function's.
        let mut open = vec![node];
        while let Some(node) = open.pop().and_then(|id| self.trie.node(id)) {
            for child in children(node) {
                if let Some(below) = self.trie.node(child) {
                    found.extend(below.entries.iter().chain(&below.open));
                }
                open.push(child);
            }
        }
        found
    }

    /// The place of a state, and the level of what stands there.
    pub(super) fn describe(&self, index: usize, kind: Standing) -> Option<(String, Level)> {
        let table = self.table.try_borrow().ok()?;
        let (place, state) = (table.places.get(index)?, table.state(index)?);
        let level = state.level(kind);
        // Of several ways to one place, one that an entry ends at.
        let ends = |id: &&NodeId| self.trie.node(**id).is_some_and(|node| !node.entries.is_empty());
        // `$.a` and `$.*` reach the same member: the line that names it is the one to report.
        let node = place.nodes.iter().find(ends).or_else(|| place.nodes.first());
        let field = match (node, self.grants()) {
            (Some(node), _) => self.trie.path(*node).to_string(),
            (None, Some((_, route))) => resolve(route, &place.open).first()?.path.to_string(),
            (None, None) => return None,
        };
        Some((field, level))
    }

    /// Where the container of a state is: the innermost shape that it is a part of, if any, and its path in that; else its path
    /// in the route's body.
    pub(super) fn owner(&self, id: StateId) -> Option<(Option<Rc<str>>, FieldPath)> {
        let table = self.table.try_borrow().ok()?;
        let node = *table.places.get(id.index())?.nodes.first()?;
        let (path, (_, governed)) = (self.trie.path(node), self.grants()?);
        // An entry below it knows the shapes that were mounted on the way, and where in each it is.
        let part_of = |entry: &&Entry| {
            entry.names.iter().rev().find_map(|(shape, within)| {
                let mounted = entry.path.segments.len().checked_sub(within.segments.len())?;
                let segments = within.segments.get(..path.segments.len().checked_sub(mounted)?)?.to_vec();
                Some((Rc::clone(shape), FieldPath { segments, open: false }))
            })
        };
        let shape = resolve(governed, &self.below(node)).iter().find_map(part_of);
        Some(shape.map_or((None, path), |(shape, path)| (Some(shape), path)))
    }

    /// Four times the cost of one scalar at the place of a state.
    pub(super) fn quarters(&self, index: usize, kind: Standing) -> u64 {
        let (Ok(table), Standing::Scalar) = (self.table.try_borrow(), kind) else { return 0 };
        let (Some(place), Some(state)) = (table.places.get(index), table.state(index)) else { return 0 };
        // In quarters, so that a pseudonym's share is a whole number.
        let share = match state.scalar.fate() {
            ScalarRule::Show | ScalarRule::Detect { .. } => 4,
            ScalarRule::Mask { .. } => 2,
            ScalarRule::Pseudonym { .. } => 1,
            ScalarRule::Blank(_) | ScalarRule::Hide | ScalarRule::Subject { .. } => 0,
        };
        let classes = self.classes(self.entries(place));
        let cost = |class: &ClassId| self.policy.classes.get(usize::from(class.0)).and_then(|class| class.cost);
        let cost = classes.iter().filter_map(cost).fold(0u64, |sum, cost| sum.saturating_add(cost.into()));
        cost.saturating_mul(share)
    }

    pub(super) fn select(&self, from: StateId, step: PathStep<'_>, child: &Value) -> Option<StateId> {
        let mut table = self.table.try_borrow_mut().ok()?;
        // `$.items[?@.kind == 'a'].iban`: at `items`, whose elements are filtered, each element may be another place.
        let place = Rc::clone(table.places.get(usize::try_from(from.0).ok()?)?);
        let Some(scopes) = self.kept_scopes(&place, child) else { return Some(StateId::DEAD) };
        let next = self.follow(&place, step, scopes, |filter| filter.selects(child));
        // Elements that the same filters select are one place: few values make a state of their own.
        if let Some(known) = table.index.get(&next) {
            return Some(*known);
        }
        if table.full {
            return None;
        }
        let before = table.size();
        let next = self.intern(&mut table, next);
        self.close(&mut table);
        self.room.take(table.size().saturating_sub(before));
        (!table.full).then_some(next)
    }

    /// The scopes whose row conditions keep `child`; `None` if no scope's do (rules 15, 26).
    fn kept_scopes(&self, place: &Place, child: &Value) -> Option<Vec<ScopeId>> {
        let mut scopes = place.scopes.clone();
        for (of, filter) in self.nodes(place).flat_map(|node| node.rows.iter()) {
            match of {
                // The route's own condition: the element is for nobody.
                None if !filter.selects(child) => return None,
                Some(scope) if scopes.contains(scope) && !filter.selects(child) => scopes.retain(|kept| kept != scope),
                _ => {}
            }
        }
        (!scopes.is_empty()).then_some(scopes)
    }

    /// The place of a child: by name, by `*`, by the filters for which `selected` says so, and under `..*`.
    fn follow(
        &self,
        place: &Place,
        step: PathStep<'_>,
        scopes: Vec<ScopeId>,
        mut selected: impl FnMut(&Filter) -> bool,
    ) -> Place {
        let mut nodes: Vec<NodeId> = Vec::new();
        let mut open = place.open.clone();
        for node in self.nodes(place) {
            if let PathStep::Member(name) = step {
                nodes.extend(node.members.get(name));
            }
            // `*` goes with every name and element, beside what is named.
            nodes.extend(node.any);
            nodes.extend(node.filtered.iter().filter(|(filter, _)| selected(filter)).map(|(_, to)| *to));
            open.extend(&node.open);
        }
        // All dead places are one: else each combination of scopes would make a state that hides everything.
        let (nodes, open) = (distinct(nodes), distinct(open));
        let mut next = Place { nodes, open, scopes, denied: place.denied };
        if next.is_dead() {
            return Place::default();
        }
        // What is denied stays so below (rule 17).
        next.denied |= self.is_denied(&next);
        next
    }

    fn is_denied(&self, place: &Place) -> bool {
        match self.judge {
            Judge::Caller { client: Some(client), .. } => self.nodes(place).any(|node| node.denies.contains(&client)),
            Judge::Caller { client: None, .. } | Judge::Errors => false,
        }
    }

    fn nodes<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'a TrieNode> {
        place.nodes.iter().filter_map(|id| self.trie.node(*id))
    }

    /// The number of a place's state, made later by [`Self::close`] if it is new.
    fn intern(&self, table: &mut Table, place: Place) -> StateId {
        if let Some(known) = table.index.get(&place) {
            return *known;
        }
        let (Ok(number), false) = (u32::try_from(table.places.len()), table.places.len() >= self.most) else {
            // Fail closed: the caller refuses the view, or the response whose filter asked.
            table.full = true;
            return StateId::DEAD;
        };
        let place = Rc::new(place);
        table.places.push(Rc::clone(&place));
        table.index.insert(place, StateId(number));
        StateId(number)
    }

    /// Makes the states of all places that have none yet, or of none if there is no room for all of them.
    fn close(&self, table: &mut Table) {
        let known = table.len();
        let mut made = Vec::new();
        // Making a state may add places, which get theirs later in this loop: it ends when none is without.
        while let Some(place) = table.places.get(known.saturating_add(made.len())).cloned() {
            if table.full {
                break;
            }
            let state = self.make(table, &place);
            made.push(state);
        }
        if table.full {
            table.forget_unmade();
            return;
        }
        // A parent keeps what can be said of each child, so that most children cost no look at their state.
        let new: Vec<Outlook> = made.iter().map(State::outlook).collect();
        let outlook = |id: StateId| {
            let of = match id.index().checked_sub(known) {
                Some(index) => new.get(index).copied(),
                None => table.state(id.index()).map(|state| state.outlook()),
            };
            of.unwrap_or(Outlook::Asked)
        };
        for state in &mut made {
            state.outlook = outlook(state.other);
            state.members.foresee(outlook);
            // Members of unknown names are removed here: only names with the hint of a known one are looked up.
            if let (Outlook::Hidden { .. }, false) = (state.outlook, state.filtered) {
                state.looked_up = state.members.hints();
            }
        }
        table.added.extend(made.into_iter().map(Rc::new));
    }

    fn make(&self, table: &mut Table, place: &Place) -> State {
        if place.is_dead() {
            return State::dead();
        }
        let entries = self.entries(place);
        // A deny is beyond any grant (rule 17).
        let scalar = if place.denied { ScalarRule::Hide } else { self.rule(&entries, &place.scopes) };
        let container = self.container(table, place);
        let namespaces = distinct(self.nodes(place).flat_map(|node| node.subjects.iter().copied()));
        let records = distinct(self.nodes(place).flat_map(|node| node.records.iter().copied()));
        // A root that names a subject and is hidden is refused, as any hidden root is.
        let is_root = place.nodes.contains(&Trie::ROOT);
        let scalar = if namespaces.is_empty() || (is_root && scalar == ScalarRule::Hide) {
            scalar
        } else {
            ScalarRule::Subject { namespaces: namespaces.into(), then: Rc::new(scalar) }
        };
        let mut state = State {
            scalar,
            container,
            classified: !entries.is_empty(),
            counted: self.nodes(place).any(|node| node.counted),
            record: (!records.is_empty()).then(|| records.into()),
            ..State::dead()
        };
        // Nothing below is looked at: no children are needed.
        if !matches!(container, ContainerRule::Walk | ContainerRule::Mute) {
            return state;
        }
        let known: BTreeSet<&str> =
            self.nodes(place).flat_map(|node| node.members.keys()).map(|name| &**name).collect();
        table.names = table.names.saturating_add(known.len());
        if table.names > MAX_NAMES {
            table.full = true;
            return state;
        }
        let child = |table: &mut Table, step| {
            // As if no filter selected it: `select` decides those when the value is there.
            let next = self.follow(place, step, place.scopes.clone(), |_| false);
            self.intern(table, next)
        };
        state.members = known.into_iter().map(|name| (name, child(table, PathStep::Member(name)))).collect();
        // A member of any other name is reached as an element is: by `*` and `..*` alone.
        state.other = child(table, PathStep::Element);
        state.element = state.other;
        state.filtered = self.is_filtered(place);
        state
    }

    /// Entries whose place this is, or over whose `..*` it lies.
    fn entries(&self, place: &Place) -> Vec<EntryId> {
        distinct(self.nodes(place).flat_map(|node| node.entries.iter().copied()).chain(place.open.iter().copied()))
    }

    fn rule(&self, entries: &[EntryId], scopes: &[ScopeId]) -> ScalarRule {
        match self.judge {
            Judge::Errors if entries.is_empty() => ScalarRule::Hide,
            Judge::Errors => match self.policy.defaults.errors.detect.as_slice() {
                [] => ScalarRule::Show,
                detectors => ScalarRule::Detect { detectors: detectors.into(), blank: "null".into() },
            },
            Judge::Caller { .. } => self.grants().map_or(ScalarRule::Hide, |(grants, route)| {
                let resolved = resolve(route, entries);
                match entries {
                    [entry] => grants.rule_at(self.level(&grants, route, *entry, scopes), &resolved),
                    _ => grants.rule(&resolved, scopes),
                }
            }),
        }
    }

    /// The level of an entry by itself.
    fn level(&self, grants: &Grants<'_>, route: &Governed, entry: EntryId, scopes: &[ScopeId]) -> Level {
        let known = self.known.as_ref().and_then(|(groups, look)| groups.level(look, entry));
        known.unwrap_or_else(|| grants.level(&resolve(route, &[entry]), scopes))
    }

    fn grants(&self) -> Option<(Grants<'_>, &Governed)> {
        let Judge::Caller { route, client, ceiling } = self.judge else { return None };
        let governed = self.policy.governed(route)?;
        Some((Grants::new(&self.policy, client, &governed.ceiling, ceiling), governed))
    }

    /// Whether one entry, judged by itself, is above hide (rule 25).
    fn shows(&self, entry: EntryId, scopes: &[ScopeId]) -> bool {
        match self.judge {
            Judge::Errors => true,
            Judge::Caller { .. } => {
                self.grants().is_some_and(|(grants, route)| self.level(&grants, route, entry, scopes) > Level::Hide)
            }
        }
    }

    fn container(&self, table: &mut Table, place: &Place) -> ContainerRule {
        if !self.visible(table, place) {
            let counts = self.max_records.is_some() && place.nodes.iter().any(|node| self.counts_below(*node));
            let names = place.nodes.iter().any(|node| self.names_subject_below(*node));
            // Removed either way; walked only for records that count (rule 28) or subjects that are named (rule 34).
            return if counts || names { ContainerRule::Mute } else { ContainerRule::Drop };
        }
        let mut below: Vec<EntryId> = self.nodes(place).flat_map(|node| node.open.iter().copied()).collect();
        below.extend(&place.open);
        below.sort_unstable();
        below.dedup();
        // `$.address..*` at show, and nothing of the policy below: the container can go as one span.
        let leaf = self.nodes(place).all(TrieNode::is_leaf);
        // Where cost is counted, each scalar is looked at.
        if leaf && !self.policy.counts_cost() && self.rule(&below, &place.scopes) == ScalarRule::Show {
            ContainerRule::Open
        } else {
            ContainerRule::Walk
        }
    }

    /// Whether some entry below a place can be above hide, entries judged one by one (rule 25). A filter may select or
    /// not, so an entry behind it counts; the same filter does the same on every path that has it.
    fn visible(&self, table: &mut Table, place: &Place) -> bool {
        if place.denied {
            return false;
        }
        // Only `..*` entries reach below: each place there has the same ones.
        if place.nodes.is_empty() {
            return place.open.iter().any(|entry| self.shows(*entry, &place.scopes));
        }
        // Nothing is below most places.
        if place.open.is_empty() && self.nodes(place).all(|node| node.is_leaf() && node.open.is_empty()) {
            return false;
        }
        if let Some(known) = table.visible.get(place) {
            return *known;
        }
        if table.full || table.visible.len() >= self.most {
            table.full = true;
            return false;
        }
        // Known as not visible while it is being looked at, so that the bound counts it.
        table.visible.insert(Rc::new(place.clone()), false);
        let names: BTreeSet<&str> =
            self.nodes(place).flat_map(|node| node.members.keys()).map(|name| &**name).collect();
        let filters: Vec<&Filter> =
            self.nodes(place).flat_map(|node| node.filtered.iter().map(|(filter, _)| filter)).collect();
        // Every way to a child: each known name and any other, with each filter alone and with none.
        let steps = names.into_iter().map(PathStep::Member).chain([PathStep::Element]);
        let mut children = steps.flat_map(|step| {
            let ways = filters.iter().copied().map(Some).chain([None]);
            ways.map(move |way| (step, way))
        });
        let found = children.any(|(step, way)| {
            let child = self.follow(place, step, place.scopes.clone(), |filter| Some(filter) == way);
            !child.denied
                && (self.entries(&child).into_iter().any(|entry| self.shows(entry, &child.scopes))
                    || self.visible(table, &child))
        });
        table.visible.insert(Rc::new(place.clone()), found);
        found
    }

    fn is_filtered(&self, place: &Place) -> bool {
        // Where a child is also reached without the filter, even a hidden entry behind it counts: its classes come on top
        // (rule 13) and can only lower what the others give.
        let also_reached = !place.open.is_empty()
            || self.nodes(place).any(|node| node.any.is_some() || !node.open.is_empty() || !node.members.is_empty());
        self.nodes(place).any(|node| {
            // A condition of a scope that is not active here keeps nothing and need not be asked.
            node.rows.iter().any(|(of, _)| of.is_none_or(|scope| place.scopes.contains(&scope)))
                || node.filtered.iter().any(|(_, to)| also_reached || self.matters(*to, &place.scopes))
        })
    }

    /// Whether selecting a node can change what comes out: else its filter need not be asked.
    fn matters(&self, node: NodeId, scopes: &[ScopeId]) -> bool {
        let selects = |node: &TrieNode| {
            node.counted
                || !node.denies.is_empty()
                || !node.rows.is_empty()
                || node.entries.iter().chain(&node.open).any(|entry| self.shows(*entry, scopes))
        };
        self.finds(node, &|node| if selects(node) { Finding::Here } else { Finding::MaybeBelow })
    }

    /// Whether something below is counted as a record (rule 28).
    fn counts_below(&self, node: NodeId) -> bool {
        self.finds_below(node, &|node| if node.counted { Finding::Here } else { Finding::MaybeBelow })
    }

    /// Whether something below names the subject of a record that this place is a part of: it is looked at even where nothing
    /// of it is visible (rule 34).
    fn names_subject_below(&self, node: NodeId) -> bool {
        self.finds_below(node, &|node| match (node.records.is_empty(), node.subjects.is_empty()) {
            // What is in a record of its own names that one's subject.
            (false, _) => Finding::Nowhere,
            (true, false) => Finding::Here,
            (true, true) => Finding::MaybeBelow,
        })
    }

    /// Looks at a node, and below it as far as the look says.
    fn finds(&self, node: NodeId, look: &dyn Fn(&TrieNode) -> Finding) -> bool {
        match self.trie.node(node).map(look) {
            Some(Finding::Here) => true,
            Some(Finding::MaybeBelow) => self.finds_below(node, look),
            Some(Finding::Nowhere) | None => false,
        }
    }

    fn finds_below(&self, node: NodeId, look: &dyn Fn(&TrieNode) -> Finding) -> bool {
        self.trie.node(node).is_some_and(|node| children(node).any(|child| self.finds(child, look)))
    }
}

/// What a look at a node of the trie tells.
enum Finding {
    /// It is what is looked for.
    Here,
    /// It is not, and something below it may be.
    MaybeBelow,
    /// It is not, and nothing below it can be.
    Nowhere,
}

impl Fills for Automaton {
    fn is_full(&self) -> bool {
        self.table.try_borrow().is_ok_and(|table| table.full)
    }
}

fn children(node: &TrieNode) -> impl Iterator<Item = NodeId> {
    node.members.values().copied().chain(node.any).chain(node.filtered.iter().map(|(_, child)| *child))
}

#[cfg(test)]
mod tests;
