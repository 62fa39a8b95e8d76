//! What a policy asks of the host that runs it.

use std::collections::BTreeSet;

use super::field::{get, head, is, text};
use super::look::Look;
use fieldgate::diagnostic::{Code, Diagnostic, Severity, Span};
use fieldgate::document::Node;
use fieldgate::model::{HeadMode, Identity, Limits, Route, RouteBody, RouteId, Scope, Store, When};
use fieldgate::policy::{self, PolicyDoc, PolicySet};

/// What a policy asks of the host that runs it.
#[derive(Debug, Clone)]
pub(super) struct Demands {
    /// Whether the head has to wait (rule 40); `None` where the policy does not check.
    pub(super) head: Option<HeadMode>,
    /// How much of a body is awaited while it does, in bytes.
    pub(super) hold: u32,
    /// Where callers come from; `None` where no policy is known.
    pub(super) identity: Option<Identity>,
    /// The variables of which one has to hold the key, the usual one first; empty where none is needed, or no policy is known.
    pub(super) keys: Vec<String>,
    /// Whether budgets or canaries are counted in Envoy's shared data (rules 36, 37): those of the rate limit service too, for
    /// what it has granted is there.
    pub(super) counts: bool,
    /// The clusters of rate limit services (rule 36), sorted.
    pub(super) services: Vec<String>,
    /// Whether requests with a body wait for such a service.
    pub(super) bodies_wait: bool,
    /// The governed routes on which a caller is given something for its token.
    pub(super) routes: Vec<GovernedPath>,
}

/// A governed route's paths, as far as what stands before their first parameter tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GovernedPath {
    /// What it is called: `GET /accounts/{id}`.
    pub(super) name: String,
    /// The path up to its first parameter.
    pub(super) head: String,
    /// Whether it has no parameter.
    pub(super) is_whole: bool,
}

impl GovernedPath {
    fn of(route: &Route) -> Self {
        let path = route.template.to_string();
        let head = path.split('{').next().unwrap_or_default().to_owned();
        Self { name: format!("{} {path}", route.method), is_whole: head == path, head }
    }
}

impl Default for Demands {
    /// What a policy asks for that does not say.
    fn default() -> Self {
        Self {
            head: Some(HeadMode::Held),
            hold: Limits::default().hold,
            identity: None,
            keys: Vec::new(),
            counts: false,
            services: Vec::new(),
            bodies_wait: false,
            routes: Vec::new(),
        }
    }
}

impl Demands {
    pub(super) fn of(policy: &PolicySet) -> Self {
        Self {
            head: Some(policy.head),
            hold: policy.limits.hold,
            identity: Some(policy.identity.clone()),
            counts: !policy.budgets.is_empty() || policy.canaries.is_some(),
            services: services(policy),
            bodies_wait: bodies_wait(policy),
            routes: policy.routes.iter().filter(|route| asks_who(policy, route)).map(GovernedPath::of).collect(),
            keys: if policy.needs_key() { policy.key_variables() } else { Vec::new() },
        }
    }

    /// Whether callers come from a token: also where no policy is known, since most do.
    pub(super) fn is_by_token(&self) -> bool {
        matches!(self.identity, None | Some(Identity::JwtAuthn { .. }))
    }
}

/// Whether a token gives a caller of a route anything: of a route that passes, or that only scopes for everybody act on, not.
fn asks_who(policy: &PolicySet, route: &Route) -> bool {
    let acts = |scope: &Scope| scope.when != When::Always && scope.areas.contains(&route.area);
    matches!(route.body, RouteBody::Governed(_)) && policy.scopes.iter().any(acts)
}

fn services(policy: &PolicySet) -> Vec<String> {
    let clusters = policy.budgets.iter().filter_map(|budget| match &budget.store {
        Store::Rls(service) => Some(service.cluster.clone()),
        Store::Local => None,
    });
    clusters.collect::<BTreeSet<_>>().into_iter().collect()
}

fn bodies_wait(policy: &PolicySet) -> bool {
    (0u16..).map(RouteId).zip(&policy.routes).any(|(id, route)| {
        let asks = policy.budgets_on(id).any(|(_, budget)| matches!(budget.store, Store::Rls(_)));
        asks && !matches!(route.method.as_str(), "GET" | "HEAD")
    })
}

/// What an embedded policy turned out to be.
enum Embedded {
    /// One that checks, and its digest.
    Policy(Box<PolicySet>, String),
    /// It does not check, and that is said.
    Broken,
    /// A placeholder that something fills in later.
    Unknown,
}

/// What the policy in an `Any` asks for: a string of JSON, or a `Struct`. `given` is for where it cannot be seen.
pub(super) fn of_any(look: &mut Look, any: &Node, given: &Demands) -> Demands {
    let Some(value) = get(any, "value") else {
        none(look, head(any), "the plugin's `configuration` is empty: it has no policy");
        return given.clone();
    };
    if is(any, "StringValue") {
        let embedded = of_text(look, value);
        demands(look, embedded, value.span, given)
    } else if is(any, "Struct") {
        let embedded = of_tree(look, value);
        demands(look, embedded, value.span, given)
    } else {
        let kind = get(any, "@type").map_or(any.span, |kind| kind.span);
        none(look, kind, "the plugin's `configuration` is neither a `StringValue` nor a `Struct`: it has no policy");
        given.clone()
    }
}

/// What a policy demands that stands in a resource as a tree.
pub(super) fn of_config(look: &mut Look, node: &Node, given: &Demands) -> Demands {
    let embedded = if node.text().is_some() { of_text(look, node) } else { of_tree(look, node) };
    demands(look, embedded, node.span, given)
}

fn demands(look: &mut Look, embedded: Embedded, place: Span, given: &Demands) -> Demands {
    match embedded {
        Embedded::Policy(policy, digest) => {
            compare(look, place, &digest);
            Demands::of(&policy)
        }
        // What it would ask for when it is mended is not known, and what it must not be is said.
        Embedded::Broken => Demands { head: None, hold: 0, ..Demands::default() },
        Embedded::Unknown => given.clone(),
    }
}

/// Says that the deployment runs another policy than those that are reviewed.
fn compare(look: &mut Look, place: Span, digest: &str) {
    if look.reviewed.is_empty() || look.reviewed.iter().any(|(_, known)| known == digest) {
        return;
    }
    let reviewed: Vec<String> = look.reviewed.iter().map(|(name, known)| format!("{name} is {known}")).collect();
    look.say(
        Code::AnotherPolicy,
        place,
        format!("the deployment runs another policy: {digest}, and {}", reviewed.join(", ")),
        "render the policy again (`fieldgate render`), or check the one that runs",
    );
}

fn of_text(look: &mut Look, node: &Node) -> Embedded {
    let Some(text) = node.text() else { return Embedded::Unknown };
    if is_placeholder(text) {
        return Embedded::Unknown;
    }
    let document = policy::json_document("policy.json", text.as_bytes());
    let checked = document.and_then(|doc| policy::check(&doc).map(|(policy, _)| (policy, policy::digest(&doc))));
    match checked {
        Ok((policy, digest)) => Embedded::Policy(Box::new(policy), digest),
        Err(found) => {
            let host = look.text(node.span).to_owned();
            for item in found.items() {
                let map = |span| within(&host, node.span, text, span);
                broken(
                    look,
                    Diagnostic {
                        span: Some(item.span.map_or(node.span, map)),
                        labels: item
                            .labels
                            .iter()
                            .cloned()
                            .map(|mut label| {
                                label.span = map(label.span);
                                label
                            })
                            .collect(),
                        ..item.clone()
                    },
                );
            }
            Embedded::Broken
        }
    }
}

fn of_tree(look: &mut Look, node: &Node) -> Embedded {
    if node.members().is_none() {
        none(look, node.span, "the plugin's configuration is not a policy");
        return Embedded::Broken;
    }
    let doc = PolicyDoc::of_tree(node.clone());
    match policy::check(&doc) {
        Ok((policy, _)) => Embedded::Policy(Box::new(policy), policy::digest(&doc)),
        Err(found) => {
            found.items().iter().cloned().for_each(|item| broken(look, item));
            Embedded::Broken
        }
    }
}

/// What is doubtful in a policy is for its own check to say; here it is about whether the plugin takes it.
fn broken(look: &mut Look, item: Diagnostic) {
    if item.severity() == Severity::Error {
        look.push(if item.help.is_some() {
            item
        } else {
            item.help("the plugin does not take this policy: check it with `fieldgate check`")
        });
    }
}

/// Whether a tree looks like a policy.
pub(super) fn is_policy(node: &Node) -> bool {
    ["language", "policy", "routes"].iter().filter(|name| get(node, name).is_some()).count() >= 2
}

/// Whether an `Any` looks as if it held a policy.
pub(super) fn holds_policy(any: &Node) -> bool {
    get(any, "value").is_some_and(is_policy)
        || text(any, "value").is_some_and(|text| text.contains("\"policy\"") && text.contains("\"routes\""))
}

/// Whether a text stands for another: `${…}` of envsubst, `{{…}}` of templates, `$(…)` of Kubernetes.
pub(super) fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    ["${", "{{", "$("].iter().any(|open| text.starts_with(open)) && !text.contains('"')
}

/// Where a part of an embedded text stands in the file: its lines are found one after another. Where they were escaped or
/// folded, the whole value.
fn within(host: &str, place: Span, text: &str, part: Span) -> Span {
    let size = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    let find = || {
        let mut from = 0_usize;
        let mut offset = 0_usize;
        for line in text.split('\n') {
            let end = offset.saturating_add(line.len());
            let found = from.saturating_add(host.get(from..)?.find(line)?);
            if size(part.start) <= end {
                let start = found.saturating_add(size(part.start).saturating_sub(offset));
                let length = size(part.end).min(end).saturating_sub(size(part.start));
                return Some((start, start.saturating_add(length)));
            }
            from = found.saturating_add(line.len());
            offset = end.saturating_add(1);
        }
        None
    };
    let shift = |at: usize| place.start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
    find().map_or(place, |(start, end)| Span { start: shift(start), end: shift(end), ..place })
}

/// Says that the plugin has no policy at all.
pub(super) fn none(look: &mut Look, place: Span, why: &str) {
    look.say(Code::MissingKey, place, why, "`fieldgate render POLICY --to envoy` writes it");
}
