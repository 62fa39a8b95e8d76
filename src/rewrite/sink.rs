//! [`Sink`]: where kept bytes go.

use crate::program::{Ends, hint_within};

/// Appends spans of a chunk to the output. Spans that touch in the chunk are joined and copied at once.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    chunk: &'a [u8],
    out: &'a mut Vec<u8>,
    /// The span that is kept and not copied yet.
    from: usize,
    to: usize,
}

impl<'a> Sink<'a> {
    pub(super) fn new(chunk: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        Self { chunk, out, from: 0, to: 0 }
    }

    /// The chunk's length.
    pub(super) fn end(&self) -> usize {
        self.chunk.len()
    }

    /// The byte of the chunk at `at`; a space where there is none.
    #[inline(always)]
    pub(super) fn at(&self, at: usize) -> u8 {
        self.chunk.get(at).copied().unwrap_or(b' ')
    }

    /// A span of the chunk.
    #[inline(always)]
    pub(super) fn span(&self, from: usize, to: usize) -> &'a [u8] {
        self.chunk.get(from..to).unwrap_or_default()
    }

    /// The hint of the name in that span of the chunk.
    #[inline(always)]
    pub(super) fn hint(&self, from: usize, to: usize) -> u64 {
        hint_within(self.chunk, from, to)
    }

    /// What the name in that span of the chunk is found by.
    #[inline(always)]
    pub(super) fn ends(&self, from: usize, to: usize) -> Ends {
        Ends::within(self.chunk, from, to)
    }

    /// Appends a span of the chunk.
    #[inline(always)]
    pub(super) fn copy(&mut self, from: usize, to: usize) {
        // A span that touches the one before makes it longer: most members that are kept come in runs.
        if self.to != from {
            self.flush();
            self.from = from;
        }
        self.to = to;
    }

    /// Appends a byte, which the chunk may have at `at`.
    #[inline(always)]
    pub(super) fn byte(&mut self, byte: u8, at: usize) {
        // The upstream wrote that very byte next: it joins the span.
        if self.to == at && self.chunk.get(at) == Some(&byte) {
            self.to = at.wrapping_add(1);
        } else {
            self.flush();
            self.out.push(byte);
        }
    }

    /// Appends bytes of elsewhere.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.out().extend_from_slice(bytes);
    }

    /// The output, to append to.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.flush();
        self.out
    }

    /// Copies what is kept and not copied yet.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        if self.from < self.to {
            self.copy_span();
        }
        self.from = self.to;
    }

    /// Most spans are short: those are copied in pieces of a fixed size, the last one's surplus cut off, which is much
    /// cheaper than a copy of any length, above all in WebAssembly.
    #[inline(never)]
    fn copy_span(&mut self) {
        const PIECE: usize = 64;
        let Some(span) = self.chunk.get(self.from..self.to) else { return };
        // Whole pieces are read beyond the span, but never beyond the chunk.
        let padded = self.from.saturating_add(span.len().next_multiple_of(PIECE));
        match self.chunk.get(self.from..padded) {
            Some(pieces) if span.len() <= 4 * PIECE => {
                let length = self.out.len().saturating_add(span.len());
                for piece in pieces.as_chunks::<PIECE>().0 {
                    self.out.extend_from_slice(piece);
                }
                self.out.truncate(length);
            }
            _ => self.out.extend_from_slice(span),
        }
    }
}
