//! What an author can act on: [`Diagnostic`]s with a stable [`Code`], a place, their own words and a way out.
//!
//! Plain data: how it looks on a terminal is the command line's business, and the plugin logs one line for each.

use std::fmt;
use std::rc::Rc;

mod code;
mod place;

#[cfg(not(target_os = "wasi"))]
pub mod catalogue;
#[cfg(not(target_os = "wasi"))]
pub mod fix;
#[cfg(not(target_os = "wasi"))]
pub mod rules;

pub use code::Code;
pub use place::{Location, Origin, Position, Source, Sources};

/// Where something is written: bytes of one source file.
///
/// For a source without a text, a protobuf `Struct`, the offsets count nodes in the order in which they were read;
/// [`Sources::location`] turns either kind into what an author can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Index of the file among those that were loaded.
    pub file: u16,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy does not load, or what surrounds it opens a threat.
    Error,
    /// The policy loads; it probably says something other than its author means. Or what surrounds it may open a threat.
    Warning,
    /// Something that a reviewer wants to know.
    Note,
}

impl Severity {
    /// Its name, as rendered.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Another place that a diagnostic speaks of, such as where a name was first declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// One thing that an author can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind it is of.
    pub code: Code,
    /// The sentence, with the author's words in backticks.
    pub message: String,
    /// The place; `None` only where there is no file to point into.
    pub span: Option<Span>,
    /// A few words for the caret.
    pub here: Option<String>,
    /// Other places.
    pub labels: Vec<Label>,
    /// A way out.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic about a place.
    #[must_use]
    pub fn at(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span: Some(span), here: None, labels: Vec::new(), help: None }
    }

    /// A diagnostic about no place in a file, such as a file that cannot be read.
    #[must_use]
    pub fn nowhere(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span: None, here: None, labels: Vec::new(), help: None }
    }

    /// Adds a few words for the caret.
    #[must_use]
    pub fn here(mut self, text: impl Into<String>) -> Self {
        self.here = Some(text.into());
        self
    }

    /// Adds a way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Adds a way out, if there is one.
    #[must_use]
    pub fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// How much it weighs: a property of its code.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// All diagnostics of one look at a policy, or at what surrounds it, with the sources that their spans point into.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
    sources: Rc<Sources>,
}

impl Diagnostics {
    /// Sorts by file, place and code, and drops repeats.
    #[must_use]
    pub fn new(mut items: Vec<Diagnostic>, sources: Rc<Sources>) -> Self {
        for item in &mut items {
            let labels = item.labels.iter_mut().map(|label| &mut label.text);
            let texts = std::iter::once(&mut item.message).chain(&mut item.here).chain(&mut item.help).chain(labels);
            texts.for_each(printable);
        }
        items.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
        items.dedup();
        Self { items, sources }
    }

    /// The diagnostics, by file, then place, then code; those without a place come first.
    #[must_use]
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// What the spans point into.
    #[must_use]
    pub fn sources(&self) -> &Rc<Sources> {
        &self.sources
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether one of them keeps the policy from loading.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many of that weight there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.items.iter().filter(|item| item.severity() == severity).count()
    }

    /// One line each: `FILE:LINE:COL: error[FG012]: message`, then ` (help: …)` if there is a way out.
    ///
    /// For a source without lines the place is a JSON pointer (RFC 6901): `policy.json#/routes/get-account/match: …`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.items.iter().map(|item| {
            let place = item.span.map(|span| format!("{}: ", self.sources.location(span))).unwrap_or_default();
            let help = item.help.as_deref().map(|help| format!(" (help: {help})")).unwrap_or_default();
            format!("{place}{}[{}]: {}{help}", item.severity(), item.code, item.message)
        })
    }
}

/// A longest word of a policy's that a message repeats whole, in bytes: longer than any name may be.
const MAX_WORD: usize = 200;

/// Whether a character steers a terminal, ends a line, or turns the direction of writing.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text of a policy, a suite or a description on one line, with nothing in it that steers a terminal, starts a command of
/// a workflow, or turns the direction of writing.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if steers(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}

/// Makes a message safe to print and to log: a policy's words may hold what steers a terminal, ends a line, turns the
/// direction of writing, or goes on for pages.
fn printable(text: &mut String) {
    if text.contains(steers) {
        *text = plain(text);
    }
    if text.split(' ').any(|word| word.len() > MAX_WORD) {
        let short = |word: &str| match word.char_indices().find(|(at, _)| *at >= MAX_WORD) {
            Some((at, _)) => format!("{}…{}", word.get(..at).unwrap_or_default(), tail(word)),
            None => word.to_owned(),
        };
        *text = text.split(' ').map(short).collect::<Vec<_>>().join(" ");
    }
}

/// The backtick that ends a quoted word, and what stands behind it.
fn tail(word: &str) -> &str {
    word.rfind('`').and_then(|at| word.get(at..)).filter(|tail| tail.len() <= 3).unwrap_or_default()
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.lines().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&line)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
