//! A verdict in words: one line for each thing that had a say, and which of them decided.

use super::place::nearest_of;
use super::verdict::{Because, Decider, Verdict, Whose, denies, word};
use fieldgate::diagnostic::Span;
use fieldgate::document::Node;
use fieldgate::model::field_path::FieldPath;
use fieldgate::model::{ClassId, Governed, Level, PolicySet, ScopeId};

/// One line of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What it is about: `class contact`, `ceiling`, `deny`.
    pub topic: String,
    /// What it says.
    pub text: String,
    /// Where that is written, in the policy's sources.
    pub span: Option<Span>,
    /// Whether it decides.
    pub decides: bool,
}

impl Reason {
    fn new(topic: impl Into<String>, text: impl Into<String>, span: Option<Span>, decides: bool) -> Self {
        Self { topic: topic.into(), text: text.into(), span, decides }
    }
}

fn class_name(policy: &PolicySet, id: ClassId) -> &str {
    policy.classes.get(usize::from(id.0)).map_or("?", |class| class.name.as_str())
}

fn scope_name(policy: &PolicySet, id: ScopeId) -> &str {
    policy.scopes.get(usize::from(id.0)).map_or("?", |scope| scope.name.as_str())
}

/// The verdict's reasons, in the order in which the rules ask for them. With the policy as written, places are those of the
/// very words; without it, those of the scope or client that they stand under.
#[must_use]
pub fn reasons(policy: &PolicySet, governed: &Governed, verdict: &Verdict, written: Option<&Node>) -> Vec<Reason> {
    let mut lines = Vec::new();
    match verdict.decider {
        Decider::Unclassified => {
            lines.push(Reason::new("unclassified", "no shape names this place, so nobody sees it", None, true));
            return lines;
        }
        Decider::NoScope => {
            lines.push(Reason::new("no scope", "none of the caller's scopes acts on this route", None, true));
        }
        _ => {}
    }
    lines.extend(granted(policy, governed, verdict, written));
    lines.extend(ceilings(policy, verdict, written));
    if let Decider::Denied(id) = verdict.decider
        && let Some(client) = policy.clients.get(usize::from(id.0))
    {
        let deny = written.and_then(|root| root.get("clients")?.get(&client.name)?.get("deny"));
        let span = deny.and_then(|deny| field_span(governed, verdict, deny)).unwrap_or(client.span);
        lines.push(Reason::new("deny", format!("client {} never gets this place", client.name), Some(span), true));
    }
    if let Decider::NoForm(level) = verdict.decider {
        let text = format!("it has no form for {}: {}", word(level), word(verdict.level));
        lines.push(Reason::new("form", text, governed_span(governed, verdict), true));
    }
    lines
}

/// What each of the caller's scopes says of the place.
fn granted(policy: &PolicySet, governed: &Governed, verdict: &Verdict, written: Option<&Node>) -> Vec<Reason> {
    let mut lines = Vec::new();
    for (index, says) in verdict.scopes.iter().enumerate() {
        let decides = verdict.decider == Decider::Scope(index);
        let name = scope_name(policy, says.scope);
        let span = policy.scopes.get(usize::from(says.scope.0)).map(|scope| scope.span);
        match &says.because {
            Because::Rows(span) => {
                lines.push(Reason::new("rows", format!("leave this element out for {name}"), Some(*span), decides));
            }
            Because::Named => {
                let text = format!("{name} names it in its `fields`: {}", word(says.level));
                let fields = written.and_then(|root| root.get("scopes")?.get(name)?.get("fields"));
                let span = fields.and_then(|fields| field_span(governed, verdict, fields)).or(span);
                lines.push(Reason::new("field", text, span, decides));
            }
            Because::Grants(grants) => {
                // Of classes at the same lowest level, the first decides; with one class there is nothing to choose.
                let lowest = grants.iter().position(|(_, level, _)| *level == says.level);
                for (at, (class, level, written)) in grants.iter().enumerate() {
                    let text = match written {
                        Some(_) => format!("{name} grants {}", word(*level)),
                        None => format!("{name} grants nothing: hide"),
                    };
                    let topic = format!("class {}", class_name(policy, *class));
                    lines.push(Reason::new(topic, text, written.or(span), decides && lowest == Some(at)));
                }
            }
        }
    }
    lines
}

/// What the client, the route and budgets leave at most.
fn ceilings(policy: &PolicySet, verdict: &Verdict, written: Option<&Node>) -> Vec<Reason> {
    let mut lines = Vec::new();
    for (index, (whose, class, level)) in verdict.ceilings.iter().enumerate() {
        let (name, span) = match whose {
            Whose::Client(id) => policy.clients.get(usize::from(id.0)).map_or(("?".to_owned(), None), |client| {
                let ceiling = written.and_then(|root| root.get("clients")?.get(&client.name)?.get("ceiling"));
                let exact = ceiling.and_then(|ceiling| member_span(ceiling, &[class_name(policy, *class), "*"]));
                (format!("client {}", client.name), exact.or(Some(client.span)))
            }),
            Whose::Route => ("the route".to_owned(), None),
            Whose::Budget(id, percent) => policy.budget(*id).map_or(("?".to_owned(), None), |budget| {
                let steps = written.and_then(|root| root.get("budgets")?.get(&budget.name)?.get("steps"));
                let exact = steps.and_then(|steps| member_span(steps, &[&format!("{percent}%")]));
                (format!("budget {} above {percent}%", budget.name), exact.or(Some(budget.span)))
            }),
        };
        let decides = verdict.decider == Decider::Ceiling(index);
        let text = format!("{name}: at most {} for {}", word(*level), class_name(policy, *class));
        lines.push(Reason::new("ceiling", text, span, decides));
    }
    lines
}

/// Where the first of these members is written.
fn member_span(map: &Node, names: &[&str]) -> Option<Span> {
    let members = map.members()?;
    names.iter().find_map(|name| members.iter().find(|member| &*member.key == *name)).map(|member| member.node.span)
}

/// Where a map of shapes names a place of the verdict: as a key with a level (`fields`), or in a list (`deny`).
fn field_span(governed: &Governed, verdict: &Verdict, shapes: &Node) -> Option<Span> {
    let named = verdict.entries.iter().filter_map(|index| governed.entries.get(*index)).flat_map(|entry| &entry.names);
    for (shape, path) in named {
        let Some(places) = shapes.get(shape) else { continue };
        let is = |text: &str| FieldPath::parse(text).is_ok_and(|written| written == *path || denies(&written, path));
        let keyed =
            places.members().into_iter().flatten().find(|member| is(&member.key)).map(|member| member.node.span);
        let listed = || places.elements().into_iter().flatten().find(|node| node.text().is_some_and(is));
        if let Some(span) = keyed.or_else(|| listed().map(|node| node.span)) {
            return Some(span);
        }
    }
    None
}

fn governed_span(governed: &Governed, verdict: &Verdict) -> Option<Span> {
    verdict.entries.first().and_then(|index| governed.entries.get(*index)).map(|entry| entry.span)
}

/// Why a caller that is thought to be held back is not: a client entry with a similar name, or with a say in the matter,
/// that the caller does not fall under.
pub(super) fn near_miss(policy: &PolicySet, client: Option<&str>, got: Level) -> Option<(String, Span)> {
    let client = client?;
    if got == Level::Hide || policy.clients.iter().any(|entry| entry.name == client) {
        return None;
    }
    let similar = policy
        .clients
        .iter()
        .filter(|entry| entry.name != "*" && (entry.name.contains(client) || client.contains(&entry.name)));
    let near = nearest_of(client, policy.clients.iter().map(|entry| entry.name.as_str()).filter(|name| *name != "*"));
    let entry =
        policy.clients.iter().find(|entry| Some(entry.name.as_str()) == near).or_else(|| similar.into_iter().next())?;
    Some((format!("there is a client entry `{}`, but this test's client is `{client}`", entry.name), entry.span))
}
