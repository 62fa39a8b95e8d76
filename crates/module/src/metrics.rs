//! Metrics in Envoy. Which there are, and what is counted in them, the core says. Envoy is told each metric with the names of its
//! labels when a configuration is taken, so no `stats_tags` have to take names apart.

use std::rc::Rc;

use fieldgate::report::Meters;

use crate::host::{Change, Host};

/// The metrics of a host. A series is the number of its metric, and the values of its labels.
pub(crate) struct HostMeters<'h, H>(pub(crate) &'h mut H);

/// What a series is known by.
pub(crate) type SeriesId = (usize, Rc<[String]>);

impl<H: Host> Meters for HostMeters<'_, H> {
    type Id = SeriesId;

    fn define(&mut self, metric: usize, labels: Vec<String>) -> Option<SeriesId> {
        Some((metric, labels.into()))
    }

    fn change(&mut self, (metric, labels): &SeriesId, by: i64) {
        let size = by.unsigned_abs();
        self.0.change(*metric, labels, if by < 0 { Change::Fall(size) } else { Change::Rise(size) });
    }
}
