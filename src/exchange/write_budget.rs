//! [`WriteBudget`]: how large a body write may be at this moment.

use crate::refusal::Refusal;

/// How large a body write may be, in bytes.
///
/// While the host holds a body back, a write that takes it over the stream's buffer limit fails the stream in the midst
/// of the write. The limit cannot be asked for, but what the host already holds has fitted, and 16 KiB fit into any
/// limit that is in use: edge guides set 32 KiB. While the host holds nothing back, a write may have any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriteBudget(usize);

impl WriteBudget {
    /// What fits into any buffer limit that is in use, in bytes.
    pub(super) const FLOOR: usize = 16 << 10;

    /// For a host that holds nothing back.
    pub(super) fn unbounded() -> Self {
        Self(usize::MAX)
    }

    /// For a host that holds `bytes` of this body.
    pub(super) fn holding(bytes: usize) -> Self {
        Self(bytes.max(Self::FLOOR))
    }

    /// How much of `bytes` may be written now.
    pub(super) fn part_of(self, bytes: usize) -> usize {
        bytes.min(self.0)
    }

    /// Whether so much may be written now.
    pub(super) fn admits(self, bytes: usize) -> bool {
        bytes <= self.0
    }

    /// Refuses a write of more than the budget.
    pub(super) fn admit(self, bytes: usize) -> Result<(), Refusal> {
        if self.admits(bytes) { Ok(()) } else { Err(Refusal::WriteBudget) }
    }
}
