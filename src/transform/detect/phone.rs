//! Telephone numbers, in the shapes that tell them from other numbers:
//!
//! - international (E.164): `+` or `00`, a country code and 8 to 15 digits in all, together or in groups; under `+1` and `+7`
//!   exactly 11; after `00` without a separator at least 10;
//! - North American: area, exchange and line as 3, 3 and 4 digits with separators or brackets, `1` before them or not, area and
//!   exchange from 200;
//! - national with a trunk `0`: 9 to 12 digits in groups, or 10 or 11 together.
//!
//! Between groups stands one space, hyphen, slash or dot (dots in all places or in none), or a group is in brackets. No find
//! starts or goes on in a date, is part of a word, or lies in a longer number joined by dots or hyphens. National numbers
//! without a trunk `0` are any number, and are left alone.

use super::cursor::Cursor;

/// Where the longest number that starts here ends.
pub(super) fn at(cursor: Cursor<'_>) -> Option<usize> {
    if cursor.word_behind() || matches!(cursor.behind(1), Some(b'#' | b'$' | b'+')) {
        return None;
    }
    let mut inner = cursor;
    let bracket = inner.eat(b'(');
    if inner.eat(b'+') {
        return Groups::new(inner, bracket).longest(international);
    }
    if cursor.went_before(b"-.:") {
        return None;
    }
    match (inner.peek(), inner.ahead(1), inner.ahead(2)) {
        (Some(b'0'), Some(b'0'), Some(b'1'..=b'9')) => {
            inner.advance(2);
            Groups::new(inner, bracket)
                .longest(|number| international(number) && (number.breaks > 0 || number.digits().len() >= 10))
        }
        (Some(b'0'), Some(b'1'..=b'9'), _) => Groups::new(inner, bracket).longest(trunk),
        _ => north_american(cursor),
    }
}

/// A number so far, group by group.
struct Groups<'a> {
    cursor: Cursor<'a>,
    digits: [u8; 15],
    count: usize,
    /// How many separators were passed.
    breaks: usize,
    /// Whether the separators are dots, once there was one.
    dotted: Option<bool>,
    /// Whether a bracket is open.
    bracket: bool,
}

impl<'a> Groups<'a> {
    fn new(cursor: Cursor<'a>, bracket: bool) -> Self {
        Self { cursor, digits: [0; 15], count: 0, breaks: 0, dotted: None, bracket }
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    /// The last end at which what was read is a number by `accepts`.
    fn longest(mut self, accepts: impl Fn(&Self) -> bool) -> Option<usize> {
        let mut longest = None;
        while self.group() {
            let closed = self.bracket && self.cursor.eat(b')');
            if self.bracket != closed {
                break;
            }
            self.bracket = false;
            if accepts(&self) && !self.cursor.word_ahead() && !self.cursor.goes_on(b"-.") {
                longest = Some(self.cursor.at());
            }
            if !self.separate(closed) {
                break;
            }
        }
        longest
    }

    /// Passes a group of digits; `false` where there is none, or there are more than a number can have.
    fn group(&mut self) -> bool {
        let before = self.count;
        while let Some(digit) = self.cursor.digit() {
            let Some(place) = self.digits.get_mut(self.count) else { return false };
            *place = digit;
            self.count = self.count.saturating_add(1);
        }
        self.count > before
    }

    /// Passes what stands between two groups; `false` where no group follows. Behind a bracket nothing need stand.
    fn separate(&mut self, closed: bool) -> bool {
        let dot = self.cursor.peek() == Some(b'.');
        let length = match self.cursor.peek() {
            Some(b'.' | b'/') => 1,
            _ => self.cursor.separator().map_or(0, <[u8]>::len),
        };
        if length > 0 {
            if self.dotted.is_some_and(|dotted| dotted != dot) {
                return false;
            }
            self.dotted = Some(dot);
        }
        self.cursor.advance(length);
        self.bracket = self.cursor.eat(b'(');
        self.breaks = self.breaks.saturating_add(1);
        (length > 0 || closed || self.bracket) && self.cursor.date().is_none()
    }
}

/// A country code and a national number, of the lengths that E.164 and the numbering plans of `+1` and `+7` have.
fn international(number: &Groups<'_>) -> bool {
    match number.digits() {
        [1, area, _, _, exchange, rest @ ..] => *area >= 2 && *exchange >= 2 && rest.len() == 6,
        [1, ..] | [0, ..] => false,
        digits @ [7, ..] => digits.len() == 11,
        digits => (8..=15).contains(&digits.len()),
    }
}

/// A trunk `0` and a national number.
fn trunk(number: &Groups<'_>) -> bool {
    let length = number.digits().len();
    match (number.breaks, number.dotted) {
        (0, _) => (10..=11).contains(&length),
        // One dot is a decimal.
        (1, Some(true)) => false,
        _ => (9..=12).contains(&length),
    }
}

/// Area, exchange and line of the North American plan.
fn north_american(mut cursor: Cursor<'_>) -> Option<usize> {
    if cursor.peek() == Some(b'1') {
        cursor.advance(1);
        pass_joint(&mut cursor)?;
    }
    let bracket = cursor.eat(b'(');
    let area: [u8; 3] = cursor.digits()?;
    let dotted = if bracket {
        if !cursor.eat(b')') {
            return None;
        }
        pass_joint(&mut cursor).unwrap_or(false)
    } else {
        pass_joint(&mut cursor)?
    };
    let exchange: [u8; 3] = cursor.digits()?;
    if pass_joint(&mut cursor)? != dotted {
        return None;
    }
    let _line: [u8; 4] = cursor.digits()?;
    let given_out = matches!((area, exchange), ([2..=9, _, _], [2..=9, _, _]));
    (given_out && !cursor.word_ahead() && !cursor.goes_on(b"-.")).then(|| cursor.at())
}

/// Passes a separator; answers whether it is a dot.
fn pass_joint(cursor: &mut Cursor<'_>) -> Option<bool> {
    if cursor.eat(b'.') {
        return Some(true);
    }
    let separator = cursor.separator()?;
    cursor.advance(separator.len());
    Some(false)
}
