//! Policies of Envoy Gateway that hang on one target: of two of a kind only the older is in force, and one for a listener takes
//! the place of the one for its Gateway.

use super::connection;
use super::field::{at, elements, get, text, truth};
use super::look::Look;
use super::recognise;
use super::resource::{self, ResourceName};
use super::survey::Survey;
use fieldgate::diagnostic::{Code, Diagnostic};
use fieldgate::document::Node;

/// The kinds that a gateway needs whole: the plugin's own, that of its paths, and that of its callers.
const KINDS: [&str; 3] = ["EnvoyExtensionPolicy", "ClientTrafficPolicy", "SecurityPolicy"];

/// What a policy hangs on: a resource, and the part of it that the policy names.
type Target = (ResourceName, Option<String>);

/// Judges them.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>) {
    for kind in KINDS {
        let mut taken: Vec<(Target, &Node)> = Vec::new();
        for policy in survey.resources.iter().filter(|one| one.kind == kind).map(|one| one.node) {
            let targets = targets(look, policy, survey);
            if let Some((_, first)) = taken.iter().find(|(target, _)| targets.contains(target)) {
                look.push(
                    Diagnostic::at(
                        Code::NotInForce,
                        resource::place(policy),
                        format!(
                            "a second {kind} for one target: only the older of the two is in force, and the status of the other says `Conflicted`"
                        ),
                    )
                    .label(resource::place(first), "the first")
                    .help("write what both say into one of them, and delete the other"),
                );
            }
            taken.extend(targets.into_iter().map(|target| (target, policy)));
        }
    }
    paths(look, survey);
}

/// What a policy certainly hangs on, each by itself. What it chooses by labels has no part.
fn targets(look: &mut Look, policy: &Node, survey: &Survey<'_>) -> Vec<Target> {
    let Some(spec) = get(policy, "spec") else { return Vec::new() };
    let elsewhere = elements(spec, "targetSelectors").iter().find(|selector| resource::is_elsewhere(selector));
    if let Some(place) = elsewhere.and_then(|selector| get(selector, "namespaces")) {
        look.say(
            Code::Elsewhere,
            place.span,
            "which namespaces this is for is not known from the files: whether another policy of its kind is for the same is not judged",
            "see what its `status` says in the cluster: `Conflicted` means that it is not in force",
        );
        return Vec::new();
    }
    let all = resource::targets(policy, &survey.resources);
    let listed =
        elements(spec, "targetRefs").iter().chain(get(spec, "targetRef")).filter(|one| get(one, "name").is_some());
    let parts = listed.map(|one| text(one, "sectionName").map(str::to_owned)).chain(std::iter::repeat(None));
    all.into_iter().zip(parts).collect()
}

/// Without a word Envoy Gateway changes the path: a ClientTrafficPolicy that is for the plugin's Gateway has to say that it must
/// not, whatever another one says.
fn paths(look: &mut Look, survey: &Survey<'_>) {
    let of_kind = |kind: &'static str| survey.resources.iter().filter(move |one| one.kind == kind).map(|one| one.node);
    let ours: Vec<ResourceName> = of_kind("EnvoyExtensionPolicy")
        .filter(|policy| recognise::has_plugin(policy))
        .flat_map(|policy| resource::targets(policy, &survey.resources))
        .collect();
    for policy in of_kind("ClientTrafficPolicy") {
        if !resource::targets(policy, &survey.resources).iter().any(|target| ours.contains(target)) {
            continue;
        }
        let path = at(policy, &["spec", "path"]);
        let says_slashes = path.is_some_and(|path| get(path, "escapedSlashesAction").is_some());
        let says_merging = path.and_then(|path| get(path, "disableMergeSlashes")).and_then(truth).is_some();
        if !says_slashes || !says_merging {
            connection::rewritten(
                look,
                resource::place(policy),
                "without a word of it Envoy Gateway makes slashes of `%2F`, and merges slashes,",
                "write `path: {escapedSlashesAction: KeepUnchanged, disableMergeSlashes: true}`",
            );
        }
    }
}
