//! [`Streaming`]: a body whose head is gone.

use std::mem;

use super::length::Length;
use super::rewriting::{Purpose, Rewriting};
use super::{Decided, Emit, Part};
use crate::exchange::{End, Phase};
use crate::refusal::Refusal;
use crate::rewrite::Rewriter;

/// Room for output that a waiting stream keeps though it is empty, in bytes: enough for the parts that most bodies come in.
pub(super) const KEPT: usize = 16 << 10;

/// A body whose head is gone: what is read is rewritten and goes on in whole blocks of output, the rest at its end.
///
/// The host lets go of each part at once, so at the trailers nothing can be written any more: where they may come, nothing
/// is kept once the body may end.
#[derive(Debug)]
pub(in crate::exchange) struct Streaming {
    body: Rewriting,
    /// How much of the output the host has.
    sent: usize,
    /// Whether any of it has gone.
    begun: bool,
}

impl Streaming {
    pub(in crate::exchange) fn new(rewriter: Rewriter, length: Length, purpose: Purpose) -> Self {
        Self::after(Rewriting::new(rewriter, length, purpose))
    }

    /// Of a body of which nothing has gone yet.
    pub(super) fn after(body: Rewriting) -> Self {
        Self { body, sent: 0, begun: false }
    }

    pub(super) fn kept(&self) -> usize {
        self.body.kept()
    }

    pub(super) fn on_body(self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        let empties = self.empties();
        match self.take(part, out) {
            Err(_) if empties => Ok(Decided::emptied(out)),
            taken => taken,
        }
    }

    fn take(mut self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        out.drain(..mem::take(&mut self.sent).min(out.len()));
        self.body = self.body.push(part.chunk, out)?;
        if part.end == End::Last {
            let empties = self.empties();
            let counts = self.body.finish(out)?;
            if empties && !out.starts_with(b"{") {
                out.clear();
            }
            return Ok(Decided::done(Emit::Send(out.len()), counts));
        }
        let due = self.body.due(out);
        self.go(due, out)
    }

    /// Whether a body that breaks a rule is emptied.
    fn empties(&self) -> bool {
        self.body.purpose() == Purpose::Error && !self.begun
    }

    /// So much of the output goes, and more may follow.
    pub(super) fn go(mut self, due: usize, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        if due > 0 && self.empties() && !out.starts_with(b"{") {
            return Ok(Decided::emptied(out));
        }
        self.begun |= due > 0;
        self.sent = due;
        Ok(Decided::new(Phase::Streaming(Box::new(self)), Emit::Send(due)))
    }

    /// The host has taken what was sent.
    pub(super) fn taken(&mut self, out: &mut Vec<u8>) {
        out.drain(..mem::take(&mut self.sent).min(out.len()));
        out.shrink_to(KEPT);
    }

    pub(super) fn on_trailers(self, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        let empties = self.empties();
        let ended = self.body.finish(out).and_then(|counts| {
            if out.len() > self.sent { Err(Refusal::WriteBudget) } else { Ok(Decided::done(Emit::Pass, counts)) }
        });
        match ended {
            Err(_) if empties => Ok(Decided::new(Phase::Emptying, Emit::Pass)),
            ended => ended,
        }
    }
}
