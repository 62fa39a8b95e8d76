//! [`Census`]: what became of the scalars of one body, by class and level, for the decision record.
//!
//! A body has thousands of scalars and a policy a handful of classes and levels. So each state of a view knows, as a small
//! number, which classes and which level it counts for, and a response has one counter for each such number: counting is two
//! look-ups and an addition, and a stream that waits keeps some hundred bytes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::automaton::Automaton;
use super::bins::{Bin, UNCOUNTED, UNDECLARED};
use super::ids::{Standing, StateId};
use crate::model::{ClassId, Level};

/// The counts of one response. It can be asked at any time, also when the response ends early.
#[derive(Debug)]
pub struct Census {
    automaton: Rc<Automaton>,
    of: Rc<[[u32; 2]]>,
    counts: Box<[Cell<u64>]>,
    /// Of bins that filters have added since.
    more: RefCell<BTreeMap<u32, u64>>,
}

/// What became of the values of one class: numbers, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassCount {
    /// The class.
    pub class: ClassId,
    /// How many values at each level, lowest level first.
    levels: [u64; 5],
}

impl ClassCount {
    /// How many values were at a level. A value that its form does not fit counts at the form's level; a container that
    /// passes or is removed whole counts as one, for each class that the policy has at or below its place.
    #[must_use]
    pub fn at(&self, level: Level) -> u64 {
        self.levels.get(level as usize).copied().unwrap_or(0)
    }
}

impl Census {
    pub(super) fn new(automaton: Rc<Automaton>) -> Self {
        let (of, bins) = automaton.with_bins(|bins| (Rc::clone(&bins.made), bins.list.len()));
        Self { automaton, of, counts: vec![Cell::new(0); bins].into(), more: RefCell::default() }
    }

    /// Counts so many values at the place of a state.
    #[inline(always)]
    pub fn add(&self, id: StateId, standing: Standing, by: u64) {
        let bin = self.of.get(id.index()).map(|[scalar, container]| match standing {
            Standing::Scalar => *scalar,
            Standing::Whole => *container,
        });
        match bin.and_then(|bin| self.counts.get(bin as usize)) {
            Some(count) => count.set(count.get().wrapping_add(by)),
            None => self.add_new(id, standing, by),
        }
    }

    /// Counts at a state that a filter has added since the bins were made.
    #[cold]
    fn add_new(&self, id: StateId, standing: Standing, by: u64) {
        let bin = self.automaton.with_bins(|bins| bins.of(id));
        let (Some([scalar, container]), Ok(mut more)) = (bin, self.more.try_borrow_mut()) else { return };
        let bin = match standing {
            Standing::Scalar => scalar,
            Standing::Whole => container,
        };
        let count = more.entry(bin).or_default();
        *count = count.wrapping_add(by);
    }

    /// How many members and elements were removed of which the policy knows nothing, each as one with all below it.
    #[must_use]
    pub fn undeclared(&self) -> u64 {
        let more = self.more.try_borrow().ok().and_then(|more| more.get(&UNDECLARED).copied());
        self.counts.first().map_or(0, Cell::get).saturating_add(more.unwrap_or(0))
    }

    /// The counts of each class of which there was something, in the policy's order.
    #[must_use]
    pub fn classes(&self) -> Vec<ClassCount> {
        let mut classes: Vec<ClassCount> = Vec::new();
        let made = (0u32..).zip(self.counts.iter().map(Cell::get));
        let more = self.more.try_borrow().map(|more| more.clone()).unwrap_or_default();
        self.automaton.with_bins(|bins| {
            for (number, count) in made.chain(more).filter(|(number, count)| *number > UNCOUNTED && *count > 0) {
                let Some(Bin { classes: of, level }) = bins.list.get(number as usize) else { continue };
                for class in of {
                    let at = match classes.binary_search_by_key(class, |count| count.class) {
                        Ok(at) => at,
                        Err(at) => {
                            classes.insert(at, ClassCount { class: *class, levels: [0; 5] });
                            at
                        }
                    };
                    let of_level = classes.get_mut(at).and_then(|found| found.levels.get_mut(*level as usize));
                    if let Some(sum) = of_level {
                        *sum = sum.saturating_add(count);
                    }
                }
            }
        });
        classes
    }
}
