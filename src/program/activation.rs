//! Which scope entries are active for a caller on a route (rules 8, 9), and which callers see the same.
//!
//! What the policy alone decides is worked out once: the entries whose areas a route is in, those that a client's entry allows,
//! and the clients whose entries say the same. A request then asks for each of the route's entries once, in the caller's own
//! scopes, which are in order.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use serde_json::Value;

use crate::caller::Caller;
use crate::model::{Ceiling, ClaimPath, ClientId, Condition, PolicySet, RouteBody, RouteId, Scope, ScopeId, When};

/// What of rules 8 and 9 the policy alone decides.
#[derive(Debug)]
pub(super) struct Activation {
    /// For each route, the scopes that act on its area, in order.
    on_route: Vec<Rc<[ScopeId]>>,
    /// For each client's entry, the scopes that can be active; `None` is all.
    allowed: Vec<Option<BTreeSet<ScopeId>>>,
    /// For each client's entry, the first one that gives the same view of every route to the same scopes.
    alike: Vec<ClientId>,
}

impl Activation {
    pub(super) fn new(policy: &PolicySet) -> Self {
        let mut by_area: HashMap<&str, Rc<[ScopeId]>> = HashMap::new();
        let in_area = |area: &str| {
            (0u16..)
                .map(ScopeId)
                .zip(&policy.scopes)
                .filter(|(_, scope)| scope.areas.iter().any(|acts_on| acts_on == area))
                .map(|(id, _)| id)
                .collect()
        };
        let on_route = policy
            .routes
            .iter()
            // Routes of one area share one list: hundreds of routes have a handful of areas.
            .map(|route| Rc::clone(by_area.entry(&route.area).or_insert_with(|| in_area(&route.area))))
            .collect();
        let ids: HashMap<&str, ScopeId> =
            policy.scopes.iter().map(|scope| scope.name.as_str()).zip((0u16..).map(ScopeId)).collect();
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
        Self { on_route, allowed, alike: alike(policy) }
    }

    /// The scopes that are active for a caller on a route, in order.
    pub(super) fn active(&self, policy: &PolicySet, route: RouteId, caller: &Caller) -> Rc<[ScopeId]> {
        let Some(candidates) = self.on_route.get(usize::from(route.0)) else { return Rc::default() };
        let allowed = caller.entry.and_then(|entry| self.allowed.get(usize::from(entry.0))?.as_ref());
        candidates
            .iter()
            .copied()
            .filter(|id| allowed.is_none_or(|allowed| allowed.contains(id)))
            .filter(|id| policy.scopes.get(usize::from(id.0)).is_some_and(|scope| is_active(scope, caller)))
            .collect()
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
