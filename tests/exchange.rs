//! An exchange against a host that behaves as Envoy does: it keeps what a filter holds back, hands on what it lets go,
//! ends bodies by end of stream or by trailers, and has a buffer that a write must not overfill.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::exchange::{
    BodyDirective, End, Exchange, HeadDirective, Headers, Mode, Report, RequestDirective, TrailersDirective,
};
use fieldgate::json::Texts;
use fieldgate::model::RouteId;
use fieldgate::model::moment::Moment;
use fieldgate::policy;
use fieldgate::program::Program;
use fieldgate::refusal::Refusal;
use fieldgate::rewrite::Rewriter;
use fieldgate::transform::PseudonymKey;

/// The smallest buffer that hosts in use have, in bytes.
const SMALLEST_BUFFER: usize = 32 << 10;

/// Largest frame, in bytes.
const FRAME: usize = 16 << 10;

/// What goes out once nothing is held back any more is cut into blocks of this size, in bytes.
const BLOCK: usize = 64 << 10;

/// How the response comes.
#[derive(Debug, Clone, Copy)]
struct Framing<'a> {
    cuts: &'a [usize],
    ending: Ending,
    declared: Declared,
}

/// What the response says of its body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    /// How long it is.
    Length,
    /// Nothing, but the host says that it comes in frames of at most 16 KiB.
    Frames,
    /// Nothing: it comes in chunks.
    Chunks,
    /// Nothing at all: it ends with its connection.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    WithTheLastByte,
    InAnEmptyPart,
    ByTrailers,
}

/// What the caller gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Outcome {
    /// A status and a body.
    Answer(u16, String),
    /// The head, and a body that is cut.
    Cut(u16, String),
}

/// A filter chain of one.
struct Host {
    exchange: Exchange,
    /// What the filter holds back.
    buffer: Vec<u8>,
    held: bool,
    /// Whether the head is.
    head_held: bool,
    /// Whether no part has come yet.
    is_first: bool,
    status: u16,
    sent: Vec<u8>,
    /// The lengths of what the host was let hand on, one by one.
    cut: Vec<usize>,
    /// The length that the head says.
    says: Option<usize>,
}

enum Step {
    On,
    Done(Outcome),
}

impl Host {
    fn part(&mut self, chunk: &[u8], end: End) -> Step {
        let buffering = self.held;
        self.buffer.extend_from_slice(chunk);
        assert!(!buffering || self.buffer.len() <= SMALLEST_BUFFER, "the host's buffer is overfull: it answers 500");
        let known = self.exchange.held_back();
        assert_eq!(self.buffer.len() - chunk.len(), known, "the filter knows what the host holds back");
        let host_has = self.buffer.len();
        // What comes in one part may be in a buffer that another filter has held back.
        let is_one_part = !buffering && end == End::Last && self.is_first && self.head_held;
        self.is_first = false;
        let is_bounded = buffering || is_one_part;
        match self.exchange.on_response_body(&self.buffer[known..], host_has, end) {
            BodyDirective::Pass => {}
            BodyDirective::Send(bytes) => {
                assert!(!is_bounded || bytes.len() <= host_has, "a write over the budget");
                self.buffer = bytes.to_vec();
            }
            BodyDirective::Whole(bytes) => {
                assert!(!is_bounded || bytes.len() <= host_has, "a write over the budget");
                self.buffer = bytes.to_vec();
                self.say(self.buffer.len());
            }
            BodyDirective::Hold(bytes) => {
                assert!(bytes.len() <= host_has, "more is held back than came");
                self.buffer = bytes.to_vec();
                self.held = true;
                return Step::On;
            }
            BodyDirective::Answer { head, body } => {
                assert!(is_bounded && body.len() > host_has, "only what cannot be written");
                let (head, body) = (head.clone(), body.to_vec());
                return self.answer(&head, body);
            }
            BodyDirective::Refuse(problem) => return Step::Done(Outcome::Answer(problem.status, problem.body)),
            BodyDirective::Reset => return self.cut(),
        }
        self.exchange.taken();
        self.let_go();
        Step::On
    }

    fn trailers(&mut self) -> Step {
        match self.exchange.on_response_trailers() {
            TrailersDirective::Pass => panic!("trailers of a governed response pass"),
            TrailersDirective::Drop => {}
            TrailersDirective::Send(bytes) => {
                assert!(self.held, "a write at the trailers, when the body is gone");
                assert!(bytes.len() <= self.buffer.len(), "a write over the budget");
                self.buffer = bytes.to_vec();
            }
            TrailersDirective::Whole(bytes) => {
                assert!(self.held && bytes.len() <= self.buffer.len(), "a write over the budget");
                self.buffer = bytes.to_vec();
                self.say(self.buffer.len());
            }
            TrailersDirective::Answer { head, body } => {
                assert!(self.held && body.len() > self.buffer.len(), "only what cannot be written");
                let (head, body) = (head.clone(), body.to_vec());
                return self.answer(&head, body);
            }
            TrailersDirective::Refuse(problem) => return Step::Done(Outcome::Answer(problem.status, problem.body)),
            TrailersDirective::Reset => return self.cut(),
        }
        self.let_go();
        Step::On
    }

    fn say(&mut self, length: usize) {
        assert!(self.sent.is_empty() && self.says.is_none(), "the head is gone");
        self.says = Some(length);
    }

    /// A reply of the host's own says its length, and goes at once.
    fn answer(&mut self, head: &Headers, body: Vec<u8>) -> Step {
        self.say(body.len());
        self.cut.push(body.len());
        Step::Done(Outcome::Answer(status(head), String::from_utf8(body).unwrap()))
    }

    fn let_go(&mut self) {
        self.held = false;
        self.cut.extend(Some(self.buffer.len()).filter(|length| *length > 0));
        self.sent.append(&mut self.buffer);
    }

    fn cut(&self) -> Step {
        Step::Done(Outcome::Cut(self.status, String::from_utf8(self.sent.clone()).unwrap()))
    }
}

fn status(head: &Headers) -> u16 {
    let (_, value) = head.iter().find(|(name, _)| name == b":status").unwrap();
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

fn program(head: &str, more: &str) -> Rc<Program> {
    let text = format!(
        r#"{{"language": 1, "policy": "test", "head": "{head}",
            "identity": {{"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"}},
            "defaults": {{"errors": {{"show": ["title", "status"]}}}},
            "classes": {{"open": {{"about": "open"}}, "key": {{"about": "key"}}}},
            "routes": {{"r": {{"match": "GET /r", "area": "a", {more}
                "body": {{"$.a": "open", "$.list[*].id": {{"class": "key", "pseudonym": "n"}}, "$.list[*].x": "open"}}}}}},
            "scopes": {{
                "s": {{"areas": ["a"], "grant": {{"open": "show", "key": "pseudonym"}}}},
                "plain": {{"areas": ["a"], "grant": {{"open": "show"}}}}}}}}"#
    );
    let (policy, _) = policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let key = PseudonymKey::from_base64("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=").unwrap();
    Rc::new(Program::new(policy, Some(key)).unwrap())
}

fn pairs(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn run(program: &Rc<Program>, head: &[(&str, &str)], body: &[u8], framing: Framing<'_>) -> (Outcome, Option<Refusal>) {
    let carried = carry(program, "s", head, body, framing);
    (carried.outcome, carried.refusal)
}

/// What came of a response.
#[derive(Debug)]
struct Carried {
    outcome: Outcome,
    refusal: Option<Refusal>,
    cut: Vec<usize>,
    says: Option<usize>,
}

fn carry(program: &Rc<Program>, scope: &str, head: &[(&str, &str)], body: &[u8], framing: Framing<'_>) -> Carried {
    let mut exchange = Exchange::new(Rc::clone(program));
    let caller = Caller::new(program.policy(), "c", vec![scope.into()], serde_json::Value::Null);
    let request = pairs(&[(":method", "GET"), (":path", "/r"), (":authority", "h")]);
    assert!(
        matches!(exchange.on_request(&request, caller, None), RequestDirective::Forward { .. }),
        "the request is forwarded"
    );
    let mut upstream = pairs(head);
    match framing.declared {
        Declared::Length => upstream.push((b"content-length".to_vec(), body.len().to_string().into_bytes())),
        Declared::Frames => exchange.comes_in_frames(),
        Declared::Chunks => upstream.push((b"transfer-encoding".to_vec(), b"chunked".to_vec())),
        Declared::Nothing => {}
    }
    // A length and trailers: only where the head promises those, or the host says that there may be some.
    if (framing.declared, framing.ending) == (Declared::Length, Ending::ByTrailers) {
        upstream.push((b"trailer".to_vec(), b"x-trailer".to_vec()));
    }
    let (head_held, status) = match exchange.on_response_head(&upstream, End::More) {
        HeadDirective::Send(head) => (false, status(head)),
        HeadDirective::Hold(head) => (true, status(head)),
        HeadDirective::Refuse(problem) => {
            let (outcome, refusal) = (Outcome::Answer(problem.status, problem.body), exchange.report().refusal);
            return Carried { outcome, refusal, cut: Vec::new(), says: None };
        }
        HeadDirective::Pass => panic!("the head of a governed response passes"),
    };
    // Whether the head is held or not, the body is not buffered yet.
    let (buffer, sent, cut) = Default::default();
    let mut host = Host { exchange, buffer, held: false, head_held, is_first: true, status, sent, cut, says: None };
    let outcome = feed(&mut host, body, framing);
    Carried { outcome, refusal: host.exchange.report().refusal, cut: host.cut, says: host.says }
}

fn feed(host: &mut Host, body: &[u8], framing: Framing<'_>) -> Outcome {
    let mut from = 0;
    for cut in framing.cuts.iter().copied().chain([body.len()]) {
        let end = if cut == body.len() && framing.ending == Ending::WithTheLastByte { End::Last } else { End::More };
        if let Step::Done(outcome) = host.part(&body[from..cut], end) {
            return outcome;
        }
        from = cut;
    }
    let ended = match framing.ending {
        Ending::WithTheLastByte => Step::On,
        Ending::InAnEmptyPart => host.part(&[], End::Last),
        Ending::ByTrailers => host.trailers(),
    };
    match ended {
        Step::Done(outcome) => outcome,
        Step::On => Outcome::Answer(host.status, String::from_utf8(host.sent.clone()).unwrap()),
    }
}

fn ways_to_end() -> impl Iterator<Item = (Ending, Declared)> {
    let endings = [Ending::WithTheLastByte, Ending::InAnEmptyPart, Ending::ByTrailers];
    let declared = [Declared::Length, Declared::Frames, Declared::Chunks, Declared::Nothing];
    endings.into_iter().flat_map(move |ending| declared.map(|declared| (ending, declared)))
}

/// The upstream's head, its status among it.
type Head<'a> = &'a [(&'a str, &'a str)];

const OK: Head<'static> = &[(":status", "200"), ("content-type", "application/json")];

/// Every way to cut a body in at most three, in single bytes, or not at all.
fn cuts(length: usize) -> Vec<Vec<usize>> {
    let mut cuts = vec![vec![], (1..length).collect()];
    cuts.extend((1..length).map(|cut| vec![cut]));
    cuts.extend((2..length).map(|cut| vec![cut / 2, cut]));
    cuts
}

#[test]
fn a_response_is_the_same_in_every_framing() {
    let rows: [(&str, Head<'_>, &str, u16, &str); 14] = [
        ("a lone null stays one", OK, "null", 200, "null"),
        ("white space around a lone null is dropped", OK, " null\n", 200, "null"),
        ("a body is rewritten", OK, r#"{"a": 1, "b": 2}"#, 200, r#"{"a":1}"#),
        ("white space around the root is dropped", OK, " {\"a\":1}\n\n", 200, r#"{"a":1}"#),
        ("a body without a content-type is read as JSON", &[(":status", "200")], r#"{"a":1,"b":2}"#, 200, r#"{"a":1}"#),
        (
            "other successes follow the route too",
            &[(":status", "201"), ("content-type", "application/hal+json")],
            r#"{"b":2}"#,
            201,
            "{}",
        ),
        (
            "an error keeps the members that the policy names",
            &[(":status", "404"), ("content-type", "application/problem+json")],
            r#"{"title": "no", "detail": "ana@example.com", "status": 404}"#,
            404,
            r#"{"title":"no","status":404}"#,
        ),
        (
            "a malformed error is emptied",
            &[(":status", "500"), ("content-type", "application/json")],
            r#"{"title": "no", "detail": }"#,
            500,
            "",
        ),
        (
            "an error that is a list is emptied",
            &[(":status", "500"), ("content-type", "application/json")],
            "[1]",
            500,
            "",
        ),
        (
            "an error of other content is emptied",
            &[(":status", "503"), ("content-type", "text/html")],
            "<h1>x",
            503,
            "",
        ),
        (
            "an encoded error is emptied",
            &[(":status", "503"), ("content-type", "application/json"), ("content-encoding", "gzip")],
            "xxxx",
            503,
            "",
        ),
        ("a redirect's body is treated as an error's", &[(":status", "302")], r#"{"a":1}"#, 302, "{}"),
        ("a status without a body has none", &[(":status", "204")], "leak", 204, ""),
        ("not modified has none", &[(":status", "304")], "leak", 304, ""),
    ];
    for (claim, head, body, status, expected) in rows {
        for mode in ["held", "released"] {
            let program = program(mode, "");
            for cuts in cuts(body.len()) {
                for (ending, declared) in ways_to_end() {
                    let framing = Framing { cuts: &cuts, ending, declared };
                    let (outcome, _) = run(&program, head, body.as_bytes(), framing);
                    assert_eq!(outcome, Outcome::Answer(status, expected.into()), "{claim}: {mode}, {framing:?}");
                }
            }
        }
    }
}

#[test]
fn a_refusal_is_clean_while_the_head_is_held_and_a_cut_after_it() {
    let rows: [(&str, Head<'_>, &str, &str); 8] = [
        ("malformed JSON", OK, r#"{"a":1,"b"}"#, "json_syntax"),
        ("a body that ends early", OK, r#"{"a":1,"b":"#, "json_incomplete"),
        ("something behind the root", OK, r#"{"a":1}{}"#, "json_trailing"),
        ("a known name twice", OK, r#"{"a":1,"\u0061":2}"#, "json_duplicate_name"),
        ("a byte-order mark", OK, "\u{feff}{}", "json_byte_order_mark"),
        ("a root that would be removed", OK, "7", "root_hidden"),
        ("a body of other content", &[(":status", "200"), ("content-type", "text/csv")], "a,b", "content_type"),
        ("a partial answer", &[(":status", "206")], r#"{"a":1}"#, "status"),
    ];
    for (claim, head, body, reason) in rows {
        for mode in ["held", "released"] {
            let program = program(mode, "");
            for cuts in cuts(body.len()) {
                for (ending, declared) in ways_to_end() {
                    let framing = Framing { cuts: &cuts, ending, declared };
                    let (outcome, refusal) = run(&program, head, body.as_bytes(), framing);
                    let whole = cuts.is_empty() && ending == Ending::WithTheLastByte;
                    assert_eq!(refusal.map(Refusal::reason), Some(reason), "{claim}: {mode}, {framing:?}");
                    match (mode, outcome) {
                        (_, Outcome::Answer(502, problem)) => {
                            assert!(problem.contains("cannot be passed on"), "{claim}: the fixed problem");
                        }
                        // Held, a body is awaited unless it comes in parts of any size; then its first part decides.
                        (_, Outcome::Cut(200, sent))
                            if mode == "released"
                                || (matches!(declared, Declared::Chunks | Declared::Nothing) && !whole) =>
                        {
                            assert!(r#"{"a":1}"#.starts_with(&sent), "{claim}: only allowed bytes: {sent}");
                        }
                        (_, other) => panic!("{claim}: {mode}, {framing:?}: {other:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn where_other_content_passes_json_does_not() {
    let head = |kind: &'static str| [(":status", "200"), ("content-type", kind)];
    let rows = [
        ("a document passes", "application/pdf", "%PDF-1.7 a", Ok("%PDF-1.7 a")),
        ("a picture passes", "Image/GIF; x=y", "GIF89a,b", Ok("GIF89a,b")),
        ("JSON under another name is rewritten", "application/pdf", "\n {\"a\":1,\"b\":2}", Ok("{\"a\":1}")),
        ("a string at the root is JSON", "image/png", "\"secret\"", Err("root_hidden")),
        ("a text sequence under another name is refused", "image/png", "\u{1e}{\"b\":2}", Err("content_type")),
        ("a control character is refused", "image/png", "\u{b}{\"b\":2}", Err("content_type")),
        ("a prefix against scripts is refused", "image/png", ")]}',\n{\"b\":2}", Err("content_type")),
        ("a loop against scripts is refused", "image/png", "for(;;);{\"b\":2}", Err("content_type")),
        ("a byte-order mark is refused", "image/png", "\u{feff}{\"b\":2}", Err("content_type")),
        ("a table under another name is refused", "application/pdf", "a,b\n1,2", Err("content_type")),
        ("the start of a document alone is refused", "application/pdf", "%PD", Err("content_type")),
        ("a table is refused", "text/csv", "a,b\n1,2", Err("content_type")),
        ("a drawing is refused", "image/svg+xml", "<svg/>", Err("content_type")),
        ("a type that is not listed is refused", "audio/mpeg", "ID3\u{4}a", Err("content_type")),
        ("a stream of events is refused", "Text/Event-Stream; x=y", "data: {\"b\":2}\n\n", Err("content_type")),
        ("gRPC for browsers is refused", "application/grpc-web-text", "eyJiIjoyfQ==", Err("content_type")),
    ];
    for (claim, kind, body, expected) in rows {
        for mode in ["held", "released"] {
            let program = program(mode, "\"other_content\": {\"pass\": [\"application/pdf\", \"image/*\"]},");
            for cuts in cuts(body.len()) {
                for (ending, declared) in ways_to_end() {
                    let framing = Framing { cuts: &cuts, ending, declared };
                    let (outcome, refusal) = run(&program, &head(kind), body.as_bytes(), framing);
                    match (expected, outcome) {
                        (Ok(sent), Outcome::Answer(200, body)) => {
                            assert_eq!(body, sent, "{claim}: {mode}, {framing:?}")
                        }
                        (Err(reason), Outcome::Answer(502, _) | Outcome::Cut(200, _)) => {
                            assert_eq!(refusal.map(Refusal::reason), Some(reason), "{claim}: {mode}, {framing:?}");
                        }
                        (_, other) => panic!("{claim}: {mode}, {framing:?}: {other:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_write_keeps_to_its_budget_at_every_size() {
    // Pseudonyms grow a body: 9 bytes in, 40 out.
    for count in [1, 10, 300, 500, 700, 1_000, 5_000] {
        let body = format!(r#"{{"list":[{}]}}"#, vec![r#"{"id":7}"#; count].join(","));
        for mode in ["held", "released"] {
            let program = program(mode, "");
            for size in [16, 100, 1_000, 4_096, 16_384, 65_536] {
                let cuts: Vec<usize> = (1..).map(|part| part * size).take_while(|cut| *cut < body.len()).collect();
                for (ending, declared) in ways_to_end() {
                    if declared == Declared::Frames && size > FRAME {
                        continue;
                    }
                    let framing = Framing { cuts: &cuts, ending, declared };
                    let (outcome, _) = run(&program, OK, body.as_bytes(), framing);
                    let Outcome::Answer(200, sent) = outcome else {
                        panic!("{count}, {size}, {ending:?}: {outcome:?}")
                    };
                    assert_eq!(
                        sent.len(),
                        r#"{"list":[]}"#.len() + count * 38 + (count - 1),
                        "{count}, {size}, {ending:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_sound_body_is_never_refused_for_how_it_was_cut() {
    // What shrinks is followed by what grows, so that a body that was held back outgrows the buffer in any later part.
    for (hidden, count) in [(0, 380), (300, 380), (5_000, 380), (5_000, 700), (12_000, 400), (12_000, 700)] {
        let ids = vec![r#"{"id":7}"#; count].join(",");
        let body = format!(r#"{{"a":1,"hidden":"{}","list":[{ids}]}}"#, "x".repeat(hidden));
        let length = r#"{"a":1,"list":[]}"#.len() + count * 38 + (count - 1);
        let program = program("held", "");
        for first in [1, 340, 900, 5_100, 9_000, 12_100] {
            for then in [100, 3_000, FRAME] {
                let cuts: Vec<usize> =
                    (0..).map(|part| first + part * then).take_while(|cut| *cut < body.len()).collect();
                for (ending, declared) in ways_to_end() {
                    let framing = Framing { cuts: &cuts, ending, declared };
                    let what = format!("{hidden}, {count}, {first} then {then}, {ending:?}, {declared:?}");
                    match run(&program, OK, body.as_bytes(), framing) {
                        (Outcome::Answer(200, sent), None) => assert_eq!(sent.len(), length, "{what}"),
                        other => panic!("{what}: {other:?}"),
                    }
                }
            }
        }
    }
}

/// What a caller that sees no more than it may can tell of an answer, but the time.
fn seen(carried: &Carried) -> (u64, &[usize], Option<usize>) {
    let mut said = DefaultHasher::new();
    carried.outcome.hash(&mut said);
    (said.finish(), &carried.cut, carried.says)
}

#[test]
fn how_a_body_is_cut_tells_nothing_of_what_is_withheld() {
    // The caller sees as much each time; of the withheld values some are longer, in front, between and behind.
    let visible = [3, 90, 300];
    let withheld = [0, 1, 3_999, 30_000];
    let mut pairs = 0;
    for records in visible {
        for mode in ["held", "released"] {
            let program = program(mode, "");
            for (scope, lengthens) in [("s", true), ("plain", false)] {
                for (ending, declared) in ways_to_end() {
                    // Parts are shorter than a block: what goes out is, too, or ends with the last of them.
                    let is_http1 = ending == Ending::InAnEmptyPart;
                    for size in [4_096, 8_192, 40_000] {
                        if declared == Declared::Frames && size > FRAME {
                            continue;
                        }
                        let mut first: Option<(Carried, bool)> = None;
                        for hidden in withheld {
                            let hide = |place: usize| format!(r#""hidden":"{}","#, "x".repeat(hidden / (place + 1)));
                            let ids = vec![r#"{"id":7,"x":"shown as it is"}"#; records].join(",");
                            let more = hide(2);
                            let body = format!(
                                r#"{{{}"list":[{{{}"x":1}},{ids},{{{}"x":2}}],{more}"a":1}}"#,
                                hide(0),
                                hide(1),
                                hide(0)
                            );
                            let body = body.replacen(&more, &more.replace("hidden", "other"), 1);
                            let body = body.as_bytes();
                            let cuts: Vec<usize> =
                                (1..).map(|part| part * size).take_while(|cut| *cut < body.len()).collect();
                            let framing = Framing { cuts: &cuts, ending, declared };
                            let carried = carry(&program, scope, OK, body, framing);
                            let what =
                                format!("{mode} {scope} {declared:?} {ending:?}, {size}, {records} records, {hidden}");
                            let Outcome::Answer(200, out) = &carried.outcome else {
                                panic!("{what}: {:?}", carried.refusal)
                            };
                            if out.len() >= BLOCK {
                                // Then what ends with the last part may go with it or before.
                                assert!(carried.cut.iter().rev().skip(1).all(|part| part % BLOCK == 0), "{what}");
                                continue;
                            }
                            assert_eq!(carried.cut, [out.len()], "{what}: it goes whole");
                            // What forms make longer than the hold window is written in the last frame, or answered.
                            if lengthens && declared == Declared::Frames && out.len() > FRAME {
                                continue;
                            }
                            // Where its end comes with its last part and a form may lengthen it, its length is said: as long
                            // as all of it is awaited, or where that part is the only one.
                            let is_one_part = ending == Ending::WithTheLastByte && cuts.is_empty();
                            let is_awaited = match declared {
                                Declared::Frames => true,
                                Declared::Length => body.len() <= FRAME,
                                Declared::Chunks | Declared::Nothing => false,
                            };
                            let is_within = is_awaited || is_one_part;
                            let says = mode == "held" && lengthens && (!is_http1 || declared == Declared::Frames);
                            match &first {
                                Some((before, within)) if !says || *within == is_within => {
                                    assert_eq!(seen(&carried), seen(before), "{what}");
                                    pairs += 1;
                                }
                                _ => first = Some((carried, is_within)),
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{pairs} pairs, told apart by nothing");
    assert!(pairs > 800, "{pairs}");
}

#[test]
fn what_streams_is_cut_where_blocks_of_output_end() {
    let program = program("released", "");
    let body = format!(r#"{{"hidden":"{}","a":"{}"}}"#, "x".repeat(9_000), "y".repeat(3 * BLOCK));
    let length = body.len() - r#""hidden":"","#.len() - 9_000;
    for size in [1_000, 4_096, 16_384, BLOCK] {
        let cuts: Vec<usize> = (1..).map(|part| part * size).take_while(|cut| *cut < body.len()).collect();
        for (ending, declared) in ways_to_end().filter(|(_, declared)| *declared != Declared::Frames || size <= FRAME) {
            let carried = carry(&program, "s", OK, body.as_bytes(), Framing { cuts: &cuts, ending, declared });
            let cut = &carried.cut;
            assert_eq!(cut.iter().sum::<usize>(), length, "{size} {ending:?} {declared:?}: {:?}", carried.refusal);
            assert_eq!(cut[..2], [BLOCK; 2], "{size} {ending:?} {declared:?}");
            assert!(cut[2..].len() <= 2, "{size} {ending:?} {declared:?}: {cut:?}");
        }
    }
}

#[test]
fn each_text_of_several_goes_when_it_has_ended() {
    for mode in ["held", "released"] {
        let program = program(mode, "");
        let head: Head<'_> = &[(":status", "200"), ("content-type", "application/x-ndjson")];
        let body = "{\"a\":1,\"b\":2}\n{\"a\":3}\n{\"a\":4}\n";
        for declared in [Declared::Chunks, Declared::Nothing, Declared::Frames] {
            for ending in [Ending::WithTheLastByte, Ending::InAnEmptyPart, Ending::ByTrailers] {
                for cuts in cuts(body.len()) {
                    let framing = Framing { cuts: &cuts, ending, declared };
                    let carried = carry(&program, "s", head, body.as_bytes(), framing);
                    let expected = "{\"a\":1}\n{\"a\":3}\n{\"a\":4}\n".to_owned();
                    assert_eq!(carried.outcome, Outcome::Answer(200, expected), "{mode} {framing:?}");
                    // Nobody knows of a stream of events whether another comes.
                    let texts = carried.cut.len();
                    assert!(
                        (1..=4).contains(&texts) && (cuts.len() < body.len() - 1 || texts >= 3),
                        "{framing:?} {texts}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_error_is_emptied_as_long_as_nothing_of_it_has_gone() {
    let head: Head<'_> = &[(":status", "500"), ("content-type", "application/json")];
    let long = format!(r#"{{"title":"{}","status":500}}"#, "x".repeat(40_000));
    let longer = format!(r#"{{"title":"{}","status":500}}"#, "x".repeat(2 * BLOCK));
    let rows = [
        ("white space first", "  \n {\"title\":\"no\",\"x\":1}", r#"{"title":"no"}"#),
        ("white space last", "{\"title\":\"no\"}  \n ", r#"{"title":"no"}"#),
        ("a list behind white space", "  [1]", ""),
        ("no JSON behind white space", "  x", ""),
        ("something behind it", r#"{"title":"no"} x"#, ""),
        ("a string", r#""title""#, ""),
        ("a long one", &long, &long),
        ("a longer one", &longer, &longer),
        ("a long one that is broken", &long[..long.len() - 1], ""),
    ];
    for (claim, body, expected) in rows {
        for mode in ["held", "released"] {
            let program = program(mode, "");
            let parts: Vec<Vec<usize>> = if body.len() < 100 {
                cuts(body.len())
            } else {
                [1_000, 16_000]
                    .map(|size| (1..).map(|part| part * size).take_while(|cut| *cut < body.len()).collect())
                    .into()
            };
            for cuts in parts {
                for (ending, declared) in ways_to_end() {
                    let framing = Framing { cuts: &cuts, ending, declared };
                    let (outcome, _) = run(&program, head, body.as_bytes(), framing);
                    // What was whole has gone when something comes behind it, where trailers might have come instead.
                    if let ("something behind it", Outcome::Cut(500, sent)) = (claim, &outcome) {
                        assert_eq!(sent, r#"{"title":"no"}"#, "{mode} {framing:?}");
                        continue;
                    }
                    assert_eq!(outcome, Outcome::Answer(500, expected.into()), "{claim}: {mode}, {framing:?}");
                }
            }
        }
    }
}

#[test]
fn what_all_streams_keep_is_bounded_and_the_newest_is_refused() {
    let text = r#"{"language": 1, "policy": "test", "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "limits": {"record": "1MiB"}, "classes": {"open": {}},
        "routes": {"r": {"match": "GET /r", "area": "a", "body": {"$.list[?@.x].x": "open"}}},
        "scopes": {"s": {"areas": ["a"], "when": "always", "grant": {"open": "show"}}}}"#;
    let (policy, _) = policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let program = Rc::new(Program::new(policy, None).unwrap().with_memory(10 << 20));
    let stalled = format!(r#"{{"list":[{{"x":"{}"#, "x".repeat((1 << 20) - 100));
    let open = |more: &[(&str, &str)]| {
        let mut exchange = Exchange::new(Rc::clone(&program));
        exchange.on_request(&pairs(GET), Caller::nobody(program.policy()), None);
        exchange.on_response_head(&pairs(&[OK, more].concat()), End::More);
        exchange
    };
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut exchange = open(&[("transfer-encoding", "chunked")]);
        assert_eq!(exchange.on_response_body(stalled.as_bytes(), stalled.len(), End::More), BodyDirective::Send(&[]));
        exchange.taken();
        streams.push(exchange);
    }
    let mut newest = open(&[("transfer-encoding", "chunked")]);
    match newest.on_response_body(stalled.as_bytes(), stalled.len(), End::More) {
        BodyDirective::Refuse(problem) => assert_eq!(problem.status, 503, "{problem:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(newest.report().refusal, Some(Refusal::Memory));
    // The others go on, and a small answer passes all the while.
    let (mut small, list) = (open(&[("content-length", "18")]), br#"{"list":[{"x":1}]}"#);
    assert_eq!(small.on_response_body(list, list.len(), End::Last), BodyDirective::Whole(list));
    let mut first = streams.remove(0);
    assert!(
        matches!(first.on_response_body(br#""}]}"#, 4, End::Last), BodyDirective::Send(bytes) if bytes.len() > 1 << 19)
    );
    drop((first, newest));
    let mut next = open(&[("transfer-encoding", "chunked")]);
    assert_eq!(next.on_response_body(stalled.as_bytes(), stalled.len(), End::More), BodyDirective::Send(&[]));
    // What is over it when its head has gone is reset.
    streams.push(next);
    let mut late = open(&[("transfer-encoding", "chunked")]);
    assert_eq!(late.on_response_body(b"{", 1, End::More), BodyDirective::Send(&[]));
    late.taken();
    assert_eq!(late.on_response_body(&stalled.as_bytes()[1..], stalled.len() - 1, End::More), BodyDirective::Reset);
}

/// A stream may stand still behind a value that was held: what it had needed for that must not stay with it.
#[test]
fn behind_a_held_value_a_stream_keeps_little() {
    let text = r#"{"language": 1, "policy": "test", "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "limits": {"record": "1MiB"}, "classes": {"open": {}, "blank": {"blank": "BLANK"}},
        "routes": {"r": {"match": "GET /r", "area": "a", "body": {
            "$.list[?@.x].x": "open", "$.list[?@.x].n[*]": {"class": "blank", "blank": "BLANK"},
            "$.list[?@.x].deep[?@.y].y": "open", "$.masked": {"class": "open", "detect": ["email"]}}}},
        "scopes": {"s": {"areas": ["a"], "when": "always", "grant": {"open": "show", "blank": "blank"}}}}"#
        .replace("BLANK", &"-".repeat(200));
    let (policy, _) = policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let program = Program::new(policy, None).unwrap();
    let big = "x".repeat(1 << 19);
    let rows = [
        ("a long string", format!(r#"{{"list":[{{"x":"{big}"}},"#)),
        ("many that grow", format!(r#"{{"list":[{{"x":1,"n":[0{}]}},"#, ",0".repeat(60_000))),
        ("one in another", format!(r#"{{"list":[{{"x":1,"deep":[{{"y":"{big}"}}]}},"#)),
        ("one that is hidden", format!(r#"{{"list":[{{"z":"{big}"}},"#)),
        ("a string that is searched", format!(r#"{{"masked":"{}","#, "x".repeat(60_000))),
    ];
    for (claim, body) in rows {
        let view = program.view(RouteId(0), &Caller::nobody(program.policy())).unwrap();
        let (mut rewriter, mut out) = (Rewriter::new(Rc::new(view), Texts::One), Vec::new());
        let mut most = 0;
        for part in body.as_bytes().chunks(10_000) {
            rewriter = rewriter.push(part, &mut out).unwrap_or_else(|refusal| panic!("{claim}: {refusal:?}"));
            most = most.max(rewriter.kept());
        }
        assert!(most > 50_000, "{claim}: it was held: {most}");
        assert!(rewriter.kept() <= 48 << 10, "{claim}: {}", rewriter.kept());
    }
}

#[test]
fn a_large_part_may_follow_a_small_one() {
    // The host puts what comes beside what it holds back before the filter is asked, so only frames can be awaited.
    let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(60_000));
    for mode in ["held", "released"] {
        let program = program(mode, "");
        for cuts in [&[1][..], &[100], &[5_000], &[100, 200], &[1, 20_000]] {
            for (ending, declared) in ways_to_end().filter(|(_, declared)| *declared != Declared::Frames) {
                let framing = Framing { cuts, ending, declared };
                let (outcome, _) = run(&program, OK, body.as_bytes(), framing);
                assert_eq!(outcome, Outcome::Answer(200, body.clone()), "{mode}, {framing:?}");
            }
        }
    }
}

#[test]
fn a_lost_state_refuses() {
    let program = program("held", "");
    let mut exchange = Exchange::new(Rc::clone(&program));
    assert!(
        matches!(exchange.on_response_head(&pairs(OK), End::More), HeadDirective::Refuse(_)),
        "a head before its request"
    );
    let mut exchange = Exchange::new(Rc::clone(&program));
    assert!(
        matches!(exchange.on_response_body(b"{}", 2, End::Last), BodyDirective::Refuse(_)),
        "a body before its head"
    );
    let mut exchange = Exchange::new(program);
    assert!(matches!(exchange.on_response_trailers(), TrailersDirective::Refuse(_)), "trailers before their head");
}

/// A program whose one route only reports until the second day of 1970.
fn reporting(head: &str) -> Rc<Program> {
    let text = format!(
        r#"{{"language": 1, "policy": "test", "head": "{head}",
            "identity": {{"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"}},
            "classes": {{"open": {{}}, "key": {{}}, "secret": {{}}}},
            "routes": {{"r": {{"match": "GET /r", "area": "a", "query": ["page"], "report_until": "1970-01-02",
                    "body": {{
                        "$.a": "open", "$.text": {{"class": "open", "detect": ["email"]}},
                        "$.list[*].id": {{"class": "key", "pseudonym": "n", "mask": {{"last": 1}}}},
                        "$.list[?@.x == 1].y": "open",
                        "$.secret": "secret", "$.below.secret": "secret", "$.all..*": "open"}}}},
                "w": {{"match": "POST /r", "area": "a", "report_until": "1970-01-02", "body": {{"$.a": "open"}}}}}},
            "scopes": {{
                "s": {{"areas": ["a"], "grant": {{"open": "show", "key": "mask"}}}},
                "t": {{"areas": ["a"], "grant": {{"key": "pseudonym"}}}}}}}}"#
    );
    let (policy, _) = policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let key = PseudonymKey::from_base64("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=").unwrap();
    Rc::new(Program::new(policy, Some(key)).unwrap())
}

const LAST_SECOND: Option<Moment> = Some(Moment(86_399));

/// Runs a response through a route that reports: every directive must be to let it pass. What was counted comes back, as
/// `level path count`.
fn watched(
    program: &Rc<Program>,
    request: &[(&str, &str)],
    scopes: &[&str],
    head: &[(&str, &str)],
    parts: &[&[u8]],
    ending: Ending,
) -> (Report, Vec<String>) {
    let mut exchange = Exchange::new(Rc::clone(program));
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let caller = Caller::new(program.policy(), "c", scopes, serde_json::Value::Null);
    let directive = exchange.on_request(&pairs(request), caller, LAST_SECOND);
    assert!(matches!(directive, RequestDirective::Forward { .. }), "{directive:?}");
    let end = if parts.is_empty() { End::Last } else { End::More };
    assert_eq!(exchange.on_response_head(&pairs(head), end), HeadDirective::Pass);
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len() && ending == Ending::WithTheLastByte;
        let end = if last { End::Last } else { End::More };
        assert_eq!(exchange.held_back(), 0, "the host holds nothing back");
        assert_eq!(exchange.on_response_body(part, part.len(), end), BodyDirective::Pass);
    }
    match ending {
        Ending::ByTrailers => assert_eq!(exchange.on_response_trailers(), TrailersDirective::Pass),
        Ending::InAnEmptyPart => assert_eq!(exchange.on_response_body(&[], 0, End::Last), BodyDirective::Pass),
        Ending::WithTheLastByte => {}
    }
    let counted = exchange.fields().1;
    (exchange.report(), counted.iter().map(|one| format!("{:?} {} {}", one.level, one.field, one.count)).collect())
}

const GET: &[(&str, &str)] = &[(":method", "GET"), (":path", "/r"), (":authority", "h")];

#[test]
fn until_its_day_a_route_lets_everything_pass_and_counts_what_it_would_do() {
    let big = format!(r#"{{"a": "{}"}}"#, "x".repeat(100_000));
    let many = format!(r#"{{"list": [{}{{"id": "12"}}]}}"#, r#"{"id": "12", "x": 0},"#.repeat(5000));
    let body = r#"{"a": 1, "text": "x@y.org", "unknown": 2, "secret": 3, "below": {"secret": 4}, "all": {"b": [5]},
        "list": [{"id": "67", "x": 1, "y": 8}, {"id": "9", "x": 2, "y": 10}, {"id": null}]}"#;
    let json = OK;
    let plain: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/plain"), ("etag", "\"1\"")];
    let packed: &[(&str, &str)] = &[(":status", "200"), ("content-encoding", "gzip")];
    let part: &[(&str, &str)] = &[(":status", "206"), ("content-type", "application/json")];
    let error: &[(&str, &str)] = &[(":status", "503"), ("content-type", "application/json")];
    let listed: &[(&str, &str)] = &[(":method", "GET"), (":path", "/r?page=1&expand=all"), (":authority", "h")];
    let write: &[(&str, &str)] = &[(":method", "POST"), (":path", "/r"), (":authority", "h")];
    type Row<'a> =
        (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], &'a [(&'a str, &'a str)], &'a str, &'a str, &'a [&'a str]);
    let rows: [Row<'_>; 14] = [
        (
            "places are counted by level, and what the policy does not know is not",
            GET,
            &["s"],
            json,
            body,
            "-",
            &[
                "Show $.a 1",
                "Show $.all 1",
                "Hide $.below 1",
                "Mask $.list[*].id 3",
                "Show $.list[?@.x == 1].y 1",
                "Hide $.secret 1",
                "Show $.text 1",
            ],
        ),
        (
            "another scope, other levels",
            GET,
            &["t"],
            json,
            body,
            "-",
            &[
                "Hide $.a 1",
                "Hide $.all 1",
                "Hide $.below 1",
                "Pseudonym $.list[*].id 3",
                "Hide $.list[?@.x == 1].y 1",
                "Hide $.secret 1",
                "Hide $.text 1",
            ],
        ),
        ("a large body", GET, &["s"], json, &big, "-", &["Show $.a 1"]),
        ("many records", GET, &["s"], json, &many, "-", &["Mask $.list[*].id 5001"]),
        ("a parameter that is not listed", listed, &["s"], json, body, "query_parameter", &[]),
        ("nothing visible", GET, &["unknown"], json, body, "nothing_visible", &[]),
        ("nothing visible of a write", write, &["t"], json, body, "-", &[]),
        ("no JSON", GET, &["s"], json, "{\"a\": 1,}", "json_syntax", &[]),
        ("a root that would be removed", GET, &["s"], json, "7", "root_hidden", &[]),
        ("other content", GET, &["s"], plain, "hello", "content_type", &[]),
        ("an encoded body", GET, &["s"], packed, "\u{1f}", "content_encoding", &[]),
        ("a part", GET, &["s"], part, "{", "status", &[]),
        ("an error", GET, &["s"], error, r#"{"detail": "x"}"#, "-", &[]),
        ("no body", GET, &["s"], json, "", "-", &[]),
    ];
    for head in ["held", "released"] {
        let program = reporting(head);
        for (claim, request, scopes, upstream, body, refused, counts) in rows {
            for ending in [Ending::WithTheLastByte, Ending::InAnEmptyPart, Ending::ByTrailers] {
                for size in [body.len().max(1), body.len() / 3 + 1, body.len() / 100 + 1] {
                    let parts: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
                    let (report, found) = watched(&program, request, scopes, upstream, &parts, ending);
                    let Mode::Reported { would_refuse } = report.mode else { panic!("{claim}: it reports") };
                    assert_eq!(report.refusal, None, "{claim}");
                    assert_eq!(would_refuse.map_or("-", |refusal| refusal.reason()), refused, "{claim}: {head}");
                    assert_eq!(found, counts, "{claim}: {head}, {ending:?}, {size}");
                }
            }
        }
    }
}

#[test]
fn a_route_enforces_from_its_day_on_and_without_a_clock() {
    let program = reporting("held");
    let rows: [(&str, Option<Moment>, bool); 5] = [
        ("the epoch", Some(Moment(0)), true),
        ("the last second", LAST_SECOND, true),
        ("the first second of the day", Some(Moment(86_400)), false),
        ("later", Some(Moment(u64::MAX)), false),
        ("no clock", None, false),
    ];
    for (claim, now, reports) in rows {
        let mut exchange = Exchange::new(Rc::clone(&program));
        let nobody = Caller::nobody(program.policy());
        let directive = exchange.on_request(&pairs(GET), nobody, now);
        assert_eq!(matches!(directive, RequestDirective::Forward { .. }), reports, "{claim}");
        assert_eq!(exchange.report().mode == Mode::Enforced, !reports, "{claim}");
        assert_eq!(exchange.report().refusal.is_none(), reports, "{claim}");
    }
}

#[test]
fn what_is_not_for_one_route_alone_is_refused_while_a_route_reports() {
    let program = reporting("held");
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let rows: [Row<'_>; 4] = [
        ("a tunnel", &[(":method", "GET"), (":path", "/r"), ("upgrade", "h2c")], "upgrade"),
        ("a path that can be read twice", &[(":method", "GET"), (":path", "/r/../r")], "not_canonical"),
        ("another route", &[(":method", "GET"), (":path", "/s")], "no_route"),
        ("two paths", &[(":method", "GET"), (":path", "/r"), (":path", "/r")], "bad_request"),
    ];
    for (claim, request, reason) in rows {
        let mut exchange = Exchange::new(Rc::clone(&program));
        let caller = Caller::new(program.policy(), "c", vec!["s".to_owned()], serde_json::Value::Null);
        let directive = exchange.on_request(&pairs(request), caller, LAST_SECOND);
        assert!(matches!(directive, RequestDirective::Refuse(_)), "{claim}");
        assert_eq!(exchange.report().refusal.map(|refusal| refusal.reason()), Some(reason), "{claim}");
        assert_eq!(exchange.report().mode, Mode::Enforced, "{claim}");
    }
}
