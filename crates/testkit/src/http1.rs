//! HTTP/1.1 messages from bytes (RFC 9112), strictly: a test must notice a message that only a lenient reader can read.

/// A field line: lower-case name, raw value.
pub type Field = (String, Vec<u8>);

/// A start line and its fields.
#[derive(Debug, Clone)]
pub struct Head {
    pub start: String,
    pub fields: Vec<Field>,
}

/// What the bytes so far amount to.
pub enum Parsed<T> {
    /// A message part, and how many bytes it took.
    Done(T, usize),
    /// The bytes end inside it.
    More,
    /// It can never be one.
    Wrong(String),
}

impl Head {
    /// The values of a field, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_slice())
    }

    /// The only value of a field, as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The status of a status line.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }
}

/// Reads a head.
pub fn head(bytes: &[u8]) -> Parsed<Head> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Parsed::More };
    let mut lines = bytes[..end].split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let start = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    match lines.map(field).collect() {
        Ok(fields) => Parsed::Done(Head { start, fields }, end + 4),
        Err(wrong) => Parsed::Wrong(wrong),
    }
}

fn field(line: &[u8]) -> Result<Field, String> {
    let colon = line.iter().position(|&byte| byte == b':').ok_or_else(|| format!("no field line: {line:?}"))?;
    let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
    Ok((name, line[colon + 1..].trim_ascii().to_vec()))
}

/// A body with its trailers.
#[derive(Debug, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    pub trailers: Vec<Field>,
}

/// Reads a chunked body (RFC 9112 §7.1). On `More`, what was read so far is in `partial`.
pub fn chunked(bytes: &[u8], partial: &mut Body) -> Parsed<()> {
    let mut at = 0;
    loop {
        let Some(line) = bytes[at..].windows(2).position(|window| window == b"\r\n") else { return Parsed::More };
        let size =
            std::str::from_utf8(&bytes[at..at + line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size else { return Parsed::Wrong(format!("no chunk size: {:?}", &bytes[at..at + line])) };
        at += line + 2;
        if size == 0 {
            break;
        }
        partial.bytes.extend_from_slice(&bytes[at..(at + size).min(bytes.len())]);
        match bytes.get(at + size..at + size + 2) {
            Some(b"\r\n") => at += size + 2,
            Some(_) => return Parsed::Wrong("a chunk does not end where it says".to_owned()),
            None => return Parsed::More,
        }
    }
    loop {
        let Some(line) = bytes[at..].windows(2).position(|window| window == b"\r\n") else { return Parsed::More };
        if line == 0 {
            return Parsed::Done((), at + 2);
        }
        match field(&bytes[at..at + line]) {
            Ok(trailer) => partial.trailers.push(trailer),
            Err(wrong) => return Parsed::Wrong(wrong),
        }
        at += line + 2;
    }
}
