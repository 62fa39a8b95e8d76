//! The proxies of a mesh, as far as resources tell: those of Deployments, and those that istiod starts for a Gateway of the
//! Gateway API. And which resources are for them, as istiod decides it.

use std::borrow::Cow;

use super::field::{at, elements, get, text};
use super::look::names;
use super::resource;
use super::survey::Survey;
use fieldgate::document::{Member, Node};

/// The group of the Gateway API.
pub(super) const API: &str = "gateway.networking.k8s.io";

/// The group of Istio's own Gateway.
pub(super) const ISTIO: &str = "networking.istio.io";

/// The label by which a proxy is one of a Gateway of the Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The container of a pod that is the proxy.
const PROXY: &str = "istio-proxy";

/// The kinds that pods are made of, and a pod itself.
const KINDS: [&str; 4] = ["DaemonSet", "Deployment", "Pod", "StatefulSet"];

/// A proxy, or several that are alike.
pub(super) struct Proxy<'n> {
    /// What makes it: a Deployment or the like, or a Gateway of the Gateway API. It is in that resource's namespace.
    pub(super) maker: &'n Node,
    labels: Vec<(&'n str, Cow<'n, str>)>,
}

impl Proxy<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value)
    }

    /// Whether it has all of these labels.
    pub(super) fn has(&self, wanted: &[Member]) -> bool {
        wanted.iter().all(|label| label.node.text().is_some_and(|value| self.label(&label.key) == Some(value)))
    }

    /// Whether a resource of Istio's is for it: by a reference to its Gateway, or by its labels.
    pub(super) fn is_chosen_by(&self, resource: &Node) -> bool {
        let is_near = resource::namespace(resource) == resource::namespace(self.maker);
        let is_in_reach =
            if references(resource).is_empty() { resource::is_in_reach(resource, self.maker) } else { is_near };
        is_in_reach && self.fits(resource)
    }

    /// Whether a resource is for it if it is in the right namespace.
    pub(super) fn fits(&self, resource: &Node) -> bool {
        match (references(resource).as_slice(), self.label(GATEWAY_NAME)) {
            ([], _) => self.has(resource::chosen(resource)),
            // A proxy that is of no Gateway of the Gateway API ignores what has a reference.
            (_, None) => false,
            (references, Some(gateway)) => references.iter().any(|reference| named(reference) == Some(gateway)),
        }
    }
}

/// What a resource refers to in place of labels.
pub(super) fn references(resource: &Node) -> Vec<&Node> {
    let Some(spec) = get(resource, "spec") else { return Vec::new() };
    match elements(spec, "targetRefs") {
        [] => get(spec, "targetRef").into_iter().collect(),
        several => several.iter().collect(),
    }
}

/// The Gateway of the Gateway API that a reference names.
fn named(reference: &Node) -> Option<&str> {
    let is_gateway = text(reference, "kind") == Some("Gateway") && text(reference, "group") == Some(API);
    text(reference, "name").filter(|_| is_gateway)
}

/// Whether all that a resource refers to are Gateways.
pub(super) fn names_gateways(resource: &Node) -> bool {
    let references = references(resource);
    !references.is_empty() && references.iter().all(|reference| named(reference).is_some())
}

/// A pod's template, or a pod, with a proxy in it; and the proxy's container.
pub(super) fn pods<'n>(survey: &Survey<'n>) -> Vec<(Proxy<'n>, &'n Node, &'n Node)> {
    let makers = survey.resources.iter().filter(|one| KINDS.contains(&one.kind)).map(|one| one.node);
    makers
        .filter_map(|maker| {
            let pod = at(maker, &["spec", "template"]).unwrap_or(maker);
            let containers = at(pod, &["spec", "containers"]).and_then(Node::elements)?;
            let proxy = containers.iter().find(|container| text(container, "name") == Some(PROXY))?;
            let labels = at(pod, &["metadata", "labels"]).and_then(Node::members).unwrap_or_default();
            Some((Proxy { maker, labels: written(labels).collect() }, pod, proxy))
        })
        .collect()
}

fn written(labels: &[Member]) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    labels.iter().filter_map(|label| Some((&*label.key, Cow::Borrowed(label.node.text()?))))
}

/// The proxies that istiod starts for Gateways of the Gateway API.
pub(super) fn managed<'n>(survey: &Survey<'n>) -> Vec<Proxy<'n>> {
    gateways(survey, API).filter(|gateway| is_managed(survey, gateway)).map(started).collect()
}

/// The Gateways of a group.
pub(super) fn gateways<'n>(survey: &Survey<'n>, group: &str) -> impl Iterator<Item = &'n Node> {
    survey
        .resources
        .iter()
        .filter(move |one| one.kind == "Gateway" && resource::is_of(one.node, group))
        .map(|one| one.node)
}

/// Whether a Gateway is Istio's, and istiod starts its proxies.
fn is_managed(survey: &Survey<'_>, gateway: &Node) -> bool {
    const CONTROLLER: &str = "istio.io/gateway-controller";
    let class = at(gateway, &["spec", "gatewayClassName"]).and_then(Node::text).unwrap_or_default();
    let mut classes = survey.resources.iter().filter(|one| one.kind == "GatewayClass").map(|one| one.node);
    let is_istios = match classes.find(|one| resource::name(one) == class) {
        Some(class) => at(class, &["spec", "controllerName"]).and_then(Node::text) == Some(CONTROLLER),
        None => class == "istio",
    };
    // With the address of a Service it is for proxies that somebody else starts.
    is_istios
        && match at(gateway, &["spec", "addresses"]).and_then(Node::elements).unwrap_or_default() {
            [] => true,
            [one] => text(one, "type").is_none_or(|kind| kind == "IPAddress"),
            _ => false,
        }
}

/// The proxy that istiod starts for a Gateway.
fn started(gateway: &Node) -> Proxy<'_> {
    let name = resource::name(gateway);
    let class = at(gateway, &["spec", "gatewayClassName"]).and_then(Node::text).unwrap_or_default();
    let deployment = at(gateway, &["metadata", "annotations", "gateway.istio.io/name-override"])
        .and_then(Node::text)
        .map_or_else(|| Cow::Owned(format!("{name}-{class}")), Cow::Borrowed);
    let mut labels = vec![
        (GATEWAY_NAME, Cow::Borrowed(name)),
        ("gateway.networking.k8s.io/gateway-class-name", Cow::Borrowed(class)),
        ("gateway.istio.io/managed", Cow::Borrowed("istio.io-gateway-controller")),
    ];
    let own = at(gateway, &["spec", "infrastructure", "labels"]).or_else(|| at(gateway, &["metadata", "labels"]));
    labels.extend(written(own.and_then(Node::members).unwrap_or_default()));
    labels.push(("service.istio.io/canonical-name", deployment));
    labels.push(("service.istio.io/canonical-revision", Cow::Borrowed("latest")));
    labels.push(("sidecar.istio.io/inject", Cow::Borrowed("false")));
    Proxy { maker: gateway, labels }
}

/// Whether labels differ from those that a resource chooses by: no proxy that has them has all of the resource's.
pub(super) fn differs(resource: &Node, labels: &[Member]) -> bool {
    let other = |label: &Member| labels.iter().any(|own| own.key == label.key && own.node.text() != label.node.text());
    resource::chosen(resource).iter().any(other)
}

/// Whether a resource chooses by labels of which a Gateway's are some, and none differs: it is meant for its proxies.
pub(super) fn agrees(resource: &Node, labels: &[Member]) -> bool {
    let shares = resource::chosen(resource).iter().any(|label| resource::is_among(label, labels));
    shares && !differs(resource, labels)
}

/// Whether it is certain of a resource that it is for gateways.
pub(super) fn is_for_gateways(resource: &Node, survey: &Survey<'_>) -> bool {
    let istios =
        |label: &Member| &*label.key == "istio" && label.node.text().is_some_and(|value| value.ends_with("gateway"));
    let of_api = |label: &Member| &*label.key == GATEWAY_NAME;
    let chosen = resource::chosen(resource);
    (names_gateways(resource) && !names_waypoint(resource, survey))
        || chosen.iter().any(|label| istios(label) || of_api(label))
        || gateways(survey, ISTIO).filter_map(selector).any(|labels| agrees(resource, labels))
        || (!chosen.is_empty() && managed(survey).iter().any(|proxy| proxy.is_chosen_by(resource)))
}

/// The Gateways of the files that a resource names.
fn referred<'n>(resource: &Node, survey: &Survey<'n>) -> Vec<&'n Node> {
    let references = references(resource);
    let is_it = |gateway: &&Node| {
        let is_near = resource::namespace(gateway) == resource::namespace(resource);
        is_near && references.iter().any(|reference| named(reference) == Some(resource::name(gateway)))
    };
    gateways(survey, API).filter(is_it).collect()
}

/// Whether a resource names a waypoint, whose proxies stand before workloads and not at the edge.
pub(super) fn names_waypoint(resource: &Node, survey: &Survey<'_>) -> bool {
    let referred = referred(resource, survey);
    let mut classes = referred.iter().filter_map(|gateway| at(gateway, &["spec", "gatewayClassName"])?.text());
    classes.any(|class| class.contains("waypoint"))
}

/// Whether a resource names a Gateway that is not among the files.
pub(super) fn names_unseen(resource: &Node, survey: &Survey<'_>) -> bool {
    references(resource).len() > referred(resource, survey).len()
}

/// The labels by which a Gateway of Istio's chooses proxies.
pub(super) fn selector(gateway: &Node) -> Option<&[Member]> {
    at(gateway, &["spec", "selector"])?.members().filter(|labels| !labels.is_empty())
}

/// Whether a gate is at all proxies that have a plugin.
pub(super) fn reaches(survey: &Survey<'_>, gate: &Node, plugin: &Node) -> bool {
    let (by_gate, by_plugin) = (references(gate), references(plugin));
    let chosen = resource::chosen(plugin);
    let is_named = |name: Option<&str>| by_gate.iter().any(|reference| named(reference) == name);
    let together = resource::namespace(gate) == resource::namespace(plugin);
    match (by_gate.is_empty(), by_plugin.is_empty()) {
        (true, true) => {
            resource::is_in_reach(gate, plugin)
                && resource::chosen(gate).iter().all(|label| resource::is_among(label, chosen))
        }
        (false, false) => together && by_plugin.iter().all(|reference| is_named(named(reference))),
        (true, false) => by_plugin.iter().all(|reference| is_at(survey, gate, plugin, reference)),
        (false, true) => {
            let by_name = chosen.iter().find(|label| &*label.key == GATEWAY_NAME);
            let by_name = by_name.is_some_and(|label| together && is_named(label.node.text()));
            let proxies = managed(survey);
            let mut known = proxies.iter().filter(|proxy| proxy.is_chosen_by(plugin)).peekable();
            let elsewhere = gateways(survey, ISTIO).filter_map(selector).any(|labels| !differs(plugin, labels));
            by_name || (known.peek().is_some() && !elsewhere && known.all(|proxy| proxy.is_chosen_by(gate)))
        }
    }
}

/// Whether a gate that chooses by labels is at the proxies of what a plugin refers to.
fn is_at(survey: &Survey<'_>, gate: &Node, plugin: &Node, reference: &Node) -> bool {
    // Of what else there is to refer to, the labels are not known.
    let Some(name) = named(reference) else { return true };
    let is_it = |proxy: &Proxy<'_>| {
        resource::name(proxy.maker) == name && resource::namespace(proxy.maker) == resource::namespace(plugin)
    };
    match managed(survey).iter().find(|proxy| is_it(proxy)) {
        Some(proxy) => proxy.is_chosen_by(gate),
        None => {
            let other = |label: &Member| &*label.key == GATEWAY_NAME && label.node.text() != Some(name);
            resource::is_in_reach(gate, plugin) && !resource::chosen(gate).iter().any(other)
        }
    }
}

/// Labels, for a sentence.
pub(super) fn spelled(labels: &[Member]) -> String {
    let each: Vec<String> =
        labels.iter().filter_map(|label| Some(format!("{}: {}", label.key, label.node.text()?))).collect();
    names(each.iter().map(String::as_str))
}

/// Which proxies a resource is for, for a sentence.
pub(super) fn selected(resource: &Node) -> String {
    let references = references(resource);
    let which = if references.is_empty() {
        match resource::chosen(resource) {
            [] => "all proxies".to_owned(),
            chosen => format!("proxies with {}", spelled(chosen)),
        }
    } else {
        let named = references.iter().filter_map(|reference| text(reference, "name"));
        format!("the proxies of what `targetRefs` names, {}", names(named))
    };
    format!("{which} in namespace `{}`", resource::namespace(resource))
}
