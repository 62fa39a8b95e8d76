//! US social security numbers: area, group and serial as the Social Security Administration gives them out, with one space,
//! dash or dot between, the same in both places: area not 000, 666 or from 900, group not 00, serial not 0000.
//!
//! Nine digits without separators are any number, and are left alone, but where `SSN` is written before them.

use super::cursor::{Cursor, Gap, is_space};

/// Where the number that starts here ends.
pub(super) fn at(mut cursor: Cursor<'_>) -> Option<usize> {
    if !cursor.may_start() || cursor.went_before(b"-.") || cursor.hexadecimal_behind() {
        return None;
    }
    let named = is_named(cursor);
    let area: [u8; 3] = cursor.digits()?;
    let joint = single(&mut cursor);
    let group: [u8; 2] = cursor.digits()?;
    if single(&mut cursor) != joint || joint.is_none() && !named {
        return None;
    }
    let serial: [u8; 4] = cursor.digits()?;
    let given_out = !matches!(area, [0, 0, 0] | [6, 6, 6] | [9, _, _]) && group != [0, 0] && serial != [0, 0, 0, 0];
    let ends = !cursor.word_ahead() && !cursor.goes_on(b"-") && !cursor.hexadecimal_ahead();
    (given_out && ends).then(|| cursor.at())
}

/// Passes one separator, if one is here.
fn single(cursor: &mut Cursor<'_>) -> Option<Gap> {
    let gap = match cursor.peek()? {
        joint @ (b'-' | b'.') => Gap::Joint(joint),
        space if is_space(space) => Gap::Space,
        _ => return None,
    };
    cursor.advance(1);
    Some(gap)
}

/// Whether `SSN` is written just before, with at most three signs or spaces between.
fn is_named(cursor: Cursor<'_>) -> bool {
    let between =
        (1..=4).find(|distance| !cursor.behind(*distance).is_some_and(|symbol| b" :#=.-\t".contains(&symbol)));
    let Some(last) = between else { return false };
    [b'n', b's', b's']
        .iter()
        .zip(last..)
        .all(|(letter, distance)| cursor.behind(distance).is_some_and(|symbol| symbol.eq_ignore_ascii_case(letter)))
}
