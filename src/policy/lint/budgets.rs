//! Budgets that hold, but less than their author may think (rules 34 to 36).

use super::super::model::{Budget, BudgetId, Count, RouteBody, RouteId, Store};
use super::Lint;
use crate::diagnostic::{Code, Diagnostic};

/// Requests that a budget should have room for: fewer lists at a time than that, and the reservations of a few parallel
/// requests fill it.
const ROOM: u64 = 10;

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Lint<'_> {
    pub(super) fn budgets(&mut self) {
        for (id, budget) in (0u16..).map(BudgetId).zip(&self.policy.budgets) {
            self.small(id, budget);
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
