//! [`State`]: what the policy says of one place of a body.

use std::rc::Rc;

use super::grant::ScalarRule;
use super::ids::{NamespaceId, Outlook, Standing, StateId};
use super::names::Names;
use crate::model::Level;

/// What a container becomes (rule 25).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerRule {
    /// Removed; nothing below is looked at.
    Drop,
    /// Removed, but walked, since it may hold records that count (rule 28).
    Mute,
    /// Kept, and each child decided by its own state.
    Walk,
    /// Kept with all below it: every scalar there is at show and nothing else is to be decided.
    Open,
}

/// What the policy says of one place.
#[derive(Debug, Clone)]
pub struct State {
    /// What a string, number or boolean becomes. `null` stays `null` unless this is `Blank` or `Hide`.
    pub scalar: ScalarRule,
    /// What an object or array becomes.
    pub container: ContainerRule,
    /// Whether an entry speaks of this place: a container that stands here instead is a shape mismatch (rule 12).
    pub classified: bool,
    /// Whether a child must be seen whole, for a filter or a row condition.
    pub filtered: bool,
    /// Whether what stands here is a record of `max_records` (rule 28).
    pub counted: bool,
    /// The kinds of subjects of which what stands here is a record (rule 34); `None` where it is none.
    pub record: Option<Rc<[NamespaceId]>>,
    /// The names that the policy knows here, with the state of each (where no filter stands).
    pub members: Names,
    /// The hints of the names that must be looked up. Where members of other names are not simply removed, that is all.
    pub looked_up: u64,
    /// The state of a member of any other name.
    pub other: StateId,
    /// The state of an element.
    pub element: StateId,
    /// What can be said of a member of any other name, or of an element, without its state.
    pub outlook: Outlook,
}

impl State {
    /// What the place of an unknown field is like: hidden with all below it (rule 14).
    #[must_use]
    pub fn dead() -> Self {
        Self {
            scalar: ScalarRule::Hide,
            container: ContainerRule::Drop,
            classified: false,
            filtered: false,
            counted: false,
            record: None,
            members: Names::default(),
            looked_up: u64::MAX,
            other: StateId::DEAD,
            element: StateId::DEAD,
            outlook: Outlook::Hidden { classified: false },
        }
    }

    /// The state of the member called `name`, a decoded name, where no filter stands.
    #[must_use]
    pub fn member(&self, name: &str) -> StateId {
        self.members.find(name.as_bytes()).map_or(self.other, |found| found.state)
    }

    /// At which level what stands here leaves, or does not.
    pub(super) fn level(&self, standing: Standing) -> Level {
        match (standing, self.scalar.fate(), self.container) {
            (Standing::Whole, _, ContainerRule::Open) => Level::Show,
            (Standing::Whole, _, _) | (Standing::Scalar, ScalarRule::Hide, _) => Level::Hide,
            (Standing::Scalar, ScalarRule::Show | ScalarRule::Detect { .. }, _) => Level::Show,
            (Standing::Scalar, ScalarRule::Mask { .. }, _) => Level::Mask,
            (Standing::Scalar, ScalarRule::Pseudonym { .. }, _) => Level::Pseudonym,
            (Standing::Scalar, ScalarRule::Blank(_), _) => Level::Blank,
            // A fate is none of these.
            (Standing::Scalar, ScalarRule::Subject { .. }, _) => Level::Hide,
        }
    }

    /// What a parent can say of what stands here.
    pub(super) fn outlook(&self) -> Outlook {
        match (&self.scalar, self.container) {
            // Records are counted one by one, so their state has to be asked.
            _ if self.counted || self.record.is_some() => Outlook::Asked,
            (ScalarRule::Hide, ContainerRule::Drop) => Outlook::Hidden { classified: self.classified },
            (ScalarRule::Show, ContainerRule::Drop) if self.classified => Outlook::Shown,
            _ => Outlook::Asked,
        }
    }
}

/// States, to be looked at without asking the view for each: those that it was made with, shared, and copies of those that
/// filters have added since.
#[derive(Debug, Clone)]
pub struct States {
    pub(super) made: Rc<[Rc<State>]>,
    pub(super) added: Vec<Rc<State>>,
    pub(super) dead: Rc<State>,
}

impl States {
    /// Whether a state is among them.
    #[must_use]
    pub fn has(&self, id: StateId) -> bool {
        id.index() < self.made.len().saturating_add(self.added.len())
    }

    /// What the policy says of a place. A state that is not among them hides.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, id: StateId) -> &Rc<State> {
        match self.made.get(id.index()) {
            Some(state) => state,
            None => self.get_added(id),
        }
    }

    #[cold]
    fn get_added(&self, id: StateId) -> &Rc<State> {
        let added = id.index().checked_sub(self.made.len()).and_then(|index| self.added.get(index));
        added.unwrap_or(&self.dead)
    }
}

/// How a child is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathStep<'a> {
    /// As an element of an array.
    Element,
    /// As the member of that decoded name.
    Member(&'a str),
}
