//! Which route a request takes (rules 3 to 6). Paths are compared as raw segments and never rewritten, so what was
//! matched is exactly what is forwarded.

use std::collections::HashMap;

use super::fit::fit;
use super::forks::{ForkStep, Forks};
use super::loose::Loose;
use crate::model::{self, PolicySet, QueryRule, RouteBody, RouteId, Template, TemplateSegment};
use crate::refusal::Refusal;

/// Routes of one policy, the more specific first.
#[derive(Debug)]
pub(super) struct Router {
    hosts: Vec<String>,
    routes: Vec<Candidate>,
    /// The templates of `routes`.
    forks: Forks,
    /// The governed routes, in the order of `routes`.
    loose: Loose,
}

#[derive(Debug)]
struct Candidate {
    id: RouteId,
    method: String,
    template: Template,
    /// Of a route that passes: the governed routes that would go before it, or could as well, under a loose reading (rule 5).
    before: Option<Before>,
}

/// The governed routes that are at least as specific as one that passes, but for those at its very path: who lets another
/// method of that pass has named it.
#[derive(Debug)]
struct Before {
    /// How many of the governed routes are as specific.
    count: usize,
    /// Those among them at its path.
    alike: Vec<usize>,
}

impl Router {
    pub(super) fn new(policy: &PolicySet) -> Self {
        let mut ranked: Vec<_> = (0u16..).map(RouteId).zip(&policy.routes).collect();
        // The most specific first: of several that fit the first is the route (rule 4).
        ranked.sort_by_cached_key(|(_, route)| route.template.rank());
        let governed: Vec<&Template> = ranked
            .iter()
            .filter(|(_, route)| matches!(route.body, RouteBody::Governed(_)))
            .map(|(_, route)| &route.template)
            .collect();
        let loose = Loose::new(governed.iter().copied());
        let ranks: Vec<_> = governed.iter().map(|template| template.rank()).collect();
        let mut at_path: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, template) in governed.iter().enumerate() {
            at_path.entry(template.erased()).or_default().push(index);
        }
        let before = |passed: &Template| {
            let rank = passed.rank();
            Before {
                count: ranks.partition_point(|of| *of <= rank),
                alike: at_path
                    .get(&passed.erased())
                    .into_iter()
                    .flatten()
                    .copied()
                    .filter(|index| governed.get(*index).is_some_and(|template| template.is_alike(passed)))
                    .collect(),
            }
        };
        let routes: Vec<Candidate> = ranked
            .into_iter()
            .map(|(id, route)| Candidate {
                id,
                method: route.method.clone(),
                template: route.template.clone(),
                before: matches!(route.body, RouteBody::Pass(_)).then(|| before(&route.template)),
            })
            .collect();
        let forks = Forks::new(routes.iter().map(|route| route.template.segments.iter().map(step)));
        Self { hosts: policy.hosts.clone(), routes, forks, loose }
    }

    /// Whether somebody could take a canonical path for a governed route's, whatever method and authority it comes with
    /// (rule 5).
    pub(super) fn may_be_governed(&self, path: &str) -> bool {
        self.loose.may_be_governed(path)
    }

    /// The route of a request, by authority, method and path (without its query). A route that passes lets nothing by that
    /// somebody could take for a request of a governed route: `/Accounts/1` by `GET /{page+}`.
    pub(super) fn find(&self, authority: &str, method: &str, path: &str) -> Option<RouteId> {
        if !self.governs(authority) || !is_canonical(path) {
            return None;
        }
        // A HEAD is answered as its GET would be (RFC 9110 §9.3.2).
        let method = if method == "HEAD" { "GET" } else { method };
        self.first(method, path).filter(|route| !self.is_behind(route, path)).map(|route| route.id)
    }

    /// The most specific route of a method that a path fits.
    fn first(&self, method: &str, path: &str) -> Option<&Candidate> {
        let inner = path.strip_prefix('/')?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        // The root has no segment; elsewhere none is empty, since the path is canonical.
        let segments = inner.split('/').filter(|segment| !segment.is_empty());
        let mut first: Option<(usize, &Candidate)> = None;
        self.forks.find(segments, &|segment| std::iter::once(segment), &mut |index| {
            // They come in the order of the tree, not of their ranks.
            let goes_before = first.is_none_or(|(other, _)| index < other);
            if let (Some(route), true) = (self.routes.get(index), goes_before)
                && route.method == method
                && fit(&route.template, path).is_some()
            {
                first = Some((index, route));
            }
            false
        });
        first.map(|(_, route)| route)
    }

    /// Whether a route passes and a path could be a governed one's that goes before it.
    fn is_behind(&self, route: &Candidate, path: &str) -> bool {
        // A governed route never has this bound: it filters whatever it gets.
        let Some(before) = &route.before else { return false };
        self.loose.may_be_one_of(path, before.count, &before.alike)
    }

    /// Whether the policy speaks for an authority: all, or one of `hosts`, with its port or, where the policy names
    /// none, without (rule 4).
    fn governs(&self, authority: &str) -> bool {
        let (name, port) = model::authority(authority);
        let authority = if port.is_empty() { name.clone() } else { format!("{name}:{port}") };
        self.hosts.is_empty() || self.hosts.iter().any(|host| *host == authority || *host == name)
    }
}

fn step(segment: &TemplateSegment) -> ForkStep<'_> {
    match segment {
        TemplateSegment::Literal(literal) => ForkStep::Text(literal),
        TemplateSegment::Part { before, after, .. } => ForkStep::Between(before, after),
        TemplateSegment::Parameter(_) => ForkStep::Any,
        TemplateSegment::Rest(_) => ForkStep::Rest,
    }
}

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
mod among_many {
    mod tests;
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
