//! A body for a route of which nobody has one at hand: made of the fields that the policy knows.

use fieldgate::model::field_path::Segment;
use fieldgate::model::{Entry, Governed, Mask};
use serde_json::{Map, Value, json};

/// A body with a value at each place that the route knows. What a filter selects by is not made up: an element has what the
/// policy's other paths name.
#[must_use]
pub fn sample(governed: &Governed) -> Value {
    let mut body = Value::Null;
    for entry in governed.entries.iter() {
        put(&mut body, &entry.path.segments, value(entry));
    }
    body
}

fn put(at: &mut Value, segments: &[Segment], value: Value) {
    match segments.split_first() {
        None => {
            if at.is_null() {
                *at = value;
            }
        }
        Some((Segment::Member(name), rest)) => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            if let Some(members) = at.as_object_mut() {
                put(members.entry(&**name).or_insert(Value::Null), rest, value);
            }
        }
        Some((Segment::Any | Segment::Filtered(_), rest)) => {
            if at.is_null() {
                *at = json!([null]);
            }
            if let Some(first) = at.as_array_mut().and_then(|elements| elements.first_mut()) {
                put(first, rest, value);
            }
        }
    }
}

/// A value that the field's mask has something to say of.
fn value(entry: &Entry) -> Value {
    match entry.mask {
        Some(Mask::Email) => json!("ana@example.com"),
        Some(Mask::Year | Mask::Month) => json!("1984-06-17"),
        Some(Mask::Initials) => json!("Ana Ruiz"),
        Some(Mask::Round(_)) => json!(1234.56),
        Some(_) => json!("ES9121000418450200051332"),
        None => json!("text"),
    }
}
