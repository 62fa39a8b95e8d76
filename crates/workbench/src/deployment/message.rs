//! Messages field by field: what is known to be harmless, and what is said of the rest.
//!
//! Not the fields that open something are listed, but those that do not, or that are judged elsewhere: one that Envoy gets
//! tomorrow is said until somebody has looked at it.

use super::field::{camel, get, is_zero, set};
use super::look::Look;
use fieldgate::diagnostic::{Code, Diagnostic};
use fieldgate::document::{Member, Node, Tree};

/// When something is said of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// Wherever it is written, unless with nothing in it.
    Written,
    /// Where it is true.
    True,
}

/// What is said of a field that is not harmless.
pub(super) struct Said {
    pub(super) field: &'static str,
    pub(super) when: When,
    pub(super) code: Code,
    pub(super) what: &'static str,
    pub(super) help: &'static str,
}

/// What is known of a message's fields.
pub(super) struct Message {
    pub(super) name: &'static str,
    /// Harmless with any value, or judged elsewhere.
    pub(super) known: &'static [&'static str],
    pub(super) said: &'static [Said],
}

/// Says what is to be said of each field that is written.
pub(super) fn check(look: &mut Look, node: &Node, message: &Message) {
    for member in node.members().unwrap_or_default() {
        let is = |name: &str| *member.key == *name || *member.key == camel(name);
        if is_nothing(&member.node) || member.key.starts_with('@') || message.known.iter().any(|name| is(name)) {
            continue;
        }
        match message.said.iter().find(|said| is(said.field)) {
            Some(said) => {
                let shown = match said.when {
                    When::Written => true,
                    When::True => set(node, said.field).is_some(),
                };
                if shown {
                    look.say(said.code, member.key_span, format!("`{}`: {}", said.field, said.what), said.help);
                }
            }
            None => look.say(
                Code::UnknownField,
                member.key_span,
                format!(
                    "`{}` of {} is not known here: whether it lets something past is not judged",
                    member.key, message.name
                ),
                "take it out, or look up what it does: only fields that are known to be harmless are passed over",
            ),
        }
    }
}

/// Whether a value is a message's default: what Envoy takes for a field that is not there.
fn is_nothing(node: &Node) -> bool {
    match &node.value {
        Tree::Null | Tree::Refused | Tree::Bool(false) => true,
        Tree::Text { text, .. } => text.is_empty(),
        Tree::List(elements) => elements.is_empty(),
        Tree::Number(_) => is_zero(node),
        Tree::Map(_) | Tree::Bool(true) => false,
    }
}

/// Maps whose keys are somebody's names, and whose values are messages.
const NAMED: [&str; 8] = [
    "typed_per_filter_config",
    "providers",
    "requirement_map",
    "typed_filter_metadata",
    "policies",
    "key_values",
    "allowed_capabilities",
    "typed_extension_protocol_options",
];

/// Trees of somebody's names.
const FREE: [&str; 6] = ["filter_metadata", "static_layer", "json_format", "fields", "labels", "annotations"];

/// Says where a message has one field in both spellings. Envoy takes the last; a reader of the file, or another tool, the
/// first that it knows.
pub(super) fn spellings(look: &mut Look, node: &Node) {
    match &node.value {
        Tree::List(elements) => elements.iter().for_each(|element| spellings(look, element)),
        Tree::Map(members) => {
            for (index, member) in members.iter().enumerate() {
                twice(look, members.get(..index).unwrap_or_default(), member);
                let is = |names: &[&str]| names.iter().any(|name| camel(name) == camel(&member.key));
                if is(&NAMED) {
                    let named = member.node.members().unwrap_or_default();
                    named.iter().for_each(|member| spellings(look, &member.node));
                } else if !is(&FREE) && !is_struct(node, member) {
                    spellings(look, &member.node);
                }
            }
        }
        _ => {}
    }
}

/// Whether a member is a `Struct`'s content, whose names are free.
fn is_struct(node: &Node, member: &Member) -> bool {
    let kind = get(node, "@type").and_then(Node::text).unwrap_or_default();
    &*member.key == "value" && kind.ends_with(".Struct")
}

fn twice(look: &mut Look, before: &[Member], member: &Member) {
    let spelling = camel(&member.key);
    if let Some(first) = before.iter().find(|first| first.key != member.key && camel(&first.key) == spelling) {
        look.push(
            Diagnostic::at(
                Code::TwoSpellings,
                member.key_span,
                format!("`{}` and `{}` are one field: Envoy takes the last", first.key, member.key),
            )
            .label(first.key_span, "first here")
            .help("keep one of them"),
        );
    }
}
