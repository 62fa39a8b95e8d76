//! The Deployment of an Istio gateway's proxy, which has what no resource of Istio's brings: the labels of the plugin's metrics, the
//! metrics that are kept, and the key.

use super::demands::Demands;
use super::field::{at, elements, get, text};
use super::look::Look;
use super::survey::Survey;
use super::{metrics, plugin, resource};
use fieldgate::document::{Member, Node};

/// The container of a pod that is the proxy.
const PROXY: &str = "istio-proxy";

/// The kinds that pods are made of, and a pod itself.
const KINDS: [&str; 4] = ["DaemonSet", "Deployment", "Pod", "StatefulSet"];

const KEY_HELP: &str = "apply `gateway.patch.yaml` of what `fieldgate render --to istio --out DIR` writes: `kubectl patch deployment NAME --patch-file gateway.patch.yaml`";

/// Where else metrics can be named.
const METRICS_HELP: &str = "apply `gateway.patch.yaml` of what `fieldgate render --to istio --out DIR` writes, or name them in `meshConfig.defaultConfig`, which is not looked at: `extraStatTags`, and `proxyStatsMatcher`";

/// Judges the proxies that one of the plugins is for, as far as their Deployments are among the files.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, plugins: &[&Node], demands: &Demands) {
    for one in survey.resources.iter().filter(|one| KINDS.contains(&one.kind)) {
        let pod = at(one.node, &["spec", "template"]).unwrap_or(one.node);
        let containers = at(pod, &["spec", "containers"]).and_then(Node::elements).unwrap_or_default();
        let proxy = containers.iter().find(|container| text(container, "name") == Some(PROXY));
        let own = at(pod, &["metadata", "labels"]).and_then(Node::members).unwrap_or_default();
        if let Some(proxy) = proxy.filter(|_| plugins.iter().any(|plugin| is_for(plugin, one.node, own))) {
            let place = resource::place(one.node);
            metrics::annotated(look, place, at(pod, &["metadata", "annotations"]), METRICS_HELP);
            let named: Vec<&str> = elements(proxy, "env").iter().filter_map(|one| text(one, "name")).collect();
            // What a ConfigMap or a Secret brings as a whole is not known.
            let is_whole = get(proxy, "envFrom").is_none();
            if let Some(key) = plugin::missing_key(demands, &named).filter(|_| is_whole) {
                plugin::no_key(look, place, key, KEY_HELP);
            }
        }
    }
}

/// Whether a plugin is for pods with these labels, which another resource makes.
fn is_for(plugin: &Node, other: &Node, own: &[Member]) -> bool {
    resource::is_in_reach(plugin, other) && resource::chosen(plugin).iter().all(|label| resource::is_among(label, own))
}
