//! International Bank Account Numbers (ISO 13616-1): a country of the registry, its length, digits alone where its accounts
//! have no letters, and a remainder of 1 by 97.
//!
//! Letters are capital or small. One to three spaces, or a dash, dot, slash or underscore with or without spaces, may be
//! anywhere between. At least five characters after the check digits are digits, which holds for every country's accounts
//! and keeps prose out.

use super::card::JOINTS;
use super::cursor::Cursor;

/// Digits that every country's accounts have, the check digits aside.
const DIGITS: u32 = 5;

/// Countries and the lengths of their numbers, from the registry that SWIFT keeps for ISO 13616; in order.
#[rustfmt::skip] // A table.
const COUNTRIES: &[(&[u8; 2], usize)] = &[
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22), (b"BH", 22),
    (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DJ", 27),
    (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FK", 18), (b"FO", 18), (b"FR", 27),
    (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HN", 28), (b"HR", 21), (b"HU", 28),
    (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26), (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28),
    (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20), (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22),
    (b"MK", 19), (b"MN", 20), (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23),
    (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"RU", 33), (b"SA", 24),
    (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"SO", 23), (b"ST", 25), (b"SV", 28),
    (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20), (b"YE", 30),
];

/// Countries whose numbers have digits only after the country.
const DIGITS_ONLY: &[u8] = b"AEATBABEBICRCZDEDJDKEEEGESFIFOGLHRHUILISLTLYMEMNMRNOPLPTRSSDSESISKSOSTTLTNVAXK";

/// Where the number that starts here ends.
pub(super) fn at(cursor: Cursor<'_>) -> Option<usize> {
    let (mut cursor, capital, length) = start(cursor)?;
    let letters = !DIGITS_ONLY.as_chunks::<2>().0.contains(&capital);
    let check = [next(&mut cursor)?, next(&mut cursor)?];
    if check.iter().any(|value| *value > 9) {
        return None;
    }
    let mut rest = 0u32;
    let mut digits = 0u32;
    for _ in 4..length {
        let value = next(&mut cursor)?;
        digits = digits.saturating_add(u32::from(value <= 9));
        rest = append(rest, value);
    }
    // The country and the check digits count as the last four characters (ISO/IEC 7064, MOD 97-10).
    for value in capital.map(|byte| byte.wrapping_sub(b'A').wrapping_add(10)).into_iter().chain(check) {
        rest = append(rest, value);
    }
    let fits = digits >= DIGITS && (letters || digits.saturating_add(4) == u32::try_from(length).unwrap_or_default());
    (rest == 1 && fits && !cursor.word_ahead() && !cursor.hexadecimal_ahead()).then(|| cursor.at())
}

/// Where a number ends that starts here and would be one but for a slip: the checksum is wrong, or one character is missing
/// or too many. Nothing else is looked for in it: an account with a slip is still an account.
pub(super) fn slip(cursor: Cursor<'_>) -> Option<usize> {
    let (mut cursor, _, length) = start(cursor)?;
    // Prose holds `at 12`; accounts are written with both together.
    if [cursor.digit(), cursor.digit()].contains(&None) {
        return None;
    }
    let mut digits = 0u32;
    let mut end = None;
    for count in 5..=length.saturating_add(1) {
        let Some(value) = next(&mut cursor) else { break };
        digits = digits.saturating_add(u32::from(value <= 9));
        if digits >= DIGITS && !cursor.word_ahead() && count.saturating_add(1) >= length {
            end = Some(cursor.at());
            if count == length {
                break;
            }
        }
    }
    end
}

/// Passes the country of a number that may start here: its two letters, and how long its numbers are.
fn start(mut cursor: Cursor<'_>) -> Option<(Cursor<'_>, [u8; 2], usize)> {
    let capital = [cursor.peek()?.to_ascii_uppercase(), cursor.ahead(1)?.to_ascii_uppercase()];
    if cursor.ahead(2)?.is_ascii_alphabetic() {
        return None;
    }
    let place = COUNTRIES.binary_search_by_key(&&capital, |(country, _)| country).ok()?;
    let (_, length) = COUNTRIES.get(place)?;
    if !cursor.may_start() || cursor.hexadecimal_behind() {
        return None;
    }
    cursor.advance(2);
    Some((cursor, capital, *length))
}

/// Passes what separates two characters, if anything, and a character; answers its value: 0 to 9, and 10 to 35 for letters.
fn next(cursor: &mut Cursor<'_>) -> Option<u8> {
    let _ = cursor.gap(JOINTS);
    let byte = cursor.peek()?;
    let value = match byte {
        b'0'..=b'9' => byte & 0xf,
        b'A'..=b'Z' | b'a'..=b'z' => byte.to_ascii_uppercase().wrapping_sub(b'A').wrapping_add(10),
        _ => return None,
    };
    cursor.advance(1);
    Some(value)
}

/// The remainder by 97 once `value`, of one digit or two, is written behind the number.
fn append(rest: u32, value: u8) -> u32 {
    let shifted = rest.wrapping_mul(if value > 9 { 100 } else { 10 });
    shifted.wrapping_add(u32::from(value)) % 97
}

#[cfg(test)]
mod tests {
    use super::{COUNTRIES, DIGITS_ONLY};

    #[test]
    fn the_countries_are_in_order_so_that_they_can_be_looked_up() {
        assert!(COUNTRIES.is_sorted_by(|one, other| one.0 < other.0));
    }

    #[test]
    fn countries_with_digits_only_are_countries() {
        let (pairs, rest) = DIGITS_ONLY.as_chunks::<2>();
        assert!(rest.is_empty() && pairs.iter().all(|pair| COUNTRIES.iter().any(|(country, _)| *country == pair)));
    }

    #[test]
    fn no_number_is_longer_than_the_standard_allows() {
        assert!(COUNTRIES.iter().all(|(_, length)| (15..=34).contains(length)));
    }
}
