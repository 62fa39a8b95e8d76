//! Istio's WasmPlugin, which is a plugin's configuration in other words. What its EnvoyFilters patch, `mesh` has.

use super::demands::{self, Demands};
use super::field::{at, elements, get, head, member, text};
use super::look::Look;
use super::plugin::{self, Flag};
use super::survey::Survey;
use super::{pin, proxies, recognise};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;
use fieldgate::model::HeadMode;

/// Judges the WasmPlugins of Istio, and gives what the plugin's policy asks for.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, given: &Demands) -> Option<Demands> {
    let flag = plugin::flag(survey);
    let mut found = None;
    for resource in &survey.resources {
        if resource.kind == "WasmPlugin" {
            found = wasm_plugin(look, survey, resource.node, given, flag).or(found);
        }
        if resource.kind == "TrafficExtension" {
            look.say(
                Code::UnknownField,
                super::resource::place(resource.node),
                "a TrafficExtension puts a script or a plugin among the filters, and it is not looked at what and where: before the plugin it can answer unfiltered, and behind it change what is asked for",
                "take it out, or write it as an EnvoyFilter; fieldgate itself needs a WasmPlugin or an EnvoyFilter",
            );
        }
    }
    found
}

/// Whether a WasmPlugin may be for a gateway, as far as its selector tells.
fn may_be_for_gateway(spec: &Node) -> bool {
    let labels = at(spec, &["selector", "matchLabels"]).and_then(Node::members).unwrap_or_default();
    let named = labels.iter().any(|label| label.node.text().is_some_and(|value| value.contains("gateway")));
    named || get(spec, "targetRefs").is_some() || get(spec, "targetRef").is_some()
}

fn wasm_plugin(look: &mut Look, survey: &Survey<'_>, resource: &Node, given: &Demands, flag: Flag) -> Option<Demands> {
    let spec = get(resource, "spec").filter(|_| recognise::is_wasm_plugin(resource))?;
    let name = at(resource, &["metadata", "name"]);
    let config = get(spec, "pluginConfig");
    let place = name.map_or_else(|| head(spec), |node| node.span);
    let demands = match config {
        Some(config) => demands::of_config(look, config, given),
        None => {
            demands::none(look, place, "the plugin has no `configuration`, so it has no policy");
            given.clone()
        }
    };
    fails(look, spec, place);
    pin::of_wasm_plugin(look, spec);
    released(
        look,
        place,
        &demands,
        flag,
        "a WasmPlugin cannot let it: use an EnvoyFilter (`fieldgate render --to istio`), or write `head: released` in the policy",
    );
    put_in(look, spec, &demands);
    for selector in elements(spec, "match") {
        matched(look, survey, resource, selector);
    }
    let variables = at(spec, &["vmConfig", "env"]).and_then(Node::elements).unwrap_or_default();
    let named: Vec<&str> = variables.iter().filter_map(|variable| text(variable, "name")).collect();
    if let Some(key) = plugin::missing_key(&demands, &named) {
        let help = format!("write `vmConfig: {{env: [{{name: {key}, valueFrom: HOST}}]}}`");
        plugin::no_key(look, place, key, &help);
    }
    Some(demands)
}

/// What happens where the plugin cannot be fetched, or fails.
fn fails(look: &mut Look, spec: &Node, place: Span) {
    match get(spec, "failStrategy") {
        Some(node) if node.text() == Some("FAIL_OPEN") => look.say(
            Code::FailOpen,
            node.span,
            "`failStrategy: FAIL_OPEN`: if the plugin cannot be fetched or fails, responses pass unfiltered",
            "write `failStrategy: FAIL_CLOSE`",
        ),
        Some(node) if node.text() == Some("FAIL_RELOAD") => {}
        other => plugin::closed(
            look,
            other.map_or(place, |node| node.span),
            "until the next change of its configuration",
            "newer versions of Istio have `failStrategy: FAIL_RELOAD`",
        ),
    }
}

/// Where among the filters Istio puts the plugin, and among those of which kind.
fn put_in(look: &mut Look, spec: &Node, demands: &Demands) {
    if let (Some(phase), true) = (get(spec, "phase").filter(|node| node.text() == Some("AUTHN")), demands.is_by_token())
    {
        look.say(
            Code::FilterOrder,
            phase.span,
            "`phase: AUTHN` puts the plugin before Istio's authentication: no caller has an identity yet when the plugin asks",
            "write `phase: AUTHZ`",
        );
    }
    if let Some(kind) = get(spec, "type").filter(|node| node.text() == Some("NETWORK")) {
        look.say(
            Code::PluginDisabled,
            kind.span,
            "`type: NETWORK`: the plugin filters HTTP, and sees none here",
            "take the line out: `HTTP` is the default",
        );
    }
}

/// The traffic that a traffic selector leaves to the plugin.
fn matched(look: &mut Look, survey: &Survey<'_>, resource: &Node, selector: &Node) {
    let mode = get(selector, "mode");
    let is_server = mode.filter(|mode| mode.text() == Some("SERVER"));
    if let Some(mode) = is_server.filter(|_| proxies::is_for_gateways(resource, survey)) {
        let said = "`mode: SERVER` is traffic that a workload is asked, and a gateway's counts as `CLIENT`: the plugin never runs";
        // A Gateway that is not among the files may be a waypoint, which is a workload's.
        let (code, unless) = if proxies::names_unseen(resource, survey) {
            (Code::UnseenTraffic, ", unless this is for a waypoint")
        } else {
            (Code::PluginDisabled, "")
        };
        look.say(code, mode.span, format!("{said}{unless}"), "take `match` out");
    }
    let is_client = mode.filter(|mode| mode.text() == Some("CLIENT"));
    if let Some(mode) = is_client.filter(|_| !get(resource, "spec").is_some_and(may_be_for_gateway)) {
        look.say(
            Code::UnseenTraffic,
            mode.span,
            "`mode: CLIENT` is what a workload asks others: what the workload itself is asked passes unfiltered",
            "take `match` out",
        );
    }
    if let Some(ports) = member(selector, "ports") {
        look.say(
            Code::UnseenTraffic,
            ports.key_span,
            "the plugin runs for these ports only: what the proxy serves on others passes unfiltered",
            "take `match` out, or see to it that no other port leads to personal data",
        );
    }
}

/// Says that the head cannot be held.
pub(super) fn released(look: &mut Look, place: Span, demands: &Demands, flag: Flag, help: &str) {
    if demands.head == Some(HeadMode::Held) && flag == Flag::Absent {
        look.say(
            Code::HeadNotHeld,
            place,
            "the policy holds the response head, and nothing sets `allow_on_headers_stop_iteration`: responses hang",
            help,
        );
    }
}
