//! The subjects counted for one key in one window: a log in segments, and a worker's mirror of it.
//!
//! A log is only ever appended to, one compare-and-swap on its last segment each, so a place in it is a number and no separate
//! counter can disagree. A segment of an old window is overwritten where it is: nothing expires, nothing is deleted. A worker
//! reads only what has been appended since it last read.

use rustc_hash::{FxHashMap, FxHashSet};

use super::head::{FORMAT, Malformed};
use super::slot::{Missing, Slot};
use super::store::{Shared, Swap, Value};
use super::subject::KeyTag;

/// Subjects of one segment: 4 KiB, since a store copies a value whole, under a lock.
const SEGMENT: usize = 512;

/// Bytes before a segment's subjects: the format, the window, the key.
const LEAD: usize = 17;

/// How often a swap is tried. With four workers and 64 connections one request loses it twice at most.
pub(super) const TRIES: usize = 64;

/// Subjects that one worker's mirrors hold together, at 16 to 32 bytes each. A mirror that was let go is read again.
const MIRRORED: usize = 1 << 20;

/// What a worker has read of one log.
#[derive(Debug, Default)]
struct Mirror {
    window: u64,
    tag: u64,
    /// Hashes with a key that callers do not know: no choice of ids makes them collide.
    subjects: FxHashSet<u64>,
    /// Segments that are full and read.
    full: u32,
    /// The name of the next one, once it was asked for.
    name: String,
    /// Subjects read of the next one.
    partly: usize,
    /// When it was last asked for.
    asked: u64,
}

/// The mirrors of one worker: of each budget, by its number, and slot.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    mirrors: FxHashMap<(u16, Slot), Mirror>,
    asked: u64,
}

/// A log, as long as it takes to ask it something.
pub(super) struct Log<'a> {
    store: &'a mut dyn Shared,
    prefix: &'a str,
    slot: Slot,
    mirror: &'a mut Mirror,
}

/// Why nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAppended {
    /// The window is over, and another has begun in its place.
    Over,
    /// The store does not answer, or has another's value there.
    Missing(Missing),
    /// Others were quicker each time.
    Busy,
}

impl<E: Into<Missing>> From<E> for NotAppended {
    fn from(missing: E) -> Self {
        Self::Missing(missing.into())
    }
}

impl Mirrors {
    /// The log of a slot, for the key that has it in a window.
    pub(super) fn log<'a>(
        &'a mut self,
        store: &'a mut dyn Shared,
        prefix: &'a str,
        (budget, slot): (u16, Slot),
        (window, KeyTag(tag)): (u64, KeyTag),
    ) -> Log<'a> {
        self.asked = self.asked.saturating_add(1);
        self.make_room();
        let mirror = self.mirrors.entry((budget, slot)).or_default();
        if (mirror.window, mirror.tag) != (window, tag) {
            *mirror = Mirror { window, tag, ..Mirror::default() };
        }
        mirror.asked = self.asked;
        Log { store, prefix, slot, mirror }
    }

    /// Lets go of the mirrors that were not asked for longest, half of them, when all together hold too much.
    fn make_room(&mut self) {
        // A mirror without a subject takes room too.
        let held = |mirrors: &FxHashMap<_, Mirror>| {
            mirrors.values().fold(0usize, |sum, mirror| sum.saturating_add(mirror.subjects.len()).saturating_add(8))
        };
        // Summed now and then only: between two sums, each request adds one response's subjects.
        if !self.asked.is_multiple_of(1024) || held(&self.mirrors) < MIRRORED {
            return;
        }
        let mut times: Vec<u64> = self.mirrors.values().map(|mirror| mirror.asked).collect();
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or(0);
        self.mirrors.retain(|_, mirror| mirror.asked > middle);
    }
}

/// The last segment of a log, which is not full: its bytes in this window, before them those that every segment has.
struct Tail {
    bytes: Vec<u8>,
    version: Option<u32>,
}

impl Log<'_> {
    /// Whether a subject is counted in the window. What this worker knows is asked first: what was counted stays counted.
    pub(super) fn has(&mut self, subject: u64) -> Result<bool, NotAppended> {
        if self.mirror.subjects.contains(&subject) {
            return Ok(true);
        }
        self.tail()?;
        Ok(self.mirror.subjects.contains(&subject))
    }

    /// Appends what is not there yet of these, and says how many they were.
    pub(super) fn append(&mut self, subjects: &[u64]) -> Result<u64, NotAppended> {
        let mut appended = 0u64;
        let mut left: Vec<u64> = self.unknown(subjects);
        let mut tries = 0usize;
        while !left.is_empty() {
            let known = self.mirror.subjects.len();
            let tail = self.tail()?;
            if self.mirror.subjects.len() > known {
                left = self.unknown(&left);
            }
            let Tail { mut bytes, version } = tail;
            let room = SEGMENT.saturating_sub(bytes.len().saturating_sub(LEAD) / 8);
            let (now, later) = left.split_at(left.len().min(room));
            if now.is_empty() {
                break;
            }
            bytes.extend(now.iter().flat_map(|subject| subject.to_le_bytes()));
            match self.store.swap(&self.mirror.name, &bytes, version)? {
                Swap::Done => {
                    appended = appended.saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
                    self.read_on(&bytes)?;
                    left = later.to_vec();
                }
                Swap::Lost if tries >= TRIES => return Err(NotAppended::Busy),
                Swap::Lost => tries = tries.saturating_add(1),
            }
        }
        Ok(appended)
    }

    /// Those of which the mirror has none, each once.
    fn unknown(&self, subjects: &[u64]) -> Vec<u64> {
        let mut unknown: Vec<u64> =
            subjects.iter().copied().filter(|subject| !self.mirror.subjects.contains(subject)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Reads what has been appended since it was last read.
    fn tail(&mut self) -> Result<Tail, NotAppended> {
        loop {
            if self.mirror.name.is_empty() {
                self.mirror.name = self.slot.segment(self.prefix, self.mirror.full);
            }
            let Value { bytes, version } = self.store.read(&self.mirror.name)?;
            if self.read_on(&bytes)? {
                continue;
            }
            // Of an older window, or never written: it begins anew.
            let bytes = if self.subjects(&bytes)?.is_some() { bytes } else { self.lead() };
            return Ok(Tail { bytes, version });
        }
    }

    /// Takes over what is new in the segment that is not read to its end. Whether it is full.
    fn read_on(&mut self, segment: &[u8]) -> Result<bool, NotAppended> {
        let Some(subjects) = self.subjects(segment)? else { return Ok(false) };
        let (subjects, _) = subjects.as_chunks::<8>();
        let new = subjects.get(self.mirror.partly..).unwrap_or_default();
        self.mirror.subjects.extend(new.iter().map(|bytes| u64::from_le_bytes(*bytes)));
        let full = subjects.len() >= SEGMENT;
        if full {
            self.mirror.name.clear();
        }
        (self.mirror.full, self.mirror.partly) =
            if full { (self.mirror.full.saturating_add(1), 0) } else { (self.mirror.full, subjects.len()) };
        Ok(full)
    }

    /// The subjects of a segment, if it is of this key and window; none if it is of an older window.
    fn subjects<'b>(&self, segment: &'b [u8]) -> Result<Option<&'b [u8]>, NotAppended> {
        if segment.is_empty() {
            return Ok(None);
        }
        let (lead, subjects) = segment.split_at_checked(LEAD).ok_or(Malformed)?;
        let [FORMAT, numbers @ ..] = lead else { return Err(Malformed.into()) };
        let ([window, tag], []) = numbers.as_chunks::<8>() else { return Err(Malformed.into()) };
        if !subjects.len().is_multiple_of(8) || subjects.len() > SEGMENT * 8 {
            return Err(Malformed.into());
        }
        let (window, tag) = (u64::from_le_bytes(*window), u64::from_le_bytes(*tag));
        match window.cmp(&self.mirror.window) {
            std::cmp::Ordering::Greater => Err(NotAppended::Over),
            std::cmp::Ordering::Equal if tag != self.mirror.tag => Err(NotAppended::Over),
            std::cmp::Ordering::Equal => Ok(Some(subjects)),
            std::cmp::Ordering::Less => Ok(None),
        }
    }

    fn lead(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEAD + SEGMENT * 8);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.mirror.window.to_le_bytes());
        bytes.extend_from_slice(&self.mirror.tag.to_le_bytes());
        bytes
    }
}
