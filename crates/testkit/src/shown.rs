//! What a view makes of each place of a document.

use std::collections::BTreeMap;

use fieldgate::program::{ContainerRule, PathStep, ScalarRule, StateId, View};
use serde_json::Value;

/// By place: what a scalar there becomes, and whether a container there comes out.
pub type Places = BTreeMap<String, (ScalarRule, bool)>;

/// All places of a document.
pub fn places(view: &View, document: &Value) -> Places {
    let mut places = Places::new();
    measure(view, view.root(), document, String::from("$"), &mut places);
    places
}

fn measure(view: &View, id: StateId, node: &Value, at: String, places: &mut Places) {
    let state = view.state(id);
    let open = state.container == ContainerRule::Open;
    places.insert(at.clone(), (state.scalar.fate().clone(), open || state.container == ContainerRule::Walk));
    let mut child = |name: String, step: PathStep<'_>, next: StateId, child: &Value| {
        let next = if state.filtered { view.select(id, step, child).unwrap() } else { next };
        let at = format!("{at}/{name}");
        if open { fill(child, at, places) } else { measure(view, next, child, at, places) }
    };
    match node {
        Value::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                child(index.to_string(), PathStep::Element, state.element, element);
            }
        }
        Value::Object(object) => {
            for (name, member) in object {
                child(format!("{name:?}"), PathStep::Member(name), state.member(name), member);
            }
        }
        _ => {}
    }
}

/// All below an open container is shown.
fn fill(node: &Value, at: String, places: &mut Places) {
    places.insert(at.clone(), (ScalarRule::Show, true));
    match node {
        Value::Array(array) => {
            array.iter().enumerate().for_each(|(index, element)| fill(element, format!("{at}/{index}"), places));
        }
        Value::Object(object) => {
            object.iter().for_each(|(name, member)| fill(member, format!("{at}/{name:?}"), places));
        }
        _ => {}
    }
}
