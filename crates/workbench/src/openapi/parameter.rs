//! Query parameters that an operation takes (rule 6).

use std::collections::HashSet;

use serde_json::Value;

use super::document::{Document, Layers};
use super::one_line;

/// The names of an operation's query parameters: those of its path, its own, and what the path itself has after `?`.
pub(super) fn query<'d>(
    document: &'d Document,
    path: &str,
    item: &Layers<'d>,
    operation: &Layers<'d>,
    remarks: &mut Vec<String>,
) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: String| {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    for name in in_path(path) {
        add(name);
    }
    for list in [item.get("parameters"), operation.get("parameters")].into_iter().flatten() {
        for parameter in list.as_array().into_iter().flatten() {
            let parameter = document.layers(parameter);
            if let Some(reference) = parameter.broken {
                remarks.push(format!("a parameter is missing: {}", document.why_not(reference)));
                continue;
            }
            let name = parameter.text("name").unwrap_or_default();
            match parameter.text("in") {
                Some("query") => named(document, name, &parameter, remarks).into_iter().for_each(&mut add),
                // OpenAPI 3.2: the whole query is one value.
                Some("querystring") => {
                    let names = members(document, content(&parameter));
                    if names.is_empty() {
                        remarks
                            .push("its whole query is one value, whose names are not described: list them".to_owned());
                    }
                    names.into_iter().for_each(&mut add);
                }
                _ => {}
            }
        }
    }
    names
}

/// The names under which one parameter is sent.
fn named(document: &Document, name: &str, parameter: &Layers<'_>, remarks: &mut Vec<String>) -> Vec<String> {
    let Some(schema) = parameter.get("schema") else { return vec![name.to_owned()] };
    let known = members(document, Some(schema));
    let free = is_free(document, schema, known.is_empty());
    match parameter.text("style") {
        // OpenAPI 3.0.3, style values: `deepObject` sends `filter[name]=…`.
        Some("deepObject") if free => vec![format!("{name}[*]")],
        Some("deepObject") if !known.is_empty() => {
            known.into_iter().map(|member| format!("{name}[{member}]")).collect()
        }
        None | Some("form") if parameter.get("explode") != Some(&Value::Bool(false)) && (free || !known.is_empty()) => {
            if free {
                let said = one_line(name, 40);
                remarks.push(format!("`{said}` is sent as parameters of any name: list those that callers may send"));
            }
            known
        }
        _ => vec![name.to_owned()],
    }
}

/// The schema of a parameter that is described by a media type.
fn content<'d>(parameter: &Layers<'d>) -> Option<&'d Value> {
    let types = parameter.get("content")?.as_object()?;
    types.values().next()?.get("schema")
}

/// The members that a parameter's schema names, however it is put together.
fn members(document: &Document, schema: Option<&Value>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    let mut left: Vec<(&Value, usize)> = schema.into_iter().map(|schema| (schema, 0)).collect();
    // Parts may name each other, many times over: each is looked at once.
    let mut seen: HashSet<*const Value> = HashSet::new();
    while let Some((schema, depth)) = left.pop() {
        if depth > 4 {
            continue;
        }
        for (word, value) in document.layers(schema).members() {
            if !seen.insert(std::ptr::from_ref(value)) {
                continue;
            }
            match word.as_str() {
                "properties" => {
                    let names = value.as_object().into_iter().flat_map(|all| all.keys());
                    found.extend(names.filter(|name| known.insert(*name)).cloned());
                }
                "allOf" | "anyOf" | "oneOf" => {
                    left.extend(
                        value.as_array().into_iter().flatten().rev().map(|part| (part, depth.saturating_add(1))),
                    );
                }
                _ => {}
            }
        }
    }
    found
}

/// Whether a parameter is an object whose names are not all described.
fn is_free(document: &Document, schema: &Value, nameless: bool) -> bool {
    let schema = document.layers(schema);
    let open = |word: &str| schema.get(word).is_some_and(|value| *value == Value::Bool(true) || value.is_object());
    let is_object = schema.text("type") == Some("object");
    open("additionalProperties")
        || open("patternProperties")
        || open("unevaluatedProperties")
        || (is_object && nameless && schema.get("additionalProperties") != Some(&Value::Bool(false)))
}

/// The parameters that a path has after `?`: `/search?type=user`, `/search{?type,page*}` (RFC 6570 §3.2.8).
fn in_path(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = path;
    while let Some((_, after)) = rest.split_once("{?").or_else(|| rest.split_once("{&")) {
        let (list, next) = after.split_once('}').unwrap_or((after, ""));
        names.extend(
            list.split(',').map(|name| name.trim_end_matches('*').split(':').next().unwrap_or_default().to_owned()),
        );
        rest = next;
    }
    let literal = path.replace("{?", "{").replace("{&", "{");
    if let Some((_, query)) = literal.split_once('?') {
        let query = query.split('#').next().unwrap_or(query);
        names.extend(query.split('&').map(|pair| pair.split('=').next().unwrap_or(pair).to_owned()));
    }
    names.retain(|name| !name.contains(['{', '}']));
    names
}

#[cfg(test)]
mod tests {
    use super::in_path;

    #[test]
    fn a_path_may_name_its_query() {
        for (path, expected) in [
            ("/a", &[] as &[&str]),
            ("/a?x=1", &["x"]),
            ("/a?x=1&y", &["x", "y"]),
            ("/a{?x,y*}", &["x", "y"]),
            ("/a{?x}{&y:3}", &["x", "y"]),
            ("/a?x={x}", &["x"]),
        ] {
            assert_eq!(in_path(path), expected, "{path}");
        }
    }
}
