//! What must not grow out of proportion, by the bytes that it allocates: they are the same on every machine.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::alloc::System;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use fieldgate::caller::Caller;
use fieldgate::exchange::{Request, Response, respond};
use fieldgate::model::{ClassId, Level, RouteId};
use fieldgate::program::Program;
use serde_json::{Map, Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process, and tests run side by side.
static ALONE: Mutex<()> = Mutex::new(());

fn allocated(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    region.change().bytes_allocated
}

fn program(text: &Value) -> Rc<Program> {
    let (policy, _) = fieldgate::policy::from_json(text.to_string().as_bytes()).unwrap();
    Rc::new(Program::new(policy, None).unwrap())
}

/// A policy with one field behind each of so many filters on one array.
fn filters(count: u32) -> Rc<Program> {
    let fields: Map<String, Value> =
        (0..count).map(|i| (format!("$.items[?@.f{i} == 1].v{i}"), json!("open"))).collect();
    program(&json!({"language": 1, "policy": "test",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "classes": {"open": {}},
        "routes": {"r": {"match": "GET /r", "area": "x", "body": fields}},
        "scopes": {"s": {"areas": ["x"], "grant": {"open": "show"}}}}))
}

/// A body in which every element is selected by another combination of filters.
fn combinations(filters: u32, elements: u32) -> Vec<u8> {
    let mut body = String::from(r#"{"items":["#);
    for bits in 0..elements {
        // Every combination in turn, high bits too.
        let bits = bits.reverse_bits() >> (32 - filters);
        body.push_str(if body.ends_with('[') { "{" } else { ",{" });
        for i in 0..filters {
            write!(body, "\"f{i}\":{},\"v{i}\":0,", (bits >> i) & 1).unwrap();
        }
        body.push_str("\"x\":0}");
    }
    body.push_str("]}");
    body.into_bytes()
}

fn answer(program: &Rc<Program>, body: &[u8]) -> u16 {
    let request = Request {
        method: "GET".to_owned(),
        target: "/r".to_owned(),
        headers: Vec::new(),
        caller: Caller::new(program.policy(), "c", vec!["s".to_owned()], Value::Null),
        now: None,
    };
    let headers = vec![(b"content-type".to_vec(), b"application/json".to_vec())];
    respond(program, request, &Response { status: 200, headers, body: body.to_vec() }).status
}

/// A policy of so many filters, each with a field of its own, beside so many fields that none of them touches.
fn wide(filters: u32, fields: u32) -> Rc<Program> {
    let filtered = (0..filters).map(|i| (format!("$.items[?@.f{i} == 1].v{i}"), json!("open")));
    let fields = (0..fields).map(|i| (format!("$.items[*].w{i}"), json!("open")));
    let body: Map<String, Value> = filtered.chain(fields).collect();
    program(&json!({"language": 1, "policy": "test",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "classes": {"open": {}},
        "routes": {"r": {"match": "GET /r", "area": "x", "body": body}},
        "scopes": {"s": {"areas": ["x"], "grant": {"open": "show"}}}}))
}

#[test]
fn a_view_of_a_wide_shape_is_bounded_by_its_names_and_not_only_by_its_states() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Each of 2^16 combinations would have a table of more than 200 names: about a gibibyte.
    let program = wide(16, 200);
    let body = combinations(16, 1 << 13);
    let mut status = 0;
    let taken = allocated(|| status = answer(&program, &body));
    assert!(taken < 600 << 20, "{} MiB", taken >> 20);
    assert_eq!(status, 500, "a view that is full refuses what it does not know");
    let narrow = combinations(16, 1 << 10);
    assert_eq!(answer(&program, &narrow), 200, "a thousand combinations have room");
}

#[test]
fn what_new_combinations_of_filters_cost_is_what_their_elements_cost() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for count in [12, 14, 16] {
        let cost = |elements: u32| {
            let (program, body) = (filters(count), combinations(count, elements));
            allocated(|| assert_eq!(answer(&program, &body), 200, "{count} filters, {elements} elements")) / 1024
        };
        // Each has as many elements: what is beside it is in both.
        let (few, many) = (cost(500), cost(4000));
        assert!(many < few * 11, "{count} filters: {few} KiB for 500 combinations, {many} KiB for 4000");
    }
}

#[test]
fn a_combination_that_is_known_costs_no_state() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (program, body) = (filters(12), combinations(12, 2000));
    let first = allocated(|| assert_eq!(answer(&program, &body), 200));
    let again = allocated(|| assert_eq!(answer(&program, &body), 200));
    assert!(again < first * 3 / 4, "{first} bytes at first, {again} again");
}

#[test]
fn headers_that_are_classified_ask_once_whose_they_are() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let scopes: Map<String, Value> =
        (0..300).map(|i| (format!("s{i}"), json!({"areas": ["x"], "grant": {"open": "show"}}))).collect();
    let program = program(&json!({"language": 1, "policy": "test",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "defaults": {"headers": {"classify": {"x-a": "open"}}},
        "classes": {"open": {}},
        "routes": {"r": {"match": "GET /r", "area": "x", "body": {"$.a": "open"}}},
        "scopes": scopes}));
    let caller = || Caller::new(program.policy(), "c", (0..1000).map(|i| format!("s{i}")).collect(), Value::Null);
    let rule = |caller: &Caller| program.header_rule(RouteId(0), caller, &[ClassId(0)], Level::Show);
    let first = caller();
    let view = allocated(|| drop(program.view(RouteId(0), &first).unwrap()));
    // The least of several: whoever runs the tests prints meanwhile.
    let sixty = (0..5).map(|_| allocated(|| (0..60).for_each(|_| drop(rule(&first))))).min();
    let sixty = sixty.unwrap_or(usize::MAX);
    assert!(view > 0 && sixty == 0, "{view} bytes for the view, {sixty} for sixty headers");
}

#[test]
fn the_ten_thousandth_kind_of_caller_costs_no_more_than_the_first() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let scopes: Map<String, Value> =
        (0..14).map(|i| (format!("s{i}"), json!({"areas": ["x"], "grant": {"open": "show"}}))).collect();
    let fields: Map<String, Value> = (0..10).map(|i| (format!("$.m{i}"), json!("open"))).collect();
    let program = program(&json!({"language": 1, "policy": "test",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "classes": {"open": {}},
        "routes": {"r": {"match": "GET /r", "area": "x", "body": fields}},
        "scopes": scopes}));
    let caller = |bits: u32| {
        let scopes = (0..14).filter(|i| (bits >> i) & 1 == 1).map(|i| format!("s{i}")).collect();
        Caller::new(program.policy(), "c", scopes, Value::Null)
    };
    let costs = || -> Vec<usize> {
        (1..=10_000)
            .map(|bits| {
                let caller = caller(bits);
                allocated(|| drop(program.view(RouteId(0), &caller).unwrap()))
            })
            .collect()
    };
    // The first time a view is made, and the store grows by doubling now and then: so the middle of ten.
    let middle = |costs: &[usize]| {
        let mut costs = costs.to_vec();
        costs.sort_unstable();
        costs[costs.len() / 2]
    };
    let made = costs();
    let (first, last) = (middle(&made[..10]), middle(&made[9990..]));
    assert!(last <= first * 2, "made: {first} bytes at first, {last} at last");
    let again = costs();
    assert!(again.iter().all(|cost| *cost <= 1024), "all of them are kept: {:?}", again.iter().max());
}
