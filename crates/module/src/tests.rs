//! The module with a host of the tests' own: what Envoy would have to be broken for to show.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use fieldgate::budget::{Shared as _, Swap};
use fieldgate::exchange::Headers;
use serde_json::{Value, json};

use crate::border::{Border, Event, Then};
use crate::host::{Change, Host, Loudness, Map, Part};
use crate::store::ProcessStore;
use crate::stream::{Act, Stream};
use crate::worker::Config;

/// An Envoy with one stream.
#[derive(Default)]
struct Fake {
    request: Headers,
    response: Headers,
    trailers: Headers,
    received: Vec<u8>,
    buffered: Vec<u8>,
    is_one: bool,
    is_http2: bool,
    state: HashMap<String, Vec<u8>>,
    replies: Vec<u32>,
    resets: usize,
    /// Whether it does what it is told.
    fails: bool,
}

impl Fake {
    fn map(&mut self, map: Map) -> &mut Headers {
        match map {
            Map::Request => &mut self.request,
            Map::Response => &mut self.response,
            Map::ResponseTrailers => &mut self.trailers,
        }
    }

    fn part(&mut self, part: Part) -> &mut Vec<u8> {
        match part {
            Part::Received => &mut self.received,
            Part::Buffered if self.is_one => &mut self.received,
            Part::Buffered => &mut self.buffered,
        }
    }
}

impl Host for Fake {
    fn headers(&self, map: Map) -> Option<Headers> {
        Some(match map {
            Map::Request => self.request.clone(),
            Map::Response => self.response.clone(),
            Map::ResponseTrailers => self.trailers.clone(),
        })
    }

    fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]) -> bool {
        self.remove_header(map, name) && self.add_header(map, name, value)
    }

    fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]) -> bool {
        self.map(map).push((name.to_vec(), value.to_vec()));
        !self.fails
    }

    fn remove_header(&mut self, map: Map, name: &[u8]) -> bool {
        self.map(map).retain(|(other, _)| other != name);
        !self.fails
    }

    fn size(&self, part: Part) -> usize {
        self.body(part).map_or(0, |body| body.len())
    }

    fn body(&self, part: Part) -> Option<Cow<'_, [u8]>> {
        let body = if part == Part::Received || self.is_one { &self.received } else { &self.buffered };
        Some(Cow::Borrowed(body))
    }

    fn is_one_buffer(&self) -> bool {
        self.is_one
    }

    fn drain(&mut self, part: Part, bytes: usize) -> bool {
        self.part(part).drain(..bytes);
        !self.fails
    }

    fn append(&mut self, part: Part, bytes: &[u8]) -> bool {
        self.part(part).extend_from_slice(bytes);
        !self.fails
    }

    fn filter_state(&self, key: &str) -> Option<Vec<u8>> {
        self.state.get(key).cloned()
    }

    fn set_filter_state(&mut self, key: &str, value: &[u8]) -> bool {
        self.state.insert(key.to_owned(), value.to_vec());
        !self.fails
    }

    fn peer_uri(&self) -> Option<Vec<u8>> {
        None
    }

    fn cluster_metadata(&self, _: &str, _: &str) -> Option<Vec<u8>> {
        self.is_http2.then(|| b"HTTP/2".to_vec())
    }

    fn choose_route_anew(&mut self) {}

    fn reply(&mut self, status: u32, _: &[(&str, &str)], _: &[u8]) {
        self.replies.push(status);
    }

    fn reply_head(&mut self, headers: &[(&str, &str)]) {
        self.replies.push(200);
        self.response = self::headers(headers);
    }

    fn reset(&mut self) {
        self.resets += 1;
    }

    fn change(&mut self, _: usize, _: &[String], _: Change) {}

    fn is_heard(&self, _: Loudness) -> bool {
        false
    }

    fn log(&self, _: Loudness, _: &str) {}
}

fn policy() -> Value {
    json!({
        "language": 1, "policy": "things",
        "identity": {"source": "jwt_authn", "payload": ["jwt", "other"], "client": "azp", "scopes": "scope"},
        "classes": {"plain": {"about": "Whatever"}},
        "routes": {"get-thing": {"match": "GET /things/{id}", "area": "things", "body": {"$.name": "plain"}}},
        "scopes": {"things.read": {"areas": ["things"], "grant": {"plain": "show"}}},
    })
}

fn border() -> Border {
    border_of(&policy())
}

fn border_of(policy: &Value) -> Border {
    let (config, _) = Config::new(policy.to_string().as_bytes(), key).unwrap_or_else(|faults| panic!("{faults:?}"));
    Border::new(Arc::new(config).worker())
}

/// A test's key, and nobody's secret.
fn key(_: &str) -> Option<String> {
    Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned())
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn fake() -> Fake {
    let claims = json!({"azp": "app", "scope": "things.read"}).to_string().into_bytes();
    Fake {
        request: headers(&[(":method", "GET"), (":path", "/things/1"), (":authority", "api.example")]),
        response: headers(&[
            (":status", "200"),
            ("content-type", "application/json"),
            ("content-length", "31"),
            ("x-debug", "x"),
        ]),
        state: [("fieldgate.claims.jwt".to_owned(), claims)].into(),
        ..Fake::default()
    }
}

fn request(border: &Border, host: &mut Fake) -> Then {
    border.bring(host, Event::RequestHead, |stream, host| stream.request_head(host, true))
}

fn head(border: &Border, host: &mut Fake) -> Then {
    border.bring(host, Event::ResponseHead, |stream, host| stream.response_head(host, false))
}

fn body(border: &Border, host: &mut Fake, bytes: &str, end: bool) -> Then {
    host.received = bytes.as_bytes().to_vec();
    border.bring(host, Event::ResponseBody, |stream, host| stream.response_body(host, end))
}

/// What Envoy does with a body event's bytes that are to be held.
fn keep(host: &mut Fake) {
    let received = std::mem::take(&mut host.received);
    host.buffered.extend_from_slice(&received);
}

const FIRST: &str = r#"{"name":"lamp","co"#;
const LAST: &str = r#"de":"secret"}"#;

#[test]
fn a_stream_is_filtered_marked_and_recorded() {
    let (border, mut host) = (border(), fake());
    assert_eq!(request(&border, &mut host), Then::Go);
    assert_eq!(host.state["wasm.fieldgate"], b"seen");
    assert_eq!(head(&border, &mut host), Then::Hold);
    assert!(host.response.iter().all(|(name, _)| name != b"x-debug"), "{:?}", host.response);
    assert_eq!(body(&border, &mut host, FIRST, false), Then::Hold);
    keep(&mut host);
    assert_eq!(body(&border, &mut host, LAST, true), Then::Go);
    host.buffered.extend_from_slice(&host.received);
    assert_eq!(String::from_utf8_lossy(&host.buffered), r#"{"name":"lamp"}"#);
    border.end(&mut host);
    let record: Value = serde_json::from_slice(&host.state["wasm.fieldgate_record"]).unwrap();
    assert_eq!(record["fieldgate"], 1);
}

#[test]
fn trailers_end_a_body_and_are_dropped() {
    let (border, mut host) = (border(), fake());
    host.response.retain(|(name, _)| name != b"content-length");
    host.is_http2 = true;
    request(&border, &mut host);
    head(&border, &mut host);
    assert_eq!(body(&border, &mut host, &format!("{FIRST}{LAST}"), false), Then::Hold);
    keep(&mut host);
    host.trailers = headers(&[("x-total", "1")]);
    let then = border.bring(&mut host, Event::ResponseTrailers, |stream, host| stream.response_trailers(host));
    assert_eq!((then, host.trailers.len()), (Then::Go, 0));
    assert_eq!(String::from_utf8_lossy(&host.buffered), r#"{"name":"lamp"}"#);
}

#[test]
fn what_another_filter_had_buffered_is_one_body() {
    let (border, mut host) = (border(), fake());
    request(&border, &mut host);
    head(&border, &mut host);
    host.is_one = true;
    assert_eq!(body(&border, &mut host, &format!("{FIRST}{LAST}"), true), Then::Go);
    assert_eq!(String::from_utf8_lossy(&host.received), r#"{"name":"lamp"}"#);
}

#[test]
fn a_fault_of_its_own_ends_a_stream_closed_in_every_event() {
    let fault = |_: &mut Stream, _: &mut Fake| -> Act { panic!("a fault that a test makes") };
    std::panic::set_hook(Box::new(|_| {}));

    let (fresh, mut host) = (border(), fake());
    assert_eq!(fresh.bring(&mut host, Event::RequestHead, fault), Then::Stop);
    assert_eq!((host.replies.as_slice(), host.resets), ([500].as_slice(), 0));
    // What comes back is the answer, and the request goes nowhere.
    assert_eq!(fresh.rest_of_request(), Then::Stop);
    assert_eq!(head(&fresh, &mut host), Then::Go);

    let (border, mut host) = border_and_request();
    assert_eq!(border.bring(&mut host, Event::ResponseHead, fault), Then::Stop);
    assert_eq!((host.replies.as_slice(), host.resets), ([500].as_slice(), 0));
    assert_eq!(body(&border, &mut host, FIRST, false), Then::Stop, "nothing more of the response goes");
    assert_eq!(host.resets, 1);

    for event in [Event::ResponseBody, Event::ResponseTrailers] {
        let (border, mut host) = border_and_request();
        head(&border, &mut host);
        assert_eq!(border.bring(&mut host, event, fault), Then::Stop);
        assert_eq!((host.replies.len(), host.resets), (0, 1), "{event:?}");
        assert_eq!(body(&border, &mut host, LAST, true), Then::Stop, "{event:?}");
        assert!(host.state.contains_key("wasm.fieldgate_record"), "{event:?}");
    }
    let _ = std::panic::take_hook();
}

fn border_and_request() -> (Border, Fake) {
    let (border, mut host) = (border(), fake());
    request(&border, &mut host);
    (border, host)
}

#[test]
fn an_event_within_an_event_ends_the_stream_closed() {
    let (border, mut host) = border_and_request();
    head(&border, &mut host);
    let mut within = fake();
    let then = border.bring(&mut host, Event::ResponseBody, |_, _| {
        assert_eq!(body(&border, &mut within, FIRST, false), Then::Stop);
        // Envoy ends it, too.
        border.end(&mut within);
        Act::Go
    });
    assert_eq!((then, within.resets), (Then::Stop, 1));
}

#[test]
fn a_host_that_does_not_do_as_it_is_told_ends_the_stream_closed() {
    let (border, mut host) = (border(), Fake { fails: true, ..fake() });
    assert_eq!(request(&border, &mut host), Then::Stop, "without the mark nothing is forwarded");
    assert_eq!(host.replies, [500]);

    let (border, mut host) = border_and_request();
    host.fails = true;
    assert_eq!(head(&border, &mut host), Then::Stop);
    assert_eq!(host.replies, [500]);

    let (border, mut host) = border_and_request();
    head(&border, &mut host);
    host.fails = true;
    assert_eq!(body(&border, &mut host, &format!("{FIRST}{LAST}"), true), Then::Stop);
    assert_eq!(host.resets, 1);
}

#[test]
fn what_answers_before_this_filter_is_let_through() {
    let (border, mut host) = (border(), fake());
    assert_eq!(head(&border, &mut host), Then::Go);
    assert_eq!(body(&border, &mut host, FIRST, true), Then::Go);
    assert_eq!((host.replies.len(), host.resets, host.received.as_slice()), (0, 0, FIRST.as_bytes()));
}

#[test]
fn a_header_that_a_class_leaves_empty_is_not_there() {
    let mut policy = policy();
    policy["routes"]["get-thing"]["headers"] = json!({"classify": {"x-debug": "plain"}});
    policy["scopes"]["things.read"]["grant"] = json!({"plain": "blank"});
    let (border, mut host) = (border_of(&policy), fake());
    request(&border, &mut host);
    assert_eq!(head(&border, &mut host), Then::Hold);
    assert!(host.response.iter().all(|(name, _)| name != b"x-debug"), "{:?}", host.response);
}

#[test]
fn a_grpc_request_is_refused_as_grpc_refuses() {
    let (border, mut host) = (border(), fake());
    host.request.push((b"content-type".to_vec(), b"application/grpc+proto".to_vec()));
    assert_eq!(request(&border, &mut host), Then::Stop);
    assert!(host.response.contains(&(b"grpc-status".to_vec(), b"7".to_vec())), "{:?}", host.response);
}

#[test]
fn without_a_policy_every_request_is_refused() {
    let (border, mut host) = (Border::new(None), fake());
    assert_eq!(request(&border, &mut host), Then::Stop);
    assert_eq!(host.replies, [500]);
}

const GOOD: &str = r#"{"azp":"app","scope":"things.read"}"#;

#[test]
fn claims_are_those_of_the_one_payload_that_is_there() {
    /// The names of payloads, and their claims.
    type Payloads = &'static [(&'static str, &'static str)];
    let rows: [(&str, Payloads, Then); 8] = [
        ("one payload", &[("jwt", GOOD)], Then::Go),
        ("the other payload", &[("other", GOOD)], Then::Go),
        ("none", &[], Then::Stop),
        ("two, and so nobody knows whose", &[("jwt", GOOD), ("other", GOOD)], Then::Stop),
        ("no JSON", &[("jwt", "-")], Then::Stop),
        ("no object", &[("jwt", "[]")], Then::Stop),
        ("a text that holds the claims", &[("jwt", r#""{\"scope\":\"things.read\"}""#)], Then::Stop),
        ("something behind the claims", &[("jwt", r#"{"scope":"things.read"} {}"#)], Then::Stop),
    ];
    for (what, payloads, then) in rows {
        let (border, mut host) = (border(), fake());
        let key = |name: &str| format!("fieldgate.claims.{name}");
        host.state = payloads.iter().map(|(name, text)| (key(name), text.as_bytes().to_vec())).collect();
        assert_eq!(request(&border, &mut host), then, "{what}");
    }
}

#[test]
fn a_policy_that_this_host_cannot_hold_is_not_taken() {
    let mut asks = policy();
    asks["routes"]["get-thing"]["subject"] = json!({"customer": "{id}"});
    asks["budgets"] = json!({"hourly": {
        "clients": ["*"], "areas": ["things"], "count": {"records": true}, "per": "1h", "max": 200,
        "store": "rls", "rls": {"cluster": "ratelimit", "domain": "fieldgate"},
    }});
    let rows = [
        ("nothing", String::new(), ""),
        ("no policy", "{}".to_owned(), ""),
        (
            "a rate limit service",
            asks.to_string(),
            "budgets.hourly.store: the module does not ask a rate limit service",
        ),
    ];
    for (what, text, said) in rows {
        let faults = Config::new(text.as_bytes(), key).err().unwrap_or_default();
        assert!(faults.iter().any(|fault| fault.starts_with(said)), "{what}: {faults:?}");
    }
}

#[test]
fn of_those_who_create_a_value_at_once_one_does() {
    let mut store = ProcessStore;
    let created = (0..8).filter(|_| store.swap("a name of this test", b"1", None) == Ok(Swap::Done)).count();
    let read = store.read("a name of this test").unwrap();
    assert_eq!((created, read.bytes.as_slice()), (1, b"1".as_slice()));
    assert_eq!(store.swap("a name of this test", b"2", read.version), Ok(Swap::Done));
    assert_eq!(store.swap("a name of this test", b"3", read.version), Ok(Swap::Lost));
}
