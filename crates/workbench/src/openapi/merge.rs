//! [`Merged`]: everything that may stand at one place, whatever way its schemas are put together.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::document::Document;
use super::family::{self, Families};
use super::names::last_word;
use super::{Kind, one_line};

/// Schemas looked at in one document: ten times what the largest public description has.
const MAX_LOOKS: usize = 20_000_000;

/// Schemas that are put together of schemas, within each other: a chain of references may be as long as the document, and
/// each is a call.
const MAX_NESTED: usize = 256;

/// Keywords that add what else may be at the same place: each is a schema, or a list or map of them. A condition (`if`) names
/// what it looks at, and `not` only what is not there.
const SAME_PLACE: [&str; 8] = ["allOf", "oneOf", "anyOf", "if", "then", "else", "dependentSchemas", "dependencies"];

/// Keywords that say what the elements of an array are.
const ELEMENTS: [&str; 5] = ["items", "prefixItems", "additionalItems", "unevaluatedItems", "contains"];

/// Keywords that say what members of any other name are.
const ENTRIES: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];

/// Keywords that refer to a schema.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// A place's schemas, merged.
#[derive(Default)]
pub(super) struct Merged<'d> {
    pub(super) scalar: Option<Kind>,
    pub(super) members: BTreeMap<&'d str, Vec<&'d Value>>,
    pub(super) order: Vec<&'d str>,
    pub(super) elements: Vec<&'d Value>,
    pub(super) entries: Vec<&'d Value>,
    /// An object or an array that does not say what it holds.
    pub(super) vague: bool,
    /// Members that are not named here are allowed expressly.
    pub(super) more: bool,
    /// Why not all of it is known: references that lead nowhere or back to a place above.
    pub(super) cut: BTreeSet<String>,
}

/// Where a merge is.
#[derive(Clone, Copy, Default)]
pub(super) struct At<'a> {
    /// References that lead to places above this one.
    pub(super) above: &'a [String],
    /// The schema whose parts these are.
    pub(super) owner: Option<&'a str>,
    /// Whether the schema is all that a reference leads to: its family is then known by that.
    pub(super) named: bool,
    depth: usize,
}

impl<'a> At<'a> {
    /// At the whole of a named schema, or at schemas without a name.
    pub(super) fn new(above: &'a [String], owner: Option<&'a str>) -> Self {
        Self { above, owner, named: owner.is_some(), depth: 0 }
    }
}

/// The schemas of a document, as far as they are looked at.
pub(super) struct Schemas<'d> {
    pub(super) document: &'d Document,
    pub(super) families: Families,
    left: Cell<usize>,
}

impl<'d> Schemas<'d> {
    pub(super) fn of(document: &'d Document) -> Self {
        Self { document, families: Families::of(document), left: Cell::new(MAX_LOOKS) }
    }

    /// Counts a look at a schema; whether there may be one more.
    pub(super) fn may_look(&self) -> bool {
        self.left.set(self.left.get().saturating_sub(1));
        self.left.get() > 0
    }

    /// Whether the document was too much to look at all of it.
    pub(super) fn are_too_many(&self) -> bool {
        self.left.get() == 0
    }

    /// Adds what a schema says of a place. `seen` are the references that are part of it already.
    pub(super) fn merge(&self, schema: &'d Value, merged: &mut Merged<'d>, seen: &mut BTreeSet<String>, at: At<'_>) {
        if at.depth > MAX_NESTED {
            merged.cut.insert("cut: it is put together of more schemas than are followed here".to_owned());
            return;
        }
        if !self.may_look() {
            return;
        }
        let Some(members) = schema.as_object() else {
            // `true`: anything. `false`: nothing.
            merged.vague |= schema == &Value::Bool(true);
            return;
        };
        let within = At { named: false, depth: at.depth.saturating_add(1), ..at };
        for reference in REFERENCES.iter().filter_map(|word| super::text_of(schema, word)) {
            self.follow(reference, merged, seen, within);
        }
        self.parts(members, merged, seen, within);
        if let Some(discriminator) = family::discriminator(schema).filter(|_| !at.named) {
            for target in family::mapping(discriminator) {
                self.follow(target, merged, seen, within);
            }
        }
        contents(members, merged);
        self.scalar(members, merged);
    }

    /// Adds the schemas within a schema that are of the same place.
    fn parts(
        &self,
        members: &'d Map<String, Value>,
        merged: &mut Merged<'d>,
        seen: &mut BTreeSet<String>,
        within: At<'_>,
    ) {
        for word in SAME_PLACE {
            match members.get(word) {
                Some(Value::Array(parts)) => parts.iter().for_each(|part| self.merge(part, merged, seen, within)),
                // Draft 7's `dependencies` may list names instead.
                Some(Value::Object(parts)) if matches!(word, "dependentSchemas" | "dependencies") => {
                    parts
                        .values()
                        .filter(|part| part.is_object())
                        .for_each(|part| self.merge(part, merged, seen, within));
                }
                Some(part @ Value::Object(_)) if !matches!(word, "allOf" | "oneOf" | "anyOf") => {
                    self.merge(part, merged, seen, within);
                }
                _ => {}
            }
        }
    }

    /// Adds what a reference leads to, and what may stand in its place.
    fn follow(&self, reference: &'d str, merged: &mut Merged<'d>, seen: &mut BTreeSet<String>, at: At<'_>) {
        if seen.contains(reference) {
            return;
        }
        if at.above.iter().any(|known| known == reference) {
            merged.cut.insert(format!("cut: it holds itself: {}", one_line(last_word(reference), 60)));
            return;
        }
        let Some(target) = self.document.target(reference) else {
            merged.cut.insert(self.document.why_not(reference));
            return;
        };
        seen.insert(reference.to_owned());
        let others = self.families.stands_for_others(reference, at.owner);
        let within = At { owner: Some(reference), named: true, ..at };
        self.merge(target, merged, seen, within);
        if others {
            for member in self.families.members(reference) {
                self.follow_member(member, merged, seen, within);
            }
        }
    }

    /// Adds a schema that may stand where another is named.
    pub(super) fn follow_member(&self, member: &str, merged: &mut Merged<'d>, seen: &mut BTreeSet<String>, at: At<'_>) {
        match self.document.target(member) {
            Some(target) if seen.insert(member.to_owned()) => {
                let depth = at.depth.saturating_add(1);
                self.merge(target, merged, seen, At { owner: Some(member), named: true, depth, ..at });
            }
            Some(_) => {}
            None => {
                merged.cut.insert(self.document.why_not(member));
            }
        }
    }

    /// Adds what a schema says of a scalar at its place.
    pub(super) fn scalar(&self, members: &Map<String, Value>, merged: &mut Merged<'d>) {
        let types: Vec<&str> = match members.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let values: Vec<&Value> =
            members.get("enum").and_then(Value::as_array).into_iter().flatten().chain(members.get("const")).collect();
        let listed = !values.is_empty() || members.contains_key("enum");
        let composed = says_containers(members) || REFERENCES.iter().any(|word| members.contains_key(*word));
        let bare = types.is_empty() && !composed;
        let format = members.get("format").and_then(Value::as_str).unwrap_or_default();
        let mut add = |base: &str| {
            let format = one_line(format, 40);
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
                "object" | "array" => merged.vague |= !composed,
                "null" => {}
                _ => merged.vague = true,
            }
        }
        // A value that is listed may be an object.
        merged.vague |= values.iter().any(|value| value.is_object() || value.is_array());
        if bare {
            if listed || !format.is_empty() || members.contains_key("pattern") {
                add("");
            } else if !members.contains_key("nullable") {
                merged.vague = true;
            }
        }
    }
}

/// Adds what a schema says of the members and elements of its place.
fn contents<'d>(members: &'d Map<String, Value>, merged: &mut Merged<'d>) {
    for (name, schema) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let known = merged.members.entry(name).or_default();
        if known.is_empty() {
            merged.order.push(name);
        }
        if !known.iter().any(|other| std::ptr::eq(*other, schema) || *other == schema) {
            known.push(schema);
        }
    }
    for word in ELEMENTS {
        match members.get(word) {
            Some(Value::Array(items)) => merged.elements.extend(items),
            Some(items @ (Value::Object(_) | Value::Bool(true))) => merged.elements.push(items),
            _ => {}
        }
    }
    for word in ENTRIES {
        match members.get(word) {
            Some(Value::Bool(true)) => merged.more = true,
            Some(Value::Object(inner)) if inner.is_empty() => merged.more = true,
            Some(entries @ Value::Object(_)) => merged.entries.push(entries),
            _ => {}
        }
    }
    merged
        .entries
        .extend(members.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values));
}

/// Whether a schema says anything of members, elements or alternatives itself.
pub(super) fn says_containers(members: &Map<String, Value>) -> bool {
    holds_containers(members) || SAME_PLACE.iter().any(|word| members.contains_key(*word))
}

/// Whether a schema says anything of members or elements itself.
pub(super) fn holds_containers(members: &Map<String, Value>) -> bool {
    [
        "properties",
        "patternProperties",
        "if",
        "then",
        "else",
        "dependentSchemas",
        "dependencies",
        "$dynamicRef",
        "$recursiveRef",
    ]
    .iter()
    .chain(&ELEMENTS)
    .chain(&ENTRIES)
    .any(|word| members.get(*word).is_some_and(|value| value != &Value::Bool(false)))
}
