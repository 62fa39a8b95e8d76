//! Any bytes as a body: the validator says the same however it is cut, and accepts what `serde_json` accepts, up to the
//! rules that are stricter.
#![no_main]

use fieldgate::json::Texts;
use fieldgate::json::scanner::validate;
use fieldgate::refusal::{JsonFault, Refusal};
use libfuzzer_sys::fuzz_target;
use serde_json::value::Value;

fuzz_target!(|bytes: &[u8]| {
    // The first two bytes say what the texts are and where the cuts fall.
    let [texts, stride, body @ ..] = bytes else { return };
    let texts = [Texts::One, Texts::One, Texts::Lines, Texts::Sequence][usize::from(texts % 4)];
    let whole = validate(texts, 64, [body]);
    let stride = usize::from(*stride) % 70 + 1;
    assert_eq!(validate(texts, 64, body.chunks(stride)), whole, "in pieces of {stride}");
    assert_eq!(validate(texts, 64, body.chunks(1)), whole, "byte by byte");
    let (a, b) = body.split_at(stride.min(body.len()));
    assert_eq!(validate(texts, 64, [a, b]), whole, "cut at {stride}");
    if texts != Texts::One {
        return;
    }
    match (serde_json::from_slice::<Value>(body), whole) {
        (Ok(_), Err(Refusal::Malformed { fault: JsonFault::Depth, .. })) | (Ok(_), Ok(())) | (Err(_), Err(_)) => {}
        // serde_json has a range for numbers, and a depth of its own.
        (Err(fault), Ok(())) => assert!(fault.to_string().starts_with("number out of range"), "{fault}"),
        (Ok(_), Err(refusal)) => panic!("{refusal}, though serde_json takes it"),
    }
});
