//! The judgement on one row: what was expected, what came out, and why.

mod closed;

use serde_json::Value;

use super::place::{Pattern, Place, nearest};
use super::verdict::{self, Asker, Judged, client_entry};
use super::why::{near_miss, reasons};
use super::{Case, Expectation, Expected, Outcome, Refused, Wanted};
use fieldgate::diagnostic::Span;
use fieldgate::document::Node;
use fieldgate::model::moment::Moment;
use fieldgate::model::{ClientId, Level, PolicySet, Route, RouteBody, ScopeId};
use fieldgate::transform::PseudonymKey;

/// What the row is judged against.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The policy.
    pub policy: &'a PolicySet,
    /// The route that the request takes, if there is one.
    pub route: Option<&'a Route>,
    /// The policy as written, for the places in what is said.
    pub written: Option<&'a Node>,
    /// When the row was asked (rule 38).
    pub now: Option<Moment>,
}

/// One scope's view of one entry of one route, by name: what coverage counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The route.
    pub route: String,
    /// Index of the entry among the route's.
    pub entry: usize,
    /// The scope.
    pub scope: ScopeId,
    /// The entry of the client that asks; `None` if the policy has no entries (rule 9).
    pub client: Option<ClientId>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// An expectation is not met.
    Unmet,
    /// An expectation is about nothing, so that it cannot be met or missed.
    Void,
}

/// One expectation that is not met, or is about nothing.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which of the two.
    pub kind: FindingKind,
    /// Where the expectation is written, in the suite's sources.
    pub span: Span,
    /// What it is about: a path, a header.
    pub subject: String,
    /// What was expected; empty for a void one.
    pub expected: String,
    /// What came out, or what is wrong with the expectation.
    pub got: String,
    /// Why, with the place in the policy's sources.
    pub because: Vec<(String, Option<Span>)>,
    /// Something in the row itself that may be the mistake, with the place in the suite's sources.
    pub perhaps: Option<(String, Span)>,
    /// The value to write instead, where an update would mend it: the span it replaces, and its text.
    pub update: Option<(Span, String)>,
}

/// What a row comes to.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// What is wrong; nothing means that the row passes.
    pub findings: Vec<Finding>,
    /// The scope-field cells that its expectations are about.
    pub cells: Vec<Cell>,
    /// What may be a mistake of a row that passes, with the place in the suite's sources.
    pub doubts: Vec<(String, Span)>,
}

/// Judges one row.
#[must_use]
pub fn judge(setting: Setting<'_>, case: &Case, outcome: &Outcome) -> Judgement {
    let mut judgement = Judgement::default();
    match &case.expected {
        Expected::Refused { status, reason, span } => {
            judgement.findings.extend(refused(*status, reason.as_deref(), *span, outcome));
            if judgement.findings.is_empty() && reason.is_none() {
                judgement.doubts.extend(unrouted(*span, outcome));
            }
        }
        Expected::Answer { fields, headers, nothing_else_above } => {
            if outcome.refused != Refused::No {
                judgement.findings.push(Finding {
                    kind: FindingKind::Unmet,
                    span: case.span,
                    subject: "the response".to_owned(),
                    expected: "an answer".to_owned(),
                    got: described(outcome),
                    because: Vec::new(),
                    perhaps: None,
                    update: None,
                });
                return judgement;
            }
            let row = Row::new(setting, case, outcome);
            for field in fields {
                judgement.findings.extend(row.field(field));
                judgement.cells.extend(row.cells(field));
            }
            for header in headers {
                judgement.findings.extend(row.header(header));
            }
            if let Some((level, span)) = nothing_else_above {
                judgement.findings.extend(row.closed(*level, *span, fields));
                if *level == Level::Hide {
                    judgement.cells.extend(row.all_cells());
                }
            }
            judgement.cells.sort();
            judgement.cells.dedup();
        }
    }
    if let Some(route) = setting.route.filter(|route| route.reports_at(setting.now)) {
        // What came out is the upstream's: it says nothing of the levels, and no level says why.
        judgement.cells.clear();
        let until = route.report_until.map(|day| day.to_string()).unwrap_or_default();
        for finding in judgement.findings.iter_mut().filter(|finding| finding.kind == FindingKind::Unmet) {
            let text =
                format!("route `{}` only reports until {until}; `now: {until}` asks the rows from then on", route.name);
            finding.because = vec![(text, Some(route.span))];
            finding.update = None;
        }
    }
    judgement
}

fn refused(status: u16, reason: Option<&str>, span: Span, outcome: &Outcome) -> Option<Finding> {
    let met = match outcome.refused {
        Refused::No => false,
        Refused::ForUnknownReason => outcome.status == status,
        Refused::For(refusal) => outcome.status == status && reason.is_none_or(|reason| refusal.is_called(reason)),
    };
    (!met).then(|| Finding {
        kind: FindingKind::Unmet,
        span,
        subject: "the response".to_owned(),
        expected: match reason {
            Some(reason) => format!("a refusal with {status} ({reason})"),
            None => format!("a refusal with {status}"),
        },
        got: described(outcome),
        because: Vec::new(),
        perhaps: None,
        update: None,
    })
}

/// A refusal that would be the same for every caller: a row that only names the status passes for a slip in its path too.
fn unrouted(span: Span, outcome: &Outcome) -> Option<(String, Span)> {
    let Refused::For(refusal) = outcome.refused else { return None };
    let said = format!(
        "no route matches, so every caller is refused: write `expect_refused: {{status: {}, reason: {}}}` if it is meant",
        outcome.status,
        refusal.reason()
    );
    refusal.is_called("no_route").then_some((said, span))
}

fn described(outcome: &Outcome) -> String {
    match outcome.refused {
        Refused::No => format!("an answer with {}", outcome.status),
        Refused::For(refusal) => format!("a refusal with {} ({refusal})", outcome.status),
        Refused::ForUnknownReason => format!("a refusal with {}", outcome.status),
    }
}

/// The JSON texts of a body: one, or those of a sequence (application/x-ndjson, RFC 7464). Reading stops at what is not JSON.
#[must_use]
pub fn texts(body: &[u8]) -> Vec<Value> {
    read(body).0
}

/// The JSON texts of a body, and whether there is nothing else in it.
fn read(body: &[u8]) -> (Vec<Value>, bool) {
    let spaced: Vec<u8> = body.iter().map(|byte| if *byte == 0x1E { b'\n' } else { *byte }).collect();
    let mut texts = Vec::new();
    for text in serde_json::Deserializer::from_slice(&spaced).into_iter::<Value>() {
        let Ok(text) = text else { return (texts, false) };
        texts.push(text);
    }
    (texts, true)
}

/// Equal as JSON values, numbers as numbers: `1.50` is `1.5`.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || (left.is_f64() || right.is_f64()) && left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

/// Whether it is spelt as rule 23 spells a pseudonym.
fn is_pseudonym(value: &Value) -> bool {
    value.as_str().is_some_and(PseudonymKey::is_pseudonym)
}

/// Why something came out as it did.
#[derive(Debug, Default)]
struct Why {
    /// The policy's reasons, with places in its sources.
    because: Vec<(String, Option<Span>)>,
    /// What in the row may be the mistake, with the place in the suite's sources.
    perhaps: Option<(String, Span)>,
}

/// A row with everything that its expectations are compared with.
struct Row<'a> {
    setting: Setting<'a>,
    case: &'a Case,
    sent: Vec<Value>,
    /// Whether all that was sent is JSON.
    sent_whole: bool,
    came: Vec<Value>,
    /// Whether all that came is JSON: of the rest no expectation can say that it is hidden.
    came_whole: bool,
    outcome: &'a Outcome,
    scopes: Vec<ScopeId>,
}

impl<'a> Row<'a> {
    fn new(setting: Setting<'a>, case: &'a Case, outcome: &'a Outcome) -> Self {
        let scopes = setting.route.map(|route| verdict::active(setting.policy, route, asker(case))).unwrap_or_default();
        let (sent, sent_whole) = read(&case.response.body);
        let (came, came_whole) = read(&outcome.body);
        Self { setting, case, sent, sent_whole, came, came_whole, outcome, scopes }
    }

    /// Whether the route's body follows its shapes: else it is an error's body (rule 29).
    fn governed(&self) -> bool {
        (200..300).contains(&self.case.response.status)
    }

    fn judged(&self) -> Vec<Judged<'_>> {
        let Some(route) = self.setting.route else { return Vec::new() };
        let RouteBody::Governed(governed) = &route.body else { return Vec::new() };
        if !self.governed() {
            return Vec::new();
        }
        self.sent
            .iter()
            .flat_map(|text| verdict::judge(self.setting.policy, route, governed, asker(self.case), text))
            .collect()
    }

    fn field(&self, field: &Expectation) -> Option<Finding> {
        let pattern = &field.pattern;
        let sent = self.sent.iter().any(|text| !pattern.find(text).is_empty());
        // What is no JSON has a root all the same: an error's page that is emptied.
        if !sent && (self.sent_whole || !pattern.root()) {
            let near = self.sent.iter().find_map(|text| nearest(pattern.as_str(), text));
            let hint = near.map(|near| format!("  (did you mean `{near}`?)")).unwrap_or_default();
            let got = format!("expectation matches nothing in the response: {}{hint}", pattern.as_str());
            return Some(void(field.span, pattern.as_str(), got));
        }
        if !self.came_whole {
            return Some(self.unread(field.span, pattern.as_str(), wanted_text(&field.wanted)));
        }
        if field.wanted == Wanted::Hidden && self.shifted(pattern) {
            let got = format!(
                "elements were removed, so an index says nothing of which they were: {}  (use `[*]`, with `hidden` or the list of all values)",
                pattern.as_str()
            );
            return Some(void(field.span, pattern.as_str(), got));
        }
        let came: Vec<(Place, &Value)> = self.came.iter().flat_map(|text| pattern.find(text)).collect();
        let several = !pattern.singular() || self.sent.len() > 1;
        let met = match &field.wanted {
            Wanted::Hidden => came.is_empty(),
            Wanted::Pseudonym => !came.is_empty() && came.iter().all(|(_, value)| is_pseudonym(value)),
            Wanted::Exactly(Value::Array(values)) if several => {
                came.len() == values.len() && came.iter().zip(values).all(|((_, value), wanted)| same(value, wanted))
            }
            Wanted::Exactly(wanted) => !came.is_empty() && came.iter().all(|(_, value)| same(value, wanted)),
        };
        if met {
            return None;
        }
        let Why { because, perhaps } = self.why(pattern);
        Some(Finding {
            kind: FindingKind::Unmet,
            span: field.span,
            subject: pattern.as_str().to_owned(),
            expected: wanted_text(&field.wanted),
            got: got_text(&came, several),
            because,
            perhaps,
            update: Some((field.wanted_span, update_text(&came, several))),
        })
    }

    /// Whether an index of the pattern counts otherwise in what came than in what was sent.
    fn shifted(&self, pattern: &Pattern) -> bool {
        let lengths = |texts: &[Value]| -> Vec<Vec<usize>> {
            let all = texts.iter().flat_map(|text| pattern.indexed_lengths(text));
            let mut by_step: Vec<Vec<usize>> = Vec::new();
            for (step, length) in all {
                by_step.resize(by_step.len().max(step.saturating_add(1)), Vec::new());
                by_step.iter_mut().skip(step).take(1).for_each(|lengths| lengths.push(length));
            }
            by_step
        };
        // Of arrays that come out empty nothing is left to be taken for another.
        let (sent, came) = (lengths(&self.sent), lengths(&self.came));
        came.iter()
            .enumerate()
            .any(|(step, came)| sent.get(step) != Some(came) && came.iter().any(|length| *length > 0))
    }

    /// What came cannot be read, so that it may hold anything.
    fn unread(&self, span: Span, subject: &str, expected: String) -> Finding {
        Finding {
            kind: FindingKind::Unmet,
            span,
            subject: subject.to_owned(),
            expected,
            got: format!("a body of {} bytes that cannot be read as JSON", self.outcome.body.len()),
            because: Vec::new(),
            perhaps: None,
            update: None,
        }
    }

    /// Why the first scalar at or below the pattern comes out as it does.
    fn why(&self, pattern: &Pattern) -> Why {
        let Some(RouteBody::Governed(governed)) = self.setting.route.map(|route| &route.body) else {
            return Why::default();
        };
        let judged = self.judged();
        let below = || judged.iter().filter(|one| pattern.covers(&one.place));
        let Some(one) = below().max_by_key(|one| one.verdict.level) else { return Why::default() };
        let all = reasons(self.setting.policy, governed, &one.verdict, self.setting.written);
        let lines = all
            .into_iter()
            .filter(|reason| reason.decides)
            .map(|reason| {
                let text = match reason.topic.strip_prefix("class ") {
                    Some(class) => {
                        reason.text.replacen("grants ", &format!("grants {class}: "), 1).replacen("nothing: ", "", 1)
                    }
                    None => reason.text,
                };
                (text, reason.span)
            })
            .collect();
        let miss = near_miss(self.setting.policy, self.case.request.client.as_deref(), one.verdict.level)
            .map(|(text, _)| (text, self.case.request.client_span));
        Why { because: lines, perhaps: miss }
    }

    fn header(&self, header: &super::HeaderExpectation) -> Option<Finding> {
        let finding = |kind, expected: String, got: String| Finding {
            kind,
            span: header.span,
            subject: format!("header {}", header.name),
            expected,
            got,
            because: Vec::new(),
            perhaps: None,
            update: None,
        };
        let came: Vec<String> = self
            .outcome
            .headers
            .iter()
            .filter(|(name, _)| *name == header.name)
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect();
        let sent = self.case.response.headers.iter().any(|(name, _)| *name == header.name);
        let met = match &header.wanted {
            Wanted::Hidden if !sent => {
                let got = format!("expectation matches nothing: the response has no header `{}`", header.name);
                return Some(finding(FindingKind::Void, String::new(), got));
            }
            Wanted::Hidden => came.is_empty(),
            Wanted::Pseudonym => !came.is_empty() && came.iter().all(|text| is_pseudonym(&text.as_str().into())),
            Wanted::Exactly(wanted) => !came.is_empty() && came.iter().all(|text| wanted.as_str() == Some(text)),
        };
        (!met).then(|| {
            let got = if came.is_empty() { "nothing".to_owned() } else { came.join(", ") };
            finding(FindingKind::Unmet, wanted_text(&header.wanted), got)
        })
    }

    /// The cells that an expectation is about. With several scopes active it says nothing of one of them, unless the place is
    /// hidden: then from all.
    fn cells(&self, field: &Expectation) -> Vec<Cell> {
        if (self.scopes.len() != 1 && field.wanted != Wanted::Hidden) || self.shifted(&field.pattern) {
            return Vec::new();
        }
        self.cells_where(|place| field.pattern.covers(place))
    }

    fn all_cells(&self) -> Vec<Cell> {
        self.cells_where(|_| true)
    }

    fn cells_where(&self, wanted: impl Fn(&Place) -> bool) -> Vec<Cell> {
        let Some(route) = self.setting.route else { return Vec::new() };
        let client = client_entry(self.setting.policy, self.case.request.client.as_deref());
        let mut cells = Vec::new();
        for one in self.judged().into_iter().filter(|one| wanted(&one.place)) {
            for entry in one.verdict.entries {
                let cell = |scope: &ScopeId| Cell { route: route.name.clone(), entry, scope: *scope, client };
                cells.extend(self.scopes.iter().map(cell));
            }
        }
        cells
    }
}

/// An expectation that can be neither met nor missed.
fn void(span: Span, subject: &str, got: String) -> Finding {
    Finding {
        kind: FindingKind::Void,
        span,
        subject: subject.to_owned(),
        expected: String::new(),
        got,
        because: Vec::new(),
        perhaps: None,
        update: None,
    }
}

fn asker(case: &Case) -> Asker<'_> {
    Asker { client: case.request.client.as_deref(), scopes: &case.request.scopes, claims: &case.request.claims }
}

fn wanted_text(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Hidden => "hidden".to_owned(),
        Wanted::Pseudonym => "a pseudonym".to_owned(),
        Wanted::Exactly(value) => value.to_string(),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 {
        return text;
    }
    let cut: String = text.chars().take(77).collect();
    format!("{cut}...")
}

fn got_text(came: &[(Place, &Value)], several: bool) -> String {
    match came {
        [] => "hidden".to_owned(),
        [(_, value)] if !several => short(value),
        many => short(&many.iter().map(|(_, value)| (*value).clone()).collect()),
    }
}

/// What an update writes. JSON is YAML, so a value needs no other spelling; a pseudonym is written by its word, since the
/// value depends on the key.
fn update_text(came: &[(Place, &Value)], several: bool) -> String {
    let is = |test: fn(&Value) -> bool| !came.is_empty() && came.iter().all(|(_, value)| test(value));
    if came.is_empty() {
        return "hidden".to_owned();
    }
    if is(is_pseudonym) {
        return "pseudonym".to_owned();
    }
    let value: Value = match came {
        [(_, value)] if !several => (*value).clone(),
        many => match many.split_first() {
            Some(((_, first), rest)) if !first.is_array() && rest.iter().all(|(_, value)| same(value, first)) => {
                (*first).clone()
            }
            _ => many.iter().map(|(_, value)| (*value).clone()).collect(),
        },
    };
    let reserved = value.as_str().is_some_and(|text| text == "hidden" || text == "pseudonym");
    let map = value.is_object();
    if reserved || map { format!("{{exactly: {value}}}") } else { value.to_string() }
}
