//! What the parts of a policy say of each other: areas, scopes, and places by shape and path (rules 9, 13, 15, 17, 26).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::super::similar::{nearest, question};
use super::forms::Leaf;
use super::read::Reader;
use super::routes::{self, BodyDraft, GovernedDraft, RouteDraft};
use super::scopes::{ClientDraft, ScopeDraft, client_id};
use super::shapes::{self, Expansion, Field, Shape, What};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::model::field_path::{FieldPath, Segment};
use crate::model::{ClientId, Condition, Entry, Governed, Identity, Level, Route, RouteBody, RowRule, ScopeId, When};

fn scope_id(index: usize) -> Option<ScopeId> {
    u16::try_from(index).ok().map(ScopeId)
}

/// What scopes say of places by name, by shape and path.
type Overrides<'a> = HashMap<(usize, &'a FieldPath), Vec<(ScopeId, Level)>>;

/// What a body comes to once its shapes are mounted: one for all routes that mount the same at the same places.
struct ExpandedBody {
    entries: Rc<[Entry]>,
    /// Where each shape is mounted.
    mounts: Vec<(usize, FieldPath)>,
    too_many: bool,
}

/// The shapes that a body mounts, by path, if it has no field of its own.
fn mounts_alone(fields: &[Field]) -> Option<Vec<(&FieldPath, usize)>> {
    let mount = |field: &'_ Field| match field.what {
        What::Mount(shape) => Some(shape),
        What::Leaf(_) => None,
    };
    fields.iter().map(|field| Some((&field.path, mount(field)?))).collect()
}

/// Resolves what the parts of a policy say of each other.
pub(super) struct Resolver<'a, 'd> {
    /// `content_types` of `defaults`.
    pub(super) content_types: &'a [String],
    pub(super) shapes: &'a [Shape<'d>],
    pub(super) routes: &'a [RouteDraft<'d>],
    pub(super) scopes: &'a [ScopeDraft<'d>],
    pub(super) clients: &'a [ClientDraft<'d>],
}

impl<'a, 'd> Resolver<'a, 'd> {
    fn shape(&self, name: &str) -> Option<usize> {
        self.shapes.iter().position(|shape| shape.name == name)
    }

    /// The areas of routes, each with one place that names it; `None` while a route's own area is missing.
    pub(super) fn known_areas(&self) -> Option<BTreeMap<&'d str, Span>> {
        let governed = self.routes.iter().filter(|route| !matches!(route.body, Some(BodyDraft::Pass(_))));
        let mut known: BTreeMap<&str, Span> = BTreeMap::new();
        let mut broken = self.routes.is_empty();
        for route in governed {
            match route.area {
                Some((area, span)) => {
                    known.entry(area).or_insert(span);
                }
                None => broken = true,
            }
        }
        (!broken).then_some(known)
    }

    /// The kinds of subjects that shapes and routes name.
    pub(super) fn namespaces(&self) -> BTreeMap<Rc<str>, Span> {
        let mut namespaces = BTreeMap::new();
        let governed = self.routes.iter().filter_map(|route| match &route.body {
            Some(BodyDraft::Governed(governed)) => Some((route, governed)),
            Some(BodyDraft::Pass(_)) | None => None,
        });
        let bodies = governed.clone().flat_map(|(_, governed)| &governed.fields);
        for field in self.shapes.iter().flat_map(|shape| &shape.fields).chain(bodies) {
            if let What::Leaf(Leaf { subject: Some(namespace), .. }) = &field.what {
                namespaces.entry(Rc::clone(namespace)).or_insert(field.span);
            }
        }
        for (route, governed) in governed {
            if let Some(subject) = &governed.subject {
                namespaces.entry(Rc::clone(&subject.namespace)).or_insert(route.span);
            }
        }
        namespaces
    }

    /// A scope's areas are areas of routes. Nothing is said while a route's own area is missing.
    pub(super) fn areas(&self, reader: &mut Reader) {
        let Some(known) = self.known_areas() else { return };
        for scope in self.scopes {
            for (area, span) in scope.areas.iter().filter(|(area, _)| !known.contains_key(area)) {
                let message = format!("scope `{}` acts on an area that no route has: `{area}`", scope.name);
                let known = known.iter().map(|(name, span)| (*name, *span));
                reader.unknown(Code::UnknownName, *span, message, area, known, "give a route that `area`");
            }
        }
    }

    /// A client's scopes are scope entries, or names that a `when` asks for.
    pub(super) fn client_scopes(&self, reader: &mut Reader, identity: Option<&Identity>) {
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
    pub(super) fn names(&self, reader: &mut Reader) {
        let mut expansions: BTreeMap<usize, Expansion<'_>> = BTreeMap::new();
        let asked = self.scopes.iter().flat_map(|scope| scope.fields.iter().map(|field| field.shape));
        let denied = self.clients.iter().flat_map(|client| client.denies.iter().map(|deny| deny.shape));
        for index in asked.chain(denied).filter_map(|name| self.shape(name)) {
            expansions.entry(index).or_insert_with(|| Expansion::of_shape(self.shapes, index));
        }
        for (scope, field) in self.scopes.iter().flat_map(|scope| scope.fields.iter().map(move |field| (scope, field)))
        {
            let what = format!("`fields` of scope `{}`", scope.name);
            let Some(shape) = self.known_shape(reader, field.shape, field.shape_span, &what) else {
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
        let message = format!("{what} names nothing: shape `{}` classifies no scalar at `{path}`", shape.name);
        reader.push(
            Diagnostic::at(Code::NamesNothing, span, message)
                .label(shape.span, "the shape")
                .help(help.unwrap_or_else(|| "name a place exactly as the shape does, mounts included".to_owned())),
        );
    }

    /// `rows` of a scope name governed routes.
    pub(super) fn scope_rows_exist(&self, reader: &mut Reader) {
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
                Some(RouteDraft { body: Some(BodyDraft::Pass(_)), name, span, .. }) => reader.push(
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

    /// The routes, with everything that is said of their places. Broken ones are left out: the policy is refused.
    pub(super) fn routes(&self, reader: &mut Reader) -> Vec<Route> {
        let mut routes = Vec::new();
        let by_name = self.overrides();
        let mut known: HashMap<Vec<(&FieldPath, usize)>, Rc<ExpandedBody>> = HashMap::new();
        for draft in self.routes {
            let body = match &draft.body {
                Some(BodyDraft::Pass(why)) => Some(RouteBody::Pass(why.clone())),
                Some(BodyDraft::Governed(governed)) => {
                    let expanded = match mounts_alone(&governed.fields) {
                        Some(mounts) => {
                            Rc::clone(known.entry(mounts).or_insert_with(|| Rc::new(self.expand(governed, &by_name))))
                        }
                        None => Rc::new(self.expand(governed, &by_name)),
                    };
                    Some(RouteBody::Governed(self.body(reader, draft, governed, &expanded)))
                }
                None => None,
            };
            let (Some(body), Some(matched)) = (body, &draft.matched) else { continue };
            routes.push(Route {
                name: draft.name.to_owned(),
                method: matched.method.clone(),
                template: matched.template.clone(),
                area: draft.area.map(|(area, _)| area.to_owned()).unwrap_or_default(),
                query: draft.query.clone(),
                body,
                report_until: draft.report_until,
                span: draft.span,
            });
        }
        routes
    }

    /// The entries of a body.
    fn expand(&self, governed: &GovernedDraft, by_name: &Overrides<'_>) -> ExpandedBody {
        let expansion = Expansion::of_body(self.shapes, &governed.fields);
        let shapes: Vec<Rc<str>> = self.shapes.iter().map(|shape| shape.name.into()).collect();
        let mut entries: Vec<Entry> = Vec::with_capacity(expansion.places.len());
        for place in expansion.places {
            let mut levels: BTreeMap<ScopeId, Level> = BTreeMap::new();
            for (shape, path) in &place.names {
                for (scope, level) in by_name.get(&(*shape, path)).into_iter().flatten() {
                    let lowest = levels.entry(*scope).or_insert(*level);
                    *lowest = (*lowest).min(*level);
                }
            }
            let names = place.names.into_iter().filter_map(|(shape, path)| Some((Rc::clone(shapes.get(shape)?), path)));
            entries.push(Entry {
                path: place.path,
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
        ExpandedBody { entries: entries.into(), mounts: expansion.mounts, too_many: expansion.too_many }
    }

    fn body(
        &self,
        reader: &mut Reader,
        route: &RouteDraft<'_>,
        governed: &GovernedDraft,
        expanded: &ExpandedBody,
    ) -> Governed {
        if expanded.too_many {
            reader.push(
                Diagnostic::at(
                    Code::TooMuch,
                    route.span,
                    format!("route `{}` comes to too many fields, or too deep ones, once its shapes are mounted", route.name),
                )
                .help(format!(
                    "stay under {} fields, {} segments a path and {} shapes inside each other; `..*` covers a subtree with one",
                    shapes::MAX_ENTRIES,
                    shapes::MAX_DEPTH,
                    shapes::MAX_MOUNTS
                )),
            );
        }
        let entries = &expanded.entries;
        let rows = self.rows(reader, route, governed, entries);
        let max_records = governed.max_records.as_ref().map(|(max_records, span)| {
            self.anything_below(reader, &max_records.at, *span, entries, "`max_records`", route);
            max_records.clone()
        });
        Governed {
            denies: self.denies(&expanded.mounts),
            entries: Rc::clone(entries),
            rows,
            max_records,
            ceiling: governed.ceiling.clone(),
            other_content: governed.other_content.clone(),
            content_types: self.content_types.iter().chain(&governed.content_types).cloned().collect(),
            headers: governed.headers.clone(),
            subject: governed.subject.clone(),
        }
    }

    /// What scopes say of places by name, by shape and path.
    fn overrides(&self) -> Overrides<'a> {
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
    fn denies(&self, mounts: &[(usize, FieldPath)]) -> Vec<(ClientId, FieldPath)> {
        let mut denies = Vec::new();
        for (index, client) in self.clients.iter().enumerate() {
            for deny in &client.denies {
                let (Some(id), Some(shape)) = (client_id(index), self.shape(deny.shape)) else {
                    continue;
                };
                let mounted = mounts.iter().filter(|(mounted, _)| *mounted == shape);
                denies.extend(mounted.map(|(_, at)| (id, at.join(&deny.path))));
            }
        }
        denies
    }

    /// The route's row condition and those of scopes (rules 15 and 26).
    fn rows(
        &self,
        reader: &mut Reader,
        route: &RouteDraft<'_>,
        governed: &GovernedDraft,
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
            elements.segments.push(Segment::Any);
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
                if !matches!(segment, Segment::Member(_)) {
                    arrays.insert(array.to_string());
                }
                array.segments.push(segment.clone());
            }
        }
        let mut wanted = elements.clone();
        wanted.segments.pop();
        let wanted = wanted.to_string();
        let help = match nearest(&wanted, arrays.iter().map(String::as_str)) {
            Some(similar) => format!("the array of that kind is `{similar}`"),
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
    question(&word, known.iter().map(String::as_str))
}
