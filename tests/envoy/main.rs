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
mod harvest;
mod hostile;
mod lifecycle;
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
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use support::envoy::Tools;
use world::World;

type Test = Box<dyn FnOnce(&World) -> Result<(), String> + Send>;

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
    let trial = |name: String, test: Test| {
        let world = world.clone();
        let is_ignored = world.is_err() && !is_ci;
        Trial::test(name, move || world.and_then(|world| test(&world)).map_err(Failed::from))
            .with_ignored_flag(is_ignored)
    };
    let rows = rows::all().into_iter().map(|row| trial(row.claim.clone(), Box::new(move |world| world.run(&row))));
    let lifecycle = lifecycle::ALL.into_iter().map(|(claim, test)| trial(claim.to_owned(), Box::new(test)));
    let own = [
        harvest::all(),
        streams::all(),
        twins::all(),
        hostile::all(),
        siege::all(),
        attacks::all(),
        traps::all(),
        reloads::all(),
        settings::all(),
        soak::all(),
    ];
    let own = own.into_iter().flatten().map(|(claim, test)| trial(claim, test));
    let mut trials: Vec<Trial> = rows.chain(lifecycle).chain(own).collect();
    let claims: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    // It needs no Envoy.
    trials.push(Trial::test("every threat is held by tests that there are", move || {
        threats::table(&claims).map_err(Failed::from)
    }));
    if let Ok(world) = &world {
        println!("Envoy {}, seed {}", world.tools.envoy_version(), world.seed);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The last owner stops every Envoy.
    drop(world);
    conclusion.exit_code()
}
