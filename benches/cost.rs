//! What a policy costs to configure, and what a response allocates once its head is decided; and, where the command's path
//! is given, how long that takes to check the same policy and to draw its matrix.
//!
//! usage: cost [FIELDGATE]
//!
//! Allocations are counted here and not where speed is measured: counting is not free.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

use std::alloc::System;
use std::process::Command;
use std::rc::Rc;
use std::time::Instant;

use fieldgate::caller::Caller;
use fieldgate::json::Texts;
use fieldgate::model::RouteId;
use fieldgate::policy;
use fieldgate::program::Program;
use fieldgate::rewrite::Rewriter;
use fieldgate_benches::wide::{FIELDS, classes, fields};
use serde_json::{Map, Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUTES: usize = 50;
const SCOPES: usize = 12;

/// What a host hands over at a time.
const CHUNK: usize = 64 << 10;

fn main() {
    println!("\n{:<52}{:>8}{:>8}{:>9}", "cost", "is", "gate", "stretch");
    let shared = policy_with(&|_| json!({"$": {"shape": "fields"}}));
    say("configure, ms", configure(&shared), 15.0, 5.0);
    let own = policy_with(&|route| Value::Object(fields(route)));
    println!("{:<52}{:>8.2}", format!("the same, with {FIELDS} fields on each route, ms"), configure(&own));
    let (chunks, allocations) = respond(&shared);
    for times in [1, 10, 100] {
        let kib = memory(&policy_of(times * ROUTES, &|_| json!({"$": {"shape": "fields"}})));
        println!("{:<52}{kib:>8.0}", format!("memory of {} routes that share {FIELDS} fields, KiB", times * ROUTES));
    }
    for times in [1, 10] {
        let kib = memory(&policy_of(times * ROUTES, &|route| Value::Object(fields(route))));
        println!("{:<52}{kib:>8.0}", format!("memory of {} routes of {FIELDS} fields each, KiB", times * ROUTES));
    }
    // A target last: `scripts/bench.sh` knows by it that all is there.
    say("allocations a chunk, behind the head", allocations / chunks, 1.0, 0.0);
    if let Some(fieldgate) = std::env::args().nth(1) {
        commands(&fieldgate, &shared);
    }
}

/// The whole command, from its start to its end.
fn commands(fieldgate: &str, policy: &str) {
    let file = std::env::temp_dir().join(format!("fieldgate-bench-{}.yaml", std::process::id()));
    std::fs::write(&file, policy).unwrap();
    let name = format!("{ROUTES} routes x {SCOPES} scopes x {FIELDS} fields");
    println!("\n{:<52}{:>8}{:>8}", "the command, ms", "is", "gate");
    for (what, arguments, gate) in [
        ("check", &["check"][..], 100.0),
        ("matrix, on a terminal", &["matrix"], 1_000.0),
        ("matrix, as a page", &["matrix", "--format", "html"], 1_000.0),
    ] {
        let mut taken: Vec<f64> = (0..9)
            .map(|_| {
                let start = Instant::now();
                let run = Command::new(fieldgate).args(arguments).arg(&file).output().unwrap();
                assert!(run.status.success() && !run.stdout.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        taken.sort_by(f64::total_cmp);
        let mark = if taken[4] <= gate { "holds" } else { "MISSED" };
        println!("{:<52}{:>8.0}{gate:>8}  {mark}", format!("{what}: {name}"), taken[4]);
    }
    let _ = std::fs::remove_file(&file);
}

fn say(what: &str, is: f64, gate: f64, stretch: f64) {
    let mark = if is <= stretch {
        "stretch holds"
    } else if is <= gate {
        "gate holds"
    } else {
        "MISSED"
    };
    println!("{what:<52}{is:>8.2}{gate:>8}{stretch:>9}  {mark}");
}

fn policy_with(body: &dyn Fn(usize) -> Value) -> String {
    policy_of(ROUTES, body)
}

fn policy_of(routes: usize, body: &dyn Fn(usize) -> Value) -> String {
    let routes: Map<String, Value> = (0..routes)
        .map(|route| {
            let matches = format!("GET /service{route}/{{id}}");
            (format!("route{route}"), json!({"match": matches, "area": "all", "body": body(route)}))
        })
        .collect();
    let levels = ["show", "blank", "hide"];
    let scopes: Map<String, Value> = (0..SCOPES)
        .map(|scope| {
            let grant: Map<String, Value> = (0..8)
                .map(|class| (format!("class{class}"), levels[if scope == 0 { 0 } else { (scope + class) % 3 }].into()))
                .collect();
            (format!("scope{scope}"), json!({"areas": ["all"], "grant": grant}))
        })
        .collect();
    json!({
        "language": 1,
        "policy": "bench",
        "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
        "classes": classes(),
        "shapes": {"fields": fields(0)},
        "routes": routes,
        "scopes": scopes,
    })
    .to_string()
}

fn program(text: &str) -> Program {
    let (set, _) = policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    Program::new(set, None).unwrap()
}

/// Milliseconds, as the plugin does it. Natively lints are looked for too, which the plugin has none of.
fn configure(text: &str) -> f64 {
    let mut taken: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(program(text));
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[4]
}

/// What a program holds once it is configured, in KiB: what each worker has of a policy before the first request.
fn memory(text: &str) -> f64 {
    let region = Region::new(ALLOCATOR);
    let program = program(text);
    let change = region.change();
    drop(program);
    (change.bytes_allocated as f64 - change.bytes_deallocated as f64) / 1024.0
}

/// Chunks of a response, and allocations from its first byte on. The output's buffer is the host's and is there.
fn respond(text: &str) -> (f64, f64) {
    let program = program(text);
    let set = program.policy();
    let caller = Caller::new(set, "client", vec!["scope0".to_owned()], Value::Null);
    let view = Rc::new(program.view(RouteId(0), &caller).unwrap());
    let record =
        r#"{"field0of0":"a","x":[{"y":"z"}],"group1":{"field1":2,"field9":[]},"list2":[{"field2":1},{"field30":2}]}"#;
    let lines = format!("{record}\n").repeat(2 * CHUNK * 10 / record.len());
    let mut out = Vec::with_capacity(lines.len());
    let mut rewriter = Rewriter::new(view, Texts::Lines);
    let region = Region::new(ALLOCATOR);
    let mut chunks = 0.0;
    for chunk in lines.as_bytes().chunks(CHUNK) {
        rewriter = rewriter.push(chunk, &mut out).unwrap();
        chunks += 1.0;
    }
    rewriter.finish(&mut out).unwrap();
    let change = region.change();
    (chunks, (change.allocations + change.reallocations) as f64)
}
