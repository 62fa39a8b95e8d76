//! [`Head`]: one key's numbers in one window, and [`HeadValue`]: these numbers as they stand in shared data, with the subjects
//! that were counted last.

use super::ladder::Taken;
use super::subject::KeyTag;

/// The first byte of every value, so that what another plugin wrote under the name is not taken for one of ours.
pub(super) const FORMAT: u8 = 0xF1;

/// Numbers of a head, eight bytes each, after the format byte.
const NUMBERS: usize = 9;
const SIZE: usize = 1 + 8 * NUMBERS;

/// One key's numbers in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whose they are.
    pub tag: KeyTag,
    /// Which window: they only ever rise.
    pub window: u64,
    /// When it ends, in seconds since the Unix epoch.
    pub ends: u64,
    /// What was released in it.
    pub used: u64,
    /// The needs of responses that are under way.
    pub reserved: u64,
    /// What the rate limit service granted to this process, of which `used` and `reserved` are spent. 0 with a local store.
    pub granted: u64,
    /// What the service last said is left for all processes; as much as can be while it has said nothing, whatever `max` then
    /// is: a policy may raise it within a window.
    pub left: u64,
    /// Whether the service has refused in this window: then it grants nothing more, and need not be asked.
    pub closed: bool,
    /// How many subjects the log's segments hold; those that were counted after them stand behind these numbers.
    pub in_segments: u64,
}

/// What shared data holds of one key's window under its head's name: the numbers, and behind them the subjects that were counted
/// last, eight bytes each. A response's numbers and its few subjects are so written by one swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeadValue {
    head: Head,
    bytes: Vec<u8>,
}

/// A value that cannot be read: it is taken for a full budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Head {
    /// The head of a window that begins.
    pub(super) fn new(tag: KeyTag, window: u64, ends: u64) -> Self {
        let (used, reserved, granted, in_segments) = (0, 0, 0, 0);
        Self { tag, window, ends, used, reserved, granted, left: u64::MAX, closed: false, in_segments }
    }

    /// What of the budget is taken, by all processes as far as they are known, with `need` more.
    pub(super) fn taken(&self, need: u64, max: u64) -> Taken {
        let own = self.used.saturating_add(self.reserved).saturating_add(need);
        let all = max.saturating_sub(self.left).saturating_sub(self.granted).saturating_add(own);
        Taken { taken: all.max(own), max }
    }

    fn write(&self) -> [u8; SIZE] {
        let mut bytes = [FORMAT; SIZE];
        let Self { tag, window, ends, used, reserved, granted, left, closed, in_segments } = *self;
        let numbers: [u64; NUMBERS] = [tag.0, window, ends, used, reserved, granted, left, closed.into(), in_segments];
        let (places, _) = bytes.get_mut(1..).unwrap_or_default().as_chunks_mut::<8>();
        for (place, number) in places.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    /// Reads the numbers of a value; `Ok(None)` where nothing was ever written.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let rest = match bytes {
            [] => return Ok(None),
            [FORMAT, rest @ ..] => rest,
            _ => return Err(Malformed),
        };
        let (numbers, []) = rest.as_chunks::<8>() else { return Err(Malformed) };
        let numbers = numbers.first_chunk::<NUMBERS>().ok_or(Malformed)?;
        let [tag, window, ends, used, reserved, granted, left, closed, in_segments] = numbers.map(u64::from_le_bytes);
        if closed > 1 {
            return Err(Malformed);
        }
        let (tag, closed) = (KeyTag(tag), closed == 1);
        Ok(Some(Self { tag, window, ends, used, reserved, granted, left, closed, in_segments }))
    }
}

impl HeadValue {
    /// The value of a window that begins.
    pub(super) fn new(head: Head) -> Self {
        Self { head, bytes: head.write().to_vec() }
    }

    /// Reads a value; `Ok(None)` where nothing was ever written.
    pub(super) fn read(bytes: Vec<u8>) -> Result<Option<Self>, Malformed> {
        Ok(Head::read(&bytes)?.map(|head| Self { head, bytes }))
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// All of it, as it is written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The subjects that were counted after those in the log's segments, in their order.
    pub(super) fn recent(&self) -> &[[u8; 8]] {
        self.bytes.get(SIZE..).unwrap_or_default().as_chunks::<8>().0
    }

    /// Puts other numbers in the place of these. Those of another window begin without a subject.
    pub(super) fn set(&mut self, head: Head) {
        if (head.window, head.tag) != (self.head.window, self.head.tag) {
            self.bytes.truncate(SIZE);
        }
        self.head = head;
        if let Some(numbers) = self.bytes.first_chunk_mut::<SIZE>() {
            *numbers = head.write();
        }
    }

    /// Appends subjects to those that were counted last.
    pub(super) fn append(&mut self, subjects: &[u64]) {
        self.bytes.extend(subjects.iter().flat_map(|subject| subject.to_le_bytes()));
    }

    /// Says that the log's segments now hold all that were counted last.
    pub(super) fn are_in_segments(&mut self) {
        let moved = u64::try_from(self.recent().len()).unwrap_or(u64::MAX);
        self.bytes.truncate(SIZE);
        self.set(Head { in_segments: self.head.in_segments.saturating_add(moved), ..self.head });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written_and_nothing_else_is() {
        let head = Head {
            tag: KeyTag(7),
            window: 42,
            ends: 43 * 3600,
            used: 5,
            reserved: 100,
            granted: 120,
            left: 80,
            closed: true,
            in_segments: 3,
        };
        let bytes = head.write();
        assert_eq!(Head::read(&bytes), Ok(Some(head)));
        assert_eq!(Head::read(b""), Ok(None));
        for length in 1..bytes.len() {
            assert_eq!(Head::read(&bytes[..length]), Err(Malformed), "{length} bytes of it");
        }
        for more in 1..8 {
            assert_eq!(Head::read(&[&bytes, [b'x'; 8].get(..more).unwrap()].concat()), Err(Malformed), "{more} more");
        }
        assert_eq!(Head::read(b"{}"), Err(Malformed), "another plugin's");
        let mut odd = bytes;
        odd[1 + 7 * 8] = 2;
        assert_eq!(Head::read(&odd), Err(Malformed), "a flag that is neither");
    }

    #[test]
    fn subjects_stand_behind_the_numbers_until_segments_hold_them() {
        let head = Head { used: 2, ..Head::new(KeyTag(7), 42, 43) };
        let mut value = HeadValue::new(head);
        value.append(&[5, 6]);
        let read = HeadValue::read(value.bytes().to_vec()).unwrap().unwrap();
        assert_eq!(read, value);
        assert_eq!(read.recent(), [5u64.to_le_bytes(), 6u64.to_le_bytes()]);
        value.set(Head { reserved: 9, ..head });
        assert_eq!((value.recent().len(), value.head().reserved), (2, 9), "other numbers leave them");
        let mut moved = value.clone();
        moved.are_in_segments();
        assert_eq!((moved.recent().len(), moved.head().in_segments, moved.head().used), (0, 2, 2));
        value.set(Head::new(KeyTag(7), 43, 44));
        assert_eq!(value, HeadValue::new(Head::new(KeyTag(7), 43, 44)), "another window has none of them");
    }

    #[test]
    fn what_is_taken_counts_all_processes() {
        let local = Head { used: 30, reserved: 10, ..Head::new(KeyTag(0), 0, 1) };
        assert_eq!(local.taken(5, 100), Taken { taken: 45, max: 100 });
        // The service has granted 70 of 100 in all, 20 of them to this process, which has spent 12.
        let service = Head { used: 10, reserved: 2, granted: 20, left: 30, ..local };
        assert_eq!(service.taken(1, 100), Taken { taken: 63, max: 100 });
    }
}
