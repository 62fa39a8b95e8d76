//! How a body of other content opens (rule 30): its type says that it may pass unfiltered, and its first bytes must say so
//! too, for an upstream may write its records under any name.

/// What the first bytes of a body tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Not enough yet.
    Unknown,
    /// A JSON text opens.
    Json,
    /// A format opens that holds no records.
    Passes,
    /// Anything else: text, another encoding of it, a table, a prefix that keeps scripts from reading JSON.
    Refused,
}

/// How a format opens: these bytes, so many of anything (a length), and these.
struct Known {
    first: &'static [u8],
    gap: usize,
    then: &'static [u8],
}

impl Known {
    const fn at_once(first: &'static [u8]) -> Self {
        Self { first, gap: 0, then: b"" }
    }

    /// What a body that begins so still lacks of it; `None` if it is another format.
    fn lacks(&self, start: &[u8]) -> Option<usize> {
        let from = self.first.len().saturating_add(self.gap);
        let agree = |part: &[u8], known: &[u8]| part.iter().zip(known).all(|(byte, known)| byte == known);
        let agrees = agree(start, self.first) && agree(start.get(from..).unwrap_or_default(), self.then);
        agrees.then(|| from.saturating_add(self.then.len()).saturating_sub(start.len()))
    }
}

/// The formats of pictures, sound, film, letters and PDF. None of these could be the beginning of a text.
const KNOWN: [Known; 36] = [
    Known::at_once(b"%PDF-"),
    Known::at_once(b"\x89PNG"),
    Known::at_once(b"\xFF\xD8\xFF"),
    Known::at_once(b"GIF87a"),
    Known::at_once(b"GIF89a"),
    Known::at_once(b"II*\0"),
    Known::at_once(b"MM\0*"),
    Known::at_once(b"\0\0\x01\0"),
    Known::at_once(b"\0\0\x02\0"),
    Known::at_once(b"\0\0\0\x0CjP  "),
    Known::at_once(b"\0\0\0\x0CJXL "),
    Known::at_once(b"\xFF\x0A"),
    Known { first: b"\0", gap: 3, then: b"ftyp" },
    Known::at_once(b"\x1A\x45\xDF\xA3"),
    Known::at_once(b"OggS\0"),
    Known::at_once(b"fLaC\0"),
    Known::at_once(b"MThd\0"),
    Known::at_once(b"FLV\x01"),
    Known::at_once(b"ID3\x02"),
    Known::at_once(b"ID3\x03"),
    Known::at_once(b"ID3\x04"),
    Known::at_once(b"\xFF\xFB"),
    Known::at_once(b"\xFF\xFA"),
    Known::at_once(b"\xFF\xF3"),
    Known::at_once(b"\xFF\xF2"),
    Known::at_once(b"\xFF\xF1"),
    Known::at_once(b"\xFF\xF9"),
    Known::at_once(b"\0\0\x01\xBA"),
    Known::at_once(b"\0\0\x01\xB3"),
    Known { first: b"RIFF", gap: 4, then: b"WEBP" },
    Known { first: b"RIFF", gap: 4, then: b"WAVE" },
    Known { first: b"RIFF", gap: 4, then: b"AVI " },
    Known::at_once(b"wOFF\0\x01"),
    Known::at_once(b"wOF2\0\x01"),
    Known::at_once(b"OTTO\0"),
    Known::at_once(b"\0\x01\0\0"),
];

impl Opening {
    /// Of a body that begins so. White space before a JSON text is skipped, before another format it is not.
    pub(super) fn of(start: &[u8]) -> Self {
        let first = start.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        match first {
            None => return Self::Unknown,
            Some(b'{' | b'[' | b'"') => return Self::Json,
            Some(_) => {}
        }
        match KNOWN.iter().filter_map(|known| known.lacks(start)).min() {
            None => Self::Refused,
            Some(0) => Self::Passes,
            Some(_) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_formats_that_hold_no_records_pass() {
        let rows: [(&str, &[u8], Opening); 41] = [
            ("nothing yet", b"", Opening::Unknown),
            ("white space", b" \r\n\t", Opening::Unknown),
            ("an object", b"{\"a\":1}", Opening::Json),
            ("an array after white space", b"\n\t [1]", Opening::Json),
            ("a string", b"\"secret\"", Opening::Json),
            ("PDF", b"%PDF-1.7\n", Opening::Passes),
            ("the start of PDF", b"%PD", Opening::Unknown),
            ("PNG", b"\x89PNG\r\n\x1a\n", Opening::Passes),
            ("JPEG", b"\xFF\xD8\xFF\xE0", Opening::Passes),
            ("the start of JPEG", b"\xFF", Opening::Unknown),
            ("WebP", b"RIFF\x24\0\0\0WEBPVP8 ", Opening::Passes),
            ("the start of WebP", b"RIFF\x24\0\0\0WEB", Opening::Unknown),
            ("a text that has a word of film in it", b"12345678WEBP", Opening::Refused),
            ("another RIFF", b"RIFF\x24\0\0\0CDR9", Opening::Refused),
            ("film", b"\0\0\0\x20ftypisom", Opening::Passes),
            ("a font", b"wOF2\0\x01\0\0", Opening::Passes),
            ("sound", b"ID3\x04\0\0", Opening::Passes),
            ("UTF-16, little end first", b"\xFF\xFE{\0", Opening::Refused),
            ("UTF-16, big end first", b"\xFE\xFF\0{", Opening::Refused),
            ("UTF-16 without a mark", b"\0{\0\"\0a\0\"\0:\x001", Opening::Refused),
            ("UTF-16 without a mark, the other way", b"{\0\"\0", Opening::Json),
            ("UTF-32 without a mark", b"\0\0\0{\0\0\0\"\0\0\0a", Opening::Refused),
            ("a byte-order mark", b"\xEF\xBB\xBF{", Opening::Refused),
            ("a record separator", b"\x1e{\"b\":2}", Opening::Refused),
            ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0", Opening::Refused),
            ("zip", b"PK\x03\x04\0\0\0\0\0\0\0\0", Opening::Refused),
            ("a prefix against scripts", b")]}',\n{\"b\":2}", Opening::Refused),
            ("an endless loop before JSON", b"for(;;);{\"b\":2}", Opening::Refused),
            ("another", b"while(1);[{\"b\":2}]", Opening::Refused),
            ("a comment before JSON", b"/**/{\"b\":2}", Opening::Refused),
            ("a call with JSON", b"cb({\"b\":2})", Opening::Refused),
            ("an event", b"data: {\"b\":2}", Opening::Refused),
            ("a number", b"123456789012", Opening::Refused),
            ("a short number", b"12", Opening::Refused),
            ("a literal", b"null\n       ", Opening::Refused),
            ("XML", b"<?xml version", Opening::Refused),
            ("HTML", b"<!doctype html>", Opening::Refused),
            ("CSV", b"id,email\r\n1,a@b", Opening::Refused),
            ("CSV with quotes", b"a,\"email\"\n1,2", Opening::Refused),
            ("YAML", b"id: 1\nemail: a", Opening::Refused),
            ("white space before PDF", b"\n%PDF-1.7\n   ", Opening::Refused),
        ];
        for (claim, start, expected) in rows {
            assert_eq!(Opening::of(start), expected, "{claim}");
        }
    }

    #[test]
    fn an_opening_is_never_taken_back() {
        for Known { first, gap, then } in KNOWN {
            let whole = [first, &vec![b'\x02'; gap], then].concat();
            for end in 0..whole.len() {
                let seen = Opening::of(&whole[..end]);
                assert!(matches!(seen, Opening::Unknown | Opening::Passes), "{first:?} {end}: {seen:?}");
            }
            assert_eq!(Opening::of(&whole), Opening::Passes, "{first:?}");
        }
    }
}
