//! Changes of files: shown before they are written.

use std::io::{self, BufRead, IsTerminal};

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

/// Lines taken out and put in, with their numbers. Edits stay within lines or shorten them, so a common head and tail around
/// each changed stretch is all that has to be found.
pub(crate) fn difference(name: &str, before: &str, after: &str, terminal: Terminal) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut text = format!("{}\n", terminal.paint(Ink::Strong, name));
    let (mut i, mut j) = (0_usize, 0_usize);
    while i < old.len() || j < new.len() {
        if old.get(i) == new.get(j) {
            i = i.saturating_add(1);
            j = j.saturating_add(1);
            continue;
        }
        // The nearest line after which both go on alike.
        let (take, put) = (1..=old.len().saturating_add(new.len()))
            .flat_map(|sum| (0..=sum).map(move |take| (take, sum.saturating_sub(take))))
            .find(|(take, put)| old.get(i.saturating_add(*take)) == new.get(j.saturating_add(*put)))
            .unwrap_or((old.len(), new.len()));
        for (offset, line) in old.iter().skip(i).take(take).enumerate() {
            let number = i.saturating_add(offset).saturating_add(1);
            text.push_str(&format!("{number:>5} {}\n", terminal.paint(Ink::Bad, &format!("- {line}"))));
        }
        for line in new.iter().skip(j).take(put) {
            text.push_str(&format!("      {}\n", terminal.paint(Ink::Good, &format!("+ {line}"))));
        }
        i = i.saturating_add(take);
        j = j.saturating_add(put);
    }
    text
}
