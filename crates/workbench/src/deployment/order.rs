//! The filters on either side of the plugin. Requests go through them as they are listed, responses the other way: what is
//! listed before the plugin gets the response after it, and can answer without it; what is listed after the plugin gets the
//! request as the policy has matched it, and the response unfiltered.
//!
//! For each side those are listed that are known to be harmless there. Any other is said.

use super::demands::Demands;
use super::field::{at, elements, get, head, kind, set, text, unwrap};
use super::headers::{self, Side};
use super::look::Look;
use super::{identity, printed, recognise};
use fieldgate::diagnostic::{Code, Diagnostic, Span};
use fieldgate::document::Node;

/// Harmless on both sides: they authenticate, limit, count or refuse, and change neither a body nor what is asked for.
const EITHER: [&str; 34] = [
    "adaptive_concurrency",
    "admission_control",
    "alpn",
    "api_key_auth",
    "aws_request_signing",
    "bandwidth_limit",
    "bandwidth_share",
    "basic_auth",
    "body_size_limit",
    "buffer",
    "cdn_loop",
    "connect_grpc_bridge",
    "cors",
    "credential_injector",
    "csrf",
    "fault",
    "file_system_buffer",
    "gcp_authn",
    "geoip",
    "grpc_field_extraction",
    "grpc_http1_bridge",
    "grpc_stats",
    "grpc_web",
    "health_check",
    "ip_tagging",
    "local_ratelimit",
    "oauth2",
    "on_demand",
    "original_src",
    "rate_limit_quota",
    "ratelimit",
    "rbac",
    "set_filter_state",
    "stateful_session",
];

/// Harmless before the plugin only.
const BEFORE: [&str; 4] = [
    "compressor",
    // Behind the plugin its service may write the query and any header.
    "ext_authz",
    "jwt_authn",
    "set_metadata",
];

/// Harmless after the plugin only: what they answer with, it filters.
const AFTER: [&str; 12] = [
    "aws_lambda",
    "cache",
    "cache_v2",
    "decompressor",
    "file_server",
    "grpc_http1_reverse_bridge",
    "grpc_json_reverse_transcoder",
    "grpc_json_transcoder",
    // Said where the order is judged, by whether callers come from it.
    "jwt_authn",
    "router",
    "set_metadata",
    "upstream_codec",
];

/// Filters that Istio puts in, by their names or types.
const ISTIO: [&str; 9] = [
    "istio.alpn",
    "istio.metadata_exchange",
    "istio.peer_metadata",
    "istio.stats",
    "istio_authn",
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    "io.istio.http.peer_metadata.Config",
    "stats.PluginConfig",
    "io.istio.stats.Config",
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

fn shown(filter: &Node) -> String {
    text(filter, "name").unwrap_or_else(|| kind(filter)).to_owned()
}

/// Judges what is on which side of the plugin, which is the filter at `plugin`. `is_used` says whether a filter that is off by
/// default is turned on anywhere.
pub(super) fn check(
    look: &mut Look,
    filters: &[Node],
    plugin: usize,
    demands: &Demands,
    is_used: &dyn Fn(&str) -> bool,
) {
    let (before, rest) = filters.split_at(plugin.min(filters.len()));
    let place = rest.first().map(head);
    let used = |filter: &&Node| set(filter, "disabled").is_none() || is_used(text(filter, "name").unwrap_or_default());
    for filter in before.iter().filter(used) {
        earlier(look, filter, place);
    }
    for filter in rest.iter().skip(1).filter(used) {
        if kind(filter) == "jwt_authn" && demands.is_by_token() {
            let said = format!(
                "`{}` stands behind the plugin: no caller has an identity yet when the plugin asks",
                shown(filter)
            );
            order(look, filter, place, said, "put it before the plugin in `http_filters`");
        }
        later(look, filter);
    }
}

fn order(look: &mut Look, filter: &Node, place: Option<Span>, said: String, help: &str) {
    let finding = Diagnostic::at(Code::FilterOrder, head(filter), said);
    let finding = place.into_iter().fold(finding, |finding, place| finding.label(place, "the plugin"));
    look.push(finding.help(help));
}

/// A filter before the plugin, which is at `place` if that is known.
pub(super) fn earlier(look: &mut Look, filter: &Node, place: Option<Span>) {
    let (kind, name) = (kind(filter), shown(filter));
    let message = get(filter, "typed_config").and_then(unwrap).map(|(_, message)| message);
    if let Some((_, why)) = ORIGINATING.iter().find(|(known, _)| *known == kind) {
        let said = format!("`{name}` stands before the plugin: {why}");
        order(look, filter, place, said, "put it behind the plugin in `http_filters`");
    } else if kind == "router" {
        let said = format!("`{name}` stands before the plugin: it answers, and the plugin never runs");
        order(look, filter, place, said, "put the plugin before it in `http_filters`");
    } else if kind == "decompressor" {
        look.say(
            Code::FilterBefore,
            head(filter),
            format!("`{name}` stands before the plugin, which gets bodies as they are encoded, and refuses those"),
            "put it behind the plugin in `http_filters`",
        );
    } else if kind == "header_mutation" {
        message.into_iter().for_each(|message| headers::filter(look, message, Side::Before));
    } else if !is_harmless(kind, &BEFORE) && !is_metadata_reader(kind) && kind != "tap" {
        look.say(
            Code::FilterBefore,
            head(filter),
            format!("`{name}` stands before the plugin: what it answers with is not filtered"),
            "put it behind the plugin, or see to it that it answers with nothing of a customer's",
        );
    }
}

/// A filter between the plugin and the upstream, in the list or in the upstream's own.
pub(super) fn later(look: &mut Look, filter: &Node) {
    let (kind, name) = (kind(filter), shown(filter));
    let message = get(filter, "typed_config").and_then(unwrap).map(|(_, message)| message);
    if is_metadata_reader(kind) {
        let rules = message.and_then(|message| get(message, "response_rules"));
        let reads = kind == "sse_to_metadata" || kind == "thrift_to_metadata" || rules.is_some();
        if reads {
            look.say(
                Code::Unfiltered,
                rules.map_or_else(|| head(filter), head),
                format!("`{name}` copies parts of responses that the plugin has not filtered into metadata, where other filters and access logs read them"),
                "take `response_rules` out, or put the filter before the plugin",
            );
        }
    } else if kind == "header_mutation" {
        message.into_iter().for_each(|message| headers::filter(look, message, Side::After));
    } else if kind == "compressor" {
        look.say(
            Code::NotedField,
            head(filter),
            format!("`{name}` is behind the plugin, which asks for bodies that are not encoded: nothing is compressed"),
            "put it before the plugin in `http_filters`",
        );
    } else if kind == "router" {
        if let Some(message) = message {
            super::message::check(look, message, &super::tables::ROUTER);
            elements(message, "upstream_http_filters").iter().for_each(|filter| later(look, filter));
            printed::upstream_logs(look, elements(message, "upstream_log"));
        }
    } else if !is_harmless(kind, &AFTER) && kind != "tap" && recognise::config_of(filter).is_none() {
        look.say(
            Code::FilterBehind,
            head(filter),
            format!("`{name}` stands behind the plugin: it can change what the upstream is asked for after the policy has matched it, and reads what is not filtered"),
            "put it before the plugin, or see to it that it changes no path, method or query, keeps nothing of a response, and hands it on as it comes",
        );
    }
}

/// A filter of which it is not known on which side of the plugin it ends up.
pub(super) fn somewhere(look: &mut Look, filter: &Node) {
    let kind = kind(filter);
    if kind != "compressor" && is_harmless(kind, &BEFORE) {
        return;
    }
    later(look, filter);
}

/// The settings that a level of routes has for filters of the list.
pub(super) fn settings(look: &mut Look, filters: &[Node], plugin: usize, level: &Node) {
    for member in get(level, "typed_per_filter_config").and_then(Node::members).unwrap_or_default() {
        let found = filters.iter().position(|filter| text(filter, "name") == Some(&*member.key));
        let Some((side, filter)) = found
            .and_then(|index| Some((if index < plugin { Side::Before } else { Side::After }, filters.get(index)?)))
        else {
            continue;
        };
        let inner = at(&member.node, &["config"]).unwrap_or(&member.node);
        match kind(filter) {
            "header_mutation" => headers::filter(look, inner, side),
            "jwt_authn" => {
                if let Some(span) = set(&member.node, "disabled").or_else(|| set(inner, "disabled")) {
                    identity::no_token(look, span, "jwt_authn is turned off here");
                }
            }
            _ => {}
        }
    }
}

fn is_harmless(kind: &str, side: &[&str]) -> bool {
    EITHER.contains(&kind) || side.contains(&kind) || ISTIO.contains(&kind)
}

fn is_metadata_reader(kind: &str) -> bool {
    matches!(kind, "header_to_metadata" | "json_to_metadata" | "sse_to_metadata" | "thrift_to_metadata")
}
