//! Fieldgate: a filter for API responses that shows each caller only the fields it needs.
//!
//! An Envoy WebAssembly plugin rewrites JSON responses by YAML field policies, deny by default; a command line checks,
//! tests and previews the same policies on the same core.
//!
//! # The map
//!
//! A policy has three forms, with one function between each. An untrusted [`document::PolicyDoc`] becomes a [`model::PolicySet`], valid
//! by construction; that becomes a [`program::Program`], which is what runs. Nothing after `check` can fail for a reason
//! that the author could mend.
//!
//! ```text
//!  YAML, JSON, Struct ─► document ─► policy ─► model ─► program ─► View (one kind of caller × one route)
//!             ▲                       │                              │
//!          protobuf                   ▼                              ▼
//!                                 diagnostic     exchange ◄──── rewrite ◄── json (what is JSON), transform (one scalar)
//!                                                │ ▲  ▲
//!                     refusal, report ◄──────────┘ │  └── caller (who is asking)
//!                                                  └── budget (how much it may have, and what it got)
//!
//!  crates/plugin (wasm32), crates/module ◄──── exchange ────► crates/workbench ◄── crates/cli (native)
//! ```
//!
//! This crate is the core. It does no input or output: events go in, directives come out ([`exchange::Exchange`]). Around
//! it are `crates/plugin`, which knows Envoy and decides nothing, and `crates/module`, a second host of the kind, native; `crates/workbench`, what authors and reviewers
//! ask (suites, OpenAPI, deployments); `crates/studio`, both for a browser; `crates/cli`, the command `fieldgate`; `crates/testkit`, what the tests share.
//!
//! # For whom
//!
//! What is `pub` is listed here by who it is for; the rest of the crate is its own.
//!
//! | who | uses |
//! |---|---|
//! | a host: events in, directives out | [`exchange`], [`caller`], [`program`], [`refusal`], [`report`], [`budget`] (its stores and the rate limit service), [`protobuf`] (what it is handed as bytes) |
//! | who reads and judges policies: the command, the workbench, the studio | [`policy`] (`load`, `check`, `digest`), [`document`] (trees with spans), [`model`] (what a policy says), [`diagnostic`], [`program`] (routes, views, the deciding line) |
//! | who looks at one value | [`transform`], [`rewrite`] |
//! | tests, fuzz targets and benches of the engine | [`json`], [`rewrite`] |
//!
//! # What happens when something fails
//!
//! | what | the caller gets |
//! |---|---|
//! | the policy does not check | Envoy does not start, or keeps the policy it has |
//! | no route, or a path that is not canonical | 403 |
//! | a query parameter that is not listed | 400 |
//! | nothing would be visible | 403 before the upstream is asked (GET, HEAD) |
//! | an upstream body that is not strict JSON, or is encoded, partial or too large | 502, or a reset once the head is gone |
//! | an upstream error | its status, and the few members that `errors.show` names |
//! | a state that should not exist | 500, or a reset once the head is gone |
//! | the VM traps | its streams end; Envoy makes a new one (`FAIL_RELOAD`) |
//!
//! No refusal holds a byte of what it refuses ([`refusal::Refusal`] is `Copy`).

pub mod budget;
pub mod caller;
pub mod diagnostic;
pub mod document;
pub mod exchange;
pub mod json;
pub mod model;
pub mod policy;
pub mod program;
pub mod protobuf;
pub mod refusal;
pub mod report;
pub mod rewrite;
pub mod transform;
