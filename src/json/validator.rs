//! [`Validator`]: whether what has been read so far can begin a JSON text (RFC 8259) or, at the end, is one.
//!
//! It looks at masks of tokens, and is asked before the rewriter sees a block: nothing that it has not passed is ever
//! released. It shares only the masks with the rewriter, none of its reasoning. Grammar is by shifts and additions:
//! each *what may follow* is moved over white space to the next token by one addition, whose carry runs through the
//! ones of the white space. Only brackets and literal names loop.
//!
//! Every fault stands at the first byte that cannot be right, and depends on nothing behind it: so the first fault of a
//! body is the same one wherever the body was cut.

mod number;
pub(super) mod string;

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

/// A place between two tokens: all that a reader must know of the text before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Border {
    /// How many containers are open.
    pub(crate) depth: u32,
    /// How many may be.
    pub(crate) limit: u32,
    /// The kinds of the open containers, innermost lowest: 1 for an object.
    pub(crate) kinds: u64,
    /// What stands before it.
    pub(crate) before: Preceding,
}

/// What stands before a place between two tokens, white space skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preceding {
    /// An opening bracket.
    Open,
    /// A comma.
    Comma,
    /// A colon, or nothing.
    Colon,
    /// A value.
    Value,
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
    /// Of the last block.
    #[cfg(test)]
    drawn: Drawn,
}

/// What stands before the next token, carried over to the next block: each 0 or 1. Three bits tell five things apart:
///
/// | behind                          | item | owing | whole |
/// |---------------------------------|------|-------|-------|
/// | an opening bracket              | 1    | 0     | 0     |
/// | a comma                         | 1    | 1     | 0     |
/// | a colon, or before a lone text  | 0    | 1     | 0     |
/// | a name                          | 0    | 1     | 1     |
/// | a value                         | 0    | 0     | 1     |
#[derive(Debug, Clone, Default)]
struct After {
    /// A member or element may begin.
    item: u64,
    /// Something must come, and no closing bracket.
    owing: u64,
    /// A string, scalar or container has ended.
    whole: u64,
    /// Behind a separator of texts, or at the start of lines: a body may end.
    separator: u64,
    /// Inside a name.
    name: u64,
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
    mismatch: u64,
    too_deep: u64,
}

/// What may stand where in a block, as `docs/design.md` draws it.
#[cfg(test)]
#[derive(Debug, Clone, Copy, Default)]
struct Drawn {
    item: u64,
    named: u64,
    name_close: u64,
    owing: u64,
    whole: u64,
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
    // text    {  "a" : 1,
    // starts  .1.........   the byte after the brace
    // white   .11...1.1..
    // sum     ...1..1.1..   the carry runs through the white space, and comes out at the name
    // result  ...1.......
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
            Texts::One => after.owing = 1,
            Texts::Lines => after.separator = 1,
            // The first byte of a sequence is a separator, as if a text had just ended.
            Texts::Sequence => after.whole = 1,
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
            #[cfg(test)]
            drawn: Drawn::default(),
        }
    }

    /// Whether the body may end here, when the last byte was white space outside strings.
    #[must_use]
    pub fn may_end(&self) -> bool {
        self.depth == 0 && (self.after.whole == 1 || (self.texts != Texts::One && self.after.separator == 1))
    }

    /// The place behind the last block, if that is between two tokens; none between a name and its colon is told.
    #[inline(always)]
    pub(crate) fn border(&self) -> Option<Border> {
        let After { item, owing, whole, name, .. } = self.after;
        // In a string, a number or a literal name nothing is behind; a number that ends with the block may go on.
        let before = match (item, owing, whole, name) {
            (1, 0, 0, 0) => Preceding::Open,
            (1, 1, 0, 0) => Preceding::Comma,
            (0, 1, 0, 0) => Preceding::Colon,
            (0, 0, 1, 0) => Preceding::Value,
            _ => return None,
        };
        Some(Border { depth: self.depth, limit: self.limit, kinds: self.kinds, before })
    }

    /// Goes on from a place that another reader has come to, which has checked all between as strictly.
    pub(crate) fn resume(&mut self, border: Border) {
        let Border { depth, limit: _, kinds, before } = border;
        let (item, owing, whole) = match before {
            Preceding::Open => (1, 0, 0),
            Preceding::Comma => (1, 1, 0),
            Preceding::Colon => (0, 1, 0),
            Preceding::Value => (0, 0, 1),
        };
        let after = After { item, owing, whole, ..After::default() };
        let Self { texts, limit, .. } = *self;
        let (literal, numbers, strings) = Default::default();
        *self = Self {
            texts,
            limit,
            depth,
            kinds,
            after,
            literal,
            numbers,
            strings,
            #[cfg(test)]
            drawn: Drawn::default(),
        };
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
            let faults = self.strings.escapes(block, tokens.escaped & tokens.interior);
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
        let (opened, closed) = (tokens.open.count_ones(), tokens.close.count_ones());
        let deepest = self.depth.wrapping_add(opened);
        // If all that close came first, and all that open too, the bounds would hold: then they hold in any order.
        if closed >= self.depth || deepest > self.limit {
            return self.nesting_to_the_limits(block, tokens);
        }
        // No bracket of the block can reach the top or go too deep.
        self.depth = deepest.wrapping_sub(closed);
        let mut found = Nesting { object: 0u64.wrapping_sub(self.kinds & 1), top: 0, mismatch: 0, too_deep: 0 };
        let mut left = tokens.open | tokens.close;
        while left != 0 {
            let here = left & left.wrapping_neg();
            let object = Self::brace(block, left);
            left ^= here;
            let around = self.kinds;
            // Brackets come in no order that a processor could foresee, so there is no branch.
            let opens = tokens.open & here != 0;
            found.mismatch |= if opens { 0 } else { here & 0u64.wrapping_sub((around ^ object) & 1) };
            self.kinds = if opens { (around << 1) | object } else { around >> 1 };
            // Where the kind changes, all bits after this bracket flip: `[{` makes them ones, `[{}` zeros again.
            found.object ^= (here ^ here.wrapping_neg()) & 0u64.wrapping_sub((self.kinds ^ around) & 1);
        }
        found
    }

    /// Where containers open and close in a block in which the top or the limit of their depth may be reached.
    #[inline(never)]
    fn nesting_to_the_limits(&mut self, block: Block<'_>, tokens: &Tokens) -> Nesting {
        let mut found = Nesting {
            object: 0u64.wrapping_sub(self.kinds & 1),
            top: if self.depth == 0 { u64::MAX } else { 0 },
            mismatch: 0,
            too_deep: 0,
        };
        let mut left = tokens.open | tokens.close;
        while left != 0 {
            // The lowest bit alone.
            let here = left & left.wrapping_neg();
            let object = Self::brace(block, left);
            left ^= here;
            let rest = here ^ here.wrapping_neg();
            let around = self.kinds;
            if tokens.open & here != 0 {
                if self.depth >= self.limit {
                    found.too_deep |= here;
                    break;
                }
                self.depth = self.depth.wrapping_add(1);
                self.kinds = (around << 1) | object;
                found.top &= !rest;
            } else {
                if self.depth == 0 || around & 1 != object {
                    found.mismatch |= here;
                    break;
                }
                self.depth = self.depth.wrapping_sub(1);
                self.kinds = around >> 1;
                if self.depth == 0 {
                    found.top |= rest;
                }
            }
            found.object ^= rest & 0u64.wrapping_sub((self.kinds ^ around) & 1);
        }
        found
    }

    /// 1 if the lowest of some brackets is a brace.
    #[inline(always)]
    fn brace(block: Block<'_>, brackets: u64) -> u64 {
        u64::from((block.byte(brackets.trailing_zeros()) >> 5) & 1)
    }

    /// What follows what (RFC 8259 §2, §4, §5): bits of the tokens that should not be where they are.
    #[inline(always)]
    fn grammar(&mut self, block: Block<'_>, tokens: &Tokens, nesting: Nesting) -> Misplaced {
        let Nesting { object, top, .. } = nesting;
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

        let item = behind(open | comma, white, block, &mut after.item);
        // In an object an item begins with a name; in an array it is the value itself.
        let named = item & object;
        // A name's closing quotation mark is where an addition at its opening one comes out of the string.
        let (sum, overflow) = ((quote_open & named) | block.carry(after.name)).overflowing_add(interior);
        after.name = u64::from(overflow);
        let name_close = sum & !interior;
        let owing = behind(comma | colon | name_close, white, block, &mut after.owing);
        // A string or container ends with its last byte, a number or literal name before the byte that follows it.
        let ends = quote_close | close;
        let starts = (ends << 1) | block.carry(after.whole) | tokens.scalar_after;
        let whole = landing(starts, ends >> 63, white, &mut after.whole);
        #[cfg(test)]
        {
            self.drawn = Drawn { item, named, name_close, owing, whole };
        }

        // Each token has another before it, or the start. So none is out of place when what is behind each kind is as it
        // may be.
        let after_value = whole & !owing;
        if separator | top != 0 {
            behind(separator, white, block, &mut after.separator);
            trailing = after_value & top & !separator;
            // A number or literal name that nothing ends may have been cut short (RFC 7464 §2.4).
            if self.texts == Texts::Sequence {
                wrong |= tokens.scalar_after & separator;
            }
        }
        // A name is whole and still owes a value: it is followed by a colon, and a colon follows nothing else.
        wrong |= (whole & owing) ^ colon;
        // `[1 2]`: after a value nothing else may come.
        wrong |= after_value & !(comma | close | separator);
        // `[,1]`: nothing has ended before the comma.
        wrong |= comma & !whole;
        // `[1,]` and `{"a":}`: something is still to come.
        wrong |= close & owing;
        // `{1:2}`: a name is a string.
        wrong |= (open | tokens.scalar_start) & named;
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
        // `trueish`: the name is spelled, and the run of bytes goes on.
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

#[cfg(test)]
pub(super) mod tests;
