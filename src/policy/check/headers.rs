//! `headers`: which response headers go out besides the safe ones, and which of the request come back (rule 31).

use super::classes::{class, class_list};
use super::read::Reader;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Node;
use crate::model::{Class, ClassId, HeaderNames};

/// A header's name, in lower case.
pub(super) fn name(reader: &mut Reader, text: &str, span: Span) -> Option<String> {
    // RFC 9110 §5.6.2: a token.
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.contains('*') {
        let message = format!("`{text}` names no header: names have no wildcards");
        reader.push(Diagnostic::at(Code::Header, span, message).help("name each header"));
        return None;
    }
    if text.is_empty() || !text.bytes().all(token) {
        reader.push(
            Diagnostic::at(Code::Header, span, format!("`{text}` is not a valid header name (RFC 9110 §5.1)"))
                .help("use letters, digits and `-`"),
        );
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// Headers that describe the unfiltered body or the connection: kept, they would give it away or break the message.
const NEVER_KEPT: [&str; 21] = [
    "accept-ranges",
    "cache-control",
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
    "content-type",
    "digest",
    "etag",
    "keep-alive",
    "last-modified",
    "repr-digest",
    "signature",
    "signature-input",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "want-digest",
];

/// Words of the names that are for finding a request again. A request header of any other kind does not come back: it could
/// make the answer another one (`set-cookie`, `location`), steer a proxy on the way (`x-accel-redirect`), or be a secret.
const CORRELATION: [&str; 9] =
    ["correlation", "id", "interaction", "span", "trace", "traceid", "traceparent", "tracestate", "transaction"];

/// One name more.
const IDEMPOTENCY: &str = "idempotency-key";

/// Names that were read, and where each stands.
#[derive(Default)]
struct ReadNames(Vec<(String, Span)>);

impl ReadNames {
    fn add(&mut self, reader: &mut Reader, name: &str, span: Span, help: &str) -> bool {
        if let Some((_, first)) = self.0.iter().find(|(other, _)| other == name) {
            reader.push(
                Diagnostic::at(Code::DuplicateKey, span, format!("the header `{name}` is named twice"))
                    .label(*first, "first here")
                    .help(help),
            );
            return false;
        }
        self.0.push((name.to_owned(), span));
        true
    }
}

/// `headers`, in `defaults` or on a route. What `defaults` names already cannot be said again on a route.
pub(super) fn headers(reader: &mut Reader, classes: &[Class], node: &Node, defaults: Option<&Node>) -> HeaderNames {
    let keys = reader.keys(node, "`headers`", &["keep", "classify", "echo"]);
    let mut names = HeaderNames::default();
    let mut known = ReadNames::default();
    let mut echoed = ReadNames::default();
    if let Some(defaults) = defaults {
        let texts = |key| defaults.get(key).and_then(Node::elements).unwrap_or_default();
        let named = |node: &Node| Some((node.text()?.to_ascii_lowercase(), node.span));
        known.0.extend(texts("keep").iter().filter_map(named));
        let classified = defaults.get("classify").and_then(Node::members).unwrap_or_default();
        known.0.extend(classified.iter().map(|member| (member.key.to_ascii_lowercase(), member.key_span)));
        echoed.0.extend(texts("echo").iter().filter_map(named));
    }
    let mut add = |reader: &mut Reader, text: &str, span: Span| {
        let name = name(reader, text, span)?;
        if NEVER_KEPT.contains(&name.as_str()) {
            reader.push(
                Diagnostic::at(
                    Code::Header,
                    span,
                    format!("`{text}` describes the body before it was filtered, or the connection"),
                )
                .help("leave it out: it is dropped or set anew (rule 31)"),
            );
            return None;
        }
        known.add(reader, &name, span, "keep it, or classify it, in one place").then_some(name)
    };
    if let Some(keep) = keys.get("keep") {
        for (text, span) in reader.texts(keep, "`keep`") {
            names.keep.extend(add(reader, text, span));
        }
    }
    if let Some(classify) = keys.get("classify") {
        for member in reader.map(classify, "`classify`") {
            let ids = header_classes(reader, classes, &member.node, &format!("header `{}`", member.key));
            let name = add(reader, &member.key, member.key_span);
            if let (Some(name), false) = (name, ids.is_empty()) {
                names.classify.push((name, ids));
            }
        }
    }
    if let Some(echo) = keys.get("echo") {
        for (text, span) in reader.texts(echo, "`echo`") {
            let Some(name) = name(reader, text, span) else { continue };
            let finds = name.split(['-', '_']).any(|word| CORRELATION.contains(&word)) || name == IDEMPOTENCY;
            if !finds || NEVER_KEPT.contains(&name.as_str()) {
                reader.push(
                    Diagnostic::at(Code::Echo, span, format!("a caller could change the answer by its `{text}`"))
                        .help("echo only what a request is found again by: `x-request-id`, `x-fapi-interaction-id`, `traceparent`"),
                );
            } else if echoed.add(reader, &name, span, "leave one of them out") {
                names.echo.push(name);
            }
        }
    }
    names
}

fn header_classes(reader: &mut Reader, classes: &[Class], node: &Node, what: &str) -> Vec<ClassId> {
    if node.members().is_some() {
        let keys = reader.keys(node, what, &["class"]);
        let node = reader.required(&keys, "class", what, node.span, "write `{class: …}`");
        return node.map(|node| class_list(reader, classes, node, what)).unwrap_or_default();
    }
    match reader.text(node, what) {
        Some(text) => class(reader, classes, text, node.span, &format!("{what} has")).into_iter().collect(),
        None => Vec::new(),
    }
}
