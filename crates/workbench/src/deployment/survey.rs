//! What there is in the files: from trees of whatever shape to the messages that decide something.
//!
//! Bootstraps, discovery responses, dumps of the admin interface and Kubernetes resources nest the same messages in
//! different ways, so they are looked for by what they are, not by where they stand.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::field::{at, elements, get, is, text, unwrap, walk};
use super::patch::{self, Extent};
use super::resource::{BESIDE, Resource, TRAFFIC};
use fieldgate::document::{Node, Tree};

/// An HTTP connection manager, and what it stands in.
pub(super) struct Manager<'n> {
    pub(super) node: &'n Node,
    pub(super) extent: Extent,
    pub(super) listener: Option<&'n Node>,
    /// The filter chain, which has the transport socket.
    pub(super) chain: Option<&'n Node>,
}

/// What there is in the files.
#[derive(Default)]
pub(super) struct Survey<'n> {
    /// Everything.
    pub(super) documents: Vec<&'n Node>,
    /// Messages with filter chains.
    pub(super) listeners: Vec<&'n Node>,
    pub(super) managers: Vec<Manager<'n>>,
    /// TCP proxies.
    pub(super) tunnels: Vec<&'n Node>,
    /// Route configurations that stand alone, as a discovery response has them.
    pub(super) tables: Vec<&'n Node>,
    /// Extension configurations: by name, what discovery finds.
    pub(super) extensions: Vec<&'n Node>,
    pub(super) clusters: Vec<&'n Node>,
    /// HTTP filters that stand in no connection manager: a file to be put into one, or a patch.
    pub(super) loose: Vec<(&'n Node, Extent)>,
    pub(super) resources: Vec<Resource<'n>>,
    /// Whether anything of it is configuration of a gateway.
    pub(super) known: bool,
}

/// The messages of Envoy's in a document: all of it, or what a resource of Kubernetes patches in.
pub(super) fn messages(document: &Node) -> Vec<&Node> {
    match (text(document, "apiVersion"), text(document, "kind")) {
        (Some(_), Some("EnvoyFilter")) => patch::patches(document).filter_map(patch::value).collect(),
        (Some(_), Some("EnvoyPatchPolicy")) => {
            patch::operations(document).filter_map(|operation| get(operation, "value")).collect()
        }
        (Some(_), Some("List")) => elements(document, "items").iter().flat_map(messages).collect(),
        (Some(_), Some(_)) => Vec::new(),
        _ => vec![document],
    }
}

/// What a node stands in.
#[derive(Clone, Copy)]
struct Inside<'n> {
    extent: Extent,
    listener: Option<&'n Node>,
    chain: Option<&'n Node>,
}

impl<'n> Survey<'n> {
    /// Adds a document.
    pub(super) fn document(&mut self, node: &'n Node) {
        self.documents.push(node);
        if let (Some(_), Some(kind)) = (text(node, "apiVersion"), text(node, "kind")) {
            self.resource(kind, node);
        } else {
            let sections = ["static_resources", "dynamic_resources", "layered_runtime"];
            self.known |= sections.iter().any(|name| get(node, name).is_some());
            self.visit(node, Inside { extent: Extent::Whole, listener: None, chain: None });
        }
    }

    fn resource(&mut self, kind: &'n str, node: &'n Node) {
        let patched = Inside { extent: Extent::Patch, listener: None, chain: None };
        match kind {
            kind if kind.ends_with("List") => {
                elements(node, "items").iter().for_each(|item| self.document(item));
                return;
            }
            "EnvoyFilter" => {
                for one in patch::patches(node) {
                    if let Some(value) = patch::value(one) {
                        let extent = patch::extent(one);
                        self.visit(value, Inside { extent, ..patched });
                    }
                }
            }
            "EnvoyPatchPolicy" => {
                for operation in patch::operations(node) {
                    if let Some(value) = get(operation, "value") {
                        // What is added or replaced is written out whole, however little of the rest there is to see.
                        self.visit(value, Inside { extent: Extent::Whole, ..patched });
                    }
                }
            }
            kind if TRAFFIC.contains(&kind) || BESIDE.contains(&kind) => {}
            // Others may hold a secret, and are no configuration of a gateway.
            _ => {
                self.resources.push(Resource { kind, node });
                return;
            }
        }
        self.known = true;
        self.resources.push(Resource { kind, node });
    }

    fn visit(&mut self, node: &'n Node, inside: Inside<'n>) {
        match &node.value {
            Tree::List(elements) => elements.iter().for_each(|element| self.visit(element, inside)),
            Tree::Map(members) => {
                let mut inside = inside;
                if get(node, "filter_chains").or_else(|| get(node, "default_filter_chain")).is_some() {
                    inside.listener = Some(node);
                    self.listeners.push(node);
                    self.known = true;
                }
                if get(node, "filters").is_some() {
                    inside.chain = Some(node);
                }
                if !self.take(node, inside) {
                    // What a dump shows of a listener that drains, or of an update that was rejected, does not serve.
                    let serves =
                        |key: &str| !matches!(key, "draining_state" | "error_state" | "drainingState" | "errorState");
                    let members = members.iter().filter(|member| serves(&member.key));
                    members.for_each(|member| self.visit(&member.node, inside));
                }
            }
            _ => {}
        }
    }

    /// Takes a message that is looked for, and says whether that is all there is to it.
    fn take(&mut self, node: &'n Node, inside: Inside<'n>) -> bool {
        if is(node, "HttpConnectionManager") {
            let (node, extent) = (unwrap(node).map_or(node, |(_, message)| message), inside.extent);
            self.managers.push(Manager { node, extent, listener: inside.listener, chain: inside.chain });
        } else if is(node, "TcpProxy") {
            self.tunnels.push(unwrap(node).map_or(node, |(_, message)| message));
        } else if get(node, "virtual_hosts").is_some_and(|hosts| hosts.elements().is_some()) {
            self.tables.push(node);
        } else if is(node, "TypedExtensionConfig") {
            self.extensions.push(node);
        } else if is_http_filter(node) {
            self.loose.push((node, inside.extent));
        } else {
            let of_cluster = ["load_assignment", "cluster_type", "eds_cluster_config", "original_dst_lb_config"];
            if of_cluster.iter().any(|name| get(node, name).is_some()) || is(node, "Cluster") {
                self.clusters.push(node);
                self.known = true;
            }
            self.known |= unwrap(node).is_some_and(|(name, _)| name.starts_with("envoy."));
            return false;
        }
        self.known = true;
        true
    }

    /// The route configuration of that name.
    pub(super) fn table(&self, name: &str) -> Option<&'n Node> {
        self.tables.iter().copied().find(|table| text(table, "name") == Some(name))
    }

    /// The configuration that discovery finds under that name.
    pub(super) fn extension(&self, name: &str) -> Option<&'n Node> {
        self.extensions
            .iter()
            .find(|extension| text(extension, "name") == Some(name))
            .and_then(|extension| get(extension, "typed_config"))
    }

    /// A cluster and those that it is made of, if it is an aggregate.
    pub(super) fn whole(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::from([name.to_owned()]);
        let mut open = vec![name.to_owned()];
        while let Some(name) = open.pop() {
            for cluster in self.clusters.iter().filter(|cluster| text(cluster, "name") == Some(&*name)) {
                let parts = at(cluster, &["cluster_type", "typed_config", "clusters"]).and_then(Node::elements);
                for part in parts.unwrap_or_default().iter().filter_map(Node::text) {
                    if found.insert(part.to_owned()) {
                        open.push(part.to_owned());
                    }
                }
            }
        }
        found
    }

    /// The socket addresses of clusters, as they are written: two clusters that share one are one upstream.
    pub(super) fn addresses(&self, of: impl Fn(&str) -> bool) -> BTreeSet<Address> {
        let mut found = BTreeSet::new();
        for node in self.clusters.iter().filter(|node| text(node, "name").is_some_and(&of)) {
            // What a discovery service is asked for by one name is one upstream.
            let service = at(node, &["eds_cluster_config", "service_name"]).and_then(Node::text);
            found.extend(service.map(|service| (Rc::from(service), Rc::from("eds"))));
            walk(node, &mut |node| {
                let part = |name| match get(node, name).map(|node| &node.value) {
                    Some(Tree::Text { text, .. } | Tree::Number(text)) => Some(Rc::clone(text)),
                    _ => None,
                };
                found.extend(part("address").zip(part("port_value")));
            });
        }
        found
    }
}

/// A socket address: a host or an IP address, and a port.
pub(super) type Address = (Rc<str>, Rc<str>);

/// Whether it is an element of `http_filters`.
fn is_http_filter(node: &Node) -> bool {
    if text(node, "name").is_none() {
        return false;
    }
    let of_http = |url: &str| url.contains("envoy.extensions.filters.http.");
    let typed = get(node, "typed_config").and_then(unwrap).is_some_and(|(name, _)| of_http(name));
    let discovered = get(node, "config_discovery")
        .is_some_and(|source| elements(source, "type_urls").iter().filter_map(Node::text).any(of_http));
    typed || discovered
}

/// The name by which a discovery service is asked for the routes.
pub(super) fn discovered(manager: &Node) -> Option<&str> {
    at(manager, &["rds", "route_config_name"]).and_then(Node::text)
}

/// The names of all tables that a connection manager asks a discovery service for.
pub(super) fn tables_of(manager: &Node) -> Vec<&str> {
    let list = at(manager, &["scoped_routes", "scoped_route_configurations_list", "scoped_route_configurations"]);
    let scoped = list.and_then(Node::elements).unwrap_or_default();
    let scoped = scoped.iter().filter_map(|scope| text(scope, "route_configuration_name"));
    discovered(manager).into_iter().chain(scoped).collect()
}
