//! E-mail addresses (RFC 5322 §3.4.1, RFC 6531): a local part without quotes, and a domain of two labels or more.
//!
//! The local part is made of the characters of an atom, of dots wherever they stand (there are providers that allow what
//! RFC 5322 does not), and of letters of any script; it starts with a letter, a digit, `_` or `+`, so that punctuation before
//! an address stays. The domain's last label has two letters or more; the longest such domain is taken, and a dot or
//! hyphen behind it is not part of it. Quoted local parts and address literals are not looked for.

/// The first address at or behind `from`: its start and its end.
pub(super) fn search(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut searched = from;
    loop {
        let sign = searched.saturating_add(text.get(searched..)?.find('@')?);
        searched = sign.saturating_add(1);
        if let Some(start) = local_start(text.get(from..sign)?)
            && let Some(length) = domain_length(text.get(searched..)?)
        {
            return Some((from.saturating_add(start), searched.saturating_add(length)));
        }
    }
}

/// Where the local part that ends `text` starts.
fn local_start(text: &str) -> Option<usize> {
    let (start, _) = text.char_indices().rev().take_while(|(_, char)| is_local(*char)).last()?;
    let local = text.get(start..)?;
    let (skipped, _) = local.char_indices().find(|(_, char)| char.is_alphanumeric() || matches!(char, '_' | '+'))?;
    Some(start.saturating_add(skipped))
}

fn is_local(char: char) -> bool {
    match char {
        'A'..='Z' | 'a'..='z' | '0'..='9' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^' | '_' | '`' | '{' | '|' | '}'
        | '~' | '.' => true,
        '\0'..='\x7f' => false,
        // Punctuation of Latin-1, general, CJK and full-width.
        '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff0f}' => false,
        _ => !char.is_whitespace(),
    }
}

/// How long the domain is that starts `text`.
fn domain_length(text: &str) -> Option<usize> {
    let mut longest = None;
    let mut start = 0usize;
    loop {
        let rest = text.get(start..)?;
        let label = rest.split(|char: char| !char.is_alphanumeric() && char != '-').next()?;
        let whole = label.trim_end_matches('-');
        if whole.is_empty() || whole.starts_with('-') {
            return longest;
        }
        let end = start.saturating_add(whole.len());
        if start > 0 && is_top(whole) {
            longest = Some(end);
        }
        if whole.len() < label.len() || text.as_bytes().get(end) != Some(&b'.') {
            return longest;
        }
        start = end.saturating_add(1);
    }
}

/// Whether a label can be a domain's last.
fn is_top(label: &str) -> bool {
    label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"))
        || (label.chars().nth(1).is_some() && label.chars().all(char::is_alphabetic))
}
