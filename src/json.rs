//! JSON texts as bytes that come in pieces.

/// How many JSON texts a body holds, and what stands between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Texts {
    /// One (RFC 8259).
    One,
    /// Any number, one a line (`application/x-ndjson`); empty lines are passed over.
    Lines,
    /// Any number, each behind a record separator (`application/json-seq`, RFC 7464).
    Sequence,
}
