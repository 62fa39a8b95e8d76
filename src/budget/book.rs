//! [`Books`]: admission and settlement, one budget at a time.

use std::cell::RefCell;

use super::head::{Head, HeadValue};
use super::ladder::Ladder;
use super::log::{Log, Mirrors, NoLog, Sizes, TRIES};
use super::service::{Ask, Service, ServiceAnswer};
use super::slot::{Found, Missing, Slot, find};
use super::store::{Shared, Swap, Value};
use super::subject::{KeyTag, Subject};
use crate::model::Level;

/// One budget, as it is kept.
#[derive(Debug, Clone)]
pub struct BudgetRule {
    /// What the names of its values in shared data begin with: the policy's and the budget's name, and what it counts over
    /// which time, so that a budget that now means something else begins anew.
    pub prefix: String,
    /// Seconds of a window, at least 1.
    pub per: u64,
    /// What may be released in a window.
    pub max: u64,
    /// What shares of it do.
    pub ladder: Ladder,
    /// What is counted.
    pub unit: BudgetUnit,
    /// Who says how much of `max` this process may spend.
    pub granter: Granter,
}

/// What a budget counts (rule 34).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetUnit {
    /// Distinct subjects.
    Subjects,
    /// Records, each time.
    Records,
    /// The cost of released scalars, which is known only afterwards (rule 34b).
    Cost,
}

/// Who says how much of a budget this process may spend (rule 36).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granter {
    /// The process itself: all of it.
    Process,
    /// The rate limit service, lease by lease.
    Service(Service),
}

/// What a response may release at most (rule 34a).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// This subject, which the request's path names: nothing if it is counted already.
    Subject(Subject),
    /// So many.
    Count(u64),
}

/// What a response has released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released<'a> {
    /// These subjects, and so many records without one.
    Subjects {
        /// The first 64 bits of each ([`Subject::short`]); one may come more than once.
        known: &'a [u64],
        /// Records whose subject was missing, null, or no string or number: each counts as one more.
        unknown: u64,
    },
    /// So many records, or so much cost.
    Count(u64),
}

/// What is kept for a response until it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    budget: u16,
    slot: Slot,
    tag: KeyTag,
    window: u64,
    need: u64,
    /// What the window stood at, this need included.
    seen: (u64, u64),
    /// The ceiling of the step that was reached (rule 35).
    pub ceiling: Level,
}

impl Reservation {
    /// The budget's number.
    #[must_use]
    pub fn budget(&self) -> u16 {
        self.budget
    }

    /// What is reserved.
    #[must_use]
    pub fn need(&self) -> u64 {
        self.need
    }

    #[cfg(test)]
    pub(super) fn key_and_window(&self) -> (KeyTag, u64) {
        (self.tag, self.window)
    }

    #[cfg(test)]
    pub(super) fn name_of_head(&self, prefix: &str) -> String {
        self.slot.head(prefix)
    }

    #[cfg(test)]
    pub(super) fn name_of_segment(&self, prefix: &str) -> String {
        self.slot.segment(prefix, 0)
    }
}

/// What becomes of a request at one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on; the reservation must be settled.
    Admitted(Reservation),
    /// The budget is full.
    Refused {
        /// Seconds until it may be otherwise.
        retry_after: u64,
    },
    /// The rate limit service must be asked for more first.
    Ask(Ask),
    /// The store does not answer.
    Failed,
}

/// What became of a reservation when its response had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is counted, and the key's window then stood at this.
    At {
        /// What was released in it.
        used: u64,
        /// What responses under way may release.
        reserved: u64,
    },
    /// The window of its admission is over, and its numbers are gone.
    Over,
    /// The store does not have it: the reservation stays until the window ends.
    Failed,
}

/// Against what a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// What the granter granted.
    Grant,
    /// The whole budget, though the service has not said so: `on_error: local`.
    Max,
}

/// The budgets of a policy, and what this worker has read of their logs.
#[derive(Debug)]
pub struct Books {
    rules: Vec<BudgetRule>,
    sizes: Sizes,
    mirrors: RefCell<Mirrors>,
}

impl Books {
    /// The books of these budgets, which are known by their place among them from now on.
    #[must_use]
    pub fn new(rules: Vec<BudgetRule>) -> Self {
        Self { rules, sizes: Sizes::SHIPPED, mirrors: RefCell::default() }
    }

    /// These books with other sizes of values, so that small tests fill them.
    #[cfg(test)]
    pub(super) fn with_sizes(self, sizes: Sizes) -> Self {
        Self { sizes, ..self }
    }

    /// The budgets, by number.
    #[must_use]
    pub fn rules(&self) -> &[BudgetRule] {
        &self.rules
    }

    /// Reserves what a response may need, at a time in seconds since the Unix epoch (rules 34a, 35).
    pub fn admit(
        &self,
        budget: u16,
        tag: KeyTag,
        need: Need,
        now: u64,
        against: Against,
        store: &mut dyn Shared,
    ) -> Verdict {
        let Some(rule) = self.rule(budget) else { return Verdict::Failed };
        for _ in 0..TRIES {
            let found = match find(store, &rule.prefix, tag, rule.length(), now) {
                Ok(found) => found,
                Err(missing) => return rule.without_head(missing, now),
            };
            let (slot, head) = (found.slot, found.value.head());
            let (need, counted) = match need {
                Need::Count(count) => (count, false),
                Need::Subject(subject) => match self.has(rule, budget, &found, subject, store) {
                    Ok(known) => (u64::from(!known), known),
                    Err(NoLog::Over) => continue,
                    Err(NoLog::Missing(missing)) => return rule.without_head(missing, now),
                },
            };
            let taken = head.taken(need, rule.max);
            let reservation = Reservation {
                budget,
                slot,
                tag: head.tag,
                window: head.window,
                need,
                seen: (head.used, head.reserved.saturating_add(need)),
                ceiling: rule.ladder.ceiling(taken),
            };
            if let Some(retry_after) = rule.refuses(&head, need, now) {
                return Verdict::Refused { retry_after };
            }
            if counted {
                return Verdict::Admitted(reservation);
            }
            let own = head.used.saturating_add(head.reserved).saturating_add(need);
            if let (Granter::Service(service), Against::Grant) = (&rule.granter, against)
                && own > head.granted
            {
                if head.closed {
                    return Verdict::Refused { retry_after: rule.retry_after(&head, need, now) };
                }
                let missing = own.saturating_sub(head.granted);
                return Verdict::Ask(service.ask(&head, missing));
            }
            let mut value = found.value;
            value.set(Head { reserved: head.reserved.saturating_add(need), ..head });
            match store.swap(&found.name, value.bytes(), found.version) {
                Ok(Swap::Done) => return Verdict::Admitted(reservation),
                Ok(Swap::Lost) => {}
                Err(_) => return Verdict::Failed,
            }
        }
        Verdict::Failed
    }

    /// Takes the rate limit service's answer into account: whether it is one (rule 36). What it granted for a window that is
    /// over meanwhile is lost: it only ever over-counts.
    pub fn answered(&self, budget: u16, ask: &Ask, answer: ServiceAnswer, now: u64, store: &mut dyn Shared) -> bool {
        let Some(rule) = self.rule(budget) else { return false };
        for _ in 0..TRIES {
            let Ok(found) = find(store, &rule.prefix, ask.tag, rule.length(), now) else { return false };
            let Found { name, mut value, version, .. } = found;
            let head = value.head();
            if head.window != ask.window {
                return true;
            }
            let (granted, left, until_reset) = match answer {
                ServiceAnswer::Granted { left, until_reset } => (ask.hits, left, until_reset),
                ServiceAnswer::Over { until_reset } => (0, 0, until_reset),
                ServiceAnswer::Failure => return false,
            };
            let head = rule.in_window_of(&head, until_reset, now);
            value.set(Head {
                granted: head.granted.saturating_add(granted),
                left: head.left.min(left),
                closed: matches!(answer, ServiceAnswer::Over { .. }),
                ..head
            });
            match store.swap(&name, value.bytes(), version) {
                Ok(Swap::Done) => return true,
                Ok(Swap::Lost) => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// The answer of a rate limit service that serves this process alone.
    pub fn granted_alone(&self, budget: u16, ask: &Ask, now: u64, store: &mut dyn Shared) -> bool {
        let (Some(rule), Some(head)) = (self.rule(budget), self.head(budget, ask.tag, now, store)) else {
            return false;
        };
        let until_reset = head.ends.saturating_sub(now);
        let answer = match rule.max.checked_sub(head.granted.saturating_add(ask.hits)) {
            Some(left) => ServiceAnswer::Granted { left, until_reset },
            None => ServiceAnswer::Over { until_reset },
        };
        self.answered(budget, ask, answer, now, store)
    }

    /// Counts what a response released, and gives the rest of its reservation back: by one swap, where the subjects have room in
    /// the head. Where they have not, those that had none yet stay reserved: what others see meanwhile is never too little.
    pub fn settle(&self, held: &Reservation, released: Released<'_>, store: &mut dyn Shared) -> Settled {
        let (Some(rule), Ok(mut mirrors)) = (self.rule(held.budget), self.mirrors.try_borrow_mut()) else {
            return Settled::Failed;
        };
        let (subjects, others) = match released {
            Released::Count(count) => (&[][..], count),
            Released::Subjects { known, unknown } => (known, unknown),
        };
        let mut log = mirrors.log(&rule.prefix, self.sizes, (held.budget, held.slot), (held.window, held.tag));
        let mut open = Unsettled { subjects: log.unknown(subjects), others, reserved: held.need };
        if open.is_settled() {
            let (used, reserved) = held.seen;
            return Settled::At { used, reserved };
        }
        let name = held.slot.head(&rule.prefix);
        let mut lost = 0usize;
        while lost < TRIES {
            let Ok(Value { bytes, version }) = store.read(&name) else { return Settled::Failed };
            let Ok(Some(mut value)) = HeadValue::read(bytes) else { return Settled::Failed };
            // The response belongs to the window of its admission; that is over, and its numbers are gone.
            if (value.head().window, value.head().tag) != (held.window, held.tag) {
                return Settled::Over;
            }
            let swapped = match open.enter(&mut value, &mut log, store) {
                Ok(Some(left)) => store.swap(&name, value.bytes(), version).map(|swap| (swap, left)),
                Ok(None) => Ok((Swap::Lost, Unsettled::default())),
                Err(WindowOver) => return Settled::Over,
            };
            match swapped {
                Ok((Swap::Lost, _)) => lost = lost.saturating_add(1),
                Ok((Swap::Done, left)) if left.is_settled() => {
                    log.wrote(&value);
                    let Head { used, reserved, .. } = value.head();
                    return Settled::At { used, reserved };
                }
                Ok((Swap::Done, left)) => open = left,
                Err(_) => return Settled::Failed,
            }
        }
        Settled::Failed
    }

    /// The reservation of what is charged after its release (rule 34b) in the window that `now` is in: nothing was reserved for
    /// it, so that what a response costs which outlives its window would be charged nowhere. `None` if the store fails.
    pub fn charged_at(&self, held: &Reservation, now: u64, store: &mut dyn Shared) -> Option<Reservation> {
        let rule = self.rule(held.budget)?;
        for _ in 0..TRIES {
            let Found { name, slot, value, version } = find(store, &rule.prefix, held.tag, rule.length(), now).ok()?;
            let head = value.head();
            let seen = (head.used, head.reserved);
            let charged = Reservation { slot, tag: head.tag, window: head.window, seen, ..*held };
            // A window that nobody has asked in yet is written, for `settle` finds what is there.
            if head.window == held.window || store.swap(&name, value.bytes(), version) == Ok(Swap::Done) {
                return Some(charged);
            }
        }
        None
    }

    /// The numbers of a key in the window that `now` (seconds since 1970) is in, in the budget's own unit: used, reserved and
    /// granted (rule 34). `None` where nothing was counted in it, or the store could not be read.
    pub fn head(&self, budget: u16, tag: KeyTag, now: u64, store: &mut dyn Shared) -> Option<Head> {
        let rule = self.rule(budget)?;
        find(store, &rule.prefix, tag, rule.length(), now).ok().map(|found| found.value.head())
    }

    fn rule(&self, budget: u16) -> Option<&BudgetRule> {
        self.rules.get(usize::from(budget))
    }

    fn has(
        &self,
        rule: &BudgetRule,
        budget: u16,
        found: &Found,
        subject: Subject,
        store: &mut dyn Shared,
    ) -> Result<bool, NoLog> {
        if rule.unit != BudgetUnit::Subjects {
            return Ok(false);
        }
        let Found { slot, value, .. } = found;
        let Head { window, tag, .. } = value.head();
        let mut mirrors = self.mirrors.try_borrow_mut().map_err(|_| NoLog::Missing(Missing::Store))?;
        mirrors.log(&rule.prefix, self.sizes, (budget, *slot), (window, tag)).has(subject.short(), value, store)
    }
}

/// What is to be settled yet.
#[derive(Debug, Default)]
struct Unsettled {
    subjects: Vec<u64>,
    /// What counts without a subject.
    others: u64,
    reserved: u64,
}

/// The window of an admission is over.
struct WindowOver;

impl Unsettled {
    fn is_settled(&self) -> bool {
        self.subjects.is_empty() && self.others == 0 && self.reserved == 0
    }

    /// Counts in a head's value as much of this as has room there, gives as much back of what is reserved, and says what is left;
    /// `None` if another worker was quicker.
    fn enter(
        &mut self,
        value: &mut HeadValue,
        log: &mut Log<'_>,
        store: &mut dyn Shared,
    ) -> Result<Option<Self>, WindowOver> {
        let entered = match log.enter(&mut self.subjects, value, store) {
            Ok(Some(entered)) => entered,
            Ok(None) => return Ok(None),
            Err(NoLog::Over) => return Err(WindowOver),
            // Which of them are known cannot be told: each counts.
            Err(NoLog::Missing(_)) => self.subjects.len(),
        };
        let left = self.subjects.get(entered..).unwrap_or_default().to_vec();
        let entered = u64::try_from(entered).unwrap_or(u64::MAX);
        // The last swap gives all back, and what has no room yet stays reserved.
        let (spent, back) = match left.is_empty() {
            true => (entered.saturating_add(self.others), self.reserved),
            false => (entered, entered.min(self.reserved)),
        };
        let head = value.head();
        let used = head.used.saturating_add(spent);
        let reserved = head.reserved.saturating_sub(back);
        value.set(Head { used, reserved, ..head });
        let others = if left.is_empty() { 0 } else { self.others };
        Ok(Some(Self { subjects: left, others, reserved: self.reserved.saturating_sub(back) }))
    }
}

impl BudgetRule {
    /// Seconds of a window, at least 1.
    fn length(&self) -> u64 {
        self.per.max(1)
    }

    /// Whether the budget has no room: then, for how many seconds at least. What needs nothing is never refused, but for a
    /// cost, which is known only afterwards.
    fn refuses(&self, head: &Head, need: u64, now: u64) -> Option<u64> {
        let asked = if self.unit == BudgetUnit::Cost { 1 } else { need };
        let limit = self.ladder.limit(self.max);
        let taken = head.taken(asked, self.max).taken;
        (asked > 0 && taken > limit).then(|| self.retry_after(head, asked, now))
    }

    /// Seconds until a refused request may be admitted: one, where only open reservations are in the way (rule 35).
    fn retry_after(&self, head: &Head, need: u64, now: u64) -> u64 {
        let without = head.used.saturating_add(need);
        let only_reserved = if head.closed {
            without <= head.granted
        } else {
            head.taken(need, self.max).taken.saturating_sub(head.reserved) <= self.ladder.limit(self.max)
        };
        if only_reserved { 1 } else { head.ends.saturating_sub(now).max(1) }
    }

    /// The head of the window that the service counts in, of which so many seconds are left (0 where it does not say). An answer
    /// from the service's next window begins it here too: what was granted for the last one is not to be spent in it. Whatever
    /// window that is, its grants are the service's, so that beginning one too many only over-counts.
    fn in_window_of(&self, head: &Head, until_reset: u64, now: u64) -> Head {
        if until_reset == 0 {
            return *head;
        }
        let ends = now.saturating_add(until_reset.min(self.per));
        // Of two answers in one window the ends differ by a rounded second, and by how long they took.
        if head.granted > 0 && ends > head.ends.saturating_add(self.per / 2) {
            return Head::new(head.tag, head.window.saturating_add(1), ends);
        }
        Head { ends, ..*head }
    }

    /// What becomes of a request when the head cannot be read: a value of another's is a full budget.
    fn without_head(&self, missing: Missing, now: u64) -> Verdict {
        match missing {
            Missing::Store => Verdict::Failed,
            Missing::Malformed => {
                let per = self.length();
                let since = now.checked_rem(per).unwrap_or(0);
                Verdict::Refused { retry_after: per.saturating_sub(since).max(1) }
            }
        }
    }
}
