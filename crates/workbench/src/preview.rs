//! One response, rewritten as the plugin would: what `fieldgate preview` writes, and the studio draws.

use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::exchange::{Answer, Headers, Request, Response, respond};
use fieldgate::model::moment::Moment;
use fieldgate::model::{Level, RouteBody, RouteId};
use fieldgate::policy::PolicySet;
use fieldgate::program::{KeyMissing, Program};
use fieldgate::refusal::Refusal;
use fieldgate::transform::PseudonymKey;

use crate::suite::budgets;
use crate::suite::run::test_key;
use crate::suite::verdict::{self, Asker};

/// What runs for the caller, when so many percent of each of its budgets are used. Without a key the policy runs with one that
/// everybody knows, as long as nothing that is keyed can come out.
///
/// # Errors
/// When a pseudonym may come out, and there is no key.
pub fn program(
    policy: &PolicySet,
    caller: &Caller,
    used: Option<u8>,
    key: Option<PseudonymKey>,
    asked: &Asked,
) -> Result<Program, KeyMissing> {
    let at = match used {
        Some(used) => budgets::at_share(policy, caller.entry, used),
        None => policy.clone(),
    };
    if key.is_none()
        && let Some(trial) = test_key().ok().and_then(|key| Program::new(at.clone(), Some(key)).ok())
        && !asked.route(&trial).is_some_and(|route| may_be_pseudonym(trial.policy(), route, caller))
    {
        return Ok(trial);
    }
    Program::new(at, key)
}

/// What the caller gets.
#[must_use]
pub fn answer(
    program: &Rc<Program>,
    asked: &Asked,
    caller: Caller,
    now: Option<Moment>,
    upstream: &Response,
) -> Answer {
    let mut headers = vec![(b":authority".to_vec(), asked.authority.clone().into_bytes())];
    headers.extend(asked.headers.iter().cloned());
    let request = Request { method: asked.method.clone(), target: asked.target.clone(), headers, caller, now };
    respond(program, request, upstream)
}

/// Whether a value of the route can come out as a pseudonym for the caller. Rows may leave it to any one of the active scopes: of
/// several, the highest level is that of one of them, or of a ceiling.
fn may_be_pseudonym(policy: &PolicySet, route: RouteId, caller: &Caller) -> bool {
    let Some(route) = policy.routes.get(usize::from(route.0)) else { return false };
    let RouteBody::Governed(governed) = &route.body else { return false };
    let asker = Asker {
        client: Some(&*caller.client).filter(|id| !id.is_empty()),
        scopes: &caller.scopes,
        claims: &caller.claims,
    };
    let active = verdict::active(policy, route, asker);
    let sets = active.iter().map(std::slice::from_ref).chain([active.as_slice()]);
    sets.into_iter().any(|scopes| {
        governed.entries.iter().any(|entry| {
            verdict::at_path(policy, governed, &entry.path, caller.entry, scopes).level == Level::Pseudonym
        })
    })
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request's `:authority`.
    pub authority: String,
    /// Its method.
    pub method: String,
    /// Its path and query, as sent.
    pub target: String,
    /// Its headers, of which the policy may put some on the answer (rule 31): names in lower case.
    pub headers: Headers,
}

impl Asked {
    /// The governed route that it takes.
    #[must_use]
    pub fn route(&self, program: &Program) -> Option<RouteId> {
        program.find(&self.authority, &self.method, &self.target).ok().flatten()
    }
}

/// What to do about a refusal that has more to it than its name.
#[must_use]
pub fn reason(refusal: Refusal, program: &Program, asked: &Asked) -> Option<String> {
    let limits = &program.policy().limits;
    if refusal.is_called("record_too_large") {
        return Some(format!(
            "an array element that a filter or `rows` has to see whole is over `limits.record` ({} KiB here, at most 1 MiB)",
            limits.record >> 10
        ));
    }
    if refusal.is_called("body_too_large") {
        return Some(format!("the body is over `limits.body` ({} KiB here)", limits.body >> 10));
    }
    if !refusal.is_called("no_route") {
        return None;
    }
    let (path, query) = asked.target.split_once('?').map_or((asked.target.as_str(), ""), |(path, query)| (path, query));
    // The spellings of one path that clients and servers take for each other.
    let canonical = canonical(path);
    let without = canonical.trim_end_matches('/');
    let other = [canonical.clone(), without.to_owned(), format!("{without}/")].into_iter().find(|other| {
        other != path
            && !other.is_empty()
            && matches!(program.find(&asked.authority, &asked.method, other), Ok(Some(_)))
    });
    let rest = if query.is_empty() { String::new() } else { format!("?{query}") };
    match other {
        Some(other) => Some(format!("`{other}{rest}` has a route: a path matches only as it is spelled (rule 3)")),
        None if ["%2f", "%5c", "%00", ";", "//", "/./", "/../"].iter().any(|odd| path.to_lowercase().contains(odd)) => {
            Some("no route can match such a path: its segments are compared as they are (rule 3)".to_owned())
        }
        None => None,
    }
}

/// A path in the one spelling that RFC 3986 §6.2.2 makes of it: what needs no encoding has none, the rest has capital letters.
fn canonical(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(char::from(byte)),
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None => {
                out.push('%');
                rest = after;
                continue;
            }
        }
        rest = after.get(2..).unwrap_or_default();
    }
    out + rest
}

/// What reasons of a refusal mean, and what to look at. Those of the text itself all begin with `json_`.
const REASONS: [(&str, &str); 22] = [
    ("no_identity", "nothing that is verified said who asked (rule 7)"),
    (
        "nothing_visible",
        "nothing is visible to this caller: no active scope grants a class of the route, or a budget's step hides all",
    ),
    ("no_route", "no route of the policy has this method and path (rules 4, 5)"),
    ("not_canonical", "the path can be read in more than one way, so that no route is told by it (rule 3)"),
    ("bad_request", "the request cannot be read in one way only (rule 4)"),
    ("query_parameter", "a query parameter that the route does not list (rule 6)"),
    ("too_many_records", "more records than `max_records` lets through, with `over: reject` (rule 28)"),
    ("content_encoding", "the upstream's body is compressed (rule 30)"),
    ("content_type", "the upstream's body is of a type that the route does not take (rule 30)"),
    ("status", "a status whose body cannot be rewritten, such as a part of a resource"),
    ("root_hidden", "the body's root is of a shape that the policy does not know (rule 25)"),
    ("body_too_large", "the upstream's body is larger than `limits` allow (rule 40)"),
    ("record_too_large", "an element that a filter must see whole is larger than `limits` allow (rule 40)"),
    ("budget", "a budget of this caller is spent: it may ask again in the next window (rule 35)"),
    ("budget_store", "a budget's store did not answer (rule 36)"),
    (
        "request_too_large",
        "the request's body may not wait for a budget's store: over 16 KiB, or of no declared length (rule 36)",
    ),
    ("write_budget", "the rewritten body is larger than what Envoy can take in the place of the upstream's"),
    ("memory", "all streams of the worker kept as much as they may together, and this one was the newest (rule 40)"),
    ("host", "Envoy did not do what the plugin told it, or the plugin had no policy"),
    ("upgrade", "an upgrade or a tunnel, of which nothing can be rewritten"),
    ("internal", "a state that should not exist: report it"),
    ("json_", "the upstream's body is not strict JSON, or has a known member name twice (rule 30)"),
];

/// What a reason means.
#[must_use]
pub fn meaning(reason: &str) -> Option<&'static str> {
    let is = |known: &str| known == reason || (known.ends_with('_') && reason.starts_with(known));
    REASONS.iter().find(|(known, _)| is(known)).map(|(_, means)| *means)
}
