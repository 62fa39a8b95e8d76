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
mod sizes;
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
use support::bootstrap::Host;
use support::envoy::{Costs, Tools};
use world::World;

type Test = Box<dyn FnOnce(&World) -> Result<(), String> + Send>;

/// Rows, by the beginning of their claims, that take a minute or more each: one of their kind runs always, all with
/// `FIELDGATE_ROWS=all` (`make matrix`, `make soak`), or when they are asked for by name.
const LONG: [&str; 18] = [
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
    "what a policy costs in memory and at the start",
    // It needs Prometheus: `make alerts`.
    "promtool and Prometheus take the alerts",
    "Prometheus takes each query of the dashboard",
    "the key changes in three steps",
    // It needs a collector: `make otel`.
    "an OpenTelemetry collector gets",
];

/// Rows, by the beginning of their claims, that take long and that a version of Envoy does not decide: with
/// `FIELDGATE_ROWS=versions`, as the oldest one is tried for each change, they are ignored. `make matrix` runs them everywhere.
const OF_NO_VERSION: [&str; 12] = [
    "no caller can tell two withheld values apart",
    "no caller can tell what stands where something is withheld",
    "what a harvester tries at Envoy is counted",
    "the ledger agrees with the upstream and the clients",
    "who has many client ids gets so many budgets",
    "no client sheds its ceiling by a claim",
    "a route that only reports passes what comes",
    "the ladder is seen through Envoy",
    "nothing of a request or a response is in logs, metrics or the configuration",
    "a broken policy keeps Envoy from starting",
    "a policy with pseudonyms keeps Envoy from starting without the key",
    "a member that no shape names is told once",
];

/// Rows, by the beginning of their claims, that are about the plugin alone: with `FIELDGATE_HOST=module` they are ignored, for
/// the reason that stands beside them.
const OF_THE_PLUGIN: [(&str, &str); 19] = [
    ("the plugin that is shipped cannot be told to trap", VM),
    ("with FAIL_CLOSED a VM that died", VM),
    ("with FAIL_OPEN a VM that died", VM),
    ("a VM that dies leaks nothing", VM),
    ("a VM that traps", VM),
    ("a rate limit service", RATE_LIMITS),
    ("a window never releases more than max: 1 Envoys", RATE_LIMITS),
    ("a window never releases more than max: 2 Envoys", RATE_LIMITS),
    ("who leaves while the service is asked", RATE_LIMITS),
    ("a policy that is reloaded while the service is asked", RATE_LIMITS),
    ("what render writes for Istio", WRITTEN),
    ("of what render writes for Istio", WRITTEN),
    ("a misspelt field in what render writes for Istio", WRITTEN),
    ("the lines of docs/operations.md", WRITTEN),
    ("an OpenTelemetry collector", NAMES),
    ("Prometheus sees each counter", NAMES),
    ("Prometheus takes each query", NAMES),
    ("promtool and Prometheus", NAMES),
    ("the core leaks nothing", "it needs no Envoy"),
];
const VM: &str = "the module has no virtual machine";
const RATE_LIMITS: &str = "the module takes no policy that asks the rate limit service";
const WRITTEN: &str = "what is written there is for the plugin";
const NAMES: &str = "it looks for the plugin's names of metrics";

/// How many of the slowest rows are named at the end.
const SLOWEST: usize = 12;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A row mostly waits: for an Envoy that starts or drains, for a window that ends.
    let twice = std::thread::available_parallelism().map_or(2, |cores| cores.get().saturating_mul(2));
    arguments.test_threads = arguments.test_threads.or(Some(twice));
    let world = match Tools::find().map(World::new) {
        Ok(world) => Ok(Arc::new(world)),
        Err(missing) => {
            eprintln!("\nno real Envoy here: {missing}");
            Err(missing)
        }
    };
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let rows = std::env::var("FIELDGATE_ROWS").unwrap_or_default();
    let runs_all = arguments.filter.is_some() || rows == "all";
    let only_of_versions = !runs_all && rows == "versions";
    let times: Arc<Mutex<Vec<(Duration, String)>>> = Arc::default();
    let trial = |name: String, test: Test| {
        let (world, times) = (world.clone(), Arc::clone(&times));
        let is_long = !runs_all && LONG.iter().any(|long| name.starts_with(long));
        let is_of_none = only_of_versions && OF_NO_VERSION.iter().any(|of| name.starts_with(of));
        let is_other = Host::chosen() == Host::Module && OF_THE_PLUGIN.iter().any(|(of, _)| name.starts_with(of));
        let is_ignored = is_long || is_other || world.is_err() && !is_ci;
        Trial::test(name.clone(), move || {
            let start = Instant::now();
            let outcome = world.and_then(|world| test(&world)).map_err(Failed::from);
            times.lock().unwrap().push((start.elapsed(), name));
            outcome
        })
        .with_ignored_flag(is_ignored || is_of_none)
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
        sizes::all(),
        soak::all(),
    ];
    let own = own.into_iter().flatten().map(|(claim, test)| trial(claim, test));
    let mut trials: Vec<Trial> = rows.chain(lifecycle).chain(own).collect();
    let claims: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    let unknown: Vec<&str> = LONG
        .into_iter()
        .chain(OF_NO_VERSION)
        .filter(|row| !claims.iter().any(|claim| claim.starts_with(row)))
        .collect();
    assert!(unknown.is_empty(), "no row begins so: {unknown:?}");
    for (of_the_plugin, why) in OF_THE_PLUGIN {
        let count = claims.iter().filter(|claim| claim.starts_with(of_the_plugin)).count();
        assert!(count > 0, "no row begins so: {of_the_plugin}");
        if Host::chosen() == Host::Module {
            println!("{count} rows of the plugin alone, {of_the_plugin} …: {why}");
        }
    }
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
    let costs = Costs::so_far();
    println!(
        "{} Envoys were started; of {} s of the processor's time they had {} before they served",
        costs.started,
        costs.until_stopped / 1000,
        costs.until_ready / 1000
    );
    conclusion.exit_code()
}
