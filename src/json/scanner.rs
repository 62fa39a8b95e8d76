//! [`Scanner`]: chunks in, blocks of validated tokens out.

use super::Texts;
use super::lexer::{Block, Lexer, Tokens};
use super::simd::BLOCK;
use super::validator::{Fault, Validator};
use crate::refusal::{JsonFault, Refusal};

/// Reads a body in chunks cut anywhere, and hands on each block of it once that is known to be JSON.
#[derive(Debug, Clone)]
pub struct Scanner {
    lexer: Lexer,
    validator: Validator,
    texts: Texts,
    /// Bytes of the body before this chunk.
    offset: u64,
}

impl Scanner {
    /// Before the first byte of a body; `depth` is how many containers may be open at once, at most 64.
    #[must_use]
    pub fn new(texts: Texts, depth: u8) -> Self {
        Self { lexer: Lexer::new(texts), validator: Validator::new(texts, depth), texts, offset: 0 }
    }

    /// Bytes of the body in the chunks before this one.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the body may end here, no text being open.
    #[must_use]
    pub fn may_end(&self) -> bool {
        self.validator.may_end()
    }

    /// Whether the body is whole if nothing follows, the number or literal name at its top included.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.may_end() || self.clone().finish(|_, _, _| Ok(())).is_ok()
    }

    /// Reads a chunk. `each` gets its blocks in order: where the block's bit 0 is in the chunk (it wraps below zero for a
    /// block with fewer bytes), the block, its tokens. Of a block with a fault it gets what stands before that.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], or what `each` refuses.
    #[inline(always)]
    pub fn push(
        mut self,
        chunk: &[u8],
        mut each: impl FnMut(usize, Block<'_>, &Tokens) -> Result<(), Refusal>,
    ) -> Result<Self, Refusal> {
        let (blocks, rest) = chunk.as_chunks::<BLOCK>();
        let mut base = 0usize;
        for bytes in blocks {
            self.step(base, Block::whole(bytes), &mut each)?;
            base = base.wrapping_add(BLOCK);
        }
        let mut room = [0; BLOCK];
        if let Some(block) = Block::part(rest, &mut room) {
            // The part stands at the end of its block, so bit 0 is that far before the part.
            let shift = usize::try_from(block.shift()).unwrap_or_default();
            self.step(base.wrapping_sub(shift), block, &mut each)?;
        }
        self.offset = self.offset.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        Ok(self)
    }

    /// Ends the body. `each` gets one more block, which holds one space: it ends a number at the top.
    ///
    /// # Errors
    /// [`JsonFault::Incomplete`], or what `each` refuses.
    #[inline(always)]
    pub fn finish(
        mut self,
        mut each: impl FnMut(usize, Block<'_>, &Tokens) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let incomplete = Refusal::Malformed { fault: JsonFault::Incomplete, offset: self.offset };
        // The last number or literal name of a sequence may have been cut short (RFC 7464 §2.4).
        if self.texts == Texts::Sequence && self.lexer.in_scalar() {
            return Err(incomplete);
        }
        let mut room = [0; BLOCK];
        let block = Block::part(Self::END, &mut room).ok_or(Refusal::Internal)?;
        let tokens = self.lexer.lex(block);
        if self.validator.check(block, &tokens).is_err() || !self.validator.may_end() {
            return Err(incomplete);
        }
        each(0usize.wrapping_sub(BLOCK.wrapping_sub(Self::END.len())), block, &tokens)
    }

    /// What [`Self::finish`] reads behind the body.
    pub const END: &[u8] = b" ";

    #[inline(always)]
    fn step(
        &mut self,
        base: usize,
        block: Block<'_>,
        each: &mut impl FnMut(usize, Block<'_>, &Tokens) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let tokens = self.lexer.lex(block);
        match self.validator.check(block, &tokens) {
            Ok(()) => each(base, block, &tokens),
            Err(fault) => {
                // What is right before the fault is handed on: a refusal of the rewriter for an earlier byte comes first.
                each(base, block, &tokens.before(fault.bit))?;
                Err(self.refusal(base, block, fault))
            }
        }
    }

    #[cold]
    fn refusal(&self, base: usize, block: Block<'_>, fault: Fault) -> Refusal {
        let bit = usize::try_from(fault.bit).unwrap_or_default();
        let within = u64::try_from(base.wrapping_add(bit)).unwrap_or(u64::MAX);
        let offset = self.offset.saturating_add(within);
        // The first bytes of a byte-order mark in UTF-8 and UTF-16: nothing else that begins so is JSON either.
        let fault = match (offset, block.byte(fault.bit)) {
            (0, 0xEF | 0xFE | 0xFF) => JsonFault::ByteOrderMark,
            _ => fault.fault,
        };
        Refusal::Malformed { fault, offset }
    }
}

/// Whether these chunks are together a body of `texts`, with at most `depth` containers open at once.
///
/// # Errors
/// [`Refusal::Malformed`], at the first byte that cannot be right.
pub fn validate<'a>(texts: Texts, depth: u8, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Refusal> {
    let mut scanner = Scanner::new(texts, depth);
    for chunk in chunks {
        scanner = scanner.push(chunk, |_, _, _| Ok(()))?;
    }
    scanner.finish(|_, _, _| Ok(()))
}
