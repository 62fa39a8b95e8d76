//! A patch of Istio's that brings the plugin or the gate: whether it is applied, and where it puts them.

use super::demands::Demands;
use super::field::{at, get, head, text};
use super::look::Look;
use super::patch::value;
use super::survey::Survey;
use super::{gate, metrics, narrow};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

/// Filters that Istio's gateways have, by which a patch may find its place.
const KNOWN: [&str; 12] = [
    "envoy.filters.http.router",
    "envoy.filters.http.jwt_authn",
    "istio_authn",
    "envoy.filters.http.rbac",
    "envoy.filters.http.ext_authz",
    "envoy.filters.http.cors",
    "envoy.filters.http.fault",
    "envoy.filters.http.grpc_stats",
    "istio.alpn",
    "istio.stats",
    "istio.metadata_exchange",
    "envoy.filters.http.wasm",
];

/// The last filter of a list.
pub(super) const ROUTER: &str = "envoy.filters.http.router";

/// Where a gateway's HTTP filters are.
const MANAGER: &str = "write `context: GATEWAY`, with `filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}`";

/// Where a patch of an HTTP filter goes.
pub(super) struct Patch<'n> {
    pub(super) node: &'n Node,
    pub(super) applies: &'n str,
    pub(super) operation: &'n str,
    /// The filter that it is put beside, replaces, or takes out.
    pub(super) beside: Option<&'n Node>,
}

impl<'n> Patch<'n> {
    pub(super) fn of(node: &'n Node) -> Self {
        let beside = at(node, &["match", "listener", "filterChain", "filter", "subFilter", "name"]);
        Self {
            node,
            applies: text(node, "applyTo").unwrap_or_default(),
            operation: at(node, &["patch", "operation"]).and_then(Node::text).unwrap_or_default(),
            beside,
        }
    }

    pub(super) fn name(&self) -> &'n str {
        self.beside.and_then(Node::text).unwrap_or_default()
    }

    pub(super) fn place(&self) -> Span {
        at(self.node, &["patch", "operation"]).map_or(self.node.span, |node| node.span)
    }
}

/// Whether the patch that brings the plugin is applied, and where.
pub(super) fn applied(look: &mut Look, survey: &Survey<'_>, resource: &Node, patch: &Patch<'_>, demands: &Demands) {
    let context = at(patch.node, &["match", "context"]);
    if let Some(context) = context.filter(|context| context.text() == Some("SIDECAR_OUTBOUND")) {
        never(
            look,
            context.span,
            "`SIDECAR_OUTBOUND` is what a workload asks others, not the gateway",
            "write `context: GATEWAY`",
        );
    }
    for found in narrow::by_proxy(patch.node) {
        never(
            look,
            found.key_span,
            "the patch is for some proxies only, and on the others it is not applied",
            "take it out: `workloadSelector` chooses the gateway",
        );
    }
    match (patch.applies, patch.operation) {
        ("EXTENSION_CONFIG", "ADD") => {}
        ("EXTENSION_CONFIG", _) => never(
            look,
            patch.place(),
            "istiod only knows `ADD` for EXTENSION_CONFIG: the patch is not applied",
            "write `operation: ADD`",
        ),
        ("HTTP_FILTER", _) => {
            if let Some((node, why)) = narrow::misses(survey, resource, patch.node) {
                never(look, node.span, &format!("{why}: the patch is not applied"), MANAGER);
            }
            inserted(look, patch, demands);
        }
        (applies, _) => never(
            look,
            get(patch.node, "applyTo").map_or(patch.node.span, |node| node.span),
            &format!("`applyTo: {applies}` is not where an HTTP filter can be: the patch is not applied"),
            "write `applyTo: HTTP_FILTER`",
        ),
    }
}

/// Where among the filters the patch that brings the plugin puts it.
fn inserted(look: &mut Look, patch: &Patch<'_>, demands: &Demands) {
    match (patch.operation, patch.name()) {
        ("INSERT_FIRST", _) | ("INSERT_BEFORE", "" | "envoy.filters.http.jwt_authn") if demands.is_by_token() => {
            order(look, patch.place());
        }
        ("INSERT_FIRST", _) | ("INSERT_BEFORE", "" | ROUTER) => {}
        ("INSERT_AFTER", ROUTER) => never(
            look,
            patch.place(),
            "Envoy takes no filter behind the router: the listener is rejected",
            "write `operation: INSERT_BEFORE`",
        ),
        ("INSERT_BEFORE" | "INSERT_AFTER", name) if KNOWN.contains(&name) => {}
        ("INSERT_BEFORE" | "INSERT_AFTER", name) => never(
            look,
            patch.beside.map_or(patch.place(), |node| node.span),
            &format!("no gateway of today's Istio has a filter `{name}`: the patch is not applied"),
            "write `subFilter: {name: envoy.filters.http.router}`",
        ),
        (operation, _) => never(
            look,
            patch.place(),
            &format!("`{operation}` does not put the plugin before the router"),
            "write `operation: INSERT_BEFORE` with `subFilter: {name: envoy.filters.http.router}`",
        ),
    }
}

/// Says that a patch does not bring the plugin.
fn never(look: &mut Look, span: Span, what: &str, help: &str) {
    look.say(Code::PluginDisabled, span, format!("{what}: nothing is filtered"), help);
}

fn order(look: &mut Look, span: Span) {
    look.say(
        Code::FilterOrder,
        span,
        "this puts the plugin before Istio's authentication: no caller has an identity yet when the plugin asks",
        "write `operation: INSERT_BEFORE` with `subFilter: {name: envoy.filters.http.router}`",
    );
}

/// Whether a patch brings the gate. Says why not.
pub(super) fn is_gate(look: &mut Look, survey: &Survey<'_>, resource: &Node, patch: &Patch<'_>) -> bool {
    let Some(value) = value(patch.node) else { return false };
    let context = at(patch.node, &["match", "context"]).and_then(Node::text).unwrap_or("ANY");
    let placed = patch.applies == "HTTP_FILTER" && patch.operation == "INSERT_BEFORE" && patch.name() == ROUTER;
    const PLACE: &str =
        "write `applyTo: HTTP_FILTER`, `operation: INSERT_BEFORE` with `subFilter: {name: envoy.filters.http.router}`";
    let elsewhere = |why: &str, help| ((head(value), why.to_owned()), help);
    let fault = gate::fault(value, survey)
        .map(|fault| (fault, gate::RULES))
        .or_else(|| (!placed).then(|| elsewhere("it is not put right before the router", PLACE)))
        .or_else(|| {
            (context == "SIDECAR_OUTBOUND").then(|| elsewhere("it is not at the gateway", "write `context: GATEWAY`"))
        })
        .or_else(|| {
            let (node, why) = narrow::misses(survey, resource, patch.node)?;
            Some(((node.span, why.to_owned()), MANAGER))
        })
        .or_else(|| {
            let field = narrow::by_proxy(patch.node).next()?;
            Some(((field.key_span, "it is for some proxies only".to_owned()), narrow::HELP))
        })
        .or_else(|| {
            let one = narrow::find(patch.node).into_iter().next()?;
            Some(((one.field.key_span, format!("it is for {} only", one.what)), narrow::HELP))
        });
    match fault {
        Some(((span, why), help)) => {
            look.say(Code::NoGate, span, format!("this is not a gate for what the plugin has not seen: {why}"), help);
            false
        }
        None => {
            metrics::gate(look, value);
            true
        }
    }
}
