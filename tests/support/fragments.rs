//! Policies from fragments: an example says only what it is about, and a small valid base says the rest.

use std::collections::BTreeMap;

const BASE: &str = include_str!("../diagnostics/base.yaml");

/// The files of a fragment, the root first in name order as `policy.yaml`.
///
/// Top-level sections of the fragment replace those of the base; the base's others follow, so lines of the fragment keep
/// their numbers. A fragment that starts with `# whole` is taken as it is. A line `# file: NAME` starts another file.
pub(crate) fn files(fragment: &str) -> BTreeMap<String, String> {
    let mut parts = fragment.split("# file: ");
    let root = parts.next().unwrap_or_default();
    let mut text = root.to_owned();
    if !root.starts_with("# whole") {
        let own: Vec<&str> = root.lines().filter_map(section).collect();
        let mut skipped = true;
        for line in BASE.lines() {
            if let Some(name) = section(line) {
                // A policy split over files says in those what the root then leaves out.
                skipped = own.contains(&name) || fragment.contains(&format!("\n{name}:"));
            }
            if !skipped {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    let mut files = BTreeMap::from([("policy.yaml".to_owned(), text)]);
    for part in parts {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        files.insert(name.trim().to_owned(), text.to_owned());
    }
    files
}

/// The name of the top-level section that a line starts.
fn section(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name).filter(|name| !name.is_empty())
}
