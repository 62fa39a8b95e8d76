//! Policies from fragments: an example says only what it is about, and a small valid base says the rest. The same for
//! what surrounds a policy.

use std::collections::BTreeMap;

const BASE: &str = include_str!("../../../tests/diagnostics/base.yaml");

/// A connection manager with nothing to be said of it.
const MANAGER: &str = include_str!("../../../tests/diagnostics/manager.yaml");

/// The files of a fragment, the root first in name order as `policy.yaml`.
///
/// Top-level sections of the fragment replace those of the base; the base's others follow, so lines of the fragment keep
/// their numbers. A fragment that starts with `# whole` is taken as it is. A line `# file: NAME` starts another file.
pub fn files(fragment: &str) -> BTreeMap<String, String> {
    let (root, others) = split(fragment);
    let mut text = root.to_owned();
    if !root.starts_with("# whole") {
        // A policy split over files says in those what the root then leaves out.
        complete(&mut text, BASE, |name| fragment.contains(&format!("\n{name}:")));
    }
    let mut files = BTreeMap::from([("policy.yaml".to_owned(), text)]);
    files.extend(others);
    files
}

/// The files of a deployment's fragment, the first as `envoy.yaml`.
///
/// One that starts with `# HttpConnectionManager` has fields of such a message, which replace those of a sound one. Any
/// other is taken as it is. A file named `policy.yaml` is the policy that the plugin has, as a fragment.
pub fn deployment(fragment: &str) -> BTreeMap<String, String> {
    let (root, others) = split(fragment);
    let mut text = root.to_owned();
    if root.starts_with("# HttpConnectionManager\n") {
        complete(&mut text, MANAGER, |_| false);
    }
    let mut files = BTreeMap::from([("envoy.yaml".to_owned(), text)]);
    files.extend(others);
    files
}

/// A fragment's first file, and its others by name.
fn split(fragment: &str) -> (&str, impl Iterator<Item = (String, String)>) {
    let mut parts = fragment.split("# file: ");
    let root = parts.next().unwrap_or_default();
    let others = parts.map(|part| {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        (name.trim().to_owned(), text.to_owned())
    });
    (root, others)
}

/// Adds the base's sections that the text does not have itself.
fn complete(text: &mut String, base: &str, elsewhere: impl Fn(&str) -> bool) {
    let own: Vec<String> = text.lines().filter_map(section).map(str::to_owned).collect();
    let mut skipped = false;
    for line in base.lines() {
        if let Some(name) = section(line) {
            skipped = own.iter().any(|own| own == name) || elsewhere(name);
        }
        if !skipped {
            text.push_str(line);
            text.push('\n');
        }
    }
}

/// The name of the top-level section that a line starts.
fn section(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name).filter(|name| !name.is_empty())
}
