//! Classes: what they are, and how fields, scopes and headers name them (rules 10 and 18).

use std::rc::Rc;

use super::detectors::DetectorDraft;
use super::read::{Reader, Section};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Node, Tree, json};
use crate::model::{Class, ClassId};

/// What fields name.
#[derive(Clone, Copy)]
pub(super) struct Declared<'p> {
    /// Classes, in name order.
    pub(super) classes: &'p [Class],
    /// The policy's own detectors, in name order.
    pub(super) detectors: &'p [DetectorDraft],
    /// `headers` of `defaults`.
    pub(super) headers: Option<&'p Node>,
}

/// Largest `cost` of a class: with the largest body's scalars at show, a response's cost stays far below 2^64.
const MOST_COST: u64 = 1_000_000;

/// Longest replacement value, in bytes of JSON text: one may stand for each byte of a body that is an array of digits.
const LONGEST_BLANK: usize = 256;

/// A scalar's JSON text.
pub(super) fn scalar(reader: &mut Reader, node: &Node, what: &str) -> Option<Rc<str>> {
    let text = json::scalar(&node.value);
    if text.is_none() {
        let message = format!("{what} is {}, not a scalar", node.kind());
        reader.push(
            Diagnostic::at(Code::WrongKind, node.span, message).help("write a string, a number, true, false or null"),
        );
    }
    if text.as_ref().is_some_and(|text| text.len() > LONGEST_BLANK) {
        let message = format!("{what} is over {LONGEST_BLANK} bytes as JSON");
        reader.push(
            Diagnostic::at(Code::TooMuch, node.span, message).help("write a short replacement: it may come many times"),
        );
        return None;
    }
    text.map(Into::into)
}

/// Classes in name order.
pub(super) fn classes(reader: &mut Reader, node: Option<&Node>) -> Vec<Class> {
    let Some(node) = node else { return Vec::new() };
    if node.members().is_none() {
        reader.classes = Section::Broken;
    }
    let mut classes = Vec::new();
    for member in reader.map(node, "`classes`") {
        let what = format!("class `{}`", member.key);
        reader.name(&member.key, member.key_span, "class");
        let keys = reader.keys(&member.node, &what, &["about", "blank", "cost"]);
        let about = keys.get("about").and_then(|about| reader.text(about, "`about`")).unwrap_or_default().to_owned();
        let blank = keys.get("blank").and_then(|blank| scalar(reader, blank, "`blank`"));
        let cost = keys.get("cost").and_then(|node| reader.whole(node, "`cost`", 1..=MOST_COST));
        let cost = cost.and_then(|cost| u32::try_from(cost).ok());
        classes.push(Class { name: member.key.to_string(), about, blank, cost, span: member.key_span });
    }
    classes.sort_by(|a, b| a.name.cmp(&b.name));
    classes
}

/// One class name, resolved.
pub(super) fn class(reader: &mut Reader, classes: &[Class], text: &str, span: Span, what: &str) -> Option<ClassId> {
    if let Ok(index) = classes.binary_search_by(|class| class.name.as_str().cmp(text)) {
        return u16::try_from(index).ok().map(ClassId);
    }
    if reader.classes == Section::Broken {
        return None;
    }
    let known = classes.iter().map(|class| (class.name.as_str(), class.span));
    let message = format!("{what} a class that does not exist: `{text}`");
    reader.unknown(Code::UnknownClass, span, message, text, known, "declare it under `classes`");
    None
}

/// The value of `class`: a name, or a list of names that all have to be granted.
pub(super) fn class_list(reader: &mut Reader, classes: &[Class], node: &Node, what: &str) -> Vec<ClassId> {
    let mut ids: Vec<ClassId> = match &node.value {
        Tree::List(elements) if elements.is_empty() => {
            reader.push(
                Diagnostic::at(Code::BadValue, node.span, format!("{what} has no class"))
                    .help("name one; a field that nobody should see is left out"),
            );
            Vec::new()
        }
        Tree::List(_) => {
            let names = reader.texts(node, "`class`");
            names
                .into_iter()
                .filter_map(|(text, span)| class(reader, classes, text, span, &format!("{what} has")))
                .collect()
        }
        _ => reader
            .text(node, "`class`")
            .and_then(|text| class(reader, classes, text, node.span, &format!("{what} has")))
            .into_iter()
            .collect(),
    };
    ids.sort_unstable();
    ids.dedup();
    ids
}
