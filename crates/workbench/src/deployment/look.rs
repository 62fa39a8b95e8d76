//! [`Look`]: what is found, and the words for it.

use std::collections::BTreeMap;
use std::rc::Rc;

use fieldgate::diagnostic::{Code, Diagnostic, Span};

/// What is said, and the texts that it is said of.
pub(super) struct Look {
    pub(super) found: Vec<Diagnostic>,
    pub(super) texts: Vec<Rc<str>>,
    /// The policies that are reviewed: their names and digests.
    pub(super) reviewed: Vec<(String, String)>,
    /// The clusters of rate limit services that policies ask, and where the first that does stands.
    pub(super) services: BTreeMap<String, Span>,
}

impl Look {
    /// Says something.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Says something about a place, with a way out.
    pub(super) fn say(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(Diagnostic::at(code, span, message).help(help));
    }

    /// What is written at a place.
    pub(super) fn text(&self, span: Span) -> &str {
        let range = || Some(usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?);
        self.texts
            .get(usize::from(span.file))
            .zip(range())
            .and_then(|(text, range)| text.get(range))
            .unwrap_or_default()
    }
}

/// Names for a sentence: `` `a`, `b` and 3 more ``.
pub(super) fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    /// As many as a line holds.
    const SHOWN: usize = 4;
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
