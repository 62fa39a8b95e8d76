//! [`Names`]: the member names that the policy knows at a place, found by a name's length and its ends.
//!
//! Nearly every name of a body is looked up, and most are unknown, so a name is found or missed in one or two slots of a
//! table, mostly without comparing text.

use super::view::{Outlook, StateId};

/// A table of names.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// In order.
    names: Box<[Box<str>]>,
    /// As many as a power of two, at least half of them free.
    slots: Box<[Slot]>,
}

/// A place for one name.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The name's first eight bytes, zeros behind a shorter one.
    head: u64,
    /// Its last eight bytes; of a name of at most eight, its head.
    tail: u64,
    /// Its length; [`Slot::FREE`] if there is none.
    length: usize,
    found: Found,
}

/// A name that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Which of the names it is.
    pub index: usize,
    /// The state of its member.
    pub state: StateId,
    /// What can be said of that without its state.
    pub outlook: Outlook,
}

impl Slot {
    const FREE: usize = usize::MAX;
}

/// A name's first eight bytes, zeros behind a shorter one.
#[must_use]
#[inline(always)]
pub fn head(name: &[u8]) -> u64 {
    match name.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => name.iter().rev().fold(0, |head, byte| (head << 8) | u64::from(*byte)),
    }
}

#[inline(always)]
fn tail(name: &[u8], head: u64) -> u64 {
    match name.last_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => head,
    }
}

/// Where a name's slot is looked for first. An upstream that chooses names to collide meets at most the policy's own.
#[inline(always)]
fn hash(length: usize, head: u64, tail: u64) -> usize {
    let mixed = (head ^ tail.rotate_left(32)).wrapping_add(length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize
}

impl<'a> FromIterator<(&'a str, StateId)> for Names {
    /// From names in order, each once.
    fn from_iter<I: IntoIterator<Item = (&'a str, StateId)>>(members: I) -> Self {
        let members: Vec<(&str, StateId)> = members.into_iter().collect();
        let names = members.iter().map(|(name, _)| Box::from(*name)).collect();
        if members.is_empty() {
            return Self { names, slots: Box::default() };
        }
        let found = Found { index: 0, state: StateId::DEAD, outlook: Outlook::Asked };
        let free = Slot { head: 0, tail: 0, length: Slot::FREE, found };
        let mut slots = vec![free; members.len().saturating_mul(2).next_power_of_two()];
        let last = slots.len().wrapping_sub(1);
        for (index, (name, state)) in members.iter().enumerate() {
            let name = name.as_bytes();
            let head = head(name);
            let tail = tail(name, head);
            let mut at = hash(name.len(), head, tail) & last;
            while slots.get(at).is_some_and(|slot| slot.length != Slot::FREE) {
                at = at.wrapping_add(1) & last;
            }
            if let Some(slot) = slots.get_mut(at) {
                let found = Found { index, state: *state, outlook: Outlook::Asked };
                *slot = Slot { head, tail, length: name.len(), found };
            }
        }
        Self { names, slots: slots.into() }
    }
}

impl Names {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, in order, and the state of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, StateId)> {
        self.names.iter().filter_map(|name| Some((name.as_ref(), self.find(name.as_bytes())?.state)))
    }

    /// The name that is spelled with these bytes.
    #[must_use]
    #[inline(always)]
    pub fn find(&self, name: &[u8]) -> Option<Found> {
        self.find_by_head(name, head(name))
    }

    /// The same, of a name whose [`head`] is at hand.
    #[must_use]
    #[inline(always)]
    pub fn find_by_head(&self, name: &[u8], head: u64) -> Option<Found> {
        let last = self.slots.len().wrapping_sub(1);
        let tail = tail(name, head);
        let mut at = hash(name.len(), head, tail);
        loop {
            let slot = self.slots.get(at & last)?;
            if slot.length == name.len() && slot.head == head && slot.tail == tail && self.is(slot, name) {
                return Some(slot.found);
            }
            if slot.length == Slot::FREE {
                return None;
            }
            at = at.wrapping_add(1);
        }
    }

    /// Whether a slot's name, whose ends agree, is `name`.
    #[inline(always)]
    fn is(&self, slot: &Slot, name: &[u8]) -> bool {
        name.len() <= 16 || self.names.get(slot.found.index).is_some_and(|known| known.as_bytes() == name)
    }

    /// Takes down what `outlook` says of each state.
    pub(super) fn foresee(&mut self, outlook: impl Fn(StateId) -> Outlook) {
        for slot in &mut self.slots {
            slot.found.outlook = outlook(slot.found.state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, StateId};

    #[test]
    fn each_name_is_found_and_nothing_else() {
        let mut known: Vec<String> = (0..300).map(|n| format!("{}{n}", "name".repeat(n % 7))).collect();
        known.extend(
            ["", "a", "a\0", "12345678", "123456789", "1234567890123456", "12345678_90123456"].map(String::from),
        );
        known.sort();
        known.dedup();
        let names: Names = known.iter().map(|name| (name.as_str(), StateId::DEAD)).collect();
        for (index, name) in known.iter().enumerate() {
            assert_eq!(names.find(name.as_bytes()).map(|found| found.index), Some(index), "{name}");
        }
        for other in ["b", "a\0\0", "1234567", "12345678x90123456", "12345678__0123456", "name", "\0"] {
            assert!(known.iter().any(|name| name == other) || names.find(other.as_bytes()).is_none(), "{other}");
        }
        assert_eq!(names.iter().map(|(name, _)| name).collect::<Vec<_>>(), known);
        assert!(Names::default().find(b"").is_none());
    }
}
