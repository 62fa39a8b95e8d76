//! Configuration within other resources: a bootstrap in a ConfigMap, or in an EnvoyProxy.

use super::field::{at, get, text};
use super::look::Look;
use fieldgate::diagnostic::{Diagnostic, Span};
use fieldgate::document::{Node, Tree, foreign};

/// The documents that a resource has as texts. Their places are those of the file that the resource is in.
pub(super) fn documents(look: &mut Look, resource: &Node) -> Vec<Node> {
    let mut found = Vec::new();
    match text(resource, "kind") {
        Some("List") => {
            for item in get(resource, "items").and_then(Node::elements).unwrap_or_default() {
                found.extend(documents(look, item));
            }
        }
        Some("ConfigMap") => {
            for member in get(resource, "data").and_then(Node::members).unwrap_or_default() {
                found.extend(document(look, &member.node));
            }
        }
        Some("EnvoyProxy") => {
            if let Some(value) = at(resource, &["spec", "bootstrap", "value"]) {
                found.extend(document(look, value));
            }
        }
        _ => {}
    }
    found
}

/// What is configuration of a gateway, as far as a text's words tell.
const WORDS: [&str; 6] =
    ["static_resources", "staticResources", "http_filters", "admin:", "type.googleapis.com/envoy.", "apiVersion"];

fn document(look: &mut Look, value: &Node) -> Vec<Node> {
    let Some(text) = value.text().filter(|text| WORDS.iter().any(|word| text.contains(word))) else {
        return Vec::new();
    };
    let lines = Lines::of(look.text(value.span), value.span, text);
    let mut said = Vec::new();
    let mut trees = foreign::read("", text, value.span.file, &mut said);
    trees.iter_mut().for_each(|tree| moved(tree, &lines));
    for mut item in said {
        item.span = item.span.map(|span| lines.place(span));
        let labels = std::mem::take(&mut item.labels);
        let item =
            labels.into_iter().fold(item, |item: Diagnostic, label| item.label(lines.place(label.span), label.text));
        look.push(item);
    }
    trees
}

fn moved(node: &mut Node, lines: &Lines) {
    node.span = lines.place(node.span);
    match &mut node.value {
        Tree::Map(members) => {
            for member in members {
                member.key_span = lines.place(member.key_span);
                moved(&mut member.node, lines);
            }
        }
        Tree::List(elements) => elements.iter_mut().for_each(|element| moved(element, lines)),
        _ => {}
    }
}

/// Where the lines of a text are in the file that has it: found one after another. None where they are escaped or folded.
struct Lines {
    whole: Span,
    /// Start of a line in the text, its length, and its start in the file.
    lines: Option<Vec<(usize, usize, usize)>>,
}

impl Lines {
    fn of(host: &str, whole: Span, text: &str) -> Self {
        let mut lines = Vec::new();
        let (mut from, mut offset) = (0_usize, 0_usize);
        for line in text.split('\n') {
            let Some(found) = host.get(from..).and_then(|rest| rest.find(line)) else {
                return Self { whole, lines: None };
            };
            let start = from.saturating_add(found);
            lines.push((offset, line.len(), start));
            from = start.saturating_add(line.len());
            offset = offset.saturating_add(line.len()).saturating_add(1);
        }
        Self { whole, lines: Some(lines) }
    }

    /// A place of the text as one of the file, at most to the end of its line.
    fn place(&self, span: Span) -> Span {
        let find = || {
            let lines = self.lines.as_ref()?;
            let (start, end) = (usize::try_from(span.start).ok()?, usize::try_from(span.end).ok()?);
            let index = lines.partition_point(|(offset, ..)| *offset <= start).checked_sub(1)?;
            let (offset, length, file) = *lines.get(index)?;
            let inner = start.checked_sub(offset)?;
            let last = end.saturating_sub(offset).min(length).max(inner);
            let at = |inner: usize| {
                u32::try_from(file.saturating_add(inner)).ok().map(|at| self.whole.start.saturating_add(at))
            };
            Some(Span { start: at(inner)?, end: at(last)?, ..self.whole })
        };
        find().unwrap_or(self.whole)
    }
}
