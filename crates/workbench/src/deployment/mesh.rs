//! Istio's resources as a whole: whether the patches that bring the plugin and the gate are applied as they are meant, what
//! takes them out, and whether another way leads to a governed host.

use std::collections::BTreeSet;

use super::applied::{Patch, ROUTER};
use super::demands::Demands;
use super::field::{at, elements, get, head, member, names_fieldgate, text, walk};
use super::look::{Look, names};
use super::patch::{patches, value};
use super::proxies::{reaches, selected};
use super::resource::{self, Resource};
use super::survey::Survey;
use super::{
    applied, attach, gate, headers, host, identity, narrow, order, pods, recognise, record, rendered, routes, served,
};
use fieldgate::diagnostic::Code;
use fieldgate::document::{Node, Tree};
use fieldgate::model::Identity;

/// Judges them. `demands` are the plugin's.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, demands: &Demands) {
    let filters: Vec<&Resource<'_>> = survey.resources.iter().filter(|one| one.kind == "EnvoyFilter").collect();
    let all: Vec<(&Node, Patch<'_>)> =
        filters.iter().flat_map(|one| patches(one.node).map(|node| (one.node, Patch::of(node)))).collect();
    let names: BTreeSet<&str> = all
        .iter()
        .map(|(_, patch)| patch)
        .filter(|patch| is_plugin(patch, survey))
        .filter_map(|patch| value(patch.node).and_then(|value| text(value, "name")))
        .collect();
    let mut gates: Vec<&Node> = Vec::new();
    for (resource, patch) in &all {
        let value = value(patch.node);
        if is_brought(patch, survey) {
            applied::applied(look, survey, resource, patch, demands);
        } else if value.is_some_and(|value| gate::is_meant(value, survey)) {
            gates.extend(applied::is_gate(look, survey, resource, patch).then_some(*resource));
        } else {
            other(look, patch, &names);
        }
    }
    let wasm = wasm_plugins(survey);
    let brings = |one: &&&Resource<'_>| patches(one.node).map(Patch::of).any(|patch| is_brought(&patch, survey));
    let plugins: Vec<&Node> = wasm.iter().copied().chain(filters.iter().filter(brings).map(|one| one.node)).collect();
    let Some(first) = plugins.first().copied() else { return };
    if gates.is_empty() {
        look.say(
            Code::NoGate,
            resource::place(first),
            "there is no gate: where the plugin is deleted, rejected or not there yet, responses pass unfiltered",
            "add it by an EnvoyFilter of its own: `INSERT_BEFORE` with `subFilter: {name: envoy.filters.http.router}`",
        );
    }
    for plugin in &plugins {
        gated(look, survey, &gates, plugin);
    }
    let is_filter = |(_, patch): &&(&Node, Patch<'_>)| is_brought(patch, survey) && patch.applies == "HTTP_FILTER";
    let brought: Vec<(&Node, &Node)> =
        all.iter().filter(is_filter).map(|(resource, patch)| (*resource, patch.node)).collect();
    narrow::plugins(look, survey, &brought, &wasm);
    served::check(look, survey, &plugins);
    pods::check(look, survey, &plugins, demands);
    if wasm.is_empty() {
        rendered::mesh(look, survey, first, !gates.is_empty());
    }
    record::mesh(look, survey);
    tokens(look, survey, demands);
    ways(look, survey);
}

/// Whether one of the gates is at all proxies that have this plugin, and all that are there are behind it.
fn gated(look: &mut Look, survey: &Survey<'_>, gates: &[&Node], plugin: &Node) {
    let (there, elsewhere): (Vec<&Node>, Vec<&Node>) =
        gates.iter().copied().partition(|gate| reaches(survey, gate, plugin));
    if let ([], Some(gate)) = (there.as_slice(), elsewhere.first()) {
        let other = resource::chosen(gate).iter().find(|label| !resource::is_among(label, resource::chosen(plugin)));
        look.say(
            Code::NoGate,
            other.map_or_else(|| resource::place(gate), |label| label.node.span),
            format!("no gate is for all {}, where the plugin is: this one is for {}", selected(plugin), selected(gate)),
            "write the same `workloadSelector` in both, in one namespace",
        );
    }
    for gate in there.into_iter().filter(|gate| priority(gate) < priority(plugin)) {
        look.say(
            Code::NoGate,
            at(gate, &["spec", "priority"]).map_or_else(|| resource::place(gate), |node| node.span),
            "the gate is put there first, and the plugin between it and the router: every request gets 403",
            "write `priority: 10` in the gate's resource, and none in the plugin's",
        );
    }
}

/// When a resource's patches are applied: it may be negative.
fn priority(resource: &Node) -> i64 {
    match at(resource, &["spec", "priority"]).map(|node| &node.value) {
        Some(Tree::Number(text)) => text.parse().unwrap_or_default(),
        _ => 0,
    }
}

fn wasm_plugins<'n>(survey: &Survey<'n>) -> Vec<&'n Node> {
    let all = survey.resources.iter().filter(|one| one.kind == "WasmPlugin").map(|one| one.node);
    all.filter(|one| recognise::is_wasm_plugin(one)).collect()
}

/// Whether a patch brings the plugin, and does not change one that is there.
fn is_brought(patch: &Patch<'_>, survey: &Survey<'_>) -> bool {
    is_plugin(patch, survey) && patch.operation != "MERGE"
}

fn is_plugin(patch: &Patch<'_>, survey: &Survey<'_>) -> bool {
    patch.operation != "REMOVE" && value(patch.node).is_some_and(|value| recognise::recognise(value, survey).is_some())
}

/// A patch of something else: what it takes out, and what it puts beside the plugin.
fn other(look: &mut Look, patch: &Patch<'_>, names: &BTreeSet<&str>) {
    let name = patch.name();
    let span = patch.beside.map_or(patch.place(), |node| node.span);
    let hits = names.contains(name) || (names_fieldgate(name) && !name.contains("gate.") && name != "fieldgate.gate");
    let whole = name.is_empty() && patch.applies == "HTTP_FILTER";
    match patch.operation {
        "REMOVE" | "REPLACE" if name.contains("gate") && !hits => {
            look.say(Code::NoGate, span, "this patch takes the gate out", "take the patch out");
        }
        "REMOVE" | "REPLACE" if hits || (whole && !names.is_empty()) => {
            look.say(Code::PluginDisabled, span, "this patch takes the plugin out", "take the patch out");
        }
        _ => {}
    }
    let Some(value) = value(patch.node) else { return };
    match patch.applies {
        "HTTP_FILTER" => match (patch.operation, name) {
            ("INSERT_FIRST" | "INSERT_AFTER", _) => order::earlier(look, value, None),
            ("INSERT_BEFORE" | "ADD", ROUTER) => order::somewhere(look, value),
            ("INSERT_BEFORE" | "ADD" | "REPLACE", _) => order::earlier(look, value, None),
            _ => {}
        },
        "HTTP_ROUTE" | "VIRTUAL_HOST" | "ROUTE_CONFIGURATION" => routes::patched(look, value),
        "CLUSTER" => {
            let mut found = Vec::new();
            walk(value, &mut |node| found.extend(get(node, "http_filters").and_then(Node::elements)));
            found.into_iter().flatten().for_each(|filter| order::later(look, filter));
        }
        _ => {}
    }
}

/// Who the callers are: istiod has one key for the claims of all issuers.
fn tokens(look: &mut Look, survey: &Survey<'_>, demands: &Demands) {
    if !demands.is_by_token() {
        return;
    }
    let mut issuers: BTreeSet<&str> = BTreeSet::new();
    for resource in survey.resources.iter().filter(|one| one.kind == "RequestAuthentication") {
        for rule in at(resource.node, &["spec", "jwtRules"]).and_then(Node::elements).unwrap_or_default() {
            issued(look, rule, demands, &issuers);
            issuers.insert(text(rule, "issuer").unwrap_or_default());
            trusted(look, rule);
        }
    }
    let required = survey.resources.iter().filter(|one| one.kind == "AuthorizationPolicy").any(|one| {
        let mut found = false;
        walk(one.node, &mut |node| {
            found |= ["requestPrincipals", "notRequestPrincipals"].iter().any(|name| get(node, name).is_some());
        });
        found
    });
    if let (false, Some(first)) =
        (required || issuers.is_empty(), survey.resources.iter().find(|one| one.kind == "RequestAuthentication"))
    {
        identity::no_token(
            look,
            resource::place(first.node),
            "a RequestAuthentication without an AuthorizationPolicy that asks for `requestPrincipals`",
        );
    }
}

/// Where istiod leaves a rule's claims; `before` are the issuers of the rules before it.
fn issued(look: &mut Look, rule: &Node, demands: &Demands, before: &BTreeSet<&str>) {
    const PAYLOAD: &str = "payload";
    let issuer = get(rule, "issuer");
    let place = issuer.map_or(rule.span, |issuer| issuer.span);
    if let Some(Identity::JwtAuthn { payloads, .. }) = demands.identity.as_ref().filter(|_| before.is_empty())
        && !payloads.iter().any(|payload| payload == PAYLOAD)
    {
        look.say(
            Code::LooseIdentity,
            place,
            format!(
                "istiod leaves claims under `{PAYLOAD}`, and the policy looks for them under `{}`: no caller has an identity",
                payloads.join("`, `"),
            ),
            "write `identity: {payload: payload}` in the policy",
        );
    }
    if !before.is_empty() && !before.contains(issuer.and_then(Node::text).unwrap_or_default()) {
        look.say(
            Code::LooseIdentity,
            place,
            "a second issuer, and istiod leaves the claims of all in one place: a client of one is taken for the other's of that name",
            "keep one issuer for each gateway",
        );
    }
}

/// Whom a rule's tokens are for, where they are looked for, and what they are verified by.
fn trusted(look: &mut Look, rule: &Node) {
    if elements(rule, "audiences").is_empty() {
        look.say(
            Code::LooseIdentity,
            get(rule, "issuer").map_or(rule.span, |issuer| issuer.span),
            "no `audiences`: a token for any other API of the issuer is taken",
            "write `audiences: [https://…]`, as this API is called in tokens",
        );
    }
    if let Some(found) = member(rule, "fromParams") {
        look.say(
            Code::LooseIdentity,
            found.key_span,
            "tokens are taken from the query, which ends up in logs",
            "take it out",
        );
    }
    // Without `jwksUri` istiod asks the issuer where its keys are.
    let fetched = get(rule, "jwksUri").or_else(|| get(rule, "issuer").filter(|_| get(rule, "jwks").is_none()));
    if let Some(uri) = fetched.filter(|uri| uri.text().is_some_and(host::is_plain)) {
        host::overheard(look, uri.span, "write `https://…`");
    }
    if let Some(keys) = get(rule, "jwks").filter(|keys| identity::is_symmetric(keys)) {
        look.say(
            Code::UnverifiedIdentity,
            keys.span,
            "a symmetric key is written out: whoever reads this file, or `/config_dump`, signs tokens of any caller",
            "use the issuer's public keys: `jwksUri`",
        );
    }
}

/// Ways to a governed host that are not HTTP, and what routes change.
fn ways(look: &mut Look, survey: &Survey<'_>) {
    let services: Vec<&Node> =
        survey.resources.iter().filter(|one| one.kind == "VirtualService").map(|one| one.node).collect();
    let governed: BTreeSet<&str> =
        services.iter().copied().flat_map(|service| listed(service, "http")).flat_map(hosts).collect();
    for service in services {
        listed(service, "http").iter().for_each(|route| changed(look, route));
        for kind in ["tcp", "tls"] {
            listed(service, kind).iter().for_each(|route| beside(look, kind, route, &governed));
        }
    }
    for gateway in
        survey.resources.iter().filter(|one| one.kind == "Gateway" && resource::is_of(one.node, "networking.istio.io"))
    {
        listed(gateway.node, "servers").iter().for_each(|server| unread(look, server));
    }
}

/// The elements of a list of a resource's `spec`.
fn listed<'n>(resource: &'n Node, name: &str) -> &'n [Node] {
    at(resource, &["spec", name]).and_then(Node::elements).unwrap_or_default()
}

/// The hosts that a route of a VirtualService leads to.
fn hosts(route: &Node) -> impl Iterator<Item = &str> {
    elements(route, "route").iter().filter_map(|route| at(route, &["destination", "host"])?.text())
}

/// What a route of a VirtualService changes of requests.
fn changed(look: &mut Look, route: &Node) {
    for name in ["uri", "uriRegexRewrite"] {
        let Some(found) = get(route, "rewrite").and_then(|rewrite| member(rewrite, name)) else { continue };
        look.say(
            Code::PathAltered,
            found.key_span,
            "`rewrite`: the upstream gets another path than the one that the policy matched",
            "forward the path as it is; if the upstream needs another, check that each policy route means the same there",
        );
    }
    for level in std::iter::once(route).chain(elements(route, "route")) {
        if let Some(request) = at(level, &["headers", "request"]) {
            modified(look, request);
        }
        if let Some(response) = at(level, &["headers", "response"]) {
            answered(look, response);
        }
    }
}

/// A route of a VirtualService that is not HTTP: it may reach a host that routes of HTTP reach too.
fn beside(look: &mut Look, kind: &str, route: &Node, governed: &BTreeSet<&str>) {
    let shared: Vec<&str> = hosts(route).filter(|host| governed.contains(host)).collect();
    let (code, what) = if shared.is_empty() {
        (Code::UnseenTraffic, format!("a `{kind}` route: the plugin sees nothing of it"))
    } else {
        (Code::PluginMissing, format!("a `{kind}` route reaches {} without the plugin", names(shared)))
    };
    look.say(code, head(route), what, "take it out, or see to it that no governed host is behind it");
}

/// A server of a Gateway whose traffic the gateway does not read as HTTP.
fn unread(look: &mut Look, server: &Node) {
    let mode =
        at(server, &["tls", "mode"]).filter(|mode| mode.text().is_some_and(|mode| mode.ends_with("PASSTHROUGH")));
    let protocol = at(server, &["port", "protocol"])
        .filter(|protocol| !matches!(protocol.text(), Some("HTTP" | "HTTPS" | "HTTP2" | "GRPC" | "GRPC-WEB" | "TLS")));
    if let Some(found) = mode.or(protocol) {
        look.say(
            Code::UnseenTraffic,
            found.span,
            "what comes through this server is no HTTP that the gateway reads: no filter sees it",
            "terminate TLS here (`mode: SIMPLE`), or see to it that no governed host is behind it",
        );
    }
}

/// Header changes of a VirtualService, in responses.
fn answered(look: &mut Look, response: &Node) {
    for header in ["set", "add"].iter().flat_map(|name| get(response, name).and_then(Node::members).unwrap_or_default())
    {
        headers::kept_from_caches(look, header.key_span, &header.key);
        headers::copied_value(look, &header.node);
    }
    for name in elements(response, "remove") {
        headers::kept_from_caches(look, name.span, name.text().unwrap_or_default());
    }
}

/// Header changes of a VirtualService: maps of names to values.
fn modified(look: &mut Look, request: &Node) {
    for name in ["set", "add"] {
        for header in get(request, name).and_then(Node::members).unwrap_or_default() {
            if headers::steers(&header.key) {
                headers::changed(look, header.key_span, &header.key);
            }
        }
    }
    attach::modified(
        look,
        &Node {
            span: request.span,
            value: Tree::Map(
                request
                    .members()
                    .unwrap_or_default()
                    .iter()
                    .filter(|member| &*member.key == "remove")
                    .cloned()
                    .collect(),
            ),
        },
    );
}
