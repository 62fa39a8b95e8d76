//! Envoy Gateway's resources: EnvoyExtensionPolicy, which has the plugin, and those that open a threat beside it.

use super::demands::{self, Demands};
use super::field::{at, elements, get, head, is_zero_duration, member, set, text, truth};
use super::look::Look;
use super::plugin::{self, Flag};
use super::survey::Survey;
use super::{attach, beside, conflict, connection, istio, metrics, patches, pin, recognise, record};
use fieldgate::diagnostic::{Code, Diagnostic, Span};
use fieldgate::document::{Node, Tree};

/// Judges the resources of Envoy Gateway, and gives what the plugin's policy asks for.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, given: &Demands) -> Demands {
    let flag = plugin::flag(survey);
    let mut demands = None;
    for resource in survey.resources.iter().filter(|resource| resource.kind == "EnvoyExtensionPolicy") {
        demands = extension(look, resource.node, given, flag, patches::reloads(survey)).or(demands);
    }
    if demands.is_some() {
        record::gateway(look, survey);
        metrics::proxies(look, survey);
    }
    let demands = demands.unwrap_or_else(|| given.clone());
    patches::check(look, survey, &demands);
    attach::check(look, survey, &demands);
    conflict::check(look, survey);
    for resource in &survey.resources {
        match resource.kind {
            "ClientTrafficPolicy" => client(look, resource.node, &demands),
            "BackendTrafficPolicy" => backend(look, resource.node),
            _ => {}
        }
    }
    demands
}

/// An EnvoyExtensionPolicy; what its plugin's policy asks for.
fn extension(look: &mut Look, resource: &Node, given: &Demands, flag: Flag, reloads: bool) -> Option<Demands> {
    let spec = get(resource, "spec")?;
    let modules = elements(spec, "wasm");
    let ours: Vec<(usize, &Node)> =
        modules.iter().enumerate().filter(|(_, module)| recognise::is_wasm_module(module)).collect();
    let (index, first) = *ours.first()?;
    for (_, second) in ours.iter().skip(1) {
        look.push(
            Diagnostic::at(
                Code::FilterBefore,
                head(second),
                "a second plugin in one list: a response goes through both policies, and either can open the gate",
            )
            .label(head(first), "the first")
            .help("keep one: a policy has any number of routes"),
        );
    }
    beside::around(look, modules, index);
    beside::others(look, spec);
    let mut demands = None;
    for (_, module) in ours {
        demands = Some(wasm(look, module, given, flag, reloads)).or(demands);
    }
    demands
}

fn wasm(look: &mut Look, module: &Node, given: &Demands, flag: Flag, reloads: bool) -> Demands {
    let place = head(module);
    let demands = match get(module, "config") {
        Some(config) => demands::of_config(look, config, given),
        None => {
            demands::none(look, place, "the plugin has no `configuration`, so it has no policy");
            given.clone()
        }
    };
    pin::of_module(look, module);
    match set(module, "failOpen") {
        Some(span) => look.say(
            Code::FailOpen,
            span,
            "`failOpen: true`: if the plugin cannot be fetched or fails, responses pass unfiltered",
            "write `failOpen: false`",
        ),
        None if reloads => {}
        None => {
            let span = get(module, "failOpen").map_or(place, |node| node.span);
            plugin::closed(
                look,
                span,
                "until the next change of its configuration",
                "watch for it, or write `failure_policy: FAIL_RELOAD` with an EnvoyPatchPolicy",
            );
        }
    }
    istio::released(
        look,
        place,
        &demands,
        flag,
        "write `head: released` in the policy, or set the flag with an EnvoyPatchPolicy",
    );
    let keys = at(module, &["env", "hostKeys"]);
    let named: Vec<&str> = keys.and_then(Node::elements).unwrap_or_default().iter().filter_map(Node::text).collect();
    if let Some(key) = plugin::missing_key(&demands, &named) {
        let place = keys.map_or(place, |node| node.span);
        plugin::no_key(look, place, key, &format!("write `env: {{hostKeys: [{key}]}}`"));
    }
    demands
}

/// A ClientTrafficPolicy: what Envoy does with a connection.
fn client(look: &mut Look, resource: &Node, demands: &Demands) {
    let Some(spec) = get(resource, "spec") else { return };
    let field = |path: &[&str]| at(spec, path);
    if let Some(found) = field(&["path", "escapedSlashesAction"]) {
        let word = found.text().unwrap_or_default();
        if word.starts_with("Unescape") {
            let what = format!("`escapedSlashesAction: {word}`: Envoy makes slashes of `%2F`");
            connection::rewritten(look, found.span, &what, "write `KeepUnchanged`, or `RejectRequest`");
        }
    }
    if let Some(found) = field(&["path", "disableMergeSlashes"]).filter(|found| truth(found) == Some(false)) {
        let what = "`disableMergeSlashes: false`: Envoy merges slashes in the path";
        connection::rewritten(look, found.span, what, "write `disableMergeSlashes: true`");
    }
    if let Some(found) = field(&["timeout", "http", "streamIdleTimeout"]).filter(|found| is_zero_duration(found)) {
        connection::no_idle_timeout(look, found.span, "streamIdleTimeout");
    }
    for (path, name) in [
        (["connection", "bufferLimit"], "bufferLimit"),
        (["http2", "initialStreamWindowSize"], "initialStreamWindowSize"),
    ] {
        if let Some((found, size)) = field(&path).and_then(|found| Some((found, quantity(found)?))) {
            connection::small(look, found.span, name, size, demands);
        }
    }
}

/// A BackendTrafficPolicy: what Envoy does with an upstream.
fn backend(look: &mut Look, resource: &Node) {
    for upgrade in at(resource, &["spec", "httpUpgrade"]).and_then(Node::elements).unwrap_or_default() {
        let place: Span = member(upgrade, "type").map_or_else(|| head(upgrade), |member| member.node.span);
        look.say(
            Code::PassesNoFilter,
            place,
            format!(
                "an upgrade to `{}` is let through: what follows is not a response to filter",
                text(upgrade, "type").unwrap_or("?")
            ),
            "take it out for routes that the plugin governs: it refuses upgrades",
        );
    }
}

/// A quantity of Kubernetes in bytes: `32Ki`, `64k`, `1048576`.
fn quantity(node: &Node) -> Option<u64> {
    let text = match &node.value {
        Tree::Text { text, .. } | Tree::Number(text) => &**text,
        _ => return None,
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)? {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
