//! A moment as RFC 3339 §5.6 writes it, in UTC.

use super::Moment;

/// Reads `2027-02-01T00:00:00Z`, or `2027-02-01` for its first second. No offsets, no fractions, no leap seconds.
pub(super) fn parse_moment(text: &str) -> Option<Moment> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > length || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since the epoch in the proleptic Gregorian calendar, counted in years that start in March, so that the leap day
    // is the last of its year.
    let (year, month) =
        if month < 3 { (year.checked_sub(1)?, month.checked_add(9)?) } else { (year, month.checked_sub(3)?) };
    let of_year = month.checked_mul(153)?.checked_add(2)?.checked_div(5)?.checked_add(day)?.checked_sub(1)?;
    let leaps = year.checked_div(4)?.checked_sub(year.checked_div(100)?)?.checked_add(year.checked_div(400)?)?;
    let days = year.checked_mul(365)?.checked_add(leaps)?.checked_add(of_year)?.checked_sub(719_468)?;
    let seconds = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    days.checked_mul(86_400)?.checked_add(seconds).map(Moment)
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
            assert_eq!(parse_moment(text), seconds.map(Moment), "{text}");
        }
    }
}
