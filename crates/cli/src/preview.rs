//! `fieldgate preview`: a body in, exactly the bytes that the plugin would send out.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::SystemTime;

use fieldgate::caller::Caller;
use fieldgate::exchange::{Answer, Headers, Mode, Response};
use fieldgate::model::moment::Moment;
use fieldgate::model::{Route, RouteBody, RouteId, StepEffect};
use fieldgate::policy::PolicySet;
use fieldgate::program::{FieldCount, Program};
use fieldgate::refusal::Refusal;
use fieldgate::rewrite::Counts;
use fieldgate_workbench::preview::{self, Asked};
use fieldgate_workbench::suite::budgets;
use fieldgate_workbench::suite::place::all_places;
use fieldgate_workbench::suite::texts;
use fieldgate_workbench::suite::verdict::word;

use super::exit::{Exit, Failure};
use super::load;
use super::report::number;
use super::terminal::{Ink, Terminal};

/// Rewrite a response as the plugin would: the upstream's body on standard input, the caller's on standard output
///
/// `curl -s https://api.example/accounts/42 | fieldgate preview get-account -p policies/telco.yaml --scope care.read`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A route's name, or a request: "GET /accounts/42?page=2"
    #[arg(value_name = "ROUTE", add = super::completions::routes())]
    route: String,
    /// The policy: a file, or a directory with one
    #[arg(long, short, value_name = "PATH", default_value = "policies")]
    policy: PathBuf,
    /// A scope of the caller's token; may be repeated
    #[arg(long = "scope", short, value_name = "SCOPE", add = super::completions::scopes())]
    scopes: Vec<String>,
    /// The caller's client id
    #[arg(long, short, value_name = "CLIENT", default_value = "", add = super::completions::clients())]
    client: String,
    /// Further claims of the caller's token, as a JSON object
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// The upstream's status
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..600))]
    status: u16,
    /// The upstream's content type
    #[arg(long, default_value = "application/json", value_name = "TYPE")]
    content_type: String,
    /// Another header of the upstream's response; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The moment of the request, for a route that only reports until a day [default: now]
    #[arg(long, value_name = "DATE", value_parser = moment)]
    now: Option<Moment>,
    /// As it is when so much of each budget is used: 85%
    #[arg(long, value_name = "PERCENT", value_parser = super::matrix::percent)]
    used: Option<u8>,
    /// Write status and headers too, as in an HTTP/1 message
    #[arg(long, short)]
    include: bool,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let loaded = load::valid(std::slice::from_ref(&arguments.policy), terminal)?;
    let (index, method, target) = place(arguments, &loaded)?;
    let one = loaded.into_iter().nth(index).ok_or_else(|| Failure::new("no policy"))?;
    let claims = load::claims(arguments.claims.as_deref())?;
    let headers = headers(arguments)?;
    notes(arguments, &one.policy, terminal);
    let authority = one.policy.hosts.first().cloned().unwrap_or_else(|| "localhost".to_owned());
    let caller = Caller::new(&one.policy, &arguments.client, arguments.scopes.clone(), claims);
    let asked = Asked { authority, method, target, headers: Headers::new() };
    let program =
        preview::program(&one.policy, &caller, arguments.used, load::key(&one.policy)?, &asked).map_err(|missing| {
            Failure::new(missing.to_string())
                .help(format!("for a trial: export {}=$(openssl rand -base64 32)", missing.variable))
        })?;
    let program = Rc::new(program);
    if let Some(used) = arguments.used {
        let route = asked.route(&program);
        if let Some(exit) = share(&one.policy, route, &caller, used, terminal) {
            return Ok(exit);
        }
    }
    let body = body(&asked.method, terminal)?;
    let now = arguments.now.or_else(|| Moment::of(SystemTime::now()));
    let found = asked.route(&program);
    let upstream = Response { status: arguments.status, headers, body };
    let answer = preview::answer(&program, &asked, caller, now, &upstream);
    terminal.print_bytes(&message(&answer, arguments.include))?;
    // The bytes are exact, so they may end without a line end; the summary starts on a line of its own all the same.
    let gap = if io::stdout().is_terminal() && !answer.body.ends_with(b"\n") { "\n" } else { "" };
    terminal.say(&format!("{gap}{}", summary(&answer, &upstream.body, found, &program, terminal)));
    if let Some(help) = answer.report.refusal.and_then(|refusal| preview::reason(refusal, &program, &asked)) {
        terminal.say(&format!("{} {help}\n", terminal.paint_said(Ink::Good, "help:")));
    }
    Ok(if answer.report.refusal.is_some() { Exit::Findings } else { Exit::Fine })
}

/// The upstream's headers.
fn headers(arguments: &Arguments) -> Result<Headers, Failure> {
    let mut headers: Headers = vec![(b"content-type".to_vec(), arguments.content_type.clone().into_bytes())];
    for header in &arguments.headers {
        let Some((name, value)) = header.split_once(':') else {
            return Err(Failure::new(format!("`{header}` is not a header")).help("write --header 'name: value'"));
        };
        headers.push((name.trim().to_ascii_lowercase().into_bytes(), value.trim().as_bytes().to_vec()));
    }
    Ok(headers)
}

/// Says what of the caller the policy does not know.
fn notes(arguments: &Arguments, policy: &PolicySet, terminal: Terminal) {
    let known: Vec<&str> = policy.scopes.iter().map(|scope| scope.name.as_str()).collect();
    for scope in arguments.scopes.iter().filter(|scope| !known.contains(&scope.as_str())) {
        let near = load::near(scope, &known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        terminal.say(&format!("note: the policy has no scope `{scope}`, so it grants nothing{near}\n"));
    }
    if let Some(note) = load::client_note(&[policy], &arguments.client) {
        terminal.say(&note);
    }
    if arguments.scopes.is_empty() {
        // Scopes are said with `--scope` alone, so that one spelling of a token's claims is not two.
        terminal.say("note: no `--scope` is given, so only scopes with `when: always` or claims can be active\n");
    }
}

/// The upstream's body, from standard input.
fn body(method: &str, terminal: Terminal) -> Result<Vec<u8>, Failure> {
    if io::stdin().is_terminal() {
        terminal.say("reading the upstream's body from the terminal; end it with Ctrl-D\n");
    }
    let mut body = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut body)
        .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
    if method == "HEAD" && !body.is_empty() {
        body.clear();
        terminal.say("note: a response to HEAD has no body, so what stands on standard input is not sent\n");
    }
    Ok(body)
}

/// The bytes of an answer: its body, and before it status and headers where they are wanted.
fn message(answer: &Answer, include: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if include {
        out.extend_from_slice(format!("HTTP/1.1 {}\r\n", answer.status).as_bytes());
        for (name, value) in &answer.headers {
            out.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(&answer.body);
    out
}

/// What the budgets do at a share of each, said; an exit where one of them refuses the request.
fn share(policy: &PolicySet, route: Option<RouteId>, caller: &Caller, used: u8, terminal: Terminal) -> Option<Exit> {
    let route = policy.routes.get(usize::from(route?.0))?;
    let Some((id, step)) = budgets::effect_at(policy, route, caller.entry, used) else {
        terminal.say(&format!("note: at {used}% of its budgets, everything is as granted\n"));
        return None;
    };
    let name = policy.budget(id).map_or("", |budget| budget.name.as_str());
    if step.then == StepEffect::Reject {
        terminal.say(&format!("{} with 429: budget {name} is full\n", terminal.paint_said(Ink::Bad, "refused")));
        return Some(Exit::Findings);
    }
    let effect = budgets::effect_text(step.then);
    terminal.say(&format!("note: at {used}% of its budgets, {effect}, by budget {name}\n"));
    None
}

/// A moment as it is written on the command line and in records: `2027-02-01T00:00:00Z`.
pub(crate) fn spelled(Moment(seconds): Moment) -> String {
    let (day, rest) = (seconds / 86_400, seconds % 86_400);
    let day = fieldgate::model::moment::Day(u32::try_from(day).unwrap_or(u32::MAX));
    format!("{day}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// A moment, as it is written on the command line.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| "write it as 2027-02-01 or 2027-02-01T00:00:00Z, in UTC".to_owned())
}

/// Which policy, and the request that is asked: as given, or one that the named route matches.
fn place(arguments: &Arguments, loaded: &[load::Loaded]) -> Result<(usize, String, String), Failure> {
    if let Some((method, target)) = arguments.route.split_once(' ') {
        let target = target.trim();
        if !target.starts_with('/') || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Failure::new(format!("`{}` is not a request", arguments.route))
                .help("write \"GET /accounts/42?page=2\""));
        }
        if loaded.len() > 1 {
            let names: Vec<&str> = loaded.iter().map(|one| one.name.as_str()).collect();
            return Err(Failure::new(format!(
                "{} holds {}",
                arguments.policy.display(),
                number(loaded.len(), "policy").replace("policys", "policies")
            ))
            .help(format!("name one with `--policy`: {}", names.join(", "))));
        }
        return Ok((0, method.to_owned(), target.to_owned()));
    }
    let (one, route) = load::route(loaded, &arguments.route)?;
    let index = loaded.iter().position(|other| other.name == one.name).unwrap_or(0);
    Ok((index, route.method.clone(), route.template.example("0")))
}

fn summary(answer: &Answer, upstream: &[u8], found: Option<RouteId>, program: &Program, terminal: Terminal) -> String {
    let report = answer.report;
    if let Some(refusal) = report.refusal {
        return format!("{} with {}: {refusal}\n", terminal.paint_said(Ink::Bad, "refused"), answer.status);
    }
    let Some(route) = report.route.and_then(|id| program.policy().routes.get(usize::from(id.0))) else {
        let found = found.and_then(|id| program.policy().routes.get(usize::from(id.0)));
        let why = match found.map(|route| (&route.name, &route.body)) {
            Some((name, RouteBody::Pass(why))) => format!("so says route {name}: {why}"),
            _ => "no rule of the policy speaks about this request".to_owned(),
        };
        return format!("{}: {why}\n", terminal.paint_said(Ink::Doubtful, "passed untouched"));
    };
    if let Mode::Reported { would_refuse } = report.mode {
        return reported(answer, route, would_refuse, terminal);
    }
    let mut text = format!("{}: {}\n", terminal.paint_said(Ink::Strong, &route.name), counted(report.counts));
    let counts = report.counts;
    if counts.shape_mismatch > 0 {
        text.push_str(&format!(
            "  {} an object or array stands where the policy has a value, or the reverse\n",
            times(counts.shape_mismatch)
        ));
    }
    if counts.unsearched > 0 {
        text.push_str(&format!(
            "  {} a string is blank because the policy's own detectors had used up what one response may cost\n",
            times(counts.unsearched)
        ));
    }
    text.push_str(&removed(upstream, &answer.body));
    text
}

/// What a route that only reports would do.
fn reported(answer: &Answer, route: &Route, would_refuse: Option<Refusal>, terminal: Terminal) -> String {
    let until = route.report_until.map(|day| day.to_string()).unwrap_or_default();
    let head = format!(
        "{}: only reports until {until}, so the response passes unchanged; enforced, it would be",
        terminal.paint_said(Ink::Doubtful, &route.name)
    );
    if let Some(refusal) = would_refuse {
        return format!("{head} refused with {}: {refusal}\n", refusal.status());
    }
    let mut text = format!("{head} {}\n", counted(answer.report.counts));
    for FieldCount { field, level, count } in answer.fields.iter().take(MOST_LINES) {
        let count = if *count > 1 { format!("  ({count})") } else { String::new() };
        text.push_str(&format!("  {:9} {field}{count}\n", word(*level)));
    }
    let rest = answer.fields.len().saturating_sub(MOST_LINES);
    if rest > 0 {
        text.push_str(&format!("  and {rest} more\n"));
    }
    text
}

fn counted(counts: Counts) -> String {
    let mut parts = Vec::new();
    for (count, word) in [
        (counts.shown, "shown"),
        (counts.detected, "shown in part"),
        (counts.masked, "masked"),
        (counts.pseudonymised, "pseudonymised"),
        (counts.blanked, "blank"),
        (counts.hidden, "removed"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    if parts.is_empty() { "nothing to show".to_owned() } else { parts.join(", ") }
}

/// The places of the upstream's body that are not in the caller's, elements of one array together, and how many of each. Of
/// what is removed whole, only the outermost.
fn removed(upstream: &[u8], body: &[u8]) -> String {
    let (sent, came) = (places(upstream), places(body));
    let gone: Vec<(&String, usize)> = sent
        .iter()
        .map(|(place, count)| (place, count.saturating_sub(came.get(place).copied().unwrap_or(0))))
        .filter(|(_, missing)| *missing > 0)
        .collect();
    // What went with a container is said with the container.
    let below = |place: &str, missing: usize| {
        gone.iter().any(|(outer, of_outer)| {
            (*of_outer >= missing || !came.contains_key(*outer))
                && place.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']))
        })
    };
    let said: Vec<&(&String, usize)> = gone.iter().filter(|(place, missing)| !below(place, *missing)).collect();
    let mut text = String::new();
    for (place, missing) in said.iter().take(MOST_LINES) {
        let count = if *missing > 1 { format!("  ({missing})") } else { String::new() };
        text.push_str(&format!("  - {place}{count}\n"));
    }
    let rest = said.len().saturating_sub(MOST_LINES);
    if rest > 0 {
        text.push_str(&format!("  and {rest} more\n"));
    }
    text
}

/// How many removed places a summary names.
const MOST_LINES: usize = 30;

/// Every place of a body's texts, indexes as `*`, and how often it is there.
fn places(body: &[u8]) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for text in texts(body) {
        for place in all_places(&text) {
            let count: &mut usize = places.entry(place.general()).or_default();
            *count = count.saturating_add(1);
        }
    }
    places
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
