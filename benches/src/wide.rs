//! The shape of a wide body: many fields of eight classes, for policies that are measured by their size.

use serde_json::{Map, Value, json};

/// How many fields it has.
pub const FIELDS: usize = 350;

/// How many classes they are of.
const CLASSES: usize = 8;

/// The classes.
#[must_use]
pub fn classes() -> Map<String, Value> {
    (0..CLASSES).map(|class| (format!("class{class}"), json!({"about": "One of eight"}))).collect()
}

/// The fields, at depths 1 to 4, a third of them in arrays. A quarter has `of` in its name: two bodies of other numbers are not
/// the same.
#[must_use]
pub fn fields(of: usize) -> Map<String, Value> {
    let path = |field: usize| match field % 4 {
        0 => format!("$.field{field}of{of}"),
        1 => format!("$.group{}.field{field}", field % 9),
        2 => format!("$.list{}[*].field{field}", field % 7),
        _ => format!("$.group{}.list{}[*].inner.field{field}", field % 5, field % 3),
    };
    (0..FIELDS).map(|field| (path(field), Value::from(format!("class{}", field % CLASSES)))).collect()
}
