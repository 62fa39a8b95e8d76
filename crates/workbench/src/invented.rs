//! A body that nobody has at hand: made of the fields that a policy knows.

use fieldgate::model::field_path::{FieldPath, Segment};
use fieldgate::model::{Entry, Mask};
use serde_json::{Map, Value, json};

/// A body with a value at each of these places. What a filter selects by is not made up: an element has what the other paths
/// name.
#[must_use]
pub fn body<'p>(entries: impl IntoIterator<Item = &'p Entry>) -> Value {
    let mut body = Value::Null;
    for entry in entries {
        grow(&mut body, &entry.path, value(entry.mask));
    }
    body
}

/// A value that a field's mask has something to say of.
fn value(mask: Option<Mask>) -> Value {
    // No wildcard: a form must not compile until it is here.
    match mask {
        Some(Mask::Email) => json!("ana@example.com"),
        Some(Mask::Year | Mask::Month) => json!("1984-06-17"),
        Some(Mask::Initials) => json!("Ana Ruiz"),
        Some(Mask::Round(_)) => json!(1234.56),
        Some(Mask::First(_) | Mask::Last(_) | Mask::Ends { .. }) => json!("ES9121000418450200051332"),
        None => json!("text"),
    }
}

/// Puts a value at a path, and what it takes to get there.
fn grow(body: &mut Value, path: &FieldPath, value: Value) {
    let mut at = body;
    for segment in &path.segments {
        at = match segment {
            Segment::Member(name) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                let Some(members) = at.as_object_mut() else { return };
                members.entry(name.to_string()).or_insert(Value::Null)
            }
            Segment::Any | Segment::Filtered(_) => {
                if at.is_null() {
                    *at = Value::Array(vec![Value::Null]);
                }
                let first = match at {
                    Value::Array(elements) => elements.first_mut(),
                    Value::Object(members) => members.values_mut().next(),
                    _ => None,
                };
                let Some(first) = first else { return };
                first
            }
        };
    }
    if path.open && at.is_null() {
        *at = json!({"any": value});
    } else if at.is_null() {
        *at = value;
    }
}

#[cfg(test)]
mod tests {
    use fieldgate::transform;

    use super::*;

    #[test]
    fn a_value_is_made_up_that_a_form_fits() {
        for form in Mask::EACH {
            let token = value(Some(*form)).to_string();
            let mut masked = Vec::new();
            assert!(transform::mask(*form, token.as_bytes(), &mut masked), "{form}: {token}");
            assert_ne!(masked, token.as_bytes(), "{form} leaves {token} as it is");
        }
    }
}
