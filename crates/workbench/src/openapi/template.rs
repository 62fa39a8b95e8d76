//! Paths of a description as the policy's templates (rules 3 and 4).

use std::collections::BTreeSet;

use super::names::unique;
use super::one_line;

/// A path template as a policy writes it: canonical literals, whole segments as parameters, each name once (rules 3 and 4).
pub(super) fn template(path: &str, remarks: &mut Vec<String>) -> Result<String, String> {
    // A template of RFC 6570 may end in a query, `{?page}`.
    let path = path.split("{?").next().and_then(|path| path.split(['?', '#']).next()).unwrap_or(path);
    let path = patterns(path);
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
        let Some((before, inner, after)) = parameter(segment) else {
            literal(segment, &mut out)?;
            continue;
        };
        if inner.contains(['{', '}']) {
            remarks.push(format!("`{}` has several parameters: here they are one", one_line(segment, 60)));
        }
        let words: Vec<&str> = inner
            .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
            .filter(|word| !word.is_empty())
            .collect();
        let stem = if words.is_empty() { "value".to_owned() } else { words.join("-") };
        let name = unique(&stem, |name| names.contains(name));
        let several = inner.ends_with(['+', '*']) || inner.starts_with('*');
        if several && !(last && before.is_empty() && after.is_empty()) {
            remarks.push(format!("`{}` stands for several segments: here it is one", one_line(segment, 60)));
        }
        let plus = if several && last && before.is_empty() && after.is_empty() { "+" } else { "" };
        literal(before, &mut out)?;
        out.push_str(&format!("{{{name}{plus}}}"));
        literal(after, &mut out)?;
        names.insert(name);
    }
    Ok(out)
}

/// A segment's text before its parameter, the parameter without its braces, and the text after it. Of several parameters, all
/// from the first to the last are one.
fn parameter(segment: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = segment.split_once('{')?;
    let (inner, after) = rest.rsplit_once('}')?;
    Some((before, inner, after))
}

/// The path with each `{name=shelves/*}` (a pattern of `google.api.http`) as its segments: `shelves/{name}`.
fn patterns(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((inner, next)) = after.split_once('}') else {
            rest = rest.get(before.len()..).unwrap_or_default();
            break;
        };
        rest = next;
        match inner.split_once('=') {
            Some((name, pattern)) => {
                let segments: Vec<String> = pattern
                    .split('/')
                    .map(|segment| match segment {
                        "*" => format!("{{{name}}}"),
                        "**" => format!("{{{name}+}}"),
                        literal => literal.to_owned(),
                    })
                    .collect();
                out.push_str(&segments.join("/"));
            }
            None => out.push_str(&format!("{{{inner}}}")),
        }
    }
    out.push_str(rest);
    out
}

/// A path of a description, or of a policy, with every parameter called `{}`.
pub(super) fn erased(template: &str) -> String {
    let mut out = String::new();
    let mut name = None;
    for c in template.chars() {
        match (c, name) {
            ('{', _) => name = Some(' '),
            ('}', Some(last)) => {
                out.push_str(if last == '+' { "{+}" } else { "{}" });
                name = None;
            }
            (c, Some(_)) => name = Some(c),
            (c, None) => out.push(c),
        }
    }
    out
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
