//! Key references, written from a JSON Schema: where a key is, what it takes, whether it must be there, and which rule it
//! follows. The schema has keys, kinds and descriptions; rules and defaults are here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// What a schema does not say of its keys. Of prefixes that fit a key the longest counts.
pub struct About {
    /// Rules, by prefix of the key.
    pub rules: &'static [(&'static str, &'static [&'static str])],
    /// Keys that must be there by a condition that the schema says in another way, or not at all.
    pub required: &'static [(&'static str, &'static str)],
    /// Defaults, by key.
    pub defaults: &'static [(&'static str, &'static str)],
}

struct Walk<'a> {
    schema: &'a Value,
    /// Definitions that have been written out, and the key of each.
    expanded: BTreeMap<String, String>,
    rows: Vec<Row>,
}

struct Row {
    key: String,
    kind: String,
    required: String,
    what: String,
}

/// Holds the part of a page between `<!-- keys -->` marks against a schema, or writes it.
pub fn check(path: &Path, schema: &str, about: &About, rules: &BTreeSet<&str>) {
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let mut walk = Walk { schema: &schema, expanded: BTreeMap::new(), rows: Vec::new() };
    walk.object(&schema, "", "yes");
    let table = table(&walk.rows, about, rules);
    let page = path.display();
    let text = fs::read_to_string(path).expect("the page");
    let (before, rest) = text.split_once("<!-- keys -->\n").expect("a mark");
    let (now, after) = rest.split_once("<!-- /keys -->").expect("a mark");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(path, format!("{before}<!-- keys -->\n{table}<!-- /keys -->{after}")).expect("the page is written");
        return;
    }
    for (now, expected) in now.lines().zip(table.lines()) {
        assert_eq!(now, expected, "{page} is not what the schema says: run with UPDATE_GOLDENS=1");
    }
    assert_eq!(now.lines().count(), table.lines().count(), "{page}: run with UPDATE_GOLDENS=1");
}

fn table(rows: &[Row], about: &About, rules: &BTreeSet<&str>) -> String {
    let with_rules = !about.rules.is_empty();
    let mut out = String::from(if with_rules {
        "| key | takes | must be there | default | what | rules |\n|---|---|---|---|---|---|\n"
    } else {
        "| key | takes | must be there | default | what |\n|---|---|---|---|---|\n"
    });
    for Row { key, kind, required, what } in rows {
        let default = about.defaults.iter().find(|(known, _)| known == key).map_or("", |(_, default)| default);
        let condition = about.required.iter().find(|(known, _)| known == key);
        let required = condition.map_or(required.as_str(), |(_, condition)| condition);
        assert!(required != "yes" || default.is_empty(), "`{key}` must be there, so it has no default");
        out.push_str(&format!("| `{key}` | {kind} | {required} | {default} | {what} |"));
        if with_rules {
            let fits = |prefix: &str| {
                key.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let found = about.rules.iter().filter(|(prefix, _)| fits(prefix)).max_by_key(|(prefix, _)| prefix.len());
            let (_, found) =
                found.unwrap_or_else(|| panic!("`{key}` follows no rule: name one in tests/language/policy_keys.rs"));
            let links: Vec<String> = found
                .iter()
                .map(|rule| {
                    assert!(rules.contains(rule), "there is no rule {rule}");
                    format!("[{rule}](#rule-{rule})")
                })
                .collect();
            out.push_str(&format!(" {} |", links.join(", ")));
        }
        out.push('\n');
    }
    for (key, _) in about.defaults {
        let there = rows.iter().any(|row| row.key == *key);
        assert!(there, "there is no key `{key}`");
    }
    out
}

impl<'a> Walk<'a> {
    fn resolve(&self, node: &'a Value) -> (&'a Value, Option<&'a str>) {
        match node.get("$ref").and_then(Value::as_str) {
            Some(name) => {
                let pointer = name.trim_start_matches('#');
                (self.schema.pointer(pointer).unwrap_or_else(|| panic!("no definition {name}")), Some(name))
            }
            None => (node, None),
        }
    }

    /// The keys of an object, and of all below it. `required` is what to say of keys that must be there.
    fn object(&mut self, node: &'a Value, at: &str, required: &str) {
        let (node, name) = self.resolve(node);
        if let Some(name) = name {
            if self.expanded.contains_key(name) {
                return;
            }
            self.expanded.insert(name.to_owned(), at.to_owned());
        }
        for (key, child) in members(node, "properties") {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            if self.rows.iter().any(|row| row.key == path) {
                continue;
            }
            let required = if must_have(node, key) { required } else { "" };
            self.row(child, path, required);
        }
        if let Some(child) = node.get("additionalProperties").filter(|child| child.is_object()) {
            let path = if at.is_empty() { "*".to_owned() } else { format!("{at}.*") };
            self.row(child, path, "");
        }
        if let Some(child) = node.get("items") {
            self.object(child, &format!("{at}[]"), "yes");
        }
        // Where one of several forms is an object, its keys are this place's keys.
        for form in ["anyOf", "oneOf"].iter().filter_map(|key| node.get(key)?.as_array()).flatten() {
            let of_its_kind = members(form, "properties").find_map(|(key, child)| {
                let value = child.get("const")?.as_str()?;
                must_have(node, key).then(|| format!("with `{key}: {value}`"))
            });
            self.object(form, at, &of_its_kind.unwrap_or_else(|| "in this form".to_owned()));
        }
    }

    fn row(&mut self, child: &'a Value, path: String, required: &str) {
        let (resolved, _) = self.resolve(child);
        let what = [child, resolved].iter().find_map(|node| node.get("description")?.as_str()).unwrap_or_default();
        let kind = self.kind(child);
        self.rows.push(Row { key: path.clone(), kind, required: required.to_owned(), what: cell(what) });
        self.object(child, &path, "yes");
    }

    /// What a node of the schema takes, in words.
    fn kind(&self, node: &Value) -> String {
        if let Some(name) = node.get("$ref").and_then(Value::as_str) {
            return self.defined(name);
        }
        let written = |value: &Value| format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        if let Some(value) = node.get("const") {
            return written(value);
        }
        if let Some(values) = node.get("enum").and_then(Value::as_array) {
            return values.iter().map(written).collect::<Vec<_>>().join(", ");
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(forms) = node.get(key).and_then(Value::as_array)
                && node.get("properties").is_none_or(|_| node.get("type").is_none())
            {
                let mut kinds: Vec<String> = Vec::new();
                for form in forms {
                    let kind = self.kind(form);
                    if !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
                return kinds.join(" or ");
            }
        }
        match node.get("type") {
            Some(Value::String(kind)) => self.of_type(node, kind),
            Some(Value::Array(kinds)) => {
                let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
                if kinds == ["object"] { "a map".to_owned() } else { kinds.join(", ") }
            }
            _ => "any value".to_owned(),
        }
    }

    /// What a definition takes: some have a name of their own.
    fn defined(&self, name: &str) -> String {
        let found = self.schema.pointer(name.trim_start_matches('#'));
        if let Some(at) = self.expanded.get(name).filter(|at| !at.is_empty())
            && found.is_some_and(|found| found.get("additionalProperties").is_some())
        {
            return format!("a map, as `{at}`");
        }
        match name.rsplit('/').next().unwrap_or_default() {
            "name" => "a name".to_owned(),
            "path" => "a field path".to_owned(),
            "rows" => "a field path and a filter".to_owned(),
            "size" => "a size: bytes, or a number and KiB, MiB, GiB".to_owned(),
            _ => self.kind(found.expect("a definition")),
        }
    }

    /// What a node of one JSON type takes.
    fn of_type(&self, node: &Value, kind: &str) -> String {
        match kind {
            "string" => "a string".to_owned(),
            "integer" => format!("a whole number{}", bounds(node)),
            "number" => format!("a number{}", bounds(node)),
            "boolean" => "a boolean".to_owned(),
            "array" => {
                let items = node.get("items").map(|items| self.kind(items)).unwrap_or_default();
                let many =
                    [("a string", "strings"), ("a name", "names"), ("a field path", "field paths"), ("a map", "maps")];
                format!("a list of {}", many.iter().fold(items, |items, (one, many)| items.replace(one, many)))
            }
            "object" if node.get("properties").is_some() => {
                let keys: Vec<&String> = members(node, "properties").map(|(key, _)| key).collect();
                match keys.as_slice() {
                    [only] => format!("`{{{only}: …}}`"),
                    _ => "a map".to_owned(),
                }
            }
            "object" => "a map".to_owned(),
            other => other.to_owned(),
        }
    }
}

fn bounds(node: &Value) -> String {
    let bound = |key: &str| node.get(key).map(Value::to_string);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" of at least {least}"),
        _ => String::new(),
    }
}

fn members<'a>(node: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    node.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn must_have(node: &Value, key: &str) -> bool {
    node.get("required").and_then(Value::as_array).is_some_and(|keys| keys.iter().any(|name| name == key))
}

/// Text as a table's cell: a `|` would end it, and `*` outside of code would be emphasis.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*")
}
