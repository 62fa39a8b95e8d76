//! Who is asking (rule 7): whether the host leaves a caller's identity where the policy looks for it, and has verified it.

use super::Look;
use super::demands::Demands;
use super::field::{at, elements, get, head, is, is_enumerator, member, set, text, unwrap, walk};
use super::order::kind;
use super::survey::Manager;
use crate::diagnostic::{Code, Span};
use crate::policy::Node;
use crate::policy::model::Identity;

/// Where jwt_authn leaves claims, and the policy looks for them.
const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// Filters that write metadata of whatever a request says.
const WRITERS: [&str; 5] =
    ["header_to_metadata", "json_to_metadata", "set_metadata", "sse_to_metadata", "thrift_to_metadata"];

/// Judges the filters before the plugin, which stands at `place`, and the certificates of the filter chain.
pub(super) fn check(look: &mut Look, manager: &Manager<'_>, plugin: usize, place: Span, demands: &Demands) {
    let filters = elements(manager.node, "http_filters");
    if demands.is_by_token() {
        let mut verified = false;
        for (index, filter) in filters.iter().enumerate().filter(|(_, filter)| kind(filter) == "jwt_authn") {
            verified |= index < plugin;
            if let Some((_, message)) = get(filter, "typed_config").and_then(unwrap) {
                tokens(look, message, demands);
            }
        }
        // One behind the plugin is said where the order is judged.
        let anywhere = filters.iter().any(|filter| kind(filter) == "jwt_authn");
        if !verified && !anywhere && matches!(demands.identity, Some(Identity::JwtAuthn { .. })) {
            look.say(
                Code::LooseIdentity,
                place,
                "the policy takes callers from jwt_authn, and no such filter stands before the plugin: nobody has an identity",
                "put `envoy.filters.http.jwt_authn` before the plugin, or name another `identity.source` in the policy",
            );
        }
        filters.iter().for_each(|filter| forged(look, filter));
    }
    if let (Some(Identity::Mtls), Some(chain)) = (&demands.identity, manager.chain) {
        certificates(look, chain);
    }
}

/// A filter that writes where jwt_authn does makes an identity of something that nobody signed.
fn forged(look: &mut Look, filter: &Node) {
    if !WRITERS.contains(&kind(filter)) {
        return;
    }
    walk(filter, &mut |node| {
        if let Some(found) = get(node, "metadata_namespace").filter(|found| found.text() == Some(NAMESPACE)) {
            look.say(
                Code::UnverifiedIdentity,
                found.span,
                format!(
                    "`{}` writes where the policy looks for verified claims",
                    text(filter, "name").unwrap_or_default()
                ),
                "write to a namespace of its own",
            );
        }
    });
}

/// jwt_authn's own configuration.
pub(super) fn tokens(look: &mut Look, message: &Node, demands: &Demands) {
    let wanted = match &demands.identity {
        Some(Identity::JwtAuthn { payload, .. }) => Some(payload.as_str()),
        _ => None,
    };
    let providers = get(message, "providers").and_then(Node::members).unwrap_or_default();
    let payload = |provider| text(provider, "payload_in_metadata");
    let fits = |provider| match wanted {
        Some(wanted) => payload(provider) == Some(wanted),
        None => payload(provider).is_some(),
    };
    if let (Some(first), false) = (providers.first(), providers.iter().any(|provider| fits(&provider.node))) {
        let place = get(&first.node, "payload_in_metadata").map_or(first.key_span, |node| node.span);
        let (what, name) = match wanted {
            Some(wanted) => (format!(" where the policy looks for it: `identity.payload` is `{wanted}`"), wanted),
            None => (" in the metadata, where a policy looks for it".to_owned(), "verified_jwt"),
        };
        look.say(
            Code::LooseIdentity,
            place,
            format!("no provider leaves its payload{what}"),
            format!("write `payload_in_metadata: {name}`: else nobody has an identity"),
        );
    }
    for provider in providers.iter().filter(|provider| set(&provider.node, "require_expiration").is_none()) {
        let place = get(&provider.node, "require_expiration").map_or(provider.key_span, |node| node.span);
        look.say(
            Code::LooseIdentity,
            place,
            format!("provider `{}` takes tokens that never expire", provider.key),
            "write `require_expiration: true`",
        );
    }
    let rules = elements(message, "rules");
    let mapped = get(message, "requirement_map").is_some();
    if rules.is_empty() && !mapped && !providers.is_empty() {
        let place = member(message, "providers").map_or_else(|| head(message), |member| member.key_span);
        look.say(
            Code::LooseIdentity,
            place,
            "no rule asks for a token, so none is looked at: nobody has an identity",
            "write `rules: [{match: {prefix: /}, requires: {provider_name: …}}]`",
        );
    }
    for rule in rules {
        let asks = ["requires", "requirement_name"].iter().any(|name| get(rule, name).is_some());
        if let (false, Some(found)) = (asks, member(rule, "match")) {
            no_token(look, found.key_span, "a rule without `requires`");
        }
    }
    walk(message, &mut |node| {
        for name in ["allow_missing", "allow_missing_or_failed"] {
            if let Some(found) = member(node, name) {
                no_token(look, found.key_span, &format!("`{name}`"));
            }
        }
        if let Some(found) = member(node, "extract_only_without_validation") {
            look.say(
                Code::UnverifiedIdentity,
                found.key_span,
                "`extract_only_without_validation`: a caller is whoever a token says, whoever wrote it",
                "take it out, and name a provider: `provider_name: …`",
            );
        }
    });
}

/// Notes that a request needs no token.
pub(super) fn no_token(look: &mut Look, span: Span, what: &str) {
    look.say(
        Code::NoTokenNeeded,
        span,
        format!("{what}: a request without a token reaches the plugin, and gets what the policy gives to everybody"),
        "if nobody is to get anything without a token, ask for one here",
    );
}

/// The certificates of a filter chain's clients.
fn certificates(look: &mut Look, chain: &Node) {
    let typed = at(chain, &["transport_socket", "typed_config"]);
    let mut context = typed.filter(|typed| is(typed, "DownstreamTlsContext"));
    if let Some(quic) = typed.filter(|typed| is(typed, "QuicDownstreamTransport")) {
        context = get(quic, "downstream_tls_context");
    }
    let Some(context) = context.and_then(|context| unwrap(context).map(|(_, message)| message).or(Some(context)))
    else {
        if get(chain, "transport_socket").is_none() {
            look.say(
                Code::LooseIdentity,
                head(chain),
                "the policy takes callers from certificates, and this filter chain has no TLS: nobody has an identity",
                "give it a `transport_socket` with `require_client_certificate: true` and a `trusted_ca`",
            );
        }
        return;
    };
    let required = set(context, "require_client_certificate");
    if required.is_none() {
        let place = get(context, "require_client_certificate").map_or_else(|| head(context), |node| node.span);
        look.say(
            Code::NoTokenNeeded,
            place,
            "`require_client_certificate` is not true: a client without a certificate reaches the plugin, and gets what the policy gives to everybody",
            "if nobody is to get anything without a certificate, write `require_client_certificate: true`",
        );
    }
    let common = get(context, "common_tls_context");
    let own = common.and_then(|common| get(common, "validation_context"));
    let combined = common.and_then(|common| get(common, "combined_validation_context"));
    let validation = own.or_else(|| combined.and_then(|node| get(node, "default_validation_context")));
    // envoy/extensions/transport_sockets/tls/v3/common.proto
    let lenient = |node: &&Node| is_enumerator(node, "ACCEPT_UNTRUSTED", 1);
    if let Some(found) = validation.and_then(|node| get(node, "trust_chain_verification")).filter(lenient) {
        unverified(look, found.span, "`trust_chain_verification: ACCEPT_UNTRUSTED`");
        return;
    }
    let discovered = combined.or_else(|| common.and_then(|common| get(common, "validation_context_sds_secret_config")));
    let anchors = [
        "trusted_ca",
        "ca_certificate_provider_instance",
        "system_root_certs",
        "custom_validator_config",
        "verify_certificate_spki",
        "verify_certificate_hash",
    ];
    let anchored = own.is_some_and(|own| anchors.iter().any(|name| get(own, name).is_some()));
    if let (Some(span), None, false) = (required, discovered, anchored) {
        unverified(look, span, "a client certificate is asked for, and no `trusted_ca` to verify it by");
    }
}

fn unverified(look: &mut Look, span: Span, what: &str) {
    look.say(
        Code::UnverifiedIdentity,
        span,
        format!("{what}: a caller is whoever its certificate says, whoever issued it"),
        "name the issuer: `validation_context: {trusted_ca: …}`",
    );
}
