//! US social security numbers: area, group and serial as the Social Security Administration gives them out, with the same
//! space or hyphen between: area not 000, 666 or from 900, group not 00, serial not 0000. Nine digits without separators
//! are any number, and are left alone.

use super::cursor::Cursor;

/// Where the number that starts here ends.
pub(super) fn at(mut cursor: Cursor<'_>) -> Option<usize> {
    if cursor.word_behind() || cursor.went_before(b"-.") {
        return None;
    }
    let area: [u8; 3] = cursor.digits()?;
    let separator = cursor.separator()?;
    cursor.advance(separator.len());
    let group: [u8; 2] = cursor.digits()?;
    if cursor.separator() != Some(separator) {
        return None;
    }
    cursor.advance(separator.len());
    let serial: [u8; 4] = cursor.digits()?;
    let given_out = !matches!(area, [0, 0, 0] | [6, 6, 6] | [9, _, _]) && group != [0, 0] && serial != [0, 0, 0, 0];
    (given_out && !cursor.word_ahead() && !cursor.goes_on(b"-")).then(|| cursor.at())
}
