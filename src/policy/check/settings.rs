//! What a policy says once: identity, defaults, hosts and limits (rules 4, 5, 7, 29 to 31, 40).

use super::super::document::{Node, Tree};
use super::super::field_path::Segment;
use super::super::model::{self, ClaimPath, Class, Defaults, HeadMode, Identity, Limits, OtherContent, Unmatched};
use super::read::Reader;
use super::shapes;
use crate::diagnostic::{Code, Diagnostic, Span};

/// `identity` (rule 7).
pub(super) fn identity(reader: &mut Reader, node: Option<&Node>, place: Span) -> Option<Identity> {
    #[derive(Clone, Copy)]
    enum Kind {
        Jwt,
        Mtls,
        Header,
    }
    const HELP: &str =
        "say who vouches for the caller: `identity: {source: jwt_authn, payload: …, client: azp, scopes: scope}`";
    const SOURCES: [(&str, Kind); 3] =
        [("jwt_authn", Kind::Jwt), ("mtls", Kind::Mtls), ("trusted_header", Kind::Header)];
    let Some(node) = node else {
        reader.push(Diagnostic::at(Code::MissingKey, place, "the policy has no `identity`").help(HELP));
        return None;
    };
    let source = node.get("source").and_then(|source| reader.word(source, "`source`", &SOURCES));
    let what = "`identity`";
    match source {
        None => {
            if node.get("source").is_none() {
                let allowed = ["source", "payload", "client", "scopes", "header", "trusted"];
                let keys = reader.keys(node, what, &allowed);
                reader.required(&keys, "source", what, keys.span, HELP);
            }
            None
        }
        Some(Kind::Jwt) => {
            let keys =
                reader.keys(node, "`identity` with `source: jwt_authn`", &["source", "payload", "client", "scopes"]);
            let mut claim = |key: &str, help: &str| {
                let node = reader.required(&keys, key, what, node.span, help)?;
                claim(reader, node, key)
            };
            let client = claim("client", "name the claim that holds the client id: `client: azp`");
            let scopes = claim("scopes", "name the claim that lists the scopes: `scopes: scope`");
            let help = "the name that the JWT provider gives in `payload_in_metadata`";
            let payload = reader.required(&keys, "payload", what, node.span, help)?;
            let payload = reader.text(payload, "`payload`")?.to_owned();
            Some(Identity::JwtAuthn { payload, client: client?, scopes: scopes? })
        }
        Some(Kind::Mtls) => {
            reader.keys(node, "`identity` with `source: mtls`", &["source"]);
            Some(Identity::Mtls)
        }
        Some(Kind::Header) => {
            let keys = reader.keys(
                node,
                "`identity` with `source: trusted_header`",
                &["source", "header", "scopes", "trusted"],
            );
            let help = "say why the edge overwrites the header whatever a client sends: `trusted: \"…\"`";
            let trusted = reader.required(&keys, "trusted", what, node.span, help).and_then(|node| {
                let text = reader.text(node, "`trusted`")?;
                if text.trim().is_empty() {
                    reader.push(Diagnostic::at(Code::BadValue, node.span, "`trusted` gives no reason").help(help));
                    return None;
                }
                Some(())
            });
            let scopes = keys.get("scopes").map(|node| header(reader, node, "`scopes`"));
            let help = "name the header that holds the client id: `header: x-client-id`";
            let client = reader.required(&keys, "header", what, node.span, help)?;
            let client = header(reader, client, "`header`")?;
            trusted?;
            let scopes = match scopes {
                Some(name) => Some(name?),
                None => None,
            };
            Some(Identity::TrustedHeader { client, scopes })
        }
    }
}

/// A claim's name, or a singular query for a nested one (rule 7).
pub(super) fn claim(reader: &mut Reader, node: &Node, key: &str) -> Option<ClaimPath> {
    let text = reader.text(node, &format!("`{key}`"))?;
    claim_path(reader, text, node.span, key)
}

pub(super) fn claim_path(reader: &mut Reader, text: &str, span: Span, key: &str) -> Option<ClaimPath> {
    if text.is_empty() {
        reader.push(
            Diagnostic::at(Code::BadValue, span, format!("`{key}` names no claim")).help("write its name: `azp`"),
        );
        return None;
    }
    if !text.starts_with('$') {
        return Some(ClaimPath(vec![text.to_owned()]));
    }
    let path = reader.path(text, span)?;
    let names: Option<Vec<String>> = path
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Member(name) => Some(name.to_string()),
            Segment::Any | Segment::Filtered(_) => None,
        })
        .collect();
    match names {
        Some(names) if !names.is_empty() && !path.open => Some(ClaimPath(names)),
        _ => {
            reader.push(
                Diagnostic::at(Code::BadValue, span, format!("`{text}` does not name one claim"))
                    .help("write member names only: `$.realm_access.roles`"),
            );
            None
        }
    }
}

/// A header's name, in lower case.
pub(super) fn header(reader: &mut Reader, node: &Node, what: &str) -> Option<String> {
    let text = reader.text(node, what)?;
    header_name(reader, text, node.span)
}

fn header_name(reader: &mut Reader, text: &str, span: Span) -> Option<String> {
    // RFC 9110 §5.6.2: a token.
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(token) {
        reader.push(
            Diagnostic::at(Code::Header, span, format!("`{text}` is no header name (RFC 9110 §5.1)"))
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

/// `defaults` (rules 5, 29, 30, 31).
pub(super) fn defaults(reader: &mut Reader, classes: &[Class], node: Option<&Node>) -> Defaults {
    let mut defaults = Defaults {
        unmatched_route: Unmatched::Reject,
        other_content: OtherContent::Reject,
        error_members: Vec::new(),
        keep_headers: Vec::new(),
        classified_headers: Vec::new(),
    };
    let Some(node) = node else { return defaults };
    let keys = reader.keys(node, "`defaults`", &["unmatched_route", "other_content", "errors", "headers"]);
    if let Some(node) = keys.get("unmatched_route") {
        let words = [("reject", Unmatched::Reject), ("pass", Unmatched::Pass)];
        defaults.unmatched_route = reader.word(node, "`unmatched_route`", &words).unwrap_or(Unmatched::Reject);
    }
    if let Some(node) = keys.get("other_content") {
        let words = [("reject", OtherContent::Reject), ("pass", OtherContent::Pass)];
        if reader.word(node, "`other_content`", &words) == Some(OtherContent::Pass) {
            reader.push(
                Diagnostic::at(Code::BadValue, node.span, "`other_content: pass` for every route at once")
                    .help("say it on the routes that need it: bodies that are not JSON pass there unfiltered"),
            );
        }
    }
    if let Some(node) = keys.get("errors") {
        let keys = reader.keys(node, "`errors`", &["show"]);
        if let Some(show) = keys.get("show") {
            defaults.error_members =
                reader.texts(show, "`show`").into_iter().map(|(text, _)| text.to_owned()).collect();
        }
    }
    if let Some(node) = keys.get("headers") {
        headers(reader, classes, node, &mut defaults);
    }
    defaults
}

fn headers(reader: &mut Reader, classes: &[Class], node: &Node, defaults: &mut Defaults) {
    let keys = reader.keys(node, "`headers`", &["keep", "classify"]);
    let mut known: Vec<(String, Span)> = Vec::new();
    let mut add = |reader: &mut Reader, text: &str, span: Span| {
        let name = header_name(reader, text, span)?;
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
        if let Some((_, first)) = known.iter().find(|(other, _)| *other == name) {
            reader.push(
                Diagnostic::at(Code::DuplicateKey, span, format!("the header `{name}` is named twice"))
                    .label(*first, "first here")
                    .help("keep it, or classify it"),
            );
            return None;
        }
        known.push((name.clone(), span));
        Some(name)
    };
    if let Some(keep) = keys.get("keep") {
        for (text, span) in reader.texts(keep, "`keep`") {
            defaults.keep_headers.extend(add(reader, text, span));
        }
    }
    if let Some(classify) = keys.get("classify") {
        for member in reader.map(classify, "`classify`") {
            let what = format!("header `{}`", member.key);
            let ids = if member.node.members().is_some() {
                let keys = reader.keys(&member.node, &what, &["class"]);
                let node = reader.required(&keys, "class", &what, member.node.span, "write `{class: …}`");
                node.map(|node| shapes::class_list(reader, classes, node, &what)).unwrap_or_default()
            } else {
                match reader.text(&member.node, &what) {
                    Some(text) => shapes::class(reader, classes, text, member.node.span, &format!("{what} has"))
                        .into_iter()
                        .collect(),
                    None => Vec::new(),
                }
            };
            let name = add(reader, &member.key, member.key_span);
            if let (Some(name), false) = (name, ids.is_empty()) {
                defaults.classified_headers.push((name, ids));
            }
        }
    }
}

/// `hosts` (rule 4): authorities, as [`model::authority`] spells them.
pub(super) fn hosts(reader: &mut Reader, node: Option<&Node>) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    let texts = reader.texts(node, "`hosts`");
    if texts.is_empty() && node.elements().is_some() {
        reader.push(
            Diagnostic::at(Code::BadValue, node.span, "`hosts` names no host, so the policy would govern nothing")
                .help("name the authorities, or leave `hosts` out for all of them"),
        );
    }
    let mut hosts = Vec::new();
    for (text, span) in texts {
        let ok = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_');
        let (name, port) = model::authority(text);
        if name.is_empty() || !text.bytes().all(ok) {
            let help = if text.contains('*') {
                "name each host: there are no wildcards"
            } else {
                "write a host, or host:port: `api.example.com`"
            };
            reader.push(Diagnostic::at(Code::BadValue, span, format!("`{text}` is no authority")).help(help));
        } else {
            hosts.push(if port.is_empty() { name } else { format!("{name}:{port}") });
        }
    }
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// `head` (rule 40).
pub(super) fn head(reader: &mut Reader, node: Option<&Node>) -> HeadMode {
    let words = [("held", HeadMode::Held), ("released", HeadMode::Released)];
    node.and_then(|node| reader.word(node, "`head`", &words)).unwrap_or(HeadMode::Held)
}

/// Largest `limits.body`: a gibibyte is what one worker's VM has in all.
const MAX_BODY: u64 = 1 << 30;
/// Largest `limits.record`: an element is held whole, as text and as a tree of up to fifty times its size, and a worker has a
/// gibibyte for all its streams.
const MAX_RECORD: u64 = 1 << 20;
/// Largest `limits.hold`: Envoy's default buffer limit.
const MAX_HOLD: u64 = 1 << 20;

/// `limits` (rule 40).
pub(super) fn limits(reader: &mut Reader, node: Option<&Node>) -> Limits {
    let mut limits = Limits::default();
    let Some(node) = node else { return limits };
    let keys = reader.keys(node, "`limits`", &["body", "record", "depth", "hold"]);
    if let Some(node) = keys.get("body") {
        limits.body = size(reader, node, "`body`", MAX_BODY).unwrap_or(limits.body);
    }
    if let Some(node) = keys.get("record") {
        let size = size(reader, node, "`record`", MAX_RECORD).and_then(|size| u32::try_from(size).ok());
        limits.record = size.unwrap_or(limits.record);
    }
    if let Some(node) = keys.get("hold") {
        let size = size(reader, node, "`hold`", MAX_HOLD).and_then(|size| u32::try_from(size).ok());
        limits.hold = size.unwrap_or(limits.hold);
    }
    if let Some(node) = keys.get("depth") {
        let depth = reader.whole(node, "`depth`", 1..=64).and_then(|depth| u8::try_from(depth).ok());
        limits.depth = depth.unwrap_or(limits.depth);
    }
    for (name, size) in [("hold", limits.hold), ("record", limits.record)] {
        if u64::from(size) > limits.body {
            let span = keys.get(name).or_else(|| keys.get("body")).map_or(node.span, |node| node.span);
            reader.push(
                Diagnostic::at(
                    Code::Incompatible,
                    span,
                    format!("`{name}` is {size} bytes, but `body` only {}", limits.body),
                )
                .help(format!("raise `body`, or lower `{name}`")),
            );
        }
    }
    limits
}

/// A size: bytes, or a number of KiB, MiB or GiB.
fn size(reader: &mut Reader, node: &Node, what: &str, most: u64) -> Option<u64> {
    let help = "write bytes, or a whole number of `KiB` or `MiB`: `256KiB`";
    let text = match &node.value {
        Tree::Number(text) | Tree::Text { text, .. } => text,
        _ => {
            reader.push(
                Diagnostic::at(Code::WrongKind, node.span, format!("{what} is {}, not a size", node.kind())).help(help),
            );
            return None;
        }
    };
    let digits = text.len().saturating_sub(text.trim_start_matches(|c: char| c.is_ascii_digit()).len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit {
        "" => Some(1_u64),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    match bytes {
        Some(bytes) if (1..=most).contains(&bytes) => Some(bytes),
        Some(_) => {
            reader.push(
                Diagnostic::at(Code::BadValue, node.span, format!("{what} cannot be `{text}`"))
                    .help(format!("stay between 1 and {most} bytes")),
            );
            None
        }
        None => {
            reader.push(Diagnostic::at(Code::BadValue, node.span, format!("{what} cannot be `{text}`")).help(help));
            None
        }
    }
}
