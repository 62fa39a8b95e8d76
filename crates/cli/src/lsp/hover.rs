//! What is to be known of the word at a place: what is said of it, and what it means for callers.

use fieldgate::diagnostic::{Sources, catalogue, rules};
use fieldgate::model::Level;
use fieldgate::policy::PolicySet;
use fieldgate_workbench::complete::{self as names, Cursor, NameKind, Slot};
use fieldgate_workbench::suite::verdict::word;
use serde_json::{Value, json};

use super::Looked;
use super::editor::holds;
use crate::cells;

/// The hover of a place; null where there is nothing to say.
pub(super) fn at(looked: &Looked, path: &str, text: &str, at: usize) -> Value {
    let sources = looked.diagnostics.sources();
    let mut parts: Vec<String> = Vec::new();
    for item in looked.diagnostics.items() {
        if item.span.is_some_and(|span| holds(sources, span, path, at)) {
            let page = catalogue::page(item.code);
            let more = page.map(|page| format!("\n\n{} {}", page.what, page.why)).unwrap_or_default();
            parts.push(format!("**{}** {}{more}", item.code, item.message));
        }
    }
    let cursor = Cursor::at(text, at);
    let known = cursor.as_ref().and_then(names::kind);
    if let (Some(policy), Some(doc)) = (&looked.policy, &looked.doc) {
        parts.extend(field(policy, doc.sources(), path, at));
        let kind = known.as_ref().and_then(|(pattern, kind)| kind.or_else(|| declared(pattern, cursor.as_ref()?)));
        if let (Some(kind), Some(cursor)) = (kind, &cursor) {
            parts.extend(name(policy, kind, &cursor.word));
        }
    }
    let reference = known.and_then(|(pattern, _)| names::key(&pattern));
    if let Some(key) = reference {
        let rules: Vec<String> = key.rules().filter_map(rule).collect();
        let what = if key.what.is_empty() { format!("takes {}", key.takes) } else { key.what.to_owned() };
        parts.push(format!("`{}`: {what}  \n{}", key.path, rules.join(", ")));
    }
    if parts.is_empty() {
        return Value::Null;
    }
    json!({"contents": {"kind": "markdown", "value": parts.join("\n\n---\n\n")}})
}

/// `rule 22 (mask: year, month, initials, round)`.
fn rule(name: &str) -> Option<String> {
    rules::find(name).map(|rule| format!("rule {} ({})", rule.name, rule.title))
}

/// What a key declares.
fn declared(pattern: &str, cursor: &Cursor) -> Option<NameKind> {
    if cursor.slot != Slot::Key {
        return None;
    }
    match pattern {
        "classes.*" => Some(NameKind::Class),
        "routes.*" => Some(NameKind::Route),
        "scopes.*" => Some(NameKind::Scope),
        _ => None,
    }
}

/// The field whose entry is at a place: its classes, its forms, and who sees it, on each route.
fn field(policy: &PolicySet, sources: &Sources, path: &str, at: usize) -> Option<String> {
    let mut head = None;
    let mut routes = String::new();
    for cells in cells::of(policy, policy.any_client) {
        for one in &cells.fields {
            let entry = cells.governed.entries.get(one.entry);
            if entry.is_none_or(|entry| !holds(sources, entry.span, path, at)) {
                continue;
            }
            head.get_or_insert_with(|| {
                let forms = one.forms.to_string();
                let forms = if forms.is_empty() { String::new() } else { format!("; {forms}") };
                format!("class {}{forms}", one.classes.join(" + "))
            });
            let seen: Vec<String> = policy
                .scopes
                .iter()
                .zip(&one.verdicts)
                .filter_map(|(scope, verdict)| Some(format!("{} {}", scope.name, word(verdict.as_ref()?.level))))
                .collect();
            routes.push_str(&format!("\n- {} `{}`: {}", cells.route.name, one.path, seen.join(", ")));
        }
    }
    head.map(|head| format!("{head}\n{routes}"))
}

/// A class, a route or a scope in a few words.
fn name(policy: &PolicySet, kind: NameKind, named: &str) -> Option<String> {
    match kind {
        NameKind::Class => {
            let index = policy.classes.iter().position(|class| class.name == named)?;
            let about = policy.classes.get(index).map(|class| class.about.as_str()).unwrap_or_default();
            let granted: Vec<String> = policy
                .scopes
                .iter()
                .filter_map(|scope| Some((scope, *scope.grant.get(index)?)))
                .filter(|(_, level)| *level > Level::Hide)
                .map(|(scope, level)| format!("{} {}", scope.name, word(level)))
                .collect();
            let granted = if granted.is_empty() { "nobody".to_owned() } else { granted.join(", ") };
            Some(format!("class `{named}`: {about}\n\ngranted to {granted}"))
        }
        NameKind::Route => {
            let route = policy.routes.iter().find(|route| route.name == named)?;
            Some(format!("route `{named}`: `{}`, area {}", cells::match_text(route), route.area))
        }
        NameKind::Scope => {
            let scope = policy.scopes.iter().find(|scope| scope.name == named)?;
            let granted: Vec<String> = policy
                .classes
                .iter()
                .zip(&scope.grant)
                .filter(|(_, level)| **level > Level::Hide)
                .map(|(class, level)| format!("{} {}", class.name, word(*level)))
                .collect();
            Some(format!("scope `{named}`: areas {}; {}", scope.areas.join(", "), granted.join(", ")))
        }
        _ => None,
    }
}
