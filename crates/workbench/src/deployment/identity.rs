//! Who is asking (rule 7): whether the host leaves a caller's identity where the policy looks for it, and has verified it.

use super::demands::Demands;
use super::field::{at, elements, get, head, is, is_enumerator, kind, member, number, set, text, unwrap, walk};
use super::look::Look;
use super::survey::{Manager, Survey};
use super::{message, tables};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::{Member, Node};
use fieldgate::model::Identity;

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

/// Filters that stand in no connection manager: patches, and files to be put into one.
pub(super) fn unplaced(look: &mut Look, survey: &Survey<'_>, demands: &Demands) {
    for (filter, _) in survey.loose.iter().filter(|_| demands.is_by_token()) {
        forged(look, filter);
    }
}

/// A filter that writes where jwt_authn does makes an identity of something that nobody signed.
fn forged(look: &mut Look, filter: &Node) {
    let (writes, is_processor) = (WRITERS.contains(&kind(filter)), kind(filter) == "ext_proc");
    if !writes && !is_processor {
        return;
    }
    let is_it = |node: &&Node| node.text() == Some(NAMESPACE);
    walk(filter, &mut |node| {
        let own = get(node, "metadata_namespace").filter(|_| writes);
        // What a processor answers with may be written there.
        let received = get(node, "receiving_namespaces").filter(|_| is_processor);
        let received = received.map(|received| elements(received, "untyped")).unwrap_or_default();
        if let Some(found) = own.into_iter().chain(received).find(is_it) {
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
        Some(Identity::JwtAuthn { payloads, .. }) => Some(payloads.as_slice()),
        _ => None,
    };
    let providers = get(message, "providers").and_then(Node::members).unwrap_or_default();
    left(look, providers, wanted);
    for provider in providers.iter().filter(|provider| set(&provider.node, "require_expiration").is_none()) {
        let place = get(&provider.node, "require_expiration").map_or(provider.key_span, |node| node.span);
        look.say(
            Code::LooseIdentity,
            place,
            format!("provider `{}` takes tokens that never expire", provider.key),
            "write `require_expiration: true`",
        );
    }
    for provider in providers {
        trusted(look, provider);
        carried(look, provider);
        signed(look, provider);
    }
    shared(look, providers, wanted);
    message::check(look, message, &tables::TOKENS);
    let has_rules = !elements(message, "rules").is_empty() || get(message, "requirement_map").is_some();
    if !has_rules && !providers.is_empty() {
        let place = member(message, "providers").map_or_else(|| head(message), |member| member.key_span);
        look.say(
            Code::LooseIdentity,
            place,
            "no rule asks for a token, so none is looked at: nobody has an identity",
            "write `rules: [{match: {prefix: /}, requires: {provider_name: …}}]`",
        );
    }
    lenient(look, message);
}

/// Whether a provider leaves its payload in the metadata, where the policy looks for it.
fn left(look: &mut Look, providers: &[Member], wanted: Option<&[String]>) {
    let payload = |provider| text(provider, "payload_in_metadata");
    let fits = |provider| match wanted {
        Some(wanted) => payload(provider).is_some_and(|own| wanted.iter().any(|one| one == own)),
        None => payload(provider).is_some(),
    };
    if let (Some(first), false) = (providers.first(), providers.iter().any(|provider| fits(&provider.node))) {
        let place = get(&first.node, "payload_in_metadata").map_or(first.key_span, |node| node.span);
        let (what, name) = match wanted {
            Some(wanted) => (
                format!(" where the policy looks for it: `identity.payload` is `{}`", wanted.join("`, `")),
                wanted.first().map_or("", String::as_str),
            ),
            None => (" in the metadata, where a policy looks for it".to_owned(), "verified_jwt"),
        };
        look.say(
            Code::LooseIdentity,
            place,
            format!("no provider leaves its payload{what}"),
            format!("write `payload_in_metadata: {name}`: else nobody has an identity"),
        );
    }
}

/// What lets a request without a token pass, or one whose token nobody verified.
fn lenient(look: &mut Look, message: &Node) {
    for rule in elements(message, "rules") {
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

/// The largest difference between clocks that is no evasion of `exp`, in seconds. Envoy's default is 60.
const MAX_SKEW: u64 = 300;

/// Whom a provider's tokens are from and for, and how long they live.
fn trusted(look: &mut Look, provider: &Member) {
    let (node, name) = (&provider.node, &provider.key);
    message::check(look, node, &tables::PROVIDER);
    if text(node, "issuer").is_none_or(str::is_empty) {
        loose(
            look,
            provider.key_span,
            format!("provider `{name}` names no `issuer`: it takes tokens of any issuer that its keys verify"),
            "write `issuer: …`",
        );
    }
    if elements(node, "audiences").is_empty() {
        loose(
            look,
            provider.key_span,
            format!("provider `{name}` names no `audiences`: a token for any other API of the issuer is taken"),
            "write `audiences: [https://…]`, as this API is called in tokens",
        );
    }
    if let Some(skew) = get(node, "clock_skew_seconds").filter(|skew| number(skew).is_none_or(|skew| skew > MAX_SKEW)) {
        loose(
            look,
            skew.span,
            format!("provider `{name}` takes tokens so long after they expired"),
            "write 60, the default, or less",
        );
    }
}

/// Where in a request a provider looks for tokens, and what else it writes where it leaves their claims.
fn carried(look: &mut Look, provider: &Member) {
    let (node, name) = (&provider.node, &provider.key);
    if let Some(found) = member(node, "from_params") {
        loose(
            look,
            found.key_span,
            format!("provider `{name}` takes tokens from the query, which ends up in logs"),
            "take it out, and write `from_headers`",
        );
    } else if !["from_headers", "from_cookies"].iter().any(|field| get(node, field).is_some()) {
        look.say(
            Code::NotedField,
            provider.key_span,
            format!("provider `{name}` also takes `?access_token=`, which is the default and ends up in logs"),
            "write `from_headers: [{name: authorization, value_prefix: \"Bearer \"}]`",
        );
    }
    let payload = text(node, "payload_in_metadata");
    for field in ["header_in_metadata", "failed_status_in_metadata"] {
        if let Some(found) = get(node, field).filter(|found| payload.is_some() && found.text() == payload) {
            loose(
                look,
                found.span,
                format!("provider `{name}` writes something else where its claims are: `{field}`"),
                "give it a name of its own",
            );
        }
    }
}

/// What a provider verifies signatures by.
fn signed(look: &mut Look, provider: &Member) {
    let name = &provider.key;
    let written = at(&provider.node, &["local_jwks", "inline_string"]);
    if let Some(written) = written.filter(|keys| is_symmetric(keys)) {
        look.say(
            Code::UnverifiedIdentity,
            written.span,
            format!("provider `{name}` has a symmetric key written out: whoever reads this file, or `/config_dump`, signs tokens of any caller"),
            "use the issuer's public keys: `remote_jwks`, or `local_jwks` with a file",
        );
    }
}

/// Whether keys that are written out have a symmetric one: whoever reads it can sign.
pub(super) fn is_symmetric(keys: &Node) -> bool {
    let text: String = keys.text().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    text.contains("\"kty\":\"oct\"")
}

fn loose(look: &mut Look, span: Span, message: String, help: &str) {
    look.say(Code::LooseIdentity, span, message, help);
}

/// Two issuers whose claims come to one place: a client of one has the name of another's.
fn shared(look: &mut Look, providers: &[Member], wanted: Option<&[String]>) {
    for (index, provider) in providers.iter().enumerate() {
        let Some(payload) = get(&provider.node, "payload_in_metadata") else { continue };
        let issuer = text(&provider.node, "issuer");
        let is_twin = |other: &&Member| {
            text(&other.node, "payload_in_metadata") == payload.text() && text(&other.node, "issuer") != issuer
        };
        let twin = providers.iter().take(index).find(is_twin);
        if let Some(twin) =
            twin.filter(|_| wanted.is_none_or(|wanted| wanted.iter().any(|one| payload.text() == Some(one))))
        {
            loose(
                look,
                payload.span,
                format!(
                    "providers `{}` and `{}` leave their payloads in one place: a client of one issuer is taken for the other's of that name",
                    twin.key, provider.key
                ),
                "give each issuer a payload of its own",
            );
        }
    }
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
