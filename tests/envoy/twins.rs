//! Two upstreams that differ only in what is withheld look the same to the client: status, headers, body, framing.

use std::collections::BTreeSet;

use super::rows;
use super::streams::Test;
use super::support::client::{Answer, End, Protocol};
use super::support::envoy::Envoy;
use super::support::marker::{DIGITS, TEXT};
use super::support::row::{Carriage, Expected, Framing, HeadMode, Row};
use super::world::{self, World};

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    let mut tests: Vec<(String, Test)> = Vec::new();
    for head in HeadMode::ALL {
        tests.push((
            format!("no caller can tell two withheld values apart, head {}", head.word()),
            Box::new(move |world| values(world, head)),
        ));
        tests.push((
            format!("no caller can tell what stands where something is withheld, head {}", head.word()),
            Box::new(move |world| shapes(world, head)),
        ));
    }
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

/// Asks for a row whose body comes in one piece, with the withheld places filled.
fn ask(world: &World, envoy: &Envoy, row: &Row, carriage: Carriage, twin: Twin) -> Answer {
    let mut upstream = row.upstream.clone();
    upstream.body = twin.fill(&upstream.body);
    for (_, value) in &mut upstream.fields {
        *value = twin.fill(value);
    }
    let trailers = [("x-trailer".to_owned(), twin.fill(b"@@"))];
    let script = upstream.script(carriage.framing, &trailers, row.is_bodiless(), |left| left);
    world.play(envoy, row, carriage, script).0
}

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
        if head[3] == 0 {
            frames.push([&head[3..5], payload].concat());
        }
        wire = rest;
    }
    frames
}

/// The carriages that a twin's rows take: every framing, each protocol on both sides.
fn carriages(head: HeadMode) -> impl Iterator<Item = Carriage> {
    Carriage::all().filter(move |carriage| carriage.head == head && carriage.upstream == carriage.downstream)
}

#[derive(Default)]
struct Tally {
    pairs: u32,
    /// Pairs that were cut into other chunks or frames.
    cut: u32,
    where_cut: BTreeSet<String>,
    differing: Vec<String>,
}

impl Tally {
    fn compare(&mut self, what: &str, carriage: Carriage, one: &Answer, other: &Answer) {
        let (first, second) = (transcript(one, carriage), transcript(other, carriage));
        self.pairs += 1;
        if first.said != second.said {
            self.differing.push(format!("{what} {carriage:?}\n  {}\n  {}", world::shown(one), world::shown(other)));
        } else if first.cut != second.cut {
            self.cut += 1;
            self.where_cut.insert(format!("{:?}/{:?}: {what}", carriage.framing, carriage.downstream));
        }
    }

    fn conclude(self, what: &str) -> Result<(), String> {
        println!("{what}: {} pairs, {} cut into other chunks or frames {:?}", self.pairs, self.cut, self.where_cut);
        if self.differing.is_empty() { Ok(()) } else { Err(self.differing.join("\n")) }
    }
}

fn values(world: &World, head: HeadMode) -> Result<(), String> {
    let mut tally = Tally::default();
    for row in rows::of_any_length() {
        if matches!(row.expected, Expected::Untouched) {
            continue;
        }
        let policy = World::policy_json(&row.policy, head)?;
        world.with_envoy(&policy, head, |envoy| {
            for carriage in carriages(head) {
                let first = ask(world, envoy, &row, carriage, Twin::First);
                for twin in [Twin::Second, Twin::Longer] {
                    tally.compare(&row.claim, carriage, &first, &ask(world, envoy, &row, carriage, twin));
                }
            }
        })?;
    }
    tally.conclude(&format!("twins by value, head {}", head.word()))
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
    for (what, (path, first), (_, second)) in &pairs {
        let row = |body: &str| rows::at(what, path).answers(200, body);
        let policy = World::policy_json(&row("").policy, head)?;
        world.with_envoy(&policy, head, |envoy| {
            for carriage in Carriage::all().filter(|carriage| carriage.head == head) {
                let answers = [first, second].map(|body| ask(world, envoy, &row(body), carriage, Twin::First));
                tally.compare(what, carriage, &answers[0], &answers[1]);
            }
        })?;
    }
    // Beyond the hold window the body streams: what it says is the same, when and in how many parts is not.
    let row = |length| rows::thing("far longer").answers(200, long(length));
    let policy = World::policy_json(&row(1).policy, head)?;
    world.with_envoy(&policy, head, |envoy| {
        for carriage in carriages(head).filter(|carriage| carriage.framing != Framing::Trailers) {
            let answers = [10, 200_000].map(|length| ask(world, envoy, &row(length), carriage, Twin::First));
            tally.compare("10 or 200,000 bytes", carriage, &answers[0], &answers[1]);
        }
    })?;
    tally.conclude(&format!("twins by shape, head {}", head.word()))
}
