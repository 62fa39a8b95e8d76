//! HTTP connection managers: whether they have the plugin, and the settings of theirs that lead past it.

use super::demands::Demands;
use super::field::{at, elements, get, head, is_enumerator, member, set, text, unwrap, walk};
use super::gate::{self, Gate};
use super::look::{Look, names};
use super::patch::Extent;
use super::plugin::{self, Flag};
use super::recognise::{self, Carrier, Plugin};
use super::routes::{self, Governed, Reach};
use super::survey::{self, Manager, Survey};
use super::{connection, covered, headers, identity, message, metrics, module, order, printed, record, tables};
use fieldgate::diagnostic::{Code, Diagnostic, Span};
use fieldgate::document::Node;

/// Envoy's default for a listener's connections, in bytes.
const DEFAULT_BUFFER: u64 = 1 << 20;

/// The routes of a connection manager.
#[derive(Default)]
struct Routes<'n> {
    tables: Vec<&'n Node>,
    /// Where more come from a discovery service, whose response is not among the files.
    elsewhere: Option<Span>,
}

impl<'n> Routes<'n> {
    /// Adds the table that a discovery service is asked for.
    fn named(&mut self, name: Option<&str>, place: Span, survey: &Survey<'n>) {
        match name.and_then(|name| survey.table(name)) {
            Some(table) => self.tables.push(table),
            None => self.elsewhere = Some(place),
        }
    }

    fn reach(&self) -> Reach {
        let mut all = Reach { any: self.elsewhere.is_some(), ..Reach::default() };
        for reach in self.tables.iter().map(|table| routes::reach(table)) {
            all.clusters.extend(reach.clusters);
            all.any |= reach.any;
        }
        all
    }
}

/// Judges every connection manager, and says which upstreams are reached through the plugin.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, given: &Demands) -> Governed {
    let mut governed = Governed::default();
    let (mut bare, mut carriers) = (Vec::new(), Vec::new());
    for manager in &survey.managers {
        let filters = elements(manager.node, "http_filters");
        let plugins: Vec<(usize, Plugin<'_>)> = filters
            .iter()
            .enumerate()
            .filter_map(|(index, filter)| Some((index, recognise::recognise(filter, survey)?)))
            .collect();
        if plugins.is_empty() {
            match manager.extent {
                Extent::Whole => bare.push(manager),
                Extent::Patch => settings(look, manager, given),
            }
        }
        carriers.extend(plugins.iter().map(|(_, plugin)| plugin.carrier));
        through(look, survey, manager, &plugins, given, &mut governed);
    }
    metrics::bootstraps(look, survey, &carriers);
    governed.settle(survey);
    for manager in bare {
        missing(look, survey, manager, &governed);
    }
    governed
}

/// Judges a connection manager that has the plugin, and adds the upstreams that it leads to.
fn through(
    look: &mut Look,
    survey: &Survey<'_>,
    manager: &Manager<'_>,
    plugins: &[(usize, Plugin<'_>)],
    given: &Demands,
    governed: &mut Governed,
) {
    let Some((at, first)) = plugins.first() else { return };
    let filters = elements(manager.node, "http_filters");
    governed.any = true;
    let demands = plugin::check(look, first, Extent::Whole, given, Flag::Absent);
    plugin::runs(look, survey, first);
    for (_, second) in plugins.iter().skip(1) {
        another(look, first, second);
        plugin::check(look, second, Extent::Whole, given, Flag::Absent);
    }
    identity::check(look, manager, *at, head(first.filter), &demands);
    if first.carrier == Carrier::Module {
        module::claims(look, filters, *at, &demands);
    }
    settings(look, manager, &demands);
    record::manager(look, manager.node, head(first.filter));
    let gate = gate::find(filters, survey);
    if let Gate::Stands(filter) = gate {
        metrics::gate(look, filter);
    }
    let found = routes_of(manager.node, survey);
    if demands.is_by_token() {
        covered::check(look, filters.get(..*at).unwrap_or_default(), &found.tables, &demands);
    }
    let is_used = |name: &str| found.elsewhere.is_some() || found.tables.iter().any(|table| routes::uses(table, name));
    order::check(look, filters, *at, &demands, &is_used);
    let all: Vec<&Plugin<'_>> = plugins.iter().map(|(_, plugin)| plugin).collect();
    for table in &found.tables {
        let reach = routes::reach(table);
        governed.reach.clusters.extend(reach.clusters);
        governed.reach.any |= reach.any;
        routes::check(look, table, &all, Some(&gate));
        walk(table, &mut |level| order::settings(look, filters, *at, level));
    }
    if let Some(span) = found.elsewhere {
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
}

fn routes_of<'n>(manager: &'n Node, survey: &Survey<'n>) -> Routes<'n> {
    let mut routes = Routes::default();
    if let Some(table) = get(manager, "route_config") {
        routes.tables.push(table);
    }
    if let Some(found) = member(manager, "rds") {
        routes.named(survey::discovered(manager), found.key_span, survey);
    }
    if let Some(found) = member(manager, "scoped_routes") {
        let list = at(&found.node, &["scoped_route_configurations_list", "scoped_route_configurations"]);
        for scope in list.and_then(Node::elements).unwrap_or_default() {
            match get(scope, "route_configuration") {
                Some(table) => routes.tables.push(table),
                None => routes.named(text(scope, "route_configuration_name"), found.key_span, survey),
            }
        }
        if list.is_none() {
            routes.elsewhere = Some(found.key_span);
        }
    }
    routes
}

/// Threat A4: a connection manager without the plugin.
fn missing(look: &mut Look, survey: &Survey<'_>, manager: &Manager<'_>, governed: &Governed) {
    const HELP: &str = "`fieldgate render POLICY --to envoy` writes the filter; put it behind jwt_authn";
    let reach = routes_of(manager.node, survey).reach();
    if reach.is_nothing() {
        return;
    }
    // Within a matcher the plugin runs for some requests only; that is no plugin for the others.
    let mut inner = None;
    walk(manager.node, &mut |node| {
        if inner.is_none() && recognise::recognise(node, survey).is_some() {
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
        let message = format!("{} is reached here without the plugin, and elsewhere with it", names(shared));
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
    connection::written(look, node, demands);
    fields(look, manager);
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
            Some(node) => connection::buffer(look, node, "per_connection_buffer_limit_bytes", demands),
            None if manager.extent == Extent::Whole && DEFAULT_BUFFER < connection::least(demands) => {
                connection::small(look, head(listener), "per_connection_buffer_limit_bytes", DEFAULT_BUFFER, demands);
            }
            None => {}
        }
    }
}

/// The messages of a connection manager and its listener, field by field.
fn fields(look: &mut Look, manager: &Manager<'_>) {
    let node = manager.node;
    message::check(look, node, &tables::MANAGER);
    for (name, table) in [
        ("common_http_protocol_options", &tables::COMMON),
        ("http_protocol_options", &tables::HTTP1),
        ("http2_protocol_options", &tables::HTTP2),
        ("http3_protocol_options", &tables::HTTP3),
    ] {
        if let Some(options) = get(node, name) {
            message::check(look, options, table);
        }
    }
    let underscores = at(node, &["common_http_protocol_options", "headers_with_underscores_action"]);
    let allowed = underscores.map_or(manager.extent == Extent::Whole, |found| is_enumerator(found, "ALLOW", 0));
    if allowed {
        look.say(
            Code::RequestChanged,
            underscores.map_or_else(|| head(node), |found| found.span),
            "header names with underscores are let through: many servers read `x_original_url` as `x-original-url`, which the plugin takes out",
            "write `common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}`",
        );
    }
    printed::logs(look, elements(node, "access_log"));
    if let Some(tracing) = get(node, "tracing") {
        printed::spans(look, tracing);
    }
    if let Some(config) = get(node, "local_reply_config") {
        printed::replies(look, config);
        headers::replies(look, config);
    }
    if let Some(extensions) = get(node, "early_header_mutation_extensions") {
        headers::early(look, extensions);
    }
    if let Some(listener) = manager.listener {
        message::check(look, listener, &tables::LISTENER);
        printed::logs(look, elements(listener, "access_log"));
    }
    for filter in manager.chain.map(|chain| elements(chain, "filters")).unwrap_or_default() {
        network(look, filter);
    }
}

/// A network filter beside a connection manager.
fn network(look: &mut Look, filter: &Node) {
    const KNOWN: [&str; 9] = [
        "http_connection_manager",
        "rbac",
        "connection_limit",
        "local_ratelimit",
        "ratelimit",
        "ext_authz",
        "geoip",
        "sni_cluster",
        "set_filter_state",
    ];
    let typed = get(filter, "typed_config").and_then(unwrap).map(|(name, _)| name).unwrap_or_default();
    let of_type = typed.split_once(".filters.network.").and_then(|(_, rest)| rest.split('.').next());
    let istio = typed.contains("istio.") || text(filter, "name").is_some_and(|name| name.starts_with("istio."));
    if typed.is_empty() || istio || of_type.is_some_and(|kind| KNOWN.contains(&kind)) {
        return;
    }
    look.say(
        Code::UnknownField,
        head(filter),
        format!(
            "`{}` stands before the connection manager, and is not known here: it sees all bytes, and can answer",
            text(filter, "name").unwrap_or(typed)
        ),
        "take it out, or look up what it does",
    );
}
