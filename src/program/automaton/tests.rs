//! Filters that select in ever new combinations.

use serde_json::{Value, json};

use super::*;
use crate::caller::Caller;
use crate::program::{Program, View};

/// The view of a route whose elements have one field behind each of eight filters.
fn view() -> View {
    let fields: serde_json::Map<String, Value> =
        (0..8).map(|i| (format!("$.items[?@.f{i} == 1].v{i}.w"), json!("open"))).collect();
    let text = json!({"language": 1, "policy": "test",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "classes": {"open": {}},
        "routes": {"r": {"match": "GET /r", "area": "x", "body": fields}},
        "scopes": {"s": {"areas": ["x"], "grant": {"open": "show"}}}});
    let (policy, _) = crate::policy::from_json(text.to_string().as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let program = Program::new(policy, None).unwrap();
    let caller = Caller::new(program.policy(), "c", vec!["s".to_owned()], Value::Null);
    program.view(RouteId(0), &caller).unwrap()
}

/// An element for which the filters of these bits select.
fn element(bits: u32) -> Value {
    (0..8).map(|i| (format!("f{i}"), json!((bits >> i) & 1))).collect::<serde_json::Map<_, _>>().into()
}

/// The names that are visible below an element, with what is below each.
fn seen(view: &View, id: StateId) -> Vec<String> {
    let state = view.state(id);
    (0..8)
        .filter(|i| {
            let below = view.state(state.member(&format!("v{i}")));
            below.container == ContainerRule::Walk && view.state(below.member("w")).scalar == ScalarRule::Show
        })
        .map(|i| format!("v{i}"))
        .collect()
}

fn selected(bits: u32) -> Vec<String> {
    (0..8).filter(|i| (bits >> i) & 1 == 1).map(|i| format!("v{i}")).collect()
}

#[test]
fn every_combination_of_filters_has_a_state_of_its_own() {
    let view = view();
    let items = view.state(view.root()).member("items");
    for bits in (0..256).chain(0..256) {
        let id = view.select(items, PathStep::Element, &element(bits)).unwrap();
        assert_eq!(seen(&view, id), selected(bits), "{bits:b}");
    }
    let states = view.automaton.table.borrow().places.len();
    let copied = {
        let mut states = view.states();
        view.add_to(&mut states);
        view.add_to(&mut states);
        states.made.len() + states.added.len()
    };
    assert_eq!(states, copied, "each is copied once");
}

#[test]
fn a_full_view_refuses_what_is_new_and_goes_on_with_what_it_knows() {
    let made = view();
    let Ok(mut automaton) = Rc::try_unwrap(made.automaton) else { panic!("the program is gone") };
    let items = automaton.table.borrow().made[StateId::ROOT.index()].member("items");
    automaton.most = automaton.table.borrow().places.len() + 30;
    let view = View::new(Rc::new(automaton), ("c".into(), Rc::default()), None);
    let fits: Vec<u32> =
        (0..256).filter(|bits| view.select(items, PathStep::Element, &element(*bits)).is_some()).collect();
    assert!((2..40).contains(&fits.len()), "{}", fits.len());
    let known = view.automaton.table.borrow().places.len();
    for bits in (0..256).rev() {
        match view.select(items, PathStep::Element, &element(bits)) {
            Some(id) => {
                assert_eq!(seen(&view, id), selected(bits), "nothing of it is hidden for want of room: {bits:b}")
            }
            None => assert!(!fits.contains(&bits), "what was known stays known: {bits:b}"),
        }
    }
    let table = view.automaton.table.borrow();
    assert_eq!(
        (table.places.len(), table.len(), table.index.len()),
        (known, known, known),
        "nothing more is worked out"
    );
}
