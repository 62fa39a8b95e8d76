//! International Bank Account Numbers (ISO 13616-1): a country of the registry, its length, and a remainder of 1 by 97.
//!
//! Letters are all capital or all small. One space or hyphen may stand anywhere between. At least five characters behind
//! the check digits are digits, which holds for every country's accounts and keeps prose out.

use super::cursor::Cursor;

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

/// Where the number that starts here ends.
pub(super) fn at(mut cursor: Cursor<'_>) -> Option<usize> {
    let country = [cursor.peek()?, cursor.ahead(1)?];
    let capital = country.map(|byte| byte.to_ascii_uppercase());
    let small = match (country[0].is_ascii_lowercase(), country[1].is_ascii_lowercase()) {
        (one, other) if one == other => one,
        _ => return None,
    };
    let place = COUNTRIES.binary_search_by_key(&&capital, |(country, _)| country).ok()?;
    let (_, length) = COUNTRIES.get(place)?;
    if cursor.word_behind() {
        return None;
    }
    cursor.advance(2);
    let check = [next(&mut cursor, small)?, next(&mut cursor, small)?];
    if check.iter().any(|value| *value > 9) {
        return None;
    }
    let mut rest = 0u32;
    let mut digits = 0u32;
    for _ in 4..*length {
        let value = next(&mut cursor, small)?;
        digits = digits.saturating_add(u32::from(value <= 9));
        rest = append(rest, value);
    }
    // The country and the check digits count as the last four characters (ISO/IEC 7064, MOD 97-10).
    for value in capital.map(|byte| byte.wrapping_sub(b'A').wrapping_add(10)).into_iter().chain(check) {
        rest = append(rest, value);
    }
    (rest == 1 && digits >= 5 && !cursor.word_ahead()).then(|| cursor.at())
}

/// Passes a separator, if any, and a character; answers its value: 0 to 9, and 10 to 35 for letters.
fn next(cursor: &mut Cursor<'_>, small: bool) -> Option<u8> {
    if let Some(separator) = cursor.separator() {
        cursor.advance(separator.len());
    }
    let byte = cursor.peek()?;
    cursor.advance(1);
    match byte {
        b'0'..=b'9' => Some(byte & 0xf),
        b'A'..=b'Z' if !small => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        b'a'..=b'z' if small => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

/// The remainder by 97 once `value`, of one digit or two, is written behind the number.
fn append(rest: u32, value: u8) -> u32 {
    let shifted = rest.wrapping_mul(if value > 9 { 100 } else { 10 });
    shifted.wrapping_add(u32::from(value)) % 97
}

#[cfg(test)]
mod tests {
    use super::COUNTRIES;

    #[test]
    fn the_countries_are_in_order_so_that_they_can_be_looked_up() {
        assert!(COUNTRIES.is_sorted_by(|one, other| one.0 < other.0));
    }

    #[test]
    fn no_number_is_longer_than_the_standard_allows() {
        assert!(COUNTRIES.iter().all(|(_, length)| (15..=34).contains(length)));
    }
}
