//! A protobuf `google.protobuf.Struct` to a spanned tree: how an Envoy configuration can hold a policy inline.
//!
//! A `Struct` keeps no member order and no number spelling: numbers are doubles. Whole ones up to 2^53 come back as they
//! were; a `blank` such as `1.50` comes back as `1.5`.

use std::rc::Rc;

use super::{Member, Node, PolicyDoc, Tree};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Sources, Span};
use crate::protobuf::{ProtoValue, Struct, ValueKind};

#[cfg(test)]
mod tests;

/// Reads a document. The depth is bounded twice: prost refuses more than 100 messages inside each other, and the tree more
/// than [`super::MAX_DEPTH`] containers.
///
/// # Errors
/// The diagnostics, if there is no tree in the bytes.
pub(crate) fn document(name: &str, bytes: &[u8]) -> Result<PolicyDoc, Diagnostics> {
    let mut found = Vec::new();
    let mut sources = Sources::default();
    let tree = if bytes.len() > super::MAX_BYTES {
        found.push(Diagnostic::nowhere(Code::TooMuch, format!("the policy is over {} bytes", super::MAX_BYTES)));
        None
    } else if let Some(decoded) = Struct::read(bytes) {
        StructReader { next: 0, found: &mut found }.map(decoded, 0)
    } else {
        found.push(Diagnostic::nowhere(Code::Syntax, "the policy is not a google.protobuf.Struct"));
        None
    };
    sources.add(super::json::source(name, "", tree.as_ref()));
    let sources = Rc::new(sources);
    match tree {
        Some(root) => Ok(PolicyDoc { root, sources, found }),
        None => Err(Diagnostics::new(found, sources)),
    }
}

struct StructReader<'a> {
    next: u32,
    found: &'a mut Vec<Diagnostic>,
}

impl StructReader<'_> {
    fn tick(&mut self) -> u32 {
        let now = self.next;
        self.next = self.next.saturating_add(1);
        now
    }

    fn span(&self, start: u32) -> Span {
        Span { file: 0, start, end: self.next }
    }

    fn deep(&mut self, depth: usize, start: u32) -> bool {
        let deep = depth >= super::MAX_DEPTH;
        if deep {
            let span = self.span(start);
            self.found.push(Diagnostic::at(Code::Syntax, span, "more containers are open at once than a policy needs"));
        }
        deep
    }

    fn map(&mut self, from: Struct, depth: usize) -> Option<Node> {
        let start = self.tick();
        if self.deep(depth, start) {
            return None;
        }
        let mut members = Vec::with_capacity(from.fields.len());
        for (key, value) in from.fields {
            let key_start = self.tick();
            let key_span = self.span(key_start);
            let node = self.value(value, depth.saturating_add(1))?;
            members.push(Member { key: key.into(), key_span, node });
        }
        Some(Node { span: self.span(start), value: Tree::Map(members) })
    }

    fn value(&mut self, from: ProtoValue, depth: usize) -> Option<Node> {
        if let Some(ValueKind::Struct(inner)) = from.kind {
            return self.map(inner, depth);
        }
        let start = self.tick();
        let value = match from.kind {
            Some(ValueKind::List(list)) => {
                if self.deep(depth, start) {
                    return None;
                }
                let inner = depth.saturating_add(1);
                Tree::List(list.values.into_iter().map(|value| self.value(value, inner)).collect::<Option<_>>()?)
            }
            Some(ValueKind::Text(text)) => Tree::Text { text: text.into(), plain: false },
            Some(ValueKind::Bool(value)) => Tree::Bool(value),
            Some(ValueKind::Number(number)) if number.is_finite() => Tree::Number(number_text(number).into()),
            Some(ValueKind::Number(_)) => {
                let span = self.span(start);
                self.found.push(Diagnostic::at(Code::Syntax, span, "a number that JSON cannot spell"));
                Tree::Null
            }
            Some(ValueKind::Null(_) | ValueKind::Struct(_)) | None => Tree::Null,
        };
        Some(Node { span: self.span(start), value })
    }
}

/// A double as JSON spells it: whole numbers without a point.
fn number_text(number: f64) -> String {
    // 2^53: every whole number up to it is a double of its own.
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        format!("{number:.0}")
    } else {
        serde_json::Number::from_f64(number).map_or_else(|| "null".to_owned(), |number| number.to_string())
    }
}
