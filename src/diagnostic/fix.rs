//! Fixes: what a help says to write, as an edit of the file.

use std::collections::BTreeMap;

use super::{Code, Diagnostic, Severity, Sources, Span};

/// An edit: the text at the span becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced.
    pub span: Span,
    /// What is written, as YAML at that place.
    pub text: String,
}

impl Diagnostic {
    /// The edit that the help asks for. Only a help that says nothing else is one: "write `…`" or "did you mean `…`?". What has
    /// a choice in it, or a reason to think, is for people. Only errors have one: a policy that loads has a meaning already.
    #[must_use]
    pub fn fix(&self, sources: &Sources) -> Option<Fix> {
        // What surrounds a policy is other people's, and its helps say what to add.
        if super::catalogue::page(self.code).is_none_or(|page| page.example == super::catalogue::Example::Deployment) {
            return None;
        }
        // What to write in the place of another kind of value is an example: what is meant only its author knows.
        if self.code == Code::WrongKind || self.severity() != Severity::Error {
            return None;
        }
        let help = self.help.as_deref()?;
        let asked = help.strip_prefix("did you mean `").and_then(|rest| rest.strip_suffix("`?"));
        let word = asked.or_else(|| help.strip_prefix("write `").and_then(|rest| rest.strip_suffix('`')))?;
        // Two words in backticks are two things.
        if word.is_empty() || word.contains('`') || word.contains('…') {
            return None;
        }
        let span = self.span?;
        let text = &sources.get(span.file)?.text;
        let (start, end) = (usize::try_from(span.start).ok()?, usize::try_from(span.end).ok()?);
        let (before, old) = (text.get(..start)?, text.get(start..end)?);
        // Of a map in lines of its own the span is the first of them.
        let is_map = !old.starts_with(['"', '\'']) && old.contains(": ");
        if old.is_empty() || old.contains('\n') || old.starts_with(['{', '[']) || is_map {
            return None;
        }
        // `address1` beside `address2` is another name that is missing, not the other one misspelt.
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        if asked.is_some() && digits(word) != digits(old) {
            return None;
        }
        let line = before.rsplit('\n').next().unwrap_or_default();
        Some(Fix { span, text: written(word, old, line) })
    }
}

/// A word as YAML: in quotes if the old one had some, or if it needs them where it stands.
fn written(word: &str, old: &str, line: &str) -> String {
    // A list or a map, as YAML.
    if word.starts_with(['[', '{']) {
        return word.to_owned();
    }
    let in_flow = line.contains(['{', '[']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "_$.*@/- ".contains(c) || (!in_flow && "[]'".contains(c));
    let starts = word.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | '/'));
    if !old.starts_with(['"', '\'']) && starts && word.chars().all(plain) && !word.ends_with(' ') {
        return word.to_owned();
    }
    let mut text = String::from('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// A file with its fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// Its name.
    pub name: String,
    /// Its text as it is.
    pub before: String,
    /// Its text with the fixes in it.
    pub after: String,
    /// How many there are.
    pub count: usize,
}

/// Files with all fixes that do not overlap. Of two that overlap the first is taken: the other may follow, once that is in.
#[must_use]
pub fn applied<'d>(found: impl IntoIterator<Item = (&'d Diagnostic, &'d Sources)>) -> Vec<Fixed> {
    let mut files: BTreeMap<&str, (&str, Vec<Fix>)> = BTreeMap::new();
    for (item, sources) in found {
        let Some(fix) = item.fix(sources) else { continue };
        if let Some(source) = sources.get(fix.span.file) {
            files.entry(&source.name).or_insert_with(|| (&source.text, Vec::new())).1.push(fix);
        }
    }
    let fixed = files.into_iter().map(|(name, (before, mut fixes))| {
        fixes.sort_by_key(|fix| (fix.span.start, fix.span.end));
        let (mut after, mut upto, mut count) = (String::new(), 0_usize, 0_usize);
        for fix in fixes {
            let (Ok(start), Ok(end)) = (usize::try_from(fix.span.start), usize::try_from(fix.span.end)) else {
                continue;
            };
            if let Some(kept) = before.get(upto..start) {
                after.push_str(kept);
                after.push_str(&fix.text);
                upto = end;
                count = count.saturating_add(1);
            }
        }
        after.push_str(before.get(upto..).unwrap_or_default());
        Fixed { name: name.to_owned(), before: before.to_owned(), after, count }
    });
    fixed.collect()
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn a_word_is_quoted_where_it_has_to_be() {
        for (word, old, line, expected) in [
            ("contact", "contcat", "  $.a: ", "contact"),
            ("$.items[*].x", ".items[].x", "    ", "$.items[*].x"),
            ("$.items[*].x", ".items[].x", "body: {", "\"$.items[*].x\""),
            ("$['a b']", "$.a b", "    ", "$['a b']"),
            ("a: b", "a", "  ", "\"a: b\""),
            ("contact", "'contcat'", "  ", "\"contact\""),
            ("$['a\"b']", "x", "  ", "\"$['a\\\"b']\""),
            ("*", "**", "  ", "\"*\""),
        ] {
            assert_eq!(written(word, old, line), expected, "{word}");
        }
    }
}
