//! A JSON text as it is spelt: numbers and escapes as they came, which a parsed value no longer knows.
//!
//! It reads what the core has judged to be strict JSON. Of anything else it says nothing, or something wrong, and never fails.

/// A value, and how it is spelt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spelt<'t> {
    /// Members: each name decoded, and its value.
    Object(Vec<(String, Spelt<'t>)>),
    /// Elements.
    Array(Vec<Spelt<'t>>),
    /// Anything else, by its own bytes.
    Scalar(&'t str),
}

/// Containers open at once: as many as the core lets pass.
const DEPTH: usize = 64;

/// The values of a body: one, or those of a sequence of texts.
pub(crate) fn read(text: &str) -> Option<Vec<Spelt<'_>>> {
    let mut rest = text;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{1e}']);
        if rest.is_empty() {
            return Some(found);
        }
        found.push(value(&mut rest, DEPTH)?);
    }
}

fn skip(rest: &mut &str) {
    *rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
}

/// Takes the letter if it comes next.
fn takes(rest: &mut &str, letter: char) -> bool {
    skip(rest);
    match rest.strip_prefix(letter) {
        Some(behind) => {
            *rest = behind;
            true
        }
        None => false,
    }
}

fn value<'t>(rest: &mut &'t str, depth: usize) -> Option<Spelt<'t>> {
    let depth = depth.checked_sub(1)?;
    skip(rest);
    if takes(rest, '{') {
        let mut members = Vec::new();
        if takes(rest, '}') {
            return Some(Spelt::Object(members));
        }
        loop {
            skip(rest);
            let name = serde_json::from_str(string(rest)?).ok()?;
            if !takes(rest, ':') {
                return None;
            }
            members.push((name, value(rest, depth)?));
            if takes(rest, '}') {
                return Some(Spelt::Object(members));
            }
            if !takes(rest, ',') {
                return None;
            }
        }
    }
    if takes(rest, '[') {
        let mut elements = Vec::new();
        if takes(rest, ']') {
            return Some(Spelt::Array(elements));
        }
        loop {
            elements.push(value(rest, depth)?);
            if takes(rest, ']') {
                return Some(Spelt::Array(elements));
            }
            if !takes(rest, ',') {
                return None;
            }
        }
    }
    if rest.starts_with('"') {
        return string(rest).map(Spelt::Scalar);
    }
    let end = rest.find([',', '}', ']', ' ', '\t', '\r', '\n', '\u{1e}']).unwrap_or(rest.len());
    let (spelt, behind) = rest.split_at_checked(end)?;
    *rest = behind;
    (!spelt.is_empty()).then_some(Spelt::Scalar(spelt))
}

/// A string with its quotes.
fn string<'t>(rest: &mut &'t str) -> Option<&'t str> {
    let mut escaped = false;
    let inner = rest.strip_prefix('"')?;
    let end = inner.char_indices().find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    let length = end?.0.checked_add(2)?;
    let (spelt, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(spelt)
}

#[cfg(test)]
mod tests {
    use super::{Spelt, read};

    fn spelt(value: &Spelt<'_>) -> String {
        match value {
            Spelt::Object(members) => {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("{name}={}", spelt(value))).collect();
                format!("{{{}}}", members.join(","))
            }
            Spelt::Array(elements) => format!("[{}]", elements.iter().map(spelt).collect::<Vec<_>>().join(",")),
            Spelt::Scalar(text) => (*text).to_owned(),
        }
    }

    #[test]
    fn a_text_keeps_its_spelling() {
        for (text, expected) in [
            ("{}", "{}"),
            (" { \"a\" : 1.50 , \"b\":[true , null,\"x\\\"}\"] } ", "{a=1.50,b=[true,null,\"x\\\"}\"]}"),
            ("{\"\\u0061\": \"\\u00e9\"}", "{a=\"\\u00e9\"}"),
            ("{\"a\":1}\n{\"a\":2}", "{a=1};{a=2}"),
            ("\u{1e}[\"\\\\\"]\n\u{1e}7\n", "[\"\\\\\"];7"),
            ("", ""),
        ] {
            let found = read(text).expect(text);
            assert_eq!(found.iter().map(spelt).collect::<Vec<_>>().join(";"), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        let deep = "[".repeat(100);
        for text in ["{", "{\"a\"}", "{\"a\":}", "[1 2]", "\"x", "{a:1}", deep.as_str()] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
