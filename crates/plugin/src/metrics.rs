//! Metrics in the host. Which there are, and what is counted in them, the core says.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use fieldgate::exchange::Reporter;
use fieldgate::model::PolicySet;
use fieldgate::report::{METRICS, Meters, MetricKind, Series};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

/// Envoy's metrics: a series is a name, labels included, and then a number.
pub(super) struct HostMeters;

impl Meters for HostMeters {
    type Id = u32;

    fn define(&mut self, metric: usize, labels: Vec<String>) -> Option<u32> {
        let metric = METRICS.get(metric)?;
        let kind = match metric.kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
        };
        hostcalls::define_metric(kind, &metric.series(&labels)).ok()
    }

    fn change(&mut self, id: &u32, by: i64) {
        // A counter that cannot be raised changes nothing of what the caller gets.
        let _ = hostcalls::increment_metric(*id, by);
    }
}

/// A reporter for a policy that is enforced from now on, which says so with the seconds since the epoch.
pub(super) fn reporter(policy: &PolicySet, now: Option<SystemTime>) -> Rc<RefCell<Reporter<u32>>> {
    let mut reporter = Reporter::default();
    reporter.board.start(&mut HostMeters, policy);
    let since = now.and_then(|now| now.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs());
    let series = Series::policy();
    if let Some(id) = HostMeters.define(series.number(), series.labels(policy)) {
        let _ = hostcalls::record_metric(id, since);
    }
    Rc::new(RefCell::new(reporter))
}
