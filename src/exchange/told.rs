//! [`RefusalLog`]: the lines of a host's log on refusals.

use super::{Mode, Report};
use crate::model::PolicySet;
use crate::refusal::{Lines, Refusal};

/// The lines of the log on refusals, each kind with a room of its own: what callers are refused for must not keep out what
/// the upstream is.
#[derive(Debug, Default)]
pub struct RefusalLog {
    by_caller: Lines,
    by_upstream: Lines,
}

impl RefusalLog {
    /// Whether a refusal is to be warned of: it is not the caller's.
    #[must_use]
    pub fn warns(refusal: Refusal) -> bool {
        refusal.status() >= 500
    }

    /// What the log is to say of a refusal at that time, in seconds since the epoch; nothing where it has no room. Words of
    /// the policy and of the product, nothing of an exchange.
    pub fn lines(&mut self, policy: &PolicySet, report: &Report, refusal: Refusal, seconds: u64) -> Vec<String> {
        let room = if Self::warns(refusal) { &mut self.by_upstream } else { &mut self.by_caller };
        let Some(left_out) = room.line(seconds) else { return Vec::new() };
        let mut lines = Vec::new();
        if left_out > 0 {
            lines.push(format!("{left_out} refusals are not in the log, which has {} a minute", Lines::MOST));
        }
        let verb = if report.mode == Mode::Enforced { "refused" } else { "only reporting: would refuse" };
        let route = report.route.and_then(|route| policy.routes.get(usize::from(route.0)));
        let route = route.map_or("-", |route| route.name.as_str());
        lines.push(format!("{verb} with {}: {refusal}, route {route}", refusal.status()));
        lines
    }
}
