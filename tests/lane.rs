//! The lane held against the engine without it, on documents made at random, whole and damaged, in pieces: one output after
//! each piece, the same counts, and the same refusals at the same offsets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::json::Texts;
use fieldgate::model::RouteId;
use fieldgate::program::{Program, View};
use fieldgate::refusal::Refusal;
use fieldgate::rewrite::{Counts, Lane, Rewriter};
use fieldgate_testkit::agreement::{self, damage, key, load};
use fieldgate_testkit::cases::{self, Choices, choices_of};
use fieldgate_testkit::lanes;

/// What comes of a body, and how it ends.
fn rewritten(view: &Rc<View>, lane: Lane, pieces: &[&[u8]]) -> (Vec<u8>, Result<Counts, Refusal>) {
    let (mut out, mut released) = (Vec::new(), 0);
    let mut rewriter = Rewriter::with_lane(Rc::clone(view), Texts::One, lane);
    for piece in pieces {
        match rewriter.push(piece, &mut out) {
            Ok(next) => rewriter = next,
            Err(refusal) => {
                // What a refused call appended never leaves.
                out.truncate(released);
                return (out, Err(refusal));
            }
        }
        released = out.len();
    }
    let end = rewriter.finish(&mut out);
    (out, end)
}

/// Small, so that many can be had: a body has all kinds of values once or twice, and one to three faults or none. By default a
/// fifty-thousand; `LANE_MILLIONS=n` looks at so many millions, which want a release build.
#[test]
fn bodies_by_the_million_come_out_and_are_refused_alike_with_the_lane_and_without() {
    const OF_ONE: u64 = 250;
    let (_program, view) = lanes_view();
    let view = Rc::new(view);
    let millions = knob("LANE_MILLIONS");
    let documents = if millions == 0 { 200 } else { millions * 1_000_000 / OF_ONE };
    let mut ends: BTreeMap<&'static str, u64> = BTreeMap::new();
    for document in 0..documents {
        let seed = (document ^ (knob("LANE_SEED") << 40)) << 16;
        let bytes = choices_of(seed, 3_000);
        let mut choices = Choices::new(&bytes);
        let size = choices.of(&[10, 60, 200, 500]);
        let whole = lanes::document(&mut choices, size);
        for variant in 0..OF_ONE {
            let bytes = choices_of(seed | (variant + 1), 48);
            let mut choices = Choices::new(&bytes);
            let mut body = whole.clone();
            if variant > 0 {
                damage(&mut choices, &mut body);
            }
            let pieces = match choices.pick(3) {
                0 => vec![body.as_slice()],
                1 => body.chunks(1 + choices.pick(100)).collect(),
                _ => {
                    let at = choices.pick(256) * 256 + choices.pick(256);
                    let (before, after) = body.split_at(at % (body.len() + 1));
                    vec![before, after]
                }
            };
            let (with, without) = (rewritten(&view, Lane::Always, &pieces), rewritten(&view, Lane::Never, &pieces));
            if with != without {
                let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
                panic!("{}\n{with:?}\n{without:?}\nin pieces of {lengths:?}", String::from_utf8_lossy(&body));
            }
            *ends.entry(without.1.map_or_else(|refusal| refusal.reason(), |_| "passed")).or_default() += 1;
        }
    }
    println!("{ends:?}");
    for end in ["passed", "json_syntax", "json_utf8", "json_incomplete"] {
        assert!(ends.get(end) >= Some(&100), "{end}: {ends:?}");
    }
}

/// `LANE_CASES=n` looks at n times as many cases as usual, `LANE_SEED=n` at others.
fn knob(name: &str) -> u64 {
    std::env::var(name).map_or(u64::from(name == "LANE_CASES"), |text| text.parse().unwrap())
}

/// The policy of the documents, and what everybody sees by it.
fn lanes_view() -> (Program, View) {
    let policy = load(lanes::POLICY).unwrap();
    let caller = Caller::nobody(&policy);
    let program = Program::new(policy, Some(key())).unwrap();
    let view = program.view(RouteId(0), &caller).unwrap();
    (program, view)
}

/// Bodies that were compared, by how they ended.
#[derive(Default)]
struct Compared(BTreeMap<&'static str, u64>);

impl Compared {
    /// How these pieces of a body end, in every way.
    fn compare(&mut self, (program, view): &(Program, View), pieces: &[&[u8]], about: &str) -> &'static str {
        let end = match lanes::agree(view, program.subjects(), pieces) {
            Ok(Ok(_)) => "passed",
            Ok(Err(refusal)) => refusal.reason(),
            Err(fault) => panic!("{about}\n{}\n{fault}", String::from_utf8_lossy(&pieces.concat())),
        };
        *self.0.entry(end).or_default() += 1;
        end
    }

    fn holds(&self, least: u64, of: &[&str]) {
        println!("{:?}", self.0);
        for reason in of {
            assert!(self.0.get(reason) >= Some(&least), "{reason}: {:?}", self.0);
        }
    }
}

#[test]
fn documents_of_several_windows_come_out_and_are_refused_alike_with_the_lane_and_without() {
    let (seen, mut compared) = (lanes_view(), Compared::default());
    for case in 0..150 * knob("LANE_CASES") {
        let bytes = choices_of(case ^ (knob("LANE_SEED") << 40), 60_000);
        let mut choices = Choices::new(&bytes);
        let size = choices.of(&[100, 1_000, 5_000, 9_000, 20_000]);
        let body = lanes::document(&mut choices, size);
        for damaged in 0..6 {
            let mut body = body.clone();
            if damaged > 0 {
                damage(&mut choices, &mut body);
            }
            let pieces = lanes::pieces(&mut choices, &body);
            compared.compare(&seen, &pieces, &format!("case {case}, damaged {damaged}"));
        }
    }
    compared.holds(10, &["passed", "json_syntax", "json_utf8", "json_duplicate_name"]);
}

#[test]
fn small_documents_with_damage_come_out_and_are_refused_alike_with_the_lane_and_without() {
    let (seen, mut compared) = (lanes_view(), Compared::default());
    for case in 0..40 * knob("LANE_CASES") {
        let bytes = choices_of(case ^ (knob("LANE_SEED") << 40) ^ 0x5a11, 60_000);
        let mut choices = Choices::new(&bytes);
        let whole = lanes::document(&mut choices, 60);
        for damaged in 0..60 {
            let mut body = whole.clone();
            damage(&mut choices, &mut body);
            let pieces = lanes::pieces(&mut choices, &body);
            compared.compare(&seen, &pieces, &format!("case {case}, damaged {damaged}"));
        }
    }
    compared.holds(10, &["passed", "json_syntax", "json_utf8"]);
}

#[test]
fn bodies_of_any_policy_come_out_and_are_refused_alike_with_the_lane_and_without() {
    let mut compared = Compared::default();
    for case in 0..400 * knob("LANE_CASES") {
        let bytes = choices_of(case ^ (knob("LANE_SEED") << 40) ^ 0xace, 6000);
        let mut choices = Choices::new(&bytes);
        let made = cases::policy(&mut choices);
        let Some(policy) = load(&made.text) else { continue };
        let program = Program::new(policy.clone(), Some(key())).unwrap();
        let (caller, asker) = agreement::caller(&mut choices, &policy);
        let view = program.view_under(agreement::route(&policy), &caller, asker.ceiling).unwrap();
        let seen = (program, view);
        for _ in 0..4 {
            let mut body = cases::body(&mut choices, &made.paths).into_bytes();
            if choices.now_and_then(8) {
                damage(&mut choices, &mut body);
            }
            let pieces = lanes::pieces(&mut choices, &body);
            compared.compare(&seen, &pieces, &made.text);
        }
    }
    compared.holds(10, &["passed", "json_syntax", "root_hidden"]);
}

/// What stands in a text where the lane reads it: each row in a member that is removed, one that is shown, one that is open, and
/// as an element.
#[test]
fn what_is_not_json_is_refused_at_the_same_place_with_the_lane_and_without() {
    let (seen, mut compared) = (lanes_view(), Compared::default());
    let faults = [
        "01",
        "1,",
        "-",
        "-a",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "1.5.2",
        "1e5e5",
        "+1",
        "0x1",
        "12345678.",
        "123456789a",
        "00",
        "-01",
        "1-",
        "--1",
        "12345678901234567890e",
        "tru",
        "truex",
        "true1",
        "nul",
        "nulll",
        "fals",
        "falsey",
        "False",
        "t",
        "f",
        "n",
        "NaN",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "'a'",
        "a",
        "\"a\"b",
        "\"a\"\"b\"",
        "1 2",
        "1,,2",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1:2]",
        "[1}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "{\"a\":1 \"b\":2}",
        "{\"a\"::1}",
        "}",
        "]",
        ":",
        ",",
        "\u{7f}",
        "\u{e9}",
        "\\",
        "\\\"",
        "1\\",
        "\u{0}",
        "1\u{0}",
        "[[[[[[",
        "/**/1",
        "\u{b}",
        "1\u{a0}",
    ];
    let invalid: [&[u8]; 8] = [
        b"\"\xff\"",
        b"\"\xc3\"",
        b"\"\xc0\x80\"",
        b"\"\xe0\x80\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\xff",
        b"1\xff",
    ];
    let frames = [
        ("{\"items\":[{\"unknown\":", ",\"id\":1}],\"map\":{}}"),
        ("{\"items\":[{\"id\":", ",\"n\":1}],\"map\":{}}"),
        ("{\"items\":[{\"iban\":", "}],\"map\":{}}"),
        ("{\"items\":[{\"name\":{\"family\":1,\"x\":[", "]}}]}"),
        ("{\"open\":[{\"a\":", "},2]}"),
        ("{\"left\":[1,", ",[2]]}"),
        ("{\"grid\":[1,", "]}"),
        ("{\"unknown\":[[1,2,{\"a\":", "}]]}"),
    ];
    let padding = " ".repeat(100);
    for fault in faults.iter().map(|fault| fault.as_bytes()).chain(invalid) {
        for (before, after) in frames {
            let body = [before.as_bytes(), fault, after.as_bytes(), padding.as_bytes()].concat();
            for size in [body.len(), 7, 64] {
                let pieces: Vec<&[u8]> = body.chunks(size).collect();
                let end = compared.compare(&seen, &pieces, before);
                assert!(end.starts_with("json_"), "{end}: {}", String::from_utf8_lossy(&body));
            }
        }
    }
    compared.holds(50, &["json_syntax", "json_utf8", "json_surrogate"]);
}

/// What stands wrong between the members of an object that is walked, and between the elements of an array that is.
#[test]
fn what_is_wrong_between_members_is_refused_at_the_same_place_with_the_lane_and_without() {
    let (seen, mut compared) = (lanes_view(), Compared::default());
    let objects = [
        "{KNOWN:1,}",
        "{HIDDEN:1,}",
        "{KNOWN:1,HIDDEN:2,}",
        "{HIDDEN:1,KNOWN:2,}",
        "{HIDDEN:[1],}",
        "{HIDDEN:{},}",
        "{KNOWN 1}",
        "{HIDDEN 1}",
        "{HIDDEN 1 2}",
        "{HIDDEN 1,KNOWN:2}",
        "{HIDDEN{}}",
        "{HIDDEN,KNOWN:1}",
        "{KNOWN,HIDDEN:1}",
        "{KNOWN}",
        "{HIDDEN}",
        "{KNOWN:}",
        "{HIDDEN:}",
        "{HIDDEN:,KNOWN:1}",
        "{,KNOWN:1}",
        "{,HIDDEN:1}",
        "{KNOWN:1 HIDDEN:2}",
        "{HIDDEN:1 KNOWN:2}",
        "{HIDDEN:1 HIDDEN:2}",
        "{HIDDEN:1,,KNOWN:2}",
        "{KNOWN:1,,HIDDEN:2}",
        "{1:2}",
        "{null:2}",
        "{HIDDEN:1,2:3}",
        "{HIDDEN:1]",
        "{KNOWN:1]",
        "{]",
        "{},",
        "{}{}",
        ",{}",
        "{};",
        "{}1",
    ];
    let padding = " ".repeat(100);
    for object in objects {
        for (known, hidden) in [("\"id\"", "\"unknown\""), ("\"n\"", "\"family\""), ("\"ref\"", "\"x\"")] {
            let object = object.replace("KNOWN", known).replace("HIDDEN", hidden);
            for frame in [
                "{\"items\":[OBJECT],\"map\":{}}",
                "{\"map\":{\"a\":OBJECT}}",
                "{\"unknown\":1,\"items\":[{\"id\":1},OBJECT]}",
            ] {
                let body = format!("{}{padding}", frame.replace("OBJECT", &object)).into_bytes();
                for size in [body.len(), 7, 64] {
                    let pieces: Vec<&[u8]> = body.chunks(size).collect();
                    let end = compared.compare(&seen, &pieces, &object);
                    assert!(end.starts_with("json_"), "{end}: {}", String::from_utf8_lossy(&body));
                }
            }
        }
    }
    compared.holds(500, &["json_syntax"]);
}

/// A container too many, wherever the lane opens it.
#[test]
fn depth_is_bounded_alike_with_the_lane_and_without() {
    let (seen, mut compared) = (lanes_view(), Compared::default());
    for (before, after, around) in [
        ("{\"open\":[", "]}", 2),
        ("{\"unknown\":[", "]}", 2),
        ("{\"items\":[{\"unknown\":[", "]}]}", 4),
        ("{\"left\":[1,[", "]]}", 3),
    ] {
        for deep in [62 - around, 64 - around, 65 - around, 66 - around, 100] {
            // The lane leaves brackets alone that stand close together.
            for (open, close) in [("[", "]"), ("[   ", "   ]")] {
                let body = format!("{before}{}{}{after}", open.repeat(deep), close.repeat(deep)).into_bytes();
                let end = compared.compare(&seen, &[&body], before);
                assert_eq!(end, if deep + around <= 64 { "passed" } else { "json_depth" }, "{before} {deep}");
            }
        }
    }
    compared.holds(4, &["passed", "json_depth"]);
}
