//! [`check`]: from what an author wrote to a policy that is valid by construction, or to everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::document::{PolicyDoc, Tree};
use super::field_path::FieldPath;
use super::model::{
    Client, ClientId, Condition, Entry, Governed, Identity, Level, PolicySet, Route, RouteBody, RowRule, Scope,
    ScopeId, When,
};
use super::similar::nearest;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span};

mod read;
mod routes;
mod scopes;
mod settings;
mod shapes;

use read::Reader;
use routes::{BodyDraft, GovernedDraft, RouteDraft};
use scopes::{ClientDraft, ScopeDraft};
use shapes::{Expansion, Shape};

const KEYS: [&str; 15] = [
    "language", "policy", "include", "hosts", "identity", "defaults", "limits", "head", "classes", "shapes", "routes",
    "scopes", "clients", "budgets", "canaries",
];

/// Most of each kind of thing; identifiers are 16 bits wide.
const MAX_THINGS: usize = 8192;

/// Checks a document: every finding of one look at it, and a policy only if none of them is an error.
///
/// # Errors
/// All diagnostics, warnings and notes among them, if at least one is an error.
pub fn check(doc: &PolicyDoc) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    let mut reader = Reader { found: doc.found.clone() };
    let policy = policy(&mut reader, doc);
    finish(policy, reader.found, doc)
}

fn finish(
    policy: Option<PolicySet>,
    mut found: Vec<Diagnostic>,
    doc: &PolicyDoc,
) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(policy) = &policy {
        super::lint::lint(policy, doc, &mut found);
    }
    if policy.is_none() && found.is_empty() {
        // Cannot be: whatever keeps a policy from being made is reported. But then it must not load (rule 39).
        found.push(Diagnostic::nowhere(Code::WrongKind, "the policy cannot be made"));
    }
    let found = Diagnostics::new(found, Rc::clone(&doc.sources));
    match policy {
        Some(policy) if !found.has_errors() => Ok((policy, found)),
        _ => Err(found),
    }
}

fn policy(reader: &mut Reader, doc: &PolicyDoc) -> Option<PolicySet> {
    let root = &doc.root;
    // Where a missing key is reported: the document's first key.
    let place = root.members().and_then(<[_]>::first).map_or(root.span, |member| member.key_span);
    language(reader, doc, place)?;
    let keys = reader.keys(root, "a policy", &KEYS);
    for (key, what) in [("budgets", "nothing counts what leaves yet"), ("canaries", "nothing looks for them yet")] {
        if let Some(member) = keys.member(key) {
            reader.not_yet(member, what);
        }
    }
    if let Some(member) = keys.member("include") {
        reader.push(
            Diagnostic::at(
                Code::Include,
                member.key_span,
                "`include` in a document that is not the root file of a policy on disk",
            )
            .help("includes are resolved by `fieldgate render`"),
        );
    }
    let name = reader
        .required(&keys, "policy", "the policy", place, "give it a name: `policy: customer-accounts`")
        .and_then(|node| reader.text(node, "`policy`").filter(|text| reader.name(text, node.span, "policy")))
        .map(str::to_owned);
    let hosts = settings::hosts(reader, keys.get("hosts"));
    let identity = settings::identity(reader, keys.get("identity"), place);
    let limits = settings::limits(reader, keys.get("limits"));
    let head = settings::head(reader, keys.get("head"));

    let classes = shapes::classes(reader, keys.get("classes"));
    let defaults = settings::defaults(reader, &classes, keys.get("defaults"));
    let shapes = shapes::shapes(reader, &classes, keys.get("shapes"));
    let shape_names: Vec<(&str, Span)> = shapes.iter().map(|shape| (shape.name, shape.span)).collect();
    if keys.get("routes").is_none() {
        reader.push(
            Diagnostic::at(Code::MissingKey, place, "the policy has no `routes`, so it would refuse every request")
                .help("name at least one: `routes: {get-account: {match: GET /accounts/{accountId}, …}}`"),
        );
    }
    let routes = routes::routes(reader, &classes, &shape_names, keys.get("routes"));
    let scopes = scopes::scopes(reader, &classes, identity.as_ref(), keys.get("scopes"));
    let clients_place = keys.member("clients").map_or(place, |member| member.key_span);
    let clients = scopes::clients(reader, &classes, keys.get("clients"), clients_place);
    for (count, what) in
        [(classes.len(), "classes"), (routes.len(), "routes"), (scopes.len(), "scopes"), (clients.len(), "clients")]
    {
        if count > MAX_THINGS {
            reader.push(Diagnostic::at(
                Code::TooMuch,
                place,
                format!("{count} {what}: at most {MAX_THINGS} are possible"),
            ));
            return None;
        }
    }
    let resolver = Resolver { shapes: &shapes, routes: &routes, scopes: &scopes, clients: &clients };
    resolver.areas(reader);
    resolver.client_scopes(reader, identity.as_ref());
    resolver.names(reader);
    resolver.scope_rows_exist(reader);
    let routes = resolver.routes(reader);
    let any_client = clients.iter().position(|client| client.name == "*").and_then(client_id);
    Some(PolicySet {
        name: name?,
        hosts,
        identity: identity?,
        defaults,
        limits,
        head,
        classes,
        routes,
        scopes: scopes.into_iter().map(scope).collect(),
        clients: clients.into_iter().map(client).collect(),
        any_client,
    })
}

/// An unknown language refuses to load, and nothing more is said of such a document (rule 2).
fn language(reader: &mut Reader, doc: &PolicyDoc, place: Span) -> Option<()> {
    let help = "this version of fieldgate knows `language: 1`";
    let Some(node) = doc.root.get("language") else {
        if doc.root.members().is_none() {
            reader.map(&doc.root, "the policy");
        } else {
            reader.push(Diagnostic::at(Code::MissingKey, place, "the policy does not say its `language`").help(help));
        }
        return None;
    };
    match &node.value {
        Tree::Number(text) if &**text == "1" => Some(()),
        Tree::Number(text) | Tree::Text { text, .. } => {
            reader.push(
                Diagnostic::at(Code::UnknownLanguage, node.span, format!("unknown language `{text}`")).help(help),
            );
            None
        }
        _ => {
            reader.push(
                Diagnostic::at(Code::UnknownLanguage, node.span, format!("`language` is {}", node.kind())).help(help),
            );
            None
        }
    }
}

fn scope(draft: ScopeDraft<'_>) -> Scope {
    let areas: BTreeSet<String> = draft.areas.iter().map(|(area, _)| (*area).to_owned()).collect();
    Scope {
        name: draft.name.to_owned(),
        when: draft.when,
        areas: areas.into_iter().collect(),
        grant: draft.grant,
        grant_spans: draft.grant_spans,
        span: draft.span,
    }
}

fn client(draft: ClientDraft<'_>) -> Client {
    let scopes = draft.scopes.map(|scopes| scopes.into_iter().map(|(name, _)| name.to_owned()).collect());
    Client { name: draft.name.to_owned(), scopes, ceiling: draft.ceiling, span: draft.span }
}

fn scope_id(index: usize) -> Option<ScopeId> {
    u16::try_from(index).ok().map(ScopeId)
}

fn client_id(index: usize) -> Option<ClientId> {
    u16::try_from(index).ok().map(ClientId)
}

/// Resolves what the parts of a policy say of each other.
struct Resolver<'a, 'd> {
    shapes: &'a [Shape<'d>],
    routes: &'a [RouteDraft<'d>],
    scopes: &'a [ScopeDraft<'d>],
    clients: &'a [ClientDraft<'d>],
}

impl<'a, 'd> Resolver<'a, 'd> {
    fn shape(&self, name: &str) -> Option<usize> {
        self.shapes.iter().position(|shape| shape.name == name)
    }

    fn governed(&self) -> impl Iterator<Item = (&'a RouteDraft<'d>, &'a GovernedDraft<'d>)> {
        self.routes.iter().filter_map(|route| match &route.body {
            BodyDraft::Governed(governed) => Some((route, &**governed)),
            BodyDraft::Pass(_) => None,
        })
    }

    /// A scope's areas are areas of routes.
    fn areas(&self, reader: &mut Reader) {
        let mut known: BTreeMap<&str, Span> = BTreeMap::new();
        for (_, governed) in self.governed() {
            if let Some((area, span)) = governed.area {
                known.entry(area).or_insert(span);
            }
        }
        for scope in self.scopes {
            for (area, span) in scope.areas.iter().filter(|(area, _)| !known.contains_key(area)) {
                let message = format!("scope `{}` acts on an area that no route has: `{area}`", scope.name);
                let known = known.iter().map(|(name, span)| (*name, *span));
                reader.unknown(Code::UnknownName, *span, message, area, known, "give a route that `area`");
            }
        }
    }

    /// A client's scopes are scope entries, or names that a `when` asks for.
    fn client_scopes(&self, reader: &mut Reader, identity: Option<&Identity>) {
        let asked: BTreeSet<&str> = self
            .scopes
            .iter()
            .filter_map(|scope| match &scope.when {
                When::All(conditions) => Some(conditions),
                When::Named | When::Always => None,
            })
            .flatten()
            .flat_map(|condition| match condition {
                Condition::AllOf(names) | Condition::AnyOf(names) => names.as_slice(),
                Condition::Claim(..) => &[],
            })
            .map(String::as_str)
            .collect();
        // Where the token lists the scopes, an entry's own list only says which entries can be active (rule 9).
        let listed_here =
            !matches!(identity, Some(Identity::JwtAuthn { .. } | Identity::TrustedHeader { scopes: Some(_), .. }));
        for client in self.clients {
            for (name, span) in client.scopes.iter().flatten() {
                let known = self.scopes.iter().any(|scope| scope.name == *name) || listed_here && asked.contains(name);
                if !known {
                    let message = format!("client `{}` has a scope that does not exist: `{name}`", client.name);
                    let known = self.scopes.iter().map(|scope| (scope.name, scope.span));
                    reader.unknown(Code::UnknownName, *span, message, name, known, "declare it under `scopes`");
                }
            }
        }
    }

    /// `fields` and `deny` name places that exist (rule 13).
    fn names(&self, reader: &mut Reader) {
        let mut expansions: BTreeMap<usize, Expansion<'_>> = BTreeMap::new();
        let asked = self.scopes.iter().flat_map(|scope| scope.fields.iter().map(|field| field.shape));
        let denied = self.clients.iter().flat_map(|client| client.denies.iter().map(|deny| deny.shape));
        for index in asked.chain(denied).filter_map(|name| self.shape(name)) {
            expansions.entry(index).or_insert_with(|| Expansion::of_shape(self.shapes, index));
        }
        for (scope, field) in self.scopes.iter().flat_map(|scope| scope.fields.iter().map(move |field| (scope, field)))
        {
            let what = format!("`fields` of scope `{}`", scope.name);
            let Some(shape) = self.known_shape(reader, field.shape, field.span, &what) else {
                continue;
            };
            let Some(expansion) = expansions.get(&shape) else {
                continue;
            };
            if self.broken(shape, expansion) || expansion.places.iter().any(|place| place.path == field.path) {
                continue;
            }
            let mount = expansion.mounts.iter().any(|(_, at)| *at == field.path && !at.segments.is_empty());
            let below = expansion.places.iter().any(|place| place.path.reaches_into(&field.path));
            let help = if mount || below {
                Some("`fields` names scalar places: name each of those below it".to_owned())
            } else {
                similar(&field.path, expansion)
            };
            self.names_nothing(reader, shape, &field.path, field.span, &what, help);
        }
        for (client, deny) in
            self.clients.iter().flat_map(|client| client.denies.iter().map(move |deny| (client, deny)))
        {
            let what = format!("`deny` of client `{}`", client.name);
            let Some(shape) = self.known_shape(reader, deny.shape, deny.shape_span, &what) else {
                continue;
            };
            let Some(expansion) = expansions.get(&shape) else {
                continue;
            };
            if self.broken(shape, expansion) || expansion.places.iter().any(|place| place.path.reaches_into(&deny.path))
            {
                continue;
            }
            self.names_nothing(reader, shape, &deny.path, deny.span, &what, similar(&deny.path, expansion));
        }
    }

    /// Whether the shape's places are not known because of what has been reported already.
    fn broken(&self, shape: usize, expansion: &Expansion<'_>) -> bool {
        expansion.too_many || self.shapes.get(shape).is_none_or(|shape| shape.endless)
    }

    fn known_shape(&self, reader: &mut Reader, name: &str, span: Span, what: &str) -> Option<usize> {
        let index = self.shape(name);
        if index.is_none() {
            let message = format!("{what} names a shape that does not exist: `{name}`");
            let known = self.shapes.iter().map(|shape| (shape.name, shape.span));
            reader.unknown(Code::UnknownName, span, message, name, known, "declare it under `shapes`");
        }
        index
    }

    fn names_nothing(
        &self,
        reader: &mut Reader,
        shape: usize,
        path: &FieldPath,
        span: Span,
        what: &str,
        help: Option<String>,
    ) {
        let Some(shape) = self.shapes.get(shape) else {
            return;
        };
        let message = format!("{what} names nothing: shape `{}` has no `{path}`", shape.name);
        reader.push(
            Diagnostic::at(Code::NamesNothing, span, message)
                .label(shape.span, "the shape")
                .help(help.unwrap_or_else(|| "name a place exactly as the shape does, mounts included".to_owned())),
        );
    }

    /// `rows` of a scope name governed routes.
    fn scope_rows_exist(&self, reader: &mut Reader) {
        for (scope, rows) in self.scopes.iter().flat_map(|scope| scope.rows.iter().map(move |rows| (scope, rows))) {
            match self.routes.iter().find(|route| route.name == rows.route) {
                None => {
                    let message =
                        format!("`rows` of scope `{}` names a route that does not exist: `{}`", scope.name, rows.route);
                    let known = self.routes.iter().map(|route| (route.name, route.span));
                    reader.unknown(
                        Code::UnknownName,
                        rows.route_span,
                        message,
                        rows.route,
                        known,
                        "declare it under `routes`",
                    );
                }
                Some(RouteDraft { body: BodyDraft::Pass(_), name, span, .. }) => reader.push(
                    Diagnostic::at(
                        Code::Incompatible,
                        rows.route_span,
                        format!("`rows` of scope `{}` names route `{name}`, which is forwarded untouched", scope.name),
                    )
                    .label(*span, "the route")
                    .help("leave it out, or give the route a `body`"),
                ),
                Some(_) => {}
            }
        }
    }

    /// The routes, with everything that is said of their places.
    fn routes(&self, reader: &mut Reader) -> Vec<Route> {
        self.routes
            .iter()
            .map(|draft| {
                let body = match &draft.body {
                    BodyDraft::Pass(why) => RouteBody::Pass(why.clone()),
                    BodyDraft::Governed(governed) => RouteBody::Governed(self.body(reader, draft, governed)),
                };
                let area = match &draft.body {
                    BodyDraft::Governed(governed) => governed.area.map(|(area, _)| area.to_owned()),
                    BodyDraft::Pass(_) => None,
                };
                Route {
                    name: draft.name.to_owned(),
                    method: draft.method.clone(),
                    template: draft.template.clone(),
                    area: area.unwrap_or_default(),
                    query: draft.query.clone(),
                    body,
                    span: draft.span,
                }
            })
            .collect()
    }

    fn body(&self, reader: &mut Reader, route: &RouteDraft<'_>, governed: &GovernedDraft<'_>) -> Governed {
        let expansion = Expansion::of_body(self.shapes, &governed.fields);
        if expansion.too_many {
            reader.push(
                Diagnostic::at(
                    Code::TooMuch,
                    route.span,
                    format!("route `{}` comes to too many fields once its shapes are mounted", route.name),
                )
                .help(format!(
                    "stay under {} fields and {} shapes inside each other; `..*` covers a subtree with one",
                    shapes::MAX_ENTRIES,
                    shapes::MAX_MOUNTS
                )),
            );
        }
        let overrides = self.overrides();
        let mut entries: Vec<Entry> = Vec::with_capacity(expansion.places.len());
        for place in &expansion.places {
            let mut levels: BTreeMap<ScopeId, Level> = BTreeMap::new();
            for (shape, path) in &place.names {
                for (scope, level) in overrides.get(&(*shape, path)).into_iter().flatten() {
                    let lowest = levels.entry(*scope).or_insert(*level);
                    *lowest = (*lowest).min(*level);
                }
            }
            let names = place
                .names
                .iter()
                .filter_map(|(shape, path)| self.shapes.get(*shape).map(|shape| (shape.name.to_owned(), path.clone())));
            entries.push(Entry {
                path: place.path.clone(),
                names: names.collect(),
                classes: place.leaf.classes.clone(),
                mask: place.leaf.mask,
                pseudonym: place.leaf.pseudonym.clone(),
                blank: place.leaf.blank.clone(),
                subject: place.leaf.subject.clone(),
                detect: place.leaf.detect.clone(),
                overrides: levels.into_iter().collect(),
                span: place.span,
            });
        }
        let rows = self.rows(reader, route, governed, &entries);
        let max_records = governed.max_records.as_ref().map(|(max_records, span)| {
            self.anything_below(reader, &max_records.at, *span, &entries, "`max_records`", route);
            max_records.clone()
        });
        Governed {
            denies: self.denies(&expansion),
            entries,
            rows,
            max_records,
            ceiling: governed.ceiling.clone(),
            other_content: governed.other_content,
        }
    }

    /// What scopes say of places by name, by shape and path.
    fn overrides(&self) -> HashMap<(usize, &'a FieldPath), Vec<(ScopeId, Level)>> {
        let mut overrides: HashMap<_, Vec<_>> = HashMap::new();
        for (index, scope) in self.scopes.iter().enumerate() {
            for field in &scope.fields {
                if let (Some(shape), Some(id)) = (self.shape(field.shape), scope_id(index)) {
                    overrides.entry((shape, &field.path)).or_default().push((id, field.level));
                }
            }
        }
        overrides
    }

    /// Every place of the route that a client's `deny` names: wherever the shape is mounted (rule 13).
    fn denies(&self, expansion: &Expansion<'_>) -> Vec<(ClientId, FieldPath)> {
        let mut denies = Vec::new();
        for (index, client) in self.clients.iter().enumerate() {
            for deny in &client.denies {
                let (Some(id), Some(shape)) = (client_id(index), self.shape(deny.shape)) else {
                    continue;
                };
                let mounts = expansion.mounts.iter().filter(|(mounted, _)| *mounted == shape);
                denies.extend(mounts.map(|(_, at)| (id, at.join(&deny.path))));
            }
        }
        denies
    }

    /// The route's row condition and those of scopes (rules 15 and 26).
    fn rows(
        &self,
        reader: &mut Reader,
        route: &RouteDraft<'_>,
        governed: &GovernedDraft<'_>,
        entries: &[Entry],
    ) -> Vec<RowRule> {
        let mut rules = Vec::new();
        let own = governed.rows.clone().map(|rows| (None, rows));
        let theirs = self.scopes.iter().enumerate().flat_map(|(index, scope)| {
            scope.rows.iter().filter(|rows| rows.route == route.name).map(move |rows| (scope_id(index), rows))
        });
        let theirs: Vec<_> =
            theirs.filter_map(|(scope, rows)| routes::rows(reader, rows.node).map(|rows| (scope, rows))).collect();
        for (scope, (array, filter, span)) in own.into_iter().chain(theirs) {
            let mut elements = array.clone();
            elements.segments.push(super::field_path::Segment::Any);
            self.anything_below(reader, &elements, span, entries, "`rows`", route);
            rules.push(RowRule { scope, array, filter, span });
        }
        rules
    }

    /// A finding if nothing in the route is classified at or below `elements`: most likely the path has a slip, and what
    /// it was to hold back would not be.
    fn anything_below(
        &self,
        reader: &mut Reader,
        elements: &FieldPath,
        span: Span,
        entries: &[Entry],
        what: &str,
        route: &RouteDraft<'_>,
    ) {
        if entries.is_empty() || entries.iter().any(|entry| entry.path.reaches_into(elements)) {
            return;
        }
        let mut arrays: BTreeSet<String> = BTreeSet::new();
        for entry in entries {
            let mut array = FieldPath { segments: Vec::new(), open: false };
            for segment in &entry.path.segments {
                if !matches!(segment, super::field_path::Segment::Member(_)) {
                    arrays.insert(array.to_string());
                }
                array.segments.push(segment.clone());
            }
        }
        let mut wanted = elements.clone();
        wanted.segments.pop();
        let wanted = wanted.to_string();
        let help = match nearest(&wanted, arrays.iter().map(String::as_str)) {
            Some(similar) => format!("did you mean `{similar}`?"),
            None => "name an array of the route's body".to_owned(),
        };
        reader.push(
            Diagnostic::at(
                Code::NamesNothing,
                span,
                format!("{what} names an array in which route `{}` classifies nothing: `{wanted}`", route.name),
            )
            .label(route.span, "the route")
            .help(help),
        );
    }
}

/// "did you mean" among a shape's places.
fn similar(path: &FieldPath, expansion: &Expansion<'_>) -> Option<String> {
    let known: Vec<String> = expansion.places.iter().map(|place| place.path.to_string()).collect();
    let word = path.to_string();
    nearest(&word, known.iter().map(String::as_str)).map(|similar| format!("did you mean `{similar}`?"))
}
