//! The text of a scalar's token, decoded without a copy, and the way back into JSON.

use std::borrow::Cow;

/// The text of a string or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text<'a> {
    /// A number: its JSON text.
    Number(&'a str),
    /// What stands between a string's quotes, escapes still in place.
    String(StringContent<'a>),
}

/// What stands between a string's quotes, escapes still in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StringContent<'a>(&'a str);

/// The text of a string's or number's token, copied only where something is escaped: a string as the text that it stands for,
/// however it is escaped, a number as its JSON text. `None` for anything else.
#[must_use]
pub fn decoded(token: &[u8]) -> Option<Cow<'_, str>> {
    Some(match Text::of(token)? {
        Text::Number(text) => Cow::Borrowed(text),
        Text::String(content) => content.decode(),
    })
}

/// The bytes of the text of a checked token that says it as it is: a number, or a string without an escape; `None` for any other
/// token.
#[must_use]
pub fn plain(token: &[u8]) -> Option<&[u8]> {
    match token {
        [b'"', text @ .., b'"'] => (!text.contains(&b'\\')).then_some(text),
        [b'-' | b'0'..=b'9', ..] => Some(token),
        _ => None,
    }
}

/// Part of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Characters that stand for themselves; never empty.
    Run(&'a str),
    /// An escape, decoded.
    Escape(char),
}

impl<'a> Text<'a> {
    /// The text of a token; `None` for anything but a string or a number.
    pub(super) fn of(token: &'a [u8]) -> Option<Self> {
        let token = std::str::from_utf8(token).ok()?;
        match token.as_bytes().first()? {
            b'"' => token.strip_prefix('"')?.strip_suffix('"').map(|content| Self::String(StringContent(content))),
            b'-' | b'0'..=b'9' => Some(Self::Number(token)),
            _ => None,
        }
    }

    /// The whole text where nothing in it is escaped, so that it needs no decoding and no escaping again.
    pub(super) fn plain(self) -> Option<&'a str> {
        match self {
            Self::Number(text) => Some(text),
            Self::String(content) => content.plain(),
        }
    }

    /// The text in runs and decoded escapes.
    pub(super) fn pieces(self) -> Pieces<'a> {
        match self {
            // A number holds no backslash.
            Self::Number(text) | Self::String(StringContent(text)) => Pieces { rest: text },
        }
    }

    /// The text's Unicode scalar values.
    pub(super) fn chars(self) -> Chars<'a> {
        Chars { run: "".chars(), pieces: self.pieces() }
    }
}

impl<'a> StringContent<'a> {
    /// The text, if nothing in it is escaped.
    pub(super) fn plain(self) -> Option<&'a str> {
        (!self.0.contains('\\')).then_some(self.0)
    }

    /// The text, copied only where something is escaped.
    pub(super) fn decode(self) -> Cow<'a, str> {
        match self.plain() {
            Some(text) => Cow::Borrowed(text),
            None => {
                let mut text = String::with_capacity(self.0.len());
                for piece in Text::String(self).pieces() {
                    match piece {
                        Piece::Run(run) => text.push_str(run),
                        Piece::Escape(char) => text.push(char),
                    }
                }
                Cow::Owned(text)
            }
        }
    }

    /// The text's Unicode scalar values.
    pub(super) fn chars(self) -> Chars<'a> {
        Text::String(self).chars()
    }
}

/// A text in runs and decoded escapes.
#[derive(Debug, Clone)]
pub(super) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(escape) = self.rest.strip_prefix('\\') {
            let (char, rest) = unescape(escape);
            self.rest = rest;
            return Some(Piece::Escape(char));
        }
        let end = self.rest.find('\\').unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(Piece::Run(run))
    }
}

/// A text's Unicode scalar values.
#[derive(Debug, Clone)]
pub(super) struct Chars<'a> {
    run: std::str::Chars<'a>,
    pieces: Pieces<'a>,
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            if let Some(char) = self.run.next() {
                return Some(char);
            }
            match self.pieces.next()? {
                Piece::Run(run) => self.run = run.chars(),
                Piece::Escape(char) => return Some(char),
            }
        }
    }
}

/// Decodes what follows a backslash (RFC 8259 §7) and hands back the rest. What no checked token holds (an unknown
/// escape, a lone surrogate) becomes U+FFFD.
fn unescape(text: &str) -> (char, &str) {
    let mut chars = text.chars();
    let char = match chars.next() {
        Some('u') => {
            let Some((unit, rest)) = hex_unit(chars.as_str()) else {
                return (char::REPLACEMENT_CHARACTER, chars.as_str());
            };
            let low = rest.strip_prefix("\\u").and_then(hex_unit);
            return match (char::from_u32(unit), low) {
                (Some(char), _) => (char, rest),
                (None, Some((low, after))) => match char::decode_utf16([unit as u16, low as u16]).next() {
                    Some(Ok(char)) => (char, after),
                    _ => (char::REPLACEMENT_CHARACTER, rest),
                },
                (None, None) => (char::REPLACEMENT_CHARACTER, rest),
            };
        }
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some(char @ ('"' | '\\' | '/')) => char,
        _ => char::REPLACEMENT_CHARACTER,
    };
    (char, chars.as_str())
}

/// Four hexadecimal digits and what follows them.
fn hex_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let mut unit = 0u32;
    for digit in digits.chars() {
        unit = (unit << 4) | digit.to_digit(16)?;
    }
    Some((unit, rest))
}

/// Appends `text` as it stands inside a JSON string, with the fewest escapes (rule 22).
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(end) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let Some((run, [special, after @ ..])) = rest.split_at_checked(end) else { break };
        out.extend_from_slice(run);
        push_special(out, *special);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Appends one character as it stands inside a JSON string.
pub(super) fn push_char(out: &mut Vec<u8>, char: char) {
    push_text(out, char.encode_utf8(&mut [0; 4]));
}

/// Appends a quote, a backslash or a control, escaped as short as the grammar has it.
fn push_special(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or(b'0', |char| char as u8);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(token: &str) -> Option<String> {
        Text::of(token.as_bytes()).map(|text| text.chars().collect())
    }

    #[test]
    fn a_token_is_read_as_the_text_that_it_stands_for() {
        let rows: &[(&str, Option<&str>)] = &[
            (r#""""#, Some("")),
            (r#""plain""#, Some("plain")),
            (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r#""\u0041\u00e9\u20AC""#, Some("Aé€")),
            (r#""\ud83d\uDE00!""#, Some("😀!")),
            (r#""a\u0000b""#, Some("a\0b")),
            ("-1.50e+3", Some("-1.50e+3")),
            ("true", None),
            ("null", None),
            ("", None),
            ("\"", None),
            // Never from a checked token; must not get through as something else.
            (r#""\ud83d""#, Some("\u{fffd}")),
            (r#""\ud83d\u0041""#, Some("\u{fffd}A")),
            (r#""\ude00x""#, Some("\u{fffd}x")),
            (r#""\u12""#, Some("\u{fffd}12")),
        ];
        for (token, text) in rows {
            assert_eq!(decoded(token).as_deref(), *text, "{token}");
            if let Some(plain) = super::plain(token.as_bytes()) {
                assert_eq!(std::str::from_utf8(plain).ok(), *text, "{token}");
            }
        }
        assert_eq!(Text::of(b"\"\xff\""), None);
    }

    #[test]
    fn only_quote_backslash_and_controls_are_escaped() {
        let rows = [
            ("a\"b\\c/d", r#"a\"b\\c/d"#),
            ("\u{8}\u{c}\n\r\t", r"\b\f\n\r\t"),
            ("\0\u{1f}\u{7f}\u{80}é😀", "\\u0000\\u001f\u{7f}\u{80}é😀"),
        ];
        for (text, written) in rows {
            let mut out = Vec::new();
            push_text(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    proptest! {
        #[test]
        fn decoding_agrees_with_serde_json(text: String, mask: u64) {
            // Escape the characters that the mask names, however they could also be written.
            let mut token = String::from("\"");
            for (index, char) in text.chars().enumerate() {
                if mask >> (index % 64) & 1 == 1 || char < ' ' || char == '"' || char == '\\' {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        token.push_str(&format!("\\u{unit:04x}"));
                    }
                } else {
                    token.push(char);
                }
            }
            token.push('"');
            prop_assert_eq!(serde_json::from_str::<String>(&token).unwrap(), text.clone());
            let parsed = Text::of(token.as_bytes()).unwrap();
            prop_assert_eq!(parsed.chars().collect::<String>(), text.clone());
            let Text::String(content) = parsed else { panic!("a string") };
            prop_assert_eq!(content.decode(), text);
        }

        #[test]
        fn writing_agrees_with_serde_json(text: String) {
            let mut out = vec![b'"'];
            push_text(&mut out, &text);
            out.push(b'"');
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
