//! What a cluster says of resources that come from one: whether the gateway has them in force.

use super::field::{at, elements, get, head, number, text, truth};
use super::look::Look;
use super::resource::{self, Resource};
use super::survey::Survey;
use super::{listeners, patch};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

/// Kinds that Envoy Gateway tells of where it looks at them, for each Gateway or class that they are attached to.
const ATTACHED: [&str; 4] = ["ClientTrafficPolicy", "EnvoyExtensionPolicy", "EnvoyPatchPolicy", "SecurityPolicy"];

/// Conditions without which a resource does nothing.
const NEEDED: [&str; 3] = ["Accepted", "Programmed", "ResolvedRefs"];

/// The condition of a resource whose place another one takes somewhere.
const OVERRIDDEN: &str = "Overridden";

const LOOK: &str = "`kubectl get … -o yaml` has it under `status`: mend what it names, and look again";

/// Says what is not in force, though it is there.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>) {
    for resource in &survey.resources {
        match resource.kind {
            kind if ATTACHED.contains(&kind) => {
                let ancestors =
                    at(resource.node, &["status", "ancestors"]).and_then(Node::elements).unwrap_or_default();
                for ancestor in ancestors {
                    conditions(look, resource, ancestor, &NEEDED);
                }
                if ancestors.is_empty() && is_stored(resource.node) {
                    say(
                        look,
                        resource,
                        resource::place(resource.node),
                        "nobody has looked at it, as `status` is empty: what it is attached to is not there, or Envoy Gateway takes no resources of its kind",
                        "see that its `targetRef` names a Gateway that is there, and for patches that Envoy Gateway's configuration has `extensionApis: {enableEnvoyPatchPolicy: true}`",
                    );
                }
            }
            // A Gateway without an address yet is not programmed, and serves all the same.
            "Gateway" | "GatewayClass" => {
                if let Some(status) = get(resource.node, "status") {
                    conditions(look, resource, status, &["Accepted", "ResolvedRefs"]);
                }
            }
            "EnvoyGateway" => {
                allows_patches(look, survey, resource.node);
                names_by_port(look, survey, resource.node);
            }
            _ => {}
        }
    }
}

/// Whether a resource comes from a Kubernetes API, and not from who wrote it.
fn is_stored(resource: &Node) -> bool {
    at(resource, &["metadata", "uid"]).is_some()
}

fn say(look: &mut Look, resource: &Resource<'_>, place: Span, why: &str, help: &str) {
    let (kind, name) = (resource.kind, resource::name(resource.node));
    look.say(Code::NotInForce, place, format!("{kind} `{name}` is not in force: {why}"), help);
}

/// The conditions of a resource that a gateway has looked at.
fn conditions(look: &mut Look, resource: &Resource<'_>, status: &Node, needed: &[&str]) {
    let generation = at(resource.node, &["metadata", "generation"]).and_then(number);
    for condition in elements(status, "conditions") {
        let Some(kind) = text(condition, "type") else { continue };
        let place = get(condition, "status").map_or(condition.span, |node| node.span);
        let seen = get(condition, "observedGeneration").and_then(number);
        let is = text(condition, "status").unwrap_or_default();
        let is_needed = needed.contains(&kind);
        if (is_needed && is == "False") || (kind == OVERRIDDEN && is == "True") {
            let reason = text(condition, "reason").unwrap_or("no reason");
            let told = text(condition, "message").unwrap_or_default();
            say(look, resource, place, &format!("`{kind}` is {is} ({reason}): {told}"), LOOK);
        } else if let (Some(generation), Some(seen)) = (generation, seen)
            && is_needed
            && seen < generation
        {
            let why =
                format!("`{kind}` is of generation {seen}, and it is {generation}: what it says now was not looked at");
            say(
                look,
                resource,
                place,
                &why,
                "see what the Gateway's own `status` says: one that is not accepted is frozen",
            );
            return;
        }
    }
}

/// Envoy Gateway's own configuration.
fn allows_patches(look: &mut Look, survey: &Survey<'_>, configuration: &Node) {
    let allowed = at(configuration, &["extensionApis", "enableEnvoyPatchPolicy"]);
    if allowed.and_then(truth) == Some(true) {
        return;
    }
    let Some(patch) = survey.resources.iter().find(|one| one.kind == "EnvoyPatchPolicy") else { return };
    let place = get(configuration, "extensionApis").map_or_else(|| head(configuration), |node| node.span);
    say(
        look,
        patch,
        place,
        "Envoy Gateway's configuration does not allow patches",
        "write `extensionApis: {enableEnvoyPatchPolicy: true}`",
    );
}

/// With names after ports no listener has the name that a patch has after a Gateway.
fn names_by_port(look: &mut Look, survey: &Survey<'_>, configuration: &Node) {
    let Some(place) = listeners::by_port(configuration) else { return };
    let by_gateway = |one: &&Resource<'_>| {
        let patches = patch::json_patches(one.node).iter().filter_map(patch::listener);
        one.kind == "EnvoyPatchPolicy" && patches.filter_map(Node::text).any(|name| name.contains('/'))
    };
    for policy in survey.resources.iter().filter(by_gateway) {
        say(
            look,
            policy,
            place,
            "with `XDSNameSchemeV2` Envoy's listeners are called `tcp-PORT`, and it names one after its Gateway",
            "take `XDSNameSchemeV2` out, or name the listener of each patch after its port: `tcp-8080`",
        );
    }
}
