//! What the tests and the demo share: a token issuer, a scripted upstream, clients that keep every byte, and a real Envoy;
//! the oracle, which reads policies a second time, and the cases for it.
//!
//! Everything listens on 127.0.0.1 at a free port and is stopped by whoever started it.

#![allow(missing_docs, reason = "for this project's tests alone, whose names say what they are")]
#![allow(clippy::new_without_default, reason = "a default would make a key, or listen")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test's own fault should stop the test"
)]

use std::path::Path;

pub mod agreement;
#[cfg(feature = "hosts")]
pub mod bootstrap;
pub mod cases;
#[cfg(feature = "hosts")]
pub mod client;
#[cfg(feature = "hosts")]
pub mod envoy;
pub mod fragments;
#[cfg(feature = "hosts")]
pub mod harvester;
#[cfg(feature = "hosts")]
pub mod http1;
pub mod key_reference;
pub mod lanes;
#[cfg(feature = "hosts")]
pub mod marker;
pub mod oracle;
#[cfg(feature = "hosts")]
pub mod ratelimit;
#[cfg(feature = "hosts")]
pub mod resources;
#[cfg(feature = "hosts")]
pub mod row;
pub mod shown;
#[cfg(feature = "hosts")]
pub mod stream;
#[cfg(feature = "hosts")]
pub mod token;
pub mod tree;
#[cfg(feature = "hosts")]
pub mod upstream;

/// The project's directory: the one with `policies` and `envoy` in it.
#[must_use]
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}
