//! Payment cards (ISO/IEC 7812-1): a prefix and a length that a network issues, and a Luhn sum that is a multiple of ten.
//!
//! Digits are together, or in groups as cards are printed: of four or eight, of 4-6-5 and 4-6-4, or of six and the rest. Between
//! groups are one to three spaces, or a dash, dot, slash or underscore with or without spaces. A find is no part of a longer
//! run of digits, of a decimal, or of a hexadecimal identifier with dashes.
//!
//! Retired numbers of thirteen digits (Visa) are left alone where they are the EAN of an article, as one in ten is.

use super::cursor::{Cursor, Gap};

/// The first six digits of the numbers that networks issue, from and to, and the lengths: bit n for n digits.
#[rustfmt::skip] // A table.
const ISSUED: &[(u32, u32, u32)] = &[
    (180_000, 180_099, L15), (213_100, 213_199, L15),                           // JCB, before 2000
    (220_000, 220_599, L16 | L17 | L18 | L19), (222_100, 272_099, L16),         // Mir and Borica, Mastercard
    (300_000, 305_999, L14 | L16 | L19), (309_500, 309_599, L14 | L16 | L19),   // Diners Club
    (340_000, 349_999, L15), (352_800, 358_999, L16 | L19),                     // American Express, JCB
    (360_000, 369_999, L14 | L16 | L19), (370_000, 379_999, L15),               // Diners Club, American Express
    (380_000, 399_999, L14 | L16 | L19), (400_000, 499_999, L13 | L16 | L19),   // Diners Club, Visa
    (501_800, 501_899, MAESTRO), (501_900, 501_999, L16),                       // Maestro, Dankort
    (502_000, 502_099, MAESTRO), (503_800, 503_899, MAESTRO),                   // Maestro
    (504_175, 504_175, L16), (506_099, 506_198, L16 | L18 | L19),               // Elo, Verve
    (506_699, 506_778, L16), (507_865, 507_964, L16 | L18 | L19),               // Elo, Verve
    (508_500, 508_999, L16), (509_000, 509_999, L16),                           // RuPay, Elo
    (510_000, 559_999, L16), (561_400, 561_499, L16),                           // Mastercard, Uzcard
    (589_300, 589_399, MAESTRO), (589_562, 589_562, L16), (589_657, 589_657, L16), // Maestro, Naranja, Cabal
    (601_100, 601_199, L16 | L19), (604_001, 604_200, L16 | L19),               // Discover, Prostir
    (604_201, 604_219, L16), (606_282, 606_282, L16), (606_985, 607_984, L16),  // Cabal, Hipercard, RuPay
    (608_001, 608_500, L16), (620_000, 629_999, L16 | L17 | L18 | L19),         // RuPay, UnionPay
    (630_400, 630_499, MAESTRO), (636_000, 639_999, L16),                       // Maestro, InterPayment, InstaPayment, Elo
    (644_000, 659_999, L16 | L19), (675_900, 675_999, MAESTRO),                 // Discover, Maestro
    (676_100, 676_399, MAESTRO), (810_000, 819_999, L16 | L19),                 // Maestro, UnionPay
    (820_000, 820_199, L16), (860_000, 860_099, L16),                           // RuPay, Uzcard
    (979_200, 979_299, L16), (986_000, 986_099, L16),                           // Troy, Humo
];

const L13: u32 = 1 << 13;
const L14: u32 = 1 << 14;
const L15: u32 = 1 << 15;
const L16: u32 = 1 << 16;
const L17: u32 = 1 << 17;
const L18: u32 = 1 << 18;
const L19: u32 = 1 << 19;
const MAESTRO: u32 = 1 << 12 | L13 | L14 | L15 | L16 | L17 | L18 | L19;

/// What may be between groups.
pub(super) const JOINTS: &[u8] = b"-./_";

/// Where the longest card number that starts here ends.
pub(super) fn at(mut cursor: Cursor<'_>) -> Option<usize> {
    if !cursor.may_start() || cursor.went_before(b".") || cursor.hexadecimal_behind() {
        return None;
    }
    let mut digits = [0u8; 19];
    let mut count = 0usize;
    let mut groups = Grouping::default();
    let mut longest = None;
    // One dot is a decimal's.
    let (mut gaps, mut dots) = (0u8, 0u8);
    loop {
        let before = count;
        while let Some(digit) = cursor.digit() {
            // A twentieth digit: the group is too long, and no end is at its middle.
            let Some(place) = digits.get_mut(count) else { return longest };
            *place = digit;
            count = count.saturating_add(1);
        }
        groups = groups.with(count.saturating_sub(before))?;
        let ends = !cursor.word_ahead() && !cursor.goes_on(b".") && !cursor.hexadecimal_ahead();
        if ends && (gaps, dots) != (1, 1) && groups.is_whole() && is_card(digits.get(..count)?) {
            longest = Some(cursor.at());
        }
        if !groups.go_on() {
            return longest;
        }
        let Some(gap) = cursor.gap(JOINTS) else { return longest };
        gaps = gaps.saturating_add(1);
        dots = dots.saturating_add(u8::from(gap == Gap::Joint(b'.')));
        if !cursor.peek().is_some_and(|symbol| symbol.is_ascii_digit()) {
            return longest;
        }
    }
}

/// The groups that the digits are in so far.
#[derive(Debug, Clone, Copy, Default)]
enum Grouping {
    #[default]
    None,
    /// All in one group, of so many.
    One(usize),
    /// Groups of four, with the last of so many.
    Fours(usize),
    /// Four and six, and then perhaps the rest.
    FourSix,
    /// The rest after four and six, or after six.
    Rest,
}

impl Grouping {
    /// With a group of so many digits more; `None` if cards are not printed so.
    fn with(self, digits: usize) -> Option<Self> {
        Some(match (self, digits) {
            (Self::None, digits) => Self::One(digits),
            (Self::One(4) | Self::Fours(4), 1..=4) => Self::Fours(digits),
            (Self::One(4), 6) => Self::FourSix,
            (Self::FourSix, 4 | 5) | (Self::One(6), 6..=13) | (Self::One(4), 8..=12) => Self::Rest,
            // 4-4-5 and 4-4-4-7: American Express and long numbers as some print them; 4-4-8: as fields of a fixed width cut them.
            (Self::Fours(4), 5 | 7 | 8) => Self::Rest,
            // Eight are two fours.
            (Self::One(8), 8 | 11) => Self::Rest,
            (Self::One(8), 4) => Self::Fours(4),
            _ => return None,
        })
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::One(12..) | Self::Fours(_) | Self::Rest)
    }

    fn go_on(self) -> bool {
        matches!(self, Self::One(4 | 6 | 8) | Self::Fours(4) | Self::FourSix)
    }
}

fn is_card(digits: &[u8]) -> bool {
    let Some(prefix) = digits.get(..6) else { return false };
    let prefix = prefix.iter().fold(0u32, |prefix, digit| prefix.wrapping_mul(10).wrapping_add(u32::from(*digit)));
    let after = ISSUED.partition_point(|(from, ..)| *from <= prefix);
    let issued = after.checked_sub(1).and_then(|row| ISSUED.get(row));
    let length = u32::try_from(digits.len()).ok().and_then(|length| 1u32.checked_shl(length)).unwrap_or_default();
    issued.is_some_and(|(_, to, lengths)| prefix <= *to && lengths & length != 0)
        && luhn(digits)
        && !(digits.len() == 13 && digits.first() == Some(&4) && is_article(digits))
}

/// Whether the Luhn sum is a multiple of ten (ISO/IEC 7812-1 annex B).
fn luhn(digits: &[u8]) -> bool {
    let mut sum = 0u16;
    for (place, digit) in digits.iter().rev().enumerate() {
        let value = match (place % 2, digit) {
            (0, digit) => *digit,
            (_, digit @ 0..=4) => digit.wrapping_mul(2),
            (_, digit) => digit.wrapping_mul(2).wrapping_sub(9),
        };
        sum = sum.wrapping_add(u16::from(value));
    }
    sum.is_multiple_of(10)
}

/// Whether thirteen digits have the check digit of an article number (GS1).
fn is_article(digits: &[u8]) -> bool {
    let weighted = digits.iter().enumerate().map(|(place, digit)| {
        let weight = if place % 2 == 0 { 1 } else { 3 };
        u16::from(*digit).wrapping_mul(weight)
    });
    weighted.fold(0u16, u16::wrapping_add).is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::ISSUED;

    #[test]
    fn the_prefixes_are_in_order_and_apart() {
        assert!(ISSUED.is_sorted_by(|one, other| one.0 <= one.1 && one.1 < other.0));
    }
}
