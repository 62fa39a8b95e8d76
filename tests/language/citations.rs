//! Where the repository cites rules of the language: `rule 22`, `rules 3 and 4`, `rules 15 to 18`, `rules 8, 9`.

use std::fs;
use std::path::Path;

/// What is searched: files, and folders with all below them.
const PLACES: [&str; 13] = [
    "src",
    "crates",
    "tests",
    "docs",
    "policies",
    "envoy",
    "examples",
    "benches",
    "fuzz/fuzz_targets",
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
];

/// Every text file of the repository that may cite rules, by its path from the root.
pub(crate) fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for place in PLACES {
        collect(root, &root.join(place), &mut found);
    }
    found
}

fn collect(root: &Path, path: &Path, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        let mut entries: Vec<_> =
            fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        for entry in entries.iter().filter(|entry| entry.file_name().is_none_or(|name| name != "target")) {
            collect(root, entry, found);
        }
        return;
    }
    let known = ["rs", "md", "txt", "yaml", "yml", "json"];
    if path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| known.contains(&extension))
        && let Ok(text) = fs::read_to_string(path)
    {
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        found.push((name, text));
    }
}

/// The rules that a text cites, with the line of each.
pub(crate) fn cited(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some((after, plural)) = next(rest) {
            let (rules, behind) = list(after, plural);
            found.extend(rules.into_iter().map(|rule| (index + 1, rule)));
            rest = behind;
        }
    }
    found
}

/// The first citation of a line that is not a link.
pub(crate) fn bare(line: &str) -> Option<String> {
    let mut rest = line;
    while let Some((after, plural)) = next(rest) {
        // A link's text ends in `](#rule-22)`.
        let (rules, behind) = list(after, plural);
        match rules.first() {
            Some(rule) if !behind.starts_with("](") => return Some(rule.clone()),
            _ => rest = behind,
        }
    }
    None
}

/// What follows the next `rule ` or `rules ` of a line that a number follows, and whether it is the plural.
fn next(line: &str) -> Option<(&str, bool)> {
    let lower = line.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower[from..].find("rule") {
        let start = from + at;
        let alone = !lower[..start].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/'));
        let after = &line[start + 4..];
        let (after, plural) = match after.strip_prefix('s') {
            Some(after) => (after, true),
            None => (after, false),
        };
        if let Some(after) = after.strip_prefix(' ')
            && alone
            && after.starts_with(|c: char| c.is_ascii_digit())
        {
            return Some((after, plural));
        }
        from = start + 4;
    }
    None
}

/// The rules at the start of a text, and what follows them.
fn list(text: &str, plural: bool) -> (Vec<String>, &str) {
    let Some((first, mut rest)) = number(text) else { return (Vec::new(), text) };
    let mut rules = vec![first];
    // After `rule 9` a comma or `and` is the sentence's.
    let joints: &[&str] = if plural { &[" to ", "–", ", ", " and "] } else { &[] };
    while let Some((joint, after)) = joints.iter().find_map(|joint| Some((*joint, rest.strip_prefix(*joint)?))) {
        let Some((rule, behind)) = number(after) else { break };
        if matches!(joint, " to " | "–")
            && let (Ok(from), Ok(to)) = (rules[rules.len() - 1].parse::<u32>(), rule.parse::<u32>())
        {
            rules.extend((from + 1..to).map(|between| between.to_string()));
        }
        rules.push(rule);
        rest = behind;
    }
    (rules, rest)
}

fn number(text: &str) -> Option<(String, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 || digits > 2 {
        return None;
    }
    let letter = text[digits..].starts_with(['a', 'b']);
    let end = digits + usize::from(letter && !text[digits + 1..].starts_with(|c: char| c.is_alphanumeric()));
    Some((text[..end].to_owned(), &text[end..]))
}

#[test]
fn citations_are_read_as_they_are_written() {
    let rows = [
        ("of rule 22.", "22"),
        ("(rules 3 and 4)", "3 4"),
        ("(rules 15 to 18, 27)", "15 16 17 18 27"),
        ("(rules 15–18)", "15 16 17 18"),
        ("rule 34a and rule 34b", "34a 34b"),
        ("rule 9, 13 of them", "9"),
        ("Rules 9, 13, 15", "9 13 15"),
        ("rule 12abc", "12"),
        ("[rules 15](#rule-15) to [18](#rule-18)", "15"),
        ("#rule-18, overrule 3, rule x, rules of 3", ""),
    ];
    for (text, expected) in rows {
        let rules: Vec<String> = cited(text).into_iter().map(|(_, rule)| rule).collect();
        assert_eq!(rules.join(" "), expected, "{text}");
    }
}
