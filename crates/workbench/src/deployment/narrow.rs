//! What the `match` of Istio's patch of an HTTP filter leaves out: listeners, and filter chains of a listener.

use super::field::{at, get, member, number, set, text};
use super::look::Look;
use super::proxies::{self, ISTIO, reaches};
use super::resource;
use super::survey::Survey;
use fieldgate::diagnostic::Code;
use fieldgate::document::{Member, Node};

/// The fields by which a patch is for some filter chains. A chain without TLS has none of them.
const OF_CHAIN: [&str; 4] = ["sni", "transportProtocol", "applicationProtocols", "destinationPort"];

/// A field that narrows a patch.
pub(super) struct Narrow<'n> {
    pub(super) field: &'n Member,
    /// What it is for, for a sentence.
    pub(super) what: &'static str,
}

/// The fields that narrow a patch.
pub(super) fn find(patch: &Node) -> Vec<Narrow<'_>> {
    let listener = at(patch, &["match", "listener"]);
    let chain = listener.and_then(|listener| get(listener, "filterChain"));
    let own = [of(listener, "portNumber", "this port"), of(listener, "name", "this listener")];
    let named = of(chain, "name", "this filter chain");
    let chosen = OF_CHAIN.into_iter().map(|name| of(chain, name, "some filter chains"));
    own.into_iter().chain([named]).chain(chosen).flatten().collect()
}

fn of<'n>(node: Option<&'n Node>, name: &str, what: &'static str) -> Option<Narrow<'n>> {
    Some(Narrow { field: member_of(node?, name)?, what })
}

/// A field that says something: nothing and zero are as good as not there.
fn member_of<'n>(node: &'n Node, name: &str) -> Option<&'n Member> {
    member(node, name).filter(|member| member.node.text() != Some("") && number(&member.node) != Some(0))
}

/// The listener's port that a patch is for: as it is written, or by the listener's name, `0.0.0.0_8443`.
fn port(patch: &Node) -> Option<u64> {
    let listener = at(patch, &["match", "listener"])?;
    let named = || text(listener, "name")?.rsplit_once('_')?.1.parse().ok();
    get(listener, "portNumber").and_then(number).or_else(named)
}

/// Judges the patches that bring the plugin, each with its resource. `others` bring it without a patch.
pub(super) fn plugins(look: &mut Look, survey: &Survey<'_>, patches: &[(&Node, &Node)], others: &[&Node]) {
    let (whole, some): (Vec<_>, Vec<_>) = patches.iter().copied().partition(|(_, patch)| find(patch).is_empty());
    let everywhere: Vec<&Node> = whole.iter().map(|(resource, _)| *resource).chain(others.iter().copied()).collect();
    for (resource, patch) in &some {
        if everywhere.iter().any(|other| reaches(survey, other, resource)) {
            continue;
        }
        let beside = some.iter().filter(|(other, _)| reaches(survey, other, resource));
        let beside = beside.filter(|(_, patch)| find(patch).iter().all(|one| !is_of_chain(one)));
        let covered: Vec<u64> = beside.filter_map(|(_, patch)| port(patch)).collect();
        let Some(narrow) = find(patch).into_iter().next() else { continue };
        let (code, rest) = match open(survey, resource, patch, &covered) {
            Some((gateway, port)) => {
                (Code::PluginDisabled, format!("port {port} of the Gateway `{}`", resource::name(gateway)))
            }
            None => (Code::UnseenTraffic, "what the proxy serves elsewhere".to_owned()),
        };
        look.say(
            code,
            narrow.field.key_span,
            format!("`{}`: the plugin runs for {} only: {rest} passes unfiltered", narrow.field.key, narrow.what),
            HELP,
        );
    }
}

pub(super) const HELP: &str = "take it out of `match`: `workloadSelector` chooses the gateway";

fn is_of_chain(narrow: &Narrow<'_>) -> bool {
    !["this port", "this listener"].contains(&narrow.what)
}

/// A port that a Gateway serves, and that no patch is for. The port of a Gateway is that of a Service, which may be another than
/// the listener's: so one that is the same is asked for first.
fn open<'n>(survey: &Survey<'n>, resource: &Node, patch: &Node, covered: &[u64]) -> Option<(&'n Node, u64)> {
    let leaves_plain = find(patch).iter().any(|narrow| OF_CHAIN.contains(&&*narrow.field.key));
    let is_its = |gateway: &&Node| proxies::selector(gateway).is_some_and(|labels| proxies::agrees(resource, labels));
    proxies::gateways(survey, ISTIO).filter(is_its).find_map(|gateway| {
        let servers = at(gateway, &["spec", "servers"]).and_then(Node::elements)?;
        let served: Vec<(u64, &Node)> = servers.iter().filter_map(|server| Some((served(server)?, server))).collect();
        let is_same = served.iter().any(|(port, _)| covered.contains(port));
        let is_open = |(port, server): &&(u64, &Node)| {
            !covered.contains(port) && (is_same || (leaves_plain && get(server, "tls").is_none()))
        };
        served.iter().find(is_open).map(|(port, _)| (gateway, *port))
    })
}

/// The port of a server of a Gateway that leads HTTP to somewhere.
fn served(server: &Node) -> Option<u64> {
    const HTTP: [&str; 5] = ["HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB"];
    let protocol = at(server, &["port", "protocol"])?.text()?;
    let is_http = HTTP.iter().any(|known| protocol.eq_ignore_ascii_case(known));
    let tls = get(server, "tls");
    let passes = tls.and_then(|tls| text(tls, "mode")).is_some_and(|mode| mode.ends_with("PASSTHROUGH"));
    let redirects = tls.is_some_and(|tls| set(tls, "httpsRedirect").is_some());
    at(server, &["port", "number"]).and_then(number).filter(|_| is_http && !passes && !redirects)
}

/// What a patch is for in place of a gateway's HTTP, and how that is mended.
pub(super) fn misses<'n>(survey: &Survey<'_>, resource: &Node, patch: &'n Node) -> Option<(&'n Node, &'static str)> {
    const MANAGER: &str = "envoy.filters.network.http_connection_manager";
    let context = at(patch, &["match", "context"]);
    let inbound = context.filter(|context| context.text() == Some("SIDECAR_INBOUND"));
    if let Some(context) = inbound.filter(|_| proxies::is_for_gateways(resource, survey)) {
        return Some((context, "`SIDECAR_INBOUND` is what a workload is asked, and these proxies are gateways"));
    }
    let filter = at(patch, &["match", "listener", "filterChain", "filter", "name"]);
    filter
        .filter(|filter| filter.text() != Some(MANAGER))
        .map(|filter| (filter, "HTTP filters are in `envoy.filters.network.http_connection_manager` alone"))
}

/// Where a patch is for some proxies only, by what they say of themselves or are reached by.
pub(super) fn by_proxy(patch: &Node) -> impl Iterator<Item = &Member> {
    let matched = get(patch, "match");
    ["proxy", "cluster"].into_iter().filter_map(move |name| member(matched?, name))
}
