//! What the decision record adds to a response: counting and collecting while its body is rewritten, and the line itself.
//!
//! usage: record [--quick] [--turns LANE N]
//!
//! `--turns` does one lane of the page (0: without a record, 1: with one, 2: its line) so many times and measures nothing, for a
//! profiler.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

use std::hint::black_box;
use std::rc::Rc;

use fieldgate::budget::MemoryStore;
use fieldgate::caller::Caller;
use fieldgate::exchange::{End, Exchange, Headers};
use fieldgate::json::Texts;
use fieldgate::model::RouteId;
use fieldgate::policy;
use fieldgate::program::{Collector, Program, View};
use fieldgate::report::Stamp;
use fieldgate::rewrite::Rewriter;
use fieldgate::transform::PseudonymKey;
use fieldgate_benches::clock::{Effort, race};
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let effort = if arguments.iter().any(|argument| argument == "--quick") { Effort::QUICK } else { Effort::FULL };
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
    let items: Vec<Value> = (0..100).map(|id| json!({"id": format!("A-{id}"), "status": "active"})).collect();
    let page = json!({"items": items}).to_string();
    if let [flag, lane, turns] = arguments.as_slice()
        && flag == "--turns"
    {
        let response = Response::new(&program, 1, "/accounts", &page);
        let mut lanes = response.lanes();
        return (0..turns.parse().unwrap()).for_each(|_| lanes[lane.parse::<usize>().unwrap()]());
    }
    println!(
        "\n{:<38}{:>10}{:>10}{:>10}{:>10}{:>8}",
        "what the record adds, µs", "body", "line", "together", "bytes", "most"
    );
    let more: String = (0..42).map(|at| format!(r#","internal{at}":"{}""#, "x".repeat(20))).collect();
    let account = format!(
        r#"{{"id":"A-1","status":"active","name":"Ana","email":"ana@example.org","iban":"PT50","address":{{"city":"Porto",
            "street":"Main"}},"lines":[{{"number":"1","state":"on"}},{{"number":"2","state":"on"}}]{more}}}"#
    );
    let first = added("one account of 2 KB", &Response::new(&program, 0, "/accounts/A-1", &account), 3.0, effort);
    let second = added("a page of 100 subjects", &Response::new(&program, 1, "/accounts", &page), 8.0, effort);
    println!("what the record adds: {}", if first && second { "holds" } else { "MISSED" });
}

/// A response, as it is rewritten without a record and with one.
struct Response<'a> {
    program: &'a Rc<Program>,
    body: &'a str,
    plain: Rc<View>,
    settled: Exchange,
}

impl<'a> Response<'a> {
    fn new(program: &'a Rc<Program>, route: u16, path: &str, body: &'a str) -> Self {
        let caller = Caller::new(program.policy(), "app", vec!["care".to_owned()], Value::Null);
        let plain = Rc::new(program.view(RouteId(route), &caller).unwrap());
        Self { program, body, plain, settled: exchange(program, path, body) }
    }

    fn rewrite(&self, view: Rc<View>) {
        let mut out = Vec::with_capacity(self.body.len());
        let rewriter = Rewriter::new(view, Texts::One).push(self.body.as_bytes(), &mut out).unwrap();
        rewriter.finish(&mut out).unwrap();
        black_box(out);
    }

    fn lanes(&self) -> Vec<Box<dyn FnMut() + '_>> {
        vec![
            Box::new(|| self.rewrite(Rc::clone(&self.plain))),
            Box::new(|| {
                let collector = Rc::new(Collector::new(self.program.subjects(), &[]));
                self.rewrite(Rc::new(View::clone(&self.plain).recorded().collected(Rc::clone(&collector))));
                black_box(collector.take_subjects());
            }),
            Box::new(|| {
                let record = self.settled.record(Some(Stamp(1_795_874_661_123)));
                record.count(|series, by| {
                    black_box((series, by));
                });
                black_box(record.line());
            }),
        ]
    }
}

fn added(what: &str, response: &Response<'_>, most: f64, effort: Effort) -> bool {
    let taken = race(&mut response.lanes(), effort);
    let (counting, line) = ((taken[1] - taken[0]) * 1e6, taken[2] * 1e6);
    let bytes = response.settled.record(Some(Stamp(0))).line().len();
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
    exchange.settle(None, &mut MemoryStore::default());
    exchange
}
