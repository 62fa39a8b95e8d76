//! [`Stamp`]: a moment to the millisecond, as the decision record writes it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::moment::Day;

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// A moment: milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub u64);

impl Stamp {
    /// Of a time of the host; `None` if it is before 1970.
    #[must_use]
    pub fn of(time: SystemTime) -> Option<Self> {
        u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok().map(Self)
    }

    /// Appends it as RFC 3339 has it, in UTC: `2026-11-28T14:04:21.123Z`.
    pub fn write(self, out: &mut Vec<u8>) {
        let (days, of_day) = (self.0.checked_div(DAY).unwrap_or(0), self.0.checked_rem(DAY).unwrap_or(0));
        let day = Day(u32::try_from(days).unwrap_or(u32::MAX));
        let (seconds, millis) = (of_day.checked_div(1000).unwrap_or(0), of_day.checked_rem(1000).unwrap_or(0));
        let (minutes, second) = (seconds.checked_div(60).unwrap_or(0), seconds.checked_rem(60).unwrap_or(0));
        let (hour, minute) = (minutes.checked_div(60).unwrap_or(0), minutes.checked_rem(60).unwrap_or(0));
        let (year, month, of_month) = day.civil().unwrap_or_default();
        for (number, digits, before) in [
            (year, 4, None),
            (month, 2, Some(b'-')),
            (of_month, 2, Some(b'-')),
            (hour, 2, Some(b'T')),
            (minute, 2, Some(b':')),
            (second, 2, Some(b':')),
            (millis, 3, Some(b'.')),
        ] {
            out.extend(before);
            write_digits(number, digits, out);
        }
        out.push(b'Z');
    }
}

/// Appends a number in so many digits.
fn write_digits(number: u64, digits: u32, out: &mut Vec<u8>) {
    for place in (0..digits).rev() {
        let digit = number.checked_div(10u64.pow(place)).and_then(|rest| rest.checked_rem(10)).unwrap_or(0);
        out.push(b'0'.wrapping_add(u8::try_from(digit).unwrap_or(0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_written_as_rfc_3339_has_it() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_874_661_123, "2026-11-28T14:04:21.123Z"),
            (951_825_599_999, "2000-02-29T11:59:59.999Z"),
            (1_801_440_000_000, "2027-02-01T00:00:00.000Z"),
        ] {
            let mut out = Vec::new();
            Stamp(millis).write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
