//! [`WriteBudget`]: how large a body write may be at this moment.

/// How large a body write may be, in bytes.
///
/// While the host holds a body back, a write that takes it over the stream's buffer limit fails the stream in the midst
/// of the write. The limit cannot be asked for, and no size is below every limit; but what the host already holds has
/// fitted. While the host holds nothing back, a write may have any size: unless another filter has held back what comes, for
/// then it comes whole, in the same buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriteBudget(usize);

impl WriteBudget {
    /// For a host that holds nothing back.
    pub(super) fn unbounded() -> Self {
        Self(usize::MAX)
    }

    /// For a host that holds `bytes` of this body.
    pub(super) fn holding(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Whether so much may be written now.
    pub(super) fn admits(self, bytes: usize) -> bool {
        bytes <= self.0
    }
}
