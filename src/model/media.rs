//! [`MediaRange`]: the media types that a route passes unfiltered, and which those may be (rule 30).
//!
//! What may pass is listed, not what may not: kinds of content in which no framework writes the records that it would have
//! written as JSON. Everything else can be a second spelling of the same record, and a caller needs no more than an
//! `accept` header to ask for it.

use std::fmt;

/// A media type in lower case, without parameters, or every subtype of one top-level type (`image/*`; RFC 9110 §12.5.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaRange {
    top: String,
    /// `None` for all of them.
    sub: Option<String>,
}

/// Top-level types of pictures, sound, film and letters.
const PASSABLE_TREES: [&str; 4] = ["audio", "font", "image", "video"];

/// Single types that hold a document for people to read, not records.
const PASSABLE: [&str; 1] = ["application/pdf"];

/// What tells, inside a subtype, that it is written in one of the structured forms: `image/svg+xml`, `model/gltf+json`. A
/// suffix of any kind is one (RFC 6838 §4.2.8).
const STRUCTURED: [&str; 8] = ["+", "csv", "json", "script", "svg", "text", "xml", "yaml"];

impl MediaRange {
    /// Reads a media type or a range, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (top, sub) = text.split_once('/')?;
        if !is_token(top) || !is_token(sub) || top.contains('*') {
            return None;
        }
        let sub = match sub {
            "*" => None,
            sub if sub.contains('*') => return None,
            sub => Some(sub.to_ascii_lowercase()),
        };
        Some(Self { top: top.to_ascii_lowercase(), sub })
    }

    /// Whether a route may pass it without filtering.
    #[must_use]
    pub fn is_passable(&self) -> bool {
        match &self.sub {
            None => PASSABLE_TREES.contains(&self.top.as_str()),
            Some(sub) => is_passable(&self.top, sub),
        }
    }

    /// Whether a body of JSON may be called so: one that a reader could take for a page, a script, a picture or several parts
    /// may not.
    #[must_use]
    pub fn is_json_name(&self) -> bool {
        let sub = self.sub.as_deref().unwrap_or_default();
        // `json+fhir` is how FHIR called itself once; `json+xml` is XML to a browser.
        let loose = sub.strip_prefix("json+").unwrap_or(sub);
        let own = sub == "json"
            || sub.ends_with("+json")
            || !STRUCTURED.iter().any(|word| *word != "json" && loose.contains(word));
        matches!(self.top.as_str(), "application" | "text")
            && !matches!(sub, "" | "html" | "css" | "event-stream" | "pdf")
            && own
    }

    /// Whether a response of that type, in lower case and without parameters, is one of these and may pass.
    #[must_use]
    pub fn passes(&self, essence: &str) -> bool {
        let Some((top, sub)) = essence.split_once('/') else { return false };
        let covered = self.top == top && self.sub.as_ref().is_none_or(|named| named == sub);
        covered && is_token(sub) && is_passable(top, sub)
    }

    /// Whether what a request asks for is this, or a part of it.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        self.top == asked.top && (self.sub.is_none() || self.sub == asked.sub)
    }
}

fn is_passable(top: &str, sub: &str) -> bool {
    let tree = PASSABLE_TREES.contains(&top) && !STRUCTURED.iter().any(|word| sub.contains(word));
    tree || PASSABLE.iter().any(|whole| whole.split_once('/') == Some((top, sub)))
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl fmt::Display for MediaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.top, self.sub.as_deref().unwrap_or("*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_no_records_may_pass() {
        let may = ["application/pdf", "Application/PDF", "image/*", "image/png", "audio/mpeg", "video/*", "font/woff2"];
        let may_not = [
            "*/*",
            "application/*",
            "text/*",
            "text/plain",
            "text/csv",
            "text/html",
            "text/event-stream",
            "multipart/*",
            "multipart/form-data",
            "message/http",
            "model/gltf+json",
            "image/svg+xml",
            "image/svg",
            "image/x+json",
            "video/vnd.x+yaml",
            "audio/vnd.x-json",
            "application/xml",
            "application/yaml",
            "application/x-yaml",
            "application/cbor",
            "application/msgpack",
            "application/x-msgpack",
            "application/vnd.msgpack",
            "application/protobuf",
            "application/x-protobuf",
            "application/grpc",
            "application/javascript",
            "application/ecmascript",
            "application/bson",
            "application/avro",
            "application/x-ndjson",
            "application/json",
            "application/problem+json",
            "application/xhtml+xml",
            "application/jwt",
            "application/x-www-form-urlencoded",
            "application/toml",
            "application/rtf",
            "application/octet-stream",
            "application/zip",
            "application/gzip",
            "application/vnd.ms-excel",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.apache.parquet",
            "application/vnd.apache.arrow.stream",
            "application/sql",
        ];
        for (types, expected) in [(&may[..], true), (&may_not[..], false)] {
            for text in types {
                let range = MediaRange::parse(text);
                assert_eq!(range.is_some_and(|range| range.is_passable()), expected, "{text}");
            }
        }
        for text in ["", "image", "image/", "/png", "image/png; q=1", "image/p ng", "ima*e/png", "image/p*", "a/b/c"] {
            assert_eq!(MediaRange::parse(text), None, "`{text}` is no media type");
        }
    }

    #[test]
    fn a_name_for_json_is_no_name_of_anything_else() {
        let may = [
            "application/vnd.acme.v2+json",
            "Application/Json",
            "application/x-amz-json-1.1",
            "text/json",
            "application/dns-json",
            "application/json+fhir",
        ];
        let may_not = [
            "application/*",
            "text/html",
            "text/xml",
            "application/xml",
            "application/atom+xml",
            "image/png",
            "multipart/mixed",
            "application/javascript",
            "text/javascript",
            "text/csv",
            "text/event-stream",
            "application/xhtml+xml",
            "image/svg+xml",
            "application/pdf",
            "text/css",
            "model/gltf+json",
            "application/json+xml",
            "application/json+html+xml",
        ];
        for (types, expected) in [(&may[..], true), (&may_not[..], false)] {
            for text in types {
                assert_eq!(MediaRange::parse(text).unwrap().is_json_name(), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_response_passes_by_its_own_type_too() {
        let rows = [
            ("image/*", "image/png", true),
            ("image/*", "image/svg+xml", false),
            ("image/*", "image/json", false),
            ("image/*", "image/", false),
            ("image/*", "imagery/png", false),
            ("image/*", "application/pdf", false),
            ("application/pdf", "application/pdf", true),
            ("application/pdf", "application/pdfx", false),
            ("image/png", "image/jpeg", false),
        ];
        for (range, essence, expected) in rows {
            assert_eq!(MediaRange::parse(range).unwrap().passes(essence), expected, "{range} {essence}");
        }
    }
}
