//! Records and their subjects: whose data leaves (rule 34).

use super::{Halt, Walker};
use crate::program::{Kinds, NamespaceId};
use crate::refusal::Refusal;

/// A record that has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenRecord {
    /// Whether nothing of it leaves: then nobody is told whose it is.
    muted: bool,
    /// The kinds of which a subject of it has come.
    named: Kinds,
}

impl Walker {
    /// A record of these kinds of subjects begins.
    #[inline(never)]
    pub(super) fn begin_record(&mut self, kinds: &[NamespaceId], muted: bool) -> Result<(), Halt> {
        if let (Some(collector), false) = (self.view.collector(), muted) {
            collector.begin(kinds).map_err(|_| Halt::Whole(Refusal::TooManyRecords))?;
        }
        self.records.push(OpenRecord { muted, named: Kinds::default() });
        Ok(())
    }

    /// The innermost record ends.
    pub(super) fn end_record(&mut self) {
        self.records.pop();
    }

    /// A token that names the subject of the innermost record.
    pub(super) fn subject(&mut self, namespaces: &[NamespaceId], token: &[u8]) {
        if let (Some(record), Some(collector)) = (self.records.last_mut(), self.view.collector())
            && !record.muted
        {
            collector.subject(namespaces, token, &mut record.named);
        }
    }
}
