//! The subjects counted for one key in one window: a log, and a worker's mirror of it.
//!
//! A log is only ever appended to, and a place in it is a number. Its newest subjects stand in the head's own value, where one
//! compare-and-swap appends them and gives the reservation back; when they have become many, a response moves them on into
//! *segments*, which hold the log from its first subject on:
//!
//! ```text
//! segment 0            segment 1        head
//! [s0 s1 ... s508]     [s509 s510]      used 513, in segments 511: [s511 s512]
//! ```
//!
//! A segment is written before the head says so. Between the two another worker may write it too; it writes what was in the head
//! before, and so the same subjects at the same places, more or fewer. That is why a segment is only ever made longer. A segment of
//! an old window is overwritten where it is: nothing expires, nothing is deleted. A worker reads only what has been appended since
//! it last read.

use rustc_hash::{FxHashMap, FxHashSet};

use super::head::{FORMAT, HeadValue, Malformed};
use super::slot::{Missing, Slot};
use super::store::{Shared, Swap, Value};
use super::subject::KeyTag;

/// How many subjects stand where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// In one segment.
    pub(super) segment: usize,
    /// In a head, at most.
    pub(super) head: usize,
    /// In a head, before a response moves them on.
    pub(super) recent: usize,
}

impl Sizes {
    /// A store copies a value whole, under a lock: so each is at most 4 KiB. A head is read by each request, so that it is kept
    /// at half of that, but for a moment after a large page.
    pub(super) const SHIPPED: Self = Self { segment: 509, head: 500, recent: 256 };
}

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
    /// How many of the log's subjects were read: all of them are in `subjects`.
    read: usize,
    /// When it was last asked for.
    asked: u64,
}

/// The mirrors of one worker: of each budget, by its number, and slot.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    mirrors: FxHashMap<(u16, Slot), Mirror>,
    asked: u64,
}

/// The log of one key in one window.
pub(super) struct Log<'a> {
    prefix: &'a str,
    slot: Slot,
    sizes: Sizes,
    mirror: &'a mut Mirror,
}

/// Why a log was not read, or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoLog {
    /// The window is over, and another has begun in its place.
    Over,
    /// The store does not answer, or has another's value there.
    Missing(Missing),
}

impl<E: Into<Missing>> From<E> for NoLog {
    fn from(missing: E) -> Self {
        Self::Missing(missing.into())
    }
}

impl Mirrors {
    /// The log of a slot, for the key that has it in a window.
    pub(super) fn log<'a>(
        &'a mut self,
        prefix: &'a str,
        sizes: Sizes,
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
        Log { prefix, slot, sizes, mirror }
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

impl Log<'_> {
    /// Whether a subject is counted in the window. What this worker knows is asked first: what was counted stays counted.
    pub(super) fn has(&mut self, subject: u64, value: &HeadValue, store: &mut dyn Shared) -> Result<bool, NoLog> {
        if !self.mirror.subjects.contains(&subject) {
            self.read_on(value, store)?;
        }
        Ok(self.mirror.subjects.contains(&subject))
    }

    /// Those of which the mirror has none, each once.
    pub(super) fn unknown(&self, subjects: &[u64]) -> Vec<u64> {
        let mut unknown: Vec<u64> =
            subjects.iter().copied().filter(|subject| !self.mirror.subjects.contains(subject)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Reads what has been appended since it was last read: segments only where the head says that they hold more.
    pub(super) fn read_on(&mut self, value: &HeadValue, store: &mut dyn Shared) -> Result<(), NoLog> {
        let in_segments = in_segments(value)?;
        while self.mirror.read < in_segments {
            let (number, within) = self.place(self.mirror.read);
            let Value { bytes, .. } = store.read(&self.slot.segment(self.prefix, number))?;
            let subjects = self.subjects(&bytes)?;
            // The head says that they are there.
            let new = subjects.get(within..).filter(|new| !new.is_empty()).ok_or(Malformed)?;
            self.mirror.take(new);
        }
        self.wrote(value);
        Ok(())
    }

    /// Puts those of these subjects that are not in the log into the head's value, as many as have room, and says how many: they are
    /// the first of what is left in `subjects`. Older ones are moved on before. `None` if another worker was quicker.
    pub(super) fn enter(
        &mut self,
        subjects: &mut Vec<u64>,
        value: &mut HeadValue,
        store: &mut dyn Shared,
    ) -> Result<Option<usize>, NoLog> {
        self.read_on(value, store)?;
        *subjects = self.unknown(subjects);
        let stand = value.recent().len();
        let crowded = stand.saturating_add(subjects.len()) > self.sizes.recent;
        if stand > 0 && !subjects.is_empty() && crowded {
            if self.move_on(value, store)? == Swap::Lost {
                return Ok(None);
            }
            value.are_in_segments();
        }
        let room = self.sizes.head.saturating_sub(value.recent().len());
        let now = subjects.get(..room).unwrap_or(subjects);
        value.append(now);
        Ok(Some(now.len()))
    }

    /// Takes over what this worker has itself written.
    pub(super) fn wrote(&mut self, value: &HeadValue) {
        let behind = in_segments(value).ok().and_then(|in_segments| self.mirror.read.checked_sub(in_segments));
        if let Some(behind) = behind {
            self.mirror.take(value.recent().get(behind..).unwrap_or_default());
        }
    }

    /// Writes the head's subjects to the segments.
    fn move_on(&self, value: &HeadValue, store: &mut dyn Shared) -> Result<Swap, NoLog> {
        let mut at = in_segments(value)?;
        let mut left = value.recent();
        while !left.is_empty() {
            let (number, within) = self.place(at);
            let (now, later) = left.split_at(left.len().min(self.sizes.segment.saturating_sub(within)));
            let name = self.slot.segment(self.prefix, number);
            let Value { bytes, version } = store.read(&name)?;
            let there = self.subjects(&bytes)?;
            // What another worker has written meanwhile are the same ones.
            let known = there.len().checked_sub(within).ok_or(Malformed)?;
            if let Some(new) = now.get(known..).filter(|new| !new.is_empty()) {
                let segment = [&self.lead()[..], there.as_flattened(), new.as_flattened()].concat();
                if store.swap(&name, &segment, version)? == Swap::Lost {
                    return Ok(Swap::Lost);
                }
            }
            at = at.saturating_add(now.len());
            left = later;
        }
        Ok(Swap::Done)
    }

    /// In which segment a place of the log is, and where in it.
    fn place(&self, at: usize) -> (u32, usize) {
        let segment = self.sizes.segment.max(1);
        let number = at.checked_div(segment).and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX);
        (number, at.checked_rem(segment).unwrap_or(0))
    }

    /// The subjects of a segment; none if it is of an older window.
    fn subjects<'b>(&self, segment: &'b [u8]) -> Result<&'b [[u8; 8]], NoLog> {
        if segment.is_empty() {
            return Ok(&[]);
        }
        let (lead, subjects) = segment.split_at_checked(LEAD).ok_or(Malformed)?;
        let [FORMAT, numbers @ ..] = lead else { return Err(Malformed.into()) };
        let ([window, tag], []) = numbers.as_chunks::<8>() else { return Err(Malformed.into()) };
        let (subjects, []) = subjects.as_chunks::<8>() else { return Err(Malformed.into()) };
        if subjects.len() > self.sizes.segment {
            return Err(Malformed.into());
        }
        let (window, tag) = (u64::from_le_bytes(*window), u64::from_le_bytes(*tag));
        match window.cmp(&self.mirror.window) {
            std::cmp::Ordering::Greater => Err(NoLog::Over),
            std::cmp::Ordering::Equal if tag != self.mirror.tag => Err(NoLog::Over),
            std::cmp::Ordering::Equal => Ok(subjects),
            std::cmp::Ordering::Less => Ok(&[]),
        }
    }

    fn lead(&self) -> [u8; LEAD] {
        let mut bytes = [FORMAT; LEAD];
        let (places, _) = bytes.get_mut(1..).unwrap_or_default().as_chunks_mut::<8>();
        for (place, number) in places.iter_mut().zip([self.mirror.window, self.mirror.tag]) {
            *place = number.to_le_bytes();
        }
        bytes
    }
}

impl Mirror {
    fn take(&mut self, subjects: &[[u8; 8]]) {
        self.subjects.extend(subjects.iter().map(|subject| u64::from_le_bytes(*subject)));
        self.read = self.read.saturating_add(subjects.len());
    }
}

/// How many of a log's subjects its segments hold.
fn in_segments(value: &HeadValue) -> Result<usize, Malformed> {
    usize::try_from(value.head().in_segments).map_err(|_| Malformed)
}
