//! Names for what a description has: of routes and shapes, as a policy takes them.

use super::suggest;

/// The last word of a reference: a schema's name.
pub(super) fn last_word(reference: &str) -> &str {
    let word = reference.rsplit(['/', '#']).find(|word| !word.is_empty()).unwrap_or(reference);
    // A schema that is a whole file has the file's name.
    if reference.contains('#') { word } else { word.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(word) }
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

/// `getAccountById` as `get-account-by-id`.
pub(super) fn kebab(text: &str) -> String {
    name_of(&suggest::words(text).join("-"))
}

/// The name, or the first of `name-2`, `name-3` … that is not taken.
pub(super) fn unique(stem: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(stem) {
        return stem.to_owned();
    }
    (2_usize..).map(|number| format!("{stem}-{number}")).find(|name| !taken(name)).unwrap_or_default()
}
