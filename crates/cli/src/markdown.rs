//! A policy's words in Markdown: as text, whatever stands in them.

use fieldgate::diagnostic::plain;

/// A list in Markdown; what is in it is a policy's words, and no markup.
pub(crate) fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("* `{}`\n", code(line))).collect()
}

/// A policy's word as text of Markdown: no markup, no HTML, no end of a table's cell.
pub(crate) fn escaped(text: &str) -> String {
    plain(text).chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => out.extend(['\\', c]),
            c => out.push(c),
        }
        out
    })
}

/// A policy's word within the backticks of a code span, in a cell of a table or not.
pub(crate) fn code(text: &str) -> String {
    plain(text).replace('`', "'").replace('|', "\\|")
}
