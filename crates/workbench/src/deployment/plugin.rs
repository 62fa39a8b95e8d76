//! The plugin's own configuration, `envoy.extensions.wasm.v3.PluginConfig`: how it is recognised, how it fails, what it is
//! handed.

use super::demands::{self, Demands};
use super::field::{
    at, elements, get, head, is_enumerator, kind, member, names_fieldgate, set, text, truth, unwrap, walk,
};
use super::look::{Look, names};
use super::patch::{self, Extent};
use super::recognise::{Carrier, Plugin, carried, is_core, is_plugin, recognise, says_so, vm_id};
use super::survey::Survey;
use super::{identity, message, module, pin, reach, routes, services, tables};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;
use fieldgate::model::HeadMode;

/// The environment variable that holds the key of pseudonyms (rule 23).
const KEY: &str = "FIELDGATE_KEY";

/// Whether a variable may hold a key: `FIELDGATE_KEY`, or `FIELDGATE_KEY_NAME` for a policy's `key: NAME`.
pub(super) fn is_key(name: &str) -> bool {
    name.strip_prefix(KEY).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Other modules with the plugin's `vm_id`: a service, a network filter, an access log (rule 36).
pub(super) fn strangers(look: &mut Look, survey: &Survey<'_>) {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for document in &survey.documents {
        walk(document, &mut |node| {
            if let Some(id) = vm_id(node) {
                if says_so(node) { &mut own } else { &mut others }.push(id);
            }
        });
    }
    for id in others.into_iter().filter(|id| own.iter().any(|own| own.text() == id.text())) {
        look.say(
            Code::SharedCounts,
            id.span,
            "another module has the plugin's `vm_id`: it reads and writes the same shared data, where budgets are counted",
            "give it a `vm_id` of its own",
        );
    }
}

/// Says what is wrong with the plugin's configuration, and gives what its policy asks for.
pub(super) fn check(look: &mut Look, plugin: &Plugin<'_>, extent: Extent, given: &Demands, flag: Flag) -> Demands {
    let Some(config) = plugin.config else { return given.clone() };
    if plugin.carrier == Carrier::Module {
        return module::check(look, config, given);
    }
    let place = head(config);
    let demands = match get(config, "configuration") {
        Some(any) => demands::of_any(look, any, given),
        None => {
            if extent == Extent::Whole {
                demands::none(look, place, "the plugin has no `configuration`, so it has no policy");
            }
            given.clone()
        }
    };
    message::check(look, config, &tables::PLUGIN);
    for (node, path) in [(Some(config), "PluginConfig"), (get(config, "vm_config"), "VmConfig")] {
        if let Some(node) = node {
            capabilities(look, node, path, &demands);
        }
    }
    services::asked(look, place, &demands);
    if let Some(vm) = get(config, "vm_config") {
        machine(look, vm);
    }
    let named = at(config, &["vm_config", "vm_id"]).and_then(Node::text).is_some_and(|id| !id.is_empty());
    if demands.counts && !named && extent == Extent::Whole {
        look.say(
            Code::SharedCounts,
            place,
            "the policy counts budgets in shared data, and the virtual machine has no `vm_id`: every other plugin without one reads and writes the same counts",
            "write `vm_config: {vm_id: fieldgate}`",
        );
    }
    failure(look, config, extent);
    held_head(look, config, extent, &demands, flag);
    if extent == Extent::Whole {
        key(look, config, place, &demands);
    }
    demands
}

/// What the plugin is called by, and what it calls, from a request's head to a response's end.
const CAPABILITIES: [&str; 18] = [
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_done",
    "proxy_on_delete",
    "proxy_get_header_map_pairs",
    "proxy_set_header_map_pairs",
    "proxy_get_buffer_bytes",
    "proxy_set_buffer_bytes",
    "proxy_get_property",
    "proxy_set_property",
    "proxy_send_local_response",
    "proxy_close_stream",
    "random_get",
];

/// What counts what leaves (rules 34 to 37): without the last call nothing is ever settled.
const COUNTING: [&str; 4] =
    ["proxy_get_shared_data", "proxy_set_shared_data", "proxy_get_current_time_nanoseconds", "proxy_on_log"];

/// What asks the rate limit service (rule 36).
const ASKING: [&str; 3] = ["proxy_grpc_call", "proxy_on_grpc_receive", "proxy_on_grpc_close"];

/// A restriction that leaves out what the response needs: the request is seen, and opens the gate, and its response is not.
fn capabilities(look: &mut Look, node: &Node, of: &str, demands: &Demands) {
    let Some(restriction) = member(node, "capability_restriction_config") else { return };
    let allowed = get(&restriction.node, "allowed_capabilities").and_then(Node::members).unwrap_or_default();
    let is_missing = |name: &&str| !allowed.iter().any(|member| &*member.key == *name);
    let missing: Vec<&str> = CAPABILITIES.into_iter().filter(is_missing).collect();
    // Nothing at all is no restriction.
    if !allowed.is_empty() && !missing.is_empty() {
        look.say(
            Code::PluginDisabled,
            restriction.key_span,
            format!(
                "`capability_restriction_config` of {of} leaves out {}: responses pass unfiltered where the plugin is not called for them, and the gate is open",
                names(missing)
            ),
            "take it out: the plugin needs them all",
        );
    }
    let counting = COUNTING.into_iter().filter(|_| demands.counts);
    let asking = ASKING.into_iter().filter(|_| !demands.services.is_empty());
    let missing: Vec<&str> = counting.chain(asking).filter(is_missing).collect();
    if !allowed.is_empty() && !missing.is_empty() {
        look.say(
            Code::SharedCounts,
            restriction.key_span,
            format!(
                "`capability_restriction_config` of {of} leaves out {}: the policy has budgets or canaries, and what leaves cannot be counted",
                names(missing)
            ),
            "take it out: the plugin needs them all",
        );
    }
}

/// The virtual machine.
fn machine(look: &mut Look, vm: &Node) {
    message::check(look, vm, &tables::VM);
    pin::of_machine(look, vm);
    // `null` runs code of Envoy's own under a name, and not the module.
    let known = ["envoy.wasm.runtime.v8", "envoy.wasm.runtime.wasmtime", "envoy.wasm.runtime.wamr"];
    if let Some(runtime) =
        get(vm, "runtime").filter(|node| node.text().is_none_or(|text| !known.contains(&text) && !text.is_empty()))
    {
        look.say(
            Code::UnknownField,
            runtime.span,
            "this runtime is not known to run the plugin's module",
            "write `runtime: envoy.wasm.runtime.v8`",
        );
    }
}

/// Whether some other part of the deployment sets `allow_on_headers_stop_iteration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// A patch does.
    Patched,
    /// Nothing does, as far as can be seen.
    Absent,
}

/// Whether a patch lets the plugin hold the head: neither WasmPlugin nor EnvoyExtensionPolicy can say so.
pub(super) fn flag(survey: &Survey<'_>) -> Flag {
    const NAME: &str = "allow_on_headers_stop_iteration";
    let mut patched = reach::is_patched(survey, |name, value| {
        let mut inside = name == NAME && truth(value) == Some(true);
        walk(value, &mut |node| inside |= set(node, NAME).is_some());
        inside
    });
    for resource in survey.resources.iter().filter(|resource| resource.kind == "EnvoyFilter") {
        for one in patch::patches(resource.node).filter(|one| patch::extent(one) == Extent::Patch) {
            walk(one, &mut |node| patched |= set(node, NAME).is_some());
        }
    }
    if patched { Flag::Patched } else { Flag::Absent }
}

/// Threat A1.
pub(super) fn failure(look: &mut Look, config: &Node, extent: Extent) {
    const HELP: &str = "write `failure_policy: FAIL_RELOAD`";
    let open = "if the plugin's virtual machine fails, responses pass unfiltered";
    if let Some(span) = set(config, "fail_open") {
        look.say(Code::FailOpen, span, format!("`fail_open: true`: {open}"), HELP);
    }
    match get(config, "failure_policy") {
        // envoy/extensions/wasm/v3/wasm.proto
        Some(node) if is_enumerator(node, "FAIL_OPEN", 3) => {
            look.say(Code::FailOpen, node.span, format!("`failure_policy: FAIL_OPEN`: {open}"), HELP);
        }
        Some(node) if is_enumerator(node, "FAIL_CLOSED", 2) || is_enumerator(node, "UNSPECIFIED", 0) => {
            closed(look, node.span, "until the next change of its configuration", HELP);
        }
        Some(_) => {}
        None if extent == Extent::Whole && set(config, "fail_open").is_none() => {
            closed(look, head(config), "until the next change of its configuration: FAIL_CLOSED is the default", HELP);
        }
        None => {}
    }
}

/// Notes that a plugin fails closed and stays so.
pub(super) fn closed(look: &mut Look, span: Span, until: &str, help: &str) {
    look.say(Code::FailClosed, span, format!("if the plugin's virtual machine fails, requests get 503 {until}"), help);
}

/// Rule 40: without the flag, a head that is held is never let go.
fn held_head(look: &mut Look, config: &Node, extent: Extent, demands: &Demands, flag: Flag) {
    let allowed = set(config, "allow_on_headers_stop_iteration");
    match (demands.head, allowed) {
        (Some(HeadMode::Held), None) if extent == Extent::Whole && flag == Flag::Absent => {
            let written = get(config, "allow_on_headers_stop_iteration").map(|node| node.span);
            look.say(
                Code::HeadNotHeld,
                written.unwrap_or_else(|| head(config)),
                "the policy holds the response head, and `allow_on_headers_stop_iteration` is not true: responses hang",
                "write `allow_on_headers_stop_iteration: true`, or `head: released` in the policy",
            );
        }
        (Some(HeadMode::Released), Some(span)) => look.say(
            Code::UnusedFlag,
            span,
            "this host lets the plugin hold the response head, and the policy says `head: released`",
            "write `head: held` in the policy: a refusal is then a clean answer, not a reset",
        ),
        _ => {}
    }
}

/// Rule 23: the key comes from the host's environment, by name.
fn key(look: &mut Look, config: &Node, place: Span, demands: &Demands) {
    let environment = at(config, &["vm_config", "environment_variables"]);
    let keys = environment.map(|node| elements(node, "host_env_keys")).unwrap_or_default();
    let inline = environment.and_then(|node| at(node, &["key_values"])).and_then(Node::members).unwrap_or_default();
    let named = keys.iter().filter_map(Node::text).chain(inline.iter().map(|member| &*member.key));
    if let Some(key) = missing_key(demands, &named.collect::<Vec<_>>()) {
        let place = environment.and_then(|node| member(node, "host_env_keys")).map_or(place, |member| member.key_span);
        let help = format!("write `environment_variables: {{host_env_keys: [{key}]}}` under `vm_config`");
        no_key(look, place, key, &help);
    }
}

/// The variable that has to hold the key, where none of those that may is handed on.
pub(super) fn missing_key<'d>(demands: &'d Demands, named: &[&str]) -> Option<&'d str> {
    if demands.keys.iter().any(|key| named.contains(&key.as_str())) {
        return None;
    }
    demands.keys.first().map(String::as_str)
}

/// Says that the key does not reach the plugin.
pub(super) fn no_key(look: &mut Look, place: Span, key: &str, help: &str) {
    look.say(
        Code::PseudonymKey,
        place,
        format!("the policy needs a key, and the plugin is not handed {key}: it does not load"),
        help,
    );
}

/// Threat A4: what keeps a filter from running for every request, said at the filter.
pub(super) fn runs(look: &mut Look, survey: &Survey<'_>, plugin: &Plugin<'_>) {
    if let Some(span) = set(plugin.filter, "is_optional") {
        look.say(
            Code::PluginDisabled,
            span,
            "`is_optional: true`: an Envoy that cannot load the plugin leaves it out and serves",
            "take the line out: then it does not start",
        );
    }
    let Some(source) = get(plugin.filter, "config_discovery") else { return };
    if let Some(default) = get(source, "default_config").filter(|default| !is_plugin(default)) {
        look.say(
            Code::PluginDisabled,
            head(default),
            "`default_config` is not the plugin: it filters nothing, and runs where the plugin's own configuration is late or lost",
            "take `default_config` out: then the listener waits",
        );
    }
    // A patch of Istio's adds the configuration under the filter's name, and is looked at as a filter.
    let is_patched_in = survey
        .loose
        .iter()
        .any(|(other, _)| get(other, "typed_config").is_some() && text(other, "name") == text(plugin.filter, "name"));
    if plugin.config.is_none() && !is_patched_in {
        look.say(
            Code::Elsewhere,
            head(source),
            "the plugin's own configuration comes from a discovery service, and is not looked at",
            "give its response too: another `--envoy FILE`",
        );
    }
}

/// Filters that stand in no connection manager: files to be put into one, patches, extension configurations.
/// Gives what the policy of one that is among them asks for.
pub(super) fn loose(look: &mut Look, survey: &Survey<'_>, given: &Demands) -> Option<Demands> {
    let mut demands = None;
    let flag = flag(survey);
    for (filter, extent) in &survey.loose {
        let message = get(filter, "typed_config").and_then(unwrap).map(|(_, message)| message);
        if let (Some(message), "jwt_authn", Extent::Whole, true) = (message, kind(filter), *extent, given.is_by_token())
        {
            identity::tokens(look, message, given);
        }
        if let Some(plugin) = recognise(filter, survey) {
            if let Some(span) = set(filter, "disabled") {
                routes::disabled(look, span);
            }
            runs(look, survey, &plugin);
            demands = Some(check(look, &plugin, *extent, given, flag)).or(demands);
        }
    }
    for extension in &survey.extensions {
        let used =
            survey.managers.iter().flat_map(|manager| elements(manager.node, "http_filters")).any(|filter| {
                get(filter, "config_discovery").is_some() && text(filter, "name") == text(extension, "name")
            });
        let named = text(extension, "name").is_some_and(names_fieldgate);
        let found = get(extension, "typed_config").and_then(carried);
        if let (false, Some((carrier, Some(config)))) = (used, found)
            && (named || is_core(carrier, config))
        {
            let plugin = Plugin { filter: extension, carrier, config: Some(config) };
            demands = Some(check(look, &plugin, Extent::Whole, given, flag)).or(demands);
        }
    }
    demands
}
