//! Payment cards (ISO/IEC 7812-1): 13 to 19 digits, the first not 0, whose Luhn sum is a multiple of ten.
//!
//! Digits stand together or in groups with one space or hyphen between; all groups but the last have at least three, so
//! that dates side by side are no card. A find starts and ends with a group, and is no part of a word or of a decimal.

use super::cursor::Cursor;

/// Where the longest card number that starts here ends.
pub(super) fn at(mut cursor: Cursor<'_>) -> Option<usize> {
    if matches!(cursor.peek(), Some(b'0')) || cursor.word_behind() || cursor.went_before(b".") {
        return None;
    }
    let mut digits = [0u8; 19];
    let mut count = 0usize;
    let mut longest = None;
    loop {
        let before = count;
        while let Some(digit) = cursor.digit() {
            // A twentieth digit: the group is too long, and no end is at its middle.
            let Some(place) = digits.get_mut(count) else { return longest };
            *place = digit;
            count = count.saturating_add(1);
        }
        if count >= 13 && !cursor.word_ahead() && !cursor.goes_on(b".") && luhn(digits.get(..count)?) {
            longest = Some(cursor.at());
        }
        match cursor.separator() {
            Some(separator) if count.saturating_sub(before) >= 3 => cursor.advance(separator.len()),
            _ => return longest,
        }
        if !cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return longest;
        }
    }
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
