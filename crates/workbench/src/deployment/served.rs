//! What a mesh's proxies serve, and whether the plugin is at them: a proxy takes Gateways of all namespaces, and EnvoyFilters
//! and WasmPlugins of its own and of Istio's alone.

use std::collections::BTreeSet;

use super::field::{at, elements, get, text, walk};
use super::look::Look;
use super::proxies::{self, API, ISTIO, Proxy};
use super::resource;
use super::survey::Survey;
use fieldgate::diagnostic::Code;
use fieldgate::document::{Member, Node};

/// A service, by its name and namespace; a host outside of the cluster has no namespace.
type Service = (String, String);

/// A Gateway, and whether a plugin is at its proxies.
struct Way<'n> {
    gateway: &'n Node,
    /// What is known of its proxies, for a sentence.
    labels: String,
    /// The group of the Gateway.
    group: &'static str,
    /// Where what it serves is led to.
    services: BTreeSet<Service>,
    /// Whether it is certain that no plugin is at its proxies; `None` where one is.
    open: Option<bool>,
}

/// Says which Gateways are served by proxies that none of the plugins is for.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, plugins: &[&Node]) {
    let managed = proxies::managed(survey);
    let classic = proxies::gateways(survey, ISTIO).filter_map(|gateway| of_istio(survey, gateway, plugins, &managed));
    let mut ways: Vec<Way<'_>> = classic.collect();
    // Where the plugin is in the sidecars of workloads, it is behind the gateways.
    let is_for_gateways = |plugin: &&&Node| is_meant(plugin, survey);
    if let Some(first) = plugins.iter().find(is_for_gateways).or_else(|| plugins.iter().find(|one| is_for_all(one))) {
        let is_certain = is_meant(first, survey);
        ways.extend(managed.iter().map(|proxy| of_api(survey, proxy, plugins, is_certain)));
    }
    let (open, served): (Vec<Way<'_>>, Vec<Way<'_>>) = ways.into_iter().partition(|way| way.open.is_some());
    let governed: BTreeSet<&Service> = served.iter().flat_map(|way| &way.services).collect();
    for way in &open {
        let shares = way.services.iter().any(|service| governed.contains(service));
        // Beside one that is served it may lead to other APIs.
        let certain = way.open == Some(true) && (served.is_empty() || shares);
        unfiltered(look, way, plugins, if certain { Code::PluginMissing } else { Code::UnseenTraffic });
    }
    for (proxy, ..) in proxies::pods(survey) {
        elsewhere(look, survey, &proxy, plugins, &served);
    }
}

fn unfiltered(look: &mut Look, way: &Way<'_>, plugins: &[&Node], code: Code) {
    let Some(plugin) = plugins.first() else { return };
    let help = if way.group == API {
        "bring plugin and gate to them too: resources of their own, with `targetRefs` that name this Gateway"
    } else {
        "write that label in `workloadSelector` of the gate and of the plugin: `fieldgate render --to istio --gateway VALUE`"
    };
    look.say(
        code,
        resource::place(way.gateway),
        format!(
            "the proxies of this Gateway have {}, and the plugin is for {}: nothing that they serve is filtered",
            way.labels,
            proxies::selected(plugin)
        ),
        help,
    );
}

/// A Gateway of Istio's.
fn of_istio<'n>(survey: &Survey<'_>, gateway: &'n Node, plugins: &[&Node], managed: &[Proxy<'_>]) -> Option<Way<'n>> {
    let labels = at(gateway, &["spec", "selector"])?.members()?;
    let known: Vec<&Proxy<'_>> = managed.iter().filter(|proxy| proxy.has(labels)).collect();
    let may_be = |plugin: &&Node| match proxies::references(plugin).as_slice() {
        [] => !proxies::differs(plugin, labels),
        _ if proxies::names_waypoint(plugin, survey) => true,
        _ => !proxies::names_gateways(plugin) || known.iter().any(|proxy| proxy.is_chosen_by(plugin)),
    };
    // A Gateway that is referred to, and is not among the files, may give its proxies these labels.
    let is_unknown = |plugin: &&Node| {
        !proxies::references(plugin).is_empty() && !managed.iter().any(|proxy| proxy.is_chosen_by(plugin))
    };
    let open = (!plugins.iter().any(may_be)).then(|| !plugins.iter().any(is_unknown));
    Some(Way { gateway, labels: proxies::spelled(labels), group: ISTIO, services: led(survey, gateway), open })
}

/// A Gateway of the Gateway API, by the proxies that istiod starts for it.
fn of_api<'n>(survey: &Survey<'_>, proxy: &Proxy<'n>, plugins: &[&Node], is_certain: bool) -> Way<'n> {
    let gateway = proxy.maker;
    let own = resource::ResourceName {
        kind: "Gateway".to_owned(),
        namespace: resource::namespace(gateway).to_owned(),
        name: resource::name(gateway).to_owned(),
    };
    let is_here = |route: &&resource::Resource<'_>| resource::parents(route.node, &survey.resources).contains(&own);
    let mut routes = survey.resources.iter().filter(|one| one.kind.ends_with("Route")).filter(is_here).peekable();
    // Without a route there is nothing that it serves, as far as can be seen.
    let is_certain = is_certain && routes.peek().is_some() && is_elsewhere(proxy, plugins);
    let backends = routes.flat_map(|route| resource::backends(route.node));
    let services = backends.map(|backend| service(&backend.name, &backend.namespace)).collect();
    let open = (!plugins.iter().any(|plugin| proxy.is_chosen_by(plugin))).then_some(is_certain);
    Way { gateway, labels: format!("`{API}/gateway-name: {}`", own.name), group: API, services, open }
}

/// Whether it is certain that a proxy is another than those that the plugins are for.
fn is_elsewhere(proxy: &Proxy<'_>, plugins: &[&Node]) -> bool {
    // `kubectl` may be told of a namespace that is not written.
    let is_placed = |node: &Node| at(node, &["metadata", "namespace"]).is_some();
    let mut fitting = plugins.iter().filter(|plugin| proxy.fits(plugin));
    fitting.all(|plugin| is_placed(plugin) && is_placed(proxy.maker))
}

/// The services that VirtualServices lead to from a Gateway of Istio's.
fn led(survey: &Survey<'_>, gateway: &Node) -> BTreeSet<Service> {
    let (name, namespace) = (resource::name(gateway), resource::namespace(gateway));
    let mut found = BTreeSet::new();
    for one in survey.resources.iter().filter(|one| one.kind == "VirtualService").map(|one| one.node) {
        let Some(spec) = get(one, "spec") else { continue };
        let from = resource::namespace(one);
        let is_it = |written: &str| match written.split_once('/') {
            Some((there, own)) => there == namespace && own == name,
            None => from == namespace && written == name,
        };
        if elements(spec, "gateways").iter().filter_map(Node::text).any(is_it) {
            let routes = ["http", "tcp", "tls"].into_iter().flat_map(|kind| elements(spec, kind));
            let destinations = routes.flat_map(|route| elements(route, "route"));
            let hosts = destinations.filter_map(|route| at(route, &["destination", "host"])?.text());
            found.extend(hosts.map(|host| service(host, from)));
        }
    }
    found
}

/// The service that a host is: `api`, `api.shop.svc` and `api.shop.svc.cluster.local` are one in the namespace `shop`.
fn service(host: &str, namespace: &str) -> Service {
    match host.split_once('.') {
        None => (host.to_owned(), namespace.to_owned()),
        Some((name, rest)) => match rest.split_once('.') {
            Some((there, "svc")) => (name.to_owned(), there.to_owned()),
            Some((there, domain)) if domain.starts_with("svc.") => (name.to_owned(), there.to_owned()),
            _ => (host.to_owned(), String::new()),
        },
    }
}

/// A proxy that serves a Gateway which the plugin is meant for, and that the plugin is not at.
fn elsewhere(look: &mut Look, survey: &Survey<'_>, proxy: &Proxy<'_>, plugins: &[&Node], served: &[Way<'_>]) {
    if plugins.iter().any(|plugin| proxy.is_chosen_by(plugin)) {
        return;
    }
    let of_istio = served.iter().filter(|way| way.group == ISTIO).map(|way| way.gateway);
    let Some((gateway, labels)) = of_istio
        .filter_map(|gateway| Some((gateway, proxies::selector(gateway)?)))
        .find(|(gateway, labels)| proxy.has(labels) && serves(survey, proxy, gateway))
    else {
        return;
    };
    let for_it = |plugin: &&&Node| is_for_it(plugin, survey, labels);
    let Some(plugin) = plugins.iter().find(for_it).or_else(|| plugins.iter().find(|one| is_for_all(one))) else {
        return;
    };
    let is_certain = is_for_it(plugin, survey, labels) && is_elsewhere(proxy, plugins);
    let code = if is_certain { Code::PluginMissing } else { Code::UnseenTraffic };
    let (name, namespace) = (resource::name(proxy.maker), resource::namespace(proxy.maker));
    let what =
        format!("`{name}` in `{namespace}` serves the Gateway `{}`, and the plugin is ", resource::name(gateway));
    if resource::is_in_reach(plugin, proxy.maker) {
        look.say(
            code,
            resource::place(proxy.maker),
            format!("{what}for {}: nothing that this proxy serves is filtered", proxies::selected(plugin)),
            "take the further labels out of `workloadSelector` of the gate and of the plugin, or give them to this proxy",
        );
    } else {
        look.say(
            code,
            resource::place(proxy.maker),
            format!(
                "{what}in `{}`: an EnvoyFilter or WasmPlugin is for the proxies of its own namespace alone, so nothing that this proxy serves is filtered",
                resource::namespace(plugin)
            ),
            if namespace == resource::ROOT {
                format!("put plugin and gate into `{namespace}`")
            } else {
                format!("put plugin and gate into `{namespace}`, or into Istio's own namespace, `{}`", resource::ROOT)
            },
        );
    }
}

/// Whether a proxy serves a Gateway that chooses its labels: of another namespace, if istiod has its default.
fn serves(survey: &Survey<'_>, proxy: &Proxy<'_>, gateway: &Node) -> bool {
    const SCOPED: &str = "PILOT_SCOPE_GATEWAY_TO_NAMESPACE";
    let mut scoped = false;
    for one in survey.resources.iter().filter(|one| one.kind == "Deployment") {
        walk(one.node, &mut |node| {
            scoped |= text(node, "name") == Some(SCOPED) && text(node, "value") == Some("true");
        });
    }
    !scoped || resource::namespace(gateway) == resource::namespace(proxy.maker)
}

/// Whether a plugin is meant for the proxies of gateways: also one that only says so in its patches.
fn is_meant(plugin: &Node, survey: &Survey<'_>) -> bool {
    proxies::is_for_gateways(plugin, survey) || is_patch_of_gateways(plugin)
}

/// Whether a plugin is meant for the proxies with these labels.
fn is_for_it(plugin: &Node, survey: &Survey<'_>, labels: &[Member]) -> bool {
    proxies::agrees(plugin, labels) || is_patch_of_gateways(plugin) || is_for_served(plugin, survey)
}

/// Whether a plugin is for a proxy among the files that serves a Gateway.
fn is_for_served(plugin: &Node, survey: &Survey<'_>) -> bool {
    let pods = proxies::pods(survey);
    let mut chosen = pods.iter().map(|(proxy, ..)| proxy).filter(|proxy| proxy.is_chosen_by(plugin));
    chosen.any(|proxy| proxies::gateways(survey, ISTIO).filter_map(proxies::selector).any(|labels| proxy.has(labels)))
}

fn is_patch_of_gateways(plugin: &Node) -> bool {
    super::patch::patches(plugin).any(|one| at(one, &["match", "context"]).and_then(Node::text) == Some("GATEWAY"))
}

/// Whether a plugin is for all proxies of its namespace.
fn is_for_all(plugin: &Node) -> bool {
    resource::chosen(plugin).is_empty() && proxies::references(plugin).is_empty()
}
