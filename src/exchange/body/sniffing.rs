//! [`Sniffing`]: a body of other content, until it is known to be none of ours.

use std::mem;
use std::rc::Rc;

use super::holding::Holding;
use super::length::Length;
use super::rewriting::Purpose;
use super::streaming::Streaming;
use super::{Decided, Emit, Part};
use crate::exchange::opening::Opening;
use crate::exchange::{End, Phase};
use crate::json::Texts;
use crate::program::View;
use crate::refusal::Refusal;
use crate::rewrite::Rewriter;

/// How much white space may stand before a body, in bytes: all of it is kept until what comes after it says what the body is.
const WHITE: usize = 16 << 10;

/// A body of other content on a route that passes it: nothing of it goes until its first bytes show what it is.
#[derive(Debug)]
pub(in crate::exchange) struct Sniffing {
    view: Rc<View>,
    length: Length,
    /// What came so far.
    start: Vec<u8>,
    pub(super) head: HeadState,
}

/// Where the response's head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum HeadState {
    /// Kept back.
    Held,
    /// Gone.
    Sent,
}

impl Sniffing {
    pub(in crate::exchange) fn new(view: Rc<View>, length: Length, head: HeadState) -> Self {
        Self { view, length, start: Vec::new(), head }
    }

    pub(super) fn kept(&self) -> usize {
        self.start.len()
    }

    pub(super) fn on_body(mut self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        self.start.extend_from_slice(part.chunk);
        match Opening::of(&self.start) {
            Opening::Unknown => {
                if self.start.len() > WHITE {
                    return Err(Refusal::WriteBudget);
                }
                if part.end == End::Last {
                    self.ends_early()?;
                    out.append(&mut self.start);
                    return Ok(Decided::new(Phase::Opaque, Emit::Send(out.len())));
                }
                self.head = HeadState::Sent;
                Ok(Decided::new(Phase::Sniffing(Box::new(self)), Emit::Send(0)))
            }
            // JSON under another name.
            Opening::Json => {
                let whole = mem::take(&mut self.start);
                let rewriter = Rewriter::new(Rc::clone(&self.view), Texts::One);
                let part = Part { chunk: &whole, ..*part };
                match self.head {
                    HeadState::Held => Holding::new(rewriter, self.length, Purpose::Answer).on_body(&part, out),
                    HeadState::Sent => Streaming::new(rewriter, self.length, Purpose::Answer).on_body(&part, out),
                }
            }
            Opening::Passes if self.start.len() == part.chunk.len() => Ok(Decided::new(Phase::Opaque, Emit::Pass)),
            Opening::Passes => {
                out.append(&mut self.start);
                Ok(Decided::new(Phase::Opaque, Emit::Send(out.len())))
            }
            Opening::Refused => Err(Refusal::ContentType),
        }
    }

    pub(super) fn on_trailers(self) -> Result<Decided, Refusal> {
        // White space is nothing that would be missed, and the host lets nothing be written any more.
        self.ends_early().map(|()| Decided::new(Phase::Opaque, Emit::Pass))
    }

    /// White space is no record. What began like a known format, and ended, may be anything.
    fn ends_early(&self) -> Result<(), Refusal> {
        if self.start.iter().all(u8::is_ascii_whitespace) { Ok(()) } else { Err(Refusal::ContentType) }
    }
}
