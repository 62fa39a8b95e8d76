//! The language reference, `docs/language.md`: every example of it is run on the core, every rule has one, and every rule
//! number that the repository cites is a rule of it.
//!
//! `UPDATE_GOLDENS=1 cargo test --test language` writes the key reference at its end from the JSON Schema.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod citations;
mod exchange;
mod page;
mod policy_keys;

use std::collections::BTreeSet;
use std::path::Path;

use fieldgate::diagnostic::{Code, Diagnostic, Severity, rules};
use fieldgate::model::Mask;
use fieldgate::policy;
use fieldgate_testkit::key_reference;
use page::{Block, PAGE};

/// Runs the examples of one rule: what is wrong with them.
fn run(rule: &str, blocks: &[Block], base: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    // What the last policy that loads says; before that, the base alone.
    let mut policy = base.to_owned();
    for (index, block) in blocks.iter().enumerate() {
        let place = format!("rule {rule}, block {}", index + 1);
        match block {
            Block::Policy { text, codes } => {
                let files = page::files(base, text);
                let found = policy::load(&files, "policy.yaml").and_then(|doc| policy::check(&doc));
                let found = match &found {
                    Ok((_, found)) | Err(found) => found,
                };
                let told: BTreeSet<String> = found.items().iter().map(|item| item.code.to_string()).collect();
                // A note is no fault of an example, nor is a section that it leaves unused; any other warning would be.
                let passed = |item: &&Diagnostic| item.severity() == Severity::Note || item.code == Code::Unused;
                let unnamed = found.items().iter().filter(|item| !passed(item));
                let unnamed: Vec<String> =
                    unnamed.map(|item| item.code.to_string()).filter(|code| !codes.contains(code)).collect();
                if !unnamed.is_empty() || codes.iter().any(|code| !told.contains(code)) {
                    wrong.push(format!("{place}: the page names {codes:?}, check says:\n{found}"));
                }
                if !found.has_errors() {
                    text.clone_into(&mut policy);
                }
            }
            Block::Exchanges(text) => {
                let faults = exchange::run(&page::files(base, &policy), text);
                wrong.extend(faults.into_iter().map(|fault| format!("{place}: {fault}")));
            }
        }
    }
    wrong
}

#[test]
fn every_example_of_the_reference_is_what_it_shows() {
    let page = page::read(PAGE);
    let mut wrong = Vec::new();
    for (rule, blocks) in &page.rules {
        wrong.extend(run(rule, blocks, &page.base));
    }
    wrong.extend(run("(introduction)", &page.introduction, &page.base));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_rule_is_there_in_order_and_has_an_example() {
    let page = page::read(PAGE);
    let mut expected: Vec<String> = (1..=41).map(|number| number.to_string()).collect();
    let after_34 = expected.iter().position(|rule| rule == "35").unwrap();
    expected.splice(after_34..after_34, ["34a".to_owned(), "34b".to_owned()]);
    let there: Vec<&str> = page.rules.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(there, expected);
    let without: Vec<&str> =
        page.rules.iter().filter(|(_, blocks)| blocks.is_empty()).map(|(rule, _)| rule.as_str()).collect();
    assert!(without.is_empty(), "rules without an example: {without:?}");
}

#[test]
fn explain_finds_each_rule_by_its_number() {
    for name in ["22", "rule 22", "rule22", "Rule 22", " rule  22 ", "rule 022"] {
        let found = rules::find(name).map(|rule| rule.name);
        assert_eq!(found, (name != "rule 022").then_some("22"), "{name}");
    }
    assert_eq!(rules::find("rule 34A").map(|rule| rule.name), Some("34a"));
    for name in ["", "rule", "rule 0", "rule 42", "rule 34c", "rule 22 23", "rules 22", "FG012", "get-account"] {
        assert!(rules::find(name).is_none(), "{name}");
    }
    let rule = rules::find("rule 24").unwrap();
    assert_eq!(rule.title, "blank and hide");
    assert!(rule.text.starts_with("`blank` gives the replacement value"), "{}", rule.text);
    assert!(!rule.text.contains("### "), "{}", rule.text);
    assert!(!rules::find("rule 37").unwrap().text.contains("## "), "a rule ends where the next section begins");
    assert!(
        !rules::find("rule 41").unwrap().text.contains("Key reference"),
        "a rule ends where the next section begins"
    );
}

#[test]
fn each_link_of_the_page_leads_to_a_heading() {
    let anchors: BTreeSet<String> =
        PAGE.lines().filter_map(|line| line.split_once("# ")).map(|(_, title)| page::anchor(title)).collect();
    let mut rest = PAGE;
    while let Some((_, after)) = rest.split_once("](#") {
        let (anchor, after) = after.split_once(')').unwrap();
        assert!(anchors.contains(anchor) || anchor == "keys", "no heading for #{anchor}");
        rest = after;
    }
    let unlinked = |line: &&str| citations::bare(line).is_some();
    let prose = page::prose(PAGE);
    let bare: Vec<&str> = prose.lines().filter(unlinked).filter(|line| !line.starts_with("### ")).collect();
    assert!(bare.is_empty(), "rule numbers without a link: {bare:#?}");
}

#[test]
fn every_rule_that_is_cited_exists() {
    let known: BTreeSet<String> = page::read(PAGE).rules.into_iter().map(|(rule, _)| rule).collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    // What tests that a rule does not exist has to cite it.
    let of_none = |file: &str| file.starts_with("tests/language") || file == "tests/cli/rules.txt";
    for (file, text) in citations::sources().into_iter().filter(|(file, _)| !of_none(file)) {
        for (line, rule) in citations::cited(&text) {
            seen += 1;
            if !known.contains(&rule) {
                wrong.push(format!("{file}:{line}: rule {rule}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no such rule in docs/language.md:\n{}", wrong.join("\n"));
    assert!(seen >= 500, "only {seen} citations were found");
}

#[test]
fn every_rule_is_cited_by_a_test() {
    let mut cited = BTreeSet::new();
    for (file, text) in citations::sources() {
        let tests = file.starts_with("tests/") || file.contains("/tests/");
        if tests && !file.starts_with("tests/language") {
            cited.extend(citations::cited(&text).into_iter().map(|(_, rule)| rule));
        }
    }
    let missing: Vec<String> =
        page::read(PAGE).rules.into_iter().map(|(rule, _)| rule).filter(|rule| !cited.contains(rule)).collect();
    assert!(missing.is_empty(), "rules that no file below tests/ cites: {missing:?}");
}

/// The names of a form at mask, as a policy writes it: `email`, or the keys of its map.
fn form_names(spelled: &str) -> String {
    let words = spelled.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 1);
    words.collect::<Vec<_>>().join(" ")
}

/// The lines of a page in blocks of YAML, and those of tables.
fn page_examples(text: &str) -> String {
    let mut in_yaml = false;
    let of_example = |line: &&str| {
        match *line {
            "```yaml" => in_yaml = true,
            "```" => in_yaml = false,
            _ => {}
        }
        in_yaml || line.starts_with('|')
    };
    text.lines().filter(of_example).map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_form_at_mask_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["docs/language.md", "policies/README.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        // In YAML, or as code in a table: prose that names a form is no example of it.
        let examples: String = page_examples(&text);
        let shown: BTreeSet<String> = examples
            .split("mask: ")
            .skip(1)
            .map(|rest| match rest.strip_prefix('{') {
                Some(map) => form_names(map.split('}').next().unwrap_or_default()),
                None => form_names(rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default()),
            })
            .collect();
        let missing: Vec<String> =
            Mask::EACH.iter().map(|form| form.spelled()).filter(|form| !shown.contains(&form_names(form))).collect();
        assert!(missing.is_empty(), "{page} has no example of `mask:` with {missing:?}");
    }
}

#[test]
fn the_key_reference_is_the_schema() {
    key_reference::check(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md"),
        include_str!("../../policies/fieldgate.v1.schema.json"),
        &policy_keys::POLICY,
        &page::read(PAGE).rules.iter().map(|(rule, _)| rule.as_str()).collect(),
    );
}
