//! What is told of an exchange to those who run it: the decision record, counters, and a line when a policy is taken.
//!
//! All of it is made of the policy's own words, of numbers, and of keyed tags: never of a byte of a body or a header, but for
//! the request's id where that is plain, and, if the policy asks for it, names of members that no shape names ([`crate::program::Drift`]).

mod board;
mod metrics;
mod record;
mod stamp;

pub use board::{Board, Meters, Reserved};
pub use metrics::{METRICS, Metric, MetricKind, Series};
pub use record::{BudgetState, MOST_SUBJECTS, Outcome, Record, Requester, Ruling, request_id};
pub use stamp::Stamp;
