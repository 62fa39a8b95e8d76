//! A policy, a caller and bodies made from any bytes: the rewriter does what the oracle says, whole and in pieces.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, unused_imports)]
#[path = "../../tests/oracle_rewrite.rs"]
mod oracle_rewrite;

/// Bytes that make a caller, and that make one body.
const CALLER: usize = 8;
const BODY: usize = 400;

fuzz_target!(|bytes: &[u8]| {
    let (caller, rest) = bytes.split_at(bytes.len().min(CALLER));
    let (body, policy) = rest.split_at(rest.len().min(BODY));
    let seen = RefCell::default();
    if let Err(fault) = oracle_rewrite::agree(policy, caller, &[body.to_vec()], &seen) {
        panic!("{fault}");
    }
});
