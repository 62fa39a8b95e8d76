//! Nothing of a description is lost: a second walker, which shares no code with the first, counts the members of every 2xx
//! body of a corpus of descriptions, and finds each in the skeleton, or under a line of it that says why it is not there.
//!
//! The descriptions of `tests/cli/openapi` are always walked, those of others (`scripts/descriptions.sh`) where they have been
//! fetched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fieldgate::document::{disk, yaml};
use fieldgate::model::field_path::{FieldPath, Segment};
use fieldgate::policy::{self, Files};
use fieldgate_workbench::openapi::{self, WantedOperations, skeleton};
use serde_json::Value;

/// Files below the corpus.
struct Below;

impl Files for Below {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        disk::read_whole(Path::new(path), 64 << 20)
    }

    fn read_named(&self, directory: &str, path: &str) -> io::Result<Vec<u8>> {
        disk::read_below(&[Path::new(directory)], Path::new(path), 64 << 20)
    }

    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// A schema, or what refers to one, and the file it is in. Trees live as long as the test.
type Node = (&'static str, &'static Value);

/// A step of a path: a member's name, or any element or member.
type Path_ = Vec<Option<String>>;

/// The second walker.
struct Walker {
    root: PathBuf,
    files: HashMap<String, Option<&'static Value>>,
    /// What extends a schema, by the place of that in memory.
    extended: HashMap<usize, Vec<Node>>,
    known: HashSet<String>,
}

fn place(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

impl Walker {
    fn tree(&mut self, file: &str) -> Option<&'static Value> {
        if let Some(known) = self.files.get(file) {
            return *known;
        }
        let tree = fs::read_to_string(file).ok().and_then(|text| {
            if file.ends_with(".json") { serde_json::from_str(&text).ok() } else { yaml::value(&text).ok() }
        });
        let tree: Option<&'static Value> = tree.map(|tree: Value| &*Box::leak(Box::new(tree)));
        self.files.insert(file.to_owned(), tree);
        if let Some(tree) = tree {
            let file: &'static str = Box::leak(file.to_owned().into_boxed_str());
            for holder in ["", "/components/schemas", "/definitions"] {
                let schemas = tree.pointer(holder).and_then(Value::as_object);
                for (_, schema) in schemas.into_iter().flatten() {
                    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                        if let Some(parent) = self.follow((file, part)) {
                            self.extended.entry(place(parent.1)).or_default().push((file, schema));
                        }
                    }
                }
            }
        }
        tree
    }

    /// What a reference leads to, below the description's directory.
    fn follow(&mut self, (file, value): Node) -> Option<Node> {
        let reference = value.get("$ref")?.as_str()?;
        self.target(file, reference)
    }

    fn target(&mut self, file: &'static str, reference: &str) -> Option<Node> {
        let (path, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let file: &'static str = if path.is_empty() {
            file
        } else {
            let joined = fs::canonicalize(Path::new(file).parent()?.join(path)).ok()?;
            let known =
                self.files.keys().find(|known| fs::canonicalize(known).is_ok_and(|known| known == joined)).cloned();
            let joined = known.unwrap_or_else(|| joined.to_string_lossy().into_owned());
            fs::canonicalize(&joined).ok().filter(|joined| joined.starts_with(&self.root))?;
            Box::leak(joined.into_boxed_str())
        };
        let pointer = pointer.replace("%7B", "{").replace("%7D", "}").replace("%20", " ").replace("%24", "$");
        let tree = self.tree(file)?;
        Some((file, tree.pointer(&pointer)?))
    }

    /// A value and all that it refers to in a chain.
    fn chain(&mut self, node: Node) -> Vec<Node> {
        let mut chain = vec![node];
        while let Some(next) = self.follow(chain[chain.len() - 1]).filter(|_| chain.len() < 20) {
            chain.push(next);
        }
        chain
    }

    fn get(&mut self, node: Node, name: &str) -> Option<Node> {
        self.chain(node).into_iter().find_map(|(file, value)| Some((file, value.get(name)?)))
    }

    /// The members of a place, and what any element or other member is.
    fn expand(&mut self, nodes: &[Node]) -> (BTreeMap<String, Vec<Node>>, Vec<Node>) {
        let mut members: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        let mut inner = Vec::new();
        let mut seen = HashSet::new();
        let mut left: Vec<(Node, bool)> = nodes.iter().map(|node| (*node, true)).collect();
        while let Some(((file, schema), family)) = left.pop() {
            if !seen.insert(place(schema)) {
                continue;
            }
            if let Some(next) = self.follow((file, schema)) {
                left.push((next, family));
            }
            let list = |word: &str, family: bool, left: &mut Vec<(Node, bool)>| {
                for part in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
                    left.push(((file, part), family));
                }
            };
            list("allOf", false, &mut left);
            list("oneOf", true, &mut left);
            list("anyOf", true, &mut left);
            for word in ["then", "else"] {
                left.extend(schema.get(word).map(|part| ((file, part), false)));
            }
            for (_, part) in schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flatten() {
                left.push(((file, part), false));
            }
            if let Some(discriminator) = schema.get("discriminator").filter(|_| family) {
                let mapping = discriminator.get("mapping").and_then(Value::as_object);
                for (_, target) in mapping.into_iter().flatten() {
                    if let Some(target) = target.as_str().and_then(|target| self.target(file, target)) {
                        left.push((target, false));
                    }
                }
                for child in self.extended.get(&place(schema)).cloned().unwrap_or_default() {
                    left.push((child, false));
                }
            }
            for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                members.entry(name.clone()).or_default().push((file, member));
            }
            for word in ["items", "prefixItems", "additionalProperties", "patternProperties", "unevaluatedProperties"] {
                match schema.get(word) {
                    Some(Value::Array(several)) => inner.extend(several.iter().map(|one| (file, one))),
                    Some(Value::Object(named)) if word == "patternProperties" => {
                        inner.extend(named.values().map(|one| (file, one)));
                    }
                    Some(one @ Value::Object(_)) => inner.push((file, one)),
                    _ => {}
                }
            }
        }
        (members, inner)
    }

    /// Every path to a member below a body: each schema the first time that it is met, and every body's own.
    fn paths(&mut self, body: Vec<Node>) -> Vec<Path_> {
        let mut found = Vec::new();
        let mut left = VecDeque::from([(Path_::new(), body)]);
        while let Some((path, nodes)) = left.pop_front() {
            let (members, inner) = self.expand(&nodes);
            for (name, nodes) in members {
                let path = [path.as_slice(), &[Some(name)]].concat();
                found.push(path.clone());
                if self.is_new(&nodes) {
                    left.push_back((path, nodes));
                }
            }
            if !inner.is_empty() && (path.iter().all(Option::is_none) || self.is_new(&inner)) && path.len() < 20 {
                left.push_back(([path.as_slice(), &[None]].concat(), inner));
            }
        }
        found
    }

    fn is_new(&mut self, nodes: &[Node]) -> bool {
        let key: BTreeSet<usize> =
            nodes.iter().flat_map(|node| self.chain(*node).last().map(|(_, value)| place(value))).collect();
        self.known.insert(format!("{key:?}"))
    }
}

/// A line of a skeleton: a place, and what is there.
#[derive(Debug)]
enum There {
    Field,
    Shape(String),
    /// The line says that more may be there, or why this is left out.
    Said,
}

type Entries = Vec<(Path_, There)>;

/// A skeleton, read as text.
#[derive(Debug, Default)]
struct Skeleton {
    shapes: HashMap<String, Entries>,
    /// By method and path, with each parameter as `{}`.
    routes: HashMap<(String, String), Entries>,
    text: String,
}

fn steps(path: &str) -> Option<Path_> {
    let path = FieldPath::parse(path).ok()?;
    Some(
        path.segments
            .iter()
            .map(|segment| if let Segment::Member(name) = segment { Some(name.to_string()) } else { None })
            .collect(),
    )
}

/// One line `$.a: unreviewed  # …`, or that as a comment.
fn entry(line: &str) -> Option<(Path_, There)> {
    let line = line.trim();
    let (comment, line) = match line.strip_prefix("# ") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (key, rest) = if line.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(line).into_iter::<String>();
        let key = stream.next()?.ok()?;
        (key, line[stream.byte_offset()..].strip_prefix(": ")?)
    } else {
        let (key, rest) = line.split_once(": ")?;
        (key.to_owned(), rest)
    };
    let there = match rest.split_once("{shape: ") {
        _ if comment || rest.contains("may hold anything") || rest.contains("no JSON body is described") => There::Said,
        Some((_, name)) => There::Shape(name.split('}').next()?.trim_matches('"').to_owned()),
        None => There::Field,
    };
    Some((steps(&key)?, there))
}

fn erased(path: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for c in path.split(['?', '#']).next().unwrap().chars() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                out.push_str("{}");
            }
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

impl Skeleton {
    fn read(text: &str) -> Self {
        let mut skeleton = Self { text: text.to_owned(), ..Self::default() };
        let mut section = "";
        let mut name = String::new();
        let mut route = (String::new(), String::new());
        for line in text.lines() {
            if let Some(word) = ["shapes", "routes"].iter().find(|word| line == format!("{word}:")) {
                section = word;
            } else if let Some(head) = line.strip_prefix("  ").filter(|rest| !rest.starts_with([' ', '#'])) {
                name = head.trim_end_matches(':').trim_matches('"').to_owned();
            } else if section == "shapes" {
                skeleton.shapes.entry(name.clone()).or_default().extend(entry(line));
            } else if let Some(matched) = line.strip_prefix("    match: ") {
                let (method, path) = matched.trim_matches('"').split_once(' ').unwrap();
                route = (method.to_owned(), erased(path));
                skeleton.routes.entry(route.clone()).or_default();
            } else if let Some(body) = line.strip_prefix("    body: {") {
                skeleton.routes.entry(route.clone()).or_default().extend(entry(body));
            } else if section == "routes" && line.starts_with("      ") {
                skeleton.routes.entry(route.clone()).or_default().extend(entry(line));
            }
        }
        skeleton
    }

    /// Whether a path is named, or under a line that says why not.
    fn has(&self, entries: &Entries, path: &[Option<String>]) -> bool {
        entries.iter().any(|(at, there)| match there {
            There::Said => path.starts_with(at) || at.starts_with(path),
            There::Field => at.starts_with(path),
            There::Shape(name) => {
                at.starts_with(path)
                    || (path.starts_with(at)
                        && self.shapes.get(name).is_some_and(|shape| self.has(shape, &path[at.len()..])))
            }
        })
    }
}

/// What was counted.
#[derive(Debug, Default)]
struct Count {
    descriptions: usize,
    operations: usize,
    members: usize,
    said: usize,
    lost: Vec<String>,
}

const METHODS: [&str; 8] = ["get", "post", "put", "patch", "delete", "options", "head", "query"];

fn walk(file: &Path, count: &mut Count) {
    let name = file.to_string_lossy().into_owned();
    let wanted = WantedOperations { prefix: Some(""), ..WantedOperations::default() };
    let Ok(api) = openapi::read_all(&Below, std::slice::from_ref(&name), wanted) else { return };
    let text = skeleton::write(&api, &name, "it", &[]);
    if text.len() < 400_000 {
        let files = BTreeMap::from([("p.yaml".to_owned(), text.clone())]);
        if let Err(found) = policy::load(&files, "p.yaml").and_then(|doc| policy::check(&doc)) {
            panic!("{name}: the skeleton does not check: {found}");
        }
    }
    let skeleton = Skeleton::read(&text);
    let root = fs::canonicalize(file.parent().unwrap()).unwrap();
    let mut walker = Walker { root, files: HashMap::new(), extended: HashMap::new(), known: HashSet::new() };
    let tree = walker.tree(&name).expect("it was read before");
    let swagger = tree.get("swagger").is_some();
    let file: &'static str = Box::leak(name.clone().into_boxed_str());
    count.descriptions += 1;
    for (path, item) in tree.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = walker.get((file, item), method) else { continue };
            count.operations += 1;
            let upper = method.to_ascii_uppercase();
            let slash = if path.starts_with('/') { "" } else { "/" };
            let entries = skeleton.routes.get(&(upper.clone(), erased(&format!("{slash}{path}"))));
            let Some(entries) = entries else {
                let said = skeleton.text.contains(&format!("#   {upper} {slash}{path}: "));
                // A path with characters that a policy encodes is found by neither spelling.
                if !said && !path.contains([' ', '%', '\'', '"', '<', '=']) && method != "head" {
                    count.lost.push(format!("{name}: {upper} {path}"));
                }
                continue;
            };
            let mut body = Vec::new();
            let responses = walker.get(operation, "responses");
            let responses: Vec<Node> = responses.map(|responses| walker.chain(responses)).unwrap_or_default();
            for (file, responses) in responses {
                for (status, response) in
                    responses.as_object().into_iter().flatten().filter(|(status, _)| status.starts_with('2'))
                {
                    let _ = status;
                    if swagger {
                        body.extend(walker.get((file, response), "schema"));
                    }
                    let content = walker.get((file, response), "content");
                    let (file, content) = content.unwrap_or((file, &Value::Null));
                    for (media, value) in content.as_object().into_iter().flatten() {
                        if media.to_lowercase().contains("json") || media.starts_with("*/*") {
                            body.extend(walker.get((file, value), "schema"));
                        }
                    }
                }
            }
            for path_ in walker.paths(body) {
                count.members += 1;
                let under = |(at, there): &(Path_, There)| matches!(there, There::Said) && path_.starts_with(at);
                count.said += usize::from(entries.iter().any(under));
                if !skeleton.has(entries, &path_) && count.lost.len() < 40 {
                    count.lost.push(format!("{name}: {upper} {path}: {path_:?}"));
                }
            }
        }
    }
}

fn descriptions(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            descriptions(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml" || kind == "json") {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn every_member_of_every_body_is_in_the_skeleton_or_said_to_be_left_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    descriptions(&root.join("tests/cli/openapi"), &mut files);
    descriptions(&root.join("target/descriptions"), &mut files);
    let mut count = Count::default();
    for file in &files {
        walk(file, &mut count);
    }
    let Count { descriptions, operations, members, said, lost } = &count;
    println!(
        "{descriptions} descriptions, {operations} operations, {members} members, {said} of them under a line of the body that says why"
    );
    assert!(lost.is_empty(), "{} lost: {lost:#?}", lost.len());
    // As many as the repository's own have; `make descriptions` brings a thousand times that.
    assert!(*descriptions >= 6 && *members >= 50, "{count:?}");
}
