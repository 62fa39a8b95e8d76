//! Counters. Their names are fixed by the code and the policy, so that their number is bounded and nothing from traffic is
//! in one.

use std::cell::RefCell;
use std::collections::HashMap;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use fieldgate::exchange::{Account, Mode, Report};
use fieldgate::policy::PolicySet;
use fieldgate::policy::model::{Level, RouteId, ScopeId};
use fieldgate::program::FieldCount;
use fieldgate::refusal::Refusal;

/// Most counters of one VM. Sets of scopes, times fields, times levels, could be any number in a large policy, and each
/// counter is kept by the host for good; what comes on top is counted in one.
const MOST: usize = 2048;

/// The plugin's counters, defined at first use. Envoy shows them as `wasmcustom_fieldgate_…`.
#[derive(Default)]
pub(super) struct Metrics {
    ids: RefCell<HashMap<String, u32>>,
}

impl Metrics {
    /// Counts an exchange. `fields` is asked for only where the route only reports.
    pub(super) fn record(
        &self,
        policy: &PolicySet,
        report: &Report,
        account: &Account,
        fields: impl FnOnce() -> (Vec<ScopeId>, Vec<FieldCount>),
    ) {
        if let Mode::Reported { would_refuse } = report.mode {
            self.reported(policy, report.route, would_refuse, fields());
            return;
        }
        match (report.refusal, report.route) {
            (Some(refusal), _) => self.add(&format!("refused.{}", refusal.reason()), 1),
            (None, Some(_)) => self.add("governed", 1),
            (None, None) => self.add("passed", 1),
        }
        self.budgets(policy, account);
        let counts = report.counts;
        let named = [
            ("scalars.shown", counts.shown),
            ("scalars.masked", counts.masked),
            ("scalars.pseudonymised", counts.pseudonymised),
            ("scalars.blanked", counts.blanked),
            ("scalars.unsearched", counts.unsearched),
            ("values.hidden", counts.hidden),
            ("values.shape_mismatch", counts.shape_mismatch),
            ("records", counts.records),
        ];
        for (name, count) in named.into_iter().filter(|(_, count)| *count > 0) {
            self.add(name, count);
        }
    }

    /// `budget.NAME.refused`, and over all budgets `budgets.asked`, `budgets.step.LEVEL`, `budgets.failures`,
    /// `budgets.canaries`, `budgets.subjects` (rules 34 to 37).
    fn budgets(&self, policy: &PolicySet, account: &Account) {
        if let Some(budget) = account.refused.and_then(|id| policy.budgets.get(usize::from(id))) {
            self.add(&format!("budget.{}.refused", label(&budget.name)), 1);
        }
        if account.ceiling < Level::Show {
            self.add(&format!("budgets.step.{}", level_word(account.ceiling)), 1);
        }
        let named = [
            ("budgets.asked", account.asked.into()),
            ("budgets.failures", account.failures.into()),
            ("budgets.canaries", account.canaries.into()),
            ("budgets.subjects", account.subjects),
        ];
        for (name, count) in named.into_iter().filter(|(_, count)| *count > 0) {
            self.add(name, count);
        }
    }

    /// `budget.NAME.reserved`: what open reservations hold of it, in this process. `change` is +1 when reservations are made
    /// and -1 when they end.
    pub(super) fn reserved(&self, policy: &PolicySet, reservations: &[(u16, u64)], change: i64) {
        for (budget, need) in reservations {
            let Some(budget) = policy.budgets.get(usize::from(*budget)) else { continue };
            let need = i64::try_from(*need).unwrap_or(i64::MAX).saturating_mul(change);
            if need != 0 {
                self.change(&format!("budget.{}.reserved", label(&budget.name)), MetricType::Gauge, need);
            }
        }
    }

    /// `reported.ROUTE.passes`, `reported.ROUTE.refused.REASON`, and `reported.ROUTE.SCOPES.LEVEL.FIELD` for each place of the
    /// policy: how many values of it would have come out at that level (rule 38). Every part is the policy's own word.
    fn reported(
        &self,
        policy: &PolicySet,
        route: Option<RouteId>,
        would_refuse: Option<Refusal>,
        (scopes, fields): (Vec<ScopeId>, Vec<FieldCount>),
    ) {
        let route = route.and_then(|id| policy.routes.get(usize::from(id.0)));
        let route = route.map_or_else(|| "-".to_owned(), |route| label(&route.name));
        match would_refuse {
            Some(refusal) => self.add(&format!("reported.{route}.refused.{}", refusal.reason()), 1),
            None => self.add(&format!("reported.{route}.passes"), 1),
        }
        let names = scopes.iter().filter_map(|id| policy.scopes.get(usize::from(id.0))).map(|scope| label(&scope.name));
        let scopes = match names.collect::<Vec<_>>().join("+") {
            none if none.is_empty() => "-".to_owned(),
            names => names,
        };
        for FieldCount { field, level, count } in fields {
            let level = level_word(level);
            let name = format!(
                "reported.{route}.{scopes}.{level}.{}",
                field.split('.').map(label).collect::<Vec<_>>().join(".")
            );
            let full = self.ids.try_borrow().is_ok_and(|ids| ids.len() >= MOST && !ids.contains_key(&name));
            self.add(if full { "reported.others" } else { &name }, count);
        }
    }

    fn add(&self, name: &str, by: u64) {
        self.change(name, MetricType::Counter, i64::try_from(by).unwrap_or(i64::MAX));
    }

    fn change(&self, name: &str, kind: MetricType, by: i64) {
        let Ok(mut ids) = self.ids.try_borrow_mut() else { return };
        let id = match ids.get(name) {
            Some(id) => *id,
            None => {
                let full = format!("fieldgate.{name}");
                let Ok(id) = hostcalls::define_metric(kind, &full) else { return };
                ids.insert(name.to_owned(), id);
                id
            }
        };
        // A counter that cannot be raised changes nothing of what the caller gets.
        let _ = hostcalls::increment_metric(id, by);
    }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Show => "show",
        Level::Mask => "mask",
        Level::Pseudonym => "pseudonym",
        Level::Blank => "blank",
        Level::Hide => "hide",
    }
}

/// A word of the policy as a part of a counter's name: what statistics sinks take for a separator, or do not take, becomes `_`.
fn label(word: &str) -> String {
    let part = |letter: char| if letter.is_ascii_alphanumeric() || "-_$*[]".contains(letter) { letter } else { '_' };
    word.chars().map(part).collect()
}
