//! `fieldgate explain`: why a field is visible or not, what a diagnostic's code means, or what a rule of the language says.

mod advice;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use fieldgate::diagnostic::{Code, Span, catalogue};
use fieldgate::model::field_path::FieldPath;
use fieldgate::model::{Budget, BudgetStep, Entry, Governed, Level, Route, RouteBody, Scope, ScopeId, StepEffect};
use fieldgate_workbench::suite::forms::Forms;
use fieldgate_workbench::suite::parts::{Part, parts};
use fieldgate_workbench::suite::verdict::{self, Asker, Decider, Verdict, word};
use fieldgate_workbench::suite::{budgets, reasons};
use serde_json::{Value, json};

use super::cells;
use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::report::{Format, pretty};
use super::rule;
use super::terminal::{Ink, Terminal};

/// Say why a field is (not) visible, what a code means, or what a rule says
///
/// `fieldgate explain get-account '$.email' --scope care.read`, `fieldgate explain FG012` or `fieldgate explain "rule 22"`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A route's name, a diagnostic's code, or a rule of the language
    #[arg(value_name = "ROUTE|CODE|RULE", add = super::completions::explained())]
    target: String,
    /// The field's path, quoted for the shell: '$.lines[*].msisdn'
    #[arg(add = super::completions::paths())]
    path: Option<String>,
    /// A scope of the caller's token; may be repeated
    #[arg(long = "scope", short, value_name = "SCOPE", add = super::completions::scopes())]
    scopes: Vec<String>,
    /// The caller's client id
    #[arg(long, short, value_name = "CLIENT", add = super::completions::clients())]
    client: Option<String>,
    /// Further claims, as a JSON object
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// Policies: files or directories
    #[arg(long = "policy", short, value_name = "PATH", default_value = "policies")]
    policies: Vec<PathBuf>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    if let Some(asked) = rule::asked(&arguments.target, arguments.path.as_deref()) {
        let asked = asked?;
        terminal.print(&match arguments.format {
            Format::Human => rule::human(&asked, terminal),
            Format::Json => pretty(&rule::json(&asked)),
        })?;
        return Ok(Exit::Fine);
    }
    let Some(path) = &arguments.path else {
        return code(arguments, terminal);
    };
    let loaded = load::valid(&arguments.policies, terminal)?;
    let (one, route) = match arguments.target.split_once(' ') {
        Some((method, target)) => load::route_for(&loaded, method, target.trim())?,
        None => load::route(&loaded, &arguments.target)?,
    };
    let RouteBody::Governed(governed) = &route.body else {
        return Err(Failure::new(format!(
            "the route `{}` is forwarded untouched: whatever is in its bodies is shown",
            route.name
        )));
    };
    let path = FieldPath::parse(path).map_err(|fault| {
        let help = fault.help.unwrap_or_else(|| "for example '$.lines[*].msisdn'".to_owned());
        Failure::new(format!("`{path}` is not a field path: {}", fault.message)).help(help)
    })?;
    let known: Vec<&str> = one.policy.scopes.iter().map(|scope| scope.name.as_str()).collect();
    if arguments.scopes.is_empty() {
        return Err(Failure::new("no scope was given, and without one nobody sees anything")
            .help(format!("add `--scope`: {}", known.join(", "))));
    }
    let claims = load::claims(arguments.claims.as_deref())?;
    let asker = Asker { client: arguments.client.as_deref(), scopes: &arguments.scopes, claims: &claims };
    let asked = Asked::new(one, route, governed, path, asker);
    terminal.print(&match arguments.format {
        Format::Human => asked.human(terminal),
        Format::Json => pretty(&asked.json()),
    })?;
    if let Some(until) = route.report_until {
        terminal
            .say(&format!("note: `{}` only reports until {until}: before, its responses pass unchanged\n", route.name));
    }
    if let Some(note) = arguments.client.as_deref().and_then(|client| load::client_note(&[&one.policy], client)) {
        terminal.say(&note);
    }
    for name in &arguments.scopes {
        if let (Some(near), false) = (load::near(name, &known), known.contains(&name.as_str())) {
            terminal.say(&format!("note: the policy has no scope `{name}`; did you mean `{near}`?\n"));
        }
    }
    Ok(Exit::Fine)
}

fn code(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let page = Code::parse(&arguments.target).and_then(catalogue::page);
    let Some(page) = page else {
        if let Some(failure) = route_alone(arguments, terminal) {
            return Err(failure);
        }
        return Err(Failure::new(format!("`{}` is not a code, and no field of a route is named", arguments.target)).help(
            "codes are FG and three digits, rules a number; to explain a field, name a route and a path: fieldgate explain get-account '$.email' --scope care.read",
        ));
    };
    terminal.print(&match arguments.format {
        Format::Human => super::code::human(page, terminal),
        Format::Json => pretty(&super::code::json(page)),
    })?;
    Ok(Exit::Fine)
}

/// What to say of a route, or nearly one, without a field.
fn route_alone(arguments: &Arguments, terminal: Terminal) -> Option<Failure> {
    const SHOWN: usize = 12;
    if !arguments.policies.iter().all(|path| path.exists()) {
        return None;
    }
    let loaded = load::valid(&arguments.policies, terminal).ok()?;
    let name = arguments.target.as_str();
    let Ok((_, route)) = load::route(&loaded, name) else {
        let routes: Vec<&str> =
            loaded.iter().flat_map(|one| &one.policy.routes).map(|route| route.name.as_str()).collect();
        return load::near(name, &routes).map(|_| load::unknown("route", name, &routes));
    };
    let RouteBody::Governed(governed) = &route.body else { return None };
    let fields: Vec<String> = governed.entries.iter().map(|entry| entry.path.to_string()).collect();
    let shown = fields.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = match fields.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(
        Failure::new(format!("no field of route `{name}` is named"))
            .help(format!("name one behind it, in quotes for the shell: {shown}{more}")),
    )
}

/// A step, by its share in percent, and what it makes of the field.
type Stepped = (u8, StepEffect, Verdict);

/// A question and its answer.
struct Asked<'a> {
    one: &'a Loaded,
    route: &'a Route,
    governed: &'a Governed,
    path: FieldPath,
    asker: Asker<'a>,
    active: Vec<ScopeId>,
    verdict: Verdict,
    /// Parts of the places that the path names, which an entry with a filter selects, or of which another one shows more.
    selected: Vec<Part<'a>>,
    /// For a place without a class that holds fields: each, and what holds of it.
    held: Vec<(String, Verdict)>,
}

impl<'a> Asked<'a> {
    fn new(one: &'a Loaded, route: &'a Route, governed: &'a Governed, path: FieldPath, asker: Asker<'a>) -> Self {
        let policy = &one.policy;
        let client = verdict::client_entry(policy, asker.client);
        let active = verdict::active(policy, route, asker);
        let verdict = verdict::at_path(policy, governed, &path, client, &active);
        let general = verdict.level;
        let other = parts(policy, governed, &path, client, &active).into_iter();
        let selected = other.filter(|part| part.entry.path.is_filtered() || part.verdict.level > general).collect();
        let at = |entry: &Entry| verdict::at_path(policy, governed, &entry.path, client, &active);
        let holds = |entry: &&Entry| entry.path.reaches_into(&path) && !entry.path.overlaps(&path);
        let entries = match verdict.decider {
            Decider::Unclassified => &*governed.entries,
            _ => &[],
        };
        let held = entries.iter().filter(holds).map(|entry| (entry.path.to_string(), at(entry))).collect();
        Self { one, route, governed, path, asker, active, verdict, selected, held }
    }

    fn human(&self, terminal: Terminal) -> String {
        if !self.held.is_empty() {
            let width = self.held.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
            let mut text = format!("{}\n", terminal.paint(Ink::Name, "HOLDS FIELDS"));
            for (path, verdict) in &self.held {
                text.push_str(&format!("  {path:width$}  {}\n", self.headline(verdict, terminal)));
            }
            text.push_str("It comes where one of them does: ask for that one to see why.\n");
            return text;
        }
        let mut text = format!("{}\n", self.headline(&self.verdict, terminal));
        text.push_str(&self.lines(&self.verdict, terminal));
        for (said, place) in self.asleep() {
            let place = place.map(|span| self.one.sources.location(span).to_string()).unwrap_or_default();
            text.push_str(format!("  {said}  {}", terminal.paint(Ink::Dim, &place)).trim_end());
            text.push('\n');
        }
        for rule in &self.governed.rows {
            if rule.scope.is_none_or(|scope| self.active.contains(&scope)) && rule.array.reaches_into(&self.path) {
                let place = self.one.sources.location(rule.span);
                text.push_str(&format!(
                    "  rows: only in elements that [?{}] keeps   {}\n",
                    rule.filter.as_str(),
                    terminal.paint(Ink::Dim, &place.to_string())
                ));
            }
        }
        for bound in cells::bounds(self.route, self.governed) {
            text.push_str(&format!("  {bound}\n"));
        }
        for Part { entry, verdict } in &self.selected {
            let names = if entry.path.is_filtered() { "selects it" } else { "names it too" };
            text.push_str(&format!("where {} {names}: {}\n", entry.path, self.headline(verdict, terminal)));
            text.push_str(&self.lines(verdict, terminal));
        }
        if let Some(advice) = self.advised() {
            text.push_str(&advice);
        }
        text.push_str(&self.budgets_text(terminal));
        text
    }

    /// Why each of the caller's scopes does not act here, and where that is written: nothing for one that acts, or that the policy
    /// does not have.
    fn asleep(&self) -> Vec<(String, Option<Span>)> {
        let policy = &self.one.policy;
        let client = verdict::client_entry(policy, self.asker.client);
        let client = client.and_then(|id| policy.clients.get(usize::from(id.0)));
        let of = |(index, scope): (usize, &Scope)| {
            let acts = self.active.iter().any(|id| usize::from(id.0) == index);
            if acts || !self.asker.scopes.contains(&scope.name) {
                return None;
            }
            let name = &scope.name;
            if let Some(client) = client
                && client.scopes.as_ref().is_some_and(|listed| !listed.contains(name))
            {
                let said = format!("{name} is ignored: the entry of client {} lists other scopes", client.name);
                return Some((said, Some(client.span)));
            }
            if !scope.areas.contains(&self.route.area) {
                let area = &self.route.area;
                return Some((format!("{name} does not act on area {area}, which is this route's"), Some(scope.span)));
            }
            Some((format!("{name} is not active: its `when` does not hold"), Some(scope.span)))
        };
        policy.scopes.iter().enumerate().filter_map(of).collect()
    }

    /// The budgets that bind the caller here, and what each of their steps makes of the field: nothing where it is hidden anyway.
    fn steps(&self) -> Vec<(&Budget, Vec<Stepped>)> {
        let client = verdict::client_entry(&self.one.policy, self.asker.client);
        let binding = budgets::binding(&self.one.policy, self.route, client);
        binding
            .map(|(id, budget)| {
                let mut steps = budget.steps.clone();
                if !budgets::rejects(budget) {
                    steps.push(BudgetStep { percent: 100, then: StepEffect::Reject });
                }
                let then = steps.into_iter().map(|step| {
                    let ceiling = match step.then {
                        StepEffect::Ceiling(level) => level,
                        StepEffect::Reject => Level::Hide,
                    };
                    (step.percent, step.then, self.verdict.clone().under(self.governed, id, step.percent, ceiling))
                });
                (budget, then.collect())
            })
            .collect()
    }

    fn budgets_text(&self, terminal: Terminal) -> String {
        let mut text = String::new();
        for (budget, steps) in self.steps() {
            let place = self.one.sources.location(budget.span).to_string();
            text.push_str(&format!(
                "budget {}: {}  {}\n",
                budget.name,
                budgets::allowance(budget),
                terminal.paint(Ink::Dim, &place)
            ));
            for (percent, then, verdict) in steps {
                let becomes = match then {
                    StepEffect::Reject => terminal.paint(Ink::Bad, "REFUSED"),
                    StepEffect::Ceiling(_) => self.headline(&verdict, terminal),
                };
                text.push_str(&format!("  above {percent:3}%  {becomes}\n"));
            }
        }
        text
    }

    /// A verdict's level, and the form that the value has there.
    fn headline(&self, verdict: &Verdict, terminal: Terminal) -> String {
        let form = self.form(verdict).map(|form| format!(" ({form})")).unwrap_or_default();
        headline(verdict.level, terminal) + &form
    }

    fn form(&self, verdict: &Verdict) -> Option<String> {
        Forms::of(&self.one.policy, self.governed, &verdict.entries).at(verdict.level)
    }

    fn lines(&self, verdict: &Verdict, terminal: Terminal) -> String {
        let all = reasons(&self.one.policy, self.governed, verdict, Some(self.one.doc.root()));
        let topics = all.iter().map(|reason| reason.topic.chars().count()).max().unwrap_or(0);
        let texts = all.iter().map(|reason| reason.text.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for reason in &all {
            let place = reason.span.map(|span| self.one.sources.location(span).to_string()).unwrap_or_default();
            let mut line =
                format!("  {:topics$}  {:texts$}  {}", reason.topic, reason.text, terminal.paint(Ink::Dim, &place));
            if reason.decides {
                line.truncate(line.trim_end().len());
                line.push_str(&format!("  {}", terminal.paint(Ink::Strong, "<- decides")));
                if reason.topic.starts_with("class ") && verdict.classes.len() > 1 {
                    line.push_str(&format!(" (a field of {} classes needs all of them)", verdict.classes.len()));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn json(&self) -> Value {
        let lines = |verdict: &Verdict| -> Vec<Value> {
            reasons(&self.one.policy, self.governed, verdict, Some(self.one.doc.root()))
                .into_iter()
                .map(|reason| {
                    let place = reason.span.map(|span| self.one.sources.location(span).to_string());
                    json!({"topic": reason.topic, "text": reason.text, "at": place, "decides": reason.decides})
                })
                .collect()
        };
        let selected: Vec<Value> = self
            .selected
            .iter()
            .map(|Part { entry, verdict }| {
                json!({"where": entry.path.to_string(), "level": word(verdict.level), "reasons": lines(verdict)})
            })
            .collect();
        json!({
            "policy": self.one.policy.name,
            "route": self.route.name,
            "path": self.path.to_string(),
            "level": word(self.verdict.level),
            "form": self.form(&self.verdict),
            "reasons": lines(&self.verdict),
            "selected": selected,
            "holds": self.held.iter().map(|(path, at)| json!({"where": path, "level": word(at.level)})).collect::<Vec<_>>(),
            "advice": self.advised(),
            "asleep": self.asleep().into_iter().map(|(said, _)| said).collect::<Vec<_>>(),
            "bounds": cells::bounds(self.route, self.governed).collect::<Vec<_>>(),
            "budgets": self.steps().iter().map(|(budget, steps)| json!({
                "budget": budget.name,
                "allows": budgets::allowance(budget),
                "at": self.one.sources.location(budget.span).to_string(),
                "steps": steps.iter().map(|(percent, then, verdict)| json!({
                    "above": format!("{percent}%"),
                    "then": match then {
                        StepEffect::Reject => "reject",
                        StepEffect::Ceiling(level) => word(*level),
                    },
                    "level": word(verdict.level),
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    }
}

fn headline(level: Level, terminal: Terminal) -> String {
    match level {
        Level::Show => terminal.paint(Ink::Strong, "SHOWN"),
        Level::Mask => terminal.paint(Ink::Doubtful, "MASKED"),
        Level::Pseudonym => terminal.paint(Ink::Name, "PSEUDONYM"),
        Level::Blank => terminal.paint(Ink::Dim, "BLANK"),
        Level::Hide => terminal.paint(Ink::Bad, "HIDDEN"),
    }
}
