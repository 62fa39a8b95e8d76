//! [`Lexer`]: where strings, brackets and the other tokens are, sixty-four bytes at a time.

use super::Texts;
use super::simd::{BLOCK, Lanes, Vector, Vectors};

/// Up to sixty-four bytes that follow what was seen before.
///
/// A part of fewer bytes stands at the *end* of its block, so that all that is carried to the next block leaves through
/// the highest bit, and comes in at bit [`Block::shift`].
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    bytes: &'a [u8; BLOCK],
    shift: u32,
}

impl<'a> Block<'a> {
    /// A block of which all bytes are there.
    #[must_use]
    #[inline(always)]
    pub fn whole(bytes: &'a [u8; BLOCK]) -> Self {
        Self { bytes, shift: 0 }
    }

    /// The last bytes of a chunk. `None` if there are none, or a whole block or more.
    #[must_use]
    pub fn part(bytes: &[u8], room: &'a mut [u8; BLOCK]) -> Option<Self> {
        let missing = BLOCK.checked_sub(bytes.len())?;
        *room = [0; BLOCK];
        room.get_mut(missing..)?.copy_from_slice(bytes);
        let shift = u32::try_from(missing).ok()?;
        (1..64).contains(&shift).then_some(Self { bytes: room, shift })
    }

    /// The bytes; those before [`Self::shift`] are none of the text.
    #[must_use]
    #[inline(always)]
    pub fn bytes(self) -> &'a [u8; BLOCK] {
        self.bytes
    }

    /// The bit of the first byte.
    #[must_use]
    #[inline(always)]
    pub fn shift(self) -> u32 {
        self.shift
    }

    /// A byte of the block by its bit.
    #[must_use]
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "six bits are always within sixty-four bytes: no check, no panic")]
    pub fn byte(self, bit: u32) -> u8 {
        self.bytes[(bit & 63) as usize]
    }

    /// A bit that the last block carried out (0 or 1), where this block takes it in.
    #[inline(always)]
    pub(super) fn carry(self, bit: u64) -> u64 {
        bit.wrapping_shl(self.shift)
    }

    #[inline(always)]
    pub(super) fn lanes(self) -> Vectors {
        Vectors::load(self.bytes)
    }
}

/// The tokens of a block, a bit for each byte. In a text that is not JSON they are what a lexer can say of it; the
/// validator says whether it is JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// From each opening quotation mark up to, and without, the closing one.
    pub interior: u64,
    /// Opening quotation marks.
    pub quote_open: u64,
    /// Closing quotation marks.
    pub quote_close: u64,
    /// `{` and `[` outside strings.
    pub open: u64,
    /// `}` and `]` outside strings.
    pub close: u64,
    /// Commas outside strings.
    pub comma: u64,
    /// Colons outside strings.
    pub colon: u64,
    /// White space outside strings (RFC 8259 §2).
    pub white: u64,
    /// What separates texts, outside strings: the line feed of lines, the record separator of a sequence.
    pub separator: u64,
    /// All else outside strings: numbers, literal names, and what should not be there.
    pub scalar: u64,
    /// First bytes of runs of `scalar`.
    pub scalar_start: u64,
    /// The byte behind each run of `scalar`.
    pub scalar_after: u64,
    /// Reverse solidi that begin an escape, wherever they stand.
    pub escape: u64,
    /// The byte behind each of those.
    pub escaped: u64,
    /// Bytes below 0x20, in strings or outside.
    pub control: u64,
    /// Bytes of at least 0x80, in strings or outside.
    pub non_ascii: u64,
}

impl Tokens {
    /// The tokens that begin before a bit, and nothing of what follows.
    #[must_use]
    pub fn before(mut self, bit: u32) -> Self {
        let keep = !u64::MAX.wrapping_shl(bit);
        for mask in [
            &mut self.interior,
            &mut self.quote_open,
            &mut self.quote_close,
            &mut self.open,
            &mut self.close,
            &mut self.comma,
            &mut self.colon,
            &mut self.white,
            &mut self.separator,
            &mut self.scalar,
            &mut self.scalar_start,
            &mut self.scalar_after,
            &mut self.escape,
            &mut self.escaped,
            &mut self.control,
            &mut self.non_ascii,
        ] {
            *mask &= keep;
        }
        self
    }
}

/// What a list of a block's tokens is made from, without which kind of token each is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline {
    /// First bytes of tokens: brackets, commas and colons, opening quotation marks, and where numbers, literal names and
    /// what should not be there begin.
    pub(super) starts: u64,
    /// As in [`Tokens::interior`].
    pub(super) interior: u64,
    /// As in [`Tokens::scalar`].
    pub(super) scalar: u64,
    /// As in [`Tokens::escaped`].
    pub(super) escaped: u64,
    /// As in [`Tokens::control`].
    pub(super) control: u64,
    /// Whether there is a byte of at least 0x80.
    pub(super) non_ascii: bool,
}

/// Where a block's strings are.
struct Quoted {
    /// Quotation marks that open or close.
    quote: u64,
    interior: u64,
    escape: u64,
    escaped: u64,
}

/// What a block's bytes hand on to the next block's.
#[derive(Debug, Clone)]
pub struct Lexer {
    texts: Texts,
    /// All ones inside a string.
    in_string: u64,
    /// 1 if the next byte is escaped.
    escaped: u64,
    /// 1 if the last byte was of a number or literal name.
    in_scalar: u64,
}

impl Lexer {
    /// Before the first byte of a body.
    #[must_use]
    pub fn new(texts: Texts) -> Self {
        Self { texts, in_string: 0, escaped: 0, in_scalar: 0 }
    }

    /// Whether the last byte was of a number or literal name, or of what should have been one.
    #[must_use]
    pub fn in_scalar(&self) -> bool {
        self.in_scalar != 0
    }

    /// The tokens of the next block.
    #[inline(always)]
    pub fn lex(&mut self, block: Block<'_>) -> Tokens {
        // Of a block with fewer bytes, the low bits are none of the text: no mask may have them.
        let valid = u64::MAX.wrapping_shl(block.shift());
        let lanes = block.lanes();

        let Quoted { quote, interior, escape, escaped } = self.quoted(block, lanes, valid);
        let outside = !(interior | quote) & valid;

        let mut white;
        let (mut control, mut separator) = (0, 0);
        if lanes.has(|bytes| bytes.between(0, 0x1F)) {
            control = lanes.between(0, 0x1F) & valid;
            white =
                lanes.find(|bytes| bytes.equal(b' ') | bytes.equal(b'\n') | bytes.equal(b'\r') | bytes.equal(b'\t'));
            separator = match self.texts {
                Texts::One => 0,
                Texts::Lines => lanes.equal(b'\n'),
                Texts::Sequence => lanes.equal(Texts::RECORD_SEPARATOR),
            } & outside;
        } else {
            // Most blocks have no byte below the space: then this is the only white space there can be.
            white = lanes.equal(b' ');
        }
        white &= outside;
        let comma = lanes.equal(b',') & outside;
        let colon = lanes.equal(b':') & outside;
        // `[` and `{` differ in one bit, and so do `]` and `}`.
        let open = lanes.equal_under(!0x20, b'[') & outside;
        let close = lanes.equal_under(!0x20, b']') & outside;

        let scalar = outside & !(white | separator | comma | colon | open | close);
        // scalar        .................1..11..   of the text above: `1` and `23`
        // scalar_start  .................1..1...
        // scalar_after  ..................1...1.
        let behind = (scalar << 1) | block.carry(self.in_scalar);
        self.in_scalar = scalar >> 63;

        Tokens {
            interior,
            quote_open: quote & interior,
            quote_close: quote & !interior & valid,
            open,
            close,
            comma,
            colon,
            white,
            separator,
            scalar,
            scalar_start: scalar & !behind,
            scalar_after: behind & !scalar,
            escape,
            escaped,
            control,
            non_ascii: if lanes.has(Vector::non_ascii) { lanes.find(Vector::non_ascii) } else { 0 },
        }
    }

    /// Where the next block's strings are.
    #[inline(always)]
    fn quoted(&mut self, block: Block<'_>, lanes: Vectors, valid: u64) -> Quoted {
        let (mut quote, mut escape, mut escaped) = (lanes.equal(b'"'), 0, 0);
        if self.escaped != 0 || lanes.has(|bytes| bytes.equal(b'\\')) {
            (escape, escaped) = self.escapes(block, lanes.equal(b'\\'));
            quote &= !escaped;
        }
        // text      {"a\"":"x", "n":[1, 23]}
        // quote     .1...1.1.1..1.1.........   without the escaped one
        // interior  .1111..11...11..........   from each opening mark up to its closing one
        // outside   1.....1...11...111111111   neither a mark nor in a string
        let interior = (prefix_xor(quote) ^ self.in_string) & valid;
        // The last byte's bit, spread over a word: the next block begins inside a string, or does not.
        self.in_string = 0u64.wrapping_sub(interior >> 63);
        Quoted { quote, interior, escape, escaped }
    }

    /// The next block's tokens as a list needs them. The block is whole.
    #[inline(always)]
    pub(super) fn outline(&mut self, block: Block<'_>) -> Outline {
        let lanes = block.lanes();
        let Quoted { quote, interior, escaped, .. } = self.quoted(block, lanes, u64::MAX);
        let outside = !(interior | quote);
        let (mut control, mut white) = (0, lanes.equal(b' '));
        if lanes.has(|bytes| bytes.between(0, 0x1F)) {
            control = lanes.between(0, 0x1F);
            white |= lanes.find(|bytes| bytes.equal(b'\n') | bytes.equal(b'\r') | bytes.equal(b'\t'));
        }
        // All six in one mask: which of them it is, the byte says when its turn comes.
        let structural = lanes.find(|bytes| {
            let brackets = bytes.equal_under(!0x20, b'[') | bytes.equal_under(!0x20, b']');
            brackets | (bytes.equal(b',') | bytes.equal(b':'))
        }) & outside;
        let scalar = outside & !(white | structural);
        let behind = (scalar << 1) | self.in_scalar;
        self.in_scalar = scalar >> 63;
        Outline {
            starts: structural | (quote & interior) | (scalar & !behind),
            interior,
            scalar,
            escaped,
            control,
            non_ascii: lanes.has(Vector::non_ascii),
        }
    }

    /// Reverse solidi that begin an escape, and the bytes they escape: in a run of reverse solidi every other one does.
    fn escapes(&mut self, block: Block<'_>, backslash: u64) -> (u64, u64) {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let first = block.carry(self.escaped);
        // text       \\\"\n
        // backslash  111.1.
        // ends       1.1111   after the subtraction
        // escape     1.1.1.
        // escaped    .1.1.1
        let potential = backslash & !first;
        // Subtracting lets each run's borrow stop at its end; whether that is at an even or odd distance is what the
        // odd bits tell.
        let ends = ((potential << 1) | ODD).wrapping_sub(potential) ^ ODD;
        let escape = ends & backslash;
        self.escaped = escape >> 63;
        (escape, ends ^ (backslash | first))
    }
}

/// Each bit becomes the parity of itself and all lower ones: ones from each opening quotation mark to its closing one.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    bits
}
