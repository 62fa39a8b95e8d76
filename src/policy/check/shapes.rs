//! Shapes, and what they mount (rules 10 to 14, 18 to 23).

use std::collections::{HashMap, HashSet};

use super::classes::{Declared, class};
use super::forms::{self, Leaf};
use super::read::Reader;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Node, Tree};
use crate::model::field_path::FieldPath;

/// Most entries that one shape or route may come to, mounts resolved: each costs memory in every worker.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// Most places that a route's entries may come to, the containers on the way to them among them: a view that has not room for
/// the state of each refuses every response.
const MAX_PLACES: usize = 16_000;

/// Segments of a place's path, mounts included. No body has more containers open at once (rule 30).
pub(super) const MAX_DEPTH: usize = 64;

/// Most shapes mounted inside each other: a body has at most 64 containers open at once (rule 30).
pub(super) const MAX_MOUNTS: usize = 64;

/// What stands behind a path in a shape or a body.
pub(super) enum What {
    Leaf(Leaf),
    /// A shape, by its index.
    Mount(usize),
}

/// A path in a shape or a body.
pub(super) struct Field {
    pub(super) path: FieldPath,
    pub(super) span: Span,
    pub(super) what: What,
}

/// A shape as written, names resolved.
pub(super) struct Shape<'d> {
    pub(super) name: &'d str,
    pub(super) span: Span,
    pub(super) fields: Vec<Field>,
    /// Whether it holds itself, or another that does.
    pub(super) endless: bool,
}

/// A scalar place of an expanded shape or body.
pub(super) struct ScalarPlace<'s> {
    pub(super) path: FieldPath,
    /// Shape by index, and path within it, outermost first.
    pub(super) names: Vec<(usize, FieldPath)>,
    pub(super) leaf: &'s Leaf,
    pub(super) span: Span,
}

/// All shapes, in the order written; mounts are resolved, recursion is found.
pub(super) fn shapes<'d>(reader: &mut Reader, declared: Declared<'_>, node: Option<&'d Node>) -> Vec<Shape<'d>> {
    let Some(node) = node else { return Vec::new() };
    let members = reader.map(node, "`shapes`");
    let names: Vec<(&str, Span)> = members.iter().map(|member| (&*member.key, member.key_span)).collect();
    let mut shapes: Vec<Shape> = members
        .iter()
        .map(|member| {
            reader.name(&member.key, member.key_span, "shape");
            let what = format!("shape `{}`", member.key);
            let fields = fields(reader, declared, &names, &member.node, &what);
            Shape { name: &member.key, span: member.key_span, fields, endless: false }
        })
        .collect();
    recursion(reader, &mut shapes);
    shapes
}

/// The fields of a shape or a body: path to class, field or mount.
pub(super) fn fields(
    reader: &mut Reader,
    declared: Declared<'_>,
    shapes: &[(&str, Span)],
    node: &Node,
    what: &str,
) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut known: HashMap<FieldPath, Span> = HashMap::new();
    let members = reader.map(node, what);
    if members.is_empty() && node.members().is_some() {
        reader.push(
            Diagnostic::at(Code::MissingKey, node.span, format!("{what} names no field"))
                .help("name at least one: `$.name: class`"),
        );
    }
    for member in members {
        let path = reader.path(&member.key, member.key_span);
        let behind = self::what(reader, declared, shapes, &member.node, &member.key);
        let (Some(path), Some(behind)) = (path, behind) else {
            continue;
        };
        if path.open && matches!(behind, What::Mount(_)) {
            reader.push(
                Diagnostic::at(
                    Code::PathProfile,
                    member.key_span,
                    format!("field path `{}`: a shape is mounted at `..*`", member.key),
                )
                .help("mount it at a place: `$.name` or `$.name[*]`"),
            );
            continue;
        }
        if let Some(first) = known.get(&path) {
            reader.push(
                Diagnostic::at(
                    Code::DuplicateKey,
                    member.key_span,
                    format!("`{}` names a place that {what} names already", member.key),
                )
                .label(*first, "first here")
                .help("keep one of them; a field of two classes is `{class: [a, b]}`"),
            );
            continue;
        }
        known.insert(path.clone(), member.key_span);
        fields.push(Field { path, span: member.key_span, what: behind });
    }
    fields
}

/// What stands behind one path.
fn what(reader: &mut Reader, declared: Declared<'_>, shapes: &[(&str, Span)], node: &Node, path: &str) -> Option<What> {
    let classes = declared.classes;
    let what = format!("field `{path}`");
    match &node.value {
        Tree::Text { text, .. } => {
            if classes.iter().all(|class| class.name != **text)
                && let Some((name, span)) = shapes.iter().find(|(name, _)| *name == &**text)
            {
                reader.push(
                    Diagnostic::at(
                        Code::UnknownClass,
                        node.span,
                        format!("{what} has a class that does not exist: `{text}`"),
                    )
                    .label(*span, "a shape of that name")
                    .help(format!("write `{{shape: {name}}}` to mount the shape")),
                );
                return None;
            }
            if matches!(&**text, "show" | "mask" | "pseudonym" | "blank" | "hide")
                && classes.iter().all(|class| class.name != **text)
            {
                reader.push(
                    Diagnostic::at(Code::UnknownClass, node.span, format!("{what} has a level for a class: `{text}`"))
                        .help(format!("give it a class; a scope then grants that: `grant: {{CLASS: {text}}}`")),
                );
                return None;
            }
            let id = class(reader, classes, text, node.span, &format!("{what} has"))?;
            Some(What::Leaf(Leaf::new(vec![id])))
        }
        Tree::List(_) => {
            reader.push(
                Diagnostic::at(Code::WrongKind, node.span, format!("{what} is a list"))
                    .help("a field that needs several classes is `{class: [a, b]}`"),
            );
            None
        }
        Tree::Map(members) if members.iter().any(|member| &*member.key == "shape") => {
            let keys = reader.keys(node, "a mount", &["shape"]);
            let name = keys.get("shape")?;
            let text = reader.text(name, "`shape`")?;
            match shapes.iter().position(|(known, _)| *known == text) {
                Some(index) => Some(What::Mount(index)),
                None => {
                    let message = format!("{what} mounts a shape that does not exist: `{text}`");
                    let known = shapes.iter().copied();
                    reader.unknown(Code::UnknownName, name.span, message, text, known, "declare it under `shapes`");
                    None
                }
            }
        }
        Tree::Map(_) => forms::field(reader, declared, node, &what).map(What::Leaf),
        _ => {
            reader.push(
                Diagnostic::at(Code::WrongKind, node.span, format!("{what} is {}, not a class", node.kind()))
                    .help("write a class, `{class: …}` with forms, or `{shape: …}`"),
            );
            None
        }
    }
}

/// How far the walk is with a shape.
#[derive(Clone, Copy, PartialEq)]
enum VisitState {
    Fresh,
    Open,
    Done { endless: bool },
}

/// A walk along the mounts, depth first.
struct Walk<'a, 'd> {
    shapes: &'a [Shape<'d>],
    states: Vec<VisitState>,
    found: Vec<Diagnostic>,
}

impl Walk<'_, '_> {
    /// Visits by an explicit stack of (shape, next field): a chain of mounts may be as long as the policy.
    fn visit(&mut self, root: usize) {
        let mut stack = vec![(root, 0_usize, false)];
        self.set(root, VisitState::Open);
        while let Some((shape, next, endless)) = stack.pop() {
            let field = self.shapes.get(shape).and_then(|shape| shape.fields.get(next));
            let Some(field) = field else {
                self.set(shape, VisitState::Done { endless });
                if let Some(top) = stack.last_mut() {
                    top.2 |= endless;
                }
                continue;
            };
            let What::Mount(inner) = field.what else {
                stack.push((shape, next.saturating_add(1), endless));
                continue;
            };
            match self.states.get(inner).copied() {
                Some(VisitState::Open) => {
                    self.report(&stack, shape, inner, field.span);
                    stack.push((shape, next.saturating_add(1), true));
                }
                Some(VisitState::Done { endless: inner }) => {
                    stack.push((shape, next.saturating_add(1), endless || inner))
                }
                Some(VisitState::Fresh) => {
                    stack.push((shape, next.saturating_add(1), endless));
                    stack.push((inner, 0, false));
                    self.set(inner, VisitState::Open);
                }
                None => stack.push((shape, next.saturating_add(1), endless)),
            }
        }
    }

    fn set(&mut self, shape: usize, state: VisitState) {
        if let Some(slot) = self.states.get_mut(shape) {
            *slot = state;
        }
    }

    fn report(&mut self, stack: &[(usize, usize, bool)], last: usize, first: usize, span: Span) {
        let name = |index: usize| self.shapes.get(index).map_or("", |shape| shape.name);
        let mut ring: Vec<&str> =
            stack.iter().map(|(shape, ..)| *shape).skip_while(|shape| *shape != first).map(name).collect();
        ring.push(name(last));
        ring.push(name(first));
        ring.dedup();
        let message = if last == first {
            format!("shape `{}` mounts itself", name(first))
        } else {
            format!("shape `{}` mounts itself: {}", name(first), ring.join(" > "))
        };
        self.found.push(
            Diagnostic::at(Code::ShapeRecursion, span, message)
                .help("write the levels out that callers may see, or cover the rest with `..*`"),
        );
    }
}

/// Finds shapes that hold themselves, reports each ring once and marks all that lead into one.
fn recursion(reader: &mut Reader, shapes: &mut [Shape<'_>]) {
    let mut walk = Walk { states: vec![VisitState::Fresh; shapes.len()], shapes, found: Vec::new() };
    for root in 0..walk.states.len() {
        if walk.states.get(root) == Some(&VisitState::Fresh) {
            walk.visit(root);
        }
    }
    let Walk { states, found, .. } = walk;
    reader.found.extend(found);
    for (shape, state) in shapes.iter_mut().zip(states) {
        shape.endless = state == VisitState::Done { endless: true };
    }
}

/// Everything below a list of fields, mounts resolved.
#[derive(Default)]
pub(super) struct Expansion<'s> {
    pub(super) places: Vec<ScalarPlace<'s>>,
    /// Where each shape is mounted.
    pub(super) mounts: Vec<(usize, FieldPath)>,
    /// Whether it came to more than [`MAX_ENTRIES`], [`MAX_MOUNTS`] or [`MAX_PLACES`] and was left at that.
    pub(super) too_many: bool,
}

impl<'s> Expansion<'s> {
    /// The places of a route's body.
    pub(super) fn of_body(shapes: &'s [Shape<'_>], body: &'s [Field]) -> Self {
        let mut expansion = Self::default();
        expansion.fields(shapes, body, &[], &root());
        expansion.too_many |= expansion.branches();
        expansion
    }

    /// Whether the entries and the containers on the way to them are more than [`MAX_PLACES`].
    fn branches(&self) -> bool {
        let steps = self.places.iter().map(|place| place.path.segments.len()).fold(0, usize::saturating_add);
        if steps <= MAX_PLACES {
            return false;
        }
        let mut seen = HashSet::new();
        for place in &self.places {
            let segments = place.path.segments.as_slice();
            seen.extend((1..=segments.len()).filter_map(|length| segments.get(..length)));
            if seen.len() > MAX_PLACES {
                return true;
            }
        }
        false
    }

    /// The places of a shape, from its own root.
    pub(super) fn of_shape(shapes: &'s [Shape<'_>], shape: usize) -> Self {
        let mut expansion = Self::default();
        expansion.mount(shapes, shape, &mut Vec::new(), root());
        expansion
    }

    fn mount(&mut self, shapes: &'s [Shape<'_>], shape: usize, chain: &mut Vec<(usize, FieldPath)>, at: FieldPath) {
        let Some(found) = shapes.get(shape) else {
            return;
        };
        if found.endless || self.too_many {
            return;
        }
        if chain.len() >= MAX_MOUNTS {
            self.too_many = true;
            return;
        }
        self.mounts.push((shape, at.clone()));
        self.too_many |= self.mounts.len() > MAX_ENTRIES;
        chain.push((shape, root()));
        self.fields(shapes, &found.fields, chain, &at);
        chain.pop();
    }

    fn fields(&mut self, shapes: &'s [Shape<'_>], fields: &'s [Field], chain: &[(usize, FieldPath)], at: &FieldPath) {
        for field in fields {
            if self.too_many {
                return;
            }
            let names = chain.iter().map(|(shape, within)| (*shape, within.join(&field.path))).collect();
            match &field.what {
                What::Leaf(leaf) => {
                    self.places.push(ScalarPlace { path: at.join(&field.path), names, leaf, span: field.span });
                    let deep = self.places.last().is_some_and(|place| place.path.segments.len() > MAX_DEPTH);
                    self.too_many |= deep || self.places.len() > MAX_ENTRIES;
                }
                What::Mount(inner) => {
                    let mut deeper = names;
                    self.mount(shapes, *inner, &mut deeper, at.join(&field.path));
                }
            }
        }
    }
}

/// `$`.
fn root() -> FieldPath {
    FieldPath { segments: Vec::new(), open: false }
}
