//! What is written and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Lint;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Detector, Level, RouteBody};

impl Lint<'_> {
    pub(super) fn unused(&mut self) {
        self.unused_classes();
        self.unused_detectors();
        let mounted = self.mounted_shapes();
        for shape in self.members(&["shapes"]) {
            if !mounted.contains_key(&*shape.key) {
                self.push(
                    Diagnostic::at(Code::Unused, shape.key_span, format!("no route mounts shape `{}`", shape.key))
                        .help("mount it in a route's `body`, or take it out"),
                );
            }
        }
        self.unused_scopes();
        self.no_effect(&mounted);
    }

    fn unused_classes(&mut self) {
        let mut used = BTreeSet::new();
        for route in &self.policy.routes {
            if let RouteBody::Governed(governed) = &route.body {
                used.extend(governed.entries.iter().flat_map(|entry| entry.classes.iter().copied()));
                used.extend(governed.headers.classify.iter().flat_map(|(_, classes)| classes.iter().copied()));
            }
        }
        used.extend(self.policy.defaults.headers.classify.iter().flat_map(|(_, classes)| classes.iter().copied()));
        for (index, class) in self.policy.classes.iter().enumerate() {
            if !used.iter().any(|id| usize::from(id.0) == index) {
                self.push(
                    Diagnostic::at(Code::Unused, class.span, format!("no field of a route has class `{}`", class.name))
                        .help("give it to a field, or take it out"),
                );
            }
        }
    }

    fn unused_detectors(&mut self) {
        let mut used: BTreeSet<&str> = self.policy.defaults.errors.detect.iter().map(Detector::name).collect();
        for route in &self.policy.routes {
            if let RouteBody::Governed(governed) = &route.body {
                used.extend(governed.entries.iter().flat_map(|entry| &entry.detect).map(Detector::name));
            }
        }
        for detector in &self.policy.detectors {
            if !used.contains(detector.name.as_str()) {
                let message = format!("no field of a route names detector `{}`", detector.name);
                self.push(
                    Diagnostic::at(Code::Unused, detector.span, message)
                        .help("name it in the `detect` of a field, or take it out"),
                );
            }
        }
    }

    /// Shapes that some route mounts, with the areas of those routes.
    fn mounted_shapes(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut mounted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for route in &self.policy.routes {
            let RouteBody::Governed(governed) = &route.body else { continue };
            for (shape, _) in governed.entries.iter().flat_map(|entry| &entry.names) {
                let areas = match mounted.get_mut(&**shape) {
                    Some(areas) => areas,
                    None => mounted.entry(shape.to_string()).or_default(),
                };
                if !areas.contains(&route.area) {
                    areas.insert(route.area.clone());
                }
            }
        }
        mounted
    }

    fn unused_scopes(&mut self) {
        let policy = self.policy;
        for scope in &policy.scopes {
            let grants = scope.grant.iter().any(|level| *level > Level::Hide);
            let fields = !self.members(&["scopes", &scope.name, "fields"]).is_empty();
            let listed = policy
                .clients
                .iter()
                .any(|client| client.scopes.as_ref().is_none_or(|scopes| scopes.contains(&scope.name)));
            let message = if !grants && !fields {
                "grants nothing"
            } else if !policy.clients.is_empty() && !listed {
                "can never be active: every client entry lists `scopes`, and none lists it"
            } else {
                continue;
            };
            self.push(
                Diagnostic::at(Code::Unused, scope.span, format!("scope `{}` {message}", scope.name))
                    .help("take it out, or say what it is for"),
            );
        }
    }

    /// `fields`, `rows` and `deny` where nothing is.
    fn no_effect(&mut self, mounted: &BTreeMap<String, BTreeSet<String>>) {
        for scope in &self.policy.scopes {
            for shape in self.members(&["scopes", &scope.name, "fields"]) {
                let reached =
                    mounted.get(&*shape.key).is_some_and(|areas| areas.iter().any(|area| scope.areas.contains(area)));
                if !reached {
                    self.push(
                        Diagnostic::at(
                            Code::NoEffect,
                            shape.key_span,
                            format!(
                                "`fields` of scope `{}` names shape `{}`, which no route in its areas mounts",
                                scope.name, shape.key
                            ),
                        )
                        .help("add the area, or take the shape out here"),
                    );
                }
            }
            for rows in self.members(&["scopes", &scope.name, "rows"]) {
                let route = self.policy.routes.iter().find(|route| route.name == *rows.key);
                if let Some(route) = route.filter(|route| !scope.areas.contains(&route.area)) {
                    self.push(
                        Diagnostic::at(
                            Code::NoEffect,
                            rows.key_span,
                            format!(
                                "`rows` of scope `{}` names route `{}`, whose area `{}` it does not act on",
                                scope.name, route.name, route.area
                            ),
                        )
                        .label(route.span, "the route")
                        .help("add the area, or take the row condition out"),
                    );
                }
            }
        }
        for client in &self.policy.clients {
            for shape in self.members(&["clients", &client.name, "deny"]) {
                if !mounted.contains_key(&*shape.key) {
                    self.push(
                        Diagnostic::at(
                            Code::NoEffect,
                            shape.key_span,
                            format!(
                                "`deny` of client `{}` names shape `{}`, which no route mounts",
                                client.name, shape.key
                            ),
                        )
                        .help("mount the shape, or take it out here"),
                    );
                }
            }
        }
    }
}
