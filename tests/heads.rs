//! What a request may ask, what of a response's head leaves, and what its head, its length or a refusal make of its body:
//! event by event, without a host.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::exchange::{BodyDirective, End, Exchange, HeadDirective, Headers, RequestDirective, TrailersDirective};
use fieldgate::policy;
use fieldgate::program::Program;
use fieldgate::refusal::{JsonFault, Problem, Refusal};

/// A program whose bodies have that limit, in bytes.
fn program(head: &str, limit: u32) -> Rc<Program> {
    holding(head, limit, limit.min(16 << 10))
}

/// A program like `program`, with that hold window.
fn holding(head: &str, limit: u32, hold: u32) -> Rc<Program> {
    let record = limit.min(256 << 10);
    let text = format!(
        r#"{{"language": 1, "policy": "test", "head": "{head}",
            "limits": {{"body": {limit}, "hold": {hold}, "record": {record}}},
            "identity": {{"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"}},
            "defaults": {{
                "errors": {{"show": ["title"]}},
                "headers": {{
                    "keep": ["x-request-id"],
                    "classify": {{"x-open": "open", "x-key": "key", "x-capped": "capped", "x-secret": "secret"}},
                    "echo": ["x-correlation-id"]}}}},
            "classes": {{"open": {{}}, "key": {{"blank": "-"}}, "capped": {{"blank": "="}}, "secret": {{}}}},
            "routes": {{
                "read": {{"match": "GET /r", "area": "a", "query": ["page"], "ceiling": {{"capped": "blank"}},
                    "body": {{"$.a": "open"}}}},
                "write": {{"match": "POST /r", "area": "a", "body": {{"$.a": "open"}},
                    "headers": {{"keep": ["location"], "classify": {{"x-by": "key"}}, "echo": ["x-trace-id"]}}}},
                "number": {{"match": "GET /n", "area": "a", "body": {{"$": {{"class": "key", "mask": {{"first": 1}}}}}}}},
                "file": {{"match": "GET /f", "area": "a", "other_content": {{"pass": ["application/pdf", "image/*"]}},
                    "content_types": ["application/vnd.acme+json"], "body": {{"$.a": "open"}}}},
                "health": {{"match": "GET /health", "pass": "no personal data"}}}},
            "scopes": {{"s": {{"areas": ["a"], "grant": {{"open": "show", "key": "mask", "capped": "show"}}}}}}}}"#
    );
    let (policy, _) = policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    Rc::new(Program::new(policy, None).unwrap())
}

fn pairs(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// An exchange and what it says to a request of somebody with the scope, or of nobody.
fn ask(program: &Rc<Program>, scope: &str, request: &Headers) -> (Exchange, RequestDirective) {
    let caller = Caller::new(program.policy(), "c", vec![scope.into()], serde_json::Value::Null);
    let mut exchange = Exchange::new(Rc::clone(program));
    let directive = exchange.on_request(request, caller, None);
    (exchange, directive)
}

/// An exchange of which the request has been forwarded.
fn forwarded(program: &Rc<Program>, scope: &str, method: &str, path: &str) -> Exchange {
    let (exchange, directive) = ask(program, scope, &pairs(&[(":method", method), (":path", path)]));
    assert!(matches!(directive, RequestDirective::Forward { .. }), "{method} {path}: {directive:?}");
    exchange
}

fn reason(exchange: &Exchange) -> Option<&'static str> {
    exchange.report().refusal.map(Refusal::reason)
}

const OK: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/json")];

#[test]
fn a_request_that_asks_for_more_than_a_filtered_body_is_refused() {
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
    let get = [(":method", "GET"), (":path", "/r")];
    let rows: [Row<'_>; 13] = [
        ("a plain request goes on", &[], None),
        ("a connection of another kind goes on", &[("connection", "keep-alive")], None),
        ("an upgrade", &[("upgrade", "websocket")], Some("upgrade")),
        ("an upgrade that only the connection names", &[("connection", "close , Upgrade")], Some("upgrade")),
        ("an extended CONNECT", &[(":protocol", "websocket")], Some("upgrade")),
        ("gRPC", &[("content-type", "Application/gRPC+proto")], Some("upgrade")),
        ("gRPC for browsers", &[("content-type", "application/grpc-web-text")], Some("upgrade")),
        ("two paths", &[(":path", "/r")], Some("bad_request")),
        ("two methods", &[(":method", "GET")], Some("bad_request")),
        ("two authorities", &[(":authority", "a"), (":authority", "a")], Some("bad_request")),
        ("a type that is only named like gRPC", &[("content-type", "text/application/grpc")], None),
        ("white space in a connection's words", &[("connection", "\tupgrade")], Some("upgrade")),
        ("an upgrade among several connections", &[("connection", "a"), ("connection", "upgrade")], Some("upgrade")),
    ];
    for (claim, more, expected) in rows {
        let (exchange, directive) = ask(&program("held", 1000), "s", &pairs(&[&get[..], more].concat()));
        assert_eq!(reason(&exchange), expected, "{claim}");
        assert_eq!(matches!(directive, RequestDirective::Refuse(_)), expected.is_some(), "{claim}");
    }
    let rows: [Row<'_>; 11] = [
        ("CONNECT", &[(":method", "CONNECT"), (":path", "/r")], Some("no_route")),
        ("no path", &[(":method", "GET")], Some("bad_request")),
        ("no method", &[(":path", "/r")], Some("bad_request")),
        ("a listed parameter", &[(":method", "GET"), (":path", "/r?page=1")], None),
        ("a parameter that is not listed", &[(":method", "GET"), (":path", "/r?page=1&x")], Some("query_parameter")),
        ("a parameter where none is", &[(":method", "POST"), (":path", "/r?page=1")], Some("query_parameter")),
        ("a parameter of a passed route", &[(":method", "GET"), (":path", "/health?x")], Some("query_parameter")),
        ("a passed route", &[(":method", "GET"), (":path", "/health")], None),
        ("HEAD of a passed route", &[(":method", "HEAD"), (":path", "/health")], None),
        ("a path without a route", &[(":method", "GET"), (":path", "/x")], Some("no_route")),
        ("a path of another case", &[(":method", "GET"), (":path", "/R")], Some("no_route")),
    ];
    for (claim, request, expected) in rows {
        assert_eq!(reason(&ask(&program("held", 1000), "s", &pairs(request)).0), expected, "{claim}");
    }
    for name in [":path", ":method", ":authority"] {
        let mut request = pairs(&get);
        request.retain(|(known, _)| known != name.as_bytes());
        request.push((name.as_bytes().to_vec(), b"/r\xff".to_vec()));
        assert_eq!(reason(&ask(&program("held", 1000), "s", &request).0), Some("bad_request"), "{name} is not UTF-8");
    }
}

#[test]
fn who_may_see_nothing_is_refused_a_read_and_gets_nothing_of_a_write() {
    let program = program("held", 1000);
    for (method, expected) in [("GET", Some("nothing_visible")), ("HEAD", Some("nothing_visible")), ("POST", None)] {
        let request = pairs(&[(":method", method), (":path", "/r")]);
        assert_eq!(reason(&ask(&program, "other", &request).0), expected, "{method}");
    }
    let nobody = |method: &str| {
        let mut exchange = Exchange::new(Rc::clone(&program));
        let directive = exchange.on_request(
            &pairs(&[(":method", method), (":path", "/r")]),
            Caller::nobody(program.policy()),
            None,
        );
        (exchange, directive)
    };
    for (method, expected) in [("GET", Some("no_identity")), ("HEAD", Some("no_identity")), ("POST", None)] {
        let (exchange, directive) = nobody(method);
        assert_eq!(reason(&exchange), expected, "{method} by nobody");
        if let RequestDirective::Refuse(problem) = directive {
            assert_eq!(
                problem,
                Problem::new(Refusal::NothingVisible, ""),
                "the caller is not told which of the two it is"
            );
        }
    }
    let mut exchange = forwarded(&program, "other", "POST", "/r");
    let HeadDirective::Send(head) = exchange.on_response_head(&pairs(OK), End::More) else { panic!("its head goes") };
    assert_eq!(*head, pairs(&[(":status", "200"), ("cache-control", "private, no-store"), ("vary", "authorization")]));
    assert_eq!(exchange.on_response_body(b"{\"a\":1}", 7, End::Last), BodyDirective::Send(b""));
    assert_eq!(reason(&exchange), None);
}

#[test]
fn a_request_goes_on_without_what_would_change_the_answer() {
    let rerouting = [
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-method",
        "x-original-url",
        "x-original-uri",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-forwarded-path",
        "x-override-url",
        "x-http-path-override",
        "x-envoy-original-path",
    ];
    let partial = ["range", "request-range", "if-range", "if-none-match", "if-modified-since"];
    let guesses = ["if-match", "if-unmodified-since"];
    let harmless = ["x-forwarded-for", "x-forwarded-host", "x-original-host", "x-request-id", "content-type", "x-path"];
    let read = [&rerouting[..], &partial, &guesses].concat();
    let write = [&rerouting[..], &partial].concat();
    for (method, path, removed, is_governed) in [
        ("GET", "/r", &read, true),
        ("HEAD", "/r", &read, true),
        ("POST", "/r", &write, true),
        ("GET", "/health", &rerouting.to_vec(), false),
    ] {
        for spelling in ["-", "_"] {
            let spelt = |name: &&str| name.replace('-', spelling);
            let named: Vec<String> = [&read[..], &harmless].concat().iter().map(spelt).collect();
            let mut request = vec![(":method", method), (":path", path)];
            request.extend(named.iter().map(|name| (name.as_str(), "1")));
            let (_, directive) = ask(&program("held", 1000), "s", &pairs(&request));
            let RequestDirective::Forward { remove, set } = directive else { panic!("{method} {path} goes on") };
            let remove: BTreeSet<String> = remove.into_iter().collect();
            assert_eq!(remove, removed.iter().map(spelt).collect(), "{method} {path} with {spelling}");
            let sets: &[(&str, &str)] =
                if is_governed { &[("accept", "application/json"), ("accept-encoding", "identity")] } else { &[] };
            let sets: Vec<_> = sets.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            assert_eq!(set, sets, "{method} {path}");
        }
    }
    let (_, directive) = ask(
        &program("held", 1000),
        "s",
        &pairs(&[(":method", "GET"), (":path", "/r"), ("accept-encoding", "gzip"), ("accept_encoding", "gzip")]),
    );
    let RequestDirective::Forward { remove, .. } = directive else { panic!("it goes on") };
    assert_eq!(remove, ["accept_encoding"], "a second spelling of what is set");
}

#[test]
fn an_upstream_is_asked_for_what_the_route_answers_with() {
    const JSON: &str = "application/json";
    const FILES: &str = "application/vnd.acme+json, application/json, application/pdf, image/*";
    let rows: [(&str, &str, &[&str], &str); 24] = [
        ("without a wish", "/r", &[], JSON),
        ("anything", "/r", &["*/*"], JSON),
        ("any application", "/r", &["application/*"], JSON),
        ("XML", "/r", &["application/xml"], JSON),
        ("CSV", "/r", &["text/csv"], JSON),
        ("CBOR", "/r", &["application/cbor"], JSON),
        ("YAML", "/r", &["application/yaml"], JSON),
        ("what a browser asks for", "/r", &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], JSON),
        ("JSON among others", "/r", &["text/csv, application/json;q=0.5, application/xml"], "application/json;q=0.5"),
        (
            "a version of JSON",
            "/r",
            &["application/vnd.acme.v2+json; version=2"],
            "application/vnd.acme.v2+json; version=2",
        ),
        ("JSON in capitals", "/r", &["Application/JSON"], "Application/JSON"),
        ("JSON on lines", "/r", &["application/x-ndjson"], "application/x-ndjson"),
        ("no JSON, please", "/r", &["application/json;q=0, text/csv"], JSON),
        ("no JSON, please, at length", "/r", &["application/json; Q=0.000"], JSON),
        ("a weight of a little", "/r", &["application/json;q=0.001"], "application/json;q=0.001"),
        ("two headers", "/r", &["text/csv", "application/json"], JSON),
        ("a comma in quotes", "/r", &["application/json;x=\"a, text/csv, b\""], JSON),
        ("a type in a parameter", "/r", &["application/json;x=text/csv"], "application/json;x=text/csv"),
        ("a type that is only named like JSON", "/r", &["application/jsonp"], JSON),
        ("nothing, where files pass", "/f", &[], FILES),
        ("a file", "/f", &["application/pdf"], "application/pdf"),
        ("a kind of picture", "/f", &["image/png, text/csv"], "image/png"),
        ("a table, where files pass", "/f", &["text/csv"], FILES),
        ("a type that the route names", "/f", &["application/vnd.acme+json"], "application/vnd.acme+json"),
    ];
    for (claim, path, accept, expected) in rows {
        let mut request = vec![(":method", "GET"), (":path", path)];
        request.extend(accept.iter().map(|value| ("accept", *value)));
        let (_, directive) = ask(&program("held", 1000), "s", &pairs(&request));
        let RequestDirective::Forward { set, .. } = directive else { panic!("{claim}: it goes on") };
        assert!(set.contains(&("accept", expected.to_owned())), "{claim}: {set:?}");
    }
    let mut request = pairs(&[(":method", "GET"), (":path", "/r")]);
    request.push((b"accept".to_vec(), b"application/json;x=\xff".to_vec()));
    let (_, directive) = ask(&program("held", 1000), "s", &request);
    let RequestDirective::Forward { set, .. } = directive else { panic!("it goes on") };
    assert!(set.contains(&("accept", JSON.to_owned())), "one that is not text: {set:?}");
}

#[test]
fn a_response_has_the_headers_that_the_policy_names() {
    let upstream = [
        OK,
        &[
            ("content-length", "7"),
            ("transfer-encoding", "chunked"),
            ("etag", "\"1\""),
            ("location", "/a"),
            ("set-cookie", "a"),
            ("x-request-id", "r"),
            ("x-request-id-of-another", "r"),
            ("x-open", "o"),
            ("x-key", "secret"),
            ("x-capped", "secret"),
            ("x-secret", "secret"),
            ("date", "now"),
            ("allow", "GET"),
            ("cache-control", "public"),
            ("vary", "accept"),
        ],
    ]
    .concat();
    let kept = [
        ("x-request-id", "r"),
        ("x-open", "o"),
        ("x-key", "-"),
        ("x-capped", "="),
        ("date", "now"),
        ("allow", "GET"),
        ("cache-control", "private, no-store"),
        ("vary", "authorization"),
    ];
    let head = |own: &[(&str, &str)]| pairs(&[own, &kept].concat());
    let json: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/json")];
    let rows = [("a body's head", "GET", End::More, head(json)), ("the head of HEAD", "HEAD", End::Last, head(json))];
    for (claim, method, end, expected) in rows {
        let mut exchange = forwarded(&program("released", 1000), "s", method, "/r");
        assert_eq!(exchange.on_response_head(&pairs(&upstream), end), HeadDirective::Send(&expected), "{claim}");
    }
    let plain: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/pdf"), ("content-length", "3")];
    let mut exchange = forwarded(&program("released", 1000), "s", "GET", "/f");
    let own = [("cache-control", "private, no-store"), ("vary", "authorization")];
    let expected = pairs(&[&[(":status", "200"), ("content-type", "application/pdf")], &own[..]].concat());
    assert_eq!(exchange.on_response_head(&pairs(plain), End::More), HeadDirective::Send(&expected));
    let own_type = [(":status", "200"), ("content-type", "text/x+json; secret=1")];
    let mut exchange = forwarded(&program("released", 1000), "s", "GET", "/f");
    let expected = pairs(&[json, &own[..]].concat());
    assert_eq!(exchange.on_response_head(&pairs(&own_type), End::More), HeadDirective::Send(&expected));
}

#[test]
fn a_route_has_headers_of_its_own() {
    let upstream = [(":status", "201"), ("location", "/r/1"), ("x-by", "ana"), ("x-request-id", "r")];
    let own = [("cache-control", "private, no-store"), ("vary", "authorization")];
    for (method, expected) in [
        ("POST", &[(":status", "201"), ("location", "/r/1"), ("x-by", "-"), ("x-request-id", "r")][..]),
        ("GET", &[(":status", "201"), ("content-type", "application/json"), ("x-request-id", "r")]),
    ] {
        let mut exchange = forwarded(&program("released", 1000), "s", method, "/r");
        let upstream = if method == "GET" {
            [&upstream[..], &[("content-type", "text/json;x")]].concat()
        } else {
            upstream.to_vec()
        };
        let head = exchange.on_response_head(&pairs(&upstream), End::Last);
        let expected =
            expected.iter().map(|pair| if pair.0 == "content-type" { ("content-type", "text/json") } else { *pair });
        let mut expected: Vec<_> = expected.chain(own).collect();
        if method == "POST" {
            expected.insert(1, ("content-type", "application/json"));
        }
        assert_eq!(head, HeadDirective::Send(&pairs(&expected)), "{method}");
    }
    let challenge =
        [(":status", "401"), ("www-authenticate", "Bearer"), ("proxy-authenticate", "Basic"), ("retry-after", "3")];
    let mut exchange = forwarded(&program("released", 1000), "s", "GET", "/r");
    let HeadDirective::Send(head) = exchange.on_response_head(&pairs(&challenge), End::Last) else { panic!("it goes") };
    for (name, value) in &challenge[1..] {
        assert!(head.contains(&(name.as_bytes().to_vec(), value.as_bytes().to_vec())), "{name} stays on every route");
    }
}

#[test]
fn a_callers_header_comes_back_on_every_answer() {
    let long = "x".repeat(128);
    let longer = "x".repeat(129);
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
    let rows: [Row<'_>; 9] = [
        ("one value", &[("x-correlation-id", "93bac548")], Some("93bac548")),
        ("none", &[], None),
        ("an empty one", &[("x-correlation-id", "")], None),
        ("two of them", &[("x-correlation-id", "a"), ("x-correlation-id", "a")], None),
        ("the longest", &[("x-correlation-id", &long)], Some(&long)),
        ("one that is too long", &[("x-correlation-id", &longer)], None),
        ("one with a space", &[("x-correlation-id", "a b")], None),
        ("one with a line break", &[("x-correlation-id", "a\r\nset-cookie: b")], None),
        ("one that is not ASCII", &[("x-correlation-id", "é")], None),
    ];
    for (claim, sent, expected) in rows {
        let request = pairs(&[&[(":method", "GET"), (":path", "/r")], sent].concat());
        let is_echoed = |head: &Headers| {
            let values: Vec<_> = head.iter().filter(|(name, _)| name == b"x-correlation-id").collect();
            assert_eq!(values.first().map(|(_, value)| value.as_slice()), expected.map(str::as_bytes), "{claim}");
            assert!(values.len() < 2, "{claim}");
        };
        let told = |problem: &Problem| {
            let value = problem.headers().find(|(name, _)| *name == "x-correlation-id").map(|(_, value)| value);
            assert_eq!(value, expected, "{claim}");
        };
        for (status, length) in [("200", End::More), ("200", End::Last), ("404", End::More), ("204", End::Last)] {
            let (mut exchange, _) = ask(&program("held", 1000), "s", &request);
            let head =
                pairs(&[(":status", status), ("content-type", "application/json"), ("x-correlation-id", "upstream")]);
            match exchange.on_response_head(&head, length) {
                HeadDirective::Send(head) | HeadDirective::Hold(head) => is_echoed(head),
                other => panic!("{claim}: {other:?}"),
            }
        }
        let (mut exchange, _) = ask(&program("held", 1000), "s", &request);
        let HeadDirective::Refuse(problem) = exchange.on_response_head(&pairs(&[(":status", "206")]), End::More) else {
            panic!("{claim}: a refusal by the head")
        };
        told(&problem);
        let (mut exchange, _) = ask(&program("held", 1000), "s", &request);
        exchange.on_response_head(&pairs(OK), End::More);
        let BodyDirective::Refuse(problem) = exchange.on_response_body(b"]", 1, End::Last) else {
            panic!("{claim}: a refusal by the body")
        };
        told(&problem);
        for (scope, path) in [("other", "/r"), ("s", "/nothing"), ("s", "/r?x=1")] {
            let request = pairs(&[&[(":method", "GET"), (":path", path)], sent].concat());
            let (_, RequestDirective::Refuse(problem)) = ask(&program("held", 1000), scope, &request) else {
                panic!("{claim}: a refusal of the request")
            };
            told(&problem);
        }
    }
    let request = pairs(&[(":method", "POST"), (":path", "/r"), ("x-trace-id", "t"), ("x-correlation-id", "c")]);
    let (exchange, _) = ask(&program("held", 1000), "s", &request);
    let problem = exchange.problem(Refusal::Host, "");
    let echoed: Vec<_> = problem.headers().skip(2).collect();
    assert_eq!(echoed, [("x-correlation-id", "c"), ("x-trace-id", "t")], "a route's own, besides");
}

#[test]
fn a_head_that_cannot_be_filtered_is_refused() {
    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
    let rows: [Row<'_>; 28] = [
        ("a plain one goes on", "/r", OK, None),
        ("a part of a body", "/r", &[(":status", "206")], Some("status")),
        ("a switch of protocols", "/r", &[(":status", "101")], Some("status")),
        ("early hints", "/r", &[(":status", "103")], Some("status")),
        ("a status beyond all", "/r", &[(":status", "600")], Some("status")),
        ("a status of no digits", "/r", &[(":status", "ok")], Some("status")),
        ("no status", "/r", &[], Some("status")),
        ("two of them", "/r", &[(":status", "200"), (":status", "200")], Some("status")),
        ("gzip", "/r", &[(":status", "200"), ("content-encoding", "gzip")], Some("content_encoding")),
        ("identity in name", "/r", &[(":status", "200"), ("content-encoding", "IDENTITY")], None),
        (
            "stacked codings",
            "/r",
            &[(":status", "200"), ("content-encoding", "identity, br")],
            Some("content_encoding"),
        ),
        (
            "two codings",
            "/r",
            &[(":status", "200"), ("content-encoding", "identity"), ("content-encoding", "identity")],
            Some("content_encoding"),
        ),
        (
            "two types",
            "/r",
            &[(":status", "200"), ("content-type", "application/json"), ("content-type", "application/json")],
            Some("content_type"),
        ),
        ("another type", "/r", &[(":status", "200"), ("content-type", "text/plain")], Some("content_type")),
        ("another type where it passes", "/f", &[(":status", "200"), ("content-type", "image/png")], None),
        ("a third type there", "/f", &[(":status", "200"), ("content-type", "text/plain")], Some("content_type")),
        ("a drawing", "/f", &[(":status", "200"), ("content-type", "image/svg+xml")], Some("content_type")),
        ("gRPC", "/f", &[(":status", "200"), ("content-type", "application/grpc")], Some("content_type")),
        ("events", "/f", &[(":status", "200"), ("content-type", "text/event-stream")], Some("content_type")),
        (
            "parts",
            "/f",
            &[(":status", "200"), ("content-type", "multipart/byteranges; boundary=x")],
            Some("content_type"),
        ),
        ("a script", "/f", &[(":status", "200"), ("content-type", "application/javascript")], Some("content_type")),
        ("an old script", "/f", &[(":status", "200"), ("content-type", "text/javascript")], Some("content_type")),
        (
            "an older script",
            "/f",
            &[(":status", "200"), ("content-type", "application/x-javascript")],
            Some("content_type"),
        ),
        ("the oldest", "/f", &[(":status", "200"), ("content-type", "application/ecmascript")], Some("content_type")),
        (
            "a packed file",
            "/f",
            &[(":status", "200"), ("content-type", "text/csv"), ("content-encoding", "br")],
            Some("content_encoding"),
        ),
        ("an error of any type", "/r", &[(":status", "500"), ("content-type", "text/html")], None),
        ("a redirect", "/r", &[(":status", "302"), ("location", "/a")], None),
        ("a body without a type", "/r", &[(":status", "200")], None),
    ];
    for (claim, path, head, expected) in rows {
        let mut exchange = forwarded(&program("held", 1000), "s", "GET", path);
        let refused = matches!(exchange.on_response_head(&pairs(head), End::More), HeadDirective::Refuse(_));
        assert_eq!((reason(&exchange), refused), (expected, expected.is_some()), "{claim}");
    }
    for (name, expected) in
        [(":status", "status"), ("content-type", "content_type"), ("content-encoding", "content_encoding")]
    {
        let mut head = pairs(OK);
        head.retain(|(known, _)| known != name.as_bytes());
        head.push((name.as_bytes().to_vec(), b"\xff".to_vec()));
        let mut exchange = forwarded(&program("held", 1000), "s", "GET", "/r");
        exchange.on_response_head(&head, End::More);
        assert_eq!(reason(&exchange), Some(expected), "{name} is not UTF-8");
    }
}

#[test]
fn a_status_without_a_body_leaves_none() {
    for status in ["204", "205", "304"] {
        let mut exchange = forwarded(&program("held", 1000), "s", "GET", "/r");
        let head = pairs(&[(":status", status), ("content-type", "application/json"), ("content-length", "7")]);
        let own = [(":status", status), ("cache-control", "private, no-store"), ("vary", "authorization")];
        assert_eq!(exchange.on_response_head(&head, End::More), HeadDirective::Send(&pairs(&own)), "{status}");
        assert_eq!(exchange.on_response_body(b"{\"a\":1}", 7, End::More), BodyDirective::Send(b""), "{status}");
        assert_eq!(exchange.on_response_trailers(), TrailersDirective::Drop, "{status}");
    }
}

#[test]
fn nothing_follows_a_refusal_and_nothing_comes_before_its_time() {
    let mut exchange = forwarded(&program("held", 1000), "s", "GET", "/r");
    exchange.on_response_head(&pairs(&[(":status", "206")]), End::More);
    assert_eq!(exchange.on_response_body(b"{\"a\":1}", 7, End::More), BodyDirective::Send(b""), "a body");
    assert_eq!(exchange.on_response_body(b"", 0, End::Last), BodyDirective::Send(b""), "its end");
    assert_eq!(exchange.on_response_trailers(), TrailersDirective::Drop, "trailers");

    let mut exchange = forwarded(&program("released", 1000), "s", "GET", "/r");
    exchange.on_response_head(&pairs(OK), End::More);
    assert_eq!(exchange.on_response_body(b"{\"a\":]", 6, End::More), BodyDirective::Reset, "a fault");
    assert_eq!(exchange.on_response_body(b"{\"a\":1}", 7, End::More), BodyDirective::Send(b""), "what follows it");

    let mut exchange = forwarded(&program("held", 1000), "s", "GET", "/r");
    let caller = Caller::new(program("held", 1000).policy(), "c", vec!["s".into()], serde_json::Value::Null);
    let again = exchange.on_request(&pairs(&[(":method", "GET"), (":path", "/health")]), caller, None);
    assert!(matches!(again, RequestDirective::Refuse(_)), "a second request");
    assert_eq!(reason(&exchange), Some("internal"));

    let mut exchange = forwarded(&program("held", 1000), "s", "GET", "/r");
    exchange.on_response_head(&pairs(OK), End::More);
    let again = exchange.on_response_head(&pairs(OK), End::More);
    assert!(matches!(again, HeadDirective::Refuse(_)), "a second head");
    let mut exchange = forwarded(&program("held", 1000), "s", "GET", "/r");
    assert!(
        matches!(exchange.on_response_body(b"{}", 2, End::Last), BodyDirective::Refuse(_)),
        "a body before its head"
    );
    let mut exchange = forwarded(&program("held", 1000), "s", "GET", "/r");
    assert!(matches!(exchange.on_response_trailers(), TrailersDirective::Refuse(_)), "trailers before their head");
}

/// What becomes of a body in parts, each of which the host lets go or holds back as it is told.
fn sent(mut exchange: Exchange, head: &[(&str, &str)], parts: &[&[u8]], trailers: bool) -> Result<Vec<u8>, Refusal> {
    let refused = |exchange: &Exchange| exchange.report().refusal.unwrap_or(Refusal::Internal);
    if let HeadDirective::Refuse(_) = exchange.on_response_head(&pairs(head), End::More) {
        return Err(refused(&exchange));
    }
    let (mut sent, mut held) = (Vec::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        let end = if index + 1 == parts.len() && !trailers { End::Last } else { End::More };
        let host_has = [held.as_slice(), part].concat();
        let (gone, kept) = match exchange.on_response_body(part, host_has.len(), end) {
            BodyDirective::Pass => (host_has, Vec::new()),
            BodyDirective::Send(bytes) | BodyDirective::Whole(bytes) => (bytes.to_vec(), Vec::new()),
            BodyDirective::Hold(bytes) => (Vec::new(), bytes.to_vec()),
            BodyDirective::Answer { body, .. } => (body.to_vec(), Vec::new()),
            BodyDirective::Refuse(_) | BodyDirective::Reset => return Err(refused(&exchange)),
        };
        sent.extend(gone);
        held = kept;
        exchange.taken();
    }
    if trailers {
        match exchange.on_response_trailers() {
            TrailersDirective::Send(bytes)
            | TrailersDirective::Whole(bytes)
            | TrailersDirective::Answer { body: bytes, .. } => sent.extend_from_slice(bytes),
            TrailersDirective::Drop => {}
            TrailersDirective::Pass => panic!("trailers pass"),
            TrailersDirective::Refuse(_) | TrailersDirective::Reset => return Err(refused(&exchange)),
        }
    }
    Ok(sent)
}

#[test]
fn a_body_is_as_long_as_its_limit_and_no_longer() {
    let length = |bytes: &'static str| [OK, &[("content-length", bytes)]].concat();
    for mode in ["held", "released"] {
        for declared in [OK.to_vec(), length("100"), [OK, &[("transfer-encoding", "chunked")]].concat()] {
            for (size, expected) in [(99, Ok(())), (100, Ok(())), (101, Err(Refusal::BodyTooLarge))] {
                let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(size - 8));
                let shown = body.clone().into_bytes();
                for cut in [0, 1, size / 2, size - 1, size] {
                    let (first, second) = body.as_bytes().split_at(cut);
                    for trailers in [false, true] {
                        let exchange = forwarded(&program(mode, 100), "s", "GET", "/r");
                        let found = sent(exchange, &declared, &[first, second], trailers);
                        // A host lets no body be shorter than its head says. If one does, what is kept is not let go.
                        let is_short =
                            mode == "released" && declared.contains(&("content-length", "100")) && size < 100;
                        let expected = match expected {
                            Ok(()) if is_short && trailers => Err(Refusal::WriteBudget),
                            expected => expected.map(|()| shown.clone()),
                        };
                        assert_eq!(found, expected, "{size} bytes cut at {cut}, {mode}, {declared:?}, {trailers}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_error_is_an_object_of_its_named_members_or_empty() {
    let within = format!(r#"{{"title":"{}"}}"#, "x".repeat(16_000));
    let over = format!(r#"{{"title":"no","more":"{}"}}"#, "x".repeat(20_000));
    let rows = [
        ("an object", r#"{"title":"no","detail":"secret"}"#, r#"{"title":"no"}"#),
        ("an object in a member", r#"{"title":{"a":1}}"#, "{}"),
        ("a list", r#"[{"title":"no"}]"#, ""),
        ("a text", r#""secret""#, ""),
        ("a number", "7", ""),
        ("null", "null", ""),
        ("no JSON", r#"{"title":"no",}"#, ""),
        ("half of one", r#"{"title":"no","#, ""),
        ("something behind it", r#"{"title":"no"} x"#, ""),
        ("white space", "  ", ""),
        ("as much as may be written at any time", &within, &within),
        ("more than the limit", &over, ""),
    ];
    let head = |length: usize| {
        [(":status", "500"), ("content-type", "application/problem+json"), ("content-length", &length.to_string())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    for (claim, body, expected) in rows {
        let head = head(body.len());
        let head: Vec<(&str, &str)> = head.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let limit = if claim.contains("limit") { 20_010 } else { 100_000 };
        for mode in ["held", "released"] {
            for cut in [0, 1, body.len() / 2, body.len() - 1, body.len()] {
                for trailers in [false, true] {
                    let (first, second) = body.as_bytes().split_at(cut);
                    let exchange = forwarded(&program(mode, limit), "s", "GET", "/r");
                    let found = sent(exchange, &head, &[first, second], trailers).unwrap();
                    assert_eq!(
                        String::from_utf8(found).unwrap(),
                        expected,
                        "{claim}: {mode}, cut at {cut}, {trailers}"
                    );
                }
            }
        }
    }
    // However long it is awaited, and however it goes.
    let large = format!(r#"{{"title":"{}"}}"#, "x".repeat(40_000));
    let head = head(large.len());
    let head: Vec<(&str, &str)> = head.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for cut in [0, 1, large.len() / 2, large.len()] {
        for trailers in [false, true] {
            let (first, second) = large.as_bytes().split_at(cut);
            let exchange = forwarded(&holding("held", 100_000, 64 << 10), "s", "GET", "/r");
            let found = sent(exchange, &head, &[first, second], trailers);
            assert_eq!(found.map(|found| found == large.as_bytes()), Ok(true), "cut at {cut}, {trailers}");
        }
    }
    // In chunks of any size an error is not awaited: its head goes, and nothing of it before it is known to be one.
    let chunked = [(":status", "500"), ("content-type", "application/json"), ("transfer-encoding", "chunked")];
    for (first, second, expected) in [
        (r#"[{"title":"#, r#""no"}]"#, ""),
        (r#"{"title":"no","detail":"#, r#""secret"}"#, r#"{"title":"no"}"#),
        ("  ", r#"{"title":"no"}"#, r#"{"title":"no"}"#),
        (r#"{"title":"no","#, "x", ""),
    ] {
        let exchange = forwarded(&program("held", 1000), "s", "GET", "/r");
        let found = sent(exchange, &chunked, &[first.as_bytes(), second.as_bytes()], false).unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), expected, "{first}{second}");
    }
}

#[test]
fn what_trailers_leave_unwritten_is_refused() {
    let chunked = [OK, &[("transfer-encoding", "chunked")]].concat();
    // A number at the top ends where the body does: what becomes of a whole one is written only then.
    let exchange = forwarded(&program("released", 1000), "s", "GET", "/n");
    assert_eq!(sent(exchange, &chunked, &[b"12"], false), Ok(b"\"1****\"".to_vec()), "by its last byte");
    let incomplete = Refusal::Malformed { fault: JsonFault::Incomplete, offset: 6 };
    for (mode, path, body, expected) in [
        ("released", "/n", "12", Refusal::WriteBudget),
        ("released", "/r", "{\"a\":1", incomplete),
        ("held", "/r", "{\"a\":1", incomplete),
    ] {
        let exchange = forwarded(&program(mode, 1000), "s", "GET", path);
        assert_eq!(sent(exchange, &chunked, &[body.as_bytes()], true), Err(expected), "{mode} {path}");
    }
}

#[test]
fn white_space_before_other_content_is_kept_only_so_long() {
    let head = [(":status", "200"), ("content-type", "image/png"), ("content-length", "99999")];
    for (size, expected) in [(16_384, None), (16_385, Some("write_budget"))] {
        let mut exchange = forwarded(&program("held", 100_000), "s", "GET", "/f");
        exchange.on_response_head(&pairs(&head), End::More);
        exchange.on_response_body(&vec![b' '; size], size, End::More);
        assert_eq!(reason(&exchange), expected, "{size}");
    }
}

#[test]
fn a_problem_tells_nothing_of_the_fault() {
    let one = Problem::new(Refusal::Status, "/secret?secret");
    for refusal in [
        Refusal::ContentEncoding,
        Refusal::ContentType,
        Refusal::Malformed { fault: JsonFault::Utf8, offset: 1 },
        Refusal::RootHidden,
        Refusal::BodyTooLarge,
        Refusal::RecordTooLarge { offset: 1 },
        Refusal::WriteBudget,
    ] {
        assert_eq!(Problem::new(refusal, "/secret?secret"), one, "{refusal}");
    }
    assert_eq!(one.status, 502);
    assert!(!one.body.contains("secret"), "{}", one.body);
    assert_eq!(Problem::new(Refusal::Host, ""), Problem::new(Refusal::Internal, ""), "faults of the host or our own");
    assert_eq!(Problem::new(Refusal::Memory, "").status, 503);

    let long = "x".repeat(65);
    for (claim, name, is_told) in [
        ("a plain name", "select", true),
        ("the longest", &long[1..], true),
        ("a longer one", &long, false),
        ("a control character", "a\u{1b}[2J", false),
        ("a letter beyond ASCII", "é", false),
    ] {
        let refusal = Refusal::QueryParameter { start: 3, end: 3 + u32::try_from(name.len()).unwrap() };
        let problem = Problem::new(refusal, &format!("/r?{name}=1"));
        assert_eq!(problem.status, 400, "{claim}");
        assert_eq!(problem.body.contains(&format!("`{name}`")), is_told, "{claim}: {}", problem.body);
        assert_eq!(problem.body.contains("A query parameter is not accepted here."), !is_told, "{claim}");
    }
}
