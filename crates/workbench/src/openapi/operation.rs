//! Paths and methods to operations: templates in the policy's spelling, query parameters, areas and scopes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fieldgate::policy::media::MediaRange;
use fieldgate::policy::model::{Relation, Template, TemplateSegment};
use fieldgate::policy::path_template;
use serde_json::Value;

use super::document::{Document, Version};
use super::expand::Limits;
use super::schema::{Walker, name_of};
use super::template::{erased, template};
use super::{Api, ApiScope, Fault, Operation, Wanted, one_line, suggest, text_of};

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "options", "trace"];

/// Most operations: a policy has at most 8,192 routes.
const MAX_OPERATIONS: usize = 8_000;

/// A shape comes to at most so many fields with all that it mounts, and to so many mounts within each other: a policy's own
/// limits are 20,000 and 64, and each field costs memory in every worker.
const LIMITS: Limits = Limits { fields: 1_000, depth: 24 };

/// The whole API.
pub(super) fn api(document: &Document, wanted: Wanted<'_>) -> Result<Api, Fault> {
    let mut reader = Reader {
        document,
        walker: Walker::new(document),
        names: HashSet::new(),
        erased: BTreeMap::new(),
        partial: Vec::new(),
        api: Api::default(),
    };
    let root = &document.root;
    reader.api.title =
        root.get("info").and_then(|info| text_of(info, "title")).map(|t| one_line(t, 80)).unwrap_or_default();
    let prefix = match wanted.prefix {
        Some(prefix) => prefix.trim_end_matches('/').to_owned(),
        None => own_prefix(document),
    };
    if !prefix.is_empty() && !prefix.starts_with('/') {
        return Err(Fault::new(format!("the prefix `{prefix}` does not start with `/`"), "write it as in `/v1`"));
    }
    let paths = root.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        if path.starts_with("x-") {
            continue;
        }
        let full = format!("{prefix}{path}");
        if wanted.under.is_some_and(|under| !full.starts_with(under)) {
            continue;
        }
        let Some(item) = document.resolved(item) else {
            reader.leave_out(&full, "it refers to another file");
            continue;
        };
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                reader.operation(&full, method, item, operation);
            }
        }
        if reader.api.operations.len() > MAX_OPERATIONS {
            return Err(Fault::new(
                format!("the description has more than {MAX_OPERATIONS} operations"),
                "make a policy of a part of it: `--under /path`",
            ));
        }
    }
    if reader.api.operations.is_empty() {
        let (message, help) = match wanted.under {
            Some(under) => (
                format!("no path of the description starts with `{under}`"),
                format!(
                    "paths start with {}",
                    paths
                        .and_then(|all| all.keys().next())
                        .map_or_else(|| "/".to_owned(), |path| format!("`{prefix}{path}`"))
                ),
            ),
            None => match reader.api.left_out.first() {
                Some(first) => ("the description has no operation that a route can match".to_owned(), first.clone()),
                None => (
                    "the description has no paths".to_owned(),
                    "a description of web hooks alone is of no use here".to_owned(),
                ),
            },
        };
        return Err(Fault::new(message, help));
    }
    reader.api.scopes = scopes(document);
    let Reader { walker, mut api, .. } = reader;
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

struct Reader<'d> {
    document: &'d Document,
    walker: Walker<'d>,
    names: HashSet<String>,
    /// Method and path with parameter names erased, and whose it is.
    erased: BTreeMap<(String, String), String>,
    /// Those with literal text beside a parameter.
    partial: Vec<(String, Template)>,
    api: Api,
}

impl<'d> Reader<'d> {
    fn leave_out(&mut self, what: &str, why: &str) {
        self.api.left_out.push(format!("{}: {why}", one_line(what, 120)));
    }

    fn operation(&mut self, path: &str, method: &str, item: &'d Value, operation: &'d Value) {
        let method = method.to_ascii_uppercase();
        if method == "TRACE" {
            self.leave_out(&format!("{method} {path}"), "such requests are refused, for they answer with themselves");
            return;
        }
        let mut remarks = Vec::new();
        let template = match template(path, &mut remarks) {
            Ok(template) => template,
            Err(why) => {
                self.leave_out(&format!("{method} {path}"), &why);
                return;
            }
        };
        let erased = erased(&template);
        if let Some(first) = self.erased.get(&(method.clone(), erased.clone())) {
            let why = format!("it matches the same requests as {first} (rule 4)");
            self.leave_out(&format!("{method} {path}"), &why);
            return;
        }
        // Literal text beside a parameter may be as much as that of another route.
        let Some(parsed) = path_template(&template) else {
            self.leave_out(&format!("{method} {path}"), "its path cannot be written as a route's (rule 4)");
            return;
        };
        let is_partial = parsed.segments.iter().any(|segment| matches!(segment, TemplateSegment::Part { .. }));
        let equals = |other: &&(String, Template)| other.0 == method && parsed.relation(&other.1) == Relation::Conflict;
        if is_partial && self.partial.len() < MOST_PARTIAL && self.partial.iter().find(equals).is_none() {
            self.partial.push((method.clone(), parsed));
        } else if is_partial {
            let why = "it can match the same requests as another, and neither is more specific (rule 4)";
            self.leave_out(&format!("{method} {path}"), why);
            return;
        }
        let stem = text_of(operation, "operationId")
            .map_or_else(|| format!("{} {template}", method.to_ascii_lowercase()), str::to_owned);
        let name = unique(&kebab(&stem), |name| self.names.contains(name));
        self.names.insert(name.clone());
        self.erased.insert((method.clone(), erased), format!("`{name}`"));
        let tag = operation.get("tags").and_then(|tags| tags.get(0)).and_then(Value::as_str);
        let area = match tag {
            Some(tag) => kebab(tag),
            None => area(&template),
        };
        if operation.get("deprecated") == Some(&Value::Bool(true)) {
            remarks.push("deprecated".to_owned());
        }
        let query = self.query(item, operation, &mut remarks);
        let schemas = self.schemas(operation, &mut remarks);
        let body = if schemas.is_empty() { Vec::new() } else { self.walker.body(&schemas) };
        let scopes = self.asked(operation);
        self.api.operations.push(Operation { name, method, path: template, area, query, body, scopes, remarks });
    }

    /// Query parameters of the path and of the operation.
    fn query(&self, item: &'d Value, operation: &'d Value, remarks: &mut Vec<String>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let lists = [item.get("parameters"), operation.get("parameters")];
        for parameter in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
            let Some(parameter) = self.document.resolved(parameter) else {
                remarks.push("a parameter is described in another file".to_owned());
                continue;
            };
            let (Some("query"), Some(name)) = (text_of(parameter, "in"), text_of(parameter, "name")) else { continue };
            let schema = parameter.get("schema").and_then(|schema| self.document.resolved(schema));
            let members = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
            let all = match (text_of(parameter, "style"), members) {
                // OpenAPI 3.0.3, style values: `deepObject` sends `filter[name]=…`.
                (Some("deepObject"), Some(members)) => {
                    members.keys().map(|member| format!("{name}[{member}]")).collect()
                }
                (None | Some("form"), Some(members)) if parameter.get("explode") != Some(&Value::Bool(false)) => {
                    members.keys().cloned().collect()
                }
                _ => vec![name.to_owned()],
            };
            for name in all {
                if !names.contains(&name) && !name.is_empty() {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The schemas of what a 2xx response holds.
    fn schemas(&self, operation: &'d Value, remarks: &mut Vec<String>) -> Vec<&'d Value> {
        let mut schemas = Vec::new();
        let mut others: BTreeSet<String> = BTreeSet::new();
        let responses = operation.get("responses").and_then(Value::as_object);
        let good = |status: &str| status.starts_with('2');
        let fallback = responses.is_some_and(|all| !all.keys().any(|status| good(status)));
        for (status, response) in responses.into_iter().flatten() {
            if !(good(status) || fallback && status == "default") {
                continue;
            }
            let Some(response) = self.document.resolved(response) else {
                remarks.push(format!("the response {} is described in another file", one_line(status, 10)));
                continue;
            };
            if self.document.version == Version::Swagger2 {
                schemas.extend(response.get("schema"));
                continue;
            }
            for (media, content) in response.get("content").and_then(Value::as_object).into_iter().flatten() {
                if !is_json(media) {
                    others.insert(one_line(media, 60));
                    continue;
                }
                schemas.extend(content.get("schema"));
                schemas.extend(content.get("itemSchema"));
            }
        }
        if !others.is_empty() {
            let list: Vec<String> = others.into_iter().collect();
            let rest = if schemas.is_empty() { "" } else { " besides" };
            let passable: Vec<&str> = list
                .iter()
                .map(String::as_str)
                .filter(|media| MediaRange::parse(media).is_some_and(|range| range.is_passable()))
                .collect();
            let unless = match passable.as_slice() {
                [] => String::new(),
                some => format!(", unless `other_content: {{pass: [{}]}}`", some.join(", ")),
            };
            remarks.push(format!("answers {}{rest}: refused{unless}", list.join(", ")));
        }
        schemas
    }

    /// Scopes that an operation asks for.
    fn asked(&self, operation: &Value) -> Vec<String> {
        let security =
            operation.get("security").or_else(|| self.document.root.get("security")).and_then(Value::as_array);
        let mut scopes: Vec<String> = Vec::new();
        for names in security.into_iter().flatten().filter_map(Value::as_object).flat_map(|one| one.values()) {
            for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !scopes.iter().any(|known| known == name) {
                    scopes.push(name.to_owned());
                }
            }
        }
        scopes
    }
}

/// What the security schemes define.
fn scopes(document: &Document) -> Vec<ApiScope> {
    let root = &document.root;
    let schemes = match document.version {
        Version::Swagger2 => root.get("securityDefinitions"),
        Version::OpenApi3 => root.get("components").and_then(|components| components.get("securitySchemes")),
    };
    let mut scopes: Vec<ApiScope> = Vec::new();
    for scheme in schemes.and_then(Value::as_object).into_iter().flat_map(|all| all.values()) {
        let Some(scheme) = document.resolved(scheme) else { continue };
        let flows = scheme.get("flows").and_then(Value::as_object).into_iter().flat_map(|flows| flows.values());
        for list in flows.chain([scheme]).filter_map(|flow| flow.get("scopes")).filter_map(Value::as_object) {
            for (name, about) in list {
                if !scopes.iter().any(|known| known.name == *name) {
                    let about = one_line(about.as_str().unwrap_or_default(), 100);
                    scopes.push(ApiScope { name: one_line(name, 120), about });
                }
            }
        }
    }
    scopes
}

/// The path that all servers have in front.
fn own_prefix(document: &Document) -> String {
    let root = &document.root;
    let prefixes: Vec<String> = match document.version {
        Version::Swagger2 => text_of(root, "basePath").map(str::to_owned).into_iter().collect(),
        Version::OpenApi3 => {
            let urls = root.get("servers").and_then(Value::as_array).into_iter().flatten();
            urls.filter_map(|server| text_of(server, "url"))
                // A scheme may be left out (RFC 3986 §4.2).
                .map(|url| match url.split_once("://").or_else(|| url.strip_prefix("//").map(|rest| ("", rest))) {
                    Some((_, rest)) => rest.split_once('/').map(|(_, path)| format!("/{path}")).unwrap_or_default(),
                    None => url.to_owned(),
                })
                .collect()
        }
    };
    match prefixes.split_first() {
        Some((first, rest))
            if rest.iter().all(|other| other == first) && first.starts_with('/') && !first.contains('{') =>
        {
            first.trim_end_matches('/').to_owned()
        }
        _ => String::new(),
    }
}

/// Whether a media type is JSON, or lines of it (RFC 6839 §3.1).
fn is_json(media: &str) -> bool {
    let kind = media.split(';').next().unwrap_or(media).trim().to_ascii_lowercase();
    let (_, subtype) = kind.split_once('/').unwrap_or(("", &kind));
    matches!(subtype, "json" | "x-ndjson" | "ndjson" | "json-seq" | "jsonl" | "*") || subtype.ends_with("+json")
}

fn version_like(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
        || matches!(part, "api" | "rest")
}

/// `getAccountById` as `get-account-by-id`.
pub(super) fn kebab(text: &str) -> String {
    name_of(&suggest::words(text).join("-"))
}

/// The name, or the first of `name-2`, `name-3` … that is not taken.
pub(super) fn unique(stem: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(stem) {
        return stem.to_owned();
    }
    (2_usize..).map(|number| format!("{stem}-{number}")).find(|name| !taken(name)).unwrap_or_default()
}
