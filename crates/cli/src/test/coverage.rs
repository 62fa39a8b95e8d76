//! Which cells a run asserts: for each scope, every field of every route that the scope acts on; and, of clients with an entry of
//! their own, every field of which their entry leaves something else.

use std::collections::{BTreeMap, BTreeSet};

use fieldgate::model::{ClientId, Level, ScopeId};
use fieldgate::policy::PolicySet;
use fieldgate_workbench::suite::Cell;

use crate::cells;

/// The cells of one policy. Those of everybody else, the entry `"*"`, have no client.
pub(super) struct Coverage {
    all: BTreeSet<Cell>,
    asserted: BTreeSet<Cell>,
}

/// Fields of one route that no row asserts for one scope.
pub(super) struct Gap {
    pub(super) scope: String,
    /// The client whose entry lowers them.
    pub(super) client: Option<String>,
    pub(super) route: String,
    pub(super) fields: Vec<String>,
}

/// A scope's levels on one route, by entry.
type Levels = BTreeMap<(String, usize, ScopeId), Option<Level>>;

impl Coverage {
    /// None asserted yet.
    pub(super) fn new(policy: &PolicySet) -> Self {
        let everybody = levels(policy, policy.any_client);
        let cell = |(route, entry, scope): &(String, usize, ScopeId), client: Option<ClientId>| Cell {
            route: route.clone(),
            entry: *entry,
            scope: *scope,
            client,
        };
        let mut all: BTreeSet<Cell> =
            everybody.iter().filter(|(_, level)| level.is_some()).map(|(place, _)| cell(place, None)).collect();
        for index in 0..policy.clients.len() {
            let Some(id) = u16::try_from(index).ok().map(ClientId).filter(|id| Some(*id) != policy.any_client) else {
                continue;
            };
            for (place, level) in levels(policy, Some(id)) {
                // A scope that one of the two entries leaves out has nothing there.
                let other = everybody.get(&place).copied().flatten();
                let something = |level: Option<Level>| level.filter(|level| *level != Level::Hide);
                if something(other) != something(level) {
                    all.insert(cell(&place, Some(id)));
                }
            }
        }
        Self { all, asserted: BTreeSet::new() }
    }

    /// Notes what a row asserts. What a client's entry leaves as it is, is everybody's cell.
    pub(super) fn assert(&mut self, cells: &[Cell]) {
        for cell in cells {
            let everybody = Cell { client: None, ..cell.clone() };
            if let Some(cell) = [cell.clone(), everybody].into_iter().find(|cell| self.all.contains(cell)) {
                self.asserted.insert(cell);
            }
        }
    }

    /// How many cells are asserted.
    pub(super) fn asserted(&self) -> usize {
        self.asserted.len()
    }

    /// How many cells there are.
    pub(super) fn all(&self) -> usize {
        self.all.len()
    }

    /// What is not asserted, by scope, then client, then route.
    pub(super) fn gaps(&self, policy: &PolicySet) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        let mut missing: Vec<&Cell> = self.all.difference(&self.asserted).collect();
        missing.sort_by(|a, b| (a.scope, a.client, &a.route, a.entry).cmp(&(b.scope, b.client, &b.route, b.entry)));
        let routes = cells::of(policy, None);
        for cell in missing {
            let Some(scope) = policy.scopes.get(usize::from(cell.scope.0)).map(|scope| scope.name.clone()) else {
                continue;
            };
            let client =
                cell.client.and_then(|id| policy.clients.get(usize::from(id.0))).map(|entry| entry.name.clone());
            let route = routes.iter().find(|cells| cells.route.name == cell.route);
            let Some(entry) = route.and_then(|cells| cells.governed.entries.get(cell.entry)) else { continue };
            let path = entry.path.to_string();
            let same = |gap: &&mut Gap| gap.scope == scope && gap.client == client && gap.route == cell.route;
            match gaps.last_mut().filter(same) {
                Some(gap) => gap.fields.push(path),
                None => gaps.push(Gap { scope, client, route: cell.route.clone(), fields: vec![path] }),
            }
        }
        gaps
    }
}

/// Every scope's level of every entry under a client's entry; `None` where the scope does not act.
fn levels(policy: &PolicySet, client: Option<ClientId>) -> Levels {
    let mut levels = Levels::new();
    for route in cells::of(policy, client) {
        // Two entries of one place are one field, whose cells stand for both.
        for entry in 0..route.governed.entries.len() {
            let path = route.governed.entries.get(entry).map(|entry| entry.path.to_string());
            let Some(field) = route.fields.iter().find(|field| Some(&field.path) == path.as_ref()) else { continue };
            for (index, verdict) in field.verdicts.iter().enumerate() {
                if let Ok(scope) = u16::try_from(index) {
                    let level = verdict.as_ref().map(|verdict| verdict.level);
                    levels.insert((route.route.name.clone(), entry, ScopeId(scope)), level);
                }
            }
        }
    }
    levels
}
