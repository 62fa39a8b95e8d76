//! The gate (threat A4): an RBAC filter right before the router that lets only those requests through that the plugin has
//! seen, by the filter state that it leaves.
//!
//! Where the plugin is missing, off, or not there yet, the gate answers 403: nothing passes unfiltered. A route that asks
//! for the mark in its `match` does as much, but takes the settings of its virtual host and of itself from every filter
//! that runs before the plugin: until the mark is there, the request has no route.

use super::field::{at, elements, get, head, is, is_enumerator, kind, member, set, text, unwrap, walk};
use super::look::Look;
use super::survey::Survey;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

/// The filter state by which a request is known that the plugin has seen, and what the plugin leaves there.
pub(super) const MARK: (&str, &str) = ("wasm.fieldgate", "seen");

/// What to write where there is no gate.
pub(super) const HELP: &str = "put this right before the router in `http_filters`: `{name: fieldgate.gate, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules_stat_prefix: fieldgate_gate., rules: {policies: {seen: {permissions: [{any: true}], principals: [{filter_state: {key: wasm.fieldgate, string_match: {exact: seen}}}]}}}}}`";

/// What to write where something that is meant to be a gate is none, wherever it is put.
pub(super) const RULES: &str = "write `rules: {action: ALLOW, policies: {seen: {permissions: [{any: true}], principals: [{filter_state: {key: wasm.fieldgate, string_match: {exact: seen}}}]}}}`";

/// What a list of filters has of a gate.
pub(super) enum Gate<'n> {
    /// A filter that is one.
    Stands(&'n Node),
    /// A filter that is meant to be one, and why it is none.
    Fails(Span, String),
    Missing,
}

/// Looks for the gate among the filters of a connection manager.
pub(super) fn find<'n>(filters: &'n [Node], survey: &Survey<'n>) -> Gate<'n> {
    let end = filters.iter().rposition(|filter| kind(filter) == "router").unwrap_or(filters.len());
    let mut failed = None;
    for (index, filter) in filters.iter().enumerate().filter(|(_, filter)| is_meant(filter, survey)) {
        match fault(filter, survey) {
            Some((span, why)) => failed = Some((span, why)),
            None if index.saturating_add(1) == end => return Gate::Stands(filter),
            None => failed = Some((head(filter), "another filter is between it and the router".to_owned())),
        }
    }
    failed.map_or(Gate::Missing, |(span, why)| Gate::Fails(span, why))
}

/// Whether a filter is meant to be a gate: an RBAC filter that speaks of the mark.
pub(super) fn is_meant(filter: &Node, survey: &Survey<'_>) -> bool {
    let mut found = false;
    if let Some(config) = configured(filter, survey).filter(|config| is(config, "RBAC")) {
        walk(config, &mut |node| found |= text(node, "key") == Some(MARK.0));
    }
    found
}

fn configured<'n>(filter: &'n Node, survey: &Survey<'n>) -> Option<&'n Node> {
    get(filter, "typed_config").or_else(|| {
        get(filter, "config_discovery")?;
        survey.extension(text(filter, "name")?)
    })
}

/// Why an RBAC filter is no gate, wherever it is put.
pub(super) fn fault(filter: &Node, survey: &Survey<'_>) -> Option<(Span, String)> {
    if let Some(span) = ["disabled", "is_optional"].iter().find_map(|name| set(filter, name)) {
        return Some((span, "it is off, or may be left out".to_owned()));
    }
    let (_, message) = configured(filter, survey).and_then(unwrap)?;
    if let Some(found) = member(message, "matcher") {
        return Some((found.key_span, "its `matcher` decides, and is not looked at: write `rules`".to_owned()));
    }
    let Some(rules) = get(message, "rules") else {
        return Some((head(filter), "it has no `rules`, and shadow rules refuse nothing".to_owned()));
    };
    if let Some(action) = get(rules, "action").filter(|action| !is_enumerator(action, "ALLOW", 0)) {
        return Some((action.span, "its action is not `ALLOW`".to_owned()));
    }
    let policies = get(rules, "policies").and_then(Node::members).unwrap_or_default();
    policies.iter().find_map(|policy| {
        let why = narrowed(&policy.node)?;
        Some((policy.key_span, format!("its policy `{}` {why}", policy.key)))
    })
}

/// Why a policy of RBAC is not exactly "whoever has the mark".
fn narrowed(policy: &Node) -> Option<&'static str> {
    let principals = elements(policy, "principals");
    let has_mark = |principal: &Node| {
        let alone = principal.members().is_some_and(|members| members.len() == 1);
        let state = get(principal, "filter_state");
        alone
            && state.and_then(|state| text(state, "key")) == Some(MARK.0)
            && state.and_then(|state| at(state, &["string_match", "exact"])).and_then(Node::text) == Some(MARK.1)
    };
    if principals.is_empty() || !principals.iter().all(has_mark) {
        return Some(
            "lets through more than what has the mark: its only principal must be the filter state `wasm.fieldgate`, exactly `seen`",
        );
    }
    let permissions = elements(policy, "permissions");
    if permissions.is_empty() || !permissions.iter().all(|permission| set(permission, "any").is_some()) {
        return Some("is for some requests only: write `permissions: [{any: true}]`");
    }
    let conditions = ["condition", "checked_condition"];
    conditions.iter().any(|name| get(policy, name).is_some()).then_some("has a condition, which is not looked at")
}

/// Says that there is no gate, or one that is none. `place` is the plugin, `reach` what is open.
pub(super) fn ask(look: &mut Look, gate: &Gate<'_>, place: Span, reach: &str) {
    match gate {
        Gate::Stands(_) => {}
        Gate::Fails(span, why) => {
            look.say(Code::NoGate, *span, format!("this is not a gate for what the plugin has not seen: {why}"), HELP);
        }
        Gate::Missing => look.say(
            Code::NoGate,
            place,
            format!("there is no gate: a request that the plugin has not seen, since it is off or not there yet, reaches {reach}"),
            HELP,
        ),
    }
}
