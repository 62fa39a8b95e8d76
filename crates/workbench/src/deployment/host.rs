//! What surrounds all listeners: the admin interface, runtime settings, Envoy's version, the filters of upstreams.

use super::field::{at, elements, get, head, is, member, number, set, text, truth, walk};
use super::look::Look;
use super::routes::Governed;
use super::survey::Survey;
use super::{metrics, order, plugin, printed};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::{Node, Tree};

/// The oldest Envoy that is supported: before, a stream that is reset in mid-body ends without an error in HTTP/2.
const OLDEST: (u64, u64) = (1, 37);

/// Judges what is the same for all listeners.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, governed: &Governed) {
    for document in survey.documents.iter().filter(|document| text(document, "kind") != Some("Secret")) {
        printed::taps(look, document);
        phrases(look, document);
        admin(look, survey, document);
        version(look, document);
        rejected(look, document);
    }
    runtime(look, survey);
    for cluster in survey.clusters.iter().filter(|cluster| governed.reaches(text(cluster, "name"))) {
        let options = get(cluster, "typed_extension_protocol_options").and_then(Node::members).unwrap_or_default();
        for option in options {
            elements(&option.node, "http_filters").iter().for_each(|filter| order::later(look, filter));
        }
        protocol(look, cluster);
        let chosen = get(cluster, "original_dst_lb_config");
        if let Some(span) = chosen.and_then(|chosen| set(chosen, "use_http_header")) {
            look.say(
                Code::RequestChanged,
                span,
                "a header of the client's names the upstream's address, of whose answers the policy may say something else",
                "take it out",
            );
        }
    }
    plugin::strangers(look, survey);
    keys(look, survey);
    elsewhere(look, survey);
}

/// Keys that verify tokens, and come over a connection that nobody has verified.
fn keys(look: &mut Look, survey: &Survey<'_>) {
    let is_open = |name: &str| {
        let found = survey.clusters.iter().find(|cluster| text(cluster, "name") == Some(name));
        found.is_none_or(|cluster| {
            get(cluster, "transport_socket").is_none() && get(cluster, "transport_socket_matches").is_none()
        })
    };
    let mut found = Vec::new();
    for document in &survey.documents {
        walk(document, &mut |node| {
            let Some(source) = at(node, &["remote_jwks", "http_uri"]) else { return };
            let Some(uri) = get(source, "uri") else { return };
            if uri.text().is_some_and(is_plain) && text(source, "cluster").is_none_or(is_open) {
                found.push(uri.span);
            }
        });
    }
    for span in found {
        overheard(
            look,
            span,
            "write `https://…`, and give the cluster a `transport_socket` with TLS that verifies the issuer",
        );
    }
}

/// Whether something comes over plain HTTP, and from another machine.
pub(super) fn is_plain(uri: &str) -> bool {
    let scheme = uri.split_once("://").filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http"));
    scheme.and_then(|(_, rest)| rest.split(['/', ':']).next()).is_some_and(|host| !is_loopback(host))
}

/// Says that keys which verify tokens come over plain HTTP.
pub(super) fn overheard(look: &mut Look, span: Span, help: &str) {
    look.say(
        Code::LooseIdentity,
        span,
        "the issuer's keys come over plain HTTP: whoever is on the way makes tokens of any caller",
        help,
    );
}

/// What decides, and comes from elsewhere: runtime settings, listeners.
fn elsewhere(look: &mut Look, survey: &Survey<'_>) {
    let (mut found, mut listeners) = (Vec::new(), false);
    for document in &survey.documents {
        walk(document, &mut |node| {
            for name in ["rtds_layer", "disk_layer"] {
                found.extend(member(node, name).map(|member| (member.key_span, "runtime settings")));
            }
            let bootstrap = get(node, "dynamic_resources").and_then(|dynamic| member(dynamic, "lds_config"));
            found.extend(bootstrap.map(|member| (member.key_span, "listeners")));
            listeners |= get(node, "dynamic_listeners").is_some();
            listeners |= text(node, "type_url").is_some_and(|url| url.ends_with(".listener.v3.Listener"));
        });
    }
    // Without a connection manager it is said already that the plugin may be somewhere else.
    for (span, what) in found.into_iter().filter(|_| !survey.managers.is_empty()) {
        if what == "listeners" && listeners {
            continue;
        }
        look.say(
            Code::Elsewhere,
            span,
            format!("{what} come from elsewhere, and are not looked at"),
            "give them too: another `--envoy FILE`, or a dump of the admin interface",
        );
    }
}

/// The words behind an upstream's status (RFC 9112 §4) are none of the headers that filters see.
fn phrases(look: &mut Look, document: &Node) {
    let mut found = Vec::new();
    walk(document, &mut |node| found.extend(set(node, "forward_reason_phrase")));
    for span in found {
        look.say(
            Code::PassesNoFilter,
            span,
            "`forward_reason_phrase: true`: what the upstream writes behind its status goes to the client past every filter",
            "take it out",
        );
    }
}

/// What a cluster's upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
    /// One of several: HTTP/3, what the client speaks, what is agreed on.
    Other,
}

fn speaks(cluster: &Node) -> Speaks {
    let options = get(cluster, "typed_extension_protocol_options").and_then(Node::members).unwrap_or_default();
    let has = |names: &[&str]| options.iter().any(|option| at(&option.node, names).is_some());
    if has(&["explicit_http_config", "http2_protocol_options"]) {
        return Speaks::Http2;
    }
    if has(&["explicit_http_config", "http_protocol_options"]) {
        return Speaks::Http1;
    }
    if has(&["explicit_http_config"]) || has(&["use_downstream_protocol_config"]) || has(&["auto_config"]) {
        return Speaks::Other;
    }
    if get(cluster, "http2_protocol_options").is_some() { Speaks::Http2 } else { Speaks::Http1 }
}

/// Envoy tells no plugin what the upstream speaks, so the cluster's metadata says it (rule 40).
fn protocol(look: &mut Look, cluster: &Node) {
    let said = at(cluster, &["metadata", "filter_metadata", "fieldgate", "protocol"]);
    match (said, speaks(cluster)) {
        (None, Speaks::Http2) => look.say(
            Code::NotedField,
            head(cluster),
            "this cluster speaks HTTP/2, and its metadata does not say so: a refusal after the first part of a body without `content-length` is a reset",
            "write `metadata: {filter_metadata: {fieldgate: {protocol: HTTP/2}}}` in the cluster",
        ),
        (Some(said), _) if said.text() != Some("HTTP/2") => look.say(
            Code::UpstreamProtocol,
            said.span,
            "the plugin knows no other protocol than `HTTP/2` here",
            "write `protocol: HTTP/2` where the upstream speaks that, and nothing where it does not",
        ),
        (Some(said), Speaks::Http1 | Speaks::Other) => look.say(
            Code::UpstreamProtocol,
            said.span,
            "this cluster is said to speak HTTP/2, and is not held to it: Envoy answers sound bodies without `content-length` with 500 as soon as they exceed its buffer",
            "take it out, or write `explicit_http_config: {http2_protocol_options: {}}`",
        ),
        _ => {}
    }
}

/// Whoever reaches the admin interface reads the configuration, and can stop the process or turn on taps.
fn admin(look: &mut Look, survey: &Survey<'_>, document: &Node) {
    let mut found = Vec::new();
    walk(document, &mut |node| {
        let address = at(node, &["admin", "address", "socket_address", "address"]);
        found.extend(address.filter(|address| address.text().is_some_and(|text| !is_loopback(text))));
    });
    let port = |node| get(node, "port_value").filter(|port| number(port).is_some_and(|port| port > 0));
    let mut own = Vec::new();
    walk(document, &mut |node| own.extend(at(node, &["admin", "address", "socket_address"]).and_then(port)));
    let is_own = |port: &Node| own.iter().any(|own| number(own) == number(port));
    let mut ways = Vec::new();
    for cluster in &survey.clusters {
        walk(cluster, &mut |node| {
            let local = text(node, "address").is_some_and(is_loopback);
            ways.extend(port(node).filter(|port| local && is_own(port)).map(|port| port.span));
        });
    }
    for span in ways {
        look.say(
            Code::ExposedAdmin,
            span,
            "this upstream is the admin interface: who reaches it sees the configuration, and can record traffic or stop Envoy",
            "take the cluster out, or let only exact paths reach it: `/ready`, `/stats/prometheus`",
        );
    }
    for address in found {
        look.say(
            Code::ExposedAdmin,
            address.span,
            "the admin interface is open to others than this machine: it shows the configuration, and can record traffic or stop Envoy",
            "write `address: 127.0.0.1`",
        );
    }
}

fn is_loopback(address: &str) -> bool {
    address.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        || super::demands::is_placeholder(address)
}

/// The runtime settings that change what a connection manager does with a path, where it does not say.
const PATHS: [&str; 3] = [
    "http_connection_manager.normalize_path",
    "http_connection_manager.path_with_escaped_slashes_action",
    "http_connection_manager.path_with_escaped_slashes_action_enabled",
];

fn runtime(look: &mut Look, survey: &Survey<'_>) {
    let unsaid = |name: &str| survey.managers.iter().any(|manager| get(manager.node, name).is_none());
    let mut set: Vec<(Span, String, bool)> = Vec::new();
    for document in &survey.documents {
        walk(document, &mut |node| {
            if let Some(layer) = get(node, "static_layer") {
                settings(layer, &mut String::new(), &mut set);
            }
        });
    }
    for (span, name, is_on) in set {
        let field =
            if name.ends_with("normalize_path") { "normalize_path" } else { "path_with_escaped_slashes_action" };
        if is_on && PATHS.contains(&name.as_str()) && unsaid(field) {
            look.say(
                Code::PathAltered,
                span,
                format!("the runtime setting `{name}` changes paths before the plugin sees them: what rule 3 refuses comes out as a path that a route matches"),
                format!("take it out, and write `{field}` in the connection manager"),
            );
        } else if name != metrics::PLAIN_NAMES
            && (name.starts_with("envoy.reloadable_features.") || name.starts_with("envoy.restart_features."))
        {
            look.say(
                Code::NotedField,
                span,
                format!("`{name}` makes this Envoy another than the one that fieldgate is tested with"),
                "see to it that it is about nothing that the plugin leans on",
            );
        }
    }
}

/// The settings of a layer by their whole names: `a: {b: 1}` and `a.b: 1` are one.
fn settings(node: &Node, name: &mut String, set: &mut Vec<(Span, String, bool)>) {
    for member in node.members().unwrap_or_default() {
        let end = name.len();
        if end > 0 {
            name.push('.');
        }
        name.push_str(&member.key);
        match &member.node.value {
            Tree::Map(_) => settings(&member.node, name, set),
            _ => {
                let is_on = truth(&member.node).unwrap_or_else(|| number(&member.node) != Some(0));
                set.push((member.key_span, name.clone(), is_on));
            }
        }
        name.truncate(end);
    }
}

/// Updates that a dump shows as rejected.
fn rejected(look: &mut Look, document: &Node) {
    let mut found = Vec::new();
    walk(document, &mut |node| found.extend(get(node, "error_state").map(head)));
    for span in found {
        look.say(
            Code::NotedField,
            span,
            "this update was rejected: Envoy runs what it had before, or nothing of that name",
            "look up the reason in `details`, and mend it: later updates are rejected too",
        );
    }
}

/// The version that a dump shows, or that resources ask for.
fn version(look: &mut Look, document: &Node) {
    let mut found: Vec<(Span, (u64, u64), String)> = Vec::new();
    walk(document, &mut |node| {
        if let Some(build) = get(node, "user_agent_build_version").and_then(|build| get(build, "version")) {
            let part = |name| get(build, name).and_then(number).unwrap_or(0);
            let (major, minor) = (part("major_number"), part("minor_number"));
            found.push((head(build), (major, minor), format!("{major}.{minor}.{}", part("patch"))));
        } else if is(node, "ServerInfo")
            || (text(node, "version").is_some() && get(node, "hot_restart_version").is_some())
        {
            // `COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
            let version = get(node, "version");
            let number = version.and_then(Node::text).and_then(|text| text.split('/').nth(1));
            found.extend(version.zip(number).and_then(|(node, text)| Some((node.span, parse(text)?, text.to_owned()))));
        }
        for name in ["envoyVersion", "image"] {
            let Some((node, text)) = get(node, name).and_then(|node| Some((node, node.text()?))) else { continue };
            let version = match name {
                "image" if text.contains("envoyproxy/envoy") => text.rsplit_once(':').map(|(_, tag)| tag),
                "image" => None,
                _ => Some(text),
            };
            let tag = version.map(|tag| tag.trim_start_matches(|c: char| !c.is_ascii_digit()));
            found.extend(tag.and_then(|tag| Some((node.span, parse(tag)?, tag.to_owned()))));
        }
    });
    for (span, version, shown) in found {
        if version < OLDEST && version != (0, 0) {
            look.say(
                Code::OldEnvoy,
                span,
                format!("Envoy {shown} is older than 1.37.0, the oldest that is supported: a response that is cut off may look whole to an HTTP/2 client"),
                "run Envoy 1.37.0 or later",
            );
        }
    }
}

/// The first two numbers of `1.40.0`.
fn parse(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
