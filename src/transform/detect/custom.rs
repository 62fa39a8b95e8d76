//! A policy's own detectors: patterns, searched for under the effort of the response.

use super::Find;
use crate::model::pattern::{Effort, Exhausted};
use crate::model::{CustomDetector, Detector};

/// What each of a policy's own detectors finds next.
#[derive(Debug)]
pub(super) struct Custom<'a> {
    detector: &'a CustomDetector,
    next: Option<Find<'a>>,
}

impl<'a> Custom<'a> {
    /// Those among `detectors`, at the start of `text`.
    pub(super) fn all(detectors: &'a [Detector], text: &str, effort: &mut Effort) -> Result<Vec<Self>, Exhausted> {
        let mut all = Vec::new();
        for detector in detectors {
            if let Detector::Custom(detector) = detector {
                let mut custom = Self { detector, next: None };
                custom.search(text, 0, effort)?;
                all.push(custom);
            }
        }
        Ok(all)
    }

    pub(super) fn next(&self) -> Option<Find<'a>> {
        self.next
    }

    /// Searches again if what is next starts before `from`.
    pub(super) fn overtake(&mut self, text: &str, from: usize, effort: &mut Effort) -> Result<(), Exhausted> {
        match self.next {
            Some(next) if next.start < from => self.search(text, from, effort),
            _ => Ok(()),
        }
    }

    fn search(&mut self, text: &str, from: usize, effort: &mut Effort) -> Result<(), Exhausted> {
        let found = self.detector.pattern.search(text, from, effort)?;
        self.next = found.map(|(start, end)| Find { start, end, name: &self.detector.name });
        Ok(())
    }
}
