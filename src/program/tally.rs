//! [`Tally`]: how often a body came to each state of a view, for routes that only report (rule 38).

use std::cell::RefCell;

use super::ids::{Standing, StateId};
use crate::model::Level;

/// What became, or would have become, of one place of the policy in one body: numbers, never values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldCount {
    /// The place, as a path of the policy's own.
    pub field: String,
    /// Its level. A value that its form does not fit counts at the form's level.
    pub level: Level,
    /// How many scalars, and containers that are decided whole, each as one.
    pub count: u64,
}

/// Counts by state. It has an entry for each state that a body came to, so it is bounded by the view's own size.
#[derive(Debug, Default)]
pub(super) struct Tally {
    scalars: RefCell<Vec<u64>>,
    containers: RefCell<Vec<u64>>,
}

impl Tally {
    /// Counts one. A count that cannot be kept is not worth a response.
    pub(super) fn add(&self, id: StateId, kind: Standing) {
        let counts = match kind {
            Standing::Scalar => &self.scalars,
            Standing::Whole => &self.containers,
        };
        let (Ok(mut counts), index) = (counts.try_borrow_mut(), id.index()) else { return };
        if counts.len() <= index {
            counts.resize(index.saturating_add(1), 0);
        }
        if let Some(count) = counts.get_mut(index) {
            *count = count.saturating_add(1);
        }
    }

    /// The counts that are not nought, by index of their state.
    pub(super) fn counts(&self) -> Vec<(usize, Standing, u64)> {
        let of = |counts: &RefCell<Vec<u64>>, kind| -> Vec<(usize, Standing, u64)> {
            let Ok(counts) = counts.try_borrow() else { return Vec::new() };
            counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| (at, kind, *count)).collect()
        };
        let mut all = of(&self.scalars, Standing::Scalar);
        all.extend(of(&self.containers, Standing::Whole));
        all
    }
}
