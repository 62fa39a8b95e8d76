//! What is the plugin, or the module in its place: among filters, in discovery responses, and in resources of Kubernetes.

use super::field::{at, elements, get, is, names_fieldgate, text, unwrap, walk};
use super::resource::Resource;
use super::survey::{Manager, Survey};
use super::{demands, module};
use fieldgate::document::Node;

/// What brings the core into Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// The WebAssembly plugin.
    Plugin,
    /// The dynamic module.
    Module,
}

/// An HTTP filter that is the plugin, or the module in its place.
pub(super) struct Plugin<'n> {
    /// The element of `http_filters`.
    pub(super) filter: &'n Node,
    pub(super) carrier: Carrier,
    /// Its `PluginConfig` or `DynamicModuleFilter`; `None` where discovery brings it, and not from these files.
    pub(super) config: Option<&'n Node>,
}

impl<'n> Plugin<'n> {
    /// The filter's name, by which routes speak of it.
    pub(super) fn name(&self) -> &'n str {
        text(self.filter, "name").unwrap_or_default()
    }
}

/// The filter as the plugin, if it is that.
pub(super) fn recognise<'n>(filter: &'n Node, survey: &Survey<'n>) -> Option<Plugin<'n>> {
    let name = text(filter, "name").unwrap_or_default();
    if let Some(typed) = get(filter, "typed_config") {
        let (carrier, config) = carried(typed)?;
        let ours = names_fieldgate(name) || config.is_some_and(|config| is_core(carrier, config));
        return ours.then_some(Plugin { filter, carrier, config });
    }
    let source = get(filter, "config_discovery")?;
    let kinds = elements(source, "type_urls");
    let asks = |end: &str| kinds.iter().filter_map(Node::text).any(|kind| kind.ends_with(end));
    let (wasm, module) = (asks("http.wasm.v3.Wasm"), asks(module::MESSAGE));
    if !kinds.is_empty() && !wasm && !module {
        return None;
    }
    let found = survey.extension(name).and_then(carried);
    let assumed = if module && !wasm { Carrier::Module } else { Carrier::Plugin };
    let (carrier, config) = found.unwrap_or((assumed, None));
    let path = at(source, &["config_source", "path_config_source", "path"]).and_then(Node::text).unwrap_or_default();
    let ours = config.is_some_and(|config| is_core(carrier, config)) || names_fieldgate(name) || names_fieldgate(path);
    ours.then_some(Plugin { filter, carrier, config })
}

/// What a filter's configuration loads, if that may be the core, and the configuration of what is loaded.
pub(super) fn carried(typed: &Node) -> Option<(Carrier, Option<&Node>)> {
    match module::config(typed) {
        Some(config) => Some((Carrier::Module, Some(config))),
        None => is(typed, "Wasm").then(|| (Carrier::Plugin, config(typed))),
    }
}

/// Whether what is loaded so is the core.
pub(super) fn is_core(carrier: Carrier, config: &Node) -> bool {
    match carrier {
        Carrier::Plugin => is_plugin_config(config),
        Carrier::Module => module::is_ours(config),
    }
}

/// The `PluginConfig` of a Wasm filter.
fn config(typed: &Node) -> Option<&Node> {
    let (name, message) = unwrap(typed)?;
    if name.ends_with("filters.http.wasm.v3.Wasm") { get(message, "config") } else { None }
}

/// The configuration of a filter that is the plugin, or the module, by what it says itself.
pub(super) fn config_of(filter: &Node) -> Option<&Node> {
    let named = text(filter, "name").is_some_and(names_fieldgate);
    let found = get(filter, "typed_config").and_then(carried);
    let config = found.and_then(|(carrier, config)| config.filter(|config| named || is_core(carrier, config)));
    config.or_else(|| get(filter, "config_discovery").filter(|_| named))
}

/// Whether a `PluginConfig` is the plugin's: one of its names, its code, or its policy says so.
fn is_plugin_config(config: &Node) -> bool {
    vm_id(config).and_then(Node::text).is_some_and(names_fieldgate) || says_so(config)
}

/// Whether a filter's configuration loads the core.
pub(super) fn is_plugin(typed: &Node) -> bool {
    carried(typed).is_some_and(|(carrier, config)| config.is_some_and(|config| is_core(carrier, config)))
}

/// Where the name of a virtual machine stands.
pub(super) fn vm_id(config: &Node) -> Option<&Node> {
    at(config, &["vm_config", "vm_id"])
}

/// Whether anything but the name of its virtual machine says that.
pub(super) fn says_so(config: &Node) -> bool {
    let vm = get(config, "vm_config");
    let names = [text(config, "name"), text(config, "root_id")];
    let code = ["code.local.filename", "code.remote.http_uri.uri"]
        .map(|path| vm.and_then(|vm| at(vm, &path.split('.').collect::<Vec<_>>())).and_then(Node::text));
    names.into_iter().chain(code).flatten().any(names_fieldgate)
        || get(config, "configuration").is_some_and(demands::holds_policy)
}

/// Whether a WasmPlugin is the plugin: by a name, by its URL, or by the policy that it has.
pub(super) fn is_wasm_plugin(resource: &Node) -> bool {
    let Some(spec) = get(resource, "spec") else { return false };
    let name = at(resource, &["metadata", "name"]);
    let named = [name.and_then(Node::text), text(spec, "url"), text(spec, "pluginName")];
    named.into_iter().flatten().any(names_fieldgate) || get(spec, "pluginConfig").is_some_and(demands::is_policy)
}

/// Whether an EnvoyExtensionPolicy has the plugin.
pub(super) fn has_plugin(policy: &Node) -> bool {
    at(policy, &["spec", "wasm"]).and_then(Node::elements).unwrap_or_default().iter().any(is_wasm_module)
}

/// Whether a module of an EnvoyExtensionPolicy is the plugin: by a name, by its URL, or by the policy that it has.
pub(super) fn is_wasm_module(module: &Node) -> bool {
    let url = |kind| at(module, &["code", kind, "url"]).and_then(Node::text);
    let names = [text(module, "name"), text(module, "rootID"), url("http"), url("image")];
    names.into_iter().flatten().any(names_fieldgate) || get(module, "config").is_some_and(demands::is_policy)
}

/// Whether the plugin is anywhere among the files.
pub(super) fn anywhere(survey: &Survey<'_>) -> bool {
    let in_manager = |manager: &Manager<'_>| {
        let mut found = false;
        walk(manager.node, &mut |node| found |= recognise(node, survey).is_some());
        found
    };
    let in_resource = |resource: &Resource<'_>| match resource.kind {
        "WasmPlugin" => is_wasm_plugin(resource.node),
        "EnvoyExtensionPolicy" => has_plugin(resource.node),
        _ => false,
    };
    survey.managers.iter().any(in_manager)
        || survey.loose.iter().any(|(filter, _)| recognise(filter, survey).is_some())
        || survey.extensions.iter().any(|extension| config_of(extension).is_some())
        || survey.resources.iter().any(in_resource)
}
