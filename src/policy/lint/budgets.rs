//! Budgets that hold, but less than their author may think (rules 34 to 36).

use super::Lint;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::field_path::FieldPath;
use crate::model::{
    Budget, BudgetId, BudgetKey, ClaimPath, ClassId, Count, Entry, Level, PolicySet, Route, RouteBody, RouteId, Scope,
    Store, SubjectPlace, innermost_array, without_filters,
};

/// Requests that a budget should have room for: fewer lists at a time than that, and the reservations of a few parallel
/// requests fill it.
const ROOM: u64 = 10;

/// Most that a budget may allow in a day and still bind somebody: a harvester that takes as much has everything.
const MOST_A_DAY: u64 = 10_000_000;

/// Claims that are another in each token (RFC 7519 §4.1, OpenID Connect Core §2): a count by one starts anew with each.
const FRESH: [&str; 9] = ["at_hash", "auth_time", "c_hash", "exp", "iat", "jti", "nbf", "nonce", "s_hash"];

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Lint<'_> {
    pub(super) fn budgets(&mut self) {
        for (id, budget) in (0u16..).map(BudgetId).zip(&self.policy.budgets) {
            self.small(id, budget);
            self.loose(budget);
            if budget.store == Store::Local && budget.per.seconds > DAY {
                let place = self.node(&["budgets", &budget.name, "per"]).map_or(budget.span, |node| node.span);
                let message = format!(
                    "budget `{}` counts for {} in one process: a restart of the proxy forgets all of it",
                    budget.name, budget.per
                );
                self.push(
                    Diagnostic::at(Code::LocalWindow, place, message)
                        .help("write `store: rls`, which counts elsewhere, or a window of a day at most"),
                );
            }
        }
        self.uncounted_routes();
        self.uncounted_lists();
    }

    /// A budget that nobody comes near the end of.
    fn loose(&mut self, budget: &Budget) {
        let place = |key: &str| self.node(&["budgets", &budget.name, key]).map_or(budget.span, |node| node.span);
        let (by, max) = (place("by"), place("max"));
        let name = &budget.name;
        let fresh = budget.by.iter().find_map(|key| match key {
            BudgetKey::Claim(ClaimPath(names)) => names.last().filter(|name| FRESH.contains(&name.as_str())),
            BudgetKey::Client => None,
        });
        if let Some(claim) = fresh {
            let message = format!(
                "budget `{name}` counts by `{claim}`, which is another in each token: each new token has a new count"
            );
            self.push(
                Diagnostic::at(Code::LooseBudget, by, message)
                    .help("count by who the user is: `by: [client, {claim: sub}]`"),
            );
        }
        let a_day = budget.max.saturating_mul(DAY).checked_div(budget.per.seconds.max(1)).unwrap_or(u64::MAX);
        if budget.count != Count::Cost && a_day > MOST_A_DAY {
            let message = format!("budget `{name}` allows {} per {}, which is {a_day} a day", budget.max, budget.per);
            self.push(
                Diagnostic::at(Code::LooseBudget, max, message)
                    .help("allow what an honest caller needs, in a window of an hour or a day"),
            );
        }
    }

    /// Routes with subjects that some budget counts, which no budget counts there.
    fn uncounted_routes(&mut self) {
        let policy = self.policy;
        for (id, route) in (0u16..).map(RouteId).zip(&policy.routes) {
            let RouteBody::Governed(governed) = &route.body else { continue };
            if policy.budgets_on(id).next().is_some() {
                continue;
            }
            let counts = |budget: &&Budget| match &budget.count {
                Count::Distinct(namespace) => governed.subjects_of(Some(namespace)) != SubjectPlace::Nowhere,
                Count::Records | Count::Cost => false,
            };
            let Some(budget) = policy.budgets.iter().find(counts) else { continue };
            let message = format!(
                "route `{}` has subjects that budget `{}` counts elsewhere, and no budget counts its area `{}`",
                route.name, budget.name, route.area
            );
            self.push(
                Diagnostic::at(Code::LooseBudget, route.span, message)
                    .label(budget.span, "the budget")
                    .help("add the area to the budget's `areas`: what is not counted here is taken here"),
            );
        }
    }

    /// Lists that somebody sees on a route whose records are in another list: what leaves of them is no record of a budget's,
    /// and nobody's in the decision record.
    fn uncounted_lists(&mut self) {
        let policy = self.policy;
        for (id, route) in (0u16..).map(RouteId).zip(&policy.routes) {
            let RouteBody::Governed(governed) = &route.body else { continue };
            let counted = policy.budgets_on(id).find_map(|(_, budget)| {
                let kind = match &budget.count {
                    Count::Distinct(kind) => Some(&**kind),
                    Count::Records => None,
                    Count::Cost => return None,
                };
                match governed.subjects_of(kind) {
                    SubjectPlace::Array(array) => Some((Some(budget), vec![array])),
                    SubjectPlace::Path(_) | SubjectPlace::Root | SubjectPlace::Nowhere => None,
                }
            });
            // Where a subject is in no array, all of the response is its record.
            let arrays =
                || governed.subject_entries(None).map(|entry| innermost_array(&entry.path)).collect::<Option<Vec<_>>>();
            let Some((budget, records)) = counted.or_else(|| Some((None, arrays()?))) else { continue };
            let mut told: Vec<FieldPath> = Vec::new();
            for entry in governed.entries.iter().filter(|entry| somebody_sees(policy, route, entry)) {
                let Some(list) = list(&entry.path) else { continue };
                let is_along = |one: &FieldPath, other: &FieldPath| one.segments.starts_with(&other.segments);
                let is_one_of = |records: &FieldPath| is_along(&list, records) || is_along(records, &list);
                let (Some(first), false) = (records.first(), records.iter().any(is_one_of) || told.contains(&list))
                else {
                    continue;
                };
                let message = match budget {
                    Some(budget) => format!(
                        "`{}` is in a list of its own: budget `{}` counts `{first}`, and of this nothing is counted",
                        entry.path, budget.name
                    ),
                    None => format!(
                        "`{}` is in a list of its own: the ledger knows who is in `{first}`, and of this nobody",
                        entry.path
                    ),
                };
                let help =
                    "if it is about people, serve it by a route of its own; of links and the like it is no matter";
                let found = Diagnostic::at(Code::UncountedList, entry.span, message).help(help);
                self.push(match budget {
                    Some(budget) => found.label(budget.span, "the budget"),
                    None => found,
                });
                told.push(list);
            }
        }
    }

    /// A budget that has not room for ten of the largest responses of a route.
    fn small(&mut self, id: BudgetId, budget: &Budget) {
        let policy = self.policy;
        let on = |(route, _): &(RouteId, _)| policy.budgets_on(*route).any(|(known, _)| known == id);
        let routes = (0u16..).map(RouteId).zip(&policy.routes).filter(on);
        let needs = routes.filter_map(|(_, route)| match &route.body {
            RouteBody::Governed(governed) => Some((governed.most(&budget.count), route)),
            RouteBody::Pass(_) => None,
        });
        let Some((need, route)) = needs.max_by_key(|(need, _)| *need) else { return };
        let room = need.saturating_mul(ROOM);
        if budget.max >= room {
            return;
        }
        let place = self.node(&["budgets", &budget.name, "max"]).map_or(budget.span, |node| node.span);
        let message = format!(
            "budget `{}` allows {} in a window, and one response of route `{}` may take {need}",
            budget.name, budget.max, route.name
        );
        let help = format!(
            "raise `max` to {room} or more, or lower the route's `max_records`: each request reserves all that it may get"
        );
        self.push(Diagnostic::at(Code::SmallBudget, place, message).label(route.span, "the route").help(help));
    }

    /// Classes whose cost nothing counts.
    pub(super) fn uncounted_costs(&mut self) {
        if self.policy.budgets.iter().any(|budget| budget.count == Count::Cost) {
            return;
        }
        for class in self.policy.classes.iter().filter(|class| class.cost.is_some()) {
            let place = self.node(&["classes", &class.name, "cost"]).map_or(class.span, |node| node.span);
            let message = format!("class `{}` has a cost, and no budget counts costs", class.name);
            self.push(
                Diagnostic::at(Code::UncountedCost, place, message).help("a budget with `count: {cost: true}` does"),
            );
        }
    }
}

/// The elements of the list that a place is in, or all that is below a `..*`, which may be any number of lists.
fn list(path: &FieldPath) -> Option<FieldPath> {
    let below = || FieldPath { open: false, ..without_filters(path) };
    if path.open { Some(below()) } else { innermost_array(path) }
}

/// Whether some scope of the route's area grants anything of an entry.
fn somebody_sees(policy: &PolicySet, route: &Route, entry: &Entry) -> bool {
    let sees = |scope: &Scope| {
        let granted = |class: &ClassId| scope.grant.get(usize::from(class.0)).is_some_and(|level| *level > Level::Hide);
        scope.areas.contains(&route.area) && entry.classes.iter().all(granted)
    };
    policy.scopes.iter().any(sees)
}
