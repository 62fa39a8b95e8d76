//! [`Remembered`]: which records have come before.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use fieldgate_workbench::ledger::Record;

/// Most records that are remembered: a table of 2^22 places, nine bytes each, is full with seven in eight. That is 38 MB, and half
/// as much again while it grows into that size.
const MOST: usize = 3_670_016;

/// What is known of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// It has not come before.
    No,
    /// It has, byte for byte.
    Yes,
    /// It is not one of those that are remembered, and is not remembered either: too many are.
    Unknown,
    /// Without a request's id, others can be like it.
    NoId,
}

/// The hashes of records that came. Two of different records are the same once in some millions of millions of pairs.
#[derive(Debug)]
pub(super) struct Remembered {
    hashes: HashSet<u64>,
    maker: RandomState,
    most: usize,
}

impl Default for Remembered {
    fn default() -> Self {
        Self { hashes: HashSet::new(), maker: RandomState::new(), most: MOST }
    }
}

impl Remembered {
    /// Takes a record, and the line that it stands in.
    pub(super) fn take(&mut self, record: &Record, line: &[u8]) -> Before {
        if record.text("request").is_empty() {
            return Before::NoId;
        }
        let hash = self.maker.hash_one(line.get(record.place.clone()).unwrap_or_default());
        if self.hashes.len() < self.most {
            return if self.hashes.insert(hash) { Before::No } else { Before::Yes };
        }
        if self.hashes.contains(&hash) { Before::Yes } else { Before::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use fieldgate_workbench::ledger::{Line, read};

    use super::*;

    #[test]
    fn a_record_that_came_before_is_known_up_to_a_bound() {
        let line = |id: &str, around: &str| {
            format!("{around} {{\"fieldgate\":1,\"time\":\"2026-11-28T14:04:21.123Z\"{id},\"outcome\":\"released\"}}")
        };
        let mut remembered = Remembered { most: 2, ..Remembered::default() };
        let rows = [
            ("the first", line(",\"request\":\"a\"", "x"), Before::No),
            ("with other words before it", line(",\"request\":\"a\"", "y"), Before::Yes),
            ("one without an id", line("", "x"), Before::NoId),
            ("which can come again", line("", "x"), Before::NoId),
            ("the second", line(",\"request\":\"b\"", "x"), Before::No),
            ("one too many", line(",\"request\":\"c\"", "x"), Before::Unknown),
            ("which is not remembered", line(",\"request\":\"c\"", "x"), Before::Unknown),
            ("one that is", line(",\"request\":\"b\"", "x"), Before::Yes),
        ];
        for (claim, line, expected) in rows {
            let Line::Record(record) = read(line.as_bytes()) else { panic!("{claim}") };
            assert_eq!(remembered.take(&record, line.as_bytes()), expected, "{claim}");
        }
    }
}
