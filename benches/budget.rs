//! What a budget adds to a response of 2 KB, from the request's head to the record's line, in all but the host's own work:
//! the same policy with and without it.
//!
//! usage: budget [--quick] [--turns LANE N]
//!
//! `--turns` does one lane so many times and measures nothing, for a profiler.

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
use fieldgate::exchange::{BodyDirective, End, Exchange, Headers, RequestDirective};
use fieldgate::model::moment::Moment;
use fieldgate::policy;
use fieldgate::program::Program;
use fieldgate::report::Stamp;
use fieldgate::transform::PseudonymKey;
use fieldgate_benches::clock::{Effort, race};
use fieldgate_benches::inputs;
use serde_json::Value;

const NOW: u64 = 1_795_874_661;

/// A host of one worker.
struct Host {
    program: Rc<Program>,
    store: MemoryStore,
    body: Vec<u8>,
    head: Headers,
    requests: u64,
}

/// Whose account is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    /// One customer's, each time.
    Known,
    /// Another customer's, each time.
    New,
}

impl Host {
    fn new(max: Option<u64>) -> Self {
        let policy = inputs::one_customer_policy(max).to_string();
        let (set, _) = policy::from_json(policy.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
        let key = PseudonymKey::from_base64(inputs::KEY).unwrap();
        let input = inputs::all(&["customers 2 KB".to_owned()]).remove(0);
        Self {
            program: Rc::new(Program::new(set, Some(key)).unwrap()),
            store: MemoryStore::default(),
            body: input.bodies[0].0.clone(),
            head: headers(&[(":status", "200"), ("content-type", "application/json"), ("content-length", "2048")]),
            requests: 0,
        }
    }

    fn answer(&mut self, whose: Whose) {
        self.requests += 1;
        let id = if whose == Whose::Known { 0 } else { self.requests };
        let path = format!("/r/{id}");
        let request = headers(&[
            (":method", "GET"),
            (":path", &path),
            (":authority", "api.example"),
            ("x-request-id", "0f7c5e1a-9c1d-4c47-b7a1-6a3d2f6f2b11"),
        ]);
        let caller = Caller::new(self.program.policy(), "app", Vec::new(), Value::Null);
        let mut exchange = Exchange::new(Rc::clone(&self.program));
        let mut directive = exchange.on_request(&request, caller, Some(Moment(NOW)));
        if directive == RequestDirective::Reserve {
            directive = exchange.reserve(End::Last, Some(Moment(NOW)), &mut self.store);
        }
        assert!(matches!(directive, RequestDirective::Forward { .. }));
        black_box(exchange.reservations());
        black_box(exchange.on_response_head(&self.head, End::More));
        let body = exchange.on_response_body(&self.body, self.body.len(), End::Last);
        assert!(!matches!(body, BodyDirective::Refuse(_) | BodyDirective::Reset));
        black_box(body);
        exchange.taken();
        black_box(exchange.reservations());
        exchange.settle(Some(Moment(NOW)), &mut self.store);
        let record = exchange.record(Some(Stamp(NOW * 1000)));
        black_box(record.line());
        record.count(|series, by| {
            black_box((series, by));
        });
    }
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let lanes = || {
        [
            ("without a budget", None, Whose::Known),
            ("known", Some(1_000_000_000), Whose::Known),
            ("new", Some(1_000_000_000), Whose::New),
            // What is the same: what it differs in is the machine's.
            ("without again", None, Whose::Known),
        ]
        .map(|(name, max, whose)| (name, Host::new(max), whose))
    };
    if let [flag, lane, turns] = arguments.as_slice()
        && flag == "--turns"
    {
        let (_, mut host, whose) = lanes().into_iter().find(|(name, ..)| name == lane).unwrap();
        (0..turns.parse().unwrap()).for_each(|_| host.answer(whose));
        return;
    }
    let effort = if arguments.iter().any(|argument| argument == "--quick") { Effort::QUICK } else { Effort::FULL };
    let mut hosts = lanes();
    let mut racing: Vec<Box<dyn FnMut() + '_>> =
        hosts.iter_mut().map(|(_, host, whose)| Box::new(move || host.answer(*whose)) as Box<dyn FnMut()>).collect();
    let taken = race(&mut racing, effort);
    let without = (taken[0] + taken[3]) / 2.0;
    let added = [1, 2].map(|lane| (taken[lane] - without) * 1e6);
    println!("\n{:<38}{:>10}{:>10}", "a response of 2 KB, µs", "is", "most");
    println!("{:<38}{:>10.2}", "without a budget", without * 1e6);
    println!("{:<38}{:>10.2}", "the same twice, apart by", (taken[3] - taken[0]).abs() * 1e6);
    for ((what, added), most) in
        ["a budget adds, known subject", "a budget adds, new subject"].into_iter().zip(added).zip([5.0, 8.0])
    {
        println!("{what:<38}{added:>10.2}{most:>10}  {}", if added <= most { "holds" } else { "MISSED" });
    }
    let holds = added[0] <= 5.0 && added[1] <= 8.0;
    println!("what a budget adds: {}", if holds { "holds" } else { "MISSED" });
}
