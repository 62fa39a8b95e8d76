//! Schemas to shapes: which scalars a body may hold, and where.
//!
//! `allOf`, `oneOf`, `anyOf`, conditions and families are merged: a policy speaks of every form that a body may take. What a
//! reference names is a shape of its own, made once, so the work is bounded by the document and not by the paths through it;
//! rings of shapes are cut afterwards, since a policy has none (rule 10).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::document::Document;
use super::expand::{self, Limits};
use super::family;
use super::merge::{At, Merged, Schemas, holds_containers};
use super::names::{last_word, name_of, unique};
use super::{Field, Kind, Shape, Step, What, one_line};

/// Steps from a shape's root: a body has at most 64 containers open at once (rule 30).
const MAX_STEPS: usize = 24;

/// Places of one shape, its own ones.
const MAX_OWN: usize = 2_000;

/// Characters of a description that a comment repeats.
const MAX_ABOUT: usize = 100;

/// Makes shapes as schemas ask for them.
pub(super) struct Walker<'d> {
    schemas: Schemas<'d>,
    shapes: Vec<Draft<'d>>,
    known: HashMap<Key, usize>,
}

/// A named schema, and whether what may stand in its place is meant too.
type SchemaName = (String, bool);

/// What makes two places the same shape: the schemas, in order, and whether a scalar may stand there too.
type Key = (BTreeSet<SchemaName>, bool);

struct Draft<'d> {
    name: String,
    schemas: Vec<(&'d Value, SchemaName)>,
    scalar: Option<Kind>,
    fields: Vec<Field>,
}

/// The fields of one shape or body, each place once.
#[derive(Default)]
struct Fields {
    list: Vec<Field>,
    /// Where the entry of a place is in the list.
    entries: BTreeMap<Vec<Step>, usize>,
    /// Places with what is said of them beside an entry.
    remarks: BTreeSet<(Vec<Step>, String)>,
}

impl Fields {
    fn has(&self, steps: &[Step]) -> bool {
        self.entries.contains_key(&place_of(steps))
    }

    /// Adds what is at a place. A place has one entry: what does not fit beside it is said.
    fn add(&mut self, steps: &[Step], what: What, about: &str) {
        let place = place_of(steps);
        if let What::Cut(why) = &what {
            if self.remarks.insert((place, why.clone())) {
                self.list.push(Field { steps: steps.to_vec(), what, about: String::new() });
            }
            return;
        }
        let before = self.entries.get(&place).and_then(|index| self.list.get(*index)).map(|field| &field.what);
        match before {
            None => {
                self.entries.insert(place, self.list.len());
                self.list.push(Field { steps: steps.to_vec(), what, about: about.to_owned() });
            }
            Some(before) if *before == what => {}
            Some(_) => {
                let why = match what {
                    What::Free => "it may hold more than is named here",
                    What::Scalar(_) => "a scalar may be here too",
                    What::Mount(_) | What::Cut(_) => "another object may be here too",
                };
                self.add(steps, What::Cut(why.to_owned()), "");
            }
        }
    }
}

/// An array's elements and a map's members are one place to a policy.
fn place_of(steps: &[Step]) -> Vec<Step> {
    steps.iter().map(|step| if *step == Step::Members { Step::Elements } else { step.clone() }).collect()
}

impl<'d> Walker<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self { schemas: Schemas::of(document), shapes: Vec::new(), known: HashMap::new() }
    }

    /// The fields of a body that follows any of these schemas.
    pub(super) fn body(&mut self, schemas: &[&'d Value]) -> Vec<Field> {
        let mut fields = Fields::default();
        self.place(schemas, &mut Vec::new(), &mut fields, &mut Vec::new());
        fields.list
    }

    /// The shapes, and whether the document was too much to look at all of it.
    pub(super) fn finish(mut self, limits: Limits) -> (Vec<Shape>, bool) {
        let mut next = 0_usize;
        while let Some(draft) = self.shapes.get(next) {
            let (schemas, scalar) = (draft.schemas.clone(), draft.scalar.clone());
            let mut inlined: Vec<String> = schemas.iter().map(|(_, (reference, _))| reference.clone()).collect();
            let mut fields = Fields::default();
            let mut merged = Merged::default();
            let mut seen: BTreeSet<String> = inlined.iter().cloned().collect();
            match (scalar, schemas.as_slice()) {
                (Some(kind), _) => fields.add(&[], What::Scalar(kind), ""),
                (None, [(schema, (owner, _))]) => self.based(schema, Some(owner), &mut fields, &[], &mut seen),
                (None, _) => {}
            }
            for (schema, (reference, others)) in &schemas {
                let at = At::new(&[], Some(reference));
                self.schemas.merge(schema, &mut merged, &mut seen, at);
                let members: Vec<String> =
                    if *others { self.schemas.families.members(reference).cloned().collect() } else { Vec::new() };
                for member in members {
                    self.schemas.follow_member(&member, &mut merged, &mut seen, at);
                }
            }
            merged.scalar = None;
            self.below(merged, "", &mut Vec::new(), &mut fields, &mut inlined);
            if let Some(draft) = self.shapes.get_mut(next) {
                draft.fields = fields.list;
            }
            next = next.saturating_add(1);
        }
        let mut shapes: Vec<Shape> =
            self.shapes.into_iter().map(|draft| Shape { name: draft.name, fields: draft.fields }).collect();
        expand::cut(&mut shapes, limits);
        (shapes, self.schemas.are_too_many())
    }

    fn place(&mut self, schemas: &[&'d Value], at: &mut Vec<Step>, fields: &mut Fields, inlined: &mut Vec<String>) {
        if !self.schemas.may_look() {
            return;
        }
        if at.len() >= MAX_STEPS || fields.list.len() >= MAX_OWN {
            fields.add(at, What::Cut("cut: it goes deeper than is written out here".to_owned()), "");
            return;
        }
        let about = self.about(schemas);
        if let Some(shape) = self.mounted(schemas, None) {
            fields.add(at, What::Mount(shape), &about);
            return;
        }
        let mut merged = Merged::default();
        let mut seen = BTreeSet::new();
        if let [schema] = schemas {
            self.based(schema, None, fields, at, &mut seen);
        }
        for schema in schemas {
            self.schemas.merge(schema, &mut merged, &mut seen, At::new(inlined, None));
        }
        let before = inlined.len();
        inlined.extend(seen);
        self.below(merged, &about, at, fields, inlined);
        inlined.truncate(before);
    }

    fn below(
        &mut self,
        merged: Merged<'d>,
        about: &str,
        at: &mut Vec<Step>,
        fields: &mut Fields,
        inlined: &mut Vec<String>,
    ) {
        if let Some(kind) = &merged.scalar {
            fields.add(at, What::Scalar(kind.clone()), about);
        }
        for name in &merged.order {
            let Some(schemas) = merged.members.get(name) else { continue };
            at.push(Step::Member((*name).to_owned()));
            self.place(schemas, at, fields, inlined);
            at.pop();
        }
        // An array's elements and a map's members are one place, so they are looked at as one.
        let step = if merged.elements.is_empty() { Step::Members } else { Step::Elements };
        let inner: Vec<&'d Value> = merged.elements.iter().chain(&merged.entries).copied().collect();
        if !inner.is_empty() {
            at.push(step);
            self.place(&inner, at, fields, inlined);
            at.pop();
        }
        let holds = !merged.order.is_empty() || !inner.is_empty();
        let known = merged.scalar.is_some() || holds || fields.has(at);
        let cut = !merged.cut.is_empty();
        for why in merged.cut {
            fields.add(at, What::Cut(why), "");
        }
        if (merged.vague || merged.more) && known {
            fields.add(at, What::Cut("it may hold more than is named here".to_owned()), "");
        } else if !known && !cut {
            fields.add(at, What::Free, about);
        }
    }

    /// Mounts the first named object that a schema extends, so that what it shares is classified once.
    fn based(
        &mut self,
        schema: &'d Value,
        owner: Option<&str>,
        fields: &mut Fields,
        at: &[Step],
        seen: &mut BTreeSet<String>,
    ) {
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        for part in std::iter::once(schema).chain(parts) {
            let Some(reference) = super::text_of(part, "$ref").filter(|reference| !seen.contains(*reference)) else {
                continue;
            };
            let Some(named) = self.object(reference, owner) else { continue };
            let others = named.1;
            if let Some(shape) = self.shape(BTreeSet::from([named]), None) {
                fields.add(at, What::Mount(shape), "");
                seen.insert(reference.to_owned());
                if others {
                    seen.extend(self.schemas.families.members(reference).cloned());
                }
                return;
            }
        }
    }

    /// The shape of a place whose schemas are nothing but references to named objects, and scalars besides.
    fn mounted(&mut self, schemas: &[&'d Value], owner: Option<&str>) -> Option<usize> {
        let mut references = BTreeSet::new();
        let mut scalar = Merged::default();
        for schema in schemas {
            self.alternatives(schema, owner, &mut references, &mut scalar, 0)?;
        }
        if references.is_empty() || scalar.vague || !scalar.cut.is_empty() {
            return None;
        }
        self.shape(references, scalar.scalar)
    }

    fn shape(&mut self, references: BTreeSet<SchemaName>, scalar: Option<Kind>) -> Option<usize> {
        let key: Key = (references, scalar.is_some());
        if let Some(index) = self.known.get(&key) {
            return Some(*index);
        }
        let schemas: Option<Vec<(&'d Value, SchemaName)>> =
            key.0.iter().map(|named| Some((self.schemas.document.target(&named.0)?, named.clone()))).collect();
        let draft = Draft { name: self.name(&key.0), schemas: schemas?, scalar, fields: Vec::new() };
        let index = self.shapes.len();
        self.shapes.push(draft);
        self.known.insert(key, index);
        Some(index)
    }

    /// What a reference names, if that is an object with members of its own.
    fn object(&self, reference: &str, owner: Option<&str>) -> Option<SchemaName> {
        let target = self.schemas.document.target(reference)?;
        let others = self.schemas.families.stands_for_others(reference, owner);
        (others || self.is_object(target, &mut BTreeSet::from([reference.to_owned()]), 0))
            .then(|| (reference.to_owned(), others))
    }

    /// Takes a schema apart into references to objects and scalars; `None` if there is anything else to it.
    fn alternatives(
        &self,
        schema: &'d Value,
        owner: Option<&str>,
        references: &mut BTreeSet<SchemaName>,
        scalar: &mut Merged<'d>,
        depth: usize,
    ) -> Option<()> {
        if depth > 8 || !self.schemas.may_look() {
            return None;
        }
        let within = depth.saturating_add(1);
        let members = schema.as_object()?;
        if holds_containers(members) {
            return None;
        }
        let mut parts: Vec<&'d Value> = Vec::new();
        for word in ["oneOf", "anyOf", "allOf"] {
            parts.extend(members.get(word).and_then(Value::as_array).into_iter().flatten());
        }
        let several = members.get("allOf").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        let reference = super::text_of(schema, "$ref");
        if several || (reference.is_some() && !parts.is_empty()) {
            return None;
        }
        let mapped = family::discriminator(schema).into_iter().flat_map(family::mapping);
        for reference in reference.into_iter().chain(mapped) {
            match self.object(reference, owner) {
                Some(named) => {
                    references.insert(named);
                }
                None => {
                    let target = self.schemas.document.target(reference)?;
                    self.alternatives(target, owner, references, scalar, within)?;
                }
            }
        }
        self.schemas.scalar(members, scalar);
        for part in parts {
            if super::text_of(part, "type") != Some("null") {
                self.alternatives(part, owner, references, scalar, within)?;
            }
        }
        Some(())
    }

    /// Whether a schema is of an object with members of its own.
    fn is_object(&self, schema: &Value, seen: &mut BTreeSet<String>, depth: usize) -> bool {
        let Some(members) = schema.as_object().filter(|_| depth < 16 && self.schemas.may_look()) else { return false };
        let within = depth.saturating_add(1);
        let named = super::text_of(schema, "$ref").is_some_and(|reference| {
            seen.insert(reference.to_owned())
                && self.schemas.document.target(reference).is_some_and(|to| self.is_object(to, seen, within))
        });
        let has = |word: &str| members.get(word).and_then(Value::as_object).is_some_and(|map| !map.is_empty());
        named
            || ["properties", "patternProperties", "additionalProperties", "unevaluatedProperties"].into_iter().any(has)
            || ["allOf", "oneOf", "anyOf"].iter().any(|word| {
                let parts = members.get(*word).and_then(Value::as_array);
                parts.into_iter().flatten().any(|part| self.is_object(part, seen, within))
            })
    }

    /// The first description of a place's schemas, or of what they refer to.
    fn about(&self, schemas: &[&'d Value]) -> String {
        let said = schemas.iter().find_map(|schema| {
            super::text_of(schema, "description").or_else(|| {
                super::text_of(schema, "$ref")
                    .and_then(|reference| self.schemas.document.target(reference))
                    .and_then(|target| super::text_of(target, "description"))
            })
        });
        said.map(|said| one_line(said, MAX_ABOUT)).unwrap_or_default()
    }

    fn name(&self, references: &BTreeSet<SchemaName>) -> String {
        let mut names = references.iter().map(|(reference, others)| {
            let own = name_of(last_word(reference));
            // A schema that others extend, where those are not meant.
            let extended = !others && self.schemas.families.stands_for_others(reference, None);
            if extended { format!("{own}-base") } else { own }
        });
        let first = names.next().unwrap_or_default();
        // A policy's names have at most 128 bytes.
        let stem = match (names.next(), names.next()) {
            (None, _) => first,
            (Some(second), None) if first.len().saturating_add(second.len()) < 80 => format!("{first}-or-{second}"),
            _ => format!("{first}-or-others"),
        };
        unique(&stem, |name| self.shapes.iter().any(|shape| shape.name == name))
    }
}
