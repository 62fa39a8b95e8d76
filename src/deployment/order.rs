//! The order of HTTP filters. Requests go through them as they are listed, responses the other way: what stands before the
//! plugin in the list gets the response after it, and can answer without it.

use super::Look;
use super::demands::Demands;
use super::field::{get, head, set, text, unwrap};
use crate::diagnostic::{Code, Diagnostic};
use crate::policy::Node;

/// Filters that answer, if at all, with a refusal or a redirection of their own, and change no body. They may stand before
/// the plugin: authentication, limits, and what only adds to a request.
const HARMLESS: [&str; 42] = [
    "adaptive_concurrency",
    "admission_control",
    "alpn",
    "api_key_auth",
    "aws_request_signing",
    "bandwidth_limit",
    "bandwidth_share",
    "basic_auth",
    "buffer",
    "cdn_loop",
    "compressor",
    "connect_grpc_bridge",
    "cors",
    "credential_injector",
    "csrf",
    "ext_authz",
    "fault",
    "file_system_buffer",
    "gcp_authn",
    "geoip",
    "grpc_http1_bridge",
    "grpc_stats",
    "grpc_web",
    "header_mutation",
    "header_to_metadata",
    "health_check",
    "ip_tagging",
    "json_to_metadata",
    "jwt_authn",
    "kill_request",
    "local_ratelimit",
    "oauth2",
    "on_demand",
    "original_src",
    "rate_limit_quota",
    "ratelimit",
    "rbac",
    "set_filter_state",
    "set_metadata",
    "stateful_session",
    "tap",
    "thrift_to_metadata",
];

/// Filters that make or keep responses, and what comes of that before the plugin.
const ORIGINATING: [(&str, &str); 7] = [
    ("aws_lambda", "what the function returns is not filtered"),
    ("cache", "it keeps what the plugin made for one caller and gives it to another"),
    ("cache_v2", "it keeps what the plugin made for one caller and gives it to another"),
    ("file_server", "the files that it answers with are not filtered"),
    ("grpc_http1_reverse_bridge", "what it makes of a response is not filtered"),
    ("grpc_json_reverse_transcoder", "what it makes of a response is not filtered"),
    ("grpc_json_transcoder", "the plugin sees gRPC, which it refuses, and not the JSON that callers get"),
];

/// What kind of filter it is: `jwt_authn` of `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`, or of
/// `envoy.filters.http.jwt_authn` where its configuration is elsewhere.
pub(super) fn kind(filter: &Node) -> &str {
    let typed = get(filter, "typed_config").and_then(unwrap).map(|(name, _)| name);
    let of_type = typed.and_then(|name| name.split_once(".filters.http.")).and_then(|(_, rest)| rest.split('.').next());
    let name = text(filter, "name").unwrap_or_default();
    of_type.or(typed).unwrap_or_else(|| name.strip_prefix("envoy.filters.http.").unwrap_or(name))
}

/// Judges what stands on which side of the plugin, which is the filter at `plugin`.
pub(super) fn check(look: &mut Look, filters: &[Node], plugin: usize, demands: &Demands) {
    let (before, behind) = filters.split_at(plugin.min(filters.len()));
    let place = behind.first().map(head);
    let shown = |filter| text(filter, "name").unwrap_or_else(|| kind(filter)).to_owned();
    for filter in before.iter().filter(|filter| set(filter, "disabled").is_none()) {
        let (kind, name) = (kind(filter), shown(filter));
        if let Some((_, why)) = ORIGINATING.iter().find(|(known, _)| *known == kind) {
            let finding =
                Diagnostic::at(Code::FilterOrder, head(filter), format!("`{name}` stands before the plugin: {why}"));
            let finding = place.into_iter().fold(finding, |finding, place| finding.label(place, "the plugin"));
            look.push(finding.help("put it behind the plugin in `http_filters`"));
        } else if kind == "decompressor" {
            look.say(
                Code::FilterBefore,
                head(filter),
                format!("`{name}` stands before the plugin, which gets bodies as they are encoded, and refuses those"),
                "put it behind the plugin in `http_filters`",
            );
        } else if !HARMLESS.contains(&kind) && !kind.starts_with("istio") && !kind.starts_with("io.istio.") {
            look.say(
                Code::FilterBefore,
                head(filter),
                format!("`{name}` stands before the plugin: what it answers with is not filtered"),
                "put it behind the plugin, or see to it that it answers with nothing of a customer's",
            );
        }
    }
    for filter in behind.iter().skip(1).filter(|filter| kind(filter) == "jwt_authn" && demands.is_by_token()) {
        let finding = Diagnostic::at(
            Code::FilterOrder,
            head(filter),
            format!("`{}` stands behind the plugin: no caller has an identity yet when the plugin asks", shown(filter)),
        );
        let finding = place.into_iter().fold(finding, |finding, place| finding.label(place, "the plugin"));
        look.push(finding.help("put it before the plugin in `http_filters`"));
    }
}
