//! Two upstreams that differ only in what is withheld look the same to the client: status, headers, body, framing, and where
//! each chunk or frame ends, however the upstream's parts come.
//!
//! Nor do their decision records differ, in what is known of the response, but in time and request id. Budgets are on.
//!
//! What is left is time: [`time`] measures it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rows;
use super::streams::{self, Test};
use super::support::client::{Answer, End, Protocol};
use super::support::marker::{DIGITS, TEXT};
use super::support::row::{Carriage, Expected, Framing, HeadMode, Row};
use super::support::upstream::Script;
use super::world::{self, Told, World};

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    let mut tests: Vec<(String, Test)> = Vec::new();
    for head in HeadMode::ALL {
        tests.push((
            format!("no caller can tell two withheld values apart, head {}", head.word()),
            Box::new(move |world| values(world, head)),
        ));
        tests.push((
            format!("no caller can tell by how a body in parts is cut what is withheld, head {}", head.word()),
            Box::new(move |world| parts(world, head)),
        ));
        tests.push((
            format!("no caller can tell what stands where something is withheld, head {}", head.word()),
            Box::new(move |world| shapes(world, head)),
        ));
    }
    tests.push(("what time still tells of a withheld value is measured".to_owned(), Box::new(time)));
    tests
}

/// What stands in a template's withheld places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twin {
    First,
    /// Other values, of the same lengths.
    Second,
    /// Values of other lengths.
    Longer,
}

impl Twin {
    fn text(self, place: usize) -> String {
        match self {
            Self::First => format!("a{place:019}"),
            Self::Second => format!("z{:019}", 999_999 - place),
            Self::Longer => format!("k{place}{}", "é".repeat(place * 13 % 60)),
        }
    }

    fn digits(self, place: usize) -> String {
        match self {
            Self::First => format!("{}", 111_111_111_111_111_000 + place),
            Self::Second => format!("{}", 999_999_999_999_999_000 - place),
            Self::Longer => format!("{place}.5"),
        }
    }

    fn fill(self, template: &[u8]) -> Vec<u8> {
        let (mut filled, mut rest, mut place) = (Vec::with_capacity(template.len()), template, 0);
        while let Some((&byte, after)) = rest.split_first() {
            let value = [(TEXT, self.text(place)), (DIGITS, self.digits(place))];
            let found = value.into_iter().find(|(slot, _)| rest.starts_with(slot.as_bytes()));
            if let Some((slot, value)) = found {
                filled.extend_from_slice(value.as_bytes());
                rest = &rest[slot.len()..];
                place += 1;
            } else {
                filled.push(byte);
                rest = after;
            }
        }
        filled
    }
}

/// Between two parts of a body: long enough for Envoy to have read the first.
const PAUSE: Duration = Duration::from_millis(2);

/// A row's response with the withheld places filled, in parts of at most so many bytes with pauses between them.
fn script(row: &Row, carriage: Carriage, twin: Twin, part: usize) -> Script {
    let mut upstream = row.upstream.clone();
    upstream.body = twin.fill(&upstream.body);
    for (_, value) in &mut upstream.fields {
        *value = twin.fill(value);
    }
    let trailers = [("x-trailer".to_owned(), twin.fill(b"@@"))];
    let script = upstream.script(carriage.framing, &trailers, row.is_bodiless(), |left| left.min(part));
    if part == WHOLE { script } else { script.paused(PAUSE) }
}

/// Not in parts.
const WHOLE: usize = usize::MAX;

/// All that a client can tell of an answer but the time: what it says, and how it was cut into chunks or frames.
#[derive(Debug, PartialEq, Eq)]
struct Transcript {
    said: String,
    cut: Vec<Vec<u8>>,
}

fn transcript(answer: &Answer, carriage: Carriage) -> Transcript {
    let fields: Vec<_> = answer
        .fields
        .iter()
        .chain(&answer.trailers)
        .filter(|(name, _)| name != "date")
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)))
        .collect();
    // How many bytes came before a reset is how far the upstream's had come when it was wrong: how it was cut says that.
    let body = if answer.end == End::Complete { String::from_utf8_lossy(&answer.body) } else { "".into() };
    let said = format!("{} {:?} {:?}\n{}\n{body}", answer.status, answer.end, answer.fault, fields.concat());
    let cut = match carriage.downstream {
        Protocol::Http1 => {
            let lines = answer.wire.split(|byte| *byte == b'\n');
            lines.filter(|line| !line.starts_with(b"date:")).map(<[u8]>::to_vec).collect()
        }
        Protocol::Http2 => data_frames(&answer.wire),
    };
    Transcript { said, cut }
}

/// The DATA frames on a connection (RFC 9113 §4.1).
fn data_frames(mut wire: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = wire.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (payload, rest) = rest.split_at(length.min(rest.len()));
        // An empty last frame says when the upstream's end came, and nothing else: that is time.
        if head[3] == 0 && !payload.is_empty() {
            frames.push(payload.to_vec());
        }
        wire = rest;
    }
    frames
}

/// The carriages that twins take: every framing, each protocol on each side.
fn carriages(head: HeadMode) -> Vec<Carriage> {
    Carriage::all().filter(|carriage| carriage.head == head).collect()
}

/// In what the twins differ, and so of what their records may say more than a caller can tell: an operator counts what was
/// withheld, and whose data it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Differ {
    /// In long withheld values: of nothing.
    Length,
    /// In withheld values, ids of subjects among them: whose it was, and what a budget has counted.
    Value,
    /// In what is there at all: also how much was withheld.
    Shape,
}

/// The decision record, without what is another for each request: its time and id, what others have reserved meanwhile, and
/// where in a body a fault was.
fn decision(told: &Told, differ: Differ) -> Value {
    let mut record = told.record.clone().unwrap_or_default();
    let Some(members) = record.as_object_mut() else { return record };
    for own in ["time", "request", "offset"] {
        members.shift_remove(own);
    }
    for budget in members.get_mut("budgets").and_then(Value::as_array_mut).into_iter().flatten() {
        budget["reserved"] = Value::Null;
        if differ != Differ::Length {
            budget["used"] = Value::Null;
        }
    }
    if differ != Differ::Length {
        for subjects in members.get_mut("subjects").and_then(Value::as_object_mut).into_iter().flatten() {
            *subjects.1 = json!(subjects.1.as_array().map(Vec::len));
        }
    }
    if differ == Differ::Shape {
        for withheld in ["undeclared", "mismatches"] {
            members.shift_remove(withheld);
        }
        if let Some(classes) = members.get_mut("fields").and_then(Value::as_object_mut) {
            for levels in classes.values_mut().filter_map(Value::as_object_mut) {
                levels.shift_remove("hide");
            }
            classes.retain(|_, levels| levels.as_object().is_some_and(|levels| !levels.is_empty()));
        }
    }
    record
}

#[derive(Default)]
struct Tally {
    pairs: u32,
    /// Whose answers have a decision record each.
    recorded: u32,
    /// Of which both were refused.
    refused: u32,
    differing: Vec<String>,
}

impl Tally {
    fn compare(&mut self, what: &str, carriage: Carriage, differ: Differ, one: &Told, other: &Told) {
        self.pairs += 1;
        self.recorded += u32::from(one.record.is_some() && other.record.is_some());
        let (first, second) = (decision(one, differ), decision(other, differ));
        // When a cut was noticed, and how much had gone, is a question of time.
        let is_cut = [one, other].iter().any(|told| told.answer.end != End::Complete);
        if first != second && !is_cut {
            self.differing.push(format!("{what} {carriage:?}\n  {first}\n  {second}"));
        }
        let (one, other) = (&one.answer, &other.answer);
        let (first, second) = (transcript(one, carriage), transcript(other, carriage));
        let mut differs = first != second;
        let refused = |answer: &Answer| answer.end != End::Complete || answer.status == 502;
        if refused(one) && refused(other) {
            self.refused += 1;
            // A reset overtakes what is on its way: how much of a long body still came is a question of time.
            differs = first.said != second.said;
            // A body in pieces whose head is held is reset if it is wrong behind its first part, and refused cleanly if all
            // came at once: a question of time. That it is refused is all that either tells.
            let is_awaited = carriage.framing == Framing::Length || carriage.upstream == Protocol::Http2;
            if carriage.head == HeadMode::Held && !is_awaited {
                return;
            }
        }
        if differs {
            self.differing.push(format!(
                "{what} {carriage:?}\n  {} {:?}\n  {} {:?}",
                world::shown(one),
                cut(one, carriage),
                world::shown(other),
                cut(other, carriage)
            ));
        }
    }

    fn conclude(self, what: &str) -> Result<(), String> {
        println!(
            "{what}: {} pairs, {} with decision records; {} told apart; {} refused",
            self.pairs,
            self.recorded,
            self.differing.len(),
            self.refused
        );
        if self.differing.is_empty() { Ok(()) } else { Err(self.differing.join("\n")) }
    }
}

/// Whether a client can tell these apart by nothing but the time.
pub(crate) fn are_one(one: &Answer, other: &Answer, carriage: Carriage) -> bool {
    transcript(one, carriage) == transcript(other, carriage)
}

/// How long each line or frame is, for whoever looks into a difference.
fn cut(answer: &Answer, carriage: Carriage) -> Vec<usize> {
    transcript(answer, carriage).cut.iter().map(Vec::len).collect()
}

fn values(world: &World, head: HeadMode) -> Result<(), String> {
    let mut tally = Tally::default();
    for row in rows::of_any_length() {
        if matches!(row.expected, Expected::Untouched) {
            continue;
        }
        let policy = World::policy_json(&row.policy, head)?;
        let ways = carriages(head).into_iter().filter(|carriage| carriage.upstream == carriage.downstream);
        let ways: Vec<(Carriage, usize)> = ways.flat_map(|carriage| [(carriage, WHOLE), (carriage, 50)]).collect();
        world.with_envoy(&policy, head, |envoy| {
            let twins = [Twin::First, Twin::Second, Twin::Longer];
            let asked = ways.iter().flat_map(|(carriage, part)| twins.map(|twin| (*carriage, twin, *part)));
            let asked = asked.map(|(carriage, twin, part)| (&row, carriage, script(&row, carriage, twin, part)));
            let told = world.tell_all(envoy, asked.collect())?;
            for ((carriage, part), told) in ways.iter().zip(told.chunks(twins.len())) {
                for other in &told[1..] {
                    let what = format!("{} in parts of {part}", row.claim);
                    tally.compare(&what, *carriage, Differ::Value, &told[0], other);
                }
            }
            Ok::<_, String>(())
        })??;
    }
    tally.conclude(&format!("twins by value, head {}", head.word()))
}

/// A list of which so many records can be seen, and as much as `hidden` says is withheld in front of, between and behind
/// them, in the records and in one of them.
fn list(records: usize, hidden: [usize; 3]) -> String {
    let secret = |length: usize| "s".repeat(length);
    let record = |index: usize| {
        let own = if index == records / 2 { hidden[1] } else { 20 };
        format!(
            r#"{{"id":"record-{index:05}","name":"as it is {index}","code":"{}","owner":{{"email":"ana{index}@example.com"}}}}"#,
            secret(own)
        )
    };
    let records: Vec<String> = (0..records).map(record).collect();
    let (front, behind) = (secret(hidden[0]), secret(hidden[2]));
    format!(r#"{{"total":"{front}","items":[{}],"more":"{behind}","next":"/list?page=2"}}"#, records.join(","))
}

/// What is withheld in twins: some of a byte more, of whole parts more, beyond the hold window and far beyond it.
const HIDDEN: [[usize; 3]; 5] = [[1, 20, 1], [1, 4_000, 1], [5_000, 20, 4_095], [1, 40_000, 1], [16_384, 21, 2]];

/// The list's policy with a budget that counts whose records leave, of which there is room for all.
fn counted(head: HeadMode) -> Result<String, String> {
    let mut policy: Value = serde_json::from_str(&streams::list_policy(32 << 10, head)?).map_err(|f| f.to_string())?;
    policy["shapes"]["record"]["$.id"]["subject"] = json!("record");
    policy["routes"]["list"]["max_records"] = json!({"at": "$.items[*]", "max": 1000, "over": "truncate"});
    policy["budgets"] = json!({"day": {
        "areas": ["list"], "count": {"distinct": "record"}, "per": "365d", "max": 1_000_000, "steps": {"90%": "mask"},
    }});
    Ok(policy.to_string())
}

/// Bodies in parts with pauses between them, of which as much can be seen: within the hold window and beyond it, by a caller
/// that sees them as they are and by callers for whom forms change them.
fn parts(world: &World, head: HeadMode) -> Result<(), String> {
    let policy = counted(head)?;
    let envoy = streams::start(world, &policy, 32 << 10, head)?;
    let mut tally = Tally::default();
    // Whoever is new to the budget is counted before anything is compared.
    let any = carriages(head)[0];
    for body in [list(300, HIDDEN[0]), r#"{"items":[{"id":1},{"id":2}]}"#.to_owned()] {
        let row = streams::list("warm", "list.show").answers(200, body);
        world.play(&envoy, &row, any, script(&row, any, Twin::First, WHOLE));
    }
    for (records, part) in [(3, 4_096), (12, 1_000), (40, 4_000), (160, 4_096), (220, 16_000), (300, 8_192)] {
        for scope in streams::SCOPES {
            let rows = HIDDEN.map(|hidden| streams::list("in parts", scope).answers(200, list(records, hidden)));
            let carriages = carriages(head);
            let asked = carriages.iter().flat_map(|carriage| {
                rows.each_ref().map(|row| (row, *carriage, script(row, *carriage, Twin::First, part)))
            });
            let told = world.tell_all(&envoy, asked.collect())?;
            for (carriage, told) in carriages.iter().zip(told.chunks(rows.len())) {
                let is_whole = |told: &&Told| (told.answer.status, told.answer.end) == (200, End::Complete);
                if let Some(wrong) = told.iter().find(|told| !is_whole(told)) {
                    return Err(format!("{records} records {scope} {carriage:?}: {}", world::shown(&wrong.answer)));
                }
                for (hidden, other) in HIDDEN.iter().zip(told).skip(1) {
                    let what = format!("{records} records {scope} in parts of {part}, {hidden:?} withheld");
                    tally.compare(&what, *carriage, Differ::Length, &told[0], other);
                }
            }
        }
    }
    // What forms make many times as long, in frames: whatever may be written, its length is said.
    for (scope, ids, hidden) in [("list.link", 300, [0, 1, 3_999]), ("list.mask", 900, [0, 100, 3_000])] {
        let ids = vec![r#"{"id":1}"#; ids].join(",");
        let body = |hidden: usize| format!(r#"{{"items":[{ids},{{"id":2,"code":"{}"}}]}}"#, "s".repeat(hidden));
        let rows = hidden.map(|hidden| streams::list("grows", scope).answers(200, body(hidden)));
        let in_frames = |carriage: &&Carriage| carriage.upstream == Protocol::Http2;
        let carriages = carriages(head);
        let carriages: Vec<&Carriage> = carriages.iter().filter(in_frames).collect();
        let asked = carriages.iter().flat_map(|carriage| {
            rows.each_ref().map(|row| (row, **carriage, script(row, **carriage, Twin::First, 2_000)))
        });
        let told = world.tell_all(&envoy, asked.collect())?;
        for (carriage, told) in carriages.iter().zip(told.chunks(rows.len())) {
            for other in &told[1..] {
                tally.compare(&format!("growing {scope}"), **carriage, Differ::Length, &told[0], other);
            }
        }
    }
    if tally.pairs < 800 || tally.recorded < tally.pairs {
        return Err(format!("only {} pairs, {} of them with records", tally.pairs, tally.recorded));
    }
    tally.conclude(&format!("twins in parts, head {}", head.word()))
}

/// Pairs of bodies that are one to the caller.
fn shapes(world: &World, head: HeadMode) -> Result<(), String> {
    let long = |length| format!(r#"{{"name":"lamp","code":"{}"}}"#, "s".repeat(length));
    let names = |count| {
        let names: Vec<_> = (0..count).map(|index| format!(r#""n{index}":{index}"#)).collect();
        format!(r#"{{"name":"lamp","extra":{{{}}}}}"#, names.join(","))
    };
    let one = |body: &str| ("/things/1", body.to_owned());
    let many = |body: &str| ("/things", body.to_owned());
    let lamp = || one(r#"{"name":"lamp"}"#);
    let pairs = [
        ("there or not", lamp(), one(r#"{"code":"s","name":"lamp"}"#)),
        ("null or not", lamp(), one(r#"{"code":null,"name":"lamp"}"#)),
        ("a scalar or an array", one(r#"{"code":1,"name":"lamp"}"#), one(r#"{"code":[1,[2]],"name":"lamp"}"#)),
        ("a scalar or an object", one(r#"{"code":1,"name":"lamp"}"#), one(r#"{"code":{"a":{}},"name":"lamp"}"#)),
        ("short or long", one(&long(1)), one(&long(9_000))),
        ("one name or many", one(&names(1)), one(&names(700))),
        (
            "another e-mail behind the mask",
            one(r#"{"owner":{"email":"ana@example.com"}}"#),
            one(r#"{"owner":{"email":"antoinette.de.la.tour@example.com"}}"#),
        ),
        (
            "another text behind the blank",
            one(r#"{"owner":{"phone":"1"}}"#),
            one(r#"{"owner":{"phone":"+34 600 123 456 789"}}"#),
        ),
        (
            "rows that are left out",
            many(r#"{"items":[{"name":"a","price":1}]}"#),
            many(r#"{"items":[{"name":"s","price":0},{"name":"a","price":1},{"name":"t"}],"total":7}"#),
        ),
        (
            "order of what is withheld",
            one(r#"{"code":"s","name":"lamp","x":1}"#),
            one(r#"{"x":1,"name":"lamp","code":"s"}"#),
        ),
        ("white space", lamp(), one(" { \"name\" :\n\"lamp\" } ")),
    ];
    let mut tally = Tally::default();
    let carriages = carriages(head);
    for (what, (path, first), (_, second)) in &pairs {
        let row = |body: &str| rows::at(what, path).answers(200, body);
        let (first, second) = (row(first), row(second));
        let policy = World::policy_json(&first.policy, head)?;
        for part in [WHOLE, 1_000] {
            world.with_envoy(&policy, head, |envoy| {
                let asked = carriages.iter().flat_map(|carriage| {
                    [&first, &second].map(|row| (row, *carriage, script(row, *carriage, Twin::First, part)))
                });
                let told = world.tell_all(envoy, asked.collect())?;
                for (carriage, told) in carriages.iter().zip(told.chunks(2)) {
                    let what = format!("{what} in parts of {part}");
                    tally.compare(&what, *carriage, Differ::Shape, &told[0], &told[1]);
                }
                Ok::<_, String>(())
            })??;
        }
    }
    let row = |length| rows::thing("far longer").answers(200, long(length));
    let (short, long) = (row(10), row(200_000));
    let policy = World::policy_json(&short.policy, head)?;
    world.with_envoy(&policy, head, |envoy| {
        let asked = carriages.iter().flat_map(|carriage| {
            [&short, &long].map(|row| (row, *carriage, script(row, *carriage, Twin::First, 16_000)))
        });
        let told = world.tell_all(envoy, asked.collect())?;
        for (carriage, told) in carriages.iter().zip(told.chunks(2)) {
            tally.compare("10 or 200,000 bytes", *carriage, Differ::Shape, &told[0], &told[1]);
        }
        Ok::<_, String>(())
    })??;
    tally.conclude(&format!("twins by shape, head {}", head.word()))
}

/// How much longer an answer takes for each withheld byte, with an upstream that sends it at once.
fn time(world: &World) -> Result<(), String> {
    const TURNS: usize = 60;
    for head in HeadMode::ALL {
        let policy = streams::list_policy(32 << 10, head)?;
        let envoy = streams::start(world, &policy, 32 << 10, head)?;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let carriage = Carriage { head, framing: Framing::Length, upstream: protocol, downstream: protocol };
            let lengths = [0, 1_000, 10_000, 100_000];
            let rows = lengths.map(|hidden| streams::list("time", "list.show").answers(200, list(10, [hidden, 20, 1])));
            let mut took: [Vec<Duration>; 4] = Default::default();
            for _ in 0..TURNS {
                for (row, took) in rows.iter().zip(&mut took) {
                    let begun = Instant::now();
                    let (answer, _) = world.play(&envoy, row, carriage, script(row, carriage, Twin::First, WHOLE));
                    took.push(begun.elapsed());
                    if answer.status != 200 {
                        return Err(world::shown(&answer));
                    }
                }
            }
            let median = took.map(|mut took| {
                took.sort_unstable();
                took[TURNS / 2].as_micros()
            });
            println!("{protocol:?}, head {}: withheld {lengths:?} bytes, median {median:?} us", head.word());
        }
    }
    Ok(())
}
