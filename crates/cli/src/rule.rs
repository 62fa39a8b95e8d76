//! A rule of the policy language, explained: its text in the reference, for a terminal.

use fieldgate::diagnostic::rules::{self, Rule};
use serde_json::{Value, json};

use super::exit::Failure;
use super::terminal::{Ink, Terminal};

/// The rule that two words of the command line ask for, if they ask for one: `rule 22`, `rule22` or `22`, in one word or two.
pub(crate) fn asked(target: &str, path: Option<&str>) -> Option<Result<Rule, Failure>> {
    let target = target.trim();
    let number =
        target.get(..4).filter(|word| word.eq_ignore_ascii_case("rule")).map(|_| target.get(4..).unwrap_or_default());
    let wanted = match (number, path) {
        (Some(""), Some(path)) if path.starts_with(|c: char| c.is_ascii_digit()) => path,
        (Some(number), None)
            if number.trim().is_empty() || number.trim_start().starts_with(|c: char| c.is_ascii_digit()) =>
        {
            number
        }
        (None, None) if target.starts_with(|c: char| c.is_ascii_digit()) => target,
        _ => return None,
    };
    let wanted = wanted.trim();
    Some(rules::find(wanted).ok_or_else(|| {
        let message =
            if wanted.is_empty() { "no rule is named".to_owned() } else { format!("there is no rule `{wanted}`") };
        Failure::new(message).help("rules are 1 to 41, with 34a and 34b: fieldgate explain \"rule 22\"")
    }))
}

/// The rule for people.
pub(crate) fn human(rule: &Rule, terminal: Terminal) -> String {
    let head = terminal.paint(Ink::Strong, &format!("Rule {}: {}", rule.name, rule.title));
    let mut out = format!("{head}\n\n");
    let (mut fenced, mut examples) = (false, false);
    for line in rule.text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            examples = true;
        } else if fenced {
            out.push_str(format!("    {line}").trim_end());
            out.push('\n');
        } else {
            out.push_str(&without_links(line));
            out.push('\n');
        }
    }
    if examples {
        out.push_str(
            "\nAn example's sections take the place of those of the policy at the start of docs/language.md.\n",
        );
    }
    out
}

/// The rule for machines.
pub(crate) fn json(rule: &Rule) -> Value {
    json!({"rule": rule.name, "title": rule.title, "text": rule.text})
}

/// A line of Markdown with the text of each link in its place.
fn without_links(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        let link = after.split_once("](").and_then(|(text, after)| Some((text, after.split_once(')')?.1)));
        match link {
            Some((text, after)) if !text.contains(['[', ']']) => {
                out.push_str(text);
                rest = after;
            }
            _ => {
                out.push('[');
                rest = after;
            }
        }
    }
    out + rest
}
