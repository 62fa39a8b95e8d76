//! JSON texts as bytes that come in pieces: what their tokens are, and whether they are JSON at all.
//!
//! [`lexer`] turns sixty-four bytes at a time into masks of tokens, [`validator`] checks them against RFC 8259 and the
//! stricter rules (rule 30), `window` lists tokens for a reader that checks them itself, [`unescape`] reads one name or
//! string. All survive a cut at any byte. Nothing here knows of policies.

pub mod lexer;
pub mod scanner;
pub mod simd;
pub mod unescape;
pub mod validator;
pub(crate) mod window;

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

impl Texts {
    /// What stands before each text of a sequence (RFC 7464 §2.2).
    pub const RECORD_SEPARATOR: u8 = 0x1E;
}
