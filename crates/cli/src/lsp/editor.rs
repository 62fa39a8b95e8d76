//! What the editor has: its files before those of the disk, and places as the protocol counts them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use fieldgate::diagnostic::{Sources, Span};
use fieldgate::policy::{Disk, Files};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// The files that the editor has open, before those of the disk.
#[derive(Debug, Default)]
pub(super) struct Open(RefCell<BTreeMap<String, String>>);

impl Open {
    pub(super) fn put(&self, path: &str, text: &str) {
        self.0.borrow_mut().insert(path.to_owned(), text.to_owned());
    }

    pub(super) fn remove(&self, path: &str) {
        self.0.borrow_mut().remove(path);
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(path).map(|text| text.clone().into_bytes())
    }
}

impl Files for Open {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.get(path).map_or_else(|| Disk.read(path), Ok)
    }

    fn read_named(&self, directory: &str, path: &str) -> io::Result<Vec<u8>> {
        // The disk says whether the file may be named there; the editor has its newest text.
        let bytes = Disk.read_named(directory, path)?;
        Ok(self.get(path).unwrap_or(bytes))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        Disk.list(directory)
    }
}

/// What a path has in a URI as it is, besides letters and digits (RFC 3986 §3.3).
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The path of a `file:` URI without an authority (RFC 8089); nothing else is a file here.
pub(super) fn path_of(uri: &str) -> Option<String> {
    let path = uri.strip_prefix("file://").filter(|path| path.starts_with('/'))?;
    percent_decode_str(path).decode_utf8().ok().map(|path| path.into_owned())
}

/// The URI of a file.
pub(super) fn uri_of(path: &str) -> String {
    format!("file://{}", utf8_percent_encode(path, PATH))
}

/// A span as the protocol has it.
pub(super) fn range(text: &str, span: Span) -> Value {
    json!({"start": position(text, span.start), "end": position(text, span.end)})
}

/// A place as the protocol counts: lines, and UTF-16 code units within one.
fn position(text: &str, offset: u32) -> Value {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count();
    let character = before.rsplit('\n').next().unwrap_or_default().encode_utf16().count();
    json!({"line": line, "character": character})
}

/// The byte of a place as the protocol counts; past a line's end, that end.
pub(super) fn offset(text: &str, position: &Value) -> usize {
    let number = |name: &str| {
        position.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    };
    let (line, character) = (number("line"), number("character"));
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).fold(0, usize::saturating_add);
    let mut units = 0_usize;
    let mut at = before;
    for c in text.get(before..).unwrap_or_default().chars() {
        if units >= character || c == '\n' {
            break;
        }
        units = units.saturating_add(c.len_utf16());
        at = at.saturating_add(c.len_utf8());
    }
    at
}

/// Whether a byte of a file is in a span, or at one of its ends.
pub(super) fn holds(sources: &Sources, span: Span, path: &str, at: usize) -> bool {
    let (start, end) = (usize::try_from(span.start).unwrap_or(usize::MAX), usize::try_from(span.end).unwrap_or(0));
    sources.get(span.file).is_some_and(|source| source.name == path) && (start..=end).contains(&at)
}
