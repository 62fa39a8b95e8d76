//! How the parts of a view refer to each other: by a state, by a kind of subjects, and by what can be said of a state without
//! looking at it.

/// A state of a [`View`](super::View).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(pub(super) u32);

impl StateId {
    /// The state of a place that nothing of the policy speaks about.
    pub const DEAD: Self = Self(0);
    pub(super) const ROOT: Self = Self(1);

    #[inline(always)]
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What can be said of a child without looking at its state: most are one of the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It is removed, whatever it is.
    Hidden {
        /// Whether a container there is a shape mismatch.
        classified: bool,
    },
    /// A scalar stays as it is; a container is removed, as a shape mismatch.
    Shown,
    /// Its state says.
    Asked,
}

/// How what stands at a place was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As a string, number or literal name, by the place's own rule.
    Scalar,
    /// Whole, without a look at what it is: a container that is kept or removed with all in it, or whatever is removed unseen.
    Whole,
}

/// Index of a kind of subject among those that a policy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceId(pub u8);

/// In order, and each once: sets of ids are compared as lists.
pub(super) fn distinct<T: Ord>(ids: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut ids: Vec<T> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
