//! [`Sniffing`]: a body of other content, until it is known to be none of ours.

use std::mem;
use std::rc::Rc;

use super::holding::Holding;
use super::length::Length;
use super::rewriting::Purpose;
use super::streaming::Streaming;
use super::{Decided, Emit, Part};
use crate::exchange::{End, Phase};
use crate::json::Texts;
use crate::program::View;
use crate::refusal::Refusal;
use crate::rewrite::Rewriter;

/// How much white space may stand before a body of other content, in bytes: all of it is kept until the first byte behind
/// it says what the body is.
const WHITE: usize = 16 << 10;

/// A body of other content on a route that passes it: nothing of it goes until its first byte shows that it is not JSON.
#[derive(Debug)]
pub(in crate::exchange) struct Sniffing {
    view: Rc<View>,
    length: Length,
    white_space: Vec<u8>,
    pub(super) head: Head,
}

/// Where the response's head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Head {
    /// Kept back.
    Held,
    /// Gone.
    Sent,
}

impl Sniffing {
    pub(in crate::exchange) fn new(view: Rc<View>, length: Length, head: Head) -> Self {
        Self { view, length, white_space: Vec::new(), head }
    }

    pub(super) fn kept(&self) -> usize {
        self.white_space.len()
    }

    pub(super) fn on_body(mut self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        let first = part.chunk.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        match first.and_then(|at| part.chunk.get(at)) {
            None => {
                self.white_space.extend_from_slice(part.chunk);
                if self.white_space.len() > WHITE {
                    return Err(Refusal::WriteBudget);
                }
                if part.end == End::Last {
                    out.append(&mut self.white_space);
                    return Ok(Decided::new(Phase::Opaque, Emit::Send(out.len())));
                }
                self.head = Head::Sent;
                Ok(Decided::new(Phase::Sniffing(Box::new(self)), Emit::Send(0)))
            }
            // JSON under another name, or what may be JSON in another encoding.
            Some(b'{' | b'[' | b'"') => {
                let mut whole = mem::take(&mut self.white_space);
                whole.extend_from_slice(part.chunk);
                let rewriter = Rewriter::new(Rc::clone(&self.view), Texts::One);
                let part = Part { chunk: &whole, ..*part };
                match self.head {
                    Head::Held => Holding::new(rewriter, self.length, Purpose::Answer).on_body(&part, out),
                    Head::Sent => Streaming::new(rewriter, self.length, Purpose::Answer).on_body(&part, out),
                }
            }
            // UTF-16, a byte-order mark, a record separator (RFC 7464), or a prefix that keeps scripts from reading JSON.
            Some(0x00..=0x1F | 0xEF | 0xFE | 0xFF | b')') => Err(Refusal::ContentType),
            Some(_) if self.white_space.is_empty() => Ok(Decided::new(Phase::Opaque, Emit::Pass)),
            Some(_) => {
                out.append(&mut self.white_space);
                out.extend_from_slice(part.chunk);
                Ok(Decided::new(Phase::Opaque, Emit::Send(out.len())))
            }
        }
    }
}
