//! [`Moment`] and [`Day`]: as much of time as a policy knows (rule 38), in UTC, without leap seconds.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Days from 0000-03-01 to the epoch, in the proleptic Gregorian calendar.
const BEFORE_EPOCH: u64 = 719_468;

/// Days of 400 years.
const ERA: u64 = 146_097;

/// A moment: seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment of a clock; `None` before the epoch, which no clock that can be trusted shows.
    #[must_use]
    pub fn of(time: SystemTime) -> Option<Self> {
        time.duration_since(UNIX_EPOCH).ok().map(|since| Self(since.as_secs()))
    }

    /// Reads `2027-02-01T00:00:00Z`, or `2027-02-01` for its first second (RFC 3339 §5.6): no offsets, no fractions.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((date, time)) = text.split_once('T') else { return Day::parse(text).map(Day::start) };
        let [hour, minute, second] = numbers(time.strip_suffix('Z')?, ':', [2, 2, 2])?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
        Day::parse(date)?.start().0.checked_add(seconds).map(Self)
    }
}

/// A day: days since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u32);

impl Day {
    /// Its first second, 00:00 UTC.
    #[must_use]
    pub fn start(self) -> Moment {
        Moment(u64::from(self.0).saturating_mul(DAY))
    }

    /// Reads `2027-02-01`, from 1970 on.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let length = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        if year < 1970 || day == 0 || day > length {
            return None;
        }
        // Counted in years that start in March, so that the leap day is the last of its year.
        let (year, month) =
            if month < 3 { (year.checked_sub(1)?, month.checked_add(9)?) } else { (year, month.checked_sub(3)?) };
        let of_year = month.checked_mul(153)?.checked_add(2)?.checked_div(5)?.checked_add(day)?.checked_sub(1)?;
        let leaps = year.checked_div(4)?.checked_sub(year.checked_div(100)?)?.checked_add(year.checked_div(400)?)?;
        let days = year.checked_mul(365)?.checked_add(leaps)?.checked_add(of_year)?.checked_sub(BEFORE_EPOCH)?;
        u32::try_from(days).ok().map(Self)
    }

    /// Year, month and day of the month.
    pub(crate) fn civil(self) -> Option<(u64, u64, u64)> {
        let days = u64::from(self.0).checked_add(BEFORE_EPOCH)?;
        let (era, of_era) = (days.checked_div(ERA)?, days.checked_rem(ERA)?);
        let leaps = of_era.checked_div(1460)?.checked_add(of_era.checked_div(146_096)?)?;
        let year_of_era = of_era.checked_add(of_era.checked_div(36_524)?)?.checked_sub(leaps)?.checked_div(365)?;
        let before = year_of_era.checked_mul(365)?.checked_add(year_of_era.checked_div(4)?)?;
        let of_year = of_era.checked_add(year_of_era.checked_div(100)?)?.checked_sub(before)?;
        let month = of_year.checked_mul(5)?.checked_add(2)?.checked_div(153)?;
        let first = month.checked_mul(153)?.checked_add(2)?.checked_div(5)?;
        let day = of_year.checked_sub(first)?.checked_add(1)?;
        let year = era.checked_mul(400)?.checked_add(year_of_era)?;
        Some(if month < 10 {
            (year, month.checked_add(3)?, day)
        } else {
            (year.checked_add(1)?, month.checked_sub(9)?, day)
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil().unwrap_or_default();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let [first, second, third] = <[&str; 3]>::try_from(parts).ok()?;
    let number = |part: &str, width: usize| {
        (part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    };
    let [a, b, c] = widths;
    Some([number(first, a)?, number(second, b)?, number(third, c)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_count_from_the_epoch_and_odd_ones_are_refused() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("1970-01-01T00:00:01Z", Some(1)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2027-02-01T00:00:00Z", Some(1_801_440_000)),
            ("2027-02-29", None),
            ("2027-13-01", None),
            ("2027-02-01T00:00:00+01:00", None),
            ("2027-2-1", None),
            ("2027-02-01T24:00:00Z", None),
            ("1969-12-31", None),
        ] {
            assert_eq!(Moment::parse(text), seconds.map(Moment), "{text}");
        }
    }

    #[test]
    fn every_day_is_written_as_it_is_read() {
        let last = Day::parse("9999-12-31").unwrap();
        for day in (0..=last.0).step_by(13).chain([last.0]).map(Day) {
            assert_eq!(Day::parse(&day.to_string()), Some(day), "{day}");
        }
        assert_eq!(Day::parse("2024-02-29").unwrap().to_string(), "2024-02-29");
    }
}
