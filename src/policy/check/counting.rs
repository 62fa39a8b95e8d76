//! What budgets ask of routes: that the most a response can release is known before it is asked for (rules 34 and 34a).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::similar::nearest;
use super::read::Reader;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Node;
use crate::model::field_path::FieldPath;
use crate::model::{
    Budget, Count, Governed, PathSubject, QueryRule, Route, RouteBody, SubjectPlace, Template, TemplateSegment,
    innermost_array, without_filters,
};

/// `subject` of a route: a namespace and the path parameter that names its one subject.
pub(super) fn path_subject(reader: &mut Reader, node: &Node, template: Option<&Template>) -> Option<PathSubject> {
    const HELP: &str =
        "write the kind of subject and the parameter that names it: `subject: {customer: \"{accountId}\"}`";
    if node.members().is_none() && node.text().is_some() {
        reader
            .push(Diagnostic::at(Code::WrongKind, node.span, "`subject` of a route is a string, not a map").help(HELP));
        return None;
    }
    let members = reader.map(node, "`subject`");
    let [member] = members else {
        if node.members().is_some() {
            let message = if members.is_empty() { "`subject` names nothing" } else { "`subject` names two subjects" };
            let code = if members.is_empty() { Code::MissingKey } else { Code::Incompatible };
            let help = if members.is_empty() {
                HELP
            } else {
                "keep the one whose data it is; a route that is about several names them in its body"
            };
            reader.push(Diagnostic::at(code, node.span, message).help(help));
        }
        return None;
    };
    let named = reader.name(&member.key, member.key_span, "namespace");
    let text = reader.text(&member.node, &format!("the subject `{}`", member.key))?;
    let template = template?;
    let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let segment = name.and_then(|name| template.segments.iter().position(|segment| segment.parameter() == Some(name)));
    let (Some(name), Some(segment)) = (name, segment) else {
        let parameters: Vec<String> = template
            .segments
            .iter()
            .filter_map(TemplateSegment::parameter)
            .map(|name| format!("\"{{{name}}}\""))
            .collect();
        let help = match parameters.first() {
            Some(first) => format!("write one of the path's parameters: `subject: {{{}: {first}}}`", member.key),
            None => {
                "the path has no parameter: the body has to say whose data it is, by `subject` in a shape".to_owned()
            }
        };
        let message = format!("`{text}` is not a parameter of the route's path");
        reader.push(Diagnostic::at(Code::PathSubject, member.node.span, message).help(help));
        return None;
    };
    named.then(|| PathSubject { namespace: member.key.clone(), parameter: name.into(), segment })
}

/// The query parameter by which a request asks for a smaller page: one that callers may send.
pub(super) fn page_size(reader: &mut Reader, name: &str, span: Span, query: &QueryRule, what: &str) {
    let QueryRule::Only(names) = query else { return };
    if !names.iter().any(|listed| listed == name) {
        reader.push(
            Diagnostic::at(
                Code::UnknownName,
                span,
                format!("`max_records` of {what} names a query parameter that callers may not send: `{name}`"),
            )
            .help(format!("list it in the route's `query: [{name}]`, or take it out here")),
        );
    }
}

/// Everything that keeps the release of a route from being bounded before its upstream is asked.
///
/// Nothing is said that only follows from another fault: a kind of subject that does not exist (`namespaces` has those that do), a
/// `max_records` that cannot be read, a body of which nothing could be made.
pub(super) fn routes(
    reader: &mut Reader,
    budgets: &[Budget],
    routes: &[Route],
    namespaces: &BTreeMap<Rc<str>, Span>,
    written: Option<&Node>,
) {
    for route in routes {
        let RouteBody::Governed(governed) = &route.body else { continue };
        subjects(reader, route, governed);
        let members = written.and_then(|routes| routes.get(&route.name)).and_then(Node::members).unwrap_or_default();
        let limited = members.iter().any(|member| nearest(&member.key, ["max_records"]).is_some());
        if governed.entries.is_empty() || (limited && governed.max_records.is_none()) {
            continue;
        }
        let mut told: BTreeSet<(Option<&str>, Span)> = BTreeSet::new();
        for budget in budgets.iter().filter(|budget| budget.areas.contains(&route.area)) {
            let namespace = match &budget.count {
                Count::Distinct(namespace) => Some(&**namespace),
                Count::Records => None,
                // It is charged afterwards (rule 34b): nothing has to be known before.
                Count::Cost => continue,
            };
            if namespace.is_some_and(|namespace| !namespaces.contains_key(namespace)) {
                continue;
            }
            // Of several budgets that count one thing, the first is named.
            if told.insert((namespace, route.span)) {
                countable(reader, budget, namespace, route, governed);
            }
        }
    }
}

/// What a route says of subjects, whether a budget counts them or not.
fn subjects(reader: &mut Reader, route: &Route, governed: &Governed) {
    let mut told = BTreeSet::new();
    for entry in governed.entries.iter().filter(|entry| entry.subject.is_some()) {
        if entry.path.open && told.insert(entry.span) {
            reader.push(
                Diagnostic::at(
                    Code::Incompatible,
                    entry.span,
                    format!(
                        "`subject` at `{}`: one place names a subject, and `..*` is any number of them",
                        entry.path
                    ),
                )
                .help("name the place that identifies the subject by itself: `$.id: {class: …, subject: …}`"),
            );
        }
        let Some(subject) = &governed.subject else { continue };
        if entry.subject.as_ref() == Some(&subject.namespace) && innermost_array(&entry.path).is_some() {
            reader.push(
                Diagnostic::at(
                    Code::PathSubject,
                    route.span,
                    format!(
                        "the path of route `{}` names the one `{}`, and its body a list of them: `{}`",
                        route.name, subject.namespace, entry.path
                    ),
                )
                .label(entry.span, "a subject in an array")
                .help("take `subject` out of the route if its responses are about several; else out of the field"),
            );
            return;
        }
    }
}

/// Whether the subjects that a budget counts on a route are in one place, and bounded there.
fn countable(reader: &mut Reader, budget: &Budget, namespace: Option<&str>, route: &Route, governed: &Governed) {
    let name = route.name.as_str();
    let fault = |message: String, help: String| {
        Diagnostic::at(Code::UncountedRoute, route.span, message).label(budget.span, "the budget").help(help)
    };
    let kind = namespace.unwrap_or("customer");
    let subjects = match namespace {
        Some(namespace) => format!("a `{namespace}`"),
        None => "a subject".to_owned(),
    };
    let place = governed.subjects_of(namespace);
    let arrays: Vec<Option<FieldPath>> =
        governed.subject_entries(namespace).map(|entry| innermost_array(&entry.path)).collect();
    let array = match place {
        SubjectPlace::Path(_) => return,
        SubjectPlace::Nowhere => {
            let help = format!(
                "give the field that identifies it `subject: {kind}`, or the route `subject: {{{kind}: \"{{parameter}}\"}}`; or take area `{}` out of the budget",
                route.area
            );
            let message =
                format!("route `{name}` is counted by budget `{}`, and names {subjects} nowhere", budget.name);
            reader.push(fault(message, help));
            return;
        }
        SubjectPlace::Root => return,
        SubjectPlace::Array(array) => array,
    };
    if let Some(other) = arrays.iter().find(|other| other.as_ref() != Some(&array)) {
        let other = other.as_ref().map_or_else(|| "$".to_owned(), FieldPath::to_string);
        let message = format!(
            "route `{name}` is counted by budget `{}`, and names {subjects} in two places: `{array}` and `{other}`",
            budget.name
        );
        reader.push(fault(message, "keep `subject` at the place that a record is about".to_owned()));
        return;
    }
    match &governed.max_records {
        None => {
            let message = format!(
                "route `{name}` is counted by budget `{}`, and nothing says how many of `{array}` leave at once",
                budget.name
            );
            let help =
                format!("say how many at most, as in `max_records: {{at: \"{array}\", max: 100, over: truncate}}`");
            reader.push(fault(message, help));
        }
        Some(records) if without_filters(&records.at) != array => {
            let message = format!(
                "route `{name}` is counted by budget `{}`: its subjects are in `{array}`, and `max_records` counts `{}`",
                budget.name, records.at
            );
            let help = format!("write `at: \"{array}\"`, or `subject` where the records are");
            reader.push(fault(message, help));
        }
        Some(_) => {}
    }
}
