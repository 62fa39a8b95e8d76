//! `fieldgate why`: a decision record in words, with the lines of the policy that decide.

use std::ops::Range;
use std::path::PathBuf;

use fieldgate::diagnostic::plain;
use fieldgate::model::{Budget, BudgetId, Entry, Governed, Level, Route, RouteBody, ScopeId, StepEffect};
use fieldgate::policy;
use fieldgate_workbench::ledger::{Client, Line, Record};
use fieldgate_workbench::preview::meaning;
use fieldgate_workbench::suite::reasons;
use fieldgate_workbench::suite::verdict::{at_path, client_entry, word};
use memchr::memmem;

use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::logs;
use super::report::number_of;
use super::terminal::{Ink, Terminal};

/// Say why a response was what it was: its decision record in words, with the policy's lines that decide
///
/// `fieldgate why access.log 6f1c0a52-… -p policies/telco.yaml`: the id is the `x-request-id` that a support case names. It exits with
/// 1 if no line has it, if another policy decided, or if a line cannot be read or has several records.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The access log: plain, gzip or zstd; `-` for standard input
    #[arg(value_name = "LOG")]
    log: PathBuf,
    /// The request's id
    #[arg(value_name = "REQUEST_ID")]
    request: String,
    /// The policy: a file, or a directory with one
    #[arg(long, short, value_name = "PATH", default_value = "policies")]
    policy: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let one = load::only(&arguments.policy, "one of them decided", terminal)?;
    let mut found: Vec<Record> = Vec::new();
    let mut by_line: Vec<Record> = Vec::new();
    let (mut unwritten, mut unreadable, mut gated, mut unseen) = (false, false, false, false);
    let wanted = Wanted::new(&arguments.request);
    let faults = logs::each_line_of(&arguments.log, terminal, |line, bytes| match line {
        Line::Record(record) if record.text("request") == arguments.request => found.push(*record),
        // An id that is not plain is in no record, nor is any of what a filter before the plugin answered.
        Line::Record(record) if record.text("request").is_empty() => {
            match (wanted.is_beside(bytes, &record.place), record.text("outcome")) {
                (true, "unseen") => unseen = true,
                (true, _) => by_line.push(*record),
                (false, _) => {}
            }
        }
        Line::Gated => gated |= wanted.is_in(bytes),
        Line::Unwritten(_) => unwritten |= wanted.is_in(bytes),
        Line::Broken(_) => unreadable |= wanted.is_in(bytes),
        _ => {}
    })?;
    if found.is_empty() {
        found = by_line;
    }
    if found.is_empty() {
        let log = arguments.log.display();
        let id = plain(&arguments.request);
        terminal.say(&if gated {
            format!("{log}: the gate refused {id}: the plugin had not seen it, and nothing of the API's left\n")
        } else if unseen {
            format!("{log}: a filter before the plugin answered {id}: the line says which, before its record\n")
        } else if unwritten {
            format!("{log}: the line of {id} has no record: the plugin's VM had trapped, and the stream ended\n")
        } else if unreadable {
            format!("{log}: the line of {id} cannot be read\n")
        } else {
            format!("{log}: no line has the request id {id}\n")
        });
        return Ok(Exit::Findings);
    }
    let mut exit = faults.exit();
    for record in &found {
        let told = Told { record, one: &one, request: &arguments.request };
        terminal.print(&told.text(terminal))?;
        if !told.is_the_policy() {
            exit = Exit::Findings;
        }
    }
    Ok(exit)
}

/// An id that is looked for in what lines say besides their records.
struct Wanted {
    id: memmem::Finder<'static>,
    /// Whether its end is left out, as it is in the log.
    cut: bool,
}

impl Wanted {
    /// The shipped formats print so many bytes of an id.
    const MOST: usize = 64;

    fn new(id: &str) -> Self {
        let bytes = id.as_bytes();
        let printed = bytes.get(..Self::MOST).unwrap_or(bytes);
        Self { id: memmem::Finder::new(printed).into_owned(), cut: bytes.len() > Self::MOST }
    }

    /// Whether it stands in a text, and is no part of a longer id.
    fn is_in(&self, text: &[u8]) -> bool {
        let plain = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
        self.id.find_iter(text).any(|at| {
            let end = at.saturating_add(self.id.needle().len());
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            !plain(before) && (self.cut || !plain(text.get(end)))
        })
    }

    /// Whether it stands in a line, but not in its record.
    fn is_beside(&self, line: &[u8], record: &Range<usize>) -> bool {
        let (before, after) = (line.get(..record.start), line.get(record.end..));
        [before, after].into_iter().flatten().any(|text| self.is_in(text))
    }
}

/// What put a ceiling on all levels of a response.
enum Lowered {
    /// A budget's step above this share.
    Budget(BudgetId, u8),
    /// A canary that the client had met.
    Canaries,
    /// Something of which the record does not say what.
    Unsaid,
}

/// The share above which a budget's steps come to this ceiling, if what is taken of it does.
fn reached(budget: &Budget, (taken, max): (u64, u64), ceiling: Level) -> Option<u8> {
    let exceeded = || budget.steps.iter().filter(|step| step.is_exceeded(taken, max));
    let levels = exceeded().filter_map(|step| match step.then {
        StepEffect::Ceiling(level) => Some(level),
        StepEffect::Reject => None,
    });
    let lowest = levels.min()?;
    let first = exceeded().filter(|step| step.then == StepEffect::Ceiling(ceiling)).map(|step| step.percent).min();
    first.filter(|_| lowest == ceiling)
}

struct Told<'a> {
    record: &'a Record,
    one: &'a Loaded,
    /// The id that was asked for.
    request: &'a str,
}

impl Told<'_> {
    fn is_the_policy(&self) -> bool {
        self.record.text("digest") == policy::digest(&self.one.doc)
    }

    fn route(&self) -> Option<&Route> {
        let name = self.record.text("route");
        self.one.policy.routes.iter().find(|route| route.name == name)
    }

    fn scopes(&self) -> Vec<&str> {
        let list = self.record.whole.get("scopes").and_then(serde_json::Value::as_array);
        list.map(|all| all.iter().filter_map(serde_json::Value::as_str).collect()).unwrap_or_default()
    }

    /// The ceiling of a budget's step that was reached.
    fn step(&self) -> Level {
        let levels = [Level::Hide, Level::Blank, Level::Pseudonym, Level::Mask];
        levels.into_iter().find(|level| word(*level) == self.record.text("step")).unwrap_or(Level::Show)
    }

    /// What put the step's ceiling there. Budgets are told as they stood afterwards: one that is over such a step did, unless the
    /// ceiling is that of canaries too. A canary did where no budget that was asked has such a step.
    fn lowered(&self) -> Lowered {
        let step = self.step();
        let recorded = self.record.whole.get("budgets").and_then(serde_json::Value::as_array);
        let state = |budget: &Budget| {
            let mut states = recorded.into_iter().flatten();
            let state =
                states.find(|state| state.get("name").and_then(serde_json::Value::as_str) == Some(&budget.name))?;
            let number = |name: &str| state.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
            Some((number("used").saturating_add(number("reserved")), number("max")))
        };
        let budgets = (0u16..).map(BudgetId).zip(&self.one.policy.budgets);
        let asked = budgets.filter_map(|(id, budget)| Some((id, budget, state(budget)?)));
        let able: Vec<(BudgetId, Option<u8>)> = asked
            .filter(|(_, budget, _)| budget.steps.iter().any(|of| of.then == StepEffect::Ceiling(step)))
            .map(|(id, budget, taken)| (id, reached(budget, taken, step)))
            .collect();
        let over: Vec<(BudgetId, u8)> = able.iter().filter_map(|(id, percent)| Some((*id, (*percent)?))).collect();
        let canaries = self.one.policy.canaries.as_ref().is_some_and(|canaries| canaries.ceiling == step);
        match over.as_slice() {
            [(id, percent)] if !canaries => Lowered::Budget(*id, *percent),
            [] if canaries && able.is_empty() => Lowered::Canaries,
            _ => Lowered::Unsaid,
        }
    }

    fn text(&self, terminal: Terminal) -> String {
        let record = self.record;
        let mut text = format!("{}  {}\n", terminal.paint(Ink::Strong, &plain(self.request)), plain(&record.time));
        if record.text("request").is_empty() {
            text.push_str("found    by the line, not by the record: that names a request only if its id is plain\n");
        }
        text.push_str(&self.who());
        text.push_str(&self.what());
        text.push_str(&self.outcome());
        text.push_str(&self.left());
        if record.canaries > 0 {
            let count = usize::try_from(record.canaries).unwrap_or(usize::MAX);
            text.push_str(&format!(
                "{}    {} left: no honest caller meets one (rule 37)\n",
                terminal.paint(Ink::Bad, "alert"),
                number_of(count, "seeded subject (canary)", "seeded subjects (canaries)")
            ));
        }
        self.budgets(&mut text);
        text.push_str(&self.deciding(terminal));
        text
    }

    /// The caller.
    fn who(&self) -> String {
        let issuer = match self.record.text("issuer") {
            "" => String::new(),
            issuer => format!(", by {issuer}"),
        };
        let scopes = self.scopes();
        let scopes =
            if scopes.is_empty() { "without an active scope".to_owned() } else { format!("with {}", scopes.join(" ")) };
        format!("who      {} {}{}\n", plain(&self.record.client.to_string()), plain(&scopes), plain(&issuer))
    }

    /// The route.
    fn what(&self) -> String {
        match (self.record.text("route"), self.route()) {
            ("", _) => "what     no route of the policy\n".to_owned(),
            (_, Some(route)) => format!(
                "what     {}  {}  {}\n",
                route.name,
                super::cells::match_text(route),
                self.one.sources.location(route.span)
            ),
            (name, None) => format!("what     {}, which the policy at hand does not have\n", plain(name)),
        }
    }

    /// What came of it, and the reason of a refusal.
    fn outcome(&self) -> String {
        let record = self.record;
        let status = match record.number("status") {
            0 => String::new(),
            status => format!(", status {status}"),
        };
        let mode = match record.text("mode") {
            "reported" => ": the route only reports, so the response passed as it came",
            "passed" => ": nothing was governed, so it passed as it came",
            _ => "",
        };
        let mut text = format!("outcome  {}{status}{mode}\n", plain(record.text("outcome")));
        let reason = record.text("reason");
        if !reason.is_empty() {
            let means = meaning(reason).unwrap_or("a reason of another version");
            let at = if record.whole.get("offset").is_some() {
                format!(", at byte {}", record.number("offset"))
            } else {
                String::new()
            };
            text.push_str(&format!("because  {}{at}  {means}\n", plain(reason)));
        }
        text
    }

    /// How much left, and about whom.
    fn left(&self) -> String {
        let record = self.record;
        let mut text = String::new();
        for (class, level, count) in &record.fields {
            text.push_str(&format!("values   {} {}: {count}\n", plain(class), plain(level)));
        }
        for (name, means) in [
            ("records", ""),
            ("unknown", "  records that nothing says the subject of"),
            ("mismatches", "  values of another shape than the policy says"),
        ] {
            if record.number(name) > 0 {
                text.push_str(&format!("{name:7}  {}{means}\n", record.number(name)));
            }
        }
        for (kind, tags) in &record.subjects {
            text.push_str(&format!(
                "whose    {} of {}: `fieldgate ledger --client` has them\n",
                tags.len(),
                plain(kind)
            ));
        }
        text
    }

    fn budgets(&self, text: &mut String) {
        let budgets = self.record.whole.get("budgets").and_then(serde_json::Value::as_array);
        for budget in budgets.into_iter().flatten() {
            let number = |name: &str| budget.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
            let name = budget.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
            let place = self.one.policy.budgets.iter().find(|known| known.name == name);
            let place = place.map(|known| self.one.sources.location(known.span).to_string()).unwrap_or_default();
            let reserved = match number("reserved") {
                0 => String::new(),
                reserved => format!(", {reserved} reserved"),
            };
            text.push_str(&format!(
                "budget   {}: {} of {} used{reserved}  {place}\n",
                plain(name),
                number("used"),
                number("max")
            ));
        }
        if self.step() != Level::Show {
            let whose = match self.lowered() {
                Lowered::Budget(id, percent) => {
                    let name = self.one.policy.budget(id).map(|budget| budget.name.as_str());
                    format!("{} above {percent}%", name.unwrap_or_default())
                }
                Lowered::Canaries => "canaries".to_owned(),
                Lowered::Unsaid => "the record does not say which budget's step, or whether a canary".to_owned(),
            };
            text.push_str(&format!("step     at most {}: {whose}\n", word(self.step())));
        }
    }

    /// The policy, and each field of the route with the line that decides.
    fn deciding(&self, terminal: Terminal) -> String {
        let mut text = self.which_policy(terminal);
        let reason = self.record.text("reason");
        if reason == "too_many_records" {
            let route = self.one.doc.root().get("routes").and_then(|all| all.get(self.record.text("route")));
            if let Some(limit) = route.and_then(|route| route.get("max_records")) {
                text.push_str(&format!("limit    max_records  {}\n", self.one.sources.location(limit.span)));
            }
        }
        // What refuses a request or a body is no field's doing, but for a resource of which nothing is visible.
        if !matches!(reason, "" | "nothing_visible") {
            return text;
        }
        let Some(RouteBody::Governed(governed)) = self.route().map(|route| &route.body) else { return text };
        let status = self.record.number("status");
        if reason.is_empty() && status > 0 && !(200..300).contains(&status) {
            let shown: Vec<String> = self.one.policy.defaults.errors.show.iter().map(ToString::to_string).collect();
            let shown = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") };
            text.push_str(&format!(
                "fields   of an error's body `errors.show` leaves {shown} to everybody (rule 29)\n"
            ));
            return text;
        }
        let rows = self.fields(governed);
        let paths = rows.iter().map(|(path, _, _)| path.chars().count()).max().unwrap_or(0);
        for (path, level, decides) in rows {
            text.push_str(format!("  {path:paths$}  {level:9}  {decides}").trim_end());
            text.push('\n');
        }
        text
    }

    /// Whether the policy at hand is the one that decided.
    fn which_policy(&self, terminal: Terminal) -> String {
        let (was, is) = (self.record.text("digest"), policy::digest(&self.one.doc));
        let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
        if was == is {
            format!(
                "policy   {} {}: {} is the one that decided\n",
                plain(self.record.text("policy")),
                short(&is),
                self.one.name
            )
        } else {
            format!(
                "policy   {}: {} {}, and {} is {}: the lines below are of another policy than the one that decided\n",
                terminal.paint(Ink::Bad, "not the one"),
                plain(self.record.text("policy")),
                plain(&short(was)),
                self.one.name,
                short(&is)
            )
        }
    }

    /// Each field of the route: its path, the level that the caller got, and the line that decides.
    fn fields(&self, governed: &Governed) -> Vec<(String, &'static str, String)> {
        let name = match &self.record.client {
            Client::Named(name) => Some(name.as_str()),
            Client::Tagged(_) | Client::Unknown => None,
        };
        let entry = client_entry(&self.one.policy, name);
        let wanted = self.scopes();
        let active: Vec<ScopeId> = (0u16..)
            .map(ScopeId)
            .zip(&self.one.policy.scopes)
            .filter(|(_, scope)| wanted.contains(&scope.name.as_str()))
            .map(|(id, _)| id)
            .collect();
        let lowered = self.lowered();
        let (budget, percent, topic) = match lowered {
            Lowered::Budget(id, percent) => (id, percent, None),
            Lowered::Canaries => (BudgetId(0), 0, Some("canaries")),
            Lowered::Unsaid => (BudgetId(0), 0, Some("a budget's step or canaries")),
        };
        let row = |field: &Entry| {
            let verdict = at_path(&self.one.policy, governed, &field.path, entry, &active);
            let under = verdict.clone().under(governed, budget, percent, self.step());
            let decides = if let Some(topic) = topic.filter(|_| under.decider != verdict.decider) {
                format!("ceiling: {topic}: at most {}", word(self.step()))
            } else {
                let all = reasons(&self.one.policy, governed, &under, Some(self.one.doc.root()));
                let found = all.iter().find(|reason| reason.decides).or_else(|| all.first());
                found.map_or_else(String::new, |reason| {
                    let place = reason.span.map(|span| self.one.sources.location(span).to_string()).unwrap_or_default();
                    format!("{}: {}  {place}", reason.topic, reason.text)
                })
            };
            (field.path.to_string(), word(under.level), decides)
        };
        governed.entries.iter().map(row).collect()
    }
}
