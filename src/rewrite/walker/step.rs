//! Phases: from one token of a block to the next, and along the most likely ones behind it.

use super::super::sink::Sink;
use super::{Halt, Name, Phase, Walker};
use crate::json::lexer::Tokens;
use crate::program::Standing;

/// Bits behind `bit`.
#[inline(always)]
fn behind(bit: u32) -> u64 {
    (!1u64).wrapping_shl(bit)
}

/// A bit's place in the chunk.
#[inline(always)]
fn place(base: usize, bit: u32) -> usize {
    base.wrapping_add(bit as usize)
}

/// What is left of a block.
pub(super) struct Step<'a> {
    pub(super) base: usize,
    pub(super) tokens: &'a Tokens,
    pub(super) from: &'a mut u64,
}

impl Step<'_> {
    /// The next token of these: where it is in the chunk, and its bit alone. If there is none, nothing of the block is left.
    #[inline(always)]
    pub(super) fn seek(&mut self, wanted: u64) -> Option<(usize, u64)> {
        let wanted = wanted & *self.from;
        if wanted == 0 {
            *self.from = 0;
            return None;
        }
        let bit = wanted.trailing_zeros();
        *self.from = behind(bit);
        Some((place(self.base, bit), wanted & wanted.wrapping_neg()))
    }

    /// The byte behind the number or literal name in hand, which is still to be looked at.
    #[inline(always)]
    pub(super) fn seek_end(&mut self) -> Option<usize> {
        let (at, here) = self.seek(self.tokens.scalar_after)?;
        // All bits from this one on: the byte may be the comma that comes next.
        *self.from = here.wrapping_neg();
        Some(at)
    }

    /// Passes over the byte behind `at` if that is a closing bracket: whether it is.
    #[inline(always)]
    pub(super) fn pass_close(&mut self, at: usize) -> bool {
        let bit = 1u64.wrapping_shl(at.wrapping_sub(self.base) as u32).wrapping_shl(1);
        if self.tokens.close & bit == 0 {
            return false;
        }
        // If the bracket is the block's last byte, nothing is left of it.
        *self.from &= bit.wrapping_shl(1).wrapping_neg();
        true
    }

    #[inline(always)]
    fn again(&mut self) -> Step<'_> {
        Step { base: self.base, tokens: self.tokens, from: self.from }
    }
}

impl Walker {
    /// [`Phase::Name`], and on over the members that are removed.
    #[inline(always)]
    pub(super) fn name(&mut self, sink: &mut Sink<'_>, mut step: Step<'_>) -> Result<Phase, Halt> {
        let tokens = step.tokens;
        let Some((at, here)) = step.seek(tokens.quote_open | tokens.close) else { return Ok(Phase::Name) };
        if tokens.close & here != 0 {
            return Ok(self.close(sink, at));
        }
        // Names that follow a comma, white space skipped: `, "b"` but not `: "b"`.
        let behind_comma = tokens.comma.wrapping_shl(1).wrapping_add(tokens.white) & tokens.quote_open;
        let mut start = at;
        loop {
            let escapes = tokens.escape & *step.from;
            let named = match step.seek(tokens.quote_close) {
                // No escape before the closing mark: the name's bytes are its characters.
                Some((at, here)) if escapes & here.wrapping_sub(1) == 0 => {
                    // A bit of its first and last bytes tells that the policy has no such name, mostly without a look-up.
                    let unknown = sink.hint(start.wrapping_add(1), at) & self.frame.looked_up == 0;
                    if unknown { self.unknown() } else { self.named(sink, start, at)? }
                }
                found => {
                    self.name = Name::Chunk { start, end: start };
                    self.name_escaped = escapes != 0;
                    self.start = start;
                    match found {
                        Some((at, _)) => self.unusually_named(sink, at)?,
                        None => Phase::NameEnd,
                    }
                }
            };
            if named != Phase::Drop {
                return Ok(named);
            }
            // From a removed member right to the next name.
            let commas = tokens.comma & *step.from;
            match step.seek(behind_comma | tokens.open | tokens.close) {
                Some((at, here)) if behind_comma & here != 0 => start = at,
                Some((at, here)) if tokens.close & here != 0 => return Ok(self.close(sink, at)),
                // The value is a container: it is skipped whole.
                Some(_) => return Ok(self.skip()),
                // The value goes on in the next block; with a comma seen, the name does.
                None if commas == 0 => return Ok(Phase::Drop),
                None => return Ok(Phase::Name),
            }
        }
    }

    /// [`Phase::NameEnd`].
    #[inline(always)]
    pub(super) fn name_end(&mut self, sink: &mut Sink<'_>, mut step: Step<'_>) -> Result<Phase, Halt> {
        let tokens = step.tokens;
        let escapes = tokens.escape & *step.from;
        match step.seek(tokens.quote_close) {
            Some((at, here)) => {
                self.name_escaped |= escapes & here.wrapping_sub(1) != 0;
                self.unusually_named(sink, at)
            }
            None => {
                self.name_escaped |= escapes != 0;
                Ok(Phase::NameEnd)
            }
        }
    }

    /// [`Phase::Value`], and on to what is behind the value if that is a scalar that is kept.
    #[inline(always)]
    pub(super) fn value(&mut self, sink: &mut Sink<'_>, mut step: Step<'_>) -> Result<Phase, Halt> {
        let tokens = step.tokens;
        let begins = tokens.quote_open | tokens.open | tokens.scalar_start;
        let Some((at, here)) = step.seek(begins | tokens.close) else { return Ok(Phase::Value) };
        if tokens.close & here != 0 {
            return Ok(self.close(sink, at));
        }
        match self.begin(sink, at, sink.at(at), |at| step.pass_close(at))? {
            // The likely next phases are entered at once, which saves the way round the loop.
            Phase::ShowString => Ok(self.shown_string(sink, step.again())),
            Phase::ShowPlain => Ok(self.shown_plain(sink, step)),
            Phase::After => Ok(self.after(sink, step)),
            phase => Ok(phase),
        }
    }

    /// [`Phase::ShowString`].
    #[inline(always)]
    pub(super) fn shown_string(&mut self, sink: &mut Sink<'_>, mut step: Step<'_>) -> Phase {
        let Some((at, _)) = step.seek(step.tokens.quote_close) else { return Phase::ShowString };
        sink.copy(self.start, at.wrapping_add(1));
        match self.ended(sink) {
            Phase::After => self.after(sink, step),
            phase => phase,
        }
    }

    /// [`Phase::ShowPlain`].
    #[inline(always)]
    pub(super) fn shown_plain(&mut self, sink: &mut Sink<'_>, mut step: Step<'_>) -> Phase {
        let Some(at) = step.seek_end() else { return Phase::ShowPlain };
        sink.copy(self.start, at);
        match self.ended(sink) {
            Phase::After => self.after(sink, step),
            phase => phase,
        }
    }

    /// [`Phase::After`].
    #[inline(always)]
    pub(super) fn after(&mut self, sink: &mut Sink<'_>, mut step: Step<'_>) -> Phase {
        let tokens = step.tokens;
        match step.seek(tokens.comma | tokens.close) {
            Some((at, here)) if tokens.close & here != 0 => self.close(sink, at),
            Some(_) => self.next(),
            None => Phase::After,
        }
    }

    /// [`Phase::Drop`].
    #[inline(always)]
    pub(super) fn dropped(&mut self, sink: &mut Sink<'_>, mut step: Step<'_>) -> Phase {
        let tokens = step.tokens;
        match step.seek(tokens.comma | tokens.open | tokens.close) {
            Some((_, here)) if tokens.comma & here != 0 => self.next(),
            Some((at, here)) if tokens.close & here != 0 => self.close(sink, at),
            Some(_) => self.skip(),
            None => Phase::Drop,
        }
    }

    /// [`Phase::DropElements`].
    #[inline(always)]
    pub(super) fn dropped_elements(&mut self, sink: &mut Sink<'_>, mut step: Step<'_>) -> Phase {
        let tokens = step.tokens;
        let commas = tokens.comma & *step.from;
        let found = step.seek(tokens.open | tokens.close);
        // Each comma before the next bracket is one more element that is removed: `1,2,3]` counts two.
        let before = found.map_or(u64::MAX, |(_, here)| here.wrapping_sub(1));
        let gone = (commas & before).count_ones();
        self.tell(self.here, Standing::Whole, gone.into());
        self.counts.hidden = self.counts.hidden.wrapping_add(gone.into());
        match found {
            Some((at, here)) if tokens.close & here != 0 => self.close(sink, at),
            Some(_) => self.skip(),
            None => Phase::DropElements,
        }
    }

    /// What is removed is a container, whose bracket has just been read.
    #[inline(always)]
    pub(super) fn skip(&mut self) -> Phase {
        self.mismatch();
        self.nested = 1;
        Phase::Skip
    }

    /// Counts brackets up to the one that closes the value in hand: where that is.
    #[inline(always)]
    pub(super) fn cross(&mut self, step: Step<'_>) -> Option<usize> {
        let (open, close) = (step.tokens.open & *step.from, step.tokens.close & *step.from);
        // Too few brackets close to reach the value's own: the block is passed over, only counted.
        if close.count_ones() < self.nested {
            self.nested = self.nested.wrapping_add(open.count_ones()).wrapping_sub(close.count_ones());
            *step.from = 0;
            return None;
        }
        let mut left = open | close;
        while left != 0 {
            let here = left & left.wrapping_neg();
            if open & here != 0 {
                self.nested = self.nested.wrapping_add(1);
            } else {
                self.nested = self.nested.wrapping_sub(1);
                if self.nested == 0 {
                    let bit = here.trailing_zeros();
                    *step.from = behind(bit);
                    return Some(place(step.base, bit));
                }
            }
            left ^= here;
        }
        *step.from = 0;
        None
    }
}
