//! Which slot a key has: shared data cannot delete names, so there is a fixed number of them.

use super::head::{Head, HeadValue, Malformed};
use super::store::{Shared, StoreFailure, Value};
use super::subject::KeyTag;

/// Slots of one budget: keys that have one at a time. Each takes about 260 bytes once it was used, and 8 bytes more for each
/// subject of its largest window.
pub(super) const SLOTS: u64 = 1 << 16;

/// How many slots are looked at for a key.
const PROBES: u64 = 8;

/// The slot of all keys that find none of their own: who comes with many client ids gets one budget for all of them.
const OVERFLOW: Slot = Slot(SLOTS as u32);
const OVERFLOW_TAG: KeyTag = KeyTag(0);

/// A slot of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Slot(u32);

impl Slot {
    /// The name of its head in shared data.
    pub(super) fn head(self, prefix: &str) -> String {
        format!("{prefix}/{:x}", self.0)
    }

    /// The name of a segment of its log.
    pub(super) fn segment(self, prefix: &str, number: u32) -> String {
        format!("{prefix}/{:x}/{number:x}", self.0)
    }
}

/// A key's slot, and its head as it now is.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) slot: Slot,
    /// The head's name in shared data.
    pub(super) name: String,
    pub(super) value: HeadValue,
    pub(super) version: Option<u32>,
}

/// Why there is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The store does not answer.
    Store,
    /// A value is not one of ours: the budget is taken for full.
    Malformed,
}

impl From<StoreFailure> for Missing {
    fn from(StoreFailure: StoreFailure) -> Self {
        Self::Store
    }
}

impl From<Malformed> for Missing {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// The head of a key's window of so many seconds that begins now, after `before`.
fn begun(per: u64, tag: KeyTag, now: u64, before: Option<Head>) -> HeadValue {
    let by_clock = now.checked_div(per).unwrap_or(0);
    let window = before.map_or(by_clock, |before| by_clock.max(before.window.saturating_add(1)));
    let ends = by_clock.saturating_add(1).saturating_mul(per);
    HeadValue::new(Head::new(tag, window, ends))
}

/// How often a key's slots are looked at anew because a window turned out to have begun meanwhile.
const SCANS: usize = 4;

/// Finds the slot of a key, whose windows are of `per` seconds, at least 1. A window lasts until its end has come; a clock that
/// steps back stays in it.
///
/// A clock that was read before another worker saw a window begin would find this key's slot gone to another, and begin the
/// older window anew in a slot of its own: so it is put on to the newest window that is seen.
pub(super) fn find(store: &mut dyn Shared, prefix: &str, tag: KeyTag, per: u64, now: u64) -> Result<Found, Missing> {
    let mut now = now;
    for _ in 0..SCANS {
        match scan(store, prefix, tag, per, now)? {
            Scanned::Found(found) => return Ok(found),
            Scanned::Later(later) => now = later,
        }
    }
    Err(Missing::Store)
}

enum Scanned {
    Found(Found),
    /// A window had begun at this time.
    Later(u64),
}

/// Looks at all slots that a key may have for its own live one before one whose window is over is taken: or a slot that has
/// become free would begin the key's window anew.
fn scan(store: &mut dyn Shared, prefix: &str, tag: KeyTag, per: u64, now: u64) -> Result<Scanned, Missing> {
    let mut free: Option<Found> = None;
    let mut latest = now;
    for probe in 0..PROBES {
        let number = tag.0.wrapping_add(probe) % SLOTS;
        let slot = Slot(u32::try_from(number).unwrap_or(0));
        let name = slot.head(prefix);
        let Value { bytes, version } = store.read(&name)?;
        let Some(value) = HeadValue::read(bytes)? else {
            // Nobody ever went beyond a slot that was never used.
            free = free.or(Some(Found { slot, name, value: begun(per, tag, now, None), version }));
            break;
        };
        let head = value.head();
        if now >= head.ends {
            free = free.or(Some(Found { slot, name, value: begun(per, tag, now, Some(head)), version }));
        } else if head.tag == tag {
            return Ok(Scanned::Found(Found { slot, name, value, version }));
        } else {
            latest = latest.max(head.ends.saturating_sub(per));
        }
    }
    if latest > now {
        return Ok(Scanned::Later(latest));
    }
    if let Some(found) = free {
        return Ok(Scanned::Found(found));
    }
    let name = OVERFLOW.head(prefix);
    let Value { bytes, version } = store.read(&name)?;
    let value = match HeadValue::read(bytes)? {
        Some(value) if now < value.head().ends => value,
        before => begun(per, OVERFLOW_TAG, now, before.map(|before| before.head())),
    };
    Ok(Scanned::Found(Found { slot: OVERFLOW, name, value, version }))
}
