//! Envoy Gateway's resources as a whole: which routes go through the plugin, and whether another way leads to a backend of
//! theirs.

use std::collections::BTreeSet;

use super::demands::Demands;
use super::field::{at, elements, get, head, member, text};
use super::look::{Look, names};
use super::patches;
use super::resource::{self, Resource, ResourceName};
use super::survey::Survey;
use super::{beside, callers, headers, listeners, reach, recognise, rendered};
use fieldgate::diagnostic::{Code, Diagnostic};
use fieldgate::document::Node;

const GROUP: &str = "gateway.networking.k8s.io";

/// Judges routes, what is attached to them, and what is beside the plugin. `demands` are the plugin's.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, demands: &Demands) {
    let policies = all(survey, &["EnvoyExtensionPolicy"]);
    let ours: Vec<&Node> = policies.iter().copied().filter(|policy| recognise::has_plugin(policy)).collect();
    let gated = patches::gated(look, survey);
    beside::check(look, survey, &policies);
    for policy in &ours {
        let targets = resource::targets(policy, &survey.resources);
        let has_gate = gated.covers(&targets);
        if !has_gate {
            let others = names(gated.gateways.iter().map(|gateway| gateway.name.as_str()));
            let what = if others.is_empty() {
                "there is no gate".to_owned()
            } else {
                let missing = names(gated.without(&targets).into_iter().map(|gateway| gateway.name.as_str()));
                let missing = if targets.len() > 1 { missing } else { "this".to_owned() };
                format!("the gate is for {others}, and not for {missing}")
            };
            look.say(
                Code::NoGate,
                resource::place(policy),
                format!("{what}: routes may be live before the plugin is, or without it, and their responses pass unfiltered then"),
                "add it by an EnvoyPatchPolicy of its own, at `..http_filters[?(@.name=='envoy.filters.http.router')]`: `00-gate.yaml` of what `fieldgate render` writes",
            );
        }
        nowhere(look, survey, policy, &targets);
        rendered::gateway(look, survey, policy, has_gate);
    }
    if !ours.is_empty() {
        proxies(look, survey);
        listeners::check(look, survey, &gated);
        patches::ungated(look, survey, &gated);
        ways(look, survey, &policies, &gated.gateways);
        encrypted(look, survey);
        callers::check(look, survey, demands);
    }
    for resource in &survey.resources {
        match resource.kind {
            "HTTPRoute" | "GRPCRoute" => filters(look, survey, resource.node),
            "ClientTrafficPolicy" => client(look, resource.node),
            "EnvoyProxy" => proxy(look, resource.node, demands),
            _ => {}
        }
    }
}

/// The plugin hangs on a Gateway that is not among the files, and others are.
fn nowhere(look: &mut Look, survey: &Survey<'_>, policy: &Node, targets: &[ResourceName]) {
    let given = of_group(survey, "Gateway");
    let gateways: Vec<&ResourceName> = targets.iter().filter(|target| target.kind == "Gateway").collect();
    let absent = gateways.iter().find(|target| !reach::is_given(survey, target));
    let (Some(absent), Some(_)) = (absent, given.first()) else { return };
    let (own, namespace, place) = (&absent.name, &absent.namespace, resource::place(policy));
    if gateways.iter().any(|target| reach::is_given(survey, target)) {
        look.say(
            Code::Elsewhere,
            place,
            format!("the plugin is for the Gateway `{own}` in `{namespace}` too, which is not among the files: its listeners are not looked at"),
            "give it too: another `--envoy FILE`",
        );
        return;
    }
    let others = names(given.iter().map(|gateway| resource::name(gateway)));
    look.say(
        Code::PluginMissing,
        place,
        format!("the plugin is for the Gateway `{own}` in `{namespace}`, and the files have {others}: there nothing is filtered"),
        "name the Gateway that there is: `fieldgate render --to envoy-gateway --gateway NAME --namespace NAMESPACE`",
    );
}

/// An EnvoyProxy is in force where a Gateway names it, or the class of one.
fn proxies(look: &mut Look, survey: &Survey<'_>) {
    let (classes, ours) = (of_group(survey, "GatewayClass"), all(survey, &["EnvoyProxy"]));
    if ours.is_empty() {
        return;
    }
    for gateway in of_group(survey, "Gateway") {
        let class = at(gateway, &["spec", "gatewayClassName"]).and_then(Node::text);
        // One that is not among the files may name it.
        let Some(class) = classes.iter().find(|one| Some(resource::name(one)) == class) else { continue };
        let own = at(gateway, &["spec", "infrastructure", "parametersRef"]);
        if own.or_else(|| at(class, &["spec", "parametersRef"])).is_none() {
            look.say(
                Code::NoRecord,
                resource::place(gateway),
                "neither this Gateway nor its class names an EnvoyProxy: the key, the decision record and the labels of the metrics do not reach its proxy",
                "write `infrastructure: {parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: fieldgate}}` under `spec`",
            );
        }
    }
}

fn all<'n>(survey: &Survey<'n>, kinds: &[&str]) -> Vec<&'n Node> {
    let of = |resource: &&Resource<'n>| kinds.contains(&resource.kind);
    survey.resources.iter().filter(of).map(|resource| resource.node).collect()
}

/// Those of the Gateway API: a `Gateway` is Istio's, too.
fn of_group<'n>(survey: &Survey<'n>, kind: &str) -> Vec<&'n Node> {
    all(survey, &[kind]).into_iter().filter(|one| resource::is_of(one, GROUP)).collect()
}

/// Whether a route goes through the plugin: its own policies decide, else its Gateways'.
fn is_covered(route: &Resource<'_>, policies: &[&Node], survey: &Survey<'_>) -> bool {
    let own = resource::named(route);
    let on = |target: &ResourceName| {
        policies
            .iter()
            .copied()
            .filter(|policy| resource::targets(policy, &survey.resources).contains(target))
            .collect::<Vec<_>>()
    };
    let mine = on(&own);
    let plugin = |policies: &[&Node]| policies.iter().any(|policy| recognise::has_plugin(policy));
    if plugin(&mine) {
        return true;
    }
    let merged = mine.iter().all(|policy| beside::leaves_plugin(policy));
    let parents = resource::parents(route.node, &survey.resources);
    merged && !parents.is_empty() && parents.iter().all(|parent| plugin(&on(parent)))
}

/// Routes that lead to a backend past the plugin. The gate closes those of HTTP on its Gateways.
fn ways(look: &mut Look, survey: &Survey<'_>, policies: &[&Node], gated: &[ResourceName]) {
    const HTTP: [&str; 2] = ["HTTPRoute", "GRPCRoute"];
    let routes = survey.resources.iter().filter(|resource| {
        (HTTP.contains(&resource.kind) || resource.kind.ends_with("Route")) && resource::is_of(resource.node, GROUP)
    });
    let (covered, open): (Vec<_>, Vec<_>) =
        routes.partition(|route| HTTP.contains(&route.kind) && is_covered(route, policies, survey));
    let governed: BTreeSet<ResourceName> = covered.iter().flat_map(|route| resource::backends(route.node)).collect();
    for route in open {
        let parents = resource::parents(route.node, &survey.resources);
        let own = resource::named(route);
        let is_told = policies.iter().any(|policy| beside::takes_plugin(policy, &own, survey));
        let is_closed =
            HTTP.contains(&route.kind) && !parents.is_empty() && parents.iter().all(|parent| gated.contains(parent));
        if is_closed || (is_told && HTTP.contains(&route.kind)) {
            continue;
        }
        if let Some(set) = parents.iter().find(|parent| parent.kind == "ListenerSet") {
            look.say(
                Code::Elsewhere,
                resource::place(route.node),
                format!("the ListenerSet `{}` of this {} is not among the files: whether it goes through the plugin is not known", set.name, route.kind),
                "give it too: another `--envoy FILE`",
            );
            continue;
        }
        let backends = resource::backends(route.node);
        let shared: Vec<&str> =
            backends.iter().filter(|backend| governed.contains(backend)).map(|one| one.name.as_str()).collect();
        let place = resource::place(route.node);
        if shared.is_empty() {
            let names = names(backends.iter().map(|backend| backend.name.as_str()));
            look.say(
                Code::UnseenTraffic,
                place,
                format!(
                    "{} `{}` does not go through the plugin: responses of {names} pass unfiltered",
                    route.kind, own.name
                ),
                "if that backend has personal data, attach the plugin to the Gateway",
            );
        } else {
            look.say(
                Code::PluginMissing,
                place,
                format!("{} is reached without the plugin through {} `{}`", names(shared), route.kind, own.name),
                "attach the plugin to the Gateway, and put the gate before its router",
            );
        }
    }
}

/// Listeners whose TLS does not end at them.
fn encrypted(look: &mut Look, survey: &Survey<'_>) {
    for gateway in of_group(survey, "Gateway") {
        for listener in at(gateway, &["spec", "listeners"]).and_then(Node::elements).unwrap_or_default() {
            if let Some(mode) = at(listener, &["tls", "mode"]).filter(|mode| mode.text() == Some("Passthrough")) {
                look.say(
                    Code::UnseenTraffic,
                    mode.span,
                    "what comes through this listener stays encrypted: no filter sees it",
                    "write `mode: Terminate`, or see to it that no governed backend is behind it",
                );
            }
        }
    }
}

/// What a route does with requests after they are matched.
fn filters(look: &mut Look, survey: &Survey<'_>, route: &Node) {
    let rules = at(route, &["spec", "rules"]).and_then(Node::elements).unwrap_or_default();
    for rule in rules {
        let of_backends = elements(rule, "backendRefs").iter().flat_map(|backend| elements(backend, "filters"));
        for filter in elements(rule, "filters").iter().chain(of_backends) {
            if let Some(found) = get(filter, "urlRewrite").and_then(|rewrite| member(rewrite, "path")) {
                rewrites(look, found.key_span, "URLRewrite");
            }
            if let Some(modifier) = get(filter, "requestHeaderModifier") {
                modified(look, modifier);
            }
            if let Some(modifier) = get(filter, "responseHeaderModifier") {
                headers::responses(look, modifier);
            }
            let Some(reference) = get(filter, "extensionRef") else { continue };
            if text(reference, "kind") == Some("HTTPRouteFilter") {
                let known = survey.resources.iter().find(|resource| {
                    resource.kind == "HTTPRouteFilter" && text(reference, "name") == Some(resource::name(resource.node))
                });
                match known {
                    Some(found) => {
                        if let Some(path) =
                            at(found.node, &["spec", "urlRewrite"]).and_then(|rewrite| member(rewrite, "path"))
                        {
                            rewrites(look, path.key_span, "an HTTPRouteFilter");
                        }
                    }
                    None => look.say(
                        Code::Elsewhere,
                        head(reference),
                        "this HTTPRouteFilter is not among the files: whether it rewrites the path is not judged",
                        "give it too: another `--envoy FILE`",
                    ),
                }
            } else {
                look.say(
                    Code::UnknownField,
                    head(reference),
                    "an extension of this kind is not known here: whether it changes what is asked for is not judged",
                    "take it out, or look up what it does",
                );
            }
        }
    }
}

fn rewrites(look: &mut Look, span: fieldgate::diagnostic::Span, what: &str) {
    look.say(
        Code::PathAltered,
        span,
        format!("{what}: the upstream gets another path than the one that the policy matched"),
        "forward the path as it is; if the upstream needs another, check that each policy route means the same there",
    );
}

/// Header modifiers of the Gateway API.
pub(super) fn modified(look: &mut Look, modifier: &Node) {
    for name in ["set", "add"] {
        for header in elements(modifier, name) {
            if let Some(key) = get(header, "name").filter(|key| key.text().is_some_and(headers::steers)) {
                headers::changed(look, key.span, key.text().unwrap_or_default());
            }
        }
    }
    for name in elements(modifier, "remove") {
        if name.text().is_some_and(|name| name.eq_ignore_ascii_case("accept-encoding")) {
            headers::changed(look, name.span, "accept-encoding");
        }
    }
}

/// A ClientTrafficPolicy: names with underscores, which Envoy Gateway refuses unless told otherwise, and headers that it writes
/// into responses.
fn client(look: &mut Look, policy: &Node) {
    let action = at(policy, &["spec", "headers", "withUnderscoresAction"]);
    if let Some(action) = action.filter(|action| action.text() == Some("Allow")) {
        look.say(
            Code::RequestChanged,
            action.span,
            "header names with underscores are let through: many servers read `x_original_url` as `x-original-url`, which the plugin takes out",
            "write `withUnderscoresAction: RejectRequest`",
        );
    }
    if let Some(late) = at(policy, &["spec", "headers", "lateResponseHeaders"]) {
        headers::responses(look, late);
    }
}

/// An EnvoyProxy: the order of filters.
fn proxy(look: &mut Look, proxy: &Node, demands: &Demands) {
    const WASM: &str = "envoy.filters.http.wasm";
    const EARLY: [&str; 4] = ["jwt_authn", "oauth2", "basic_auth", "api_key_auth"];
    const SCRIPTS: [&str; 2] = ["lua", "ext_proc"];
    const LATER: [&str; 9] = [
        "rbac",
        "local_ratelimit",
        "ratelimit",
        "grpc_web",
        "grpc_stats",
        "custom_response",
        "credential_injector",
        "compressor",
        "router",
    ];
    for entry in at(proxy, &["spec", "filterOrder"]).and_then(Node::elements).unwrap_or_default() {
        let name = text(entry, "name").unwrap_or_default();
        let short = |name: &str| name.strip_prefix("envoy.filters.http.").unwrap_or(name).to_owned();
        let (before, after) = (text(entry, "before").unwrap_or_default(), text(entry, "after").unwrap_or_default());
        let of = |name: &str, kinds: &[&str]| kinds.contains(&short(name).as_str());
        // What Envoy Gateway has after the plugin: to be put before one of those moves it past nothing that it needs.
        let early = name == WASM && !before.is_empty() && !of(before, &LATER) && !of(before, &SCRIPTS);
        let late = of(name, &EARLY) && (after == WASM || of(after, &LATER));
        if (early || late) && demands.is_by_token() {
            let finding = Diagnostic::at(
                Code::FilterOrder,
                head(entry),
                "this order puts the plugin before authentication: no caller has an identity yet when the plugin asks",
            );
            look.push(finding.help("take the entry out: the plugin is after authentication by default"));
        }
        let behind = of(name, &SCRIPTS) && (after == WASM || of(after, &LATER)) || name == WASM && of(before, &SCRIPTS);
        if behind {
            look.say(
                Code::FilterBehind,
                head(entry),
                "this order puts a script or a processor behind the plugin: it can change what the upstream is asked for after the policy has matched it, and reads what is not filtered",
                "take the entry out",
            );
        }
    }
}
