//! [`Head`]: one key's numbers in one window, as they stand in shared data.

use super::ladder::Taken;
use super::subject::KeyTag;

/// The first byte of every value, so that what another plugin wrote under the name is not taken for one of ours.
pub(super) const FORMAT: u8 = 0xF1;

/// Numbers of a head, eight bytes each, after the format byte.
const NUMBERS: usize = 8;
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
}

/// A value that cannot be read: it is taken for a full budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Head {
    /// The head of a window that begins.
    pub(super) fn new(tag: KeyTag, window: u64, ends: u64) -> Self {
        Self { tag, window, ends, used: 0, reserved: 0, granted: 0, left: u64::MAX, closed: false }
    }

    /// What of the budget is taken, by all processes as far as they are known, with `need` more.
    pub(super) fn taken(&self, need: u64, max: u64) -> Taken {
        let own = self.used.saturating_add(self.reserved).saturating_add(need);
        let all = max.saturating_sub(self.left).saturating_sub(self.granted).saturating_add(own);
        Taken { taken: all.max(own), max }
    }

    pub(super) fn write(&self) -> [u8; SIZE] {
        let mut bytes = [FORMAT; SIZE];
        let numbers: [u64; NUMBERS] =
            [self.tag.0, self.window, self.ends, self.used, self.reserved, self.granted, self.left, self.closed.into()];
        let (places, _) = bytes.get_mut(1..).unwrap_or_default().as_chunks_mut::<8>();
        for (place, number) in places.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    /// Reads a value; `Ok(None)` where nothing was ever written.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let rest = match bytes {
            [] => return Ok(None),
            [FORMAT, rest @ ..] => rest,
            _ => return Err(Malformed),
        };
        let (numbers, []) = rest.as_chunks::<8>() else { return Err(Malformed) };
        let numbers = <&[[u8; 8]; NUMBERS]>::try_from(numbers).map_err(|_| Malformed)?;
        let [tag, window, ends, used, reserved, granted, left, closed] = numbers.map(u64::from_le_bytes);
        if closed > 1 {
            return Err(Malformed);
        }
        let tag = KeyTag(tag);
        Ok(Some(Self { tag, window, ends, used, reserved, granted, left, closed: closed == 1 }))
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
        };
        let bytes = head.write();
        assert_eq!(Head::read(&bytes), Ok(Some(head)));
        assert_eq!(Head::read(b""), Ok(None));
        for length in 1..bytes.len() {
            assert_eq!(Head::read(&bytes[..length]), Err(Malformed), "{length} bytes of it");
        }
        assert_eq!(Head::read(&[&bytes, b"x".as_slice()].concat()), Err(Malformed), "one byte more");
        assert_eq!(Head::read(b"{}"), Err(Malformed), "another plugin's");
        let mut odd = bytes;
        odd[1 + 7 * 8] = 2;
        assert_eq!(Head::read(&odd), Err(Malformed), "a flag that is neither");
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
