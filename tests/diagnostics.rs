//! What an author is told, word for word: rows of broken or doubtful policies, and of what surrounds them, with every
//! finding of each.
//!
//! `tests/diagnostics/*.txt` hold the rows, and `docs/diagnostics.md` the pages of the codes. `UPDATE_GOLDENS=1 cargo test
//! --test diagnostics` writes what is said now; the difference is for a reviewer to read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use fieldgate::diagnostic::catalogue::{self, Example};
use fieldgate::diagnostic::fix;
use fieldgate::diagnostic::{Code, Diagnostic, Diagnostics, Severity, Sources, Span};
use fieldgate::model::moment::Moment;
use fieldgate::policy;
use fieldgate_workbench::deployment;
use fieldgate_workbench::openapi::{self, WantedOperations, drift};

use fieldgate_testkit::fragments;

/// One row: `## claim`, the policy's fragment, `=>`, the findings.
struct Row {
    claim: String,
    fragment: String,
    says: String,
}

fn rows(text: &str) -> Vec<Row> {
    text.split("\n## ")
        .skip(1)
        .map(|part| {
            let (claim, rest) = part.split_once('\n').expect("a claim has a policy below it");
            let (fragment, says) = rest.split_once("\n=>").unwrap_or((rest, ""));
            Row {
                claim: claim.trim().to_owned(),
                fragment: format!("{}\n", fragment.trim_end_matches('\n')),
                says: says.trim().to_owned(),
            }
        })
        .collect()
}

/// What a row's file, or a page, has fragments of.
fn example(path: &Path) -> Example {
    if path.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("deployment")) {
        Example::Deployment
    } else {
        Example::Policy
    }
}

fn findings(example: Example, fragment: &str) -> Diagnostics {
    match example {
        Example::Policy => policy_findings(fragment),
        Example::Deployment => deployment_findings(fragment),
    }
}

fn deployment_findings(fragment: &str) -> Diagnostics {
    deployment_findings_of(fragments::deployment(fragment))
}

fn deployment_findings_of(mut files: BTreeMap<String, String>) -> Diagnostics {
    let policy = files.remove("policy.yaml").map(|fragment| {
        let files = fragments::files(&fragment);
        let doc = policy::load(&files, "policy.yaml").expect("the row's policy is read");
        (policy::check(&doc).expect("the row's policy checks").0, policy::digest(&doc))
    });
    let files: Vec<deployment::File<'_>> =
        files.iter().map(|(name, text)| deployment::File { name, bytes: text.as_bytes(), is_found: false }).collect();
    let reviewed = policy.iter().map(|(policy, digest)| deployment::Reviewed {
        name: "policy.yaml",
        policy,
        digest: digest.clone(),
    });
    deployment::check(&files, &reviewed.collect::<Vec<_>>())
}

fn policy_findings(fragment: &str) -> Diagnostics {
    policy_findings_of(&fragments::files(fragment))
}

fn policy_findings_of(files: &BTreeMap<String, String>) -> Diagnostics {
    let doc = match policy::load(files, "policy.yaml") {
        Ok(doc) => doc,
        Err(found) => return found,
    };
    let read =
        |name: &String| name == "openapi.yaml" || doc.sources().files().iter().any(|source| source.name == *name);
    let is_suite = |name: &String| name.ends_with(".test.yaml") || name.ends_with(".test.yml");
    let ignored = |text: &str| policy::FileKind::of("x.yaml", text.as_bytes()) == policy::FileKind::Ignored;
    if let Some((name, text)) = files.iter().find(|(name, text)| !read(name) && !is_suite(name) && !ignored(text)) {
        if policy::FileKind::of(name, text.as_bytes()) == policy::FileKind::Policy {
            return beside(&doc, files, name);
        }
        return policy::unread(name, text.as_bytes());
    }
    match (policy::check_at(&doc, Moment::parse("2026-12-01")), files.get("openapi.yaml")) {
        (Ok((policy, found)), Some(description)) => {
            let api = openapi::read("openapi.yaml", description, WantedOperations::default()).unwrap();
            let mut all = found.items().to_vec();
            all.extend(drift::drift(&api, "openapi.yaml", &policy, &doc));
            Diagnostics::new(all, doc.sources().clone())
        }
        (Ok((_, found)) | Err(found), _) => found,
    }
}

/// What a second policy of the directory is told because of the first, if anything.
fn beside(first: &policy::PolicyDoc, files: &BTreeMap<String, String>, name: &str) -> Diagnostics {
    let second = policy::load(files, name).expect("the row's second policy is read");
    let called = |doc: &policy::PolicyDoc| doc.root().get("policy").and_then(|node| node.text().map(str::to_owned));
    if called(first) == called(&second) {
        return policy::same_name(&second, "policy.yaml");
    }
    Diagnostics::new(Vec::new(), second.sources().clone())
}

fn place(sources: &Sources, span: Span) -> String {
    let location = sources.location(span).to_string();
    let source = sources.get(span.file).unwrap();
    let word = &source.text[span.start as usize..span.end as usize];
    let word = word.lines().next().unwrap_or_default();
    let short = ["policy.yaml:", "envoy.yaml:"].iter().find_map(|name| location.strip_prefix(name));
    format!("{} `{word}`", short.unwrap_or(&location))
}

fn said(found: &Diagnostics) -> String {
    let mut out = String::new();
    let sources = found.sources();
    for Diagnostic { code, message, span, here, labels, help, .. } in found.items() {
        let severity = code.severity();
        let place = span.map(|span| format!(" at {}", self::place(sources, span))).unwrap_or_default();
        writeln!(out, "{severity}[{code}]{place}: {message}").unwrap();
        if let Some(here) = here {
            writeln!(out, "  here: {here}").unwrap();
        }
        for label in labels {
            writeln!(out, "  see {}: {}", self::place(sources, label.span), label.text).unwrap();
        }
        if let Some(help) = help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    if out.is_empty() {
        out.push_str("nothing\n");
    }
    out
}

#[test]
fn every_row_says_what_its_golden_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut claims = BTreeSet::new();
    let mut wrong = String::new();
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "txt")) {
        let text = std::fs::read_to_string(path).unwrap();
        let head = text.split("\n## ").next().unwrap().to_owned();
        let mut rewritten = head;
        for row in rows(&text) {
            assert!(claims.insert(row.claim.clone()), "two rows claim: {}", row.claim);
            let said = said(&findings(example(path), &row.fragment));
            if said.trim() != row.says {
                writeln!(wrong, "{}: {}\n--- golden\n{}\n--- now\n{said}", path.display(), row.claim, row.says)
                    .unwrap();
            }
            write!(rewritten, "\n## {}\n{}=>\n{said}", row.claim, row.fragment).unwrap();
        }
        if update {
            std::fs::write(path, rewritten).unwrap();
        }
    }
    assert!(update || wrong.is_empty(), "{wrong}");
    assert!(claims.len() >= 100, "only {} rows", claims.len());
}

#[test]
fn the_base_that_fragments_stand_on_is_clean() {
    assert_eq!(said(&findings(Example::Policy, "")), "nothing\n");
    assert_eq!(said(&findings(Example::Deployment, "# HttpConnectionManager\n")), "nothing\n");
}

#[test]
fn every_error_and_warning_has_a_place_and_a_way_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        for row in rows(&std::fs::read_to_string(&path).unwrap()) {
            let found = findings(example(&path), &row.fragment);
            for item in found.items().iter().filter(|item| item.severity() != Severity::Note) {
                assert!(item.span.is_some(), "{}: {} has no place", row.claim, item.message);
                assert!(item.help.is_some(), "{}: {} has no help", row.claim, item.message);
            }
        }
    }
}

/// A text with each `rule 22` and `rules 1 and 2` as links to the language reference.
fn linked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("rule") {
        let word = if rest[at..].starts_with("rules ") { "rules " } else { "rule " };
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let Some(mut list) = after.strip_prefix(word).filter(|list| list.starts_with(|c: char| c.is_ascii_digit()))
        else {
            out.push_str("rule");
            rest = &after[4..];
            continue;
        };
        let mut lead = word;
        loop {
            let end = list.find(|c: char| !c.is_ascii_digit()).unwrap_or(list.len());
            let letter = list[end..].starts_with(['a', 'b']) && !list[end + 1..].starts_with(char::is_alphanumeric);
            let (number, behind) = list.split_at(end + usize::from(letter));
            match lead {
                "rule " => write!(out, "[rule {number}](language.md#rule-{number})").unwrap(),
                _ => write!(out, "{lead}[{number}](language.md#rule-{number})").unwrap(),
            }
            rest = behind;
            let next =
                ["–", " to ", ", ", " and "].into_iter().find_map(|joint| Some((joint, behind.strip_prefix(joint)?)));
            match next {
                Some((joint, next)) if word == "rules " && next.starts_with(|c: char| c.is_ascii_digit()) => {
                    (lead, list) = (joint, next);
                }
                _ => break,
            }
        }
    }
    out + rest
}

#[test]
fn rules_in_a_page_are_links_to_the_language() {
    let rows = [
        ("a level (rule 18), and", "a level ([rule 18](language.md#rule-18)), and"),
        ("(rules 1 and 2)", "(rules [1](language.md#rule-1) and [2](language.md#rule-2))"),
        ("rules 34a to 36.", "rules [34a](language.md#rule-34a) to [36](language.md#rule-36)."),
        ("a rule that holds, or rules, or `rule`", "a rule that holds, or rules, or `rule`"),
    ];
    for (text, expected) in rows {
        assert_eq!(linked(text), expected, "{text}");
    }
}

/// The catalogue as one page of Markdown.
fn reference() -> String {
    let mut out = String::from(
        "# Diagnostics\n\n\
         What `fieldgate check` says, code by code. A code never changes its meaning and is never used again.\n\n\
         An **error** keeps a policy from loading. A **warning** is about a policy that loads, but probably says something \
         other than its\nauthor means. A **note** is what a reviewer wants to know.\n\n\
         Examples are fragments: the sections that matter, of an otherwise valid policy. `fieldgate explain FG012` prints \
         the same on a\nterminal, and both are made from the program's own catalogue. Rules are those of the [language \
         reference](language.md).\n\n\
         Those from FG060 to FG105 and from FG159 to FG161 are about what surrounds a policy, which `fieldgate check --envoy FILE` looks at: there an error \
         is a threat that\nis open, a warning one that may be, and a fragment is a message or a resource, or some fields of \
         an `HttpConnectionManager`.\n\n\
         | code | weight | what |\n|---|---|---|\n",
    );
    // A `|` would end a table's cell, and `*` outside of code would be emphasis.
    let plain = |text: &str| text.replace('|', "\\|").replace('*', "\\*");
    for page in catalogue::pages() {
        let (code, severity) = (page.code, page.code.severity());
        let anchor = code.to_string().to_lowercase();
        writeln!(out, "| [{code}](#{anchor}) | {severity} | {} |", plain(page.title)).unwrap();
    }
    for page in catalogue::pages() {
        writeln!(
            out,
            "\n## {}\n\n**{}: {}**\n\n{}\n\n{}\n\nWrong:\n\n```yaml\n{}```\n\nRight:\n\n```yaml\n{}```",
            page.code,
            page.code.severity(),
            plain(page.title),
            linked(page.what),
            linked(page.why),
            page.wrong,
            page.right
        )
        .unwrap();
    }
    out.push_str(
        "\nNext: [the policy language](language.md) · [test suites](suites.md) · [design](design.md) · [back to the first \
         page](../README.md)\n",
    );
    out
}

#[test]
fn the_reference_page_is_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics.md");
    let reference = reference();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &reference).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == reference, "docs/diagnostics.md is not what the catalogue says: run with UPDATE_GOLDENS=1");
}

#[test]
fn every_code_has_a_page_whose_examples_hold() {
    let mut wrong = String::new();
    for code in Code::ALL {
        let Some(page) = catalogue::page(*code) else {
            writeln!(wrong, "{code} has no page").unwrap();
            continue;
        };
        let findings = |fragment: &str| findings(page.example, fragment);
        let yields = |fragment: &str| findings(fragment).items().iter().any(|item| item.code == *code);
        if !yields(page.wrong) {
            writeln!(wrong, "{code}: the wrong example says\n{}", said(&findings(page.wrong))).unwrap();
        }
        let right = findings(page.right);
        if yields(page.right) || right.has_errors() {
            writeln!(wrong, "{code}: the right example says\n{}", said(&right)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(catalogue::pages().len(), Code::ALL.len(), "one page for each code");
    assert_eq!(Code::parse("fg012"), Some(Code::UnknownClass));
    assert_eq!(Code::parse("FG999"), None);
    // As docs/diagnostics.md says.
    for page in catalogue::pages() {
        let is_around = (60..=105).contains(&page.code.number()) || (159..=161).contains(&page.code.number());
        assert_eq!(page.example == Example::Deployment, is_around, "{} is about what surrounds a policy", page.code);
    }
    let again: Vec<&Code> = Code::ALL.iter().filter(|code| Code::RETIRED.contains(&code.number())).collect();
    assert!(again.is_empty(), "{again:?} have numbers that meant something else once");
}

/// What is found, as sentences without what a change of place or of number alone alters.
fn sentences(found: &Diagnostics) -> BTreeSet<String> {
    found.items().iter().map(|item| format!("{} {}", item.code, item.message)).collect()
}

/// Rows in which one mistake hides another, which comes to light once the first is mended.
const HIDING: [(&str, &str); 2] =
    [("a budget's key starts with the client", "FG120"), ("levels and classes in capitals have near ones", "FG016")];

#[test]
fn every_help_that_says_what_to_write_mends_what_it_is_about_and_nothing_new_comes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut all: Vec<(String, Example, String)> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let rows = rows(&std::fs::read_to_string(&path).unwrap());
            all.extend(rows.into_iter().map(|row| (row.claim, example(&path), row.fragment)));
        }
    }
    all.extend(catalogue::pages().into_iter().map(|page| (page.code.to_string(), page.example, page.wrong.to_owned())));
    let (mut tried, mut wrong) = (0, String::new());
    for (claim, example, fragment) in all {
        let files = match example {
            Example::Policy => fragments::files(&fragment),
            Example::Deployment => fragments::deployment(&fragment),
        };
        let look = |files: &BTreeMap<String, String>| match example {
            Example::Policy => policy_findings_of(files),
            Example::Deployment => deployment_findings_of(files.clone()),
        };
        let found = look(&files);
        let before = sentences(&found);
        for item in found.items() {
            for fixed in fix::applied([(item, &**found.sources())]) {
                tried += 1;
                let mut files = files.clone();
                let Some(text) = files.get_mut(&fixed.name).filter(|text| **text == fixed.before) else {
                    writeln!(wrong, "{claim}: {} is none of the row's files", fixed.name).unwrap();
                    continue;
                };
                text.clone_from(&fixed.after);
                let after = sentences(&look(&files));
                let same = format!("{} {}", item.code, item.message);
                // Lints look at a policy only once it checks.
                let looked = !found.has_errors();
                let is_error = |sentence: &&String| {
                    Code::parse(&sentence[..5]).is_some_and(|code| code.severity() == Severity::Error)
                };
                let new: Vec<&String> = after.difference(&before).filter(|new| looked || is_error(new)).collect();
                let new: Vec<&&String> = new
                    .iter()
                    .filter(|new| !HIDING.iter().any(|(row, code)| *row == claim && new.starts_with(code)))
                    .collect();
                if after.contains(&same) || !new.is_empty() {
                    let help = item.help.as_deref().unwrap_or_default();
                    writeln!(
                        wrong,
                        "{claim}: {same}\n  help: {help}\n  still there: {}, new: {new:?}",
                        after.contains(&same)
                    )
                    .unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(tried >= 30, "only {tried} helps say what to write");
}
