//! The rewriter against the oracle, byte for byte, on policies and bodies made at random: whole and cut anywhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/tree.rs"]
mod tree;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use cases::{Choices, choices_of};
use fieldgate::caller::Caller;
use fieldgate::json::Texts;
use fieldgate::policy;
use fieldgate::policy::model::{ClientId, PolicySet, RouteId};
use fieldgate::program::{Program, View};
use fieldgate::refusal::Refusal;
use fieldgate::rewrite::{Counts, Rewriter};
use fieldgate::transform::PseudonymKey;
use oracle::{Asker, Fate, Meaning, Oracle, Step, active_scopes};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use tree::Tree;

fn key() -> PseudonymKey {
    PseudonymKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

fn load(text: &str) -> Option<PolicySet> {
    policy::from_json(text.as_bytes()).ok().map(|(policy, _)| policy)
}

/// The route `r`.
fn route(policy: &PolicySet) -> RouteId {
    let index = policy.routes.iter().position(|route| route.name == "r").unwrap();
    RouteId(u16::try_from(index).unwrap())
}

/// A caller, and the same for the oracle.
fn caller(choices: &mut Choices<'_>, policy: &PolicySet) -> (Caller, Asker) {
    let scopes: Vec<String> =
        cases::SCOPES.iter().filter(|_| choices.now_and_then(11)).map(|scope| String::from(*scope)).collect();
    both(policy, choices.of(cases::CLIENTS), scopes)
}

fn both(policy: &PolicySet, client: &str, scopes: Vec<String>) -> (Caller, Asker) {
    let route = &policy.routes[usize::from(route(policy).0)];
    let caller = Caller::new(policy, client, scopes.clone(), Value::Null);
    let named = |name: &str| policy.clients.iter().position(|entry| entry.name == name);
    let entry = named(client).or_else(|| named("*")).map(|index| ClientId(u16::try_from(index).unwrap()));
    let scopes = active_scopes(policy, route, entry, &scopes, &Value::Null);
    (caller, Asker { client_text: client.into(), entry, scopes })
}

/// Runs the rewriter over pieces of a body.
fn rewrite<'p>(
    view: &Rc<View>,
    texts: Texts,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Result<(Vec<u8>, Counts), Refusal> {
    let mut out = Vec::new();
    let mut rewriter = Rewriter::new(Rc::clone(view), texts);
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        rewriter = rewriter.push(piece, &mut out)?;
    }
    let counts = rewriter.finish(&mut out)?;
    Ok((out, counts))
}

/// A body cut at some places.
fn cut<'b>(choices: &mut Choices<'_>, body: &'b [u8]) -> Vec<&'b [u8]> {
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
fn without_space(text: &[u8]) -> Vec<u8> {
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
fn disagreement(meaning: &Meaning, answer: &Result<(Vec<u8>, Counts), Refusal>) -> Option<String> {
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
fn damage(choices: &mut Choices<'_>, body: &mut Vec<u8>) {
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
pub(crate) struct Seen {
    passed: u64,
    bytes: u64,
    counts: Counts,
    refused: BTreeMap<&'static str, u64>,
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
pub(crate) fn agree(
    policy_choices: &[u8],
    caller_choices: &[u8],
    bodies: &[Vec<u8>],
    seen: &RefCell<Seen>,
) -> Result<(), TestCaseError> {
    let made = cases::policy(&mut Choices::new(policy_choices));
    let Some(policy) = load(&made.text) else { return Ok(()) };
    let program = Program::new(policy.clone(), Some(key())).unwrap();
    let oracle = Oracle::new(&policy, route(&policy));
    let mut choices = Choices::new(caller_choices);
    let (caller, asker) = caller(&mut choices, &policy);
    let view = Rc::new(program.view(route(&policy), &caller).unwrap());
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
            TestCaseError::fail(format!(
                "client `{}`, scopes {:?}\n{}\n{body}\n{fault}",
                caller.client, caller.scopes, made.text
            ))
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

/// `ORACLE_SEED=n` looks at other cases than the usual, `ORACLE_CASES=n` at n times as many.
fn knob(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases: cases * u32::try_from(knob("ORACLE_CASES").unwrap_or(1)).unwrap(),
        rng_seed: RngSeed::Fixed(knob("ORACLE_SEED").unwrap_or(20_260_101)),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    TestRunner::new(config)
}

fn bytes(count: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), count)
}

#[test]
fn the_rewriter_does_what_the_policy_means_whole_and_in_pieces() {
    let seen = RefCell::new(Seen::default());
    let strategy = (bytes(700), bytes(8), prop::collection::vec(bytes(400), 8));
    let outcome = runner(1500).run(&strategy, |(policy, caller, bodies)| agree(&policy, &caller, &bodies, &seen));
    if let Err(fault) = outcome {
        panic!("{fault}");
    }
    let seen = seen.into_inner();
    println!("{seen:?}");
    let Counts { shown, detected, masked, pseudonymised, blanked, hidden, shape_mismatch, records, .. } = seen.counts;
    let rare = [shown, detected, masked, pseudonymised, blanked, hidden, shape_mismatch, records].into_iter().min();
    assert!(seen.passed > 3000 && rare > Some(30), "{seen:?}");
    for reason in ["json_duplicate_name", "json_syntax", "json_utf8", "root_hidden", "too_many_records"] {
        assert!(seen.refused.get(reason) > Some(&10), "{reason} in {seen:?}");
    }
}

#[test]
fn several_texts_are_rewritten_one_by_one_and_records_counted_over_all() {
    let mut passed = 0u32;
    for seed in 0..1000u64 {
        let bytes = choices_of(seed, 6000);
        let mut choices = Choices::new(&bytes);
        let made = cases::policy(&mut choices);
        let Some(policy) = load(&made.text) else { continue };
        let program = Program::new(policy.clone(), Some(key())).unwrap();
        let (caller, asker) = caller(&mut choices, &policy);
        let view = Rc::new(program.view(route(&policy), &caller).unwrap());
        let oracle = Oracle::new(&policy, route(&policy));
        let bodies: Vec<Vec<u8>> = (0..1 + choices.pick(4))
            .map(|_| without_space(cases::body(&mut choices, &made.paths).as_bytes()))
            .collect();
        let texts: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        for (texts_are, before, after) in [(Texts::Lines, "", "\n"), (Texts::Sequence, "\x1e", "\n")] {
            let (before, after) = (before.as_bytes(), after.as_bytes());
            let whole: Vec<u8> = texts.iter().flat_map(|text| [before, text, after].concat()).collect();
            let meaning = oracle.read_texts(&asker, Some(&key()), &texts, (before, after));
            for pieces in [vec![&whole[..]], cut(&mut choices, &whole), whole.chunks(1).collect()] {
                let answer = rewrite(&view, texts_are, pieces);
                let fault = match (&meaning, &answer) {
                    (Meaning::Passes { body, .. }, Ok((out, counts))) => {
                        passed += 1;
                        let same = out == body && counts.texts == texts.len() as u64;
                        (!same).then(|| String::from_utf8_lossy(body).into_owned())
                    }
                    _ => disagreement(&meaning, &answer),
                };
                assert!(
                    fault.is_none(),
                    "seed {seed}, {texts_are:?}, client `{}`, scopes {:?}\n{}\n{}\n{answer:?}\n{}",
                    caller.client,
                    caller.scopes,
                    made.text,
                    String::from_utf8_lossy(&whole),
                    fault.unwrap()
                );
            }
        }
    }
    assert!(passed > 1000, "{passed}");
}

/// The universal test on the rewriter: each leaf is a marker of its own, and none of a withheld leaf is in what comes out.
#[test]
fn no_marker_of_a_withheld_leaf_comes_out() {
    let (mut withheld, mut shown) = (0u64, 0u64);
    for seed in 0..1500u64 {
        let bytes = choices_of(seed ^ 0xbeef, 6000);
        let mut choices = Choices::new(&bytes);
        let made = cases::policy(&mut choices);
        let Some(policy) = load(&made.text) else { continue };
        let program = Program::new(policy.clone(), Some(key())).unwrap();
        let oracle = Oracle::new(&policy, route(&policy));
        for _ in 0..4 {
            let (caller, asker) = caller(&mut choices, &policy);
            let view = Rc::new(program.view(route(&policy), &caller).unwrap());
            let body = cases::body(&mut choices, &made.paths);
            let mut document = Tree::parse(body.as_bytes(), 64).unwrap().value();
            let mut markers = 0;
            mark(&mut document, &mut markers);
            let body = document.to_string();
            let Ok((out, _)) = rewrite(&view, Texts::One, [body.as_bytes()]) else { continue };
            let out = String::from_utf8(out).unwrap();
            for place in oracle.places(&asker, &document) {
                let Some(Value::String(marker)) = at(&document, &place.steps) else { continue };
                let there = out.contains(marker.as_str());
                match place.scalar {
                    // `max_records` may have taken it.
                    Fate::Show | Fate::Detect(..) => shown += u64::from(there),
                    _ => {
                        withheld += 1;
                        assert!(!there, "seed {seed}: {marker} at {:?}\n{}\n{body}\n{out}", place.steps, made.text);
                    }
                }
            }
        }
    }
    assert!(withheld > 10_000 && shown > 500, "{withheld} {shown}");
}

fn mark(value: &mut Value, markers: &mut u64) {
    match value {
        Value::Array(array) => array.iter_mut().for_each(|element| mark(element, markers)),
        Value::Object(object) => object.values_mut().for_each(|member| mark(member, markers)),
        scalar => {
            *markers += 1;
            *scalar = json!(format!("marker-{markers:05}-of-a-leaf"));
        }
    }
}

fn at<'v>(document: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(document, |value, step| match step {
        Step::Element(index) => value.get(index),
        Step::Member(name) => value.get(name),
    })
}

/// Rule 27's 64 KiB, for each form.
#[test]
fn a_scalar_is_transformed_up_to_64_kib() {
    let policy = json!({
        "language": 1,
        "policy": "p",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "classes": {"s": {}, "m": {}, "q": {}},
        "routes": {"r": {"match": "GET /r", "area": "m", "body": {
            "$.s": "s",
            "$.d": {"class": "s", "detect": ["email"], "blank": "-"},
            "$.m": {"class": "m", "mask": {"last": 1}, "blank": "-"},
            "$.q": {"class": "q", "pseudonym": "n", "blank": "-"},
        }}},
        "scopes": {"s0": {"areas": ["m"], "grant": {"s": "show", "m": "mask", "q": "pseudonym"}}},
    });
    let policy = load(&policy.to_string()).unwrap();
    let program = Program::new(policy.clone(), Some(key())).unwrap();
    let (caller, asker) = both(&policy, "", vec![String::from("s0")]);
    let view = Rc::new(program.view(route(&policy), &caller).unwrap());
    let oracle = Oracle::new(&policy, route(&policy));
    let longest = oracle::LONGEST_SCALAR;
    for length in [longest - 1, longest, longest + 1, 3 * longest] {
        let digits = "1".repeat(length);
        let string = format!("\"{}\"", &digits[2..]);
        let escaped = format!("\"{}\\u0031\"", &digits[8..]);
        for token in [digits, string, escaped] {
            let masked = if length > longest { "-" } else { "****1" };
            let body = format!(r#"{{"s":{token},"d":{token},"m":{token},"q":{token}}}"#);
            let meaning = oracle.read(&asker, Some(&key()), body.as_bytes());
            let Meaning::Passes { body: read, .. } = &meaning else { panic!("{meaning:?}") };
            assert!(String::from_utf8_lossy(read).contains(&format!(r#""m":"{masked}""#)), "{length}");
            for size in [body.len(), 1000, 16 << 10] {
                let answer = rewrite(&view, Texts::One, body.as_bytes().chunks(size));
                assert!(disagreement(&meaning, &answer).is_none(), "{length} in pieces of {size}");
            }
        }
    }
}

/// Rule 29: an error body keeps the root members that the policy names, and those only if scalar.
#[test]
fn an_error_body_keeps_named_scalar_members_of_its_root() {
    let policy = json!({
        "language": 1,
        "policy": "p",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "defaults": {"errors": {"show": ["a", "é", "$['x.y']"]}},
        "classes": {"k": {}},
        "routes": {"r": {"match": "GET /r", "area": "m", "body": {"$.a": "k"}}},
        "scopes": {"s0": {"areas": ["m"], "grant": {"k": "show"}}},
    });
    let program = Program::new(load(&policy.to_string()).unwrap(), None).unwrap();
    let view = Rc::new(program.error_view().unwrap());
    let paths = ["a", "é", "x.y", "b"].map(|name| vec![cases::Seg::Name(name)]);
    let mut compared = 0;
    for seed in 0..3000u64 {
        let bytes = choices_of(seed, 500);
        let mut choices = Choices::new(&bytes);
        let body = cases::body(&mut choices, &paths);
        let Ok(Tree::Object(members)) = Tree::parse(body.as_bytes(), 64) else { continue };
        let mut kept = Vec::new();
        let mut names = BTreeMap::new();
        for member in &members {
            *names.entry(member.name.as_str()).or_insert(0) += 1;
            if let (Tree::Scalar(token), "a" | "é" | "x.y") = (&member.tree, member.name.as_str()) {
                kept.push([member.token, b":", token].concat());
            }
        }
        let twice = names.iter().any(|(name, count)| *count > 1 && matches!(*name, "a" | "é" | "x.y"));
        let expected = [b"{", &kept.join(&b","[..])[..], b"}"].concat();
        match rewrite(&view, Texts::One, cut(&mut choices, body.as_bytes())) {
            Ok((out, _)) => assert!(!twice && out == expected, "{body}\n{}", String::from_utf8_lossy(&out)),
            Err(refusal) => assert!(twice, "{body}\n{refusal}"),
        }
        compared += 1;
    }
    assert!(compared > 500, "{compared}");
}

/// Rule 29: places below the root too, whoever asks, and without what is looked for in them.
#[test]
fn an_error_body_keeps_named_places_and_takes_out_what_is_found() {
    let policy = |show: Value| {
        let policy = json!({
            "language": 1,
            "policy": "p",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "defaults": {"errors": {"show": show, "detect": ["email"]}},
            "classes": {"k": {}},
            "routes": {"r": {"match": "GET /r", "area": "m", "body": {"$.a": "k"}}},
            "scopes": {"s0": {"areas": ["m"], "grant": {"k": "show"}}},
        });
        Program::new(load(&policy.to_string()).unwrap(), None).unwrap()
    };
    let rows = [
        (
            json!(["$.error.code"]),
            r#"{"error":{"code":"X1","message":"bad"},"title":"t"}"#,
            r#"{"error":{"code":"X1"}}"#,
        ),
        (
            json!(["$.errors[*].code", "$.errors[*].field", "message"]),
            r#"{"message":"no ana@example.com","errors":[{"field":"email","code":7,"message":"b"},{"code":{"x":1}},3]}"#,
            r#"{"message":"no [email]","errors":[{"field":"email","code":7},{}]}"#,
        ),
        (
            json!(["Code", "$.Errors[*].ErrorCode", "$.Errors[*].Path"]),
            r#"{"Code":"400","Id":"ana","Errors":[{"ErrorCode":"UK.OBIE.Field.Missing","Message":"ana","Path":"$.Data"}]}"#,
            r#"{"Code":"400","Errors":[{"ErrorCode":"UK.OBIE.Field.Missing","Path":"$.Data"}]}"#,
        ),
        (
            json!(["$.issue[*].severity", "$.issue[*].details.coding[*].code"]),
            r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","details":{"coding":[{"code":"M","display":"d"}],"text":"t"}}]}"#,
            r#"{"issue":[{"severity":"error","details":{"coding":[{"code":"M"}]}}]}"#,
        ),
        (json!(["$.errors.*"]), r#"{"errors":{"a":1,"b":[2],"c":{"d":3}}}"#, r#"{"errors":{"a":1}}"#),
        (json!(["code"]), r#"{"code":null,"other":null}"#, r#"{"code":null}"#),
        (json!(["code"]), r#"{"code":[1]}"#, "{}"),
    ];
    for (show, body, expected) in rows {
        let program = policy(show.clone());
        let view = Rc::new(program.error_view().unwrap());
        for size in [1, 7, body.len()] {
            let (out, _) = rewrite(&view, Texts::One, body.as_bytes().chunks(size)).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), expected, "{show} in pieces of {size}");
        }
    }
}
