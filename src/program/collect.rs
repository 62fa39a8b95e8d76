//! [`Collector`]: whose data a body's records are, as they leave (rule 34).
//!
//! A *record* is the innermost array element, else the root, that holds a subject. Its subject is its original text, whatever
//! the caller's level; a record without one counts as one more. Only records that leave are collected: one that is removed,
//! by rows, by `max_records` or because nothing of it is visible, is not.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::budgets::Subjects;
use super::ids::NamespaceId;
use crate::budget::{Subject, SubjectHasher};
use crate::transform::{decoded, plain};

/// A set of kinds of subjects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds([u64; 4]);

impl Kinds {
    /// Adds one; whether it is new.
    fn add(&mut self, NamespaceId(id): NamespaceId) -> bool {
        let bit = 1u64 << (id % 64);
        let Some(word) = self.0.get_mut(usize::from(id / 64)) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether all of these are in it.
    fn has_all(&self, kinds: &[NamespaceId]) -> bool {
        kinds
            .iter()
            .all(|NamespaceId(id)| self.0.get(usize::from(id / 64)).is_some_and(|word| word & (1u64 << (id % 64)) != 0))
    }
}

/// What one response has released so far: it can be asked at any time, also when the response ends early.
#[derive(Debug)]
pub struct Collector {
    /// Of each kind, by number. Without a key there are none and nobody can be told from anybody: each record is one without
    /// a subject.
    hashers: Rc<[SubjectHasher]>,
    /// The records of each kind, by number.
    kinds: RefCell<Vec<Records>>,
    /// Records that have begun, of whatever kinds.
    records: Cell<u64>,
    /// Those of which no subject of some kind that they hold has come.
    nameless: Cell<u64>,
}

/// The records of one kind.
#[derive(Debug)]
struct Records {
    /// How many may leave. More never do but by a defect: the need was reserved for no more.
    most: u64,
    begun: u64,
    /// Those of which no subject has come.
    unnamed: u64,
    /// Whose they are. One may be there more than once.
    subjects: Vec<Subject>,
}

impl Records {
    fn add(&mut self, subject: Subject) {
        // A long body may say the same few over and over.
        if self.subjects.len() == self.subjects.capacity() && self.subjects.len() >= MANY {
            self.put_out_repeated();
            if self.subjects.len() > self.subjects.capacity() / 2 {
                let room = self.subjects.capacity();
                self.subjects.reserve_exact(room);
            }
        }
        self.subjects.push(subject);
    }

    fn put_out_repeated(&mut self) {
        self.subjects.sort_unstable();
        self.subjects.dedup();
    }
}

/// Subjects from which on repeated ones are put out before more room is taken.
const MANY: usize = 1024;

/// More records would leave than the response may release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Collector {
    /// For a response of at most so many records of each kind, by number; of a kind that is not there, any number.
    #[must_use]
    pub fn new(subjects: &Subjects, most: &[u64]) -> Self {
        let most = (0..subjects.namespaces().len()).map(|kind| most.get(kind).copied().unwrap_or(u64::MAX));
        let none = |most| Records { most, begun: 0, unnamed: 0, subjects: Vec::new() };
        let kinds = RefCell::new(most.map(none).collect());
        Self { hashers: Rc::clone(subjects.hashers()), kinds, records: Cell::default(), nameless: Cell::default() }
    }

    /// A record of these kinds begins that leaves.
    ///
    /// # Errors
    /// If it is one too many of a kind: it must not leave.
    pub fn begin(&self, kinds: &[NamespaceId]) -> Result<(), TooMany> {
        let Ok(mut all) = self.kinds.try_borrow_mut() else { return Err(TooMany) };
        for kind in kinds {
            let Some(records) = all.get_mut(usize::from(kind.0)) else { return Err(TooMany) };
            if records.begun >= records.most {
                return Err(TooMany);
            }
            records.begun = records.begun.saturating_add(1);
            records.unnamed = records.unnamed.saturating_add(1);
        }
        self.records.set(self.records.get().saturating_add(1));
        self.nameless.set(self.nameless.get().saturating_add(1));
        Ok(())
    }

    /// A subject of a record of these kinds that has begun; `named` has those of which one of that record has come. A token
    /// that is neither a string nor a number names nobody, and without a key none does.
    pub fn subject(&self, kind: NamespaceId, token: &[u8], (kinds, named): (&[NamespaceId], &mut Kinds)) {
        let Ok(mut all) = self.kinds.try_borrow_mut() else { return };
        let index = usize::from(kind.0);
        let (Some(hasher), Some(records)) = (self.hashers.get(index), all.get_mut(index)) else { return };
        let subject = match plain(token) {
            Some(text) => hasher.subject(text),
            None => match decoded(token) {
                Some(text) => hasher.subject(text.as_bytes()),
                None => return,
            },
        };
        records.add(subject);
        if named.add(kind) {
            records.unnamed = records.unnamed.saturating_sub(1);
            if named.has_all(kinds) {
                self.nameless.set(self.nameless.get().saturating_sub(1));
            }
        }
    }

    /// Records that have begun to leave.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.get()
    }

    /// Records that hold a subject of a kind and named none: those that ended so, and those that were cut short before it came.
    #[must_use]
    pub fn unknown(&self, kind: NamespaceId) -> u64 {
        self.kinds.try_borrow().map_or(u64::MAX, |all| all.get(usize::from(kind.0)).map_or(0, |of| of.unnamed))
    }

    /// Records that named no subject of some kind that they hold, each once.
    #[must_use]
    pub fn nameless(&self) -> u64 {
        self.nameless.get()
    }

    /// Hands over the subjects so far, each once, in order.
    #[must_use]
    pub fn take_subjects(&self) -> Vec<(NamespaceId, Subject)> {
        let Ok(mut all) = self.kinds.try_borrow_mut() else { return Vec::new() };
        let mut taken = Vec::with_capacity(all.iter().map(|records| records.subjects.len()).sum());
        for (id, records) in (0u8..).zip(all.iter_mut()) {
            records.put_out_repeated();
            taken.extend(std::mem::take(&mut records.subjects).into_iter().map(|subject| (NamespaceId(id), subject)));
        }
        taken
    }

    /// Bytes that the subjects so far take.
    #[must_use]
    pub fn size(&self) -> usize {
        let room = |records: &Records| records.subjects.capacity().saturating_mul(size_of::<Subject>());
        self.kinds.try_borrow().map_or(0, |all| all.iter().map(room).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::SubjectKey;
    use crate::transform::PseudonymKey;

    fn key() -> SubjectKey {
        SubjectKey::derive(&PseudonymKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap())
    }

    #[test]
    fn a_subject_is_the_text_however_it_is_spelt() {
        let of = |token: &[u8]| {
            let collector = Collector::new(&Subjects::of(Some(key()), &["customer"]), &[1]);
            collector.subject(NamespaceId(0), token, (&[NamespaceId(0)], &mut Kinds::default()));
            collector.take_subjects().first().map(|(_, subject)| *subject)
        };
        let is = Some(key().subject("customer", "ACC-42"));
        let rows: [(&str, &[u8], bool); 6] = [
            ("a string", br#""ACC-42""#, true),
            ("an escape is decoded", br#""\u0041CC-42""#, true),
            ("each of them is", br#""\u0041\u0043C\u002d42""#, true),
            ("case is told apart", br#""acc-42""#, false),
            ("white space is told apart", br#""ACC-42 ""#, false),
            ("an empty string is a subject of its own", br#""""#, false),
        ];
        for (claim, token, same) in rows {
            assert_eq!(of(token) == is, same, "{claim}");
        }
        assert_eq!(of(b"42"), of(br#""42""#), "a number and the string of its text");
        assert_ne!(of(b"42"), of(b"42.0"), "two texts are two");
        assert_eq!((of(b"true"), of(b"null")), (None, None), "a literal name is none");
    }

    #[test]
    fn a_record_that_is_cut_short_counts() {
        let (customer, invoice) = (NamespaceId(0), NamespaceId(1));
        let collector = Collector::new(&Subjects::of(Some(key()), &["customer", "invoice"]), &[2, 1]);
        let mut named = Kinds::default();
        assert_eq!(collector.begin(&[customer]), Ok(()));
        assert_eq!(collector.unknown(customer), 1, "nothing of it has said whose it is");
        collector.subject(customer, b"1", (&[customer], &mut named));
        collector.subject(customer, b"2", (&[customer], &mut named));
        assert_eq!((collector.unknown(customer), collector.nameless()), (0, 0));
        let mut named = Kinds::default();
        assert_eq!(collector.begin(&[customer, invoice]), Ok(()));
        let both = [customer, invoice];
        collector.subject(invoice, b"7", (&both, &mut named));
        collector.subject(customer, b"null", (&both, &mut named));
        assert_eq!((collector.unknown(customer), collector.unknown(invoice)), (1, 0), "each kind for itself");
        assert_eq!(collector.nameless(), 1, "a record that says of one kind only whose it is");
        assert_eq!(collector.records(), 2);
        assert_eq!(collector.begin(&[customer]), Err(TooMany), "no more than the need");
        assert_eq!(collector.begin(&[invoice]), Err(TooMany), "of each kind");
    }

    #[test]
    fn records_without_a_subject_are_counted_one_by_one() {
        let (customer, agent) = (NamespaceId(0), NamespaceId(1));
        /// The kinds of a record, and those of which it names one.
        type HeldAndNamed<'a> = (&'a [NamespaceId], &'a [NamespaceId]);
        let rows: [(&str, &[HeldAndNamed<'_>], u64); 5] = [
            ("of one kind", &[(&[customer], &[]), (&[customer], &[customer])], 1),
            ("of two kinds, each its own", &[(&[customer], &[]), (&[customer], &[]), (&[agent], &[])], 3),
            ("a record of both that names neither is one", &[(&[customer, agent], &[])], 1),
            ("a record of both that names one", &[(&[customer, agent], &[agent])], 1),
            ("a record of both that names both", &[(&[customer, agent], &[agent, customer, agent])], 0),
        ];
        for (claim, records, nameless) in rows {
            let collector = Collector::new(&Subjects::of(Some(key()), &["customer", "agent"]), &[]);
            for (kinds, named) in records {
                collector.begin(kinds).unwrap();
                let mut known = Kinds::default();
                for kind in *named {
                    collector.subject(*kind, b"1", (kinds, &mut known));
                }
            }
            assert_eq!(collector.nameless(), nameless, "{claim}");
        }
    }

    #[test]
    fn a_body_that_says_the_same_few_over_and_over_takes_little() {
        let rows = [("one of nine", 9u32, 2 * MANY), ("each another", 100_000, 1 << 18)];
        for (claim, distinct, most) in rows {
            let collector = Collector::new(&Subjects::of(Some(key()), &["customer"]), &[]);
            for number in 0..100_000u32 {
                let mut named = Kinds::default();
                collector.begin(&[NamespaceId(0)]).unwrap();
                let text = (number % distinct).to_string();
                collector.subject(NamespaceId(0), text.as_bytes(), (&[NamespaceId(0)], &mut named));
            }
            let room = collector.size() / size_of::<Subject>();
            assert!(room <= most, "{claim}: room for {room}");
            assert_eq!(collector.take_subjects().len(), usize::try_from(distinct).unwrap(), "{claim}");
            assert_eq!((collector.size(), collector.records()), (0, 100_000), "{claim}: handed over");
        }
    }
}
