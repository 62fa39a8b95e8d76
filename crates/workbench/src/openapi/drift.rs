//! Drift: what the API has and the policy does not name, and the reverse.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::{self, Expanded};
use super::{Api, Kind, Operation, template};
use fieldgate::diagnostic::{Code, Diagnostic, Span};
use fieldgate::model::field_path::{FieldPath, Segment};
use fieldgate::model::{Entry, Governed, Mask, QueryRule, Route, RouteBody};
use fieldgate::policy::{PolicyDoc, PolicySet};

/// Names that one sentence lists.
const MAX_LISTED: usize = 12;

/// How many routes of the policy the API has.
#[must_use]
pub fn matched(api: &Api, policy: &PolicySet) -> usize {
    policy.routes.iter().filter(|route| operation(api, route).is_some()).count()
}

/// Compares a policy with an API. `source` is the description's name, for messages.
#[must_use]
pub fn drift(api: &Api, source: &str, policy: &PolicySet, doc: &PolicyDoc) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(first) = policy.routes.first().filter(|_| !api.operations.is_empty() && matched(api, policy) == 0) {
        let message = format!("no route of the policy is in {source}, which begins with `{}`", example(api));
        let help =
            "say what stands in front of its paths at the proxy, as in `--prefix /v1`; or name the right description";
        return vec![Diagnostic::at(Code::NotInApi, first.span, message).help(help)];
    }
    // An entry of a shape is one line of the policy, wherever the shape is mounted.
    let mut entries: BTreeMap<Span, JudgedLine<'_>> = BTreeMap::new();
    let mut misfits: BTreeMap<Span, String> = BTreeMap::new();
    for route in &policy.routes {
        let Some(operation) = operation(api, route) else {
            found.push(
                Diagnostic::at(Code::NotInApi, route.span, format!("route `{}` is not in {source}", route.name))
                    .help("take it out if the API no longer has it, or bring the description up to date"),
            );
            continue;
        };
        let RouteBody::Governed(governed) = &route.body else { continue };
        found.extend(unknown_query(route, operation, source));
        let expanded = expand::of(api, operation);
        found.extend(unnamed(route, governed, &expanded, source));
        found.extend(not_compared(route, governed, &expanded, source));
        for entry in governed.entries.iter() {
            if let Some(why) = misfit(entry, &expanded) {
                misfits.entry(entry.span).or_insert(why);
            }
            entries.entry(entry.span).or_insert_with(|| JudgedLine::of(entry)).judge(route, entry, &expanded);
        }
    }
    found.extend(unknown_fields(entries, source));
    found.extend(misfits.into_iter().map(|(span, why)| {
        Diagnostic::at(Code::MaskNeverFits, span, format!("{why} in {source}, so that each comes out blank"))
            .help("take another form, or none, or bring the description up to date")
    }));
    found.extend(unrouted(api, source, policy, doc));
    found
}

/// The first operation of a description.
fn example(api: &Api) -> String {
    api.operations.first().map(|first| format!("{} {}", first.method, first.path)).unwrap_or_default()
}

/// Why no value of a field, as the description has it, fits the entry's form at mask (rules 20 to 22).
fn misfit(entry: &Entry, expanded: &Expanded) -> Option<String> {
    let mask = entry.mask.as_ref()?;
    let kinds: Vec<&Kind> = expanded
        .scalars
        .iter()
        .zip(&expanded.kinds)
        .filter(|(scalar, _)| scalar.overlaps(&entry.path))
        .map(|(_, kind)| kind)
        .collect();
    let silent = expanded.open.iter().any(|open| entry.path.reaches_into(open));
    let (first, rest) = kinds.split_first().filter(|_| !silent)?;
    let fits = |kind: &Kind| fits(mask, kind);
    if fits(first) || rest.iter().any(|kind| fits(kind)) {
        return None;
    }
    let field = entry.names.last().map_or(&entry.path, |(_, path)| path);
    let format = if first.format.is_empty() { String::new() } else { format!(" of format `{}`", first.format) };
    let a = if first.base.is_empty() { "value" } else { first.base.as_str() };
    Some(format!("no value of `{field}` fits the mask `{mask}`: it is a {a}{format}"))
}

/// Whether a value of that kind may have the form. What the description does not say may be anything.
fn fits(mask: &Mask, kind: &Kind) -> bool {
    let (text, number) = match kind.base.as_str() {
        "string" => (true, false),
        "number" => (false, true),
        "boolean" => (false, false),
        _ => (true, true),
    };
    // One of a few words is no amount, no date and no address.
    let is_word = kind.listed && text && !number;
    // Formats of OpenAPI's registry whose values are never dates, numbers or addresses.
    let never = |formats: &[&str]| formats.contains(&kind.format.as_str());
    match mask {
        Mask::First(_) | Mask::Last(_) | Mask::Ends { .. } => text || number,
        Mask::Email => text && !is_word && !never(&["date", "date-time", "uuid", "ipv4", "ipv6", "uri", "hostname"]),
        Mask::Year | Mask::Month => text && !is_word && !never(&["email", "uuid", "ipv4", "ipv6", "uri", "hostname"]),
        Mask::Initials => text,
        Mask::Round(_) => {
            number || (text && !is_word && !never(&["email", "uuid", "date", "date-time", "ipv4", "ipv6", "uri"]))
        }
    }
}

/// Fields of a route at places of which the description says nothing: what names them may be a slip.
fn not_compared(route: &Route, governed: &Governed, expanded: &Expanded, source: &str) -> Option<Diagnostic> {
    let unsure: Vec<&Entry> = governed
        .entries
        .iter()
        .filter(|entry| !entry.path.open && !expanded.open.contains(&entry.path))
        .filter(|entry| !expanded.scalars.iter().any(|scalar| scalar.overlaps(&entry.path)))
        .filter(|entry| expanded.open.iter().any(|open| entry.path.reaches_into(open)))
        .collect();
    let why = expanded.why.iter().find(|(place, _)| unsure.iter().any(|entry| entry.path.reaches_into(place)));
    let why = why.map(|(_, why)| format!(" ({why})")).unwrap_or_default();
    let unsure: BTreeSet<String> = unsure.iter().map(|entry| format!("`{}`", entry.path)).collect();
    if unsure.is_empty() {
        return None;
    }
    let count = unsure.len();
    let fields = if count == 1 { "field" } else { "fields" };
    let message = format!(
        "{}: {count} {fields} cannot be compared with {source}, which does not say what is there: {}{why}",
        route.name,
        listed(unsure.into_iter())
    );
    Some(
        Diagnostic::at(Code::NotCompared, route.span, message).help(
            "look for slips in their names, or describe the place: files below the description's directory are read",
        ),
    )
}

/// One line of the policy, by what all routes that it is mounted on have there.
struct JudgedLine<'p> {
    path: &'p FieldPath,
    routes: Vec<&'p str>,
    known: bool,
    container: bool,
    /// A route, and an array of its body through which the path goes as through an object.
    array: Option<(&'p str, String)>,
}

impl<'p> JudgedLine<'p> {
    fn of(entry: &'p Entry) -> Self {
        let path = entry.names.last().map_or(&entry.path, |(_, path)| path);
        Self { path, routes: Vec::new(), known: false, container: false, array: None }
    }

    /// Adds what the description has where the line is mounted on a route.
    fn judge(&mut self, route: &'p Route, entry: &Entry, expanded: &Expanded) {
        self.array = self.array.take().or_else(|| Some((route.name.as_str(), array_on_the_way(entry, expanded)?)));
        self.routes.push(&route.name);
        let container = expanded.scalars.iter().any(|scalar| scalar.reaches_into(&entry.path));
        // Where the description is silent, be it above or below, it does not contradict.
        let silent = |open: &FieldPath| entry.path.reaches_into(open) || (!container && open.reaches_into(&entry.path));
        self.known |=
            expanded.scalars.iter().any(|scalar| scalar.overlaps(&entry.path)) || expanded.open.iter().any(silent);
        self.container |= container;
    }
}

/// Fields of the policy that no response of the API has.
fn unknown_fields(entries: BTreeMap<Span, JudgedLine<'_>>, source: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut arrays: BTreeSet<String> = BTreeSet::new();
    for (span, judged) in entries.into_iter().filter(|(_, judged)| !judged.known) {
        if let Some((route, array)) = judged.array {
            // Of all that is below one array, once.
            if arrays.insert(array.clone()) {
                let message =
                    format!("`{array}` is an array in {source}, and the policy reads it as an object: `{route}`");
                found.push(
                    Diagnostic::at(Code::NotInApi, span, message).help(format!("write its elements: `{array}[*]`")),
                );
            }
            continue;
        }
        let routes = listed(judged.routes.iter().map(|name| format!("`{name}`")));
        let message = if judged.container {
            format!(
                "field `{}` is an object or array in {source}, and an entry speaks of scalars: {routes}",
                judged.path
            )
        } else {
            format!("field `{}` is in no response of {source}: {routes}", judged.path)
        };
        let help = if judged.container {
            "name the members below it"
        } else {
            "take it out if the API no longer has it, look for a slip in its name, or bring the description up to date"
        };
        found.push(Diagnostic::at(Code::NotInApi, span, message).help(help));
    }
    found
}

/// The first place of a path where the description has an array, and the path a member.
fn array_on_the_way(entry: &Entry, expanded: &Expanded) -> Option<String> {
    let segments = &entry.path.segments;
    (1..segments.len()).find_map(|at| {
        let (stem, rest) = segments.split_at_checked(at)?;
        let is_member = matches!(rest.first(), Some(Segment::Member(_)));
        let stem = FieldPath { segments: stem.to_vec(), open: false };
        let mut elements = stem.clone();
        elements.segments.push(Segment::Any);
        // A map's members are written with the same sign as elements: only where no member of that name is, it is one.
        let is_array = expanded.scalars.iter().any(|scalar| {
            scalar.segments.len() > at
                && matches!(scalar.segments.get(at), Some(Segment::Any))
                && scalar.reaches_into(&stem)
        });
        (is_member && is_array).then(|| stem.to_string())
    })
}

/// Query parameters that callers may send and the operation does not take.
fn unknown_query(route: &Route, operation: &Operation, source: &str) -> Option<Diagnostic> {
    let QueryRule::Only(names) = &route.query else { return None };
    let stem = |name: &str| name.split('[').next().unwrap_or(name).to_owned();
    let unknown: Vec<&String> = names
        .iter()
        .filter(|name| !operation.query.iter().any(|known| known == *name || stem(known) == stem(name)))
        .collect();
    if unknown.is_empty() {
        return None;
    }
    let message = format!(
        "route `{}` lets callers send query parameters that {source} does not have there: {}",
        route.name,
        listed(unknown.into_iter().map(|name| format!("`{name}`")))
    );
    let help = "take out what the API does not take, look for a slip, or bring the description up to date";
    Some(Diagnostic::at(Code::NotInApi, route.span, message).help(help))
}

fn unnamed(route: &Route, governed: &Governed, expanded: &Expanded, source: &str) -> Option<Diagnostic> {
    let mut missing: Vec<String> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for scalar in &expanded.scalars {
        if governed.entries.iter().any(|entry| entry.path.overlaps(scalar)) {
            continue;
        }
        let text = scalar.to_string();
        // What no field path can name, because it is too long, nobody can classify.
        if FieldPath::parse(&text).is_ok() && seen.insert(text.clone()) {
            missing.push(format!("`{text}`"));
        }
    }
    if missing.is_empty() {
        return None;
    }
    let count = missing.len();
    let (fields, are, them) = if count == 1 { ("field", "is", "it") } else { ("fields", "are", "them") };
    let message = format!(
        "{}: {count} {fields} of {source} {are} in no shape, so nobody sees {them}: {}",
        route.name,
        listed(missing.into_iter())
    );
    Some(
        Diagnostic::at(Code::UnnamedField, route.span, message)
            .help("classify what somebody needs; what nobody needs may stay as it is"),
    )
}

fn unrouted(api: &Api, source: &str, policy: &PolicySet, doc: &PolicyDoc) -> Option<Diagnostic> {
    let missing: Vec<String> = api
        .operations
        .iter()
        .filter(|operation| !policy.routes.iter().any(|route| same(operation, route)))
        .map(|operation| format!("`{} {}`", operation.method, operation.path))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let count = missing.len();
    let (operations, have, them) = if count == 1 { ("operation", "has", "it") } else { ("operations", "have", "them") };
    let message = format!(
        "{count} {operations} of {source} {have} no route, so nobody can call {them}: {}",
        listed(missing.into_iter())
    );
    let place = doc.root().members().unwrap_or_default().iter().find(|member| &*member.key == "routes");
    let diagnostic = match place {
        Some(member) => Diagnostic::at(Code::UnroutedOperation, member.key_span, message),
        None => Diagnostic::nowhere(Code::UnroutedOperation, message),
    };
    Some(diagnostic.help("write a route for what callers may use through the proxy"))
}

/// The first names, and how many more there are.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let count = names.len();
    let first: Vec<String> = names.take(MAX_LISTED).collect();
    match count.saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn operation<'a>(api: &'a Api, route: &Route) -> Option<&'a Operation> {
    api.operations.iter().find(|operation| same(operation, route))
}

/// Whether they are for the same requests: equal once parameter names are erased (rule 4).
fn same(operation: &Operation, route: &Route) -> bool {
    if operation.method != route.method {
        return false;
    }
    template::erased(&operation.path) == route.template.erased()
}
