//! What bodies may be besides JSON (rule 30).

use super::read::Reader;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Node, Tree};
use crate::model::OtherContent;
use crate::model::media::MediaRange;

const WHICH: &str = "name the types that pass, none of them a form in which records come: `other_content: {pass: [application/pdf, \"image/*\"]}`";

/// `other_content` of a route.
pub(super) fn other(reader: &mut Reader, node: &Node) -> OtherContent {
    let Tree::Map(members) = &node.value else {
        match node.text() {
            Some("reject") => {}
            Some("pass") => reader.push(
                Diagnostic::at(Code::PassedType, node.span, "`other_content: pass` does not say of which types")
                    .help(WHICH),
            ),
            _ => {
                reader.word(node, "`other_content`", &[("reject", ())]);
                if let Some(said) = reader.found.last_mut() {
                    said.help = Some(format!("write `reject`, or {WHICH}"));
                }
            }
        }
        return OtherContent::Reject;
    };
    let keys = reader.keys(node, "`other_content`", &["pass"]);
    let Some(pass) = keys.get("pass") else {
        if members.is_empty() {
            reader.push(Diagnostic::at(Code::MissingKey, node.span, "`other_content` has no `pass`").help(WHICH));
        }
        return OtherContent::Reject;
    };
    let texts = reader.texts(pass, "`pass`");
    if texts.is_empty() && pass.elements().is_some() {
        reader.push(Diagnostic::at(Code::PassedType, pass.span, "`pass` names no type").help(WHICH));
    }
    let mut ranges = Vec::new();
    for (text, span) in texts {
        let fault = match MediaRange::parse(text) {
            None => Some(("is not a media type", "write a type and a subtype: `application/pdf`, `\"image/*\"`")),
            Some(range) if !range.is_passable() => Some((
                "may hold records, or any other content, that no filter would see",
                "name `application/pdf`, or types of `image`, `audio`, `video` and `font`; what else has to pass needs a route of its own with `pass: \"why\"`",
            )),
            Some(range) => {
                ranges.push(range);
                None
            }
        };
        if let Some((fault, help)) = fault {
            reader.push(Diagnostic::at(Code::PassedType, span, format!("`{text}` {fault}")).help(help));
        }
    }
    ranges.sort();
    ranges.dedup();
    if ranges.is_empty() { OtherContent::Reject } else { OtherContent::Pass(ranges) }
}

/// `content_types`: types that are JSON under a name of their own, which the response keeps.
pub(super) fn json_types(reader: &mut Reader, node: &Node) -> Vec<String> {
    let mut types = Vec::new();
    for (text, span) in reader.texts(node, "`content_types`") {
        match MediaRange::parse(text) {
            Some(range) if range.is_json_name() => types.push(range.to_string()),
            Some(_) => reader.push(
                Diagnostic::at(Code::ContentType, span, format!("whoever gets `{text}` would not read it as JSON"))
                    .help("list types whose bodies are JSON: `content_types: [application/vnd.acme.v2+json]`"),
            ),
            None => reader.push(
                Diagnostic::at(Code::ContentType, span, format!("`{text}` is not a media type"))
                    .help("write a type and a subtype, without parameters: `application/vnd.acme.v2+json`"),
            ),
        }
    }
    types
}
