//! Any sixty-four bytes: the machine's vectors and the plain words classify them alike.
#![no_main]

use fieldgate::json::simd::{BLOCK, Lanes, Vectors, Words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [byte, keep, limit, rest @ ..] = bytes else { return };
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    let limit = limit % 128 + 1;
    let (vectors, words) = (Vectors::load(&block), Words::load(&block));
    assert_eq!(vectors.equal(*byte), words.equal(*byte));
    assert_eq!(vectors.equal_under(*keep, *byte), words.equal_under(*keep, *byte));
    assert_eq!(vectors.below(limit), words.below(limit));
    assert_eq!(vectors.non_ascii(), words.non_ascii());
    assert_eq!(vectors.any_equal(*byte), words.any_equal(*byte));
    assert_eq!(vectors.any_below(limit), words.any_below(limit));
    assert_eq!(vectors.any_non_ascii(), words.any_non_ascii());
});
