//! Engine A, the plugin that everyone writes first: the body as a [`Value`], edited and written. It needs the whole body.

use fieldgate::program::ScalarRule;
use fieldgate::transform::mask;
use serde_json::Value;

use crate::plan::{Below, Plan};

pub(crate) fn rewrite(plan: &Plan, body: &[u8], out: &mut Vec<u8>) {
    let mut value: Value = serde_json::from_slice(body).expect("a JSON text");
    assert!(edit(plan, &mut value));
    serde_json::to_writer(out, &value).expect("a vector takes all");
}

/// Edits a value; whether it stays.
fn edit(plan: &Plan, value: &mut Value) -> bool {
    match (value, &plan.below) {
        (Value::Object(members), Below::Walk(known, any)) => {
            members.retain(|name, value| {
                known.get(name.as_str()).or(any.as_deref()).is_some_and(|plan| edit(plan, value))
            });
            true
        }
        (Value::Array(elements), Below::Walk(_, any)) => {
            elements.retain_mut(|value| any.as_deref().is_some_and(|plan| edit(plan, value)));
            true
        }
        (Value::Object(_) | Value::Array(_), Below::Drop) => false,
        (Value::Null, below) => plan.scalar != ScalarRule::Hide || matches!(below, Below::Walk(..)),
        (value, _) => match &plan.scalar {
            ScalarRule::Hide => false,
            ScalarRule::Mask { form, blank } => {
                let token = value.to_string();
                let mut masked = Vec::new();
                let text = if mask(*form, token.as_bytes(), &mut masked) { &masked } else { blank.as_bytes() };
                *value = serde_json::from_slice(text).expect("a mask is JSON");
                true
            }
            _ => true,
        },
    }
}
