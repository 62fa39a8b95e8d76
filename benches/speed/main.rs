//! How fast bodies are rewritten, next to what else could rewrite them, in one run.
//!
//! The engines take turns on each body, so that whatever else the machine does hits all alike; what is printed is each
//! one's median, and ratios of those. `make bench` runs it natively and, built for WebAssembly, in V8.
//!
//! usage: speed [--quick] [INPUT…]   only inputs whose names contain one of these words

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

mod clock;
mod engines;
mod inputs;
mod plan;
mod report;
mod seeded;
mod value;

use crate::clock::Effort;
use crate::engines::Engine;
use crate::inputs::Input;
use crate::report::Row;

fn main() {
    let mut effort = Effort::FULL;
    let mut words = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => effort = Effort::QUICK,
            word => words.push(word.to_owned()),
        }
    }
    let rows: Vec<Row> = inputs::all()
        .iter()
        .filter(|input| words.is_empty() || words.iter().any(|word| input.name.contains(word.as_str())))
        .map(|input| measure(input, effort))
        .collect();
    report::print(&rows);
}

fn measure(input: &Input, effort: Effort) -> Row {
    let mut engines = engines::all(input);
    engines::compare(input, &mut engines);
    let mut lanes: Vec<Box<dyn FnMut() + '_>> = Vec::new();
    for engine in &mut engines {
        lanes.push(Box::new(|| engine.run(input)));
    }
    let seconds = clock::race(&mut lanes, effort);
    drop(lanes);
    let names: Vec<&'static str> = engines.iter().map(Engine::name).collect();
    Row::new(input, &names, &seconds)
}
