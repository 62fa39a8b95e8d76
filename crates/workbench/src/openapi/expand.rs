//! Shapes within shapes: cutting rings and what grows too large, and writing out what is left.

use super::{Api, Field, Kind, Operation, Shape, Step, What};
use fieldgate::model::field_path::{FieldPath, Segment};

/// What shapes may come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Fields of one shape with all that it mounts.
    pub(super) fields: usize,
    /// Shapes within each other.
    pub(super) depth: usize,
}

#[derive(Clone, Copy)]
enum State {
    Fresh,
    Open,
    Done { fields: usize, depth: usize },
}

/// Cuts mounts until no shape holds itself and none comes to more than the limits.
pub(super) fn cut(shapes: &mut [Shape], limits: Limits) {
    let mut states = vec![State::Fresh; shapes.len()];
    for root in 0..shapes.len() {
        // An explicit stack of (shape, next field): a chain of schemas may be as long as the document.
        let mut stack = vec![(root, 0_usize)];
        if !matches!(states.get(root), Some(State::Fresh)) {
            continue;
        }
        set(&mut states, root, State::Open);
        while let Some((shape, next)) = stack.pop() {
            let Some(field) = shapes.get(shape).and_then(|shape| shape.fields.get(next)) else {
                let state = close(shapes, shape, &states, limits);
                set(&mut states, shape, state);
                continue;
            };
            stack.push((shape, next.saturating_add(1)));
            let What::Mount(inner) = field.what else { continue };
            match states.get(inner) {
                Some(State::Open) => {
                    let why = shapes.get(inner).map(|inner| format!("cut: `{}` holds itself", inner.name));
                    replace(shapes, shape, next, why.unwrap_or_default());
                }
                Some(State::Fresh) => {
                    set(&mut states, inner, State::Open);
                    stack.push((inner, 0));
                }
                _ => {}
            }
        }
    }
}

fn set(states: &mut [State], shape: usize, state: State) {
    if let Some(slot) = states.get_mut(shape) {
        *slot = state;
    }
}

fn replace(shapes: &mut [Shape], shape: usize, field: usize, why: String) {
    if let Some(field) = shapes.get_mut(shape).and_then(|shape| shape.fields.get_mut(field)) {
        field.what = What::Cut(why);
    }
}

/// What a shape comes to, all that it mounts being closed. The largest mounts go first.
fn close(shapes: &mut [Shape], shape: usize, states: &[State], limits: Limits) -> State {
    let done = |inner: usize| match states.get(inner) {
        Some(State::Done { fields, depth }) => (*fields, *depth),
        _ => (0, 0),
    };
    let mut own = 0_usize;
    let mut mounts: Vec<(usize, usize, usize, usize)> = Vec::new();
    for (index, field) in shapes.get(shape).map(|shape| shape.fields.as_slice()).unwrap_or_default().iter().enumerate()
    {
        match field.what {
            What::Mount(inner) => {
                let (fields, depth) = done(inner);
                mounts.push((fields, depth, index, inner));
            }
            _ => own = own.saturating_add(1),
        }
    }
    mounts.sort_unstable();
    let mut deepest = 0_usize;
    for (fields, depth, index, inner) in mounts {
        if own.saturating_add(fields) > limits.fields || depth >= limits.depth {
            let name = shapes.get(inner).map(|inner| inner.name.clone()).unwrap_or_default();
            replace(shapes, shape, index, format!("cut: `{name}` has {fields} fields below, too many to mount here"));
        } else {
            own = own.saturating_add(fields.max(1));
            deepest = deepest.max(depth);
        }
    }
    State::Done { fields: own, depth: deepest.saturating_add(1) }
}

/// What a body comes to.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    /// Scalars.
    pub(super) scalars: Vec<FieldPath>,
    /// What the description says of each of them.
    pub(super) kinds: Vec<Kind>,
    /// Places below which anything may be.
    pub(super) open: Vec<FieldPath>,
    /// Why, of those of which more than that is to be said.
    pub(super) why: Vec<(FieldPath, String)>,
}

/// Every place of an operation's bodies.
pub(super) fn of(api: &Api, operation: &Operation) -> Expanded {
    let mut expanded = Expanded::default();
    fields(api, &operation.body, &mut Vec::new(), &mut expanded);
    if operation.body.is_empty() {
        // What is not described may be anything.
        expanded.open.push(field_path(&[]));
        expanded.why.push((field_path(&[]), "no JSON body is described".to_owned()));
    }
    expanded
}

/// The path of a place, as the policy's own type.
pub(super) fn field_path(steps: &[Step]) -> FieldPath {
    let segments = steps.iter().map(|step| match step {
        Step::Member(name) => Segment::Member(name.as_str().into()),
        Step::Elements | Step::Members => Segment::Any,
    });
    FieldPath { segments: segments.collect(), open: false }
}

fn fields(api: &Api, list: &[Field], at: &mut Vec<Step>, expanded: &mut Expanded) {
    for field in list {
        let before = at.len();
        at.extend(field.steps.iter().cloned());
        match &field.what {
            What::Scalar(kind) => {
                expanded.scalars.push(field_path(at));
                expanded.kinds.push(kind.clone());
            }
            What::Free => expanded.open.push(field_path(at)),
            What::Cut(why) => {
                expanded.open.push(field_path(at));
                expanded.why.push((field_path(at), why.clone()));
            }
            What::Mount(inner) => {
                if let Some(shape) = api.shapes.get(*inner) {
                    fields(api, &shape.fields, at, expanded);
                }
            }
        }
        at.truncate(before);
    }
}
