//! [`Sink`]: where kept bytes go.

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

    /// Appends a span of the chunk.
    #[inline(always)]
    pub(super) fn copy(&mut self, from: usize, to: usize) {
        if self.to != from {
            self.flush();
            self.from = from;
        }
        self.to = to;
    }

    /// Appends a byte, which the chunk may have at `at`.
    #[inline(always)]
    pub(super) fn byte(&mut self, byte: u8, at: usize) {
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
        if let Some(span @ [_, ..]) = self.chunk.get(self.from..self.to) {
            self.out.extend_from_slice(span);
        }
        self.from = self.to;
    }
}
