//! What the decision record adds to a response: counting and collecting while its body is rewritten, and the line itself.
//!
//! usage: record [--quick]

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

use std::hint::black_box;
use std::rc::Rc;

use fieldgate::budget::Memory;
use fieldgate::caller::Caller;
use fieldgate::exchange::{End, Exchange, Headers};
use fieldgate::json::Texts;
use fieldgate::policy;
use fieldgate::policy::model::RouteId;
use fieldgate::program::{Collector, Program, View};
use fieldgate::report::Stamp;
use fieldgate::rewrite::Rewriter;
use fieldgate::transform::PseudonymKey;
use fieldgate_benches::clock::{Effort, race};
use serde_json::{Value, json};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let policy = json!({
        "language": 1, "policy": "bench",
        "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
        "classes": {"key": {}, "reference": {}, "contact": {}, "secret": {}},
        "routes": {
            "account": {"match": "GET /accounts/{id}", "area": "accounts", "body": {
                "$.id": {"class": "key", "subject": "customer"}, "$.status": "reference", "$.name": "contact",
                "$.email": {"class": "contact", "mask": "email"}, "$.address.city": "contact",
                "$.lines[*].number": "contact", "$.lines[*].state": "reference", "$.iban": "secret"}},
            "accounts": {"match": "GET /accounts", "area": "accounts",
                "body": {"$.items[*].id": {"class": "key", "subject": "customer"}, "$.items[*].status": "reference"},
                "max_records": {"at": "$.items[*]", "max": 1000, "over": "truncate"}}},
        "scopes": {"care": {"areas": ["accounts"],
            "grant": {"key": "show", "reference": "show", "contact": "show"}}},
    });
    let (set, _) = policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let key = PseudonymKey::from_base64("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=").unwrap();
    let program = Rc::new(Program::new(set, Some(key)).unwrap());
    println!(
        "\n{:<38}{:>10}{:>10}{:>10}{:>10}{:>8}",
        "what the record adds, µs", "body", "line", "together", "bytes", "most"
    );
    let more: String = (0..42).map(|at| format!(r#","internal{at}":"{}""#, "x".repeat(20))).collect();
    let account = format!(
        r#"{{"id":"A-1","status":"active","name":"Ana","email":"ana@example.org","iban":"PT50","address":{{"city":"Porto",
            "street":"Main"}},"lines":[{{"number":"1","state":"on"}},{{"number":"2","state":"on"}}]{more}}}"#
    );
    let items: Vec<Value> = (0..100).map(|id| json!({"id": format!("A-{id}"), "status": "active"})).collect();
    let page = json!({"items": items}).to_string();
    let first = added(&program, "one account of 2 KB", 0, "/accounts/A-1", &account, 3.0, effort);
    let second = added(&program, "a page of 100 subjects", 1, "/accounts", &page, 8.0, effort);
    println!("what the record adds: {}", if first && second { "holds" } else { "MISSED" });
}

fn added(program: &Rc<Program>, what: &str, route: u16, path: &str, body: &str, most: f64, effort: Effort) -> bool {
    let caller = || Caller::new(program.policy(), "app", vec!["care".to_owned()], Value::Null);
    let plain = Rc::new(program.view(RouteId(route), &caller()).unwrap());
    let rewrite = |view: Rc<View>| {
        let mut out = Vec::with_capacity(body.len());
        let rewriter = Rewriter::new(view, Texts::One).push(body.as_bytes(), &mut out).unwrap();
        rewriter.finish(&mut out).unwrap();
        black_box(out);
    };
    let settled = exchange(program, path, body);
    let line = || {
        let record = settled.record(Some(Stamp(1_795_874_661_123)));
        record.count(|series, by| {
            black_box((series, by));
        });
        black_box(record.line());
    };
    let mut lanes: Vec<Box<dyn FnMut() + '_>> = vec![
        Box::new(|| rewrite(Rc::clone(&plain))),
        Box::new(|| {
            let collector = Rc::new(Collector::new(program.subjects(), &[]));
            rewrite(Rc::new(View::clone(&plain).recorded().collected(Rc::clone(&collector))));
            black_box(collector.take_subjects());
        }),
        Box::new(line),
    ];
    let taken = race(&mut lanes, effort);
    let (counting, line) = ((taken[1] - taken[0]) * 1e6, taken[2] * 1e6);
    let bytes = settled.record(Some(Stamp(0))).line().len();
    let holds = counting + line <= most;
    let mark = if holds { "holds" } else { "MISSED" };
    println!("{what:<38}{counting:>10.2}{line:>10.2}{:>10.2}{bytes:>10}{most:>8}  {mark}", counting + line);
    holds
}

/// One that has ended.
fn exchange(program: &Rc<Program>, path: &str, body: &str) -> Exchange {
    let headers = |pairs: &[(&str, &str)]| -> Headers {
        pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    };
    let mut exchange = Exchange::new(Rc::clone(program));
    let caller = Caller::new(program.policy(), "app", vec!["care".to_owned()], Value::Null);
    let id = "0f7c5e1a-9c1d-4c47-b7a1-6a3d2f6f2b11";
    let request = headers(&[(":method", "GET"), (":path", path), (":authority", "api.example"), ("x-request-id", id)]);
    exchange.on_request(&request, caller, None);
    exchange.on_response_head(&headers(&[(":status", "200"), ("content-type", "application/json")]), End::More);
    exchange.on_response_body(body.as_bytes(), body.len(), End::Last);
    exchange.settle(None, &mut Memory::default());
    exchange
}
