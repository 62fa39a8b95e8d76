//! A policy skeleton: every field `unreviewed`, and that granted to nobody. All else is a comment for whoever reviews it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::names::kebab;
use super::{Api, Field, Operation, Sample, Shape, What, expand, one_line, suggest};
use crate::fault::Fault;
use fieldgate::model::field_path::FieldPath;

/// The class of what nobody has looked at yet.
pub(crate) const CLASS: &str = "unreviewed";

/// What it is for.
pub(crate) const ABOUT: &str = "Nobody has looked at it yet: grant it to nobody";

/// Comments start in this column where the field's path leaves room.
const MAX_ALIGNED: usize = 56;

/// A sample and the operation that it is a body of.
#[derive(Debug)]
pub struct Matched {
    /// Index of the operation.
    pub operation: usize,
    /// The sample's file.
    pub name: String,
    /// Paths of the sample that the description has.
    pub known: usize,
    /// Those that it does not have.
    pub undocumented: Vec<String>,
}

/// An API of one operation, as its samples show it.
///
/// # Errors
/// When the route is not a method and a path.
pub fn of_samples(samples: &[Sample], route: &str) -> Result<Api, Fault> {
    let help = "write it as `--route \"GET /accounts/{id}\"`";
    let Some((method, path)) = route.trim().split_once(' ') else {
        return Err(Fault::new(format!("`{}` is not a method and a path", one_line(route, 80)), help));
    };
    if method.is_empty() || !method.chars().all(|c| c.is_ascii_uppercase()) {
        return Err(Fault::new(format!("`{}` is not an HTTP method", one_line(method, 40)), help));
    }
    let (path, query) = path.trim().split_once('?').unwrap_or((path.trim(), ""));
    let mut operation = Operation::new(method, path).map_err(|why| Fault::new(format!("`{route}`: {why}"), help))?;
    operation.query = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or(pair))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let mut fields: Vec<Field> = Vec::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let seen: Vec<&Field> = samples.iter().flat_map(|sample| &sample.fields).collect();
    // An empty array in one body says nothing where another body has something there.
    let (free, said): (Vec<&Field>, Vec<&Field>) = seen.into_iter().partition(|field| field.what == What::Free);
    let filled: BTreeSet<String> = said
        .iter()
        .flat_map(|field| (0..=field.steps.len()).filter_map(|upto| field.steps.get(..upto)))
        .map(super::path_text)
        .collect();
    // What is below an empty array or object is of no interest where another body has something there.
    let is_filled = |field: &Field| {
        let container = field
            .steps
            .split_last()
            .map(|(_, above)| above)
            .filter(|_| matches!(field.steps.last(), Some(super::Step::Elements | super::Step::Members)));
        filled.contains(&field.path_text())
            || container.is_some_and(|above| {
                said.iter().any(|other| other.steps.len() > above.len() && other.steps.starts_with(above))
            })
    };
    let free: Vec<&Field> = free.into_iter().filter(|field| !is_filled(field)).collect();
    for field in said.into_iter().chain(free) {
        if known.insert(field.path_text()) {
            fields.push(field.clone());
        }
    }
    let stem = samples
        .first()
        .and_then(|sample| std::path::Path::new(&sample.name).file_stem())
        .map(|stem| stem.to_string_lossy().into_owned());
    let shape = Shape { name: kebab(&stem.unwrap_or_default()), fields };
    operation.body = vec![Field { steps: Vec::new(), what: What::Mount(0), about: String::new() }];
    Ok(Api { operations: vec![operation], shapes: vec![shape], ..Api::default() })
}

/// Which operation a sample is a body of: the one of that route name, or the one whose fields it has most of.
///
/// # Errors
/// When there is no such route, or no operation has any of the sample's fields.
pub fn match_sample(api: &Api, sample: &Sample, route: Option<&str>) -> Result<Matched, Fault> {
    let help = "say which it is a body of: `--samples ROUTE=FILE`";
    if let Some(route) = route {
        let Some(index) = api.operations.iter().position(|operation| operation.name == route) else {
            return Err(Fault::new(
                format!("the description has no operation `{}`", one_line(route, 80)),
                "routes are named after `operationId`, or method and path",
            ));
        };
        return Ok(against(api, index, sample));
    }
    let best = (0..api.operations.len()).map(|index| against(api, index, sample)).max_by_key(|matched| {
        // What creates a record often answers as what reads it does.
        let reads = api.operations.get(matched.operation).is_some_and(|operation| operation.method == "GET");
        (matched.known, reads, std::cmp::Reverse(matched.operation))
    });
    match best {
        Some(best) if best.known > 0 => Ok(best),
        _ => Err(Fault::new(format!("{} looks like no body that the description has", sample.name), help)),
    }
}

fn against(api: &Api, index: usize, sample: &Sample) -> Matched {
    let expanded = api.operations.get(index).map(|operation| expand::of(api, operation)).unwrap_or_default();
    let mut matched = Matched { operation: index, name: sample.name.clone(), known: 0, undocumented: Vec::new() };
    for field in &sample.fields {
        let path = expand::field_path(&field.steps);
        let documented = match field.what {
            // An empty container or null fits whatever is below it.
            What::Free => expanded.scalars.iter().chain(&expanded.open).any(|known| known.reaches_into(&path)),
            _ => expanded.scalars.iter().any(|known| known.overlaps(&path)),
        };
        if documented {
            matched.known = matched.known.saturating_add(1);
        } else if !expanded.open.iter().any(|open| path.reaches_into(open)) {
            matched.undocumented.push(field.path_text());
        }
    }
    matched
}

/// The skeleton's text. `source` names the file or files that it is made from.
#[must_use]
pub fn write(api: &Api, source: &str, policy: &str, matched: &[Matched]) -> String {
    let reached = reached(api);
    let mut out = String::new();
    head(api, source, &reached, &mut out);
    let _ = writeln!(out, "language: 1\npolicy: {}\n", scalar(&kebab(policy)));
    out.push_str(
        "identity:                         # who vouches for the caller: make this fit your gateway\n  source: jwt_authn\n  payload: verified_jwt\n  client: azp\n  scopes: scope\n\n",
    );
    let _ = writeln!(out, "classes:\n  {CLASS}: {{about: \"{ABOUT}\"}}");
    let used = suggested(api, &reached);
    for (name, about) in suggest::CLASSES.iter().filter(|(name, _)| used.contains(name)) {
        let _ = writeln!(out, "  # {name}: {{about: {}}}", quoted(about));
    }
    if !reached.is_empty() {
        out.push_str("\nshapes:\n");
        for index in &reached {
            if let Some(shape) = api.shapes.get(*index) {
                let _ = writeln!(out, "  {}:", scalar(&shape.name));
                fields(api, &shape.name, &shape.fields, "    ", &mut out);
            }
        }
    }
    out.push_str("\nroutes:\n");
    for (index, operation) in api.operations.iter().enumerate() {
        route(api, operation, matched.iter().filter(|one| one.operation == index), &mut out);
    }
    scopes(api, &mut out);
    out
}

fn head(api: &Api, source: &str, reached: &BTreeSet<usize>, out: &mut String) {
    let named = |fields: &[Field]| fields.iter().filter(|field| !matches!(field.what, What::Mount(_))).count();
    let shapes = api.shapes.iter().enumerate().filter(|(index, _)| reached.contains(index));
    let own = shapes.map(|(_, shape)| named(&shape.fields));
    let count: usize = own.chain(api.operations.iter().map(|operation| named(&operation.body))).sum();
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let title = if api.title.is_empty() { String::new() } else { format!(" ({})", api.title) };
    let _ = writeln!(
        out,
        "# A skeleton from {}{title}: {} and {}, each `{CLASS}` and granted to nobody.\n#\n\
         # 1. Give each field a class. What stands beside it is a guess from its name, and nothing more.\n\
         # 2. Take out what no caller needs: a field that is in no shape is seen by nobody.\n\
         # 3. Name scopes, grant them classes, and write tests: `fieldgate matrix` shows who sees what.",
        one_line(source, 120),
        counted(api.operations.len(), "route"),
        counted(count, "field"),
    );
    for (heading, lines) in [("Look at:", &api.notes), ("Left out:", &api.left_out)] {
        if !lines.is_empty() {
            let _ = writeln!(out, "#\n# {heading}");
        }
        for line in lines {
            let _ = writeln!(out, "#   {}", one_line(line, 240));
        }
    }
}

/// The shapes that some body mounts, by their index in the API: those that are written.
#[must_use]
pub fn reached(api: &Api) -> BTreeSet<usize> {
    let mounts = |fields: &[Field]| -> Vec<usize> {
        fields.iter().filter_map(|field| if let What::Mount(inner) = field.what { Some(inner) } else { None }).collect()
    };
    let mut reached = BTreeSet::new();
    let mut left: Vec<usize> = api.operations.iter().flat_map(|operation| mounts(&operation.body)).collect();
    while let Some(index) = left.pop() {
        if reached.insert(index) {
            left.extend(api.shapes.get(index).map(|shape| mounts(&shape.fields)).unwrap_or_default());
        }
    }
    reached
}

fn suggested(api: &Api, reached: &BTreeSet<usize>) -> BTreeSet<&'static str> {
    let shapes = api.shapes.iter().enumerate().filter(|(index, _)| reached.contains(index));
    let shapes = shapes.flat_map(|(_, shape)| shape.fields.iter().map(|field| (shape.name.as_str(), field)));
    let bodies =
        api.operations.iter().flat_map(|operation| operation.body.iter().map(|field| (operation.area.as_str(), field)));
    shapes
        .chain(bodies)
        .filter_map(|(name, field)| match &field.what {
            What::Scalar(kind) => suggest::suggest(name, &field.steps, kind).map(|found| found.class),
            _ => None,
        })
        .collect()
}

/// The lines of a shape or a body; at least one of them is an entry.
fn fields(api: &Api, shape: &str, list: &[Field], indent: &str, out: &mut String) {
    let mut lines: Vec<(String, String, bool)> = Vec::new();
    for field in list {
        let text = field.path_text();
        let readable = FieldPath::parse(&text).is_ok();
        let key = key(&text);
        // Both are comments: a guess, and what the description says.
        let with_about = |comment: &str| match (comment, field.about.as_str()) {
            (comment, "") => comment.to_owned(),
            ("", about) => about.to_owned(),
            (comment, about) => format!("{comment} | {about}"),
        };
        match &field.what {
            _ if !readable => lines.push((
                format!("{}: {CLASS}", one_line(&key, 200)),
                "no field path can name this".to_owned(),
                false,
            )),
            What::Mount(inner) => {
                let name = api.shapes.get(*inner).map_or("", |shape| shape.name.as_str());
                lines.push((format!("{key}: {{shape: {}}}", scalar(name)), with_about(""), true));
            }
            What::Scalar(kind) => {
                let comment = suggest::suggest(shape, &field.steps, kind).map(|found| match found.forms.as_str() {
                    "" => found.class.to_owned(),
                    forms => format!("{{class: {}, {forms}}}", found.class),
                });
                lines.push((format!("{key}: {CLASS}"), with_about(&comment.unwrap_or_default()), true));
            }
            What::Free => {
                let comment = with_about("may hold anything: name its members");
                lines.push((format!("{key}: {CLASS}"), comment, true));
            }
            What::Cut(why) => lines.push((format!("{key}: {CLASS}"), one_line(why, 240), false)),
        }
    }
    if !lines.iter().any(|(_, _, entry)| *entry) {
        lines.push((format!("$: {CLASS}"), "nothing else can be named here".to_owned(), true));
    }
    let width =
        lines.iter().map(|(text, ..)| text.chars().count()).filter(|width| *width <= MAX_ALIGNED).max().unwrap_or(0);
    for (text, comment, entry) in lines {
        let mark = if entry { "" } else { "# " };
        let line = match comment.as_str() {
            "" => text,
            comment => format!("{text:width$}  # {comment}"),
        };
        let _ = writeln!(out, "{indent}{mark}{line}");
    }
}

fn route<'m>(api: &Api, operation: &Operation, matched: impl Iterator<Item = &'m Matched>, out: &mut String) {
    let _ = writeln!(out, "  {}:", scalar(&operation.name));
    for remark in &operation.remarks {
        let _ = writeln!(out, "    # {}", one_line(remark, 200));
    }
    let _ = writeln!(out, "    match: {}", plain_or_quoted(&format!("{} {}", operation.method, operation.path)));
    let _ = writeln!(out, "    area: {}", scalar(&operation.area));
    if !operation.query.is_empty() {
        let names: Vec<String> = operation.query.iter().map(|name| scalar(name)).collect();
        let _ = writeln!(out, "    query: [{}]", names.join(", "));
    }
    match operation.body.as_slice() {
        [] => {
            let _ = writeln!(out, "    body: {{$: {CLASS}}}  # no JSON body is described");
        }
        [Field { steps, what: What::Mount(inner), .. }] => {
            let name = api.shapes.get(*inner).map_or("", |shape| shape.name.as_str());
            let path = super::path_text(steps);
            let path = if path == "$" { path } else { quoted(&path) };
            let _ = writeln!(out, "    body: {{{path}: {{shape: {}}}}}", scalar(name));
        }
        list => {
            out.push_str("    body:\n");
            fields(api, &operation.area, list, "      ", out);
        }
    }
    for one in matched.filter(|one| !one.undocumented.is_empty()) {
        let _ = writeln!(out, "    # In {}, but not in the description:", one_line(&one.name, 120));
        for path in one.undocumented.iter().take(200) {
            let _ = writeln!(out, "    #   {}", one_line(path, 200));
        }
    }
}

fn scopes(api: &Api, out: &mut String) {
    let mut names: Vec<(&str, &str)> =
        api.scopes.iter().map(|scope| (scope.name.as_str(), scope.about.as_str())).collect();
    for name in api.operations.iter().flat_map(|operation| &operation.scopes) {
        if !names.iter().any(|(known, _)| known == name) {
            names.push((name, ""));
        }
    }
    out.push_str("\n# Nobody sees anything until a scope is granted a class:\n# scopes:\n");
    if names.is_empty() {
        let areas: BTreeSet<&str> = api.operations.iter().map(|operation| operation.area.as_str()).take(3).collect();
        let areas: Vec<String> = areas.into_iter().map(scalar).collect();
        let _ = writeln!(
            out,
            "#   {}.read:\n#     areas: [{}]\n#     grant: {{reference: show}}",
            areas.first().map_or("api", String::as_str),
            areas.join(", ")
        );
    }
    for (name, about) in names {
        let asking: BTreeSet<&str> = api
            .operations
            .iter()
            .filter(|operation| operation.scopes.iter().any(|asked| asked == name))
            .map(|operation| operation.area.as_str())
            .collect();
        let areas: Vec<String> = asking.into_iter().map(scalar).collect();
        let about = if about.is_empty() { String::new() } else { format!("   # {about}") };
        let _ = writeln!(
            out,
            "#   {}:{about}\n#     areas: [{}]\n#     grant: {{}}",
            scalar(&one_line(name, 120)),
            areas.join(", ")
        );
    }
}

/// A field path as a key: without quotes where every YAML reader takes it for the same string.
pub(crate) fn key(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_$.*[]'@/-".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { quoted(path) }
}

/// `GET /accounts/{id}`: YAML allows braces within a plain scalar, but no colon at its end.
fn plain_or_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " /{}_.~-%:@!$&()*+,='".contains(c);
    if text.chars().all(plain) && !text.ends_with(':') { text.to_owned() } else { quoted(text) }
}

/// A word, quoted unless every YAML reader takes it for the same string, in flow collections too.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let word =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    if starts && !word && text.chars().all(plain) { text.to_owned() } else { quoted(text) }
}

/// In double quotes: a JSON string is a YAML one, once what YAML does not count as printable is escaped (YAML 1.2.2 §5.1).
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        if super::unprintable(c) {
            let _ = write!(out, "\\u{:04X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}
