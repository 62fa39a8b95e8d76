//! What is counted of exchanges: the metrics, their labels, and which of them a record raises.
//!
//! A metric's name says its labels in a form that Envoy's `stats_tags` take apart and Istio's `extraStatTags` know:
//! `fieldgate_responses_total.route=.=get-account;.;outcome=.=released;.;`. Every label is a word of the product or of the
//! policy, so the number of series is bounded by the policy, and nothing from traffic is in one.

use std::fmt::Write as _;

use super::record::{Outcome, Record, Requester, Ruling, level_word};
use crate::model::{ClassId, ClientId, Level, PolicySet, RouteId, ScopeId};
use crate::program::FieldCount;
use crate::refusal::Refusal;

/// What a metric does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// One metric of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, as Prometheus shows it.
    pub name: &'static str,
    /// What it does.
    pub kind: MetricKind,
    /// The names of its labels, in order.
    pub labels: &'static [&'static str],
}

/// A metric of the table below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Id {
    Responses,
    Refusals,
    Fields,
    Records,
    Subjects,
    Unknown,
    Mismatches,
    Undeclared,
    BudgetUse,
    BudgetRefusals,
    BudgetReserved,
    BudgetSteps,
    BudgetFailures,
    Canaries,
    Policy,
    ReportedFields,
    Overflow,
}

/// All metrics, in the order of [`Id`]. `docs/operations.md` says what each means.
pub const METRICS: [Metric; 17] = [
    counter("fieldgate_responses_total", &["route", "outcome", "mode", "client"]),
    counter("fieldgate_refusals_total", &["route", "reason", "mode"]),
    counter("fieldgate_fields_total", &["route", "class", "level", "mode"]),
    counter("fieldgate_records_total", &["route", "client"]),
    counter("fieldgate_subjects_total", &["route", "client"]),
    counter("fieldgate_unknown_subjects_total", &["route", "client"]),
    counter("fieldgate_shape_mismatches_total", &["route"]),
    counter("fieldgate_undeclared_fields_total", &["route"]),
    counter("fieldgate_budget_responses_total", &["budget", "use"]),
    counter("fieldgate_budget_refusals_total", &["budget"]),
    Metric { name: "fieldgate_budget_reserved", kind: MetricKind::Gauge, labels: &["budget"] },
    counter("fieldgate_budget_steps_total", &["route", "step"]),
    counter("fieldgate_budget_failures_total", &[]),
    counter("fieldgate_canaries_total", &["route", "client"]),
    Metric { name: "fieldgate_policy_configured_seconds", kind: MetricKind::Gauge, labels: &["policy", "digest"] },
    counter("fieldgate_reported_fields_total", &["route", "scopes", "level", "field"]),
    counter("fieldgate_overflow_total", &[]),
];

const fn counter(name: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels }
}

/// A label's value, as small as it can be: it becomes a word when the series is first raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LabelValue {
    /// None of the policy: `-`.
    None,
    Word(&'static str),
    Route(RouteId),
    Class(ClassId),
    Client(ClientId),
    Budget(u16),
    PolicyName,
    Digest,
}

/// One series: a metric with its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Series {
    id: Id,
    values: [LabelValue; 4],
}

/// What a budget stands at, in parts of its `max`, once a response is settled.
const USES: [(u64, &str); 4] = [(50, "0-50"), (80, "50-80"), (95, "80-95"), (100, "95-100")];

/// The word for so much of a budget: a border is in the part above it, but for the whole.
fn used(taken: u64, max: u64) -> &'static str {
    if taken > max {
        return "over";
    }
    let share = u128::from(taken).saturating_mul(100).checked_div(max.into()).unwrap_or(0);
    USES.iter().find(|(below, _)| share < u128::from(*below)).map_or("95-100", |(_, word)| word)
}

impl Series {
    /// Most series that a host raises for one worker. Sets of scopes, times fields, times levels, could be any number in a large
    /// policy, and the host keeps each series for good; what comes on top is counted in one, [`Series::overflow`].
    pub const MOST: usize = 2048;

    fn new(id: Id, values: [LabelValue; 4]) -> Self {
        Self { id, values }
    }

    /// Which policy is enforced.
    #[must_use]
    pub fn policy() -> Self {
        Self::new(Id::Policy, [LabelValue::PolicyName, LabelValue::Digest, LabelValue::None, LabelValue::None])
    }

    /// What open reservations hold of a budget.
    #[must_use]
    pub fn reserved(budget: u16) -> Self {
        Self::new(
            Id::BudgetReserved,
            [LabelValue::Budget(budget), LabelValue::None, LabelValue::None, LabelValue::None],
        )
    }

    /// What is counted where a series more would be one too many.
    #[must_use]
    pub fn overflow() -> Self {
        Self::new(Id::Overflow, [LabelValue::None; 4])
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> Metric {
        let found = METRICS.get(self.id as usize).copied();
        found.unwrap_or(Metric { name: "fieldgate_overflow_total", kind: MetricKind::Counter, labels: &[] })
    }

    /// The number of its metric in [`METRICS`].
    #[must_use]
    pub fn number(&self) -> usize {
        self.id as usize
    }

    /// The values of its labels, in the order of the metric's: what statistics sinks take for a separator, or do not take, is
    /// `_` in them.
    #[must_use]
    pub fn labels(&self, policy: &PolicySet) -> Vec<String> {
        let text = |value: &LabelValue| match value {
            LabelValue::None => "-".to_owned(),
            LabelValue::Word(word) => plain(word),
            LabelValue::Route(id) => named(policy.routes.get(usize::from(id.0)).map(|route| &route.name)),
            LabelValue::Class(id) => named(policy.classes.get(usize::from(id.0)).map(|class| &class.name)),
            LabelValue::Client(id) => named(policy.clients.get(usize::from(id.0)).map(|client| &client.name)),
            LabelValue::Budget(id) => named(policy.budgets.get(usize::from(*id)).map(|budget| &budget.name)),
            LabelValue::PolicyName => plain(&policy.name),
            LabelValue::Digest => plain(&policy.digest),
        };
        self.values.iter().take(self.metric().labels.len()).map(text).collect()
    }

    /// The series that are there from the start, so that the first event of each is a rise: what alerts ask for.
    #[must_use]
    pub fn from_the_start(policy: &PolicySet) -> Vec<Self> {
        let routes = (0u16..).map(RouteId).zip(&policy.routes).take(MOST_FROM_THE_START);
        let mut all: Vec<Self> = routes
            .flat_map(|(id, _)| {
                let responses = [Outcome::Released, Outcome::Refused].map(|outcome| {
                    let (outcome, mode) = (LabelValue::Word(outcome.word()), LabelValue::Word(Ruling::Enforced.word()));
                    Self::new(Id::Responses, [LabelValue::Route(id), outcome, mode, LabelValue::None])
                });
                let canaries = policy.canaries.is_some().then(|| {
                    Self::new(
                        Id::Canaries,
                        [LabelValue::Route(id), LabelValue::None, LabelValue::None, LabelValue::None],
                    )
                });
                responses.into_iter().chain(canaries)
            })
            .collect();
        let enforced = LabelValue::Word(Ruling::Enforced.word());
        all.extend([Refusal::NoRoute, Refusal::NotCanonical].map(|refusal| {
            Self::new(Id::Refusals, [LabelValue::None, LabelValue::Word(refusal.reason()), enforced, LabelValue::None])
        }));
        all.extend((0u16..).zip(&policy.budgets).map(|(budget, _)| {
            Self::new(
                Id::BudgetRefusals,
                [LabelValue::Budget(budget), LabelValue::None, LabelValue::None, LabelValue::None],
            )
        }));
        if !policy.budgets.is_empty() {
            all.push(Self::new(Id::BudgetFailures, [LabelValue::None; 4]));
        }
        all
    }
}

/// Most routes whose series are there from the start.
const MOST_FROM_THE_START: usize = 100;

/// The series of a place that a route only reports, how many values of it would have come out at a level: the number of its
/// metric in [`METRICS`].
pub(super) const REPORTED_FIELDS: usize = Id::ReportedFields as usize;

/// The values of its labels.
pub(super) fn reported_labels(
    policy: &PolicySet,
    route: Option<RouteId>,
    scopes: &[ScopeId],
    count: &FieldCount,
) -> Vec<String> {
    let route = named(route.and_then(|id| policy.routes.get(usize::from(id.0))).map(|route| &route.name));
    let names: Vec<&str> =
        scopes.iter().filter_map(|id| policy.scopes.get(usize::from(id.0))).map(|scope| scope.name.as_str()).collect();
    let scopes = if names.is_empty() { "-".to_owned() } else { plain(&names.join("+")) };
    vec![route, scopes, plain(level_word(count.level)), plain(&count.field)]
}

impl Metric {
    /// The name of one of its series in Envoy, labels included.
    #[must_use]
    pub fn series(&self, values: &[String]) -> String {
        let mut name = self.name.to_owned();
        for (at, (label, value)) in self.labels.iter().zip(values).enumerate() {
            // A text takes whatever is written to it.
            let _ = write!(name, "{}{label}=.={value};.;", if at == 0 { "." } else { "" });
        }
        name
    }
}

fn named(name: Option<&String>) -> String {
    name.map_or_else(|| "-".to_owned(), |name| plain(name))
}

/// A label's value. What statistics sinks take for a separator, or do not take, becomes `_`.
fn plain(value: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_$*[].+".contains(letter) { letter } else { '_' };
    value.chars().map(plain).collect()
}

impl Record<'_> {
    /// What the exchange raises, and by how much.
    pub fn count(&self, mut raise: impl FnMut(Series, u64)) {
        // What another filter answered is nothing that the plugin decided, nor let pass.
        let Some(ruling) = self.ruling else { return };
        let (route, mode) = (self.route.map_or(LabelValue::None, LabelValue::Route), LabelValue::Word(ruling.word()));
        let client = match self.client {
            Requester::Named(id) => LabelValue::Client(id),
            Requester::Tagged(_) | Requester::Unknown => LabelValue::None,
        };
        let none = LabelValue::None;
        raise(Series::new(Id::Responses, [route, LabelValue::Word(self.outcome.word()), mode, client]), 1);
        if let Some(refusal) = self.refusal {
            raise(Series::new(Id::Refusals, [route, LabelValue::Word(refusal.reason()), mode, none]), 1);
        }
        for count in &self.classes {
            for level in [Level::Show, Level::Mask, Level::Pseudonym, Level::Blank, Level::Hide] {
                let at = count.at(level);
                if at > 0 {
                    let level = LabelValue::Word(level_word(level));
                    raise(Series::new(Id::Fields, [route, LabelValue::Class(count.class), level, mode]), at);
                }
            }
        }
        let subjects = u64::try_from(self.subjects.len()).unwrap_or(u64::MAX);
        let canaries = u64::try_from(self.canaries.len()).unwrap_or(u64::MAX);
        for (id, of, count) in [
            (Id::Records, client, self.records),
            (Id::Subjects, client, subjects),
            (Id::Unknown, client, self.unknown),
            (Id::Mismatches, none, self.mismatches),
            (Id::Undeclared, none, self.undeclared),
            (Id::Canaries, client, canaries),
        ] {
            if count > 0 {
                raise(Series::new(id, [route, of, none, none]), count);
            }
        }
        self.count_budgets(route, raise);
    }

    fn count_budgets(&self, route: LabelValue, mut raise: impl FnMut(Series, u64)) {
        let none = LabelValue::None;
        let refused = match self.refusal {
            Some(Refusal::Budget { budget, .. }) => Some(budget),
            _ => None,
        };
        if let Some(budget) = refused {
            raise(Series::new(Id::BudgetRefusals, [LabelValue::Budget(budget), none, none, none]), 1);
        }
        for state in self.budgets.iter().filter(|state| Some(state.budget) != refused) {
            let max = self.policy.and_then(|policy| policy.budgets.get(usize::from(state.budget)));
            let word = used(state.used.saturating_add(state.reserved), max.map_or(0, |budget| budget.max));
            raise(
                Series::new(Id::BudgetUse, [LabelValue::Budget(state.budget), LabelValue::Word(word), none, none]),
                1,
            );
        }
        if self.step < Level::Show {
            raise(Series::new(Id::BudgetSteps, [route, LabelValue::Word(level_word(self.step)), none, none]), 1);
        }
        if self.failures > 0 {
            raise(Series::new(Id::BudgetFailures, [none; 4]), self.failures.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_its_ids() {
        for (id, name) in [
            (Id::Responses, "fieldgate_responses_total"),
            (Id::BudgetReserved, "fieldgate_budget_reserved"),
            (Id::Policy, "fieldgate_policy_configured_seconds"),
            (Id::ReportedFields, "fieldgate_reported_fields_total"),
            (Id::Overflow, "fieldgate_overflow_total"),
        ] {
            assert_eq!(Series::new(id, [LabelValue::None; 4]).metric().name, name);
        }
        assert_eq!(METRICS.len(), Id::Overflow as usize + 1);
    }

    #[test]
    fn a_budget_s_use_is_told_in_parts_of_its_max() {
        let rows = [
            (0, 1000, "0-50"),
            (499, 1000, "0-50"),
            (500, 1000, "50-80"),
            (949, 1000, "80-95"),
            (950, 1000, "95-100"),
            (1000, 1000, "95-100"),
            (1001, 1000, "over"),
            (1005, 1000, "over"),
            (u64::MAX, u64::MAX, "95-100"),
            (1, 0, "over"),
        ];
        for (taken, max, word) in rows {
            assert_eq!(used(taken, max), word, "{taken} of {max}");
        }
    }

    #[test]
    fn a_label_holds_no_separator() {
        let metric = counter("m", &["route"]);
        assert_eq!(metric.series(&[plain("a;.;b:c|d e")]), "m.route=.=a_._b_c_d_e;.;");
    }
}
