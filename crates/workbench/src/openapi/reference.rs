//! References: relative to the file they stand in (RFC 3986 §5), written so that each names its file.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

/// Keywords whose value is a reference: JSON Schema 2020-12 and 2019-09.
const WORDS: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// Marks a reference that is not followed; no file's key starts so.
const NETWORK: &str = "\u{1}";
const OUTSIDE: &str = "\u{2}";

/// Why a reference is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absolute {
    /// It is a URL.
    Network,
    /// Its file is not below the description's directory.
    Outside,
}

/// A file's key: its path with `/`, without `#`, which parts a file from what is in it.
pub(super) fn key(name: &str) -> String {
    name.replace('#', "%23")
}

/// The path of a key.
pub(super) fn file_name(key: &str) -> String {
    key.replace("%23", "#")
}

/// The directory of a key; empty for the current one.
pub(super) fn directory(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(directory, _)| if directory.is_empty() { "/" } else { directory })
}

/// Why a reference of a rewritten tree is not followed.
pub(super) fn refused(reference: &str) -> Option<Absolute> {
    if reference.starts_with(NETWORK) {
        return Some(Absolute::Network);
    }
    reference.starts_with(OUTSIDE).then_some(Absolute::Outside)
}

/// A reference of a rewritten tree, for people.
pub(super) fn shown(reference: &str) -> String {
    file_name(reference.trim_start_matches(['\u{1}', '\u{2}']))
}

/// Writes each reference of a file with the file that it leads to, and adds that to `wanted`. What leads out of `root`, the
/// directory of the description, is marked.
pub(super) fn rewrite(tree: &mut Value, file: &str, root: &str, wanted: &mut BTreeSet<String>) {
    let named: BTreeSet<String> = ["/components/schemas", "/definitions"]
        .iter()
        .filter_map(|place| tree.pointer(place).and_then(Value::as_object))
        .flat_map(|schemas| schemas.keys().cloned())
        .collect();
    let schemas = if tree.pointer("/components/schemas").is_some() { "components/schemas" } else { "definitions" };
    let rewriter = Rewriter { file, root, named, schemas };
    rewriter.value(tree, wanted);
}

struct Rewriter<'a> {
    file: &'a str,
    root: &'a str,
    /// The schemas of the file's components: a discriminator may name them without more.
    named: BTreeSet<String>,
    schemas: &'a str,
}

impl Rewriter<'_> {
    /// Bounded by the readers of JSON and YAML: neither nests deeper than 128.
    fn value(&self, value: &mut Value, wanted: &mut BTreeSet<String>) {
        match value {
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.value(element, wanted)),
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    let mapping = (name == "discriminator")
                        .then(|| member.get_mut("mapping").and_then(Value::as_object_mut))
                        .flatten();
                    if let Some(mapping) = mapping {
                        for target in mapping.values_mut() {
                            if let Value::String(text) = target {
                                *text = self.mapped(text, wanted);
                            }
                        }
                        continue;
                    }
                    match member {
                        Value::String(text) if WORDS.contains(&name.as_str()) => *text = self.absolute(text, wanted),
                        member => self.value(member, wanted),
                    }
                }
            }
            _ => {}
        }
    }

    /// What a discriminator's mapping names: a schema's name, or a reference.
    fn mapped(&self, text: &str, wanted: &mut BTreeSet<String>) -> String {
        if self.named.contains(text) {
            let name = text.replace('~', "~0").replace('/', "~1");
            return format!("{}#/{}/{name}", self.file, self.schemas);
        }
        self.absolute(text, wanted)
    }

    fn absolute(&self, reference: &str, wanted: &mut BTreeSet<String>) -> String {
        let (path, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let fragment = percent_decoded(fragment).unwrap_or_else(|| fragment.to_owned());
        let with = |file: &str| if fragment.is_empty() { file.to_owned() } else { format!("{file}#{fragment}") };
        if path.is_empty() {
            return with(self.file);
        }
        let first = path.split('/').next().unwrap_or_default();
        if path.starts_with("//") || first.contains(':') {
            return format!("{NETWORK}{reference}");
        }
        let decoded = percent_decoded(path.split('?').next().unwrap_or(path));
        let Some(file) = decoded.and_then(|path| joined(directory(self.file), &path)) else {
            return format!("{OUTSIDE}{reference}");
        };
        let below = match self.root {
            "" => !file.starts_with('/') && file != ".." && !file.starts_with("../"),
            "/" => file.starts_with('/'),
            root => file.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')),
        };
        if !below {
            return format!("{OUTSIDE}{reference}");
        }
        let file = key(&file);
        wanted.insert(file.clone());
        with(&file)
    }
}

/// A path below a directory, without `.` and `..`; `None` for one that is absolute, or holds what no path has.
fn joined(directory: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(['\\', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> =
        if directory.is_empty() { Vec::new() } else { directory.trim_end_matches('/').split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if !matches!(last, "" | "..") => {
                    parts.pop();
                }
                Some(&"") => return None,
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Adds what the file's `$anchor`, `$dynamicAnchor`, `$id` and `$self` name, and where that is.
pub(super) fn names(tree: &Value, file: &str, known: &mut HashMap<String, String>) {
    let mut left: Vec<(String, &Value)> = vec![(String::new(), tree)];
    while let Some((pointer, value)) = left.pop() {
        match value {
            Value::Object(members) => {
                let place = format!("{file}#{pointer}");
                for word in ["$anchor", "$dynamicAnchor"] {
                    if let Some(name) = super::text_of(value, word) {
                        known.entry(format!("{file}#{name}")).or_insert_with(|| place.clone());
                    }
                }
                for word in ["$id", "$self"] {
                    if let Some(name) = super::text_of(value, word) {
                        let name = name.trim_end_matches('#');
                        // What a reference to it is rewritten to.
                        known.entry(format!("{NETWORK}{name}")).or_insert_with(|| place.clone());
                        if let Some(file) = joined(directory(file), name) {
                            known.entry(file).or_insert_with(|| place.clone());
                        }
                    }
                }
                for (name, member) in members {
                    if member.is_object() || member.is_array() {
                        left.push((format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), member));
                    }
                }
            }
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    left.push((format!("{pointer}/{index}"), element));
                }
            }
            _ => {}
        }
    }
}

/// A URI's text (RFC 3986 §2.1).
fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = digit(bytes.next())?.checked_mul(16)?.checked_add(digit(bytes.next())?)?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out).ok()
}
