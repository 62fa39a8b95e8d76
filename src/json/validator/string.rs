//! What stands in strings: escapes, surrogates (RFC 8259 §7, RFC 7493 §2.1) and UTF-8 (RFC 3629).

use crate::json::lexer::Block;
use crate::json::simd::{Lanes, Vector, Vectors};

/// What a string that goes on in the next block is in the middle of.
#[derive(Debug, Clone, Default)]
pub(in crate::json) struct Strings {
    /// The `u` of each `\u` escape.
    unicode: Recent,
    /// The first digit of those that may be half a surrogate pair: it is D.
    half: Recent,
    /// The second digit of the first halves of pairs, and of the second halves.
    high: Recent,
    low: Recent,
    /// Bytes that begin a character of at least two bytes, of at least three, and of four.
    two: Recent,
    three: Recent,
    four: Recent,
    /// Lead bytes 0xE0, 0xED, 0xF0 and 0xF4: what follows them is narrower.
    leads: [Recent; 4],
}

/// What a mask says of the last sixty-four bytes; its highest bit is the last one's. Where a block is passed over, because
/// neither its bytes nor those before it are a matter of the mask, it stays as it is: its high bits are clear then.
#[derive(Debug, Clone, Copy, Default)]
struct Recent(u64);

impl Recent {
    /// Whether one of the last `bytes` (1 to 64) is in the mask.
    fn within(self, bytes: u32) -> bool {
        self.0.wrapping_shr(u64::BITS.wrapping_sub(bytes)) != 0
    }

    /// Takes in the mask of a block; what comes back knows the bytes before it, too.
    #[inline(always)]
    fn take(&mut self, block: Block<'_>, mask: u64) -> Trail {
        let before = self.0;
        self.0 = mask | before.checked_shr(u64::BITS.wrapping_sub(block.shift())).unwrap_or(0);
        Trail { mask, before, shift: block.shift() }
    }
}

/// A block's mask, and that of the bytes before it.
#[derive(Debug, Clone, Copy)]
struct Trail {
    mask: u64,
    before: u64,
    shift: u32,
}

impl Trail {
    /// The block's bytes that stand so many (1 to 63) behind one of the mask.
    #[inline(always)]
    fn behind(self, bytes: u32) -> u64 {
        let before = self.before.wrapping_shr(u64::BITS.wrapping_sub(bytes));
        self.mask.wrapping_shl(bytes) | before.wrapping_shl(self.shift)
    }
}

/// Bits of the bytes that cannot be right in an escape.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::json) struct EscapeFaults {
    pub(in crate::json) syntax: u64,
    pub(in crate::json) surrogate: u64,
}

impl EscapeFaults {
    /// Bits of all of them.
    pub(in crate::json) fn any(self) -> u64 {
        self.syntax | self.surrogate
    }
}

impl Strings {
    /// Whether the last byte was inside a `\u` escape or before the `u` of the second one of a pair.
    pub(in crate::json) fn in_escape(&self) -> bool {
        self.unicode.within(4) || self.high.within(4)
    }

    /// Whether the last byte was inside a character.
    pub(in crate::json) fn in_character(&self) -> bool {
        self.two.within(1) || self.three.within(2) || self.four.within(3)
    }

    /// What is wrong with the escapes of a block, of which `escaped` are the bytes behind reverse solidi in strings.
    #[inline(never)]
    pub(in crate::json) fn escapes(&mut self, block: Block<'_>, escaped: u64) -> EscapeFaults {
        let lanes = block.lanes();
        let simple = lanes.find(|bytes| {
            let (quote, controls) = (bytes.equal(b'"'), bytes.equal(b'n') | bytes.equal(b'r') | bytes.equal(b't'));
            quote | bytes.equal(b'\\') | bytes.equal(b'/') | controls | bytes.equal(b'b') | bytes.equal(b'f')
        });
        let unicode = escaped & lanes.equal(b'u');
        let unknown = escaped & !(simple | unicode);
        if unicode == 0 && !self.in_escape() {
            return EscapeFaults { syntax: unknown, surrogate: 0 };
        }
        let hexadecimal =
            lanes.find(|bytes| bytes.between(b'0', b'9') | bytes.between(b'a', b'f') | bytes.between(b'A', b'F'));
        let escape = self.unicode.take(block, unicode);
        let digits = escape.behind(1) | escape.behind(2) | escape.behind(3) | escape.behind(4);
        let syntax = unknown | (digits & !hexadecimal);

        let (high, low) = self.halves(block, escape);
        // Behind a first half's second digit and two more comes the other escape. Both halves end two digits behind theirs.
        // A last digit that is none is a matter of the syntax.
        let solidus = high.behind(3) & !lanes.equal(b'\\');
        let letter = high.behind(4) & !unicode;
        let alone = (high.behind(8) ^ low.behind(2)) & hexadecimal;
        EscapeFaults { syntax, surrogate: solidus | letter | alone }
    }

    /// The second digits of a block's first halves of surrogate pairs, 0xD8 to 0xDB, and of second ones, 0xDC to 0xDF, behind
    /// the `u` of each `escape`.
    #[inline(always)]
    fn halves(&mut self, block: Block<'_>, escape: Trail) -> (Trail, Trail) {
        let lanes = block.lanes();
        let second = self.half.take(block, escape.behind(1) & lanes.equal_under(0xDF, b'D')).behind(1);
        let high =
            lanes.find(|bytes| bytes.between(b'8', b'9') | bytes.between(b'a', b'b') | bytes.between(b'A', b'B'));
        let low = lanes.find(|bytes| bytes.between(b'c', b'f') | bytes.between(b'C', b'F'));
        (self.high.take(block, second & high), self.low.take(block, second & low))
    }

    /// The bytes of a block that UTF-8 does not allow there (RFC 3629 §4).
    #[inline(never)]
    pub(in crate::json) fn utf8(&mut self, block: Block<'_>) -> u64 {
        let lanes = block.lanes();
        let continuation = lanes.equal_under(0xC0, 0x80);
        let unusual = |bytes: <Vectors as Lanes>::Vector| {
            let never = bytes.equal_under(0xFE, 0xC0) | bytes.equal_under(0xF0, 0xF0);
            never | bytes.equal(0xE0) | bytes.equal(0xED)
        };
        // Most characters have two or three bytes, and any continuation byte may stand in them.
        if !(self.four.within(3) || lanes.has(unusual) || self.leads.iter().any(|lead| lead.within(1))) {
            let three = lanes.equal_under(0xF0, 0xE0);
            let two = self.two.take(block, lanes.equal_under(0xE0, 0xC0) | three);
            return (two.behind(1) | self.three.take(block, three).behind(2)) ^ continuation;
        }
        self.any_utf8(block, lanes, continuation)
    }

    /// [`Self::utf8`] where there are characters of four bytes, some of three, or bytes that are in no character.
    #[inline(never)]
    fn any_utf8(&mut self, block: Block<'_>, lanes: Vectors, continuation: u64) -> u64 {
        let two = lanes.equal_under(0xE0, 0xC0);
        let three = lanes.equal_under(0xF0, 0xE0);
        let four = lanes.equal_under(0xF8, 0xF0);
        // 0xC0 and 0xC1 could only begin overlong forms; 0xF5 and more are beyond U+10FFFF.
        let never = lanes.find(|bytes| {
            let beyond = bytes.equal_under(0xF8, 0xF8) | bytes.equal(0xF5) | bytes.equal_under(0xFE, 0xF6);
            bytes.equal_under(0xFE, 0xC0) | beyond
        });
        let (two, three) = (self.two.take(block, two | three | four), self.three.take(block, three | four));
        let expected = two.behind(1) | three.behind(2) | self.four.take(block, four).behind(3);

        // A continuation byte stands where one is expected, and nowhere else.
        let mut wrong = never | (expected ^ continuation);
        let leads = |bytes: <Vectors as Lanes>::Vector| {
            (bytes.equal(0xE0) | bytes.equal(0xED)) | (bytes.equal(0xF0) | bytes.equal(0xF4))
        };
        if self.leads.iter().any(|lead| lead.within(1)) || lanes.has(leads) {
            let narrower = [
                // Overlong, surrogates, overlong, beyond U+10FFFF: lead byte, and the continuation bytes it must not have.
                (lanes.equal(0xE0), lanes.equal_under(0xE0, 0x80)),
                (lanes.equal(0xED), lanes.equal_under(0xE0, 0xA0)),
                (lanes.equal(0xF0), lanes.equal_under(0xF0, 0x80)),
                (lanes.equal(0xF4), continuation & !lanes.equal_under(0xF0, 0x80)),
            ];
            for ((lead, not), recent) in narrower.into_iter().zip(&mut self.leads) {
                wrong |= recent.take(block, lead).behind(1) & not;
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::Strings;
    use crate::json::lexer::Block;
    use crate::json::simd::{BLOCK, Lanes as _};
    use crate::json::validator::tests::{bits, hold};

    #[test]
    fn the_masks_of_halves_are_those_of_the_design() {
        let mut out = String::new();
        for text in [r#""\ud83d\ude00" "#, r#""\ud83d\u0041" "#, r#""\ude00" "#] {
            let mut room = [0; BLOCK];
            let block = Block::part(text.as_bytes(), &mut room).unwrap();
            let mut strings = Strings::default();
            let escape = strings.unicode.take(block, block.lanes().equal(b'u'));
            let (high, low) = strings.halves(block, escape);
            let behind = [high.behind(8), low.behind(2)];
            out.push_str(&format!("{:16}{}\n", "", text.trim_end()));
            for (name, mask) in [
                ("unicode", escape.mask),
                ("high", high.mask),
                ("low", low.mask),
                ("high.behind(8)", behind[0]),
                ("low.behind(2)", behind[1]),
                ("alone", behind[0] ^ behind[1]),
            ] {
                out.push_str(&format!("{name:16}{}\n", bits(mask, block, text.trim_end())));
            }
        }
        hold("halves", &format!("```text\n{out}```\n"));
    }
}
