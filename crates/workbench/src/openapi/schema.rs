//! Schemas to shapes: which scalars a body may hold, and where.
//!
//! `allOf`, `oneOf` and `anyOf` are merged: a policy speaks of every form that a body may take. What a reference names is a
//! shape of its own, made once, so the work is bounded by the document and not by the paths through it; rings of
//! shapes are cut afterwards, since a policy has none (rule 10).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::document::Document;
use super::expand::{self, Limits};
use super::{Field, Kind, Shape, Step, What};

/// Places looked at in one document: a hundred times what the largest public description has.
const MAX_PLACES: usize = 2_000_000;

/// Steps from a shape's root: a body has at most 64 containers open at once (rule 30).
const MAX_STEPS: usize = 24;

/// Places of one shape, its own ones.
const MAX_OWN: usize = 2_000;

/// Schemas that are put together of schemas, within each other: a chain of references may be as long as the document, and
/// each is a call.
const MAX_NESTED: usize = 256;

/// Makes shapes as schemas ask for them.
pub(super) struct Walker<'d> {
    document: &'d Document,
    shapes: Vec<Draft<'d>>,
    known: HashMap<Key, usize>,
    left: usize,
}

/// What makes two places the same shape: the references, in order, and whether a scalar may stand there too.
type Key = (BTreeSet<String>, bool);

struct Draft<'d> {
    name: String,
    schemas: Vec<&'d Value>,
    references: BTreeSet<String>,
    scalar: Option<Kind>,
    fields: Vec<Field>,
}

/// A place's schemas, merged.
#[derive(Default)]
struct Merged<'d> {
    scalar: Option<Kind>,
    members: BTreeMap<&'d str, Vec<&'d Value>>,
    order: Vec<&'d str>,
    elements: Vec<&'d Value>,
    entries: Vec<&'d Value>,
    /// An object or an array that does not say what it holds.
    vague: bool,
    /// A reference that leads nowhere, out of the document or back to a place above.
    cut: Option<String>,
}

/// The fields of one shape or body, each place once.
#[derive(Default)]
struct Fields {
    list: Vec<Field>,
    known: BTreeSet<String>,
}

impl Fields {
    fn has(&self, steps: &[Step]) -> bool {
        self.list.iter().any(|field| field.steps == steps)
    }

    fn add(&mut self, steps: &[Step], what: What) {
        let field = Field { steps: steps.to_vec(), what };
        // An array's elements and a map's members are one place to a policy.
        if self.known.insert(field.path_text().replace(".*", "[*]")) {
            self.list.push(field);
        }
    }
}

impl<'d> Walker<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self { document, shapes: Vec::new(), known: HashMap::new(), left: MAX_PLACES }
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
            let mut inlined: Vec<String> = draft.references.iter().cloned().collect();
            let mut fields = Fields::default();
            if let Some(kind) = scalar {
                fields.add(&[], What::Scalar(kind));
            }
            let mut merged = Merged::default();
            let mut seen = BTreeSet::new();
            self.based(&schemas, &mut fields, &[], &mut seen);
            for schema in schemas {
                self.merge(schema, &mut merged, &mut seen, &[]);
            }
            merged.scalar = None;
            self.below(merged, &mut Vec::new(), &mut fields, &mut inlined);
            if let Some(draft) = self.shapes.get_mut(next) {
                draft.fields = fields.list;
            }
            next = next.saturating_add(1);
        }
        let mut shapes: Vec<Shape> =
            self.shapes.into_iter().map(|draft| Shape { name: draft.name, fields: draft.fields }).collect();
        expand::cut(&mut shapes, limits);
        (shapes, self.left == 0)
    }

    fn place(&mut self, schemas: &[&'d Value], at: &mut Vec<Step>, fields: &mut Fields, inlined: &mut Vec<String>) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return;
        }
        if at.len() >= MAX_STEPS || fields.list.len() >= MAX_OWN {
            fields.add(at, What::Cut("it goes deeper than is written out here".to_owned()));
            return;
        }
        if let Some(shape) = self.mounted(schemas) {
            fields.add(at, What::Mount(shape));
            return;
        }
        let mut merged = Merged::default();
        let mut seen = BTreeSet::new();
        self.based(schemas, fields, at, &mut seen);
        for schema in schemas {
            self.merge(schema, &mut merged, &mut seen, inlined);
        }
        let before = inlined.len();
        inlined.extend(seen);
        self.below(merged, at, fields, inlined);
        inlined.truncate(before);
    }

    fn below(&mut self, merged: Merged<'d>, at: &mut Vec<Step>, fields: &mut Fields, inlined: &mut Vec<String>) {
        if let Some(kind) = &merged.scalar {
            fields.add(at, What::Scalar(kind.clone()));
        }
        let mut empty = merged.scalar.is_none() && !fields.has(at);
        for name in &merged.order {
            let Some(schemas) = merged.members.get(name) else { continue };
            empty = false;
            at.push(Step::Member((*name).to_owned()));
            self.place(schemas, at, fields, inlined);
            at.pop();
        }
        for (step, schemas) in [(Step::Elements, &merged.elements), (Step::Members, &merged.entries)] {
            if !schemas.is_empty() {
                empty = false;
                at.push(step);
                self.place(schemas, at, fields, inlined);
                at.pop();
            }
        }
        if let Some(why) = merged.cut {
            fields.add(at, What::Cut(why));
        } else if empty || (merged.vague && merged.scalar.is_none() && merged.order.is_empty() && !fields.has(at)) {
            fields.add(at, What::Free);
        }
    }

    /// Mounts the first named object of an `allOf` with more to it, so that what it shares is classified once.
    fn based(&mut self, schemas: &[&'d Value], fields: &mut Fields, at: &[Step], seen: &mut BTreeSet<String>) {
        let [schema] = schemas else { return };
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(reference), Some(shape)) = (text(part, "$ref"), self.mounted(&[part])) {
                fields.add(at, What::Mount(shape));
                seen.insert(reference.to_owned());
                return;
            }
        }
    }

    /// The shape of a place whose schemas are nothing but references to named objects, and scalars besides.
    fn mounted(&mut self, schemas: &[&'d Value]) -> Option<usize> {
        let mut references = BTreeSet::new();
        let mut scalar = Merged::default();
        for schema in schemas {
            self.alternatives(schema, &mut references, &mut scalar, 0)?;
        }
        if references.is_empty() {
            return None;
        }
        let key: Key = (references, scalar.scalar.is_some());
        if let Some(index) = self.known.get(&key) {
            return Some(*index);
        }
        let targets: Option<Vec<&'d Value>> = key.0.iter().map(|reference| self.document.target(reference)).collect();
        let draft = Draft {
            name: self.name(&key.0),
            schemas: targets?,
            references: key.0.clone(),
            scalar: scalar.scalar,
            fields: Vec::new(),
        };
        let index = self.shapes.len();
        self.shapes.push(draft);
        self.known.insert(key, index);
        Some(index)
    }

    /// Takes a schema apart into references to objects and scalars; `None` if there is anything else to it.
    fn alternatives(
        &self,
        schema: &'d Value,
        references: &mut BTreeSet<String>,
        scalar: &mut Merged<'d>,
        depth: usize,
    ) -> Option<()> {
        if depth > 8 {
            return None;
        }
        let members = schema.as_object()?;
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            let target = self.document.target(reference)?;
            if self.is_object(target, &mut BTreeSet::from([reference.to_owned()]), 0) {
                references.insert(reference.to_owned());
                return Some(());
            }
            return self.alternatives(target, references, scalar, depth.saturating_add(1));
        }
        let mut parts = Vec::new();
        for word in ["oneOf", "anyOf", "allOf"] {
            parts.extend(members.get(word).and_then(Value::as_array).into_iter().flatten());
        }
        let several = members.get("allOf").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        if several || holds_containers(members) {
            return None;
        }
        if parts.is_empty() {
            self.merge(schema, scalar, &mut BTreeSet::new(), &[]);
            return (!scalar.vague).then_some(());
        }
        for part in parts {
            if text(part, "type") != Some("null") {
                self.alternatives(part, references, scalar, depth.saturating_add(1))?;
            }
        }
        Some(())
    }

    /// Whether a schema is of an object with members of its own.
    fn is_object(&self, schema: &Value, seen: &mut BTreeSet<String>, depth: usize) -> bool {
        let Some(members) = schema.as_object().filter(|_| depth < 16) else { return false };
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            return seen.insert(reference.to_owned())
                && self.document.target(reference).is_some_and(|to| self.is_object(to, seen, depth.saturating_add(1)));
        }
        let has = |word: &str| members.get(word).and_then(Value::as_object).is_some_and(|map| !map.is_empty());
        has("properties")
            || has("additionalProperties")
            || ["allOf", "oneOf", "anyOf"].iter().any(|word| {
                let parts = members.get(*word).and_then(Value::as_array);
                parts.into_iter().flatten().any(|part| self.is_object(part, seen, depth.saturating_add(1)))
            })
    }

    /// Adds what a schema says of a place, whatever way it is put together.
    fn merge(&self, schema: &'d Value, merged: &mut Merged<'d>, seen: &mut BTreeSet<String>, above: &[String]) {
        self.merge_within(schema, merged, seen, above, 0);
    }

    fn merge_within(
        &self,
        schema: &'d Value,
        merged: &mut Merged<'d>,
        seen: &mut BTreeSet<String>,
        above: &[String],
        depth: usize,
    ) {
        if depth > MAX_NESTED {
            merged.cut = Some("it is put together of more schemas than are followed here".to_owned());
            return;
        }
        let within = depth.saturating_add(1);
        let Some(members) = schema.as_object() else {
            // `true`: anything. `false`: nothing.
            merged.vague |= schema == &Value::Bool(true);
            return;
        };
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            if above.iter().any(|known| known == reference) {
                merged.cut = Some(format!("it holds itself: {}", super::one_line(last_word(reference), 60)));
            } else if seen.insert(reference.to_owned()) {
                match self.document.target(reference) {
                    Some(target) => self.merge_within(target, merged, seen, above, within),
                    None => {
                        merged.cut = Some(format!(
                            "the description refers to `{}`, which is not in it",
                            super::one_line(reference, 80)
                        ));
                    }
                }
            }
        }
        for word in ["allOf", "oneOf", "anyOf"] {
            for part in members.get(word).and_then(Value::as_array).into_iter().flatten() {
                self.merge_within(part, merged, seen, above, within);
            }
        }
        for (name, schema) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let known = merged.members.entry(name).or_default();
            if known.is_empty() {
                merged.order.push(name);
            }
            if !known.iter().any(|other| std::ptr::eq(*other, schema) || *other == schema) {
                known.push(schema);
            }
        }
        match members.get("items") {
            Some(Value::Array(items)) => merged.elements.extend(items),
            Some(Value::Bool(false)) | None => {}
            Some(items) => merged.elements.push(items),
        }
        merged.elements.extend(members.get("prefixItems").and_then(Value::as_array).into_iter().flatten());
        if let Some(schema @ Value::Object(inner)) = members.get("additionalProperties") {
            if inner.is_empty() { merged.vague = true } else { merged.entries.push(schema) }
        }
        merged
            .entries
            .extend(members.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values));
        self.scalar(members, merged);
    }

    fn scalar(&self, members: &Map<String, Value>, merged: &mut Merged<'d>) {
        let types: Vec<&str> = match members.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let listed = members.contains_key("enum") || members.contains_key("const");
        let composed =
            ["$ref", "allOf", "oneOf", "anyOf", "properties", "items", "additionalProperties", "patternProperties"];
        let bare = types.is_empty() && !composed.iter().any(|word| members.contains_key(*word));
        let format = members.get("format").and_then(Value::as_str).unwrap_or_default();
        let mut add = |base: &str| {
            let format = super::one_line(format, 40);
            let kind = merged.scalar.get_or_insert_with(|| Kind { base: base.to_owned(), format, listed });
            if kind.base != base && !base.is_empty() {
                kind.base = String::new();
            }
        };
        for name in &types {
            match *name {
                "string" | "boolean" => add(name),
                "number" | "integer" => add("number"),
                // Swagger 2.0's file is a string of bytes.
                "file" => add("string"),
                "object" | "array" => {
                    merged.vague |= !["properties", "items", "additionalProperties", "allOf", "oneOf", "anyOf"]
                        .iter()
                        .any(|word| members.contains_key(*word));
                }
                _ => {}
            }
        }
        if bare {
            if listed || !format.is_empty() || members.contains_key("pattern") {
                add("");
            } else if types.is_empty() && !members.contains_key("nullable") {
                merged.vague = true;
            }
        }
    }

    fn name(&self, references: &BTreeSet<String>) -> String {
        let mut names = references.iter().map(|reference| name_of(last_word(reference)));
        let first = names.next().unwrap_or_default();
        // A policy's names have at most 128 bytes.
        let stem = match (names.next(), names.next()) {
            (None, _) => first,
            (Some(second), None) if first.len().saturating_add(second.len()) < 80 => format!("{first}-or-{second}"),
            _ => format!("{first}-or-others"),
        };
        super::operation::unique(&stem, |name| self.shapes.iter().any(|shape| shape.name == name))
    }
}

/// Whether a schema says anything of members or elements itself.
fn holds_containers(members: &Map<String, Value>) -> bool {
    ["properties", "items", "prefixItems", "additionalProperties", "patternProperties"]
        .iter()
        .any(|word| members.get(*word).is_some_and(|value| !value.is_boolean()))
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    super::text_of(value, name)
}

/// The last word of a reference: a schema's name.
fn last_word(reference: &str) -> &str {
    reference.rsplit('/').find(|word| !word.is_empty()).unwrap_or(reference)
}

/// A name that a policy takes (letters, digits, `-`, `_`, `.`).
pub(super) fn name_of(text: &str) -> String {
    let text = text.replace("~1", "/").replace("~0", "~");
    let name: String = text
        .chars()
        .take(80)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}
