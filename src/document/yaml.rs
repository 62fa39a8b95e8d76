//! One YAML file to a spanned tree. The only file that names the YAML crate; not in the plugin.
//!
//! The subset of a policy is small on purpose (rule 2): one document, no anchors, aliases, merge keys or tags, keys that
//! are strings, each once. Plain scalars follow the YAML 1.2 core schema (§10.3.2), and those that a YAML 1.1 reader would
//! take for something else must be quoted. What others wrote for other readers (`Subset::Any`) may use all of it.

use std::collections::HashMap;
use std::rc::Rc;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle};

use super::{Member, Node, Tree};
use crate::diagnostic::{Code, Diagnostic, Span};

mod slips;

/// How much of YAML a file may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subset {
    /// What rule 2 leaves.
    Policy,
    /// All of it: several documents, anchors, aliases and merge keys, which are followed, and tags, which say nothing here.
    Any,
}

impl Subset {
    /// Containers open at once.
    fn depth(self) -> usize {
        match self {
            Self::Policy => super::MAX_DEPTH,
            Self::Any => super::MAX_FOREIGN_DEPTH,
        }
    }
}

/// Nodes that the aliases of a file may come to: an alias of aliases of aliases is larger than it looks.
const MAX_ALIASED: usize = 200_000;

/// Reads a policy file's text. Findings go to `found`; `None` if there is no tree at all.
pub fn read(text: &str, file: u16, found: &mut Vec<Diagnostic>) -> Option<Node> {
    documents(text, file, found, Subset::Policy)?.into_iter().next()
}

/// Reads the documents of a file that is not a policy. Findings go to `found`; `None` if there is no tree at all.
pub(super) fn read_any(text: &str, file: u16, found: &mut Vec<Diagnostic>) -> Option<Vec<Node>> {
    documents(text, file, found, Subset::Any)
}

fn documents(text: &str, file: u16, found: &mut Vec<Diagnostic>, subset: Subset) -> Option<Vec<Node>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    options.emit_anchor_events = true;
    // `%YAML 1.1` would make other values of the same words.
    options.disallow_directives = true;
    options.flow_nesting_limit = subset.depth();
    options.block_nesting_limit = subset.depth();
    let mut reader = YamlReader {
        text,
        file,
        found,
        subset,
        stack: Vec::new(),
        roots: Vec::new(),
        documents: 0,
        anchors: HashMap::new(),
        aliased: 0,
    };
    if subset == Subset::Policy {
        reader.unseen();
    }
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                let start = span.start.byte_offset().unwrap_or(0);
                let end = span.end.byte_offset().unwrap_or(start);
                let tag = span.tag_start().and_then(|mark| mark.byte_offset());
                reader.event(event, start, end, tag);
                if reader.documents > 1 && subset == Subset::Policy {
                    break;
                }
            }
            Err(error) => {
                reader.syntax(&error);
                return None;
            }
        }
    }
    if reader.roots.is_empty() { None } else { Some(reader.roots) }
}

/// Reads a text that is not a policy, such as an API description, to a plain tree: anchors and aliases are followed, within
/// the crate's budget for what they may come to.
///
/// # Errors
/// What is wrong with it, on one line.
pub fn value(text: &str) -> Result<serde_json::Value, String> {
    let options = serde_saphyr::options! {
        // A description of many megabytes is honest; one that is nested deeper than JSON readers go is not.
        budget: serde_saphyr::budget! {
            max_depth: 120,
            max_events: 8_000_000,
            max_nodes: 4_000_000,
            max_total_scalar_bytes: 64 << 20,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| format!("line {}, column {}: ", at.line(), at.column()));
        let said = error.without_snippet().to_string();
        let first = said.lines().next().unwrap_or("it cannot be read");
        format!("{}{first}", place.unwrap_or_default())
    })
}

/// A container that is still open.
struct Open {
    start: usize,
    last_end: usize,
    /// The anchor that names it; 0 is none.
    anchor: usize,
    kind: OpenKind,
}

/// What an anchor names.
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

enum OpenKind {
    List(Vec<Node>),
    /// The members so far, and a key that waits for its value: `None` where the key was refused.
    Map(Vec<Member>, Option<Option<(Rc<str>, Span)>>),
}

struct YamlReader<'a> {
    text: &'a str,
    file: u16,
    found: &'a mut Vec<Diagnostic>,
    subset: Subset,
    stack: Vec<Open>,
    roots: Vec<Node>,
    documents: usize,
    anchors: HashMap<usize, Anchored>,
    aliased: usize,
}

impl YamlReader<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        let clip = |at: usize| u32::try_from(at.min(self.text.len())).unwrap_or(u32::MAX);
        Span { file: self.file, start: clip(start), end: clip(end.max(start)) }
    }

    fn event(&mut self, event: Event<'_>, start: usize, end: usize, tag: Option<usize>) {
        if let (Some(at), Subset::Policy) = (tag, self.subset) {
            let word = self.text.get(at..).and_then(|rest| rest.split_whitespace().next()).unwrap_or("!");
            let span = self.span(at, at.saturating_add(word.len()));
            self.found.push(
                Diagnostic::at(Code::YamlFeature, span, format!("`{word}` is a YAML tag: a policy has none"))
                    .help("leave the tag out; quote the value if it has to be a string"),
            );
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents = self.documents.saturating_add(1);
                if self.documents > 1 && self.subset == Subset::Policy {
                    let span = self.span(start, end);
                    self.found.push(
                        Diagnostic::at(
                            Code::YamlFeature,
                            span,
                            "a second YAML document starts here: a policy file holds one",
                        )
                        .help("put it into a file of its own and name that in `include`"),
                    );
                }
            }
            Event::Anchor(_, name) if self.subset == Subset::Policy => {
                let span = self.span(start, end);
                self.found.push(
                    Diagnostic::at(Code::YamlFeature, span, format!("`&{name}` is a YAML anchor: a policy has none"))
                        .help("write it out, or make it a shape and mount that"),
                );
            }
            Event::Alias(anchor) if self.subset == Subset::Any => self.follow(anchor, start, end),
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.alias(start, end),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style == ScalarStyle::Plain && tag.is_none(), anchor, start, end);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.stack.push(Open { start, last_end: end, anchor, kind: OpenKind::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, _) => {
                self.stack.push(Open { start, last_end: end, anchor, kind: OpenKind::Map(Vec::new(), None) });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(end),
            _ => {}
        }
    }

    /// An alias stands for what its anchor names, with the places of that.
    fn follow(&mut self, anchor: usize, start: usize, end: usize) {
        let Some(Anchored { node, nodes, depth }) = self.anchors.get(&anchor) else {
            // An anchor around its own alias: there is no end to that.
            self.alias(start, end);
            return;
        };
        let before = self.aliased;
        self.aliased = before.saturating_add(*nodes);
        if self.aliased <= MAX_ALIASED && depth.saturating_add(self.stack.len()) <= self.subset.depth() {
            let node = node.clone();
            self.place(node);
            return;
        }
        let span = self.span(start, end);
        if before <= MAX_ALIASED {
            self.found.push(
                Diagnostic::at(Code::TooMuch, span, "the aliases of this file come to more than it may hold")
                    .help("write out what this one stands for"),
            );
        }
        self.place(Node { span, value: Tree::Refused });
    }

    /// Puts a node where the next one goes: what stands in a key's place is a key.
    fn place(&mut self, node: Node) {
        if self.waits_for_key() {
            let key = node.text().and_then(|text| self.key(text, false, node.span));
            self.put_key(key);
        } else {
            self.put(node);
        }
    }

    /// Remembers what an anchor names.
    fn name(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 && self.subset == Subset::Any {
            let (nodes, depth) = size(node);
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, depth });
        }
    }

    fn alias(&mut self, start: usize, end: usize) {
        let span = self.span(start, end);
        let word = self.text.get(start..end).unwrap_or("*");
        if self.subset == Subset::Any {
            self.found.push(
                Diagnostic::at(
                    Code::YamlFeature,
                    span,
                    format!("`{word}` is an alias of nothing that stands before it"),
                )
                .help("quote it if it is a string; else put its anchor (`&name`) before it"),
            );
            self.place(Node { span, value: Tree::Refused });
            return;
        }
        let diagnostic =
            Diagnostic::at(Code::YamlFeature, span, format!("`{word}` is a YAML alias: a policy has none"));
        self.found.push(if word == "*" || word == "*:" {
            diagnostic.help("quote the asterisk: \"*\"")
        } else {
            diagnostic.help("write it out, or make it a shape and mount that")
        });
        if self.waits_for_key() {
            self.put_key(None);
        } else {
            self.put(Node { span, value: Tree::Refused });
        }
    }

    fn waits_for_key(&self) -> bool {
        matches!(self.stack.last(), Some(Open { kind: OpenKind::Map(_, None), .. }))
    }

    fn put_key(&mut self, key: Option<(Rc<str>, Span)>) {
        if let Some(Open { kind: OpenKind::Map(_, waiting), .. }) = self.stack.last_mut() {
            *waiting = Some(key);
        }
    }

    fn scalar(&mut self, text: &str, plain: bool, anchor: usize, start: usize, end: usize) {
        let span = self.span(start, end);
        if self.waits_for_key() {
            self.name(anchor, &Node { span, value: Tree::Text { text: text.into(), plain } });
            let key = self.key(text, plain, span);
            self.put_key(key);
            return;
        }
        if plain && self.cut_by_comment(text, end) {
            self.found.push(
                Diagnostic::at(Code::PathSyntax, span, "the path ends where ` #` starts a comment")
                    .help("quote the whole value, in single quotes where it has double ones"),
            );
            self.put(Node { span, value: Tree::Refused });
            return;
        }
        let value = if plain { self.plain(text, span) } else { Tree::Text { text: text.into(), plain: false } };
        let node = if plain && start == end { self.parted(span) } else { Node { span, value } };
        self.name(anchor, &node);
        self.put(node);
    }

    /// A key, unless it is refused.
    fn key(&mut self, text: &str, plain: bool, span: Span) -> Option<(Rc<str>, Span)> {
        if plain && text == "<<" {
            if self.subset == Subset::Any {
                // Several are possible; each is taken apart as its value comes.
                return Some((text.into(), span));
            }
            self.found.push(
                Diagnostic::at(Code::YamlFeature, span, "`<<` is a YAML merge key: a policy has none")
                    .help("write the keys out, or make them a shape and mount that"),
            );
            return None;
        }
        if plain && self.subset == Subset::Policy && (is_yaml11_boolean(text) || !matches!(core(text), Core::Text)) {
            self.found.push(if span.start == span.end {
                Diagnostic::at(Code::NotAString, span, "a key is missing in front of the colon")
                    .help("name it, or take the line out")
            } else {
                Diagnostic::at(Code::NotAString, span, format!("the key `{text}` is not a string to every YAML reader"))
                    .help(format!("quote it: \"{text}\""))
            });
        }
        let members = match self.stack.last() {
            Some(Open { kind: OpenKind::Map(members, _), .. }) => members.as_slice(),
            _ => &[],
        };
        if let Some(first) = members.iter().find(|member| &*member.key == text) {
            let diagnostic = Diagnostic::at(Code::DuplicateKey, span, format!("the key `{text}` is here twice"))
                .label(first.key_span, "first here")
                .help("keep one of them: a later one never replaces an earlier one");
            self.found.push(diagnostic);
            return None;
        }
        Some((text.into(), span))
    }

    /// A plain scalar's value by the core schema, with a finding where readers differ.
    fn plain(&mut self, text: &str, span: Span) -> Tree {
        match core(text) {
            Core::Null => Tree::Null,
            Core::Bool(value) => Tree::Bool(value),
            Core::Number => Tree::Number(text.into()),
            Core::OddNumber | Core::Text if self.subset == Subset::Any => Tree::Text { text: text.into(), plain: true },
            Core::OddNumber => {
                self.found.push(
                    Diagnostic::at(
                        Code::NotAString,
                        span,
                        format!("`{text}` is a number to one YAML reader and a string to another"),
                    )
                    .help(format!("quote it if it is a string: \"{text}\"; else spell the number as JSON does")),
                );
                Tree::Text { text: text.into(), plain: true }
            }
            Core::Text => {
                if is_yaml11_boolean(text) {
                    self.found.push(
                        Diagnostic::at(
                            Code::NotAString,
                            span,
                            format!("`{text}` is a boolean to one YAML reader and a string to another"),
                        )
                        .help(format!("quote it if it is a string: \"{text}\"; else write `true` or `false`")),
                    );
                }
                Tree::Text { text: text.into(), plain: true }
            }
        }
    }

    /// Whether a comment starts in the midst of a path: a quote or a bracket is still open.
    fn cut_by_comment(&self, text: &str, end: usize) -> bool {
        let rest = self.text.get(end..).unwrap_or_default();
        let comment = rest.trim_start_matches([' ', '\t']).starts_with('#');
        let count = |sign: char| text.matches(sign).count();
        let odd = |sign: char| count(sign).checked_rem(2) == Some(1);
        let path = self.subset == Subset::Policy && text.starts_with('$');
        path && comment && (odd('"') || odd('\'') || count('[') > count(']'))
    }

    /// The value of a key that has none: in `{last:4}` it is a part of the key, as there is no space after the colon.
    fn parted(&mut self, span: Span) -> Node {
        let null = Node { span, value: Tree::Null };
        let whole = match self.stack.last() {
            Some(Open { kind: OpenKind::Map(_, Some(Some((key, key_span)))), start, .. })
                if self.subset == Subset::Policy && self.text.as_bytes().get(*start) == Some(&b'{') =>
            {
                (Rc::clone(key), *key_span)
            }
            _ => return null,
        };
        let (text, at) = whole;
        let written = usize::try_from(at.start).ok().zip(usize::try_from(at.end).ok());
        let bare = written.and_then(|(start, end)| self.text.get(start..end)) == Some(&*text);
        let Some((key, value)) = text
            .split_once(':')
            .filter(|(key, value)| bare && !key.is_empty() && !value.is_empty() && !value.starts_with('/'))
        else {
            return null;
        };
        self.found.push(
            Diagnostic::at(Code::UnknownKey, at, format!("`{text}` is one word to YAML, a key without a value"))
                .help(format!("write a space after the colon: `{key}: {value}`")),
        );
        // What was meant is taken for said, so that nothing follows from it: the policy is refused either way.
        let behind = u32::try_from(key.len()).unwrap_or(0);
        let after = Span { start: at.start.saturating_add(behind).saturating_add(1), ..at };
        self.put_key(Some((key.into(), Span { end: at.start.saturating_add(behind), ..at })));
        Node { span: after, value: self.plain(value, after) }
    }

    fn close(&mut self, end: usize) {
        let Some(open) = self.stack.pop() else { return };
        // A block collection ends where the parser noticed: on a later line. It is written up to its last child.
        let closed = self.text.as_bytes().get(end.saturating_sub(1)).is_some_and(|byte| matches!(byte, b']' | b'}'));
        let flow = self.text.as_bytes().get(open.start).is_some_and(|byte| matches!(byte, b'[' | b'{'));
        let end = if closed && flow { end } else { open.last_end };
        let span = self.span(open.start, end);
        let value = match open.kind {
            OpenKind::List(elements) => Tree::List(elements),
            OpenKind::Map(members, _) => Tree::Map(merged(members)),
        };
        self.name(open.anchor, &Node { span, value: value.clone() });
        if self.waits_for_key() {
            self.found.push(
                Diagnostic::at(Code::NotAString, span, "a key that is itself a list or a map")
                    .help("quote it if it is a path: inside {…}, brackets mean a list"),
            );
            self.put_key(None);
            return;
        }
        self.put(Node { span, value });
    }

    fn put(&mut self, node: Node) {
        let Some(open) = self.stack.last_mut() else {
            self.roots.push(node);
            return;
        };
        open.last_end = open.last_end.max(usize::try_from(node.span.end).unwrap_or(0));
        match &mut open.kind {
            OpenKind::List(elements) => elements.push(node),
            OpenKind::Map(members, waiting) => {
                if let Some(Some((key, key_span))) = waiting.take() {
                    members.push(Member { key, key_span, node });
                }
            }
        }
    }
}

/// How many nodes a tree has, and how many containers it opens at once.
fn size(node: &Node) -> (usize, usize) {
    let inside: Vec<&Node> = match &node.value {
        Tree::Map(members) => members.iter().map(|member| &member.node).collect(),
        Tree::List(elements) => elements.iter().collect(),
        _ => return (1, 0),
    };
    inside.into_iter().map(size).fold((1, 1), |(nodes, depth), (more, deeper)| {
        (nodes.saturating_add(more), depth.max(deeper.saturating_add(1)))
    })
}

/// A map without its merge keys (<https://yaml.org/type/merge.html>): what they bring stands behind what is written out,
/// and never instead of it.
fn merged(members: Vec<Member>) -> Vec<Member> {
    let (merges, mut own): (Vec<Member>, Vec<Member>) = members.into_iter().partition(|member| &*member.key == "<<");
    for merge in merges {
        let bases = match merge.node.value {
            Tree::List(bases) => bases,
            value => vec![Node { span: merge.node.span, value }],
        };
        for base in bases {
            let Tree::Map(members) = base.value else { continue };
            for member in members {
                if !own.iter().any(|known| known.key == member.key) {
                    own.push(member);
                }
            }
        }
    }
    own
}

enum Core {
    Null,
    Bool(bool),
    /// Spelled as JSON spells it.
    Number,
    /// A number that JSON does not spell so.
    OddNumber,
    Text,
}

/// What a plain scalar is by the core schema (YAML 1.2.2 §10.3.2).
fn core(text: &str) -> Core {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Core::Null,
        "true" | "True" | "TRUE" => return Core::Bool(true),
        "false" | "False" | "FALSE" => return Core::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Core::OddNumber,
        _ => {}
    }
    if super::json::is_number(text) {
        return Core::Number;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Core::OddNumber;
    }
    let all = |digits: &str, ok: fn(char) -> bool| !digits.is_empty() && digits.chars().all(ok);
    if text.strip_prefix("0x").is_some_and(|digits| all(digits, |c| c.is_ascii_hexdigit()))
        || text.strip_prefix("0o").is_some_and(|digits| all(digits, |c| c.is_digit(8)))
    {
        return Core::OddNumber;
    }
    // [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let number = digits(whole)
        && digits(part)
        && !(whole.is_empty() && part.is_empty())
        && exponent.is_none_or(|exponent| all(exponent, |c| c.is_ascii_digit()));
    if number { Core::OddNumber } else { Core::Text }
}

/// Whether a YAML 1.1 reader takes it for a boolean (<https://yaml.org/type/bool.html>) although YAML 1.2 does not.
fn is_yaml11_boolean(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off"].iter().any(|word| {
        text == *word
            || text == word.to_ascii_uppercase()
            || text.chars().next().is_some_and(|first| {
                first.is_ascii_uppercase()
                    && text.get(1..) == word.get(1..)
                    && first.to_ascii_lowercase() == word.chars().next().unwrap_or(' ')
            })
    })
}
