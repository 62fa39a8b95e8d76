//! HTTP connection managers: whether they have the plugin, and the settings of theirs that lead past it.

use super::demands::Demands;
use super::field::{at, elements, get, head, is_enumerator, is_zero_duration, member, number, set, text, truth, walk};
use super::plugin::{self, Flag, Plugin};
use super::routes::{self, Governed, Reach};
use super::survey::{Extent, Manager, Survey};
use super::{Look, gate, identity, order};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::policy::Node;
use crate::policy::model::HeadMode;

/// The least buffer that the plugin can work with, in bytes: one write while Envoy buffers may be that large.
const FLOOR: u64 = 16 << 10;

/// Envoy's default for a listener's connections, in bytes.
const DEFAULT_BUFFER: u64 = 1 << 20;

/// The routes of a connection manager.
enum Routes<'n> {
    Table(&'n Node),
    /// From a discovery service, whose response is not among the files.
    Elsewhere(Span),
    None,
}

/// Judges every connection manager, and says which upstreams are reached through the plugin.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, given: &Demands) -> Governed {
    let mut governed = Governed::default();
    let mut bare = Vec::new();
    for manager in &survey.managers {
        let filters = elements(manager.node, "http_filters");
        let plugins: Vec<(usize, Plugin<'_>)> = filters
            .iter()
            .enumerate()
            .filter_map(|(index, filter)| Some((index, plugin::recognise(filter, survey)?)))
            .collect();
        let Some((at, first)) = plugins.first() else {
            match manager.extent {
                Extent::Whole => bare.push(manager),
                Extent::Patch => settings(look, manager, given),
            }
            continue;
        };
        governed.any = true;
        let demands = plugin::check(look, first, Extent::Whole, given, Flag::Absent);
        plugin::runs(look, first);
        for (_, second) in plugins.iter().skip(1) {
            another(look, first, second);
            plugin::check(look, second, Extent::Whole, given, Flag::Absent);
        }
        order::check(look, filters, *at, &demands);
        identity::check(look, manager, *at, head(first.filter), &demands);
        settings(look, manager, &demands);
        let gate = gate::find(filters, survey);
        match routes_of(manager.node, survey) {
            Routes::Table(table) => {
                let reach = routes::reach(table);
                governed.reach.clusters.extend(reach.clusters);
                governed.reach.any |= reach.any;
                let plugins: Vec<&Plugin<'_>> = plugins.iter().map(|(_, plugin)| plugin).collect();
                routes::check(look, table, &plugins, Some(&gate));
            }
            Routes::Elsewhere(span) => {
                look.say(
                    Code::Elsewhere,
                    span,
                    "the routes come from a discovery service, and are not looked at",
                    "give its response too: another `--envoy FILE`",
                );
                if let Some(span) = set(first.filter, "disabled") {
                    routes::disabled(look, span);
                }
                gate::ask(look, &gate, head(first.filter), "any cluster");
            }
            Routes::None => {}
        }
    }
    governed.settle(survey);
    for manager in bare {
        missing(look, survey, manager, &governed);
    }
    governed
}

/// The name by which a discovery service is asked for the routes.
pub(super) fn discovered(manager: &Node) -> Option<&str> {
    at(manager, &["rds", "route_config_name"]).and_then(Node::text)
}

fn routes_of<'n>(manager: &'n Node, survey: &Survey<'n>) -> Routes<'n> {
    if let Some(table) = get(manager, "route_config") {
        return Routes::Table(table);
    }
    if let Some(table) = discovered(manager).and_then(|name| survey.table(name)) {
        return Routes::Table(table);
    }
    let elsewhere = ["rds", "scoped_routes"].iter().find_map(|name| member(manager, name));
    elsewhere.map_or(Routes::None, |member| Routes::Elsewhere(member.key_span))
}

/// Threat A4: a connection manager without the plugin.
fn missing(look: &mut Look, survey: &Survey<'_>, manager: &Manager<'_>, governed: &Governed) {
    const HELP: &str = "`fieldgate render POLICY --to envoy` writes the filter; put it behind jwt_authn";
    let reach = match routes_of(manager.node, survey) {
        Routes::Table(table) => routes::reach(table),
        Routes::Elsewhere(_) => Reach { any: true, ..Reach::default() },
        Routes::None => return,
    };
    if reach.is_nothing() {
        return;
    }
    // Within a matcher the plugin runs for some requests only; that is no plugin for the others.
    let mut inner = None;
    walk(manager.node, &mut |node| {
        if inner.is_none() && plugin::recognise(node, survey).is_some() {
            inner = Some(head(node));
        }
    });
    if let Some(span) = inner {
        look.say(
            Code::PluginDisabled,
            span,
            "the plugin stands within another filter, which decides for which requests it runs",
            "put it into `http_filters` itself",
        );
        return;
    }
    let filters = member(manager.node, "http_filters").map_or_else(|| head(manager.node), |member| member.key_span);
    let shared: Vec<&str> =
        reach.clusters.iter().map(String::as_str).filter(|cluster| governed.holds(survey, cluster)).collect();
    if !governed.any || reach.any {
        let message = format!("none of these filters is the plugin, and requests go on to {}", reach.shown());
        look.say(Code::PluginMissing, filters, message, HELP);
    } else if !shared.is_empty() {
        let message = format!("{} is reached here without the plugin, and elsewhere with it", super::names(shared));
        look.say(Code::PluginMissing, filters, message, HELP);
    } else {
        let message = format!("none of these filters is the plugin: responses of {} pass unfiltered", reach.shown());
        look.say(Code::UnseenTraffic, filters, message, "if that upstream has personal data, put the plugin here too");
    }
}

/// Two plugins in one list.
fn another(look: &mut Look, first: &Plugin<'_>, second: &Plugin<'_>) {
    if set(second.filter, "disabled").is_some() && set(first.filter, "disabled").is_some() {
        // Each for routes of its own.
        return;
    }
    look.push(
        Diagnostic::at(
            Code::FilterBefore,
            head(second.filter),
            "a second plugin in one list: a response goes through both policies, and either can open the gate",
        )
        .label(head(first.filter), "the first")
        .help("keep one: a policy has any number of routes"),
    );
}

/// The settings of a connection manager and its listener.
fn settings(look: &mut Look, manager: &Manager<'_>, demands: &Demands) {
    let node = manager.node;
    written(look, node, demands);
    if manager.extent == Extent::Whole && get(node, "stream_idle_timeout").is_none() {
        look.say(
            Code::DefaultIdleTimeout,
            head(node),
            "`stream_idle_timeout` is not set: a stream that is held back and never goes on ends after five minutes",
            "write `stream_idle_timeout: 30s`",
        );
    }
    if let Some(listener) = manager.listener {
        match get(listener, "per_connection_buffer_limit_bytes") {
            Some(node) => buffer(look, node, "per_connection_buffer_limit_bytes", demands),
            None if manager.extent == Extent::Whole && DEFAULT_BUFFER < least(demands) => {
                small(look, head(listener), "per_connection_buffer_limit_bytes", DEFAULT_BUFFER, demands);
            }
            None => {}
        }
    }
}

/// The settings that are written out: of a connection manager, or of a patch of one.
pub(super) fn written(look: &mut Look, node: &Node, demands: &Demands) {
    if let Some(span) = set(node, "proxy_100_continue") {
        look.say(
            Code::PassesNoFilter,
            span,
            "`proxy_100_continue: true`: responses with a status of 1xx go to the client, with their headers, past every filter",
            "write `proxy_100_continue: false`",
        );
    }
    elements(node, "upgrade_configs").iter().for_each(|each| upgrade(look, each));
    for (name, does) in [("normalize_path", "normalises the path"), ("merge_slashes", "merges slashes in the path")] {
        if let Some(span) = set(node, name) {
            rewritten(look, span, &format!("`{name}: true`: Envoy {does}"), &format!("write `{name}: false`"));
        }
    }
    if let Some(found) = get(node, "path_with_escaped_slashes_action") {
        for (word, value) in [("UNESCAPE_AND_REDIRECT", 3), ("UNESCAPE_AND_FORWARD", 4)] {
            if is_enumerator(found, word, value) {
                let what = format!("`path_with_escaped_slashes_action: {word}`: Envoy makes slashes of `%2F`");
                rewritten(look, found.span, &what, "write `KEEP_UNCHANGED`, or `REJECT_REQUEST`");
            }
        }
    }
    if let Some(found) = get(node, "stream_idle_timeout").filter(|found| is_zero_duration(found)) {
        no_idle_timeout(look, found.span, "stream_idle_timeout");
    }
    for path in [["http2_protocol_options", ""], ["http3_protocol_options", "quic_protocol_options"]] {
        let options = path.iter().filter(|name| !name.is_empty()).try_fold(node, |node, name| get(node, name));
        if let Some(found) = options.and_then(|options| get(options, "initial_stream_window_size")) {
            buffer(look, found, "initial_stream_window_size", demands);
        }
    }
    if let Some(found) = get(node, "per_connection_buffer_limit_bytes") {
        buffer(look, found, "per_connection_buffer_limit_bytes", demands);
    }
}

/// Says that a path is changed before the plugin sees it.
pub(super) fn rewritten(look: &mut Look, span: Span, what: &str, help: &str) {
    look.say(
        Code::PathAltered,
        span,
        format!("{what} before the plugin sees it: what rule 3 refuses comes out as a path that a route matches"),
        help,
    );
}

/// Threat A10.
pub(super) fn upgrade(look: &mut Look, upgrade: &Node) {
    if get(upgrade, "enabled").and_then(truth) == Some(false) {
        return;
    }
    let kind = text(upgrade, "upgrade_type").unwrap_or("?");
    let own = if elements(upgrade, "filters").is_empty() { "" } else { ", and goes through filters of its own" };
    let place = get(upgrade, "upgrade_type").map_or_else(|| head(upgrade), |node| node.span);
    look.say(
        Code::PassesNoFilter,
        place,
        format!("an upgrade to `{kind}` is let through: what follows is no response to filter{own}"),
        "take it out: the plugin refuses upgrades",
    );
}

/// Threat A11.
pub(super) fn no_idle_timeout(look: &mut Look, span: Span, name: &str) {
    look.say(
        Code::NoIdleTimeout,
        span,
        format!("`{name}` is off: a stream that is held back and never goes on stays for ever"),
        format!("write `{name}: 30s`"),
    );
}

/// The least buffer that the plugin needs, in bytes: what is held back, and one frame more.
fn least(demands: &Demands) -> u64 {
    match demands.head {
        Some(HeadMode::Held) => FLOOR.max(u64::from(demands.hold).saturating_mul(2)),
        Some(HeadMode::Released) | None => FLOOR,
    }
}

/// A limit in bytes.
fn buffer(look: &mut Look, node: &Node, name: &str, demands: &Demands) {
    // Nothing is no limit.
    if let Some(size) = number(node).filter(|size| *size > 0 && *size < least(demands)) {
        small(look, node.span, name, size, demands);
    }
}

/// Says that a buffer is too small, if it is: `size` and what is needed are in bytes.
pub(super) fn small(look: &mut Look, span: Span, name: &str, size: u64, demands: &Demands) {
    let least = least(demands);
    if size >= least {
        return;
    }
    let why = if least > FLOOR { "twice `limits.hold`" } else { "one write" };
    look.say(
        Code::SmallBuffer,
        span,
        format!("`{name}` is {size} bytes, and the plugin needs {least} ({why}): Envoy ends larger responses with its own 500"),
        format!("write at least {least}, or a smaller `limits.hold` in the policy"),
    );
}
