//! The head of a governed response: what of it the caller gets (rules 29 to 31).

use super::Headers;
use super::body::{Carrier, DeclaredBody};
use crate::caller::Caller;
use crate::json::Texts;
use crate::model::media::MediaRange;
use crate::model::{ClassId, Governed, HeadMode, Level, OtherContent, RouteId};
use crate::program::{HeaderRule, Program};
use crate::refusal::Refusal;

/// Response headers that say nothing of the body, nor of a customer (rule 31).
const SAFE: [&str; 13] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "date",
    "proxy-authenticate",
    "retry-after",
    "strict-transport-security",
    "www-authenticate",
    "x-content-type-options",
];

/// Response headers that describe the upstream's body or connection, not the one that is sent: not even `keep` keeps them.
const NEVER: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Media types of one JSON text that the response's own content-type names without being asked; any other of `+json` becomes
/// `application/json`, unless the policy lists it.
const JSON_TYPES: [&str; 9] = [
    "application/json",
    "application/fhir+json",
    "application/geo+json",
    "application/hal+json",
    "application/ld+json",
    "application/problem+json",
    "application/scim+json",
    "application/vnd.api+json",
    "text/json",
];

/// Old and loose names of one JSON text, which goes out as `application/json`, as `application/json+NAME` does.
const LOOSE: [&str; 5] = [
    "application/dns-json",
    "application/x-amz-json-1.0",
    "application/x-amz-json-1.1",
    "application/x-json",
    "text/x-json",
];

/// A watch of Kubernetes: events on lines of their own, which only a parameter tells from one text.
const WATCH: &str = "application/json;stream=watch";

/// Media types of JSON texts on lines of their own.
const LINES: [&str; 8] = [
    "application/jsonl",
    "application/jsonlines",
    "application/ndjson",
    "application/stream+json",
    "application/x-json-stream",
    "application/x-jsonl",
    "application/x-jsonlines",
    "application/x-ndjson",
];

/// Media types of JSON text sequences (RFC 7464), and of those under a suffix (RFC 8091).
const SEQUENCES: [&str; 2] = ["application/geo+json-seq", "application/json-seq"];

/// The one value of a header; `Err` if it is repeated or not valid UTF-8.
pub(super) fn single<'a>(headers: &'a Headers, name: &str) -> Result<Option<&'a str>, Repeated> {
    let mut values = headers.iter().filter(|(known, _)| known.as_slice() == name.as_bytes());
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some((_, value)), None) => std::str::from_utf8(value).map(Some).map_err(|_| Repeated),
        (Some(_), Some(_)) => Err(Repeated),
    }
}

/// A header that says two things, or nothing that can be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeated;

/// A head as a host's local reply takes it: its status, and its fields as text; `None` if it has not one status. A field whose
/// value is not UTF-8 is left out.
#[must_use]
pub fn status_and_fields(head: &Headers) -> Option<(u32, Vec<(&str, &str)>)> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let pairs = head.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
    let (pseudo, fields): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name.starts_with(':'));
    match pseudo.as_slice() {
        [(":status", status)] => Some((status.parse().ok()?, fields)),
        _ => None,
    }
}

/// Whether a request asks for something that is not a response with a body: an upgrade, a tunnel, gRPC.
pub(super) fn asks_for_upgrade(headers: &Headers) -> bool {
    headers.iter().any(|(name, value)| match name.as_slice() {
        b"upgrade" => true,
        b":protocol" => true,
        b":method" => value.as_slice() == b"CONNECT",
        b"connection" => {
            value.to_ascii_lowercase().split(|byte| *byte == b',').any(|part| part.trim_ascii() == b"upgrade")
        }
        b"content-type" => value.to_ascii_lowercase().starts_with(b"application/grpc"),
        _ => false,
    })
}

/// What kind of answer a response is, by its status (rule 29).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseKind {
    /// Its body follows the route.
    Success,
    /// It carries no body, whatever comes.
    Bodiless,
    /// Its body keeps the members of `errors.show`.
    Error,
}

/// The status that a head says, if it can be read.
pub(super) fn number(headers: &Headers) -> Option<u16> {
    single(headers, ":status").ok().flatten()?.parse().ok()
}

/// Reads the status line (rule 29).
pub(super) fn status(headers: &Headers) -> Result<(u16, ResponseKind), Refusal> {
    let status = number(headers).ok_or(Refusal::Status)?;
    match status {
        206 => Err(Refusal::Status),
        204 | 205 | 304 => Ok((status, ResponseKind::Bodiless)),
        200..=299 => Ok((status, ResponseKind::Success)),
        300..=599 => Ok((status, ResponseKind::Error)),
        _ => Err(Refusal::Status),
    }
}

/// What the head says of the body's length, and of how it comes. HTTP/2 cannot be told from HTTP/1 by what is missing: a
/// body that ends with its connection has neither a length nor, often, a `connection` header.
pub(super) fn declared(headers: &Headers, carrier: Carrier) -> DeclaredBody {
    let bytes = single(headers, "content-length").ok().flatten().and_then(|text| text.parse().ok());
    let promises_trailers = headers.iter().any(|(name, _)| name.as_slice() == b"trailer");
    let carrier = if promises_trailers && carrier == Carrier::Pieces { Carrier::WithTrailers } else { carrier };
    DeclaredBody { bytes, carrier }
}

/// Whether only the protocol tells how a body comes, and it is not known to be within `hold` bytes.
pub(super) fn is_untold(headers: &Headers, hold: u64) -> bool {
    let is_http1 = headers.iter().any(|(name, _)| matches!(name.as_slice(), b"transfer-encoding" | b"connection"));
    !is_http1 && declared(headers, Carrier::Pieces).bytes.is_none_or(|bytes| bytes > hold)
}

/// What a body is, by its head (rule 30). The type never decides whether a body is filtered: without one it is read as
/// JSON, and where other content is passed, a body that opens as JSON is filtered all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'p> {
    /// JSON; `media_type` is the response's own content-type.
    Json {
        /// How texts follow each other.
        texts: Texts,
        /// What the response will say.
        media_type: &'p str,
    },
    /// Something else, which the route passes unless it turns out to be JSON.
    Other,
}

/// What a route answers with, besides the types of JSON that are known by name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answers<'p> {
    /// Types of JSON that the policy lists.
    pub(super) json: &'p [String],
    /// Types that pass unfiltered.
    pub(super) passed: &'p [MediaRange],
}

impl<'p> Answers<'p> {
    /// Of a route's 2xx bodies.
    pub(super) fn of(route: &'p Governed) -> Self {
        let passed: &[MediaRange] = match &route.other_content {
            OtherContent::Reject => &[],
            OtherContent::Pass(ranges) => ranges,
        };
        Self { json: &route.content_types, passed }
    }

    /// Of its other bodies: none of those pass unfiltered.
    pub(super) fn filtered(self) -> Self {
        Self { passed: &[], ..self }
    }
}

/// What a type of JSON, in lower case and without parameters, holds, and the name that the response gets for it.
pub(super) fn json_type(essence: &str) -> Option<(Texts, &'static str)> {
    let known = |types: &[&'static str]| types.iter().copied().find(|known| *known == essence);
    if let Some(lines) = known(&LINES) {
        return Some((Texts::Lines, lines));
    }
    let is_sequence = essence.ends_with("+json-seq") && !essence.starts_with("application/grpc");
    if is_sequence || SEQUENCES.contains(&essence) {
        return Some((Texts::Sequence, known(&SEQUENCES).unwrap_or("application/json-seq")));
    }
    let is_loose = essence.starts_with("application/json+") || LOOSE.contains(&essence);
    let is_one = is_loose || essence.ends_with("+json") || JSON_TYPES.contains(&essence);
    is_one.then(|| (Texts::One, known(&JSON_TYPES).unwrap_or("application/json")))
}

/// Reads what the head says of a body.
pub(super) fn content<'p>(headers: &Headers, answers: Answers<'p>) -> Result<Content<'p>, Refusal> {
    match single(headers, "content-encoding") {
        Ok(None) => {}
        Ok(Some(coding)) if coding.trim().eq_ignore_ascii_case("identity") => {}
        _ => return Err(Refusal::ContentEncoding),
    }
    let declared = single(headers, "content-type").map_err(|Repeated| Refusal::ContentType)?.unwrap_or_default();
    let mut parts = declared.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    if essence.is_empty() {
        return Ok(Content::Json { texts: Texts::One, media_type: "application/json" });
    }
    if essence == "application/json" && parts.any(|part| part.eq_ignore_ascii_case("stream=watch")) {
        return Ok(Content::Json { texts: Texts::Lines, media_type: WATCH });
    }
    let listed = answers.json.iter().find(|listed| **listed == essence);
    match (listed, json_type(&essence)) {
        (Some(listed), known) => {
            let texts = known.map_or(Texts::One, |(texts, _)| texts);
            Ok(Content::Json { texts, media_type: listed })
        }
        (None, Some((texts, media_type))) => Ok(Content::Json { texts, media_type }),
        (None, None) if answers.passed.iter().any(|range| range.passes(&essence)) => Ok(Content::Other),
        (None, None) => Err(Refusal::ContentType),
    }
}

/// The response's own content-type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnType<'p> {
    /// There is no body to speak of.
    None,
    /// This one.
    Is(&'p str),
    /// The upstream's, for a body that is passed.
    Upstream,
}

/// Longest value that comes back from the request, in bytes.
const LONGEST_ECHO: usize = 128;

/// Headers of the request that are put on every answer (rule 31): those of one value, of visible characters.
pub(super) fn echoed<'n>(headers: &Headers, names: impl Iterator<Item = &'n String>) -> Vec<(String, String)> {
    let is_plain = |value: &&str| {
        (1..=LONGEST_ECHO).contains(&value.len()) && value.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
    };
    let one = |name: &String| single(headers, name).ok().flatten().filter(is_plain).map(str::to_owned);
    names.filter_map(|name| Some((name.clone(), one(name)?))).collect()
}

/// Whose head it is: what of the policy is for it, who gets it, and what comes back from the request.
pub(super) struct Whose<'p> {
    pub(super) program: &'p Program,
    pub(super) route: RouteId,
    pub(super) caller: &'p Caller,
    /// What budgets leave of it (rule 35).
    pub(super) ceiling: Level,
    pub(super) echo: &'p [(String, String)],
}

/// The head that the caller gets: the safe list, `keep`, `classify`, `echo`, and what the plugin itself says (rule 31).
pub(super) fn rewrite(upstream: &Headers, status: u16, own_type: OwnType<'_>, whose: &Whose<'_>) -> Headers {
    let Whose { program, route, caller, ceiling, echo } = *whose;
    let mut head: Headers = vec![(b":status".to_vec(), status.to_string().into_bytes())];
    let own = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    match own_type {
        OwnType::None => {}
        OwnType::Is(media_type) => head.push(own("content-type", media_type)),
        OwnType::Upstream => {
            head.extend(upstream.iter().filter(|(name, _)| name.as_slice() == b"content-type").cloned());
        }
    }
    for (name, value) in upstream {
        let Ok(text) = std::str::from_utf8(name) else { continue };
        if text.starts_with(':') || NEVER.contains(&text) || matches!(text, "cache-control" | "vary") {
            continue;
        }
        if echo.iter().any(|(echoed, _)| echoed == text) {
            continue;
        }
        if let Some(classes) = classes(program, route, text) {
            match program.header_rule(route, caller, classes, ceiling) {
                HeaderRule::Keep => head.push((name.clone(), value.clone())),
                HeaderRule::Replace(text) => head.push((name.clone(), text.into_bytes())),
                HeaderRule::Drop => {}
            }
        } else if SAFE.contains(&text) || program.headers(route).flat_map(|names| &names.keep).any(|kept| kept == text)
        {
            head.push((name.clone(), value.clone()));
        }
    }
    head.extend(echo.iter().map(|(name, value)| own(name, value)));
    head.push(own("cache-control", "private, no-store"));
    head.push(own("vary", "authorization"));
    head
}

/// The classes that a header follows on a route, if it follows any.
fn classes<'p>(program: &'p Program, route: RouteId, name: &str) -> Option<&'p [ClassId]> {
    let mut classified = program.headers(route).flat_map(|names| &names.classify);
    classified.find(|(classified, _)| classified == name).map(|(_, classes)| &**classes)
}

/// What the headers that follow a class and come out as they are cost (rule 34).
pub(super) fn cost(upstream: &Headers, whose: &Whose<'_>) -> u64 {
    let Whose { program, route, caller, ceiling, echo } = *whose;
    let cost = |class: &ClassId| program.policy().classes.get(usize::from(class.0)).and_then(|class| class.cost);
    let is_own = |name: &str| echo.iter().any(|(echoed, _)| echoed == name);
    let names = upstream.iter().filter_map(|(name, _)| std::str::from_utf8(name).ok()).filter(|name| !is_own(name));
    let shown = names
        .filter_map(|name| classes(program, route, name))
        .filter(|classes| matches!(program.header_rule(route, caller, classes, ceiling), HeaderRule::Keep));
    shown.flatten().filter_map(cost).fold(0, |sum, cost| sum.saturating_add(cost.into()))
}

/// Whether a rewritten head has a header that follows a class.
pub(super) fn shows_class(head: &Headers, program: &Program, route: RouteId) -> bool {
    let mut classified = program.headers(route).flat_map(|names| &names.classify);
    classified.any(|(known, _)| head.iter().any(|(name, _)| known.as_bytes() == name.as_slice()))
}

/// Whether the head can wait for the body.
pub(super) fn can_hold(program: &Program) -> bool {
    program.policy().head == HeadMode::Held
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and values.
    type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

    #[test]
    fn a_local_reply_has_one_status_and_the_fields_that_are_text() {
        type Row<'a> = (&'a str, Pairs<'a>, Option<(u32, &'a [(&'a str, &'a str)])>);
        let rows: [Row<'_>; 9] = [
            ("a status alone", &[(b":status", b"200")], Some((200, &[]))),
            (
                "fields in their order, repeated ones too",
                &[(b"b", b"1"), (b":status", b"404"), (b"a", b"2"), (b"b", b"3")],
                Some((404, &[("b", "1"), ("a", "2"), ("b", "3")])),
            ),
            (
                "a field whose value is not UTF-8",
                &[(b":status", b"200"), (b"a", b"\xff"), (b"b", b"1")],
                Some((200, &[("b", "1")])),
            ),
            ("no status", &[(b"a", b"1")], None),
            ("two", &[(b":status", b"200"), (b":status", b"200")], None),
            ("one that is no number", &[(b":status", b"ok")], None),
            ("one that is not UTF-8", &[(b":status", b"\xff")], None),
            ("another pseudo-header beside it", &[(b":status", b"200"), (b":path", b"/")], None),
            ("nothing", &[], None),
        ];
        for (claim, pairs, expected) in rows {
            let head: Headers = pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            let expected = expected.map(|(status, fields)| (status, fields.to_vec()));
            assert_eq!(status_and_fields(&head), expected, "{claim}");
        }
    }
}
