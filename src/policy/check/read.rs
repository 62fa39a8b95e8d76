//! [`Reader`]: from untrusted nodes to words, numbers and names, with a finding for everything that is not one.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::similar::{all_nearest, nearest, question};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::lookalike;
use crate::document::{Member, Node, Tree};
use crate::model::Level;
use crate::model::field_path::FieldPath;
use crate::model::path_fault::{self, PathFaultKind};

/// Collects findings while reading.
pub(super) struct Reader {
    pub(super) found: Vec<Diagnostic>,
    pub(super) classes: Section,
}

/// Whether what names point at could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// It could: a name that is not there is a mistake of its own.
    Read,
    /// It is no map, and that is said: nothing is said of each name that is not there for it.
    Broken,
}

/// The members of a map whose keys have been looked at.
pub(super) struct Keys<'d> {
    pub(super) span: Span,
    members: &'d [Member],
}

impl<'d> Keys<'d> {
    /// The value of that key.
    pub(super) fn get(&self, key: &str) -> Option<&'d Node> {
        self.member(key).map(|member| &member.node)
    }

    /// The member of that key.
    pub(super) fn member(&self, key: &str) -> Option<&'d Member> {
        self.members.iter().find(|member| &*member.key == key)
    }
}

/// A longest name, in bytes.
const MAX_NAME: usize = 128;

impl Reader {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    pub(super) fn wrong_kind(&mut self, node: &Node, what: &str, expected: &str) -> &mut Diagnostic {
        let message = format!("{what} is {}, not {expected}", node.kind());
        let help = match expected {
            "a map" => "write `name: value` pairs below it, each indented by two spaces",
            "a list" => "write `[a, b]`",
            "`true` or `false`" => "write `true` or `false`, without quotes",
            "a whole number" => "write digits alone, without quotes, as JSON spells a number",
            _ => "write one word or a text in quotes",
        };
        self.found
            .push(Diagnostic::at(Code::WrongKind, node.span, message).here(format!("expected {expected}")).help(help));
        let last = self.found.len().saturating_sub(1);
        #[expect(clippy::indexing_slicing, reason = "one was pushed the line before")]
        &mut self.found[last]
    }

    /// A map's members, whatever their keys are.
    pub(super) fn map<'d>(&mut self, node: &'d Node, what: &str) -> &'d [Member] {
        if let Some(members) = node.members() {
            return members;
        }
        match &node.value {
            Tree::Refused => {}
            Tree::Null => {
                self.wrong_kind(node, what, "a map").help =
                    Some("write `{}` if it is meant to be empty; else look at the indentation below".to_owned());
            }
            _ => {
                self.wrong_kind(node, what, "a map");
            }
        }
        &[]
    }

    /// A map's members, with a finding for each key that is not one of `allowed`.
    pub(super) fn keys<'d>(&mut self, node: &'d Node, what: &str, allowed: &[&str]) -> Keys<'d> {
        let members = self.map(node, what);
        let mut above: Option<&Member> = None;
        for member in members {
            let empty = above.filter(|above| above.node.value == Tree::Null);
            above = Some(member);
            if allowed.contains(&&*member.key) {
                continue;
            }
            // A key that is there already would be there twice.
            let free = allowed.iter().copied().filter(|key| !members.iter().any(|other| *other.key == **key));
            let similar = question(&member.key, free);
            let taken = nearest(&member.key, allowed.iter().copied()).filter(|_| similar.is_none());
            let odd = lookalike::first(&member.key).map(lookalike::Lookalike::help);
            let help = match (empty, similar) {
                _ if odd.is_some() => odd.unwrap_or_default(),
                (Some(section), _) => format!("indent it by two spaces if it belongs below `{}`", section.key),
                (None, Some(similar)) => similar,
                (None, None) => match taken {
                    Some(key) => format!("`{key}` is there already: put what is meant into that"),
                    None => format!("{what} has {}", list(allowed)),
                },
            };
            let message = format!("{what} has no key `{}`", member.key);
            self.push(Diagnostic::at(Code::UnknownKey, member.key_span, message).help(help));
        }
        Keys { span: node.span, members }
    }

    /// The value of a key that has to be there.
    pub(super) fn required<'d>(
        &mut self,
        keys: &Keys<'d>,
        key: &str,
        what: &str,
        place: Span,
        help: &str,
    ) -> Option<&'d Node> {
        let node = keys.get(key);
        if node.is_none() {
            self.push(Diagnostic::at(Code::MissingKey, place, format!("{what} has no `{key}`")).help(help));
        }
        node
    }

    /// A list's elements.
    pub(super) fn list<'d>(&mut self, node: &'d Node, what: &str) -> &'d [Node] {
        if let Some(elements) = node.elements() {
            return elements;
        }
        match &node.value {
            Tree::Refused => {}
            Tree::Text { text, .. } => {
                self.wrong_kind(node, what, "a list").help = Some(format!("write `[{text}]`"));
            }
            _ => {
                self.wrong_kind(node, what, "a list");
            }
        }
        &[]
    }

    /// A string.
    pub(super) fn text<'d>(&mut self, node: &'d Node, what: &str) -> Option<&'d str> {
        match &node.value {
            Tree::Text { text, .. } => return Some(text),
            Tree::Refused => {}
            Tree::Bool(value) => {
                self.push(
                    Diagnostic::at(
                        Code::NotAString,
                        node.span,
                        format!("{what} is the boolean `{value}`, not a string"),
                    )
                    .help(format!("quote it: \"{value}\"")),
                );
            }
            Tree::Number(number) => {
                self.push(
                    Diagnostic::at(
                        Code::NotAString,
                        node.span,
                        format!("{what} is the number `{number}`, not a string"),
                    )
                    .help(format!("quote it: \"{number}\"")),
                );
            }
            _ => {
                self.wrong_kind(node, what, "a string");
            }
        }
        None
    }

    /// A list of strings, each once.
    pub(super) fn texts<'d>(&mut self, node: &'d Node, what: &str) -> Vec<(&'d str, Span)> {
        let mut texts: Vec<(&str, Span)> = Vec::new();
        // A file may be one long list: each element is looked up, and not compared with all before it.
        let mut known: BTreeMap<&str, Span> = BTreeMap::new();
        for element in self.list(node, what) {
            let Some(text) = self.text(element, &format!("an element of {what}")) else {
                continue;
            };
            if let Some(first) = known.get(text).copied() {
                self.push(
                    Diagnostic::at(Code::DuplicateKey, element.span, format!("{what} names `{text}` twice"))
                        .label(first, "first here")
                        .help("leave one of them out"),
                );
            } else {
                known.insert(text, element.span);
                texts.push((text, element.span));
            }
        }
        texts
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        // `mask: true` is no string in want of quotes: it is none of the words.
        let boolean = match node.value {
            Tree::Bool(value) => Some(if value { "true" } else { "false" }),
            _ => None,
        };
        let text = match boolean {
            Some(text) => text,
            None => self.text(node, what)?,
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = question(text, names.iter().copied()).unwrap_or_else(|| match names.as_slice() {
            // That it is the only word does not make it the one that was meant.
            [only] => format!("`{only}` is the only word for it"),
            _ => format!("write {}", choice(&names)),
        });
        self.push(Diagnostic::at(Code::BadValue, node.span, format!("{what} cannot be `{text}`")).help(help));
        None
    }

    /// A level.
    pub(super) fn level(&mut self, node: &Node, what: &str) -> Option<Level> {
        const LEVELS: [(&str, Level); 5] = [
            ("show", Level::Show),
            ("mask", Level::Mask),
            ("pseudonym", Level::Pseudonym),
            ("blank", Level::Blank),
            ("hide", Level::Hide),
        ];
        self.word(node, what, &LEVELS)
    }

    /// A whole number in a range.
    pub(super) fn whole(&mut self, node: &Node, what: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let Tree::Number(text) = &node.value else {
            if node.value != Tree::Refused {
                self.wrong_kind(node, what, "a whole number");
            }
            return None;
        };
        match text.parse::<u64>() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                self.push(
                    Diagnostic::at(Code::BadValue, node.span, format!("{what} cannot be `{text}`")).help(format!(
                        "write a whole number from {} to {}",
                        range.start(),
                        range.end()
                    )),
                );
                None
            }
        }
    }

    /// A name that an author gives: no white space, quotes or control characters, and not `*`.
    pub(super) fn name(&mut self, text: &str, span: Span, what: &str) -> bool {
        let fault = if text.is_empty() {
            "is empty"
        } else if text == "*" {
            "means all of them, so nothing can be called that"
        } else if text.len() > MAX_NAME {
            "is longer than 128 bytes"
        } else if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '`' | '"' | '\'' | '\\' | ','))
        {
            "has a space, comma, quote, backslash or control character"
        } else {
            return true;
        };
        let help = match lookalike::first(text) {
            Some(found) => found.help(),
            None => "use letters, digits, `-`, `_`, `.`, `:` and `/`".to_owned(),
        };
        self.push(
            Diagnostic::at(Code::BadName, span, format!("{what} `{text}` cannot be a name: it {fault}")).help(help),
        );
        false
    }

    /// A field path.
    pub(super) fn path(&mut self, text: &str, span: Span) -> Option<FieldPath> {
        match FieldPath::parse(text) {
            Ok(path) => Some(path),
            Err(fault) => {
                let code = match fault.kind {
                    PathFaultKind::Syntax => Code::PathSyntax,
                    PathFaultKind::Profile => Code::PathProfile,
                };
                let short: String = text.chars().take(200).collect();
                // House style: the sentence has one subject, the path.
                let message = match fault.message.strip_prefix("it ") {
                    Some(does) => format!("field path `{short}` {does}"),
                    None => format!("field path `{short}`: {}", fault.message),
                };
                // Only what is a path is told to be written.
                let mended = match fault.kind {
                    PathFaultKind::Syntax => path_fault::mended(text).filter(|path| FieldPath::parse(path).is_ok()),
                    PathFaultKind::Profile => None,
                };
                let mended = mended.map(|path| format!("write `{path}`"));
                let help = lookalike::first(text).map(lookalike::Lookalike::help).or(mended).or(fault.help);
                self.push(Diagnostic::at(code, span, message).maybe_help(help));
                None
            }
        }
    }

    /// A finding about a name that does not exist.
    pub(super) fn unknown<'a>(
        &mut self,
        code: Code,
        span: Span,
        message: String,
        word: &str,
        known: impl IntoIterator<Item = (&'a str, Span)>,
        none: &str,
    ) {
        let known: Vec<(&str, Span)> = known.into_iter().collect();
        let diagnostic = Diagnostic::at(code, span, message);
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let similar = all_nearest(word, names.iter().copied());
        let places = known.iter().filter(|(name, _)| similar.contains(name));
        self.push(match (similar.first(), question(word, names.iter().copied())) {
            (Some(name), Some(asked)) => {
                let beside = lookalike::beside(word, name).map(|why| format!(" ({why})")).unwrap_or_default();
                places.fold(diagnostic.help(format!("{asked}{beside}")), |diagnostic, (_, place)| {
                    diagnostic.label(*place, "a similar name is declared here")
                })
            }
            _ if !names.is_empty() && names.len() <= 12 => diagnostic.help(format!("there is {}", list(&names))),
            _ => diagnostic.help(none),
        });
    }
}

/// "`a`, `b` and `c`".
pub(super) fn list(names: &[&str]) -> String {
    joined(names, " and ")
}

/// "`a`, `b` or `c`".
pub(super) fn choice(names: &[&str]) -> String {
    joined(names, " or ")
}

fn joined(names: &[&str], last: &str) -> String {
    let mut out = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push_str(if index.saturating_add(1) == names.len() { last } else { ", " });
        }
        out.push('`');
        out.push_str(name);
        out.push('`');
    }
    out
}
