//! [`Validator`]: whether what has been read so far can begin a JSON text (RFC 8259) or, at the end, is one.
//!
//! It looks at masks of tokens, and is asked before the rewriter sees a block: nothing that it has not passed is ever
//! released. It shares only the masks with the rewriter, none of its reasoning. Grammar is by shifts and additions:
//! each *what may follow* is moved over white space to the next token by one addition, whose carry runs through the
//! ones of the white space. Only brackets, literal names and `\u` escapes loop.
//!
//! Every fault stands at the first byte that cannot be right, and depends on nothing behind it: so the first fault of a
//! body is the same one wherever the body was cut.

mod number;
mod string;

use self::number::Numbers;
use self::string::Strings;
use super::Texts;
use super::lexer::{Block, Tokens};
use super::simd::Lanes;
use crate::refusal::JsonFault;

/// The most containers that may be open at once, whatever the policy's own limit: their kinds are bits of a word.
pub const MAX_DEPTH: u32 = 64;

/// A fault and the bit of its byte in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub fault: JsonFault,
    /// The bit of the first byte that cannot be right.
    pub bit: u32,
}

/// What has been read so far, as far as the next byte's correctness hangs on it.
#[derive(Debug, Clone)]
pub struct Validator {
    texts: Texts,
    limit: u32,
    depth: u32,
    /// The kinds of the open containers, innermost lowest: 1 for an object.
    kinds: u64,
    after: After,
    literal: Literal,
    numbers: Numbers,
    strings: Strings,
}

/// What may follow, carried over to the next block: each 0 or 1.
#[derive(Debug, Clone, Default)]
struct After {
    /// `{`: a name or `}`.
    brace: u64,
    /// `[`: a value or `]`.
    bracket: u64,
    /// A comma in an object: a name.
    comma: u64,
    /// A colon, a comma in an array, the start of a lone text: a value.
    value: u64,
    /// A separator of texts, or the start of lines: a value or another separator.
    separator: u64,
    /// Inside a name.
    name: u64,
    /// A name: a colon.
    name_end: u64,
    /// A value: a comma or closing bracket; at the top a separator or the end.
    value_end: u64,
}

/// A literal name that goes on in the next block.
#[derive(Debug, Clone, Default)]
struct Literal {
    /// What is to come of it.
    rest: &'static [u8],
    /// 1 if its last byte was the block's last.
    ended: u64,
}

/// Where the innermost open container is an object, and where none is open.
#[derive(Debug, Clone, Copy)]
struct Nesting {
    object: u64,
    top: u64,
    /// Opening braces.
    braces: u64,
    mismatch: u64,
    too_deep: u64,
}

/// Tokens that should not be where they are.
#[derive(Debug, Clone, Copy)]
struct Misplaced {
    wrong: u64,
    /// Those of them that follow a whole text.
    trailing: u64,
}

/// The first tokens behind `tokens`, white space skipped, and what `carry` brings from the last block.
#[inline(always)]
fn behind(tokens: u64, white: u64, block: Block<'_>, carry: &mut u64) -> u64 {
    landing((tokens << 1) | block.carry(*carry), tokens >> 63, white, carry)
}

/// Where `starts` land once they are moved over white space. `out` is what has left the block already.
#[inline(always)]
fn landing(starts: u64, out: u64, white: u64, carry: &mut u64) -> u64 {
    let (sum, overflow) = starts.overflowing_add(white);
    *carry = out | u64::from(overflow);
    sum & !white
}

impl Validator {
    /// Before the first byte of a body. A `limit` over [`MAX_DEPTH`] is taken as that.
    #[must_use]
    pub fn new(texts: Texts, limit: u8) -> Self {
        let mut after = After::default();
        match texts {
            Texts::One => after.value = 1,
            Texts::Lines => after.separator = 1,
            // The first byte of a sequence is a separator, as if a text had just ended.
            Texts::Sequence => after.value_end = 1,
        }
        Self {
            texts,
            limit: u32::from(limit).min(MAX_DEPTH),
            depth: 0,
            kinds: 0,
            after,
            literal: Literal::default(),
            numbers: Numbers::default(),
            strings: Strings::default(),
        }
    }

    /// Whether the body may end here, when the last byte was white space outside strings.
    #[must_use]
    pub fn may_end(&self) -> bool {
        self.depth == 0 && (self.after.value_end == 1 || (self.texts != Texts::One && self.after.separator == 1))
    }

    /// Looks at the next block.
    ///
    /// # Errors
    /// The first fault of the block. What follows a fault cannot be asked about.
    #[inline(always)]
    pub fn check(&mut self, block: Block<'_>, tokens: &Tokens) -> Result<(), Fault> {
        let nesting = self.nesting(block, tokens);
        let Misplaced { wrong, trailing } = self.grammar(block, tokens, nesting);
        let mut syntax = nesting.mismatch | wrong | trailing;
        syntax |= tokens.control & tokens.interior;
        if tokens.scalar | tokens.scalar_after != 0 {
            let digit = block.lanes().between(b'0', b'9');
            let literals = self.literals(block, tokens, digit, &mut syntax);
            syntax |= self.numbers.check(block, tokens, digit, literals);
        }
        let (mut utf8, mut surrogate) = (0, 0);
        if tokens.escaped != 0 || self.strings.in_escape() {
            let faults = self.strings.escapes(block, tokens);
            syntax |= faults.syntax;
            surrogate = faults.surrogate;
        }
        if tokens.non_ascii != 0 || self.strings.in_character() {
            utf8 = self.strings.utf8(block);
        }
        if syntax | surrogate | utf8 | nesting.too_deep == 0 {
            return Ok(());
        }
        Err(first_fault([
            (utf8, JsonFault::Utf8),
            (surrogate, JsonFault::Surrogate),
            (nesting.too_deep, JsonFault::Depth),
            (trailing, JsonFault::Trailing),
            (syntax, JsonFault::Syntax),
        ]))
    }

    /// Follows the brackets.
    #[inline(always)]
    fn nesting(&mut self, block: Block<'_>, tokens: &Tokens) -> Nesting {
        let mut found = Nesting {
            object: 0u64.wrapping_sub(self.kinds & 1),
            top: if self.depth == 0 { u64::MAX } else { 0 },
            braces: 0,
            mismatch: 0,
            too_deep: 0,
        };
        let mut left = tokens.open | tokens.close;
        while left != 0 {
            let bit = left.trailing_zeros();
            let here = left & left.wrapping_neg();
            left ^= here;
            let rest = (!1u64).wrapping_shl(bit);
            let object = u64::from((block.byte(bit) >> 5) & 1);
            let around = self.kinds;
            if tokens.open & here != 0 {
                if self.depth >= self.limit {
                    found.too_deep |= here;
                    break;
                }
                self.depth = self.depth.wrapping_add(1);
                self.kinds = (self.kinds << 1) | object;
                found.braces |= here & 0u64.wrapping_sub(object);
                found.top &= !rest;
            } else {
                if self.depth == 0 || self.kinds & 1 != object {
                    found.mismatch |= here;
                    break;
                }
                self.depth = self.depth.wrapping_sub(1);
                self.kinds >>= 1;
                if self.depth == 0 {
                    found.top |= rest;
                }
            }
            found.object ^= rest & 0u64.wrapping_sub((self.kinds ^ around) & 1);
        }
        found
    }

    /// What follows what (RFC 8259 §2, §4, §5): bits of the tokens that should not be where they are.
    #[inline(always)]
    fn grammar(&mut self, block: Block<'_>, tokens: &Tokens, nesting: Nesting) -> Misplaced {
        let Nesting { object, top, braces, .. } = nesting;
        let mut wrong = 0;
        let mut trailing = 0;
        let (mut white, mut separator) = (tokens.white, 0);
        if tokens.separator != 0 {
            separator = tokens.separator & top;
            white &= !tokens.separator;
            wrong |= tokens.separator & !top;
        }
        let after = &mut self.after;
        let Tokens { quote_open, quote_close, open, close, comma, colon, interior, .. } = *tokens;

        let after_brace = behind(braces, white, block, &mut after.brace);
        let after_bracket = behind(open & !braces, white, block, &mut after.bracket);
        let after_comma = behind(comma & object, white, block, &mut after.comma);
        let after_value = behind(colon | (comma & !object), white, block, &mut after.value);

        // A name's closing quotation mark is where an addition at its opening one comes out of the string.
        let names = quote_open & (after_brace | after_comma);
        let (sum, overflow) = (names | block.carry(after.name)).overflowing_add(interior);
        after.name = u64::from(overflow);
        let name_close = sum & !interior;
        let after_name = behind(name_close, white, block, &mut after.name_end);

        let ends = (quote_close & !name_close) | close;
        let starts = (ends << 1) | block.carry(after.value_end) | tokens.scalar_after;
        let after_end = landing(starts, ends >> 63, white, &mut after.value_end);

        let values = (quote_open & !names) | open | tokens.scalar_start;
        let mut allowed = after_bracket | after_value;
        if separator | top != 0 {
            let after_separator = behind(separator, white, block, &mut after.separator);
            allowed |= after_separator;
            wrong |= after_separator & !(values | separator);
            wrong |= separator & !(after_separator | after_end);
            trailing = after_end & top & !separator;
            // A number or literal name that nothing ends may have been cut short (RFC 7464 §2.4).
            if self.texts == Texts::Sequence {
                wrong |= tokens.scalar_after & separator;
            }
        }
        wrong |= values & !allowed;
        wrong |= after_value & !values;
        wrong |= after_bracket & !(values | close);
        wrong |= after_brace & !(quote_open | close);
        wrong |= after_comma & !quote_open;
        wrong |= after_name ^ colon;
        wrong |= comma & !after_end;
        wrong |= close & !(after_end | after_brace | after_bracket);
        wrong |= after_end & !(comma | close | separator);
        Misplaced { wrong, trailing }
    }

    /// `true`, `false` and `null` (RFC 8259 §3): their bytes. What begins like none of them, or a number, is `wrong`.
    #[inline(always)]
    fn literals(&mut self, block: Block<'_>, tokens: &Tokens, digit: u64, wrong: &mut u64) -> u64 {
        let mut found = 0;
        *wrong |= block.carry(self.literal.ended) & tokens.scalar;
        self.literal.ended = 0;
        if !self.literal.rest.is_empty() {
            let rest = self.literal.rest;
            found |= self.literal(block, tokens, block.shift(), rest, wrong);
        }
        let mut left = tokens.scalar_start & !digit;
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            let name: &[u8] = match block.byte(bit) {
                b't' => b"true",
                b'f' => b"false",
                b'n' => b"null",
                b'-' => continue,
                _ => {
                    *wrong |= 1u64.wrapping_shl(bit);
                    break;
                }
            };
            found |= self.literal(block, tokens, bit, name, wrong);
        }
        found
    }

    /// One literal name, or the rest of one, from `bit` on.
    #[inline(always)]
    fn literal(&mut self, block: Block<'_>, tokens: &Tokens, bit: u32, name: &'static [u8], wrong: &mut u64) -> u64 {
        let mut here = 1u64.wrapping_shl(bit);
        let mut found = 0;
        let mut at = bit;
        for (index, byte) in name.iter().enumerate() {
            if here == 0 {
                self.literal = Literal { rest: name.get(index..).unwrap_or_default(), ended: 0 };
                return found;
            }
            if block.byte(at) != *byte {
                *wrong |= here;
                return found;
            }
            found |= here;
            here <<= 1;
            at = at.wrapping_add(1);
        }
        self.literal = Literal { rest: &[], ended: u64::from(here == 0) };
        *wrong |= here & tokens.scalar;
        found
    }
}

#[cold]
fn first_fault(faults: [(u64, JsonFault); 5]) -> Fault {
    let mut first = Fault { fault: JsonFault::Syntax, bit: u64::BITS };
    for (bits, fault) in faults {
        if bits.trailing_zeros() < first.bit {
            first = Fault { fault, bit: bits.trailing_zeros() };
        }
    }
    first
}
