//! A request's path and query as they are spelled: which paths can match a route at all, and what a query names (rules 3 and 6).

use crate::model::QueryRule;
use crate::refusal::Refusal;

/// Whether a path can match a route at all (rule 3): absolute, no empty, `.` or `..` segment but for one empty one at
/// the end, only `pchar` (RFC 3986 §3.3) without `;`, and percent-encoding only where it must be, in upper case
/// (§2.1, §6.2.2), and never of `/`, `\` or a control character.
#[must_use]
pub fn is_canonical(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    // `/accounts/` is a path of its own; `/accounts//` is not canonical.
    let inner = rest.strip_suffix('/').unwrap_or(rest);
    if inner.is_empty() {
        return rest.is_empty();
    }
    inner.split('/').all(|segment| !matches!(segment, "" | "." | "..") && is_canonical_segment(segment))
}

/// Whether a path segment is spelled in the one canonical way (RFC 3986 §6.2.2), and nothing in it ends a line, a header or a
/// segment for whoever decodes it.
#[must_use]
pub fn is_canonical_segment(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    let mut before = 0;
    while let Some(byte) = bytes.next() {
        let (fine, decoded) = match byte {
            b'%' => match (bytes.next().and_then(upper_hex), bytes.next().and_then(upper_hex)) {
                (Some(high), Some(low)) => {
                    let decoded = (high << 4) | low;
                    // U+0080 to U+009F are control characters too: in UTF-8, C2 and one byte more.
                    let controls = decoded.is_ascii_control() || before == 0xC2 && matches!(decoded, 0x80..=0x9F);
                    // `%41` is `A` spelled the long way: two spellings of one path would be two for a router (RFC 3986 §6.2.2.2).
                    (!controls && !matches!(decoded, b'/' | b'\\') && !is_unreserved(decoded), decoded)
                }
                _ => (false, 0),
            },
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => (true, byte),
            other => (is_unreserved(other), other),
        };
        if !fine {
            return false;
        }
        before = decoded;
    }
    true
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn upper_hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

/// Refuses a query that names a parameter the route does not list (rule 6). `from` is the query's offset in `target`.
///
/// Names are compared after percent-decoding (`+` is a space). A `;` separates parameters as `&` does: there are upstreams
/// that read it so, and a name must not hide behind one.
pub(super) fn check_query(rule: &QueryRule, target: &str, from: usize) -> Result<(), Refusal> {
    let QueryRule::Only(allowed) = rule else { return Ok(()) };
    let mut start = from;
    for piece in target.get(from..).unwrap_or_default().split(['&', ';']) {
        let name = piece.split_once('=').map_or(piece, |(name, _)| name);
        // `%6Cimit` is `limit`: a name must not hide in its encoding.
        let known = decode(name).is_some_and(|decoded| allowed.iter().any(|listed| lists(listed, &decoded)));
        if !piece.is_empty() && !known {
            let end = start.saturating_add(name.len());
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            return Err(Refusal::QueryParameter { start: offset(start), end: offset(end) });
        }
        start = start.saturating_add(piece.len()).saturating_add(1);
    }
    Ok(())
}

/// Whether a listed name is that name, or of its form: `filter[*]` lists `filter[status]` and `filter[a][b]`.
fn lists(listed: &str, name: &str) -> bool {
    let form = listed.strip_suffix("*]").filter(|stem| stem.ends_with('['));
    listed == name || form.is_some_and(|stem| name.strip_prefix(stem).is_some_and(|rest| rest.ends_with(']')))
}

/// The value of a query parameter, as it is spelt; `None` if it is not there, or more than once.
pub(super) fn query_value<'t>(target: &'t str, name: &str) -> Option<&'t str> {
    let (_, query) = target.split_once('?')?;
    let mut values = query.split(['&', ';']).filter_map(|pair| {
        let (spelt, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(spelt).as_deref() == Some(name)).then_some(value)
    });
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// The text of a canonical path segment.
pub(super) fn decode_path(segment: &str) -> Option<String> {
    // In a path a plus sign is itself; in a query it is a space.
    decode(&segment.replace('+', "%2B"))
}

/// Percent-decodes a query name; `None` if it is malformed or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| upper_hex(byte.to_ascii_uppercase()));
                (digit(bytes.next())? << 4) | digit(bytes.next())?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_paths_can_match_a_route() {
        let rows = [
            ("the root", "/", true),
            ("plain segments", "/accounts/42", true),
            ("one empty segment at the end", "/accounts/", true),
            ("sub-delimiters, colon and at sign", "/a!$&'()*+,=:@b", true),
            ("a space that must be encoded", "/a%20b", true),
            ("an encoded percent sign", "/a%252F", true),
            ("no leading slash", "accounts", false),
            ("an empty path", "", false),
            ("the asterisk form", "*", false),
            ("an empty segment at the start", "//accounts", false),
            ("an empty segment in the midst", "/accounts//42", false),
            ("two empty segments at the end", "/accounts//", false),
            ("a dot segment", "/./accounts", false),
            ("a dot segment at the end", "/accounts/.", false),
            ("a dot-dot segment", "/accounts/../admin", false),
            ("a dot-dot segment before a slash at the end", "/accounts/../", false),
            ("an encoded dot segment", "/%2E%2E/accounts", false),
            ("a path parameter", "/accounts;x=1/42", false),
            ("an encoded slash", "/accounts%2F42", false),
            ("an encoded slash in lower case", "/accounts%2f42", false),
            ("an encoded backslash", "/accounts%5C42", false),
            ("a raw backslash", "/accounts\\42", false),
            ("an encoded NUL", "/accounts/%00", false),
            ("an encoded line end", "/accounts/%0D%0Ax", false),
            ("an encoded line feed", "/accounts%0A", false),
            ("an encoded tab", "/accounts/%09", false),
            ("an encoded escape", "/accounts/%1B[2J", false),
            ("an encoded delete", "/accounts/%7F", false),
            ("an encoded next line", "/accounts/%C2%85", false),
            ("an encoded control sequence introducer", "/accounts/%C2%9B", false),
            ("a letter that ends in such a byte", "/%C3%9B", true),
            ("a space that does not break", "/a%C2%A0b", true),
            ("a byte alone", "/%80", true),
            ("an encoding that need not be", "/%61ccounts", false),
            ("an encoding in lower case", "/a%c3%a9", false),
            ("an encoding in upper case", "/a%C3%A9", true),
            ("a raw letter beyond ASCII", "/é", false),
            ("half an encoding", "/a%4", false),
            ("an encoding of no digits", "/a%zz", false),
            ("a raw space", "/a b", false),
            ("a fragment", "/a#b", false),
            ("a control character", "/a\u{7f}", false),
        ];
        for (claim, path, canonical) in rows {
            assert_eq!(is_canonical(path), canonical, "{claim}: {path}");
        }
    }

    #[test]
    fn only_listed_query_parameters_pass() {
        let rule = QueryRule::Only(vec!["page".into(), "from date".into(), "filter[*]".into()]);
        let rows = [
            ("no parameter at all", "/a?", Ok(())),
            ("a listed one", "/a?page=2", Ok(())),
            ("a listed one without a value", "/a?page", Ok(())),
            ("a listed one twice", "/a?page=1&page=2", Ok(())),
            ("empty pieces", "/a?&page=2&&", Ok(())),
            ("an encoded spelling of a listed one", "/a?p%61ge=2", Ok(())),
            ("a plus as the space of a listed one", "/a?from+date=1", Ok(())),
            ("another one", "/a?page=2&select=ssn", Err("select")),
            ("another one behind a semicolon", "/a?page=2;select=ssn", Err("select")),
            ("another case", "/a?Page=2", Err("Page")),
            ("a name that only starts like a listed one", "/a?page[]=2", Err("page[]")),
            ("a name of a listed form", "/a?filter[status]=1", Ok(())),
            ("a deeper name of a listed form", "/a?filter[a][b]=1", Ok(())),
            ("an encoded name of a listed form", "/a?filter%5Bstatus%5D=1", Ok(())),
            ("a listed form without its brackets", "/a?filter=1", Err("filter")),
            ("a listed form that is not closed", "/a?filter[status=1", Err("filter[status")),
            ("a listed form with something after it", "/a?filter[a]b=1", Err("filter[a]b")),
            ("another stem with brackets", "/a?filters[a]=1", Err("filters[a]")),
            ("brackets alone", "/a?[a]=1", Err("[a]")),
            ("an empty name", "/a?=2", Err("")),
            ("half an encoding", "/a?pag%6", Err("pag%6")),
            ("an encoding that is not UTF-8", "/a?%FF=1", Err("%FF")),
        ];
        for (claim, target, expected) in rows {
            let outcome = check_query(&rule, target, 3).map_err(|refusal| match refusal {
                Refusal::QueryParameter { start, end } => &target[start as usize..end as usize],
                other => panic!("{claim}: {other}"),
            });
            assert_eq!(outcome, expected, "{claim}: {target}");
        }
        assert_eq!(check_query(&QueryRule::Any, "/a?x=1", 3), Ok(()), "any lets every name pass");
    }
}
