//! Who the callers are, by Envoy Gateway's resources: tokens of a SecurityPolicy, certificates of a ClientTrafficPolicy or a
//! Gateway.

use super::demands::Demands;
use super::field::{at, elements, get, head, number, set, text};
use super::identity;
use super::look::Look;
use super::patches;
use super::reach;
use super::resource::{self, Resource};
use super::survey::Survey;
use fieldgate::diagnostic::{Code, Diagnostic, Span};
use fieldgate::document::Node;
use fieldgate::model::Identity;

/// Judges them.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, demands: &Demands) {
    if demands.is_by_token() {
        tokens(look, survey, demands);
    }
    if demands.identity == Some(Identity::Mtls) {
        certificates(look, survey);
    }
}

/// Envoy Gateway leaves claims under the provider's name.
fn tokens(look: &mut Look, survey: &Survey<'_>, demands: &Demands) {
    let policies: Vec<&Node> = of_kind(survey, "SecurityPolicy").map(|policy| policy.node).collect();
    let providers: Vec<&Node> = policies
        .iter()
        .flat_map(|policy| at(policy, &["spec", "jwt", "providers"]).and_then(Node::elements).unwrap_or_default())
        .collect();
    let wanted = match &demands.identity {
        Some(Identity::JwtAuthn { payloads, .. }) => Some(payloads),
        _ => None,
    };
    if let (Some(wanted), Some(first)) = (wanted, providers.first())
        && !providers
            .iter()
            .any(|provider| text(provider, "name").is_some_and(|name| wanted.iter().any(|one| one == name)))
    {
        look.say(
            Code::LooseIdentity,
            get(first, "name").map_or(first.span, |name| name.span),
            format!("Envoy Gateway leaves claims under the provider's name, and the policy looks for them under `{}`: no caller has an identity", wanted.join("`, `")),
            format!("write `name: {}`, or that name as `identity.payload` in the policy", wanted.first().map_or("", String::as_str)),
        );
    }
    for provider in &providers {
        trusted(look, survey, provider);
        keys(look, provider);
    }
    shared(look, &providers, wanted.map(Vec::as_slice));
    for policy in &policies {
        asked(look, survey, policy, !providers.is_empty());
    }
}

/// Whom a provider's tokens are from and for, how long they live, and where they are looked for.
fn trusted(look: &mut Look, survey: &Survey<'_>, provider: &Node) {
    let name = text(provider, "name").unwrap_or_default();
    let place = get(provider, "name").map_or(provider.span, |name| name.span);
    let mut loose = |what: &str, help: &str| {
        look.say(Code::LooseIdentity, place, format!("provider `{name}` {what}"), help);
    };
    if text(provider, "issuer").is_none() {
        loose("names no `issuer`: it takes tokens of any issuer that its keys verify", "write `issuer: …`");
    }
    if elements(provider, "audiences").is_empty() {
        loose(
            "names no `audiences`: a token for any other API of the issuer is taken",
            "write `audiences: [https://…]`, as this API is called in tokens",
        );
    }
    if at(provider, &["extractFrom", "params"]).is_some() {
        loose("takes tokens from the query, which ends up in logs", "write `extractFrom: {headers: …}` alone");
    }
    if !patches::requires_expiration(survey) {
        loose(
            "takes tokens that never expire, which a SecurityPolicy cannot forbid",
            "add an EnvoyPatchPolicy: `require_expiration` at `..http_filters[?(@.name=='envoy.filters.http.jwt_authn')].typed_config.providers.*`, `value: true`",
        );
    }
}

/// Whether a SecurityPolicy asks for a token; `others_do` if one of the files' does.
fn asked(look: &mut Look, survey: &Survey<'_>, policy: &Node, others_do: bool) {
    for name in ["optional", "failOpen"] {
        if let Some(span) = at(policy, &["spec", "jwt"]).and_then(|jwt| set(jwt, name)) {
            identity::no_token(look, span, &format!("`{name}: true`"));
        }
    }
    // Of a route: it takes the place of the Gateway's.
    let of_route = resource::targets(policy, &survey.resources).iter().any(|target| target.kind != "Gateway");
    let asks = at(policy, &["spec", "jwt"]).is_some() || at(policy, &["spec", "mergeType"]).is_some();
    if of_route && !asks && others_do {
        look.say(
            Code::LooseIdentity,
            resource::place(policy),
            "this SecurityPolicy takes the place of the Gateway's on its route (no `mergeType`), and asks for no token: no caller has an identity there",
            "write `mergeType: StrategicMerge`, or `jwt` here too",
        );
    }
}

/// What a provider verifies signatures by.
fn keys(look: &mut Look, provider: &Node) {
    let name = text(provider, "name").unwrap_or_default();
    let is_plain = |uri: &&Node| {
        let scheme = uri.text().and_then(|uri| uri.split_once("://")).map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("https"))
    };
    if let Some(uri) = at(provider, &["remoteJWKS", "uri"]).filter(is_plain) {
        look.say(
            Code::LooseIdentity,
            uri.span,
            format!("provider `{name}` fetches its keys without TLS: whoever answers in the issuer's place signs tokens of any caller"),
            "write `https://…`",
        );
    }
    if let Some(inline) = at(provider, &["localJWKS", "inline"]).filter(|keys| identity::is_symmetric(keys)) {
        look.say(
            Code::UnverifiedIdentity,
            inline.span,
            format!("provider `{name}` has a symmetric key written out: whoever reads this resource, or `/config_dump`, signs tokens of any caller"),
            "use the issuer's public keys: `remoteJWKS`, or `localJWKS` with those",
        );
    }
}

/// Two issuers whose providers have one name: a client of one has the name of another's.
fn shared(look: &mut Look, providers: &[&Node], wanted: Option<&[String]>) {
    for (index, provider) in providers.iter().enumerate() {
        let Some(name) = get(provider, "name") else { continue };
        let is_twin =
            |other: &&&Node| text(other, "name") == name.text() && text(other, "issuer") != text(provider, "issuer");
        let is_read = wanted.is_none_or(|wanted| wanted.iter().any(|one| name.text() == Some(one)));
        if let Some(twin) = providers.iter().take(index).find(is_twin).filter(|_| is_read) {
            let first = get(twin, "name").map_or(twin.span, |name| name.span);
            look.push(
                Diagnostic::at(
                    Code::LooseIdentity,
                    name.span,
                    format!(
                        "two issuers have a provider `{}`, under whose name their claims are left: a client of one issuer is taken for the other's of that name",
                        name.text().unwrap_or_default()
                    ),
                )
                .label(first, "the first")
                .help("give each issuer a provider's name of its own, and list both as `identity.payload` in the policy"),
            );
        }
    }
}

fn of_kind<'s, 'n>(survey: &'s Survey<'n>, kind: &'static str) -> impl Iterator<Item = &'s Resource<'n>> {
    survey.resources.iter().filter(move |resource| resource.kind == kind)
}

/// Whether anybody verifies the certificates of clients, at each listener of the Gateways that have the plugin.
fn certificates(look: &mut Look, survey: &Survey<'_>) {
    let ours = reach::gateways(survey);
    let is_ours = |policy: &&Resource<'_>| {
        resource::targets(policy.node, &survey.resources).iter().any(|target| ours.contains(target))
    };
    for policy in of_kind(survey, "ClientTrafficPolicy").filter(is_ours) {
        if let Some(validation) = at(policy.node, &["spec", "tls", "clientValidation"]) {
            validated(look, validation);
        }
    }
    for gateway in of_kind(survey, "Gateway").filter(|gateway| ours.contains(&resource::named(gateway))) {
        let listeners = at(gateway.node, &["spec", "listeners"]).and_then(Node::elements).unwrap_or_default();
        let mut told: Vec<Span> = Vec::new();
        for listener in listeners {
            let protocol = text(listener, "protocol");
            let place = get(listener, "name").map_or_else(|| head(listener), |name| name.span);
            if protocol == Some("HTTP") {
                nobody(look, place, "this listener has no TLS");
            } else if protocol == Some("HTTPS") {
                by_gateway(look, survey, gateway, listener, place, &mut told);
            }
        }
    }
}

fn nobody(look: &mut Look, place: Span, why: &str) {
    look.say(
        Code::LooseIdentity,
        place,
        format!("the policy takes callers from certificates, and {why}: nobody has an identity"),
        "add a ClientTrafficPolicy with `tls: {clientValidation: {caCertificateRefs: …}}` for a listener with TLS",
    );
}

/// What a ClientTrafficPolicy says of certificates.
fn validated(look: &mut Look, validation: &Node) {
    match get(validation, "mode").map(|mode| (mode.span, mode.text().unwrap_or_default())) {
        Some((span, word @ ("Request" | "RequireAny"))) => unverified(look, span, word, "RequireAndVerify"),
        Some((span, "VerifyIfGiven")) => no_certificate(look, span, "`mode: VerifyIfGiven`"),
        Some(_) => {}
        None => {
            if let Some(span) = set(validation, "optional") {
                no_certificate(look, span, "`optional: true`");
            }
        }
    }
}

fn unverified(look: &mut Look, span: Span, word: &str, instead: &str) {
    look.say(
        Code::UnverifiedIdentity,
        span,
        format!("`mode: {word}`: a caller is whoever its certificate says, whoever issued it"),
        format!("write `{instead}`"),
    );
}

fn no_certificate(look: &mut Look, span: Span, what: &str) {
    look.say(
        Code::NoTokenNeeded,
        span,
        format!(
            "{what}: a client without a certificate reaches the plugin, and gets what the policy gives to everybody"
        ),
        "if nobody is to get anything without a certificate, write `mode: RequireAndVerify`",
    );
}

/// A listener with TLS: what its ClientTrafficPolicy says is judged there, and takes the place of what the Gateway says.
fn by_gateway(
    look: &mut Look,
    survey: &Survey<'_>,
    gateway: &Resource<'_>,
    listener: &Node,
    place: Span,
    told: &mut Vec<Span>,
) {
    let name = resource::named(gateway);
    let on = |policy: &&Resource<'_>| resource::targets(policy.node, &survey.resources).contains(&name);
    let policies: Vec<&Node> = of_kind(survey, "ClientTrafficPolicy").filter(on).map(|policy| policy.node).collect();
    if policies.iter().any(|policy| at(policy, &["spec", "tls", "clientValidation"]).is_some()) {
        return;
    }
    let frontend = at(gateway.node, &["spec", "tls", "frontend"]);
    let port = get(listener, "port").and_then(number);
    let of_port = frontend.map(|frontend| elements(frontend, "perPort")).unwrap_or_default();
    let own = of_port.iter().find(|one| get(one, "port").and_then(number) == port);
    let tls = own.map_or_else(|| frontend.and_then(|frontend| get(frontend, "default")), |own| get(own, "tls"));
    match tls.and_then(|tls| get(tls, "validation")) {
        Some(validation) => {
            let mode = get(validation, "mode").filter(|mode| mode.text() == Some("AllowInsecureFallback"));
            if let Some(mode) = mode.filter(|mode| !told.contains(&mode.span)) {
                told.push(mode.span);
                unverified(look, mode.span, "AllowInsecureFallback", "AllowValidOnly");
            }
        }
        // Another file may have a policy for it.
        None if policies.is_empty() => {}
        None => nobody(look, place, "nobody asks clients of this listener for one"),
    }
}
