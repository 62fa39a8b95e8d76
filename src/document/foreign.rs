//! A file that is not a policy as trees that know their places: the configuration of what a policy runs in. Not in the plugin.

use std::path::Path;

use super::Node;
use super::{json, yaml};
use crate::diagnostic::{Code, Diagnostic, Span};

/// The documents of a file: one of JSON, any number of YAML. Findings go to `found`; there are none at all if its syntax
/// leaves none.
pub fn read(name: &str, text: &str, file: u16, found: &mut Vec<Diagnostic>) -> Vec<Node> {
    let named = Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    // A dump is often kept under any name. What starts as JSON may still be a YAML flow collection.
    let looks = text.trim_start().starts_with(['{', '[']);
    let mut said = Vec::new();
    let trees = match json::read_within(text, file, &mut said, super::MAX_FOREIGN_DEPTH) {
        Some(tree) if named || looks => Some(vec![tree]),
        None if named => None,
        _ => {
            said.clear();
            yaml::read_any(text, file, &mut said)
        }
    };
    if trees.is_none() && said.is_empty() {
        let span = Span { file, start: 0, end: 0 };
        said.push(
            Diagnostic::at(Code::WrongKind, span, format!("`{name}` is empty")).help("name the file that Envoy reads"),
        );
    }
    found.extend(said.into_iter().map(|item| match item.code {
        Code::DuplicateKey => item.help("keep one of them: readers differ on which one counts"),
        Code::Syntax if item.help.is_none() => item.help("look at the quotes, brackets and commas before this place"),
        _ => item,
    }));
    trees.unwrap_or_default()
}
