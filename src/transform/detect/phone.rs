//! Telephone numbers, in the shapes that tell them from other numbers:
//!
//! - international (E.164): `+`, a country code and as many digits as numbers of that country have, together or in groups; or
//!   `00` in place of `+`, in groups or with at least twelve digits after it;
//! - North American: area, exchange and line as 3, 3 and 4 digits with separators or brackets, `1` before them or not, area and
//!   exchange from 200;
//! - national with a trunk `0`: 9 to 12 digits in groups, the first of at most six; together they are any number;
//! - national numbers of the regions that a policy names: as long as that region's numbers and beginning as they do, together
//!   or in groups, with the region's trunk prefix where it is always written.
//!
//! Between groups are one or two spaces, or a dash, slash or dot with or without spaces, or a group is in brackets. No find is
//! part of a longer run of letters or digits, and none but an international one starts or goes on in a date, or lies in a
//! longer number joined by dots or dashes.

use super::cursor::{Cursor, Gap, is_space};
use crate::model::region::{self, Region};

/// Separators in one number: nobody writes each digit by itself.
const MOST_BREAKS: usize = 8;

/// Where the longest number that starts here ends, of those that are a telephone number everywhere.
pub(super) fn at(cursor: Cursor<'_>) -> Option<usize> {
    let mut inner = cursor;
    let bracket = inner.eat(b'(');
    if inner.eat(b'+') {
        return international(cursor, inner, bracket);
    }
    if !national_start(cursor) {
        return None;
    }
    match (inner.peek(), inner.ahead(1), inner.ahead(2)) {
        (Some(b'0'), Some(b'0'), Some(b'1'..=b'9')) => {
            inner.advance(2);
            Groups::new(inner, bracket, Plan::Trunk).longest(|number| {
                let grouped = number.breaks > 0 && number.first <= 5;
                (grouped || number.breaks == 0 && number.digits().len() >= 12) && abroad(number)
            })
        }
        (Some(b'0'), Some(b'1'..=b'9'), _) => {
            pairs(inner).filter(|_| !bracket).max(Groups::new(inner, bracket, Plan::Trunk).longest(trunk))
        }
        _ => north_american(cursor),
    }
}

/// Where the longest national number of one of these regions that starts here ends.
pub(super) fn of_regions(cursor: Cursor<'_>, regions: &[Region]) -> Option<usize> {
    let mut inner = cursor;
    let bracket = inner.eat(b'(');
    if regions.is_empty() || !inner.peek()?.is_ascii_digit() || !national_start(cursor) {
        return None;
    }
    Groups::new(inner, bracket, Plan::Region).longest(|number| regions.iter().any(|region| region.has(number.digits())))
}

/// Whether a number without `+` may start here.
fn national_start(cursor: Cursor<'_>) -> bool {
    !cursor.word_behind()
        && !matches!(cursor.behind(1), Some(b'#' | b'$' | b'+'))
        && !cursor.went_before(b"-.:,")
        && !cursor.hexadecimal_behind()
}

/// A number after its `+`, which `inner` has passed.
fn international(cursor: Cursor<'_>, inner: Cursor<'_>, bracket: bool) -> Option<usize> {
    if !cursor.may_start() || matches!(cursor.behind(1), Some(b'#' | b'$' | b'+')) {
        return None;
    }
    Groups::new(inner, bracket, Plan::International).longest(abroad)
}

/// A number so far, group by group.
struct Groups<'a> {
    cursor: Cursor<'a>,
    digits: [u8; region::LONGEST],
    count: usize,
    /// How many separators were passed.
    breaks: usize,
    /// Groups of at most three digits.
    short: usize,
    /// Digits of the first group, and of the last.
    first: usize,
    last: usize,
    /// Separators that are dots.
    dots: usize,
    /// Whether the last separator was a dot, once there was one.
    dotted: Option<bool>,
    /// Whether a bracket is open.
    bracket: bool,
    plan: Plan,
}

/// What tells that digits are a telephone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// A `+`.
    International,
    /// The numbers of a region.
    Region,
    /// A `0` or two, and how they are in groups.
    Trunk,
}

impl<'a> Groups<'a> {
    fn new(cursor: Cursor<'a>, bracket: bool, plan: Plan) -> Self {
        let digits = [0; region::LONGEST];
        Self { cursor, digits, count: 0, breaks: 0, short: 0, first: 0, last: 0, dots: 0, dotted: None, bracket, plan }
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    /// The last end at which what was read is a number by `accepts`.
    fn longest(mut self, accepts: impl Fn(&Self) -> bool) -> Option<usize> {
        let mut longest = None;
        // A space between `+` and the number.
        if self.cursor.peek().is_some_and(is_space) {
            self.cursor.advance(1);
        }
        while self.group() {
            let closed = self.bracket && self.cursor.eat(b')');
            if self.bracket != closed {
                break;
            }
            self.bracket = false;
            let whole = self.ends() && accepts(&self);
            // A number that is in brackets as a whole begins after the bracket.
            if whole && !(closed && self.breaks == 0) {
                longest = Some(self.cursor.at());
            }
            if self.breaks > MOST_BREAKS || !self.separate(closed, whole) {
                break;
            }
        }
        longest
    }

    /// Whether a number may end here.
    fn ends(&self) -> bool {
        // A short group before a colon is a time of day.
        if !ends(self.cursor) || self.breaks > 0 && self.last <= 2 && self.cursor.goes_on(b":") {
            return false;
        }
        if self.plan != Plan::International {
            return !self.cursor.goes_on(b"-.") && !self.cursor.hexadecimal_ahead();
        }
        // An amount with a sign.
        let cents = self.dotted == Some(true) && self.dots == 1 && self.last <= 2;
        !cents && !is_decimal(self.cursor)
    }

    /// Passes a group of digits; `false` where there is none, or there are more than a number can have.
    fn group(&mut self) -> bool {
        let before = self.count;
        while let Some(digit) = self.cursor.digit() {
            let Some(place) = self.digits.get_mut(self.count) else { return false };
            *place = digit;
            self.count = self.count.saturating_add(1);
        }
        self.last = self.count.saturating_sub(before);
        self.short = self.short.saturating_add(usize::from(self.last <= 3));
        if self.breaks == 0 {
            self.first = self.last;
        }
        self.count > before
    }

    /// Passes what is between two groups; `false` where no group follows. After a bracket nothing need be. `whole`: whether
    /// what was read is a number by itself.
    fn separate(&mut self, closed: bool, whole: bool) -> bool {
        let gap = self.cursor.gap(b"-./");
        if let Some(gap) = gap {
            let dot = gap == Gap::Joint(b'.');
            if self.dotted.is_some_and(|dotted| dotted != dot) && (self.plan != Plan::International || whole) {
                return false;
            }
            self.dotted = Some(dot);
            self.dots = self.dots.saturating_add(usize::from(dot));
        }
        self.bracket = self.cursor.eat(b'(');
        self.breaks = self.breaks.saturating_add(1);
        let date = match self.plan {
            Plan::Trunk => self.cursor.date(),
            // The last pairs of a number may look like a day.
            Plan::International | Plan::Region if whole => self.cursor.full_date(),
            Plan::International | Plan::Region => None,
        };
        (gap.is_some() || closed || self.bracket) && date.is_none()
    }
}

/// Whether a decimal's separator and one or two digits are here, and nothing more of a number.
fn is_decimal(cursor: Cursor<'_>) -> bool {
    let digit = |distance: usize| cursor.ahead(distance).is_some_and(|symbol| symbol.is_ascii_digit());
    let length = if digit(2) { 3 } else { 2 };
    cursor.goes_on(b".,")
        && !digit(length)
        && !(cursor.ahead(length) == cursor.peek() && digit(length.saturating_add(1)))
}

/// Whether the run of digits ends here; an extension may follow at once, as in `x12`.
fn ends(cursor: Cursor<'_>) -> bool {
    let extension = matches!((cursor.peek(), cursor.ahead(1)), (Some(b'x' | b'X'), Some(b'0'..=b'9')))
        || [b'e', b'x', b't']
            .iter()
            .enumerate()
            .all(|(distance, letter)| cursor.ahead(distance).is_some_and(|symbol| symbol.eq_ignore_ascii_case(letter)));
    extension || !cursor.word_ahead()
}

/// A country code, all of it in the first group, and a number of that country.
fn abroad(number: &Groups<'_>) -> bool {
    region::country(number.digits()).is_some_and(|width| width <= number.first)
}

/// A trunk `0` and a national number in groups.
fn trunk(number: &Groups<'_>) -> bool {
    match (number.breaks, number.dotted) {
        (0, _) => false,
        _ if number.first > 6 => false,
        // One dot is a decimal, and four short groups with dots are an address of a network.
        (1, Some(true)) => false,
        (3, Some(true)) if number.short == 4 => false,
        // A US social security number.
        (2, _) if (number.first, number.digits().len(), number.last) == (3, 9, 4) => false,
        _ => (9..=12).contains(&number.digits().len()),
    }
}

/// Five pairs with one separator, as numbers of France are written, whatever dates are in them.
fn pairs(mut cursor: Cursor<'_>) -> Option<usize> {
    let mut joint = None;
    for pair in 0..5u8 {
        if pair > 0 {
            let here = cursor.peek().filter(|symbol| matches!(symbol, b' ' | b'.' | b'-'))?;
            if *joint.get_or_insert(here) != here {
                return None;
            }
            cursor.advance(1);
        }
        let _: [u8; 2] = cursor.digits()?;
    }
    let goes_on = cursor.goes_on(&[joint?]);
    (!goes_on && ends(cursor)).then(|| cursor.at())
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
        pass_joint(&mut cursor)
    } else {
        Some(pass_joint(&mut cursor)?)
    };
    let exchange: [u8; 3] = cursor.digits()?;
    match pass_joint(&mut cursor) {
        // After a bracket the rest may be together: (510)3041234.
        None if bracket => {}
        joint => {
            if joint? != dotted.unwrap_or(false) {
                return None;
            }
        }
    }
    let _line: [u8; 4] = cursor.digits()?;
    let given_out = matches!((area, exchange), ([2..=9, _, _], [2..=9, _, _]));
    (given_out && ends(cursor) && !cursor.goes_on(b"-.") && !cursor.hexadecimal_ahead()).then(|| cursor.at())
}

/// Passes a separator; answers whether it is a dot.
fn pass_joint(cursor: &mut Cursor<'_>) -> Option<bool> {
    Some(cursor.gap(b"-./")? == Gap::Joint(b'.'))
}
