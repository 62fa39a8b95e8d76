//! The core as a dynamic module of Envoy's, `envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter`: how it is
//! recognised, what it is handed, and how the callers' claims come to it.
//!
//! It fails closed by itself, may always hold the head, and has its key from Envoy's own environment. So nothing is asked of
//! its configuration that a plugin's has for those.

use super::demands::{self, Demands};
use super::field::{at, get, head, kind, names_fieldgate, set, text, unwrap, walk};
use super::look::Look;
use super::{message, tables};
use fieldgate::diagnostic::Code;
use fieldgate::document::Node;
use fieldgate::model::Identity;

/// How the name of its message ends.
pub(super) const MESSAGE: &str = ".DynamicModuleFilter";

/// What is before the name of a payload where the module looks for its claims.
const CLAIMS: &str = "fieldgate.claims.";

/// The configuration of a module's filter.
pub(super) fn config(typed: &Node) -> Option<&Node> {
    unwrap(typed).filter(|(name, _)| name.ends_with(MESSAGE)).map(|(_, message)| message)
}

/// Whether a module is the core: its name, the filter's in it, or its policy says so.
pub(super) fn is_ours(config: &Node) -> bool {
    let names = [text(config, "filter_name"), at(config, &["dynamic_module_config", "name"]).and_then(Node::text)];
    names.into_iter().flatten().any(names_fieldgate) || get(config, "filter_config").is_some_and(demands::holds_policy)
}

/// Says what is wrong with the module's configuration, and gives what its policy asks for.
pub(super) fn check(look: &mut Look, config: &Node, given: &Demands) -> Demands {
    let place = head(config);
    let demands = match get(config, "filter_config") {
        Some(any) => demands::of_any(look, any, given),
        None => {
            demands::none(look, place, "the module has no `filter_config`, so it has no policy");
            given.clone()
        }
    };
    message::check(look, config, &tables::MODULE);
    let library = get(config, "dynamic_module_config");
    if let Some(library) = library {
        message::check(look, library, &tables::LIBRARY);
    }
    if !demands.services.is_empty() {
        look.say(
            Code::RateLimitCluster,
            place,
            "the policy's budgets ask a rate limit service, which a module cannot: Envoy does not take the policy",
            "write `store: local` in the policy, or run the plugin",
        );
    }
    if demands.counts && library.and_then(|library| set(library, "do_not_close")).is_none() {
        look.say(
            Code::SharedCounts,
            library.map_or(place, head),
            "the policy counts budgets in the module's own memory, which goes with the last listener that has the module",
            "write `do_not_close: true` under `dynamic_module_config`",
        );
    }
    demands
}

/// Envoy hands a module no claims: another filter, between jwt_authn and the module, has to write them into the filter state.
pub(super) fn claims(look: &mut Look, filters: &[Node], module: usize, demands: &Demands) {
    let Some(filter) = filters.get(module).filter(|_| demands.is_by_token()) else { return };
    let wanted = match &demands.identity {
        Some(Identity::JwtAuthn { payloads, .. }) => payloads.as_slice(),
        _ => &[],
    };
    let left = written(look, filters, module);
    let is_left = |payload: &String| left.contains(payload);
    let found = if wanted.is_empty() { !left.is_empty() } else { wanted.iter().any(is_left) };
    if !found {
        let payload = wanted.first().map_or("verified_jwt", String::as_str);
        look.say(
            Code::LooseIdentity,
            head(filter),
            "Envoy hands a module no claims, and no filter writes them where it looks for them: no caller has an identity",
            format!("put a `set_filter_state` before it, with `object_key: {CLAIMS}{payload}` (docs/operations.md)"),
        );
    }
    let providers = filters.iter().filter(|filter| kind(filter) == "jwt_authn");
    let providers = providers.filter_map(|filter| at(filter, &["typed_config", "providers"])?.members()).flatten();
    for payload in providers.filter_map(|provider| get(&provider.node, "payload_in_metadata")) {
        let name = payload.text().unwrap_or_default().to_owned();
        if found && wanted.contains(&name) && !is_left(&name) {
            look.say(
                Code::LooseIdentity,
                payload.span,
                format!("no filter writes this provider's claims where the module looks for them, `{CLAIMS}{name}`: its callers have no identity"),
                format!("add to `on_request_headers` of `set_filter_state` an entry with `object_key: {CLAIMS}{name}`"),
            );
        }
    }
}

/// The payloads whose claims are written for the module. Says where something else is, or where it is too early or too late.
fn written(look: &mut Look, filters: &[Node], module: usize) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    let mut token = false;
    for (index, filter) in filters.iter().enumerate() {
        token |= kind(filter) == "jwt_authn";
        walk(filter, &mut |node| {
            let Some(key) = get(node, "object_key") else { return };
            let Some(payload) = key.text().and_then(|key| key.strip_prefix(CLAIMS)) else { return };
            let format = at(node, &["format_string", "text_format_source", "inline_string"]).and_then(Node::text);
            if format != Some(&*format!("%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:{payload})%")) {
                look.say(
                    Code::UnverifiedIdentity,
                    key.span,
                    "this is where the module looks for verified claims, and something else than jwt_authn's metadata is written there",
                    format!("write `inline_string: \"%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:{payload})%\"`"),
                );
            } else if !token || index > module {
                look.say(
                    Code::FilterOrder,
                    key.span,
                    "claims are written here before jwt_authn has left any, or behind the module: no caller has an identity",
                    "put this filter between jwt_authn and the module",
                );
            }
            left.push(payload.to_owned());
        });
    }
    left
}
