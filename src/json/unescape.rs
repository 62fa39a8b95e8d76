//! Reading a string's characters (RFC 8259 §7).

use std::borrow::Cow;

/// The characters of a string, from the bytes between its quotation marks.
///
/// `None` if they are not a valid string's: the validator has seen to that before.
#[must_use]
pub fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(raw).ok()?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = String::with_capacity(raw.len());
    decode(text, &mut decoded)?;
    Some(Cow::Owned(decoded))
}

/// Decodes a name or string, as [`unescape`] does, into room that is used again and again.
#[must_use]
pub fn unescape_into<'a>(raw: &[u8], room: &'a mut String) -> Option<&'a str> {
    room.clear();
    decode(std::str::from_utf8(raw).ok()?, room)?;
    Some(room)
}

fn decode(text: &str, decoded: &mut String) -> Option<()> {
    let mut rest = text;
    // An escape often follows another at once.
    while let Some((plain, behind)) =
        rest.strip_prefix('\\').map(|behind| ("", behind)).or_else(|| rest.split_once('\\'))
    {
        decoded.push_str(plain);
        let (character, behind) = escape(behind)?;
        decoded.push(character);
        rest = behind;
    }
    decoded.push_str(rest);
    Some(())
}

/// The character that an escape stands for, from the byte behind its reverse solidus, and what follows the escape.
fn escape(text: &str) -> Option<(char, &str)> {
    let mut characters = text.chars();
    let character = match characters.next()? {
        plain @ ('"' | '\\' | '/') => plain,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (first, behind) = unit(characters.as_str())?;
            if let Some(character) = char::from_u32(u32::from(first)) {
                return Some((character, behind));
            }
            // Half of a surrogate pair: its other half must follow at once, as in `\ud83d\ude00`.
            let (second, behind) = unit(behind.strip_prefix("\\u")?)?;
            let pair = char::decode_utf16([first, second]).next()?.ok()?;
            return Some((pair, behind));
        }
        _ => return None,
    };
    Some((character, characters.as_str()))
}

/// Four hexadecimal digits, and what follows them.
fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, behind) = text.split_at_checked(4)?;
    let value = digits.chars().try_fold(0, |value, digit| Some((value << 4) | digit.to_digit(16)?))?;
    Some((u16::try_from(value).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_are_read_as_the_characters_they_stand_for() {
        for (raw, characters) in [
            ("", ""),
            ("plain \u{e9}", "plain \u{e9}"),
            (r"\u0061b", "ab"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"a\ud83d\uDE00z", "a\u{1f600}z"),
            (r"\u0000", "\0"),
            (r"\\u0061", r"\u0061"),
        ] {
            assert_eq!(unescape(raw.as_bytes()).as_deref(), Some(characters), "{raw}");
        }
    }

    #[test]
    fn what_is_no_string_is_not_read() {
        for raw in [&br"\"[..], br"\u12", br"\u+123", br"\ud800", br"\udc00", br"\ud800\u0061", br"\x", b"\xff"] {
            assert_eq!(unescape(raw), None, "{raw:?}");
        }
    }
}
