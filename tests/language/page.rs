//! The page in its parts: rules, and the examples of each.

use std::collections::BTreeMap;

/// The page.
pub(crate) const PAGE: &str = include_str!("../../docs/language.md");

/// One example.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    /// A fragment of a policy, and the codes that the line below it names.
    Policy {
        /// The fragment.
        text: String,
        /// The codes.
        codes: Vec<String>,
    },
    /// Exchanges with the policy above.
    Exchanges(String),
}

/// The page.
pub(crate) struct Page {
    /// The policy that examples are fragments of.
    pub(crate) base: String,
    /// The examples before the first rule.
    pub(crate) introduction: Vec<Block>,
    /// Each rule's number, and its examples.
    pub(crate) rules: Vec<(String, Vec<Block>)>,
}

/// Reads a page.
pub(crate) fn read(text: &str) -> Page {
    let mut page = Page { base: String::new(), introduction: Vec::new(), rules: Vec::new() };
    let mut lines = text.lines().peekable();
    let mut outside = false;
    while let Some(line) = lines.next() {
        if let Some(rule) = line.strip_prefix("### Rule ") {
            page.rules.push((rule.to_owned(), Vec::new()));
            outside = false;
        } else if line.starts_with("## ") {
            outside = true;
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        let block = match info {
            "yaml base" => {
                page.base = body;
                continue;
            }
            "yaml" => {
                while lines.next_if(|line| line.is_empty()).is_some() {}
                let codes = lines.next_if(|line| line.starts_with("→ ")).map(codes).unwrap_or_default();
                Block::Policy { text: body, codes }
            }
            "http" => Block::Exchanges(body),
            _ => panic!("a block that is not run: {info}"),
        };
        match page.rules.last_mut() {
            Some((rule, _)) if outside => panic!("an example behind rule {rule} that belongs to no rule"),
            Some((_, blocks)) => blocks.push(block),
            None => page.introduction.push(block),
        }
    }
    page
}

/// The codes that a line links to.
fn codes(line: &str) -> Vec<String> {
    let codes: Vec<String> =
        line.split('[').skip(1).filter_map(|part| part.split_once(']')).map(|(code, _)| code.to_owned()).collect();
    let links: String = codes
        .iter()
        .map(|code| format!("[{code}](diagnostics.md#{})", code.to_lowercase()))
        .collect::<Vec<_>>()
        .join(", ");
    assert_eq!(line, format!("→ {links}"), "codes are links");
    codes
}

/// The page without its blocks of code and the code in its lines.
pub(crate) fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            out.extend(line.split('`').step_by(2));
            out.push('\n');
        }
    }
    out
}

/// The anchor that a heading gets.
pub(crate) fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The files of an example: a fragment's sections take the place of the base's. `# file: NAME` starts another file.
pub(crate) fn files(base: &str, fragment: &str) -> BTreeMap<String, String> {
    let mut parts = fragment.split("# file: ");
    let mut root = parts.next().unwrap_or_default().to_owned();
    let section = |line: &str| {
        let name = line.split_once(':')?.0.to_owned();
        (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).then_some(name)
    };
    let own: Vec<String> = fragment.lines().filter_map(section).collect();
    let mut kept = true;
    if fragment != base {
        for line in base.lines() {
            if let Some(name) = section(line) {
                kept = !own.contains(&name);
            }
            if kept {
                root.push_str(line);
                root.push('\n');
            }
        }
    }
    let mut files = BTreeMap::from([("policy.yaml".to_owned(), root)]);
    files.extend(parts.map(|part| {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        (name.trim().to_owned(), text.to_owned())
    }));
    files
}
