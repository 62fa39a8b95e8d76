//! Listeners of the Gateway API, and what Envoy Gateway calls them in Envoy, by which patches find them.
//!
//! Those for HTTP of one port are one listener, which has the name of the first: those of the Gateway come first, then those of
//! its ListenerSets. With `http3` there is another beside it, for UDP.

use super::field::{at, elements, get, head, member, number, text};
use super::look::Look;
use super::patch;
use super::patches::Gated;
use super::reach;
use super::resource::{self, Resource, ResourceName};
use super::survey::Survey;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

/// A listener for HTTP.
struct Listener<'n> {
    node: &'n Node,
    port: Option<u64>,
    /// What it is called in Envoy if it is the first of its port.
    own: String,
}

/// How Envoy Gateway names listeners, as far as the files tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// After the Gateway and the first listener.
    Listener,
    /// After protocol and port: `XDSNameSchemeV2`.
    Port,
    /// Envoy Gateway's own configuration is not among the files.
    Unknown,
}

/// Whether a configuration of Envoy Gateway names listeners after their ports, and where it says so.
pub(super) fn by_port(configuration: &Node) -> Option<Span> {
    let enabled = at(configuration, &["runtimeFlags", "enabled"]).and_then(Node::elements).unwrap_or_default();
    enabled.iter().find(|flag| flag.text() == Some("XDSNameSchemeV2")).map(|flag| flag.span)
}

fn scheme(survey: &Survey<'_>) -> Scheme {
    let mut all = survey.resources.iter().filter(|resource| resource.kind == "EnvoyGateway").peekable();
    if all.peek().is_none() {
        Scheme::Unknown
    } else if all.any(|one| by_port(one.node).is_some()) {
        Scheme::Port
    } else {
        Scheme::Listener
    }
}

/// The listeners of a Gateway for HTTP, in the order in which Envoy Gateway takes them.
fn of<'n>(gateway: &Resource<'n>, survey: &Survey<'n>) -> Vec<Listener<'n>> {
    let own = resource::named(gateway);
    let sets = survey
        .resources
        .iter()
        .filter(|set| set.kind == "ListenerSet" && resource::parents(set.node, &survey.resources).contains(&own));
    let mut found = Vec::new();
    for holder in std::iter::once(gateway).chain(sets) {
        let mut prefix = format!("{}/{}", own.namespace, own.name);
        if holder.kind == "ListenerSet" {
            prefix = format!("{prefix}/{}/{}", resource::namespace(holder.node), resource::name(holder.node));
        }
        let listeners = at(holder.node, &["spec", "listeners"]).and_then(Node::elements).unwrap_or_default();
        for node in listeners.iter().filter(|node| matches!(text(node, "protocol"), Some("HTTP" | "HTTPS"))) {
            let own = format!("{prefix}/{}", text(node, "name").unwrap_or_default());
            found.push(Listener { node, port: get(node, "port").and_then(number), own });
        }
    }
    found
}

/// The first listener of each port.
fn firsts<'l, 'n>(listeners: &'l [Listener<'n>]) -> Vec<&'l Listener<'n>> {
    let mut found: Vec<&Listener<'n>> = Vec::new();
    for listener in listeners {
        if !found.iter().any(|first| first.port == listener.port) {
            found.push(listener);
        }
    }
    found
}

/// What a listener may be called in Envoy that is the first of its port: the likeliest first.
fn called(first: &Listener<'_>, scheme: Scheme, is_udp: bool) -> Vec<String> {
    let (protocol, suffix) = if is_udp { ("udp", "-quic") } else { ("tcp", "") };
    let by_port = format!("{protocol}-{}", first.port.unwrap_or_default());
    let by_name = format!("{}{suffix}", first.own);
    match scheme {
        Scheme::Listener => vec![by_name],
        Scheme::Port => vec![by_port],
        Scheme::Unknown => vec![by_name, by_port],
    }
}

/// The Gateways among the files that have a gate, somewhere.
fn given<'s, 'n>(survey: &'s Survey<'n>, gated: &'s Gated) -> impl Iterator<Item = &'s Resource<'n>> {
    let of_gateways = survey.resources.iter().filter(|resource| resource.kind == "Gateway");
    of_gateways.filter(|gateway| gated.gateways.contains(&resource::named(gateway)))
}

/// Patches name listeners, the plugin a whole Gateway: a listener that no patch names is without the gate.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, gated: &Gated) {
    let scheme = scheme(survey);
    for gateway in given(survey, gated) {
        let name = resource::named(gateway);
        let all = of(gateway, survey);
        // Gateways of a class share their proxy's listeners, and the first of a port may be another's.
        let siblings: Vec<Listener<'_>> = gated.siblings(survey, gateway).flat_map(|one| of(one, survey)).collect();
        for first in firsts(&all) {
            let others = firsts(&siblings).into_iter().filter(|other| other.port == first.port);
            let mut names = std::iter::once(first).chain(others).flat_map(|one| called(one, scheme, false));
            if names.any(|one| gated.has(&name, &one)) {
                continue;
            }
            let of_port: Vec<&Listener<'_>> = all.iter().filter(|other| other.port == first.port).collect();
            match of_port.iter().find(|other| gated.has(&name, &other.own)) {
                Some(named) => misnamed(look, first, &named.own, scheme),
                None => of_port.into_iter().for_each(|listener| open(look, listener)),
            }
        }
    }
    quic(look, survey, gated, scheme);
    lost(look, survey, scheme);
}

fn place(listener: &Listener<'_>) -> Span {
    get(listener.node, "name").map_or_else(|| head(listener.node), |name| name.span)
}

fn open(look: &mut Look, listener: &Listener<'_>) {
    // Those of a ListenerSet have two names more, and `render` names those of a Gateway alone.
    let of_set = listener.own.matches('/').count() > 2;
    let help = if of_set {
        format!("repeat each patch with the name `{}`", listener.own)
    } else {
        "name it: `fieldgate render --to envoy-gateway --listener NAME`, once for each".to_owned()
    };
    look.say(
        Code::NoGate,
        place(listener),
        "no patch puts the gate into this listener: what comes through it may be served before the plugin is, or without it",
        help,
    );
}

/// Says that a gate is for a name that Envoy's listener does not have.
fn misnamed(look: &mut Look, first: &Listener<'_>, named: &str, scheme: Scheme) {
    let port = first.port.unwrap_or_default();
    let right = called(first, scheme, false).into_iter().next().unwrap_or_default();
    let why = if scheme == Scheme::Port {
        format!("with `XDSNameSchemeV2` the listener of port {port} is called `{right}` in Envoy")
    } else {
        format!("the listeners of port {port} are one in Envoy, which is called `{right}`")
    };
    look.say(
        Code::NoGate,
        place(first),
        format!("{why}, and the gate is for `{named}`: it finds nothing, and what comes through may be served without the plugin"),
        format!("name `{right}` in each patch"),
    );
}

/// Patches for a listener of a Gateway among the files that has no such listener in Envoy.
fn lost(look: &mut Look, survey: &Survey<'_>, scheme: Scheme) {
    for policy in survey.resources.iter().filter(|resource| resource.kind == "EnvoyPatchPolicy") {
        let targets = resource::targets(policy.node, &survey.resources);
        let target = targets.iter().find_map(|target| {
            survey.resources.iter().find(|one| one.kind == "Gateway" && resource::named(one) == *target)
        });
        let Some(gateway) = target.filter(|_| scheme != Scheme::Port) else { continue };
        let all = of(gateway, survey);
        let mut patches = patch::json_patches(policy.node).iter().filter_map(patch::listener);
        let is_lost = |name: &&Node| {
            let of_port = |one: &&Listener<'_>| name.text() == Some(&*one.own);
            let is_first = firsts(&all).into_iter().any(|first| of_port(&first));
            all.iter().any(|one| of_port(&one)) && !is_first
        };
        if let Some(name) = patches.find(is_lost) {
            let written = name.text().unwrap_or_default();
            look.say(
                Code::NotInForce,
                name.span,
                format!("EnvoyPatchPolicy `{}` finds no listener `{written}` in Envoy, where those of one port are one, which is called after the first", resource::name(policy.node)),
                "name the first listener of that port in each patch",
            );
        }
    }
}

/// HTTP/3 has a listener of its own, which clients choose at will.
fn quic(look: &mut Look, survey: &Survey<'_>, gated: &Gated, scheme: Scheme) {
    for policy in survey.resources.iter().filter(|resource| resource.kind == "ClientTrafficPolicy") {
        let Some(spec) = get(policy.node, "spec") else { continue };
        // Envoy cannot verify certificates of clients by HTTP/3: Envoy Gateway leaves it out then.
        let Some(http3) = get(spec, "http3").filter(|_| at(spec, &["tls", "clientValidation"]).is_none()) else {
            continue;
        };
        let sections: Vec<&str> =
            elements(spec, "targetRefs").iter().filter_map(|target| text(target, "sectionName")).collect();
        for target in resource::targets(policy.node, &survey.resources) {
            if let Some(name) = ungated_quic(survey, gated, &target, &sections, scheme) {
                let place = member(spec, "http3").map_or(http3.span, |member| member.key_span);
                look.say(
                    Code::NoGate,
                    place,
                    format!("`http3`: Envoy Gateway makes a listener `{name}` of it, and no patch puts the gate into that: what comes by HTTP/3 may be served before the plugin is, or without it"),
                    "repeat each patch with that name, or take `http3` out",
                );
            }
        }
    }
}

/// The listener for HTTP/3 of a Gateway that has gates, but none there.
fn ungated_quic(
    survey: &Survey<'_>,
    gated: &Gated,
    target: &ResourceName,
    sections: &[&str],
    scheme: Scheme,
) -> Option<String> {
    let Some(gateway) = given(survey, gated).find(|gateway| resource::named(gateway) == *target) else {
        // One that is not among the files has the listeners that patches name.
        let absent = gated.gateways.contains(target) && !reach::is_given(survey, target);
        let first = gated.listeners(target).next().filter(|_| absent)?;
        let has_quic = gated.listeners(target).any(|name| name.ends_with("-quic") || name.starts_with("udp-"));
        let name = first.strip_prefix("tcp-").map_or_else(|| format!("{first}-quic"), |port| format!("udp-{port}"));
        return Some(name).filter(|_| !has_quic);
    };
    let all = of(gateway, survey);
    let is_asked = |one: &Listener<'_>| {
        let name = text(one.node, "name").unwrap_or_default();
        text(one.node, "protocol") == Some("HTTPS") && (sections.is_empty() || sections.contains(&name))
    };
    firsts(&all).into_iter().find_map(|first| {
        let is_on = all.iter().any(|one| one.port == first.port && is_asked(one));
        let names = called(first, scheme, true);
        let has_gate = names.iter().any(|name| gated.has(target, name));
        names.into_iter().next().filter(|_| is_on && !has_gate)
    })
}
