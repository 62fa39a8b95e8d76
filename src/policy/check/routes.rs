//! Routes: what they match, and what they hold (rules 3 to 6, 10, 26, 28, 30, 34).

use std::collections::HashMap;

use super::classes::Declared;
use super::counting;
use super::read::{Keys, Reader};
use super::scopes;
use super::shapes::{self, Field};
use super::template::{self, Matched};
use super::{content, headers};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Member, Node, Tree};
use crate::model::field_path::{FieldPath, Filter, Segment};
use crate::model::moment::Day;
use crate::model::{
    Ceiling, HeaderNames, MaxRecords, OtherContent, Over, PathSubject, QueryRule, Relation, TemplateSegment,
};

/// A route as written, shapes resolved. One that is broken keeps its name and area, so that nothing follows from it.
pub(super) struct RouteDraft<'d> {
    pub(super) name: &'d str,
    pub(super) span: Span,
    pub(super) area: Option<(&'d str, Span)>,
    pub(super) matched: Option<Matched>,
    pub(super) query: QueryRule,
    pub(super) body: Option<BodyDraft>,
    pub(super) report_until: Option<Day>,
}

/// What a route does to bodies.
pub(super) enum BodyDraft {
    Pass(String),
    Governed(Box<GovernedDraft>),
}

pub(super) struct GovernedDraft {
    pub(super) fields: Vec<Field>,
    pub(super) rows: Option<(FieldPath, Filter, Span)>,
    pub(super) max_records: Option<(MaxRecords, Span)>,
    pub(super) ceiling: Ceiling,
    pub(super) other_content: OtherContent,
    pub(super) content_types: Vec<String>,
    pub(super) headers: HeaderNames,
    pub(super) subject: Option<PathSubject>,
}

const KEYS: [&str; 13] = [
    "match",
    "area",
    "query",
    "body",
    "pass",
    "rows",
    "max_records",
    "ceiling",
    "other_content",
    "content_types",
    "headers",
    "report_until",
    "subject",
];

/// `routes`, in name order.
pub(super) fn routes<'d>(
    reader: &mut Reader,
    declared: Declared<'_>,
    shapes: &[(&str, Span)],
    node: Option<&'d Node>,
) -> Vec<RouteDraft<'d>> {
    let Some(node) = node else { return Vec::new() };
    let mut routes = Vec::new();
    for member in reader.map(node, "`routes`") {
        reader.name(&member.key, member.key_span, "route");
        routes.push(route(reader, declared, shapes, member));
    }
    routes.sort_by(|a: &RouteDraft, b| a.name.cmp(b.name));
    conflicts(reader, &routes);
    routes
}

fn route<'d>(
    reader: &mut Reader,
    declared: Declared<'_>,
    shapes: &[(&str, Span)],
    member: &'d Member,
) -> RouteDraft<'d> {
    let what = format!("route `{}`", member.key);
    let keys = reader.keys(&member.node, &what, &KEYS);
    let help = "say which requests it is for: `match: GET /accounts/{accountId}`";
    let matched =
        reader.required(&keys, "match", &what, member.key_span, help).and_then(|node| template::matched(reader, node));
    let query = keys.get("query").map_or(QueryRule::Only(Vec::new()), |node| self::query(reader, node));
    let body = match keys.member("pass") {
        Some(pass) => pass_body(reader, &keys, pass, &what),
        None => governed(reader, declared, shapes, &keys, &what, member.key_span).map(|mut draft| {
            let template = matched.as_ref().map(|matched| &matched.template);
            draft.subject = keys.get("subject").and_then(|node| counting::path_subject(reader, node, template));
            if let Some((MaxRecords { query: Some(name), .. }, span)) = &draft.max_records {
                counting::page_size(reader, name, *span, &query, &what);
            }
            BodyDraft::Governed(Box::new(draft))
        }),
    };
    let report_until = keys.get("report_until").and_then(|node| day(reader, node));
    let area = keys.get("area").and_then(|node| Some((node.text()?, node.span)));
    RouteDraft { name: &member.key, span: member.key_span, area, matched, query, body, report_until }
}

fn pass_body(reader: &mut Reader, keys: &Keys<'_>, pass: &Member, what: &str) -> Option<BodyDraft> {
    for key in KEYS.into_iter().filter(|key| !["match", "query", "pass"].contains(key)) {
        if let Some(member) = keys.member(key) {
            reader.push(
                Diagnostic::at(Code::Incompatible, member.key_span, format!("{what} has both `pass` and `{key}`"))
                    .label(pass.key_span, "forwarded untouched because of this")
                    .help(format!("take `pass` out to filter the route, or `{key}` to forward it untouched")),
            );
        }
    }
    let text = match pass.node.value {
        Tree::Bool(_) => "",
        _ => reader.text(&pass.node, "`pass`")?,
    };
    if text.trim().is_empty() {
        reader.push(
            Diagnostic::at(Code::BadValue, pass.node.span, "`pass` gives no reason")
                .help("say why nothing has to be withheld: `pass: \"health check, no personal data\"`"),
        );
        return None;
    }
    Some(BodyDraft::Pass(text.to_owned()))
}

fn governed(
    reader: &mut Reader,
    declared: Declared<'_>,
    shapes: &[(&str, Span)],
    keys: &Keys<'_>,
    what: &str,
    place: Span,
) -> Option<GovernedDraft> {
    let help = "name the area that scopes act on: `area: accounts`";
    if let Some(node) = reader.required(keys, "area", what, place, help)
        && let Some(text) = reader.text(node, "`area`")
    {
        reader.name(text, node.span, "area");
    }
    let help = "say what its bodies hold: `body: {$: {shape: account}}`, or forward it with `pass: \"why\"`";
    let fields = reader.required(keys, "body", what, place, help).map(|node| {
        if let Some([only]) = node.members()
            && let (key @ ("shape" | "class"), Some(name)) = (&*only.key, only.node.text())
        {
            let message = format!("the body of {what} does not say where its {key} stands");
            let help = format!("write `{{$: {{{key}: {name}}}}}`: `$` is the whole body");
            reader.push(Diagnostic::at(Code::PathSyntax, node.span, message).help(help));
            return Vec::new();
        }
        let fields = shapes::fields(reader, declared, shapes, node, &format!("the body of {what}"));
        if let (Some(name), Some(said)) = (node.text(), reader.found.last_mut()) {
            said.help = Some(format!("write `{{$: {{shape: {name}}}}}`"));
        }
        fields
    });
    let rows = keys.get("rows").and_then(|node| self::rows(reader, node));
    let max_records = keys.get("max_records").and_then(|node| self::max_records(reader, node));
    let ceiling =
        keys.get("ceiling").map(|node| scopes::ceiling(reader, declared.classes, node, what)).unwrap_or_default();
    let other_content = keys.get("other_content").map_or(OtherContent::Reject, |node| content::other(reader, node));
    let content_types = keys.get("content_types").map(|node| content::json_types(reader, node)).unwrap_or_default();
    let headers = keys.get("headers");
    let headers =
        headers.map(|node| headers::headers(reader, declared.classes, node, declared.headers)).unwrap_or_default();
    Some(GovernedDraft {
        fields: fields?,
        rows,
        max_records,
        ceiling,
        other_content,
        content_types,
        headers,
        subject: None,
    })
}

/// `query` (rule 6).
fn query(reader: &mut Reader, node: &Node) -> QueryRule {
    match node.text() {
        Some("any") => return QueryRule::Any,
        Some(text) => {
            reader.push(
                Diagnostic::at(Code::BadValue, node.span, format!("`query` cannot be `{text}`"))
                    .help("list the parameters that callers may send: `query: [page]`; or write `any`"),
            );
            return QueryRule::Only(Vec::new());
        }
        None => {}
    }
    QueryRule::Only(reader.texts(node, "`query`").into_iter().map(|(text, _)| text.to_owned()).collect())
}

/// A day (rule 38). One that cannot be read is an error, never "for ever" or "not at all".
fn day(reader: &mut Reader, node: &Node) -> Option<Day> {
    let text = reader.text(node, "`report_until`")?;
    let day = Day::parse(text);
    if day.is_none() {
        reader.push(
            Diagnostic::at(Code::BadValue, node.span, format!("`report_until` is not a date: `{text}`"))
                .help("write the first day on which the route is enforced, as year, month and day: `2027-01-31`"),
        );
    }
    day
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
    let keys = reader.keys(node, what, &["at", "max", "over", "query"]);
    let help = "say where they are and how many leave: `max_records: {at: \"$.items[*]\", max: 200, over: truncate}`";
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
    let query = keys.get("query").and_then(|node| reader.text(node, "`query` of `max_records`")).map(str::to_owned);
    let (at, span) = at?;
    Some((MaxRecords { at, max: max?, over: over?, query }, span))
}

/// Two routes that can match one path, with neither more specific (rule 4): equal once parameter names are erased, or with
/// literal text that lets one segment fit both.
fn conflicts(reader: &mut Reader, routes: &[RouteDraft<'_>]) {
    let mut known: HashMap<(&str, String), (&str, Span)> = HashMap::new();
    let mut partial: HashMap<&str, Vec<(&str, &Matched)>> = HashMap::new();
    let mut ordered: Vec<(&str, &Matched)> =
        routes.iter().filter_map(|route| Some((route.name, route.matched.as_ref()?))).collect();
    ordered.sort_by_key(|(_, matched)| matched.span);
    for (name, matched) in ordered {
        let key = (matched.method.as_str(), matched.template.erased());
        if let Some((first, place)) = known.get(&key) {
            reader.push(
                Diagnostic::at(
                    Code::RouteConflict,
                    matched.span,
                    format!("routes `{first}` and `{name}` match the same requests"),
                )
                .label(*place, "the same, but for the names of parameters")
                .help("merge them, or change one of the paths"),
            );
            continue;
        }
        known.insert(key, (name, matched.span));
        // Only literal text around a parameter can be as specific as another: all else is ordered, or equal.
        if !matched.template.segments.iter().any(|segment| matches!(segment, TemplateSegment::Part { .. })) {
            continue;
        }
        let others = partial.entry(matched.method.as_str()).or_default();
        let conflict =
            others.iter().find(|(_, other)| matched.template.relation(&other.template) == Relation::Conflict);
        if let Some((first, other)) = conflict {
            reader.push(
                Diagnostic::at(
                    Code::RouteConflict,
                    matched.span,
                    format!("routes `{first}` and `{name}` can match one path, and neither is more specific"),
                )
                .label(other.span, "as much literal text, and room for the same segment")
                .help("make the text of one of them longer, or merge them"),
            );
        }
        others.push((name, matched));
    }
}
