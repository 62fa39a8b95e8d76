//! EnvoyPatchPolicy: what JSON patches write into, and take out of, what Envoy Gateway makes of the other resources.

use super::demands::Demands;
use super::field::{at, get, head, is_enumerator, message, text, truth};
use super::look::Look;
use super::patch::{self, Extent};
use super::resource::{self, Resource, ResourceName};
use super::survey::Survey;
use super::{connection, gate, headers, metrics, order, plugin, reach, recognise, routes};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

/// The Gateways before whose routers there is a gate, and the listeners that have it, as Envoy Gateway names them.
#[derive(Debug, Default)]
pub(super) struct Gated {
    /// Those that patches are for, and those among the files whose class patches are for.
    pub(super) gateways: Vec<ResourceName>,
    /// The classes, whose Gateways share a proxy.
    classes: Vec<String>,
    /// What patches are for, a Gateway or a class, and the listener.
    listeners: Vec<(ResourceName, String)>,
    /// Gateways and their classes, of those among the files.
    given: Vec<(ResourceName, String)>,
}

impl Gated {
    fn of(survey: &Survey<'_>) -> Self {
        let gateways = survey.resources.iter().filter(|resource| resource.kind == "Gateway");
        let class = |gateway: &Resource<'_>| at(gateway.node, &["spec", "gatewayClassName"])?.text().map(str::to_owned);
        let given = gateways.filter_map(|gateway| Some((resource::named(gateway), class(gateway)?))).collect();
        Self { given, ..Self::default() }
    }

    /// Adds a gate for a Gateway or a class.
    fn add(&mut self, target: &ResourceName, listener: Option<&str>) {
        self.listeners.extend(listener.map(|name| (target.clone(), name.to_owned())));
        if target.kind == reach::CLASS {
            self.gateways
                .extend(self.given.iter().filter(|(_, class)| *class == target.name).map(|(own, _)| own.clone()));
            self.classes.push(target.name.clone());
        } else {
            self.gateways.push(target.clone());
        }
    }

    /// The Gateways of these that have no gate, as far as the files tell.
    pub(super) fn without<'t>(&self, targets: &'t [ResourceName]) -> Vec<&'t ResourceName> {
        let is_given = |target: &ResourceName| self.given.iter().any(|(given, _)| given == target);
        let is_gated =
            |target: &ResourceName| self.gateways.contains(target) || !self.classes.is_empty() && !is_given(target);
        targets.iter().filter(|target| target.kind == "Gateway" && !is_gated(target)).collect()
    }

    /// Whether what is attached to these has the gate, as far as the files tell.
    pub(super) fn covers(&self, targets: &[ResourceName]) -> bool {
        let is_of_gateway = targets.iter().any(|target| target.kind == "Gateway");
        let is_anywhere = !self.gateways.is_empty() || !self.classes.is_empty();
        is_anywhere && (!is_of_gateway || self.without(targets).is_empty())
    }

    /// The listeners of a Gateway that have the gate.
    pub(super) fn listeners(&self, gateway: &ResourceName) -> impl Iterator<Item = &str> {
        let class = self.given.iter().find(|(given, _)| given == gateway).map(|(_, class)| class);
        let is_for = move |target: &ResourceName| {
            target == gateway || target.kind == reach::CLASS && Some(&target.name) == class
        };
        self.listeners.iter().filter(move |(target, _)| is_for(target)).map(|(_, name)| name.as_str())
    }

    /// Whether a listener of a Gateway has the gate.
    pub(super) fn has(&self, gateway: &ResourceName, listener: &str) -> bool {
        self.listeners(gateway).any(|name| name == listener)
    }

    /// The Gateways whose listeners one shares, where their class has the gate.
    pub(super) fn siblings<'s, 'n>(
        &'s self,
        survey: &'s Survey<'n>,
        gateway: &Resource<'n>,
    ) -> impl Iterator<Item = &'s Resource<'n>> {
        let class_of = |name: &ResourceName| self.given.iter().find(|(given, _)| given == name).map(|(_, class)| class);
        let class = class_of(&resource::named(gateway)).filter(|class| self.classes.contains(class));
        let gateways = survey.resources.iter().filter(|resource| resource.kind == "Gateway");
        gateways.filter(move |other| class.is_some() && class_of(&resource::named(other)) == class)
    }
}

/// Finds the gates. Says why one that is meant to be a gate is none.
pub(super) fn gated(look: &mut Look, survey: &Survey<'_>) -> Gated {
    let mut found = Gated::of(survey);
    for resource in survey.resources.iter().filter(|resource| resource.kind == "EnvoyPatchPolicy") {
        let target = at(resource.node, &["spec", "targetRef"]);
        if let Some((place, why, help)) = target.and_then(|target| refused(survey, target)) {
            let name = resource::name(resource.node);
            look.say(Code::NotInForce, place, format!("EnvoyPatchPolicy `{name}` is not in force: {why}"), help);
            continue;
        }
        for patch in patch::json_patches(resource.node) {
            let Some(operation) = get(patch, "operation") else { continue };
            let Some(value) = get(operation, "value").filter(|value| gate::is_meant(value, survey)) else { continue };
            let adds = text(operation, "op") == Some("add");
            // "add" at an element puts the value before it.
            let at_router = patch::place(operation).contains("envoy.filters.http.router");
            const PLACE: &str =
                "write `op: add`, `jsonPath: \"..http_filters[?(@.name=='envoy.filters.http.router')]\"`";
            let fault = gate::fault(value, survey).map(|fault| (fault, gate::RULES)).or_else(|| {
                let why = "it is not added at the router, so it is not known what is between them".to_owned();
                (!adds || !at_router).then(|| ((head(value), why), PLACE))
            });
            match fault {
                Some(((span, why), help)) => look.say(
                    Code::NoGate,
                    span,
                    format!("this is not a gate for what the plugin has not seen: {why}"),
                    help,
                ),
                None => {
                    metrics::gate(look, value);
                    for target in resource::targets(resource.node, &survey.resources) {
                        found.add(&target, text(patch, "name"));
                    }
                }
            }
        }
    }
    found
}

/// Why Envoy Gateway does not take patches for a target, with the place and a way out: those for a Gateway where the Gateways of
/// the class share one proxy, those for a class where they do not. Without an EnvoyProxy among the files that is not known.
fn refused(survey: &Survey<'_>, target: &Node) -> Option<(Span, &'static str, &'static str)> {
    let mut proxies = survey.resources.iter().filter(|resource| resource.kind == "EnvoyProxy").peekable();
    proxies.peek()?;
    let merges = proxies.any(|proxy| at(proxy.node, &["spec", "mergeGateways"]).and_then(truth) == Some(true));
    match (merges, is_class(target)) {
        (true, false) => Some((
            head(target),
            "where an EnvoyProxy has `mergeGateways: true`, patches are for a class and not for a Gateway",
            "`fieldgate render --to envoy-gateway --gateway-class NAME` writes them for the class",
        )),
        (false, true) => Some((
            head(target),
            "patches are for a class where its EnvoyProxy has `mergeGateways: true`, and none among the files has it",
            "write `kind: Gateway` with the Gateway's name, or give the class's EnvoyProxy too: another `--envoy FILE`",
        )),
        (true, true) | (false, false) => None,
    }
}

fn is_class(target: &Node) -> bool {
    text(target, "kind") == Some(reach::CLASS)
}

/// Listeners that other patches name and the gate does not, of Gateways that have a gate and are not among the files: those of
/// the others are looked at one by one.
pub(super) fn ungated(look: &mut Look, survey: &Survey<'_>, gated: &Gated) {
    let mut told: Vec<&str> = Vec::new();
    for resource in survey.resources.iter().filter(|resource| resource.kind == "EnvoyPatchPolicy") {
        let targets = resource::targets(resource.node, &survey.resources);
        let is_absent = |target: &&ResourceName| gated.gateways.contains(target) && !reach::is_given(survey, target);
        let Some(target) = targets.iter().find(is_absent) else { continue };
        for patch in patch::json_patches(resource.node) {
            let Some(name) = patch::listener(patch) else { continue };
            let Some(listener) = name.text().filter(|name| !gated.has(target, name)) else { continue };
            if told.contains(&listener) {
                continue;
            }
            told.push(listener);
            look.say(
                Code::NoGate,
                name.span,
                format!("no patch puts the gate into `{listener}`, which this one is for: what comes through it may be served before the plugin is, or without it"),
                format!("write `name: {}` if that is the listener, or add the gate to this one too", gated.listeners(target).next().unwrap_or_default()),
            );
        }
    }
}

/// Whether patches make jwt_authn ask for an end of a token's life.
pub(super) fn requires_expiration(survey: &Survey<'_>) -> bool {
    reach::is_patched(survey, |name, value| name == "require_expiration" && truth(value) == Some(true))
}

/// Whether patches have Envoy make a virtual machine anew that failed, which an EnvoyExtensionPolicy cannot say.
pub(super) fn reloads(survey: &Survey<'_>) -> bool {
    reach::is_patched(survey, |name, value| name == "failure_policy" && is_enumerator(value, "FAIL_RELOAD", 1))
}

/// Judges what the patches do to the plugin, the gate, and what is around them.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, demands: &Demands) {
    for resource in survey.resources.iter().filter(|resource| resource.kind == "EnvoyPatchPolicy") {
        for operation in patch::operations(resource.node) {
            one(look, survey, operation, demands);
        }
    }
}

fn one(look: &mut Look, survey: &Survey<'_>, operation: &Node, demands: &Demands) {
    let place = patch::place(operation);
    let from = text(operation, "from").unwrap_or_default();
    let op = text(operation, "op").unwrap_or_default();
    let span = ["path", "jsonPath", "op"]
        .iter()
        .find_map(|name| get(operation, name))
        .map_or(operation.span, |node| node.span);
    if settings(&place) || settings(from) {
        let does = if matches!(op, "remove" | "move") { "takes out" } else { "writes over" };
        off(look, span, &format!("this patch {does} the settings by which routes turn the plugin on"));
    } else if let ("remove" | "replace" | "move", Some(filter)) = (op, filter(&place)) {
        taken(
            look,
            span,
            filter,
            get(operation, "value").is_some_and(|value| recognise::recognise(value, survey).is_some()),
        );
    } else if let (Some(filter), true) = (filter(from), op == "move") {
        taken(look, span, filter, false);
    } else if matches!(op, "add" | "copy") && filter(&place) == Some("") {
        // At a field that is there already it is a replacement (RFC 6902, 4.1).
        off(look, span, "this patch writes over the list of filters, and takes out what is in it");
    }
    let Some((name, value)) = patch::written(operation) else { return };
    if name == "disabled" && truth(value) != Some(false) {
        off(look, span, "this patch turns a filter off");
    }
    if is_filter(value) {
        if !gate::is_meant(value, survey) && recognise::recognise(value, survey).is_none() {
            order::somewhere(look, value);
        }
        return;
    }
    if get(value, "@type").is_none() {
        let message = message(name, value);
        part(look, &message, demands);
        if value.members().is_some() {
            part(look, value, demands);
        }
        let routes = value.elements().unwrap_or_else(|| std::slice::from_ref(value));
        routes.iter().filter_map(|route| get(route, "route")).for_each(|action| routes::written(look, action));
    }
}

/// A part of a message that a patch writes, whatever the message.
fn part(look: &mut Look, message: &Node, demands: &Demands) {
    connection::written(look, message, demands);
    plugin::failure(look, message, Extent::Patch);
    headers::level(look, message);
    routes::written(look, message);
}

fn is_filter(value: &Node) -> bool {
    text(value, "name").is_some() && (get(value, "typed_config").is_some() || get(value, "config_discovery").is_some())
}

/// Whether a path leads to what routes say of filters, unless to what they say of one that is not the plugin.
fn settings(path: &str) -> bool {
    let Some((_, rest)) = path.split_once("typed_per_filter_config") else { return false };
    let other = rest.contains("envoy.filters.http.") && !rest.contains("envoy.filters.http.wasm");
    !other
}

/// What a path that ends at a list of filters, or at one of them, says of it.
fn filter(path: &str) -> Option<&str> {
    // The router's own, of `upstream_http_filters`, have no plugin among them.
    let (_, rest) = path.rsplit_once("http_filters").filter(|(before, _)| !before.ends_with("upstream_"))?;
    let rest = rest.trim_end_matches('/');
    // Beyond the element it is a field of the filter's.
    let is_element = match rest.strip_prefix('[') {
        Some(selector) => selector.rfind(']').is_some_and(|end| end.saturating_add(1) == selector.len()),
        None => rest.trim_start_matches('/').chars().all(|c| c.is_ascii_digit() || c == '-'),
    };
    is_element.then_some(rest)
}

fn taken(look: &mut Look, span: Span, selector: &str, is_plugin: bool) {
    if is_plugin {
        return;
    }
    let names = |name: &str| selector.contains(name);
    if names("gate") || names("envoy.filters.http.rbac") {
        look.say(Code::NoGate, span, "this patch takes the gate out", "take the patch out");
    } else if names("wasm") || names("fieldgate") || !names("envoy.filters.http.") {
        off(look, span, "this patch takes a filter out that may be the plugin");
    } else if names("jwt_authn") {
        look.say(
            Code::LooseIdentity,
            span,
            "this patch takes jwt_authn out: no caller has an identity",
            "take the patch out",
        );
    }
}

fn off(look: &mut Look, span: Span, what: &str) {
    look.say(
        Code::PluginDisabled,
        span,
        format!("{what}: responses pass unfiltered, or not at all where there is a gate"),
        "take the patch out; a route that needs no filtering is a `pass` route of the policy",
    );
}
