//! The Deployment of an Istio gateway's proxy, which has what no resource of Istio's brings: the labels of the plugin's metrics, the
//! metrics that are kept, and the key.

use super::demands::Demands;
use super::field::{at, elements, get, text};
use super::look::Look;
use super::survey::Survey;
use super::{metrics, plugin, proxies, resource};
use fieldgate::document::Node;

const KEY_HELP: &str = "apply `gateway.patch.yaml` of what `fieldgate render --to istio --out DIR` writes: `kubectl patch deployment NAME --patch-file gateway.patch.yaml`";

/// Where else metrics can be named.
const METRICS_HELP: &str = "apply `gateway.patch.yaml` of what `fieldgate render --to istio --out DIR` writes, or name them in `meshConfig.defaultConfig`, which is not looked at: `extraStatTags`, and `proxyStatsMatcher`";

/// Judges the proxies that one of the plugins is for, as far as their Deployments are among the files.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>, plugins: &[&Node], demands: &Demands) {
    for (proxy, pod, container) in proxies::pods(survey) {
        if plugins.iter().any(|plugin| proxy.is_chosen_by(plugin)) {
            let place = resource::place(proxy.maker);
            metrics::annotated(look, place, at(pod, &["metadata", "annotations"]), METRICS_HELP);
            let named: Vec<&str> = elements(container, "env").iter().filter_map(|one| text(one, "name")).collect();
            // What a ConfigMap or a Secret brings as a whole is not known.
            let is_whole = get(container, "envFrom").is_none();
            if let Some(key) = plugin::missing_key(demands, &named).filter(|_| is_whole) {
                plugin::no_key(look, place, key, KEY_HELP);
            }
        }
    }
}
