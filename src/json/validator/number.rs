//! Numbers (RFC 8259 §6), all of a block's at once.

use crate::json::lexer::{Block, Tokens};
use crate::json::simd::Lanes;

/// Where a number that goes on in the next block stands: each 0 or 1, at most one of them 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    /// Behind its minus.
    minus: u64,
    /// Behind an integer part that is `0` so far.
    zero: u64,
    /// In its integer part (also when behind that zero).
    integer: u64,
    /// Behind its point.
    point: u64,
    /// In its fraction.
    fraction: u64,
    /// Behind its `e`.
    exponent: u64,
    /// Behind its exponent's sign.
    sign: u64,
    /// In its exponent's digits.
    power: u64,
}

impl Numbers {
    /// Bits of the bytes that no number allows there. `digit` are digits, `literals` the bytes of literal names.
    #[inline(always)]
    pub(super) fn check(&mut self, block: Block<'_>, tokens: &Tokens, digit: u64, literals: u64) -> u64 {
        let bytes = tokens.scalar & !literals;
        let started = self.minus | self.integer | self.point | self.fraction | self.exponent | self.sign | self.power;
        if bytes | started == 0 {
            return 0;
        }
        let digit = digit & bytes;
        let starts = tokens.scalar_start & bytes;
        if bytes == digit && started == self.integer {
            return self.integers(block, starts, digit);
        }
        self.all(block, bytes, starts, digit)
    }

    /// When there is nothing but digits, only a zero in front can be wrong.
    #[inline(always)]
    fn integers(&mut self, block: Block<'_>, starts: u64, digit: u64) -> u64 {
        let mut wrong = block.carry(self.zero) & digit;
        // A zero is looked for only where a number has a second digit, or may have it in the next block.
        let first = starts & ((digit >> 1) | (1 << 63));
        let zeros = if first == 0 { 0 } else { first & block.lanes().equal(b'0') };
        wrong |= (zeros << 1) & digit;
        self.zero = zeros >> 63;
        self.integer = digit >> 63;
        wrong
    }

    #[inline(never)]
    fn all(&mut self, block: Block<'_>, bytes: u64, starts: u64, digit: u64) -> u64 {
        let lanes = block.lanes();
        let minus = lanes.equal(b'-') & bytes;
        let point = lanes.equal(b'.') & bytes;
        let (mut exponent, mut plus) = (0, 0);
        if bytes & !(digit | minus | point) != 0 {
            exponent = lanes.equal_under(!0x20, b'E') & bytes;
            plus = lanes.equal(b'+');
        }

        // text       [-10.5e+3,0]
        // starts     .1........1.   a number begins
        // signed     ..1.........   the byte after its minus
        // integer    ..1.......1.   its first digit
        // end        ....1......1   the byte after its integer part: `.`, `e` or the end
        // fraction   .....1......   the byte after its point
        // power      .......1....   the byte after its `e`: a sign, or a digit
        let mut wrong = starts & !(digit | minus);
        let signed = follow(starts & minus, block, &mut self.minus);
        wrong |= signed & !digit;
        let integer = (starts | signed) & digit;
        // `01`: a zero is the whole integer part (RFC 8259 §6).
        let second = follow(integer & lanes.equal(b'0'), block, &mut self.zero);
        wrong |= second & digit;
        let integer_end = run_end(integer, digit, block, &mut self.integer);

        let fraction = follow(integer_end & point, block, &mut self.point);
        wrong |= fraction & !digit;
        let fraction_end = run_end(fraction & digit, digit, block, &mut self.fraction);

        let power = follow((integer_end | fraction_end) & exponent, block, &mut self.exponent);
        let sign = power & (minus | plus);
        let digits = (power & !sign) | follow(sign, block, &mut self.sign);
        wrong |= digits & !digit;
        let power_end = run_end(digits & digit, digit, block, &mut self.power);

        // Where a number is over, no byte of it may follow: `1.2.3`, `1e5e6`.
        let ends = (integer_end & !(point | exponent)) | (fraction_end & !exponent) | power_end;
        wrong | (ends & bytes)
    }
}

/// The bytes behind `bits`.
#[inline(always)]
fn follow(bits: u64, block: Block<'_>, carry: &mut u64) -> u64 {
    let behind = (bits << 1) | block.carry(*carry);
    *carry = bits >> 63;
    behind
}

/// The first bytes behind the runs of digits that begin at `starts`, or go on from the last block.
#[inline(always)]
fn run_end(starts: u64, digit: u64, block: Block<'_>, carry: &mut u64) -> u64 {
    // As in `landing`: the carry runs through the ones of the digits, `.11.` plus `.1..` gives `...1`.
    let (sum, overflow) = (starts | block.carry(*carry)).overflowing_add(digit);
    *carry = u64::from(overflow);
    sum & !digit
}
