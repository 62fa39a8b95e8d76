//! What Envoy Gateway runs beside the plugin: the other entries of its EnvoyExtensionPolicy, and the policies of routes and
//! listeners, which take the place of their Gateway's or are merged with it.
//!
//! Whatever the type of a merge, a list takes the place of the list: of two lists of modules the route's is in force. Scripts
//! run first, then processors, Wasm modules in their order, and dynamic modules.

use super::field::{at, elements, get, head};
use super::look::Look;
use super::resource::{self, ResourceName};
use super::survey::Survey;
use super::{reach, recognise};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

/// Judges what is in a list with the plugin: `modules` are the list's, and the plugin is at `index`.
pub(super) fn around(look: &mut Look, modules: &[Node], index: usize) {
    for module in modules.iter().take(index) {
        before(look, head(module), "a Wasm module");
    }
    let later = modules.iter().skip(index.saturating_add(1));
    for module in later.filter(|module| !recognise::is_wasm_module(module)) {
        behind(look, head(module), "a Wasm module", "put it before the plugin in `wasm`, or ");
    }
}

/// Judges what else a policy has: `spec` is one with the plugin, or is merged with one.
pub(super) fn others(look: &mut Look, spec: &Node) {
    for script in elements(spec, "lua") {
        before(look, script.span, "a Lua script");
    }
    for processor in elements(spec, "extProc") {
        before(look, head(processor), "an external processor");
    }
    for module in elements(spec, "dynamicModule") {
        behind(look, head(module), "a dynamic module", "");
    }
}

fn before(look: &mut Look, span: Span, what: &str) {
    look.say(
        Code::FilterBefore,
        span,
        format!("Envoy Gateway puts {what} like this before the plugin: what it answers with is not filtered"),
        "see to it that it answers with nothing of a customer's, or order it behind: `filterOrder` of EnvoyProxy",
    );
}

fn behind(look: &mut Look, span: Span, what: &str, else_do: &str) {
    look.say(
        Code::FilterBehind,
        span,
        format!("Envoy Gateway puts {what} like this behind the plugin: it can change what the upstream is asked for after the policy has matched it, and reads what is not filtered"),
        format!("{else_do}see to it that it changes no path, method or query, keeps nothing of a response, and hands it on as it comes"),
    );
}

/// Judges the policies of routes and listeners of the Gateways that have the plugin.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, policies: &[&Node]) {
    let wide = reach::gateways(survey);
    if wide.is_empty() {
        return;
    }
    for policy in policies.iter().filter(|policy| !recognise::has_plugin(policy)) {
        let mut targets = resource::targets(policy, &survey.resources);
        targets.retain(|target| is_below(target, policy, &wide, survey));
        for target in &targets {
            replaced(look, policy, target);
        }
        if let (true, Some(spec), false) = (is_merged(policy), get(policy, "spec"), targets.is_empty()) {
            others(look, spec);
        }
    }
}

/// Whether what a policy is for is a part of one of these Gateways. A policy of another Gateway, or a second of the same, is no
/// part's.
fn is_below(target: &ResourceName, policy: &Node, wide: &[ResourceName], survey: &Survey<'_>) -> bool {
    if target.kind == "Gateway" {
        return has_section(policy) && wide.contains(target);
    }
    let given = survey.resources.iter().find(|resource| resource::named(resource) == *target);
    given
        .is_none_or(|route| resource::parents(route.node, &survey.resources).iter().any(|parent| wide.contains(parent)))
}

fn has_section(policy: &Node) -> bool {
    let targets = at(policy, &["spec", "targetRefs"]).and_then(Node::elements).unwrap_or_default();
    targets.iter().any(|target| get(target, "sectionName").is_some())
}

fn is_merged(policy: &Node) -> bool {
    at(policy, &["spec", "mergeType"]).is_some()
}

/// Whether a policy without the plugin leaves the plugin of its Gateway's in force: merged, and with no module of its own.
pub(super) fn leaves_plugin(policy: &Node) -> bool {
    is_merged(policy) && at(policy, &["spec", "wasm"]).and_then(Node::elements).is_none_or(<[Node]>::is_empty)
}

/// Whether a policy is said to take the plugin away from a route.
pub(super) fn takes_plugin(policy: &Node, route: &ResourceName, survey: &Survey<'_>) -> bool {
    !recognise::has_plugin(policy)
        && !leaves_plugin(policy)
        && resource::targets(policy, &survey.resources).contains(route)
        && is_below(route, policy, &reach::gateways(survey), survey)
}

/// Says that a policy takes the plugin away.
fn replaced(look: &mut Look, policy: &Node, target: &ResourceName) {
    if leaves_plugin(policy) {
        return;
    }
    let (does, help) = if is_merged(policy) {
        (
            "merges, and its `wasm` takes the place of the Gateway's list",
            "put the plugin into this policy's `wasm` too: lists are not merged",
        )
    } else if at(policy, &["spec", "wasm"]).is_some() || !target.kind.ends_with("Route") {
        // Only what is for routes can be merged.
        ("takes the place of the Gateway's (no `mergeType`)", "put the plugin into this policy's `wasm` too")
    } else {
        (
            "takes the place of the Gateway's (no `mergeType`)",
            "write `mergeType: StrategicMerge`, or put the plugin into this policy too",
        )
    };
    let (name, kind) = (resource::name(policy), &target.kind);
    look.say(
        Code::PluginDisabled,
        resource::place(policy),
        format!("the EnvoyExtensionPolicy `{name}` on {kind} `{}` {does}: the plugin does not run for it", target.name),
        help,
    );
}
