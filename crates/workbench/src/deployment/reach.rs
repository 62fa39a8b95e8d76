//! What the plugin hangs on in Envoy Gateway, and whether patches are for all of it.

use super::patch;
use super::recognise;
use super::resource::{self, ResourceName};
use super::survey::Survey;
use fieldgate::document::Node;

/// The kind that patches are for where Gateways share a proxy.
pub(super) const CLASS: &str = "GatewayClass";

/// The Gateways that have the plugin.
pub(super) fn gateways(survey: &Survey<'_>) -> Vec<ResourceName> {
    let policies = survey.resources.iter().filter(|resource| resource.kind == "EnvoyExtensionPolicy");
    policies
        .filter(|policy| recognise::has_plugin(policy.node))
        .flat_map(|policy| resource::targets(policy.node, &survey.resources))
        .filter(|target| target.kind == "Gateway")
        .collect()
}

/// Whether EnvoyPatchPolicies write something for every Gateway that has the plugin, or for their class: `wanted` gets the field
/// that a patch writes, and what it writes there.
pub(super) fn is_patched(survey: &Survey<'_>, wanted: impl Fn(&str, &Node) -> bool) -> bool {
    let policies = survey.resources.iter().filter(|resource| resource.kind == "EnvoyPatchPolicy");
    let writing = policies.filter(|policy| {
        patch::operations(policy.node).filter_map(patch::written).any(|(name, value)| wanted(name, value))
    });
    let patched: Vec<ResourceName> =
        writing.flat_map(|policy| resource::targets(policy.node, &survey.resources)).collect();
    let of_class = patched.iter().any(|target| target.kind == CLASS);
    of_class || !patched.is_empty() && gateways(survey).iter().all(|gateway| patched.contains(gateway))
}

/// Whether a resource is among the files.
pub(super) fn is_given(survey: &Survey<'_>, name: &ResourceName) -> bool {
    survey.resources.iter().any(|one| resource::named(one) == *name)
}
