//! What stands in strings: escapes, surrogates (RFC 8259 §7, RFC 7493 §2.1) and UTF-8 (RFC 3629).

use crate::json::lexer::{Block, Tokens};
use crate::json::simd::{Lanes, Vector, Vectors};

/// What a string that goes on in the next block is in the middle of.
#[derive(Debug, Clone, Default)]
pub(super) struct Strings {
    unicode: Unicode,
    /// Continuation bytes that the next block must begin with, one a bit from the lowest.
    continuation: u64,
    /// Lead bytes 0xE0, 0xED, 0xF0 and 0xF4 as the last byte, each 0 or 1: what follows them is narrower.
    leads: [u64; 4],
}

/// Where in a `\u` escape, or between the two of a pair, the next byte is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Unicode {
    /// In none.
    #[default]
    Outside,
    /// Behind its `u`, or some of its digits.
    Digits {
        /// How many are to come.
        left: u8,
        /// What the others say.
        value: u16,
        /// Which half of a pair may stand here.
        half: Half,
    },
    /// Behind a high surrogate.
    Reverse,
    /// Behind that and a reverse solidus.
    Letter,
}

/// Which half of a surrogate pair a `\u` escape may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    /// Any character but a low surrogate; a high one needs its low one next.
    First,
    /// Nothing but a low surrogate.
    Second,
}

/// Bits of the bytes that cannot be right in an escape.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EscapeFaults {
    pub(super) syntax: u64,
    pub(super) surrogate: u64,
}

impl Strings {
    /// Whether the last byte was inside a `\u` escape or before the second one of a pair.
    pub(super) fn in_escape(&self) -> bool {
        self.unicode != Unicode::Outside
    }

    /// Whether the last byte was inside a character.
    pub(super) fn in_character(&self) -> bool {
        self.continuation != 0
    }

    /// The escapes of a block.
    #[inline(never)]
    pub(super) fn escapes(&mut self, block: Block<'_>, tokens: &Tokens) -> EscapeFaults {
        let lanes = block.lanes();
        let unicode = lanes.equal(b'u');
        let simple = lanes.find(|bytes| {
            let (quote, controls) = (bytes.equal(b'"'), bytes.equal(b'n') | bytes.equal(b'r') | bytes.equal(b't'));
            quote | bytes.equal(b'\\') | bytes.equal(b'/') | controls | bytes.equal(b'b') | bytes.equal(b'f')
        });
        let escaped = tokens.escaped & tokens.interior;
        let mut faults = EscapeFaults { syntax: escaped & !(simple | unicode), surrogate: 0 };
        let mut left = escaped & unicode;
        if self.in_escape() {
            left &= self.unicode(block, block.shift(), &mut faults);
        }
        if left == 0 {
            return faults;
        }
        let hexadecimal =
            lanes.find(|bytes| bytes.between(b'0', b'9') | bytes.between(b'a', b'f') | bytes.between(b'A', b'F'));
        while left != 0 {
            let bit = left.trailing_zeros();
            let digits = bit.wrapping_add(1);
            // Most are whole in the block and, as 0xD8 to 0xDF alone begin halves of pairs, no half of a pair.
            if bit < 60 && (hexadecimal >> digits) & 0xF == 0xF && block.byte(digits) | 0x20 != b'd' {
                left &= left.wrapping_sub(1);
                continue;
            }
            self.unicode = Unicode::Digits { left: 4, value: 0, half: Half::First };
            left &= (!1u64).wrapping_shl(bit) & self.unicode(block, digits, &mut faults);
        }
        faults
    }

    /// Reads on in a `\u` escape or pair from `bit`; returns the bits that are not its own, all behind it.
    fn unicode(&mut self, block: Block<'_>, mut bit: u32, faults: &mut EscapeFaults) -> u64 {
        while bit < u64::BITS {
            let byte = block.byte(bit);
            match self.unicode {
                Unicode::Outside => return u64::MAX.wrapping_shl(bit),
                Unicode::Digits { left, value, half } => {
                    let Some(digit) = char::from(byte).to_digit(16) else {
                        faults.syntax |= 1u64.wrapping_shl(bit);
                        return 0;
                    };
                    let value = (value << 4) | u16::try_from(digit).unwrap_or(0);
                    self.unicode = match (left, half, value) {
                        (2.., ..) => Unicode::Digits { left: left.wrapping_sub(1), value, half },
                        (_, Half::First, 0xD800..=0xDBFF) => Unicode::Reverse,
                        (_, Half::First, 0xDC00..=0xDFFF) => {
                            faults.surrogate |= 1u64.wrapping_shl(bit);
                            return 0;
                        }
                        (_, Half::First, _) | (_, Half::Second, 0xDC00..=0xDFFF) => Unicode::Outside,
                        (_, Half::Second, _) => {
                            faults.surrogate |= 1u64.wrapping_shl(bit);
                            return 0;
                        }
                    };
                }
                Unicode::Reverse if byte == b'\\' => self.unicode = Unicode::Letter,
                Unicode::Letter if byte == b'u' => {
                    self.unicode = Unicode::Digits { left: 4, value: 0, half: Half::Second };
                }
                Unicode::Reverse | Unicode::Letter => {
                    faults.surrogate |= 1u64.wrapping_shl(bit);
                    return 0;
                }
            }
            bit = bit.wrapping_add(1);
        }
        0
    }

    /// The bytes of a block that UTF-8 does not allow there (RFC 3629 §4).
    #[inline(never)]
    pub(super) fn utf8(&mut self, block: Block<'_>) -> u64 {
        let lanes = block.lanes();
        let continuation = lanes.equal_under(0xC0, 0x80);
        let two = lanes.equal_under(0xE0, 0xC0);
        let three = lanes.equal_under(0xF0, 0xE0);
        let four = lanes.equal_under(0xF8, 0xF0);
        // 0xC0 and 0xC1 could only begin overlong forms; 0xF5 and more are beyond U+10FFFF.
        let never = lanes.find(|bytes| {
            let beyond = bytes.equal_under(0xF8, 0xF8) | bytes.equal(0xF5) | bytes.equal_under(0xFE, 0xF6);
            bytes.equal_under(0xFE, 0xC0) | beyond
        });
        let (at_least_two, at_least_three) = (two | three | four, three | four);
        let expected = (at_least_two << 1) | (at_least_three << 2) | (four << 3) | block.carry(self.continuation);
        let carried = match block.shift() {
            0 => 0,
            shift => self.continuation.wrapping_shr(u64::BITS.wrapping_sub(shift)),
        };
        self.continuation = carried | (at_least_two >> 63) | (at_least_three >> 62) | (four >> 61);

        let mut wrong = never | (expected ^ continuation);
        let leads = |bytes: <Vectors as Lanes>::Vector| {
            (bytes.equal(0xE0) | bytes.equal(0xED)) | (bytes.equal(0xF0) | bytes.equal(0xF4))
        };
        if self.leads != [0; 4] || lanes.has(leads) {
            let narrower = [
                // Overlong, surrogates, overlong, beyond U+10FFFF: lead byte, and the continuation bytes it must not have.
                (lanes.equal(0xE0), lanes.equal_under(0xE0, 0x80)),
                (lanes.equal(0xED), lanes.equal_under(0xE0, 0xA0)),
                (lanes.equal(0xF0), lanes.equal_under(0xF0, 0x80)),
                (lanes.equal(0xF4), continuation & !lanes.equal_under(0xF0, 0x80)),
            ];
            for ((lead, not), carry) in narrower.into_iter().zip(&mut self.leads) {
                wrong |= ((lead << 1) | block.carry(*carry)) & not;
                *carry = lead >> 63;
            }
        }
        wrong
    }
}
