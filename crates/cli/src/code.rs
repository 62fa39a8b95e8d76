//! A diagnostic's code, explained: what, why, and a wrong and a right example.

use fieldgate::diagnostic::catalogue::Page;
use serde_json::{Value, json};

use super::terminal::{Ink, Terminal};

/// Text is broken into lines of at most so many characters: what reads well, on any terminal.
const WIDTH: usize = 96;

/// The page for people.
pub(crate) fn human(page: &Page, terminal: Terminal) -> String {
    let head = terminal.paint(Ink::Strong, &format!("{}[{}]: {}", page.code.severity(), page.code, page.title));
    format!(
        "{head}\n\n{}\n{}\n{}\n{}\n{}\n{}",
        wrapped(page.what),
        wrapped(page.why),
        terminal.paint(Ink::Bad, "Wrong:"),
        indented(page.wrong),
        terminal.paint(Ink::Good, "Right:"),
        indented(page.right),
    )
}

/// The page for machines.
pub(crate) fn json(page: &Page) -> Value {
    json!({
        "code": page.code.to_string(),
        "severity": page.code.severity().as_str(),
        "title": page.title,
        "what": page.what,
        "why": page.why,
        "wrong": page.wrong,
        "right": page.right,
    })
}

fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut line = 0_usize;
    for word in text.split(' ') {
        let length = word.chars().count();
        if line > 0 && line.saturating_add(length) >= WIDTH {
            out.push('\n');
            line = 0;
        } else if line > 0 {
            out.push(' ');
            line = line.saturating_add(1);
        }
        out.push_str(word);
        line = line.saturating_add(length);
    }
    out.push('\n');
    out
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |out, line| format!("{out}    {line}").trim_end().to_owned() + "\n")
}
