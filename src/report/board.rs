//! [`Board`]: the series that one worker of a host has raised so far.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use super::metrics::{REPORTED_FIELDS, Series, reported_labels};
use super::record::Record;
use crate::model::{PolicySet, ScopeId};
use crate::program::FieldCount;

/// A host's metrics.
pub trait Meters {
    /// What the host knows a series by.
    type Id: Clone;

    /// Makes a series known: the number of its metric in [`METRICS`](super::METRICS), and the values of its labels. `None` where
    /// the host does not take it.
    fn define(&mut self, metric: usize, labels: Vec<String>) -> Option<Self::Id>;

    /// Raises a series by so much. A gauge may fall.
    fn change(&mut self, id: &Self::Id, by: i64);
}

/// The series that one worker of a host has raised so far, defined at first use. There are at most [`Series::MOST`] of them, and
/// as many again of places that routes only report; what comes on top is counted in one, [`Series::overflow`].
#[derive(Debug)]
pub struct Board<I> {
    /// Looked up a dozen times a response.
    ids: FxHashMap<Series, I>,
    /// By their labels: sets of scopes times fields are told apart by nothing less.
    reported: HashMap<Vec<String>, I>,
}

impl<I> Default for Board<I> {
    fn default() -> Self {
        Self { ids: FxHashMap::default(), reported: HashMap::default() }
    }
}

impl<I: Clone> Board<I> {
    /// Raises a series, or lowers a gauge.
    pub fn change(&mut self, meters: &mut impl Meters<Id = I>, policy: &PolicySet, series: Series, by: i64) {
        let known = self.id(meters, policy, series);
        if let Some(id) = known.or_else(|| self.id(meters, policy, Series::overflow())) {
            meters.change(&id, by);
        }
    }

    /// Makes known what is there from the start.
    pub fn start(&mut self, meters: &mut impl Meters<Id = I>, policy: &PolicySet) {
        for series in Series::from_the_start(policy) {
            self.change(meters, policy, series, 0);
        }
    }

    /// Counts an exchange.
    pub fn record(&mut self, meters: &mut impl Meters<Id = I>, policy: &PolicySet, record: &Record<'_>) {
        record.count(|series, by| self.change(meters, policy, series, signed(by)));
    }

    /// What open reservations hold of budgets, in this process: the number of each budget, and how much.
    pub fn reserved(
        &mut self,
        meters: &mut impl Meters<Id = I>,
        policy: &PolicySet,
        reservations: &[(u16, u64)],
        change: Reserved,
    ) {
        for (budget, need) in reservations.iter().filter(|(_, need)| *need > 0) {
            let by = match change {
                Reserved::Made => signed(*need),
                Reserved::Ended => signed(*need).saturating_neg(),
            };
            self.change(meters, policy, Series::reserved(*budget), by);
        }
    }

    /// How many values of each place of the policy would have come out at which level, on a route that only reports.
    pub fn reported(
        &mut self,
        meters: &mut impl Meters<Id = I>,
        policy: &PolicySet,
        record: &Record<'_>,
        (scopes, fields): (&[ScopeId], &[FieldCount]),
    ) {
        for count in fields {
            let labels = reported_labels(policy, record.route, scopes, count);
            let by = signed(count.count);
            let id = match self.reported.get(&labels) {
                Some(id) => Some(id.clone()),
                None if self.reported.len() >= Series::MOST => None,
                None => {
                    let id = meters.define(REPORTED_FIELDS, labels.clone());
                    self.reported.extend(id.clone().map(|id| (labels, id)));
                    id
                }
            };
            match id {
                Some(id) => meters.change(&id, by),
                None => self.change(meters, policy, Series::overflow(), by),
            }
        }
    }

    /// What the host knows a series by; `None` where it would be one too many.
    fn id(&mut self, meters: &mut impl Meters<Id = I>, policy: &PolicySet, series: Series) -> Option<I> {
        if let Some(id) = self.ids.get(&series) {
            return Some(id.clone());
        }
        if self.ids.len() >= Series::MOST && series != Series::overflow() {
            return None;
        }
        let id = meters.define(series.number(), series.labels(policy))?;
        self.ids.insert(series, id.clone());
        Some(id)
    }
}

/// What became of reservations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// They are made.
    Made,
    /// They are over.
    Ended,
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;
    use crate::report::{METRICS, Outcome};

    /// A host that takes any series but those of a metric.
    #[derive(Default)]
    struct Taken {
        refuses: Option<&'static str>,
        defined: usize,
        sums: HashMap<String, i64>,
    }

    impl Meters for Taken {
        type Id = String;

        fn define(&mut self, metric: usize, labels: Vec<String>) -> Option<String> {
            let name = METRICS[metric].name;
            self.defined = self.defined.saturating_add(1);
            (self.refuses != Some(name)).then(|| format!("{name} {}", labels.join(" ")).trim().to_owned())
        }

        fn change(&mut self, id: &String, by: i64) {
            let sum = self.sums.entry(id.clone()).or_default();
            *sum = sum.saturating_add(by);
        }
    }

    fn policy() -> PolicySet {
        let text = br#"{"language": 1, "policy": "p",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"c": {}},
            "shapes": {"s": {"$.id": {"class": "c", "subject": "customer"}}},
            "routes": {"r": {"match": "GET /r", "area": "a", "body": {"$": {"shape": "s"}}}},
            "scopes": {"s": {"areas": ["a"], "grant": {"c": "show"}}},
            "budgets": {"hour": {"areas": ["a"], "count": {"distinct": "customer"}, "per": "1h", "max": 200}}}"#;
        crate::policy::from_json(text).unwrap_or_else(|found| panic!("{found}")).0
    }

    #[test]
    fn a_series_is_defined_once_and_what_the_host_does_not_take_is_counted_as_overflow() {
        let policy = policy();
        let rows = [
            ("a host that takes all", None, "fieldgate_budget_reserved hour", 5),
            ("a host that does not take the gauge", Some("fieldgate_budget_reserved"), "fieldgate_overflow_total", 5),
        ];
        for (claim, refuses, name, sum) in rows {
            let (mut board, mut host) = (Board::default(), Taken { refuses, ..Taken::default() });
            board.reserved(&mut host, &policy, &[(0, 7), (0, 0)], Reserved::Made);
            assert_eq!(host.sums.get(name), Some(&7), "{claim}");
            board.reserved(&mut host, &policy, &[(0, 2)], Reserved::Ended);
            assert_eq!(host.sums.get(name), Some(&sum), "{claim}");
            assert_eq!(host.sums.len(), 1, "{claim}");
        }
    }

    #[test]
    fn no_more_series_are_defined_than_a_host_is_to_keep() {
        let policy = policy();
        let record = Record::new(Some(&policy), Outcome::Released);
        let (mut board, mut host) = (Board::default(), Taken::default());
        for number in 0..Series::MOST + 10 {
            let field = FieldCount { field: format!("$.f{number}"), level: Level::Show, count: 1 };
            for _ in 0..2 {
                board.reported(&mut host, &policy, &record, (&[], std::slice::from_ref(&field)));
            }
        }
        assert_eq!(host.defined, Series::MOST + 1, "each once, and the overflow");
        assert_eq!(host.sums.get("fieldgate_overflow_total"), Some(&20));
        for budget in 0..u16::MAX {
            board.change(&mut host, &policy, Series::reserved(budget), 1);
            if board.ids.len() >= Series::MOST {
                break;
            }
        }
        board.change(&mut host, &policy, Series::reserved(u16::MAX), 1);
        assert_eq!(board.ids.len(), Series::MOST, "the overflow is among them");
        assert_eq!(host.sums.get("fieldgate_overflow_total"), Some(&21));
    }
}
