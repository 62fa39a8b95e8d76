//! Paths of a description as the policy's templates (rules 3 and 4).

use std::collections::BTreeSet;

use super::one_line;
use super::operation::unique;

/// A path template as a policy writes it: canonical literals, whole segments as parameters, each name once (rules 3 and 4).
pub(super) fn template(path: &str, remarks: &mut Vec<String>) -> Result<String, String> {
    // A template of RFC 6570 may end in a query, `{?page}`.
    let path = path.split("{?").next().and_then(|path| path.split(['?', '#']).next()).unwrap_or(path);
    let Some(rest) = path.strip_prefix('/') else { return Err("its path does not start with `/`".to_owned()) };
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut out = String::new();
    let count = rest.split('/').count();
    for (index, segment) in rest.split('/').enumerate() {
        out.push('/');
        let last = index.saturating_add(1) == count;
        if segment.is_empty() && last {
            continue;
        }
        if segment.is_empty() || matches!(segment, "." | "..") {
            return Err("its path has an empty or dotted segment, which no request can have (rule 3)".to_owned());
        }
        if segment.contains(['{', '}']) {
            let whole = segment.starts_with('{') && segment.ends_with('}') && segment.matches('{').count() == 1;
            if !whole {
                remarks
                    .push(format!("`{}` is a parameter in part: here the whole segment is one", one_line(segment, 60)));
            }
            let words: Vec<String> = segment
                .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect();
            let stem = if words.is_empty() { "value".to_owned() } else { words.join("-") };
            let name = unique(&stem, |name| names.contains(name));
            out.push_str(&format!("{{{name}}}"));
            names.insert(name);
            continue;
        }
        literal(segment, &mut out)?;
    }
    Ok(out)
}

/// A literal segment in canonical percent-encoding.
fn literal(segment: &str, out: &mut String) -> Result<(), String> {
    let mut bytes = segment.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b';' | b'\\' | 0 => {
                return Err("its path has `;`, a backslash or NUL, which no request can have (rule 3)".to_owned());
            }
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let value = digit()
                    .zip(digit())
                    .and_then(|(high, low)| u8::try_from(high.wrapping_mul(16).wrapping_add(low)).ok());
                match value {
                    Some(byte) if unreserved(byte) => out.push(char::from(byte)),
                    Some(b'/' | b'\\' | 0) | None => {
                        return Err("its path has an encoding that no request can have (rule 3)".to_owned());
                    }
                    Some(byte) => out.push_str(&format!("%{byte:02X}")),
                }
            }
            _ if unreserved(byte) || b"!$&'()*+,=:@".contains(&byte) => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(())
}

/// RFC 3986 §2.3.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
