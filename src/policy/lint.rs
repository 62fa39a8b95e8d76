//! Lints: what a valid policy says that its author may not have meant, or that a reviewer wants to see. Not in the plugin.
//!
//! They look at the [`PolicySet`], whose meaning is settled, and at the document for places and spellings.

use crate::diagnostic::{Diagnostic, Severity};
use crate::document::{Member, Node, PolicyDoc};
use crate::model::PolicySet;
use crate::model::moment::Moment;

mod budgets;
mod clients;
mod detectors;
mod leaks;
mod levels;
mod paths;
mod reports;
mod settings;
mod unused;

/// Adds warnings and notes about a policy that can be made. What is said of dates needs the time.
pub(super) fn lint(policy: &PolicySet, doc: &PolicyDoc, now: Option<Moment>, found: &mut Vec<Diagnostic>) {
    // What an error keeps from being resolved would look unused: those lints wait until there is none.
    let whole = found.iter().all(|found| found.severity() > Severity::Error);
    let mut lint = Lint { policy, root: &doc.root, found };
    lint.settings();
    lint.clients();
    lint.reports(now);
    lint.paths();
    lint.levels();
    lint.leaks();
    lint.detectors();
    if whole {
        lint.nobody_sees();
        lint.budgets();
        lint.uncounted_costs();
        lint.unused();
    }
}

struct Lint<'a> {
    policy: &'a PolicySet,
    root: &'a Node,
    found: &'a mut Vec<Diagnostic>,
}

impl<'a> Lint<'a> {
    fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// The node below the root at these keys.
    fn node(&self, keys: &[&str]) -> Option<&'a Node> {
        keys.iter().try_fold(self.root, |node, key| node.get(key))
    }

    /// The members of the map at these keys.
    fn members(&self, keys: &[&str]) -> &'a [Member] {
        self.node(keys).and_then(Node::members).unwrap_or_default()
    }
}

/// "`a`, `b` and 3 more".
fn some<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 4;
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// "1 field", "2 fields".
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
