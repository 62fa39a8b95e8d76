//! What the tests and the demo share: a token issuer, a scripted upstream, clients that keep every byte, and a real Envoy.
//!
//! Everything listens on 127.0.0.1 at a free port and is stopped by whoever started it.

#![allow(dead_code, reason = "each program uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test's own fault should stop the test"
)]

pub(crate) mod bootstrap;
pub(crate) mod client;
pub(crate) mod envoy;
pub(crate) mod harvester;
pub(crate) mod http1;
pub(crate) mod marker;
pub(crate) mod ratelimit;
pub(crate) mod row;
pub(crate) mod stream;
pub(crate) mod token;
pub(crate) mod upstream;
