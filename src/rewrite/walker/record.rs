//! Records and their subjects: whose data leaves (rule 34).

use std::rc::Rc;

use super::{Halt, Walker};
use crate::program::{Kinds, NamespaceId};
use crate::refusal::Refusal;

/// A record that has begun and not ended.
#[derive(Debug, Clone)]
pub(super) struct OpenRecord {
    /// Whose it is a record.
    kinds: Rc<[NamespaceId]>,
    /// Whether nothing of it leaves: then nobody is told whose it is.
    muted: bool,
    /// The kinds of which a subject of it has come.
    named: Kinds,
}

/// Whether a scalar that begins so can name a subject: a string or a number.
pub(super) fn names(byte: u8) -> bool {
    matches!(byte, b'"' | b'-' | b'0'..=b'9')
}

impl Walker {
    /// A record of these kinds of subjects begins.
    #[inline(never)]
    pub(super) fn begin_record(&mut self, kinds: &Rc<[NamespaceId]>, muted: bool) -> Result<(), Halt> {
        if let (Some(collector), false) = (self.view.collector(), muted) {
            collector.begin(kinds).map_err(|_| Halt::Whole(Refusal::TooManyRecords))?;
        }
        self.records.push(OpenRecord { kinds: Rc::clone(kinds), muted, named: Kinds::default() });
        Ok(())
    }

    /// The innermost record ends.
    pub(super) fn end_record(&mut self) {
        self.records.pop();
    }

    /// A token that names subjects of these kinds: each of the innermost record of that kind.
    pub(super) fn subject(&mut self, kinds: &[NamespaceId], token: &[u8]) {
        let Some(collector) = self.view.collector() else { return };
        for kind in kinds {
            if let Some(record) = self.records.iter_mut().rev().find(|record| record.kinds.contains(kind))
                && !record.muted
            {
                collector.subject(*kind, token, (&record.kinds, &mut record.named));
            }
        }
    }
}
