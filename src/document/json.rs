//! One JSON document to a spanned tree and back. Everywhere, also in the plugin.
//!
//! Strict: RFC 8259, duplicate names refused (RFC 7493 §2.3), no lone surrogates, at most [`super::MAX_DEPTH`] containers
//! open at once.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::{Member, Node, PolicyDoc, Tree};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Origin, Source, Sources, Span};

/// Reads a document. Findings go to `found`; `None` if there is no tree at all.
pub(crate) fn read(text: &str, file: u16, found: &mut Vec<Diagnostic>) -> Option<Node> {
    read_within(text, file, found, super::MAX_DEPTH)
}

/// Reads a document, as [`read`] does, that may have another number of containers open at once.
pub(super) fn read_within(text: &str, file: u16, found: &mut Vec<Diagnostic>, max_depth: usize) -> Option<Node> {
    let mut reader = JsonReader { text, at: 0, file, found, depth: 0, max_depth };
    let node = reader.value()?;
    reader.space();
    if reader.at < text.len() {
        reader.fault("something follows the document");
        return None;
    }
    Some(node)
}

/// A source whose spans mean the JSON pointers of `root`.
pub(super) fn source(name: &str, text: &str, root: Option<&Node>) -> Source {
    let mut pointers = Vec::new();
    if let Some(root) = root {
        pointers.push((root.span, String::new()));
        point(root, "", &mut pointers);
    }
    Source { name: name.to_owned(), text: text.into(), origin: Origin::Pointers(pointers) }
}

fn point(node: &Node, above: &str, pointers: &mut Vec<(Span, String)>) {
    match &node.value {
        Tree::Map(members) => {
            for member in members {
                let pointer = format!("{above}/{}", member.key.replace('~', "~0").replace('/', "~1"));
                pointers.push((Span { end: member.node.span.end, ..member.key_span }, pointer.clone()));
                point(&member.node, &pointer, pointers);
            }
        }
        Tree::List(elements) => {
            for (index, element) in elements.iter().enumerate() {
                let pointer = format!("{above}/{index}");
                pointers.push((element.span, pointer.clone()));
                point(element, &pointer, pointers);
            }
        }
        _ => {}
    }
}

/// How many members are looked through one by one for a name that is there twice.
const FEW: usize = 16;

struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    file: u16,
    found: &'a mut Vec<Diagnostic>,
    depth: usize,
    max_depth: usize,
}

impl JsonReader<'_> {
    fn span(&self, start: usize) -> Span {
        let clip = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: clip(start), end: clip(self.at) }
    }

    fn fault(&mut self, what: &str) {
        let offset = self.at;
        let span = self.span(offset);
        self.found.push(Diagnostic::at(Code::Syntax, span, format!("this is not JSON: {what} at byte {offset}")));
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.step();
        }
    }

    /// Takes `byte` if it is next, after white space.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        if found {
            self.step();
        }
        found
    }

    fn value(&mut self) -> Option<Node> {
        self.space();
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.container(Self::map)?,
            Some(b'[') => self.container(Self::list)?,
            Some(b'"') => Tree::Text { text: self.string()?, plain: false },
            Some(_) => self.word()?,
            None => {
                self.fault("the document ends early");
                return None;
            }
        };
        Some(Node { span: self.span(start), value })
    }

    fn container(&mut self, inside: fn(&mut Self) -> Option<Tree>) -> Option<Tree> {
        if self.depth >= self.max_depth {
            self.fault("more containers are open at once than it may hold");
            return None;
        }
        self.depth = self.depth.saturating_add(1);
        self.step();
        let tree = inside(self)?;
        self.depth = self.depth.saturating_sub(1);
        Some(tree)
    }

    fn map(&mut self) -> Option<Tree> {
        let mut members: Vec<Member> = Vec::new();
        let mut places: FxHashMap<Rc<str>, usize> = FxHashMap::default();
        if self.take(b'}') {
            return Some(Tree::Map(members));
        }
        loop {
            self.space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                self.fault("a member's name is missing");
                return None;
            }
            let key = self.string()?;
            let key_span = self.span(start);
            if !self.take(b':') {
                self.fault("a colon is missing");
                return None;
            }
            let node = self.value()?;
            // A policy of thousands of routes has as many members in one map.
            let first = match members.len() {
                0..FEW => members.iter().find(|member| member.key == key),
                FEW => {
                    places.extend(members.iter().enumerate().map(|(place, member)| (Rc::clone(&member.key), place)));
                    places.get(&key).and_then(|place| members.get(*place))
                }
                _ => places.get(&key).and_then(|place| members.get(*place)),
            };
            match first {
                Some(first) => self.found.push(
                    Diagnostic::at(Code::DuplicateKey, key_span, format!("the key `{key}` is here twice"))
                        .label(first.key_span, "first here")
                        .help("keep one of them: a later one never replaces an earlier one"),
                ),
                None => {
                    if !places.is_empty() {
                        places.insert(Rc::clone(&key), members.len());
                    }
                    members.push(Member { key, key_span, node });
                }
            }
            if self.take(b'}') {
                return Some(Tree::Map(members));
            }
            if !self.take(b',') {
                self.fault("a comma or `}` is missing");
                return None;
            }
        }
    }

    fn list(&mut self) -> Option<Tree> {
        let mut elements = Vec::new();
        if self.take(b']') {
            return Some(Tree::List(elements));
        }
        loop {
            elements.push(self.value()?);
            if self.take(b']') {
                return Some(Tree::List(elements));
            }
            if !self.take(b',') {
                self.fault("a comma or `]` is missing");
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<Rc<str>> {
        let start = self.at;
        self.step();
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.step();
                    self.step();
                }
                Some(_) => self.step(),
                None => {
                    self.fault("a string does not end");
                    return None;
                }
            }
        }
        self.step();
        let token = self.text.get(start..self.at)?;
        match serde_json::from_str::<String>(token) {
            Ok(text) => Some(text.into()),
            Err(_) => {
                self.at = start;
                self.fault("a string has an escape or a character that JSON does not allow");
                None
            }
        }
    }

    fn word(&mut self) -> Option<Tree> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
            self.step();
        }
        match self.text.get(start..self.at) {
            Some("null") => Some(Tree::Null),
            Some("true") => Some(Tree::Bool(true)),
            Some("false") => Some(Tree::Bool(false)),
            Some(word) if is_number(word) => Some(Tree::Number(word.into())),
            _ => {
                self.at = start;
                self.fault("a value is missing or misspelled");
                None
            }
        }
    }
}

/// Whether it is a number as JSON spells one (RFC 8259 §6).
pub(crate) fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> (&str, bool) {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest, rest.len() < text.len())
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let rest = match unsigned.strip_prefix('0') {
        Some(rest) => rest,
        None => match digits(unsigned) {
            (rest, true) => rest,
            _ => return false,
        },
    };
    let rest = match rest.strip_prefix('.').map(digits) {
        Some((rest, true)) => rest,
        Some(_) => return false,
        None => rest,
    };
    match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => matches!(digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)), ("", true)),
        None => rest.is_empty(),
    }
}

/// The one-document JSON form of a policy, as the plugin reads it: includes merged, numbers as written, two spaces an
/// indent so that a reviewer can read a rendered configuration's diff.
#[must_use]
pub fn to_json(doc: &PolicyDoc) -> String {
    let mut out = String::new();
    write(&doc.root, 0, &mut out);
    out.push('\n');
    out
}

fn write(node: &Node, indent: usize, out: &mut String) {
    match &node.value {
        Tree::Map(members) => {
            let items = members.iter().map(|member| (Some(&*member.key), &member.node));
            write_all('{', '}', items, indent, out);
        }
        Tree::List(elements) => write_all('[', ']', elements.iter().map(|element| (None, element)), indent, out),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text { .. } | Tree::Refused => {
            out.push_str(&scalar(&node.value).unwrap_or_default());
        }
    }
}

fn write_all<'a>(
    open: char,
    close: char,
    items: impl ExactSizeIterator<Item = (Option<&'a str>, &'a Node)>,
    indent: usize,
    out: &mut String,
) {
    out.push(open);
    let inner = indent.saturating_add(2);
    let empty = items.len() == 0;
    for (index, (key, node)) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', inner));
        if let Some(key) = key {
            quote(key, out);
            out.push_str(": ");
        }
        write(node, inner, out);
    }
    if !empty {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    }
    out.push(close);
}

/// A scalar's JSON text; `None` for a container.
pub(crate) fn scalar(value: &Tree) -> Option<String> {
    match value {
        Tree::Map(_) | Tree::List(_) | Tree::Refused => None,
        Tree::Null => Some("null".to_owned()),
        Tree::Bool(true) => Some("true".to_owned()),
        Tree::Bool(false) => Some("false".to_owned()),
        Tree::Number(text) => Some(text.to_string()),
        Tree::Text { text, .. } => {
            let mut out = String::new();
            quote(text, &mut out);
            Some(out)
        }
    }
}

/// A JSON string with the fewest escapes: quote, backslash, controls (RFC 8259 §7).
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{0}'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Reads a document that has no file of its own; `name` is how places in it are called.
///
/// What is merely wrong with it is kept for [`super::check`] to report along with the rest.
///
/// # Errors
/// The diagnostics, if its syntax leaves no tree.
pub fn json_document(name: &str, text: &[u8]) -> Result<PolicyDoc, Diagnostics> {
    let mut found = Vec::new();
    let mut sources = Sources::default();
    let tree = match std::str::from_utf8(text) {
        Ok(_) if text.len() > super::MAX_BYTES => {
            found.push(Diagnostic::nowhere(Code::TooMuch, format!("the policy is over {} bytes", super::MAX_BYTES)));
            None
        }
        Ok(text) => {
            let tree = read(text, 0, &mut found);
            sources.add(source(name, text, tree.as_ref()));
            tree
        }
        Err(_) => {
            found.push(Diagnostic::nowhere(Code::Syntax, "the policy is not UTF-8"));
            None
        }
    };
    let sources = Rc::new(sources);
    match tree {
        Some(root) => Ok(PolicyDoc { root, sources, found }),
        None => Err(Diagnostics::new(found, sources)),
    }
}
