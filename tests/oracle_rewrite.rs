//! The rewriter against the oracle, byte for byte, on policies and bodies made at random: whole and cut anywhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use fieldgate::budget::{Subject, SubjectKey};
use fieldgate::json::Texts;
use fieldgate::program::{Collector, NamespaceId, Program};
use fieldgate::rewrite::{Counts, Lane, Rewriter};
use fieldgate_testkit::agreement::{
    Seen, agree, both, caller, cut, disagreement, key, load, rewrite, route, without_space,
};
use fieldgate_testkit::cases::{self, Choices, choices_of};
use fieldgate_testkit::oracle::{self, Fate, Meaning, Oracle, Step, Whose};
use fieldgate_testkit::tree::Tree;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

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
    let outcome = runner(1500).run(&strategy, |(policy, caller, bodies)| {
        agree(&policy, &caller, &bodies, &seen).map_err(TestCaseError::fail)
    });
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
        let view = Rc::new(program.view_under(route(&policy), &caller, asker.ceiling).unwrap());
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

/// A policy in which some fields name subjects, of two kinds.
fn with_subjects(choices: &mut Choices<'_>, text: &str) -> String {
    let mut policy: Value = serde_json::from_str(text).unwrap();
    let mut name = |fields: &mut Value| {
        for (path, field) in fields.as_object_mut().unwrap() {
            if field.get("class").is_some() && !path.ends_with("..*") && choices.now_and_then(5) {
                field["subject"] = json!(choices.of(&["customer", "customer", "agent"]));
            }
        }
    };
    name(&mut policy["routes"]["r"]["body"]);
    policy["shapes"].as_object_mut().unwrap().values_mut().for_each(name);
    policy.to_string()
}

#[test]
fn whose_data_leaves_is_told_as_the_rules_say() {
    let subjects = SubjectKey::derive(&key());
    let (mut known, mut unknown, mut none, mut filtered) = (0u64, 0u64, 0u64, 0u64);
    for seed in 0..2500 * knob("ORACLE_CASES").unwrap_or(1) {
        let bytes = choices_of(seed ^ knob("ORACLE_SEED").unwrap_or(0xface), 8000);
        let mut choices = Choices::new(&bytes);
        let made = cases::policy(&mut choices);
        let text = with_subjects(&mut choices, &made.text);
        let Some(policy) = load(&text) else { continue };
        let program = Program::new(policy.clone(), Some(key())).unwrap();
        let oracle = Oracle::new(&policy, route(&policy));
        let namespaces = program.subjects().namespaces();
        if namespaces.is_empty() {
            continue;
        }
        for _ in 0..4 {
            let (caller, asker) = caller(&mut choices, &policy);
            let body = cases::body(&mut choices, &made.paths).into_bytes();
            let Meaning::Passes { or_duplicate: false, .. } = oracle.read(&asker, Some(&key()), &body) else {
                continue;
            };
            let expected = oracle.whose(&asker, &body);
            for (lane, pieces) in [
                (Lane::Never, vec![&body[..]]),
                (Lane::Always, vec![&body[..]]),
                (Lane::Never, body.chunks(1).collect()),
                (Lane::Always, cut(&mut choices, &body)),
            ] {
                let collector = Rc::new(Collector::new(program.subjects(), &[]));
                let view = program.view_under(route(&policy), &caller, asker.ceiling).unwrap();
                let mut rewriter =
                    Rewriter::with_lane(Rc::new(view.collected(Rc::clone(&collector))), Texts::One, lane);
                for piece in pieces {
                    rewriter = rewriter.push(piece, &mut Vec::new()).unwrap();
                }
                rewriter.finish(&mut Vec::new()).unwrap();
                let told = collector.take_subjects();
                for (id, kind) in (0u8..).map(NamespaceId).zip(namespaces.iter()) {
                    let Some(whose) = expected.get(&**kind) else { continue };
                    let found: BTreeSet<Subject> =
                        told.iter().filter(|(of, _)| *of == id).map(|(_, one)| *one).collect();
                    let named = whose.known.iter().map(|text| subjects.subject(kind, text)).collect::<BTreeSet<_>>();
                    assert!(
                        found == named && collector.unknown(id) == whose.unknown,
                        "seed {seed}, `{kind}`, {lane:?}, client `{}`, scopes {:?}: {} known and {} unknown, should be {whose:?}\n{text}\n{}",
                        caller.client,
                        caller.scopes,
                        found.len(),
                        collector.unknown(id),
                        String::from_utf8_lossy(&body)
                    );
                }
            }
            let sum = |of: fn(&Whose) -> u64| expected.values().map(of).sum::<u64>();
            let (names, nobody) = (sum(|whose| whose.known.len() as u64), sum(|whose| whose.unknown));
            (known, unknown, none) = (known + names, unknown + nobody, none + u64::from(names + nobody == 0));
            filtered += u64::from(text.contains("[?") && nobody > 0);
        }
    }
    println!("{known} subjects, {unknown} records without one, {none} responses about nobody");
    assert!(known > 500 && unknown > 500 && none > 100 && filtered > 100, "{known} {unknown} {none} {filtered}");
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
            let view = Rc::new(program.view_under(route(&policy), &caller, asker.ceiling).unwrap());
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
    let view = Rc::new(program.view_under(route(&policy), &caller, asker.ceiling).unwrap());
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
