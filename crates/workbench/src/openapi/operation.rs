//! Paths and methods to operations: templates in the policy's spelling, areas and scopes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fieldgate::model::{Relation, Template, TemplateSegment};
use fieldgate::policy::path_template;
use serde_json::Value;

use super::document::{Document, Layers, Root, Version};
use super::expand::Limits;
use super::names::{kebab, unique};
use super::response::Body;
use super::schema::Walker;
use super::template::{erased, template};
use super::{
    Api, ApiScope, Fault, Field, Operation, WantedOperations, What, one_line, parameter, response, server, text_of,
};

/// The members of a path that are methods: OpenAPI 3.2 has `query` too.
const METHODS: [&str; 9] = ["get", "post", "put", "patch", "delete", "head", "options", "query", "trace"];

/// The members of a path that are none.
const OTHERS: [&str; 6] = ["$ref", "summary", "description", "servers", "parameters", "additionalOperations"];

/// Most operations: a policy has at most 8,192 routes.
const MAX_OPERATIONS: usize = 8_000;

/// A shape comes to at most so many fields with all that it mounts, and to so many mounts within each other: a policy's own
/// limits are 20,000 and 64, and each field costs memory in every worker.
const LIMITS: Limits = Limits { fields: 1_000, depth: 24 };

/// The whole API.
pub(super) fn api(document: &Document, wanted: WantedOperations<'_>) -> Result<Api, Fault> {
    let mut reader = OperationReader {
        document,
        walker: Walker::new(document),
        wanted,
        names: HashSet::new(),
        erased: BTreeMap::new(),
        partial: Vec::new(),
        bodies: Vec::new(),
        api: Api::default(),
        paths: Vec::new(),
        chosen: BTreeSet::new(),
    };
    let mut titles: Vec<String> = Vec::new();
    for root in &document.roots {
        reader.description(root)?;
        let info = document.root(root).get("info");
        titles.extend(info.and_then(|info| text_of(info, "title")).map(|title| one_line(title, 80)));
        for scope in scopes(document, root) {
            if !reader.api.scopes.iter().any(|known| known.name == scope.name) {
                reader.api.scopes.push(scope);
            }
        }
    }
    reader.api.title = titles.join(", ");
    reader.all_chosen()?;
    if reader.api.operations.is_empty() {
        return Err(reader.nothing());
    }
    if wanted.chooses() {
        let api = &mut reader.api;
        api.scopes.retain(|scope| api.operations.iter().any(|one| one.scopes.contains(&scope.name)));
    }
    let OperationReader { mut walker, mut api, bodies, .. } = reader;
    for (operation, body) in api.operations.iter_mut().zip(bodies) {
        operation.body = if body.schemas.is_empty() { Vec::new() } else { walker.body(&body.schemas) };
        operation.body.extend(body.unread.into_iter().map(|why| Field {
            steps: Vec::new(),
            what: What::Cut(why),
            about: String::new(),
        }));
    }
    let (shapes, too_much) = walker.finish(LIMITS);
    api.shapes = shapes;
    if too_much {
        api.left_out.push("the description is larger than can be looked at as a whole: use `--under`".to_owned());
    }
    Ok(api)
}

impl Operation {
    /// An operation of which nothing but its method and path is known.
    pub(super) fn new(method: &str, path: &str) -> Result<Self, String> {
        let mut remarks = Vec::new();
        let path = template(path, &mut remarks)?;
        Ok(Self {
            name: kebab(&format!("{} {path}", method.to_ascii_lowercase())),
            method: method.to_owned(),
            area: area(&path),
            path,
            query: Vec::new(),
            body: Vec::new(),
            scopes: Vec::new(),
            remarks,
        })
    }
}

/// An area for a path: its first word.
fn area(path: &str) -> String {
    path.split('/')
        .map(|part| part.split('{').next().unwrap_or(part))
        .find(|part| part.contains(|c: char| c.is_ascii_alphanumeric()) && !version_like(part))
        .map_or_else(|| "api".to_owned(), kebab)
}

/// Paths with literal text beside a parameter that are compared with each other.
const MOST_PARTIAL: usize = 1000;

struct OperationReader<'d> {
    document: &'d Document,
    walker: Walker<'d>,
    wanted: WantedOperations<'d>,
    names: HashSet<String>,
    /// Method and path with parameter names erased, and which operation that is.
    erased: BTreeMap<(String, String), usize>,
    /// Those with literal text beside a parameter.
    partial: Vec<(String, Template)>,
    /// What each operation answers with.
    bodies: Vec<Body<'d>>,
    api: Api,
    /// The first paths, for whoever asked for others.
    paths: Vec<String>,
    /// Which of the operations and tags that were asked for are there.
    chosen: BTreeSet<String>,
}

/// A path with what is said of it.
struct Item<'d> {
    path: String,
    layers: Layers<'d>,
    version: Version,
    root: &'d Value,
    remarks: Vec<String>,
}

impl<'d> OperationReader<'d> {
    fn leave_out(&mut self, what: &str, why: &str) {
        self.api.left_out.push(format!("{}: {why}", one_line(what, 120)));
    }

    fn description(&mut self, root: &'d Root) -> Result<(), Fault> {
        let document = self.document;
        let tree = document.root(root);
        let own = server::of(document, root);
        let prefix = match self.wanted.prefix {
            Some(prefix) => prefix.trim_end_matches('/').to_owned(),
            None => own.prefix,
        };
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(Fault::new(format!("the prefix `{prefix}` does not start with `/`"), "write it as in `/v1`"));
        }
        if self.wanted.prefix.is_none() {
            self.api.notes.extend(own.notes);
        }
        for (path, value) in tree.get("paths").and_then(Value::as_object).into_iter().flatten() {
            if path.starts_with("x-") {
                continue;
            }
            let layers = document.layers(value);
            let mut remarks = Vec::new();
            let slash = if path.starts_with('/') { "" } else { "/" };
            if !slash.is_empty() {
                remarks
                    .push(format!("the description has it without the slash at its start: `{}`", one_line(path, 60)));
            }
            let front = match (self.wanted.prefix, server::of_path(&layers)) {
                (None, Some(own)) => own,
                _ => prefix.clone(),
            };
            let full = format!("{front}{slash}{path}");
            if self.paths.len() < 3 {
                self.paths.push(full.clone());
            }
            if self.wanted.under.is_some_and(|under| !full.starts_with(under)) {
                continue;
            }
            if let Some(reference) = layers.broken {
                self.leave_out(&full, &document.why_not(reference));
            }
            let item = Item { path: full, layers, version: root.version, root: tree, remarks };
            self.item(&item);
            if self.api.operations.len() > MAX_OPERATIONS {
                return Err(Fault::new(
                    format!("the description has more than {MAX_OPERATIONS} operations"),
                    "make a policy of a part of it: `--under /path`",
                ));
            }
        }
        Ok(())
    }

    /// The operations of a path.
    fn item(&mut self, item: &Item<'d>) {
        for method in METHODS {
            if let Some(operation) = item.layers.get(method) {
                self.operation(item, method, operation);
            }
        }
        let more = item.layers.get("additionalOperations").and_then(Value::as_object);
        for (method, operation) in more.into_iter().flatten() {
            self.operation(item, method, operation);
        }
        let unknown: BTreeSet<&String> = item.layers.members().map(|(name, _)| name).collect();
        for name in unknown {
            if !METHODS.contains(&name.as_str()) && !OTHERS.contains(&name.as_str()) && !name.starts_with("x-") {
                self.leave_out(&item.path, &format!("`{}` is nothing that a path has", one_line(name, 40)));
            }
        }
    }

    fn operation(&mut self, item: &Item<'d>, method: &str, value: &'d Value) {
        let operation = self.document.layers(value);
        let method = method.to_ascii_uppercase();
        let path = item.path.as_str();
        if !self.is_chosen(&method, path, &operation) {
            return;
        }
        if method == "HEAD" && item.layers.get("get").is_some() {
            return;
        }
        if let Some(why) = no_route(&method) {
            return self.leave_out(&format!("{method} {path}"), why);
        }
        let mut remarks = item.remarks.clone();
        let template = match template(path, &mut remarks) {
            Ok(template) => template,
            Err(why) => return self.leave_out(&format!("{method} {path}"), &why),
        };
        let summary =
            operation.text("summary").or_else(|| operation.text("description")).or_else(|| item.layers.text("summary"));
        let about = summary.map(|text| one_line(text, 100)).filter(|text| !text.is_empty());
        let place = erased(&template);
        let index = match self.erased.get(&(method.clone(), place.clone())) {
            // Two operations take one request (rule 4): one route has the fields of both.
            Some(index) => {
                remarks.insert(0, format!("also `{}`", one_line(path, 120)));
                *index
            }
            None => match self.route(&method, &template, place, &operation) {
                Ok(index) => index,
                Err(why) => return self.leave_out(&format!("{method} {path}"), why),
            },
        };
        remarks.extend(about);
        if operation.get("deprecated") == Some(&Value::Bool(true)) {
            remarks.push("deprecated".to_owned());
        }
        let mut body = Body::default();
        if let Some(reference) = operation.broken {
            body.unread.push(self.document.why_not(reference));
        }
        let query = parameter::query(self.document, path, &item.layers, &operation, &mut remarks);
        response::read(self.document, item.version, item.root, &operation, &mut body, &mut remarks);
        let security = operation.get("security").or_else(|| item.root.get("security"));
        let (scopes, keys) = asked(self.document, item, security);
        for why in &body.unread {
            remarks.push(format!("not all of it could be read: {why}"));
        }
        if let Some(known) = self.bodies.get_mut(index) {
            known.schemas.extend(body.schemas);
            known.unread.extend(body.unread);
        }
        if let Some(known) = self.api.operations.get_mut(index) {
            extend(&mut known.query, query.into_iter().chain(keys));
            extend(&mut known.scopes, scopes);
            extend(&mut known.remarks, remarks);
        }
    }

    /// A new operation's index; why it cannot be one otherwise.
    fn route(
        &mut self,
        method: &str,
        template: &str,
        place: String,
        operation: &Layers<'d>,
    ) -> Result<usize, &'static str> {
        // Literal text beside a parameter may be as much as that of another route.
        let parsed = path_template(template).ok_or("its path cannot be written as a route's (rule 4)")?;
        let is_partial = parsed.segments.iter().any(|segment| matches!(segment, TemplateSegment::Part { .. }));
        let equals = |other: &&(String, Template)| other.0 == method && parsed.relation(&other.1) == Relation::Conflict;
        if is_partial && self.partial.len() < MOST_PARTIAL && self.partial.iter().find(equals).is_none() {
            self.partial.push((method.to_owned(), parsed));
        } else if is_partial {
            return Err("it can match the same requests as another, and neither is more specific (rule 4)");
        }
        let stem = operation
            .text("operationId")
            .map_or_else(|| format!("{} {template}", method.to_ascii_lowercase()), str::to_owned);
        let name = unique(&kebab(&stem), |name| self.names.contains(name));
        self.names.insert(name.clone());
        let index = self.api.operations.len();
        self.erased.insert((method.to_owned(), place), index);
        let tag = operation.get("tags").and_then(|tags| tags.get(0)).and_then(Value::as_str);
        let area = tag.map_or_else(|| area(template), kebab);
        self.bodies.push(Body::default());
        self.api.operations.push(Operation {
            name,
            method: method.to_owned(),
            path: template.to_owned(),
            area,
            query: Vec::new(),
            body: Vec::new(),
            scopes: Vec::new(),
            remarks: Vec::new(),
        });
        Ok(index)
    }

    /// Whether an operation is one of those that were asked for, if any were.
    fn is_chosen(&mut self, method: &str, path: &str, operation: &Layers<'d>) -> bool {
        if !self.wanted.chooses() {
            return true;
        }
        let id = operation.text("operationId").unwrap_or_default();
        let (named, spelled) = (kebab(if id.is_empty() { path } else { id }), format!("{method} {path}"));
        let generated = kebab(&format!("{} {path}", method.to_ascii_lowercase()));
        let mut chosen = false;
        for one in self.wanted.operations {
            if *one == id || *one == named || *one == spelled || (id.is_empty() && *one == generated) {
                self.chosen.insert(one.clone());
                chosen = true;
            }
        }
        let tags = operation.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for tag in tags {
            for one in self.wanted.tags.iter().filter(|one| *one == tag || **one == kebab(tag)) {
                self.chosen.insert(one.clone());
                chosen = true;
            }
        }
        chosen
    }

    /// Whether everything that was asked for is there.
    fn all_chosen(&self) -> Result<(), Fault> {
        for (word, list, help) in [
            (
                "operation",
                self.wanted.operations,
                "write its `operationId`, or its method and path: `--operation \"GET /accounts\"`",
            ),
            ("tag", self.wanted.tags, "tags are spelled as the description's operations spell them"),
        ] {
            if let Some(unknown) = list.iter().find(|one| !self.chosen.contains(*one)) {
                return Err(Fault::new(format!("the description has no {word} `{}`", one_line(unknown, 80)), help));
            }
        }
        Ok(())
    }

    /// Why there is no operation at all.
    fn nothing(&self) -> Fault {
        let (message, help) = match (self.wanted.under, self.api.left_out.first()) {
            (Some(under), _) => {
                let first =
                    self.paths.first().map_or_else(|| "/".to_owned(), |path| format!("`{}`", one_line(path, 80)));
                (format!("no path of the description starts with `{under}`"), format!("paths start with {first}"))
            }
            (None, Some(first)) => {
                ("the description has no operation that a route can match".to_owned(), first.clone())
            }
            (None, None) => (
                "the description has no paths".to_owned(),
                "a description of web hooks alone is of no use here".to_owned(),
            ),
        };
        Fault::new(message, help)
    }
}

fn extend(known: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for one in more {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}

/// Scopes that an operation asks for, and query parameters that carry keys.
fn asked(document: &Document, item: &Item<'_>, security: Option<&Value>) -> (Vec<String>, Vec<String>) {
    let (mut scopes, mut keys) = (Vec::new(), Vec::new());
    let all = security.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).flatten();
    for (scheme, names) in all {
        extend(&mut scopes, names.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        let scheme = schemes(item.root, item.version).and_then(|all| all.get(scheme)).map(|one| document.layers(one));
        if let Some(scheme) = scheme.filter(|scheme| scheme.text("in") == Some("query")) {
            extend(&mut keys, scheme.text("name").filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    (scopes, keys)
}

fn schemes(root: &Value, version: Version) -> Option<&serde_json::Map<String, Value>> {
    let place = match version {
        Version::Swagger2 => "/securityDefinitions",
        Version::OpenApi3 => "/components/securitySchemes",
    };
    root.pointer(place).and_then(Value::as_object)
}

/// What the security schemes define.
fn scopes(document: &Document, root: &Root) -> Vec<ApiScope> {
    let mut scopes: Vec<ApiScope> = Vec::new();
    for scheme in schemes(document.root(root), root.version).into_iter().flat_map(|all| all.values()) {
        let scheme = document.layers(scheme);
        let flows = scheme.get("flows").and_then(Value::as_object).into_iter().flat_map(|flows| flows.values());
        let lists = flows.filter_map(|flow| flow.get("scopes")).chain(scheme.get("scopes"));
        for (name, about) in lists.filter_map(Value::as_object).flatten() {
            if !scopes.iter().any(|known| known.name == *name) {
                let about = one_line(about.as_str().unwrap_or_default(), 100);
                scopes.push(ApiScope { name: one_line(name, 120), about });
            }
        }
    }
    scopes
}

fn version_like(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
        || matches!(part, "api" | "rest")
}

/// Why no route can have a method, in upper case. A HEAD is asked about only where its path has no GET.
fn no_route(method: &str) -> Option<&'static str> {
    match method {
        "TRACE" => Some("such requests are refused, for they answer with themselves"),
        "HEAD" => Some("a HEAD takes the route of a GET (rule 4), and the description has none"),
        method if !method.chars().all(|c| c.is_ascii_uppercase()) || method.is_empty() => {
            Some("no route can have that method")
        }
        _ => None,
    }
}
