//! A policy, a caller and bodies made from any bytes: the rewriter does what the oracle says, whole and in pieces.
#![no_main]

use std::cell::RefCell;

use fieldgate_testkit::agreement::agree;
use libfuzzer_sys::fuzz_target;

/// Bytes that make a caller, and that make one body.
const CALLER: usize = 8;
const BODY: usize = 400;

fuzz_target!(|bytes: &[u8]| {
    let (caller, rest) = bytes.split_at(bytes.len().min(CALLER));
    let (body, policy) = rest.split_at(rest.len().min(BODY));
    let seen = RefCell::default();
    if let Err(fault) = agree(policy, caller, &[body.to_vec()], &seen) {
        panic!("{fault}");
    }
});
