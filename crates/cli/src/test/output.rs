//! What a test run says: for people, and for machines.

use fieldgate::diagnostic::plain;
use fieldgate_workbench::suite::{Finding, FindingKind};
use serde_json::{Value, json};

use super::{Ran, Run, Standing, SuiteRan, TestFormat, broken_text};
use crate::report::{annotation, number, pretty};
use crate::terminal::{Ink, Terminal};

/// The run in the format asked for.
pub(super) fn render(run: &Run, format: TestFormat, coverage: bool, terminal: Terminal) -> String {
    match format {
        TestFormat::Human => human(run, coverage, terminal),
        TestFormat::Compact => compact(run),
        TestFormat::Json => pretty(&document(run)),
        TestFormat::Github => github(run),
        TestFormat::Junit => junit(run),
    }
}

struct Counts {
    passed: usize,
    failed: usize,
    void: usize,
    broken: usize,
}

fn counts(run: &Run) -> Counts {
    let rows = || run.suites.iter().flat_map(|suite| &suite.rows);
    let of = |standing| rows().filter(|row| row.standing() == standing).count();
    Counts {
        passed: of(Standing::Passed),
        failed: of(Standing::Failed),
        void: of(Standing::Void),
        broken: run.suites.iter().filter(|suite| suite.broken.is_some() || suite.unable.is_some()).count(),
    }
}

fn human(run: &Run, coverage: bool, terminal: Terminal) -> String {
    let mut text = String::new();
    for suite in &run.suites {
        text.push_str(&format!("{}\n", terminal.paint(Ink::Strong, &suite.name)));
        if let Some(diagnostics) = &suite.broken {
            text.push_str(&broken_text(diagnostics, terminal));
        }
        if let Some(why) = &suite.unable {
            text.push_str(&format!("  {} {why}\n", terminal.paint(Ink::Bad, "ERROR")));
        }
        for row in &suite.rows {
            text.push_str(&human_row(run, suite, row, terminal));
        }
    }
    text.push_str(&summary(run, coverage, terminal));
    text
}

fn human_row(run: &Run, suite: &SuiteRan, row: &Ran, terminal: Terminal) -> String {
    let dim = |text: &str| terminal.paint(Ink::Dim, text);
    match row.standing() {
        Standing::Passed => return format!("  {}    {}\n", terminal.paint(Ink::Good, "ok"), plain(&row.name)),
        Standing::Failed | Standing::Void => {}
    }
    let word = if row.standing() == Standing::Failed { "FAIL" } else { "ERROR" };
    let mut text = format!("  {:<5} {}   {}\n", terminal.paint(Ink::Bad, word), plain(&row.name), dim(&plain(&row.at)));
    for finding in &row.judgement.findings {
        let at = suite.sources.location(finding.span).to_string();
        match finding.kind {
            FindingKind::Void => {
                text.push_str(&format!(
                    "          {} {}   {}\n",
                    terminal.paint(Ink::Bad, "ERROR"),
                    plain(&finding.got),
                    dim(&at)
                ));
            }
            FindingKind::Unmet => {
                text.push_str(&format!(
                    "          {}   expected {}   got {}   {}\n",
                    plain(&finding.subject),
                    plain(&finding.expected),
                    plain(&finding.got),
                    dim(&at)
                ));
                for (line, place) in reasons(run, row, suite, finding) {
                    text.push_str(&format!("            {}   {}\n", plain(&line), dim(&plain(&place))));
                }
            }
        }
    }
    text
}

/// Why, line by line, with places.
fn reasons(run: &Run, row: &Ran, suite: &SuiteRan, finding: &Finding) -> Vec<(String, String)> {
    let policy = run.policies.get(row.policy);
    let mut lines: Vec<(String, String)> = finding
        .because
        .iter()
        .enumerate()
        .map(|(index, (line, span))| {
            let place = span
                .zip(policy)
                .map(|(span, policy)| policy.doc.sources().location(span).to_string())
                .unwrap_or_default();
            let lead = if index == 0 { "because  " } else { "         " };
            (format!("{lead}{line}"), place)
        })
        .collect();
    if let Some((line, span)) = &finding.perhaps {
        lines.push((format!("         {line}"), suite.sources.location(*span).to_string()));
    }
    lines
}

fn summary(run: &Run, coverage: bool, terminal: Terminal) -> String {
    let counts = counts(run);
    let total = counts.passed.saturating_add(counts.failed).saturating_add(counts.void);
    let mut parts = vec![terminal.paint(Ink::Good, &format!("{} passed", counts.passed))];
    if counts.failed > 0 {
        parts.push(terminal.paint(Ink::Bad, &format!("{} failed", counts.failed)));
    }
    if counts.void > 0 {
        parts.push(terminal.paint(Ink::Bad, &number(counts.void, "error")));
    }
    if counts.broken > 0 {
        parts.push(terminal.paint(Ink::Bad, &format!("{} not run", number(counts.broken, "suite"))));
    }
    let (asserted, all) = (run.asserted(), run.cells());
    let mut text = format!("{}: {}.", number(total, "test"), parts.join(", "));
    if all > 0 {
        let hint = if coverage || asserted == all { "" } else { " (--coverage lists the rest)" };
        text.push_str(&format!("   {asserted} of {all} scope-field cells asserted{hint}."));
    }
    text.push('\n');
    if coverage {
        for policy in &run.policies {
            for gap in policy.coverage.gaps(policy.program.policy()) {
                let client = gap.client.map(|client| format!(" for {}", plain(&client))).unwrap_or_default();
                text.push_str(&format!(
                    "  {}{client}  {}\n",
                    terminal.paint(Ink::Name, &plain(&gap.scope)),
                    plain(&gap.route)
                ));
                for field in gap.fields {
                    text.push_str(&format!("    {}\n", plain(&field)));
                }
            }
        }
    }
    text
}

/// One line for a finding, places left to the format.
fn sentence(finding: &Finding) -> String {
    match finding.kind {
        FindingKind::Void => finding.got.clone(),
        FindingKind::Unmet => format!("{}: expected {}, got {}", finding.subject, finding.expected, finding.got),
    }
}

fn compact(run: &Run) -> String {
    let mut text = String::new();
    for suite in &run.suites {
        if let Some(diagnostics) = &suite.broken {
            for line in diagnostics.lines() {
                text.push_str(&format!("{line}\n"));
            }
        }
        if let Some(why) = &suite.unable {
            text.push_str(&format!("{}: error: {why}\n", suite.name));
        }
        for row in &suite.rows {
            for finding in &row.judgement.findings {
                let at = suite.sources.location(finding.span);
                text.push_str(&format!("{at}: error: {}: {}\n", plain(&row.name), plain(&sentence(finding))));
            }
        }
    }
    text
}

fn document(run: &Run) -> Value {
    let mut tests = Vec::new();
    let mut broken = Vec::new();
    for suite in &run.suites {
        if let Some(diagnostics) = &suite.broken {
            broken.push(json!({"suite": suite.name, "diagnostics": diagnostics.lines().collect::<Vec<_>>()}));
        }
        if let Some(why) = &suite.unable {
            broken.push(json!({"suite": suite.name, "diagnostics": [why]}));
        }
        for row in &suite.rows {
            let findings: Vec<Value> = row
                .judgement
                .findings
                .iter()
                .map(|finding| {
                    let because: Vec<Value> = reasons(run, row, suite, finding)
                        .into_iter()
                        .map(|(line, place)| json!({"text": line.trim_start_matches("because").trim(), "at": place}))
                        .collect();
                    json!({
                        "at": suite.sources.location(finding.span).to_string(),
                        "subject": finding.subject,
                        "expected": finding.expected,
                        "got": finding.got,
                        "because": because,
                    })
                })
                .collect();
            let status = match row.standing() {
                Standing::Passed => "passed",
                Standing::Failed => "failed",
                Standing::Void => "error",
            };
            tests.push(
                json!({"suite": suite.name, "name": row.name, "at": row.at, "status": status, "findings": findings}),
            );
        }
    }
    let mut gaps = Vec::new();
    for policy in &run.policies {
        for gap in policy.coverage.gaps(policy.program.policy()) {
            gaps.push(json!({"scope": gap.scope, "client": gap.client, "route": gap.route, "fields": gap.fields}));
        }
    }
    let counts = counts(run);
    json!({
        "passed": counts.passed,
        "failed": counts.failed,
        "errors": counts.void,
        "assertions": run.assertions,
        "tests": tests,
        "broken": broken,
        "coverage": {
            "asserted": run.asserted(),
            "cells": run.cells(),
            "missing": gaps,
        },
    })
}

fn github(run: &Run) -> String {
    let mut text = String::new();
    for suite in &run.suites {
        for line in suite.broken.iter().flat_map(fieldgate::diagnostic::Diagnostics::lines).chain(suite.unable.clone())
        {
            text.push_str(&annotation("error", Some(&json!({"file": suite.name})), "the suite does not run", &line));
        }
        for row in &suite.rows {
            for finding in &row.judgement.findings {
                let location = suite.sources.location(finding.span);
                let place = match location.at {
                    fieldgate::diagnostic::Position::Line { line, column } => {
                        json!({"file": location.name, "line": line, "column": column})
                    }
                    fieldgate::diagnostic::Position::Pointer(_) => json!({"file": location.name}),
                };
                let because = reasons(run, row, suite, finding)
                    .into_iter()
                    .fold(sentence(finding), |text, (line, at)| format!("{text}\n{} {at}", line.trim()));
                text.push_str(&annotation("error", Some(&place), &row.name, &because));
            }
        }
    }
    text
}

fn junit(run: &Run) -> String {
    let counts = counts(run);
    let total = counts.passed.saturating_add(counts.failed).saturating_add(counts.void);
    let errors = counts.void.saturating_add(counts.broken);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"fieldgate\" tests=\"{}\" failures=\"{}\" errors=\"{errors}\">\n",
        total.saturating_add(counts.broken),
        counts.failed,
    );
    for suite in &run.suites {
        let of = |standing| suite.rows.iter().filter(|row| row.standing() == standing).count();
        let broken: Vec<String> = suite
            .broken
            .iter()
            .flat_map(fieldgate::diagnostic::Diagnostics::lines)
            .chain(suite.unable.clone())
            .collect();
        let lost = usize::from(!broken.is_empty());
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
            xml(&suite.name),
            suite.rows.len().saturating_add(lost),
            of(Standing::Failed),
            of(Standing::Void).saturating_add(lost),
        ));
        if !broken.is_empty() {
            text.push_str(&format!(
                "    <testcase name=\"the suite runs\" classname=\"{}\"><error message=\"the suite does not run\">{}</error></testcase>\n",
                xml(&suite.name),
                xml(&broken.join("\n")),
            ));
        }
        for row in &suite.rows {
            let open = format!("    <testcase name=\"{}\" classname=\"{}\"", xml(&row.name), xml(&suite.name));
            if row.judgement.findings.is_empty() {
                text.push_str(&format!("{open}/>\n"));
                continue;
            }
            text.push_str(&format!("{open}>\n"));
            let tag = if row.standing() == Standing::Failed { "failure" } else { "error" };
            let all: Vec<String> = row.judgement.findings.iter().map(sentence).collect();
            let mut detail = row.at.clone();
            for finding in &row.judgement.findings {
                detail.push_str(&format!("\n{}", sentence(finding)));
                for (line, at) in reasons(run, row, suite, finding) {
                    detail.push_str(&format!("\n  {} {at}", line.trim()));
                }
            }
            text.push_str(&format!(
                "      <{tag} message=\"{}\">{}</{tag}>\n    </testcase>\n",
                xml(&all.join("; ")),
                xml(&detail)
            ));
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// Text for XML 1.0: what it cannot hold (§2.2) becomes U+FFFD.
fn xml(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}
