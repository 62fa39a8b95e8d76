//! E-mail addresses (RFC 5322 §3.4.1, RFC 6531): a local part, and a domain of two labels or more.
//!
//! The local part is made of the characters of an atom but the slash, of dots wherever they are (there are providers that
//! allow what RFC 5322 does not), and of letters of any script; it starts with a letter, a digit, `_` or `+`, so that
//! punctuation before an address stays. Or it is in quotes. The domain's last label has two letters or more; the longest such
//! domain is taken, and a dot or hyphen after it is not part of it. Address literals are not looked for.
//!
//! Not taken for addresses: versions (`pkg@1.2.3.rc`), files (`icon@2x.png`), a repository's `git@host:`, and the user of a
//! URL (`https://user@host/`).

use super::cursor::is_space;
use super::symbols::{LETTER, OTHER};

/// Symbols of a quoted local part that are looked at, and of what a URL may have before its host.
const LONGEST_QUOTED: usize = 64;

/// The first address at or after `from`: its start and its end.
pub(super) fn search(symbols: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut searched = from;
    loop {
        let sign = searched.saturating_add(symbols.get(searched..)?.iter().position(|symbol| *symbol == b'@')?);
        searched = sign.saturating_add(1);
        if let Some(start) = local_start(symbols.get(from..sign)?)
            && let Some(length) = domain_length(symbols.get(searched..)?)
        {
            let (start, end) = (from.saturating_add(start), searched.saturating_add(length));
            if !is_of_url(symbols, start) && !is_repository(symbols, start, sign, end) {
                return Some((start, end));
            }
        }
    }
}

/// Where the local part that ends `symbols` starts.
fn local_start(symbols: &[u8]) -> Option<usize> {
    if symbols.last() == Some(&b'"') {
        return quoted_start(symbols);
    }
    let length = symbols.iter().rev().take_while(|symbol| is_local(**symbol)).count();
    let start = symbols.len().checked_sub(length)?;
    let begins = |symbol: &u8| symbol.is_ascii_alphanumeric() || matches!(*symbol, b'_' | b'+' | LETTER);
    Some(start.saturating_add(symbols.get(start..)?.iter().position(begins)?))
}

/// Where a local part in quotes starts: at the quote before the one that ends it.
fn quoted_start(symbols: &[u8]) -> Option<usize> {
    let inside = symbols.get(..symbols.len().checked_sub(1)?)?;
    let length = inside.iter().rev().take(LONGEST_QUOTED).position(|symbol| *symbol == b'"')?;
    let between = inside.get(inside.len().checked_sub(length)?..)?;
    let is_text = !between.is_empty() && between.iter().all(|symbol| *symbol >= b' ');
    is_text.then(|| inside.len().checked_sub(length)?.checked_sub(1)).flatten()
}

fn is_local(symbol: u8) -> bool {
    symbol.is_ascii_alphanumeric() || matches!(symbol, LETTER | OTHER) || b"!#$%&'*+-=?^_`{|}~.".contains(&symbol)
}

/// How long the domain is that starts `symbols`.
fn domain_length(symbols: &[u8]) -> Option<usize> {
    let mut longest = None;
    let mut start = 0usize;
    let mut before: Option<&[u8]> = None;
    let mut version = false;
    let mut labels = 0usize;
    loop {
        let rest = symbols.get(start..)?;
        let length = rest.iter().take_while(|symbol| is_label(**symbol)).count();
        let label = rest.get(..length)?;
        let whole =
            label.get(..length.saturating_sub(label.iter().rev().take_while(|symbol| **symbol == b'-').count()))?;
        if whole.is_empty() || whole.starts_with(b"-") {
            return longest;
        }
        let end = start.saturating_add(whole.len());
        labels = labels.saturating_add(1);
        // `1.2` or `v1.2`, `2x`, and `1.rc` are no host's names; `163.com` is one.
        version |= match (labels, before) {
            (1, _) => is_scale(whole),
            (2, Some(first)) => is_number(first) && (is_number(whole) || is_stage(whole)),
            _ => false,
        };
        if version {
            return None;
        }
        if start > 0 && is_top(whole) {
            longest = Some(end);
        }
        if whole.len() < label.len() || symbols.get(end) != Some(&b'.') {
            return longest;
        }
        before = Some(whole);
        start = end.saturating_add(1);
    }
}

fn is_label(symbol: u8) -> bool {
    symbol.is_ascii_alphanumeric() || matches!(symbol, b'-' | LETTER | OTHER)
}

/// Whether a label can be a domain's last.
fn is_top(label: &[u8]) -> bool {
    let letter = |symbol: &u8| symbol.is_ascii_alphabetic() || matches!(*symbol, LETTER | OTHER);
    label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"xn--"))
        || (label.len() >= 2 && label.iter().all(letter) && label.iter().any(|symbol| *symbol != OTHER))
}

/// `12` or `v12`, and `12-rc`: a version's number.
fn is_number(label: &[u8]) -> bool {
    let label = label.strip_prefix(b"v").unwrap_or(label);
    let digits = label.iter().take_while(|symbol| symbol.is_ascii_digit()).count();
    digits > 0 && matches!(label.get(digits), None | Some(b'-'))
}

/// What follows a version's number.
fn is_stage(label: &[u8]) -> bool {
    let stages: [&[u8]; 10] =
        [b"rc", b"alpha", b"beta", b"pre", b"next", b"canary", b"snapshot", b"final", b"release", b"latest"];
    stages.iter().any(|stage| label.eq_ignore_ascii_case(stage))
}

/// `2x`: an image for a display of twice the pixels.
fn is_scale(label: &[u8]) -> bool {
    matches!(label, [b'1'..=b'9', b'x'])
}

/// Whether what starts at `start` is the user of a URL, or its password: `://` is before it, or before a user and a colon.
fn is_of_url(symbols: &[u8], start: usize) -> bool {
    let before = symbols.get(..start).unwrap_or_default();
    let user =
        before.iter().rev().take(LONGEST_QUOTED).take_while(|symbol| !is_space(**symbol) && !b"/@?#".contains(symbol));
    let user = user.count();
    let before = before.get(..before.len().saturating_sub(user)).unwrap_or_default();
    let between = symbols.get(before.len()..start).unwrap_or_default();
    before.ends_with(b"://") && (between.is_empty() || between.ends_with(b":"))
}

/// Whether it is the user and host of a repository: `git@host:path`.
fn is_repository(symbols: &[u8], start: usize, sign: usize, end: usize) -> bool {
    let user = symbols.get(start..sign).unwrap_or_default();
    let systems: [&[u8]; 3] = [b"git", b"hg", b"svn"];
    systems.contains(&user)
        && symbols.get(end) == Some(&b':')
        && symbols.get(end.saturating_add(1)).is_some_and(|symbol| !is_space(*symbol))
}
