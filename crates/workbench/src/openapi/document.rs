//! [`Document`]: descriptions and the files beside them as trees, and what their references point at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::one_line;
use super::reference::{self, Absolute};
use crate::fault::Fault;
use fieldgate::document::yaml;
use fieldgate::policy::Files;

/// Largest description with the files beside it, in bytes. The largest public ones are under 20 MiB.
const MAX_BYTES: usize = 64 << 20;

/// Most files of one description: the largest public ones have under 2,000.
const MAX_FILES: usize = 4_000;

/// References that lead to references: none needs more.
const MAX_HOPS: usize = 32;

/// Descriptions as trees, with the files that they refer to.
///
/// References are read once, when a file is: in the trees each names its file from then on (`api/common.yaml#/Account`), so a
/// place can be followed without knowing where it stands.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The trees, by the files' keys ([`reference::key`]).
    files: BTreeMap<String, Value>,
    pub(super) roots: Vec<Root>,
    /// Why a file is not there.
    missing: BTreeMap<String, String>,
    /// What `$anchor`, `$id` and `$self` name, and where that is.
    names: HashMap<String, String>,
}

/// One description.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) file: String,
    pub(super) version: Version,
}

/// Which language it is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Swagger2,
    OpenApi3,
}

/// A value, and what it refers to, one after another; and the reference at which that ended, if it leads nowhere.
pub(super) struct Layers<'v> {
    layers: Vec<&'v Value>,
    pub(super) broken: Option<&'v str>,
}

impl<'v> Layers<'v> {
    /// A member, of the first that has it.
    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        self.layers.iter().find_map(|layer| layer.get(name))
    }

    /// A string member, of the first that has it.
    pub(super) fn text(&self, name: &str) -> Option<&'v str> {
        self.layers.iter().find_map(|layer| super::text_of(layer, name))
    }

    /// The members of all that are objects.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'v String, &'v Value)> {
        self.layers.iter().filter_map(|layer| layer.as_object()).flatten()
    }
}

impl Document {
    /// Reads descriptions in JSON or YAML, and the files below their directories that they refer to.
    ///
    /// # Errors
    /// When one cannot be read, is neither, or is no description of a version that is known. A file beside it that cannot be
    /// read is no error: each place that refers to it says so.
    pub fn load(files: &dyn Files, names: &[String]) -> Result<Self, Fault> {
        let mut document = Self::default();
        let mut left = MAX_BYTES;
        for name in names {
            let bytes = files.read(name).map_err(|error| {
                Fault::new(format!("cannot read {name}: {error}"), "check its name, and who may read it")
            })?;
            let root = tree(name, &text(name, bytes)?)?;
            let version = version(name, &root)?;
            let file = reference::key(name);
            document.roots.push(Root { file: file.clone(), version });
            document.take(files, file, root, &mut left);
        }
        Ok(document)
    }

    /// Adds a description's tree, and the files that it leads to.
    fn take(&mut self, files: &dyn Files, file: String, tree: Value, left: &mut usize) {
        let directory = reference::directory(&file).to_owned();
        let mut next = vec![(file, tree)];
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        loop {
            while let Some((file, mut tree)) = next.pop() {
                reference::rewrite(&mut tree, &file, &directory, &mut wanted);
                reference::names(&tree, &file, &mut self.names);
                self.files.insert(file, tree);
            }
            for file in std::mem::take(&mut wanted) {
                if self.files.contains_key(&file) || self.missing.contains_key(&file) {
                    continue;
                }
                match self.beside(files, &directory, &file, left) {
                    Ok(tree) => next.push((file, tree)),
                    Err(why) => {
                        self.missing.insert(file, why);
                    }
                }
            }
            if next.is_empty() {
                return;
            }
        }
    }

    /// The tree of a file beside a description.
    fn beside(&self, files: &dyn Files, directory: &str, file: &str, left: &mut usize) -> Result<Value, String> {
        if self.files.len().saturating_add(self.missing.len()) >= MAX_FILES {
            return Err(format!("the description is in more than {MAX_FILES} files"));
        }
        let name = reference::file_name(file);
        let bytes = files.read_named(&reference::file_name(directory), &name).map_err(|error| error.to_string())?;
        *left =
            left.checked_sub(bytes.len()).ok_or_else(|| format!("the files come to over {} MiB", MAX_BYTES >> 20))?;
        let read = text(&name, bytes).and_then(|text| tree(&name, &text));
        read.map_err(|fault| fault.message)
    }

    /// The tree of a description.
    pub(super) fn root(&self, root: &Root) -> &Value {
        self.files.get(&root.file).unwrap_or(&Value::Null)
    }

    /// The trees, with their files' keys.
    pub(super) fn trees(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.files.iter()
    }

    /// What a reference of these trees points at (RFC 6901); `None` if it leads nowhere.
    pub(super) fn target(&self, reference: &str) -> Option<&Value> {
        let found = |place: &str| {
            let (file, pointer) = place.split_once('#').unwrap_or((place, ""));
            let tree = self.files.get(file)?;
            if pointer.is_empty() || pointer.starts_with('/') { tree.pointer(pointer) } else { None }
        };
        found(reference).or_else(|| match self.names.get(reference) {
            Some(place) => found(place),
            None => {
                let (base, fragment) = reference.split_once('#')?;
                let place = self.names.get(base)?;
                match place.split_once('#') {
                    Some((file, pointer)) => found(&format!("{file}#{pointer}{fragment}")),
                    None => found(&format!("{place}#{fragment}")),
                }
            }
        })
    }

    /// Why a reference leads nowhere, in words that fit after a colon.
    pub(super) fn why_not(&self, reference: &str) -> String {
        let (file, _) = reference.split_once('#').unwrap_or((reference, ""));
        let said = one_line(&reference::shown(reference), 80);
        match (reference::refused(reference), self.missing.get(file)) {
            (Some(Absolute::Network), _) => {
                format!("`{said}` is elsewhere, and nothing is fetched: bundle the description to one file")
            }
            (Some(Absolute::Outside), _) => {
                format!("`{said}` is outside of the description's directory: bundle the description to one file")
            }
            (_, Some(why)) => format!("`{said}`: {}", one_line(why, 120)),
            _ => format!("the description refers to `{said}`, which is not in it"),
        }
    }

    /// The value, and what it refers to.
    pub(super) fn layers<'v>(&'v self, value: &'v Value) -> Layers<'v> {
        let mut layers = vec![value];
        let mut value = value;
        for _ in 0..MAX_HOPS {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Layers { layers, broken: None };
            };
            match self.target(reference) {
                Some(target) => {
                    value = target;
                    layers.push(target);
                }
                None => return Layers { layers, broken: Some(reference) },
            }
        }
        Layers { layers, broken: value.get("$ref").and_then(Value::as_str) }
    }
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Fault> {
    if bytes.len() > MAX_BYTES {
        return Err(Fault::new(
            format!("{name} is over {} MiB", MAX_BYTES >> 20),
            "cut it down to the paths that the proxy serves",
        ));
    }
    String::from_utf8(bytes).map_err(|_| Fault::new(format!("{name} is not UTF-8"), "save it as UTF-8"))
}

/// A JSON or YAML text as a tree; JSON by its first character.
fn tree(name: &str, text: &str) -> Result<Value, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '[']) || std::path::Path::new(name).extension().is_some_and(|e| e == "json")
    {
        return serde_json::from_str(text).map_err(|error| {
            Fault::new(
                format!("{name} is not JSON: line {}, column {}", error.line(), error.column()),
                "look at the line; a file that is YAML has a name that ends in `.yaml`",
            )
        });
    }
    yaml::value(text).map_err(|fault| Fault::new(format!("{name} is not YAML: {fault}"), "look at the line"))
}

fn version(name: &str, root: &Value) -> Result<Version, Fault> {
    let help = "OpenAPI 3.0, 3.1 and 3.2 and Swagger 2.0 can be read; for a sample of a body, use `--samples`";
    // YAML reads `swagger: 2.0` as a number.
    let said = |key: &str| match root.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    match (said("openapi"), said("swagger")) {
        (Some(version), _) if version.starts_with("3.") => Ok(Version::OpenApi3),
        (_, Some(version)) if version == "2.0" || version == "2" => Ok(Version::Swagger2),
        (Some(version), _) => {
            Err(Fault::new(format!("{name} is OpenAPI `{}`, which is not known", one_line(&version, 20)), help))
        }
        (_, Some(version)) => {
            Err(Fault::new(format!("{name} is Swagger `{}`, which is not known", one_line(&version, 20)), help))
        }
        (None, None) => {
            Err(Fault::new(format!("{name} is no API description: it has neither `openapi` nor `swagger`"), help))
        }
    }
}
