//! What grows with a body, with a policy and with those who call: the time of a byte, finding a route among many, the scopes of
//! a caller, and the views of ever other kinds of callers. Each is measured beside the small case, in one run.
//!
//! usage: growth

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::json::Texts;
use fieldgate::model::RouteId;
use fieldgate::policy;
use fieldgate::program::Program;
use fieldgate::rewrite::Rewriter;
use fieldgate_benches::clock::{Effort, race};
use fieldgate_benches::inputs;
use fieldgate_benches::wide::{FIELDS, classes, fields};
use serde_json::{Map, Value, json};

/// What a host hands over at a time.
const CHUNK: usize = 64 << 10;

/// Kinds of callers that come by turns.
const KINDS: usize = 10_000;

fn main() {
    println!("\n{:<60}{:>9}{:>9}", "growth", "is", "gate");
    bodies();
    routes();
    scopes();
    kinds();
}

/// A straight line: a byte of a large body takes no longer than a byte of a small one.
fn bodies() {
    let mut first = f64::NAN;
    for (size, gate) in [(1_000, 1.0), (10_000, 1.25), (100_000, 1.25), (1_000_000, 1.25), (100_000_000, 1.25)] {
        let input = inputs::customers("customers", size);
        let (body, view) = &input.bodies[0];
        let mut out = Vec::with_capacity(CHUNK);
        let lane = || {
            let mut rewriter = Rewriter::new(Rc::clone(view), Texts::One);
            for chunk in body.chunks(CHUNK) {
                out.clear();
                rewriter = rewriter.push(chunk, &mut out).unwrap_or_else(|_| panic!("a body that is refused"));
            }
            rewriter.finish(&mut out).unwrap_or_else(|_| panic!("a body that is not whole"));
        };
        let of_a_byte = race(&mut [Box::new(lane)], Effort::FULL)[0] / body.len() as f64 * 1e9;
        if first.is_nan() {
            first = of_a_byte;
        }
        say(&format!("{} bytes: {of_a_byte:.2} ns a byte, ÷ that of the first", body.len()), of_a_byte / first, gate);
    }
}

fn say(what: &str, is: f64, gate: f64) {
    let mark = if is <= gate { "holds" } else { "MISSED" };
    println!("{what:<60}{is:>9.2}{gate:>9}  {mark}");
}

fn program(routes: Map<String, Value>, scopes: Map<String, Value>, clients: Map<String, Value>) -> Program {
    let mut text = json!({
        "language": 1, "policy": "bench",
        "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
        "classes": classes(), "routes": routes, "scopes": scopes,
        "shapes": {"fields": fields(0)},
    });
    if !clients.is_empty() {
        text["clients"] = Value::Object(clients);
    }
    let (set, _) = policy::from_json(text.to_string().as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    Program::new(set, None).unwrap()
}

/// A scope that grants class by class what its number says, in base three.
fn scope(number: usize) -> Value {
    let levels = ["hide", "blank", "show"];
    let level = |class: usize| levels[number / 3usize.pow(class as u32) % 3];
    let grant: Map<String, Value> = (0..8).map(|class| (format!("class{class}"), level(class).into())).collect();
    json!({"areas": ["all"], "grant": grant})
}

/// Five ways to be a route, of which the middle ones look alike for long.
fn template(number: usize) -> String {
    match number % 5 {
        0 => format!("GET /service{number}/{{id}}"),
        1 => format!("GET /api/v1/accounts/{{id}}/part{number}"),
        2 => format!("POST /api/v1/{{tenant}}/orders{number}/{{id}}"),
        3 => format!("GET /odata/Set{number}({{id}})"),
        _ => format!("GET /api/v1/accounts/{{id}}:verb{number}"),
    }
}

/// Finding a route among so many, in microseconds.
fn routes() {
    for (count, gate) in [(5, 0.5), (50, 0.5), (500, 0.5), (5_000, 0.5)] {
        let all = (0..count)
            .map(|number| {
                (format!("route{number}"), json!({"match": template(number), "area": "all", "body": {"$.a": "class0"}}))
            })
            .collect();
        let program = program(all, [("scope".to_owned(), scope(1))].into_iter().collect(), Map::new());
        let asked: Vec<(String, String)> = (0..64)
            .map(|turn| {
                let template = template(turn * 7919 % count).replace("{id}", "12345678").replace("{tenant}", "acme");
                let (method, path) = template.split_once(' ').unwrap();
                (method.to_owned(), path.to_owned())
            })
            .collect();
        let lane = || {
            for (method, path) in &asked {
                assert!(black_box(program.find("api.example", method, path)).unwrap().is_some());
            }
        };
        let taken = race(&mut [Box::new(lane)], Effort::FULL)[0];
        say(&format!("find a route among {count}, µs"), taken / 64.0 * 1e6, gate);
    }
}

/// What a caller's scopes cost a request, in microseconds: who it is, which are active, and the view that is known.
fn scopes() {
    let route = json!({"match": "GET /a", "area": "all", "body": {"$": {"shape": "fields"}}});
    let all: Map<String, Value> = (0..64).map(|number| (format!("scope{number}"), scope(number))).collect();
    let program = program([("route".to_owned(), route)].into_iter().collect(), all, Map::new());
    let caller = |count: usize| {
        let names = (0..count).map(|number| format!("scope{number}")).collect();
        Caller::new(program.policy(), "client", names, Value::Null)
    };
    let (one, many) = (caller(1), caller(64));
    let lane = |caller: &Caller| {
        // A caller keeps what was found for it.
        let fresh = caller.clone();
        black_box(program.view(RouteId(0), &fresh).unwrap());
    };
    let copy = || {
        black_box(many.clone());
    };
    let taken = race(&mut [Box::new(|| lane(&one)), Box::new(|| lane(&many)), Box::new(copy)], Effort::FULL);
    say("a known view with one active scope, µs", taken[0] * 1e6, 0.5);
    say("a known view with 64 active scopes, the copy of names aside, µs", (taken[1] - taken[2]) * 1e6, 2.0);
}

/// Requests of ever other kinds of callers beside those of one.
fn kinds() {
    let route = json!({"match": "GET /a", "area": "all", "body": {"$": {"shape": "fields"}}});
    let one = || [("route".to_owned(), route.clone())].into_iter().collect::<Map<_, _>>();
    let by_scopes = program(
        one(),
        (0..14).map(|number| (format!("scope{number:02}"), scope(number * 457 + 1))).collect(),
        Map::new(),
    );
    let callers: Vec<Caller> = (1..=KINDS)
        .map(|kind| {
            let names = (0..14).filter(|bit| (kind >> bit) & 1 == 1).map(|bit| format!("scope{bit:02}")).collect();
            Caller::new(by_scopes.policy(), "client", names, Value::Null)
        })
        .collect();
    turns("of 10,000 sets of scopes", &by_scopes, &callers, 2.0);
    let clients = |hides: usize| {
        let paths: Vec<String> = fields(0).keys().cloned().collect();
        (0..8_000)
            .map(|client| {
                let denied: BTreeSet<&str> =
                    (0..hides).map(|which| paths[(client * (which + 1) + which) % FIELDS].as_str()).collect();
                (format!("client{client}"), json!({"deny": {"fields": denied}}))
            })
            .chain([("*".to_owned(), json!({}))])
            .collect::<Map<_, _>>()
    };
    for (hides, gate) in [(1, 2.0), (3, f64::INFINITY)] {
        let program = program(one(), [("scope".to_owned(), scope(6560))].into_iter().collect(), clients(hides));
        let callers: Vec<Caller> = (0..8_000)
            .map(|client| Caller::new(program.policy(), &format!("client{client}"), vec!["scope".into()], Value::Null))
            .collect();
        turns(&format!("of 8,000 clients that {hides} of {FIELDS} places are hidden from"), &program, &callers, gate);
    }
}

fn turns(what: &str, program: &Program, callers: &[Caller], gate: f64) {
    let ask = |caller: &Caller| {
        black_box(program.view(RouteId(0), &caller.clone()).unwrap());
    };
    let first = std::time::Instant::now();
    callers.iter().for_each(ask);
    let first = first.elapsed().as_secs_f64() / callers.len() as f64;
    let next = Cell::new(0);
    let known = || ask(&callers[callers.len() - 1]);
    let by_turns = || {
        ask(&callers[next.get()]);
        next.set((next.get() + 1) % callers.len());
    };
    let taken = race(&mut [Box::new(known), Box::new(by_turns)], Effort::FULL);
    println!("{:<60}{:>9.2}", format!("{what}: first time, µs"), first * 1e6);
    println!("{:<60}{:>9.2}", "  known, µs", taken[0] * 1e6);
    println!("{:<60}{:>9.2}", "  by turns, µs", taken[1] * 1e6);
    say("  by turns ÷ known", taken[1] / taken[0], gate);
}
