//! The rewriter held against the oracle: a policy, a caller and bodies made of any bytes, whole and in pieces.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::json::Texts;
use fieldgate::model::{ClientId, Level, PolicySet, RouteId};
use fieldgate::policy;
use fieldgate::program::{Program, View};
use fieldgate::refusal::Refusal;
use fieldgate::rewrite::{Counts, Lane, Rewriter};
use fieldgate::transform::PseudonymKey;
use serde_json::Value;

use super::cases::{self, Choices, choices_of};
use super::oracle::{Asker, Meaning, Oracle, active_scopes};
use super::tree::Tree;

pub fn key() -> PseudonymKey {
    PseudonymKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

pub fn load(text: &str) -> Option<PolicySet> {
    policy::from_json(text.as_bytes()).ok().map(|(policy, _)| policy)
}

/// The route `r`.
pub fn route(policy: &PolicySet) -> RouteId {
    let index = policy.routes.iter().position(|route| route.name == "r").unwrap();
    RouteId(u16::try_from(index).unwrap())
}

/// The ceilings that steps of budgets and canaries put on a response; most have none.
const CEILINGS: [Level; 8] =
    [Level::Show, Level::Show, Level::Show, Level::Show, Level::Mask, Level::Pseudonym, Level::Blank, Level::Hide];

/// A caller, and the same for the oracle.
pub fn caller(choices: &mut Choices<'_>, policy: &PolicySet) -> (Caller, Asker) {
    let scopes: Vec<String> =
        cases::SCOPES.iter().filter(|_| choices.now_and_then(11)).map(|scope| String::from(*scope)).collect();
    let (caller, asker) = both(policy, choices.of(cases::CLIENTS), scopes);
    (caller, Asker { ceiling: choices.of(&CEILINGS), ..asker })
}

pub fn both(policy: &PolicySet, client: &str, scopes: Vec<String>) -> (Caller, Asker) {
    let route = &policy.routes[usize::from(route(policy).0)];
    let caller = Caller::new(policy, client, scopes.clone(), Value::Null);
    let named = |name: &str| policy.clients.iter().position(|entry| entry.name == name);
    let entry = named(client).or_else(|| named("*")).map(|index| ClientId(u16::try_from(index).unwrap()));
    let scopes = active_scopes(policy, route, entry, &scopes, &Value::Null);
    (caller, Asker { client_text: client.into(), entry, scopes, ceiling: Level::Show })
}

/// Runs the rewriter over pieces of a body. Small as it is, it goes through the lane wherever that can be.
pub fn rewrite<'p>(
    view: &Rc<View>,
    texts: Texts,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Result<(Vec<u8>, Counts), Refusal> {
    let pieces: Vec<&[u8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
    let answer = rewrite_by(Lane::Never, view, texts, &pieces);
    let by_lane = rewrite_by(Lane::Always, view, texts, &pieces);
    assert_eq!(by_lane, answer, "with the lane, and without");
    answer
}

fn rewrite_by(lane: Lane, view: &Rc<View>, texts: Texts, pieces: &[&[u8]]) -> Result<(Vec<u8>, Counts), Refusal> {
    let mut out = Vec::new();
    let mut rewriter = Rewriter::with_lane(Rc::clone(view), texts, lane);
    for piece in pieces {
        rewriter = rewriter.push(piece, &mut out)?;
    }
    let counts = rewriter.finish(&mut out)?;
    Ok((out, counts))
}

/// A body cut at some places.
pub fn cut<'b>(choices: &mut Choices<'_>, body: &'b [u8]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    let mut rest = body;
    let longest = choices.of(&[1, 3, 16, 64, 100]);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + choices.pick(longest)).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// A text without the white space between its tokens (rule 19: it may stay where all is shown).
pub fn without_space(text: &[u8]) -> Vec<u8> {
    let (mut out, mut string, mut escape) = (Vec::new(), false, false);
    for &byte in text {
        if string {
            string = escape || byte != b'"';
            escape = !escape && byte == b'\\';
        } else if byte == b'"' {
            string = true;
        } else if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        }
        out.push(byte);
    }
    out
}

/// Why an answer is not what the policy means; `None` if it is.
pub fn disagreement(meaning: &Meaning, answer: &Result<(Vec<u8>, Counts), Refusal>) -> Option<String> {
    match (meaning, answer) {
        (Meaning::Passes { body, .. }, Ok((out, _))) => {
            if without_space(out) != *body {
                return Some(format!("{}\nshould be\n{}", String::from_utf8_lossy(out), String::from_utf8_lossy(body)));
            }
            Tree::parse(out, 64).err().map(|fault| format!("what comes out is not JSON: {fault:?}"))
        }
        (Meaning::Passes { or_duplicate: true, .. }, Err(refusal)) if refusal.reason() == "json_duplicate_name" => None,
        (Meaning::Passes { body, .. }, Err(refusal)) => {
            Some(format!("refused ({refusal})\nshould be\n{}", String::from_utf8_lossy(body)))
        }
        (Meaning::Refused(reasons), Err(refusal)) => {
            // What is no JSON may be refused for whatever is met before it shows.
            let fits = reasons.contains("json") || reasons.contains("json_depth") || reasons.contains(refusal.reason());
            (!fits).then(|| format!("refused ({refusal}), should be for {reasons:?}"))
        }
        (Meaning::Refused(reasons), Ok((out, _))) => {
            Some(format!("{}\nshould be refused for {reasons:?}", String::from_utf8_lossy(out)))
        }
    }
}

/// Changes a byte here and there, so that what is left may not be JSON.
pub fn damage(choices: &mut Choices<'_>, body: &mut Vec<u8>) {
    for _ in 0..=choices.pick(2) {
        if body.is_empty() {
            return;
        }
        let at = (choices.pick(256) * 256 + choices.pick(256)) % body.len();
        let byte = choices.of(b"\"\\{}[],:0e-. \x00\x1f\x80\xff\xc3u");
        match choices.pick(4) {
            0 => body[at] = byte,
            1 => body.insert(at, byte),
            2 => drop(body.remove(at)),
            _ => body.truncate(at),
        }
    }
}

/// How often what came up, so that agreement is not agreement on nothing.
#[derive(Debug, Default)]
pub struct Seen {
    pub passed: u64,
    pub bytes: u64,
    pub counts: Counts,
    pub refused: BTreeMap<&'static str, u64>,
}

impl Seen {
    fn take(&mut self, answer: &Result<(Vec<u8>, Counts), Refusal>) {
        match answer {
            Ok((out, counts)) => {
                self.passed += 1;
                self.bytes += out.len() as u64;
                let sum = &mut self.counts;
                sum.shown += counts.shown;
                sum.detected += counts.detected;
                sum.masked += counts.masked;
                sum.pseudonymised += counts.pseudonymised;
                sum.blanked += counts.blanked;
                sum.hidden += counts.hidden;
                sum.shape_mismatch += counts.shape_mismatch;
                sum.records += counts.records;
            }
            Err(refusal) => *self.refused.entry(refusal.reason()).or_default() += 1,
        }
    }
}

/// One policy, some callers, some bodies.
pub fn agree(
    policy_choices: &[u8],
    caller_choices: &[u8],
    bodies: &[Vec<u8>],
    seen: &RefCell<Seen>,
) -> Result<(), String> {
    let made = cases::policy(&mut Choices::new(policy_choices));
    let Some(policy) = load(&made.text) else { return Ok(()) };
    let program = Program::new(policy.clone(), Some(key())).unwrap();
    let oracle = Oracle::new(&policy, route(&policy));
    let mut choices = Choices::new(caller_choices);
    let (caller, asker) = caller(&mut choices, &policy);
    let view = Rc::new(program.view_under(route(&policy), &caller, asker.ceiling).unwrap());
    for body_choices in bodies {
        let mut choices = Choices::new(body_choices);
        let damaged = choices.now_and_then(3);
        let cuts = choices_of(choices.pick(256) as u64, 4000);
        let mut body = cases::body(&mut choices, &made.paths).into_bytes();
        if damaged {
            damage(&mut choices, &mut body);
        }
        let context = |fault: String| {
            let body = String::from_utf8_lossy(&body).into_owned();
            format!("client `{}`, scopes {:?}\n{}\n{body}\n{fault}", caller.client, caller.scopes, made.text)
        };
        let meaning = oracle.read(&asker, Some(&key()), &body);
        let whole = rewrite(&view, Texts::One, [&body[..]]);
        if let Some(fault) = disagreement(&meaning, &whole) {
            return Err(context(fault));
        }
        let mut choices = Choices::new(&cuts);
        for pieces in [cut(&mut choices, &body), cut(&mut choices, &body), body.chunks(1).collect()] {
            let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
            let answer = rewrite(&view, Texts::One, pieces);
            // White space in an open container may stay or not, but the same everywhere; a body with two faults may be refused
            // for the other where it is cut.
            let same = match (&whole, &answer) {
                (Ok((one, _)), Ok((other, _))) => one == other,
                (Err(one), Err(other)) => one == other || damaged,
                _ => false,
            };
            if !same {
                return Err(context(format!("in pieces of {lengths:?} {answer:?}, whole {whole:?}")));
            }
        }
        seen.borrow_mut().take(&whole);
    }
    Ok(())
}
