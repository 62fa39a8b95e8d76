//! Counters in Envoy. What is counted, and under which names, the core says; here they are raised. Envoy is told each metric
//! with the names of its labels when a configuration is taken, so no `stats_tags` have to take names apart.

use std::collections::HashSet;

use fieldgate::model::PolicySet;
use fieldgate::model::ScopeId;
use fieldgate::program::FieldCount;
use fieldgate::report::{Labels, REPORTED_FIELDS, Record, Series, reported_labels};

use crate::host::{Change, Host};

/// The series that a worker has raised so far.
#[derive(Default)]
pub(crate) struct Metrics {
    labels: Labels,
    /// Those of places that a route only reports.
    reported: HashSet<Vec<String>>,
}

impl Metrics {
    /// Counts an exchange.
    pub(crate) fn record(&mut self, host: &mut impl Host, policy: &PolicySet, record: &Record<'_>) {
        record.count(|series, by| self.change(host, policy, series, Change::Rise(by)));
    }

    /// What open reservations hold of budgets, in this process.
    pub(crate) fn reserved(
        &mut self,
        host: &mut impl Host,
        policy: &PolicySet,
        reservations: &[(u16, u64)],
        change: impl Fn(u64) -> Change,
    ) {
        for (budget, need) in reservations.iter().filter(|(_, need)| *need > 0) {
            self.change(host, policy, Series::reserved(*budget), change(*need));
        }
    }

    /// How many values of each place of the policy would have come out at which level, on a route that only reports.
    pub(crate) fn reported(
        &mut self,
        host: &mut impl Host,
        policy: &PolicySet,
        record: &Record<'_>,
        (scopes, fields): (&[ScopeId], &[FieldCount]),
    ) {
        for count in fields {
            let labels = reported_labels(policy, record.route, scopes, count);
            if !self.reported.contains(&labels) {
                if self.reported.len() >= Series::MOST {
                    self.change(host, policy, Series::overflow(), Change::Rise(count.count));
                    continue;
                }
                self.reported.insert(labels.clone());
            }
            host.change(REPORTED_FIELDS, &labels, Change::Rise(count.count));
        }
    }

    fn change(&mut self, host: &mut impl Host, policy: &PolicySet, series: Series, change: Change) {
        let is_new = !self.labels.contains_key(&series);
        let series = if is_new && self.labels.len() >= Series::MOST { Series::overflow() } else { series };
        let labels = self.labels.entry(series).or_insert_with(|| series.labels(policy));
        host.change(series.number(), labels, change);
    }
}
