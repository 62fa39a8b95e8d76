//! Threat G1: the key of pseudonyms, written out where everybody who may read configuration reads it.

use super::demands::{holds_policy, is_placeholder};
use super::field::{get, text, walk};
use super::look::Look;
use super::plugin::is_key;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::{Node, Tree};

/// Looks through a document of any kind, but not through a Secret: there it belongs.
pub(super) fn check(look: &mut Look, document: &Node) {
    if text(document, "kind") == Some("Secret") {
        return;
    }
    let mut spans = Vec::new();
    walk(document, &mut |node| {
        let Tree::Map(members) = &node.value else { return };
        // `environment_variables.key_values`, or any other map of names to values.
        spans.extend(members.iter().filter(|member| is_key(&member.key)).filter_map(|member| value(&member.node)));
        // An element of an `env` list.
        if text(node, "name").is_some_and(is_key) {
            spans.extend(get(node, "value").and_then(value));
        }
        // What the virtual machine or the plugin is configured with.
        let configuration = get(node, "value").filter(|_| get(node, "@type").is_some() && !holds_policy(node));
        if let Some(found) =
            configuration.filter(|found| found.text().is_some_and(|text| text.contains("FIELDGATE_KEY")))
        {
            spans.push(found.span);
        }
    });
    for span in spans {
        look.say(
            Code::PseudonymKey,
            span,
            "FIELDGATE_KEY is written out here: whoever reads this file, or `/config_dump`, can undo every pseudonym",
            "make another key, keep it in the proxy's environment, and name it: `host_env_keys: [FIELDGATE_KEY]`",
        );
    }
}

/// Where a value is written out, and not filled in later.
fn value(node: &Node) -> Option<Span> {
    match &node.value {
        Tree::Text { text, .. } if text.is_empty() || is_placeholder(text) => None,
        Tree::Text { .. } | Tree::Number(_) => Some(node.span),
        _ => None,
    }
}
