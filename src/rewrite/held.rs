//! Elements and members that a filter must see whole: as a [`Value`], every name in it once.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::json::unescape::unescape;

/// What keeps bytes from being read as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// An object has a member name twice; the second one's offset in the bytes.
    Duplicate(usize),
    /// They are not JSON, though the validator has passed them.
    Internal,
}

/// Reads one value that the validator has passed, and white space around it.
pub(super) fn read(bytes: &[u8]) -> Result<Value, Unreadable> {
    ValueReader { bytes, at: 0 }.value()
}

/// Reads on from `at`. It recurs as deep as containers nest, which the validator bounds.
struct ValueReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ValueReader<'a> {
    fn value(&mut self) -> Result<Value, Unreadable> {
        match self.token()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => Ok(Value::String(self.string()?.into_owned())),
            _ => self.plain(),
        }
    }

    /// The next byte that is not white space.
    fn token(&mut self) -> Result<u8, Unreadable> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let white = rest.iter().take_while(|byte| b" \t\n\r".contains(byte)).count();
        self.at = self.at.saturating_add(white);
        rest.get(white).copied().ok_or(Unreadable::Internal)
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn object(&mut self) -> Result<Value, Unreadable> {
        let mut members = Map::new();
        self.step();
        loop {
            match self.token()? {
                b'}' => break,
                b',' => self.step(),
                b'"' => {
                    let start = self.at;
                    let name = self.string()?.into_owned();
                    if self.token()? != b':' {
                        return Err(Unreadable::Internal);
                    }
                    self.step();
                    let value = self.value()?;
                    // Every name counts here, not only those that the policy knows: a filter may ask for any.
                    if members.insert(name, value).is_some() {
                        return Err(Unreadable::Duplicate(start));
                    }
                }
                _ => return Err(Unreadable::Internal),
            }
        }
        self.step();
        Ok(Value::Object(members))
    }

    fn array(&mut self) -> Result<Value, Unreadable> {
        let mut elements = Vec::new();
        self.step();
        loop {
            match self.token()? {
                b']' => break,
                b',' => self.step(),
                _ => elements.push(self.value()?),
            }
        }
        self.step();
        Ok(Value::Array(elements))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Unreadable> {
        self.step();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut escaped = false;
        let end = rest.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            // In `\\"` the second reverse solidus is the escaped one, so the mark ends the string.
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        let end = end.ok_or(Unreadable::Internal)?;
        self.at = self.at.saturating_add(end).saturating_add(1);
        unescape(rest.get(..end).unwrap_or_default()).ok_or(Unreadable::Internal)
    }

    /// A number or literal name.
    fn plain(&mut self) -> Result<Value, Unreadable> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| b",]} \t\n\r".contains(byte)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
        match rest.get(..length).unwrap_or_default() {
            b"null" => Ok(Value::Null),
            b"true" => Ok(Value::Bool(true)),
            b"false" => Ok(Value::Bool(false)),
            number => std::str::from_utf8(number).ok().and_then(read_number).ok_or(Unreadable::Internal),
        }
    }
}

/// A number as filters compare it: whole numbers of 64 bits exactly, others as the nearest double, and those beyond a
/// double's range as its ends (RFC 7493 §2.2 asks for no more).
fn read_number(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    // `-0` is a double's: as a whole number it would lose its sign.
    if let Some(number) = text.parse::<i64>().ok().filter(|number| *number != 0) {
        return Some(number.into());
    }
    let number = text.parse::<f64>().ok()?.clamp(f64::MIN, f64::MAX);
    Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Unreadable, read};

    #[test]
    fn values_are_read_as_they_are_written() {
        for text in [
            r#"{"a":[1,-2,3.5,"x\u0041\n",true,false,null,{},[]],"b":{"c":""}}"#,
            "[1 ,\t2\n]",
            r#"" \" ""#,
            "18446744073709551615",
            "-9223372036854775808",
            "-0",
            "0",
            "1e3",
        ] {
            assert_eq!(read(text.as_bytes()), Ok(serde_json::from_str::<Value>(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn numbers_beyond_a_double_are_its_ends() {
        assert_eq!(read(b"[1e400,-1e400]"), Ok(json!([f64::MAX, f64::MIN])));
    }

    #[test]
    fn a_name_twice_is_found_however_it_is_spelled() {
        assert_eq!(read(br#"{"a":1,"b":2,"\u0061":3}"#), Err(Unreadable::Duplicate(13)));
        assert_eq!(read(br#"[{"x":{"a":1, "a":2}}]"#), Err(Unreadable::Duplicate(14)));
    }
}
