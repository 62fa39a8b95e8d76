//! [`Ladder`]: what a share of the budget does to levels (rule 35).

use crate::model::{BudgetStep, Level, StepEffect};

/// The steps of a budget: the one reading of what a share of it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ladder(pub Vec<BudgetStep>);

/// What of a budget is taken: used and reserved, the need in question included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) taken: u64,
    pub(super) max: u64,
}

impl Ladder {
    /// The ceiling at what is taken. A budget of 200 has its step at 80 % from the 161st on, and is full with the 200th.
    pub(super) fn ceiling(&self, Taken { taken, max }: Taken) -> Level {
        let reached = self.0.iter().filter(|step| step.is_exceeded(taken, max));
        reached.fold(Level::Show, |lowest, step| match step.then {
            StepEffect::Ceiling(level) => lowest.min(level),
            StepEffect::Reject => lowest,
        })
    }

    /// The ceiling at so many percent of the budget.
    #[must_use]
    pub fn ceiling_at(&self, percent: u8) -> Level {
        self.ceiling(Taken { taken: percent.into(), max: 100 })
    }

    /// How much may be taken at most: `max`, or what comes before the first step that rejects.
    pub(super) fn limit(&self, max: u64) -> u64 {
        let rejects = self.0.iter().filter(|step| step.then == StepEffect::Reject).map(|step| step.percent).min();
        let share = u128::from(max).saturating_mul(rejects.unwrap_or(100).into()).checked_div(100).unwrap_or(0);
        max.min(u64::try_from(share).unwrap_or(max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_beyond_its_share() {
        let ladder = Ladder(vec![
            BudgetStep { percent: 80, then: StepEffect::Ceiling(Level::Mask) },
            BudgetStep { percent: 95, then: StepEffect::Ceiling(Level::Pseudonym) },
            BudgetStep { percent: 100, then: StepEffect::Reject },
        ]);
        let rows = [
            ("nothing is taken", 0, 200, Level::Show),
            ("at the share itself the level is the old one", 160, 200, Level::Show),
            ("one beyond it is beyond", 161, 200, Level::Mask),
            ("the next step is lower", 191, 200, Level::Pseudonym),
            ("a full budget has the last ceiling", 200, 200, Level::Pseudonym),
            ("a budget of one is whole until it is taken", 0, 1, Level::Show),
            ("and full then", 1, 1, Level::Pseudonym),
            ("no overflow", u64::MAX, u64::MAX, Level::Pseudonym),
        ];
        for (claim, taken, max, expected) in rows {
            assert_eq!(ladder.ceiling(Taken { taken, max }), expected, "{claim}");
        }
        assert_eq!(ladder.limit(200), 200);
        assert_eq!(Ladder::default().limit(200), 200, "without steps the budget is its max");
        let early = Ladder(vec![BudgetStep { percent: 90, then: StepEffect::Reject }]);
        assert_eq!((early.limit(200), early.limit(1), early.limit(u64::MAX)), (180, 0, u64::MAX / 10 * 9 + 4));
    }
}
