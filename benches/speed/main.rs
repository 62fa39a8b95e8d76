//! How fast bodies are rewritten, next to what else could rewrite them, in one run.
//!
//! The engines take turns on each body, so that whatever else the machine does hits all alike; what is printed is each
//! one's median, and ratios of those. `make bench` runs it natively and, built for WebAssembly, in V8.
//!
//! usage: speed [--quick] [--engine=NAME] [--body=FILE] [INPUT…]
//!
//! Only inputs whose names contain one of these words; only that engine, for a profiler to look at. With a file nothing is measured:
//! the first body goes there, for a program that is not Rust.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

mod engines;
mod plan;
mod report;
mod value;

use fieldgate_benches::clock::{self, Effort};
use fieldgate_benches::inputs::{self, Input};

use crate::engines::Engine;
use crate::report::Row;

fn main() {
    let mut effort = Effort::FULL;
    let mut words = Vec::new();
    let mut only = None;
    let mut file = None;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => effort = Effort::QUICK,
            word if word.starts_with("--engine=") => only = word.strip_prefix("--engine=").map(str::to_owned),
            word if word.starts_with("--body=") => file = word.strip_prefix("--body=").map(str::to_owned),
            word => words.push(word.to_owned()),
        }
    }
    if let Some(file) = file {
        return std::fs::write(file, &inputs::all(&words)[0].bodies[0].0).unwrap();
    }
    let rows: Vec<Row> = inputs::all(&words).iter().map(|input| measure(input, effort, only.as_deref())).collect();
    report::print(&rows);
}

fn measure(input: &Input, effort: Effort, only: Option<&str>) -> Row {
    let mut engines = engines::all(input);
    engines::compare(input, &mut engines);
    engines.retain(|engine| only.is_none_or(|only| engine.name() == only));
    let mut lanes: Vec<Box<dyn FnMut() + '_>> = Vec::new();
    for engine in &mut engines {
        lanes.push(Box::new(|| engine.run(input)));
    }
    let seconds = clock::race(&mut lanes, effort);
    drop(lanes);
    let names: Vec<&'static str> = engines.iter().map(Engine::name).collect();
    Row::new(input, &names, &seconds)
}
