//! [`Sources`]: from a span to something that an author can find.

use std::fmt;
use std::rc::Rc;

use super::Span;

/// What kind of source a policy, or a part of it, came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A text whose lines mean something to the author.
    Text,
    /// A machine-made text or a protobuf: each span's JSON pointer (RFC 6901), in span order, an outer one before what it holds.
    Pointers(Vec<(Span, String)>),
}

/// One file, or one policy document handed to the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How the author knows it: a path as given, `policy.json` for a document in the plugin's configuration.
    pub name: String,
    /// Its text; empty where there is none.
    pub text: Rc<str>,
    /// What its spans mean.
    pub origin: Origin,
}

/// The sources of one policy, by [`Span::file`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    files: Vec<Source>,
}

/// A place as an author finds it. Lines and columns count from one; columns count Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The source's name.
    pub name: String,
    /// Where in it.
    pub at: Position,
}

/// Where in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// A line and a column.
    Line {
        /// From one.
        line: usize,
        /// From one, in Unicode scalar values.
        column: usize,
    },
    /// A JSON pointer (RFC 6901).
    Pointer(String),
}

impl Sources {
    /// Adds a source and gives its index, [`Span::file`]. More than 65,536 share the last index.
    pub fn add(&mut self, source: Source) -> u16 {
        let index = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        self.files.push(source);
        index
    }

    /// All of them, by index.
    #[must_use]
    pub fn files(&self) -> &[Source] {
        &self.files
    }

    /// The one of that index.
    #[must_use]
    pub fn get(&self, file: u16) -> Option<&Source> {
        self.files.get(usize::from(file))
    }

    /// Where a span starts, as an author finds it.
    #[must_use]
    pub fn location(&self, span: Span) -> Location {
        let Some(source) = self.get(span.file) else {
            return Location { name: "policy".to_owned(), at: Position::Pointer(String::new()) };
        };
        let at = match &source.origin {
            Origin::Text => {
                let (line, column) = line_column(&source.text, span.start);
                Position::Line { line, column }
            }
            Origin::Pointers(pointers) => Position::Pointer(
                pointers
                    .iter()
                    .take_while(|(place, _)| place.start <= span.start)
                    .filter(|(place, _)| place.end >= span.end)
                    .last()
                    .map(|(_, pointer)| pointer.clone())
                    .unwrap_or_default(),
            ),
        };
        Location { name: source.name.clone(), at }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Position::Line { line, column } => write!(f, "{}:{line}:{column}", self.name),
            Position::Pointer(pointer) => write!(f, "{}#{pointer}", self.name),
        }
    }
}

/// Line and column of a byte, from one; a byte behind the end counts as the end.
fn line_column(text: &str, offset: u32) -> (usize, usize) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let column = before.get(start..).map_or(0, |rest| rest.chars().count()).saturating_add(1);
    (line, column)
}
