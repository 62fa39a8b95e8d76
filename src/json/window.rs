//! [`Window`]: some kilobytes of a text as a list of all their tokens.
//!
//! Who goes along the list checks the grammar on the way, and stops where he meets what he does not expect. What no token
//! tells is checked before the list is made: UTF-8, escapes and control characters in strings. A window begins between two
//! tokens and nothing is carried from one to the next: a token that it does not hold whole begins the next.

use super::Texts;
use super::lexer::{Block, Lexer};
use super::simd::BLOCK;
use super::validator::string::Strings;

/// Bytes of a window at most: with its list they stay in a first-level cache.
const WINDOW: usize = 4096;

/// Tokens of a block at most. Where more stand together, masks tell more at a time than a list does.
const DENSE: usize = 32;

/// Bytes of a block at most that are of numbers and literal names: where there is little else, masks tell more, too.
const NUMBERS: u32 = 40;

/// Tokens that are listed at once: some blocks have more, and few more than twice as many.
const OFTEN: usize = 8;

/// Tokens that may be asked for behind the last one.
const BEYOND: usize = 4;

/// Places of a list: more than a window's tokens, and a power of two, so that any number tells a place.
const ROOM: usize = WINDOW;
const _: () = assert!(ROOM.is_power_of_two() && ROOM > WINDOW / BLOCK * DENSE + BEYOND);

/// What the list has where no token is.
const NONE: u32 = u32::MAX;

/// A list of the tokens of a chunk's next bytes.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// Where in the chunk each begins.
    starts: Box<[u32; ROOM + BEYOND]>,
    count: usize,
    /// Bytes that were looked at, from the first on.
    looked: usize,
    /// A bit for each block: whether there is an escape in it.
    escapes: u64,
}

/// A window, over the chunk that it was made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a> {
    starts: &'a [u32; ROOM + BEYOND],
    count: usize,
    escapes: u64,
    /// Where in the chunk the window begins, and where it ends.
    from: usize,
    to: usize,
    chunk: &'a [u8],
}

impl Default for Window {
    fn default() -> Self {
        Self { starts: Box::new([0; ROOM + BEYOND]), count: 0, looked: 0, escapes: 0 }
    }
}

impl Window {
    /// Lists the tokens of what follows `from` in a chunk, where that is between two of them: as far as a window goes, and as
    /// long as all is well, up to a block with a fault in a string, or with too many tokens or numbers.
    #[inline(never)]
    pub(crate) fn list<'a>(&'a mut self, chunk: &'a [u8], from: usize) -> Listed<'a> {
        let (mut lexer, mut strings) = (Lexer::new(Texts::One), Strings::default());
        (self.count, self.looked, self.escapes) = (0, 0, 0);
        let text = chunk.get(from..).unwrap_or_default();
        let (blocks, rest) = text.get(..WINDOW).unwrap_or(text).as_chunks::<BLOCK>();
        // In a chunk of four gigabytes nothing is listed beyond.
        let mut goes_on = from < Listed::NOWHERE.saturating_sub(WINDOW);
        for block in blocks {
            if !goes_on {
                break;
            }
            goes_on = self.take(block, from, &mut lexer, &mut strings);
        }
        if goes_on && !rest.is_empty() {
            // White space behind the text is no token, and a token that it may have cut is never whole: none follows it.
            let mut padded = [b' '; BLOCK];
            for (to, from) in padded.iter_mut().zip(rest) {
                *to = *from;
            }
            if self.take(&padded, from, &mut lexer, &mut strings) {
                self.looked = text.len().min(WINDOW);
            }
        }
        for beyond in self.starts.iter_mut().skip(self.count).take(BEYOND) {
            *beyond = NONE;
        }
        let to = from.wrapping_add(self.looked);
        Listed { starts: &self.starts, count: self.count, escapes: self.escapes, from, to, chunk }
    }

    /// Lists the tokens of the next block of the window that begins at `from`, unless there is something in it that stops the
    /// list.
    #[inline(always)]
    fn take(&mut self, bytes: &[u8; BLOCK], from: usize, lexer: &mut Lexer, strings: &mut Strings) -> bool {
        let block = Block::whole(bytes);
        let outline = lexer.outline(block);
        let mut wrong = outline.control & outline.interior;
        let escaped = outline.escaped & outline.interior;
        if escaped != 0 || strings.in_escape() {
            wrong |= strings.escapes(block, escaped).any();
            self.escapes |= 1u64.wrapping_shl((self.looked / BLOCK) as u32);
        }
        if outline.non_ascii || strings.in_character() {
            wrong |= strings.utf8(block);
        }
        let tokens = outline.starts.count_ones() as usize;
        if wrong != 0 || tokens > DENSE || outline.scalar.count_ones() > NUMBERS {
            return false;
        }
        let free = self.starts.get_mut(self.count..).and_then(<[u32]>::first_chunk_mut::<DENSE>);
        let Some((often, more)) = free.and_then(|free| free.split_first_chunk_mut::<OFTEN>()) else { return false };
        let Some((twice, seldom)) = more.split_first_chunk_mut::<OFTEN>() else { return false };
        let (mut left, base) = (outline.starts, from.wrapping_add(self.looked) as u32);
        // As many at once whatever there are: the surplus is overwritten, and no processor has to foresee their number.
        list(often, &mut left, base);
        if left != 0 {
            list(twice, &mut left, base);
            if left != 0 {
                list(seldom, &mut left, base);
            }
        }
        self.count = self.count.wrapping_add(tokens);
        self.looked = self.looked.wrapping_add(BLOCK);
        true
    }
}

/// Lists as many of the lowest bits of `left`, in a block that begins at `base`, as there is room for.
#[inline(always)]
fn list(room: &mut [u32], left: &mut u64, base: u32) {
    for start in room {
        *start = base.wrapping_add(left.trailing_zeros());
        *left &= left.wrapping_sub(1);
    }
}

impl Listed<'_> {
    /// Where no token is.
    const NOWHERE: usize = NONE as usize;

    /// How many bytes were looked at.
    pub(crate) fn looked(self) -> usize {
        self.to.wrapping_sub(self.from)
    }

    /// Whether the list ends with one of the next tokens from that one on, so that more of the text may tell more.
    pub(crate) fn ends_near(self, index: usize) -> bool {
        index.saturating_add(BEYOND) > self.count
    }

    /// Where a token begins; behind the last one, where the list ends.
    pub(crate) fn start_or_end(self, index: usize) -> usize {
        if index < self.count { self.start(index) } else { self.to }
    }

    /// Where a token begins; beyond the window if there is none.
    #[inline(always)]
    pub(crate) fn start(self, index: usize) -> usize {
        self.starts.get(index & (ROOM - 1)).copied().unwrap_or(NONE) as usize
    }

    /// Where this token and the three behind it begin.
    #[inline(always)]
    pub(crate) fn starts(self, index: usize) -> [usize; 4] {
        let from = index & (ROOM - 1);
        let four = self.starts.get(from..).and_then(<[u32]>::first_chunk).copied().unwrap_or([NONE; 4]);
        four.map(|start| start as usize)
    }

    /// The first byte of a token; 0, which begins none, if there is none.
    #[inline(always)]
    pub(crate) fn byte(self, index: usize) -> u8 {
        self.byte_at(self.start(index))
    }

    /// The byte there; 0 beyond the chunk.
    #[inline(always)]
    pub(crate) fn byte_at(self, at: usize) -> u8 {
        self.chunk.get(at).copied().unwrap_or_default()
    }

    /// What it was made of.
    #[inline(always)]
    pub(crate) fn chunk(&self) -> &[u8] {
        self.chunk
    }

    /// The last byte before a token's first one that is not white space, where that is a string's closing mark.
    #[inline(always)]
    pub(crate) fn last_before(self, start: usize) -> usize {
        let last = start.wrapping_sub(1);
        if self.chunk.get(last).is_some_and(|byte| *byte <= b' ') { before_white(self.chunk, last) } else { last }
    }

    /// Whether there may be an escape in the string from `from` to `to`.
    #[inline(always)]
    pub(crate) fn may_have_escape(self, from: usize, to: usize) -> bool {
        let near = self.escapes.wrapping_shr((from.wrapping_sub(self.from) / BLOCK) as u32) & 3;
        // Two blocks hold a string of less than sixty-four bytes, wherever it begins.
        near | (to.wrapping_sub(from) / BLOCK) as u64 != 0
    }

    /// Whether there is an escape in the string from `from` to `to`.
    #[inline(always)]
    pub(crate) fn has_escape(self, from: usize, to: usize) -> bool {
        has_escape(self.chunk, from, to)
    }

    /// Where the value that is this token ends; `None` if it is no string, number or literal name, if it is wrong, or if the
    /// window does not hold it whole.
    #[inline(always)]
    pub(crate) fn scalar_end(self, index: usize) -> Option<usize> {
        self.scalar_end_before(self.start(index), self.start(index.wrapping_add(1)))
    }

    /// [`Self::scalar_end`] of the token at `start`, behind which the one at `next` follows.
    #[inline(always)]
    pub(crate) fn scalar_end_before(self, start: usize, next: usize) -> Option<usize> {
        if self.byte_at(start) == b'"' {
            // Where another token follows, the string has ended, and its closing mark is the last byte before that.
            return (next != Self::NOWHERE).then(|| self.last_before(next).wrapping_add(1));
        }
        self.plain_end(start, next)
    }

    /// Whether the value that is this token is a string, a number or a literal name, right and whole.
    #[inline(always)]
    pub(crate) fn is_scalar(self, index: usize) -> bool {
        self.is_scalar_before(self.start(index), self.start(index.wrapping_add(1)))
    }

    /// [`Self::is_scalar`] of the token at `start`, behind which the one at `next` follows.
    #[inline(always)]
    pub(crate) fn is_scalar_before(self, start: usize, next: usize) -> bool {
        if self.byte_at(start) == b'"' {
            return next != Self::NOWHERE;
        }
        self.plain_end(start, next).is_some()
    }

    /// [`Self::scalar_end`] of numbers and literal names.
    #[inline(always)]
    fn plain_end(self, start: usize, next: usize) -> Option<usize> {
        let word = u64::from_le_bytes(*self.chunk.get(start..)?.first_chunk()?);
        if next == Self::NOWHERE {
            return None;
        }
        let first = word as u8;
        let length = if first.is_ascii_digit() {
            let digits = match leading_digits(word) {
                8 => self.digits_from(start.wrapping_add(8)).map_or(usize::MAX, |more| more.wrapping_add(8)),
                few => few,
            };
            // `01`, and a run of digits that is long, is looked at part by part.
            if digits >= 16 || (first == b'0' && digits > 1) {
                return number_end(self.chunk, start, next);
            }
            digits
        } else if word as u32 == u32::from_le_bytes(*b"true") || word as u32 == u32::from_le_bytes(*b"null") {
            4
        } else if word & 0xFF_FFFF_FFFF == u64::from_le_bytes(*b"false\0\0\0") {
            5
        } else if first == b'-' {
            return number_end(self.chunk, start, next);
        } else {
            return None;
        };
        let end = start.wrapping_add(length);
        // Between a token and the next one there is nothing but white space.
        if end == next || self.chunk.get(end).copied().is_some_and(is_white) {
            return Some(end);
        }
        // `1.5`, `1e5`; and `truex` is nothing.
        if first.is_ascii_digit() { number_end(self.chunk, start, next) } else { None }
    }

    /// How many of the eight bytes from there on are digits, up to the first that is none; `None` if there are no eight.
    #[inline(always)]
    fn digits_from(self, at: usize) -> Option<usize> {
        Some(leading_digits(u64::from_le_bytes(*self.chunk.get(at..)?.first_chunk()?)))
    }
}

// What comes seldom is kept out of the walk along a list, and is handed no more than it needs: V8 keeps the values of a function
// that is too large in memory.

/// The last byte up to `at` that is not white space.
#[inline(never)]
fn before_white(chunk: &[u8], mut at: usize) -> usize {
    while chunk.get(at).is_some_and(|byte| *byte <= b' ') {
        at = at.wrapping_sub(1);
    }
    at
}

/// Whether there is an escape in the string from `from` to `to`.
#[inline(never)]
fn has_escape(chunk: &[u8], from: usize, to: usize) -> bool {
    chunk.get(from..to).is_none_or(|string| string.contains(&b'\\'))
}

/// Where the number ends that stands before `next`, if it is one (RFC 8259 §6).
#[inline(never)]
fn number_end(chunk: &[u8], start: usize, next: usize) -> Option<usize> {
    let text = chunk.get(start..next)?;
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match rest {
        [b'0', rest @ ..] => rest,
        _ => behind_digits(rest)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = behind_digits(fraction)?;
    }
    if let [b'e' | b'E', power @ ..] = rest {
        rest = behind_digits(power.strip_prefix(b"+").or_else(|| power.strip_prefix(b"-")).unwrap_or(power))?;
    }
    rest.iter().all(|byte| is_white(*byte)).then(|| next.wrapping_sub(rest.len()))
}

/// What follows a run of digits; `None` if there is none.
#[inline(always)]
fn behind_digits(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        let digits = leading_digits(u64::from_le_bytes(*eight));
        if digits < 8 {
            rest = rest.get(digits..)?;
            return (rest.len() < bytes.len()).then_some(rest);
        }
        rest = behind;
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest = rest.get(digits..)?;
    (rest.len() < bytes.len()).then_some(rest)
}

/// How many digits stand at the start (the low end) of eight bytes.
#[inline(always)]
fn leading_digits(word: u64) -> usize {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // A digit becomes 0 to 9, and stays below 0x80 when 0x76 is added; all else comes to 0x80 or has been there. What a
    // sum carries goes to later bytes: the first that is no digit is always told.
    let value = word ^ ZEROS;
    let others = (value.wrapping_add(u64::from_le_bytes([0x76; 8])) | value) & HIGH;
    (others.trailing_zeros() / 8) as usize
}

/// White space (RFC 8259 §2).
#[inline(always)]
fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
mod tests;
