//! [`Scanner`]: chunks in, blocks of validated tokens out.

use super::Texts;
use super::lexer::{Block, Lexer, Tokens};
use super::simd::BLOCK;
use super::validator::{Border, Fault, Validator};
use crate::refusal::{JsonFault, Refusal};

/// Who is handed the blocks of a body, or reads on by himself.
pub(crate) trait BlockReader {
    /// Takes the next block: where its bit 0 is in the chunk (it wraps below zero for a block with fewer bytes), the block,
    /// its tokens. Of a block with a fault it gets what stands before that.
    ///
    /// # Errors
    /// What the reader refuses.
    fn block(&mut self, base: usize, block: Block<'_>, tokens: &Tokens) -> Result<(), Refusal>;

    /// Whether to read on by himself, where so many bytes of the chunk are left, if that is between two tokens.
    fn tries(&mut self, _left: usize) -> bool {
        false
    }

    /// Reads on by himself from `at` of the chunk, behind `border`: how far he came, and `border` is there then. All that
    /// he passes he has checked as strictly as the validator does. At what is wrong he stops before.
    ///
    /// # Errors
    /// What the reader refuses.
    fn read_on(&mut self, _chunk: &[u8], at: usize, _border: &mut Border) -> Result<usize, Refusal> {
        Ok(at)
    }
}

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
        self.may_end() || self.clone().finish(&mut Nobody).is_ok()
    }

    /// Reads a chunk, and hands on its blocks in order.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], or what the reader refuses.
    #[inline(always)]
    pub(crate) fn push(mut self, chunk: &[u8], reader: &mut impl BlockReader) -> Result<Self, Refusal> {
        let mut at = 0usize;
        loop {
            if reader.tries(chunk.len().saturating_sub(at))
                && let Some(border) = self.validator.border()
            {
                at = self.hand_over(chunk, at, border, reader)?;
            }
            let Some(bytes) = chunk.get(at..).and_then(<[u8]>::first_chunk) else { break };
            self.step(at, Block::whole(bytes), reader)?;
            at = at.wrapping_add(BLOCK);
        }
        let mut room = [0; BLOCK];
        if let Some(block) = Block::part(chunk.get(at..).unwrap_or_default(), &mut room) {
            // The part stands at the end of its block, so bit 0 is that far before the part.
            let shift = usize::try_from(block.shift()).unwrap_or_default();
            self.step(at.wrapping_sub(shift), block, reader)?;
        }
        self.offset = self.offset.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        Ok(self)
    }

    /// Lets the reader read on by himself, and goes on from where he stops.
    #[inline(always)]
    fn hand_over(
        &mut self,
        chunk: &[u8],
        at: usize,
        mut border: Border,
        reader: &mut impl BlockReader,
    ) -> Result<usize, Refusal> {
        let to = reader.read_on(chunk, at, &mut border)?;
        if to > at {
            // The lexer is between tokens, too, and carries nothing.
            self.validator.resume(border);
        }
        Ok(to)
    }

    /// Ends the body. The reader gets one more block, which holds one space: it ends a number at the top.
    ///
    /// # Errors
    /// [`JsonFault::Incomplete`], or what the reader refuses.
    #[inline(always)]
    pub(crate) fn finish(mut self, reader: &mut impl BlockReader) -> Result<(), Refusal> {
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
        reader.block(0usize.wrapping_sub(BLOCK.wrapping_sub(Self::END.len())), block, &tokens)
    }

    /// What [`Self::finish`] reads behind the body.
    pub const END: &[u8] = b" ";

    #[inline(always)]
    fn step(&mut self, base: usize, block: Block<'_>, reader: &mut impl BlockReader) -> Result<(), Refusal> {
        let tokens = self.lexer.lex(block);
        match self.validator.check(block, &tokens) {
            Ok(()) => reader.block(base, block, &tokens),
            Err(fault) => {
                // What is right before the fault is handed on: a refusal of the rewriter for an earlier byte comes first.
                reader.block(base, block, &tokens.before(fault.bit))?;
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

/// Who only wants to know whether it is JSON.
struct Nobody;

impl BlockReader for Nobody {
    #[inline(always)]
    fn block(&mut self, _: usize, _: Block<'_>, _: &Tokens) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Whether these chunks are together a body of `texts`, with at most `depth` containers open at once.
///
/// # Errors
/// [`Refusal::Malformed`], at the first byte that cannot be right.
pub fn validate<'a>(texts: Texts, depth: u8, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Refusal> {
    let mut scanner = Scanner::new(texts, depth);
    for chunk in chunks {
        scanner = scanner.push(chunk, &mut Nobody)?;
    }
    scanner.finish(&mut Nobody)
}
