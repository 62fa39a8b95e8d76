//! How much there is in the files: what a summary counts.

use std::collections::HashSet;
use std::ptr;

use super::field::{elements, get, walk};
use super::recognise;
use super::survey::{Manager, Survey};
use fieldgate::document::Node;

/// What there was to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inventory {
    /// Listeners of Envoy's.
    pub listeners: usize,
    /// Routes of Envoy's, in tables that stand alone or in a connection manager.
    pub routes: usize,
    /// Resources of Kubernetes.
    pub resources: usize,
    /// Whether the plugin is among it, or the module in its place.
    pub has_plugin: bool,
}

impl Inventory {
    pub(super) fn of(survey: &Survey<'_>) -> Self {
        let copies = copies(survey);
        let counts = |node: &Node| !copies.contains(&ptr::from_ref(node));
        let managers = survey.managers.iter().filter(|manager| counts(manager.node));
        let tables = survey.tables.iter().copied().filter(|table| counts(table));
        Self {
            listeners: survey.listeners.iter().filter(|listener| counts(listener)).count(),
            routes: tables.chain(managers.flat_map(own)).map(routes).fold(0, usize::saturating_add),
            resources: survey.resources.len(),
            has_plugin: recognise::anywhere(survey),
        }
    }
}

/// All that is in the bootstrap of a dump: the dump shows each static listener once more, as it serves.
fn copies(survey: &Survey<'_>) -> HashSet<*const Node> {
    let mut found = HashSet::new();
    let parts = survey.documents.iter().flat_map(|document| elements(document, "configs"));
    for bootstrap in parts.filter_map(|part| get(part, "bootstrap")) {
        walk(bootstrap, &mut |node| found.extend([ptr::from_ref(node)]));
    }
    found
}

/// The tables that stand in a connection manager.
fn own<'n>(manager: &Manager<'n>) -> impl Iterator<Item = &'n Node> + use<'n> {
    let node = manager.node;
    let list = get(node, "scoped_routes").and_then(|scoped| get(scoped, "scoped_route_configurations_list"));
    let scopes = list.map(|list| elements(list, "scoped_route_configurations")).unwrap_or_default();
    get(node, "route_config").into_iter().chain(scopes.iter().filter_map(|scope| get(scope, "route_configuration")))
}

/// The routes of a table.
fn routes(table: &Node) -> usize {
    let hosts = elements(table, "virtual_hosts").iter();
    hosts.map(|host| elements(host, "routes").len()).fold(0, usize::saturating_add)
}
