//! Whether what monitors the plugin finds its metrics: labels that something takes out of their names, and the gate's own
//! counter.

use super::field::{at, elements, get, head, member, set, text, unwrap, walk};
use super::look::{Look, names};
use super::recognise::Carrier;
use super::resource;
use super::survey::Survey;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;
use fieldgate::report::METRICS;

/// What the shipped alerts know the gate's refusals by.
const COUNTER: &str = "fieldgate_gate";

/// The setting without which the names of a module's metrics have a prefix of Envoy's.
pub(super) const PLAIN_NAMES: &str = "envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix";

/// The labels of the plugin's metrics, each once.
#[must_use]
pub fn labels() -> Vec<&'static str> {
    METRICS.iter().flat_map(|metric| metric.labels).fold(Vec::new(), |mut all, label| {
        if !all.contains(label) {
            all.push(label);
        }
        all
    })
}

/// Judges the counter of a filter that is a gate.
pub(super) fn gate(look: &mut Look, filter: &Node) {
    let config = get(filter, "typed_config").and_then(unwrap).map(|(_, message)| message);
    let Some(config) = config else { return };
    let prefix = get(config, "rules_stat_prefix");
    if prefix.and_then(Node::text).is_some_and(|prefix| prefix.trim_end_matches('.') == COUNTER) {
        return;
    }
    look.say(
        Code::LostMetric,
        prefix.map_or_else(|| head(filter), |prefix| prefix.span),
        "what this gate refuses is not counted as `fieldgate_gate`: the alert that the plugin is missing never fires",
        "write `rules_stat_prefix: fieldgate_gate.`",
    );
}

/// Judges each bootstrap of a deployment, in which the core runs by these carriers.
pub(super) fn bootstraps(look: &mut Look, survey: &Survey<'_>, carriers: &[Carrier]) {
    let mut found = Vec::new();
    for document in &survey.documents {
        walk(document, &mut |node| found.extend(is_bootstrap(node).then_some(node)));
    }
    for bootstrap in found {
        if carriers.contains(&Carrier::Plugin) {
            tags(look, bootstrap);
        }
        if !carriers.is_empty() {
            kept(look, survey, bootstrap);
        }
        if carriers.contains(&Carrier::Module) {
            prefix(look, bootstrap);
        }
    }
}

/// Whether a message is a bootstrap, with listeners or a way to them, and not some clusters of one.
fn is_bootstrap(node: &Node) -> bool {
    at(node, &["static_resources", "listeners"]).is_some()
        || get(node, "static_resources").is_some() && get(node, "dynamic_resources").is_some()
}

/// Envoy knows no labels of a plugin's metrics: patterns take them out of the names.
fn tags(look: &mut Look, bootstrap: &Node) {
    let taken = at(bootstrap, &["stats_config", "stats_tags"]).and_then(Node::elements).unwrap_or_default();
    let place = member(bootstrap, "stats_config").map_or_else(|| head(bootstrap), |member| member.key_span);
    untaken(
        look,
        place,
        |label| taken.iter().any(|tag| takes(tag, label)),
        "`fieldgate render POLICY --to envoy --out DIR` writes them: `fieldgate.telemetry.yaml`",
    );
}

/// Whether a tag takes a label of that name out of its own place.
fn takes(tag: &Node, label: &str) -> bool {
    text(tag, "tag_name") == Some(label) && text(tag, "regex").is_some_and(|regex| regex.contains(&format!("{label}=")))
}

/// Says which labels nothing takes out.
fn untaken(look: &mut Look, place: Span, is_taken: impl Fn(&str) -> bool, help: &str) {
    let missing: Vec<&str> = labels().into_iter().filter(|label| !is_taken(label)).collect();
    if missing.is_empty() {
        return;
    }
    look.say(
        Code::LostMetric,
        place,
        format!(
            "no `stats_tags` take these labels out of the names of the plugin's metrics: {}; the alerts and the dashboard find none of them",
            names(missing)
        ),
        help,
    );
}

/// Judges each EnvoyProxy: Envoy Gateway makes the bootstrap of it.
pub(super) fn proxies(look: &mut Look, survey: &Survey<'_>) {
    const TAGS: &str = "`fieldgate render POLICY --to envoy-gateway` writes them into the EnvoyProxy: `01-proxy.yaml`";
    const KEEP: &str = "write `{type: Prefix, value: wasmcustom.fieldgate_}`, `{type: Suffix, value: .rbac.fieldgate_gate.denied}` and `{type: Exact, value: listener_manager.lds.update_rejected}` too";
    for proxy in survey.resources.iter().filter(|one| one.kind == "EnvoyProxy") {
        let bootstrap = at(proxy.node, &["spec", "bootstrap"]);
        let whole = bootstrap.and_then(|bootstrap| text(bootstrap, "value")).unwrap_or_default();
        let patched = bootstrap.map(added).unwrap_or_default();
        let is_taken =
            |label: &str| whole.contains(&format!("{label}=")) || patched.iter().any(|tag| takes(tag, label));
        let place = resource::place(proxy.node);
        untaken(look, bootstrap.map_or(place, head), is_taken, TAGS);
        let Some(metrics) = at(proxy.node, &["spec", "telemetry", "metrics"]) else { continue };
        let chosen = elements(metrics, "matches");
        if !chosen.is_empty() {
            let place = member(metrics, "matches").map_or(place, |member| member.key_span);
            let chosen: Vec<Choice<'_>> = chosen.iter().filter_map(chosen_by_gateway).collect();
            lost(look, place, &chosen, &[OWN, GATE, LISTENERS], KEEP);
        }
        let off = at(metrics, &["prometheus"]).and_then(|prometheus| set(prometheus, "disable"));
        if let Some(span) = off.filter(|_| elements(metrics, "sinks").is_empty()) {
            look.say(
                Code::LostMetric,
                span,
                "without an endpoint for Prometheus, and without a sink, no metric leaves the proxy: no alert ever fires",
                "take `disable` out, or write `sinks`",
            );
        }
    }
}

/// Judges the annotations of a proxy's pod: Istio makes the bootstrap of them.
pub(super) fn annotated(look: &mut Look, place: Span, annotations: Option<&Node>, help: &str) {
    let listed = |name: &str| {
        let found = annotations.and_then(|annotations| get(annotations, &format!("sidecar.istio.io/{name}")));
        let entries: Vec<&str> = found.and_then(Node::text).unwrap_or_default().split(',').map(str::trim).collect();
        (found.map_or(place, |node| node.span), entries)
    };
    let (at_labels, taken) = listed("extraStatTags");
    untaken(look, at_labels, |label| taken.contains(&label), help);
    let (at_kept, suffixes) = listed("statsInclusionSuffixes");
    let (prefixes, patterns) = (listed("statsInclusionPrefixes").1, listed("statsInclusionRegexps").1);
    let chosen = suffixes.into_iter().map(Choice::Suffix).chain(prefixes.into_iter().map(Choice::Prefix));
    let chosen: Vec<Choice<'_>> = chosen.chain(patterns.into_iter().map(Choice::Part)).filter(Choice::is_any).collect();
    // Istio itself keeps what a plugin counts.
    lost(look, at_kept, &chosen, &[GATE, POLICIES], help);
}

/// The tags that patches of a bootstrap add, in the end: a later one may take all of them away.
fn added(bootstrap: &Node) -> Vec<&Node> {
    const ALL: [&str; 2] = ["/stats_config", "/stats_config/stats_tags"];
    let mut tags = Vec::new();
    for operation in elements(bootstrap, "jsonPatches") {
        if text(operation, "path").is_some_and(|path| ALL.contains(&path)) {
            tags.clear();
        }
        if let Some(value) = get(operation, "value") {
            walk(value, &mut |node| tags.extend(get(node, "tag_name").is_some().then_some(node)));
        }
    }
    tags
}

/// A metric that the alerts look for, as Envoy names it: how the name begins and ends as far as that is known, a word of it, and
/// what it tells.
struct Needed {
    starts: &'static str,
    ends: &'static str,
    word: &'static str,
    what: &'static str,
}

const OWN: Needed =
    Needed { starts: "wasmcustom.fieldgate_", ends: ";.;", word: "fieldgate_", what: "the plugin's own" };
const GATE: Needed = Needed {
    starts: "http.",
    ends: ".rbac.fieldgate_gate.denied",
    word: "fieldgate_gate",
    what: "what the gate refuses",
};
const LISTENERS: Needed = Needed {
    starts: "listener_manager.lds.update_rejected",
    ends: "listener_manager.lds.update_rejected",
    word: "update_rejected",
    what: "rejected listeners",
};
const POLICIES: Needed = Needed {
    starts: "extension_config_discovery.http_filter.",
    ends: ".config_fail",
    word: "config_fail",
    what: "rejected policies",
};

/// A pattern of metrics that are kept.
enum Choice<'n> {
    Exact(&'n str),
    Prefix(&'n str),
    Suffix(&'n str),
    /// A part of the name, or a pattern for all of it. A pattern is only looked through for words.
    Part(&'n str),
}

impl Choice<'_> {
    /// Whether it chooses anything: an empty word of a list does not.
    fn is_any(&self) -> bool {
        let (Self::Exact(word) | Self::Prefix(word) | Self::Suffix(word) | Self::Part(word)) = *self;
        !word.is_empty()
    }
}

impl Needed {
    /// Whether a pattern keeps the metric, as far as its name is known: of some that begin alike, one is enough.
    fn is_kept_by(&self, choice: &Choice<'_>) -> bool {
        match *choice {
            Choice::Exact(name) => name.starts_with(self.starts) && name.ends_with(self.ends),
            Choice::Prefix(prefix) => self.starts.starts_with(prefix) || prefix.starts_with(self.starts),
            Choice::Suffix(suffix) => self.ends.ends_with(suffix) || suffix.ends_with(self.ends),
            Choice::Part(part) => part.contains(self.word) || self.starts.contains(part) || matches!(part, ".*" | ".+"),
        }
    }
}

fn chosen_by_gateway(one: &Node) -> Option<Choice<'_>> {
    let value = text(one, "value")?;
    Some(match text(one, "type") {
        Some("Prefix") => Choice::Prefix(value),
        Some("Suffix") => Choice::Suffix(value),
        Some("RegularExpression") => Choice::Part(value),
        _ => Choice::Exact(value),
    })
}

fn chosen_by_envoy(one: &Node) -> Option<Choice<'_>> {
    let exact = text(one, "exact").map(Choice::Exact);
    let prefix = || text(one, "prefix").map(Choice::Prefix);
    let suffix = || text(one, "suffix").map(Choice::Suffix);
    let part = || text(one, "contains").or_else(|| text(get(one, "safe_regex")?, "regex")).map(Choice::Part);
    exact.or_else(prefix).or_else(suffix).or_else(part)
}

/// Says which of the metrics that the alerts look for are not among the chosen.
fn lost(look: &mut Look, place: Span, chosen: &[Choice<'_>], needed: &[Needed], help: &str) {
    let is_lost = |metric: &&Needed| !chosen.iter().any(|choice| metric.is_kept_by(choice));
    let lost: Vec<&str> = needed.iter().filter(is_lost).map(|metric| metric.what).collect();
    if !lost.is_empty() {
        look.say(
            Code::LostMetric,
            place,
            format!(
                "only chosen metrics are kept, and these are not: {}; the alerts that look for them never fire",
                lost.join(", ")
            ),
            help,
        );
    }
}

/// Judges which metrics Envoy itself keeps (`stats_matcher`).
fn kept(look: &mut Look, survey: &Survey<'_>, bootstrap: &Node) {
    const KEEP: &str = "write `{prefix: wasmcustom.fieldgate_}`, `{suffix: .rbac.fieldgate_gate.denied}` and `{suffix: .config_fail}` under `patterns` too; with Istio these are annotations of the proxy, which `fieldgate render --to istio` writes: `gateway.patch.yaml`";
    let Some(matcher) = at(bootstrap, &["stats_config", "stats_matcher"]) else { return };
    if let Some(span) = set(matcher, "reject_all") {
        look.say(Code::LostMetric, span, "no metric is kept: no alert ever fires", "take `reject_all` out");
    }
    if let Some(list) = member(matcher, "inclusion_list") {
        let chosen: Vec<Choice<'_>> = elements(&list.node, "patterns").iter().filter_map(chosen_by_envoy).collect();
        // Only where the policy comes by discovery can it be rejected by itself.
        let needed: &[Needed] = if survey.extensions.is_empty() { &[OWN, GATE] } else { &[OWN, GATE, POLICIES] };
        lost(look, list.key_span, &chosen, needed, KEEP);
    }
}

/// Envoy puts a prefix before a module's metrics, unless it is told not to.
fn prefix(look: &mut Look, bootstrap: &Node) {
    let layers = at(bootstrap, &["layered_runtime"]).map(|runtime| elements(runtime, "layers")).unwrap_or_default();
    let is_plain = |layer: &&Node| get(layer, "static_layer").and_then(|layer| set(layer, PLAIN_NAMES)).is_some();
    if layers.iter().any(|layer| is_plain(&layer)) {
        return;
    }
    let place = member(bootstrap, "layered_runtime").map_or_else(|| head(bootstrap), |member| member.key_span);
    look.say(
        Code::LostMetric,
        place,
        "the names of the module's metrics have a prefix of Envoy's: the alerts and the dashboard find none of them",
        format!("write `layered_runtime: {{layers: [{{name: fieldgate, static_layer: {{{PLAIN_NAMES}: true}}}}]}}`"),
    );
}
