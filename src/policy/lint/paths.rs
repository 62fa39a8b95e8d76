//! What field paths reach that their author may not have meant (rules 11 to 13; threat C8).

use std::collections::{BTreeSet, HashMap};

use super::Lint;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Member, Node, lookalike};
use crate::model::field_path::{FieldPath, Segment};
use crate::model::{Entry, Governed, RouteBody};

/// Most pairs of entries that are compared in one route: the lint is worth a moment, not a minute.
const MAX_PAIRS: usize = 4_000_000;

impl Lint<'_> {
    pub(super) fn paths(&mut self) {
        for shape in self.members(&["shapes"]) {
            for member in shape.node.members().unwrap_or_default() {
                self.field(member);
            }
        }
        for route in self.members(&["routes"]) {
            for member in route.node.get("body").and_then(|body| body.members()).unwrap_or_default() {
                self.field(member);
            }
            if let Some(rows) = route.node.get("rows") {
                self.condition(rows);
            }
        }
        for scope in self.members(&["scopes"]) {
            for rows in scope.node.get("rows").and_then(|rows| rows.members()).unwrap_or_default() {
                self.condition(&rows.node);
            }
        }
        self.rows_below_elements();
        self.records_of_objects();
        self.form_conflicts();
    }

    /// One path of a shape or body.
    fn field(&mut self, member: &Member) {
        let text = &*member.key;
        let Ok(path) = FieldPath::parse(text) else { return };
        self.unguarded(&path, member.key_span);
        self.length_members(&path, member.key_span);
        if let Some(odd) = path.segments.iter().find_map(|segment| match segment {
            Segment::Member(name) => lookalike::odd(name),
            Segment::Any | Segment::Filtered(_) => None,
        }) {
            let message = format!("`{text}` is most likely in no body: {odd}");
            self.push(
                Diagnostic::at(Code::NoEffect, member.key_span, message).help("write the name again as the API has it"),
            );
        }
        if path.open {
            self.push(
                Diagnostic::at(
                    Code::OpenSubtree,
                    member.key_span,
                    format!(
                        "`{text}` covers everything below, with the members' names, also what the upstream adds later"
                    ),
                )
                .help("name the members if you know them"),
            );
        }
        if let Some(place) = dynamic(&path, text) {
            self.push(
                Diagnostic::at(
                    Code::DynamicNames,
                    member.key_span,
                    format!("`{text}` lets the member names at `{place}` through, whatever they are"),
                )
                .help("write `[*]` if it is an array; if it is a map, make sure that its keys are not personal data"),
            );
        }
    }

    /// One `rows`.
    fn condition(&mut self, rows: &Node) {
        if let Ok(path) = FieldPath::parse(rows.text().unwrap_or_default()) {
            self.unguarded(&path, rows.span);
            self.unknown_in_rows(&path, rows.span);
            self.length_members(&path, rows.span);
        }
    }

    /// Members that only a row condition names: misspelt, it says the same of every element, and a negation keeps all.
    fn unknown_in_rows(&mut self, path: &FieldPath, span: Span) {
        let known = |name: &str| {
            self.policy.routes.iter().any(|route| match &route.body {
                RouteBody::Governed(governed) => governed.entries.iter().any(|entry| {
                    entry.path.segments.iter().any(|segment| match segment {
                        Segment::Member(member) => &**member == name,
                        Segment::Filtered(filter) => members(filter.as_str()).contains(&name),
                        Segment::Any => false,
                    })
                }),
                RouteBody::Pass(_) => false,
            })
        };
        let filters = path.segments.iter().filter_map(|segment| match segment {
            Segment::Filtered(filter) => Some(filter.as_str()),
            Segment::Member(_) | Segment::Any => None,
        });
        let unknown: BTreeSet<String> =
            filters.flat_map(members).filter(|name| !known(name)).map(str::to_owned).collect();
        for name in unknown {
            self.push(
                Diagnostic::at(
                    Code::RowsMember,
                    span,
                    format!("`rows` asks for `{name}`, which no field of the policy names"),
                )
                .help("look at its spelling: where it is never there, `!@.…` keeps every element, and `@.…` none"),
            );
        }
    }

    /// `$.items[*][?…]`: a condition on the members of each element, where the route has members in the place of elements.
    fn rows_below_elements(&mut self) {
        for route in &self.policy.routes {
            let RouteBody::Governed(governed) = &route.body else { continue };
            for rows in &governed.rows {
                let Some((Segment::Any, stem)) = rows.array.segments.split_last() else { continue };
                let elements = FieldPath { segments: stem.to_vec(), open: false };
                let mut children = rows.array.clone();
                children.segments.push(Segment::Any);
                let member = |entry: &&Entry| {
                    matches!(entry.path.segments.get(rows.array.segments.len()), Some(Segment::Member(_)))
                };
                let below: Vec<&Entry> =
                    governed.entries.iter().filter(|entry| entry.path.reaches_into(&children)).collect();
                if below.is_empty() || !below.iter().all(member) {
                    continue;
                }
                self.push(
                    Diagnostic::at(
                        Code::RowsBelowElements,
                        rows.span,
                        format!(
                            "`rows` asks for each member of each element of `{elements}` of route `{}`, not for each element",
                            route.name
                        ),
                    )
                    .help(format!("write `{elements}[?{}]`", rows.filter.as_str())),
                );
            }
        }
    }

    /// `max_records` of an array through which the body goes as through an object: no element of it comes, so none is counted.
    fn records_of_objects(&mut self) {
        for route in &self.policy.routes {
            let RouteBody::Governed(governed) = &route.body else { continue };
            let Some(records) = &governed.max_records else { continue };
            let Some((_, array)) = records.at.segments.split_last() else { continue };
            let mut below = governed.entries.iter().filter(|entry| entry.path.reaches_into(&records.at)).peekable();
            let member = |entry: &Entry| matches!(entry.path.segments.get(array.len()), Some(Segment::Member(_)));
            if below.peek().is_some() && below.all(member) {
                let array = FieldPath { segments: array.to_vec(), open: false };
                let span = self.node(&["routes", &route.name, "max_records"]).map_or(route.span, |node| node.span);
                let message = format!(
                    "`max_records` counts elements of `{array}`, which the body of route `{}` reads as an object",
                    route.name
                );
                self.push(
                    Diagnostic::at(Code::NoEffect, span, message)
                        .help(format!("name its elements in the body: `{}`", records.at)),
                );
            }
        }
    }

    /// Comparisons that a missing member makes true, in every filter of one path.
    fn unguarded(&mut self, path: &FieldPath, span: Span) {
        for segment in &path.segments {
            let Segment::Filtered(filter) = segment else { continue };
            for query in filter.unguarded() {
                self.push(
                    Diagnostic::at(
                        Code::UnguardedNotEqual,
                        span,
                        format!("what this filter asks of `{query}` is true where `{query}` is missing (RFC 9535 §2.3.5.2.2)"),
                    )
                    .help(format!("write `{query} && …` in front if such elements are to be left out")),
                );
            }
        }
    }

    /// A member of a filter that is called like a function of other languages, where no field has that name.
    fn length_members(&mut self, path: &FieldPath, span: Span) {
        for segment in &path.segments {
            let Segment::Filtered(filter) = segment else { continue };
            for (at, _) in filter.as_str().match_indices('@') {
                let rest = filter.as_str().get(at..).unwrap_or_default();
                let end = rest.find([' ', ')', '(', '&', '|', '=', '<', '>', '!', ',']).unwrap_or(rest.len());
                let query = rest.get(..end).unwrap_or_default();
                let Some((stem, name)) = ["length", "size"]
                    .into_iter()
                    .find_map(|name| Some((query.strip_suffix(name)?.strip_suffix('.')?, name)))
                else {
                    continue;
                };
                if self.is_field(name) {
                    continue;
                }
                self.push(
                    Diagnostic::at(
                        Code::LengthMember,
                        span,
                        format!("`{query}` is a member called `{name}`, not how long `{stem}` is"),
                    )
                    .help(format!("call the function: `length({stem})`")),
                );
            }
        }
    }

    /// Whether some field of the policy is called so.
    fn is_field(&self, name: &str) -> bool {
        let named = |entry: &Entry| {
            entry.path.segments.iter().any(|segment| matches!(segment, Segment::Member(member) if &**member == name))
        };
        self.policy.routes.iter().any(|route| match &route.body {
            RouteBody::Governed(governed) => governed.entries.iter().any(named),
            RouteBody::Pass(_) => false,
        })
    }

    /// Entries that may meet in one scalar and disagree on a form, so that it has none (rule 13).
    fn form_conflicts(&mut self) {
        let mut seen: BTreeSet<(Span, Span)> = BTreeSet::new();
        for route in &self.policy.routes {
            let RouteBody::Governed(governed) = &route.body else { continue };
            for (first, second) in meetings(governed) {
                let (first, second) = if first.span <= second.span { (first, second) } else { (second, first) };
                let Some(form) = disagreement(first, second) else { continue };
                if !seen.insert((first.span, second.span)) {
                    continue;
                }
                self.push(
                    Diagnostic::at(
                        Code::FormConflict,
                        second.span,
                        format!(
                            "`{}` and `{}` of route `{}` may be one place, but give it different forms at {form}: it has none",
                            first.path, second.path, route.name
                        ),
                    )
                    .label(first.span, "the other form")
                    .help("give both the same form, or let only one of them declare it"),
                );
            }
        }
    }
}

/// Pairs of entries that may be at one place.
fn meetings(governed: &Governed) -> Vec<(&Entry, &Entry)> {
    let plain =
        |entry: &&Entry| !entry.path.open && entry.path.segments.iter().all(|s| matches!(s, Segment::Member(_)));
    let forms = |entry: &&Entry| entry.mask.is_some() || entry.pseudonym.is_some() || entry.blank.is_some();
    let (plain, wild): (Vec<&Entry>, Vec<&Entry>) = governed.entries.iter().filter(forms).partition(plain);
    let mut pairs = Vec::new();
    let mut by_path: HashMap<&FieldPath, Vec<&Entry>> = HashMap::new();
    for entry in &plain {
        let same = by_path.entry(&entry.path).or_default();
        pairs.extend(same.iter().map(|other| (*other, *entry)));
        same.push(entry);
    }
    if wild.len().saturating_mul(plain.len().saturating_add(wild.len())) <= MAX_PAIRS {
        for (index, entry) in wild.iter().enumerate() {
            let others = plain.iter().chain(wild.iter().take(index));
            pairs.extend(others.filter(|other| other.path.overlaps(&entry.path)).map(|other| (*other, *entry)));
        }
    }
    pairs
}

/// The first level at which two entries declare different forms.
fn disagreement(first: &Entry, second: &Entry) -> Option<&'static str> {
    fn differ<T: PartialEq>(first: Option<&T>, second: Option<&T>) -> bool {
        first.zip(second).is_some_and(|(first, second)| first != second)
    }
    if differ(first.mask.as_ref(), second.mask.as_ref()) {
        Some("mask")
    } else if differ(first.pseudonym.as_ref(), second.pseudonym.as_ref()) {
        Some("pseudonym")
    } else if differ(first.blank.as_ref(), second.blank.as_ref()) {
        Some("blank")
    } else {
        None
    }
}

/// The place of a `*` that looks like one over the members of a map: written `.*`, or behind a name that says so. An
/// array's `[*]` cannot be told from a map's, so the spelling is what there is to go by.
fn dynamic(path: &FieldPath, text: &str) -> Option<String> {
    let stem = text.strip_suffix("..*").unwrap_or(text);
    let dotted = stem.contains(".*");
    let mut at = FieldPath { segments: Vec::new(), open: false };
    for segment in &path.segments {
        if *segment == Segment::Any {
            let keyed = match at.segments.last() {
                Some(Segment::Member(name)) => keyed(name),
                _ => false,
            };
            if dotted || keyed {
                return Some(at.to_string());
            }
        }
        at.segments.push(segment.clone());
    }
    None
}

/// Whether a member's name says that it holds a map: `byEmail`, `users_by_id`, `addressMap`.
fn keyed(name: &str) -> bool {
    let lower = name.to_lowercase();
    let by = name.starts_with("by") && name.chars().nth(2).is_some_and(|c| c.is_uppercase() || c == '_');
    by || name.contains("By")
        || lower.contains("_by_")
        || ["map", "index", "lookup", "dict"].iter().any(|end| lower.ends_with(end))
}

/// The members that a filter asks for by a plain name: `@.a.b` asks for `a` and `b`.
fn members(filter: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for query in filter.split('@').skip(1) {
        let mut rest = query;
        while let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
            let (name, more) = after.split_at(end);
            if !name.is_empty() {
                found.push(name);
            }
            rest = more;
        }
    }
    found
}
