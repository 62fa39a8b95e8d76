//! A hostile upstream, drawn from a seed: documents sound and broken, framed in every way and in ways that are none, for many
//! callers mixed on the connections of HTTP/2, some of whom leave in the middle.
//!
//! Whatever is drawn: no marker of what is withheld arrives, no byte of another caller's answer, nothing hangs, Envoy lives,
//! what is sound arrives as the native core answers it, and twins that differ in what is withheld cannot be told apart.
//! `SIEGE_RESPONSES` is how many (600), `FIELDGATE_SEED` repeats them.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fieldgate::exchange::Answer as Native;
use fieldgate::program::Program;
use tokio::task::JoinHandle;

use super::attacks;
use super::streams::{self, Test};
use super::support::client::{self, Answer, End, Kept, Protocol, Request};
use super::support::envoy::Envoy;
use super::support::marker::Markers;
use super::support::row::{Carriage, Expected, Framing, HeadMode, Policy, Row, Upstream};
use super::support::upstream::{Frame, Script, Step};
use super::twins;
use super::world::{self, Fetched, World};

/// How many are asked for at once, and how many such batches are under way.
const BATCH: usize = 40;
const BATCHES: usize = 4;

/// What every withheld value begins with: no answer may hold it. A pseudonym cannot: it has no 0 and no 9.
const MARK: &str = "mrk90x";

/// A list, the same list with its rows chosen by a filter, and what has names that nobody knows.
const SIEGE: &str = r"
language: 1
policy: siege
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
defaults: {unmatched_route: reject, other_content: reject, errors: {show: [title, status]}}
limits: {body: 1GiB}
classes:
  plain:  {about: Anybody may know it}
  key:    {about: Links records, blank: '-'}
  secret: {about: Granted to nobody}
shapes:
  record:
    $.id:           {class: key, mask: {last: 2}, pseudonym: record}
    $.name:         plain
    $.owner.email:  {class: key, mask: email, pseudonym: email}
    $.owner.secret: secret
    $.code:         secret
routes:
  list:
    match: GET /list
    area: list
    body: {'$.items[*]': {shape: record}, $.next: plain}
  rows:
    match: GET /rows
    area: list
    rows: '$.items[?@.name]'
    body: {'$.items[*]': {shape: record}, $.next: plain}
  maps:
    match: GET /maps
    area: list
    body:
      $.people.*: {shape: record}
      $.open..*: plain
      $.marks[?@.kind == 'public'].text: plain
      $.next: plain
scopes:
  list.show: {areas: [list], grant: {plain: show, key: show}}
  list.mask: {areas: [list], grant: {plain: show, key: mask}}
  list.link: {areas: [list], grant: {plain: show, key: pseudonym}}
";

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
    /// On a connection that others had before.
    Kept,
    /// On a connection of HTTP/1 with others, asked before they are answered.
    InARow,
    /// On a connection of HTTP/2 with others; gone after so many microseconds, where it says so.
    Shared(Option<u64>),
    /// Gone after so many microseconds, with its connection.
    Leaves(u64),
}

#[derive(Debug, Clone)]
enum Expect {
    /// What the native core answers; where that refuses, a refusal or a cut.
    AsNative,
    /// It and the next are twins.
    Twin,
    /// Anything that holds no marker: the framing or the head is broken.
    Anything,
    /// What a row of the attacks says, with these markers in this response.
    Row(Box<(Markers, Upstream)>),
}

#[derive(Default)]
struct Tally {
    responses: usize,
    sound: usize,
    cut: usize,
    left: usize,
    lost: usize,
    rows: usize,
    pairs: usize,
    markers: usize,
    wrong_views: usize,
    twins: usize,
    unsound: usize,
    hangs: usize,
    found: String,
}

impl Tally {
    fn note(&mut self, which: fn(&mut Self) -> &mut usize, shot: &Shot, what: &str) {
        *which(self) += 1;
        if self.found.len() < 8_000 {
            let length = shot.row.upstream.body.len();
            let what: String = what.chars().take(2_000).collect();
            let _ = writeln!(
                self.found,
                "{} {} {:?} {:?} {length} bytes: {what}",
                shot.row.claim, shot.row.request.path, shot.carriage, shot.way,
            );
        }
    }
}

/// A list for the caller `own`, or what has names of its own; what is withheld is as long as `hide` says for each place.
fn document(dice: &mut Dice, path: &str, own: &str, mut hide: impl FnMut(usize) -> usize) -> Vec<u8> {
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
    let is_map = path == "/maps";
    let open = if is_map { "\"people\":{" } else { "\"items\":[" };
    let mut body = format!("{space}{{\"total\":\"{}\",{space}{open}", secret());
    for index in 0..records {
        let comma = if index == 0 { "" } else { "," };
        let (id, text, code) = (dice.below(100_000), "y".repeat(dice.below(60)), secret());
        let name = dice.pick(&["name", "na\\u006de", "\\u006eame"]);
        let record = match dice.below(4) {
            0 => format!(r#"{space}{{"code":"{code}","id":"r{id}","{name}":"{own}-{text}"}}"#),
            1 => format!(
                r#"{{"{name}":"{own}","x":[{{"{code}":null}},[]],"id":{id},"owner":{{"secret":"{code}","email":"a{id}@example.com"}}}}"#
            ),
            2 => format!(
                r#"{{"id":null,"owner":{{"email":"{text}","other":{{"a":"{code}"}}}},"{name}":{space}"{own}"}}"#
            ),
            _ => format!(r#"[{id},"{code}"]"#),
        };
        let _ = if is_map { write!(body, r#"{comma}"p{index}":{record}"#) } else { write!(body, "{comma}{record}") };
    }
    let close = if is_map { '}' } else { ']' };
    let _ = write!(body, "{close},{space}\"more\":{{\"{}\":1}}", secret());
    if is_map {
        let (kind, text) = (secret(), secret());
        let _ = write!(
            body,
            r#","open":{{"a":["{own}",{space}{{"b":{{"c":null}}}}],"{own}":-0.0}},"marks":[{{"kind":"public","text":"{own}"}},{{"kind":"{kind}","text":"{text}"}},{{"text":"{text}"}}]"#
        );
    }
    let _ = write!(body, ",\"next\":\"{own}\"}}{space}");
    body.into_bytes()
}

/// A document that costs: sound or not.
fn costly(dice: &mut Dice, own: &str) -> Vec<u8> {
    let near = |dice: &mut Dice, length: usize| (length + dice.below(7)).saturating_sub(3);
    let many = |count: usize, of: fn(usize) -> String| (0..count).map(of).collect::<Vec<_>>().join(",");
    match dice.below(9) {
        0 => format!(r#"{{"{}{MARK}":1,"next":"{own}"}}"#, "n".repeat(near(dice, 65_530))),
        1 => format!(r#"{{"code":"{MARK}","next":"{own}{}"}}"#, "v".repeat(near(dice, 65_530))),
        2 => format!(r#"{{"items":[{{"code":"{MARK}{}","name":"{own}"}}]}}"#, "c".repeat(near(dice, 262_120))),
        3 => format!(r#"{{"items":[{}{{"name":"{own}"}}]}}"#, "{},".repeat(200_000)),
        4 => format!(r#"{{"next":"{own}",{}}}"#, many(50_000, |index| format!(r#""n{index}":"{MARK}""#))),
        5 => format!("{}{{\"next\":\"{own}\"}}", " ".repeat(1 << 20)),
        6 => format!(r#"{{"items":[{{"name":"{own}","code":{}"{MARK}"{}}}]}}"#, "[".repeat(60), "]".repeat(60)),
        7 => format!(r#"{{"code":"{MARK}{}","next":"{own}"}}"#, "\\ud83d\\ude00".repeat(20_000)),
        _ => format!(r#"{{"people":{{{}}},"next":"{own}"}}"#, many(5_000, |index| format!(r#""p{index}":{{}}"#))),
    }
    .into_bytes()
}

/// Breaks a document, or makes one that costs.
fn broken(dice: &mut Dice, mut body: Vec<u8>) -> Vec<u8> {
    let at = dice.below(body.len());
    match dice.below(17) {
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
        11 => body = format!(r#"{{"items":[{}{{}}],"code":"{MARK}"}}"#, "{},".repeat(at)).into_bytes(),
        // Twice where names are anybody's, below a filter, and in what is open.
        12 => body = format!(r#"{{"people":{{"p":{{"name":"a"}},"\u0070":{{"code":"{MARK}"}}}}}}"#).into_bytes(),
        13 => body = format!(r#"{{"marks":[{{"kind":"public","kind":"{MARK}","text":"{MARK}"}}]}}"#).into_bytes(),
        14 => body = format!(r#"{{"open":{{"a":{{"b":1,"b":2}}}},"code":"{MARK}"}}"#).into_bytes(),
        15 => {
            let torn = dice.pick(&[
                &b"\xf0\x9f\x98"[..],
                b"\xc0\x80",
                b"\xed\xa0\x80",
                b"\\ud83d",
                b"\\udc00\\ud800",
                b"\xff",
            ]);
            body = [br#"{"next":"a"#, torn, b"\",\"code\":\"", MARK.as_bytes(), b"\"}"].concat();
        }
        _ => {
            let name = dice.pick(&["items", "next", "it\\u0065ms", "people", "open", "marks"]);
            body.pop();
            body.extend_from_slice(format!(r#","{name}":"{MARK}"}}"#).as_bytes());
        }
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

/// Draws how one is asked.
fn draw_way(dice: &mut Dice, downstream: Protocol) -> Way {
    match (dice.below(8), downstream) {
        (0, _) => Way::Leaves(dice.below(4_000) as u64),
        (1, Protocol::Http2) => Way::Shared(Some(dice.below(8_000) as u64)),
        (2..=4, Protocol::Http2) => Way::Shared(None),
        (1 | 2, Protocol::Http1) => Way::InARow,
        (3 | 4, Protocol::Http1) | (5, _) => Way::Kept,
        _ => Way::Alone,
    }
}

fn draw_carriage(dice: &mut Dice, head: HeadMode) -> Carriage {
    let (upstream, downstream) =
        (dice.pick(&[Protocol::Http1, Protocol::Http2]), dice.pick(&[Protocol::Http1, Protocol::Http2]));
    Carriage { head, framing: dice.pick(&Framing::ALL), upstream, downstream }
}

/// Draws what one request is answered with: one shot, or twins.
fn draw(dice: &mut Dice, number: &mut usize, head: HeadMode) -> Vec<Shot> {
    *number += 1;
    let own = format!("v{number}-{number}v");
    let scope = dice.pick(&streams::SCOPES);
    let path = dice.pick(&["/list", "/list", "/rows", "/maps"]);
    let carriage = draw_carriage(dice, head);
    let Carriage { framing, upstream, downstream, .. } = carriage;
    let part = dice.pick(&[1 << 30, 1 << 30, 1 << 30, 700, 4_096, 8_192, 16_384, 50_000]);
    let pause = dice.pick(&[0, 0, 0, 300, 1_500]);
    let way = draw_way(dice, downstream);
    let row = |body: Vec<u8>| Row::get("siege", Policy::Text(SIEGE), path).by("app", scope).answers(200, body);
    let scripted = |row: &Row| {
        let trailers = [("x-trailer".to_owned(), MARK.as_bytes().to_vec())];
        // A short one may come byte for byte.
        let length = row.upstream.body.len();
        let part = if length < 400 && part == 700 { 1 } else { part };
        let script = row.upstream.script(framing, &trailers, false, |left| left.min(part));
        // Not so many pauses that the route's timeout ends it.
        if pause == 0 || length / part > 200 { script } else { script.paused(Duration::from_micros(pause)) }
    };
    let kind = dice.below(10);
    if kind < 3 {
        let longer = dice.pick(&[1, 700, 3_999, 4_096, 20_000, 60_000]);
        let which = dice.below(12) + 1;
        let twin = |dice: &mut Dice, more: usize| {
            document(dice, path, &own, |place| if place == which { 1 + more } else { 5 })
        };
        // Both are drawn from the same numbers.
        let seed = dice.0;
        let bodies = [twin(dice, 0), twin(&mut Dice(seed), longer)];
        let way = if downstream == Protocol::Http1 && dice.one_in(2) { Way::Kept } else { Way::Alone };
        let shots = bodies.map(|body| {
            let row = row(body);
            let script = scripted(&row);
            Shot { row, carriage, script, way, expect: Expect::Twin, own: own.clone() }
        });
        return shots.into();
    }
    let lengths = dice.0 | 1;
    let length = |place: usize| (usize::try_from(lengths % 97).unwrap_or(0) * place) % 400;
    let mut body = document(dice, path, &own, length);
    let mut kind_of = "application/json";
    if kind < 6 {
        body = broken(dice, body);
    } else if kind == 6 && dice.one_in(60) {
        body = costly(dice, &own);
    } else if kind == 7 && dice.one_in(2) {
        // Several texts, one of which may be wrong.
        kind_of = dice.pick(&["application/x-ndjson", "application/jsonl", "application/json-seq"]);
        let open = if kind_of.ends_with("seq") { "\x1e" } else { "" };
        let mut texts = Vec::new();
        for _ in 0..dice.below(6) {
            let mut text = document(dice, path, &own, length);
            text.retain(|byte| !b"\r\n".contains(byte));
            if dice.one_in(8) {
                text = broken(dice, text);
            }
            texts.push([open.as_bytes(), &text, b"\n"].concat());
        }
        body = texts.concat();
    }
    let mut row = row(body).saying("content-type", kind_of);
    if dice.one_in(6) {
        row.upstream.status = dice.pick(&[200, 201, 203, 299, 400, 401, 404, 409, 429, 500, 503, 599, 302]);
    }
    let (mut script, mut expect) = (scripted(&row), Expect::AsNative);
    if kind >= 8 {
        expect = Expect::Anything;
        match upstream {
            Protocol::Http1 => script.http1 = odd(dice, &row),
            Protocol::Http2 => odd_frames(dice, &mut script.http2),
        }
    }
    vec![Shot { row, carriage, script, way, expect, own }]
}

/// Frames that are cut in the middle, or reset, or hold nothing, or have a head that says what is not so.
fn odd_frames(dice: &mut Dice, frames: &mut Vec<Frame>) {
    let at = 1 + dice.below(frames.len());
    let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    match dice.below(6) {
        0 => {
            let hint = Frame::Informational { status: dice.pick(&[100, 102, 103]), fields: vec![field("link", MARK)] };
            frames.insert(0, hint);
            return;
        }
        1 => {
            if let Some(Frame::Head { fields, .. }) = frames.first_mut() {
                // A length that lies, or a head that is too long, is an error of the whole connection to Envoy, and would end
                // what others are sent on it.
                fields.push(match dice.below(6) {
                    1 => field("content-encoding", dice.pick(&["gzip", "br", "identity", "identity, gzip", ""])),
                    2 => field("content-type", dice.pick(&["text/html", "application/cbor", "application/json"])),
                    3 => field("etag", MARK),
                    4 => (format!("x-{MARK}"), vec![0xff, 0x80]),
                    5 => field("x-long", &"h".repeat(dice.below(40_000))),
                    _ => field("content-range", MARK),
                });
            }
            return;
        }
        _ => {}
    }
    frames.truncate(at);
    if dice.one_in(2) {
        let empty = Frame::Data { bytes: Vec::new(), last: false };
        frames.extend(std::iter::repeat_n(empty, dice.below(5)).filter(|_| at > 1));
    }
    let ended = frames.iter().any(|frame| matches!(frame, Frame::Data { last: true, .. } | Frame::Trailers(_)));
    if !ended {
        frames.push(Frame::Reset);
    }
}

/// Draws one of the attacks' rows, in some carriage and cut.
fn draw_row(dice: &mut Dice, rows: &[Row], head: HeadMode) -> Shot {
    let row = rows[dice.below(rows.len())].clone();
    let carriage = draw_carriage(dice, head);
    let mut markers = Markers::default();
    let scripted = row.upstream.marked(&mut markers);
    let trailers = ["x-trailer", "etag", "digest"].map(|name| (name.to_owned(), markers.text().into_bytes()));
    let part = dice.pick(&[1 << 30, 1 << 30, 100, 4_096]);
    let script = scripted.script(carriage.framing, &trailers, row.is_bodiless(), |left| left.min(part));
    let way = if dice.one_in(10) { Way::Leaves(dice.below(4_000) as u64) } else { Way::Alone };
    Shot { row, carriage, script, way, expect: Expect::Row(Box::new((markers, scripted))), own: String::new() }
}

/// A policy with a head mode, and the listeners of the Envoy that has it.
struct Place {
    head: HeadMode,
    program: Rc<Program>,
    /// By the upstream's protocol, HTTP/1 first.
    listeners: [SocketAddr; 2],
    /// What is drawn from here: the attacks' rows, or nothing but the siege's own.
    rows: Vec<Row>,
}

fn listeners(envoy: &Envoy, head: HeadMode) -> [SocketAddr; 2] {
    [Protocol::Http1, Protocol::Http2].map(|upstream| {
        world::listener(envoy, Carriage { head, framing: Framing::Length, upstream, downstream: Protocol::Http1 })
    })
}

fn siege(world: &World) -> Result<(), String> {
    let wanted = std::env::var("SIEGE_RESPONSES").ok().and_then(|text| text.parse().ok()).unwrap_or(600_usize);
    let mut dice = Dice(world.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut tally = Tally::default();
    let mut number = 0;
    let (mut places, mut policies, mut envoys) = (Vec::new(), Vec::new(), Vec::new());
    for head in HeadMode::ALL {
        let policy = World::policy_json(&Policy::Text(SIEGE), head)?;
        let envoy = streams::start(world, &policy, 32 << 10, head)?;
        let program = world::compile(&policy)?;
        places.push(Place { head, program, listeners: listeners(&envoy, head), rows: Vec::new() });
        envoys.push(envoy);
    }
    // Of the attacks' policies those with the most rows: each needs two Envoys.
    let mut by_policy: HashMap<String, Vec<Row>> = HashMap::new();
    for row in attacks::inputs() {
        let policy = format!("{:?}", row.policy);
        by_policy.entry(policy).or_default().push(row);
    }
    let mut by_policy: Vec<Vec<Row>> = by_policy.into_values().collect();
    by_policy.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
    for rows in by_policy.into_iter().take(if wanted < 5_000 { 1 } else { 3 }) {
        for head in HeadMode::ALL {
            let policy = World::policy_json(&rows[0].policy, head)?;
            let listeners = world.with_envoy(&policy, head, |envoy| listeners(envoy, head))?;
            places.push(Place { head, program: world::compile(&policy)?, listeners, rows: rows.clone() });
            policies.push((policy, head));
        }
    }
    let begun = Instant::now();
    let pool = Pool::default();
    let mut under_way: VecDeque<Batch> = VecDeque::new();
    let mut turn = 0;
    while tally.responses < wanted {
        while under_way.len() < BATCHES {
            // Half of all is the siege's own.
            let own = turn % 2 == 0 || places.len() == 2;
            let index = if own { turn / 2 % 2 } else { 2 + turn / 2 % (places.len() - 2) };
            let place = &places[index];
            turn += 1;
            let mut shots = Vec::new();
            while shots.len() < BATCH {
                if place.rows.is_empty() {
                    shots.extend(draw(&mut dice, &mut number, place.head));
                } else {
                    shots.push(draw_row(&mut dice, &place.rows, place.head));
                }
            }
            under_way.push_back(fire(world, index, place, shots, &pool));
        }
        let Some(batch) = under_way.pop_front() else { break };
        let place = &places[batch.place];
        judge(world, &place.program, batch, &mut tally);
        if envoys.iter_mut().any(|envoy| !envoy.is_running()) {
            return Err(format!("Envoy has ended; seed {}\n{}", world.seed, tally.found));
        }
        if tally.responses.is_multiple_of(10_000) || tally.responses % 10_000 < BATCH {
            eprintln!("{} responses in {:.0} s", tally.responses, begun.elapsed().as_secs_f32());
        }
    }
    for batch in under_way {
        let place = &places[batch.place];
        judge(world, &place.program, batch, &mut tally);
    }
    let mut reloads = 0;
    let mut dead = 0;
    let mut records = 0;
    let mut look = |envoy: &Envoy| {
        match envoy.admin_get("/stats?filter=vm_reload") {
            Some((200, stats)) => reloads += stats.lines().filter(|line| !line.ends_with(": 0")).count(),
            _ => dead += 1,
        }
        // All of an attack's markers begin so: in a decision record there is none.
        records += envoy.access_log().len();
        envoy.log().contains(MARK) || envoy.access_log().iter().any(|line| line.contains("mrk"))
    };
    let mut logged = envoys.iter().filter(|envoy| look(envoy)).count();
    for (policy, head) in &policies {
        logged += usize::from(world.with_envoy(policy, *head, &mut look)?);
    }
    println!(
        "siege of {:.0} s, seed {}: {} responses, {} sound and whole, {} refused or cut, {} callers left, {} upstreams lost, {} rows of attacks; \
         {} twin pairs; markers leaked: {}, wrong views: {}, twins told apart: {}, not as they should be: {}, hangs: {}, \
         markers in logs and in {records} lines of the access log: {logged}, crashes: {dead}, virtual machines that died: {reloads}",
        begun.elapsed().as_secs_f32(),
        world.seed,
        tally.responses,
        tally.sound,
        tally.cut,
        tally.left,
        tally.lost,
        tally.rows,
        tally.pairs,
        tally.markers,
        tally.wrong_views,
        tally.twins,
        tally.unsound,
        tally.hangs
    );
    let wrong = tally.markers + tally.wrong_views + tally.twins + tally.unsound + tally.hangs + logged + dead + reloads;
    if wrong == 0 { Ok(()) } else { Err(tally.found) }
}

/// Shots that are under way.
struct Batch {
    place: usize,
    shots: Vec<Shot>,
    ids: Vec<String>,
    /// `None` for who left.
    answers: JoinHandle<Vec<Option<Answer>>>,
}

/// A listener, and whether HTTP/2 is spoken with it.
type Side = (SocketAddr, bool);

/// Connections between requests.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<HashMap<Side, Vec<Kept>>>>);

impl Pool {
    async fn ask(&self, address: SocketAddr, protocol: Protocol, request: &Request) -> Answer {
        let key = (address, protocol == Protocol::Http2);
        let kept = self.0.lock().unwrap().get_mut(&key).and_then(Vec::pop);
        // A stream that is reset is no fault.
        let read = |mut answer: Answer| {
            answer.fault = answer.fault.filter(|_| protocol == Protocol::Http1);
            answer
        };
        if let Some(mut kept) = kept {
            let answer = read(kept.ask(request).await);
            // A server may end a connection between two requests: then nothing has come.
            if answer.status != 0 || answer.end == End::Hung {
                self.put(key, kept, &answer);
                return answer;
            }
        }
        match Kept::open(address, protocol).await {
            Ok(mut kept) => {
                let answer = read(kept.ask(request).await);
                self.put(key, kept, &answer);
                answer
            }
            Err(_) => client::ask(address, protocol, request).await,
        }
    }

    fn put(&self, key: Side, kept: Kept, answer: &Answer) {
        let is_sound = answer.end == End::Complete && answer.fault.is_none();
        if is_sound && !answer.values("connection").iter().any(|value| value == "close") {
            self.0.lock().unwrap().entry(key).or_default().push(kept);
        }
    }
}

/// A request, and how long its caller stays at most.
type Stays = (Request, Option<Duration>);

/// Asks for all at once.
fn fire(world: &World, index: usize, place: &Place, shots: Vec<Shot>, pool: &Pool) -> Batch {
    let mut ids = Vec::new();
    let mut tasks = Vec::new();
    let mut shared: [Vec<(usize, Stays)>; 2] = Default::default();
    let mut in_a_row: [Vec<(usize, Request)>; 2] = Default::default();
    for (at, shot) in shots.iter().enumerate() {
        let id = world.upstream.play(shot.script.clone());
        let request = world.request(&shot.row, &id);
        ids.push(id);
        let side = usize::from(shot.carriage.upstream == Protocol::Http2);
        let (address, protocol) = (place.listeners[side], shot.carriage.downstream);
        let pool = pool.clone();
        match shot.way {
            Way::Shared(stays) => shared[side].push((at, (request, stays.map(Duration::from_micros)))),
            Way::InARow => in_a_row[side].push((at, request)),
            Way::Alone => tasks.push((
                vec![at],
                world.runtime.spawn(async move { vec![Some(client::ask(address, protocol, &request).await)] }),
            )),
            Way::Kept => tasks.push((
                vec![at],
                world.runtime.spawn(async move { vec![Some(pool.ask(address, protocol, &request).await)] }),
            )),
            Way::Leaves(after) => tasks.push((
                vec![at],
                world.runtime.spawn(async move {
                    let asked = client::ask(address, protocol, &request);
                    vec![tokio::time::timeout(Duration::from_micros(after), asked).await.ok()]
                }),
            )),
        }
    }
    for (address, (shared, in_a_row)) in place.listeners.into_iter().zip(shared.into_iter().zip(in_a_row)) {
        let (at, requests): (Vec<usize>, Vec<_>) = shared.into_iter().unzip();
        if !at.is_empty() {
            tasks.push((at, world.runtime.spawn(client::ask_together(address, requests))));
        }
        let (at, requests): (Vec<usize>, Vec<Request>) = in_a_row.into_iter().unzip();
        if !at.is_empty() {
            let asked = async move {
                // Behind one that is cut nothing comes: they have left, so to speak.
                let answers = client::ask_in_a_row(address, &requests).await;
                let came = |answer: Answer| (answer.status != 0 || answer.end == End::Hung).then_some(answer);
                answers.into_iter().map(came).collect()
            };
            tasks.push((at, world.runtime.spawn(asked)));
        }
    }
    let count = shots.len();
    let answers = world.runtime.spawn(async move {
        let mut answers: Vec<Option<Answer>> = (0..count).map(|_| None).collect();
        for (at, task) in tasks {
            for (at, answer) in at.into_iter().zip(task.await.unwrap()) {
                answers[at] = answer;
            }
        }
        answers
    });
    Batch { place: index, shots, ids, answers }
}

fn judge(world: &World, program: &Rc<Program>, batch: Batch, tally: &mut Tally) {
    let answers = world.runtime.block_on(batch.answers).unwrap();
    // The first of two twins; nothing of it where its upstream was lost.
    let mut before: Option<Option<(Shot, Answer)>> = None;
    for ((shot, answer), id) in batch.shots.into_iter().zip(answers).zip(batch.ids) {
        let arrived = world.upstream.forget(&id);
        tally.responses += 1;
        let Some(answer) = answer else {
            tally.left += 1;
            continue;
        };
        let everything = answer.everything();
        if memchr::memmem::find(&everything, MARK.as_bytes()).is_some() {
            tally.note(|tally| &mut tally.markers, &shot, &world::shown(&answer));
        }
        if is_anothers(&answer.body, &shot.own) {
            tally.note(|tally| &mut tally.wrong_views, &shot, &world::shown(&answer));
        }
        if answer.end == End::Hung {
            tally.note(|tally| &mut tally.hangs, &shot, &world::shown(&answer));
        }
        match &shot.expect {
            Expect::Anything => {}
            Expect::Row(scripted) => {
                let (markers, scripted) = &**scripted;
                tally.rows += 1;
                if markers.any_in(&everything) && !matches!(shot.row.expected, Expected::Untouched) {
                    tally.note(|tally| &mut tally.markers, &shot, &world::shown(&answer));
                }
                let native = world::respond(program, &shot.row);
                let (markers, scripted) = (markers.clone(), scripted.clone());
                if let Err(wrong) = world::judge(
                    &shot.row,
                    shot.carriage,
                    &native,
                    Fetched { answer, markers, scripted, arrived, line: None },
                ) {
                    tally.note(|tally| &mut tally.unsound, &shot, &wrong);
                }
            }
            // An upstream that ends its connection when the next request is under way: Envoy says so, as nobody else answers it.
            Expect::AsNative | Expect::Twin if is_lost(&shot, &answer) => {
                tally.lost += 1;
                if matches!(shot.expect, Expect::Twin) {
                    before = if before.is_some() { None } else { Some(None) };
                }
            }
            Expect::AsNative | Expect::Twin => {
                let native = world::respond(program, &shot.row);
                match sound(&native, &shot, &answer) {
                    Sound::Whole => tally.sound += 1,
                    Sound::Refused => tally.cut += 1,
                    Sound::Wrong => {
                        let length = native.body.len();
                        let status = native.status;
                        let what = format!("native {status}, {length} bytes; {}", world::shown(&answer));
                        tally.note(|tally| &mut tally.unsound, &shot, &what);
                    }
                }
                if matches!(shot.expect, Expect::Twin) {
                    match before.take() {
                        None => before = Some(Some((shot, answer))),
                        Some(None) => {}
                        Some(Some((_, first))) => {
                            tally.pairs += 1;
                            // Longer bodies go in blocks, and several of those may end in one part.
                            let is_told =
                                !twins::are_one(&first, &answer, shot.carriage) && answer.body.len() < 64 << 10;
                            if is_told {
                                let what = format!("{}\n  {}", world::shown(&first), world::shown(&answer));
                                tally.note(|tally| &mut tally.twins, &shot, &what);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether Envoy has had no answer from the upstream, and says so in its own words, of which the filter leaves none.
fn is_lost(shot: &Shot, answer: &Answer) -> bool {
    let is_http1 = shot.carriage.upstream == Protocol::Http1 && shot.row.upstream.status != 503;
    is_http1 && answer.status == 503 && answer.end == End::Complete && answer.body.is_empty()
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
        let program = world::compile(&World::policy_json(&Policy::Text(SIEGE), head)?)?;
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
