//! Sixty-four bytes at once: the only file with `unsafe` code.
//!
//! [`Lanes`] is what the classifier asks of sixty-four bytes: a bit for each byte that a test holds for, the first byte
//! lowest. [`Vectors`] answers with the machine's vectors (`simd128` in WebAssembly, SSE2 on x86-64), [`Words`] with
//! eight plain words, anywhere. They must agree on every block: a test and a fuzz target hold them to it.
#![allow(
    unsafe_code,
    reason = "a vector load takes a raw pointer (each is within a `&[u8; 64]` and needs no alignment), and the compiler \
              does not take SSE2 for granted on x86-64, where it is"
)]

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
pub use self::Words as Vectors;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use self::simd128::Vectors;
#[cfg(target_arch = "x86_64")]
pub use self::sse2::Vectors;

use std::ops::BitOr;

/// Bytes in a block.
pub const BLOCK: usize = 64;

/// Some of a block's bytes. A test answers in the highest bit of each byte; the other bits then mean nothing.
pub trait Vector: Copy + BitOr<Output = Self> {
    /// Bytes that are `byte`.
    fn equal(self, byte: u8) -> Self;
    /// Bytes that are `value` once only the bits of `keep` are left.
    fn equal_under(self, keep: u8, value: u8) -> Self;
    /// Bytes from `first` to `last`, which is at most 127.
    fn between(self, first: u8, last: u8) -> Self;
    /// Bytes of at least 128.
    fn non_ascii(self) -> Self;
}

/// Tests on sixty-four bytes. Bit `n` of an answer is byte `n`'s.
pub trait Lanes: Copy {
    /// What it is made of.
    type Vector: Vector;
    /// Takes a block.
    fn load(block: &[u8; BLOCK]) -> Self;
    /// Bytes that a test holds for.
    fn find(self, test: impl Fn(Self::Vector) -> Self::Vector) -> u64;
    /// Whether a test holds for any byte.
    fn has(self, test: impl Fn(Self::Vector) -> Self::Vector) -> bool;

    /// Bytes that are `byte`.
    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        self.find(|vector| vector.equal(byte))
    }

    /// Bytes that are `value` once only the bits of `keep` are left.
    #[inline(always)]
    fn equal_under(self, keep: u8, value: u8) -> u64 {
        self.find(|vector| vector.equal_under(keep, value))
    }

    /// Bytes from `first` to `last`, which is at most 127.
    #[inline(always)]
    fn between(self, first: u8, last: u8) -> u64 {
        self.find(|vector| vector.between(first, last))
    }
}

/// Eight bytes in a plain word.
#[derive(Debug, Clone, Copy)]
pub struct Word(u64);

/// Eight words of eight bytes: the path for machines without vectors, and the twin that the vectors are tested against.
#[derive(Debug, Clone, Copy)]
pub struct Words([Word; 8]);

impl Word {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;

    const fn splat(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }

    /// The high bits of the bytes that are zero. No carry leaves a byte, so there is no false answer.
    const fn zeros(word: u64) -> u64 {
        // Adding 0x7F to the low seven bits sets the high bit unless they are zero: 0x00 + 0x7F = 0x7F, 0x01 + 0x7F = 0x80.
        let carried = (word & !Self::HIGH).wrapping_add(!Self::HIGH);
        !(carried | word) & Self::HIGH
    }

    /// The high bits of the bytes of at least `limit`, which is at most 128, among those below 128.
    const fn at_least(word: u64, limit: u8) -> u64 {
        // With its high bit set a byte never borrows from the next; the bit is left if the rest is at least `limit`.
        (word | Self::HIGH).wrapping_sub(Self::splat(limit)) & !word & Self::HIGH
    }

    /// One bit a byte, from the highest bits.
    fn gather(self) -> u64 {
        // Bit 0 of byte n moves to bit 56 + n: each is shifted by its own summand of the factor, and no two meet.
        ((self.0 >> 7) & Self::LOW).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
}

impl BitOr for Word {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Vector for Word {
    fn equal(self, byte: u8) -> Self {
        Self(Self::zeros(self.0 ^ Self::splat(byte)))
    }

    fn equal_under(self, keep: u8, value: u8) -> Self {
        Self(Self::zeros((self.0 & Self::splat(keep)) ^ Self::splat(value)))
    }

    fn between(self, first: u8, last: u8) -> Self {
        Self(Self::at_least(self.0, first) & !Self::at_least(self.0, last.wrapping_add(1)))
    }

    fn non_ascii(self) -> Self {
        self
    }
}

impl Lanes for Words {
    type Vector = Word;

    fn load(block: &[u8; BLOCK]) -> Self {
        let mut words = [Word(0); 8];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            *word = Word(u64::from_le_bytes(*bytes));
        }
        Self(words)
    }

    fn find(self, test: impl Fn(Word) -> Word) -> u64 {
        self.0.into_iter().rev().fold(0, |mask, word| (mask << 8) | test(word).gather())
    }

    fn has(self, test: impl Fn(Word) -> Word) -> bool {
        self.0.into_iter().any(|word| test(word).gather() != 0)
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm_sub_epi8,
    };
    use std::ops::BitOr;

    use super::{BLOCK, Lanes, Vector};

    /// Sixteen bytes.
    #[derive(Debug, Clone, Copy)]
    pub struct Sixteen(__m128i);

    /// Four vectors of sixteen bytes. Every x86-64 has SSE2.
    #[derive(Debug, Clone, Copy)]
    pub struct Vectors([Sixteen; 4]);

    // SAFETY of the six: these instructions are SSE2's, and every x86-64 has SSE2.

    #[inline(always)]
    fn splat(byte: u8) -> __m128i {
        unsafe { _mm_set1_epi8(byte.cast_signed()) }
    }

    #[inline(always)]
    fn same(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_cmpeq_epi8(a, b) }
    }

    impl Sixteen {
        #[inline(always)]
        fn bits(self) -> u64 {
            u64::from(unsafe { _mm_movemask_epi8(self.0) }.cast_unsigned())
        }
    }

    impl BitOr for Sixteen {
        type Output = Self;

        #[inline(always)]
        fn bitor(self, other: Self) -> Self {
            Self(unsafe { _mm_or_si128(self.0, other.0) })
        }
    }

    impl Vector for Sixteen {
        #[inline(always)]
        fn equal(self, byte: u8) -> Self {
            Self(same(self.0, splat(byte)))
        }

        #[inline(always)]
        fn equal_under(self, keep: u8, value: u8) -> Self {
            Self(same(unsafe { _mm_and_si128(self.0, splat(keep)) }, splat(value)))
        }

        #[inline(always)]
        fn between(self, first: u8, last: u8) -> Self {
            let most = splat(last.wrapping_sub(first));
            let (from_first, least) = unsafe {
                let from_first = _mm_sub_epi8(self.0, splat(first));
                (from_first, _mm_min_epu8(from_first, most))
            };
            Self(same(least, from_first))
        }

        #[inline(always)]
        fn non_ascii(self) -> Self {
            self
        }
    }

    impl Lanes for Vectors {
        type Vector = Sixteen;

        #[inline(always)]
        fn load(block: &[u8; BLOCK]) -> Self {
            let (quarters, _) = block.as_chunks::<16>();
            let mut vectors = [Sixteen(splat(0)); 4];
            for (vector, quarter) in vectors.iter_mut().zip(quarters) {
                // SAFETY: `quarter` is sixteen readable bytes, and this load may be unaligned.
                *vector = Sixteen(unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) });
            }
            Self(vectors)
        }

        #[inline(always)]
        fn find(self, test: impl Fn(Sixteen) -> Sixteen) -> u64 {
            let [a, b, c, d] = self.0.map(|vector| test(vector).bits());
            a | (b << 16) | (c << 32) | (d << 48)
        }

        #[inline(always)]
        fn has(self, test: impl Fn(Sixteen) -> Sixteen) -> bool {
            let [a, b, c, d] = self.0.map(test);
            ((a | b) | (c | d)).bits() != 0
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128 {
    use std::arch::wasm32::{
        i8x16_bitmask, u8x16_eq, u8x16_le, u8x16_splat, u8x16_sub, v128, v128_and, v128_load, v128_or,
    };
    use std::ops::BitOr;

    use super::{BLOCK, Lanes, Vector};

    /// Sixteen bytes.
    #[derive(Debug, Clone, Copy)]
    pub struct Sixteen(v128);

    /// Four vectors of sixteen bytes.
    #[derive(Debug, Clone, Copy)]
    pub struct Vectors([Sixteen; 4]);

    impl BitOr for Sixteen {
        type Output = Self;

        #[inline(always)]
        fn bitor(self, other: Self) -> Self {
            Self(v128_or(self.0, other.0))
        }
    }

    impl Vector for Sixteen {
        #[inline(always)]
        fn equal(self, byte: u8) -> Self {
            Self(u8x16_eq(self.0, u8x16_splat(byte)))
        }

        #[inline(always)]
        fn equal_under(self, keep: u8, value: u8) -> Self {
            Self(u8x16_eq(v128_and(self.0, u8x16_splat(keep)), u8x16_splat(value)))
        }

        // *At most* is two instructions in V8, *below* is four.
        #[inline(always)]
        fn between(self, first: u8, last: u8) -> Self {
            let from_first = if first == 0 { self.0 } else { u8x16_sub(self.0, u8x16_splat(first)) };
            Self(u8x16_le(from_first, u8x16_splat(last.wrapping_sub(first))))
        }

        #[inline(always)]
        fn non_ascii(self) -> Self {
            self
        }
    }

    impl Lanes for Vectors {
        type Vector = Sixteen;

        #[inline(always)]
        fn load(block: &[u8; BLOCK]) -> Self {
            let (quarters, _) = block.as_chunks::<16>();
            let mut vectors = [Sixteen(u8x16_splat(0)); 4];
            for (vector, quarter) in vectors.iter_mut().zip(quarters) {
                // SAFETY: `quarter` is sixteen readable bytes, and this load may be unaligned.
                *vector = Sixteen(unsafe { v128_load(quarter.as_ptr().cast()) });
            }
            Self(vectors)
        }

        #[inline(always)]
        fn find(self, test: impl Fn(Sixteen) -> Sixteen) -> u64 {
            let [a, b, c, d] = self.0.map(|vector| u64::from(i8x16_bitmask(test(vector).0)));
            a | (b << 16) | (c << 32) | (d << 48)
        }

        #[inline(always)]
        fn has(self, test: impl Fn(Sixteen) -> Sixteen) -> bool {
            let [a, b, c, d] = self.0.map(test);
            i8x16_bitmask(((a | b) | (c | d)).0) != 0
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Lanes, Vector, Vectors, Words};

    fn agree(block: &[u8; 64]) {
        let (vectors, words) = (Vectors::load(block), Words::load(block));
        for byte in 0..=255 {
            let naive = mask(block, |b| b == byte);
            assert_eq!(vectors.equal(byte), naive);
            assert_eq!(words.equal(byte), naive);
            assert_eq!(vectors.has(|vector| vector.equal(byte)), naive != 0);
            assert_eq!(words.has(|word| word.equal(byte)), naive != 0);
            for keep in [0x20, 0xC0, 0xE0, 0xF0, 0xF8, 0xFE] {
                let naive = mask(block, |b| b & keep == byte);
                assert_eq!(vectors.equal_under(keep, byte), naive);
                assert_eq!(words.equal_under(keep, byte), naive);
            }
        }
        for last in 0..=127 {
            for first in [0, 1, b'0', last].into_iter().filter(|first| *first <= last) {
                let naive = mask(block, |b| (first..=last).contains(&b));
                assert_eq!(vectors.between(first, last), naive, "{first} {last}");
                assert_eq!(words.between(first, last), naive, "{first} {last}");
                assert_eq!(vectors.has(|vector| vector.between(first, last)), naive != 0);
                assert_eq!(words.has(|word| word.between(first, last)), naive != 0);
            }
        }
        let naive = mask(block, |b| !b.is_ascii());
        assert_eq!(vectors.find(Vector::non_ascii), naive);
        assert_eq!(words.find(Vector::non_ascii), naive);
        assert_eq!(vectors.has(Vector::non_ascii), naive != 0);
        assert_eq!(words.has(Vector::non_ascii), naive != 0);
        let naive = mask(block, |b| b == b'{' || !b.is_ascii() || b.is_ascii_digit());
        assert_eq!(vectors.find(|v| v.equal(b'{') | v.non_ascii() | v.between(b'0', b'9')), naive);
        assert_eq!(words.find(|v| v.equal(b'{') | v.non_ascii() | v.between(b'0', b'9')), naive);
    }

    fn mask(block: &[u8; 64], test: impl Fn(u8) -> bool) -> u64 {
        (0..64).filter(|n| test(block[*n])).fold(0, |mask, n| mask | (1 << n))
    }

    #[test]
    fn every_byte_value_in_every_lane_is_classified_alike() {
        for start in 0..=255u8 {
            agree(&std::array::from_fn(|n| start.wrapping_add(u8::try_from(n).unwrap())));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn random_blocks_are_classified_alike(block in proptest::array::uniform32(any::<(u8, u8)>())) {
            agree(&std::array::from_fn(|n| if n % 2 == 0 { block[n / 2].0 } else { block[n / 2].1 }));
        }
    }
}
