//! What a question and its answer are made of.

use std::collections::BTreeSet;

use super::record::Client;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whose data a client got.
    Client(String),
    /// Who got data about a person: its id.
    Subject(String),
    /// Which clients got most.
    Top,
}

/// What a log says of one subject that a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// The first and the last second.
    pub first: String,
    /// See `first`.
    pub last: String,
    /// Responses that the subject was in.
    pub responses: u64,
    /// What was in those responses: a number of one of the ledger's sets.
    pub(super) what: u32,
}

/// One response that a person was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// When it was settled, as the record's `time`.
    pub time: String,
    /// Who asked.
    pub client: Client,
    /// The request's id.
    pub request: String,
    /// The route's name.
    pub route: String,
    /// What became of the response.
    pub outcome: String,
    /// Classes and levels that left in it.
    pub what: BTreeSet<(String, String)>,
    /// How many subjects it has besides.
    pub others: u64,
}

/// What one client got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Top {
    /// Distinct subjects.
    pub subjects: u64,
    /// Responses of which something left.
    pub responses: u64,
    /// Records without a tag.
    pub unknown: u64,
}

/// What is known of a whole log, and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The first second of a record in the log, whatever the question.
    pub first: Option<String>,
    /// The last one.
    pub last: Option<String>,
    /// Lines that were read, empty ones left out.
    pub lines: u64,
    /// Records in time that the question is about.
    pub records: u64,
    /// Of them, those of which something left.
    pub left: u64,
    /// Of them, those that went as they came: nothing of them is in the record.
    pub passed: u64,
    /// Of them, those on routes that only report: they went as they came too.
    pub reported: u64,
    /// Records that left without a tag.
    pub unknown: u64,
    /// With a client asked for: responses in time of which something left, besides those that passed, of callers whom no record
    /// names. They may be that client's.
    pub callers: u64,
    /// Lines that the plugin did not write: what left then, and to whom, is not known. They say when the request began, and nothing
    /// of its end: those that began in time or before.
    pub unwritten: u64,
    /// Records in time whose line has another whole record: one of the two is a text that a caller sent.
    pub contested: u64,
    /// Lines that cannot be read.
    pub broken: u64,
    /// Records without a time, which are counted whatever the time asked for.
    pub timeless: u64,
    /// Records of clients without a name in the log, where no key was at hand to compare.
    pub unnamed: u64,
    /// Records whose tags were made with another key than the one at hand; where none is, than the one of most.
    pub other_key: u64,
}

/// Seeded subjects that a client got, which no honest caller meets (rule 37).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alert {
    /// How many, each once a response.
    pub canaries: u64,
    /// In how many responses.
    pub responses: u64,
}
