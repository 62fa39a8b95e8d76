//! [`Rewriting`]: a body as it is rewritten, whoever waits for what comes of it.

use super::length::{Length, Size};
use crate::refusal::Refusal;
use crate::rewrite::{Counts, Rewriter};

/// What goes out once nothing is held back any more is cut where so many bytes of *output* end, so that how it was cut says
/// nothing of what was left out between. A body whose output is shorter goes out whole.
///
/// The host makes one chunk of all that goes in one callback. The upstream's parts are shorter than this, most often by
/// far, so that it is seldom that two blocks end in one part; and it is a multiple of the frames that HTTP/2 cuts a write
/// into, where it does not matter if they do.
pub(super) const BLOCK: usize = 64 << 10;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Purpose {
    /// A success's: one that breaks a rule is refused.
    Answer,
    /// An error's: one that breaks a rule, or is no object, is emptied (rule 29).
    Error,
}

/// A body, and what of it has been read.
#[derive(Debug)]
pub(super) struct Rewriting {
    rewriter: Rewriter,
    size: Size,
    length: Length,
    purpose: Purpose,
}

impl Rewriting {
    pub(super) fn new(rewriter: Rewriter, length: Length, purpose: Purpose) -> Self {
        Self { rewriter, size: Size::new(length.limits), length, purpose }
    }

    /// Takes a part; appends what may leave of it.
    pub(super) fn push(mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<Self, Refusal> {
        self.size.add(chunk)?;
        self.rewriter = self.rewriter.push(chunk, out)?;
        Ok(self)
    }

    /// Ends the body. An empty one passes as empty (rule 29).
    pub(super) fn finish(self, out: &mut Vec<u8>) -> Result<Counts, Refusal> {
        if self.size.read == 0 { Ok(Counts::default()) } else { self.rewriter.finish(out) }
    }

    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether more may be awaited with the head kept back, `out` having come of what was read.
    pub(super) fn is_awaited(&self, out: &[u8]) -> bool {
        self.length.is_awaited(self.size.read, out.len())
    }

    /// How long the body says that it is, and how much of it has been read.
    pub(super) fn length(&self) -> (Length, u64) {
        (self.length, self.size.read)
    }

    /// How much of what the host has of the body it should hold.
    pub(super) fn part_to_hold(&self, host_has: usize) -> usize {
        self.length.part_to_hold(host_has)
    }

    /// Whether the body may end here, by trailers too: then nothing of it may be kept back once the head has gone.
    pub(super) fn may_end(&self) -> bool {
        self.rewriter.may_end() && !self.length.is_short(self.size.read)
    }

    /// Whether the body has been read to its end, and only the end of the stream is still to come.
    pub(super) fn only_ends(&self) -> bool {
        self.rewriter.may_end() && self.length.only_ends(self.size.read)
    }

    /// Whether a form may make the body longer than it came.
    pub(super) fn may_lengthen(&self) -> bool {
        self.rewriter.may_lengthen()
    }

    /// Bytes that are kept until more of the body comes.
    pub(super) fn kept(&self) -> usize {
        self.rewriter.kept()
    }

    /// How much of `out` goes out now, behind what has gone before.
    pub(super) fn due(&self, out: &[u8]) -> usize {
        if self.may_end() { out.len() } else { out.len() & !(BLOCK - 1) }
    }
}
