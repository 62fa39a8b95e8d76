//! Header mutations: of requests after the policy has matched them, and of responses after the plugin has filtered them.

use super::field::{elements, get, head, text, walk};
use super::look::Look;
use super::printed::{self, Credentials};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

/// Request headers that only say who asks, for tracing and logs: with any value they change no answer's meaning.
const PLAIN: [&str; 10] = [
    "x-request-id",
    "x-correlation-id",
    "traceparent",
    "tracestate",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-client-cert",
    "x-real-ip",
    "user-agent",
];

/// Whether a request header may make an upstream answer for another path, host or method, or with something else than the
/// whole JSON document (rules 3, 31, 32).
pub(super) fn steers(name: &str) -> bool {
    const EXACT: [&str; 14] = [
        "host",
        "range",
        "if-range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "request-range",
        "accept",
        "accept-encoding",
        "te",
        "upgrade",
        "connection",
        "prefer",
    ];
    const PARTS: [&str; 12] = [
        "method",
        "original-ur",
        "original-path",
        "original-host",
        "rewrite",
        "override",
        "forwarded-ur",
        "forwarded-path",
        "forwarded-prefix",
        "forwarded-host",
        "script-name",
        "path-info",
    ];
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    if PLAIN.contains(&name.as_str()) {
        return false;
    }
    name.starts_with(':') || EXACT.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

/// The headers that a mutation writes or takes away: `append` and `remove` of a mutation, or an element of
/// `request_headers_to_add`.
fn named(mutation: &Node) -> Option<(&Node, &str)> {
    let header = get(mutation, "append").or(Some(mutation)).and_then(|option| get(option, "header"));
    let key = header.and_then(|header| get(header, "key")).or_else(|| get(mutation, "remove"))?;
    Some((key, key.text()?))
}

/// Requests that are changed after the policy has matched them.
pub(super) fn after(look: &mut Look, mutations: &[Node]) {
    for mutation in mutations {
        if let Some((key, name)) = named(mutation).filter(|(_, name)| steers(name)) {
            changed(look, key.span, name);
        }
    }
}

/// Requests that are changed before the plugin sees them: only their path and method matter.
pub(super) fn before(look: &mut Look, mutations: &[Node]) {
    for mutation in mutations {
        if let Some((key, name)) = named(mutation).filter(|(_, name)| matches!(*name, ":path" | ":method")) {
            look.say(
                Code::PathAltered,
                key.span,
                format!("`{name}` is written before the plugin sees it: what rule 3 refuses may come out as a path that a route matches"),
                "take it out: what a client asks for must be what is matched and forwarded",
            );
        }
    }
}

/// Says that a header of a request is changed too late.
pub(super) fn changed(look: &mut Look, span: Span, name: &str) {
    look.say(
        Code::RequestChanged,
        span,
        format!("`{name}` is changed after the policy has matched the request: the upstream may answer for another path, or with something else"),
        "take it out: what is matched must be what the upstream is asked for",
    );
}

/// The headers that a level of routes adds and removes. What it writes into responses goes through the plugin, but for those
/// that the plugin answers with itself.
pub(super) fn level(look: &mut Look, level: &Node) {
    let added = elements(level, "response_headers_to_add");
    copied(look, added);
    kept(look, added);
    for name in elements(level, "response_headers_to_remove") {
        kept_from_caches(look, name.span, name.text().unwrap_or_default());
    }
    after(look, elements(level, "request_headers_to_add"));
    for name in elements(level, "request_headers_to_remove") {
        // Without it an upstream may choose any coding, and the plugin refuses all but one.
        if name.text().is_some_and(|name| name.eq_ignore_ascii_case("accept-encoding")) {
            changed(look, name.span, "accept-encoding");
        }
    }
}

/// What tells caches on the way what they may keep (threat B7).
const FOR_CACHES: [&str; 6] =
    ["cache-control", "vary", "expires", "surrogate-control", "cdn-cache-control", "cloudflare-cdn-cache-control"];

/// Whether a response header does.
fn is_for_caches(name: &str) -> bool {
    FOR_CACHES.iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}

/// The headers that `local_reply_config` adds to answers of Envoy's own, those of the plugin among them.
pub(super) fn replies(look: &mut Look, config: &Node) {
    for mapper in elements(config, "mappers") {
        kept(look, elements(mapper, "headers_to_add"));
    }
}

/// Response headers that are written after the plugin, or into an answer that it has sent whole.
fn kept(look: &mut Look, mutations: &[Node]) {
    for mutation in mutations {
        if let Some((key, name)) = named(mutation).filter(|(_, name)| is_for_caches(name)) {
            cached(look, key.span, name);
        }
    }
}

/// A response header that is written or taken away where the plugin does not see it.
pub(super) fn kept_from_caches(look: &mut Look, span: Span, name: &str) {
    if is_for_caches(name) {
        cached(look, span, name);
    }
}

fn cached(look: &mut Look, span: Span, name: &str) {
    look.say(
        Code::FilterBefore,
        span,
        format!("`{name}` is changed after the plugin has written it: a cache on the way may keep one caller's answer and give it to another"),
        "take it out: the plugin writes `cache-control: private, no-store` and `vary: authorization`",
    );
}

/// Response headers that are made of others before the plugin sees them: it knows a header by its name.
fn copied(look: &mut Look, mutations: &[Node]) {
    for mutation in mutations {
        let header = get(mutation, "append").or(Some(mutation)).and_then(|option| get(option, "header"));
        header.and_then(|header| get(header, "value")).into_iter().for_each(|value| copied_value(look, value));
    }
}

/// What a resource of the Gateway API, or of Envoy Gateway's, does to the headers of responses.
pub(super) fn responses(look: &mut Look, modifier: &Node) {
    for name in ["set", "add", "addIfAbsent"] {
        for header in elements(modifier, name) {
            get(header, "name")
                .into_iter()
                .for_each(|key| kept_from_caches(look, key.span, key.text().unwrap_or_default()));
            get(header, "value").into_iter().for_each(|value| copied_value(look, value));
        }
    }
    for name in elements(modifier, "remove") {
        kept_from_caches(look, name.span, name.text().unwrap_or_default());
    }
    for matched in elements(modifier, "removeOnMatch") {
        let Some(value) = get(matched, "value") else { continue };
        let written = value.text().unwrap_or_default().to_ascii_lowercase();
        let fits = |known: &&&str| match text(matched, "type") {
            Some("Prefix") => known.starts_with(&written),
            Some("Suffix") => known.ends_with(&written),
            // What a pattern takes away is not worked out.
            Some("RegularExpression") => false,
            _ => **known == written,
        };
        if let Some(known) = FOR_CACHES.iter().find(fits) {
            cached(look, value.span, known);
        }
    }
}

/// What a response header is made of.
pub(super) fn copied_value(look: &mut Look, value: &Node) {
    if value.text().is_some_and(printed::reads_response) {
        look.say(
            Code::Unfiltered,
            value.span,
            "a header or trailer of the upstream's is copied under another name, which the policy may keep",
            "take it out: classify the header by its own name in the policy",
        );
    }
}

/// Where a filter is in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It sees the request first, and the response last.
    Before,
    /// It sees what the policy has matched, and the response unfiltered.
    After,
}

/// The `header_mutation` filter, or its settings for a route.
pub(super) fn filter(look: &mut Look, message: &Node, side: Side) {
    let Some(mutations) = get(message, "mutations") else { return };
    let requests = elements(mutations, "request_mutations");
    match side {
        Side::Before => {
            before(look, requests);
            kept(look, elements(mutations, "response_mutations"));
            for name in ["response_mutations", "response_trailers_mutations"] {
                if let Some(found) = get(mutations, name) {
                    printed::formats(look, found, "a response header", Credentials::Own);
                }
            }
        }
        Side::After => {
            after(look, requests);
            copied(look, elements(mutations, "response_mutations"));
            if let Some(found) = elements(mutations, "query_parameter_mutations").first() {
                look.say(
                    Code::RequestChanged,
                    head(found),
                    "the query is changed after the policy has matched it: the upstream may answer with something else",
                    "take it out: what is matched must be what the upstream is asked for",
                );
            }
        }
    }
}

/// `early_header_mutation_extensions`: before any filter.
pub(super) fn early(look: &mut Look, extensions: &Node) {
    let mut lists = Vec::new();
    walk(extensions, &mut |node| lists.extend(get(node, "mutations").and_then(Node::elements)));
    lists.into_iter().for_each(|list| before(look, list));
    for extension in extensions.elements().unwrap_or_default() {
        let known = get(extension, "typed_config")
            .and_then(|typed| text(typed, "@type"))
            .is_some_and(|kind| kind.ends_with(".early_header_mutation.header_mutation.v3.HeaderMutation"));
        if !known {
            look.say(
                Code::UnknownField,
                head(extension),
                "an extension changes requests before any filter, and is not known here",
                "take it out, or look up whether it changes the path",
            );
        }
    }
}
