//! A place in a text, and what can be said of it.

/// A place in a text. Reading past the end finds nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The place `at` bytes into `text`.
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// How many bytes into the text this is.
    pub(super) fn at(self) -> usize {
        self.at
    }

    /// The byte here.
    pub(super) fn peek(self) -> Option<u8> {
        self.ahead(0)
    }

    /// The byte `distance` bytes on.
    pub(super) fn ahead(self, distance: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at.saturating_add(distance)).copied()
    }

    /// The byte `distance` bytes back, the one just passed being at 1.
    pub(super) fn behind(self, distance: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at.checked_sub(distance)?).copied()
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// Passes `byte` if it stands here.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        if here {
            self.advance(1);
        }
        here
    }

    /// Passes a decimal digit and answers its value.
    pub(super) fn digit(&mut self) -> Option<u8> {
        let byte = self.peek().filter(u8::is_ascii_digit)?;
        self.advance(1);
        Some(byte & 0xf)
    }

    /// Passes exactly `N` decimal digits.
    pub(super) fn digits<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut digits = [0; N];
        for place in &mut digits {
            *place = self.digit()?;
        }
        Some(digits)
    }

    /// The bytes of the one separator that stands here: a space, also a fixed or narrow one, or a hyphen.
    pub(super) fn separator(self) -> Option<&'a [u8]> {
        let length = match (self.peek()?, self.ahead(1), self.ahead(2)) {
            (b' ' | b'-', _, _) => 1,
            (0xc2, Some(0xa0), _) => 2,
            // U+2010 and U+2011 hyphens, U+202F narrow no-break space.
            (0xe2, Some(0x80), Some(0x90 | 0x91 | 0xaf)) => 3,
            _ => return None,
        };
        self.text.as_bytes().get(self.at..)?.get(..length)
    }

    /// Whether the character just passed belongs to a word: a number that starts here is part of something else.
    pub(super) fn word_behind(self) -> bool {
        self.text.get(..self.at).and_then(|text| text.chars().next_back()).is_some_and(is_word)
    }

    /// Whether the character here belongs to a word.
    pub(super) fn word_ahead(self) -> bool {
        self.text.get(self.at..).and_then(|text| text.chars().next()).is_some_and(is_word)
    }

    /// Whether one of `joints` and then a digit stand here: a number that ends here goes on.
    pub(super) fn goes_on(self, joints: &[u8]) -> bool {
        self.peek().is_some_and(|byte| joints.contains(&byte))
            && self.ahead(1).is_some_and(|byte| byte.is_ascii_digit())
    }

    /// Whether a digit and then one of `joints` were just passed: a number that starts here began before.
    pub(super) fn went_before(self, joints: &[u8]) -> bool {
        self.behind(1).is_some_and(|byte| joints.contains(&byte))
            && self.behind(2).is_some_and(|byte| byte.is_ascii_digit())
    }

    /// Where a date that starts here ends: `YYYY-MM-DD`, or day and month in either order and a year of four or two
    /// digits, with `-`, `.`, `/` or a space between.
    pub(super) fn date(mut self) -> Option<usize> {
        if self.word_behind() {
            return None;
        }
        let (first, first_length) = self.short_number()?;
        let joint = self.peek().filter(|byte| matches!(byte, b'-' | b'.' | b'/' | b' '))?;
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
            (1 | 2, 1 | 2, 2) => day_and_month(first, second) && !self.goes_on(&[joint]),
            _ => false,
        };
        (fits && !self.word_ahead()).then_some(self.at)
    }

    /// Passes one to four digits with no fifth behind them; answers their value and how many they are.
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

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}
