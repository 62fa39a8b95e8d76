//! What resources of Kubernetes say of each other: names, targets, parents.

use super::field::{at, elements, get, head, text};
use fieldgate::diagnostic::Span;
use fieldgate::document::{Member, Node};

/// A Kubernetes resource.
pub(super) struct Resource<'n> {
    pub(super) kind: &'n str,
    pub(super) node: &'n Node,
}

/// Which kind of resource one speaks of, in which namespace, and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ResourceName {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// The kinds that lead traffic somewhere, or hold filters: where the plugin is missed.
pub(super) const TRAFFIC: [&str; 10] = [
    "EnvoyExtensionPolicy",
    "EnvoyFilter",
    "Gateway",
    "GRPCRoute",
    "HTTPRoute",
    "TCPRoute",
    "TLSRoute",
    "UDPRoute",
    "VirtualService",
    "WasmPlugin",
];

/// The kinds that change what becomes of traffic.
pub(super) const BESIDE: [&str; 12] = [
    "AuthorizationPolicy",
    "BackendTrafficPolicy",
    "ClientTrafficPolicy",
    "DestinationRule",
    "EnvoyGateway",
    "EnvoyPatchPolicy",
    "EnvoyProxy",
    "HTTPRouteFilter",
    "ListenerSet",
    "RequestAuthentication",
    "SecurityPolicy",
    "TrafficExtension",
];

/// What a resource is called.
pub(super) fn name(resource: &Node) -> &str {
    at(resource, &["metadata", "name"]).and_then(Node::text).unwrap_or_default()
}

/// Where a resource's name is written.
pub(super) fn place(resource: &Node) -> Span {
    at(resource, &["metadata", "name"]).map_or_else(|| head(resource), |name| name.span)
}

/// The namespace of a resource; that of `kubectl` where it names none.
pub(super) fn namespace(resource: &Node) -> &str {
    at(resource, &["metadata", "namespace"]).and_then(Node::text).unwrap_or("default")
}

/// The resource itself.
pub(super) fn named(resource: &Resource<'_>) -> ResourceName {
    ResourceName {
        kind: resource.kind.to_owned(),
        namespace: namespace(resource.node).to_owned(),
        name: name(resource.node).to_owned(),
    }
}

/// What a reference names, from a resource of that namespace.
fn reference(node: &Node, kind: &str, from: &str) -> Option<ResourceName> {
    Some(ResourceName {
        kind: text(node, "kind").unwrap_or(kind).to_owned(),
        namespace: text(node, "namespace").unwrap_or(from).to_owned(),
        name: text(node, "name")?.to_owned(),
    })
}

/// What a policy is attached to: by name, or by the labels of what is among the files.
pub(super) fn targets(policy: &Node, among: &[Resource<'_>]) -> Vec<ResourceName> {
    let Some(spec) = get(policy, "spec") else { return Vec::new() };
    let from = namespace(policy);
    let listed = elements(spec, "targetRefs").iter().chain(get(spec, "targetRef"));
    let mut found: Vec<ResourceName> = listed.filter_map(|node| reference(node, "Gateway", from)).collect();
    for selector in elements(spec, "targetSelectors") {
        let wanted = get(selector, "matchLabels").and_then(Node::members).unwrap_or_default();
        let fits = |resource: &&Resource<'_>| {
            let labels = at(resource.node, &["metadata", "labels"]);
            let has = |member: &Member| labels.and_then(|labels| text(labels, &member.key)) == member.node.text();
            text(selector, "kind").is_none_or(|kind| kind == resource.kind) && wanted.iter().all(has)
        };
        let reachable = among.iter().filter(|resource| TRAFFIC.contains(&resource.kind));
        found.extend(reachable.filter(fits).map(named));
    }
    found
}

/// The Gateways that a route or a ListenerSet hangs on, itself or by a ListenerSet among the files.
pub(super) fn parents(route: &Node, among: &[Resource<'_>]) -> Vec<ResourceName> {
    let listed = at(route, &["spec", "parentRefs"]).and_then(Node::elements).unwrap_or_default();
    let listed = listed.iter().chain(at(route, &["spec", "parentRef"]));
    let parents = listed.filter_map(|node| reference(node, "Gateway", namespace(route)));
    let of_set = |set: &Resource<'_>| {
        at(set.node, &["spec", "parentRef"]).and_then(|node| reference(node, "Gateway", namespace(set.node)))
    };
    let above = |parent: ResourceName| {
        let set = among.iter().find(|one| one.kind == "ListenerSet" && named(one) == parent);
        set.and_then(of_set).unwrap_or(parent)
    };
    parents.map(above).collect()
}

/// The backends that a route leads to.
pub(super) fn backends(route: &Node) -> Vec<ResourceName> {
    let rules = at(route, &["spec", "rules"]).and_then(Node::elements).unwrap_or_default();
    let listed = rules.iter().flat_map(|rule| elements(rule, "backendRefs"));
    listed.filter_map(|node| reference(node, "Service", namespace(route))).collect()
}

/// Whether a resource is of a group: `Gateway` is a kind of two.
pub(super) fn is_of(resource: &Node, group: &str) -> bool {
    text(resource, "apiVersion").is_some_and(|version| version.starts_with(group))
}

/// The labels by which a resource chooses proxies.
pub(super) fn chosen(resource: &Node) -> &[Member] {
    let of = |names: &[&str]| at(resource, names).and_then(Node::members);
    of(&["spec", "workloadSelector", "labels"]).or_else(|| of(&["spec", "selector", "matchLabels"])).unwrap_or_default()
}

/// Whether a resource is for the namespace of another.
pub(super) fn is_in_reach(resource: &Node, other: &Node) -> bool {
    // One in Istio's own namespace is for all namespaces.
    const ROOT: &str = "istio-system";
    [ROOT, namespace(other)].contains(&namespace(resource))
}

/// Whether a label is one of others.
pub(super) fn is_among(label: &Member, others: &[Member]) -> bool {
    others.iter().any(|other| other.key == label.key && other.node.text() == label.node.text())
}

#[cfg(test)]
mod tests {
    use super::{BESIDE, TRAFFIC};

    /// Of what is live the page lists each kind that is judged: what is not in the file is not.
    #[test]
    fn the_page_lists_each_kind_that_is_judged() {
        // The first is Envoy Gateway's own configuration, in a ConfigMap; the second few clusters have.
        const ELSEWHERE: [&str; 2] = ["EnvoyGateway", "TrafficExtension"];
        let page = include_str!("../../../../docs/gateways.md");
        let lists: Vec<&str> =
            page.split("`kubectl get ").skip(1).filter_map(|rest| rest.split(" -A ").next()).collect();
        let listed: Vec<&str> = lists.iter().flat_map(|list| list.split([',', '.'])).collect();
        for kind in TRAFFIC.iter().chain(&BESIDE).filter(|kind| !ELSEWHERE.contains(kind)) {
            assert!(listed.contains(&kind.to_lowercase().as_str()), "docs/gateways.md does not list {kind}");
        }
    }
}
