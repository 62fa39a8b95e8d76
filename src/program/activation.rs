//! Which scope entries are active for a caller on a route (rules 8, 9), and which callers see the same.
//!
//! What the policy alone decides is worked out once: the entries whose areas a route is in, those that a client's entry allows,
//! and the clients whose entries say the same. Entries are sets of bits then: a request looks each of the caller's scopes up once,
//! and asks by itself only for entries with a condition of their own.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::caller::Caller;
use crate::model::{Ceiling, ClaimPath, ClientId, Condition, PolicySet, RouteBody, RouteId, Scope, ScopeId, When};

/// What of rules 8 and 9 the policy alone decides.
#[derive(Debug)]
pub(super) struct Activation {
    /// The entries that their own name makes active, by it. What a token brings is looked up and never added.
    by_name: FxHashMap<String, ScopeId>,
    /// For each route, the scopes that act on its area.
    on_route: Vec<Rc<Acting>>,
    /// For each client's entry, the scopes that can be active; `None` is all.
    allowed: Vec<Option<ScopeSet>>,
    /// For each client's entry, the first one that gives the same view of every route to the same scopes.
    alike: Vec<ClientId>,
}

/// The scopes that act on an area.
#[derive(Debug)]
struct Acting {
    all: ScopeSet,
    /// Those with a condition of their own.
    conditional: Vec<ScopeId>,
}

/// Scopes of a policy, a bit for each.
#[derive(Debug, Clone, Default)]
struct ScopeSet(Vec<u64>);

impl ScopeSet {
    fn insert(&mut self, id: ScopeId) {
        let at = usize::from(id.0 >> 6);
        if self.0.len() <= at {
            self.0.resize(at.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(at) {
            *word |= 1 << (id.0 & 63);
        }
    }

    /// What is in all three, in order; without the third, in both.
    fn and(&self, other: &Self, third: Option<&Self>) -> Rc<[ScopeId]> {
        let words = self.0.iter().zip(&other.0).enumerate().map(|(at, (one, other))| {
            let third = third.map_or(u64::MAX, |third| third.0.get(at).copied().unwrap_or(0));
            (at, one & other & third)
        });
        let ids = words.flat_map(|(at, word)| {
            let first = u16::try_from(at.saturating_mul(64)).unwrap_or(u16::MAX);
            (0..64u16).filter(move |bit| (word >> bit) & 1 == 1).map(move |bit| ScopeId(first.saturating_add(bit)))
        });
        ids.collect::<Vec<_>>().into()
    }
}

impl FromIterator<ScopeId> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeId>>(ids: I) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

impl Activation {
    pub(super) fn new(policy: &PolicySet) -> Self {
        let named = |scope: &Scope| matches!(scope.when, When::Named);
        let scopes = || (0u16..).map(ScopeId).zip(&policy.scopes);
        let mut by_area: HashMap<&str, Rc<Acting>> = HashMap::new();
        let in_area = |area: &str| {
            let acting: Vec<(ScopeId, &Scope)> =
                scopes().filter(|(_, scope)| scope.areas.iter().any(|acts_on| acts_on == area)).collect();
            Rc::new(Acting {
                all: acting.iter().map(|(id, _)| *id).collect(),
                conditional: acting.iter().filter(|(_, scope)| !named(scope)).map(|(id, _)| *id).collect(),
            })
        };
        let on_route = policy
            .routes
            .iter()
            // Routes of one area share one list: hundreds of routes have a handful of areas.
            .map(|route| Rc::clone(by_area.entry(&route.area).or_insert_with(|| in_area(&route.area))))
            .collect();
        let ids: HashMap<&str, ScopeId> = scopes().map(|(id, scope)| (scope.name.as_str(), id)).collect();
        let allowed = policy
            .clients
            .iter()
            .map(|client| {
                client
                    .scopes
                    .as_ref()
                    .map(|names| names.iter().filter_map(|name| ids.get(name.as_str()).copied()).collect())
            })
            .collect();
        let by_name = scopes().filter(|(_, scope)| named(scope)).map(|(id, scope)| (scope.name.clone(), id)).collect();
        Self { by_name, on_route, allowed, alike: alike(policy) }
    }

    /// The scopes that are active for a caller on a route, in order.
    pub(super) fn active(&self, policy: &PolicySet, route: RouteId, caller: &Caller) -> Rc<[ScopeId]> {
        let Some(acting) = self.on_route.get(usize::from(route.0)) else { return Rc::default() };
        let allowed = caller.entry.and_then(|entry| self.allowed.get(usize::from(entry.0))?.as_ref());
        let is_active =
            |id: &ScopeId| policy.scopes.get(usize::from(id.0)).is_some_and(|scope| is_active(scope, caller));
        // Names that the policy does not know are dropped here.
        let named = caller.scopes.iter().filter_map(|name| self.by_name.get(name.as_str()).copied());
        let active: ScopeSet = named.chain(acting.conditional.iter().copied().filter(is_active)).collect();
        acting.all.and(&active, allowed)
    }

    /// The entry that stands for all that give the same views.
    pub(super) fn standing_for(&self, client: ClientId) -> ClientId {
        self.alike.get(usize::from(client.0)).copied().unwrap_or(client)
    }
}

/// Scopes apart, an entry gives another view by its ceiling and by the places that it hides. Entries that hide none are the
/// same if their ceilings are; one that hides places is taken for itself alone.
fn alike(policy: &PolicySet) -> Vec<ClientId> {
    let mut denying: BTreeSet<ClientId> = BTreeSet::new();
    for route in &policy.routes {
        if let RouteBody::Governed(governed) = &route.body {
            denying.extend(governed.denies.iter().map(|(client, _)| *client));
        }
    }
    let mut firsts: Vec<(&Ceiling, ClientId)> = Vec::new();
    (0u16..)
        .map(ClientId)
        .zip(&policy.clients)
        .map(|(id, client)| {
            // Its places are its own: another entry's view may show them.
            if denying.contains(&id) {
                return id;
            }
            if let Some((_, first)) = firsts.iter().find(|(ceiling, _)| **ceiling == client.ceiling) {
                return *first;
            }
            // A policy has few ceilings; where it has many, most are compared with the first of them only.
            if firsts.len() < MOST_CEILINGS {
                firsts.push((&client.ceiling, id));
            }
            id
        })
        .collect()
}

/// How many different ceilings are told apart.
const MOST_CEILINGS: usize = 64;

/// Rule 8.
fn is_active(scope: &Scope, caller: &Caller) -> bool {
    // A caller's scopes are sorted when it is identified.
    let has = |name: &String| caller.scopes.binary_search(name).is_ok();
    match &scope.when {
        When::Always => true,
        When::Named => has(&scope.name),
        When::All(conditions) => conditions.iter().all(|condition| match condition {
            Condition::AllOf(names) => names.iter().all(has),
            Condition::AnyOf(names) => names.iter().any(has),
            Condition::Claim(path, values) => holds(&caller.claims, path, values),
        }),
    }
}

fn holds(claims: &Value, path: &ClaimPath, values: &[String]) -> bool {
    let listed = |value: &Value| value.as_str().is_some_and(|text| values.iter().any(|listed| listed == text));
    match path.0.iter().try_fold(claims, |value, name| value.as_object()?.get(name)) {
        Some(Value::Array(items)) => items.iter().any(listed),
        Some(value) => listed(value),
        // A claim that is missing, or that stands below something else than an object, holds for nothing (rule 8).
        None => false,
    }
}
