//! Whether the rules of jwt_authn ask for a token on every route that the policy governs. Envoy takes the first rule that fits a
//! request; where none does, no token is looked at.

use super::demands::{Demands, GovernedPath};
use super::field::{elements, get, head, kind, member, text, truth, unwrap, walk};
use super::look::{Look, names};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;
use fieldgate::model::Identity;

/// How many of a route's requests a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RuleShare {
    All,
    /// Some, or it is not known how many.
    Some,
    None,
}

/// What the rules come to on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenAsked {
    /// A token whose claims the policy finds.
    Fits,
    /// Nothing: the first rule is at this place.
    Nothing(Span),
    /// A token whose claims are somewhere else.
    Elsewhere(Span),
    /// No rule is for it.
    Never,
    /// Rules are for some of its requests.
    Unknown,
}

/// Judges the rules of each jwt_authn before the plugin. Routes of Envoy that choose a requirement themselves take their place, and
/// are not followed.
pub(super) fn check(look: &mut Look, before: &[Node], tables: &[&Node], demands: &Demands) {
    let mut chosen = false;
    for table in tables {
        walk(table, &mut |node| chosen |= get(node, "requirement_name").is_some());
    }
    for filter in before.iter().filter(|filter| !chosen && kind(filter) == "jwt_authn") {
        let message = get(filter, "typed_config").and_then(unwrap).map(|(_, message)| message);
        if let Some(message) = message.filter(|message| !elements(message, "rules").is_empty()) {
            rules(look, message, demands);
        }
    }
}

fn rules(look: &mut Look, message: &Node, demands: &Demands) {
    let rules = elements(message, "rules");
    let judged: Vec<(&GovernedPath, TokenAsked)> =
        demands.routes.iter().map(|route| (route, asked(message, rules, route, demands))).collect();
    let of = |wanted: &dyn Fn(TokenAsked) -> bool| {
        let routes = judged.iter().filter(|(_, asked)| wanted(*asked));
        routes.map(|(route, _)| route.name.as_str()).collect::<Vec<_>>()
    };
    let place = member(message, "rules").map_or_else(|| head(message), |member| member.key_span);
    let never = of(&|asked| asked == TokenAsked::Never);
    if !never.is_empty() {
        look.say(
            Code::LooseIdentity,
            place,
            format!("no rule is for these routes of the policy, so no token is looked at: {}; no caller has an identity there", names(never)),
            "write a last rule for all that is left: `{match: {prefix: /}, requires: {provider_name: …}}`",
        );
    }
    let mut spans: Vec<Span> = Vec::new();
    for (_, asked) in &judged {
        if let TokenAsked::Nothing(span) | TokenAsked::Elsewhere(span) = asked
            && !spans.contains(span)
        {
            spans.push(*span);
        }
    }
    for span in spans {
        let bare = of(&|asked| asked == TokenAsked::Nothing(span));
        let other = of(&|asked| asked == TokenAsked::Elsewhere(span));
        if !bare.is_empty() {
            look.say(
                Code::LooseIdentity,
                span,
                format!("this is the first rule for these routes of the policy, and asks for no token: {}; no caller has an identity there", names(bare)),
                "write `requires: {provider_name: …}`, or put it behind the rule for those routes",
            );
        }
        if !other.is_empty() {
            look.say(
                Code::LooseIdentity,
                span,
                format!("this rule asks for tokens whose claims are not where the policy looks, on: {}; no caller has an identity there", names(other)),
                "name a provider whose `payload_in_metadata` is in the policy's `identity.payload`",
            );
        }
    }
    let unknown = of(&|asked| asked == TokenAsked::Unknown);
    if !unknown.is_empty() {
        look.say(
            Code::NotedField,
            place,
            format!("the rules for these routes of the policy match by more than the beginning of a path, so whether a token is always asked for is not judged: {}", names(unknown)),
            "see to it that every request of theirs meets a rule with `requires`",
        );
    }
}

fn asked(message: &Node, rules: &[Node], route: &GovernedPath, demands: &Demands) -> TokenAsked {
    let mut some = false;
    for rule in rules {
        let Some(found) = member(rule, "match") else { return TokenAsked::Unknown };
        match share(&found.node, route) {
            RuleShare::All => {
                let requirement = get(rule, "requires").or_else(|| {
                    let name = text(rule, "requirement_name")?;
                    get(message, "requirement_map")?
                        .members()?
                        .iter()
                        .find(|one| &*one.key == name)
                        .map(|one| &one.node)
                });
                return match requirement {
                    None => TokenAsked::Nothing(found.key_span),
                    Some(requirement) if leads_elsewhere(message, requirement, demands) => {
                        TokenAsked::Elsewhere(found.key_span)
                    }
                    Some(_) => TokenAsked::Fits,
                };
            }
            RuleShare::Some => some = true,
            RuleShare::None => {}
        }
    }
    // What no rule is for, the state of another filter may choose a requirement for.
    if some || get(message, "filter_state_rules").is_some() { TokenAsked::Unknown } else { TokenAsked::Never }
}

/// Whether all providers that a requirement names leave their claims where the policy does not look.
fn leads_elsewhere(message: &Node, requirement: &Node, demands: &Demands) -> bool {
    let Some(Identity::JwtAuthn { payloads, .. }) = &demands.identity else { return false };
    let mut named = Vec::new();
    walk(requirement, &mut |node| named.extend(text(node, "provider_name")));
    let providers = get(message, "providers").and_then(Node::members).unwrap_or_default();
    let fits = |node: &Node| text(node, "payload_in_metadata").is_some_and(|own| payloads.iter().any(|one| one == own));
    let is_found = |name: &&str| providers.iter().any(|provider| &*provider.key == *name && fits(&provider.node));
    // Where none fits at all, that is said of the providers.
    let any = providers.iter().any(|provider| fits(&provider.node));
    any && !named.is_empty() && !named.iter().any(is_found)
}

/// How many of a route's requests a `RouteMatch` is for. What it has beside the path makes it "some".
fn share(matched: &Node, route: &GovernedPath) -> RuleShare {
    const PATHS: [&str; 4] = ["prefix", "path", "path_separated_prefix", "case_sensitive"];
    let loose = get(matched, "case_sensitive").and_then(truth) == Some(false);
    let folded = |text: &str| if loose { text.to_ascii_lowercase() } else { text.to_owned() };
    let own = folded(&route.head);
    let narrowed = matched
        .members()
        .unwrap_or_default()
        .iter()
        .any(|member| !PATHS.iter().any(|name| *member.key == **name || *member.key == super::field::camel(name)));
    let by = |name| text(matched, name).map(folded);
    let share = if let Some(prefix) = by("prefix") {
        begins(&own, &prefix, route)
    } else if let Some(prefix) = by("path_separated_prefix") {
        if own == prefix && route.is_whole { RuleShare::All } else { begins(&own, &format!("{prefix}/"), route) }
    } else if let Some(path) = by("path") {
        match (route.is_whole, own == path) {
            (true, true) => RuleShare::All,
            (true, false) => RuleShare::None,
            (false, _) => {
                if path.starts_with(&own) {
                    RuleShare::Some
                } else {
                    RuleShare::None
                }
            }
        }
    } else {
        RuleShare::Some
    };
    if narrowed && share == RuleShare::All { RuleShare::Some } else { share }
}

fn begins(own: &str, prefix: &str, route: &GovernedPath) -> RuleShare {
    if own.starts_with(prefix) {
        RuleShare::All
    } else if !route.is_whole && prefix.starts_with(own) {
        RuleShare::Some
    } else {
        RuleShare::None
    }
}
