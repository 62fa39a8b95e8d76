//! [`Mask`]: how a field looks at mask (rules 20 to 22).

use std::fmt;

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident $(($($number:tt)*))? $({$($fields:tt)*})? => $one:expr,)*) => {
        /// A form at mask.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Mask {
            $($(#[$doc])* $name $(($($number)*))? $({$($fields)*})?,)*
        }

        impl Mask {
            /// One of each form: what has to know all of them is made of this, or held against it by a test.
            pub const EACH: &'static [Self] = &[$($one,)*];
        }
    };
}

forms! {
    /// First `n` Unicode scalar values, then four asterisks (rule 20).
    First(u32) => Self::First(2),
    /// Four asterisks, then the last `n` Unicode scalar values (rule 20).
    Last(u32) => Self::Last(1),
    /// First `first` Unicode scalar values, four asterisks, last `last` (rule 20).
    Ends {
        /// How many of the start.
        first: u32,
        /// How many of the end.
        last: u32,
    } => Self::Ends { first: 1, last: 2 },
    /// First local character, `***@`, domain (rule 21).
    Email => Self::Email,
    /// `YYYY`, of `YYYY-MM-DD…`, `YYYYMMDD`, `YYYY-MM` or `YYYY` (rule 22).
    Year => Self::Year,
    /// `YYYY-MM` (rule 22).
    Month => Self::Month,
    /// First letter of each word and a full stop (rule 22).
    Initials => Self::Initials,
    /// Nearest multiple of the step, half away from zero (rule 22).
    Round(RoundTo) => Self::Round(RoundTo { digits: 10, places: 0 }),
}

impl Mask {
    /// Whether whoever had the other form loses something with this one, and gains nothing.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        let ends = |of: Self, than: Self| match (of.ends(), than.ends()) {
            (Some((first, last)), Some((more_first, more_last))) => {
                (first > 0, last > 0) == (more_first > 0, more_last > 0) && first <= more_first && last <= more_last
            }
            _ => false,
        };
        let date = |of: Self, than: Self| of.date_parts().zip(than.date_parts()).is_some_and(|(of, than)| of < than);
        let step = |of: Self, than: Self| of.step().zip(than.step()).is_some_and(|(of, than)| of.is_multiple_of(than));
        let shows_less = match self {
            Self::First(_) | Self::Last(_) | Self::Ends { .. } => ends(self, other),
            Self::Year | Self::Month => date(self, other),
            Self::Round(_) => step(self, other),
            // No other form shows more of the same.
            Self::Email | Self::Initials => false,
        };
        self != other && shows_less
    }

    /// How many characters of the start and of the end it leaves.
    #[must_use]
    pub fn ends(self) -> Option<(u32, u32)> {
        match self {
            Self::First(n) => Some((n, 0)),
            Self::Last(n) => Some((0, n)),
            Self::Ends { first, last } => Some((first, last)),
            Self::Email | Self::Year | Self::Month | Self::Initials | Self::Round(_) => None,
        }
    }

    /// The word that a policy writes for it; `None` of a form with a number.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Email => Some("email"),
            Self::Year => Some("year"),
            Self::Month => Some("month"),
            Self::Initials => Some("initials"),
            Self::First(_) | Self::Last(_) | Self::Ends { .. } | Self::Round(_) => None,
        }
    }

    /// How a policy writes it.
    #[must_use]
    pub fn spelled(self) -> String {
        match self {
            Self::First(n) => format!("{{first: {n}}}"),
            Self::Last(n) => format!("{{last: {n}}}"),
            Self::Ends { first, last } => format!("{{first: {first}, last: {last}}}"),
            Self::Round(step) => format!("{{round: {step}}}"),
            Self::Email | Self::Year | Self::Month | Self::Initials => self.word().unwrap_or_default().to_owned(),
        }
    }

    fn date_parts(self) -> Option<u8> {
        match self {
            Self::Year => Some(1),
            Self::Month => Some(2),
            Self::First(_) | Self::Last(_) | Self::Ends { .. } | Self::Email | Self::Initials | Self::Round(_) => None,
        }
    }

    fn step(self) -> Option<RoundTo> {
        match self {
            Self::Round(step) => Some(step),
            Self::First(_)
            | Self::Last(_)
            | Self::Ends { .. }
            | Self::Email
            | Self::Year
            | Self::Month
            | Self::Initials => None,
        }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(n) => write!(f, "first {n}"),
            Self::Last(n) => write!(f, "last {n}"),
            Self::Ends { first, last } => write!(f, "first {first} and last {last}"),
            Self::Round(step) => write!(f, "round {step}"),
            Self::Email | Self::Year | Self::Month | Self::Initials => f.write_str(self.word().unwrap_or_default()),
        }
    }
}

/// What a number is rounded to a multiple of: [`digits`](Self::digits) ÷ 10^[`places`](Self::places), above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoundTo {
    digits: u64,
    places: u8,
}

impl RoundTo {
    /// Most digits behind the point.
    pub const PLACES: u8 = 6;
    /// Most digits in all: what every reader of JSON numbers agrees on (RFC 7493 §2.2).
    const DIGITS: usize = 15;

    /// Reads a decimal above 0, written without an exponent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let places = u8::try_from(fraction.len()).ok().filter(|places| *places <= Self::PLACES)?;
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.len() > Self::DIGITS {
            return None;
        }
        Some(Self { digits: digits.parse().ok()?, places })
    }

    /// The step as a whole number, its point left out.
    #[must_use]
    pub fn digits(self) -> u64 {
        self.digits
    }

    /// How many of its digits are behind the point.
    #[must_use]
    pub fn places(self) -> u8 {
        self.places
    }

    /// Whether it is 0.01 or less.
    #[must_use]
    pub fn is_a_hundredth_at_most(self) -> bool {
        u128::from(self.digits).saturating_mul(100) <= 10u128.saturating_pow(u32::from(self.places))
    }

    /// Whether each of its multiples is one of the other's.
    fn is_multiple_of(self, other: Self) -> bool {
        let scaled = |step: Self| {
            let missing = u32::from(Self::PLACES.saturating_sub(step.places));
            u128::from(step.digits).saturating_mul(10u128.saturating_pow(missing))
        };
        scaled(self).checked_rem(scaled(other)) == Some(0)
    }
}

impl fmt::Display for RoundTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:0width$}", self.digits, width = usize::from(self.places).saturating_add(1));
        match text.split_at_checked(text.len().saturating_sub(usize::from(self.places))) {
            Some((whole, fraction)) if !fraction.is_empty() => write!(f, "{whole}.{fraction}"),
            _ => f.write_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_short_decimal_above_zero() {
        for (text, expected) in [
            ("1", Some("1")),
            ("100", Some("100")),
            ("0.01", Some("0.01")),
            ("0.5", Some("0.5")),
            ("2.50", Some("2.5")),
            ("1.0", Some("1")),
            ("0.000001", Some("0.000001")),
            ("999999999999999", Some("999999999999999")),
            ("0.0000001", None),
            ("1000000000000000", None),
            ("0", None),
            ("0.0", None),
            ("-1", None),
            ("1e2", None),
            (".5", None),
            ("5.", None),
            ("", None),
        ] {
            assert_eq!(RoundTo::parse(text).map(|step| step.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn each_form_is_there_once() {
        for (at, form) in Mask::EACH.iter().enumerate() {
            let alike = |other: &&Mask| std::mem::discriminant(*other) == std::mem::discriminant(form);
            assert_eq!(Mask::EACH.iter().filter(alike).count(), 1, "{form}, at {at}");
        }
    }

    #[test]
    fn a_hundredth_is_a_small_step() {
        for (text, small) in [("0.01", true), ("0.001", true), ("0.02", false), ("0.1", false), ("1", false)] {
            assert_eq!(RoundTo::parse(text).unwrap().is_a_hundredth_at_most(), small, "{text}");
        }
    }

    #[test]
    fn a_form_within_another_shows_less() {
        let round = |text: &str| Mask::Round(RoundTo::parse(text).unwrap());
        let ends = |first, last| Mask::Ends { first, last };
        for (less, more) in [
            (Mask::First(2), Mask::First(3)),
            (Mask::Last(2), Mask::Last(3)),
            (ends(6, 2), ends(6, 4)),
            (Mask::Year, Mask::Month),
            (round("100"), round("10")),
            (round("1"), round("0.01")),
            (round("0.5"), round("0.05")),
        ] {
            assert!(less.is_within(more) && !more.is_within(less), "{less} within {more}");
        }
        for (one, other) in [
            (Mask::First(2), Mask::First(2)),
            (Mask::First(2), Mask::Last(3)),
            (Mask::First(2), ends(2, 2)),
            (ends(2, 4), ends(4, 2)),
            (Mask::Email, Mask::Initials),
            (Mask::Year, round("1")),
            (round("3"), round("2")),
        ] {
            assert!(!one.is_within(other) && !other.is_within(one), "{one} and {other}");
        }
    }
}
