//! A hostile upstream, drawn from a seed: documents sound and broken, framed in every way and in ways that are none, for many
//! callers mixed on the connections of HTTP/2, some of whom leave in the middle.
//!
//! Whatever is drawn: no marker of what is withheld arrives, no byte of another caller's answer, nothing hangs, Envoy lives,
//! what is sound arrives as the native core answers it, and twins that differ in what is withheld cannot be told apart.
//! `SIEGE_RESPONSES` is how many (600), `FIELDGATE_SEED` repeats them.

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fieldgate::exchange::Answer as Native;
use fieldgate::program::Program;

use super::streams::{self, Test};
use super::support::client::{self, Answer, End, Protocol, Request};
use super::support::envoy::Envoy;
use super::support::row::{Carriage, Framing, HeadMode, Policy, Row};
use super::support::upstream::{Frame, Script, Step};
use super::twins;
use super::world::{self, World};

/// How many are asked for at once.
const BATCH: usize = 48;

/// What every withheld value begins with: no answer may hold it. A pseudonym cannot: it has no 0 and no 9.
const MARK: &str = "mrk90x";

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    vec![
        ("no answer of a hostile upstream leaks, hangs, crashes or tells twins apart".to_owned(), Box::new(siege)),
        (
            "the core leaks nothing of what a hostile upstream draws".to_owned(),
            Box::new(|world: &World| native(world.seed)),
        ),
    ]
}

/// Numbers that a seed chooses (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % most.max(1)
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What is drawn for one request.
struct Shot {
    row: Row,
    carriage: Carriage,
    script: Script,
    way: Way,
    expect: Expect,
    /// What the caller may see of its own answer begins with this.
    own: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// On a connection of its own, of which every byte is kept.
    Alone,
    /// On a connection of HTTP/2 with others.
    Shared,
    /// Gone after so many microseconds.
    Leaves(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// What the native core answers; where that refuses, a refusal or a cut.
    AsNative,
    /// It and the next are twins.
    Twin,
    /// Anything that holds no marker: the framing or the head is broken.
    Anything,
}

#[derive(Default)]
struct Tally {
    responses: usize,
    sound: usize,
    cut: usize,
    left: usize,
    pairs: usize,
    markers: usize,
    wrong_views: usize,
    twins: usize,
    unsound: usize,
    hangs: usize,
    found: String,
}

impl Tally {
    fn note(&mut self, which: fn(&mut Self) -> &mut usize, shot: &Shot, answer: &Answer) {
        *which(self) += 1;
        if self.found.len() < 8_000 {
            let length = shot.row.upstream.body.len();
            let _ = writeln!(
                self.found,
                "{} {:?} {:?} {:?} {length} bytes: {}",
                shot.row.claim,
                shot.carriage,
                shot.way,
                shot.expect,
                world::shown(answer)
            );
        }
    }
}

/// A list for the caller `own`; what is withheld is as long as `hide` says for each place.
fn document(dice: &mut Dice, own: &str, mut hide: impl FnMut(usize) -> usize) -> Vec<u8> {
    let records = match dice.below(12) {
        0 => 0,
        1..=6 => dice.below(8),
        7..=9 => dice.below(80),
        _ => dice.below(320),
    };
    let mut place = 0;
    let mut secret = || {
        place += 1;
        format!("{MARK}{}", "s".repeat(hide(place)))
    };
    let space = dice.pick(&["", "", " ", "\n", " \t\r\n "]);
    let mut body = format!("{space}{{\"total\":\"{}\",{space}\"items\":[", secret());
    for index in 0..records {
        let comma = if index == 0 { "" } else { "," };
        let (id, text, code) = (dice.below(100_000), "y".repeat(dice.below(60)), secret());
        let name = dice.pick(&["name", "na\\u006de", "\\u006eame"]);
        let _ = match dice.below(4) {
            0 => write!(body, r#"{comma}{space}{{"code":"{code}","id":"r{id}","{name}":"{own}-{text}"}}"#),
            1 => write!(
                body,
                r#"{comma}{{"{name}":"{own}","x":[{{"{code}":null}},[]],"id":{id},"owner":{{"secret":"{code}","email":"a{id}@example.com"}}}}"#
            ),
            2 => write!(
                body,
                r#"{comma}{{"id":null,"owner":{{"email":"{text}","other":{{"a":"{code}"}}}},"{name}":{space}"{own}"}}"#
            ),
            _ => write!(body, r#"{comma}[{id},"{code}"]"#),
        };
    }
    let _ = write!(body, "],{space}\"more\":{{\"{}\":1}},\"next\":\"{own}\"}}{space}", secret());
    body.into_bytes()
}

/// Breaks a document, or makes one that costs.
fn broken(dice: &mut Dice, mut body: Vec<u8>) -> Vec<u8> {
    let at = dice.below(body.len());
    match dice.below(12) {
        0 => body.truncate(at),
        1 => body[at] ^= 1 << dice.below(8),
        2 => body.insert(at, dice.pick(b"\0\x01,:{}[]\"\\\x7f\xc3\xff\xed")),
        3 => drop(body.remove(at)),
        4 => body.extend_from_slice(dice.pick(&["x", "{}", "\0", "]", "\u{feff}", "\u{1e}{}"]).as_bytes()),
        5 => body.splice(0..0, dice.pick(&["\u{feff}", ")]}'\n", "\u{1e}", "/**/", "\0"]).bytes()).for_each(drop),
        6 => {
            body = format!(r#"{{"next":"a","x":{}"{MARK}"{}}}"#, "[".repeat(at % 90), "]".repeat(at % 90)).into_bytes()
        }
        7 => body = format!(r#"{{"items":[{{"id":1,"code":"{MARK}","i\u0064":2}}]}}"#).into_bytes(),
        8 => body = format!(r#"{{"{MARK}{}":1,"next":"a"}}"#, "n".repeat(60_000 + at)).into_bytes(),
        9 => body = format!(r#"{{"code":"\ud800{MARK}","items":[{}]}}"#, "{},".repeat(at)).into_bytes(),
        10 => body = format!("{}{}", " ".repeat(at * 20), String::from_utf8_lossy(&body)).into_bytes(),
        _ => body = format!(r#"{{"items":[{}{{}}],"code":"{MARK}"}}"#, "{},".repeat(at)).into_bytes(),
    }
    body
}

/// A head or a framing that is odd or none.
fn odd(dice: &mut Dice, row: &Row) -> Vec<Step> {
    let body = String::from_utf8_lossy(&row.upstream.body).into_owned();
    let (length, half) = (body.len(), body.len() / 2);
    let json = "content-type: application/json\r\n";
    let second = format!("HTTP/1.1 200 OK\r\n{json}content-length: 7\r\n\r\n\"{MARK}00\"");
    let chunk = |size: &str, body: &str| format!("{size}\r\n{body}\r\n");
    let text = match dice.below(20) {
        0 => format!("HTTP/1.1 200 OK\r\n{json}content-length: {}\r\n\r\n{body}", length + 9),
        1 => format!("HTTP/1.1 200 OK\r\n{json}content-length: {half}\r\n\r\n{body}{second}"),
        2 => format!("HTTP/1.1 200 OK\r\n{json}content-length: {length}\r\ncontent-length: {half}\r\n\r\n{body}"),
        3 => format!("HTTP/1.1 200 OK\r\n{json}content-length: {half}\r\ntransfer-encoding: chunked\r\n\r\n{body}"),
        4 => format!(
            "HTTP/1.1 200 OK\r\n{json}transfer-encoding: chunked\r\n\r\n{}0\r\nx: {MARK}\r\n\r\n{second}",
            chunk(&format!("{length:x};a={MARK}"), &body)
        ),
        5 => format!(
            "HTTP/1.1 200 OK\r\n{json}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
            chunk("fffffffffffffffff", &body)
        ),
        6 => format!(
            "HTTP/1.1 200 OK\r\n{json}transfer-encoding: chunked\r\n\r\n{}",
            chunk(&format!("{:x}", length + 3), &body)
        ),
        7 => format!(
            "HTTP/1.1 200 OK\r\n{json}transfer-encoding: gzip, chunked\r\n\r\n{}0\r\n\r\n",
            chunk(&format!("{length:x}"), &body)
        ),
        8 => format!("HTTP/1.0 200 OK\r\n{json}\r\n{body}"),
        9 => format!("HTTP/1.1 200 OK\r\n{json}\r\n{body}"),
        10 => format!(
            "HTTP/1.1 103 Early Hints\r\nlink: <{MARK}>\r\n\r\nHTTP/1.1 200 OK\r\n{json}content-length: {length}\r\n\r\n{body}"
        ),
        11 => format!("HTTP/1.1 200 OK\n{json}content-length: {length}\n\n{body}"),
        12 => format!("HTTP/1.1 {} Odd\r\n{json}content-length: {length}\r\n\r\n{body}", 200 + dice.below(400)),
        13 => format!(
            "HTTP/1.1 200 OK\r\n{json}content-encoding: {}\r\ncontent-length: {length}\r\n\r\n{body}",
            dice.pick(&["gzip", "br", "identity, gzip", "zstd", "", "x"])
        ),
        14 => format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {length}\r\n\r\n{body}",
            dice.pick(&[
                "text/html",
                "text/csv",
                "application/cbor",
                "text/event-stream",
                "multipart/mixed",
                "application/json-seq",
                "x",
                ""
            ])
        ),
        15 => format!(
            "HTTP/1.1 200 OK\r\n{json}x-{MARK}: {MARK}\r\nset-cookie: a={MARK}\r\netag: {MARK}\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
        16 => format!(
            "HTTP/1.1 200 OK\r\n{json}x-long: {MARK}{}\r\ncontent-length: {length}\r\n\r\n{body}",
            "h".repeat(dice.below(70_000))
        ),
        17 => format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: {MARK}\r\nconnection: upgrade\r\n\r\n{body}"),
        18 => format!("HTTP/1.1 204 No Content\r\n\r\n{body}"),
        _ => format!("HTTP/2.0 200 OK {MARK}\r\n\r\n{body}"),
    };
    let mut bytes = text.into_bytes();
    let cut = dice.below(bytes.len());
    let rest = bytes.split_off(cut);
    let end = if dice.one_in(3) { Step::Abort } else { Step::Close };
    vec![Step::Bytes(bytes), Step::Pause(Duration::from_millis(1)), Step::Bytes(rest), end]
}

/// Draws what one request is answered with: one shot, or twins.
fn draw(dice: &mut Dice, number: &mut usize, head: HeadMode) -> Vec<Shot> {
    *number += 1;
    let own = format!("v{number}-{number}v");
    let scope = dice.pick(&streams::SCOPES);
    let (upstream, downstream) =
        (dice.pick(&[Protocol::Http1, Protocol::Http2]), dice.pick(&[Protocol::Http1, Protocol::Http2]));
    let framing = dice.pick(&Framing::ALL);
    let carriage = Carriage { head, framing, upstream, downstream };
    let part = dice.pick(&[1 << 30, 1 << 30, 700, 4_096, 8_192, 16_384, 50_000]);
    let pause = dice.pick(&[0, 0, 300, 1_500]);
    let way = match (dice.below(8), downstream) {
        (0, _) => Way::Leaves(dice.below(4_000) as u64),
        (1..=4, Protocol::Http2) => Way::Shared,
        _ => Way::Alone,
    };
    let row = |body: Vec<u8>| streams::list("siege", scope).answers(200, body);
    let scripted = |row: &Row| {
        let trailers = [("x-trailer".to_owned(), MARK.as_bytes().to_vec())];
        let script = row.upstream.script(framing, &trailers, false, |left| left.min(part));
        if pause == 0 { script } else { script.paused(Duration::from_micros(pause)) }
    };
    let kind = dice.below(10);
    if kind < 3 {
        let longer = dice.pick(&[1, 700, 3_999, 4_096, 20_000, 60_000]);
        let which = dice.below(12) + 1;
        let twin =
            |dice: &mut Dice, more: usize| document(dice, &own, |place| if place == which { 1 + more } else { 5 });
        // Both are drawn from the same numbers.
        let seed = dice.0;
        let bodies = [twin(dice, 0), twin(&mut Dice(seed), longer)];
        let shots = bodies.map(|body| {
            let row = row(body);
            let script = scripted(&row);
            Shot { row, carriage, script, way: Way::Alone, expect: Expect::Twin, own: own.clone() }
        });
        return shots.into();
    }
    let lengths = dice.0 | 1;
    let mut body = document(dice, &own, |place| (usize::try_from(lengths % 97).unwrap_or(0) * place) % 400);
    if kind < 6 {
        body = broken(dice, body);
    }
    let mut row = row(body);
    if dice.one_in(6) {
        row.upstream.status = dice.pick(&[200, 201, 203, 299, 400, 401, 404, 409, 429, 500, 503, 599, 302]);
    }
    let (mut script, mut expect) = (scripted(&row), Expect::AsNative);
    if kind >= 8 {
        expect = Expect::Anything;
        match upstream {
            Protocol::Http1 => script.http1 = odd(dice, &row),
            Protocol::Http2 => {
                // Cut in the middle, or reset; or with frames that hold nothing.
                let at = 1 + dice.below(script.http2.len());
                script.http2.truncate(at);
                if dice.one_in(2) {
                    let empty = Frame::Data { bytes: Vec::new(), last: false };
                    script.http2.extend(std::iter::repeat_n(empty, dice.below(5)).filter(|_| at > 1));
                }
                let ended = script
                    .http2
                    .iter()
                    .any(|frame| matches!(frame, Frame::Data { last: true, .. } | Frame::Trailers(_)));
                if !ended {
                    script.http2.push(Frame::Reset);
                }
            }
        }
    }
    vec![Shot { row, carriage, script, way, expect, own }]
}

fn siege(world: &World) -> Result<(), String> {
    let wanted = std::env::var("SIEGE_RESPONSES").ok().and_then(|text| text.parse().ok()).unwrap_or(600_usize);
    let mut dice = Dice(world.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut tally = Tally::default();
    let mut number = 0;
    let begun = Instant::now();
    let mut places = Vec::new();
    for head in HeadMode::ALL {
        let policy = World::policy_json(&Policy::Text(streams::LIST), head)?;
        places.push((head, world::compile(&policy)?, streams::start(world, &policy, 32 << 10, head)?));
    }
    while tally.responses < wanted {
        for (head, program, envoy) in &mut places {
            let mut shots = Vec::new();
            while shots.len() < BATCH {
                shots.extend(draw(&mut dice, &mut number, *head));
            }
            let answers = fire(world, envoy, &shots);
            judge(program, &shots, &answers, &mut tally);
            if !envoy.is_running() {
                return Err(format!("Envoy has ended; seed {}\n{}", world.seed, tally.found));
            }
        }
    }
    println!(
        "siege of {:.0} s, seed {}: {} responses, {} sound and whole, {} refused or cut, {} callers left; {} twin pairs; \
         markers leaked: {}, wrong views: {}, twins told apart: {}, sound but not whole: {}, hangs: {}, crashes: 0",
        begun.elapsed().as_secs_f32(),
        world.seed,
        tally.responses,
        tally.sound,
        tally.cut,
        tally.left,
        tally.pairs,
        tally.markers,
        tally.wrong_views,
        tally.twins,
        tally.unsound,
        tally.hangs
    );
    let wrong = tally.markers + tally.wrong_views + tally.twins + tally.unsound + tally.hangs;
    for (_, _, envoy) in &places {
        if envoy.log().contains(MARK) {
            return Err("a marker in the log".to_owned());
        }
    }
    if wrong == 0 { Ok(()) } else { Err(tally.found) }
}

/// Asks for all at once; `None` for who left.
fn fire(world: &World, envoy: &Envoy, shots: &[Shot]) -> Vec<Option<Answer>> {
    let mut ids = Vec::new();
    let mut tasks = Vec::new();
    let mut shared: [Vec<(usize, Request)>; 2] = Default::default();
    for (index, shot) in shots.iter().enumerate() {
        let id = world.number().to_string();
        world.upstream.play(&id, shot.script.clone());
        let request = world.request(&shot.row, &id);
        ids.push(id);
        let (address, protocol) = (world::listener(envoy, shot.carriage), shot.carriage.downstream);
        match shot.way {
            Way::Shared => shared[usize::from(shot.carriage.upstream == Protocol::Http2)].push((index, request)),
            Way::Alone => tasks.push((
                index,
                world.runtime.spawn(async move { Some(client::ask(address, protocol, &request).await) }),
            )),
            Way::Leaves(after) => tasks.push((
                index,
                world.runtime.spawn(async move {
                    let asked = client::ask(address, protocol, &request);
                    tokio::time::timeout(Duration::from_micros(after), asked).await.ok()
                }),
            )),
        }
    }
    let mut answers: Vec<Option<Answer>> = shots.iter().map(|_| None).collect();
    world.runtime.block_on(async {
        for (upstream, together) in [Protocol::Http1, Protocol::Http2].into_iter().zip(shared) {
            let Some((first, _)) = together.first() else { continue };
            let carriage = Carriage { upstream, ..shots[*first].carriage };
            let (indexes, requests): (Vec<usize>, Vec<Request>) = together.into_iter().unzip();
            let all = client::ask_together(world::listener(envoy, carriage), requests).await;
            for (index, answer) in indexes.into_iter().zip(all) {
                answers[index] = Some(answer);
            }
        }
        for (index, task) in tasks {
            answers[index] = task.await.unwrap();
        }
    });
    for id in ids {
        world.upstream.forget(&id);
    }
    answers
}

fn judge(program: &Rc<Program>, shots: &[Shot], answers: &[Option<Answer>], tally: &mut Tally) {
    let mut before: Option<(&Shot, &Answer)> = None;
    for (shot, answer) in shots.iter().zip(answers) {
        tally.responses += 1;
        let Some(answer) = answer else {
            tally.left += 1;
            continue;
        };
        let everything = answer.everything();
        if everything.windows(MARK.len()).any(|bytes| bytes == MARK.as_bytes()) {
            tally.note(|tally| &mut tally.markers, shot, answer);
        }
        if is_anothers(&answer.body, &shot.own) {
            tally.note(|tally| &mut tally.wrong_views, shot, answer);
        }
        if answer.end == End::Hung {
            tally.note(|tally| &mut tally.hangs, shot, answer);
        }
        if shot.expect != Expect::Anything {
            let native = world::respond(program, &shot.row);
            match sound(&native, shot, answer) {
                Sound::Whole => tally.sound += 1,
                Sound::Refused => tally.cut += 1,
                Sound::Wrong => tally.note(|tally| &mut tally.unsound, shot, answer),
            }
        }
        if shot.expect == Expect::Twin {
            match before.take() {
                None => before = Some((shot, answer)),
                Some((_, first)) => {
                    tally.pairs += 1;
                    // Longer bodies go in blocks, and several of those may end in one part.
                    let is_told = !twins::are_one(first, answer, shot.carriage) && answer.body.len() < 64 << 10;
                    if is_told {
                        tally.note(|tally| &mut tally.twins, shot, answer);
                    }
                }
            }
        }
    }
}

/// Whether there is in a body what another caller may see: the number of another, twice, so that a bit that was turned over in
/// one's own is not taken for it.
fn is_anothers(body: &[u8], own: &str) -> bool {
    let text = String::from_utf8_lossy(body);
    let mut parts = text.split('"').filter_map(|part| part.strip_prefix('v')?.split_once('v'));
    parts.any(|(tag, _)| tag.split_once('-').is_some_and(|(one, other)| one == other && format!("v{tag}v") != own))
}

enum Sound {
    Whole,
    Refused,
    Wrong,
}

fn sound(native: &Native, shot: &Shot, answer: &Answer) -> Sound {
    if answer.fault.is_some() {
        return Sound::Wrong;
    }
    if native.report.refusal.is_some() {
        let is_refused = answer.end == End::Cut || (answer.end == End::Complete && answer.status == native.status);
        return if is_refused { Sound::Refused } else { Sound::Wrong };
    }
    let is_whole = answer.end == End::Complete && answer.status == native.status && answer.body == native.body;
    // An error that turns out to be none when its beginning has gone is cut.
    let is_error = shot.row.upstream.status >= 300 && answer.end == End::Cut && native.body.is_empty();
    if is_whole || is_error { Sound::Whole } else { Sound::Wrong }
}

/// What the native core makes of the same draw, without Envoy.
pub(crate) fn native(seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut number, mut tally, mut answers) = (0, (0, 0, 0), 0);
    for head in HeadMode::ALL {
        let program = world::compile(&World::policy_json(&Policy::Text(streams::LIST), head)?)?;
        for _ in 0..600 {
            for shot in draw(&mut dice, &mut number, head) {
                let native = world::respond(&program, &shot.row);
                let text = String::from_utf8_lossy(&native.body).into_owned();
                answers += 1;
                tally.0 += usize::from(text.contains("mrk"));
                tally.1 += usize::from(text.contains(MARK));
                tally.2 += text.matches("ps_").count();
            }
        }
    }
    println!("{answers} answers, {} with mrk, {} with the mark, {} pseudonyms", tally.0, tally.1, tally.2);
    if tally.1 == 0 { Ok(()) } else { Err("a mark".to_owned()) }
}
