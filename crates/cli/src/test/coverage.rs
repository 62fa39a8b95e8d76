//! Which scope-field cells a run asserts: for each scope, every field of every route that the scope acts on.

use std::collections::BTreeSet;

use fieldgate::policy::PolicySet;
use fieldgate::policy::model::{RouteBody, ScopeId};
use fieldgate_workbench::suite::Cell;

use crate::cells;

/// The cells of one policy.
pub(super) struct Coverage {
    all: BTreeSet<Cell>,
    asserted: BTreeSet<Cell>,
}

/// Fields of one route that no row asserts for one scope.
pub(super) struct Gap {
    pub(super) scope: String,
    pub(super) route: String,
    pub(super) fields: Vec<String>,
}

impl Coverage {
    /// None asserted yet.
    pub(super) fn new(policy: &PolicySet) -> Self {
        let mut all = BTreeSet::new();
        for route in &policy.routes {
            let RouteBody::Governed(governed) = &route.body else { continue };
            for scope in cells::acting(policy, route, None) {
                all.extend((0..governed.entries.len()).map(|entry| Cell { route: route.name.clone(), entry, scope }));
            }
        }
        Self { all, asserted: BTreeSet::new() }
    }

    /// Notes what a row asserts.
    pub(super) fn assert(&mut self, cells: &[Cell]) {
        self.asserted.extend(cells.iter().filter(|cell| self.all.contains(*cell)).cloned());
    }

    /// How many cells are asserted.
    pub(super) fn asserted(&self) -> usize {
        self.asserted.len()
    }

    /// How many cells there are.
    pub(super) fn all(&self) -> usize {
        self.all.len()
    }

    /// What is not asserted, by scope, then route.
    pub(super) fn gaps(&self, policy: &PolicySet) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        let mut missing: Vec<&Cell> = self.all.difference(&self.asserted).collect();
        missing.sort_by(|a, b| (a.scope, &a.route, a.entry).cmp(&(b.scope, &b.route, b.entry)));
        for cell in missing {
            let Some(scope) = scope_name(policy, cell.scope) else { continue };
            let route = policy.routes.iter().find(|route| route.name == cell.route);
            let Some(RouteBody::Governed(governed)) = route.map(|route| &route.body) else { continue };
            let Some(entry) = governed.entries.get(cell.entry) else { continue };
            let path = entry.path.to_string();
            match gaps.last_mut().filter(|gap| gap.scope == scope && gap.route == cell.route) {
                Some(gap) => gap.fields.push(path),
                None => gaps.push(Gap { scope: scope.to_owned(), route: cell.route.clone(), fields: vec![path] }),
            }
        }
        gaps
    }
}

fn scope_name(policy: &PolicySet, id: ScopeId) -> Option<&str> {
    policy.scopes.get(usize::from(id.0)).map(|scope| scope.name.as_str())
}
