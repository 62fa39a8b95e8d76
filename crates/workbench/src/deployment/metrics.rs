//! Whether what monitors the plugin finds its metrics: labels that something takes out of their names, and the gate's own
//! counter.

use super::field::{at, elements, get, head, member, set, text, unwrap, walk};
use super::plugin::Carrier;
use super::survey::Survey;
use super::{Look, names};
use fieldgate::diagnostic::Code;
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
    let takes = |label: &str| {
        let own = |tag: &&Node| text(tag, "tag_name") == Some(label);
        taken.iter().filter(own).filter_map(|tag| text(tag, "regex")).any(|regex| regex.contains(&format!("{label}=")))
    };
    let missing: Vec<&str> = labels().into_iter().filter(|label| !takes(label)).collect();
    if missing.is_empty() {
        return;
    }
    let place = member(bootstrap, "stats_config").map_or_else(|| head(bootstrap), |member| member.key_span);
    look.say(
        Code::LostMetric,
        place,
        format!(
            "no `stats_tags` take these labels out of the names of the plugin's metrics: {}; the alerts and the dashboard find none of them",
            names(missing)
        ),
        "`fieldgate render POLICY --to envoy --out DIR` writes them: `fieldgate.telemetry.yaml`",
    );
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
