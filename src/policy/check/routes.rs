//! Routes: what they match, and what they hold (rules 3 to 6, 10, 26, 28, 30).

use std::collections::HashMap;

use super::super::document::{Member, Node};
use super::super::field_path::{FieldPath, Filter, Segment};
use super::super::model::{Ceiling, Class, MaxRecords, OtherContent, Over, QueryRule, Template, TemplateSegment};
use super::read::{Keys, Reader};
use super::scopes;
use super::shapes::{self, Field};
use crate::diagnostic::{Code, Diagnostic, Span};

/// A route as written, shapes resolved.
pub(super) struct RouteDraft<'d> {
    pub(super) name: &'d str,
    pub(super) span: Span,
    pub(super) method: String,
    pub(super) template: Template,
    pub(super) match_span: Span,
    pub(super) query: QueryRule,
    pub(super) body: BodyDraft<'d>,
}

/// What a route does to bodies.
pub(super) enum BodyDraft<'d> {
    Pass(String),
    Governed(Box<GovernedDraft<'d>>),
}

pub(super) struct GovernedDraft<'d> {
    pub(super) area: Option<(&'d str, Span)>,
    pub(super) fields: Vec<Field>,
    pub(super) rows: Option<(FieldPath, Filter, Span)>,
    pub(super) max_records: Option<(MaxRecords, Span)>,
    pub(super) ceiling: Ceiling,
    pub(super) other_content: OtherContent,
}

const KEYS: [&str; 10] =
    ["match", "area", "query", "body", "pass", "rows", "max_records", "ceiling", "other_content", "report_until"];

/// `routes`, in name order.
pub(super) fn routes<'d>(
    reader: &mut Reader,
    classes: &[Class],
    shapes: &[(&str, Span)],
    node: Option<&'d Node>,
) -> Vec<RouteDraft<'d>> {
    let Some(node) = node else { return Vec::new() };
    let mut routes = Vec::new();
    for member in reader.map(node, "`routes`") {
        reader.name(&member.key, member.key_span, "route");
        routes.extend(route(reader, classes, shapes, member));
    }
    routes.sort_by(|a: &RouteDraft, b| a.name.cmp(b.name));
    conflicts(reader, &routes);
    routes
}

fn route<'d>(
    reader: &mut Reader,
    classes: &[Class],
    shapes: &[(&str, Span)],
    member: &'d Member,
) -> Option<RouteDraft<'d>> {
    let what = format!("route `{}`", member.key);
    let keys = reader.keys(&member.node, &what, &KEYS);
    if let Some(report) = keys.member("report_until") {
        reader.not_yet(report, "every route is enforced");
    }
    let help = "say which requests it is for: `match: GET /accounts/{accountId}`";
    let matched = reader
        .required(&keys, "match", &what, member.key_span, help)
        .and_then(|node| self::matched(reader, node).map(|(method, template)| (method, template, node.span)));
    let query = keys.get("query").map_or(QueryRule::Only(Vec::new()), |node| self::query(reader, node));
    let body = match keys.member("pass") {
        Some(pass) => pass_body(reader, &keys, pass, &what),
        None => governed(reader, classes, shapes, &keys, &what, member.key_span)
            .map(|draft| BodyDraft::Governed(Box::new(draft))),
    };
    let (method, template, match_span) = matched?;
    Some(RouteDraft { name: &member.key, span: member.key_span, method, template, match_span, query, body: body? })
}

fn pass_body<'d>(reader: &mut Reader, keys: &Keys<'d>, pass: &'d Member, what: &str) -> Option<BodyDraft<'d>> {
    for key in ["area", "body", "rows", "max_records", "ceiling", "other_content"] {
        if let Some(member) = keys.member(key) {
            reader.push(
                Diagnostic::at(Code::Incompatible, member.key_span, format!("{what} has both `pass` and `{key}`"))
                    .label(pass.key_span, "forwarded untouched because of this")
                    .help(format!("take `pass` out to filter the route, or `{key}` to forward it untouched")),
            );
        }
    }
    let text = reader.text(&pass.node, "`pass`")?;
    if text.trim().is_empty() {
        reader.push(
            Diagnostic::at(Code::BadValue, pass.node.span, "`pass` gives no reason")
                .help("say why nothing has to be withheld: `pass: \"health check, no personal data\"`"),
        );
        return None;
    }
    Some(BodyDraft::Pass(text.to_owned()))
}

fn governed<'d>(
    reader: &mut Reader,
    classes: &[Class],
    shapes: &[(&str, Span)],
    keys: &Keys<'d>,
    what: &str,
    place: Span,
) -> Option<GovernedDraft<'d>> {
    let help = "name the area that scopes act on: `area: accounts`";
    let area = reader.required(keys, "area", what, place, help).and_then(|node| {
        let text = reader.text(node, "`area`")?;
        reader.name(text, node.span, "area").then_some((text, node.span))
    });
    let help = "say what its bodies hold: `body: {$: {shape: account}}`, or forward it with `pass: \"why\"`";
    let fields = reader
        .required(keys, "body", what, place, help)
        .map(|node| shapes::fields(reader, classes, shapes, node, &format!("the body of {what}")));
    let rows = keys.get("rows").and_then(|node| self::rows(reader, node));
    let max_records = keys.get("max_records").and_then(|node| self::max_records(reader, node));
    let ceiling = keys.get("ceiling").map(|node| scopes::ceiling(reader, classes, node, what)).unwrap_or_default();
    let words = [("reject", OtherContent::Reject), ("pass", OtherContent::Pass)];
    let other_content = keys
        .get("other_content")
        .and_then(|node| reader.word(node, "`other_content`", &words))
        .unwrap_or(OtherContent::Reject);
    Some(GovernedDraft { area, fields: fields?, rows, max_records, ceiling, other_content })
}

/// `query` (rule 6).
fn query(reader: &mut Reader, node: &Node) -> QueryRule {
    if node.text().is_some() {
        return match reader.word(node, "`query`", &[("any", ())]) {
            Some(()) => QueryRule::Any,
            None => QueryRule::Only(Vec::new()),
        };
    }
    QueryRule::Only(reader.texts(node, "`query`").into_iter().map(|(text, _)| text.to_owned()).collect())
}

/// `rows`: the path of an array plus one filter (rule 26).
pub(super) fn rows(reader: &mut Reader, node: &Node) -> Option<(FieldPath, Filter, Span)> {
    let text = reader.text(node, "`rows`")?;
    let path = reader.path(text, node.span)?;
    match path.split_filter() {
        Some((array, filter)) if !array.is_filtered() => Some((array, filter.clone(), node.span)),
        Some(_) => {
            reader.push(
                Diagnostic::at(Code::PathProfile, node.span, format!("`rows` has more than one filter: `{text}`"))
                    .help("join the conditions with `&&` in one filter at the end"),
            );
            None
        }
        None => {
            reader.push(
                Diagnostic::at(Code::PathProfile, node.span, format!("`rows` does not end in a filter: `{text}`"))
                    .help("write an array's path and the condition under which an element stays: `$.items[?@.status == 'open']`"),
            );
            None
        }
    }
}

/// `max_records` (rule 28).
fn max_records(reader: &mut Reader, node: &Node) -> Option<(MaxRecords, Span)> {
    let what = "`max_records`";
    let keys = reader.keys(node, what, &["at", "max", "over"]);
    let help = "write `max_records: {at: \"$.items[*]\", max: 200, over: truncate}`";
    let at = reader.required(&keys, "at", what, node.span, help).and_then(|node| {
        let text = reader.text(node, "`at`")?;
        let path = reader.path(text, node.span)?;
        if path.open || path.is_filtered() || !matches!(path.segments.last(), Some(Segment::Any)) {
            let stem = path.segments.iter().filter(|segment| matches!(segment, Segment::Member(_))).cloned().collect();
            let stem = FieldPath { segments: stem, open: false };
            reader.push(
                Diagnostic::at(
                    Code::PathProfile,
                    node.span,
                    format!("`at` does not name the elements of an array: `{text}`"),
                )
                .help(format!("end it in `[*]`, without filters: `{stem}[*]`")),
            );
            return None;
        }
        Some((path, node.span))
    });
    let max = reader
        .required(&keys, "max", what, node.span, help)
        .and_then(|node| reader.whole(node, "`max`", 1..=1_000_000_000));
    let words = [("truncate", Over::Truncate), ("reject", Over::Reject)];
    let over =
        reader.required(&keys, "over", what, node.span, help).and_then(|node| reader.word(node, "`over`", &words));
    let (at, span) = at?;
    Some((MaxRecords { at, max: max?, over: over? }, span))
}

/// `match`: a method and a path (rules 3 and 4).
fn matched(reader: &mut Reader, node: &Node) -> Option<(String, Template)> {
    let text = reader.text(node, "`match`")?;
    let help = "write a method and a path: `GET /accounts/{accountId}`";
    let Some((method, path)) = text.split_once(' ') else {
        reader.push(
            Diagnostic::at(Code::RoutePath, node.span, format!("`match: {text}` is not a method and a path"))
                .help(help),
        );
        return None;
    };
    let fault = |message: String, help: String| Diagnostic::at(Code::RoutePath, node.span, message).help(help);
    // RFC 9110 §5.6.2: a token. Methods are case-sensitive (§9.1).
    let token = !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    let finding = if !token {
        Some(fault(format!("`{method}` is no method"), help.to_owned()))
    } else if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        Some(fault(
            format!("methods are case-sensitive: `{method}` matches no usual request"),
            format!("write `{}`", method.to_ascii_uppercase()),
        ))
    } else if method == "HEAD" {
        Some(fault("HEAD requests use the GET route".to_owned(), "write `GET`".to_owned()))
    } else if matches!(method, "CONNECT" | "TRACE") {
        Some(fault(
            format!("`{method}` cannot be filtered"),
            "leave the route out: such requests are refused".to_owned(),
        ))
    } else {
        None
    };
    let refused = finding.is_some();
    reader.found.extend(finding);
    match template(path) {
        Ok(template) if !refused => Some((method.to_owned(), template)),
        Ok(_) => None,
        Err((message, help)) => {
            reader.push(fault(message, help));
            None
        }
    }
}

/// A path template's segments, each literal in canonical percent-encoding (rules 3 and 4).
fn template(path: &str) -> Result<Template, (String, String)> {
    let fault = |message: String, help: &str| Err((message, help.to_owned()));
    let Some(rest) = path.strip_prefix('/') else {
        return fault(format!("the path `{path}` does not start with `/`"), "write `GET /path`, with one space");
    };
    if path.contains('?') {
        return fault(
            format!("the path `{path}` has a query"),
            "list the parameters that callers may send: `query: [page]`",
        );
    }
    if path.contains('#') {
        return fault(format!("the path `{path}` has a fragment"), "leave it out: clients never send one");
    }
    let (rest, trailing_slash) = match rest.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    if rest.is_empty() {
        // `/` is one empty segment at the end: no segments and a trailing slash.
        return if trailing_slash {
            fault(
                format!("the path `{path}` has an empty segment"),
                "leave one slash out: such a path matches no route",
            )
        } else {
            Ok(Template { segments: Vec::new(), trailing_slash: true })
        };
    }
    let mut segments = Vec::new();
    for text in rest.split('/') {
        let segment = segment(path, text)?;
        if segments.contains(&segment) && matches!(segment, TemplateSegment::Parameter(_)) {
            return fault(format!("the path `{path}` has `{text}` twice"), "give each parameter its own name");
        }
        segments.push(segment);
    }
    Ok(Template { segments, trailing_slash })
}

fn segment(path: &str, text: &str) -> Result<TemplateSegment, (String, String)> {
    let fault = |message: String, help: String| Err((message, help));
    if text.is_empty() {
        return fault(
            format!("the path `{path}` has an empty segment"),
            "leave one slash out: such a path matches no route".to_owned(),
        );
    }
    if matches!(text, "." | "..") {
        return fault(
            format!("the path `{path}` has the segment `{text}`"),
            "write the path that is meant: such a path matches no route".to_owned(),
        );
    }
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let ok = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        return if !name.is_empty() && name.chars().all(ok) {
            Ok(TemplateSegment::Parameter(name.to_owned()))
        } else {
            fault(
                format!("`{text}` is no parameter"),
                "name it with letters, digits, `_`, `-` and `.`: `{accountId}`".to_owned(),
            )
        };
    }
    if text.contains(['{', '}']) {
        return fault(
            format!("the segment `{text}` is a parameter only in part"),
            "a parameter is a whole segment: `{name}`".to_owned(),
        );
    }
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex = |digit: Option<u8>| {
                    digit
                        .filter(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(digit))
                        .and_then(|digit| char::from(digit).to_digit(16))
                };
                let value =
                    hex(bytes.next()).zip(hex(bytes.next())).map(|(high, low)| high.wrapping_mul(16).wrapping_add(low));
                let decoded = value.and_then(|value| u8::try_from(value).ok());
                match decoded {
                    None => {
                        return fault(
                            format!(
                                "the segment `{text}` has a percent-encoding that is not two upper-case hexadecimal digits"
                            ),
                            "write `%` and two of 0-9, A-F".to_owned(),
                        );
                    }
                    Some(b'/' | b'\\' | 0) => {
                        return fault(
                            format!("the segment `{text}` has an encoded slash, backslash or NUL"),
                            "such a path matches no route".to_owned(),
                        );
                    }
                    Some(byte) if unreserved(byte) => {
                        return fault(
                            format!("the segment `{text}` encodes a character that needs no encoding (RFC 3986 §2.3)"),
                            format!("write `{}` as it is", char::from(byte)),
                        );
                    }
                    Some(_) => {}
                }
            }
            b';' => {
                return fault(format!("the segment `{text}` has a `;`"), "such a path matches no route".to_owned());
            }
            // RFC 3986 §3.3: pchar.
            _ if unreserved(byte) || b"!$&'()*+,=:@".contains(&byte) => {}
            _ => {
                let encoded: String = text
                    .bytes()
                    .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
                    .collect();
                return fault(
                    format!("the segment `{text}` has a character that has to be encoded"),
                    format!("write `{encoded}`"),
                );
            }
        }
    }
    Ok(TemplateSegment::Literal(text.to_owned()))
}

/// RFC 3986 §2.3.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Two routes that are equal once parameter names are erased (rule 4).
fn conflicts(reader: &mut Reader, routes: &[RouteDraft<'_>]) {
    let mut known: HashMap<(&str, Vec<Option<&str>>, bool), &RouteDraft> = HashMap::new();
    let mut ordered: Vec<&RouteDraft> = routes.iter().collect();
    ordered.sort_by_key(|route| route.span);
    for route in ordered {
        let erased = route.template.segments.iter().map(|segment| match segment {
            TemplateSegment::Literal(text) => Some(text.as_str()),
            TemplateSegment::Parameter(_) => None,
        });
        let key = (route.method.as_str(), erased.collect(), route.template.trailing_slash);
        if let Some(first) = known.get(&key) {
            reader.push(
                Diagnostic::at(
                    Code::RouteConflict,
                    route.match_span,
                    format!("routes `{}` and `{}` match the same requests", first.name, route.name),
                )
                .label(first.match_span, "the same, but for the names of parameters")
                .help("merge them, or change one of the paths"),
            );
        } else {
            known.insert(key, route);
        }
    }
}
