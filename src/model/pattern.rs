//! [`Pattern`]: the regular expression of an author's own detector (rule 27). The only file that names the regex crate.
//!
//! What is possible is what can be searched in bounded time: no look-around but anchors and word boundaries, no
//! back-references. `\w`, `\d`, `\s`, `\b` and `(?i)` know ASCII only. Of several matches at one place it is the one that the
//! pattern prefers: the first alternative, the greedy repetition.

mod reach;

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

use self::reach::Reach;

/// Longest pattern, in bytes: more than one shape's spelling needs, and what a reviewer still reads.
pub const MAX_PATTERN: usize = 512;

/// Largest compiled pattern, in bytes. A search takes time in proportion to it, so this is a bound on work: it refuses
/// `(.{1,100}){1,100}`, and leaves room for some four hundred characters and classes.
const MAX_COMPILED: usize = 32 << 10;

/// Groups open at once. The compiler recurs, and a worker's stack is small.
const MAX_NESTED: u32 = 16;

/// A pattern that compiles, within bounds, and does not match nothing.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    reach: Reach,
}

/// How much work the searches in one response may still do: bytes that are looked through, times the states of the pattern
/// that is looked for.
///
/// The engine tries every state of a pattern at every character, so a search costs [`STEP_NANOSECONDS`] for each byte and
/// state at most, whatever the text and the pattern. All detectors of a policy's own and all strings of a response draw on
/// one effort: a pattern that its author did not mean to be slow, and a text that somebody else chose, together keep a
/// worker from its other requests for [`Effort::MILLISECONDS`] at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort(u64);

/// More work than the [`Effort`] of a response allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

/// What a byte times a state costs at most, in V8, on a processor of 2020: half as much as that natively.
const STEP_NANOSECONDS: u64 = 20;

impl Effort {
    /// What a response may cost at most.
    pub const MILLISECONDS: u64 = 50;

    /// The effort of a whole response.
    pub const RESPONSE: Self = Self(Self::MILLISECONDS.saturating_mul(1_000_000) / STEP_NANOSECONDS);

    /// Takes what a search through so many bytes costs. A search costs something even if there is nothing to look through.
    fn spend(&mut self, bytes: usize, reach: &Reach) -> Result<(), Exhausted> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(2);
        let cost = bytes.saturating_mul(u64::from(reach.states)).saturating_add(16);
        match self.0.checked_sub(cost) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => {
                self.0 = 0;
                Err(Exhausted)
            }
        }
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternFault {
    /// It has no characters.
    Empty,
    /// It is over [`MAX_PATTERN`].
    TooLong,
    /// It can match a place without a character: what would be replaced there?
    MatchesNothing,
    /// It does not compile, in the words of the crate.
    Syntax(String),
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong => write!(f, "is over {MAX_PATTERN} bytes"),
            Self::MatchesNothing => f.write_str("can match no character at all"),
            Self::Syntax(what) => write!(f, "cannot be used: {what}"),
        }
    }
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it is no pattern, or none that is searched for in bounded time.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        if text.is_empty() {
            return Err(PatternFault::Empty);
        }
        if text.len() > MAX_PATTERN {
            return Err(PatternFault::TooLong);
        }
        let regex = RegexBuilder::new(text).size_limit(MAX_COMPILED).nest_limit(MAX_NESTED).build();
        let regex = regex.map_err(|error| PatternFault::Syntax(error.to_string()))?;
        // An empty match that needs no certain text around it is found between these characters: a word's, a line's end,
        // and neither. One that does is passed over where it is found.
        let around = ["", "a", "0", "_", " ", "\n", "-", "\u{e4}"];
        let empty = around.iter().any(|before| {
            around.iter().any(|after| {
                let text = [*before, *after].concat();
                regex.find_at(&text, before.len()).is_some_and(|found| found.range().is_empty())
            })
        });
        if empty {
            return Err(PatternFault::MatchesNothing);
        }
        Ok(Self { reach: Reach::of(text), regex })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// How long a search through a mebibyte of the worst text takes at most, in milliseconds.
    #[must_use]
    pub fn worst_milliseconds(&self) -> u64 {
        u64::from(self.reach.states).saturating_mul(STEP_NANOSECONDS).saturating_mul(1 << 20) / 1_000_000
    }

    /// How much of the worst text the effort of a response suffices for, in bytes.
    #[must_use]
    pub fn worst_bytes(&self) -> u64 {
        Effort::RESPONSE.0.checked_div(u64::from(self.reach.states)).unwrap_or_default()
    }

    /// The leftmost match of at least one character that starts at or after `from`, a character boundary: its start and its
    /// end.
    ///
    /// A match begins with certain bytes and holds certain bytes, so only the runs of those are looked through, and are paid
    /// for: most of a text costs nothing. Where no match can be as long as a run, the run is cut into windows of twice the
    /// longest match: one that starts in the first half of a window is seen whole.
    ///
    /// # Errors
    /// If the effort does not suffice.
    pub fn search(&self, text: &str, from: usize, effort: &mut Effort) -> Result<Option<(usize, usize)>, Exhausted> {
        let Reach { first, bytes, longest, .. } = self.reach;
        let mut at = from;
        loop {
            let begins = |rest: &[u8]| rest.iter().position(|byte| first.holds(*byte));
            let Some(skipped) = text.as_bytes().get(at..).and_then(begins) else { return Ok(None) };
            at = at.saturating_add(skipped);
            if !text.is_char_boundary(at) {
                at = at.saturating_add(1);
                continue;
            }
            let cap = at.saturating_add(longest.saturating_mul(2)).min(text.len());
            let window = text.as_bytes().get(at..cap).unwrap_or_default();
            let (run, last_start) = match window.iter().position(|byte| !bytes.holds(*byte)) {
                Some(length) => (at.saturating_add(length), at.saturating_add(length)),
                None if cap == text.len() => (cap, cap),
                None => (cap, at.saturating_add(longest)),
            };
            // One character more: what a boundary behind a match looks at.
            let end = boundary(text, boundary(text, run).saturating_add(1));
            effort.spend(end.saturating_sub(at), &self.reach)?;
            // The crate panics where `at` lies in a character or behind the end.
            let haystack = text.get(..end).unwrap_or(text);
            at = match self.regex.find_at(haystack, at) {
                Some(found) if found.start() > last_start => last_start.saturating_add(1),
                Some(found) if found.range().is_empty() => found.start().saturating_add(1),
                Some(found) => return Ok(Some((found.start(), found.end()))),
                None => last_start.saturating_add(1),
            };
            if at > text.len() {
                return Ok(None);
            }
        }
    }
}

/// The first character boundary at or after a place.
fn boundary(text: &str, mut at: usize) -> usize {
    while at < text.len() && !text.is_char_boundary(at) {
        at = at.saturating_add(1);
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "small numbers")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_is_refused_for_what_makes_it_unusable() {
        let syntax = |what: &str| Err(PatternFault::Syntax(what.to_owned()));
        let rows: [(&str, Result<(), PatternFault>); 22] = [
            ("[A-Z]{2}[0-9]{6}", Ok(())),
            (r"(?i)\bcase[- ]?\d{4,8}\b", Ok(())),
            ("^ref:", Ok(())),
            ("", Err(PatternFault::Empty)),
            (&"a".repeat(MAX_PATTERN), Ok(())),
            (&"a".repeat(MAX_PATTERN + 1), Err(PatternFault::TooLong)),
            ("a*", Err(PatternFault::MatchesNothing)),
            ("a?b?", Err(PatternFault::MatchesNothing)),
            (r"\b", Err(PatternFault::MatchesNothing)),
            (r"\B", Err(PatternFault::MatchesNothing)),
            ("^", Err(PatternFault::MatchesNothing)),
            ("$", Err(PatternFault::MatchesNothing)),
            ("(?m)^", Err(PatternFault::MatchesNothing)),
            (r"x|\b", Err(PatternFault::MatchesNothing)),
            (r"\w|\b", Err(PatternFault::MatchesNothing)),
            ("(a", syntax("found open group without closing ')'")),
            ("(?=a)", syntax("look-around is not supported")),
            (r"(a)\1", syntax("backreferences are not supported")),
            ("(.{1,100}){1,100}", syntax("compiled regex exceeded size limit")),
            (&format!("{}a{}", "(".repeat(16), ")".repeat(16)), Ok(())),
            (&format!("{}a{}", "(".repeat(17), ")".repeat(17)), syntax("pattern has too much nesting")),
            (r"\w{1,40}", Ok(())),
        ];
        for (text, expected) in rows {
            assert_eq!(Pattern::parse(text).map(|_| ()), expected, "{text}");
        }
    }

    fn found(pattern: &str, text: &str, from: usize) -> Option<(usize, usize)> {
        Pattern::parse(pattern).unwrap().search(text, from, &mut { Effort::RESPONSE }).unwrap()
    }

    #[test]
    fn a_search_begins_where_it_is_told_and_sees_what_stands_around() {
        let rows = [
            (r"\b\d{2}", "12 34", 0, Some((0, 2))),
            (r"\b\d{2}", "12 34", 1, Some((3, 5))),
            (r"\b\d{2}", "a12", 1, None),
            (r"\b\d{2}", "12", 3, None),
            (r"\d{2}\b", "12\u{e4} 123 45", 0, Some((0, 2))),
            (r"\d{2}$", "12 34", 0, Some((3, 5))),
            (r"\d{2}\b", "123", 0, Some((1, 3))),
            (r"(?m)^b+$", "a\nbb\nb", 0, Some((2, 4))),
            ("ab|abcdef", "abcdef", 0, Some((0, 2))),
            ("abcdef|ab", "ababcdef", 0, Some((0, 2))),
            ("a.*b|a", "a a\nb", 0, Some((0, 1))),
            ("a.*b|a", "a a ab", 0, Some((0, 6))),
            (r"[a0_]|\b{start}", "q a", 0, Some((2, 3))),
            ("\u{e9}[x\u{ea}]{1,3}", "e\u{e9}\u{ea}x\u{ea}x", 1, Some((1, 8))),
        ];
        for (pattern, text, from, expected) in rows {
            assert_eq!(found(pattern, text, from), expected, "{pattern} in {text}");
        }
    }

    #[test]
    fn what_a_pattern_can_cost_follows_from_its_states() {
        let rows: [(&str, std::ops::Range<u64>); 9] = [
            ("C[0-9]{6}", 100..1000),
            (r"(?i)\bcase[- ]?\d{4,8}\b", 500..1500),
            (r"\b[A-Z]{2}\d{6}[A-D]\b", 300..1000),
            (r"[a-z0-9._-]{1,64}#[0-9]{4,8}", 4000..8000),
            ("(?:[a-z ]*[a-z]{1,200}@)|a", 8000..20_000),
            ("(a?){100}b", 8000..20_000),
            ("((((a{1,4}){1,4}){1,4})b)", 5000..20_000),
            ("[acegikmoqsuwy]{1,90}!", 8000..20_000),
            ("(?x) a b", 50_000..100_000),
        ];
        for (pattern, milliseconds) in rows {
            let worst = Pattern::parse(pattern).unwrap().worst_milliseconds();
            assert!(milliseconds.contains(&worst), "{pattern}: {worst}");
        }
    }

    #[test]
    fn only_where_a_match_can_be_is_paid_for() {
        let prose = "The customer called about invoice 123456 on 2024-01-15; asked again. ".repeat(2000);
        for pattern in ["C[0-9]{6}", r"\b[A-Z]{2}\d{6}[A-D]\b", r"(?i)\bkey[- ]?\d{4,8}\b", "#[a-z ]{1,200}"] {
            let mut effort = Effort::RESPONSE;
            assert_eq!(Pattern::parse(pattern).unwrap().search(&prose, 0, &mut effort), Ok(None), "{pattern}");
            assert!(effort.0 > Effort::RESPONSE.0 / 2, "{pattern}: {effort:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// The windows change nothing of what is found.
        #[test]
        fn a_search_finds_what_the_crate_finds(
            pattern in r"(\(\?i\))?(([a-c]|\.|\\w|\\d|\\D|[\^$]|\\b|\[a-b1\]|\[\^a1\]|\[\[:\^alpha:\]b\]|é|\((a|ab|b\|1)(|b?)\)|\((\?:)?a\|é\))(|\*|\+|\?|\{2\}|\{1,3\}|\{2,\}|\*\?)){1,5}",
            text in "([a-d]|[1-2]|é|ê| |\n|B|aaaaaaaa){0,40}",
        ) {
            let Ok(parsed) = Pattern::parse(&pattern) else { return Ok(()) };
            let regex = Regex::new(&pattern).unwrap();
            let mut from = 0;
            loop {
                let mut at = from;
                let expected = loop {
                    match regex.find_at(&text, at) {
                        Some(found) if found.range().is_empty() => match text[found.start()..].chars().next() {
                            Some(char) => at = found.start() + char.len_utf8(),
                            None => break None,
                        },
                        found => break found.map(|found| (found.start(), found.end())),
                    }
                };
                let seen = parsed.search(&text, from, &mut { Effort::RESPONSE }).unwrap();
                prop_assert_eq!(seen, expected, "{} in {:?} from {}", pattern, text, from);
                match expected {
                    Some((_, end)) => from = end,
                    None => break,
                }
            }
        }
    }
}
