//! [`Holding`]: a body that is read while its head is kept back.

use super::length::Length;
use super::rewriting::{Purpose, Rewriting};
use super::streaming::Streaming;
use super::{Decided, Emit, Part};
use crate::exchange::write_budget::WriteBudget;
use crate::exchange::{End, Phase};
use crate::refusal::Refusal;
use crate::rewrite::Rewriter;

/// A body that is read while its head is kept back, for as long as [`Length`] says that it may be.
///
/// How it goes hangs on what it becomes and on how its end is told, never on how its parts came nor on what is left out:
///
/// * Where its end comes by itself, behind a body that is known to be whole (HTTP/1), it goes as a stream of one block.
/// * Where its end comes with its last part, that may be written only as far as the host holds something back, or as it came
///   in that part. What no form can lengthen always fits, and goes as a stream of one block. What a form may lengthen may be
///   too much, and is then a reply of the host's own, which says its length: so of a body within the hold window, or in one
///   part, its length is always said.
///
/// A sound body is never refused for how its parts came.
#[derive(Debug)]
pub(in crate::exchange) struct Holding {
    body: Rewriting,
    /// How much the host holds back, once it holds back at all.
    held: Option<usize>,
    /// How much of the output is output: what is held back is filled up with spaces, so that more may be written later.
    written: usize,
}

impl Holding {
    pub(in crate::exchange) fn new(rewriter: Rewriter, length: Length, purpose: Purpose) -> Self {
        Self { body: Rewriting::new(rewriter, length, purpose), held: None, written: 0 }
    }

    pub(in crate::exchange) fn held_back(&self) -> usize {
        self.held.unwrap_or(0)
    }

    pub(super) fn kept(&self) -> usize {
        self.body.kept()
    }

    pub(super) fn on_body(self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        match self.body.purpose() {
            Purpose::Answer => self.take(part, out),
            Purpose::Error => Ok(self.take(part, out).unwrap_or_else(|_| Decided::emptied(out))),
        }
    }

    fn take(mut self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        out.truncate(self.written);
        self.body = self.body.push(part.chunk, out)?;
        let budget = match self.held {
            Some(_) => WriteBudget::holding(part.host_has),
            // A body that comes in one part may be what another filter has held back, in the buffer that has the limit.
            None if part.end == End::Last => WriteBudget::holding(part.host_has),
            None => WriteBudget::unbounded(),
        };
        if part.end == End::Last {
            return self.finish(budget, out);
        }
        let due = self.body.due(out);
        let fits = budget.admits(due);
        // What may end by trailers must be written before: what is due and does not fit goes with them.
        let must_wait = self.body.may_end() && !fits;
        if (self.body.is_awaited(out) || must_wait) && !self.body.only_ends() {
            return Ok(self.hold(part.host_has, out));
        }
        // What does not fit goes with the next part, when the host holds nothing back any more.
        Streaming::after(self.body).go(if fits { due } else { 0 }, out)
    }

    /// Holds back as much as the host has, of frames as much as one: what is held may be overwritten with as much, and no byte of the upstream's stays
    /// in it.
    fn hold(mut self, host_has: usize, out: &mut Vec<u8>) -> Decided {
        self.written = out.len();
        let is_final = self.body.may_end() && out.len() <= host_has;
        let held = if is_final { out.len() } else { self.body.part_to_hold(host_has) };
        out.resize(held.max(out.len()), b' ');
        self.held = Some(held);
        Decided::new(Phase::Holding(Box::new(self)), Emit::Hold(held))
    }

    pub(super) fn on_trailers(self, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        out.truncate(self.written);
        match (self.held, self.body.purpose()) {
            // Without a body the host holds nothing that could be written to.
            (None, _) => Ok(Decided::done(Emit::Pass, self.body.finish(out)?)),
            (Some(held), Purpose::Answer) => self.finish(WriteBudget::holding(held), out),
            (Some(held), Purpose::Error) => {
                Ok(self.finish(WriteBudget::holding(held), out).unwrap_or_else(|_| Decided::emptied(out)))
            }
        }
    }

    /// The body has ended.
    fn finish(self, budget: WriteBudget, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        // A body over the hold window would have gone as a stream, had it come in more parts.
        let (purpose, lengthens) = (self.body.purpose(), self.body.may_lengthen());
        let (length, read) = self.body.length();
        let counts = self.body.finish(out)?;
        if purpose == Purpose::Error && !out.starts_with(b"{") {
            out.clear();
        }
        // One that came in one part says its length too, so that what is left out does not decide on that.
        let is_one_part = self.held.is_none();
        let says_length = lengthens && !out.is_empty() && (is_one_part || length.is_awaited(read, out.len()));
        let emit = match (budget.admits(out.len()), says_length) {
            (true, false) => Emit::Send(out.len()),
            (true, true) => Emit::Whole,
            (false, _) => Emit::Answer,
        };
        Ok(Decided::done(emit, counts))
    }
}
