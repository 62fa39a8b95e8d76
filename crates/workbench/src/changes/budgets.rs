//! Changes of budgets and canaries: who can collect more within a window (rules 34 to 37).
//!
//! What cannot be ordered, such as another thing that is counted, counts as a gain: it is the reviewer's to judge.

use std::collections::BTreeSet;

use crate::suite::budgets::{allowance, rejects, steps_text, whom};
use crate::suite::verdict::word;
use fieldgate::model::{
    Budget, BudgetClients, BudgetKey, BudgetStep, Canaries, Count, Governed, OnError, RouteBody, StepEffect, Store,
};
use fieldgate::policy::PolicySet;

use super::routes::RoutePair;
use super::{Change, Direction, setting};

/// The changes of budgets, costs, subjects and canaries.
pub(super) fn compare(old: &PolicySet, new: &PolicySet, pairs: &[RoutePair<'_>], changes: &mut Vec<Change>) {
    let names: BTreeSet<&str> = old.budgets.iter().chain(&new.budgets).map(|budget| budget.name.as_str()).collect();
    for name in names {
        let of = |policy: &PolicySet| policy.budgets.iter().position(|budget| budget.name == name);
        match (of(old).and_then(|at| old.budgets.get(at)), of(new).and_then(|at| new.budgets.get(at))) {
            (Some(was), Some(is)) => budget((old, was), (new, is), changes),
            (Some(was), None) => changes.push(change(old, was, "", Direction::Gain, allowance(was), "gone".to_owned())),
            (None, Some(is)) => changes.push(change(new, is, "", Direction::Loss, "none".to_owned(), allowance(is))),
            (None, None) => {}
        }
    }
    if old.budgets.iter().chain(&new.budgets).any(|budget| budget.count == Count::Cost) {
        costs(old, new, changes);
    }
    for pair in pairs {
        subject(pair, changes);
        moved(old, new, pair, changes);
    }
    canaries(old.canaries.as_ref(), new.canaries.as_ref(), changes);
    if old.key != new.key {
        let text = |policy: &PolicySet| policy.key_variable();
        changes.push(setting("", "key", Direction::Other, text(old), text(new)));
    }
}

fn change(policy: &PolicySet, budget: &Budget, what: &str, direction: Direction, from: String, to: String) -> Change {
    let what = format!("budget {} {what}", budget.name);
    Change { who: whom(policy, budget), ..setting("", what.trim_end(), direction, from, to) }
}

/// More of this is a gain.
fn more<T: PartialOrd>(was: T, is: T) -> Direction {
    if is > was { Direction::Gain } else { Direction::Loss }
}

fn budget((old, was): (&PolicySet, &Budget), (new, is): (&PolicySet, &Budget), changes: &mut Vec<Change>) {
    let mut push = |what: &str, direction: Direction, from: String, to: String| {
        changes.push(change(new, is, what, direction, from, to));
    };
    if was.max != is.max {
        push("max", more(was.max, is.max), was.max.to_string(), is.max.to_string());
    }
    if was.per != is.per {
        // As much in a shorter window is more.
        push("per", more(is.per, was.per), was.per.to_string(), is.per.to_string());
    }
    if was.count != is.count {
        push("count", Direction::Gain, count(&was.count), count(&is.count));
    }
    if was.by != is.by {
        // With more parts in the key there are more counts, each with as much.
        let fewer = is.by.iter().all(|key| was.by.contains(key));
        let direction = if fewer { Direction::Loss } else { Direction::Gain };
        push("by", direction, by(&was.by), by(&is.by));
    }
    let (before, after) = (names(old, was), names(new, is));
    if before != after {
        let direction = match (&before, &after) {
            (_, None) => Direction::Loss,
            (None, Some(_)) => Direction::Gain,
            (Some(before), Some(after)) if before.is_subset(after) => Direction::Loss,
            (Some(_), Some(_)) => Direction::Gain,
        };
        push("clients", direction, whom(old, was), whom(new, is));
    }
    for area in was.areas.iter().filter(|area| !is.areas.contains(area)) {
        push(&format!("area {area}"), Direction::Gain, "counted".to_owned(), "not counted".to_owned());
    }
    for area in is.areas.iter().filter(|area| !was.areas.contains(area)) {
        push(&format!("area {area}"), Direction::Loss, "not counted".to_owned(), "counted".to_owned());
    }
    let (before, after) = (effects(was), effects(is));
    if before != after {
        let any_more = before.iter().zip(&after).any(|(before, after)| after > before);
        let direction = if any_more { Direction::Gain } else { Direction::Loss };
        push("steps", direction, steps_text(was), steps_text(is));
    }
    match (&was.store, &is.store) {
        (Store::Local, Store::Rls(_)) => push("store", Direction::Loss, "local".to_owned(), "rls".to_owned()),
        (Store::Rls(_), Store::Local) => push("store", Direction::Gain, "rls".to_owned(), "local".to_owned()),
        (Store::Rls(was), Store::Rls(is)) if was != is => {
            let text = |rls: &fieldgate::model::Rls| {
                let lease = rls.lease.map(|lease| format!(", lease {lease}")).unwrap_or_default();
                format!("{}, {}, {}ms{lease}", rls.cluster, rls.domain, rls.timeout_ms)
            };
            push("rls", Direction::Other, text(was), text(is));
        }
        (Store::Local, Store::Local) | (Store::Rls(_), Store::Rls(_)) => {}
    }
    if was.on_error != is.on_error && matches!((&was.store, &is.store), (Store::Rls(_), Store::Rls(_))) {
        let text = |on_error: OnError| match on_error {
            OnError::Reject => "reject".to_owned(),
            OnError::Local => "local".to_owned(),
        };
        let direction = if is.on_error == OnError::Local { Direction::Gain } else { Direction::Loss };
        push("on_error", direction, text(was.on_error), text(is.on_error));
    }
}

fn count(count: &Count) -> String {
    match count {
        Count::Distinct(namespace) => format!("distinct {namespace}"),
        Count::Records => "records".to_owned(),
        Count::Cost => "cost".to_owned(),
    }
}

fn by(by: &[BudgetKey]) -> String {
    let texts = by.iter().map(|key| match key {
        BudgetKey::Client => "client".to_owned(),
        BudgetKey::Claim(path) => format!("claim {}", path.0.join(".")),
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// The names of the clients that a budget binds; `None` for all of them.
fn names<'p>(policy: &'p PolicySet, budget: &Budget) -> Option<BTreeSet<&'p str>> {
    match &budget.clients {
        BudgetClients::All => None,
        BudgetClients::Named(ids) => {
            let clients = ids.iter().filter_map(|id| policy.clients.get(usize::from(id.0)));
            Some(clients.map(|client| client.name.as_str()).collect())
        }
    }
}

/// What happens above each share: the highest effect is to leave everything as granted.
fn effects(budget: &Budget) -> Vec<StepEffect> {
    let granted = StepEffect::Ceiling(fieldgate::model::Level::Show);
    let full = (!rejects(budget)).then_some(BudgetStep { percent: 100, then: StepEffect::Reject });
    (1..=100_u8)
        .map(|share| {
            let steps = budget.steps.iter().copied().chain(full);
            steps.filter(|step| step.percent <= share).map(|step| step.then).min().unwrap_or(granted)
        })
        .collect()
}

/// Costs of classes, where a budget counts them.
fn costs(old: &PolicySet, new: &PolicySet, changes: &mut Vec<Change>) {
    for class in &new.classes {
        let Some(before) = old.classes.iter().find(|before| before.name == class.name) else { continue };
        if before.cost != class.cost {
            let text = |cost: Option<u32>| cost.map_or_else(|| "none".to_owned(), |cost| cost.to_string());
            let direction = more(class.cost, before.cost);
            changes.push(setting(
                "",
                &format!("cost of {}", class.name),
                direction,
                text(before.cost),
                text(class.cost),
            ));
        }
    }
}

/// Whose data a route says that its responses are.
fn subject(pair: &RoutePair<'_>, changes: &mut Vec<Change>) {
    let before = pair.old.map(|route| &route.body);
    let (Some(RouteBody::Governed(was)), RouteBody::Governed(is)) = (before, &pair.new.body) else { return };
    let (was, is) = (subject_text(was), subject_text(is));
    if was != is {
        let direction = match (&was, &is) {
            (None, Some(_)) => Direction::Loss,
            _ => Direction::Gain,
        };
        let text = |subject: Option<String>| subject.unwrap_or_else(|| "none".to_owned());
        changes.push(setting(&pair.name, "subject", direction, text(was), text(is)));
    }
}

/// Budgets that no more count what a route gives, or now do, since it is of another area; a change of the areas is the budget's.
fn moved(old: &PolicySet, new: &PolicySet, pair: &RoutePair<'_>, changes: &mut Vec<Change>) {
    let Some(before) = pair.old.filter(|before| before.area != pair.new.area) else { return };
    for budget in &new.budgets {
        let Some(was) = old.budgets.iter().find(|was| was.name == budget.name) else { continue };
        let counted = |budget: &Budget, area: &String| budget.areas.contains(area);
        let (direction, from, to) = match (counted(was, &before.area), counted(budget, &pair.new.area)) {
            (true, false) => (Direction::Gain, "counted", "not counted"),
            (false, true) => (Direction::Loss, "not counted", "counted"),
            (true, true) | (false, false) => continue,
        };
        let line = change(new, budget, "", direction, from.to_owned(), to.to_owned());
        changes.push(Change { route: pair.name.clone(), ..line });
    }
}

fn subject_text(governed: &Governed) -> Option<String> {
    let path = governed.subject.iter().map(|subject| format!("{} by {{{}}}", subject.namespace, subject.parameter));
    let body = governed
        .entries
        .iter()
        .filter_map(|entry| Some(format!("{} at {}", entry.subject.as_ref()?, entry.path)))
        .collect::<BTreeSet<_>>();
    let texts: Vec<String> = path.chain(body).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn canaries(old: Option<&Canaries>, new: Option<&Canaries>, changes: &mut Vec<Change>) {
    let tags = |canaries: Option<&Canaries>| -> BTreeSet<(String, u64)> {
        canaries.into_iter().flat_map(|canaries| &canaries.tags).map(|(ns, tag)| (ns.to_string(), *tag)).collect()
    };
    let (before, after) = (tags(old), tags(new));
    for (namespace, tag) in before.symmetric_difference(&after) {
        let gone = before.contains(&(namespace.clone(), *tag));
        let (direction, from, to) = if gone {
            (Direction::Gain, "watched", "not watched")
        } else {
            (Direction::Loss, "not watched", "watched")
        };
        changes.push(setting("", &format!("canary {namespace} {}", Canaries::spell(*tag)), direction, from, to));
    }
    if let (Some(old), Some(new)) = (old, new)
        && old.ceiling != new.ceiling
    {
        let direction = more(old.ceiling, new.ceiling);
        changes.push(setting("", "canaries.ceiling", direction, word(old.ceiling), word(new.ceiling)));
    }
}
