//! [`Region`]: whose national telephone numbers a policy looks for (rule 27), and what is known of numbering plans.

mod plans;

use std::fmt;

use self::plans::{COUNTRIES, REGIONS};

/// Digits of the longest number, its country code included.
pub const LONGEST: usize = 19;

/// A region with telephone numbers of its own: its row among the plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u8);

impl Region {
    /// The region of two capital letters, if it has numbers.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name: [u8; 2] = name.as_bytes().try_into().ok()?;
        let row = REGIONS.binary_search_by_key(&name, |(region, ..)| *region).ok()?;
        u8::try_from(row).ok().map(Self)
    }

    /// The names of all regions, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        REGIONS.iter().filter_map(|(region, ..)| std::str::from_utf8(region).ok())
    }

    /// Whether digits are a number as the region writes it: with its trunk prefix, without it where that is usual, or with
    /// `00` and its country code.
    #[must_use]
    pub fn has(self, digits: &[u8]) -> bool {
        let Some((_, country, trunk, bare, lengths, first)) = REGIONS.get(usize::from(self.0)) else { return false };
        let fits = |number: &[u8]| {
            let [one, other, ..] = number else { return false };
            let begins = u32::from(*one).saturating_mul(10).saturating_add(u32::from(*other));
            is_length(number, *lengths) && first.checked_shr(begins).is_some_and(|first| first & 1 == 1)
        };
        let abroad = digits.strip_prefix(&[0, 0]).and_then(|rest| strip_country(rest, *country));
        ((*bare || trunk.is_empty()) && fits(digits))
            || (!trunk.is_empty() && digits.strip_prefix(*trunk).is_some_and(fits))
            || abroad.is_some_and(fits)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::names().nth(usize::from(self.0)).unwrap_or_default())
    }
}

/// Digits of the country code, if these are one and a number of that country, a trunk `0` between them or not.
#[must_use]
pub fn country(digits: &[u8]) -> Option<usize> {
    let mut code = 0u16;
    digits.iter().take(3).zip(1..).find_map(|(digit, width)| {
        code = code.wrapping_mul(10).wrapping_add(u16::from(*digit));
        let row = COUNTRIES.binary_search_by_key(&code, |(country, ..)| *country).ok()?;
        let (_, lengths, first) = COUNTRIES.get(row)?;
        let fits = |number: &[u8]| {
            number.first().is_some_and(|digit| first & (1u16 << (digit % 16)) != 0)
                && is_length(number, *lengths)
                // North America: the exchange begins as the area does.
                && (code != 1 || number.get(3).is_some_and(|digit| *digit >= 2))
        };
        let number = digits.get(width..)?;
        (fits(number) || number.strip_prefix(&[0]).is_some_and(fits)).then_some(width)
    })
}

fn is_length(number: &[u8], lengths: u32) -> bool {
    u32::try_from(number.len()).ok().and_then(|length| lengths.checked_shr(length)).is_some_and(|bit| bit & 1 == 1)
}

/// The digits after a country code; a country code of one digit begins no other.
fn strip_country(digits: &[u8], country: u16) -> Option<&[u8]> {
    let width = match country {
        0..=9 => 1,
        10..=99 => 2,
        _ => 3,
    };
    let (code, number) = digits.split_at_checked(width)?;
    let value = code.iter().fold(0u16, |value, digit| value.wrapping_mul(10).wrapping_add(u16::from(*digit)));
    (value == country).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_are_in_order_so_that_they_can_be_looked_up() {
        assert!(REGIONS.is_sorted_by(|one, other| one.0 < other.0));
        assert!(COUNTRIES.is_sorted_by(|one, other| one.0 < other.0));
    }

    #[test]
    fn a_region_has_the_numbers_of_its_plan() {
        let rows = [
            ("ES", "612345678", true),
            ("ES", "412345678", false),
            ("ES", "61234567", false),
            ("US", "5103041234", true),
            ("US", "15103041234", true),
            ("US", "1103041234", false),
            ("GB", "02079460958", true),
            ("GB", "2079460958", false),
            ("GB", "00442079460958", true),
            ("RU", "89123456789", true),
            ("CN", "13812345678", true),
        ];
        for (region, digits, expected) in rows {
            let digits: Vec<u8> = digits.bytes().map(|digit| digit & 0xf).collect();
            assert_eq!(Region::named(region).map(|region| region.has(&digits)), Some(expected), "{region} {digits:?}");
        }
        assert_eq!((Region::named("XX"), Region::named("es"), Region::named("ESP")), (None, None, None));
    }
}
