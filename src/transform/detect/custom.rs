//! A policy's own detectors: patterns, searched for under a bound.

use super::Find;
use crate::policy::model::{CustomDetector, Detector};

/// How much text the searches for one detector in one string may look through, in bytes.
///
/// A search takes time in proportion to the rest of the string, and may look through all of it before it settles on a
/// short match. So many finds in a long string would take quadratic time: 64 KiB of them some 20,000 searches. This bound
/// leaves room for 16 searches through the longest string, and for 256 through one of 4 KiB; what needs more is a misfit.
const EFFORT: usize = 1 << 20;

/// More searching than [`EFFORT`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

/// What each of a policy's own detectors finds next.
#[derive(Debug)]
pub(super) struct Custom<'a> {
    detector: &'a CustomDetector,
    /// Bytes that may still be looked through.
    left: usize,
    next: Option<Find<'a>>,
}

impl<'a> Custom<'a> {
    /// Those among `detectors`, at the start of `text`.
    pub(super) fn all(detectors: &'a [Detector], text: &str) -> Result<Vec<Self>, Exhausted> {
        let custom = detectors.iter().filter_map(|detector| match detector {
            Detector::BuiltIn(_) => None,
            Detector::Custom(detector) => Some(Self { detector, left: EFFORT, next: None }),
        });
        let started = custom.map(|mut custom| {
            custom.search(text, 0)?;
            Ok(custom)
        });
        started.collect()
    }

    pub(super) fn next(&self) -> Option<Find<'a>> {
        self.next
    }

    /// Searches again if what is next starts before `from`.
    pub(super) fn overtake(&mut self, text: &str, from: usize) -> Result<(), Exhausted> {
        match self.next {
            Some(next) if next.start < from => self.search(text, from),
            _ => Ok(()),
        }
    }

    fn search(&mut self, text: &str, mut from: usize) -> Result<(), Exhausted> {
        let Self { detector, left, next } = self;
        *next = None;
        while let Some(rest) = text.len().checked_sub(from) {
            *left = left.checked_sub(rest).ok_or(Exhausted)?;
            match detector.pattern.search(text, from) {
                None => break,
                Some((start, end)) if start < end => {
                    *next = Some(Find { start, end, name: &detector.name });
                    break;
                }
                // Nothing was found there, if where it stands allowed for that: on with the next character.
                Some((start, _)) => {
                    let length = text.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                    from = start.saturating_add(length);
                }
            }
        }
        Ok(())
    }
}
