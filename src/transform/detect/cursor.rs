//! A position among the symbols of a text, and what is around it.

use super::symbols::LETTER;

/// A position among symbols. Reading past the end finds nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    symbols: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(symbols: &'a [u8], at: usize) -> Self {
        Self { symbols, at }
    }

    pub(super) fn at(self) -> usize {
        self.at
    }

    /// The symbol here.
    pub(super) fn peek(self) -> Option<u8> {
        self.ahead(0)
    }

    /// The symbol `distance` on.
    pub(super) fn ahead(self, distance: usize) -> Option<u8> {
        self.symbols.get(self.at.saturating_add(distance)).copied()
    }

    /// The symbol `distance` back, the one just passed being at 1.
    pub(super) fn behind(self, distance: usize) -> Option<u8> {
        self.symbols.get(self.at.checked_sub(distance)?).copied()
    }

    pub(super) fn advance(&mut self, symbols: usize) {
        self.at = self.at.saturating_add(symbols);
    }

    /// Passes `symbol` if it is here.
    pub(super) fn eat(&mut self, symbol: u8) -> bool {
        let here = self.peek() == Some(symbol);
        if here {
            self.advance(1);
        }
        here
    }

    /// Passes a decimal digit and answers its value.
    pub(super) fn digit(&mut self) -> Option<u8> {
        let symbol = self.peek().filter(u8::is_ascii_digit)?;
        self.advance(1);
        Some(symbol & 0xf)
    }

    /// Passes exactly `N` decimal digits.
    pub(super) fn digits<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut digits = [0; N];
        for place in &mut digits {
            *place = self.digit()?;
        }
        Some(digits)
    }

    /// Passes what separates two groups of one number, one to three symbols: spaces, or one of `joints` with or without
    /// spaces around it. Passes nothing where something else is.
    pub(super) fn gap(&mut self, joints: &[u8]) -> Option<Gap> {
        let (mut gap, mut length) = (Gap::Space, 0usize);
        while let Some(symbol) = self.ahead(length) {
            if is_space(symbol) {
            } else if joints.contains(&symbol) && gap == Gap::Space {
                gap = Gap::Joint(symbol);
            } else {
                break;
            }
            length = length.saturating_add(1);
        }
        if !(1..=3).contains(&length) {
            return None;
        }
        self.advance(length);
        Some(gap)
    }

    /// Whether the symbol just passed is a letter or digit: a number that starts here is part of something else.
    pub(super) fn word_behind(self) -> bool {
        self.behind(1).is_some_and(is_word)
    }

    /// Whether the symbol here is a letter or digit.
    pub(super) fn word_ahead(self) -> bool {
        self.peek().is_some_and(is_word)
    }

    /// Whether a number may start here: after no digit, and after letters only where they are a word of two or more by
    /// itself, as in `SSN123-45-6789`.
    pub(super) fn may_start(self) -> bool {
        let mut letters = 0usize;
        while letters < LONGEST_WORD && self.behind(letters.saturating_add(1)).is_some_and(is_letter) {
            letters = letters.saturating_add(1);
        }
        let before = self.behind(letters.saturating_add(1));
        letters != 1 && !before.is_some_and(is_word)
    }

    /// Whether a dash and a word of letters and digits that could be hexadecimal follow: this is a part of an identifier.
    pub(super) fn hexadecimal_ahead(self) -> bool {
        self.peek() == Some(b'-') && is_hexadecimal((1..=40).map_while(|distance| self.ahead(distance)))
    }

    /// Whether such a word and a dash were just passed.
    pub(super) fn hexadecimal_behind(self) -> bool {
        self.behind(1) == Some(b'-') && is_hexadecimal((2..=40).map_while(|distance| self.behind(distance)))
    }

    /// Whether one of `joints` and then a digit are here: a number that ends here goes on.
    pub(super) fn goes_on(self, joints: &[u8]) -> bool {
        self.peek().is_some_and(|symbol| joints.contains(&symbol))
            && self.ahead(1).is_some_and(|symbol| symbol.is_ascii_digit())
    }

    /// Whether a digit and then one of `joints` were just passed: a number that starts here began before.
    pub(super) fn went_before(self, joints: &[u8]) -> bool {
        self.behind(1).is_some_and(|symbol| joints.contains(&symbol))
            && self.behind(2).is_some_and(|symbol| symbol.is_ascii_digit())
    }

    /// Where a UUID that starts here ends (RFC 9562): 8, 4, 4, 4 and 12 hexadecimal digits with dashes between.
    pub(super) fn uuid(mut self) -> Option<usize> {
        if [8, 13, 18, 23].iter().any(|dash| self.ahead(*dash) != Some(b'-')) || self.word_behind() {
            return None;
        }
        for length in [8, 4, 4, 4, 12usize] {
            for _ in 0..length {
                self.peek().filter(u8::is_ascii_hexdigit)?;
                self.advance(1);
            }
            if length != 12 {
                self.advance(1);
            }
        }
        (!self.word_ahead()).then_some(self.at)
    }

    /// Where the number of a book that starts here ends (ISBN-13): `978` or `979` and ten digits, the last a check digit, in
    /// groups with one space or dash between.
    pub(super) fn book(mut self) -> Option<usize> {
        if !matches!([self.peek(), self.ahead(1), self.ahead(2)], [Some(b'9'), Some(b'7'), Some(b'8' | b'9')])
            || self.word_behind()
        {
            return None;
        }
        // At most 13 times 27: it does not fit a byte.
        let mut sum = 0u16;
        for place in 0..13u8 {
            if place > 0 && self.peek().is_some_and(|symbol| symbol == b' ' || symbol == b'-') {
                self.advance(1);
            }
            let weight = if place % 2 == 0 { 1 } else { 3 };
            sum = sum.wrapping_add(u16::from(self.digit()?).wrapping_mul(weight));
        }
        (sum.is_multiple_of(10) && !self.word_ahead()).then_some(self.at)
    }

    /// Where the number of a device that starts here ends (IMEI) in groups: 2, 6, 6 and 1 digits with one space or dash between.
    pub(super) fn device(mut self) -> Option<usize> {
        let joint = self.ahead(2).filter(|symbol| matches!(symbol, b' ' | b'-'))?;
        if self.ahead(9) != Some(joint) || self.ahead(16) != Some(joint) || self.word_behind() {
            return None;
        }
        let _: [u8; 2] = self.digits()?;
        self.advance(1);
        let _: [u8; 6] = self.digits()?;
        self.advance(1);
        let _: [u8; 6] = self.digits()?;
        self.advance(1);
        let _: [u8; 1] = self.digits()?;
        (!self.word_ahead()).then_some(self.at)
    }

    /// Where a date that starts here ends: `YYYY-MM-DD`, or day and month in either order and a year of four or two
    /// digits, with `-`, `.`, `/` or a space between.
    pub(super) fn date(self) -> Option<usize> {
        self.date_of(&[2, 4])
    }

    /// Where a date with all four digits of its year ends.
    pub(super) fn full_date(self) -> Option<usize> {
        self.date_of(&[4])
    }

    fn date_of(mut self, years: &[usize]) -> Option<usize> {
        if self.word_behind() {
            return None;
        }
        let (first, first_length) = self.short_number()?;
        let joint = self.peek().filter(|symbol| matches!(symbol, b'-' | b'.' | b'/' | b' '))?;
        self.advance(1);
        let (second, second_length) = self.short_number()?;
        if !self.eat(joint) {
            return None;
        }
        let (third, third_length) = self.short_number()?;
        let day_and_month = |one: u16, other: u16| matches!((one, other), (1..=12, 1..=31) | (1..=31, 1..=12));
        let is_year = |year: u16| (1800..2200).contains(&year);
        let fits = match (first_length, second_length, third_length) {
            (4, 2, 2) => is_year(first) && day_and_month(second, third),
            (1 | 2, 1 | 2, 4) => is_year(third) && day_and_month(first, second),
            // Pairs that go on are no date: 01 12 34 56 78 is a French telephone number.
            (1 | 2, 1 | 2, 2) => years.contains(&2) && day_and_month(first, second) && !self.goes_on(&[joint]),
            _ => false,
        };
        (fits && !self.word_ahead()).then_some(self.at)
    }

    /// Passes one to four digits with no fifth after them; answers their value and how many they are.
    fn short_number(&mut self) -> Option<(u16, usize)> {
        let mut value = 0u16;
        let mut length = 0usize;
        while let Some(digit) = self.digit() {
            length = length.saturating_add(1);
            if length > 4 {
                return None;
            }
            value = value.wrapping_mul(10).wrapping_add(u16::from(digit));
        }
        (length > 0).then_some((value, length))
    }
}

/// What separates two groups of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    Space,
    Joint(u8),
}

/// Letters that are looked at before a number: a longer word is taken for one.
const LONGEST_WORD: usize = 24;

fn is_hexadecimal(word: impl Iterator<Item = u8>) -> bool {
    let (mut digits, mut letters) = (false, false);
    for symbol in word.take_while(|symbol| is_word(*symbol)) {
        if !symbol.is_ascii_hexdigit() {
            return false;
        }
        digits |= symbol.is_ascii_digit();
        letters |= symbol.is_ascii_alphabetic();
    }
    digits && letters
}

pub(super) fn is_space(symbol: u8) -> bool {
    matches!(symbol, b' ' | b'\t'..=b'\r')
}

pub(super) fn is_letter(symbol: u8) -> bool {
    symbol.is_ascii_alphabetic() || symbol == LETTER
}

pub(super) fn is_word(symbol: u8) -> bool {
    is_letter(symbol) || symbol.is_ascii_digit()
}
