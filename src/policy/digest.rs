//! A policy's digest: by which a reviewer, a configuration and a log line name one and the same policy.

use sha2::{Digest as _, Sha256};

use crate::document::json;
use crate::document::{Node, PolicyDoc, Tree};

/// The SHA-256 of a policy, in hexadecimal: of its one-document JSON form ([`super::to_json`], includes merged) without space,
/// members ordered by name and numbers in their shortest spelling. So it is one for the YAML files, the rendered JSON and a
/// protobuf `Struct` of the same policy.
#[must_use]
pub fn digest(doc: &PolicyDoc) -> String {
    let mut text = String::new();
    write(&doc.root, &mut text);
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(node: &Node, out: &mut String) {
    match &node.value {
        Tree::Map(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|a, b| a.key.cmp(&b.key));
            out.push('{');
            for (index, member) in sorted.into_iter().enumerate() {
                separate(index, out);
                json::quote(&member.key, out);
                out.push(':');
                write(&member.node, out);
            }
            out.push('}');
        }
        Tree::List(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                separate(index, out);
                write(element, out);
            }
            out.push(']');
        }
        // A `Struct` has only doubles: `1.0` and `1` are one number.
        Tree::Number(text) => match text.parse::<f64>() {
            Ok(number) => out.push_str(&number.to_string()),
            Err(_) => out.push_str(text),
        },
        Tree::Null | Tree::Bool(_) | Tree::Text { .. } | Tree::Refused => {
            out.push_str(&json::scalar(&node.value).unwrap_or_default());
        }
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::digest;
    use crate::policy::json_document;

    #[test]
    fn order_space_and_spelling_of_numbers_make_no_other_policy() {
        let of = |text: &str| digest(&json_document("policy.json", text.as_bytes()).unwrap());
        let one = of(r#"{"language": 1, "policy": "a", "areas": [1, 2]}"#);
        assert_eq!(one.len(), 64);
        assert_eq!(one, of(r#"{"areas":[1.0,2e0],"policy":"\u0061","language":1}"#));
        for other in [
            r#"{"language": 1, "policy": "b", "areas": [1, 2]}"#,
            r#"{"language": 1, "policy": "a", "areas": [2, 1]}"#,
            r#"{"language": 1, "policy": "a", "areas": ["1", 2]}"#,
        ] {
            assert_ne!(one, of(other), "{other}");
        }
    }
}
