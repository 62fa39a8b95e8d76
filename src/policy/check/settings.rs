//! What a policy says once: identity, defaults, hosts and limits (rules 4, 5, 7, 29 to 31, 40).

use super::classes::Declared;
use super::read::Reader;
use super::{detectors, headers};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Node, Tree};
use crate::model::field_path::{FieldPath, Segment};
use crate::model::{self, ClaimPath, Defaults, Errors, HeadMode, HeaderNames, Identity, Limits, Unmatched};

/// `identity` (rule 7).
pub(super) fn identity(reader: &mut Reader, node: Option<&Node>, place: Span) -> Option<Identity> {
    #[derive(Clone, Copy)]
    enum IdentityKind {
        Jwt,
        Mtls,
        Header,
    }
    const HELP: &str =
        "say who vouches for the caller: `identity: {source: jwt_authn, payload: …, client: azp, scopes: scope}`";
    const SOURCES: [(&str, IdentityKind); 3] =
        [("jwt_authn", IdentityKind::Jwt), ("mtls", IdentityKind::Mtls), ("trusted_header", IdentityKind::Header)];
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
        Some(IdentityKind::Jwt) => jwt_authn(reader, node, what),
        Some(IdentityKind::Mtls) => {
            reader.keys(node, "`identity` with `source: mtls`", &["source"]);
            Some(Identity::Mtls)
        }
        Some(IdentityKind::Header) => trusted_header(reader, node, what),
    }
}

/// Claims that `jwt_authn` has verified.
fn jwt_authn(reader: &mut Reader, node: &Node, what: &str) -> Option<Identity> {
    let keys = reader.keys(node, "`identity` with `source: jwt_authn`", &["source", "payload", "client", "scopes"]);
    let mut claim = |key: &str, help: &str| {
        let node = reader.required(&keys, key, what, node.span, help)?;
        claim(reader, node, key)
    };
    let client = claim("client", "name the claim that holds the client id: `client: azp`");
    let scopes = claim("scopes", "name the claim that lists the scopes: `scopes: scope`");
    let help = "the name that the JWT provider gives in `payload_in_metadata`";
    let payload = reader.required(&keys, "payload", what, node.span, help)?;
    let payloads: Vec<String> = match payload.elements() {
        Some([]) => {
            reader.push(Diagnostic::at(Code::BadValue, payload.span, "`payload` names nothing").help(help));
            return None;
        }
        Some(_) => reader.texts(payload, "`payload`").into_iter().map(|(name, _)| name.to_owned()).collect(),
        None => vec![reader.text(payload, "`payload`")?.to_owned()],
    };
    Some(Identity::JwtAuthn { payloads, client: client?, scopes: scopes? })
}

/// A header that the edge sets.
fn trusted_header(reader: &mut Reader, node: &Node, what: &str) -> Option<Identity> {
    let keys =
        reader.keys(node, "`identity` with `source: trusted_header`", &["source", "header", "scopes", "trusted"]);
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
    headers::name(reader, text, node.span)
}

/// `defaults` (rules 5, 29, 30, 31).
pub(super) fn defaults(reader: &mut Reader, declared: Declared<'_>, node: Option<&Node>) -> Defaults {
    let mut defaults =
        Defaults { unmatched_route: Unmatched::Reject, errors: Errors::default(), headers: HeaderNames::default() };
    let Some(node) = node else { return defaults };
    let allowed = ["unmatched_route", "other_content", "content_types", "errors", "headers"];
    let keys = reader.keys(node, "`defaults`", &allowed);
    if let Some(node) = keys.get("unmatched_route") {
        let words = [("reject", Unmatched::Reject), ("pass", Unmatched::Pass)];
        defaults.unmatched_route = reader.word(node, "`unmatched_route`", &words).unwrap_or(Unmatched::Reject);
    }
    if let Some(node) = keys.get("other_content")
        && node.text() != Some("reject")
    {
        reader.push(
            Diagnostic::at(Code::PassedType, node.span, "`defaults` cannot let other content pass on every route at once")
                .help("write `reject` here, and name types on the routes that need it: `other_content: {pass: [application/pdf]}`"),
        );
    }
    if let Some(node) = keys.get("errors") {
        defaults.errors = errors(reader, declared, node);
    }
    if let Some(node) = keys.get("headers") {
        defaults.headers = headers::headers(reader, declared.classes, node, None);
    }
    defaults
}

/// `errors`: what an upstream's error keeps (rule 29).
fn errors(reader: &mut Reader, declared: Declared<'_>, node: &Node) -> Errors {
    let keys = reader.keys(node, "`errors`", &["show", "detect"]);
    let mut errors = Errors::default();
    for (text, span) in keys.get("show").map(|show| reader.texts(show, "`show`")).unwrap_or_default() {
        let path = if text.starts_with('$') {
            reader.path(text, span).filter(|path| is_error_place(reader, path, text, span))
        } else if text.contains('*') && !text.contains(['.', '[']) {
            let message = format!("`{text}` names no member: names have no wildcards");
            reader.push(
                Diagnostic::at(Code::PathSyntax, span, message).help("name each member, or place: `$.errors[*].code`"),
            );
            None
        } else if text.contains(['.', '[']) {
            let path = format!("$.{text}");
            let help = match FieldPath::parse(&path) {
                Ok(path) => format!("write `{path}` for a place below the root, or `{}` for one member", member(text)),
                Err(_) => format!("write `{}` for one member of that name", member(text)),
            };
            let message = format!("`{text}` is neither a member of the root nor a field path");
            reader.push(Diagnostic::at(Code::PathSyntax, span, message).help(help));
            None
        } else {
            Some(FieldPath { segments: vec![Segment::Member(text.into())], open: false })
        };
        errors.show.extend(path.filter(|path| !errors.show.contains(path)));
    }
    if let Some(detect) = keys.get("detect") {
        errors.detect = detectors::named(reader, declared.detectors, detect);
    }
    errors
}

/// The path of a root member, whatever its name.
fn member(name: &str) -> FieldPath {
    FieldPath { segments: vec![Segment::Member(name.into())], open: false }
}

/// Whether a path can name scalars of an error body, the same for every caller.
fn is_error_place(reader: &mut Reader, path: &FieldPath, text: &str, span: Span) -> bool {
    let fault = if path.open {
        Some(("covers everything below", "name each place: `$.errors[*].code`"))
    } else if path.is_filtered() {
        Some(("has a filter", "name the place without it: errors are the same for every caller"))
    } else if path.segments.is_empty() {
        Some(("is the whole error", "name its members: `$.code`"))
    } else {
        None
    };
    if let Some((fault, help)) = fault {
        let message = format!("`{text}` {fault}: an error keeps scalars that are named");
        reader.push(Diagnostic::at(Code::PathProfile, span, message).help(help));
    }
    fault.is_none()
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
            reader.push(Diagnostic::at(Code::BadValue, span, format!("`{text}` is not a valid authority")).help(help));
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

/// `drift`: whether the decision record tells of members that no shape names.
pub(super) fn drift(reader: &mut Reader, node: Option<&Node>) -> bool {
    let Some(node) = node else { return false };
    match node.value {
        Tree::Bool(value) => value,
        Tree::Refused => false,
        _ => {
            reader.wrong_kind(node, "`drift`", "`true` or `false`");
            false
        }
    }
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
    let help = "write bytes, or a whole number of `KiB`, `MiB` or `GiB`: `256KiB`";
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
