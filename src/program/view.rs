//! [`View`]: what callers of one look see of one route, as an automaton over the places of a body.
//!
//! Several paths can reach one place (`$.a`, `$.*`, `$[?…]`), so a state stands for a *set* of trie nodes, for the `..*`
//! entries that hang over the place, and for the scopes whose row conditions keep it. States are made once per kind of
//! caller and shared by all of its responses. Only what a filter decides is left for the response: then the child is
//! seen whole and [`View::select`] says which state it is in.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::automaton::Automaton;
use super::census::Census;
use super::collect::Collector;
use super::drift::{Drift, Sightings};
use super::grant::ScalarRule;
use super::ids::{Standing, StateId};
use super::state::{ContainerRule, PathStep, State, States};
use super::tally::{FieldCount, Tally};
use crate::model::{Level, Limits, Over, RouteId, ScopeId};
use crate::transform::PseudonymKey;

/// What one caller sees of one route: an automaton shared by callers of its kind, and what is the caller's own.
///
/// # Examples
///
/// ```
/// use fieldgate::caller::Caller;
/// use fieldgate::model::RouteId;
/// use fieldgate::policy;
/// use fieldgate::program::{ContainerRule, Program, ScalarRule, StateId};
///
/// let (policy, _) = policy::from_json(br#"{"language": 1, "policy": "accounts",
///     "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
///     "classes": {"reference": {"about": "Status"}},
///     "routes": {"get-account": {"match": "GET /accounts/{id}", "area": "accounts", "body": {"$.status": "reference"}}},
///     "scopes": {"care.read": {"areas": ["accounts"], "grant": {"reference": "show"}}}}"#)?;
/// let caller = Caller::new(&policy, "app", vec!["care.read".to_owned()], serde_json::Value::Null);
/// let view = Program::new(policy, None)?.view(RouteId(0), &caller)?;
///
/// let states = view.states();
/// let root = states.get(view.root());
/// assert_eq!(root.container, ContainerRule::Walk);
/// assert!(matches!(states.get(root.member("status")).scalar, ScalarRule::Show));
/// // A name that the policy does not know leads to the state in which everything is hidden.
/// assert_eq!(root.member("pin"), StateId::DEAD);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct View {
    pub(super) automaton: Rc<Automaton>,
    client: Rc<str>,
    scopes: Rc<[ScopeId]>,
    key: Option<Rc<PseudonymKey>>,
    /// Only while its route reports, or a budget counts cost.
    tally: Option<Rc<Tally>>,
    /// Only where a decision record is made.
    census: Option<Rc<Census>>,
    /// Only where a budget, a canary or a decision record asks whose data leaves.
    collector: Option<Rc<Collector>>,
    /// Only in a response that is looked at for members that no shape names.
    sightings: Option<Rc<Sightings>>,
    /// What the request leaves of [`View::max_records`].
    most_records: u64,
}

impl View {
    pub(super) fn new(
        automaton: Rc<Automaton>,
        (client, scopes): (Rc<str>, Rc<[ScopeId]>),
        key: Option<Rc<PseudonymKey>>,
    ) -> Self {
        Self {
            automaton,
            client,
            scopes,
            key,
            tally: None,
            census: None,
            collector: None,
            sightings: None,
            most_records: u64::MAX,
        }
    }

    /// The state of the root value.
    #[must_use]
    pub fn root(&self) -> StateId {
        StateId::ROOT
    }

    /// Sizes that bound the work of one response (rule 40).
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.automaton.limits
    }

    /// How many records may leave, and what happens to those over it (rule 28).
    #[must_use]
    pub fn max_records(&self) -> Option<(u64, Over)> {
        self.automaton.max_records.map(|(max, over)| (max.min(self.most_records), over))
    }

    /// The view of a request that has reserved for so many records (rule 34a).
    #[must_use]
    pub fn with_most_records(self, most_records: u64) -> Self {
        Self { most_records, ..self }
    }

    /// The view, telling a collector whose data leaves.
    #[must_use]
    pub fn collected(self, collector: Rc<Collector>) -> Self {
        Self { collector: Some(collector), ..self }
    }

    /// Who is told whose data leaves.
    #[must_use]
    #[inline(always)]
    pub fn collector(&self) -> Option<&Collector> {
        self.collector.as_deref()
    }

    /// The client's text in pseudonyms, empty without a client (rules 9, 23).
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The key of pseudonyms. `None` only where the view makes none.
    #[must_use]
    pub fn key(&self) -> Option<&PseudonymKey> {
        self.key.as_deref()
    }

    /// What the policy says of a place. A state that does not exist hides.
    #[must_use]
    pub fn state(&self, id: StateId) -> Rc<State> {
        let mut states = self.states();
        if !states.has(id) {
            self.add_to(&mut states);
        }
        Rc::clone(states.get(id))
    }

    /// What the policy says of the places that it has without a filter's say: more only ever come by [`Self::select`].
    #[must_use]
    pub fn states(&self) -> States {
        let made = self.automaton.table.try_borrow().map(|table| Rc::clone(&table.made)).unwrap_or_default();
        States { made, added: Vec::new(), dead: Rc::clone(&self.automaton.dead) }
    }

    /// Adds the states that have come since: each is copied once, however often this is asked.
    pub fn add_to(&self, states: &mut States) {
        let Ok(table) = self.automaton.table.try_borrow() else { return };
        // States are only ever added, in one order: those that are missing are the last ones.
        states.added.extend(table.added.iter().skip(states.added.len()).cloned());
    }

    /// The state of `child` under a state that is `filtered`. `None` if the view is full: refuse.
    #[must_use]
    pub fn select(&self, from: StateId, step: PathStep<'_>, child: &Value) -> Option<StateId> {
        self.automaton.select(from, step, child)
    }

    /// This view, which now counts what becomes of each place (rule 38).
    #[must_use]
    pub fn tallied(self) -> Self {
        Self { tally: Some(Rc::default()), ..self }
    }

    /// This view, which now counts what becomes of each class for the decision record.
    #[must_use]
    pub fn recorded(self) -> Self {
        Self { census: Some(Rc::new(Census::new(Rc::clone(&self.automaton)))), ..self }
    }

    /// What counts for the decision record.
    #[must_use]
    pub fn census(&self) -> Option<&Rc<Census>> {
        self.census.as_ref()
    }

    /// This view, which now notes members that no shape names, if the response is one that is looked at.
    #[must_use]
    pub fn watched(self, drift: &Drift, route: RouteId) -> Self {
        Self { sightings: drift.look(route, &self.automaton), ..self }
    }

    /// What notes members that no shape names.
    #[must_use]
    pub fn sightings(&self) -> Option<&Rc<Sightings>> {
        self.sightings.as_ref()
    }

    /// Counts a scalar, or a container that is decided whole, at the place of that state.
    #[inline(always)]
    pub fn count(&self, id: StateId, kind: Standing) {
        if let Some(tally) = &self.tally {
            tally.add(id, kind);
        }
    }

    /// Whether [`Self::count`] counts.
    #[inline(always)]
    #[must_use]
    pub fn is_counting(&self) -> bool {
        self.tally.is_some()
    }

    /// What was counted, by place and level, in order. Places that the policy does not know are not among them: their
    /// names are the upstream's.
    #[must_use]
    pub fn counted(&self) -> Vec<FieldCount> {
        // Two states may be one place (`$.a` in two scopes' rows): their counts are added.
        let counts = self.tally.as_ref().map(|tally| tally.counts()).unwrap_or_default();
        let mut fields: BTreeMap<(String, Level), u64> = BTreeMap::new();
        for (index, kind, count) in counts {
            let Some((field, level)) = self.automaton.describe(index, kind) else { continue };
            let sum = fields.entry((field, level)).or_default();
            *sum = sum.saturating_add(count);
        }
        fields.into_iter().map(|((field, level), count)| FieldCount { field, level, count }).collect()
    }

    /// What left so far cost (rule 34): of each scalar the costs of its classes, whole at show, half at mask, a quarter at
    /// pseudonym; nothing at blank. Only a view that counts knows.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let counts = self.tally.as_ref().map(|tally| tally.counts()).unwrap_or_default();
        let quarters = counts.into_iter().fold(0u64, |sum, (index, kind, count)| {
            sum.saturating_add(self.automaton.quarters(index, kind).saturating_mul(count))
        });
        // Rounded up: whoever sees anything spends something.
        quarters.div_ceil(4)
    }

    /// The scopes that are active for the caller (rules 8, 9).
    #[must_use]
    pub fn scopes(&self) -> &[ScopeId] {
        &self.scopes
    }

    /// Whether a body may come out longer than it came: some place has a form, or a filter says what it has.
    #[must_use]
    pub fn may_lengthen(&self) -> bool {
        self.automaton.lengthens
    }

    /// Whether it is the other's automaton.
    #[cfg(test)]
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.automaton, &other.automaton)
    }

    /// Whether anything can come out at all (rule 33).
    #[must_use]
    pub fn shows_nothing(&self) -> bool {
        let root = self.state(self.root());
        // A root that is muted or dropped is refused (rule 25), so nothing of it comes out.
        *root.scalar.fate() == ScalarRule::Hide && !matches!(root.container, ContainerRule::Walk | ContainerRule::Open)
    }
}
