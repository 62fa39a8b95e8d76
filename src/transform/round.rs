//! `mask: {round: n}` (rule 22): decimal arithmetic on a number's JSON text, never through a double.

use crate::model::RoundTo;

/// The most digits before the point that a number may have, written without its exponent. It bounds work and output
/// however large an exponent claims to be (`1e400000000` is eleven bytes); 64 digits are far beyond any amount.
const DIGITS: usize = 64;

/// Room for those, for as many behind the point as a step may have, and for a carry.
const ROOM: usize = 64 + 6 + 1;
const _: () = assert!(ROOM == DIGITS + RoundTo::PLACES as usize + 1, "room for every digit");

/// Appends the multiple of the step nearest to `number`, half away from zero; `false` and nothing written where the number has
/// over [`DIGITS`] digits before the point.
pub(super) fn round(step: RoundTo, number: &str, out: &mut Vec<u8>) -> bool {
    let Some(mut decimal) = Decimal::read(number, step.places()) else { return false };
    if step.digits() == 0 {
        return false;
    }
    decimal.round(u128::from(step.digits()));
    decimal.write(step.places(), out);
    true
}

/// The part of a number, in units of 10^-places, that rounding to whole multiples of so many units depends on.
struct Decimal {
    negative: bool,
    /// The whole part, one digit each, most significant first; the first place is room for a carry.
    whole: [u8; ROOM],
    /// Whether the fraction is one half or more.
    half: bool,
}

impl Decimal {
    fn read(number: &str, places: u8) -> Option<Self> {
        let (negative, magnitude) = match number.strip_prefix('-') {
            Some(magnitude) => (true, magnitude),
            None => (false, number),
        };
        let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let exponent = read_exponent(exponent)?;
        let mut read = Self { negative, whole: [0; ROOM], half: false };

        // With its leading zeros gone, the number is 0.DDD… × 10^point.
        let digits = whole.bytes().chain(fraction.bytes());
        let zeros = digits.clone().take_while(|digit| *digit == b'0').count();
        let mut digits = digits.skip(zeros).map(|digit| digit & 0xf).peekable();
        if digits.peek().is_none() {
            return Some(read);
        }
        let point =
            i64::try_from(whole.len()).ok()?.saturating_sub(i64::try_from(zeros).ok()?).saturating_add(exponent);
        if usize::try_from(point).is_ok_and(|count| count > DIGITS) {
            return None;
        }
        match usize::try_from(point.saturating_add(i64::from(places))) {
            // Below one tenth of a unit: the whole part is 0, and so is the first digit behind the point.
            Err(_) => return Some(read),
            Ok(count) => {
                let first = read.whole.len().saturating_sub(count);
                for place in read.whole.iter_mut().skip(first) {
                    *place = digits.next().unwrap_or(0);
                }
            }
        }
        read.half = digits.next().is_some_and(|digit| digit >= 5);
        Some(read)
    }

    /// Replaces the whole part by the multiple of `n` nearest to the number.
    fn round(&mut self, n: u128) {
        // n is below 2^64, so nothing here comes near the end of a u128.
        let rest = self.whole.iter().fold(0u128, |rest, digit| {
            rest.wrapping_mul(10).wrapping_add(u128::from(*digit)).checked_rem(n).unwrap_or(0)
        });
        let twice = rest.wrapping_mul(2).wrapping_add(u128::from(self.half));
        if twice >= n {
            self.add(n.wrapping_sub(rest));
        } else {
            self.subtract(rest);
        }
    }

    fn add(&mut self, addend: u128) {
        let mut carry = addend;
        for digit in self.whole.iter_mut().rev() {
            let sum = carry.wrapping_add(u128::from(*digit));
            *digit = (sum % 10) as u8;
            carry = sum / 10;
        }
    }

    /// Subtracts what is not more than the number.
    fn subtract(&mut self, subtrahend: u128) {
        let mut rest = subtrahend;
        let mut borrow = 0;
        for digit in self.whole.iter_mut().rev() {
            let less = ((rest % 10) as u8).wrapping_add(borrow);
            rest /= 10;
            borrow = u8::from(*digit < less);
            *digit = digit.wrapping_add(borrow.wrapping_mul(10)).wrapping_sub(less);
        }
    }

    /// Written plainly: no exponent, no zeros in front or at the end, no sign before zero.
    fn write(&self, places: u8, out: &mut Vec<u8>) {
        let (whole, fraction) = self.whole.split_at(ROOM.saturating_sub(usize::from(places)));
        let is_zero = |digit: &u8| *digit == 0;
        if self.negative && !self.whole.iter().all(is_zero) {
            out.push(b'-');
        }
        let start = out.len();
        out.extend(whole.iter().skip_while(|digit| is_zero(digit)).map(|digit| digit | b'0'));
        if out.len() == start {
            out.push(b'0');
        }
        let kept = fraction.iter().rposition(|digit| !is_zero(digit)).map_or(0, |last| last.saturating_add(1));
        if kept > 0 {
            out.push(b'.');
            out.extend(fraction.iter().take(kept).map(|digit| digit | b'0'));
        }
    }
}

/// An exponent's value; what is beyond any number of digits that a token could hold stays there.
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(i64::from(digit & 0xf)).min(1 << 56);
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers")]

    use proptest::prelude::*;

    use super::*;

    fn rounded(n: u64, number: &str) -> Option<String> {
        to_step(&n.to_string(), number)
    }

    fn to_step(step: &str, number: &str) -> Option<String> {
        let mut out = Vec::new();
        let fits = round(RoundTo::parse(step).unwrap(), number, &mut out);
        assert_eq!(fits, !out.is_empty());
        fits.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_nearest_multiple_is_written_plainly() {
        for (n, number, expected) in [
            (10, "42.17", "40"),
            (100, "1234.56", "1200"),
            (100, "1250", "1300"),
            (1, "0.4", "0"),
            (7, "10", "7"),
            (7, "11", "14"),
            (1000, "999999", "1000000"),
            (1, "12.50e1", "125"),
            (5, "1.23E+2", "125"),
            (5, "12300e-2", "125"),
            (1, "100000", "100000"),
            (1, "1e0", "1"),
            (999_999_999_999_999, "500000000000000", "999999999999999"),
            (999_999_999_999_999, "499999999999999", "0"),
            (999_999_999_999_999, "499999999999999.5", "999999999999999"),
        ] {
            assert_eq!(rounded(n, number).as_deref(), Some(expected), "{number} to {n}");
        }
    }

    #[test]
    fn a_step_may_be_a_decimal() {
        for (step, number, expected) in [
            ("0.01", "52.520008", "52.52"),
            ("0.01", "13.404954", "13.4"),
            ("0.01", "-0.005", "-0.01"),
            ("0.01", "-0.0049", "0"),
            ("0.01", "7", "7"),
            ("0.01", "0.999", "1"),
            ("0.01", "1e-2", "0.01"),
            ("0.01", "123456789012345678901234567890.126", "123456789012345678901234567890.13"),
            ("0.5", "1.25", "1.5"),
            ("0.5", "1.2499999999999999999999", "1"),
            ("0.25", "0.3", "0.25"),
            ("2.5", "6.25", "7.5"),
            ("2.5", "6.24", "5"),
            ("0.05", "0.075", "0.1"),
            ("0.000001", "0.0000005", "0.000001"),
            ("0.000001", "-12.3456789", "-12.345679"),
            ("0.3", "1", "0.9"),
            ("1.5", "100", "100.5"),
            ("0.1", "0", "0"),
            ("0.1", "-0.0", "0"),
            ("0.1", "99.95", "100"),
        ] {
            assert_eq!(to_step(step, number).as_deref(), Some(expected), "{number} to {step}");
        }
        let long = "9".repeat(64);
        assert_eq!(to_step("0.000001", &long), Some(long.clone()));
        assert_eq!(to_step("0.000001", &format!("{long}.9999995")), Some(String::from("1") + &"0".repeat(64)));
        assert_eq!(to_step("0.000001", "1e64"), None);
        assert_eq!(to_step("0.000001", "1e-400000000").as_deref(), Some("0"));
    }

    #[test]
    fn a_half_goes_away_from_zero() {
        for (n, number, expected) in [
            (10, "5", "10"),
            (10, "-5", "-10"),
            (10, "4.999999999999999999999999999999999999", "0"),
            (10, "15", "20"),
            (10, "25", "30"),
            (1, "0.5", "1"),
            (1, "-0.5", "-1"),
            (1, "0.49999999999999999999", "0"),
            (1, "5e-1", "1"),
            (1, "0.05e1", "1"),
            (1, "0.05", "0"),
            (3, "1.5", "3"),
            (3, "1.49", "0"),
            (3, "4.5", "6"),
            (2, "1", "2"),
        ] {
            assert_eq!(rounded(n, number).as_deref(), Some(expected), "{number} to {n}");
        }
    }

    #[test]
    fn zero_has_no_sign() {
        for number in
            ["0", "-0", "-0.0", "0e99999999999999999999", "-0.4", "-4e-1", "1e-99999999999999999999", "-1e-400000000"]
        {
            assert_eq!(rounded(1, number).as_deref(), Some("0"), "{number}");
        }
    }

    #[test]
    fn no_double_comes_between() {
        assert_eq!(rounded(1, "9007199254740993").as_deref(), Some("9007199254740993"));
        assert_eq!(rounded(10, "12345678901234567890123456789.5").as_deref(), Some("12345678901234567890123456790"));
        assert_eq!(
            rounded(1, "1234567890123456789012345678901234567890e-10").as_deref(),
            Some("123456789012345678901234567890")
        );
        let long = "9".repeat(64);
        assert_eq!(rounded(1, &long), Some(long.clone()));
        assert_eq!(rounded(10, &long), Some(String::from("1") + &"0".repeat(64)));
    }

    #[test]
    fn over_64_digits_before_the_point_is_blank_without_work() {
        for number in ["1e400000000", "-1e400000000", "1e64", &"1".repeat(65), "1e99999999999999999999999999"] {
            assert_eq!(rounded(1, number), None, "{number}");
        }
        assert_eq!(rounded(1, "1e63"), Some(String::from("1") + &"0".repeat(63)));
        // A long spelling of a short number is a short number.
        let zeros = "0".repeat(1000);
        assert_eq!(rounded(1, &format!("0.{zeros}5e1001")).as_deref(), Some("5"));
        assert_eq!(rounded(1, &format!("5{zeros}e-1000")).as_deref(), Some("5"));
    }

    #[test]
    fn what_is_no_number_is_blank() {
        for number in ["", "-", "x", "1x", "1e", "1e+", "1ex", ".5", "1.x", "0x10"] {
            assert_eq!(rounded(1, number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_round_as_integers_do(value: i64, n in 1u64..1_000_000) {
            let (magnitude, n_wide) = (u128::from(value.unsigned_abs()), u128::from(n));
            let multiple = (2 * magnitude + n_wide) / (2 * n_wide) * n_wide;
            let sign = if value < 0 && multiple != 0 { "-" } else { "" };
            prop_assert_eq!(rounded(n, &value.to_string()), Some(format!("{sign}{multiple}")));
        }

        #[test]
        fn decimals_round_as_their_units_do(value: i64, digits in 1u64..1_000_000, places in 0usize..7) {
            let decimal = |units: u64| {
                let text = format!("{units:0width$}", width = places + 1);
                let (whole, fraction) = text.split_at(text.len() - places);
                if places == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
            };
            let sign = if value < 0 { "-" } else { "" };
            let number = format!("{sign}{}", decimal(value.unsigned_abs()));
            let units = rounded(digits, &value.to_string()).unwrap();
            let negative = units.starts_with('-');
            let plain = decimal(units.trim_start_matches('-').parse().unwrap());
            let plain = if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.') } else { &plain };
            let expected = format!("{}{plain}", if negative { "-" } else { "" });
            prop_assert_eq!(to_step(&decimal(digits), &number), Some(expected));
        }

        #[test]
        fn how_a_number_is_spelt_does_not_matter(digits in 1u64..1_000_000_000, places in 0usize..9, shift in -12i64..12, n in 1u64..5000) {
            let plain = format!("{digits}e-{places}");
            let whole = digits / 10u64.pow(places as u32);
            let fraction = digits % 10u64.pow(places as u32);
            let dotted = if places == 0 { digits.to_string() } else { format!("{whole}.{fraction:0places$}") };
            let shifted = format!("{digits}E{}", shift - i64::try_from(places).unwrap());
            let back = format!("{}e{}", dotted, shift);
            prop_assert_eq!(rounded(n, &plain), rounded(n, &dotted));
            prop_assert_eq!(rounded(n, &shifted), rounded(n, &back));
        }
    }
}
