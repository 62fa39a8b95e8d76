//! Counters in the host. What is counted, and under which names, the core says; here they are defined and raised.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use fieldgate::model::ScopeId;
use fieldgate::policy::PolicySet;
use fieldgate::program::FieldCount;
use fieldgate::report::{MetricKind, Record, Series, SeriesNumbers, reported_field};

/// The plugin's metrics, defined at first use.
#[derive(Default)]
pub(super) struct Metrics {
    ids: RefCell<SeriesNumbers>,
    /// Those of places that a route only reports: sets of scopes times fields are told apart by their names.
    reported: RefCell<HashMap<String, u32>>,
}

impl Metrics {
    /// A policy is enforced from now on.
    pub(super) fn configured(&self, policy: &PolicySet, now: Option<SystemTime>) {
        for series in Series::from_the_start(policy) {
            self.raise(policy, series, 0);
        }
        let since = now.and_then(|now| now.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs());
        if let Some(id) = self.id(policy, Series::policy()) {
            let _ = hostcalls::record_metric(id, since);
        }
    }

    /// Counts an exchange.
    pub(super) fn record(&self, policy: &PolicySet, record: &Record<'_>) {
        record.count(|series, by| self.raise(policy, series, i64::try_from(by).unwrap_or(i64::MAX)));
    }

    /// What open reservations hold of budgets, in this process. `change` is +1 when reservations are made and -1 when they
    /// end.
    pub(super) fn reserved(&self, policy: &PolicySet, reservations: &[(u16, u64)], change: i64) {
        for (budget, need) in reservations {
            let need = i64::try_from(*need).unwrap_or(i64::MAX).saturating_mul(change);
            if need != 0 {
                self.raise(policy, Series::reserved(*budget), need);
            }
        }
    }

    /// How many values of each place of the policy would have come out at which level, on a route that only reports.
    pub(super) fn reported(&self, policy: &PolicySet, record: &Record<'_>, scopes: &[ScopeId], fields: &[FieldCount]) {
        for count in fields {
            let name = reported_field(policy, record.route, scopes, count);
            let by = i64::try_from(count.count).unwrap_or(i64::MAX);
            let Ok(mut known) = self.reported.try_borrow_mut() else { return };
            let id = match known.get(&name) {
                Some(id) => Some(*id),
                None if known.len() >= Series::MOST => None,
                None => {
                    let id = hostcalls::define_metric(MetricType::Counter, &name).ok();
                    known.extend(id.map(|id| (name, id)));
                    id
                }
            };
            match id {
                // A counter that cannot be raised changes nothing of what the caller gets.
                Some(id) => drop(hostcalls::increment_metric(id, by)),
                None => self.raise(policy, Series::overflow(), by),
            }
        }
    }

    fn raise(&self, policy: &PolicySet, series: Series, by: i64) {
        if let Some(id) = self.id(policy, series).or_else(|| self.id(policy, Series::overflow())) {
            let _ = hostcalls::increment_metric(id, by);
        }
    }

    /// The host's number of a series; `None` where it would be one too many.
    fn id(&self, policy: &PolicySet, series: Series) -> Option<u32> {
        let mut ids = self.ids.try_borrow_mut().ok()?;
        if let Some(id) = ids.get(&series) {
            return Some(*id);
        }
        if ids.len() >= Series::MOST && series != Series::overflow() {
            return None;
        }
        let kind = match series.metric().kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
        };
        let id = hostcalls::define_metric(kind, &series.name(policy)).ok()?;
        ids.insert(series, id);
        Some(id)
    }
}
