//! What the budgets of a policy do to a caller's view of a route, at a share of each (rules 34 and 35): for `explain`, `matrix`,
//! `preview` and `diff`.

use super::verdict::word;
use fieldgate::model::{
    Budget, BudgetClients, BudgetId, BudgetKey, BudgetStep, Ceiling, ClientId, Count, Level, PolicySet, Route,
    RouteBody, StepEffect,
};

/// The budgets that count what a caller gets by a route.
pub fn binding<'p>(
    policy: &'p PolicySet,
    route: &'p Route,
    client: Option<ClientId>,
) -> impl Iterator<Item = (BudgetId, &'p Budget)> {
    let area = route.governed_area();
    (0u16..).map(BudgetId).zip(&policy.budgets).filter(move |(_, budget)| {
        budget.binds(client) && area.is_some_and(|area| budget.areas.iter().any(|of| of == area))
    })
}

/// The step that a request meets which comes when `used` percent of a budget are used, and needs something.
#[must_use]
pub fn step_at(budget: &Budget, used: u8) -> Option<&BudgetStep> {
    budget.steps.iter().rev().find(|step| step.percent <= used)
}

/// What happens to a request which comes when `used` percent of each of its budgets are used, and needs something.
#[must_use]
pub fn effect_at(
    policy: &PolicySet,
    route: &Route,
    client: Option<ClientId>,
    used: u8,
) -> Option<(BudgetId, BudgetStep)> {
    // A full budget refuses, whether a step says so or not (rule 34a).
    let full = (used >= 100).then_some(BudgetStep { percent: 100, then: StepEffect::Reject });
    let met = binding(policy, route, client).filter_map(|(id, budget)| {
        let step = step_at(budget, used).copied().filter(|step| step.then == StepEffect::Reject);
        Some((id, step.or(full).or_else(|| step_at(budget, used).copied())?))
    });
    met.min_by_key(|(_, step)| step.then)
}

/// The policy as it is for its callers when `used` percent of every budget that binds them are used: routes have the steps'
/// levels as ceilings, and nothing is counted any more. [`effect_at`] says where the request is refused instead.
#[must_use]
pub fn at_share(policy: &PolicySet, client: Option<ClientId>, used: u8) -> PolicySet {
    let mut at = policy.clone();
    for (route, before) in at.routes.iter_mut().zip(&policy.routes) {
        if let Some((_, BudgetStep { then: StepEffect::Ceiling(level), .. })) = effect_at(policy, before, client, used)
        {
            lower(route, level);
        }
    }
    at.budgets.clear();
    at
}

/// The policy as it is for a response on which budgets or canaries put a ceiling.
#[must_use]
pub fn with_ceiling(policy: &PolicySet, ceiling: Level) -> PolicySet {
    let mut at = policy.clone();
    at.routes.iter_mut().for_each(|route| lower(route, ceiling));
    at
}

/// Puts a ceiling on a route, besides its own.
fn lower(route: &mut Route, level: Level) {
    if let RouteBody::Governed(governed) = &mut route.body {
        governed.ceiling = under(&governed.ceiling, level);
    }
}

/// A ceiling that is nowhere above a level.
fn under(ceiling: &Ceiling, level: Level) -> Ceiling {
    Ceiling {
        classes: ceiling.classes.iter().map(|(class, most)| (*class, level.min(*most))).collect(),
        rest: Some(ceiling.rest.map_or(level, |most| level.min(most))),
    }
}

/// What a budget counts and allows: `200 of customer per 1h`.
#[must_use]
pub fn allowance(budget: &Budget) -> String {
    let what = match &budget.count {
        Count::Distinct(namespace) => format!("{} of {namespace}", budget.max),
        Count::Records => format!("{} records", budget.max),
        Count::Cost => format!("a cost of {}", budget.max),
    };
    let by: Vec<String> = budget
        .by
        .iter()
        .map(|key| match key {
            BudgetKey::Client => "client".to_owned(),
            BudgetKey::Claim(path) => path.0.join("."),
        })
        .collect();
    format!("{what} per {} for each {}", budget.per, by.join(" and "))
}

/// Whom a budget binds: `everybody`, or the names of clients.
#[must_use]
pub fn whom(policy: &PolicySet, budget: &Budget) -> String {
    match &budget.clients {
        BudgetClients::All => "everybody".to_owned(),
        BudgetClients::Named(ids) => {
            let names = ids.iter().filter_map(|id| policy.clients.get(usize::from(id.0)));
            names.map(|client| client.name.as_str()).collect::<Vec<_>>().join(", ")
        }
    }
}

/// What a step does: `at most mask`, `refused`.
#[must_use]
pub fn effect_text(effect: StepEffect) -> String {
    match effect {
        StepEffect::Reject => "refused".to_owned(),
        StepEffect::Ceiling(level) => format!("at most {}", word(level)),
    }
}

/// A budget's steps in one line: `above 80% at most mask, above 100% refused`.
#[must_use]
pub fn steps_text(budget: &Budget) -> String {
    let step = |step: &BudgetStep| format!("above {}% {}", step.percent, effect_text(step.then));
    let mut texts: Vec<String> = budget.steps.iter().map(step).collect();
    if !rejects(budget) {
        texts.push("above 100% refused".to_owned());
    }
    texts.join(", ")
}

/// Whether a step of the budget refuses; if none does, what goes over `max` is refused all the same.
#[must_use]
pub fn rejects(budget: &Budget) -> bool {
    budget.steps.iter().any(|step| step.then == StepEffect::Reject)
}
