//! Changes of files: shown before they are written.

use std::io::{self, BufRead, IsTerminal};

use similar::{Algorithm, ChangeTag, capture_diff_slices};

use super::terminal::{Ink, Terminal};

/// Asks on a terminal; elsewhere `--yes` is the way to say so.
pub(crate) fn asked(terminal: Terminal, what: &str) -> bool {
    if !io::stdin().is_terminal() {
        terminal.say("Add --yes to write without a question.\n");
        return false;
    }
    terminal.say(&format!("Write {what}? [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Lines taken out and put in, with the numbers of those that were there.
pub(crate) fn difference(name: &str, before: &str, after: &str, terminal: Terminal) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut text = format!("{}\n", terminal.paint(Ink::Strong, name));
    for change in capture_diff_slices(Algorithm::Myers, &old, &new).iter().flat_map(|op| op.iter_changes(&old, &new)) {
        let line = change.value();
        match (change.tag(), change.old_index()) {
            (ChangeTag::Delete, Some(index)) => {
                let number = index.saturating_add(1);
                text.push_str(&format!("{number:>5} {}\n", terminal.paint(Ink::Bad, &format!("- {line}"))));
            }
            (ChangeTag::Insert, _) => {
                text.push_str(&format!("      {}\n", terminal.paint(Ink::Good, &format!("+ {line}"))));
            }
            (ChangeTag::Delete | ChangeTag::Equal, _) => {}
        }
    }
    text
}
