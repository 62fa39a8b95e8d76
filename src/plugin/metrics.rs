//! Counters. Their names are fixed by the code, so that their number is bounded and nothing from traffic is in one.

use std::cell::RefCell;
use std::collections::HashMap;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::exchange::Report;

/// The plugin's counters, defined at first use. Envoy shows them as `wasmcustom_fieldgate_…`.
#[derive(Default)]
pub(super) struct Metrics {
    ids: RefCell<HashMap<String, u32>>,
}

impl Metrics {
    pub(super) fn record(&self, report: &Report) {
        match (report.refusal, report.route) {
            (Some(refusal), _) => self.add(&format!("refused.{}", refusal.reason()), 1),
            (None, Some(_)) => self.add("governed", 1),
            (None, None) => self.add("passed", 1),
        }
        let counts = report.counts;
        let named = [
            ("scalars.shown", counts.shown),
            ("scalars.masked", counts.masked),
            ("scalars.pseudonymised", counts.pseudonymised),
            ("scalars.blanked", counts.blanked),
            ("values.hidden", counts.hidden),
            ("values.shape_mismatch", counts.shape_mismatch),
            ("records", counts.records),
        ];
        for (name, count) in named.into_iter().filter(|(_, count)| *count > 0) {
            self.add(name, count);
        }
    }

    fn add(&self, name: &str, by: u64) {
        let (Ok(by), Ok(mut ids)) = (i64::try_from(by), self.ids.try_borrow_mut()) else { return };
        let id = match ids.get(name) {
            Some(id) => *id,
            None => {
                let full = format!("fieldgate.{name}");
                let Ok(id) = hostcalls::define_metric(MetricType::Counter, &full) else { return };
                ids.insert(name.to_owned(), id);
                id
            }
        };
        // A counter that cannot be raised changes nothing of what the caller gets.
        let _ = hostcalls::increment_metric(id, by);
    }
}
