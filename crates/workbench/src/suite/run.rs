//! Rows of a suite, run in the core that this program is built with: what `fieldgate test` does for each, and the studio.

use std::rc::Rc;

use fieldgate::budget::MemoryStore;
use fieldgate::caller::Caller;
use fieldgate::diagnostic::Span;
use fieldgate::document::Node;
use fieldgate::exchange::{Account, Headers, Request, Response, respond_with};
use fieldgate::model::Level;
use fieldgate::model::moment::Moment;
use fieldgate::policy::PolicySet;
use fieldgate::program::{Program, Way};
use fieldgate::transform::{KeyFault, PseudonymKey};

use super::{Case, Finding, FindingKind, Judgement, Outcome, Refused, Sequence, Setting, budgets, judge, verdict};

/// The key of pseudonyms where the environment has none: known to everybody, so that a suite needs no secret. 32 bytes in base64.
const TEST_KEY: &str = "ZmllbGRnYXRlIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQ=";

/// The key that suites run with where the environment has none. Everybody knows it.
///
/// # Errors
/// None in practice: a test holds that it is one.
pub fn test_key() -> Result<PseudonymKey, KeyFault> {
    PseudonymKey::from_base64(TEST_KEY)
}

/// Runs a row of several requests in the native core: one store of budgets, and a clock that the row turns.
#[must_use]
pub fn sequence(program: &Rc<Program>, written: &Node, sequence: &Sequence, start: Option<Moment>) -> Judgement {
    let mut store = MemoryStore::default();
    let mut now = start;
    let mut number = 0_u32;
    let mut judgement = Judgement::default();
    'steps: for step in &sequence.steps {
        now = now.map(|Moment(now)| Moment(now.saturating_add(step.after)));
        for turn in 1..=step.times {
            number = number.saturating_add(1);
            let case = step.numbered(number);
            let (mut one, account) = row(program, written, &case, now, &mut store);
            let ceiling = account.ceiling;
            if let Some((wanted, span)) = step.step.filter(|(wanted, _)| *wanted != ceiling) {
                one.findings.push(Finding {
                    kind: FindingKind::Unmet,
                    span,
                    subject: "the step".to_owned(),
                    expected: verdict::word(wanted).to_owned(),
                    got: verdict::word(ceiling).to_owned(),
                    because: lowered(program.policy(), &account).into_iter().collect(),
                    perhaps: None,
                    update: None,
                });
            }
            judgement.cells.append(&mut one.cells);
            judgement.doubts.append(&mut one.doubts);
            if one.findings.is_empty() {
                continue;
            }
            for finding in &mut one.findings {
                finding.subject = format!("{} (request {number})", finding.subject);
                // What came of one of several is not what is to be written for all.
                if step.times > 1 {
                    finding.update = None;
                }
            }
            judgement.findings.append(&mut one.findings);
            // What follows would only say the like again, request for request; and where some were not made, the steps behind
            // them would be of other requests than the row says.
            if turn < step.times {
                break 'steps;
            }
        }
    }
    judgement.cells.sort();
    judgement.cells.dedup();
    judgement
}

/// What has put a ceiling on a response, or refused it, in words.
fn lowered(policy: &PolicySet, account: &Account) -> Option<(String, Option<Span>)> {
    let budget = |id: u16| policy.budgets.get(usize::from(id));
    if let Some(budget) = account.refused.and_then(budget) {
        return Some((format!("budget {} has no room for the request", budget.name), Some(budget.span)));
    }
    let most = format!("at most {}", verdict::word(account.ceiling));
    match account.lowered.and_then(budget) {
        Some(budget) => Some((format!("budget {}: {most}", budget.name), Some(budget.span))),
        None if account.ceiling < Level::Show => Some((format!("a canary was met: {most}"), None)),
        None => None,
    }
}

/// Runs one request in the native core: what it comes to, and what budgets did to it.
#[must_use]
pub fn row(
    program: &Rc<Program>,
    written: &Node,
    case: &Case,
    now: Option<Moment>,
    store: &mut MemoryStore,
) -> (Judgement, Account) {
    let policy = program.policy();
    let bytes = |headers: &[(String, String)]| -> Headers {
        headers.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())).collect()
    };
    let asked = &case.request;
    let mut headers = bytes(&asked.headers);
    let named = asked.headers.iter().find(|(name, _)| name == "host").map(|(_, value)| value.clone());
    let authority = named.or_else(|| policy.hosts.first().cloned()).unwrap_or_else(|| "localhost".to_owned());
    headers.retain(|(name, _)| name.as_slice() != b"host");
    headers.push((b":authority".to_vec(), authority.clone().into_bytes()));
    let caller =
        Caller::new(policy, asked.client.as_deref().unwrap_or_default(), asked.scopes.clone(), asked.claims.clone());
    let route = match program.way(&authority, &asked.method, &asked.path) {
        Ok(Way::Governed(id)) => policy.routes.get(usize::from(id.0)),
        _ => None,
    };
    let request = Request { method: asked.method.clone(), target: asked.path.clone(), headers, caller, now };
    let upstream = Response {
        status: case.response.status,
        headers: bytes(&case.response.headers),
        body: case.response.body.clone(),
    };
    let answer = respond_with(program, request, &upstream, store);
    let account = answer.account;
    let ceiling = account.ceiling;
    let outcome = Outcome {
        status: answer.status,
        headers: answer
            .headers
            .iter()
            .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.clone()))
            .collect(),
        body: answer.body,
        refused: answer.report.refusal.map_or(Refused::No, Refused::For),
    };
    if ceiling == Level::Show {
        let mut judgement = judge(Setting { policy, route, written: Some(written), now }, case, &outcome);
        blame(&mut judgement, policy, &account);
        return (judgement, account);
    }
    // What a step leaves is judged by what it leaves, and asserts nothing of what is granted.
    let lowered = budgets::with_ceiling(policy, ceiling);
    let route = route.and_then(|route| lowered.routes.iter().find(|lowered| lowered.name == route.name));
    let setting = Setting { policy: &lowered, route, written: Some(written), now };
    let mut judgement = judge(setting, case, &outcome);
    judgement.cells.clear();
    blame(&mut judgement, policy, &account);
    (judgement, account)
}

/// Names the budget, or the canary, where a finding comes of it: for the judge it is a ceiling of the route, or a refusal.
fn blame(judgement: &mut Judgement, policy: &PolicySet, account: &Account) {
    let Some((text, span)) = lowered(policy, account) else { return };
    let refused = account.refused.is_some();
    for finding in judgement.findings.iter_mut().filter(|finding| finding.kind == FindingKind::Unmet) {
        let of_route = format!("the route: at most {}", verdict::word(account.ceiling));
        let whose = text.split_once(':').map_or(text.as_str(), |(whose, _)| whose);
        for (line, place) in finding.because.iter_mut().filter(|(line, _)| !refused && line.starts_with(&of_route)) {
            *line = line.replacen("the route", whose, 1);
            *place = span;
        }
        if finding.because.is_empty() {
            finding.because.push((text.clone(), span));
        }
    }
}
