//! One scalar place: its classes and its forms (rules 18 to 23, 27, 34).

use std::rc::Rc;

use super::super::similar::nearest;
use super::classes::{Declared, class_list, scalar};
use super::detectors;
use super::read::{Reader, choice};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::json;
use crate::document::{Node, Tree};
use crate::model::{ClassId, Detector, Link, Mask, Pseudonym, RoundTo};

/// What an author says of one scalar place.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) classes: Vec<ClassId>,
    pub(super) mask: Option<Mask>,
    pub(super) pseudonym: Option<Pseudonym>,
    pub(super) blank: Option<Rc<str>>,
    pub(super) subject: Option<Rc<str>>,
    pub(super) detect: Vec<Detector>,
}

impl Leaf {
    /// A place of those classes, without forms.
    pub(super) fn new(classes: Vec<ClassId>) -> Self {
        Self { classes, mask: None, pseudonym: None, blank: None, subject: None, detect: Vec::new() }
    }
}

/// A field with forms.
pub(super) fn field(reader: &mut Reader, declared: Declared<'_>, node: &Node, what: &str) -> Option<Leaf> {
    let allowed = ["class", "mask", "pseudonym", "blank", "subject", "detect"];
    let keys = reader.keys(node, what, &allowed);
    let named = reader.required(&keys, "class", what, node.span, "every field has a class: `{class: …}`");
    let mut leaf = Leaf::new(named.map(|node| class_list(reader, declared.classes, node, what)).unwrap_or_default());
    // A form that cannot be read stands as some form, so that nothing follows from it: the policy is refused either way.
    leaf.mask = keys.get("mask").map(|node| mask(reader, node).unwrap_or(Mask::Initials));
    let unread = || Pseudonym { namespace: "".into(), link: Link::Client };
    leaf.pseudonym = keys.get("pseudonym").map(|node| pseudonym(reader, node).unwrap_or_else(unread));
    leaf.blank = keys.get("blank").and_then(|node| scalar(reader, node, "`blank`"));
    leaf.subject = keys.get("subject").and_then(|node| {
        let text = reader.text(node, "`subject`")?;
        reader.name(text, node.span, "subject").then(|| text.into())
    });
    if let Some(node) = keys.get("detect") {
        leaf.detect = detectors::named(reader, declared.detectors, node);
    }
    (!leaf.classes.is_empty()).then_some(leaf)
}

/// Words that are a form at mask.
fn mask_words() -> Vec<(&'static str, Mask)> {
    Mask::EACH.iter().filter_map(|form| Some((form.word()?, *form))).collect()
}

/// Every form at mask, as a help tells them.
fn mask_forms() -> String {
    let words: Vec<&str> = mask_words().into_iter().map(|(word, _)| word).collect();
    format!("write `{{last: n}}`, `{{first: n}}`, `{{first: n, last: n}}`, `{{round: n}}`, {}", choice(&words))
}

/// A form at mask (rules 20 to 22).
fn mask(reader: &mut Reader, node: &Node) -> Option<Mask> {
    match &node.value {
        Tree::Map(members) => counted_mask(reader, node, members.is_empty()),
        _ => mask_word(reader, node),
    }
}

/// A form that is one word. What stands there instead may be a form in another spelling than a map's, and a help tells the map.
fn mask_word(reader: &mut Reader, node: &Node) -> Option<Mask> {
    let as_map = |word: &str, number: &str| {
        let is_form = matches!(word, "first" | "last" | "round") && json::is_number(number);
        if is_form { format!("write it as a map: `mask: {{{word}: {number}}}`") } else { mask_forms() }
    };
    let (code, message, help) = match &node.value {
        Tree::Number(number) => (
            Code::BadValue,
            format!("`mask: {number}` does not say of which end"),
            format!("write `mask: {{last: {number}}}` or `mask: {{first: {number}}}`"),
        ),
        Tree::List(elements) => {
            let help = match elements.as_slice() {
                [Node { value: Tree::Text { text: word, .. }, .. }, Node { value: Tree::Number(number), .. }] => {
                    as_map(word, number)
                }
                _ => mask_forms(),
            };
            (Code::WrongKind, "`mask` is a list".to_owned(), help)
        }
        _ => match node.text() {
            Some(word @ ("first" | "last" | "round")) => (
                Code::BadValue,
                format!("`mask: {word}` does not say how many"),
                format!("say how many, as in `mask: {{{word}: 4}}`"),
            ),
            Some(text) if nearest(text, mask_words().into_iter().map(|(word, _)| word)).is_none() => {
                let parts = text.split_once(' ');
                let help = parts.map_or_else(mask_forms, |(word, number)| as_map(word, number));
                (Code::BadValue, format!("`mask` cannot be `{text}`"), help)
            }
            _ => return reader.word(node, "`mask`", &mask_words()),
        },
    };
    reader.push(Diagnostic::at(code, node.span, message).help(help));
    None
}

/// A form that has a number: a map. `is_empty` if nothing is in it.
fn counted_mask(reader: &mut Reader, node: &Node, is_empty: bool) -> Option<Mask> {
    let keys = reader.keys(node, "`mask`", &["first", "last", "round"]);
    let count = |reader: &mut Reader, node: &Node, what: &str| {
        reader.whole(node, what, 1..=1000).and_then(|n| u32::try_from(n).ok())
    };
    let first = keys.get("first").map(|node| count(reader, node, "`first`"));
    let last = keys.get("last").map(|node| count(reader, node, "`last`"));
    let round = keys.get("round").map(|node| step(reader, node));
    match (first, last, round) {
        (Some(first), Some(last), None) => Some(Mask::Ends { first: first?, last: last? }),
        (Some(first), None, None) => first.map(Mask::First),
        (None, Some(last), None) => last.map(Mask::Last),
        (None, None, Some(step)) => step.map(Mask::Round),
        (None, None, None) => {
            if is_empty {
                reader.push(
                    Diagnostic::at(Code::MissingKey, node.span, "`mask` has no form")
                        .help("say how many, as in `mask: {last: 4}`"),
                );
            }
            None
        }
        (_, _, Some(_)) => {
            reader.push(
                Diagnostic::at(Code::Incompatible, node.span, "`mask` has forms for numbers and for ends at once")
                    .help("keep `round`, or `first` and `last`"),
            );
            None
        }
    }
}

/// A step to round to (rule 22).
fn step(reader: &mut Reader, node: &Node) -> Option<RoundTo> {
    const HELP: &str =
        "write a number above 0, without an exponent, of at most 15 digits, 6 of them behind the point: `100`, `0.01`";
    let Tree::Number(text) = &node.value else {
        if node.value != Tree::Refused {
            let message = format!("`round` is {}, not a number", node.kind());
            reader.push(Diagnostic::at(Code::WrongKind, node.span, message).help(HELP));
        }
        return None;
    };
    let step = RoundTo::parse(text);
    if step.is_none() {
        reader.push(Diagnostic::at(Code::BadValue, node.span, format!("`round` cannot be `{text}`")).help(HELP));
    }
    step
}

/// A form at pseudonym (rule 23).
fn pseudonym(reader: &mut Reader, node: &Node) -> Option<Pseudonym> {
    let (name, link) = match &node.value {
        Tree::Map(_) => {
            let keys = reader.keys(node, "`pseudonym`", &["ns", "link"]);
            let link = match keys.get("link") {
                Some(link) => reader.word(link, "`link`", &[("all", Link::All)])?,
                None => Link::Client,
            };
            let help = "name a namespace: `{ns: customer, link: all}`";
            (reader.required(&keys, "ns", "`pseudonym`", node.span, help)?, link)
        }
        _ => (node, Link::Client),
    };
    let text = reader.text(name, "the namespace of `pseudonym`")?;
    reader.name(text, name.span, "namespace").then(|| Pseudonym { namespace: text.into(), link })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_tells_every_form_at_mask() {
        let help = mask_forms();
        for form in Mask::EACH {
            let shape: String = form.spelled().split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().join("n");
            let shape = shape.replace("nn", "n");
            assert!(help.contains(&format!("`{shape}`")), "{form}: {help}");
        }
    }
}
