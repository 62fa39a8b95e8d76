//! The head of a request that is forwarded: what of it goes on, and what the upstream is asked for instead (rule 32).
//!
//! Names are compared with `_` as `-`: servers that hand headers to programs as variables (RFC 3875 §4.1.18) read both
//! alike, and Envoy lets underscores through unless it is told otherwise.

use super::head::{Answers, json_type};
use super::{Headers, RequestDirective};
use crate::model::media::MediaRange;

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// GET or HEAD.
    Only,
    /// Any other method.
    AndWriting,
}

/// What a header's name says that it is about, and what it would do with that: two words, one of each, make a header by
/// which some server takes a request for one to another path, or of another method, than were matched (rule 3):
/// `x-original-url`, `x-rewrite-url`, `x-http-method-override`, `x-forwarded-uri`.
const TARGETS: [&str; 4] = ["method", "path", "uri", "url"];
const REDIRECTIONS: [&str; 5] = ["forwarded", "http", "original", "override", "rewrite"];

const ENCODING: &str = "accept-encoding";

/// Request headers that make an upstream answer with a part, or with "not modified" (rule 32).
const PARTIAL: [&str; 5] = ["range", "request-range", "if-range", "if-none-match", "if-modified-since"];

/// Besides, where nothing is written, the conditions that would tell by a 412 whether a guess at a withheld value is right:
/// entity tags are made of the whole body.
const GUESSES: [&str; 2] = ["if-match", "if-unmodified-since"];

/// Forwards a request that no route governs: the path that was looked at is the path that the upstream gets.
pub(super) fn passed(headers: &Headers) -> RequestDirective {
    RequestDirective::Forward { remove: removed(headers, |_, name| reroutes(name)), set: Vec::new() }
}

/// Forwards a request whose response is rewritten.
pub(super) fn governed(headers: &Headers, reading: Reading, answers: Answers<'_>) -> RequestDirective {
    let remove = removed(headers, |spelled, name| {
        let guesses = reading == Reading::Only && GUESSES.contains(&name);
        // In its own spelling it is set.
        let second_encoding = name == ENCODING && spelled != ENCODING;
        reroutes(name) || PARTIAL.contains(&name) || guesses || second_encoding
    });
    let accept = accept(headers, answers);
    RequestDirective::Forward { remove, set: vec![("accept", accept), (ENCODING, "identity".to_owned())] }
}

/// The names of headers that go, as the request spells them, each once.
fn removed(headers: &Headers, goes: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut names: Vec<String> = headers
        .iter()
        .filter_map(|(name, _)| std::str::from_utf8(name).ok())
        .filter(|name| goes(name, &name.to_ascii_lowercase().replace('_', "-")))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether the name, its words joined by `-`, is one of those that reroute.
fn reroutes(name: &str) -> bool {
    let has = |words: &[&str]| name.split('-').any(|word| words.contains(&word));
    has(&TARGETS) && has(&REDIRECTIONS)
}

/// What the upstream is asked for: of what the caller accepts, the types that the route answers with; else all of those
/// (rule 32). Without this a framework that negotiates would write the same record as XML or CSV.
///
/// A range that is in quotes anywhere is left out: a comma in it could be read in two ways.
fn accept(headers: &Headers, answers: Answers<'_>) -> String {
    let is_answered = |asked: &str| {
        let mut parts = asked.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        // RFC 9110 §12.4.2: a weight of 0 is "not acceptable".
        let refused = parts.filter_map(|part| part.split_once('=')).any(|(name, weight)| {
            name.trim().eq_ignore_ascii_case("q") && !weight.contains(|digit: char| matches!(digit, '1'..='9'))
        });
        let plain = asked.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        let named = answers.json.contains(&essence) || json_type(&essence).is_some();
        let passes =
            || MediaRange::parse(&essence).is_some_and(|asked| answers.passed.iter().any(|range| range.covers(&asked)));
        plain && !refused && (named || passes())
    };
    let accepted: Vec<&str> = headers
        .iter()
        .filter(|(name, _)| name.as_slice() == b"accept")
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|asked| is_answered(asked))
        .collect();
    if !accepted.is_empty() {
        return accepted.join(", ");
    }
    let own = answers.json.iter().cloned().chain(["application/json".to_owned()]);
    own.chain(answers.passed.iter().map(MediaRange::to_string)).collect::<Vec<_>>().join(", ")
}
