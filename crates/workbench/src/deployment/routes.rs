//! Routes: which upstreams they reach, whether the plugin runs on them, and whether what it matched is what they forward.

use std::collections::BTreeSet;

use super::field::{
    at, elements, get, head, is, is_enumerator, is_zero_duration, member, names_fieldgate, set, text, unwrap, walk,
};
use super::gate::{self, Gate, MARK};
use super::look::{Look, names};
use super::recognise::Plugin;
use super::survey::{self, Address, Survey};
use super::{connection, headers, message, printed, tables};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::{Node, Tree};

/// Upstreams.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) clusters: BTreeSet<String>,
    /// Whether something decides at run time, so that it may be any.
    pub(super) any: bool,
}

impl Reach {
    pub(super) fn is_nothing(&self) -> bool {
        self.clusters.is_empty() && !self.any
    }

    /// Adds what a route's action leads to.
    fn add(&mut self, action: &Node) {
        if let Some(name) = text(action, "cluster") {
            self.clusters.insert(name.to_owned());
        } else if let Some(weighted) = get(action, "weighted_clusters") {
            for cluster in elements(weighted, "clusters") {
                match text(cluster, "name") {
                    Some(name) => drop(self.clusters.insert(name.to_owned())),
                    None => self.any = true,
                }
            }
        } else {
            self.any = true;
        }
    }

    /// The clusters for a sentence.
    pub(super) fn shown(&self) -> String {
        if self.any { "any cluster".to_owned() } else { names(self.clusters.iter().map(String::as_str)) }
    }
}

/// The upstreams that are reached through the plugin.
#[derive(Debug, Default)]
pub(super) struct Governed {
    pub(super) reach: Reach,
    addresses: BTreeSet<Address>,
    /// Whether any connection manager has the plugin.
    pub(super) any: bool,
}

impl Governed {
    /// Looks up the addresses, when all of its clusters are known.
    pub(super) fn settle(&mut self, survey: &Survey<'_>) {
        let whole: Vec<String> = self.reach.clusters.iter().flat_map(|name| survey.whole(name)).collect();
        self.reach.clusters.extend(whole);
        self.addresses = survey.addresses(|name| self.reach.clusters.contains(name));
    }

    /// Whether requests that go through the plugin may go on to a cluster.
    pub(super) fn reaches(&self, cluster: Option<&str>) -> bool {
        self.reach.any || cluster.is_some_and(|cluster| self.reach.clusters.contains(cluster))
    }

    /// Whether a cluster is one of them, by its name or by an address that it shares with one.
    pub(super) fn holds(&self, survey: &Survey<'_>, cluster: &str) -> bool {
        self.reach.any
            || survey.whole(cluster).iter().any(|cluster| {
                self.reach.clusters.contains(cluster)
                    || !self.addresses.is_disjoint(&survey.addresses(|name| name == cluster))
            })
    }
}

/// A route and what it stands in, the nearest first.
struct NestedRoute<'n> {
    route: &'n Node,
    around: [&'n Node; 3],
}

impl<'n> NestedRoute<'n> {
    /// What it does with a request, if that is to forward it.
    fn action(&self) -> Option<&'n Node> {
        get(self.route, "route")
    }

    /// What it is called: its name, else what it matches.
    fn name(&self) -> &'n str {
        let matched = get(self.route, "match");
        let by = |name| matched.and_then(|matched| text(matched, name));
        text(self.route, "name")
            .filter(|name| !name.is_empty())
            .or_else(|| by("prefix"))
            .or_else(|| by("path"))
            .or_else(|| by("path_separated_prefix"))
            .or_else(|| matched.and_then(|matched| at(matched, &["safe_regex", "regex"])).and_then(Node::text))
            .unwrap_or("a route")
    }
}

/// The routes of a table, also those in a matching tree.
fn steps(table: &Node) -> Vec<NestedRoute<'_>> {
    let mut found = Vec::new();
    for host in elements(table, "virtual_hosts") {
        let mut add = |route| found.push(NestedRoute { route, around: [route, host, table] });
        elements(host, "routes").iter().for_each(&mut add);
        if let Some(tree) = get(host, "matcher") {
            walk(tree, &mut |node| {
                if get(node, "match").is_some() && get(node, "route").is_some() {
                    add(node);
                }
            });
        }
    }
    found
}

/// The upstreams that a table leads to.
pub(super) fn reach(table: &Node) -> Reach {
    let mut reach = Reach::default();
    steps(table).iter().filter_map(NestedRoute::action).for_each(|action| reach.add(action));
    reach
}

/// Judges a table whose requests go through the plugin. A control plane may list it several times, for routes of its own
/// each; where the table stands alone, it is not known by which names.
pub(super) fn check(look: &mut Look, table: &Node, plugins: &[&Plugin<'_>], gate: Option<&Gate<'_>>) {
    levels(look, table);
    if let Some(found) = member(table, "vhds") {
        look.say(
            Code::Elsewhere,
            found.key_span,
            "more virtual hosts come from a discovery service, and are not looked at",
            "give its response too: another `--envoy FILE`",
        );
    }
    let steps = steps(table);
    off(look, table, plugins);
    let disabled: Option<Vec<Span>> = plugins.iter().map(|plugin| set(plugin.filter, "disabled")).collect();
    if let Some(span) = disabled.and_then(|spans| spans.first().copied()) {
        let is_quiet = |step: &&NestedRoute<'_>| {
            step.action().is_some() && !plugins.iter().any(|plugin| is_on(step, plugin.name()))
        };
        let quiet: Vec<&str> = steps.iter().filter(is_quiet).map(NestedRoute::name).collect();
        if !quiet.is_empty() {
            look.say(
                Code::PluginDisabled,
                span,
                format!("the plugin is off unless a route turns it on, which these do not: {}", names(quiet)),
                "take `disabled: true` out",
            );
        }
    }
    let closed = mark(look, &steps);
    if let (Some(gate), Some(first)) = (gate, plugins.first()) {
        overridden(look, table, gate);
        let mut open = Reach::default();
        steps.iter().filter_map(NestedRoute::action).for_each(|action| open.add(action));
        if !open.is_nothing() && !closed {
            gate::ask(look, gate, head(first.filter), &open.shown());
        }
    }
    for step in &steps {
        if let Some(action) = step.action() {
            forwards(look, step, action);
        }
    }
}

/// What each level of a table says, field by field, and which request headers it changes.
pub(super) fn levels(look: &mut Look, table: &Node) {
    message::check(look, table, &tables::TABLE);
    headers::level(look, table);
    for host in elements(table, "virtual_hosts") {
        message::check(look, host, &tables::HOST);
        headers::level(look, host);
    }
    for step in steps(table) {
        message::check(look, step.route, &tables::ROUTE);
        headers::level(look, step.route);
        if let Some(tracing) = get(step.route, "tracing") {
            printed::spans(look, tracing);
        }
        let Some(action) = step.action() else { continue };
        message::check(look, action, &tables::ACTION);
        let weights = get(action, "weighted_clusters").map(|weighted| elements(weighted, "clusters"));
        for weight in weights.unwrap_or_default() {
            message::check(look, weight, &tables::WEIGHT);
            headers::level(look, weight);
        }
    }
}

/// Whether any level of a table has settings for the filter of that name that leave it on.
pub(super) fn uses(table: &Node, name: &str) -> bool {
    let mut used = false;
    walk(table, &mut |level| {
        used |= setting(level, Some(name)).is_some_and(|setting| set(setting, "disabled").is_none());
    });
    used
}

/// The settings of the plugin that a table, a virtual host, a route or a weighted cluster has.
fn setting<'n>(level: &'n Node, name: Option<&str>) -> Option<&'n Node> {
    let members = get(level, "typed_per_filter_config")?.members()?;
    let about = |key: &str| match name {
        Some(name) => key == name,
        None => names_fieldgate(key) || key == "envoy.filters.http.wasm",
    };
    members.iter().find(|member| about(&member.key)).map(|member| &member.node)
}

/// Whether a filter that is off by default is on for a route: the nearest setting decides.
fn is_on(step: &NestedRoute<'_>, name: &str) -> bool {
    let nearest = step.around.iter().find_map(|level| setting(level, Some(name)));
    nearest.is_some_and(|setting| set(setting, "disabled").is_none())
}

/// Wherever the plugin is turned off.
fn off(look: &mut Look, table: &Node, plugins: &[&Plugin<'_>]) {
    let names: Vec<Option<&str>> =
        if plugins.is_empty() { vec![None] } else { plugins.iter().map(|plugin| Some(plugin.name())).collect() };
    let mut spans = Vec::new();
    walk(table, &mut |level| {
        let settings =
            names.iter().filter_map(|name| setting(level, *name)).filter(|setting| is(setting, "FilterConfig"));
        spans.extend(settings.filter_map(|setting| set(setting, "disabled")));
    });
    spans.into_iter().for_each(|span| disabled(look, span));
}

/// Wherever a table has settings of its own for the gate, which may open it.
fn overridden(look: &mut Look, table: &Node, gate: &Gate<'_>) {
    let Gate::Stands(filter) = gate else { return };
    let name = text(filter, "name").unwrap_or_default();
    let mut spans = Vec::new();
    walk(table, &mut |level| spans.extend(setting(level, Some(name)).map(head)));
    for span in spans {
        look.say(
            Code::NoGate,
            span,
            format!("settings of `{name}` here take the place of the gate's: it may let through what the plugin has not seen"),
            "take them out, or give the gate a name of its own: `fieldgate.gate`",
        );
    }
}

/// Says that the plugin is turned off.
pub(super) fn disabled(look: &mut Look, span: Span) {
    look.say(
        Code::PluginDisabled,
        span,
        "the plugin is turned off here: responses pass unfiltered, or not at all where there is a gate",
        "take the line out; a route that needs no filtering is a `pass` route of the policy",
    );
}

/// A route that asks for the mark is not there for the filters before the plugin: they get no settings from it, nor from
/// its virtual host. Says so, and whether every route asks for it, so that no gate is missed.
fn mark(look: &mut Look, steps: &[NestedRoute<'_>]) -> bool {
    let mut marked: Vec<(&str, Span)> = Vec::new();
    let mut closed = true;
    for step in steps.iter().filter(|step| step.action().is_some()) {
        let states = get(step.route, "match").map(|found| elements(found, "filter_state")).unwrap_or_default();
        let state = states.iter().find(|state| text(state, "key") == Some(MARK.0));
        closed &= state.and_then(|state| at(state, &["string_match", "exact"])).and_then(Node::text) == Some(MARK.1);
        marked.extend(state.map(|state| (step.name(), head(state))));
    }
    if let Some((_, first)) = marked.first() {
        look.say(
            Code::MarkInRoute,
            *first,
            format!(
                "these routes ask for the plugin's mark, so filters before it get no settings from a route or a virtual host (RBAC, limits, CORS let everything through): {}",
                names(marked.iter().map(|(name, _)| *name))
            ),
            "take `filter_state` out of `match`: the gate right before the router asks for the mark",
        );
    }
    closed && !marked.is_empty()
}

/// What a route makes of a request after the plugin has matched it.
fn forwards(look: &mut Look, step: &NestedRoute<'_>, action: &Node) {
    asks(look, action, at(step.route, &["match", "prefix"]).and_then(Node::text));
    for upgrade in elements(action, "upgrade_configs") {
        connection::upgrade(look, upgrade);
    }
    for name in ["cluster_specifier_plugin", "inline_cluster_specifier_plugin"] {
        if let Some(found) = member(action, name) {
            look.say(
                Code::UnknownField,
                found.key_span,
                format!("`{name}`: an extension chooses the upstream, and is not looked at"),
                "write `cluster`, or look up whether a client can choose by it",
            );
        }
    }
    if let Some(found) = get(step.route, "match").and_then(|matched| member(matched, "connect_matcher")) {
        look.say(
            Code::PassesNoFilter,
            found.key_span,
            "a route for CONNECT: what goes through a tunnel is not a response to filter",
            "take the route out: the plugin refuses tunnels",
        );
    }
    if let Some(found) = get(action, "idle_timeout").filter(|found| is_zero_duration(found)) {
        connection::no_idle_timeout(look, found.span, "idle_timeout");
    }
}

/// What an action asks the upstream for instead of what the plugin has matched, and which upstream. `prefix` is the route's.
fn asks(look: &mut Look, action: &Node, prefix: Option<&str>) {
    for name in ["prefix_rewrite", "regex_rewrite", "path_rewrite_policy", "path_rewrite"] {
        let Some(found) = member(action, name) else { continue };
        if found.node.text().is_some_and(|text| text.is_empty() || Some(text) == prefix) {
            continue;
        }
        look.say(
            Code::PathAltered,
            found.key_span,
            format!("`{name}`: the upstream gets another path than the one that the policy matched"),
            "forward the path as it is; if the upstream needs another, check that each policy route means the same there",
        );
    }
    for name in ["internal_redirect_policy", "internal_redirect_action"] {
        let Some(found) = member(action, name) else { continue };
        if is_enumerator(&found.node, "PASS_THROUGH_INTERNAL_REDIRECT", 0) {
            continue;
        }
        look.say(
            Code::PathAltered,
            found.key_span,
            format!("`{name}`: the upstream chooses by a redirection what is asked for instead, and Envoy asks for it"),
            "take it out: a redirection is then for the caller to follow, or not",
        );
    }
    let weights = get(action, "weighted_clusters").map(|weighted| elements(weighted, "clusters")).unwrap_or_default();
    for found in std::iter::once(action).chain(weights).filter_map(|level| member(level, "cluster_header")) {
        look.say(
            Code::RequestChanged,
            found.key_span,
            "`cluster_header`: a header of the client's names the upstream, of whose answers the policy may say something else",
            "write `cluster`, or see to it that a filter before the plugin overwrites that header",
        );
    }
}

/// A part of an action that a patch writes.
pub(super) fn written(look: &mut Look, action: &Node) {
    asks(look, action, None);
    if let Some(found) = member(action, "host_rewrite_header") {
        look.say(
            Code::RequestChanged,
            found.key_span,
            "`host_rewrite_header`: a header of the client's names the host that the upstream is asked for, and the policy's `hosts` do not see it",
            "write `host_rewrite_literal`",
        );
    }
}

/// What leads around the plugin: TCP proxies, others that leave the mark; and route tables that stand alone.
pub(super) fn around(look: &mut Look, survey: &Survey<'_>, governed: &Governed) {
    for tunnel in &survey.tunnels {
        let mut reach = Reach::default();
        reach.add(tunnel);
        let known: Vec<&str> =
            reach.clusters.iter().map(String::as_str).filter(|cluster| governed.holds(survey, cluster)).collect();
        if governed.any && !known.is_empty() {
            let place = get(tunnel, "cluster").map_or_else(|| head(tunnel), |node| node.span);
            look.say(
                Code::PluginMissing,
                place,
                format!("a TCP proxy reaches {} without the plugin", names(known)),
                "take it out, or see to it that only the connection manager with the plugin reaches that upstream",
            );
        }
    }
    for document in &survey.documents {
        walk(document, &mut |node| {
            other_protocol(look, survey, governed, node);
            let key = get(node, "object_key");
            if let Some(found) =
                key.filter(|key| key.text().is_some_and(|key| key != MARK.0 && key.starts_with(MARK.0)))
            {
                look.say(
                    Code::Unfiltered,
                    found.span,
                    "another filter writes what the plugin leaves for the access log: a decision record may be one that the plugin did not make",
                    "take it out",
                );
            }
            if let Some(found) = key.filter(|found| found.text() == Some(MARK.0)) {
                look.say(
                    Code::PluginMissing,
                    found.span,
                    "another filter leaves the plugin's mark, so that the gate takes a request for one that the plugin has seen",
                    "take it out",
                );
            }
        });
    }
    let named: Vec<&str> = survey.managers.iter().flat_map(|manager| survey::tables_of(manager.node)).collect();
    for table in &survey.tables {
        if text(table, "name").is_none_or(|name| !named.contains(&name)) {
            check(look, table, &[], None);
        }
    }
}

/// A network filter for another protocol than HTTP that reaches an upstream of the plugin's.
fn other_protocol(look: &mut Look, survey: &Survey<'_>, governed: &Governed, node: &Node) {
    let Some((kind, message)) = unwrap(node).filter(|(kind, _)| {
        let family = kind.contains(".filters.network.") || kind.contains(".filters.udp.");
        family && !kind.ends_with(".HttpConnectionManager") && !kind.ends_with(".TcpProxy")
    }) else {
        return;
    };
    let mut found = Vec::new();
    walk(message, &mut |node| {
        let named = ["cluster", "cluster_name"].iter().filter_map(|name| get(node, name));
        found.extend(named.filter(|name| name.text().is_some_and(|name| governed.any && governed.holds(survey, name))));
    });
    for cluster in found {
        look.say(
            Code::PluginMissing,
            cluster.span,
            format!("`{kind}` reaches `{}` without the plugin", cluster.text().unwrap_or_default()),
            "take it out, or see to it that only the connection manager with the plugin reaches that upstream",
        );
    }
}

/// A route, a virtual host or a table that a patch merges: what it says has no table around it.
pub(super) fn patched(look: &mut Look, value: &Node) {
    if !matches!(value.value, Tree::Map(_)) {
        return;
    }
    headers::level(look, value);
    if get(value, "virtual_hosts").is_none() {
        off(look, value, &[]);
    }
    if let Some(action) = get(value, "route") {
        forwards(look, &NestedRoute { route: value, around: [value; 3] }, action);
    }
}
