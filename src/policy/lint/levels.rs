//! What callers come to get: forms that are missing, masks that add up, routes that nobody sees (rules 15 to 18; threat D4).

use std::collections::{BTreeMap, BTreeSet};

use super::{Lint, count, some};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::model::field_path::{FieldPath, Segment};
use crate::model::{Ceiling, ClassId, Entry, Governed, Level, Mask, Route, RouteBody, Scope, ScopeId, Unmatched};

/// What decides a level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Decider {
    /// The grant of a class.
    Grant(ClassId),
    /// The scope's `fields`.
    Field(Span),
}

impl Lint<'_> {
    pub(super) fn levels(&mut self) {
        self.falls_to_blank();
        self.ceilings_to_blank();
        self.complementary_masks();
    }

    /// Routes whose requests are refused because no scope gets anything there (rule 33).
    pub(super) fn nobody_sees(&mut self) {
        for route in &self.policy.routes {
            let RouteBody::Governed(governed) = &route.body else { continue };
            let seen = self.scopes_on(route).any(|(id, scope)| {
                governed
                    .entries
                    .iter()
                    .any(|entry| level(entry, id, scope).is_some_and(|(level, _)| level > Level::Hide))
            });
            if !seen {
                let message = if self.policy.scopes.iter().any(|scope| scope.areas.contains(&route.area)) {
                    format!(
                        "nobody sees anything of route `{}`: no scope that acts on area `{}` is granted any of its classes",
                        route.name, route.area
                    )
                } else {
                    format!("nobody sees anything of route `{}`: no scope acts on area `{}`", route.name, route.area)
                };
                self.push(Diagnostic::at(Code::NobodySees, route.span, message).help(self.instead_of(route)));
            }
        }
    }

    /// What to do about a route of which nobody sees anything, and what its requests meet until then (rule 33).
    fn instead_of(&self, route: &Route) -> String {
        let grant = "grant a class to a scope of its area";
        let method = &route.method;
        match (method == "GET", self.policy.defaults.unmatched_route) {
            (true, Unmatched::Reject) => format!("{grant}, or take the route out: its requests are refused either way"),
            (true, Unmatched::Pass) => format!("{grant}: as it is, its requests are refused"),
            (false, Unmatched::Reject) => format!(
                "{grant}, or take the route out: as it is, {method} requests are forwarded and only the body of the answer is emptied; without it they are refused"
            ),
            (false, Unmatched::Pass) => {
                format!("{grant}: as it is, {method} requests are forwarded and only the body of the answer is emptied")
            }
        }
    }

    /// Scopes that act on a route, with their ids.
    pub(super) fn scopes_on<'r>(&self, route: &'r Route) -> impl Iterator<Item = (ScopeId, &Scope)> + use<'_, 'r> {
        self.policy
            .scopes
            .iter()
            .enumerate()
            .filter(|(_, scope)| scope.areas.contains(&route.area))
            .filter_map(|(index, scope)| Some((ScopeId(u16::try_from(index).ok()?), scope)))
    }

    fn governed(&self) -> impl Iterator<Item = (&Route, &Governed)> {
        self.policy.routes.iter().filter_map(|route| match &route.body {
            RouteBody::Governed(governed) => Some((route, governed)),
            RouteBody::Pass(_) => None,
        })
    }

    /// Levels that fields have no form for, down to blank (rule 18).
    fn falls_to_blank(&mut self) {
        // By scope, level and what decides; then by where the field is declared, so that a shape counts once.
        let mut falls: BTreeMap<(ScopeId, Level, Decider), BTreeMap<Span, String>> = BTreeMap::new();
        for (route, governed) in self.governed() {
            for (id, scope) in self.scopes_on(route) {
                for entry in governed.entries.iter() {
                    let Some((granted, decider)) = level(entry, id, scope) else { continue };
                    if self.looks_like_something(governed, entry, granted) {
                        continue;
                    }
                    let decider = decider.map_or_else(|| Decider::Field(self.field_span(scope, entry)), Decider::Grant);
                    falls.entry((id, granted, decider)).or_default().insert(entry.span, entry.path.to_string());
                }
            }
        }
        for ((id, level, decider), fields) in falls {
            let Some(scope) = self.policy.scopes.get(usize::from(id.0)) else { continue };
            let form = if level == Level::Mask { "mask" } else { "pseudonym" };
            let fields = (fields.len(), some(fields.values().map(String::as_str)));
            let diagnostic = match decider {
                Decider::Grant(class) => {
                    let name = self.policy.classes.get(usize::from(class.0)).map_or("", |class| class.name.as_str());
                    let span = scope.grant_spans.get(usize::from(class.0)).copied().flatten().unwrap_or(scope.span);
                    let message = format!(
                        "`{}` gets blank on {} of class `{name}` (no {form} form): {}",
                        scope.name,
                        count(fields.0, "field"),
                        fields.1
                    );
                    Diagnostic::at(Code::FallsToBlank, span, message)
                }
                Decider::Field(span) => {
                    let message = format!("`{}` gets blank (no {form} form): {}", scope.name, fields.1);
                    Diagnostic::at(Code::FallsToBlank, span, message)
                }
            };
            self.push(diagnostic.help(format!(
                "give each a `{form}` form, or a `blank` of its own or of its class to say that it is meant"
            )));
        }
    }

    /// Whether somebody wrote down what the places of an entry look like at a level: for it, or for another that names all of them
    /// too (rule 13).
    fn looks_like_something(&self, governed: &Governed, entry: &Entry, level: Level) -> bool {
        let of_one = |one: &Entry| {
            let has_form = match level {
                Level::Mask => one.mask.is_some() || one.pseudonym.is_some(),
                Level::Pseudonym => one.pseudonym.is_some(),
                Level::Show | Level::Blank | Level::Hide => true,
            };
            has_form || self.blank_is_written(one)
        };
        of_one(entry) || governed.entries.iter().any(|other| other.path.covers(&entry.path) && of_one(other))
    }

    /// Whether somebody wrote down what the entry is at blank: for the field, or for a class, where its classes agree (rule 18).
    fn blank_is_written(&self, entry: &Entry) -> bool {
        let of_class = |id: &ClassId| self.policy.classes.get(usize::from(id.0)).and_then(|class| class.blank.as_ref());
        let mut blanks = entry.classes.iter().filter_map(of_class);
        let first = blanks.next();
        entry.blank.is_some() || first.is_some_and(|first| blanks.all(|other| other == first))
    }

    /// Ceilings of clients and routes that lower a field to a level for which it has no form (rules 17 and 18).
    fn ceilings_to_blank(&mut self) {
        let mut found = Vec::new();
        for client in &self.policy.clients {
            let routes: Vec<(&Route, &Governed)> = self.governed().collect();
            let place = self.node(&["clients", &client.name, "ceiling"]).map_or(client.span, |node| node.span);
            let allowed = |scope: &Scope| client.scopes.as_ref().is_none_or(|names| names.contains(&scope.name));
            found.extend(self.lowered(&format!("client `{}`", client.name), place, &client.ceiling, &routes, allowed));
        }
        for (route, governed) in self.governed() {
            let place = self.node(&["routes", &route.name, "ceiling"]).map_or(route.span, |node| node.span);
            let name = format!("route `{}`", route.name);
            found.extend(self.lowered(&name, place, &governed.ceiling, &[(route, governed)], |_| true));
        }
        found.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// What one ceiling leaves blank, where a scope is granted more.
    fn lowered(
        &self,
        whose: &str,
        place: Span,
        ceiling: &Ceiling,
        routes: &[(&Route, &Governed)],
        allowed: impl Fn(&Scope) -> bool,
    ) -> Vec<Diagnostic> {
        let mut falls: BTreeMap<Level, BTreeMap<Span, String>> = BTreeMap::new();
        for (route, governed) in routes {
            for (id, _) in self.scopes_on(route).filter(|(_, scope)| allowed(scope)) {
                let Some(scope) = self.policy.scopes.get(usize::from(id.0)) else { continue };
                for entry in governed.entries.iter() {
                    let Some(most) = entry.classes.iter().map(|class| ceiling.of(*class)).min() else { continue };
                    let lowers = level(entry, id, scope).is_some_and(|(granted, _)| granted > most);
                    if lowers && !self.looks_like_something(governed, entry, most) {
                        falls.entry(most).or_default().insert(entry.span, entry.path.to_string());
                    }
                }
            }
        }
        let said = falls.into_iter().map(|(level, fields)| {
            let form = if level == Level::Mask { "mask" } else { "pseudonym" };
            let message = format!(
                "the ceiling of {whose} leaves blank of {} (no {form} form): {}",
                count(fields.len(), "field"),
                some(fields.values().map(String::as_str))
            );
            Diagnostic::at(Code::FallsToBlank, place, message).help(format!(
                "give each a `{form}` form, or a `blank` of its own or of its class to say that it is meant"
            ))
        });
        said.collect()
    }

    /// Where a scope's `fields` names an entry.
    fn field_span(&self, scope: &Scope, entry: &Entry) -> Span {
        let named = self
            .members(&["scopes", &scope.name, "fields"])
            .iter()
            .flat_map(|shape| shape.node.members().unwrap_or_default().iter().map(move |member| (&*shape.key, member)));
        named
            .filter_map(|(shape, member)| Some((shape, FieldPath::parse(&member.key).ok()?, member.key_span)))
            .find(|(shape, path, _)| entry.names.iter().any(|(known, at)| **known == **shape && at == path))
            .map_or(scope.span, |(.., span)| span)
    }

    /// Places of one member name that show the first characters here and the last there: together more than either.
    fn complementary_masks(&mut self) {
        let mut masked: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
        for (route, governed) in self.governed() {
            for entry in governed.entries.iter() {
                let Some(name) = last_member(&entry.path) else { continue };
                let reached = entry.mask.is_some_and(|mask| shows_start(mask) || shows_end(mask))
                    && self
                        .scopes_on(route)
                        .any(|(id, scope)| level(entry, id, scope).is_some_and(|(level, _)| level == Level::Mask));
                if reached {
                    masked.entry(name.to_lowercase()).or_default().push(entry);
                }
            }
        }
        let mut seen: BTreeSet<(Span, Span)> = BTreeSet::new();
        let mut found = Vec::new();
        for (name, entries) in &masked {
            let firsts = entries.iter().filter(|entry| entry.mask.is_some_and(shows_start));
            for first in firsts {
                let lasts = entries.iter().filter(|entry| entry.mask.is_some_and(shows_end));
                for last in lasts.filter(|last| last.classes.iter().any(|class| first.classes.contains(class))) {
                    let (one, other) = if first.span <= last.span { (first, last) } else { (last, first) };
                    if seen.insert((one.span, other.span)) {
                        found.push(
                            Diagnostic::at(
                                Code::ComplementaryMasks,
                                other.span,
                                format!(
                                    "masks of `{name}` add up: the first characters at `{}`, the last at `{}`",
                                    first.path, last.path
                                ),
                            )
                            .label(one.span, "the other end")
                            .help("keep the same end everywhere: whoever gets both has more than either mask shows"),
                        );
                    }
                }
            }
        }
        self.found.extend(found);
    }
}

/// What a scope alone gives of an entry (rule 15), and the class that decides; `None` for a class where `fields` does.
pub(super) fn level(entry: &Entry, id: ScopeId, scope: &Scope) -> Option<(Level, Option<ClassId>)> {
    if let Some((_, level)) = entry.overrides.iter().find(|(of, _)| *of == id) {
        return Some((*level, None));
    }
    let granted = |class: ClassId| scope.grant.get(usize::from(class.0)).copied().unwrap_or(Level::Hide);
    let lowest = entry.classes.iter().map(|class| (granted(*class), *class)).min()?;
    Some((lowest.0, Some(lowest.1)))
}

/// Whether a form leaves the start alone: one that leaves both ends says so itself.
fn shows_start(mask: Mask) -> bool {
    matches!(mask.ends(), Some((_, 0)))
}

fn shows_end(mask: Mask) -> bool {
    matches!(mask.ends(), Some((0, _)))
}

fn last_member(path: &FieldPath) -> Option<&str> {
    path.segments.iter().rev().find_map(|segment| match segment {
        Segment::Member(name) => Some(&**name),
        Segment::Any | Segment::Filtered(_) => None,
    })
}
