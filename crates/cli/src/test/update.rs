//! `--update`: what came out becomes what is expected, after the difference was shown.

use std::fs;

use super::{Run, SuiteRan};
use crate::change::{asked, difference};
use crate::exit::{Exit, Failure};
use crate::report::number;
use crate::terminal::Terminal;

pub(super) fn run(run: &Run, yes: bool, terminal: Terminal) -> Result<Exit, Failure> {
    let mut texts: Vec<(&str, String)> = Vec::new();
    let mut shown = String::new();
    let mut edits = 0_usize;
    let mut left = 0_usize;
    for suite in &run.suites {
        if suite.broken.is_some() || suite.unable.is_some() {
            left = left.saturating_add(1);
        }
        let findings = suite.rows.iter().flat_map(|row| &row.judgement.findings);
        left = left.saturating_add(findings.filter(|finding| finding.update.is_none()).count());
        if let Some((before, after, count)) = updated(suite) {
            edits = edits.saturating_add(count);
            shown.push_str(&difference(&suite.name, &before, &after, terminal));
            texts.push((&suite.name, after));
        }
    }
    terminal.print(&shown)?;
    let rest = if left > 0 {
        format!("{} cannot be updated: see `fieldgate test`.\n", number(left, "finding"))
    } else {
        String::new()
    };
    let exit = if left > 0 { Exit::Tests } else { Exit::Fine };
    if edits == 0 {
        terminal.say(&format!("Nothing to update.\n{rest}"));
        return Ok(exit);
    }
    if !yes && !asked(terminal, &number(edits, "expectation")) {
        terminal.say(&format!("Nothing was written.\n{rest}"));
        return Ok(Exit::Tests);
    }
    for (name, text) in &texts {
        fs::write(name, text).map_err(|error| Failure::io("write", std::path::Path::new(name), &error))?;
    }
    terminal.say(&format!(
        "{} written: read them as you would any change of what callers get.\n{rest}",
        number(edits, "expectation")
    ));
    Ok(exit)
}

/// The suite's text before and after, and how many expectations changed; `None` if none did.
fn updated(suite: &SuiteRan) -> Option<(String, String, usize)> {
    let mut edits: Vec<(usize, usize, String)> = suite
        .rows
        .iter()
        .flat_map(|row| &row.judgement.findings)
        .filter_map(|finding| finding.update.as_ref())
        .filter_map(|(span, text)| {
            Some((usize::try_from(span.start).ok()?, usize::try_from(span.end).ok()?, text.clone()))
        })
        .collect();
    edits.sort();
    edits.dedup();
    let before = suite.sources.get(0)?.text.to_string();
    let mut after = before.clone();
    // From the end, so that what is still to do stays in its place.
    for (start, end, text) in edits.iter().rev() {
        if start == end {
            // An empty value stands where its key ends: what replaces it goes behind the colon.
            let colon =
                before.get(*start..)?.find(':').map_or(*start, |gap| start.saturating_add(gap).saturating_add(1));
            after.insert_str(colon, &format!(" {text}"));
        } else {
            after.replace_range(*start..*end, text);
        }
    }
    (!edits.is_empty()).then_some((before, after, edits.len()))
}
