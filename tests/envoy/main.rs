//! Rows that hold in a real Envoy, in every framing, and what happens when Envoy starts, reloads and stops.
//!
//! Each row runs 24 times: {head held, head released} × {content-length, chunked, trailers} × {HTTP/1, HTTP/2} upstream ×
//! {HTTP/1, HTTP/2} downstream. Whatever the row says, a withheld marker in any byte of the client's side is a failure, and
//! so is a response that hangs, spills over its end, has trailers, or differs from what the native core answers.
//!
//! Without Envoy, func-e or the wasm the rows are listed as ignored, and with `CI=true` they fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test's own fault should stop the test"
)]

use fieldgate_testkit as support;

mod attacks;
mod budgets;
mod harvest;
mod hostile;
mod keys;
mod ledger;
mod lifecycle;
mod mesh;
mod otel;
mod page;
mod records;
mod reloads;
mod rows;
mod settings;
mod siege;
mod soak;
mod streams;
mod threats;
mod traps;
mod twins;
mod world;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use support::envoy::Tools;
use world::World;

type Test = Box<dyn FnOnce(&World) -> Result<(), String> + Send>;

/// Rows, by the beginning of their claims, that take a minute or more each: one of their kind runs always, all with
/// `FIELDGATE_ROWS=all` (`make matrix`, `make soak`), or when they are asked for by name.
const LONG: [&str; 17] = [
    "long bodies stream in constant memory: buffers of 16 KiB",
    "long bodies stream in constant memory: buffers of 1024 KiB",
    "a body that grows arrives whole, and Envoy lives: buffers of 16 KiB",
    "a body that grows arrives whole, and Envoy lives: buffers of 1024 KiB",
    "no buffer is too small for Envoy to live, head released",
    "64 hostile documents at once cost a bounded memory, head released",
    "no caller can tell by how a body in parts is cut what is withheld, head released",
    "what time still tells of a withheld value is measured",
    "a window never releases more than max: 4 workers, pages of 10, local",
    "a window never releases more than max: 1 Envoys",
    "no answer of a hostile upstream leaks",
    "no caller can tell two withheld values apart, head released",
    "a rate limit service whose Redis is gone",
    // It needs Prometheus: `make alerts`.
    "promtool and Prometheus take the alerts",
    "Prometheus takes each query of the dashboard",
    "the key changes in three steps",
    // It needs a collector: `make otel`.
    "an OpenTelemetry collector gets",
];

/// How many of the slowest rows are named at the end.
const SLOWEST: usize = 12;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let world = match Tools::find().map(World::new) {
        Ok(world) => Ok(Arc::new(world)),
        Err(missing) => {
            eprintln!("\nno real Envoy here: {missing}");
            Err(missing)
        }
    };
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let runs_all = arguments.filter.is_some() || std::env::var("FIELDGATE_ROWS").is_ok_and(|value| value == "all");
    let times: Arc<Mutex<Vec<(Duration, String)>>> = Arc::default();
    let trial = |name: String, test: Test| {
        let (world, times) = (world.clone(), Arc::clone(&times));
        let is_long = !runs_all && LONG.iter().any(|long| name.starts_with(long));
        let is_ignored = is_long || world.is_err() && !is_ci;
        Trial::test(name.clone(), move || {
            let start = Instant::now();
            let outcome = world.and_then(|world| test(&world)).map_err(Failed::from);
            times.lock().unwrap().push((start.elapsed(), name));
            outcome
        })
        .with_ignored_flag(is_ignored)
    };
    let rows = rows::all().into_iter().map(|row| trial(row.claim.clone(), Box::new(move |world| world.run(&row))));
    let lifecycle = lifecycle::ALL.into_iter().map(|(claim, test)| trial(claim.to_owned(), Box::new(test)));
    let own = [
        harvest::all(),
        keys::all(),
        budgets::all(),
        streams::all(),
        twins::all(),
        hostile::all(),
        siege::all(),
        attacks::all(),
        traps::all(),
        mesh::all(),
        otel::all(),
        page::all(),
        records::all(),
        ledger::all(),
        reloads::all(),
        settings::all(),
        soak::all(),
    ];
    let own = own.into_iter().flatten().map(|(claim, test)| trial(claim, test));
    let mut trials: Vec<Trial> = rows.chain(lifecycle).chain(own).collect();
    let claims: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    let unknown: Vec<&str> =
        LONG.into_iter().filter(|long| !claims.iter().any(|claim| claim.starts_with(long))).collect();
    assert!(unknown.is_empty(), "no row begins so: {unknown:?}");
    // It needs no Envoy.
    trials.push(Trial::test("every threat is held by tests that there are", move || {
        threats::table(&claims).map_err(Failed::from)
    }));
    if let Ok(world) = &world {
        println!("Envoy {}, seed {}", world.tools.envoy_version(), world.seed);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let mut times = std::mem::take(&mut *times.lock().unwrap());
    times.sort_unstable_by(|a, b| b.cmp(a));
    println!("the slowest, in seconds:");
    for (time, name) in times.iter().take(SLOWEST) {
        println!("{:6.1} {name}", time.as_secs_f64());
    }
    // The last owner stops every Envoy.
    drop(world);
    conclusion.exit_code()
}
