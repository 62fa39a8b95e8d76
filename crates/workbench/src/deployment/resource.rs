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
        let is_own = |resource: &&Resource<'_>| is_elsewhere(selector) || namespace(resource.node) == from;
        let fits = |resource: &&Resource<'_>| {
            text(selector, "kind").is_none_or(|kind| kind == resource.kind) && is_labelled(resource.node, selector)
        };
        let reachable = among.iter().filter(|one| TRAFFIC.contains(&one.kind) || one.kind == "ListenerSet");
        found.extend(reachable.filter(is_own).filter(fits).map(named));
    }
    found
}

/// Whether a selector looks into other namespaces, too: which of them, and whether they grant it, the files do not tell.
pub(super) fn is_elsewhere(selector: &Node) -> bool {
    at(selector, &["namespaces", "from"]).and_then(Node::text).is_some_and(|from| from != "Same")
}

/// Whether a resource has the labels that a selector asks for.
fn is_labelled(resource: &Node, selector: &Node) -> bool {
    let label = |key: &str| at(resource, &["metadata", "labels"]).and_then(|labels| text(labels, key));
    let wanted = get(selector, "matchLabels").and_then(Node::members).unwrap_or_default();
    let has = |member: &Member| label(&member.key) == member.node.text();
    let holds = |expression: &Node| {
        let own = text(expression, "key").and_then(label);
        let is_in = || elements(expression, "values").iter().any(|value| value.text() == own);
        match text(expression, "operator") {
            Some("In") => own.is_some() && is_in(),
            Some("NotIn") => own.is_none() || !is_in(),
            Some("Exists") => own.is_some(),
            Some("DoesNotExist") => own.is_none(),
            _ => false,
        }
    };
    wanted.iter().all(has) && elements(selector, "matchExpressions").iter().all(holds)
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

/// Istio's own namespace: what is in it is for all namespaces.
pub(super) const ROOT: &str = "istio-system";

/// Whether a resource is for the namespace of another.
pub(super) fn is_in_reach(resource: &Node, other: &Node) -> bool {
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
