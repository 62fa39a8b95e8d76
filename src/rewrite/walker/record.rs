//! Records and their subjects: whose data leaves (rule 34).

use super::{Halt, Walker};
use crate::program::NamespaceId;
use crate::refusal::Refusal;

/// A record that has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenRecord {
    /// Whether nothing of it leaves: then nobody is told whose it is.
    muted: bool,
    /// Whether a subject of it has come.
    named: bool,
}

impl Walker {
    /// A record begins.
    #[inline(never)]
    pub(super) fn begin_record(&mut self, muted: bool) -> Result<(), Halt> {
        if let (Some(collector), false) = (self.view.collector(), muted) {
            collector.begin().map_err(|_| Halt::Whole(Refusal::TooManyRecords))?;
        }
        self.records.push(OpenRecord { muted, named: false });
        Ok(())
    }

    /// The innermost record ends.
    #[inline(never)]
    pub(super) fn end_record(&mut self) {
        if let (Some(OpenRecord { muted: false, named: false }), Some(collector)) =
            (self.records.pop(), self.view.collector())
        {
            collector.end_unknown();
        }
    }

    /// A token that names the subject of the innermost record.
    pub(super) fn subject(&mut self, namespaces: &[NamespaceId], token: &[u8]) {
        if let (Some(record), Some(collector)) = (self.records.last_mut(), self.view.collector())
            && !record.muted
        {
            record.named |= collector.subject(namespaces, token, !record.named);
        }
    }
}
