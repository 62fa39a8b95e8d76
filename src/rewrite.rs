//! [`Rewriter`]: View × bytes → bytes.

use std::rc::Rc;

use crate::json::Texts;
use crate::program::View;
use crate::refusal::Refusal;

/// What became of the scalars of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Scalars shown.
    pub shown: u64,
    /// Scalars masked.
    pub masked: u64,
    /// Scalars pseudonymised.
    pub pseudonymised: u64,
    /// Scalars replaced.
    pub blanked: u64,
    /// Values removed.
    pub hidden: u64,
    /// Values of another kind than the policy expects.
    pub shape_mismatch: u64,
    /// Records that `max_records` counted.
    pub records: u64,
}

/// Rewrites one body. Without an engine it refuses every body.
#[derive(Debug)]
pub struct Rewriter {}

impl Rewriter {
    /// For one body of texts that follow each other as `texts` says.
    #[must_use]
    pub fn new(_view: Rc<View>, _texts: Texts) -> Self {
        Self {}
    }

    /// Takes the next bytes and appends what may leave of them to `out`.
    ///
    /// # Errors
    /// What is wrong with the body; nothing appended by this call may leave then.
    pub fn push(self, _chunk: &[u8], _out: &mut Vec<u8>) -> Result<Self, Refusal> {
        Err(Refusal::Internal)
    }

    /// Ends the body.
    ///
    /// # Errors
    /// If the body is incomplete.
    pub fn finish(self, _out: &mut Vec<u8>) -> Result<Counts, Refusal> {
        Err(Refusal::Internal)
    }
}
