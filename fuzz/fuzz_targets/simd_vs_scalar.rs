//! Any sixty-four bytes: the machine's vectors and the plain words classify them alike.
#![no_main]

use fieldgate::json::simd::{BLOCK, Lanes, Vector, Vectors, Words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [byte, keep, last, rest @ ..] = bytes else { return };
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    let (first, last) = (keep % 128, last % 128);
    let (vectors, words) = (Vectors::load(&block), Words::load(&block));
    assert_eq!(vectors.equal(*byte), words.equal(*byte));
    assert_eq!(vectors.equal_under(*keep, *byte), words.equal_under(*keep, *byte));
    assert_eq!(vectors.find(Vector::non_ascii), words.find(Vector::non_ascii));
    assert_eq!(vectors.has(|v| v.equal(*byte)), words.has(|v| v.equal(*byte)));
    assert_eq!(vectors.has(Vector::non_ascii), words.has(Vector::non_ascii));
    if first <= last {
        assert_eq!(vectors.between(first, last), words.between(first, last));
        let either = vectors.find(|v| v.between(first, last) | v.equal(*byte));
        assert_eq!(either, words.find(|v| v.between(first, last) | v.equal(*byte)));
    }
});
