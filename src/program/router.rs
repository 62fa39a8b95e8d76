//! Which route a request takes (rules 3 to 6). Paths are compared as raw segments and never rewritten, so what was
//! matched is exactly what is forwarded.

use crate::policy::model::{PolicySet, QueryRule, RouteId, Template, TemplateSegment};
use crate::refusal::Refusal;

/// Routes of one policy, the more specific first.
#[derive(Debug)]
pub(super) struct Router {
    hosts: Vec<String>,
    routes: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    id: RouteId,
    method: String,
    template: Template,
}

impl Router {
    pub(super) fn new(policy: &PolicySet) -> Self {
        let mut routes: Vec<Candidate> = (0u16..)
            .zip(&policy.routes)
            .map(|(id, route)| Candidate {
                id: RouteId(id),
                method: route.method.clone(),
                template: route.template.clone(),
            })
            .collect();
        // At the first differing segment a literal goes before `{}` (rule 4): the order of templates by kind of segment.
        routes.sort_by_cached_key(|route| {
            route
                .template
                .segments
                .iter()
                .map(|segment| matches!(segment, TemplateSegment::Parameter(_)))
                .collect::<Vec<_>>()
        });
        Self { hosts: policy.hosts.clone(), routes }
    }

    /// The route of a request, by authority, method and path (without its query).
    pub(super) fn find(&self, authority: &str, method: &str, path: &str) -> Option<RouteId> {
        if !self.governs(authority) || !is_canonical(path) {
            return None;
        }
        let method = if method == "HEAD" { "GET" } else { method };
        self.routes.iter().find(|route| route.method == method && fits(&route.template, path)).map(|route| route.id)
    }

    /// Whether the policy speaks for an authority: all, or one of `hosts`, with its port or, where the policy names
    /// none, without (rule 4).
    fn governs(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &authority,
        };
        self.hosts.is_empty() || self.hosts.iter().any(|host| *host == authority || *host == name)
    }
}

fn fits(template: &Template, path: &str) -> bool {
    let Some(mut rest) = path.strip_prefix('/') else { return false };
    if template.trailing_slash {
        let Some(shorter) = rest.strip_suffix('/') else { return template.segments.is_empty() && rest.is_empty() };
        rest = shorter;
    }
    let mut segments = rest.split('/');
    template.segments.iter().all(|expected| match (expected, segments.next()) {
        (TemplateSegment::Literal(literal), Some(segment)) => literal == segment,
        (TemplateSegment::Parameter(_), Some(segment)) => !segment.is_empty(),
        (_, None) => false,
    }) && segments.next().is_none()
}

/// Whether a path can match a route at all (rule 3): absolute, no empty, `.` or `..` segment but for one empty one at
/// the end, only `pchar` (RFC 3986 §3.3) without `;`, and percent-encoding only where it must be, in upper case
/// (§2.1, §6.2.2), and never of `/`, `\` or NUL.
#[must_use]
pub fn is_canonical(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let inner = rest.strip_suffix('/').unwrap_or(rest);
    if inner.is_empty() {
        return rest.is_empty();
    }
    inner.split('/').all(|segment| !matches!(segment, "" | "." | "..") && is_canonical_segment(segment))
}

/// Whether a path segment is spelled in the one canonical way (RFC 3986 §6.2.2).
#[must_use]
pub fn is_canonical_segment(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'%' => match (bytes.next().and_then(upper_hex), bytes.next().and_then(upper_hex)) {
                (Some(high), Some(low)) => {
                    !matches!((high << 4) | low, b'/' | b'\\' | 0) && !is_unreserved((high << 4) | low)
                }
                _ => false,
            },
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => true,
            other => is_unreserved(other),
        };
        if !fine {
            return false;
        }
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
        let known = decode(name).is_some_and(|decoded| allowed.contains(&decoded));
        if !piece.is_empty() && !known {
            let end = start.saturating_add(name.len());
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            return Err(Refusal::QueryParameter { start: offset(start), end: offset(end) });
        }
        start = start.saturating_add(piece.len()).saturating_add(1);
    }
    Ok(())
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
