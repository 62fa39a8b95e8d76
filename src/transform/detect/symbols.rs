//! [`Symbols`]: a text as the detectors read it, one byte for each character.
//!
//! People, keyboards and word processors spell one number in many ways: full-width or Arabic digits, en dashes, non-breaking
//! spaces, and between them characters that nobody sees. Here a character is what it stands for: a digit, a letter, a dash,
//! a space, or nothing at all. An ASCII text is read as it is, without a copy.

use std::borrow::Cow;

/// A letter or number beyond ASCII.
pub(super) const LETTER: u8 = 0x80;
/// Another character beyond ASCII that may be part of an address: a mark, a sign.
pub(super) const OTHER: u8 = 0x81;
/// Punctuation beyond ASCII.
const PUNCTUATION: u8 = 0x82;

/// A text, one byte for each character that can be seen.
#[derive(Debug)]
pub(super) struct Symbols<'t> {
    text: &'t str,
    bytes: Cow<'t, [u8]>,
    /// Where the character of each symbol starts; none where symbols are the text's bytes.
    starts: Vec<u32>,
}

impl<'t> Symbols<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        if text.is_ascii() {
            return Self { text, bytes: Cow::Borrowed(text.as_bytes()), starts: Vec::new() };
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut starts = Vec::with_capacity(text.len());
        for (start, char) in text.char_indices() {
            if let (Some(symbol), Ok(start)) = (symbol(char), u32::try_from(start)) {
                bytes.push(symbol);
                starts.push(start);
            }
        }
        Self { text, bytes: Cow::Owned(bytes), starts }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first symbol whose character starts at or after a place of the text.
    pub(super) fn at(&self, place: usize) -> usize {
        match self.bytes {
            Cow::Borrowed(_) => place,
            Cow::Owned(_) => {
                self.starts.partition_point(|start| usize::try_from(*start).is_ok_and(|start| start < place))
            }
        }
    }

    /// The bytes of the text that symbols from `start` up to `end` stand for. What cannot be seen at either end is not
    /// among them.
    pub(super) fn span(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        if matches!(self.bytes, Cow::Borrowed(_)) {
            return Some((start, end));
        }
        let place = |at: usize| self.starts.get(at).and_then(|start| usize::try_from(*start).ok());
        let last = place(end.checked_sub(1)?)?;
        let length = self.text.get(last..)?.chars().next()?.len_utf8();
        Some((place(start)?, last.saturating_add(length)))
    }
}

/// What a character is read as; `None` for one that is not seen.
fn symbol(char: char) -> Option<u8> {
    Some(match char {
        '\0'..='\x7f' => char as u8,
        // Soft hyphen, joiners, marks of direction, variation selectors, tags, fillers.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}' => return None,
        // Dashes, hyphens, minus signs.
        '\u{58a}'
        | '\u{5be}'
        | '\u{1806}'
        | '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{207b}'
        | '\u{2212}'
        | '\u{2e3a}'
        | '\u{2e3b}'
        | '\u{301c}'
        | '\u{30a0}'
        | '\u{fe31}'
        | '\u{fe32}'
        | '\u{fe58}'
        | '\u{fe63}' => b'-',
        // Dots of other scripts, and those in the middle of a line.
        '\u{b7}' | '\u{2022}' | '\u{2024}' | '\u{2027}' | '\u{2219}' | '\u{22c5}' | '\u{3002}' | '\u{30fb}'
        | '\u{fe52}' | '\u{ff61}' | '\u{ff65}' => b'.',
        '\u{2044}' | '\u{2215}' => b'/',
        '\u{fe6b}' => b'@',
        '\u{207a}' | '\u{fe62}' => b'+',
        '\u{fe59}' => b'(',
        '\u{fe5a}' => b')',
        // Full-width ASCII.
        '\u{ff01}'..='\u{ff5e}' => u32::from(char).checked_sub(0xfee0).and_then(|code| u8::try_from(code).ok())?,
        _ if char.is_whitespace() => b' ',
        _ => match digit(char) {
            Some(value) => value.wrapping_add(b'0'),
            None if char.is_alphanumeric() => LETTER,
            // Punctuation of Latin-1, general and CJK.
            None if matches!(char, '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}') => {
                PUNCTUATION
            }
            None => OTHER,
        },
    })
}

/// The zeros of decimal digits beyond ASCII (Unicode 16, general category Nd): nine more digits follow each.
#[rustfmt::skip] // A table.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50,
    0x11d50, 0x11da0, 0x11de0, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2,
    0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// The value of a decimal digit of another script.
fn digit(char: char) -> Option<u8> {
    let code = u32::from(char);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    let zero = ZEROS.get(after.checked_sub(1)?)?;
    code.checked_sub(*zero).and_then(|value| u8::try_from(value).ok()).filter(|value| *value < 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_what_it_stands_for() {
        let rows = [
            ("a1 -", "a1 -"),
            ("\u{ff14}\u{660}\u{6f1}\u{967}\u{1d7d0}\u{1d7ff}", "401129"),
            ("1\u{200b}2\u{ad}3\u{2060}\u{feff}4", "1234"),
            ("1\u{2013}2\u{2212}3\u{a0}4\u{3000}5\u{2028}6", "1-2-3 4 5 6"),
            ("a\u{ff20}b\u{ff0e}c\u{3002}d\u{ff0b}", "a@b.c.d+"),
            ("\u{ff29}\u{ff22}", "IB"),
        ];
        for (text, expected) in rows {
            assert_eq!(String::from_utf8_lossy(Symbols::of(text).bytes()), expected, "{text}");
        }
        assert_eq!(Symbols::of("\u{e9}\u{1f600}\u{bb}").bytes(), [LETTER, OTHER, PUNCTUATION]);
    }

    #[test]
    fn the_zeros_are_in_order_and_apart() {
        assert!(ZEROS.is_sorted_by(|one, other| one.saturating_add(10) <= *other));
        assert!(ZEROS.iter().all(|zero| char::from_u32(*zero).is_some_and(char::is_numeric)));
    }

    #[test]
    fn a_span_is_that_of_the_text() {
        let symbols = Symbols::of("\u{200b}\u{e9}1\u{200b}2\u{ad} x");
        assert_eq!(symbols.bytes(), [LETTER, b'1', b'2', b' ', b'x']);
        assert_eq!(
            (symbols.span(0, 1), symbols.span(1, 3), symbols.span(4, 5)),
            (Some((3, 5)), Some((5, 10)), Some((13, 14)))
        );
        assert_eq!((symbols.at(0), symbols.at(5), symbols.at(6), symbols.at(14)), (0, 1, 2, 5));
        let ascii = Symbols::of("ab");
        assert_eq!((ascii.span(0, 2), ascii.at(1)), (Some((0, 2)), 1));
    }
}
