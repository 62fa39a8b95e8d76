//! [`Names`]: the member names that the policy knows at a place, found by a name's length and its ends.
//!
//! Nearly every name of a body is looked up, and most are unknown, so a name is found or missed in one or two slots of a
//! table, mostly without comparing text.

use super::ids::{Outlook, StateId};

/// A table of names.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// In order.
    names: Box<[Box<str>]>,
    /// As many as a power of two, at least half of them free.
    slots: Box<[NameSlot]>,
    /// A bit for the [`hint`] of each.
    hints: u64,
}

/// A place for one name.
#[derive(Debug, Clone, Copy)]
struct NameSlot {
    /// The name's first eight bytes, zeros behind a shorter one.
    head: u64,
    /// Its last eight bytes; of a name of at most eight, its head.
    tail: u64,
    /// Its length; [`NameSlot::FREE`] if there is none.
    length: usize,
    found: FoundName,
}

/// A name that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundName {
    /// Which of the names it is.
    pub index: usize,
    /// The state of its member.
    pub state: StateId,
    /// What can be said of that without its state.
    pub outlook: Outlook,
}

impl NameSlot {
    const FREE: usize = usize::MAX;
}

/// What a name is found by.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    head: u64,
    tail: u64,
}

impl Ends {
    /// Those of a whole name.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let head = match name.first_chunk() {
            // `accountNumber`: head `accountN`, tail `ntNumber`; up to 16 bytes the two and the length are the whole name.
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => name.iter().rev().fold(0, |head, byte| (head << 8) | u64::from(*byte)),
        };
        let tail = name.last_chunk().map_or(head, |bytes| u64::from_le_bytes(*bytes));
        Self { head, tail }
    }

    /// Those of the name from `from` to `to` of `text`. Where the text has eight bytes from its start and up to its end, as
    /// nearly always, nothing is decided by its length, which no processor could foresee.
    #[must_use]
    #[inline(always)]
    pub fn within(text: &[u8], from: usize, to: usize) -> Self {
        let first = text.get(from..).and_then(<[u8]>::first_chunk);
        let last = text.get(..to).and_then(<[u8]>::last_chunk);
        let (Some(first), Some(last)) = (first, last) else { return Self::of(text.get(from..to).unwrap_or_default()) };
        let length = to.wrapping_sub(from);
        let short = length < 8;
        // Of a short name the eight bytes hold what follows it, too: that is masked off.
        let keep = if short { !u64::MAX.wrapping_shl((length as u32) << 3) } else { u64::MAX };
        let head = u64::from_le_bytes(*first) & keep;
        let tail = if short { head } else { u64::from_le_bytes(*last) };
        Self { head, tail }
    }

    /// Where a name's slot is looked for first. An upstream that chooses names to collide meets at most the policy's own.
    #[inline(always)]
    fn hash(self, length: usize) -> usize {
        let Self { head, tail } = self;
        // 2^64 divided by the golden ratio spreads names that differ in few bits (Knuth's multiplicative hashing).
        let mixed = (head ^ tail.rotate_left(32)).wrapping_add(length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize
    }
}

/// One bit for a name, by its length and its first two bytes, of which the second is the quotation mark behind a name of one.
#[inline(always)]
fn hint(first: u8, second: u8, length: usize) -> u64 {
    let start = u32::from(u16::from_le_bytes([first, second]));
    1u64.wrapping_shl((start.wrapping_mul(0x9E37) >> 8) ^ (length as u32))
}

/// The hint of the name from `from` to `to` of `text`, behind which there is a quotation mark.
#[must_use]
#[inline(always)]
pub fn hint_within(text: &[u8], from: usize, to: usize) -> u64 {
    // Only an empty name can have but its mark there.
    match text.get(from..).and_then(<[u8]>::first_chunk) {
        Some([first, second]) => hint(*first, *second, to.wrapping_sub(from)),
        None => u64::MAX,
    }
}

impl<'a> FromIterator<(&'a str, StateId)> for Names {
    /// From names in order, each once.
    fn from_iter<I: IntoIterator<Item = (&'a str, StateId)>>(members: I) -> Self {
        let members: Vec<(&str, StateId)> = members.into_iter().collect();
        let names = members.iter().map(|(name, _)| Box::from(*name)).collect();
        if members.is_empty() {
            return Self { names, slots: Box::default(), hints: 0 };
        }
        let found = FoundName { index: 0, state: StateId::DEAD, outlook: Outlook::Asked };
        let free = NameSlot { head: 0, tail: 0, length: NameSlot::FREE, found };
        let mut hints = 0;
        // At most half full: a look-up for an unknown name ends at a free slot, mostly the first.
        let mut slots = vec![free; members.len().saturating_mul(2).next_power_of_two()];
        let last = slots.len().wrapping_sub(1);
        for (index, (name, state)) in members.iter().enumerate() {
            let name = name.as_bytes();
            let ends = Ends::of(name);
            let Ends { head, tail } = ends;
            // Behind the empty name's mark anything may stand.
            hints |= match name {
                [] => u64::MAX,
                [only] => hint(*only, b'"', 1),
                [first, second, ..] => hint(*first, *second, name.len()),
            };
            let mut at = ends.hash(name.len()) & last;
            // Linear probing: the next slot is in the same cache line.
            while slots.get(at).is_some_and(|slot| slot.length != NameSlot::FREE) {
                at = at.wrapping_add(1) & last;
            }
            if let Some(slot) = slots.get_mut(at) {
                let found = FoundName { index, state: *state, outlook: Outlook::Asked };
                *slot = NameSlot { head, tail, length: name.len(), found };
            }
        }
        Self { names, slots: slots.into(), hints }
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

    /// The hints of all names ([`hint_within`]): a name whose hint is not among them is none of them.
    #[must_use]
    pub fn hints(&self) -> u64 {
        self.hints
    }

    /// The name that is spelled with these bytes.
    #[must_use]
    #[inline(always)]
    pub fn find(&self, name: &[u8]) -> Option<FoundName> {
        self.find_by_ends(name, Ends::of(name))
    }

    /// Finds a name whose ends are at hand.
    #[must_use]
    #[inline(always)]
    pub fn find_by_ends(&self, name: &[u8], ends: Ends) -> Option<FoundName> {
        let last = self.slots.len().wrapping_sub(1);
        let mut at = ends.hash(name.len());
        loop {
            let slot = self.slots.get(at & last)?;
            // One branch, not three.
            let differs = (slot.head ^ ends.head) | (slot.tail ^ ends.tail) | (slot.length ^ name.len()) as u64;
            if differs == 0 && self.is(slot, name) {
                return Some(slot.found);
            }
            if slot.length == NameSlot::FREE {
                return None;
            }
            at = at.wrapping_add(1);
        }
    }

    /// Whether a slot's name, whose ends agree, is `name`.
    #[inline(always)]
    fn is(&self, slot: &NameSlot, name: &[u8]) -> bool {
        // Head and tail cover sixteen bytes; what is longer is compared.
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
    use super::{Ends, Names, StateId, hint_within};

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
        let text = format!("{{\"{}\":0}}", known.join("\":0,\""));
        let mut from = 2;
        for name in &known {
            let to = from + name.len();
            let (whole, within) = (Ends::of(name.as_bytes()), Ends::within(text.as_bytes(), from, to));
            assert_eq!((whole.head, whole.tail), (within.head, within.tail), "{name}");
            assert_ne!(names.hints() & hint_within(text.as_bytes(), from, to), 0, "{name}");
            let alone: Names = [(name.as_str(), StateId::DEAD)].into_iter().collect();
            let quoted = format!("\"{name}\"");
            assert_ne!(alone.hints() & hint_within(quoted.as_bytes(), 1, 1 + name.len()), 0, "{name}");
            from = to + 5;
        }
        assert!(Names::default().find(b"").is_none());
    }
}
