//! [`Families`]: which schemas may stand where another is named. OpenAPI calls that a discriminator: by its `mapping`, or by
//! the schemas whose `allOf` names the one that has it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::Document;

/// Most schemas of one family.
const MAX_MEMBERS: usize = 2_000;

/// Most members of all families together: a chain of schemas, each of which extends the one before, has half the square of its
/// length. A family that comes after so many has only its mapping.
const MAX_ALL: usize = 200_000;

/// Schemas by reference, each with those that may stand where it is named.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// The schemas whose `allOf` names this one.
    children: BTreeMap<String, Vec<String>>,
    /// What may stand in its place: only of schemas with a discriminator, their own or one of what they extend.
    members: BTreeMap<String, BTreeSet<String>>,
}

impl Families {
    pub(super) fn of(document: &Document) -> Self {
        let mut families = Self::default();
        let mut open: BTreeSet<String> = BTreeSet::new();
        let mut mapped: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (reference, schema) in candidates(document) {
            for parent in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                if let Some(parent) = super::text_of(parent, "$ref") {
                    families.children.entry(parent.to_owned()).or_default().push(reference.clone());
                }
            }
            if let Some(discriminator) = discriminator(schema) {
                open.insert(reference.clone());
                mapped.entry(reference).or_default().extend(mapping(discriminator).map(str::to_owned));
            }
        }
        // What extends a schema with a discriminator is told apart by it too.
        let mut left: Vec<String> = open.iter().cloned().collect();
        while let Some(reference) = left.pop() {
            for child in families.children.get(&reference).into_iter().flatten() {
                if open.insert(child.clone()) {
                    left.push(child.clone());
                }
            }
        }
        let mut all = 0usize;
        for reference in open {
            let mut members = mapped.remove(&reference).unwrap_or_default();
            if all < MAX_ALL {
                members.extend(families.below(&reference));
            }
            all = all.saturating_add(members.len());
            members.remove(&reference);
            if !members.is_empty() {
                families.members.insert(reference, members);
            }
        }
        families
    }

    /// Every schema that extends this one, and what extends those.
    fn below(&self, reference: &str) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut left = vec![reference];
        while let Some(next) = left.pop() {
            for child in self.children.get(next).into_iter().flatten() {
                if found.len() < MAX_MEMBERS && found.insert(child.clone()) {
                    left.push(child);
                }
            }
        }
        found
    }

    /// What may stand where a schema is named, besides itself.
    pub(super) fn members(&self, reference: &str) -> impl Iterator<Item = &String> {
        self.members.get(reference).into_iter().flatten()
    }

    /// Whether naming a schema means its family too: it has one, and `owner`, the schema that names it, is none of it. What
    /// extends a schema has its members, and not those of what else extends it.
    pub(super) fn stands_for_others(&self, reference: &str, owner: Option<&str>) -> bool {
        self.members.get(reference).is_some_and(|members| !owner.is_some_and(|owner| members.contains(owner)))
    }
}

/// A schema's discriminator. A member of that name in `properties` is none.
pub(super) fn discriminator(schema: &Value) -> Option<&Value> {
    // Swagger 2.0 has the name of the member there.
    schema.get("discriminator").filter(|word| word.is_string() || word.get("propertyName").is_some())
}

/// The references of a discriminator's mapping.
pub(super) fn mapping(discriminator: &Value) -> impl Iterator<Item = &str> {
    discriminator
        .get("mapping")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|all| all.values())
        .filter_map(Value::as_str)
}

/// Every schema that has a name, by reference.
fn candidates(document: &Document) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (file, tree) in document.trees() {
        found.push((file.clone(), tree));
        for place in ["", "/components/schemas", "/definitions", "/$defs"] {
            for (name, schema) in tree.pointer(place).and_then(Value::as_object).into_iter().flatten() {
                let name = name.replace('~', "~0").replace('/', "~1");
                found.push((format!("{file}#{place}/{name}"), schema));
            }
        }
    }
    found
}
