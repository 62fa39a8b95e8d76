//! [`Pattern`]: the regular expression of an author's own detector (rule 27). The only file that names the regex crate.
//!
//! What is possible is what can be searched in bounded time: no look-around but anchors and word boundaries, no
//! back-references. `\w`, `\d`, `\s`, `\b` and `(?i)` know ASCII only. Of several matches at one place it is the one that the
//! pattern prefers: the first alternative, the greedy repetition.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

/// Longest pattern, in bytes: more than one shape's spelling needs, and what a reviewer still reads.
pub const MAX_PATTERN: usize = 512;

/// Largest compiled pattern, in bytes. A search takes time in proportion to it, so this is a bound on work: it refuses
/// `(.{1,100}){1,100}`, and leaves room for some four hundred characters and classes.
const MAX_COMPILED: usize = 32 << 10;

/// Groups open at once. The compiler recurs, and a worker's stack is small.
const MAX_NESTED: u32 = 16;

/// A pattern that compiles, within bounds, and does not match nothing.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

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
        if empty { Err(PatternFault::MatchesNothing) } else { Ok(Self(regex)) }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The leftmost match that starts at or behind `from`, a character boundary: its start and its end. It may be empty.
    /// Takes time in proportion to the rest of the text.
    #[must_use]
    pub fn search(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        // The crate panics where `from` lies in a character or behind the end.
        if !text.is_char_boundary(from) {
            return None;
        }
        self.0.find_at(text, from).map(|found| (found.start(), found.end()))
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_search_begins_where_it_is_told_and_sees_what_stands_before() {
        let pattern = Pattern::parse(r"\b\d{2}").unwrap();
        assert_eq!(pattern.search("12 34", 0), Some((0, 2)));
        assert_eq!(pattern.search("12 34", 1), Some((3, 5)));
        assert_eq!(pattern.search("a12", 1), None);
        assert_eq!(pattern.search("ä12", 1), None, "in a character");
        assert_eq!(pattern.search("12", 3), None, "behind the end");
    }
}
