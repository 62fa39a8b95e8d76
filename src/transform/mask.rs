//! The forms at mask (rules 20 to 22), but for the arithmetic of `round`.

use super::round::round;
use super::text::{StringContent, Text, push_char};
use crate::model::{Mask, RoundTo};

/// What stands for the part that is left out: always four, so that length is not revealed (rule 20).
const LEFT_OUT: &[u8] = b"****";

/// Appends `token` in its masked form.
///
/// `token` is a checked string, number, `true` or `false`; see the [module](crate::transform) for what `false` means. Booleans have no
/// mask; the forms of ends take a number by its JSON text; `round` takes numbers, and strings that are one by their text, of at most
/// 64 digits before the point once written without an exponent; the other forms take strings only.
#[must_use]
pub fn mask(form: Mask, token: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let text = Text::of(token);
    let string = match text {
        Some(Text::String(content)) => Some(content),
        Some(Text::Number(_)) | None => None,
    };
    // No wildcard: a form must not compile until it is here.
    let fits = match form {
        Mask::First(n) => text.is_some_and(|text| ends(n, 0, n.saturating_mul(2), text, out)),
        Mask::Last(n) => text.is_some_and(|text| ends(0, n, n.saturating_mul(2), text, out)),
        Mask::Ends { first, last } => {
            let least = first.saturating_add(last).saturating_add(LEFT_OUT_AT_LEAST);
            text.is_some_and(|text| ends(first, last, least, text, out))
        }
        Mask::Email => string.is_some_and(|text| email(text, out)),
        Mask::Year => string.is_some_and(|text| date(text, DatePart::Year, out)),
        Mask::Month => string.is_some_and(|text| date(text, DatePart::Month, out)),
        Mask::Initials => string.is_some_and(|text| initials(text, out)),
        Mask::Round(step) => text.is_some_and(|text| rounded(step, text, out)),
    };
    if !fits {
        out.truncate(start);
    }
    fits
}

/// How many characters two ends leave out at least (rule 20).
const LEFT_OUT_AT_LEAST: u32 = 4;

/// `first`, `last`, or both (rule 20): the ends of a text of `least` characters or more. A shorter one would be revealed for the
/// most part.
fn ends(first: u32, last: u32, least: u32, text: Text<'_>, out: &mut Vec<u8>) -> bool {
    let (first, last, least) = (first as usize, last as usize, least as usize);
    let is_long = least.checked_sub(1).is_some_and(|before| text.chars().nth(before).is_some());
    if !is_long {
        return false;
    }
    out.push(b'"');
    text.chars().take(first).for_each(|char| push_char(out, char));
    out.extend_from_slice(LEFT_OUT);
    match text.plain() {
        Some(plain) => {
            let start = plain.char_indices().rev().take(last).last().map_or(plain.len(), |(start, _)| start);
            out.extend_from_slice(plain.as_bytes().get(start..).unwrap_or_default());
        }
        None => {
            let skipped = text.chars().count().saturating_sub(last);
            text.chars().skip(skipped).for_each(|char| push_char(out, char));
        }
    }
    out.push(b'"');
    true
}

/// `round` (rule 22): a string that is a JSON number stays a string.
fn rounded(step: RoundTo, text: Text<'_>, out: &mut Vec<u8>) -> bool {
    match text {
        Text::Number(number) => round(step, number, out),
        Text::String(content) => {
            let number = content.decode();
            if !is_number(&number) {
                return false;
            }
            out.push(b'"');
            let fits = round(step, &number, out);
            out.push(b'"');
            fits
        }
    }
}

/// Whether a text is a number as JSON spells it (RFC 8259 §6).
fn is_number(text: &str) -> bool {
    let magnitude = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (magnitude, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(is_digits)
}

/// `email` (rule 21).
fn email(text: StringContent<'_>, out: &mut Vec<u8>) -> bool {
    let text = text.decode();
    let Some((local, domain)) = text.split_once('@') else { return false };
    let mut local = local.chars();
    let Some(first) = local.next() else { return false };
    // A second `@` is no domain character either.
    if !domain.contains('.') || !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    {
        return false;
    }
    out.push(b'"');
    if local.next().is_some() {
        push_char(out, first);
    }
    out.extend_from_slice(b"***@");
    // None of its characters needs an escape.
    out.extend_from_slice(domain.as_bytes());
    out.push(b'"');
    true
}

/// How much of a date stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DatePart {
    Year,
    Month,
}

/// `year`, `month` (rule 22): of a text that starts with a valid date, or that is the part of one that stays, its month, or a date
/// without hyphens (the basic format of ISO 8601).
fn date(text: StringContent<'_>, kept: DatePart, out: &mut Vec<u8>) -> bool {
    // What a partial date lacks, every month has.
    let mut date = *b"0000-01-01";
    let mut length = 0usize;
    let mut chars = text.chars();
    for (place, char) in date.iter_mut().zip(&mut chars) {
        let Ok(byte) = u8::try_from(char) else { return false };
        *place = byte;
        length = length.saturating_add(1);
    }
    if let [y1, y2, y3, y4, m1, m2, d1, d2, ..] = date
        && length == 8
    {
        date = [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2];
    }
    let is_whole = matches!((length, kept), (10 | 8 | 7, _) | (4, DatePart::Year));
    let kept = match kept {
        DatePart::Year => 4,
        DatePart::Month => 7,
    };
    let (true, true, Some(kept)) = (is_whole, is_date(&date), date.get(..kept)) else { return false };
    out.push(b'"');
    out.extend_from_slice(kept);
    out.push(b'"');
    true
}

/// Whether these are `YYYY-MM-DD` of the Gregorian calendar, carried back to the year 0000 (RFC 3339 §5.6, §5.7).
fn is_date(date: &[u8; 10]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return false };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0u16, |value, digit| match digit {
            b'0'..=b'9' => Some(value.wrapping_mul(10).wrapping_add(u16::from(digit & 0xf))),
            _ => None,
        })
    };
    let (Some(year), Some(month), Some(day)) =
        (number(&[*y1, *y2, *y3, *y4]), number(&[*m1, *m2]), number(&[*d1, *d2]))
    else {
        return false;
    };
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// `initials` (rule 22).
fn initials(text: StringContent<'_>, out: &mut Vec<u8>) -> bool {
    let mut found = false;
    let mut taken = false;
    out.push(b'"');
    for char in text.chars() {
        if char.is_whitespace() {
            taken = false;
        } else if !taken && char.is_alphabetic() {
            push_char(out, char);
            out.push(b'.');
            taken = true;
            found = true;
        }
    }
    out.push(b'"');
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers")]

    use proptest::prelude::*;

    use super::*;

    /// A row: the form, the token, and what becomes of it; `None` is blank.
    type Row = (Mask, &'static str, Option<&'static str>);

    fn masked(form: Mask, token: &str) -> Option<String> {
        let mut out = b"before".to_vec();
        let fits = mask(form, token.as_bytes(), &mut out);
        let rest = out.strip_prefix(b"before").expect("what was there stays").to_vec();
        assert!(fits || rest.is_empty(), "a misfit writes nothing: {token}");
        fits.then(|| String::from_utf8(rest).unwrap())
    }

    fn step(text: &str) -> Mask {
        Mask::Round(RoundTo::parse(text).unwrap())
    }

    fn holds(rows: &[Row]) {
        for (form, token, expected) in rows {
            assert_eq!(masked(*form, token).as_deref(), *expected, "{form:?} {token}");
        }
    }

    #[test]
    fn first_and_last_keep_n_characters_and_four_asterisks() {
        holds(&[
            (Mask::First(2), r#""12345""#, Some(r#""12****""#)),
            (Mask::Last(3), r#""+49 171 5550142""#, Some(r#""****142""#)),
            (Mask::Last(4), r#""DE89370400440532013000""#, Some(r#""****3000""#)),
            (Mask::First(1), r#""ab""#, Some(r#""a****""#)),
            (Mask::Last(1), r#""ab""#, Some(r#""****b""#)),
        ]);
    }

    #[test]
    fn a_text_shorter_than_twice_n_is_blank() {
        holds(&[
            (Mask::First(2), r#""123""#, None),
            (Mask::First(2), r#""1234""#, Some(r#""12****""#)),
            (Mask::Last(2), r#""123""#, None),
            (Mask::Last(2), r#""1234""#, Some(r#""****34""#)),
            (Mask::First(1), r#""""#, None),
            (Mask::Last(1), r#""x""#, None),
            (Mask::First(u32::MAX), r#""x""#, None),
            (Mask::Last(u32::MAX), r#""x""#, None),
        ]);
    }

    #[test]
    fn no_characters_at_all_cannot_be_asked_for() {
        holds(&[(Mask::First(0), r#""ab""#, None), (Mask::Last(0), r#""ab""#, None)]);
    }

    #[test]
    fn characters_are_unicode_scalar_values_however_they_are_spelt() {
        holds(&[
            (Mask::First(1), r#""éa""#, Some(r#""é****""#)),
            (Mask::Last(2), r#""a😀b😀""#, Some(r#""****b😀""#)),
            (Mask::Last(2), r#""a\ud83d\ude00b\uD83D\uDE00""#, Some(r#""****b😀""#)),
            (Mask::Last(1), r#""\u0061\u0062""#, Some(r#""****b""#)),
            (Mask::First(1), r#""😀""#, None),
            // An e and a combining acute: two scalar values.
            (Mask::First(1), "\"e\u{301}\"", Some("\"e****\"")),
        ]);
    }

    #[test]
    fn what_must_be_escaped_stays_escaped_and_nothing_else() {
        holds(&[
            (Mask::First(2), r#""\"\\cd""#, Some(r#""\"\\****""#)),
            (Mask::Last(2), r#""ab\n\u0001""#, Some(r#""****\n\u0001""#)),
            (Mask::First(2), r#""\/\u002fab""#, Some(r#""//****""#)),
        ]);
    }

    #[test]
    fn first_and_last_take_a_number_by_its_json_text() {
        holds(&[
            (Mask::Last(3), "4915550142", Some(r#""****142""#)),
            (Mask::First(2), "-1.50e3", Some(r#""-1****""#)),
            (Mask::Last(2), "1.0", None),
        ]);
    }

    #[test]
    fn booleans_and_what_is_no_token_have_no_mask() {
        for form in Mask::EACH.iter().copied() {
            for token in ["true", "false", "null", "", "[1,2]", "{}", "\"", "x"] {
                assert_eq!(masked(form, token), None, "{form:?} {token}");
            }
        }
    }

    #[test]
    fn an_email_keeps_its_first_character_and_its_domain() {
        holds(&[
            (Mask::Email, r#""anna@example.com""#, Some(r#""a***@example.com""#)),
            (Mask::Email, r#""a@example.com""#, Some(r#""***@example.com""#)),
            (Mask::Email, r#""ab@x-y.Example.COM""#, Some(r#""a***@x-y.Example.COM""#)),
            (Mask::Email, r#""éa@example.com""#, Some(r#""é***@example.com""#)),
            (Mask::Email, r#""\u00e9a\u0040example.com""#, Some(r#""é***@example.com""#)),
            (Mask::Email, r#""\"a\"@example.com""#, Some(r#""\"***@example.com""#)),
            (Mask::Email, r#""a b@example.com""#, Some(r#""a***@example.com""#)),
        ]);
    }

    #[test]
    fn what_is_not_an_email_is_blank() {
        for token in [
            r#""""#,
            r#""anna""#,
            r#""@example.com""#,
            r#""anna@""#,
            r#""anna@example""#,
            r#""anna@exa mple.com""#,
            r#""anna@example.com ""#,
            r#""anna@b@example.com""#,
            r#""anna@exämple.com""#,
            r#""anna@example.com\n""#,
            r#""anna@example_x.com""#,
            "12",
        ] {
            assert_eq!(masked(Mask::Email, token), None, "{token}");
        }
    }

    #[test]
    fn a_date_keeps_its_year_or_its_month() {
        holds(&[
            (Mask::Year, r#""1990-02-28""#, Some(r#""1990""#)),
            (Mask::Month, r#""1990-02-28""#, Some(r#""1990-02""#)),
            (Mask::Year, r#""2026-11-23T06:03:10Z""#, Some(r#""2026""#)),
            (Mask::Month, r#""2026-11-23 06:03""#, Some(r#""2026-11""#)),
            (Mask::Year, r#""0000-01-01""#, Some(r#""0000""#)),
            (Mask::Month, r#""\u0031990-02-28""#, Some(r#""1990-02""#)),
        ]);
    }

    #[test]
    fn both_ends_keep_their_characters_of_a_text_that_is_long_enough() {
        let ends = |first, last| Mask::Ends { first, last };
        holds(&[
            (ends(6, 4), r#""4111111111111111""#, Some(r#""411111****1111""#)),
            (ends(6, 4), r#""41111111111111""#, Some(r#""411111****1111""#)),
            (ends(6, 4), r#""4111111111111""#, None),
            (ends(6, 4), "4111111111111111", Some(r#""411111****1111""#)),
            (ends(1, 1), r#""abcdef""#, Some(r#""a****f""#)),
            (ends(1, 1), r#""abcde""#, None),
            (ends(1, 2), r#""\"aaaa😀\u00e9""#, Some(r#""\"****😀é""#)),
            (ends(2, 1), r#""""#, None),
            (ends(u32::MAX, u32::MAX), r#""abcdef""#, None),
            (ends(1, 1), "true", None),
        ]);
    }

    #[test]
    fn an_amount_may_be_a_string() {
        holds(&[
            (step("100"), r#""1249.50""#, Some(r#""1200""#)),
            (step("0.5"), r#""1249.74""#, Some(r#""1249.5""#)),
            (step("0.01"), r#""-0.001""#, Some(r#""0""#)),
            (step("1"), r#""1e2""#, Some(r#""100""#)),
            (step("1"), r#""\u0031\u002e5""#, Some(r#""2""#)),
            (step("100"), "1249.50", Some("1200")),
        ]);
        for text in [
            "", " 1", "1 ", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "--1", "1,5", "0x1", "1_0", "١", "Infinity",
            "1.5.1", "€5", "-",
        ] {
            assert_eq!(masked(step("1"), &format!("\"{text}\"")), None, "`{text}` is not a number as JSON spells it");
        }
        assert_eq!(masked(step("1"), &format!("\"{}\"", "1".repeat(65))), None, "a number that is too long");
    }

    #[test]
    fn a_partial_date_keeps_what_it_has() {
        holds(&[
            (Mask::Year, r#""1984-05""#, Some(r#""1984""#)),
            (Mask::Year, r#""1984""#, Some(r#""1984""#)),
            (Mask::Month, r#""1984-05""#, Some(r#""1984-05""#)),
            (Mask::Month, r#""1984""#, None),
            (Mask::Year, r#""1984-13""#, None),
            (Mask::Month, r#""1984-00""#, None),
            (Mask::Year, r#""1984-""#, None),
            (Mask::Year, r#""1984-05-""#, None),
            (Mask::Year, r#""1984-0""#, None),
            (Mask::Year, r#""1984-05-1""#, None),
            (Mask::Year, r#""1984 ""#, None),
            (Mask::Year, r#""198""#, None),
            (Mask::Year, r#""19840""#, None),
            (Mask::Year, r#""198405""#, None),
            (Mask::Year, r#""1984051""#, None),
            (Mask::Year, r#""1984/05""#, None),
            (Mask::Year, r#""198x""#, None),
            (Mask::Year, "1984", None),
            (Mask::Month, r#""\u00311984-05""#, None),
            (Mask::Year, r#""\u0031984""#, Some(r#""1984""#)),
        ]);
    }

    #[test]
    fn a_date_without_hyphens_is_a_date() {
        holds(&[
            (Mask::Year, r#""19840517""#, Some(r#""1984""#)),
            (Mask::Month, r#""19840517""#, Some(r#""1984-05""#)),
            (Mask::Year, r#""19841317""#, None),
            (Mask::Year, r#""19840230""#, None),
            (Mask::Year, r#""1984051x""#, None),
            (Mask::Year, r#""198405171""#, None),
            (Mask::Year, r#""1984051712""#, None),
            (Mask::Year, r#""19840517T10""#, None),
            (Mask::Year, r#""1984-051""#, None),
            (Mask::Year, r#""1984-5-1""#, None),
            (Mask::Year, "19840517", None),
        ]);
    }

    #[test]
    fn a_date_that_the_calendar_does_not_have_is_blank() {
        for (date, exists) in [
            ("2024-02-29", true),
            ("2023-02-29", false),
            ("2000-02-29", true),
            ("1900-02-29", false),
            ("2023-04-30", true),
            ("2023-04-31", false),
            ("2023-12-31", true),
            ("2023-12-32", false),
            ("2023-01-00", false),
            ("2023-00-01", false),
            ("2023-13-01", false),
            ("2023/01/01", false),
            ("2023-1-01", false),
            ("23-01-01", false),
            ("2023-01-0", false),
            (" 2023-01-01", false),
            ("2023-0१-01", false),
            ("01.02.2023", false),
            ("", false),
        ] {
            let token = format!("\"{date}\"");
            assert_eq!(masked(Mask::Year, &token).is_some(), exists, "{date}");
            assert_eq!(masked(Mask::Month, &token).is_some(), exists, "{date}");
        }
        assert_eq!(masked(Mask::Year, "20230101"), None);
    }

    #[test]
    fn initials_are_the_first_letter_of_each_word() {
        holds(&[
            (Mask::Initials, r#""Anna Schmidt""#, Some(r#""A.S.""#)),
            (Mask::Initials, r#""  anna\tvon  der\nLeyen ""#, Some(r#""a.v.d.L.""#)),
            (Mask::Initials, r#""(Émile) 3Zola 42""#, Some(r#""É.Z.""#)),
            (Mask::Initials, r#""Jean-Luc O'Neill""#, Some(r#""J.O.""#)),
            (Mask::Initials, "\"王\u{3000}小明\"", Some("\"王.小.\"")),
            (Mask::Initials, r#""42 -""#, None),
            (Mask::Initials, r#""""#, None),
            (Mask::Initials, "42", None),
        ]);
    }

    proptest! {
        #[test]
        fn a_mask_is_one_json_string_or_nothing(text: String, n in 1u32..5) {
            let token = serde_json::to_string(&text).unwrap();
            for form in Mask::EACH.iter().copied().chain([Mask::First(n), Mask::Last(n)]) {
                if let Some(out) = masked(form, &token) {
                    serde_json::from_str::<String>(&out).unwrap();
                }
            }
        }

        #[test]
        fn first_and_last_reveal_n_characters_and_no_length(text: String, n in 1u32..4) {
            let token = serde_json::to_string(&text).unwrap();
            let chars: Vec<char> = text.chars().collect();
            let n_chars = n as usize;
            let enough = chars.len() >= 2 * n_chars;
            let read = |form| masked(form, &token).map(|out| serde_json::from_str::<String>(&out).unwrap());
            let first = enough.then(|| chars[..n_chars].iter().collect::<String>() + "****");
            let last = enough.then(|| String::from("****") + &chars[chars.len() - n_chars..].iter().collect::<String>());
            prop_assert_eq!(read(Mask::First(n)), first);
            prop_assert_eq!(read(Mask::Last(n)), last);
        }
    }
}
