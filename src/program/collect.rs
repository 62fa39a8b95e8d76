//! [`Collector`]: whose data a body's records are, as they leave (rule 34).
//!
//! A *record* is the innermost array element, else the root, that holds a subject. Its subject is its original text, whatever
//! the caller's level; a record without one counts as one more. Only records that leave are collected: one that is removed,
//! by rows, by `max_records` or because nothing of it is visible, is not.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::budget::{Subject, SubjectKey};
use crate::transform::decoded;

/// Index of a kind of subject among those that a policy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceId(pub u8);

/// What one response has released so far: it can be asked at any time, also when the response ends early.
#[derive(Debug)]
pub struct Collector {
    /// Without one nobody can be told from anybody: each record is one without a subject.
    key: Option<SubjectKey>,
    namespaces: Rc<[Rc<str>]>,
    /// Records that may leave. More never do but by a defect: the need was reserved for no more.
    most: u64,
    subjects: RefCell<Vec<(NamespaceId, Subject)>>,
    /// Records that have ended without a subject.
    unknown: Cell<u64>,
    /// Records that have begun, of which no subject has come yet.
    open: Cell<u64>,
    /// Records that have begun.
    records: Cell<u64>,
}

/// More records would leave than the response may release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Collector {
    /// For a response of at most so many records.
    #[must_use]
    pub fn new(key: Option<SubjectKey>, namespaces: Rc<[Rc<str>]>, most: u64) -> Self {
        let (subjects, unknown, open, records) = Default::default();
        Self { key, namespaces, most, subjects, unknown, open, records }
    }

    /// A record begins that leaves.
    ///
    /// # Errors
    /// If it is one too many: it must not leave.
    pub fn begin(&self) -> Result<(), TooMany> {
        let records = self.records.get().saturating_add(1);
        if records > self.most {
            return Err(TooMany);
        }
        self.records.set(records);
        self.open.set(self.open.get().saturating_add(1));
        Ok(())
    }

    /// A subject of a record that has begun; `first` if it is its first. Whether the token is one: a string or a number.
    pub fn subject(&self, namespaces: &[NamespaceId], token: &[u8], first: bool) -> bool {
        let Ok(mut subjects) = self.subjects.try_borrow_mut() else { return false };
        let Some(text) = decoded(token) else { return false };
        if first {
            self.open.set(self.open.get().saturating_sub(1));
            self.unknown.set(self.unknown.get().saturating_add(u64::from(self.key.is_none())));
        }
        let Some(key) = self.key else { return true };
        for id in namespaces {
            if let Some(namespace) = self.namespaces.get(usize::from(id.0)) {
                subjects.push((*id, key.subject(namespace, &text)));
            }
        }
        true
    }

    /// A record has ended of which no subject has come.
    pub fn end_unknown(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        self.unknown.set(self.unknown.get().saturating_add(1));
    }

    /// Records that have begun to leave.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.get()
    }

    /// Records without a subject: those that ended so, and those that were cut short before it came.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.get().saturating_add(self.open.get())
    }

    /// The subjects so far, in the order in which they came; one may be there more than once.
    #[must_use]
    pub fn subjects(&self) -> Vec<(NamespaceId, Subject)> {
        self.subjects.try_borrow().map(|subjects| subjects.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::PseudonymKey;

    #[test]
    fn a_subject_is_the_text_however_it_is_spelt() {
        let key = PseudonymKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let key = SubjectKey::derive(&key);
        let of = |token: &[u8]| {
            let collector = Collector::new(Some(key), vec!["customer".into()].into(), 1);
            let named = collector.subject(&[NamespaceId(0)], token, false);
            let subjects = collector.subjects();
            assert_eq!(named, !subjects.is_empty());
            subjects.first().map(|(_, subject)| *subject)
        };
        let is = Some(key.subject("customer", "ACC-42"));
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
        let key = PseudonymKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let collector = Collector::new(Some(SubjectKey::derive(&key)), vec!["customer".into()].into(), 2);
        assert_eq!(collector.begin(), Ok(()));
        assert_eq!(collector.unknown(), 1, "nothing of it has said whose it is");
        assert!(collector.subject(&[NamespaceId(0)], b"1", true));
        assert_eq!(collector.unknown(), 0);
        assert_eq!(collector.begin(), Ok(()));
        collector.end_unknown();
        assert_eq!((collector.unknown(), collector.records()), (1, 2));
        assert_eq!(collector.begin(), Err(TooMany), "no more than the need");
    }
}
