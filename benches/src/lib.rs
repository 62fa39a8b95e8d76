//! What the benches share: bodies with a policy for each, a wide policy, random choices, and a clock for lanes that race.

#![allow(missing_docs, reason = "for the benches alone, whose names say what they are")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

pub mod clock;
pub mod inputs;
pub mod seeded;
pub mod wide;
