//! The heads of a governed exchange: what of a request's goes on, and what of a response's (rules 29 to 32).

use super::Headers;
use super::body::{Carrier, Declared};
use crate::caller::Caller;
use crate::json::Texts;
use crate::policy::model::{HeadMode, Level, OtherContent, RouteId};
use crate::program::{HeaderRule, Program};
use crate::refusal::Refusal;

/// Request headers by which a request would be for another path or method than the ones that were matched (rules 3, 32).
/// Nothing forwards them, not even a route that is passed.
pub(super) const REROUTING: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Besides, request headers that would make the upstream answer with a part, or with "not modified" (rule 32).
pub(super) const REMOVED_FROM_WRITES: [&str; 9] = [
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// Besides, where nothing is written, the conditions that would tell by a 412 whether a guess at a withheld value is right:
/// entity tags are made of the whole body.
pub(super) const REMOVED_FROM_READS: [&str; 11] = [
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "if-match",
    "if-unmodified-since",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// Response headers that say nothing of the body, nor of a customer (rule 31).
const SAFE: [&str; 11] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "date",
    "retry-after",
    "strict-transport-security",
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

/// Media types that the response's own content-type may name; any other JSON type becomes `application/json`.
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

/// Beginnings of media types that wrap JSON: streams of events, messages, scripts that call with it, parts.
const WRAPPERS: [&str; 7] = [
    "application/ecmascript",
    "application/grpc",
    "application/javascript",
    "application/x-javascript",
    "multipart/",
    "text/event-stream",
    "text/javascript",
];

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
pub(super) enum Kind {
    /// Its body follows the route.
    Success,
    /// It carries no body, whatever comes.
    Bodiless,
    /// Its body keeps the members of `errors.show`.
    Error,
}

/// Reads the status line (rule 29).
pub(super) fn status(headers: &Headers) -> Result<(u16, Kind), Refusal> {
    let status = single(headers, ":status").map_err(|Repeated| Refusal::Status)?;
    let status: u16 = status.and_then(|status| status.parse().ok()).ok_or(Refusal::Status)?;
    match status {
        206 => Err(Refusal::Status),
        204 | 205 | 304 => Ok((status, Kind::Bodiless)),
        200..=299 => Ok((status, Kind::Success)),
        300..=599 => Ok((status, Kind::Error)),
        _ => Err(Refusal::Status),
    }
}

/// What the head says of the body's length, and of how it comes. HTTP/2 cannot be told from HTTP/1 by what is missing: a
/// body that ends with its connection has neither a length nor, often, a `connection` header.
pub(super) fn declared(headers: &Headers, carrier: Carrier) -> Declared {
    let bytes = single(headers, "content-length").ok().flatten().and_then(|text| text.parse().ok());
    let promises_trailers = headers.iter().any(|(name, _)| name.as_slice() == b"trailer");
    let carrier = if promises_trailers && carrier == Carrier::Pieces { Carrier::WithTrailers } else { carrier };
    Declared { bytes, carrier }
}

/// Whether only the protocol tells how a body comes, and it is not known to be within `hold` bytes.
pub(super) fn is_untold(headers: &Headers, hold: u64) -> bool {
    let is_http1 = headers.iter().any(|(name, _)| matches!(name.as_slice(), b"transfer-encoding" | b"connection"));
    !is_http1 && declared(headers, Carrier::Pieces).bytes.is_none_or(|bytes| bytes > hold)
}

/// What a body is, by its head (rule 30). The type never decides whether a body is filtered: without one it is read as
/// JSON, and where other content is passed, a body that opens as JSON is filtered all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// JSON; `media_type` is the response's own content-type.
    Json {
        /// How texts follow each other.
        texts: Texts,
        /// What the response will say.
        media_type: &'static str,
    },
    /// Something else, which the route passes unless it turns out to be JSON.
    Other,
}

/// Reads what the head says of a body.
pub(super) fn content(headers: &Headers, other: OtherContent) -> Result<Content, Refusal> {
    match single(headers, "content-encoding") {
        Ok(None) => {}
        Ok(Some(coding)) if coding.trim().eq_ignore_ascii_case("identity") => {}
        _ => return Err(Refusal::ContentEncoding),
    }
    let declared = single(headers, "content-type").map_err(|Repeated| Refusal::ContentType)?.unwrap_or_default();
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = |texts, media_type| Ok(Content::Json { texts, media_type });
    match essence.as_str() {
        "" => json(Texts::One, "application/json"),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
            json(Texts::Lines, "application/x-ndjson")
        }
        "application/json-seq" => json(Texts::Sequence, "application/json-seq"),
        json_type if json_type == "application/json" || json_type == "text/json" || json_type.ends_with("+json") => {
            let known = JSON_TYPES.iter().find(|known| **known == json_type);
            json(Texts::One, known.copied().unwrap_or("application/json"))
        }
        // Not even where other content is passed: what these hold is JSON in most cases, behind something else.
        holds_json if WRAPPERS.iter().any(|wrapper| holds_json.starts_with(wrapper)) => Err(Refusal::ContentType),
        _ => match other {
            OtherContent::Reject => Err(Refusal::ContentType),
            OtherContent::Pass => Ok(Content::Other),
        },
    }
}

/// The response's own content-type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnType {
    /// There is no body to speak of.
    None,
    /// This one.
    Is(&'static str),
    /// The upstream's, for a body that is passed.
    Upstream,
}

/// The head that the caller gets: the safe list, `keep`, `classify`, and what the plugin itself says (rule 31).
pub(super) fn rewrite(
    upstream: &Headers,
    status: u16,
    own_type: OwnType,
    program: &Program,
    (route, caller, ceiling): (RouteId, &Caller, Level),
) -> Headers {
    let defaults = &program.policy().defaults;
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
        if let Some((_, classes)) = defaults.classified_headers.iter().find(|(classified, _)| classified == text) {
            match program.header_rule(route, caller, classes, ceiling) {
                HeaderRule::Keep => head.push((name.clone(), value.clone())),
                HeaderRule::Replace(text) => head.push((name.clone(), text.into_bytes())),
                HeaderRule::Drop => {}
            }
        } else if SAFE.contains(&text) || defaults.keep_headers.iter().any(|kept| kept == text) {
            head.push((name.clone(), value.clone()));
        }
    }
    head.push(own("cache-control", "private, no-store"));
    head.push(own("vary", "authorization"));
    head
}

/// Whether a rewritten head has a header that follows a class.
pub(super) fn shows_class(head: &Headers, program: &Program) -> bool {
    let classified = &program.policy().defaults.classified_headers;
    head.iter().any(|(name, _)| classified.iter().any(|(known, _)| known.as_bytes() == name.as_slice()))
}

/// Whether the head can wait for the body.
pub(super) fn can_hold(program: &Program) -> bool {
    program.policy().head == HeadMode::Held
}
