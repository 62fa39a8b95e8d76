//! [`Bins`]: which classes and which level each state of a view counts for, as a small number.

use std::collections::HashMap;
use std::rc::Rc;

use super::ids::StateId;
use crate::model::{ClassId, Level};

/// Most combinations of classes and level that one view tells apart. A policy has some twenty; what is over is not counted.
const MOST_BINS: usize = 4096;

/// The bin of all that the policy does not know.
pub(super) const UNDECLARED: u32 = 0;

/// The bin of what is not counted.
pub(super) const UNCOUNTED: u32 = 1;

/// What a state counts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bin {
    /// Sorted, without repeats.
    pub(super) classes: Vec<ClassId>,
    pub(super) level: Level,
}

/// The bins of a view's states, by state: of a scalar that stands there, and of a container or what is removed unseen.
#[derive(Debug, Default)]
pub(super) struct Bins {
    /// Of the states that it was made with, shared by all responses.
    pub(super) made: Rc<[[u32; 2]]>,
    /// Of those that filters have added since.
    added: Vec<[u32; 2]>,
    pub(super) list: Vec<Bin>,
    index: HashMap<Bin, u32>,
}

impl Bins {
    /// Makes the bins of states up to `known` that have none yet; `bins` says them, `None` for a place of nothing declared.
    pub(super) fn make(&mut self, known: usize, bins: impl Fn(usize) -> Option<[Bin; 2]>) {
        if self.list.is_empty() {
            let nothing = Bin { classes: Vec::new(), level: Level::Hide };
            // The first two numbers are taken: `UNDECLARED` and `UNCOUNTED`.
            self.list = vec![nothing.clone(), nothing];
        }
        let mut new = Vec::new();
        for index in self.made.len().saturating_add(self.added.len())..known {
            let numbers = bins(index).map(|bins| bins.map(|bin| self.number(bin)));
            new.push(numbers.unwrap_or([UNDECLARED, UNDECLARED]));
        }
        if self.made.is_empty() {
            self.made = new.into();
        } else {
            self.added.append(&mut new);
        }
    }

    /// The bins of a state.
    pub(super) fn of(&self, id: StateId) -> Option<[u32; 2]> {
        // States that a filter made are numbered after the view's own.
        let added = || self.added.get(id.index().checked_sub(self.made.len())?);
        self.made.get(id.index()).or_else(added).copied()
    }

    fn number(&mut self, bin: Bin) -> u32 {
        // What has no class counts in none, and what has no room is left out of the record, never counted for another.
        if bin.classes.is_empty() || self.list.len() >= MOST_BINS {
            return self.index.get(&bin).copied().unwrap_or(UNCOUNTED);
        }
        let next = u32::try_from(self.list.len()).unwrap_or(UNCOUNTED);
        let list = &mut self.list;
        *self.index.entry(bin.clone()).or_insert_with(|| {
            list.push(bin);
            next
        })
    }
}
