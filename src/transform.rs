//! What a scalar becomes at mask and pseudonym, and what is taken out of a string at show (rules 20 to 23 and 27).
//!
//! Three pure functions on one scalar's raw JSON token, appended straight to the output:
//!
//! | function | rule | a token becomes |
//! |---|---|---|
//! | [`mask()`] | 20 to 22 | a part of itself, or a rounded number |
//! | [`pseudonym()`] | 23 | a keyed, pairwise code |
//! | [`detect()`] | 27 | itself, with `[email]`, `[card]` … where those were found |
//!
//! The first two answer `false` for a misfit, [`detect()`] a [`Searched`], and have then written nothing: the caller writes
//! the field's blank value (rule 18), never the value. A misfit is a value that the form does not fit, and also anything that is no valid token: what is
//! not understood is never passed on.
//!
//! A token is the bytes of one string, number, `true` or `false` as they came, a string with its quotes. The caller has
//! checked it against RFC 8259, and UTF-8 and surrogates besides; it treats `null` itself (rule 19). The caller also bounds
//! its length (rule 27: 64 KiB): the work here is linear in it, and nothing is allocated unless a string has escapes.
//! Strings that these functions make are written with the fewest escapes: quote, backslash and controls.

mod detect;
mod mask;
mod pseudonym;
mod round;
mod text;

pub use detect::{Searched, detect};
pub use mask::mask;
pub use pseudonym::{KeyFault, PseudonymKey, pseudonym};
pub use text::{decoded, plain};
