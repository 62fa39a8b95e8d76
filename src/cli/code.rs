//! A diagnostic's code, explained.

use fieldgate::diagnostic::Code;

use super::terminal::{Ink, Terminal};

/// The page of a code.
pub(crate) fn page(code: Code, terminal: Terminal) -> String {
    let head = format!("{}[{code}]", code.severity());
    format!("{}: {}\n", terminal.paint(Ink::Strong, &head), code.title())
}
