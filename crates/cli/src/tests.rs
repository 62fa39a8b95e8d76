//! What is written elsewhere about the command line is held against its definition.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop where it stands")]

use clap::Parser;

use super::Cli;

/// The command lines of a shell script's text that start with `fieldgate`, as words.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches(['#', '-', ' ']);
        let line = line.strip_prefix("run: ").unwrap_or(line).trim_start_matches("$ ");
        for part in line.split("||").flat_map(|part| part.split("&&")).map(str::trim) {
            if part.starts_with("fieldgate ") {
                let words = part.split_whitespace().map(|word| word.trim_matches('"').to_owned());
                found.push(words.take_while(|word| !word.starts_with(['>', '<', '|', '#'])).collect());
            }
        }
    }
    found
}

#[test]
fn the_recipe_for_continuous_integration_runs_commands_that_exist() {
    let recipe = include_str!("../../../policies/github-actions.yml");
    let lines = command_lines(recipe);
    for line in &lines {
        if let Err(error) = Cli::try_parse_from(line) {
            panic!("{}: {error}", line.join(" "));
        }
    }
    let verbs: Vec<&str> = lines.iter().filter_map(|line| line.get(1)).map(String::as_str).collect();
    for verb in ["check", "test", "diff", "matrix"] {
        assert!(verbs.contains(&verb), "the recipe runs no `{verb}`: {verbs:?}");
    }
    // Every mention in a script is one of those lines: none hides behind a word that the test does not know.
    let scripts = recipe.lines().filter(|line| line.contains("fieldgate check") || line.contains("fieldgate test"));
    let scripts = scripts
        .chain(recipe.lines().filter(|line| line.contains("fieldgate diff") || line.contains("fieldgate matrix")));
    assert_eq!(lines.len(), scripts.count());
    assert!(recipe.contains("--fail-on-gain") && recipe.contains("fetch-depth: 0"));
}

#[test]
fn what_is_rendered_has_the_gate_of_the_tested_bootstrap() {
    let gate = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| line.trim() != "- name: fieldgate.gate");
        lines.take(10).map(|line| line.trim().replace('\\', "")).collect()
    };
    let tested = gate(include_str!("../../../envoy/envoy.yaml"));
    assert!(tested.last().is_some_and(|line| line.starts_with("principals:")), "{tested:?}");
    assert_eq!(gate(include_str!("render/envoy.rs")), tested);
}

#[test]
fn the_definition_is_sound() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn a_cell_of_a_table_is_no_formula_and_stays_one_cell() {
    let cell = super::report::csv_cell;
    for (text, expected) in [
        ("ACC-1", "ACC-1"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("a,b", "\"a,b\""),
        ("say \"a\"", "\"say \"\"a\"\"\""),
    ] {
        assert_eq!(cell(text), expected);
    }
}

#[test]
fn each_reason_of_a_refusal_has_a_meaning() {
    let page = include_str!("../../../docs/suites.md");
    let (_, table) = page.split_once("<!-- reasons -->").expect("a table of reasons");
    let (table, _) = table.split_once("<!-- /reasons -->").expect("its end");
    let reasons: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(reasons.len() > 20, "{reasons:?}");
    for reason in reasons {
        assert!(fieldgate_workbench::preview::meaning(reason).is_some(), "{reason}");
    }
    assert_eq!(fieldgate_workbench::preview::meaning("json"), None);
}
