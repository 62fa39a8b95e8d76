//! What is taken out of strings that come out at show (rule 27): e-mail addresses, telephone, card, bank account and US
//! social security numbers in text that people typed.
//!
//! Each detector would rather know a shape exactly than guess: Luhn and mod 97 are computed, issuers, countries, areas and
//! dates are looked at. What each one takes for its own is said at its file's head, and for users in `docs/detectors.md`. All
//! are linear in the text: a start is tried at most once by each detector, and a try looks at a bounded number of characters
//! (an e-mail address, which has no bound, is read outwards from its `@`, of which no two share a character).
//!
//! The built-in ones read [`Symbols`], in which a digit is a digit however it is written. A find never cuts a longer run of
//! letters or of digits in two.
//!
//! A policy's own detectors are patterns. They see the same text, and draw on the [`Effort`] of the response.

mod card;
mod cursor;
mod custom;
mod email;
mod iban;
mod phone;
mod ssn;
mod symbols;

use self::cursor::Cursor;
use self::custom::Custom;
use self::symbols::Symbols;
use super::text::{Text, push_text};
use crate::model::pattern::{Effort, Exhausted};
use crate::model::region::Region;
use crate::model::{BuiltIn, Detector};

/// What a search made of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// Nothing was found: the token was appended as it came.
    Clean,
    /// Something was found: the string was appended without it.
    Replaced,
    /// It is no token that can be shown, and nothing was appended.
    Misfit,
    /// The effort of the response is spent: what the string holds is not known, and nothing was appended.
    Exhausted,
}

/// Appends `token` with every find replaced by `[name]`: leftmost, then longest, then by the detector's name.
///
/// A string in which nothing is found keeps its bytes exactly as they came, as does any token that is not a string. A
/// string in which something is found is written with the fewest escapes, so what was not found keeps its spelling but
/// where it had escapes that it did not need. `detectors` may be in any order.
#[must_use]
pub fn detect(detectors: &[Detector], token: &[u8], effort: &mut Effort, out: &mut Vec<u8>) -> Searched {
    let content = match Text::of(token) {
        Some(Text::String(content)) => content,
        Some(Text::Number(_)) => {
            out.extend_from_slice(token);
            return Searched::Clean;
        }
        None if matches!(token, b"true" | b"false") => {
            out.extend_from_slice(token);
            return Searched::Clean;
        }
        None => return Searched::Misfit,
    };
    let text = content.decode();
    let before = out.len();
    match replace(detectors, &text, token, effort, out) {
        Ok(searched) => searched,
        Err(Exhausted) => {
            out.truncate(before);
            Searched::Exhausted
        }
    }
}

/// Appends a string's token, or its text with every find replaced.
fn replace(
    detectors: &[Detector],
    text: &str,
    token: &[u8],
    effort: &mut Effort,
    out: &mut Vec<u8>,
) -> Result<Searched, Exhausted> {
    let mut finds = Finds::new(detectors, text, effort)?;
    let Some(mut find) = finds.next()? else {
        out.extend_from_slice(token);
        return Ok(Searched::Clean);
    };
    out.push(b'"');
    let mut written = 0;
    loop {
        push_text(out, text.get(written..find.start).unwrap_or_default());
        out.push(b'[');
        push_text(out, find.name);
        out.push(b']');
        written = find.end;
        match finds.next()? {
            Some(next) => find = next,
            None => break,
        }
    }
    push_text(out, text.get(written..).unwrap_or_default());
    out.push(b'"');
    Ok(Searched::Replaced)
}

/// Something that was found: bytes of the text, on character boundaries, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Find<'a> {
    start: usize,
    end: usize,
    name: &'a str,
}

/// The finds in a text, in order, none overlapping another.
struct Finds<'a> {
    text: &'a str,
    symbols: Symbols<'a>,
    /// What no number is looked for in, in order and apart.
    closed: Vec<Closed>,
    /// What each built-in detector finds next; one that finds no more, or was not asked for, has none.
    built_in: [(BuiltIn, Option<Find<'a>>); 5],
    /// Whose national numbers are looked for.
    regions: Vec<Region>,
    /// Whether telephone numbers are that are such everywhere.
    anywhere: bool,
    custom: Vec<Custom<'a>>,
    effort: &'a mut Effort,
}

impl<'a> Finds<'a> {
    fn new(detectors: &'a [Detector], text: &'a str, effort: &'a mut Effort) -> Result<Self, Exhausted> {
        let symbols = Symbols::of(text);
        // Everything that a built-in one looks for has a digit or an `@` in it; most strings have neither.
        let worth = symbols.bytes().iter().any(|symbol| symbol.is_ascii_digit() || *symbol == b'@');
        let asked = |one| {
            worth && detectors.iter().any(|detector| matches!(detector, Detector::BuiltIn(other) if *other == one))
        };
        let regions = detectors.iter().filter_map(|detector| match detector {
            Detector::Phone(region) if worth => Some(*region),
            _ => None,
        });
        let (regions, anywhere) = (regions.collect::<Vec<_>>(), asked(BuiltIn::Phone));
        let closed =
            if worth && !detectors.iter().all(is_of_itself) { Closed::all(symbols.bytes()) } else { Vec::new() };
        let custom = Custom::all(detectors, text, effort)?;
        let none = BuiltIn::ALL.map(|one| (one, None));
        let mut finds = Self { text, symbols, closed, built_in: none, regions, anywhere, custom, effort };
        finds.built_in = BuiltIn::ALL.map(|one| {
            let wanted = asked(one) || one == BuiltIn::Phone && !finds.regions.is_empty();
            (one, wanted.then(|| finds.search(one, 0)).flatten())
        });
        Ok(finds)
    }

    fn next(&mut self) -> Result<Option<Find<'a>>, Exhausted> {
        let built_in = self.built_in.iter().filter_map(|(_, next)| *next);
        let all = built_in.chain(self.custom.iter().filter_map(Custom::next));
        let Some(found) = all.min_by_key(|find| (find.start, std::cmp::Reverse(find.end), find.name)) else {
            return Ok(None);
        };
        let from = self.symbols.at(found.end);
        for (detector, next) in self.built_in {
            if next.is_some_and(|next| next.start < found.end) {
                let again = self.search(detector, from);
                if let Some((_, next)) = self.built_in.iter_mut().find(|(one, _)| *one == detector) {
                    *next = again;
                }
            }
        }
        for custom in &mut self.custom {
            custom.overtake(self.text, found.end, self.effort)?;
        }
        Ok(Some(found))
    }

    /// What a built-in detector finds first at or after a symbol: leftmost, then longest.
    fn search(&self, detector: BuiltIn, from: usize) -> Option<Find<'static>> {
        let (start, end) = match detector {
            BuiltIn::Email => email::search(self.symbols.bytes(), from)?,
            BuiltIn::Iban => self.closed.iter().find(|closed| closed.account && closed.start >= from)?.span(),
            BuiltIn::Card | BuiltIn::Phone | BuiltIn::Ssn => self.number(detector, from)?,
        };
        let (start, end) = self.symbols.span(start, end)?;
        Some(Find { start, end, name: detector.name() })
    }

    /// The symbols of the first number of a kind.
    fn number(&self, detector: BuiltIn, from: usize) -> Option<(usize, usize)> {
        let mut cursor = Cursor::new(self.symbols.bytes(), from);
        let passed = self.closed.partition_point(|closed| closed.end <= from);
        let mut closed = self.closed.get(passed..).unwrap_or_default().iter();
        let mut next = closed.next();
        while let Some(symbol) = cursor.peek() {
            if let Some(here) = next.filter(|next| next.start <= cursor.at()) {
                cursor = Cursor::new(self.symbols.bytes(), here.end.max(cursor.at()));
                next = closed.next();
                continue;
            }
            if symbol.is_ascii_digit() || matches!(symbol, b'+' | b'(') {
                if let Some(end) = self.number_at(cursor, detector) {
                    return Some((cursor.at(), end));
                }
                if detector == BuiltIn::Phone
                    && let Some(end) = cursor.date()
                {
                    cursor = Cursor::new(self.symbols.bytes(), end);
                    continue;
                }
            }
            cursor.advance(1);
        }
        None
    }

    /// Where a number of a kind that starts here ends.
    fn number_at(&self, cursor: Cursor<'_>, detector: BuiltIn) -> Option<usize> {
        match detector {
            BuiltIn::Card => card::at(cursor),
            BuiltIn::Ssn => ssn::at(cursor),
            BuiltIn::Phone if cursor.date().is_some() => None,
            BuiltIn::Phone => {
                let anywhere = self.anywhere.then(|| phone::at(cursor)).flatten();
                anywhere.max(phone::of_regions(cursor, &self.regions))
            }
            BuiltIn::Email | BuiltIn::Iban => None,
        }
    }
}

/// Whether a detector reads the text without regard to accounts and identifiers.
fn is_of_itself(detector: &Detector) -> bool {
    matches!(detector, Detector::BuiltIn(BuiltIn::Email) | Detector::Custom(_))
}

/// Symbols in which no number is looked for, whether or not they are a find: an account's number, one with a slip, a UUID, the
/// number of a book or a device.
#[derive(Debug, Clone, Copy)]
struct Closed {
    start: usize,
    end: usize,
    /// Whether it is an account's number without a slip.
    account: bool,
}

/// Whether a card begins in this part and ends behind it.
fn card_goes_beyond(symbols: &[u8], start: usize, end: usize) -> bool {
    (start..end).filter_map(|at| card::at(Cursor::new(symbols, at))).any(|card| card > end)
}

impl Closed {
    fn all(symbols: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        let mut cursor = Cursor::new(symbols, 0);
        while let Some(symbol) = cursor.peek() {
            let start = cursor.at();
            let account = if symbol.is_ascii_alphabetic() { iban::at(cursor) } else { None };
            let end = match account {
                Some(_) => account,
                None if !symbol.is_ascii_alphanumeric() => None,
                None => {
                    let other = cursor.uuid().or_else(|| cursor.book()).or_else(|| cursor.device());
                    // What goes on as a card is no account: `no12 4111 1111 1111 1111` is a word, a number and a card.
                    let slip = || iban::slip(cursor).filter(|end| !card_goes_beyond(symbols, start, *end));
                    other.or_else(slip)
                }
            };
            match end {
                Some(end) => {
                    all.push(Self { start, end, account: account.is_some() });
                    cursor = Cursor::new(symbols, end);
                }
                None => cursor.advance(1),
            }
        }
        all
    }

    fn span(&self) -> (usize, usize) {
        (self.start, self.end)
    }
}

#[cfg(test)]
mod tests;
