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

/// Bytes in a block.
pub const BLOCK: usize = 64;

/// Tests on sixty-four bytes. Bit `n` of an answer is byte `n`'s.
pub trait Lanes: Copy {
    /// Takes a block.
    fn load(block: &[u8; BLOCK]) -> Self;
    /// Bytes that are `byte`.
    fn equal(self, byte: u8) -> u64;
    /// Bytes that are `value` once only the bits of `keep` are left.
    fn equal_under(self, keep: u8, value: u8) -> u64;
    /// Bytes below `limit`, as unsigned numbers; `limit` is 1 to 128.
    fn below(self, limit: u8) -> u64;
    /// Bytes of at least 128.
    fn non_ascii(self) -> u64;
    /// Whether any byte is `byte`.
    fn any_equal(self, byte: u8) -> bool;
    /// Whether any byte is below `limit`, which is 1 to 128.
    fn any_below(self, limit: u8) -> bool;
    /// Whether any byte is at least 128.
    fn any_non_ascii(self) -> bool;
}

/// Eight words of eight bytes: the path for machines without vectors, and the twin that the vectors are tested against.
#[derive(Debug, Clone, Copy)]
pub struct Words([u64; 8]);

impl Words {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;

    const fn splat(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }

    /// The high bits of the bytes that are zero. No carry leaves a byte, so there is no false answer.
    const fn zeros(word: u64) -> u64 {
        let carried = (word & !Self::HIGH).wrapping_add(!Self::HIGH);
        !(carried | word) & Self::HIGH
    }

    /// The high bits of the bytes below `limit`.
    const fn lower(word: u64, limit: u8) -> u64 {
        let borrowed = (word | Self::HIGH).wrapping_sub(Self::splat(limit));
        !(borrowed | word) & Self::HIGH
    }

    /// One bit a byte, from a test that answers in the high bits.
    fn gather(self, test: impl Fn(u64) -> u64) -> u64 {
        let mut mask = 0u64;
        for word in self.0.into_iter().rev() {
            let spread = (test(word) >> 7) & Self::LOW;
            let bits = spread.wrapping_mul(0x0102_0408_1020_4080) >> 56;
            mask = (mask << 8) | bits;
        }
        mask
    }
}

impl Lanes for Words {
    fn load(block: &[u8; BLOCK]) -> Self {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }

    fn equal(self, byte: u8) -> u64 {
        self.gather(|word| Self::zeros(word ^ Self::splat(byte)))
    }

    fn equal_under(self, keep: u8, value: u8) -> u64 {
        self.gather(|word| Self::zeros((word & Self::splat(keep)) ^ Self::splat(value)))
    }

    fn below(self, limit: u8) -> u64 {
        self.gather(|word| Self::lower(word, limit))
    }

    fn non_ascii(self) -> u64 {
        self.gather(|word| word & Self::HIGH)
    }

    fn any_equal(self, byte: u8) -> bool {
        self.0.into_iter().any(|word| Self::zeros(word ^ Self::splat(byte)) != 0)
    }

    fn any_below(self, limit: u8) -> bool {
        self.0.into_iter().any(|word| Self::lower(word, limit) != 0)
    }

    fn any_non_ascii(self) -> bool {
        self.0.into_iter().any(|word| word & Self::HIGH != 0)
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };

    use super::{BLOCK, Lanes};

    /// Four vectors of sixteen bytes. Every x86-64 has SSE2.
    #[derive(Debug, Clone, Copy)]
    pub struct Vectors([__m128i; 4]);

    // SAFETY of the six: these instructions are SSE2's, and every x86-64 has SSE2.

    #[inline(always)]
    fn splat(byte: u8) -> __m128i {
        unsafe { _mm_set1_epi8(byte.cast_signed()) }
    }

    #[inline(always)]
    fn same(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_cmpeq_epi8(a, b) }
    }

    #[inline(always)]
    fn and(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_and_si128(a, b) }
    }

    #[inline(always)]
    fn or(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_or_si128(a, b) }
    }

    #[inline(always)]
    fn at_most(vector: __m128i, most: __m128i) -> __m128i {
        same(unsafe { _mm_min_epu8(vector, most) }, vector)
    }

    #[inline(always)]
    fn bits(vector: __m128i) -> u64 {
        u64::from(unsafe { _mm_movemask_epi8(vector) }.cast_unsigned())
    }

    impl Vectors {
        #[inline(always)]
        fn mask(self, test: impl Fn(__m128i) -> __m128i) -> u64 {
            let [a, b, c, d] = self.0.map(|vector| bits(test(vector)));
            a | (b << 16) | (c << 32) | (d << 48)
        }

        #[inline(always)]
        fn any(self, test: impl Fn(__m128i) -> __m128i) -> bool {
            let [a, b, c, d] = self.0.map(test);
            bits(or(or(a, b), or(c, d))) != 0
        }
    }

    impl Lanes for Vectors {
        #[inline(always)]
        fn load(block: &[u8; BLOCK]) -> Self {
            let (quarters, _) = block.as_chunks::<16>();
            let mut vectors = [splat(0); 4];
            for (vector, quarter) in vectors.iter_mut().zip(quarters) {
                // SAFETY: `quarter` is sixteen readable bytes, and this load may be unaligned.
                *vector = unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) };
            }
            Self(vectors)
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            self.mask(|vector| same(vector, splat(byte)))
        }

        #[inline(always)]
        fn equal_under(self, keep: u8, value: u8) -> u64 {
            self.mask(|vector| same(and(vector, splat(keep)), splat(value)))
        }

        #[inline(always)]
        fn below(self, limit: u8) -> u64 {
            let most = splat(limit.wrapping_sub(1));
            self.mask(|vector| at_most(vector, most))
        }

        #[inline(always)]
        fn non_ascii(self) -> u64 {
            self.mask(|vector| vector)
        }

        #[inline(always)]
        fn any_equal(self, byte: u8) -> bool {
            self.any(|vector| same(vector, splat(byte)))
        }

        #[inline(always)]
        fn any_below(self, limit: u8) -> bool {
            let most = splat(limit.wrapping_sub(1));
            self.any(|vector| at_most(vector, most))
        }

        #[inline(always)]
        fn any_non_ascii(self) -> bool {
            self.any(|vector| vector)
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128 {
    use std::arch::wasm32::{
        i8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, v128, v128_and, v128_any_true, v128_load, v128_or,
    };

    use super::{BLOCK, Lanes};

    /// Four vectors of sixteen bytes.
    #[derive(Debug, Clone, Copy)]
    pub struct Vectors([v128; 4]);

    impl Vectors {
        #[inline(always)]
        fn mask(self, test: impl Fn(v128) -> v128) -> u64 {
            let [a, b, c, d] = self.0.map(|vector| u64::from(i8x16_bitmask(test(vector))));
            a | (b << 16) | (c << 32) | (d << 48)
        }

        #[inline(always)]
        fn any(self, test: impl Fn(v128) -> v128) -> bool {
            let [a, b, c, d] = self.0.map(test);
            v128_any_true(v128_or(v128_or(a, b), v128_or(c, d)))
        }
    }

    impl Lanes for Vectors {
        #[inline(always)]
        fn load(block: &[u8; BLOCK]) -> Self {
            let (quarters, _) = block.as_chunks::<16>();
            let mut vectors = [u8x16_splat(0); 4];
            for (vector, quarter) in vectors.iter_mut().zip(quarters) {
                // SAFETY: `quarter` is sixteen readable bytes, and this load may be unaligned.
                *vector = unsafe { v128_load(quarter.as_ptr().cast()) };
            }
            Self(vectors)
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            self.mask(|vector| u8x16_eq(vector, u8x16_splat(byte)))
        }

        #[inline(always)]
        fn equal_under(self, keep: u8, value: u8) -> u64 {
            self.mask(|vector| u8x16_eq(v128_and(vector, u8x16_splat(keep)), u8x16_splat(value)))
        }

        #[inline(always)]
        fn below(self, limit: u8) -> u64 {
            self.mask(|vector| u8x16_lt(vector, u8x16_splat(limit)))
        }

        #[inline(always)]
        fn non_ascii(self) -> u64 {
            self.mask(|vector| vector)
        }

        #[inline(always)]
        fn any_equal(self, byte: u8) -> bool {
            self.any(|vector| u8x16_eq(vector, u8x16_splat(byte)))
        }

        #[inline(always)]
        fn any_below(self, limit: u8) -> bool {
            self.any(|vector| u8x16_lt(vector, u8x16_splat(limit)))
        }

        #[inline(always)]
        fn any_non_ascii(self) -> bool {
            self.any(|vector| v128_and(vector, u8x16_splat(0x80)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Lanes, Vectors, Words};

    fn agree(block: &[u8; 64]) {
        let (vectors, words) = (Vectors::load(block), Words::load(block));
        for byte in 0..=255 {
            let naive = mask(block, |b| b == byte);
            assert_eq!(vectors.equal(byte), naive);
            assert_eq!(words.equal(byte), naive);
            assert_eq!(vectors.any_equal(byte), naive != 0);
            assert_eq!(words.any_equal(byte), naive != 0);
            for keep in [0x20, 0xC0, 0xE0, 0xF0, 0xF8, 0xFE] {
                let naive = mask(block, |b| b & keep == byte);
                assert_eq!(vectors.equal_under(keep, byte), naive);
                assert_eq!(words.equal_under(keep, byte), naive);
            }
        }
        for limit in 1..=128 {
            let naive = mask(block, |b| b < limit);
            assert_eq!(vectors.below(limit), naive);
            assert_eq!(words.below(limit), naive);
            assert_eq!(vectors.any_below(limit), naive != 0);
            assert_eq!(words.any_below(limit), naive != 0);
        }
        let naive = mask(block, |b| !b.is_ascii());
        assert_eq!(vectors.non_ascii(), naive);
        assert_eq!(words.non_ascii(), naive);
        assert_eq!(vectors.any_non_ascii(), naive != 0);
        assert_eq!(words.any_non_ascii(), naive != 0);
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
